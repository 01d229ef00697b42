/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hosts.c - two hosts on one Ethernet.
 *
 * A stack under test gives two stacks on a VDE network, ptp:// unless another is asked for, in the directory of the case,
 * configured by the library's own netlink functions. The oracle gets the same picture out of the kernel: two network namespaces with a veth pair, whose
 * ends are called vde0 as well. The stack "kernel" is the native stack of the thread that calls, so on() moves the
 * thread to a host's namespace before a socket is made; a socket stays where it was made. Nothing else tells the two
 * apart.
 *
 *     a  10.77.0.1/24  fd77::1/64  vde0 ──────── vde0  fd77::2/64  10.77.0.2/24  b
 */
#include "netns.h"
#include "nlmsg.h"
#include "private.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if.h>
#include <sched.h>

static const char *const host_address[2][2] = {{"10.77.0.1", "10.77.0.2"}, {"fd77::1", "fd77::2"}};

bool oracle(const struct conf *c)
{
	return strcmp(c->stack, "kernel") == 0;
}

struct ioth *on(struct conf *c, struct ioth *stack)
{
	if (oracle(c) && netns_enter(c->netns[stack != NULL && stack == c->b]) != 0)
		conf_fail("setns: %s", strerrorname_np(errno));
	return stack;
}

/** must - a step of the set-up that returns a negative errno */
static void must(const char *what, int ret)
{
	if (ret < 0)
		conf_fail("setting up: %s: %s", what, strerrorname_np(-ret));
}

/** prepare_namespace - address the veth end of host @n, in its namespace */
static void prepare_namespace(struct conf *c, int n)
{
	unsigned char address[16];

	must("setns", netns_enter(c->netns[n]));
	must("lo up", netns_link_up("lo"));
	must("vde0 up", netns_link_up(CONF_IFNAME));
	inet_pton(AF_INET, host_address[0][n], address);
	must("IPv4 address", netns_addr_add(CONF_IFNAME, AF_INET, address, 24));
	inet_pton(AF_INET6, host_address[1][n], address);
	must("IPv6 address", netns_addr_add(CONF_IFNAME, AF_INET6, address, 64));
}

static const char *network = "ptp";

void hosts_network(const char *module)
{
	network = module;
}

void hosts_prepare(struct conf *c)
{
	static char vnl[512];
	int ret;

	if (!oracle(c)) {
		snprintf(vnl, sizeof(vnl), "%s://%s/p", network, c->dir);
		c->vnl = vnl;
		return;
	}
	c->vnl = "";
	ret = netns_private();
	if (ret != 0)
		conf_skip("no private network namespace here (%s): user namespaces are forbidden",
		          strerrorname_np(-ret));
	must("first namespace", c->netns[0] = netns_open());
	must("second namespace", unshare(CLONE_NEWNET) ? -errno : 0);
	must("second namespace", c->netns[1] = netns_open());
	must("setns", netns_enter(c->netns[0]));
	must("veth pair", netns_veth(CONF_IFNAME, c->netns[1]));
	prepare_namespace(c, 1);
	prepare_namespace(c, 0);
}

/** configure - what prepare_namespace did, through the library */
static void configure(struct ioth *stack, int n)
{
	unsigned char address[16];
	int lo = ioth_if_nametoindex(stack, "lo");
	int vde = ioth_if_nametoindex(stack, CONF_IFNAME);

	if (lo < 0 || vde < 0)
		conf_fail("setting up: no interface lo or vde0: %s", strerrorname_np(errno));
	if (ioth_linksetupdown(stack, (unsigned int)lo, 1) != 0)
		conf_fail("setting up: lo up: %s", strerrorname_np(errno));
	if (ioth_linksetupdown(stack, (unsigned int)vde, 1) != 0)
		conf_fail("setting up: vde0 up: %s", strerrorname_np(errno));
	inet_pton(AF_INET, host_address[0][n], address);
	if (ioth_ipaddr_add(stack, AF_INET, address, 24, (unsigned int)vde) != 0)
		conf_fail("setting up: IPv4 address: %s", strerrorname_np(errno));
	inet_pton(AF_INET6, host_address[1][n], address);
	if (ioth_ipaddr_add(stack, AF_INET6, address, nl_addrdata2prefix(64, IFA_F_NODAD, 0), (unsigned int)vde) != 0)
		conf_fail("setting up: IPv6 address: %s", strerrorname_np(errno));
}

