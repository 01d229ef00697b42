/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* udp.c - datagrams: udp(7). Ancillary data and error queues are in ip.c and errqueue.c. */
#include "conf.h"

#include <linux/sockios.h>
#include <linux/udp.h>
#include <stdlib.h>
#include <sys/ioctl.h>

/** largest - the most bytes that a UDP datagram carries */
static size_t largest(const struct conf *c)
{
	return c->family == AF_INET ? 65535 - 20 - 8 : 65535 - 8;
}

CASE(udp, boundaries, INET, "each send is one receive, in order")
{
	struct pair p = udp_pair(c);
	char text[64];

	send_text(p.a, "one");
	send_text(p.a, "two and more");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), 3);
	CHECK_MEM(text, "one", 3);
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), 12);
	CHECK_POLL_NOW(p.b, POLLOUT);
}

CASE(udp, empty, INET, "an empty datagram is sent, polled and received as 0 bytes")
{
	struct pair p = udp_pair(c);
	struct addr from = {.len = sizeof(from.ss)};
	char byte;

	CHECK_LEN(ioth_send(p.a, "", 0, 0), 0);
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recvfrom(p.b, &byte, 1, 0, &from.sa, &from.len), 0);
	CHECK_ADDR(from, sockname(p.a));
	CHECK_ERR(ioth_recv(p.b, &byte, 1, MSG_DONTWAIT), EAGAIN);
	CHECK_LEN(ioth_write(p.a, "", 0), 0);
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, &byte, 1, 0), 0);
	CHECK_ERR(ioth_recv(p.b, &byte, 1, MSG_DONTWAIT), EAGAIN);
}

CASE(udp, read_empty, INET, "read of no bytes leaves an empty or a full datagram where it is; recv takes it")
{
	struct pair p = udp_pair(c);
	char byte;

	send_text(p.a, "abc");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_read(p.b, &byte, 0), 0);
	CHECK_POLL_NOW(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, &byte, 0, 0), 0);
	CHECK_POLL_NOW(p.b, POLLOUT);
}

CASE(udp, largest, INET, "the largest datagram crosses in fragments; one byte more is EMSGSIZE")
{
	struct pair p = udp_pair(c);
	size_t size = largest(c);
	unsigned char *out = malloc(size + 1), *in = malloc(size + 1);

	CHECK(out != NULL && in != NULL);
	for (size_t i = 0; i <= size; i++)
		out[i] = pattern(i);
	CHECK_ERR(ioth_send(p.a, out, size + 1, 0), EMSGSIZE);
	CHECK_LEN(ioth_send(p.a, out, size, 0), size);
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, in, size + 1, 0), size);
	CHECK_MEM(in, out, size);
	free(out);
	free(in);
}

CASE(udp, fragments, INET, "datagrams of many sizes around the MTU and its multiples arrive whole")
{
	static const int sizes[] = {1400, 1452, 1453, 1472, 1473, 1480, 1481, 1500, 2900, 2961, 4500, 9000, 16001};
	struct pair p = udp_pair(c);
	static unsigned char out[16001], in[16002];

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = pattern(i);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CHECK_LEN(ioth_send(p.a, out, (size_t)sizes[i], 0), sizes[i]);
		CHECK_POLL(p.b, POLLIN | POLLOUT);
		CHECK_LEN(ioth_recv(p.b, in, sizeof(in), 0), sizes[i]);
		CHECK_MEM(in, out, (size_t)sizes[i]);
	}
}

CASE(udp, short_buffer, INET, "a short buffer gets the start of a datagram, the rest is lost; MSG_TRUNC tells")
{
	struct pair p = udp_pair(c);
	char text[4];
	struct iovec iov = {text, 3};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	send_text(p.a, "abcdef");
	send_text(p.a, "ghijkl");
	send_text(p.a, "mnopqr");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, text, 3, 0), 3);
	CHECK_MEM(text, "abc", 3);
	crossed(c, c->a, c->b);
	CHECK_LEN(ioth_recvmsg(p.b, &msg, 0), 3);
	CHECK_MEM(text, "ghi", 3);
	CHECK_INT(msg.msg_flags, MSG_TRUNC);
	CHECK_LEN(ioth_recv(p.b, text, 3, MSG_TRUNC), 6);
	CHECK_MEM(text, "mno", 3);
	CHECK_POLL_NOW(p.b, POLLOUT);
}

