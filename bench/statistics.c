/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "statistics.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void statistics_sort(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
}

double statistics_quantile(const double *sorted, size_t count, double q)
{
	double place;
	size_t below;

	if (count == 0)
		return NAN;
	place = q * (double)(count - 1);
	below = (size_t)place;
	if (below + 1 >= count)
		return sorted[count - 1];
	return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}

double statistics_median(double *values, size_t count)
{
	statistics_sort(values, count);
	return statistics_quantile(values, count, 0.5);
}
