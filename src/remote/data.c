/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * data.c - the calls that move bytes.
 *
 * On a stream they are the system call on the descriptor, and what comes out of it is put right: AF_UNIX knows no addresses of a connection, reports every
 * failure as a reset, and drops nothing for MSG_TRUNC. Other sockets' datagrams go with SEND and RECV, which never wait; the waiting is done here.
 */
#include "private.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <time.h>

/* What of a vector one message carries when it has to be cut. */
#define VECTOR_MAX 1024

ssize_t remote__bytes(const struct iovec *iov, size_t iovcnt)
{
	size_t total = 0;

	if (iovcnt > VECTOR_MAX)
		return -EMSGSIZE;
	for (size_t i = 0; i < iovcnt; i++) {
		if (iov[i].iov_len > (size_t)SSIZE_MAX - total)
			return -EINVAL;
		total += iov[i].iov_len;
	}
	return (ssize_t)total;
}

static bool is_stream_type(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return remote__next->getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

/* --------------------------------------------------------------------------------------------------------- streams */

/** true_error - the error behind a reset; @otherwise when the server knows of none */
static int true_error(struct remote *r, int fd, int otherwise)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (remote_getsockopt(r, fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error == 0)
		return otherwise;
	return -error;
}

/** stream_drop - MSG_TRUNC of TCP: bytes are taken and go nowhere */
static ssize_t stream_drop(int fd, const struct msghdr *msg, int flags)
{
	char bytes[16384];
	ssize_t want = remote__bytes(msg->msg_iov, msg->msg_iovlen), got;

	if (want < 0)
		return want;
	got = remote__next->recv(fd, bytes, (size_t)want < sizeof(bytes) ? (size_t)want : sizeof(bytes), flags & ~MSG_TRUNC);
	return got < 0 ? -errno : got;
}

static ssize_t stream_recv(struct remote *r, int fd, struct msghdr *msg, int flags)
{
	struct msghdr plain = {.msg_iov = msg->msg_iov, .msg_iovlen = msg->msg_iovlen};
	ssize_t len;

	if ((flags & MSG_TRUNC) && !(flags & MSG_PEEK)) {
		len = stream_drop(fd, msg, flags);
	} else {
		len = remote__next->recvmsg(fd, &plain, flags & ~(MSG_CMSG_CLOEXEC | MSG_TRUNC));
		if (len < 0)
			len = -errno;
	}
	if (len == -ECONNRESET)
		return true_error(r, fd, -ECONNRESET);
	if (len == -EOPNOTSUPP && (flags & MSG_OOB))
		return -EINVAL;
	if (len < 0)
		return len;
	msg->msg_namelen = 0;
	msg->msg_controllen = 0;
	msg->msg_flags = plain.msg_flags & MSG_OOB;
	if (flags & MSG_OOB)
		msg->msg_flags |= MSG_OOB;
	return len;
}

static ssize_t stream_send(struct remote *r, int fd, const struct msghdr *msg, int flags)
{
	const struct msghdr plain = {.msg_iov = msg->msg_iov, .msg_iovlen = msg->msg_iovlen};
	ssize_t len = remote__next->sendmsg(fd, &plain, (flags & (MSG_DONTWAIT | MSG_MORE)) | MSG_NOSIGNAL);

	if (len >= 0)
		return len;
	if (errno != EPIPE && errno != ECONNRESET)
		return -errno;
	len = true_error(r, fd, -EPIPE);
	if (len == -EPIPE && !(flags & MSG_NOSIGNAL))
		raise(SIGPIPE);
	return len;
}

/* --------------------------------------------------------------------------------------------------------- by calls */

/** struct rest - what is left of a vector */
struct rest {
	struct iovec iov[VECTOR_MAX];
	size_t count, first;
};

static void rest_init(struct rest *rest, const struct iovec *iov, size_t count)
{
	rest->count = count;
	rest->first = 0;
	memcpy(rest->iov, iov, count * sizeof(*iov));
}

/** rest_skip - @len bytes of it are done; whether there are others */
static bool rest_skip(struct rest *rest, size_t len)
{
	while (rest->first < rest->count) {
		struct iovec *iov = &rest->iov[rest->first];

		if (len < iov->iov_len) {
			iov->iov_base = (char *)iov->iov_base + len;
			iov->iov_len -= len;
			return true;
		}
		len -= iov->iov_len;
		rest->first++;
	}
	return false;
}

/** struct patience - of a call that may have to wait */
struct patience {
	int fd;   /* on which it asks: the program's, then a copy of it */
	int copy; /* or -1 */
};

/** patience_wait - for events, unless the call is not to wait (-EAGAIN) */
static int patience_wait(struct remote *r, struct patience *patience, int flags, int events)
{
	if (patience->copy < 0) {
		if ((flags & MSG_DONTWAIT) || remote__nonblocking(patience->fd))
			return -EAGAIN;
		patience->copy = remote__hold(patience->fd);
		if (patience->copy < 0)
			return patience->copy;
		patience->fd = patience->copy;
	}
	return remote__wait(r, patience->fd, events, events == POLLIN ? SO_RCVTIMEO : SO_SNDTIMEO);
}

static void patience_end(struct patience *patience)
{
	if (patience->copy >= 0)
		remote__next->close(patience->copy);
}

static ssize_t ask_recv(struct remote *r, int fd, int number, struct msghdr *msg, struct rest *rest, size_t room, int flags)
{
	struct remote__ask ask = {.head = {.op = REMOTE_RECV,
	                                   .arg = {flags & ~(MSG_WAITALL | MSG_DONTWAIT | MSG_CMSG_CLOEXEC)},
	                                   .room_addr = msg->msg_name == NULL ? 0 : msg->msg_namelen,
	                                   .room_control = (uint32_t)(msg->msg_controllen < REMOTE_CONTROL_MAX ? msg->msg_controllen
	                                                                                                        : REMOTE_CONTROL_MAX),
	                                   .room_data = (uint32_t)(room < REMOTE_DATA_MAX ? room : REMOTE_DATA_MAX)},
	                          .fd = fd,
	                          .number = number,
	                          .to_addr = msg->msg_name,
	                          .to_control = msg->msg_control,
	                          .to_iov = rest->iov + rest->first,
	                          .to_iovcnt = rest->count - rest->first};
	ssize_t len = remote__ask(r, &ask);

	if (len < 0)
		return len;
	msg->msg_namelen = msg->msg_name == NULL ? 0 : ask.reply.addr_full;
	msg->msg_controllen = ask.reply.control;
	msg->msg_flags = (int)ask.reply.flags;
	return len;
}

static ssize_t calls_recv(struct remote *r, int fd, struct msghdr *msg, int flags)
{
	struct patience patience = {.fd = fd, .copy = -1};
	ssize_t room = remote__bytes(msg->msg_iov, msg->msg_iovlen), len, total = 0;
	bool all = (flags & MSG_WAITALL) && !(flags & (MSG_PEEK | MSG_ERRQUEUE | MSG_OOB)) && is_stream_type(fd);
	struct rest rest;

	if (room < 0)
		return room;
	rest_init(&rest, msg->msg_iov, msg->msg_iovlen);
	for (;;) {
		len = ask_recv(r, patience.fd, fd, msg, &rest, (size_t)(room - total), flags);
		if (len > 0 && all && total + len < room) {
			total += len;
			rest_skip(&rest, (size_t)len);
			continue;
		}
		if (len != -EAGAIN || (flags & (MSG_ERRQUEUE | MSG_OOB)))
			break;
		len = patience_wait(r, &patience, flags, POLLIN);
		if (len < 0)
			break;
	}
	patience_end(&patience);
	if (total > 0)
		return total + (len > 0 ? len : 0);
	return len;
}

static ssize_t ask_send(struct remote *r, int fd, int number, const struct msghdr *msg, const struct rest *rest, int flags)
{
	struct remote__ask ask = {.head = {.op = REMOTE_SEND,
	                                   .arg = {flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL)},
	                                   .addr = msg->msg_name == NULL ? 0 : msg->msg_namelen,
	                                   .control = (uint32_t)msg->msg_controllen},
	                          .fd = fd,
	                          .number = number,
	                          .addr = msg->msg_name,
	                          .control = msg->msg_control,
	                          .iov = rest->iov + rest->first,
	                          .iovcnt = rest->count - rest->first};

	return remote__ask(r, &ask);
}

