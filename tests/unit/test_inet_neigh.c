/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_inet_neigh.c - the table of neighbours: states, waiting packets, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <netinet/icmp6.h>
#include <stdio.h>

#include "neigh_net.h"

static const unsigned char old_mac[6] = {0x02, 1, 1, 1, 1, 1}, new_mac[6] = {0x02, 2, 2, 2, 2, 2};

#define PEER "2001:db8::2"

/* ---------------------------------------------------------------------------------- RFC 4861, appendix C and 7.2.5 */

enum event {
	SEND,    /* a packet for it */
	TIMEOUT, /* its timer runs out */
	GIVE_UP, /* ... for the last time */
	CONFIRM, /* an upper layer says that it answers */
	NA,      /* a neighbour advertisement, flags as said */
	NS,      /* a solicitation from it */
	RA,      /* a router advertisement; only from a link-local address */
};

enum mac { NONE, SAME, OTHER };

/* What goes out. */
enum sent { NOTHING, ASK_ALL, ASK_IT, DATA, DATA_TO_OTHER };

#define S 0x40
#define O 0x20

static const struct transition {
	uint16_t from;
	enum event event;
	unsigned int flags;
	enum mac mac;
	uint16_t to;
	enum mac keeps; /* which address is known then */
	enum sent sent;
} transitions[] = {
        {0, SEND, 0, NONE, NUD_INCOMPLETE, NONE, ASK_ALL},
        {NUD_INCOMPLETE, TIMEOUT, 0, NONE, NUD_INCOMPLETE, NONE, ASK_ALL},
        {NUD_INCOMPLETE, GIVE_UP, 0, NONE, NUD_FAILED, NONE, NOTHING},
        {NUD_INCOMPLETE, SEND, 0, NONE, NUD_INCOMPLETE, NONE, NOTHING},
        {NUD_INCOMPLETE, CONFIRM, 0, NONE, NUD_INCOMPLETE, NONE, NOTHING},
        {NUD_INCOMPLETE, NA, S, OTHER, NUD_REACHABLE, OTHER, DATA_TO_OTHER},
        {NUD_INCOMPLETE, NA, S | O, OTHER, NUD_REACHABLE, OTHER, DATA_TO_OTHER},
        /* Not asked for: known, but not shown to answer. Sending what waits begins to find out. */
        {NUD_INCOMPLETE, NA, 0, OTHER, NUD_DELAY, OTHER, DATA_TO_OTHER},
        {NUD_INCOMPLETE, NA, O, OTHER, NUD_DELAY, OTHER, DATA_TO_OTHER},
        {NUD_INCOMPLETE, NA, S | O, NONE, NUD_INCOMPLETE, NONE, NOTHING},
        {NUD_INCOMPLETE, NS, 0, OTHER, NUD_DELAY, OTHER, DATA_TO_OTHER},

        {NUD_REACHABLE, TIMEOUT, 0, NONE, NUD_STALE, SAME, NOTHING},
        {NUD_REACHABLE, SEND, 0, NONE, NUD_REACHABLE, SAME, DATA},
        {NUD_STALE, SEND, 0, NONE, NUD_DELAY, SAME, DATA},
        {NUD_DELAY, SEND, 0, NONE, NUD_DELAY, SAME, DATA},
        {NUD_DELAY, TIMEOUT, 0, NONE, NUD_PROBE, SAME, ASK_IT},
        {NUD_PROBE, SEND, 0, NONE, NUD_PROBE, SAME, DATA},
        {NUD_PROBE, TIMEOUT, 0, NONE, NUD_PROBE, SAME, ASK_IT},
        {NUD_PROBE, GIVE_UP, 0, NONE, NUD_FAILED, NONE, NOTHING},
        {NUD_FAILED, SEND, 0, NONE, NUD_INCOMPLETE, NONE, ASK_ALL},
        {NUD_FAILED, NA, S | O, OTHER, NUD_FAILED, NONE, NOTHING},
        {NUD_FAILED, NS, 0, OTHER, NUD_STALE, OTHER, NOTHING},

        {NUD_STALE, CONFIRM, 0, NONE, NUD_REACHABLE, SAME, NOTHING},
        {NUD_DELAY, CONFIRM, 0, NONE, NUD_REACHABLE, SAME, NOTHING},
        {NUD_PROBE, CONFIRM, 0, NONE, NUD_REACHABLE, SAME, NOTHING},

        {NUD_REACHABLE, NA, S, SAME, NUD_REACHABLE, SAME, NOTHING},
        {NUD_STALE, NA, S, SAME, NUD_REACHABLE, SAME, NOTHING},
        {NUD_DELAY, NA, S, NONE, NUD_REACHABLE, SAME, NOTHING},
        {NUD_PROBE, NA, S, SAME, NUD_REACHABLE, SAME, NOTHING},
        {NUD_PROBE, NA, S | O, NONE, NUD_REACHABLE, SAME, NOTHING},
        {NUD_REACHABLE, NA, S, OTHER, NUD_STALE, SAME, NOTHING},
        {NUD_STALE, NA, S, OTHER, NUD_STALE, SAME, NOTHING},
        {NUD_DELAY, NA, S, OTHER, NUD_DELAY, SAME, NOTHING},
        {NUD_PROBE, NA, S, OTHER, NUD_PROBE, SAME, NOTHING},
        {NUD_REACHABLE, NA, S | O, OTHER, NUD_REACHABLE, OTHER, NOTHING},
        {NUD_STALE, NA, S | O, OTHER, NUD_REACHABLE, OTHER, NOTHING},
        {NUD_DELAY, NA, S | O, OTHER, NUD_REACHABLE, OTHER, NOTHING},
        {NUD_PROBE, NA, S | O, OTHER, NUD_REACHABLE, OTHER, NOTHING},
        {NUD_REACHABLE, NA, 0, SAME, NUD_REACHABLE, SAME, NOTHING},
        {NUD_STALE, NA, 0, SAME, NUD_STALE, SAME, NOTHING},
        {NUD_PROBE, NA, 0, NONE, NUD_PROBE, SAME, NOTHING},
        {NUD_REACHABLE, NA, 0, OTHER, NUD_STALE, SAME, NOTHING},
        {NUD_PROBE, NA, 0, OTHER, NUD_PROBE, SAME, NOTHING},
        {NUD_REACHABLE, NA, O, SAME, NUD_REACHABLE, SAME, NOTHING},
        {NUD_PROBE, NA, O, NONE, NUD_PROBE, SAME, NOTHING},
        {NUD_REACHABLE, NA, O, OTHER, NUD_STALE, OTHER, NOTHING},
        {NUD_STALE, NA, O, OTHER, NUD_STALE, OTHER, NOTHING},
        {NUD_DELAY, NA, O, OTHER, NUD_STALE, OTHER, NOTHING},
        {NUD_PROBE, NA, O, OTHER, NUD_STALE, OTHER, NOTHING},
        {0, NA, S | O, OTHER, 0, NONE, NOTHING},

        {0, NS, 0, OTHER, NUD_STALE, OTHER, NOTHING},
        {0, NS, 0, NONE, 0, NONE, NOTHING},
        {NUD_REACHABLE, NS, 0, SAME, NUD_REACHABLE, SAME, NOTHING},
        {NUD_DELAY, NS, 0, SAME, NUD_DELAY, SAME, NOTHING},
        {NUD_PROBE, NS, 0, SAME, NUD_PROBE, SAME, NOTHING},
        {NUD_REACHABLE, NS, 0, OTHER, NUD_STALE, OTHER, NOTHING},
        {NUD_DELAY, NS, 0, OTHER, NUD_STALE, OTHER, NOTHING},
        {0, RA, 0, OTHER, NUD_STALE, OTHER, NOTHING},
        {NUD_REACHABLE, RA, 0, OTHER, NUD_STALE, OTHER, NOTHING},
        {NUD_REACHABLE, RA, 0, SAME, NUD_REACHABLE, SAME, NOTHING},

        /* What was set by hand stays. */
        {NUD_PERMANENT, NA, S | O, OTHER, NUD_PERMANENT, SAME, NOTHING},
        {NUD_PERMANENT, NS, 0, OTHER, NUD_PERMANENT, SAME, NOTHING},
        {NUD_PERMANENT, SEND, 0, NONE, NUD_PERMANENT, SAME, DATA},
        {NUD_NOARP, NA, S | O, OTHER, NUD_NOARP, SAME, NOTHING},
        {NUD_NOARP, SEND, 0, NONE, NUD_NOARP, SAME, DATA},
};

