/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* blocking.c - calls that wait: what wakes them, signals, timeouts, close and shutdown under them. signal(7), socket(7)
 */
#include "conf.h"

#include <signal.h>
#include <stdlib.h>

CASE(blocking, recv, INET, "recv waits for data, for the end of file, for a reset")
{
	struct linger linger = {1, 0};
	struct pair p = tcp_pair(c), q = tcp_pair(c);
	char text[8];
	struct call call = {.run = call_recv, .fd = p.b, .buf = text, .len = sizeof(text)};

	call_start(&call);
	call_blocked(&call);
	send_text(p.a, "abc");
	CHECK_CALL(&call, 3, 0);
	call_start(&call);
	call_blocked(&call);
	CHECK_OK(ioth_shutdown(p.a, SHUT_WR));
	CHECK_CALL(&call, 0, 0);
	call.fd = q.b;
	call_start(&call);
	call_blocked(&call);
	CHECK_OK(ioth_setsockopt(q.a, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	drop(c, q.a);
	CHECK_CALL(&call, -1, ECONNRESET);
}

CASE(blocking, recv_datagram, INET, "recv waits for a datagram")
{
	struct pair p = udp_pair(c);
	char text[8];
	struct call call = {.run = call_recv, .fd = p.b, .buf = text, .len = sizeof(text)};

	call_start(&call);
	call_blocked(&call);
	send_text(p.a, "abc");
	CHECK_CALL(&call, 3, 0);
}

CASE(blocking, accept, INET, "accept waits for a connection")
{
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int client = sock(c, c->a, SOCK_STREAM);
	struct call call = {.run = call_accept, .fd = server};

	call_start(&call);
	call_blocked(&call);
	CHECK_OK(ioth_connect(client, &addr.sa, addr.len));
	call_end(&call);
	CHECK_ADDR(peername(keep(c, (int)call.result)), sockname(client));
}

CASE(blocking, send, INET, "send waits for room and sends all")
{
	struct pair p = tcp_pair(c);
	size_t size = 16 << 20;
	struct call call = {.run = call_send, .fd = p.a, .buf = calloc(1, size), .len = size};

	CHECK(call.buf != NULL);
	call_start(&call);
	call_blocked(&call);
	drain(p.b, size);
	CHECK_CALL(&call, (long)size, 0);
	free(call.buf);
}

CASE(blocking, send_reset, INET,
     "a send that waits ends with what it has sent when the connection is reset, then ECONNRESET")
{
	struct pair p = tcp_pair(c);
	size_t size = 32 << 20;
	struct call call = {.run = call_send, .fd = p.a, .buf = calloc(1, size), .len = size, .flags = MSG_NOSIGNAL};

	CHECK(call.buf != NULL);
	call_start(&call);
	call_blocked(&call);
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	drop(c, p.b); /* with data unread: a reset */
	call_end(&call);
	CHECK(call.result > 0 && (size_t)call.result < size);
	CHECK_ERR(ioth_send(p.a, "x", 1, MSG_NOSIGNAL), ECONNRESET);
	free(call.buf);
}

CASE(blocking, connect, INET, "connect waits for an answer, and shutdown ends the waiting")
{
	int fd = sock(c, c->a, SOCK_STREAM);
	struct call call = {.run = call_connect, .fd = fd, .addr = addr_silent(c, 9)};

	call_start(&call);
	call_blocked(&call);
	CHECK_OK(ioth_shutdown(fd, SHUT_RDWR));
	call_end(&call);
	CHECK_INT(call.result, -1);
	CHECK(call.error == ECONNABORTED || call.error == ECONNRESET);
}

CASE(blocking, shutdown_reader, INET, "shutdown wakes a reader of the same socket with end of file")
{
	const int how[] = {SHUT_RD, SHUT_RDWR};

	for (int i = 0; i < 2; i++) {
		struct pair p = tcp_pair(c), q = udp_pair(c);
		char byte;
		struct call stream = {.run = call_recv, .fd = p.b, .buf = &byte, .len = 1};
		struct call datagram = {.run = call_recv, .fd = q.b, .buf = &byte, .len = 1};

		call_start(&stream);
		call_start(&datagram);
		call_blocked(&stream);
		call_blocked(&datagram);
		CHECK_OK(ioth_shutdown(p.b, how[i]));
		CHECK_OK(ioth_shutdown(q.b, how[i]));
		CHECK_CALL(&stream, 0, 0);
		CHECK_CALL(&datagram, 0, 0);
	}
}

CASE(blocking, shutdown_acceptor, INET, "shutdown wakes a thread in accept with EINVAL")
{
	int server = listener(c, c->b, NULL);
	struct call call = {.run = call_accept, .fd = server};

	call_start(&call);
	call_blocked(&call);
	CHECK_OK(ioth_shutdown(server, SHUT_RD));
	CHECK_CALL(&call, -1, EINVAL);
}

CASE(blocking, shutdown_writer, INET, "shutdown wakes a writer: what was sent is counted, the next send is EPIPE")
{
	struct pair p = tcp_pair(c);
	size_t size = 32 << 20;
	struct call call = {.run = call_send, .fd = p.a, .buf = calloc(1, size), .len = size, .flags = MSG_NOSIGNAL};

	CHECK(call.buf != NULL);
	call_start(&call);
	call_blocked(&call);
	CHECK_OK(ioth_shutdown(p.a, SHUT_WR));
	call_end(&call);
	CHECK(call.result > 0 && (size_t)call.result < size);
	CHECK_ERR(ioth_send(p.a, "x", 1, MSG_NOSIGNAL), EPIPE);
	free(call.buf);
}

CASE(blocking, close_reader, INET,
     "close under a reader does not wake it; it still reads what comes, and then the socket is gone")
{
	struct pair p = tcp_pair(c);
	char text[8];
	struct call call = {.run = call_recv, .fd = p.b, .buf = text, .len = sizeof(text)};

	call_start(&call);
	call_blocked(&call);
	drop(c, p.b);
	CHECK_ERR(ioth_recv(p.b, text, 1, MSG_DONTWAIT), EBADF);
	CHECK_POLL_NOW(p.a, POLLOUT);
	send_text(p.a, "abc");
	CHECK_CALL(&call, 3, 0);
	CHECK_MEM(text, "abc", 3);
	CHECK_POLL(p.a, POLLIN | POLLOUT | POLLRDHUP);
}

CASE(blocking, close_acceptor, INET,
     "close under accept: the connection that comes is still accepted, then nobody listens")
{
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int client = sock(c, c->a, SOCK_STREAM), late = sock(c, c->a, SOCK_STREAM);
	struct call call = {.run = call_accept, .fd = server};

	call_start(&call);
	call_blocked(&call);
	drop(c, server);
	CHECK_OK(ioth_connect(client, &addr.sa, addr.len));
	call_end(&call);
	keep(c, (int)call.result);
	CHECK_ERR(ioth_connect(late, &addr.sa, addr.len), ECONNREFUSED);
}

CASE(blocking, close_and_reuse, INET, "a descriptor number given out anew under a reader belongs to the new socket")
{
	struct pair p = udp_pair(c);
	struct addr old = sockname(p.b), fresh;
	char text[8], byte;
	struct call call = {.run = call_recv, .fd = p.b, .buf = text, .len = sizeof(text)};
	int fd;

	call_start(&call);
	call_blocked(&call);
	drop(c, p.b);
	fd = bound(c, c->b, SOCK_DGRAM, &fresh);
	CHECK_INT(fd, p.b);
	CHECK_LEN(ioth_sendto(p.a, "new", 3, 0, &fresh.sa, fresh.len), 3);
	recv_text(fd, "new");
	CHECK_LEN(ioth_sendto(p.a, "old", 3, 0, &old.sa, old.len), 3);
	CHECK_CALL(&call, 3, 0);
	CHECK_MEM(text, "old", 3);
	CHECK_ERR(ioth_recv(fd, &byte, 1, MSG_DONTWAIT), EAGAIN);
}

CASE(blocking, two_readers, INET, "two threads read one socket: each datagram wakes one of them")
{
	struct pair p = udp_pair(c);
	char text[2][8];
	struct call call[2];

	for (int i = 0; i < 2; i++) {
		call[i] = (struct call){.run = call_recv, .fd = p.b, .buf = text[i], .len = 8};
		call_start(&call[i]);
		call_blocked(&call[i]);
	}
	send_text(p.a, "one");
	send_text(p.a, "two");
	CHECK_CALL(&call[0], 3, 0);
	CHECK_CALL(&call[1], 3, 0);
	CHECK(memcmp(text[0], text[1], 3) != 0);
}

CASE(blocking, duplex, INET, "one thread reads and another writes the same socket at the same time")
{
	struct pair p = tcp_pair(c);
	size_t size = 4 << 20;
	char byte = 0;
	struct call reader = {.run = call_recv, .fd = p.a, .buf = &byte, .len = 1};
	struct call writer = {.run = call_send, .fd = p.a, .buf = calloc(1, size), .len = size};

	call_start(&reader);
	call_blocked(&reader);
	call_start(&writer);
	drain(p.b, size);
	CHECK_CALL(&writer, (long)size, 0);
	send_text(p.b, "x");
	CHECK_CALL(&reader, 1, 0);
	CHECK_INT(byte, 'x');
	free(writer.buf);
}

/* -------------------------------------------------------------------------------------------------- timeouts */

CASE(blocking, recv_timeout, INET, "SO_RCVTIMEO ends recv and accept with EAGAIN; what comes in time is received")
{
	struct pair p = tcp_pair(c), q = udp_pair(c);
	int server = listener(c, c->a, NULL);
	char byte;

	timeout(p.a, SO_RCVTIMEO, 30);
	timeout(q.a, SO_RCVTIMEO, 30);
	timeout(server, SO_RCVTIMEO, 30);
	CHECK_ERR(ioth_recv(p.a, &byte, 1, 0), EAGAIN);
	CHECK_ERR(ioth_recv(q.a, &byte, 1, 0), EAGAIN);
	CHECK_ERR(ioth_accept(server, NULL, NULL), EAGAIN);
	timeout(p.a, SO_RCVTIMEO, WAIT_MS);
	send_text(p.b, "x");
	CHECK_LEN(ioth_recv(p.a, &byte, 1, 0), 1);
}

CASE(blocking, send_timeout, INET, "SO_SNDTIMEO ends send with EAGAIN, or with what was sent before")
{
	struct pair p = tcp_pair(c);
	size_t size = 32 << 20;
	char *text = calloc(1, size);
	ssize_t n;

	CHECK(text != NULL);
	timeout(p.a, SO_SNDTIMEO, 60);
	n = CHECK_GE0(ioth_send(p.a, text, size, 0));
	CHECK(n > 0 && (size_t)n < size);
	/* The last acknowledgements may still make a little room. */
	while ((n = ioth_send(p.a, text, size, 0)) > 0)
		;
	CHECK_INT(errno, EAGAIN);
	free(text);
}

CASE(blocking, waitall_timeout, INET, "MSG_WAITALL gives what has come when the time is over")
{
	struct pair p = tcp_pair(c);
	char text[8];

	timeout(p.b, SO_RCVTIMEO, 50);
	send_text(p.a, "abc");
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), MSG_WAITALL), 3);
	CHECK_ERR(ioth_recv(p.b, text, sizeof(text), MSG_WAITALL), EAGAIN);
}

