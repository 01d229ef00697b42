/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_vdestack_helper.c - the helper of vdestack, spoken to directly: what it answers, what it refuses, what it
 * survives
 *
 * Each test starts a helper of its own, as a child here, and ends by proving that it ends by itself when it is left
 * alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "netns.h"
#include "wait.h"
#include "wire.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNSETTLED_MS 500           /* after that what is not settled is open */
#define FDS (WIRE_SOCKETS_MAX + 1) /* room for those of an answer */

static pid_t helper;
static int conn = -1; /* to it */

/* ------------------------------------------------------------------------------------------ the conversation */

/** tell_raw - a message of @len bytes, with @fd beside it if that is not -1; 0 or a negative errno */
static int tell_raw(int to, const void *bytes, size_t len, int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.align = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
	struct iovec iov = {(void *)(uintptr_t)bytes, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	return sendmsg(to, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void tell(int to, const struct wire_request *request)
{
	assert_int_equal(tell_raw(to, request, sizeof(*request), -1), 0);
}

/**
 * hear_message - the next message into @reply, the descriptors beside it into fd[], how many into @count; false at
 * the end
 */
static bool hear_message(int from, struct wire_reply *reply, int *fd, unsigned int *count)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(WIRE_SOCKETS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {reply, sizeof(*reply)};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct pollfd pfd = {.fd = from, .events = POLLIN};
	struct cmsghdr *cmsg;
	ssize_t got;

	*count = 0;
	if (poll(&pfd, 1, WAIT_MS) != 1)
		fail_msg("the helper does not answer");
	got = recvmsg(from, &msg, MSG_CMSG_CLOEXEC);
	if (got <= 0)
		return false;
	assert_int_equal(got, sizeof(*reply));
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg) {
		*count = (unsigned int)((cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fd, CMSG_DATA(cmsg), *count * sizeof(int));
	}
	return true;
}

/** hear - the next answer, as hear_message; sockets come in two messages, the second without them */
static bool hear(int from, struct wire_reply *reply, int *fd, unsigned int *count)
{
	struct wire_reply again;
	unsigned int none;

	if (!hear_message(from, reply, fd, count))
		return false;
	assert_int_equal(reply->fds, *count);
	if (reply->op == WIRE_SOCKET && *count > 0) {
		if (!hear_message(from, &again, fd + *count, &none))
			return false;
		assert_int_equal(none, 0);
		assert_memory_equal(&again, reply, sizeof(again));
	}
	return true;
}

/** ask_fds - a question and its answer; returns its error */
static int ask_fds(int to, struct wire_request request, struct wire_reply *reply, int *fd, unsigned int *count)
{
	static uint32_t seq;

	request.seq = ++seq;
	tell(to, &request);
	assert_true(hear(to, reply, fd, count));
	assert_int_equal(reply->op, request.op);
	assert_int_equal(reply->seq, request.seq);
	return reply->error;
}

/** ask - the same when the descriptors are of no interest */
static int ask(int to, struct wire_request request)
{
	struct wire_reply reply;
	int fd[FDS];
	unsigned int count;
	int error = ask_fds(to, request, &reply, fd, &count);

	while (count > 0)
		close(fd[--count]);
	return error;
}

static struct wire_request request_hello(uint32_t version)
{
	return (struct wire_request){.op = WIRE_HELLO, .hello = {.version = version, .userns = 1}};
}

static struct wire_request request_stack(uint32_t op, uint64_t stack)
{
	return (struct wire_request){.op = op, .stack = stack};
}

static struct wire_request request_port(uint64_t stack, const char *name)
{
	struct wire_request request = {.op = WIRE_NEWPORT, .stack = stack};

	memcpy(request.newport.ifname, name, strnlen(name, WIRE_IFNAME));
	return request;
}

static struct wire_request request_socket(uint64_t stack, int domain, int type, int protocol, uint32_t count)
{
	return (struct wire_request){.op = WIRE_SOCKET, .stack = stack, .socket = {domain, type, protocol, count}};
}

/** is_over - the helper has ended the connection */
static void is_over(int which)
{
	struct wire_reply reply;
	int fd[FDS];
	unsigned int count;

	while (hear(which, &reply, fd, &count))
		while (count > 0)
			close(fd[--count]);
}

/* ------------------------------------------------------------------------------------------------ the helper */

/** start - a helper with one end of a pair as its connection; @fd -1: with none */
static void start(int fd)
{
	helper = fork();
	assert_true(helper >= 0);
	if (helper == 0) {
		if (fd < 0)
			close(WIRE_FD);
		else if (fd == WIRE_FD)
			fcntl(fd, F_SETFD, 0);
		else
			dup2(fd, WIRE_FD);
		execl(HELPER, "ioth-vdestack-helper", (char *)NULL);
		_exit(127);
	}
}

/** ends - the helper ends by itself; returns its status */
static int ends(void)
{
	long deadline = wait_now_ms() + WAIT_MS;
	int status;

	while (waitpid(helper, &status, WNOHANG) == 0)
		if (!wait_again(deadline))
			fail_msg("the helper does not end");
	helper = 0;
	return status;
}

/** held - descriptors that the helper has open */
static int held(void)
{
	struct dirent *entry;
	char path[64];
	int count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", helper);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

static int setup_silent(void **state)
{
	int pair[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	conn = pair[0];
	start(pair[1]);
	close(pair[1]);
	return 0;
}

static int setup(void **state)
{
	if (setup_silent(state) != 0)
		return -1;
	return ask(conn, request_hello(WIRE_VERSION));
}

static int teardown(void **state)
{
	(void)state;
	if (conn >= 0)
		close(conn);
	conn = -1;
	return helper && ends() != 0 ? -1 : 0;
}

/* --------------------------------------------------------------------------------------------- how it begins */

static void test_alone(void **state)
{
	int status;

	(void)state;
	start(-1);
	status = ends();
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
}

static void test_version(void **state)
{
	struct wire_reply reply;
	int fd[FDS];
	unsigned int count;

	(void)state;
	assert_int_equal(ask_fds(conn, request_hello(WIRE_VERSION + 1), &reply, fd, &count), EPROTO);
	assert_int_equal(reply.hello.step, WIRE_STEP_VERSION);
	is_over(conn);
}

static void test_no_hello(void **state)
{
	struct wire_request request = request_stack(WIRE_NEWSTACK, 1);

	(void)state;
	tell(conn, &request);
	is_over(conn);
}

/* Whoever does not speak the language is left, each in a helper of its own. */
static void test_garbage(void **state)
{
	static const size_t length[] = {1, sizeof(struct wire_request) - 1, sizeof(struct wire_request) + 1, 5000};
	unsigned char bytes[5000];

	memset(bytes, 0x5a, sizeof(bytes));
	for (unsigned int i = 0; i < sizeof(length) / sizeof(length[0]); i++) {
		assert_int_equal(setup(state), 0);
		assert_int_equal(tell_raw(conn, bytes, length[i], -1), 0);
		is_over(conn);
		assert_int_equal(teardown(state), 0);
	}
	for (uint32_t op = 0; op < 300; op += op < 12 ? 1 : 96) {
		struct wire_request request = {.op = op};

		if (op >= WIRE_HELLO && op <= WIRE_COUNT)
			continue;
		assert_int_equal(setup(state), 0);
		tell(conn, &request);
		is_over(conn);
		assert_int_equal(teardown(state), 0);
	}
}

/* ------------------------------------------------------------------------------------------- what it answers */

static void test_refusals(void **state)
{
	struct wire_request request;

	(void)state;
	assert_int_equal(ask(conn, request_hello(WIRE_VERSION)), 0); /* again is no harm */
	assert_int_equal(ask(conn, request_port(1, "vde0")), ENOENT);
	assert_int_equal(ask(conn, request_socket(1, AF_INET, SOCK_DGRAM, 0, 1)), ENETDOWN);
	assert_int_equal(ask(conn, request_stack(WIRE_COUNT, 1)), ENOENT);
	assert_int_equal(ask(conn, request_stack(WIRE_NEWSTACK, 1)), 0);
	assert_int_equal(ask(conn, request_stack(WIRE_NEWSTACK, 1)), EEXIST);

	assert_int_equal(ask(conn, request_socket(1, AF_INET, SOCK_DGRAM, 0, 0)), EINVAL);
	assert_int_equal(ask(conn, request_socket(1, AF_INET, SOCK_DGRAM, 0, WIRE_SOCKETS_MAX + 1)), EINVAL);
	assert_int_equal(ask(conn, request_socket(1, AF_INET, SOCK_DGRAM, 0, UINT32_MAX)), EINVAL);
	assert_int_equal(ask(conn, request_socket(1, 9999, SOCK_DGRAM, 0, 1)), EAFNOSUPPORT);
	assert_int_equal(ask(conn, request_socket(1, AF_INET, SOCK_DGRAM, 200, 1)), EPROTONOSUPPORT);

	assert_int_equal(ask(conn, request_port(1, "sixteen-letters-and-more")), EINVAL);
	assert_int_equal(ask(conn, request_port(1, "with/slash")), EINVAL);
	request = request_port(1, "eth0");
	request.newport.ifindex = 0x80000000;
	assert_int_equal(ask(conn, request), EINVAL);
	request.newport.ifindex = 0;
	request.newport.mtu = 0x7fffffff;
	assert_int_not_equal(ask(conn, request), 0);
	request.newport.mtu = 0;
	request.newport.has_mac = 1; /* of zeroes */
	assert_int_not_equal(ask(conn, request), 0);
	assert_int_equal(ask(conn, request_port(1, "eth0")), 0);
	assert_int_equal(ask(conn, request_port(1, "eth0")), EEXIST);

	/* told about what there is not, it goes on */
	request = request_stack(WIRE_DELSTACK, 77);
	tell(conn, &request);
	request = request_stack(WIRE_STOPSTACK, 77);
	tell(conn, &request);
	request = request_stack(WIRE_DELPORT, 1);
	request.delport.peer = 12345;
	tell(conn, &request);
	request.stack = 77;
	tell(conn, &request);
	request = request_stack(WIRE_CONNECT, 0); /* with nothing to connect */
	tell(conn, &request);
	assert_int_equal(ask(conn, request_socket(1, AF_INET, SOCK_DGRAM, 0, 1)), 0);
}

static void test_sockets(void **state)
{
	struct wire_reply reply;
	int fd[FDS], type = 0;
	socklen_t len = sizeof(type);
	unsigned int count;

	(void)state;
	assert_int_equal(ask(conn, request_stack(WIRE_NEWSTACK, 1)), 0);
	assert_int_equal(
	        ask_fds(conn, request_socket(1, AF_INET6, SOCK_DGRAM, 0, WIRE_SOCKETS_MAX), &reply, fd, &count), 0);
	assert_int_equal(count, WIRE_SOCKETS_MAX);
	assert_int_equal(reply.socket.domain, AF_INET6);
	while (count > 0) {
		assert_return_code(getsockopt(fd[--count], SOL_SOCKET, SO_TYPE, &type, &len), errno);
		assert_int_equal(type, SOCK_DGRAM);
		close(fd[count]);
	}
}

/** count_open - the answer to WIRE_COUNT, once it is settled, or has not been for long */
static int count_open(uint64_t stack, uint32_t kept_netlink, uint32_t kept_other)
{
	struct wire_request request = {.op = WIRE_COUNT, .stack = stack, .count = {kept_netlink, kept_other, 0}};
	long deadline = wait_now_ms() + UNSETTLED_MS;
	struct wire_reply reply;
	int fd[FDS];
	unsigned int n;

	do {
		assert_int_equal(ask_fds(conn, request, &reply, fd, &n), 0);
		request.count.again = 1;
	} while (!reply.count.settled && wait_again(deadline));
	return reply.count.open;
}

static void test_count(void **state)
{
	struct wire_reply reply;
	int other[FDS], netlink[FDS], copy;
	unsigned int n;

	(void)state;
	assert_int_equal(ask(conn, request_stack(WIRE_NEWSTACK, 1)), 0);
	assert_int_equal(ask(conn, request_stack(WIRE_NEWSTACK, 2)), 0);
	assert_int_equal(count_open(1, 0, 0), 0);
	assert_int_equal(ask_fds(conn, request_socket(1, AF_INET, SOCK_STREAM, 0, 3), &reply, other, &n), 0);
	assert_int_equal(ask_fds(conn, request_socket(1, AF_NETLINK, SOCK_RAW, 0, 2), &reply, netlink, &n), 0);
	assert_true(count_open(1, 0, 0) > 0);
	assert_true(count_open(1, 2, 2) > 0);
	assert_true(count_open(1, 1, 3) > 0);
	assert_int_equal(count_open(1, 2, 3), 0);
	assert_int_equal(count_open(2, 0, 0), 0); /* of another */
	/* closed just now, netlink sockets still linger */
	close(netlink[0]);
	close(netlink[1]);
	assert_int_equal(count_open(1, 0, 3), 0);
	copy = dup(other[0]);
	close(other[0]);
	assert_true(count_open(1, 0, 2) > 0);
	close(copy);
	assert_int_equal(count_open(1, 0, 2), 0);
	close(other[1]);
	close(other[2]);
	assert_int_equal(count_open(1, 0, 0), 0);
}

/* Connections that TCP does not count: accepted AF_UNIX sockets, which have no mark either. */
static void test_count_accepted(void **state)
{
	struct sockaddr addr = {.sa_family = AF_UNIX};
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	struct wire_reply reply;
	int fd[FDS], accepted;
	unsigned int n;

	(void)state;
	assert_int_equal(ask(conn, request_stack(WIRE_NEWSTACK, 1)), 0);
	assert_int_equal(ask_fds(conn, request_socket(1, AF_UNIX, SOCK_STREAM, 0, 2), &reply, fd, &n), 0);
	assert_return_code(bind(fd[0], &addr, sizeof(addr.sa_family)), errno); /* the kernel chooses a name */
	assert_return_code(listen(fd[0], 1), errno);
	assert_return_code(getsockname(fd[0], (struct sockaddr *)&name, &len), errno);
	assert_return_code(connect(fd[1], (struct sockaddr *)&name, len), errno);
	accepted = accept(fd[0], NULL, NULL);
	assert_true(accepted >= 0);
	close(fd[0]);
	assert_true(count_open(1, 0, 0) > 0);
	close(fd[1]);
	assert_true(count_open(1, 0, 0) > 0);
	close(accepted);
	assert_int_equal(count_open(1, 0, 0), 0);
}

/* ---------------------------------------------------------------------------------- connections of its children */

/** connect_another - over @over; returns the new connection */
static int connect_another(int over)
{
	struct wire_request request = {.op = WIRE_CONNECT};
	int pair[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), errno);
	assert_int_equal(tell_raw(over, &request, sizeof(request), pair[1]), 0);
	close(pair[1]);
	return pair[0];
}

static void test_family(void **state)
{
	struct wire_request gone = request_stack(WIRE_DELSTACK, 1);
	int child = connect_another(conn), grandchild;

	(void)state;
	assert_int_equal(ask(conn, request_stack(WIRE_NEWSTACK, 1)), 0);
	assert_int_equal(ask(child, request_socket(1, AF_INET, SOCK_DGRAM, 0, 1)), 0);
	assert_int_equal(ask(child, request_port(1, "vde0")), EPERM); /* it is the parent's */
	tell(child, &gone);
	assert_int_equal(ask(child, request_stack(WIRE_NEWSTACK, 2)), 0);
	assert_int_equal(ask(conn, request_port(2, "vde0")), EPERM);
	grandchild = connect_another(child);
	assert_int_equal(ask(grandchild, request_socket(1, AF_INET, SOCK_DGRAM, 0, 1)), 0);

	/* what a process leaves is its child's */
	close(conn);
	while (ask(child, request_port(1, "vde0")) == EPERM)
		;
	close(child);
	while (ask(grandchild, request_port(1, "vde1")) == EPERM)
		;
	assert_int_equal(ask(grandchild, request_port(2, "vde0")), 0);
	tell(grandchild, &gone);
	assert_int_equal(ask(grandchild, request_socket(1, AF_INET, SOCK_DGRAM, 0, 1)), ENETDOWN);
	conn = grandchild;
}

/* A stack of a child that ends is not passed to its parent. */
static void test_childless(void **state)
{
	int child = connect_another(conn), brother;

	(void)state;
	assert_int_equal(ask(child, request_stack(WIRE_NEWSTACK, 1)), 0);
	brother = connect_another(conn);
	assert_int_equal(ask(brother, request_socket(1, AF_INET, SOCK_DGRAM, 0, 1)), 0);
	close(child);
	while (ask(brother, request_socket(1, AF_INET, SOCK_DGRAM, 0, 1)) == 0)
		;
	close(brother);
}

/* A connection of a child that is none, or one that it spoils, is the end of nothing but that connection. */
static void test_bad_child(void **state)
{
	struct wire_request request = {.op = WIRE_CONNECT};
	int before, file, child = connect_another(conn);

	(void)state;
	assert_int_equal(ask(conn, request_stack(WIRE_NEWSTACK, 1)), 0);
	assert_int_equal(ask(child, request_socket(1, AF_INET, SOCK_DGRAM, 0, 1)), 0);
	assert_int_equal(tell_raw(child, "x", 1, -1), 0);
	is_over(child);
	close(child);
	before = held();
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_int_equal(tell_raw(conn, &request, sizeof(request), file), 0);
	/* and a descriptor that nobody asked for */
	request = request_stack(WIRE_DELSTACK, 77);
	assert_int_equal(tell_raw(conn, &request, sizeof(request), file), 0);
	close(file);
	assert_int_equal(ask(conn, request_socket(1, AF_INET, SOCK_DGRAM, 0, 1)), 0);
	assert_int_equal(held(), before);
}

/* --------------------------------------------------------------------------------------------- what it holds */

/* One that asks and asks and never takes an answer is left, and the sockets that were on their way are closed. */
static void test_deaf(void **state)
{
	struct wire_request request = request_socket(1, AF_INET, SOCK_DGRAM, 0, 8);
	int deaf = connect_another(conn), err = 0;

	(void)state;
	assert_int_equal(ask(conn, request_stack(WIRE_NEWSTACK, 1)), 0);
	for (unsigned int i = 0; i < 100000 && err == 0; i++)
		err = tell_raw(deaf, &request, sizeof(request), -1);
	assert_true(err == -EPIPE || err == -ECONNRESET);
	assert_int_equal(ask(conn, request_socket(1, AF_INET, SOCK_DGRAM, 0, 1)), 0);
	assert_int_equal(count_open(1, 0, 0) > 0, 1); /* in the queue of the deaf one */
	close(deaf);
	assert_int_equal(count_open(1, 0, 0), 0);
}

/** port - an interface of @stack; the other end's index, its packet socket closed here */
static uint32_t port(uint64_t stack, const char *name)
{
	struct wire_reply reply;
	int fd[FDS];
	unsigned int count;

	assert_int_equal(ask_fds(conn, request_port(stack, name), &reply, fd, &count), 0);
	assert_int_equal(count, 1);
	close(fd[0]);
	assert_string_equal(reply.newport.ifname, name);
	return reply.newport.peer;
}

/** settles - the helper holds no more than @limit descriptors, soon */
static void settles(int limit)
{
	long deadline = wait_now_ms() + WAIT_MS;

	while (held() > limit)
		if (!wait_again(deadline))
			fail_msg("the helper holds %d descriptors, should be %d", held(), limit);
}

static void test_cycles(void **state)
{
	int base = held() + 66; /* some packet sockets stay for the next, and the reaper has a socket */

	(void)state;
	for (uint64_t i = 1; i <= 300; i++) {
		struct wire_request request = request_stack(WIRE_DELPORT, i);

		assert_int_equal(ask(conn, request_stack(WIRE_NEWSTACK, i)), 0);
		request.delport.peer = port(i, "vde0");
		port(i, "vde1");
		assert_int_equal(ask(conn, request_socket(i, AF_INET, SOCK_DGRAM, 0, 1)), 0);
		if (i % 16 == 0)
			tell(conn, &request);
		request = request_stack(WIRE_DELSTACK, i);
		tell(conn, &request);
	}
	settles(base);
}

/* A namespace that goes on living because of a socket loses its interface all the same. */
static void test_held_stack(void **state)
{
	struct wire_request request = request_stack(WIRE_DELSTACK, 1);
	long deadline = wait_now_ms() + WAIT_MS;
	struct ifreq ifr = {.ifr_name = "vde0"};
	struct wire_reply reply;
	int fd[FDS];
	unsigned int count;

	(void)state;
	assert_int_equal(ask(conn, request_stack(WIRE_NEWSTACK, 1)), 0);
	port(1, "vde0");
	assert_int_equal(ask_fds(conn, request_socket(1, AF_INET, SOCK_DGRAM, 0, 1), &reply, fd, &count), 0);
	assert_return_code(ioctl(fd[0], SIOCGIFINDEX, &ifr), errno);
	tell(conn, &request);
	while (ioctl(fd[0], SIOCGIFINDEX, &ifr) == 0)
		if (!wait_again(deadline))
			fail_msg("the interface is still there");
	assert_int_equal(errno, ENODEV);
	close(fd[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_alone),
	        cmocka_unit_test_setup_teardown(test_version, setup_silent, teardown),
	        cmocka_unit_test_setup_teardown(test_no_hello, setup_silent, teardown),
	        cmocka_unit_test(test_garbage),
	        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_sockets, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_count, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_count_accepted, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_family, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_childless, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_bad_child, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_deaf, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_cycles, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_held_stack, setup, teardown),
	};
	int err = netns_private();

	if (err) {
		printf("no namespaces of one's own here: %s\n", strerror(-err));
		return 77;
	}
	/* Nor have those that it makes itself, in a chroot for example. */
	err = setup(NULL);
	teardown(NULL);
	if (err == EPERM) {
		printf("the helper may not have a user namespace here\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
