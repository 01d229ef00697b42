/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ra.c - routers on the link: asking for them and doing what they say (RFC 4861 6.3, RFC 4862 5.5, RFC 4191).
 *
 * An interface with accept_ra set, on a stack that is no router itself, solicits routers when it comes up: three times,
 * four seconds apart, until one answers. What an advertisement brings is kept where it belongs: default routers and
 * prefixes on the link are routes (protocols ra and kernel) that expire, addresses are addresses with lifetimes, and
 * the constants of neighbour discovery are in struct inet__nd.
 *
 * Anybody on the link can pretend to be a router. Therefore the number of routers, prefixes and addresses that can be
 * made in this way is bounded (INET__ROUTERS_MAX, ...), and an advertisement cannot shorten the life of an address
 * below two hours. Nothing is done with prefixes of other lengths than 64 (for addresses), routes to more than the
 * default (accept_ra_rt_info_max_plen 0), and name servers.
 */
#include "neigh.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netinet/icmp6.h>
#include <stdlib.h>

#ifndef IFAPROT_KERNEL_RA
#define IFAPROT_KERNEL_RA 2
#endif

/* Preferences of routers, RFC 4191. */
#define PREF_MEDIUM 0
#define PREF_RESERVED 2

#define SOLICITATIONS 3
#define SOLICIT_EVERY (4 * INET_SECOND)
#define RA_LEN 16
#define TWO_HOURS 7200U
#define METRIC_ROUTER 1024U
#define METRIC_PREFIX 256U
#define STABLE_RETRIES 3U
#define TIME_MAX (INT64_C(3600) * INET_SECOND) /* of what a router may set times to */

/* Offsets in an option with a prefix. */
enum prefix_field {
	PREFIX_LEN = 2,
	PREFIX_FLAGS = 3,
	PREFIX_VALID = 4,
	PREFIX_PREFERRED = 8,
	PREFIX_ADDR = 16,
	PREFIX_SIZE = 32
};

/* ---------------------------------------------------------------------------------------------------- solicitation */

static bool listening(const struct inet_iface *iface)
{
	return iface->accept_ra && !iface->inet->forwarding && !(iface->flags & (IFF_LOOPBACK | IFF_NOARP));
}

/** find_deadline - when the first interface wants to ask again */
static void find_deadline(struct inet *inet)
{
	inet->nd->deadline = INET_NEVER;
	for (const struct inet_iface *iface = inet->ifaces; iface; iface = iface->next) {
		const struct inet__nd *nd = iface->private->nd;

		if (nd && nd->solicit_next < inet->nd->deadline)
			inet->nd->deadline = nd->solicit_next;
	}
}

/** stop_asking - a router has answered, or the interface is gone */
static void stop_asking(struct inet_iface *iface)
{
	struct inet__nd *nd = iface->private->nd;

	nd->solicit_left = 0;
	if (nd->solicit_next == INET_NEVER)
		return;
	nd->solicit_next = INET_NEVER;
	find_deadline(iface->inet);
}

/** solicit - ask for routers, and note when to do so again */
static void solicit(struct inet_iface *iface)
{
	static const struct in6_addr all_routers = {{{0xff, 0x02, [15] = 2}}};
	const struct inet_addr *own = inet__addr_link_local(iface);
	struct inet__nd *nd = iface->private->nd;
	struct inet__nd_message message;

	inet__nd_begin(&message, ND_ROUTER_SOLICIT, 8);
	if (own)
		inet__nd_put_mac(&message, ND_OPT_SOURCE_LINKADDR, iface->mac);
	nd->solicit_left--;
	nd->solicit_next = nd->solicit_left > 0 ? inet__now(iface->inet) + SOLICIT_EVERY : INET_NEVER;
	find_deadline(iface->inet);
	inet__nd_send(iface, &message, own ? &own->local.v6 : &in6addr_any, &all_routers, NULL);
}

void inet__nd_start(struct inet_iface *iface)
{
	if (!listening(iface))
		return;
	iface->private->nd->solicit_left = SOLICITATIONS;
	solicit(iface);
}