/** message - one of neighbour discovery comes in */
static void message(struct net *net, uint8_t type, unsigned int flags, const char *src, const char *target,
                    enum mac mac)
{
	unsigned char icmp[32] = {type};
	size_t len = type == ND_ROUTER_ADVERT ? 16 : 24;
	union inet_ip from = net_ip(src), about = net_ip(target), to = net_ip("2001:db8::1");

	if (type == ND_ROUTER_ADVERT)
		to = net_ip("ff02::1");
	else
		memcpy(icmp + 8, &about, 16);
	if (type == ND_NEIGHBOR_ADVERT)
		icmp[4] = (unsigned char)flags;
	if (mac != NONE) {
		icmp[len] = type == ND_NEIGHBOR_ADVERT ? ND_OPT_TARGET_LINKADDR : ND_OPT_SOURCE_LINKADDR;
		icmp[len + 1] = 1;
		memcpy(icmp + len + 2, mac == SAME ? old_mac : new_mac, 6);
		len += 8;
	}
	assert_true(inet_icmp6_input(net->a, &from.v6, &to.v6, 255, icmp, len));
}

/** prepare - a neighbour in a state, with old_mac if with any */
static void prepare(struct net *net, const char *peer, uint16_t state)
{
	union inet_ip ip = net_ip(peer);

	if (state == NUD_INCOMPLETE)
		assert_int_equal(net_send6(net->a, "2001:db8::1", peer, 60), 0);
	else if (state != 0)
		assert_int_equal(inet__neigh_set(net->a, AF_INET6, &ip, state == NUD_FAILED ? NULL : old_mac, state, 0,
		                                 0, NLM_F_CREATE | NLM_F_EXCL),
		                 0);
	assert_int_equal(net_state(net->a, peer), state);
	net_skip(net);
}

