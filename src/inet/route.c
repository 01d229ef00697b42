/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * route.c - the tables of routes: adding, deleting, listing.
 *
 * A route is in the list of its prefix's node (trie.c), in the order in which Linux prefers them: IPv4 by type of
 * service (those with one first), then metric, later ones first unless they are appended; IPv6 by metric, earlier ones
 * first. What may be added is decided in nexthop.c, which one is taken in lookup.c.
 *
 * IPv4 keeps main and local in one tree, see struct inet__routes; there a route of local stands before one of main.
 *
 * A route points to its interface and is removed before that goes. Only IPv6 routes expire, at the pace of
 * inet__routes_deadline.
 */
#include "route.h"

#include <linux/icmpv6.h>
#include <stdlib.h>
#include <string.h>

#define IPV6_METRIC_USER 1024

static void notify(struct inet *inet, const struct inet_route *route, unsigned int nlm_flags, bool del)
{
	if (!inet->closing)
		inet__notify_route(inet, route, nlm_flags, del);
}

void inet__routes_changed(struct inet *inet)
{
	inet->routes->generation++;
	if (!inet->closing)
		inet->ops->routes_changed(inet->owner);
}

/* ----------------------------------------------------------------------------------------------------------- tables */

int inet__routes_open(struct inet *inet)
{
	struct inet__routes *routes = calloc(1, sizeof(*routes));

	if (routes == NULL)
		return -ENOMEM;
	routes->v4.family = AF_INET;
	routes->local6.family = routes->main6.family = AF_INET6;
	routes->deadline = INET_NEVER;
	if (inet__paths_open(routes) != 0) {
		free(routes);
		return -ENOMEM;
	}
	inet->routes = routes;
	return 0;
}

static void clear(struct inet__trie *trie)
{
	struct inet__route_node *node, *next;
	struct inet_route *route;

	for (node = inet__trie_first(trie); node != NULL; node = next) {
		next = inet__trie_next(node);
		while ((route = node->routes) != NULL) {
			node->routes = route->next;
			free(route);
		}
		inet__trie_prune(trie, node);
	}
}

void inet__routes_close(struct inet *inet)
{
	struct inet__routes *routes = inet->routes;
	struct inet__table *table;

	if (routes == NULL)
		return;
	clear(&routes->v4);
	clear(&routes->local6);
	clear(&routes->main6);
	while ((table = routes->tables) != NULL) {
		routes->tables = table->next;
		clear(&table->trie[0]);
		clear(&table->trie[1]);
		free(table);
	}
	inet__paths_close(routes);
	free(routes);
	inet->routes = NULL;
}

struct inet__trie *inet__table_trie(struct inet *inet, int family, uint32_t id)
{
	struct inet__routes *routes = inet->routes;

	if (id == RT_TABLE_MAIN)
		return family == AF_INET ? &routes->v4 : &routes->main6;
	if (id == RT_TABLE_LOCAL)
		return family == AF_INET ? &routes->v4 : &routes->local6;
	for (struct inet__table *table = routes->tables; table != NULL; table = table->next)
		if (table->id == id)
			return &table->trie[family == AF_INET6];
	return NULL;
}

/** table_order - Linux lists tables by the lower eight bits of their numbers */
static uint64_t table_order(uint32_t id)
{
	return (uint64_t)(id & 255) << 32 | id;
}

/** make_table - one that does not exist yet; NULL: no memory, or too many */
static struct inet__trie *make_table(struct inet *inet, int family, uint32_t id)
{
	struct inet__routes *routes = inet->routes;
	struct inet__table *table, **at = &routes->tables;

	if (routes->table_count >= INET_TABLES_MAX && id != RT_TABLE_DEFAULT)
		return NULL;
	table = calloc(1, sizeof(*table));
	if (table == NULL)
		return NULL;
	table->id = id;
	table->trie[0].family = AF_INET;
	table->trie[1].family = AF_INET6;
	while (*at != NULL && table_order((*at)->id) < table_order(id))
		at = &(*at)->next;
	table->next = *at;
	*at = table;
	if (id != RT_TABLE_DEFAULT)
		routes->table_count++;
	return &table->trie[family == AF_INET6];
}

/** drop_empty_tables - tables come and go with their routes */
static void drop_empty_tables(struct inet__routes *routes)
{
	struct inet__table **at = &routes->tables, *table;

	while ((table = *at) != NULL) {
		if (table->trie[0].root != NULL || table->trie[1].root != NULL) {
			at = &table->next;
			continue;
		}
		*at = table->next;
		if (table->id != RT_TABLE_DEFAULT)
			routes->table_count--;
		free(table);
	}
}

