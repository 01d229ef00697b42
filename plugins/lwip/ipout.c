/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ipout.c - IP packets that go out: the way to their destination, and fragments.
 *
 * lwIP's segments and usock's datagrams end here. A segment is one contiguous piece in memory of lwIP's, with room in front for the
 * Ethernet header, so nothing is copied on the way to inet_output; what is not like that (no case is known) is
 * flattened first. Answers of inet_route are remembered until anything changes that could change them.
 *
 * Checksums. lwIP sums what it queues while it copies it. Once there is an interface on a network in shared memory that is not done
 * any more (engine.elides): the checksum of a segment is left to be done by whoever needs it, nobody if the peer is on the same
 * network; and where a segment leaves by an interface of another kind, it is summed here.
 *
 * What cannot be sent now is lost, as on a network: TCP will send it again.
 */
#include "engine.h"

#include <errno.h>
#include <netinet/ip.h>
#include <stdlib.h>
#include <string.h>

#include "chksum.h"

#define IP6_FRAGMENT 8U
#define FRAGMENT_HEADROOM 16U /* INET_HEADROOM, aligned */

static bool same(int family, const union inet_ip *a, const union inet_ip *b)
{
	return memcmp(a, b, ip_size(family)) == 0;
}

int route_to(struct engine *e, int family, const union inet_ip *dst, const union inet_ip *src, unsigned int oif,
             const struct route **out)
{
	const unsigned char *bytes = (const unsigned char *)dst;
	size_t last = ip_size(family) - 1;
	struct route *route = &e->routes[(bytes[last] ^ bytes[last - 1] ^ oif) % ROUTES];
	struct inet_flow flow;
	int err;

	if (route->generation == e->generation && route->family == family && route->oif == oif &&
	    same(family, &route->dst, dst) && same(family, &route->src, src)) {
		*out = route;
		return 0;
	}
	memset(&flow, 0, sizeof(flow));
	flow.family = family;
	flow.oif = oif;
	memcpy(&flow.dst, dst, ip_size(family));
	memcpy(&flow.src, src, ip_size(family));
	err = inet_route(e->inet, &flow);
	if (err < 0)
		return err;
	memset(route, 0, sizeof(*route));
	route->family = family;
	route->oif = oif;
	memcpy(&route->dst, dst, ip_size(family));
	memcpy(&route->src, src, ip_size(family));
	route->iface = flow.iface;
	route->nexthop = flow.nexthop;
	route->mtu = flow.mtu;
	route->hop_limit = flow.hop_limit;
	route->generation = e->generation;
	*out = route;
	return 0;
}

/** scratch - room for any packet, with INET_HEADROOM before it */
static unsigned char *scratch(struct engine *e)
{
	if (!e->scratch)
		e->scratch = malloc(INET_HEADROOM + 2 + PACKET_MAX + 1);
	return e->scratch ? e->scratch + INET_HEADROOM + 2 : NULL;
}

/** fragment4 - cut a packet; options that are not to be copied (RFC 791) stay in the first fragment only */
static int fragment4(struct inet_iface *iface, const union inet_ip *nexthop, unsigned int mtu,
                     const unsigned char *packet, size_t len)
{
	size_t header = (size_t)(packet[0] & 15) * 4, at = header;
	unsigned int offset = get16(packet + 6) & IP_OFFMASK;
	bool more_follow = get16(packet + 6) & IP_MF;
	unsigned char *room_for_one, *out;
	int err = 0;

	if (mtu < header + 8)
		return -EMSGSIZE;
	room_for_one = malloc(FRAGMENT_HEADROOM + mtu);
	if (!room_for_one)
		return -ENOBUFS;
	out = room_for_one + FRAGMENT_HEADROOM;
	memcpy(out, packet, header);
	while (err == 0 && at < len) {
		size_t room = (mtu - header) & ~(size_t)7, n = len - at < room ? len - at : room;
		bool more = more_follow || at + n < len;

		memcpy(out + header, packet + at, n);
		put16(out + 2, (unsigned int)(header + n));
		put16(out + 6, offset | (more ? IP_MF : 0));
		chksum_ip4(out, header);
		err = inet_output(iface, AF_INET, nexthop, out, header + n);
		at += n;
		offset += (unsigned int)n / 8;
		for (size_t i = 20; i < header && out[i] != 0;) {
			size_t optlen = out[i] == 1 ? 1 : out[i + 1];

			if (optlen == 0 || i + optlen > header)
				break;
			if (!(out[i] & 0x80))
				memset(out + i, 1, optlen);
			i += optlen;
		}
	}
	free(room_for_one);
	return err;
}

