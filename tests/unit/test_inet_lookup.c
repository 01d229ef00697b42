/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_inet_lookup.c - which route is taken: random tables against a search that looks at every route, choice of the
 * source address, what routers say, answers that are remembered.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "inet_fake.h"
#include "route.h"

static struct fake fake;
static struct inet_iface *d0, *d1;

/** add_addr - give an interface an address, from "ADDRESS/BITS" */
static struct inet_addr *add_addr(struct inet_iface *iface, const char *text, uint32_t preferred, uint32_t flags)
{
	struct inet__addr_spec spec = {.preferred = preferred, .valid = INET_FOREVER, .flags = flags | IFA_F_NODAD};
	struct inet_addr *addr = NULL;
	char address[64];
	unsigned int bits;

	assert_int_equal(sscanf(text, "%63[^/]/%u", address, &bits), 2);
	spec.local = spec.peer = fake_ip(address, &spec.family);
	spec.prefixlen = (uint8_t)bits;
	assert_int_equal(inet__addr_add(iface, &spec, NLM_F_CREATE | NLM_F_EXCL, &addr), 0);
	return addr;
}

/** spec_of - a route to "ADDRESS/BITS" through an interface, by a gateway unless that is NULL */
static struct inet_route spec_of(const char *text, struct inet_iface *iface, const char *gateway)
{
	struct inet_route spec;
	char address[64];
	unsigned int bits;
	int family;
	union inet_ip dst;

	assert_int_equal(sscanf(text, "%63[^/]/%u", address, &bits), 2);
	dst = fake_ip(address, &family);
	inet__route_init(&spec, family);
	spec.dst = dst;
	spec.prefixlen = (uint8_t)bits;
	spec.iface = iface;
	if (gateway != NULL) {
		spec.gateway = fake_ip(gateway, NULL);
		spec.has_gateway = true;
	} else if (family == AF_INET) {
		spec.scope = RT_SCOPE_LINK;
	}
	return spec;
}

static void add_route(const char *text, struct inet_iface *iface, const char *gateway, uint32_t metric)
{
	struct inet_route spec = spec_of(text, iface, gateway);

	spec.metric = metric;
	assert_int_equal(inet__route_add(fake.inet, &spec, NLM_F_CREATE), 0);
}

static struct inet_flow ask(const char *dst, const char *src, struct inet_iface *oif, int expected)
{
	struct inet_flow flow = {0};
	int family;

	flow.dst = fake_ip(dst, &family);
	flow.family = family;
	if (src != NULL)
		flow.src = fake_ip(src, NULL);
	flow.oif = oif != NULL ? oif->index : 0;
	assert_int_equal(inet_route(fake.inet, &flow), expected);
	return flow;
}

static void assert_ip(int family, union inet_ip got, const char *wanted)
{
	char text[INET6_ADDRSTRLEN];

	assert_string_equal(inet_ntop(family, &got, text, sizeof(text)), wanted);
}

static int setup(void **state)
{
	(void)state;
	fake.now = 1000 * INET_SECOND;
	fake_open(&fake);
	d0 = fake_add(&fake, "d0");
	d1 = fake_add(&fake, "d1");
	d0->addr_gen_mode = d1->addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;
	assert_int_equal(inet__iface_set_flags(fake.inet->lo, IFF_UP, IFF_UP), 0);
	assert_int_equal(inet__iface_set_flags(d0, IFF_UP, IFF_UP), 0);
	assert_int_equal(inet__iface_set_flags(d1, IFF_UP, IFF_UP), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_close(&fake);
	return 0;
}

/* ---------------------------------------------------------------------------------------------------- random tables */

#define MODEL_MAX 600

struct model_route {
	union inet_ip dst;
	unsigned int len;
	uint32_t metric, id;
};

static struct model_route model[MODEL_MAX];
static unsigned int model_count;
static uint64_t state_of_random;

static uint32_t random_below(uint32_t limit)
{
	state_of_random = state_of_random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state_of_random >> 33) % limit;
}

/** random_ip - few different bits, so that prefixes lie in each other */
static union inet_ip random_ip(int family)
{
	union inet_ip ip = {.v6 = {{{0x20}}}};
	unsigned char *bytes = (unsigned char *)&ip;

