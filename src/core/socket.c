/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * socket.c - the calls that make and end descriptors: socket, accept, close, the dup family.
 *
 * A socket object is made before the plugin is asked for the socket, so that nothing can fail for lack of memory once it exists and so
 * that setsockdata has something to keep the pointer in.
 *
 * A socket that the plugin implements is closed in the plugin when its last reference goes: after the last of its descriptors is closed and
 * the last call on it has returned, as the kernel releases a file. Until then it has a number: its first one, by which the plugin knows it,
 * or another one when the program has closed that and the plugin lets itself be told (moved), which knows its sockets by other means.
 */
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/** kind_of - what the plugin says of its new descriptor @fd. Called within a call of the plugin. */
static enum ioth__kind kind_of(struct ioth *stack, int fd)
{
	int kind = stack->f.kernelfd == NULL ? 0 : stack->f.kernelfd(fd);

	return kind >= IOTH__KERNEL && kind <= IOTH__HELD ? (enum ioth__kind)kind : IOTH__PLUGIN;
}

/** socket_on - ioth_msocket on a stack that is not the native one; a descriptor or a negative errno */
static int socket_on(struct ioth *stack, int domain, int type, int protocol)
{
	IOTH__SOCK *sock = NULL;
	IOTH__CALL call = {.stack = NULL};
	enum ioth__kind kind = IOTH__PLUGIN;
	int fd;

	if (atomic_load_explicit(&stack->stopped, memory_order_acquire))
		return -ENETDOWN;
	sock = ioth__sock_new(stack);
	if (sock == NULL)
		return -ENOMEM;
	ioth__call_begin(&call, stack, NULL);
	call.made = sock;
	fd = stack->f.socket(domain, type, protocol);
	if (fd >= 0)
		kind = kind_of(stack, fd);
	ioth__call_end(&call, fd < 0);
	return fd < 0 ? -errno : ioth__sock_adopt(sock, fd, kind);
}

int ioth_msocket(struct ioth *stack, int domain, int type, int protocol)
{
	IOTH__STACK *on = ioth__stack_get(stack);

	if (on == &ioth__native)
		return socket(domain, type, protocol);
	return ioth__fail(socket_on(on, domain, type, protocol));
}

int ioth_socket(int domain, int type, int protocol)
{
	return ioth_msocket(NULL, domain, type, protocol);
}

/** accept_on - accept on the socket of @call, which is @fd; a descriptor or a negative errno */
static int accept_on(struct ioth__call *call, int fd, struct sockaddr *addr, socklen_t *addrlen, int flags)
{
	struct ioth *stack = call->stack;
	const struct ioth__sock *sock = call->sock;
	IOTH__SOCK *made = NULL;
	enum ioth__kind kind = sock->direct ? IOTH__KERNEL : IOTH__KERNEL_SEEN;
	int new;

	if (atomic_load_explicit(&stack->stopped, memory_order_acquire))
		return -ENETDOWN;
	call->made = made = ioth__sock_new(stack);
	if (made == NULL)
		return -ENOMEM;
	if (sock->kernel) {
		new = accept4(fd, addr, addrlen, flags);
	} else {
		new = stack->f.accept4(ioth__call_number(call, fd), addr, addrlen, flags);
		if (new >= 0)
			kind = kind_of(stack, new);
	}
	ioth__call_end(call, !sock->kernel && new < 0);
	return new < 0 ? -errno : ioth__sock_adopt(made, new, kind);
}

int ioth_accept4(int fd, struct sockaddr *addr, socklen_t *addrlen, int flags)
{
	int held = -1;
	IOTH__SOCK *sock = ioth__sock_get_held(fd, &held);
	IOTH__CALL call = {.stack = NULL};

	if (sock == NULL)
		return accept4(fd, addr, addrlen, flags);
	ioth__call_begin(&call, sock->stack, sock);
	call.held = held;
	return ioth__fail(accept_on(&call, fd, addr, addrlen, flags));
}

int ioth_accept(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	return ioth_accept4(fd, addr, addrlen, 0);
}

/**
 * leave_number - the program closes the number @fd by which the plugin knows @sock: may that be done at once?
 *
 * As in the kernel the number is free at once also when the socket lives on, until the calls on it have returned and its copies
 * are closed: under a number of its own. Where the plugin or the system does not let us, the number stays taken.
 */
static bool leave_number(struct ioth__sock *sock, int fd)
{
	struct ioth__call call;
	int copy, result;

	/* Without a call in progress and a copy there are two references: the entry's and our caller's. */
	if (sock->stack->f.moved == NULL || atomic_load_explicit(&sock->refs, memory_order_acquire) <= 2)
		return false;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return false;
	ioth__call_begin(&call, sock->stack, sock);
	result = sock->stack->f.moved(copy);
	ioth__call_end(&call, result < 0);
	if (result == 0)
		sock->fd = copy;
	else
		close(copy);
	return result == 0;
}

