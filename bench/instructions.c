/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libioth adds to a system call, in instructions of the processor: exact, the same in every run, on any machine.
 *
 * Theory of operation. A child opens a socket, makes each call once so that lazy binding is over, and then stops itself
 * (SIGSTOP) between calls; we single-step it by ptrace(2) from stop to stop and count. The steps of stopping are
 * counted once with no call between and taken off. What the kernel does is one step.
 */
#include "bench.h"
#include "dispatch.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS_MAX 100000 /* a call that takes more has gone astray */

enum metric { EXTRA, PLAIN };

static const struct dispatch_place *place;

/** perform - the life of the child: each thing that is counted, between two stops */
static void perform(int failure)
{
	dispatch_spin *const spins[] = {dispatch_nothing, place->call->plain, place->call->ioth};
	int fd;

	if (dispatch_open(place, &fd, 1) < 0) {
		write(failure, bench_why(), strlen(bench_why()));
		_exit(1);
	}
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0) {
		bench_fail("ptrace: %s", strerror(errno));
		write(failure, bench_why(), strlen(bench_why()));
		_exit(1);
	}
	for (unsigned int i = 0; i < BENCH_COUNT(spins); i++)
		spins[i](fd, 10);
	for (unsigned int i = 0; i < BENCH_COUNT(spins); i++) {
		raise(SIGSTOP);
		spins[i](fd, 1);
		raise(SIGSTOP);
	}
	_exit(0);
}

/** to_stop - let the child run to its next SIGSTOP; other signals are passed on; -1 when it ends instead */
static int to_stop(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
		if (WSTOPSIG(status) == SIGSTOP)
			return 0;
		ptrace(PTRACE_CONT, child, NULL, WSTOPSIG(status));
	}
	return -1;
}

/** count_steps - instructions from this SIGSTOP of the child to the next, or -1 */
static long count_steps(pid_t child)
{
	int status;

	for (long steps = 0; steps < STEPS_MAX; steps++) {
		if (ptrace(PTRACE_SINGLESTEP, child, NULL, 0) < 0 || waitpid(child, &status, 0) != child)
			return -1;
		if (!WIFSTOPPED(status))
			return -1;
		if (WSTOPSIG(status) == SIGSTOP)
			return steps;
	}
	return -1;
}

static int instructions_begin(const struct bench_subject *subject, void **state)
{
	(void)state;
	place = subject->arg;
	return 0;
}

static int instructions_sample(void *state, double *values)
{
	char why[BENCH_WHY_MAX] = "";
	long steps[3] = {-1, -1, -1};
	pid_t child;
	int failure[2];

	(void)state;
	if (pipe(failure) < 0)
		return bench_fail("pipe: %s", strerror(errno));
	child = fork();
	if (child < 0)
		return bench_fail("fork: %s", strerror(errno));
	if (child == 0)
		perform(failure[1]);
	close(failure[1]);
	for (unsigned int i = 0; i < 3; i++) {
		if (to_stop(child) < 0)
			break;
		steps[i] = count_steps(child);
		if (steps[i] < 0 || ptrace(PTRACE_CONT, child, NULL, 0) < 0)
			break;
	}
	if (read(failure[0], why, sizeof(why) - 1) < 0)
		why[0] = '\0';
	close(failure[0]);
	kill(child, SIGKILL);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		continue;
	if (steps[0] < 0 || steps[1] < 0 || steps[2] < 0)
		return bench_fail("%s", why[0] ? why : "the traced process ended early");
	values[PLAIN] = (double)(steps[1] - steps[0]);
	values[EXTRA] = (double)(steps[2] - steps[1]);
	return 0;
}

static void instructions_end(void *state)
{
	(void)state;
}

static const struct bench_metric metrics[] = {
        [EXTRA] = {"extra", "instr", BENCH_LESS},
        [PLAIN] = {"plain call", "instr", BENCH_NEITHER},
};
static const struct bench_subject subjects[] = {
        {"foreign fcntl", {NULL}, &(const struct dispatch_place){NULL, &dispatch_fcntl, DISPATCH_IOTH}},
        {"foreign recv", {NULL}, &(const struct dispatch_place){NULL, &dispatch_recv, DISPATCH_IOTH}},
        {"kernel fcntl", {NULL}, &(const struct dispatch_place){"kernel", &dispatch_fcntl, DISPATCH_IOTH}},
        {"kernel getsockopt", {NULL}, &(const struct dispatch_place){"kernel", &dispatch_getsockopt, DISPATCH_IOTH}},
        {"kernel recv", {NULL}, &(const struct dispatch_place){"kernel", &dispatch_recv, DISPATCH_IOTH}},
        {"kernel send", {NULL}, &(const struct dispatch_place){"kernel", &dispatch_send, DISPATCH_IOTH}},
        {"vdestack recv", {NULL}, &(const struct dispatch_place){"vdestack", &dispatch_recv, DISPATCH_IOTH}},
};

const struct bench_row bench_row_instructions = {
        .name = "dispatch-instructions",
        .title = "instructions of one call in user space, counted by single-stepping",
        .metrics = metrics,
        .metric_count = BENCH_COUNT(metrics),
        .subjects = subjects,
        .subject_count = BENCH_COUNT(subjects),
        .runs_max = 1,
        .begin = instructions_begin,
        .sample = instructions_sample,
        .end = instructions_end,
};
