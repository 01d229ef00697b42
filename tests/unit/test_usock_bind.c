/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_usock_bind.c - ports: who may have which, who gets what arrives; addresses from and to sockaddr structures. */
#include "usock_stream_fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int setup(void **state)
{
	*state = fake_stack();
	return 0;
}

static int teardown(void **state)
{
	fake_done(*state);
	return 0;
}

/** bind_to - usock__bind of an address and port */
static int bind_to(struct usock__inet *sock, const char *text, unsigned int port)
{
	struct usock_endpoint local = fake_end(sock->sock.family, text, port);

	return usock__bind(sock, sock->sock.type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP, &local);
}

/** found - who gets a datagram to @to from @from, port 9 to port 9 */
static struct usock__inet *found(struct usock_stack *stack, int family, const char *to, const char *from,
                                 unsigned int iface)
{
	struct usock_endpoint local = fake_end(family, to, 9), remote = fake_end(family, from, 9);

	return usock__bind_lookup(stack, IPPROTO_UDP, family, &local, &remote, inet_iface_by_index(NULL, iface));
}

static void connect_to(struct usock__inet *sock, const char *text, unsigned int port)
{
	struct usock_endpoint remote = fake_end(sock->sock.family, text, port);

	assert_int_equal(usock__bind_connect(sock, IPPROTO_UDP, &remote), 0);
	sock->remote = remote;
	sock->connected = true;
}

/* ------------------------------------------------------------------------------------------------------------- bind */

/** struct row - may a second socket have a port that a first one has? */
struct row {
	int family[2];
	const char *addr[2];
	const char
	        *options[2]; /* r: SO_REUSEADDR, p: SO_REUSEPORT, 6: IPV6_V6ONLY, d: on vde0, e: on vde1, l: listens */
	bool tcp, udp;
};

#define ANY4 "0.0.0.0"
#define OURS "10.0.0.1"
#define OTHER "10.0.0.3"
#define MAPPED "::ffff:10.0.0.1"
#define OURS6 "fd00::1"

static const struct row rows[] = {
        {{AF_INET, AF_INET}, {OURS, OURS}, {"", ""}, false, false},
        {{AF_INET, AF_INET}, {OURS, ANY4}, {"", ""}, false, false},
        {{AF_INET, AF_INET}, {ANY4, OURS}, {"", ""}, false, false},
        {{AF_INET, AF_INET}, {OURS, OTHER}, {"", ""}, true, true},
        {{AF_INET, AF_INET}, {OURS, OURS}, {"r", ""}, false, false},
        {{AF_INET, AF_INET}, {OURS, OURS}, {"", "r"}, false, false},
        {{AF_INET, AF_INET}, {OURS, OURS}, {"r", "r"}, true, true},
        {{AF_INET, AF_INET}, {ANY4, OURS}, {"r", "r"}, true, true},
        {{AF_INET, AF_INET}, {OURS, OURS}, {"rl", "r"}, false, true},
        {{AF_INET, AF_INET}, {OURS, OURS}, {"p", "p"}, true, true},
        {{AF_INET, AF_INET}, {OURS, OURS}, {"pl", "p"}, true, true},
        {{AF_INET, AF_INET}, {OURS, OURS}, {"p", ""}, false, false},
        {{AF_INET, AF_INET}, {OURS, OURS}, {"p", "r"}, false, false},
        {{AF_INET, AF_INET}, {OURS, OURS}, {"d", "e"}, true, true},
        {{AF_INET, AF_INET}, {OURS, OURS}, {"d", "d"}, false, false},
        {{AF_INET, AF_INET}, {OURS, OURS}, {"d", ""}, false, false},
        {{AF_INET6, AF_INET6}, {OURS6, OURS6}, {"", ""}, false, false},
        {{AF_INET6, AF_INET6}, {"::", OURS6}, {"", ""}, false, false},
        {{AF_INET6, AF_INET6}, {"::1", OURS6}, {"", ""}, true, true},
        {{AF_INET6, AF_INET}, {"::", ANY4}, {"", ""}, false, false},
        {{AF_INET6, AF_INET}, {"::", OURS}, {"", ""}, false, false},
        {{AF_INET6, AF_INET}, {"::", ANY4}, {"6", ""}, true, true},
        {{AF_INET, AF_INET6}, {ANY4, "::"}, {"", "6"}, true, true},
        {{AF_INET, AF_INET6}, {OURS, "::"}, {"", ""}, false, false},
        {{AF_INET6, AF_INET}, {OURS6, ANY4}, {"", ""}, true, true},
        {{AF_INET6, AF_INET}, {MAPPED, OURS}, {"", ""}, false, false},
        {{AF_INET6, AF_INET}, {MAPPED, OTHER}, {"", ""}, true, true},
        {{AF_INET6, AF_INET6}, {MAPPED, OURS6}, {"", ""}, true, true},
        {{AF_INET6, AF_INET6}, {"::ffff:0.0.0.0", MAPPED}, {"", ""}, false, false},
        {{AF_INET6, AF_INET6}, {"::", MAPPED}, {"6", ""}, true, true},
        {{AF_INET6, AF_INET6}, {"::", MAPPED}, {"", ""}, false, false},
};

