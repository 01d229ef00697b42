/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* private.h - what the parts of the runner share; cases see conf.h only. */
#ifndef CONF_PRIVATE_H
#define CONF_PRIVATE_H

#include "conf.h"

#include <sys/types.h>

#define CONF_STACKS 16
#define CONF_EXIT_SKIP 77
#define CONF_WATCHDOG_MS 20000

/** struct progress - shared between the runner and a case's process: where it is, and why it ended */
struct progress {
	const char *file;
	int line;
	char text[2048];
};

extern struct progress *conf_progress;

enum outcome { OUTCOME_NONE, OUTCOME_PASS, OUTCOME_FAIL, OUTCOME_SKIP, OUTCOME_LIMIT };

/** struct result - of one run: a case, a family, a stack */
struct result {
	enum outcome outcome;
	long ms;
	char *text; /* reason, or report of the failure; NULL when passed */
};

/** struct row - a case and family, with a result for each stack */
struct row {
	const struct conf_case *test;
	int family;
	char name[64];
	struct result result[CONF_STACKS];
};

struct options {
	const char *stack[CONF_STACKS];
	int nstack;
	int jobs;
	long watchdog_ms;
	bool verbose, tap, list, ignore_limits;
	const char *json;
	char **pattern; /* NULL-terminated */
};

/* cases.c */
int cases_select(char **patterns, struct row **rows); /* how many, sorted by area, file and line; or negative errno */
const char *cases_limit(const struct conf_case *test, const char *stack);

/* hosts.c */
void hosts_network(const char *module); /* of the VDE network between the hosts; ptp if nobody says */
void hosts_prepare(struct conf *c);     /* the place: before accounts are taken */
void hosts_create(struct conf *c);      /* the stacks, configured, a datagram having crossed */
void hosts_delete(struct conf *c);

/* served.c: a stack in a process of its own, for `-s remote+STACK` */

/** served_engine - the stack behind the plugin remote in the name of a stack under test, NULL when there is none */
const char *served_engine(const char *stack);

/** struct served - a server */
struct served {
	pid_t pid;      /* 0: none */
	int stop;       /* closed to end it */
	char name[256]; /* of the stack that ioth_newstack makes of it */
};

/** served_start - serve a stack of @c's engine on @vnl (or NULL) at the file @name in the directory of the case; fails
 * the case when it cannot */
void served_start(const struct conf *c, struct served *served, const char *vnl, const char *name);

/** served_stop - end it; it must be able to delete its stack, and have nothing left */
void served_stop(struct served *served);

/* process.c */
__attribute__((noreturn)) void process_run(const struct row *row, const char *stack, const char *dir);

/* runner.c: fills in the results; 0 or negative errno */
int runner_run(struct row *rows, int nrows, const struct options *options);

/* report.c */
void report_run(const struct row *row, int stack, const struct options *options);
void report_tap_plan(int runs);
void report_end(const struct row *rows, int nrows, const struct options *options);
int report_json(const struct row *rows, int nrows, const struct options *options);
int report_status(const struct row *rows, int nrows, const struct options *options);

#endif
