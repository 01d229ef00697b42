/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_usock_stream_data.c - both directions of TCP sockets on an engine that does what the test says: partial writes,
 * corks, urgent data, peeking, waiting for all, control messages, want of memory.
 */
#include "usock_stream_calls.h"

#include <time.h>

/* ---------------------------------------------------------------------------------------------------------- sending */

static void test_partial_writes(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	struct fake_pcb *pcb = fake_pcb(s);
	char one[] = "0123456789", two[] = "abcdefghij";
	struct iovec piece[] = {{one, 10}, {NULL, 0}, {two, 10}};
	struct msghdr msg = {.msg_iov = piece, .msg_iovlen = 3};
	struct usock__xfer xfer = {.msg = &msg, .len = 20};

	pcb->room = 7;
	assert_int_equal(s->inet.sock.kind->send(&s->inet.sock, &xfer), -EAGAIN);
	assert_int_equal(xfer.done, 7);
	assert_int_equal(s->inet.sock.kind->send(&s->inet.sock, &xfer), -EAGAIN);
	assert_int_equal(xfer.done, 7);
	assert_int_equal(polled(s), 0);
	fake_told(s);
	pcb->room = 6;
	pcb->unacked = 1;
	usock_tcp_sent(&s->tcp);
	assert_int_equal(fake_told(s), OUT);
	assert_int_equal(s->inet.sock.kind->send(&s->inet.sock, &xfer), -EAGAIN);
	assert_int_equal(xfer.done, 13);
	/* The error of a send that has sent something is the next one's. */
	fake_error(&s->tcp, -ECONNRESET);
	assert_int_equal(s->inet.sock.kind->send(&s->inet.sock, &xfer), 0);
	assert_int_equal(xfer.done, 13);
	assert_memory_equal(pcb->sent, "0123456789abc", 13);
	assert_int_equal(do_send(s, "x", 1, 0), -ECONNRESET);
}

static void test_sndbuf(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	struct fake_pcb *pcb = fake_pcb(s);
	char bytes[1000] = "";

	s->inet.sock.options.sndbuf = 1200;
	assert_int_equal(s->inet.sock.kind->option_changed(&s->inet.sock, SO_SNDBUF), 0);
	assert_int_equal(do_send(s, bytes, sizeof(bytes), 0), 600);
	assert_int_equal(do_send(s, bytes, sizeof(bytes), 0), -EAGAIN);
	assert_int_equal(polled(s), 0);
	/* A few bytes of room are not worth a wake-up. */
	pcb->unacked = 500;
	assert_int_equal(polled(s), 0);
	assert_int_equal(do_send(s, bytes, 50, 0), 50);
	pcb->unacked = 400;
	assert_int_equal(polled(s), OUT);
	assert_int_equal(do_ioctl(s, SIOCOUTQ), 400);
	assert_int_equal(do_ioctl(s, SIOCOUTQNSD), 650);
	/* The engine has none. */
	pcb->room = 0;
	assert_int_equal(polled(s), 0);
	/* When we shall send no more, writing does not wait. */
	assert_int_equal(do_shutdown(s, SHUT_WR), 0);
	assert_int_equal(polled(s), OUT);
}

static void test_write_errors(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);

	fake.write_result = -ENOBUFS;
	assert_int_equal(do_send(s, "abc", 3, 0), -EAGAIN);
	fake.write_result = -EINVAL;
	assert_int_equal(do_send(s, "abc", 3, 0), -EINVAL);
	fake.write_result = 0;
	assert_int_equal(do_send(s, "", 0, 0), 0);
	assert_int_equal(do_send(s, "abc", 3, MSG_FASTOPEN), -EOPNOTSUPP);
	assert_int_equal(do_send(s, "abc", 3, MSG_EOR | MSG_DONTWAIT), 3);
}

