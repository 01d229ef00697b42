/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sandbox.h - what a server gives up once it is set up. */
#ifndef TOOL_SANDBOX_H
#define TOOL_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

/** sandbox_available - was it built with libseccomp? */
bool sandbox_available(void);

/** sandbox_become - be that user and group from now on, without any privilege; 0 or a negative errno */
int sandbox_become(uid_t uid, gid_t gid);

/**
 * sandbox_enter - from now on only the system calls that a running server makes
 *
 * No file can be opened, no program started, no memory made executable, no socket made but those of AF_UNIX. Others
 * fail with EPERM. All threads of the process are in it. Returns 0 or a negative errno: ENOTSUP it was built without
 * libseccomp.
 */
int sandbox_enter(void);

#endif
