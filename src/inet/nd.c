/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nd.c - neighbour discovery for IPv6 (RFC 4861), duplicate address detection (RFC 4862, RFC 7527), redirects.
 *
 * What is learned is kept by neigh.c, what routers say by ra.c; the schedule of duplicate address detection is
 * addr.c's. Here are the messages. A message is looked at only when it came with hop limit 255, that is, from this
 * link, and when every option in it has a length that fits; otherwise all of it is dropped. The checksum has been
 * verified.
 *
 * Our own probes may come back to us on some networks. Those that come as frames of our own are dropped by ether.c;
 * others are known by their nonce, which is a keyed hash of the address, so that nothing has to be remembered.
 */
#include "neigh.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <stdlib.h>

#define NONCE 14    /* the option of RFC 3971 */
#define NONCE_LEN 6 /* bytes, which fill 8 with the option's header */
#define IP6_HEADER 40
#define NS_LEN 24 /* with the target, without options; neighbour advertisements too */
#define REDIRECT_LEN 40

static const struct in6_addr all_nodes = {{{0xff, 0x02, [15] = 1}}};

/* -------------------------------------------------------------------------------------------------------- messages */

unsigned char *inet__nd_begin(struct inet__nd_message *message, uint8_t type, size_t len)
{
	unsigned char *icmp = message->room + INET_HEADROOM + IP6_HEADER;

	memset(message->room, 0, sizeof(message->room));
	message->len = len;
	icmp[0] = type;
	return icmp;
}

/** put_option - append an option of 8 bytes; there is room for all that a message needs */
static void put_option(struct inet__nd_message *message, uint8_t type, const unsigned char content[6])
{
	unsigned char *option = message->room + INET_HEADROOM + IP6_HEADER + message->len;

	option[0] = type;
	option[1] = 1;
	memcpy(option + 2, content, 6);
	message->len += 8;
}

void inet__nd_put_mac(struct inet__nd_message *message, uint8_t type, const unsigned char mac[6])
{
	put_option(message, type, mac);
}

void inet__nd_send(struct inet_iface *iface, struct inet__nd_message *message, const struct in6_addr *src,
                   const struct in6_addr *dst, const unsigned char *mac)
{
	unsigned char *packet = message->room + INET_HEADROOM, *icmp = packet + IP6_HEADER, known[6];
	const union inet_ip *ip = (const union inet_ip *)dst;
	struct inet *inet = iface->inet;
	uint32_t checksum;

	packet[0] = 6 << 4;
	inet__put16(packet + 4, (unsigned int)message->len);
	packet[6] = IPPROTO_ICMPV6;
	packet[7] = 255;
	memcpy(packet + 8, src, 16);
	memcpy(packet + 24, dst, 16);
	checksum = inet__sum((uint32_t)message->len + IPPROTO_ICMPV6, packet + 8, 32);
	inet__sum_put(icmp + 2, inet__sum(checksum, icmp, message->len));

	if (!mac && IN6_IS_ADDR_MULTICAST(dst)) {
		inet__group_mac(AF_INET6, ip, known);
		mac = known;
	}
	if (!mac) {
		const struct inet_neigh *neigh = inet__neigh_find(iface, AF_INET6, ip);

		/* That we answer somebody is no reason to find out whether he is there. */
		if (neigh && (neigh->state & INET__NUD_VALID))
			mac = memcpy(known, neigh->mac, 6);
	}
	if (mac)
		inet->ops->ip_output(inet->owner, iface, mac, packet, IP6_HEADER + message->len);
	else
		inet_output(iface, AF_INET6, ip, packet, IP6_HEADER + message->len);
}

/** take_mac - the hardware address in an option, if it is there for the first time; false: no station has such a one */
static bool take_mac(const unsigned char *option, const unsigned char **mac)
{
	if (option[1] != 1 || !inet__mac_unicast(option + 2))
		return false;
	if (!*mac)
		*mac = option + 2;
	return true;
}

