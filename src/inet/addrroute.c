/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * addrroute.c - the routes that addresses bring.
 *
 * An address wishes for some routes: to itself, to its network, to the broadcast addresses. When it is deleted, those
 * of them go that no other address of its interface wishes for. That somebody may have deleted or replaced them
 * meanwhile does no harm: then there is nothing to delete.
 */
#include "addr.h"

#include <string.h>

#define IPV6_METRIC_PREFIX 256

/** struct wishes - the routes of one address */
struct wishes {
	struct inet_route route[5];
	unsigned int count;
};

/** wish - add a route of the stack's own to the list, through the interface of @addr */
static struct inet_route *wish(struct wishes *wishes, const struct inet_addr *addr, uint8_t type,
                               const union inet_ip *dst, unsigned int len)
{
	struct inet_route *route = &wishes->route[wishes->count++];

	inet__route_init(route, addr->family);
	route->protocol = RTPROT_KERNEL;
	route->type = type;
	route->table = type == RTN_UNICAST ? RT_TABLE_MAIN : RT_TABLE_LOCAL;
	route->dst = *dst;
	inet__ip_mask(addr->family, &route->dst, len);
	route->prefixlen = (uint8_t)len;
	route->iface = addr->iface;
	return route;
}

/** primary_of - the address that routes of @addr give as their source: itself, or the first one of its network */
static const struct inet_addr *primary_of(const struct inet_addr *addr)
{
	const struct inet_addr *other;

	if (!(addr->flags & IFA_F_SECONDARY))
		return addr;
	for (other = addr->iface->addrs; other != NULL && other->family == AF_INET; other = other->next)
		if (!(other->flags & IFA_F_SECONDARY) && other->prefixlen == addr->prefixlen &&
		    inet__ip_match(AF_INET, &other->peer, &addr->peer, addr->prefixlen))
			return other;
	return addr;
}

static struct inet_route *wish4(struct wishes *wishes, const struct inet_addr *addr, uint8_t type,
                                const union inet_ip *dst, unsigned int len)
{
	struct inet_route *route = wish(wishes, addr, type, dst, len);

	route->scope = type == RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK;
	route->prefsrc = primary_of(addr)->local;
	route->has_prefsrc = true;
	return route;
}

static void wishes4(struct wishes *wishes, const struct inet_addr *addr)
{
	union inet_ip network = addr->peer, last;
	bool secondary = addr->flags & IFA_F_SECONDARY;

	wish4(wishes, addr, RTN_LOCAL, &addr->local, 32);
	if (!(addr->iface->flags & IFF_UP))
		return;
	if (addr->has_broadcast && addr->broadcast.v4.s_addr != 0 &&
	    addr->broadcast.v4.s_addr != htonl(INADDR_BROADCAST))
		wish4(wishes, addr, RTN_BROADCAST, &addr->broadcast, 32);
	inet__ip_mask(AF_INET, &network, addr->prefixlen);
	if (network.v4.s_addr == 0 || secondary ||
	    (addr->prefixlen == 32 && inet__ip_equal(AF_INET, &network, &addr->local)))
		return;
	if (!(addr->flags & IFA_F_NOPREFIXROUTE))
		wish4(wishes, addr, addr->iface->flags & IFF_LOOPBACK ? RTN_LOCAL : RTN_UNICAST, &network,
		      addr->prefixlen)
		        ->metric = addr->metric;
	if (addr->prefixlen < 31) {
		last = network;
		last.v4.s_addr |= htonl(UINT32_MAX >> addr->prefixlen);
		wish4(wishes, addr, RTN_BROADCAST, &last, 32);
	}
}

static void wishes6(struct wishes *wishes, const struct inet_addr *addr)
{
	union inet_ip routers = addr->local; /* the anycast address of the routers of the network */
	struct inet_route *route;

	inet__ip_mask(AF_INET6, &routers, addr->prefixlen);
	if (inet__addr_usable(addr)) {
		wish(wishes, addr, RTN_LOCAL, &addr->local, 128);
		if (addr->iface->inet->forwarding && addr->prefixlen < 127 && !(addr->iface->flags & IFF_LOOPBACK))
			wish(wishes, addr, RTN_ANYCAST, &routers, 128);
	}
	/* What routers say of prefixes is discovery's business. */
	if ((addr->flags & IFA_F_NOPREFIXROUTE) || addr->proto == IFAPROT_KERNEL_RA ||
	    addr->proto == IFAPROT_KERNEL_LO || !(addr->iface->flags & IFF_UP))
		return;
	route = wish(wishes, addr, RTN_UNICAST, &addr->local, addr->prefixlen);
	route->metric = addr->metric != 0 ? addr->metric : IPV6_METRIC_PREFIX;
	route->expires = addr->valid_until;
	if (!inet__ip_equal(AF_INET6, &addr->local, &addr->peer))
		wish(wishes, addr, RTN_UNICAST, &addr->peer, 128)->metric = route->metric;
}

