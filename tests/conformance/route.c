/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* route.c - interfaces, addresses, routes and neighbours by rtnetlink(7), in messages and by the library's functions.
 */
#include "nl.h"

#include <linux/neighbour.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>

#define IP_OR_IPV6(c, four, six) ((c)->family == AF_INET ? (four) : (six))

CASE(link, get, ONCE, "RTM_GETLINK by index and by name: name, type, flags, MTU, hardware address")
{
	int fd = nl_open(c, c->a, 0);
	unsigned int index = ifindex(c, c->a);
	static struct answer in;
	struct ifinfomsg *link;
	struct rtattr *attr;
	struct nlmsg msg;
	uint32_t mtu;

	for (int i = 0; i < 2; i++) {
		nl_link(&msg, RTM_GETLINK, 0, i ? 0 : index, i ? CONF_IFNAME : NULL);
		nl_send(fd, &msg);
		nl_recv(fd, &in);
		CHECK_INT(in.head->nlmsg_type, RTM_NEWLINK);
		link = nlmsg_body(in.head, sizeof(*link));
		CHECK(link != NULL);
		CHECK_INT(link->ifi_index, index);
		CHECK_INT(link->ifi_type, ARPHRD_ETHER);
		CHECK_INT(link->ifi_flags & (IFF_UP | IFF_LOOPBACK | IFF_BROADCAST | IFF_MULTICAST),
		          IFF_UP | IFF_BROADCAST | IFF_MULTICAST);
		CHECK((attr = nlmsg_attr(in.head, sizeof(*link), IFLA_IFNAME)) != NULL);
		CHECK_STR(RTA_DATA(attr), CONF_IFNAME);
		CHECK((attr = nlmsg_attr(in.head, sizeof(*link), IFLA_MTU)) != NULL);
		memcpy(&mtu, RTA_DATA(attr), sizeof(mtu));
		CHECK_INT(mtu, CONF_MTU);
		CHECK((attr = nlmsg_attr(in.head, sizeof(*link), IFLA_ADDRESS)) != NULL);
		CHECK_INT(RTA_PAYLOAD(attr), 6);
	}
}

CASE(link, loopback, ONCE, "lo is interface 1, of type LOOPBACK, with the flags of a loopback")
{
	int fd = nl_open(c, c->a, 0);
	static struct answer in;
	struct ifinfomsg *link;
	struct nlmsg msg;

	CHECK_INT(ioth_if_nametoindex(on(c, c->a), "lo"), 1);
	nl_link(&msg, RTM_GETLINK, 0, 0, "lo");
	nl_send(fd, &msg);
	nl_recv(fd, &in);
	link = nlmsg_body(in.head, sizeof(*link));
	CHECK(link != NULL);
	CHECK_INT(link->ifi_type, ARPHRD_LOOPBACK);
	CHECK_INT(link->ifi_flags & (IFF_UP | IFF_LOOPBACK | IFF_BROADCAST), IFF_UP | IFF_LOOPBACK);
}

CASE(link, absent, ONCE, "an interface that is not there is ENODEV, by message and by function")
{
	int fd = nl_open(c, c->a, 0);
	unsigned char mac[6] = {2, 0, 0, 0, 0, 1}, ip[4] = {10, 1, 1, 1};
	struct nlmsg msg;

	nl_link(&msg, RTM_GETLINK, NLM_F_ACK, 0, "nonesuch");
	CHECK_INT(nl_ask(fd, &msg), ENODEV);
	on(c, c->a);
	CHECK_ERR(ioth_if_nametoindex(c->a, "nonesuch"), ENODEV);
	CHECK_ERR(ioth_linksetupdown(c->a, 9999, 1), ENODEV);
	CHECK_ERR(ioth_linkgetaddr(c->a, 9999, mac), ENODEV);
	CHECK_ERR(ioth_linksetaddr(c->a, 9999, mac), ENODEV);
	CHECK_ERR(ioth_linksetmtu(c->a, 9999, 1400), ENODEV);
	CHECK_ERR(ioth_iplink_del(c->a, "nonesuch", 0), ENODEV);
	CHECK_ERR(ioth_ipaddr_add(c->a, AF_INET, ip, 24, 9999), ENODEV);
}

