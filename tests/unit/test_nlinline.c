/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_nlinline.c - links, libraries and failures: nlinline.h on the Linux kernel in a private namespace.
 *
 * What the functions claim to have done is checked with ip(8), which shares no code with them. Addresses and routes are
 * in test_nlinline_ip.c.
 */
#include <linux/capability.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "nlinline.h"

#include "kernel_net.h"

#define CHOOSE ((unsigned int)-1)

/* the same functions through the macros: a library of many stacks, and one with a socket call only */
struct sys_stack {
	int sockets; /* opened on it */
};

static int sys_msocket(struct sys_stack *stack, int domain, int type, int protocol)
{
	if (stack)
		stack->sockets++;
	return socket(domain, type, protocol);
}

#define sys_bind(fd, addr, len) bind(fd, addr, len) /* calls may be macros */
#define sys_send send
#define sys_recv recv
#define sys_close close
NLINLINE_LIBMULTI(sys_)

static int comp_socket(int domain, int type, int protocol)
{
	return socket(domain, type, protocol);
}

NLINLINE_LIBCOMP(comp_)

#define mcomp_msocket sys_msocket
NLINLINE_LIBMULTICOMP(mcomp_)

/* --------------------------------------------------------------------------------------------------- links */

static void test_nametoindex(void **state)
{
	(void)state;
	assert_int_equal(nlinline_if_nametoindex("lo"), 1);
	assert_int_equal(nlinline_if_nametoindex("v0"), v0);
	assert_error(ENODEV, nlinline_if_nametoindex("none"));
	assert_error(ENODEV, nlinline_if_nametoindex(""));
	assert_error(ENODEV, nlinline_if_nametoindex("v"));
	assert_error(ENODEV, nlinline_if_nametoindex("a_name_of_16_by"));
	assert_error(ENODEV, nlinline_if_nametoindex("a_name_that_is_too_long_for_any_interface"));
	assert_error(EINVAL, nlinline_if_nametoindex(NULL));
	output("ip link set v0 down && ip link set v0 name 123456789012345");
	assert_int_equal(nlinline_if_nametoindex("123456789012345"), v0);
}

static void test_updown(void **state)
{
	(void)state;
	expect_not("ip link show lo", "LOOPBACK,UP");
	assert_int_equal(nlinline_linksetupdown(1, 1), 0);
	expect("ip link show lo", "LOOPBACK,UP");
	assert_int_equal(nlinline_linksetupdown(1, 1), 0);
	assert_int_equal(nlinline_linksetupdown(1, 0), 0);
	expect_not("ip link show lo", "LOOPBACK,UP");
	assert_int_equal(nlinline_linksetupdown(1, -5), 0);
	expect("ip link show lo", "LOOPBACK,UP");
	/* nothing but the one flag changes */
	output("ip link set v0 promisc on && ip link set v0 arp off");
	assert_int_equal(nlinline_linksetupdown(v0, 0), 0);
	assert_int_equal(nlinline_linksetupdown(v0, 1), 0);
	expect("ip link show v0", "NOARP,PROMISC,UP");
	assert_error(ENODEV, nlinline_linksetupdown(99, 1));
	assert_error(ENODEV, nlinline_linksetupdown(0, 1));
}

static void test_mac(void **state)
{
	static uint8_t mac[6] = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55};
	static uint8_t multicast[6] = {0x03, 0x11, 0x22, 0x33, 0x44, 0x55};
	uint8_t got[8] = {9, 9, 9, 9, 9, 9, 9, 9};

	(void)state;
	assert_int_equal(nlinline_linksetaddr(v0, mac), 0);
	expect("ip link show v0", "link/ether 02:11:22:33:44:55");
	assert_int_equal(nlinline_linkgetaddr(v0, got), 0);
	assert_memory_equal(got, mac, 6);
	assert_int_equal(got[6], 9);
	assert_error(EADDRNOTAVAIL, nlinline_linksetaddr(v0, multicast));
	expect("ip link show v0", "link/ether 02:11:22:33:44:55");
	assert_error(ENODEV, nlinline_linksetaddr(99, mac));
	assert_error(ENODEV, nlinline_linkgetaddr(99, got));
	assert_error(EINVAL, nlinline_linksetaddr(v0, NULL));
	assert_error(EINVAL, nlinline_linkgetaddr(v0, NULL));
}

/* a link whose hardware addresses have another length, and one without any */
static void test_mac_other(void **state)
{
	uint8_t got[6];

	(void)state;
	if (!succeeds("ip link add g0 type ip6gre local fd00::1 remote fd00::2 2>/dev/null") &&
	    !succeeds("ip tuntap add g0 mode tun 2>/dev/null")) {
		print_message("skipped: this kernel makes neither an ip6gre nor a tun link\n");
		skip();
	}
	assert_error(ENODATA, nlinline_linkgetaddr(if_nametoindex("g0"), got));
}

