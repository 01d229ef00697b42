/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * call.c - the calls that do not move bytes.
 *
 * Each is a question. Where the descriptor itself has a part in it (the times that a call waits at most, what a blocked
 * reader of a stream is woken for) the system call is made on it as well.
 */
#include "ioctl_size.h"
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/un.h>

#define FLAGS (SOCK_CLOEXEC | SOCK_NONBLOCK)

/* ----------------------------------------------------------------------------------------------------- descriptors */

int remote_is(struct remote *r, int fd)
{
	struct sockaddr_un name;
	socklen_t len = sizeof(name);
	size_t prefix = strlen(r->name);

	if (remote__next->getsockname(fd, (struct sockaddr *)&name, &len) < 0 || name.sun_family != AF_UNIX)
		return 0;
	return len > offsetof(struct sockaddr_un, sun_path) + 1 + prefix && name.sun_path[0] == '\0' &&
	       memcmp(name.sun_path + 1, r->name, prefix) == 0;
}

char remote__kind(int fd)
{
	struct sockaddr_un name;
	socklen_t len = sizeof(name);
	size_t prefix = sizeof(REMOTE_NAME) - 1;

	if (remote__next->getpeername(fd, (struct sockaddr *)&name, &len) < 0 || name.sun_family != AF_UNIX ||
	    len <= offsetof(struct sockaddr_un, sun_path) + 1 + prefix ||
	    memcmp(name.sun_path + 1, REMOTE_NAME, prefix) != 0)
		return 0;
	return name.sun_path[1 + prefix];
}

int remote_is_stream(struct remote *r, int fd)
{
	(void)r;
	return remote__kind(fd) == REMOTE_KIND_STREAM;
}

