/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_inet_addr.c - addresses: lists, primary and secondary ones, lifetimes, duplicate address detection, and the
 * routes that come and go with them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "inet_ip.h"
#include "private.h"

#define SHOW4 "ip -4 addr show", "ip -4 route show", "ip -4 route show table local"
#define SHOW6 "ip -6 addr show", "ip -6 route show", "ip -6 route show table local"

static struct fake fake;

static int setup(void **state)
{
	(void)state;
	fake.now = 0;
	fake_open(&fake);
	return 0;
}

/** setup_clock - with a clock of its own */
static int setup_clock(void **state)
{
	(void)state;
	fake.now = 1000 * INET_SECOND;
	fake_open(&fake);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_close(&fake);
	return 0;
}

/* ------------------------------------------------------------------------------------------------- as on the kernel */

static void test_loopback(void **state)
{
	static const char *const commands[] = {
	        "ip addr show",
	        "ip link set lo up",
	        "ip addr show",
	        SHOW4,
	        SHOW6,
	        "ip addr add 10.1.1.1/32 dev lo",
	        "ip addr add 10.2.0.1/16 dev lo",
	        "ip -6 addr add fd00::1/128 dev lo",
	        SHOW4,
	        SHOW6,
	        "ip link set lo down",
	        "ip addr show",
	        SHOW4,
	        SHOW6,
	        "ip link set lo up",
	        SHOW4,
	        SHOW6,
	        "ip addr del 127.0.0.1/8 dev lo",
	        SHOW4,
	        "ip link set lo down",
	        "ip link set lo up",
	        SHOW4,
	        NULL,
	};

	(void)state;
	ip_compare(&fake, commands);
}

static void test_ipv4(void **state)
{
	static const char *const commands[] = {
	        "ip addr add 10.0.0.1/24 brd + dev d0",
	        SHOW4,
	        "ip link set d0 up",
	        SHOW4,
	        "ip addr add 10.0.0.2/24 brd + dev d0",
	        "ip addr add 10.0.0.3/24 dev d0",
	        "ip addr add 10.0.1.1/24 dev d0 label d0:x",
	        "ip addr add 10.0.0.4/25 dev d0",
	        "ip addr add 10.0.0.1/24 dev d0",
	        "ip addr add 10.0.0.1/16 dev d0",
	        "ip addr add 10.3.0.1 peer 10.4.0.1/32 dev d0",
	        "ip addr add 10.3.0.1 peer 10.5.0.1/24 dev d0",
	        "ip addr add 10.6.0.1/31 dev d0",
	        "ip addr add 10.7.0.1/32 dev d0",
	        "ip addr add 10.8.0.1/24 dev d0 noprefixroute",
	        "ip addr add 10.9.0.1/24 dev d0 metric 77",
	        "ip addr add 10.10.0.1/24 scope link dev d0",
	        "ip addr add 10.11.0.1/24 scope host dev d0",
	        "ip addr add 10.11.0.2/24 dev d0",
	        SHOW4,
	        "ip addr replace 10.9.0.1/24 dev d0 metric 78",
	        "ip addr replace 10.9.0.1/24 dev d0 valid_lft 1000 preferred_lft 500",
	        "ip addr change 10.12.0.1/24 dev d0",
	        SHOW4,
	        "ip addr del 10.0.0.2/24 dev d0",
	        SHOW4,
	        "ip addr del 10.0.0.1/24 dev d0",
	        SHOW4,
	        "ip addr del 10.0.0.1/24 dev d0",
	        "ip link set d0 down",
	        SHOW4,
	        "ip addr del 10.6.0.1/31 dev d0",
	        "ip addr add 10.20.0.1/24 dev d0",
	        SHOW4,
	        "ip link set d0 up",
	        SHOW4,
	        "ip link set d0 name e0",
	        "ip -4 addr show",
	        "ip addr flush dev e0",
	        SHOW4,
	        "ip link del e0",
	        SHOW4,
	        NULL,
	};

	(void)state;
	ip_compare(&fake, commands);
}

