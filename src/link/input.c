/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * input.c - frames of the network go to the device of a port.
 *
 * Frames are received until none is left, in bursts where the network has some (conn.c), and are given to the device in
 * one batch. Where they come one by one, and wake-ups bring one frame each, as with a request and its response, the last,
 * fruitless attempt to receive is saved: such a *solo* port takes one frame and lets epoll say whether there is another.
 */
#include "offload.h"
#include "port.h"

#include <errno.h>
#include <sys/epoll.h>

#define GUARDED_ATTEMPTS 16 /* frames received in a turn from a network whose queues are short */
/* What a thread of the program moves in a turn should stay in its cache. */
#define LENT_BYTES 256000 /* received: four of the largest segments */

/** port_limit - how many frames to receive in a turn */
static unsigned int port_limit(struct link_port *port)
{
	uint32_t round;

	/* In shared memory looking for another costs nothing, and has to be done before it is quiet. A burst is one
	 * system call, whatever it brings. */
	if (port->conn.shm || port->conn.plain)
		return LINK_BATCH;
	round = link__loop_round(&port->member);
	if (round == port->round + 1)
		port->solo = false; /* there was another */
	port->round = round;
	return port->solo ? 1 : port->conn.guarded ? GUARDED_ATTEMPTS : LINK_BATCH;
}

/** port_keep - the frames that are some, in their order; how many */
static unsigned int port_keep(struct link_port *port, struct link_frame *frames, unsigned int n)
{
	uint32_t most = port->conn.offload ? LINK_SEGMENT_MAX : LINK_FRAME_MAX;
	unsigned int kept = 0, dropped = 0;
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint32_t len = frames[i].len;

		if (len < LINK_FRAME_MIN || len > most) {
			dropped += len != 1; /* the module has dealt with the frame itself */
			continue;
		}
		bytes += len;
		frames[kept++] = frames[i];
	}
	link__port_count(&port->input_dropped, dropped);
	link__port_count(&port->input_frames, kept);
	link__port_count(&port->input_bytes, bytes);
	return kept;
}

/** port_moderate - a turn has brought @n frames, and there may be @more: when is the next? */
static void port_moderate(struct link_port *port, const struct link_frame *frames, unsigned int n, bool more)
{
	bool changed = link_moderate(&port->moderation, n, more, n > 0 && link_goes_on(&frames[n - 1]));

	if (port->moderation.pause > 0)
		link__loop_deadline(&port->member, link__now() + port->moderation.wait);
	if (changed)
		link__port_watch_data(port, false);
}

unsigned int link__port_input(struct link_port *port, uint32_t events)
{
	struct link__batch *batch = link__port_batch(port);
	struct link_frame *frame = batch->frame;
	unsigned int n = 0, attempts = 0, limit = port_limit(port);
	uint64_t bytes = 0;
	bool more = true;
	int got = 0;

	link__batch_for(batch, LINK_BATCH);
	while (more && attempts < limit && (!port->lending.lent || bytes < LENT_BYTES)) {
		got = link__conn_recv_frames(&port->conn, &frame[n], limit - attempts, attempts == 0, &more);
		if (got < 0 && !link__peer_error(got))
			break;
		attempts += got > 0 ? (unsigned int)got : 1;
		for (int i = 0; i < got; i++)
			bytes += frame[n++].len;
	}
	if (got == -EAGAIN)
		port->solo = n == 1;
	n = port_keep(port, frame, n);
	if (port->conn.plain)
		port_moderate(port, frame, n, more && got > 0);
	if (n > 0) {
		link__port_capture(port, frame, n);
		if (n > 1 && port->ops->offload)
			n = link__coalesce(frame, n);
		port->ops->input(port->device, frame, n);
	}
	if (n > 0 || (got == -EAGAIN && !(events & EPOLLHUP)))
		port->failures = 0;
	else if ((got < 0 || (events & EPOLLHUP)) && ++port->failures >= LINK__FAILURES_MAX)
		link__port_die(port, -ENETDOWN);
	return attempts;
}
