/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* child.h - the program that ioth runs: started, waited for, and its end made ours. */
#ifndef TOOL_CHILD_H
#define TOOL_CHILD_H

#include <signal.h>
#include <sys/types.h>

/** struct child - a program and how it is started */
struct child {
	const char *command; /* in whose name complaints are made */
	char **argv;
	/* Called in the new process before the program is executed; async-signal-safe. Returns NULL, or what failed,
	 * with errno. */
	const char *(*prepare)(void *arg);
	void *arg;
	pid_t pid;
	sigset_t signals; /* the signals that were blocked before child_signals */
};

/**
 * child_signals - block the signals that are the program's business
 *
 * Before any thread is made, which must not get them. child_start gives the program the old set.
 */
void child_signals(struct child *child);

/**
 * child_start - start it
 *
 * Returns 0 when the program is executing. Otherwise the exit status that tells why it is not, after a line about it on
 * standard error.
 */
int child_start(struct child *child);

/**
 * child_wait - wait for the end of the program and of all that it has left behind
 *
 * Signals that reach us meanwhile are passed on to the program, except those of the terminal, which it has got itself.
 * Returns its status as waitpid(2) does.
 */
int child_wait(struct child *child);

/** child_end_like - end as it did: with its exit status, or by its signal */
_Noreturn void child_end_like(int status);

#endif
