/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * socket.c - the calls about sockets.
 *
 * What a STREAM is remembered for is not enough here: is_ours looks again (session.c).
 */
#include "shim.h"

#include <linux/netlink.h>
#include <stdlib.h>

/** is_ours - is the descriptor a socket of the stack at this moment? */
static bool is_ours(int fd)
{
	if (shim_kind(fd) == SHIM_FOREIGN)
		return false;
	shim_forget(fd);
	return shim_is(fd);
}

/** of_stack - is it the stack that has sockets of this domain? */
static bool of_stack(int domain, int protocol)
{
	if (shim_dir() == NULL)
		return false;
	if (domain == AF_INET || domain == AF_INET6 || domain == AF_PACKET)
		return true;
	/* The other families of netlink are about the machine: devices, audit. */
	return domain == AF_NETLINK && (protocol == NETLINK_ROUTE || protocol == NETLINK_SOCK_DIAG ||
	                                protocol == NETLINK_NETFILTER || protocol == NETLINK_GENERIC);
}

EXPORT int socket(int domain, int type, int protocol)
{
	struct remote *r;
	int fd;

	if (!of_stack(domain, protocol))
		return shim_next()->socket(domain, type, protocol);
	r = shim_remote();
	if (r == NULL)
		return -1;
	fd = remote_socket(r, domain, type, protocol);
	shim_set(fd, SHIM_CALLS);
	return (int)shim_result(fd);
}

EXPORT int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	if (!is_ours(fd))
		return shim_next()->bind(fd, addr, len);
	return (int)shim_result(remote_bind(shim_remote(), fd, addr, len));
}

EXPORT int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	int result;

	if (!is_ours(fd))
		return shim_next()->connect(fd, addr, len);
	result = (int)shim_result(remote_connect(shim_remote(), fd, addr, len));
	shim_forget(fd);
	return result;
}

EXPORT int listen(int fd, int backlog)
{
	if (!is_ours(fd))
		return shim_next()->listen(fd, backlog);
	return (int)shim_result(remote_listen(shim_remote(), fd, backlog));
}

EXPORT int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	int result;

	if (is_ours(fd)) {
		result = (int)shim_result(remote_accept4(shim_remote(), fd, addr, len, flags));
		shim_set(result, SHIM_STREAM);
	} else {
		result = shim_next()->accept4(fd, addr, len, flags);
		shim_forget(result);
	}
	return result;
}

EXPORT int accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	return accept4(fd, addr, len, 0);
}

EXPORT int getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	if (!is_ours(fd))
		return shim_next()->getsockname(fd, addr, len);
	return (int)shim_result(remote_getsockname(shim_remote(), fd, addr, len));
}

EXPORT int getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	if (!is_ours(fd))
		return shim_next()->getpeername(fd, addr, len);
	return (int)shim_result(remote_getpeername(shim_remote(), fd, addr, len));
}

EXPORT int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (!is_ours(fd))
		return shim_next()->getsockopt(fd, level, name, value, len);
	return (int)shim_result(remote_getsockopt(shim_remote(), fd, level, name, value, len));
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	if (!is_ours(fd))
		return shim_next()->setsockopt(fd, level, name, value, len);
	return (int)shim_result(remote_setsockopt(shim_remote(), fd, level, name, value, len));
}

EXPORT int shutdown(int fd, int how)
{
	if (!is_ours(fd))
		return shim_next()->shutdown(fd, how);
	return (int)shim_result(remote_shutdown(shim_remote(), fd, how));
}

EXPORT int sockatmark(int fd)
{
	if (!is_ours(fd))
		return shim_next()->sockatmark(fd);
	return (int)shim_result(remote_sockatmark(shim_remote(), fd));
}
