/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ioth01.h - the plugin interface as it was in the 0.1 series, and no more.
 *
 * The plugins old01 and old01r are compiled against this instead of ioth.h, to prove that plugins built years ago load
 * and run: the members, their order and their types are what such a plugin has in its machine code.
 */
#ifndef IOTH01_H
#define IOTH01_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

struct ioth_functions;
typedef void *getstackdata_prototype(void);
typedef void *newstack_prototype(const char *vnlv[], const char *options, struct ioth_functions *functions);
typedef int delstack_prototype(void *stackdata);

struct ioth_functions {
	getstackdata_prototype *getstackdata;
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
};

/* What a plugin shows to others; the rest of it is hidden. */
#define PLUGIN_EXPORT __attribute__((visibility("default")))

#endif