CASE(udp, from, INET, "recvfrom and recvmsg tell the sender, cut to the room given")
{
	struct addr addr, from = {.len = sizeof(from.ss)};
	int to = bound(c, c->b, SOCK_DGRAM, &addr);
	int fd = bound(c, c->a, SOCK_DGRAM, NULL);
	char text[8];
	struct iovec iov = {text, sizeof(text)};
	struct msghdr msg = {.msg_name = &from, .msg_namelen = 4, .msg_iov = &iov, .msg_iovlen = 1};
	struct addr name = sockname(fd);

	CHECK_LEN(ioth_sendto(fd, "abc", 3, 0, &addr.sa, addr.len), 3);
	CHECK_POLL(to, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recvfrom(to, text, sizeof(text), 0, &from.sa, &from.len), 3);
	CHECK_ADDR(from, sockname(fd));
	CHECK_LEN(ioth_sendto(fd, "def", 3, 0, &addr.sa, addr.len), 3);
	CHECK_POLL(to, POLLIN | POLLOUT);
	memset(&from, 0xee, sizeof(from));
	CHECK_LEN(ioth_recvmsg(to, &msg, 0), 3);
	CHECK_INT(msg.msg_namelen, addr.len);
	CHECK_INT(((unsigned char *)&from)[3], ((unsigned char *)&name)[3]);
	CHECK_INT(((unsigned char *)&from)[4], 0xee);
}

CASE(udp, connected_filter, INET, "a connected socket hears its peer alone")
{
	struct pair p = udp_pair(c);
	struct addr addr = sockname(p.b);
	int stranger = sock(c, c->a, SOCK_DGRAM);

	CHECK_LEN(ioth_sendto(stranger, "stranger", 8, 0, &addr.sa, addr.len), 8);
	send_text(p.a, "friend");
	recv_text(p.b, "friend");
	CHECK_POLL_NOW(p.b, POLLOUT);
}

CASE(udp, connected_sendto, INET, "a connected socket may send elsewhere by sendto, its peer stays")
{
	struct pair p = udp_pair(c);
	struct addr other;
	int third = bound(c, c->b, SOCK_DGRAM, &other);

	CHECK_LEN(ioth_sendto(p.a, "elsewhere", 9, 0, &other.sa, other.len), 9);
	recv_text(third, "elsewhere");
	send_text(p.a, "here");
	recv_text(p.b, "here");
	CHECK_ADDR(peername(p.a), sockname(p.b));
}

CASE(udp, reconnect, INET, "connect again changes the peer; connect to AF_UNSPEC takes it away")
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct pair p = udp_pair(c);
	struct addr other;
	int third = bound(c, c->b, SOCK_DGRAM, &other);

	CHECK_OK(ioth_connect(p.a, &other.sa, other.len));
	CHECK_ADDR(peername(p.a), other);
	send_text(p.a, "third");
	recv_text(third, "third");
	CHECK_OK(ioth_connect(p.a, &none, sizeof(none)));
	CHECK_ERR(ioth_getpeername(p.a, &other.sa, &other.len), ENOTCONN);
	/* Of its name, the address was asked for and stays; the port was the stack's choice and is given back. */
	CHECK_ADDR(sockname(p.a), addr_of(c, c->a, 0));
	CHECK_ERR(ioth_send(p.a, "x", 1, 0), EDESTADDRREQ);
}

CASE(udp, no_destination, INET, "without a destination send is EDESTADDRREQ, getpeername ENOTCONN")
{
	struct addr addr = {.len = sizeof(addr.ss)};
	int fd = sock(c, c->a, SOCK_DGRAM);

	CHECK_ERR(ioth_send(fd, "x", 1, 0), EDESTADDRREQ);
	CHECK_ERR(ioth_write(fd, "x", 1), EDESTADDRREQ);
	CHECK_ERR(ioth_getpeername(fd, &addr.sa, &addr.len), ENOTCONN);
}

CASE(udp, bad_destination, INET,
     "port 0 and a short address are EINVAL, another family EAFNOSUPPORT, no route ENETUNREACH")
{
	struct addr addr = addr_of(c, c->b, 0), unrouted = addr_unrouted(c, 9);
	int fd = sock(c, c->a, SOCK_DGRAM);

	CHECK_ERR(ioth_sendto(fd, "x", 1, 0, &addr.sa, addr.len), EINVAL);
	addr = addr_with_port(addr, 9);
	CHECK_ERR(ioth_sendto(fd, "x", 1, 0, &addr.sa, 6), EINVAL);
	CHECK_ERR(ioth_sendto(fd, "x", 1, 0, &unrouted.sa, unrouted.len), ENETUNREACH);
	CHECK_ERR(ioth_connect(fd, &unrouted.sa, unrouted.len), ENETUNREACH);
	addr.sa.sa_family = AF_UNIX;
	CHECK_ERR(ioth_sendto(fd, "x", 1, 0, &addr.sa, addr.len), c->family == AF_INET ? EAFNOSUPPORT : EINVAL);
	CHECK_ERR(ioth_send(fd, "x", 1, MSG_OOB), c->family == AF_INET ? EOPNOTSUPP : EDESTADDRREQ);
}