static void test_ipv6(void **state)
{
	static const char *const commands[] = {
	        "ip -6 addr add fd00:1::1/64 dev d0",
	        SHOW6,
	        "ip link set d0 up",
	        SHOW6,
	        "ip -6 addr add fd00:1::2/64 dev d0",
	        "ip -6 addr add fd00:1::3/48 dev d0",
	        "ip -6 addr add fd00:1::1/64 dev d0",
	        "ip -6 addr add fd00:2::1/128 dev d0",
	        "ip -6 addr add fd00:3::1 peer fd00:3::2/64 dev d0",
	        "ip -6 addr add fd00:4::1 peer fd00:4::2/128 dev d0",
	        "ip -6 addr add fd00:5::1/64 dev d0 noprefixroute",
	        "ip -6 addr add fd00:6::1/64 dev d0 metric 77",
	        "ip -6 addr add fd00:7::1/64 dev d0 valid_lft 1000 preferred_lft 500",
	        "ip -6 addr add fd00:8::1/64 dev d0 preferred_lft 0",
	        "ip -6 addr add fe80::1/64 dev d0",
	        "ip -6 addr add ff02::1/64 dev d0",
	        "ip -6 addr add ::1/128 dev d0",
	        SHOW6,
	        "ip -6 addr change fd00:1::1/64 dev d0 valid_lft 100 preferred_lft 50",
	        "ip -6 addr replace fd00:6::1/64 dev d0 metric 78",
	        "ip -6 addr replace fd00:5::1/64 dev d0",
	        "ip -6 addr change fd00:9::1/64 dev d0",
	        "ip -6 addr replace fd00:a::1/64 dev d0",
	        SHOW6,
	        "ip -6 addr del fd00:1::1/64 dev d0",
	        SHOW6,
	        "ip -6 addr del fd00:1::2/64 dev d0",
	        "ip -6 addr del fd00:3::1 peer fd00:3::2/64 dev d0",
	        "ip -6 addr del fd00:1::2/64 dev d0",
	        SHOW6,
	        "ip link set d0 down",
	        SHOW6,
	        "ip link set d0 up",
	        SHOW6,
	        "ip link set d0 mtu 1200",
	        SHOW6,
	        "ip -6 addr add fd00:1::1/64 dev d0",
	        "ip link set d0 mtu 1500",
	        SHOW6,
	        "ip link set d0 addrgenmode none",
	        "ip link set d0 down",
	        "ip link set d0 up",
	        SHOW6,
	        "ip link set d0 addrgenmode eui64",
	        SHOW6,
	        "ip link del d0",
	        SHOW6,
	        NULL,
	};

	(void)state;
	ip_compare(&fake, commands);
}

/* ----------------------------------------------------------------------------------------------- with our own clock */

static struct inet_iface *up(const char *name)
{
	struct inet_iface *iface = fake_add(&fake, name);

	assert_int_equal(inet__iface_set_flags(iface, IFF_UP, IFF_UP), 0);
	return iface;
}

static int add(struct inet_iface *iface, const char *text, int prefixlen, uint32_t preferred, uint32_t valid,
               uint32_t flags, struct inet_addr **out)
{
	struct inet__addr_spec spec = {
	        .prefixlen = (uint8_t)prefixlen, .preferred = preferred, .valid = valid, .flags = flags};

	spec.local = spec.peer = fake_ip(text, &spec.family);
	return inet__addr_add(iface, &spec, NLM_F_CREATE | NLM_F_EXCL, out);
}

static struct inet_addr *find(struct inet_iface *iface, const char *text)
{
	int family;
	union inet_ip ip = fake_ip(text, &family);

	return inet__addr_find(iface, family, &ip, -1, NULL);
}

static bool is_local(const char *text)
{
	int family;
	union inet_ip ip = fake_ip(text, &family);

	return inet_local(fake.inet, family, &ip, NULL) != NULL;
}

/** test_lifetimes - preferred, deprecated, gone; and then there is nothing to wait for */
static void test_lifetimes(void **state)
{
	static const char *const texts[] = {"10.0.0.1", "fd00::1"};
	struct inet_iface *iface = up("d0");
	int64_t start = fake.now;

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(add(iface, texts[i], 24, 10, 30, IFA_F_NODAD, NULL), 0);
	fake_run(&fake, start + 10 * INET_SECOND - 1);
	for (int i = 0; i < 2; i++)
		assert_false(find(iface, texts[i])->flags & (IFA_F_DEPRECATED | IFA_F_PERMANENT));
	fake_run(&fake, start + 10 * INET_SECOND);
	for (int i = 0; i < 2; i++)
		assert_true(find(iface, texts[i])->flags & IFA_F_DEPRECATED);
	inet__addr_lifetimes(find(iface, "fd00::1"), INET_FOREVER, INET_FOREVER);
	assert_true(find(iface, "fd00::1")->flags & IFA_F_PERMANENT);
	fake_run(&fake, start + 30 * INET_SECOND);
	assert_null(find(iface, "10.0.0.1"));
	assert_false(is_local("10.0.0.1"));
	assert_false(find(iface, "fd00::1")->flags & IFA_F_DEPRECATED);
	fake_run(&fake, start + 60 * INET_SECOND);
	assert_non_null(find(iface, "fd00::1"));
	inet__addr_lifetimes(find(iface, "fd00::1"), 5, 5);
	fake_run(&fake, fake.now + 5 * INET_SECOND);
	assert_null(find(iface, "fd00::1"));
	inet__nd_stop(iface); /* it solicits routers */
	assert_int_equal(inet__addrs_deadline(fake.inet), INET_NEVER);
}

