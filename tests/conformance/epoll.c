/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* epoll.c - sockets in epoll(7) sets: level and edge triggered, one-shot, removal by close. */
#include "conf.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

/** ep_new - an epoll set with one descriptor in it */
static int ep_new(struct conf *c, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};
	int ep = keep(c, epoll_create1(EPOLL_CLOEXEC));

	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
	return ep;
}

/** ep_now - the events that a set tells of its one descriptor within @ms milliseconds, 0 for none */
static uint32_t ep_now(int ep, int ms)
{
	struct epoll_event event;
	int n = epoll_wait(ep, &event, 1, ms);

	CHECK(n >= 0);
	return n == 0 ? 0 : event.events;
}

/** ep_mod - change what is asked of a descriptor */
static void ep_mod(int ep, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};

	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &event));
}

CASE(epoll, level, INET, "level triggered: told again and again as long as it is so")
{
	struct pair p = tcp_pair(c);
	int ep = ep_new(c, p.b, EPOLLIN);

	CHECK_INT(ep_now(ep, 0), 0);
	send_text(p.a, "ab");
	CHECK_INT(ep_now(ep, WAIT_MS), EPOLLIN);
	CHECK_INT(ep_now(ep, 0), EPOLLIN);
	recv_text(p.b, "a");
	CHECK_INT(ep_now(ep, 0), EPOLLIN);
	recv_text(p.b, "b");
	CHECK_INT(ep_now(ep, 0), 0);
}

CASE(epoll, edge, INET, "edge triggered: told once, and anew for each arrival, even when the first data are unread")
{
	struct pair p = tcp_pair(c);
	int ep = ep_new(c, p.b, EPOLLIN | EPOLLET);

	send_text(p.a, "a");
	CHECK_INT(ep_now(ep, WAIT_MS), EPOLLIN);
	CHECK_INT(ep_now(ep, 0), 0);
	send_text(p.a, "b");
	CHECK_INT(ep_now(ep, WAIT_MS), EPOLLIN);
	CHECK_INT(ep_now(ep, 0), 0);
	recv_text(p.b, "a");
	CHECK_INT(ep_now(ep, 0), 0);
	recv_text(p.b, "b");
	send_text(p.a, "c");
	CHECK_INT(ep_now(ep, WAIT_MS), EPOLLIN);
}

CASE(epoll, edge_datagram, INET, "edge triggered datagrams: each arrival is an event")
{
	struct pair p = udp_pair(c);
	int ep = ep_new(c, p.b, EPOLLIN | EPOLLET);

	for (int i = 0; i < 3; i++) {
		send_text(p.a, "x");
		CHECK_INT(ep_now(ep, WAIT_MS), EPOLLIN);
		CHECK_INT(ep_now(ep, 0), 0);
	}
}

CASE(epoll, edge_add, INET, "what is so already is told when the descriptor is added, or modified")
{
	struct pair p = tcp_pair(c);
	int ep;

	send_text(p.a, "x");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	ep = ep_new(c, p.b, EPOLLIN | EPOLLOUT | EPOLLET);
	CHECK_INT(ep_now(ep, 0), EPOLLIN | EPOLLOUT);
	CHECK_INT(ep_now(ep, 0), 0);
	ep_mod(ep, p.b, EPOLLIN | EPOLLET);
	CHECK_INT(ep_now(ep, 0), EPOLLIN);
}

CASE(epoll, edge_out, INET, "edge triggered OUT: told when a full connection has room again, not before")
{
	struct pair p = tcp_pair(c);
	int ep = ep_new(c, p.a, EPOLLOUT | EPOLLET);
	size_t n;

	CHECK_INT(ep_now(ep, 0), EPOLLOUT);
	n = fill(p.a);
	ep_now(ep, 0); /* room that came while it was being filled */
	CHECK_INT(ep_now(ep, 0), 0);
	drain(p.b, n);
	CHECK_INT(ep_now(ep, WAIT_MS), EPOLLOUT);
}

CASE(epoll, edge_eof, INET, "edge triggered: half close and close are events of their own")
{
	struct pair p = tcp_pair(c);
	int ep = ep_new(c, p.b, EPOLLIN | EPOLLRDHUP | EPOLLET);

	send_text(p.a, "x");
	CHECK_INT(ep_now(ep, WAIT_MS), EPOLLIN);
	CHECK_OK(ioth_shutdown(p.a, SHUT_WR));
	CHECK_INT(ep_now(ep, WAIT_MS), EPOLLIN | EPOLLRDHUP);
	CHECK_INT(ep_now(ep, 0), 0);
	CHECK_OK(ioth_shutdown(p.b, SHUT_WR));
	CHECK_INT(ep_now(ep, WAIT_MS), EPOLLIN | EPOLLRDHUP | EPOLLHUP);
}

