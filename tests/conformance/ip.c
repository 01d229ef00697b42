/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ip.c - options and ancillary data of the network layer, both families: ip(7), ipv6(7). */
#include "conf.h"

#include <linux/in6.h>

#define IP_OR_IPV6(c, four, six) ((c)->family == AF_INET ? (four) : (six))
#define LEVEL(c) IP_OR_IPV6(c, IPPROTO_IP, IPPROTO_IPV6)

CASE(ip, ttl, INET, "IP_TTL and IPV6_UNICAST_HOPS: 64 at first, set, -1 is the default again, EINVAL out of range")
{
	int option = IP_OR_IPV6(c, IP_TTL, IPV6_UNICAST_HOPS);
	int fd = sock(c, c->a, SOCK_DGRAM);
	int value = 256;

	CHECK_OPT(fd, LEVEL(c), option, 64);
	SETOPT(fd, LEVEL(c), option, 255);
	CHECK_OPT(fd, LEVEL(c), option, 255);
	CHECK_ERR(ioth_setsockopt(fd, LEVEL(c), option, &value, sizeof(value)), EINVAL);
	SETOPT(fd, LEVEL(c), option, -1);
	CHECK_OPT(fd, LEVEL(c), option, 64);
	value = -2;
	CHECK_ERR(ioth_setsockopt(fd, LEVEL(c), option, &value, sizeof(value)), EINVAL);
	value = 0;
	if (c->family == AF_INET)
		CHECK_ERR(ioth_setsockopt(fd, LEVEL(c), option, &value, sizeof(value)), EINVAL);
}

CASE(ip, recv_ttl, INET, "the receiver is told the hop limit that was set, or sent with the datagram")
{
	int option = IP_OR_IPV6(c, IP_TTL, IPV6_UNICAST_HOPS);
	int type = IP_OR_IPV6(c, IP_TTL, IPV6_HOPLIMIT);
	struct pair p = udp_pair(c);
	struct inbox in;
	int hops = 9;

	SETOPT(p.b, LEVEL(c), IP_OR_IPV6(c, IP_RECVTTL, IPV6_RECVHOPLIMIT), 1);
	send_text(p.a, "usual");
	receive(p.b, 0, &in);
	CHECK_INT(control_int(&in, LEVEL(c), type), 64);
	SETOPT(p.a, LEVEL(c), option, 7);
	send_text(p.a, "set");
	receive(p.b, 0, &in);
	CHECK_INT(control_int(&in, LEVEL(c), type), 7);
	CHECK_LEN(send_control(p.a, NULL, "sent", LEVEL(c), type, &hops, sizeof(hops)), 4);
	receive(p.b, 0, &in);
	CHECK_INT(control_int(&in, LEVEL(c), type), 9);
	CHECK_MEM(in.text, "sent", 4);
}

CASE(ip, control_anywhere, INET, "the control messages of a datagram may begin at any address")
{
	int hops = 9, type = IP_OR_IPV6(c, IP_TTL, IPV6_HOPLIMIT);
	struct cmsghdr head = {.cmsg_len = CMSG_LEN(sizeof(hops)), .cmsg_level = LEVEL(c), .cmsg_type = type};
	struct pair p = udp_pair(c);
	struct iovec iov = {(char[]){"x"}, 1};
	struct inbox in;

	SETOPT(p.b, LEVEL(c), IP_OR_IPV6(c, IP_RECVTTL, IPV6_RECVHOPLIMIT), 1);
	for (size_t at = 0; at < 8; at++) {
		_Alignas(struct cmsghdr) char room[8 + CMSG_SPACE(sizeof(hops))] = {0};
		struct msghdr msg = {.msg_iov = &iov,
		                     .msg_iovlen = 1,
		                     .msg_control = room + at,
		                     .msg_controllen = CMSG_SPACE(sizeof(hops))};

		memcpy(room + at, &head, sizeof(head));
		memcpy(room + at + CMSG_LEN(0), &hops, sizeof(hops));
		CHECK_LEN(ioth_sendmsg(p.a, &msg, 0), 1);
		receive(p.b, 0, &in);
		CHECK_INT(control_int(&in, LEVEL(c), type), hops);
		hops++;
	}
}

