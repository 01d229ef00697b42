/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bulk TCP: one connection, one direction, as fast as it goes; and the processor time that both ends and whatever
 * carries the frames have used for it, which says more than the throughput when others use the machine too.
 *
 * The last byte says that it is the last. An end of file would do, if every stack that is measured knew half-closed
 * connections; liblwipv6 does not.
 */
#include "clock.h"
#include "processes.h"
#include "traffic.h"

#include <errno.h>
#include <string.h>

#define WRITE_SIZE (128 * 1024)

#define LAST 1 /* the others are 0 */

enum metric { THROUGHPUT, CPU };

static int stream_serve(struct endpoint *self, const struct traffic *traffic)
{
	static char buffer[WRITE_SIZE];
	int listener = endpoint_bind(self, SOCK_STREAM), result = 0;
	uint64_t received = 0;
	ssize_t n;
	int fd;

	if (listener < 0)
		return -1;
	fd = self->calls->accept(listener, NULL, NULL);
	self->calls->close(listener);
	if (fd < 0)
		return bench_fail("accept: %s", strerror(errno));
	if (traffic->rcvbuf &&
	    self->calls->setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &traffic->rcvbuf, sizeof(traffic->rcvbuf)) < 0)
		result = bench_fail("SO_RCVBUF: %s", strerror(errno));
	do {
		n = self->calls->recv(fd, buffer, sizeof(buffer), 0);
		received += n > 0 ? (uint64_t)n : 0;
	} while (n > 0 && buffer[n - 1] != LAST);
	if (n <= 0)
		result = bench_fail("recv: %s", n < 0 ? strerror(errno) : "the stream ended too early");
	else if (self->calls->send(fd, &received, sizeof(received), MSG_NOSIGNAL) != (ssize_t)sizeof(received))
		result = bench_fail("send: %s", strerror(errno));
	self->calls->close(fd);
	return result;
}

/** push - write for the time of a sample, then the last byte; returns bytes written or -1 */
static int64_t push(const struct endpoint *self, int fd, uint64_t start)
{
	static const char buffer[WRITE_SIZE], last = LAST;
	int64_t sent = 0;

	while (clock_ns() - start < bench_sample_ns()) {
		ssize_t n = self->calls->send(fd, buffer, sizeof(buffer), MSG_NOSIGNAL);

		if (n < 0)
			return bench_fail("send: %s", strerror(errno));
		sent += n;
	}
	if (self->calls->send(fd, &last, 1, MSG_NOSIGNAL) != 1)
		return bench_fail("send: %s", strerror(errno));
	return sent + 1;
}

/* The clock stops when the receiver's count has come back: what counts is what has arrived. */
static int stream_drive(struct endpoint *self, const struct traffic *traffic, double *values)
{
	int fd = endpoint_connect(self, SOCK_STREAM);
	struct processes_survey before, after;
	uint64_t start, received = 0;
	int64_t sent;
	int result = -1;

	(void)traffic;
	if (fd < 0)
		return -1;
	processes_survey(&before);
	start = clock_ns();
	sent = push(self, fd, start);
	if (sent < 0)
		goto out;
	if (self->calls->recv(fd, &received, sizeof(received), MSG_WAITALL) != (ssize_t)sizeof(received))
		bench_fail("the receiver's count did not come: %s", strerror(errno));
	else if (received != (uint64_t)sent)
		bench_fail("%llu bytes sent, %llu received", (unsigned long long)sent, (unsigned long long)received);
	else
		result = 0;
	values[THROUGHPUT] = (double)received * 8 / (double)(clock_ns() - start);
	processes_survey(&after);
	values[CPU] = (after.cpu - before.cpu) * 1e9 / (double)received;
out:
	self->calls->close(fd);
	return result;
}

static const struct bench_metric metrics[] = {
        [THROUGHPUT] = {"throughput", "Gbit/s", BENCH_MORE},
        [CPU] = {"CPU time", "s/GB", BENCH_LESS},
};
static const struct bench_target targets[] = {
        {"ioth vdestack *", "throughput", BENCH_RATIO_AT_LEAST, 3, NULL},
        {"ioth lwip *", "throughput", BENCH_RATIO_AT_LEAST, 3, NULL},
        {"ioth lwip ptp", "throughput", BENCH_RATIO_AT_LEAST, 3, "liblwipv6 ptp"},
        {"ioth run vdestack *", "throughput", BENCH_RATIO_AT_LEAST, 0.95, NULL},
        {"ioth run lwip *", "throughput", BENCH_RATIO_AT_LEAST, 0.7, NULL},
        {"vdestack over shm", "throughput", BENCH_RATIO_AT_LEAST, 0.8, "veth"},
        {"lwip over shm", "throughput", BENCH_RATIO_AT_LEAST, 1, "veth"},
};
static const struct traffic threads = {.serve = stream_serve, .drive = stream_drive};
/* What the network does not limit the window should not either. */
const struct traffic tcp_stream_traffic_memory = {.serve = stream_serve, .drive = stream_drive, .rcvbuf = 512 * 1024};
static const struct traffic processes = {.serve = stream_serve, .drive = stream_drive, .processes = true};

const struct bench_row bench_row_tcp_stream = {
        TRAFFIC_ROW("tcp-stream", "bulk TCP, writes of 128 KiB, both ends in one process", &threads, metrics),
        .targets = targets,
        .target_count = BENCH_COUNT(targets),
};

const struct bench_row bench_row_tcp_stream_processes = {
        TRAFFIC_ROW_PROCESSES("tcp-stream-processes", "bulk TCP, writes of 128 KiB, two processes", &processes,
                              metrics),
        .targets = targets,
        .target_count = BENCH_COUNT(targets),
};