static void happen(struct net *net, const struct transition *t, const char *peer)
{
	union inet_ip ip = net_ip(peer);

	switch (t->event) {
	case SEND:
		assert_int_equal(net_send6(net->a, "2001:db8::1", peer, 60), 0);
		break;
	case GIVE_UP:
		for (unsigned int probes = net_neigh(net->a, peer)->probes; probes < 3; probes++)
			net_pass(net, INET_SECOND);
		assert_int_equal(net_state(net->a, peer), t->from);
		net_skip(net);
		net_pass(net, INET_SECOND);
		break;
	case TIMEOUT:
		net_pass(net, inet_deadline(net->inet) - net->now);
		break;
	case CONFIRM:
		inet_confirm(net->inet, AF_INET6, &ip);
		break;
	case NA:
		message(net, ND_NEIGHBOR_ADVERT, t->flags, peer, peer, t->mac);
		break;
	case NS:
		message(net, ND_NEIGHBOR_SOLICIT, 0, peer, "2001:db8::1", t->mac);
		if (t->mac != NONE || t->from != 0) /* our answer is the last frame */
			net->sent--;
		else
			net_skip(net); /* ... or waits until we know whom to answer */
		break;
	case RA:
		message(net, ND_ROUTER_ADVERT, 0, peer, peer, t->mac);
		break;
	}
}

