/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * socket.c - sockets: their life, and the Berkeley calls that do not move bytes.
 *
 * Each call is two functions: one that works under the lock and returns a negative errno, and one that is the member of
 * ioth_functions. The order of checks is that of Linux as far as a program can see it.
 *
 * A socket is made by socket or accept and freed by close (or forget, when the program has closed the descriptor with
 * close(2)), which libioth calls once, when no call is in progress on it any more. A connection in the queue of a
 * listener is a socket as well, without descriptor.
 */
#include "arguments.h"
#include "call.h"
#include "sockfilter.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Longest value of an option: a socket filter, a list of sources. */
#define OPTION_MAX 65536

/* ------------------------------------------------------------------------------------------------------------- life */

void usock__changed(struct usock *sock, uint32_t events)
{
	usock_assert_locked(sock->stack);
	sock->changed |= events;
	/* News, even if the like has been shown already: whoever saw that may have looked and gone to sleep again. */
	sock->ready.early &= ~events;
	sock->stack->unshown = true;
	if (sock->is_changed)
		return;
	sock->is_changed = true;
	sock->changed_next = sock->stack->changed;
	sock->stack->changed = sock;
}

void usock__error(struct usock *sock, int error)
{
	sock->error = error;
	usock__changed(sock, EPOLLERR);
}

int usock__take_error(struct usock *sock)
{
	int error = sock->error;

	sock->error = 0;
	return -error;
}

struct usock *usock__new(struct usock_stack *stack, const struct usock__kind *kind, size_t size, int family, int type,
                         int protocol)
{
	struct usock *sock = calloc(1, size);

	usock_assert_locked(stack);
	if (sock == NULL)
		return NULL;
	sock->stack = stack;
	sock->kind = kind;
	sock->family = family;
	sock->type = type;
	sock->protocol = protocol;
	sock->ready.user = sock->ready.own = -1;
	sock->stamp.tv_sec = -1;
	usock__options_init(&sock->options, type);
	sock->next = stack->sockets;
	if (sock->next != NULL)
		sock->next->prev = sock;
	stack->sockets = sock;
	return sock;
}

/** forget_changes - it is freed before the lock is given back */
static void forget_changes(struct usock *sock)
{
	struct usock **at = &sock->stack->changed;

	if (!sock->is_changed)
		return;
	while (*at != sock)
		at = &(*at)->changed_next;
	*at = sock->changed_next;
}

void usock__dispose(struct usock *sock)
{
	struct usock_stack *stack = sock->stack;

	if (!sock->dead) {
		if (sock->kind->release != NULL)
			sock->kind->release(sock);
		sock->dead = true;
		if (sock->ready.user >= 0)
			stack->open--;
	}
	usock__ready_close(sock, true);
	if (sock->kind->destroy != NULL)
		sock->kind->destroy(sock);
	usock__filter_free(sock);
	forget_changes(sock);
	if (sock->next != NULL)
		sock->next->prev = sock->prev;
	*(sock->prev != NULL ? &sock->prev->next : &stack->sockets) = sock->next;
	free(sock);
}

/** kind_inet - of AF_INET and AF_INET6, by type and protocol, with the answers of Linux */
static int kind_inet(int family, int type, int protocol, const struct usock__kind **kind, size_t *size)
{
	int icmp = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	if (protocol < 0 || protocol >= IPPROTO_MAX)
		return -EINVAL;
	switch (type) {
	case SOCK_STREAM:
		*kind = &usock__stream_kind;
		*size = usock__stream_size;
		return protocol == 0 || protocol == IPPROTO_TCP ? 0 : -EPROTONOSUPPORT;
	case SOCK_DGRAM:
		*kind = protocol == icmp ? &usock__ping_kind : &usock__udp_kind;
		*size = protocol == icmp ? usock__ping_size : usock__udp_size;
		return protocol == 0 || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE || protocol == icmp
		               ? 0
		               : -EPROTONOSUPPORT;
	case SOCK_RAW:
		*kind = &usock__raw_kind;
		*size = usock__raw_size;
		return protocol == 0 ? -EPROTONOSUPPORT : 0;
	default:
		return -ESOCKTNOSUPPORT;
	}
}

int usock__kind_of(int family, int type, int protocol, const struct usock__kind **kind, size_t *size)
{
	if (family < 0 || family >= AF_MAX)
		return -EAFNOSUPPORT;
	if (type < 0 || type > SOCK_PACKET)
		return -EINVAL;
	switch (family) {
	case AF_INET:
	case AF_INET6:
		return kind_inet(family, type, protocol, kind, size);
	case AF_PACKET:
		*kind = &usock__packet_kind;
		*size = usock__packet_size;
		return type == SOCK_RAW || type == SOCK_DGRAM || type == SOCK_PACKET ? 0 : -ESOCKTNOSUPPORT;
	case AF_NETLINK:
		*kind = &usock__netlink_kind;
		*size = usock__netlink_size;
		return type == SOCK_RAW || type == SOCK_DGRAM ? 0 : -ESOCKTNOSUPPORT;
	default:
		return -EAFNOSUPPORT;
	}
}

