/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nexthop.c - what a route must fulfil to be added: its type and scope, its interface, its gateway.
 *
 * The conditions, the order in which they are looked at, and the errors are those of Linux, since programs and people
 * know them. The important one is that a gateway can be reached without another gateway.
 */
#include "route.h"

#include <string.h>

/** struct type - what a type of routes means */
static const struct type {
	int error;     /* what a packet with such a route gets */
	uint8_t scope; /* IPv4: the widest scope of such a route */
} types[] = {
        [RTN_UNSPEC] = {0, RT_SCOPE_NOWHERE},
        [RTN_UNICAST] = {0, RT_SCOPE_UNIVERSE},
        [RTN_LOCAL] = {0, RT_SCOPE_HOST},
        [RTN_BROADCAST] = {0, RT_SCOPE_LINK},
        [RTN_ANYCAST] = {0, RT_SCOPE_LINK},
        [RTN_MULTICAST] = {0, RT_SCOPE_UNIVERSE},
        [RTN_BLACKHOLE] = {-EINVAL, RT_SCOPE_UNIVERSE},
        [RTN_UNREACHABLE] = {-EHOSTUNREACH, RT_SCOPE_UNIVERSE},
        [RTN_PROHIBIT] = {-EACCES, RT_SCOPE_UNIVERSE},
        [RTN_THROW] = {-EAGAIN, RT_SCOPE_UNIVERSE},
};

#define TYPES (sizeof(types) / sizeof(types[0]))

int inet__type_error(uint8_t type)
{
	return type < TYPES ? types[type].error : -EINVAL;
}

/** set_linkdown - a route over an interface without carrier is shown so */
static void set_linkdown(struct inet_route *route)
{
	route->flags &= ~(uint32_t)(RTNH_F_LINKDOWN | RTNH_F_DEAD);
	if (route->iface != NULL && !route->iface->carrier)
		route->flags |= RTNH_F_LINKDOWN;
}

/* ------------------------------------------------------------------------------------------------------------- IPv4 */

static int onlink4(struct inet *inet, struct inet_route *route)
{
	if (route->scope >= RT_SCOPE_LINK)
		return nlq_error(-EINVAL, NULL, "Nexthop has invalid scope");
	if (route->iface == NULL)
		return nlq_error(-ENODEV, NULL, "Nexthop device required for onlink");
	if (!(route->iface->flags & IFF_UP))
		return nlq_error(-ENETDOWN, NULL, "Nexthop device is not up");
	if (inet_addr_type(inet, AF_INET, &route->gateway, route->iface) != RTN_UNICAST)
		return nlq_error(-EINVAL, NULL, "Nexthop has invalid gateway");
	return 0;
}

/** gateway4 - is there a way to the gateway that needs no other gateway? It tells the interface */
static int gateway4(struct inet *inet, struct inet_route *route)
{
	struct inet__query query = {.family = AF_INET, .dst = &route->gateway};
	const struct inet_route *way = NULL;
	int error = 0;

	if (route->flags & RTNH_F_ONLINK)
		return onlink4(inet, route);
	query.oif = route->iface != NULL ? route->iface->index : 0;
	query.scope = route->scope + 1 < RT_SCOPE_LINK ? RT_SCOPE_LINK : (uint8_t)(route->scope + 1);
	if (route->table != RT_TABLE_MAIN) /* a table may be complete in itself */
		way = inet__lookup_table(inet, route->table, &query);
	if (way == NULL)
		way = inet__lookup4(inet, &query, &error);
	if (way == NULL)
		return nlq_error(error, NULL, "Nexthop has invalid gateway");
	if ((way->type != RTN_UNICAST && way->type != RTN_LOCAL) || way->iface == NULL)
		return nlq_error(-EINVAL, NULL, "Nexthop has invalid gateway");
	route->iface = way->iface;
	route->gateway_is_own = way->scope != RT_SCOPE_LINK;
	return route->iface->flags & IFF_UP ? 0 : -ENETDOWN;
}

/** nexthop4 - the interface, and how it is found */
static int nexthop4(struct inet *inet, struct inet_route *route)
{
	if (route->scope == RT_SCOPE_HOST) {
		if (route->has_gateway)
			return nlq_error(-EINVAL, NULL, "Route with host scope can not have a gateway");
		return route->iface != NULL ? 0 : -ENODEV;
	}
	if (route->has_gateway)
		return gateway4(inet, route);
	if (route->flags & RTNH_F_ONLINK)
		return nlq_error(-EINVAL, NULL, "Invalid flags for nexthop - PERVASIVE and ONLINK can not be set");
	if (route->iface == NULL)
		return -ENODEV;
	if (!(route->iface->flags & IFF_UP))
		return nlq_error(-ENETDOWN, NULL, "Device for nexthop is not up");
	return 0;
}

/** prefsrc4 - packets can only come from an address of ours */
static int prefsrc4(struct inet *inet, const struct inet_route *route)
{
	if (!route->has_prefsrc || (route->type == RTN_LOCAL && inet__ip_equal(AF_INET, &route->prefsrc, &route->dst)))
		return 0;
	if (inet_addr_type(inet, AF_INET, &route->prefsrc, NULL) != RTN_LOCAL)
		return nlq_error(-EINVAL, NULL, "Invalid prefsrc address");
	return 0;
}

