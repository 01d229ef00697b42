/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * linger.c - closing a socket that has a time of SO_LINGER: the client waits till its last bytes have been
 * acknowledged.
 *
 * ioth_close waits, which the server must not, so it is called in a thread of its own, a *job*. When that is over the
 * server hears of it by an eventfd and answers the client, if it is still there. There are few jobs at a time: beyond
 * them a close does not linger.
 */
#include "private.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define JOBS 64

struct serve_job {
	struct serve *serve;
	struct serve_conn *conn; /* who waits, or NULL */
	int file;
	_Atomic bool done;
	pthread_t thread;
	struct serve_job *next;
};

bool serve_lingers(int file)
{
	struct linger linger;
	socklen_t len = sizeof(linger);

	return ioth_getsockopt(file, SOL_SOCKET, SO_LINGER, &linger, &len) == 0 && linger.l_onoff &&
	       linger.l_linger != 0;
}

static void *job_run(void *arg)
{
	struct serve_job *job = arg;
	int event = job->serve->linger;

	ioth_close(job->file);
	atomic_store_explicit(&job->done, true, memory_order_release);
	eventfd_write(event, 1);
	return NULL;
}

static int job_start(struct serve_job *job)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&job->thread, NULL, job_run, job);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -error;
}

bool serve_linger(struct serve *serve, int file, struct serve_conn *conn)
{
	struct serve_job *job;
	unsigned int jobs = 0;

	for (job = serve->jobs; job != NULL; job = job->next)
		jobs++;
	job = jobs < JOBS ? calloc(1, sizeof(*job)) : NULL;
	if (job == NULL)
		return false;
	job->serve = serve;
	job->conn = conn;
	job->file = file;
	if (job_start(job) < 0) {
		free(job);
		return false;
	}
	job->next = serve->jobs;
	serve->jobs = job;
	return true;
}

void serve_linger_forget(struct serve *serve, const struct serve_conn *conn)
{
	for (struct serve_job *job = serve->jobs; job != NULL; job = job->next)
		if (job->conn == conn)
			job->conn = NULL;
	for (struct served *sock = serve->sockets; sock != NULL; sock = sock->next)
		if (sock->closer == conn)
			sock->closer = NULL;
}

/** collect - take jobs that are done, all of them when @wait */
static void collect(struct serve *serve, bool wait)
{
	for (struct serve_job **p = &serve->jobs, *job; (job = *p) != NULL;) {
		if (!wait && !atomic_load_explicit(&job->done, memory_order_acquire)) {
			p = &job->next;
			continue;
		}
		*p = job->next;
		pthread_join(job->thread, NULL);
		if (job->conn != NULL)
			serve_conn_closed(job->conn);
		free(job);
	}
}

static void linger_event(struct serve_source *source, uint32_t events)
{
	struct serve *serve = (struct serve *)((char *)source - offsetof(struct serve, linger_source));
	eventfd_t times;

	(void)events;
	eventfd_read(serve->linger, &times);
	collect(serve, false);
}

int serve_linger_begin(struct serve *serve)
{
	serve->linger_source.event = linger_event;
	serve->linger = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return serve->linger < 0 ? -errno : serve_watch(serve, serve->linger, EPOLLIN, &serve->linger_source);
}

void serve_linger_end(struct serve *serve)
{
	collect(serve, true);
	if (serve->linger >= 0)
		close(serve->linger);
}
