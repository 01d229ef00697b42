/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream.c - sending and receiving, and threads that move the frames of a stream themselves.
 *
 * On a network in shared memory the frames of a stack need nobody to move them but the thread that is interested: a thread
 * that sends passes on what has become of it, one that waits for something takes in what has come and gives it to the
 * kernel, with the bytes still in its cache (link_port_drive). That makes a stream and its acknowledgements a matter of
 * two threads, one on each side, where four would take turns.
 *
 * It is worth it for a thread that is always there. So it begins when threads of the stack have come back within BACK_NS
 * of their last call for RETURNS times in a row. A thread that has nothing to take in looks for LOOKS times as long as an
 * event loop would (IOTH_POLL_US); if nothing comes the loop gets the port back, and the thread waits in the system call
 * like any other. Nor is a port driven while another thread of the stack waits like this, which would depend on the first
 * to come back. Who waits in poll(2) or in a call that we do not see, of whom nobody knows, does depend on it, for the
 * lease of the port at most (src/link/lend.c).
 *
 * Nor does it begin for large messages of a connection that paces what it sends, which comes out later, by a timer.
 *
 * Everything is done with the system call and MSG_DONTWAIT at first, and with the call as it was made at last. So what a
 * call returns is what the kernel says, in every case; but only sockets that block and calls with ordinary flags are worth
 * the trouble, others are made as they are. SO_RCVLOWAT makes a difference to a call that does not wait: a stack in which
 * it was set leaves it at that.
 *
 * A signal that comes while the thread looks runs its handler and does not end the call, as if it had come just before.
 * The handler may make calls itself: it finds the lock taken, and does without. A thread is not cancelled while it drives.
 */
#include "vdestack.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BACK_NS 200000
#define RETURNS 8U
#define LOOKS 4     /* 200 microseconds: in that time it was back, so there may be more in that time */
#define LARGE 16384 /* bytes to be sent: more than is likely to leave at once if it is paced */
#define RECV_FLAGS (MSG_PEEK | MSG_TRUNC | MSG_NOSIGNAL | MSG_CMSG_CLOEXEC)
#define SEND_FLAGS (MSG_NOSIGNAL | MSG_MORE)

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ------------------------------------------------------------------------------------------------------- the port */

void vde_stream_port(struct vde_stack *stack, struct link_port *port)
{
	struct vde_stream *stream = &stack->stream;

	pthread_mutex_lock(&stream->lock);
	stream->port = port;
	atomic_store(&stream->possible, true);
	pthread_mutex_unlock(&stream->lock);
}

void vde_stream_unport(struct vde_stack *stack, const struct link_port *port)
{
	struct vde_stream *stream = &stack->stream;

	pthread_mutex_lock(&stream->lock);
	if (stream->port == port) {
		stream->port = NULL;
		atomic_store(&stream->possible, false);
	}
	pthread_mutex_unlock(&stream->lock);
}

void vde_stream_forked(struct vde_stack *stack)
{
	/* Threads that are not here may have held it. */
	pthread_mutex_init(&stack->stream.lock, NULL);
	stack->stream.port = NULL;
	atomic_store(&stack->stream.possible, false);
}

bool vde_stream_possible(const struct vde_stack *stack)
{
	return atomic_load_explicit(&stack->stream.possible, memory_order_relaxed) && !stack->foreign;
}

/** drive - see link_port_drive; -EBUSY also when there is nothing to drive */
static int drive(struct vde_stream *stream)
{
	int moved = -EBUSY, cancel;

	if (pthread_mutex_trylock(&stream->lock) != 0)
		return moved;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	if (stream->port) {
		atomic_store_explicit(&stream->lent, true, memory_order_relaxed);
		moved = link_port_drive(stream->port);
	}
	pthread_mutex_unlock(&stream->lock);
	pthread_setcancelstate(cancel, NULL);
	return moved;
}

/** rest - the loop is to have the port, unless a thread is just driving it */
static void rest(struct vde_stream *stream)
{
	int cancel;

	if (!atomic_load_explicit(&stream->lent, memory_order_relaxed) || pthread_mutex_trylock(&stream->lock) != 0)
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	if (stream->port && atomic_exchange(&stream->lent, false))
		link_port_rest(stream->port);
	pthread_mutex_unlock(&stream->lock);
	pthread_setcancelstate(cancel, NULL);
}

/* ------------------------------------------------------------------------------------------------ who drives when */