static void test_cork(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	struct fake_pcb *pcb = fake_pcb(s);

	assert_int_equal(do_setsockopt(s, TCP_CORK, 1), 0);
	assert_int_equal(send_text(s, "one", 0), 3);
	assert_true(pcb->more);
	assert_int_equal(do_setsockopt(s, TCP_NODELAY, 1), 0);
	assert_int_equal(pcb->flushes, 0);
	assert_int_equal(do_setsockopt(s, TCP_CORK, 0), 0);
	assert_int_equal(pcb->flushes, 1);
	assert_int_equal(send_text(s, "two", 0), 3);
	assert_false(pcb->more);
	/* For 200 ms and not longer. */
	pcb->unsent = 0;
	assert_int_equal(send_text(s, "three", MSG_MORE), 5);
	assert_true(pcb->more);
	fake_timers(*state, INT64_C(150000000));
	assert_int_equal(send_text(s, "four", MSG_MORE), 4);
	assert_int_equal(pcb->flushes, 1);
	fake_timers(*state, INT64_C(50000000));
	assert_int_equal(pcb->flushes, 2);
	/* What does not fit is not held back. */
	pcb->room = 2;
	assert_int_equal(send_text(s, "three", MSG_MORE), 2);
	assert_false(pcb->more);
	fake_error(&s->tcp, -ECONNRESET);
	fake_timers(*state, INT64_C(500000000));
}

static void test_notsent_lowat(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	struct fake_pcb *pcb = fake_pcb(s);

	assert_int_equal(do_setsockopt(s, TCP_NOTSENT_LOWAT, 100), 0);
	pcb->unsent = 49;
	assert_int_equal(polled(s), OUT);
	pcb->unsent = 50;
	assert_int_equal(polled(s), 0);
	assert_int_equal(do_send(s, "x", 1, 0), 1);
	pcb->unsent = 100;
	assert_int_equal(do_send(s, "x", 1, 0), -EAGAIN);
}

static void test_urgent_send(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	struct fake_pcb *pcb = fake_pcb(s);

	assert_int_equal(send_text(s, "abX", MSG_OOB), 3);
	assert_memory_equal(pcb->sent, "ab", 2);
	assert_int_equal(pcb->sent_len, 2);
	assert_int_equal(pcb->urgent, 'X');
	fake.urgent_result = -ENOBUFS;
	assert_int_equal(send_text(s, "Y", MSG_OOB), -EAGAIN);
}

/* -------------------------------------------------------------------------------------------------------- receiving */

static void test_receive(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	struct fake_pcb *pcb = fake_pcb(s);
	char bytes[32];

	fake_input(s, "abc");
	assert_int_equal(fake_told(s), IN);
	fake_input(s, "def");
	assert_int_equal(polled(s), IN | OUT);
	assert_int_equal(do_ioctl(s, SIOCINQ), 6);
	assert_int_equal(do_recv(s, bytes, 0, 0), 0);
	check_recv(s, 2, 0, "ab");
	assert_int_equal(pcb->recved, 2);
	assert_int_equal(fake.released, 1); /* the second one was copied */
	check_recv(s, 3, MSG_PEEK, "cde");
	check_recv(s, 10, MSG_PEEK, "cdef");
	assert_int_equal(pcb->recved, 2);
	assert_int_equal(do_recv(s, NULL, 3, MSG_TRUNC), 3);
	check_recv(s, 10, 0, "f");
	assert_int_equal(pcb->recved, 6);
	assert_int_equal(fake.released, 2);
	assert_int_equal(do_recv(s, bytes, 1, 0), -EAGAIN);
	assert_int_equal(do_recv(s, bytes, 0, 0), -EAGAIN);
	assert_int_equal(do_recv(s, bytes, 1, MSG_PEEK), -EAGAIN);
	assert_int_equal(polled(s), OUT);
	usock_tcp_fin(&s->tcp);
	assert_int_equal(do_recv(s, bytes, 1, MSG_PEEK), 0);
}

