/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_usock_stream.c - TCP sockets on an engine that does what the test says: states and what poll shows in them, both
 * directions of the stream, resets at any moment, queues of listeners, options, want of memory.
 */
#include "usock_stream_fake.h"

#include <asm/ioctls.h>
#include <linux/sockios.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define IN EPOLLIN
#define OUT EPOLLOUT
#define RDHUP EPOLLRDHUP
#define HUP EPOLLHUP
#define ERR EPOLLERR
#define PRI EPOLLPRI

/** polled - what poll shows */
static unsigned int polled(struct usock__stream *s)
{
	return s->inet.sock.kind->poll(&s->inet.sock);
}

static int take_error(struct usock__stream *s)
{
	return usock__take_error(&s->inet.sock);
}

static int do_connect(struct usock__stream *s, const char *text, unsigned int port)
{
	struct sockaddr_storage addr;
	socklen_t len = fake_addr(text, port, &addr);

	return s->inet.sock.kind->connect(&s->inet.sock, (struct sockaddr *)&addr, len);
}

static int connect_done(struct usock__stream *s)
{
	return s->inet.sock.kind->connect_done(&s->inet.sock);
}

static int disconnect(struct usock__stream *s)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	return s->inet.sock.kind->connect(&s->inet.sock, &none, sizeof(none));
}

static int do_shutdown(struct usock__stream *s, int how)
{
	return s->inet.sock.kind->shutdown(&s->inet.sock, how);
}

static int do_listen(struct usock__stream *s, int backlog)
{
	return s->inet.sock.kind->listen(&s->inet.sock, backlog);
}

static int do_bind(struct usock__stream *s, const char *text, unsigned int port)
{
	struct sockaddr_storage addr;
	socklen_t len = fake_addr(text, port, &addr);

	return s->inet.sock.kind->bind(&s->inet.sock, (struct sockaddr *)&addr, len);
}

/** try_accept - what accept gives, with a descriptor, or NULL; accepted - there has to be something */
static struct usock__stream *try_accept(struct usock__stream *s)
{
	struct usock *made;

	if (s->inet.sock.kind->accept(&s->inet.sock, &made) != 0)
		return NULL;
	made->ready.user = 0;
	return usock__stream_of(made);
}

static struct usock__stream *accepted(struct usock__stream *s)
{
	struct usock__stream *child = try_accept(s);

	if (child == NULL) {
		fail_msg("no connection to be accepted");
		abort();
	}
	return child;
}

/** do_send - one attempt: bytes taken, or the error when there are none */
static ssize_t do_send(struct usock__stream *s, const void *bytes, size_t len, int flags)
{
	struct iovec piece = {(void *)(uintptr_t)bytes, len};
	struct msghdr msg = {.msg_iov = &piece, .msg_iovlen = 1};
	struct usock__xfer xfer = {.msg = &msg, .flags = flags, .len = len};
	int ret = s->inet.sock.kind->send(&s->inet.sock, &xfer);

	return xfer.done > 0 || ret == 0 ? (ssize_t)xfer.done : ret;
}

static ssize_t send_text(struct usock__stream *s, const char *text, int flags)
{
	return do_send(s, text, strlen(text), flags);
}

/** do_recv - one attempt of a recv without waiting */
static ssize_t do_recv(struct usock__stream *s, void *bytes, size_t len, int flags)
{
	struct iovec piece = {bytes, len};
	struct msghdr msg = {.msg_iov = &piece, .msg_iovlen = 1};
	struct usock__xfer xfer = {.msg = &msg, .flags = flags, .len = len};
	int ret = s->inet.sock.kind->recv(&s->inet.sock, &xfer);

	return xfer.done > 0 || ret == 0 ? (ssize_t)xfer.done : ret;
}

