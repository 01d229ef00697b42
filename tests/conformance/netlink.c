/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* netlink.c - netlink sockets themselves: names, sequence numbers, acknowledgements, dumps, notifications. netlink(7)
 */
#include "nl.h"

#include <net/if.h>

CASE(netlink, name, ONCE, "bind chooses a port, the first socket's is the process id, and no two are the same")
{
	struct sockaddr_nl one = {0}, two = {0};
	socklen_t len = sizeof(one);
	int fd[2];

	fd[0] = sockp(c, c->a, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	CHECK_OK(ioth_getsockname(fd[0], (struct sockaddr *)&one, &len));
	CHECK_INT(len, sizeof(one));
	CHECK_INT(one.nl_family, AF_NETLINK);
	CHECK_INT(one.nl_pid, 0);
	drop(c, fd[0]);
	fd[0] = nl_open(c, c->a, 0);
	fd[1] = nl_open(c, c->a, RTMGRP_LINK | RTMGRP_NOTIFY);
	CHECK_OK(ioth_getsockname(fd[0], (struct sockaddr *)&one, &len));
	CHECK_OK(ioth_getsockname(fd[1], (struct sockaddr *)&two, &len));
	CHECK(one.nl_pid != 0 && two.nl_pid != 0 && one.nl_pid != two.nl_pid);
	CHECK_INT(one.nl_groups, 0);
	CHECK_INT(two.nl_groups, RTMGRP_LINK | RTMGRP_NOTIFY);
}

CASE(netlink, name_taken, ONCE, "a port in use is EADDRINUSE; binding anew may change the groups, not the port")
{
	struct sockaddr_nl name = {.nl_family = AF_NETLINK};
	socklen_t len = sizeof(name);
	int one = nl_open(c, c->a, 0);
	int two = sockp(c, c->a, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	CHECK_OK(ioth_getsockname(one, (struct sockaddr *)&name, &len));
	CHECK_ERR(ioth_bind(two, (struct sockaddr *)&name, sizeof(name)), EADDRINUSE);
	name.nl_groups = RTMGRP_LINK;
	CHECK_OK(ioth_bind(one, (struct sockaddr *)&name, sizeof(name)));
	name.nl_pid++;
	CHECK_ERR(ioth_bind(one, (struct sockaddr *)&name, sizeof(name)), EINVAL);
	CHECK_ERR(ioth_bind(one, (struct sockaddr *)&name, 8), EINVAL);
	name.nl_family = AF_INET;
	CHECK_ERR(ioth_bind(one, (struct sockaddr *)&name, sizeof(name)), EINVAL);
}

CASE(netlink, sender, ONCE, "answers come from port 0, the kernel; the protocol and type are told")
{
	int fd = nl_open(c, c->a, 0);
	struct sockaddr_nl from = {.nl_pid = 99};
	socklen_t len = sizeof(from);
	char answer[8192];
	struct nlmsg msg;

	nl_link(&msg, RTM_GETLINK, 0, 1, NULL);
	nl_send(fd, &msg);
	CHECK_POLL(fd, POLLIN | POLLOUT);
	CHECK_GE0(ioth_recvfrom(fd, answer, sizeof(answer), 0, (struct sockaddr *)&from, &len));
	CHECK_INT(len, sizeof(from));
	CHECK_INT(from.nl_family, AF_NETLINK);
	CHECK_INT(from.nl_pid, 0);
	CHECK_INT(from.nl_groups, 0);
	CHECK_OPT(fd, SOL_SOCKET, SO_TYPE, SOCK_RAW);
	CHECK_OPT(fd, SOL_SOCKET, SO_DOMAIN, AF_NETLINK);
	CHECK_OPT(fd, SOL_SOCKET, SO_PROTOCOL, NETLINK_ROUTE);
}

CASE(netlink, datagram, ONCE, "SOCK_DGRAM is as good as SOCK_RAW, and sending binds")
{
	int fd = sockp(c, c->a, AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE);
	static struct answer in;
	struct nlmsg msg;

	nl_link(&msg, RTM_GETLINK, 0, 1, NULL);
	nl_send(fd, &msg);
	nl_recv(fd, &in);
	CHECK_INT(in.head->nlmsg_type, RTM_NEWLINK);
}

CASE(netlink, answer, ONCE, "an answer repeats the sequence number and names the receiver's port")
{
	int fd = nl_open(c, c->a, 0);
	struct sockaddr_nl name;
	socklen_t len = sizeof(name);
	static struct answer in;
	struct nlmsg msg;

	CHECK_OK(ioth_getsockname(fd, (struct sockaddr *)&name, &len));
	nl_link(&msg, RTM_GETLINK, 0, 1, NULL);
	msg.head.nlmsg_seq = 0xfedcba98;
	nl_send(fd, &msg);
	nl_recv(fd, &in);
	CHECK_INT(in.head->nlmsg_seq, 0xfedcba98);
	CHECK_INT(in.head->nlmsg_pid, name.nl_pid);
	CHECK_INT(in.head->nlmsg_flags, 0);
}

CASE(netlink, acknowledge, ONCE,
     "NLM_F_ACK gives an NLMSG_ERROR of 0 that repeats the request's header, after the answer")
{
	int fd = nl_open(c, c->a, 0);
	static struct answer in;
	struct nlmsgerr *err;
	struct nlmsg msg;

	nl_link(&msg, RTM_GETLINK, NLM_F_ACK, 1, NULL);
	nl_send(fd, &msg);
	nl_recv(fd, &in);
	CHECK_INT(in.head->nlmsg_type, RTM_NEWLINK);
	nl_recv(fd, &in);
	CHECK_INT(nl_error(&in), 0);
	CHECK_INT(in.head->nlmsg_seq, msg.head.nlmsg_seq);
	err = nlmsg_body(in.head, sizeof(*err));
	CHECK_INT(err->msg.nlmsg_type, RTM_GETLINK);
	CHECK_INT(err->msg.nlmsg_seq, msg.head.nlmsg_seq);
	CHECK_INT(err->msg.nlmsg_len, msg.head.nlmsg_len);
	CHECK_POLL_NOW(fd, POLLOUT);
}

CASE(netlink, error, ONCE, "an error is answered without being asked for, with the whole request in it")
{
	int fd = nl_open(c, c->a, 0);
	static struct answer in;
	struct nlmsgerr *err;
	struct nlmsg msg;

	nl_link(&msg, RTM_GETLINK, 0, 9999, NULL);
	nl_send(fd, &msg);
	nl_recv(fd, &in);
	CHECK_INT(nl_error(&in), ENODEV);
	err = nlmsg_body(in.head, sizeof(*err) - sizeof(err->msg) + msg.head.nlmsg_len);
	CHECK(err != NULL);
	CHECK_MEM(&err->msg, &msg, msg.head.nlmsg_len);
}

CASE(netlink, bad_requests, ONCE,
     "an unknown type is EOPNOTSUPP, a short body EINVAL; what is no request has no answer")
{
	int fd = nl_open(c, c->a, 0);
	struct ifinfomsg link = {.ifi_index = 1};
	struct nlmsg msg;

	nlmsg_start(&msg, RTM_MAX + 1, NLM_F_REQUEST | NLM_F_ACK, 1, &link, sizeof(link));
	CHECK_INT(nl_ask(fd, &msg), EOPNOTSUPP);
	nlmsg_start(&msg, RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, 2, &link, 8);
	CHECK_INT(nl_ask(fd, &msg), EINVAL);
	nlmsg_start(&msg, RTM_GETLINK, 0, 3, &link, sizeof(link));
	nl_send(fd, &msg);
	nlmsg_start(&msg, NLMSG_NOOP, NLM_F_REQUEST, 4, NULL, 0);
	nl_send(fd, &msg);
	CHECK_LEN(ioth_send(fd, "tiny", 4, 0), 4);
	CHECK_POLL_NOW(fd, POLLOUT);
}

CASE(netlink, several_requests, ONCE, "several requests in one datagram are answered one after the other")
{
	int fd = nl_open(c, c->a, 0);
	struct nlmsg msg[3];
	static struct answer in;
	unsigned char out[3 * NLMSG_ROOM];
	size_t len = 0;

	for (int i = 0; i < 3; i++) {
		nl_link(&msg[i], RTM_GETLINK, 0, i == 1 ? 9999 : 1, NULL);
		memcpy(out + len, &msg[i], nlmsg_size(&msg[i]));
		len += nlmsg_size(&msg[i]);
	}
	CHECK_LEN(ioth_send(fd, out, len, 0), len);
	for (int i = 0; i < 3; i++) {
		nl_recv(fd, &in);
		CHECK_INT(in.head->nlmsg_seq, msg[i].head.nlmsg_seq);
		CHECK_INT(in.head->nlmsg_type, i == 1 ? NLMSG_ERROR : RTM_NEWLINK);
	}
}

CASE(netlink, truncated, ONCE, "MSG_PEEK with MSG_TRUNC tells the length of an answer; a short read loses the rest")
{
	int fd = nl_open(c, c->a, 0);
	struct nlmsghdr head;
	struct iovec iov = {&head, sizeof(head)};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	struct nlmsg msg;
	ssize_t whole;

	nl_link(&msg, RTM_GETLINK, 0, 1, NULL);
	nl_send(fd, &msg);
	CHECK_POLL(fd, POLLIN | POLLOUT);
	whole = CHECK_GE0(ioth_recv(fd, &head, sizeof(head), MSG_PEEK | MSG_TRUNC));
	CHECK(whole > (ssize_t)sizeof(head));
	CHECK_INT(head.nlmsg_len, whole);
	CHECK_LEN(ioth_recvmsg(fd, &m, 0), sizeof(head));
	CHECK_INT(m.msg_flags, MSG_TRUNC);
	CHECK_ERR(ioth_recv(fd, &head, sizeof(head), MSG_DONTWAIT), EAGAIN);
}

/** name_is - whether a link message carries that IFLA_IFNAME */
static bool name_is(struct nlmsghdr *head, void *name)
{
	struct rtattr *attr = nlmsg_attr(head, sizeof(struct ifinfomsg), IFLA_IFNAME);

	return attr != NULL && strcmp(RTA_DATA(attr), name) == 0;
}

CASE(netlink, dump, ONCE, "a dump lists lo and vde0 once each, and a second one may follow")
{
	static char lo[] = "lo", vde[] = CONF_IFNAME;
	int fd = nl_open(c, c->a, 0);
	struct nlmsg msg;

	nl_link(&msg, RTM_GETLINK, NLM_F_DUMP, 0, NULL);
	CHECK_INT(nl_dump(fd, &msg, RTM_NEWLINK, name_is, lo), 1);
	nl_link(&msg, RTM_GETLINK, NLM_F_DUMP, 0, NULL);
	CHECK_INT(nl_dump(fd, &msg, RTM_NEWLINK, name_is, vde), 1);
	nl_link(&msg, RTM_GETLINK, NLM_F_DUMP, 0, NULL);
	CHECK_INT(nl_dump(fd, &msg, RTM_NEWLINK, NULL, NULL), 2);
}

CASE(netlink, dump_busy, ONCE, "a second dump while one is unread is EBUSY or waits; both sockets of two get theirs")
{
	int one = nl_open(c, c->a, 0), two = nl_open(c, c->a, 0);
	struct nlmsg msg;

	nl_link(&msg, RTM_GETLINK, NLM_F_DUMP, 0, NULL);
	nl_send(one, &msg);
	nl_link(&msg, RTM_GETLINK, NLM_F_DUMP, 0, NULL);
	CHECK_INT(nl_dump(two, &msg, RTM_NEWLINK, NULL, NULL), 2);
	CHECK_POLL_NOW(one, POLLIN | POLLOUT);
}

/** link_message - wait for an RTM_NEWLINK or RTM_DELLINK about an interface; gives its flags */
static unsigned int link_message(int fd, int type, unsigned int index)
{
	static struct answer in;
	struct ifinfomsg *link;

	do {
		nl_recv(fd, &in);
		link = nlmsg_body(in.head, sizeof(*link));
	} while (in.head->nlmsg_type != type || link == NULL || link->ifi_index != (int)index);
	return link->ifi_flags;
}

CASE(netlink, hears_link, ONCE, "a member of RTMGRP_LINK hears an interface go down and up")
{
	int fd = nl_open(c, c->a, RTMGRP_LINK);
	unsigned int index = ifindex(c, c->a);

	CHECK_POLL_NOW(fd, POLLOUT);
	set_link(c, c->a, 0);
	CHECK_INT(link_message(fd, RTM_NEWLINK, index) & IFF_UP, 0);
	set_link(c, c->a, 1);
	while (!(link_message(fd, RTM_NEWLINK, index) & IFF_UP))
		;
}

CASE(netlink, hears_address, INET, "a member of the address group hears an address come and go, others do not")
{
	int fd = nl_open(c, c->a, c->family == AF_INET ? RTMGRP_IPV4_IFADDR : RTMGRP_IPV6_IFADDR);
	int deaf = nl_open(c, c->a, 0), there = nl_open(c, c->b, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
	struct addr addr = addr_text(c, c->family == AF_INET ? "10.88.0.1" : "fd88::1", 0);
	unsigned int index = ifindex(c, c->a);
	int bits = c->family == AF_INET ? 24 : 64;
	static struct answer in;
	struct nlmsg msg;
	int asker = nl_open(c, c->a, 0);

	nl_addr(c, &msg, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &addr, bits, index);
	CHECK_INT(nl_ask(asker, &msg), 0);
	nl_recv(fd, &in);
	CHECK_INT(in.head->nlmsg_type, RTM_NEWADDR);
	CHECK_INT(((struct ifaddrmsg *)nlmsg_body(in.head, sizeof(struct ifaddrmsg)))->ifa_index, index);
	nl_addr(c, &msg, RTM_DELADDR, NLM_F_ACK, &addr, bits, index);
	CHECK_INT(nl_ask(asker, &msg), 0);
	nl_recv(fd, &in);
	CHECK_INT(in.head->nlmsg_type, RTM_DELADDR);
	CHECK_POLL_NOW(deaf, POLLOUT);
	CHECK_POLL_NOW(there, POLLOUT);
}

CASE(netlink, hears_down, INET,
     "an interface that goes down loses its IPv6 addresses, of which the group hears, and keeps those of IPv4")
{
	int fd = nl_open(c, c->a, c->family == AF_INET ? RTMGRP_IPV4_IFADDR : RTMGRP_IPV6_IFADDR);
	struct addr addr = addr_text(c, c->family == AF_INET ? "10.88.0.1" : "fd88::1", 0);
	unsigned int index = ifindex(c, c->a);
	int bits = c->family == AF_INET ? 24 : 64;
	static struct answer in;
	struct nlmsg msg;
	int asker = nl_open(c, c->a, 0);

	nl_addr(c, &msg, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &addr, bits, index);
	CHECK_INT(nl_ask(asker, &msg), 0);
	nl_recv(fd, &in);
	CHECK_INT(in.head->nlmsg_type, RTM_NEWADDR);
	set_link(c, c->a, 0);
	for (bool heard = c->family == AF_INET; !heard;) {
		const struct ifaddrmsg *body;

		nl_recv(fd, &in);
		body = nlmsg_body(in.head, sizeof(*body));
		heard = in.head->nlmsg_type == RTM_DELADDR && body->ifa_index == index &&
		        memmem(body, in.head->nlmsg_len - NLMSG_HDRLEN, &addr.in6.sin6_addr, 16) != NULL;
	}
	if (c->family == AF_INET)
		CHECK_POLL_NOW(fd, POLLOUT);
	nl_addr(c, &msg, RTM_DELADDR, NLM_F_ACK, &addr, bits, index);
	CHECK_INT(nl_ask(asker, &msg), c->family == AF_INET ? 0 : EADDRNOTAVAIL);
}

CASE(netlink, membership, ONCE,
     "NETLINK_ADD_MEMBERSHIP joins, NETLINK_DROP_MEMBERSHIP leaves, NETLINK_LIST_MEMBERSHIPS tells")
{
	int fd = nl_open(c, c->a, 0);
	unsigned int index = ifindex(c, c->a);
	uint32_t groups[4] = {0};
	socklen_t len = sizeof(groups);
	int bad = 9999;

	SETOPT(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, RTNLGRP_LINK);
	CHECK_OK(ioth_getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &len));
	CHECK_INT(groups[0], 1 << (RTNLGRP_LINK - 1));
	set_link(c, c->a, 0);
	link_message(fd, RTM_NEWLINK, index);
	SETOPT(fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, RTNLGRP_LINK);
	while (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) == 1)
		CHECK_GE0(ioth_recv(fd, groups, sizeof(groups), 0));
	set_link(c, c->a, 1);
	CHECK_POLL_NOW(fd, POLLOUT);
	CHECK_ERR(ioth_setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &bad, sizeof(bad)), EINVAL);
}

