/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lend.c - ports whose frames a thread of the program moves.
 *
 * A thread that sends or receives a stream can do itself what the loop of the port would do: at the moment it is needed,
 * with the bytes still in its cache, and without waking anybody. So a port may be *lent*. Its descriptors are not watched
 * then and its network is not asked to tell of frames, so nothing reaches the loop; the threads of the program look at the
 * network, which in shared memory is a load, and at the device. One of them at a time: the lock of the lending is the turn
 * of a port that is lent.
 *
 * Nobody knows whether a thread that has gone will be back. So each time it drives the port it has a *lease* for LEASE_NS,
 * and the loop has a deadline: when it finds the lease over it takes the port back. A thread that knows that it will sleep
 * gives it back before (link_port_rest).
 *
 * What a port has to do in time, to try again to send what the network had no room for, is left to whoever drives it, and
 * to the loop afterwards: the port has one deadline.
 */
#include "port.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define LEASE_NS 1000000
#define LAST_LOOKS 8 /* before a port rests: for frames that come just then */

bool link_port_lendable(const struct link_port *port)
{
	return port->conn.offload && port->ops->offload;
}

/** lease - from now on */
static void lease(struct link_port *port)
{
	port->lending.until = link__now() + LEASE_NS;
}

/** lend - keep the loop away from the port; 0 or a negative errno */
static int lend(struct link_port *port)
{
	struct link__lending *lending = &port->lending;
	int err = 0;

	link__loop_enter(&port->member);
	pthread_mutex_lock(&lending->lock);
	if (!lending->batch)
		lending->batch = link__batch_new();
	if (!lending->batch)
		err = -ENOMEM;
	else if (port->dead)
		err = -ENETDOWN;
	else if (!lending->lent) {
		link__loop_unwatch(&port->member, port->conn.datafd);
		if (!port->pending)
			link__loop_unwatch(&port->member, port->device_fd);
		link__loop_forget(&port->member);
		port->conn.awake = true;
		lending->lent = true;
		lease(port);
		link__loop_deadline(&port->member, lending->until);
	}
	pthread_mutex_unlock(&lending->lock);
	link__loop_exit(&port->member);
	return err;
}

/** take_back - the loop watches the port again; with both locks; 0 or a negative errno: the port is of no more use */
static int take_back(struct link_port *port)
{
	int err;

	port->lending.lent = false;
	link__loop_deadline(&port->member, INT64_MAX);
	if (port->dead)
		return 0;
	err = link__port_watch_data(port, true);
	if (port->pending)
		link__port_look_again(port);
	else if (!err)
		err = link__loop_watch(&port->member, LINK_DEVICE, port->device_fd, EPOLLIN, true);
	return err;
}

void link__port_lease_over(struct link_port *port)
{
	struct link__lending *lending = &port->lending;
	int err = 0;

	pthread_mutex_lock(&lending->lock);
	if (link__now() < lending->until) {
		link__loop_deadline(&port->member, lending->until);
	} else {
		err = take_back(port);
		link__loop_awake(&port->member);
	}
	pthread_mutex_unlock(&lending->lock);
	if (err)
		link__port_die(port, err);
}

int link_port_drive(struct link_port *port)
{
	struct link__lending *lending = &port->lending;
	unsigned int moved;
	int err;

	if (!link__loop_is_here(&port->member))
		return -ENETDOWN;
	if (pthread_mutex_trylock(&lending->lock) != 0)
		return -EBUSY;
	while (!lending->lent) {
		pthread_mutex_unlock(&lending->lock);
		err = lend(port);
		if (err)
			return err;
		if (pthread_mutex_trylock(&lending->lock) != 0)
			return -EBUSY;
	}
	lease(port);
	moved = link__port_input(port, EPOLLIN);
	if (!port->dead && port->pending)
		link__port_unthrottle(port);
	if (!port->dead && !port->pending)
		moved += link__port_output(port, EPOLLIN);
	err = port->dead ? -ENETDOWN : (int)moved;
	pthread_mutex_unlock(&lending->lock);
	return err;
}

void link_port_rest(struct link_port *port)
{
	struct link__lending *lending = &port->lending;
	int err = 0;

	if (!link__loop_is_here(&port->member))
		return;
	link__loop_enter(&port->member);
	pthread_mutex_lock(&lending->lock);
	if (lending->lent) {
		unsigned int looks = 0;

		/* The last one, which finds nothing, asks the network to tell of frames. */
		port->conn.awake = false;
		while (!port->dead && link__port_input(port, EPOLLIN) > 0 && ++looks < LAST_LOOKS)
			;
		if (looks < LAST_LOOKS)
			err = take_back(port);
		else
			port->conn.awake = true; /* The loop, when the lease is over. */
	}
	if (err)
		link__port_die(port, err);
	pthread_mutex_unlock(&lending->lock);
	link__loop_exit(&port->member);
}