/** close_on - ioth_close of a number of @sock; 0 or a negative errno */
static int close_on(struct ioth__sock *sock, int fd)
{
	bool ours;

	/* A kernel socket may linger, and whatever another thread calls on it meanwhile is the system call anyway. */
	if (sock->kernel) {
		ioth__fd_drop(sock, fd);
		return close(fd) < 0 ? -errno : 0;
	}
	if (fd != sock->fd || leave_number(sock, fd))
		return ioth__fd_close(sock, fd);
	/* The plugin closes the number with the socket; unless another thread was faster, and it is something else by now. */
	ours = ioth__fd_drop(sock, fd);
	return ours || close(fd) == 0 ? 0 : -errno;
}

int ioth_close(int fd)
{
	struct ioth__sock *sock = ioth__sock_get(fd);
	int result, error;

	if (sock == NULL)
		return close(fd);
	result = close_on(sock, fd);
	error = ioth__sock_put(sock);
	return ioth__fail(result < 0 ? result : error);
}

/**
 * occupy - get hold of descriptor number @fd if nobody has it
 *
 * Returns whether @fd is now a descriptor of ours.
 */
static bool occupy(int fd)
{
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC), copy;

	if (file < 0 || file == fd)
		return file == fd;
	copy = fcntl(file, F_DUPFD_CLOEXEC, fd);
	close(file);
	if (copy >= 0 && copy != fd)
		close(copy);
	return copy == fd;
}

int ioth__close_in_plugin(struct ioth__sock *sock)
{
	int (*release)(int fd) = sock->stack->f.close;
	struct ioth__call call;
	int result;

	if (sock->kernel || sock->fd < 0)
		return 0;
	/*
	 * A descriptor that was closed behind our back: the plugin would close the number again, and with it a stranger's file if the number
	 * is in use. A plugin that has forget knows better. For others: when the number is not in use, it is made ours for the purpose; when it
	 * is, the plugin keeps its socket until the stack is deleted.
	 */
	if (!ioth__sock_owns(sock, sock->fd)) {
		if (sock->stack->f.forget != NULL)
			release = sock->stack->f.forget;
		else if (!occupy(sock->fd))
			return 0;
	}
	ioth__call_begin(&call, sock->stack, sock);
	result = release(sock->fd);
	ioth__call_end(&call, result < 0);
	return result < 0 ? -errno : 0;
}

/* -------------------------------------------------------------------------------------------- descriptors */

int ioth__dup_from(int fd, int cmd, long min)
{
	struct ioth__sock *sock = ioth__sock_get(fd);
	int copy;

	if (sock == NULL)
		return fcntl(fd, cmd, min);
	copy = ioth__fd_dup(sock, fd, cmd, min);
	ioth__sock_put(sock);
	return ioth__fail(copy);
}

int ioth_dup(int fd)
{
	return ioth__dup_from(fd, F_DUPFD, 0);
}

/**
 * make_room - what @newfd was is closed by its plugin, if that wants to close the number itself
 *
 * A plugin that can forget is told when the number is something else: so it is never free, as in the kernel.
 */
static void make_room(int newfd)
{
	struct ioth__sock *old = ioth__sock_get(newfd);

	if (old == NULL)
		return;
	if (!old->kernel && old->stack->f.forget == NULL)
		ioth__fd_drop(old, newfd);
	ioth__sock_put(old);
}

/** dup_onto - the common part of dup2 and dup3, for two different descriptors and valid flags */
static int dup_onto(int fd, int newfd, int flags)
{
	struct ioth__sock *sock;
	int result;

	if (fcntl(fd, F_GETFD) < 0)
		return -1;
	sock = ioth__sock_get(fd);
	if (sock == NULL && ioth__fd_load(newfd) == 0)
		return dup3(fd, newfd, flags);
	make_room(newfd);
	result = ioth__fd_replace(sock, fd, newfd, flags);
	if (sock != NULL)
		ioth__sock_put(sock);
	return ioth__fail(result);
}

int ioth_dup2(int fd, int newfd)
{
	return fd == newfd ? dup2(fd, newfd) : dup_onto(fd, newfd, 0);
}

int ioth_dup3(int fd, int newfd, int flags)
{
	return fd == newfd || (flags & ~O_CLOEXEC) ? dup3(fd, newfd, flags) : dup_onto(fd, newfd, flags);
}