	bytes[0] = family == AF_INET ? (unsigned char)(20 + random_below(3)) : 0x20;
	for (unsigned int i = 1; i < inet__addr_len(family); i++)
		bytes[i] = random_below(3) == 0 ? (unsigned char)random_below(256) : 0x80;
	return ip;
}

static struct model_route *model_find(const struct model_route *wanted, int family)
{
	for (unsigned int i = 0; i < model_count; i++)
		if (model[i].len == wanted->len && model[i].metric == wanted->metric &&
		    inet__ip_equal(family, &model[i].dst, &wanted->dst))
			return &model[i];
	return NULL;
}

static const struct model_route *model_lookup(const union inet_ip *dst, int family)
{
	const struct model_route *best = NULL;

	for (unsigned int i = 0; i < model_count; i++) {
		if (!inet__ip_match(family, &model[i].dst, dst, model[i].len))
			continue;
		if (best == NULL || model[i].len > best->len ||
		    (model[i].len == best->len && model[i].metric < best->metric))
			best = &model[i];
	}
	return best;
}

static struct inet_route route_of(const struct model_route *wanted, int family)
{
	struct inet_route spec;

	inet__route_init(&spec, family);
	spec.dst = wanted->dst;
	spec.prefixlen = (uint8_t)wanted->len;
	spec.metric = wanted->metric;
	spec.iface = d0;
	spec.scope = RT_SCOPE_LINK;
	spec.rtt = wanted->id;
	return spec;
}

static void random_add(int family, uint32_t id)
{
	struct model_route wanted = {.dst = random_ip(family), .metric = 1 + random_below(4), .id = id};
	struct inet_route spec;

	wanted.len = random_below(inet__bits(family) + 1);
	inet__ip_mask(family, &wanted.dst, wanted.len);
	spec = route_of(&wanted, family);
	if (model_find(&wanted, family) != NULL) {
		assert_int_equal(inet__route_add(fake.inet, &spec, NLM_F_CREATE | NLM_F_EXCL), -EEXIST);
		return;
	}
	if (model_count == MODEL_MAX)
		return;
	assert_int_equal(inet__route_add(fake.inet, &spec, NLM_F_CREATE | NLM_F_EXCL), 0);
	model[model_count++] = wanted;
}

static void random_delete(int family)
{
	struct model_route wanted, *found;
	struct inet_route spec;

	if (model_count == 0)
		return;
	wanted = model[random_below(model_count)];
	if (random_below(8) == 0)
		wanted.metric = 9; /* there is none */
	spec = route_of(&wanted, family);
	found = model_find(&wanted, family);
	assert_int_equal(inet__route_delete(fake.inet, &spec), found != NULL ? 0 : -ESRCH);
	if (found != NULL)
		*found = model[--model_count];
}

/** compare - what the table says of an address, directly, asked for the first time, and asked again */
static void compare(int family, const union inet_ip *dst)
{
	const struct model_route *wanted = model_lookup(dst, family);
	struct inet__query query = {.family = family, .dst = dst};
	struct inet_flow flow = {.family = family, .dst = *dst}, again = flow;
	const struct inet_route *got;
	int error;

	got = family == AF_INET ? inet__lookup4(fake.inet, &query, &error) : inet__lookup6(fake.inet, &query, &error);
	if (wanted == NULL) {
		assert_null(got);
		assert_int_equal(error, -ENETUNREACH);
		assert_int_equal(inet_route(fake.inet, &flow), -ENETUNREACH);
		return;
	}
	assert_non_null(got);
	assert_int_equal(got->rtt, wanted->id);
	if (inet__ip_is_zero(family, dst)) /* for sockets that is this host */
		return;
	assert_int_equal(inet_route(fake.inet, &flow), 0);
	assert_ptr_equal(flow.iface, d0);
	assert_int_equal(inet_route(fake.inet, &again), 0);
	assert_memory_equal(&flow, &again, sizeof(flow));
}

static int count_one(const struct inet_route *route, void *arg)
{
	if (route->rtt != 0)
		++*(unsigned int *)arg;
	return 0;
}

