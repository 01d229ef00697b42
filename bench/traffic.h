/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * traffic.h - what the two ends of a network do in a sample.
 *
 * Side 0 *drives*, in the worker's first thread, and measures; side 1 *serves*, in a second thread or in a second
 * process. Beside the network they share a rendezvous, a socketpair to agree on ports and on the end; nothing crosses
 * it while the clock runs.
 */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include "bench.h"
#include "network.h"

#include <stdint.h>

/** struct endpoint - one side of a network, as its user sees it */
struct endpoint {
	struct network *network;
	unsigned int side;
	int rendezvous;
	const struct network_calls *calls;
};

/** struct traffic - the two roles; both return 0, or -1 after bench_fail */
struct traffic {
	int (*serve)(struct endpoint *self, const struct traffic *traffic);
	int (*drive)(struct endpoint *self, const struct traffic *traffic, double *values);
	bool processes; /* the sides are two processes, not two threads */
	bool pinned;    /* each role on a processor of its own; what carries the frames runs where it wants to */
	size_t size;    /* bytes of a message, for those that come in sizes */
	int rcvbuf;     /* SO_RCVBUF of a stream; 0: as the system has it */
};

int endpoint_socket(const struct endpoint *self, int type);

/** endpoint_bind - a socket bound to this side's address and a port of the system's choice, told to the other side */
int endpoint_bind(const struct endpoint *self, int type);

/** endpoint_connect - a socket connected to the port that the other side has told */
int endpoint_connect(const struct endpoint *self, int type);

/** endpoint_tell, endpoint_hear - a number for the other side, from the other side */
int endpoint_tell(const struct endpoint *self, uint64_t value);
int endpoint_hear(const struct endpoint *self, uint64_t *value);

/** endpoint_nodelay - send small segments at once */
int endpoint_nodelay(const struct endpoint *self, int fd);

/** endpoint_timeout - let receiving on @fd fail with EAGAIN after @ms milliseconds */
int endpoint_timeout(const struct endpoint *self, int fd, unsigned int ms);

/* The functions of a row whose subjects are network kinds (arg) and whose own arg is a struct traffic. */
int traffic_begin(const struct bench_subject *subject, void **state);
int traffic_sample(void *state, double *values);
void traffic_end(void *state);

/** tcp_stream_traffic_memory - bulk TCP; fills in two values, throughput (Gbit/s) and processor time (s/GB) */
extern const struct traffic tcp_stream_traffic_memory;

/**
 * traffic_guest - be side 1, as a program that ioth run has put on its stack
 * @role: "ROW:RENDEZVOUS", from the command line
 *
 * Returns an exit status.
 */
int traffic_guest(const struct bench_row *const *rows, unsigned int count, const char *role);

/* The subjects of all traffic rows, each with its references; the last ones are for rows of two processes. */
#define TRAFFIC_SUBJECT_COUNT 15
#define TRAFFIC_SUBJECT_COUNT_PROCESSES 19
_Static_assert(TRAFFIC_SUBJECT_COUNT_PROCESSES <= BENCH_SUBJECTS_MAX, "a row has no room for all of them");
extern const struct bench_subject traffic_subjects[TRAFFIC_SUBJECT_COUNT_PROCESSES];

/** TRAFFIC_ROW - the members of a row of traffic; @metric_array is an array, targets come after it where there are any
 */
#define TRAFFIC_ROW(row_name, row_title, row_traffic, metric_array)                                                    \
	TRAFFIC_ROW_OF(TRAFFIC_SUBJECT_COUNT, row_name, row_title, row_traffic, metric_array)
#define TRAFFIC_ROW_PROCESSES(row_name, row_title, row_traffic, metric_array)                                          \
	TRAFFIC_ROW_OF(TRAFFIC_SUBJECT_COUNT_PROCESSES, row_name, row_title, row_traffic, metric_array)
#define TRAFFIC_ROW_OF(subjects_, row_name, row_title, row_traffic, metric_array)                                      \
	.name = (row_name), .title = (row_title), .metrics = (metric_array),                                           \
	.metric_count = BENCH_COUNT(metric_array), .subjects = traffic_subjects, .subject_count = (subjects_),         \
	.patience_s = 40, .begin = traffic_begin, .sample = traffic_sample, .end = traffic_end, .arg = (row_traffic)

#endif
