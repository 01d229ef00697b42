/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sockopt.c - options of every socket: socket(7). */
#include "conf.h"

#include <linux/filter.h>
#include <sys/time.h>

CASE(sockopt, kind, INET, "SO_DOMAIN, SO_TYPE and SO_PROTOCOL tell what was asked of socket(2); they cannot be set")
{
	int stream = sock(c, c->a, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
	int datagram = sock(c, c->a, SOCK_DGRAM);
	int one = 1;

	CHECK_OPT(stream, SOL_SOCKET, SO_DOMAIN, c->family);
	CHECK_OPT(stream, SOL_SOCKET, SO_TYPE, SOCK_STREAM);
	CHECK_OPT(stream, SOL_SOCKET, SO_PROTOCOL, IPPROTO_TCP);
	CHECK_OPT(stream, SOL_SOCKET, SO_ACCEPTCONN, 0);
	CHECK_OPT(datagram, SOL_SOCKET, SO_TYPE, SOCK_DGRAM);
	CHECK_OPT(datagram, SOL_SOCKET, SO_PROTOCOL, IPPROTO_UDP);
	CHECK_ERR(ioth_setsockopt(stream, SOL_SOCKET, SO_TYPE, &one, sizeof(one)), ENOPROTOOPT);
	CHECK_ERR(ioth_setsockopt(stream, SOL_SOCKET, SO_PROTOCOL, &one, sizeof(one)), ENOPROTOOPT);
	CHECK_ERR(ioth_setsockopt(stream, SOL_SOCKET, SO_DOMAIN, &one, sizeof(one)), ENOPROTOOPT);
	CHECK_ERR(ioth_setsockopt(stream, SOL_SOCKET, SO_ERROR, &one, sizeof(one)), ENOPROTOOPT);
}

CASE(sockopt, buffers, INET, "SO_RCVBUF and SO_SNDBUF are read back doubled, and never below a minimum")
{
	const int types[] = {SOCK_STREAM, SOCK_DGRAM};

	for (int i = 0; i < 2; i++) {
		int fd = sock(c, c->a, types[i]);

		SETOPT(fd, SOL_SOCKET, SO_RCVBUF, 10000);
		CHECK_OPT(fd, SOL_SOCKET, SO_RCVBUF, 20000);
		SETOPT(fd, SOL_SOCKET, SO_SNDBUF, 12000);
		CHECK_OPT(fd, SOL_SOCKET, SO_SNDBUF, 24000);
		SETOPT(fd, SOL_SOCKET, SO_RCVBUF, 0);
		CHECK_OPT(fd, SOL_SOCKET, SO_RCVBUF, 2304);
		SETOPT(fd, SOL_SOCKET, SO_SNDBUF, 0);
		CHECK_OPT(fd, SOL_SOCKET, SO_SNDBUF, 4608);
	}
}

CASE(sockopt, booleans, INET, "switches are off, read back as 1 whatever was set, and go off again")
{
	static const int table[] = {SO_REUSEADDR, SO_REUSEPORT, SO_BROADCAST, SO_DONTROUTE,
	                            SO_OOBINLINE, SO_KEEPALIVE, SO_TIMESTAMP};
	int fd = sock(c, c->a, SOCK_STREAM);

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		CHECK_OPT(fd, SOL_SOCKET, table[i], 0);
		SETOPT(fd, SOL_SOCKET, table[i], 5);
		CHECK_OPT(fd, SOL_SOCKET, table[i], 1);
		SETOPT(fd, SOL_SOCKET, table[i], 0);
		CHECK_OPT(fd, SOL_SOCKET, table[i], 0);
	}
}

CASE(sockopt, error_once, INET, "SO_ERROR of a healthy socket is 0")
{
	struct pair p = tcp_pair(c);

	CHECK_OPT(p.a, SOL_SOCKET, SO_ERROR, 0);
	CHECK_OPT(p.b, SOL_SOCKET, SO_ERROR, 0);
}

CASE(sockopt, linger, INET, "SO_LINGER is a structure, off at first, read back as set")
{
	int fd = sock(c, c->a, SOCK_STREAM);
	struct linger linger = {9, 9};
	socklen_t len = sizeof(linger);

	CHECK_OK(ioth_getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len));
	CHECK_INT(len, sizeof(linger));
	CHECK_INT(linger.l_onoff, 0);
	CHECK_INT(linger.l_linger, 0);
	linger = (struct linger){1, 30};
	CHECK_OK(ioth_setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	linger = (struct linger){0, 0};
	CHECK_OK(ioth_getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len));
	CHECK_INT(linger.l_onoff, 1);
	CHECK_INT(linger.l_linger, 30);
	CHECK_ERR(ioth_setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, 4), EINVAL);
}

