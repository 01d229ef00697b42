/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_inet_nd.c - neighbour discovery: solicitations, duplicate address detection, routers, redirects.
 *
 * What the table of solicitations expects is asked of the kernel of this machine as well, over a veth pair.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "neigh_net.h"
#include "netns.h"

#define NONCE 14
#define OVERRIDE 0x20
#define SOLICITED 0x40
#define ROUTER 0x80

static const unsigned char peer_mac[6] = {0x02, 0, 0, 0, 0, 0x77};

/** struct packet - a frame with an ICMPv6 message, being built */
struct packet {
	unsigned char frame[14 + 40 + 600];
	size_t len; /* of the message */
};

static unsigned char *icmp_of(struct packet *p)
{
	return p->frame + 54;
}

static void begin(struct packet *p, uint8_t type, const char *src, const char *dst, size_t len)
{
	union inet_ip from = net_ip(src), to = net_ip(dst);

	memset(p, 0, sizeof(*p));
	memcpy(p->frame, net_mac_a, 6);
	if (to.v6.s6_addr[0] == 0xff)
		inet__group_mac(AF_INET6, &to, p->frame);
	memcpy(p->frame + 6, peer_mac, 6);
	inet__put16(p->frame + 12, 0x86dd);
	p->frame[14] = 0x60;
	p->frame[20] = IPPROTO_ICMPV6;
	p->frame[21] = 255;
	memcpy(p->frame + 22, &from, 16);
	memcpy(p->frame + 38, &to, 16);
	icmp_of(p)[0] = type;
	p->len = len;
}

static void option(struct packet *p, uint8_t type, const void *content, size_t len)
{
	unsigned char *at = icmp_of(p) + p->len;

	at[0] = type;
	at[1] = (unsigned char)((len + 2 + 7) / 8);
	memcpy(at + 2, content, len);
	p->len += at[1] * 8U;
}