static void set_options(struct usock__inet *sock, const char *options)
{
	sock->sock.options.reuseaddr = strchr(options, 'r') != NULL;
	sock->sock.options.reuseport = strchr(options, 'p') != NULL;
	sock->ip.v6only = strchr(options, '6') != NULL;
	sock->sock.options.bound_if = strchr(options, 'd') != NULL ? 2 : strchr(options, 'e') != NULL ? 3 : 0;
}

static void test_conflicts(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int proto = 0; proto < 2; proto++) {
			struct usock__inet *sock[2];

			for (int j = 0; j < 2; j++) {
				int ret;

				sock[j] = proto == 0 ? &fake_socket(*state, rows[i].family[j])->inet
				                     : fake_udp(*state, rows[i].family[j]);
				set_options(sock[j], rows[i].options[j]);
				ret = bind_to(sock[j], rows[i].addr[j], 80);
				if (ret != (j == 0 || (proto == 0 ? rows[i].tcp : rows[i].udp) ? 0 : -EADDRINUSE))
					fail_msg("row %zu, %s: %d", i, proto == 0 ? "TCP" : "UDP", ret);
				if (proto == 0 && strchr(rows[i].options[j], 'l') != NULL)
					assert_int_equal(sock[j]->sock.kind->listen(&sock[j]->sock, 1), 0);
			}
			fake_close(&sock[1]->sock);
			fake_close(&sock[0]->sock);
		}
	}
}

static void test_listen_conflict(void **state)
{
	struct usock__stream *one = fake_socket(*state, AF_INET), *two = fake_socket(*state, AF_INET);

	one->inet.sock.options.reuseaddr = two->inet.sock.options.reuseaddr = true;
	assert_int_equal(bind_to(&one->inet, OURS, 80), 0);
	assert_int_equal(bind_to(&two->inet, OURS, 80), 0);
	assert_int_equal(usock__stream_listen(&one->inet.sock, 1), 0);
	assert_int_equal(usock__stream_listen(&two->inet.sock, 1), -EADDRINUSE);
	fake_close(&one->inet.sock);
	assert_int_equal(usock__stream_listen(&two->inet.sock, 1), 0);
}

