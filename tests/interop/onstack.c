/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * onstack - a preload library for tests: the network sockets of an unmodified program are opened on a libioth stack.
 *
 *   ONSTACK="vdestack vde:///tmp/lan 10.0.0.2/24" LD_PRELOAD=libonstack.so ip address
 *
 * Each of the Berkeley calls goes to its namesake in libioth, which hands descriptors that are not of a stack to the system
 * call. The stack is made at the first network socket. libioth itself makes such calls too: those made inside our call to it
 * go to libc. Calls that libc makes by itself (stdio, getaddrinfo) do not come here, so this is no general way to run
 * programs on user-level stacks.
 */
#include "../../examples/common.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct ioth *net;
static _Thread_local bool inside;

/** make_stack - from the words of ONSTACK */
static void make_stack(void)
{
	const char *env = getenv("ONSTACK");
	char stack[128], vnl[256], cidr[80];

	errno = 0;
	if (env == NULL || sscanf(env, "%127s %255s %79s", stack, vnl, cidr) != 3)
		die("Set it to \"STACK VNL ADDRESS/PREFIX\".", "ONSTACK is not usable");
	net = stack_up(stack, vnl, cidr);
}

#pragma GCC visibility push(default)

/* WRAP - the call @name: libioth's, or libc's when it is libioth that calls */
#define WRAP(type, name, params, args)                                                                                 \
	type name params                                                                                               \
	{                                                                                                              \
		static type(*host) params;                                                                             \
		type result;                                                                                           \
                                                                                                                       \
		if (host == NULL)                                                                                      \
			host = (type(*) params)dlsym(RTLD_NEXT, #name);                                                \
		if (inside || net == NULL)                                                                             \
			return host args;                                                                              \
		inside = true;                                                                                         \
		result = ioth_##name args;                                                                             \
		inside = false;                                                                                        \
		return result;                                                                                         \
	}

WRAP(int, close, (int fd), (fd))
WRAP(int, bind, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len))
WRAP(int, connect, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len))
WRAP(int, listen, (int fd, int backlog), (fd, backlog))
WRAP(int, accept, (int fd, struct sockaddr *addr, socklen_t *len), (fd, addr, len))
WRAP(int, accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags), (fd, addr, len, flags))
WRAP(int, getsockname, (int fd, struct sockaddr *addr, socklen_t *len), (fd, addr, len))
WRAP(int, getpeername, (int fd, struct sockaddr *addr, socklen_t *len), (fd, addr, len))
WRAP(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len), (fd, level, name, value, len))
WRAP(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len), (fd, level, name, value, len))
WRAP(int, shutdown, (int fd, int how), (fd, how))
WRAP(int, dup, (int fd), (fd))
WRAP(int, dup2, (int fd, int to), (fd, to))
WRAP(ssize_t, read, (int fd, void *buf, size_t len), (fd, buf, len))
WRAP(ssize_t, readv, (int fd, const struct iovec *iov, int count), (fd, iov, count))
WRAP(ssize_t, recv, (int fd, void *buf, size_t len, int flags), (fd, buf, len, flags))
WRAP(ssize_t, recvfrom, (int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen),
     (fd, buf, len, flags, from, fromlen))
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags), (fd, msg, flags))
WRAP(ssize_t, write, (int fd, const void *buf, size_t len), (fd, buf, len))
WRAP(ssize_t, writev, (int fd, const struct iovec *iov, int count), (fd, iov, count))
WRAP(ssize_t, send, (int fd, const void *buf, size_t len, int flags), (fd, buf, len, flags))
WRAP(ssize_t, sendto, (int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t tolen),
     (fd, buf, len, flags, to, tolen))
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags))

int socket(int domain, int type, int protocol)
{
	static int (*host)(int, int, int);
	int fd;

	if (host == NULL)
		host = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
	if (inside || (domain != AF_INET && domain != AF_INET6 && domain != AF_NETLINK && domain != AF_PACKET))
		return host(domain, type, protocol);
	inside = true;
	pthread_once(&once, make_stack);
	fd = ioth_msocket(net, domain, type, protocol);
	inside = false;
	return fd;
}

int ioctl(int fd, unsigned long request, ...)
{
	static int (*host)(int, unsigned long, ...);
	va_list args;
	void *arg;
	int result;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (host == NULL)
		host = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
	if (inside || net == NULL)
		return host(fd, request, arg);
	inside = true;
	result = ioth_ioctl(fd, request, arg);
	inside = false;
	return result;
}

#pragma GCC visibility pop
