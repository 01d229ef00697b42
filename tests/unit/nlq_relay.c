/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nlq_relay.c - preloaded into ip(8): its netlink sockets lead to the stack of a test instead of the kernel's.
 *
 * A netlink socket becomes a UNIX socket of packets to the path in RELAY_PATH. Options and groups go with every
 * request, groups at once as well. One thread; ip(8) has no more.
 */
#include <dlfcn.h>
#include <errno.h>
#include <libnlq.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "nlq_relay.h"

#define EXPORT __attribute__((visibility("default")))
#define FDS 256

static struct relay_header relay[FDS];
static bool relayed[FDS];

static bool ours(int fd)
{
	return fd >= 0 && fd < FDS && relayed[fd];
}

/* the function of the C library behind one of ours */
#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

EXPORT int socket(int domain, int type, int protocol)
{
	struct sockaddr_un path = {.sun_family = AF_UNIX};
	const char *name = getenv(RELAY_PATH);
	int (*real)(int, int, int) = REAL("socket", int (*)(int, int, int));
	int fd;

	if (domain != AF_NETLINK || name == NULL || strlen(name) >= sizeof(path.sun_path))
		return real(domain, type, protocol);
	memcpy(path.sun_path, name, strlen(name));
	fd = real(AF_UNIX, SOCK_SEQPACKET | (type & SOCK_CLOEXEC), 0);
	if (fd < 0 || fd >= FDS || connect(fd, (struct sockaddr *)&path, sizeof(path)) < 0)
		abort();
	relayed[fd] = true;
	relay[fd] = (struct relay_header){.portid = (uint32_t)getpid()};
	return fd;
}

EXPORT int close(int fd)
{
	if (ours(fd))
		relayed[fd] = false;
	return REAL("close", int (*)(int))(fd);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	ssize_t (*real)(int, const struct msghdr *, int) = REAL("sendmsg", ssize_t(*)(int, const struct msghdr *, int));
	struct iovec iov[9];
	struct msghdr with = {.msg_iov = iov};
	ssize_t sent;

	if (!ours(fd))
		return real(fd, msg, flags);
	if (msg->msg_iovlen > 8)
		abort();
	iov[0] = (struct iovec){&relay[fd], sizeof(relay[fd])};
	memcpy(iov + 1, msg->msg_iov, msg->msg_iovlen * sizeof(iov[0]));
	with.msg_iovlen = msg->msg_iovlen + 1;
	sent = real(fd, &with, flags);
	return sent < 0 ? sent : sent - (ssize_t)sizeof(relay[fd]);
}

EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	ssize_t (*real)(int, const void *, size_t, int) = REAL("send", ssize_t(*)(int, const void *, size_t, int));
	struct iovec iov = {(void *)(uintptr_t)buf, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	return ours(fd) ? sendmsg(fd, &msg, flags) : real(fd, buf, len, flags);
}

EXPORT int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_nl self;

	if (!ours(fd))
		return REAL("bind", int (*)(int, const struct sockaddr *, socklen_t))(fd, addr, len);
	memcpy(&self, addr, sizeof(self));
	relay[fd].groups |= self.nl_groups;
	return self.nl_groups == 0 || send(fd, NULL, 0, 0) == 0 ? 0 : -1;
}

EXPORT int getsockname(int fd, struct sockaddr *restrict addr, socklen_t *restrict len)
{
	struct sockaddr_nl self = {.nl_family = AF_NETLINK, .nl_pid = ours(fd) ? relay[fd].portid : 0};

	if (!ours(fd))
		return REAL("getsockname", int (*)(int, struct sockaddr *, socklen_t *))(fd, addr, len);
	memcpy(addr, &self, *len < sizeof(self) ? *len : sizeof(self));
	*len = sizeof(self);
	return 0;
}

/** set_bit - an option of the socket that is on or off */
static int set_bit(int fd, uint32_t bit, const void *value)
{
	int on;

	memcpy(&on, value, sizeof(on));
	relay[fd].options = on ? relay[fd].options | bit : relay[fd].options & ~bit;
	return 0;
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	if (!ours(fd) || level != SOL_NETLINK)
		return REAL("setsockopt", int (*)(int, int, int, const void *, socklen_t))(fd, level, name, value, len);
	switch (name) {
	case NETLINK_EXT_ACK:
		return set_bit(fd, NLQ_EXT_ACK, value);
	case NETLINK_CAP_ACK:
		return set_bit(fd, NLQ_CAP_ACK, value);
	case NETLINK_GET_STRICT_CHK:
		return set_bit(fd, NLQ_STRICT_CHK, value);
	case NETLINK_ADD_MEMBERSHIP: /* a group that nobody here tells anything */
		return 0;
	default:
		errno = ENOPROTOOPT;
		return -1;
	}
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t (*real)(int, struct msghdr *, int) = REAL("recvmsg", ssize_t(*)(int, struct msghdr *, int));
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct msghdr without = *msg;
	ssize_t got;

	if (!ours(fd))
		return real(fd, msg, flags);
	without.msg_name = NULL;
	without.msg_namelen = 0;
	got = real(fd, &without, flags);
	if (msg->msg_name != NULL)
		memcpy(msg->msg_name, &kernel, msg->msg_namelen < sizeof(kernel) ? msg->msg_namelen : sizeof(kernel));
	msg->msg_namelen = sizeof(kernel);
	msg->msg_controllen = without.msg_controllen;
	msg->msg_flags = without.msg_flags;
	return got;
}
