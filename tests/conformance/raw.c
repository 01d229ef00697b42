/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* raw.c - raw sockets: raw(7), ICMP by hand. The hosts belong to the test, so it may have them. */
#include "conf.h"

#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>

#define IP_OR_IPV6(c, four, six) ((c)->family == AF_INET ? (four) : (six))
#define ICMP(c) IP_OR_IPV6(c, IPPROTO_ICMP, IPPROTO_ICMPV6)

/** checksum - the Internet checksum of a block, RFC 1071; network byte order as it stands */
static uint16_t checksum(const void *data, size_t len)
{
	return htons(inet_checksum(inet_sum(0, data, len)));
}

/** struct echo - an echo request or reply of either family: their layout is the same */
struct echo {
	uint8_t type, code;
	uint16_t checksum, id, sequence;
	char data[8];
};

/** echo_request - build one; the checksum of ICMPv6 is the stack's business */
static struct echo echo_request(struct conf *c, uint16_t id)
{
	struct echo echo = {.type = IP_OR_IPV6(c, ICMP_ECHO, ICMP6_ECHO_REQUEST), .id = htons(id), .data = "ping"};

	if (c->family == AF_INET)
		echo.checksum = checksum(&echo, sizeof(echo));
	return echo;
}

CASE(raw, echo, INET, "an echo request by a raw socket is answered; IPv4 gives the header as well, IPv6 does not")
{
	struct addr to = addr_of(c, c->b, 0);
	int fd = sockp(c, c->a, c->family, SOCK_RAW, ICMP(c));
	struct echo request = echo_request(c, 4711), reply;
	struct inbox in;
	size_t header = (size_t)IP_OR_IPV6(c, 20, 0);

	CHECK_LEN(ioth_sendto(fd, &request, sizeof(request), 0, &to.sa, to.len), sizeof(request));
	do {
		receive(fd, 0, &in);
		CHECK((size_t)in.len >= header + 8);
		memcpy(&reply, in.text + header, sizeof(reply));
		/* Neighbours are asked for with ICMPv6, and this socket hears it all. */
	} while (reply.type != IP_OR_IPV6(c, ICMP_ECHOREPLY, ICMP6_ECHO_REPLY));
	CHECK_INT(in.len, header + sizeof(reply));
	CHECK_INT(ntohs(reply.id), 4711);
	CHECK_MEM(reply.data, request.data, sizeof(reply.data));
	CHECK_ADDR(in.from, to);
	if (c->family == AF_INET)
		CHECK_INT((unsigned char)in.text[9], IPPROTO_ICMP);
}

CASE(raw, connected, INET, "a connected raw socket sends without an address and hears its peer alone")
{
	struct addr to = addr_of(c, c->b, 0), own = addr_of(c, c->a, 0);
	int fd = sockp(c, c->a, c->family, SOCK_RAW, 200);
	int peer = sockp(c, c->b, c->family, SOCK_RAW, 200);
	int local = sockp(c, c->a, c->family, SOCK_RAW, 200);
	size_t header = (size_t)IP_OR_IPV6(c, 20, 0);
	struct inbox in;

	CHECK_ERR(ioth_send(fd, "x", 1, 0), EDESTADDRREQ);
	CHECK_OK(ioth_connect(fd, &to.sa, to.len));
	CHECK_LEN(ioth_send(fd, "hello", 5, 0), 5);
	receive(peer, 0, &in);
	CHECK_INT(in.len, header + 5);
	CHECK_MEM(in.text + header, "hello", 5);
	CHECK_LEN(ioth_sendto(local, "self", 4, 0, &own.sa, own.len), 4);
	CHECK_LEN(ioth_sendto(peer, "back", 4, 0, &own.sa, own.len), 4);
	receive(fd, 0, &in);
	CHECK_MEM(in.text + header, "back", 4);
}