CASE(netlink, connected, ONCE, "a netlink socket may be connected to the kernel")
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK}, peer;
	socklen_t len = sizeof(peer);
	int fd = nl_open(c, c->a, 0);
	static struct answer in;
	struct nlmsg msg;

	CHECK_OK(ioth_connect(fd, (struct sockaddr *)&kernel, sizeof(kernel)));
	CHECK_OK(ioth_getpeername(fd, (struct sockaddr *)&peer, &len));
	CHECK_INT(peer.nl_pid, 0);
	nl_link(&msg, RTM_GETLINK, 0, 1, NULL);
	CHECK_LEN(ioth_write(fd, &msg, nlmsg_size(&msg)), nlmsg_size(&msg));
	nl_recv(fd, &in);
	CHECK_INT(in.head->nlmsg_type, RTM_NEWLINK);
	CHECK_ERR(ioth_listen(fd, 1), EOPNOTSUPP);
	CHECK_ERR(ioth_accept(fd, NULL, NULL), EOPNOTSUPP);
	CHECK_ERR(ioth_shutdown(fd, SHUT_WR), EOPNOTSUPP);
}

CASE(netlink, overrun, ONCE, "who does not read loses notifications: ENOBUFS, once, and POLLERR shows it")
{
	int fd = nl_open(c, c->a, RTMGRP_LINK);
	char byte;

	SETOPT(fd, SOL_SOCKET, SO_RCVBUF, 0);
	for (int i = 0; i < 20; i++)
		set_link(c, c->a, i % 2);
	CHECK_POLL_NOW(fd, POLLIN | POLLOUT | POLLERR);
	while (ioth_recv(fd, &byte, 1, MSG_DONTWAIT) > 0)
		;
	CHECK_INT(errno, ENOBUFS);
}

