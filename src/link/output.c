/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * output.c - frames of the device of a port go to the network.
 *
 * What the device gives is cut to finished frames (*pieces*), which are sent in bursts, as many in one system call as
 * the network can take. Of each it is known where it was cut, so that what a burst had no room for is cut again later.
 *
 * When the network has no room the frames of the device that are left over are kept (*pending*), the device is no longer
 * watched, so that its queue fills up and its stack notices, and the network's descriptor is watched for room. The other
 * direction goes on meanwhile: two ports of one loop that face each other cannot block each other. A peer that is not
 * there (a ptp network whose other end is closed, a switch gone) is no reason to wait: frames for it are dropped, as on
 * a cable that is unplugged.
 *
 * A network in shared memory never says that there is room again. There a port with pending frames looks every ROOM_NS;
 * the network itself sees to it that this comes to an end.
 *
 * The fewer frames are asked of the device the more room has each: all buffers of the batch are for them.
 */
#include "offload.h"
#include "port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define APPETITE_MIN 4 /* frames that are asked of a device at least */
/* What a thread of the program moves in a turn should stay in its cache. */
#define LENT_LARGE 4    /* frames that are asked of a device if they are likely to be large */
#define LARGE 8192      /* bytes */
#define LARGE_FRAMES 16 /* frames that are asked of a device that makes segments of 256 KiB: that is room for them */
#define LARGEST_FRAMES                                                                                                 \
	8              /* of one that makes larger ones, which it does when it is told to (ip-link(8), gso_max_size) */
#define ROOM_NS 100000 /* after which a network in shared memory may have room again */

void link__port_output_begin(struct link_port *port)
{
	port->appetite = APPETITE_MIN;
	port->most = port->conn.offload ? LARGE_FRAMES : LINK_BATCH;
}

/* --------------------------------------------------------------------------------------------- finished frames */

/** struct source - frames of the device, from which finished frames are cut */
struct source {
	struct link_frame *frame;
	unsigned int count, next;       /* the first that is not cut to its end */
	struct link__finisher finisher; /* of that one */
	unsigned int refused;           /* frames that make no sense, before that one */
	unsigned int cut;               /* finished frames of all that have been begun */
	uint32_t largest;               /* bytes of one of them at most */
};

/** struct mark - where in its source a finished frame begins */
struct mark {
	unsigned int frame, refused;
	uint32_t done;
};

/** source_begin - cut the next frame of the device, of which @done bytes have been sent. One that makes no sense is left out */
static void source_begin(struct source *source, uint32_t done)
{
	struct link__finisher *finisher = &source->finisher;

	for (; source->next < source->count; source->next++) {
		unsigned int pieces = link__finish(finisher, &source->frame[source->next]);
		uint32_t len = finisher->headers ? (uint32_t)finisher->headers + finisher->size : finisher->len;

		if (pieces > 0) {
			finisher->done = done;
			source->cut += pieces;
			source->largest = len > source->largest ? len : source->largest;
			return;
		}
		source->refused++;
	}
}

/** source_cut - the next finished frames, and their marks; how many, 0: there are no more */
static unsigned int source_cut(struct link_port *port, struct source *source, struct link_frame *piece,
                               struct mark *mark)
{
	struct link__batch *batch = link__port_batch(port);
	unsigned int n = 0;

	while (n < LINK_BURST && source->next < source->count) {
		uint32_t done = source->finisher.done;
		const unsigned char *data;
		uint32_t len = link__finish_next(&source->finisher, batch->cut[n], &data);

		if (len == 0) {
			source->next++;
			source_begin(source, 0);
			continue;
		}
		piece[n] = (struct link_frame){.data = (unsigned char *)(uintptr_t)data, .len = len};
		mark[n++] = (struct mark){source->next, source->refused, done};
	}
	return n;
}

/** port_send_burst - send finished frames; how many have been dealt with, fewer than @n: there is no room now for more */
static unsigned int port_send_burst(struct link_port *port, const struct link_frame *piece, unsigned int n)
{
	unsigned int done = 0;

	while (done < n) {
		int sent = link__conn_send_frames(&port->conn, piece + done, n - done);
		unsigned int dealt = sent > 0 ? (unsigned int)sent : 1;
		uint64_t bytes = 0;

		if (sent == -EAGAIN)
			break;
		link__port_capture(port, piece + done, dealt);
		if (sent < 0) {
			link__port_count(&port->output_dropped, 1);
		} else {
			for (unsigned int i = 0; i < dealt; i++)
				bytes += piece[done + i].len;
			link__port_count(&port->output_frames, dealt);
			link__port_count(&port->output_bytes, bytes);
		}
		done += dealt;
	}
	return done;
}

