/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_serve.c - a served stack when things go wrong: clients and servers that die, strangers, limits.
 *
 * What sockets do is the business of the conformance suite (-s remote+STACK). Here each test has a server of its own, a
 * process with a stack that has lo and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "protocol.h"
#include "remote.h"
#include "serve_stack.h"
#include "wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/ioth-serve-XXXXXX";
static char path[64], stackname[96];
static struct server server;
static const char *engine = "testengine";

static int start(void **state)
{
	(void)state;
	server_start(&server, engine, path, NULL, 0);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	server_stop(&server);
	return 0;
}

/** client - a handle of the served stack */
static struct ioth *client(void)
{
	struct ioth *stack = ioth_newstack(stackname, NULL);

	if (stack == NULL)
		fail_msg("ioth_newstack(%s): %s", stackname, strerror(errno));
	return stack;
}

static struct sockaddr_in local(int port)
{
	return (struct sockaddr_in){
	        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int port_of(int fd)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	assert_int_equal(ioth_getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	return ntohs(addr.sin_port);
}

/** bound - a socket at a port of lo; 0 lets the stack choose */
static int bound(struct ioth *stack, int type, int port)
{
	struct sockaddr_in addr = local(port);
	int fd = ioth_msocket(stack, AF_INET, type, 0);

	if (fd < 0)
		fail_msg("ioth_msocket(%d): %s", type, strerror(errno));
	assert_int_equal(ioth_bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/** pair - a TCP connection between two sockets of one stack; [0] has connected, [1] was accepted */
static void pair(struct ioth *a, struct ioth *b, int fd[2])
{
	int listener = bound(b, SOCK_STREAM, 0);
	struct sockaddr_in addr = local(port_of(listener));

	assert_int_equal(ioth_listen(listener, 4), 0);
	fd[0] = ioth_msocket(a, AF_INET, SOCK_STREAM, 0);
	assert_int_equal(ioth_connect(fd[0], (struct sockaddr *)&addr, sizeof(addr)), 0);
	fd[1] = ioth_accept(listener, NULL, NULL);
	assert_true(fd[1] >= 0);
	assert_int_equal(ioth_close(listener), 0);
}

/** works - a client of the server gets an answer */
static void works(struct ioth *stack)
{
	int fd[2];
	char text[8];

	pair(stack, stack, fd);
	assert_int_equal(ioth_send(fd[0], "works", 5, 0), 5);
	assert_int_equal(ioth_recv(fd[1], text, sizeof(text), 0), 5);
	ioth_close(fd[0]);
	ioth_close(fd[1]);
}

/* ------------------------------------------------------------------------------------------------------ the socket */

static void path_taken(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(ioth_listen_unix(path, 0600), -1);
	assert_int_equal(errno, EADDRINUSE);
	server_kill(&server);
	/* What a killed server left is replaced, ... */
	fd = ioth_listen_unix(path, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(unlink(path), 0);
	/* ... and nothing else is. */
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(ioth_listen_unix(path, 0600), -1);
	assert_int_equal(errno, EEXIST);
	unlink(path);
	start(NULL);
}

static void not_a_listener(void **state)
{
	int pair_of[2], fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(ioth_serve(ioth_get_defstack(), fd, NULL), -1);
	assert_int_equal(errno, EINVAL);
	close(fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair_of), 0);
	assert_int_equal(ioth_serve(ioth_get_defstack(), pair_of[0], NULL), -1);
	assert_int_equal(errno, EINVAL);
	close(pair_of[0]);
	close(pair_of[1]);
}

static void options(void **state)
{
	(void)state;
	assert_null(ioth_newstack("remote", NULL));
	assert_int_equal(errno, EINVAL);
	assert_null(ioth_newstack("remote,socket=/tmp/x,what=1", NULL));
	assert_int_equal(errno, EINVAL);
	assert_null(ioth_newstack(stackname, "ptp:///tmp/x"));
	assert_int_equal(errno, EINVAL);
	assert_null(ioth_newstack("remote,socket=/nonesuch/socket", NULL));
	assert_int_equal(errno, ENOENT);
}

/* -------------------------------------------------------------------------------------------------------- strangers */

/** hello - greet as a client of that version; the result of the answer, or -EPIPE when there is none */
static int hello(int fd, int version, uint32_t *flags)
{
	struct remote_request request = {.op = REMOTE_HELLO, .arg = {(int32_t)REMOTE_MAGIC, version}, .room_data = 32};
	struct {
		struct remote_reply head;
		char rest[256];
	} reply;

	assert_int_equal(send(fd, &request, sizeof(request), MSG_NOSIGNAL), sizeof(request));
	if (recv(fd, &reply, sizeof(reply), 0) < (ssize_t)sizeof(reply.head))
		return -EPIPE;
	if (flags != NULL)
		*flags = reply.head.flags;
	return reply.head.result;
}

static void version_mismatch(void **state)
{
	int fd = raw_connect(path);
	uint32_t flags = 0;
	char byte;

	(void)state;
	assert_int_equal(hello(fd, REMOTE_VERSION + 1, &flags), -EPROTO);
	assert_int_equal(flags, REMOTE_VERSION);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
}

static void user_refused(void **state)
{
	const uid_t others[] = {getuid() + 1, getuid() + 2};
	struct ioth_serve_options options_of = {.size = sizeof(options_of), .allow_uids = others, .allow_count = 2};

	(void)state;
	server_stop(&server);
	server_start(&server, engine, path, &options_of, 0);
	assert_null(ioth_newstack(stackname, NULL));
	assert_int_equal(errno, EACCES);
}

/** disconnected - the server has closed this connection */
static bool disconnected(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char bytes[4096];

	while (poll(&p, 1, WAIT_MS) == 1) {
		if (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0)
			return true;
	}
	return false;
}

static void garbage(void **state)
{
	struct ioth *stack = client();
	struct remote_request request = {.op = REMOTE_HELLO};
	static char junk[70000];

	(void)state;
	memset(junk, 0xa5, sizeof(junk));
	for (size_t len = 1; len < sizeof(junk); len = len * 3 + 1) {
		int fd = raw_connect(path);

		assert_int_equal(send(fd, junk, len, MSG_NOSIGNAL), len);
		assert_true(disconnected(fd));
		close(fd);
	}
	/* Lengths that do not add up, parts that are too long, calls that there are not. */
	for (int i = 0; i < 5; i++) {
		int fd = raw_connect(path);

		assert_int_equal(hello(fd, REMOTE_VERSION, NULL), 0);
		request = (struct remote_request){.op = REMOTE_SOCKETS};
		if (i == 0)
			request.data = 1;
		else if (i == 1)
			request.addr = request.control = request.data = 0xffffffffu;
		else if (i == 2)
			request.op = REMOTE_OPS;
		else if (i == 3)
			request.op = 0;
		else
			request.op = REMOTE_HELLO;
		assert_int_equal(send(fd, &request, sizeof(request), MSG_NOSIGNAL), sizeof(request));
		if (i < 4)
			assert_true(disconnected(fd));
		close(fd);
	}
	works(stack);
	assert_int_equal(ioth_delstack(stack), 0);
}

static void others_sockets(void **state)
{
	struct ioth *stack = client();
	int fd = bound(stack, SOCK_DGRAM, 0), own = raw_connect(path), pair_of[2];
	struct remote *other;

	(void)state;
	assert_int_equal(remote_open(path, &other), 0);
	/* It is not counted for another session, and a descriptor of something else is no way to it. */
	assert_int_equal(remote_sockets(other), 0);
	assert_int_equal(remote_shutdown(other, own, SHUT_RDWR), -ENOTSOCK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair_of), 0);
	assert_int_equal(remote_shutdown(other, pair_of[0], SHUT_RDWR), -ENOTSOCK);
	assert_int_equal(remote_is(other, pair_of[0]), 0);
	/* Who has the descriptor has the socket. */
	assert_int_equal(remote_is(other, fd), 1);
	assert_int_equal(remote_setsockopt(other, fd, SOL_SOCKET, SO_BROADCAST, &(int){1}, sizeof(int)), 0);
	remote_end(other);
	close(own);
	close(pair_of[0]);
	close(pair_of[1]);
	assert_int_equal(ioth_close(fd), 0);
	assert_int_equal(ioth_delstack(stack), 0);
}

static void no_links(void **state)
{
	struct ioth *stack = client();

	(void)state;
	/* Its locator could start a program as the user of the server. */
	assert_true(ioth_iplink_add(stack, "eth1", 0, "vde", nl_iplink_strdata(1, "cmd://touch /tmp/never")) < 0);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ioth_linksetupdown(stack, (unsigned int)ioth_if_nametoindex(stack, "lo"), 1), 0);
	assert_int_equal(ioth_delstack(stack), 0);
}

/* ---------------------------------------------------------------------------------------------------------- deaths */

/** dying - a client in a process of its own, with sockets of all kinds; killed when it says it has them. Its UDP port.
 */
static int dying(int peer_port)
{
	int ready[2], port = 0;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct ioth *stack = client();
		struct sockaddr_in addr = local(peer_port);
		int fd = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0);
		char bytes[50000];

		memset(bytes, 'd', sizeof(bytes));
		port = port_of(bound(stack, SOCK_DGRAM, 0));
		/* A fresh socket at the TCP port of the same number, and a connection with something on its way. */
		bound(stack, SOCK_STREAM, port);
		if (ioth_connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
		    ioth_send(fd, bytes, sizeof(bytes), 0) != sizeof(bytes) ||
		    write(ready[1], &port, sizeof(port)) != sizeof(port))
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &port, sizeof(port)), sizeof(port));
	close(ready[0]);
	close(ready[1]);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return port;
}