bool inet__nd_options(const unsigned char *option, size_t len, struct inet__nd_options *found)
{
	*found = (struct inet__nd_options){0};
	while (len > 0) {
		size_t size = len >= 2 ? option[1] * 8U : 0;

		if (size == 0 || size > len)
			return false;
		switch (option[0]) {
		case ND_OPT_SOURCE_LINKADDR:
			if (!take_mac(option, &found->source_mac))
				return false;
			break;
		case ND_OPT_TARGET_LINKADDR:
			if (!take_mac(option, &found->target_mac))
				return false;
			break;
		case ND_OPT_MTU:
			if (size == 8 && !found->mtu)
				found->mtu = option + 4;
			break;
		case NONCE:
			if (!found->nonce) {
				found->nonce = option + 2;
				found->nonce_len = size - 2;
			}
			break;
		default:
			break;
		}
		option += size;
		len -= size;
	}
	return true;
}

/** nonce_of - what our probes for an address carry */
static void nonce_of(const struct inet_iface *iface, const struct in6_addr *addr, unsigned char nonce[NONCE_LEN])
{
	const struct inet__nd_table *nd = iface->inet->nd;
	const union inet_ip *ip = (const union inet_ip *)addr;

	inet__put32(nonce, inet__hash(AF_INET6, ip, nd->nonce_seed[0] ^ iface->index));
	inet__put16(nonce + 4, inet__hash(AF_INET6, ip, nd->nonce_seed[1] ^ iface->index) & 0xffff);
}

/* --------------------------------------------------------------------------------------------------------- sending */

void inet__nd_probe(struct inet_addr *addr)
{
	struct in6_addr group = inet__solicited_node(&addr->local.v6);
	struct inet__nd_message message;
	unsigned char nonce[NONCE_LEN], *icmp = inet__nd_begin(&message, ND_NEIGHBOR_SOLICIT, NS_LEN);

	memcpy(icmp + 8, &addr->local.v6, 16);
	nonce_of(addr->iface, &addr->local.v6, nonce);
	put_option(&message, NONCE, nonce);
	inet__nd_send(addr->iface, &message, &in6addr_any, &group, NULL);
}

void inet__nd_solicit(struct inet_iface *iface, const struct in6_addr *target, const unsigned char *mac,
                      const struct in6_addr *src)
{
	struct in6_addr dst = mac ? *target : inet__solicited_node(target);
	const struct inet_addr *own = src ? NULL : inet__addr_link_local(iface);
	struct inet__nd_message message;
	unsigned char *icmp = inet__nd_begin(&message, ND_NEIGHBOR_SOLICIT, NS_LEN);
	union inet_ip chosen, ip = {.v6 = *target};

	if (own)
		src = &own->local.v6;
	if (!src && inet__source(iface->inet, AF_INET6, iface, &ip, RT_SCOPE_UNIVERSE, &chosen))
		src = &chosen.v6;
	if (!src)
		return; /* nobody to answer to */
	memcpy(icmp + 8, target, 16);
	inet__nd_put_mac(&message, ND_OPT_SOURCE_LINKADDR, iface->mac);
	inet__nd_send(iface, &message, src, &dst, mac);
}

/**
 * advertise - answer a solicitation
 * @dst: who asked; unspecified when it was a probe, which everybody hears the answer to
 * @group: it was asked of the group, so the one who asked does not know our hardware address
 */
static void advertise(struct inet_iface *iface, const struct in6_addr *target, const struct in6_addr *dst, bool group)
{
	struct inet__nd_message message;
	unsigned char *icmp = inet__nd_begin(&message, ND_NEIGHBOR_ADVERT, NS_LEN);
	bool probe = IN6_IS_ADDR_UNSPECIFIED(dst);

	if (iface->inet->forwarding)
		icmp[4] |= 0x80; /* router */
	if (!probe)
		icmp[4] |= 0x40; /* solicited */
	if (probe || group)
		icmp[4] |= 0x20; /* override */
	memcpy(icmp + 8, target, 16);
	if (probe || group)
		inet__nd_put_mac(&message, ND_OPT_TARGET_LINKADDR, iface->mac);
	inet__nd_send(iface, &message, target, probe ? &all_nodes : dst, NULL);
}

