/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * emulate.c - functions that a plugin left out, made of their relatives.
 *
 * A plugin may implement as little as one receiving and one sending function. Each function below has the signature of a member of
 * struct ioth_functions and uses other members of the table of the call in progress, so that dispatch never has to ask what is there.
 *
 *     receiving: read -> recv -> recvfrom -> recvmsg; readv, recvmmsg -> recvmsg, and back where only a poorer one exists
 *     sending:   write -> send -> sendto -> sendmsg;  writev, sendmmsg -> sendmsg, likewise
 *     accept4 -> accept and flags; sockatmark -> ioctl; fcntl -> the descriptor itself
 *
 * A poorer relative never loses anything silently: flags or control data that it cannot take fail with EOPNOTSUPP.
 * Scattered buffers pass through one contiguous buffer when the relative takes only one. Stateless.
 */
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <linux/sockios.h>

#define MAX_SEGMENTS 1024 /* UIO_MAXIOV */

static const struct ioth_functions *table(void)
{
	return &ioth__current->stack->f;
}

/* ---------------------------------------------------------------------------------- one contiguous buffer */

/** struct flat - scattered buffers seen as one */
struct flat {
	unsigned char *data;
	size_t len;
	bool allocated;
};

/**
 * flatten - one buffer for all of @iov: the first itself when it is alone, else one that is allocated
 *
 * Returns 0, -EMSGSIZE for too many segments, -EINVAL when the lengths overflow ssize_t, -ENOMEM.
 */
static int flatten(const struct iovec *iov, size_t count, struct flat *flat)
{
	size_t len = 0;

	*flat = (struct flat){0};
	if (count > MAX_SEGMENTS)
		return -EMSGSIZE;
	for (size_t i = 0; i < count; i++) {
		if (iov[i].iov_len > (size_t)SSIZE_MAX - len)
			return -EINVAL;
		len += iov[i].iov_len;
	}
	flat->len = len;
	if (count == 1) {
		flat->data = iov[0].iov_base;
		return 0;
	}
	flat->data = len > 0 ? malloc(len) : calloc(1, 1);
	flat->allocated = true;
	return flat->data == NULL ? -ENOMEM : 0;
}

static void gather(const struct iovec *iov, size_t count, struct flat *flat)
{
	unsigned char *to = flat->data;

	for (size_t i = 0; flat->allocated && i < count; i++)
		if (iov[i].iov_len > 0)
			to = (unsigned char *)mempcpy(to, iov[i].iov_base, iov[i].iov_len);
}

static void scatter(const struct iovec *iov, size_t count, const struct flat *flat, size_t len)
{
	const unsigned char *from = flat->data;

	for (size_t i = 0; flat->allocated && i < count && len > 0; i++) {
		size_t part = iov[i].iov_len < len ? iov[i].iov_len : len;

		if (part > 0)
			memcpy(iov[i].iov_base, from, part);
		from += part;
		len -= part;
	}
}

static void flat_free(struct flat *flat)
{
	int saved = errno;

	if (flat->allocated)
		free(flat->data);
	errno = saved;
}

/* ---------------------------------------------------------------------------------------------- receiving */

static ssize_t read_by_recv(int fd, void *buf, size_t len)
{
	return table()->recv(fd, buf, len, 0);
}

static ssize_t recv_by_recvfrom(int fd, void *buf, size_t len, int flags)
{
	return table()->recvfrom(fd, buf, len, flags, NULL, NULL);
}

static ssize_t recv_by_read(int fd, void *buf, size_t len, int flags)
{
	if (flags != 0)
		return ioth__fail(-EOPNOTSUPP);
	return table()->read(fd, buf, len);
}

static ssize_t recvfrom_by_recvmsg(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	struct msghdr msg = {.msg_name = from, .msg_iov = &iov, .msg_iovlen = 1};
	ssize_t result;

	if (from != NULL && fromlen != NULL)
		msg.msg_namelen = *fromlen;
	result = table()->recvmsg(fd, &msg, flags);
	if (result >= 0 && from != NULL && fromlen != NULL)
		*fromlen = msg.msg_namelen;
	return result;
}

static ssize_t recvfrom_by_recv(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	ssize_t result = table()->recv(fd, buf, len, flags);

	/* A stream tells no address here, and neither can recv: its length is 0, as Linux says of TCP. */
	if (result >= 0 && from != NULL && fromlen != NULL)
		*fromlen = 0;
	return result;
}

static ssize_t recvmsg_by_recvfrom(int fd, struct msghdr *msg, int flags)
{
	bool named = msg->msg_name != NULL;
	socklen_t namelen = named ? msg->msg_namelen : 0;
	struct flat flat;
	ssize_t result;
	int error = flatten(msg->msg_iov, msg->msg_iovlen, &flat);

	if (error < 0)
		return ioth__fail(error);
	result = table()->recvfrom(fd, flat.data, flat.len, flags, msg->msg_name, named ? &namelen : NULL);
	if (result >= 0) {
		/* With MSG_TRUNC the length is that of the datagram, which may be more than arrived. */
		bool truncated = (size_t)result > flat.len;

		scatter(msg->msg_iov, msg->msg_iovlen, &flat, truncated ? flat.len : (size_t)result);
		msg->msg_namelen = namelen;
		msg->msg_controllen = 0;
		msg->msg_flags = truncated ? MSG_TRUNC : 0;
	}
	flat_free(&flat);
	return result;
}

