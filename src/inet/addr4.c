/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * addr4.c - IPv4 addresses.
 *
 * The first address of a network is the primary one of its interface, others in the same network are secondary: they
 * bring no route to the network, packets do not come from them by themselves, and they are deleted with the primary one
 * (as Linux does while promote_secondaries is 0, its default). Primary ones stand before secondary ones in the list.
 *
 * Addresses stay when their interface goes down; only the routes to others go.
 */
#include "addr.h"

#include <string.h>

/** same_network - do two addresses have the same network, in the sense of primary and secondary ones? */
static bool same_network(const struct inet_addr *a, const struct inet_addr *b)
{
	return a->prefixlen == b->prefixlen && inet__ip_match(AF_INET, &a->peer, &b->peer, a->prefixlen);
}

/** place_for - where a new address goes in the list; makes it secondary when it is; or -EEXIST, -EINVAL */
static int place_for(struct inet_iface *iface, struct inet_addr *addr, struct inet_addr ***place)
{
	struct inet_addr **at, **primary_end = &iface->addrs;

	for (at = &iface->addrs; *at != NULL && (*at)->family == AF_INET; at = &(*at)->next) {
		if (!((*at)->flags & IFA_F_SECONDARY) && addr->scope <= (*at)->scope)
			primary_end = &(*at)->next;
		if (!same_network(*at, addr))
			continue;
		if (inet__ip_equal(AF_INET, &(*at)->local, &addr->local))
			return nlq_error(-EEXIST, NULL, "ipv4: Address already assigned");
		if ((*at)->scope != addr->scope)
			return nlq_error(-EINVAL, NULL, "ipv4: Invalid scope value");
		addr->flags |= IFA_F_SECONDARY;
	}
	*place = addr->flags & IFA_F_SECONDARY ? at : primary_end;
	return 0;
}

/** existing - the address that the spec means, or NULL */
static struct inet_addr *existing(struct inet_iface *iface, const struct inet__addr_spec *spec)
{
	for (struct inet_addr *addr = iface->addrs; addr != NULL && addr->family == AF_INET; addr = addr->next)
		if (addr->prefixlen == spec->prefixlen && inet__ip_equal(AF_INET, &addr->local, &spec->local) &&
		    inet__ip_match(AF_INET, &addr->peer, &spec->peer, spec->prefixlen))
			return addr;
	return NULL;
}

/** change - `ip addr replace` of an address that is there: metric, protocol, lifetimes */
static int change(struct inet_addr *addr, const struct inet__addr_spec *spec, unsigned int nlm_flags)
{
	const struct inet_addr before = *addr;

	if ((nlm_flags & NLM_F_EXCL) || !(nlm_flags & NLM_F_REPLACE))
		return nlq_error(-EEXIST, NULL, "ipv4: Address already assigned");
	if (addr->metric != spec->metric) {
		addr->metric = spec->metric;
		inet__addr_routes_update(addr, &before);
	}
	addr->proto = spec->proto;
	inet__addr_times(addr, spec->preferred, spec->valid);
	inet__addr_notify(addr, false);
	return 0;
}

int inet__addr4_add(struct inet_iface *iface, const struct inet__addr_spec *spec, unsigned int nlm_flags,
                    struct inet_addr **out)
{
	struct inet_addr *addr = existing(iface, spec), **place = &iface->addrs;
	int error;

	if (addr != NULL) {
		*out = addr;
		return change(addr, spec, nlm_flags);
	}
	addr = inet__addr_make(iface, spec);
	if (addr == NULL)
		return -ENOBUFS;
	addr->flags &= ~(uint32_t)IFA_F_SECONDARY;
	error = place_for(iface, addr, &place);
	if (error == 0)
		error = inet__addr_tell(addr);
	if (error != 0) {
		inet__addr_free(addr);
		return error;
	}
	inet__addr_insert(addr, place);
	inet__addr_notify(addr, false);
	inet__addr_routes_add(addr);
	inet__routes_changed(iface->inet);
	*out = addr;
	return 0;
}

/** delete_one - one address, whatever depends on it */
static void delete_one(struct inet_addr *addr)
{
	struct inet *inet = addr->iface->inet;
	struct inet_iface *iface;

	inet__addr_notify(addr, true);
	inet__addr_routes_delete(addr);
	inet__addr_take_out(addr);
	for (iface = inet->ifaces; iface != NULL; iface = iface->next)
		if (inet__addr_find(iface, AF_INET, &addr->local, -1, NULL) != NULL)
			break;
	if (iface == NULL)
		inet__routes_prefsrc_gone(inet, AF_INET, &addr->local);
	if (addr->iface->addrs == NULL || addr->iface->addrs->family != AF_INET)
		inet__routes_iface_down4(addr->iface);
	inet__addr_untell(addr);
	inet__routes_changed(inet);
	inet__addr_free(addr);
}

void inet__addr4_delete(struct inet_addr *addr)
{
	struct inet_addr *other, *next;

	if (!(addr->flags & IFA_F_SECONDARY))
		for (other = addr->next; other != NULL && other->family == AF_INET; other = next) {
			next = other->next;
			if ((other->flags & IFA_F_SECONDARY) && same_network(other, addr))
				delete_one(other);
		}
	delete_one(addr);
}

/** add_loopback - lo gets its address whenever it goes up, if it has lost it */
static int add_loopback(struct inet_iface *lo)
{
	struct inet__addr_spec spec = {.family = AF_INET,
	                               .prefixlen = 8,
	                               .scope = RT_SCOPE_HOST,
	                               .preferred = INET_FOREVER,
	                               .valid = INET_FOREVER};
	struct inet_addr *addr;
	int error;

	spec.local.v4.s_addr = spec.peer.v4.s_addr = htonl(INADDR_LOOPBACK);
	error = inet__addr4_add(lo, &spec, NLM_F_CREATE | NLM_F_EXCL, &addr);
	return error == -EEXIST ? 0 : error;
}

int inet__addr4_up(struct inet_iface *iface)
{
	int error = iface->flags & IFF_LOOPBACK ? add_loopback(iface) : 0;

	for (struct inet_addr *addr = iface->addrs; addr != NULL && addr->family == AF_INET; addr = addr->next)
		inet__addr_routes_add(addr);
	return error;
}
