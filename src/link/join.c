/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * join.c - TCP segments that are sent one after the other leave as one.
 *
 * A stack without an adapter that would cut makes segments of the MTU, and would pay for each on the way through memory: a
 * place in a ring, a lock-free exchange, a buffer and a walk through the layers of the other side. What it sends in one go is
 * put together here, where it lies: the headers of the first are copied, of the others only the place of their payload is
 * noted. Nothing waits for more; what is kept is sent when the stack has sent all it has to send, or something else.
 *
 * Checksums must be left to be done: that of the whole is another. The rules are those of segment.c, so the cut gives
 * back what went in.
 */
#include "join.h"

#include <string.h>

/** begin - with the first segment */
static void begin(struct link__join *join, const struct link_frame *frame, const struct link__segment *s)
{
	join->first = *s;
	join->first.data = memcpy(join->headers, s->data, s->headers);
	join->piece[0] = (struct iovec){join->headers, s->headers};
	join->piece[1] = (struct iovec){s->data + s->headers, s->payload};
	join->vnet = frame->vnet;
	join->len = s->len;
	join->count = 1;
	join->open = !link__segment_last(s, s);
}

bool link__join_add(struct link__join *join, const struct link_frame *frame)
{
	struct link__segment s;

	if (!link__segment_measure(&s, frame) || !s.plain || !s.unsummed || link__segment_has_work(&s, frame) ||
	    s.headers > sizeof(join->headers))
		return false;
	if (join->count == 0) {
		begin(join, frame, &s);
		return true;
	}
	if (!join->open || join->count == LINK__JOIN_MAX || !link__segment_same_connection(&join->first, &s) ||
	    !link__segment_follows(&join->first, join->len, &s))
		return false;
	join->piece[++join->count] = (struct iovec){s.data + s.headers, s.payload};
	join->len += s.payload;
	join->headers[s.tcp + 13] |= s.flags & LINK__SEGMENT_PSH;
	join->open = !link__segment_last(&join->first, &s);
	return true;
}

void link__join_end(struct link__join *join)
{
	if (join->count > 1)
		join->vnet = link__segment_grow(&join->first, join->len);
}
