/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * UDP, one direction, as fast as the sender can: how many datagrams a second arrive, and how many get lost.
 *
 * Buffers have the system's default sizes. The receiver counts from its first to its last datagram and stops when none
 * has come for a while after the sender's end.
 */
#include "clock.h"
#include "traffic.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define SIZE_MAX_BYTES 1400
#define SILENCE_MS 200 /* after the last datagram: whatever is still under way has come by then */

/* The server waits in recv for the first datagram, so it must not have to hear of the end on the rendezvous first. */
static int udp_serve(struct endpoint *self, const struct traffic *traffic)
{
	char buffer[SIZE_MAX_BYTES];
	uint64_t received = 0, first = 0, last = 0;
	int fd = endpoint_bind(self, SOCK_DGRAM);

	(void)traffic;
	if (fd < 0)
		return -1;
	if (endpoint_timeout(self, fd, 10000) < 0 || self->calls->recv(fd, buffer, sizeof(buffer), 0) < 0) {
		bench_fail("no datagram came: %s", strerror(errno));
		self->calls->close(fd);
		return -1;
	}
	first = last = clock_ns();
	if (endpoint_timeout(self, fd, SILENCE_MS) < 0) {
		self->calls->close(fd);
		return -1;
	}
	while (self->calls->recv(fd, buffer, sizeof(buffer), 0) >= 0) {
		received++;
		last = clock_ns();
	}
	self->calls->close(fd);
	if (endpoint_tell(self, received + 1) < 0)
		return -1;
	return endpoint_tell(self, last - first);
}

/** flood - send for the time of a sample; returns how many the stack accepted, or -1 */
static int64_t flood(const struct endpoint *self, int fd, size_t size)
{
	static const char buffer[SIZE_MAX_BYTES];
	uint64_t start = clock_ns();
	int64_t sent = 0;

	while (clock_ns() - start < bench_sample_ns() / 2) {
		for (int i = 0; i < 16; i++) {
			if (self->calls->send(fd, buffer, size, 0) >= 0)
				sent++;
			else if (errno != ENOBUFS && errno != EAGAIN)
				return bench_fail("send: %s", strerror(errno));
		}
	}
	return sent;
}

static int udp_drive(struct endpoint *self, const struct traffic *traffic, double *values)
{
	int fd = endpoint_connect(self, SOCK_DGRAM);
	uint64_t received, elapsed;
	int64_t sent;

	if (fd < 0)
		return -1;
	sent = flood(self, fd, traffic->size);
	self->calls->close(fd);
	if (sent < 0 || endpoint_hear(self, &received) < 0 || endpoint_hear(self, &elapsed) < 0)
		return -1;
	if (received < 2 || elapsed == 0)
		return bench_fail("of %lld datagrams %llu came", (long long)sent, (unsigned long long)received);
	values[0] = (double)(received - 1) * 1e6 / (double)elapsed;
	values[1] = sent ? 100.0 * (double)(sent - (int64_t)received) / (double)sent : NAN;
	return 0;
}

static const struct bench_metric metrics[] = {{"received", "k/s", BENCH_MORE}, {"lost", "%", BENCH_LESS}};
static const struct traffic small = {.serve = udp_serve, .drive = udp_drive, .size = 64};
static const struct traffic small_processes = {.serve = udp_serve, .drive = udp_drive, .size = 64, .processes = true};
static const struct traffic large = {.serve = udp_serve, .drive = udp_drive, .size = 1400};
static const struct traffic large_processes = {.serve = udp_serve, .drive = udp_drive, .size = 1400, .processes = true};

const struct bench_row bench_row_udp_small = {
        TRAFFIC_ROW("udp-64", "UDP datagrams of 64 bytes, both ends in one process", &small, metrics),
};

const struct bench_row bench_row_udp_small_processes = {
        TRAFFIC_ROW_PROCESSES("udp-64-processes", "UDP datagrams of 64 bytes, two processes", &small_processes,
                              metrics),
};

const struct bench_row bench_row_udp_large = {
        TRAFFIC_ROW("udp-1400", "UDP datagrams of 1400 bytes, both ends in one process", &large, metrics),
};

const struct bench_row bench_row_udp_large_processes = {
        TRAFFIC_ROW_PROCESSES("udp-1400-processes", "UDP datagrams of 1400 bytes, two processes", &large_processes,
                              metrics),
};