/* -------------------------------------------------------------------------------------------------- lists of a node */

void inet__route_init(struct inet_route *spec, int family)
{
	memset(spec, 0, sizeof(*spec));
	spec->family = family;
	spec->type = RTN_UNICAST;
	spec->scope = RT_SCOPE_UNIVERSE;
	spec->table = RT_TABLE_MAIN;
	spec->protocol = RTPROT_BOOT;
	spec->expires = INET_NEVER;
}

/** rank - how routes of a prefix are ordered: -1 @a comes before @b, 1 after, 0 they are equal */
static int rank(const struct inet_route *a, const struct inet_route *b)
{
	if (a->table != b->table) /* of one tree: local, then main */
		return a->table > b->table ? -1 : 1;
	if (a->tos != b->tos)
		return a->tos > b->tos ? -1 : 1;
	if (a->metric != b->metric)
		return a->metric < b->metric ? -1 : 1;
	return 0;
}

static bool same_nexthop(const struct inet_route *a, const struct inet_route *b)
{
	return a->iface == b->iface && a->has_gateway == b->has_gateway &&
	       (!a->has_gateway || inet__ip_equal(a->family, &a->gateway, &b->gateway)) &&
	       ((a->flags ^ b->flags) & RTNH_F_ONLINK) == 0;
}

static bool same_metrics(const struct inet_route *a, const struct inet_route *b)
{
	return a->locked == b->locked && a->mtu == b->mtu && a->window == b->window && a->rtt == b->rtt &&
	       a->rttvar == b->rttvar && a->ssthresh == b->ssthresh && a->cwnd == b->cwnd && a->advmss == b->advmss &&
	       a->reordering == b->reordering && a->hoplimit == b->hoplimit && a->initcwnd == b->initcwnd &&
	       a->features == b->features && a->rto_min == b->rto_min && a->initrwnd == b->initrwnd &&
	       a->quickack == b->quickack && a->fastopen_no_cookie == b->fastopen_no_cookie;
}

/** duplicate - would Linux say that @route is there already, as @other of the same prefix, table, tos and metric? */
static bool duplicate(const struct inet_route *route, const struct inet_route *other)
{
	if (route->family == AF_INET6)
		return same_nexthop(route, other);
	return route->type == other->type && route->scope == other->scope && route->protocol == other->protocol &&
	       route->has_prefsrc == other->has_prefsrc &&
	       (!route->has_prefsrc || inet__ip_equal(AF_INET, &route->prefsrc, &other->prefsrc)) &&
	       same_nexthop(route, other) && same_metrics(route, other);
}

/** by_user - those count against the limit; the others are bounded by the addresses */
static bool by_user(const struct inet_route *route)
{
	return route->protocol != RTPROT_KERNEL;
}

static void expiry_link(struct inet__routes *routes, struct inet_route *route)
{
	if (route->expires == INET_NEVER)
		return;
	route->expiring_next = routes->expiring;
	route->expiring_at = &routes->expiring;
	if (routes->expiring != NULL)
		routes->expiring->expiring_at = &route->expiring_next;
	routes->expiring = route;
	if (route->expires < routes->deadline)
		routes->deadline = route->expires;
}

static void expiry_unlink(struct inet__routes *routes, struct inet_route *route)
{
	if (route->expiring_at == NULL)
		return;
	*route->expiring_at = route->expiring_next;
	if (route->expiring_next != NULL)
		route->expiring_next->expiring_at = route->expiring_at;
	route->expiring_at = NULL;
	if (routes->expiring == NULL)
		routes->deadline = INET_NEVER;
}

/** unlink_route - take it out of its table and free it, without a word; the node stays, for the caller to prune */
static void unlink_route(struct inet *inet, struct inet_route *route)
{
	struct inet_route **at = &route->node->routes;

	while (*at != route)
		at = &(*at)->next;
	*at = route->next;
	expiry_unlink(inet->routes, route);
	if (by_user(route))
		inet->routes->count[route->family == AF_INET6]--;
	free(route);
}

/* ----------------------------------------------------------------------------------------------------------- adding */