static void test_mtu(void **state)
{
	(void)state;
	assert_int_equal(nlinline_linksetmtu(v0, 9000), 0);
	expect("ip link show v0", "mtu 9000 ");
	assert_int_equal(nlinline_linksetmtu(v0, 1280), 0);
	expect("ip link show v0", "mtu 1280 ");
	assert_error(EINVAL, nlinline_linksetmtu(v0, 10));
	assert_error(EINVAL, nlinline_linksetmtu(v0, 1000000));
	expect("ip link show v0", "mtu 1280 ");
	assert_error(ENODEV, nlinline_linksetmtu(99, 1500));
}

/* ------------------------------------------------------------------------------------- adding, deleting links */

static void test_link_add(void **state)
{
	int index;

	(void)state;
	assert_int_equal(nlinline_iplink_add("b0", 0, "bridge", NULL, 0), 0);
	expect("ip -d link show b0", "bridge");
	assert_error(EEXIST, nlinline_iplink_add("b0", 0, "bridge", NULL, 0));
	assert_error(EEXIST, nlinline_iplink_add("b0", CHOOSE, "bridge", NULL, 0));

	assert_int_equal(nlinline_iplink_add("b1", 777, "bridge", NULL, 0), 0);
	assert_int_equal(if_nametoindex("b1"), 777);
	assert_error(EEXIST, nlinline_iplink_add("b2", 777, "bridge", NULL, 0));

	index = nlinline_iplink_add("b3", CHOOSE, "bridge", NULL, 0);
	assert_true(index > 0);
	assert_int_equal(if_nametoindex("b3"), index);

	assert_int_equal(nlinline_iplink_add(NULL, 0, "bridge", NULL, 0), 0);
	expect("ip link show bridge0", "bridge0");
}

/* no name, but its index: whatever the link is called, that index is a new bridge */
static void test_link_add_nameless(void **state)
{
	char name[IF_NAMESIZE], other[IF_NAMESIZE], command[128];
	int index, second;

	(void)state;
	index = nlinline_iplink_add(NULL, CHOOSE, "bridge", NULL, 0);
	assert_true(index > 0);
	assert_non_null(if_indextoname((unsigned int)index, name));
	snprintf(command, sizeof(command), "ip -d link show %s", name);
	expect(command, "bridge forward_delay");
	second = comp_iplink_add(NULL, CHOOSE, "bridge", NULL, 0);
	assert_true(second > 0);
	assert_int_not_equal(index, second);
	assert_non_null(if_indextoname((unsigned int)second, other));
	assert_string_not_equal(name, other);
}

/* a libraries' function asks for the index in a way that Linux refuses: it finds out and asks otherwise */
static void test_link_add_refused(void **state)
{
	struct sys_stack stack = {0};
	int index = sys_iplink_add(&stack, "b0", CHOOSE, "bridge", NULL, 0);

	(void)state;
	assert_true(index > 0);
	assert_int_equal(if_nametoindex("b0"), index);
	assert_true(stack.sockets >= 2);
	assert_error(EEXIST, sys_iplink_add(&stack, "b0", CHOOSE, "bridge", NULL, 0));
	assert_error(EOPNOTSUPP, sys_iplink_add(&stack, "x0", CHOOSE, "no_such_kind", NULL, 0));
}

/* nested data: a structure and an attribute in one (the peer of a veth), numbers, and several at once */
static void test_link_add_data(void **state)
{
	struct {
		struct ifinfomsg info;
		struct nlattr attr;
		char name[8];
	} peer = {.attr = {sizeof(struct nlattr) + 5, IFLA_IFNAME}, .name = "peer"};
	struct nl_iplink_data veth = {VETH_INFO_PEER, (int)sizeof(peer), &peer};
	uint32_t delay = 500, age = 12300;
	uint16_t mask = 8;
	struct nl_iplink_data bridge[] = {
	        {IFLA_BR_FORWARD_DELAY, sizeof(delay), &delay},
	        {IFLA_BR_GROUP_FWD_MASK, sizeof(mask), &mask},
	        {IFLA_BR_AGEING_TIME, sizeof(age), &age},
	};

	(void)state;
	assert_int_equal(nlinline_iplink_add("w0", 0, "veth", &veth, 1), 0);
	expect("ip link show w0", "w0@peer");
	assert_int_equal(nlinline_iplink_add("b0", 0, "bridge", bridge, 3), 0);
	expect("ip -d link show b0", "forward_delay 500 ");
	expect("ip -d link show b0", "ageing_time 12300 ");
	expect("ip -d link show b0", "group_fwd_mask 0x8 ");
}

