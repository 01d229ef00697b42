/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_serve_ahead.c - datagrams of a served stack that go to the client before it asks (src/serve/ahead.c).
 *
 * That nothing can be told from what sockets do is shown by the conformance suite. Here: many of them, in order, mixed
 * with those that have to be asked for, beside errors, and with nobody who reads.
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
#include "serve_stack.h"
#include "wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char dir[] = "/tmp/ioth-serve-XXXXXX";
static char path[64], stackname[96];
static struct server server;

/** struct net - a server, and three sockets of its lo: two that are connected to the third */
static struct {
	struct ioth *stack;
	int a, b, to;
	struct sockaddr_in addr_a, addr_b, addr_to;
} net;

static int bound(struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int fd = ioth_msocket(net.stack, AF_INET, SOCK_DGRAM, 0);

	*addr = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_true(fd >= 0);
	assert_int_equal(ioth_bind(fd, (struct sockaddr *)addr, len), 0);
	assert_int_equal(ioth_getsockname(fd, (struct sockaddr *)addr, &len), 0);
	return fd;
}

/** is_ahead - has the server put into a descriptor what it will receive? Its end is called so */
static bool is_ahead(int fd)
{
	struct sockaddr_un name = {.sun_family = AF_UNSPEC};
	socklen_t len = sizeof(name);

	return getpeername(fd, (struct sockaddr *)&name, &len) == 0 && len > sizeof(sa_family_t) &&
	       name.sun_path[sizeof(REMOTE_NAME)] == REMOTE_KIND_AHEAD;
}

static int setup(void **state)
{
	char byte;

	(void)state;
	server_start(&server, "testengine", path, NULL, 0);
	net.stack = ioth_newstack(stackname, NULL);
	assert_non_null(net.stack);
	net.a = bound(&net.addr_a);
	net.b = bound(&net.addr_b);
	net.to = bound(&net.addr_to);
	assert_int_equal(ioth_connect(net.a, (struct sockaddr *)&net.addr_to, sizeof(net.addr_to)), 0);
	assert_int_equal(ioth_connect(net.b, (struct sockaddr *)&net.addr_to, sizeof(net.addr_to)), 0);
	/* The first question switches it over. */
	assert_int_equal(ioth_recv(net.to, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(wait_revents(net.to, POLLOUT), POLLOUT);
	assert_true(is_ahead(net.to) && !is_ahead(net.a));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ioth_close(net.a);
	ioth_close(net.b);
	ioth_close(net.to);
	assert_int_equal(ioth_delstack(net.stack), 0);
	server_stop(&server);
	return 0;
}

static void say(int fd, unsigned int number, size_t size)
{
	char bytes[2000] = {0};

	memcpy(bytes, &number, sizeof(number));
	assert_int_equal(ioth_send(fd, bytes, size, 0), size);
}

/** hear - the next datagram: its number, and its sender's port */
static unsigned int hear(size_t size, in_port_t *port)
{
	char bytes[2000];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	unsigned int number = 0;

	assert_int_equal(ioth_recvfrom(net.to, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &len), size);
	assert_int_equal(len, sizeof(from));
	memcpy(&number, bytes, sizeof(number));
	*port = from.sin_port;
	return number;
}

static void order(void **state)
{
	in_port_t port;

	(void)state;
	for (unsigned int i = 0; i < 100; i++)
		say(i % 3 ? net.a : net.b, i, 4 + i);
	for (unsigned int i = 0; i < 100; i++) {
		assert_int_equal(hear(4 + i, &port), i);
		assert_int_equal(port, i % 3 ? net.addr_a.sin_port : net.addr_b.sin_port);
	}
	assert_int_equal(wait_revents(net.to, POLLOUT), POLLOUT);
}

/** ttl - receive one with its control messages; the TTL that it tells, -1: it tells none */
static int ttl(int flags, unsigned int *number)
{
	_Alignas(struct cmsghdr) char control[64];
	struct iovec iov = {number, sizeof(*number)};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg;
	int value = -1;

	assert_int_equal(ioth_recvmsg(net.to, &msg, flags), sizeof(*number));
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg != NULL)
		memcpy(&value, CMSG_DATA(cmsg), sizeof(value));
	return value;
}

/* Some with control messages among others without: they come in their order, and one can look at them first. */
static void asked_for(void **state)
{
	unsigned int number;
	in_port_t port;
	int on = 1, off = 0, size = 0;

	(void)state;
	say(net.a, 0, 4);
	assert_int_equal(hear(4, &port), 0);
	say(net.a, 1, 4);
	assert_int_equal(wait_revents(net.to, POLLIN | POLLOUT), POLLIN | POLLOUT);
	assert_int_equal(ioth_setsockopt(net.to, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on)), 0);
	for (unsigned int i = 2; i < 90; i++)
		say(i % 2 ? net.a : net.b, i, 4);
	for (unsigned int i = 1; i < 80; i++) {
		assert_int_equal(ioth_ioctl(net.to, FIONREAD, &size), 0);
		assert_int_equal(size, 4);
		if (i > 2)
			assert_true(ttl(MSG_PEEK, &number) > 0);
		ttl(0, &number);
		assert_int_equal(number, i);
	}
	assert_int_equal(ioth_setsockopt(net.to, IPPROTO_IP, IP_RECVTTL, &off, sizeof(off)), 0);
	say(net.a, 90, 4);
	for (unsigned int i = 80; i < 91; i++)
		assert_int_equal(hear(4, &port), i);
	assert_int_equal(wait_revents(net.to, POLLOUT), POLLOUT);
}

