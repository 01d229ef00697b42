/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Many pairs of stations on one network: what the others cost.
 *
 * One thread lets each pair in turn send a batch of frames from one station to the other, and receive it. So nothing waits
 * for anything, and what a frame costs with many pairs beyond what it costs with two is what the network does for each
 * port: look up an address among more, come back to memory that was in the cache before. A frame to all is received by
 * all others; it is counted once for each of them.
 */
#include "bench.h"
#include "clock.h"

#include <errno.h>
#include <libvdeplug.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS_MAX 64
#define BATCH 64
#define FRAME 64
#define WARM 64 /* batches before the first sample */

enum { FRAMES, TO_ALL };

/** struct pairs - station 2n sends to station 2n + 1 */
struct pairs {
	unsigned int stations;
	VDECONN *conn[2 * PAIRS_MAX];
	unsigned char frame[FRAME];
};

/** address - of a station, where it belongs in a frame */
static void address(unsigned char *at, unsigned int station)
{
	const unsigned char mac[6] = {2, 0, 0, 0, (unsigned char)(station >> 8), (unsigned char)station};

	memcpy(at, mac, sizeof(mac));
}

/** send_batch - from a station; false when a frame is not taken */
static bool send_batch(struct pairs *p, unsigned int from, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (vde_send(p->conn[from], p->frame, FRAME, MSG_DONTWAIT) != FRAME)
			return bench_fail("vde_send: %s", strerror(errno)) == 0;
	return true;
}

/** receive_batch - as many as must be there; false when there are fewer */
static bool receive_batch(struct pairs *p, unsigned int to, unsigned int count)
{
	unsigned char got[FRAME];

	for (unsigned int i = 0; i < count; i++)
		if (vde_recv(p->conn[to], got, sizeof(got), MSG_DONTWAIT) != FRAME)
			return bench_fail("a frame is missing: %s", strerror(errno)) == 0;
	return true;
}

static void pairs_end(void *state)
{
	struct pairs *p = state;

	for (unsigned int i = 0; i < p->stations; i++)
		if (p->conn[i])
			vde_close(p->conn[i]);
	free(p);
}

/** to_all - one frame to all, from a station, received by all; false on failure */
static bool to_all(struct pairs *p, unsigned int from)
{
	memset(p->frame, 0xff, 6);
	address(p->frame + 6, from);
	if (!send_batch(p, from, 1))
		return false;
	for (unsigned int i = 0; i < p->stations; i++)
		if (i != from && !receive_batch(p, i, 1))
			return false;
	return true;
}

/** one_to_one - a batch from each station of a pair to the other */
static bool one_to_one(struct pairs *p, unsigned int pair)
{
	for (unsigned int side = 0; side < 2; side++) {
		unsigned int from = 2 * pair + side, to = 2 * pair + 1 - side;

		address(p->frame, to);
		address(p->frame + 6, from);
		if (!send_batch(p, from, BATCH) || !receive_batch(p, to, BATCH))
			return false;
	}
	return true;
}

static int pairs_begin(const struct bench_subject *subject, void **state)
{
	struct pairs *p = calloc(1, sizeof(*p));
	char url[160], description[] = "ioth-bench";

	if (!p)
		return bench_fail("no memory");
	p->stations = 2 * *(const unsigned int *)subject->arg;
	snprintf(url, sizeof(url), "shm://%s/pairs%u-%d", bench_options.directory, p->stations, (int)getpid());
	for (unsigned int i = 0; i < p->stations; i++) {
		p->conn[i] = vde_open(url, description, NULL);
		if (!p->conn[i]) {
			bench_fail("vde_open: %s", strerror(errno));
			pairs_end(p);
			return -1;
		}
	}
	/* the network learns who is where */
	for (unsigned int i = 0; i < p->stations; i++) {
		if (!to_all(p, i)) {
			pairs_end(p);
			return -1;
		}
	}
	/* memory is there when it is first written to, which is not what is measured */
	for (unsigned int i = 0; i < WARM; i++) {
		for (unsigned int pair = 0; pair < p->stations / 2; pair++) {
			if (!one_to_one(p, pair)) {
				pairs_end(p);
				return -1;
			}
		}
	}
	*state = p;
	return 0;
}

static int pairs_sample(void *state, double *values)
{
	struct pairs *p = state;
	uint64_t start = clock_ns(), end = start + bench_sample_ns() / 2, n = 0;

	while (clock_ns() < end)
		for (unsigned int pair = 0; pair < p->stations / 2; pair++, n += (uint64_t)2 * BATCH)
			if (!one_to_one(p, pair))
				return -1;
	values[FRAMES] = (double)(clock_ns() - start) / (double)n;
	start = clock_ns();
	end = start + bench_sample_ns() / 2;
	n = 0;
	while (clock_ns() < end)
		for (unsigned int i = 0; i < p->stations; i++, n += p->stations - 1)
			if (!to_all(p, i))
				return -1;
	values[TO_ALL] = (double)(clock_ns() - start) / (double)n;
	return 0;
}

static const struct bench_metric metrics[] = {
        [FRAMES] = {"frame", "ns", BENCH_LESS},
        [TO_ALL] = {"to all, each", "ns", BENCH_LESS},
};
static const unsigned int two = 2, four = 4, eight = 8, sixteen = 16, thirty_two = 32, sixty_four = 64;
static const struct bench_subject subjects[] = {
        {"shm 2", {NULL}, &two},         {"shm 4", {"shm 2"}, &four},        {"shm 8", {"shm 2"}, &eight},
        {"shm 16", {"shm 2"}, &sixteen}, {"shm 32", {"shm 2"}, &thirty_two}, {"shm 64", {"shm 2"}, &sixty_four},
};

const struct bench_row bench_row_pairs = {
        .name = "pairs",
        .title = "frames of 64 bytes between 2 to 64 pairs of ports of one network, one thread: what the others cost",
        .metrics = metrics,
        .metric_count = BENCH_COUNT(metrics),
        .subjects = subjects,
        .subject_count = BENCH_COUNT(subjects),
        .begin = pairs_begin,
        .sample = pairs_sample,
        .end = pairs_end,
};