/** prepare - check a spec and fill in what is left to choose */
static int prepare(struct inet *inet, struct inet_route *route)
{
	union inet_ip masked = route->dst;

	inet__ip_mask(route->family, &masked, route->prefixlen);
	if (route->family == AF_INET && !inet__ip_equal(AF_INET, &masked, &route->dst))
		return nlq_error(-EINVAL, NULL, "Invalid prefix for given prefix length");
	memcpy(&route->dst, &masked, inet__addr_len(route->family));
	if (route->table == RT_TABLE_UNSPEC)
		route->table = RT_TABLE_MAIN;
	if (route->family == AF_INET6) {
		route->scope = RT_SCOPE_UNIVERSE;
		route->tos = 0;
		/* The metric 0 is that of the stack's own routes to its addresses. */
		if (route->metric == 0 && !(route->table == RT_TABLE_LOCAL && route->protocol == RTPROT_KERNEL))
			route->metric = IPV6_METRIC_USER;
	} else {
		route->expires = INET_NEVER;
	}
	return inet__nexthop_check(inet, route);
}

/** struct place - where a route goes in the list of its prefix */
struct place {
	struct inet_route **at;    /* before what this points to */
	struct inet_route *victim; /* to be replaced, or NULL */
	unsigned int nlm_flags;    /* of the notification */
};

/** place4 - as Linux treats IPv4 routes; @equal: the first one with the same table, tos and metric */
static int place4(const struct inet_route *route, struct inet_route **equal, unsigned int nlm_flags,
                  struct place *place)
{
	struct inet_route **at, *match = NULL;

	for (at = equal; *at != NULL && rank(*at, route) == 0; at = &(*at)->next)
		if (match == NULL && duplicate(route, *at))
			match = *at;
	if (nlm_flags & NLM_F_REPLACE) {
		if (match != NULL)
			return match == *equal ? 1 : -EEXIST;
		place->at = equal;
		place->victim = *equal;
		place->nlm_flags = NLM_F_REPLACE;
		return 0;
	}
	if (match != NULL)
		return -EEXIST;
	if (!(nlm_flags & NLM_F_CREATE))
		return -ENOENT;
	place->at = nlm_flags & NLM_F_APPEND ? at : equal;
	place->nlm_flags |= nlm_flags & NLM_F_APPEND;
	return 0;
}

/** place6 - as Linux treats IPv6 routes */
static int place6(struct inet *inet, const struct inet_route *route, struct inet_route **equal, unsigned int nlm_flags,
                  struct place *place)
{
	struct inet_route **at;

	if (nlm_flags & NLM_F_REPLACE) {
		place->at = equal;
		place->victim = *equal;
		place->nlm_flags = NLM_F_REPLACE;
		return 0;
	}
	for (at = equal; *at != NULL && rank(*at, route) == 0; at = &(*at)->next)
		if (duplicate(route, *at)) {
			inet__route_expire(inet, *at, route->expires);
			return -EEXIST;
		}
	place->at = at;
	place->nlm_flags |= nlm_flags & NLM_F_APPEND;
	return 0;
}

/** find_place - 0; 1 there is nothing to do; -EEXIST; -ENOENT */
static int find_place(struct inet *inet, struct inet__route_node *node, const struct inet_route *route,
                      unsigned int nlm_flags, struct place *place)
{
	struct inet_route **at = &node->routes;

	while (*at != NULL && rank(*at, route) < 0)
		at = &(*at)->next;
	place->at = at;
	place->victim = NULL;
	place->nlm_flags = NLM_F_CREATE;
	if (*at == NULL || rank(*at, route) != 0) {
		place->nlm_flags |= NLM_F_EXCL; /* nothing like it was there: so Linux tells it */
		return nlm_flags & NLM_F_CREATE || (route->family == AF_INET6 && !(nlm_flags & NLM_F_REPLACE))
		               ? 0
		               : -ENOENT;
	}
	if (nlm_flags & NLM_F_EXCL)
		return -EEXIST;
	return route->family == AF_INET ? place4(route, at, nlm_flags, place)
	                                : place6(inet, route, at, nlm_flags, place);
}

