/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vde_switch.h - the switch program of VDE, as a child of the worker. */
#ifndef BENCH_VDE_SWITCH_H
#define BENCH_VDE_SWITCH_H

#include <sys/types.h>

struct vde_switch {
	pid_t pid;   /* 0: there is no process */
	int console; /* the end of the pipe that keeps it running */
};

/**
 * vde_switch_start - run vde_switch and wait until it can be joined
 * @vnl: "vde://" and the directory that it is to make
 *
 * Returns 0, or -1 after bench_fail; then nothing is left.
 */
int vde_switch_start(struct vde_switch *self, char *vnl);

/** vde_switch_end - end it and wait for its death; does nothing without a process */
void vde_switch_end(struct vde_switch *self);

#endif
