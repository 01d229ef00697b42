/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation. Workers of a row are started together and then sampled in turn, round by round; every other
 * round goes backwards, so that no subject always follows the same neighbour. One round before the first warms caches,
 * congestion windows and stocks of sockets up and is thrown away. Rows marked fresh get a new worker for each sample
 * and no warming up, because what they measure is the cold state.
 */
#include "runner.h"

#include "processors.h"
#include "worker.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** matches - whether the pattern selects this subject: it is sought in "row/subject", its own '*' and '?' are wild */
static bool matches(const struct bench_row *row, const struct bench_subject *subject)
{
	char name[128], pattern[128];

	if (!bench_options.only)
		return true;
	snprintf(name, sizeof(name), "%s/%s", row->name, subject->name);
	snprintf(pattern, sizeof(pattern), "*%s*", bench_options.only);
	return fnmatch(pattern, name, 0) == 0;
}

bool runner_wants(const struct bench_row *row)
{
	for (unsigned int i = 0; i < row->subject_count; i++)
		if (matches(row, &row->subjects[i]))
			return true;
	return false;
}

/** select_subjects - mark the subjects the pattern selects, and their references with them */
static void select_subjects(struct bench_result *result)
{
	const struct bench_row *row = result->row;

	for (unsigned int i = 0; i < row->subject_count; i++) {
		if (!matches(row, &row->subjects[i]))
			continue;
		result->answers[i].asked = true;
		if (bench_options.alone)
			continue;
		for (unsigned int j = 0; j < row->subject_count; j++)
			for (unsigned int k = 0; k < BENCH_REFERENCES_MAX; k++)
				if (row->subjects[i].reference[k] &&
				    !strcmp(row->subjects[i].reference[k], row->subjects[j].name))
					result->answers[j].asked = true;
	}
}

/** take - one sample of one subject into its place; a negative @round is thrown away */
static void take(struct bench_result *result, struct worker *workers, unsigned int index, int round)
{
	const struct bench_row *row = result->row;
	struct bench_answers *answers = &result->answers[index];
	struct worker *worker = &workers[index];
	double values[BENCH_METRICS_MAX];
	int status = 0;

	for (unsigned int m = 0; m < BENCH_METRICS_MAX; m++)
		values[m] = NAN;
	if (row->fresh)
		status = worker_start(worker, row, &row->subjects[index]);
	if (status == 0 && worker->pid)
		status = worker_sample(worker, values);
	if (status < 0)
		snprintf(answers->why, sizeof(answers->why), "%s", worker->why);
	if (row->fresh)
		worker_stop(worker);
	if (round < 0)
		return;
	for (unsigned int m = 0; m < row->metric_count; m++)
		answers->values[m][round] = status == 0 ? values[m] : NAN;
	answers->rounds = (unsigned int)round + 1;
}

struct bench_result *runner_run(const struct bench_row *row)
{
	struct bench_result *result = calloc(1, sizeof(*result));
	struct worker workers[BENCH_SUBJECTS_MAX] = {0};
	int rounds = (int)bench_options.runs;

	if (!result)
		return NULL;
	if (row->runs_max && row->runs_max < bench_options.runs)
		rounds = (int)row->runs_max;
	result->row = row;
	select_subjects(result);
	for (unsigned int i = 0; i < row->subject_count && !row->fresh; i++)
		if (result->answers[i].asked && worker_start(&workers[i], row, &row->subjects[i]) < 0)
			snprintf(result->answers[i].why, BENCH_WHY_MAX, "%s", workers[i].why);
	for (int round = row->fresh ? 0 : -1; round < rounds && !bench_interrupted; round++) {
		if (round >= 0)
			result->distance[result->rounds++] = processors_distance();
		for (unsigned int i = 0; i < row->subject_count; i++) {
			unsigned int index = round % 2 == 0 ? i : row->subject_count - 1 - i;

			if (result->answers[index].asked)
				take(result, workers, index, round);
		}
	}
	for (unsigned int i = 0; i < row->subject_count; i++)
		worker_stop(&workers[i]);
	return result;
}