static void client_killed(void **state)
{
	struct ioth *stack = client();
	int listener = bound(stack, SOCK_STREAM, 0), fd, port;
	size_t total = 0;
	char bytes[4096];
	ssize_t len;

	(void)state;
	assert_int_equal(ioth_listen(listener, 4), 0);
	port = dying(port_of(listener));
	fd = ioth_accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	/* What it had sent arrives, and then the end. */
	while ((len = ioth_recv(fd, bytes, sizeof(bytes), 0)) > 0)
		total += (size_t)len;
	assert_int_equal(len, 0);
	assert_int_equal(total, 50000);
	ioth_close(fd);
	ioth_close(listener);
	/* Its ports are free. */
	ioth_close(bound(stack, SOCK_DGRAM, port));
	ioth_close(bound(stack, SOCK_STREAM, port));
	assert_int_equal(ioth_delstack(stack), 0);
}

static void server_killed(void **state)
{
	struct ioth *stack = client();
	int fd[2], udp = bound(stack, SOCK_DGRAM, 0);
	char bytes[4096];
	ssize_t len;

	(void)state;
	pair(stack, stack, fd);
	memset(bytes, 's', sizeof(bytes));
	assert_int_equal(ioth_send(fd[0], bytes, sizeof(bytes), 0), sizeof(bytes));
	server_kill(&server);
	/* Not an end of file, which would look like all of it. */
	while ((len = ioth_recv(fd[1], bytes, sizeof(bytes), 0)) > 0)
		;
	assert_int_equal(len, -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(ioth_recv(udp, bytes, sizeof(bytes), 0), -1);
	assert_int_equal(errno, ENETDOWN);
	assert_int_equal(ioth_msocket(stack, AF_INET, SOCK_STREAM, 0), -1);
	assert_int_equal(errno, ENETDOWN);
	ioth_close(fd[0]);
	ioth_close(fd[1]);
	ioth_close(udp);
	assert_int_equal(ioth_delstack(stack), 0);
	assert_null(ioth_newstack(stackname, NULL));
	assert_int_equal(errno, ECONNREFUSED);
	/* A new server at the same place. */
	start(NULL);
	stack = client();
	works(stack);
	assert_int_equal(ioth_delstack(stack), 0);
}

static _Atomic int handled;

static void on_signal(int number)
{
	(void)number;
	handled++;
}

/** struct waiter - a thread in a call that waits */
struct waiter {
	pthread_t thread;
	_Atomic pid_t tid;
	int fd;
	ssize_t (*call)(int fd);
	int cpu; /* on which it runs when nobody else wants to; -1: it has all */
	ssize_t result;
	int error;
};

static ssize_t accept_one(int fd)
{
	return ioth_accept(fd, NULL, NULL);
}

static ssize_t receive_one(int fd)
{
	char byte;

	return ioth_recv(fd, &byte, 1, 0);
}

/** last_cpu - a processor that we may use */
static int last_cpu(void)
{
	cpu_set_t set;
	int cpu = CPU_SETSIZE - 1;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	while (!CPU_ISSET((size_t)cpu, &set))
		cpu--;
	return cpu;
}

/** settle_on - this thread runs on that processor only, and if it is @idle only when nobody else wants to */
static void settle_on(int cpu, bool idle)
{
	const struct sched_param none = {.sched_priority = 0};
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	if (idle)
		sched_setscheduler(0, SCHED_IDLE, &none);
}

static _Atomic bool busy;

static void *keep_busy(void *arg)
{
	settle_on(*(int *)arg, false);
	while (busy)
		;
	return NULL;
}

static void *wait_in_call(void *arg)
{
	struct waiter *waiter = arg;

	if (waiter->cpu >= 0)
		settle_on(waiter->cpu, true);
	waiter->tid = gettid();
	waiter->result = waiter->call(waiter->fd);
	waiter->error = errno;
	return NULL;
}

/** wait_stopped - call with the server stopped, until the thread sleeps */
static void wait_stopped(struct waiter *waiter)
{
	long deadline = wait_now_ms() + WAIT_MS;
	int status;

	handled = 0;
	waiter->tid = 0;
	assert_int_equal(kill(server.pid, SIGSTOP), 0);
	assert_int_equal(waitpid(server.pid, &status, WUNTRACED), server.pid);
	assert_int_equal(pthread_create(&waiter->thread, NULL, wait_in_call, waiter), 0);
	while (waiter->tid == 0 && wait_again(deadline))
		;
	assert_int_equal(wait_call_blocked(waiter->tid), 0);
}

/** interrupted - the call ends as one that a signal has interrupted */
static void interrupted(struct waiter *waiter)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_MS / 1000;
	assert_int_equal(pthread_timedjoin_np(waiter->thread, NULL, &end), 0);
	assert_int_equal(handled, 1);
	assert_int_equal(waiter->result, -1);
	assert_int_equal(waiter->error, EINTR);
}

