/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* files.h - the files that tell a program about its network, in a mount namespace of its own. */
#ifndef TOOL_FILES_H
#define TOOL_FILES_H

#include <stdbool.h>

/** struct files - what is laid over the host's */
struct files {
	char *resolv;      /* a file of ours with the text of /etc/resolv.conf; removed once it is in place */
	const char *hosts; /* the user's, for /etc/hosts; NULL: the host's stays */
};

/**
 * files_make - write the resolv.conf
 * @text: its contents
 *
 * Returns 0 or a negative errno.
 */
int files_make(struct files *files, const char *text, const char *hosts);

/** files_drop - remove what is still there of it */
void files_drop(struct files *files);

/**
 * files_mount - in a new mount namespace, lay the files over those of the host; and /sys of the network namespace we
 * are in
 *
 * For a process that is about to execute a program, with CAP_SYS_ADMIN; async-signal-safe. Returns NULL, or what
 * failed, with errno.
 */
const char *files_mount(const struct files *files);

#endif
