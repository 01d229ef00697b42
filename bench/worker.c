/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation. The main process never uses a network stack: it forks a worker for each subject and talks to it
 * over a SOCK_SEQPACKET pair, one byte in each request, one struct reply in each answer. The worker is the leader of a
 * session and of a process group, so that a worker that hangs goes away with the helpers it has started, and it dies
 * with the main process. The main process has one thread; so has the worker until begin makes more.
 */
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_S 180

enum request {
	REQUEST_SAMPLE = 's',
	REQUEST_STOP = 'q',
};

struct reply {
	int status; /* 0 or -1 */
	double values[BENCH_METRICS_MAX];
	char why[BENCH_WHY_MAX];
};

const struct bench_row *bench_current_row;

static _Thread_local char thread_why[BENCH_WHY_MAX];

int bench_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(thread_why, sizeof(thread_why), format, args);
	va_end(args);
	return -1;
}

const char *bench_why(void)
{
	return thread_why;
}

unsigned long bench_sample_ns(void)
{
	return bench_options.quick ? 200000000ul : 2000000000ul;
}

/** answer - send the outcome of begin or sample to the main process */
static void answer(int control, struct reply *reply, int status)
{
	reply->status = status;
	if (status < 0)
		snprintf(reply->why, sizeof(reply->why), "%s", bench_why());
	if (send(control, reply, sizeof(*reply), MSG_NOSIGNAL) < 0)
		_exit(1);
}

/** work - the life of a worker; returns its exit status */
static int work(int control, const struct bench_row *row, const struct bench_subject *subject)
{
	struct reply reply = {0};
	void *state = NULL;
	char request;

	bench_current_row = row;
	if (row->begin(subject, &state) < 0) {
		answer(control, &reply, -1);
		return 1;
	}
	answer(control, &reply, 0);
	while (recv(control, &request, 1, 0) == 1 && request == REQUEST_SAMPLE) {
		memset(&reply, 0, sizeof(reply));
		answer(control, &reply, row->sample(state, reply.values));
	}
	row->end(state);
	return 0;
}

/** reap - end the worker and whatever is left of its process group */
static void reap(struct worker *worker)
{
	int status;

	close(worker->control);
	kill(-worker->pid, SIGKILL);
	while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	worker->pid = 0;
}

/** hear - wait for a reply; returns its status, or -1 after the end of a worker that died or stays silent */
static int hear(struct worker *worker, struct reply *reply)
{
	struct pollfd ready = {.fd = worker->control, .events = POLLIN};
	int n;

	do
		n = poll(&ready, 1, (int)worker->patience_s * 1000);
	while (n < 0 && errno == EINTR && !bench_interrupted);
	if (n == 1 && recv(worker->control, reply, sizeof(*reply), 0) == (ssize_t)sizeof(*reply)) {
		if (reply->status < 0)
			snprintf(worker->why, sizeof(worker->why), "%s", reply->why);
		return reply->status;
	}
	if (n == 0)
		snprintf(worker->why, sizeof(worker->why), "no answer within %u s", worker->patience_s);
	else
		snprintf(worker->why, sizeof(worker->why), "%s", n < 0 ? "interrupted" : "the worker died");
	reap(worker);
	return -1;
}

int worker_start(struct worker *worker, const struct bench_row *row, const struct bench_subject *subject)
{
	pid_t parent = getpid();
	struct reply reply;
	int pair[2];

	memset(worker, 0, sizeof(*worker));
	worker->patience_s = row->patience_s ? row->patience_s : PATIENCE_S;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		snprintf(worker->why, sizeof(worker->why), "socketpair: %s", strerror(errno));
		return -1;
	}
	fflush(NULL);
	worker->pid = fork();
	if (worker->pid == 0) {
		close(pair[0]);
		setsid();
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		_exit(work(pair[1], row, subject));
	}
	close(pair[1]);
	worker->control = pair[0];
	if (worker->pid < 0) {
		snprintf(worker->why, sizeof(worker->why), "fork: %s", strerror(errno));
		close(pair[0]);
		worker->pid = 0;
		return -1;
	}
	if (hear(worker, &reply) == 0)
		return 0;
	if (worker->pid)
		reap(worker);
	return -1;
}

int worker_sample(struct worker *worker, double *values)
{
	char request = REQUEST_SAMPLE;
	struct reply reply;

	if (!worker->pid)
		return -1;
	if (send(worker->control, &request, 1, MSG_NOSIGNAL) != 1) {
		snprintf(worker->why, sizeof(worker->why), "the worker died");
		reap(worker);
		return -1;
	}
	if (hear(worker, &reply) < 0)
		return -1;
	memcpy(values, reply.values, sizeof(reply.values));
	return 0;
}

void worker_stop(struct worker *worker)
{
	char request = REQUEST_STOP;
	struct pollfd gone = {.events = POLLIN};

	if (!worker->pid)
		return;
	send(worker->control, &request, 1, MSG_NOSIGNAL);
	/* Not the end of the pair but a pidfd: a process that the worker has left behind may hold the other end. */
	gone.fd = (int)syscall(SYS_pidfd_open, worker->pid, 0);
	if (gone.fd >= 0) {
		while (poll(&gone, 1, (int)worker->patience_s * 1000) < 0 && errno == EINTR && !bench_interrupted)
			continue;
		close(gone.fd);
	}
	reap(worker);
}
