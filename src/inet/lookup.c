/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lookup.c - which route a packet takes, and what follows from it.
 *
 * A lookup goes from the longest prefix that the destination is in to the shorter ones, and in each takes the first
 * route that may be used. On top of that, inet_route decides what Linux decides when a socket sends: what is for
 * ourselves goes to lo; broadcasts and groups need no route when their interface is known; a destination without a
 * route is on the link when the socket is bound to an interface (IPv4); the source address is the route's, or the best
 * one of the interface.
 *
 * Answers are remembered for a while (path.c), so that a packet of a flow costs one comparison.
 */
#include "route.h"

#include <linux/icmpv6.h>
#include <string.h>

/* ----------------------------------------------------------------------------------------------------------- tables */

static bool fits(const struct inet_route *route, const struct inet__query *query)
{
	if (route->flags & RTNH_F_DEAD)
		return false;
	return query->oif == 0 || (route->iface != NULL && route->iface->index == query->oif);
}

/** choose_default - of several default routes, one whose router answers, as far as that is known */
static const struct inet_route *choose_default(const struct inet_route *first, const struct inet__query *query)
{
	for (const struct inet_route *route = first; route != NULL; route = route->next) {
		if (route->table != first->table || route->tos != first->tos || route->metric != first->metric ||
		    route->type != RTN_UNICAST)
			break;
		if (fits(route, query) &&
		    (!route->has_gateway || inet__neigh_reachable(route->iface, AF_INET, &route->gateway) >= 0))
			return route;
	}
	return first;
}

/** walk4 - the best route of a tree; *@error 0 and NULL: there is none */
static const struct inet_route *walk4(const struct inet__trie *trie, const struct inet__query *query, int *error)
{
	*error = 0;
	for (const struct inet__route_node *node = inet__trie_longest(trie, query->dst); node != NULL;
	     node = node->parent)
		for (const struct inet_route *route = node->routes; route != NULL; route = route->next) {
			if ((route->tos != 0 && route->tos != query->tos) || route->scope < query->scope)
				continue;
			*error = inet__type_error(route->type);
			if (*error != 0)
				return NULL;
			if (!fits(route, query))
				continue;
			if (node->len == 0 && route->next != NULL && route->has_gateway)
				return choose_default(route, query);
			return route;
		}
	return NULL;
}

const struct inet_route *inet__lookup4(struct inet *inet, const struct inet__query *query, int *error)
{
	const struct inet_route *route = walk4(&inet->routes->v4, query, error);
	const struct inet__trie *last;

	if (route == NULL && (*error == 0 || *error == -EAGAIN)) {
		last = inet__table_trie(inet, AF_INET, RT_TABLE_DEFAULT);
		if (last != NULL)
			route = walk4(last, query, error);
	}
	if (route == NULL && (*error == 0 || *error == -EAGAIN))
		*error = -ENETUNREACH;
	return route;
}

/** score6 - how good a route is among those of equal metric; -1: its router does not answer */
static int score6(const struct inet_route *route, const struct inet__query *query)
{
	static const int preference[] = {[ICMPV6_ROUTER_PREF_MEDIUM] = 1,
	                                 [ICMPV6_ROUTER_PREF_HIGH] = 2,
	                                 [ICMPV6_ROUTER_PREF_INVALID] = 1,
	                                 [ICMPV6_ROUTER_PREF_LOW] = 0};

	if (!query->any_state && route->has_gateway &&
	    inet__neigh_reachable(route->iface, AF_INET6, &route->gateway) < 0)
		return -1;
	return preference[route->pref & 3];
}

/** best6 - the best route of a prefix, or NULL; @passed_over: set when there was one whose router does not answer */
static const struct inet_route *best6(const struct inet__route_node *node, const struct inet__query *query,
                                      bool *passed_over)
{
	const struct inet_route *best = NULL;
	int highest = -1;

	for (const struct inet_route *route = node->routes; route != NULL; route = route->next) {
		int score;

		if (best != NULL && route->metric != best->metric)
			break;
		if (inet__type_error(route->type) == 0 && !fits(route, query))
			continue;
		score = score6(route, query);
		*passed_over |= score < 0;
		if (score > highest) {
			highest = score;
			best = route;
		}
	}
	return best;
}

