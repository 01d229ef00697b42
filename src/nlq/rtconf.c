/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rtconf.c - configuring addresses and routes, and links up and down, of any peer. Each function is one dialogue;
 * stateless.
 */
#include "private.h"

#include <net/if.h>

static int linksetupdown(const struct nlq__peer *peer, unsigned int ifindex, int updown)
{
	struct nlq_msg *msg = nlq_createmsg(RTM_NEWLINK, 0, 0, 0);

	nlq_addstruct(msg, ifinfomsg, .ifi_index = (int)ifindex, .ifi_flags = updown ? IFF_UP : 0,
	              .ifi_change = IFF_UP);
	return nlq__request(peer, msg);
}

/* --------------------------------------------------------------------------------------------------------- addresses
 */

/** add_broadcast - append the IPv4 broadcast address of a network: @addr with all host bits set */
static void add_broadcast(struct nlq_msg *msg, const void *addr, int prefixlen)
{
	unsigned char broadcast[4], mask[4];

	nlq_prefix2mask(AF_INET, mask, prefixlen);
	for (int i = 0; i < 4; i++)
		broadcast[i] = (unsigned char)(((const unsigned char *)addr)[i] | (unsigned char)~mask[i]);
	nlq_addattr(msg, IFA_BROADCAST, broadcast, sizeof(broadcast));
}

int nlq__ipaddr(const struct nlq__peer *peer, uint16_t type, int family, const void *addr, int prefixdata,
                unsigned int ifindex)
{
	bool loopback = family == AF_INET && addr != NULL && *(const unsigned char *)addr == 127;
	unsigned int addrlen = nlq_family2addrlen(family), prefixlen = (unsigned int)prefixdata & 0xff;
	uint8_t scope = (uint8_t)(prefixdata >> 16 & 0xff);
	uint16_t flags = type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0;
	struct nlq_msg *msg;

	if (addrlen == 0)
		return -EAFNOSUPPORT;
	if (addr == NULL || prefixdata < 0 || prefixlen > addrlen * 8)
		return -EINVAL;
	if (loopback && scope == RT_SCOPE_UNIVERSE)
		scope = RT_SCOPE_HOST;
	msg = nlq_createmsg(type, flags, 0, 0);
	nlq_addstruct(msg, ifaddrmsg, .ifa_family = (uint8_t)family, .ifa_prefixlen = (uint8_t)prefixlen,
	              .ifa_flags = (uint8_t)(prefixdata >> 8 & 0xff), .ifa_scope = scope, .ifa_index = ifindex);
	nlq_addattr(msg, IFA_LOCAL, addr, addrlen);
	nlq_addattr(msg, IFA_ADDRESS, addr, addrlen);
	if (type == RTM_NEWADDR && family == AF_INET && !loopback && prefixlen <= 30)
		add_broadcast(msg, addr, (int)prefixlen);
	return nlq__request(peer, msg);
}

/* ------------------------------------------------------------------------------------------------------------ routes
 */

int nlq__route_request(const struct nlq__peer *peer, uint16_t type, uint16_t flags, const struct nlq__route *route)
{
	struct nlq_msg *msg = nlq_createmsg(type, flags, 0, 0), *metrics;
	const struct {
		uint16_t type;
		uint32_t value;
	} metric[] = {{RTAX_ADVMSS, route->advmss}, {RTAX_WINDOW, route->window}, {RTAX_RTT, route->rtt}};
	size_t addrlen = nlq_family2addrlen(route->header.rtm_family);

	nlq_add(msg, &route->header, sizeof(route->header));
	if (route->dst != NULL)
		nlq_addattr(msg, RTA_DST, route->dst, addrlen);
	if (route->gw != NULL)
		nlq_addattr(msg, RTA_GATEWAY, route->gw, addrlen);
	if (route->prefsrc != NULL)
		nlq_addattr(msg, RTA_PREFSRC, route->prefsrc, addrlen);
	if (route->expires != 0)
		nlq_addattr(msg, RTA_EXPIRES, &route->expires, sizeof(route->expires));
	if (route->oif != 0)
		nlq_addattr(msg, RTA_OIF, &route->oif, sizeof(route->oif));
	if (route->priority != 0)
		nlq_addattr(msg, RTA_PRIORITY, &route->priority, sizeof(route->priority));
	metrics = nlq_createxattr();
	for (size_t i = 0; i < sizeof(metric) / sizeof(metric[0]); i++) {
		if (metric[i].value != 0)
			nlq_addattr(metrics, metric[i].type, &metric[i].value, sizeof(metric[i].value));
	}
	if (metrics != NULL && metrics->nlq_size == 0)
		nlq_freemsg(metrics);
	else
		nlq_addxattr(msg, RTA_METRICS, metrics);
	return nlq__request(peer, msg);
}

