/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ioth.h - the Internet of Threads: processes, even threads, as network nodes.
 *
 * A program creates stacks (ioth_newstack), opens sockets on them (ioth_msocket) and uses those sockets with
 * the Berkeley calls it already knows, each with the prefix ioth_. Stacks are configured by netlink, with the
 * functions that nlinline+.h defines at the end of this header.
 *
 * Unless a comment says otherwise, every function may be called by any number of threads at once, and returns -1
 * (or NULL) with errno set when it fails.
 */
#ifndef IOTH_H
#define IOTH_H

#include <ifaddrs.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

struct ioth;         /* a stack; opaque */
struct mmsghdr;      /* see recvmmsg(2); complete with _GNU_SOURCE and <sys/socket.h> */
struct timespec;     /* see <time.h> */
struct if_nameindex; /* see <net/if.h> */

/* ------------------------------------------------------------------------------------------------ stacks */

/**
 * ioth_set_license - declare the licence of the program
 * @spdx: an SPDX licence tag or expression ("GPL-3.0-or-later"), NULL to declare nothing
 *
 * A plugin under the GPL is loaded only in a program that has declared a compatible licence before it calls
 * ioth_newstack. Plugins under permissive licences or the LGPL are loaded in any program. The matrix is in
 * ioth_newstack(3).
 */
void ioth_set_license(const char *spdx);

/**
 * ioth_newstack - create a stack
 * @stack: NAME or NAME,OPTION[=VALUE],...; NULL or "" is the native stack of the process
 * @vnl: VDE network locator of its interface, "vde0" unless it is written IFNAME:VNL; NULL for no interface
 *
 * Interfaces of a new stack are down and have no address.
 *
 * Returns the stack, or NULL with errno: ENOTSUP no plugin has that name or it cannot be loaded; EPERM its licence is refused,
 * or the system forbids what it needs; EINVAL malformed name, option or locator; ENOMEM, EMFILE; or the errno of
 * vde_open(3) for a network that cannot be joined. Whatever the failure, nothing is left behind.
 */
struct ioth *ioth_newstack(const char *stack, const char *vnl);

/** ioth_newstackl - ioth_newstack with several interfaces: locators as arguments, ended by (char *)NULL */
struct ioth *ioth_newstackl(const char *stack, const char *vnl, ... /* (char *)NULL */);

/** ioth_newstackv - ioth_newstack with several interfaces: a NULL-terminated array of locators, or NULL */
struct ioth *ioth_newstackv(const char *stack, const char *vnlv[]);

/**
 * ioth_delstack - delete a stack
 *
 * Returns 0, or -1 with errno: EINVAL @stack is NULL or the native stack; EBUSY a socket of it is still open,
 * in this process or in another that inherited it. Deleting the default stack makes the native stack the default.
 * The caller guarantees that no other thread is using the handle in another call, as for free(3).
 */
int ioth_delstack(struct ioth *stack);

/**
 * ioth_stopstack - take a stack down while it is in use
 *
 * Its ports are closed, its sockets are shut down and become readable, blocked calls return, and later calls fail
 * with ENETDOWN; closing the sockets still works, and then ioth_delstack. Returns 0, or -1 with errno EINVAL
 * for NULL or the native stack. Stopping a stopped stack does nothing.
 */
int ioth_stopstack(struct ioth *stack);

/** ioth_set_defstack - set the default stack of the process; NULL is the native stack */
void ioth_set_defstack(struct ioth *stack);

/** ioth_set_thread_defstack - set the default stack of the calling thread alone; NULL removes it again */
void ioth_set_thread_defstack(struct ioth *stack);

/** ioth_get_defstack - the stack that ioth_socket would use in this thread; NULL is never returned */
struct ioth *ioth_get_defstack(void);

/* ------------------------------------------------------------------------------------------------ sockets */

/**
 * ioth_msocket - socket(2) on a given stack
 * @stack: the stack; NULL means the default stack
 *
 * The result is a file descriptor like any other: poll(2), select(2), epoll(7) and event loops see its readiness.
 * Errors as socket(2); ENETDOWN after ioth_stopstack; ESTALE for a stack that did not survive fork(2).
 */
int ioth_msocket(struct ioth *stack, int domain, int type, int protocol);

/** ioth_socket - socket(2) on the default stack */
int ioth_socket(int domain, int type, int protocol);

/*
 * Each of these behaves as the Linux manual page of its namesake says. A descriptor that did not come from a stack is
 * handed to the system call. Where the engine of a stack lacks an operation the call fails with EOPNOTSUPP, ENOPROTOOPT or
 * EAFNOSUPPORT as Linux does, and with ENOSYS where the plugin offers neither the function nor a relative of it.
 */
