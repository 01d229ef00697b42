/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TCP request and response: one byte there, one byte back, on one connection; the time of each round trip. */
#include "clock.h"
#include "processes.h"
#include "statistics.h"
#include "traffic.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUND_TRIPS_MAX 200000 /* that many fit into no sample */

static int latency_serve(struct endpoint *self, const struct traffic *traffic)
{
	int listener = endpoint_bind(self, SOCK_STREAM);
	int result = -1;
	ssize_t n;
	char byte;
	int fd;

	(void)traffic;
	if (listener < 0)
		return -1;
	fd = self->calls->accept(listener, NULL, NULL);
	self->calls->close(listener);
	if (fd < 0)
		return bench_fail("accept: %s", strerror(errno));
	if (endpoint_nodelay(self, fd) < 0)
		goto out;
	while ((n = self->calls->recv(fd, &byte, 1, 0)) == 1)
		if (self->calls->send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
			break;
	result = n == 0 ? 0 : bench_fail("echo: %s", strerror(errno));
out:
	self->calls->close(fd);
	return result;
}

/** bounce - round trips for the time of a sample; returns how many, or -1 */
static long bounce(const struct endpoint *self, int fd, double *us)
{
	uint64_t start = clock_ns(), before = start, now;
	long count = 0;
	char byte = 0;

	do {
		if (self->calls->send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || self->calls->recv(fd, &byte, 1, 0) != 1)
			return bench_fail("round trip: %s", strerror(errno));
		now = clock_ns();
		us[count++] = (double)(now - before) / 1000;
		before = now;
	} while (now - start < bench_sample_ns() / 2 && count < ROUND_TRIPS_MAX);
	return count;
}

static int latency_drive(struct endpoint *self, const struct traffic *traffic, double *values)
{
	double *us = malloc(ROUND_TRIPS_MAX * sizeof(*us)), switches;
	long count = -1;
	int fd;

	(void)traffic;
	if (!us)
		return bench_fail("out of memory");
	fd = endpoint_connect(self, SOCK_STREAM);
	if (fd >= 0 && endpoint_nodelay(self, fd) == 0) {
		switches = processes_waits();
		count = bounce(self, fd, us);
		switches = processes_waits() - switches;
	}
	if (fd >= 0)
		self->calls->close(fd);
	if (count > 0) {
		statistics_sort(us, (size_t)count);
		values[0] = statistics_quantile(us, (size_t)count, 0.5);
		values[1] = statistics_quantile(us, (size_t)count, 0.99);
		values[2] = switches / (double)count;
	}
	free(us);
	return count > 0 ? 0 : -1;
}

static const struct bench_metric metrics[] = {
        {"p50", "us", BENCH_LESS},
        {"p99", "us", BENCH_LESS},
        {"waits", "each", BENCH_LESS},
};
static const struct bench_target targets[] = {
        {"ioth vdestack *", "p50", BENCH_RATIO_BELOW, 1, NULL},
        {"ioth vdestack *", "p99", BENCH_RATIO_BELOW, 1, NULL},
        {"ioth lwip ptp", "p50", BENCH_RATIO_AT_MOST, 1.5, "veth"},
        {"vdestack over shm", "p50", BENCH_RATIO_AT_MOST, 1.5, "veth"},
};
static const struct traffic threads = {.serve = latency_serve, .drive = latency_drive, .pinned = true};
static const struct traffic processes = {
        .serve = latency_serve, .drive = latency_drive, .processes = true, .pinned = true};

const struct bench_row bench_row_tcp_latency = {
        TRAFFIC_ROW("tcp-latency",
                    "TCP round trip of one byte, one process; waits: times a thread slept, per round trip", &threads,
                    metrics),
        .targets = targets,
        .target_count = BENCH_COUNT(targets),
};

const struct bench_row bench_row_tcp_latency_processes = {
        TRAFFIC_ROW_PROCESSES("tcp-latency-processes",
                              "TCP round trip of one byte, two processes; waits: times a thread slept, per round trip",
                              &processes, metrics),
        .targets = targets,
        .target_count = BENCH_COUNT(targets),
};