static ssize_t readv_by_recvmsg(int fd, const struct iovec *iov, int iovcnt)
{
	struct iovec segments[MAX_SEGMENTS];
	struct msghdr msg = {.msg_iov = segments};

	if (iovcnt < 0 || iovcnt > MAX_SEGMENTS)
		return ioth__fail(-EINVAL);
	if (iovcnt > 0)
		memcpy(segments, iov, (size_t)iovcnt * sizeof(*iov));
	msg.msg_iovlen = (size_t)iovcnt;
	return table()->recvmsg(fd, &msg, 0);
}

/** until - has the CLOCK_MONOTONIC moment passed? */
static bool until(const struct timespec *end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > end->tv_sec || (now.tv_sec == end->tv_sec && now.tv_nsec >= end->tv_nsec);
}

static int recvmmsg_by_recvmsg(int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags, struct timespec *timeout)
{
	struct timespec end = {0};
	unsigned int count = 0;

	if (timeout != NULL) {
		if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= 1000000000)
			return ioth__fail(-EINVAL);
		clock_gettime(CLOCK_MONOTONIC, &end);
		end.tv_sec += timeout->tv_sec;
		end.tv_nsec += timeout->tv_nsec;
		if (end.tv_nsec >= 1000000000) {
			end.tv_sec++;
			end.tv_nsec -= 1000000000;
		}
	}
	while (count < vlen && count < MAX_SEGMENTS) {
		ssize_t len = table()->recvmsg(fd, &msgvec[count].msg_hdr, flags & ~MSG_WAITFORONE);

		if (len < 0)
			return count > 0 ? (int)count : -1;
		msgvec[count++].msg_len = (unsigned int)len;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		/* As in Linux the time is looked at only after a message: one that never comes is waited for. */
		if (timeout != NULL && until(&end))
			break;
	}
	return (int)count;
}

/* ------------------------------------------------------------------------------------------------ sending */

static ssize_t write_by_send(int fd, const void *buf, size_t len)
{
	return table()->send(fd, buf, len, 0);
}

static ssize_t send_by_sendto(int fd, const void *buf, size_t len, int flags)
{
	return table()->sendto(fd, buf, len, flags, NULL, 0);
}

static ssize_t send_by_write(int fd, const void *buf, size_t len, int flags)
{
	if (flags != 0)
		return ioth__fail(-EOPNOTSUPP);
	return table()->write(fd, buf, len);
}

static ssize_t sendto_by_sendmsg(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
                                 socklen_t tolen)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
	struct msghdr msg = {.msg_name = (void *)(uintptr_t)to,
	                     .msg_namelen = to == NULL ? 0 : tolen,
	                     .msg_iov = &iov,
	                     .msg_iovlen = 1};

	return table()->sendmsg(fd, &msg, flags);
}

static ssize_t sendto_by_send(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
                              socklen_t tolen)
{
	(void)tolen;
	if (to != NULL)
		return ioth__fail(-EOPNOTSUPP);
	return table()->send(fd, buf, len, flags);
}

static ssize_t sendmsg_by_sendto(int fd, const struct msghdr *msg, int flags)
{
	struct flat flat;
	ssize_t result;
	int error;

	if (msg->msg_control != NULL && msg->msg_controllen > 0)
		return ioth__fail(-EOPNOTSUPP);
	error = flatten(msg->msg_iov, msg->msg_iovlen, &flat);
	if (error < 0)
		return ioth__fail(error);
	gather(msg->msg_iov, msg->msg_iovlen, &flat);
	result = table()->sendto(fd, flat.data, flat.len, flags, msg->msg_name,
	                         msg->msg_name == NULL ? 0 : msg->msg_namelen);
	flat_free(&flat);
	return result;
}

static ssize_t writev_by_sendmsg(int fd, const struct iovec *iov, int iovcnt)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov};

	if (iovcnt < 0 || iovcnt > MAX_SEGMENTS)
		return ioth__fail(-EINVAL);
	msg.msg_iovlen = (size_t)iovcnt;
	return table()->sendmsg(fd, &msg, 0);
}

static int sendmmsg_by_sendmsg(int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags)
{
	unsigned int count = 0;

	while (count < vlen && count < MAX_SEGMENTS) {
		ssize_t len = table()->sendmsg(fd, &msgvec[count].msg_hdr, flags);

		if (len < 0)
			return count > 0 ? (int)count : -1;
		msgvec[count++].msg_len = (unsigned int)len;
	}
	return (int)count;
}

/* ------------------------------------------------------------------------------------------------- others */

