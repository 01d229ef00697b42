/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * remote.c - the stack "remote": one of another process, which serves it (ioth serve, iothserve.h).
 *
 *     ioth_newstack("remote,socket=/run/ioth.sock", NULL)
 *
 * Each handle is a session with the server (src/remote). Sockets of a kernel-backed stack are kernel sockets, on which
 * libioth makes the system calls; of others each call passes here. The handle owns nothing but its session: to delete
 * it leaves the served stack, its interfaces and the sockets of others alone. Networks are the server's to join, so
 * locators are refused.
 *
 * fork and exec. Sockets work in children, and so does the handle.
 *
 * What is kept of a socket is its inode, by which the server is told that it is gone. A call is several system calls on the
 * descriptor, so libioth holds one for the time of the call (kernelfd 3).
 */
#include "remote.h"

#include <errno.h>
#include <fcntl.h>
#include <ioth.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT extern const char *ioth_remote_license;
EXPORT void *ioth_remote_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions);
EXPORT int ioth_remote_delstack(void *stackdata);

EXPORT const char *ioth_remote_license = "LGPL-2.1-or-later";

/* The same for all stacks: libioth's own functions. */
static getstackdata_prototype *getstackdata;
static int (*renewfd)(int fd);

static void *(*getsockdata)(void);
static int (*setsockdata)(void *data);

static struct remote *session(void)
{
	return getstackdata();
}

/** fail - a negative errno, as the caller wants it */
static ssize_t fail(ssize_t result)
{
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

/** struct one - what is kept of a socket */
struct one {
	_Atomic ino_t inode;
};

/** remember - a new socket; @fd, or a negative errno and it is closed */
static int remember(int fd)
{
	struct one *one;
	struct stat st;

	if (fd < 0 || !remote_is(session(), fd) || fstat(fd, &st) < 0)
		return fd;
	one = malloc(sizeof(*one));
	if (one == NULL) {
		close(fd);
		return -ENOMEM;
	}
	atomic_init(&one->inode, st.st_ino);
	setsockdata(one);
	return fd;
}

/** renew - the socket of the call has got another file: libioth puts it under all its numbers */
static int renew(int fd, int file)
{
	struct one *one = getsockdata();
	struct stat st;

	(void)fd;
	if (one != NULL && fstat(file, &st) == 0)
		atomic_store(&one->inode, st.st_ino);
	return renewfd(file);
}

/* ----------------------------------------------------------------------------------------------------------- calls */

static int r_socket(int domain, int type, int protocol)
{
	return (int)fail(remember(remote_socket(session(), domain, type, protocol)));
}

static int r_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	return (int)fail(remote_bind(session(), fd, addr, len));
}

static int r_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	return (int)fail(remote_connect(session(), fd, addr, len));
}

static int r_listen(int fd, int backlog)
{
	return (int)fail(remote_listen(session(), fd, backlog));
}

static int r_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	return (int)fail(remember(remote_accept4(session(), fd, addr, len, 0)));
}

static int r_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	return (int)fail(remember(remote_accept4(session(), fd, addr, len, flags)));
}

static int r_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	return (int)fail(remote_getsockname(session(), fd, addr, len));
}

static int r_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	return (int)fail(remote_getpeername(session(), fd, addr, len));
}

static int r_setsockopt(int fd, int level, int optname, const void *optval, socklen_t optlen)
{
	return (int)fail(remote_setsockopt(session(), fd, level, optname, optval, optlen));
}

static int r_getsockopt(int fd, int level, int optname, void *optval, socklen_t *optlen)
{
	return (int)fail(remote_getsockopt(session(), fd, level, optname, optval, optlen));
}

static int r_shutdown(int fd, int how)
{
	/* ioth_stopstack shuts kernel sockets down as well. */
	if (!remote_is(session(), fd))
		return shutdown(fd, how);
	return (int)fail(remote_shutdown(session(), fd, how));
}

static int r_ioctl(int fd, unsigned long request, void *arg)
{
	return (int)fail(remote_ioctl(session(), fd, request, arg));
}

static int r_sockatmark(int fd)
{
	return (int)fail(remote_sockatmark(session(), fd));
}

static int r_fcntl(int fd, int cmd, long arg)
{
	return fcntl(fd, cmd, arg);
}

static ssize_t r_read(int fd, void *buf, size_t len)
{
	/* Nothing is not waited for. */
	if (len == 0)
		return 0;
	return fail(remote_recvfrom(session(), fd, buf, len, 0, NULL, NULL));
}

static ssize_t r_readv(int fd, const struct iovec *iov, int iovcnt)
{
	return fail(remote_readv(session(), fd, iov, iovcnt));
}

static ssize_t r_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	return fail(remote_recvfrom(session(), fd, buf, len, flags, from, fromlen));
}

static ssize_t r_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return fail(remote_recvmsg(session(), fd, msg, flags));
}