static void test_link_add_vlan(void **state)
{
	uint16_t id = 42;
	struct nl_iplink_data vlan = {IFLA_VLAN_ID, sizeof(id), &id};
	uint32_t vni = 42;
	struct nl_iplink_data vxlan[] = {
	        {IFLA_VXLAN_ID, sizeof(vni), &vni},
	        {IFLA_VXLAN_LINK, sizeof(v0), &v0},
	};

	(void)state;
	/* a VLAN needs a link below it, which is no attribute of its kind: the kernel says so, or has no VLANs */
	errno = 0;
	assert_int_equal(nlinline_iplink_add("x1", 0, "vlan", &vlan, 1), -1);
	assert_true(errno == EINVAL || errno == EOPNOTSUPP);
	if (nlinline_iplink_add("x0", 0, "vxlan", vxlan, 2) < 0) {
		assert_int_equal(errno, EOPNOTSUPP);
		print_message("skipped: this kernel has no vxlan\n");
		skip();
	}
	expect("ip -d link show x0", "vxlan id 42 dev v0 ");
}

static void test_link_add_string(void **state)
{
	struct nl_iplink_data list[] = {{nl_iplink_strattr(7, "abc")}, {nl_iplink_strattr(8, "")}};
	struct nl_iplink_data one = {nl_iplink_strattr(IFLA_VDE_VNL, "vde:///tmp/sw")};

	(void)state;
	assert_int_equal(IFLA_VDE_VNL, 1);
	assert_int_equal(one.tag, 1);
	assert_int_equal(one.len, 14);
	assert_string_equal(one.data, "vde:///tmp/sw");
	assert_int_equal(list[1].tag, 8);
	assert_int_equal(list[1].len, 1);
	/* the kernel has no VDE; it looks at the attributes after the kind, so this is the kind it refuses */
	assert_error(EOPNOTSUPP,
	             nlinline_iplink_add("vde0", 0, "vde", nl_iplink_strdata(IFLA_VDE_VNL, "vde:///tmp/sw")));
	assert_error(EOPNOTSUPP, nlinline_iplink_add("vde0", 0, "vde", list, 2));
	expect_not("ip link", "vde0");
}

static void test_link_add_errors(void **state)
{
	static char big[4096];
	struct nl_iplink_data data = {1, sizeof(big), big};
	struct nl_iplink_data bad[] = {{1, -1, big}, {1, 4, NULL}, {-1, 1, big}, {70000, 1, big}};

	(void)state;
	assert_error(EINVAL, nlinline_iplink_add("x0", 0, NULL, NULL, 0));
	assert_error(EINVAL, nlinline_iplink_add("x0", 0, "bridge", NULL, 1));
	assert_error(EINVAL, nlinline_iplink_add("x0", 0, "bridge", &data, -1));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_error(EINVAL, nlinline_iplink_add("x0", 0, "bridge", &bad[i], 1));
	assert_error(EOPNOTSUPP, nlinline_iplink_add("x0", 0, "no_such_kind", NULL, 0));
	assert_error(EOPNOTSUPP, nlinline_iplink_add("x0", CHOOSE, "no_such_kind", NULL, 0));
	assert_error(EINVAL, nlinline_iplink_add("x/0", 0, "bridge", NULL, 0));
	errno = 0;
	assert_int_equal(nlinline_iplink_add("a_name_that_is_too_long", 0, "bridge", NULL, 0), -1);
	assert_true(errno == EINVAL || errno == ERANGE);

	memset(big, 'x', sizeof(big));
	assert_error(EMSGSIZE, nlinline_iplink_add("x0", 0, "bridge", &data, 1));
	data.len = 0x7fffffff;
	assert_error(EMSGSIZE, nlinline_iplink_add("x0", 0, "bridge", &data, 1));
	big[sizeof(big) - 1] = '\0';
	assert_error(EMSGSIZE, nlinline_iplink_add("x0", 0, big, NULL, 0));
	assert_error(EMSGSIZE, nlinline_iplink_add(big, 0, "bridge", NULL, 0));
	expect_not("ip link", "x0");
}

