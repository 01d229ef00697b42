/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * call.c - the Berkeley calls on a descriptor.
 *
 * A call goes one of two ways. When the descriptor is foreign or a kernel socket (whose calls the plugin does not want to see) it is the system call, and finding that out is all
 * that libioth costs. Otherwise it goes through the plugin: with a reference to the socket, so that a close in another thread cannot pull it
 * away, and with ioth__current set, from which getstackdata and getsockdata answer.
 *
 * The calls that make or end descriptors are in socket.c.
 */
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

_Thread_local struct ioth__call *ioth__current __attribute__((tls_model("initial-exec")));

int ioth__fail(int result)
{
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

enum way { PLUGIN, SYSTEM, REFUSED };

void ioth__call_let_go(struct ioth__call *call)
{
	int saved = errno;

	close(call->held);
	call->held = -1;
	errno = saved;
}

/** enter - begin a call that has to go through the plugin, unless the entry turns out to be stale; @hold: a descriptor, if it wants one */
static enum way enter(struct ioth__call *call, int fd, bool hold)
{
	int held = -1;
	struct ioth__sock *sock = ioth__sock_get_held(fd, hold ? &held : NULL);
	enum way way = PLUGIN;

	if (sock == NULL)
		return SYSTEM;
	if (atomic_load_explicit(&sock->stack->stopped, memory_order_acquire))
		way = REFUSED;
	else if (sock->direct) /* plain, but for the moment in which the number was changing */
		way = SYSTEM;
	if (way == PLUGIN) {
		ioth__call_begin(call, sock->stack, sock);
		call->held = held;
		return way;
	}
	if (held >= 0)
		close(held);
	ioth__sock_put(sock);
	if (way == REFUSED)
		errno = ENETDOWN;
	return way;
}

static void leave(struct ioth__call *call, bool failed)
{
	ioth__call_end(call, failed);
	ioth__sock_put(call->sock);
}

/** abandon - leave a call in which the thread is cancelled; does nothing after leave */
static void abandon(struct ioth__call *call)
{
	if (call->stack == NULL)
		return;
	ioth__call_abandon(call);
	ioth__sock_put(call->sock);
}

/*
 * DISPATCH - the body of a call on descriptor `fd`: @system is the expression of the system call, @member the one of the plugin.
 * DISPATCH_NUMBER - of a call that may make the socket remember the number, which is therefore not one held for the call
 */
#define DISPATCH_HOLDING(hold, type, system, member, ...)                                                              \
	do {                                                                                                           \
		if (ioth__fd_is_plain(fd))                                                                             \
			return system;                                                                                 \
		__attribute__((cleanup(abandon))) struct ioth__call call = {.stack = NULL};                            \
		type result;                                                                                           \
                                                                                                                       \
		switch (enter(&call, fd, hold)) {                                                                      \
		case SYSTEM:                                                                                           \
			return system;                                                                                 \
		case REFUSED:                                                                                          \
			return -1;                                                                                     \
		default:                                                                                               \
			break;                                                                                         \
		}                                                                                                      \
		result = call.stack->f.member(ioth__call_number(&call, fd) __VA_OPT__(, ) __VA_ARGS__);                \
		leave(&call, result < 0);                                                                              \
		return result;                                                                                         \
	} while (0)
#define DISPATCH(...) DISPATCH_HOLDING(true, __VA_ARGS__)
#define DISPATCH_NUMBER(...) DISPATCH_HOLDING(false, __VA_ARGS__)

int ioth_bind(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	DISPATCH(int, bind(fd, addr, addrlen), bind, addr, addrlen);
}

int ioth_connect(int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	DISPATCH(int, connect(fd, addr, addrlen), connect, addr, addrlen);
}

int ioth_listen(int fd, int backlog)
{
	DISPATCH(int, listen(fd, backlog), listen, backlog);
}

int ioth_getsockname(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	DISPATCH(int, getsockname(fd, addr, addrlen), getsockname, addr, addrlen);
}

int ioth_getpeername(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	DISPATCH(int, getpeername(fd, addr, addrlen), getpeername, addr, addrlen);
}

int ioth_setsockopt(int fd, int level, int optname, const void *optval, socklen_t optlen)
{
	DISPATCH(int, setsockopt(fd, level, optname, optval, optlen), setsockopt, level, optname, optval, optlen);
}

int ioth_getsockopt(int fd, int level, int optname, void *optval, socklen_t *optlen)
{
	DISPATCH(int, getsockopt(fd, level, optname, optval, optlen), getsockopt, level, optname, optval, optlen);
}

int ioth_shutdown(int fd, int how)
{
	DISPATCH(int, shutdown(fd, how), shutdown, how);
}

int ioth_ioctl(int fd, unsigned long request, void *arg)
{
	switch (request) {
	case FIOCLEX:
	case FIONCLEX:
		return ioctl(fd, request, arg); /* of the descriptor, not of the socket */
	case FIOASYNC:
		DISPATCH_NUMBER(int, ioctl(fd, request, arg), ioctl, request, arg);
	default:
		DISPATCH(int, ioctl(fd, request, arg), ioctl, request, arg);
	}
}

int ioth_fcntl(int fd, int cmd, long arg)
{
	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return ioth__dup_from(fd, cmd, arg);
	case F_GETFD:
	case F_SETFD:
		return fcntl(fd, cmd, arg); /* of the descriptor, not of the socket */
	default:
		DISPATCH_NUMBER(int, fcntl(fd, cmd, arg), fcntl, cmd, arg);
	}
}

