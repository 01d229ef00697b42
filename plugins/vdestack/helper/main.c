/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main.c - the helper process: its start, its connections, its questions and answers (wire.h).
 *
 * It is started by the plugin with one connection as descriptor WIRE_FD and makes itself independent of the program at
 * once: a session of its own, no other descriptor, no signal handler or mask inherited. It ends when its last
 * connection is closed, which is when the last process of the program has ended or executed another program.
 *
 * One thread does everything. It never waits for a client: questions are read as they come, and a client that does not
 * take its answers is dropped. A client that sends anything that is not a question is dropped as well; there is only
 * one program, so this is a precaution against accidents and not against enemies. What a client may ask is checked
 * nevertheless, for every field.
 */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TURN 16           /* questions of one connection before the others have theirs */
#define DESCRIPTORS 65536 /* that are looked for where close_range(2) is not known */

/** struct conn - a connection to a process of the program */
struct conn {
	struct conn *next;
	struct conn *parent; /* the connection it was made over, if that is still there */
	int fd;
	bool known; /* has said WIRE_HELLO, or was vouched for by one that has */
};

/** struct question - a request, who sent it, and the descriptor that came with it */
struct question {
	struct wire_request request;
	struct conn *conn;
	int fd; /* or -1 */
};

/** struct answer - a reply and the descriptors that go with it */
struct answer {
	struct wire_reply reply;
	int fd[WIRE_SOCKETS_MAX];
	bool keep; /* the descriptors stay open here */
};

static struct conn *conns;
static int epfd;

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --------------------------------------------------------------------------------------------- connections */

/** conn_new - take @fd for a connection; closes it when that fails */
static struct conn *conn_new(int fd, struct conn *parent)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};

	if (conn == NULL || epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event) < 0) {
		free(conn);
		close(fd);
		return NULL;
	}
	conn->fd = fd;
	conn->parent = parent;
	conn->known = parent != NULL;
	conn->next = conns;
	conns = conn;
	return conn;
}

/** conn_end - the process is gone, or misbehaves: its stacks pass to one that was forked from it, if there is any */
static void conn_end(struct conn *conn)
{
	struct conn *heir = NULL;

	for (struct conn **p = &conns; *p;) {
		struct conn *other = *p;

		if (other->parent == conn) {
			other->parent = heir ? heir : conn->parent;
			heir = heir ? heir : other;
		}
		if (other == conn)
			*p = conn->next;
		else
			p = &other->next;
	}
	stack_inherit(conn, heir);
	close(conn->fd);
	free(conn);
}

/* ------------------------------------------------------------------------------------ questions and answers */

static int answer_hello(const struct question *q, struct answer *a)
{
	int err;

	if (q->conn->known)
		return 0; /* said twice */
	if (q->request.hello.version != WIRE_VERSION) {
		a->reply.hello.step = WIRE_STEP_VERSION;
		return -EPROTO;
	}
	err = netns_begin(q->request.hello.userns != 0, &a->reply.hello.step);
	if (err)
		return err;
	a->reply.hello.step = WIRE_STEP_OTHER;
	err = veth_begin();
	if (!err)
		err = port_begin(epfd);
	if (err)
		return err;
	a->reply.hello.step = WIRE_STEP_NONE;
	q->conn->known = true;
	return 0;
}

static int answer_newstack(const struct question *q, struct answer *a)
{
	(void)a;
	return stack_new(q->request.stack, q->conn);
}

static int answer_newport(const struct question *q, struct answer *a)
{
	struct stack *stack = stack_find(q->request.stack);
	int err;

	if (stack == NULL)
		return -ENOENT;
	if (stack->owner != q->conn)
		return -EPERM;
	if (memchr(q->request.newport.ifname, '\0', WIRE_IFNAME) == NULL || q->request.newport.ifindex > INT_MAX)
		return -EINVAL;
	err = port_new(stack, &q->request, &a->reply, &a->fd[0]);
	if (err)
		return err;
	a->keep = true;
	a->reply.fds = 1;
	return 0;
}

