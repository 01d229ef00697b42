/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * show.c - what poll(2), select(2) and epoll(7) see of a user's end whose bytes do not pass through it.
 *
 * The same moves as in src/usock/ready.c, whose head has the table, with two differences. The user's end is in another
 * process: what needs it (to drain it, to fill it) can be done only while a request holds it, which is enough, because
 * a socket shows less only after a call on it. And a file cannot be put under the number: where that would be necessary
 * sock.c renews it.
 *
 * Streams (connecting, listening, and connections in the mode of calls) are watched for being closed, so their end must
 * not be fuller than need be: `junk` bytes lie in our end, at least one, so that closing it is an error for the other.
 */
#include "private.h"

#include <errno.h>
#include <poll.h>
#include <sys/un.h>
#include <unistd.h>

/* Edges that a datagram user's end is given before it is drained. */
#define EDGES 32

static ssize_t put(int fd, int flags)
{
	return send(fd, "!", 1, MSG_DONTWAIT | MSG_NOSIGNAL | flags);
}

/* ---------------------------------------------------------------------------------------------- single properties */

/** leave_one - drop what lies in our end but the last byte */
static void leave_one(struct served *sock)
{
	char bytes[4096];

	while (sock->junk > 1) {
		size_t len = sock->junk - 1 < sizeof(bytes) ? sock->junk - 1 : sizeof(bytes);
		ssize_t got = recv(sock->own, bytes, len, MSG_DONTWAIT);

		if (got <= 0)
			break;
		sock->junk -= (size_t)got;
	}
}

void serve_show_open(struct served *sock)
{
	leave_one(sock);
	sock->shown |= EPOLLOUT;
}

/** show_full - no OUT; @wholly: writing does not work either, which nobody notices before it is tried */
static void show_full(struct served *sock, bool wholly, int user)
{
	static const char zeros[64 * 1024];
	struct pollfd p = {.fd = user, .events = POLLOUT};
	ssize_t sent;

	/* It is writable until a quarter of SO_SNDBUF is on its way, which as a rule is less than this (unix(7)). */
	do {
		sent = send(user, zeros, sizeof(zeros), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent > 0)
			sock->junk += (size_t)sent;
	} while (sent > 0 && (wholly || (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT))));
	sock->shown &= ~(uint32_t)EPOLLOUT;
}

