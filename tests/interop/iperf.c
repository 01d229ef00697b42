/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iperf.c - enough of an iperf3 client to measure against an unmodified iperf3 server.
 *
 * A control connection carries one-byte states and JSON texts (a length of four bytes, big endian, before each); a data
 * connection carries the bytes. Both begin with the same cookie of 36 characters and a NUL. The server leads: it names
 * the next state, we do what belongs to it, until the server wants the results displayed.
 */
#include "peer.h"

#include <fcntl.h>
#include <poll.h>
#include <time.h>

enum state {
	TEST_START = 1,
	TEST_RUNNING = 2,
	TEST_END = 4,
	PARAM_EXCHANGE = 9,
	CREATE_STREAMS = 10,
	EXCHANGE_RESULTS = 13,
	DISPLAY_RESULTS = 14,
	IPERF_DONE = 16,
};

#define COOKIE_SIZE 37

struct iperf {
	struct ioth *net;
	char **where; /* host, port */
	int control, data;
	char cookie[COOKIE_SIZE];
	unsigned long long target; /* bytes wanted */
	unsigned long long moved;  /* bytes that went through our socket */
	unsigned long long theirs; /* bytes the server says it saw */
	int down;
	double seconds;
};

static void send_json(int fd, const char *text)
{
	uint32_t len = htonl((uint32_t)strlen(text));

	peer_write(fd, &len, sizeof(len));
	peer_write(fd, text, strlen(text));
}

/** exchange_results - ours for theirs; the only thing wanted from theirs is how many bytes they counted */
static void exchange_results(struct iperf *t)
{
	static char text[65536];
	uint32_t len;
	char *bytes;

	snprintf(text, sizeof(text),
	         "{\"cpu_util_total\":0,\"cpu_util_user\":0,\"cpu_util_system\":0,\"sender_has_retransmits\":0,"
	         "\"streams\":[{\"id\":1,\"bytes\":%llu,\"retransmits\":-1,\"jitter\":0,\"errors\":0,\"packets\":0,"
	         "\"start_time\":0,\"end_time\":%f}]}",
	         t->moved, t->seconds);
	send_json(t->control, text);
	peer_read(t->control, &len, sizeof(len));
	len = ntohl(len);
	errno = 0;
	if (len >= sizeof(text))
		die(NULL, "the results of the iperf3 server are too long");
	peer_read(t->control, text, len);
	text[len] = '\0';
	bytes = strstr(text, "\"bytes\"");
	if (bytes == NULL || sscanf(bytes, "\"bytes\" : %llu", &t->theirs) != 1)
		die(NULL, "the iperf3 server counted nothing: %s", text);
}

/** move - send or receive until the target is reached, then tell the server that the test has ended */
static void move(struct iperf *t)
{
	static char buf[128 * 1024];
	struct timespec start, end;
	char state = TEST_END;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (t->moved < t->target) {
		ssize_t n = t->down ? ioth_read(t->data, buf, sizeof(buf)) : ioth_write(t->data, buf, sizeof(buf));

		if (n <= 0)
			die(NULL, "the data connection broke after %llu bytes", t->moved);
		t->moved += (unsigned long long)n;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	t->seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
	peer_write(t->control, &state, 1);
}

/** drain - a server that sends fills the data connection until it has read our TEST_END: keep it moving till then */
static void drain(struct iperf *t)
{
	struct pollfd fd[2] = {{.fd = t->control, .events = POLLIN}, {.fd = t->data, .events = POLLIN}};
	static char buf[128 * 1024];

	while (poll(fd, 2, -1) > 0 && fd[0].revents == 0)
		if (ioth_read(t->data, buf, sizeof(buf)) <= 0)
			fd[1].fd = -1;
}

/** step - do what belongs to the state; returns 0 when it was the last */
static int step(struct iperf *t, char state)
{
	char text[300], done = IPERF_DONE;

	switch (state) {
	case PARAM_EXCHANGE:
		snprintf(text, sizeof(text),
		         "{\"tcp\":true,\"omit\":0,\"time\":0,\"num\":%llu,\"blockcount\":0,\"parallel\":1,%s"
		         "\"len\":131072,\"pacing_timer\":1000,\"client_version\":\"3.12\"}",
		         t->target, t->down ? "\"reverse\":true," : "");
		send_json(t->control, text);
		return 1;
	case CREATE_STREAMS:
		t->data = peer_connect(t->net, t->where[0], t->where[1]);
		peer_write(t->data, t->cookie, COOKIE_SIZE);
		return 1;
	case TEST_START:
		return 1;
	case TEST_RUNNING:
		move(t);
		if (t->down)
			drain(t);
		return 1;
	case EXCHANGE_RESULTS:
		exchange_results(t);
		return 1;
	case DISPLAY_RESULTS:
		peer_write(t->control, &done, 1);
		return 0;
	default:
		errno = 0;
		die(NULL, "unexpected state %d of the iperf3 server", state);
	}
}

int peer_iperf(struct ioth *net, char *argv[])
{
	struct iperf t = {.net = net, .where = argv, .data = -1};
	char state;

	t.target = strtoull(argv[2], NULL, 10);
	t.down = strcmp(argv[3], "down") == 0;
	for (int i = 0; i < COOKIE_SIZE - 1; i++)
		t.cookie[i] = "abcdefghijklmnopqrstuvwxyz234567"[arc4random() % 32];
	t.control = peer_connect(net, argv[0], argv[1]);
	peer_write(t.control, t.cookie, COOKIE_SIZE);
	do {
		peer_read(t.control, &state, 1);
	} while (step(&t, state));
	ioth_close(t.data);
	ioth_close(t.control);
	printf("bytes %llu server %llu mbits %.0f\n", t.moved, t.theirs, (double)t.moved * 8 / t.seconds / 1e6);
	return 0;
}
