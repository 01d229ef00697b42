/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options of IPPROTO_IP and IPPROTO_IPV6: values, sizes, ranges and errors are the kernel's, for each kind of socket.
 */
#include "usock_same.h"

#include <netinet/ip.h>

/* Names that glibc does not have. */
#define BIND_ADDRESS_NO_PORT 24
#define RECVERR_RFC4884 26
#define FLOWINFO 11
#define MULTICAST_ALL6 29
#define RECVERR6_RFC4884 31

struct option {
	int level, name;
	const char *text;
};

#define OPTION(level, name)                                                                                            \
	{                                                                                                              \
		level, name, #name                                                                                     \
	}

static const struct option options[] = {
        OPTION(IPPROTO_IP, IP_TOS),
        OPTION(IPPROTO_IP, IP_TTL),
        OPTION(IPPROTO_IP, IP_HDRINCL),
        OPTION(IPPROTO_IP, IP_RECVOPTS),
        OPTION(IPPROTO_IP, IP_RETOPTS),
        OPTION(IPPROTO_IP, IP_PKTINFO),
        OPTION(IPPROTO_IP, IP_MTU_DISCOVER),
        OPTION(IPPROTO_IP, IP_RECVERR),
        OPTION(IPPROTO_IP, IP_RECVTTL),
        OPTION(IPPROTO_IP, IP_RECVTOS),
        OPTION(IPPROTO_IP, IP_MTU),
        OPTION(IPPROTO_IP, IP_FREEBIND),
        OPTION(IPPROTO_IP, IP_TRANSPARENT),
        OPTION(IPPROTO_IP, IP_RECVORIGDSTADDR),
        OPTION(IPPROTO_IP, IP_MINTTL),
        OPTION(IPPROTO_IP, IP_NODEFRAG),
        OPTION(IPPROTO_IP, IP_CHECKSUM),
        OPTION(IPPROTO_IP, BIND_ADDRESS_NO_PORT),
        OPTION(IPPROTO_IP, RECVERR_RFC4884),
        OPTION(IPPROTO_IP, IP_MULTICAST_TTL),
        OPTION(IPPROTO_IP, IP_MULTICAST_LOOP),
        OPTION(IPPROTO_IP, IP_MULTICAST_ALL),
        OPTION(IPPROTO_IP, IP_UNICAST_IF),
        OPTION(IPPROTO_IP, 150),
        OPTION(IPPROTO_IPV6, IPV6_UNICAST_HOPS),
        OPTION(IPPROTO_IPV6, IPV6_MULTICAST_HOPS),
        OPTION(IPPROTO_IPV6, IPV6_MULTICAST_LOOP),
        OPTION(IPPROTO_IPV6, IPV6_MTU_DISCOVER),
        OPTION(IPPROTO_IPV6, IPV6_MTU),
        OPTION(IPPROTO_IPV6, IPV6_RECVERR),
        OPTION(IPPROTO_IPV6, IPV6_V6ONLY),
        OPTION(IPPROTO_IPV6, MULTICAST_ALL6),
        OPTION(IPPROTO_IPV6, RECVERR6_RFC4884),
        OPTION(IPPROTO_IPV6, IPV6_RECVPKTINFO),
        OPTION(IPPROTO_IPV6, IPV6_RECVHOPLIMIT),
        OPTION(IPPROTO_IPV6, IPV6_RECVHOPOPTS),
        OPTION(IPPROTO_IPV6, IPV6_RECVRTHDR),
        OPTION(IPPROTO_IPV6, IPV6_RECVDSTOPTS),
        OPTION(IPPROTO_IPV6, IPV6_DONTFRAG),
        OPTION(IPPROTO_IPV6, IPV6_RECVPATHMTU),
        OPTION(IPPROTO_IPV6, IPV6_RECVTCLASS),
        OPTION(IPPROTO_IPV6, IPV6_TCLASS),
        OPTION(IPPROTO_IPV6, IPV6_AUTOFLOWLABEL),
        OPTION(IPPROTO_IPV6, IPV6_MINHOPCOUNT),
        OPTION(IPPROTO_IPV6, IPV6_RECVORIGDSTADDR),
        OPTION(IPPROTO_IPV6, IPV6_TRANSPARENT),
        OPTION(IPPROTO_IPV6, IPV6_FREEBIND),
        OPTION(IPPROTO_IPV6, IPV6_UNICAST_IF),
        OPTION(IPPROTO_IPV6, IPV6_MULTICAST_IF),
        OPTION(IPPROTO_IPV6, IPV6_2292PKTINFO),
        OPTION(IPPROTO_IPV6, IPV6_2292HOPLIMIT),
        OPTION(IPPROTO_IPV6, FLOWINFO),
        OPTION(IPPROTO_IPV6, IPV6_ADDRFORM),
        OPTION(IPPROTO_IPV6, 36 /* IPV6_HDRINCL */),
        OPTION(IPPROTO_IPV6, 150),
};

