/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* udplite.c - datagrams whose checksum covers a part of them only: udplite(7), RFC 3828. What they share with UDP is in udp.c. */
#include "conf.h"

#include <linux/udp.h>

/* udplite(7); no header has them */
#define UDPLITE_SEND_CSCOV 10
#define UDPLITE_RECV_CSCOV 11

#define HEADER 8

/** lite - a UDP-Lite socket bound to the host's address, given in @out */
static int lite(struct conf *c, struct ioth *stack, struct addr *out)
{
	struct addr own = addr_of(c, stack, 0);
	int fd = sockp(c, stack, c->family, SOCK_DGRAM, IPPROTO_UDPLITE);

	CHECK_OK(ioth_bind(fd, &own.sa, own.len));
	*out = sockname(fd);
	return fd;
}

/** lite_pair - two of them, connected to each other */
static struct pair lite_pair(struct conf *c)
{
	struct addr a, b;
	struct pair p = {.a = lite(c, c->a, &a)};

	p.b = lite(c, c->b, &b);
	CHECK_OK(ioth_connect(p.a, &b.sa, b.len));
	CHECK_OK(ioth_connect(p.b, &a.sa, a.len));
	return p;
}

CASE(udplite, exchange, INET, "datagrams cross as those of UDP do, with boundaries and the sender's address")
{
	struct pair p = lite_pair(c);
	struct inbox in;

	CHECK_OPT(p.a, SOL_SOCKET, SO_PROTOCOL, IPPROTO_UDPLITE);
	CHECK_POLL_NOW(p.a, POLLOUT);
	send_text(p.a, "one");
	CHECK_LEN(ioth_send(p.a, "", 0, 0), 0);
	send_text(p.a, "three");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	recv_text(p.b, "one");
	receive(p.b, 0, &in);
	CHECK_INT(in.len, 0);
	CHECK_ADDR(in.from, sockname(p.a));
	recv_text(p.b, "three");
	send_text(p.b, "back");
	recv_text(p.a, "back");
}

CASE(udplite, own_ports, INET, "its ports are not those of UDP: both may have the same number, and each gets its own")
{
	struct addr addr, from;
	int udp = bound(c, c->b, SOCK_DGRAM, &addr), one, fd;

	one = sockp(c, c->b, c->family, SOCK_DGRAM, IPPROTO_UDPLITE);
	CHECK_OK(ioth_bind(one, &addr.sa, addr.len));
	CHECK_ERR(ioth_bind(sockp(c, c->b, c->family, SOCK_DGRAM, IPPROTO_UDPLITE), &addr.sa, addr.len), EADDRINUSE);
	fd = lite(c, c->a, &from);
	CHECK_LEN(ioth_sendto(fd, "lite", 4, 0, &addr.sa, addr.len), 4);
	recv_text(one, "lite");
	CHECK_POLL_NOW(udp, POLLOUT);
}

CASE(udplite, refused, INET, "a datagram to a port of nobody is answered by ICMP: ECONNREFUSED")
{
	struct addr absent, own;
	int fd, gone = lite(c, c->b, &absent);

	drop(c, gone);
	fd = lite(c, c->a, &own);
	CHECK_OK(ioth_connect(fd, &absent.sa, absent.len));
	send_text(fd, "anybody?");
	CHECK_POLL(fd, POLLOUT | POLLERR);
	CHECK_OPT(fd, SOL_SOCKET, SO_ERROR, ECONNREFUSED);
}

CASE(udplite, options, INET,
     "UDPLITE_SEND_CSCOV and UDPLITE_RECV_CSCOV: 0, or 8 to 65535, other values become the nearest; UDP has neither")
{
	static const int name[] = {UDPLITE_SEND_CSCOV, UDPLITE_RECV_CSCOV};
	static const int value[][2] = {{1, 8}, {-1, 8}, {8, 8}, {20, 20}, {70000, 65535}, {0, 0}};
	int fd = sockp(c, c->a, c->family, SOCK_DGRAM, IPPROTO_UDPLITE), udp = sock(c, c->a, SOCK_DGRAM);
	int number = 20;

	for (int i = 0; i < 2; i++) {
		CHECK_OPT(fd, IPPROTO_UDPLITE, name[i], 0);
		for (size_t j = 0; j < sizeof(value) / sizeof(value[0]); j++) {
			SETOPT(fd, IPPROTO_UDPLITE, name[i], value[j][0]);
			CHECK_OPT(fd, IPPROTO_UDPLITE, name[i], value[j][1]);
			CHECK_OPT(fd, IPPROTO_UDP, name[i], value[j][1]);
		}
		CHECK_ERR(ioth_setsockopt(fd, IPPROTO_UDPLITE, name[i], &number, 2), EINVAL);
		CHECK_ERR(ioth_setsockopt(udp, IPPROTO_UDPLITE, name[i], &number, sizeof(number)), ENOPROTOOPT);
		CHECK_OPT(udp, IPPROTO_UDP, name[i], 0);
	}
	SETOPT(fd, IPPROTO_UDPLITE, UDP_CORK, 1);
	CHECK_OPT(fd, IPPROTO_UDP, UDP_CORK, 1);
}