/** nodes_below - of a tree; *@used: those with routes */
static unsigned int nodes_below(const struct inet__route_node *node, unsigned int *used)
{
	if (node == NULL)
		return 0;
	*used += node->routes != NULL;
	return 1 + nodes_below(node->child[0], used) + nodes_below(node->child[1], used);
}

/** assert_lean - nothing is in the tree that no route needs */
static void assert_lean(const struct inet__trie *trie)
{
	unsigned int used = 0, nodes = nodes_below(trie->root, &used);

	assert_true(nodes < 2 * used);
}

static void random_tables(int family)
{
	const struct inet__trie *trie = inet__table_trie(fake.inet, family, RT_TABLE_MAIN);
	unsigned int listed;

	for (uint64_t seed = 1; seed <= 3; seed++) {
		state_of_random = seed;
		model_count = 0;
		for (uint32_t step = 1; step <= 6000; step++) {
			uint32_t dice = random_below(10);
			union inet_ip dst = random_ip(family);

			if (dice < 3 + (step < 3000))
				random_add(family, step);
			else if (dice < 6)
				random_delete(family);
			else if (dice < 8 && model_count > 0)
				dst = model[random_below(model_count)].dst;
			compare(family, &dst);
		}
		assert_lean(trie);
		listed = 0;
		assert_int_equal(inet__route_each(fake.inet, family, count_one, &listed), 0);
		assert_int_equal(listed, model_count);
		while (model_count > 0)
			random_delete(family);
		assert_lean(trie);
		listed = 0;
		assert_int_equal(inet__route_each(fake.inet, family, count_one, &listed), 0);
		assert_int_equal(listed, 0);
	}
}

static void test_random_ipv4(void **state)
{
	(void)state;
	add_addr(d0, "10.0.0.1/24", INET_FOREVER, 0);
	random_tables(AF_INET);
}

static void test_random_ipv6(void **state)
{
	(void)state;
	add_addr(d0, "fd00::1/64", INET_FOREVER, 0);
	random_tables(AF_INET6);
}

/** test_bounds - a table does not grow without end */
static void test_bounds(void **state)
{
	struct inet_route spec;

	(void)state;
	inet__route_init(&spec, AF_INET);
	spec.prefixlen = 32;
	spec.iface = d0;
	spec.scope = RT_SCOPE_LINK;
	for (uint32_t i = 0; i < INET_ROUTES_MAX; i++) {
		spec.dst.v4.s_addr = htonl(0x0b000000 + i);
		if (inet__route_add(fake.inet, &spec, NLM_F_CREATE | NLM_F_EXCL) != 0)
			fail_msg("route %u", i);
	}
	spec.dst.v4.s_addr = htonl(0x0c000000);
	assert_int_equal(inet__route_add(fake.inet, &spec, NLM_F_CREATE | NLM_F_EXCL), -ENOBUFS);
	/* Addresses bring theirs all the same. */
	add_addr(d0, "10.0.0.1/24", INET_FOREVER, 0);
	assert_ptr_equal(ask("10.0.0.9", NULL, NULL, 0).iface, d0);
	spec.dst.v4.s_addr = htonl(0x0b000000);
	assert_int_equal(inet__route_delete(fake.inet, &spec), 0);
	assert_int_equal(inet__route_add(fake.inet, &spec, NLM_F_CREATE | NLM_F_EXCL), 0);
	inet__route_init(&spec, AF_INET);
	spec.iface = d0;
	spec.scope = RT_SCOPE_LINK;
	for (spec.table = 1; spec.table <= INET_TABLES_MAX; spec.table++)
		assert_int_equal(inet__route_add(fake.inet, &spec, NLM_F_CREATE), -ENOBUFS);
}

/* --------------------------------------------------------------------------------------------------- source address */

