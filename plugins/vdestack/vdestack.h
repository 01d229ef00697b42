/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vdestack.h - a stack, its ports, and the calls on its netlink sockets */
#ifndef VDESTACK_H
#define VDESTACK_H

#include "link.h"
#include "packetdev.h"
#include "stock.h"
#include "wire.h"

#include <ioth.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/** struct vde_port - an interface of a stack and its port on a network */
struct vde_port {
	struct vde_port *next;
	struct packetdev device;
	struct link_port *port;
	uint32_t ifindex; /* in the stack */
};

/** struct vde_stream - what threads that move streams know of a stack (stream.c) */
struct vde_stream {
	pthread_mutex_t lock;
	struct link_port *port; /* lock: the one that they may move themselves, or NULL */
	atomic_bool possible;   /* there is one */
	atomic_bool lent;       /* it was driven since it last rested, as far as we know */
	_Atomic int64_t left;   /* when a thread last left, CLOCK_MONOTONIC nanoseconds */
	atomic_uint returned;   /* how many times in a row one was back soon after that */
	atomic_uint waiting;    /* threads that wait in a system call */
};

/** struct vde_stack - a stack */
struct vde_stack {
	struct vde_stack *next; /* of all */
	uint64_t id;            /* its number, for the helper */
	struct client *client;
	struct vde_port *ports;
	char *pcap; /* capture file, or NULL */
	atomic_bool stopped;
	bool foreign; /* inherited by fork: the parent's threads that drive its ports are not here */
	struct stock stock;
	struct vde_stream stream;
};

/* All functions return 0 or a negative errno. */

/* ----------------------------------------------------------------------------------------------- options.c */

/** struct vde_options - what follows the stack's name */
struct vde_options {
	char *pcap; /* or NULL; to be freed */
};

/** vde_options_parse - "NAME=VALUE,..."; -EINVAL for what is unknown, empty, or given twice */
int vde_options_parse(const char *text, struct vde_options *out);

/* ------------------------------------------------------------------------------------------------- ports.c */

/** vde_ports_new - make all the interfaces of a new stack; none is left behind when it fails */
int vde_ports_new(struct vde_stack *stack, const struct link_vnl *vnl, unsigned int count);
/** vde_port_add - one more, at run time; see nlvde.h for @want, @ifindex is what it got */
int vde_port_add(struct vde_stack *stack, const char *vnl, struct wire_request *want, uint32_t *ifindex);
/** vde_port_remove - undo vde_port_add */
void vde_port_remove(struct vde_stack *stack, uint32_t ifindex);
/** vde_ports_prune - leave the network with the ports whose interface has been deleted */
void vde_ports_prune(struct vde_stack *stack);
/** vde_ports_leave - leave the network with all ports; the interfaces stay until the helper takes them away */
void vde_ports_leave(struct vde_stack *stack);

/* fork(2) */
void vde_ports_lock(void);
void vde_ports_unlock(void);
/** vde_ports_forked - in the child: the ports of @stack are the parent's */
void vde_ports_forked(struct vde_stack *stack);

/* ----------------------------------------------------------------------------------------------- netlink.c */

/** vde_current - the stack of the call in progress; vdestack.c */
struct vde_stack *vde_current(void);
/** vde_routing - is the socket of the call one of routing netlink? vdestack.c */
bool vde_routing(void);

/** vde_stopped - has the stack of the call in progress been stopped? */
bool vde_stopped(void);

/* For NETLINK_ROUTE sockets; as their namesakes. Receiving is ENETDOWN when the stack was stopped meanwhile. */
ssize_t vde_netlink_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t vde_netlink_received(ssize_t result);

/* ---------------------------------------------------------------------------------------------- shutdown.c */

/** vde_shutdown - shutdown(2), which netlink and packet sockets do not have: there it wakes who receives on a stopped stack */
int vde_shutdown(int fd, int how);

/* ------------------------------------------------------------------------------------------------ stream.c */

/** vde_stream_port - from now on threads that move streams may move the frames of @port themselves */
void vde_stream_port(struct vde_stack *stack, struct link_port *port);
/** vde_stream_unport - no more, and none does when this returns; @port need not be the one */
void vde_stream_unport(struct vde_stack *stack, const struct link_port *port);
/** vde_stream_forked - in the child: the ports are the parent's */
void vde_stream_forked(struct vde_stack *stack);

/** vde_stream_possible - is there such a port? */
bool vde_stream_possible(const struct vde_stack *stack);

/* As their namesakes, for all sockets whose calls we see: TCP on a stack with such a port, and routing netlink. */
ssize_t vde_write(int fd, const void *buf, size_t len);
ssize_t vde_writev(int fd, const struct iovec *iov, int iovcnt);
ssize_t vde_send(int fd, const void *buf, size_t len, int flags);
ssize_t vde_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t tolen);
ssize_t vde_sendmsg(int fd, const struct msghdr *msg, int flags);
int vde_sendmmsg(int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags);
ssize_t vde_read(int fd, void *buf, size_t len);
ssize_t vde_readv(int fd, const struct iovec *iov, int iovcnt);
ssize_t vde_recv(int fd, void *buf, size_t len, int flags);
ssize_t vde_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen);
ssize_t vde_recvmsg(int fd, struct msghdr *msg, int flags);
int vde_recvmmsg(int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags, struct timespec *timeout);
int vde_setsockopt(int fd, int level, int name, const void *value, socklen_t len);

#endif
