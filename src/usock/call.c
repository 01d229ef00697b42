/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* call.c - how a Berkeley call enters a stack, waits in it, and leaves it. */
#include "call.h"

/* The same for all stacks: those of libioth. Set by usock__functions, from whichever thread makes a stack first. */
static void *(*_Atomic current_socket)(void);

void usock__call_functions(const struct ioth_functions *f)
{
	current_socket = f->getsockdata;
}

struct usock *usock__call_socket(void)
{
	return current_socket();
}

/** refused - why a call cannot go on */
static int refused(const struct usock *sock)
{
	if (sock->stack->stopped)
		return -ENETDOWN;
	return sock->dead ? -EBADF : 0;
}

int usock__call_begin(struct usock__call *call)
{
	struct usock *sock = usock__call_socket();

	if (sock == NULL)
		return -EBADF;
	if (!usock__here(sock->stack))
		return -ESTALE;
	usock_lock(sock->stack);
	call->sock = sock;
	return refused(sock);
}

/** waiters - one thread more or less waits for @events, to take what comes */
static void waiters(const struct usock__call *call, uint32_t events, unsigned int by)
{
	struct usock *sock = call->sock;

	if (call->peeks)
		return;
	if (events & EPOLLIN)
		sock->readers += by;
	if (events & EPOLLOUT)
		sock->writers += by;
}

void usock__call_end(struct usock__call *call)
{
	struct usock *sock = call->sock;
	uint32_t left = 0;

	if (sock == NULL)
		return;
	if (call->waiting != 0) { /* cancelled: usock__wait has left the lock free */
		usock_lock(sock->stack);
		waiters(call, call->waiting, -1U);
	}
	/* What this thread has left is the next one's: it may have been woken for it alone. */
	if (sock->readers > 0)
		left |= EPOLLIN;
	if (sock->writers > 0)
		left |= EPOLLOUT;
	usock__changed(sock, sock->kind->poll != NULL && left != 0 ? left & sock->kind->poll(sock) : 0);
	call->sock = NULL;
	usock_unlock(sock->stack);
	usock__held_end(&call->held);
}

int usock__call_wait(struct usock__call *call, uint32_t events, int64_t until)
{
	struct usock *sock = call->sock;
	int result;

	waiters(call, events, 1);
	usock__changed(sock, 0);
	call->waiting = events;
	result = usock__wait(sock, events, until, &call->held);
	call->waiting = 0;
	waiters(call, events, -1U);
	return refused(sock) < 0 ? refused(sock) : result;
}

bool usock__call_glance(struct usock__call *call, uint32_t events)
{
	bool some;

	/* What comes is not shown to anybody else before this thread has had it. */
	waiters(call, events, 1);
	some = usock__drive_glance(call->sock->stack);
	waiters(call, events, -1U);
	return some && refused(call->sock) == 0;
}

int64_t usock__call_until(const struct usock__call *call, int64_t timeout)
{
	return timeout == INET_NEVER ? INET_NEVER : usock_now(call->sock->stack) + timeout;
}
