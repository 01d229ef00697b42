/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream_recv.c - the receiving side of TCP sockets.
 *
 * What arrives stays in the engine's buffers, and the socket keeps references to it, *chunks*, in a ring. As the
 * program takes bytes, chunks are released and the engine is told, once a call, that its window may open by so many.
 *
 * Small segments that come when others wait already are copied together into blocks of our own, so that a peer that
 * sends its window in single bytes does not occupy a whole buffer with each.
 *
 * An urgent byte is a chunk of its own, one byte in a block: it is read in its place with SO_OOBINLINE, skipped
 * without. Only the last one is urgent; when another comes, the one before it becomes an ordinary byte, as in Linux.
 *
 * Reading stops before an urgent byte when something was read, so that the program sees the mark.
 */
#include "stream.h"

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#define RING_FIRST 8U
#define SMALL 256U            /* segments of at most this are copied when others wait */
#define BLOCK 2048U           /* our own blocks */
#define RCVBUF_MOST (1 << 18) /* where SO_RCVBUF was not set; half of it is the window */

static struct usock__chunk *chunk_at(const struct usock__stream *s, unsigned int i)
{
	return &s->ring[(s->ring_head + i) % s->ring_size];
}

/** ring_grow - room for one more chunk; false: no memory */
static bool ring_grow(struct usock__stream *s)
{
	unsigned int size = s->ring_size == 0 ? RING_FIRST : 2 * s->ring_size;
	struct usock__chunk *ring;

	if (s->ring_count < s->ring_size)
		return true;
	ring = malloc(size * sizeof(*ring));
	if (ring == NULL)
		return false;
	for (unsigned int i = 0; i < s->ring_count; i++)
		ring[i] = *chunk_at(s, i);
	if (s->urgent)
		s->urgent_slot = (s->urgent_slot + s->ring_size - s->ring_head) % s->ring_size;
	free(s->ring);
	s->ring = ring;
	s->ring_size = size;
	s->ring_head = 0;
	return true;
}

static void chunk_free(struct usock__stream *s, struct usock__chunk *chunk)
{
	struct usock_stack *stack = s->inet.sock.stack;

	if (chunk->own)
		free(chunk->buffer);
	else
		stack->engine->release(stack->e, chunk->buffer);
}

/** pop - the first chunk has been used up */
static void pop(struct usock__stream *s)
{
	struct usock__chunk *chunk = chunk_at(s, 0);

	if (s->urgent && s->urgent_slot == s->ring_head)
		s->urgent = s->urgent_valid = false;
	s->queued -= chunk->len - s->consumed;
	s->consumed = 0;
	chunk_free(s, chunk);
	s->ring_head = (s->ring_head + 1) % s->ring_size;
	s->ring_count--;
}

void usock__stream_purge(struct usock__stream *s)
{
	while (s->ring_count > 0)
		pop(s);
	s->urgent = s->urgent_valid = false;
}

/** at_urgent - is the chunk the urgent byte? */
static bool is_urgent(const struct usock__stream *s, unsigned int i)
{
	return s->urgent && (s->ring_head + i) % s->ring_size == s->urgent_slot;
}

bool usock__stream_at_mark(const struct usock__stream *s)
{
	return s->ring_count > 0 && is_urgent(s, 0);
}

/** stamped - does the program want to know when bytes arrived? */
static bool stamped(const struct usock__options *options)
{
	return options->timestamp || options->timestampns || (options->timestamping & SOF_TIMESTAMPING_SOFTWARE);
}