/** defaults - what holds while no router says otherwise */
static void defaults(struct inet_iface *iface)
{
	struct inet__nd *nd = iface->private->nd;

	inet__neigh_params_init(&nd->params[0]);
	inet__neigh_params_init(&nd->params[1]);
	nd->routers = nd->prefixes = 0;
}

void inet__nd_stop(struct inet_iface *iface)
{
	stop_asking(iface);
	defaults(iface);
	iface->mtu6 = iface->mtu;
}

int inet__nd_iface_add(struct inet_iface *iface)
{
	iface->private->nd = calloc(1, sizeof(*iface->private->nd));
	if (!iface->private->nd)
		return -ENOMEM;
	iface->private->nd->solicit_next = INET_NEVER;
	defaults(iface);
	return 0;
}

void inet__nd_iface_del(struct inet_iface *iface)
{
	inet__neigh_proxy_flush(iface, 0);
	free(iface->private->nd);
	iface->private->nd = NULL;
}

int inet__nd_open(struct inet *inet)
{
	inet->nd = malloc(sizeof(*inet->nd));
	if (!inet->nd)
		return -ENOMEM;
	inet__random(inet->nd->nonce_seed, sizeof(inet->nd->nonce_seed));
	inet->nd->deadline = INET_NEVER;
	return 0;
}

void inet__nd_close(struct inet *inet)
{
	free(inet->nd);
	inet->nd = NULL;
}

int64_t inet__nd_deadline(const struct inet *inet)
{
	return inet->nd->deadline;
}

void inet__nd_run(struct inet *inet)
{
	int64_t now = inet__now(inet);

	if (now < inet->nd->deadline)
		return;
	for (struct inet_iface *iface = inet->ifaces; iface; iface = iface->next) {
		if (iface->private->nd->solicit_next <= now)
			solicit(iface);
	}
}

/* --------------------------------------------------------------------------------------------------------- routers */

/** until - the time at which a lifetime of @seconds from now ends */
static int64_t until(const struct inet *inet, uint32_t seconds)
{
	return seconds == INET_FOREVER ? INET_NEVER : inet__now(inet) + (int64_t)seconds * INET_SECOND;
}

/** router_spec - the route that a default router is */
static void router_spec(struct inet_iface *iface, const struct in6_addr *router, struct inet_route *spec)
{
	inet__route_init(spec, AF_INET6);
	spec->protocol = RTPROT_RA;
	spec->metric = METRIC_ROUTER;
	spec->iface = iface;
	spec->has_gateway = true;
	spec->gateway.v6 = *router;
}

/** room_for_router - find or make a place for a router; those whose route has gone make room */
static bool room_for_router(struct inet_iface *iface, const struct in6_addr *router)
{
	struct inet__nd *nd = iface->private->nd;
	unsigned int kept = 0;

	for (unsigned int i = 0; i < nd->routers; i++) {
		struct inet_route spec;

		router_spec(iface, &nd->router[i], &spec);
		if (inet__route_find(iface->inet, &spec) && !IN6_ARE_ADDR_EQUAL(&nd->router[i], router))
			nd->router[kept++] = nd->router[i];
	}
	nd->routers = kept;
	if (kept == INET__ROUTERS_MAX)
		return false;
	nd->router[nd->routers++] = *router;
	return true;
}

/** update_router - what an advertisement changes of its route; told when another router may be used from now on */
static void update_router(struct inet *inet, struct inet_route *route, const struct inet_route *said)
{
	bool preference = route->pref != said->pref;

	if (preference || route->hoplimit != said->hoplimit || route->mtu != said->mtu) {
		route->pref = said->pref;
		route->hoplimit = said->hoplimit;
		route->mtu = said->mtu;
		inet__routes_changed(inet);
	}
	inet__route_expire(inet, route, said->expires);
	if (preference)
		inet__notify_route(inet, route, NLM_F_REPLACE, false);
}

