/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Short TCP connections, one after the other: connect, one byte each way, close.
 *
 * The client closes with SO_LINGER 0, by a reset, so that no connection stays in TIME_WAIT and the ports do not run
 * out; the server sees the reset before it accepts the next one. The socket of each connection is a new one, and its
 * making is part of the time.
 */
#include "clock.h"
#include "traffic.h"

#include <errno.h>
#include <string.h>

/* The client ends the sample with a connection that carries this byte. */
#define LAST 1

static int connections_serve(struct endpoint *self, const struct traffic *traffic)
{
	int listener = endpoint_bind(self, SOCK_STREAM);
	int result = 0;
	char byte = 0;

	(void)traffic;
	if (listener < 0)
		return -1;
	while (result == 0 && byte != LAST) {
		int fd = self->calls->accept(listener, NULL, NULL);
		char end;

		if (fd < 0) {
			result = bench_fail("accept: %s", strerror(errno));
			break;
		}
		if (endpoint_nodelay(self, fd) < 0)
			result = -1;
		else if (self->calls->recv(fd, &byte, 1, 0) != 1 || self->calls->send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
			result = bench_fail("serving a connection: %s", strerror(errno));
		else
			self->calls->recv(fd, &end, 1, 0); /* fails: the reset */
		self->calls->close(fd);
	}
	self->calls->close(listener);
	return result;
}

/** visit - one connection that carries @byte */
static int visit(const struct endpoint *self, const struct sockaddr_in *to, char byte)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	int fd = endpoint_socket(self, SOCK_STREAM);
	int result = 0;

	if (fd < 0)
		return -1;
	if (self->calls->setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0)
		result = bench_fail("SO_LINGER: %s", strerror(errno));
	else if (self->calls->connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 ||
	         self->calls->send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || self->calls->recv(fd, &byte, 1, 0) != 1)
		result = bench_fail("a connection: %s", strerror(errno));
	self->calls->close(fd);
	return result;
}

static int connections_drive(struct endpoint *self, const struct traffic *traffic, double *values)
{
	struct sockaddr_in to;
	uint64_t port, start, elapsed;
	unsigned long count = 0;

	(void)traffic;
	if (endpoint_hear(self, &port) < 0)
		return -1;
	to = network_address(self->network, !self->side, (in_port_t)port);
	start = clock_ns();
	do {
		if (visit(self, &to, 0) < 0)
			return -1;
		count++;
		elapsed = clock_ns() - start;
	} while (elapsed < bench_sample_ns() / 2);
	values[0] = (double)count * 1e9 / (double)elapsed;
	return visit(self, &to, LAST);
}

static const struct bench_metric metrics[] = {{"connections", "1/s", BENCH_MORE}};
static const struct traffic threads = {.serve = connections_serve, .drive = connections_drive, .pinned = true};
static const struct traffic processes = {
        .serve = connections_serve, .drive = connections_drive, .processes = true, .pinned = true};

const struct bench_row bench_row_tcp_connections = {
        TRAFFIC_ROW("tcp-connections",
                    "TCP connections one by one: socket, connect, a byte each way, close; one process", &threads,
                    metrics),
};

const struct bench_row bench_row_tcp_connections_processes = {
        TRAFFIC_ROW_PROCESSES("tcp-connections-processes",
                              "TCP connections one by one: socket, connect, a byte each way, close; two processes",
                              &processes, metrics),
};