CASE(raw, own_protocol, INET, "a raw socket hears its protocol alone; every one that matches gets a copy")
{
	struct addr to = addr_of(c, c->b, 0);
	int one = sockp(c, c->b, c->family, SOCK_RAW, 201);
	int two = sockp(c, c->b, c->family, SOCK_RAW, 201);
	int other = sockp(c, c->b, c->family, SOCK_RAW, 202);
	int fd = sockp(c, c->a, c->family, SOCK_RAW, 201);
	size_t header = (size_t)IP_OR_IPV6(c, 20, 0);
	struct inbox in;

	CHECK_LEN(ioth_sendto(fd, "x", 1, 0, &to.sa, to.len), 1);
	receive(one, 0, &in);
	CHECK_INT(in.len, header + 1);
	receive(two, 0, &in);
	CHECK_INT(in.len, header + 1);
	CHECK_POLL_NOW(other, POLLOUT);
}

CASE(raw, bound, INET, "a raw socket bound to an address hears what is sent there")
{
	struct addr own = addr_of(c, c->b, 0), absent = addr_absent(c, 0);
	int fd = sockp(c, c->b, c->family, SOCK_RAW, 203);
	int from = sockp(c, c->a, c->family, SOCK_RAW, 203);
	struct inbox in;

	CHECK_ERR(ioth_bind(fd, &absent.sa, absent.len), EADDRNOTAVAIL);
	CHECK_OK(ioth_bind(fd, &own.sa, own.len));
	CHECK_ADDR(sockname(fd), addr_with_port(own, IP_OR_IPV6(c, 203, 203)));
	CHECK_LEN(ioth_sendto(from, "x", 1, 0, &own.sa, own.len), 1);
	receive(fd, 0, &in);
	CHECK_ADDR(in.from, addr_of(c, c->a, 0));
}

CASE(raw, sees_udp, INET, "a raw socket of UDP's protocol gets a copy of what UDP gets")
{
	struct pair p = udp_pair(c);
	int fd = sockp(c, c->b, c->family, SOCK_RAW, IPPROTO_UDP);
	size_t header = (size_t)IP_OR_IPV6(c, 20, 0);
	struct inbox in;
	struct udphdr udp;

	send_text(p.a, "copy");
	receive(fd, 0, &in);
	CHECK_INT(in.len, header + sizeof(udp) + 4);
	memcpy(&udp, in.text + header, sizeof(udp));
	CHECK_INT(ntohs(udp.dest), addr_port(sockname(p.b)));
	CHECK_INT(ntohs(udp.len), sizeof(udp) + 4);
	recv_text(p.b, "copy");
}

CASE(raw, put_together, IPV4, "what came in fragments has the header of a whole packet: its length, and no offset")
{
	struct addr to;
	int fd = bound(c, c->b, SOCK_DGRAM, &to), raw = sockp(c, c->b, AF_INET, SOCK_RAW, IPPROTO_UDP);
	int from = sock(c, c->a, SOCK_DGRAM);
	static unsigned char out[4000], in[8000];
	struct ip ip;

	CHECK_LEN(ioth_sendto(from, out, sizeof(out), 0, &to.sa, to.len), sizeof(out));
	CHECK_LEN(ioth_recv(raw, in, sizeof(in), 0), 20 + 8 + sizeof(out));
	memcpy(&ip, in, sizeof(ip));
	CHECK_INT(ntohs(ip.ip_len), 20 + 8 + sizeof(out));
	CHECK_INT(ntohs(ip.ip_off) & ~IP_DF, 0);
	CHECK_INT(checksum(in, 20), 0);
	CHECK_LEN(ioth_recv(fd, in, sizeof(in), 0), sizeof(out));
}

