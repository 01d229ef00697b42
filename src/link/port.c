/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * port.c - a port moves frames between a connection (conn.c) and a device.
 *
 * The loop of the port (loop.c) gives it a turn when one of three descriptors is ready: the connection's data
 * descriptor, its control descriptor, the device's descriptor. A turn moves at most LINK_BATCH frames in one direction,
 * so that other ports of the loop are never far from theirs (input.c, output.c). All the state of a port belongs to
 * these turns, that is to the turn lock of its loop, but for the counters, which anybody may read.
 *
 * A network in shared memory need not tell of frames while its port is awake, that is looked at by the loop (awake.c). Its
 * descriptor is watched by edges then, and emptied when the port rests.
 *
 * Both ways frames may change their size at the border: what a device gives may be segments that have to be cut
 * (finish.c), and what a batch brings may be merged for a device that takes segments (coalesce.c). The network and the
 * capture see finished frames. Where the network is shared memory and the device takes segments, frames stay as they
 * are, both ways, and so they are captured; only what is larger than that network takes becomes several (split.c).
 *
 * Death. A port dies when its switch hangs up, when its device fails, or when receiving fails again and again. It
 * tells the device once, and its descriptors are not watched any more. link_port_close buries it.
 *
 * fork(2). In the child a port of the parent can only be closed; see loop.c and conn.c.
 */
#include "capture.h"
#include "port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

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

struct link__batch *link__port_batch(struct link_port *port)
{
	return port->lending.lent ? port->lending.batch : link__loop_batch(&port->member);
}

void link__port_capture(struct link_port *port, const struct link_frame *frames, unsigned int n)
{
	if (port->capture && n > 0)
		link__capture_write(port->capture, frames, n);
}

int link__port_watch_data(struct link_port *port, bool add)
{
	uint32_t events = port->moderation.pause > 0 ? 0 : EPOLLIN;

	/* That of a network in shared memory stays readable while the port is awake, which is to be heard once. It never
	 * says that there is room. */
	if (port->conn.shm)
		events |= EPOLLET;
	else if (port->pending)
		events |= EPOLLOUT;
	return link__loop_watch(&port->member, LINK_DATA, port->conn.datafd, events, add);
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

/* ----------------------------------------------------------------------------------------------------- turns */

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

/** port_control - the control connection says something, which should be that it ends */
static void port_control(struct link_port *port, uint32_t events)
{
	char text[64];
	ssize_t n = recv(port->conn.ctlfd, text, sizeof(text), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || (events & (EPOLLHUP | EPOLLERR)))
		link__port_die(port, -ENETDOWN);
}

/** port_beside - the port has had a turn on a plain network: the loop keeps off the processor of a busy switch */
static void port_beside(struct link_port *port)
{
	struct link__beside *beside = link__loop_beside(&port->member);
	uint64_t moved = atomic_load_explicit(&port->input_frames, memory_order_relaxed) +
	                 atomic_load_explicit(&port->output_frames, memory_order_relaxed);

	if (link__beside_busy(beside, (unsigned int)(moved - port->moved)))
		link__beside(beside, link__conn_sender(&port->conn));
	port->moved = moved;
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
		if (port->conn.shm && port->pending)
			link__port_unthrottle(port);
		else if (port->moderation.pause > 0)
			link__port_input(port, EPOLLIN);
		break;
	case LINK_REST:
		port_receive(port, false);
		break;
	}
	if (port->conn.plain)
		port_beside(port);
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
	port->member.served = link__conn_served(&port->conn);
	if (port->conn.shm || port->conn.plain)
		port->member.alarm = &port->alarm;
	if (port->conn.shm)
		port->member.waiting = port_waiting;
	err = link__loop_join(&port->member);
	if (err)
		return err;
	err = link__port_watch_data(port, true);
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
	link__port_output_begin(port);
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
