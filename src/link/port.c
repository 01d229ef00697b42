/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * port.c - a port moves frames between a connection (conn.c) and a device.
 *
 * The loop of the port (loop.c) gives it a turn when one of three descriptors is ready: the connection's data
 * descriptor, its control descriptor, the device's descriptor. A turn moves at most LINK_BATCH frames in one direction,
 * so that other ports of the loop are never far from theirs. All the state of a port belongs to these turns, that is to
 * the turn lock of its loop, but for the counters, which anybody may read.
 *
 * Network to device. Frames are received one by one until none is left, and are given to the device in one batch. On a
 * port whose wake-ups bring one frame each, as with a request and its response, the last, fruitless attempt to receive
 * is saved: such a *solo* port takes one frame and lets epoll say whether there is another.
 *
 * Device to network. When the network has no room the frames left over are kept (*pending*), the device is no longer
 * watched, so that its queue fills up and its stack notices, and the network's descriptor is watched for room. The
 * other direction goes on meanwhile: two ports of one loop that face each other cannot block each other. A peer that is
 * not there (a ptp network whose other end is closed, a switch gone) is no reason to wait: frames for it are dropped,
 * as on a cable that is unplugged.
 *
 * A network in shared memory need not tell of frames while its port is awake, that is looked at by the loop (awake.c). Its
 * descriptor is watched by edges then, and emptied when the port rests.
 *
 * A network in shared memory never says that there is room again. There a port with pending frames looks every ROOM_NS;
 * the network itself sees to it that this comes to an end.
 *
 * Both ways frames may change their size at the border: what a device gives may be segments that have to be cut
 * (finish.c), and what a batch brings may be merged for a device that takes segments (coalesce.c). The network and the
 * capture see finished frames. Where the network is shared memory and the device takes segments, frames stay as they
 * are, both ways, and so they are captured; only what is larger than that network takes becomes several (split.c).
 *
 * The fewer frames are asked of the device the more room has each: all buffers of the batch are for them.
 *
 * Death. A port dies when its switch hangs up, when its device fails, or when receiving fails again and again. It
 * tells the device once, and its descriptors are not watched any more. link_port_close buries it.
 *
 * fork(2). In the child a port of the parent can only be closed; see loop.c and conn.c.
 */
#include "capture.h"
#include "offload.h"
#include "port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#define GUARDED_ATTEMPTS 16 /* frames received in a turn from a network whose queues are short */
#define APPETITE_MIN 4      /* frames that are asked of a device at least */
/* What a thread of the program moves in a turn should stay in its cache. */
#define LENT_BYTES 256000 /* received: four of the largest segments */
#define LENT_LARGE 4      /* frames that are asked of a device if they are likely to be large */
#define LARGE 8192        /* bytes */
#define LARGE_FRAMES 16   /* frames that are asked of a device that makes segments of 256 KiB: that is room for them */
#define LARGEST_FRAMES                                                                                                 \
	8               /* of one that makes larger ones, which it does when it is told to (ip-link(8), gso_max_size) */
#define ROOM_NS 100000  /* after which a network in shared memory may have room again */
#define FAILURES_MAX 16 /* fruitless turns of a kind that ought to bear fruit, before a port draws the consequence */

/** count - add to a counter that only this thread changes now */
static void count(_Atomic uint64_t *counter, uint64_t n)
{
	if (n != 0)
		atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
		                      memory_order_relaxed);
}

/** port_capture - record frames, if the port captures */
static void port_capture(struct link_port *port, const struct link_frame *frames, unsigned int n)
{
	if (port->capture && n > 0)
		link__capture_write(port->capture, frames, n);
}

/** port_of - the port whose member it is */
static struct link_port *port_of(struct link__member *member)
{
	return (struct link_port *)((char *)member - offsetof(struct link_port, member));
}

/** port_fd - the descriptor that events of @source are about */
static int port_fd(const struct link_port *port, enum link__source source)
{
	switch (source) {
	case LINK_DATA:
		return port->conn.datafd;
	case LINK_CTL:
		return port->conn.ctlfd;
	default:
		return port->device_fd;
	}
}

uint32_t link__port_data_events(const struct link_port *port)
{
	return port->conn.shm ? EPOLLIN | EPOLLET : EPOLLIN;
}

