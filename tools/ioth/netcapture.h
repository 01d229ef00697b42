/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* netcapture.h - record what passes on a network in shared memory */
#ifndef TOOL_NETCAPTURE_H
#define TOOL_NETCAPTURE_H

#include <stdio.h>

/**
 * net_capture - write all frames of the network at @path to @out, which is closed, until SIGINT or SIGTERM
 * @count: no more than so many; 0: no limit
 *
 * Returns 0, which a reader that has closed its pipe is too, or a negative errno.
 */
int net_capture(const char *path, FILE *out, unsigned long count);

#endif