int inet__route_add(struct inet *inet, const struct inet_route *spec, unsigned int nlm_flags)
{
	struct inet__routes *routes = inet->routes;
	struct inet__route_node *node = NULL;
	struct inet__trie *trie;
	struct inet_route *route;
	struct place place;
	int error = -ENOBUFS;

	route = malloc(sizeof(*route));
	if (route == NULL)
		return -ENOBUFS;
	*route = *spec;
	route->expiring_at = NULL;
	error = prepare(inet, route);
	if (error != 0)
		goto failed;
	error = -ENOBUFS;
	if (by_user(route) && routes->count[route->family == AF_INET6] >= INET_ROUTES_MAX)
		goto failed;
	trie = inet__table_trie(inet, route->family, route->table);
	if (trie == NULL)
		trie = make_table(inet, route->family, route->table);
	if (trie == NULL || (node = inet__trie_make(trie, &route->dst, route->prefixlen)) == NULL)
		goto failed;
	error = find_place(inet, node, route, nlm_flags, &place);
	if (error != 0) {
		inet__trie_prune(trie, node);
		drop_empty_tables(routes);
		goto failed;
	}
	route->node = node;
	route->next = *place.at;
	*place.at = route;
	expiry_link(routes, route);
	if (by_user(route))
		routes->count[route->family == AF_INET6]++;
	if (place.victim != NULL)
		unlink_route(inet, place.victim); /* replaced: only the new one is told of */
	inet__routes_changed(inet);
	notify(inet, route, place.nlm_flags, false);
	return 0;
failed:
	free(route);
	return error < 0 ? error : 0;
}

/* --------------------------------------------------------------------------------------------------------- deleting */