/* ------------------------------------------------------------------------------------------------------- receiving */

/** somebody - is it an address that somebody else on this link can have? */
static bool somebody(struct inet_iface *iface, const struct in6_addr *addr)
{
	const union inet_ip *ip = (const union inet_ip *)addr;

	return !IN6_IS_ADDR_UNSPECIFIED(addr) && !IN6_IS_ADDR_MULTICAST(addr) && !IN6_IS_ADDR_LOOPBACK(addr) &&
	       !inet_local(iface->inet, AF_INET6, ip, iface);
}

/** solicited - a neighbour solicitation: is it about an address of ours? */
static void solicited(struct inet_iface *iface, const struct in6_addr *src, const struct in6_addr *dst,
                      const unsigned char *message, size_t len)
{
	bool probe = IN6_IS_ADDR_UNSPECIFIED(src), group = IN6_IS_ADDR_MULTICAST(dst);
	struct inet__nd_options options;
	unsigned char nonce[NONCE_LEN];
	union inet_ip target;
	struct inet_addr *addr;

	if (len < NS_LEN || !inet__nd_options(message + NS_LEN, len - NS_LEN, &options))
		return;
	memcpy(&target.v6, message + 8, 16);
	if (IN6_IS_ADDR_MULTICAST(&target.v6))
		return;
	if (probe) {
		struct in6_addr node = inet__solicited_node(&target.v6);

		if (options.source_mac || !IN6_ARE_ADDR_EQUAL(dst, &node))
			return;
	} else if (!somebody(iface, src)) {
		return;
	}
	addr = inet__addr_find(iface, AF_INET6, &target, -1, NULL);
	if (!addr || (addr->flags & IFA_F_DADFAILED))
		return;
	if (addr->flags & (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC)) {
		nonce_of(iface, &target.v6, nonce);
		if (probe && !(options.nonce && options.nonce_len == NONCE_LEN &&
		               memcmp(options.nonce, nonce, NONCE_LEN) == 0)) {
			inet__addr_dad_failed(addr);
			return;
		}
		if (!(addr->flags & IFA_F_OPTIMISTIC) || probe)
			return;
	}
	if (!probe && options.source_mac)
		inet__neigh_learn(iface, AF_INET6, (const union inet_ip *)src, options.source_mac, NUD_STALE,
		                  INET__NEIGH_OVERRIDE | INET__NEIGH_WEAK, true);
	advertise(iface, &target.v6, src, group);
}

/** advertised - a neighbour advertisement: RFC 4861, 7.2.5 */
static void advertised(struct inet_iface *iface, const struct in6_addr *dst, const unsigned char *message, size_t len)
{
	struct inet__nd_options options;
	struct inet_neigh *neigh;
	struct inet_addr *addr;
	union inet_ip target;
	bool router, was_router, answer, override;

	if (len < NS_LEN || !inet__nd_options(message + NS_LEN, len - NS_LEN, &options))
		return;
	router = message[4] & 0x80;
	answer = message[4] & 0x40;
	override = message[4] & 0x20;
	memcpy(&target.v6, message + 8, 16);
	if (IN6_IS_ADDR_MULTICAST(&target.v6) || (answer && IN6_IS_ADDR_MULTICAST(dst)))
		return;
	addr = inet__addr_find(iface, AF_INET6, &target, -1, NULL);
	if (addr) {
		/* Once the address is ours it stays so, whatever others say. */
		if (addr->flags & (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC))
			inet__addr_dad_failed(addr);
		return;
	}
	neigh = inet__neigh_find(iface, AF_INET6, &target);
	if (!neigh || (neigh->state & (NUD_FAILED | INET__NUD_FIXED)))
		return;
	was_router = neigh->flags & NTF_ROUTER;
	inet__neigh_update(neigh, options.target_mac, answer ? NUD_REACHABLE : NUD_STALE,
	                   INET__NEIGH_WEAK | (override ? INET__NEIGH_OVERRIDE : 0U) |
	                           (router ? INET__NEIGH_ROUTER : INET__NEIGH_HOST));
	if (was_router && !(neigh->flags & NTF_ROUTER))
		inet__ra_router_gone(iface, &target.v6);
}

