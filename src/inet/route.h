/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * route.h - what trie.c, route.c, nexthop.c, lookup.c and path.c share, and nobody else needs.
 */
#ifndef IOTH_INET_ROUTE_H
#define IOTH_INET_ROUTE_H

#include "private.h"

/* ----------------------------------------------------------------------------------------------------------- trie.c */

/** struct inet__route_node - a prefix: with routes, or where two longer ones part */
struct inet__route_node {
	struct inet__route_node *parent, *child[2];
	struct inet_route *routes; /* in the order of preference */
	union inet_ip prefix;
	uint8_t len;
};

/** struct inet__trie - prefixes of a family, in a tree by their bits */
struct inet__trie {
	int family;
	struct inet__route_node *root;
};

/** inet__trie_make - the node of a prefix, made when there is none; NULL: no memory */
struct inet__route_node *inet__trie_make(struct inet__trie *trie, const union inet_ip *prefix, unsigned int len);
/** inet__trie_find - the node of a prefix, or NULL */
struct inet__route_node *inet__trie_find(const struct inet__trie *trie, const union inet_ip *prefix, unsigned int len);
/** inet__trie_longest - the node of the longest prefix that an address is in, NULL: none. The shorter ones are its
 * ancestors */
struct inet__route_node *inet__trie_longest(const struct inet__trie *trie, const union inet_ip *addr);
/** inet__trie_prune - a node has lost its last route: remove what is of no more use */
void inet__trie_prune(struct inet__trie *trie, struct inet__route_node *node);
/** inet__trie_first, _next - the nodes with routes, longer prefixes before those they are in, lower ones before higher
   ones. A node may lose its routes and be pruned once the next one has been got */
struct inet__route_node *inet__trie_first(const struct inet__trie *trie);
struct inet__route_node *inet__trie_next(const struct inet__route_node *node);

/* ---------------------------------------------------------------------------------------------------------- route.c */

/** struct inet__table - a routing table but main and local */
struct inet__table {
	struct inet__table *next; /* in the order in which they are listed */
	uint32_t id;
	struct inet__trie trie[2]; /* IPv4, IPv6 */
};

struct inet__routes {
	/* As in Linux without rules, IPv4 looks for the longest prefix in local and main together, local first where
	   they are equal; IPv6 looks through local, then main. */
	struct inet__trie v4;
	struct inet__trie local6, main6;
	struct inet__table *tables;
	unsigned int table_count;
	unsigned int count[2];       /* routes of IPv4, of IPv6, without those of the kernel */
	struct inet_route *expiring; /* routes with an end, in no order */
	int64_t deadline;
	uint32_t generation; /* changes when what was looked up before may be wrong */
	struct inet__path_cache *paths;
};

/** inet__table_trie - where the routes of a table are; NULL: there is no such table */
struct inet__trie *inet__table_trie(struct inet *inet, int family, uint32_t table);

/* -------------------------------------------------------------------------------------------------------- nexthop.c */

/** inet__nexthop_check - is a route possible? Finds the interface of a gateway, the scope; as inet__route_add */
int inet__nexthop_check(struct inet *inet, struct inet_route *route);
/** inet__type_error - 0, or what a route of this type answers */
int inet__type_error(uint8_t type);

/* --------------------------------------------------------------------------------------------------------- lookup.c */

/** struct inet__query - a question to the tables */
struct inet__query {
	int family;
	const union inet_ip *dst;
	unsigned int oif;                   /* 0: any */
	uint8_t tos;                        /* IPv4 */
	uint8_t scope;                      /* IPv4: of the route at least */
	bool any_state;                     /* IPv6: routers that do not answer are as good as others */
	const struct inet_route **refusing; /* NULL, or gets the route whose type was the error */
};

/** inet__lookup4, inet__lookup6 - the route, or NULL and *@error: -ENETUNREACH, or by the type of the route */
const struct inet_route *inet__lookup4(struct inet *inet, const struct inet__query *query, int *error);
const struct inet_route *inet__lookup6(struct inet *inet, const struct inet__query *query, int *error);

/** inet__lookup_table - the route of one table only, or NULL */
const struct inet_route *inet__lookup_table(struct inet *inet, uint32_t table, const struct inet__query *query);

/* ----------------------------------------------------------------------------------------------------------- path.c */

/** struct inet__path - what is known of the path to a destination besides the tables */
struct inet__path {
	unsigned int mtu; /* 0: nothing */
	bool has_gateway;
	union inet_ip gateway;
	unsigned int oif; /* of the gateway */
	int64_t until;
};

int inet__paths_open(struct inet__routes *routes);
void inet__paths_close(struct inet__routes *routes);
/** inet__path_find - what is known, or NULL; @oif: the interface of the route */
const struct inet__path *inet__path_find(struct inet *inet, int family, const union inet_ip *dst, unsigned int oif);
/** inet__path_cached - the answer to an earlier question, copied into @flow, or false */
bool inet__path_cached(struct inet *inet, struct inet_flow *flow);
/** inet__path_remember - an answer; @until: when it ceases to be true */
void inet__path_remember(struct inet *inet, const struct inet_flow *question, const struct inet_flow *answer,
                         int64_t until);
/** inet__paths_iface_gone - forget what leads through an interface */
void inet__paths_iface_gone(struct inet *inet, unsigned int oif);

#endif
