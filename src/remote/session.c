/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * session.c - connections to the server, and questions over them.
 *
 * A question takes a connection for itself, so there are as many as there are calls in progress, of which a few are
 * kept for the next. There is no lock and no memory is allocated: a slot is taken by one atomic exchange. So a question
 * may be asked in a signal handler, and a fork at any moment leaves nothing locked.
 *
 * Questions are answered at once, but for a patient one, which a signal ends (wait.c).
 *
 * After fork the connections are the parent's: the child finds another process number and begins with new ones, in the
 * same session. A child of vfork(2) shares this memory and does the same; the parent then finds its own number missing
 * and does it again. That is why a connection is never used, nor closed, unless the inode under its number is the one
 * it was: a number may mean something else in the other process, or have been closed by a program that closes
 * everything.
 *
 * The numbers are high, where programs do not look for theirs.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <unistd.h>

enum { SLOT_EMPTY, SLOT_IDLE, SLOT_BUSY };

static const struct remote_next libc = {
        .socket = socket,
        .connect = connect,
        .close = close,
        .fcntl = fcntl,
        .poll = poll,
        .ppoll = ppoll,
        .shutdown = shutdown,
        .getsockname = getsockname,
        .getpeername = getpeername,
        .getsockopt = getsockopt,
        .setsockopt = setsockopt,
        .ioctl = ioctl,
        .recv = recv,
        .recvmsg = recvmsg,
        .sendmsg = sendmsg,
};

const struct remote_next *remote__next = &libc;

void remote_set_next(const struct remote_next *next)
{
	remote__next = next;
}

static int (*replace)(int fd, int file);

void remote_set_renew(int (*renew)(int fd, int file))
{
	replace = renew;
}

/* ----------------------------------------------------------------------------------------------------- connections */

/** conn_open - connect to the server and say hello, for a call that may have to wait (or NULL); the descriptor; @hello
 * gets the names that it answers with */
static int conn_open(struct remote *r, struct remote__waiting *waiting, char hello[2 * REMOTE_NAME_DIGITS]);

/** conn_is - is the connection still what it was? */
static bool conn_is(int fd, ino_t inode)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == inode;
}

/** new_process - this process has no connection yet: those that there are were another's */
static void new_process(struct remote *r)
{
	pid_t me = getpid();

	if (atomic_exchange_explicit(&r->pid, me, memory_order_acq_rel) == me)
		return;
	for (int i = 0; i < REMOTE_SLOTS; i++) {
		struct remote__slot *slot = &r->slots[i];

		if (slot->fd >= 0 && conn_is(slot->fd, slot->inode))
			remote__next->close(slot->fd);
		slot->fd = -1;
		atomic_store_explicit(&slot->state, SLOT_EMPTY, memory_order_release);
	}
}

/** struct conn - a connection that a question has for itself */
struct conn {
	struct remote__slot *slot; /* NULL: it is not kept */
	int fd;
	ino_t inode;
	bool fresh;
};

/** conn_take - a connection that is idle, or a new one; 0 or a negative errno */
static int conn_take(struct remote *r, struct remote__waiting *waiting, struct conn *conn)
{
	char hello[2 * REMOTE_NAME_DIGITS];
	struct stat st;

	if (atomic_load_explicit(&r->pid, memory_order_relaxed) != getpid())
		new_process(r);
	*conn = (struct conn){.fd = -1};
	for (int i = 0; i < REMOTE_SLOTS && conn->slot == NULL; i++) {
		struct remote__slot *slot = &r->slots[i];
		int state = atomic_load_explicit(&slot->state, memory_order_relaxed);

		if (state != SLOT_BUSY &&
		    atomic_compare_exchange_strong_explicit(&slot->state, &state, SLOT_BUSY, memory_order_acquire,
		                                            memory_order_relaxed))
			conn->slot = slot;
	}
	if (conn->slot != NULL && conn_is(conn->slot->fd, conn->slot->inode)) {
		conn->fd = conn->slot->fd;
		conn->inode = conn->slot->inode;
		return 0;
	}
	conn->fresh = true;
	conn->fd = conn_open(r, waiting, hello);
	if (conn->fd >= 0 && fstat(conn->fd, &st) == 0)
		conn->inode = st.st_ino;
	/* A server that was started again has another name; what the old one had made is dead. */
	if (conn->fd >= 0 && memcmp(r->name + sizeof(REMOTE_NAME) - 1, hello, REMOTE_NAME_DIGITS) != 0)
		memcpy(r->name + sizeof(REMOTE_NAME) - 1, hello, REMOTE_NAME_DIGITS);
	if (conn->slot == NULL)
		return conn->fd < 0 ? conn->fd : 0;
	conn->slot->fd = conn->fd;
	conn->slot->inode = conn->inode;
	if (conn->fd >= 0)
		return 0;
	atomic_store_explicit(&conn->slot->state, SLOT_EMPTY, memory_order_release);
	return conn->fd;
}

