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
 * Death. A port dies when its switch hangs up, when its device fails, or when receiving fails again and again. It
 * tells the device once, and its descriptors are not watched any more. link_port_close buries it.
 *
 * fork(2). In the child a port of the parent can only be closed; see loop.c and conn.c.
 */
#include "capture.h"
#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define GUARDED_ATTEMPTS 16 /* frames received in a turn from a network whose queues are short */
#define FAILURES_MAX 16 /* fruitless turns of a kind that ought to bear fruit, before a port draws the consequence */

/** struct pending - frames for the network that had no room, oldest first */
struct pending {
	unsigned int count, next; /* frames in all, and the first that has not been sent */
	struct {
		uint32_t offset, len; /* bytes, in data */
	} frame[LINK_BATCH];
	unsigned char data[];
};

struct link_port {
	struct link__member member;
	struct link__conn conn;
	const struct link_device *ops;
	void *device;
	int device_fd;
	bool dead;
	bool solo;             /* wake-ups bring one frame each, these days */
	unsigned int failures; /* of receiving, in a row */
	unsigned int idle;     /* turns of a device in error that gave no frame, in a row */
	unsigned int stalls;   /* times there was room said to be, and was not, in a row */
	uint32_t round;        /* of the loop, when the port last received */
	unsigned int appetite; /* frames to take from the device in a turn */
	struct pending *pending;
	struct link__capture *capture; /* or NULL */
	_Atomic uint64_t input_frames, input_bytes, input_dropped;
	_Atomic uint64_t output_frames, output_bytes, output_dropped;
};

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

/** port_die - the port stops for good; @error is for the device */
static void port_die(struct link_port *port, int error)
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

/* ---------------------------------------------------------------------------------------- network to device */

/** peer_error - does @error of a connection say that the other side is away, which may change? Errors of this kind are
    reported once and then forgotten by a socket. */
static bool peer_error(int error)
{
	switch (-error) {
	case ECONNREFUSED:
	case ECONNRESET:
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENETUNREACH:
	case EMSGSIZE:
		return true;
	default:
		return false;
	}
}