/** check_recv - a recv of up to @len bytes gives this text */
static void check_recv(struct usock__stream *s, size_t len, int flags, const char *text)
{
	char got[256] = "";
	ssize_t n = do_recv(s, got, len, flags);

	assert_int_equal(n, strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

static int do_setsockopt(struct usock__stream *s, int name, int value)
{
	return s->inet.sock.kind->setsockopt(&s->inet.sock, IPPROTO_TCP, name, &value, sizeof(value));
}

static int do_getsockopt(struct usock__stream *s, int name)
{
	int value = -12345;
	socklen_t len = sizeof(value);

	assert_int_equal(s->inet.sock.kind->getsockopt(&s->inet.sock, IPPROTO_TCP, name, &value, &len), 0);
	assert_int_equal(len, sizeof(value));
	return value;
}

static int do_ioctl(struct usock__stream *s, unsigned long request)
{
	int value = -1;
	int ret = s->inet.sock.kind->ioctl(&s->inet.sock, request, &value);

	return ret < 0 ? ret : value;
}

static int setup(void **state)
{
	*state = fake_stack();
	return 0;
}

static int teardown(void **state)
{
	fake_done(*state);
	return 0;
}

/* ----------------------------------------------------------------------------------------------------------- states */

static void test_fresh(void **state)
{
	struct usock__stream *s = fake_socket(*state, AF_INET);
	struct sockaddr_storage addr;
	socklen_t len;
	char byte;

	assert_int_equal(polled(s), OUT | HUP);
	assert_int_equal(do_send(s, "x", 1, 0), -EPIPE);
	assert_int_equal(do_recv(s, &byte, 1, 0), -ENOTCONN);
	assert_int_equal(s->inet.sock.kind->getpeername(&s->inet.sock, &addr, &len), -ENOTCONN);
	assert_int_equal(do_ioctl(s, SIOCINQ), 0);
	assert_int_equal(do_ioctl(s, SIOCOUTQ), 0);
	assert_int_equal(do_ioctl(s, SIOCGIFINDEX), -ENOIOCTLCMD);
	/* Shut down it stays, and shows it. */
	assert_int_equal(do_shutdown(s, SHUT_RD), -ENOTCONN);
	assert_int_equal(polled(s), IN | OUT | RDHUP | HUP);
	assert_int_equal(do_recv(s, &byte, 1, 0), 0);
}

static void test_connect(void **state)
{
	struct usock__stream *s = fake_socket(*state, AF_INET);
	struct sockaddr_storage addr;
	socklen_t len = 0;
	char byte;

	assert_int_equal(do_connect(s, "10.0.0.2", 80), -EINPROGRESS);
	assert_int_equal(polled(s), 0);
	assert_int_equal(do_send(s, "x", 1, 0), -EAGAIN);
	assert_int_equal(do_recv(s, &byte, 1, 0), -EAGAIN);
	assert_int_equal(do_listen(s, 1), -EINVAL);
	assert_int_equal(s->inet.sock.kind->getpeername(&s->inet.sock, &addr, &len), -ENOTCONN);
	assert_int_equal(do_connect(s, "10.0.0.2", 80), -EINPROGRESS);
	assert_int_equal(connect_done(s), -EINPROGRESS);
	fake_told(s);
	usock_tcp_connected(&s->tcp);
	assert_int_equal(fake_told(s) & OUT, OUT);
	assert_int_equal(polled(s), OUT);
	assert_int_equal(do_connect(s, "10.0.0.2", 80), 0);
	assert_int_equal(do_connect(s, "10.0.0.2", 80), -EISCONN);
	assert_int_equal(s->inet.sock.kind->getpeername(&s->inet.sock, &addr, &len), 0);
	assert_int_equal(len, sizeof(struct sockaddr_in));
	assert_int_equal(((struct sockaddr_in *)&addr)->sin_port, htons(80));
	assert_true(s->inet.local.port >= 32768 && s->inet.local.port <= 60999);
	assert_int_equal(s->inet.local.ip.v4.s_addr, htonl(0x0a000001));
}

static void test_connect_refused(void **state)
{
	struct usock__stream *s = fake_socket(*state, AF_INET);
	char byte;

	assert_int_equal(do_connect(s, "10.0.0.2", 80), -EINPROGRESS);
	fake_error(&s->tcp, -ECONNREFUSED);
	assert_int_equal(polled(s), IN | OUT | RDHUP | HUP | ERR);
	/* connect gives the error and has the socket fresh again. */
	assert_int_equal(do_connect(s, "10.0.0.2", 80), -ECONNREFUSED);
	assert_int_equal(polled(s), OUT | HUP);
	assert_int_equal(s->inet.bind_port, 0);
	assert_int_equal(do_connect(s, "10.0.0.2", 80), -EINPROGRESS);
	fake_error(&s->tcp, -ECONNREFUSED);
	/* recv gives it once. */
	assert_int_equal(do_recv(s, &byte, 1, 0), -ECONNREFUSED);
	assert_int_equal(do_recv(s, &byte, 1, 0), 0);
	assert_int_equal(polled(s), IN | OUT | RDHUP | HUP);
	assert_int_equal(do_connect(s, "10.0.0.2", 80), -ECONNABORTED);
	assert_int_equal(do_connect(s, "10.0.0.2", 80), -EINPROGRESS);
	usock_tcp_connected(&s->tcp);
	assert_int_equal(connect_done(s), 0);
}

static void test_connect_fails_at_once(void **state)
{
	struct usock__stream *s = fake_socket(*state, AF_INET);

	fake.route_result = -ENETUNREACH;
	assert_int_equal(do_connect(s, "10.0.0.2", 80), -ENETUNREACH);
	assert_int_equal(polled(s), OUT | HUP);
	assert_int_equal(s->inet.bind_port, 0);
	fake.route_result = 0;
	fake.connect_result = -ENOBUFS;
	assert_int_equal(do_connect(s, "10.0.0.2", 80), -ENOBUFS);
	assert_int_equal(s->inet.bind_port, 0);
	assert_int_equal(s->inet.local.ip.v4.s_addr, 0);
	fake.connect_result = 0;
	assert_int_equal(do_connect(s, "239.1.2.3", 80), -ENETUNREACH);
	/* A port in TIME-WAIT costs another try. */
	fake.busy_connects = 3;
	assert_int_equal(do_connect(s, "10.0.0.2", 80), -EINPROGRESS);
	assert_int_equal(fake.busy_connects, 0);
	/* One's own does not change. */
	s = fake_socket(*state, AF_INET);
	assert_int_equal(do_bind(s, "10.0.0.1", 7000), 0);
	fake.busy_connects = 1;
	assert_int_equal(do_connect(s, "10.0.0.2", 80), -EADDRNOTAVAIL);
	assert_int_equal(s->inet.bind_port, 7000);
	assert_int_equal(do_connect(s, "10.0.0.2", 80), -EINPROGRESS);
}

static void test_connect_addresses(void **state)
{
	struct usock__stream *s = fake_socket(*state, AF_INET), *six = fake_socket(*state, AF_INET6);
	struct sockaddr_storage addr;

	fake_addr("10.0.0.2", 80, &addr);
	assert_int_equal(s->inet.sock.kind->connect(&s->inet.sock, (struct sockaddr *)&addr, 1), -EINVAL);
	assert_int_equal(s->inet.sock.kind->connect(&s->inet.sock, (struct sockaddr *)&addr, 8), -EINVAL);
	assert_int_equal(do_connect(s, "fd00::2", 80), -EAFNOSUPPORT);
	assert_int_equal(do_connect(six, "fe80::2", 80), -EINVAL);
	assert_int_equal(do_connect(six, "ff02::2%2", 80), -ENETUNREACH);
	six->inet.ip.v6only = true;
	assert_int_equal(do_connect(six, "::ffff:10.0.0.2", 80), -ENETUNREACH);
	six->inet.ip.v6only = false;
	assert_int_equal(do_connect(six, "::ffff:10.0.0.2", 80), -EINPROGRESS);
	assert_true(IN6_IS_ADDR_V4MAPPED(&six->tcp.local.ip.v6));
	six = fake_socket(*state, AF_INET6);
	assert_int_equal(do_connect(six, "fe80::2%2", 80), -EINPROGRESS);
	assert_int_equal(six->inet.sock.options.bound_if, 2);
	assert_int_equal(six->tcp.option[USOCK_TCP_BOUND_IF], 2);
	assert_int_equal(six->inet.local.scope, 2);
	six = fake_socket(*state, AF_INET6);
	assert_int_equal(do_bind(six, "::1", 0), 0);
	assert_int_equal(do_connect(six, "::ffff:10.0.0.2", 80), -ENETUNREACH);
	six = fake_socket(*state, AF_INET6);
	assert_int_equal(do_bind(six, "::ffff:10.0.0.1", 0), 0);
	assert_int_equal(do_connect(six, "fd00::2", 80), -EAFNOSUPPORT);
	/* The unspecified address is this host. */
	assert_int_equal(do_connect(s, "0.0.0.0", 80), -EINPROGRESS);
	assert_int_equal(s->inet.remote.ip.v4.s_addr, htonl(INADDR_LOOPBACK));
	six = fake_socket(*state, AF_INET6);
	assert_int_equal(do_connect(six, "::", 80), -EINPROGRESS);
	assert_true(IN6_IS_ADDR_LOOPBACK(&six->inet.remote.ip.v6));
}

static void test_shutdown_while_connecting(void **state)
{
	struct usock__stream *s = fake_socket(*state, AF_INET);
	struct fake_pcb *pcb;

	assert_int_equal(do_connect(s, "10.0.0.2", 80), -EINPROGRESS);
	pcb = fake_pcb(s);
	assert_int_equal(do_shutdown(s, SHUT_RDWR), 0);
	assert_int_equal(pcb->closes, 1);
	assert_int_equal(connect_done(s), -ECONNRESET);
	assert_int_equal(polled(s), OUT | HUP);
	assert_int_equal(do_connect(s, "10.0.0.2", 80), -EINPROGRESS);
}

static void test_disconnect(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	struct fake_pcb *pcb = fake_pcb(s);

	fake_input(s, "unread");
	assert_int_equal(disconnect(s), 0);
	assert_int_equal(pcb->aborts, 1);
	assert_int_equal(fake.released, 1);
	assert_int_equal(take_error(s), -ECONNRESET);
	assert_int_equal(polled(s), OUT | HUP);
	assert_int_equal(do_send(s, "x", 1, 0), -EPIPE);
	assert_int_equal(do_connect(s, "10.0.0.2", 80), -EINPROGRESS);
	/* Of a fresh socket: nothing happens. */
	s = fake_socket(*state, AF_INET);
	assert_int_equal(disconnect(s), 0);
	assert_int_equal(take_error(s), 0);
}

static void test_close_first(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	struct fake_pcb *pcb = fake_pcb(s);
	char byte;

	assert_int_equal(do_shutdown(s, SHUT_WR), 0);
	assert_int_equal(pcb->shutdowns, 1);
	assert_int_equal(s->state, STREAM_FIN_WAIT1);
	assert_int_equal(polled(s), OUT);
	assert_int_equal(do_send(s, "x", 1, 0), -EPIPE);
	assert_int_equal(do_shutdown(s, SHUT_WR), 0);
	assert_int_equal(pcb->shutdowns, 1);
	usock_tcp_finished(&s->tcp);
	assert_int_equal(s->state, STREAM_FIN_WAIT2);
	fake_input(s, "late");
	usock_tcp_fin(&s->tcp);
	/* TIME-WAIT is the engine's business. */
	assert_int_equal(s->state, STREAM_CLOSE);
	assert_int_equal(pcb->closes, 1);
	assert_int_equal(polled(s), IN | OUT | RDHUP | HUP);
	check_recv(s, 10, 0, "late");
	assert_int_equal(do_recv(s, &byte, 1, 0), 0);
	assert_int_equal(do_shutdown(s, SHUT_RD), -ENOTCONN);
	/* It is a connection that has ended, not a fresh socket. */
	assert_int_equal(do_connect(s, "10.0.0.2", 80), -EISCONN);
	assert_int_equal(do_listen(s, 1), -EINVAL);
}

static void test_close_second(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	struct fake_pcb *pcb = fake_pcb(s);
	char byte;

	usock_tcp_fin(&s->tcp);
	assert_int_equal(fake_told(s) & (IN | RDHUP), IN | RDHUP);
	assert_int_equal(s->state, STREAM_CLOSE_WAIT);
	assert_int_equal(polled(s), IN | OUT | RDHUP);
	assert_int_equal(do_recv(s, &byte, 1, 0), 0);
	assert_int_equal(send_text(s, "still", 0), 5);
	assert_int_equal(do_shutdown(s, SHUT_WR), 0);
	assert_int_equal(s->state, STREAM_LAST_ACK);
	assert_int_equal(polled(s), IN | OUT | RDHUP | HUP);
	usock_tcp_finished(&s->tcp);
	assert_int_equal(s->state, STREAM_CLOSE);
	assert_int_equal(pcb->closes, 1);
}

static void test_close_both(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);

	assert_int_equal(do_shutdown(s, SHUT_RDWR), 0);
	assert_int_equal(polled(s), IN | OUT | RDHUP | HUP);
	usock_tcp_fin(&s->tcp);
	assert_int_equal(s->state, STREAM_CLOSING);
	usock_tcp_finished(&s->tcp);
	assert_int_equal(s->state, STREAM_CLOSE);
}

static void test_shutdown_read(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	char byte;

	assert_int_equal(do_shutdown(s, SHUT_RD), 0);
	assert_int_equal(fake_pcb(s)->shutdowns, 0);
	assert_int_equal(polled(s), IN | OUT | RDHUP);
	assert_int_equal(do_recv(s, &byte, 1, 0), 0);
	fake_input(s, "late");
	check_recv(s, 10, 0, "late");
	assert_int_equal(do_recv(s, &byte, 1, 0), 0);
	assert_int_equal(do_shutdown(s, 3), -EINVAL);
}

static void test_fin_without_memory(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	struct fake_pcb *pcb = fake_pcb(s);

	fake.shutdown_result = -ENOBUFS;
	assert_int_equal(do_shutdown(s, SHUT_WR), 0);
	assert_int_equal(pcb->shutdowns, 1);
	usock_tcp_sent(&s->tcp);
	assert_int_equal(pcb->shutdowns, 2);
	fake_timers(*state, INT64_C(60000000));
	assert_int_equal(pcb->shutdowns, 3);
	fake.shutdown_result = 0;
	fake_timers(*state, INT64_C(60000000));
	assert_int_equal(pcb->shutdowns, 4);
	fake_timers(*state, INT64_C(600000000));
	assert_int_equal(pcb->shutdowns, 4);
}

/* ---------------------------------------------------------------------------------------------- resets and the like */

static void test_reset(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	struct sockaddr_storage addr;
	socklen_t len;
	char byte;

	fake_input(s, "kept");
	fake_error(&s->tcp, -ECONNRESET);
	assert_int_equal(fake_told(s) & (IN | OUT | RDHUP | HUP | ERR), IN | OUT | RDHUP | HUP | ERR);
	assert_int_equal(polled(s), IN | OUT | RDHUP | HUP | ERR);
	assert_int_equal(s->inet.sock.kind->getpeername(&s->inet.sock, &addr, &len), -ENOTCONN);
	check_recv(s, 10, MSG_WAITALL, "kept");
	assert_int_equal(do_recv(s, &byte, 1, 0), -ECONNRESET);
	assert_int_equal(polled(s), IN | OUT | RDHUP | HUP);
	assert_int_equal(do_recv(s, &byte, 1, 0), 0);
	assert_int_equal(do_send(s, "x", 1, 0), -EPIPE);
}

static void test_reset_after_fin(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	char byte;

	usock_tcp_fin(&s->tcp);
	fake_error(&s->tcp, -ECONNRESET);
	assert_int_equal(do_recv(s, &byte, 1, 0), 0);
	assert_int_equal(take_error(s), -EPIPE);
}

/** to_state - bring a connection into a state; false when there is none */
static struct usock__stream *in_state(struct usock_stack *stack, enum usock__tcp_state wanted)
{
	struct usock__stream *s;

	if (wanted == STREAM_SYN_SENT) {
		s = fake_socket(stack, AF_INET);
		assert_int_equal(do_connect(s, "10.0.0.2", 80), -EINPROGRESS);
		return s;
	}
	s = fake_connected(stack, AF_INET);
	if (wanted == STREAM_CLOSE_WAIT || wanted == STREAM_LAST_ACK)
		usock_tcp_fin(&s->tcp);
	if (wanted != STREAM_ESTABLISHED && wanted != STREAM_CLOSE_WAIT)
		assert_int_equal(do_shutdown(s, SHUT_WR), 0);
	if (wanted == STREAM_FIN_WAIT2)
		usock_tcp_finished(&s->tcp);
	if (wanted == STREAM_CLOSING)
		usock_tcp_fin(&s->tcp);
	assert_int_equal(s->state, wanted);
	return s;
}

static const enum usock__tcp_state connected_states[] = {STREAM_SYN_SENT,  STREAM_ESTABLISHED, STREAM_FIN_WAIT1,
                                                         STREAM_FIN_WAIT2, STREAM_CLOSING,     STREAM_CLOSE_WAIT,
                                                         STREAM_LAST_ACK};
#define STATES (sizeof(connected_states) / sizeof(connected_states[0]))

static void test_reset_in_every_state(void **state)
{
	for (size_t i = 0; i < STATES; i++) {
		struct usock__stream *s = in_state(*state, connected_states[i]);

		fake_error(&s->tcp, -ETIMEDOUT);
		assert_int_equal(polled(s), IN | OUT | RDHUP | HUP | ERR);
		assert_int_equal(take_error(s), -ETIMEDOUT);
		assert_int_equal(s->inet.bind_port, 0);
		fake_close(&s->inet.sock);
	}
}

static void test_close_in_every_state(void **state)
{
	static const struct {
		int closes, aborts;
	} plain[STATES] = {{1, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 0}};

	for (int way = 0; way < 3; way++) {
		for (size_t i = 0; i < STATES; i++) {
			struct usock__stream *s = in_state(*state, connected_states[i]);
			struct fake_pcb *pcb = fake_pcb(s);

			if (way == 1) /* SO_LINGER with no time */
				s->inet.sock.options.linger = (struct linger){1, 0};
			if (way == 2) /* data unread */
				fake_input(s, "x");
			fake_close(&s->inet.sock);
			assert_int_equal(pcb->closes, way == 0 ? plain[i].closes : 0);
			assert_int_equal(pcb->aborts, way == 0 ? 0 : 1);
			fake.pcbs = 0;
		}
	}
}

static void test_disconnect_in_every_state(void **state)
{
	for (size_t i = 0; i < STATES; i++) {
		struct usock__stream *s = in_state(*state, connected_states[i]);
		struct fake_pcb *pcb = fake_pcb(s);
		bool quiet = connected_states[i] == STREAM_CLOSING || connected_states[i] == STREAM_LAST_ACK;

		assert_int_equal(disconnect(s), 0);
		assert_int_equal(take_error(s), quiet ? 0 : -ECONNRESET);
		assert_int_equal(pcb->aborts, !quiet && connected_states[i] != STREAM_SYN_SENT);
		assert_int_equal(pcb->aborts + pcb->closes, 1);
		assert_int_equal(polled(s), OUT | HUP);
		assert_int_equal(do_connect(s, "10.0.0.2", 80), -EINPROGRESS);
		fake_close(&s->inet.sock);
	}
}

static void test_error_while_sending(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);

	fake.error_in_write = -ECONNRESET;
	assert_int_equal(send_text(s, "abc", 0), -ECONNRESET);
	assert_int_equal(send_text(s, "abc", 0), -EPIPE);
}