/* every length around the limit: refused or sent, never something in between */
static void test_link_add_limit(void **state)
{
	static char big[4096];
	struct nl_iplink_data data[2] = {{1, 0, big}, {2, 0, NULL}};
	int fitted = 0;

	(void)state;
	for (int len = 3900; len <= 4096; len++) {
		data[0].len = len;
		errno = 0;
		assert_int_equal(nlinline_iplink_add("x0", 0, "no_such_kind", data, 2), -1);
		if (errno == EOPNOTSUPP)
			fitted = len;
		else
			assert_int_equal(errno, EMSGSIZE);
	}
	assert_in_range(fitted, 4000, 4060);
	data[0].len = fitted + 1;
	assert_error(EMSGSIZE, nlinline_iplink_add("x0", 0, "no_such_kind", data, 2));
}

static void test_link_del(void **state)
{
	(void)state;
	output("ip link add rb_a type bridge && ip link add rb_b type bridge && ip link add rb_c type bridge");
	assert_int_equal(nlinline_iplink_del("rb_a", 0), 0);
	expect_not("ip link", "rb_a:");
	assert_int_equal(nlinline_iplink_del(NULL, if_nametoindex("rb_b")), 0);
	expect_not("ip link", "rb_b:");
	assert_int_equal(nlinline_iplink_del("rb_c", if_nametoindex("rb_c")), 0);
	expect_not("ip link", "rb_c:");
	assert_error(ENODEV, nlinline_iplink_del("rb_a", 0));
	assert_error(ENODEV, nlinline_iplink_del(NULL, 99));
	assert_error(ENODEV, nlinline_iplink_del("", 0));
	assert_error(ENODEV, nlinline_iplink_del("a_name_that_is_too_long", 0));
	assert_error(EINVAL, nlinline_iplink_del(NULL, 0));
	assert_error(EOPNOTSUPP, nlinline_iplink_del("lo", 0));
}

/* ------------------------------------------------------------------------------------------ the other parts */

static void test_nldialog(void **state)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link_info;
		struct nlattr attr;
		uint32_t mtu;
	} message = {
	        .header = {.nlmsg_len = sizeof(message), .nlmsg_type = RTM_NEWLINK},
	        .link_info = {.ifi_index = (int)v0},
	        .attr = {8, IFLA_MTU},
	        .mtu = 1400,
	};

	(void)state;
	assert_int_equal(nlinline_nldialog(&message), 0);
	expect("ip link show v0", "mtu 1400 ");
	assert_int_not_equal(message.header.nlmsg_seq, 0);
	message.header.nlmsg_seq = 12345;
	message.mtu = 1401;
	assert_int_equal(nlinline_nldialog(&message), 0);
	assert_int_equal(message.header.nlmsg_seq, 12345);
	expect("ip link show v0", "mtu 1401 ");

	message.link_info.ifi_index = 99;
	assert_error(ENODEV, nlinline_nldialog(&message));
	message.header.nlmsg_type = RTM_GETLINK; /* a request that has an answer, too */
	assert_error(ENODEV, nlinline_nldialog(&message));
	message.link_info.ifi_index = (int)v0;
	assert_int_equal(nlinline_nldialog(&message), 0);
	message.header.nlmsg_flags = NLM_F_DUMP;
	message.header.nlmsg_len = sizeof(message.header) + sizeof(message.link_info);
	assert_int_equal(nlinline_nldialog(&message), 0);

	message.header.nlmsg_flags = 0;
	message.header.nlmsg_type = RTM_NEWLINK;
	message.header.nlmsg_len = sizeof(message.header) + 4; /* shorter than its fixed part */
	assert_error(EINVAL, nlinline_nldialog(&message));
	message.header.nlmsg_type = RTM_BASE + 900;
	assert_error(EOPNOTSUPP, nlinline_nldialog(&message));
	message.header.nlmsg_len = sizeof(message.header) - 1;
	assert_error(EINVAL, nlinline_nldialog(&message));
	assert_error(EINVAL, nlinline_nldialog(NULL));
}

/* all four kinds of library do all functions: one of each family through each */
static void test_libraries(void **state)
{
	struct sys_stack stack = {0};
	struct in_addr addr = ip4("10.1.2.3"), gw = ip4("10.1.2.1");
	uint8_t mac[6] = {2, 0, 0, 0, 0, 9};

	(void)state;
	assert_int_equal(sys_if_nametoindex(&stack, "v0"), v0);
	assert_int_equal(stack.sockets, 1);
	assert_int_equal(sys_linksetaddr(&stack, v0, mac), 0);
	mac[5] = 0;
	assert_int_equal(mcomp_linkgetaddr(&stack, v0, mac), 0);
	assert_int_equal(mac[5], 9);
	assert_int_equal(stack.sockets, 3);
	assert_int_equal(sys_if_nametoindex(NULL, "v0"), v0);
	assert_int_equal(stack.sockets, 3);
	assert_int_equal(comp_linksetmtu(v0, 1450), 0);
	assert_int_equal(mcomp_linksetupdown(&stack, 1, 1), 0);
	assert_int_equal(mcomp_ipaddr_add(&stack, AF_INET, &addr, 24, v0), 0);
	assert_int_equal(sys_iproute_add(&stack, AF_INET, NULL, 0, &gw, 0), 0);
	expect("ip route", "default via 10.1.2.1 dev v0");
	expect("ip link show v0", "mtu 1450 ");
	assert_int_equal(comp_iproute_del(AF_INET, NULL, 0, &gw, 0), 0);
	assert_int_equal(comp_ipaddr_del(AF_INET, &addr, 24, v0), 0);
	assert_int_equal(mcomp_iplink_del(&stack, "v0", 0), 0);
	assert_error(ENODEV, comp_if_nametoindex("v1"));
}