/** iproute - RTM_NEWROUTE, RTM_DELROUTE */
static int iproute(const struct nlq__peer *peer, uint16_t type, int family, const void *dst, int prefixdata,
                   const void *gw, unsigned int ifindex)
{
	bool add = type == RTM_NEWROUTE;
	struct nlq__route route = {
	        .header =
	                {
	                        .rtm_family = (uint8_t)family,
	                        .rtm_dst_len = (uint8_t)(dst == NULL ? 0 : prefixdata & 0xff),
	                        .rtm_table = RT_TABLE_MAIN,
	                        .rtm_protocol = add ? RTPROT_BOOT : RTPROT_UNSPEC,
	                        .rtm_type = (uint8_t)(prefixdata >> 8 & 0xff),
	                        .rtm_scope = (uint8_t)(prefixdata >> 16 & 0xff),
	                },
	        .dst = dst,
	        .gw = gw,
	        .oif = ifindex,
	};
	struct rtmsg *header = &route.header;

	if (nlq_family2addrlen(family) == 0)
		return -EAFNOSUPPORT;
	if (prefixdata < 0 || header->rtm_dst_len > nlq_family2addrlen(family) * 8)
		return -EINVAL;
	if (header->rtm_type == RTN_UNSPEC && header->rtm_scope == RT_SCOPE_UNIVERSE) {
		if (!add)
			header->rtm_scope = RT_SCOPE_NOWHERE; /* stands for any */
		else if (gw == NULL)
			header->rtm_scope = RT_SCOPE_LINK;
	}
	if (header->rtm_type == RTN_UNSPEC && add)
		header->rtm_type = RTN_UNICAST;
	return nlq__route_request(peer, type, add ? NLM_F_CREATE | NLM_F_EXCL : 0, &route);
}

/* ------------------------------------------------------------------------------------------------- public functions */

int nlq_linksetupdown(unsigned int ifindex, int updown)
{
	struct nlq__peer peer = nlq__native();

	return nlq_return_errno(linksetupdown(&peer, ifindex, updown));
}

int nlqx_linksetupdown(struct ioth *stack, unsigned int ifindex, int updown)
{
	struct nlq__peer peer = nlq__ioth(stack);

	return nlq_return_errno(linksetupdown(&peer, ifindex, updown));
}

int nlq_ipaddr_add(int family, const void *addr, int prefixlen, unsigned int ifindex)
{
	struct nlq__peer peer = nlq__native();

	return nlq_return_errno(nlq__ipaddr(&peer, RTM_NEWADDR, family, addr, prefixlen, ifindex));
}

int nlqx_ipaddr_add(struct ioth *stack, int family, const void *addr, int prefixlen, unsigned int ifindex)
{
	struct nlq__peer peer = nlq__ioth(stack);

	return nlq_return_errno(nlq__ipaddr(&peer, RTM_NEWADDR, family, addr, prefixlen, ifindex));
}

int nlq_ipaddr_del(int family, const void *addr, int prefixlen, unsigned int ifindex)
{
	struct nlq__peer peer = nlq__native();

	return nlq_return_errno(nlq__ipaddr(&peer, RTM_DELADDR, family, addr, prefixlen, ifindex));
}

int nlqx_ipaddr_del(struct ioth *stack, int family, const void *addr, int prefixlen, unsigned int ifindex)
{
	struct nlq__peer peer = nlq__ioth(stack);

	return nlq_return_errno(nlq__ipaddr(&peer, RTM_DELADDR, family, addr, prefixlen, ifindex));
}

int nlq_iproute_add(int family, const void *dst, int dst_prefixlen, const void *gw, unsigned int ifindex)
{
	struct nlq__peer peer = nlq__native();

	return nlq_return_errno(iproute(&peer, RTM_NEWROUTE, family, dst, dst_prefixlen, gw, ifindex));
}

int nlqx_iproute_add(struct ioth *stack, int family, const void *dst, int dst_prefixlen, const void *gw,
                     unsigned int ifindex)
{
	struct nlq__peer peer = nlq__ioth(stack);

	return nlq_return_errno(iproute(&peer, RTM_NEWROUTE, family, dst, dst_prefixlen, gw, ifindex));
}

int nlq_iproute_del(int family, const void *dst, int dst_prefixlen, const void *gw, unsigned int ifindex)
{
	struct nlq__peer peer = nlq__native();

	return nlq_return_errno(iproute(&peer, RTM_DELROUTE, family, dst, dst_prefixlen, gw, ifindex));
}

int nlqx_iproute_del(struct ioth *stack, int family, const void *dst, int dst_prefixlen, const void *gw,
                     unsigned int ifindex)
{
	struct nlq__peer peer = nlq__ioth(stack);

	return nlq_return_errno(iproute(&peer, RTM_DELROUTE, family, dst, dst_prefixlen, gw, ifindex));
}