/** finish - lengths and checksum; returns the length of the frame */
static size_t finish(struct packet *p)
{
	unsigned char *icmp = icmp_of(p);
	uint32_t sum = (uint32_t)p->len + IPPROTO_ICMPV6;

	inet__put16(p->frame + 18, (unsigned int)p->len);
	inet__put16(icmp + 2, 0);
	for (size_t i = 22; i < 54 + p->len; i += 2)
		sum += inet__get16(p->frame + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	inet__put16(icmp + 2, ~sum & 0xffff);
	return 54 + p->len;
}

static void input(struct net *net, struct packet *p)
{
	net_input(net->a, p->frame, finish(p));
}

/* --------------------------------------------------------------------------------------------------- solicitations */

#define NODE_1 "ff02::1:ff00:1" /* the solicited-node group of fe80::1 and 2001:db8::1 */

enum answer { NO, ALL_NODES, BACK };

static const struct solicitation {
	const char *what, *src, *dst, *target;
	uint8_t option;     /* ND_OPT_*, NONCE; 0: none */
	uint8_t option_len; /* in units of 8 bytes, as it says; 1 is right */
	unsigned char hop_limit, code;
	enum answer answer;
	unsigned int flags;
	bool known; /* is the sender known afterwards? */
} solicitations[] = {
        {"to the group", "fe80::20", NODE_1, "fe80::1", 1, 1, 255, 0, BACK, SOLICITED | OVERRIDE, true},
        {"to us", "fe80::21", "fe80::1", "fe80::1", 1, 1, 255, 0, BACK, SOLICITED, true},
        {"from another prefix", "2001:db8::22", NODE_1, "2001:db8::1", 1, 1, 255, 0, BACK, SOLICITED | OVERRIDE, true},
        {"a probe", "::", NODE_1, "fe80::1", 0, 0, 255, 0, ALL_NODES, OVERRIDE, false},
        {"a probe with a nonce", "::", NODE_1, "fe80::1", NONCE, 1, 255, 0, ALL_NODES, OVERRIDE, false},
        {"a probe that says where it is from", "::", NODE_1, "fe80::1", 1, 1, 255, 0, NO, 0, false},
        {"a probe to us alone", "::", "fe80::1", "fe80::1", 0, 0, 255, 0, NO, 0, false},
        {"for somebody else", "fe80::23", NODE_1, "fe80::99", 1, 1, 255, 0, NO, 0, false},
        {"for a group", "fe80::24", NODE_1, "ff02::1", 1, 1, 255, 0, NO, 0, false},
        {"from behind a router", "fe80::25", NODE_1, "fe80::1", 1, 1, 254, 0, NO, 0, false},
        {"with a code", "fe80::26", NODE_1, "fe80::1", 1, 1, 255, 1, NO, 0, false},
        {"an option without length", "fe80::27", NODE_1, "fe80::1", 1, 0, 255, 0, NO, 0, false},
        {"an option that is too long", "fe80::28", NODE_1, "fe80::1", 1, 2, 255, 0, NO, 0, false},
        {"an option that is unknown", "::", NODE_1, "fe80::1", 200, 1, 255, 0, ALL_NODES, OVERRIDE, false},
};

#define SOLICITATIONS (sizeof(solicitations) / sizeof(solicitations[0]))

static void solicitation(struct packet *p, const struct solicitation *s)
{
	union inet_ip target = net_ip(s->target);

	begin(p, ND_NEIGHBOR_SOLICIT, s->src, s->dst, 24);
	icmp_of(p)[1] = s->code;
	p->frame[21] = s->hop_limit;
	memcpy(icmp_of(p) + 8, &target, 16);
	if (s->option > 0) {
		option(p, s->option, peer_mac, 6);
		icmp_of(p)[24 + 1] = s->option_len;
	}
}

static void test_solicitations(void **state)
{
	struct net *net = net_open();

	(void)state;
	for (size_t i = 0; i < SOLICITATIONS; i++) {
		const struct solicitation *s = &solicitations[i];
		union inet_ip target = net_ip(s->target), dst = net_ip(s->answer == BACK ? s->src : "ff02::1");
		struct packet p;
		struct net_nd nd;

		solicitation(&p, s);
		input(net, &p);
		if (net_count(net) != (s->answer != NO ? 1U : 0U) || (net_state(net->a, s->src) != 0) != s->known)
			fail_msg("%s: %u answers, state %x", s->what, net_count(net), net_state(net->a, s->src));
		if (s->answer == NO)
			continue;
		net_nd_take(net, &nd);
		assert_int_equal(nd.message[0], ND_NEIGHBOR_ADVERT);
		assert_int_equal(nd.hop_limit, 255);
		assert_int_equal(nd.message[4], s->flags);
		assert_memory_equal(nd.message + 8, &target, 16);
		assert_memory_equal(&nd.src, &target, 16);
		assert_memory_equal(&nd.dst, &dst, 16);
		assert_memory_equal(nd.to, s->answer == BACK ? (const void *)peer_mac : "\x33\x33\0\0\0\1", 6);
		if (s->flags & OVERRIDE)
			assert_memory_equal(net_nd_option(&nd, 24, ND_OPT_TARGET_LINKADDR), "\2\1\2\0\0\0\0\x0a", 8);
	}
	net_close(net);
}

/** Whatever a message is cut to, what is behind its end is not read (a sanitizer watches), and it does nothing. */
static void test_truncated(void **state)
{
	static const uint8_t types[] = {ND_ROUTER_SOLICIT, ND_ROUTER_ADVERT, ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT,
	                                ND_REDIRECT};
	static const size_t fixed[] = {8, 16, 24, 24, 40};
	struct net *net = net_open();
	union inet_ip src = net_ip("fe80::2"), dst = net_ip("fe80::1");

	(void)state;
	net->inet->forwarding = true; /* so that solicitations of routers are looked at */
	for (size_t i = 0; i < sizeof(types); i++) {
		for (size_t len = 1; len < fixed[i] + 8; len++) {
			unsigned char *message = calloc(1, len);

			assert_non_null(message);
			message[0] = types[i];
			if (types[i] != ND_ROUTER_ADVERT && len >= 24)
				memcpy(message + 8, &dst, 16);
			if (len > fixed[i])
				message[fixed[i]] = 1;
			if (len > fixed[i] + 1)
				message[fixed[i] + 1] = 1;
			if (len != fixed[i])
				assert_true(inet_icmp6_input(net->a, &src.v6, &dst.v6, 255, message, len));
			free(message);
		}
	}
	assert_int_equal(net_count(net), 0);
	assert_null(net_neigh(net->a, "fe80::2"));
	net->inet->forwarding = false;
	net_close(net);
}

static void test_asking(void **state)
{
	struct net *net = net_open();
	union inet_ip target = net_ip("2001:db8::2"), group = net_ip("ff02::1:ff00:2"), own = net_ip("2001:db8::1"),
	              link_local = net_ip("fe80::1");
	struct net_nd nd;

	(void)state;
	net_send6(net->a, "2001:db8::1", "2001:db8::2", 60);
	net_nd_take(net, &nd);
	assert_int_equal(nd.message[0], ND_NEIGHBOR_SOLICIT);
	assert_int_equal(nd.hop_limit, 255);
	assert_memory_equal(&nd.src, &own, 16); /* the address of the packet that waits */
	assert_memory_equal(&nd.dst, &group, 16);
	assert_memory_equal(nd.to, "\x33\x33\xff\0\0\2", 6);
	assert_memory_equal(nd.message + 8, &target, 16);
	assert_memory_equal(net_nd_option(&nd, 24, ND_OPT_SOURCE_LINKADDR), "\1\1\2\0\0\0\0\x0a", 8);
	assert_int_equal(nd.len, 32);
	/* When it is known and in doubt: it alone, from the link-local address. */
	inet__neigh_learn(net->a, AF_INET6, &target, peer_mac, NUD_REACHABLE, INET__NEIGH_OVERRIDE, true);
	net_pass(net, 60 * INET_SECOND);
	net_send6(net->a, "2001:db8::1", "2001:db8::2", 60);
	net_skip(net);
	net_pass(net, 5 * INET_SECOND);
	net_nd_take(net, &nd);
	assert_memory_equal(nd.to, peer_mac, 6);
	assert_memory_equal(&nd.dst, &target, 16);
	assert_memory_equal(&nd.src, &link_local, 16);
	net_close(net);
}

/* --------------------------------------------------------------------------------------------- duplicate addresses */

static struct inet_addr *tentative(struct net *net, struct net_nd *probe)
{
	struct inet__addr_spec spec = {
	        .family = AF_INET6, .prefixlen = 64, .preferred = INET_FOREVER, .valid = INET_FOREVER};
	struct inet_addr *addr;

	spec.local = spec.peer = net_ip("2001:db8::7");
	assert_int_equal(inet__addr_add(net->a, &spec, NLM_F_CREATE | NLM_F_EXCL, &addr), 0);
	assert_true(addr->flags & IFA_F_TENTATIVE);
	net_pass(net, INET_SECOND); /* the first one is late by a random part of a second */
	net_nd_take(net, probe);
	return addr;
}

static void test_duplicates(void **state)
{
	union inet_ip target = net_ip("2001:db8::7"), group = net_ip("ff02::1:ff00:7"), nobody = net_ip("::");

	(void)state;
	for (int round = 0; round < 5; round++) {
		struct net *net = net_open();
		struct net_nd probe;
		struct inet_addr *addr = tentative(net, &probe);
		const unsigned char *nonce = net_nd_option(&probe, 24, NONCE);
		struct packet p;

		assert_int_equal(probe.message[0], ND_NEIGHBOR_SOLICIT);
		assert_memory_equal(&probe.src, &nobody, 16);
		assert_memory_equal(&probe.dst, &group, 16);
		assert_memory_equal(probe.message + 8, &target, 16);
		assert_null(net_nd_option(&probe, 24, ND_OPT_SOURCE_LINKADDR));
		assert_non_null(nonce);

		if (round == 0) {
			begin(&p, ND_NEIGHBOR_ADVERT, "2001:db8::7", "ff02::1", 24); /* it is somebody's */
			icmp_of(&p)[4] = OVERRIDE;
		} else {
			begin(&p, ND_NEIGHBOR_SOLICIT, round == 4 ? "fe80::2" : "::", "ff02::1:ff00:7", 24);
		}
		memcpy(icmp_of(&p) + 8, &target, 16);
		if (round == 1) /* somebody else wants it too */
			option(&p, NONCE, "abcdef", 6);
		if (round == 2) /* our own one, come back */
			option(&p, NONCE, nonce + 2, 6);
		if (round == 3) /* our own one, as a frame of ours */
			memcpy(p.frame + 6, net_mac_a, 6);
		if (round == 4) /* somebody asks for it */
			option(&p, ND_OPT_SOURCE_LINKADDR, peer_mac, 6);
		input(net, &p);
		assert_int_equal(net_count(net), 0);
		assert_int_equal(addr->flags & IFA_F_DADFAILED, round < 2 ? IFA_F_DADFAILED : 0);
		net_pass(net, 2 * INET_SECOND);
		assert_int_equal(addr->flags & IFA_F_TENTATIVE, round < 2 ? IFA_F_TENTATIVE : 0);
		net_close(net);
	}
}

/** Once it is ours nobody takes it away. */
static void test_claimed(void **state)
{
	struct net *net = net_open();
	union inet_ip own = net_ip("fe80::1");
	struct packet p;

	(void)state;
	begin(&p, ND_NEIGHBOR_ADVERT, "fe80::1", "ff02::1", 24);
	icmp_of(&p)[4] = OVERRIDE;
	memcpy(icmp_of(&p) + 8, &own, 16);
	option(&p, ND_OPT_TARGET_LINKADDR, peer_mac, 6);
	input(net, &p);
	assert_non_null(inet_local(net->inet, AF_INET6, &own, net->a));
	assert_null(net_neigh(net->a, "fe80::1"));
	net_close(net);
}

/* --------------------------------------------------------------------------------------------------------- routers */

static void advert(struct packet *p, const char *src, unsigned int lifetime)
{
	begin(p, ND_ROUTER_ADVERT, src, "ff02::1", 16);
	inet__put16(icmp_of(p) + 6, lifetime);
}

static void prefix_option(struct packet *p, const char *prefix, unsigned int len, unsigned int flags, uint32_t valid,
                          uint32_t preferred)
{
	union inet_ip ip = net_ip(prefix);
	unsigned char content[30] = {(unsigned char)len, (unsigned char)flags};

	inet__put32(content + 2, valid);
	inet__put32(content + 6, preferred);
	memcpy(content + 14, &ip, 16);
	option(p, ND_OPT_PREFIX_INFORMATION, content, sizeof(content));
}

/** struct found - the routes that match */
struct found {
	struct inet_iface *iface;
	uint8_t protocol;
	unsigned int count;
	struct inet_route last;
};

static int match(const struct inet_route *route, void *arg)
{
	struct found *found = arg;

	if (route->protocol == found->protocol && route->iface == found->iface && route->table == RT_TABLE_MAIN &&
	    route->expires != INET_NEVER) {
		found->count++;
		found->last = *route;
	}
	return 0;
}

static struct found routes(struct net *net, uint8_t protocol)
{
	struct found found = {.iface = net->a, .protocol = protocol};

	inet__route_each(net->inet, AF_INET6, match, &found);
	return found;
}

static struct inet_addr *slaac(struct net *net, unsigned int *count)
{
	struct inet_addr *last = NULL;

	*count = 0;
	for (struct inet_addr *addr = net->a->addrs; addr; addr = addr->next) {
		if (addr->family == AF_INET6 && addr->proto == 2 /* IFAPROT_KERNEL_RA */) {
			++*count;
			last = addr;
		}
	}
	return last;
}

/** must_slaac - the only address that a router made us configure */
static struct inet_addr *must_slaac(struct net *net)
{
	unsigned int made;
	struct inet_addr *addr = slaac(net, &made);

	if (!addr || made != 1) {
		fail_msg("%u addresses", made);
		abort();
	}
	return addr;
}

static void test_solicit_routers(void **state)
{
	struct net *net = net_open();
	struct packet p;
	struct net_nd nd;
	union inet_ip routers = net_ip("ff02::2"), own = net_ip("fe80::1");

	(void)state;
	for (int round = 0; round < 2; round++) {
		int64_t start = net->now;

		inet__nd_start(net->a);
		for (int i = 0; i < (round == 0 ? 3 : 1); i++) {
			net_nd_take(net, &nd);
			assert_int_equal(nd.message[0], ND_ROUTER_SOLICIT);
			assert_memory_equal(nd.to, "\x33\x33\0\0\0\2", 6);
			assert_memory_equal(&nd.dst, &routers, 16);
			assert_memory_equal(&nd.src, &own, 16);
			assert_int_equal(nd.hop_limit, 255);
			assert_non_null(net_nd_option(&nd, 8, ND_OPT_SOURCE_LINKADDR));
			assert_null(net_take(net));
			if (round == 1) { /* one answers */
				advert(&p, "fe80::9", 0);
				input(net, &p);
			}
			assert_true(inet_deadline(net->inet) ==
			            (round == 0 && i < 2 ? net->now + 4 * INET_SECOND : INET_NEVER));
			net_pass(net, 4 * INET_SECOND);
		}
		assert_true(net->now - start <= 12 * INET_SECOND);
		net_pass(net, 600 * INET_SECOND);
		assert_null(net_take(net));
	}
	net->a->accept_ra = false;
	inet__nd_start(net->a);
	assert_null(net_take(net));
	net_close(net);
}

static void test_default_router(void **state)
{
	struct net *net = net_open();
	union inet_ip router = net_ip("fe80::9");
	struct found found;
	struct packet p;

	(void)state;
	advert(&p, "fe80::9", 1800);
	icmp_of(&p)[4] = 33;   /* hop limit */
	icmp_of(&p)[5] = 0x08; /* high preference */
	option(&p, ND_OPT_SOURCE_LINKADDR, peer_mac, 6);
	input(net, &p);
	found = routes(net, RTPROT_RA);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.last.prefixlen, 0);
	assert_int_equal(found.last.metric, 1024);
	assert_int_equal(found.last.pref, 1);
	assert_int_equal(found.last.hoplimit, 33);
	assert_memory_equal(&found.last.gateway, &router, 16);
	assert_true(found.last.expires == net->now + 1800 * INET_SECOND);
	assert_int_equal(net_state(net->a, "fe80::9"), NUD_STALE);
	assert_int_equal(net_neigh(net->a, "fe80::9")->flags & NTF_ROUTER, NTF_ROUTER);
	assert_int_equal(net->a->hop_limit, 33);
	/* Again, and with what is reserved: medium. */
	net_pass(net, 100 * INET_SECOND);
	icmp_of(&p)[5] = 0x10;
	net->notified = 0;
	input(net, &p);
	assert_int_equal(net->notified, 1);
	found = routes(net, RTPROT_RA);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.last.pref, 0);
	assert_true(found.last.expires == net->now + 1800 * INET_SECOND);
	/* Its time is over; it says so itself; it is no router any more. */
	net_pass(net, 1799 * INET_SECOND);
	assert_int_equal(routes(net, RTPROT_RA).count, 1);
	net_pass(net, INET_SECOND);
	assert_int_equal(routes(net, RTPROT_RA).count, 0);
	input(net, &p);
	assert_int_equal(routes(net, RTPROT_RA).count, 1);
	advert(&p, "fe80::9", 0);
	input(net, &p);
	assert_int_equal(routes(net, RTPROT_RA).count, 0);
	advert(&p, "fe80::9", 1800);
	option(&p, ND_OPT_SOURCE_LINKADDR, peer_mac, 6);
	input(net, &p);
	begin(&p, ND_NEIGHBOR_ADVERT, "fe80::9", "fe80::1", 24);
	icmp_of(&p)[4] = SOLICITED | OVERRIDE;
	memcpy(icmp_of(&p) + 8, &router, 16);
	input(net, &p);
	assert_int_equal(routes(net, RTPROT_RA).count, 0);
	net_close(net);
}