CASE(ip, tos, INET, "IP_TOS and IPV6_TCLASS are read back and reach the receiver")
{
	int option = IP_OR_IPV6(c, IP_TOS, IPV6_TCLASS);
	struct pair p = udp_pair(c);
	struct inbox in;
	unsigned char tos;

	CHECK_OPT(p.a, LEVEL(c), option, 0);
	SETOPT(p.a, LEVEL(c), option, 0xb8);
	CHECK_OPT(p.a, LEVEL(c), option, 0xb8);
	SETOPT(p.b, LEVEL(c), IP_OR_IPV6(c, IP_RECVTOS, IPV6_RECVTCLASS), 1);
	send_text(p.a, "x");
	receive(p.b, 0, &in);
	if (c->family == AF_INET) {
		control(&in, IPPROTO_IP, IP_TOS, &tos, 1);
		CHECK_INT(tos, 0xb8);
	} else {
		CHECK_INT(control_int(&in, IPPROTO_IPV6, IPV6_TCLASS), 0xb8);
	}
}

CASE(ip, tos_stream, INET, "a stream cannot set the congestion bits of IP_TOS")
{
	struct pair p = tcp_pair(c);
	int option = IP_OR_IPV6(c, IP_TOS, IPV6_TCLASS);

	SETOPT(p.a, LEVEL(c), option, 0x13);
	CHECK_OPT(p.a, LEVEL(c), option, 0x10);
}

