/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_inet_route.c - routing tables: what can be added and deleted, which route is taken, from which address.
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

#define SHOW4 "ip -4 route show", "ip -4 route show table all"
#define SHOW6 "ip -6 route show", "ip -6 route show table all"

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

static void test_ipv4(void **state)
{
	static const char *const commands[] = {
	        "ip link set lo up",
	        "ip link set d0 up",
	        "ip addr add 10.0.0.1/24 brd + dev d0",
	        "ip addr add 10.1.0.1/24 dev d1",
	        "ip addr add 10.0.0.2/24 dev d0",
	        "ip route add default via 10.0.0.254",
	        "ip route add default via 10.0.0.254",
	        "ip route add default via 10.0.0.253",
	        "ip route add default via 10.0.0.253 metric 5",
	        "ip route add 172.16.0.0/12 via 10.1.0.254",
	        "ip route add 172.16.0.0/12 via 10.0.0.77",
	        "ip route add 172.16.0.0/12 dev d1",
	        "ip route add 172.16.0.0/12 via 10.0.0.77 dev d1",
	        "ip route add 172.16.0.1/12 dev d0",
	        "ip route append 172.16.0.0/12 via 10.0.0.78",
	        "ip route append 172.16.0.0/12 via 10.0.0.78",
	        "ip route prepend 172.16.0.0/12 via 10.0.0.79",
	        "ip route replace 172.16.0.0/12 via 10.0.0.80",
	        "ip route replace 172.16.0.0/12 via 10.0.0.80",
	        "ip route change 172.16.0.0/12 via 10.0.0.81",
	        "ip route change 172.17.0.0/16 via 10.0.0.81",
	        "ip route add 192.0.2.0/24 dev d0 src 10.0.0.2",
	        "ip route add 192.0.3.0/24 dev d0 src 10.9.9.9",
	        "ip route add 192.0.4.0/24 via 10.0.0.1",
	        "ip route add 192.0.5.0/24 via 10.0.0.255",
	        "ip route add 192.0.6.0/24 via 203.0.113.1",
	        "ip route add 192.0.6.0/24 via 203.0.113.1 dev d0",
	        "ip route add 192.0.6.0/24 via 203.0.113.1 dev d0 onlink",
	        "ip route add 192.0.7.0/24 via 203.0.113.1 onlink",
	        "ip route add 192.0.8.0/24 via 172.16.0.1",
	        "ip route add 192.0.9.1 dev d0 scope link",
	        "ip route add 192.0.10.0/24 via 192.0.9.1",
	        "ip route add 192.0.11.0/24 dev d0 scope host",
	        "ip route add local 192.0.12.0/24 dev lo",
	        "ip route add broadcast 192.0.13.255 dev d0",
	        "ip route add multicast 239.0.0.0/8 dev d0",
	        "ip route add unreachable 198.51.100.0/24",
	        "ip route add prohibit 198.51.101.0/24 metric 3",
	        "ip route add blackhole 198.51.102.0/24",
	        "ip route add throw 198.51.103.0/24",
	        "ip route add unreachable 198.51.104.0/24 dev d0",
	        "ip route add 198.51.105.0/24 dev d0 mtu 1400 advmss 1300 hoplimit 7",
	        "ip route add 198.51.106.0/24 dev d0 mtu lock 1400",
	        "ip route add 198.51.107.0/24 dev d0 tos 0x10",
	        "ip route add 198.51.107.0/24 dev d0",
	        "ip route add 198.51.108.0/24 dev d0 table 100",
	        "ip route add default dev d0 table 1000",
	        "ip route add 198.51.109.0/24 dev d0 proto static",
	        "ip route add 198.51.0.0/16 dev d0",
	        "ip route add 198.0.0.0/8 dev d0",
	        SHOW4,
	        "ip route get 172.16.1.1",
	        "ip route get 10.0.0.9",
	        "ip route get 10.0.0.1",
	        "ip route get 10.0.0.255",
	        "ip route get 198.51.100.1",
	        "ip route get 198.51.101.1",
	        "ip route get 198.51.102.1",
	        "ip route get 198.51.103.1",
	        "ip route get 192.0.2.9",
	        "ip route get 192.0.12.9",
	        "ip route get 127.0.0.1",
	        "ip route get 127.9.9.9",
	        "ip route get 224.0.0.1",
	        "ip route get 239.1.1.1",
	        "ip route get 225.1.1.1",
	        "ip route get 255.255.255.255",
	        "ip route get 255.255.255.255 oif d0",
	        "ip route get 224.0.0.1 oif d0",
	        "ip route get 8.8.8.8 oif d0",
	        "ip route get 8.8.8.8 oif lo",
	        "ip route get 8.8.8.8 oif d1",
	        "ip route get 8.8.8.8 from 10.0.0.2",
	        "ip route get 8.8.8.8 from 10.0.0.9",
	        "ip route get 8.8.8.8 from 127.0.0.1",
	        "ip route get 198.51.105.1",
	        "ip route get 198.51.106.1",
	        "ip route get 198.51.107.1",
	        "ip route get 198.51.107.1 tos 0x10",
	        "ip route get 198.51.108.1",
	        "ip route get 0.1.2.3",
	        "ip route get fibmatch 8.8.8.8",
	        "ip route get 192.0.10.1",
	        "ip route get 10.0.0.2 from 10.0.0.1",
	        "ip route get 10.0.0.1 oif d0",
	        "ip route get 10.0.0.1 oif d1",
	        "ip route get 224.0.0.1 from 10.0.0.2",
	        "ip route get 255.255.255.255 from 10.0.0.2",
	        "ip route get 240.0.0.1",
	        "ip route del 172.16.0.0/12 via 10.0.0.99",
	        "ip route del 172.16.0.0/12 dev d1",
	        "ip route del 172.16.0.0/12",
	        "ip route del 172.16.0.0/12",
	        "ip route del default metric 5",
	        "ip route del default proto static",
	        "ip route del 198.51.107.0/24",
	        "ip route del 198.51.107.0/24",
	        "ip route del unreachable 198.51.101.0/24",
	        "ip route del prohibit 198.51.101.0/24",
	        "ip route del 198.51.108.0/24 table 100",
	        "ip route del 198.51.108.0/24 table 100",
	        SHOW4,
	        "ip link set d1 up",
	        SHOW4,
	        "ip route add 172.16.0.0/12 via 10.1.0.254",
	        "ip route add 203.0.113.0/24 via 10.0.0.9 src 10.1.0.1",
	        SHOW4,
	        "ip addr del 10.1.0.1/24 dev d1",
	        SHOW4,
	        "ip link set d0 down",
	        SHOW4,
	        "ip link set d0 up",
	        SHOW4,
	        NULL,
	};

	(void)state;
	ip_compare(&fake, commands);
}

