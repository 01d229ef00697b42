/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What it costs to open a socket and to close it: one at a time, and a hundred that are open together. The second
 * pattern cannot be served from a small stock of sockets made in advance.
 */
#include "bench.h"
#include "clock.h"
#include "network.h"
#include "statistics.h"

#include <math.h>
#include <stdlib.h>

#define SINGLES 2000
#define TOGETHER 100
#define ROUNDS 20 /* of TOGETHER sockets */

enum metric { UDP_MEAN, TCP_MEAN, TCP_P99, TOGETHER_MEAN };

static int sockets_begin(const struct bench_subject *subject, void **state)
{
	struct network *network = malloc(sizeof(*network));

	if (!network)
		return bench_fail("out of memory");
	if (network_prepare(network, subject->arg, 0) < 0)
		return -1;
	*state = network;
	return network_open(network, 0);
}

/** singles - open and close sockets one by one; each time, in microseconds, into @us */
static int singles(struct network *network, int type, unsigned int count, double *us)
{
	uint64_t before = clock_ns();

	for (unsigned int i = 0; i < count; i++) {
		int fd = network_socket(network, 0, AF_INET, type | SOCK_CLOEXEC, 0);
		uint64_t now;

		if (fd < 0)
			return -1;
		network->kind->calls->close(fd);
		now = clock_ns();
		us[i] = (double)(now - before) / 1000;
		before = now;
	}
	return 0;
}

/** together - open a hundred, close a hundred, several times; returns microseconds for each socket, or a negative
 * number */
static double together(struct network *network, unsigned int rounds)
{
	uint64_t start = clock_ns();
	int fds[TOGETHER];

	for (unsigned int round = 0; round < rounds; round++) {
		for (unsigned int i = 0; i < TOGETHER; i++) {
			fds[i] = network_socket(network, 0, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
			if (fds[i] < 0) {
				while (i > 0)
					network->kind->calls->close(fds[--i]);
				return -1;
			}
		}
		for (unsigned int i = 0; i < TOGETHER; i++)
			network->kind->calls->close(fds[i]);
	}
	return (double)(clock_ns() - start) / 1000 / TOGETHER / rounds;
}

static double mean(const double *values, unsigned int count)
{
	double sum = 0;

	for (unsigned int i = 0; i < count; i++)
		sum += values[i];
	return sum / count;
}

static int sockets_sample(void *state, double *values)
{
	unsigned int count = bench_options.quick ? SINGLES / 4 : SINGLES;
	unsigned int rounds = bench_options.quick ? ROUNDS / 4 : ROUNDS;
	double us[SINGLES];

	if (singles(state, SOCK_DGRAM, count, us) < 0)
		return -1;
	values[UDP_MEAN] = mean(us, count);
	if (singles(state, SOCK_STREAM, count, us) < 0)
		return -1;
	values[TCP_MEAN] = mean(us, count);
	statistics_sort(us, count);
	values[TCP_P99] = statistics_quantile(us, count, 0.99);
	values[TOGETHER_MEAN] = together(state, rounds);
	return values[TOGETHER_MEAN] < 0 ? -1 : 0;
}

static void sockets_end(void *state)
{
	network_close(state, 0);
	network_end(state);
	free(state);
}

static const struct bench_metric metrics[] = {
        [UDP_MEAN] = {"UDP", "us", BENCH_LESS},
        [TCP_MEAN] = {"TCP", "us", BENCH_LESS},
        [TCP_P99] = {"TCP p99", "us", BENCH_LESS},
        [TOGETHER_MEAN] = {"TCP, 100 open", "us", BENCH_LESS},
};
static const struct bench_subject subjects[] = {
        {"plain", {NULL}, &network_loopback},
        {"libvdestack", {"plain"}, &network_vdestack_ptp},
        {"ioth kernel", {"plain"}, &network_ioth_kernel},
        {"ioth vdestack", {"libvdestack", "plain"}, &network_ioth_ptp},
        {"ioth lwip", {"libvdestack", "plain"}, &network_lwip_ptp},
};
static const struct bench_target targets[] = {
        {"ioth vdestack", "UDP", BENCH_AT_MOST, 15, NULL},
        {"ioth vdestack", "TCP", BENCH_AT_MOST, 15, NULL},
        {"ioth vdestack", "TCP, 100 open", BENCH_AT_MOST, 15, NULL},
};

const struct bench_row bench_row_sockets = {
        .name = "socket",
        .title = "a socket opened and closed, mean time of each",
        .metrics = metrics,
        .metric_count = BENCH_COUNT(metrics),
        .subjects = subjects,
        .subject_count = BENCH_COUNT(subjects),
        .targets = targets,
        .target_count = BENCH_COUNT(targets),
        .begin = sockets_begin,
        .sample = sockets_sample,
        .end = sockets_end,
};