static void test_source_ipv4(void **state)
{
	(void)state;
	add_addr(d0, "10.0.0.1/24", INET_FOREVER, 0);
	add_addr(d0, "10.0.0.2/24", INET_FOREVER, 0);
	add_addr(d0, "10.5.0.1/24", INET_FOREVER, 0);
	add_addr(d1, "10.1.0.1/24", INET_FOREVER, 0);
	add_route("0.0.0.0/0", NULL, "10.5.0.254", 0);
	add_route("192.0.2.0/24", d1, NULL, 0);
	assert_ip(AF_INET, ask("10.0.0.77", NULL, NULL, 0).source, "10.0.0.1");
	assert_ip(AF_INET, ask("8.8.8.8", NULL, NULL, 0).source, "10.5.0.1"); /* the network of the gateway */
	assert_ip(AF_INET, ask("8.8.8.8", NULL, NULL, 0).nexthop, "10.5.0.254");
	assert_ip(AF_INET, ask("192.0.2.1", NULL, NULL, 0).source, "10.1.0.1");
	assert_ip(AF_INET, ask("8.8.8.8", "10.0.0.2", NULL, 0).source, "10.0.0.2");
	assert_ip(AF_INET, ask("8.8.8.8", NULL, d1, 0).source, "10.1.0.1"); /* bound: everything is on its link */
	assert_ip(AF_INET, ask("8.8.8.8", NULL, d1, 0).nexthop, "8.8.8.8");
	assert_ptr_equal(ask("10.1.0.1", NULL, NULL, 0).iface, fake.inet->lo);
	assert_int_equal(ask("10.1.0.1", NULL, NULL, 0).type, RTN_LOCAL);
	assert_int_equal(ask("10.0.0.255", NULL, NULL, 0).type, RTN_BROADCAST);
	assert_int_equal(ask("224.0.0.1", NULL, d1, 0).type, RTN_MULTICAST);
	assert_int_equal(ask("255.255.255.255", NULL, d1, 0).type, RTN_BROADCAST);
	ask("8.8.8.8", "127.0.0.1", NULL, -EINVAL);
	ask("8.8.8.8", NULL, d0, 0);
}

/** struct choice - addresses of d0 ('!': deprecated), of d1, and which one is to be taken for dst on d0 */
static const struct choice {
	const char *on_d0[3], *on_d1[2], *dst, *source;
} choices[] = {
        /* 1: the destination itself */
        {{"fd00::1/64", "fd00::2/64"}, {NULL}, "fd00::2", "fd00::2"},
        /* 2: the scope */
        {{"fe80::1/64", "2001:db8::1/64"}, {NULL}, "2001:db8:1::1", "2001:db8::1"},
        {{"2001:db8::1/64", "fe80::1/64"}, {NULL}, "fe80::9", "fe80::1"},
        {{"2001:db8::1/64", "fe80::1/64"}, {NULL}, "ff02::9", "fe80::1"},
        {{"2001:db8::1/64", "fe80::1/64"}, {NULL}, "ff0e::9", "2001:db8::1"},
        {{"fe80::1/64"}, {NULL}, "2001:db8:1::1", "fe80::1"},
        {{"fe80::1/64"}, {"2001:db8:1::2/64"}, "2001:db8:2::1", "2001:db8:1::2"},
        /* 3: deprecated ones */
        {{"!2001:db8::1/64", "2001:db8:5::1/64"}, {NULL}, "2001:db8::9", "2001:db8:5::1"},
        {{"!2001:db8::1/64"}, {NULL}, "2001:db8::9", "2001:db8::1"},
        /* 5: the interface */
        {{"2001:db8::1/64"}, {"2001:db8:ffff::1/64"}, "2001:db8:ffff:1::9", "2001:db8::1"},
        /* 6: the label */
        {{"fd00::1/64", "2001:db8::1/64"}, {NULL}, "2001:4860::1", "2001:db8::1"},
        {{"2001:db8::1/64", "fd00::1/64"}, {NULL}, "fd77::1", "fd00::1"},
        {{"2002:a00::1/64", "2001:db8::1/64"}, {NULL}, "2002:b00::1", "2002:a00::1"},
        /* 8: the longest prefix */
        {{"2001:db8:1::1/64", "2001:db8:3::1/64"}, {NULL}, "2001:db8:3:1::1", "2001:db8:3::1"},
        {{"2001:db8:3::1/64", "2001:db8:1::1/64"}, {NULL}, "2001:db8:3:1::1", "2001:db8:3::1"},
};