static int answer_socket(const struct question *q, struct answer *a)
{
	struct stack *stack = stack_find(q->request.stack);
	int got;

	a->reply.socket.domain = q->request.socket.domain;
	a->reply.socket.type = q->request.socket.type;
	a->reply.socket.protocol = q->request.socket.protocol;
	if (stack == NULL)
		return -ENETDOWN;
	if (q->request.socket.count < 1 || q->request.socket.count > WIRE_SOCKETS_MAX)
		return -EINVAL;
	got = stack_sockets(stack, &q->request, a->fd);
	if (got < 0)
		return got;
	a->reply.fds = (uint32_t)got;
	return 0;
}

static int answer_count(const struct question *q, struct answer *a)
{
	struct stack *stack = stack_find(q->request.stack);

	if (stack == NULL)
		return -ENOENT;
	count_open(stack, &q->request, &a->reply);
	return 0;
}

/** tell - what is told and not answered; false when it is none of these */
static bool tell(const struct question *q)
{
	struct stack *stack = stack_find(q->request.stack);
	bool owned = stack && stack->owner == q->conn;

	switch (q->request.op) {
	case WIRE_CONNECT:
		if (q->fd >= 0)
			conn_new(q->fd, q->conn);
		return true;
	case WIRE_DELSTACK:
		if (owned)
			stack_delete(stack);
		return true;
	case WIRE_STOPSTACK:
		if (owned)
			veth_stop(stack->ns);
		return true;
	case WIRE_DELPORT:
		if (owned)
			port_delete(stack, q->request.delport.peer);
		return true;
	default:
		return false;
	}
}

