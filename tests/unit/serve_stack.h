/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* serve_stack.h - a stack that another process serves, for tests: one with nothing but lo. */
#ifndef SERVE_STACK_H
#define SERVE_STACK_H

#include <iothserve.h>
#include <stdbool.h>
#include <sys/types.h>

/** struct server - a forked process that serves */
struct server {
	pid_t pid;
	int stop; /* closed to end it */
	char path[128];
};

/**
 * server_start - fork a process that serves a stack of @engine at @path
 * @options: NULL for the defaults; stop_fd is filled in
 * @files: its limit of descriptors, 0: as it is
 *
 * Returns when it can be connected to; fails the test when it does not come to that.
 */
void server_start(struct server *server, const char *engine, const char *path, const struct ioth_serve_options *options,
                  unsigned int files);

/** server_stop - end it: it must have been able to delete its stack */
void server_stop(struct server *server);

/** server_kill - end it as a crash does */
void server_kill(struct server *server);

/** raw_connect - a connection of the protocol, nothing said yet; -1 when nobody listens */
int raw_connect(const char *path);

#endif
