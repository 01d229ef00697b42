/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Control messages of datagrams, those that come and those that are sent. */
#include "usock_same.h"

#include <linux/net_tstamp.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <time.h>

#define PORT_A 4101
#define PORT_B 4102

static int bound(struct ioth *stack, int family, int port)
{
	int fd = ioth_msocket(stack, family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in addr = in4("0.0.0.0", port);
	struct sockaddr_in6 addr6 = in6("::", port, NULL, stack);

	assert_true(fd >= 0);
	if (family == AF_INET)
		assert_int_equal(ioth_bind(fd, SA(addr)), 0);
	else
		assert_int_equal(ioth_bind(fd, SA(addr6)), 0);
	return fd;
}

static void on(int fd, int level, int name)
{
	int one = 1;

	assert_int_equal(ioth_setsockopt(fd, level, name, &one, sizeof(one)), 0);
}

/** say_cmsgs - receive, with @room bytes for control messages */
static void say_cmsgs(int fd, size_t room)
{
	union {
		struct cmsghdr align;
		char bytes[512];
	} control;
	char data[64];
	struct iovec piece = {.iov_base = data, .iov_len = sizeof(data)};
	struct msghdr msg = {.msg_control = control.bytes, .msg_controllen = room, .msg_iov = &piece, .msg_iovlen = 1};

	memset(&control, 0, sizeof(control));
	if (SAY(ioth_recvmsg(fd, &msg, 0)) < 0)
		return;
	say("flags %x controllen %zu", (unsigned int)msg.msg_flags, msg.msg_controllen);
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		say("cmsg %d %d len %zu", cmsg->cmsg_level, cmsg->cmsg_type, (size_t)cmsg->cmsg_len);
		if (cmsg->cmsg_level == SOL_SOCKET)
			continue; /* times differ */
		same_hex("data", CMSG_DATA(cmsg), cmsg->cmsg_len - CMSG_LEN(0));
	}
}

static void receive4(struct ioth *stack)
{
	int a = bound(stack, AF_INET, PORT_A), b = bound(stack, AF_INET, PORT_B), ttl = 33, tos = 0x28;
	struct sockaddr_in to = in4("127.0.0.1", PORT_A), other = in4("192.0.2.1", PORT_A);

	on(a, IPPROTO_IP, IP_PKTINFO);
	on(a, IPPROTO_IP, IP_RECVTTL);
	on(a, IPPROTO_IP, IP_RECVTOS);
	on(a, IPPROTO_IP, IP_RECVORIGDSTADDR);
	SAY(ioth_setsockopt(b, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)));
	SAY(ioth_setsockopt(b, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)));
	for (size_t room = 0; room < 130; room += 7) {
		SAY(ioth_sendto(b, "x", 1, 0, SA(to)));
		say("room %zu", room);
		say_cmsgs(a, room);
	}
	SAY(ioth_sendto(b, "x", 1, 0, SA(other)));
	say_cmsgs(a, 400);
	on(a, SOL_SOCKET, SO_TIMESTAMP);
	SAY(ioth_sendto(b, "x", 1, 0, SA(other)));
	say_cmsgs(a, 400);
	on(a, SOL_SOCKET, SO_TIMESTAMPNS);
	SAY(ioth_sendto(b, "x", 1, 0, SA(other)));
	say_cmsgs(a, 400);
	ioth_close(a);
	ioth_close(b);
}

static void options4(struct ioth *stack)
{
	static const unsigned char route[] = {IPOPT_NOP, IPOPT_RR, 7, 4, 0, 0, 0, 0};
	int a = bound(stack, AF_INET, PORT_A), b = bound(stack, AF_INET, PORT_B);
	struct sockaddr_in to = in4("127.0.0.1", PORT_A);

	on(a, IPPROTO_IP, IP_RECVOPTS);
	SAY(ioth_setsockopt(b, IPPROTO_IP, IP_OPTIONS, route, 1));
	SAY(ioth_sendto(b, "x", 1, 0, SA(to)));
	say_cmsgs(a, 400);
	ioth_close(a);
	ioth_close(b);
}