static void check_sent(struct net *net, enum sent sent, const char *peer)
{
	const struct net_frame *frame = net_take(net);
	union inet_ip ip = net_ip(peer);
	unsigned char group[6] = {0x33, 0x33, 0xff};

	if (sent == NOTHING) {
		assert_null(frame);
		return;
	}
	assert_non_null(frame);
	assert_null(net_take(net));
	memcpy(group + 3, ip.v6.s6_addr + 13, 3);
	assert_memory_equal(frame->bytes, sent == ASK_ALL ? group : sent == DATA_TO_OTHER ? new_mac : old_mac, 6);
	if (sent == ASK_ALL || sent == ASK_IT) {
		assert_int_equal(frame->bytes[14 + 40], ND_NEIGHBOR_SOLICIT);
		assert_memory_equal(frame->bytes + 14 + 40 + 8, &ip, 16);
	} else {
		assert_int_equal(frame->len, 14 + 60);
	}
}

static void run_transition(const struct transition *t)
{
	const char *peer = t->event == RA ? "fe80::2" : PEER;
	struct net *net = net_open();
	const struct inet_neigh *neigh;

	prepare(net, peer, t->from);
	happen(net, t, peer);
	if (t->event == NS && t->mac == NONE && t->from == 0) {
		net_close(net); /* somebody unknown who does not say where he is: he is asked for, as any other */
		return;
	}
	assert_int_equal(net_state(net->a, peer), t->to);
	neigh = net_neigh(net->a, peer);
	if (t->keeps != NONE)
		assert_memory_equal(neigh->mac, t->keeps == SAME ? old_mac : new_mac, 6);
	else if (neigh)
		assert_false(neigh->has_mac);
	check_sent(net, t->sent, peer);
	assert_int_equal(net->unreachable, t->from == NUD_INCOMPLETE && t->to == NUD_FAILED ? 1 : 0);
	net_close(net);
}

static size_t transition; /* the one at work */

static void test_transitions(void **state)
{
	(void)state;
	for (transition = 0; transition < sizeof(transitions) / sizeof(transitions[0]); transition++)
		run_transition(&transitions[transition]);
}

/** name_transition - say which one failed */
static int name_transition(void **state)
{
	(void)state;
	if (transition < sizeof(transitions) / sizeof(transitions[0]))
		print_error("transition %zu\n", transition);
	return 0;
}

/** IsRouter follows the flag of advertisements that count, and of no others. */
static void test_router_flag(void **state)
{
	struct net *net = net_open();
	struct inet_neigh *neigh;

	(void)state;
	prepare(net, PEER, NUD_REACHABLE);
	neigh = net_neigh(net->a, PEER);
	message(net, ND_NEIGHBOR_ADVERT, 0x80 | S, PEER, PEER, OTHER); /* does not override */
	assert_int_equal(neigh->flags & NTF_ROUTER, 0);
	message(net, ND_NEIGHBOR_ADVERT, 0x80 | S | O, PEER, PEER, OTHER);
	assert_int_equal(neigh->flags & NTF_ROUTER, NTF_ROUTER);
	message(net, ND_NEIGHBOR_ADVERT, S | O, PEER, PEER, OTHER);
	assert_int_equal(neigh->flags & NTF_ROUTER, 0);
	net_close(net);
}

/** A neighbour that keeps answering stays reachable, and its timer looks only once a while; an idle one costs no timer
 * at all. */
static void test_confirmed(void **state)
{
	struct net *net = net_open();
	union inet_ip ip = net_ip("10.0.0.9");

	(void)state;
	assert_int_equal(inet__neigh_set(net->a, AF_INET, &ip, old_mac, NUD_REACHABLE, 0, 0, NLM_F_CREATE), 0);
	for (int i = 0; i < 60; i++) {
		net_pass(net, 5 * INET_SECOND);
		inet_confirm(net->inet, AF_INET, &ip);
		assert_int_equal(net_state(net->a, "10.0.0.9"), NUD_REACHABLE);
	}
	net_pass(net, 15 * INET_SECOND - 1); /* half of the base time at least */
	assert_int_equal(net_state(net->a, "10.0.0.9"), NUD_REACHABLE);
	net_pass(net, 30 * INET_SECOND + 1); /* one and a half at most */
	assert_int_equal(net_state(net->a, "10.0.0.9"), NUD_STALE);
	assert_true(inet_deadline(net->inet) == INET_NEVER);
	assert_int_equal(net_count(net), 0);
	net_close(net);
}

