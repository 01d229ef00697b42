/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * call.h - how a Berkeley call enters a stack, waits in it, and leaves it: for socket.c and transfer.c.
 *
 *     USOCK_CALL(call);
 *     int result = usock__call_begin(&call);
 *
 * USOCK_CALL makes the end of the block the end of the call, also when the thread is cancelled while it waits: the lock
 * is given back, and the descriptor shows what the call has changed.
 */
#ifndef IOTH_USOCK_CALL_H
#define IOTH_USOCK_CALL_H

#include "private.h"

#include <errno.h>

/** struct usock__call - a call in progress */
struct usock__call {
	struct usock *sock; /* NULL: it has not begun, or has ended */
	uint32_t waiting;   /* what for, when it is in usock__wait */
	struct usock__held held;
	bool peeks; /* it takes nothing: what it waits for is there for others as well */
};

#define USOCK_CALL(call) __attribute__((cleanup(usock__call_end))) struct usock__call call = {.sock = NULL}

/**
 * usock__call_begin - take the lock for a call on the socket that libioth says
 *
 * Returns 0; -ESTALE in a forked child; -ENETDOWN the stack was stopped; -EBADF its descriptor is gone.
 */
int usock__call_begin(struct usock__call *call);
void usock__call_end(struct usock__call *call);

/** usock__call_wait - usock__wait in a call; as that, and the errors of usock__call_begin but -ESTALE */
int usock__call_wait(struct usock__call *call, uint32_t events, int64_t until);

/** usock__call_glance - before it is known that the call has to wait: has something come for the stack? Then the kind is to be asked again */
bool usock__call_glance(struct usock__call *call, uint32_t events);

/** usock__call_until - when a call that waits for @timeout nanoseconds (INET_NEVER: for ever) gives up */
int64_t usock__call_until(const struct usock__call *call, int64_t timeout);

/** usock__result - the Berkeley way to say a negative errno: -1 and errno; others pass */
static inline ssize_t usock__result(ssize_t result)
{
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

/** usock__call_socket - the socket that libioth says the call is about; NULL: none */
struct usock *usock__call_socket(void);
void usock__call_functions(const struct ioth_functions *f);

/* transfer.c: the members of ioth_functions that move bytes. */
void usock__transfer_functions(struct ioth_functions *f);

#endif
