/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * files.c - the files that tell a program about its network, in a mount namespace of its own.
 *
 * /etc/resolv.conf is always another than the host's: a program must not ask name servers that it was not given. For
 * the same reason the daemons of the host that answer such questions over UNIX sockets (nscd, systemd-resolved, Avahi)
 * are out of reach; there the C library goes on to its next source. /sys/class/net is the network namespace's when /sys
 * is mounted by somebody who is in it; where the kernel does not allow that (in many containers) the host's stays, and
 * only programs that look for interfaces there instead of asking the kernel are misled.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where daemons listen that look names up for the C library (nss modules). */
static const char *const resolvers[] = {
        "/run/nscd/socket",
        "/run/systemd/resolve/io.systemd.Resolve",
        "/run/avahi-daemon/socket",
};

int files_make(struct files *files, const char *text, const char *hosts)
{
	const char *dir = getenv("TMPDIR");
	int fd, err = 0;

	*files = (struct files){.hosts = hosts};
	if (asprintf(&files->resolv, "%s/ioth-resolv.XXXXXX", dir != NULL && *dir == '/' ? dir : "/tmp") < 0) {
		files->resolv = NULL;
		return -ENOMEM;
	}
	fd = mkostemp(files->resolv, O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		free(files->resolv);
		files->resolv = NULL;
		return err;
	}
	/* Programs that change their user still have to read it. */
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fchmod(fd, 0644) < 0)
		err = errno != 0 ? -errno : -EIO;
	close(fd);
	if (err)
		files_drop(files);
	return err;
}

void files_drop(struct files *files)
{
	if (files->resolv != NULL)
		unlink(files->resolv);
	free(files->resolv);
	files->resolv = NULL;
}

/** lay - @from over @over; a file that is not there need not be covered */
static int lay(const char *from, const char *over)
{
	return mount(from, over, NULL, MS_BIND, NULL) < 0 && errno != ENOENT ? -1 : 0;
}

/** renew_sys - /sys as the network namespace has it, with the control groups of the one before */
static void renew_sys(void)
{
	int cgroup = (int)syscall(SYS_open_tree, AT_FDCWD, "/sys/fs/cgroup",
	                          OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0 && cgroup >= 0)
		syscall(SYS_move_mount, cgroup, "", AT_FDCWD, "/sys/fs/cgroup", MOVE_MOUNT_F_EMPTY_PATH);
	if (cgroup >= 0)
		close(cgroup);
}

const char *files_mount(const struct files *files)
{
	if (unshare(CLONE_NEWNS) < 0)
		return "making a mount namespace";
	/* What we mount must not appear outside. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return "separating the mounts from the host's";
	if (lay(files->resolv, "/etc/resolv.conf") < 0)
		return "putting another file over /etc/resolv.conf";
	unlink(files->resolv);
	if (files->hosts != NULL && mount(files->hosts, "/etc/hosts", NULL, MS_BIND, NULL) < 0)
		return "putting another file over /etc/hosts";
	for (size_t i = 0; i < sizeof(resolvers) / sizeof(resolvers[0]); i++)
		if (lay("/dev/null", resolvers[i]) < 0)
			return "hiding a name service of the host";
	renew_sys();
	return NULL;
}
