/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Multicast memberships: who joins what, with which errors, and who then receives. */
#include "usock_same.h"

#include <arpa/inet.h>
#include <stdlib.h>

#define PORT 4301

static int bound(struct ioth *stack, int family, int port)
{
	int fd = ioth_msocket(stack, family, SOCK_DGRAM | SOCK_NONBLOCK, 0), on = 1;
	struct sockaddr_in addr = in4("0.0.0.0", port);
	struct sockaddr_in6 addr6 = in6("::", port, NULL, stack);

	assert_true(fd >= 0);
	assert_int_equal(ioth_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	if (family == AF_INET)
		assert_int_equal(ioth_bind(fd, SA(addr)), 0);
	else
		assert_int_equal(ioth_bind(fd, SA(addr6)), 0);
	return fd;
}

static void drain(int fd)
{
	char data[16];
	int got = 0;

	while (ioth_recv(fd, data, sizeof(data), 0) >= 0)
		got++;
	say("got %d", got);
}

static struct ip_mreqn mreqn(const char *group, const char *address, int index)
{
	struct ip_mreqn m = {.imr_ifindex = index};

	inet_pton(AF_INET, group, &m.imr_multiaddr);
	if (address)
		inet_pton(AF_INET, address, &m.imr_address);
	return m;
}

static struct group_req group(int family, const char *text, unsigned int index)
{
	struct group_req g;

	memset(&g, 0, sizeof(g));
	g.gr_interface = index;
	g.gr_group.ss_family = (sa_family_t)family;
	if (family == AF_INET)
		inet_pton(AF_INET, text, &((struct sockaddr_in *)&g.gr_group)->sin_addr);
	else
		inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&g.gr_group)->sin6_addr);
	return g;
}

static struct group_source_req source(int family, const char *text, const char *from, unsigned int index)
{
	struct group_source_req s;

	memset(&s, 0, sizeof(s));
	s.gsr_interface = index;
	s.gsr_group = group(family, text, index).gr_group;
	s.gsr_source = group(family, from, index).gr_group;
	return s;
}

static void join4(struct ioth *stack)
{
	static const struct {
		const char *group, *address;
		int index;
	} joins[] = {
	        {"224.9.9.9", NULL, 7},
	        {"224.9.9.9", NULL, 7},
	        {"224.9.9.9", "192.0.2.1", 0},
	        {"224.9.9.9", NULL, 0},
	        {"224.9.9.9", NULL, 1},
	        {"224.9.9.9", NULL, 99},
	        {"10.1.1.1", NULL, 7},
	        {"0.0.0.0", NULL, 7},
	        {"224.9.9.8", "192.0.2.77", 0},
	        {"224.0.0.1", NULL, 7},
	        {"239.255.255.255", "127.0.0.1", 0},
	};
	int fd = bound(stack, AF_INET, PORT);
	struct ip_mreqn m = mreqn("224.9.9.9", NULL, 7);

	for (size_t i = 0; i < sizeof(joins) / sizeof(joins[0]); i++) {
		m = mreqn(joins[i].group, joins[i].address, joins[i].index);
		say("join %zu", i);
		SAY(ioth_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	}
	for (size_t i = 0; i < sizeof(joins) / sizeof(joins[0]); i++) {
		m = mreqn(joins[i].group, joins[i].address, joins[i].index);
		say("leave %zu", i);
		SAY(ioth_setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof(m)));
		SAY(ioth_setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof(m)));
	}
	for (socklen_t len = 0; len < 14; len += 4)
		SAY(ioth_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, len));
	SAY(ioth_getsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, &(socklen_t){sizeof(m)}));
	ioth_close(fd);
	fd = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0);
	m = mreqn("224.9.9.9", NULL, 7);
	SAY(ioth_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	ioth_close(fd);
}

