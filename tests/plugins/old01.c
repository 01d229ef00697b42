/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * old01.c - a plugin of the 0.1 days that is not re-entrant: it has one engine, in global variables of libold01engine.
 *
 * It implements what its author needed: one receiving call, one sending call, and neither options nor ioctl.
 */
#include <errno.h>
#include <stddef.h>

#include "ioth01.h"
#include "old01engine.h"

PLUGIN_EXPORT extern const char *ioth_old01_license;
PLUGIN_EXPORT newstack_prototype ioth_old01_newstack;
PLUGIN_EXPORT delstack_prototype ioth_old01_delstack;
PLUGIN_EXPORT int ioth_old01_socket(int domain, int type, int protocol);
PLUGIN_EXPORT int ioth_old01_close(int fd);
PLUGIN_EXPORT int ioth_old01_bind(int fd, const struct sockaddr *addr, socklen_t addrlen);
PLUGIN_EXPORT int ioth_old01_listen(int fd, int backlog);
PLUGIN_EXPORT int ioth_old01_connect(int fd, const struct sockaddr *addr, socklen_t addrlen);
PLUGIN_EXPORT int ioth_old01_accept(int fd, struct sockaddr *addr, socklen_t *addrlen);
PLUGIN_EXPORT int ioth_old01_getsockname(int fd, struct sockaddr *addr, socklen_t *addrlen);
PLUGIN_EXPORT int ioth_old01_getpeername(int fd, struct sockaddr *addr, socklen_t *addrlen);
PLUGIN_EXPORT int ioth_old01_getsockopt(int fd, int level, int optname, void *optval, socklen_t *optlen);
PLUGIN_EXPORT int ioth_old01_shutdown(int fd, int how);
PLUGIN_EXPORT ssize_t ioth_old01_recv(int fd, void *buf, size_t len, int flags);

const char *ioth_old01_license = "LGPL-2.1-or-later";

static struct {
	struct old01 *engine;
	struct ioth_functions *functions;
} stack;

/* Not exported: newstack enters it into the table by hand. */
static ssize_t my_send(int fd, const void *buf, size_t len, int flags)
{
	return send(fd, buf, len, flags);
}

void *ioth_old01_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions)
{
	(void)vnlv;
	(void)options;
	stack.engine = old01_start();
	if (!stack.engine)
		return NULL;
	stack.functions = functions;
	functions->send = my_send;
	return &stack;
}

int ioth_old01_delstack(void *stackdata)
{
	if (stackdata != &stack) {
		errno = EINVAL;
		return -1;
	}
	old01_stop(stack.engine);
	stack.engine = NULL;
	return 0;
}

int ioth_old01_socket(int domain, int type, int protocol)
{
	return old01_socket(stack.engine, domain, type, protocol);
}

int ioth_old01_close(int fd)
{
	return old01_close(stack.engine, fd);
}

int ioth_old01_bind(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	return old01_bind(stack.engine, fd, addr, addrlen);
}

int ioth_old01_listen(int fd, int backlog)
{
	return old01_listen(stack.engine, fd, backlog);
}

int ioth_old01_connect(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	return old01_connect(stack.engine, fd, addr, addrlen);
}

int ioth_old01_accept(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	return old01_accept(stack.engine, fd, addr, addrlen);
}

int ioth_old01_getsockname(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	return old01_getsockname(stack.engine, fd, addr, addrlen);
}

int ioth_old01_getpeername(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	return old01_getpeername(stack.engine, fd, addr, addrlen);
}

int ioth_old01_getsockopt(int fd, int level, int optname, void *optval, socklen_t *optlen)
{
	return old01_getsockopt(stack.engine, fd, level, optname, optval, optlen);
}

int ioth_old01_shutdown(int fd, int how)
{
	return shutdown(fd, how);
}

ssize_t ioth_old01_recv(int fd, void *buf, size_t len, int flags)
{
	return recv(fd, buf, len, flags);
}
