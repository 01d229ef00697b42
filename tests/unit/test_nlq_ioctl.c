/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_nlq_ioctl.c - the ioctls of netdevice(7) by netlink, with the ioctls of Linux as the oracle.
 *
 * A script of ioctls runs in one private network by ioctl(2), in another by nlq_ioctl, in a third by nlqx_ioctl. After
 * each step result, errno, what was written into the argument, and what ip(8) then shows must be the same.
 */
#include <libnlq.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <cmocka.h>

#include "kernel_net.h"

struct in6_ifreq_ { /* struct in6_ifreq, which glibc lacks */
	struct in6_addr addr;
	uint32_t prefixlen;
	int ifindex;
};

static int by_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg);
}

static int by_nlqx(int fd, unsigned long request, void *arg)
{
	return nlqx_ioctl(NULL, fd, request, arg);
}

/* the ways to do it; the first is right by definition */
static int (*const ways[])(int fd, unsigned long request, void *arg) = {by_ioctl, nlq_ioctl, by_nlqx};
#define WAYS ((int)(sizeof(ways) / sizeof(ways[0])))

/* ---------------------------------------------------------------------------------------------- notes of what happened
 */

#define NOTES_MAX 262144

static char notes[WAYS][NOTES_MAX]; /* by each way */
static size_t noted;
static int way; /* in use */

__attribute__((__format__(__printf__, 1, 2))) static void note(const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(notes[way] + noted, NOTES_MAX - noted, format, args);
	va_end(args);
	assert_true(len >= 0 && noted + (size_t)len < NOTES_MAX);
	noted += (size_t)len;
}

static void note_bytes(const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		note("%02x", ((const unsigned char *)bytes)[i]);
	note("\n");
}

/*
 * What ip(8) shows, without what differs from one namespace to the next, and without the state of the line, which
 * follows the flags a moment later.
 */
static void note_network(void)
{
	note("%s", output("{ ip -4 addr; ip -o link | sed 's/@[^:]*//; s/qdisc [a-z]*//'; ip -4 route show table all; "
	                  "ip -6 route show table main | grep -v fe80; ip -6 -o addr show scope global; } | "
	                  "sed 's/NO-CARRIER,//; s/,LOWER_UP//; s/,M-DOWN//; s/ state [A-Z]*//; s/ linkdown//'"));
}

static int fd4, fd6, fd_packet;

/* one step: the ioctl, and the argument behind it */
static void step(const char *what, int fd, unsigned long request, void *arg, size_t len)
{
	errno = 0;
	note("%s: %d", what, ways[way](fd, request, arg));
	note(" errno %d ", errno);
	note_bytes(arg, len);
}

static struct ifreq named(const char *name)
{
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	memcpy(ifr.ifr_name, name, strlen(name) + (strlen(name) < IF_NAMESIZE));
	return ifr;
}

static void with_addr(struct ifreq *ifr, int family, const char *text)
{
	struct sockaddr_in sin = {.sin_family = (sa_family_t)family};

	if (text != NULL)
		sin.sin_addr = ip4(text);
	memcpy(&ifr->ifr_addr, &sin, sizeof(sin));
}

/* ------------------------------------------------------------------------------------------------------- the scripts
 */

static void get(const char *name, int fd)
{
	static const unsigned long requests[] = {
	        SIOCGIFINDEX,  SIOCGIFFLAGS, SIOCGIFMTU,     SIOCGIFHWADDR,  SIOCGIFTXQLEN,  SIOCGIFMAP,
	        SIOCGIFMETRIC, SIOCGIFADDR,  SIOCGIFNETMASK, SIOCGIFBRDADDR, SIOCGIFDSTADDR,
	};

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct ifreq ifr = named(name);

		step(name, fd, requests[i], &ifr, sizeof(ifr));
	}
}