/** operstate - IFLA_OPERSTATE of an interface */
static int operstate(struct conf *c, struct ioth *stack, const char *name)
{
	struct ifinfomsg link = {.ifi_family = AF_UNSPEC};
	unsigned char answer[8192] __attribute__((aligned(8)));
	struct nlmsghdr *head;
	struct rtattr *attr;
	struct nlmsg msg;
	ssize_t len;
	int fd = conf_sock(c, stack, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	nlmsg_start(&msg, RTM_GETLINK, NLM_F_REQUEST, 1, &link, sizeof(link));
	nlmsg_add(&msg, IFLA_IFNAME, name, strlen(name) + 1);
	if (ioth_send(fd, &msg, nlmsg_size(&msg), 0) < 0)
		conf_fail("setting up: RTM_GETLINK: send: %s", strerrorname_np(errno));
	len = ioth_recv(fd, answer, sizeof(answer), 0);
	conf_drop(c, fd);
	head = len < 0 ? NULL : nlmsg_next(answer, (size_t)len, NULL);
	attr = head == NULL ? NULL : nlmsg_attr(head, sizeof(link), IFLA_OPERSTATE);
	if (attr == NULL || RTA_PAYLOAD(attr) < 1)
		conf_fail("setting up: RTM_GETLINK gives no IFLA_OPERSTATE");
	return *(unsigned char *)RTA_DATA(attr);
}

void conf_running(struct conf *c, struct ioth *stack, const char *name)
{
	long deadline = wait_now_ms() + WAIT_MS;

	while (operstate(c, stack, name) != IF_OPER_UP)
		if (!wait_again(deadline))
			conf_fail("%s does not become operational", name);
}

void conf_settled(struct conf *c, struct ioth *stack, struct addr addr)
{
	long deadline = wait_now_ms() + WAIT_MS;
	struct pollfd p = {.events = POLLIN};

	p.fd = conf_sock(c, stack, addr.sa.sa_family, SOCK_DGRAM, 0);
	if (ioth_bind(p.fd, &addr.sa, addr.len) != 0)
		conf_fail("bind to a new address: %s", strerrorname_np(errno));
	addr = conf_sockname(p.fd);
	do {
		if (ioth_sendto(p.fd, "?", 1, 0, &addr.sa, addr.len) != 1 && errno != ENETUNREACH &&
		    errno != EADDRNOTAVAIL)
			conf_fail("sending to a new address: %s", strerrorname_np(errno));
	} while (poll(&p, 1, 2) == 0 && wait_now_ms() < deadline);
	if (!(p.revents & POLLIN))
		conf_fail("a new address does not come into use");
	conf_drop(c, p.fd);
}

void conf_crossed(struct conf *c, struct ioth *from, struct ioth *to)
{
	long deadline = wait_now_ms() + WAIT_MS;
	struct pollfd p = {.events = POLLIN};
	struct addr addr;
	int fd;

	p.fd = conf_bound(c, to, SOCK_DGRAM, &addr);
	fd = conf_sock(c, from, c->family, SOCK_DGRAM, 0);
	do {
		if (ioth_sendto(fd, "?", 1, 0, &addr.sa, addr.len) != 1)
			conf_fail("no datagram can be sent across: %s", strerrorname_np(errno));
	} while (poll(&p, 1, 500) == 0 && wait_now_ms() < deadline);
	if (!(p.revents & POLLIN))
		conf_fail("no datagram crosses from %c to %c", from == c->a ? 'a' : 'b', to == c->a ? 'a' : 'b');
	conf_drop(c, fd);
	conf_drop(c, p.fd);
}

/* The servers of the hosts, when they are remote */
static struct served servers[2];

/** make - the stack of host @n */
static struct ioth *make(struct conf *c, int n)
{
	struct ioth *stack;

	if (served_engine(c->stack) != NULL) {
		served_start(c, &servers[n], c->vnl, n == 0 ? "a.sock" : "b.sock");
		stack = ioth_newstack(servers[n].name, NULL);
	} else {
		stack = ioth_newstack(c->stack, oracle(c) ? NULL : c->vnl);
	}
	if (stack == NULL)
		conf_fail("%s ioth_newstack(\"%s\", \"%s\"): %s", n == 0 ? "first" : "second", c->stack, c->vnl,
		          strerrorname_np(errno));
	return stack;
}

void hosts_create(struct conf *c)
{
	int family = c->family;

	c->a = make(c, 0);
	c->b = make(c, 1);
	if (!oracle(c)) {
		configure(c->a, 0);
		configure(c->b, 1);
	}
	conf_running(c, c->a, CONF_IFNAME);
	conf_running(c, c->b, CONF_IFNAME);
	c->family = AF_INET;
	conf_crossed(c, c->a, c->b);
	c->family = AF_INET6;
	conf_settled(c, c->a, addr_of(c, c->a, 0));
	conf_settled(c, c->b, addr_of(c, c->b, 0));
	conf_crossed(c, c->a, c->b);
	c->family = family;
	on(c, c->a);
}

void hosts_delete(struct conf *c)
{
	if (c->a != NULL && ioth_delstack(c->a) != 0)
		conf_fail("at the end: ioth_delstack(c->a): %s", strerrorname_np(errno));
	if (c->b != NULL && ioth_delstack(c->b) != 0)
		conf_fail("at the end: ioth_delstack(c->b): %s", strerrorname_np(errno));
	/* The second has inherited what keeps the first one going. */
	served_stop(&servers[1]);
	served_stop(&servers[0]);
}

/* ------------------------------------------------------------------------------------------------ addresses */

struct addr addr_text(struct conf *c, const char *text, int port)
{
	struct addr addr;

	memset(&addr, 0, sizeof(addr));
	addr.sa.sa_family = (sa_family_t)c->family;
	addr.len = c->family == AF_INET ? sizeof(addr.in) : sizeof(addr.in6);
	if (inet_pton(c->family, text, addr_raw(&addr)) != 1)
		conf_fail("\"%s\" is not an address", text);
	return addr_with_port(addr, port);
}

struct addr addr_of(struct conf *c, const struct ioth *stack, int port)
{
	return addr_text(c, host_address[c->family == AF_INET6][stack == c->b], port);
}

struct addr addr_any(struct conf *c, int port)
{
	return addr_text(c, c->family == AF_INET ? "0.0.0.0" : "::", port);
}

struct addr addr_loopback(struct conf *c, int port)
{
	return addr_text(c, c->family == AF_INET ? "127.0.0.1" : "::1", port);
}

struct addr addr_absent(struct conf *c, int port)
{
	return addr_text(c, c->family == AF_INET ? "10.77.0.99" : "fd77::99", port);
}

struct addr addr_unrouted(struct conf *c, int port)
{
	return addr_text(c, c->family == AF_INET ? "10.99.0.1" : "fd99::1", port);
}

int addr_port(struct addr addr)
{
	return ntohs(addr.sa.sa_family == AF_INET ? addr.in.sin_port : addr.in6.sin6_port);
}

struct addr addr_with_port(struct addr addr, int port)
{
	if (addr.sa.sa_family == AF_INET)
		addr.in.sin_port = htons((uint16_t)port);
	else
		addr.in6.sin6_port = htons((uint16_t)port);
	return addr;
}

void *addr_raw(struct addr *addr)
{
	return addr->sa.sa_family == AF_INET ? (void *)&addr->in.sin_addr : (void *)&addr->in6.sin6_addr;
}

socklen_t addr_rawlen(const struct conf *c)
{
	return c->family == AF_INET ? 4 : 16;
}

unsigned int conf_ifindex(struct conf *c, struct ioth *stack)
{
	int index = ioth_if_nametoindex(on(c, stack), CONF_IFNAME);

	if (index <= 0)
		conf_fail("ioth_if_nametoindex(\"%s\"): %s", CONF_IFNAME, strerrorname_np(errno));
	return (unsigned int)index;
}

void conf_set_link(struct conf *c, struct ioth *stack, int up)
{
	if (ioth_linksetupdown(on(c, stack), conf_ifindex(c, stack), up) != 0)
		conf_fail("ioth_linksetupdown(%d): %s", up, strerrorname_np(errno));
}
