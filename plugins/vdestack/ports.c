/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ports.c - the interfaces of a stack, and their ports on VDE networks.
 *
 * The helper makes an interface and hands over the packet socket at its other end; a port (link.h) moves frames
 * between that and the network. To give up a port is: leave the network, close our copy of the packet socket, tell
 * the helper, in this order. The helper has the last copy of the descriptor, which is the one that takes long to
 * close.
 *
 * An interface may be deleted by the program in the way of the kernel, by netlink. Then its packet socket is in
 * error, and the port goes down by itself; what is left of it is cleared away the next time somebody looks
 * (vde_ports_prune): after a request to delete that came by here, and before anything is added or ended.
 *
 * Lock. `lock` guards the lists of ports of all stacks. No network is joined or left, and nothing asked of the
 * helper, while it is held.
 */
#include "vdestack.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_A_TIME 8  /* interfaces asked for before the first answer is taken */
#define FLUSH_MS 5   /* for frames on their way out */
#define UNDO_MS 1000 /* for the kernel to take an interface away, which takes some tens */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void vde_ports_lock(void)
{
	pthread_mutex_lock(&lock);
}

void vde_ports_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

/* -------------------------------------------------------------------------------------------------- ending */

/**
 * port_flush - let the event loop pass on the frames that the stack has sent already
 *
 * What a program sent before it deleted the stack should get on its way, as it would from a machine that is switched
 * off. It is not worth waiting for a network that does not take it.
 */
static void port_flush(const struct vde_port *port)
{
	struct pollfd pfd = {.fd = port->device.fd, .events = POLLIN};

	for (int waited = 0; waited < FLUSH_MS && poll(&pfd, 1, 0) == 1 && pfd.revents == POLLIN; waited++)
		poll(NULL, 0, 1);
}

/** port_close - leave the network */
static void port_close(struct vde_stack *stack, struct vde_port *port)
{
	vde_stream_unport(stack, port->port);
	link_port_close(port->port);
	port->port = NULL;
}

/** port_leave - leave the network, close our copy of the packet socket, and forget the port */
static void port_leave(struct vde_stack *stack, struct vde_port *port)
{
	if (port->port)
		port_close(stack, port);
	if (port->device.fd >= 0)
		close(port->device.fd);
	free(port);
}

/** port_delete - give up a port that is on no list */
static void port_delete(struct vde_stack *stack, struct vde_port *port)
{
	struct wire_request request = {.op = WIRE_DELPORT, .stack = stack->id, .delport = {port->device.peer}};

	port_leave(stack, port);
	client_tell(stack->client, &request);
}

/** port_undo - as port_delete, and wait until the interface has vanished: it should never have been there */
static void port_undo(struct vde_stack *stack, struct vde_port *port)
{
	struct wire_request request = {.op = WIRE_DELPORT, .stack = stack->id, .delport = {port->device.peer}};

	if (port->port)
		port_close(stack, port);
	client_tell(stack->client, &request);
	for (int waited = 0; waited < UNDO_MS && !packetdev_gone(&port->device); waited++)
		poll(NULL, 0, 1);
	port_leave(stack, port);
}

/** leave_all - a list of ports */
static void leave_all(struct vde_stack *stack, struct vde_port *port)
{
	while (port) {
		struct vde_port *next = port->next;

		port_leave(stack, port);
		port = next;
	}
}

/** unlist - take the ports out of the list of @stack that @which chooses; returns a list of them */
static struct vde_port *unlist(struct vde_stack *stack, bool (*which)(const struct vde_port *, uint32_t), uint32_t arg)
{
	struct vde_port **p, *out = NULL;

	vde_ports_lock();
	for (p = &stack->ports; *p;) {
		struct vde_port *port = *p;

		if (!which(port, arg)) {
			p = &port->next;
			continue;
		}
		*p = port->next;
		port->next = out;
		out = port;
	}
	vde_ports_unlock();
	return out;
}

static bool every(const struct vde_port *port, uint32_t unused)
{
	(void)port;
	(void)unused;
	return true;
}

static bool is_gone(const struct vde_port *port, uint32_t unused)
{
	(void)unused;
	return packetdev_gone(&port->device);
}

static bool is_index(const struct vde_port *port, uint32_t ifindex)
{
	return port->ifindex == ifindex;
}

/** end_all - a list of ports, with @end */
static void end_all(struct vde_stack *stack, struct vde_port *port, void (*end)(struct vde_stack *, struct vde_port *))
{
	while (port) {
		struct vde_port *next = port->next;

		end(stack, port);
		port = next;
	}
}

void vde_ports_prune(struct vde_stack *stack)
{
	if (!stack->foreign)
		end_all(stack, unlist(stack, is_gone, 0), port_delete);
}

void vde_port_remove(struct vde_stack *stack, uint32_t ifindex)
{
	end_all(stack, unlist(stack, is_index, ifindex), port_undo);
}

void vde_ports_leave(struct vde_stack *stack)
{
	struct vde_port *list = unlist(stack, every, 0);

	for (struct vde_port *port = list; port && !stack->foreign; port = port->next)
		if (port->port && atomic_load(&port->device.error) == 0)
			port_flush(port);
	leave_all(stack, list);
}

void vde_ports_forked(struct vde_stack *stack)
{
	stack->foreign = true;
	vde_stream_forked(stack);
	/* The packet sockets are of no use here, and the helper uses them again. */
	for (struct vde_port *port = stack->ports; port; port = port->next) {
		close(port->device.fd);
		port->device.fd = -1;
	}
}