static ssize_t calls_send(struct remote *r, int fd, const struct msghdr *msg, int flags)
{
	struct patience patience = {.fd = fd, .copy = -1};
	ssize_t size = remote__bytes(msg->msg_iov, msg->msg_iovlen), len, total = 0;
	bool stream = is_stream_type(fd);
	struct rest rest;

	if (size < 0)
		return size;
	if (msg->msg_namelen > REMOTE_ADDR_MAX)
		return -EINVAL;
	if (msg->msg_controllen > REMOTE_CONTROL_MAX)
		return -ENOBUFS;
	/* No datagram is that long, and one must not be cut. */
	if (!stream && size > REMOTE_DATA_MAX)
		return -EMSGSIZE;
	rest_init(&rest, msg->msg_iov, msg->msg_iovlen);
	for (;;) {
		len = ask_send(r, patience.fd, fd, msg, &rest, flags);
		if (len > 0 && stream && rest_skip(&rest, (size_t)len) && total + len < size) {
			total += len;
			continue;
		}
		if (len != -EAGAIN)
			break;
		len = patience_wait(r, &patience, flags, POLLOUT);
		if (len < 0)
			break;
	}
	patience_end(&patience);
	if (total > 0)
		return total + (len > 0 ? len : 0);
	if (len == -EPIPE && stream && !(flags & MSG_NOSIGNAL))
		raise(SIGPIPE);
	return len;
}

