/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * namespace.c - the network namespace of a kernel-backed stack, and how a process gets into it.
 *
 * Nothing but a socket of the stack is needed: if it is an Internet socket for the kernel too, then the kernel tells
 * its network namespace (SIOCGSKNS) and the user namespace that owns that (NS_GET_USERNS). It does so for those who
 * have CAP_NET_ADMIN over it, as the user has who made it.
 */
#include "namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/** same_file - are they the same namespace? */
static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/** is_ours - is @ns the namespace at @path (/proc/self/ns/...) that we are in? */
static bool is_ours(int ns, const char *path)
{
	int own = open(path, O_RDONLY | O_CLOEXEC);
	bool same = own >= 0 && same_file(ns, own);

	if (own >= 0)
		close(own);
	return same;
}

/** cookie - the number of the network namespace that a socket is in, which needs no rights; 0: Linux before 5.14 */
static uint64_t cookie(int fd)
{
	uint64_t value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &value, &len) < 0 ? 0 : value;
}

/** in_our_network - is the Internet socket @fd one of the network that we are in? */
static bool in_our_network(int fd)
{
	int own = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool same = own >= 0 && cookie(own) != 0 && cookie(own) == cookie(fd);

	if (own >= 0)
		close(own);
	return same;
}

/** kind_of - namespaces_of for the socket @fd of a stack */
static int kind_of(int fd, struct namespaces *ns)
{
	socklen_t len = sizeof(int);
	int domain;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0)
		return -errno;
	if (domain != AF_INET)
		return STACK_PROCESS;
	if (in_our_network(fd))
		return STACK_HOST;
	ns->net = ioctl(fd, SIOCGSKNS);
	if (ns->net < 0)
		return errno == EPERM ? STACK_PROCESS : -errno;
	if (is_ours(ns->net, "/proc/self/ns/net"))
		return STACK_HOST;
	ns->user = ioctl(ns->net, NS_GET_USERNS);
	if (ns->user < 0)
		return -errno;
	if (is_ours(ns->user, "/proc/self/ns/user")) {
		close(ns->user);
		ns->user = -1;
	}
	return STACK_NAMESPACE;
}

int namespaces_of(struct ioth *stack, struct namespaces *ns)
{
	int fd = ioth_msocket(stack, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), kind;

	*ns = (struct namespaces){.net = -1, .user = -1};
	if (fd < 0)
		return -errno;
	kind = kind_of(fd, ns);
	ioth_close(fd);
	if (kind != STACK_NAMESPACE)
		namespaces_close(ns);
	return kind;
}

void namespaces_close(struct namespaces *ns)
{
	if (ns->net >= 0)
		close(ns->net);
	if (ns->user >= 0)
		close(ns->user);
	ns->net = ns->user = -1;
}

/**
 * keep_capabilities - let the program have the capabilities that we have now
 *
 * A program gets none on exec, unless its user is root in the namespace, or they are ambient. Those that the kernel
 * does not know are passed over.
 */
static int keep_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		data[i].inheritable = data[i].permitted;
	if (syscall(SYS_capset, &header, data) < 0)
		return -errno;
	for (unsigned long cap = 0; cap < 64; cap++)
		if (data[cap / 32].permitted & 1U << cap % 32 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return -errno;
	return 0;
}

int namespaces_enter(const struct namespaces *ns)
{
	if (ns->user >= 0 && setns(ns->user, CLONE_NEWUSER) < 0)
		return -errno;
	if (setns(ns->net, CLONE_NEWNET) < 0)
		return -errno;
	return ns->user >= 0 ? keep_capabilities() : 0;
}
