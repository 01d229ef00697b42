/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_inet_addr.c - addresses: lists, primary and secondary ones, lifetimes, duplicate address detection, and the routes
 * that come and go with them.
 */
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

/* -------------------------------------------------------------------------------------------------- as on the kernel */

static void test_loopback(void **state)
{
	static const char *const commands[] = {
		"ip addr show",
		"ip link set lo up",
		"ip addr show", SHOW4, SHOW6,
		"ip addr add 10.1.1.1/32 dev lo", "ip addr add 10.2.0.1/16 dev lo", "ip -6 addr add fd00::1/128 dev lo",
		SHOW4, SHOW6,
		"ip link set lo down",
		"ip addr show", SHOW4, SHOW6,
		"ip link set lo up",
		SHOW4, SHOW6,
		"ip addr del 127.0.0.1/8 dev lo",
		SHOW4,
		"ip link set lo down", "ip link set lo up",
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
		"ip addr add 10.6.0.1/31 dev d0", "ip addr add 10.7.0.1/32 dev d0", "ip addr add 10.8.0.1/24 dev d0 noprefixroute",
		"ip addr add 10.9.0.1/24 dev d0 metric 77", "ip addr add 10.10.0.1/24 scope link dev d0",
		"ip addr add 10.11.0.1/24 scope host dev d0", "ip addr add 10.11.0.2/24 dev d0",
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
		"ip -6 addr add ff02::1/64 dev d0", "ip -6 addr add ::1/128 dev d0",
		SHOW6,
		"ip -6 addr change fd00:1::1/64 dev d0 valid_lft 100 preferred_lft 50",
		"ip -6 addr replace fd00:6::1/64 dev d0 metric 78",
		"ip -6 addr replace fd00:5::1/64 dev d0",
		"ip -6 addr change fd00:9::1/64 dev d0",
		"ip -6 addr replace fd00:a::1/64 dev d0",
		SHOW6,
		"ip -6 addr del fd00:1::1/64 dev d0",
		SHOW6,
		"ip -6 addr del fd00:1::2/64 dev d0", "ip -6 addr del fd00:3::1 peer fd00:3::2/64 dev d0",
		"ip -6 addr del fd00:1::2/64 dev d0",
		SHOW6,
		"ip link set d0 down",
		SHOW6,
		"ip link set d0 up",
		SHOW6,
		"ip link set d0 mtu 1200",
		SHOW6, "ip -6 addr add fd00:1::1/64 dev d0",
		"ip link set d0 mtu 1500",
		SHOW6,
		"ip link set d0 addrgenmode none", "ip link set d0 down", "ip link set d0 up",
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_loopback, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ipv4, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ipv6, setup, teardown),
	};
	int status = ip_begin();

	if (status != 0)
		return status;
	status = cmocka_run_group_tests_name("inet_addr", tests, NULL, NULL);
	ip_end();
	(void)setup_clock;
	return status;
}