static void test_ipv6(void **state)
{
	static const char *const commands[] = {
	        "ip -6 route get ::1",
	        "ip -6 route get fd00::1",
	        "ip link set lo up",
	        "ip link set d0 up",
	        "ip -6 addr add fd00::1/64 dev d0",
	        "ip -6 addr add fd01::1/64 dev d1",
	        "ip -6 addr add fd00::2/64 dev d0",
	        SHOW6,
	        "ip -6 route add default via fd00::fe",
	        "ip -6 route add default via fd00::fe",
	        "ip -6 route add default via fe80::9 dev d0 metric 5",
	        "ip -6 route add default via fe80::9",
	        "ip -6 route add 2001:db8::/32 via fd01::fe",
	        "ip -6 route add 2001:db8::/32 via fd00::77",
	        "ip -6 route add 2001:db8::/32 via fd00::77 dev d1",
	        "ip -6 route add 2001:db8::1/32 via fd00::77 metric 9",
	        "ip -6 route replace 2001:db8::/32 via fd00::80",
	        "ip -6 route change 2001:db8::/32 via fd00::81",
	        "ip -6 route change 2001:db9::/32 via fd00::81",
	        "ip -6 route add 2001:db8:2::/48 dev d0 src fd00::2",
	        "ip -6 route add 2001:db8:3::/48 dev d0 src fd00::99",
	        "ip -6 route add 2001:db8:4::/48 via fd00::1",
	        "ip -6 route add 2001:db8:5::/48 via ff02::1 dev d0",
	        "ip -6 route add 2001:db8:6::/48 via fd05::1",
	        "ip -6 route add 2001:db8:6::/48 via fd05::1 dev d0 onlink",
	        "ip -6 route add 2001:db8:7::/48 via fd05::1 onlink",
	        "ip -6 route add 2001:db8:8::/48 via 2001:db8::1",
	        "ip -6 route add 2001:db8:9::/48 dev lo",
	        "ip -6 route add local 2001:db8:a::/48 dev lo",
	        "ip -6 route add unreachable 2001:db8:b::/48",
	        "ip -6 route add prohibit 2001:db8:c::/48 metric 3",
	        "ip -6 route add blackhole 2001:db8:d::/48",
	        "ip -6 route add throw 2001:db8:e::/48",
	        "ip -6 route add 2001:db8:f::/48 dev d0 mtu 1400 advmss 1300 hoplimit 7",
	        "ip -6 route add 2001:db8:10::/48 dev d0 table 100",
	        "ip -6 route add 2001:db8:11::/48 dev d0 proto static pref high",
	        "ip -6 route add 2001:db8:12::/48 dev d0 expires 1000",
	        "ip -6 route add 2001:db8:13::/48 dev d1",
	        "ip -6 route add multicast ff05::/16 dev d0 table local",
	        SHOW6,
	        "ip -6 route get ::1",
	        "ip -6 route get fd00::1",
	        "ip -6 route get fd00::9",
	        "ip -6 route get fd00::",
	        "ip -6 route get 2001:db8::1",
	        "ip -6 route get 2001:db8:2::1",
	        "ip -6 route get 2001:db8:9::1",
	        "ip -6 route get 2001:db8:a::1",
	        "ip -6 route get 2001:db8:b::1",
	        "ip -6 route get 2001:db8:c::1",
	        "ip -6 route get 2001:db8:d::1",
	        "ip -6 route get 2001:db8:e::1",
	        "ip -6 route get 2001:db8:f::1",
	        "ip -6 route get 2001:db8:12::1",
	        "ip -6 route get ff02::1",
	        "ip -6 route get ff05::1",
	        "ip -6 route get ff02::1 oif d0",
	        "ip -6 route get fe80::7",
	        "ip -6 route get fe80::7 oif d0",
	        "ip -6 route get fe80::7 oif d1",
	        "ip -6 route get 2001:4860::1",
	        "ip -6 route get 2001:4860::1 oif d1",
	        "ip -6 route get 2001:4860::1 from fd00::2",
	        "ip -6 route get fibmatch 2001:4860::1",
	        "ip -6 route get fd00::1 oif d0",
	        "ip -6 route get fd00::1 from fd00::2",
	        "ip -6 route del 2001:db8::/32 via fd00::99",
	        "ip -6 route del 2001:db8::/32",
	        "ip -6 route del 2001:db8::/32 metric 9",
	        "ip -6 route del 2001:db8::/32",
	        "ip -6 route del 2001:db8:11::/48 proto boot",
	        "ip -6 route del 2001:db8:11::/48",
	        "ip -6 route del default dev d0 metric 5",
	        "ip -6 route del unreachable 2001:db8:b::/48",
	        "ip -6 route del 2001:db8:10::/48 table 100",
	        "ip -6 route del 2001:db8:13::/48",
	        SHOW6,
	        "ip -6 addr del fd00::2/64 dev d0",
	        SHOW6,
	        "ip link set d1 up",
	        SHOW6,
	        "ip -6 route add 2001:db8:20::/48 via fd01::9",
	        "ip link set d0 down",
	        SHOW6,
	        "ip link set d0 up",
	        SHOW6,
	        NULL,
	};

	(void)state;
	ip_compare(&fake, commands);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_ipv4, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_ipv6, setup, teardown),
	};
	int status = ip_begin();

	if (status != 0)
		return status;
	status = cmocka_run_group_tests_name("inet_route", tests, NULL, NULL);
	ip_end();
	return status;
}