static void script_get(void)
{
	static const char *const names[] = {"lo", "v0", "v0:x", "v0:y", "v0:", "", ":", "nobody", "sixteen_bytes_xx"};
	static const int indices[] = {1, 2, 3, 99, 0, -1};
	struct ifreq ifr;

	output("ip addr add 10.1.0.1/16 brd + dev v0; ip addr add 10.1.0.2/16 brd + dev v0 label v0:x; "
	       "ip addr add 10.2.0.1 peer 10.2.0.9/32 dev v0; ip addr add 127.0.0.1/8 dev lo; ip link set lo up");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		get(names[i], fd4);
		get(names[i], fd6);
		get(names[i], fd_packet);
	}
	for (size_t i = 0; i < sizeof(indices) / sizeof(indices[0]); i++) {
		ifr = named("");
		ifr.ifr_ifindex = indices[i];
		step("name", fd4, SIOCGIFNAME, &ifr, sizeof(ifr));
	}
	/* one of several addresses, by itself */
	for (int i = 1; i <= 3; i++) {
		static const char *const addrs[] = {"", "10.1.0.1", "10.2.0.1", "10.9.9.9"};

		ifr = named("v0");
		with_addr(&ifr, AF_INET, addrs[i]);
		step("dstaddr", fd4, SIOCGIFDSTADDR, &ifr, sizeof(ifr));
		step("netmask", fd4, SIOCGIFNETMASK, &ifr, sizeof(ifr));
	}
}

static void script_conf(void)
{
	struct ifreq list[6];
	struct ifconf conf;

	output("ip addr add 10.1.0.1/16 dev v0; ip addr add 10.1.0.2/16 dev v0 label v0:x; ip addr add 10.1.0.3/16 dev "
	       "v1; "
	       "ip addr add fd00::1/64 dev v0 nodad");
	for (int len = 0; len <= (int)sizeof(list); len += (int)sizeof(list[0]) / 2) {
		memset(list, 0xee, sizeof(list));
		conf.ifc_len = len;
		conf.ifc_req = list;
		note("%d: ", len);
		step("conf", len % 3 == 0 ? fd4 : fd6, SIOCGIFCONF, &conf, sizeof(conf.ifc_len));
		note_bytes(list, (size_t)conf.ifc_len);
	}
	conf.ifc_len = 0;
	conf.ifc_req = NULL;
	step("length", fd4, SIOCGIFCONF, &conf, sizeof(conf.ifc_len));
	conf.ifc_len = -1;
	step("length", fd4, SIOCGIFCONF, &conf, sizeof(conf.ifc_len));
	conf.ifc_req = list;
	step("negative", fd4, SIOCGIFCONF, &conf, sizeof(conf.ifc_len));
}

static void set_flags(const char *name, int flags)
{
	struct ifreq ifr = named(name);

	ifr.ifr_flags = (short)flags;
	step(name, fd4, SIOCSIFFLAGS, &ifr, sizeof(ifr));
	note_network();
}

static void set_number(unsigned long request, const char *name, int number)
{
	struct ifreq ifr = named(name);

	ifr.ifr_mtu = number; /* all numbers are in the same place */
	step(name, fd4, request, &ifr, sizeof(ifr));
}

static void set_hwaddr(unsigned long request, const char *name, int type, const char *mac)
{
	struct ifreq ifr = named(name);

	ifr.ifr_hwaddr.sa_family = (sa_family_t)type;
	memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
	step(name, fd4, request, &ifr, sizeof(ifr));
}

static void set_name(const char *name, const char *newname)
{
	struct ifreq ifr = named(name);

	memcpy(ifr.ifr_newname, newname, strlen(newname) + (strlen(newname) < IF_NAMESIZE));
	step(name, fd4, SIOCSIFNAME, &ifr, sizeof(ifr));
}

static void script_link(void)
{
	set_flags("v0", IFF_UP | IFF_PROMISC | IFF_MULTICAST | IFF_RUNNING);
	set_flags("v0", IFF_UP | IFF_NOARP);
	set_flags("v0", 0);
	set_flags("v0", IFF_UP | IFF_MULTICAST | IFF_BROADCAST);
	set_flags("v0", IFF_UP | IFF_MULTICAST | IFF_BROADCAST);
	set_flags("nobody", IFF_UP);
	set_flags("v0:none", IFF_UP);
	set_flags("", IFF_UP);
	output("ip addr add 10.1.0.1/16 dev v0; ip addr add 10.3.0.2/16 dev v0 label v0:x");
	set_flags("v0:x", IFF_UP);
	set_flags("v0:x", 0);
	set_flags("v0:x", 0);

	set_number(SIOCSIFMTU, "v0", 1400);
	set_number(SIOCSIFMTU, "v0", 67);
	set_number(SIOCSIFMTU, "v0", -1);
	set_number(SIOCSIFMTU, "nobody", 1400);
	set_number(SIOCSIFMTU, "v0:x", 1400);
	note_network();

	set_hwaddr(SIOCSIFHWADDR, "v0", ARPHRD_ETHER, "\2\0\0\0\0\x22");
	set_hwaddr(SIOCSIFHWADDR, "v0", ARPHRD_ETHER, "\1\0\0\0\0\x22");
	set_hwaddr(SIOCSIFHWADDR, "v0", ARPHRD_IEEE802, "\2\0\0\0\0\x33");
	set_hwaddr(SIOCSIFHWADDR, "nobody", ARPHRD_ETHER, "\2\0\0\0\0\x33");
	set_hwaddr(SIOCSIFHWBROADCAST, "v0", ARPHRD_ETHER, "\xff\xff\xff\xff\xff\xfe");
	set_hwaddr(SIOCSIFHWBROADCAST, "v0", ARPHRD_LOOPBACK, "\xff\xff\xff\xff\xff\xfd");
	note_network();

	set_flags("v1", 0);
	set_name("v1", "w1");
	set_name("w1", "v0");
	set_name("w1", "");
	set_name("w1", "a/b");
	set_name("w1", "sixteen_bytes_xx");
	set_name("nobody", "w2");
	note_network();
}

