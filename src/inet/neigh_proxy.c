/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * neigh_proxy.c - addresses of others that we answer for on an interface: `ip neigh add proxy`.
 *
 * Entries without a state, made by hand only, in a list of each interface; they go when it goes down. Answers are given
 * as on Linux: for IPv4 by a router that would send to the address through another interface. For IPv6 they are kept
 * and shown, and nothing else (proxy_ndp is 0).
 */
#include "neigh.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>

#define PROXIES_MAX 1024 /* of an interface */

static struct inet_neigh **find(struct inet_iface *iface, int family, const union inet_ip *ip)
{
	struct inet_neigh **at = &iface->private->nd->proxies;

	while (*at && ((*at)->family != family || !inet__ip_equal(family, &(*at)->ip, ip)))
		at = &(*at)->next;
	return at;
}

int inet__neigh_proxy_set(struct inet_iface *iface, int family, const union inet_ip *ip, uint8_t flags,
                          uint8_t protocol, unsigned int nlm_flags)
{
	struct inet_neigh **at = find(iface, family, ip), *proxy = *at;
	unsigned int count = 0;

	if (!proxy) {
		if (!(nlm_flags & NLM_F_CREATE))
			return -ENOENT;
		for (const struct inet_neigh *other = iface->private->nd->proxies; other; other = other->next)
			count++;
		proxy = count < PROXIES_MAX ? calloc(1, sizeof(*proxy)) : NULL;
		if (!proxy)
			return -ENOBUFS;
		proxy->iface = iface;
		proxy->family = family;
		memcpy(&proxy->ip, ip, inet__addr_len(family));
		proxy->type = RTN_UNICAST;
		*at = proxy;
	}
	proxy->flags = flags;
	if (protocol != RTPROT_UNSPEC)
		proxy->protocol = protocol;
	return 0;
}

int inet__neigh_proxy_delete(struct inet_iface *iface, int family, const union inet_ip *ip)
{
	struct inet_neigh **at = find(iface, family, ip), *proxy = *at;

	if (!proxy)
		return -ENOENT;
	*at = proxy->next;
	free(proxy);
	return 0;
}

void inet__neigh_proxy_flush(struct inet_iface *iface, int family)
{
	struct inet_neigh **at = &iface->private->nd->proxies;

	while (*at) {
		struct inet_neigh *proxy = *at;

		if (family != 0 && proxy->family != family) {
			at = &proxy->next;
			continue;
		}
		*at = proxy->next;
		free(proxy);
	}
}

bool inet__neigh_proxy_answers(struct inet_iface *iface, const union inet_ip *target)
{
	struct inet_flow flow = {.family = AF_INET, .dst = *target};

	return iface->inet->forwarding && *find(iface, AF_INET, target) && inet_route(iface->inet, &flow) == 0 &&
	       flow.type == RTN_UNICAST && flow.iface != iface;
}
