/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * transfer.c - the Berkeley calls that move bytes: read(2), recvmsg(2), write(2), sendmmsg(2) and their relatives.
 *
 * All of them come down to one attempt of the kind of socket (struct usock__xfer), repeated when it says -EAGAIN,
 * something has happened to the socket since, and the caller wants to wait. What was moved counts more than an error
 * that ended the call. Under one lock recvmmsg and sendmmsg do as much as they can.
 */
#include "arguments.h"
#include "call.h"

#include <limits.h>
#include <signal.h>
#include <string.h>

/** struct way - one of the two directions */
struct way {
	uint32_t events;
	bool sends;
};

static const struct way in = {.events = EPOLLIN}, out = {.events = EPOLLOUT, .sends = true};

/** xfer_move - attempt it till it is done, or the call has to end: bytes moved or a negative errno */
static ssize_t xfer_move(struct usock__call *call, struct usock__xfer *xfer, const struct way *way)
{
	struct usock *sock = call->sock;
	int (*attempt)(struct usock * sock, struct usock__xfer * xfer) =
	        way->sends ? sock->kind->send : sock->kind->recv;
	bool asked = false, glanced = false;
	int64_t until = 0;
	int result;

	if (attempt == NULL)
		return -EOPNOTSUPP;
	call->peeks = (xfer->flags & MSG_PEEK) != 0;
	while ((result = attempt(sock, xfer)) == -EAGAIN) {
		if (!asked && !(xfer->flags & MSG_DONTWAIT)) {
			/* Once: what comes may be for others for ever, and they want the lock. */
			bool some = !glanced && usock__call_glance(call, way->events);

			glanced = true;
			if (some)
				continue;
			/* Asked only now: most calls need not wait. */
			if (usock__nonblocking(sock))
				xfer->flags |= MSG_DONTWAIT;
			until = usock__call_until(call, way->sends ? sock->options.sndtimeo : sock->options.rcvtimeo);
			asked = true;
		}
		if (xfer->flags & MSG_DONTWAIT)
			break;
		result = usock__call_wait(call, way->events, until);
		if (result < 0)
			break;
	}
	return result < 0 && xfer->done == 0 ? result : (ssize_t)xfer->done;
}

/** message_check - of a message that the program gives: total length of its pieces, or a negative errno; @touched as
 * ioth__pieces */
static ssize_t message_check(const struct msghdr *msg, const struct way *way, bool touched)
{
	ssize_t len;

	if (ioth__bad(msg, sizeof(*msg)))
		return -EFAULT;
	if ((int)msg->msg_namelen < 0)
		return -EINVAL;
	len = ioth__pieces(msg->msg_iov, msg->msg_iovlen, -EMSGSIZE, touched);
	if (len < 0)
		return len;
	if (way->sends && msg->msg_controllen > INT_MAX)
		return -ENOBUFS;
	if (ioth__bad(msg->msg_control, msg->msg_control == NULL && !way->sends ? 0 : msg->msg_controllen))
		return -EFAULT;
	return msg->msg_name != NULL && ioth__bad(msg->msg_name, msg->msg_namelen) ? -EFAULT : len;
}

/* ---------------------------------------------------------------------------------------------------------- sending */

/** send_one - a message in a call that has begun */
static ssize_t send_one(struct usock__call *call, const struct msghdr *msg, int flags)
{
	struct msghdr copy;
	struct usock__xfer xfer = {.msg = &copy, .flags = flags};
	ssize_t len = message_check(msg, &out, true);

	if (len < 0)
		return len;
	copy = *msg;
	if (copy.msg_name == NULL)
		copy.msg_namelen = 0;
	else if (copy.msg_namelen > sizeof(struct sockaddr_storage))
		copy.msg_namelen = sizeof(struct sockaddr_storage);
	if (copy.msg_namelen == 0)
		copy.msg_name = NULL;
	if (copy.msg_controllen == 0)
		copy.msg_control = NULL;
	xfer.len = (size_t)len;
	return xfer_move(call, &xfer, &out);
}

/** broken_pipe - is EPIPE to be told by a signal as well? */
static bool broken_pipe(const struct usock__call *call, ssize_t result, int flags)
{
	return result == -EPIPE && call->sock->type == SOCK_STREAM && !(flags & MSG_NOSIGNAL);
}