/* ------------------------------------------------------------------------------------------------- waiting packets */

static void answer(struct net *net, const char *ip)
{
	struct net_arp arp = {.operation = 2, .sender = net_ip(ip).v4, .target = net_ip("10.0.0.1").v4};

	memcpy(arp.to, net_mac_a, 6);
	memcpy(arp.from, old_mac, 6);
	memcpy(arp.sender_mac, old_mac, 6);
	memcpy(arp.target_mac, net_mac_a, 6);
	net_arp_input(net->a, &arp);
}

/** What was sent meanwhile leaves in its order; of too much the oldest is lost. */
static void test_queue(void **state)
{
	struct net *net = net_open();
	const struct net_frame *frame;
	size_t first = 0, last = 0, count = 0, bytes = 0;

	(void)state;
	for (size_t i = 0; i < 400; i++)
		assert_int_equal(net_send4(net->a, "10.0.0.1", "10.0.0.2", 1000 + i), 0);
	assert_int_equal(net_count(net), 1); /* one question */
	net_skip(net);
	answer(net, "10.0.0.2");
	while ((frame = net_take(net))) {
		assert_memory_equal(frame->bytes, old_mac, 6);
		assert_true(last == 0 || frame->len == last + 1);
		first = first > 0 ? first : frame->len;
		last = frame->len;
		bytes += frame->len;
		count++;
	}
	assert_int_equal(last, 14 + 1399);
	assert_true(bytes <= 212992 && bytes > 212992 - 16384);
	assert_int_equal(net->a->stats.tx_dropped, 400 - count);
	assert_int_equal(first, 14 + 1400 - count);
	assert_int_equal(net_state(net->a, "10.0.0.2"), NUD_REACHABLE);
	net_close(net);
}

/** Many queues at once are short; whoever then answers gets what came last. */
static void test_queues_total(void **state)
{
	struct net *net = net_open();
	char ip[16];

	(void)state;
	for (int round = 0; round < 40; round++) {
		for (int i = 2; i < 250; i++) {
			snprintf(ip, sizeof(ip), "10.0.0.%d", i);
			net_send4(net->a, "10.0.0.1", ip, 1500);
		}
	}
	net_skip(net);
	answer(net, "10.0.0.100");
	assert_in_range(net_count(net), 1, 3);
	net_skip(net);
	net_pass(net, 4 * INET_SECOND);
	assert_in_range(net->unreachable, 247, 4 * 1024 * 1024 / 1500);
	net_close(net);
}

static void test_unreachable(void **state)
{
	struct net *net = net_open();
	union inet_ip dst = net_ip("10.0.0.2");

	(void)state;
	net->send_again = true; /* the engine answers by sending, to a neighbour that does not answer either */
	assert_int_equal(net_send4(net->a, "10.0.0.1", "10.0.0.2", 40), 0);
	assert_int_equal(net_send4(net->a, "10.0.0.1", "10.0.0.2", 50), 0);
	net_pass(net, 3 * INET_SECOND - 1);
	assert_int_equal(net->unreachable, 0);
	assert_int_equal(net_count(net), 3);
	net_pass(net, 1);
	assert_int_equal(net->unreachable, 2);
	assert_memory_equal(net->returned + 16, &dst, 4);
	assert_int_equal(net_state(net->a, "10.0.0.2"), NUD_FAILED);
	assert_int_equal(net_state(net->a, "10.0.0.250"), NUD_INCOMPLETE);
	net->send_again = false;
	net_pass(net, 10 * INET_SECOND);
	assert_int_equal(net->unreachable, 4);
	assert_true(inet_deadline(net->inet) == INET_NEVER);
	net_close(net);
}

