/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * call.c - what each message does.
 *
 * A call is made on the stack's socket, which never waits. Afterwards the user's end, which came with the request, is
 * made to show what the call has changed, before the client can look.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)

/* What clients may ask for: the rest is not for them to decide, or concerns descriptors. */
#define SEND_FLAGS (MSG_OOB | MSG_DONTROUTE | MSG_EOR | MSG_MORE | MSG_CONFIRM | MSG_FASTOPEN | MSG_PROXY)
#define RECV_FLAGS (MSG_OOB | MSG_PEEK | MSG_TRUNC | MSG_ERRQUEUE)

/** berkeley - the result of a call, as a negative errno when it is one */
static int berkeley(ssize_t result)
{
	return result < 0 ? -errno : (int)result;
}

/** room - may the client have one more socket? */
static int room(struct serve_conn *conn)
{
	unsigned int most = conn->serve->options->max_sockets;

	if (conn->account->sockets >= most)
		serve_sock_reap(conn->serve, conn->account);
	return conn->account->sockets >= most ? -EMFILE : 0;
}

/* ---------------------------------------------------------------------------------------------------------- making */

/** is_kernel - is the descriptor that the stack gave a socket of the kernel, which needs nobody between? */
static bool is_kernel(int fd)
{
	int domain = AF_UNIX, protocol = 0;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain == AF_UNIX)
		return false;
	if (domain != AF_NETLINK)
		return true;
	return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 && protocol != NETLINK_ROUTE;
}

static int call_socket(struct serve_conn *conn, struct serve_request *request, struct serve_answer *answer)
{
	int domain = request->head.arg[0], type = request->head.arg[1], result = room(conn), file;
	struct served *sock;

	if (result < 0)
		return result;
	if (domain == AF_UNIX)
		return -EAFNOSUPPORT;
	file = ioth_msocket(conn->serve->stack, domain, type | FLAGS, request->head.arg[2]);
	if (file < 0 && errno == EADDRINUSE && serve_sock_reap(conn->serve, NULL) > 0)
		file = ioth_msocket(conn->serve->stack, domain, type | FLAGS, request->head.arg[2]);
	if (file < 0)
		return -errno;
	if (!is_kernel(file))
		return serve_sock_new(conn, file, domain, type & ~FLAGS, type & FLAGS, 0, &answer->fd, &sock);
	if (!(type & SOCK_NONBLOCK))
		fcntl(file, F_SETFL, fcntl(file, F_GETFL) & ~O_NONBLOCK);
	answer->fd = file;
	answer->head.flags = REMOTE_HANDED_OVER;
	return 0;
}

static int call_sockets(const struct serve_conn *conn)
{
	int count = 0;

	/* Those that were closed without a word are found here. */
	for (struct served *sock = conn->serve->sockets, *next; sock != NULL; sock = next) {
		next = sock->next;
		if (sock->session != conn->session)
			continue;
		serve_sock_check(sock);
		count += !sock->dead && !sock->closing;
	}
	return count;
}

static int call_stop(const struct serve_conn *conn)
{
	for (struct served *sock = conn->serve->sockets, *next; sock != NULL; sock = next) {
		next = sock->next;
		if (sock->session != conn->session)
			continue;
		if (ioth_shutdown(sock->file, SHUT_RDWR) == 0) {
			serve_sock_sync(sock, 0, -1);
		} else {
			/* One of netlink: nothing can happen to it, but who waits is to know. */
			sock->seen |= POLLHUP | POLLRDHUP;
			serve_conn_awake(sock);
		}
	}
	return 0;
}

/** give_addr - an address of @len bytes that a call has written to answer->addr */
static void give_addr(const struct serve_request *request, struct serve_answer *answer, socklen_t len)
{
	uint32_t there = len < REMOTE_ADDR_MAX ? len : REMOTE_ADDR_MAX;

	answer->head.addr_full = len;
	answer->head.addr = there < request->head.room_addr ? there : request->head.room_addr;
}

static char kind_of(enum remote_mode mode)
{
	return mode == REMOTE_MODE_STREAM ? REMOTE_KIND_STREAM : REMOTE_KIND_CALLS;
}

