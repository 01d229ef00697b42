/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A download over HTTP, by curl itself: what a program costs that knows nothing of libioth.
 *
 * Side 0 is the server, always this program and a stack in its process, so that it is the same for all subjects of a
 * network: it accepts one connection, reads the request and sends a body from memory. The clock runs from the accepted
 * connection until the client has closed it, which it does when it has everything; so curl's start is not measured, its
 * processor time is. Side 1 is curl wherever a program can be on that side (network_enter): started by a guest of ioth
 * run, or in the namespace of a stack, where nothing but setns(2) has brought it. Where none can, it is the smallest
 * client that there is, by the calls of the stack: connect, send, receive till the end.
 */
#include "clock.h"
#include "processes.h"
#include "traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRITE_SIZE (128 * 1024)
#define READ_SIZE (100 * 1024) /* as curl */
#define HEAD_MAX 128

enum metric { THROUGHPUT, CPU };

/** body_size - bytes of a download */
static size_t body_size(void)
{
	return bench_options.quick ? 100000000 : 1000000000;
}

/** head_of - the head of the answer; returns its length */
static size_t head_of(char head[HEAD_MAX])
{
	return (size_t)snprintf(head, HEAD_MAX,
	                        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
	                        "Content-Length: %zu\r\nConnection: close\r\n\r\n",
	                        body_size());
}

/* --------------------------------------------------------------------------------------------------- the server */

/** await - accept the client, unless the other side says that there will be none */
static int await(const struct endpoint *self, int listener)
{
	struct pollfd ready[] = {{listener, POLLIN, 0}, {self->rendezvous, POLLIN, 0}};
	int fd;

	while (poll(ready, 2, -1) < 0 && errno == EINTR)
		continue;
	if (!ready[0].revents) {
		endpoint_hear(self, NULL);
		return -1;
	}
	fd = self->calls->accept(listener, NULL, NULL);
	return fd < 0 ? bench_fail("accept: %s", strerror(errno)) : fd;
}

/** read_request - as far as the empty line */
static int read_request(const struct endpoint *self, int fd)
{
	char text[4096];
	size_t len = 0;

	while (len < sizeof(text) - 1) {
		ssize_t n = self->calls->recv(fd, text + len, sizeof(text) - 1 - len, 0);

		if (n <= 0)
			return bench_fail("no request came: %s", n < 0 ? strerror(errno) : "end of file");
		len += (size_t)n;
		text[len] = '\0';
		if (strstr(text, "\r\n\r\n"))
			return 0;
	}
	return bench_fail("a request of more than %zu bytes", sizeof(text) - 1);
}

static int send_all(const struct endpoint *self, int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = self->calls->send(fd, bytes, len, MSG_NOSIGNAL);

		if (n < 0)
			return bench_fail("send: %s", strerror(errno));
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/** answer - send everything, and wait till the client has had enough */
static int answer(const struct endpoint *self, int fd)
{
	static const char body[WRITE_SIZE];
	char head[HEAD_MAX], byte;

	if (send_all(self, fd, head, head_of(head)) < 0)
		return -1;
	for (size_t left = body_size(); left > 0;) {
		size_t len = left < sizeof(body) ? left : sizeof(body);

		if (send_all(self, fd, body, len) < 0)
			return -1;
		left -= len;
	}
	if (self->calls->shutdown(fd, SHUT_WR) < 0)
		return bench_fail("shutdown: %s", strerror(errno));
	if (self->calls->recv(fd, &byte, 1, 0) != 0)
		return bench_fail("the client did not close its connection");
	return 0;
}

static int download_drive(struct endpoint *self, const struct traffic *traffic, double *values)
{
	struct processes_survey before, after;
	uint64_t start, client_ns = 0;
	int listener, fd, result;

	(void)traffic;
	processes_survey(&before);
	listener = endpoint_bind(self, SOCK_STREAM);
	if (listener < 0)
		return -1;
	fd = await(self, listener);
	self->calls->close(listener);
	if (fd < 0)
		return -1;
	start = clock_ns();
	result = read_request(self, fd);
	if (result == 0)
		result = answer(self, fd);
	values[THROUGHPUT] = (double)body_size() * 8 / (double)(clock_ns() - start);
	self->calls->close(fd);
	if (result == 0)
		result = endpoint_hear(self, &client_ns);
	processes_survey(&after);
	values[CPU] = (after.cpu - before.cpu + (double)client_ns / 1e9) * 1e9 / (double)body_size();
	return result;
}

/* --------------------------------------------------------------------------------------------------- the client */

/** get_by_calls - the client where no program can be */
static int get_by_calls(const struct endpoint *self)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
	static char buffer[READ_SIZE];
	char head[HEAD_MAX];
	size_t received = 0, all = head_of(head) + body_size();
	int fd = endpoint_connect(self, SOCK_STREAM), result;
	ssize_t n = -1;

	if (fd < 0)
		return -1;
	result = send_all(self, fd, request, sizeof(request) - 1);
	while (result == 0 && (n = self->calls->recv(fd, buffer, sizeof(buffer), 0)) > 0)
		received += (size_t)n;
	if (result == 0 && n < 0)
		result = bench_fail("recv: %s", strerror(errno));
	else if (result == 0 && received != all)
		result = bench_fail("%zu bytes came instead of %zu", received, all);
	self->calls->close(fd);
	return result == 0 ? endpoint_tell(self, 0) : -1;
}