static void test_addresses(void **state)
{
	static const struct {
		int family;
		const char *addr;
		int result;
	} table[] = {
	        {AF_INET, "10.0.0.2", -EADDRNOTAVAIL},
	        {AF_INET, "127.0.0.9", 0},
	        {AF_INET, "255.255.255.255", 0},
	        {AF_INET, "224.0.0.1", 0},
	        {AF_INET6, "fd00::2", -EADDRNOTAVAIL},
	        {AF_INET6, "ff02::1%2", -EINVAL},
	        {AF_INET6, "fe80::1", -EINVAL},
	        {AF_INET6, "fe80::1%2", 0},
	        {AF_INET6, "fe80::1%3", -EADDRNOTAVAIL},
	        {AF_INET6, "fe80::1%77", -ENODEV},
	        {AF_INET6, "::ffff:10.0.0.2", -EADDRNOTAVAIL},
	        {AF_INET6, MAPPED, 0},
	};
	struct usock__inet *sock;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		sock = &fake_socket(*state, table[i].family)->inet;
		assert_int_equal(bind_to(sock, table[i].addr, 0), table[i].result);
		assert_int_equal(sock->bind_port != 0, table[i].result == 0);
		if (table[i].result != 0)
			assert_int_equal(sock->sock.options.bound_if, 0);
		fake_close(&sock->sock);
	}
	sock = &fake_socket(*state, AF_INET)->inet;
	sock->ip.freebind = true;
	assert_int_equal(bind_to(sock, "10.0.0.2", 80), 0);
	sock = &fake_socket(*state, AF_INET6)->inet;
	sock->ip.freebind6 = true;
	assert_int_equal(bind_to(sock, "fd00::2", 80), 0);
	sock = &fake_socket(*state, AF_INET6)->inet;
	sock->ip.v6only = true;
	assert_int_equal(bind_to(sock, MAPPED, 81), -EINVAL);
	assert_int_equal(bind_to(sock, "fe80::1%2", 81), 0);
	assert_int_equal(sock->sock.options.bound_if, 2);
	assert_int_equal(bind_to(sock, "fe80::1%2", 82), -EINVAL);
	sock = fake_udp(*state, AF_INET6);
	assert_int_equal(bind_to(sock, "ff02::1%2", 82), 0);
}

static void test_flags(void **state)
{
	struct usock__inet *sock = fake_udp(*state, AF_INET);

	assert_int_equal(bind_to(sock, ANY4, 0), 0);
	assert_true(sock->bound && !sock->bound_addr && !sock->bound_port && sock->bind_port >= 32768);
	assert_int_equal(sock->local.port, sock->bind_port);
	usock__unbind(sock, IPPROTO_UDP);
	assert_true(!sock->bound && sock->bind_port == 0 && sock->local.port == 0);
	assert_int_equal(bind_to(sock, OURS, 700), 0);
	assert_true(sock->bound && sock->bound_addr && sock->bound_port);
	sock = fake_udp(*state, AF_INET);
	sock->ip.bind_address_no_port = true;
	assert_int_equal(bind_to(sock, OURS, 0), 0);
	assert_true(sock->bound && sock->bound_addr && sock->bind_port == 0);
}

/** test_all_ports - there is an end, and no number comes twice */
static void test_all_ports(void **state)
{
	static bool seen[65536];
	struct usock__inet *sock, *last = NULL;
	int ret, count = 0;

	for (;; count++) {
		sock = fake_udp(*state, AF_INET);
		ret = bind_to(sock, ANY4, 0);
		if (ret != 0)
			break;
		assert_true(sock->bind_port >= 32768 && sock->bind_port <= 60999);
		assert_false(seen[sock->bind_port]);
		seen[sock->bind_port] = true;
		last = sock;
	}
	assert_int_equal(ret, -EADDRINUSE);
	assert_int_equal(count, 60999 - 32768 + 1);
	/* Of TCP all are free; one given back is found. */
	assert_int_equal(bind_to(&fake_socket(*state, AF_INET)->inet, ANY4, 0), 0);
	fake_close(&last->sock);
	assert_int_equal(bind_to(sock, ANY4, 0), 0);
}

static void test_unpredictable(void **state)
{
	unsigned int neighbours = 0, before = 0;

	for (int i = 0; i < 200; i++) {
		struct usock__inet *sock = fake_udp(*state, AF_INET);

		assert_int_equal(bind_to(sock, ANY4, 0), 0);
		neighbours += sock->bind_port == before + 1;
		before = sock->bind_port;
	}
	assert_true(neighbours < 5);
}

/** test_closed_behind - a port is free when the program turns out to have closed its descriptor */
static void test_closed_behind(void **state)
{
	struct usock__stream *one = fake_listener(*state, AF_INET, 80, 1), *two = fake_socket(*state, AF_INET);

	assert_int_equal(bind_to(&two->inet, OURS, 80), -EADDRINUSE);
	fake.gone = &one->inet.sock;
	assert_int_equal(bind_to(&two->inet, OURS, 80), 0);
}