int ioth_close(int fd);
int ioth_bind(int fd, const struct sockaddr *addr, socklen_t addrlen);
int ioth_connect(int fd, const struct sockaddr *addr, socklen_t addrlen);
int ioth_listen(int fd, int backlog);
int ioth_accept(int fd, struct sockaddr *addr, socklen_t *addrlen);
int ioth_accept4(int fd, struct sockaddr *addr, socklen_t *addrlen, int flags);
int ioth_getsockname(int fd, struct sockaddr *addr, socklen_t *addrlen);
int ioth_getpeername(int fd, struct sockaddr *addr, socklen_t *addrlen);
int ioth_setsockopt(int fd, int level, int optname, const void *optval, socklen_t optlen);
int ioth_getsockopt(int fd, int level, int optname, void *optval, socklen_t *optlen);
int ioth_shutdown(int fd, int how);
int ioth_ioctl(int fd, unsigned long request, void *arg);
int ioth_fcntl(int fd, int cmd, long arg);
int ioth_sockatmark(int fd);
int ioth_dup(int fd);
int ioth_dup2(int fd, int newfd);
int ioth_dup3(int fd, int newfd, int flags);

ssize_t ioth_read(int fd, void *buf, size_t len);
ssize_t ioth_readv(int fd, const struct iovec *iov, int iovcnt);
ssize_t ioth_recv(int fd, void *buf, size_t len, int flags);
ssize_t ioth_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen);
ssize_t ioth_recvmsg(int fd, struct msghdr *msg, int flags);
int ioth_recvmmsg(int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags, struct timespec *timeout);

ssize_t ioth_write(int fd, const void *buf, size_t len);
ssize_t ioth_writev(int fd, const struct iovec *iov, int iovcnt);
ssize_t ioth_send(int fd, const void *buf, size_t len, int flags);
ssize_t ioth_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t tolen);
ssize_t ioth_sendmsg(int fd, const struct msghdr *msg, int flags);
int ioth_sendmmsg(int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags);

/* ------------------------------------------------------------------------- interface and address lists */

/**
 * ioth_getifaddrs - getifaddrs(3) of a stack (NULL: the default stack)
 *
 * AF_PACKET entries carry struct rtnl_link_stats as their data. The list comes from the stack by netlink.
 * Returns 0, or -1 with errno of the netlink dialogue or ENOMEM. Free the list with ioth_freeifaddrs.
 */
int ioth_getifaddrs(struct ioth *stack, struct ifaddrs **ifap);
void ioth_freeifaddrs(struct ifaddrs *ifa);

/** ioth_if_nameindex - if_nameindex(3) of a stack (NULL: the default stack); free with ioth_if_freenameindex */
struct if_nameindex *ioth_if_nameindex(struct ioth *stack);
void ioth_if_freenameindex(struct if_nameindex *list);

/** ioth_if_indextoname - if_indextoname(3) of a stack; @ifname has room for IF_NAMESIZE (16) bytes; NULL + ENXIO when absent */
char *ioth_if_indextoname(struct ioth *stack, unsigned int ifindex, char *ifname);

/* ------------------------------------------------------------------------------------------------ helpers */

#define MAC_ADDRSTRLEN 18 /* "xx:xx:xx:xx:xx:xx" and its final NUL */

/** ioth_ntomac - six bytes to "xx:xx:xx:xx:xx:xx"; returns @dst, or NULL when @size is below MAC_ADDRSTRLEN */
static inline const char *ioth_ntomac(const void *mac, char *dst, size_t size)
{
	static const char digit[] = "0123456789abcdef";
	const unsigned char *byte = (const unsigned char *)mac;
	char *out = dst;

	if (size < MAC_ADDRSTRLEN)
		return NULL;
	for (int i = 0; i < 6; i++) {
		*out++ = digit[byte[i] >> 4];
		*out++ = digit[byte[i] & 15];
		*out++ = i < 5 ? ':' : '\0';
	}
	return dst;
}

/** ioth_macton - text to six bytes; one or two digits a byte, ':' or '-' between; returns 1, or 0 when malformed */
static inline int ioth_macton(const char *text, void *mac)
{
	unsigned char byte[6];

	for (int i = 0; i < 6; i++) {
		unsigned int value = 0;
		int digits = 0;

		for (; digits < 2; digits++, text++) {
			if (*text >= '0' && *text <= '9')
				value = value << 4 | (unsigned int)(*text - '0');
			else if (*text >= 'a' && *text <= 'f')
				value = value << 4 | (unsigned int)(*text - 'a' + 10);
			else if (*text >= 'A' && *text <= 'F')
				value = value << 4 | (unsigned int)(*text - 'A' + 10);
			else
				break;
		}
		if (digits == 0)
			return 0;
		byte[i] = (unsigned char)value;
		if (i < 5 && *text != ':' && *text != '-')
			return 0;
		if (i < 5)
			text++;
	}
	if (*text != '\0')
		return 0;
	for (int i = 0; i < 6; i++)
		((unsigned char *)mac)[i] = byte[i];
	return 1;
}

/* ----------------------------------------------------------------------------------- the plugin interface */

/*
 * A plugin NAME is a shared object, ioth_NAME-r.so when one copy can serve any number of stacks, ioth_NAME.so when each
 * stack must have a private copy of it. It exports
 *
 *     void *ioth_NAME_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions);
 *     int ioth_NAME_delstack(void *stackdata);
 *     const char *ioth_NAME_license = "LGPL-2.1-or-later";
 *
 * and the calls it implements, ioth_NAME_socket, ioth_NAME_bind, ... with the signatures below. See ioth-plugin(7).
 */
