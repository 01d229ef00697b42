/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fork.c - sockets across fork(2) and exec(2). */
#include "conf.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>

/** struct child - a forked child that waits to be told to go on */
struct child {
	pid_t pid;
	int go;
};

/** child_start - fork; the child runs @run(@arg) when child_go is called, and exits with 0 */
static struct child child_start(struct conf *c, void (*run)(struct conf *c, void *arg), void *arg)
{
	struct child child;
	int gate[2];
	char byte;

	CHECK_OK(pipe2(gate, O_CLOEXEC));
	child.pid = fork();
	CHECK(child.pid >= 0);
	if (child.pid == 0) {
		close(gate[1]);
		if (read(gate[0], &byte, 1) == 1)
			run(c, arg);
		_exit(0);
	}
	close(gate[0]);
	child.go = gate[1];
	return child;
}

/** child_go - let it run, and wait for its end */
static void child_go(struct child *child)
{
	int status;

	CHECK_LEN(write(child->go, "", 1), 1);
	close(child->go);
	CHECK_INT(waitpid(child->pid, &status, 0), child->pid);
	CHECK_INT(status, 0);
}

static void say_hello(struct conf *c, void *arg)
{
	(void)c;
	send_text(*(int *)arg, "hello from the child");
}

CASE(fork, inherited, INET, "a child sends on the socket that it has inherited; its end does not close it",
     LIMITS(DEAD_IN_CHILD))
{
	struct pair p = tcp_pair(c);

	in_child(c, say_hello, &p.a);
	recv_text(p.b, "hello from the child");
	CHECK_POLL_NOW(p.b, POLLOUT);
	send_text(p.a, "and the parent");
	recv_text(p.b, "and the parent");
}

static void close_it(struct conf *c, void *arg)
{
	(void)c;
	CHECK_OK(ioth_close(*(int *)arg));
}

CASE(fork, child_closes, INET, "what a child closes stays open in the parent")
{
	struct pair p = tcp_pair(c);

	in_child(c, close_it, &p.a);
	CHECK_POLL_NOW(p.b, POLLOUT);
	send_text(p.a, "open");
	recv_text(p.b, "open");
}

CASE(fork, parent_closes, INET, "what the parent closes stays open in the child, and ends with it",
     LIMITS(DEAD_IN_CHILD))
{
	struct pair p = tcp_pair(c);
	struct child child = child_start(c, say_hello, &p.a);

	drop(c, p.a);
	crossed(c, c->a, c->b);
	CHECK_POLL_NOW(p.b, POLLOUT);
	child_go(&child);
	CHECK_POLL(p.b, POLLIN | POLLOUT | POLLRDHUP);
	recv_text(p.b, "hello from the child");
}

static void serve_one(struct conf *c, void *arg)
{
	int fd = ioth_accept(*(int *)arg, NULL, NULL);
	char text[4];

	(void)c;
	CHECK(fd >= 0);
	CHECK_LEN(ioth_recv(fd, text, 4, MSG_WAITALL), 4);
	CHECK_LEN(ioth_send(fd, text, 4, 0), 4);
	CHECK_OK(ioth_close(fd));
}

CASE(fork, server, INET, "a child accepts on an inherited listening socket and serves", LIMITS(DEAD_IN_CHILD))
{
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int client = sock(c, c->a, SOCK_STREAM);
	struct child child = child_start(c, serve_one, &server);

	CHECK_OK(ioth_connect(client, &addr.sa, addr.len));
	send_text(client, "echo");
	child_go(&child);
	recv_text(client, "echo");
	CHECK_POLL(client, POLLIN | POLLOUT | POLLRDHUP);
}

static void new_socket(struct conf *c, void *arg)
{
	struct addr *addr = arg;
	int fd = ioth_msocket(on(c, c->a), c->family, SOCK_DGRAM, 0);

	if (fd < 0) {
		CHECK_INT(errno, ESTALE);
		return;
	}
	CHECK_LEN(ioth_sendto(fd, "new", 3, 0, &addr->sa, addr->len), 3);
	CHECK_OK(ioth_close(fd));
	addr->len = 0;
}

CASE(fork, new_socket, INET,
     "a new socket in the child works, or is ESTALE where the stack did not come along; it never hangs")
{
	struct addr addr;
	int fd = bound(c, c->b, SOCK_DGRAM, &addr);

	in_child(c, new_socket, &addr);
	crossed(c, c->a, c->b);
	if (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) == 1)
		recv_text(fd, "new");
}

static void read_datagram(struct conf *c, void *arg)
{
	(void)c;
	recv_text(*(int *)arg, "for either");
}

CASE(fork, shared_queue, INET, "parent and child share the queue: what the child reads is gone", LIMITS(DEAD_IN_CHILD))
{
	struct pair p = udp_pair(c);
	char byte;

	send_text(p.a, "for either");
	in_child(c, read_datagram, &p.b);
	CHECK_ERR(ioth_recv(p.b, &byte, 1, MSG_DONTWAIT), EAGAIN);
}

CASE(fork, shared_flags, INET, "O_NONBLOCK is shared with the child, FD_CLOEXEC is not")
{
	struct pair p = udp_pair(c);

	CHECK_INT(exec_is_open(p.a), 1);
	CHECK_OK(ioth_fcntl(p.a, F_SETFD, FD_CLOEXEC));
	CHECK_INT(exec_is_open(p.a), 0);
	CHECK_INT(exec_is_open(p.b), 1);
}

CASE(exec, cloexec, INET, "exec closes sockets made with SOCK_CLOEXEC, by socket and accept4, and keeps others")
{
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int open = sock(c, c->a, SOCK_STREAM);
	int closing = sock(c, c->a, SOCK_STREAM | SOCK_CLOEXEC);
	int fd;

	CHECK_INT(exec_is_open(open), 1);
	CHECK_INT(exec_is_open(closing), 0);
	CHECK_OK(ioth_connect(open, &addr.sa, addr.len));
	CHECK_OK(ioth_connect(closing, &addr.sa, addr.len));
	CHECK_INT(exec_is_open(accepted(c, server)), 1);
	CHECK_POLL(server, POLLIN);
	fd = keep(c, ioth_accept4(server, NULL, NULL, SOCK_CLOEXEC));
	CHECK_INT(exec_is_open(fd), 0);
}

CASE(exec, standard_output, INET, "a program started with a stream as its standard output writes to the network",
     LIMITS(DEAD_IN_CHILD, NOT_CALLS("without streams the descriptor carries no bytes: those of a program that does "
                                     "not know of libioth go nowhere")))
{
	struct pair p = tcp_pair(c);
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (pid == 0) {
		dup2(p.a, 1);
		execl("/bin/echo", "echo", "-n", "from a program", (char *)NULL);
		_exit(127);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	recv_text(p.b, "from a program");
	CHECK_POLL_NOW(p.b, POLLOUT);
}

CASE(exec, nothing_hidden, INET, "a program started by exec inherits nothing of the stacks but the sockets it may have")
{
	int limit = sock(c, c->a, SOCK_STREAM) + 40;

	for (int fd = 3; fd < limit; fd++) {
		bool ours = false;

		for (int i = 0; i < c->nfds; i++)
			ours = ours || c->fds[i] == fd;
		if (!ours && exec_is_open(fd))
			FAIL("descriptor %d is open in a program started by exec", fd);
	}
}
