/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream_send.c - the sending side of TCP sockets.
 *
 * The engine keeps what is to be sent; usock keeps nothing. A send takes as many bytes as the engine has room for and,
 * when SO_SNDBUF was set, as that allows: bytes count till they are acknowledged. Half of what getsockopt shows are
 * bytes of the program, the rest is Linux's bookkeeping.
 *
 * What TCP_CORK and MSG_MORE hold back is with the engine, too, which was told that more follows. After 200 ms it is
 * sent whatever happens, by the timer of the socket. A FIN for which the engine has no memory is tried again: when
 * something was acknowledged, and by the same timer.
 */
#include "stream.h"

#include <string.h>

#define CORK_TIME (200 * INT64_C(1000000))
#define FIN_AGAIN (50 * INT64_C(1000000))
#define SNDBUF_MOST (4U << 20) /* where SO_SNDBUF was not set: Linux's tcp_wmem */

/** limit - how many unacknowledged bytes SO_SNDBUF allows */
static size_t limit(const struct usock__stream *s)
{
	return s->sndbuf_locked ? (size_t)s->inet.sock.options.sndbuf / 2 : SNDBUF_MOST;
}

/** notsent_full - does TCP_NOTSENT_LOWAT forbid to queue more? @shift: 1 for poll, which wants twice the room, as Linux
 */
static bool notsent_full(const struct usock__stream *s, unsigned int shift)
{
	struct usock_stack *stack = s->inet.sock.stack;
	uint32_t lowat = s->options.notsent_lowat;

	if (lowat == 0)
		return false;
	return (uint64_t)stack->engine->tcp_unsent(stack->e, &((struct usock__stream *)(uintptr_t)s)->tcp) << shift >=
	       lowat;
}

/** room - how many bytes may be queued now */
static size_t room(struct usock__stream *s)
{
	struct usock_stack *stack = s->inet.sock.stack;
	size_t most = limit(s), used, free;

	if (notsent_full(s, 0))
		return 0;
	used = stack->engine->tcp_unacked(stack->e, &s->tcp);
	if (used >= most)
		return 0;
	free = stack->engine->tcp_room(stack->e, &s->tcp);
	return free < most - used ? free : most - used;
}

bool usock__stream_writable(const struct usock__stream *s)
{
	struct usock_stack *stack = s->inet.sock.stack;
	struct usock_tcp *tcp = (struct usock_tcp *)(uintptr_t)&s->tcp;
	size_t most = limit(s), used, free;

	if (!usock__stream_attached(s))
		return true; /* to be told that it does not work */
	used = stack->engine->tcp_unacked(stack->e, tcp);
	free = stack->engine->tcp_room(stack->e, tcp);
	if (free == 0 || used >= most || notsent_full(s, 1))
		return false;
	/* A third has to be free, so that nobody is woken for a few bytes. */
	return (free < most - used ? free : most - used) >= used / 2;
}

void usock__stream_push(struct usock__stream *s)
{
	struct usock_stack *stack = s->inet.sock.stack;

	if (!s->fin_wanted)
		usock__timer_clear(stack, &s->timer);
	if (usock__stream_attached(s))
		stack->engine->tcp_flush(stack->e, &s->tcp);
}

/** corked - something may be held back: not for longer than CORK_TIME */
static void corked(struct usock__stream *s)
{
	struct usock_stack *stack = s->inet.sock.stack;

	if (s->timer.when == 0 && stack->engine->tcp_unsent(stack->e, &s->tcp) > 0)
		usock__timer_set(stack, &s->timer, usock_now(stack) + CORK_TIME);
}

void usock__stream_fin(struct usock__stream *s)
{
	struct usock_stack *stack = s->inet.sock.stack;

	s->fin_wanted = false;
	if (!usock__stream_attached(s))
		return;
	usock__timer_clear(stack, &s->timer);
	if (stack->engine->tcp_shutdown(stack->e, &s->tcp) == 0 || !usock__stream_attached(s))
		return;
	s->fin_wanted = true;
	usock__timer_set(stack, &s->timer, usock_now(stack) + FIN_AGAIN);
}

void usock__stream_sender_timer(struct usock__stream *s)
{
	if (s->fin_wanted)
		usock__stream_fin(s);
	else
		usock__stream_push(s);
}

/** failed - what a send that cannot go on says: the pending error, or that the pipe is broken */
static int failed(struct usock__stream *s, const struct usock__xfer *xfer)
{
	int ret;

	if (xfer->done > 0)
		return 0; /* what was sent counts; the error is the next call's */
	ret = usock__take_error(&s->inet.sock);
	return ret != 0 ? ret : -EPIPE;
}

/** urgent - the last byte of a MSG_OOB send */
static int urgent(struct usock__stream *s, struct usock__xfer *xfer)
{
	struct usock_stack *stack = s->inet.sock.stack;
	unsigned char byte;
	int ret;

	if (usock__copy_in(xfer, 0, &byte, 1) != 1)
		return -EFAULT;
	ret = room(s) == 0 ? -EAGAIN : stack->engine->tcp_urgent(stack->e, &s->tcp, byte);
	if (ret == -ENOBUFS)
		ret = -EAGAIN;
	if (ret == 0)
		xfer->done++;
	return ret;
}

int usock__stream_send(struct usock *sock, struct usock__xfer *xfer)
{
	struct usock__stream *s = usock__stream_of(sock);
	struct usock_stack *stack = sock->stack;
	size_t ordinary = xfer->len;
	bool more = s->options.cork || (xfer->flags & MSG_MORE);

	if (xfer->flags & MSG_FASTOPEN)
		return -EOPNOTSUPP;
	if (s->state == STREAM_SYN_SENT && sock->error == 0)
		return -EAGAIN;
	if (sock->error != 0 || (sock->shutdown & USOCK_SEND_SHUTDOWN) || !usock__stream_is(s, STREAM_SENDING))
		return failed(s, xfer);
	if (xfer->flags & MSG_OOB) {
		if (stack->engine->tcp_urgent == NULL)
			return -EOPNOTSUPP;
		if (ordinary > 0)
			ordinary--;
	}
	while (xfer->done < ordinary) {
		size_t left = ordinary - xfer->done, free = room(s);
		ssize_t n;

		if (free == 0)
			break;
		/* When the bytes do not all fit, the segments are full but the last, and nothing is gained by holding
		 * that back. */
		n = stack->engine->tcp_write(stack->e, &s->tcp, xfer->msg->msg_iov, (unsigned int)xfer->msg->msg_iovlen,
		                             xfer->done, left < free ? left : free,
		                             (more && left <= free) || (xfer->flags & MSG_OOB));
		if (!usock__stream_attached(s))
			return failed(s, xfer);
		if (n < 0 && n != -ENOBUFS && n != -EAGAIN)
			return xfer->done > 0 ? 0 : (int)n;
		if (n <= 0)
			break;
		xfer->done += (size_t)n;
	}
	if (more && usock__stream_attached(s))
		corked(s);
	if (xfer->done < ordinary)
		return -EAGAIN;
	if (xfer->done < xfer->len)
		return urgent(s, xfer);
	return 0;
}
