/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usock_core_fake.h - stacks of usock whose sockets do what a test says, called as libioth calls them.
 *
 * Every kind of socket is the same fake here: it has bytes to be received, room for bytes to be sent, connections to be accepted, an
 * end of its attempts to connect, and shows to poll(2) what it is told to.
 */
#ifndef TESTS_UNIT_USOCK_CORE_FAKE_H
#define TESTS_UNIT_USOCK_CORE_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "private.h"

/** struct fake - a socket; changed with the lock held */
struct fake {
	union {
		struct usock sock;
		struct usock__inet inet; /* a stream is one */
	};
	uint32_t want;        /* what poll shows, when @automatic is not set */
	bool automatic;       /* poll shows what there is */
	size_t in, room;      /* bytes */
	unsigned int backlog; /* connections to be accepted */
	int connected;        /* what connect_done says */
	int released;         /* times */
};

extern struct ioth_functions fake_f;
extern int fake_disposed; /* sockets that were destroyed */

/** fake_stack - make a stack; fake_stack_free ends it */
struct usock_stack *fake_stack(void);
void fake_stack_free(struct usock_stack *stack);

/** fake_open - ioth_msocket; the socket becomes that of the thread's calls */
struct fake *fake_open(struct usock_stack *stack, int type);

/** fake_use - the socket of the calls that this thread makes by fake_f; NULL: none. Returns that of before */
struct usock *fake_use(struct fake *fake);

/** fake_tell - under the lock: change what a socket shows, and say that @events have happened */
void fake_tell(struct fake *fake, uint32_t want, uint32_t events);

#endif
