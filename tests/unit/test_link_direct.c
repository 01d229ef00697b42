/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_link_direct.c - connections that a stack uses without device and loop: frames, counters, capture, the end of the
 * network, fork.
 */
#include "link_fake.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "left.h"
#include "wait.h"

/** open_one - a connection, which must succeed */
static struct link_conn *open_one(const char *vnl, const char *pcap)
{
	struct link_conn *conn = NULL;

	assert_int_equal(link_conn_open(vnl, "vde0", pcap, &conn), 0);
	return conn;
}

/** receive - the next frame for @conn; -ETIMEDOUT when none comes */
static int receive(struct link_conn *conn, unsigned char *frame)
{
	struct pollfd p = {.fd = link_conn_fd(conn), .events = POLLIN};

	while (poll(&p, 1, WAIT_MS) > 0) {
		int len = link_conn_recv(conn, frame, LINK_FRAME_MAX, true);

		if (len != 0 && len != -EAGAIN)
			return len;
	}
	return -ETIMEDOUT;
}

/** exchange - a frame of @len bytes, intact, from one to the other */
static void exchange(struct link_conn *from, struct link_conn *to, size_t len, unsigned int number)
{
	unsigned char frame[LINK_FRAME_MAX], got[LINK_FRAME_MAX];

	fake_pattern(frame, len, number);
	assert_int_equal(link_conn_send(from, frame, len), 0);
	assert_int_equal(receive(to, got), len);
	assert_memory_equal(got, frame, len);
}

static void frames_cross_and_are_counted(void **state)
{
	struct link_conn *a = open_one(fake_vnl("ptp", "net"), NULL), *b = open_one(fake_vnl("ptp", "net"), NULL);
	struct link_port_stats as, bs;
	unsigned char none[64];
	uint64_t bytes = 0;

	(void)state;
	for (unsigned int i = 0; i < 100; i++) {
		size_t len = 14 + (i * 97) % (LINK_FRAME_MAX - 13);

		exchange(a, b, len, i);
		bytes += len;
	}
	exchange(b, a, 60, 1);
	assert_int_equal(link_conn_recv(a, none, sizeof(none), false), -EAGAIN);
	link_conn_stats(a, &as);
	link_conn_stats(b, &bs);
	assert_int_equal(as.output_frames, 100);
	assert_int_equal(as.output_bytes, bytes);
	assert_int_equal(as.input_frames, 1);
	assert_int_equal(as.input_bytes, 60);
	assert_int_equal(bs.input_frames, 100);
	assert_int_equal(bs.input_bytes, bytes);
	assert_int_equal(bs.output_frames, 1);
	assert_int_equal(as.output_dropped + as.input_dropped + bs.output_dropped + bs.input_dropped, 0);
	assert_true(link_conn_alive(a));
	link_conn_close(a);
	link_conn_close(b);
}

static void what_is_no_frame_is_dropped(void **state)
{
	struct link_conn *a = open_one(fake_vnl("ptp", "net"), NULL), *b = open_one(fake_vnl("ptp", "net"), NULL);
	unsigned char frame[60] = {0}, got[60];
	struct link_port_stats stats;

	(void)state;
	assert_int_equal(link_conn_send(a, frame, 13), 0);
	assert_int_equal(link_conn_send(a, frame, 14), 0);
	assert_int_equal(link_conn_recv(b, got, sizeof(got), false), 0);
	assert_int_equal(link_conn_recv(b, got, sizeof(got), false), 14);
	link_conn_stats(b, &stats);
	assert_int_equal(stats.input_dropped, 1);
	assert_int_equal(stats.input_frames, 1);
	link_conn_close(a);
	link_conn_close(b);
}

static void a_full_network_says_so(void **state)
{
	struct link_conn *a = open_one(fake_vnl("ptp", "net"), NULL), *b = open_one(fake_vnl("ptp", "net"), NULL);
	unsigned char frame[1514], got[LINK_FRAME_MAX];
	struct link_port_stats stats;
	unsigned int sent = 0, received = 0;

	(void)state;
	fake_pattern(frame, sizeof(frame), 1);
	while (link_conn_send(a, frame, sizeof(frame)) == 0)
		assert_true(++sent < 1000000);
	assert_int_equal(link_conn_send(a, frame, sizeof(frame)), -EAGAIN);
	while (link_conn_recv(b, got, sizeof(got), false) == sizeof(frame))
		received++;
	assert_int_equal(received, sent);
	link_conn_stats(a, &stats);
	assert_int_equal(stats.output_frames, sent);
	assert_int_equal(stats.output_dropped, 2);
	exchange(a, b, 1000, 2);
	link_conn_close(a);
	link_conn_close(b);
}

static void an_absent_peer_is_no_error(void **state)
{
	struct link_conn *a = open_one(fake_vnl("ptp", "net"), NULL), *b = open_one(fake_vnl("ptp", "net"), NULL);
	unsigned char frame[60] = {0};
	struct link_port_stats stats;

	(void)state;
	exchange(a, b, 60, 1);
	link_conn_close(b);
	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(link_conn_send(a, frame, sizeof(frame)), 0);
	assert_int_equal(link_conn_recv(a, frame, sizeof(frame), false), -EAGAIN);
	link_conn_stats(a, &stats);
	assert_int_equal(stats.output_frames, 1);
	assert_int_equal(stats.output_dropped, 100);
	/* It may come back. */
	b = open_one(fake_vnl("ptp", "net"), NULL);
	exchange(b, a, 60, 2);
	exchange(a, b, 60, 3);
	link_conn_close(a);
	link_conn_close(b);
}

