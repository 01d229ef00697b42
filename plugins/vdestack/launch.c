/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * launch.c - start the helper, an executable that lies beside the plugin.
 *
 * It must not be a child that the program could come across: no SIGCHLD, nothing for wait(2) to return. So the
 * program makes a clone without an exit signal, which wait(2) does not see, and waits for that one by name; this
 * *go-between* makes a second clone and ends; the second executes the helper and, being an orphan, is adopted by
 * init. (It takes two: execve gives a process its exit signal back. A program that is init, or a subreaper, adopts
 * the helper itself.)
 *
 * The clones have a copy of the program's memory, not the memory itself, because other threads go on. Of these
 * threads any may hold any lock, so a clone makes bare system calls and nothing else: no libc function that has
 * state, none that a sanitizer or a profiler intercepts. Signals are blocked from before the first clone until after
 * exec.
 */
#include "launch.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELPER "ioth-vdestack-helper"

#define BARE __attribute__((no_sanitize("address", "thread", "undefined"), noinline))

static char helper[PATH_MAX]; /* its path, found when the plugin is loaded: the program may change its directory */

/** find_helper - beside the plugin */
__attribute__((constructor)) static void find_helper(void)
{
	char path[PATH_MAX], *end;
	Dl_info info;

	if (dladdr(helper, &info) == 0 || info.dli_fname == NULL || realpath(info.dli_fname, path) == NULL)
		return;
	end = strrchr(path, '/');
	if (end == NULL || (size_t)(end + 1 - path) + sizeof(HELPER) > sizeof(path))
		return;
	strcpy(end + 1, HELPER);
	strcpy(helper, path);
}

/** bare_clone - a clone with its own memory that sends no signal when it ends; like fork(2) */
BARE static pid_t bare_clone(void)
{
#ifdef __s390__
	return (pid_t)syscall(SYS_clone, 0, 0, NULL, NULL, 0);
#else
	return (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, 0);
#endif
}

/** become_helper - in the second clone: execute the helper with connection @fd; tells the program if that fails */
BARE static void become_helper(int fd)
{
	char *const argv[] = {(char[]){HELPER}, NULL};
	char *const envp[] = {NULL};
	struct wire_reply failure;
	long err;

	if (fd == WIRE_FD)
		err = syscall(SYS_fcntl, fd, F_SETFD, 0);
	else
		err = syscall(SYS_dup3, fd, WIRE_FD, 0);
	if (err >= 0)
		syscall(SYS_execve, helper, argv, envp);
	for (unsigned int i = 0; i < sizeof(failure); i++)
		((volatile char *)&failure)[i] = 0;
	failure.op = WIRE_HELLO;
	failure.error = errno;
	failure.hello.step = WIRE_STEP_EXEC;
	syscall(SYS_sendto, fd, &failure, sizeof(failure), MSG_NOSIGNAL, NULL, 0);
}

/** go_between - in the first clone */
BARE static void go_between(int fd)
{
	pid_t pid = bare_clone();

	if (pid == 0)
		become_helper(fd);
	syscall(SYS_exit_group, pid < 0);
}

/** run - start the helper with connection @fd */
BARE static int run(int fd)
{
	sigset_t all, before;
	int status = 0, err = 0;
	pid_t pid;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	pid = bare_clone();
	if (pid == 0)
		go_between(fd);
	if (pid < 0)
		err = -errno;
	/* Who waits for every kind of child may get it before us, ECHILD; then the answer will tell. */
	while (pid > 0 && waitpid(pid, &status, (int)__WCLONE) < 0 && errno == EINTR)
		;
	if (status != 0)
		err = -EAGAIN; /* no second clone */
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

int launch(void)
{
	int pair[2], err;

	if (helper[0] == '\0')
		return launch_refused(WIRE_STEP_EXEC, ENOENT);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	err = run(pair[1]);
	close(pair[1]);
	if (err) {
		close(pair[0]);
		return err;
	}
	return pair[0];
}

/** setting - a number from /proc/sys, or @absent */
static long setting(const char *path, long absent)
{
	long value = absent;
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return absent;
	if (fscanf(file, "%ld", &value) != 1)
		value = absent;
	fclose(file);
	return value;
}

/** permission - how to have user namespaces here */
static const char *permission(void)
{
	if (setting("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0)
		return "allow them with: sysctl kernel.unprivileged_userns_clone=1";
	if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) == 1)
		return "allow them with: sysctl kernel.apparmor_restrict_unprivileged_userns=0";
	if (setting("/proc/sys/user/max_user_namespaces", 1) == 0)
		return "allow them with: sysctl user.max_user_namespaces=10000";
	if (setting("/proc/sys/user/max_net_namespaces", 1) == 0)
		return "allow them with: sysctl user.max_net_namespaces=10000";
	return "allow them in the container's or sandbox's settings";
}

int launch_refused(uint32_t step, int error)
{
	static atomic_bool said;

	if (!atomic_exchange(&said, true)) {
		if (step == WIRE_STEP_USERNS || step == WIRE_STEP_NETNS)
			fprintf(stderr,
			        "libioth: vdestack needs a %s namespace and may not have one (%s): %s; or use a stack "
			        "that needs none, such as lwip\n",
			        step == WIRE_STEP_USERNS ? "user" : "network", strerror(error), permission());
		else if (step == WIRE_STEP_EXEC)
			fprintf(stderr, "libioth: vdestack cannot start %s: %s\n", helper[0] ? helper : HELPER,
			        strerror(error));
		else if (step == WIRE_STEP_VERSION)
			fprintf(stderr, "libioth: %s does not belong to this version of vdestack\n", helper);
		else
			fprintf(stderr, "libioth: the helper of vdestack cannot work: %s\n", strerror(error));
	}
	return step == WIRE_STEP_USERNS || step == WIRE_STEP_NETNS ? -EPERM : -error;
}
