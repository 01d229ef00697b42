/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* advert.c - advertisements of routers: addresses and default routes that nobody has configured, RFC 4861 and 4862. */
#include "nl.h"

#include <arpa/inet.h>
#include <netinet/icmp6.h>

#define ROUTER "fe80::7:2"
#define PREFIX "fd78::"

/** advertise - be a router at @index of @stack, which has ROUTER, once: a prefix to make addresses of, and half an hour as router */
static void advertise(struct conf *c, struct ioth *stack, unsigned int index)
{
	struct {
		struct nd_router_advert head;
		struct nd_opt_prefix_info prefix;
	} message = {.head = {.nd_ra_hdr = {.icmp6_type = ND_ROUTER_ADVERT, .icmp6_data8 = {64}}},
	             .prefix = {.nd_opt_pi_type = ND_OPT_PREFIX_INFORMATION,
	                        .nd_opt_pi_len = 4,
	                        .nd_opt_pi_prefix_len = 64,
	                        .nd_opt_pi_flags_reserved = ND_OPT_PI_FLAG_ONLINK | ND_OPT_PI_FLAG_AUTO,
	                        .nd_opt_pi_valid_time = htonl(3600),
	                        .nd_opt_pi_preferred_time = htonl(1800)}};
	struct addr all = addr_text(c, "ff02::1", 0);
	int raw = sockp(c, on(c, stack), AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);

	message.head.nd_ra_router_lifetime = htons(1800);
	inet_pton(AF_INET6, PREFIX, &message.prefix.nd_opt_pi_prefix);
	SETOPT(raw, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 255);
	SETOPT(raw, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)index);
	all.in6.sin6_scope_id = index;
	CHECK_LEN(ioth_sendto(raw, &message, sizeof(message), 0, &all.sa, all.len), sizeof(message));
}

/** link_address - give @index of @stack an address of the link */
static void link_address(struct conf *c, struct ioth *stack, unsigned int index, const char *text)
{
	struct addr addr = addr_text(c, text, 0);

	CHECK_OK(ioth_ipaddr_add(on(c, stack), AF_INET6, addr_raw(&addr),
	                         nl_addrdata2prefix(64, IFA_F_NODAD, RT_SCOPE_LINK), index));
	addr.in6.sin6_scope_id = index;
	settled(c, stack, addr);
}

static bool of_prefix(struct nlmsghdr *head, void *unused)
{
	struct rtattr *attr = nlmsg_attr(head, sizeof(struct ifaddrmsg), IFA_ADDRESS);
	unsigned char prefix[16];

	(void)unused;
	inet_pton(AF_INET6, PREFIX, prefix);
	return attr != NULL && RTA_PAYLOAD(attr) == 16 && memcmp(RTA_DATA(attr), prefix, 8) == 0;
}

static bool default_by_router(struct nlmsghdr *head, void *unused)
{
	const struct rtmsg *route = NLMSG_DATA(head);
	struct rtattr *gateway = nlmsg_attr(head, sizeof(*route), RTA_GATEWAY);
	unsigned char router[16];

	(void)unused;
	inet_pton(AF_INET6, ROUTER, router);
	return route->rtm_dst_len == 0 && gateway != NULL && memcmp(RTA_DATA(gateway), router, 16) == 0;
}

/** configured - how many addresses of the prefix and default routes by the router a host has */
static void configured(struct conf *c, struct ioth *stack, int *addresses, int *routes)
{
	struct ifaddrmsg addr = {.ifa_family = AF_INET6};
	struct rtmsg route = {.rtm_family = AF_INET6};
	int fd = nl_open(c, stack, 0);
	struct nlmsg msg;

	nlmsg_start(&msg, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, 1, &addr, sizeof(addr));
	*addresses = nl_dump(fd, &msg, RTM_NEWADDR, of_prefix, NULL);
	nlmsg_start(&msg, RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, 2, &route, sizeof(route));
	*routes = nl_dump(fd, &msg, RTM_NEWROUTE, default_by_router, NULL);
	drop(c, fd);
}

CASE(advert, accepted, IPV6, "an advertisement gives an address of its prefix and a default route")
{
	long deadline = wait_now_ms() + WAIT_MS;
	int addresses, routes;

	link_address(c, c->b, ifindex(c, c->b), ROUTER);
	link_address(c, c->a, ifindex(c, c->a), "fe80::7:1");
	advertise(c, c->b, ifindex(c, c->b));
	do
		configured(c, c->a, &addresses, &routes);
	while ((addresses == 0 || routes == 0) && wait_again(deadline));
	CHECK_INT(addresses, 1);
	CHECK_INT(routes, 1);
}

/** with_option - what an advertisement does to a stack that is made with @option */
static void with_option(struct conf *c, const char *option, int *addresses, int *routes)
{
	struct addr all = addr_text(c, "ff02::1", 0), any = addr_any(c, 0);
	struct ioth *host, *router;
	char name[256], vnl[256];
	unsigned int index;
	int fd;

	snprintf(name, sizeof(name), "%s,%s", c->stack, option);
	snprintf(vnl, sizeof(vnl), "ptp://%s/%s", c->dir, option);
	host = ioth_newstack(name, vnl);
	router = ioth_newstack(c->stack, vnl);
	CHECK(host != NULL && router != NULL);
	CHECK_OK(ioth_linksetupdown(host, (unsigned int)ioth_if_nametoindex(host, "lo"), 1));
	CHECK_OK(ioth_linksetupdown(router, (unsigned int)ioth_if_nametoindex(router, "lo"), 1));
	index = ifindex(c, host);
	CHECK_OK(ioth_linksetupdown(host, index, 1));
	CHECK_OK(ioth_linksetupdown(router, ifindex(c, router), 1));
	running(c, host, CONF_IFNAME);
	running(c, router, CONF_IFNAME);
	link_address(c, host, index, "fe80::7:1");
	link_address(c, router, ifindex(c, router), ROUTER);
	advertise(c, router, ifindex(c, router));
	/* What is sent after it arrives after it. */
	fd = sock(c, host, SOCK_DGRAM);
	CHECK_OK(ioth_bind(fd, &any.sa, any.len));
	all = addr_with_port(all, addr_port(sockname(fd)));
	all.in6.sin6_scope_id = ifindex(c, router);
	CHECK_LEN(ioth_sendto(sock(c, router, SOCK_DGRAM), "x", 1, 0, &all.sa, all.len), 1);
	recv_text(fd, "x");
	configured(c, host, addresses, routes);
	while (c->nfds > 0)
		drop(c, c->fds[0]);
	CHECK_OK(ioth_delstack(host));
	CHECK_OK(ioth_delstack(router));
}

CASE(advert, options, IPV6, "accept_ra=0 heeds none; autoconf=0 makes no addresses; without them both are made",
     LIMITS({"kernel", "Linux has sysctls for it"}, {"vdestack", "Linux has sysctls for it"}, OTHERS_NETWORKS))
{
	int addresses, routes;

	with_option(c, "accept_ra=0", &addresses, &routes);
	CHECK_INT(addresses, 0);
	CHECK_INT(routes, 0);
	with_option(c, "autoconf=0", &addresses, &routes);
	CHECK_INT(addresses, 0);
	CHECK_INT(routes, 1);
	with_option(c, "autoconf=1", &addresses, &routes);
	CHECK_INT(addresses, 1);
	CHECK_INT(routes, 1);
}