/** send_answer - false when the client does not take it */
static bool send_answer(const struct conn *conn, struct answer *a)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(a->fd))];
	} control;
	struct iovec iov = {&a->reply, sizeof(a->reply)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t sent;

	if (a->reply.fds) {
		struct cmsghdr *cmsg = &control.align;
		size_t len = a->reply.fds * sizeof(int);

		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(len);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(len);
		memcpy(CMSG_DATA(cmsg), a->fd, len);
	}
	sent = sendmsg(conn->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0 && errno == ETOOMANYREFS) {
		/* too many descriptors of this user are on their way to somebody */
		a->reply.error = EMFILE;
		a->reply.fds = 0;
		sent = send(conn->fd, &a->reply, sizeof(a->reply), MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	return sent == (ssize_t)sizeof(a->reply);
}

/**
 * send_settled - repeat an answer without its descriptors: they are the program's alone now
 *
 * A program that closes a socket may rely on it: the name is free, the peer is told, no set of epoll(7) knows it any
 * more. It must not get to use one before our copy is closed.
 */
static bool send_settled(const struct conn *conn, const struct wire_reply *reply)
{
	return send(conn->fd, reply, sizeof(*reply), MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(*reply);
}

/** serve - one question; false when the connection has to end */
static bool serve(const struct question *q)
{
	static int (*const answers[])(const struct question *, struct answer *) = {
	        [WIRE_HELLO] = answer_hello,   [WIRE_NEWSTACK] = answer_newstack, [WIRE_NEWPORT] = answer_newport,
	        [WIRE_SOCKET] = answer_socket, [WIRE_COUNT] = answer_count,
	};
	uint32_t op = q->request.op, made;
	struct answer a = {.reply = {.op = op, .seq = q->request.seq, .stack = q->request.stack}};
	bool taken;

	if (!q->conn->known && op != WIRE_HELLO)
		return false;
	if (tell(q))
		return true;
	if (op >= sizeof(answers) / sizeof(answers[0]) || answers[op] == NULL)
		return false;
	a.reply.error = -answers[op](q, &a);
	made = a.reply.fds;
	taken = send_answer(q->conn, &a);
	for (uint32_t i = 0; i < made && !a.keep; i++)
		close(a.fd[i]);
	if (op == WIRE_SOCKET && taken && a.reply.fds)
		taken = send_settled(q->conn, &a.reply);
	if (a.keep && made && a.reply.fds == 0) /* it could not be sent */
		port_delete(stack_find(q->request.stack), a.reply.newport.peer);
	return taken && q->conn->known;
}

/* ------------------------------------------------------------------------------------------------ receiving */

/** take_fd - the descriptor that came with a message, or -1; the request has room for one, so no more can come */
static int take_fd(struct msghdr *msg)
{
	const struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	int fd = -1;

	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS &&
	    cmsg->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

/** receive - the next question; 1, 0 when there is none now, -1 when the connection has to end */
static int receive(struct conn *conn, struct question *q)
{
	union {
		struct cmsghdr align;
		char room[CMSG_LEN(sizeof(int))]; /* not CMSG_SPACE: its padding would have room for another */
	} control;
	struct iovec iov = {&q->request, sizeof(q->request)};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room)};
	ssize_t got;

	do
		got = recvmsg(conn->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? 0 : -1;
	q->conn = conn;
	q->fd = got > 0 ? take_fd(&msg) : -1;
	if (got == (ssize_t)sizeof(q->request) && !(msg.msg_flags & MSG_TRUNC))
		return 1;
	if (q->fd >= 0)
		close(q->fd);
	return -1;
}

/** conn_turn - answer what a connection asks */
static void conn_turn(struct conn *conn)
{
	struct question q;
	int more = 1;

	for (int i = 0; i < TURN && more > 0; i++) {
		more = receive(conn, &q);
		if (more > 0 && !serve(&q))
			more = -1;
		if (more > 0 && q.fd >= 0 && q.request.op != WIRE_CONNECT)
			close(q.fd);
	}
	if (more < 0)
		conn_end(conn);
}

/** find_conn - the connection that an event is about, NULL when it is about something else */
static struct conn *find_conn(const void *thing)
{
	struct conn *conn = conns;

	while (conn && conn != thing)
		conn = conn->next;
	return conn;
}

static void loop(void)
{
	struct epoll_event event;

	while (conns) {
		/* One event at a time: what is done for it may do away with what the next would be about. */
		if (epoll_wait(epfd, &event, 1, port_timeout()) == 1) {
			struct conn *conn = find_conn(event.data.ptr);

			if (conn)
				conn_turn(conn);
			else
				port_event(event.data.ptr);
		}
		port_expire();
	}
}

/* --------------------------------------------------------------------------------------------------- start */

/** is_connection - was this process started by the plugin? */
static bool is_connection(int fd)
{
	int type = 0, domain = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET &&
	       getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

/** become_independent - of everything the program had when it started us */
static void become_independent(void)
{
	struct rlimit limit;
	sigset_t none;
	int null;

	setsid();
	if (close_range(WIRE_FD + 1, UINT_MAX, 0) < 0)
		for (int fd = WIRE_FD + 1; fd < DESCRIPTORS; fd++) /* before Linux 5.9 */
			close(fd);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < WIRE_FD; fd++) {
		if (null < 0 || dup2(null, fd) < 0)
			close(fd);
	}
	if (null >= 0)
		close(null);
	fcntl(WIRE_FD, F_SETFD, FD_CLOEXEC);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir("/") < 0)
		return; /* the root cannot be entered; what we open has absolute paths anyway */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	prctl(PR_SET_NAME, "ioth-vdestack");
}

int main(void)
{
	if (!is_connection(WIRE_FD)) {
		static const char text[] = "ioth-vdestack-helper is started by libioth and does nothing by itself\n";

		return write(STDERR_FILENO, text, sizeof(text) - 1) < 0 ? 3 : 2;
	}
	become_independent();
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd < 0 || conn_new(WIRE_FD, NULL) == NULL)
		return 1;
	loop();
	port_end();
	return 0;
}
