/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usock_wait_fake.h - a stack with nothing in it but sockets that wait, and a network that names them.
 *
 * A frame of this network is a byte in a pipe: the number of the socket that it is for. What a real stack does when a
 * frame has come or its lock is given back is done here in its shortest form, by the thread that drive.c and wait.c
 * chose, and is noted down.
 */
#ifndef TESTS_UNIT_USOCK_WAIT_FAKE_H
#define TESTS_UNIT_USOCK_WAIT_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>

#include "drive.h"

#define SOCKETS 8

struct net;

/** struct fake - the stack */
struct fake {
	struct usock_stack stack;
	struct usock sock[SOCKETS];
	unsigned int unread[SOCKETS]; /* frames that came for a socket; lock */
	struct net *net;
	_Atomic unsigned int frames; /* handled in all */
	_Atomic pid_t handler;       /* the thread that handled the last */
	_Atomic unsigned int turns;
	_Atomic int64_t deadline;   /* of the engine */
	_Atomic unsigned int fired; /* times the engine's deadline was found to have passed */
	_Atomic pid_t fired_by;
	_Atomic unsigned int gone; /* events for a network that is not there any more */
	atomic_bool flooded;       /* in the memory of a network there is always a frame more, for nobody here */
};

struct fake *fake_new(void);
void fake_free(struct fake *fake);

/** fake_frame - a frame for a socket is on its way */
void fake_frame(struct fake *fake, unsigned int number);

/** fake_net_replace - the network goes, and another takes its place in memory, as far as malloc likes; lock held */
void fake_net_replace(struct fake *fake);

/** fake_recv - take a frame for a socket, waiting for it: 0 or what usock__wait said */
int fake_recv(struct fake *fake, unsigned int number, int64_t until);

/** fake_idle - nothing is left as it should not be: no waiting thread, no leader, the event loop in charge */
void fake_idle(struct fake *fake);

#endif