/** has_metrics - has the route the metrics that the spec of a deletion names? */
static bool has_metrics(const struct inet_route *route, const struct inet_route *spec)
{
	const uint32_t have[] = {
	        route->mtu,      route->window,  route->rtt,        route->rttvar,   route->ssthresh,
	        route->cwnd,     route->advmss,  route->reordering, route->hoplimit, route->initcwnd,
	        route->features, route->rto_min, route->initrwnd,   route->quickack, route->fastopen_no_cookie};
	const uint32_t want[] = {
	        spec->mtu,      spec->window,  spec->rtt,        spec->rttvar,   spec->ssthresh,
	        spec->cwnd,     spec->advmss,  spec->reordering, spec->hoplimit, spec->initcwnd,
	        spec->features, spec->rto_min, spec->initrwnd,   spec->quickack, spec->fastopen_no_cookie};

	for (unsigned int i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		if (want[i] != 0 && want[i] != have[i])
			return false;
	return true;
}

/** matches - is @route what the spec of a deletion describes? */
static bool matches(const struct inet_route *route, const struct inet_route *spec)
{
	if (route->table != spec->table || (spec->metric != 0 && route->metric != spec->metric) ||
	    (spec->protocol != 0 && route->protocol != spec->protocol) ||
	    (spec->iface != NULL && route->iface != spec->iface))
		return false;
	if (spec->has_gateway &&
	    (!route->has_gateway || !inet__ip_equal(spec->family, &route->gateway, &spec->gateway)))
		return false;
	if (spec->family == AF_INET6)
		return true;
	return route->tos == spec->tos && (spec->type == 0 || route->type == spec->type) && has_metrics(route, spec) &&
	       (spec->scope == RT_SCOPE_NOWHERE || route->scope == spec->scope) &&
	       (!spec->has_prefsrc || (route->has_prefsrc && inet__ip_equal(AF_INET, &route->prefsrc, &spec->prefsrc)));
}

struct inet_route *inet__route_find(struct inet *inet, const struct inet_route *given)
{
	struct inet_route spec = *given;
	struct inet__route_node *node;
	struct inet__trie *trie;

	if (spec.table == RT_TABLE_UNSPEC)
		spec.table = RT_TABLE_MAIN;
	trie = inet__table_trie(inet, spec.family, spec.table);
	if (trie == NULL)
		return NULL;
	inet__ip_mask(spec.family, &spec.dst, spec.prefixlen);
	node = inet__trie_find(trie, &spec.dst, spec.prefixlen);
	if (node == NULL)
		return NULL;
	for (struct inet_route *route = node->routes; route != NULL; route = route->next)
		if (matches(route, &spec))
			return route;
	return NULL;
}

void inet__route_remove(struct inet *inet, struct inet_route *route)
{
	struct inet__trie *trie = inet__table_trie(inet, route->family, route->table);
	struct inet__route_node *node = route->node;

	notify(inet, route, 0, true);
	unlink_route(inet, route);
	inet__trie_prune(trie, node);
	drop_empty_tables(inet->routes);
	inet__routes_changed(inet);
}

int inet__route_delete(struct inet *inet, const struct inet_route *spec)
{
	struct inet_route *route = inet__route_find(inet, spec);

	if (route == NULL)
		return -ESRCH;
	inet__route_remove(inet, route);
	return 0;
}

/** struct sweep - removing all routes of which something is true */
struct sweep {
	struct inet *inet;
	bool (*doomed)(const struct inet_route *route, const void *arg);
	const void *arg;
	bool silent; /* Linux does not tell of IPv4 routes that go with their interface: programs conclude it */
	bool found;
};

static void sweep_trie(struct sweep *sweep, struct inet__trie *trie)
{
	struct inet__route_node *node, *next;

	for (node = inet__trie_first(trie); node != NULL; node = next) {
		struct inet_route *route, *following;

		next = inet__trie_next(node);
		for (route = node->routes; route != NULL; route = following) {
			following = route->next;
			if (!sweep->doomed(route, sweep->arg))
				continue;
			sweep->found = true;
			if (!sweep->silent || route->family == AF_INET6)
				notify(sweep->inet, route, 0, true);
			unlink_route(sweep->inet, route);
		}
		inet__trie_prune(trie, node);
	}
}

static void sweep_all(struct sweep *sweep)
{
	struct inet__routes *routes = sweep->inet->routes;

	sweep_trie(sweep, &routes->v4);
	sweep_trie(sweep, &routes->main6);
	sweep_trie(sweep, &routes->local6);
	for (struct inet__table *table = routes->tables; table != NULL; table = table->next) {
		sweep_trie(sweep, &table->trie[0]);
		sweep_trie(sweep, &table->trie[1]);
	}
	drop_empty_tables(routes);
	if (sweep->found)
		inet__routes_changed(sweep->inet);
}

static bool through(const struct inet_route *route, const void *arg)
{
	return route->iface == arg;
}

/** through_down - IPv4 routes to the interface's own addresses stay, as the addresses do */
static bool through_down(const struct inet_route *route, const void *arg)
{
	return route->iface == arg && !(route->family == AF_INET && route->scope == RT_SCOPE_HOST);
}

void inet__routes_iface_down(struct inet_iface *iface, bool removing)
{
	struct sweep sweep = {iface->inet, removing ? through : through_down, iface, true, false};

	sweep_all(&sweep);
	inet__paths_iface_gone(iface->inet, iface->index);
}

static bool through4(const struct inet_route *route, const void *arg)
{
	return route->family == AF_INET && route->iface == arg;
}

void inet__routes_iface_down4(struct inet_iface *iface)
{
	struct sweep sweep = {iface->inet, through4, iface, true, false};

	sweep_all(&sweep);
}

static bool through6(const struct inet_route *route, const void *arg)
{
	return route->family == AF_INET6 && route->iface == arg;
}

void inet__routes_iface_down6(struct inet_iface *iface)
{
	struct sweep sweep = {iface->inet, through6, iface, false, false};

	sweep_all(&sweep);
}

/** struct prefsrc - an address that is no more */
struct prefsrc {
	int family;
	const union inet_ip *addr;
};

static bool from(const struct inet_route *route, const void *arg)
{
	const struct prefsrc *gone = arg;

	return route->family == gone->family && route->has_prefsrc &&
	       inet__ip_equal(gone->family, &route->prefsrc, gone->addr);
}

void inet__routes_prefsrc_gone(struct inet *inet, int family, const union inet_ip *addr)
{
	struct prefsrc gone = {family, addr};
	struct sweep sweep = {inet, from, &gone, true, false};

	if (family == AF_INET) {
		sweep_all(&sweep);
		return;
	}
	/* IPv6 routes stay and lose their preference. */
	struct inet__trie *tries[] = {&inet->routes->main6, &inet->routes->local6};
	for (unsigned int i = 0; i < 2; i++)
		for (struct inet__route_node *node = inet__trie_first(tries[i]); node != NULL;
		     node = inet__trie_next(node))
			for (struct inet_route *route = node->routes; route != NULL; route = route->next)
				if (from(route, &gone))
					route->has_prefsrc = false;
	inet__routes_changed(inet);
}

/* ------------------------------------------------------------------------------------------- carrier, expiry, lists */

static void mark_trie(struct inet__trie *trie, const struct inet_iface *iface)
{
	for (struct inet__route_node *node = inet__trie_first(trie); node != NULL; node = inet__trie_next(node))
		for (struct inet_route *route = node->routes; route != NULL; route = route->next)
			if (route->iface == iface && route->scope != RT_SCOPE_HOST)
				route->flags = iface->carrier ? route->flags & ~(uint32_t)RTNH_F_LINKDOWN
				                              : route->flags | RTNH_F_LINKDOWN;
}

void inet__routes_iface_carrier(struct inet_iface *iface)
{
	struct inet__routes *routes = iface->inet->routes;

	mark_trie(&routes->v4, iface);
	mark_trie(&routes->main6, iface);
	mark_trie(&routes->local6, iface);
	for (struct inet__table *table = routes->tables; table != NULL; table = table->next) {
		mark_trie(&table->trie[0], iface);
		mark_trie(&table->trie[1], iface);
	}
}

void inet__route_expire(struct inet *inet, struct inet_route *route, int64_t expires)
{
	if (route->expires == expires)
		return;
	expiry_unlink(inet->routes, route);
	route->expires = expires;
	expiry_link(inet->routes, route);
	inet->routes->generation++; /* answers are remembered until their route expires */
}

int64_t inet__routes_deadline(const struct inet *inet)
{
	return inet->routes->deadline;
}

void inet__routes_run(struct inet *inet)
{
	struct inet__routes *routes = inet->routes;
	int64_t now = inet__now(inet), next = INET_NEVER;
	struct inet_route *route, *following;

	for (route = routes->expiring; route != NULL; route = following) {
		following = route->expiring_next;
		if (route->expires <= now)
			inet__route_remove(inet, route);
		else if (route->expires < next)
			next = route->expires;
	}
	routes->deadline = next;
}

/** by_address - the order in which Linux lists IPv4 routes: by destination, then the longer prefix first */
static int by_address(const void *a, const void *b)
{
	const struct inet__route_node *x = *(struct inet__route_node *const *)a,
	                              *y = *(struct inet__route_node *const *)b;
	uint32_t p = ntohl(x->prefix.v4.s_addr), q = ntohl(y->prefix.v4.s_addr);

	if (p != q)
		return p < q ? -1 : 1;
	return x->len > y->len ? -1 : 1;
}

/** each_of4 - the routes of one table of a tree that may hold two */
static int each_of4(struct inet__trie *trie, uint32_t table, int (*each)(const struct inet_route *route, void *arg),
                    void *arg)
{
	struct inet__route_node **nodes, *node;
	size_t count = 0, i = 0;
	int stop = 0;

	for (node = inet__trie_first(trie); node != NULL; node = inet__trie_next(node))
		count++;
	if (count == 0)
		return 0;
	nodes = malloc(count * sizeof(struct inet__route_node *));
	if (nodes == NULL)
		return -ENOMEM;
	for (node = inet__trie_first(trie); node != NULL; node = inet__trie_next(node))
		nodes[i++] = node;
	qsort(nodes, count, sizeof(struct inet__route_node *), by_address);
	for (i = 0; i < count && stop == 0; i++)
		for (struct inet_route *route = nodes[i]->routes; route != NULL && stop == 0; route = route->next)
			if (route->table == table)
				stop = each(route, arg);
	free(nodes);
	return stop;
}

static int each_of6(struct inet__trie *trie, int (*each)(const struct inet_route *route, void *arg), void *arg)
{
	int stop = 0;

	for (struct inet__route_node *node = inet__trie_first(trie); node != NULL; node = inet__trie_next(node))
		for (struct inet_route *route = node->routes; route != NULL && stop == 0; route = route->next)
			stop = each(route, arg);
	return stop;
}

/** each_other - the routes of the tables that are listed before or after the usual ones (main, local) */
static int each_other(struct inet *inet, int family, bool after, int (*each)(const struct inet_route *route, void *arg),
                      void *arg)
{
	int stop = 0;

	for (struct inet__table *table = inet->routes->tables; table != NULL && stop == 0; table = table->next) {
		if ((table_order(table->id) > table_order(RT_TABLE_MAIN)) != after)
			continue;
		stop = family == AF_INET ? each_of4(&table->trie[0], table->id, each, arg)
		                         : each_of6(&table->trie[1], each, arg);
	}
	return stop;
}

int inet__route_each(struct inet *inet, int family, int (*each)(const struct inet_route *route, void *arg), void *arg)
{
	struct inet__routes *routes = inet->routes;
	int stop = each_other(inet, family, false, each, arg);

	if (stop == 0)
		stop = family == AF_INET ? each_of4(&routes->v4, RT_TABLE_MAIN, each, arg)
		                         : each_of6(&routes->main6, each, arg);
	if (stop == 0)
		stop = family == AF_INET ? each_of4(&routes->v4, RT_TABLE_LOCAL, each, arg)
		                         : each_of6(&routes->local6, each, arg);
	return stop != 0 ? stop : each_other(inet, family, true, each, arg);
}