/** take_router - the router offers itself as a default router, or no more (lifetime 0). @mtu: of the link, or 0 */
static void take_router(struct inet_iface *iface, const struct in6_addr *router, const unsigned char *message,
                        uint32_t mtu)
{
	uint32_t lifetime = inet__get16(message + 6);
	struct inet *inet = iface->inet;
	struct inet_route spec, *route;

	router_spec(iface, router, &spec);
	route = inet__route_find(inet, &spec);
	if (lifetime == 0) {
		if (route)
			inet__route_remove(inet, route);
		return;
	}
	spec.pref = message[5] >> 3 & 3;
	if (spec.pref == PREF_RESERVED)
		spec.pref = PREF_MEDIUM;
	spec.hoplimit = message[4] > 0 || !route ? message[4] : route->hoplimit;
	spec.mtu = mtu > 0 || !route ? mtu : route->mtu;
	spec.expires = until(inet, lifetime);
	if (route)
		update_router(inet, route, &spec);
	else if (room_for_router(iface, router))
		inet__route_add(inet, &spec, NLM_F_CREATE);
}

void inet__ra_router_gone(struct inet_iface *iface, const struct in6_addr *router)
{
	struct inet_route spec, *route;

	router_spec(iface, router, &spec);
	route = inet__route_find(iface->inet, &spec);
	if (route)
		inet__route_remove(iface->inet, route);
}

/* -------------------------------------------------------------------------------------------------------- prefixes */

static bool same_prefix(const struct inet__prefix *a, const struct inet__prefix *b)
{
	return a->len == b->len && IN6_ARE_ADDR_EQUAL(&a->prefix, &b->prefix);
}

static void prefix_spec(struct inet_iface *iface, const struct inet__prefix *prefix, struct inet_route *spec)
{
	inet__route_init(spec, AF_INET6);
	spec->dst.v6 = prefix->prefix;
	spec->prefixlen = prefix->len;
	spec->protocol = RTPROT_KERNEL;
	spec->metric = METRIC_PREFIX;
	spec->iface = iface;
}

/** room_for_prefix - as room_for_router */
static bool room_for_prefix(struct inet_iface *iface, const struct inet__prefix *prefix)
{
	struct inet__nd *nd = iface->private->nd;
	unsigned int kept = 0;

	for (unsigned int i = 0; i < nd->prefixes; i++) {
		struct inet_route spec;

		prefix_spec(iface, &nd->prefix[i], &spec);
		if (inet__route_find(iface->inet, &spec) && !same_prefix(&nd->prefix[i], prefix))
			nd->prefix[kept++] = nd->prefix[i];
	}
	nd->prefixes = kept;
	if (kept == INET__PREFIXES_MAX)
		return false;
	nd->prefix[nd->prefixes++] = *prefix;
	return true;
}

/** take_on_link - everybody with this prefix is on the link, for @valid seconds */
static void take_on_link(struct inet_iface *iface, const struct inet__prefix *prefix, uint32_t valid)
{
	const struct inet__nd *nd = iface->private->nd;
	struct inet *inet = iface->inet;
	struct inet_route spec, *route;
	bool ours = false;

	for (unsigned int i = 0; i < nd->prefixes; i++)
		ours |= same_prefix(&nd->prefix[i], prefix);
	prefix_spec(iface, prefix, &spec);
	route = inet__route_find(inet, &spec);
	if (route && !ours)
		return; /* that of an address which was set by hand */
	if (route && valid == 0) {
		inet__route_remove(inet, route);
	} else if (route) {
		inet__route_expire(inet, route, until(inet, valid));
	} else if (valid > 0 && room_for_prefix(iface, prefix)) {
		spec.expires = until(inet, valid);
		inet__route_add(inet, &spec, NLM_F_CREATE | NLM_F_EXCL);
	}
}

/** slaac_count - how many addresses routers have made us configure here */
static unsigned int slaac_count(const struct inet_iface *iface)
{
	unsigned int count = 0;

	for (const struct inet_addr *addr = iface->addrs; addr; addr = addr->next)
		count += addr->family == AF_INET6 && addr->proto == IFAPROT_KERNEL_RA;
	return count;
}