/** conn_give - the question is over; @good: the connection can have another one */
static void conn_give(struct conn *conn, bool good)
{
	if ((!good || conn->slot == NULL) && conn_is(conn->fd, conn->inode))
		remote__next->close(conn->fd);
	if (conn->slot == NULL)
		return;
	if (!good)
		conn->slot->fd = -1;
	atomic_store_explicit(&conn->slot->state, good ? SLOT_IDLE : SLOT_EMPTY, memory_order_release);
}

/* -------------------------------------------------------------------------------------------------------- messages */

/* The head, an address, control messages, and the pieces of the data */
#define PARTS (3 + REMOTE_PIECES)

/** send_message - 0 or a negative errno */
static int send_message(int fd, struct remote__ask *ask)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov[PARTS];
	struct msghdr msg = {.msg_iov = iov};
	size_t n = 0, left = REMOTE_DATA_MAX;

	iov[n++] = (struct iovec){&ask->head, sizeof(ask->head)};
	iov[n++] = (struct iovec){(void *)(uintptr_t)ask->addr, ask->head.addr};
	iov[n++] = (struct iovec){(void *)(uintptr_t)ask->control, ask->head.control};
	ask->head.data = 0;
	for (size_t i = 0; i < ask->iovcnt && n < PARTS; i++) {
		size_t len = ask->iov[i].iov_len < left ? ask->iov[i].iov_len : left;

		iov[n++] = (struct iovec){ask->iov[i].iov_base, len};
		ask->head.data += (uint32_t)len;
		left -= len;
	}
	msg.msg_iovlen = n;
	if (ask->fd >= 0) {
		struct cmsghdr *cmsg = (struct cmsghdr *)control;

		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		*cmsg = (struct cmsghdr){
		        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
		memcpy(CMSG_DATA(cmsg), &ask->fd, sizeof(int));
	}
	while (remote__next->sendmsg(fd, &msg, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/** descriptor_of - what came with a message, or -1 */
static int descriptor_of(struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	int fd = -1;

	if (cmsg != NULL && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS &&
	    cmsg->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
	return fd;
}

/** interrupted - a handler has run while the answer was waited for */
static bool interrupted(struct remote__ask *ask)
{
	if (errno != EINTR)
		return false;
	if (ask->waiting != NULL)
		ask->waiting->interrupted = true;
	return true;
}

/** measure - how long the parts of the answer are, which stays where it is: 0 or a negative errno */
static int measure(int fd, struct remote__ask *ask)
{
	struct remote_reply *reply = &ask->reply;
	ssize_t len;

	while ((len = remote__next->recv(fd, reply, sizeof(*reply), MSG_PEEK)) < 0 && interrupted(ask))
		;
	if (len < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (len != (ssize_t)sizeof(*reply) || reply->addr > ask->head.room_addr ||
	    reply->control > ask->head.room_control || reply->data > ask->head.room_data)
		return -EPIPE;
	return 0;
}

/** places - where the parts of an answer that was measured belong; how many parts */
static size_t places(struct remote__ask *ask, struct iovec iov[PARTS])
{
	struct remote_reply *reply = &ask->reply;
	size_t n = 0, left = reply->data;

	iov[n++] = (struct iovec){reply, sizeof(*reply)};
	iov[n++] = (struct iovec){ask->to_addr, reply->addr};
	iov[n++] = (struct iovec){ask->to_control, reply->control};
	for (size_t i = 0; i < ask->to_iovcnt && n < PARTS && left > 0; i++) {
		iov[n] = ask->to_iov[i];
		if (iov[n].iov_len > left)
			iov[n].iov_len = left;
		left -= iov[n++].iov_len;
	}
	return n;
}

/**
 * receive_message - the answer, its parts into the program's buffers
 *
 * One that can have no parts is received at once. Returns 0; -EFAULT for a bad buffer, -EMFILE when there was no number
 * for a descriptor, the connection being good; another negative errno when it is not.
 */
static int receive_message(int fd, struct remote__ask *ask)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	bool parts = ask->head.room_addr + ask->head.room_control + ask->head.room_data > 0;
	struct iovec iov[PARTS];
	struct msghdr msg = {
	        .msg_iov = iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	int result = 0;
	ssize_t len;

	if (ask->waiting != NULL && ask->waiting->held.any)
		result = remote__waiting_sleep(ask->waiting, fd, ask->patient);
	if (result == 0 && parts)
		result = measure(fd, ask);
	if (result < 0)
		return result;
	iov[0] = (struct iovec){&ask->reply, sizeof(ask->reply)};
	if (parts)
		msg.msg_iovlen = places(ask, iov);
	while ((len = remote__next->recvmsg(fd, &msg, MSG_CMSG_CLOEXEC)) < 0 && interrupted(ask))
		;
	if (len < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	ask->got = descriptor_of(&msg);
	if (len >= (ssize_t)sizeof(ask->reply) && ask->reply.op == ask->head.op &&
	    (parts || !(msg.msg_flags & MSG_TRUNC)))
		return msg.msg_flags & MSG_CTRUNC ? -EMFILE : 0;
	if (ask->got >= 0)
		remote__next->close(ask->got);
	ask->got = -1;
	return -EPIPE;
}

/** renew_number - put @file under a number that is still the file of inode @old; its FD_CLOEXEC stays */
static void renew_number(int number, ino_t old, int file)
{
	int flags = remote__next->fcntl(number, F_GETFD);
	struct stat there;

	if (flags >= 0 && fstat(number, &there) == 0 && there.st_ino == old)
		dup3(file, number, flags & FD_CLOEXEC ? O_CLOEXEC : 0);
}

/** renew - the socket has got another file, which takes the place of the one that the program and the call have */
static void renew(const struct remote__ask *ask, int file)
{
	struct stat old;

	if (fstat(ask->fd, &old) == 0) {
		if (replace != NULL)
			replace(ask->number, file);
		renew_number(ask->number, old.st_ino, file);
		renew_number(ask->fd, old.st_ino, file);
	}
	remote__next->close(file);
}

/** exchange - a question over a connection, and the answer; whether another connection should be tried in @again */
static int exchange(const struct conn *conn, struct remote__ask *ask, bool *good, bool *again)
{
	int result;

	*again = false;
	*good = true;
	ask->got = -1;
	result = send_message(conn->fd, ask);
	if (result == -EPIPE || result == -ECONNRESET || result == -ENOTCONN) {
		/* The server is another one by now. */
		*good = false;
		*again = !conn->fresh;
		return -ENETDOWN;
	}
	/* Nothing has been sent: a bad buffer, a descriptor that is none, no memory. */
	if (result < 0)
		return result == -ETOOMANYREFS ? -EMFILE : result;
	result = receive_message(conn->fd, ask);
	*good = result == 0 || result == -EFAULT || result == -EMFILE;
	if (*good && ask->head.op == REMOTE_SOCKET && (ask->reply.flags & REMOTE_HANDED_OVER)) {
		struct remote__ask closed = {.head = {.op = REMOTE_SOCKET}};

		*good = receive_message(conn->fd, &closed) == 0;
	}
	if (result == -EPIPE)
		return -ENETDOWN;
	return result < 0 ? result : ask->reply.result;
}

/** abandon - the thread is cancelled while it waits for an answer */
static void abandon(void *arg)
{
	conn_give(arg, false);
}

int remote__ask(struct remote *r, struct remote__ask *ask)
{
	int state, result;
	struct conn conn;
	bool good, again;

	if (ask->waiting != NULL) {
		ask->fd = ask->waiting->fd;
		ask->number = ask->waiting->number;
		if (!ask->waiting->late)
			remote__waiting_hold(ask->waiting);
	}
	if (ask->number < 0)
		ask->number = ask->fd;
	do {
		/* Nothing is to be left half done by a thread that is cancelled, except waiting. */
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
		result = conn_take(r, ask->waiting, &conn);
		if (result < 0) {
			pthread_setcancelstate(state, NULL);
			return result == -ENOENT || result == -ECONNREFUSED ? -ENETDOWN : result;
		}
		pthread_cleanup_push(abandon, &conn);
		if (ask->patient)
			pthread_setcancelstate(state, NULL);
		result = exchange(&conn, ask, &good, &again);
		if (ask->patient)
			pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
		pthread_cleanup_pop(0);
		conn_give(&conn, good);
		pthread_setcancelstate(state, NULL);
	} while (again);
	if (ask->got >= 0 && ask->head.op != REMOTE_SOCKET && ask->head.op != REMOTE_ACCEPT) {
		renew(ask, ask->got);
		ask->got = -1;
	}
	return result;
}

int remote__simple(struct remote *r, enum remote_op op, int fd, int a, int b, int c)
{
	struct remote__ask ask = {.head = {.op = op, .arg = {a, b, c}}, .fd = fd, .number = -1};

	return remote__ask(r, &ask);
}

/* -------------------------------------------------------------------------------------------------------- sessions */

static int conn_open(struct remote *r, struct remote__waiting *waiting, char hello[2 * REMOTE_NAME_DIGITS])
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct iovec session = {r->session, strlen(r->session)}, names = {hello, 2 * REMOTE_NAME_DIGITS};
	struct remote__ask ask = {.head = {.op = REMOTE_HELLO,
	                                   .arg = {(int32_t)REMOTE_MAGIC, REMOTE_VERSION},
	                                   .room_data = 2 * REMOTE_NAME_DIGITS},
	                          .iov = &session,
	                          .iovcnt = 1,
	                          .fd = -1,
	                          .number = -1,
	                          .waiting = waiting,
	                          .to_iov = &names,
	                          .to_iovcnt = 1};
	int fd = remote__next->socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), high, result;

	if (fd < 0)
		return -errno;
	high = remote__next->fcntl(fd, F_DUPFD_CLOEXEC, REMOTE_HIGH);
	if (high >= 0) {
		remote__next->close(fd);
		fd = high;
	}
	memcpy(name.sun_path, r->path, sizeof(name.sun_path));
	result =
	        remote__next->connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0 ? -errno : send_message(fd, &ask);
	if (result == 0)
		result = receive_message(fd, &ask);
	if (result == 0)
		result = ask.reply.result;
	if (result == 0 && ask.reply.data != 2 * REMOTE_NAME_DIGITS)
		result = -EPROTO;
	if (result < 0) {
		remote__next->close(fd);
		return result == -EPIPE ? -EPROTO : result;
	}
	return fd;
}

int remote_open(const char *path, struct remote **out)
{
	char hello[2 * REMOTE_NAME_DIGITS];
	struct remote *r = calloc(1, sizeof(*r));
	struct stat st;
	int fd;

	if (r == NULL)
		return -ENOMEM;
	if (*path == '\0' || strlen(path) >= sizeof(r->path)) {
		free(r);
		return -ENAMETOOLONG;
	}
	strcpy(r->path, path);
	r->mode = REMOTE_MODE_STREAM;
	r->pid = getpid();
	for (int i = 0; i < REMOTE_SLOTS; i++)
		r->slots[i].fd = -1;
	fd = conn_open(r, NULL, hello);
	if (fd < 0 || fstat(fd, &st) < 0) {
		free(r);
		return fd < 0 ? fd : -errno;
	}
	memcpy(r->name, REMOTE_NAME, sizeof(REMOTE_NAME) - 1);
	memcpy(r->name + sizeof(REMOTE_NAME) - 1, hello, REMOTE_NAME_DIGITS);
	memcpy(r->session, hello + REMOTE_NAME_DIGITS, REMOTE_NAME_DIGITS);
	r->slots[0].fd = fd;
	r->slots[0].inode = st.st_ino;
	atomic_store_explicit(&r->slots[0].state, SLOT_IDLE, memory_order_release);
	*out = r;
	return 0;
}

void remote_end(struct remote *r)
{
	for (int i = 0; i < REMOTE_SLOTS; i++)
		if (conn_is(r->slots[i].fd, r->slots[i].inode))
			remote__next->close(r->slots[i].fd);
	free(r);
}

void remote_set_calls(struct remote *r)
{
	r->mode = REMOTE_MODE_CALLS;
}

int remote_sockets(struct remote *r)
{
	return remote__simple(r, REMOTE_SOCKETS, -1, 0, 0, 0);
}

int remote_stop(struct remote *r)
{
	return remote__simple(r, REMOTE_STOP, -1, 0, 0, 0);
}