/** waiters_open, waiters_close - the sockets of two waiters and a handler for SIGUSR1 */
static void waiters_open(struct ioth *stack, struct waiter waiter[2], int cpu, struct sigaction *before)
{
	struct sigaction action = {.sa_handler = on_signal};

	waiter[0] = (struct waiter){.fd = bound(stack, SOCK_STREAM, 0), .call = accept_one, .cpu = cpu};
	waiter[1] = (struct waiter){.fd = bound(stack, SOCK_DGRAM, 0), .call = receive_one, .cpu = cpu};
	assert_int_equal(ioth_listen(waiter[0].fd, 4), 0);
	sigaction(SIGUSR1, &action, before);
}

static void waiters_close(struct ioth *stack, const struct waiter waiter[2], const struct sigaction *before)
{
	sigaction(SIGUSR1, before, NULL);
	for (int i = 0; i < 2; i++)
		ioth_close(waiter[i].fd);
	works(stack);
	assert_int_equal(ioth_delstack(stack), 0);
}

/* A signal that comes before the server has said that there is nothing yet ends the call that is going to wait. */
static void signal_before_the_answer(void **state)
{
	struct ioth *stack = client();
	struct sigaction before;
	struct waiter waiter[2];

	(void)state;
	waiters_open(stack, waiter, -1, &before);
	for (int i = 0; i < 2; i++) {
		long deadline = wait_now_ms() + WAIT_MS;

		wait_stopped(&waiter[i]);
		assert_int_equal(pthread_kill(waiter[i].thread, SIGUSR1), 0);
		while (handled == 0 && wait_again(deadline))
			;
		assert_int_equal(handled, 1);
		assert_int_equal(kill(server.pid, SIGCONT), 0);
		interrupted(&waiter[i]);
	}
	waiters_close(stack, waiter, &before);
}

