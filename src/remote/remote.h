/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * remote.h - a stack of another process, which serves it on a UNIX socket (iothserve.h): the client.
 *
 * Every function returns 0 or a positive result, or a negative errno. All may be called by any number of threads at
 * once, in forked children and after exec: a socket is known by its descriptor alone (docs/protocol.md). None of them
 * leaves a descriptor open across exec, except those that the caller asked for without SOCK_CLOEXEC.
 *
 * A descriptor of a user-level stack is an AF_UNIX socket whose other end the server has. There are two kinds of them:
 *
 *     streams   TCP connections: bytes are read, written, spliced and polled for on the descriptor itself
 * (remote_is_stream) others    datagram sockets, listeners, TCP sockets without a connection: poll, select and epoll
 * see what they should, every call is one of those below
 *
 * The calls below are right for both; those that can be the plain system call on a stream are just that. dup, dup2,
 * fcntl(F_DUPFD), F_GETFL, F_SETFL, F_SETOWN, FIONBIO, poll and passing it to other processes are always the plain
 * system calls. SIGPIPE is raised as by the system calls.
 *
 * Sockets of a kernel-backed stack are kernel sockets: remote_socket returns them, and they are no business of this
 * library after that (remote_is answers 0), with the exception of those of NETLINK_ROUTE.
 */
#ifndef REMOTE_H
#define REMOTE_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

/** struct remote - a session with a server */
struct remote;

/**
 * struct remote_next - the system calls that the client makes
 *
 * A program that interposes these functions gives those of the C library, or the client would call the program.
 */
struct remote_next {
	int (*socket)(int domain, int type, int protocol);
	int (*connect)(int fd, const struct sockaddr *addr, socklen_t addrlen);
	int (*close)(int fd);
	int (*fcntl)(int fd, int cmd, ...);
	int (*poll)(struct pollfd *fds, nfds_t nfds, int timeout);
	int (*ppoll)(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout, const sigset_t *mask);
	int (*shutdown)(int fd, int how);
	int (*getsockname)(int fd, struct sockaddr *addr, socklen_t *addrlen);
	int (*getpeername)(int fd, struct sockaddr *addr, socklen_t *addrlen);
	int (*getsockopt)(int fd, int level, int optname, void *optval, socklen_t *optlen);
	int (*setsockopt)(int fd, int level, int optname, const void *optval, socklen_t optlen);
	int (*ioctl)(int fd, unsigned long request, ...);
	ssize_t (*recv)(int fd, void *buf, size_t len, int flags);
	ssize_t (*recvmsg)(int fd, struct msghdr *msg, int flags);
	ssize_t (*sendmsg)(int fd, const struct msghdr *msg, int flags);
};

/** remote_set_next - before any other call; @next stays where it is. Without it: the functions that the linker finds.
 */
void remote_set_next(const struct remote_next *next);

/**
 * remote_set_renew - before any other call: how the file of a number is replaced
 * @renew: put the file of @file, which stays open, under the number @fd: the socket has got another one (a connection
 *         that failed is tried again). 0, or -1 with errno
 *
 * Without it: dup3.
 */
void remote_set_renew(int (*renew)(int fd, int file));

/* ------------------------------------------------------------------------------------------------ sessions */

/**
 * remote_open - begin a session with the server at @path
 * @out: the session, to be ended by remote_end
 *
 * Returns 0, or a negative errno: ENOENT, ECONNREFUSED nobody serves there; EACCES the server or the file system
 * refuses us; EPROTO it speaks another version of the protocol; EUSERS it has too many clients; ENAMETOOLONG, ENOMEM,
 * EMFILE.
 */
int remote_open(const char *path, struct remote **out);

/**
 * remote_set_calls - connections of this session are no streams: their bytes pass through the calls below as well
 *
 * Slower, and exact in what a stream cannot carry: control messages, the error of each call at that call.
 */
void remote_set_calls(struct remote *r);

/** remote_end - forget a session; sockets stay as they are and can be adopted by another one of the same server */
void remote_end(struct remote *r);

/** remote_sockets - how many sockets that were made in this session, by this process or another, are open; negative
 * errno */
int remote_sockets(struct remote *r);

/** remote_stop - shut all sockets that were made in this session; 0 or a negative errno */
int remote_stop(struct remote *r);

/* ------------------------------------------------------------------------------------------------- descriptors */

/**
 * remote_is - is @fd, inherited or received from whomever, a socket of this server? 1 or 0
 *
 * One system call, and no question to the server. No state is kept about it: an answer is true as long as the
 * descriptor is not closed.
 */
int remote_is(struct remote *r, int fd);

/**
 * remote_is_stream - is @fd, of which remote_is is true, a connection whose bytes can be read and written by system
 * calls? 1 or 0
 *
 * Once true it stays true, until the socket is disconnected (connect to AF_UNSPEC).
 */
int remote_is_stream(struct remote *r, int fd);

/** remote_socket - socket(2); the new descriptor */
int remote_socket(struct remote *r, int domain, int type, int protocol);

/** remote_close - close(2): as the plain one, but it knows of SO_LINGER, and the server of it at once */
int remote_close(struct remote *r, int fd);

/** remote_closed - a descriptor with that inode (fstat(2)) was closed by a plain close(2): the server need not find out
 * by itself */
void remote_closed(struct remote *r, ino_t inode);

/* ------------------------------------------------------------------------------------------------------- calls */

int remote_bind(struct remote *r, int fd, const struct sockaddr *addr, socklen_t addrlen);
int remote_connect(struct remote *r, int fd, const struct sockaddr *addr, socklen_t addrlen);
int remote_listen(struct remote *r, int fd, int backlog);
int remote_accept4(struct remote *r, int fd, struct sockaddr *addr, socklen_t *addrlen, int flags);
int remote_getsockname(struct remote *r, int fd, struct sockaddr *addr, socklen_t *addrlen);
int remote_getpeername(struct remote *r, int fd, struct sockaddr *addr, socklen_t *addrlen);
int remote_setsockopt(struct remote *r, int fd, int level, int optname, const void *optval, socklen_t optlen);
int remote_getsockopt(struct remote *r, int fd, int level, int optname, void *optval, socklen_t *optlen);
int remote_shutdown(struct remote *r, int fd, int how);
int remote_ioctl(struct remote *r, int fd, unsigned long request, void *arg);
int remote_sockatmark(struct remote *r, int fd);

ssize_t remote_recvfrom(struct remote *r, int fd, void *buf, size_t len, int flags, struct sockaddr *from,
                        socklen_t *fromlen);
ssize_t remote_recvmsg(struct remote *r, int fd, struct msghdr *msg, int flags);
int remote_recvmmsg(struct remote *r, int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags,
                    struct timespec *timeout);
ssize_t remote_readv(struct remote *r, int fd, const struct iovec *iov, int iovcnt);
ssize_t remote_sendto(struct remote *r, int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
                      socklen_t tolen);
ssize_t remote_sendmsg(struct remote *r, int fd, const struct msghdr *msg, int flags);
int remote_sendmmsg(struct remote *r, int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags);
ssize_t remote_writev(struct remote *r, int fd, const struct iovec *iov, int iovcnt);

#endif