static const struct inet_route *walk6(const struct inet__trie *trie, const struct inet__query *query, bool *passed_over)
{
	const struct inet_route *route = NULL;
	const struct inet__route_node *node = inet__trie_longest(trie, query->dst);

	for (; node != NULL && route == NULL; node = node->parent)
		route = best6(node, query, passed_over);
	return route;
}

/** table6 - the route of one table; NULL, and *@error 0 or -EAGAIN: look elsewhere */
static const struct inet_route *table6(const struct inet__trie *trie, const struct inet__query *given, int *error)
{
	struct inet__query query = *given;
	bool passed_over = false;
	const struct inet_route *route = walk6(trie, &query, &passed_over);

	if (route == NULL && passed_over) { /* better a router that does not answer than none */
		query.any_state = true;
		route = walk6(trie, &query, &passed_over);
	}
	*error = route != NULL ? inet__type_error(route->type) : 0;
	if (*error == 0)
		return route;
	if (query.refusing != NULL && *error != -EAGAIN)
		*query.refusing = route;
	return NULL;
}

const struct inet_route *inet__lookup6(struct inet *inet, const struct inet__query *query, int *error)
{
	const struct inet_route *route = table6(&inet->routes->local6, query, error);

	if (route == NULL && (*error == 0 || *error == -EAGAIN))
		route = table6(&inet->routes->main6, query, error);
	if (route == NULL && (*error == 0 || *error == -EAGAIN))
		*error = -ENETUNREACH;
	return route;
}

const struct inet_route *inet__lookup_table(struct inet *inet, uint32_t table, const struct inet__query *query)
{
	const struct inet__trie *trie = inet__table_trie(inet, query->family, table);
	int error;

	if (trie == NULL)
		return NULL;
	return query->family == AF_INET ? walk4(trie, query, &error) : table6(trie, query, &error);
}

/* ------------------------------------------------------------------------------------------------------------ flows */

/** struct answer - what inet_route has found, before it is written into the flow */
struct answer {
	const struct inet_route *route; /* NULL: none was needed */
	struct inet_iface *iface;
	uint8_t type;
	uint8_t scope; /* of the source address */
	bool use_gateway;
	const struct inet_route *refusing; /* IPv6: the route that says no */
};

static bool is_limited_broadcast(const struct inet_flow *flow)
{
	return flow->dst.v4.s_addr == htonl(INADDR_BROADCAST);
}

static bool is_local_group(const struct inet_flow *flow)
{
	return (ntohl(flow->dst.v4.s_addr) & 0xffffff00) == 0xe0000000;
}

/** direct4 - broadcasts and groups whose interface is known without a table: 1 answered, 0 not, or an error */
static int direct4(struct inet *inet, struct inet_flow *flow, struct answer *answer)
{
	bool group = inet__ip_is_group(AF_INET, &flow->dst), broadcast = is_limited_broadcast(flow);
	struct inet_addr *own;

	if (flow->src.v4.s_addr != 0 && flow->oif == 0 && (group || broadcast)) {
		own = inet_local(inet, AF_INET, &flow->src, NULL);
		if (own == NULL)
			return -ENETUNREACH;
		answer->iface = own->iface;
		return 1;
	}
	if (flow->oif == 0)
		return 0;
	answer->iface = inet_iface_by_index(inet, flow->oif);
	if (answer->iface == NULL)
		return -ENODEV;
	if (!(answer->iface->flags & IFF_UP))
		return -ENETUNREACH;
	answer->scope = RT_SCOPE_LINK;
	return is_local_group(flow) || broadcast ? 1 : 0;
}

/** table4 - by the tables; for an interface that the socket is bound to everything else is on its link */
static int table4(struct inet *inet, struct inet_flow *flow, struct answer *answer)
{
	struct inet__query query = {.family = AF_INET, .dst = &flow->dst, .oif = flow->oif};
	int error;

	answer->route = inet__lookup4(inet, &query, &error);
	if (answer->route == NULL) {
		if (flow->oif == 0)
			return error;
		answer->type = RTN_UNICAST;
		return 0;
	}
	answer->type = answer->route->type;
	answer->scope = answer->route->scope;
	answer->iface = answer->route->iface;
	answer->use_gateway = answer->route->has_gateway && !answer->route->gateway_is_own;
	return 0;
}