static void say_get(int fd, const struct option *o, socklen_t room)
{
	unsigned char value[16];
	socklen_t len = room;

	memset(value, 0xee, sizeof(value));
	if (ioth_getsockopt(fd, o->level, o->name, value, &len) < 0) {
		say("  get %u: %s", (unsigned int)room, strerrorname_np(errno));
		return;
	}
	say("  get %u: %u bytes %02x %02x %02x %02x", (unsigned int)room, (unsigned int)len, value[0], value[1],
	    value[2], value[3]);
}

static void say_set(int fd, const struct option *o, int value, socklen_t len)
{
	if (ioth_setsockopt(fd, o->level, o->name, &value, len) < 0)
		say(" set %d (%u): %s", value, (unsigned int)len, strerrorname_np(errno));
	else
		say(" set %d (%u)", value, (unsigned int)len);
	say_get(fd, o, sizeof(int));
}

/** of_kind - every option on a socket, with a sweep of values */
static void of_kind(struct ioth *stack, int family, int type, int protocol)
{
	static const int values[] = {0, 1, 2, 3, 5, 6, 64, 255, 256, 1279, 1280, 70000, -1, -2};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const struct option *o = &options[i];
		int fd = ioth_msocket(stack, family, type, protocol);

		assert_true(fd >= 0);
		say("%d %d %d: %d %s", family, type, protocol, o->level, o->text);
		for (socklen_t room = 0; room <= 5; room++)
			say_get(fd, o, room);
		say_get(fd, o, 16);
		for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++)
			say_set(fd, o, values[v], sizeof(int));
		say_set(fd, o, 1, 0);
		say_set(fd, o, 1, 1);
		say_set(fd, o, 200, 1);
		say_set(fd, o, 0, 2);
		ioth_close(fd);
	}
}

static void udp4(struct ioth *stack)
{
	of_kind(stack, AF_INET, SOCK_DGRAM, 0);
}

static void udp6(struct ioth *stack)
{
	of_kind(stack, AF_INET6, SOCK_DGRAM, 0);
}

static void tcp4(struct ioth *stack)
{
	of_kind(stack, AF_INET, SOCK_STREAM, 0);
}

static void tcp6(struct ioth *stack)
{
	of_kind(stack, AF_INET6, SOCK_STREAM, 0);
}

static void raw4(struct ioth *stack)
{
	of_kind(stack, AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static void raw6(struct ioth *stack)
{
	of_kind(stack, AF_INET6, SOCK_RAW, 99);
}

static void ip_options(struct ioth *stack)
{
	static const unsigned char good[] = {IPOPT_NOP, IPOPT_RR, 7, 4, 0, 0, 0, 0}, longer[44] = {IPOPT_NOP},
	                           odd[] = {IPOPT_NOP, 0}, bad[] = {IPOPT_RR, 30, 4, 0};
	unsigned char out[64];
	socklen_t len = sizeof(out);
	int fd = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0);

	SAY(ioth_getsockopt(fd, IPPROTO_IP, IP_OPTIONS, out, &len));
	say("len %u", (unsigned int)len);
	SAY(ioth_setsockopt(fd, IPPROTO_IP, IP_OPTIONS, good, sizeof(good)));
	len = sizeof(out);
	SAY(ioth_getsockopt(fd, IPPROTO_IP, IP_OPTIONS, out, &len));
	same_hex("options", out, len);
	SAY(ioth_setsockopt(fd, IPPROTO_IP, IP_OPTIONS, longer, sizeof(longer)));
	SAY(ioth_setsockopt(fd, IPPROTO_IP, IP_OPTIONS, bad, sizeof(bad)));
	SAY(ioth_setsockopt(fd, IPPROTO_IP, IP_OPTIONS, odd, sizeof(odd)));
	len = sizeof(out);
	SAY(ioth_getsockopt(fd, IPPROTO_IP, IP_OPTIONS, out, &len));
	same_hex("options", out, len);
	SAY(ioth_setsockopt(fd, IPPROTO_IP, IP_OPTIONS, NULL, 0));
	len = sizeof(out);
	SAY(ioth_getsockopt(fd, IPPROTO_IP, IP_OPTIONS, out, &len));
	say("len %u", (unsigned int)len);
	ioth_close(fd);
}

static void interfaces(struct ioth *stack)
{
	int fd = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0), fd6 = ioth_msocket(stack, AF_INET6, SOCK_DGRAM, 0), value;
	struct in_addr addr = {htonl(0xc0000201)}, wrong = {htonl(0xc0000207)};
	struct ip_mreqn n = {.imr_ifindex = 7};
	struct in6_pktinfo info = {.ipi6_ifindex = 7};
	socklen_t len = sizeof(addr);

	SAY(ioth_setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &addr, sizeof(addr)));
	memset(&addr, 0, sizeof(addr));
	SAY(ioth_getsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &addr, &len));
	same_hex("if", &addr, len);
	SAY(ioth_setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &wrong, sizeof(wrong)));
	SAY(ioth_setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &n, sizeof(n)));
	SAY(ioth_getsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &addr, &len));
	same_hex("if", &addr, len);
	n.imr_ifindex = 99;
	SAY(ioth_setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &n, sizeof(n)));
	SAY(ioth_setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &n, 2));
	SAY(ioth_setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &n, 8));
	value = (int)htonl(7);
	SAY(ioth_setsockopt(fd, IPPROTO_IP, IP_UNICAST_IF, &value, sizeof(value)));
	SAY(ioth_setsockopt(fd6, IPPROTO_IPV6, IPV6_UNICAST_IF, &value, sizeof(value)));
	value = 7;
	SAY(ioth_setsockopt(fd6, IPPROTO_IPV6, IPV6_MULTICAST_IF, &value, sizeof(value)));
	value = 0;
	len = sizeof(value);
	SAY(ioth_getsockopt(fd6, IPPROTO_IPV6, IPV6_MULTICAST_IF, &value, &len));
	say("if %d", value);
	SAY(ioth_setsockopt(fd6, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info)));
	SAY(ioth_setsockopt(fd6, IPPROTO_IPV6, IPV6_PKTINFO, &info, 4));
	SAY(ioth_setsockopt(fd6, IPPROTO_IPV6, IPV6_PKTINFO, NULL, 0));
	SAY(ioth_setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &value, sizeof(value)));
	SAY(ioth_getsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &value, &len));
	SAY(ioth_setsockopt(fd, 77, 1, &value, sizeof(value)));
	SAY(ioth_getsockopt(fd, 77, 1, &value, &len));
	SAY(ioth_setsockopt(fd6, 77, 1, &value, sizeof(value)));
	SAY(ioth_getsockopt(fd6, 77, 1, &value, &len));
	ioth_close(fd);
	ioth_close(fd6);
}

