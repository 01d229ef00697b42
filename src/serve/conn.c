/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conn.c - a connection of a client: its messages, and whether it may.
 *
 * A message is measured first: it is exactly as long as its head says, no part is longer than allowed, and it carries
 * at most one descriptor. A client that sends anything else, or asks before it was answered, is not one of ours and is
 * disconnected; other clients do not notice. An answer is sent without waiting: a client that does not read has no room
 * for it and is disconnected as well.
 */
#include "private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* -------------------------------------------------------------------------------------------------------- accounts */

/** account_of - the account of the process at the other end, made if need be; NULL: not allowed, too many, no memory;
 * @error says which */
static struct serve_account *account_of(struct serve *serve, int fd, int *error)
{
	const struct ioth_serve_options *options = serve->options;
	struct serve_account *account;
	struct ucred who;
	socklen_t len = sizeof(who);
	bool allowed = options->allow_uids == NULL;

	*error = -EACCES;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return NULL;
	for (size_t i = 0; i < options->allow_count && !allowed; i++)
		allowed = options->allow_uids[i] == who.uid;
	if (!allowed)
		return NULL;
	for (account = serve->accounts; account != NULL; account = account->next)
		if (account->pid == who.pid && account->uid == who.uid)
			break;
	*error = -EUSERS;
	if (account != NULL)
		return account->connections < options->max_connections ? account : NULL;
	if (serve->clients >= options->max_clients)
		return NULL;
	*error = -ENOMEM;
	account = calloc(1, sizeof(*account));
	if (account == NULL)
		return NULL;
	*account = (struct serve_account){.pid = who.pid, .uid = who.uid, .next = serve->accounts};
	serve->accounts = account;
	serve->clients++;
	return account;
}

/** account_settle - forget accounts of processes that have nothing any more */
static void account_settle(struct serve *serve)
{
	for (struct serve_account **p = &serve->accounts, *account; (account = *p) != NULL;) {
		if (account->connections > 0 || account->sockets > 0) {
			p = &account->next;
			continue;
		}
		*p = account->next;
		free(account);
		serve->clients--;
	}
}

/* --------------------------------------------------------------------------------------------------------- answers */

/**
 * send_answer - the head and its parts, and a descriptor; false: the client has no room for it
 *
 * Descriptors that are on their way are counted for the user, whichever of its processes has sent them (unix(7)). When
 * there are too many this one stays here, and the answer becomes EMFILE.
 */