/** exec_curl - in a child; does not return */
static void exec_curl(const struct endpoint *self, const char *url)
{
	/* -q: no options of this user's; what the server says is all that counts. */
	if (network_enter(self->network, self->side) == 0)
		execlp("curl", "curl", "-q", "-sS", "--noproxy", "*", "-o", "/dev/null", url, NULL);
	fprintf(stderr, "ioth-bench: curl: %s\n", strerror(errno));
	_exit(127);
}

/** get_by_curl - and tell the processor time that it took */
static int get_by_curl(const struct endpoint *self)
{
	char url[64], text[INET_ADDRSTRLEN];
	struct rusage used;
	uint64_t port;
	int status;
	pid_t pid;

	if (endpoint_hear(self, &port) < 0)
		return -1;
	inet_ntop(AF_INET, &self->network->address[!self->side], text, sizeof(text));
	snprintf(url, sizeof(url), "http://%s:%u/", text, (unsigned int)port);
	pid = fork();
	if (pid == 0)
		exec_curl(self, url);
	if (pid < 0 || wait4(pid, &status, 0, &used) != pid)
		return bench_fail("curl: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return bench_fail("curl cannot be run; is it installed?");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return bench_fail("curl failed (status 0x%x)", (unsigned int)status);
	return endpoint_tell(self, (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000000 +
	                                   (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000);
}

static int download_serve(struct endpoint *self, const struct traffic *traffic)
{
	(void)traffic;
	return self->network->kind->enter ? get_by_curl(self) : get_by_calls(self);
}

/* ------------------------------------------------------------------------------------------------------- the row */

static const struct bench_metric metrics[] = {
        [THROUGHPUT] = {"throughput", "Gbit/s", BENCH_MORE},
        [CPU] = {"CPU time", "s/GB", BENCH_LESS},
};
static const struct bench_subject subjects[] = {
        {"curl veth", {NULL}, &network_veth},
        {"curl vdestack ptp", {"curl veth"}, &network_ioth_ptp},
        {"curl vdestack shm", {"curl veth"}, &network_ioth_shm},
        {"GET lwip ptp", {NULL}, &network_lwip_ptp},
        {"GET lwip shm", {NULL}, &network_lwip_shm},
        {"curl ioth run vdestack ptp", {"curl vdestack ptp"}, &network_run_vdestack},
        {"curl ioth run vdestack shm", {"curl vdestack shm"}, &network_run_vdestack_shm},
        {"curl ioth run lwip ptp", {"GET lwip ptp"}, &network_run_lwip},
        {"curl ioth run lwip shm", {"GET lwip shm"}, &network_run_lwip_shm},
};
static const struct bench_target targets[] = {
        {"curl ioth run vdestack *", "throughput", BENCH_RATIO_AT_LEAST, 0.95, NULL},
        {"curl ioth run lwip *", "throughput", BENCH_RATIO_AT_LEAST, 0.7, NULL},
};
static const struct traffic download = {.serve = download_serve, .drive = download_drive, .processes = true};

const struct bench_row bench_row_download = {
        .name = "download",
        .title = "1 GB over HTTP by curl to /dev/null, two processes",
        .metrics = metrics,
        .metric_count = BENCH_COUNT(metrics),
        .subjects = subjects,
        .subject_count = BENCH_COUNT(subjects),
        .targets = targets,
        .target_count = BENCH_COUNT(targets),
        .patience_s = 120,
        .begin = traffic_begin,
        .sample = traffic_sample,
        .end = traffic_end,
        .arg = &download,
};