static void test_not_believed(void **state)
{
	(void)state;
	for (int round = 0; round < 6; round++) {
		struct net *net = net_open();
		unsigned int made;
		struct packet p;

		advert(&p, round == 0 ? "2001:db8::9" : round == 1 ? "fe80::1" : "fe80::9", 1800);
		prefix_option(&p, "2001:db8:7::", 64, 0xc0, 1000, 1000);
		if (round == 2)
			p.frame[21] = 64;
		if (round == 3)
			net->a->accept_ra = false;
		if (round == 4)
			inet_set_forwarding(net->inet, true);
		if (round == 5)
			icmp_of(&p)[16 + 1] = 0;
		input(net, &p);
		assert_int_equal(routes(net, RTPROT_RA).count + routes(net, RTPROT_KERNEL).count, 0);
		assert_null(slaac(net, &made));
		net_close(net);
	}
}

static void test_prefix(void **state)
{
	struct net *net = net_open();
	union inet_ip eui = net_ip("2001:db8:7::ff:fe00:a");
	struct inet_addr *addr;
	struct found found;
	unsigned int made;
	struct packet p;

	(void)state;
	net->a->addr_gen_mode = IN6_ADDR_GEN_MODE_EUI64;
	advert(&p, "fe80::9", 0);
	prefix_option(&p, "2001:db8:7::", 64, 0xc0, 86400, 14400);
	prefix_option(&p, "2001:db8:8::", 64, 0x80, 1000, 500);  /* on the link, no address */
	prefix_option(&p, "2001:db8:9::", 64, 0x40, 1000, 2000); /* preferred for longer than valid */
	prefix_option(&p, "fe80::", 64, 0xc0, 1000, 500);        /* link-local */
	prefix_option(&p, "2001:db8:a::", 129, 0xc0, 1000, 500); /* no such length */
	prefix_option(&p, "2001:db8:b::", 48, 0x40, 1000, 500);  /* no address from this one */
	prefix_option(&p, "2001:db8:c::", 64, 0xc0, 0, 0);       /* no more */
	input(net, &p);
	found = routes(net, RTPROT_KERNEL);
	assert_int_equal(found.count, 2);
	assert_int_equal(found.last.metric, 256);
	addr = must_slaac(net);
	assert_memory_equal(&addr->local, &eui, 16);
	assert_int_equal(addr->prefixlen, 64);
	assert_true(addr->flags & IFA_F_TENTATIVE);
	assert_true(addr->valid_until == net->now + 86400 * INET_SECOND);
	assert_true(addr->preferred_until == net->now + 14400 * INET_SECOND);
	net_pass(net, 3 * INET_SECOND);
	assert_false(addr->flags & IFA_F_TENTATIVE);
	assert_false(addr->flags & IFA_F_PERMANENT);
	/* The route of the second one ends, the first one's is ended. */
	net_pass(net, 997 * INET_SECOND);
	assert_int_equal(routes(net, RTPROT_KERNEL).count, 1);
	advert(&p, "fe80::9", 0);
	prefix_option(&p, "2001:db8:7::", 64, 0x80, 0, 0);
	input(net, &p);
	assert_int_equal(routes(net, RTPROT_KERNEL).count, 0);
	/* In the end the address goes by itself. */
	net_pass(net, 86400 * INET_SECOND);
	assert_null(slaac(net, &made));
	net_close(net);
}

