/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * core.h - what the files of the core share.
 *
 * Lock order: stack list (stack.c) before socket lists (fdtable.c) before the loader's lock (private.c). No lock is held
 * while a plugin's function runs, except the loader's while a plugin is opened.
 */
#ifndef IOTH_CORE_H
#define IOTH_CORE_H

#include <ioth.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "fdtable.h"
#include "plugin.h"

/** struct ioth - a stack */
struct ioth {
	struct ioth_functions f;    /* complete: no member that a call needs is NULL */
	void *data;                 /* what the plugin's newstack returned */
	struct ioth__plugin plugin; /* all zero for the native stack */
	_Atomic unsigned int refs;  /* the handle, sockets, calls in progress on the stack itself */
	_Atomic bool stopped;
	_Atomic bool deleted;
	struct ioth__sock *socks; /* guarded by fdtable.c */
};

/* ------------------------------------------------------------------------------------------------- stack.c */

extern struct ioth ioth__native;

/** ioth__stack_get - @stack, or the default stack for NULL, with a reference for the caller */
struct ioth *ioth__stack_get(struct ioth *stack);
void ioth__stack_put(struct ioth *stack);

/* -------------------------------------------------------------------------------------------------- call.c */

/** struct ioth__call - a call in progress in this thread; nested when a plugin itself uses libioth */
struct ioth__call {
	struct ioth *stack;
	struct ioth__sock *sock;
	struct ioth__sock *made; /* the socket that socket or accept is making */
	int held;                /* a descriptor of @sock that is closed with the call; negative: none */
	struct ioth__call *outer;
};

extern _Thread_local struct ioth__call *ioth__current __attribute__((tls_model("initial-exec")));

/** ioth__call_let_go - close the descriptor that a call has held; errno stays */
void ioth__call_let_go(struct ioth__call *call);

/** ioth__call_number - by which the plugin is to know the socket of a call on @fd */
static inline int ioth__call_number(const struct ioth__call *call, int fd)
{
	if (call->held >= 0)
		return call->held;
	return call->sock->kernel || call->sock->held ? fd : call->sock->fd;
}

/** ioth__call_begin - enter a function of @stack's plugin, for @sock or NULL; the caller holds references to both */
static inline void ioth__call_begin(struct ioth__call *call, struct ioth *stack, struct ioth__sock *sock)
{
	*call = (struct ioth__call){.stack = stack, .sock = sock, .held = -1, .outer = ioth__current};
	ioth__current = call;
}

/** ioth__call_end - leave it; errno of a plugin that has a C library of its own is brought across when @failed */
static inline void ioth__call_end(struct ioth__call *call, bool failed)
{
	struct ioth *stack = call->stack;

	ioth__current = call->outer;
	call->stack = NULL;
	if (failed)
		ioth__plugin_fetch_errno(&stack->plugin);
	if (call->held >= 0)
		ioth__call_let_go(call);
}

/** ioth__fail - the Berkeley way to say a negative errno: -1 and errno; 0 and positive values pass */
int ioth__fail(int result);

/** ioth__call_abandon - of a call that has not ended when its block ends: the thread is being cancelled */
static inline void ioth__call_abandon(struct ioth__call *call)
{
	if (call->stack == NULL)
		return;
	ioth__current = call->outer;
	if (call->held >= 0)
		ioth__call_let_go(call);
}

/* ioth__sock_drop, ioth__stack_drop - give back the reference of a variable at the end of its block, whatever ends it */
static inline void ioth__sock_drop(struct ioth__sock **sock)
{
	if (*sock != NULL)
		ioth__sock_put(*sock);
}

static inline void ioth__stack_drop(struct ioth **stack)
{
	ioth__stack_put(*stack);
}

/*
 * A call may block, and the thread be cancelled in it (pthread_cancel(3)). What a blocking call holds is in variables of these kinds: the
 * references go back then as they do when it returns. The core is compiled with -fexceptions for that.
 */
#define IOTH__CALL __attribute__((cleanup(ioth__call_abandon))) struct ioth__call
#define IOTH__SOCK __attribute__((cleanup(ioth__sock_drop))) struct ioth__sock
#define IOTH__STACK __attribute__((cleanup(ioth__stack_drop))) struct ioth

/* ----------------------------------------------------------------------------------------------- emulate.c */

/** ioth__emulate - fill the members that a plugin left NULL with functions that use their relatives, or fail with ENOSYS */
void ioth__emulate(struct ioth_functions *f);

/* ------------------------------------------------------------------------------------------------ socket.c */

/** ioth__dup_from - fcntl(2) F_DUPFD or F_DUPFD_CLOEXEC with minimum @min, the copy entered like the original; Berkeley result */
int ioth__dup_from(int fd, int cmd, long min);

/** ioth__close_in_plugin - release a socket that has no reference left; for ioth__sock_put alone; 0 or a negative errno */
int ioth__close_in_plugin(struct ioth__sock *sock);

#endif