/* in a child without a single capability: look, but do not touch */
static void test_no_capability(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
		struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
		struct in_addr addr = ip4("10.1.2.3");
		uint8_t mac[6] = {2, 0, 0, 0, 0, 1};

		if (syscall(SYS_capset, &header, none) < 0)
			_exit(100);
#define CHILD_EPERM(n, call)                                                                                           \
	if ((call) != -1 || errno != EPERM)                                                                            \
		_exit(n);
		CHILD_EPERM(1, nlinline_linksetupdown(1, 1))
		CHILD_EPERM(2, nlinline_linksetaddr(v0, mac))
		CHILD_EPERM(3, nlinline_linksetmtu(v0, 1400))
		CHILD_EPERM(4, nlinline_ipaddr_add(AF_INET, &addr, 24, v0))
		CHILD_EPERM(5, nlinline_ipaddr_del(AF_INET, &addr, 24, v0))
		CHILD_EPERM(6, nlinline_iproute_add(AF_INET, NULL, 0, &addr, v0))
		CHILD_EPERM(7, nlinline_iproute_del(AF_INET, NULL, 0, &addr, v0))
		CHILD_EPERM(8, nlinline_iplink_add("b0", 0, "bridge", NULL, 0))
		CHILD_EPERM(9, nlinline_iplink_add("b0", CHOOSE, "bridge", NULL, 0))
		CHILD_EPERM(10, nlinline_iplink_del("v0", 0))
#undef CHILD_EPERM
		if (nlinline_if_nametoindex("v0") != (int)v0 || nlinline_linkgetaddr(v0, mac) != 0)
			_exit(11);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_no_descriptor(void **state)
{
	struct rlimit limit, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	errno = 0;
	int result = nlinline_if_nametoindex("v0");
	int error = errno;

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(result, -1);
	assert_int_equal(error, EMFILE);
}

#define THREADS 4
#define PER_THREAD 50

static void *add_addresses(void *argument)
{
	const unsigned int *thread = argument;

	for (unsigned int i = 0; i < PER_THREAD; i++) {
		struct in_addr addr = {htonl(0x0a000000U | *thread << 16 | i << 8 | 1U)};

		if (nlinline_if_nametoindex("v0") != (int)v0 || nlinline_ipaddr_add(AF_INET, &addr, 24, v0) < 0 ||
		    nlinline_ipaddr_add(AF_INET, &addr, 24, v0) != -1 || errno != EEXIST)
			return argument;
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t thread[THREADS];
	unsigned int number[THREADS];
	const char *at;
	int count = 0;

	(void)state;
	for (unsigned int i = 0; i < THREADS; i++) {
		number[i] = i;
		assert_int_equal(pthread_create(&thread[i], NULL, add_addresses, &number[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		void *failed;

		assert_int_equal(pthread_join(thread[i], &failed), 0);
		assert_null(failed);
	}
	at = output("ip -o -4 addr show v0");
	while ((at = strstr(at, "inet ")) != NULL) {
		at++;
		count++;
	}
	assert_int_equal(count, THREADS * PER_THREAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(nametoindex),
	        TEST(updown),
	        TEST(mac),
	        TEST(mac_other),
	        TEST(mtu),
	        TEST(link_add),
	        TEST(link_add_nameless),
	        TEST(link_add_refused),
	        TEST(link_add_data),
	        TEST(link_add_vlan),
	        TEST(link_add_string),
	        TEST(link_add_errors),
	        TEST(link_add_limit),
	        TEST(link_del),
	        TEST(nldialog),
	        TEST(libraries),
	        TEST(no_capability),
	        TEST(no_descriptor),
	        TEST(threads),
	};
	int status = enter();

	return status ? status : cmocka_run_group_tests_name("nlinline", tests, NULL, NULL);
}
