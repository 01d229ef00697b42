/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_usock_stream.c - TCP sockets on an engine that does what the test says: states and what poll shows in them,
 * resets at any moment, queues of listeners, options, want of memory. The bytes are in test_usock_stream_data.c.
 */
#include "usock_stream_calls.h"

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