CASE(sockopt, timeouts, INET, "SO_RCVTIMEO and SO_SNDTIMEO: 0 at first, read back as set; EDOM for a malformed time")
{
	static const int options[] = {SO_RCVTIMEO, SO_SNDTIMEO};
	int fd = sock(c, c->a, SOCK_STREAM);

	for (int i = 0; i < 2; i++) {
		struct timeval time = {9, 9};
		socklen_t len = sizeof(time);

		CHECK_OK(ioth_getsockopt(fd, SOL_SOCKET, options[i], &time, &len));
		CHECK_INT(len, sizeof(time));
		CHECK(time.tv_sec == 0 && time.tv_usec == 0);
		time = (struct timeval){3, 500000};
		CHECK_OK(ioth_setsockopt(fd, SOL_SOCKET, options[i], &time, sizeof(time)));
		memset(&time, 0, sizeof(time));
		CHECK_OK(ioth_getsockopt(fd, SOL_SOCKET, options[i], &time, &len));
		CHECK(time.tv_sec == 3 && time.tv_usec == 500000);
		time = (struct timeval){0, 1000000};
		CHECK_ERR(ioth_setsockopt(fd, SOL_SOCKET, options[i], &time, sizeof(time)), EDOM);
		time = (struct timeval){0, -1};
		CHECK_ERR(ioth_setsockopt(fd, SOL_SOCKET, options[i], &time, sizeof(time)), EDOM);
		CHECK_ERR(ioth_setsockopt(fd, SOL_SOCKET, options[i], &time, 4), EINVAL);
	}
}

CASE(sockopt, rcvlowat, INET, "SO_RCVLOWAT: neither poll nor recv answers before so many bytes are there",
     LIMITS(NOT_STREAMS("poll of a stream answers before there are SO_RCVLOWAT bytes")))
{
	struct pair p = tcp_pair(c);
	char text[8];

	CHECK_OPT(p.b, SOL_SOCKET, SO_RCVLOWAT, 1);
	SETOPT(p.b, SOL_SOCKET, SO_RCVLOWAT, 4);
	CHECK_OPT(p.b, SOL_SOCKET, SO_RCVLOWAT, 4);
	send_text(p.a, "abc");
	delivered(p.a);
	CHECK_INT(poll(&(struct pollfd){.fd = p.b, .events = POLLIN}, 1, 30), 0);
	/* Without waiting, recv gives what there is. */
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), MSG_DONTWAIT | MSG_PEEK), 3);
	send_text(p.a, "de");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), 5);
}

CASE(sockopt, sndlowat, INET, "SO_SNDLOWAT is 1 and cannot be changed")
{
	int fd = sock(c, c->a, SOCK_STREAM);
	int two = 2;

	CHECK_OPT(fd, SOL_SOCKET, SO_SNDLOWAT, 1);
	CHECK_ERR(ioth_setsockopt(fd, SOL_SOCKET, SO_SNDLOWAT, &two, sizeof(two)), ENOPROTOOPT);
}

CASE(sockopt, unknown, INET, "an unknown option of SOL_SOCKET, or an unknown level, is ENOPROTOOPT or EOPNOTSUPP")
{
	int fd = sock(c, c->a, SOCK_STREAM);
	int value = 1;
	socklen_t len = sizeof(value);

	CHECK_ERR(ioth_setsockopt(fd, SOL_SOCKET, 9999, &value, len), ENOPROTOOPT);
	CHECK_ERR(ioth_getsockopt(fd, SOL_SOCKET, 9999, &value, &len), ENOPROTOOPT);
	CHECK_ERR(ioth_setsockopt(fd, 9999, 1, &value, len), ENOPROTOOPT);
	CHECK_ERR(ioth_getsockopt(fd, 9999, 1, &value, &len), c->family == AF_INET ? EOPNOTSUPP : ENOPROTOOPT);
}

CASE(sockopt, lengths, INET, "a short value is EINVAL, a short buffer gets what fits, a long one the true length")
{
	int fd = sock(c, c->a, SOCK_STREAM);
	unsigned char room[16];
	socklen_t len = 2;
	int one = 1;

	CHECK_ERR(ioth_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, 2), EINVAL);
	memset(room, 0xee, sizeof(room));
	CHECK_OK(ioth_getsockopt(fd, SOL_SOCKET, SO_TYPE, room, &len));
	CHECK_INT(len, 2);
	CHECK_INT(room[0], SOCK_STREAM);
	CHECK_INT(room[2], 0xee);
	len = sizeof(room);
	CHECK_OK(ioth_getsockopt(fd, SOL_SOCKET, SO_TYPE, room, &len));
	CHECK_INT(len, sizeof(int));
	CHECK_OK(ioth_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, (int[4]){1, 0, 0, 0}, 16));
	len = (socklen_t)-1;
	CHECK_ERR(ioth_getsockopt(fd, SOL_SOCKET, SO_TYPE, room, &len), EINVAL);
}