static void connected(struct ioth *stack)
{
	int fd = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0), fd6 = ioth_msocket(stack, AF_INET6, SOCK_DGRAM, 0),
	    value = 0;
	socklen_t len = sizeof(value);
	struct sockaddr_in to = in4("198.51.100.1", 9), here = in4("127.0.0.1", 9);
	struct sockaddr_in6 to6 = in6("2001:db8:7::1", 9, NULL, stack);

	SAY(ioth_connect(fd, SA(to)));
	SAY(ioth_getsockopt(fd, IPPROTO_IP, IP_MTU, &value, &len));
	say("mtu %d", value);
	SAY(ioth_connect(fd, SA(here)));
	SAY(ioth_connect(fd6, SA(to6)));
	SAY(ioth_getsockopt(fd6, IPPROTO_IPV6, IPV6_MTU, &value, &len));
	say("mtu %d", value);
	SAY(ioth_getsockopt(fd6, IPPROTO_IP, IP_MTU, &value, &len));
	SAY(ioth_setsockopt(fd6, IPPROTO_IPV6, IPV6_V6ONLY, &value, sizeof(value)));
	value = AF_INET;
	SAY(ioth_setsockopt(fd6, IPPROTO_IPV6, IPV6_ADDRFORM, &value, sizeof(value)));
	SAY(ioth_connect(fd6, SA(here)));
	ioth_close(fd6);
	fd6 = ioth_msocket(stack, AF_INET6, SOCK_DGRAM, 0);
	SAY(ioth_connect(fd6, SA(here)));
	SAY(ioth_getsockopt(fd6, IPPROTO_IPV6, IPV6_ADDRFORM, &value, &len));
	say("form %d", value);
	value = AF_INET;
	SAY(ioth_setsockopt(fd6, IPPROTO_IPV6, IPV6_ADDRFORM, &value, sizeof(value)));
	SAY(ioth_getsockopt(fd6, IPPROTO_IPV6, IPV6_ADDRFORM, &value, &len));
	SAY(ioth_getsockopt(fd6, SOL_SOCKET, SO_DOMAIN, &value, &len));
	say("domain %d", value);
	ioth_close(fd);
	ioth_close(fd6);
}

#define SAME(script)                                                                                                   \
	static void same_##script(void **state)                                                                        \
	{                                                                                                              \
		(void)state;                                                                                           \
		same(script);                                                                                          \
	}

SAME(udp4)
SAME(udp6)
SAME(tcp4)
SAME(tcp6)
SAME(raw4)
SAME(raw6)
SAME(ip_options)
SAME(interfaces)
SAME(connected)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(same_udp4),       cmocka_unit_test(same_udp6),       cmocka_unit_test(same_tcp4),
	        cmocka_unit_test(same_tcp6),       cmocka_unit_test(same_raw4),       cmocka_unit_test(same_raw6),
	        cmocka_unit_test(same_ip_options), cmocka_unit_test(same_interfaces), cmocka_unit_test(same_connected),
	};

	same_place();
	return cmocka_run_group_tests(tests, same_open, same_close);
}