/** unfragmentable - where a fragment header goes: behind the headers that each router looks at; @next: the byte that names what follows */
static size_t unfragmentable(const unsigned char *packet, size_t len, size_t *next)
{
	size_t at = IP6_HEADER, field = 6, cut = at, cut_field = field;

	while (at + 8 <= len && (packet[field] == IPPROTO_HOPOPTS || packet[field] == IPPROTO_ROUTING ||
	                         packet[field] == IPPROTO_DSTOPTS)) {
		bool counts = packet[field] != IPPROTO_DSTOPTS;
		size_t n = ((size_t)packet[at + 1] + 1) * 8;

		if (at + n > len)
			break;
		field = at;
		at += n;
		if (counts) {
			cut = at;
			cut_field = field;
		}
	}
	*next = cut_field;
	return cut;
}

static int fragment6(struct engine *e, struct inet_iface *iface, const union inet_ip *nexthop, unsigned int mtu,
                     const unsigned char *packet, size_t len)
{
	size_t next, header = unfragmentable(packet, len, &next), at = header;
	unsigned char *room_for_one, *out;
	uint32_t id;
	int err = 0;

	if (mtu < header + IP6_FRAGMENT + 8)
		return -EMSGSIZE;
	room_for_one = malloc(FRAGMENT_HEADROOM + mtu);
	if (!room_for_one)
		return -ENOBUFS;
	out = room_for_one + FRAGMENT_HEADROOM;
	usock_random(e->stack, &id, sizeof(id));
	memcpy(out, packet, header);
	out[next] = IPPROTO_FRAGMENT;
	while (err == 0 && at < len) {
		size_t room = (mtu - header - IP6_FRAGMENT) & ~(size_t)7, n = len - at < room ? len - at : room;
		unsigned char *frag = out + header;

		frag[0] = packet[next];
		frag[1] = 0;
		put16(frag + 2, (unsigned int)(at - header) | (at + n < len ? 1U : 0U));
		memcpy(frag + 4, &id, sizeof(id));
		memcpy(frag + IP6_FRAGMENT, packet + at, n);
		put16(out + 4, (unsigned int)(header - IP6_HEADER + IP6_FRAGMENT + n));
		err = inet_output(iface, AF_INET6, nexthop, out, header + IP6_FRAGMENT + n);
		at += n;
	}
	free(room_for_one);
	return err;
}

int ip_send(struct engine *e, struct inet_iface *iface, const union inet_ip *nexthop, unsigned int mtu, int family,
            unsigned char *packet, size_t len, bool fragment)
{
	if (mtu == 0)
		mtu = family == AF_INET6 && iface->mtu6 && iface->mtu6 < iface->mtu ? iface->mtu6 : iface->mtu;
	if (len <= mtu)
		return inet_output(iface, family, nexthop, packet, len);
	if (!fragment)
		return -EMSGSIZE;
	return family == AF_INET ? fragment4(iface, nexthop, mtu, packet, len)
	                         : fragment6(e, iface, nexthop, mtu, packet, len);
}

