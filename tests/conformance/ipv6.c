/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ipv6.c - what is IPv6's own: dual stack, mapped addresses, link-local scopes: ipv6(7), RFC 3493, RFC 3542, RFC 4007.
 */
#include "conf.h"

#include <arpa/inet.h>
#include <netinet/icmp6.h>

/** mapped - the IPv4 address of a host as an IPv6 one */
static struct addr mapped(struct conf *c, const struct ioth *stack, int port)
{
	return addr_text(c, stack == c->a ? "::ffff:10.77.0.1" : "::ffff:10.77.0.2", port);
}

/** plain - the IPv4 address of a host */
static struct addr plain(const struct conf *c, const struct ioth *stack, int port)
{
	struct addr addr;

	memset(&addr, 0, sizeof(addr));
	addr.in.sin_family = AF_INET;
	addr.in.sin_port = htons((uint16_t)port);
	inet_pton(AF_INET, stack == c->a ? "10.77.0.1" : "10.77.0.2", &addr.in.sin_addr);
	addr.len = sizeof(addr.in);
	return addr;
}

/** wildcard - a socket on :: */
static int wildcard(struct conf *c, struct ioth *stack, int type, bool v6only, int *port)
{
	struct addr any = addr_any(c, 0);
	int fd = sock(c, stack, type);

	SETOPT(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6only);
	CHECK_OK(ioth_bind(fd, &any.sa, any.len));
	*port = addr_port(sockname(fd));
	return fd;
}