/** port_finish - cut and send all that is left of the source, of whose first frame @done bytes have been sent; false: there
 * is no room now for what is left afterwards, with source->finisher.done bytes of its first frame sent */
static bool port_finish(struct link_port *port, struct source *source, uint32_t done)
{
	struct link_frame piece[LINK_BURST];
	struct mark mark[LINK_BURST];
	unsigned int n, sent = 0;

	source_begin(source, done);
	while ((n = source_cut(port, source, piece, mark)) > 0) {
		sent = port_send_burst(port, piece, n);
		if (sent < n)
			break;
		if (port->conn.plain)
			link__beside_sent(link__loop_beside(&port->member), n);
	}
	if (n > 0) {
		source->next = mark[sent].frame;
		source->refused = mark[sent].refused;
		source->finisher.done = mark[sent].done;
	}
	link__port_count(&port->output_dropped, source->refused);
	return n == 0;
}

/* ---------------------------------------------------------------------------------------------------- segments */

/** port_send - send a frame to a network that takes segments, capture it and count it; false: there is no room for it now */
static bool port_send(struct link_port *port, const struct link_frame *frame)
{
	int err = link__conn_send_frame(&port->conn, frame);

	if (err == -EAGAIN)
		return false;
	link__port_capture(port, frame, 1);
	if (err) {
		link__port_count(&port->output_dropped, 1);
	} else {
		link__port_count(&port->output_frames, 1);
		link__port_count(&port->output_bytes, frame->len);
	}
	return true;
}

/** port_pass_parts - a frame that is too large for the network, as port_pass_one */
static bool port_pass_parts(struct link_port *port, struct link_frame *frame)
{
	struct link__split split;
	struct link_frame part;

	if (!link__split(&split, frame)) {
		link__port_count(&port->output_dropped, 1);
		return true;
	}
	while (link__split_next(&split, &part)) {
		if (!port_send(port, &part)) {
			link__split_back(&split, frame);
			return false;
		}
	}
	return true;
}

/** port_pass_one - send a frame to a network that takes segments; false: it has no room now for *@frame, which may be the
 * rest of what it was */
static bool port_pass_one(struct link_port *port, struct link_frame *frame)
{
	return frame->len > LINK_SEGMENT_MAX ? port_pass_parts(port, frame) : port_send(port, frame);
}

void link__port_look_again(struct link_port *port)
{
	link__loop_deadline(&port->member, link__now() + ROOM_NS);
}

/* --------------------------------------------------------------------------------------------- what is pending */

/** pending_new - keep frames, of the first of which @done bytes have been sent; NULL when there is no memory */
static struct link__pending *pending_new(const struct link_frame *frames, unsigned int n, uint32_t done)
{
	struct link__pending *pending;
	size_t size = 0;
	unsigned char *at;

	for (unsigned int i = 0; i < n; i++)
		size += frames[i].len;
	pending = malloc(sizeof(*pending) + size);
	if (!pending)
		return NULL;
	pending->count = n;
	pending->next = 0;
	pending->done = done;
	at = pending->data;
	for (unsigned int i = 0; i < n; i++) {
		pending->frame[i] = (struct link_frame){.vnet = frames[i].vnet, .data = at, .len = frames[i].len};
		memcpy(at, frames[i].data, frames[i].len);
		at += frames[i].len;
	}
	return pending;
}

/** port_send_pending - send what is left of the pending frames, as far as there is room */
static void port_send_pending(struct link_port *port, struct link__pending *pending)
{
	struct source source = {.frame = pending->frame, .count = pending->count, .next = pending->next};

	if (port->conn.offload) {
		while (pending->next < pending->count && port_pass_one(port, &pending->frame[pending->next]))
			pending->next++;
		return;
	}
	port_finish(port, &source, pending->done);
	pending->next = source.next;
	pending->done = source.finisher.done;
}

/**
 * port_throttle - the network has no room for these frames, but for @done bytes of the first: keep them, wait for room,
 * and leave the device alone meanwhile
 */
static void port_throttle(struct link_port *port, const struct link_frame *frames, unsigned int n, uint32_t done)
{
	struct link__pending *pending = NULL;

	/* An epoll set never says that there is room. */
	if (!port->conn.guarded)
		pending = pending_new(frames, n, done);
	port->pending = pending;
	if (!pending || (!port->conn.shm && link__port_watch_data(port, false) != 0)) {
		port->pending = NULL;
		free(pending);
		link__port_count(&port->output_dropped, n);
		return;
	}
	if (!port->lending.lent)
		link__loop_unwatch(&port->member, port->device_fd);
	port->stalls = 0;
	if (port->conn.shm && !port->lending.lent)
		link__port_look_again(port);
}