/** renew - an advertisement repeats the prefix of an address: RFC 4862, 5.5.3 e */
static void renew(struct inet_addr *addr, uint32_t preferred, uint32_t valid)
{
	int64_t left = addr->valid_until == INET_NEVER ? INT64_MAX : addr->valid_until - inet__now(addr->iface->inet);
	uint32_t least = TWO_HOURS;

	if (addr->proto != IFAPROT_KERNEL_RA || left <= 0)
		return;
	/* Who has no right to speak for the router shall not take our addresses away at once. */
	if (left < TWO_HOURS * INET_SECOND)
		least = (uint32_t)((left + INET_SECOND - 1) / INET_SECOND);
	if (valid < least)
		valid = least;
	inet__addr_lifetimes(addr, preferred < valid ? preferred : valid, valid);
}

/** configure - make an address of a prefix; it brings no route: whether the prefix is on the link is not said by it */
static void configure(struct inet_iface *iface, const struct in6_addr *addr, uint32_t preferred, uint32_t valid)
{
	struct inet__addr_spec spec = {
	        .family = AF_INET6,
	        .local.v6 = *addr,
	        .peer.v6 = *addr,
	        .prefixlen = 64,
	        .flags = IFA_F_MANAGETEMPADDR,
	        .proto = IFAPROT_KERNEL_RA,
	        .preferred = preferred,
	        .valid = valid,
	};

	if (iface->addr_gen_mode != IN6_ADDR_GEN_MODE_EUI64 && iface->addr_gen_mode != IN6_ADDR_GEN_MODE_NONE)
		spec.flags |= IFA_F_STABLE_PRIVACY;
	if (slaac_count(iface) < INET__SLAAC_MAX)
		inet__addr_add(iface, &spec, NLM_F_CREATE | NLM_F_EXCL, NULL);
}

/** take_autonomous - an address of this prefix is ours to configure */
static void take_autonomous(struct inet_iface *iface, const struct in6_addr *prefix, uint32_t preferred, uint32_t valid)
{
	for (unsigned int retry = 0; retry <= STABLE_RETRIES; retry++) {
		union inet_ip ip = {.v6 = *prefix};
		struct inet_addr *addr;

		if (!inet__addr_interface_id(iface, prefix, retry, ip.v6.s6_addr + 8))
			return;
		addr = inet__addr_find(iface, AF_INET6, &ip, -1, NULL);
		if (addr && (addr->flags & IFA_F_DADFAILED) && (addr->flags & IFA_F_STABLE_PRIVACY))
			continue; /* a duplicate: it has a successor, or gets one */
		if (addr)
			renew(addr, preferred, valid);
		else if (valid > 0)
			configure(iface, &ip.v6, preferred, valid);
		return;
	}
}

void inet__nd_addr_gone(struct inet_addr *addr, bool duplicate)
{
	int64_t now = inet__now(addr->iface->inet);
	uint32_t seconds[2];
	const int64_t end[2] = {addr->preferred_until, addr->valid_until};

	if (!duplicate || !(addr->flags & IFA_F_STABLE_PRIVACY) || addr->proto != IFAPROT_KERNEL_RA)
		return;
	for (int i = 0; i < 2; i++) {
		seconds[i] = INET_FOREVER;
		if (end[i] != INET_NEVER)
			seconds[i] = end[i] > now ? (uint32_t)((end[i] - now) / INET_SECOND) : 0;
	}
	for (unsigned int retry = 0; seconds[1] > 0 && retry < STABLE_RETRIES; retry++) {
		union inet_ip ip = addr->local;

		if (!inet__addr_interface_id(addr->iface, &addr->local.v6, retry, ip.v6.s6_addr + 8))
			return;
		if (!inet__ip_equal(AF_INET6, &ip, &addr->local))
			continue;
		if (inet__addr_interface_id(addr->iface, &addr->local.v6, retry + 1, ip.v6.s6_addr + 8))
			configure(addr->iface, &ip.v6, seconds[0], seconds[1]);
		return;
	}
}

