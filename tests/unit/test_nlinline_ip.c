/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_nlinline_ip.c - addresses and routes by the functions of nlinline.h, on the Linux kernel in a private namespace.
 *
 * What they claim to have done is checked with ip(8), which shares no code with them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "nlinline.h"

#include "kernel_net.h"

/* ----------------------------------------------------------------------------------------------- addresses */

static void test_addr4(void **state)
{
	struct in_addr addr = ip4("10.1.2.3"), small = ip4("10.9.0.0"), host = ip4("10.8.0.1"),
	               wide = ip4("172.31.5.6");

	(void)state;
	assert_int_equal(nlinline_ipaddr_add(AF_INET, &addr, 24, v0), 0);
	expect("ip -o addr show v0", "inet 10.1.2.3/24 brd 10.1.2.255 scope global v0");
	assert_error(EEXIST, nlinline_ipaddr_add(AF_INET, &addr, 24, v0));
	assert_int_equal(nlinline_ipaddr_add(AF_INET, &wide, 12, v0), 0);
	expect("ip -o addr show v0", "inet 172.31.5.6/12 brd 172.31.255.255 scope global v0");
	assert_int_equal(nlinline_ipaddr_add(AF_INET, &small, 31, v0), 0);
	expect("ip -o addr show v0", "inet 10.9.0.0/31 scope global v0");
	assert_int_equal(nlinline_ipaddr_add(AF_INET, &host, 32, v0), 0);
	expect("ip -o addr show v0", "inet 10.8.0.1/32 scope global v0");

	assert_error(EADDRNOTAVAIL, nlinline_ipaddr_del(AF_INET, &addr, 16, v0));
	assert_int_equal(nlinline_ipaddr_del(AF_INET, &addr, 24, v0), 0);
	expect_not("ip -o addr show v0", "10.1.2.3");
	assert_error(EADDRNOTAVAIL, nlinline_ipaddr_del(AF_INET, &addr, 24, v0));
	assert_int_equal(nlinline_ipaddr_del(AF_INET, &wide, 12, v0), 0);
	assert_int_equal(nlinline_ipaddr_del(AF_INET, &small, 31, v0), 0);
	assert_int_equal(nlinline_ipaddr_del(AF_INET, &host, 32, v0), 0);
	expect_not("ip -o -4 addr show v0", "inet");
}

/* the broadcast address for every length of prefix, as the kernel would compute it for "brd +" */
static void test_addr4_broadcast(void **state)
{
	(void)state;
	for (int prefixlen = 1; prefixlen <= 30; prefixlen++) {
		struct in_addr addr = ip4("100.85.170.85"), broadcast;
		char wanted[64], text[INET_ADDRSTRLEN];

		broadcast.s_addr = addr.s_addr | htonl(0xffffffffU >> prefixlen);
		snprintf(wanted, sizeof(wanted), "/%d brd %s ", prefixlen,
		         inet_ntop(AF_INET, &broadcast, text, sizeof(text)));
		assert_int_equal(nlinline_ipaddr_add(AF_INET, &addr, prefixlen, v0), 0);
		expect("ip -o -4 addr show v0", wanted);
		assert_int_equal(nlinline_ipaddr_del(AF_INET, &addr, prefixlen, v0), 0);
	}
}

static void test_addr4_loopback(void **state)
{
	struct in_addr addr = ip4("127.0.0.1");

	(void)state;
	assert_int_equal(nlinline_ipaddr_add(AF_INET, &addr, 8, 1), 0);
	expect("ip -o addr show lo", "inet 127.0.0.1/8 scope host lo");
	assert_int_equal(nlinline_ipaddr_del(AF_INET, &addr, 8, 1), 0);
	expect_not("ip -o addr show lo", "127.0.0.1");
}

static void test_addr6(void **state)
{
	struct in6_addr addr = ip6("2001:db8::5");

	(void)state;
	assert_int_equal(nlinline_ipaddr_add(AF_INET6, &addr, 64, v0), 0);
	expect("ip -o addr show v0", "inet6 2001:db8::5/64 scope global");
	assert_error(EEXIST, nlinline_ipaddr_add(AF_INET6, &addr, 64, v0));
	assert_error(EADDRNOTAVAIL, nlinline_ipaddr_del(AF_INET6, &addr, 48, v0));
	assert_int_equal(nlinline_ipaddr_del(AF_INET6, &addr, 64, v0), 0);
	expect_not("ip -o addr show v0", "2001:db8::5");
	assert_error(EADDRNOTAVAIL, nlinline_ipaddr_del(AF_INET6, &addr, 64, v0));
}