static void set_addr(unsigned long request, const char *name, int family, const char *addr)
{
	struct ifreq ifr = named(name);

	with_addr(&ifr, family, addr);
	step(name, fd4, request, &ifr, sizeof(ifr));
	note_network();
}

static void script_addr(void)
{
	static const char *const classes[] = {"9.1.2.3",   "130.5.6.7",       "200.9.9.9", "250.1.1.1",
	                                      "230.1.1.1", "255.255.255.255", "127.3.3.3", "0.0.0.0"};

	set_addr(SIOCSIFNETMASK, "v0", AF_INET, "255.255.0.0"); /* there is no address yet */
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		set_addr(SIOCSIFADDR, "v0", AF_INET, classes[i]);
	set_addr(SIOCSIFADDR, "v0", AF_INET, "10.1.2.3");
	set_addr(SIOCSIFADDR, "v0", AF_INET, "10.1.2.3");
	set_addr(SIOCSIFADDR, "v0", AF_INET6, "10.1.2.4");
	set_addr(SIOCSIFADDR, "v0", AF_UNSPEC, NULL);
	set_addr(SIOCSIFADDR, "nobody", AF_INET, "10.1.2.4");
	set_addr(SIOCSIFNETMASK, "v0", AF_INET, "255.255.255.0");
	set_addr(SIOCSIFNETMASK, "v0", AF_INET, "255.255.255.0");
	set_addr(SIOCSIFNETMASK, "v0", AF_INET, "255.0.255.0");
	set_addr(SIOCSIFBRDADDR, "v0", AF_INET, "10.1.2.200");
	set_addr(SIOCSIFNETMASK, "v0", AF_INET, "255.255.0.0"); /* that broadcast address stays */
	set_addr(SIOCSIFBRDADDR, "v0", AF_INET, "0.0.0.0");
	set_addr(SIOCSIFNETMASK, "v0", AF_INET, "255.255.255.255");
	set_addr(SIOCSIFDSTADDR, "v0", AF_INET, "10.1.2.77");
	set_addr(SIOCSIFDSTADDR, "v0", AF_INET, "230.1.1.1");
	set_addr(SIOCSIFNETMASK, "v0", AF_INET, "0.0.0.0");
	/* aliases */
	set_addr(SIOCSIFADDR, "v0:1", AF_INET, "192.168.5.1");
	set_addr(SIOCSIFADDR, "v0:1", AF_INET, "192.168.6.1");
	set_addr(SIOCSIFNETMASK, "v0:1", AF_INET, "255.255.255.192");
	set_addr(SIOCSIFNETMASK, "v0:2", AF_INET, "255.255.255.192");
	set_addr(SIOCSIFADDR, "lo", AF_INET, "127.0.0.1");
	set_addr(SIOCSIFADDR, "v0:1", AF_INET, "0.0.0.0");
	set_addr(SIOCSIFADDR, "v0", AF_INET, "0.0.0.0");
	get("v0", fd4);
}

/* what an address has besides stays when its mask changes */
static void script_lifetime(void)
{
	output("ip addr add 10.1.0.1/16 dev v0 metric 77 scope link noprefixroute");
	set_addr(SIOCSIFNETMASK, "v0", AF_INET, "255.255.255.0");
	output("ip addr add 10.2.0.1/16 dev v1 valid_lft 5000 preferred_lft 4000");
	struct ifreq ifr = named("v1");

	with_addr(&ifr, AF_INET, "255.255.255.0");
	step("v1", fd4, SIOCSIFNETMASK, &ifr, sizeof(ifr));
	note("%d", strstr(output("ip addr show v1"), "valid_lft forever preferred_lft forever\n    inet ") == NULL &&
	                   strstr(output("ip addr show v1"), "10.2.0.1/24 ") != NULL);
}