static void test_left(void **state)
{
	for (int reuse = 0; reuse < 2; reuse++) {
		struct usock__stream *s = fake_listener(*state, AF_INET, 80, 1);
		struct usock__inet *again;
		struct usock_tcp *tcp;
		struct usock *made;

		s->inet.sock.options.reuseaddr = reuse;
		tcp = fake_arrives(s, 1001);
		assert_non_null(tcp);
		assert_int_equal(usock__stream_accept(&s->inet.sock, &made), 0);
		made->ready.user = 0;
		fake_close(&s->inet.sock);
		/* The connection has the port as long as there is the socket ... */
		again = &fake_socket(*state, AF_INET)->inet;
		assert_int_equal(bind_to(again, ANY4, 80), -EADDRINUSE);
		/* ... and as the engine has something to finish. */
		fake.left = true;
		fake_close(made);
		assert_int_equal(bind_to(again, ANY4, 80), -EADDRINUSE);
		again->sock.options.reuseaddr = true;
		assert_int_equal(bind_to(again, ANY4, 80), reuse ? 0 : -EADDRINUSE);
		usock__unbind(again, IPPROTO_TCP);
		again->sock.options.reuseaddr = false;
		fake.left = false;
		assert_int_equal(bind_to(again, ANY4, 80), 0);
		fake_close(&again->sock);
	}
}

/* ---------------------------------------------------------------------------------------------------------- connect */

static void test_pairs(void **state)
{
	struct usock__stream *one = fake_socket(*state, AF_INET), *two = fake_socket(*state, AF_INET);
	struct sockaddr_storage addr;
	socklen_t len = fake_addr("10.0.0.2", 80, &addr);

	one->inet.sock.options.reuseaddr = two->inet.sock.options.reuseaddr = true;
	assert_int_equal(bind_to(&one->inet, OURS, 7000), 0);
	assert_int_equal(bind_to(&two->inet, OURS, 7000), 0);
	assert_int_equal(one->inet.sock.kind->connect(&one->inet.sock, (struct sockaddr *)&addr, len), -EINPROGRESS);
	assert_int_equal(two->inet.sock.kind->connect(&two->inet.sock, (struct sockaddr *)&addr, len), -EADDRNOTAVAIL);
	assert_int_equal(two->inet.bind_port, 7000);
	len = fake_addr("10.0.0.2", 81, &addr);
	assert_int_equal(two->inet.sock.kind->connect(&two->inet.sock, (struct sockaddr *)&addr, len), -EINPROGRESS);
}

static void test_shared_port(void **state)
{
	struct usock__stream *one, *two, *three;
	struct sockaddr_storage addr;
	socklen_t len = fake_addr("10.0.0.2", 80, &addr);

	/* All begin to look at the same port. */
	fake.random_fixed = true;
	one = fake_connected(*state, AF_INET);
	two = fake_socket(*state, AF_INET);
	assert_int_equal(two->inet.sock.kind->connect(&two->inet.sock, (struct sockaddr *)&addr, len), -EINPROGRESS);
	assert_int_equal(one->inet.bind_port, 32768);
	assert_int_equal(two->inet.bind_port, 32769);
	/* To another place the first port will do. */
	three = fake_socket(*state, AF_INET);
	len = fake_addr("10.0.0.2", 81, &addr);
	assert_int_equal(three->inet.sock.kind->connect(&three->inet.sock, (struct sockaddr *)&addr, len),
	                 -EINPROGRESS);
	assert_int_equal(three->inet.bind_port, 32768);
	/* bind never chooses it, nor is it given to who asks. */
	assert_int_equal(bind_to(&fake_socket(*state, AF_INET)->inet, ANY4, 32768), -EADDRINUSE);
	three = fake_socket(*state, AF_INET);
	assert_int_equal(bind_to(&three->inet, ANY4, 0), 0);
	assert_int_equal(three->inet.bind_port, 32770);
	/* And what bind has, connect does not choose. */
	three = fake_connected(*state, AF_INET);
	assert_int_equal(three->inet.bind_port, 32771);
}

