/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rtnl_stack.h - the configuration of a stack (src/inet) without an engine and without networks, for tests of its netlink side.
 *
 * Frames that it sends go nowhere, links of kind "vde" can be made on any locator but "fail:", and notifications are kept until
 * the test takes them. One thread, no lock.
 */
#ifndef RTNL_STACK_H
#define RTNL_STACK_H

#include <inet.h>

struct rtnl_stack {
	struct inet *inet;
	struct nlq_msg *changes; /* queue of notifications, with the numbers of their requests */
	int64_t skew;            /* added to the clock, nanoseconds */
	unsigned int links;      /* of kind "vde" that are there */
	unsigned int engine;     /* interfaces that the engine was told of */
	unsigned int addrs;      /* addresses that it was told of */
};

/** rtnl_stack_new - with lo and nothing else; aborts when there is no memory */
struct rtnl_stack *rtnl_stack_new(void);

/** rtnl_stack_free - aborts when the engine would still know of an interface or address, or a link is left */
void rtnl_stack_free(struct rtnl_stack *stack);

/** rtnl_stack_serve - answer a datagram of requests, as a netlink socket does */
struct nlq_msg *rtnl_stack_serve(struct rtnl_stack *stack, const void *datagram, size_t len, uint32_t portid,
                                 unsigned int options);

#endif