bool remote__is_tcp(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return remote__next->getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

/** place_for - is there a number for one more descriptor? An answer must not be lost for want of one. 0 or a negative
 * errno */
static int place_for(void)
{
	/* Any descriptor will do as the model. */
	int fd = remote__next->socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	remote__next->close(fd);
	return 0;
}

/** hand_out - the descriptor that came along, as the program wants it */
static int hand_out(const struct remote__ask *ask, int result, int flags)
{
	if (result < 0) {
		if (ask->got >= 0)
			remote__next->close(ask->got);
		return result;
	}
	if (ask->got < 0)
		return -EMFILE;
	if (!(flags & SOCK_CLOEXEC))
		remote__next->fcntl(ask->got, F_SETFD, 0);
	return ask->got;
}

int remote_socket(struct remote *r, int domain, int type, int protocol)
{
	struct remote__ask ask = {
	        .head = {.op = REMOTE_SOCKET, .arg = {domain, type, protocol}}, .fd = -1, .number = -1, .got = -1};
	int result = place_for();

	return result < 0 ? result : hand_out(&ask, remote__ask(r, &ask), type);
}

int remote_close(struct remote *r, int fd)
{
	struct stat st;
	int result, ours = remote_is(r, fd);

	if (fstat(fd, &st) < 0)
		ours = 0;
	result = remote__next->close(fd) < 0 ? -errno : 0;
	if (ours)
		remote_closed(r, st.st_ino);
	return result;
}

void remote_closed(struct remote *r, ino_t inode)
{
	remote__simple(r, REMOTE_CLOSE, -1, (int)(uint32_t)inode, (int)(uint32_t)((uint64_t)inode >> 32), 0);
}

/* ------------------------------------------------------------------------------------------------------ addresses */

static int with_addr(struct remote *r, enum remote_op op, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct remote__ask ask = {.head = {.op = op, .addr = len}, .addr = addr, .fd = fd, .number = -1};

	if (len > REMOTE_ADDR_MAX)
		return -EINVAL;
	if (ioth__bad(addr, len))
		return -EFAULT;
	return remote__ask(r, &ask);
}

int remote_bind(struct remote *r, int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	return with_addr(r, REMOTE_BIND, fd, addr, addrlen);
}

/** connect_once - ask for a connection, for the first time or to go on */
static int connect_once(struct remote *r, struct remote__waiting *waiting, bool go_on, const struct sockaddr *addr,
                        socklen_t len)
{
	struct remote__ask ask = {.head = {.op = REMOTE_CONNECT, .arg = {(int)r->mode, go_on}, .addr = len},
	                          .addr = addr,
	                          .waiting = waiting};

	return remote__ask(r, &ask);
}

int remote_connect(struct remote *r, int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	REMOTE_WAITING(waiting, fd, 0);
	int result;

	if (addrlen > REMOTE_ADDR_MAX)
		return -EINVAL;
	if (ioth__bad(addr, addrlen))
		return -EFAULT;
	result = connect_once(r, &waiting, false, addr, addrlen);
	while (result == -EINPROGRESS || result == -EALREADY) {
		int waited = remote__wait(r, &waiting, POLLOUT);

		/* When the time is up it says what a call that does not wait would have said. */
		if (waited == -EAGAIN)
			break;
		if (waited < 0)
			return waited;
		result = connect_once(r, &waiting, true, addr, addrlen);
	}
	return result;
}

int remote_listen(struct remote *r, int fd, int backlog)
{
	return remote__simple(r, REMOTE_LISTEN, fd, backlog, 0, 0);
}

/** ask_addr - a question whose answer is an address, written as Linux does */
static int ask_addr(struct remote *r, struct remote__ask *ask, struct sockaddr *addr, socklen_t *addrlen)
{
	int result;

	if (addr != NULL) {
		if (ioth__bad(addrlen, sizeof(*addrlen)))
			return -EFAULT;
		if ((int)*addrlen < 0)
			return -EINVAL;
		if (ioth__bad(addr, *addrlen))
			return -EFAULT;
		ask->head.room_addr = *addrlen < REMOTE_ADDR_MAX ? *addrlen : REMOTE_ADDR_MAX;
		ask->to_addr = addr;
	}
	result = remote__ask(r, ask);
	if (result >= 0 && addr != NULL)
		*addrlen = ask->reply.addr_full;
	return result;
}

int remote_accept4(struct remote *r, int fd, struct sockaddr *addr, socklen_t *addrlen, int flags)
{
	REMOTE_WAITING(waiting, fd, 0);
	struct remote__ask ask = {
	        .head = {.op = REMOTE_ACCEPT, .arg = {flags, (int)r->mode}}, .waiting = &waiting, .got = -1};
	int result = place_for();

	if (result < 0)
		return result;
	for (;;) {
		result = ask_addr(r, &ask, addr, addrlen);
		if (result != -EAGAIN)
			break;
		result = remote__wait(r, &waiting, POLLIN | POLLRDHUP);
		if (result < 0)
			break;
	}
	return hand_out(&ask, result, flags);
}

int remote_getsockname(struct remote *r, int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	struct remote__ask ask = {.head = {.op = REMOTE_GETSOCKNAME}, .fd = fd, .number = -1};

	return addr == NULL || addrlen == NULL ? -EFAULT : ask_addr(r, &ask, addr, addrlen);
}

int remote_getpeername(struct remote *r, int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	struct remote__ask ask = {.head = {.op = REMOTE_GETPEERNAME}, .fd = fd, .number = -1};

	return addr == NULL || addrlen == NULL ? -EFAULT : ask_addr(r, &ask, addr, addrlen);
}

int remote_shutdown(struct remote *r, int fd, int how)
{
	return remote__simple(r, REMOTE_SHUTDOWN, fd, how, 0, 0);
}

/* --------------------------------------------------------------------------------------------------------- options */

/** is_local - does the descriptor itself have to know of the option, too? */
static bool is_local(int level, int option)
{
	return level == SOL_SOCKET &&
	       (option == SO_RCVTIMEO_OLD || option == SO_SNDTIMEO_OLD || option == SO_RCVTIMEO_NEW ||
	        option == SO_SNDTIMEO_NEW || option == SO_OOBINLINE || option == SO_PEEK_OFF);
}

/**
 * is_low_water - SO_RCVLOWAT of a stream is the descriptor's alone
 *
 * The bytes are there and in the stack: neither could tell when there are enough of them in both.
 */
static bool is_low_water(const struct remote *r, int fd, int level, int option)
{
	return level == SOL_SOCKET && option == SO_RCVLOWAT && r->mode == REMOTE_MODE_STREAM && remote__is_tcp(fd);
}

int remote_setsockopt(struct remote *r, int fd, int level, int optname, const void *optval, socklen_t optlen)
{
	struct iovec iov = {(void *)(uintptr_t)optval, optlen};
	struct remote__ask ask = {.head = {.op = REMOTE_SETSOCKOPT, .arg = {level, optname, (int)optlen}},
	                          .iov = &iov,
	                          .iovcnt = 1,
	                          .fd = fd,
	                          .number = -1};
	struct sock_fprog program;
	int result;

	if ((int)optlen < 0 || optlen > REMOTE_DATA_MAX)
		return -EINVAL;
	if (ioth__bad(optval, optlen))
		return -EFAULT;
	if (level == SOL_SOCKET && (optname == SO_ATTACH_FILTER || optname == SO_ATTACH_REUSEPORT_CBPF)) {
		if (optlen != sizeof(program))
			return -EINVAL;
		memcpy(&program, optval, sizeof(program));
		iov = (struct iovec){program.filter, program.len * sizeof(struct sock_filter)};
	}
	if (is_low_water(r, fd, level, optname))
		return remote__next->setsockopt(fd, level, optname, optval, optlen) < 0 ? -errno : 0;
	result = remote__ask(r, &ask);
	if (result == 0 && is_local(level, optname))
		remote__next->setsockopt(fd, level, optname, optval, optlen);
	return result;
}

/** get_error - SO_ERROR: what the server knows; what the descriptor shows of it is taken as well */
static int get_error(struct remote *r, int fd, int *error)
{
	int local = 0;
	socklen_t len = sizeof(local);
	struct iovec iov = {error, sizeof(*error)};
	struct remote__ask ask = {
	        .head = {.op = REMOTE_GETSOCKOPT, .arg = {SOL_SOCKET, SO_ERROR, sizeof(int)}, .room_data = sizeof(int)},
	        .fd = fd,
	        .number = -1,
	        .to_iov = &iov,
	        .to_iovcnt = 1};
	int result;

	remote__next->getsockopt(fd, SOL_SOCKET, SO_ERROR, &local, &len);
	*error = 0;
	result = remote__ask(r, &ask);
	if (result == -ENETDOWN || (result >= 0 && *error == 0))
		*error = local;
	return result < 0 && result != -ENETDOWN ? result : 0;
}

int remote_getsockopt(struct remote *r, int fd, int level, int optname, void *optval, socklen_t *optlen)
{
	bool filter = level == SOL_SOCKET && (optname == SO_ATTACH_FILTER || optname == SO_ATTACH_REUSEPORT_CBPF);
	size_t unit = filter ? sizeof(struct sock_filter) : 1;
	struct iovec iov = {optval, 0};
	struct remote__ask ask = {.fd = fd, .number = -1, .iov = &iov, .iovcnt = 1, .to_iov = &iov, .to_iovcnt = 1};
	int result, error;

	if (ioth__bad(optlen, sizeof(*optlen)) || ((int)*optlen > 0 && ioth__bad(optval, *optlen)))
		return -EFAULT;
	ask.head = (struct remote_request){.op = REMOTE_GETSOCKOPT, .arg = {level, optname, (int)*optlen}};
	if ((int)*optlen >= 0)
		iov.iov_len = *optlen * unit < REMOTE_DATA_MAX ? *optlen * unit : REMOTE_DATA_MAX;
	ask.head.room_data = (uint32_t)iov.iov_len;
	if (level == SOL_SOCKET && optname == SO_ERROR && iov.iov_len > 0) {
		result = get_error(r, fd, &error);
		if (result < 0)
			return result;
		if (*optlen > sizeof(error))
			*optlen = sizeof(error);
		memcpy(optval, &error, *optlen);
		return 0;
	}
	if (is_low_water(r, fd, level, optname))
		return remote__next->getsockopt(fd, level, optname, optval, optlen) < 0 ? -errno : 0;
	/* Few options read what the buffer holds, and those are short. */
	if (level == SOL_SOCKET || iov.iov_len > 4096)
		ask.iovcnt = 0;
	result = remote__ask(r, &ask);
	if (result < 0)
		return result;
	*optlen = (socklen_t)result;
	return 0;
}

/* ---------------------------------------------------------------------------------------------------------- ioctls */

/** domain_of - what kind of addresses an ioctl is about */
static int domain_of(struct remote *r, int fd)
{
	int domain = 0;
	socklen_t len = sizeof(domain);

	return remote_getsockopt(r, fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ? 0 : domain;
}

/** argument_size - bytes of an ioctl's argument; the domain, a question to the server, is asked for only where it matters */
static size_t argument_size(struct remote *r, int fd, unsigned long request)
{
	size_t size = remote_ioctl_size(request, AF_INET);

	return size == remote_ioctl_size(request, AF_INET6) ? size : remote_ioctl_size(request, domain_of(r, fd));
}

static int get_ifconf(struct remote *r, int fd, struct ifconf *list)
{
	struct iovec iov = {list->ifc_buf, list->ifc_buf == NULL || list->ifc_len < 0 ? 0 : (size_t)list->ifc_len};
	struct remote__ask ask = {.head = {.op = REMOTE_IOCTL, .arg = {(int)SIOCGIFCONF, list->ifc_buf == NULL}},
	                          .fd = fd,
	                          .number = -1,
	                          .to_iov = &iov,
	                          .to_iovcnt = 1};
	int result;

	ask.head.room_data = (uint32_t)(iov.iov_len < REMOTE_DATA_MAX ? iov.iov_len : REMOTE_DATA_MAX);
	result = remote__ask(r, &ask);
	if (result < 0)
		return result;
	list->ifc_len = result;
	return 0;
}

int remote_ioctl(struct remote *r, int fd, unsigned long request, void *arg)
{
	struct iovec iov[2] = {{arg, 0}, {NULL, 0}};
	struct remote__ask ask = {.head = {.op = REMOTE_IOCTL, .arg = {(int)request}},
	                          .iov = iov,
	                          .iovcnt = 2,
	                          .fd = fd,
	                          .number = -1,
	                          .to_iov = iov,
	                          .to_iovcnt = 1};
	int result, here = 0;
	size_t size;

	switch (request) {
	case FIONBIO:
	case FIOASYNC:
	case FIOSETOWN:
	case SIOCSPGRP:
	case FIOGETOWN:
	case SIOCGPGRP:
		return remote__next->ioctl(fd, request, arg) < 0 ? -errno : 0;
	case SIOCGIFCONF:
		return get_ifconf(r, fd, arg);
	default:
		break;
	}
	if (request == FIONREAD && remote__kind(fd) == REMOTE_KIND_AHEAD) {
		struct remote_ahead head = {.data = 0};

		if (remote__next->recv(fd, &head, sizeof(head), MSG_PEEK | MSG_DONTWAIT) == (ssize_t)sizeof(head)) {
			*(int *)arg = (int)head.data;
			return 0;
		}
	}
	if (request == SIOCATMARK && remote__kind(fd) == REMOTE_KIND_STREAM)
		return remote__next->ioctl(fd, request, arg) < 0 ? -errno : 0;
	size = argument_size(r, fd, request);
	if (size == 0)
		return request == SIOCETHTOOL ? -EOPNOTSUPP : -ENOTTY;
	iov[0].iov_len = size;
	ask.head.room_data = (uint32_t)size;
	if ((request == SIOCADDRT || request == SIOCDELRT) && size == sizeof(struct rtentry)) {
		const struct rtentry *route = arg;

		ask.head.room_data = 0;
		if (route->rt_dev != NULL)
			iov[1] = (struct iovec){route->rt_dev, strnlen(route->rt_dev, IFNAMSIZ - 1)};
	}
	result = remote__ask(r, &ask);
	/* What has come this far counts as well. */
	if (result >= 0 && request == FIONREAD && remote__kind(fd) == REMOTE_KIND_STREAM &&
	    remote__next->ioctl(fd, FIONREAD, &here) == 0)
		*(int *)arg += here;
	return result;
}

int remote_sockatmark(struct remote *r, int fd)
{
	int mark = 0, result = remote_ioctl(r, fd, SIOCATMARK, &mark);

	return result < 0 ? result : mark;
}
