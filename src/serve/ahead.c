/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ahead.c - datagrams that go to the client before it asks.
 *
 * A question for each datagram costs two changes of the process. So the first plain one of a UDP socket switches it
 * over: from then on what the stack receives is put into the user's end, each datagram behind a head (struct
 * remote_ahead), and a client that finds REMOTE_KIND_AHEAD in the name of our end reads it there. The name stays, and
 * so does this way of receiving: there is nothing but heads and datagrams in the user's end, and show.c leaves it alone.
 *
 * What would be different is left to questions. A datagram with control messages stays here (held), and a head without
 * a datagram tells the client to ask for the next one of these: so heads and datagrams keep their order, whatever their
 * size. A pending error is the client's to take: nothing is read from the stack while there is one, and one that is met
 * nevertheless is kept for the next call.
 *
 * SO_PEEK_OFF counts bytes of the descriptor, which would be those of heads: with it there is nothing of all this.
 *
 * Back-pressure is the user's end: what it does not take now is held, one datagram, and no more is read till our end
 * can be written again. So the client has as many datagrams beyond its SO_RCVBUF as the buffer of the pair takes.
 */
#include "private.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define TURNS 64        /* datagrams before others have their turn */
#define ASKED_MAX 65536 /* bytes of those that wait for the client to ask; the last one may exceed it */
#define CONTROL 4096    /* room for control messages */

/** struct serve_held - a datagram as it was received */
struct serve_held {
	struct serve_held *next;
	struct remote_ahead head;
	uint32_t control;
	unsigned char bytes[]; /* control messages, then data */
};

bool serve_ahead_can(const struct served *sock)
{
	return !sock->peeks && sock->type == SOCK_DGRAM && (sock->domain == AF_INET || sock->domain == AF_INET6) &&
	       !sock->ahead;
}

/** held_new - of what lies in the buffer for answers; NULL: no memory, the datagram is lost as datagrams are */
static struct serve_held *held_new(const struct remote_ahead *head, const struct msghdr *msg, size_t len)
{
	struct serve_held *held = malloc(sizeof(*held) + msg->msg_controllen + len);

	if (held == NULL)
		return NULL;
	*held = (struct serve_held){.head = *head, .control = (uint32_t)msg->msg_controllen};
	memcpy(held->bytes, msg->msg_control, held->control);
	memcpy(held->bytes + held->control, msg->msg_iov->iov_base, len);
	return held;
}

/** put - into the user's end; 0 or a negative errno */
static int put(const struct served *sock, const struct remote_ahead *head, const void *data, size_t len)
{
	struct iovec iov[2] = {{(void *)(uintptr_t)head, sizeof(*head)}, {(void *)(uintptr_t)data, len}};
	const struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	return sendmsg(sock->own, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/** pass - a datagram goes on: into the user's end, or what it has to be asked for to the others; false: not now */
static bool pass(struct served *sock, struct serve_held *held)
{
	struct remote_ahead head = held->head;
	int result;

	head.asked = held->control > 0;
	result = put(sock, &head, held->bytes, head.asked ? 0 : head.data);
	if (result == -EMSGSIZE && !head.asked) {
		/* Too large for this machine's UNIX sockets. */
		head.asked = 1;
		result = put(sock, &head, NULL, 0);
	}
	if (result == -EAGAIN || result == -ENOBUFS || result == -ENOMEM)
		return false;
	/* Nobody has the user's end any more. */
	sock->suspect = sock->suspect || result == -ECONNREFUSED;
	if (result < 0 || !head.asked) {
		free(held);
		return true;
	}
	*sock->asked_tail = held;
	sock->asked_tail = &held->next;
	sock->asked += held->control + held->head.data;
	return true;
}

/** take - one datagram of the stack; 1, 0: there is none, or a negative errno */
static int take(struct served *sock)
{
	/* Not the buffer for answers, in which one may lie. */
	unsigned char *data = sock->serve->scratch;
	_Alignas(struct cmsghdr) char control[CONTROL];
	struct remote_ahead head = {.flags = 0};
	struct iovec iov = {data, SERVE_CHUNK};
	struct msghdr msg = {.msg_name = head.from,
	                     .msg_namelen = sizeof(head.from),
	                     .msg_control = control,
	                     .msg_controllen = sizeof(control),
	                     .msg_iov = &iov,
	                     .msg_iovlen = 1};
	ssize_t len = ioth_recvmsg(sock->file, &msg, MSG_DONTWAIT);
	struct serve_held *held;
	int result;

	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	head.flags = (uint32_t)msg.msg_flags;
	head.data = (uint32_t)len;
	head.addr = msg.msg_namelen < sizeof(head.from) ? msg.msg_namelen : sizeof(head.from);
	/* Most go through without being copied. */
	result = msg.msg_controllen == 0 ? put(sock, &head, data, (size_t)len) : -EAGAIN;
	if (result == 0)
		return 1;
	held = held_new(&head, &msg, (size_t)len);
	if (held != NULL && !pass(sock, held))
		sock->held = held;
	return 1;
}

void serve_ahead_move(struct served *sock)
{
	int turn = 0, result = 1;

	if (sock->held != NULL && pass(sock, sock->held))
		sock->held = NULL;
	if (sock->error == 0 && !(sock->seen & EPOLLERR))
		for (; result > 0 && sock->held == NULL && sock->asked < ASKED_MAX && turn < TURNS; turn++)
			result = take(sock);
	if (result < 0)
		sock->error = -result;
	if (turn == TURNS)
		serve_pump_later(sock);
	serve_sock_hear_out(sock, sock->held != NULL);
}

int serve_ahead_begin(struct served *sock)
{
	int result = serve_sock_name(sock, REMOTE_KIND_AHEAD);

	if (result < 0)
		return result;
	sock->ahead = true;
	sock->asked_tail = &sock->asked_first;
	serve_ahead_move(sock);
	return 0;
}

bool serve_ahead_shown(const struct served *sock)
{
	int there = 0;

	return ioctl(sock->own, SIOCOUTQ, &there) == 0 && there > 0;
}

int serve_ahead_recv(struct served *sock, int flags, const struct serve_request *request, struct serve_answer *answer)
{
	struct serve_held *held = sock->asked_first;
	uint32_t data, control, all;

	if (held == NULL)
		return -ESTALE;
	all = held->head.data;
	data = all < request->head.room_data ? all : request->head.room_data;
	control = held->control <= request->head.room_control ? held->control : 0;
	answer->head.addr_full = held->head.addr;
	answer->head.addr = held->head.addr < request->head.room_addr ? held->head.addr : request->head.room_addr;
	answer->head.control = control;
	answer->head.data = data;
	answer->head.flags = held->head.flags | (data < all ? (uint32_t)MSG_TRUNC : 0) |
	                     (control < held->control ? (uint32_t)MSG_CTRUNC : 0);
	memcpy(answer->addr, held->head.from, held->head.addr);
	memcpy(answer->control, held->bytes, control);
	memcpy(answer->data, held->bytes + held->control, data);
	if (flags & MSG_TRUNC)
		data = all;
	if (!(flags & MSG_PEEK)) {
		sock->asked_first = held->next;
		if (sock->asked_first == NULL)
			sock->asked_tail = &sock->asked_first;
		sock->asked -= held->control + all;
		free(held);
	}
	return (int)data;
}

void serve_ahead_forget(struct served *sock)
{
	while (sock->asked_first != NULL) {
		struct serve_held *held = sock->asked_first;

		sock->asked_first = held->next;
		free(held);
	}
	free(sock->held);
	sock->held = NULL;
}
