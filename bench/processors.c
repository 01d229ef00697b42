/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "processors.h"

#include "clock.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define TURNS 2000            /* of a line there and back */
#define BATCHES 5             /* of turns, the fastest of which counts: in others somebody took the processor */
#define DISTANCE_NS 100000000 /* after which we give up */

static cpu_set_t allowed;

void processors_init(void)
{
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		CPU_ZERO(&allowed);
}

unsigned int processors_count(void)
{
	return (unsigned int)CPU_COUNT(&allowed);
}

void processors_pin(unsigned int index)
{
	unsigned int count = processors_count();
	cpu_set_t here;

	if (count == 0)
		return;
	index %= count;
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || index-- > 0)
			continue;
		CPU_ZERO(&here);
		CPU_SET(cpu, &here);
		sched_setaffinity(0, sizeof(here), &here);
		return;
	}
}

void processors_unpin(void)
{
	if (processors_count() > 0)
		sched_setaffinity(0, sizeof(allowed), &allowed);
}

/** struct line - what two threads pass to each other: a number, to be made even by one and odd by the other */
struct line {
	_Alignas(64) _Atomic unsigned int turn;
	_Atomic bool over;
};

/** return_line - the other thread */
static void *return_line(void *arg)
{
	struct line *line = arg;

	processors_pin(1);
	while (!atomic_load_explicit(&line->over, memory_order_relaxed)) {
		unsigned int turn = atomic_load_explicit(&line->turn, memory_order_acquire);

		if (turn % 2 == 1)
			atomic_store_explicit(&line->turn, turn + 1, memory_order_release);
	}
	return NULL;
}

/** pass_line - a batch of turns; nanoseconds for one way, or NAN: it has not come back before @end */
static double pass_line(struct line *line, uint64_t end)
{
	uint64_t began = clock_ns();

	for (unsigned int i = 0; i < TURNS; i++) {
		unsigned int turn = atomic_load_explicit(&line->turn, memory_order_relaxed) + 1;

		atomic_store_explicit(&line->turn, turn, memory_order_release);
		for (unsigned int spins = 1; atomic_load_explicit(&line->turn, memory_order_acquire) == turn; spins++)
			if (spins % 1024 == 0 && clock_ns() > end)
				return NAN;
	}
	return (double)(clock_ns() - began) / TURNS / 2;
}

double processors_distance(void)
{
	struct line line = {.turn = 0};
	double best = NAN, ns = 0;
	uint64_t end = clock_ns() + DISTANCE_NS;
	pthread_t other;

	if (processors_count() < 2 || pthread_create(&other, NULL, return_line, &line) != 0)
		return NAN;
	processors_pin(0);
	for (unsigned int i = 0; i < BATCHES && !isnan(ns); i++) {
		ns = pass_line(&line, end);
		best = fmin(best, ns);
	}
	atomic_store(&line.over, true);
	pthread_join(other, NULL);
	processors_unpin();
	return best;
}
