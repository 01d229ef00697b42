/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * model.c - what has to be true of the sockets of a world.
 *
 * Of a stream: each byte that comes out is the one that went in at that place, and no more come out than went in. An
 * error that ends a connection has a reason: the test has reset it, or closed one side. Of a descriptor: it shows IN
 * when, and only when, there is something to be had, RDHUP at the end of a stream, OUT when nothing is waiting to be
 * sent, ERR when there is an error to be fetched. Of a thread: it does not sleep while what it waits for is there.
 */
#include "model.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

struct sock sock[SOCKS];
struct conn conn[CONNS];
unsigned int conns;

int on(const struct sock *s)
{
	world_socket = s->data;
	world_fd = s->fd;
	return s->fd;
}

struct sock *sock_new(void)
{
	for (unsigned int i = 0; i < SOCKS; i++)
		if (sock[i].kind == NONE && sock[i].calls == 0)
			return &sock[i];
	return NULL;
}

void sock_made(struct sock *s, enum kind kind, int family, int fd)
{
	*s = (struct sock){.kind = kind, .fd = fd, .family = family, .data = world_socket, .calls = s->calls};
}

struct conn *conn_of(int family, uint16_t client, uint16_t server, unsigned int side)
{
	struct conn *c;

	for (unsigned int i = conns; i-- > 0;) {
		c = &conn[i];
		if (c->family == family && c->port[0] == client && c->port[1] == server && !c->known[side]) {
			c->known[side] = true;
			return c;
		}
	}
	if (conns == CONNS)
		world_fail("more connections than this test has room for");
	c = &conn[conns++];
	*c = (struct conn){.family = family, .port = {client, server}};
	c->known[side] = true;
	if (world.nomem)
		conn_break(c, "memory fails");
	return c;
}

void conn_break(struct conn *c, const char *why)
{
	if (c && !c->broken)
		world_trace("from now on connection %d may be reset: %s", (int)(c - conn), why);
	if (c && !c->broken)
		c->why = why;
	if (c)
		c->broken = true;
}

unsigned char conn_byte(const struct conn *c, unsigned int from, uint64_t at)
{
	uint64_t z = (at + 1) * 0x9e3779b97f4a7c15U + (uint64_t)(2 * (c - conn) + from) * 0xbf58476d1ce4e5b9U;

	return (unsigned char)(z >> 56);
}

void model_took(struct sock *s, const unsigned char *bytes, size_t len, bool peeked)
{
	struct way *way = &s->conn->way[!s->side];

	if (way->received + len > way->offered)
		world_fail("socket %d: %zu bytes from %llu on are more than were sent, %llu", (int)(s - sock), len,
		           (unsigned long long)way->received, (unsigned long long)way->offered);
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != conn_byte(s->conn, !s->side, way->received + i))
			world_fail("socket %d: byte %llu is wrong", (int)(s - sock),
			           (unsigned long long)(way->received + i));
	if (!peeked)
		way->received += len;
}

/** model_error_stream - an error of a stream that calls do not explain by themselves */
static bool stream_error(const struct sock *s, int error)
{
	switch (error) {
	case ECONNRESET:
	case ETIMEDOUT:
	case EPIPE:
		return s->conn ? s->conn->broken : s->kind == CONNECTING || s->kind == OVER || world.hostile;
	case ECONNREFUSED:
	case ECONNABORTED:
		return s->kind == CONNECTING || s->kind == FRESH || s->kind == OVER;
	case ENOBUFS:
	case ENOMEM:
		return world.hostile;
	default:
		return false;
	}
}

void model_error(struct sock *s, const char *call, int error)
{
	if (!stream_error(s, error))
		world_fail("socket %d (kind %d): %s: %s, and there is no reason", (int)(s - sock), s->kind, call,
		           strerror(error));
	if (error != ENOBUFS && error != ENOMEM)
		s->failed = true;
}

unsigned int shown(const struct sock *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI};

	if (poll(&p, 1, 0) < 0)
		world_fail("poll: %s", strerror(errno));
	return (unsigned int)p.revents;
}