CASE(raw, header_included, IPV4, "with IP_HDRINCL the IP header is the program's; length and checksum are filled in")
{
	struct addr to = addr_of(c, c->b, 0), source = addr_text(c, "192.0.2.7", 0);
	int fd = sockp(c, c->a, AF_INET, SOCK_RAW, 204);
	int receiver = sockp(c, c->b, AF_INET, SOCK_RAW, 204);
	struct {
		struct ip ip;
		char text[4];
	} packet = {.ip = {.ip_hl = 5, .ip_v = 4, .ip_ttl = 9, .ip_p = 204, .ip_tos = 4}, .text = "data"};
	struct inbox in;
	struct ip ip;

	packet.ip.ip_src = source.in.sin_addr;
	packet.ip.ip_dst = to.in.sin_addr;
	SETOPT(fd, IPPROTO_IP, IP_HDRINCL, 1);
	CHECK_OPT(fd, IPPROTO_IP, IP_HDRINCL, 1);
	CHECK_LEN(ioth_sendto(fd, &packet, sizeof(packet), 0, &to.sa, to.len), sizeof(packet));
	receive(receiver, 0, &in);
	CHECK_INT(in.len, sizeof(packet));
	memcpy(&ip, in.text, sizeof(ip));
	CHECK_INT(ntohs(ip.ip_len), sizeof(packet));
	CHECK_INT(ip.ip_ttl, 9);
	CHECK_INT(ip.ip_tos, 4);
	CHECK(ip.ip_id != 0);
	CHECK_INT(checksum(in.text, 20), 0);
	CHECK_ADDR(in.from, source);
}

CASE(raw, protocol_raw, INET, "IPPROTO_RAW sends headers of one's own and receives nothing")
{
	int fd = sockp(c, c->a, c->family, SOCK_RAW, IPPROTO_RAW);
	char byte;

	if (c->family == AF_INET)
		CHECK_OPT(fd, IPPROTO_IP, IP_HDRINCL, 1);
	else
		CHECK_OPT(fd, IPPROTO_IPV6, 36 /* IPV6_HDRINCL */, 1);
	crossed(c, c->b, c->a);
	CHECK_ERR(ioth_recv(fd, &byte, 1, MSG_DONTWAIT), EAGAIN);
	CHECK_POLL_NOW(fd, POLLOUT);
}

CASE(raw, atomic_fragment, IPV6, "a fragment header before a packet that is whole is passed over, RFC 6946")
{
	static const char *const texts[] = {"whole", ""};
	struct addr from = addr_of(c, c->a, 0), to = addr_of(c, c->b, 0);
	int fd = sockp(c, c->a, c->family, SOCK_RAW, IPPROTO_RAW);
	int peer = sockp(c, c->b, c->family, SOCK_RAW, 204);
	struct inbox in;

	for (int i = 0; i < 2; i++) {
		struct {
			struct ip6_hdr ip;
			struct ip6_frag fragment;
			char text[8];
		} packet = {.ip = {.ip6_nxt = IPPROTO_FRAGMENT, .ip6_hlim = 9}, .fragment = {.ip6f_nxt = 204}};
		size_t len = strlen(texts[i]);

		packet.ip.ip6_vfc = 6 << 4;
		packet.ip.ip6_plen = htons((uint16_t)(sizeof(packet.fragment) + len));
		packet.ip.ip6_src = from.in6.sin6_addr;
		packet.ip.ip6_dst = to.in6.sin6_addr;
		memcpy(packet.text, texts[i], len);
		len += sizeof(packet.ip) + sizeof(packet.fragment);
		CHECK_LEN(ioth_sendto(fd, &packet, len, 0, &to.sa, to.len), len);
		receive(peer, 0, &in);
		CHECK_INT(in.len, strlen(texts[i]));
		CHECK_MEM(in.text, texts[i], strlen(texts[i]));
	}
}

