/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * old01r.c - a re-entrant plugin of the 0.1 days: an engine per stack, found again with getstackdata().
 *
 * Its transfers are recvmsg and sendmsg, the other end of the families that libioth completes.
 */
#include "ioth01.h"
#include "old01engine.h"

PLUGIN_EXPORT extern const char *ioth_old01r_license;
PLUGIN_EXPORT newstack_prototype ioth_old01r_newstack;
PLUGIN_EXPORT delstack_prototype ioth_old01r_delstack;
PLUGIN_EXPORT int ioth_old01r_socket(int domain, int type, int protocol);
PLUGIN_EXPORT int ioth_old01r_close(int fd);
PLUGIN_EXPORT int ioth_old01r_bind(int fd, const struct sockaddr *addr, socklen_t addrlen);
PLUGIN_EXPORT int ioth_old01r_listen(int fd, int backlog);
PLUGIN_EXPORT int ioth_old01r_connect(int fd, const struct sockaddr *addr, socklen_t addrlen);
PLUGIN_EXPORT int ioth_old01r_accept(int fd, struct sockaddr *addr, socklen_t *addrlen);
PLUGIN_EXPORT int ioth_old01r_getsockopt(int fd, int level, int optname, void *optval, socklen_t *optlen);
PLUGIN_EXPORT ssize_t ioth_old01r_recvmsg(int fd, struct msghdr *msg, int flags);
PLUGIN_EXPORT ssize_t ioth_old01r_sendmsg(int fd, const struct msghdr *msg, int flags);

const char *ioth_old01r_license = "MIT";

static getstackdata_prototype *getstackdata;

void *ioth_old01r_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions)
{
	(void)vnlv;
	(void)options;
	getstackdata = functions->getstackdata;
	return old01_new();
}

int ioth_old01r_delstack(void *stackdata)
{
	old01_stop(stackdata);
	return 0;
}

int ioth_old01r_socket(int domain, int type, int protocol)
{
	return old01_socket(getstackdata(), domain, type, protocol);
}

int ioth_old01r_close(int fd)
{
	return old01_close(getstackdata(), fd);
}

int ioth_old01r_bind(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	return old01_bind(getstackdata(), fd, addr, addrlen);
}

int ioth_old01r_listen(int fd, int backlog)
{
	return old01_listen(getstackdata(), fd, backlog);
}

int ioth_old01r_connect(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	return old01_connect(getstackdata(), fd, addr, addrlen);
}

int ioth_old01r_accept(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	return old01_accept(getstackdata(), fd, addr, addrlen);
}

int ioth_old01r_getsockopt(int fd, int level, int optname, void *optval, socklen_t *optlen)
{
	return old01_getsockopt(getstackdata(), fd, level, optname, optval, optlen);
}

ssize_t ioth_old01r_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return recvmsg(fd, msg, flags);
}

ssize_t ioth_old01r_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return sendmsg(fd, msg, flags);
}