/* ---------------------------------------------------------------------------------------------------- socket, close */

static void *(*_Atomic current_stack)(void); /* the same for all stacks, as current_socket of call.c */

/** socket_new - the new socket as its descriptor, or a negative errno; lock held */
static int socket_new(struct usock_stack *stack, int domain, int type, int protocol, int flags)
{
	const struct usock__kind *kind;
	struct usock *sock;
	size_t size;
	int result;

	if (stack->stopped)
		return -ENETDOWN;
	result = usock__kind_of(domain, type, protocol, &kind, &size);
	if (result < 0)
		return result;
	if (protocol == 0 && (kind == &usock__stream_kind || kind == &usock__udp_kind))
		protocol = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
	sock = usock__new(stack, kind, size, domain, type, protocol);
	if (sock == NULL)
		return -ENOMEM;
	sock->options.reuseaddr = kind == &usock__raw_kind || kind == &usock__ping_kind;
	result = kind->open == NULL ? 0 : kind->open(sock);
	if (result < 0) {
		/* There is nothing to release yet. */
		sock->dead = true;
	} else {
		result = usock__ready_open(sock, kind->shape, flags);
	}
	if (result < 0) {
		usock__dispose(sock);
		return result;
	}
	stack->f->setsockdata(sock);
	usock__changed(sock, 0);
	return result;
}

static int call_socket(int domain, int type, int protocol)
{
	struct usock_stack *stack = current_stack();
	int flags = type & ~0xf;
	int result;

	if (!usock__here(stack))
		return (int)usock__result(-ESTALE);
	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return (int)usock__result(-EINVAL);
	usock_lock(stack);
	result = socket_new(stack, domain, type & 0xf, protocol, flags);
	usock_unlock(stack);
	return (int)usock__result(result);
}

/**
 * call_close - the end of a socket, and of its number when that is still the descriptor we made
 *
 * Of a cancelled thread, too, it is finished: nobody else would.
 */
static int call_close(int fd)
{
	struct usock *sock = usock__call_socket();
	struct usock_stack *stack;
	int state;

	if (sock == NULL)
		return (int)usock__result(-EBADF);
	stack = sock->stack;
	if (!usock__here(stack)) {
		/* The socket lives on in the parent. */
		if (usock__ready_owns(&sock->ready))
			close(fd);
		return 0;
	}
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	usock_lock(stack);
	usock__dispose(sock);
	usock_unlock(stack);
	pthread_setcancelstate(state, NULL);
	return 0;
}

/** call_moved - the program has closed the number while calls are in progress: what they see of the descriptor is under
 * another one now */
static int call_moved(int fd)
{
	struct usock *sock = usock__call_socket();
	int state;

	if (sock == NULL || !usock__here(sock->stack))
		return (int)usock__result(sock == NULL ? -EBADF : -ESTALE);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	usock_lock(sock->stack);
	sock->ready.user = fd;
	usock_unlock(sock->stack);
	pthread_setcancelstate(state, NULL);
	return 0;
}

/* ------------------------------------------------------------------------------------------------ names and options */

/** address_check - of an address that the program gives, as Linux copies it */
static int address_check(const struct sockaddr *addr, socklen_t len)
{
	if (len > sizeof(struct sockaddr_storage))
		return -EINVAL;
	return ioth__bad(addr, len) ? -EFAULT : 0;
}

/** address_room - of the room for an address that the program wants */
static int address_room(const struct sockaddr *addr, const socklen_t *len)
{
	if (ioth__bad(len, sizeof(*len)))
		return -EFAULT;
	if ((int)*len < 0)
		return -EINVAL;
	return ioth__bad(addr, *len) ? -EFAULT : 0;
}

/** address_give - as much of an address as there is room for, and how long it is */
static void address_give(const struct sockaddr_storage *from, socklen_t fromlen, struct sockaddr *addr, socklen_t *len)
{
	memcpy(addr, from, *len < fromlen ? *len : fromlen);
	*len = fromlen;
}

static int do_bind(const struct sockaddr *addr, socklen_t len)
{
	USOCK_CALL(call);
	int result = usock__call_begin(&call);

	if (result == 0)
		result = address_check(addr, len);
	if (result < 0)
		return result;
	return call.sock->kind->bind == NULL ? -EOPNOTSUPP : call.sock->kind->bind(call.sock, addr, len);
}

