/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* worker.h - a subject in a process of its own. */
#ifndef BENCH_WORKER_H
#define BENCH_WORKER_H

#include "bench.h"

#include <sys/types.h>

struct worker {
	pid_t pid;               /* its process group as well; 0: there is no process */
	int control;             /* our end of a SOCK_SEQPACKET pair */
	unsigned int patience_s; /* of the row */
	char why[BENCH_WHY_MAX]; /* why it could not do what it was asked to do */
};

/**
 * worker_start - fork a process that runs begin of @row for @subject
 *
 * Returns 0 when it is ready to give samples, -1 with @worker->why when not; then nothing is left.
 */
int worker_start(struct worker *worker, const struct bench_row *row, const struct bench_subject *subject);

/**
 * worker_sample - ask for one sample
 * @values: one value for each metric of the row
 *
 * Returns 0, or -1 with @worker->why. A worker that does not answer in time is killed, with its process group.
 */
int worker_sample(struct worker *worker, double *values);

/** worker_stop - let it run end, and wait for its death; does nothing without a process */
void worker_stop(struct worker *worker);

#endif