static int r_recvmmsg(int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags, struct timespec *timeout)
{
	return (int)fail(remote_recvmmsg(session(), fd, msgvec, vlen, flags, timeout));
}

static ssize_t r_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t tolen)
{
	return fail(remote_sendto(session(), fd, buf, len, flags, to, tolen));
}

static ssize_t r_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return fail(remote_sendmsg(session(), fd, msg, flags));
}

static ssize_t r_writev(int fd, const struct iovec *iov, int iovcnt)
{
	return fail(remote_writev(session(), fd, iov, iovcnt));
}

static int r_sendmmsg(int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags)
{
	return (int)fail(remote_sendmmsg(session(), fd, msgvec, vlen, flags));
}

/** r_close - libioth says so once, and no call is in progress any more */
static int r_close(int fd)
{
	free(getsockdata());
	return (int)fail(remote_close(session(), fd));
}

/** r_forget - the program has closed it with close(2), the number may be another's: the server is told by the inode */
static int r_forget(int fd)
{
	struct one *one = getsockdata();

	(void)fd;
	if (one != NULL)
		remote_closed(session(), atomic_load(&one->inode));
	free(one);
	return 0;
}

/** r_moved - a number is as good as another */
static int r_moved(int fd)
{
	(void)fd;
	return 0;
}

/** r_kernelfd - what is not a socket of the server's making is the kernel's */
static int r_kernelfd(int fd)
{
	return remote_is(session(), fd) ? 3 : 1;
}

static int r_opensockets(void *stackdata)
{
	return remote_sockets(stackdata);
}

static int r_stopstack(void *stackdata)
{
	return (int)fail(remote_stop(stackdata));
}

static void offer(struct ioth_functions *f)
{
	f->socket = r_socket;
	f->close = r_close;
	f->bind = r_bind;
	f->connect = r_connect;
	f->listen = r_listen;
	f->accept = r_accept;
	f->getsockname = r_getsockname;
	f->getpeername = r_getpeername;
	f->setsockopt = r_setsockopt;
	f->getsockopt = r_getsockopt;
	f->shutdown = r_shutdown;
	f->ioctl = r_ioctl;
	f->fcntl = r_fcntl;
	f->read = r_read;
	f->readv = r_readv;
	f->recvfrom = r_recvfrom;
	f->recvmsg = r_recvmsg;
	f->writev = r_writev;
	f->sendto = r_sendto;
	f->sendmsg = r_sendmsg;
	f->accept4 = r_accept4;
	f->recvmmsg = r_recvmmsg;
	f->sendmmsg = r_sendmmsg;
	f->sockatmark = r_sockatmark;
	f->kernelfd = r_kernelfd;
	f->opensockets = r_opensockets;
	f->stopstack = r_stopstack;
	f->forget = r_forget;
	f->moved = r_moved;
}

/* ---------------------------------------------------------------------------------------------------------- stacks */

/** options_parse - socket=PATH and mode=stream|calls; false: malformed; @path is allocated */
static bool options_parse(const char *options, char **path, bool *calls)
{
	char *copy = strdup(options), *rest = copy, *option;
	bool good = copy != NULL;

	*path = NULL;
	*calls = false;
	while (good && rest != NULL && (option = strsep(&rest, ",")) != NULL) {
		if (strncmp(option, "socket=", 7) == 0 && *path == NULL)
			*path = strdup(option + 7);
		else if (strcmp(option, "mode=calls") == 0)
			*calls = true;
		else
			good = strcmp(option, "mode=stream") == 0;
	}
	if (!good) {
		free(*path);
		*path = NULL;
	}
	free(copy);
	return *path != NULL;
}

/**
 * ioth_remote_newstack - see newstack_prototype
 *
 * errno: EINVAL no socket=PATH, an unknown option, or a locator (networks are joined by the server); ENOENT,
 * ECONNREFUSED nobody serves there; EACCES not allowed; EPROTO another version of the protocol; EUSERS too many
 * clients; ENAMETOOLONG, ENOMEM, EMFILE.
 */
void *ioth_remote_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions)
{
	struct remote *r = NULL;
	bool by_calls;
	char *path;
	int result = -EINVAL;

	if (functions->size < offsetof(struct ioth_functions, moved) + sizeof(functions->moved)) {
		errno = ENOTSUP;
		return NULL;
	}
	if ((vnlv == NULL || vnlv[0] == NULL) && options_parse(options, &path, &by_calls)) {
		getstackdata = functions->getstackdata;
		renewfd = functions->renewfd;
		getsockdata = functions->getsockdata;
		setsockdata = functions->setsockdata;
		remote_set_renew(renew);
		result = remote_open(path, &r);
		free(path);
	}
	if (result < 0) {
		errno = -result;
		return NULL;
	}
	if (by_calls)
		remote_set_calls(r);
	offer(functions);
	return r;
}

int ioth_remote_delstack(void *stackdata)
{
	remote_end(stackdata);
	return 0;
}
