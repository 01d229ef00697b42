/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * data.c - the calls that move bytes.
 *
 * On a stream they are the system call on the descriptor, and what comes out of it is put right: AF_UNIX knows no
 * addresses of a connection, reports every failure as a reset, and drops nothing for MSG_TRUNC. Other sockets'
 * datagrams go with SEND and RECV, which never wait; the waiting is done here. Datagrams that were received may be in
 * the descriptor already, each behind a head (REMOTE_KIND_AHEAD).
 */
#include "private.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --------------------------------------------------------------------------------------------------------- streams */

/** true_error - the error behind a reset; @otherwise when the server knows of none */
static ssize_t true_error(struct remote *r, int fd, ssize_t otherwise)
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
	char dropped[16384];
	ssize_t want = ioth__pieces(msg->msg_iov, msg->msg_iovlen, -EMSGSIZE, false), got;

	if (want < 0)
		return want;
	got = remote__next->recv(fd, dropped, (size_t)want < sizeof(dropped) ? (size_t)want : sizeof(dropped),
	                         flags & ~MSG_TRUNC);
	return got < 0 ? -errno : got;
}

static ssize_t plain_recv(int fd, struct msghdr *msg, int flags)
{
	ssize_t len = remote__next->recvmsg(fd, msg, flags & ~(MSG_CMSG_CLOEXEC | MSG_TRUNC));

	return len < 0 ? -errno : len;
}

/** hung_up - is the server's end closed, or are both directions ended? */
static bool hung_up(int fd)
{
	struct pollfd p = {.fd = fd};

	return remote__next->poll(&p, 1, 0) > 0 && (p.revents & POLLHUP);
}