/** test_lifetime_deleted - with an address that ends its end goes */
static void test_lifetime_deleted(void **state)
{
	struct inet_iface *iface = up("d0");
	struct inet_addr *addr;

	(void)state;
	iface->dad_transmits = 0;
	fake_run(&fake, fake.now + 5 * INET_SECOND);
	assert_int_equal(add(iface, "10.0.0.1", 24, 10, 30, 0, &addr), 0);
	assert_int_equal(add(iface, "10.0.0.2", 24, INET_FOREVER, INET_FOREVER, 0, NULL), 0);
	assert_int_equal(inet__addrs_deadline(fake.inet), fake.now + 10 * INET_SECOND);
	inet__addr_delete(addr);
	assert_int_equal(inet__addrs_deadline(fake.inet), INET_NEVER);
	assert_null(find(iface, "10.0.0.2")); /* it was a secondary one */
}

/** test_primary_ends - when a primary address ends, those that depend on it go with it */
static void test_primary_ends(void **state)
{
	struct inet_iface *iface = up("d0");

	(void)state;
	assert_int_equal(add(iface, "10.0.0.1", 24, 10, 10, 0, NULL), 0);
	assert_int_equal(add(iface, "10.0.0.2", 24, 10, 10, 0, NULL), 0);
	assert_int_equal(add(iface, "10.0.0.3", 24, INET_FOREVER, INET_FOREVER, 0, NULL), 0);
	assert_int_equal(add(iface, "10.0.1.1", 24, INET_FOREVER, INET_FOREVER, 0, NULL), 0);
	fake_run(&fake, fake.now + 10 * INET_SECOND);
	assert_null(find(iface, "10.0.0.1"));
	assert_null(find(iface, "10.0.0.2"));
	assert_null(find(iface, "10.0.0.3"));
	assert_non_null(find(iface, "10.0.1.1"));
	assert_int_equal(fake.addrs, 2); /* and the link-local one */
}

/** test_dad - an address is nobody's until nobody else is known to have it */
static void test_dad(void **state)
{
	struct inet_iface *iface = up("d0");
	struct inet_addr *addr;
	unsigned int frames = fake.frames;
	int64_t start = fake.now;

	(void)state;
	iface->addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;
	assert_int_equal(add(iface, "fd00::1", 64, INET_FOREVER, INET_FOREVER, 0, &addr), 0);
	assert_true(addr->flags & IFA_F_TENTATIVE);
	assert_false(is_local("fd00::1"));
	assert_null(strstr(fake.log, "addr+ fd00::1"));
	assert_non_null(strstr(fake.log, "group+ d0 ff02::1:ff00:1\n"));
	fake_run(&fake, start + INET_SECOND); /* the first probe is sent within a second */
	assert_true(fake.frames > frames);
	assert_true(addr->flags & IFA_F_TENTATIVE);
	fake_run(&fake, start + 2 * INET_SECOND);
	assert_false(addr->flags & IFA_F_TENTATIVE);
	assert_true(is_local("fd00::1"));
	assert_non_null(strstr(fake.log, "addr+ fd00::1"));
	inet__addr_delete(addr);
	assert_non_null(strstr(fake.log, "addr- fd00::1"));
	assert_non_null(strstr(fake.log, "group- d0 ff02::1:ff00:1\n"));
}

/** test_dad_failed - one that somebody else has stays and is not used; one with an end goes */
static void test_dad_failed(void **state)
{
	struct inet_iface *iface = up("d0");
	struct inet_addr *addr;

	(void)state;
	assert_int_equal(add(iface, "fd00::1", 64, INET_FOREVER, INET_FOREVER, 0, &addr), 0);
	inet__addr_dad_failed(addr);
	fake_run(&fake, fake.now + 10 * INET_SECOND);
	assert_int_equal(addr->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED), IFA_F_TENTATIVE | IFA_F_DADFAILED);
	assert_false(is_local("fd00::1"));
	assert_int_equal(add(iface, "fd00::2", 64, 100, 100, 0, &addr), 0);
	inet__addr_dad_failed(addr);
	assert_null(find(iface, "fd00::2"));
}