static void shapes(void **state)
{
	char bytes[8];
	struct iovec iov = {bytes, 3};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	(void)state;
	assert_int_equal(ioth_send(net.a, "", 0, 0), 0);
	assert_int_equal(ioth_send(net.a, "12345", 5, 0), 5);
	assert_int_equal(wait_revents(net.to, POLLIN | POLLOUT), POLLIN | POLLOUT);
	assert_int_equal(ioth_recv(net.to, bytes, sizeof(bytes), 0), 0);
	assert_int_equal(ioth_recv(net.to, bytes, 3, MSG_PEEK), 3);
	assert_int_equal(ioth_recv(net.to, bytes, 3, MSG_PEEK | MSG_TRUNC), 5);
	assert_int_equal(ioth_recvmsg(net.to, &msg, 0), 3);
	assert_true(msg.msg_flags & MSG_TRUNC);
	assert_memory_equal(bytes, "123", 3);
	assert_int_equal(ioth_recv(net.to, bytes, sizeof(bytes), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

/* Nobody reads: what comes later is lost, what is there came before it, in its order, and then it goes on. */
static void slow_reader(void **state)
{
	long deadline = wait_now_ms() + WAIT_MS;
	unsigned int count = 0, number, last = 0;
	ssize_t len = -1;

	(void)state;
	for (unsigned int i = 1; i <= 3000; i++)
		say(net.a, i, 1000);
	/* Another one, as often as it is lost, behind all those that are on their way. */
	for (say(net.b, 0, 4); len != 4;) {
		len = ioth_recv(net.to, &number, sizeof(number), MSG_DONTWAIT | MSG_TRUNC);
		if (len < 0 && wait_again(deadline))
			say(net.b, 0, 4);
		assert_true(len >= 0 || wait_now_ms() < deadline);
		if (len != 1000)
			continue;
		assert_true(number == count + 1 || (count > 100 && number > last));
		last = number;
		count++;
	}
	assert_in_range(count, 100, 2999);
}

/* A port that nobody has: the error comes once, before the datagrams that are there. */
static void error_first(void **state)
{
	char byte;

	(void)state;
	assert_int_equal(ioth_recv(net.a, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(ioth_sendto(net.to, "1", 1, 0, (struct sockaddr *)&net.addr_a, sizeof(net.addr_a)), 1);
	assert_int_equal(wait_revents(net.a, POLLIN | POLLOUT), POLLIN | POLLOUT);
	ioth_close(net.to);
	assert_int_equal(ioth_send(net.a, "2", 1, 0), 1);
	assert_int_equal(wait_revents(net.a, POLLIN | POLLOUT | POLLERR), POLLIN | POLLOUT | POLLERR);
	assert_int_equal(ioth_recv(net.a, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(ioth_recv(net.a, &byte, 1, 0), 1);
	assert_int_equal(byte, '1');
	assert_int_equal(wait_revents(net.a, POLLOUT), POLLOUT);
	net.to = bound(&net.addr_to);
}

static void *wait_for_one(void *arg)
{
	char byte;

	return (void *)(intptr_t)ioth_recv(*(int *)arg, &byte, 1, 0);
}

/* Who waits since before the change, and who waits since: each gets one. */
static void two_wait(void **state)
{
	struct sockaddr_in addr;
	int fd = bound(&addr);
	pthread_t threads[2];
	char byte;
	void *result;

	(void)state;
	assert_int_equal(pthread_create(&threads[0], NULL, wait_for_one, &fd), 0);
	assert_int_equal(ioth_recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(pthread_create(&threads[1], NULL, wait_for_one, &fd), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(ioth_sendto(net.a, "x", 1, 0, (struct sockaddr *)&addr, sizeof(addr)), 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_int_equal((intptr_t)result, 1);
	}
	ioth_close(fd);
}

static void peek_offset(void **state)
{
	struct sockaddr_in addr;
	int fd = bound(&addr), zero = 0;
	char bytes[8];

	(void)state;
	/* Bytes of heads would count. */
	assert_int_equal(ioth_setsockopt(net.to, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero)), -1);
	assert_int_equal(errno, EOPNOTSUPP);
	/* Before the change it prevents that, if the stack knows the option at all. */
	if (ioth_setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero)) == 0) {
		assert_int_equal(ioth_recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT), -1);
		assert_int_equal(ioth_sendto(net.a, "abcd", 4, 0, (struct sockaddr *)&addr, sizeof(addr)), 4);
		assert_int_equal(ioth_recv(fd, bytes, 2, MSG_PEEK), 2);
		assert_int_equal(ioth_recv(fd, bytes, 2, MSG_PEEK), 2);
		assert_false(is_ahead(fd));
		assert_memory_equal(bytes, "cd", 2);
	}
	ioth_close(fd);
}

static void server_killed(void **state)
{
	char byte;

	(void)state;
	server_kill(&server);
	assert_int_equal(ioth_recv(net.to, &byte, 1, 0), -1);
	assert_int_equal(errno, ENETDOWN);
	server_start(&server, "testengine", path, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(order, setup, teardown),
	        cmocka_unit_test_setup_teardown(asked_for, setup, teardown),
	        cmocka_unit_test_setup_teardown(shapes, setup, teardown),
	        cmocka_unit_test_setup_teardown(slow_reader, setup, teardown),
	        cmocka_unit_test_setup_teardown(error_first, setup, teardown),
	        cmocka_unit_test_setup_teardown(two_wait, setup, teardown),
	        cmocka_unit_test_setup_teardown(peek_offset, setup, teardown),
	        cmocka_unit_test_setup_teardown(server_killed, setup, teardown),
	};
	int failed;

	if (mkdtemp(dir) == NULL)
		return 1;
	chmod(dir, 0755);
	snprintf(path, sizeof(path), "%s/socket", dir);
	snprintf(stackname, sizeof(stackname), "remote,socket=%s", path);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return failed;
}