/** reads - the program takes @len bytes that have come */
static void reads(struct usock__stream *s, size_t len)
{
	static char bytes[1024];

	for (; len > 0; len -= sizeof(bytes)) {
		fake_input_bytes(s, bytes, sizeof(bytes));
		assert_int_equal(do_recv(s, bytes, sizeof(bytes), 0), sizeof(bytes));
	}
}

/* A program that keeps up gets a larger window, unless it has said what it wants. */
static void test_rcvbuf_grows(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	struct fake_pcb *pcb = fake_pcb(s);

	assert_int_equal(s->inet.sock.options.rcvbuf, 131072);
	reads(s, 65536 - 1024);
	assert_int_equal(s->inet.sock.options.rcvbuf, 131072);
	reads(s, 1024);
	assert_int_equal(s->inet.sock.options.rcvbuf, 262144);
	assert_int_equal(pcb->option[USOCK_TCP_RCVBUF], 131072);
	reads(s, 4 << 20);
	assert_int_equal(s->inet.sock.options.rcvbuf, 262144);
	assert_int_equal(pcb->option[USOCK_TCP_RCVBUF], 131072);
	s = fake_connected(*state, AF_INET);
	s->inet.sock.options.rcvbuf_set = true;
	reads(s, 1 << 20);
	assert_int_equal(s->inet.sock.options.rcvbuf, 131072);
}

static void test_waitall(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	char bytes[8];
	struct iovec piece[] = {{bytes, 1}, {bytes + 1, 5}};
	struct msghdr msg = {.msg_iov = piece, .msg_iovlen = 2};

	for (int peek = 1; peek >= 0; peek--) {
		struct usock__xfer xfer = {.msg = &msg, .flags = MSG_WAITALL | (peek ? MSG_PEEK : 0), .len = 6};

		memset(bytes, 0, sizeof(bytes));
		if (peek)
			fake_input(s, "abc");
		assert_int_equal(s->inet.sock.kind->recv(&s->inet.sock, &xfer), peek ? -EAGAIN : 0);
		if (peek) {
			assert_int_equal(xfer.done, 3);
			fake_input(s, "defg");
			assert_int_equal(s->inet.sock.kind->recv(&s->inet.sock, &xfer), 0);
		}
		assert_int_equal(xfer.done, 6);
		assert_memory_equal(bytes, "abcdef", 6);
	}
	check_recv(s, 8, 0, "g");
}

static void test_rcvlowat(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	char bytes[8];
	struct iovec piece = {bytes, sizeof(bytes)};
	struct msghdr msg = {.msg_iov = &piece, .msg_iovlen = 1};
	struct usock__xfer xfer = {.msg = &msg, .len = sizeof(bytes)};

	s->inet.sock.options.rcvlowat = 4;
	fake_input(s, "abc");
	assert_int_equal(polled(s), OUT);
	assert_int_equal(s->inet.sock.kind->recv(&s->inet.sock, &xfer), -EAGAIN);
	assert_int_equal(xfer.done, 3);
	fake_input(s, "d");
	assert_int_equal(s->inet.sock.kind->recv(&s->inet.sock, &xfer), 0);
	assert_int_equal(xfer.done, 4);
	/* More than the buffer can hold is never waited for. */
	s->inet.sock.options.rcvlowat = 1000000;
	s->inet.sock.options.rcvbuf = 8;
	fake_input(s, "abc");
	assert_int_equal(polled(s), OUT);
	fake_input(s, "d");
	assert_int_equal(polled(s), IN | OUT);
}

static void test_peek_off(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);

	fake_input(s, "abc");
	fake_input(s, "def");
	s->inet.sock.options.peek_off = 1;
	check_recv(s, 3, MSG_PEEK, "bcd");
	assert_int_equal(s->inet.sock.options.peek_off, 4);
	check_recv(s, 2, 0, "ab");
	assert_int_equal(s->inet.sock.options.peek_off, 2);
	check_recv(s, 10, MSG_PEEK, "ef");
	assert_int_equal(s->inet.sock.options.peek_off, 4);
	check_recv(s, 10, 0, "cdef");
	assert_int_equal(s->inet.sock.options.peek_off, 0);
}