static int call_accept(struct serve_conn *conn, struct serve_request *request, struct serve_answer *answer)
{
	struct served *sock = request->sock, *made;
	socklen_t len = REMOTE_ADDR_MAX;
	int result = room(conn), file;
	enum remote_mode mode;

	if (request->head.arg[0] & ~FLAGS)
		return -EINVAL;
	if (result < 0)
		return result;
	file = ioth_accept4(sock->file, answer->addr, &len, FLAGS);
	if (file < 0)
		return -errno;
	mode = request->head.arg[1] == REMOTE_MODE_CALLS ? REMOTE_MODE_CALLS : REMOTE_MODE_STREAM;
	result = serve_sock_new(conn, file, sock->domain, SOCK_STREAM, request->head.arg[0], kind_of(mode), &answer->fd,
	                        &made);
	if (result < 0)
		return result;
	give_addr(request, answer, len);
	made->mode = mode;
	made->pumping = made->mode == REMOTE_MODE_STREAM;
	serve_sock_sync(made, 0, answer->fd);
	return 0;
}

/* ------------------------------------------------------------------------------------------------------ connecting */

/** join - the user's end becomes one of a connection, a new one if it can be no more; 0 or a negative errno */
static int join(struct served *sock, char kind, const struct serve_request *request, struct serve_answer *answer)
{
	int result;

	if (sock->shape == SERVE_FRESH)
		return serve_sock_join(sock, request->fd, kind);
	if (sock->own >= 0 && !(sock->shown & (EPOLLHUP | EPOLLRDHUP)))
		return 0;
	result = serve_sock_renew(sock, true, fcntl(request->fd, F_GETFL) & O_NONBLOCK, &answer->fd);
	return result < 0 ? result : serve_sock_join(sock, answer->fd, kind);
}

static int call_connect(struct served *sock, struct serve_request *request, struct serve_answer *answer)
{
	const struct sockaddr *addr = request->addr;
	int result, joined;

	/* An attempt that was shut down: as for one who waits in connect(2). */
	if (request->head.arg[1] != 0 && sock->aborted)
		return -ECONNABORTED;
	sock->aborted = false;
	result = berkeley(ioth_connect(sock->file, addr, request->head.addr));
	if (result == -EADDRNOTAVAIL && serve_sock_reap(sock->serve, NULL) > 0)
		result = berkeley(ioth_connect(sock->file, addr, request->head.addr));
	if (sock->type != SOCK_STREAM)
		return result;
	if (result == 0 && request->head.addr >= sizeof(addr->sa_family) && addr->sa_family == AF_UNSPEC) {
		sock->state = SERVE_IDLE;
		sock->pumping = false;
		return 0;
	}
	if (sock->state != SERVE_IDLE || (result < 0 && result != -EINPROGRESS))
		return result;
	sock->mode = request->head.arg[0] == REMOTE_MODE_CALLS ? REMOTE_MODE_CALLS : REMOTE_MODE_STREAM;
	joined = join(sock, kind_of(sock->mode), request, answer);
	if (joined < 0) {
		sock->error = -joined;
		return joined;
	}
	/* Writable no more, until serve_sock_sync finds it connected. */
	sock->state = SERVE_CONNECTING;
	return result;
}

static int call_listen(struct served *sock, struct serve_request *request, struct serve_answer *answer)
{
	int result = berkeley(ioth_listen(sock->file, request->head.arg[0]));

	if (result == -EADDRINUSE && serve_sock_reap(sock->serve, NULL) > 0)
		result = berkeley(ioth_listen(sock->file, request->head.arg[0]));
	if (result < 0 || sock->type != SOCK_STREAM)
		return result;
	result = join(sock, REMOTE_KIND_LISTENER, request, answer);
	if (result == 0)
		sock->state = SERVE_LISTENING;
	return result;
}

static int call_bind(struct served *sock, const struct serve_request *request)
{
	int result = berkeley(ioth_bind(sock->file, request->addr, request->head.addr));

	if (result != -EADDRINUSE)
		return result;
	/* The port may be that of a socket of which we do not know yet that it is closed. */
	serve_sock_sweep(sock->serve);
	return berkeley(ioth_bind(sock->file, request->addr, request->head.addr));
}

/** call_shutdown - of a connection whose bytes pass through: behind what was written */
static int call_shutdown(struct served *sock, const struct serve_request *request)
{
	int how = request->head.arg[0], result;

	sock->aborted = sock->state == SERVE_CONNECTING;
	if (!sock->pumping || how < SHUT_RD || how > SHUT_RDWR)
		return berkeley(ioth_shutdown(sock->file, how));
	if (how != SHUT_RD && !serve_pump_out(sock)) {
		/* The rest goes first: the pump will find the end behind it. */
		result = how == SHUT_RDWR ? berkeley(ioth_shutdown(sock->file, SHUT_RD)) : 0;
	} else {
		result = berkeley(ioth_shutdown(sock->file, how));
		sock->own_ended = sock->own_ended || (result == 0 && how != SHUT_RD);
	}
	if (result == 0)
		shutdown(request->fd, how);
	return result;
}