/* ------------------------------------------------------------------------------------------------ beginning */

/** port_new - an empty one */
static struct vde_port *port_new(void)
{
	struct vde_port *port = calloc(1, sizeof(*port));

	if (port)
		port->device.fd = -1;
	return port;
}

/** port_take - what the helper has made */
static int port_take(struct vde_port *port, struct client_reply *reply)
{
	if (reply->wire.error)
		return -reply->wire.error;
	if (reply->fds != 1) {
		bool full = reply->truncated;

		client_drop(reply);
		return full ? -EMFILE : -EPROTO;
	}
	port->device.fd = reply->fd[0];
	port->device.peer = reply->wire.newport.peer;
	port->ifindex = reply->wire.newport.ifindex;
	return 0;
}

/** port_join - join the network */
static int port_join(struct vde_stack *stack, struct vde_port *port, const char *vnl, const char *ifname)
{
	int err = link_port_open(vnl, ifname, stack->pcap, &packetdev_ops, &port->device, port->device.fd, &port->port);

	if (!err && link_port_lendable(port->port))
		vde_stream_port(stack, port->port);
	return err;
}

/**
 * send_all - the questions for these interfaces, behind that for the stack itself if it is @new; their numbers in
 * seq[]
 */
static int send_all(struct vde_stack *stack, bool new, const struct link_vnl *vnl, unsigned int count, uint32_t *seq)
{
	int err = 0;

	for (unsigned int i = 0; i <= count && !err; i++) {
		struct wire_request request = {.op = i ? WIRE_NEWPORT : WIRE_NEWSTACK, .stack = stack->id};

		seq[i] = 0;
		if (i == 0 && !new)
			continue;
		if (i > 0) {
			memcpy(request.newport.ifname, vnl[i - 1].ifname, sizeof(request.newport.ifname));
			request.newport.large = link_vnl_shared(vnl[i - 1].vnl);
		}
		err = client_send(stack->client, &request);
		seq[i] = request.seq;
	}
	return err;
}

/**
 * ask - for at most AT_A_TIME interfaces; see send_all
 *
 * All questions are sent before the first answer is awaited. If there is no stack there are no interfaces either, and
 * the first error is the one that counts.
 */
static int ask(struct vde_stack *stack, bool new, const struct link_vnl *vnl, struct vde_port **port,
               unsigned int count)
{
	uint32_t seq[AT_A_TIME + 1];
	int result;

	client_lock();
	result = send_all(stack, new, vnl, count, seq);
	if (result) {
		client_unlock();
		return result;
	}
	for (unsigned int i = new ? 0 : 1; i <= count; i++) {
		struct client_reply reply;
		int err = client_wait(stack->client, seq[i], &reply);

		if (!err)
			err = i ? port_take(port[i - 1], &reply) : -reply.wire.error;
		if (!result)
			result = err;
	}
	client_unlock();
	return result;
}

/** make_all - the stack and its interfaces, and join their networks; what there is when it fails is left in place */
static int make_all(struct vde_stack *stack, const struct link_vnl *vnl, struct vde_port **port, unsigned int count)
{
	unsigned int done = 0;

	do {
		unsigned int some = count - done < AT_A_TIME ? count - done : AT_A_TIME;
		int err = ask(stack, done == 0, vnl + done, port + done, some);

		if (err)
			return err;
		done += some;
	} while (done < count);
	for (unsigned int i = 0; i < count; i++) {
		int err = port_join(stack, port[i], vnl[i].vnl, vnl[i].ifname);

		if (err)
			return err;
	}
	return 0;
}

int vde_ports_new(struct vde_stack *stack, const struct link_vnl *vnl, unsigned int count)
{
	struct vde_port **port = calloc(count + 1, sizeof(struct vde_port *));
	int err = port ? 0 : -ENOMEM;

	for (unsigned int i = 0; i < count && !err; i++) {
		port[i] = port_new();
		if (port[i] == NULL) {
			err = -ENOMEM;
			break;
		}
		port[i]->next = stack->ports;
		stack->ports = port[i];
	}
	if (!err)
		err = make_all(stack, vnl, port, count);
	free(port);
	if (err) {
		struct wire_request request = {.op = WIRE_DELSTACK, .stack = stack->id};

		vde_ports_leave(stack);
		client_tell(stack->client, &request);
	}
	return err;
}

int vde_port_add(struct vde_stack *stack, const char *vnl, struct wire_request *want, uint32_t *ifindex)
{
	struct vde_port *port;
	struct client_reply reply;
	int err;

	if (stack->foreign)
		return -ESTALE;
	vde_ports_prune(stack);
	port = port_new();
	if (port == NULL)
		return -ENOMEM;
	want->op = WIRE_NEWPORT;
	want->stack = stack->id;
	want->newport.large = link_vnl_shared(vnl);
	err = client_ask(stack->client, want, &reply);
	if (!err)
		err = port_take(port, &reply);
	if (err) {
		port_leave(stack, port);
		return err;
	}
	err = port_join(stack, port, vnl, reply.wire.newport.ifname);
	if (err) {
		port_undo(stack, port);
		return err;
	}
	*ifindex = port->ifindex;
	vde_ports_lock();
	port->next = stack->ports;
	stack->ports = port;
	vde_ports_unlock();
	return 0;
}