static bool send_answer(struct serve_conn *conn, struct serve_answer *answer)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov[4] = {{&answer->head, sizeof(answer->head)},
	                       {answer->addr, answer->head.addr},
	                       {answer->control, answer->head.control},
	                       {answer->data, answer->head.data}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 4};

	if (answer->fd >= 0) {
		struct cmsghdr *cmsg = (struct cmsghdr *)control;

		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		*cmsg = (struct cmsghdr){
		        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
		memcpy(CMSG_DATA(cmsg), &answer->fd, sizeof(int));
	}
	if (sendmsg(conn->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return true;
	if (errno != ETOOMANYREFS)
		return false;
	answer->head = (struct remote_reply){.op = answer->head.op, .result = -EMFILE};
	answer->kept = true;
	return send(conn->fd, &answer->head, sizeof(answer->head), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

/** close_sent - the descriptor that has gone with an answer: if it has not, nobody has the socket */
static void close_sent(struct serve *serve, const struct serve_answer *answer)
{
	struct served *sock = answer->kept ? serve_sock_find(serve, answer->fd) : NULL;

	/* It may be a socket of the stack, of which libioth should know. */
	ioth_close(answer->fd);
	if (sock != NULL)
		serve_sock_check(sock);
}

/** parts - where in the buffer for messages the parts of an answer are written */
static void parts(struct serve *serve, struct serve_answer *answer)
{
	*answer = (struct serve_answer){.addr = serve->out,
	                                .control = serve->out + REMOTE_ADDR_MAX,
	                                .data = serve->out + REMOTE_ADDR_MAX + REMOTE_CONTROL_MAX,
	                                .fd = -1};
}

/** simple - answer @op with a result and nothing else */
static void simple(struct serve_conn *conn, uint32_t op, int result, uint32_t flags)
{
	struct serve_answer answer;

	parts(conn->serve, &answer);
	answer.head = (struct remote_reply){.op = op, .result = result, .flags = flags};
	if (!send_answer(conn, &answer))
		serve_conn_close(conn);
}

/* ----------------------------------------------------------------------------------------------------------- waits */

static void wait_cancel(struct serve_conn *conn)
{
	struct serve_conn **p = &conn->waits->waiters;

	while (*p != conn)
		p = &(*p)->wait_next;
	*p = conn->wait_next;
	conn->waits = NULL;
}

void serve_conn_awake(struct served *sock)
{
	struct serve_conn *conn = sock->waiters;

	while (conn != NULL) {
		uint32_t got = sock->seen & (conn->wait_events | POLLERR | POLLHUP);

		if (got == 0 && !sock->dead) {
			conn = conn->wait_next;
			continue;
		}
		wait_cancel(conn);
		simple(conn, REMOTE_WAIT, (int)(got != 0 ? got : POLLHUP), 0);
		/* The answer may have closed its connection, and that others: from the beginning. */
		conn = sock->waiters;
	}
}

void serve_conn_closed(struct serve_conn *conn)
{
	conn->lingers = false;
	simple(conn, REMOTE_CLOSE, 0, 0);
}

static void wait_begin(struct serve_conn *conn, struct served *sock, uint32_t events)
{
	conn->waits = sock;
	conn->wait_events = events;
	conn->wait_next = sock->waiters;
	sock->waiters = conn;
	serve_sock_sync(sock, 0, -1);
	serve_conn_awake(sock);
}

/* -------------------------------------------------------------------------------------------------------- requests */

/** greet - the first message */
static int greet(struct serve_conn *conn, const struct serve_request *request, struct serve_answer *answer)
{
	char digits[REMOTE_NAME_DIGITS + 1] = "", *end = NULL;
	int error;

	if (request->head.op != REMOTE_HELLO || (uint32_t)request->head.arg[0] != REMOTE_MAGIC)
		return -EBADMSG;
	answer->head.flags = REMOTE_VERSION;
	if (request->head.arg[1] != REMOTE_VERSION)
		return -EPROTO;
	if (request->head.data != 0 && request->head.data != REMOTE_NAME_DIGITS)
		return -EBADMSG;
	conn->account = account_of(conn->serve, conn->fd, &error);
	if (conn->account == NULL)
		return error;
	conn->account->connections++;
	conn->greeted = true;
	if (request->head.data == 0) {
		error = serve_random(digits, REMOTE_NAME_DIGITS);
		if (error < 0)
			return error;
	} else {
		memcpy(digits, request->data, REMOTE_NAME_DIGITS);
	}
	conn->session = strtoull(digits, &end, 16);
	if (end != digits + REMOTE_NAME_DIGITS)
		return -EBADMSG;
	memcpy(answer->data, conn->serve->id, REMOTE_NAME_DIGITS);
	memcpy((char *)answer->data + REMOTE_NAME_DIGITS, digits, REMOTE_NAME_DIGITS);
	answer->head.data = 2 * REMOTE_NAME_DIGITS;
	return 0;
}

/** measure - take a message apart; false: it is not what it says */
static bool measure(struct serve *serve, size_t len, struct serve_request *request)
{
	struct remote_request *head = &request->head;

	if (len < sizeof(*head))
		return false;
	memcpy(head, serve->in, sizeof(*head));
	if (head->addr > REMOTE_ADDR_MAX || head->control > REMOTE_CONTROL_MAX || head->data > REMOTE_DATA_MAX ||
	    len != sizeof(*head) + head->addr + head->control + head->data)
		return false;
	/* Room for more than there can be is none. */
	if (head->room_addr > REMOTE_ADDR_MAX)
		head->room_addr = REMOTE_ADDR_MAX;
	if (head->room_control > REMOTE_CONTROL_MAX)
		head->room_control = REMOTE_CONTROL_MAX;
	if (head->room_data > REMOTE_DATA_MAX)
		head->room_data = REMOTE_DATA_MAX;
	request->addr = serve->in + sizeof(*head);
	request->control = (char *)request->addr + head->addr;
	request->data = (char *)request->control + head->control;
	return head->op > 0 && head->op < REMOTE_OPS;
}

/** receive - the next packet and the descriptor with it; its length, 0: none now, negative: the connection is over */
static ssize_t receive(struct serve_conn *conn, int *fd, bool *cut)
{
	/* Room for one descriptor: the kernel drops others, and says so. */
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {conn->serve->in, REMOTE_MESSAGE_MAX};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t len = recvmsg(conn->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg;

	*fd = -1;
	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg != NULL && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS &&
	    cmsg->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(cmsg), sizeof(int));
	*cut = msg.msg_flags & MSG_CTRUNC;
	return len == 0 || (msg.msg_flags & MSG_TRUNC) ? -1 : len;
}

/** answer_call - do what a measured request says */
static void answer_call(struct serve_conn *conn, struct serve_request *request, bool cut)
{
	struct serve *serve = conn->serve;
	struct serve_answer answer;
	bool refused = false;

	parts(serve, &answer);
	answer.head.op = request->head.op;
	if (!conn->greeted) {
		answer.head.result = greet(conn, request, &answer);
		if (answer.head.result == -EBADMSG) {
			serve_conn_close(conn);
			return;
		}
		refused = answer.head.result < 0;
	} else {
		request->sock = serve_sock_find(serve, request->fd);
		/* There was one, for which there is no room here. */
		if (request->fd < 0 && cut)
			answer.head.result = -EMFILE;
		else
			serve_call(conn, request, &answer);
	}
	if (answer.later && request->head.op != REMOTE_WAIT)
		; /* serve_conn_closed answers, or has done so already */
	else if (answer.later)
		wait_begin(conn, request->sock, (uint32_t)request->head.arg[0]);
	else if (!send_answer(conn, &answer) || refused)
		serve_conn_close(conn);
	if (answer.fd >= 0)
		close_sent(serve, &answer);
	if (answer.head.op == REMOTE_SOCKET && answer.head.flags == REMOTE_HANDED_OVER && !conn->dead)
		simple(conn, REMOTE_SOCKET, 0, 0);
}

static void conn_event(struct serve_source *source, uint32_t events)
{
	struct serve_conn *conn = (struct serve_conn *)source;
	struct serve_request request = {.fd = -1};
	bool cut = false;
	ssize_t len;

	(void)events;
	if (conn->dead)
		return;
	/* There is one question at a time: to look for another one now would be in vain. */
	len = receive(conn, &request.fd, &cut);
	if (len == 0)
		return;
	if (len < 0 || conn->waits != NULL || conn->lingers || !measure(conn->serve, (size_t)len, &request))
		serve_conn_close(conn);
	else
		answer_call(conn, &request, cut);
	/* The copy of the user's end must be gone before anybody asks whether there are others. */
	if (request.fd >= 0)
		close(request.fd);
	if (request.sock != NULL && request.sock->suspect)
		serve_sock_check(request.sock);
}

/* ------------------------------------------------------------------------------------------------------------ life */

void serve_conn_new(struct serve *serve, int fd)
{
	struct serve_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL) {
		close(fd);
		return;
	}
	*conn = (struct serve_conn){.source.event = conn_event, .serve = serve, .fd = fd, .next = serve->conns};
	if (serve_watch(serve, fd, EPOLLIN, &conn->source) < 0) {
		close(fd);
		free(conn);
		return;
	}
	if (conn->next != NULL)
		conn->next->prev = conn;
	serve->conns = conn;
}

void serve_conn_close(struct serve_conn *conn)
{
	struct serve *serve = conn->serve;

	if (conn->dead)
		return;
	conn->dead = true;
	if (conn->waits != NULL)
		wait_cancel(conn);
	if (conn->lingers)
		serve_linger_forget(serve, conn);
	close(conn->fd);
	if (conn->next != NULL)
		conn->next->prev = conn->prev;
	*(conn->prev != NULL ? &conn->prev->next : &serve->conns) = conn->next;
	conn->next = serve->conn_graves;
	serve->conn_graves = conn;
	if (conn->account != NULL) {
		/* When the process has no other it may have ended. */
		if (--conn->account->connections == 0)
			serve_sock_reap(serve, conn->account);
		account_settle(serve);
	}
	serve_unpause(serve);
}