/* ---------------------------------------------------------------------------------------------------------- lingering
 */

static int lingers; /* rounds of waiting */

static int linger_finishes(struct usock *sock)
{
	assert_int_equal(usock__stream_of(sock)->state, STREAM_FIN_WAIT1);
	if (++lingers == 3)
		usock_tcp_finished(&usock__stream_of(sock)->tcp);
	return 0;
}

static int linger_reset(struct usock *sock)
{
	lingers++;
	fake_error(&usock__stream_of(sock)->tcp, -ECONNRESET);
	return 0;
}

static void test_linger(void **state)
{
	int (*const ways[])(struct usock * sock) = {linger_finishes, linger_reset, NULL};

	for (size_t i = 0; i < 3; i++) {
		struct usock__stream *s = fake_connected(*state, AF_INET);
		struct fake_pcb *pcb = fake_pcb(s);
		int64_t begin = fake.now;

		lingers = 0;
		fake.wait = ways[i];
		s->inet.sock.options.linger = (struct linger){1, 5};
		fake_close(&s->inet.sock);
		assert_int_equal(lingers, i == 0 ? 3 : i == 1 ? 1 : 0);
		assert_int_equal(pcb->shutdowns, 1);
		/* With nobody to end it: till the time is over, and the engine goes on alone. */
		assert_int_equal(fake.now - begin, i == 2 ? INT64_C(5000000000) : 0);
		assert_int_equal(pcb->closes, i == 1 ? 0 : 1);
	}
	fake.wait = NULL;
}

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

