/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_plugin_calls.c - plugins of the 0.1 interface in use: stacks of their own, and every call that they left out.
 *
 * The plugins are those of tests/plugins. old01 is not re-entrant and has recv and send, old01r is re-entrant and has
 * recvmsg and sendmsg; what is asked of one is asked of the other. Their data go through AF_UNIX pairs, so the kernel
 * is the measure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ioth.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "left.h"
#include "old01engine.h"

static struct left before;

static int remember(void **state)
{
	(void)state;
	return left_count(&before);
}

static int nothing_left(void **state)
{
	char text[512];

	(void)state;
	unsetenv("IOTH_PRIVATE");
	if (left_since(&before, text, sizeof(text)) == 0)
		return 0;
	print_error("left: %s\n", text);
	return -1;
}

static struct ioth *new_stack(const char *name)
{
	struct ioth *stack = ioth_newstack(name, NULL);

	if (!stack)
		fail_msg("%s: %s", name, strerror(errno));
	return stack;
}

static struct sockaddr_in address(in_port_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return in;
}

static int listener(struct ioth *stack, int type, in_port_t port)
{
	struct sockaddr_in in = address(port);
	int fd = ioth_msocket(stack, AF_INET, type, 0);

	assert_true(fd >= 0);
	assert_int_equal(ioth_bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(ioth_listen(fd, 5), 0);
	return fd;
}

/** try_connect - a new socket connected to @port, or a negative errno */
static int try_connect(struct ioth *stack, int type, in_port_t port)
{
	struct sockaddr_in in = address(port);
	int fd = ioth_msocket(stack, AF_INET, type, 0);

	assert_true(fd >= 0);
	if (ioth_connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0)
		return fd;
	assert_int_equal(ioth_close(fd), 0);
	return -errno;
}

/** struct pair - two connected sockets of a stack */
struct pair {
	struct ioth *stack;
	int a, b;
};

static struct pair connected(const char *plugin, int type)
{
	struct pair pair = {.stack = new_stack(plugin)};
	int fd = listener(pair.stack, type, 7);

	pair.a = try_connect(pair.stack, type, 7);
	assert_true(pair.a >= 0);
	pair.b = ioth_accept(fd, NULL, NULL);
	assert_true(pair.b >= 0);
	assert_int_equal(ioth_close(fd), 0);
	return pair;
}

static void disconnect(struct pair *pair)
{
	assert_int_equal(ioth_close(pair->a), 0);
	assert_int_equal(ioth_close(pair->b), 0);
	assert_int_equal(ioth_delstack(pair->stack), 0);
}

/** sockets_made - the engine's own count */
static int sockets_made(int fd)
{
	int made = -1;
	socklen_t len = sizeof(made);

	assert_int_equal(ioth_getsockopt(fd, OLD01_LEVEL, OLD01_MADE, &made, &len), 0);
	return made;
}

static void stacks_at_once(const char *plugin)
{
	enum { STACKS = 100 };
	struct ioth *stack[STACKS];
	int fd[STACKS], client, server;
	char text[32], want[32];

	for (int i = 0; i < STACKS; i++) {
		stack[i] = new_stack(plugin);
		fd[i] = listener(stack[i], SOCK_STREAM, (in_port_t)(1000 + i));
		assert_int_equal(sockets_made(fd[i]), 1);
	}
	for (int i = 0; i < STACKS; i++) {
		/* Its neighbour's port does not exist here. */
		assert_int_equal(try_connect(stack[i], SOCK_STREAM, (in_port_t)(1000 + (i + 1) % STACKS)),
		                 -ECONNREFUSED);
		client = try_connect(stack[i], SOCK_STREAM, (in_port_t)(1000 + i));
		assert_true(client >= 0);
		server = ioth_accept(fd[i], NULL, NULL);
		assert_true(server >= 0);
		snprintf(want, sizeof(want), "stack %d", i);
		assert_int_equal(ioth_write(client, want, strlen(want)), (ssize_t)strlen(want));
		memset(text, 0, sizeof(text));
		assert_int_equal(ioth_read(server, text, sizeof(text)), (ssize_t)strlen(want));
		assert_string_equal(text, want);
		assert_int_equal(sockets_made(client), 4);
		assert_int_equal(ioth_close(client), 0);
		assert_int_equal(ioth_close(server), 0);
	}
	for (int i = 0; i < STACKS; i++) {
		errno = 0;
		assert_int_equal(ioth_delstack(stack[i]), -1);
		assert_int_equal(errno, EBUSY);
		assert_int_equal(ioth_close(fd[i]), 0);
		assert_int_equal(ioth_delstack(stack[i]), 0);
	}
}

static void a_hundred_stacks(void **state)
{
	stacks_at_once(*state);
}

static void a_hundred_stacks_with_namespaces(void **state)
{
	setenv("IOTH_PRIVATE", "namespace", 1);
	stacks_at_once(*state);
}

static void *make_and_delete(void *plugin)
{
	for (int i = 0; i < 10; i++) {
		struct ioth *stack = ioth_newstack(plugin, NULL);
		int fd = stack ? ioth_msocket(stack, AF_INET, SOCK_STREAM, 0) : -1;

		if (fd < 0 || sockets_made(fd) != 1 || ioth_close(fd) < 0 || ioth_delstack(stack) < 0)
			return plugin;
	}
	return NULL;
}

static void threads_make_stacks(void **state)
{
	pthread_t thread[6];
	void *result;

	for (int i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, make_and_delete, *state), 0);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(pthread_join(thread[i], &result), 0);
		assert_null(result);
	}
}