static void receive6(struct ioth *stack)
{
	int a = bound(stack, AF_INET6, PORT_A), b = bound(stack, AF_INET6, PORT_B), hops = 33, tclass = 0x28;
	struct sockaddr_in6 to = in6("::1", PORT_A, NULL, stack);
	struct sockaddr_in to4 = in4("127.0.0.1", PORT_A);

	on(a, IPPROTO_IPV6, IPV6_RECVPKTINFO);
	on(a, IPPROTO_IPV6, IPV6_RECVHOPLIMIT);
	on(a, IPPROTO_IPV6, IPV6_RECVTCLASS);
	on(a, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR);
	SAY(ioth_setsockopt(b, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof(hops)));
	SAY(ioth_setsockopt(b, IPPROTO_IPV6, IPV6_TCLASS, &tclass, sizeof(tclass)));
	SAY(ioth_sendto(b, "x", 1, 0, SA(to)));
	say_cmsgs(a, 400);
	SAY(ioth_sendto(b, "x", 1, 0, SA(to4)));
	say_cmsgs(a, 400);
	on(a, IPPROTO_IP, IP_PKTINFO);
	on(a, IPPROTO_IP, IP_RECVTTL);
	on(a, IPPROTO_IP, IP_RECVTOS);
	SAY(ioth_sendto(b, "x", 1, 0, SA(to4)));
	say_cmsgs(a, 400);
	on(a, IPPROTO_IPV6, IPV6_2292PKTINFO);
	on(a, IPPROTO_IPV6, IPV6_2292HOPLIMIT);
	SAY(ioth_sendto(b, "x", 1, 0, SA(to)));
	say_cmsgs(a, 400);
	ioth_close(a);
	ioth_close(b);
}

/** send_with - a datagram with one control message */
static void send_with(int fd, const void *to, socklen_t tolen, int level, int type, const void *data, size_t len)
{
	union {
		struct cmsghdr align;
		char bytes[128];
	} control;
	struct iovec piece = {.iov_base = (char[]){"hello"}, .iov_len = 5};
	struct msghdr msg = {.msg_name = (void *)(uintptr_t)to,
	                     .msg_namelen = tolen,
	                     .msg_control = control.bytes,
	                     .msg_controllen = CMSG_SPACE(len),
	                     .msg_iov = &piece,
	                     .msg_iovlen = 1};

	memset(&control, 0, sizeof(control));
	control.align = (struct cmsghdr){.cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(len)};
	memcpy(CMSG_DATA(&control.align), data, len);
	say("cmsg %d %d %zu", level, type, len);
	SAY(ioth_sendmsg(fd, &msg, 0));
}

