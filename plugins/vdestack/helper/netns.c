/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * netns.c - namespaces.
 *
 * The helper has one user namespace at most, made when the program lacks the rights of an administrator, and all
 * network namespaces belong to it. The program stays outside. It may configure the stacks nevertheless, because a
 * process outside has all capabilities in a user namespace that its own effective user made (user_namespaces(7)).
 *
 * A network namespace is made by moving into a new one and opening it; it lives as long as a descriptor or a socket in
 * it. The kernel takes one apart in the background, so dropping it costs nothing here.
 */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int home = -1;
static bool quiet;

/** put - write a short text to a file of /proc */
static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), result = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		result = -errno;
	close(fd);
	return result;
}

/** current_ns - a descriptor of the namespace that this thread is in; where there is no /proc a socket knows as well */
static int current_ns(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), any;

	if (fd >= 0)
		return fd;
	any = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (any < 0)
		return -errno;
	fd = ioctl(any, SIOCGSKNS);
	if (fd < 0)
		fd = -errno;
	close(any);
	return fd;
}

/**
 * own_users - move into a user namespace of our own
 *
 * The user keeps his number in it, so that a program that goes there (ioth run) finds the files, the home and the name that
 * are its user's; rights do not depend on it, all of us who made the namespace have all of them. Without the maps we would be nobody
 * there, which works as well; so a system that lets us have the namespace and not the maps is no reason to give up.
 */
static int own_users(void)
{
	unsigned int uid = geteuid(), gid = getegid();
	char map[32];

	if (unshare(CLONE_NEWUSER) < 0)
		return -errno;
	prctl(PR_SET_DUMPABLE, 1); /* or the files of /proc/self are root's */
	put("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	put("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	put("/proc/self/gid_map", map);
	return 0;
}

int netns_begin(bool userns, uint32_t *step)
{
	int err;

	*step = WIRE_STEP_NETNS;
	if (userns || unshare(CLONE_NEWNET) < 0) {
		if (!userns && errno != EPERM)
			return -errno;
		*step = WIRE_STEP_USERNS;
		err = own_users();
		if (err)
			return err;
		if (unshare(CLONE_NEWNET) < 0) {
			/* EPERM: a user namespace may be had, but without any rights in it (AppArmor) */
			if (errno != EPERM)
				*step = WIRE_STEP_NETNS;
			return -errno;
		}
	}
	*step = WIRE_STEP_OTHER;
	home = current_ns();
	if (home < 0)
		return home;
	quiet = access("/proc/sys/net/ipv6", F_OK) < 0 || put("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1") == 0;
	*step = WIRE_STEP_NONE;
	return 0;
}

int netns_new(void)
{
	int ns;

	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	ns = current_ns();
	netns_leave();
	return ns;
}

int netns_enter(int ns)
{
	return setns(ns, CLONE_NEWNET) < 0 ? -errno : 0;
}

void netns_leave(void)
{
	/* To go on in the namespace of a stack would mix up everything; there is no way this can fail. */
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
}

bool netns_quiet(void)
{
	return quiet;
}
