/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_usock_memory.c - memory fails, once, at each place where usock and inet ask for some.
 *
 * A step is what a program does with a kind of socket. It is done again and again, and each time another allocation
 * fails: the first, the second, ... till there is none left to fail. The call it was for has to say ENOMEM or ENOBUFS
 * and to have changed nothing: made again, it succeeds. What arrives may be lost, as on any network, but not twice.
 * After each step as much is allocated as before. (TCP is in tests/interleave and test_usock_stream.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ipv6.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <string.h>
#include <usock.h>

#include "caller.h"
#include "nomem.h"

#define ROUNDS_MAX 2000U

void *ioth_ipengine_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions);
int ioth_ipengine_delstack(void *stackdata);

static struct ioth_functions f;
static unsigned int countdown; /* to the allocation that fails; 0: none does */
static bool failed;            /* it has */

static bool it_fails(void)
{
	if (countdown == 0 || --countdown > 0)
		return false;
	failed = true;
	return true;
}

/** again - has a call failed for lack of memory, so that it is to be made again? Any other failure ends the test */
static bool again(const char *call, long result)
{
	if (result >= 0)
		return false;
	if (!failed || (errno != ENOMEM && errno != ENOBUFS))
		fail_msg("%s: %s", call, strerror(errno));
	return true;
}

/* A call that has to succeed, if not at once then when it is made again. */
#define TRY(call)                                                                                                      \
	({                                                                                                             \
		long result_ = (call);                                                                                 \
                                                                                                                       \
		if (again(#call, result_)) {                                                                           \
			result_ = (call);                                                                              \
			if (result_ < 0)                                                                               \
				fail_msg("%s, again: %s", #call, strerror(errno));                                     \
		}                                                                                                      \
		result_;                                                                                               \
	})

static int opened(int family, int type, int protocol)
{
	int fd = (int)TRY(f.socket(family, type | SOCK_NONBLOCK, protocol));

	assert_in_range(fd, 0, 1023);
	sockdata[fd] = current;
	return fd;
}

static void closed(int fd)
{
	assert_int_equal(f.close(on(fd)), 0);
}

static void set(int fd, int level, int name, const void *value, socklen_t len)
{
	TRY(f.setsockopt(on(fd), level, name, value, len));
}

static void set_int(int fd, int level, int name, int value)
{
	set(fd, level, name, &value, sizeof(value));
}

static socklen_t loopback(int family, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in in = {AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}, {0}};
	struct sockaddr_in6 in6 = {AF_INET6, htons(port), 0, IN6ADDR_LOOPBACK_INIT, 0};

	memcpy(out, family == AF_INET ? (void *)&in : (void *)&in6, family == AF_INET ? sizeof(in) : sizeof(in6));
	return family == AF_INET ? sizeof(in) : sizeof(in6);
}

/** came - a datagram of @len bytes is there; it may have been lost when memory has failed */
static bool came(int fd, size_t len)
{
	char data[8192];
	ssize_t n = f.recv(on(fd), data, sizeof(data), 0);

	if (n < 0 && failed && errno == EAGAIN)
		return false;
	assert_int_equal(n, len);
	return true;
}

/* ---------------------------------------------------------------------------------------------------------- datagrams
 */

static void pair(int family, int protocol, int *a, int *b)
{
	struct sockaddr_storage addr;
	socklen_t len = loopback(family, 0, &addr);

	*a = opened(family, SOCK_DGRAM, protocol);
	*b = opened(family, SOCK_DGRAM, protocol);
	TRY(f.bind(on(*b), (struct sockaddr *)&addr, len));
	assert_int_equal(f.getsockname(on(*b), (struct sockaddr *)&addr, &len), 0);
	TRY(f.connect(on(*a), (struct sockaddr *)&addr, len));
}

static void datagrams(int family, int protocol)
{
	struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, 0xffff)};
	struct sock_fprog program = {1, all};
	static char bytes[5000];
	int a, b;

	pair(family, protocol, &a, &b);
	set(b, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
	set_int(b, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	assert_int_equal(TRY(f.send(on(a), "hello", 5, 0)), 5);
	if (!came(b, 5)) {
		assert_int_equal(TRY(f.send(on(a), "hello", 5, 0)), 5);
		assert_true(came(b, 5));
	}
	set_int(a, IPPROTO_UDP, UDP_CORK, 1);
	assert_int_equal(TRY(f.send(on(a), bytes, 2000, 0)), 2000);
	assert_int_equal(TRY(f.send(on(a), bytes, 3000, 0)), 3000);
	set_int(a, IPPROTO_UDP, UDP_CORK, 0);
	came(b, 5000);
	closed(a);
	closed(b);
}

static void step_udp(void)
{
	datagrams(AF_INET, 0);
	datagrams(AF_INET6, 0);
}

static void step_udplite(void)
{
	datagrams(AF_INET, IPPROTO_UDPLITE);
	datagrams(AF_INET6, IPPROTO_UDPLITE);
}

/** step_errors - ICMP says that there is nobody; the error is to be had from the queue, or from the socket */
static void step_errors(void)
{
	for (int i = 0; i < 2; i++) {
		int family = i == 0 ? AF_INET : AF_INET6, a, b, error = 0;
		char control[256], byte;
		struct iovec piece = {&byte, 1};
		struct msghdr msg = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = 256};
		socklen_t len = sizeof(error);

		pair(family, 0, &a, &b);
		set_int(a, i == 0 ? IPPROTO_IP : IPPROTO_IPV6, i == 0 ? IP_RECVERR : IPV6_RECVERR, 1);
		closed(b);
		assert_int_equal(TRY(f.send(on(a), "x", 1, 0)), 1);
		assert_int_equal(f.getsockopt(on(a), SOL_SOCKET, SO_ERROR, &error, &len), 0);
		assert_true(error == ECONNREFUSED || (failed && error == 0));
		assert_true(f.recvmsg(on(a), &msg, MSG_ERRQUEUE) == 1 || (failed && errno == EAGAIN));
		closed(a);
	}
}

