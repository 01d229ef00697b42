/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * addr.c - the addresses of interfaces: lists, lifetimes, the question whose address it is.
 *
 * An interface has one list, IPv4 first, each family in the order of its own (addr4.c, addr6.c). All addresses of the
 * stack are in one hash table as well, since every packet that comes in asks for one.
 *
 * An address is *told* to the engine while it is usable: at once for IPv4, after duplicate address detection for IPv6.
 *
 * Time: the deadline is the earliest of all addresses' ends and probes. It may be too early after an address has gone,
 * so it is computed anew when one with a date goes; an address that has none costs nothing.
 */
#include "addr.h"
#include "route.h"

#include <stdlib.h>
#include <string.h>

/** struct inet__addrs - the addresses of a stack */
struct inet__addrs {
	struct inet_addr **buckets;
	unsigned int mask; /* buckets - 1, a power of two less one */
	unsigned int count;
	int64_t deadline;
};

int inet__addrs_open(struct inet *inet)
{
	struct inet__addrs *addrs = calloc(1, sizeof(*addrs));

	if (addrs == NULL)
		return -ENOMEM;
	addrs->mask = 7;
	addrs->deadline = INET_NEVER;
	addrs->buckets = calloc(addrs->mask + 1, sizeof(struct inet_addr *));
	if (addrs->buckets == NULL) {
		free(addrs);
		return -ENOMEM;
	}
	inet->addrs = addrs;
	return 0;
}

void inet__addrs_close(struct inet *inet)
{
	if (inet->addrs == NULL)
		return;
	free(inet->addrs->buckets);
	free(inet->addrs);
	inet->addrs = NULL;
}

/* ------------------------------------------------------------------------------------------------------- hash table */

static struct inet_addr **bucket_of(const struct inet__addrs *addrs, int family, const union inet_ip *ip)
{
	return &addrs->buckets[inet__hash(family, ip, 0) & addrs->mask];
}

/** grow - twice as many buckets; without memory it stays as it is, and slower */
static void grow(struct inet__addrs *addrs)
{
	struct inet__addrs bigger = {.mask = 2 * addrs->mask + 1};

	bigger.buckets = calloc(bigger.mask + 1, sizeof(struct inet_addr *));
	if (bigger.buckets == NULL)
		return;
	for (unsigned int i = 0; i <= addrs->mask; i++) {
		struct inet_addr *addr;

		while ((addr = addrs->buckets[i]) != NULL) {
			struct inet_addr **bucket = bucket_of(&bigger, addr->family, &addr->local);

			addrs->buckets[i] = addr->hash_next;
			addr->hash_next = *bucket;
			*bucket = addr;
		}
	}
	free(addrs->buckets);
	addrs->buckets = bigger.buckets;
	addrs->mask = bigger.mask;
}

/** through_route - an address that a route to a whole network makes ours: 127.0.0.2; the one that answers for it */
static struct inet_addr *through_route(struct inet *inet, int family, const union inet_ip *ip,
                                       const struct inet_iface *iface)
{
	struct inet__query query = {
	        .family = family, .dst = ip, .oif = iface != NULL ? iface->index : 0, .any_state = true};
	const struct inet_route *route;
	struct inet_addr *addr;
	int error;

	route = family == AF_INET ? inet__lookup4(inet, &query, &error) : inet__lookup6(inet, &query, &error);
	if (route == NULL || route->type != RTN_LOCAL || route->prefixlen == inet__bits(family))
		return NULL;
	if (route->has_prefsrc) {
		addr = inet__addr_find(route->iface, family, &route->prefsrc, -1, NULL);
		if (addr != NULL)
			return addr;
	}
	for (addr = route->iface->addrs; addr != NULL; addr = addr->next)
		if (addr->family == family && inet__addr_usable(addr))
			return addr;
	return NULL;
}

struct inet_addr *inet_local(struct inet *inet, int family, const union inet_ip *ip, const struct inet_iface *iface)
{
	struct inet_addr *addr;

	for (addr = *bucket_of(inet->addrs, family, ip); addr != NULL; addr = addr->hash_next)
		if (addr->family == family && inet__ip_equal(family, &addr->local, ip) && inet__addr_usable(addr) &&
		    (iface == NULL || addr->iface == iface))
			return addr;
	return through_route(inet, family, ip, iface);
}

/* --------------------------------------------------------------------------------------------------- life and death */

struct inet_addr *inet__addr_make(struct inet_iface *iface, const struct inet__addr_spec *spec)
{
	const char *label = spec->label != NULL ? spec->label : iface->name;
	struct inet_addr *addr;
	unsigned int count = 0;

