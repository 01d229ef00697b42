/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of a stack: create, configure (address, interface up), delete.
 *
 * A library may leave work to the background, so the time of a whole life in a row of many is measured as well: nothing
 * of it can be hidden for long.
 */
#include "bench.h"
#include "clock.h"
#include "library.h"
#include "statistics.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#define LIVES 20

enum metric { READY, CREATE, CONFIGURE, DELETE, LIFE };

/* A worker has one subject. */
static const struct library *library;

struct life {
	double create, configure, remove; /* milliseconds */
};

/** live - one stack, born and dead */
static int live(struct life *life)
{
	static unsigned int number;
	struct in_addr address = {htonl(0x0a000001)};
	uint64_t start, created, configured, removed;
	char vnl[128];
	void *stack;

	snprintf(vnl, sizeof(vnl), "ptp://%s/life-%d-%u", bench_options.directory, (int)getpid(), number++);
	start = clock_ns();
	stack = library->create(vnl);
	created = clock_ns();
	if (!stack)
		return -1;
	if (library->configure(stack, address) < 0)
		return -1;
	configured = clock_ns();
	if (library->remove(stack) < 0)
		return -1;
	removed = clock_ns();
	life->create = (double)(created - start) / 1e6;
	life->configure = (double)(configured - created) / 1e6;
	life->remove = (double)(removed - configured) / 1e6;
	return 0;
}

/* -------------------------------------------------------------------------------- the first stack of a process */

static int first_begin(const struct bench_subject *subject, void **state)
{
	(void)state;
	library = subject->arg;
	return 0;
}

static int first_sample(void *state, double *values)
{
	struct life life;

	(void)state;
	if (live(&life) < 0)
		return -1;
	values[READY] = life.create + life.configure;
	values[CREATE] = life.create;
	values[CONFIGURE] = life.configure;
	values[DELETE] = life.remove;
	return 0;
}

static void life_end(void *state)
{
	(void)state;
}

/* ------------------------------------------------------------------------------------------- all further ones */

/* One stack stays for the whole life of the process, so that what all stacks share is not made again for each. */
static int life_begin(const struct bench_subject *subject, void **state)
{
	char vnl[128];

	first_begin(subject, state);
	snprintf(vnl, sizeof(vnl), "ptp://%s/life-%d", bench_options.directory, (int)getpid());
	return library->create(vnl) ? 0 : -1;
}

static int life_sample(void *state, double *values)
{
	unsigned int count = bench_options.quick ? LIVES / 4 : LIVES;
	double ready[LIVES], create[LIVES], configure[LIVES], remove[LIVES];
	uint64_t start = clock_ns();

	(void)state;
	for (unsigned int i = 0; i < count; i++) {
		struct life life;

		if (live(&life) < 0)
			return -1;
		ready[i] = life.create + life.configure;
		create[i] = life.create;
		configure[i] = life.configure;
		remove[i] = life.remove;
	}
	values[LIFE] = (double)(clock_ns() - start) / 1e6 / count;
	values[READY] = statistics_median(ready, count);
	values[CREATE] = statistics_median(create, count);
	values[CONFIGURE] = statistics_median(configure, count);
	values[DELETE] = statistics_median(remove, count);
	return 0;
}

static const struct bench_metric metrics[] = {
        [READY] = {"create+configure", "ms", BENCH_LESS}, [CREATE] = {"create", "ms", BENCH_LESS},
        [CONFIGURE] = {"configure", "ms", BENCH_LESS},    [DELETE] = {"delete", "ms", BENCH_LESS},
        [LIFE] = {"whole life", "ms", BENCH_LESS},
};
static const struct bench_subject subjects[] = {
        {"libvdestack", {NULL}, &library_vdestack},
        {"ioth vdestack", {"libvdestack"}, &library_ioth_vdestack},
        {"ioth lwip", {"libvdestack"}, &library_ioth_lwip},
};
static const struct bench_target targets[] = {
        {"ioth vdestack", "create+configure", BENCH_AT_MOST, 3, NULL},
        {"ioth vdestack", "delete", BENCH_AT_MOST, 3, NULL},
        {"ioth lwip", "create+configure", BENCH_AT_MOST, 1, NULL},
};

const struct bench_row bench_row_stack_first = {
        .name = "stack-first",
        .title = "the first stack of a process, with whatever all stacks share, on ptp://",
        .metrics = metrics,
        .metric_count = DELETE + 1,
        .subjects = subjects,
        .subject_count = BENCH_COUNT(subjects),
        .fresh = true,
        .begin = first_begin,
        .sample = first_sample,
        .end = life_end,
};

const struct bench_row bench_row_stack_life = {
        .name = "stack-life",
        .title = "one more stack on ptp://: create, configure (address, up), delete; medians of 20",
        .metrics = metrics,
        .metric_count = BENCH_COUNT(metrics),
        .subjects = subjects,
        .subject_count = BENCH_COUNT(subjects),
        .targets = targets,
        .target_count = BENCH_COUNT(targets),
        .begin = life_begin,
        .sample = life_sample,
        .end = life_end,
};
