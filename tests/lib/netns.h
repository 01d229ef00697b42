/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * netns.h - private network namespaces for the tests, without privileges.
 *
 * All functions return 0 (or a descriptor) or a negative errno and use plain system calls only: nothing of the library
 * under test is involved in making the place it is tested in.
 */
#ifndef TESTS_LIB_NETNS_H
#define TESTS_LIB_NETNS_H

#include <stdbool.h>

/**
 * netns_private - leave for a network namespace of one's own, with all capabilities over it
 *
 * A new user namespace maps the caller to root; root goes without one where only that is forbidden. The process must
 * have one thread. Returns 0, or -EPERM, -ENOSPC, -EUSERS, … where the system does not allow it.
 */
int netns_private(void);

/** netns_open - a descriptor of the calling thread's network namespace */
int netns_open(void);

/** netns_enter - move the calling thread into a network namespace */
int netns_enter(int netns);

/** netns_veth - a veth pair: @name here, and an interface of the same name in @peer_netns */
int netns_veth(const char *name, int peer_netns);

/** netns_link_up - set an interface of this namespace up */
int netns_link_up(const char *name);

/**
 * netns_link_running - wait till an interface of this namespace carries frames
 *
 * The other end of a cable has to be up. What is sent before is lost: the kernel hears of a carrier and makes the queue
 * of the interface by and by. Returns 0, -ETIMEDOUT, or the error of a request.
 */
int netns_link_running(const char *name);

/** netns_addr_add - give an interface of this namespace an address, usable at once (no duplicate detection) */
int netns_addr_add(const char *name, int family, const void *addr, int prefixlen);

#endif
