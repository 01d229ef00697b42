/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* onserver.h - a program on a stack that lives in a process. */
#ifndef TOOL_ONSERVER_H
#define TOOL_ONSERVER_H

#include "child.h"
#include "runopt.h"

/**
 * onserver_run - serve the stack to the program, with the preload library
 *
 * Ends as the program does; returns an exit status after a complaint when it was not started.
 */
int onserver_run(struct run *run, struct child *child, struct ioth *stack);

#endif