CASE(ip, pktinfo, INET, "IP_PKTINFO and IPV6_PKTINFO tell interface and destination of a datagram")
{
	struct addr any = addr_any(c, 0), to;
	int fd = sock(c, c->b, SOCK_DGRAM);
	int from = sock(c, c->a, SOCK_DGRAM);
	unsigned int index = ifindex(c, c->b);
	struct inbox in;

	CHECK_OK(ioth_bind(fd, &any.sa, any.len));
	to = addr_of(c, c->b, addr_port(sockname(fd)));
	SETOPT(fd, LEVEL(c), IP_OR_IPV6(c, IP_PKTINFO, IPV6_RECVPKTINFO), 1);
	CHECK_LEN(ioth_sendto(from, "x", 1, 0, &to.sa, to.len), 1);
	receive(fd, 0, &in);
	if (c->family == AF_INET) {
		struct in_pktinfo info;

		control(&in, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
		CHECK_INT(info.ipi_ifindex, index);
		CHECK_MEM(&info.ipi_addr, addr_raw(&to), 4);
		CHECK_MEM(&info.ipi_spec_dst, addr_raw(&to), 4);
	} else {
		struct in6_pktinfo info;

		control(&in, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
		CHECK_INT(info.ipi6_ifindex, index);
		CHECK_MEM(&info.ipi6_addr, addr_raw(&to), 16);
	}
}

/** second_address - give a host one more address on the Ethernet */
static struct addr second_address(struct conf *c, struct ioth *stack)
{
	struct addr addr = addr_text(c, IP_OR_IPV6(c, "10.77.0.11", "fd77::11"), 0);
	unsigned int index = ifindex(c, stack);
	int prefix = IP_OR_IPV6(c, 24, nl_addrdata2prefix(64, IFA_F_NODAD, 0));

	CHECK_OK(ioth_ipaddr_add(on(c, stack), c->family, addr_raw(&addr), prefix, index));
	settled(c, stack, addr);
	return addr;
}

/** send_from - send one datagram with a source address of one's choice, by ancillary data */
static ssize_t send_from(struct conf *c, int fd, const struct addr *to, struct addr *source, unsigned int index)
{
	if (c->family == AF_INET) {
		struct in_pktinfo info = {.ipi_ifindex = (int)index, .ipi_spec_dst = source->in.sin_addr};

		return send_control(fd, to, "x", IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else {
		struct in6_pktinfo info = {.ipi6_ifindex = index, .ipi6_addr = source->in6.sin6_addr};

		return send_control(fd, to, "x", IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
}

CASE(ip, pktinfo_send, INET, "the source address and interface of one datagram can be chosen by ancillary data")
{
	struct addr second = second_address(c, c->a), absent = addr_absent(c, 0), to;
	int fd = bound(c, c->b, SOCK_DGRAM, &to);
	int from = sock(c, c->a, SOCK_DGRAM);
	unsigned int index = ifindex(c, c->a);
	struct inbox in;

	CHECK_LEN(send_from(c, from, &to, &second, 0), 1);
	receive(fd, 0, &in);
	CHECK_ADDR(in.from, addr_with_port(second, addr_port(sockname(from))));
	CHECK_LEN(send_from(c, from, &to, &second, index), 1);
	receive(fd, 0, &in);
	CHECK_ADDR(in.from, addr_with_port(second, addr_port(sockname(from))));
	/* Linux 6 has changed its mind about IPv4. */
	CHECK_INT(send_from(c, from, &to, &absent, 0), -1);
	CHECK(errno == EINVAL || (c->family == AF_INET && errno == ENETUNREACH));
	CHECK_ERR(send_from(c, from, &to, &second, 9999), ENODEV);
}

CASE(ip, source_choice, INET,
     "without a choice the first address of the interface is the source; an address that goes is free")
{
	struct addr second = second_address(c, c->a), to;
	int fd = bound(c, c->b, SOCK_DGRAM, &to);
	int from = sock(c, c->a, SOCK_DGRAM);
	unsigned int index = ifindex(c, c->a);
	struct inbox in;

	CHECK_OK(ioth_bind(from, &second.sa, second.len));
	CHECK_LEN(ioth_sendto(from, "x", 1, 0, &to.sa, to.len), 1);
	receive(fd, 0, &in);
	CHECK_ADDR(in.from, sockname(from));
	CHECK_OK(ioth_ipaddr_del(on(c, c->a), c->family, addr_raw(&second), IP_OR_IPV6(c, 24, 64), index));
	second.len = IP_OR_IPV6(c, sizeof(second.in), sizeof(second.in6));
	CHECK_ERR(ioth_bind(sock(c, c->a, SOCK_DGRAM), &second.sa, second.len), EADDRNOTAVAIL);
	from = sock(c, c->a, SOCK_DGRAM);
	CHECK_LEN(ioth_sendto(from, "x", 1, 0, &to.sa, to.len), 1);
	receive(fd, 0, &in);
	CHECK_ADDR(in.from, addr_of(c, c->a, addr_port(sockname(from))));
}

CASE(ip, mtu, INET, "IP_MTU is that of the route of a connected socket, ENOTCONN before")
{
	int option = IP_OR_IPV6(c, IP_MTU, IPV6_MTU);
	struct pair p = udp_pair(c);
	int fd = sock(c, c->a, SOCK_DGRAM);
	int value = 0;
	socklen_t len = sizeof(value);

	CHECK_OPT(p.a, LEVEL(c), option, CONF_MTU);
	CHECK_ERR(ioth_getsockopt(fd, LEVEL(c), option, &value, &len), ENOTCONN);
}

CASE(ip, dont_fragment, INET,
     "with path MTU discovery on, a datagram beyond the MTU is EMSGSIZE; without it goes in pieces")
{
	int option = IP_OR_IPV6(c, IP_MTU_DISCOVER, IPV6_MTU_DISCOVER);
	struct pair p = udp_pair(c);
	static char text[CONF_MTU];
	size_t fits = CONF_MTU - (size_t)IP_OR_IPV6(c, 28, 48);

	SETOPT(p.a, LEVEL(c), option, IP_OR_IPV6(c, IP_PMTUDISC_DO, IPV6_PMTUDISC_DO));
	CHECK_LEN(ioth_send(p.a, text, fits, 0), fits);
	CHECK_ERR(ioth_send(p.a, text, fits + 1, 0), EMSGSIZE);
	SETOPT(p.a, LEVEL(c), option, IP_OR_IPV6(c, IP_PMTUDISC_DONT, IPV6_PMTUDISC_DONT));
	CHECK_LEN(ioth_send(p.a, text, fits + 1, 0), fits + 1);
	crossed(c, c->a, c->b);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), fits);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), fits + 1);
}

CASE(ip, small_mtu, INET, "an interface with a smaller MTU fragments sooner, and TCP sends smaller segments",
     LIMITS(NO_TIMESTAMPS))
{
	unsigned int index = ifindex(c, c->a);
	struct pair p;
	static char text[2000];

	CHECK_OK(ioth_linksetmtu(on(c, c->a), index, 1300));
	p = udp_pair(c);
	CHECK_OPT(p.a, LEVEL(c), IP_OR_IPV6(c, IP_MTU, IPV6_MTU), 1300);
	CHECK_LEN(ioth_send(p.a, text, sizeof(text), 0), sizeof(text));
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), sizeof(text));
	p = tcp_pair(c);
	CHECK_OPT(p.a, IPPROTO_TCP, 2 /* TCP_MAXSEG */, 1300 - IP_OR_IPV6(c, 40, 60) - 12);
	CHECK_OPT(p.b, IPPROTO_TCP, 2, 1300 - IP_OR_IPV6(c, 40, 60) - 12);
	send_text(p.b, "hello");
	recv_text(p.a, "hello");
}

CASE(ip, original_destination, INET, "IP_RECVORIGDSTADDR tells address and port to which a datagram was sent")
{
	struct pair p = udp_pair(c);
	struct inbox in;
	struct addr dst;

	SETOPT(p.b, LEVEL(c), IP_OR_IPV6(c, IP_RECVORIGDSTADDR, IPV6_RECVORIGDSTADDR), 1);
	send_text(p.a, "x");
	receive(p.b, 0, &in);
	dst.len = IP_OR_IPV6(c, sizeof(dst.in), sizeof(dst.in6));
	control(&in, LEVEL(c), IP_OR_IPV6(c, IP_ORIGDSTADDR, IPV6_ORIGDSTADDR), &dst.ss, dst.len);
	CHECK_ADDR(dst, sockname(p.b));
}

