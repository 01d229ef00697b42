/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bindlookup.c - which socket gets a packet, by the chain of its port; see bind.c. */
#include "bind.h"

#include <string.h>

/** hears - is a packet to @local from @remote on @iface for the socket? (Its port is known to be.) */
static bool hears(const struct usock__inet *sock, int family, const struct usock_endpoint *local,
                  const struct usock_endpoint *remote, const struct inet_iface *iface)
{
	struct usock__place place = usock__place_of(sock);

	if (!(family == AF_INET ? place.v4 : place.v6) ||
	    (!place.any && !usock__same_ip(family, &place.ip, &local->ip)))
		return false;
	if (sock->sock.options.bound_if != 0 && (iface == NULL || sock->sock.options.bound_if != iface->index))
		return false;
	return !sock->connected || usock__same_end(sock->sock.family, &sock->remote, family, remote);
}

/** score - how well does a socket that hears a packet fit? The address counts most, then who is connected, then the
 * device */
static int score(const struct usock__inet *sock, int family)
{
	return (usock__place_of(sock).any ? 0 : 32) + (sock->connected ? 8 : 0) +
	       (sock->sock.options.bound_if != 0 ? 4 : 0) + (sock->sock.family == family ? 1 : 0);
}

uint32_t usock__bind_hash(struct usock_stack *stack, int family, const struct usock_endpoint *local,
                          const struct usock_endpoint *remote)
{
	union inet_ip ip[2];
	uint64_t word[5] = {0}, hash = stack->binds->secret[0];

	if (usock__effective(family, &local->ip, &ip[0]) == AF_INET) {
		word[0] = ip[0].v4.s_addr;
	} else {
		memcpy(&word[0], &ip[0], 16);
	}
	if (usock__effective(family, &remote->ip, &ip[1]) == AF_INET) {
		word[2] = ip[1].v4.s_addr;
	} else {
		memcpy(&word[2], &ip[1], 16);
	}
	word[4] = (uint64_t)local->port << 16 | remote->port;
	for (unsigned int i = 0; i < 5; i++) {
		hash = (hash ^ word[i]) * UINT64_C(0x9e3779b97f4a7c15);
		hash = (hash ^ hash >> 29) + stack->binds->secret[1];
	}
	return (uint32_t)(hash >> 32);
}

/** reuseport_member - one of the sockets that share with @best by SO_REUSEPORT */
static struct usock__inet *reuseport_member(struct usock__inet *best, const struct usock__ports *table, int family,
                                            int points, const struct usock_endpoint *local,
                                            const struct usock_endpoint *remote, const struct inet_iface *iface)
{
	uint32_t hash = usock__bind_hash(best->sock.stack, family, local, remote);
	unsigned int members = 0, chosen;

	for (struct usock__inet *s = usock__ports_first(table, local->port); s != NULL; s = usock__ports_next(s))
		members += s->sock.options.reuseport && score(s, family) == points &&
		           hears(s, family, local, remote, iface);
	chosen = (unsigned int)((uint64_t)hash * members >> 32);
	for (struct usock__inet *s = usock__ports_first(table, local->port); s != NULL; s = usock__ports_next(s)) {
		if (!s->sock.options.reuseport || score(s, family) != points || !hears(s, family, local, remote, iface))
			continue;
		if (chosen-- == 0)
			return s;
	}
	return best;
}

struct usock__inet *usock__bind_lookup(struct usock_stack *stack, int proto, int family,
                                       const struct usock_endpoint *local, const struct usock_endpoint *remote,
                                       const struct inet_iface *iface)
{
	const struct usock__ports *table = usock__ports_of(stack, proto);
	struct usock__inet *best = NULL;
	int most = -1;

	for (struct usock__inet *sock = usock__ports_first(table, local->port); sock != NULL;
	     sock = usock__ports_next(sock)) {
		int points;

		if (!hears(sock, family, local, remote, iface))
			continue;
		points = score(sock, family);
		if (points > most) {
			most = points;
			best = sock;
		}
	}
	if (best != NULL && best->sock.options.reuseport && !best->connected)
		return reuseport_member(best, table, family, most, local, remote, iface);
	return best;
}

void usock__bind_each(struct usock_stack *stack, int proto, int family, const struct usock_endpoint *local,
                      const struct usock_endpoint *remote, const struct inet_iface *iface,
                      void (*each)(struct usock__inet *sock, void *arg), void *arg)
{
	bool group =
	        family == AF_INET ? IN_MULTICAST(ntohl(local->ip.v4.s_addr)) : IN6_IS_ADDR_MULTICAST(&local->ip.v6);

	for (struct usock__inet *sock = usock__ports_first(usock__ports_of(stack, proto), local->port); sock != NULL;
	     sock = usock__ports_next(sock)) {
		if (!hears(sock, family, local, remote, iface))
			continue;
		if (!group || usock__mcast_wanted(sock, family, &local->ip, &remote->ip, iface))
			each(sock, arg);
	}
}