/* So does one that comes when the server has said so and the thread has not run since: another one is before it. */
static void signal_with_the_answer(void **state)
{
	struct ioth *stack = client();
	struct sigaction before;
	struct waiter waiter[2];
	int cpu = last_cpu();

	(void)state;
	waiters_open(stack, waiter, cpu, &before);
	for (int i = 0; i < 10; i++) {
		struct waiter *now = &waiter[i % 2];
		pthread_t other;

		wait_stopped(now);
		busy = true;
		assert_int_equal(pthread_create(&other, NULL, keep_busy, &cpu), 0);
		assert_int_equal(kill(server.pid, SIGCONT), 0);
		/* If it gets a moment for itself nevertheless it is already asleep again. */
		wait_thread_runnable(now->tid, wait_now_ms() + 1000);
		assert_int_equal(pthread_kill(now->thread, SIGUSR1), 0);
		busy = false;
		assert_int_equal(pthread_join(other, NULL), 0);
		interrupted(now);
	}
	waiters_close(stack, waiter, &before);
}

static void server_restarted(void **state)
{
	struct ioth *stack = client();

	(void)state;
	works(stack);
	server_kill(&server);
	start(NULL);
	/* The same handle finds the new one. */
	works(stack);
	assert_int_equal(ioth_delstack(stack), 0);
}

