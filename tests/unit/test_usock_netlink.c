/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_usock_netlink.c - netlink sockets: the same calls on the kernel and on ours, see usock_same.h.
 */
#include "usock_same.h"

#include <libnlq.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define D0 7 /* index of the interface */

/** nl - a netlink socket, bound to groups */
static int nl(struct ioth *stack, uint32_t groups)
{
	struct sockaddr_nl name = {.nl_family = AF_NETLINK, .nl_groups = groups};
	int fd = ioth_msocket(stack, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	assert_true(fd >= 0);
	assert_int_equal(ioth_bind(fd, SA(name)), 0);
	return fd;
}

static uint32_t port_of(int fd)
{
	struct sockaddr_nl name;
	socklen_t len = sizeof(name);

	assert_int_equal(ioth_getsockname(fd, (struct sockaddr *)&name, &len), 0);
	return name.nl_pid;
}

/** send_msg - complete a message, send it, free it */
static long send_msg(int fd, struct nlq_msg *msg)
{
	long sent;

	assert_int_equal(nlq_complete(msg), 0);
	sent = ioth_send(fd, msg->nlq_packet, msg->nlq_packet->nlmsg_len, 0);
	assert_true(sent < 0 || sent == (long)msg->nlq_packet->nlmsg_len);
	nlq_freemsg(msg);
	return sent;
}

static struct nlq_msg *get_link(int index, uint16_t flags, uint32_t seq)
{
	struct nlq_msg *msg = nlq_createmsg(RTM_GETLINK, (uint16_t)(NLM_F_REQUEST | flags), seq, 0);

	nlq_addstruct(msg, ifinfomsg, .ifi_index = index);
	return msg;
}

/** link_flags - a request to change flags of d0 */
static struct nlq_msg *link_flags(unsigned int flags, unsigned int change, uint16_t nlm_flags)
{
	struct nlq_msg *msg = nlq_createmsg(RTM_NEWLINK, (uint16_t)(NLM_F_REQUEST | nlm_flags), 77, 0);

	nlq_addstruct(msg, ifinfomsg, .ifi_index = D0, .ifi_flags = flags, .ifi_change = change);
	return msg;
}

static struct nlq_msg *addr(uint16_t type, const char *text, uint16_t flags)
{
	struct nlq_msg *msg = nlq_createmsg(type, (uint16_t)(NLM_F_REQUEST | flags), 88, 0);
	struct sockaddr_in in = in4(text, 0);

	nlq_addstruct(msg, ifaddrmsg, .ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = D0);
	nlq_addattr(msg, IFA_LOCAL, &in.sin_addr, 4);
	return msg;
}

/** route - a route to 10.A.B.0/24 */
static struct nlq_msg *route(uint16_t type, int number)
{
	unsigned char dst[4] = {10, (unsigned char)(number >> 8), (unsigned char)number, 0};
	uint16_t flags = type == RTM_NEWROUTE ? NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL : NLM_F_REQUEST;
	struct nlq_msg *msg = nlq_createmsg(type, flags, 99, 0);
	uint32_t oif = D0;

	nlq_addstruct(msg, rtmsg, .rtm_family = AF_INET, .rtm_dst_len = 24, .rtm_table = RT_TABLE_MAIN,
	              .rtm_protocol = RTPROT_STATIC, .rtm_scope = RT_SCOPE_LINK, .rtm_type = RTN_UNICAST);
	nlq_addattr(msg, RTA_DST, dst, 4);
	nlq_addattr(msg, RTA_OIF, &oif, 4);
	return msg;
}

/** say_messages - what waits in a socket: each datagram, from whom, and the messages in it */
static void say_messages(int fd)
{
	static unsigned char bytes[65536] __attribute__((aligned(8)));
	struct sockaddr_nl from;
	socklen_t len = sizeof(from);
	ssize_t got;

	while ((got = ioth_recvfrom(fd, bytes, sizeof(bytes), MSG_DONTWAIT, (struct sockaddr *)&from, &len)) >= 0) {
		say(" datagram from %u to %x", from.nl_pid, from.nl_groups);
		for (size_t at = 0; at + NLMSG_HDRLEN <= (size_t)got;) {
			struct nlmsghdr *head = (struct nlmsghdr *)(bytes + at);
			const struct nlmsgerr *err = NLMSG_DATA(head);

			say("  type %u flags %x seq %u mine %d error %d", head->nlmsg_type, head->nlmsg_flags,
			    head->nlmsg_seq, head->nlmsg_pid == port_of(fd),
			    head->nlmsg_type == NLMSG_ERROR ? err->error : 0);
			at += NLMSG_ALIGN(head->nlmsg_len);
		}
	}
	say_result(" at the end", -1);
}

static void say_poll(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP};

	poll(&p, 1, 0);
	say(" poll %x", (unsigned int)p.revents);
}