void link__port_die(struct link_port *port, int error)
{
	if (port->dead)
		return;
	port->dead = true;
	link__loop_unwatch(&port->member, port->conn.datafd);
	link__loop_unwatch(&port->member, port->conn.ctlfd);
	link__loop_unwatch(&port->member, port->device_fd);
	free(port->pending);
	port->pending = NULL;
	port->ops->down(port->device, error);
}

/** port_batch - the buffers for a turn, for @count frames */
static struct link__batch *port_batch(struct link_port *port, unsigned int count)
{
	struct link__batch *batch = port->lending.lent ? port->lending.batch : link__loop_batch(&port->member);

	link__batch_for(batch, count);
	return batch;
}

/* ---------------------------------------------------------------------------------------- network to device */

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
	struct link__batch *batch = port_batch(port, LINK_BATCH);
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
	count(&port->input_dropped, dropped);
	if (n > 0) {
		count(&port->input_frames, n);
		count(&port->input_bytes, bytes);
		port_capture(port, batch->frame, n);
		if (n > 1 && port->ops->offload)
			n = link__coalesce(batch->frame, n);
		port->ops->input(port->device, batch->frame, n);
	}
	if (n > 0 || (len == -EAGAIN && !(events & EPOLLHUP)))
		port->failures = 0;
	else if ((len < 0 || (events & EPOLLHUP)) && ++port->failures >= FAILURES_MAX)
		link__port_die(port, -ENETDOWN);
	return attempts;
}

/** port_waiting - see struct link__member; of a port in shared memory */
static bool port_waiting(struct link__member *member)
{
	const struct link_port *port = port_of(member);

	return !port->dead && port->conn.shm->waiting(port->conn.vde);
}

/** port_receive - a turn of a port in shared memory; @awake: it is looked at again anyway */
static void port_receive(struct link_port *port, bool awake)
{
	port->conn.awake = awake;
	if (link__port_input(port, EPOLLIN) > 0 || awake)
		link__loop_awake(&port->member);
}

/* ---------------------------------------------------------------------------------------- device to network */

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

/** port_send - send one frame, which the network takes, capture it and count it; returns false when there is no room
 * for it now */
static bool port_send(struct link_port *port, const struct link_frame *frame)
{
	int err = port->conn.offload ? link__conn_send_frame(&port->conn, frame)
	                             : link__conn_send(&port->conn, frame->data, frame->len);

	if (err == -EAGAIN)
		return false;
	port_capture(port, frame, 1);
	if (err) {
		count(&port->output_dropped, 1);
	} else {
		count(&port->output_frames, 1);
		count(&port->output_bytes, frame->len);
	}
	return true;
}

/** port_send_all - send all that is left of a frame of the device; returns false when there is no room for more now */
static bool port_send_all(struct link_port *port, struct link__finisher *finisher)
{
	unsigned char *room = port->lending.lent ? port->lending.batch->cut : link__loop_cut(&port->member);
	const unsigned char *data;
	uint32_t len;

	while ((len = link__finish_next(finisher, room, &data)) > 0) {
		struct link_frame piece = {.data = (unsigned char *)(uintptr_t)data, .len = len};

		if (!port_send(port, &piece)) {
			link__finish_back(finisher);
			return false;
		}
	}
	return true;
}