/** drain - neither IN nor PRI; a byte that is left after an end of file is none */
static void drain(struct served *sock, int user)
{
	char bytes[512];

	if (sock->shown & EPOLLPRI)
		(void)!recv(user, bytes, 1, MSG_OOB | MSG_DONTWAIT);
	/* An urgent byte that was taken keeps its place in the queue, and is IN until somebody reads across it. */
	if (sock->shape == SERVE_DGRAM || (sock->shown & EPOLLPRI))
		while (recv(user, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
			;
	else
		while (recv(user, bytes, sizeof(bytes), MSG_DONTWAIT) == sizeof(bytes))
			;
	sock->waiting = 0;
	sock->shown &= ~(uint32_t)(EPOLLIN | EPOLLPRI);
}

static void take_error(struct served *sock, int user)
{
	socklen_t len = sizeof(int);
	int error;

	getsockopt(user, SOL_SOCKET, SO_ERROR, &error, &len);
	sock->shown &= ~(uint32_t)EPOLLERR;
}

static void show_in(struct served *sock)
{
	if (put(sock->own, 0) == 1)
		sock->waiting++;
	else if (errno == ECONNREFUSED)
		sock->suspect = true; /* the user's end of datagrams is closed */
	sock->shown |= EPOLLIN;
}

/* ---------------------------------------------------------------------------------------------------------- streams */

void serve_show_reset(struct served *sock)
{
	if (sock->own < 0)
		return;
	close(sock->own);
	sock->own = -1;
	sock->pumping = false;
	sock->shown |= EPOLLERR | EPOLLHUP | EPOLLRDHUP | EPOLLIN | EPOLLOUT;
}

static void show_out(struct served *sock, bool out, int user)
{
	if (!out) {
		if (user >= 0)
			show_full(sock, sock->state == SERVE_CONNECTING, user);
		return;
	}
	serve_show_open(sock);
}

static void show_stream(struct served *sock, uint32_t want, uint32_t told, int user)
{
	uint32_t add = want & ~sock->shown, del = sock->shown & ~want;

	if (sock->own < 0) {
		if (user >= 0 && (del & EPOLLERR))
			take_error(sock, user);
		return;
	}
	if ((add & EPOLLERR) && (want & EPOLLHUP)) {
		serve_show_reset(sock);
		return;
	}
	if (user >= 0 && (del & (EPOLLIN | EPOLLPRI)) && !(sock->shown & EPOLLRDHUP)) {
		drain(sock, user);
		add = want & ~sock->shown;
	}
	if (add & (EPOLLRDHUP | EPOLLHUP)) {
		/* OUT first: who sees the end should see all of it. */
		if (add & EPOLLOUT)
			show_out(sock, true, user);
		shutdown(sock->own, want & EPOLLHUP ? SHUT_RDWR : SHUT_WR);
		sock->shown |= EPOLLIN | (want & (EPOLLHUP | EPOLLRDHUP));
	} else if ((add & EPOLLIN) || (want & told & EPOLLIN && !(add & EPOLLPRI))) {
		show_in(sock);
	}
	if ((add & EPOLLPRI) && put(sock->own, MSG_OOB) == 1)
		sock->shown |= EPOLLPRI;
	if ((want ^ sock->shown) & EPOLLOUT)
		show_out(sock, want & EPOLLOUT, user);
}

/* -------------------------------------------------------------------------------------------------------- datagrams */

/** arm - prepare for an error: something unread in our end */
static void arm(struct served *sock, int user)
{
	if (sock->shape == SERVE_DGRAM && !sock->ballast)
		sock->ballast = put(user, 0) == 1;
}

/** dgram_error - our end leaves with something unread in it, which is an error of the other, and comes back */
static void dgram_error(struct served *sock)
{
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	struct sockaddr_un name;
	socklen_t len = sizeof(name);

	if (!sock->ballast || getpeername(sock->own, (struct sockaddr *)&name, &len) < 0)
		return;
	(void)!connect(sock->own, &nobody, sizeof(nobody.sa_family));
	sock->ballast = false;
	sock->shown |= EPOLLERR | EPOLLOUT;
	if (connect(sock->own, (struct sockaddr *)&name, len) < 0)
		sock->suspect = true;
}

static void show_dgram(struct served *sock, uint32_t want, uint32_t told, int user)
{
	uint32_t add, del;

	/* Those that are there show themselves. */
	if (sock->ahead) {
		want &= ~(uint32_t)EPOLLIN;
		sock->shown &= ~(uint32_t)EPOLLIN;
	}
	add = want & ~sock->shown;
	del = sock->shown & ~want;
	if (user >= 0) {
		/* Reading would find the error, not the datagrams: it is taken before, and shown again below. */
		if ((del & EPOLLERR) || ((del & EPOLLIN) && (sock->shown & EPOLLERR)))
			take_error(sock, user);
		if ((del & EPOLLIN) && !(sock->shown & EPOLLRDHUP))
			drain(sock, user);
		/* While there is an error sending would take it. */
		if (!(sock->shown & EPOLLERR))
			arm(sock, user);
		add = want & ~sock->shown;
		if (add & (EPOLLRDHUP | EPOLLHUP)) {
			shutdown(user, want & EPOLLHUP ? SHUT_RDWR : SHUT_RD);
			sock->shown |= EPOLLIN | (want & (EPOLLHUP | EPOLLRDHUP));
		}
	}
	if ((add & EPOLLIN) || (want & told & EPOLLIN && sock->waiting < EDGES))
		show_in(sock);
	if ((add & EPOLLERR) || (want & told & EPOLLERR && sock->ballast))
		dgram_error(sock);
}

void serve_show_none(struct served *sock, int user)
{
	drain(sock, user);
}

void serve_show(struct served *sock, uint32_t want, uint32_t told, int user)
{
	if (want == sock->shown && !(told & want & (EPOLLIN | EPOLLERR)) &&
	    (sock->shape != SERVE_DGRAM || sock->ballast))
		return;
	switch (sock->shape) {
	case SERVE_FRESH:
		/* The only thing that can happen to it, without becoming a stream, is that its stack is stopped. */
		if (user >= 0 && (want & ~sock->shown & EPOLLRDHUP)) {
			shutdown(user, SHUT_RDWR);
			sock->shown |= EPOLLRDHUP | EPOLLIN;
		}
		break;
	case SERVE_STREAM:
		show_stream(sock, want, told, user);
		break;
	case SERVE_DGRAM:
		show_dgram(sock, want, told, user);
		break;
	}
}