static void many(struct ioth *stack)
{
	int fd = bound(stack, AF_INET, PORT), fd6 = bound(stack, AF_INET6, PORT), joined = 0;

	for (int i = 1; i < 30; i++) {
		struct ip_mreqn m = {.imr_ifindex = 7, .imr_multiaddr = {htonl(0xe0090900U + (unsigned int)i)}};
		struct ipv6_mreq m6 = {.ipv6mr_interface = 7,
		                       .ipv6mr_multiaddr = {{{0xff, 2, [15] = (unsigned char)i}}}};

		if (ioth_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)) < 0)
			say("%d: %s", i, strerrorname_np(errno));
		joined += ioth_setsockopt(fd6, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m6, sizeof(m6)) == 0;
	}
	say("joined %d of IPv6", joined);
	ioth_close(fd);
	ioth_close(fd6);
}

static void join6(struct ioth *stack)
{
	static const struct {
		const char *group;
		unsigned int index;
	} joins[] = {{"ff02::99", 7}, {"ff02::99", 7},    {"ff02::99", 0}, {"ff02::99", 1}, {"ff02::99", 99},
	             {"ff05::99", 0}, {"2001:db8::1", 7}, {"::", 7},       {"ff02::1", 7}};
	int fd = bound(stack, AF_INET6, PORT);
	struct ipv6_mreq m;
	struct ip_mreqn m4 = mreqn("224.9.9.9", NULL, 7);

	for (int leave = 0; leave < 2; leave++) {
		for (size_t i = 0; i < sizeof(joins) / sizeof(joins[0]); i++) {
			memset(&m, 0, sizeof(m));
			m.ipv6mr_interface = joins[i].index;
			inet_pton(AF_INET6, joins[i].group, &m.ipv6mr_multiaddr);
			say("%d %zu", leave, i);
			SAY(ioth_setsockopt(fd, IPPROTO_IPV6, leave ? IPV6_LEAVE_GROUP : IPV6_JOIN_GROUP, &m,
			                    sizeof(m)));
		}
	}
	SAY(ioth_setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof(m) - 1));
	SAY(ioth_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m4, sizeof(m4)));
	ioth_close(fd);
}

static void send4(struct ioth *stack)
{
	int a = bound(stack, AF_INET, PORT), b = bound(stack, AF_INET, PORT), sender = bound(stack, AF_INET, PORT + 1),
	    value = 0;
	struct ip_mreqn m = mreqn("224.9.9.9", NULL, 7);
	struct sockaddr_in to = in4("224.9.9.9", PORT), from;
	socklen_t len = sizeof(from);
	char data[8];

	SAY(ioth_setsockopt(sender, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof(m)));
	SAY(ioth_sendto(sender, "x", 1, 0, SA(to)));
	drain(a);
	drain(b);
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	SAY(ioth_sendto(sender, "x", 1, 0, SA(to)));
	SAY(ioth_recvfrom(a, data, sizeof(data), 0, (struct sockaddr *)&from, &len));
	same_hex("from", &from, len);
	drain(b);
	SAY(ioth_setsockopt(b, IPPROTO_IP, IP_MULTICAST_ALL, &value, sizeof(value)));
	SAY(ioth_sendto(sender, "x", 1, 0, SA(to)));
	drain(a);
	drain(b);
	SAY(ioth_setsockopt(sender, IPPROTO_IP, IP_MULTICAST_LOOP, &value, sizeof(value)));
	SAY(ioth_sendto(sender, "x", 1, 0, SA(to)));
	drain(a);
	value = 1;
	SAY(ioth_setsockopt(sender, IPPROTO_IP, IP_MULTICAST_LOOP, &value, sizeof(value)));
	value = 0;
	SAY(ioth_setsockopt(sender, IPPROTO_IP, IP_MULTICAST_TTL, &value, sizeof(value)));
	SAY(ioth_sendto(sender, "x", 1, 0, SA(to)));
	drain(a);
	SAY(ioth_connect(sender, SA(to)));
	SAY(ioth_send(sender, "x", 1, 0));
	drain(a);
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof(m)));
	SAY(ioth_send(sender, "x", 1, 0));
	drain(a);
	ioth_close(a);
	ioth_close(b);
	ioth_close(sender);
}