static void addresses(void **state)
{
	struct ioth *stack = new_stack(*state);
	int fd = listener(stack, SOCK_STREAM, 7), client = try_connect(stack, SOCK_STREAM, 7), server;
	struct sockaddr_in peer = {0};
	socklen_t len = sizeof(peer);

	assert_true(client >= 0);
	server = ioth_accept(fd, (struct sockaddr *)&peer, &len);
	assert_true(server >= 0);
	assert_int_equal(len, sizeof(peer));
	assert_int_equal(peer.sin_family, AF_INET);
	assert_in_range(ntohs(peer.sin_port), 1, 65535);
	if (strcmp(*state, "old01") == 0) {
		struct sockaddr_in own = {0};

		len = sizeof(own);
		assert_int_equal(ioth_getsockname(client, (struct sockaddr *)&own, &len), 0);
		assert_int_equal(own.sin_port, peer.sin_port);
		assert_int_equal(ioth_getpeername(client, (struct sockaddr *)&own, &len), 0);
		assert_int_equal(ntohs(own.sin_port), 7);
	}
	assert_int_equal(ioth_close(client), 0);
	assert_int_equal(ioth_close(server), 0);
	assert_int_equal(ioth_close(fd), 0);
	assert_int_equal(ioth_delstack(stack), 0);
}

static void accept4_sets_flags(void **state)
{
	struct ioth *stack = new_stack(*state);
	int fd = listener(stack, SOCK_STREAM, 7), client[2], server[2];
	char byte;

	for (int i = 0; i < 2; i++) {
		client[i] = try_connect(stack, SOCK_STREAM, 7);
		assert_true(client[i] >= 0);
		server[i] = ioth_accept4(fd, NULL, NULL, i == 0 ? SOCK_CLOEXEC | SOCK_NONBLOCK : 0);
		assert_true(server[i] >= 0);
	}
	assert_int_equal(ioth_fcntl(server[0], F_GETFD, 0), FD_CLOEXEC);
	assert_int_equal(ioth_read(server[0], &byte, 1), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(ioth_fcntl(server[1], F_GETFD, 0), 0);
	assert_int_equal(ioth_fcntl(server[1], F_GETFL, 0) & O_NONBLOCK, 0);
	errno = 0;
	assert_int_equal(ioth_accept4(fd, NULL, NULL, 1), -1);
	assert_int_equal(errno, EINVAL);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ioth_close(client[i]), 0);
		assert_int_equal(ioth_close(server[i]), 0);
	}
	assert_int_equal(ioth_close(fd), 0);
	assert_int_equal(ioth_delstack(stack), 0);
}

static const char words[] = "the quick brown fox jumps over the lazy dog";
#define WORDS ((ssize_t)sizeof(words) - 1)

