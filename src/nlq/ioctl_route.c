/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ioctl_route.c - SIOCADDRT and SIOCDELRT, for IPv4 (struct rtentry) and IPv6 (struct in6_rtmsg), and the addresses of
 * IPv6 (struct in6_ifreq), by netlink. Stateless.
 */
#include "private.h"

#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* RTF_EXPIRES of <linux/ipv6_route.h>, which cannot be included together with <net/route.h> */
#define EXPIRES6 0x00400000U
#define METRIC_DEFAULT6 1024 /* what Linux gives to IPv6 routes of users */

/** struct in6_ifreq of <linux/ipv6.h>, which cannot be included together with <netinet/in.h> everywhere */
struct inet6_ifreq {
	struct in6_addr addr;
	uint32_t prefixlen;
	int ifindex;
};

/** struct inet_route - struct nlq__route and what it points to; network byte order */
struct inet_route {
	struct nlq__route route;
	uint32_t dst, gw, prefsrc;
};

/** in_sockaddr - the IPv4 address in a sockaddr */
static uint32_t in_sockaddr(const struct sockaddr *addr)
{
	struct sockaddr_in sin;

	memcpy(&sin, addr, sizeof(sin));
	return sin.sin_addr.s_addr;
}

/** route_dst - destination and mask; 0 or a negative errno */
static int route_dst(struct inet_route *out, const struct rtentry *in)
{
	uint32_t mask = in_sockaddr(&in->rt_genmask);
	int prefixlen = 32;

	if (in->rt_dst.sa_family != AF_INET)
		return -EAFNOSUPPORT;
	out->dst = in_sockaddr(&in->rt_dst);
	if (!(in->rt_flags & RTF_HOST)) {
		if (in->rt_genmask.sa_family != AF_INET && (mask != 0 || in->rt_genmask.sa_family != 0))
			return -EAFNOSUPPORT;
		prefixlen = nlq_mask2prefix(AF_INET, &mask);
		if (prefixlen < 0 || (out->dst & ~mask) != 0)
			return -EINVAL;
	}
	out->route.header.rtm_dst_len = (uint8_t)prefixlen;
	if (prefixlen > 0)
		out->route.dst = &out->dst;
	return 0;
}

/** route_dev - interface, and the address of an alias as the source; 0 or a negative errno */
static int route_dev(const struct nlq__peer *peer, struct inet_route *out, const char *dev)
{
	char label[NLQ__IFNAMSIZ], ifname[NLQ__IFNAMSIZ];
	bool alias = nlq__ioctl_alias(dev, label, ifname);
	int result = nlq__if_nametoindex(peer, ifname);

	if (result < 0)
		return result;
	out->route.oif = (uint32_t)result;
	if (!alias)
		return 0;
	result = nlq__ioctl_labelled(peer, out->route.oif, label, &out->prefsrc);
	if (result == -EADDRNOTAVAIL)
		return -ENODEV;
	out->route.prefsrc = &out->prefsrc;
	return result;
}

/** route_metrics - what a new route has besides */
static void route_metrics(struct nlq__route *out, const struct rtentry *in)
{
	if (in->rt_flags & RTF_MTU && in->rt_mtu > 40)
		out->advmss = (uint32_t)in->rt_mtu - 40; /* headers of IP and TCP */
	if (in->rt_flags & RTF_WINDOW)
		out->window = (uint32_t)in->rt_window;
	if (in->rt_flags & RTF_IRTT)
		out->rtt = (uint32_t)in->rt_irtt << 3; /* eighths of a millisecond */
}

