/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tcp_stream.c - the byte stream: half close, resets, end of file, large transfers. tcp(7), shutdown(2), send(2),
 * recv(2) */
#include "conf.h"

#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>

/** linger0 - make close(2) send a reset */
static void linger0(int fd)
{
	struct linger linger = {1, 0};

	CHECK_OK(ioth_setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
}

CASE(tcp, half_close, INET, "after SHUT_WR the peer reads what was sent, then end of file, and can still send")
{
	struct pair p = tcp_pair(c);
	char byte;

	send_text(p.a, "last words");
	CHECK_OK(ioth_shutdown(p.a, SHUT_WR));
	recv_text(p.b, "last words");
	CHECK_LEN(ioth_recv(p.b, &byte, 1, 0), 0);
	CHECK_LEN(ioth_recv(p.b, &byte, 1, 0), 0);
	send_text(p.b, "an answer");
	recv_text(p.a, "an answer");
	drop(c, p.b);
	CHECK_LEN(ioth_recv(p.a, &byte, 1, 0), 0);
}

CASE(tcp, half_close_accepted, INET, "the accepting side can half close as well")
{
	struct pair p = tcp_pair(c);
	char byte;

	CHECK_OK(ioth_shutdown(p.b, SHUT_WR));
	CHECK_LEN(ioth_recv(p.a, &byte, 1, 0), 0);
	send_text(p.a, "still here");
	recv_text(p.b, "still here");
}

CASE(tcp, shutdown_read, INET, "after SHUT_RD recv gives end of file at once, but what arrives later is still read",
     LIMITS(NOT_STREAMS("what comes after SHUT_RD is lost on its way through the descriptor")))
{
	struct pair p = tcp_pair(c);
	char byte;

	CHECK_OK(ioth_shutdown(p.a, SHUT_RD));
	CHECK_LEN(ioth_recv(p.a, &byte, 1, 0), 0);
	send_text(p.b, "late");
	/* The stream is readable already, so poll would not tell the arrival. */
	delivered(p.b);
	recv_text(p.a, "late");
	CHECK_LEN(ioth_recv(p.a, &byte, 1, 0), 0);
}

CASE(tcp, shutdown_both, INET, "SHUT_RDWR ends both directions; the socket keeps its name")
{
	struct pair p = tcp_pair(c);
	struct addr name = sockname(p.a);
	char byte;

	CHECK_OK(ioth_shutdown(p.a, SHUT_RDWR));
	CHECK_LEN(ioth_recv(p.a, &byte, 1, 0), 0);
	CHECK_ERR(ioth_send(p.a, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_LEN(ioth_recv(p.b, &byte, 1, 0), 0);
	CHECK_ADDR(sockname(p.a), name);
}

CASE(tcp, shutdown_not_connected, INET, "shutdown of a socket that is not connected is ENOTCONN")
{
	int fd = sock(c, c->a, SOCK_STREAM);

	CHECK_ERR(ioth_shutdown(fd, SHUT_WR), ENOTCONN);
	CHECK_ERR(ioth_shutdown(fd, SHUT_RDWR), ENOTCONN);
}

CASE(tcp, shutdown_bad_how, INET, "shutdown in a way that does not exist is EINVAL")
{
	struct pair p = tcp_pair(c);

	CHECK_ERR(ioth_shutdown(p.a, 3), EINVAL);
	CHECK_ERR(ioth_shutdown(p.a, -1), EINVAL);
	send_text(p.a, "unharmed");
	recv_text(p.b, "unharmed");
}

CASE(tcp, shutdown_twice, INET, "shutting the same direction twice succeeds")
{
	struct pair p = tcp_pair(c);

	CHECK_OK(ioth_shutdown(p.a, SHUT_WR));
	CHECK_OK(ioth_shutdown(p.a, SHUT_WR));
	CHECK_OK(ioth_shutdown(p.a, SHUT_RD));
}

static volatile sig_atomic_t pipes;

static void on_sigpipe(int signal)
{
	(void)signal;
	pipes++;
}

CASE(tcp, sigpipe, INET, "sending after SHUT_WR is EPIPE with a SIGPIPE, without one under MSG_NOSIGNAL")
{
	struct sigaction action = {.sa_handler = on_sigpipe};
	struct pair p = tcp_pair(c);

	sigaction(SIGPIPE, &action, NULL);
	CHECK_OK(ioth_shutdown(p.a, SHUT_WR));
	CHECK_ERR(ioth_send(p.a, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_INT(pipes, 0);
	CHECK_ERR(ioth_send(p.a, "x", 1, 0), EPIPE);
	CHECK_INT(pipes, 1);
	CHECK_ERR(ioth_write(p.a, "x", 1), EPIPE);
	CHECK_INT(pipes, 2);
}

CASE(tcp, reset_by_linger, INET,
     "closing with SO_LINGER 0 resets: the peer gets ECONNRESET once, then end of file and EPIPE")
{
	struct pair p = tcp_pair(c);
	char byte;

	linger0(p.a);
	drop(c, p.a);
	CHECK_POLL(p.b, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	CHECK_ERR(ioth_recv(p.b, &byte, 1, 0), ECONNRESET);
	CHECK_LEN(ioth_recv(p.b, &byte, 1, 0), 0);
	CHECK_ERR(ioth_send(p.b, "x", 1, MSG_NOSIGNAL), EPIPE);
}

CASE(tcp, reset_after_data, INET, "what arrived before a reset is read first, then ECONNRESET, then end of file")
{
	struct pair p = tcp_pair(c);
	char byte;

	send_text(p.a, "kept");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	linger0(p.a);
	drop(c, p.a);
	CHECK_POLL(p.b, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	recv_text(p.b, "kept");
	CHECK_ERR(ioth_recv(p.b, &byte, 1, 0), ECONNRESET);
	CHECK_LEN(ioth_recv(p.b, &byte, 1, 0), 0);
}

CASE(tcp, reset_unread, INET, "closing with data unread resets the connection")
{
	struct pair p = tcp_pair(c);
	char byte;

	send_text(p.b, "nobody reads this");
	CHECK_POLL(p.a, POLLIN | POLLOUT);
	drop(c, p.a);
	CHECK_POLL(p.b, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	CHECK_ERR(ioth_recv(p.b, &byte, 1, 0), ECONNRESET);
}

CASE(tcp, reset_by_send, INET, "sending to a closed peer succeeds once, then the reset shows as EPIPE")
{
	struct pair p = tcp_pair(c);
	int error = 0;
	socklen_t len = sizeof(error);

	drop(c, p.b);
	CHECK_POLL(p.a, POLLIN | POLLOUT | POLLRDHUP);
	CHECK_LEN(ioth_send(p.a, "x", 1, MSG_NOSIGNAL), 1);
	CHECK_POLL(p.a, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	/* The peer had sent its FIN before the reset came: that is a broken pipe, not a connection reset. */
	CHECK_OK(ioth_getsockopt(p.a, SOL_SOCKET, SO_ERROR, &error, &len));
	CHECK_INT(error, EPIPE);
	CHECK_ERR(ioth_send(p.a, "x", 1, MSG_NOSIGNAL), EPIPE);
}

CASE(tcp, reset_so_error, INET, "SO_ERROR takes the error of a reset away, and with it the ECONNRESET of recv")
{
	struct pair p = tcp_pair(c);
	char byte;

	linger0(p.a);
	drop(c, p.a);
	CHECK_POLL(p.b, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	CHECK_OPT(p.b, SOL_SOCKET, SO_ERROR, ECONNRESET);
	CHECK_OPT(p.b, SOL_SOCKET, SO_ERROR, 0);
	CHECK_POLL_NOW(p.b, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	CHECK_LEN(ioth_recv(p.b, &byte, 1, 0), 0);
}

#define SHOWN_LATER                                                                                                    \
	{                                                                                                              \
		"remote*", "the peer is another process, which shows a moment later what its stack has acknowledged"   \
	}

CASE(tcp, linger_waits, INET, "close with a linger time returns when everything has been acknowledged",
     LIMITS(SHOWN_LATER))
{
	struct pair p = tcp_pair(c);
	struct linger linger = {1, 10};

	CHECK_OK(ioth_setsockopt(p.a, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	send_text(p.a, "delivered");
	drop(c, p.a);
	CHECK_POLL_NOW(p.b, POLLIN | POLLOUT | POLLRDHUP);
	recv_text(p.b, "delivered");
}

CASE(tcp, acked_is_readable, INET, "what the peer's stack has acknowledged, the peer can read: poll shows it at once",
     LIMITS(SHOWN_LATER))
{
	struct linger linger = {1, 10};

	/* An acknowledgement is on its way for no time: once would show little. */
	for (int round = 0; round < 40; round++) {
		struct pair p = tcp_pair(c);

		CHECK_OK(ioth_setsockopt(p.a, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
		send_text(p.a, "delivered");
		drop(c, p.a);
		CHECK_POLL_NOW(p.b, POLLIN | POLLOUT | POLLRDHUP);
		drop(c, p.b);
	}
}

/** sender - a thread that sends call->len bytes of the pattern */
static long sender(struct call *call)
{
	size_t sent = 0;

	while (sent < call->len) {
		unsigned char chunk[30000];
		size_t n = call->len - sent < sizeof(chunk) ? call->len - sent : sizeof(chunk);
		ssize_t done;

		for (size_t i = 0; i < n; i++)
			chunk[i] = pattern(sent + i);
		done = ioth_send(call->fd, chunk, n, 0);
		if (done <= 0)
			return -1;
		sent += (size_t)done;
	}
	return ioth_shutdown(call->fd, SHUT_WR);
}

/** receiver - a thread that reads the pattern to the end of file; returns how long it was */
static long receiver(struct call *call)
{
	unsigned char chunk[50000];
	long sum = 0;
	ssize_t n;

	while ((n = ioth_recv(call->fd, chunk, sizeof(chunk), 0)) > 0)
		for (ssize_t i = 0; i < n; i++, sum++)
			if (chunk[i] != pattern((uint64_t)sum))
				FAIL("byte %ld of the stream is wrong", sum);
	return n < 0 ? -1 : sum;
}

CASE(tcp, bulk, INET, "four megabytes arrive in order and whole, blocking")
{
	struct pair p = tcp_pair(c);
	struct call out = {.run = sender, .fd = p.a, .len = 4 << 20};
	struct call in = {.run = receiver, .fd = p.b};

	call_start(&out);
	call_start(&in);
	CHECK_CALL(&out, 0, 0);
	CHECK_CALL(&in, 4 << 20, 0);
}

CASE(tcp, bulk_both_ways, INET, "two megabytes each way at the same time")
{
	struct pair p = tcp_pair(c);
	struct call out[2] = {{.run = sender, .fd = p.a, .len = 2 << 20}, {.run = sender, .fd = p.b, .len = 2 << 20}};
	struct call in[2] = {{.run = receiver, .fd = p.b}, {.run = receiver, .fd = p.a}};

	for (int i = 0; i < 2; i++) {
		call_start(&out[i]);
		call_start(&in[i]);
	}
	for (int i = 0; i < 2; i++) {
		CHECK_CALL(&out[i], 0, 0);
		CHECK_CALL(&in[i], 2 << 20, 0);
	}
}

/** pump - move the pattern with non-blocking calls and poll, both ends in one thread */
static void pump(struct pair p, size_t want)
{
	static unsigned char out[20000], in[20000];
	size_t sent = 0, got = 0;

	while (got < want) {
		struct pollfd set[2] = {{.fd = p.a, .events = sent < want ? POLLOUT : 0},
		                        {.fd = p.b, .events = POLLIN}};
		ssize_t n;

		CHECK(poll(set, 2, WAIT_MS) > 0);
		if (set[0].revents & POLLOUT) {
			size_t len = want - sent < sizeof(out) ? want - sent : sizeof(out);

			for (size_t i = 0; i < len; i++)
				out[i] = pattern(sent + i);
			n = ioth_send(p.a, out, len, 0);
			CHECK(n > 0 || errno == EAGAIN);
			sent += n > 0 ? (size_t)n : 0;
		}
		if (set[1].revents & POLLIN) {
			n = CHECK_GE0(ioth_recv(p.b, in, sizeof(in), 0));
			for (size_t i = 0; i < (size_t)n; i++)
				if (in[i] != pattern(got + i))
					FAIL("byte %zu of the stream is wrong", got + i);
			got += (size_t)n;
		}
	}
}

CASE(tcp, bulk_nonblocking, INET, "two megabytes with O_NONBLOCK and poll, both ends in one thread")
{
	struct pair p = tcp_pair(c);

	nonblock(p.a);
	nonblock(p.b);
	pump(p, 2 << 20);
}

CASE(tcp, short_write, INET, "a non-blocking send takes what there is room for, then EAGAIN; reading makes room")
{
	struct pair p = tcp_pair(c);
	size_t size = 32 << 20;
	char *huge = calloc(1, size);
	ssize_t n;
	size_t more;

	CHECK(huge != NULL);
	nonblock(p.a);
	n = CHECK_GE0(ioth_send(p.a, huge, size, 0));
	CHECK(n > 0 && (size_t)n < size);
	more = fill(p.a);
	CHECK_ERR(ioth_send(p.a, huge, size, 0), EAGAIN);
	CHECK_POLL_NOW(p.a, 0);
	drain(p.b, (size_t)n + more);
	CHECK_POLL(p.a, POLLOUT);
	CHECK_LEN(ioth_send(p.a, "x", 1, 0), 1);
	free(huge);
}

CASE(tcp, send_nothing, INET, "sending no bytes succeeds and nothing arrives")
{
	struct pair p = tcp_pair(c);
	char text[8];

	CHECK_LEN(ioth_send(p.a, "", 0, 0), 0);
	CHECK_LEN(ioth_write(p.a, "", 0), 0);
	send_text(p.a, "x");
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), 1);
}

CASE(tcp, read_nothing, INET, "read of no bytes returns 0 at once; recv waits for data first")
{
	struct pair p = tcp_pair(c);
	char byte;

	CHECK_LEN(ioth_read(p.a, &byte, 0), 0);
	CHECK_ERR(ioth_recv(p.a, &byte, 0, MSG_DONTWAIT), EAGAIN);
	send_text(p.b, "x");
	CHECK_POLL(p.a, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.a, &byte, 0, MSG_DONTWAIT), 0);
	recv_text(p.a, "x");
}

CASE(tcp, read_short, INET, "reads smaller than what arrived leave the rest")
{
	struct pair p = tcp_pair(c);
	char text[8];

	send_text(p.a, "abcdef");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, text, 2, 0), 2);
	CHECK_MEM(text, "ab", 2);
	CHECK_LEN(ioth_read(p.b, text, 3), 3);
	CHECK_MEM(text, "cde", 3);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), 1);
	CHECK_MEM(text, "f", 1);
}

CASE(tcp, scatter_gather, INET, "writev joins and readv splits")
{
	struct pair p = tcp_pair(c);
	char one[4], two[8];
	char gather[] = "0123456789";
	struct iovec out[] = {{gather, 3}, {gather + 3, 0}, {gather + 3, 7}};
	struct iovec in[] = {{one, 4}, {NULL, 0}, {two, 8}};

	CHECK_LEN(ioth_writev(p.a, out, 3), 10);
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_readv(p.b, in, 3), 10);
	CHECK_MEM(one, "0123", 4);
	CHECK_MEM(two, "456789", 6);
}

CASE(tcp, names, INET, "getsockname and getpeername of the two ends agree")
{
	struct pair p = tcp_pair(c);
	struct addr host;

	CHECK_ADDR(sockname(p.a), peername(p.b));
	CHECK_ADDR(peername(p.a), sockname(p.b));
	host = addr_of(c, c->a, addr_port(sockname(p.a)));
	CHECK_ADDR(sockname(p.a), host);
}

CASE(tcp, data_before_accept, INET, "what a client sends before accept is there after it, even when it has closed")
{
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int client = sock(c, c->a, SOCK_STREAM);
	char byte;
	int fd;

	CHECK_OK(ioth_connect(client, &addr.sa, addr.len));
	send_text(client, "early");
	drop(c, client);
	fd = accepted(c, server);
	recv_text(fd, "early");
	CHECK_LEN(ioth_recv(fd, &byte, 1, 0), 0);
}

CASE(tcp, self_connect, INET, "a socket can be connected to itself")
{
	struct addr addr;
	int fd = bound(c, c->a, SOCK_STREAM, &addr);

	CHECK_OK(ioth_connect(fd, &addr.sa, addr.len));
	CHECK_ADDR(peername(fd), addr);
	send_text(fd, "echo");
	recv_text(fd, "echo");
}

CASE(tcp, loopback, INET, "a connection over the loopback interface of one host")
{
	struct addr any = addr_loopback(c, 0);
	int server = sock(c, c->a, SOCK_STREAM);
	int client = sock(c, c->a, SOCK_STREAM);
	int fd;

	CHECK_OK(ioth_bind(server, &any.sa, any.len));
	CHECK_OK(ioth_listen(server, 4));
	any = sockname(server);
	CHECK_OK(ioth_connect(client, &any.sa, any.len));
	fd = accepted(c, server);
	CHECK_ADDR(peername(fd), sockname(client));
	send_text(client, "hello");
	recv_text(fd, "hello");
}

CASE(tcp, own_address, INET, "a connection of a host to its own address on the Ethernet")
{
	struct addr addr;
	int server = listener(c, c->a, &addr);
	int client = sock(c, c->a, SOCK_STREAM);
	int fd;

	CHECK_OK(ioth_connect(client, &addr.sa, addr.len));
	fd = accepted(c, server);
	send_text(fd, "hello");
	recv_text(client, "hello");
	CHECK_ADDR(sockname(client), addr_of(c, c->a, addr_port(peername(fd))));
}

CASE(tcp, accept_order, INET, "connections are accepted in the order in which they were made")
{
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int client[8];

	for (int i = 0; i < 8; i++) {
		client[i] = sock(c, c->a, SOCK_STREAM);
		CHECK_OK(ioth_connect(client[i], &addr.sa, addr.len));
		/* For the listener it is made when the client's answer has come. */
		send_text(client[i], "x");
		delivered(client[i]);
	}
	for (int i = 0; i < 8; i++) {
		int fd = accepted(c, server);

		CHECK_ADDR(peername(fd), sockname(client[i]));
	}
}