int engine_ip_output(void *arg, struct inet_iface *iface, const union inet_ip *nexthop, int family, void *arg_packet)
{
	struct engine *e = engine_enter(arg);
	struct packet *packet = arg_packet;
	const unsigned char *header = packet->data;
	const struct route *route;
	union inet_ip dst, src;
	unsigned int mtu = 0;
	bool fragment = true;
	int err;

	memset(&dst, 0, sizeof(dst));
	memset(&src, 0, sizeof(src));
	if (family == AF_INET) {
		fragment = !(get16(header + 6) & IP_DF);
		memcpy(&dst, header + 16, 4);
		memcpy(&src, header + 12, 4);
	} else {
		memcpy(&dst, header + 24, 16);
		memcpy(&src, header + 8, 16);
	}
	/* A router may have told of a smaller MTU on the way. */
	if (packet->len > iface->mtu || packet->len > 576) {
		if (route_to(e, family, &dst, &src, iface->index, &route) == 0 && route->iface == iface)
			mtu = route->mtu;
	}
	/* With IP_DF the interface is the limit: that is how a smaller MTU is found. */
	if (!fragment)
		mtu = 0;
	err = ip_send(e, iface, nexthop, mtu, family, packet->data, packet->len, fragment);
	free(packet);
	return err;
}

/** amend - write a word of a TCP header; the checksum is kept right (RFC 1624) */
static void amend(unsigned char *tcp, size_t at, unsigned int value)
{
	uint32_t sum = (uint32_t)(uint16_t)~get16(tcp + 16) + (uint16_t)~get16(tcp + at) + value;

	put16(tcp + at, value);
	sum = (sum & 0xffffU) + (sum >> 16);
	sum = (sum & 0xffffU) + (sum >> 16);
	put16(tcp + 16, (uint16_t)~sum);
}

/** announce - give a SYN the window scale of ours instead of lwIP's */
static void announce(unsigned char *tcp, size_t len)
{
	size_t end = (size_t)(tcp[12] >> 4) * 4;

	for (size_t i = 20; i < end && end <= len && tcp[i] != LWIP_TCP_OPT_EOL;) {
		if (tcp[i] == LWIP_TCP_OPT_NOP) {
			i++;
			continue;
		}
		if (i + 1 >= end || tcp[i + 1] < 2)
			return;
		if (tcp[i] == LWIP_TCP_OPT_WS && tcp[i + 1] == LWIP_TCP_OPT_LEN_WS && i + 2 < end) {
			size_t word = (i + 2) & ~(size_t)1;

			amend(tcp, word,
			      i + 2 == word ? WINDOW_SHIFT << 8 | tcp[word + 1]
			                    : (unsigned int)tcp[word] << 8 | WINDOW_SHIFT);
			return;
		}
		i += tcp[i + 1];
	}
}

/** urge - point to the urgent byte from what is sent before it */
static void urge(const struct conn *conn, unsigned char *tcp)
{
	uint32_t ahead = conn->urgent_end - get32(tcp + 4);

	if (ahead == 0 || ahead > 0xffffU)
		return;
	amend(tcp, 12, get16(tcp + 12) | TCP_URG);
	amend(tcp, 18, ahead);
}

/** contiguous - one piece with room before it: where the pbuf is that already, or in the scratch buffer */
static unsigned char *contiguous(struct engine *e, struct pbuf *p)
{
	unsigned char *begin = (unsigned char *)p + LWIP_MEM_ALIGN_SIZE(sizeof(struct pbuf)), *out;

	if (!p->next && (p->type_internal & PBUF_TYPE_FLAG_STRUCT_DATA_CONTIGUOUS) &&
	    (unsigned char *)p->payload >= begin + INET_HEADROOM)
		return p->payload;
	out = scratch(e);
	if (out)
		e->lw.pbuf_copy_partial(p, out, p->tot_len, 0);
	return out;
}

