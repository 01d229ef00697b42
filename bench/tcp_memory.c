/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the stack lwip leaves of the engine's speed: bulk TCP where the network costs next to nothing.
 *
 * Two stacks on a network that hands frames over in memory (vdeplug_memory.c) do what the row tcp-stream does, beside
 * the engine alone, moved by hand in one thread (by_hand.h).
 */
#include "by_hand.h"
#include "clock.h"
#include "processes.h"
#include "traffic.h"

enum metric { THROUGHPUT, CPU };

/** struct memory_subject - a network for traffic, or the engine by hand, cheap or as it is */
struct memory_subject {
	const struct network_kind *network;
	bool cheap;
};

/* A worker has one subject. */
static const struct memory_subject *subject_here;

static int memory_begin(const struct bench_subject *subject, void **state)
{
	struct bench_subject traffic = *subject;

	subject_here = subject->arg;
	if (!subject_here->network)
		return by_hand_open((struct by_hand **)state, subject_here->cheap);
	traffic.arg = subject_here->network;
	return traffic_begin(&traffic, state);
}

static int memory_sample(void *state, double *values)
{
	struct processes_survey before, after;
	uint64_t start;
	int64_t bytes;

	if (subject_here->network)
		return traffic_sample(state, values);
	processes_survey(&before);
	start = clock_ns();
	bytes = by_hand_stream(state, bench_sample_ns());
	if (bytes <= 0)
		return -1;
	values[THROUGHPUT] = (double)bytes * 8 / (double)(clock_ns() - start);
	processes_survey(&after);
	values[CPU] = (after.cpu - before.cpu) * 1e9 / (double)bytes;
	return 0;
}

static void memory_end(void *state)
{
	if (subject_here->network)
		traffic_end(state);
	else
		by_hand_close(state);
}

static const struct bench_metric metrics[] = {
        [THROUGHPUT] = {"throughput", "Gbit/s", BENCH_MORE},
        [CPU] = {"CPU time", "s/GB", BENCH_LESS},
};
static const struct bench_subject subjects[] = {
        {"lwIP by hand, as built", {NULL}, &(const struct memory_subject){NULL, false}},
        {"lwIP by hand", {NULL}, &(const struct memory_subject){NULL, true}},
        {"ioth lwip memory",
         {"lwIP by hand", "lwIP by hand, as built"},
         &(const struct memory_subject){&network_lwip_memory, false}},
};
static const struct bench_target targets[] = {
        {"ioth lwip memory", "throughput", BENCH_RATIO_AT_LEAST, 0.8, NULL},
};

const struct bench_row bench_row_tcp_memory = {
        .name = "tcp-memory",
        .title = "bulk TCP, frames handed over in memory: the engine by hand in one thread, and through libioth in two",
        .metrics = metrics,
        .metric_count = BENCH_COUNT(metrics),
        .subjects = subjects,
        .subject_count = BENCH_COUNT(subjects),
        .targets = targets,
        .target_count = BENCH_COUNT(targets),
        .patience_s = 40,
        .begin = memory_begin,
        .sample = memory_sample,
        .end = memory_end,
        .arg = &tcp_stream_traffic_memory,
};
