/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_nlq_stack.c - the client functions of libnlq on stacks of libioth whose server side is libnlq's too, and the
 * same functions on the table of handlers itself.
 */
#include <arpa/inet.h>
#include <ioth.h>
#include <libnlq.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <cmocka.h>

#include "left.h"
#include "nlq_model.h"

#define CHOOSE ((unsigned int)-1)

#define assert_error(expected, call)                                                                                   \
	do {                                                                                                           \
		errno = 0;                                                                                             \
		assert_int_equal(call, -1);                                                                            \
		assert_int_equal(errno, expected);                                                                     \
	} while (0)

static struct ioth *stack;
static struct left before;

static int setup_options(const char *name)
{
	if (left_count(&before) < 0)
		return -1;
	stack = ioth_newstack(name, NULL);
	if (stack == NULL)
		perror(name);
	return stack == NULL ? -1 : 0;
}

static int setup(void **state)
{
	(void)state;
	return setup_options("nlqmodel");
}

static int setup_old(void **state)
{
	(void)state;
	return setup_options("nlqmodel,old");
}

static int teardown(void **state)
{
	char text[256];

	(void)state;
	if (ioth_delstack(stack) < 0) /* EBUSY: a socket is left */
		return -1;
	if (left_since(&before, text, sizeof(text)) == 0)
		return 0;
	print_error("left behind: %s\n", text);
	return -1;
}

static struct in_addr ip4(const char *text)
{
	struct in_addr addr = {0};

	assert_int_equal(inet_pton(AF_INET, text, &addr), 1);
	return addr;
}

static char *proc_net_dev(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);

	assert_int_equal(nlqx_proc_net_dev(stack, file), 0);
	fclose(file);
	return text;
}

static void test_configure(void **state)
{
	struct in_addr addr = ip4("10.0.0.1"), gw = ip4("10.0.0.254"), net = ip4("172.16.0.0");
	struct in6_addr addr6 = {.s6_addr = {0xfd, [15] = 1}};
	struct nlq_if_nameindex *list;
	char name[IF_NAMESIZE], *text;
	unsigned int index;

	(void)state;
	assert_int_equal(nlqx_if_nametoindex(stack, "lo"), 1);
	assert_int_equal(nlqx_iplink_add(stack, "vde0", CHOOSE, "vde", nlq_iplink_strdata(IFLA_VDE_VNL, "vde://")), 2);
	assert_int_equal(nlqx_iplink_add(stack, NULL, CHOOSE, "dummy", NULL, 0), 3);
	assert_string_equal(nlqx_if_indextoname(stack, 3, name), "dummy0");
	assert_int_equal(nlqx_iplink_add(stack, "d9", 9, "dummy", NULL, 0), 0);
	assert_int_equal(nlqx_if_nametoindex(stack, "d9"), 9);
	assert_error(EEXIST, nlqx_iplink_add(stack, "vde0", CHOOSE, "vde", NULL, 0));
	assert_error(EOPNOTSUPP, nlqx_iplink_add(stack, "x0", CHOOSE, "veth", NULL, 0));
	index = nlqx_if_nametoindex(stack, "vde0");
	assert_int_equal(index, 2);
	assert_int_equal(nlqx_linksetupdown(stack, index, 1), 0);
	assert_int_equal(nlqx_ipaddr_add(stack, AF_INET, &addr, 24, index), 0);
	assert_error(EEXIST, nlqx_ipaddr_add(stack, AF_INET, &addr, 24, index));
	assert_int_equal(nlqx_ipaddr_add(stack, AF_INET6, &addr6, 64, index), 0);
	assert_int_equal(nlqx_iproute_add(stack, AF_INET, NULL, 0, &gw, 0), 0);
	assert_error(EEXIST, nlqx_iproute_add(stack, AF_INET, NULL, 0, &gw, 0));
	assert_int_equal(nlqx_iproute_add(stack, AF_INET, &net, 12, NULL, index), 0);
	assert_int_equal(nlqx_iproute_del(stack, AF_INET, &net, 12, NULL, index), 0);
	assert_error(ESRCH, nlqx_iproute_del(stack, AF_INET, &net, 12, NULL, index));
	assert_int_equal(nlqx_ipaddr_del(stack, AF_INET6, &addr6, 64, index), 0);
	assert_error(EADDRNOTAVAIL, nlqx_ipaddr_del(stack, AF_INET6, &addr6, 64, index));
	assert_int_equal(nlqx_iplink_del(stack, "d9", 0), 0);
	assert_error(ENODEV, nlqx_iplink_del(stack, "d9", 0));

	list = nlqx_if_nameindex(stack);
	assert_non_null(list);
	assert_string_equal(list[0].if_name, "lo");
	assert_string_equal(list[1].if_name, "vde0");
	assert_string_equal(list[2].if_name, "dummy0");
	assert_null(list[3].if_name);
	nlqx_if_freenameindex(stack, list);

	text = proc_net_dev();
	assert_non_null(strstr(text, "\n  vde0:       0       0    0    0    0     0          0         0"));
	free(text);

	/* nlinline's functions find the same stack */
	assert_int_equal(ioth_if_nametoindex(stack, "vde0"), 2);
	assert_int_equal(ioth_iplink_add(stack, "i0", CHOOSE, "dummy", NULL, 0), 5);
}

