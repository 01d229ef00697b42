/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * errnoplug.c - a plugin, not re-entrant, whose calls fail with an errno of the user's choice.
 *
 * Option: the number. socket works, and so does close; with SOCK_RAW the socket itself is refused. "new=NUMBER" makes
 * newstack fail.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ioth01.h"

PLUGIN_EXPORT newstack_prototype ioth_errnoplug_newstack;
PLUGIN_EXPORT delstack_prototype ioth_errnoplug_delstack;
PLUGIN_EXPORT int ioth_errnoplug_socket(int domain, int type, int protocol);
PLUGIN_EXPORT int ioth_errnoplug_bind(int fd, const struct sockaddr *addr, socklen_t addrlen);
PLUGIN_EXPORT int ioth_errnoplug_connect(int fd, const struct sockaddr *addr, socklen_t addrlen);
PLUGIN_EXPORT int ioth_errnoplug_listen(int fd, int backlog);
PLUGIN_EXPORT int ioth_errnoplug_accept(int fd, struct sockaddr *addr, socklen_t *addrlen);
PLUGIN_EXPORT int ioth_errnoplug_getsockname(int fd, struct sockaddr *addr, socklen_t *addrlen);
PLUGIN_EXPORT int ioth_errnoplug_getpeername(int fd, struct sockaddr *addr, socklen_t *addrlen);
PLUGIN_EXPORT int ioth_errnoplug_setsockopt(int fd, int level, int optname, const void *optval, socklen_t optlen);
PLUGIN_EXPORT int ioth_errnoplug_getsockopt(int fd, int level, int optname, void *optval, socklen_t *optlen);
PLUGIN_EXPORT int ioth_errnoplug_shutdown(int fd, int how);
PLUGIN_EXPORT int ioth_errnoplug_ioctl(int fd, unsigned long request, void *arg);
PLUGIN_EXPORT int ioth_errnoplug_fcntl(int fd, int cmd, long arg);
PLUGIN_EXPORT ssize_t ioth_errnoplug_recvmsg(int fd, struct msghdr *msg, int flags);
PLUGIN_EXPORT ssize_t ioth_errnoplug_sendmsg(int fd, const struct msghdr *msg, int flags);

static int number;

static int refuse(void)
{
	errno = number;
	return -1;
}

void *ioth_errnoplug_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions)
{
	(void)vnlv;
	(void)functions;
	if (options && strncmp(options, "new=", 4) == 0) {
		errno = atoi(options + 4);
		return NULL;
	}
	number = options && *options ? atoi(options) : EIO;
	return &number;
}

int ioth_errnoplug_delstack(void *stackdata)
{
	(void)stackdata;
	return 0;
}

int ioth_errnoplug_socket(int domain, int type, int protocol)
{
	(void)domain;
	(void)protocol;
	if ((type & 0xf) == SOCK_RAW)
		return refuse();
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

int ioth_errnoplug_bind(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	(void)fd;
	(void)addr;
	(void)addrlen;
	return refuse();
}

int ioth_errnoplug_connect(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	(void)fd;
	(void)addr;
	(void)addrlen;
	return refuse();
}

int ioth_errnoplug_listen(int fd, int backlog)
{
	(void)fd;
	(void)backlog;
	return refuse();
}

int ioth_errnoplug_accept(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	(void)fd;
	(void)addr;
	(void)addrlen;
	return refuse();
}

int ioth_errnoplug_getsockname(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	(void)fd;
	(void)addr;
	(void)addrlen;
	return refuse();
}

int ioth_errnoplug_getpeername(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	(void)fd;
	(void)addr;
	(void)addrlen;
	return refuse();
}

int ioth_errnoplug_setsockopt(int fd, int level, int optname, const void *optval, socklen_t optlen)
{
	(void)fd;
	(void)level;
	(void)optname;
	(void)optval;
	(void)optlen;
	return refuse();
}

int ioth_errnoplug_getsockopt(int fd, int level, int optname, void *optval, socklen_t *optlen)
{
	(void)fd;
	(void)level;
	(void)optname;
	(void)optval;
	(void)optlen;
	return refuse();
}

int ioth_errnoplug_shutdown(int fd, int how)
{
	(void)fd;
	(void)how;
	return refuse();
}

int ioth_errnoplug_ioctl(int fd, unsigned long request, void *arg)
{
	(void)fd;
	(void)request;
	(void)arg;
	return refuse();
}

int ioth_errnoplug_fcntl(int fd, int cmd, long arg)
{
	(void)fd;
	(void)cmd;
	(void)arg;
	return refuse();
}

ssize_t ioth_errnoplug_recvmsg(int fd, struct msghdr *msg, int flags)
{
	(void)fd;
	(void)msg;
	(void)flags;
	return refuse();
}

ssize_t ioth_errnoplug_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	(void)fd;
	(void)msg;
	(void)flags;
	return refuse();
}