/* ----------------------------------------------------------------------------------------------------------- scripts */

static void names(struct ioth *stack)
{
	struct sockaddr_nl name = {.nl_family = AF_NETLINK}, peer = {0};
	socklen_t len = sizeof(name);
	int one, two;

	SAY(ioth_msocket(stack, AF_NETLINK, SOCK_STREAM, NETLINK_ROUTE));
	SAY(ioth_msocket(stack, AF_NETLINK, SOCK_SEQPACKET, NETLINK_ROUTE));
	SAY(ioth_msocket(stack, AF_NETLINK, SOCK_RAW, 40));
	SAY(ioth_msocket(stack, AF_NETLINK, SOCK_RAW, -1));
	one = nl(stack, 0);
	two = ioth_msocket(stack, AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE);
	say("the port of the process: %d", port_of(one) == (uint32_t)getpid());
	say("none before bind: %u", port_of(two));
	name.nl_pid = port_of(one);
	SAY(ioth_bind(two, SA(name)));
	SAY(ioth_bind(two, (struct sockaddr *)&name, 8));
	name.nl_pid = 4711;
	SAY(ioth_bind(two, SA(name)));
	SAY(ioth_bind(two, SA(name)));
	name.nl_groups = 0x80000001;
	SAY(ioth_bind(two, SA(name)));
	SAY(ioth_getsockname(two, (struct sockaddr *)&name, &len));
	say("port %u groups %x len %u", name.nl_pid, name.nl_groups, len);
	name.nl_pid = 0;
	SAY(ioth_bind(two, SA(name)));
	name.nl_family = AF_INET;
	SAY(ioth_bind(two, SA(name)));
	SAY(ioth_connect(two, SA(name)));
	name.nl_family = AF_UNSPEC;
	SAY(ioth_connect(two, SA(name)));
	SAY(ioth_connect(two, SA(name)));
	name = (struct sockaddr_nl){.nl_family = AF_NETLINK, .nl_pid = 99, .nl_groups = 6};
	SAY(ioth_connect(two, (struct sockaddr *)&name, 8));
	SAY(ioth_connect(two, SA(name)));
	SAY(ioth_getpeername(two, (struct sockaddr *)&peer, &len));
	say("peer %u groups %x", peer.nl_pid, peer.nl_groups);
	SAY(ioth_getpeername(one, (struct sockaddr *)&peer, &len));
	say("peer %u groups %x", peer.nl_pid, peer.nl_groups);
	SAY(ioth_listen(two, 1));
	SAY(ioth_accept(two, NULL, NULL));
	SAY(ioth_shutdown(two, SHUT_RDWR));
	say_poll(two);
	ioth_close(one);
	ioth_close(two);
	one = nl(stack, 0);
	say("again: %d", port_of(one) == (uint32_t)getpid());
	ioth_close(one);
}