/* a stack that refuses to be asked for the index: as before, through the echo */
static void test_old(void **state)
{
	char name[IF_NAMESIZE];

	(void)state;
	assert_int_equal(nlqx_iplink_add(stack, "d0", CHOOSE, "dummy", NULL, 0), 2);
	assert_int_equal(nlqx_iplink_add(stack, NULL, CHOOSE, "dummy", NULL, 0), 3);
	assert_int_equal(strncmp(nlqx_if_indextoname(stack, 3, name), "dummy", 5), 0);
	assert_error(EEXIST, nlqx_iplink_add(stack, "d0", CHOOSE, "dummy", NULL, 0));
}

/* an answer of hundreds of messages and tens of datagrams */
static int count_links(struct nlmsghdr *msg, struct nlattr **attr, const void *argin, void *argout, void *argenv)
{
	(void)msg, (void)attr, (void)argin, (void)argenv;
	++*(int *)argout;
	return 0;
}

static void test_many(void **state)
{
	struct nlq_msg *msg;
	char name[IF_NAMESIZE];
	int count = 0;

	(void)state;
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		assert_int_equal(nlqx_iplink_add(stack, name, 0, "dummy", NULL, 0), 0);
	}
	msg = nlq_createmsg(RTM_GETLINK, NLM_F_DUMP, 0, 0);
	nlq_addstruct(msg, rtgenmsg, .rtgen_family = AF_UNSPEC);
	assert_int_equal(nlqx_rtdialog(stack, msg, count_links, NULL, &count, NULL), 0);
	assert_int_equal(count, 301);
}

static struct ifreq named(const char *name)
{
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	memcpy(ifr.ifr_name, name, strlen(name));
	return ifr;
}

/* the domain of the socket decides, AF_INET when there is no such option; what is not ours goes to the stack */
static void test_ioctl(void **state)
{
	static const int domains[] = {0, AF_INET, AF_PACKET, AF_INET6, AF_NETLINK};
	struct ifreq ifr;

	(void)state;
	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
		char name[32];
		struct ioth *other;
		int fd;

		snprintf(name, sizeof(name), "nlqmodel,domain=%d", domains[i]);
		other = ioth_newstack(name, NULL);
		assert_non_null(other);
		fd = nlqx_open(other, NETLINK_ROUTE);
		assert_true(fd >= 0);
		ifr = named("lo");
		assert_int_equal(nlqx_ioctl(other, fd, SIOCGIFMTU, &ifr), 0);
		assert_int_equal(ifr.ifr_mtu, 65536);
		assert_error(i < 3 ? EADDRNOTAVAIL : ENOTTY, nlqx_ioctl(other, fd, SIOCGIFADDR, &ifr));
		assert_error(EXDEV, nlqx_ioctl(other, fd, FIONREAD, &ifr));
		assert_int_equal(ioth_close(fd), 0);
		assert_int_equal(ioth_delstack(other), 0);
	}
	assert_error(EBADF, nlqx_ioctl(stack, -1, SIOCGIFMTU, &ifr));
}

/* ------------------------------------------------------------------------------------- on the table, without sockets
 */

static struct model *model;

static void server_ioctl(unsigned long request, struct ifreq *ifr)
{
	assert_int_equal(nlq_server_ioctl(model_table, model, request, ifr), 0);
}