CASE(link, address, ONCE, "the hardware address can be read and set; the neighbour sees the new one")
{
	unsigned char mac[6], mine[6] = {2, 0x77, 1, 2, 3, 4}, group[6] = {1, 0, 0, 0, 0, 1};
	unsigned int index = ifindex(c, c->a);

	CHECK_OK(ioth_linkgetaddr(c->a, index, mac));
	CHECK_INT(mac[0] & 1, 0);
	CHECK_OK(ioth_linksetaddr(c->a, index, mine));
	CHECK_OK(ioth_linkgetaddr(c->a, index, mac));
	CHECK_MEM(mac, mine, 6);
	CHECK_ERR(ioth_linksetaddr(c->a, index, group), EADDRNOTAVAIL);
	crossed(c, c->a, c->b);
}

CASE(link, mtu, ONCE, "the MTU can be set; sizes that cannot be are EINVAL")
{
	unsigned int index = ifindex(c, c->a);
	struct ifreq request = {.ifr_name = CONF_IFNAME};

	CHECK_OK(ioth_linksetmtu(c->a, index, 9000));
	CHECK_OK(ioth_ioctl(sock(c, c->a, SOCK_DGRAM), 0x8921 /* SIOCGIFMTU */, &request));
	CHECK_INT(request.ifr_mtu, 9000);
	CHECK_ERR(ioth_linksetmtu(on(c, c->a), index, 10), EINVAL);
	CHECK_ERR(ioth_linksetmtu(c->a, index, 1 << 20), EINVAL);
	CHECK_OK(ioth_linksetmtu(c->a, index, CONF_MTU));
}

CASE(link, jumbo, INET, "with an MTU of 9000 at both ends frames of that size cross")
{
	struct pair p;
	static char text[8900];

	CHECK_OK(ioth_linksetmtu(on(c, c->a), ifindex(c, c->a), 9000));
	CHECK_OK(ioth_linksetmtu(on(c, c->b), ifindex(c, c->b), 9000));
	p = udp_pair(c);
	SETOPT(p.a, IP_OR_IPV6(c, IPPROTO_IP, IPPROTO_IPV6), IP_OR_IPV6(c, IP_MTU_DISCOVER, IPV6_MTU_DISCOVER),
	       IP_PMTUDISC_DO);
	CHECK_LEN(ioth_send(p.a, text, sizeof(text), 0), sizeof(text));
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), sizeof(text));
}

/** link_add - add an interface as the stack has them: of kind vde on a network of its own, of kind veth to the oracle
 */
static int link_add(struct conf *c, const char *name, unsigned int index)
{
	char vnl[256];

	on(c, c->a);
	if (oracle(c))
		return ioth_iplink_add(c->a, name, index, "veth", NULL, 0);
	snprintf(vnl, sizeof(vnl), "ptp://%s/%s", c->dir, name);
	return ioth_iplink_add(c->a, name, index, "vde", nl_iplink_strdata(IFLA_VDE_VNL, vnl));
}

CASE(link, add_and_delete, ONCE,
     "an interface is added and deleted at run time, by name and by index; EEXIST, ENODEV otherwise")
{
	int index;

	CHECK_OK(link_add(c, "d0", 0));
	index = CHECK_GE0(ioth_if_nametoindex(c->a, "d0"));
	CHECK_ERR(link_add(c, "d0", 0), EEXIST);
	CHECK_OK(link_add(c, "d2", 77));
	CHECK_INT(ioth_if_nametoindex(c->a, "d2"), 77);
	CHECK_OK(ioth_iplink_del(c->a, NULL, (unsigned int)index));
	CHECK_ERR(ioth_if_nametoindex(c->a, "d0"), ENODEV);
	CHECK_ERR(ioth_iplink_del(c->a, NULL, (unsigned int)index), ENODEV);
	CHECK_OK(ioth_iplink_del(c->a, "d2", 0));
	CHECK_ERR(ioth_if_nametoindex(c->a, "d2"), ENODEV);
	CHECK_OK(link_add(c, "d2", 77));
	CHECK_OK(ioth_iplink_del(c->a, "d2", 77));
}