static void test_disconnect_keeps(void **state)
{
	struct usock__inet *sock = fake_udp(*state, AF_INET);
	uint16_t port;

	connect_to(sock, "10.0.0.2", 9);
	port = sock->bind_port;
	assert_true(port != 0);
	assert_int_equal(sock->local.ip.v4.s_addr, htonl(0x0a000001));
	usock__bind_disconnect(sock, IPPROTO_UDP);
	assert_true(sock->bind_port == 0 && sock->local.port == 0 && sock->local.ip.v4.s_addr == 0 && !sock->connected);
	assert_int_equal(bind_to(sock, "10.0.0.3", 99), 0);
	connect_to(sock, "10.0.0.2", 9);
	usock__bind_disconnect(sock, IPPROTO_UDP);
	assert_int_equal(sock->bind_port, 99);
	assert_int_equal(sock->local.ip.v4.s_addr, htonl(0x0a000003));
}

static void test_broadcast(void **state)
{
	struct usock__inet *sock = fake_udp(*state, AF_INET);
	struct usock_endpoint remote = fake_end(AF_INET, "255.255.255.255", 9);

	assert_int_equal(usock__bind_connect(sock, IPPROTO_UDP, &remote), -EACCES);
	assert_int_equal(sock->bind_port, 0);
	sock->sock.options.broadcast = true;
	assert_int_equal(usock__bind_connect(sock, IPPROTO_UDP, &remote), 0);
}

/* ----------------------------------------------------------------------------------------------------------- lookup */

static struct usock__inet *udp_on(struct usock_stack *stack, int family, const char *addr, const char *options)
{
	struct usock__inet *sock = fake_udp(stack, family);

	set_options(sock, options);
	assert_int_equal(bind_to(sock, addr, 9), 0);
	return sock;
}

static void test_lookup(void **state)
{
	struct usock__inet *any = udp_on(*state, AF_INET, ANY4, "r"), *exact, *connected, *device, *any6, *newer;

	assert_ptr_equal(found(*state, AF_INET, OURS, "10.0.0.2", 2), any);
	assert_null(found(*state, AF_INET6, OURS6, "fd00::2", 2));
	exact = udp_on(*state, AF_INET, OURS, "r");
	device = udp_on(*state, AF_INET, ANY4, "rd");
	assert_ptr_equal(found(*state, AF_INET, OURS, "10.0.0.2", 2), exact);
	assert_ptr_equal(found(*state, AF_INET, OTHER, "10.0.0.2", 2), device);
	assert_ptr_equal(found(*state, AF_INET, OTHER, "10.0.0.2", 1), any);
	connected = udp_on(*state, AF_INET, OURS, "r");
	connect_to(connected, "10.0.0.2", 9);
	assert_ptr_equal(found(*state, AF_INET, OURS, "10.0.0.2", 2), connected);
	assert_ptr_equal(found(*state, AF_INET, OURS, "10.0.0.9", 2), exact);
	assert_null(usock__bind_lookup(*state, IPPROTO_TCP, AF_INET, &exact->local, &connected->remote, NULL));
	/* Also when one that is not connected is newer. */
	newer = udp_on(*state, AF_INET, OURS, "r");
	assert_ptr_equal(found(*state, AF_INET, OURS, "10.0.0.2", 2), connected);
	fake_close(&newer->sock);
	/* Of equals the one that came last. */
	fake_close(&connected->sock);
	connected = udp_on(*state, AF_INET, OURS, "r");
	assert_ptr_equal(found(*state, AF_INET, OURS, "10.0.0.2", 2), connected);
	/* A socket of both worlds. */
	any6 = udp_on(*state, AF_INET6, "::", "r");
	assert_ptr_equal(found(*state, AF_INET6, OURS6, "fd00::2", 2), any6);
	fake_close(&any->sock);
	assert_ptr_equal(found(*state, AF_INET, OTHER, "10.0.0.2", 1), any6);
	any6->ip.v6only = true;
	assert_null(found(*state, AF_INET, OTHER, "10.0.0.2", 1));
}