static void step_groups(void)
{
	struct ip_mreqn group = {.imr_multiaddr = {htonl(0xe0000063)}, .imr_ifindex = 1};
	struct ip_mreq_source source = {.imr_multiaddr = {htonl(0xe0000064)}, .imr_interface = {htonl(0x7f000001)}};
	struct group_source_req other = {.gsr_interface = 1};
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = {{{0xff, 2, [15] = 0x63}}}};
	int four = opened(AF_INET, SOCK_DGRAM, 0), six = opened(AF_INET6, SOCK_DGRAM, 0);

	set(four, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group));
	for (uint32_t i = 1; i <= 10; i++) {
		source.imr_sourceaddr.s_addr = htonl(0x0a000000 + i);
		set(four, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &source, sizeof(source));
	}
	memcpy(&other.gsr_group, &address, sizeof(address));
	address.sin6_addr = (struct in6_addr){{{0xfd, 1}}};
	for (uint8_t i = 1; i <= 20; i++) {
		address.sin6_addr.s6_addr[15] = i;
		memcpy(&other.gsr_source, &address, sizeof(address));
		set(six, IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, &other, sizeof(other));
	}
	set(four, IPPROTO_IP, IP_DROP_MEMBERSHIP, &group, sizeof(group));
	closed(four);
	closed(six);
}

/* ------------------------------------------------------------------------------------------------------- raw, packet
 */