CASE(udp, refused, INET, "a connected socket learns that nobody listens: POLLERR, ECONNREFUSED once, from recv or send")
{
	struct addr addr;
	int fd = sock(c, c->a, SOCK_DGRAM);
	char byte;

	drop(c, bound(c, c->b, SOCK_DGRAM, &addr));
	CHECK_OK(ioth_connect(fd, &addr.sa, addr.len));
	send_text(fd, "x");
	CHECK_POLL(fd, POLLOUT | POLLERR);
	CHECK_ERR(ioth_recv(fd, &byte, 1, 0), ECONNREFUSED);
	CHECK_POLL_NOW(fd, POLLOUT);
	send_text(fd, "x");
	CHECK_POLL(fd, POLLOUT | POLLERR);
	CHECK_ERR(ioth_send(fd, "x", 1, 0), ECONNREFUSED);
	CHECK_OPT(fd, SOL_SOCKET, SO_ERROR, 0);
	send_text(fd, "x");
	CHECK_POLL(fd, POLLOUT | POLLERR);
	CHECK_OPT(fd, SOL_SOCKET, SO_ERROR, ECONNREFUSED);
	CHECK_POLL_NOW(fd, POLLOUT);
}

CASE(udp, refused_blocked, INET, "a blocked recv returns with ECONNREFUSED")
{
	struct addr addr;
	int fd = sock(c, c->a, SOCK_DGRAM);
	char byte;
	struct call call = {.run = call_recv, .fd = fd, .buf = &byte, .len = 1};

	drop(c, bound(c, c->b, SOCK_DGRAM, &addr));
	CHECK_OK(ioth_connect(fd, &addr.sa, addr.len));
	call_start(&call);
	call_blocked(&call);
	send_text(fd, "x");
	CHECK_CALL(&call, -1, ECONNREFUSED);
}

CASE(udp, not_refused, INET, "a socket that is not connected never hears of it")
{
	struct addr addr;
	int fd = sock(c, c->a, SOCK_DGRAM);

	drop(c, bound(c, c->b, SOCK_DGRAM, &addr));
	CHECK_LEN(ioth_sendto(fd, "x", 1, 0, &addr.sa, addr.len), 1);
	crossed(c, c->a, c->b);
	crossed(c, c->b, c->a);
	CHECK_POLL_NOW(fd, POLLOUT);
	CHECK_LEN(ioth_sendto(fd, "x", 1, 0, &addr.sa, addr.len), 1);
}

CASE(udp, shutdown, INET,
     "SHUT_RD ends reading, SHUT_WR is EPIPE; without a peer shutdown is ENOTCONN but has its effect")
{
	struct pair p = udp_pair(c);
	int fd = bound(c, c->a, SOCK_DGRAM, NULL);
	char byte;

	CHECK_OK(ioth_shutdown(p.a, SHUT_RD));
	CHECK_POLL_NOW(p.a, POLLIN | POLLOUT | POLLRDHUP);
	CHECK_LEN(ioth_recv(p.a, &byte, 1, 0), 0);
	send_text(p.a, "still sends");
	recv_text(p.b, "still sends");
	CHECK_OK(ioth_shutdown(p.a, SHUT_WR));
	CHECK_ERR(ioth_send(p.a, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_POLL_NOW(p.a, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	CHECK_ERR(ioth_shutdown(fd, SHUT_RDWR), ENOTCONN);
	CHECK_LEN(ioth_recv(fd, &byte, 1, 0), 0);
}

CASE(udp, own_address, INET, "a host sends to itself, over loopback and its own address")
{
	struct addr addr, loopback;
	int fd = bound(c, c->a, SOCK_DGRAM, &addr);
	int other = sock(c, c->a, SOCK_DGRAM);

	CHECK_LEN(ioth_sendto(fd, "me", 2, 0, &addr.sa, addr.len), 2);
	recv_text(fd, "me");
	loopback = addr_loopback(c, 0);
	CHECK_OK(ioth_bind(other, &loopback.sa, loopback.len));
	loopback = sockname(other);
	CHECK_LEN(ioth_sendto(other, "me too", 6, 0, &loopback.sa, loopback.len), 6);
	recv_text(other, "me too");
}

CASE(udp, broadcast, IPV4,
     "sending to a broadcast address is EACCES without SO_BROADCAST, and reaches the network with it")
{
	struct addr any = addr_any(c, 0), addr;
	int to = sock(c, c->b, SOCK_DGRAM);
	int fd = bound(c, c->a, SOCK_DGRAM, NULL);

	CHECK_OK(ioth_bind(to, &any.sa, any.len));
	addr = addr_text(c, "10.77.0.255", addr_port(sockname(to)));
	CHECK_ERR(ioth_sendto(fd, "x", 1, 0, &addr.sa, addr.len), EACCES);
	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), EACCES);
	SETOPT(fd, SOL_SOCKET, SO_BROADCAST, 1);
	CHECK_LEN(ioth_sendto(fd, "all", 3, 0, &addr.sa, addr.len), 3);
	recv_text(to, "all");
}

CASE(udp, overflow, INET, "datagrams beyond the receive buffer are dropped, the first ones stay")
{
	struct pair p = udp_pair(c);
	int got = 0;
	char byte;

	SETOPT(p.b, SOL_SOCKET, SO_RCVBUF, 0);
	for (int i = 0; i < 60; i++) {
		byte = (char)i;
		CHECK_LEN(ioth_send(p.a, &byte, 1, 0), 1);
	}
	crossed(c, c->a, c->b);
	while (ioth_recv(p.b, &byte, 1, MSG_DONTWAIT) == 1)
		CHECK_INT(byte, got++);
	CHECK(got > 0 && got < 60);
	send_text(p.a, "room again");
	recv_text(p.b, "room again");
}

CASE(udp, fionread, INET, "FIONREAD tells the size of the next datagram, not the sum; SIOCOUTQ what is not sent yet")
{
	struct pair p = udp_pair(c);
	char text[16];
	int n = -1;

	CHECK_OK(ioth_ioctl(p.b, FIONREAD, &n));
	CHECK_INT(n, 0);
	send_text(p.a, "12345");
	send_text(p.a, "123");
	crossed(c, c->a, c->b);
	CHECK_OK(ioth_ioctl(p.b, FIONREAD, &n));
	CHECK_INT(n, 5);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), 5);
	CHECK_OK(ioth_ioctl(p.b, SIOCINQ, &n));
	CHECK_INT(n, 3);
	CHECK_OK(ioth_ioctl(p.a, SIOCOUTQ, &n));
	CHECK_INT(n, 0);
}

