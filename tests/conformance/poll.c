/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * poll.c - what poll(2) and select(2) show of a socket in each of its states.
 *
 * The bits are compared exactly: a bit too many makes an event loop spin, a bit too few makes it hang.
 */
#include "conf.h"

#include <signal.h>
#include <sys/select.h>

CASE(poll, fresh, INET, "a new stream socket is OUT|HUP, a new datagram socket OUT")
{
	CHECK_POLL_NOW(sock(c, c->a, SOCK_STREAM), POLLOUT | POLLHUP);
	CHECK_POLL_NOW(bound(c, c->a, SOCK_STREAM, NULL), POLLOUT | POLLHUP);
	CHECK_POLL_NOW(sock(c, c->a, SOCK_DGRAM), POLLOUT);
}

CASE(poll, listening, INET, "a listening socket is nothing, IN while a connection waits, OUT|HUP when shut down")
{
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int client = sock(c, c->a, SOCK_STREAM);

	CHECK_POLL_NOW(server, 0);
	CHECK_OK(ioth_connect(client, &addr.sa, addr.len));
	CHECK_POLL(server, POLLIN);
	accepted(c, server);
	CHECK_POLL_NOW(server, 0);
	CHECK_OK(ioth_shutdown(server, SHUT_RDWR));
	CHECK_POLL_NOW(server, POLLOUT | POLLHUP);
}

CASE(poll, connecting, INET, "a connection attempt is nothing till it succeeds, then OUT")
{
	struct addr addr, absent = addr_silent(c, 9);
	int server = listener(c, c->b, &addr);
	int client = sock(c, c->a, SOCK_STREAM | SOCK_NONBLOCK);
	int lost = sock(c, c->a, SOCK_STREAM | SOCK_NONBLOCK);

	CHECK_ERR(ioth_connect(lost, &absent.sa, absent.len), EINPROGRESS);
	CHECK_POLL_NOW(lost, 0);
	CHECK_ERR(ioth_connect(client, &addr.sa, addr.len), EINPROGRESS);
	CHECK_POLL(client, POLLOUT);
	accepted(c, server);
	CHECK_POLL_NOW(lost, 0);
}

CASE(poll, data, INET, "a connection is OUT, IN|OUT with data, OUT when they are read")
{
	struct pair p = tcp_pair(c);

	CHECK_POLL_NOW(p.a, POLLOUT);
	CHECK_POLL_NOW(p.b, POLLOUT);
	send_text(p.a, "ab");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	recv_text(p.b, "a");
	CHECK_POLL_NOW(p.b, POLLIN | POLLOUT);
	recv_text(p.b, "b");
	CHECK_POLL_NOW(p.b, POLLOUT);
	CHECK_POLL_NOW(p.a, POLLOUT);
}

CASE(poll, peer_half_closed, INET, "the peer's SHUT_WR is IN|OUT|RDHUP, and stays so")
{
	struct pair p = tcp_pair(c);
	char byte;

	CHECK_OK(ioth_shutdown(p.a, SHUT_WR));
	CHECK_POLL(p.b, POLLIN | POLLOUT | POLLRDHUP);
	CHECK_POLL_NOW(p.a, POLLOUT);
	CHECK_LEN(ioth_recv(p.b, &byte, 1, 0), 0);
	CHECK_POLL_NOW(p.b, POLLIN | POLLOUT | POLLRDHUP);
}

