/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * data.c - the calls that move bytes.
 *
 * On a STREAM the plain call does it, unless it is asked for an address or control messages, which would be those of
 * the UNIX socket, or for a flag that this one does not know.
 */
#include "shim.h"

#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define PLAIN_RECV (MSG_DONTWAIT | MSG_PEEK | MSG_WAITALL | MSG_NOSIGNAL | MSG_CMSG_CLOEXEC)
#define PLAIN_SEND (MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE | MSG_CONFIRM)

/** plain - can the plain call do it? */
static bool plain(int fd, int flags, int known, bool more)
{
	enum shim_kind kind = shim_kind(fd);

	return kind == SHIM_FOREIGN || (kind == SHIM_STREAM && (flags & ~known) == 0 && !more);
}

/** adopt - the descriptors in a message that was received: they may be sockets of the stack */
static void adopt(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			shim_forget(fd);
		}
	}
}

/* --------------------------------------------------------------------------------------------------------- receiving
 */

EXPORT ssize_t read(int fd, void *buf, size_t len)
{
	struct iovec iov = {buf, len};

	if (shim_kind(fd) != SHIM_CALLS)
		return shim_next()->read(fd, buf, len);
	return shim_result(remote_readv(shim_remote(), fd, &iov, 1));
}

EXPORT ssize_t readv(int fd, const struct iovec *iov, int count)
{
	if (shim_kind(fd) != SHIM_CALLS)
		return shim_next()->readv(fd, iov, count);
	return shim_result(remote_readv(shim_remote(), fd, iov, count));
}

EXPORT ssize_t recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	if (plain(fd, flags, PLAIN_RECV, from != NULL))
		return shim_next()->recvfrom(fd, buf, len, flags, from, fromlen);
	return shim_result(remote_recvfrom(shim_remote(), fd, buf, len, flags, from, fromlen));
}

EXPORT ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	return recvfrom(fd, buf, len, flags, NULL, NULL);
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t result;

	if (!plain(fd, flags, PLAIN_RECV, msg != NULL && (msg->msg_name != NULL || msg->msg_control != NULL)))
		return shim_result(remote_recvmsg(shim_remote(), fd, msg, flags));
	result = shim_next()->recvmsg(fd, msg, flags);
	if (result >= 0)
		adopt(msg);
	return result;
}

EXPORT int recvmmsg(int fd, struct mmsghdr *vec, unsigned int count, int flags, struct timespec *timeout)
{
	int result;

	if (shim_is(fd))
		return (int)shim_result(remote_recvmmsg(shim_remote(), fd, vec, count, flags, timeout));
	result = shim_next()->recvmmsg(fd, vec, count, flags, timeout);
	for (int i = 0; i < result; i++)
		adopt(&vec[i].msg_hdr);
	return result;
}

/* ----------------------------------------------------------------------------------------------------------- sending
 */

EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
	struct iovec iov = {(void *)(uintptr_t)buf, len};

	if (shim_kind(fd) != SHIM_CALLS)
		return shim_next()->write(fd, buf, len);
	return shim_result(remote_writev(shim_remote(), fd, &iov, 1));
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int count)
{
	if (shim_kind(fd) != SHIM_CALLS)
		return shim_next()->writev(fd, iov, count);
	return shim_result(remote_writev(shim_remote(), fd, iov, count));
}

EXPORT ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t tolen)
{
	if (plain(fd, flags, PLAIN_SEND, to != NULL))
		return shim_next()->sendto(fd, buf, len, flags, to, tolen);
	return shim_result(remote_sendto(shim_remote(), fd, buf, len, flags, to, tolen));
}

EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	return sendto(fd, buf, len, flags, NULL, 0);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	if (plain(fd, flags, PLAIN_SEND, msg != NULL && (msg->msg_name != NULL || msg->msg_controllen != 0)))
		return shim_next()->sendmsg(fd, msg, flags);
	return shim_result(remote_sendmsg(shim_remote(), fd, msg, flags));
}

EXPORT int sendmmsg(int fd, struct mmsghdr *vec, unsigned int count, int flags)
{
	if (!shim_is(fd))
		return shim_next()->sendmmsg(fd, vec, count, flags);
	return (int)shim_result(remote_sendmmsg(shim_remote(), fd, vec, count, flags));
}

/* --------------------------------------------------------------------------------------- between two descriptors */

#define PIECE 32768

/** copy_piece - up to @count bytes of a file, from *@offset or from where it is, to a socket of the stack */
static ssize_t copy_piece(int out, int in, off64_t *offset, size_t count)
{
	char buf[PIECE];
	size_t want = count < sizeof(buf) ? count : sizeof(buf);
	ssize_t got = offset != NULL ? pread64(in, buf, want, *offset) : read(in, buf, want), sent;

	if (got <= 0)
		return got;
	sent = write(out, buf, (size_t)got);
	if (offset != NULL)
		*offset += sent > 0 ? sent : 0;
	else if (sent < got)
		lseek64(in, sent > 0 ? sent - got : -got, SEEK_CUR); /* a file: what was not sent is read again */
	return sent;
}

/**
 * send_pieces - sendfile to a stream, a piece at a time
 *
 * The server leaves the last byte of what it has sent on in the socket, and with it the buffer in the kernel that holds
 * it. One of sendfile is as large as a pipe, so large that the socket would not be writable again.
 */
static ssize_t send_pieces(int out, int in, off64_t *offset, size_t count)
{
	size_t done = 0;

	while (done < count) {
		size_t want = count - done < PIECE ? count - done : PIECE;
		ssize_t sent = shim_next()->sendfile64(out, in, offset, want);

		if (sent < 0)
			return done > 0 ? (ssize_t)done : -1;
		done += (size_t)sent;
		if ((size_t)sent < want)
			break;
	}
	return (ssize_t)done;
}

EXPORT ssize_t sendfile64(int out, int in, off64_t *offset, size_t count)
{
	switch (shim_kind(out)) {
	case SHIM_STREAM:
		return send_pieces(out, in, offset, count);
	case SHIM_CALLS:
		return copy_piece(out, in, offset, count);
	default:
		return shim_next()->sendfile64(out, in, offset, count);
	}
}

EXPORT ssize_t sendfile(int out, int in, off_t *offset, size_t count)
{
	return sendfile64(out, in, offset, count);
}

EXPORT ssize_t splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t len, unsigned int flags)
{
	/* A program that gets this error copies by itself. */
	if (shim_kind(in) == SHIM_CALLS || shim_kind(out) == SHIM_CALLS) {
		errno = EINVAL;
		return -1;
	}
	return shim_next()->splice(in, in_offset, out, out_offset, len, flags);
}

/* --------------------------------------------------------- as programs call them that were compiled with
 * _FORTIFY_SOURCE */

EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
EXPORT ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);
EXPORT ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags, struct sockaddr *from,
                              socklen_t *fromlen);
extern _Noreturn void __chk_fail(void);

ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
	if (len > room)
		__chk_fail();
	return read(fd, buf, len);
}

ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags)
{
	if (len > room)
		__chk_fail();
	return recv(fd, buf, len, flags);
}

ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	if (len > room)
		__chk_fail();
	return recvfrom(fd, buf, len, flags, from, fromlen);
}
