/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* multicast.c - groups: ip(7), ipv6(7), RFC 3678. */
#include "conf.h"

#define IP_OR_IPV6(c, four, six) ((c)->family == AF_INET ? (four) : (six))
#define LEVEL(c) IP_OR_IPV6(c, IPPROTO_IP, IPPROTO_IPV6)

/** group - a group address */
static struct addr group(struct conf *c, int port)
{
	return addr_text(c, IP_OR_IPV6(c, "239.77.1.2", "ff15::77"), port);
}

/** membership - join or leave the group on vde0 of a host by the option of its family; returns what setsockopt does */
static int membership(struct conf *c, int fd, bool join, struct addr *addr, unsigned int index)
{
	if (c->family == AF_INET) {
		struct ip_mreqn request = {.imr_multiaddr = addr->in.sin_addr, .imr_ifindex = (int)index};

		return ioth_setsockopt(fd, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &request,
		                       sizeof(request));
	} else {
		struct ipv6_mreq request = {.ipv6mr_multiaddr = addr->in6.sin6_addr, .ipv6mr_interface = index};

		return ioth_setsockopt(fd, IPPROTO_IPV6, join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &request,
		                       sizeof(request));
	}
}

/** member - a socket on the wildcard address that has joined the group; @addr receives group and port */
static int member(struct conf *c, struct ioth *stack, struct addr *addr)
{
	unsigned int index = ifindex(c, stack);
	struct addr any = addr_any(c, 0);
	int fd = sock(c, stack, SOCK_DGRAM);

	CHECK_OK(ioth_bind(fd, &any.sa, any.len));
	*addr = group(c, addr_port(sockname(fd)));
	CHECK_OK(membership(c, fd, true, addr, index));
	return fd;
}

/** sender - a socket whose groups are on vde0 */
static int sender(struct conf *c, struct ioth *stack)
{
	unsigned int index = ifindex(c, stack);
	int fd = sock(c, stack, SOCK_DGRAM);

	if (c->family == AF_INET) {
		struct ip_mreqn request = {.imr_ifindex = (int)index};

		CHECK_OK(ioth_setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof(request)));
	} else {
		SETOPT(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)index);
	}
	return fd;
}

CASE(multicast, crosses, INET, "a datagram to a group reaches a member on the other host")
{
	struct addr addr;
	int to = member(c, c->b, &addr);
	int fd = sender(c, c->a);
	struct inbox in;

	CHECK_LEN(ioth_sendto(fd, "group", 5, 0, &addr.sa, addr.len), 5);
	receive(to, 0, &in);
	CHECK_INT(in.len, 5);
	CHECK_ADDR(in.from, addr_of(c, c->a, addr_port(sockname(fd))));
}

CASE(multicast, no_route, INET,
     "without an interface chosen nor a route, a group is unreachable, or goes where IPv6 has its one link")
{
	struct addr addr = group(c, 9);
	int fd = sock(c, c->a, SOCK_DGRAM);

	if (c->family == AF_INET)
		CHECK_ERR(ioth_sendto(fd, "x", 1, 0, &addr.sa, addr.len), ENETUNREACH);
	else
		CHECK_LEN(ioth_sendto(fd, "x", 1, 0, &addr.sa, addr.len), 1);
}

CASE(multicast, loop, INET, "a group's datagrams are looped back to members on the sending host, unless switched off")
{
	struct addr addr;
	int to = member(c, c->a, &addr);
	int fd = sender(c, c->a);
	int option = IP_OR_IPV6(c, IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP);

	CHECK_OPT(fd, LEVEL(c), option, 1);
	CHECK_LEN(ioth_sendto(fd, "loop", 4, 0, &addr.sa, addr.len), 4);
	recv_text(to, "loop");
	SETOPT(fd, LEVEL(c), option, 0);
	CHECK_LEN(ioth_sendto(fd, "away", 4, 0, &addr.sa, addr.len), 4);
	SETOPT(fd, LEVEL(c), option, 1);
	CHECK_LEN(ioth_sendto(fd, "back", 4, 0, &addr.sa, addr.len), 4);
	recv_text(to, "back");
}

