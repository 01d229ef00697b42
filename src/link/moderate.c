/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * moderate.c - when to leave a network alone for a while.
 *
 * A stream comes out of a switch frame by frame, as each costs it several system calls. To wake up for each, and to send
 * an acknowledgement of each through the switch, would take the processor that the switch needs. So whose turns bring
 * few frames of a stream, which goes on, pauses between them and takes then what has come, as a network adapter does
 * (rx-usecs in ethtool(8)): for longer if that was little, no more when it was little and the stream has come to a stop.
 * Who could not take all that had come does not pause before the rest, as the queue may overflow meanwhile. It is for
 * networks where frames wait in a queue of the kernel.
 *
 * A stream goes on when a segment does not say that this is all for now (PSH), or says so and is full: some stacks say it of
 * all that they had at hand.
 */
#include "link.h"
#include "segment.h"

#define FULL 1514        /* bytes of a frame that has no room for more */
#define FEW 8            /* frames that are hardly worth a turn */
#define TRICKLE 8        /* turns in a row that have brought few */
#define PAUSE_NS 50000   /* at first */
#define PAUSE_MAX 200000 /* at most */

bool link_goes_on(const struct link_frame *frame)
{
	struct link__segment s;

	return link__segment_measure(&s, frame) && s.plain && (!(s.flags & LINK__SEGMENT_PSH) || frame->len >= FULL);
}

bool link_moderate(struct link_moderation *moderation, unsigned int n, bool more, bool goes_on)
{
	bool paused = moderation->pause > 0;

	if (n == 0 && !paused)
		return false; /* somebody has looked in vain, without having been told to */
	if (n < FEW && !goes_on)
		moderation->trickle = 0;
	else if (!paused)
		moderation->trickle = n < FEW ? moderation->trickle + 1 : 0;
	if (moderation->trickle < TRICKLE)
		moderation->pause = 0;
	else if (!paused)
		moderation->pause = PAUSE_NS;
	else if (n < FEW && moderation->pause < PAUSE_MAX)
		moderation->pause *= 2;
	moderation->wait = more ? 0 : moderation->pause;
	return paused != (moderation->pause > 0);
}
