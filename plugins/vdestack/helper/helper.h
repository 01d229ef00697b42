/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * helper.h - the helper of the vdestack stacks of one program.
 *
 * An ordinary, single-threaded event loop (main.c) that answers the questions of wire.h. It *is at home* in the hidden
 * namespace, where the other ends of all interfaces live, and enters the namespace of a stack only for as long as it
 * makes something there (netns.c). What would make it wait for the kernel is left to the reaper thread (reaper.c).
 *
 * All functions return 0 or a negative errno unless they say otherwise.
 */
#ifndef VDESTACK_HELPER_H
#define VDESTACK_HELPER_H

#include "wire.h"

#include <stdbool.h>
#include <stdint.h>

struct conn; /* a connection to the program; main.c */
struct port;

/** struct stack - a stack: its namespace and what is in it */
struct stack {
	struct stack *next; /* in its bucket of the table */
	uint64_t id;
	struct conn *owner; /* the connection that made it, or its heir */
	int ns;             /* descriptor of the namespace */
	struct port *ports;
	int64_t mark;  /* offset that its sockets are marked at */
	bool unmarked; /* not all of them are */
	bool accepts;  /* one may have accepted connections that TCP has not counted */
};

/** struct port - an interface, seen from its other end; it outlives its stack till the interface is removed */
struct port {
	struct port *next; /* of the stack, or of the list it waits in */
	uint32_t peer;     /* index of the other end */
	int fd;            /* packet socket bound to it */
	uint64_t expires;  /* when waiting: time in ms at which it is removed by force */
};

/* -------------------------------------------------------------------------------------------------- netns.c */

/**
 * netns_begin - make the hidden namespace and move into it
 * @userns: work in a user namespace
 * @step: where it failed, enum wire_step
 */
int netns_begin(bool userns, uint32_t *step);
/** netns_new - make a namespace; returns its descriptor or a negative errno */
int netns_new(void);
/** netns_enter - move into the namespace of a stack, until netns_leave */
int netns_enter(int ns);
void netns_leave(void);
/** netns_quiet - does the hidden namespace do without IPv6 altogether? */
bool netns_quiet(void);

/* --------------------------------------------------------------------------------------------------- veth.c */

/** veth_begin - what is needed in the hidden namespace */
int veth_begin(void);
/**
 * veth_new - make an interface in namespace @ns, down, its other end up, and make it send finished frames only
 * @want: name, index, address, MTU
 * @made: gets the indices of the interface and of its other end, and the name
 */
int veth_new(int ns, const struct wire_request *want, struct wire_reply *made);
/** veth_exists - is there still an interface @peer in the hidden namespace? */
bool veth_exists(uint32_t peer);
/** veth_delete_all - remove these @count interfaces of the hidden namespace, with their other ends; takes long */
void veth_delete_all(int rtnl, const uint32_t *peer, unsigned int count);
/** veth_stop - take every interface of the namespace @ns down */
void veth_stop(int ns);

/* --------------------------------------------------------------------------------------------------- port.c */

/** port_begin - @epfd is where port_event wants its events from */
int port_begin(int epfd);
/** port_new - an interface for @stack; answers WIRE_NEWPORT in @reply and *@fd, the packet socket, which stays ours */
int port_new(struct stack *stack, const struct wire_request *want, struct wire_reply *reply, int *fd);
/** port_delete - remove the interface of @stack whose other end is @peer */
void port_delete(struct stack *stack, uint32_t peer);
/** port_delete_all - the namespace of @stack has been dropped: wait for its interfaces to vanish */
void port_delete_all(struct stack *stack);
/** port_event - the interface of a waiting port may have vanished */
void port_event(struct port *port);
/** port_timeout - ms until port_expire has something to do, -1 for never */
int port_timeout(void);
void port_expire(void);
/** port_end - close all packet sockets, in less time than one after the other takes */
void port_end(void);

/* ------------------------------------------------------------------------------------------------- reaper.c */

/** reap_interface - have an interface of the hidden namespace removed in the background */
void reap_interface(uint32_t peer);
/** reap_socket - have a packet socket closed in the background */
void reap_socket(int fd);
/** reap_sockets - close packet sockets now, in parallel; returns when all are closed */
void reap_sockets(const int *fd, unsigned int count);

/* -------------------------------------------------------------------------------------------------- stack.c */

struct stack *stack_find(uint64_t id);
int stack_new(uint64_t id, struct conn *owner);
void stack_delete(struct stack *stack);
/** stack_inherit - @conn is about to go: its stacks pass to @heir, or end when that is NULL */
void stack_inherit(struct conn *conn, struct conn *heir);
/** stack_sockets - make at most @want->socket.count sockets in fd[]; returns how many, or a negative errno when none */
int stack_sockets(struct stack *stack, const struct wire_request *want, int *fd);

/* -------------------------------------------------------------------------------------------------- count.c */

/** count_mark - a new socket */
void count_mark(struct stack *stack, int fd, int domain, int type, int protocol);
/** count_open - answers WIRE_COUNT in @reply */
void count_open(struct stack *stack, const struct wire_request *request, struct wire_reply *reply);

/* --------------------------------------------------------------------------------------------------- main.c */

/** now_ms - a clock */
uint64_t now_ms(void);

#endif