int ioth_sockatmark(int fd)
{
	DISPATCH(int, sockatmark(fd), sockatmark);
}

ssize_t ioth_read(int fd, void *buf, size_t len)
{
	DISPATCH(ssize_t, read(fd, buf, len), read, buf, len);
}

ssize_t ioth_readv(int fd, const struct iovec *iov, int iovcnt)
{
	DISPATCH(ssize_t, readv(fd, iov, iovcnt), readv, iov, iovcnt);
}

ssize_t ioth_recv(int fd, void *buf, size_t len, int flags)
{
	DISPATCH(ssize_t, recv(fd, buf, len, flags), recv, buf, len, flags);
}

ssize_t ioth_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	DISPATCH(ssize_t, recvfrom(fd, buf, len, flags, from, fromlen), recvfrom, buf, len, flags, from, fromlen);
}

ssize_t ioth_recvmsg(int fd, struct msghdr *msg, int flags)
{
	DISPATCH(ssize_t, recvmsg(fd, msg, flags), recvmsg, msg, flags);
}

int ioth_recvmmsg(int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags, struct timespec *timeout)
{
	DISPATCH(int, recvmmsg(fd, msgvec, vlen, flags, timeout), recvmmsg, msgvec, vlen, flags, timeout);
}

ssize_t ioth_write(int fd, const void *buf, size_t len)
{
	DISPATCH(ssize_t, write(fd, buf, len), write, buf, len);
}

ssize_t ioth_writev(int fd, const struct iovec *iov, int iovcnt)
{
	DISPATCH(ssize_t, writev(fd, iov, iovcnt), writev, iov, iovcnt);
}

ssize_t ioth_send(int fd, const void *buf, size_t len, int flags)
{
	DISPATCH(ssize_t, send(fd, buf, len, flags), send, buf, len, flags);
}

ssize_t ioth_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t tolen)
{
	DISPATCH(ssize_t, sendto(fd, buf, len, flags, to, tolen), sendto, buf, len, flags, to, tolen);
}

ssize_t ioth_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	DISPATCH(ssize_t, sendmsg(fd, msg, flags), sendmsg, msg, flags);
}

int ioth_sendmmsg(int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags)
{
	DISPATCH(int, sendmmsg(fd, msgvec, vlen, flags), sendmmsg, msgvec, vlen, flags);
}