/** port_input - a turn: receive what has come and give it to the device */
static void port_input(struct link_port *port, uint32_t events)
{
	struct link__batch *batch = link__loop_batch(&port->member);
	uint32_t round = link__loop_round(&port->member);
	unsigned int n = 0, attempts = 0, limit;
	uint64_t bytes = 0, dropped = 0;
	int len = 0;

	if (port->solo && round == port->round + 1)
		port->solo = false; /* there was another */
	limit = port->solo ? 1 : port->conn.guarded ? GUARDED_ATTEMPTS : LINK_BATCH;
	port->round = round;
	while (attempts < limit) {
		struct link_frame *frame = &batch->frame[n];

		len = link__conn_recv(&port->conn, frame->data, LINK_BUFFER_SIZE, attempts == 0);
		if (len < 0 && !peer_error(len))
			break;
		attempts++;
		if (len < LINK_FRAME_MIN || len > LINK_FRAME_MAX) {
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
		port->ops->input(port->device, batch->frame, n);
	}
	if (n > 0 || (len == -EAGAIN && !(events & EPOLLHUP)))
		port->failures = 0;
	else if ((len < 0 || (events & EPOLLHUP)) && ++port->failures >= FAILURES_MAX)
		port_die(port, -ENETDOWN);
}

/* ---------------------------------------------------------------------------------------- device to network */

/** pending_new - keep @count frames; NULL when there is no memory */
static struct pending *pending_new(const struct link_frame *frames, unsigned int n)
{
	struct pending *pending;
	uint32_t offset = 0;
	size_t size = 0;

	for (unsigned int i = 0; i < n; i++)
		size += frames[i].len;
	pending = malloc(sizeof(*pending) + size);
	if (!pending)
		return NULL;
	pending->count = n;
	pending->next = 0;
	for (unsigned int i = 0; i < n; i++) {
		memcpy(pending->data + offset, frames[i].data, frames[i].len);
		pending->frame[i].offset = offset;
		pending->frame[i].len = frames[i].len;
		offset += frames[i].len;
	}
	return pending;
}

/** port_send - send one frame, and count it; returns false when there is no room for it now */
static bool port_send(struct link_port *port, const unsigned char *data, uint32_t len)
{
	int err = link__conn_send(&port->conn, data, len);

	if (err == -EAGAIN)
		return false;
	if (err) {
		count(&port->output_dropped, 1);
	} else {
		count(&port->output_frames, 1);
		count(&port->output_bytes, len);
	}
	return true;
}

/** port_throttle - the network has no room for these frames: keep them, wait for room, and leave the device alone
 * meanwhile */
static void port_throttle(struct link_port *port, const struct link_frame *frames, unsigned int n)
{
	struct pending *pending = NULL;

	/* An epoll set never says that there is room. */
	if (!port->conn.guarded)
		pending = pending_new(frames, n);
	if (!pending || link__loop_watch(&port->member, LINK_DATA, port->conn.datafd, EPOLLIN | EPOLLOUT, false) != 0) {
		free(pending);
		count(&port->output_dropped, n);
		return;
	}
	link__loop_unwatch(&port->member, port->device_fd);
	port->pending = pending;
	port->stalls = 0;
}

/** port_unthrottle - a turn: there should be room now for pending frames */
static void port_unthrottle(struct link_port *port)
{
	struct pending *pending = port->pending;
	unsigned int first = pending->next;
	int err;

	while (pending->next < pending->count) {
		unsigned int i = pending->next;

		if (!port_send(port, pending->data + pending->frame[i].offset, pending->frame[i].len))
			break;
		pending->next++;
	}
	port->stalls = pending->next > first ? 0 : port->stalls + 1;
	if (pending->next < pending->count && port->stalls < FAILURES_MAX)
		return;
	count(&port->output_dropped, pending->count - pending->next);
	port->pending = NULL;
	free(pending);
	err = link__loop_watch(&port->member, LINK_DATA, port->conn.datafd, EPOLLIN, false);
	if (!err)
		err = link__loop_watch(&port->member, LINK_DEVICE, port->device_fd, EPOLLIN, true);
	if (err)
		port_die(port, err);
}

/** frame_fit - is it a finished frame of a decent size? */
static bool frame_fit(const struct link_frame *frame)
{
	return frame->len >= LINK_FRAME_MIN && frame->len <= LINK_FRAME_MAX &&
	       frame->vnet.gso_type == VIRTIO_NET_HDR_GSO_NONE && !(frame->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
}

/**
 * port_appetite - how many frames to take from the device next time, the largest of this time being of @len bytes
 *
 * A switch in our own process (see conn.c) never says that the queue of a client is full, it drops. Such a queue takes
 * about 200 KiB of memory by default, and a frame takes a power of two with room for its bookkeeping. A turn gives it
 * what it can hold if it was empty, which it is when the client is on our loop.
 */
static unsigned int port_appetite(const struct link_port *port, uint32_t len)
{
	unsigned int room = 128 * 1024, frames = LINK_BATCH;

	if (!port->conn.guarded)
		return LINK_BATCH;
	for (uint32_t size = 2048; size < len + 512; size *= 2)
		frames = room / (size * 2);
	return frames < port->appetite * 2 ? frames : port->appetite * 2;
}

/** port_output - a turn: send what the device has */
static void port_output(struct link_port *port, uint32_t events)
{
	struct link__batch *batch = link__loop_batch(&port->member);
	struct link_frame *frame = batch->frame;
	unsigned int n = 0;
	uint32_t largest = 0;
	int got = port->ops->output(port->device, frame, port->appetite);

	if (got < 0) {
		port_die(port, got);
		return;
	}
	/* A descriptor in error is always ready. The device ought to find out for itself; if not, do not spin for it.
	 */
	port->idle = got == 0 && (events & (EPOLLERR | EPOLLHUP)) ? port->idle + 1 : 0;
	if (port->idle >= FAILURES_MAX) {
		port_die(port, -EIO);
		return;
	}
	for (int i = 0; i < got; i++) {
		if (!frame_fit(&frame[i]))
			continue;
		largest = frame[i].len > largest ? frame[i].len : largest;
		frame[n++] = frame[i];
	}
	if (got > 0)
		port->appetite = port_appetite(port, largest);
	count(&port->output_dropped, (unsigned int)got - n);
	port_capture(port, frame, n);
	for (unsigned int i = 0; i < n; i++) {
		if (!port_send(port, frame[i].data, frame[i].len)) {
			port_throttle(port, frame + i, n - i);
			break;
		}
	}
}

/* ----------------------------------------------------------------------------------------------------- turns */

/** port_control - the control connection says something, which should be that it ends */
static void port_control(struct link_port *port, uint32_t events)
{
	char text[64];
	ssize_t n = recv(port->conn.ctlfd, text, sizeof(text), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || (events & (EPOLLHUP | EPOLLERR)))
		port_die(port, -ENETDOWN);
}

/** port_event - see link__event_fn */
static void port_event(struct link__member *member, enum link__source source, uint32_t events)
{
	struct link_port *port = port_of(member);

	if (port->dead) {
		/* It died while link_port_open was still adding descriptors. */
		link__loop_unwatch(member, port_fd(port, source));
		return;
	}
	switch (source) {
	case LINK_DEVICE:
		if (!port->pending)
			port_output(port, events);
		break;
	case LINK_DATA:
		if ((events & EPOLLOUT) && port->pending)
			port_unthrottle(port);
		if ((events & ~(uint32_t)EPOLLOUT) && !port->dead)
			port_input(port, events);
		break;
	case LINK_CTL:
		port_control(port, events);
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
	err = link__loop_join(&port->member);
	if (err)
		return err;
	err = link__loop_watch(&port->member, LINK_DATA, port->conn.datafd, EPOLLIN, true);
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
	port->appetite = port->conn.guarded ? LINK_BATCH / 8 : LINK_BATCH;
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