CASE(poll, own_shutdown, INET, "one's own SHUT_RD is IN|OUT|RDHUP, SHUT_WR alone changes nothing, both add HUP")
{
	struct pair p = tcp_pair(c), q = tcp_pair(c);

	CHECK_OK(ioth_shutdown(p.a, SHUT_RD));
	CHECK_POLL_NOW(p.a, POLLIN | POLLOUT | POLLRDHUP);
	CHECK_OK(ioth_shutdown(p.a, SHUT_WR));
	CHECK_POLL_NOW(p.a, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	CHECK_OK(ioth_shutdown(q.a, SHUT_WR));
	CHECK_POLL_NOW(q.a, POLLOUT);
	CHECK_OK(ioth_shutdown(q.b, SHUT_WR));
	CHECK_POLL(q.a, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	CHECK_POLL(q.b, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
}

CASE(poll, data_then_close, INET, "data and a close: IN|OUT|RDHUP before and after the data are read")
{
	struct pair p = tcp_pair(c);

	send_text(p.a, "bye");
	drop(c, p.a);
	CHECK_POLL(p.b, POLLIN | POLLOUT | POLLRDHUP);
	recv_text(p.b, "bye");
	CHECK_POLL_NOW(p.b, POLLIN | POLLOUT | POLLRDHUP);
}

CASE(poll, reset, INET, "a reset is everything: IN|OUT|RDHUP|ERR|HUP, without ERR when the error has been taken")
{
	struct linger linger = {1, 0};
	struct pair p = tcp_pair(c);
	char byte;

	CHECK_OK(ioth_setsockopt(p.a, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	drop(c, p.a);
	CHECK_POLL(p.b, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	CHECK_ERR(ioth_recv(p.b, &byte, 1, 0), ECONNRESET);
	CHECK_POLL_NOW(p.b, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
}

CASE(poll, full, INET, "a full connection is not OUT; it is again when the peer has read a good part")
{
	struct pair p = tcp_pair(c);
	size_t n = fill(p.a);

	CHECK_POLL_NOW(p.a, 0);
	send_text(p.b, "x");
	CHECK_POLL(p.a, POLLIN);
	drain(p.b, n);
	CHECK_POLL(p.a, POLLIN | POLLOUT);
}

CASE(poll, full_half_closed, INET,
     "a full connection whose peer has shut down is IN|RDHUP; one's own SHUT_WR makes it OUT",
     LIMITS(NOT_STREAMS("an AF_UNIX stream that is full is not writable after SHUT_WR")))
{
	struct pair p = tcp_pair(c);

	fill(p.a);
	CHECK_OK(ioth_shutdown(p.b, SHUT_WR));
	CHECK_POLL(p.a, POLLIN | POLLRDHUP);
	CHECK_OK(ioth_shutdown(p.a, SHUT_WR));
	CHECK_POLL(p.a, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
}

CASE(poll, datagram, INET, "a datagram socket is IN|OUT while datagrams wait")
{
	struct pair p = udp_pair(c);

	send_text(p.a, "1");
	send_text(p.a, "2");
	crossed(c, c->a, c->b);
	CHECK_POLL(p.b, POLLIN | POLLOUT); /* a stack that is served passes each on a moment later */
	recv_text(p.b, "1");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	recv_text(p.b, "2");
	CHECK_POLL_NOW(p.b, POLLOUT);
}

CASE(poll, bands, INET, "RDNORM and WRNORM come with IN and OUT when asked for, RDBAND never, WRBAND with datagrams")
{
	struct pair p = tcp_pair(c), q = udp_pair(c);
	struct pollfd stream = {.fd = p.b, .events = POLLRDNORM | POLLWRNORM | POLLRDBAND};
	struct pollfd datagram = {.fd = q.b, .events = POLLRDNORM | POLLWRNORM | POLLRDBAND | POLLWRBAND};

	CHECK_INT(poll(&stream, 1, 0), 1);
	CHECK_INT(stream.revents, POLLWRNORM);
	send_text(p.a, "x");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_INT(poll(&stream, 1, 0), 1);
	CHECK_INT(stream.revents, POLLRDNORM | POLLWRNORM);
	CHECK_INT(poll(&datagram, 1, 0), 1);
	CHECK_INT(datagram.revents, POLLWRNORM | POLLWRBAND);
	send_text(q.a, "x");
	CHECK_POLL(q.b, POLLIN | POLLOUT);
	CHECK_INT(poll(&datagram, 1, 0), 1);
	CHECK_INT(datagram.revents, POLLRDNORM | POLLWRNORM | POLLWRBAND);
}

CASE(poll, asked_only, INET, "only what is asked for is told, but ERR and HUP always")
{
	struct linger linger = {1, 0};
	struct pair p = tcp_pair(c);
	struct pollfd q = {.fd = p.b, .events = 0};

	send_text(p.a, "x");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_INT(poll(&q, 1, 0), 0);
	q.events = POLLIN;
	CHECK_INT(poll(&q, 1, 0), 1);
	CHECK_INT(q.revents, POLLIN);
	CHECK_OK(ioth_setsockopt(p.a, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	drop(c, p.a);
	q.events = 0;
	CHECK_INT(poll(&q, 1, WAIT_MS), 1);
	CHECK_INT(q.revents & (POLLERR | POLLHUP), q.revents);
}

CASE(poll, closed, INET, "a closed descriptor is NVAL, a negative one is skipped")
{
	int fd = sock(c, c->a, SOCK_STREAM);
	struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = -1, .events = POLLIN, .revents = 99}};

	drop(c, fd);
	CHECK_INT(poll(p, 2, 0), 1);
	CHECK_INT(p[0].revents, POLLNVAL);
	CHECK_INT(p[1].revents, 0);
}

CASE(poll, timeout, INET, "poll gives up after its time when nothing happens")
{
	struct pair p = udp_pair(c);
	struct pollfd q = {.fd = p.a, .events = POLLIN | POLLPRI | POLLRDHUP};

	CHECK_INT(poll(&q, 1, 20), 0);
	CHECK_INT(q.revents, 0);
}

CASE(poll, wakes, INET, "poll in another thread wakes for data, end of file, room, and a connection")
{
	struct pair p = tcp_pair(c);
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int client = sock(c, c->a, SOCK_STREAM);
	struct call in = {.run = call_poll, .fd = p.b, .flags = POLLIN};
	struct call eof = {.run = call_poll, .fd = p.b, .flags = POLLRDHUP};
	struct call room = {.run = call_poll, .fd = p.b, .flags = POLLOUT};
	struct call connection = {.run = call_poll, .fd = server, .flags = POLLIN};
	size_t n;

	call_start(&in);
	call_blocked(&in);
	send_text(p.a, "x");
	CHECK_CALL(&in, POLLIN, 0);
	n = fill(p.b);
	call_start(&room);
	call_blocked(&room);
	drain(p.a, n);
	CHECK_CALL(&room, POLLOUT, 0);
	call_start(&eof);
	call_blocked(&eof);
	CHECK_OK(ioth_shutdown(p.a, SHUT_WR));
	CHECK_CALL(&eof, POLLRDHUP, 0);
	call_start(&connection);
	call_blocked(&connection);
	CHECK_OK(ioth_connect(client, &addr.sa, addr.len));
	CHECK_CALL(&connection, POLLIN, 0);
	accepted(c, server);
}

CASE(poll, many, INET, "poll on many sockets tells the right ones")
{
	enum { N = 50 };
	struct pollfd set[N];
	struct pair p[N];

	for (int i = 0; i < N; i++) {
		p[i] = udp_pair(c);
		set[i] = (struct pollfd){.fd = p[i].b, .events = POLLIN};
	}
	for (int i = 0; i < N; i += 7)
		send_text(p[i].a, "x");
	crossed(c, c->a, c->b);
	for (int i = 0; i < N; i += 7)
		CHECK_POLL(p[i].b, POLLIN | POLLOUT); /* as above */
	CHECK_INT(poll(set, N, 0), (N + 6) / 7);
	for (int i = 0; i < N; i++)
		CHECK_INT(set[i].revents, i % 7 == 0 ? POLLIN : 0);
}

/** selected - which of the three sets hold a descriptor now: 1 read, 2 write, 4 exceptional */
static int selected(int fd, int ms)
{
	struct timeval time = {ms / 1000, ms % 1000 * 1000};
	fd_set r, w, e;

	FD_ZERO(&r);
	FD_SET(fd, &r);
	w = e = r;
	CHECK_GE0(select(fd + 1, &r, &w, &e, &time));
	return (FD_ISSET(fd, &r) ? 1 : 0) | (FD_ISSET(fd, &w) ? 2 : 0) | (FD_ISSET(fd, &e) ? 4 : 0);
}

CASE(select, states, INET, "select shows connections as readable, writable, exceptional")
{
	struct pair p = tcp_pair(c);
	int server = listener(c, c->b, NULL);

	CHECK_INT(selected(server, 0), 0);
	CHECK_INT(selected(p.b, 0), 2);
	send_text(p.a, "x");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_INT(selected(p.b, 0), 3);
	recv_text(p.b, "x");
	CHECK_LEN(ioth_send(p.a, "X", 1, MSG_OOB), 1);
	CHECK_URGENT(p.b);
	CHECK_INT(selected(p.b, 0) & 6, 6);
	drop(c, p.a);
	CHECK_POLL(p.b, POLLIN | POLLPRI | POLLOUT | POLLRDHUP);
	CHECK_INT(selected(p.b, 0), 7);
}

CASE(poll, urgent_alone, INET, "urgent data with nothing before and behind them are PRI, and not IN",
     LIMITS(AF_UNIX_PRI))
{
	struct pair p = tcp_pair(c);
	char byte;

	CHECK_LEN(ioth_send(p.a, "X", 1, MSG_OOB), 1);
	CHECK_POLL(p.b, POLLPRI | POLLOUT);
	CHECK_INT(selected(p.b, 0), 6);
	CHECK_LEN(ioth_recv(p.b, &byte, 1, MSG_OOB), 1);
	CHECK_POLL_NOW(p.b, POLLOUT);
	CHECK_INT(selected(p.b, 0), 2);
}

CASE(poll, urgent_in_vain, INET, "who waits for data is not told of a lone urgent byte again and again")
{
	struct pair p = tcp_pair(c);
	char byte;

	CHECK_LEN(ioth_send(p.a, "X", 1, MSG_OOB), 1);
	CHECK_URGENT(p.b);
	CHECK_ERR(ioth_recv(p.b, &byte, 1, MSG_DONTWAIT), EAGAIN);
	CHECK_POLL_NOW(p.b, POLLOUT);
	/* It was passed over; what comes next is told of. */
	CHECK_ERR(ioth_recv(p.b, &byte, 1, MSG_OOB), EINVAL);
	CHECK_LEN(ioth_send(p.a, "Y", 1, MSG_OOB), 1);
	CHECK_URGENT(p.b);
	CHECK_ERR(ioth_recv(p.b, &byte, 1, MSG_DONTWAIT), EAGAIN);
	send_text(p.a, "z");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	recv_text(p.b, "z");
	CHECK_POLL_NOW(p.b, POLLOUT);
}

CASE(poll, urgent_after_data, INET, "urgent data behind others: PRI goes with the urgent byte, IN with the others",
     LIMITS(NOT_STREAMS("an urgent byte that was taken keeps its place in the queue of an AF_UNIX stream: IN until the "
                        "next read")))
{
	struct pair p = tcp_pair(c), q = tcp_pair(c);
	char byte;

	CHECK_LEN(ioth_send(p.a, "aX", 2, MSG_OOB), 2);
	CHECK_POLL(p.b, POLLIN | POLLPRI | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, &byte, 1, MSG_OOB), 1);
	CHECK_POLL_NOW(p.b, POLLIN | POLLOUT);
	recv_text(p.b, "a");
	CHECK_POLL_NOW(p.b, POLLOUT);
	CHECK_LEN(ioth_send(q.a, "X", 1, MSG_OOB), 1);
	CHECK_URGENT(q.b);
	CHECK_LEN(ioth_recv(q.b, &byte, 1, MSG_OOB), 1);
	CHECK_POLL_NOW(q.b, POLLOUT);
	send_text(q.a, "b");
	CHECK_POLL(q.b, POLLIN | POLLOUT);
}

CASE(select, full_and_refused, INET,
     "select: a full connection is not writable, a refused one is readable and writable")
{
	struct pair p = tcp_pair(c);
	int fd = sock(c, c->a, SOCK_STREAM | SOCK_NONBLOCK);
	struct addr addr;

	fill(p.a);
	CHECK_INT(selected(p.a, 0), 0);
	drop(c, bound(c, c->b, SOCK_STREAM, &addr));
	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), EINPROGRESS);
	CHECK_POLL(fd, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	CHECK_INT(selected(fd, 0), 3);
}

CASE(select, bad, INET, "select on a closed descriptor is EBADF; without descriptors it is a timer")
{
	struct timeval time = {0, 1000};
	int fd = sock(c, c->a, SOCK_STREAM);
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	drop(c, fd);
	CHECK_ERR(select(fd + 1, &set, NULL, NULL, &time), EBADF);
	CHECK_INT(select(0, NULL, NULL, NULL, &time), 0);
}

static _Atomic int signals; /* lock-free, so fit for a handler, and for other threads to read */

static void on_signal(int signal)
{
	(void)signal;
	signals++;
}

CASE(poll, signal_mask, INET, "ppoll and pselect let a blocked signal in only while they wait: EINTR")
{
	struct sigaction action = {.sa_handler = on_signal};
	struct timespec time = {WAIT_MS / 1000, 0};
	struct pair p = udp_pair(c);
	struct pollfd q = {.fd = p.a, .events = POLLIN};
	sigset_t blocked, none;
	fd_set set;

	signals = 0;
	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	kill(getpid(), SIGUSR1);
	CHECK_INT(poll(&q, 1, 0), 0);
	CHECK_INT(signals, 0);
	CHECK_ERR(ppoll(&q, 1, &time, &none), EINTR);
	CHECK_INT(signals, 1);
	kill(getpid(), SIGUSR1);
	FD_ZERO(&set);
	FD_SET(p.a, &set);
	CHECK_ERR(pselect(p.a + 1, &set, NULL, NULL, &time, &none), EINTR);
	CHECK_INT(signals, 2);
}
