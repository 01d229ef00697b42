/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * addr6.c - IPv6 addresses: duplicate address detection (RFC 4862, 5.4), the link-local address, interface identifiers.
 *
 * An address is tentative at first. When the interface runs, solicitations are sent for it (nd.c), the first after a
 * random part of a second; if nobody answers in a second after the last, it is ours: only then has it a route and is
 * known to the engine. If somebody does, nd.c calls inet__addr_dad_failed; such an address stays, marked, when a user
 * gave it. There is nothing to detect on lo, without ARP, or when the address says so.
 *
 * When its interface goes down an address is deleted, whoever gave it (keep_addr_on_down is 0, Linux's default). One
 * that is given to an interface that is down waits, tentative.
 */
#include "addr.h"

#include <linux/if_link.h>
#include <stdlib.h>
#include <string.h>

#define RETRANSMIT INET_SECOND /* between solicitations */
#define STABLE_RETRIES 3       /* RFC 7217: how often another identifier is tried */

static const struct in6_addr multicast_prefix = {{{0xff}}}, link_local_prefix = {{{0xfe, 0x80}}},
                             all_routers = {{{0xff, 0x02, [15] = 2}}};

/* --------------------------------------------------------------------------------------- solicited-node groups, DAD */

/** listen_for - join or leave the group in which somebody asks for the address */
static void listen_for(struct inet_addr *addr, bool join)
{
	union inet_ip group;

	if (addr->iface->flags & (IFF_LOOPBACK | IFF_NOARP))
		return;
	group.v6 = inet__solicited_node(&addr->local.v6);
	if (join)
		addr->listening = inet_group_join(addr->iface, AF_INET6, &group) == 0;
	else if (addr->listening)
		inet_group_leave(addr->iface, AF_INET6, &group);
}

/** usable_now - detection has ended well, or there was none */
static void usable_now(struct inet_addr *addr)
{
	struct inet_iface *iface = addr->iface;

	addr->flags &= ~(uint32_t)(IFA_F_TENTATIVE | IFA_F_OPTIMISTIC | IFA_F_DADFAILED);
	addr->dad_next = INET_NEVER;
	/* No room in the engine: an address that cannot be used is not shown as one. */
	if (inet__addr_tell(addr) != 0) {
		inet__addr_dad_failed(addr);
		return;
	}
	inet__addr_routes_network(addr);
	inet__addr_notify(addr, false);
	inet__addr_routes_add(addr);
	inet__routes_changed(iface->inet);
	if (inet__ip_is_link_local(AF_INET6, &addr->local) && inet_iface_running(iface))
		inet__nd_start(iface);
}

/** start_dad - the address is in the list: find out whether it is ours alone, as soon as the interface runs */
static void start_dad(struct inet_addr *addr)
{
	struct inet_iface *iface = addr->iface;

	if ((iface->flags & (IFF_NOARP | IFF_LOOPBACK)) || (addr->flags & IFA_F_NODAD) ||
	    !(addr->flags & IFA_F_TENTATIVE)) {
		usable_now(addr);
		return;
	}
	if (!inet_iface_running(iface))
		return;
	if (iface->dad_transmits == 0) {
		usable_now(addr);
		return;
	}
	addr->dad_left = iface->dad_transmits;
	addr->dad_next = inet__now(iface->inet) + (int64_t)inet__random_below((uint64_t)INET_SECOND);
	inet__addr_schedule(iface->inet, addr->dad_next);
}

void inet__addr6_dad_run(struct inet_addr *addr, int64_t now)
{
	if (addr->dad_left == 0) {
		usable_now(addr);
		return;
	}
	addr->dad_left--;
	addr->dad_next = now + RETRANSMIT;
	inet__addr_schedule(addr->iface->inet, addr->dad_next);
	inet__nd_probe(addr);
}

/** try_another - a stable private address that is taken is replaced by another one; false: it has been tried enough */
static bool try_another(struct inet_addr *addr)
{
	struct inet_iface *iface = addr->iface;
	struct inet__addr_spec spec = {.family = AF_INET6,
	                               .prefixlen = addr->prefixlen,
	                               .flags = IFA_F_STABLE_PRIVACY,
	                               .proto = addr->proto,
	                               .preferred = INET_FOREVER,
	                               .valid = INET_FOREVER};
	unsigned int failures = addr->dad_failures + 1;
	struct inet_addr *next;

	if (!(addr->flags & IFA_F_STABLE_PRIVACY) || addr->proto != IFAPROT_KERNEL_LL || failures > STABLE_RETRIES)
		return false;
	spec.local.v6 = link_local_prefix;
	if (!inet__addr_interface_id(iface, &link_local_prefix, failures, spec.local.v6.s6_addr + 8))
		return false;
	spec.peer = spec.local;
	inet__addr6_delete(addr);
	if (inet__addr6_add(iface, &spec, NLM_F_CREATE | NLM_F_EXCL, &next) == 0)
		next->dad_failures = failures;
	return true;
}

void inet__addr_dad_failed(struct inet_addr *addr)
{
	addr->dad_next = INET_NEVER;
	if (addr->proto == IFAPROT_KERNEL_RA)
		inet__nd_addr_gone(addr, true);
	if (try_another(addr))
		return;
	if (!(addr->flags & IFA_F_PERMANENT)) {
		inet__addr6_delete(addr);
		return;
	}
	addr->flags |= IFA_F_TENTATIVE | IFA_F_DADFAILED;
	inet__addr_notify(addr, false);
}

/* ---------------------------------------------------------------------------------------------- adding and deleting */

/** scope_of - the scope that an address has, in the terms of netlink */
static uint8_t scope_of(const struct in6_addr *addr)
{
	if (IN6_IS_ADDR_LOOPBACK(addr))
		return RT_SCOPE_HOST;
	if (IN6_IS_ADDR_LINKLOCAL(addr))
		return RT_SCOPE_LINK;
	return IN6_IS_ADDR_SITELOCAL(addr) ? RT_SCOPE_SITE : RT_SCOPE_UNIVERSE;
}

/** place_for - behind those of IPv4 and of wider scope, before those of the same one */
static struct inet_addr **place_for(struct inet_iface *iface, const struct inet_addr *addr)
{
	struct inet_addr **at = &iface->addrs;

	while (*at != NULL && ((*at)->family == AF_INET || (*at)->scope < addr->scope))
		at = &(*at)->next;
	return at;
}

/** change - `ip addr replace` of an address that is there: flags, metric, lifetimes */
static int change(struct inet_addr *addr, const struct inet__addr_spec *spec, unsigned int nlm_flags)
{
	const uint32_t settable = IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE;
	const struct inet_addr before = *addr;

	if ((nlm_flags & NLM_F_EXCL) || !(nlm_flags & NLM_F_REPLACE))
		return nlq_error(-EEXIST, NULL, "ipv6: address already assigned");
	if (spec->metric != 0)
		addr->metric = spec->metric;
	addr->flags = (addr->flags & ~settable) | (spec->flags & settable);
	addr->proto = spec->proto;
	inet__addr_times(addr, spec->preferred, spec->valid);
	inet__addr_routes_update(addr, &before);
	inet__routes_changed(addr->iface->inet);
	inet__addr_notify(addr, false);
	return 0;
}

static int check(struct inet_iface *iface, const struct inet__addr_spec *spec)
{
	const struct in6_addr *local = &spec->local.v6;

	if (!inet__iface_has6(iface))
		return nlq_error(-EACCES, NULL, "ipv6: IPv6 is disabled on this device");
	if (IN6_IS_ADDR_UNSPECIFIED(local))
		return nlq_error(-EADDRNOTAVAIL, NULL, "ipv6: Invalid address");
	if (IN6_IS_ADDR_MULTICAST(local))
		return nlq_error(-EADDRNOTAVAIL, NULL,
		                 "ipv6: Cannot assign multicast address without \"IFA_F_MCAUTOJOIN\" flag");
	if (IN6_IS_ADDR_LOOPBACK(local) && !(iface->flags & IFF_LOOPBACK))
		return nlq_error(-EADDRNOTAVAIL, NULL, "ipv6: Cannot assign loopback address on this device");
	if ((spec->flags & IFA_F_MANAGETEMPADDR) && spec->prefixlen != 64)
		return nlq_error(-EINVAL, NULL,
		                 "ipv6: address with \"mngtmpaddr\" flag must have a prefix length of 64");
	return 0;
}

/** add_group_route - packets to groups find the interface by a route, there from the first address on */
static void add_group_route(struct inet_iface *iface)
{
	struct inet_route route;

	if ((iface->flags & IFF_LOOPBACK) || !(iface->flags & IFF_UP))
		return;
	inet__route_init(&route, AF_INET6);
	route.dst.v6 = multicast_prefix;
	route.prefixlen = 8;
	route.type = RTN_MULTICAST;
	route.table = RT_TABLE_LOCAL;
	route.protocol = RTPROT_KERNEL;
	route.metric = 256;
	route.iface = iface;
	(void)inet__route_add(iface->inet, &route, NLM_F_CREATE); /* -EEXIST from the second address on */
}

int inet__addr6_add(struct inet_iface *iface, const struct inet__addr_spec *spec, unsigned int nlm_flags,
                    struct inet_addr **out)
{
	struct inet_addr *addr = inet__addr_find(iface, AF_INET6, &spec->local, -1, NULL);
	int error = check(iface, spec);

	if (error != 0)
		return error;
	if (addr != NULL) {
		*out = addr;
		return change(addr, spec, nlm_flags);
	}
	addr = inet__addr_make(iface, spec);
	if (addr == NULL)
		return -ENOBUFS;
	addr->scope = scope_of(&addr->local.v6);
	addr->flags &= ~(uint32_t)(IFA_F_DADFAILED | IFA_F_TENTATIVE);
	if (!(addr->flags & IFA_F_NODAD) && addr->proto != IFAPROT_KERNEL_LO)
		addr->flags |= IFA_F_TENTATIVE;
	inet__addr_insert(addr, place_for(iface, addr));
	add_group_route(iface);
	inet__addr_routes_network(addr);
	if (!(addr->flags & IFA_F_OPTIMISTIC) && addr->flags & IFA_F_TENTATIVE)
		inet__addr_notify(addr, false);
	listen_for(addr, true);
	start_dad(addr);
	*out = addr;
	return 0;
}

void inet__addr6_delete(struct inet_addr *addr)
{
	struct inet *inet = addr->iface->inet;

	listen_for(addr, false);
	inet__addr_notify(addr, true);
	inet__addr_routes_delete(addr);
	inet__addr_take_out(addr);
	inet__routes_prefsrc_gone(inet, AF_INET6, &addr->local);
	inet__addr_untell(addr);
	inet__routes_changed(inet);
	inet__addr_free(addr);
}

struct inet_addr *inet__addr_link_local(const struct inet_iface *iface)
{
	struct inet_addr *addr;

	for (addr = iface->addrs; addr != NULL; addr = addr->next)
		if (inet__ip_is_link_local(addr->family, &addr->local) && inet__addr_usable(addr))
			break;
	return addr;
}

/* -------------------------------------------------------------------------------------------- interface identifiers */

/** stable_id - RFC 7217: the same for a prefix each time, another for each prefix, and nothing can be told from it */
static void stable_id(const struct inet_iface *iface, const struct in6_addr *prefix, unsigned int retry,
                      unsigned char id[8])
{
	unsigned char data[8 + 6 + 1];
	uint64_t hash;

	memcpy(data, prefix, 8);
	memcpy(data + 8, iface->private->permanent_mac, 6);
	data[14] = (unsigned char)retry;
	hash = inet__siphash(iface->private->stable_secret, data, sizeof(data));
	memcpy(id, &hash, 8);
}

bool inet__addr_interface_id(struct inet_iface *iface, const struct in6_addr *prefix, unsigned int retry,
                             unsigned char id[8])
{
	switch (iface->addr_gen_mode) {
	case IN6_ADDR_GEN_MODE_EUI64:
		if (iface->type != ARPHRD_ETHER)
			return false;
		memcpy(id, iface->mac, 3);
		id[0] ^= 2;
		id[3] = 0xff;
		id[4] = 0xfe;
		memcpy(id + 5, iface->mac + 3, 3);
		return true;
	case IN6_ADDR_GEN_MODE_STABLE_PRIVACY:
	case IN6_ADDR_GEN_MODE_RANDOM:
		stable_id(iface, prefix, retry, id);
		return true;
	default:
		return false;
	}
}

/* --------------------------------------------------------------------------------------- what interfaces go through */

/** add_link_local - as the mode says, unless there is none to be made */
static void add_link_local(struct inet_iface *iface)
{
	struct inet__addr_spec spec = {.family = AF_INET6,
	                               .prefixlen = 64,
	                               .proto = IFAPROT_KERNEL_LL,
	                               .preferred = INET_FOREVER,
	                               .valid = INET_FOREVER};
	struct inet_addr *addr;

	spec.local.v6 = link_local_prefix;
	if (!inet__addr_interface_id(iface, &link_local_prefix, 0, spec.local.v6.s6_addr + 8))
		return;
	if (iface->addr_gen_mode != IN6_ADDR_GEN_MODE_EUI64)
		spec.flags = IFA_F_STABLE_PRIVACY;
	spec.peer = spec.local;
	(void)inet__addr6_add(iface, &spec, NLM_F_CREATE | NLM_F_EXCL,
	                      &addr); /* -EEXIST: somebody gave it that address */
}

static void add_loopback(struct inet_iface *lo)
{
	struct inet__addr_spec spec = {.family = AF_INET6,
	                               .prefixlen = 128,
	                               .proto = IFAPROT_KERNEL_LO,
	                               .preferred = INET_FOREVER,
	                               .valid = INET_FOREVER};
	struct inet_addr *addr;

	spec.local.v6.s6_addr[15] = 1;
	spec.peer = spec.local;
	(void)inet__addr6_add(lo, &spec, NLM_F_CREATE | NLM_F_EXCL, &addr);
}

void inet__addr6_up(struct inet_iface *iface)
{
	struct inet_addr *addr, *next;
	union inet_ip routers = {.v6 = all_routers};

	if (!inet__iface_has6(iface) || !inet_iface_running(iface))
		return;
	for (addr = iface->addrs; addr != NULL; addr = next) {
		next = addr->next;
		if (addr->family != AF_INET6)
			continue;
		inet__addr_routes_add(addr);
		if ((addr->flags & IFA_F_TENTATIVE) && !(addr->flags & IFA_F_DADFAILED))
			start_dad(addr);
	}
	if (iface->private->configured6) {
		if (inet__addr_link_local(iface) != NULL)
			inet__nd_start(iface); /* the carrier is back: perhaps it is another network */
		return;
	}
	iface->private->configured6 = true;
	if (iface->flags & IFF_LOOPBACK) {
		add_loopback(iface);
		return;
	}
	add_group_route(iface);
	if (iface->inet->forwarding)
		iface->private->routers6 = inet_group_join(iface, AF_INET6, &routers) == 0;
	add_link_local(iface);
}

/** leave_routers - of an interface on which we were one */
static void leave_routers(struct inet_iface *iface)
{
	union inet_ip routers = {.v6 = all_routers};

	if (iface->private->routers6)
		inet_group_leave(iface, AF_INET6, &routers);
	iface->private->routers6 = false;
}

void inet__addr6_down(struct inet_iface *iface)
{
	struct inet_addr *addr, *next;

	for (addr = iface->addrs; addr != NULL; addr = next) {
		next = addr->next;
		if (addr->family == AF_INET6)
			inet__addr6_delete(addr);
	}
	inet__routes_iface_down6(iface);
	leave_routers(iface);
	iface->private->configured6 = false;
}

void inet__addrs_disable6(struct inet_iface *iface)
{
	inet__nd_stop(iface);
	inet__neigh_flush(iface, AF_INET6);
	inet__addr6_down(iface);
	iface->private->disabled6 = true;
}

void inet__addrs_enable6(struct inet_iface *iface)
{
	iface->private->disabled6 = false;
	inet__addr6_up(iface);
}

void inet__addrs_forwarding(struct inet *inet)
{
	union inet_ip routers = {.v6 = all_routers};

	for (struct inet_iface *iface = inet->ifaces; iface != NULL; iface = iface->next) {
		if (!iface->private->configured6 || (iface->flags & IFF_LOOPBACK))
			continue;
		if (inet->forwarding)
			iface->private->routers6 = inet_group_join(iface, AF_INET6, &routers) == 0;
		else
			leave_routers(iface);
		for (struct inet_addr *addr = iface->addrs; addr != NULL; addr = addr->next) {
			struct inet_route anycast;

			if (addr->family != AF_INET6)
				continue;
			if (inet->forwarding) {
				/* The anycast address of the routers of its network is new. */
				inet__addr_routes_add(addr);
				continue;
			}
			inet__route_init(&anycast, AF_INET6);
			anycast.table = RT_TABLE_LOCAL;
			anycast.protocol = RTPROT_KERNEL;
			anycast.dst = addr->local;
			inet__ip_mask(AF_INET6, &anycast.dst, addr->prefixlen);
			anycast.prefixlen = 128;
			anycast.iface = iface;
			if (addr->prefixlen < 127)
				(void)inet__route_delete(inet, &anycast);
		}
	}
}