static void options(struct ioth *stack)
{
	static const int flags[] = {
	        NETLINK_PKTINFO, NETLINK_BROADCAST_ERROR, NETLINK_NO_ENOBUFS,     NETLINK_LISTEN_ALL_NSID,
	        NETLINK_CAP_ACK, NETLINK_EXT_ACK,         NETLINK_GET_STRICT_CHK, 77};
	int fd = nl(stack, 0), value = 1;
	uint32_t groups[4] = {0};
	socklen_t len;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		say("option %d", flags[i]);
		value = 5;
		SAY(ioth_setsockopt(fd, SOL_NETLINK, flags[i], &value, sizeof(value)));
		len = sizeof(value);
		SAY(ioth_getsockopt(fd, SOL_NETLINK, flags[i], &value, &len));
		say("%d %u", value, len);
		len = 2;
		SAY(ioth_getsockopt(fd, SOL_NETLINK, flags[i], &value, &len));
		SAY(ioth_setsockopt(fd, SOL_NETLINK, flags[i], &value, 2));
		len = sizeof(value);
		ioth_getsockopt(fd, SOL_NETLINK, flags[i], &value, &len);
		say("%d", value);
	}
	len = sizeof(groups);
	SAY(ioth_getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &len));
	say("%u", len);
	for (value = 0; value <= 1000; value = value * 3 + 1)
		SAY(ioth_setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &value, sizeof(value)));
	SAY(ioth_getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &len));
	say("%u %x", len, groups[0]);
	len = sizeof(groups);
	SAY(ioth_getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &len));
	say("%u %x %x", len, groups[0], groups[1]);
	value = 4;
	SAY(ioth_setsockopt(fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &value, sizeof(value)));
	SAY(ioth_setsockopt(fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &value, sizeof(value)));
	SAY(ioth_getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &len));
	say("%x", groups[0]);
	SAY(ioth_setsockopt(fd, SOL_SOCKET + 7, 1, &value, sizeof(value)));
	ioth_close(fd);
}

static void requests(struct ioth *stack)
{
	struct sockaddr_nl to = {.nl_family = AF_NETLINK};
	int fd = ioth_msocket(stack, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), size = 5000;
	static char big[16384];
	struct nlmsghdr head;

	SAY(ioth_send(fd, big, 0, 0));
	say_poll(fd);
	SAY(send_msg(fd, get_link(1, NLM_F_ACK, 5)) > 0);
	say("bound by it: %d", port_of(fd) != 0);
	say_poll(fd);
	say("peek %d", ioth_recv(fd, &head, sizeof(head), MSG_PEEK | MSG_TRUNC) == (ssize_t)head.nlmsg_len);
	SAY(ioth_recv(fd, &head, sizeof(head), MSG_OOB));
	say_messages(fd);
	SAY(ioth_send(fd, big, 4, 0));
	SAY(ioth_send(fd, big, 4, MSG_OOB));
	SAY(ioth_sendto(fd, big, 4, 0, (struct sockaddr *)&to, 8));
	to.nl_family = AF_INET;
	SAY(ioth_sendto(fd, big, 4, 0, SA(to)));
	SAY(ioth_setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)));
	SAY(ioth_send(fd, big, 9968, 0));
	SAY(ioth_send(fd, big, 9969, 0));
	say_messages(fd);
	SAY(send_msg(fd, get_link(9999, 0, 6)) > 0);
	SAY(send_msg(fd, get_link(1, 0, 0)) > 0);
	say_messages(fd);
	ioth_close(fd);
}