/** say - send the words with each call in turn: 0 write, 1 send, 2 sendto, 3 writev, 4 sendmsg, 5 sendmmsg */
static void say(int fd, int how)
{
	struct iovec iov[4] = {{(void *)(uintptr_t)words, 4}, {NULL, 0}, {(void *)(uintptr_t)(words + 4), 1}, {0}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 4};
	struct mmsghdr vec[1];
	ssize_t sent = -1;

	iov[3] = (struct iovec){(void *)(uintptr_t)(words + 5), (size_t)WORDS - 5};
	switch (how) {
	case 0:
		sent = ioth_write(fd, words, (size_t)WORDS);
		break;
	case 1:
		sent = ioth_send(fd, words, (size_t)WORDS, MSG_NOSIGNAL);
		break;
	case 2:
		sent = ioth_sendto(fd, words, (size_t)WORDS, 0, NULL, 0);
		break;
	case 3:
		sent = ioth_writev(fd, iov, 4);
		break;
	case 4:
		sent = ioth_sendmsg(fd, &msg, 0);
		break;
	default:
		vec[0] = (struct mmsghdr){.msg_hdr = msg};
		assert_int_equal(ioth_sendmmsg(fd, vec, 1, 0), 1);
		sent = vec[0].msg_len;
		break;
	}
	assert_int_equal(sent, WORDS);
}

/** hear - receive the words with each call in turn: 0 read, 1 recv, 2 recvfrom, 3 readv, 4 recvmsg, 5 recvmmsg */
static void hear(int fd, int how)
{
	char part[3][64], all[128];
	struct iovec iov[4] = {{part[0], 1}, {part[1], 10}, {NULL, 0}, {part[2], sizeof(part[2])}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 4};
	struct sockaddr_storage from;
	struct mmsghdr vec[1];
	socklen_t len = sizeof(from);
	ssize_t got = -1;

	memset(all, '#', sizeof(all));
	memset(part, '#', sizeof(part));
	switch (how) {
	case 0:
		got = ioth_read(fd, all, sizeof(all));
		break;
	case 1:
		got = ioth_recv(fd, all, sizeof(all), 0);
		break;
	case 2:
		got = ioth_recvfrom(fd, all, sizeof(all), 0, (struct sockaddr *)&from, &len);
		/* Of a stream or a connected pair nobody tells an address. */
		assert_int_equal(len, 0);
		break;
	case 3:
		got = ioth_readv(fd, iov, 4);
		break;
	case 4:
		got = ioth_recvmsg(fd, &msg, 0);
		assert_int_equal(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC), 0);
		break;
	default:
		vec[0] = (struct mmsghdr){.msg_hdr = msg};
		assert_int_equal(ioth_recvmmsg(fd, vec, 1, 0, NULL), 1);
		got = vec[0].msg_len;
		break;
	}
	assert_int_equal(got, WORDS);
	if (how > 2) {
		memcpy(all, part[0], 1);
		memcpy(all + 1, part[1], 10);
		memcpy(all + 11, part[2], sizeof(part[2]));
		assert_int_equal(part[0][1], '#');
		assert_int_equal(part[1][10], '#');
	}
	assert_memory_equal(all, words, (size_t)WORDS);
	assert_int_equal(all[WORDS], '#');
}

static void every_way_to_send_and_to_receive(void **state)
{
	for (int type = 0; type < 2; type++) {
		struct pair pair = connected(*state, type == 0 ? SOCK_STREAM : SOCK_SEQPACKET);

		for (int how = 0; how < 36; how++) {
			say(how & 1 ? pair.a : pair.b, how / 6);
			hear(how & 1 ? pair.b : pair.a, how % 6);
		}
		disconnect(&pair);
	}
}