static void test_addr_data(void **state)
{
	struct in_addr addr = ip4("169.254.1.1");
	struct in6_addr addr6 = ip6("2001:db8::6");

	(void)state;
	assert_int_equal(nl_addrdata2prefix(24, 0, 0), 24);
	assert_int_equal(nlinline_ipaddr_add(AF_INET, &addr, nl_addrdata2prefix(16, 0, RT_SCOPE_LINK), v0), 0);
	expect("ip -o addr show v0", "inet 169.254.1.1/16 brd 169.254.255.255 scope link v0");
	assert_int_equal(nlinline_ipaddr_del(AF_INET, &addr, nl_addrdata2prefix(16, 0, RT_SCOPE_LINK), v0), 0);
	assert_int_equal(nlinline_ipaddr_add(AF_INET6, &addr6, nl_addrdata2prefix(64, IFA_F_NODAD, 0), v0), 0);
	expect("ip -o addr show v0", "inet6 2001:db8::6/64 scope global nodad");
	assert_int_equal(nlinline_ipaddr_del(AF_INET6, &addr6, 64, v0), 0);
}

static void test_addr_errors(void **state)
{
	struct in_addr addr = ip4("10.1.2.3");
	struct in6_addr addr6 = ip6("2001:db8::5");

	(void)state;
	assert_error(EAFNOSUPPORT, nlinline_ipaddr_add(AF_UNIX, &addr, 24, v0));
	assert_error(EAFNOSUPPORT, nlinline_ipaddr_del(-1, &addr, 24, v0));
	assert_error(EINVAL, nlinline_ipaddr_add(AF_INET, NULL, 24, v0));
	assert_error(EINVAL, nlinline_ipaddr_add(AF_INET, &addr, -1, v0));
	assert_error(EINVAL, nlinline_ipaddr_add(AF_INET, &addr, 33, v0));
	assert_error(EINVAL, nlinline_ipaddr_add(AF_INET6, &addr6, 129, v0));
	assert_error(ENODEV, nlinline_ipaddr_add(AF_INET, &addr, 24, 99));
	assert_error(ENODEV, nlinline_ipaddr_add(AF_INET6, &addr6, 64, 99));
	assert_error(ENODEV, nlinline_ipaddr_del(AF_INET, &addr, 24, 99));
	expect_not("ip -o addr show", "10.1.2.3");
}

/* -------------------------------------------------------------------------------------------------- routes */

static void test_route4(void **state)
{
	struct in_addr addr = ip4("10.1.2.3"), gw = ip4("10.1.2.1"), net = ip4("10.77.0.0"), far = ip4("192.168.9.9");
	struct in_addr any = ip4("0.0.0.0");

	(void)state;
	assert_int_equal(nlinline_ipaddr_add(AF_INET, &addr, 24, v0), 0);
	assert_int_equal(nlinline_iproute_add(AF_INET, NULL, 0, &gw, 0), 0);
	expect("ip route", "default via 10.1.2.1 dev v0");
	assert_error(EEXIST, nlinline_iproute_add(AF_INET, NULL, 0, &gw, 0));
	assert_int_equal(nlinline_iproute_del(AF_INET, NULL, 0, &gw, 0), 0);
	expect_not("ip route", "default");
	assert_error(ESRCH, nlinline_iproute_del(AF_INET, NULL, 0, &gw, 0));

	/* the default route by its address, and a length that does not matter */
	assert_int_equal(nlinline_iproute_add(AF_INET, &any, 0, &gw, v0), 0);
	expect("ip route", "default via 10.1.2.1 dev v0");
	assert_int_equal(nlinline_iproute_del(AF_INET, NULL, 24, &gw, v0), 0);
	expect_not("ip route", "default");

	assert_int_equal(nlinline_iproute_add(AF_INET, &net, 16, &gw, 0), 0);
	expect("ip route", "10.77.0.0/16 via 10.1.2.1 dev v0");
	assert_int_equal(nlinline_iproute_del(AF_INET, &net, 16, &gw, 0), 0);
	assert_int_equal(nlinline_iproute_add(AF_INET, &net, 16, NULL, v0), 0);
	expect("ip route", "10.77.0.0/16 dev v0 scope link");
	assert_int_equal(nlinline_iproute_del(AF_INET, &net, 16, NULL, v0), 0);
	expect_not("ip route", "10.77.0.0");

	assert_error(ENETUNREACH, nlinline_iproute_add(AF_INET, &net, 16, &far, 0));
	assert_error(EINVAL, nlinline_iproute_add(AF_INET, &net, 8, &gw, 0));
	assert_error(EINVAL, nlinline_iproute_add(AF_INET, &net, 33, &gw, 0));
	assert_error(ENODEV, nlinline_iproute_add(AF_INET, &net, 16, NULL, 99));
	output("ip link set v0 down");
	assert_error(ENETDOWN, nlinline_iproute_add(AF_INET, &net, 16, NULL, v0));
}