CASE(ipv6, v6only, IPV6, "IPV6_V6ONLY is off; it can be set till the socket is bound, then EINVAL")
{
	int fd = sock(c, c->a, SOCK_STREAM);
	int one = 1, port;

	CHECK_OPT(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	SETOPT(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	CHECK_OPT(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	fd = wildcard(c, c->a, SOCK_STREAM, false, &port);
	CHECK_ERR(ioth_setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)), EINVAL);
}

CASE(ipv6, dual_stream, IPV6, "a listening socket on :: accepts IPv4 connections, whose addresses are mapped")
{
	int port;
	int server = wildcard(c, c->b, SOCK_STREAM, false, &port);
	int client = sockp(c, c->a, AF_INET, SOCK_STREAM, 0);
	struct addr to = plain(c, c->b, port);
	int fd;

	CHECK_OK(ioth_listen(server, 1));
	CHECK_OK(ioth_connect(client, &to.sa, to.len));
	fd = accepted(c, server);
	CHECK_ADDR(peername(fd), mapped(c, c->a, addr_port(sockname(client))));
	CHECK_ADDR(sockname(fd), mapped(c, c->b, port));
	send_text(client, "four");
	recv_text(fd, "four");
	send_text(fd, "six");
	recv_text(client, "six");
}

CASE(ipv6, v6only_refuses, IPV6, "with IPV6_V6ONLY an IPv4 connection is refused, and the port is free for IPv4")
{
	int port;
	int server = wildcard(c, c->b, SOCK_STREAM, true, &port);
	int client = sockp(c, c->a, AF_INET, SOCK_STREAM, 0);
	int four = sockp(c, c->b, AF_INET, SOCK_STREAM, 0);
	struct addr to = plain(c, c->b, port);

	CHECK_OK(ioth_listen(server, 1));
	CHECK_ERR(ioth_connect(client, &to.sa, to.len), ECONNREFUSED);
	CHECK_OK(ioth_bind(four, &to.sa, to.len));
	CHECK_OK(ioth_listen(four, 1));
	CHECK_OK(ioth_connect(client, &to.sa, to.len));
	accepted(c, four);
}

CASE(ipv6, dual_conflict, IPV6, "without IPV6_V6ONLY the port on :: is taken for IPv4, too")
{
	int port;
	int six = wildcard(c, c->b, SOCK_STREAM, false, &port);
	int four = sockp(c, c->b, AF_INET, SOCK_STREAM, 0);
	struct addr addr = plain(c, c->b, port);

	CHECK_OK(ioth_listen(six, 1));
	CHECK_ERR(ioth_bind(four, &addr.sa, addr.len), EADDRINUSE);
}

CASE(ipv6, mapped_connect, IPV6,
     "an IPv6 socket connects to a mapped address by IPv4; with IPV6_V6ONLY that is ENETUNREACH")
{
	struct addr addr = plain(c, c->b, 0), to;
	int server = sockp(c, c->b, AF_INET, SOCK_STREAM, 0);
	int client = sock(c, c->a, SOCK_STREAM);
	int only = sock(c, c->a, SOCK_STREAM);
	int fd;

	CHECK_OK(ioth_bind(server, &addr.sa, addr.len));
	CHECK_OK(ioth_listen(server, 1));
	to = mapped(c, c->b, addr_port(sockname(server)));
	CHECK_OK(ioth_connect(client, &to.sa, to.len));
	fd = accepted(c, server);
	CHECK_ADDR(sockname(client), mapped(c, c->a, addr_port(sockname(client))));
	CHECK_ADDR(peername(client), to);
	CHECK_ADDR(peername(fd), plain(c, c->a, addr_port(sockname(client))));
	SETOPT(only, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	CHECK_ERR(ioth_connect(only, &to.sa, to.len), ENETUNREACH);
}

CASE(ipv6, dual_datagram, IPV6, "a datagram socket on :: hears IPv4 from mapped addresses and answers to them")
{
	int port;
	int fd = wildcard(c, c->b, SOCK_DGRAM, false, &port);
	int four = sockp(c, c->a, AF_INET, SOCK_DGRAM, 0);
	struct addr to = plain(c, c->b, port);
	struct inbox in;

	CHECK_LEN(ioth_sendto(four, "four", 4, 0, &to.sa, to.len), 4);
	receive(fd, 0, &in);
	CHECK_ADDR(in.from, mapped(c, c->a, addr_port(sockname(four))));
	CHECK_LEN(ioth_sendto(fd, "back", 4, 0, &in.from.sa, in.from.len), 4);
	receive(four, 0, &in);
	CHECK_ADDR(in.from, to);
}

CASE(ipv6, sendto_plain, IPV6, "an IPv6 datagram socket takes a plain IPv4 address for a mapped one")
{
	struct addr addr = plain(c, c->b, 0);
	int four = sockp(c, c->b, AF_INET, SOCK_DGRAM, 0);
	int fd = sock(c, c->a, SOCK_DGRAM);

	CHECK_OK(ioth_bind(four, &addr.sa, addr.len));
	addr = sockname(four);
	CHECK_LEN(ioth_sendto(fd, "x", 1, 0, &addr.sa, addr.len), 1);
	recv_text(four, "x");
}

CASE(ipv6, mapped_bind, IPV6, "a socket bound to a mapped address is IPv4 on the wire")
{
	struct addr addr = mapped(c, c->b, 0);
	int fd = sock(c, c->b, SOCK_DGRAM);
	int four = sockp(c, c->a, AF_INET, SOCK_DGRAM, 0);

	CHECK_OK(ioth_bind(fd, &addr.sa, addr.len));
	addr = plain(c, c->b, addr_port(sockname(fd)));
	CHECK_LEN(ioth_sendto(four, "x", 1, 0, &addr.sa, addr.len), 1);
	recv_text(fd, "x");
	addr = addr_of(c, c->b, 9);
	CHECK_ERR(ioth_sendto(fd, "x", 1, 0, &addr.sa, addr.len), EAFNOSUPPORT);
}

CASE(ipv6, addrform, IPV6, "IPV6_ADDRFORM turns a socket connected to a mapped address into an IPv4 one")
{
	struct addr addr = mapped(c, c->b, 9);
	int fd = sock(c, c->a, SOCK_DGRAM);

	CHECK_OK(ioth_connect(fd, &addr.sa, addr.len));
	CHECK_OPT(fd, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET6);
	SETOPT(fd, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET);
	CHECK_ADDR(peername(fd), plain(c, c->b, 9));
	CHECK_OPT(fd, SOL_SOCKET, SO_DOMAIN, AF_INET);
}

/** link_local - give both hosts an address of the link: fe80::7:1 and fe80::7:2 */
static void link_local(struct conf *c)
{
	struct ioth *host[2] = {c->a, c->b};

	for (int i = 0; i < 2; i++) {
		struct addr addr = addr_text(c, i == 0 ? "fe80::7:1" : "fe80::7:2", 0);
		unsigned int index = ifindex(c, host[i]);

		CHECK_OK(ioth_ipaddr_add(on(c, host[i]), AF_INET6, addr_raw(&addr),
		                         nl_addrdata2prefix(64, IFA_F_NODAD, RT_SCOPE_LINK), index));
		addr.in6.sin6_scope_id = index;
		settled(c, host[i], addr);
	}
}

CASE(ipv6, link_local, IPV6,
     "link-local addresses work with the interface in sin6_scope_id, which comes back with every address")
{
	struct addr addr = addr_text(c, "fe80::7:2", 0), to;
	int server = sock(c, c->b, SOCK_STREAM);
	int client = sock(c, c->a, SOCK_STREAM);
	int fd;

	link_local(c);
	addr.in6.sin6_scope_id = ifindex(c, c->b);
	CHECK_OK(ioth_bind(server, &addr.sa, addr.len));
	CHECK_OK(ioth_listen(server, 1));
	addr = addr_with_port(addr, addr_port(sockname(server)));
	CHECK_ADDR(sockname(server), addr);
	to = addr;
	to.in6.sin6_scope_id = ifindex(c, c->a);
	CHECK_OK(ioth_connect(client, &to.sa, to.len));
	CHECK_ADDR(peername(client), to);
	fd = accepted(c, server);
	CHECK_INT(peername(fd).in6.sin6_scope_id, addr.in6.sin6_scope_id);
	CHECK_INT(sockname(client).in6.sin6_scope_id, to.in6.sin6_scope_id);
	send_text(client, "near");
	recv_text(fd, "near");
}

CASE(ipv6, link_local_unscoped, IPV6, "a link-local address without an interface is EINVAL")
{
	struct addr addr = addr_text(c, "fe80::7:2", 9), own = addr_text(c, "fe80::7:1", 0);

	link_local(c);
	CHECK_ERR(ioth_connect(sock(c, c->a, SOCK_STREAM), &addr.sa, addr.len), EINVAL);
	CHECK_ERR(ioth_connect(sock(c, c->a, SOCK_DGRAM), &addr.sa, addr.len), EINVAL);
	CHECK_ERR(ioth_bind(sock(c, c->a, SOCK_STREAM), &own.sa, own.len), EINVAL);
	own.in6.sin6_scope_id = 9999;
	CHECK_ERR(ioth_bind(sock(c, c->a, SOCK_STREAM), &own.sa, own.len), ENODEV);
}

CASE(ipv6, link_local_datagram, IPV6, "the sender of a link-local datagram comes with its interface")
{
	struct addr addr = addr_text(c, "fe80::7:2", 0), from = addr_text(c, "fe80::7:1", 0);
	int to = sock(c, c->b, SOCK_DGRAM);
	int fd = sock(c, c->a, SOCK_DGRAM);
	struct inbox in;

	link_local(c);
	addr.in6.sin6_scope_id = from.in6.sin6_scope_id = ifindex(c, c->b);
	CHECK_OK(ioth_bind(to, &addr.sa, addr.len));
	addr = sockname(to);
	from.in6.sin6_scope_id = ifindex(c, c->a);
	CHECK_OK(ioth_bind(fd, &from.sa, from.len));
	from = sockname(fd);
	addr.in6.sin6_scope_id = from.in6.sin6_scope_id;
	CHECK_LEN(ioth_sendto(fd, "x", 1, 0, &addr.sa, addr.len), 1);
	receive(to, 0, &in);
	from.in6.sin6_scope_id = ifindex(c, c->b);
	CHECK_ADDR(in.from, from);
}

CASE(ipv6, scope_of_global, IPV6, "global addresses come without an interface")
{
	struct pair p = udp_pair(c);
	struct inbox in;

	send_text(p.a, "x");
	receive(p.b, 0, &in);
	CHECK_INT(in.from.in6.sin6_scope_id, 0);
	CHECK_INT(in.from.in6.sin6_flowinfo, 0);
	CHECK_INT(peername(p.b).in6.sin6_scope_id, 0);
}

CASE(ipv6, addrlen, IPV6, "an address without sin6_scope_id, of 24 bytes, is accepted; a shorter one is EINVAL")
{
	struct addr addr = addr_of(c, c->a, 0);
	int fd = sock(c, c->a, SOCK_DGRAM);

	CHECK_ERR(ioth_bind(fd, &addr.sa, 23), EINVAL);
	CHECK_OK(ioth_bind(fd, &addr.sa, 24));
	CHECK_INT(sockname(fd).len, sizeof(addr.in6));
}

CASE(ipv6, dontfrag, IPV6, "IPV6_DONTFRAG makes a datagram beyond the MTU EMSGSIZE, and IPV6_RECVPATHMTU tells the MTU")
{
	struct pair p = udp_pair(c);
	static char text[CONF_MTU];

	CHECK_OPT(p.a, IPPROTO_IPV6, IPV6_DONTFRAG, 0);
	SETOPT(p.a, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
	CHECK_LEN(ioth_send(p.a, text, CONF_MTU - 48, 0), CONF_MTU - 48);
	CHECK_ERR(ioth_send(p.a, text, CONF_MTU - 47, 0), EMSGSIZE);
	SETOPT(p.a, IPPROTO_IPV6, IPV6_DONTFRAG, 0);
	CHECK_LEN(ioth_send(p.a, text, CONF_MTU - 47, 0), CONF_MTU - 47);
}

CASE(ipv6, user_mtu, IPV6, "IPV6_MTU set on a socket fragments sooner; below 1280 it is EINVAL")
{
	struct pair p = udp_pair(c);
	static char text[1400];
	int small = 1279;

	CHECK_ERR(ioth_setsockopt(p.a, IPPROTO_IPV6, IPV6_MTU, &small, sizeof(small)), EINVAL);
	SETOPT(p.a, IPPROTO_IPV6, IPV6_MTU, 1280);
	CHECK_LEN(ioth_send(p.a, text, sizeof(text), 0), sizeof(text));
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), sizeof(text));
	SETOPT(p.a, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
	CHECK_ERR(ioth_send(p.a, text, sizeof(text), 0), EMSGSIZE);
}

CASE(ipv6, pathmtu, IPV6, "IPV6_PATHMTU of a connected socket is that of the link")
{
	struct pair p = udp_pair(c);
	struct ip6_mtuinfo {
		struct sockaddr_in6 addr;
		uint32_t mtu;
	} info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	CHECK_OK(ioth_getsockopt(p.a, IPPROTO_IPV6, IPV6_PATHMTU, &info, &len));
	CHECK_INT(len, sizeof(info));
	CHECK_INT(info.mtu, CONF_MTU);
}

CASE(ipv6, hop_by_data, IPV6, "ancillary data set hop limit and traffic class of one datagram")
{
	struct pair p = udp_pair(c);
	struct inbox in;
	int value = 77;

	SETOPT(p.b, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	SETOPT(p.b, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	CHECK_LEN(send_control(p.a, NULL, "x", IPPROTO_IPV6, IPV6_TCLASS, &value, sizeof(value)), 1);
	receive(p.b, 0, &in);
	CHECK_INT(control_int(&in, IPPROTO_IPV6, IPV6_HOPLIMIT), 64);
	CHECK_INT(control_int(&in, IPPROTO_IPV6, IPV6_TCLASS), 77);
	value = 256;
	CHECK_ERR(send_control(p.a, NULL, "x", IPPROTO_IPV6, IPV6_HOPLIMIT, &value, sizeof(value)), EINVAL);
	CHECK_ERR(send_control(p.a, NULL, "x", IPPROTO_IPV6, IPV6_TCLASS, &value, sizeof(value)), EINVAL);
}

CASE(ipv6, tentative, IPV6, "an address under duplicate detection cannot be bound yet; IPV6_FREEBIND does not care")
{
	struct addr addr = addr_text(c, "fd77::d", 0);
	unsigned int index = ifindex(c, c->a);
	int fd = sock(c, c->a, SOCK_DGRAM);

	CHECK_OK(ioth_ipaddr_add(on(c, c->a), AF_INET6, addr_raw(&addr), 64, index));
	CHECK_ERR(ioth_bind(fd, &addr.sa, addr.len), EADDRNOTAVAIL);
	SETOPT(fd, IPPROTO_IPV6, 78 /* IPV6_FREEBIND */, 1);
	CHECK_OK(ioth_bind(fd, &addr.sa, addr.len));
}

/* What is cut in two by hand: Destination Options of eight bytes (PadN), then a datagram of UDP with sixteen bytes. */
#define OPTIONS 8
#define WHOLE (OPTIONS + 8 + 16)
#define FIRST 24

/** fragment - send bytes [@at, @end) of @whole by a raw socket, behind a fragment header that says @next follows */
static void fragment(int raw, struct addr to, unsigned char next, const unsigned char *whole, size_t at, size_t end)
{
	unsigned char packet[8 + WHOLE] = {next, 0, 0, (unsigned char)(at | (end < WHOLE)), 4, 7, 1, 1};

	to = addr_with_port(to, 0);
	memcpy(packet + 8, whole + at, end - at);
	CHECK_LEN(ioth_sendto(raw, packet, 8 + end - at, 0, &to.sa, to.len), 8 + end - at);
}

/** with_options - make that packet */
static void with_options(struct addr from, struct addr to, unsigned char *whole)
{
	unsigned char *udp = whole + OPTIONS;
	int port = addr_port(to);
	uint32_t sum = IPPROTO_UDP + 24;

	memset(whole, 0, WHOLE);
	whole[0] = IPPROTO_UDP;
	whole[2] = 1;
	whole[3] = 4;
	udp[1] = 99;
	udp[2] = (unsigned char)(port >> 8);
	udp[3] = (unsigned char)port;
	udp[5] = 24;
	memcpy(udp + 8, "in two fragments", 16);
	sum = inet_sum(inet_sum(sum, addr_raw(&from), 16), addr_raw(&to), 16);
	sum = inet_checksum(inet_sum(sum, udp, 24));
	udp[6] = (unsigned char)(sum >> 8);
	udp[7] = (unsigned char)sum;
}

CASE(ipv6, options_in_fragments, IPV6,
     "extension headers behind a fragment header are followed when the packet is whole")
{
	struct addr to, from = addr_of(c, c->a, 0);
	int fd = bound(c, c->b, SOCK_DGRAM, &to);
	int raw = sockp(c, c->a, AF_INET6, SOCK_RAW, IPPROTO_FRAGMENT);
	unsigned char whole[WHOLE], options[OPTIONS];
	struct inbox in;

	SETOPT(fd, IPPROTO_IPV6, IPV6_RECVDSTOPTS, 1);
	with_options(from, to, whole);
	fragment(raw, to, IPPROTO_DSTOPTS, whole, 0, FIRST);
	fragment(raw, to, IPPROTO_DSTOPTS, whole, FIRST, WHOLE);
	receive(fd, 0, &in);
	CHECK_INT(in.len, 16);
	CHECK_MEM(in.text, "in two fragments", 16);
	CHECK_ADDR(in.from, addr_with_port(from, 99));
	control(&in, IPPROTO_IPV6, IPV6_DSTOPTS, options, sizeof(options));
	CHECK_MEM(options, whole, OPTIONS);
}

/** problem - the next parameter problem that @icmp hears of: its code and its pointer */
static void problem(int icmp, int *code, uint32_t *pointer)
{
	struct icmp6_hdr header;
	struct inbox in;

	do {
		receive(icmp, 0, &in);
		CHECK(in.len >= (ssize_t)sizeof(header));
		memcpy(&header, in.text, sizeof(header));
	} while (header.icmp6_type != ICMP6_PARAM_PROB);
	*code = header.icmp6_code;
	*pointer = ntohl(header.icmp6_pptr);
}

CASE(ipv6, wrong_in_fragments, IPV6,
     "what is wrong behind a fragment header is told to the sender: headers that go on in the second, Hop-by-Hop "
     "Options, an option that must be known, a second fragment header",
     LIMITS({"testengine", "it has no parameter problems to tell"}))
{
	struct addr to, from = addr_of(c, c->a, 0);
	int fd = bound(c, c->b, SOCK_DGRAM, &to), icmp = sockp(c, c->a, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	int raw = sockp(c, c->a, AF_INET6, SOCK_RAW, IPPROTO_FRAGMENT);
	unsigned char whole[WHOLE];
	uint32_t pointer;
	int code;

	with_options(from, to, whole);
	fragment(raw, to, IPPROTO_DSTOPTS, whole, 0, 8);
	problem(icmp, &code, &pointer);
	CHECK_INT(code, 3); /* incomplete first fragment, RFC 7112 */

	fragment(raw, to, IPPROTO_HOPOPTS, whole, 0, FIRST);
	fragment(raw, to, IPPROTO_HOPOPTS, whole, FIRST, WHOLE);
	problem(icmp, &code, &pointer);
	CHECK_INT(code, ICMP6_PARAMPROB_NEXTHEADER);

	whole[2] = 0x9e; /* an option unknown to everybody, whose first bits say: discard, and tell */
	fragment(raw, to, IPPROTO_DSTOPTS, whole, 0, FIRST);
	fragment(raw, to, IPPROTO_DSTOPTS, whole, FIRST, WHOLE);
	problem(icmp, &code, &pointer);
	CHECK_INT(code, ICMP6_PARAMPROB_OPTION);
	CHECK_INT(pointer, 40 + 2);

	fragment(raw, to, IPPROTO_FRAGMENT, whole, 0, FIRST);
	fragment(raw, to, IPPROTO_FRAGMENT, whole, FIRST, WHOLE);
	problem(icmp, &code, &pointer);
	CHECK_INT(code, ICMP6_PARAMPROB_HEADER);
	CHECK_POLL_NOW(fd, POLLOUT);
}