static int call_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	(void)fd;
	return (int)usock__result(do_bind(addr, len));
}

static int do_name(bool peer, struct sockaddr *addr, socklen_t *len)
{
	USOCK_CALL(call);
	int (*ask)(struct usock * sock, struct sockaddr_storage * addr, socklen_t * len);
	struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
	socklen_t namelen = sizeof(name);
	int result = usock__call_begin(&call);

	if (result < 0)
		return result;
	ask = peer ? call.sock->kind->getpeername : call.sock->kind->getsockname;
	result = ask == NULL ? -EOPNOTSUPP : ask(call.sock, &name, &namelen);
	if (result == 0)
		result = address_room(addr, len);
	if (result == 0)
		address_give(&name, namelen, addr, len);
	return result;
}

static int call_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	(void)fd;
	return (int)usock__result(do_name(false, addr, len));
}

static int call_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	(void)fd;
	return (int)usock__result(do_name(true, addr, len));
}

/** option_set - @value is ours */
static int option_set(struct usock__call *call, int level, int name, const void *value, socklen_t len)
{
	struct usock *sock = call->sock;
	int result;

	if (level == SOL_SOCKET)
		return usock__setsockopt(sock, name, value, len);
	result = sock->kind->setsockopt == NULL ? -ENOPROTOOPT : sock->kind->setsockopt(sock, level, name, value, len);
	if (result == 0 &&
	    ((level == IPPROTO_IP && name == IP_RECVERR) || (level == IPPROTO_IPV6 && name == IPV6_RECVERR)))
		usock__ready_arm(sock);
	return result;
}

static int do_setsockopt(int level, int name, const void *value, socklen_t len)
{
	_Alignas(max_align_t) unsigned char few[256];
	unsigned char *copy = few;
	USOCK_CALL(call);
	int result = usock__call_begin(&call);

	if (result < 0)
		return result;
	if ((int)len < 0)
		return -EINVAL;
	/* Too short an option is that first, whatever its address. */
	if (ioth__bad(value, len) && !(level == SOL_SOCKET && len < sizeof(int)))
		return -EFAULT;
	if (len > OPTION_MAX)
		return -ENOBUFS;
	if (len >= sizeof(few))
		copy = malloc((size_t)len + 1);
	if (copy == NULL)
		return -ENOMEM;
	if (len > 0 && !ioth__bad(value, len))
		memcpy(copy, value, len);
	copy[len] = '\0';
	result = option_set(&call, level, name, copy, len);
	if (copy != few)
		free(copy);
	return result;
}

static int call_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	(void)fd;
	return (int)usock__result(do_setsockopt(level, name, value, len));
}

static int do_getsockopt(int level, int name, void *value, socklen_t *len)
{
	USOCK_CALL(call);
	struct usock *sock;
	int result = usock__call_begin(&call);

	if (result < 0)
		return result;
	sock = call.sock;
	result = ioth__bad(len, sizeof(*len)) ? -EFAULT
	         : (int)*len < 0              ? -EINVAL
	         : ioth__bad(value, *len)     ? -EFAULT
	                                      : 0;
	if (result < 0)
		return result;
	if (level == SOL_SOCKET)
		return usock__getsockopt(sock, name, value, len);
	return sock->kind->getsockopt == NULL ? -ENOPROTOOPT : sock->kind->getsockopt(sock, level, name, value, len);
}

static int call_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	(void)fd;
	return (int)usock__result(do_getsockopt(level, name, value, len));
}

/* ------------------------------------------------------------------------------------------------------ connections */

static int do_connect(const struct sockaddr *addr, socklen_t len)
{
	USOCK_CALL(call);
	int result = usock__call_begin(&call), pending;
	struct usock *sock = call.sock;
	int64_t until;

	if (result == 0)
		result = address_check(addr, len);
	if (result < 0)
		return result;
	/* The attempt of an earlier call is waited for like one's own, but is called by another name. */
	pending = sock->connecting ? -EALREADY : -EINPROGRESS;
	result = sock->kind->connect == NULL ? -EOPNOTSUPP : sock->kind->connect(sock, addr, len);
	if (result == 0)
		usock__ready_arm(sock);
	if (result != -EINPROGRESS)
		return result;
	if (usock__nonblocking(sock))
		return pending;
	until = usock__call_until(&call, sock->options.sndtimeo);
	while ((result = sock->kind->connect_done(sock)) == -EINPROGRESS) {
		result = usock__call_wait(&call, EPOLLOUT, until);
		if (result < 0)
			return result == -EAGAIN ? pending : result;
	}
	return result;
}

static int call_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	(void)fd;
	return (int)usock__result(do_connect(addr, len));
}