CASE(udplite, header, INET, "the header says how much is covered: 0 is all, what is more than there is, the length")
{
	static const int coverage[][2] = {{-1, 18}, {0, 0}, {8, 8}, {12, 12}, {18, 18}, {100, 18}};
	struct pair p = lite_pair(c);
	int raw = sockp(c, c->b, c->family, SOCK_RAW, IPPROTO_UDPLITE);
	size_t at = c->family == AF_INET ? 20 : 0;
	struct inbox in;

	for (size_t i = 0; i < sizeof(coverage) / sizeof(coverage[0]); i++) {
		if (coverage[i][0] >= 0)
			SETOPT(p.a, IPPROTO_UDPLITE, UDPLITE_SEND_CSCOV, coverage[i][0]);
		send_text(p.a, "0123456789");
		receive(raw, 0, &in);
		CHECK_INT(in.len, at + HEADER + 10);
		CHECK_INT((unsigned char)in.text[at + 4] << 8 | (unsigned char)in.text[at + 5], coverage[i][1]);
		CHECK_MEM(in.text + at + HEADER, "0123456789", 10);
		recv_text(p.b, "0123456789");
	}
}

CASE(udplite, least, INET,
     "UDPLITE_RECV_CSCOV drops datagrams that are covered in part, and less than that; 0: all in part")
{
	struct pair p = lite_pair(c);

	SETOPT(p.b, IPPROTO_UDPLITE, UDPLITE_RECV_CSCOV, 12);
	SETOPT(p.a, IPPROTO_UDPLITE, UDPLITE_SEND_CSCOV, 11);
	send_text(p.a, "too little");
	send_text(p.a, "abc"); /* which is all of it */
	SETOPT(p.a, IPPROTO_UDPLITE, UDPLITE_SEND_CSCOV, 12);
	send_text(p.a, "just enough");
	recv_text(p.b, "abc");
	recv_text(p.b, "just enough");
	SETOPT(p.b, IPPROTO_UDPLITE, UDPLITE_RECV_CSCOV, 0);
	send_text(p.a, "in part");
	SETOPT(p.a, IPPROTO_UDPLITE, UDPLITE_SEND_CSCOV, 0);
	send_text(p.a, "all of it");
	recv_text(p.b, "all of it");
	CHECK_POLL_NOW(p.b, POLLOUT);
}

/** by_hand - a datagram from @from to @to on a raw socket whose header says @field, with a checksum that covers @covered bytes */
static void by_hand(const struct conf *c, int raw, struct addr from, struct addr to, int field, size_t covered,
                    bool damage)
{
	unsigned char bytes[HEADER + 10] = {0};
	uint32_t sum = IPPROTO_UDPLITE + sizeof(bytes);
	int ports[2] = {addr_port(from), addr_port(to)};
	struct addr whither = addr_with_port(to, 0);

	for (int i = 0; i < 2; i++) {
		bytes[2 * i] = (unsigned char)(ports[i] >> 8);
		bytes[2 * i + 1] = (unsigned char)ports[i];
	}
	bytes[4] = (unsigned char)(field >> 8);
	bytes[5] = (unsigned char)field;
	memcpy(bytes + HEADER, "0123456789", 10);
	if (covered > 0) {
		sum = inet_sum(inet_sum(sum, addr_raw(&from), addr_rawlen(c)), addr_raw(&to), addr_rawlen(c));
		sum = inet_checksum(inet_sum(sum, bytes, covered));
		bytes[6] = (unsigned char)(sum >> 8);
		bytes[7] = (unsigned char)sum;
	}
	if (damage)
		bytes[sizeof(bytes) - 1] = '!';
	CHECK_LEN(ioth_sendto(raw, bytes, sizeof(bytes), 0, &whither.sa, whither.len), sizeof(bytes));
}

CASE(udplite, damaged, INET,
     "what the checksum does not cover may be damaged; what it covers, a checksum of 0 and impossible coverage are "
     "dropped")
{
	struct addr from, to;
	int fd = lite(c, c->b, &to), other = lite(c, c->a, &from);
	int raw = sockp(c, c->a, c->family, SOCK_RAW, IPPROTO_UDPLITE);

	by_hand(c, raw, from, to, 18, 18, true);
	by_hand(c, raw, from, to, 0, 18, true);
	by_hand(c, raw, from, to, 12, 18, false);
	by_hand(c, raw, from, to, 18, 0, false);
	by_hand(c, raw, from, to, 7, 8, false);
	by_hand(c, raw, from, to, 19, 18, false);
	by_hand(c, raw, from, to, 12, 12, true);
	recv_text(fd, "012345678!");
	by_hand(c, raw, from, to, 0, 18, false);
	recv_text(fd, "0123456789");
	CHECK_POLL_NOW(fd, POLLOUT);
	CHECK_POLL_NOW(other, POLLOUT);
}

CASE(udplite, no_segments, INET, "UDP_SEGMENT cannot cut datagrams of UDP-Lite: EIO; one that needs no cut is sent")
{
	struct pair p = lite_pair(c);

	SETOPT(p.a, IPPROTO_UDP, UDP_SEGMENT, 4);
	CHECK_ERR(ioth_send(p.a, "0123456789", 10, 0), EIO);
	SETOPT(p.a, IPPROTO_UDP, UDP_SEGMENT, 0);
	send_text(p.a, "whole");
	recv_text(p.b, "whole");
}