static void route(const char *what, unsigned long request, const char *dst, const char *mask, const char *gw,
                  const char *dev, int flags, int metric)
{
	struct rtentry entry;
	char name[IF_NAMESIZE + 8] = "";
	struct ifreq ifr;

	memset(&entry, 0, sizeof(entry));
	with_addr(&ifr, AF_INET, dst);
	entry.rt_dst = ifr.ifr_addr;
	with_addr(&ifr, mask == NULL ? AF_UNSPEC : AF_INET, mask);
	entry.rt_genmask = ifr.ifr_addr;
	with_addr(&ifr, gw == NULL ? AF_UNSPEC : AF_INET, gw);
	entry.rt_gateway = ifr.ifr_addr;
	entry.rt_flags = (unsigned short)(RTF_UP | flags);
	entry.rt_metric = (short)metric;
	entry.rt_mtu = flags & RTF_MTU ? 1300 : 0;
	entry.rt_window = 5000;
	entry.rt_irtt = 30;
	if (dev != NULL) {
		memcpy(name, dev, strlen(dev) + 1);
		entry.rt_dev = name;
	}
	step(what, fd4, request, &entry, 0);
	note_network();
}

static void script_route(void)
{
	struct rtentry entry;

	output("ip addr add 10.1.0.1/16 dev v0; ip addr add 10.2.0.1/16 dev v0 label v0:x");
	route("net", SIOCADDRT, "10.7.0.0", "255.255.0.0", NULL, "v0", 0, 0);
	route("again", SIOCADDRT, "10.7.0.0", "255.255.0.0", NULL, "v0", 0, 0);
	route("metric", SIOCADDRT, "10.7.0.0", "255.255.0.0", NULL, "v0", 0, 5);
	route("default", SIOCADDRT, "0.0.0.0", "0.0.0.0", "10.1.0.9", NULL, RTF_GATEWAY, 0);
	route("host", SIOCADDRT, "10.8.0.1", NULL, "10.1.0.9", NULL, RTF_GATEWAY | RTF_HOST, 0);
	route("metrics", SIOCADDRT, "10.8.0.2", NULL, "10.1.0.9", NULL,
	      RTF_GATEWAY | RTF_HOST | RTF_MTU | RTF_WINDOW | RTF_IRTT, 1);
	route("reject", SIOCADDRT, "10.9.0.0", "255.255.0.0", NULL, NULL, RTF_REJECT, 0);
	route("alias", SIOCADDRT, "10.10.0.0", "255.255.0.0", NULL, "v0:x", 0, 0);
	route("no alias", SIOCADDRT, "10.10.0.0", "255.255.0.0", NULL, "v0:y", 0, 0);
	route("mask", SIOCADDRT, "10.11.0.0", "255.0.255.0", NULL, "v0", 0, 0);
	route("host bits", SIOCADDRT, "10.11.0.1", "255.255.0.0", NULL, "v0", 0, 0);
	route("no gateway", SIOCADDRT, "10.11.0.0", "255.255.0.0", NULL, "v0", RTF_GATEWAY, 0);
	route("far gateway", SIOCADDRT, "10.11.0.0", "255.255.0.0", "192.0.2.1", NULL, RTF_GATEWAY, 0);
	route("no device", SIOCADDRT, "10.11.0.0", "255.255.0.0", NULL, "nobody", 0, 0);
	route("nothing", SIOCADDRT, "10.11.0.0", "255.255.0.0", NULL, NULL, 0, 0);
	memset(&entry, 0, sizeof(entry));
	entry.rt_dst.sa_family = AF_INET6;
	step("family", fd4, SIOCADDRT, &entry, 0);

	route("del metric", SIOCDELRT, "10.7.0.0", "255.255.0.0", NULL, NULL, 0, 5);
	route("del net", SIOCDELRT, "10.7.0.0", "255.255.0.0", NULL, "v0", 0, 0);
	route("del net", SIOCDELRT, "10.7.0.0", "255.255.0.0", NULL, "v0", 0, 0);
	route("del other gateway", SIOCDELRT, "0.0.0.0", "0.0.0.0", "10.1.0.8", NULL, RTF_GATEWAY, 0);
	route("del default", SIOCDELRT, "0.0.0.0", "0.0.0.0", "10.1.0.9", NULL, RTF_GATEWAY, 0);
	route("del host", SIOCDELRT, "10.8.0.1", NULL, NULL, NULL, RTF_HOST, 0);
	route("del reject", SIOCDELRT, "10.9.0.0", "255.255.0.0", NULL, NULL, RTF_REJECT, 0);
}