CASE(link, bad_kind, ONCE,
     "an unknown kind is EOPNOTSUPP, a name that is too long ERANGE or EINVAL, lo cannot be deleted")
{
	on(c, c->a);
	CHECK_ERR(ioth_iplink_add(c->a, "d1", 0, "nonesuch", NULL, 0), EOPNOTSUPP);
	CHECK_INT(ioth_iplink_add(c->a, "a-name-of-sixteen", 0, "nonesuch", NULL, 0), -1);
	CHECK(errno == ERANGE || errno == EINVAL);
	CHECK_ERR(ioth_iplink_add(c->a, "d1", 0, NULL, NULL, 0), EINVAL);
	CHECK_ERR(ioth_iplink_del(c->a, "lo", 0), EOPNOTSUPP);
	CHECK_ERR(ioth_iplink_del(c->a, NULL, 0), EINVAL);
}

/** hear_link - wait for a message of that type about an interface of that name */
static void hear_link(int fd, int type, const char *name)
{
	static struct answer in;
	struct rtattr *attr;

	do {
		nl_recv(fd, &in);
		attr = nlmsg_attr(in.head, sizeof(struct ifinfomsg), IFLA_IFNAME);
	} while (in.head->nlmsg_type != type || attr == NULL || strcmp(RTA_DATA(attr), name) != 0);
}

CASE(link, heard, ONCE, "a new interface and its end are heard by RTMGRP_LINK")
{
	int fd = nl_open(c, c->a, RTMGRP_LINK);

	CHECK_OK(link_add(c, "d0", 0));
	hear_link(fd, RTM_NEWLINK, "d0");
	CHECK_OK(ioth_iplink_del(c->a, "d0", 0));
	hear_link(fd, RTM_DELLINK, "d0");
}

CASE(link, rename, ONCE, "an interface that is down can be renamed; a name in use is EEXIST")
{
	int fd = nl_open(c, c->a, 0);
	struct nlmsg msg;
	int index;

	CHECK_OK(link_add(c, "d0", 0));
	index = CHECK_GE0(ioth_if_nametoindex(c->a, "d0"));
	nl_link(&msg, RTM_NEWLINK, NLM_F_ACK, (unsigned int)index, "other");
	CHECK_INT(nl_ask(fd, &msg), 0);
	CHECK_INT(ioth_if_nametoindex(c->a, "other"), index);
	nl_link(&msg, RTM_NEWLINK, NLM_F_ACK, (unsigned int)index, CONF_IFNAME);
	CHECK_INT(nl_ask(fd, &msg), EEXIST);
	CHECK_OK(ioth_iplink_del(c->a, "other", 0));
}

/** addr_is - whether an address message is about that address */
static bool addr_is(struct nlmsghdr *head, void *arg)
{
	struct rtattr *attr = nlmsg_attr(head, sizeof(struct ifaddrmsg), IFA_ADDRESS);
	struct addr *addr = arg;

	return attr != NULL && RTA_PAYLOAD(attr) == (addr->sa.sa_family == AF_INET ? 4 : 16) &&
	       memcmp(RTA_DATA(attr), addr_raw(addr), RTA_PAYLOAD(attr)) == 0;
}

