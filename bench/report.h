/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report.h - the figures, for people (a table) and for programs (JSON). */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "bench.h"

#include <stdio.h>

/** struct bench_answers - what one subject has answered to its row */
struct bench_answers {
	bool asked;                                       /* false: the pattern of the command line left it out */
	unsigned int rounds;                              /* filled places in values */
	double values[BENCH_METRICS_MAX][BENCH_RUNS_MAX]; /* NAN: no value in that round */
	char why[BENCH_WHY_MAX];                          /* empty, or why figures are missing */
};

/** struct bench_result - a row with the answers of its subjects, in the order of the row */
struct bench_result {
	const struct bench_row *row;
	double distance[BENCH_RUNS_MAX]; /* processors_distance before each round */
	unsigned int rounds;             /* filled places in distance */
	struct bench_answers answers[BENCH_SUBJECTS_MAX];
};

/** report_table - print the table of one row */
void report_table(FILE *out, const struct bench_result *result);

/**
 * report_json - write all rows
 *
 * Returns 0, or -1 with errno.
 */
int report_json(const char *file, const struct bench_result *const *results, unsigned int count);

#endif
