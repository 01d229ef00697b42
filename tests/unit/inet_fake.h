/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inet_fake.h - an owner of a struct inet for tests: a clock that the test moves, an engine that remembers what it was
 * told.
 */
#ifndef INET_FAKE_H
#define INET_FAKE_H

#include <inet.h>

#include <arpa/inet.h>

#define FAKE_LOG 16384

struct fake {
	struct inet *inet;
	int64_t now;                               /* the clock, nanoseconds; 0: that of the machine */
	int addr_error;                            /* what addr_add returns */
	int link_error;                            /* what link_create returns */
	unsigned int ifaces, addrs, groups, ports; /* that the engine and the network know of at the moment */
	unsigned int routes_changed;
	unsigned int frames; /* sent */
	char log[FAKE_LOG];  /* a line for each event but frames, see fake.c; cut when it is full */
};

/** fake_open - a stack with lo; the test fails when there is none */
void fake_open(struct fake *fake);
/** fake_close - the end; the test fails when the engine still knows something */
void fake_close(struct fake *fake);
/** fake_run - move the clock to @when, step by step, running the timers when they are due; how often they ran */
unsigned int fake_run(struct fake *fake, int64_t when);
/** fake_add - an interface on a network that does not exist */
struct inet_iface *fake_add(struct fake *fake, const char *name);

/** fake_ip - an address from its text; *@family, when it is not NULL, tells of which family */
union inet_ip fake_ip(const char *text, int *family);

#endif