/* -------------------------------------------------------------------------------------------------------- listeners */

static void test_listen(void **state)
{
	struct usock__stream *s = fake_listener(*state, AF_INET, 80, 1), *child;
	struct usock_tcp *first, *second;
	char byte;

	assert_int_equal(polled(s), 0);
	assert_int_equal(do_send(s, "x", 1, 0), -EPIPE);
	assert_int_equal(do_recv(s, &byte, 1, 0), -ENOTCONN);
	assert_int_equal(do_connect(s, "10.0.0.2", 80), -EISCONN);
	assert_int_equal(do_ioctl(s, SIOCINQ), -EINVAL);
	assert_null(try_accept(s));
	assert_true(usock_tcp_may_accept(usock__stream_listener_tcp(s), 1));
	assert_false(usock_tcp_may_accept(usock__stream_listener_tcp(s), 2));
	first = fake_arrives(s, 1001);
	assert_non_null(first);
	assert_int_equal(fake_told(s), IN);
	assert_int_equal(polled(s), IN);
	second = fake_arrives(s, 1002);
	assert_non_null(second);
	/* One more than the backlog waits, a third does not. */
	assert_false(usock_tcp_may_accept(usock__stream_listener_tcp(s), 0));
	assert_null(fake_arrives(s, 1003));
	assert_int_equal(do_listen(s, 2), 0);
	assert_true(usock_tcp_may_accept(usock__stream_listener_tcp(s), 0));
	/* What comes before accept is there after it; a reset, too. */
	fake_error(second, -ECONNRESET);
	child = accepted(s);
	assert_ptr_equal(&child->tcp, first);
	assert_int_equal(polled(child), OUT);
	assert_int_equal(child->inet.remote.port, 1001);
	assert_int_equal(do_connect(child, "10.0.0.2", 80), -EISCONN);
	child = accepted(s);
	assert_int_equal(polled(child), IN | OUT | RDHUP | HUP | ERR);
	assert_int_equal(do_recv(child, &byte, 1, 0), -ECONNRESET);
	assert_int_equal(polled(s), 0);
	assert_null(try_accept(child));
}