/** finish4 - types that follow from the address, the source, what may not leave the host */
static int finish4(struct inet *inet, struct inet_flow *flow, struct answer *answer)
{
	const struct inet_route *route = answer->route;

	if (answer->type == RTN_LOCAL) {
		if (flow->source.v4.s_addr == 0)
			flow->source = route->has_prefsrc ? route->prefsrc : flow->dst;
		answer->iface = inet->lo;
	} else if (flow->source.v4.s_addr == 0) {
		if (route != NULL && route->has_prefsrc)
			flow->source = route->prefsrc;
		else
			inet__source(inet, AF_INET, answer->iface,
			             route != NULL && route->has_gateway ? &route->gateway : NULL, answer->scope,
			             &flow->source);
	}
	if (is_limited_broadcast(flow))
		answer->type = RTN_BROADCAST;
	else if (inet__ip_is_group(AF_INET, &flow->dst))
		answer->type = RTN_MULTICAST;
	if (answer->type != RTN_UNICAST)
		answer->use_gateway = false;
	if (ntohl(flow->source.v4.s_addr) >> 24 == IN_LOOPBACKNET && !(answer->iface->flags & IFF_LOOPBACK))
		return -EINVAL;
	return 0;
}

static int route4(struct inet *inet, struct inet_flow *flow, struct answer *answer)
{
	int error;

	if (flow->dst.v4.s_addr == 0) { /* this host */
		if (flow->source.v4.s_addr == 0)
			flow->source.v4.s_addr = htonl(INADDR_LOOPBACK);
		flow->dst = flow->source;
		answer->iface = inet->lo;
		answer->type = RTN_LOCAL;
		return 0;
	}
	error = direct4(inet, flow, answer);
	if (error == 0)
		error = table4(inet, flow, answer);
	if (error < 0)
		return error;
	return finish4(inet, flow, answer);
}

static int route6(struct inet *inet, struct inet_flow *flow, struct answer *answer)
{
	struct inet__query query = {
	        .family = AF_INET6, .dst = &flow->dst, .oif = flow->oif, .refusing = &answer->refusing};
	const struct inet_route *route;
	int error;

	route = inet__lookup6(inet, &query, &error);
	if (route == NULL)
		return flow->oif != 0 && inet_iface_by_index(inet, flow->oif) == NULL ? -ENODEV : error;
	answer->route = route;
	answer->iface = route->iface;
	answer->use_gateway = route->has_gateway;
	answer->type = RTN_UNICAST;
	if (inet__ip_is_group(AF_INET6, &flow->dst))
		answer->type = RTN_MULTICAST;
	else if (route->type == RTN_LOCAL || route->type == RTN_ANYCAST)
		answer->type = RTN_LOCAL;
	if (IN6_IS_ADDR_UNSPECIFIED(&flow->source.v6)) {
		if (route->has_prefsrc)
			flow->source = route->prefsrc;
		else if (!inet__source(inet, AF_INET6, route->iface, &flow->dst, 0, &flow->source))
			return -EADDRNOTAVAIL;
	}
	if (answer->type == RTN_LOCAL)
		answer->iface = inet->lo;
	return 0;
}

/** path_values - MTU and hop limit: of the route, of the interface, of what routers have said */
static int64_t path_values(struct inet *inet, struct inet_flow *flow, const struct answer *answer)
{
	const struct inet_route *route = answer->route;
	const struct inet__path *path = NULL;
	unsigned int mtu = inet__iface_mtu(answer->iface, flow->family);

	flow->hop_limit = flow->family == AF_INET6 ? answer->iface->hop_limit : 64;
	if (route != NULL && route->hoplimit != 0)
		flow->hop_limit = route->hoplimit;
	if (answer->type == RTN_MULTICAST)
		flow->hop_limit = 1;
	if (route != NULL && route->mtu != 0 && route->mtu < mtu)
		mtu = route->mtu;
	if (answer->type == RTN_UNICAST)
		path = inet__path_find(inet, flow->family, &flow->dst, answer->iface->index);
	if (path != NULL) {
		if (path->mtu != 0 && path->mtu < mtu && !(route != NULL && route->locked & (1U << RTAX_MTU)))
			mtu = path->mtu;
		if (path->has_gateway)
			flow->nexthop = path->gateway;
	}
	flow->mtu = mtu;
	return path != NULL ? path->until : INET_NEVER;
}