CASE(netlink, no_wait, ONCE, "an idle netlink socket is OUT, recv without waiting EAGAIN")
{
	int fd = nl_open(c, c->a, RTMGRP_LINK);
	char byte;

	CHECK_POLL_NOW(fd, POLLOUT);
	CHECK_ERR(ioth_recv(fd, &byte, 1, MSG_DONTWAIT), EAGAIN);
	timeout(fd, SO_RCVTIMEO, 20);
	CHECK_ERR(ioth_recv(fd, &byte, 1, 0), EAGAIN);
}

CASE(netlink, capped, ONCE, "NETLINK_CAP_ACK leaves the request out of an error, NETLINK_EXT_ACK may add a message")
{
	int fd = nl_open(c, c->a, 0);
	static struct answer in;
	struct nlmsg msg;

	SETOPT(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
	CHECK_OPT(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
	nl_link(&msg, RTM_GETLINK, 0, 9999, NULL);
	nl_send(fd, &msg);
	nl_recv(fd, &in);
	CHECK_INT(nl_error(&in), ENODEV);
	CHECK_INT(in.head->nlmsg_flags & NLM_F_CAPPED, NLM_F_CAPPED);
	CHECK_INT(in.head->nlmsg_len, NLMSG_LENGTH(sizeof(struct nlmsgerr)));
	SETOPT(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
	CHECK_OPT(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
}