CASE(epoll, oneshot, INET, "one-shot: told once till it is armed again")
{
	struct pair p = tcp_pair(c);
	int ep = ep_new(c, p.b, EPOLLIN | EPOLLONESHOT);

	send_text(p.a, "a");
	CHECK_INT(ep_now(ep, WAIT_MS), EPOLLIN);
	send_text(p.a, "b");
	crossed(c, c->a, c->b);
	CHECK_INT(ep_now(ep, 0), 0);
	ep_mod(ep, p.b, EPOLLIN | EPOLLONESHOT);
	CHECK_INT(ep_now(ep, 0), EPOLLIN);
	CHECK_INT(ep_now(ep, 0), 0);
}

CASE(epoll, always, INET, "ERR and HUP are told unasked; RDHUP only when asked for")
{
	struct linger linger = {1, 0};
	struct pair p = tcp_pair(c);
	int ep = ep_new(c, p.b, 0);

	CHECK_OK(ioth_setsockopt(p.a, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	drop(c, p.a);
	CHECK_INT(ep_now(ep, WAIT_MS), EPOLLERR | EPOLLHUP);
	ep_mod(ep, p.b, EPOLLRDHUP);
	CHECK_INT(ep_now(ep, 0), EPOLLERR | EPOLLHUP | EPOLLRDHUP);
}

CASE(epoll, fresh, INET, "a new stream socket is OUT|HUP here too")
{
	int ep = ep_new(c, sock(c, c->a, SOCK_STREAM), EPOLLIN | EPOLLOUT | EPOLLRDHUP);

	CHECK_INT(ep_now(ep, 0), EPOLLOUT | EPOLLHUP);
}

CASE(epoll, connect, INET, "a non-blocking connect ends with OUT, or with everything when it is refused")
{
	struct addr addr, refused;
	int server = listener(c, c->b, &addr);
	int one = sock(c, c->a, SOCK_STREAM | SOCK_NONBLOCK);
	int two = sock(c, c->a, SOCK_STREAM | SOCK_NONBLOCK);
	int ep;

	drop(c, bound(c, c->b, SOCK_STREAM, &refused));
	CHECK_ERR(ioth_connect(one, &addr.sa, addr.len), EINPROGRESS);
	ep = ep_new(c, one, EPOLLIN | EPOLLOUT | EPOLLET);
	CHECK_INT(ep_now(ep, WAIT_MS), EPOLLOUT);
	CHECK_ERR(ioth_connect(two, &refused.sa, refused.len), EINPROGRESS);
	ep = ep_new(c, two, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	CHECK_INT(ep_now(ep, WAIT_MS), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLERR | EPOLLHUP);
	accepted(c, server);
}

CASE(epoll, accept_edge, INET, "edge triggered listening: every connection is an event")
{
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int ep = ep_new(c, server, EPOLLIN | EPOLLET);

	for (int i = 0; i < 3; i++) {
		int fd = sock(c, c->a, SOCK_STREAM);

		CHECK_OK(ioth_connect(fd, &addr.sa, addr.len));
		CHECK_INT(ep_now(ep, WAIT_MS), EPOLLIN);
		CHECK_INT(ep_now(ep, 0), 0);
	}
	for (int i = 0; i < 3; i++)
		accepted(c, server);
}

CASE(epoll, control_errors, INET, "EEXIST, ENOENT, EBADF, EINVAL of epoll_ctl")
{
	struct epoll_event event = {.events = EPOLLIN};
	int fd = sock(c, c->a, SOCK_DGRAM);
	int ep = ep_new(c, fd, EPOLLIN);
	int other = sock(c, c->a, SOCK_DGRAM);

	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event), EEXIST);
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_MOD, other, &event), ENOENT);
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_DEL, other, &event), ENOENT);
	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL), ENOENT);
	drop(c, other);
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, other, &event), EBADF);
	CHECK_ERR(epoll_ctl(fd, EPOLL_CTL_ADD, ep, &event), EINVAL);
}