static void test_route6(void **state)
{
	struct in6_addr addr = ip6("2001:db8::5"), gw = ip6("2001:db8::1"), net = ip6("2001:db8:77::");
	struct in6_addr far = ip6("2001:db8:ffff::1"), link = ip6("fe80::1");

	(void)state;
	assert_int_equal(nlinline_ipaddr_add(AF_INET6, &addr, 64, v0), 0);
	assert_int_equal(nlinline_iproute_add(AF_INET6, NULL, 0, &gw, 0), 0);
	expect("ip -6 route", "default via 2001:db8::1 dev v0");
	assert_error(EEXIST, nlinline_iproute_add(AF_INET6, NULL, 0, &gw, 0));
	assert_int_equal(nlinline_iproute_del(AF_INET6, NULL, 0, &gw, 0), 0);
	expect_not("ip -6 route", "default");
	assert_error(ESRCH, nlinline_iproute_del(AF_INET6, NULL, 0, &gw, 0));

	assert_int_equal(nlinline_iproute_add(AF_INET6, &net, 48, NULL, v0), 0);
	expect("ip -6 route", "2001:db8:77::/48 dev v0");
	assert_int_equal(nlinline_iproute_del(AF_INET6, &net, 48, NULL, v0), 0);
	expect_not("ip -6 route", "2001:db8:77::");
	/* a gateway of the link needs its interface */
	assert_int_equal(nlinline_iproute_add(AF_INET6, &net, 48, &link, v0), 0);
	expect("ip -6 route", "2001:db8:77::/48 via fe80::1 dev v0");
	assert_int_equal(nlinline_iproute_del(AF_INET6, &net, 48, &link, v0), 0);
	expect_not("ip -6 route", "2001:db8:77::");

	assert_error(EHOSTUNREACH, nlinline_iproute_add(AF_INET6, &net, 48, &far, 0));
	assert_error(EINVAL, nlinline_iproute_add(AF_INET6, &net, 129, &gw, 0));
	assert_error(ENODEV, nlinline_iproute_add(AF_INET6, &net, 48, NULL, 99));
}

static void test_route_data(void **state)
{
	struct in_addr net = ip4("10.66.0.0");
	struct in6_addr net6 = ip6("2001:db8:66::");
	int blackhole = nl_routedata2prefix(16, RTN_BLACKHOLE, RT_SCOPE_UNIVERSE);
	int local = nl_routedata2prefix(16, RTN_LOCAL, RT_SCOPE_HOST);

	(void)state;
	assert_int_equal(nl_routedata2prefix(24, 0, 0), 24);
	assert_int_equal(nlinline_iproute_add(AF_INET, &net, blackhole, NULL, 0), 0);
	expect("ip route", "blackhole 10.66.0.0/16");
	expect_not("ip route", "scope link");
	assert_int_equal(nlinline_iproute_del(AF_INET, &net, blackhole, NULL, 0), 0);
	assert_int_equal(nlinline_iproute_add(AF_INET, &net, local, NULL, v0), 0);
	expect("ip route", "local 10.66.0.0/16 dev v0 scope host");
	assert_error(ESRCH, nlinline_iproute_del(AF_INET, &net, blackhole, NULL, 0));
	assert_int_equal(nlinline_iproute_del(AF_INET, &net, 16, NULL, v0), 0);
	expect_not("ip route", "10.66.0.0");
	assert_int_equal(nlinline_iproute_add(AF_INET6, &net6, nl_routedata2prefix(48, RTN_UNREACHABLE, 0), NULL, 1),
	                 0);
	expect("ip -6 route", "unreachable 2001:db8:66::/48");
	assert_int_equal(nlinline_iproute_del(AF_INET6, &net6, nl_routedata2prefix(48, RTN_UNREACHABLE, 0), NULL, 1),
	                 0);
	expect_not("ip -6 route", "2001:db8:66::");
}

static void test_route_errors(void **state)
{
	struct in_addr net = ip4("10.66.0.0");

	(void)state;
	assert_error(EAFNOSUPPORT, nlinline_iproute_add(AF_UNIX, &net, 16, NULL, v0));
	assert_error(EAFNOSUPPORT, nlinline_iproute_del(AF_UNSPEC, &net, 16, NULL, v0));
	assert_error(EINVAL, nlinline_iproute_add(AF_INET, &net, -1, NULL, v0));
	assert_error(ESRCH, nlinline_iproute_del(AF_INET, &net, 16, NULL, v0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(addr4),       TEST(addr4_broadcast), TEST(addr4_loopback), TEST(addr6),      TEST(addr_data),
	        TEST(addr_errors), TEST(route4),          TEST(route6),         TEST(route_data), TEST(route_errors),
	};
	int status = enter();

	return status ? status : cmocka_run_group_tests_name("nlinline_ip", tests, NULL, NULL);
}