static void with_addr(struct ifreq *ifr, const char *text)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr = ip4(text)};

	memcpy(&ifr->ifr_addr, &sin, sizeof(sin));
}

static const char *addr_of(const struct ifreq *ifr)
{
	static char text[INET_ADDRSTRLEN];
	struct sockaddr_in sin;

	memcpy(&sin, &ifr->ifr_addr, sizeof(sin));
	assert_int_equal(sin.sin_family, AF_INET);
	return inet_ntop(AF_INET, &sin.sin_addr, text, sizeof(text));
}

static void test_server_ioctl(void **state)
{
	static const char *const mac = "\2\0\0\0\0\x77";
	struct {
		struct in6_addr addr;
		uint32_t prefixlen;
		int ifindex;
	} ifr6 = {.addr.s6_addr = {0xfd, [15] = 1}, .prefixlen = 64, .ifindex = 2};
	struct ifreq ifr = named("d0"), list[4];
	struct ifconf conf = {.ifc_len = sizeof(list), .ifc_req = list};
	struct rtentry entry;
	struct nlq_msg *msg = nlq_createmsg(RTM_NEWLINK, NLM_F_CREATE, 0, 0), *info = nlq_createxattr();

	(void)state;
	nlq_addstruct(msg, ifinfomsg, .ifi_index = 0);
	nlq_addattr(msg, IFLA_IFNAME, "d0", 3);
	nlq_addattr(info, IFLA_INFO_KIND, "dummy", 6);
	nlq_addxattr(msg, IFLA_LINKINFO, info);
	assert_int_equal(nlq_server_rtdialog(msg, model_table, model, NULL, NULL, NULL, NULL), 0);

	ifr.ifr_mtu = 1400;
	server_ioctl(SIOCSIFMTU, &ifr);
	server_ioctl(SIOCGIFMTU, &ifr);
	assert_int_equal(ifr.ifr_mtu, 1400);
	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
	server_ioctl(SIOCSIFHWADDR, &ifr);
	memset(&ifr.ifr_hwaddr, 0, sizeof(ifr.ifr_hwaddr));
	server_ioctl(SIOCGIFHWADDR, &ifr);
	assert_int_equal(ifr.ifr_hwaddr.sa_family, ARPHRD_ETHER);
	assert_memory_equal(ifr.ifr_hwaddr.sa_data, mac, 6);
	ifr.ifr_flags = IFF_UP | IFF_BROADCAST | IFF_MULTICAST;
	server_ioctl(SIOCSIFFLAGS, &ifr);
	server_ioctl(SIOCGIFFLAGS, &ifr);
	assert_int_equal(ifr.ifr_flags & (IFF_UP | IFF_RUNNING | IFF_MULTICAST), IFF_UP | IFF_RUNNING | IFF_MULTICAST);
	server_ioctl(SIOCGIFINDEX, &ifr);
	assert_int_equal(ifr.ifr_ifindex, 2);
	memset(ifr.ifr_name, 0, sizeof(ifr.ifr_name));
	server_ioctl(SIOCGIFNAME, &ifr);
	assert_string_equal(ifr.ifr_name, "d0");

	with_addr(&ifr, "10.1.2.3");
	server_ioctl(SIOCSIFADDR, &ifr);
	with_addr(&ifr, "255.255.255.0");
	server_ioctl(SIOCSIFNETMASK, &ifr);
	server_ioctl(SIOCGIFADDR, &ifr);
	assert_string_equal(addr_of(&ifr), "10.1.2.3");
	server_ioctl(SIOCGIFNETMASK, &ifr);
	assert_string_equal(addr_of(&ifr), "255.255.255.0");
	server_ioctl(SIOCGIFBRDADDR, &ifr);
	assert_string_equal(addr_of(&ifr), "10.1.2.255");
	server_ioctl(SIOCGIFCONF, (struct ifreq *)(void *)&conf);
	assert_int_equal(conf.ifc_len, sizeof(list[0]));
	assert_string_equal(list[0].ifr_name, "d0");
	assert_string_equal(addr_of(&list[0]), "10.1.2.3");

	memset(&entry, 0, sizeof(entry));
	with_addr(&ifr, "0.0.0.0");
	entry.rt_dst = entry.rt_genmask = ifr.ifr_addr;
	with_addr(&ifr, "10.1.2.9");
	entry.rt_gateway = ifr.ifr_addr;
	entry.rt_flags = RTF_UP | RTF_GATEWAY;
	assert_int_equal(nlq_server_ioctl(model_table, model, SIOCADDRT, &entry), 0);
	assert_error(EEXIST, nlq_server_ioctl(model_table, model, SIOCADDRT, &entry));
	assert_int_equal(nlq_server_ioctl(model_table, model, SIOCDELRT, &entry), 0);
	assert_error(ESRCH, nlq_server_ioctl(model_table, model, SIOCDELRT, &entry));

	assert_int_equal(nlq_server_ioctl_domain(model_table, model, AF_INET6, SIOCSIFADDR, &ifr6), 0);
	assert_error(EEXIST, nlq_server_ioctl_domain(model_table, model, AF_INET6, SIOCSIFADDR, &ifr6));
	assert_error(ENOTTY, nlq_server_ioctl_domain(model_table, model, AF_INET6, SIOCGIFADDR, &ifr));
	assert_error(ENOTTY, nlq_server_ioctl(model_table, model, FIONREAD, &ifr));
	ifr = named("x0");
	assert_error(ENODEV, nlq_server_ioctl(model_table, model, SIOCGIFMTU, &ifr));
}

