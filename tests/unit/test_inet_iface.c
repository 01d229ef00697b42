/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_inet_iface.c - interfaces: names, indices, flags, carrier, limits, groups and the filter of hardware addresses.
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

static struct fake fake;

static int setup(void **state)
{
	(void)state;
	fake.now = 0;
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

static void test_as_linux(void **state)
{
	static const char *const commands[] = {
	        "ip link show",
	        "ip link set d0 up",
	        "ip link show",
	        "ip link set d0 mtu 67",
	        "ip link set d0 mtu 68",
	        "ip link set d0 mtu 1400",
	        "ip link show dev d0",
	        "ip link set d0 name d1",
	        "ip link set d0 name 'a b'",
	        "ip link set d0 name e0",
	        "ip link show dev e0",
	        "ip link set e0 name d0",
	        "ip link set d0 address 01:00:00:00:00:01",
	        "ip link set d0 address 00:00:00:00:00:00",
	        "ip link set d0 address 02:00:00:00:00:99",
	        "ip link show dev d0",
	        "ip link set d0 promisc on",
	        "ip link set d0 allmulticast on",
	        "ip link set d0 arp off",
	        "ip link set d0 multicast off",
	        "ip link show dev d0",
	        "ip link set d0 promisc off allmulticast off arp on multicast on",
	        "ip link show dev d0",
	        "ip link set lo name l0",
	        "ip link show up",
	        "ip link set l0 name lo",
	        "ip link del lo",
	        "ip link set lo mtu 1000",
	        "ip link show dev lo",
	        "ip link set lo up",
	        "ip link set lo address 02:00:00:00:00:01",
	        "ip link set d0 down",
	        "ip link show",
	        "ip link set nobody up",
	        "ip link set lo promisc on",
	        "ip link show dev lo",
	        "ip link del d0",
	        "ip link show",
	        "ip link del d0",
	        NULL,
	};

	(void)state;
	ip_compare(&fake, commands);
}

/* --------------------------------------------------------------------------------------------------- names, indices */

static void test_names(void **state)
{
	static const struct {
		const char *name;
		int result;
	} names[] = {
	        {"vde0", 0},       {"vde0", -EEXIST}, {"vde%d", 0},           {"", -EINVAL},
	        {".", -EINVAL},    {"..", -EINVAL},   {"a/b", -EINVAL},       {"a b", -EINVAL},
	        {"a:b", -EINVAL},  {"a\tb", -EINVAL}, {"0123456789abcde", 0}, {"0123456789abcdef", -EINVAL},
	        {"%d%d", -EINVAL}, {"%s", -EINVAL},   {"%", -EINVAL},         {"%d", 0},
	        {"lo", -EEXIST},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int result = inet_iface_new(fake.inet, names[i].name, "vde", "null://", NULL, 0, NULL);

		if (result != names[i].result)
			fail_msg("'%s': %d", names[i].name, result);
	}
	assert_non_null(inet_iface_by_name(fake.inet, "vde1"));
	assert_non_null(inet_iface_by_name(fake.inet, "0"));
	assert_int_equal(inet_iface_new(fake.inet, "x", "veth", NULL, NULL, 0, NULL), -EOPNOTSUPP);
	assert_null(inet_iface_by_name(fake.inet, "x"));
}

static void test_indices(void **state)
{
	struct inet_iface *a = fake_add(&fake, "a"), *b = fake_add(&fake, "b"), *c;

	(void)state;
	assert_int_equal(fake.inet->lo->index, 1);
	assert_int_equal(a->index, 2);
	assert_int_equal(b->index, 3);
	assert_int_equal(inet_iface_delete(b), 0);
	c = fake_add(&fake, "c");
	assert_int_equal(c->index, 4); /* not 3 again */
	assert_int_equal(inet_iface_new(fake.inet, "d", "vde", "null://", NULL, 4, NULL), -EEXIST);
	assert_int_equal(inet_iface_new(fake.inet, "d", "vde", "null://", NULL, 3, &b), 0);
	assert_int_equal(b->index, 3);
	assert_ptr_equal(inet_iface_by_index(fake.inet, 3), b);
	assert_ptr_equal(a->next, b); /* in their order */
	assert_ptr_equal(b->next, c);
	assert_null(inet_iface_by_index(fake.inet, 5));
	assert_int_equal(inet_iface_new(fake.inet, "e", "vde", "null://", NULL, 0x80000000U, NULL), -EINVAL);
	assert_int_equal(inet_iface_delete(fake.inet->lo), -EOPNOTSUPP);
}

/** test_failures - what fails half way leaves nothing */
static void test_failures(void **state)
{
	static const unsigned char group[6] = {1, 0, 0, 0, 0, 1};

	(void)state;
	fake.link_error = -ECONNREFUSED;
	assert_int_equal(inet_iface_new(fake.inet, "a", "vde", "null://", NULL, 0, NULL), -ECONNREFUSED);
	fake.link_error = 0;
	assert_int_equal(inet_iface_new(fake.inet, "a", "vde", "null://", group, 0, NULL), -EADDRNOTAVAIL);
	assert_int_equal(fake.ports, 0);
	assert_int_equal(fake.ifaces, 1);
	assert_null(inet_iface_by_name(fake.inet, "a"));
	assert_non_null(fake_add(&fake, "a"));
}

/** test_random_mac - one station's, locally administered, another one each time */
static void test_random_mac(void **state)
{
	struct inet_iface *a = fake_add(&fake, "a"), *b = fake_add(&fake, "b");

	(void)state;
	assert_int_equal(a->mac[0] & 3, 2);
	assert_int_equal(b->mac[0] & 3, 2);
	assert_memory_not_equal(a->mac, b->mac, 6);
}

static void test_flags(void **state)
{
	struct inet_iface *iface = fake_add(&fake, "a");

	(void)state;
	assert_false(inet_iface_running(iface));
	assert_int_equal(inet__iface_operstate(iface), IF_OPER_DOWN);
	assert_int_equal(inet__iface_set_flags(iface, IFF_UP, IFF_UP), 0);
	assert_true(inet_iface_running(iface));
	assert_non_null(strstr(fake.log, "iface a 1 runs\n"));
	assert_int_equal(inet__iface_flags(iface) & (IFF_RUNNING | IFF_LOWER_UP), IFF_RUNNING | IFF_LOWER_UP);
	inet_iface_carrier(iface, false);
	assert_false(inet_iface_running(iface));
	assert_int_equal(inet__iface_flags(iface) & (IFF_UP | IFF_RUNNING | IFF_LOWER_UP), IFF_UP);
	assert_int_equal(inet__iface_operstate(iface), IF_OPER_DOWN);
	inet_iface_carrier(iface, true);
	assert_int_equal(inet__iface_operstate(iface), IF_OPER_UP);
	/* Packet sockets that want all frames are not shown, and count. */
	inet_iface_promisc(iface, 1);
	assert_int_equal(inet__iface_flags(iface) & IFF_PROMISC, 0);
	assert_true(iface->flags & IFF_PROMISC);
	assert_int_equal(inet__iface_set_flags(iface, IFF_PROMISC, IFF_PROMISC), 0);
	assert_true(inet__iface_flags(iface) & IFF_PROMISC);
	inet_iface_promisc(iface, -1);
	assert_true(iface->flags & IFF_PROMISC);
	assert_int_equal(inet__iface_set_flags(iface, 0, IFF_PROMISC), 0);
	assert_false(iface->flags & IFF_PROMISC);
	inet_iface_promisc(iface, -1); /* one too many does no harm */
	assert_int_equal(iface->promisc, 0);
}

static void test_mtu(void **state)
{
	struct inet_iface *iface = fake_add(&fake, "a");

	(void)state;
	assert_int_equal(iface->mtu, INET_MTU_DEFAULT);
	assert_int_equal(inet__iface_set_mtu(iface, INET_MTU_MAX + 1), -EINVAL);
	assert_int_equal(inet__iface_set_mtu(iface, INET_MTU_MIN - 1), -EINVAL);
	assert_int_equal(inet__iface_set_mtu(iface, INET_MTU_MAX), 0);
	assert_non_null(strstr(fake.log, "iface a 2\n"));
	iface->mtu6 = 1400;
	assert_int_equal(inet__iface_mtu(iface, AF_INET6), 1400);
	assert_int_equal(inet__iface_mtu(iface, AF_INET), INET_MTU_MAX);
	assert_int_equal(inet__iface_set_mtu(iface, 1300), 0);
	assert_int_equal(inet__iface_mtu(iface, AF_INET6), 1300);
	assert_true(inet__iface_has6(iface));
	assert_int_equal(inet__iface_set_mtu(iface, 1279), 0);
	assert_false(inet__iface_has6(iface));
	assert_int_equal(inet__iface_set_mtu(iface, 1280), 0);
	assert_true(inet__iface_has6(iface));
}

/* ----------------------------------------------------------------------------------------------------------- groups */

static bool wants(const struct inet_iface *iface, const char *text)
{
	unsigned char mac[6];
	unsigned int b[6];

	assert_int_equal(sscanf(text, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]), 6);
	for (int i = 0; i < 6; i++)
		mac[i] = (unsigned char)b[i];
	return inet_wants(iface, mac);
}