static void test_backlog(void **state)
{
	struct usock__stream *s = fake_listener(*state, AF_INET, 80, 0);

	assert_int_equal(s->backlog, 0);
	assert_int_equal(do_listen(s, -1), 0);
	assert_int_equal(s->backlog, 4096);
	assert_int_equal(do_listen(s, 100000), 0);
	assert_int_equal(s->backlog, 4096);
	assert_int_equal(fake.pcbs, 1);
}

static void test_putback(void **state)
{
	struct usock__stream *s = fake_listener(*state, AF_INET, 80, 4);
	struct usock_tcp *first = fake_arrives(s, 1001), *second = fake_arrives(s, 1002), *third;
	struct usock *made;

	assert_int_equal(s->inet.sock.kind->accept(&s->inet.sock, &made), 0);
	usock__stream_putback(&s->inet.sock, made);
	assert_int_equal(polled(s), IN);
	assert_ptr_equal(&accepted(s)->tcp, first);
	assert_ptr_equal(&accepted(s)->tcp, second);
	third = fake_arrives(s, 1003);
	assert_int_equal(s->inet.sock.kind->accept(&s->inet.sock, &made), 0);
	usock__stream_putback(&s->inet.sock, made);
	assert_ptr_equal(fake_arrives(s, 1004) != NULL ? third : NULL, &accepted(s)->tcp);
	(void)accepted(s);
	assert_null(try_accept(s));
}