static void step_echo(void)
{
	static const int type[] = {SOCK_DGRAM, SOCK_RAW};

	for (int i = 0; i < 4; i++) {
		int family = i < 2 ? AF_INET : AF_INET6;
		int fd = opened(family, type[i % 2], family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
		unsigned char request[8] = {family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST}, answer[512];
		struct sockaddr_storage addr;
		socklen_t len = loopback(family, 0, &addr);

		if (family == AF_INET)
			request[2] = 0xf7, request[3] = 0xff;
		assert_int_equal(TRY(f.sendto(on(fd), request, 8, 0, (struct sockaddr *)&addr, len)), 8);
		assert_true(f.recv(on(fd), answer, sizeof(answer), 0) >= 8 || (failed && errno == EAGAIN));
		closed(fd);
	}
}

static void step_packet(void)
{
	struct sockaddr_ll lo = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = 1};
	struct packet_mreq all = {.mr_ifindex = 1, .mr_type = PACKET_MR_PROMISC};
	int fd = opened(AF_PACKET, SOCK_RAW, 0), a, b;
	char frame[256];

	TRY(f.bind(on(fd), (struct sockaddr *)&lo, sizeof(lo)));
	set(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all));
	set_int(fd, SOL_PACKET, PACKET_AUXDATA, 1);
	pair(AF_INET, 0, &a, &b);
	assert_int_equal(TRY(f.send(on(a), "hello", 5, 0)), 5);
	assert_true(f.recv(on(fd), frame, sizeof(frame), 0) == 14 + 28 + 5 || (failed && errno == EAGAIN));
	closed(a);
	closed(b);
	closed(fd);
}

/* ------------------------------------------------------------------------------------------------------------- netlink
 */

struct request {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
		struct rtmsg route;
		struct ndmsg neigh;
	};
	unsigned char attrs[64];
};

static struct request *request(struct request *r, int type, int flags, size_t body)
{
	memset(r, 0, sizeof(*r));
	r->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
	r->head.nlmsg_type = (uint16_t)type;
	r->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	return r;
}

static void attr(struct request *r, int type, const void *data, size_t len)
{
	struct rtattr *at = (struct rtattr *)((unsigned char *)r + NLMSG_ALIGN(r->head.nlmsg_len));

	at->rta_len = (uint16_t)RTA_LENGTH(len);
	at->rta_type = (uint16_t)type;
	memcpy(RTA_DATA(at), data, len);
	r->head.nlmsg_len = (uint32_t)(NLMSG_ALIGN(r->head.nlmsg_len) + RTA_SPACE(len));
}

/** answer - to a request: 0 or a negative errno; -ENOBUFS also when the answer was lost for lack of memory */
static int answer(int fd, const struct request *r)
{
	static _Alignas(8) unsigned char bytes[16384];
	int left = 100;

	if (f.send(on(fd), r, r->head.nlmsg_len, 0) < 0)
		return -errno;
	while (left-- > 0) {
		ssize_t len = f.recv(on(fd), bytes, sizeof(bytes), 0);
		struct nlmsghdr *head = (struct nlmsghdr *)bytes;

		if (len < 0)
			return failed && errno == EAGAIN ? -ENOBUFS : -errno;
		for (; NLMSG_OK(head, (size_t)len); head = NLMSG_NEXT(head, len)) {
			if (head->nlmsg_type == NLMSG_ERROR)
				return ((const struct nlmsgerr *)NLMSG_DATA(head))->error;
			if (head->nlmsg_type == NLMSG_DONE)
				return 0;
		}
	}
	fail_msg("the answer has no end");
	return 0;
}

/** ask - a request that has to be done, if not at once then when it is made again; done is @already, if its answer was lost */
static void ask(int fd, const struct request *r, int already)
{
	int error = answer(fd, r);

	if (error == -ENOMEM || error == -ENOBUFS) {
		assert_true(failed);
		while (f.recv(on(fd), &(char){0}, 1, 0) >= 0 || errno != EAGAIN)
			; /* what is left of it */
		error = answer(fd, r);
		if (error == already)
			error = 0;
	}
	if (error != 0)
		fail_msg("request of type %u: %s", r->head.nlmsg_type, strerror(-error));
}