static int do_listen(int backlog)
{
	USOCK_CALL(call);
	int result = usock__call_begin(&call);

	if (result < 0)
		return result;
	return call.sock->kind->listen == NULL ? -EOPNOTSUPP : call.sock->kind->listen(call.sock, backlog);
}

static int call_listen(int fd, int backlog)
{
	(void)fd;
	return (int)usock__result(do_listen(backlog));
}

/** accept_wait - the next connection, waited for if need be */
static int accept_wait(struct usock__call *call, struct usock **made)
{
	struct usock *sock = call->sock;
	int64_t until = 0;
	int result;

	while ((result = sock->kind->accept(sock, made)) == -EAGAIN) {
		if (until == 0 && usock__nonblocking(sock))
			return -EAGAIN;
		if (until == 0)
			until = usock__call_until(call, sock->options.rcvtimeo);
		result = usock__call_wait(call, EPOLLIN, until);
		if (result < 0)
			return result;
	}
	return result;
}

static int do_accept(struct sockaddr *addr, socklen_t *len, int flags)
{
	USOCK_CALL(call);
	struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
	socklen_t namelen = sizeof(name);
	struct usock *made;
	int result = usock__call_begin(&call), fd;

	if (result < 0)
		return result;
	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	if (call.sock->kind->accept == NULL)
		return -EOPNOTSUPP;
	if (addr != NULL && (result = address_room(addr, len)) < 0)
		return result;
	result = accept_wait(&call, &made);
	if (result < 0)
		return result;
	fd = usock__ready_open(made, USOCK_SHAPE_STREAM, flags);
	if (fd < 0) {
		usock__stream_putback(call.sock, made);
		return fd;
	}
	call.sock->stack->f->setsockdata(made);
	usock__changed(made, 0);
	/* Unlike getpeername, accept names a peer that has gone already as well. */
	if (addr != NULL) {
		usock__endpoint_give(made->family, &usock__inet_of(made)->remote, &name, &namelen);
		address_give(&name, namelen, addr, len);
	}
	return fd;
}

static int call_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	(void)fd;
	return (int)usock__result(do_accept(addr, len, flags));
}

static int call_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	return call_accept4(fd, addr, len, 0);
}

static int do_shutdown(int how)
{
	USOCK_CALL(call);
	int result = usock__call_begin(&call);

	if (result < 0)
		return result;
	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	return call.sock->kind->shutdown == NULL ? -EOPNOTSUPP : call.sock->kind->shutdown(call.sock, how);
}

static int call_shutdown(int fd, int how)
{
	(void)fd;
	return (int)usock__result(do_shutdown(how));
}

/* ----------------------------------------------------------------------------------------------------------- others */

static int do_ioctl(unsigned long request, void *arg)
{
	USOCK_CALL(call);
	int result = usock__call_begin(&call);

	return result < 0 ? result : usock__ioctl(call.sock, request, arg);
}

static int call_ioctl(int fd, unsigned long request, void *arg)
{
	(void)fd;
	return (int)usock__result(do_ioctl(request, arg));
}

/** call_fcntl - F_GETFL, F_SETFL, F_SETOWN, ...: of the open file, which the kernel has */
static int call_fcntl(int fd, int cmd, long arg)
{
	struct usock *sock = usock__call_socket();

	if (sock == NULL)
		return (int)usock__result(-EBADF);
	if (!usock__here(sock->stack))
		return (int)usock__result(-ESTALE);
	return fcntl(fd, cmd, arg);
}

static int call_sockatmark(int fd)
{
	int mark, result = do_ioctl(SIOCATMARK, &mark);

	(void)fd;
	return result < 0 ? (int)usock__result(result) : mark;
}

void usock__functions(struct ioth_functions *f)
{
	current_stack = f->getstackdata;
	usock__call_functions(f);
	f->socket = call_socket;
	f->close = call_close;
	f->bind = call_bind;
	f->connect = call_connect;
	f->listen = call_listen;
	f->accept = call_accept;
	f->accept4 = call_accept4;
	f->getsockname = call_getsockname;
	f->getpeername = call_getpeername;
	f->setsockopt = call_setsockopt;
	f->getsockopt = call_getsockopt;
	f->shutdown = call_shutdown;
	f->ioctl = call_ioctl;
	f->fcntl = call_fcntl;
	f->sockatmark = call_sockatmark;
	f->kernelfd = NULL;
	f->opensockets = usock__opensockets;
	f->stopstack = usock__stopstack;
	/* A socket is recognised by its inode: close does no harm to a number that belongs to another file by now. */
	if (f->size >= offsetof(struct ioth_functions, forget) + sizeof(f->forget))
		f->forget = call_close;
	if (f->size >= offsetof(struct ioth_functions, moved) + sizeof(f->moved))
		f->moved = call_moved;
	usock__transfer_functions(f);
}