static void test_listener_ends(void **state)
{
	for (int way = 0; way < 3; way++) {
		struct usock__stream *s = fake_listener(*state, AF_INET, 80, 4);
		struct fake_pcb *listener = fake_pcb(s), *pcb;
		struct usock_tcp *tcp = fake_arrives(s, 1001);
		struct usock *made;

		pcb = tcp->pcb;
		if (way == 0) {
			fake_close(&s->inet.sock);
		} else if (way == 1) {
			assert_int_equal(do_shutdown(s, SHUT_WR), 0); /* nothing happens */
			assert_int_equal(polled(s), IN);
			assert_int_equal(do_shutdown(s, SHUT_RD), 0);
		} else {
			assert_int_equal(disconnect(s), 0);
		}
		assert_int_equal(listener->closes, 1);
		assert_int_equal(pcb->aborts, 1);
		if (way == 0)
			continue;
		assert_int_equal(polled(s), OUT | HUP);
		assert_int_equal(s->inet.sock.kind->accept(&s->inet.sock, &made), -EINVAL);
		assert_int_equal(do_listen(s, 1), 0);
		assert_int_equal(s->inet.local.port, 80);
		fake_close(&s->inet.sock);
	}
}

static void test_listen_fails(void **state)
{
	struct usock__stream *s = fake_socket(*state, AF_INET);

	fake.listen_result = -ENOBUFS;
	assert_int_equal(do_listen(s, 1), -ENOBUFS);
	assert_int_equal(s->inet.bind_port, 0);
	assert_int_equal(polled(s), OUT | HUP);
	fake.listen_result = 0;
	fake.malloc_fails = 1;
	assert_int_equal(do_listen(s, 1), -ENOMEM);
	fake.malloc_fails = 0;
	assert_int_equal(do_listen(s, 1), 0);
	assert_int_not_equal(s->inet.local.port, 0);
	fake.malloc_fails = 1;
	assert_null(fake_arrives(s, 1001));
	fake.malloc_fails = 0;
	assert_non_null(fake_arrives(s, 1001));
}

static void test_inherit(void **state)
{
	struct usock__stream *s = fake_socket(*state, AF_INET6), *child;
	int ttl = 9;

	s->inet.sock.options.keepalive = true;
	s->inet.sock.options.rcvbuf = 40000;
	assert_int_equal(s->inet.sock.kind->option_changed(&s->inet.sock, SO_RCVBUF), 0);
	assert_int_equal(do_setsockopt(s, TCP_NODELAY, 1), 0);
	assert_int_equal(do_setsockopt(s, TCP_KEEPIDLE, 77), 0);
	assert_int_equal(do_setsockopt(s, TCP_DEFER_ACCEPT, 0), 0);
	assert_int_equal(s->inet.sock.kind->setsockopt(&s->inet.sock, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)), 0);
	assert_int_equal(do_listen(s, 1), 0);
	assert_int_equal(fake_pcb(s)->option[USOCK_TCP_KEEPALIVE], 1);
	assert_non_null(fake_arrives(s, 1001));
	child = accepted(s);
	assert_true(child->inet.sock.options.keepalive);
	assert_int_equal(child->inet.sock.options.rcvbuf, 40000);
	assert_int_equal(do_getsockopt(child, TCP_NODELAY), 1);
	assert_int_equal(do_getsockopt(child, TCP_KEEPIDLE), 77);
	/* For the engine to read. */
	assert_int_equal(child->tcp.option[USOCK_TCP_NODELAY], 1);
	assert_int_equal(child->tcp.option[USOCK_TCP_KEEPIDLE], 77);
	assert_int_equal(child->tcp.option[USOCK_TCP_KEEPALIVE], 1);
	assert_int_equal(child->tcp.option[USOCK_TCP_RCVBUF], 20000);
	assert_int_equal(child->inet.ip.ttl, 9);
	assert_int_equal(child->inet.sock.error, 0);
	assert_int_equal(child->state, STREAM_ESTABLISHED);
}