static void wishes_of(struct wishes *wishes, const struct inet_addr *addr)
{
	wishes->count = 0;
	if (addr->family == AF_INET)
		wishes4(wishes, addr);
	else
		wishes6(wishes, addr);
}

static bool same(const struct inet_route *a, const struct inet_route *b)
{
	return a->type == b->type && a->prefixlen == b->prefixlen && a->metric == b->metric && a->table == b->table &&
	       inet__ip_equal(a->family, &a->dst, &b->dst) &&
	       (!a->has_prefsrc || inet__ip_equal(a->family, &a->prefsrc, &b->prefsrc));
}

/** wishes_for - is a route one of these? */
static bool wishes_for(const struct wishes *wishes, const struct inet_route *route)
{
	for (unsigned int i = 0; i < wishes->count; i++)
		if (same(&wishes->route[i], route))
			return true;
	return false;
}

/** spares - Linux leaves the IPv6 prefix routes of a deleted address, whatever their metric, where another permanent address has the
 * same prefix, or one that was given without a route: it may be a user's, meant for that */
static bool spares(const struct inet_addr *addr, const struct inet_route *route)
{
	return addr->family == AF_INET6 && (addr->flags & (IFA_F_PERMANENT | IFA_F_NOPREFIXROUTE)) &&
	       route->table == RT_TABLE_MAIN && addr->prefixlen == route->prefixlen &&
	       inet__ip_match(AF_INET6, &addr->local, &route->dst, addr->prefixlen);
}

/** wished_elsewhere - does another address of the interface bring this route, too? */
static bool wished_elsewhere(const struct inet_addr *addr, const struct inet_route *route)
{
	struct wishes wishes;

	for (const struct inet_addr *other = addr->iface->addrs; other != NULL; other = other->next) {
		if (other == addr || other->family != addr->family)
			continue;
		wishes_of(&wishes, other);
		if (wishes_for(&wishes, route) || spares(other, route))
			return true;
	}
	return false;
}

void inet__addr_routes_add(struct inet_addr *addr)
{
	struct wishes wishes;

	/* One that is there already, or for which there is no memory, is worth what Linux makes of it: nothing. */
	wishes_of(&wishes, addr);
	for (unsigned int i = 0; i < wishes.count; i++)
		(void)inet__route_add(addr->iface->inet, &wishes.route[i], NLM_F_CREATE | NLM_F_APPEND);
}

void inet__addr_routes_network(struct inet_addr *addr)
{
	struct wishes wishes;

	wishes_of(&wishes, addr);
	for (unsigned int i = 0; i < wishes.count; i++)
		if (wishes.route[i].table == RT_TABLE_MAIN)
			(void)inet__route_add(addr->iface->inet, &wishes.route[i], NLM_F_CREATE | NLM_F_APPEND);
}

/** delete_in - delete those in table main, or those in table local */
static void delete_in(struct inet_addr *addr, const struct wishes *wishes, uint32_t table)
{
	for (unsigned int i = wishes->count; i-- > 0;)
		if (wishes->route[i].table == table && !wished_elsewhere(addr, &wishes->route[i]))
			(void)inet__route_delete(addr->iface->inet, &wishes->route[i]);
}

void inet__addr_routes_delete(struct inet_addr *addr)
{
	struct wishes wishes;

	/* In the order in which Linux tells of it. */
	wishes_of(&wishes, addr);
	delete_in(addr, &wishes, addr->family == AF_INET ? RT_TABLE_MAIN : RT_TABLE_LOCAL);
	delete_in(addr, &wishes, addr->family == AF_INET ? RT_TABLE_LOCAL : RT_TABLE_MAIN);
}

/** moved - is a route among these with another metric? Then Linux deletes the old one, whoever else may want it */
static bool moved(const struct wishes *wishes, const struct inet_route *route)
{
	for (unsigned int i = 0; i < wishes->count; i++) {
		struct inet_route other = wishes->route[i];

		other.metric = route->metric;
		if (wishes->route[i].metric != route->metric && same(&other, route))
			return true;
	}
	return false;
}

void inet__addr_routes_update(struct inet_addr *addr, const struct inet_addr *before)
{
	struct wishes old, new;

	wishes_of(&old, before);
	wishes_of(&new, addr);
	inet__addr_routes_add(addr);
	for (unsigned int i = 0; i < old.count; i++) {
		const struct inet_route *route = &old.route[i];

		if (!wishes_for(&new, route) && (moved(&new, route) || !wished_elsewhere(addr, route)))
			(void)inet__route_delete(addr->iface->inet, route);
	}
}