/** do_send - one message; @broken: SIGPIPE is due */
static ssize_t do_send(const struct msghdr *msg, int flags, bool *broken)
{
	USOCK_CALL(call);
	ssize_t result = usock__call_begin(&call);

	if (result < 0)
		return result;
	result = send_one(&call, msg, flags);
	*broken = broken_pipe(&call, result, flags);
	return result;
}

/** send_message - the end of all single sends */
static ssize_t send_message(const struct msghdr *msg, int flags)
{
	bool broken = false;
	ssize_t result = do_send(msg, flags, &broken);

	/* With the lock given back: the handler may do anything. */
	if (broken)
		raise(SIGPIPE);
	return usock__result(result);
}

static ssize_t call_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	(void)fd;
	return send_message(msg, flags);
}

static ssize_t call_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t tolen)
{
	struct iovec piece = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len < IOTH__LEN_MAX ? len : IOTH__LEN_MAX};
	struct msghdr msg = {
	        .msg_name = (void *)(uintptr_t)to, .msg_namelen = tolen, .msg_iov = &piece, .msg_iovlen = 1};

	(void)fd;
	if (to != NULL && tolen > sizeof(struct sockaddr_storage))
		return usock__result(-EINVAL);
	if (to == NULL)
		msg.msg_namelen = 0;
	return send_message(&msg, flags);
}

static ssize_t call_send(int fd, const void *buf, size_t len, int flags)
{
	return call_sendto(fd, buf, len, flags, NULL, 0);
}

static ssize_t call_write(int fd, const void *buf, size_t len)
{
	return call_sendto(fd, buf, len, 0, NULL, 0);
}

static ssize_t call_writev(int fd, const struct iovec *piece, int count)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)piece, .msg_iovlen = (size_t)count};
	ssize_t len = count < 0 ? -EINVAL : ioth__pieces(piece, (size_t)count, -EINVAL, true);

	(void)fd;
	/* writev(2) of nothing does nothing, unlike write(2), which sends an empty datagram. */
	return len <= 0 ? usock__result(len) : send_message(&msg, 0);
}

/** do_sendmmsg - how many were sent, or the error of the first */
static int do_sendmmsg(struct mmsghdr *message, unsigned int count, int flags, bool *broken)
{
	USOCK_CALL(call);
	ssize_t result = usock__call_begin(&call);
	unsigned int done = 0;

	if (result < 0)
		return (int)result;
	for (; done < count; done++) {
		if (ioth__bad(&message[done], sizeof(*message))) {
			result = -EFAULT;
			break;
		}
		result = send_one(&call, &message[done].msg_hdr, flags);
		if (result < 0)
			break;
		message[done].msg_len = (unsigned int)result;
	}
	*broken = done < count && broken_pipe(&call, result, flags);
	return done > 0 ? (int)done : result < 0 ? (int)result : 0;
}

static int call_sendmmsg(int fd, struct mmsghdr *message, unsigned int count, int flags)
{
	bool broken = false;
	int result = do_sendmmsg(message, count < IOTH__PIECES_MAX ? count : IOTH__PIECES_MAX, flags, &broken);

	(void)fd;
	if (broken)
		raise(SIGPIPE);
	return (int)usock__result(result);
}

/* -------------------------------------------------------------------------------------------------------- receiving */

/** recv_one - a message in a call that has begun; the program's @msg is written to when it has come */
static ssize_t recv_one(struct usock__call *call, struct msghdr *msg, int flags)
{
	struct usock__xfer xfer = {.msg = msg, .flags = flags, .msg_flags = flags & MSG_CMSG_CLOEXEC};
	/* MSG_TRUNC of a stream throws away what it receives. */
	bool touched = !(flags & MSG_TRUNC) || call->sock->type != SOCK_STREAM;
	ssize_t len = message_check(msg, &in, touched), result;

	if (len < 0)
		return len;
	xfer.len = (size_t)len;
	result = xfer_move(call, &xfer, &in);
	if (result < 0)
		return result;
	if (msg->msg_name != NULL)
		msg->msg_namelen = xfer.namelen;
	msg->msg_controllen = xfer.controllen;
	msg->msg_flags = xfer.msg_flags;
	return result;
}

static ssize_t do_recv(struct msghdr *msg, int flags)
{
	USOCK_CALL(call);
	ssize_t result = usock__call_begin(&call);

	return result < 0 ? result : recv_one(&call, msg, flags);
}