static void test_defer_accept(void **state)
{
	struct usock__stream *s = fake_listener(*state, AF_INET, 80, 4), *child;
	struct usock_tcp *tcp[3];

	assert_int_equal(do_setsockopt(s, TCP_DEFER_ACCEPT, 5), 0);
	assert_int_equal(do_getsockopt(s, TCP_DEFER_ACCEPT), 7);
	for (int i = 0; i < 3; i++)
		tcp[i] = fake_arrives(s, 1001 + (unsigned int)i);
	assert_int_equal(polled(s), 0);
	/* Gone before it said a word: never seen. */
	fake_error(tcp[1], -ECONNRESET);
	usock_tcp_fin(tcp[2]);
	assert_int_equal(polled(s), IN);
	child = accepted(s);
	assert_ptr_equal(&child->tcp, tcp[2]);
	assert_null(try_accept(s));
	/* When the time is up it is there without. */
	fake_timers(*state, INT64_C(6999999999));
	assert_null(try_accept(s));
	fake_timers(*state, 1);
	child = accepted(s);
	assert_ptr_equal(&child->tcp, tcp[0]);
	/* One whose first bytes could not be kept has never been there, too. */
	tcp[1] = fake_arrives(s, 1008);
	assert_non_null(tcp[1]);
	fake.malloc_fails = 1;
	fake_input(usock__stream_of((struct usock *)((char *)tcp[1] - offsetof(struct usock__stream, tcp))), "lost");
	fake.malloc_fails = 0;
	assert_int_equal(s->deferred_len, 1);
	fake_timers(*state, 0);
	assert_int_equal(s->deferred_len, 0);
	assert_null(try_accept(s));
	/* Those that wait are reset with the listener. */
	tcp[0] = fake_arrives(s, 1009);
	assert_non_null(tcp[0]);
	fake_close(&s->inet.sock);
}

static void test_reuseport_group(void **state)
{
	struct usock__stream *s[3];
	struct usock_tcp *engine_end;
	unsigned int got[3] = {0};

	for (int i = 0; i < 3; i++) {
		s[i] = fake_socket(*state, AF_INET);
		s[i]->inet.sock.options.reuseport = true;
		assert_int_equal(do_bind(s[i], "0.0.0.0", 80), 0);
		assert_int_equal(do_listen(s[i], 9), 0);
	}
	engine_end = usock__stream_listener_tcp(s[0]);
	assert_int_equal(fake.pcbs, 1); /* one listener for all */
	assert_ptr_equal(usock__stream_listener_tcp(s[2]), engine_end);
	for (unsigned int port = 1; port <= 30; port++)
		assert_non_null(fake_arrives(s[1], port));
	assert_false(usock_tcp_may_accept(engine_end, 0));
	for (int i = 0; i < 3; i++) {
		struct usock__stream *child;

		while ((child = try_accept(s[i])) != NULL) {
			got[i]++;
			fake_close(&child->inet.sock);
		}
		assert_int_equal(got[i], 10);
	}
	fake.pcbs = 1;
	for (unsigned int port = 1; port <= 9; port++)
		assert_non_null(fake_arrives(s[1], port));
	/* Each has got some of nine, or the hash is none. */
	assert_true(s[0]->queue_len < 9 && s[1]->queue_len < 9 && s[2]->queue_len < 9);
	/* The listener lives as long as one of them. */
	fake_close(&s[0]->inet.sock);
	assert_int_equal(fake.pcb[0].closes, 0);
	fake_close(&s[2]->inet.sock);
	assert_int_equal(fake.pcb[0].closes, 0);
	assert_ptr_equal(usock__stream_listener_tcp(s[1]), engine_end);
	fake_close(&s[1]->inet.sock);
	assert_int_equal(fake.pcb[0].closes, 1);
}

/* ---------------------------------------------------------------------------------------------------------- options */

static void test_options(void **state)
{
	static const struct {
		int name, usual, good, read, bad;
	} table[] = {
	        {TCP_NODELAY, 0, 7, 1, INT32_MIN},
	        {TCP_CORK, 0, 7, 1, INT32_MIN},
	        {TCP_MAXSEG, 536, 88, 88, 87},
	        {TCP_MAXSEG, 536, 32767, 32767, 32768},
	        {TCP_KEEPIDLE, 7200, 32767, 32767, 32768},
	        {TCP_KEEPIDLE, 7200, 1, 1, 0},
	        {TCP_KEEPINTVL, 75, 32767, 32767, 32768},
	        {TCP_KEEPCNT, 9, 127, 127, 128},
	        {TCP_SYNCNT, 6, 127, 127, 128},
	        {TCP_SYNCNT, 6, 1, 1, 0},
	        {TCP_USER_TIMEOUT, 0, 1234, 1234, -1},
	        {TCP_LINGER2, 60, 7, 7, INT32_MIN},
	        {TCP_LINGER2, 60, 121, 120, INT32_MIN},
	        {TCP_LINGER2, 60, -5, -1, INT32_MIN},
	        {TCP_LINGER2, 60, 0, 60, INT32_MIN},
	        {TCP_DEFER_ACCEPT, 0, 1, 1, INT32_MIN},
	        {TCP_DEFER_ACCEPT, 0, 2, 3, INT32_MIN},
	        {TCP_DEFER_ACCEPT, 0, 8, 15, INT32_MIN},
	        {TCP_DEFER_ACCEPT, 0, 60, 63, INT32_MIN},
	        {TCP_DEFER_ACCEPT, 0, 1000, 1087, INT32_MIN},
	        {TCP_DEFER_ACCEPT, 0, 100000, 29887, INT32_MIN},
	        {TCP_WINDOW_CLAMP, 0, 5000, 5000, INT32_MIN},
	        {TCP_WINDOW_CLAMP, 0, 1, 1152, INT32_MIN},
	        {TCP_QUICKACK, 1, 0, 0, INT32_MIN},
	        {TCP_NOTSENT_LOWAT, 0, 4096, 4096, INT32_MIN},
	        {TCP_INQ, 0, 1, 1, 2},
	        {TCP_THIN_LINEAR_TIMEOUTS, 0, 1, 1, 2},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct usock__stream *s = fake_socket(*state, AF_INET);

		assert_int_equal(do_getsockopt(s, table[i].name), table[i].usual);
		assert_int_equal(do_setsockopt(s, table[i].name, table[i].good), 0);
		assert_int_equal(do_getsockopt(s, table[i].name), table[i].read);
		if (table[i].bad != INT32_MIN) {
			assert_int_equal(do_setsockopt(s, table[i].name, table[i].bad), -EINVAL);
			assert_int_equal(do_getsockopt(s, table[i].name), table[i].read);
		}
		fake_close(&s->inet.sock);
	}
}