/* --------------------------------------------------------------------------------------------------- signals */

static _Atomic int signals; /* lock-free, so fit for a handler, and for other threads to read */

static void on_signal(int signal)
{
	(void)signal;
	signals++;
}

/** handle_usr1 - handle SIGUSR1 with or without SA_RESTART */
static void handle_usr1(int flags)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};

	signals = 0;
	sigaction(SIGUSR1, &action, NULL);
}

/** interrupt - send SIGUSR1 to a thread that is blocked in a call, and wait till the handler has run */
static void interrupt(struct call *call)
{
	long deadline = wait_now_ms() + WAIT_MS;
	int before = signals;

	call_blocked(call);
	CHECK_INT(pthread_kill(call->thread, SIGUSR1), 0);
	while (signals == before && wait_again(deadline))
		;
	CHECK_INT(signals, before + 1);
}

CASE(signal, interrupts, INET, "without SA_RESTART a signal ends recv, accept and connect with EINTR")
{
	struct pair p = tcp_pair(c), q = udp_pair(c);
	int server = listener(c, c->a, NULL);
	int client = sock(c, c->a, SOCK_STREAM);
	char byte;
	struct call call[] = {
	        {.run = call_recv, .fd = p.a, .buf = &byte, .len = 1},
	        {.run = call_recv, .fd = q.a, .buf = &byte, .len = 1},
	        {.run = call_accept, .fd = server},
	        {.run = call_connect, .fd = client, .addr = addr_silent(c, 9)},
	};

	handle_usr1(0);
	for (size_t i = 0; i < sizeof(call) / sizeof(call[0]); i++) {
		call_start(&call[i]);
		interrupt(&call[i]);
		CHECK_CALL(&call[i], -1, EINTR);
	}
	/* The attempt of the interrupted connect goes on. */
	CHECK_POLL_NOW(client, 0);
	nonblock(client);
	CHECK_ERR(ioth_connect(client, &call[3].addr.sa, call[3].addr.len), EALREADY);
}