	for (addr = iface->addrs; addr != NULL; addr = addr->next)
		count++;
	if (count >= INET_ADDRS_MAX)
		return NULL;
	addr = calloc(1, sizeof(*addr));
	if (addr == NULL)
		return NULL;
	addr->iface = iface;
	addr->family = spec->family;
	memcpy(&addr->local, &spec->local, inet__addr_len(spec->family));
	memcpy(&addr->peer, &spec->peer, inet__addr_len(spec->family));
	addr->has_broadcast = spec->has_broadcast;
	addr->broadcast = spec->broadcast;
	addr->prefixlen = spec->prefixlen;
	addr->scope = spec->scope;
	addr->flags = spec->flags;
	addr->proto = spec->proto;
	addr->metric = spec->metric;
	if (spec->family == AF_INET)
		memcpy(addr->label, label, strnlen(label, sizeof(addr->label) - 1));
	addr->created = inet__now(iface->inet);
	addr->dad_next = INET_NEVER;
	inet__addr_times(addr, spec->preferred, spec->valid);
	return addr;
}

void inet__addr_insert(struct inet_addr *addr, struct inet_addr **at)
{
	struct inet__addrs *addrs = addr->iface->inet->addrs;
	struct inet_addr **bucket;

	addr->next = *at;
	*at = addr;
	if (++addrs->count > addrs->mask)
		grow(addrs);
	bucket = bucket_of(addrs, addr->family, &addr->local);
	addr->hash_next = *bucket;
	*bucket = addr;
}

/** next_event - when the address has something to do */
static int64_t next_event(const struct inet_addr *addr)
{
	int64_t when = addr->dad_next < addr->valid_until ? addr->dad_next : addr->valid_until;

	if (!(addr->flags & IFA_F_DEPRECATED) && addr->preferred_until < when)
		when = addr->preferred_until;
	return when;
}

/** find_deadline - look at all addresses */
static void find_deadline(struct inet *inet)
{
	int64_t deadline = INET_NEVER;

	for (struct inet_iface *iface = inet->ifaces; iface != NULL; iface = iface->next)
		for (struct inet_addr *addr = iface->addrs; addr != NULL; addr = addr->next)
			if (next_event(addr) < deadline)
				deadline = next_event(addr);
	inet->addrs->deadline = deadline;
}

void inet__addr_take_out(struct inet_addr *addr)
{
	struct inet *inet = addr->iface->inet;
	struct inet_addr **at = &addr->iface->addrs;

	while (*at != addr)
		at = &(*at)->next;
	*at = addr->next;
	at = bucket_of(inet->addrs, addr->family, &addr->local);
	while (*at != addr)
		at = &(*at)->hash_next;
	*at = addr->hash_next;
	inet->addrs->count--;
	if (next_event(addr) != INET_NEVER)
		find_deadline(inet);
}

void inet__addr_free(struct inet_addr *addr)
{
	free(addr);
}

int inet__addr_tell(struct inet_addr *addr)
{
	struct inet *inet = addr->iface->inet;
	int error;

	if (addr->told)
		return 0;
	error = inet->ops->addr_add(inet->owner, addr);
	addr->told = error == 0;
	return error;
}

void inet__addr_untell(struct inet_addr *addr)
{
	struct inet *inet = addr->iface->inet;

	if (!addr->told)
		return;
	addr->told = false;
	inet->ops->addr_del(inet->owner, addr);
}

void inet__addr_notify(struct inet_addr *addr, bool del)
{
	if (!addr->iface->inet->closing)
		inet__notify_addr(addr, del);
}

int inet__addr_add(struct inet_iface *iface, const struct inet__addr_spec *spec, unsigned int nlm_flags,
                   struct inet_addr **out)
{
	struct inet_addr *made;
	int error;

	if (iface->private->removing)
		return -ENODEV;
	if (spec->prefixlen > inet__bits(spec->family))
		return nlq_error(-EINVAL, NULL,
		                 spec->family == AF_INET ? "ipv4: Invalid prefix length"
		                                         : "ipv6: Invalid prefix length");
	if (spec->valid == 0 || spec->preferred > spec->valid)
		return nlq_error(-EINVAL, NULL, "address lifetime invalid");
	error = spec->family == AF_INET ? inet__addr4_add(iface, spec, nlm_flags, &made)
	                                : inet__addr6_add(iface, spec, nlm_flags, &made);
	if (error == 0 && out != NULL)
		*out = made;
	return error;
}

void inet__addr_delete(struct inet_addr *addr)
{
	if (addr->family == AF_INET)
		inet__addr4_delete(addr);
	else
		inet__addr6_delete(addr);
}

struct inet_addr *inet__addr_find(struct inet_iface *iface, int family, const union inet_ip *local, int prefixlen,
                                  const char *label)
{
	struct inet_addr *addr;

	for (addr = iface->addrs; addr != NULL; addr = addr->next)
		if (addr->family == family && (local == NULL || inet__ip_equal(family, &addr->local, local)) &&
		    (prefixlen < 0 || addr->prefixlen == prefixlen) &&
		    (label == NULL || family != AF_INET || strcmp(addr->label, label) == 0))
			break;
	return addr;
}