/* ---------------------------------------------------------------------------------------------------------- bounds */

static unsigned int count_of(struct inet *inet, int family)
{
	unsigned int count = 0;

	for (struct inet_neigh *neigh = inet__neigh_first(inet, family); neigh; neigh = inet__neigh_next(neigh))
		count++;
	return count;
}

/** ask_us - somebody asks for our address */
static void ask_us(struct net *net, uint32_t sender, uint32_t number)
{
	struct net_arp arp = {.to = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, .operation = 1};

	arp.sender.s_addr = htonl(sender);
	arp.target = net_ip("10.0.0.1").v4;
	memcpy(arp.from, new_mac, 6);
	memcpy(arp.sender_mac, new_mac, 6);
	inet__put16(arp.sender_mac + 4, number & 0xffff);
	net_arp_input(net->a, &arp);
}

/** A flood of strangers: the table is bounded, those in use stay, and new ones can still be found. */
static void test_flood_strangers(void **state)
{
	struct net *net = net_open();

	(void)state;
	net_send4(net->a, "10.0.0.1", "10.0.0.2", 40);
	answer(net, "10.0.0.2");
	for (uint32_t i = 0; i < 20000; i++) {
		ask_us(net, 0x0a010000 + i, i);
		if (i % 100 == 0)
			net_pass(net, 10 * INET_MILLISECOND);
		if (i % 1000 == 0)
			net_send4(net->a, "10.0.0.1", "10.0.0.2", 40);
		assert_true(count_of(net->inet, AF_INET) <= 1024);
	}
	assert_int_equal(net_state(net->a, "10.0.0.2"), NUD_REACHABLE);
	net_skip(net);
	assert_int_equal(net_send4(net->a, "10.0.0.1", "10.0.0.3", 40), 0);
	answer(net, "10.0.0.3");
	assert_int_equal(net_state(net->a, "10.0.0.3"), NUD_REACHABLE);
	net_close(net);
}

/** Strangers whom we answer (pings from addresses that nobody has): the same. */
static void test_flood_answered(void **state)
{
	struct net *net = net_open();
	char ip[16];

	(void)state;
	net_send4(net->a, "10.0.0.1", "10.0.0.2", 40);
	answer(net, "10.0.0.2");
	for (uint32_t i = 0; i < 8000; i++) {
		snprintf(ip, sizeof(ip), "10.1.%u.%u", i >> 8, i & 255);
		if (i % 2)
			ask_us(net, 0x0a010000 + i, i);
		assert_int_equal(net_send4(net->a, "10.0.0.1", ip, 40), 0);
		if (i % 100 == 0)
			net_pass(net, 10 * INET_MILLISECOND);
		assert_true(count_of(net->inet, AF_INET) <= 1024);
	}
	assert_int_equal(net_state(net->a, "10.0.0.2"), NUD_REACHABLE);
	assert_int_equal(net_send4(net->a, "10.0.0.1", "10.0.0.3", 40), 0);
	answer(net, "10.0.0.3");
	assert_int_equal(net_state(net->a, "10.0.0.3"), NUD_REACHABLE);
	net_pass(net, 20 * INET_SECOND);
	assert_int_equal(net_send4(net->a, "10.0.0.1", "10.0.0.4", 40), 0);
	net_close(net);
}

/** When all have answered and are in use there is no room for another one, until they have not been used for a minute.
 */