/** struct flood - datagrams without end, so that whoever waits on the other stack has something to do all the time */
struct flood {
	struct call call;
	_Atomic bool enough;
	_Atomic int sent;
};

static long flood(struct call *call)
{
	struct flood *f = call->arg;

	while (!f->enough) {
		ioth_send(call->fd, "flood", 5, MSG_DONTWAIT);
		f->sent++;
	}
	return 0;
}

CASE(signal, interrupts_busy, INET, "a signal ends a call that waits while its stack has other things to do")
{
	struct pair q = udp_pair(c);
	struct call call = {.run = call_accept, .fd = listener(c, c->a, NULL)};
	struct flood f = {.call = {.run = flood, .fd = q.b, .arg = &f}};

	if (SANITIZER == SANITIZER_THREAD)
		SKIP("ThreadSanitizer runs a handler when the call returns, or before it sleeps");
	handle_usr1(0);
	for (int round = 0; round < 30; round++) {
		long deadline = wait_now_ms() + WAIT_MS;

		call_start(&call);
		call_blocked(&call);
		f.sent = 0;
		f.enough = false;
		call_start(&f.call);
		while (f.sent < 50 && wait_again(deadline))
			;
		CHECK_INT(pthread_kill(call.thread, SIGUSR1), 0);
		CHECK_CALL(&call, -1, EINTR);
		f.enough = true;
		CHECK_CALL(&f.call, 0, 0);
	}
}