static void exec_inherits(void **state)
{
	struct ioth *stack = client();
	int fd = bound(stack, SOCK_DGRAM, 0), flags = fcntl(fd, F_GETFD), status;
	char number[16], port[16];
	pid_t pid;

	(void)state;
	assert_int_equal(flags & FD_CLOEXEC, 0);
	snprintf(number, sizeof(number), "%d", fd);
	snprintf(port, sizeof(port), "%d", port_of(fd));
	pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", "test_serve", "--inherited", path, number, port, (char *)NULL);
		_exit(9);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	ioth_close(fd);
	assert_int_equal(ioth_delstack(stack), 0);
}

/** inherited - what the program started above does: use the socket */
static int inherited(char *argv[])
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	int fd = atoi(argv[3]);
	struct remote *r;
	char byte;

	if (remote_open(argv[2], &r) != 0 || remote_is(r, fd) != 1 || remote_is_stream(r, fd))
		return 1;
	if (remote_getsockname(r, fd, (struct sockaddr *)&addr, &len) != 0 || ntohs(addr.sin_port) != atoi(argv[4]))
		return 2;
	if (remote_sendto(r, fd, "x", 1, 0, (struct sockaddr *)&addr, len) != 1 ||
	    remote_recvfrom(r, fd, &byte, 1, 0, NULL, NULL) != 1)
		return 3;
	remote_end(r);
	return 0;
}

/* ---------------------------------------------------------------------------------------------------------- limits */

static void sockets_limited(void **state)
{
	struct ioth_serve_options few = {.size = sizeof(few), .max_sockets = 8};
	struct ioth *stack;
	int fd[8];

	(void)state;
	server_stop(&server);
	server_start(&server, engine, path, &few, 0);
	stack = client();
	for (int i = 0; i < 8; i++)
		assert_true((fd[i] = ioth_msocket(stack, AF_INET, i % 2 ? SOCK_STREAM : SOCK_DGRAM, 0)) >= 0);
	assert_int_equal(ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0), -1);
	assert_int_equal(errno, EMFILE);
	/* Those closed by close(2) are noticed when it matters. */
	close(fd[0]);
	close(fd[1]);
	assert_true((fd[0] = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0)) >= 0);
	assert_true((fd[1] = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0)) >= 0);
	for (int i = 0; i < 8; i++)
		ioth_close(fd[i]);
	assert_int_equal(ioth_delstack(stack), 0);
}

/* Many: as many descriptors as the server may have its user may have on their way (unix(7)), and other tests, which may
 * be of the same user, have some. */
#define FILES 1500

static void out_of_descriptors(void **state)
{
	struct ioth *stack;
	int fd[FILES / 2], count = 0;

	(void)state;
	server_stop(&server);
	server_start(&server, engine, path, NULL, FILES);
	stack = client();
	while (count < FILES / 2 && (fd[count] = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0)) >= 0)
		count++;
	assert_true(count > FILES / 10 && count < FILES / 2);
	assert_int_equal(errno, EMFILE);
	while (count > 0)
		assert_int_equal(ioth_close(fd[--count]), 0);
	works(stack);
	assert_int_equal(ioth_delstack(stack), 0);
}

/** without_rights - capabilities in force or not, for what is started meanwhile: with some there are no limits */
static void without_rights(bool without)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct rights[2];

	assert_int_equal(syscall(SYS_capget, &header, rights), 0);
	for (int i = 0; i < 2; i++)
		rights[i].effective = without ? 0 : rights[i].permitted;
	assert_int_equal(syscall(SYS_capset, &header, rights), 0);
}