/** resolve - inet_route without what is remembered; @until: as long as the answer is true if no table changes */
static int resolve(struct inet *inet, struct inet_flow *flow, struct answer *answer, int64_t *until)
{
	int error;

	memset(answer, 0, sizeof(*answer));
	answer->type = RTN_UNICAST;
	answer->scope = RT_SCOPE_UNIVERSE;
	flow->source = flow->src;
	error = flow->family == AF_INET ? route4(inet, flow, answer) : route6(inet, flow, answer);
	if (error != 0)
		return error;
	flow->iface = answer->iface;
	flow->type = answer->type;
	flow->nexthop = answer->use_gateway ? answer->route->gateway : flow->dst;
	*until = path_values(inet, flow, answer);
	if (answer->route != NULL && answer->route->expires < *until)
		*until = answer->route->expires;
	return 0;
}

int inet_route(struct inet *inet, struct inet_flow *flow)
{
	struct inet_flow question;
	struct answer answer;
	int64_t until;
	int error;

	if (inet__path_cached(inet, flow))
		return 0;
	question = *flow;
	error = resolve(inet, flow, &answer, &until);
	if (error == 0)
		inet__path_remember(inet, &question, flow, until);
	return error;
}

/** clone - make of the route that was found what it is for one destination */
static void clone(struct inet *inet, const struct inet_flow *flow, struct inet_route *out)
{
	const struct inet__path *path = inet__path_find(inet, flow->family, &flow->dst, flow->iface->index);

	out->next = NULL;
	out->node = NULL;
	if (out->table == RT_TABLE_LOCAL && flow->family == AF_INET)
		out->table = RT_TABLE_MAIN; /* of Linux's one tree for both it is main that is asked */
	out->dst = flow->dst;
	out->prefixlen = (uint8_t)inet__bits(flow->family);
	out->type = flow->type;
	out->prefsrc = flow->source;
	/* IPv6 shows the source that would be chosen, whatever was asked. */
	if (flow->family == AF_INET6 && !inet__ip_is_zero(AF_INET6, &flow->src))
		inet__source(inet, AF_INET6, out->iface, &flow->dst, 0, &out->prefsrc);
	out->has_prefsrc = !inet__ip_is_zero(flow->family, &out->prefsrc);
	out->iface = flow->iface;
	out->gateway = flow->nexthop;
	out->has_gateway = !inet__ip_equal(flow->family, &flow->nexthop, &flow->dst);
	out->expires = path != NULL ? path->until : INET_NEVER;
	if (path != NULL)
		out->mtu = flow->mtu;
	out->flags |= RTM_F_CLONED;
}

int inet__route_get(struct inet *inet, struct inet_flow *flow, bool fibmatch, struct inet_route *out)
{
	struct answer answer;
	int64_t until;
	int error = resolve(inet, flow, &answer, &until);

	inet__route_init(out, flow->family);
	out->table = RT_TABLE_UNSPEC;
	out->iface = answer.iface;
	if (error != 0 && answer.refusing != NULL)
		*out = *answer.refusing;
	if (error != 0)
		return error;
	if (answer.route != NULL)
		*out = *answer.route;
	if (fibmatch)
		return answer.route != NULL ? 0 : -ENETUNREACH;
	clone(inet, flow, out);
	return 0;
}

int inet_addr_type(struct inet *inet, int family, const union inet_ip *addr, const struct inet_iface *iface)
{
	struct inet__query query = {
	        .family = family, .dst = addr, .oif = iface != NULL ? iface->index : 0, .any_state = true};
	const struct inet_route *route;
	int error;

	if (inet__ip_is_group(family, addr))
		return RTN_MULTICAST;
	if (family == AF_INET6)
		return inet_local(inet, family, addr, iface) != NULL ? RTN_LOCAL : RTN_UNICAST;
	if (addr->v4.s_addr == 0 || addr->v4.s_addr == htonl(INADDR_BROADCAST))
		return RTN_BROADCAST;
	/* Only table local says what an address is to us; the routes of main are ways to others. */
	route = inet__lookup4(inet, &query, &error);
	if (route == NULL || route->table != RT_TABLE_LOCAL)
		return RTN_UNICAST;
	return route->type == RTN_LOCAL || route->type == RTN_BROADCAST ? route->type : RTN_UNICAST;
}