void link__port_unthrottle(struct link_port *port)
{
	uint64_t before = atomic_load_explicit(&port->output_frames, memory_order_relaxed);
	struct link__pending *pending = port->pending;
	int err;

	port_send_pending(port, pending);
	if (pending->next < pending->count && port->conn.shm) {
		if (!port->lending.lent)
			link__port_look_again(port);
		return;
	}
	port->stalls = atomic_load_explicit(&port->output_frames, memory_order_relaxed) > before ? 0 : port->stalls + 1;
	if (pending->next < pending->count && port->stalls < LINK__FAILURES_MAX)
		return;
	link__port_count(&port->output_dropped, pending->count - pending->next);
	port->pending = NULL;
	free(pending);
	if (port->lending.lent)
		return;
	err = link__port_watch_data(port, false);
	if (!err)
		err = link__loop_watch(&port->member, LINK_DEVICE, port->device_fd, EPOLLIN, true);
	if (err)
		link__port_die(port, err);
}

/* ---------------------------------------------------------------------------------------------------- the device */

/**
 * port_appetite - how many frames to take from the device next time
 * @got: how many it gave this time
 * @cut: how many finished frames they made
 * @len: bytes of the largest of these
 *
 * A switch in our own process (see conn.c) never says that the queue of a client is full, it drops. Such a queue takes
 * about 200 KiB of memory by default, and a frame takes a power of two with room for its bookkeeping. A turn gives it
 * what it can hold if it was empty, which it is when the client is on our loop, or keeps up.
 */
static unsigned int port_appetite(const struct link_port *port, unsigned int got, unsigned int cut, uint32_t len)
{
	unsigned int room = 128 * 1024, frames = LINK_BATCH, more = got * 2;

	/* Asking for many costs something too: a message header for each. Somebody who gives one at a time is asked for
	 * a few. */
	more = more > APPETITE_MIN ? more : APPETITE_MIN;
	more = more < port->most ? more : port->most;
	if (!port->conn.guarded)
		return more;
	for (uint32_t size = 2048; size < len + 512; size *= 2)
		frames = room / (size * 2);
	if (cut > got)
		frames = frames * got / cut;
	if (frames == 0)
		frames = 1;
	return frames < more ? frames : more;
}

/** port_pass - frames of the device go to a network that takes them as they are */
static void port_pass(struct link_port *port, struct link_frame *frames, unsigned int n)
{
	uint32_t len = frames[n - 1].len;

	for (unsigned int i = 0; i < n; i++) {
		if (frames[i].len == 0) {
			link__port_count(&port->output_dropped, 1);
		} else if (!port_pass_one(port, &frames[i])) {
			port_throttle(port, frames + i, n - i, 0);
			break;
		}
	}
	port->appetite = port_appetite(port, n, n, 0);
	if (port->lending.lent && len >= LARGE)
		port->appetite = len > LINK_SEGMENT_MAX ? 1 : LENT_LARGE;
}

/** port_take - frames of the device; how many, or a negative errno. A buffer that was too small is larger next time */
static int port_take(struct link_port *port, struct link_frame *frames)
{
	int got = port->ops->output(port->device, frames, port->appetite);

	for (int i = 0; i < got; i++)
		if (frames[i].len == 0)
			port->most = port->appetite = LARGEST_FRAMES;
	return got;
}

unsigned int link__port_output(struct link_port *port, uint32_t events)
{
	struct link__batch *batch = link__port_batch(port);
	struct link_frame *frame = batch->frame;
	struct source source;
	int got;

	link__batch_for(batch, port->appetite);
	got = port_take(port, frame);
	if (got < 0) {
		link__port_die(port, got);
		return 0;
	}
	/* A descriptor in error is always ready. The device ought to find out for itself; if not, do not spin for it.
	 */
	port->idle = got == 0 && (events & (EPOLLERR | EPOLLHUP)) ? port->idle + 1 : 0;
	if (port->idle >= LINK__FAILURES_MAX) {
		link__port_die(port, -EIO);
		return 0;
	}
	if (port->conn.offload) {
		if (got > 0)
			port_pass(port, frame, (unsigned int)got);
		return (unsigned int)got;
	}
	source = (struct source){.frame = frame, .count = (unsigned int)got};
	if (!port_finish(port, &source, 0))
		port_throttle(port, frame + source.next, source.count - source.next, source.finisher.done);
	if (source.cut > 0)
		port->appetite = port_appetite(port, source.count, source.cut, source.largest);
	return (unsigned int)got;
}