CASE(sockopt, timestamp, INET, "SO_TIMESTAMP and SO_TIMESTAMPNS give the time at which a datagram arrived")
{
	struct pair p = udp_pair(c);
	struct inbox in;
	struct timeval micro;
	struct timespec before, after, nano;

	SETOPT(p.b, SOL_SOCKET, SO_TIMESTAMP, 1);
	clock_gettime(CLOCK_REALTIME, &before);
	send_text(p.a, "x");
	receive(p.b, 0, &in);
	control(&in, SOL_SOCKET, SCM_TIMESTAMP, &micro, sizeof(micro));
	clock_gettime(CLOCK_REALTIME, &after);
	CHECK(micro.tv_sec >= before.tv_sec - 1 && micro.tv_sec <= after.tv_sec + 1);
	SETOPT(p.b, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	CHECK_OPT(p.b, SOL_SOCKET, SO_TIMESTAMP, 0);
	send_text(p.a, "y");
	receive(p.b, 0, &in);
	control(&in, SOL_SOCKET, SCM_TIMESTAMPNS, &nano, sizeof(nano));
	CHECK(nano.tv_sec >= before.tv_sec - 1 && nano.tv_nsec >= 0 && nano.tv_nsec < 1000000000);
}

CASE(sockopt, filter, INET, "SO_ATTACH_FILTER drops what the filter does not accept, till it is detached")
{
	struct sock_filter none[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog program = {1, none};
	struct pair p = udp_pair(c);
	int dummy = 0;

	CHECK_OK(ioth_setsockopt(p.b, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
	send_text(p.a, "dropped");
	crossed(c, c->a, c->b);
	CHECK_OK(ioth_setsockopt(p.b, SOL_SOCKET, SO_DETACH_FILTER, &dummy, sizeof(dummy)));
	send_text(p.a, "kept");
	recv_text(p.b, "kept");
	CHECK_ERR(ioth_setsockopt(p.b, SOL_SOCKET, SO_DETACH_FILTER, &dummy, sizeof(dummy)), ENOENT);
}

CASE(sockopt, cookie, INET, "SO_COOKIE is not zero, stays the same and is another for another socket")
{
	int one = sock(c, c->a, SOCK_STREAM);
	int two = sock(c, c->a, SOCK_DGRAM);
	uint64_t first = 0, again = 0, other = 0;
	socklen_t len = sizeof(uint64_t);

	CHECK_OK(ioth_getsockopt(one, SOL_SOCKET, SO_COOKIE, &first, &len));
	CHECK_OK(ioth_getsockopt(one, SOL_SOCKET, SO_COOKIE, &again, &len));
	CHECK_OK(ioth_getsockopt(two, SOL_SOCKET, SO_COOKIE, &other, &len));
	CHECK(first != 0 && first == again && first != other);
}

CASE(sockopt, priority, INET, "SO_PRIORITY is read back; SO_MARK too, as the network belongs to us")
{
	int fd = sock(c, c->a, SOCK_DGRAM);

	CHECK_OPT(fd, SOL_SOCKET, SO_PRIORITY, 0);
	SETOPT(fd, SOL_SOCKET, SO_PRIORITY, 5);
	CHECK_OPT(fd, SOL_SOCKET, SO_PRIORITY, 5);
	CHECK_OPT(fd, SOL_SOCKET, SO_MARK, 0);
	SETOPT(fd, SOL_SOCKET, SO_MARK, 42);
	CHECK_OPT(fd, SOL_SOCKET, SO_MARK, 42);
}

CASE(sockopt, rxq_ovfl, INET, "SO_RXQ_OVFL counts the datagrams for which there was no room")
{
	struct pair p = udp_pair(c);
	char text[400] = "";
	struct inbox in;
	uint32_t lost = 0;
	int got = 0;

	SETOPT(p.b, SOL_SOCKET, SO_RCVBUF, 0);
	SETOPT(p.b, SOL_SOCKET, SO_RXQ_OVFL, 1);
	for (int i = 0; i < 60; i++)
		CHECK_LEN(ioth_send(p.a, text, sizeof(text), 0), sizeof(text));
	crossed(c, c->a, c->b);
	while (poll(&(struct pollfd){.fd = p.b, .events = POLLIN}, 1, 0) == 1) {
		CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), sizeof(text));
		got++;
	}
	CHECK(got > 0 && got < 60);
	send_text(p.a, "after the loss");
	receive(p.b, 0, &in);
	control(&in, SOL_SOCKET, SO_RXQ_OVFL, &lost, sizeof(lost));
	CHECK_INT(lost, 60 - got);
}

CASE(sockopt, peek_offset, INET, "SO_PEEK_OFF makes MSG_PEEK move on")
{
	struct pair p = udp_pair(c);
	char text[8];

	SETOPT(p.b, SOL_SOCKET, SO_PEEK_OFF, 2);
	send_text(p.a, "abcdef");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, text, 2, MSG_PEEK), 2);
	CHECK_MEM(text, "cd", 2);
	CHECK_OPT(p.b, SOL_SOCKET, SO_PEEK_OFF, 4);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), MSG_PEEK), 2);
	CHECK_MEM(text, "ef", 2);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), 6);
}