/** addresses - how often a dump lists an address */
static int addresses(struct conf *c, int fd, struct addr *addr)
{
	struct ifaddrmsg body = {.ifa_family = (unsigned char)c->family};
	static uint32_t seq = 1;
	struct nlmsg msg;

	nlmsg_start(&msg, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, ++seq, &body, sizeof(body));
	return nl_dump(fd, &msg, RTM_NEWADDR, addr_is, addr);
}

CASE(address, add_and_delete, INET, "an address is added, dumped, deleted: EEXIST and EADDRNOTAVAIL the second time")
{
	struct addr addr = addr_text(c, IP_OR_IPV6(c, "10.88.0.1", "fd88::1"), 0), own = addr_of(c, c->a, 0);
	int fd = nl_open(c, c->a, 0);
	unsigned int index = ifindex(c, c->a);
	int bits = IP_OR_IPV6(c, 24, 64);

	CHECK_INT(addresses(c, fd, &own), 1);
	CHECK_INT(addresses(c, fd, &addr), 0);
	CHECK_OK(ioth_ipaddr_add(c->a, c->family, addr_raw(&addr), bits, index));
	CHECK_INT(addresses(c, fd, &addr), 1);
	CHECK_ERR(ioth_ipaddr_add(c->a, c->family, addr_raw(&addr), bits, index), EEXIST);
	CHECK_OK(ioth_ipaddr_del(c->a, c->family, addr_raw(&addr), bits, index));
	CHECK_INT(addresses(c, fd, &addr), 0);
	CHECK_ERR(ioth_ipaddr_del(c->a, c->family, addr_raw(&addr), bits, index), EADDRNOTAVAIL);
}

CASE(address, bad, INET, "a prefix that is too long is EINVAL, another family EAFNOSUPPORT")
{
	struct addr addr = addr_text(c, IP_OR_IPV6(c, "10.88.0.1", "fd88::1"), 0);
	unsigned int index = ifindex(c, c->a);

	CHECK_ERR(ioth_ipaddr_add(c->a, c->family, addr_raw(&addr), IP_OR_IPV6(c, 33, 129), index), EINVAL);
	CHECK_ERR(ioth_ipaddr_add(c->a, AF_UNIX, addr_raw(&addr), 24, index), EAFNOSUPPORT);
}

CASE(address, used, INET, "a socket can use a new address at once; others need a route to it")
{
	struct addr addr = addr_text(c, IP_OR_IPV6(c, "10.88.0.1", "fd88::1"), 0), to;
	unsigned int index = ifindex(c, c->b);
	int prefix = IP_OR_IPV6(c, 24, nl_addrdata2prefix(64, IFA_F_NODAD, 0));
	int fd = sock(c, c->b, SOCK_DGRAM);
	int from = sock(c, c->a, SOCK_DGRAM);

	CHECK_OK(ioth_ipaddr_add(on(c, c->b), c->family, addr_raw(&addr), prefix, index));
	CHECK_OK(ioth_bind(fd, &addr.sa, addr.len));
	to = sockname(fd);
	settled(c, c->b, addr);
	CHECK_ERR(ioth_sendto(from, "x", 1, 0, &to.sa, to.len), ENETUNREACH);
	index = ifindex(c, c->a);
	CHECK_OK(ioth_iproute_add(on(c, c->a), c->family, addr_raw(&addr), IP_OR_IPV6(c, 32, 128), NULL, index));
	CHECK_LEN(ioth_sendto(from, "x", 1, 0, &to.sa, to.len), 1);
	recv_text(fd, "x");
}

/** route_is - whether a route message of the main table has that destination */
static bool route_is(struct nlmsghdr *head, void *arg)
{
	struct rtattr *attr = nlmsg_attr(head, sizeof(struct rtmsg), RTA_DST);
	struct rtmsg *route = nlmsg_body(head, sizeof(*route));
	struct addr *addr = arg;

	return attr != NULL && route->rtm_table == RT_TABLE_MAIN &&
	       RTA_PAYLOAD(attr) == (addr->sa.sa_family == AF_INET ? 4 : 16) &&
	       memcmp(RTA_DATA(attr), addr_raw(addr), RTA_PAYLOAD(attr)) == 0;
}