/** port_pass_parts - a frame that is too large for the network, as port_pass_one */
static bool port_pass_parts(struct link_port *port, struct link_frame *frame)
{
	struct link__split split;
	struct link_frame part;

	if (!link__split(&split, frame)) {
		count(&port->output_dropped, 1);
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

/** port_send_pending - send what is left of the first pending frame; as port_send_all */
static bool port_send_pending(struct link_port *port, struct link__pending *pending)
{
	struct link__finisher finisher;
	bool sent;

	if (port->conn.offload)
		return port_pass_one(port, &pending->frame[pending->next]);
	link__finish(&finisher, &pending->frame[pending->next]);
	finisher.done = pending->done;
	sent = port_send_all(port, &finisher);
	pending->done = sent ? 0 : finisher.done;
	return sent;
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
	if (!pending || (!port->conn.shm && link__loop_watch(&port->member, LINK_DATA, port->conn.datafd,
	                                                     EPOLLIN | EPOLLOUT, false) != 0)) {
		free(pending);
		count(&port->output_dropped, n);
		return;
	}
	if (!port->lending.lent)
		link__loop_unwatch(&port->member, port->device_fd);
	port->pending = pending;
	port->stalls = 0;
	if (port->conn.shm && !port->lending.lent)
		link__port_look_again(port);
}

void link__port_unthrottle(struct link_port *port)
{
	uint64_t before = atomic_load_explicit(&port->output_frames, memory_order_relaxed);
	struct link__pending *pending = port->pending;
	int err;

	while (pending->next < pending->count && port_send_pending(port, pending))
		pending->next++;
	if (pending->next < pending->count && port->conn.shm) {
		if (!port->lending.lent)
			link__port_look_again(port);
		return;
	}
	port->stalls = atomic_load_explicit(&port->output_frames, memory_order_relaxed) > before ? 0 : port->stalls + 1;
	if (pending->next < pending->count && port->stalls < FAILURES_MAX)
		return;
	count(&port->output_dropped, pending->count - pending->next);
	port->pending = NULL;
	free(pending);
	if (port->lending.lent)
		return;
	err = link__loop_watch(&port->member, LINK_DATA, port->conn.datafd, link__port_data_events(port), false);
	if (!err)
		err = link__loop_watch(&port->member, LINK_DEVICE, port->device_fd, EPOLLIN, true);
	if (err)
		link__port_die(port, err);
}

/**
 * port_appetite - how many frames to take from the device next time
 * @got: how many it gave this time
 * @cut: how many finished frames they made
 * @len: bytes of the largest of these
 *
 * A switch in our own process (see conn.c) never says that the queue of a client is full, it drops. Such a queue takes
 * about 200 KiB of memory by default, and a frame takes a power of two with room for its bookkeeping. A turn gives it
 * what it can hold if it was empty, which it is when the client is on our loop.
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
			count(&port->output_dropped, 1);
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
	struct link_frame *frame = port_batch(port, port->appetite)->frame;
	unsigned int cut = 0;
	uint32_t largest = 0;
	int got = port_take(port, frame);

	if (got < 0) {
		link__port_die(port, got);
		return 0;
	}
	/* A descriptor in error is always ready. The device ought to find out for itself; if not, do not spin for it.
	 */
	port->idle = got == 0 && (events & (EPOLLERR | EPOLLHUP)) ? port->idle + 1 : 0;
	if (port->idle >= FAILURES_MAX) {
		link__port_die(port, -EIO);
		return 0;
	}
	if (port->conn.offload) {
		if (got > 0)
			port_pass(port, frame, (unsigned int)got);
		return (unsigned int)got;
	}
	for (int i = 0; i < got; i++) {
		struct link__finisher finisher;
		unsigned int pieces = link__finish(&finisher, &frame[i]);
		uint32_t len = finisher.headers ? (uint32_t)finisher.headers + finisher.size : finisher.len;

		if (pieces == 0) {
			count(&port->output_dropped, 1);
			continue;
		}
		cut += pieces;
		largest = len > largest ? len : largest;
		if (!port_send_all(port, &finisher)) {
			port_throttle(port, frame + i, (unsigned int)(got - i), finisher.done);
			break;
		}
	}
	if (cut > 0)
		port->appetite = port_appetite(port, (unsigned int)got, cut, largest);
	return (unsigned int)got;
}

/* ----------------------------------------------------------------------------------------------------- turns */

/** port_control - the control connection says something, which should be that it ends */
static void port_control(struct link_port *port, uint32_t events)
{
	char text[64];
	ssize_t n = recv(port->conn.ctlfd, text, sizeof(text), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || (events & (EPOLLHUP | EPOLLERR)))
		link__port_die(port, -ENETDOWN);
}

/** port_event - see link__event_fn */
static void port_event(struct link__member *member, enum link__source source, uint32_t events)
{
	struct link_port *port = port_of(member);

	if (port->lending.lent) {
		/* Of before, but for the end of the time for which it is lent. */
		if (source == LINK_ALARM)
			link__port_lease_over(port);
		return;
	}
	if (port->dead) {
		/* It died while link_port_open was still adding descriptors. */
		link__loop_unwatch(member, port_fd(port, source));
		return;
	}
	switch (source) {
	case LINK_DEVICE:
		if (!port->pending)
			link__port_output(port, events);
		break;
	case LINK_DATA:
		if ((events & EPOLLOUT) && port->pending)
			link__port_unthrottle(port);
		if ((events & ~(uint32_t)EPOLLOUT) && !port->dead) {
			if (port->conn.shm)
				port_receive(port, true);
			else
				link__port_input(port, events);
		}
		break;
	case LINK_CTL:
		port_control(port, events);
		break;
	case LINK_ALARM:
		if (port->pending)
			link__port_unthrottle(port);
		break;
	case LINK_REST:
		port_receive(port, false);
		break;
	}
}

/* ------------------------------------------------------------------------------------------------- open, close */

/**
 * network_id - a number that is likely to be equal for two ports of one network, and for these alone
 *
 * Neither the module nor the options in brackets count: switch:///tmp/s and vde:///tmp/s[mode=600] are neighbours. It
 * is a hash (FNV-1a); a coincidence puts two strangers on one loop, which harms nobody.
 */
static uint64_t network_id(const char *vnl)
{
	const char *sep = strstr(vnl, "://");
	uint64_t h = 0xcbf29ce484222325;

	for (const char *c = sep ? sep + 3 : vnl; *c && *c != '['; c++)
		h = (h ^ (unsigned char)*c) * 0x100000001b3;
	return h;
}

/** port_leave - take the port away from its loop; no turn is running when this returns */
static void port_leave(struct link_port *port)
{
	const int fds[] = {port->conn.datafd, port->conn.ctlfd, port->device_fd};

	link__loop_leave(&port->member, fds, 3);
}

/** port_join - give the port a loop, which begins to work at once; 0 or a negative errno */
static int port_join(struct link_port *port, const char *vnl)
{
	int err;

	port->member.event = port_event;
	port->member.network = network_id(vnl);
	if (port->conn.shm) {
		port->member.alarm = &port->alarm;
		port->member.waiting = port_waiting;
	}
	err = link__loop_join(&port->member);
	if (err)
		return err;
	err = link__loop_watch(&port->member, LINK_DATA, port->conn.datafd, link__port_data_events(port), true);
	if (!err && port->conn.ctlfd >= 0)
		err = link__loop_watch(&port->member, LINK_CTL, port->conn.ctlfd, EPOLLIN | EPOLLRDHUP, true);
	if (!err)
		err = link__loop_watch(&port->member, LINK_DEVICE, port->device_fd, EPOLLIN, true);
	if (err)
		port_leave(port);
	return err;
}

int link_port_open(const char *vnl, const char *ifname, const char *pcap, const struct link_device *ops, void *device,
                   int device_fd, struct link_port **out)
{
	struct link_port *port;
	int err;

	if (!vnl || !ifname || !link__ifname_valid(ifname) || !ops || device_fd < 0)
		return -EINVAL;
	port = calloc(1, sizeof(*port));
	if (!port)
		return -ENOMEM;
	port->ops = ops;
	port->device = device;
	port->device_fd = device_fd;
	err = pcap ? link__capture_open(pcap, ifname, &port->capture) : 0;
	if (err)
		goto fail;
	err = link__conn_open(&port->conn, vnl, ifname);
	if (err)
		goto fail_capture;
	if (ops->offload)
		link__conn_offload(&port->conn, true);
	port->appetite = APPETITE_MIN;
	port->most = port->conn.offload ? LARGE_FRAMES : LINK_BATCH;
	pthread_mutex_init(&port->lending.lock, NULL);
	err = port_join(port, vnl);
	if (err) {
		link__conn_close(&port->conn);
		goto fail_capture;
	}
	*out = port;
	return 0;
fail_capture:
	if (port->capture)
		link__capture_close(port->capture);
fail:
	free(port);
	return err;
}

void link_port_close(struct link_port *port)
{
	bool here = link__loop_is_here(&port->member);

	port_leave(port);
	if (here)
		link__conn_close(&port->conn);
	else
		link__conn_abandon(&port->conn);
	if (port->capture)
		link__capture_close(port->capture);
	free(port->pending);
	free(port->lending.batch);
	pthread_mutex_destroy(&port->lending.lock);
	free(port);
}

void link_port_stats(struct link_port *port, struct link_port_stats *out)
{
	out->input_frames = atomic_load_explicit(&port->input_frames, memory_order_relaxed);
	out->input_bytes = atomic_load_explicit(&port->input_bytes, memory_order_relaxed);
	out->input_dropped = atomic_load_explicit(&port->input_dropped, memory_order_relaxed);
	out->output_frames = atomic_load_explicit(&port->output_frames, memory_order_relaxed);
	out->output_bytes = atomic_load_explicit(&port->output_bytes, memory_order_relaxed);
	out->output_dropped = atomic_load_explicit(&port->output_dropped, memory_order_relaxed);
}