static void send6(struct ioth *stack)
{
	int a = bound(stack, AF_INET6, PORT), b = bound(stack, AF_INET6, PORT),
	    sender = bound(stack, AF_INET6, PORT + 1), value = 0;
	struct sockaddr_in6 to = in6("ff02::99", PORT, "d0", stack), bare = in6("ff02::99", PORT, NULL, stack),
	                    wide = in6("ff05::99", PORT, NULL, stack);
	struct group_req g = group(AF_INET6, "ff02::99", 7), w = group(AF_INET6, "ff05::99", 7);

	SAY(ioth_sendto(sender, "x", 1, 0, SA(to)));
	drain(a);
	SAY(ioth_setsockopt(a, IPPROTO_IPV6, MCAST_JOIN_GROUP, &g, sizeof(g)));
	SAY(ioth_setsockopt(a, IPPROTO_IPV6, MCAST_JOIN_GROUP, &w, sizeof(w)));
	SAY(ioth_sendto(sender, "x", 1, 0, SA(to)));
	drain(a);
	drain(b);
	SAY(ioth_setsockopt(b, IPPROTO_IPV6, 29 /* IPV6_MULTICAST_ALL */, &value, sizeof(value)));
	SAY(ioth_sendto(sender, "x", 1, 0, SA(to)));
	drain(b);
	drain(a);
	value = 7;
	SAY(ioth_setsockopt(sender, IPPROTO_IPV6, IPV6_MULTICAST_IF, &value, sizeof(value)));
	SAY(ioth_sendto(sender, "x", 1, 0, SA(bare)));
	SAY(ioth_sendto(sender, "x", 1, 0, SA(wide)));
	drain(a);
	value = 0;
	SAY(ioth_setsockopt(sender, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &value, sizeof(value)));
	SAY(ioth_sendto(sender, "x", 1, 0, SA(bare)));
	drain(a);
	ioth_close(a);
	ioth_close(b);
	ioth_close(sender);
}

/** sources - the options about sources, in this order, with what each says and who is heard afterwards */
static void sources(struct ioth *stack)
{
	static const struct {
		int name;
		const char *from;
	} steps[] = {
	        {MCAST_BLOCK_SOURCE, "192.0.2.1"},
	        {MCAST_JOIN_SOURCE_GROUP, "198.51.100.1"},
	        {MCAST_JOIN_SOURCE_GROUP, "198.51.100.1"},
	        {MCAST_JOIN_SOURCE_GROUP, "192.0.2.1"},
	        {MCAST_BLOCK_SOURCE, "192.0.2.1"},
	        {MCAST_JOIN_GROUP, NULL},
	        {MCAST_LEAVE_SOURCE_GROUP, "192.0.2.1"},
	        {MCAST_LEAVE_SOURCE_GROUP, "192.0.2.1"},
	        {MCAST_LEAVE_SOURCE_GROUP, "198.51.100.1"},
	        {MCAST_LEAVE_SOURCE_GROUP, "198.51.100.1"},
	        {MCAST_JOIN_GROUP, NULL},
	        {MCAST_UNBLOCK_SOURCE, "192.0.2.1"},
	        {MCAST_BLOCK_SOURCE, "192.0.2.1"},
	        {MCAST_BLOCK_SOURCE, "192.0.2.1"},
	        {MCAST_BLOCK_SOURCE, "192.0.2.9"},
	        {MCAST_JOIN_SOURCE_GROUP, "192.0.2.1"},
	        {MCAST_UNBLOCK_SOURCE, "192.0.2.1"},
	        {MCAST_UNBLOCK_SOURCE, "192.0.2.9"},
	        {MCAST_JOIN_SOURCE_GROUP, "192.0.2.1"},
	        {MCAST_LEAVE_GROUP, NULL},
	        {MCAST_LEAVE_GROUP, NULL},
	};
	int a = bound(stack, AF_INET, PORT), sender = bound(stack, AF_INET, PORT + 1);
	struct ip_mreqn m = mreqn("224.9.9.9", NULL, 7);
	struct sockaddr_in to = in4("224.9.9.9", PORT);

	SAY(ioth_setsockopt(sender, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof(m)));
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct group_req g = group(AF_INET, "224.9.9.9", 7);
		struct group_source_req s = source(AF_INET, "224.9.9.9", steps[i].from ? steps[i].from : "0.0.0.0", 7);

		say("step %zu: %d %s", i, steps[i].name, steps[i].from ? steps[i].from : "");
		if (steps[i].from)
			SAY(ioth_setsockopt(a, IPPROTO_IP, steps[i].name, &s, sizeof(s)));
		else
			SAY(ioth_setsockopt(a, IPPROTO_IP, steps[i].name, &g, sizeof(g)));
		SAY(ioth_sendto(sender, "x", 1, 0, SA(to)));
		drain(a);
	}
	ioth_close(a);
	ioth_close(sender);
}