static void test_lookup_mapped(void **state)
{
	struct usock__inet *sock = udp_on(*state, AF_INET6, MAPPED, "r"), *connected;

	assert_ptr_equal(found(*state, AF_INET, OURS, "10.0.0.2", 2), sock);
	assert_null(found(*state, AF_INET6, OURS6, "fd00::2", 2));
	connected = udp_on(*state, AF_INET6, "::", "r");
	connect_to(connected, "::ffff:10.0.0.2", 9);
	assert_true(IN6_IS_ADDR_V4MAPPED(&connected->local.ip.v6));
	assert_ptr_equal(found(*state, AF_INET, OURS, "10.0.0.2", 2), connected);
	assert_ptr_equal(found(*state, AF_INET, OURS, "10.0.0.7", 2), sock);
}

static void test_reuseport(void **state)
{
	struct usock__inet *sock[4], *connected;
	unsigned int got[4] = {0};

	for (int i = 0; i < 4; i++)
		sock[i] = udp_on(*state, AF_INET, OURS, "p");
	for (unsigned int port = 1; port <= 4000; port++) {
		struct usock_endpoint local = fake_end(AF_INET, OURS, 9), remote = fake_end(AF_INET, "10.0.0.2", port);
		struct usock__inet *one = usock__bind_lookup(*state, IPPROTO_UDP, AF_INET, &local, &remote, NULL);

		assert_ptr_equal(usock__bind_lookup(*state, IPPROTO_UDP, AF_INET, &local, &remote, NULL), one);
		for (int i = 0; i < 4; i++)
			got[i] += sock[i] == one;
	}
	for (int i = 0; i < 4; i++)
		assert_true(got[i] > 700 && got[i] < 1300);
	assert_int_equal(got[0] + got[1] + got[2] + got[3], 4000);
	connected = udp_on(*state, AF_INET, OURS, "p");
	connect_to(connected, "10.0.0.2", 9);
	assert_ptr_equal(found(*state, AF_INET, OURS, "10.0.0.2", 2), connected);
}

static void count(struct usock__inet *sock, void *arg)
{
	(void)sock;
	++*(unsigned int *)arg;
}

static unsigned int heard(struct usock_stack *stack, const char *to, unsigned int iface)
{
	struct usock_endpoint local = fake_end(AF_INET, to, 9), remote = fake_end(AF_INET, "10.0.0.2", 9);
	unsigned int sum = 0;

	usock__bind_each(stack, IPPROTO_UDP, AF_INET, &local, &remote, inet_iface_by_index(NULL, iface), count, &sum);
	return sum;
}

static void test_each(void **state)
{
	struct usock__inet *any = udp_on(*state, AF_INET, ANY4, "r");

	udp_on(*state, AF_INET, ANY4, "rd");
	udp_on(*state, AF_INET, OURS, "r");
	udp_on(*state, AF_INET, "224.1.1.1", "r");
	udp_on(*state, AF_INET6, "::", "r");
	udp_on(*state, AF_INET6, "::", "r6");
	assert_int_equal(heard(*state, "255.255.255.255", 2), 3);
	assert_int_equal(heard(*state, "255.255.255.255", 3), 2);
	/* Groups are for who has joined. */
	assert_int_equal(heard(*state, "224.1.1.1", 2), 0);
	any->ip.multicast_all = true;
	assert_int_equal(heard(*state, "224.1.1.1", 2), 1);
	connect_to(any, "10.0.0.2", 10);
	assert_int_equal(heard(*state, "255.255.255.255", 2), 2);
}

/** test_growth - as the table grows nothing is lost, nor is the order of a chain */
static void test_growth(void **state)
{
	struct usock__inet *sock[2000], *last;

	udp_on(*state, AF_INET, OURS, "r");
	last = udp_on(*state, AF_INET, OURS, "r");
	for (unsigned int i = 0; i < 2000; i++) {
		sock[i] = fake_udp(*state, AF_INET);
		/* Without memory it goes on, with longer chains. */
		fake.malloc_fails = i == 128;
		assert_int_equal(bind_to(sock[i], OURS, 20000 + i), 0);
		fake.malloc_fails = 0;
	}
	assert_ptr_equal(found(*state, AF_INET, OURS, "10.0.0.2", 2), last);
	for (unsigned int i = 0; i < 2000; i++) {
		struct usock_endpoint local = fake_end(AF_INET, OURS, 20000 + i),
		                      remote = fake_end(AF_INET, "10.0.0.2", 1);

		assert_ptr_equal(usock__bind_lookup(*state, IPPROTO_UDP, AF_INET, &local, &remote, NULL), sock[i]);
		fake_close(&sock[i]->sock);
		assert_null(usock__bind_lookup(*state, IPPROTO_UDP, AF_INET, &local, &remote, NULL));
	}
}

