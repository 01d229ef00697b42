/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * port.c - packet sockets on the other ends of the interfaces.
 *
 * Every port has a packet socket; the program has a copy of its descriptor and moves the frames. The kernel waits for a
 * grace period, some 10 ms, whenever the last descriptor of a packet socket is closed, bound or not, and whenever a
 * bound one is bound elsewhere. A socket whose interface has vanished, however, may be bound anew at once. So:
 *
 *   - the program closes its descriptor first, which is never the last;
 *   - a port that is given up *waits* here until the kernel has removed its interface, which the socket reports as an
 *     error, and then goes to the *spare* sockets, to be used for the next port;
 *   - what is more than SPARE_MAX is closed by the reaper.
 *
 * The interface of a deleted stack vanishes with its namespace, normally within some ms. A namespace that goes on
 * living, because a process has still a socket of it, keeps its interface for LINGER_MS and then has it taken away.
 */
#include "helper.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define SPARE_MAX 64
#define LINGER_MS 1000
#define RECEIVE_BUFFER (2 << 20) /* bytes of frames, with the kernel's overhead, that may wait for the program */

static struct port *waiting, **waiting_last = &waiting; /* oldest first */
static struct port *spare;
static unsigned int spares;
static int epfd;

int port_begin(int events)
{
	epfd = events;
	return 0;
}

/** set - an option of a packet socket, 1 */
static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/** packet_socket - new, bound to nothing; a descriptor or a negative errno */
static int packet_socket(void)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	err = set(fd, SOL_PACKET, PACKET_VNET_HDR, 1);
	if (!err)
		err = set(fd, SOL_PACKET, PACKET_AUXDATA, 1);
	if (!err)
		err = set(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	if (!err)
		err = set(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
	if (err) {
		reap_socket(fd);
		return err;
	}
	if (set(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER) != 0)
		set(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER); /* the system limits it */
	return fd;
}

/** port_get - a port with a socket, used or new */
static int port_get(struct port **out)
{
	struct port *port = spare;

	if (port) {
		spare = port->next;
		spares--;
		*out = port;
		return 0;
	}
	port = calloc(1, sizeof(*port));
	if (port == NULL)
		return -ENOMEM;
	port->fd = packet_socket();
	if (port->fd < 0) {
		int err = port->fd;

		free(port);
		return err;
	}
	*out = port;
	return 0;
}

/** port_put - a port whose socket is bound to nothing is not needed now */
static void port_put(struct port *port)
{
	char frame[64]; /* the rest of it is cut off */

	if (spares >= SPARE_MAX) {
		reap_socket(port->fd);
		free(port);
		return;
	}
	/* What waits in it is an error, or frames of another stack. */
	while (recv(port->fd, frame, sizeof(frame), MSG_DONTWAIT) >= 0 || errno == ENETDOWN || errno == EINTR)
		;
	port->next = spare;
	spare = port;
	spares++;
}

int port_new(struct stack *stack, const struct wire_request *want, struct wire_reply *reply, int *fd)
{
	struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct port *port;
	int err = port_get(&port);

	if (err)
		return err;
	err = veth_new(stack->ns, want, reply);
	if (err) {
		port_put(port);
		return err;
	}
	port->peer = reply->newport.peer;
	port->next = stack->ports;
	stack->ports = port;
	addr.sll_ifindex = (int)port->peer;
	if (bind(port->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		err = -errno;
		port_delete(stack, port->peer);
		return err;
	}
	*fd = port->fd;
	return 0;
}

/** vanished - the interface of a waiting port is no more */
static void vanished(struct port *port)
{
	struct port **p = &waiting;

	while (*p != port)
		p = &(*p)->next;
	*p = port->next;
	if (waiting_last == &port->next)
		waiting_last = p;
	epoll_ctl(epfd, EPOLL_CTL_DEL, port->fd, NULL);
	port_put(port);
}

/** port_wait - the port is given up: wait for its interface to vanish */
static void port_wait(struct port *port)
{
	/* an error is reported whatever is asked for, and nothing else is of interest */
	struct epoll_event event = {.events = EPOLLET, .data.ptr = port};

	port->next = NULL;
	port->expires = now_ms() + LINGER_MS;
	*waiting_last = port;
	waiting_last = &port->next;
	epoll_ctl(epfd, EPOLL_CTL_ADD, port->fd, &event);
	/* the program may have received the error already */
	if (!veth_exists(port->peer))
		vanished(port);
}

void port_delete(struct stack *stack, uint32_t peer)
{
	struct port **p = &stack->ports, *port;

	while (*p && (*p)->peer != peer)
		p = &(*p)->next;
	port = *p;
	if (port == NULL)
		return;
	*p = port->next;
	if (veth_exists(peer))
		reap_interface(peer);
	port_wait(port);
}

void port_delete_all(struct stack *stack)
{
	struct port *port;

	while ((port = stack->ports) != NULL) {
		stack->ports = port->next;
		port_wait(port);
	}
}

void port_event(struct port *port)
{
	if (!veth_exists(port->peer))
		vanished(port);
}

int port_timeout(void)
{
	uint64_t now;

	if (waiting == NULL)
		return -1;
	now = now_ms();
	return waiting->expires <= now ? 0 : (int)(waiting->expires - now);
}

void port_expire(void)
{
	uint64_t now = waiting ? now_ms() : 0;

	while (waiting && waiting->expires <= now) {
		struct port *port = waiting;

		if (!veth_exists(port->peer)) {
			vanished(port);
			continue;
		}
		reap_interface(port->peer);
		/* once is enough, normally; go behind the others */
		port->expires = now + LINGER_MS;
		if (port->next == NULL)
			break;
		waiting = port->next;
		port->next = NULL;
		*waiting_last = port;
		waiting_last = &port->next;
	}
}

void port_end(void)
{
	unsigned int count = 0;
	struct port *port;
	int *fd;

	for (port = waiting; port; port = port->next)
		count++;
	count += spares;
	fd = calloc(count + 1, sizeof(*fd));
	if (fd == NULL)
		return; /* the kernel closes them, one after the other */
	count = 0;
	for (port = waiting; port; port = port->next)
		fd[count++] = port->fd;
	for (port = spare; port; port = port->next)
		fd[count++] = port->fd;
	reap_sockets(fd, count);
	free(fd);
}
