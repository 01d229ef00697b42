/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * held.h - signals that a call holds back while it does not sleep, for functions that stand in for system calls.
 *
 * A handler that runs between two sleeps of a call is nothing the call hears of. So signals are blocked but for the
 * sleeps themselves, which are given the mask of the program (ppoll, epoll_pwait2) and end with EINTR. The kernel
 * restarts none of those: what signal(7) says of SA_RESTART is done here. Needs nothing else of usock: the client of
 * served stacks (src/remote) uses it as well.
 */
#ifndef USOCK_HELD_H
#define USOCK_HELD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/** struct ioth__held - all zero at first */
struct ioth__held {
	sigset_t mask; /* what the thread had blocked before */
	bool any;
};

/* What a thread brings upon itself: not held back, and nothing that ends a sleep. */
static const int ioth__held_faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};

#define IOTH__HELD_FAULTS (sizeof(ioth__held_faults) / sizeof(ioth__held_faults[0]))

/** ioth__held_begin - hold signals back from now on; again: nothing */
static inline void ioth__held_begin(struct ioth__held *held)
{
	sigset_t all;

	if (held->any)
		return;
	sigfillset(&all);
	for (size_t i = 0; i < IOTH__HELD_FAULTS; i++)
		sigdelset(&all, ioth__held_faults[i]);
	pthread_sigmask(SIG_BLOCK, &all, &held->mask);
	held->any = true;
}

/** ioth__held_end - let them come */
static inline void ioth__held_end(struct ioth__held *held)
{
	if (!held->any)
		return;
	held->any = false;
	pthread_sigmask(SIG_SETMASK, &held->mask, NULL);
}

/** ioth__handled - has a signal that is not in @blocked a handler? */
static inline bool ioth__handled(int sig, const sigset_t *blocked, struct sigaction *action)
{
	return sigismember(blocked, sig) == 0 && sigaction(sig, NULL, action) == 0 && action->sa_handler != SIG_DFL &&
	       action->sa_handler != SIG_IGN;
}

/**
 * ioth__handlers_restart - do all handlers that can have run in this thread while it slept have SA_RESTART?
 * @mask: what was blocked meanwhile
 *
 * Which of them have run nobody knows. A program that has handlers of both kinds may so get EINTR where Linux would have
 * gone on, which it must expect anyway.
 */
static inline bool ioth__handlers_restart(const sigset_t *mask)
{
	sigset_t blocked = *mask;

	for (size_t i = 0; i < IOTH__HELD_FAULTS; i++)
		sigaddset(&blocked, ioth__held_faults[i]);
	for (int sig = 1; sig < NSIG; sig++) {
		struct sigaction action;

		if (ioth__handled(sig, &blocked, &action) && !(action.sa_flags & SA_RESTART))
			return false;
	}
	return true;
}

#endif