static void old_sources(struct ioth *stack)
{
	int a = bound(stack, AF_INET, PORT);
	struct ip_mreq_source s;

	memset(&s, 0, sizeof(s));
	inet_pton(AF_INET, "224.9.9.9", &s.imr_multiaddr);
	inet_pton(AF_INET, "192.0.2.1", &s.imr_interface);
	for (unsigned int i = 1; i < 14; i++) {
		s.imr_sourceaddr.s_addr = htonl(0x0a000000 + i);
		say("source %u", i);
		SAY(ioth_setsockopt(a, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &s, sizeof(s)));
	}
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_BLOCK_SOURCE, &s, sizeof(s)));
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &s, sizeof(s) - 1));
	s.imr_sourceaddr.s_addr = htonl(0x0a000001);
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP, &s, sizeof(s)));
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP, &s, sizeof(s)));
	ioth_close(a);
}

static void filters(struct ioth *stack)
{
	int a = bound(stack, AF_INET, PORT);
	struct ip_mreqn m = mreqn("224.9.9.9", NULL, 7);
	union {
		struct ip_msfilter f;
		char bytes[IP_MSFILTER_SIZE(20)];
	} u;
	socklen_t len;

	memset(&u, 0, sizeof(u));
	u.f.imsf_multiaddr = m.imr_multiaddr;
	inet_pton(AF_INET, "192.0.2.1", &u.f.imsf_interface);
	u.f.imsf_fmode = MCAST_EXCLUDE;
	u.f.imsf_numsrc = 2;
	u.f.imsf_slist[0].s_addr = htonl(0x0a000001);
	memcpy(u.bytes + IP_MSFILTER_SIZE(1), &(uint32_t){htonl(0x0a000002)}, 4);
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_MSFILTER, &u, IP_MSFILTER_SIZE(2)));
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_MSFILTER, &u, IP_MSFILTER_SIZE(2)));
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_MSFILTER, &u, IP_MSFILTER_SIZE(1)));
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_MSFILTER, &u, 4));
	for (unsigned int room = 0; room < 4; room++) {
		u.f.imsf_numsrc = room;
		len = (socklen_t)IP_MSFILTER_SIZE(room);
		SAY(ioth_getsockopt(a, IPPROTO_IP, IP_MSFILTER, &u, &len));
		same_hex("filter", &u, len);
	}
	u.f.imsf_numsrc = 11;
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_MSFILTER, &u, IP_MSFILTER_SIZE(11)));
	u.f.imsf_numsrc = 0;
	u.f.imsf_fmode = 7;
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_MSFILTER, &u, IP_MSFILTER_SIZE(0)));
	u.f.imsf_fmode = MCAST_INCLUDE;
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_MSFILTER, &u, IP_MSFILTER_SIZE(0)));
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_MSFILTER, &u, IP_MSFILTER_SIZE(0)));
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof(m)));
	ioth_close(a);
}