/* -------------------------------------------------------------------------------------------------------- lifetimes */

/** ends - the time that is @seconds from @now */
static int64_t ends(int64_t now, uint32_t seconds)
{
	return seconds == INET_FOREVER ? INET_NEVER : now + seconds * INET_SECOND;
}

bool inet__addr_times(struct inet_addr *addr, uint32_t preferred, uint32_t valid)
{
	int64_t now = inet__now(addr->iface->inet), first = ends(now, preferred), last = ends(now, valid);
	uint32_t flags = addr->flags & ~(uint32_t)(IFA_F_PERMANENT | IFA_F_DEPRECATED);
	bool changed;

	if (valid == INET_FOREVER)
		flags |= IFA_F_PERMANENT;
	if (preferred == 0)
		flags |= IFA_F_DEPRECATED;
	changed = flags != addr->flags || first != addr->preferred_until || last != addr->valid_until;
	addr->flags = flags;
	addr->preferred_until = first;
	addr->valid_until = last;
	addr->updated = now;
	inet__addr_schedule(addr->iface->inet, next_event(addr));
	return changed;
}

void inet__addr_lifetimes(struct inet_addr *addr, uint32_t preferred, uint32_t valid)
{
	uint32_t before = addr->flags;

	if (!inet__addr_times(addr, preferred, valid))
		return;
	if (addr->family == AF_INET6)
		inet__addr_routes_add(addr); /* the one to its network ends when the address does */
	if (addr->flags != before)
		inet__routes_changed(addr->iface->inet); /* another source may be better now */
	inet__addr_notify(addr, false);
}

void inet__addr_schedule(struct inet *inet, int64_t when)
{
	if (when < inet->addrs->deadline)
		inet->addrs->deadline = when;
}

int64_t inet__addrs_deadline(const struct inet *inet)
{
	return inet->addrs->deadline;
}

/** run_one - false when the address is no more */
static bool run_one(struct inet_addr *addr, int64_t now)
{
	if (addr->valid_until <= now) {
		inet__addr_delete(addr);
		return false;
	}
	if (addr->preferred_until <= now && !(addr->flags & IFA_F_DEPRECATED)) {
		addr->flags |= IFA_F_DEPRECATED;
		inet__addr_notify(addr, false);
		inet__routes_changed(addr->iface->inet);
	}
	if (addr->dad_next <= now)
		inet__addr6_dad_run(addr, now);
	return true;
}

void inet__addrs_run(struct inet *inet)
{
	int64_t now = inet__now(inet);

	for (struct inet_iface *iface = inet->ifaces; iface != NULL; iface = iface->next) {
		struct inet_addr *addr = iface->addrs;

		/* What is done for one may delete others (secondaries), so begin again when something has been done;
		   each pass leaves less to be done now. */
		while (addr != NULL) {
			if (next_event(addr) > now) {
				addr = addr->next;
				continue;
			}
			run_one(addr, now);
			addr = iface->addrs;
		}
	}
	find_deadline(inet);
}

/* --------------------------------------------------------------------------------------- what interfaces go through */

int inet__addrs_up(struct inet_iface *iface)
{
	int error = inet__addr4_up(iface);

	inet__addr6_up(iface);
	return error;
}

void inet__addrs_down(struct inet_iface *iface)
{
	inet__addr6_down(iface);
}

void inet__addrs_carrier(struct inet_iface *iface)
{
	if (iface->carrier)
		inet__addr6_up(iface);
}

void inet__addrs_flush(struct inet_iface *iface)
{
	inet__addr6_down(iface);
	while (iface->addrs != NULL)
		inet__addr_delete(iface->addrs);
}

/** relabel - give a label the name of the interface, keeping what follows a colon; @number: of the address */
static void relabel(struct inet_addr *addr, const char *name, unsigned int number)
{
	char suffix[sizeof(addr->label)] = "";
	const char *colon = strchr(addr->label, ':');
	size_t len = strlen(name), more;

	if (number > 1 && colon != NULL)
		memcpy(suffix, colon, strlen(colon) + 1);
	else if (number > 1)
		snprintf(suffix, sizeof(suffix), ":%u", number);
	more = strlen(suffix);
	if (len + more >= sizeof(addr->label))
		len = sizeof(addr->label) - 1 - more;
	memset(addr->label, 0, sizeof(addr->label));
	memcpy(addr->label, name, len);
	memcpy(addr->label + len, suffix, more);
}

void inet__addrs_renamed(struct inet_iface *iface)
{
	unsigned int number = 0;

	for (struct inet_addr *addr = iface->addrs; addr != NULL && addr->family == AF_INET; addr = addr->next) {
		relabel(addr, iface->name, ++number);
		inet__addr_notify(addr, false);
	}
}