static void unicast(struct ioth *stack)
{
	int one = nl(stack, 0), two = nl(stack, 0), size = 0, sent = 0;
	struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_pid = port_of(two)};
	struct nlmsghdr head = {.nlmsg_len = sizeof(head), .nlmsg_type = 4242};

	SAY(ioth_sendto(one, &head, sizeof(head), 0, SA(to)));
	say_poll(two);
	say_messages(two);
	to.nl_pid = 12345;
	SAY(ioth_sendto(one, &head, sizeof(head), 0, SA(to)));
	SAY(ioth_connect(two, SA(to)));
	to.nl_pid = port_of(two);
	SAY(ioth_sendto(one, &head, sizeof(head), 0, SA(to)));
	to.nl_pid = port_of(one);
	SAY(ioth_connect(two, SA(to)));
	to.nl_pid = port_of(two);
	SAY(ioth_connect(one, SA(to)));
	SAY(ioth_send(one, &head, sizeof(head), 0));
	say_messages(two);
	/* no room */
	SAY(ioth_setsockopt(two, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
	while (ioth_send(one, &head, sizeof(head), MSG_DONTWAIT) > 0)
		sent++;
	say_result("full", -1);
	say("some: %d", sent > 0);
	say_poll(two);
	/* to a group, from a program */
	to = (struct sockaddr_nl){.nl_family = AF_NETLINK, .nl_groups = 1U << (RTNLGRP_LINK - 1)};
	ioth_close(two);
	two = nl(stack, 1U << (RTNLGRP_LINK - 1));
	SAY(ioth_sendto(one, &head, sizeof(head), 0, SA(to)));
	say_messages(one);
	say_messages(two);
	ioth_close(one);
	ioth_close(two);
}

static void several(struct ioth *stack)
{
	struct nlq_msg *requests[] = {get_link(1, 0, 1), get_link(9999, NLM_F_ACK, 2), get_link(1, NLM_F_ACK, 3)};
	int fd = nl(stack, 0);
	unsigned char bytes[512];
	size_t len = 0;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(nlq_complete(requests[i]), 0);
		memcpy(bytes + len, requests[i]->nlq_packet, requests[i]->nlq_size);
		len += requests[i]->nlq_size;
		nlq_freemsg(requests[i]);
	}
	SAY(ioth_send(fd, bytes, len, 0) > 0);
	say_messages(fd);
	ioth_close(fd);
}

static void notifications(struct ioth *stack)
{
	int fd = nl(stack, 0), hears = nl(stack, 1U << (RTNLGRP_IPV4_IFADDR - 1)), yes = 1;
	char control[128];
	unsigned char bytes[4096];
	struct iovec iov = {bytes, sizeof(bytes)};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg;

	SAY(send_msg(fd, addr(RTM_NEWADDR, "10.1.1.1", NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)) > 0);
	say_messages(fd);
	say_poll(hears);
	say_messages(hears);
	SAY(ioth_setsockopt(hears, SOL_NETLINK, NETLINK_PKTINFO, &yes, sizeof(yes)));
	SAY(send_msg(fd, addr(RTM_DELADDR, "10.1.1.1", NLM_F_ACK | NLM_F_ECHO)) > 0);
	say_messages(fd);
	SAY(ioth_recvmsg(hears, &msg, 0) > 0);
	cmsg = CMSG_FIRSTHDR(&msg);
	say("group %d", cmsg != NULL && cmsg->cmsg_level == SOL_NETLINK ? *(int *)CMSG_DATA(cmsg) : -1);
	say_messages(hears);
	/* by the member itself: before its acknowledgement */
	SAY(send_msg(hears, addr(RTM_NEWADDR, "10.1.1.1", NLM_F_ACK | NLM_F_CREATE)) > 0);
	SAY(send_msg(hears, addr(RTM_DELADDR, "10.1.1.1", NLM_F_ACK | NLM_F_ECHO)) > 0);
	say_messages(hears);
	ioth_close(fd);
	ioth_close(hears);
}

static struct nlq_msg *neigh(uint16_t type)
{
	struct nlq_msg *msg = nlq_createmsg(type, NLM_F_REQUEST | NLM_F_CREATE, 66, 0);