/* setting a mask takes the address away and puts it back: when putting fails, the old one must be there again */
static int refuse_slash16(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	const struct ifaddrmsg *header = NLMSG_DATA(msg);

	return header->ifa_prefixlen == 16 ? -EDOM : model_table[RTMF_ADDR].new(msg, attr, stackinfo);
}

static void test_server_restore(void **state)
{
	nlq_request_handlers_table table;
	struct ifreq ifr = named("lo");

	(void)state;
	memcpy(table, model_table, sizeof(table));
	table[RTMF_ADDR].new = refuse_slash16;
	with_addr(&ifr, "127.0.0.1");
	server_ioctl(SIOCSIFADDR, &ifr);
	with_addr(&ifr, "255.255.0.0");
	assert_error(EDOM, nlq_server_ioctl(table, model, SIOCSIFNETMASK, &ifr));
	server_ioctl(SIOCGIFADDR, &ifr);
	assert_string_equal(addr_of(&ifr), "127.0.0.1");
	server_ioctl(SIOCGIFNETMASK, &ifr);
	assert_string_equal(addr_of(&ifr), "255.0.0.0");
}

static void test_server_proc(void **state)
{
	struct rtnl_link_stats64 stats = {
	        .rx_packets = 1,
	        .tx_packets = 2,
	        .rx_bytes = 123456789012,
	        .tx_bytes = 4,
	        .rx_errors = 5,
	        .tx_errors = 6,
	        .rx_dropped = 7,
	        .tx_dropped = 8,
	        .multicast = 9,
	        .collisions = 10,
	        .rx_length_errors = 11,
	        .rx_over_errors = 12,
	        .rx_crc_errors = 13,
	        .rx_frame_errors = 14,
	        .rx_fifo_errors = 15,
	        .rx_missed_errors = 16,
	        .tx_aborted_errors = 17,
	        .tx_carrier_errors = 18,
	        .tx_fifo_errors = 19,
	        .tx_heartbeat_errors = 20,
	        .tx_window_errors = 21,
	        .rx_compressed = 22,
	        .tx_compressed = 23,
	};
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);

	(void)state;
	model_count(model, "lo", &stats);
	assert_int_equal(nlq_server_proc_net_dev(model_table, model, file), 0);
	fclose(file);
	assert_string_equal(
	        strchr(strchr(text, '\n') + 1, '\n') + 1,
	        "    lo: 123456789012       1    5   23   15    50         22         9        4       2    6    8   "
	        "19    10      76         23\n");
	free(text);
}

static int setup_model(void **state)
{
	(void)state;
	model = model_new();
	return 0;
}

static int teardown_model(void **state)
{
	(void)state;
	model_free(model);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
#define TEST_SERVER(name) cmocka_unit_test_setup_teardown(test_server_##name, setup_model, teardown_model)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(configure),    cmocka_unit_test_setup_teardown(test_old, setup_old, teardown),
	        TEST(many),         TEST(ioctl),
	        TEST_SERVER(ioctl), TEST_SERVER(restore),
	        TEST_SERVER(proc),
	};

	return cmocka_run_group_tests_name("nlq_stack", tests, NULL, NULL);
}