static int join(struct inet_iface *iface, const char *text)
{
	int family;
	union inet_ip ip = fake_ip(text, &family);

	return inet_group_join(iface, family, &ip);
}

static void leave(struct inet_iface *iface, const char *text)
{
	int family;
	union inet_ip ip = fake_ip(text, &family);

	inet_group_leave(iface, family, &ip);
}

static bool member(const struct inet_iface *iface, const char *text)
{
	int family;
	union inet_ip ip = fake_ip(text, &family);

	return inet_group_member(iface, family, &ip);
}

static void test_groups(void **state)
{
	struct inet_iface *iface = fake_add(&fake, "a");

	(void)state;
	assert_true(wants(iface, "ff:ff:ff:ff:ff:ff"));
	assert_true(wants(iface, "01:00:5e:00:00:01"));
	assert_true(wants(iface, "33:33:00:00:00:01"));
	assert_false(wants(iface, "02:99:99:99:99:99"));
	assert_true(inet_wants(iface, iface->mac));
	assert_true(member(iface, "224.0.0.1") && member(iface, "ff02::1") && member(iface, "ff01::1"));
	assert_int_equal(join(iface, "224.0.0.1"), 0); /* always joined, never announced */
	leave(iface, "224.0.0.1");
	assert_int_equal(fake.groups, 0);

	assert_int_equal(join(iface, "10.0.0.1"), -EINVAL);
	assert_int_equal(join(iface, "fd00::1"), -EINVAL);
	assert_false(wants(iface, "01:00:5e:00:00:fb"));
	assert_int_equal(join(iface, "224.0.0.251"), 0);
	assert_int_equal(join(iface, "224.0.0.251"), 0);
	assert_int_equal(join(iface, "ff02::fb"), 0);
	assert_int_equal(fake.groups, 2);
	assert_true(wants(iface, "01:00:5e:00:00:fb"));
	assert_true(wants(iface, "33:33:00:00:00:fb"));
	assert_false(wants(iface, "33:33:00:00:00:fa"));
	assert_true(member(iface, "224.0.0.251"));
	assert_false(member(iface, "224.128.0.251")); /* of the same hardware address */
	assert_true(wants(iface, "01:00:5e:00:00:fb"));
	leave(iface, "224.0.0.251");
	assert_true(member(iface, "224.0.0.251"));
	leave(iface, "224.0.0.251");
	assert_false(member(iface, "224.0.0.251"));
	assert_false(wants(iface, "01:00:5e:00:00:fb"));
	assert_true(wants(iface, "33:33:00:00:00:fb"));
	leave(iface, "224.0.0.251"); /* one too many */
	assert_int_equal(fake.groups, 1);

	inet_iface_allmulti(iface, 1);
	assert_true(wants(iface, "01:00:5e:12:34:56"));
	inet_iface_allmulti(iface, -1);
	assert_false(wants(iface, "01:00:5e:12:34:56"));
	inet_iface_promisc(iface, 1);
	assert_true(wants(iface, "02:99:99:99:99:99"));
	inet_iface_promisc(iface, -1);
	/* the one group that is left goes with the interface: teardown */
}