static void test_source_ipv6(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		const struct choice *choice = &choices[i];
		struct inet_iface *ifaces[] = {d0, d1};
		struct inet_flow flow;
		char text[INET6_ADDRSTRLEN];

		add_route("::/0", d0, NULL, 0);
		for (int j = 0; j < 3 && choice->on_d0[j] != NULL; j++)
			add_addr(d0, choice->on_d0[j] + (*choice->on_d0[j] == '!'),
			         *choice->on_d0[j] == '!' ? 0 : INET_FOREVER, 0);
		for (int j = 0; j < 2 && choice->on_d1[j] != NULL; j++)
			add_addr(d1, choice->on_d1[j], INET_FOREVER, 0);
		flow = ask(choice->dst, NULL, strncmp(choice->dst, "f", 1) == 0 && choice->dst[1] != 'd' ? d0 : NULL,
		           0);
		if (strcmp(inet_ntop(AF_INET6, &flow.source, text, sizeof(text)), choice->source) != 0)
			fail_msg("%zu: to %s from %s, not %s", i, choice->dst, text, choice->source);
		for (int j = 0; j < 2; j++) {
			assert_int_equal(inet__iface_set_flags(ifaces[j], 0, IFF_UP), 0);
			assert_int_equal(inet__iface_set_flags(ifaces[j], IFF_UP, IFF_UP), 0);
		}
	}
	add_route("::/0", d0, NULL, 0);
	assert_int_equal(inet__iface_set_flags(fake.inet->lo, 0, IFF_UP), 0);
	ask("2001:db8::1", NULL, NULL, -EADDRNOTAVAIL);
}

/* ------------------------------------------------------------------------------------------------- what routers say */

static void test_path_mtu(void **state)
{
	union inet_ip dst = fake_ip("192.0.2.1", NULL), dst6 = fake_ip("2001:db8::1", NULL);

	(void)state;
	add_addr(d0, "10.0.0.1/24", INET_FOREVER, 0);
	add_addr(d0, "fd00::1/64", INET_FOREVER, 0);
	add_route("0.0.0.0/0", NULL, "10.0.0.254", 0);
	add_route("::/0", NULL, "fd00::fe", 0);
	assert_int_equal(ask("192.0.2.1", NULL, NULL, 0).mtu, 1500);
	inet_path_mtu(fake.inet, AF_INET, &dst, 0, 1400);
	inet_path_mtu(fake.inet, AF_INET6, &dst6, 0, 1000);
	assert_int_equal(ask("192.0.2.1", NULL, NULL, 0).mtu, 1400);
	assert_int_equal(ask("192.0.2.1", NULL, d0, 0).mtu, 1400);
	assert_int_equal(ask("192.0.2.2", NULL, NULL, 0).mtu, 1500);
	assert_int_equal(ask("2001:db8::1", NULL, NULL, 0).mtu, 1280); /* less is not believed */
	fake.now += 300 * INET_SECOND;
	inet_path_mtu(fake.inet, AF_INET, &dst, 0, 1450); /* it cannot have grown */
	assert_int_equal(ask("192.0.2.1", NULL, NULL, 0).mtu, 1400);
	inet_path_mtu(fake.inet, AF_INET, &dst, 0, 100);
	assert_int_equal(ask("192.0.2.1", NULL, NULL, 0).mtu, 552);
	fake.now += 301 * INET_SECOND;
	assert_int_equal(ask("192.0.2.1", NULL, NULL, 0).mtu, 552); /* it was told later */
	assert_int_equal(ask("2001:db8::1", NULL, NULL, 0).mtu, 1500);
	fake.now += 300 * INET_SECOND;
	assert_int_equal(ask("192.0.2.1", NULL, NULL, 0).mtu, 1500);
	/* Nothing of that needs a timer. */
	assert_int_equal(inet_deadline(fake.inet), INET_NEVER);
	/* Of many the first ones are forgotten; the last one is there. */
	for (uint32_t i = 0; i < 5000; i++) {
		dst.v4.s_addr = htonl(0xc0000000 + i);
		inet_path_mtu(fake.inet, AF_INET, &dst, 0, 1400);
	}
	assert_int_equal(ask("192.0.19.135", NULL, NULL, 0).mtu, 1400);
	/* What is on the way to us is not. */
	dst = fake_ip("10.0.0.1", NULL);
	inet_path_mtu(fake.inet, AF_INET, &dst, 0, 600);
	assert_int_equal(ask("10.0.0.1", NULL, NULL, 0).mtu, INET_MTU_LOOPBACK);
}