/** receiver_sleeps - does the thread that receives on this socket sleep, and is nobody about to wake it? */
static bool receiver_sleeps(const struct sock *s)
{
	for (unsigned int i = 0; i < TASKS; i++)
		if (world.task[i].state == TASK_READY)
			return false;
	return s->receiver->state == TASK_BLOCKED && !world_goes_on(s->receiver);
}

/** check_input - IN, RDHUP and what a read would say; with a thread in recv IN is left to it */
static void check_input(struct sock *s, unsigned int events)
{
	unsigned char byte;
	ssize_t n;

	/* A read would fetch the error, and nobody has asked for it yet. */
	if (events & POLLERR)
		return;
	n = world.f.recv(on(s), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != ENOTCONN)
		world_fail("socket %d: recv says %s, and poll had no ERR", (int)(s - sock), strerror(errno));
	if (n > 0 && s->conn && !s->receiving)
		model_took(s, &byte, 1, true);
	if (n == 0 && s->conn && !s->no_read && !s->failed && !s->conn->way[!s->side].ended && !s->conn->broken)
		world_fail("socket %d: an end that nobody has made", (int)(s - sock));
	if (s->receiving) {
		if (n >= 0 && !s->all && receiver_sleeps(s))
			world_fail("socket %d: a thread sleeps in recv, which would return %zd", (int)(s - sock), n);
		return;
	}
	if (s->calls > 0)
		return; /* it shows what has changed when the call ends */
	if ((n >= 0) != !!(events & POLLIN))
		world_fail("socket %d (kind %d): recv says %zd (%s), poll shows 0x%x", (int)(s - sock), s->kind, n,
		           n < 0 ? strerror(errno) : "", events);
	if (n == 0 && !(events & POLLRDHUP))
		world_fail("socket %d (kind %d): the end of the stream without RDHUP: 0x%x", (int)(s - sock), s->kind,
		           events);
}

static void check_stream(struct sock *s)
{
	unsigned int events = shown(s);
	int unsent = -1;

	check_input(s, events);
	if (s->calls > 0 || (events & POLLERR))
		return;
	if (s->kind == CONNECTED && !(events & POLLOUT) && world.f.ioctl(on(s), SIOCOUTQ, &unsent) == 0 && unsent == 0)
		world_fail("socket %d: nothing is waiting to be sent, and poll shows no OUT: 0x%x", (int)(s - sock),
		           events);
	if (s->kind == CONNECTED && (events & POLLHUP) && !s->failed && !s->conn->broken &&
	    !(s->no_write && (s->no_read || s->conn->way[!s->side].ended)))
		world_fail("socket %d: HUP of a connection that is open: 0x%x", (int)(s - sock), events);
}

static void check_datagram(struct sock *s)
{
	unsigned int events = shown(s);
	char byte;
	ssize_t n;

	if (s->calls > 0 || (events & POLLERR))
		return;
	if (s->no_read)
		return; /* readable, as Linux says, and EAGAIN for who does not wait */
	n = world.f.recv(on(s), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if ((n >= 0) != !!(events & POLLIN))
		world_fail("datagram socket %d: recv says %zd (%s), poll shows 0x%x", (int)(s - sock), n,
		           strerror(errno), events);
	if (!(events & POLLOUT))
		world_fail("datagram socket %d: no OUT: 0x%x", (int)(s - sock), events);
}

void model_check(void)
{
	for (unsigned int i = 0; i < SOCKS; i++) {
		struct sock *s = &sock[i];

		switch (s->kind) {
		case CONNECTED:
		case OVER:
			check_stream(s);
			break;
		case FRESH:
			if (s->calls == 0 && shown(s) != (POLLOUT | POLLHUP))
				world_fail("socket %u is new and shows 0x%x", i, shown(s));
			break;
		case DATAGRAM:
			check_datagram(s);
			break;
		case CONNECTING:
		case LISTENING:
		case NONE:
			break;
		}
	}
}