static void test_many_groups(void **state)
{
	struct inet_iface *iface = fake_add(&fake, "a");
	union inet_ip ip;

	(void)state;
	for (uint32_t i = 0; i < INET_GROUPS_MAX; i++) {
		ip.v4.s_addr = htonl(0xef000000 + i);
		assert_int_equal(inet_group_join(iface, AF_INET, &ip), 0);
	}
	assert_int_equal(join(iface, "225.0.0.1"), -ENOBUFS);
	assert_int_equal(join(iface, "239.0.0.7"), 0);
	leave(iface, "239.0.0.9");
	assert_int_equal(join(iface, "225.0.0.1"), 0);
	assert_true(wants(iface, "01:00:5e:00:00:01") && wants(iface, "01:00:5e:00:03:ff"));
	assert_false(wants(iface, "01:00:5e:00:04:00"));
}

/** test_deleted_in_use - with all that can be there */
static void test_deleted_in_use(void **state)
{
	struct inet_iface *iface = fake_add(&fake, "a");
	struct inet__addr_spec spec = {.family = AF_INET6, .prefixlen = 64, .preferred = 10, .valid = 20};
	struct inet_route route;

	(void)state;
	assert_int_equal(inet__iface_set_flags(iface, IFF_UP, IFF_UP), 0);
	assert_int_equal(join(iface, "ff02::fb"), 0);
	spec.local = spec.peer = fake_ip("fd00::1", NULL);
	assert_int_equal(inet__addr_add(iface, &spec, NLM_F_CREATE, NULL), 0);
	spec.family = AF_INET;
	spec.prefixlen = 24;
	spec.local = spec.peer = fake_ip("10.0.0.1", NULL);
	assert_int_equal(inet__addr_add(iface, &spec, NLM_F_CREATE, NULL), 0);
	inet__route_init(&route, AF_INET);
	route.gateway = fake_ip("10.0.0.9", NULL);
	route.has_gateway = true;
	assert_int_equal(inet__route_add(fake.inet, &route, NLM_F_CREATE), 0);
	assert_int_equal(inet_iface_delete(iface), 0);
	assert_null(inet__route_find(fake.inet, &route));
	assert_int_equal(fake.groups, 0);
	assert_int_equal(fake.addrs, 0);
	assert_int_equal(fake.ports, 0);
	assert_int_equal(inet_deadline(fake.inet), INET_NEVER);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(names), TEST(indices), TEST(failures),    TEST(random_mac),     TEST(flags),
	        TEST(mtu),   TEST(groups),  TEST(many_groups), TEST(deleted_in_use), TEST(as_linux),
	};
	int status = ip_begin();

	if (status != 0)
		return status;
	status = cmocka_run_group_tests_name("inet_iface", tests, NULL, NULL);
	ip_end();
	return status;
}