static void test_full(void **state)
{
	struct net *net = net_open();
	char ip[16];

	(void)state;
	for (uint32_t i = 0; i < 1024; i++) {
		snprintf(ip, sizeof(ip), "10.1.%u.%u", i >> 8, i & 255);
		assert_int_equal(net_send4(net->a, "10.0.0.1", ip, 40), 0);
		answer(net, ip);
		assert_int_equal(net_state(net->a, ip), NUD_REACHABLE);
	}
	assert_int_equal(net_send4(net->a, "10.0.0.1", "10.0.0.3", 40), -ENOBUFS);
	assert_int_equal(net_state(net->a, "10.1.0.0"), NUD_REACHABLE);
	net_pass(net, 50 * INET_SECOND);
	assert_int_equal(net_send4(net->a, "10.0.0.1", "10.0.0.3", 40), -ENOBUFS);
	net_pass(net, 11 * INET_SECOND);
	assert_int_equal(net_send4(net->a, "10.0.0.1", "10.0.0.3", 40), 0);
	net_close(net);
}

/* ------------------------------------------------------------------------------------------------------ `ip neigh` */

static int count_each(const struct inet_neigh *neigh, void *arg)
{
	(void)neigh;
	++*(int *)arg;
	return 0;
}

static void test_set(void **state)
{
	struct net *net = net_open();
	union inet_ip ip = net_ip("10.0.0.9");
	int count = 0;

	(void)state;
	assert_int_equal(inet__neigh_set(net->a, AF_INET, &ip, old_mac, NUD_PERMANENT, 0, 0, 0), -ENOENT);
	assert_int_equal(inet__neigh_set(net->a, AF_INET, &ip, NULL, NUD_PERMANENT, 0, 0, NLM_F_CREATE), -EINVAL);
	assert_int_equal(inet__neigh_set(net->a, AF_INET, &ip, old_mac, NUD_STALE | NUD_DELAY, 0, 0, NLM_F_CREATE),
	                 -EINVAL);
	assert_null(net_neigh(net->a, "10.0.0.9"));
	assert_int_equal(inet__neigh_set(net->a, AF_INET, &ip, old_mac, NUD_PERMANENT, 0, RTPROT_STATIC,
	                                 NLM_F_CREATE | NLM_F_EXCL),
	                 0);
	assert_int_equal(net_state(net->a, "10.0.0.9"), NUD_PERMANENT);
	assert_int_equal(net_neigh(net->a, "10.0.0.9")->protocol, RTPROT_STATIC);
	assert_int_equal(inet__neigh_set(net->a, AF_INET, &ip, new_mac, NUD_PERMANENT, 0, 0, NLM_F_CREATE | NLM_F_EXCL),
	                 -EEXIST);
	assert_int_equal(inet__neigh_set(net->a, AF_INET, &ip, new_mac, NUD_STALE, 0, 0, NLM_F_REPLACE), 0);
	assert_memory_equal(net_neigh(net->a, "10.0.0.9")->mac, new_mac, 6);
	assert_int_equal(net_state(net->a, "10.0.0.9"), NUD_STALE);
	inet__neigh_each(net->inet, AF_UNSPEC, count_each, &count);
	assert_int_equal(count, 1);
	net->notified = 0;
	assert_int_equal(inet__neigh_delete(net->a, AF_INET, &ip, false), 0);
	assert_int_equal(net->notified, 2); /* not valid any more, gone */
	assert_int_equal(inet__neigh_delete(net->a, AF_INET, &ip, false), -ENOENT);
	net_close(net);
}

