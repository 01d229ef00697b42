/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pump.c - the bytes of a TCP connection, between our end of what the client has and the stack's socket.
 *
 * Outwards bytes are *looked at* in our end (MSG_PEEK), offered to the stack, and as many as it takes are removed, less
 * one: what has been sent always leaves its last byte in our end (junk). So nothing is kept here, the client's buffer
 * is full when the stack's is, and our end can be closed with something unread at any time, which is what resets the
 * client's. Inwards a read is a promise, since the stack's buffer cannot be looked at cheaply: what the user's end does
 * not take is kept, at most one chunk (rest), and no more is read till it is gone.
 *
 * Each end is looked at only when it has been reported to have something (file_told, own_told), and as long as it has;
 * and that our end takes something again is of interest only while there is a rest.
 *
 * The end of the client's bytes shows as RDHUP of our end, and counts when there is nothing but junk in it. A client
 * that has closed with bytes unread makes ERR there: the connection is reset then, as Linux does.
 *
 * Urgent data: the stack shows PRI; its bytes are moved up to the mark, then the urgent one is sent as such on the
 * pair.
 */
#include "private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a read that stops short may have stopped at. */
#define BEHIND (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)
#define TURNS 8 /* chunks in a direction before others have their turn */

void serve_pump_later(struct served *sock)
{
	if (sock->again)
		return;
	sock->again = true;
	sock->again_next = sock->serve->again;
	sock->serve->again = sock;
}

void serve_pump_forget(struct served *sock)
{
	for (struct served **p = &sock->serve->again; *p != NULL; p = &(*p)->again_next) {
		if (*p == sock) {
			*p = sock->again_next;
			return;
		}
	}
}

void serve_pump_again(struct serve *serve)
{
	struct served *sock = serve->again;

	serve->again = NULL;
	while (sock != NULL) {
		struct served *next = sock->again_next;

		sock->again = false;
		if (!sock->dead && sock->pumping)
			serve_pump(sock, 0);
		else if (!sock->dead && sock->ahead)
			serve_sock_sync(sock, 0, -1);
		sock = next;
	}
}

/* -------------------------------------------------------------------------------------------------------- outwards */

/** look - what the client has written, without the junk before it; in the scratch buffer; -1: our end is at an error */
static ssize_t look(struct served *sock)
{
	char junk;
	struct iovec iov[2] = {{&junk, 1}, {sock->serve->scratch, SERVE_CHUNK}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t len = recvmsg(sock->own, &msg, MSG_PEEK | MSG_DONTWAIT);

	if (len < 0)
		return errno == EAGAIN ? 0 : -1;
	return len <= 1 ? 0 : len - 1;
}

bool serve_pump_out(struct served *sock)
{
	unsigned char *bytes = sock->serve->scratch;

	serve_show_open(sock);
	sock->own_told = true;
	for (int turn = 0; turn < TURNS; turn++) {
		ssize_t len = look(sock), sent;

		if (len <= 0) {
			sock->own_told = false;
			return true;
		}
		sent = ioth_send(sock->file, bytes, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0) {
			if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS && errno != ENOMEM)
				sock->error = errno;
			return false;
		}
		/* As many as were sent, beginning with the junk: the last one becomes the junk. */
		if (recv(sock->own, bytes, (size_t)sent, MSG_DONTWAIT) != sent)
			return false;
	}
	serve_pump_later(sock);
	return false;
}

/* --------------------------------------------------------------------------------------------------------- inwards */

/** give - hand bytes to the client; false: it takes no more now, or at all */
static bool give(struct served *sock, const unsigned char *bytes, size_t len)
{
	ssize_t sent = sock->deaf ? (ssize_t)len : send(sock->own, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent < 0 && errno == EPIPE) {
		/* It has shut its end down for reading: what comes is dropped. */
		sock->deaf = true;
		return true;
	}
	if (sent < 0)
		sent = 0;
	if ((size_t)sent == len)
		return true;
	if (bytes == sock->rest + sock->rest_at) {
		sock->rest_at += (size_t)sent;
		sock->rest_len -= (size_t)sent;
		return false;
	}
	if (sock->rest == NULL)
		sock->rest = malloc(SERVE_CHUNK);
	if (sock->rest == NULL) {
		sock->error = ENOMEM; /* bytes are lost: the client must know */
		return false;
	}
	sock->rest_at = 0;
	sock->rest_len = len - (size_t)sent;
	memcpy(sock->rest, bytes + sent, sock->rest_len);
	return false;
}

/** is_inline - is the urgent byte one like the others (SO_OOBINLINE)? Otherwise the one at the mark was taken already */
static bool is_inline(const struct served *sock)
{
	int on = 0;
	socklen_t len = sizeof(on);

	return ioth_getsockopt(sock->file, SOL_SOCKET, SO_OOBINLINE, &on, &len) == 0 && on;
}

