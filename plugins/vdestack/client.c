/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client.c - the conversation with the helper.
 *
 * One helper serves all the stacks of the process. It is started for the first of them and stays for the life of the
 * process: it sleeps when it is not asked, and starting another for each stack would cost more than the stack.
 *
 * Lock. `talk` is held by the thread that talks to the helper, while it waits for an answer, too. Answers come in the
 * order of the questions. A question may be left without anybody waiting for its answer (stock.c does that); whoever
 * waits for a later one takes it in, and gives it to stock_arrived.
 *
 * A connection that fails, or ends, is the end of the helper for its stacks (*dead*): their sockets go on, since they
 * are the kernel's, but there are no new ones, and no network. The next new stack starts another helper.
 *
 * The descriptor of the connection is one among the program's, and there are programs that close descriptors they
 * know nothing of. So it is looked at before anything is said: if it is not the socket it was, the helper is gone as
 * well.
 *
 * fork(2). A connection belongs to one process. The child of a fork inherits the descriptor, and uses it only once,
 * to send one end of a new pair over it (WIRE_CONNECT).
 */
#include "client.h"

#include "launch.h"
#include "stock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct client {
	int fd;            /* the connection, or -1 when the helper is gone */
	ino_t inode;       /* of the connection, to know it by */
	pid_t process;     /* whose connection it is */
	unsigned int refs; /* stacks, and one for being current */
	uint32_t seq;      /* of the last question */
};

static pthread_mutex_t talk = PTHREAD_MUTEX_INITIALIZER;
static struct client *current; /* the helper for new stacks */
static int cancel_state;       /* of the thread that talks: socket(2) is no cancellation point, and no lock is left */

void client_lock(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_mutex_lock(&talk);
	cancel_state = state;
}

bool client_trylock(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	if (pthread_mutex_trylock(&talk) == 0) {
		cancel_state = state;
		return true;
	}
	pthread_setcancelstate(state, NULL);
	return false;
}

void client_unlock(void)
{
	int state = cancel_state;

	pthread_mutex_unlock(&talk);
	pthread_setcancelstate(state, NULL);
}

/* ------------------------------------------------------------------------------------------- the connection */

/** is_ours - is the descriptor of the connection still the connection? */
static bool is_ours(const struct client *client)
{
	struct stat st;

	return fstat(client->fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == client->inode;
}

/** has_ended - is there nobody at the other end? */
static bool has_ended(const struct client *client)
{
	struct pollfd pfd = {.fd = client->fd};

	return poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLHUP);
}

/** adopt - use @fd, which becomes the client's, for the connection */
static int adopt(struct client *client, int fd)
{
	struct stat st;
	int high;

	/* out of the way: programs expect low numbers to be theirs */
	high = fcntl(fd, F_DUPFD_CLOEXEC, STOCK_FD_MIN);
	if (high >= 0) {
		close(fd);
		fd = high;
	}
	if (fstat(fd, &st) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	client->fd = fd;
	client->inode = st.st_ino;
	client->process = getpid();
	return 0;
}

/** unref - one reference less. The lock is held */
static void unref(struct client *client)
{
	if (--client->refs > 0)
		return;
	if (client->fd >= 0 && is_ours(client))
		close(client->fd);
	free(client);
}

/** die - the helper is gone; returns what is to be returned for that */
static int die(struct client *client)
{
	if (client->fd >= 0) {
		if (is_ours(client))
			close(client->fd);
		client->fd = -1;
		stock_forget_questions(client);
	}
	if (client == current) {
		current = NULL;
		unref(client);
	}
	return -ENETDOWN;
}

/** lost - the helper is gone, unexpectedly */
static int lost(struct client *client)
{
	if (client->fd >= 0)
		fprintf(stderr, "libioth: vdestack: the helper has ended: the stacks it served are off the network\n");
	return die(client);
}

/** reconnect - in a forked process: over the parent's connection ask for one of our own */
static int reconnect(struct client *client)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.align = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
	struct wire_request request = {.op = WIRE_CONNECT};
	struct iovec iov = {&request, sizeof(request)};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	int pair[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	memcpy(CMSG_DATA(&control.align), &pair[1], sizeof(int));
	err = sendmsg(client->fd, &msg, MSG_NOSIGNAL) < 0 ? -ENETDOWN : 0;
	close(pair[1]);
	if (err) {
		close(pair[0]);
		return err;
	}
	close(client->fd); /* before the new one is moved, or the helper would never see the parent end */
	client->fd = -1;
	return adopt(client, pair[0]);
}

/** ready - the connection can be used, by this process */
static int ready(struct client *client)
{
	if (client->fd < 0)
		return -ENETDOWN;
	if (!is_ours(client))
		return lost(client);
	if (client->process != getpid() && reconnect(client) != 0)
		return lost(client);
	return 0;
}

void client_forked(void)
{
	/* A process in a new pid namespace may have the same number. */
	if (current)
		current->process = 0;
}

/* ----------------------------------------------------------------------------------------- saying, listening */

int client_send(struct client *client, struct wire_request *request)
{
	int err = ready(client);
	ssize_t sent;

	if (err)
		return err;
	request->seq = ++client->seq;
	do
		sent = send(client->fd, request, sizeof(*request), MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)sizeof(*request) ? 0 : lost(client);
}

/** take_fds - the descriptors beside a message */
static void take_fds(struct msghdr *msg, struct client_reply *reply)
{
	reply->fds = 0;
	reply->truncated = (msg->msg_flags & MSG_CTRUNC) != 0;
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		reply->fds = (unsigned int)((cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(reply->fd, CMSG_DATA(cmsg), reply->fds * sizeof(int));
	}
}

/** receive_message - the next message, with the descriptors that come with it */
static int receive_message(struct client *client, struct client_reply *reply)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(reply->fd))];
	} control;
	struct iovec iov = {&reply->wire, sizeof(reply->wire)};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t got;

	do
		got = recvmsg(client->fd, &msg, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	reply->fds = 0;
	if (got > 0)
		take_fds(&msg, reply);
	if (got == (ssize_t)sizeof(reply->wire) && !(msg.msg_flags & MSG_TRUNC))
		return 0;
	client_drop(reply);
	return -ENETDOWN;
}