/** routes - how often a dump of the main table lists a destination */
static int routes(struct conf *c, int fd, struct addr *addr)
{
	struct rtmsg body = {.rtm_family = (unsigned char)c->family};
	static uint32_t seq = 1;
	struct nlmsg msg;

	nlmsg_start(&msg, RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, ++seq, &body, sizeof(body));
	return nl_dump(fd, &msg, RTM_NEWROUTE, route_is, addr);
}

CASE(route, add_and_delete, INET,
     "a route by a gateway is added, dumped, used, deleted: EEXIST and ESRCH the second time")
{
	struct addr net = addr_text(c, IP_OR_IPV6(c, "10.99.0.0", "fd99::"), 0), far = addr_unrouted(c, 9);
	struct addr gateway = addr_of(c, c->b, 0);
	int fd = nl_open(c, c->a, 0), datagram = sock(c, c->a, SOCK_DGRAM);
	int bits = IP_OR_IPV6(c, 24, 64);

	CHECK_INT(routes(c, fd, &net), 0);
	CHECK_ERR(ioth_sendto(datagram, "x", 1, 0, &far.sa, far.len), ENETUNREACH);
	on(c, c->a);
	CHECK_OK(ioth_iproute_add(c->a, c->family, addr_raw(&net), bits, addr_raw(&gateway), 0));
	CHECK_INT(routes(c, fd, &net), 1);
	CHECK_LEN(ioth_sendto(datagram, "x", 1, 0, &far.sa, far.len), 1);
	CHECK_ERR(ioth_iproute_add(c->a, c->family, addr_raw(&net), bits, addr_raw(&gateway), 0), EEXIST);
	CHECK_OK(ioth_iproute_del(c->a, c->family, addr_raw(&net), bits, addr_raw(&gateway), 0));
	CHECK_ERR(ioth_iproute_del(c->a, c->family, addr_raw(&net), bits, addr_raw(&gateway), 0), ESRCH);
	CHECK_ERR(ioth_sendto(datagram, "x", 1, 0, &far.sa, far.len), ENETUNREACH);
}

CASE(route, connected, INET, "an address brings the route to its network, and takes it away")
{
	struct addr net = addr_text(c, IP_OR_IPV6(c, "10.77.0.0", "fd77::"), 0), own = addr_of(c, c->a, 0);
	int fd = nl_open(c, c->a, 0);
	unsigned int index = ifindex(c, c->a);

	CHECK_INT(routes(c, fd, &net), 1);
	CHECK_OK(ioth_ipaddr_del(c->a, c->family, addr_raw(&own), IP_OR_IPV6(c, 24, 64), index));
	CHECK_INT(routes(c, fd, &net), 0);
}

CASE(route, unreachable_gateway, INET,
     "a gateway to which no route leads is ENETUNREACH or EHOSTUNREACH; no interface ENODEV")
{
	struct addr net = addr_text(c, IP_OR_IPV6(c, "10.99.0.0", "fd99::"), 0),
	            far = addr_text(c, IP_OR_IPV6(c, "10.98.0.1", "fd98::1"), 0);
	int bits = IP_OR_IPV6(c, 24, 64);

	on(c, c->a);
	CHECK_ERR(ioth_iproute_add(c->a, c->family, addr_raw(&net), bits, addr_raw(&far), 0),
	          IP_OR_IPV6(c, ENETUNREACH, EHOSTUNREACH));
	CHECK_ERR(ioth_iproute_add(c->a, c->family, addr_raw(&net), bits, NULL, 9999), ENODEV);
}