CASE(multicast, ttl, INET, "groups have a hop limit of their own: 1 at first, read back, seen by the receiver")
{
	struct addr addr;
	int to = member(c, c->b, &addr);
	int fd = sender(c, c->a);
	int option = IP_OR_IPV6(c, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS);
	int type = IP_OR_IPV6(c, IP_TTL, IPV6_HOPLIMIT);
	int bad = 256;
	struct inbox in;

	SETOPT(to, LEVEL(c), IP_OR_IPV6(c, IP_RECVTTL, IPV6_RECVHOPLIMIT), 1);
	CHECK_OPT(fd, LEVEL(c), option, 1);
	CHECK_LEN(ioth_sendto(fd, "x", 1, 0, &addr.sa, addr.len), 1);
	receive(to, 0, &in);
	CHECK_INT(control_int(&in, LEVEL(c), type), 1);
	SETOPT(fd, LEVEL(c), option, 33);
	CHECK_OPT(fd, LEVEL(c), option, 33);
	CHECK_LEN(ioth_sendto(fd, "x", 1, 0, &addr.sa, addr.len), 1);
	receive(to, 0, &in);
	CHECK_INT(control_int(&in, LEVEL(c), type), 33);
	CHECK_ERR(ioth_setsockopt(fd, LEVEL(c), option, &bad, sizeof(bad)), EINVAL);
}

CASE(multicast, leave, INET, "who has left hears no more; joining twice is EADDRINUSE, leaving twice EADDRNOTAVAIL")
{
	struct addr addr;
	int to = member(c, c->b, &addr);
	int fd = sender(c, c->a);
	unsigned int index = ifindex(c, c->b);

	CHECK_ERR(membership(c, to, true, &addr, index), EADDRINUSE);
	CHECK_OK(membership(c, to, false, &addr, index));
	CHECK_ERR(membership(c, to, false, &addr, index), EADDRNOTAVAIL);
	CHECK_LEN(ioth_sendto(fd, "x", 1, 0, &addr.sa, addr.len), 1);
	crossed(c, c->a, c->b);
	CHECK_POLL_NOW(to, POLLOUT);
	CHECK_OK(membership(c, to, true, &addr, index));
	CHECK_LEN(ioth_sendto(fd, "again", 5, 0, &addr.sa, addr.len), 5);
	recv_text(to, "again");
}

CASE(multicast, join_errors, INET,
     "joining what is no group is EINVAL, on an interface that is not there ENODEV, on a stream EPROTO or EINVAL")
{
	struct addr addr = addr_of(c, c->b, 0), good = group(c, 0);
	int fd = sock(c, c->a, SOCK_DGRAM);
	unsigned int index = ifindex(c, c->a);

	CHECK_ERR(membership(c, fd, true, &addr, index), EINVAL);
	CHECK_ERR(membership(c, fd, true, &good, 9999), ENODEV);
	CHECK_OK(membership(c, fd, true, &good, index));
}

CASE(multicast, protocol_independent, INET, "MCAST_JOIN_GROUP and MCAST_LEAVE_GROUP, and a source that is blocked")
{
	struct addr addr, any = addr_any(c, 0), source = addr_of(c, c->a, 0);
	unsigned int index = ifindex(c, c->b);
	int to = sock(c, c->b, SOCK_DGRAM);
	int fd = sender(c, c->a);
	struct group_req request = {.gr_interface = index};
	struct group_source_req block = {.gsr_interface = index};

	CHECK_OK(ioth_bind(to, &any.sa, any.len));
	addr = group(c, addr_port(sockname(to)));
	request.gr_group = addr.ss;
	block.gsr_group = addr.ss;
	block.gsr_source = source.ss;
	CHECK_OK(ioth_setsockopt(to, LEVEL(c), MCAST_JOIN_GROUP, &request, sizeof(request)));
	CHECK_LEN(ioth_sendto(fd, "one", 3, 0, &addr.sa, addr.len), 3);
	recv_text(to, "one");
	CHECK_OK(ioth_setsockopt(to, LEVEL(c), MCAST_BLOCK_SOURCE, &block, sizeof(block)));
	CHECK_LEN(ioth_sendto(fd, "two", 3, 0, &addr.sa, addr.len), 3);
	crossed(c, c->a, c->b);
	CHECK_POLL_NOW(to, POLLOUT);
	CHECK_OK(ioth_setsockopt(to, LEVEL(c), MCAST_UNBLOCK_SOURCE, &block, sizeof(block)));
	CHECK_LEN(ioth_sendto(fd, "three", 5, 0, &addr.sa, addr.len), 5);
	recv_text(to, "three");
	CHECK_OK(ioth_setsockopt(to, LEVEL(c), MCAST_LEAVE_GROUP, &request, sizeof(request)));
	CHECK_ERR(ioth_setsockopt(to, LEVEL(c), MCAST_LEAVE_GROUP, &request, sizeof(request)), EADDRNOTAVAIL);
}