/** test_dad_carrier - without a network there is nobody to ask; when it comes they are asked */
static void test_dad_carrier(void **state)
{
	struct inet_iface *iface = fake_add(&fake, "d0");
	struct inet_addr *addr;

	(void)state;
	inet_iface_carrier(iface, false);
	assert_int_equal(inet__iface_set_flags(iface, IFF_UP, IFF_UP), 0);
	assert_int_equal(add(iface, "fd00::1", 64, INET_FOREVER, INET_FOREVER, 0, &addr), 0);
	assert_null(inet__addr_link_local(iface));
	assert_int_equal(inet__addrs_deadline(fake.inet), INET_NEVER);
	inet_iface_carrier(iface, true);
	fake_run(&fake, fake.now + 3 * INET_SECOND);
	assert_true(is_local("fd00::1"));
	assert_non_null(inet__addr_link_local(iface));
}

/** test_stable - RFC 7217: the same address each time, another one when it is taken */
static void test_stable(void **state)
{
	struct inet_iface *iface = fake_add(&fake, "d0");
	union inet_ip first, again;

	(void)state;
	iface->addr_gen_mode = IN6_ADDR_GEN_MODE_STABLE_PRIVACY;
	assert_int_equal(inet__iface_set_flags(iface, IFF_UP, IFF_UP), 0);
	fake_run(&fake, fake.now + 3 * INET_SECOND);
	first = inet__addr_link_local(iface)->local;
	assert_true(IN6_IS_ADDR_LINKLOCAL(&first.v6));
	assert_int_equal(inet__iface_set_flags(iface, 0, IFF_UP), 0);
	assert_int_equal(inet__iface_set_flags(iface, IFF_UP, IFF_UP), 0);
	assert_memory_equal(&iface->addrs->local, &first, sizeof(first));
	inet__addr_dad_failed(iface->addrs);
	again = iface->addrs->local;
	assert_memory_not_equal(&again, &first, sizeof(first));
	assert_null(iface->addrs->next);
	for (int i = 0; i < 3; i++)
		inet__addr_dad_failed(iface->addrs);
	assert_true(iface->addrs->flags & IFA_F_DADFAILED); /* it gives up */
	assert_null(iface->addrs->next);
}

/** test_engine_full - an address that the engine has no room for is not there, or is not usable */
static void test_engine_full(void **state)
{
	struct inet_iface *iface = up("d0");
	struct inet_addr *addr;

	(void)state;
	fake.addr_error = -ENOBUFS;
	assert_int_equal(add(iface, "10.0.0.1", 24, INET_FOREVER, INET_FOREVER, 0, NULL), -ENOBUFS);
	assert_null(find(iface, "10.0.0.1"));
	assert_int_equal(add(iface, "fd00::1", 64, INET_FOREVER, INET_FOREVER, 0, &addr), 0);
	fake_run(&fake, fake.now + 3 * INET_SECOND);
	assert_true(addr->flags & IFA_F_DADFAILED);
	assert_false(is_local("fd00::1"));
	fake.addr_error = 0;
}

/** test_many - addresses are found among many, and there is an end to them */
static void test_many(void **state)
{
	struct inet_iface *iface = up("d0");
	char text[64];

	(void)state;
	iface->addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;
	while (iface->addrs != NULL)
		inet__addr_delete(iface->addrs);
	for (unsigned int i = 0; i < INET_ADDRS_MAX; i++) {
		snprintf(text, sizeof(text), "10.%u.%u.1", i / 256, i % 256);
		assert_int_equal(add(iface, text, 24, INET_FOREVER, INET_FOREVER, 0, NULL), 0);
	}
	assert_int_equal(add(iface, "11.0.0.1", 24, INET_FOREVER, INET_FOREVER, 0, NULL), -ENOBUFS);
	assert_true(is_local("10.15.255.1"));
	assert_false(is_local("10.16.0.1"));
	inet__addr_delete(find(iface, "10.7.7.1"));
	assert_false(is_local("10.7.7.1"));
	assert_int_equal(fake.addrs, INET_ADDRS_MAX - 1);
}

int main(void)
{
#define KERNEL(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup_clock, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(lifetimes),  TEST(lifetime_deleted), TEST(primary_ends), TEST(dad),
	        TEST(dad_failed), TEST(dad_carrier),      TEST(stable),       TEST(engine_full),
	        TEST(many),       KERNEL(loopback),       KERNEL(ipv4),       KERNEL(ipv6),
	};
	int status = ip_begin();

	if (status != 0)
		return status;
	status = cmocka_run_group_tests_name("inet_addr", tests, NULL, NULL);
	ip_end();
	return status;
}