static void addr6(const char *what, unsigned long request, const char *addr, uint32_t prefixlen, int ifindex)
{
	struct in6_ifreq_ ifr = {ip6(addr), prefixlen, ifindex};

	step(what, fd6, request, &ifr, sizeof(ifr));
	/* whether it was seen by others already is a matter of time */
	note("%s", output("ip -6 -o addr show scope global | sed 's/ tentative//'"));
}

static void route6(const char *what, unsigned long request, const char *dst, uint16_t len, const char *gw, int ifindex,
                   uint32_t metric)
{
	struct in6_rtmsg msg = {
	        .rtmsg_dst = ip6(dst),
	        .rtmsg_dst_len = len,
	        .rtmsg_ifindex = ifindex,
	        .rtmsg_metric = metric,
	        .rtmsg_flags = RTF_UP,
	};

	if (gw != NULL) {
		msg.rtmsg_gateway = ip6(gw);
		msg.rtmsg_flags |= RTF_GATEWAY;
	}
	step(what, fd6, request, &msg, 0);
	note("%s", output("ip -6 route show table main | grep -v fe80"));
}

static void script_inet6(void)
{
	addr6("add", SIOCSIFADDR, "fd00::1", 64, 2);
	addr6("again", SIOCSIFADDR, "fd00::1", 64, 2);
	addr6("prefix", SIOCSIFADDR, "fd01::1", 129, 2);
	addr6("device", SIOCSIFADDR, "fd01::1", 64, 99);
	addr6("second", SIOCSIFADDR, "fd01::1", 128, 3);
	route6("net", SIOCADDRT, "fd05::", 32, NULL, 2, 0);
	route6("again", SIOCADDRT, "fd05::", 32, NULL, 2, 0);
	route6("metric", SIOCADDRT, "fd05::", 32, NULL, 2, 7);
	route6("gateway", SIOCADDRT, "fd06::", 32, "fd00::9", 2, 0);
	route6("default", SIOCADDRT, "::", 0, "fd00::9", 0, 0);
	route6("far gateway", SIOCADDRT, "fd07::", 32, "fd99::9", 0, 0);
	route6("length", SIOCADDRT, "fd07::", 129, NULL, 2, 0);
	route6("device", SIOCADDRT, "fd07::", 32, NULL, 99, 0);
	route6("del", SIOCDELRT, "fd05::", 32, NULL, 2, 7);
	route6("del", SIOCDELRT, "fd05::", 32, NULL, 0, 0);
	route6("del", SIOCDELRT, "fd05::", 32, NULL, 0, 0);
	route6("del gateway", SIOCDELRT, "fd06::", 32, "fd00::8", 0, 0);
	route6("del gateway", SIOCDELRT, "fd06::", 32, "fd00::9", 0, 0);
	addr6("del", SIOCDIFADDR, "fd00::1", 64, 2);
	addr6("del", SIOCDIFADDR, "fd00::1", 64, 2);
	addr6("del", SIOCDIFADDR, "fd01::1", 128, 99);
}

/* what is not for netlink goes to the socket; and what is no socket */
static void script_other(void)
{
	struct ifreq ifr = named("v0");
	int fds[2], number = -1;

	step("inq", fd4, FIONREAD, &number, sizeof(number));
	step("slave", fd4, SIOCGIFSLAVE, &ifr, sizeof(ifr));
	step("unknown", fd4, 0x89fe, &ifr, sizeof(ifr));
	step("inet6", fd6, SIOCGIFADDR, &ifr, sizeof(ifr));
	step("inet6", fd6, SIOCSIFNETMASK, &ifr, sizeof(ifr));
	assert_int_equal(pipe(fds), 0);
	step("pipe", fds[0], SIOCGIFMTU, &ifr, sizeof(ifr));
	step("bad", -1, SIOCGIFMTU, &ifr, sizeof(ifr));
	step("null", fd4, SIOCGIFMTU, NULL, 0);
	step("null", fd4, SIOCGIFADDR, NULL, 0);
	step("null", fd4, SIOCADDRT, NULL, 0);
	step("null", fd6, SIOCADDRT, NULL, 0);
	step("null", fd6, SIOCSIFADDR, NULL, 0);
	step("null", fd4, SIOCGIFCONF, NULL, 0);
	step("null", fd4, SIOCGIFNAME, NULL, 0);
	close(fds[0]);
	close(fds[1]);
}

