/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * caller.h - what libioth keeps for a plugin of usock, for one test program that calls the functions of a plugin itself.
 *
 * One stack, one thread: the socket of a call is set by whoever makes it (on), a new one is left in `current`.
 */
#ifndef TESTS_LIB_CALLER_H
#define TESTS_LIB_CALLER_H

struct usock_stack;

static struct usock_stack *stack;
static void *current, *sockdata[1024]; /* the socket of the call in progress, and of all descriptors */

static void *get_stack(void)
{
	return stack;
}

static void *get_socket(void)
{
	return current;
}

static int set_socket(void *data)
{
	current = data;
	return 0;
}

/** on - the calls that follow are on @fd */
static int on(int fd)
{
	current = sockdata[fd];
	return fd;
}

#endif