/** RFC 4862, 5.5.3 e: who is not the router cannot end an address within two hours. */
static void test_two_hours(void **state)
{
	static const struct {
		uint32_t first, then, left;
	} rules[] = {
	        {86400, 100000, 100000}, {86400, 10000, 10000},  {86400, 7201, 7201}, {86400, 7200, 7200},
	        {86400, 100, 7200},      {86400, 0, 7200},       {3600, 100, 3600},   {3600, 0, 3600},
	        {3600, 3601, 3601},      {3600, 100000, 100000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct net *net = net_open();
		struct inet_addr *addr;
		struct packet p;

		net->a->addr_gen_mode = IN6_ADDR_GEN_MODE_EUI64;
		advert(&p, "fe80::9", 0);
		prefix_option(&p, "2001:db8:7::", 64, 0x40, rules[i].first, 1000);
		input(net, &p);
		advert(&p, "fe80::9", 0);
		prefix_option(&p, "2001:db8:7::", 64, 0x40, rules[i].then, 0);
		input(net, &p);
		addr = must_slaac(net);
		assert_int_equal((addr->valid_until - net->now) / INET_SECOND, rules[i].left);
		assert_true(addr->flags & IFA_F_DEPRECATED);
		net_close(net);
	}
}

/** A stable private address that is taken has a successor; three of them at most. */
static void test_stable_duplicate(void **state)
{
	struct net *net = net_open();
	unsigned int made, tries = 0;
	struct inet_addr *addr;
	union inet_ip seen[8];
	struct packet p;

	(void)state;
	net->a->addr_gen_mode = IN6_ADDR_GEN_MODE_STABLE_PRIVACY;
	advert(&p, "fe80::9", 0);
	prefix_option(&p, "2001:db8:7::", 64, 0x40, 86400, 14400);
	input(net, &p);
	while ((addr = slaac(net, &made)) && tries < 8) {
		assert_int_equal(made, 1);
		assert_true(addr->flags & IFA_F_STABLE_PRIVACY);
		for (unsigned int i = 0; i < tries; i++)
			assert_memory_not_equal(&seen[i], &addr->local, 16);
		seen[tries++] = addr->local;
		begin(&p, ND_NEIGHBOR_ADVERT, "fe80::2", "ff02::1", 24);
		memcpy(icmp_of(&p) + 8, &addr->local, 16);
		input(net, &p);
	}
	assert_int_equal(tries, 4);
	net_close(net);
}

static void test_parameters(void **state)
{
	struct net *net = net_open();
	struct inet__neigh_params *params = inet__neigh_params(net->a, AF_INET6);
	static const unsigned char mtu[][6] = {{0, 0, 0, 0, 5, 0x78}, {0, 0, 0, 0, 4, 0xff}, {0, 0, 0, 0, 5, 0xdd}};
	struct packet p;

	(void)state;
	for (int i = 0; i < 3; i++) { /* 1400; 1279: too little for IPv6; 1501: more than the interface can */
		advert(&p, "fe80::9", 0);
		option(&p, ND_OPT_MTU, mtu[i], 6);
		inet__put32(icmp_of(&p) + 8, i == 0 ? 20000 : i == 1 ? 0 : 3600001);
		inet__put32(icmp_of(&p) + 12, i == 0 ? 200 : i == 1 ? 0 : 3600001);
		input(net, &p);
		assert_int_equal(net->a->mtu6, 1400);
		assert_true(params->base_reachable == 20 * INET_SECOND);
		assert_in_range(params->reachable, 10 * INET_SECOND, 30 * INET_SECOND);
		assert_true(params->retrans == 200 * INET_MILLISECOND);
	}
	net_send6(net->a, "fe80::1", "fe80::2", 60);
	net_skip(net);
	net_pass(net, 199 * INET_MILLISECOND);
	assert_int_equal(net_count(net), 0);
	net_pass(net, INET_MILLISECOND);
	assert_int_equal(net_count(net), 1);
	net_close(net);
}

/** Somebody floods the link with advertisements: what they make is bounded, and what was there before stays. */
static void test_flood(void **state)
{
	struct net *net = net_open();
	char text[64];
	unsigned int made;
	struct packet p;

	(void)state;
	net->a->addr_gen_mode = IN6_ADDR_GEN_MODE_EUI64;
	for (unsigned int i = 0; i < 2000; i++) {
		snprintf(text, sizeof(text), "fe80::1:%x", i + 1);
		advert(&p, text, 1800);
		option(&p, ND_OPT_SOURCE_LINKADDR, peer_mac, 6);
		for (unsigned int j = 0; j < 8; j++) {
			snprintf(text, sizeof(text), "2001:db8:%x::", 8 * i + j + 0x100);
			prefix_option(&p, text, 64, 0xc0, 86400, 14400);
		}
		input(net, &p);
	}
	slaac(net, &made);
	assert_int_equal(made, INET__SLAAC_MAX);
	assert_int_equal(routes(net, RTPROT_RA).count, INET__ROUTERS_MAX);
	assert_int_equal(routes(net, RTPROT_KERNEL).count, INET__PREFIXES_MAX);
	/* The first ones can still be renewed, and the places of those that end are free again. */
	net_pass(net, 1000 * INET_SECOND);
	advert(&p, "fe80::1:1", 1800);
	input(net, &p);
	assert_int_equal(routes(net, RTPROT_RA).count, INET__ROUTERS_MAX);
	net_pass(net, 900 * INET_SECOND);
	assert_int_equal(routes(net, RTPROT_RA).count, 1);
	advert(&p, "fe80::2:1", 1800);
	input(net, &p);
	assert_int_equal(routes(net, RTPROT_RA).count, 2);
	net_close(net);
}

/* ------------------------------------------------------------------------------------------------------- redirects */

static void test_redirect(void **state)
{
	static const struct {
		const char *src, *target, *dst;
		bool believed;
	} redirects[] = {
	        {"fe80::8", "fe80::7", "2001:db8:99::1", false},     /* not the router that is used */
	        {"fe80::9", "2001:db8::7", "2001:db8:99::1", false}, /* a router has a link-local address */
	        {"fe80::9", "fe80::1", "2001:db8:99::1", false},     /* to ourselves */
	        {"fe80::9", "fe80::7", "ff02::5", false},
	        {"fe80::9", "fe80::7", "2001:db8:99::1", true},
	        {"fe80::9", "2001:db8:99::1", "2001:db8:99::1", true}, /* it is on the link */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(redirects) / sizeof(redirects[0]); i++) {
		struct net *net = net_open();
		union inet_ip target = net_ip(redirects[i].target), dst = net_ip(redirects[i].dst);
		struct inet_flow flow = {.family = AF_INET6, .dst = net_ip("2001:db8:99::1")};
		struct packet p;

		advert(&p, "fe80::9", 1800);
		option(&p, ND_OPT_SOURCE_LINKADDR, peer_mac, 6);
		input(net, &p);
		begin(&p, ND_REDIRECT, redirects[i].src, "2001:db8::1", 40);
		memcpy(icmp_of(&p) + 8, &target, 16);
		memcpy(icmp_of(&p) + 24, &dst, 16);
		option(&p, ND_OPT_TARGET_LINKADDR, peer_mac, 6);
		input(net, &p);
		assert_int_equal(inet_route(net->inet, &flow), 0);
		target = redirects[i].believed ? target : net_ip("fe80::9");
		assert_memory_equal(&flow.nexthop, &target, 16);
		assert_int_equal(net_state(net->a, redirects[i].target) != 0, redirects[i].believed);
		net_close(net);
	}
}

/* -------------------------------------------------------------------------------------------- the kernel's opinion */

static void run(const char *command)
{
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): the commands are those of the tests */
}