/** receive - the next answer; sockets come in two messages, see WIRE_SOCKET */
static int receive(struct client *client, struct client_reply *reply)
{
	struct client_reply settled;
	int err = receive_message(client, reply);

	if (err || reply->wire.op != WIRE_SOCKET || reply->wire.fds == 0)
		return err;
	err = receive_message(client, &settled);
	if (!err && settled.wire.seq != reply->wire.seq) {
		client_drop(&settled);
		err = -ENETDOWN;
	}
	if (err)
		client_drop(reply);
	return err;
}

void client_drop(struct client_reply *reply)
{
	while (reply->fds > 0)
		close(reply->fd[--reply->fds]);
}

int client_wait(struct client *client, uint32_t seq, struct client_reply *reply)
{
	int err;

	reply->fds = 0;
	if (client->fd < 0)
		return -ENETDOWN;
	for (;;) {
		err = receive(client, reply);
		if (err) {
			err = lost(client);
			break;
		}
		if (reply->wire.seq == seq)
			break;
		stock_arrived(reply);
	}
	return err;
}

int client_ask(struct client *client, struct wire_request *request, struct client_reply *reply)
{
	int err;

	client_lock();
	err = client_send(client, request);
	if (!err)
		err = client_wait(client, request->seq, reply);
	client_unlock();
	return err ? err : -reply->wire.error;
}

int client_tell(struct client *client, struct wire_request *request)
{
	int err;

	client_lock();
	err = client_send(client, request);
	client_unlock();
	return err;
}

/* --------------------------------------------------------------------------------------- beginning and ending */

/** lacks_rights - has this process less than what it takes to have network namespaces without a user namespace? */
static bool lacks_rights(void)
{
	/* CAP_NET_ADMIN 12, CAP_NET_RAW 13, CAP_SYS_ADMIN 21 */
	const uint32_t needed = 1u << 12 | 1u << 13 | 1u << 21;
	struct {
		uint32_t version;
		int pid;
	} header = {0x20080522, 0}; /* _LINUX_CAPABILITY_VERSION_3 */
	struct {
		uint32_t effective, permitted, inheritable;
	} data[2];

	return syscall(SYS_capget, &header, data) < 0 || (data[0].effective & needed) != needed;
}

/** hello - the first words to a new helper */
static int hello(struct client *client)
{
	struct wire_request request = {.op = WIRE_HELLO};
	struct client_reply reply;
	ssize_t sent;

	request.hello.version = WIRE_VERSION;
	request.hello.userns = lacks_rights();
	request.seq = ++client->seq;
	sent = send(client->fd, &request, sizeof(request), MSG_NOSIGNAL);
	/* Where it could not be executed this is said instead, unasked for, and then there is nobody to send to. */
	if (sent < 0 && errno != EPIPE)
		return -errno;
	if (receive(client, &reply) != 0)
		return launch_refused(WIRE_STEP_OTHER, ECONNRESET);
	client_drop(&reply);
	return reply.wire.error ? launch_refused(reply.wire.hello.step, reply.wire.error) : 0;
}

/** start - a new helper, current from now on. The lock is held */
static int start(void)
{
	struct client *client = calloc(1, sizeof(*client));
	int fd, err;

	if (client == NULL)
		return -ENOMEM;
	fd = launch();
	err = fd < 0 ? fd : adopt(client, fd);
	if (!err) {
		err = hello(client);
		if (err)
			close(client->fd);
	}
	if (err) {
		free(client);
		return err;
	}
	client->refs = 1;
	current = client;
	return 0;
}

int client_get(struct client **out)
{
	int err = 0;

	client_lock();
	if (current && (!is_ours(current) || has_ended(current)))
		lost(current);
	if (current == NULL)
		err = start();
	if (!err) {
		current->refs++;
		*out = current;
	}
	client_unlock();
	return err;
}

void client_put(struct client *client)
{
	client_lock();
	unref(client);
	client_unlock();
}