/** test_many_chunks - large and small segments mixed: all bytes come, in order; single bytes do not hold a buffer each
 */
static void test_many_chunks(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	unsigned char bytes[1000], got[97];
	unsigned int next = 0, expected = 0;
	size_t total = 0;

	srandom(7);
	for (int round = 0; round < 2000; round++) {
		size_t len = random() % 3 == 0 ? (size_t)random() % sizeof(bytes) + 1 : (size_t)random() % 4 + 1;
		ssize_t n;

		for (size_t i = 0; i < len; i++)
			bytes[i] = (unsigned char)(next++ * 31 >> 3);
		fake_input_bytes(s, bytes, len);
		total += len;
		if (round % 16 < 8)
			continue;
		while ((n = do_recv(s, got, (size_t)random() % sizeof(got) + 1, 0)) > 0 && random() % 32 != 0) {
			for (ssize_t i = 0; i < n; i++)
				assert_int_equal(got[i], (unsigned char)(expected++ * 31 >> 3));
			total -= (size_t)n;
		}
		if (n > 0) {
			for (ssize_t i = 0; i < n; i++)
				assert_int_equal(got[i], (unsigned char)(expected++ * 31 >> 3));
			total -= (size_t)n;
		}
		assert_int_equal(do_ioctl(s, SIOCINQ), total);
	}
	fake_close(&s->inet.sock);
	s = fake_connected(*state, AF_INET);
	fake.released = 0;
	for (int i = 0; i < 1000; i++)
		fake_input(s, "x");
	assert_int_equal(fake.released, 999);
	assert_true(s->ring_count <= 2);
}

static void test_urgent_receive(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	struct fake_pcb *pcb = fake_pcb(s);
	char byte;

	assert_int_equal(do_recv(s, &byte, 1, MSG_OOB), -EINVAL);
	fake_input(s, "ab");
	usock_tcp_urgent(&s->tcp, 'X');
	assert_int_equal(fake_told(s) & PRI, PRI);
	fake_input(s, "cd");
	assert_int_equal(polled(s), IN | OUT | PRI);
	assert_int_equal(do_ioctl(s, SIOCATMARK), 0);
	assert_int_equal(do_ioctl(s, SIOCINQ), 2);
	check_recv(s, 10, MSG_PEEK, "ab");
	check_recv(s, 10, 0, "ab");
	assert_int_equal(do_ioctl(s, SIOCATMARK), 1);
	check_recv(s, 10, MSG_PEEK, "cd");
	check_recv(s, 10, MSG_OOB | MSG_PEEK, "X");
	check_recv(s, 10, MSG_OOB, "X");
	assert_int_equal(do_recv(s, &byte, 1, MSG_OOB), -EINVAL);
	assert_int_equal(polled(s), IN | OUT);
	check_recv(s, 10, 0, "cd");
	assert_int_equal(do_ioctl(s, SIOCATMARK), 0);
	assert_int_equal(pcb->recved, 5);
	/* Alone it is not IN. */
	usock_tcp_urgent(&s->tcp, 'Y');
	assert_int_equal(polled(s), OUT | PRI);
	assert_int_equal(do_recv(s, &byte, 1, 0), -EAGAIN);
	assert_int_equal(polled(s), OUT);
}

static void test_urgent_twice(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);

	fake_input(s, "ab");
	usock_tcp_urgent(&s->tcp, 'X');
	usock_tcp_urgent(&s->tcp, 'Y');
	check_recv(s, 10, 0, "abX");
	check_recv(s, 10, MSG_OOB, "Y");
	/* One that is next is forgotten when another comes. */
	usock_tcp_urgent(&s->tcp, 'P');
	usock_tcp_urgent(&s->tcp, 'Q');
	fake_input(s, "c");
	check_recv(s, 10, MSG_OOB, "Q");
	check_recv(s, 10, 0, "c");
}

