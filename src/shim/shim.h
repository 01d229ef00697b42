/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * shim.h - what the parts of the preload library share.
 *
 * The library stands between a program that knows nothing of libioth and the C library. Network sockets that the
 * program makes are those of a served stack (src/remote); everything else goes on to the C library. Theory of
 * operation: session.c.
 *
 *     next.c     the C library's functions
 *     session.c  the server, and which descriptors are its sockets
 *     socket.c   the calls about sockets
 *     data.c     the calls that move bytes
 *     fd.c       close, dup, fcntl, ioctl and their like
 *     file.c     /etc/resolv.conf and /etc/hosts
 *     syscall.c  syscall(2), and prctl(2) when it forbids some
 *     exec.c     what the program executes stays on the stack
 *     names.c    getaddrinfo and its like
 *     resolver.c res_query and its like
 *     ifs.c      getifaddrs, if_nametoindex and their like
 *     program.c  can this file be executed with a preload library?
 */
#ifndef SHIM_H
#define SHIM_H

#include <errno.h>
#include <poll.h>
#include <remote.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#define EXPORT __attribute__((visibility("default")))

/* The directory that ioth run has made: socket, resolv.conf, perhaps hosts. */
#define SHIM_ENV_DIR "IOTH_RUN_DIR"
#define SHIM_LIBRARY "libiothshim.so"

/** struct shim_next - the functions that are interposed, as the C library has them */
#define SHIM_FUNCTIONS(X)                                                                                              \
	X(int, socket, (int, int, int))                                                                                \
	X(int, bind, (int, const struct sockaddr *, socklen_t))                                                        \
	X(int, connect, (int, const struct sockaddr *, socklen_t))                                                     \
	X(int, listen, (int, int))                                                                                     \
	X(int, accept, (int, struct sockaddr *, socklen_t *))                                                          \
	X(int, accept4, (int, struct sockaddr *, socklen_t *, int))                                                    \
	X(int, getsockname, (int, struct sockaddr *, socklen_t *))                                                     \
	X(int, getpeername, (int, struct sockaddr *, socklen_t *))                                                     \
	X(int, getsockopt, (int, int, int, void *, socklen_t *))                                                       \
	X(int, setsockopt, (int, int, int, const void *, socklen_t))                                                   \
	X(int, shutdown, (int, int))                                                                                   \
	X(int, sockatmark, (int))                                                                                      \
	X(ssize_t, read, (int, void *, size_t))                                                                        \
	X(ssize_t, readv, (int, const struct iovec *, int))                                                            \
	X(ssize_t, recv, (int, void *, size_t, int))                                                                   \
	X(ssize_t, recvfrom, (int, void *, size_t, int, struct sockaddr *, socklen_t *))                               \
	X(ssize_t, recvmsg, (int, struct msghdr *, int))                                                               \
	X(int, recvmmsg, (int, struct mmsghdr *, unsigned int, int, struct timespec *))                                \
	X(ssize_t, write, (int, const void *, size_t))                                                                 \
	X(ssize_t, writev, (int, const struct iovec *, int))                                                           \
	X(ssize_t, send, (int, const void *, size_t, int))                                                             \
	X(ssize_t, sendto, (int, const void *, size_t, int, const struct sockaddr *, socklen_t))                       \
	X(ssize_t, sendmsg, (int, const struct msghdr *, int))                                                         \
	X(int, sendmmsg, (int, struct mmsghdr *, unsigned int, int))                                                   \
	X(ssize_t, sendfile, (int, int, off_t *, size_t))                                                              \
	X(ssize_t, sendfile64, (int, int, off64_t *, size_t))                                                          \
	X(ssize_t, splice, (int, off64_t *, int, off64_t *, size_t, unsigned int))                                     \
	X(int, close, (int))                                                                                           \
	X(int, close_range, (unsigned int, unsigned int, int))                                                         \
	X(void, closefrom, (int))                                                                                      \
	X(int, fclose, (FILE *))                                                                                       \
	X(int, dup, (int))                                                                                             \
	X(int, dup2, (int, int))                                                                                       \
	X(int, dup3, (int, int, int))                                                                                  \
	X(int, fcntl, (int, int, ...))                                                                                 \
	X(int, fcntl64, (int, int, ...))                                                                               \
	X(int, ioctl, (int, unsigned long, ...))                                                                       \
	X(int, poll, (struct pollfd *, nfds_t, int))                                                                   \
	X(int, open, (const char *, int, ...))                                                                         \
	X(int, open64, (const char *, int, ...))                                                                       \
	X(int, openat, (int, const char *, int, ...))                                                                  \
	X(int, openat64, (int, const char *, int, ...))                                                                \
	X(FILE *, fopen, (const char *, const char *))                                                                 \
	X(FILE *, fopen64, (const char *, const char *))                                                               \
	X(long, syscall, (long, ...))                                                                                  \
	X(int, prctl, (int, ...))                                                                                      \
	X(int, execve, (const char *, char *const[], char *const[]))                                                   \
	X(int, execvpe, (const char *, char *const[], char *const[]))                                                  \
	X(int, fexecve, (int, char *const[], char *const[]))                                                           \
	X(int, getnameinfo, (const struct sockaddr *, socklen_t, char *, socklen_t, char *, socklen_t, int))

/* NOLINTNEXTLINE(bugprone-macro-parentheses): a type and a declarator */
#define SHIM_MEMBER(type, name, params) type(*name) params;
struct shim_next {
	SHIM_FUNCTIONS(SHIM_MEMBER)
};
#undef SHIM_MEMBER

/** shim_next - them; also before the library has been initialised */
const struct shim_next *shim_next(void);

/** enum shim_kind - what a descriptor is */
enum shim_kind {
	SHIM_UNKNOWN, /* not looked at yet */
	SHIM_FOREIGN, /* no business of ours */
	SHIM_CALLS,   /* a socket of the stack */
	SHIM_STREAM,  /* one of the stack whose bytes pass through it: read and write are the plain ones */
};

/** shim_kind - of a descriptor; never SHIM_UNKNOWN. Leaves errno alone. */
enum shim_kind shim_kind(int fd);

/** shim_forget - the number means something else from now on, or nothing */
void shim_forget(int fd);
void shim_forget_range(unsigned int first, unsigned int last);

/** shim_is - is it a socket of the stack? */
static inline bool shim_is(int fd)
{
	return shim_kind(fd) >= SHIM_CALLS;
}

/** shim_remote - the session with the server; NULL, with errno: there is none */
struct remote *shim_remote(void);

/** shim_dir - the directory of ioth run; NULL: none, everything goes to the C library */
const char *shim_dir(void);

/** shim_set - what a descriptor is that has just been made */
void shim_set(int fd, enum shim_kind kind);

/** shim_look_at_all - descriptors, before a system call that may forbid the next ones */
void shim_look_at_all(void);

/** shim_sandboxed - the process has forbidden itself system calls */
void shim_sandboxed(void);

/** shim_own_process - false in a child of vfork(2), whose memory is its parent's, and in a sandbox */
bool shim_own_process(void);

/** shim_result - a negative errno as the C library's functions tell it */
static inline ssize_t shim_result(ssize_t result)
{
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

#endif
