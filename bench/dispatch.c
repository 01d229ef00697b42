/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libioth adds to a system call, in nanoseconds.
 *
 * Theory of operation. Sockets of the kernel and vdestack plugins are kernel sockets, so the call and the same call
 * through libioth can be made on one and the same descriptor. The difference of a few nanoseconds between calls of some
 * hundred drowns in the noise of a shared machine unless both sides of each comparison are taken within less than a
 * millisecond. So threads pinned to their processors make the calls in short blocks, plain and ioth in turn, changing
 * which of the two comes first; the median of a thousand differences of neighbouring blocks is the figure, and
 * whatever hits single blocks (interrupts, other programs) falls outside of it. With two threads both make the same
 * kind of call at the same time: they meet at a barrier before each block.
 *
 * The subjects "control" show how exact the others can be: some compare the plain call with itself, some with itself
 * and ten multiplications of which each waits for the one before. Where those seem to cost nothing, they do: once a
 * process has had a second thread, libc's recv and send contain a locked instruction, and while the processor waits for
 * that, so soon after a system call, it has time for thirty cycles of other work. In a process with one thread there is
 * no such shadow.
 */
#include "bench.h"
#include "clock.h"
#include "dispatch.h"
#include "processors.h"
#include "statistics.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_CALLS 500
#define PAIRS 1000 /* of blocks, in a sample */
#define THREADS_MAX 2

enum metric { EXTRA, PLAIN };

/** struct sharing - how a row uses threads */
struct sharing {
	unsigned int threads;
	bool one_socket;
};

struct dispatch_thread {
	struct dispatch_state *state;
	pthread_t thread;
	unsigned int index;
	int fd;
	double plain[PAIRS], ioth[PAIRS]; /* nanoseconds a call */
};

struct dispatch_state {
	const struct dispatch_place *place;
	const struct sharing *sharing;
	unsigned int pairs;
	atomic_uint arrived, generation; /* the barrier */
	struct dispatch_thread threads[THREADS_MAX];
};

/** meet - wait for the other threads without sleeping, unless one of them has lost its processor for long */
static void meet(struct dispatch_state *s)
{
	unsigned int generation = atomic_load(&s->generation);
	unsigned int spins = 0;

	if (atomic_fetch_add(&s->arrived, 1) + 1 == s->sharing->threads) {
		atomic_store(&s->arrived, 0);
		atomic_fetch_add(&s->generation, 1);
		return;
	}
	while (atomic_load(&s->generation) == generation)
		if (++spins > 100000)
			sched_yield();
}

/** block - time of one call in a block, in nanoseconds */
static double block(struct dispatch_state *s, dispatch_spin *spin, int fd)
{
	uint64_t start;

	meet(s);
	start = clock_ns();
	spin(fd, BLOCK_CALLS);
	return (double)(clock_ns() - start) / BLOCK_CALLS;
}

static void *run(void *arg)
{
	struct dispatch_thread *t = arg;
	struct dispatch_state *s = t->state;
	const struct dispatch_call *call = s->place->call;
	dispatch_spin *const others[] = {
	        [DISPATCH_IOTH] = call->ioth, [DISPATCH_AGAIN] = call->again, [DISPATCH_DELAYED] = call->delayed};
	dispatch_spin *other = others[s->place->other];

	processors_pin(t->index);
	block(s, call->plain, t->fd);
	block(s, other, t->fd);
	for (unsigned int i = 0; i < s->pairs; i++) {
		if (i % 2 == 0)
			t->plain[i] = block(s, call->plain, t->fd);
		t->ioth[i] = block(s, other, t->fd);
		if (i % 2 == 1)
			t->plain[i] = block(s, call->plain, t->fd);
	}
	return NULL;
}

static int dispatch_begin(const struct bench_subject *subject, void **state)
{
	struct dispatch_state *s = calloc(1, sizeof(*s));
	int fds[THREADS_MAX];

	if (!s)
		return bench_fail("out of memory");
	*state = s;
	s->place = subject->arg;
	s->sharing = bench_current_row->arg;
	s->pairs = bench_options.quick ? PAIRS / 4 : PAIRS;
	if (processors_count() < s->sharing->threads)
		return bench_fail("needs %u processors", s->sharing->threads);
	if (dispatch_open(s->place, fds, s->sharing->one_socket ? 1 : s->sharing->threads) < 0)
		return -1;
	for (unsigned int i = 0; i < s->sharing->threads; i++) {
		struct dispatch_thread *t = &s->threads[i];

		t->state = s;
		t->fd = fds[s->sharing->one_socket ? 0 : i];
		t->index = i;
	}
	return 0;
}