static ssize_t call_recvmsg(int fd, struct msghdr *msg, int flags)
{
	(void)fd;
	return usock__result(do_recv(msg, flags));
}

static ssize_t call_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	struct iovec piece = {.iov_base = buf, .iov_len = len < IOTH__LEN_MAX ? len : IOTH__LEN_MAX};
	struct msghdr msg = {.msg_name = from, .msg_iov = &piece, .msg_iovlen = 1};
	ssize_t result;

	(void)fd;
	if (from != NULL) {
		if (ioth__bad(fromlen, sizeof(*fromlen)))
			return usock__result(-EFAULT);
		msg.msg_namelen = *fromlen;
	}
	result = do_recv(&msg, flags);
	if (result >= 0 && from != NULL)
		*fromlen = msg.msg_namelen;
	return usock__result(result);
}

static ssize_t call_recv(int fd, void *buf, size_t len, int flags)
{
	return call_recvfrom(fd, buf, len, flags, NULL, NULL);
}

static ssize_t call_read(int fd, void *buf, size_t len)
{
	/* read(2) of nothing looks at nothing, unlike recv(2). */
	return len == 0 ? 0 : call_recvfrom(fd, buf, len, 0, NULL, NULL);
}

static ssize_t call_readv(int fd, const struct iovec *piece, int count)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)piece, .msg_iovlen = (size_t)count};
	ssize_t len = count < 0 ? -EINVAL : ioth__pieces(piece, (size_t)count, -EINVAL, true);

	(void)fd;
	return usock__result(len <= 0 ? len : do_recv(&msg, 0));
}

/** time_left - subtract what has passed since @begin from @timeout, whose end is @end; false: nothing is left */
static bool time_left(struct usock__call *call, struct timespec *timeout, int64_t end)
{
	int64_t left = end - usock_now(call->sock->stack);

	if (left < 0)
		left = 0;
	*timeout = (struct timespec){.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
	return left > 0;
}

/** do_recvmmsg - how many have come, or the error of the first; the time is looked at after each, as in Linux */
static int do_recvmmsg(struct mmsghdr *message, unsigned int count, int flags, struct timespec *timeout)
{
	USOCK_CALL(call);
	ssize_t result = usock__call_begin(&call);
	unsigned int done = 0;
	int64_t end = 0;

	if (result < 0)
		return (int)result;
	if (timeout != NULL)
		end = usock_now(call.sock->stack) + timeout->tv_sec * INT64_C(1000000000) + timeout->tv_nsec;
	if (!(flags & MSG_ERRQUEUE) && (result = usock__take_error(call.sock)) < 0)
		return (int)result;
	while (done < count) {
		if (ioth__bad(&message[done], sizeof(*message))) {
			result = -EFAULT;
			break;
		}
		result = recv_one(&call, &message[done].msg_hdr, flags & ~MSG_WAITFORONE);
		if (result < 0)
			break;
		message[done].msg_len = (unsigned int)result;
		if (message[done++].msg_hdr.msg_flags & MSG_OOB)
			break;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (timeout != NULL && !time_left(&call, timeout, end))
			break;
	}
	if (done == 0)
		return (int)result;
	/* The next call will tell. */
	if (result < 0 && result != -EAGAIN && !call.sock->dead)
		call.sock->error = (int)-result;
	return (int)done;
}

static int call_recvmmsg(int fd, struct mmsghdr *message, unsigned int count, int flags, struct timespec *timeout)
{
	(void)fd;
	if (timeout != NULL && (ioth__bad(timeout, sizeof(*timeout)) || timeout->tv_sec < 0 || timeout->tv_nsec < 0 ||
	                        timeout->tv_nsec > 999999999))
		return (int)usock__result(ioth__bad(timeout, sizeof(*timeout)) ? -EFAULT : -EINVAL);
	return (int)usock__result(
	        do_recvmmsg(message, count < IOTH__PIECES_MAX ? count : IOTH__PIECES_MAX, flags, timeout));
}

void usock__transfer_functions(struct ioth_functions *f)
{
	f->read = call_read;
	f->readv = call_readv;
	f->recv = call_recv;
	f->recvfrom = call_recvfrom;
	f->recvmsg = call_recvmsg;
	f->recvmmsg = call_recvmmsg;
	f->write = call_write;
	f->writev = call_writev;
	f->send = call_send;
	f->sendto = call_sendto;
	f->sendmsg = call_sendmsg;
	f->sendmmsg = call_sendmmsg;
}