static void group_filters(struct ioth *stack)
{
	for (int i = 0; i < 2; i++) {
		int family = i ? AF_INET6 : AF_INET, level = i ? IPPROTO_IPV6 : IPPROTO_IP,
		    a = bound(stack, family, PORT);
		struct group_req g = group(family, i ? "ff05::9" : "224.9.9.9", 7);
		union {
			struct group_filter f;
			char bytes[GROUP_FILTER_SIZE(4)];
		} u;
		socklen_t len;

		memset(&u, 0, sizeof(u));
		u.f.gf_interface = 7;
		u.f.gf_group = g.gr_group;
		u.f.gf_fmode = MCAST_INCLUDE;
		u.f.gf_numsrc = 1;
		u.f.gf_slist[0] = group(family, i ? "2001:db8::5" : "10.0.0.1", 0).gr_group;
		SAY(ioth_setsockopt(a, level, MCAST_MSFILTER, &u, GROUP_FILTER_SIZE(1)));
		SAY(ioth_setsockopt(a, level, MCAST_JOIN_GROUP, &g, sizeof(g)));
		SAY(ioth_setsockopt(a, level, MCAST_MSFILTER, &u, GROUP_FILTER_SIZE(1)));
		for (unsigned int room = 0; room < 3; room++) {
			u.f.gf_numsrc = room;
			len = (socklen_t)GROUP_FILTER_SIZE(room);
			SAY(ioth_getsockopt(a, level, MCAST_MSFILTER, &u, &len));
			say("len %u mode %u sources %u", (unsigned int)len, u.f.gf_fmode, u.f.gf_numsrc);
		}
		same_hex("source", &u.f.gf_slist[0], 28);
		SAY(ioth_setsockopt(a, level, MCAST_MSFILTER, &u, 7));
		g = group(i ? AF_INET : AF_INET6, i ? "224.9.9.9" : "ff05::9", 7);
		SAY(ioth_setsockopt(a, level, MCAST_JOIN_GROUP, &g, sizeof(g)));
		SAY(ioth_setsockopt(a, level, MCAST_JOIN_GROUP, &g, 8));
		ioth_close(a);
	}
}

/** gone - the interface of a membership is deleted */
static void gone(struct ioth *stack)
{
	int a = bound(stack, AF_INET, PORT), a6 = bound(stack, AF_INET6, PORT), b = bound(stack, AF_INET, PORT);
	struct ip_mreqn m = mreqn("224.9.9.9", NULL, 9);
	struct group_req g = group(AF_INET6, "ff05::9", 9);

	assert_true(ioth_iplink_add(stack, "d9", 9, stack ? "dummy" : "veth", NULL, 0) >= 0);
	assert_int_equal(ioth_linksetupdown(stack, 9, 1), 0);
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	SAY(ioth_setsockopt(b, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	SAY(ioth_setsockopt(a6, IPPROTO_IPV6, MCAST_JOIN_GROUP, &g, sizeof(g)));
	assert_int_equal(ioth_iplink_del(stack, "d9", 0), 0);
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof(m)));
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof(m)));
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	SAY(ioth_setsockopt(a6, IPPROTO_IPV6, MCAST_LEAVE_GROUP, &g, sizeof(g)));
	ioth_close(a);
	ioth_close(a6);
	ioth_close(b);
}

#define SAME(script)                                                                                                   \
	static void same_##script(void **state)                                                                        \
	{                                                                                                              \
		(void)state;                                                                                           \
		same(script);                                                                                          \
	}

SAME(join4)
SAME(many)
SAME(join6)
SAME(send4)
SAME(send6)
SAME(sources)
SAME(old_sources)
SAME(filters)
SAME(group_filters)
SAME(gone)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(same_join4),         cmocka_unit_test(same_many),
	        cmocka_unit_test(same_join6),         cmocka_unit_test(same_send4),
	        cmocka_unit_test(same_send6),         cmocka_unit_test(same_sources),
	        cmocka_unit_test(same_old_sources),   cmocka_unit_test(same_filters),
	        cmocka_unit_test(same_group_filters), cmocka_unit_test(same_gone),
	};

	same_place();
	return cmocka_run_group_tests(tests, same_open, same_close);
}