/** sum_up - the checksum of a segment, once its data has not been summed before; @whole: it goes out in one piece */
static void sum_up(struct engine *e, struct inet_iface *iface, int family, unsigned char *packet, size_t header,
                   size_t len, bool whole)
{
	unsigned char *tcp = packet + header;
	uint16_t check;
	uint64_t sum;

	e->elides |= iface->offload;
	if (!e->elides)
		return;
	sum = chksum_pseudo(packet + (family == AF_INET ? 12 : 8), packet + (family == AF_INET ? 16 : 24),
	                    ip_size(family), IPPROTO_TCP, (uint32_t)(len - header));
	if (iface->offload && whole) {
		iface->unsummed_out = tcp;
		check = chksum_fold(sum);
	} else {
		memset(tcp + 16, 0, 2);
		check = (uint16_t)~chksum_fold(chksum_add(sum, tcp, len - header));
	}
	memcpy(tcp + 16, &check, sizeof(check));
}

/** outgoing - finish a segment of lwIP's: the window scale, urgent data, IP_DF as Linux sets it, the checksum */
static void outgoing(struct engine *e, struct inet_iface *iface, int family, unsigned char *packet, size_t len,
                     unsigned int mtu)
{
	const struct conn *conn = (const struct conn *)e->building;
	size_t header = family == AF_INET ? (size_t)(packet[0] & 15) * 4 : IP6_HEADER;
	uint8_t protocol = family == AF_INET ? packet[9] : packet[6];

	if (protocol != IPPROTO_TCP || len < header + 20)
		return;
	if (packet[header + 13] & TCP_SYN)
		announce(packet + header, len - header);
	if (conn && conn->crossed)
		cross_out(conn, packet + header, amend);
	if (conn && conn->urgent_out)
		urge(conn, packet + header);
	if (family == AF_INET && len <= mtu) {
		/* The identification says nothing where there are no fragments, so it need not tell how many packets we send. */
		put16(packet + 4, 0);
		put16(packet + 6, IP_DF);
		chksum_ip4(packet, header);
	}
	sum_up(e, iface, family, packet, header, len, len <= mtu);
}

/** stays - does a packet stay where it is until conn_output pushes? So does a segment of the queue, which has data; an empty
 * acknowledgement is gone before, as is what had to be flattened or becomes fragments */
static bool stays(const struct engine *e, int family, const struct pbuf *p, const unsigned char *packet, size_t len,
                  unsigned int mtu)
{
	size_t header = family == AF_INET ? (size_t)(packet[0] & 15) * 4 : IP6_HEADER;

	if (!e->building || packet != p->payload || len > mtu || len < header + 20)
		return false;
	return len > header + (size_t)(packet[header + 12] >> 4) * 4;
}

err_t lwip_output(struct interface *interface, int family, struct pbuf *p)
{
	struct engine *e = interface->e;
	unsigned int oif = interface->iface ? interface->iface->index : 0;
	unsigned char *packet = contiguous(e, p);
	const struct route *route;
	struct inet_iface *iface;
	union inet_ip dst, src;
	size_t len = p->tot_len;

	if (!packet)
		return ERR_MEM;
	memset(&dst, 0, sizeof(dst));
	memset(&src, 0, sizeof(src));
	memcpy(&dst, packet + (family == AF_INET ? 16 : 24), ip_size(family));
	memcpy(&src, packet + (family == AF_INET ? 12 : 8), ip_size(family));
	if (interface->iface &&
	    (family == AF_INET ? IN_MULTICAST(ntohl(dst.v4.s_addr)) : IN6_IS_ADDR_MULTICAST(&dst.v6))) {
		/* a report to routers */
		inet_output(interface->iface, family, &dst, packet, len);
		return ERR_OK;
	}
	if (route_to(e, family, &dst, &src, oif, &route) < 0)
		return ERR_OK;
	iface = route->iface;
	outgoing(e, iface, family, packet, len, route->mtu);
	iface->more_out = stays(e, family, p, packet, len, route->mtu) ? packet : NULL;
	ip_send(e, iface, &route->nexthop, route->mtu, family, packet, len, true);
	iface->unsummed_out = NULL;
	iface->more_out = NULL;
	return ERR_OK;
}
