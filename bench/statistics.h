/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* statistics.h - order statistics of small sets of figures. */
#ifndef BENCH_STATISTICS_H
#define BENCH_STATISTICS_H

#include <stddef.h>

/** statistics_sort - sort @values, smallest first; none of them is NAN */
void statistics_sort(double *values, size_t count);

/**
 * statistics_quantile - the value below which the fraction @q (0 to 1) of @sorted lies
 *
 * Between two neighbours the value is interpolated. NAN when @count is 0.
 */
double statistics_quantile(const double *sorted, size_t count, double q);

/** statistics_median - the median; sorts @values in place */
double statistics_median(double *values, size_t count);

#endif
