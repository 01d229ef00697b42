/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_serve.c - any messages to a served stack.
 *
 * Input: messages, each with a head of four bytes - flags, which descriptor comes along, how many bytes follow the
 * request (two bytes) - then a struct remote_request and those bytes. The server runs in a thread, on the test engine,
 * and is asked over a connection that has said hello, or not. Descriptors that it gives are kept for later messages;
 * descriptors of other things come along as well. Every answer must be what it says it is. After each input a client
 * that minds its own business finds its socket as it was.
 */
#include "../../src/remote/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <iothserve.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD 4
#define KEPT 8 /* descriptors */

enum flag {
	FLAG_LENGTHS = 1,  /* the lengths in the request are made to fit */
	FLAG_STRANGER = 2, /* the next message goes over a connection that has not said hello */
};

static char path[64];
static struct ioth *bystander;
static int bystander_fd;
static in_port_t bystander_port;
static int kept[KEPT];
static unsigned int next; /* to be kept at, modulo KEPT */
static union {
	struct remote_request head;
	char bytes[REMOTE_MESSAGE_MAX + 70000];
} out;
static union {
	struct remote_reply head;
	char bytes[REMOTE_MESSAGE_MAX + 1];
} in;

/* The thread of the server goes on for ever, and cannot be looked into for leaks while it does. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static void check(bool kept_promise)
{
	if (!kept_promise)
		abort();
}

static void *serve(void *arg)
{
	struct ioth *stack = ioth_newstack("testengine", NULL);
	int *listener = arg;

	check(stack != NULL && ioth_linksetupdown(stack, (unsigned int)ioth_if_nametoindex(stack, "lo"), 1) == 0);
	ioth_serve(stack, *listener, NULL);
	abort();
}

static void remove_socket(void)
{
	unlink(path);
}

static void start(void)
{
	static int listener;
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	pthread_t thread;
	char name[80];

	setenv("IOTH_PLUGIN_PATH", PLUGINS, 0);
	snprintf(path, sizeof(path), "/tmp/ioth-fuzz-serve.%d", (int)getpid());
	listener = ioth_listen_unix(path, 0600);
	check(listener >= 0 && pthread_create(&thread, NULL, serve, &listener) == 0);
	atexit(remove_socket);
	snprintf(name, sizeof(name), "remote,socket=%s", path);
	bystander = ioth_newstack(name, NULL);
	check(bystander != NULL);
	bystander_fd = ioth_msocket(bystander, AF_INET, SOCK_DGRAM, 0);
	check(bystander_fd >= 0 && ioth_bind(bystander_fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	check(ioth_getsockname(bystander_fd, (struct sockaddr *)&addr, &len) == 0);
	bystander_port = addr.sin_port;
}

static int dial(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strcpy(name.sun_path, path);
	check(fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
	return fd;
}

/** answered - take an answer and look whether it holds together; false: there is none, the connection is over */
static bool answered(int conn, uint32_t op)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * 4)];
	struct iovec iov = {&in, sizeof(in)};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct pollfd p = {.fd = conn, .events = POLLIN};
	const struct cmsghdr *cmsg;
	ssize_t len;
	int fd, ready;

	/* A fuzzer has signals of its own. */
	while ((ready = poll(&p, 1, 10000)) < 0 && errno == EINTR)
		;
	check(ready == 1);
	len = recvmsg(conn, &msg, MSG_CMSG_CLOEXEC);
	if (len <= 0)
		return false;
	check((size_t)len >= sizeof(in.head) && in.head.op == op);
	check((size_t)len == sizeof(in.head) + in.head.addr + in.head.control + in.head.data);
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg != NULL) {
		check(cmsg->cmsg_type == SCM_RIGHTS && cmsg->cmsg_len == CMSG_LEN(sizeof(int)));
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
		if (kept[next % KEPT] >= 0)
			close(kept[next % KEPT]);
		kept[next++ % KEPT] = fd;
	}
	return true;
}

/** put - send what is in the out buffer, with a descriptor or -1; false: the connection is over */
static bool put(int conn, size_t len, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&out, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *cmsg = (struct cmsghdr *)control;

		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		*cmsg = (struct cmsghdr){
		        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	}
	return sendmsg(conn, &msg, MSG_NOSIGNAL) >= 0;
}

static int greeted(void)
{
	int conn = dial();

	out.head = (struct remote_request){
	        .op = REMOTE_HELLO, .arg = {(int32_t)REMOTE_MAGIC, REMOTE_VERSION}, .room_data = 32};
	check(put(conn, sizeof(out.head), -1) && answered(conn, REMOTE_HELLO) && in.head.result == 0);
	return conn;
}

/** fit - make the lengths of the request add up to @follow bytes, as far as they may */
static void fit(size_t follow)
{
	uint32_t left = (uint32_t)follow;

	out.head.addr = out.head.addr % (REMOTE_ADDR_MAX + 1) < left ? out.head.addr % (REMOTE_ADDR_MAX + 1) : left;
	left -= out.head.addr;
	out.head.control = out.head.control % 257 < left ? out.head.control % 257 : left;
	out.head.data = left - out.head.control;
}

/** message - the next one of the input; how many bytes it was, 0: no more */
static size_t message(const uint8_t *data, size_t size, int *conn)
{
	size_t follow, len;
	int fd;

	if (size < HEAD + sizeof(out.head))
		return 0;
	follow = (size_t)data[2] | (size_t)data[3] << 8;
	if (follow > size - HEAD - sizeof(out.head))
		follow = size - HEAD - sizeof(out.head);
	if (*conn < 0)
		*conn = data[0] & FLAG_STRANGER ? dial() : greeted();
	memcpy(&out, data + HEAD, sizeof(out.head) + follow);
	/* An operation that there is, mostly. */
	if (data[0] & FLAG_LENGTHS) {
		out.head.op = 1 + out.head.op % (REMOTE_OPS - 1);
		fit(follow);
		/* Datagrams that come ahead, as often as not. */
		if (out.head.op == REMOTE_RECV)
			out.head.arg[2] &= 1;
	}
	/* A WAIT has no answer before there is an event, a CLOSE may be a long one. */
	len = sizeof(out.head) + follow;
	fd = data[1] % (KEPT + 2) < KEPT ? kept[data[1] % (KEPT + 2)] : data[1] % (KEPT + 2) == KEPT ? *conn : -1;
	if (!put(*conn, len, fd) || out.head.op == REMOTE_WAIT || !answered(*conn, out.head.op)) {
		close(*conn);
		*conn = -1;
	}
	return HEAD + len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	size_t step;
	int conn = -1;

	if (bystander == NULL) {
		memset(kept, -1, sizeof(kept));
		start();
	}
	for (; (step = message(data, size, &conn)) > 0; size -= step)
		data += step;
	if (conn >= 0)
		close(conn);
	next = 0;
	for (int i = 0; i < KEPT; i++) {
		if (kept[i] >= 0)
			close(kept[i]);
		kept[i] = -1;
	}
	check(ioth_getsockname(bystander_fd, (struct sockaddr *)&addr, &len) == 0 && addr.sin_port == bystander_port);
	return 0;
}