CASE(raw, icmp_filter, INET, "ICMP_FILTER and ICMP6_FILTER keep types out")
{
	struct addr to = addr_of(c, c->b, 0);
	int fd = sockp(c, c->a, c->family, SOCK_RAW, ICMP(c));
	int all = sockp(c, c->a, c->family, SOCK_RAW, ICMP(c));
	struct echo request = echo_request(c, 1), reply = {0};
	size_t header = (size_t)IP_OR_IPV6(c, 20, 0);
	struct inbox in;

	if (c->family == AF_INET) {
		uint32_t filter = ~0u;

		CHECK_OK(ioth_setsockopt(fd, SOL_RAW, 1 /* ICMP_FILTER */, &filter, sizeof(filter)));
	} else {
		struct icmp6_filter filter;

		ICMP6_FILTER_SETBLOCKALL(&filter);
		CHECK_OK(ioth_setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)));
	}
	CHECK_LEN(ioth_sendto(fd, &request, sizeof(request), 0, &to.sa, to.len), sizeof(request));
	while (reply.type != IP_OR_IPV6(c, ICMP_ECHOREPLY, ICMP6_ECHO_REPLY)) {
		receive(all, 0, &in);
		memcpy(&reply, in.text + header, sizeof(reply));
	}
	CHECK_POLL_NOW(fd, POLLOUT);
}

CASE(raw, checksum, IPV6, "IPV6_CHECKSUM has the stack fill in a checksum and drop what is wrong")
{
	struct addr to = addr_of(c, c->b, 0);
	int fd = sockp(c, c->a, AF_INET6, SOCK_RAW, 205);
	int receiver = sockp(c, c->b, AF_INET6, SOCK_RAW, 205);
	int odd = 3;
	struct inbox in;

	CHECK_OPT(fd, IPPROTO_IPV6, IPV6_CHECKSUM, -1);
	SETOPT(receiver, IPPROTO_IPV6, IPV6_CHECKSUM, 2);
	CHECK_LEN(ioth_sendto(fd, "\1\2\0\0wrong!", 10, 0, &to.sa, to.len), 10);
	SETOPT(fd, IPPROTO_IPV6, IPV6_CHECKSUM, 2);
	CHECK_OPT(fd, IPPROTO_IPV6, IPV6_CHECKSUM, 2);
	CHECK_LEN(ioth_sendto(fd, "\1\2\0\0right!", 10, 0, &to.sa, to.len), 10);
	receive(receiver, 0, &in);
	CHECK_MEM(in.text + 4, "right!", 6);
	CHECK(in.text[2] != 0 || in.text[3] != 0);
	CHECK_ERR(ioth_setsockopt(fd, IPPROTO_IPV6, IPV6_CHECKSUM, &odd, sizeof(odd)), EINVAL);
}

CASE(raw, too_long, INET, "more than a packet can hold is EMSGSIZE")
{
	struct addr to = addr_of(c, c->b, 0);
	int fd = sockp(c, c->a, c->family, SOCK_RAW, 206);
	static char text[65536];

	CHECK_ERR(ioth_sendto(fd, text, sizeof(text), 0, &to.sa, to.len), EMSGSIZE);
}

CASE(raw, ping_socket, INET,
     "a ping socket is EACCES to those outside ping_group_range (on Linux everybody at first), or gets its replies")
{
	struct addr to = addr_of(c, c->b, 0);
	struct echo request = echo_request(c, 1), reply = {0};
	int fd = ioth_msocket(on(c, c->a), c->family, SOCK_DGRAM, ICMP(c));

	if (fd < 0) {
		CHECK_INT(errno, EACCES);
		return;
	}
	CHECK_LEN(ioth_sendto(fd, &request, sizeof(request), 0, &to.sa, to.len), sizeof(request));
	CHECK_LEN(ioth_recv(fd, &reply, sizeof(reply), 0), sizeof(reply));
	CHECK_INT(reply.type, IP_OR_IPV6(c, ICMP_ECHOREPLY, ICMP6_ECHO_REPLY));
	ioth_close(fd);
}

CASE(raw, not_a_stream, INET, "listen and accept are not for raw sockets")
{
	int fd = sockp(c, c->a, c->family, SOCK_RAW, ICMP(c));

	CHECK_ERR(ioth_listen(fd, 1), EOPNOTSUPP);
	CHECK_ERR(ioth_accept(fd, NULL, NULL), EOPNOTSUPP);
	CHECK_OPT(fd, SOL_SOCKET, SO_TYPE, SOCK_RAW);
	CHECK_OPT(fd, SOL_SOCKET, SO_PROTOCOL, ICMP(c));
}