static void test_redirect(void **state)
{
	union inet_ip dst = fake_ip("192.0.2.1", NULL), gateway = fake_ip("10.0.0.253", NULL),
	              far = fake_ip("10.7.0.1", NULL);
	union inet_ip own = fake_ip("10.0.0.1", NULL);
	union inet_ip dst6 = fake_ip("2001:db8::1", NULL), gateway6 = fake_ip("fe80::9", NULL);

	(void)state;
	add_addr(d0, "10.0.0.1/24", INET_FOREVER, 0);
	add_addr(d0, "fd00::1/64", INET_FOREVER, 0);
	add_addr(d0, "fe80::1/64", INET_FOREVER, 0);
	add_route("0.0.0.0/0", NULL, "10.0.0.254", 0);
	add_route("::/0", d0, "fe80::fe", 0);
	inet_redirect(fake.inet, d0, AF_INET, &dst, &far);     /* no neighbour */
	inet_redirect(fake.inet, d0, AF_INET, &dst, &own);     /* ourselves */
	inet_redirect(fake.inet, d1, AF_INET, &dst, &gateway); /* from a network where it is not */
	assert_ip(AF_INET, ask("192.0.2.1", NULL, NULL, 0).nexthop, "10.0.0.254");
	inet_redirect(fake.inet, d0, AF_INET, &dst, &gateway);
	inet_redirect(fake.inet, d0, AF_INET6, &dst6, &gateway6);
	assert_ip(AF_INET, ask("192.0.2.1", NULL, NULL, 0).nexthop, "10.0.0.253");
	assert_ip(AF_INET, ask("192.0.2.2", NULL, NULL, 0).nexthop, "10.0.0.254");
	assert_ip(AF_INET6, ask("2001:db8::1", NULL, NULL, 0).nexthop, "fe80::9");
	inet_redirect(fake.inet, d0, AF_INET6, &dst6, &dst6); /* it is a neighbour itself */
	assert_ip(AF_INET6, ask("2001:db8::1", NULL, NULL, 0).nexthop, "2001:db8::1");
	fake.now += 601 * INET_SECOND;
	assert_ip(AF_INET, ask("192.0.2.1", NULL, NULL, 0).nexthop, "10.0.0.254");
	inet_set_forwarding(fake.inet, true); /* routers know the way */
	inet_redirect(fake.inet, d0, AF_INET, &dst, &gateway);
	assert_ip(AF_INET, ask("192.0.2.1", NULL, NULL, 0).nexthop, "10.0.0.254");
}

/** test_preference - of IPv6 routers of equal metric the preferred one is taken, whatever the order */
static void test_preference(void **state)
{
	struct inet_route spec;

	(void)state;
	add_addr(d0, "fe80::1/64", INET_FOREVER, 0);
	add_addr(d0, "fd00::1/64", INET_FOREVER, 0);
	spec = spec_of("::/0", d0, "fe80::a");
	spec.pref = 3; /* low */
	assert_int_equal(inet__route_add(fake.inet, &spec, NLM_F_CREATE), 0);
	assert_ip(AF_INET6, ask("2001:db8::1", NULL, NULL, 0).nexthop, "fe80::a");
	spec = spec_of("::/0", d0, "fe80::b");
	assert_int_equal(inet__route_add(fake.inet, &spec, NLM_F_CREATE), 0);
	assert_ip(AF_INET6, ask("2001:db8::1", NULL, NULL, 0).nexthop, "fe80::b");
	spec = spec_of("::/0", d0, "fe80::c");
	spec.pref = 1; /* high */
	spec.metric = 2000;
	assert_int_equal(inet__route_add(fake.inet, &spec, NLM_F_CREATE), 0);
	assert_ip(AF_INET6, ask("2001:db8::1", NULL, NULL, 0).nexthop, "fe80::b");
}