static void test_urgent_inline(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	char byte;

	s->inet.sock.options.oobinline = true;
	fake_input(s, "ab");
	usock_tcp_urgent(&s->tcp, 'X');
	fake_input(s, "c");
	assert_int_equal(do_recv(s, &byte, 1, MSG_OOB), -EINVAL);
	assert_int_equal(do_ioctl(s, SIOCINQ), 4);
	check_recv(s, 10, 0, "ab");
	assert_int_equal(do_ioctl(s, SIOCATMARK), 1);
	check_recv(s, 10, 0, "Xc");
	assert_int_equal(polled(s), OUT);
}

/** control_get - the contents of a control message; how many there are at all, 0 when this one is not among them */
static unsigned int control_get(struct msghdr *msg, int level, int type, void *out, size_t size)
{
	unsigned int count = 0;
	bool found = false;

	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL; cmsg = CMSG_NXTHDR(msg, cmsg), count++) {
		if (cmsg->cmsg_level != level || cmsg->cmsg_type != type || cmsg->cmsg_len != CMSG_LEN(size))
			continue;
		memcpy(out, CMSG_DATA(cmsg), size);
		found = true;
	}
	return found ? count : 0;
}

/** test_control - SO_TIMESTAMP and TCP_INQ */
static void test_control(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	char bytes[4];
	_Alignas(struct cmsghdr) char room[256];
	struct iovec piece = {bytes, sizeof(bytes)};
	struct msghdr msg = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	struct usock__xfer xfer = {.msg = &msg, .len = sizeof(bytes)};
	struct timespec now, stamp;
	int inq;

	assert_int_equal(do_setsockopt(s, TCP_INQ, 1), 0);
	s->inet.sock.options.timestampns = true;
	fake_input(s, "0123456789");
	assert_int_equal(s->inet.sock.kind->recv(&s->inet.sock, &xfer), 0);
	assert_int_equal(xfer.msg_flags, 0);
	msg.msg_controllen = xfer.controllen;
	assert_int_equal(control_get(&msg, SOL_SOCKET, SCM_TIMESTAMPNS, &stamp, sizeof(stamp)), 2);
	clock_gettime(CLOCK_REALTIME, &now);
	assert_true(stamp.tv_sec <= now.tv_sec && stamp.tv_sec >= now.tv_sec - 60);
	assert_int_equal(control_get(&msg, IPPROTO_TCP, TCP_CM_INQ, &inq, sizeof(inq)), 2);
	assert_int_equal(inq, 6);
}

/** test_input_without_memory - bytes that cannot be kept end the connection, and nothing is read as if it were whole */
static void test_input_without_memory(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	struct fake_pcb *pcb = fake_pcb(s);
	char byte;

	fake.malloc_fails = 1;
	fake_input(s, "lost");
	fake.malloc_fails = 0;
	fake_input(s, "after the gap");
	assert_int_equal(pcb->aborts, 0); /* not within the engine's call */
	assert_int_equal(do_recv(s, &byte, 1, 0), -EAGAIN);
	fake_timers(*state, 0);
	assert_int_equal(pcb->aborts, 1);
	assert_int_equal(do_recv(s, &byte, 1, 0), -ENOBUFS);
	/* A small segment for which there is no block is kept where it is. */
	s = fake_connected(*state, AF_INET);
	fake_input(s, "a");
	fake.malloc_fails = 1;
	fake_input(s, "b");
	fake.malloc_fails = 0;
	check_recv(s, 10, 0, "ab");
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(partial_writes),
	        TEST(sndbuf),
	        TEST(write_errors),
	        TEST(cork),
	        TEST(notsent_lowat),
	        TEST(urgent_send),
	        TEST(receive),
	        TEST(rcvbuf_grows),
	        TEST(waitall),
	        TEST(rcvlowat),
	        TEST(peek_off),
	        TEST(many_chunks),
	        TEST(urgent_receive),
	        TEST(urgent_twice),
	        TEST(urgent_inline),
	        TEST(control),
	        TEST(input_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