static int dispatch_sample(void *state, double *values)
{
	struct dispatch_state *s = state;
	unsigned int threads = s->sharing->threads;
	double extra[PAIRS], plain[PAIRS];

	/* A process that has never had a second thread is spared the cost of cancellation points, so it gets none. */
	if (threads == 1) {
		run(&s->threads[0]);
		processors_unpin();
	}
	for (unsigned int i = 0; threads > 1 && i < threads; i++) {
		int error = pthread_create(&s->threads[i].thread, NULL, run, &s->threads[i]);

		/* A thread that waits at the barrier for one that never comes ends with this process. */
		if (error)
			return bench_fail("pthread_create: %s", strerror(error));
	}
	for (unsigned int i = 0; threads > 1 && i < threads; i++)
		pthread_join(s->threads[i].thread, NULL);
	for (unsigned int p = 0; p < s->pairs; p++) {
		plain[p] = extra[p] = 0;
		for (unsigned int i = 0; i < threads; i++) {
			plain[p] += s->threads[i].plain[p] / threads;
			extra[p] += (s->threads[i].ioth[p] - s->threads[i].plain[p]) / threads;
		}
	}
	values[EXTRA] = statistics_median(extra, s->pairs);
	values[PLAIN] = statistics_median(plain, s->pairs);
	return 0;
}

static void dispatch_end(void *state)
{
	free(state);
}

static const struct bench_metric metrics[] = {
        [EXTRA] = {"extra", "ns", BENCH_LESS},
        [PLAIN] = {"plain call", "ns", BENCH_NEITHER},
};
static const struct bench_subject subjects[] = {
        {"control fcntl", {NULL}, &(const struct dispatch_place){NULL, &dispatch_fcntl, DISPATCH_AGAIN}},
        {"control recv", {NULL}, &(const struct dispatch_place){NULL, &dispatch_recv, DISPATCH_AGAIN}},
        {"control fcntl + 30 cycles", {NULL}, &(const struct dispatch_place){NULL, &dispatch_fcntl, DISPATCH_DELAYED}},
        {"control recv + 30 cycles", {NULL}, &(const struct dispatch_place){NULL, &dispatch_recv, DISPATCH_DELAYED}},
        {"foreign fcntl", {NULL}, &(const struct dispatch_place){NULL, &dispatch_fcntl, DISPATCH_IOTH}},
        {"foreign recv", {NULL}, &(const struct dispatch_place){NULL, &dispatch_recv, DISPATCH_IOTH}},
        {"kernel fcntl", {NULL}, &(const struct dispatch_place){"kernel", &dispatch_fcntl, DISPATCH_IOTH}},
        {"kernel getsockopt", {NULL}, &(const struct dispatch_place){"kernel", &dispatch_getsockopt, DISPATCH_IOTH}},
        {"kernel recv", {NULL}, &(const struct dispatch_place){"kernel", &dispatch_recv, DISPATCH_IOTH}},
        {"kernel send", {NULL}, &(const struct dispatch_place){"kernel", &dispatch_send, DISPATCH_IOTH}},
        {"vdestack fcntl", {NULL}, &(const struct dispatch_place){"vdestack", &dispatch_fcntl, DISPATCH_IOTH}},
        {"vdestack getsockopt",
         {NULL},
         &(const struct dispatch_place){"vdestack", &dispatch_getsockopt, DISPATCH_IOTH}},
        {"vdestack recv", {NULL}, &(const struct dispatch_place){"vdestack", &dispatch_recv, DISPATCH_IOTH}},
        {"vdestack send", {NULL}, &(const struct dispatch_place){"vdestack", &dispatch_send, DISPATCH_IOTH}},
};
static const struct bench_target targets[] = {
        {"foreign *", "extra", BENCH_AT_MOST, 5, NULL},
        {"kernel *", "extra", BENCH_AT_MOST, 5, NULL},
        {"vdestack *", "extra", BENCH_AT_MOST, 5, NULL},
};

static const struct sharing alone = {1, false}, side_by_side = {2, false}, on_one_socket = {2, true};

#define DISPATCH_ROW(row_name, row_title, row_sharing)                                                                 \
	.name = (row_name), .title = (row_title), .metrics = metrics, .metric_count = BENCH_COUNT(metrics),            \
	.subjects = subjects, .subject_count = BENCH_COUNT(subjects), .targets = targets,                              \
	.target_count = BENCH_COUNT(targets), .begin = dispatch_begin, .sample = dispatch_sample, .end = dispatch_end, \
	.arg = (row_sharing)

const struct bench_row bench_row_dispatch = {
        DISPATCH_ROW("dispatch", "one call through libioth against the system call, one thread", &alone),
};

const struct bench_row bench_row_dispatch_threads = {
        DISPATCH_ROW("dispatch-threads", "the same with two threads, each on a socket of its own", &side_by_side),
};

const struct bench_row bench_row_dispatch_shared = {
        DISPATCH_ROW("dispatch-shared", "the same with two threads on one socket", &on_one_socket),
};