static void a_switch_may_go_away(void **state)
{
	unsigned char frame[60] = {0}, got[60];
	struct link_conn *a, *b;
	struct fake hub;
	struct pollfd p;

	(void)state;
	/* A switch works only while somebody drives it: a loop. */
	fake_init(&hub);
	assert_int_equal(fake_open(&hub, fake_vnl("switch", "net"), "vde0", NULL), 0);
	a = open_one(fake_vnl("vde", "net"), NULL);
	b = open_one(fake_vnl("vde", "net"), NULL);
	p = (struct pollfd){.fd = link_conn_ctlfd(a), .events = POLLIN | POLLRDHUP};
	exchange(a, b, 60, 1);
	exchange(b, a, 1514, 2);
	fake_pattern(frame, sizeof(frame), 3);
	assert_int_equal(link_conn_send(a, frame, sizeof(frame)), 0);
	/* The switch has sent it the others, too, before it knew who is where. */
	do
		assert_true(fake_receive(&hub, got, sizeof(got)) > 0);
	while (memcmp(got, frame, sizeof(got)) != 0);
	assert_true(link_conn_alive(a));
	assert_int_equal(poll(&p, 1, 0), 0);
	fake_close(&hub);
	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_false(link_conn_alive(a));
	assert_false(link_conn_alive(a));
	assert_int_equal(link_conn_send(a, frame, sizeof(frame)), -ENETDOWN);
	assert_int_equal(link_conn_recv(a, frame, sizeof(frame), false), -ENETDOWN);
	link_conn_close(a);
	link_conn_close(b);
}

/** records - how many frames a capture file has, all of them @len bytes long */
static unsigned int records(const char *path, size_t len)
{
	char text[PCAP_ERRBUF_SIZE];
	pcap_t *file = pcap_open_offline(path, text);
	struct pcap_pkthdr *header;
	const unsigned char *data;
	unsigned int n = 0;

	if (!file)
		fail_msg("%s: %s", path, text);
	for (; pcap_next_ex(file, &header, &data) == 1; n++)
		assert_int_equal(header->len, len);
	pcap_close(file);
	return n;
}

static void captured_frames_are_in_the_file_when_flushed(void **state)
{
	char pattern[128], path[128];
	struct link_conn *a, *b;

	(void)state;
	snprintf(pattern, sizeof(pattern), "%s/%%i.pcap", fake_directory());
	snprintf(path, sizeof(path), "%s/vde0.pcap", fake_directory());
	a = open_one(fake_vnl("ptp", "net"), pattern);
	b = open_one(fake_vnl("ptp", "net"), NULL);
	for (unsigned int i = 0; i < 10; i++) {
		exchange(a, b, 60, i);
		exchange(b, a, 60, i);
		link_conn_flush(a);
		assert_int_equal(records(path, 60), 2 * (i + 1));
	}
	exchange(a, b, 60, 10);
	link_conn_close(a);
	link_conn_close(b);
	assert_int_equal(records(path, 60), 21);
}

static void errors_are_told(void **state)
{
	struct link_conn *conn;

	(void)state;
	assert_int_equal(link_conn_open(NULL, "vde0", NULL, &conn), -EINVAL);
	assert_int_equal(link_conn_open("null://", "", NULL, &conn), -EINVAL);
	assert_int_equal(link_conn_open(fake_vnl("vde", "nowhere"), "vde0", NULL, &conn), -ENOENT);
	assert_int_equal(link_conn_open("null://", "vde0", "/nowhere/at/all", &conn), -ENOENT);
	assert_int_equal(link_conn_open("null://", "vde0", "/tmp/%x", &conn), -EINVAL);
}

static void a_child_closes_its_copies_only(void **state)
{
	struct link_conn *a = open_one(fake_vnl("switch", "net"), NULL);
	struct link_conn *b = open_one(fake_vnl("ptp", "other"), NULL), *c = open_one(fake_vnl("ptp", "other"), NULL);
	int status;
	pid_t child;

	(void)state;
	exchange(b, c, 60, 1);
	child = fork();
	assert_return_code(child, errno);
	if (child == 0) {
		struct left now;

		alarm(3 * WAIT_MS / 1000);
		link_conn_close(a);
		link_conn_close(b);
		link_conn_close(c);
		_exit(left_count(&now) == 0 && now.fds == fake_before.fds ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(link_conn_alive(a));
	exchange(b, c, 60, 3);
	exchange(c, b, 60, 4);
	link_conn_close(a);
	link_conn_close(b);
	link_conn_close(c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_remember, fake_nothing_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(frames_cross_and_are_counted),
	        TEST(what_is_no_frame_is_dropped),
	        TEST(a_full_network_says_so),
	        TEST(an_absent_peer_is_no_error),
	        TEST(a_switch_may_go_away),
	        TEST(captured_frames_are_in_the_file_when_flushed),
	        TEST(errors_are_told),
	        TEST(a_child_closes_its_copies_only),
	};

	return cmocka_run_group_tests(tests, fake_group, NULL);
}