/* ------------------------------------------------------------------------------------------------------------ data */

/** kept - an error that was left for this call, as a negative errno; 0: none */
static int kept(struct served *sock, bool more)
{
	int error = sock->error;

	if (error == 0 || sock->pumping)
		return 0;
	if (more)
		return -ECANCELED;
	sock->error = 0;
	return -error;
}

/** keep - the result of a call that was to leave errors alone and has met one: it came after failed() */
static int keep(struct served *sock, bool more, int result)
{
	if (!more || result >= 0 || result == -EAGAIN)
		return result;
	sock->error = -result;
	return -ECANCELED;
}

/** failed - is there an error that the next call would take? */
static bool failed(const struct served *sock)
{
	struct pollfd p = {.fd = sock->file};

	return poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

static int call_send(struct served *sock, struct serve_request *request, const struct serve_answer *answer)
{
	struct iovec iov = {request->data, request->head.data};
	struct msghdr msg = {.msg_name = request->head.addr > 0 ? request->addr : NULL,
	                     .msg_namelen = request->head.addr,
	                     .msg_iov = &iov,
	                     .msg_iovlen = 1,
	                     .msg_control = request->head.control > 0 ? answer->control : NULL,
	                     .msg_controllen = request->head.control};
	int flags = (request->head.arg[0] & SEND_FLAGS) | MSG_DONTWAIT | MSG_NOSIGNAL, result;
	bool more = request->head.arg[1] != 0;

	/* In the packet they lie behind an address of any length; here they are aligned. */
	memcpy(answer->control, request->control, request->head.control);
	if (!serve_may_send(sock, request->data, request->head.data))
		return -EPERM;
	result = kept(sock, more);
	if (result < 0)
		return result;
	if (more && failed(sock))
		return -ECANCELED;
	/* It goes behind what was written to the descriptor. */
	if (sock->pumping && !serve_pump_out(sock))
		return sock->error != 0 ? -EPIPE : -EAGAIN;
	return keep(sock, more, berkeley(ioth_sendmsg(sock->file, &msg, flags)));
}

static int call_recv(struct served *sock, struct serve_request *request, struct serve_answer *answer)
{
	struct iovec iov = {answer->data, request->head.room_data};
	struct msghdr msg = {.msg_name = answer->addr,
	                     .msg_namelen = REMOTE_ADDR_MAX,
	                     .msg_iov = &iov,
	                     .msg_iovlen = 1,
	                     .msg_control = answer->control,
	                     .msg_controllen = request->head.room_control};
	int flags = request->head.arg[0] & RECV_FLAGS, queued = 0;
	ssize_t len;

	if (sock->ahead && !(flags & (MSG_ERRQUEUE | MSG_OOB)))
		return serve_ahead_recv(sock, flags, request, answer);
	if (sock->pumping && !(flags & MSG_ERRQUEUE))
		return -EINVAL; /* these bytes are on their way into the descriptor */
	if (kept(sock, true) < 0 && (ioth_ioctl(sock->file, FIONREAD, &queued) < 0 || queued == 0))
		return kept(sock, request->head.arg[1] != 0);
	if (request->head.arg[1] != 0 && failed(sock) && (ioth_ioctl(sock->file, FIONREAD, &queued) < 0 || queued == 0))
		return -ECANCELED;
	len = ioth_recvmsg(sock->file, &msg, flags | MSG_DONTWAIT);
	if (len < 0)
		return keep(sock, request->head.arg[1] != 0, -errno);
	give_addr(request, answer, msg.msg_namelen);
	answer->head.flags = (uint32_t)msg.msg_flags;
	answer->head.control = (uint32_t)msg.msg_controllen;
	answer->head.data = (uint32_t)len < request->head.room_data ? (uint32_t)len : request->head.room_data;
	/* Bytes that TCP drops are nowhere in the buffer, only somebody else's are. */
	if (sock->type == SOCK_STREAM && (flags & MSG_TRUNC) && !(flags & MSG_ERRQUEUE))
		answer->head.data = 0;
	return (int)len;
}

static int call_name(int (*call)(int, struct sockaddr *, socklen_t *), const struct served *sock,
                     const struct serve_request *request, struct serve_answer *answer)
{
	socklen_t len = REMOTE_ADDR_MAX;

	if (call(sock->file, answer->addr, &len) < 0)
		return -errno;
	give_addr(request, answer, len);
	return 0;
}

/** call_close - the client has closed the descriptor whose inode is in arg: was it the last one? */
static int call_close(struct serve_conn *conn, const struct serve_request *request, struct serve_answer *answer)
{
	struct serve *serve = conn->serve;
	ino_t inode = (ino_t)(uint32_t)request->head.arg[0] | (ino_t)(uint32_t)request->head.arg[1] << 32;
	struct served *sock = serve_sock_by_inode(serve, inode);

	if (sock == NULL)
		return 0;
	/* Who closes the last descriptor of a socket that lingers is answered by serve_sock_release. */
	if (sock->type == SOCK_STREAM && sock->closer == NULL && serve_lingers(sock->file) && !serve_sock_alive(sock)) {
		sock->closer = conn;
		answer->later = conn->lingers = true;
	}
	serve_sock_check(sock);
	if (!sock->dead)
		sock->suspect = true;
	if (!sock->dead && !sock->closing)
		serve_alarm(serve);
	return 0;
}

/* -------------------------------------------------------------------------------------------------------- dispatch */

/** call_on - a call on request->sock */
static int call_on(struct serve_conn *conn, struct serve_request *request, struct serve_answer *answer)
{
	struct served *sock = request->sock;

	switch ((enum remote_op)request->head.op) {
	case REMOTE_BIND:
		return call_bind(sock, request);
	case REMOTE_CONNECT:
		return call_connect(sock, request, answer);
	case REMOTE_LISTEN:
		return call_listen(sock, request, answer);
	case REMOTE_ACCEPT:
		return call_accept(conn, request, answer);
	case REMOTE_GETSOCKNAME:
		return call_name(ioth_getsockname, sock, request, answer);
	case REMOTE_GETPEERNAME:
		return call_name(ioth_getpeername, sock, request, answer);
	case REMOTE_SETSOCKOPT:
		return serve_setsockopt(sock, request);
	case REMOTE_GETSOCKOPT:
		return serve_getsockopt(sock, request, answer);
	case REMOTE_SHUTDOWN:
		return call_shutdown(sock, request);
	case REMOTE_IOCTL:
		return serve_ioctl(sock, request, answer);
	case REMOTE_SEND:
		return call_send(sock, request, answer);
	case REMOTE_RECV:
		return call_recv(sock, request, answer);
	case REMOTE_WAIT:
		answer->later = true;
		return 0;
	default:
		return -ENOSYS;
	}
}

/** go_ahead - a plain question for a datagram: further ones need not be asked for */
static void go_ahead(struct served *sock, const struct serve_request *request)
{
	if (request->head.op != REMOTE_RECV || request->head.arg[2] != 1 || !serve_ahead_can(sock) ||
	    (sock->shown & (EPOLLERR | EPOLLRDHUP | EPOLLHUP)))
		return;
	serve_show_none(sock, request->fd);
	serve_ahead_begin(sock);
	/* Others who wait are to look for themselves. */
	sock->seen |= EPOLLIN;
	serve_conn_awake(sock);
}

/** renewed - the socket is as good as new again, and its user's end cannot show that: another one goes along */
static void renewed(struct served *sock, const struct serve_request *request, struct serve_answer *answer)
{
	if (sock->shape != SERVE_STREAM || sock->pumping || sock->state == SERVE_CONNECTING || answer->fd >= 0 ||
	    (sock->seen & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)) != EPOLLHUP)
		return;
	sock->state = SERVE_IDLE;
	serve_sock_renew(sock, true, fcntl(request->fd, F_GETFL) & O_NONBLOCK, &answer->fd);
}

void serve_call(struct serve_conn *conn, struct serve_request *request, struct serve_answer *answer)
{
	int *result = &answer->head.result;

	switch ((enum remote_op)request->head.op) {
	case REMOTE_SOCKET:
		*result = call_socket(conn, request, answer);
		return;
	case REMOTE_SOCKETS:
		*result = call_sockets(conn);
		return;
	case REMOTE_STOP:
		*result = call_stop(conn);
		return;
	case REMOTE_CLOSE:
		*result = call_close(conn, request, answer);
		return;
	default:
		break;
	}
	if (request->sock == NULL) {
		*result = -ENOTSOCK;
		return;
	}
	*result = call_on(conn, request, answer);
	if (answer->later)
		return;
	/* A new user's end takes the place of the one that came along. */
	serve_sock_sync(request->sock, 0,
	                answer->fd >= 0 && request->head.op != REMOTE_ACCEPT ? answer->fd : request->fd);
	renewed(request->sock, request, answer);
	go_ahead(request->sock, request);
}
