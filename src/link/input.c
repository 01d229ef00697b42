/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * input.c - frames of the network go to the device of a port.
 *
 * Frames are received one by one until none is left, and are given to the device in one batch. On a
 * port whose wake-ups bring one frame each, as with a request and its response, the last, fruitless attempt to receive
 * is saved: such a *solo* port takes one frame and lets epoll say whether there is another.
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

	/* In shared memory looking for another costs nothing, and has to be done before it is quiet. */
	if (port->conn.shm)
		return LINK_BATCH;
	round = link__loop_round(&port->member);
	if (round == port->round + 1)
		port->solo = false; /* there was another */
	port->round = round;
	return port->solo ? 1 : port->conn.guarded ? GUARDED_ATTEMPTS : LINK_BATCH;
}

unsigned int link__port_input(struct link_port *port, uint32_t events)
{
	struct link__batch *batch = link__port_batch(port, LINK_BATCH);
	unsigned int n = 0, attempts = 0, limit;
	uint64_t bytes = 0, dropped = 0;
	int len = 0;

	limit = port_limit(port);
	while (attempts < limit && (!port->lending.lent || bytes < LENT_BYTES)) {
		struct link_frame *frame = &batch->frame[n];

		if (port->conn.offload)
			len = link__conn_recv_frame(&port->conn, frame);
		else
			len = link__conn_recv(&port->conn, frame->data, LINK_FRAME_MAX + 1, attempts == 0);
		if (len < 0 && !link__peer_error(len))
			break;
		attempts++;
		if (len < LINK_FRAME_MIN || (len > LINK_FRAME_MAX && !port->conn.offload)) {
			dropped += len >= 0 && len != 1; /* 1: the module has dealt with the frame itself */
			continue;
		}
		frame->len = (uint32_t)len;
		bytes += frame->len;
		n++;
	}
	if (len == -EAGAIN)
		port->solo = n == 1;
	link__port_count(&port->input_dropped, dropped);
	if (n > 0) {
		link__port_count(&port->input_frames, n);
		link__port_count(&port->input_bytes, bytes);
		link__port_capture(port, batch->frame, n);
		if (n > 1 && port->ops->offload)
			n = link__coalesce(batch->frame, n);
		port->ops->input(port->device, batch->frame, n);
	}
	if (n > 0 || (len == -EAGAIN && !(events & EPOLLHUP)))
		port->failures = 0;
	else if ((len < 0 || (events & EPOLLHUP)) && ++port->failures >= LINK__FAILURES_MAX)
		link__port_die(port, -ENETDOWN);
	return attempts;
}