/* -------------------------------------------------------------------------------------------------------- the calls */

ssize_t remote_recvmsg(struct remote *r, int fd, struct msghdr *msg, int flags)
{
	if (remote__kind(fd) == REMOTE_KIND_STREAM && !(flags & MSG_ERRQUEUE))
		return stream_recv(r, fd, msg, flags);
	return calls_recv(r, fd, msg, flags);
}

ssize_t remote_sendmsg(struct remote *r, int fd, const struct msghdr *msg, int flags)
{
	if (remote__kind(fd) == REMOTE_KIND_STREAM && !(flags & (MSG_OOB | MSG_FASTOPEN)))
		return stream_send(r, fd, msg, flags);
	return calls_send(r, fd, msg, flags);
}

ssize_t remote_recvfrom(struct remote *r, int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	struct iovec iov = {buf, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = from};
	ssize_t got;

	if (from != NULL) {
		if ((int)*fromlen < 0)
			return -EINVAL;
		msg.msg_namelen = *fromlen;
	}
	got = remote_recvmsg(r, fd, &msg, flags);
	if (got >= 0 && from != NULL)
		*fromlen = msg.msg_namelen;
	return got;
}

ssize_t remote_readv(struct remote *r, int fd, const struct iovec *iov, int iovcnt)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)iovcnt};

	if (iovcnt < 0 || iovcnt > VECTOR_MAX)
		return -EINVAL;
	return remote_recvmsg(r, fd, &msg, 0);
}

ssize_t remote_sendto(struct remote *r, int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t tolen)
{
	struct iovec iov = {(void *)(uintptr_t)buf, len};
	const struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_name = (void *)(uintptr_t)to, .msg_namelen = to == NULL ? 0 : tolen};

	return remote_sendmsg(r, fd, &msg, flags);
}

ssize_t remote_writev(struct remote *r, int fd, const struct iovec *iov, int iovcnt)
{
	const struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)iovcnt};

	if (iovcnt < 0 || iovcnt > VECTOR_MAX)
		return -EINVAL;
	return remote_sendmsg(r, fd, &msg, 0);
}

/** over - is that time past? */
static bool over(const struct timespec *end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > end->tv_sec || (now.tv_sec == end->tv_sec && now.tv_nsec >= end->tv_nsec);
}

int remote_recvmmsg(struct remote *r, int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags, struct timespec *timeout)
{
	struct timespec end = {0};
	unsigned int count = 0;

	if (timeout != NULL) {
		if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec > 999999999)
			return -EINVAL;
		clock_gettime(CLOCK_MONOTONIC, &end);
		end.tv_sec += timeout->tv_sec;
		end.tv_nsec += timeout->tv_nsec;
		if (end.tv_nsec > 999999999) {
			end.tv_sec++;
			end.tv_nsec -= 1000000000;
		}
	}
	while (count < vlen && count < VECTOR_MAX) {
		ssize_t len = remote_recvmsg(r, fd, &msgvec[count].msg_hdr, flags & ~MSG_WAITFORONE);

		if (len < 0)
			return count > 0 ? (int)count : (int)len;
		msgvec[count++].msg_len = (unsigned int)len;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		/* As in Linux the time is looked at only after a message. */
		if (timeout != NULL && over(&end))
			break;
	}
	return (int)count;
}

int remote_sendmmsg(struct remote *r, int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags)
{
	unsigned int count = 0;

	while (count < vlen && count < VECTOR_MAX) {
		ssize_t len = remote_sendmsg(r, fd, &msgvec[count].msg_hdr, flags);

		if (len < 0)
			return count > 0 ? (int)count : (int)len;
		msgvec[count++].msg_len = (unsigned int)len;
	}
	return (int)count;
}