/** in_place - as in test_inet_arp.c; the kernel's end has fe80::1 and 2001:db8::1, and the hardware address of ours */
static int in_place(void)
{
	struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IPV6)};
	struct packet_mreq promisc = {.mr_type = PACKET_MR_PROMISC};
	int fd;

	/* NOLINTNEXTLINE(cert-env33-c): a fixed command */
	if (system("ip -V >/dev/null 2>&1") != 0 || netns_private() < 0)
		return -1;
	run("ip link add neigh0 address 02:00:00:00:00:0a type veth peer name neigh1");
	run("ip link set neigh0 addrgenmode none && ip link set neigh1 addrgenmode none");
	run("ip link set neigh0 up && ip link set neigh1 up");
	assert_int_equal(netns_link_running("neigh0"), 0);
	assert_int_equal(netns_link_running("neigh1"), 0);
	run("ip addr add fe80::1/64 dev neigh0 nodad && ip addr add 2001:db8::1/64 dev neigh0 nodad");
	fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IPV6));
	assert_true(fd >= 0);
	addr.sll_ifindex = promisc.mr_ifindex = (int)if_nametoindex("neigh1");
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc)), 0);
	return fd;
}

/** ask_kernel - the flags of its answer, -1: none, before the answer to a question that is always answered */
static int ask_kernel(int fd, struct packet *p)
{
	static const struct solicitation marker = {.src = "fe80::66",
	                                           .dst = "fe80::1",
	                                           .target = "fe80::1",
	                                           .option = 1,
	                                           .option_len = 1,
	                                           .hop_limit = 255};
	const union inet_ip end = net_ip("fe80::66");
	struct packet mark;
	int flags = -1;

	assert_true(send(fd, p->frame, finish(p), 0) > 0);
	solicitation(&mark, &marker);
	assert_true(send(fd, mark.frame, finish(&mark), 0) > 0);
	for (;;) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		unsigned char frame[256];

		assert_int_equal(poll(&ready, 1, 10000), 1);
		if (recv(fd, frame, sizeof(frame), 0) < 54 + 24 || frame[20] != IPPROTO_ICMPV6 ||
		    frame[54] != ND_NEIGHBOR_ADVERT || frame[11] != 0x0a)
			continue;
		if (memcmp(frame + 38, &end.v6, 16) == 0)
			return flags;
		flags = frame[58];
	}
}