static int check4(struct inet *inet, struct inet_route *route)
{
	int error;

	if (types[route->type].scope > route->scope)
		return nlq_error(-EINVAL, NULL, "Invalid scope");
	if (types[route->type].error != 0) {
		if (route->has_gateway || route->iface != NULL)
			return nlq_error(-EINVAL, NULL,
			                 "Gateway, device and multipath can not be specified for this route type");
		return prefsrc4(inet, route);
	}
	if (route->scope > RT_SCOPE_HOST)
		return nlq_error(-EINVAL, NULL, "Invalid scope");
	error = nexthop4(inet, route);
	if (error != 0)
		return error;
	if (route->scope != RT_SCOPE_HOST)
		set_linkdown(route);
	return prefsrc4(inet, route);
}

/* ------------------------------------------------------------------------------------------------------------- IPv6 */

/** ours6 - is it an address of the stack, even one that is still being checked? A link-local one: of the interface */
static bool ours6(struct inet *inet, const union inet_ip *ip, struct inet_iface *iface)
{
	struct inet_iface *each;

	if (iface != NULL && inet__ip_is_link_local(AF_INET6, ip))
		return inet__addr_find(iface, AF_INET6, ip, -1, NULL) != NULL;
	for (each = inet_iface_first(inet); each != NULL; each = each->next)
		if (inet__addr_find(each, AF_INET6, ip, -1, NULL) != NULL)
			return true;
	return false;
}

/** leads6 - is this route the way to a gateway? It needs no other gateway then */
static bool leads6(const struct inet_route *way)
{
	return way != NULL && !way->has_gateway && way->iface != NULL && inet__type_error(way->type) == 0;
}

/** reach6 - find the way to a gateway that is not link-local */
static int reach6(struct inet *inet, struct inet_route *route)
{
	struct inet__query query = {.family = AF_INET6, .dst = &route->gateway, .any_state = true};
	const struct inet_route *way;
	int error;

	query.oif = route->iface != NULL ? route->iface->index : 0;
	way = inet__lookup_table(inet, route->table, &query);
	if (!leads6(way))
		way = inet__lookup6(inet, &query, &error);
	if (!leads6(way))
		return -EHOSTUNREACH;
	route->iface = way->iface;
	return 0;
}

static int gateway6(struct inet *inet, struct inet_route *route)
{
	int error = 0;

	if (route->iface != NULL && ours6(inet, &route->gateway, route->iface))
		return nlq_error(-EINVAL, NULL, "Gateway can not be a local address");
	if (!inet__ip_is_link_local(AF_INET6, &route->gateway)) {
		if (inet__ip_is_group(AF_INET6, &route->gateway) || inet__ip_is_zero(AF_INET6, &route->gateway) ||
		    IN6_IS_ADDR_LOOPBACK(&route->gateway.v6))
			return nlq_error(-EINVAL, NULL, "Invalid gateway address");
		if (!(route->flags & RTNH_F_ONLINK))
			error = reach6(inet, route);
		if (error != 0)
			return error;
	}
	if (route->iface == NULL)
		return nlq_error(-EINVAL, NULL, "Egress device not specified");
	if (route->iface->flags & IFF_LOOPBACK)
		return nlq_error(-EINVAL, NULL, "Egress device can not be loopback device for this route");
	if (ours6(inet, &route->gateway, route->iface))
		return nlq_error(-EINVAL, NULL, "Gateway can not be a local address");
	return 0;
}

static int check6(struct inet *inet, struct inet_route *route)
{
	bool kernel = route->protocol == RTPROT_KERNEL; /* Linux lets its own routes precede the interface */
	int error;

	if (types[route->type].error != 0) {
		route->iface = inet->lo;
		route->has_gateway = false;
		return 0;
	}
	if ((route->flags & RTNH_F_ONLINK) && route->iface == NULL)
		return nlq_error(-ENODEV, NULL, "Nexthop device required for onlink");
	if ((route->flags & RTNH_F_ONLINK) && !(route->iface->flags & IFF_UP))
		return nlq_error(-ENETDOWN, NULL, "Nexthop device is not up");
	if (route->has_gateway) {
		error = gateway6(inet, route);
		if (error != 0)
			return error;
	}
	if (route->iface == NULL)
		return -ENODEV;
	if (!inet__iface_has6(route->iface))
		return nlq_error(-EACCES, NULL, "IPv6 is disabled on nexthop device");
	if (!kernel && !(route->iface->flags & IFF_UP))
		return nlq_error(-ENETDOWN, NULL, "Nexthop device is not up");
	set_linkdown(route);
	if (route->has_prefsrc && !ours6(inet, &route->prefsrc, NULL))
		return nlq_error(-EINVAL, NULL, "Invalid source address");
	return 0;
}

int inet__nexthop_check(struct inet *inet, struct inet_route *route)
{
	if (route->prefixlen > inet__bits(route->family))
		return nlq_error(-EINVAL, NULL, "Invalid prefix length");
	if (route->type == RTN_UNSPEC || route->type >= TYPES)
		return nlq_error(-EINVAL, NULL, "Invalid route type");
	if (route->has_gateway && inet__ip_is_zero(route->family, &route->gateway))
		route->has_gateway = false;
	route->gateway_is_own = false;
	return route->family == AF_INET ? check4(inet, route) : check6(inet, route);
}