struct ioth_functions;
typedef void *getstackdata_prototype(void);
typedef void *newstack_prototype(const char *vnlv[], const char *options, struct ioth_functions *functions);
typedef int delstack_prototype(void *stackdata);

struct ioth_functions {
	/* The 0.1 interface: these members, in this order, for ever. */
	getstackdata_prototype *getstackdata; /* set by libioth: stack data of the call in progress in this thread */
	newstack_prototype *newstack;
	delstack_prototype *delstack;
	int (*socket)(int domain, int type, int protocol);
	int (*close)(int fd);
	int (*bind)(int fd, const struct sockaddr *addr, socklen_t addrlen);
	int (*connect)(int fd, const struct sockaddr *addr, socklen_t addrlen);
	int (*listen)(int fd, int backlog);
	int (*accept)(int fd, struct sockaddr *addr, socklen_t *addrlen);
	int (*getsockname)(int fd, struct sockaddr *addr, socklen_t *addrlen);
	int (*getpeername)(int fd, struct sockaddr *addr, socklen_t *addrlen);
	int (*setsockopt)(int fd, int level, int optname, const void *optval, socklen_t optlen);
	int (*getsockopt)(int fd, int level, int optname, void *optval, socklen_t *optlen);
	int (*shutdown)(int fd, int how);
	int (*ioctl)(int fd, unsigned long request, void *arg);
	int (*fcntl)(int fd, int cmd, long arg);
	ssize_t (*read)(int fd, void *buf, size_t len);
	ssize_t (*readv)(int fd, const struct iovec *iov, int iovcnt);
	ssize_t (*recv)(int fd, void *buf, size_t len, int flags);
	ssize_t (*recvfrom)(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen);
	ssize_t (*recvmsg)(int fd, struct msghdr *msg, int flags);
	ssize_t (*write)(int fd, const void *buf, size_t len);
	ssize_t (*writev)(int fd, const struct iovec *iov, int iovcnt);
	ssize_t (*send)(int fd, const void *buf, size_t len, int flags);
	ssize_t (*sendto)(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t tolen);
	ssize_t (*sendmsg)(int fd, const struct msghdr *msg, int flags);

	/* Since 1.0. A plugin that uses them checks first that they lie within `size` bytes. New members come at the end. */
	size_t size;                /* set by libioth: bytes of this structure that it knows */
	void *(*getsockdata)(void); /* set by libioth: the pointer kept for the socket of the call in progress */
	/* set by libioth: keep that pointer, in socket and accept for the socket being made; 0, or -1 + EINVAL outside a
	   socket call */
	int (*setsockdata)(void *data);
	int (*accept4)(int fd, struct sockaddr *addr, socklen_t *addrlen, int flags);
	int (*recvmmsg)(int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags, struct timespec *timeout);
	int (*sendmmsg)(int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags);
	int (*sockatmark)(int fd);
	/* 1 when @fd, new from socket or accept, is a kernel socket on which every call but close, accept and dup
	   is the system call itself: libioth then makes it directly. 2 when it is a kernel socket but calls that
	   the plugin has are to be made by it: only close, accept and dup are then the system call. 3 when it is the
	   plugin's, whose calls are several system calls on the descriptor: as long as there are other threads, which might
	   give the number to another file in between, a call gets a duplicate that lasts as long as it. NULL, 0: none of
	   them. */
	int (*kernelfd)(int fd);
	/* How many sockets of the stack are really open, in whatever process; -1 when it cannot tell, and NULL: libioth counts
	   the descriptors it knows. The caller has already left out the descriptors closed behind its back. */
	int (*opensockets)(void *stackdata);
	/* ioth_stopstack: close the ports, shut every socket down, wake blocked calls. NULL: sockets are only shut down. */
	int (*stopstack)(void *stackdata);
	/* The descriptor @fd of the socket of the call, which is over, was closed by close(2), and the number may be somebody else's by now: release
	   the socket, and leave the number alone unless it is still the plugin's. NULL: close is called when nobody has the number. */
	int (*forget)(int fd);
	/* set by libioth: put another file, @fd, under every number of the socket of the call in progress, and know it by that; 0, or -1 with
	   errno, EINVAL outside a socket call */
	int (*renewfd)(int fd);
	/* The program closes the number of the socket of the call while calls on it are in progress or ioth_dup has made copies: libioth
	   knows the socket by @fd, a duplicate, from now on, and closes the old number, which may be somebody else's at once. 0, or -1 with
	   errno. NULL: the number stays taken until close is called. */
	int (*moved)(int fd);
};

#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#include "nlinline+.h"

/* ioth_if_nametoindex, ioth_linksetupdown, ioth_ipaddr_add, ...: netlink configuration, see nlinline(3).
   The first argument is the stack; NULL means the default stack. */
NLINLINE_LIBMULTI(ioth_)

#endif /* IOTH_H */