/* ------------------------------------------------------------------------------------------------------ comparison */

/* say where two ways part */
static void differ(const char *right, const char *wrong)
{
	size_t at = 0, start = 0;

	for (; right[at] == wrong[at]; at++) {
		if (right[at] == '\n')
			start = at + 1;
	}
	/* each in a message of its own, as cmocka cuts long ones */
	print_error("ioctl: %.900s\n", right + start);
	print_error("nlq:   %.900s\n", wrong + start);
	fail_msg("they differ from byte %zu on", at);
}

static void compare(void (*script)(void))
{
	for (way = 0; way < WAYS; way++) {
		noted = 0;
		assert_int_equal(unshare(CLONE_NEWNET), 0);
		output("ip link add v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02 && "
		       "ip link set v0 up && ip link set v1 up");
		assert_int_equal(netns_link_running("v0"), 0); /* IFF_RUNNING comes with it */
		fd4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		fd6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		fd_packet = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
		script();
		close(fd4);
		close(fd6);
		close(fd_packet);
		if (strcmp(notes[0], notes[way]) != 0)
			differ(notes[0], notes[way]);
	}
}

#define SCRIPT(name)                                                                                                   \
	static void test_##name(void **state)                                                                          \
	{                                                                                                              \
		(void)state;                                                                                           \
		compare(script_##name);                                                                                \
	}
SCRIPT(get)
SCRIPT(conf)
SCRIPT(link)
SCRIPT(addr)
SCRIPT(lifetime)
SCRIPT(route)
SCRIPT(inet6)
SCRIPT(other)

/* without a socket: AF_INET, and the domain that is said */
static void test_nofd(void **state)
{
	struct in6_ifreq_ ifr6 = {ip6("fd00::1"), 64, (int)v0};
	struct ifreq ifr = named("v0");

	(void)state;
	assert_int_equal(nlq_ioctl_nofd(SIOCGIFINDEX, &ifr), 0);
	assert_int_equal(ifr.ifr_ifindex, v0);
	with_addr(&ifr, AF_INET, "10.1.2.3");
	assert_int_equal(nlqx_ioctl_nofd(NULL, SIOCSIFADDR, &ifr), 0);
	expect("ip addr show v0", "10.1.2.3/8");
	assert_int_equal(nlq_ioctl_domain(AF_INET6, SIOCSIFADDR, &ifr6), 0);
	expect("ip addr show v0", "fd00::1/64");
	assert_int_equal(nlqx_ioctl_domain(NULL, AF_INET6, SIOCDIFADDR, &ifr6), 0);
	expect_not("ip addr show v0", "fd00::1/64");
	/* the ioctl of Linux wants capabilities over the whole machine for this one, netlink over the namespace */
	ifr = named("v0");
	ifr.ifr_qlen = 77;
	assert_int_equal(nlq_ioctl_nofd(SIOCSIFTXQLEN, &ifr), 0);
	expect("ip link show v0", "qlen 77");
	ifr.ifr_qlen = -1;
	assert_error(EINVAL, nlq_ioctl_nofd(SIOCSIFTXQLEN, &ifr));
	assert_error(ENOTTY, nlq_ioctl_nofd(FIONREAD, &ifr));
	assert_error(ENOTTY, nlq_ioctl_domain(AF_UNIX, SIOCGIFADDR, &ifr));
	assert_error(ENOTTY, nlqx_ioctl_domain(NULL, AF_INET6, SIOCGIFADDR, &ifr));
	assert_error(EFAULT, nlq_ioctl_nofd(SIOCGIFADDR, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_get),
	        cmocka_unit_test(test_conf),
	        cmocka_unit_test(test_link),
	        cmocka_unit_test(test_addr),
	        cmocka_unit_test(test_lifetime),
	        cmocka_unit_test(test_route),
	        cmocka_unit_test(test_inet6),
	        cmocka_unit_test(test_other),
	        cmocka_unit_test_setup_teardown(test_nofd, setup, teardown),
	};
	int status = enter();

	return status != 0 ? status : cmocka_run_group_tests_name("nlq_ioctl", tests, NULL, NULL);
}