static void test_without_memory(void **state)
{
	struct usock_stack stack = {.engine = ((struct usock_stack *)*state)->engine};

	for (unsigned int n = 1; n <= 3; n++) {
		fake.malloc_fails = n;
		assert_int_equal(usock__binds_open(&stack), -ENOMEM);
		assert_null(stack.binds);
	}
	fake.malloc_fails = 0;
	usock__binds_close(&stack);
	assert_int_equal(usock__binds_open(&stack), 0);
	usock__binds_close(&stack);
}

/* -------------------------------------------------------------------------------------------------------- endpoints */

static void test_endpoints(void **state)
{
	struct sockaddr_storage addr;
	struct usock_endpoint end;
	struct sockaddr *sa = (struct sockaddr *)&addr;
	socklen_t len = fake_addr("10.0.0.1", 80, &addr);

	(void)state;
	for (socklen_t l = 0; l < len; l++)
		assert_int_equal(usock__endpoint_take(AF_INET, sa, l, &end), -EINVAL);
	assert_int_equal(usock__endpoint_take(AF_INET, sa, len, &end), 0);
	assert_int_equal(end.port, 80);
	assert_int_equal(end.ip.v4.s_addr, htonl(0x0a000001));
	assert_int_equal(usock__endpoint_take(AF_INET6, sa, len, &end), -EAFNOSUPPORT);
	sa->sa_family = AF_UNSPEC;
	assert_int_equal(usock__endpoint_take_bind(AF_INET, sa, len, &end), -EAFNOSUPPORT);
	len = fake_addr("0.0.0.0", 80, &addr);
	sa->sa_family = AF_UNSPEC;
	assert_int_equal(usock__endpoint_take(AF_INET, sa, len, &end), -EAFNOSUPPORT);
	assert_int_equal(usock__endpoint_take_bind(AF_INET, sa, len, &end), 0);
	len = fake_addr("fe80::1%2", 80, &addr);
	assert_int_equal(usock__endpoint_take(AF_INET6, sa, 23, &end), -EINVAL);
	assert_int_equal(usock__endpoint_take(AF_INET6, sa, 24, &end), 0);
	assert_int_equal(end.scope, 0);
	assert_int_equal(usock__endpoint_take(AF_INET6, sa, len, &end), 0);
	assert_int_equal(end.scope, 2);
	usock__endpoint_give(AF_INET6, &end, &addr, &len);
	assert_int_equal(len, sizeof(struct sockaddr_in6));
	assert_int_equal(((struct sockaddr_in6 *)&addr)->sin6_scope_id, 2);
	/* A global address comes without interface, whatever was given. */
	len = fake_addr("fd00::1", 80, &addr);
	((struct sockaddr_in6 *)&addr)->sin6_scope_id = 7;
	assert_int_equal(usock__endpoint_take(AF_INET6, sa, len, &end), 0);
	assert_int_equal(end.scope, 0);
	assert_int_equal(usock__endpoint_take(AF_INET, sa, len, &end), -EAFNOSUPPORT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(conflicts), TEST(listen_conflict), TEST(addresses),        TEST(flags),
	        TEST(all_ports), TEST(unpredictable),   TEST(closed_behind),    TEST(left),
	        TEST(pairs),     TEST(shared_port),     TEST(disconnect_keeps), TEST(broadcast),
	        TEST(lookup),    TEST(lookup_mapped),   TEST(reuseport),        TEST(each),
	        TEST(growth),    TEST(without_memory),  TEST(endpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