/** urgent - at the mark: pass the urgent byte on as one */
static void urgent(struct served *sock)
{
	unsigned char byte;
	ssize_t len;

	/* Not only when PRI was seen: to read on from the mark would skip the urgent byte. */
	if (ioth_sockatmark(sock->file) != 1)
		return;
	len = ioth_recv(sock->file, &byte, 1, MSG_OOB | MSG_DONTWAIT);
	if (len < 0 && errno == EINVAL && is_inline(sock))
		len = ioth_recv(sock->file, &byte, 1, MSG_DONTWAIT);
	if (len != 1)
		return;
	sock->file_careful = true;
	(void)!send(sock->own, &byte, 1, MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL);
}

/**
 * look_first - what there is to be read, as poll(2) says
 *
 * For a socket that had urgent data: to read where there is nothing would pass over an urgent byte that comes just then.
 */
static short look_first(const struct served *sock)
{
	struct pollfd p = {.fd = sock->file, .events = POLLIN | POLLPRI | POLLRDHUP};

	return poll(&p, 1, 0) < 0 ? POLLIN : p.revents;
}

static void pump_in(struct served *sock)
{
	unsigned char *bytes = sock->serve->scratch;

	if (sock->rest_len > 0) {
		if (!give(sock, sock->rest + sock->rest_at, sock->rest_len))
			return;
		sock->rest_len = 0;
	}
	for (int turn = 0; sock->file_told && !sock->file_ended; turn++) {
		ssize_t len;

		if (turn == TURNS) {
			serve_pump_later(sock);
			return;
		}
		urgent(sock);
		if (sock->file_careful) {
			short events = look_first(sock);

			sock->file_told = events != 0;
			if (events == 0 || (events & POLLPRI))
				continue;
		}
		len = ioth_recv(sock->file, bytes, SERVE_CHUNK, MSG_DONTWAIT);
		if (len < 0) {
			sock->file_told = errno == EINTR;
			if (errno != EAGAIN && errno != EINTR && sock->error == 0)
				sock->error = errno;
			break;
		}
		/* All that there was: what comes later is reported. What has been reported is behind it. */
		if (len < SERVE_CHUNK && !(sock->seen & BEHIND))
			sock->file_told = false;
		if (len == 0) {
			sock->file_ended = true;
			shutdown(sock->own, SHUT_WR);
		} else if (!give(sock, bytes, (size_t)len)) {
			break;
		}
	}
}

/* ------------------------------------------------------------------------------------------------------------- both */

/** abort_connection - reset it: the client has closed without reading what came */
static void abort_connection(struct served *sock)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	ioth_setsockopt(sock->file, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	serve_sock_release(sock);
}

/** own_events - what epoll says of our end; false: that was the end of it */
static bool own_events(struct served *sock, uint32_t events)
{
	if (events & ~(uint32_t)EPOLLOUT)
		sock->own_told = true;
	if (events & (EPOLLRDHUP | EPOLLHUP))
		sock->own_rdhup = true;
	if ((events & (EPOLLHUP | EPOLLERR)) && !sock->closing && !serve_sock_alive(sock)) {
		int error = 0;
		socklen_t len = sizeof(error);

		getsockopt(sock->own, SOL_SOCKET, SO_ERROR, &error, &len);
		sock->closing = true;
		if ((events & EPOLLERR) || error != 0 || sock->rest_len > 0) {
			abort_connection(sock);
			return false;
		}
	}
	return true;
}

/** errors - of the stack's socket, when there is nothing to read that would bring them */
static void errors(struct served *sock)
{
	socklen_t len = sizeof(int);

	if ((sock->seen & EPOLLERR) && sock->file_ended && sock->error == 0 &&
	    ioth_getsockopt(sock->file, SOL_SOCKET, SO_ERROR, &sock->error, &len) < 0)
		sock->error = errno;
}

void serve_pump(struct served *sock, uint32_t events)
{
	bool all;

	if (!own_events(sock, events))
		return;
	all = !sock->own_told || serve_pump_out(sock);
	if (all && sock->own_rdhup && !sock->own_ended) {
		sock->own_ended = true;
		if (!sock->closing)
			ioth_shutdown(sock->file, SHUT_WR);
	}
	if (sock->closing) {
		/* Nobody reads any more. What is still here is sent, as long as it can be. */
		if (all || sock->error)
			serve_sock_release(sock);
		return;
	}
	pump_in(sock);
	serve_sock_hear_out(sock, sock->rest_len > 0);
	errors(sock);
	if (sock->error != 0 && sock->rest_len == 0)
		serve_show_reset(sock);
}