	nlq_addstruct(msg, ndmsg, .ndm_family = AF_INET, .ndm_ifindex = D0, .ndm_state = NUD_PERMANENT);
	nlq_addattr(msg, NDA_DST, "\xc0\0\2\x63", 4);
	nlq_addattr(msg, NDA_LLADDR, "\2\0\0\0\0\x63", 6);
	return msg;
}

/** set_mtu - a request to change the MTU of d0 */
static struct nlq_msg *set_mtu(uint32_t mtu)
{
	struct nlq_msg *msg = nlq_createmsg(RTM_NEWLINK, NLM_F_REQUEST, 55, 0);

	nlq_addstruct(msg, ifinfomsg, .ifi_index = D0);
	nlq_addattr(msg, IFLA_MTU, &mtu, sizeof(mtu));
	return msg;
}

static struct nlq_msg *new_link(const char *kind)
{
	struct nlq_msg *msg = nlq_createmsg(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL, 44, 0);
	struct nlq_msg *info = nlq_createxattr();

	nlq_addstruct(msg, ifinfomsg, .ifi_index = 70);
	nlq_addattr(msg, IFLA_IFNAME, "n0", 3);
	nlq_addattr(info, IFLA_INFO_KIND, kind, strlen(kind) + 1);
	nlq_addxattr(msg, IFLA_LINKINFO, info);
	return msg;
}

/* whose request it was that a notification tells of */
static void numbers(struct ioth *stack)
{
	int fd = nl(stack, 1U << (RTNLGRP_LINK - 1) | 1U << (RTNLGRP_NEIGH - 1) | 1U << (RTNLGRP_IPV4_ROUTE - 1));
	struct nlq_msg *msg;

	say("flags");
	send_msg(fd, link_flags(IFF_DEBUG, IFF_DEBUG, 0));
	send_msg(fd, link_flags(0, IFF_DEBUG, 0));
	say_messages(fd);
	say("mtu");
	send_msg(fd, set_mtu(1400));
	send_msg(fd, set_mtu(1500));
	say_messages(fd);
	say("neighbour");
	send_msg(fd, neigh(RTM_NEWNEIGH));
	send_msg(fd, neigh(RTM_DELNEIGH));
	say_messages(fd);
	say("route");
	send_msg(fd, route(RTM_NEWROUTE, 1));
	msg = route(RTM_NEWROUTE, 1);
	msg->nlq_packet->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE;
	send_msg(fd, msg);
	send_msg(fd, route(RTM_DELROUTE, 1));
	say_messages(fd);
	say("link");
	send_msg(fd, new_link(stack == NULL ? "ifb" : "dummy"));
	msg = nlq_createmsg(RTM_DELLINK, NLM_F_REQUEST, 33, 0);
	nlq_addstruct(msg, ifinfomsg, .ifi_index = 70);
	send_msg(fd, msg);
	say_messages(fd);
	ioth_close(fd);
}

/** drain - read what there is; the error at the end is said */
static int drain(int fd)
{
	char byte;
	int count = 0;

	while (ioth_recv(fd, &byte, 1, MSG_DONTWAIT) >= 0)
		count++;
	say_result("drained", -1);
	return count;
}