CASE(epoll, close_removes, INET, "closing a socket takes it out of every set")
{
	struct pair p = udp_pair(c);
	int ep = ep_new(c, p.b, EPOLLIN | EPOLLOUT);
	struct addr addr = sockname(p.b);
	int fd;

	CHECK_INT(ep_now(ep, 0), EPOLLOUT);
	drop(c, p.b);
	CHECK_INT(ep_now(ep, 0), 0);
	/* A new socket of the same number, even of the same name, is not in the set. */
	fd = sock(c, c->b, SOCK_DGRAM);
	CHECK_OK(ioth_bind(fd, &addr.sa, addr.len));
	send_text(p.a, "x");
	CHECK_POLL(fd, POLLIN | POLLOUT);
	CHECK_INT(ep_now(ep, 0), 0);
}

CASE(epoll, two_sets, INET, "one socket in two sets is told by both; a set in a set is readable")
{
	struct pair p = udp_pair(c);
	int one = ep_new(c, p.b, EPOLLIN);
	int two = ep_new(c, p.b, EPOLLIN | EPOLLET);
	int outer = ep_new(c, one, EPOLLIN);

	CHECK_INT(ep_now(outer, 0), 0);
	send_text(p.a, "x");
	CHECK_INT(ep_now(one, WAIT_MS), EPOLLIN);
	CHECK_INT(ep_now(two, WAIT_MS), EPOLLIN);
	CHECK_INT(ep_now(outer, 0), EPOLLIN);
	CHECK_POLL(one, POLLIN);
}

CASE(epoll, priority, INET, "urgent data are EPOLLPRI")
{
	struct pair p = tcp_pair(c);
	int ep = ep_new(c, p.b, EPOLLPRI);

	CHECK_LEN(ioth_send(p.a, "X", 1, MSG_OOB), 1);
	CHECK_INT(ep_now(ep, WAIT_MS), EPOLLPRI);
}

/** waiter - epoll_wait in a thread, which says in call->flags, an eventfd, that it has woken; result: the events */
static long waiter(struct call *call)
{
	struct epoll_event event;
	int n = epoll_wait(call->fd, &event, 1, WAIT_MS);

	eventfd_write(call->flags, 1);
	return n == 1 ? (long)event.events : n;
}

CASE(epoll, exclusive, INET, "EPOLLEXCLUSIVE: one waiter of two wakes for a connection, the other for the next")
{
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int woken = keep(c, eventfd(0, EFD_CLOEXEC));
	struct call call[2];

	for (int i = 0; i < 2; i++) {
		call[i] = (struct call){.run = waiter, .flags = woken};
		call[i].fd = ep_new(c, server, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET);
		call_start(&call[i]);
		call_blocked(&call[i]);
	}
	for (int i = 0; i < 2; i++) {
		int fd = sock(c, c->a, SOCK_STREAM);
		eventfd_t count = 0;

		CHECK_OK(ioth_connect(fd, &addr.sa, addr.len));
		CHECK_POLL(woken, POLLIN | POLLOUT);
		CHECK_OK(eventfd_read(woken, &count));
		CHECK_INT(count, 1);
	}
	for (int i = 0; i < 2; i++)
		CHECK_CALL(&call[i], EPOLLIN, 0);
	accepted(c, server);
	accepted(c, server);
}

CASE(epoll, thousand, ONCE, "five hundred sockets in one set: every one is told once")
{
	enum { N = 500 };
	int ep = keep(c, epoll_create1(EPOLL_CLOEXEC));
	int from = sock(c, c->a, SOCK_DGRAM);
	static unsigned char seen[CONF_FDS];
	int count = 0;

	for (int i = 0; i < N; i++) {
		struct epoll_event event = {.events = EPOLLIN | EPOLLET};
		struct addr addr;

		event.data.fd = bound(c, c->b, SOCK_DGRAM, &addr);
		CHECK(event.data.fd < CONF_FDS);
		CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, event.data.fd, &event));
		CHECK_LEN(ioth_sendto(from, "x", 1, 0, &addr.sa, addr.len), 1);
	}
	while (count < N) {
		struct epoll_event events[64];
		int n = epoll_wait(ep, events, 64, WAIT_MS);

		CHECK(n > 0);
		for (int i = 0; i < n; i++) {
			CHECK_INT(events[i].events, EPOLLIN);
			CHECK_INT(seen[events[i].data.fd]++, 0);
		}
		count += n;
	}
	CHECK_INT(epoll_wait(ep, (struct epoll_event[1]){}, 1, 0), 0);
}