static void flags_reach_the_plugin(void **state)
{
	struct pair pair = connected(*state, SOCK_SEQPACKET);
	char text[8] = "";
	struct iovec iov = {.iov_base = text, .iov_len = 4};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	assert_int_equal(ioth_recv(pair.b, text, 8, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(ioth_send(pair.a, "abcdefgh", 8, 0), 8);
	assert_int_equal(ioth_recvmsg(pair.b, &msg, MSG_PEEK), 4);
	assert_memory_equal(text, "abcd\0\0\0\0", 8);
	/* The length of the message, of which half arrives. */
	assert_int_equal(ioth_recv(pair.b, text, 4, MSG_PEEK | MSG_TRUNC), 8);
	assert_int_equal(ioth_recvmsg(pair.b, &msg, MSG_TRUNC), 8);
	assert_int_equal(msg.msg_flags & MSG_TRUNC, MSG_TRUNC);
	assert_memory_equal(text, "abcd\0\0\0\0", 8);
	disconnect(&pair);
}

static void several_messages_in_one_call(void **state)
{
	struct pair pair = connected(*state, SOCK_SEQPACKET);
	char in[5][8] = {""}, out[5][8];
	struct iovec iov[5];
	struct mmsghdr vec[5] = {0};
	struct timespec zero = {0};

	for (int i = 0; i < 5; i++) {
		snprintf(out[i], sizeof(out[i]), "msg %d", i);
		iov[i] = (struct iovec){out[i], 5};
		vec[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	assert_int_equal(ioth_sendmmsg(pair.a, vec, 5, 0), 5);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(vec[i].msg_len, 5);
		iov[i] = (struct iovec){in[i], sizeof(in[i])};
		vec[i].msg_len = 0;
	}
	/* A time of nothing: one message, then it is looked at. */
	assert_int_equal(ioth_recvmmsg(pair.b, vec, 5, 0, &zero), 1);
	assert_int_equal(vec[0].msg_len, 5);
	assert_string_equal(in[0], "msg 0");
	/* Four are there and five are asked for: MSG_WAITFORONE does not wait for the last. */
	assert_int_equal(ioth_recvmmsg(pair.b, vec, 5, MSG_WAITFORONE, NULL), 4);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(vec[i].msg_len, 5);
		assert_memory_equal(in[i], out[i + 1], 6);
	}
	assert_int_equal(ioth_recvmmsg(pair.b, vec, 5, MSG_DONTWAIT, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	disconnect(&pair);
}

static void wrong_vectors(void **state)
{
	struct pair pair = connected(*state, SOCK_STREAM);
	static struct iovec many[1025];

	assert_int_equal(ioth_readv(pair.a, many, -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(ioth_writev(pair.a, many, 1025), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(ioth_writev(pair.a, many, 0), 0);
	disconnect(&pair);
}

static void end_of_stream(void **state)
{
	struct pair pair = connected(*state, SOCK_STREAM);
	char byte;
	struct iovec iov[2] = {{&byte, 1}, {&byte, 1}};

	assert_int_equal(ioth_close(pair.a), 0);
	assert_int_equal(ioth_read(pair.b, &byte, 1), 0);
	assert_int_equal(ioth_readv(pair.b, iov, 2), 0);
	assert_int_equal(ioth_recv(pair.b, &byte, 1, 0), 0);
	assert_int_equal(ioth_send(pair.b, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(ioth_close(pair.b), 0);
	assert_int_equal(ioth_delstack(pair.stack), 0);
}

static void what_nobody_offers(void **state)
{
	struct pair pair = connected(*state, SOCK_STREAM);
	int value = 1;

	errno = 0;
	assert_int_equal(ioth_setsockopt(pair.a, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(value)), -1);
	assert_int_equal(errno, ENOSYS);
	errno = 0;
	assert_int_equal(ioth_ioctl(pair.a, FIONREAD, &value), -1);
	assert_int_equal(errno, ENOSYS);
	errno = 0;
	assert_int_equal(ioth_sockatmark(pair.a), -1);
	assert_int_equal(errno, ENOSYS);
	/* Netlink, and with it the list of interfaces: the engine knows no such family. */
	errno = 0;
	assert_int_equal(ioth_msocket(pair.stack, AF_NETLINK, SOCK_RAW, 0), -1);
	assert_int_equal(errno, EAFNOSUPPORT);
	disconnect(&pair);
}

/** calls_fail_with - each call of errnoplug on one stack */
static void calls_fail_with(int number)
{
	struct sockaddr_in in = address(1);
	socklen_t len = sizeof(in);
	char name[32], byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct mmsghdr vec = {.msg_hdr = msg};
	struct ioth *stack;
	int fd;

	snprintf(name, sizeof(name), "errnoplug,%d", number);
	stack = new_stack(name);
	fd = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0);
	assert_true(fd >= 0);
#define FAILS(expression)                                                                                              \
	do {                                                                                                           \
		errno = 0;                                                                                             \
		assert_int_equal(expression, -1);                                                                      \
		assert_int_equal(errno, number);                                                                       \
	} while (0)
	FAILS(ioth_msocket(stack, AF_INET, SOCK_RAW, 1));
	FAILS(ioth_bind(fd, (struct sockaddr *)&in, len));
	FAILS(ioth_connect(fd, (struct sockaddr *)&in, len));
	FAILS(ioth_listen(fd, 1));
	FAILS(ioth_accept(fd, NULL, NULL));
	FAILS(ioth_accept4(fd, NULL, NULL, SOCK_CLOEXEC));
	FAILS(ioth_getsockname(fd, (struct sockaddr *)&in, &len));
	FAILS(ioth_getpeername(fd, (struct sockaddr *)&in, &len));
	FAILS(ioth_setsockopt(fd, 1, 1, &byte, 1));
	FAILS(ioth_getsockopt(fd, 1, 1, &byte, &len));
	FAILS(ioth_shutdown(fd, SHUT_RD));
	FAILS(ioth_ioctl(fd, FIONREAD, &len));
	FAILS(ioth_fcntl(fd, F_GETFL, 0));
	FAILS(ioth_sockatmark(fd));
	FAILS(ioth_read(fd, &byte, 1));
	FAILS(ioth_readv(fd, &iov, 1));
	FAILS(ioth_recv(fd, &byte, 1, 0));
	FAILS(ioth_recvfrom(fd, &byte, 1, 0, NULL, NULL));
	FAILS(ioth_recvmsg(fd, &msg, 0));
	FAILS(ioth_recvmmsg(fd, &vec, 1, 0, NULL));
	FAILS(ioth_write(fd, &byte, 1));
	FAILS(ioth_writev(fd, &iov, 1));
	FAILS(ioth_send(fd, &byte, 1, 0));
	FAILS(ioth_sendto(fd, &byte, 1, 0, NULL, 0));
	FAILS(ioth_sendmsg(fd, &msg, 0));
	FAILS(ioth_sendmmsg(fd, &vec, 1, 0));
#undef FAILS
	assert_int_equal(ioth_close(fd), 0);
	assert_int_equal(ioth_delstack(stack), 0);
}

/** errno_arrives - from a copy that shares the C library, and from a linker namespace that has another */
static void errno_arrives(void **state)
{
	for (int i = 0; i < 2; i++) {
		calls_fail_with(EL2HLT);
		calls_fail_with(EPROTO);
		errno = 0;
		assert_null(ioth_newstack("errnoplug,new=28", NULL));
		assert_int_equal(errno, ENOSPC);
		setenv("IOTH_PRIVATE", "namespace", 1);
	}
	(void)state;
}

#define FOR_BOTH(test)                                                                                                 \
	{#test " old01", test, remember, nothing_left, (void *)(uintptr_t) "old01"},                                   \
	{                                                                                                              \
#test " old01r", test, remember, nothing_left, (void *)(uintptr_t) "old01r"                            \
	}

static void *nothing(void *arg)
{
	return arg;
}

/** first_thread - a sanitizer starts a thread of its own beside the first that a program makes; have it before counting
 */
static int first_thread(void **state)
{
	pthread_t thread;

	(void)state;
	return pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        FOR_BOTH(a_hundred_stacks),
	        FOR_BOTH(a_hundred_stacks_with_namespaces),
	        FOR_BOTH(threads_make_stacks),
	        FOR_BOTH(addresses),
	        FOR_BOTH(accept4_sets_flags),
	        FOR_BOTH(every_way_to_send_and_to_receive),
	        FOR_BOTH(flags_reach_the_plugin),
	        FOR_BOTH(several_messages_in_one_call),
	        FOR_BOTH(wrong_vectors),
	        FOR_BOTH(end_of_stream),
	        FOR_BOTH(what_nobody_offers),
	        cmocka_unit_test_setup_teardown(errno_arrives, remember, nothing_left),
	};

	if (setenv("IOTH_PLUGIN_PATH", PLUGINS, 1) < 0)
		return 1;
	return cmocka_run_group_tests_name("plugin_calls", tests, first_thread, NULL);
}