CASE(multicast, source_specific, INET, "MCAST_JOIN_SOURCE_GROUP hears that source alone")
{
	struct addr addr, any = addr_any(c, 0), source = addr_of(c, c->a, 0);
	unsigned int index = ifindex(c, c->b);
	int to = sock(c, c->b, SOCK_DGRAM);
	int fd = sender(c, c->a), local = sender(c, c->b);
	struct group_source_req request = {.gsr_interface = index};

	CHECK_OK(ioth_bind(to, &any.sa, any.len));
	addr = group(c, addr_port(sockname(to)));
	request.gsr_group = addr.ss;
	request.gsr_source = source.ss;
	CHECK_OK(ioth_setsockopt(to, LEVEL(c), MCAST_JOIN_SOURCE_GROUP, &request, sizeof(request)));
	/* The other host's datagrams are looped back at once, so they would come first. */
	CHECK_LEN(ioth_sendto(local, "not this", 8, 0, &addr.sa, addr.len), 8);
	CHECK_LEN(ioth_sendto(fd, "this", 4, 0, &addr.sa, addr.len), 4);
	recv_text(to, "this");
	CHECK_OK(ioth_setsockopt(to, LEVEL(c), MCAST_LEAVE_SOURCE_GROUP, &request, sizeof(request)));
}

CASE(multicast, all, INET, "IP_MULTICAST_ALL off: only groups joined on this very socket are heard")
{
	struct addr addr;
	int fd = sender(c, c->a);
	int to = member(c, c->b, &addr);
	int other = sock(c, c->b, SOCK_DGRAM);
	struct addr any = addr_any(c, addr_port(addr));
	int option = IP_OR_IPV6(c, 49 /* IP_MULTICAST_ALL */, 29 /* IPV6_MULTICAST_ALL */);

	CHECK_OPT(other, LEVEL(c), option, 1);
	SETOPT(to, SOL_SOCKET, SO_REUSEADDR, 1);
	SETOPT(other, SOL_SOCKET, SO_REUSEADDR, 1);
	CHECK_OK(ioth_bind(other, &any.sa, any.len));
	CHECK_LEN(ioth_sendto(fd, "both", 4, 0, &addr.sa, addr.len), 4);
	recv_text(to, "both");
	recv_text(other, "both");
	SETOPT(other, LEVEL(c), option, 0);
	CHECK_LEN(ioth_sendto(fd, "one", 3, 0, &addr.sa, addr.len), 3);
	recv_text(to, "one");
	CHECK_POLL_NOW(other, POLLOUT);
}

CASE(multicast, bound_to_group, INET, "a socket bound to the group hears the group and nothing else")
{
	struct addr addr = group(c, 0), unicast;
	unsigned int index = ifindex(c, c->b);
	int to = sock(c, c->b, SOCK_DGRAM);
	int fd = sender(c, c->a);

	CHECK_OK(ioth_bind(to, &addr.sa, addr.len));
	addr = group(c, addr_port(sockname(to)));
	CHECK_OK(membership(c, to, true, &addr, index));
	unicast = addr_of(c, c->b, addr_port(addr));
	CHECK_LEN(ioth_sendto(fd, "unicast", 7, 0, &unicast.sa, unicast.len), 7);
	CHECK_LEN(ioth_sendto(fd, "group", 5, 0, &addr.sa, addr.len), 5);
	recv_text(to, "group");
}