static void test_kernel(void **state)
{
	int fd = in_place();

	(void)state;
	if (fd < 0)
		skip();
	for (size_t i = 0; i < SOLICITATIONS; i++) {
		const struct solicitation *s = &solicitations[i];
		char command[96];
		struct packet p;
		int flags;

		solicitation(&p, s);
		flags = ask_kernel(fd, &p);
		if (flags != (s->answer == NO ? -1 : (int)s->flags))
			fail_msg("the kernel differs: %s: %x", s->what, (unsigned int)flags);
		snprintf(command, sizeof(command), "ip -6 neigh show dev neigh0 to %s | grep -q lladdr", s->src);
		assert_int_equal(system(command) == 0, s->known); /* NOLINT(cert-env33-c): as above */
	}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_solicitations),
	        cmocka_unit_test(test_truncated),
	        cmocka_unit_test(test_asking),
	        cmocka_unit_test(test_duplicates),
	        cmocka_unit_test(test_claimed),
	        cmocka_unit_test(test_solicit_routers),
	        cmocka_unit_test(test_default_router),
	        cmocka_unit_test(test_not_believed),
	        cmocka_unit_test(test_prefix),
	        cmocka_unit_test(test_two_hours),
	        cmocka_unit_test(test_stable_duplicate),
	        cmocka_unit_test(test_parameters),
	        cmocka_unit_test(test_flood),
	        cmocka_unit_test(test_redirect),
	        cmocka_unit_test(test_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