CASE(ip, minttl, INET, "IP_MINTTL and IPV6_MINHOPCOUNT drop segments that have come from farther away")
{
	struct pair p = tcp_pair(c);

	SETOPT(p.b, LEVEL(c), IP_OR_IPV6(c, IP_MINTTL, IPV6_MINHOPCOUNT), 100);
	send_text(p.a, "from too far");
	crossed(c, c->a, c->b);
	CHECK_POLL_NOW(p.b, POLLOUT);
	SETOPT(p.a, LEVEL(c), IP_OR_IPV6(c, IP_TTL, IPV6_UNICAST_HOPS), 255);
	/* The retransmission has the new limit. */
	recv_text(p.b, "from too far");
}

CASE(ip, hop_limit_of_stream, INET, "a stream has a hop limit of its own as well")
{
	struct pair p = tcp_pair(c);
	int option = IP_OR_IPV6(c, IP_TTL, IPV6_UNICAST_HOPS);

	SETOPT(p.a, LEVEL(c), option, 1);
	send_text(p.a, "next door");
	recv_text(p.b, "next door");
	CHECK_OPT(p.a, LEVEL(c), option, 1);
	CHECK_OPT(p.b, LEVEL(c), option, 64);
}

CASE(ip, unknown_option, INET, "unknown options are ENOPROTOOPT, short values EINVAL")
{
	int fd = sock(c, c->a, SOCK_DGRAM);
	int value = 1;
	socklen_t len = sizeof(value);

	CHECK_ERR(ioth_setsockopt(fd, LEVEL(c), 9999, &value, len), ENOPROTOOPT);
	CHECK_ERR(ioth_getsockopt(fd, LEVEL(c), 9999, &value, &len), ENOPROTOOPT);
	CHECK_ERR(ioth_setsockopt(fd, LEVEL(c), IP_OR_IPV6(c, IP_TTL, IPV6_UNICAST_HOPS), &value, 0), EINVAL);
}

CASE(ip, other_level, INET,
     "options of the other family: IPv6's are unknown to an IPv4 socket, IPv4's known to an IPv6 one")
{
	int fd = sock(c, c->a, SOCK_DGRAM);
	int value = 9;

	if (c->family == AF_INET)
		CHECK_ERR(ioth_setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &value, sizeof(value)), ENOPROTOOPT);
	else
		CHECK_OK(ioth_setsockopt(fd, IPPROTO_IP, IP_TTL, &value, sizeof(value)));
}

CASE(ip, bind_no_port, INET, "IP_BIND_ADDRESS_NO_PORT: bind chooses the address, connect the port")
{
	struct addr mine = addr_of(c, c->a, 0), addr;
	int server = listener(c, c->b, &addr);
	int fd = sock(c, c->a, SOCK_STREAM);

	SETOPT(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	CHECK_OK(ioth_bind(fd, &mine.sa, mine.len));
	CHECK_ADDR(sockname(fd), mine);
	CHECK_OK(ioth_connect(fd, &addr.sa, addr.len));
	CHECK(addr_port(sockname(fd)) != 0);
	accepted(c, server);
}

CASE(ip, unreachable_route, INET, "a route of type unreachable is EHOSTUNREACH, prohibit EACCES, blackhole EINVAL")
{
	static const struct {
		unsigned char type;
		int error;
	} table[] = {{RTN_UNREACHABLE, EHOSTUNREACH}, {RTN_PROHIBIT, EACCES}, {RTN_BLACKHOLE, EINVAL}};
	struct addr far = addr_unrouted(c, 9);
	unsigned char bits = IP_OR_IPV6(c, 32, 128);

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int prefix = nl_routedata2prefix(bits, table[i].type, RT_SCOPE_UNIVERSE);
		int stream = sock(c, c->a, SOCK_STREAM), datagram = sock(c, c->a, SOCK_DGRAM);

		CHECK_OK(ioth_iproute_add(on(c, c->a), c->family, addr_raw(&far), prefix, NULL, 0));
		CHECK_ERR(ioth_connect(stream, &far.sa, far.len), table[i].error);
		CHECK_ERR(ioth_sendto(datagram, "x", 1, 0, &far.sa, far.len), table[i].error);
		CHECK_OK(ioth_iproute_del(on(c, c->a), c->family, addr_raw(&far), prefix, NULL, 0));
		CHECK_ERR(ioth_connect(stream, &far.sa, far.len), ENETUNREACH);
	}
}
