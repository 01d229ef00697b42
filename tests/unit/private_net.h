/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* private_net.h - user and network namespaces for tests that configure a network, as root and as anybody */
#ifndef PRIVATE_NET_H
#define PRIVATE_NET_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_SKIP 77

static inline void private_net_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		printf("skipped: cannot write %s: %s\n", path, strerror(errno));
		exit(EXIT_SKIP);
	}
	close(fd);
}

/**
 * private_net_enter - move this process into namespaces of its own, where it is root; exits with 77 when forbidden
 *
 * To be called before there are threads.
 */
static inline void private_net_enter(void)
{
	unsigned int uid = geteuid(), gid = getegid();
	char map[64];

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		int forbidden = errno;

		if (unshare(CLONE_NEWNET) == 0) /* real root needs no user namespace */
			return;
		printf("skipped: user and network namespaces are forbidden here: %s\n", strerror(forbidden));
		exit(EXIT_SKIP);
	}
	private_net_write("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	private_net_write("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	private_net_write("/proc/self/gid_map", map);
}

/** private_net_renew - leave the network namespace for a new, empty one; 0, or -1 with errno */
static inline int private_net_renew(void)
{
	return unshare(CLONE_NEWNET);
}

#endif