/** eager - a thread is in a call again: is it, or are they, coming back so quickly that it should drive? */
static bool eager(struct vde_stream *stream)
{
	unsigned int returned = atomic_load_explicit(&stream->returned, memory_order_relaxed);

	if (now_ns() - atomic_load_explicit(&stream->left, memory_order_relaxed) >= BACK_NS)
		returned = 0;
	else if (returned < RETURNS)
		returned++;
	atomic_store_explicit(&stream->returned, returned, memory_order_relaxed);
	return returned >= RETURNS && atomic_load_explicit(&stream->waiting, memory_order_relaxed) == 0;
}

static void left(struct vde_stream *stream)
{
	atomic_store_explicit(&stream->left, now_ns(), memory_order_relaxed);
}

static bool blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && !(flags & O_NONBLOCK);
}

/** struct attempt - a call on a socket, to be made several times */
struct attempt {
	bool sending;
	int fd, flags;
	struct msghdr *msg;
};

static ssize_t attempt(const struct attempt *a, int flags)
{
	return a->sending ? sendmsg(a->fd, a->msg, a->flags | flags) : recvmsg(a->fd, a->msg, a->flags | flags);
}

/** again - was that a call that would have to wait? */
static bool again(ssize_t result)
{
	return result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

/** look - drive the port until the call can be made or the time to look is over; what it said at last */
static ssize_t look(struct vde_stream *stream, const struct attempt *a)
{
	int64_t end = now_ns() + LOOKS * link_poll_ns();

	do {
		int moved = drive(stream);

		if (moved != 0) {
			ssize_t result = attempt(a, MSG_DONTWAIT);

			if (!again(result))
				return result;
		}
		if (moved <= 0)
			sched_yield();
	} while (now_ns() < end);
	atomic_store_explicit(&stream->returned, 0, memory_order_relaxed);
	/* What came by another way than the port. */
	return attempt(a, MSG_DONTWAIT);
}

/** begin_wait, end_wait - around a system call that may wait */
static struct vde_stream *begin_wait(struct vde_stream *stream)
{
	atomic_fetch_add(&stream->waiting, 1);
	rest(stream);
	return stream;
}

static void end_wait(struct vde_stream **stream)
{
	atomic_fetch_sub(&(*stream)->waiting, 1);
	left(*stream);
}

/** WAIT_IN - the result of @call, a system call as the program made it, in which a thread may be cancelled */
#define WAIT_IN(stream, call)                                                                                          \
	({                                                                                                             \
		__attribute__((cleanup(end_wait), unused)) struct vde_stream *waiting_ = begin_wait(stream);           \
		call;                                                                                                  \
	})

/** of_call - what is known of the stack of the call */
static struct vde_stream *of_call(void)
{
	return &vde_current()->stream;
}

/* ----------------------------------------------------------------------------------------------------- receiving */

static ssize_t receive(int fd, struct msghdr *msg, int flags)
{
	struct vde_stream *stream = of_call();
	struct attempt a = {.fd = fd, .flags = flags, .msg = msg};
	ssize_t result;

	if ((flags & ~RECV_FLAGS) || !vde_stream_possible(vde_current()))
		return WAIT_IN(stream, recvmsg(fd, msg, flags));
	result = attempt(&a, MSG_DONTWAIT);
	if (again(result) && !blocking(fd)) {
		errno = EAGAIN;
		return -1;
	}
	if (again(result) && eager(stream))
		result = look(stream, &a);
	if (again(result))
		return WAIT_IN(stream, recvmsg(fd, msg, flags));
	left(stream);
	return result;
}

ssize_t vde_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return vde_routing() ? vde_netlink_received(recvmsg(fd, msg, flags)) : receive(fd, msg, flags);
}

ssize_t vde_recv(int fd, void *buf, size_t len, int flags)
{
	struct iovec iov = {buf, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	return vde_recvmsg(fd, &msg, flags);
}

ssize_t vde_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen)
{
	if (vde_routing())
		return vde_netlink_received(recvfrom(fd, buf, len, flags, from, fromlen));
	/* A stream has no addresses to tell; what is done with a wrong pointer the kernel knows best. */
	if (from == NULL)
		return vde_recv(fd, buf, len, flags);
	return WAIT_IN(of_call(), recvfrom(fd, buf, len, flags, from, fromlen));
}

ssize_t vde_read(int fd, void *buf, size_t len)
{
	/* To read nothing never waits, to receive nothing does. */
	return len == 0 ? read(fd, buf, len) : vde_recv(fd, buf, len, 0);
}

ssize_t vde_readv(int fd, const struct iovec *iov, int iovcnt)
{
	if (vde_routing())
		return vde_netlink_received(readv(fd, iov, iovcnt));
	return WAIT_IN(of_call(), readv(fd, iov, iovcnt));
}