CASE(udp, more, INET, "MSG_MORE and UDP_CORK gather sends into one datagram")
{
	struct pair p = udp_pair(c);
	char text[16];

	CHECK_LEN(ioth_send(p.a, "one", 3, MSG_MORE), 3);
	CHECK_LEN(ioth_send(p.a, "two", 3, 0), 3);
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), 6);
	CHECK_MEM(text, "onetwo", 6);
	SETOPT(p.a, IPPROTO_UDP, UDP_CORK, 1);
	send_text(p.a, "a");
	send_text(p.a, "b");
	CHECK_POLL_NOW(p.b, POLLOUT);
	SETOPT(p.a, IPPROTO_UDP, UDP_CORK, 0);
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), 2);
}

CASE(udp, segment, INET, "UDP_SEGMENT cuts one send into datagrams; without UDP_GRO they arrive one by one")
{
	struct pair p = udp_pair(c);
	char text[32];

	SETOPT(p.a, IPPROTO_UDP, UDP_SEGMENT, 4);
	CHECK_OPT(p.a, IPPROTO_UDP, UDP_SEGMENT, 4);
	send_text(p.a, "aaaabbbbcc");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), 4);
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), 4);
	CHECK_MEM(text, "bbbb", 4);
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), 2);
	CHECK_MEM(text, "cc", 2);
}

CASE(udp, dontroute, INET, "MSG_DONTROUTE reaches neighbours and nothing beyond")
{
	struct addr addr, far = addr_unrouted(c, 9), gateway = addr_of(c, c->b, 0);
	int to = bound(c, c->b, SOCK_DGRAM, &addr);
	int fd = sock(c, c->a, SOCK_DGRAM);
	unsigned int index = ifindex(c, c->a);

	CHECK_OK(ioth_iproute_add(on(c, c->a), c->family, NULL, 0, addr_raw(&gateway), index));
	CHECK_LEN(ioth_sendto(fd, "near", 4, MSG_DONTROUTE, &addr.sa, addr.len), 4);
	recv_text(to, "near");
	CHECK_LEN(ioth_sendto(fd, "far", 3, 0, &far.sa, far.len), 3);
	if (c->family == AF_INET)
		CHECK_ERR(ioth_sendto(fd, "far", 3, MSG_DONTROUTE, &far.sa, far.len), ENETUNREACH);
}

CASE(udp, ping_pong, INET, "a thousand questions and answers")
{
	struct pair p = udp_pair(c);

	for (int i = 0; i < 1000; i++) {
		int n = -1;

		CHECK_LEN(ioth_send(p.a, &i, sizeof(i), 0), sizeof(i));
		CHECK_LEN(ioth_recv(p.b, &n, sizeof(n), 0), sizeof(n));
		CHECK_INT(n, i);
		CHECK_LEN(ioth_send(p.b, &n, sizeof(n), 0), sizeof(n));
		CHECK_LEN(ioth_recv(p.a, &n, sizeof(n), 0), sizeof(n));
		CHECK_INT(n, i);
	}
}