CASE(signal, restarts, INET, "with SA_RESTART recv and accept go on waiting")
{
	struct addr addr;
	struct pair p = tcp_pair(c);
	int server = listener(c, c->b, &addr);
	int client = sock(c, c->a, SOCK_STREAM);
	char byte;
	struct call recv = {.run = call_recv, .fd = p.b, .buf = &byte, .len = 1};
	struct call accept = {.run = call_accept, .fd = server};

	if (SANITIZER == SANITIZER_THREAD)
		SKIP("ThreadSanitizer runs a handler when the call returns, and a restarted one does not");
	handle_usr1(SA_RESTART);
	call_start(&recv);
	interrupt(&recv);
	call_blocked(&recv);
	send_text(p.a, "x");
	CHECK_CALL(&recv, 1, 0);
	call_start(&accept);
	interrupt(&accept);
	call_blocked(&accept);
	CHECK_OK(ioth_connect(client, &addr.sa, addr.len));
	call_end(&accept);
	keep(c, (int)accept.result);
}

CASE(signal, timeout_interrupts, INET, "a call with SO_RCVTIMEO is EINTR even with SA_RESTART")
{
	struct pair p = tcp_pair(c);
	char byte;
	struct call call = {.run = call_recv, .fd = p.a, .buf = &byte, .len = 1};

	handle_usr1(SA_RESTART);
	timeout(p.a, SO_RCVTIMEO, WAIT_MS);
	call_start(&call);
	interrupt(&call);
	CHECK_CALL(&call, -1, EINTR);
}

CASE(signal, partial, INET, "a send that a signal interrupts returns what it has sent")
{
	struct pair p = tcp_pair(c);
	size_t size = 32 << 20;
	struct call call = {.run = call_send, .fd = p.a, .buf = calloc(1, size), .len = size};

	CHECK(call.buf != NULL);
	handle_usr1(0);
	call_start(&call);
	interrupt(&call);
	call_end(&call);
	CHECK(call.result > 0 && (size_t)call.result < size);
	free(call.buf);
}

CASE(signal, waitall, INET, "MSG_WAITALL that a signal interrupts returns what has come")
{
	struct pair p = tcp_pair(c);
	char text[8];
	struct call call = {.run = call_recv, .fd = p.b, .buf = text, .len = sizeof(text), .flags = MSG_WAITALL};

	handle_usr1(0);
	call_start(&call);
	call_blocked(&call);
	send_text(p.a, "abc");
	delivered(p.a);
	crossed(c, c->a, c->b);
	interrupt(&call);
	CHECK_CALL(&call, 3, 0);
}

CASE(signal, poll, INET, "poll is EINTR whatever SA_RESTART says")
{
	struct pair p = udp_pair(c);
	struct call call = {.run = call_poll, .fd = p.a, .flags = POLLIN};

	handle_usr1(SA_RESTART);
	call_start(&call);
	interrupt(&call);
	CHECK_CALL(&call, -1, EINTR);
}