static void send4(struct ioth *stack)
{
	int a = bound(stack, AF_INET, PORT_A), b = bound(stack, AF_INET, PORT_B);
	struct sockaddr_in to = in4("127.0.0.1", PORT_A);
	struct in_pktinfo info = {.ipi_ifindex = 0, .ipi_spec_dst = {htonl(0x7f000005)}};
	unsigned char byte = 0x10;
	unsigned short segment = 2;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char data[16];

	on(a, IPPROTO_IP, IP_RECVTTL);
	on(a, IPPROTO_IP, IP_RECVTOS);
	for (int ttl = -2; ttl < 300; ttl += 43) {
		send_with(b, SA(to), IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
		say_cmsgs(a, 400);
		send_with(b, SA(to), IPPROTO_IP, IP_TOS, &ttl, sizeof(ttl));
		say_cmsgs(a, 400);
	}
	send_with(b, SA(to), IPPROTO_IP, IP_TOS, &byte, 1);
	say_cmsgs(a, 400);
	send_with(b, SA(to), IPPROTO_IP, IP_TTL, &byte, 1);
	send_with(b, SA(to), IPPROTO_IP, 150, &byte, 1);
	send_with(b, SA(to), IPPROTO_IPV6, 150, &byte, 1);
	send_with(b, SA(to), SOL_SOCKET, 150, &byte, 1);
	send_with(b, SA(to), 150, 150, &byte, 1);
	send_with(b, SA(to), IPPROTO_UDP, 150, &byte, 1);
	while (ioth_recv(a, data, sizeof(data), 0) >= 0)
		;
	send_with(b, SA(to), IPPROTO_UDP, UDP_SEGMENT, &byte, 1);
	send_with(b, SA(to), IPPROTO_UDP, UDP_SEGMENT, &segment, 2);
	for (int i = 0; i < 4; i++)
		say_cmsgs(a, 400);
	send_with(b, SA(to), IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	SAY(ioth_recvfrom(a, data, sizeof(data), 0, (struct sockaddr *)&from, &len));
	same_hex("from", &from, len);
	say("a source that is not ours");
	info.ipi_spec_dst.s_addr = htonl(0xc6336407);
	send_with(b, SA(to), IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	info.ipi_spec_dst.s_addr = 0;
	info.ipi_ifindex = 99;
	say("an interface that there is not");
	send_with(b, SA(to), IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	send_with(b, SA(to), IPPROTO_IP, IP_PKTINFO, &info, 4);
	ioth_close(a);
	ioth_close(b);
}

static void send6(struct ioth *stack)
{
	int a = bound(stack, AF_INET6, PORT_A), b = bound(stack, AF_INET6, PORT_B);
	struct sockaddr_in6 to = in6("::1", PORT_A, NULL, stack), mine = in6("2001:db8::1", 0, NULL, stack),
	                    alien = in6("2001:db8::77", 0, NULL, stack), from;
	struct sockaddr_in to4 = in4("127.0.0.1", PORT_A);
	struct in6_pktinfo info = {.ipi6_ifindex = 0, .ipi6_addr = mine.sin6_addr};
	socklen_t len = sizeof(from);
	char data[16];

	on(a, IPPROTO_IPV6, IPV6_RECVHOPLIMIT);
	on(a, IPPROTO_IPV6, IPV6_RECVTCLASS);
	for (int value = -2; value < 300; value += 43) {
		send_with(b, SA(to), IPPROTO_IPV6, IPV6_HOPLIMIT, &value, sizeof(value));
		say_cmsgs(a, 400);
		send_with(b, SA(to), IPPROTO_IPV6, IPV6_TCLASS, &value, sizeof(value));
		say_cmsgs(a, 400);
		send_with(b, SA(to), IPPROTO_IPV6, IPV6_DONTFRAG, &value, sizeof(value));
		say_cmsgs(a, 400);
	}
	send_with(b, SA(to), IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	SAY(ioth_recvfrom(a, data, sizeof(data), 0, (struct sockaddr *)&from, &len));
	same_hex("from", &from, len);
	info.ipi6_addr = alien.sin6_addr;
	send_with(b, SA(to), IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	info.ipi6_addr = in6addr_any;
	info.ipi6_ifindex = 99;
	send_with(b, SA(to), IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	info.ipi6_ifindex = 7;
	send_with(b, SA(to), IPPROTO_IPV6, IPV6_PKTINFO, &info, 3);
	send_with(b, SA(to), IPPROTO_IPV6, 150, &info, 4);
	send_with(b, SA(to), IPPROTO_IP, 150, &info, 4);
	send_with(b, SA(to4), IPPROTO_IP, IP_TTL, &(int){9}, 4);
	say_cmsgs(a, 400);
	send_with(b, SA(to4), IPPROTO_IPV6, IPV6_HOPLIMIT, &(int){9}, 4);
	say_cmsgs(a, 400);
	say_cmsgs(a, 400);
	say_cmsgs(a, 400);
	ioth_close(a);
	ioth_close(b);
}

/** path_mtu - IPV6_RECVPATHMTU tells what IPV6_DONTFRAG kept back */
static void path_mtu(struct ioth *stack)
{
	static char big[3000];
	int a = bound(stack, AF_INET6, PORT_A);
	struct sockaddr_in6 far = in6("2001:db8:7::1", 9, NULL, stack);

	SAY(ioth_sendto(a, big, sizeof(big), 0, SA(far)));
	on(a, IPPROTO_IPV6, IPV6_DONTFRAG);
	SAY(ioth_sendto(a, big, sizeof(big), 0, SA(far)));
	say_cmsgs(a, 400);
	on(a, IPPROTO_IPV6, IPV6_RECVPATHMTU);
	SAY(ioth_sendto(a, big, sizeof(big), 0, SA(far)));
	say_cmsgs(a, 400);
	say_cmsgs(a, 400);
	ioth_close(a);
}

/** malformed - control messages whose lengths lie */
static void malformed(struct ioth *stack)
{
	static const size_t lens[] = {0, 1, 15, 16, 17, 20, 24, 25, 40, 100, (size_t)-1};
	int b = bound(stack, AF_INET, PORT_B);
	struct sockaddr_in to = in4("127.0.0.1", PORT_A);
	union {
		struct cmsghdr align;
		char bytes[128];
	} control;
	struct iovec piece = {.iov_base = (char[]){"hello"}, .iov_len = 5};

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		for (size_t room = 0; room < 48; room += 5) {
			struct msghdr msg = {.msg_name = &to,
			                     .msg_namelen = sizeof(to),
			                     .msg_control = control.bytes,
			                     .msg_controllen = room,
			                     .msg_iov = &piece,
			                     .msg_iovlen = 1};

			memset(&control, 0, sizeof(control));
			control.align =
			        (struct cmsghdr){.cmsg_level = IPPROTO_IP, .cmsg_type = IP_TTL, .cmsg_len = lens[i]};
			memcpy(CMSG_DATA(&control.align), &(int){7}, sizeof(int));
			say("len %zu room %zu", lens[i], room);
			SAY(ioth_sendmsg(b, &msg, 0));
		}
	}
	ioth_close(b);
}

#define SAME(script)                                                                                                   \
	static void same_##script(void **state)                                                                        \
	{                                                                                                              \
		(void)state;                                                                                           \
		same(script);                                                                                          \
	}

SAME(receive4)
SAME(options4)
SAME(receive6)
SAME(send4)
SAME(send6)
SAME(path_mtu)
SAME(malformed)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(same_receive4), cmocka_unit_test(same_options4), cmocka_unit_test(same_receive6),
	        cmocka_unit_test(same_send4),    cmocka_unit_test(same_send6),    cmocka_unit_test(same_malformed),
	        cmocka_unit_test(same_path_mtu),
	};

	same_place();
	return cmocka_run_group_tests(tests, same_open, same_close);
}
