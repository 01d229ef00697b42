/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * source.c - which of our addresses a packet comes from when the program has not chosen one.
 *
 * IPv4: the first primary address of the interface whose network the next hop is in, else the first one of sufficient
 * scope, else one of another interface. IPv6: RFC 6724, section 5, with the labels of its default policy table and
 * those that Linux adds; there is no home address (rule 4), and temporary addresses are not preferred (rule 7).
 */
#include "private.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------------------------- IPv4 */

/** own4 - the address of one interface, or NULL; @peer: the next hop, or NULL */
static const struct inet_addr *own4(const struct inet_iface *iface, const union inet_ip *peer, uint8_t scope)
{
	const struct inet_addr *first = NULL;

	for (const struct inet_addr *addr = iface->addrs; addr != NULL; addr = addr->next) {
		uint8_t its = addr->scope < RT_SCOPE_HOST ? addr->scope : RT_SCOPE_HOST;

		if (addr->family != AF_INET || (addr->flags & IFA_F_SECONDARY) || its > scope)
			continue;
		if (peer == NULL || inet__ip_match(AF_INET, peer, &addr->peer, addr->prefixlen))
			return addr;
		if (first == NULL)
			first = addr;
	}
	return first;
}

static const struct inet_addr *source4(struct inet *inet, const struct inet_iface *out, const union inet_ip *peer,
                                       uint8_t scope)
{
	const struct inet_addr *addr = own4(out, peer, scope);

	for (const struct inet_iface *iface = inet->ifaces; addr == NULL && iface != NULL; iface = iface->next)
		for (addr = iface->addrs; addr != NULL; addr = addr->next)
			if (addr->family == AF_INET && !(addr->flags & IFA_F_SECONDARY) &&
			    addr->scope != RT_SCOPE_LINK && addr->scope <= scope)
				break;
	return addr;
}

/* ------------------------------------------------------------------------------------------------------------- IPv6 */

/* Scopes as multicast addresses number them. */
#define SCOPE_NODE 1
#define SCOPE_LINK 2
#define SCOPE_SITE 5
#define SCOPE_GLOBAL 14

static unsigned int scope6(const struct in6_addr *addr)
{
	if (IN6_IS_ADDR_MULTICAST(addr))
		return addr->s6_addr[1] & 15;
	if (IN6_IS_ADDR_LOOPBACK(addr) || IN6_IS_ADDR_LINKLOCAL(addr))
		return SCOPE_LINK;
	return IN6_IS_ADDR_SITELOCAL(addr) ? SCOPE_SITE : SCOPE_GLOBAL;
}

static unsigned int label6(const union inet_ip *addr)
{
	static const struct {
		union inet_ip prefix;
		uint8_t len, label;
	} policy[] = {
	        {{.v6 = {{{[15] = 1}}}}, 128, 0},
	        {{.v6 = {{{[10] = 0xff, 0xff}}}}, 96, 4},
	        {{.v6 = {{{0}}}}, 96, 3},
	        {{.v6 = {{{0x20, 0x01, 0, 0}}}}, 32, 6},
	        {{.v6 = {{{0x20, 0x01, 0, 0x10}}}}, 28, 7},
	        {{.v6 = {{{0x20, 0x02}}}}, 16, 2},
	        {{.v6 = {{{0x3f, 0xfe}}}}, 16, 12},
	        {{.v6 = {{{0xfe, 0xc0}}}}, 10, 11},
	        {{.v6 = {{{0xfc}}}}, 7, 5},
	};

	for (unsigned int i = 0; i < sizeof(policy) / sizeof(policy[0]); i++)
		if (inet__ip_match(AF_INET6, addr, &policy[i].prefix, policy[i].len))
			return policy[i].label;
	return 1;
}

/** struct want - what the source is for, and what follows from it */
struct want {
	const union inet_ip *dst;
	const struct inet_iface *out;
	unsigned int scope, label;
};

/** compare - the rules of RFC 6724: positive when @a is better than @b, negative when it is worse */
static int compare(const struct inet_addr *a, const struct inet_addr *b, const struct want *want)
{
	bool x = inet__ip_equal(AF_INET6, &a->local, want->dst), y = inet__ip_equal(AF_INET6, &b->local, want->dst);
	unsigned int p = scope6(&a->local.v6), q = scope6(&b->local.v6);
	const uint32_t unwanted = IFA_F_DEPRECATED | IFA_F_OPTIMISTIC;

	if (x != y) /* 1: the destination itself */
		return x - y;
	if (p != q) /* 2: the smallest scope that suffices, else the largest */
		return p < q ? (p < want->scope ? -1 : 1) : (q < want->scope ? 1 : -1);
	x = !(a->flags & unwanted);
	y = !(b->flags & unwanted);
	if (x != y) /* 3: deprecated ones are avoided */
		return x - y;
	x = a->iface == want->out;
	y = b->iface == want->out;
	if (x != y) /* 5: of the outgoing interface */
		return x - y;
	x = label6(&a->local) == want->label;
	y = label6(&b->local) == want->label;
	if (x != y) /* 6: with the same label */
		return x - y;
	x = !(a->flags & IFA_F_TEMPORARY);
	y = !(b->flags & IFA_F_TEMPORARY);
	if (x != y) /* 7, reversed as Linux does by default: public addresses */
		return x - y;
	p = inet__ip_common(AF_INET6, &a->local, want->dst);
	q = inet__ip_common(AF_INET6, &b->local, want->dst);
	p = p < a->prefixlen ? p : a->prefixlen; /* 8: the longest common prefix, the host part not counted */
	q = q < b->prefixlen ? q : b->prefixlen;
	return p > q ? 1 : p < q ? -1 : 0;
}

static const struct inet_addr *best6(const struct inet_iface *iface, const struct inet_addr *best,
                                     const struct want *want)
{
	for (const struct inet_addr *addr = iface->addrs; addr != NULL; addr = addr->next)
		if (addr->family == AF_INET6 && inet__addr_usable(addr) &&
		    (best == NULL || compare(addr, best, want) > 0))
			best = addr;
	return best;
}

static const struct inet_addr *source6(struct inet *inet, const struct inet_iface *out, const union inet_ip *dst)
{
	struct want want = {dst, out, scope6(&dst->v6), label6(dst)};
	const struct inet_addr *best = best6(out, NULL, &want);

	if (want.scope <= SCOPE_LINK || inet__ip_is_group(AF_INET6, dst))
		return best; /* addresses of other interfaces mean nothing on this link */
	for (const struct inet_iface *iface = inet->ifaces; iface != NULL; iface = iface->next)
		if (iface != out)
			best = best6(iface, best, &want);
	return best;
}

bool inet__source(struct inet *inet, int family, const struct inet_iface *iface, const union inet_ip *dst,
                  uint8_t scope, union inet_ip *source)
{
	const struct inet_addr *addr;

	addr = family == AF_INET ? source4(inet, iface, dst, scope) : source6(inet, iface, dst);
	if (addr == NULL)
		return false;
	*source = addr->local;
	return true;
}