/** route_read - from struct rtentry; 0 or a negative errno */
static int route_read(const struct nlq__peer *peer, struct inet_route *out, const struct rtentry *in, bool add)
{
	struct nlq__route *route = &out->route;
	struct rtmsg *header = &route->header;
	int result;

	*header = (struct rtmsg){
	        .rtm_family = AF_INET,
	        .rtm_table = RT_TABLE_MAIN,
	        .rtm_protocol = add ? RTPROT_BOOT : RTPROT_UNSPEC,
	        .rtm_type = RTN_UNICAST,
	        .rtm_scope = add ? RT_SCOPE_LINK : RT_SCOPE_NOWHERE,
	};
	result = route_dst(out, in);
	if (result < 0)
		return result;
	route->priority = in->rt_metric > 0 ? (uint32_t)in->rt_metric - 1 : 0;
	if (in->rt_flags & RTF_REJECT) {
		header->rtm_type = RTN_UNREACHABLE;
		header->rtm_scope = RT_SCOPE_HOST;
		return 0;
	}
	if (in->rt_dev != NULL)
		result = route_dev(peer, out, in->rt_dev);
	if (in->rt_gateway.sa_family == AF_INET)
		out->gw = in_sockaddr(&in->rt_gateway);
	if (out->gw != 0)
		route->gw = &out->gw;
	if (out->gw != 0 && in->rt_flags & RTF_GATEWAY)
		header->rtm_scope = RT_SCOPE_UNIVERSE;
	if (result < 0 || !add)
		return result;
	route_metrics(route, in);
	return in->rt_flags & RTF_GATEWAY && out->gw == 0 ? -EINVAL : 0;
}

/** route_request - add or delete a route */
static int route_request(const struct nlq__peer *peer, bool add, const struct nlq__route *route)
{
	return nlq__route_request(peer, add ? RTM_NEWROUTE : RTM_DELROUTE, add ? NLM_F_CREATE | NLM_F_EXCL : 0, route);
}

int nlq__ioctl_route(const struct nlq__peer *peer, unsigned long request, void *arg)
{
	struct inet_route route = {0};
	bool add = request == SIOCADDRT;
	int result;

	if (request != SIOCADDRT && request != SIOCDELRT)
		return -ENOTTY;
	if (arg == NULL)
		return -EFAULT;
	result = route_read(peer, &route, arg, add);
	return result < 0 ? result : route_request(peer, add, &route.route);
}

/* ----------------------------------------------------------------------------------------------------------- IPv6 */

static int route6(const struct nlq__peer *peer, const struct in6_rtmsg *in, bool add)
{
	struct nlq__route route = {
	        .header =
	                {
	                        .rtm_family = AF_INET6,
	                        .rtm_dst_len = (uint8_t)in->rtmsg_dst_len,
	                        .rtm_table = RT_TABLE_MAIN,
	                        .rtm_protocol = add ? RTPROT_BOOT : RTPROT_UNSPEC,
	                        .rtm_type = in->rtmsg_flags & RTF_REJECT ? RTN_UNREACHABLE : RTN_UNICAST,
	                        .rtm_scope = RT_SCOPE_UNIVERSE,
	                },
	        .dst = in->rtmsg_dst_len > 0 ? &in->rtmsg_dst : NULL,
	        .gw = in->rtmsg_flags & RTF_GATEWAY ? &in->rtmsg_gateway : NULL,
	        .oif = in->rtmsg_ifindex > 0 ? (uint32_t)in->rtmsg_ifindex : 0,
	        .priority = in->rtmsg_metric,
	};

	if (in->rtmsg_dst_len > 128 || in->rtmsg_src_len > 0)
		return -EINVAL;
	if (add && route.priority == 0)
		route.priority = METRIC_DEFAULT6;
	if (add && in->rtmsg_flags & EXPIRES6)
		route.expires = (uint32_t)(in->rtmsg_info / (unsigned long)sysconf(_SC_CLK_TCK)) + 1;
	return route_request(peer, add, &route);
}

static int addr6(const struct nlq__peer *peer, uint16_t type, const struct inet6_ifreq *ifr)
{
	if (ifr->prefixlen > 128)
		return -EINVAL;
	return nlq__ipaddr(peer, type, AF_INET6, &ifr->addr, (int)ifr->prefixlen, (unsigned int)ifr->ifindex);
}

int nlq__ioctl_inet6(const struct nlq__peer *peer, unsigned long request, void *arg)
{
	switch (request) {
	case SIOCADDRT:
	case SIOCDELRT:
		return arg == NULL ? -EFAULT : route6(peer, arg, request == SIOCADDRT);
	case SIOCSIFADDR:
	case SIOCDIFADDR:
		return arg == NULL ? -EFAULT : addr6(peer, request == SIOCSIFADDR ? RTM_NEWADDR : RTM_DELADDR, arg);
	default:
		return -ENOTTY;
	}
}
