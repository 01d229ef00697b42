/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench.h - the nouns of the benchmark.
 *
 * A *row* is one question ("how fast is bulk TCP?"). It is asked of several *subjects* (a veth pair, libvdestack over
 * ptp://, libioth over ptp://, ...), some of which are the references of others. An answer has one or more *metrics*.
 * Every subject lives in a process of its own, a *worker* (worker.h), so that nothing that one leaves behind weighs on
 * another. The runner keeps the workers of a row alive together and takes one sample of each in turn, A B C A B C, so
 * that a slow minute of the machine falls on all of them; a ratio is the median of the ratios within the rounds.
 *
 * What is measured lies behind three functions of the row, which run in the worker: begin, sample, end.
 */
#ifndef BENCH_H
#define BENCH_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#define BENCH_METRICS_MAX 12   /* metrics of a row */
#define BENCH_SUBJECTS_MAX 20  /* subjects of a row */
#define BENCH_RUNS_MAX 64      /* rounds that are kept */
#define BENCH_REFERENCES_MAX 3 /* references of a subject */
#define BENCH_WHY_MAX 200      /* text that says why something could not be measured, with its final NUL */

/** struct bench_options - what the command line asks for; workers inherit it */
struct bench_options {
	unsigned int runs;     /* rounds of every row */
	bool quick;            /* short samples, for a look during development */
	const char *only;      /* pattern on row/subject, NULL for everything */
	bool alone;            /* leave out the references of what the pattern selects */
	const char *json;      /* file for the figures, NULL for none */
	const char *directory; /* private, for the sockets of the VDE networks; removed at the end */
};

/** bench_options - the options, set by main before any worker exists and constant from then on */
extern struct bench_options bench_options;

/** bench_interrupted - the signal that asks the program to stop early, 0 while there is none */
extern volatile sig_atomic_t bench_interrupted;

enum bench_better {
	BENCH_NEITHER, /* a plain fact */
	BENCH_LESS,
	BENCH_MORE,
};

struct bench_metric {
	const char *name;
	const char *unit;
	enum bench_better better;
};

/** struct bench_subject - one thing that is measured */
struct bench_subject {
	const char *name;
	const char *reference[BENCH_REFERENCES_MAX]; /* names of subjects of the same row, or NULL */
	const void *arg;                             /* for the functions of the row */
};

enum bench_target_kind {
	BENCH_AT_MOST, /* the median, in the unit of the metric */
	BENCH_AT_LEAST,
	BENCH_BELOW,
	BENCH_RATIO_AT_LEAST, /* the ratio to a reference */
	BENCH_RATIO_AT_MOST,
	BENCH_RATIO_BELOW,
};

/** struct bench_target - what the project wants a figure to be; shown beside it, never a failure of the program */
struct bench_target {
	const char *subject; /* fnmatch(3) pattern on the name of the subject */
	const char *metric;
	enum bench_target_kind kind;
	double value;
	const char *reference; /* of a ratio: one of the subject's, NULL for its first */
};

struct bench_row {
	const char *name;
	const char *title; /* what is measured, one line */
	const struct bench_metric *metrics;
	unsigned int metric_count;
	const struct bench_subject *subjects;
	unsigned int subject_count;
	const struct bench_target *targets;
	unsigned int target_count;
	unsigned int runs_max;   /* 0: as many as the options say; slow or exact rows need fewer */
	unsigned int patience_s; /* a worker that is silent for longer hangs; 0: three minutes, for a thousand stacks */
	bool fresh;              /* a new worker for each sample: what is measured does not come twice in a process */

	/* All three run in the worker. begin prepares and may leave a state; sample fills one value a metric (NAN: no
	   value). Both return 0, or -1 after bench_fail. end undoes begin. */
	int (*begin)(const struct bench_subject *subject, void **state);
	int (*sample)(void *state, double *values);
	void (*end)(void *state);
	const void *arg; /* for rows that share functions; see bench_current_row */
};

/** bench_current_row - the row that this worker works for */
extern const struct bench_row *bench_current_row;

/**
 * bench_fail - note why something cannot be measured
 *
 * The text, cut to BENCH_WHY_MAX, is kept for the calling thread and shown in place of the figure. Returns -1.
 */
int bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** bench_why - the text of the last bench_fail of this thread; never NULL */
const char *bench_why(void);

/** bench_sample_ns - how long a sample of a stream of messages lasts, in nanoseconds */
unsigned long bench_sample_ns(void);

#define BENCH_COUNT(array) ((unsigned int)(sizeof(array) / sizeof((array)[0])))

/* The rows, each defined in the file of its noun. */
extern const struct bench_row bench_row_dispatch, bench_row_dispatch_threads, bench_row_dispatch_shared;
extern const struct bench_row bench_row_instructions;
extern const struct bench_row bench_row_sockets;
extern const struct bench_row bench_row_stack_life, bench_row_stack_first;
extern const struct bench_row bench_row_stacks;
extern const struct bench_row bench_row_tcp_stream, bench_row_tcp_stream_processes;
extern const struct bench_row bench_row_tcp_memory;
extern const struct bench_row bench_row_download;
extern const struct bench_row bench_row_tcp_latency, bench_row_tcp_latency_processes;
extern const struct bench_row bench_row_tcp_connections, bench_row_tcp_connections_processes;
extern const struct bench_row bench_row_udp_small, bench_row_udp_small_processes;
extern const struct bench_row bench_row_frames_small, bench_row_frames_large;
extern const struct bench_row bench_row_pairs, bench_row_pairs_processes;
extern const struct bench_row bench_row_udp_large, bench_row_udp_large_processes;

#endif