static void step_netlink(void)
{
	static const unsigned char ip[4] = {10, 9, 9, 1}, net[4] = {10, 9, 8, 0};
	const uint32_t lo = 1;
	const struct sockaddr_nl groups = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR};
	int fd = opened(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), monitor = opened(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	struct request r;

	TRY(f.bind(on(monitor), (const struct sockaddr *)&groups, sizeof(groups)));
	request(&r, RTM_NEWLINK, 0, sizeof(r.link))->link.ifi_index = 1;
	attr(&r, IFLA_IFALIAS, "another name", 13);
	ask(fd, &r, 0);
	request(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(r.addr))->addr =
	        (struct ifaddrmsg){.ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = 1};
	attr(&r, IFA_LOCAL, ip, 4);
	ask(fd, &r, -EEXIST);
	request(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(r.route))->route =
	        (struct rtmsg){AF_INET, 24, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_UNIVERSE, RTN_UNICAST, 0};
	attr(&r, RTA_DST, net, 4);
	attr(&r, RTA_OIF, &lo, 4);
	ask(fd, &r, -EEXIST);
	request(&r, RTM_GETLINK, NLM_F_DUMP, sizeof(r.link));
	ask(fd, &r, 0);
	request(&r, RTM_GETADDR, NLM_F_DUMP, sizeof(r.addr));
	ask(fd, &r, 0);
	request(&r, RTM_GETROUTE, NLM_F_DUMP, sizeof(r.route));
	ask(fd, &r, 0);
	request(&r, RTM_DELROUTE, 0, sizeof(r.route))->route =
	        (struct rtmsg){AF_INET, 24, 0, 0, RT_TABLE_MAIN, 0, RT_SCOPE_NOWHERE, 0, 0};
	attr(&r, RTA_DST, net, 4);
	ask(fd, &r, -ESRCH);
	request(&r, RTM_DELADDR, 0, sizeof(r.addr))->addr =
	        (struct ifaddrmsg){.ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = 1};
	attr(&r, IFA_LOCAL, ip, 4);
	ask(fd, &r, -EADDRNOTAVAIL);
	closed(fd);
	closed(monitor);
}

/* ---------------------------------------------------------------------------------------------------------------- runs
 */

/** each - do a step with each of its allocations failing; the first time none does */
static void each(const char *name, void (*step)(void))
{
	unsigned int n;

	countdown = 0;
	failed = false;
	step();
	for (n = 1; n < ROUNDS_MAX; n++) {
		nomem_allocated = 0;
		failed = false;
		countdown = n;
		step();
		countdown = 0;
		if (nomem_allocated != 0)
			fail_msg("%s: allocation %u failed, and %ld pieces of memory are left", name, n,
			         nomem_allocated);
		if (!failed)
			break;
	}
	assert_in_range(n, 2, ROUNDS_MAX - 1); /* there was one that failed, and all have */
	print_message("%s: %u allocations\n", name, n - 1);
}

static void kinds(void **state)
{
	(void)state;
	each("udp", step_udp);
	each("udplite", step_udplite);
	each("errors", step_errors);
	each("groups", step_groups);
	each("echo", step_echo);
	each("packet", step_packet);
	each("netlink", step_netlink);
}

/** stacks - making a stack: it is there, or ENOMEM and nothing is left */
static void stacks(void **state)
{
	struct ioth_functions other = f;
	unsigned int n;
	void *made;

	(void)state;
	for (n = 1; n < ROUNDS_MAX; n++) {
		nomem_allocated = 0;
		failed = false;
		countdown = n;
		made = ioth_ipengine_newstack(NULL, "pcap=/dev/null", &other);
		countdown = 0;
		if (made)
			assert_int_equal(ioth_ipengine_delstack(made), 0);
		else
			assert_true(failed && errno == ENOMEM);
		assert_int_equal(nomem_allocated, 0);
		if (!failed)
			break;
	}
	assert_in_range(n, 2, ROUNDS_MAX - 1);
	print_message("a stack: %u allocations\n", n - 1);
}

static int setup(void **state)
{
	struct request up;
	int fd;

	(void)state;
	f = (struct ioth_functions){
	        .size = sizeof(f), .getstackdata = get_stack, .getsockdata = get_socket, .setsockdata = set_socket};
	nomem_now = it_fails;
	stack = ioth_ipengine_newstack(NULL, NULL, &f);
	if (!stack)
		return -1;
	fd = opened(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	request(&up, RTM_NEWLINK, 0, sizeof(up.link))->link =
	        (struct ifinfomsg){.ifi_index = 1, .ifi_flags = 1, .ifi_change = 1};
	ask(fd, &up, 0);
	closed(fd);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return ioth_ipengine_delstack(stack);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(kinds, setup, teardown),
	        cmocka_unit_test_setup_teardown(stacks, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