static int64_t stamp(const struct usock__options *options)
{
	struct timespec now;

	if (!stamped(options))
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/** block_append - copy bytes to the end of our own block, if the last chunk is one with room */
static bool block_append(struct usock__stream *s, const unsigned char *data, size_t len)
{
	struct usock__chunk *last = s->ring_count > 0 ? chunk_at(s, s->ring_count - 1) : NULL;

	if (last == NULL || !last->own || last->room < len)
		return false;
	memcpy((unsigned char *)last->buffer + (last->data - (unsigned char *)last->buffer) + last->len, data, len);
	last->len += (uint32_t)len;
	last->room -= (uint32_t)len;
	last->when = stamp(&s->inet.sock.options);
	return true;
}

/** block_new - a chunk of our own; false: no memory */
static bool block_new(struct usock__stream *s, const unsigned char *data, size_t len, size_t size)
{
	unsigned char *block = malloc(size);

	if (block == NULL)
		return false;
	memcpy(block, data, len);
	*chunk_at(s, s->ring_count++) = (struct usock__chunk){.data = block,
	                                                      .len = (uint32_t)len,
	                                                      .room = (uint32_t)(size - len),
	                                                      .buffer = block,
	                                                      .own = true,
	                                                      .when = stamp(&s->inet.sock.options)};
	return true;
}

/** lost - bytes that the peer believes to be here are not: the connection cannot go on; reset, but not within the
 * engine's call */
static void lost(struct usock__stream *s)
{
	struct usock_stack *stack = s->inet.sock.stack;

	s->broken = true;
	usock__timer_set(stack, &s->timer, usock_now(stack));
}

void usock_tcp_input(struct usock_tcp *tcp, const unsigned char *data, size_t len, void *buffer)
{
	struct usock__stream *s = (struct usock__stream *)((char *)tcp - offsetof(struct usock__stream, tcp));
	struct usock_stack *stack = s->inet.sock.stack;
	bool small = len <= SMALL && s->ring_count > 0;

	if (len == 0 || s->broken) {
		stack->engine->release(stack->e, buffer);
		return;
	}
	if (small && block_append(s, data, len)) {
		stack->engine->release(stack->e, buffer);
	} else if (!ring_grow(s)) {
		stack->engine->release(stack->e, buffer);
		lost(s);
		return;
	} else if (small && block_new(s, data, len, BLOCK)) {
		stack->engine->release(stack->e, buffer);
	} else {
		*chunk_at(s, s->ring_count++) = (struct usock__chunk){
		        .data = data, .len = (uint32_t)len, .buffer = buffer, .when = stamp(&s->inet.sock.options)};
	}
	s->queued += len;
	usock__stream_tell(s, EPOLLIN);
	usock__stream_arrived(s, false);
}

void usock_tcp_urgent(struct usock_tcp *tcp, unsigned char byte)
{
	struct usock__stream *s = (struct usock__stream *)((char *)tcp - offsetof(struct usock__stream, tcp));

	if (s->broken)
		return;
	/* An older urgent byte is an ordinary one now; but one that is next was as good as read. */
	if (usock__stream_at_mark(s) && !s->inet.sock.options.oobinline)
		pop(s);
	if (!ring_grow(s) || !block_new(s, &byte, 1, 1)) {
		lost(s);
		return;
	}
	s->urgent = s->urgent_valid = true;
	s->urgent_slot = (s->ring_head + s->ring_count - 1) % s->ring_size;
	s->queued++;
	usock__stream_tell(s, EPOLLPRI | EPOLLIN);
	usock__stream_arrived(s, false);
}

/** target - how many bytes make a recv of @len complete */
static size_t target(const struct usock__stream *s, int flags, size_t len)
{
	size_t lowat = s->inet.sock.options.rcvlowat > 0 ? (size_t)s->inet.sock.options.rcvlowat : 1;

	if (flags & MSG_WAITALL)
		return len > 0 ? len : 1;
	return len > 0 && len < lowat ? len : lowat;
}

bool usock__stream_readable(const struct usock__stream *s)
{
	size_t want = target(s, 0, 0);

	if (s->queued == 0)
		return false;
	if (usock__stream_at_mark(s) && !s->inet.sock.options.oobinline)
		want++;
	/* A full buffer has to be read, or what SO_RCVLOWAT asks for would never come. */
	return s->queued >= want || s->queued >= (size_t)s->inet.sock.options.rcvbuf / 2;
}

size_t usock__stream_inq(const struct usock__stream *s)
{
	size_t before = 0;

	if (!s->urgent || s->inet.sock.options.oobinline)
		return s->queued;
	for (unsigned int i = 0; i < s->ring_count && !is_urgent(s, i); i++)
		before += chunk_at(s, i)->len;
	return before - (usock__stream_at_mark(s) ? 0 : s->consumed);
}

/** recv_urgent - MSG_OOB: never waits */
static int recv_urgent(struct usock__stream *s, struct usock__xfer *xfer)
{
	unsigned char byte;

	if (s->inet.sock.options.oobinline || !s->urgent_valid)
		return -EINVAL;
	if (s->state == STREAM_CLOSE && !s->done)
		return -ENOTCONN;
	byte = s->ring[s->urgent_slot].data[0];
	if (!(xfer->flags & MSG_PEEK))
		s->urgent_valid = false;
	xfer->msg_flags |= MSG_OOB;
	if (xfer->len == 0) {
		xfer->msg_flags |= MSG_TRUNC;
	} else {
		if (!(xfer->flags & MSG_TRUNC))
			usock__copy_out(xfer, 0, &byte, 1);
		xfer->done = 1;
	}
	usock__stream_tell(s, 0);
	return 0;
}

/** control - what comes with the bytes: SO_TIMESTAMP of the last one, TCP_INQ */
static void control(struct usock__stream *s, struct usock__xfer *xfer, int64_t when)
{
	const struct usock__options *options = &s->inet.sock.options;
	struct timespec time = {.tv_sec = (time_t)(when / 1000000000), .tv_nsec = (long)(when % 1000000000)};

	xfer->controllen = 0; /* an earlier part of the same call may have written some */
	if (when != 0 && options->timestampns) {
		usock__cmsg_put(xfer, SOL_SOCKET, options->timestamp_new ? SO_TIMESTAMPNS_NEW : SO_TIMESTAMPNS_OLD,
		                &time, sizeof(time));
	} else if (when != 0 && options->timestamp) {
		struct timeval micro = {.tv_sec = time.tv_sec, .tv_usec = time.tv_nsec / 1000};

		usock__cmsg_put(xfer, SOL_SOCKET, options->timestamp_new ? SO_TIMESTAMP_NEW : SO_TIMESTAMP_OLD, &micro,
		                sizeof(micro));
	}
	if (when != 0 && (options->timestamping & SOF_TIMESTAMPING_SOFTWARE)) {
		struct scm_timestamping stamps = {.ts = {time}};

		usock__cmsg_put(xfer, SOL_SOCKET, options->timestamp_new ? SO_TIMESTAMPING_NEW : SO_TIMESTAMPING_OLD,
		                &stamps, sizeof(stamps));
	}
	if (s->options.inq) {
		size_t left = s->queued;
		int inq = left == 0 && s->done ? 1 : left > INT32_MAX ? INT32_MAX : (int)left;

		usock__cmsg_put(xfer, IPPROTO_TCP, TCP_CM_INQ, &inq, sizeof(inq));
	}
}

/**
 * take - move bytes from the ring to the program, and out of the ring
 *
 * Returns how many bytes the engine's window may open by, which includes a skipped urgent byte.
 */
static size_t take(struct usock__stream *s, struct usock__xfer *xfer, int64_t *when)
{
	bool inlined = s->inet.sock.options.oobinline;
	size_t opened = 0;

	while (s->ring_count > 0 && xfer->done < xfer->len) {
		struct usock__chunk *chunk = chunk_at(s, 0);
		size_t n = chunk->len - s->consumed;

		if (is_urgent(s, 0)) {
			if (xfer->done > 0)
				break;
			if (!inlined) {
				pop(s);
				opened++;
				continue;
			}
			/* Read in its place, it is no mark any more. */
			s->urgent = s->urgent_valid = false;
		}
		if (n > xfer->len - xfer->done)
			n = xfer->len - xfer->done;
		if (!(xfer->flags & MSG_TRUNC) && usock__copy_out(xfer, 0, chunk->data + s->consumed, n) != n)
			break;
		xfer->done += n;
		opened += n;
		*when = chunk->when;
		s->consumed += n;
		s->queued -= n;
		if (s->consumed == chunk->len)
			pop(s);
	}
	return opened;
}

/** peek - the same, and leave them; beginning at SO_PEEK_OFF and at what was peeked in earlier parts of the call */
static void peek(const struct usock__stream *s, struct usock__xfer *xfer, int64_t *when)
{
	const struct usock__options *options = &s->inet.sock.options;
	size_t skip = s->consumed + (options->peek_off > 0 ? (size_t)options->peek_off : 0);
	size_t before = xfer->done;

	/* SO_PEEK_OFF moves with the bytes of this call, which its caller has not counted yet. */
	if (options->peek_off < 0)
		skip += before;
	for (unsigned int i = 0; i < s->ring_count && xfer->done < xfer->len; i++) {
		const struct usock__chunk *chunk = chunk_at(s, i);
		size_t n;

		if (is_urgent(s, i)) {
			if (xfer->done > 0)
				break;
			if (!options->oobinline)
				continue;
		}
		if (skip >= chunk->len) {
			skip -= chunk->len;
			continue;
		}
		n = chunk->len - skip;
		if (n > xfer->len - xfer->done)
			n = xfer->len - xfer->done;
		if (!(xfer->flags & MSG_TRUNC) && usock__copy_out(xfer, 0, chunk->data + skip, n) != n)
			break;
		xfer->done += n;
		*when = chunk->when;
		skip = 0;
	}
}

/** nothing - what a recv says that has got less than it wants */
static int nothing(struct usock__stream *s, const struct usock__xfer *xfer)
{
	struct usock *sock = &s->inet.sock;

	if (xfer->done > 0) {
		bool over = sock->error != 0 || s->state == STREAM_CLOSE || (sock->shutdown & USOCK_RCV_SHUTDOWN);

		return over || usock__stream_at_mark(s) ? 0 : -EAGAIN;
	}
	if (s->done)
		return 0;
	if (sock->error != 0)
		return usock__take_error(sock);
	if (sock->shutdown & USOCK_RCV_SHUTDOWN)
		return 0;
	return s->state == STREAM_CLOSE ? -ENOTCONN : -EAGAIN;
}

/**
 * widen - let the receive buffer grow while the program keeps up, as Linux does (tcp_moderate_rcvbuf)
 *
 * A window is what can be on its way in one round trip, and here one round trip is a batch of frames. Each time that a
 * program has taken as much as the window holds, the buffer doubles, unless it has said how large it shall be.
 */
static void widen(struct usock__stream *s, size_t taken)
{
	struct usock__options *options = &s->inet.sock.options;

	if (options->rcvbuf_set || s->options.window_clamp != 0 || options->rcvbuf >= RCVBUF_MOST)
		return;
	s->taken += taken;
	if (s->taken < (size_t)options->rcvbuf / 2)
		return;
	s->taken = 0;
	options->rcvbuf *= 2;
	if (usock__stream_option_changed(&s->inet.sock, SO_RCVBUF) != 0)
		options->rcvbuf /= 2;
}

int usock__stream_recv(struct usock *sock, struct usock__xfer *xfer)
{
	struct usock__stream *s = usock__stream_of(sock);
	struct usock_stack *stack = sock->stack;
	struct usock__options *options = &sock->options;
	size_t before = xfer->done, opened = 0;
	int64_t when = 0;

	if (xfer->flags & MSG_ERRQUEUE)
		return usock__errqueue_recv(sock, xfer);
	if (s->state == STREAM_LISTEN)
		return -ENOTCONN;
	if (xfer->flags & MSG_OOB)
		return recv_urgent(s, xfer);
	if (xfer->flags & MSG_PEEK)
		peek(s, xfer, &when);
	else
		opened = take(s, xfer, &when);
	if (options->peek_off >= 0 && xfer->done > before) {
		int moved = (int)(xfer->done - before);

		if (xfer->flags & MSG_PEEK)
			options->peek_off += moved;
		else
			options->peek_off = options->peek_off > moved ? options->peek_off - moved : 0;
	}
	if (opened > 0) {
		usock__stream_tell(s, 0);
		if (usock__stream_attached(s))
			stack->engine->tcp_recved(stack->e, &s->tcp, opened);
		if (usock__stream_attached(s))
			widen(s, opened);
	}
	if (xfer->done > before && (stamped(options) || s->options.inq))
		control(s, xfer, when);
	if (xfer->done >= target(s, xfer->flags, xfer->len) || (xfer->len == 0 && s->queued > 0))
		return 0;
	return nothing(s, xfer);
}