/** An address that we answer for: a question for it is answered by a router with a way elsewhere. */
static void test_proxy(void **state)
{
	struct net *net = net_open();
	union inet_ip ip = net_ip("10.7.0.9");
	struct net_arp arp = {.to = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, .operation = 1, .target = ip.v4}, answer;
	struct inet__addr_spec spec = {
	        .family = AF_INET, .prefixlen = 16, .preferred = INET_FOREVER, .valid = INET_FOREVER};
	int count = 0;

	(void)state;
	arp.sender = net_ip("10.0.0.20").v4;
	memcpy(arp.from, old_mac, 6);
	memcpy(arp.sender_mac, old_mac, 6);
	spec.local = spec.peer = net_ip("10.7.0.1");
	assert_int_equal(inet__addr_add(net->b, &spec, NLM_F_CREATE, NULL), 0);
	assert_int_equal(inet__neigh_set(net->a, AF_INET, &ip, NULL, 0, NTF_PROXY, 0, NLM_F_CREATE), 0);
	inet__neigh_each(net->inet, AF_INET, count_each, &count);
	assert_int_equal(count, 1);
	assert_null(net_neigh(net->a, "10.7.0.9"));
	net_arp_input(net->a, &arp);
	assert_int_equal(net_count(net), 0); /* we are no router */
	inet_set_forwarding(net->inet, true);
	net_skip(net);
	net_arp_input(net->a, &arp);
	net_arp_take(net, &answer);
	assert_int_equal(answer.sender.s_addr, ip.v4.s_addr);
	assert_memory_equal(answer.sender_mac, net_mac_a, 6);
	net_arp_input(net->b, &arp); /* on its own side it answers itself */
	assert_int_equal(net_count(net), 0);
	assert_int_equal(inet__neigh_delete(net->a, AF_INET, &ip, true), 0);
	assert_int_equal(inet__neigh_delete(net->a, AF_INET, &ip, true), -ENOENT);
	net_arp_input(net->a, &arp);
	assert_int_equal(net_count(net), 0);
	assert_int_equal(inet__neigh_set(net->a, AF_INET, &ip, NULL, 0, NTF_PROXY, 0, NLM_F_CREATE), 0);
	net_close(net); /* it goes with its interface */
}

static void test_iface_changes(void **state)
{
	struct net *net = net_open();
	union inet_ip fixed = net_ip("10.0.0.9"), other = net_ip("10.0.0.8"), six = net_ip(PEER);
	static const unsigned char mac[6] = {0x02, 9, 9, 9, 9, 9};

	(void)state;
	for (int round = 0; round < 3; round++) {
		inet__neigh_set(net->a, AF_INET, &fixed, old_mac, NUD_PERMANENT, 0, 0, NLM_F_CREATE);
		inet__neigh_set(net->a, AF_INET, &other, old_mac, NUD_STALE, 0, 0, NLM_F_CREATE);
		inet__neigh_set(net->a, AF_INET6, &six, old_mac, NUD_REACHABLE, 0, 0, NLM_F_CREATE);
		inet__neigh_set(net->b, AF_INET, &other, old_mac, NUD_STALE, 0, 0, NLM_F_CREATE);
		net_send4(net->a, "10.0.0.1", "10.0.0.7", 40);
		if (round == 0)
			inet_iface_carrier(net->a, false);
		else if (round == 1)
			inet__iface_set_mac(net->a, mac);
		else
			inet__iface_set_flags(net->a, 0, IFF_UP);
		assert_int_equal(net_state(net->a, "10.0.0.9"), round == 0 ? NUD_PERMANENT : 0);
		assert_int_equal(net_state(net->a, "10.0.0.8"), 0);
		assert_int_equal(net_state(net->a, PEER), 0);
		assert_int_equal(net_state(net->a, "10.0.0.7"), 0);
		assert_int_equal(net_state(net->b, "10.0.0.8"), NUD_STALE);
		if (round == 0)
			inet_iface_carrier(net->a, true);
	}
	assert_int_equal(net->unreachable, 0);
	assert_int_equal(net_send4(net->a, "10.0.0.1", "10.0.0.7", 40), -ENETDOWN);
	net_close(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_teardown(test_transitions, name_transition),
	        cmocka_unit_test(test_router_flag),
	        cmocka_unit_test(test_confirmed),
	        cmocka_unit_test(test_queue),
	        cmocka_unit_test(test_queues_total),
	        cmocka_unit_test(test_unreachable),
	        cmocka_unit_test(test_flood_strangers),
	        cmocka_unit_test(test_flood_answered),
	        cmocka_unit_test(test_full),
	        cmocka_unit_test(test_set),
	        cmocka_unit_test(test_iface_changes),
	        cmocka_unit_test(test_proxy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