int vde_recvmmsg(int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags, struct timespec *timeout)
{
	if (vde_routing())
		return (int)vde_netlink_received(recvmmsg(fd, msgvec, vlen, flags, timeout));
	return (int)WAIT_IN(of_call(), recvmmsg(fd, msgvec, vlen, flags, timeout));
}

/* ------------------------------------------------------------------------------------------------------- sending */

/**
 * send_rest - the kernel has taken @result bytes of @left, which is the buffer of the message, or would have to wait: have
 * it take the rest. Returns how much it took in all, or -1.
 */
static ssize_t send_rest(struct vde_stream *stream, const struct attempt *a, struct iovec *left_over, ssize_t result)
{
	ssize_t sent = 0;

	while (result > 0 || again(result)) {
		if (result > 0) {
			sent += result;
			left_over->iov_base = (char *)left_over->iov_base + result;
			left_over->iov_len -= (size_t)result;
			if (left_over->iov_len == 0)
				break;
		}
		result = look(stream, a);
		if (!again(result))
			continue;
		/* It takes all of it, or something has happened: a signal, SO_SNDTIMEO. */
		result = WAIT_IN(stream, attempt(a, 0));
		if (result > 0)
			sent += result;
		break;
	}
	return sent > 0 ? sent : result;
}

/**
 * paced - does the congestion control of a connection send by a timer? (tcp(7), TCP_CONGESTION)
 *
 * Then most of what is sent comes out later, one segment at a time, and the loop had better be there.
 */
static bool paced(int fd)
{
	char name[16] = "";
	socklen_t len = sizeof(name);

	return getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len) == 0 && strncmp(name, "bbr", 3) == 0;
}

static ssize_t transmit(int fd, const void *buf, size_t len, int flags)
{
	struct vde_stream *stream = of_call();
	/* sendmsg does not write to what it is given */
	struct iovec iov = {(void *)(uintptr_t)buf, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct attempt a = {.sending = true, .fd = fd, .flags = flags, .msg = &msg};
	ssize_t result;

	if ((flags & ~SEND_FLAGS) || !vde_stream_possible(vde_current()) || !eager(stream) ||
	    (len >= LARGE && paced(fd)))
		return WAIT_IN(stream, send(fd, buf, len, flags));
	result = attempt(&a, MSG_DONTWAIT);
	if (result != (ssize_t)len && (result > 0 || again(result)) && blocking(fd))
		result = send_rest(stream, &a, &iov, result);
	if (result > 0)
		drive(stream);
	left(stream);
	return result;
}

ssize_t vde_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t tolen)
{
	struct iovec iov = {(void *)(uintptr_t)buf, len};
	struct msghdr msg = {.msg_name = (void *)(uintptr_t)to, .msg_namelen = tolen, .msg_iov = &iov, .msg_iovlen = 1};

	if (vde_routing())
		return vde_netlink_sendmsg(fd, &msg, flags);
	return to == NULL ? transmit(fd, buf, len, flags) : WAIT_IN(of_call(), sendto(fd, buf, len, flags, to, tolen));
}

ssize_t vde_send(int fd, const void *buf, size_t len, int flags)
{
	return vde_sendto(fd, buf, len, flags, NULL, 0);
}

ssize_t vde_write(int fd, const void *buf, size_t len)
{
	return vde_sendto(fd, buf, len, 0, NULL, 0);
}

ssize_t vde_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return vde_routing() ? vde_netlink_sendmsg(fd, msg, flags) : WAIT_IN(of_call(), sendmsg(fd, msg, flags));
}

ssize_t vde_writev(int fd, const struct iovec *iov, int iovcnt)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)iovcnt};

	if (!vde_routing())
		return WAIT_IN(of_call(), writev(fd, iov, iovcnt));
	if (iovcnt < 0) {
		errno = EINVAL;
		return -1;
	}
	return vde_netlink_sendmsg(fd, &msg, 0);
}

int vde_sendmmsg(int fd, struct mmsghdr *msgvec, unsigned int vlen, int flags)
{
	unsigned int done = 0;

	if (!vde_routing())
		return (int)WAIT_IN(of_call(), sendmmsg(fd, msgvec, vlen, flags));
	while (done < vlen) {
		ssize_t sent = vde_netlink_sendmsg(fd, &msgvec[done].msg_hdr, flags);

		if (sent < 0)
			break;
		msgvec[done++].msg_len = (unsigned int)sent;
	}
	return done || vlen == 0 ? (int)done : -1;
}

/* -------------------------------------------------------------------------------------------------------- options */

int vde_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int result = setsockopt(fd, level, name, value, len);

	if (result == 0 && level == SOL_SOCKET && name == SO_RCVLOWAT)
		atomic_store(&vde_current()->stream.possible, false);
	return result;
}