CASE(route, lookup, INET, "RTM_GETROUTE tells interface and source for a destination, and ENETUNREACH for none")
{
	struct addr to = addr_of(c, c->b, 0), far = addr_unrouted(c, 0), own = addr_of(c, c->a, 0);
	struct rtmsg body = {.rtm_family = (unsigned char)c->family,
	                     .rtm_dst_len = (unsigned char)(addr_rawlen(c) * 8)};
	int fd = nl_open(c, c->a, 0);
	static struct answer in;
	struct rtattr *attr;
	struct nlmsg msg;
	uint32_t index;

	nlmsg_start(&msg, RTM_GETROUTE, NLM_F_REQUEST, 1, &body, sizeof(body));
	nlmsg_add(&msg, RTA_DST, addr_raw(&to), addr_rawlen(c));
	nl_send(fd, &msg);
	nl_recv(fd, &in);
	CHECK_INT(in.head->nlmsg_type, RTM_NEWROUTE);
	CHECK((attr = nlmsg_attr(in.head, sizeof(body), RTA_OIF)) != NULL);
	memcpy(&index, RTA_DATA(attr), sizeof(index));
	CHECK_INT(index, ifindex(c, c->a));
	CHECK((attr = nlmsg_attr(in.head, sizeof(body), RTA_PREFSRC)) != NULL);
	CHECK_MEM(RTA_DATA(attr), addr_raw(&own), addr_rawlen(c));
	nlmsg_start(&msg, RTM_GETROUTE, NLM_F_REQUEST, 2, &body, sizeof(body));
	nlmsg_add(&msg, RTA_DST, addr_raw(&far), addr_rawlen(c));
	if (c->family == AF_INET)
		CHECK_INT(nl_ask(fd, &msg), ENETUNREACH);
}

CASE(route, longest_prefix, INET, "of two routes that match the longer prefix is taken")
{
	struct addr far = addr_unrouted(c, 9), gateway = addr_of(c, c->b, 0);
	int fd = sock(c, c->a, SOCK_DGRAM);
	int host = nl_routedata2prefix(IP_OR_IPV6(c, 32, 128), RTN_UNREACHABLE, 0);

	on(c, c->a);
	CHECK_OK(ioth_iproute_add(c->a, c->family, NULL, 0, addr_raw(&gateway), 0));
	CHECK_LEN(ioth_sendto(fd, "x", 1, 0, &far.sa, far.len), 1);
	CHECK_OK(ioth_iproute_add(c->a, c->family, addr_raw(&far), host, NULL, 0));
	CHECK_ERR(ioth_sendto(fd, "x", 1, 0, &far.sa, far.len), EHOSTUNREACH);
	CHECK_OK(ioth_iproute_del(c->a, c->family, addr_raw(&far), host, NULL, 0));
	CHECK_LEN(ioth_sendto(fd, "x", 1, 0, &far.sa, far.len), 1);
	CHECK_OK(ioth_iproute_del(c->a, c->family, NULL, 0, addr_raw(&gateway), 0));
	CHECK_ERR(ioth_sendto(fd, "x", 1, 0, &far.sa, far.len), ENETUNREACH);
}

CASE(route, heard, INET, "routes that come and go are heard by their group")
{
	struct addr far = addr_unrouted(c, 0), gateway = addr_of(c, c->b, 0);
	int fd = nl_open(c, c->a, IP_OR_IPV6(c, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE));
	int bits = IP_OR_IPV6(c, 32, 128);
	static struct answer in;

	on(c, c->a);
	CHECK_OK(ioth_iproute_add(c->a, c->family, addr_raw(&far), bits, addr_raw(&gateway), 0));
	do
		nl_recv(fd, &in);
	while (in.head->nlmsg_type != RTM_NEWROUTE || !route_is(in.head, &far));
	CHECK_OK(ioth_iproute_del(c->a, c->family, addr_raw(&far), bits, addr_raw(&gateway), 0));
	do
		nl_recv(fd, &in);
	while (in.head->nlmsg_type != RTM_DELROUTE || !route_is(in.head, &far));
}

