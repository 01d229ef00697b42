/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * steps.c - a forked child stops itself before and after what is to be counted; its parent single-steps it from stop to
 * stop. The steps of stopping are counted with nothing between, and taken off.
 */
#include "steps.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOPPING 10000 /* more than it takes a process to stop itself */

static void nothing(void *arg)
{
	(void)arg;
}

/** perform - the life of the child */
static void perform(void (*action)(void *arg), void *arg)
{
	void (*volatile actions[])(void *arg) = {nothing, nothing, action}; /* the first one binds what is bound late */

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(1);
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		raise(SIGSTOP);
		actions[i](arg);
		raise(SIGSTOP);
	}
	_exit(0);
}

/** to_stop - let the child run to its next stop */
static int to_stop(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return -1;
	}
	return WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP ? 0 : -1;
}

/** count - steps from this stop of the child to the next */
static long count(pid_t child, long limit)
{
	int status;

	for (long steps = 0; steps < limit; steps++) {
		if (ptrace(PTRACE_SINGLESTEP, child, NULL, 0) < 0 || waitpid(child, &status, 0) != child ||
		    !WIFSTOPPED(status))
			return -2;
		if (WSTOPSIG(status) == SIGSTOP)
			return steps;
	}
	return -2;
}

long steps_of(void (*action)(void *arg), void *arg, long limit)
{
	long steps[3] = {-1, -1, -1};
	pid_t child = fork();

	if (child < 0)
		return -1;
	if (child == 0)
		perform(action, arg);
	for (unsigned int i = 0; i < 3; i++) {
		if (to_stop(child) < 0)
			break;
		steps[i] = count(child, STOPPING + (i == 2 ? limit : 0));
		if (steps[i] < 0 || ptrace(PTRACE_CONT, child, NULL, 0) < 0)
			break;
	}
	kill(child, SIGKILL);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		continue;
	return steps[2] < 0 ? steps[2] : steps[2] - steps[1];
}
