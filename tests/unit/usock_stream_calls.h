/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* usock_stream_calls.h - what a program does with a TCP socket, one attempt each, for the tests on usock_stream_fake.
 */
#ifndef TESTS_USOCK_STREAM_CALLS_H
#define TESTS_USOCK_STREAM_CALLS_H

#include "usock_stream_fake.h"

#include <asm/ioctls.h>
#include <linux/sockios.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define IN EPOLLIN
#define OUT EPOLLOUT
#define RDHUP EPOLLRDHUP
#define HUP EPOLLHUP
#define ERR EPOLLERR
#define PRI EPOLLPRI

/** polled - what poll shows */
static inline unsigned int polled(struct usock__stream *s)
{
	return s->inet.sock.kind->poll(&s->inet.sock);
}

static inline int take_error(struct usock__stream *s)
{
	return usock__take_error(&s->inet.sock);
}

static inline int do_connect(struct usock__stream *s, const char *text, unsigned int port)
{
	struct sockaddr_storage addr;
	socklen_t len = fake_addr(text, port, &addr);

	return s->inet.sock.kind->connect(&s->inet.sock, (struct sockaddr *)&addr, len);
}

static inline int connect_done(struct usock__stream *s)
{
	return s->inet.sock.kind->connect_done(&s->inet.sock);
}

static inline int disconnect(struct usock__stream *s)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	return s->inet.sock.kind->connect(&s->inet.sock, &none, sizeof(none));
}

static inline int do_shutdown(struct usock__stream *s, int how)
{
	return s->inet.sock.kind->shutdown(&s->inet.sock, how);
}

static inline int do_listen(struct usock__stream *s, int backlog)
{
	return s->inet.sock.kind->listen(&s->inet.sock, backlog);
}

static inline int do_bind(struct usock__stream *s, const char *text, unsigned int port)
{
	struct sockaddr_storage addr;
	socklen_t len = fake_addr(text, port, &addr);

	return s->inet.sock.kind->bind(&s->inet.sock, (struct sockaddr *)&addr, len);
}

/** try_accept - what accept gives, with a descriptor, or NULL; accepted - there has to be something */
static inline struct usock__stream *try_accept(struct usock__stream *s)
{
	struct usock *made;

	if (s->inet.sock.kind->accept(&s->inet.sock, &made) != 0)
		return NULL;
	made->ready.user = 0;
	return usock__stream_of(made);
}

static inline struct usock__stream *accepted(struct usock__stream *s)
{
	struct usock__stream *child = try_accept(s);

	if (child == NULL) {
		fail_msg("no connection to be accepted");
		abort();
	}
	return child;
}

/** do_send - one attempt: bytes taken, or the error when there are none */
static inline ssize_t do_send(struct usock__stream *s, const void *bytes, size_t len, int flags)
{
	struct iovec piece = {(void *)(uintptr_t)bytes, len};
	struct msghdr msg = {.msg_iov = &piece, .msg_iovlen = 1};
	struct usock__xfer xfer = {.msg = &msg, .flags = flags, .len = len};
	int ret = s->inet.sock.kind->send(&s->inet.sock, &xfer);

	return xfer.done > 0 || ret == 0 ? (ssize_t)xfer.done : ret;
}

static inline ssize_t send_text(struct usock__stream *s, const char *text, int flags)
{
	return do_send(s, text, strlen(text), flags);
}

/** do_recv - one attempt of a recv without waiting */
static inline ssize_t do_recv(struct usock__stream *s, void *bytes, size_t len, int flags)
{
	struct iovec piece = {bytes, len};
	struct msghdr msg = {.msg_iov = &piece, .msg_iovlen = 1};
	struct usock__xfer xfer = {.msg = &msg, .flags = flags, .len = len};
	int ret = s->inet.sock.kind->recv(&s->inet.sock, &xfer);

	return xfer.done > 0 || ret == 0 ? (ssize_t)xfer.done : ret;
}

/** check_recv - a recv of up to @len bytes gives this text */
static inline void check_recv(struct usock__stream *s, size_t len, int flags, const char *text)
{
	char got[256] = "";
	ssize_t n = do_recv(s, got, len, flags);

	assert_int_equal(n, strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

static inline int do_setsockopt(struct usock__stream *s, int name, int value)
{
	return s->inet.sock.kind->setsockopt(&s->inet.sock, IPPROTO_TCP, name, &value, sizeof(value));
}

static inline int do_getsockopt(struct usock__stream *s, int name)
{
	int value = -12345;
	socklen_t len = sizeof(value);

	assert_int_equal(s->inet.sock.kind->getsockopt(&s->inet.sock, IPPROTO_TCP, name, &value, &len), 0);
	assert_int_equal(len, sizeof(value));
	return value;
}

static inline int do_ioctl(struct usock__stream *s, unsigned long request)
{
	int value = -1;
	int ret = s->inet.sock.kind->ioctl(&s->inet.sock, request, &value);

	return ret < 0 ? ret : value;
}

static inline int setup(void **state)
{
	*state = fake_stack();
	return 0;
}

static inline int teardown(void **state)
{
	fake_done(*state);
	return 0;
}

#endif