CASE(neighbour, permanent, INET, "a permanent neighbour is added, dumped, used and deleted; ENOENT the second time")
{
	struct addr absent = addr_absent(c, 9);
	unsigned int index = ifindex(c, c->a);
	struct ndmsg body = {
	        .ndm_family = (unsigned char)c->family, .ndm_ifindex = (int)index, .ndm_state = NUD_PERMANENT};
	int fd = nl_open(c, c->a, 0), stream = sock(c, c->a, SOCK_DGRAM);
	struct nlmsg msg;

	nlmsg_start(&msg, RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, 1, &body, sizeof(body));
	nlmsg_add(&msg, NDA_DST, addr_raw(&absent), addr_rawlen(c));
	nlmsg_add(&msg, NDA_LLADDR, "\2\0\0\0\0\x99", 6);
	CHECK_INT(nl_ask(fd, &msg), 0);
	CHECK_LEN(ioth_sendto(stream, "x", 1, 0, &absent.sa, absent.len), 1);
	nlmsg_start(&msg, RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, 2, &body, sizeof(body));
	nlmsg_add(&msg, NDA_DST, addr_raw(&absent), addr_rawlen(c));
	nlmsg_add(&msg, NDA_LLADDR, "\2\0\0\0\0\x99", 6);
	CHECK_INT(nl_ask(fd, &msg), EEXIST);
	for (int i = 0; i < 2; i++) {
		nlmsg_start(&msg, RTM_DELNEIGH, NLM_F_REQUEST | NLM_F_ACK, (uint32_t)(3 + i), &body, sizeof(body));
		nlmsg_add(&msg, NDA_DST, addr_raw(&absent), addr_rawlen(c));
		CHECK_INT(nl_ask(fd, &msg), i == 0 ? 0 : ENOENT);
	}
}

/** neighbour_is - whether a neighbour message is about that address and has a hardware address */
static bool neighbour_is(struct nlmsghdr *head, void *arg)
{
	struct rtattr *dst = nlmsg_attr(head, sizeof(struct ndmsg), NDA_DST);
	struct rtattr *mac = nlmsg_attr(head, sizeof(struct ndmsg), NDA_LLADDR);
	struct addr *addr = arg;

	return dst != NULL && mac != NULL && RTA_PAYLOAD(mac) == 6 &&
	       RTA_PAYLOAD(dst) == (addr->sa.sa_family == AF_INET ? 4 : 16) &&
	       memcmp(RTA_DATA(dst), addr_raw(addr), RTA_PAYLOAD(dst)) == 0;
}

CASE(neighbour, learnt, INET, "a neighbour one has spoken with is listed with its hardware address")
{
	struct addr peer = addr_of(c, c->b, 0);
	struct ndmsg body = {.ndm_family = (unsigned char)c->family};
	int fd = nl_open(c, c->a, 0);
	struct pair p = tcp_pair(c);
	struct nlmsg msg;

	send_text(p.a, "hello");
	recv_text(p.b, "hello");
	nlmsg_start(&msg, RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP, 7, &body, sizeof(body));
	CHECK_INT(nl_dump(fd, &msg, RTM_NEWNEIGH, neighbour_is, &peer), 1);
}

CASE(nldialog, result, ONCE, "ioth_nldialog gives 0, or -1 and the errno of the answer")
{
	struct nlmsg msg;

	on(c, c->a);
	nl_link(&msg, RTM_GETLINK, 0, 1, NULL);
	CHECK_OK(ioth_nldialog(c->a, &msg));
	nl_link(&msg, RTM_GETLINK, 0, 9999, NULL);
	CHECK_ERR(ioth_nldialog(c->a, &msg), ENODEV);
	nl_link(&msg, RTM_GETLINK, NLM_F_DUMP, 0, NULL);
	CHECK_OK(ioth_nldialog(c->a, &msg));
	CHECK_ERR(ioth_nldialog(c->a, NULL), EINVAL);
}