static void overrun(struct ioth *stack)
{
	int fd = nl(stack, 0), hears = nl(stack, 1U << (RTNLGRP_LINK - 1)), size = 0, yes = 1;

	SAY(ioth_setsockopt(hears, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
	for (int i = 0; i < 20; i++)
		send_msg(fd, link_flags(i % 2 ? IFF_DEBUG : 0, IFF_DEBUG, 0));
	say_poll(hears);
	say("at once: %d", drain(hears) == 0);
	say_poll(hears);
	/* congested until all has been read */
	send_msg(fd, link_flags(0, IFF_DEBUG, 0));
	say("some: %d", drain(hears) > 0);
	say_poll(hears);
	send_msg(fd, link_flags(IFF_DEBUG, IFF_DEBUG, 0));
	say("again: %d", drain(hears) > 0);
	SAY(ioth_setsockopt(hears, SOL_NETLINK, NETLINK_NO_ENOBUFS, &yes, sizeof(yes)));
	for (int i = 0; i < 20; i++)
		send_msg(fd, link_flags(i % 2 ? IFF_DEBUG : 0, IFF_DEBUG, 0));
	say_poll(hears);
	say("some: %d", drain(hears) > 0);
	send_msg(fd, link_flags(0, IFF_DEBUG, 0));
	ioth_close(fd);
	ioth_close(hears);
}

/** dump_routes - read a dump with buffers of @room bytes: how many routes of RTPROT_STATIC, -1 when something is wrong */
static int dump_routes(int fd, size_t room, int *parts)
{
	static unsigned char bytes[65536] __attribute__((aligned(8)));
	int count = 0;

	for (*parts = 0;; ++*parts) {
		ssize_t got = ioth_recv(fd, bytes, room, MSG_TRUNC);

		if (got < 0 || (size_t)got > room)
			return -1;
		for (size_t at = 0; at + NLMSG_HDRLEN <= (size_t)got;) {
			struct nlmsghdr *head = (struct nlmsghdr *)(bytes + at);
			const struct rtmsg *body = NLMSG_DATA(head);

			if (head->nlmsg_type == NLMSG_DONE)
				return count;
			if (head->nlmsg_type != RTM_NEWROUTE || head->nlmsg_seq != 5)
				return -1;
			count += body->rtm_protocol == RTPROT_STATIC;
			at += NLMSG_ALIGN(head->nlmsg_len);
		}
	}
}

static struct nlq_msg *get_routes(uint32_t seq)
{
	struct nlq_msg *msg = nlq_createmsg(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, seq, 0);

	nlq_addstruct(msg, rtmsg, .rtm_family = AF_INET);
	return msg;
}

#define ROUTES 3000

/* a dump that is much longer than SO_RCVBUF arrives whole, however slowly it is read, and meanwhile nothing else is lost */
static void dumps(struct ioth *stack)
{
	int fd = nl(stack, 0), asker = nl(stack, 0), size = 0, parts, large;

	for (int i = 0; i < ROUTES; i++)
		send_msg(asker, route(RTM_NEWROUTE, i));
	say_messages(asker);
	SAY(ioth_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
	SAY(send_msg(fd, get_routes(5)) > 0);
	say_poll(fd);
	say("routes %d", dump_routes(fd, 4096, &parts));
	say("in many parts: %d", parts > 20);
	say_poll(fd);
	SAY(send_msg(asker, get_routes(5)) > 0);
	say("routes %d", dump_routes(asker, 32768, &large));
	SAY(send_msg(asker, get_routes(5)) > 0);
	say("routes %d", dump_routes(asker, 32768, &large));
	say("in fewer: %d", large < parts);
	/* a second one while the first is unread */
	SAY(send_msg(fd, get_routes(5)) > 0);
	SAY(send_msg(fd, get_routes(6)) > 0);
	SAY(send_msg(fd, get_link(1, 0, 7)) > 0);
	ioth_close(fd); /* in the middle of it */
	for (int i = 0; i < ROUTES; i++)
		send_msg(asker, route(RTM_DELROUTE, i));
	say_messages(asker);
	ioth_close(asker);
}

/* ------------------------------------------------------------------------------------------------------------- tests */

#define SAME_TEST(name)                                                                                                \
	static void test_##name(void **state)                                                                          \
	{                                                                                                              \
		(void)state;                                                                                           \
		same(name);                                                                                            \
	}
SAME_TEST(names)
SAME_TEST(options)
SAME_TEST(requests)
SAME_TEST(unicast)
SAME_TEST(several)
SAME_TEST(notifications)
SAME_TEST(numbers)
SAME_TEST(overrun)
SAME_TEST(dumps)

/* a Linux without these modules has no such sockets either */
static void test_other_protocols(void **state)
{
	static const int protocols[] = {NETLINK_GENERIC, NETLINK_SOCK_DIAG, NETLINK_NETFILTER, NETLINK_KOBJECT_UEVENT};

	(void)state;
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		assert_int_equal(ioth_msocket(same_ours(), AF_NETLINK, SOCK_RAW, protocols[i]), -1);
		assert_int_equal(errno, EPROTONOSUPPORT);
	}
}

/* a dump that has not been read: another one is busy, other requests are not */
static void test_busy(void **state)
{
	int fd = nl(same_ours(), 0), size = 0, parts;
	struct nlmsghdr *head;
	static unsigned char bytes[65536] __attribute__((aligned(8)));
	bool busy = false;

	(void)state;
	for (int i = 0; i < 200; i++)
		send_msg(fd, route(RTM_NEWROUTE, i));
	assert_int_equal(ioth_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	send_msg(fd, get_routes(5));
	send_msg(fd, get_routes(6));
	head = (struct nlmsghdr *)bytes;
	for (;;) {
		ssize_t got = ioth_recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (got < 0 && errno == ENOBUFS)
			busy = true; /* there was no room to say so: as in Linux */
		else if (got < 0)
			break;
		else if (head->nlmsg_seq == 6)
			busy = ((struct nlmsgerr *)NLMSG_DATA(head))->error == -EBUSY;
	}
	assert_true(busy);
	size = 1 << 20;
	assert_int_equal(ioth_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	send_msg(fd, get_routes(5));
	assert_int_equal(dump_routes(fd, 65536, &parts), 200);
	for (int i = 0; i < 200; i++)
		send_msg(fd, route(RTM_DELROUTE, i));
	ioth_close(fd);
}

struct sender {
	int fd;
	long sent;
};

static void *send_all(void *arg)
{
	struct sender *sender = arg;
	struct nlmsghdr head = {.nlmsg_len = sizeof(head), .nlmsg_type = 4242};

	for (int i = 0; i < 200; i++) {
		if (ioth_send(sender->fd, &head, sizeof(head), 0) != sizeof(head))
			break;
		sender->sent++;
	}
	return NULL;
}

/* one socket sends to another that has little room: it waits, and nothing is lost */
static void test_blocking(void **state)
{
	struct sender sender = {.fd = nl(same_ours(), 0)};
	int fd = nl(same_ours(), 0), size = 0, got = 0;
	struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_pid = port_of(fd)};
	struct nlmsghdr head;
	pthread_t thread;

	(void)state;
	assert_int_equal(ioth_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	assert_int_equal(ioth_connect(sender.fd, SA(to)), 0);
	assert_int_equal(pthread_create(&thread, NULL, send_all, &sender), 0);
	for (; got < 200; got++)
		assert_int_equal(ioth_recv(fd, &head, sizeof(head), 0), sizeof(head));
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(sender.sent, 200);
	/* the receiver goes while somebody waits for it: the sender hears that it is gone */
	sender.sent = 0;
	assert_int_equal(pthread_create(&thread, NULL, send_all, &sender), 0);
	assert_int_equal(ioth_recv(fd, &head, sizeof(head), 0), sizeof(head));
	ioth_close(fd);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(sender.sent < 200);
	ioth_close(sender.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_names),    cmocka_unit_test(test_options),
	        cmocka_unit_test(test_requests), cmocka_unit_test(test_unicast),
	        cmocka_unit_test(test_several),  cmocka_unit_test(test_notifications),
	        cmocka_unit_test(test_numbers),  cmocka_unit_test(test_overrun),
	        cmocka_unit_test(test_dumps),    cmocka_unit_test(test_other_protocols),
	        cmocka_unit_test(test_busy),     cmocka_unit_test(test_blocking),
	};

	same_place();
	return cmocka_run_group_tests_name("usock_netlink", tests, same_open, same_close);
}