static void test_option_forms(void **state)
{
	struct usock__stream *s = fake_socket(*state, AF_INET), *six = fake_socket(*state, AF_INET6);
	unsigned char value[16] = {1};
	char name[16];
	socklen_t len;

	assert_int_equal(s->inet.sock.kind->setsockopt(&s->inet.sock, IPPROTO_TCP, TCP_NODELAY, value, 3), -EINVAL);
	assert_int_equal(do_setsockopt(s, 9999, 1), -ENOPROTOOPT);
	assert_int_equal(do_setsockopt(s, TCP_FASTOPEN, 1), -ENOPROTOOPT);
	assert_int_equal(s->inet.sock.kind->setsockopt(&s->inet.sock, 9999, 1, value, 4), -ENOPROTOOPT);
	len = 4;
	assert_int_equal(s->inet.sock.kind->getsockopt(&s->inet.sock, 9999, 1, value, &len), -EOPNOTSUPP);
	assert_int_equal(six->inet.sock.kind->getsockopt(&six->inet.sock, 9999, 1, value, &len), -ENOPROTOOPT);
	assert_int_equal(do_setsockopt(s, TCP_NODELAY, 1), 0);
	memset(value, 9, sizeof(value));
	len = 1;
	assert_int_equal(s->inet.sock.kind->getsockopt(&s->inet.sock, IPPROTO_TCP, TCP_NODELAY, value, &len), 0);
	assert_int_equal(len, 1);
	assert_true(value[0] == 1 && value[1] == 9);
	len = sizeof(name);
	assert_int_equal(s->inet.sock.kind->getsockopt(&s->inet.sock, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
	assert_string_equal(name, "reno");
	assert_int_equal(s->inet.sock.kind->setsockopt(&s->inet.sock, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
	assert_int_equal(s->inet.sock.kind->setsockopt(&s->inet.sock, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5),
	                 -ENOENT);
	assert_int_equal(s->inet.sock.kind->setsockopt(&s->inet.sock, IPPROTO_TCP, TCP_CONGESTION, "", 0), -EINVAL);
}

static void test_options_of_engine(void **state)
{
	struct usock__stream *s = fake_connected(*state, AF_INET);
	struct fake_pcb *pcb = fake_pcb(s);
	struct tcp_info info;
	socklen_t len = sizeof(info);

	assert_int_equal(do_setsockopt(s, TCP_KEEPIDLE, 5), 0);
	assert_int_equal(pcb->option[USOCK_TCP_KEEPIDLE], 5);
	/* What it cannot do is taken back. */
	fake.option_result[USOCK_TCP_USER_TIMEOUT] = -ENOPROTOOPT;
	assert_int_equal(do_setsockopt(s, TCP_USER_TIMEOUT, 5), -ENOPROTOOPT);
	assert_int_equal(do_getsockopt(s, TCP_USER_TIMEOUT), 0);
	fake.option_result[USOCK_TCP_KEEPALIVE] = -ENOPROTOOPT;
	s->inet.sock.options.keepalive = true;
	assert_int_equal(s->inet.sock.kind->option_changed(&s->inet.sock, SO_KEEPALIVE), -ENOPROTOOPT);
	s->inet.sock.options.keepalive = false;
	assert_int_equal(s->inet.sock.kind->option_changed(&s->inet.sock, SO_KEEPALIVE), 0);
	assert_int_equal(do_getsockopt(s, TCP_MAXSEG), 1448);
	assert_int_equal(s->inet.sock.kind->getsockopt(&s->inet.sock, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	assert_int_equal(info.tcpi_state, STREAM_ESTABLISHED);
	assert_int_equal(info.tcpi_snd_mss, 1448);
	assert_int_equal(do_setsockopt(s, TCP_WINDOW_CLAMP, 0), -EINVAL);
	assert_int_equal(do_setsockopt(s, TCP_WINDOW_CLAMP, 5000), 0);
	assert_int_equal(pcb->option[USOCK_TCP_RCVBUF], 5000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(fresh),
	        TEST(connect),
	        TEST(connect_refused),
	        TEST(connect_fails_at_once),
	        TEST(connect_addresses),
	        TEST(shutdown_while_connecting),
	        TEST(disconnect),
	        TEST(close_first),
	        TEST(close_second),
	        TEST(close_both),
	        TEST(shutdown_read),
	        TEST(fin_without_memory),
	        TEST(reset),
	        TEST(reset_after_fin),
	        TEST(reset_in_every_state),
	        TEST(close_in_every_state),
	        TEST(disconnect_in_every_state),
	        TEST(error_while_sending),
	        TEST(linger),
	        TEST(partial_writes),
	        TEST(sndbuf),
	        TEST(write_errors),
	        TEST(cork),
	        TEST(notsent_lowat),
	        TEST(urgent_send),
	        TEST(receive),
	        TEST(waitall),
	        TEST(rcvlowat),
	        TEST(peek_off),
	        TEST(many_chunks),
	        TEST(urgent_receive),
	        TEST(urgent_twice),
	        TEST(urgent_inline),
	        TEST(control),
	        TEST(input_without_memory),
	        TEST(listen),
	        TEST(backlog),
	        TEST(putback),
	        TEST(listener_ends),
	        TEST(listen_fails),
	        TEST(inherit),
	        TEST(defer_accept),
	        TEST(reuseport_group),
	        TEST(options),
	        TEST(option_forms),
	        TEST(options_of_engine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