static int accept4_by_accept(int fd, struct sockaddr *addr, socklen_t *addrlen, int flags)
{
	int nonblock = 1, new;

	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return ioth__fail(-EINVAL);
	new = table()->accept(fd, addr, addrlen);
	if (new < 0)
		return new;
	if (flags & SOCK_CLOEXEC)
		fcntl(new, F_SETFD, FD_CLOEXEC);
	/* Through the plugin: it is the one that must know that calls do not wait. */
	if ((flags & SOCK_NONBLOCK) && table()->fcntl(new, F_SETFL, fcntl(new, F_GETFL) | O_NONBLOCK) < 0 &&
	    table()->ioctl(new, FIONBIO, &nonblock) < 0) {
		int saved = errno;

		table()->close(new);
		errno = saved;
		return -1;
	}
	return new;
}

static int accept_by_accept4(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	return table()->accept4(fd, addr, addrlen, 0);
}

static int sockatmark_by_ioctl(int fd)
{
	int mark = 0;

	return table()->ioctl(fd, SIOCATMARK, &mark) < 0 ? -1 : mark;
}

static int fcntl_of_descriptor(int fd, int cmd, long arg)
{
	return fcntl(fd, cmd, arg);
}

/* What has neither itself nor a relative. The parameters do not matter, only the type that the member wants. */
#define MISSING(name, ...)                                                                                             \
	static int name(__VA_ARGS__)                                                                                   \
	{                                                                                                              \
		return ioth__fail(-ENOSYS);                                                                            \
	}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
MISSING(no_socket, int domain, int type, int protocol)
MISSING(no_address, int fd, const struct sockaddr *addr, socklen_t addrlen)
MISSING(no_name, int fd, struct sockaddr *addr, socklen_t *addrlen)
MISSING(no_number, int fd, int number)
MISSING(no_setsockopt, int fd, int level, int optname, const void *optval, socklen_t optlen)
MISSING(no_getsockopt, int fd, int level, int optname, void *optval, socklen_t *optlen)
MISSING(no_ioctl, int fd, unsigned long request, void *arg)
static ssize_t no_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	return ioth__fail(-ENOSYS);
}
static ssize_t no_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t tolen)
{
	return ioth__fail(-ENOSYS);
}
#pragma GCC diagnostic pop

/** close_of_descriptor - a plugin without close keeps nothing for a socket but its descriptor */
static int close_of_descriptor(int fd)
{
	return close(fd);
}

static void emulate_receiving(struct ioth_functions *f)
{
	if (f->recvfrom == NULL && f->recvmsg != NULL)
		f->recvfrom = recvfrom_by_recvmsg;
	if (f->recvfrom == NULL && (f->recv != NULL || f->read != NULL))
		f->recvfrom = recvfrom_by_recv;
	if (f->recvfrom == NULL)
		f->recvfrom = no_recvfrom;
	if (f->recv == NULL)
		f->recv = f->recvfrom == recvfrom_by_recv ? recv_by_read : recv_by_recvfrom;
	if (f->recvmsg == NULL)
		f->recvmsg = recvmsg_by_recvfrom;
	if (f->read == NULL)
		f->read = read_by_recv;
	if (f->readv == NULL)
		f->readv = readv_by_recvmsg;
	if (f->recvmmsg == NULL)
		f->recvmmsg = recvmmsg_by_recvmsg;
}

static void emulate_sending(struct ioth_functions *f)
{
	if (f->sendto == NULL && f->sendmsg != NULL)
		f->sendto = sendto_by_sendmsg;
	if (f->sendto == NULL && (f->send != NULL || f->write != NULL))
		f->sendto = sendto_by_send;
	if (f->sendto == NULL)
		f->sendto = no_sendto;
	if (f->send == NULL)
		f->send = f->sendto == sendto_by_send ? send_by_write : send_by_sendto;
	if (f->sendmsg == NULL)
		f->sendmsg = sendmsg_by_sendto;
	if (f->write == NULL)
		f->write = write_by_send;
	if (f->writev == NULL)
		f->writev = writev_by_sendmsg;
	if (f->sendmmsg == NULL)
		f->sendmmsg = sendmmsg_by_sendmsg;
}

void ioth__emulate(struct ioth_functions *f)
{
	emulate_receiving(f);
	emulate_sending(f);
	if (f->accept == NULL)
		f->accept = f->accept4 != NULL ? accept_by_accept4 : no_name;
	if (f->accept4 == NULL)
		f->accept4 = accept4_by_accept;
	if (f->socket == NULL)
		f->socket = no_socket;
	if (f->close == NULL)
		f->close = close_of_descriptor;
	if (f->bind == NULL)
		f->bind = no_address;
	if (f->connect == NULL)
		f->connect = no_address;
	if (f->listen == NULL)
		f->listen = no_number;
	if (f->getsockname == NULL)
		f->getsockname = no_name;
	if (f->getpeername == NULL)
		f->getpeername = no_name;
	if (f->setsockopt == NULL)
		f->setsockopt = no_setsockopt;
	if (f->getsockopt == NULL)
		f->getsockopt = no_getsockopt;
	if (f->shutdown == NULL)
		f->shutdown = no_number;
	if (f->ioctl == NULL)
		f->ioctl = no_ioctl;
	if (f->fcntl == NULL)
		f->fcntl = fcntl_of_descriptor;
	if (f->sockatmark == NULL)
		f->sockatmark = sockatmark_by_ioctl;
}
