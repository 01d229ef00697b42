/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * joint.c - two stream sockets, each of which gets what the other one receives.
 *
 * Nothing blocks. What the receiver does not take is kept, at most one chunk each way, and no more is read till it is
 * gone: a slow reader slows the writer down. The end of a stream is passed on behind its last byte (half close); a
 * failure of one socket resets the other, so that nobody takes half of something for all of it. Who has been told of
 * the end has all of it on the way: that socket is closed as ever, for a reset would overtake what is not read yet.
 */
#include "joint.h"

#include <errno.h>
#include <ioth.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 65536
#define TURNS 8 /* chunks in a direction before others have their turn */

short joint_wants(const struct joint *joint, int end)
{
	const struct joint_end *this = &joint->end[end], *other = &joint->end[1 - end];

	return (short)((!this->ended && this->rest_len == 0 ? POLLIN : 0) | (other->rest_len > 0 ? POLLOUT : 0));
}

/** nothing_now - has a call failed because there is nothing to be done for the moment? */
static bool nothing_now(void)
{
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ENOMEM;
}

/** keep - for later, what @from has given and @len bytes of it were not taken; false: no memory */
static bool keep(struct joint_end *from, const char *bytes, size_t len)
{
	if (from->rest == NULL)
		from->rest = malloc(CHUNK);
	if (from->rest == NULL)
		return false;
	memcpy(from->rest, bytes, len);
	from->rest_at = 0;
	from->rest_len = len;
	return true;
}

/** flush - what was kept; 1: all of it, 0: not now, -1: failed */
static int flush(struct joint_end *from, int to)
{
	while (from->rest_len > 0) {
		ssize_t sent = ioth_send(to, from->rest + from->rest_at, from->rest_len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0)
			return nothing_now() ? 0 : -1;
		from->rest_at += (size_t)sent;
		from->rest_len -= (size_t)sent;
	}
	/* Most connections never need it again. */
	free(from->rest);
	from->rest = NULL;
	return 1;
}

/** chunk - from one to the other, or its end; 1: there may be more, 0: not now, -1: failed */
static int chunk(struct joint_end *from, int to)
{
	char bytes[CHUNK];
	ssize_t len = ioth_recv(from->fd, bytes, sizeof(bytes), MSG_DONTWAIT), sent;

	if (len < 0)
		return nothing_now() ? 0 : -1;
	if (len == 0) {
		/* At once: nothing would make anybody look here again. */
		from->ended = true;
		return ioth_shutdown(to, SHUT_WR) < 0 && errno != ENOTCONN ? -1 : 1;
	}
	sent = ioth_send(to, bytes, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0 && !nothing_now())
		return -1;
	if (sent < 0)
		sent = 0;
	if (sent == len)
		return 1;
	return keep(from, bytes + sent, (size_t)(len - sent)) ? 0 : -1;
}

/** direction - move what can be moved from one to the other; false: it has failed */
static bool direction(struct joint_end *from, int to)
{
	int result = 1;

	for (int turn = 0; result > 0 && turn < TURNS && !from->ended; turn++) {
		result = flush(from, to);
		if (result > 0)
			result = chunk(from, to);
	}
	return result >= 0;
}

bool joint_move(struct joint *joint)
{
	struct joint_end *a = &joint->end[0], *b = &joint->end[1];

	return direction(a, b->fd) && direction(b, a->fd) && !(a->ended && b->ended);
}

void joint_close(struct joint *joint)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};
	const bool told[2] = {joint->end[1].ended, joint->end[0].ended};

	for (int i = 0; i < 2; i++) {
		struct joint_end *end = &joint->end[i];

		if (end->fd >= 0 && !told[i])
			ioth_setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		if (end->fd >= 0)
			ioth_close(end->fd);
		free(end->rest);
		*end = (struct joint_end){.fd = -1};
	}
}