/** redirected - a redirect: RFC 4861, 8.1 and 8.3 */
static void redirected(struct inet_iface *iface, const struct in6_addr *src, const unsigned char *message, size_t len)
{
	struct inet__nd_options options;
	struct inet_flow flow = {.family = AF_INET6, .oif = iface->index};
	union inet_ip target, dst;
	bool on_link;

	if (iface->inet->forwarding || !IN6_IS_ADDR_LINKLOCAL(src) || len < REDIRECT_LEN ||
	    !inet__nd_options(message + REDIRECT_LEN, len - REDIRECT_LEN, &options))
		return;
	memcpy(&target.v6, message + 8, 16);
	memcpy(&dst.v6, message + 24, 16);
	on_link = IN6_ARE_ADDR_EQUAL(&target.v6, &dst.v6);
	if (IN6_IS_ADDR_MULTICAST(&dst.v6) || IN6_IS_ADDR_UNSPECIFIED(&dst.v6) || !somebody(iface, &target.v6) ||
	    (!on_link && !IN6_IS_ADDR_LINKLOCAL(&target.v6)))
		return;
	/* Only the router that we use for this destination may send us elsewhere. */
	flow.dst = dst;
	if (inet_route(iface->inet, &flow) < 0 || flow.iface != iface || !IN6_ARE_ADDR_EQUAL(&flow.nexthop.v6, src) ||
	    IN6_ARE_ADDR_EQUAL(&flow.nexthop.v6, &dst.v6))
		return;
	inet__neigh_learn(iface, AF_INET6, &target, options.target_mac, NUD_STALE,
	                  INET__NEIGH_OVERRIDE | INET__NEIGH_WEAK | (on_link ? 0U : INET__NEIGH_ROUTER), true);
	inet_redirect(iface->inet, iface, AF_INET6, &dst, &target);
}

/** router_solicited - somebody looks for routers: a router learns who it is, and leaves the answer to a daemon */
static void router_solicited(struct inet_iface *iface, const struct in6_addr *src, const unsigned char *message,
                             size_t len)
{
	struct inet__nd_options options;

	if (!iface->inet->forwarding || len < 8 || !inet__nd_options(message + 8, len - 8, &options) ||
	    !somebody(iface, src))
		return;
	inet__neigh_learn(iface, AF_INET6, (const union inet_ip *)src, options.source_mac, NUD_STALE,
	                  INET__NEIGH_OVERRIDE | INET__NEIGH_WEAK | INET__NEIGH_HOST, true);
}

bool inet_icmp6_input(struct inet_iface *iface, const struct in6_addr *src, const struct in6_addr *dst,
                      unsigned int hop_limit, const unsigned char *message, size_t len)
{
	if (len < 1 || message[0] < ND_ROUTER_SOLICIT || message[0] > ND_REDIRECT)
		return false;
	if (len < 8 || hop_limit != 255 || message[1] != 0 || IN6_IS_ADDR_MULTICAST(src) ||
	    (iface->flags & (IFF_LOOPBACK | IFF_NOARP)))
		return true;
	switch (message[0]) {
	case ND_ROUTER_SOLICIT:
		router_solicited(iface, src, message, len);
		break;
	case ND_ROUTER_ADVERT:
		inet__ra_input(iface, src, message, len);
		break;
	case ND_NEIGHBOR_SOLICIT:
		solicited(iface, src, dst, message, len);
		break;
	case ND_NEIGHBOR_ADVERT:
		advertised(iface, dst, message, len);
		break;
	default:
		redirected(iface, src, message, len);
		break;
	}
	return true;
}