/** test_expiry - a route ends when it says, and the timer with it */
static void test_expiry(void **state)
{
	struct inet_route spec;

	(void)state;
	add_addr(d0, "fd00::1/64", INET_FOREVER, 0);
	spec = spec_of("2001:db8::/32", d0, "fd00::9");
	spec.expires = fake.now + 10 * INET_SECOND;
	assert_int_equal(inet__route_add(fake.inet, &spec, NLM_F_CREATE), 0);
	assert_int_equal(inet_deadline(fake.inet), spec.expires);
	ask("2001:db8::1", NULL, NULL, 0);
	spec.expires = fake.now + 20 * INET_SECOND;
	assert_int_equal(inet__route_add(fake.inet, &spec, NLM_F_CREATE), -EEXIST); /* and yet it lives longer */
	fake_run(&fake, fake.now + 15 * INET_SECOND);
	ask("2001:db8::1", NULL, NULL, 0);
	spec = spec_of("2001:db9::/32", d0, "fd00::9"); /* another one that ends with it */
	spec.expires = fake.now + 5 * INET_SECOND;
	assert_int_equal(inet__route_add(fake.inet, &spec, NLM_F_CREATE), 0);
	fake_run(&fake, fake.now + 5 * INET_SECOND);
	ask("2001:db8::1", NULL, NULL, -ENETUNREACH);
	ask("2001:db9::1", NULL, NULL, -ENETUNREACH);
	assert_int_equal(inet_deadline(fake.inet), INET_NEVER);
}

/** test_carrier - without carrier routes are marked, and taken all the same */
static void test_carrier(void **state)
{
	struct inet_route spec, *route;

	(void)state;
	add_addr(d0, "10.0.0.1/24", INET_FOREVER, 0);
	add_route("0.0.0.0/0", NULL, "10.0.0.254", 0);
	spec = spec_of("0.0.0.0/0", NULL, NULL);
	spec.scope = RT_SCOPE_NOWHERE;
	spec.protocol = 0;
	inet_iface_carrier(d0, false);
	route = inet__route_find(fake.inet, &spec);
	assert_non_null(route);
	assert_true(route->flags & RTNH_F_LINKDOWN);
	assert_ptr_equal(ask("8.8.8.8", NULL, NULL, 0).iface, d0);
	inet_iface_carrier(d0, true);
	assert_false(route->flags & RTNH_F_LINKDOWN);
}

/** test_remembered - an answer is asked for again when what it came from changes, not otherwise */
static void test_remembered(void **state)
{
	unsigned int before;

	(void)state;
	add_addr(d0, "10.0.0.1/24", INET_FOREVER, 0);
	add_route("0.0.0.0/0", NULL, "10.0.0.254", 10);
	assert_ip(AF_INET, ask("8.8.8.8", NULL, NULL, 0).nexthop, "10.0.0.254");
	before = fake.routes_changed;
	assert_ip(AF_INET, ask("8.8.8.8", NULL, NULL, 0).nexthop, "10.0.0.254");
	assert_int_equal(fake.routes_changed, before);
	add_route("0.0.0.0/0", NULL, "10.0.0.253", 5);
	assert_true(fake.routes_changed > before);
	assert_ip(AF_INET, ask("8.8.8.8", NULL, NULL, 0).nexthop, "10.0.0.253");
	assert_int_equal(inet__iface_set_mtu(d0, 1400), 0);
	assert_int_equal(ask("8.8.8.8", NULL, NULL, 0).mtu, 1400);
	assert_int_equal(inet__iface_set_flags(d0, 0, IFF_UP), 0);
	ask("8.8.8.8", NULL, NULL, -ENETUNREACH);
	assert_int_equal(inet_iface_delete(d0), 0);
	ask("8.8.8.8", NULL, NULL, -ENETUNREACH);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(random_ipv4), TEST(random_ipv6), TEST(bounds),     TEST(source_ipv4),
	        TEST(source_ipv6), TEST(path_mtu),    TEST(redirect),   TEST(preference),
	        TEST(expiry),      TEST(carrier),     TEST(remembered),
	};

	return cmocka_run_group_tests_name("inet_lookup", tests, NULL, NULL);
}