#define ON_THEIR_WAY 250 /* descriptors, in one message: SCM_MAX_FD is 253 */

/** send_many - a message with many descriptors, which nobody receives; the two ends it is between */
static void send_many(int ends[2])
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(ON_THEIR_WAY * sizeof(int))] = {0};
	char byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	*cmsg = (struct cmsghdr){
	        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(ON_THEIR_WAY * sizeof(int))};
	for (int i = 0; i < ON_THEIR_WAY; i++)
		memcpy(CMSG_DATA(cmsg) + (size_t)i * sizeof(int), &(int){STDERR_FILENO}, sizeof(int));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(sendmsg(ends[0], &msg, 0), 1);
}

/* A user can have only so many descriptors on their way. The server then keeps what it was going to send, says so, and
 * does not keep the socket, which nobody could use. */
static void descriptors_on_their_way(void **state)
{
	struct rlimit before, few;
	struct sockaddr_in addr;
	struct ioth *stack;
	int listener, peer, ends[2];
	char byte;

	(void)state;
	server_stop(&server);
	without_rights(true);
	server_start(&server, engine, path, NULL, 0);
	without_rights(false);
	stack = client();
	listener = bound(stack, SOCK_STREAM, 0);
	addr = local(port_of(listener));
	assert_int_equal(ioth_listen(listener, 4), 0);
	peer = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0);
	assert_int_equal(ioth_connect(peer, (struct sockaddr *)&addr, sizeof(addr)), 0);

	send_many(ends);
	assert_int_equal(prlimit(server.pid, RLIMIT_NOFILE, NULL, &before), 0);
	few = before;
	few.rlim_cur = ON_THEIR_WAY / 2;
	assert_int_equal(prlimit(server.pid, RLIMIT_NOFILE, &few, NULL), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ioth_msocket(stack, AF_INET, i == 0 ? SOCK_DGRAM : SOCK_STREAM, 0), -1);
		assert_int_equal(errno, EMFILE);
	}
	assert_int_equal(ioth_accept(listener, NULL, NULL), -1);
	assert_int_equal(errno, EMFILE);
	/* Who waits for what was accepted learns that it is no more. */
	assert_true(ioth_recv(peer, &byte, 1, 0) <= 0);

	close(ends[0]);
	close(ends[1]);
	assert_int_equal(prlimit(server.pid, RLIMIT_NOFILE, &before, NULL), 0);
	assert_int_equal(ioth_close(peer), 0);
	assert_int_equal(ioth_close(listener), 0);
	works(stack);
	/* The server has kept none: a stack that has sockets is not deleted. */
	assert_int_equal(ioth_delstack(stack), 0);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(path_taken, start, stop),
	        cmocka_unit_test(not_a_listener),
	        cmocka_unit_test(options),
	        cmocka_unit_test_setup_teardown(version_mismatch, start, stop),
	        cmocka_unit_test_setup_teardown(user_refused, start, stop),
	        cmocka_unit_test_setup_teardown(garbage, start, stop),
	        cmocka_unit_test_setup_teardown(others_sockets, start, stop),
	        cmocka_unit_test_setup_teardown(no_links, start, stop),
	        cmocka_unit_test_setup_teardown(client_killed, start, stop),
	        cmocka_unit_test_setup_teardown(server_killed, start, stop),
	        cmocka_unit_test_setup_teardown(signal_before_the_answer, start, stop),
	        cmocka_unit_test_setup_teardown(signal_with_the_answer, start, stop),
	        cmocka_unit_test_setup_teardown(server_restarted, start, stop),
	        cmocka_unit_test_setup_teardown(exec_inherits, start, stop),
	        cmocka_unit_test_setup_teardown(sockets_limited, start, stop),
	        cmocka_unit_test_setup_teardown(out_of_descriptors, start, stop),
	        cmocka_unit_test_setup_teardown(descriptors_on_their_way, start, stop),
	};
	int failed;

	if (argc == 5 && strcmp(argv[1], "--inherited") == 0)
		return inherited(argv);
	if (mkdtemp(dir) == NULL)
		return 1;
	chmod(dir, 0755);
	snprintf(path, sizeof(path), "%s/socket", dir);
	snprintf(stackname, sizeof(stackname), "remote,socket=%s", path);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return failed;
}