static ssize_t stream_recv(struct remote *r, int fd, struct msghdr *msg, int flags)
{
	struct msghdr plain = {.msg_iov = msg->msg_iov, .msg_iovlen = msg->msg_iovlen};
	ssize_t len;

	if ((flags & MSG_TRUNC) && !(flags & MSG_PEEK)) {
		len = stream_drop(fd, msg, flags);
	} else {
		len = plain_recv(fd, &plain, flags);
	}
	/* An end of both directions may be a reset that a call has told in part. */
	if (len == -ECONNRESET || (len == 0 && hung_up(fd)))
		len = true_error(r, fd, len);
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
	ssize_t len = remote__next->sendmsg(fd, &plain, (flags & MSG_DONTWAIT) | MSG_NOSIGNAL);

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

/** struct rest - what is left of a vector; one of many pieces is a single copy of them */
struct rest {
	struct iovec iov[REMOTE_PIECES];
	size_t count, first;
	char *copy;
};

/** rest_init - 0 or -ENOMEM; @size: bytes in all */
static int rest_init(struct rest *rest, const struct iovec *iov, size_t count, size_t size)
{
	rest->first = 0;
	rest->copy = NULL;
	rest->count = count;
	if (count <= REMOTE_PIECES) {
		if (count > 0)
			memcpy(rest->iov, iov, count * sizeof(*iov));
		return 0;
	}
	/* Of a stream this is a part, which is all right. */
	if (size > REMOTE_DATA_MAX)
		size = REMOTE_DATA_MAX;
	rest->copy = malloc(size + 1);
	if (rest->copy == NULL)
		return -ENOMEM;
	rest->iov[0] = (struct iovec){rest->copy, size};
	rest->count = 1;
	return 0;
}

/** rest_move - between the copy and the pieces it stands for */
static void rest_move(const struct rest *rest, const struct iovec *iov, size_t count, bool out)
{
	size_t at = 0;

	for (size_t i = 0; i < count && rest->copy != NULL; i++) {
		size_t room = rest->iov[0].iov_len - at, len = iov[i].iov_len < room ? iov[i].iov_len : room;

		if (len > 0)
			memcpy(out ? iov[i].iov_base : rest->copy + at, out ? rest->copy + at : iov[i].iov_base, len);
		at += len;
	}
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

/** plain_question - could the server answer later ones before they are asked? */
static bool plain_question(const struct remote *r, const struct msghdr *msg, int flags)
{
	return r->mode == REMOTE_MODE_STREAM && msg->msg_controllen == 0 &&
	       !(flags & ~(MSG_WAITALL | MSG_DONTWAIT | MSG_NOSIGNAL | MSG_CMSG_CLOEXEC));
}

static ssize_t ask_recv(struct remote *r, struct remote__waiting *waiting, bool more, struct msghdr *msg,
                        struct rest *rest, size_t room, int flags)
{
	struct remote__ask ask = {
	        .head = {.op = REMOTE_RECV,
	                 .arg = {flags & ~(MSG_WAITALL | MSG_DONTWAIT | MSG_CMSG_CLOEXEC), more,
	                         plain_question(r, msg, flags)},
	                 .room_addr = msg->msg_name == NULL ? 0 : msg->msg_namelen,
	                 .room_control = (uint32_t)(msg->msg_controllen < REMOTE_CONTROL_MAX ? msg->msg_controllen
	                                                                                     : REMOTE_CONTROL_MAX),
	                 .room_data = (uint32_t)(room < REMOTE_DATA_MAX ? room : REMOTE_DATA_MAX)},
	        .waiting = waiting,
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

/** read_ahead - a datagram that lies in the descriptor; -EAGAIN: there is none, -ESTALE: to be asked for */
static ssize_t read_ahead(struct remote *r, int fd, struct msghdr *msg, const struct rest *rest, size_t room, int flags)
{
	struct remote_ahead head;
	struct iovec iov[1 + REMOTE_PIECES] = {{&head, sizeof(head)}};
	struct msghdr plain = {.msg_iov = iov, .msg_iovlen = 1 + rest->count - rest->first};
	ssize_t len;

	memcpy(iov + 1, rest->iov + rest->first, (rest->count - rest->first) * sizeof(*iov));
	while ((len = remote__next->recvmsg(fd, &plain, MSG_DONTWAIT | (flags & MSG_PEEK))) < 0 &&
	       errno == ECONNRESET) {
		/* The descriptor shows only that there is an error, or has been one. */
		len = true_error(r, fd, 0);
		if (len < 0)
			return len;
	}
	if (len < 0)
		return -errno;
	msg->msg_controllen = 0;
	msg->msg_flags = 0;
	if (len == 0) {
		msg->msg_namelen = 0;
		return 0;
	}
	if ((size_t)len < sizeof(head) || head.addr > sizeof(head.from))
		return -EPROTO;
	if (head.asked)
		return -ESTALE;
	if (msg->msg_name != NULL && msg->msg_namelen > 0)
		memcpy(msg->msg_name, head.from, msg->msg_namelen < head.addr ? msg->msg_namelen : head.addr);
	msg->msg_namelen = msg->msg_name == NULL ? 0 : head.addr;
	msg->msg_flags = (int)head.flags | (head.data > room ? MSG_TRUNC : 0);
	return head.data > room && !(flags & MSG_TRUNC) ? (ssize_t)room : (ssize_t)head.data;
}

/** recv_once - what there is now, from where it is; *@ahead: is that the descriptor? */
static ssize_t recv_once(struct remote *r, struct remote__waiting *waiting, bool *ahead, bool more, struct msghdr *msg,
                         struct rest *rest, size_t room, int flags)
{
	const struct msghdr asked = *msg;
	ssize_t len;

	for (;;) {
		if (*ahead) {
			len = read_ahead(r, waiting->fd, msg, rest, room, flags);
			if (len != -ESTALE)
				return len;
			*msg = asked;
		}
		/* Once more when another thread was faster, or when the way has changed. */
		len = ask_recv(r, waiting, more, msg, rest, room, flags);
		if (len != -ESTALE)
			return len;
		*ahead = true;
	}
}

/** recv_rest - receive into @rest as the flags say, waiting where they let us */
static ssize_t recv_rest(struct remote *r, int fd, bool ahead, struct msghdr *msg, struct rest *rest, size_t room,
                         int flags)
{
	bool all = (flags & MSG_WAITALL) && !(flags & (MSG_PEEK | MSG_ERRQUEUE | MSG_OOB)) && remote__is_tcp(fd);
	REMOTE_WAITING(waiting, fd, flags);
	ssize_t len, total = 0;
	int events = 0;

	for (;;) {
		len = recv_once(r, &waiting, &ahead, total > 0, msg, rest, room - (size_t)total, flags);
		if (len == -EAGAIN && (events & POLLRDHUP)) {
			len = 0; /* who waits is told that nothing will come */
			break;
		}
		if (len > 0 && all && (size_t)(total + len) < room) {
			total += len;
			rest_skip(rest, (size_t)len);
		} else if (len != -EAGAIN || (flags & (MSG_ERRQUEUE | MSG_OOB))) {
			break;
		}
		len = events = remote__wait(r, &waiting, POLLIN | POLLRDHUP);
		if (len < 0)
			break;
	}
	if (total > 0)
		return total + (len > 0 ? len : 0);
	return len;
}

static ssize_t calls_recv(struct remote *r, int fd, bool ahead, struct msghdr *msg, int flags)
{
	/* What TCP drops goes nowhere. */
	bool touched = !(flags & MSG_TRUNC) || !remote__is_tcp(fd);
	ssize_t room = ioth__pieces(msg->msg_iov, msg->msg_iovlen, -EMSGSIZE, touched), len;
	struct rest rest;

	if (room < 0)
		return room;
	if (msg->msg_name != NULL && ioth__bad(msg->msg_name, msg->msg_namelen))
		return -EFAULT;
	len = rest_init(&rest, msg->msg_iov, msg->msg_iovlen, (size_t)room);
	if (len < 0)
		return len;
	len = recv_rest(r, fd, ahead, msg, &rest, (size_t)room, flags);
	if (len > 0)
		rest_move(&rest, msg->msg_iov, msg->msg_iovlen, true);
	free(rest.copy);
	return len;
}

static ssize_t ask_send(struct remote *r, struct remote__waiting *waiting, bool more, const struct msghdr *msg,
                        const struct rest *rest, int flags)
{
	struct remote__ask ask = {.head = {.op = REMOTE_SEND,
	                                   .arg = {flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL), more},
	                                   .addr = msg->msg_name == NULL ? 0 : msg->msg_namelen,
	                                   .control = (uint32_t)msg->msg_controllen},
	                          .waiting = waiting,
	                          .addr = msg->msg_name,
	                          .control = msg->msg_control,
	                          .iov = rest->iov + rest->first,
	                          .iovcnt = rest->count - rest->first};

	return remote__ask(r, &ask);
}

/** send_rest - send all of @rest, waiting where the flags let us */
static ssize_t send_rest(struct remote *r, int fd, const struct msghdr *msg, struct rest *rest, size_t size, int flags)
{
	REMOTE_WAITING(waiting, fd, flags);
	bool stream = remote__is_tcp(fd);
	ssize_t len, total = 0;

	waiting.late = !stream;
	for (;;) {
		len = ask_send(r, &waiting, total > 0, msg, rest, flags);
		if (len > 0 && stream && (size_t)(total + len) < size && rest_skip(rest, (size_t)len))
			total += len;
		else if (len != -EAGAIN)
			break;
		len = remote__wait(r, &waiting, POLLOUT);
		if (len < 0)
			break;
	}
	if (total > 0)
		return total + (len > 0 ? len : 0);
	if (len == -EPIPE && stream && !(flags & MSG_NOSIGNAL))
		raise(SIGPIPE);
	return len;
}

static ssize_t calls_send(struct remote *r, int fd, const struct msghdr *msg, int flags)
{
	ssize_t size = ioth__pieces(msg->msg_iov, msg->msg_iovlen, -EMSGSIZE, true), len;
	struct rest rest;

	if (size < 0)
		return size;
	if (msg->msg_namelen > REMOTE_ADDR_MAX)
		return -EINVAL;
	if ((msg->msg_name != NULL && ioth__bad(msg->msg_name, msg->msg_namelen)) ||
	    ioth__bad(msg->msg_control, msg->msg_controllen))
		return -EFAULT;
	if (msg->msg_controllen > REMOTE_CONTROL_MAX)
		return -ENOBUFS;
	/* No datagram is that long, and one must not be cut. */
	if (size > REMOTE_DATA_MAX && !remote__is_tcp(fd))
		return -EMSGSIZE;
	len = rest_init(&rest, msg->msg_iov, msg->msg_iovlen, (size_t)size);
	if (len < 0)
		return len;
	rest_move(&rest, msg->msg_iov, msg->msg_iovlen, false);
	len = send_rest(r, fd, msg, &rest, rest.copy != NULL ? rest.iov[0].iov_len : (size_t)size, flags);
	free(rest.copy);
	return len;
}

/* -------------------------------------------------------------------------------------------------------- the calls */

ssize_t remote_recvmsg(struct remote *r, int fd, struct msghdr *msg, int flags)
{
	char kind;

	if (ioth__bad(msg, sizeof(*msg)))
		return -EFAULT;
	kind = remote__kind(fd);
	if (kind == REMOTE_KIND_STREAM && !(flags & MSG_ERRQUEUE))
		return stream_recv(r, fd, msg, flags);
	return calls_recv(r, fd, kind == REMOTE_KIND_AHEAD && !(flags & (MSG_ERRQUEUE | MSG_OOB)), msg, flags);
}

ssize_t remote_sendmsg(struct remote *r, int fd, const struct msghdr *msg, int flags)
{
	if (ioth__bad(msg, sizeof(*msg)))
		return -EFAULT;
	if (remote__kind(fd) == REMOTE_KIND_STREAM && !(flags & (MSG_OOB | MSG_FASTOPEN | MSG_MORE)))
		return stream_send(r, fd, msg, flags);
	return calls_send(r, fd, msg, flags);
}

ssize_t remote_recvfrom(struct remote *r, int fd, void *buf, size_t len, int flags, struct sockaddr *from,
                        socklen_t *fromlen)
{
	struct iovec iov = {buf, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = from};
	ssize_t got;

	if (from != NULL) {
		if (ioth__bad(fromlen, sizeof(*fromlen)))
			return -EFAULT;
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

	ssize_t len = iovcnt < 0 ? -EINVAL : ioth__pieces(iov, (size_t)iovcnt, -EINVAL, true);

	/* Nothing is not waited for. */
	return len <= 0 ? len : remote_recvmsg(r, fd, &msg, 0);
}

ssize_t remote_sendto(struct remote *r, int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
                      socklen_t tolen)
{
	struct iovec iov = {(void *)(uintptr_t)buf, len};
	const struct msghdr msg = {.msg_iov = &iov,
	                           .msg_iovlen = 1,
	                           .msg_name = (void *)(uintptr_t)to,
	                           .msg_namelen = to == NULL ? 0 : tolen};

	return remote_sendmsg(r, fd, &msg, flags);
}

ssize_t remote_writev(struct remote *r, int fd, const struct iovec *iov, int iovcnt)
{
	const struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)iovcnt};

	if (iovcnt < 0 || iovcnt > IOTH__PIECES_MAX)
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

int remote_recvmmsg(struct remote *r, int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags,
                    struct timespec *timeout)
{
	struct timespec end = {0};
	unsigned int count = 0;

	if (timeout != NULL) {
		if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec > 999999999)
			return -EINVAL;
		end = remote__after(timeout->tv_sec, timeout->tv_nsec);
	}
	while (count < vlen && count < IOTH__PIECES_MAX) {
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

	while (count < vlen && count < IOTH__PIECES_MAX) {
		ssize_t len = remote_sendmsg(r, fd, &msgvec[count].msg_hdr, flags);

		if (len < 0)
			return count > 0 ? (int)count : (int)len;
		msgvec[count++].msg_len = (unsigned int)len;
	}
	return (int)count;
}