/** take_prefix - an option with a prefix, PREFIX_SIZE bytes */
static void take_prefix(struct inet_iface *iface, const unsigned char *option)
{
	uint32_t valid = inet__get32(option + PREFIX_VALID), preferred = inet__get32(option + PREFIX_PREFERRED);
	struct inet__prefix prefix = {.len = option[PREFIX_LEN]};
	union inet_ip ip;

	memcpy(&ip.v6, option + PREFIX_ADDR, 16);
	if (prefix.len > 128 || preferred > valid || IN6_IS_ADDR_MULTICAST(&ip.v6) || IN6_IS_ADDR_LINKLOCAL(&ip.v6) ||
	    IN6_IS_ADDR_LOOPBACK(&ip.v6) || IN6_IS_ADDR_UNSPECIFIED(&ip.v6))
		return;
	inet__ip_mask(AF_INET6, &ip, prefix.len);
	prefix.prefix = ip.v6;
	if ((option[PREFIX_FLAGS] & ND_OPT_PI_FLAG_ONLINK) && prefix.len > 0)
		take_on_link(iface, &prefix, valid);
	if ((option[PREFIX_FLAGS] & ND_OPT_PI_FLAG_AUTO) && iface->autoconf && prefix.len == 64)
		take_autonomous(iface, &prefix.prefix, preferred, valid);
}

/* --------------------------------------------------------------------------------------------------- advertisement */

/** take_times - how long neighbours are reachable and when to ask again, in milliseconds; 0: not said */
static void take_times(struct inet_iface *iface, uint32_t reachable, uint32_t retrans)
{
	struct inet__neigh_params *params = inet__neigh_params(iface, AF_INET6);
	int64_t time = retrans * INET_MILLISECOND;

	if (time > 0 && time <= TIME_MAX)
		params->retrans = time < 10 * INET_MILLISECOND ? 10 * INET_MILLISECOND : time;
	time = reachable * INET_MILLISECOND;
	if (time > 0 && time < 100 * INET_MILLISECOND)
		time = 100 * INET_MILLISECOND;
	if (time > 0 && time <= TIME_MAX && time != params->base_reachable) {
		params->base_reachable = time;
		inet__neigh_choose_reachable(params, inet__now(iface->inet));
	}
}

/** mtu_of - the MTU of the link, 0: not said, or not possible */
static uint32_t mtu_of(const struct inet_iface *iface, const struct inet__nd_options *options)
{
	uint32_t mtu = options->mtu ? inet__get32(options->mtu) : 0;

	return mtu >= INET_MTU_MIN6 && mtu <= iface->mtu ? mtu : 0;
}

/** take_limits - the MTU of the link and the hop limit of what we send; 0: not said */
static void take_limits(struct inet_iface *iface, uint32_t mtu, unsigned int hop_limit)
{
	bool changed = false;

	if (hop_limit > 0 && hop_limit != iface->hop_limit) {
		iface->hop_limit = hop_limit;
		changed = true;
	}
	if (mtu > 0 && mtu != iface->mtu6) {
		iface->mtu6 = mtu;
		changed = true;
	}
	if (changed)
		inet__routes_changed(iface->inet);
}

void inet__ra_input(struct inet_iface *iface, const struct in6_addr *src, const unsigned char *message, size_t len)
{
	const union inet_ip *router = (const union inet_ip *)src;
	struct inet__nd_options options;

	if (!listening(iface) || !IN6_IS_ADDR_LINKLOCAL(src) || len < RA_LEN ||
	    !inet__nd_options(message + RA_LEN, len - RA_LEN, &options) ||
	    inet_local(iface->inet, AF_INET6, router, iface))
		return;
	stop_asking(iface);
	inet__neigh_learn(iface, AF_INET6, router, options.source_mac, NUD_STALE,
	                  INET__NEIGH_OVERRIDE | INET__NEIGH_WEAK | INET__NEIGH_ROUTER, true);
	take_router(iface, src, message, mtu_of(iface, &options));
	take_limits(iface, mtu_of(iface, &options), message[4]);
	take_times(iface, inet__get32(message + 8), inet__get32(message + 12));
	for (size_t at = RA_LEN; at < len; at += message[at + 1] * 8U) {
		/* The lengths of all options have been checked. */
		if (message[at] == ND_OPT_PREFIX_INFORMATION && message[at + 1] * 8U == PREFIX_SIZE)
			take_prefix(iface, message + at);
	}
}
