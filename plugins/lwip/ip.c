/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ip.c - IP packets that come in: checks, delivery, forwarding.
 *
 * Every byte comes from the network. A packet is checked here before anything else looks at it: lengths, checksum, addresses that
 * must not be in it (RFC 1812, 4291), the chain of IPv6 extension headers. Then it is for us, or forwarded when the stack is a
 * router, or dropped. Ours goes to usock first (raw, UDP, ICMP about sockets), and what usock leaves to the engine is TCP,
 * echo requests, neighbour discovery, and the queries of IGMP and MLD.
 *
 * A packet keeps its buffer only as TCP: everyone else copies what it needs. The pair of addresses that was last found to be all
 * right is remembered, since packets of a busy connection follow each other.
 */
#include "engine.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/ip.h>
#include <linux/rtnetlink.h>
#include <errno.h>
#include <string.h>

#include "chksum.h"

#define LOOPBACK4(addr) ((ntohl((addr).s_addr) >> 24) == 127U)
#define MLD_QUERY 130
#define MLD_DONE 132

static bool from_loopback(const struct inet_iface *iface)
{
	return iface->flags & IFF_LOOPBACK_;
}

/** source_ok - may a packet from the network say that it comes from there? */
static bool source_ok(struct engine *e, const struct usock_packet *packet)
{
	int type;

	if (from_loopback(packet->iface))
		return true;
	if (packet->family == AF_INET) {
		if (packet->src.v4.s_addr == 0)
			return true;
		if (LOOPBACK4(packet->src.v4) || LOOPBACK4(packet->dst.v4))
			return false;
	} else {
		if (IN6_IS_ADDR_UNSPECIFIED(&packet->src.v6))
			return true;
		if (IN6_IS_ADDR_LOOPBACK(&packet->src.v6) || IN6_IS_ADDR_LOOPBACK(&packet->dst.v6) ||
		    IN6_IS_ADDR_V4MAPPED(&packet->src.v6) || IN6_IS_ADDR_V4MAPPED(&packet->dst.v6))
			return false;
		/* Our own address comes back when somebody else has it too, or a switch loops: neighbour discovery wants to know. */
		if (packet->protocol == IPPROTO_ICMPV6)
			return !IN6_IS_ADDR_MULTICAST(&packet->src.v6);
	}
	type = inet_addr_type(e->inet, packet->family, &packet->src, packet->iface);
	return type == RTN_UNICAST;
}

/** known - did the last packet for us come from and go to the same addresses? */
static bool known(const struct engine *e, const struct usock_packet *packet)
{
	return e->mine.generation == e->generation && e->mine.iface == packet->iface &&
	       e->mine.family == packet->family && memcmp(&e->mine.dst, &packet->dst, ip_size(packet->family)) == 0 &&
	       memcmp(&e->mine.src, &packet->src, ip_size(packet->family)) == 0;
}

/**
 * kind - RTN_LOCAL, _BROADCAST, _MULTICAST (a group of ours), _UNICAST (somebody else's); -1: to be dropped
 *
 * What we sent to a link-local address of our own has come on lo; from here on it is of the interface that has the address, as on
 * Linux.
 */
static int kind(struct engine *e, struct usock_packet *packet)
{
	int type;

	if (known(e, packet))
		return RTN_LOCAL;
	if (from_loopback(packet->iface) && packet->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&packet->dst.v6)) {
		const struct inet_addr *addr = inet_local(e->inet, AF_INET6, &packet->dst, NULL);

		if (!addr)
			return -1;
		packet->iface = addr->iface;
		return RTN_LOCAL;
	}
	if (!source_ok(e, packet))
		return -1;
	type = inet_addr_type(e->inet, packet->family, &packet->dst, packet->iface);
	/* An address of ours is ours on any interface, unless it is link-local. */
	if (type == RTN_UNICAST && !(packet->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&packet->dst.v6)) &&
	    inet_local(e->inet, packet->family, &packet->dst, NULL))
		type = RTN_LOCAL;
	if (type == RTN_MULTICAST && !inet_group_member(packet->iface, packet->family, &packet->dst))
		return -1;
	if (type == RTN_LOCAL) {
		e->mine.generation = e->generation;
		e->mine.iface = packet->iface;
		e->mine.family = packet->family;
		e->mine.src = packet->src;
		e->mine.dst = packet->dst;
	}
	return type;
}

/** lwip_sees - tell lwIP what its IP layer would have found out */
static void lwip_sees(struct engine *e, const struct usock_packet *packet)
{
	struct interface *interface = packet->iface->engine;
	struct ip_globals *data = e->lw.ip_data;

	data->current_netif = data->current_input_netif = &interface->netif;
	data->current_ip_header_tot_len = (u16_t)packet->header_len;
	data->current_ip4_header = packet->family == AF_INET ? (const void *)packet->header : NULL;
	data->current_ip6_header = NULL;
	if (packet->family == AF_INET6)
		memcpy(&data->current_ip6_header, &packet->header, sizeof(void *));
	lwip_addr(e, packet->family, &packet->src, packet->iface->index, &data->current_iphdr_src);
	lwip_addr(e, packet->family, &packet->dst, packet->iface->index, &data->current_iphdr_dest);
}

/** lwip_forgets - outside of an input lwIP must not remember the interface, which may be gone by the next time */
static void lwip_forgets(struct engine *e)
{
	e->lw.ip_data->current_netif = e->lw.ip_data->current_input_netif = NULL;
}

/** groups_input - a query or report about groups, for lwIP, which gets a copy */
static void groups_input(struct engine *e, const struct usock_packet *packet)
{
	struct interface *interface = packet->iface->engine;
	struct pbuf *p;

	if (packet->payload_len > 1280 || packet->pieces != 1)
		return;
	p = e->lw.pbuf_alloc(PBUF_RAW, (u16_t)packet->payload_len, PBUF_RAM);
	if (!p)
		return;
	memcpy(p->payload, packet->payload[0].iov_base, packet->payload_len);
	lwip_sees(e, packet);
	if (packet->family == AF_INET) {
		ip4_addr_t dst = {packet->dst.v4.s_addr};

		e->lw.igmp_input(p, &interface->netif, &dst);
	} else {
		e->lw.mld6_input(p, &interface->netif);
	}
	lwip_forgets(e);
	timer_groups(e);
}

/** icmp6_in - neighbour discovery is inet's, echo requests are ours, questions about groups lwIP's */
static void icmp6_in(struct engine *e, const struct usock_packet *packet)
{
	const unsigned char *message = packet->payload[0].iov_base;
	uint64_t sum;

	if (packet->payload_len < 4 || packet->pieces != 1)
		return;
	sum = chksum_pseudo(&packet->src, &packet->dst, 16, IPPROTO_ICMPV6, (uint32_t)packet->payload_len);
	if (chksum_fold(chksum_add(sum, message, packet->payload_len)) != 0xffff)
		return;
	if (inet_icmp6_input(packet->iface, &packet->src.v6, &packet->dst.v6, packet->hop_limit, message,
	                     packet->payload_len))
		return;
	if (message[0] >= MLD_QUERY && message[0] <= MLD_DONE) {
		if (packet->hop_limit == 1 && packet->payload_len >= 24)
			groups_input(e, packet);
	} else {
		echo_input(e, packet);
	}
}

bool ip_deliver(struct engine *e, struct usock_packet *packet, struct buffer *buffer, int type)
{
	if (usock_ip_input(e->stack, packet))
		return false;
	if (packet->protocol == IPPROTO_TCP) {
		/* Only an address of ours speaks TCP. */
		if (!buffer || type != RTN_LOCAL)
			return false;
		lwip_sees(e, packet);
		tcp_in(e, packet, buffer);
		lwip_forgets(e);
		return true;
	}
	if (packet->family == AF_INET6 && packet->protocol == IPPROTO_ICMPV6)
		icmp6_in(e, packet);
	else if (packet->family == AF_INET && packet->protocol == IPPROTO_ICMP)
		echo_input(e, packet);
	else if (packet->family == AF_INET && packet->protocol == IPPROTO_IGMP && packet->payload_len >= 8)
		groups_input(e, packet);
	return false;
}

/** struct chain - where the extension headers of an IPv6 packet end */
struct chain {
	size_t at;          /* where the payload begins */
	size_t next_at;     /* the byte that names it */
	size_t fragment_at; /* of a fragment header; 0: none */
	size_t cut;         /* what begins here or later was behind one that is done with: no other may come */
	size_t bad_at;      /* of what is wrong, for the sender to know */
	int code;           /* of "parameter problem"; -1: drop without a word */
};

/** options_ok - are there options that we must not ignore? RFC 8200, 4.2 */
static bool options_ok(const unsigned char *bytes, size_t at, size_t len, struct chain *chain, bool group)
{
	for (size_t i = at + 2; i < at + len;) {
		size_t optlen;

		if (bytes[i] == 0) {
			i++;
			continue;
		}
		chain->code = -1;
		if (i + 2 > at + len || (optlen = 2U + bytes[i + 1]) > at + len - i)
			return false;
		/* PadN and the router alert are known, the jumbo payload is not supported. */
		if (bytes[i] != 1 && bytes[i] != 5 && bytes[i] >> 6 != 0) {
			chain->bad_at = i;
			if (bytes[i] >> 6 == 2 || (bytes[i] >> 6 == 3 && !group))
				chain->code = ICMPV6_UNK_OPTION;
			return false;
		}
		i += optlen;
	}
	return true;
}

/** follow - walk the extension headers of @len bytes, as far as to a fragment header; false: drop it, and see chain->code */
static bool follow(const unsigned char *bytes, size_t len, struct chain *chain, bool group)
{
	unsigned int count = 0;

	for (;; count++) {
		unsigned char next = bytes[chain->next_at];
		size_t at = chain->at, size;

		chain->code = -1;
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_DSTOPTS && next != IPPROTO_ROUTING &&
		    next != IPPROTO_FRAGMENT)
			return true;
		if (next == IPPROTO_HOPOPTS && (chain->next_at != 6 || at >= chain->cut)) {
			chain->bad_at = chain->next_at;
			chain->code = ICMPV6_UNK_NEXTHDR;
			return false;
		}
		if (count >= 8 || at + 8 > len)
			return false;
		size = next == IPPROTO_FRAGMENT ? 8 : ((size_t)bytes[at + 1] + 1) * 8;
		if (size > len - at)
			return false;
		if ((next == IPPROTO_HOPOPTS || next == IPPROTO_DSTOPTS) && !options_ok(bytes, at, size, chain, group))
			return false;
		if (next == IPPROTO_ROUTING && bytes[at + 3] != 0) {
			chain->bad_at = at + 2;
			chain->code = ICMPV6_HDR_FIELD;
			return false;
		}
		if (next == IPPROTO_FRAGMENT && at >= chain->cut) {
			chain->bad_at = at;
			chain->code = ICMPV6_HDR_FIELD;
			return false;
		}
		if (next == IPPROTO_FRAGMENT && (get16(bytes + at + 2) & 0xfff9U) != 0) {
			chain->fragment_at = at;
			return true;
		}
		if (next == IPPROTO_FRAGMENT)
			chain->cut = at + size;
		chain->next_at = at;
		chain->at = at + size;
	}
}

/** behind - follow the extension headers of a packet put together; false: it is not to be delivered, its sender knows why */
static bool behind(struct engine *e, struct usock_packet *whole, struct iovec *piece)
{
	struct chain chain = {.at = IP6_HEADER, .next_at = 6, .cut = whole->header_len};
	size_t len = whole->header_len + whole->payload_len;

	if (!follow(whole->header, len, &chain, IN6_IS_ADDR_MULTICAST(&whole->dst.v6))) {
		if (chain.code >= 0)
			icmp_error(e, whole, ICMPV6_PARAMPROB, chain.code, (uint32_t)chain.bad_at);
		return false;
	}
	whole->protocol = whole->header[chain.next_at];
	piece->iov_base = (unsigned char *)piece->iov_base + (chain.at - whole->header_len);
	piece->iov_len = whole->payload_len = len - chain.at;
	whole->header_len = chain.at;
	return true;
}

/** assemble - a fragment for us; when it was the last one missing, the whole */
static void assemble(struct engine *e, const struct usock_packet *fragment, uint32_t id, size_t at, bool more, int type)
{
	struct usock_packet whole;
	struct buffer *buffer = reass_input(e, fragment, id, at, more, &whole);
	struct iovec piece;

	if (!buffer)
		return;
	piece.iov_base = buffer->data + (whole.header - buffer->data) + whole.header_len;
	piece.iov_len = whole.payload_len;
	whole.payload = &piece;
	whole.pieces = 1;
	if ((whole.family == AF_INET6 && !behind(e, &whole, &piece)) || !ip_deliver(e, &whole, buffer, type))
		buffer_free(e, buffer);
}

/** forward - send a packet on that is somebody else's; @packet->header may be written to */
static void forward(struct engine *e, const struct usock_packet *packet, unsigned char *bytes, size_t len)
{
	bool v4 = packet->family == AF_INET;
	const struct route *route;
	union inet_ip none;
	bool fragment;
	int err;

	/* Nobody asked us who sent it to everybody; bytes[-14] is the hardware address it was sent to. */
	if (bytes[-INET_HEADROOM] & 1)
		return;
	if (v4 ? packet->src.v4.s_addr == 0
	       : IN6_IS_ADDR_UNSPECIFIED(&packet->src.v6) || IN6_IS_ADDR_LINKLOCAL(&packet->dst.v6) ||
	                    IN6_IS_ADDR_LINKLOCAL(&packet->src.v6))
		return;
	if (packet->hop_limit <= 1) {
		icmp_error(e, packet, v4 ? ICMP_TIME_EXCEEDED : ICMPV6_TIME_EXCEED, 0, 0);
		return;
	}
	memset(&none, 0, sizeof(none));
	err = route_to(e, packet->family, &packet->dst, &none, 0, &route);
	if (err < 0) {
		if (v4)
			icmp_error(e, packet, ICMP_DEST_UNREACH,
			           err == -EHOSTUNREACH ? ICMP_HOST_UNREACH
			           : err == -EACCES     ? ICMP_PKT_FILTERED
			                                : ICMP_NET_UNREACH,
			           0);
		else
			icmp_error(e, packet, ICMPV6_DEST_UNREACH,
			           err == -EACCES ? ICMPV6_ADM_PROHIBITED : ICMPV6_NOROUTE, 0);
		return;
	}
	fragment = v4 && !(get16(bytes + 6) & IP_DF);
	if (len > route->mtu && !fragment) {
		icmp_error(e, packet, v4 ? ICMP_DEST_UNREACH : ICMPV6_PKT_TOOBIG, v4 ? ICMP_FRAG_NEEDED : 0,
		           route->mtu);
		return;
	}
	if (v4) {
		bytes[8]--;
		chksum_ip4(bytes, packet->header_len);
	} else {
		bytes[7]--;
	}
	ip_send(e, route->iface, &route->nexthop, route->mtu, packet->family, bytes, len, fragment);
}

/** refuse - what a host that is no router has not even a route for, as Linux does with IPv6 */
static void refuse(struct engine *e, const struct usock_packet *packet, const unsigned char *bytes)
{
	const struct route *route;
	union inet_ip none;

	memset(&none, 0, sizeof(none));
	if (!(bytes[-INET_HEADROOM] & 1) && !IN6_IS_ADDR_LINKLOCAL(&packet->dst.v6) &&
	    route_to(e, AF_INET6, &packet->dst, &none, 0, &route) < 0)
		icmp_error(e, packet, ICMPV6_DEST_UNREACH, ICMPV6_NOROUTE, 0);
}

static bool ip4_in(struct engine *e, struct inet_iface *iface, unsigned char *bytes, size_t len, struct buffer *buffer)
{
	struct usock_packet packet = {.iface = iface, .family = AF_INET};
	size_t header, total;
	struct iovec piece;
	unsigned int frag;
	int type;

	if (len < sizeof(struct ip) || bytes[0] >> 4 != 4)
		return false;
	header = (size_t)(bytes[0] & 15) * 4;
	total = get16(bytes + 2);
	if (header < sizeof(struct ip) || total < header || total > len ||
	    chksum_fold(chksum_add(0, bytes, header)) != 0xffff)
		return false;
	memcpy(&packet.src.v4, bytes + 12, 4);
	memcpy(&packet.dst.v4, bytes + 16, 4);
	packet.protocol = bytes[9];
	packet.hop_limit = bytes[8];
	packet.tos = bytes[1];
	packet.header = bytes;
	packet.header_len = header;
	piece = (struct iovec){bytes + header, total - header};
	packet.payload = &piece;
	packet.pieces = 1;
	packet.payload_len = piece.iov_len;
	type = kind(e, &packet);
	if (type < 0)
		return false;
	if (type == RTN_UNICAST) {
		if (usock_forwarding(e->stack))
			forward(e, &packet, bytes, total);
		return false;
	}
	frag = get16(bytes + 6);
	if (frag & (IP_MF | IP_OFFMASK)) {
		assemble(e, &packet, get16(bytes + 4), (size_t)(frag & IP_OFFMASK) * 8, frag & IP_MF, type);
		return false;
	}
	return ip_deliver(e, &packet, buffer, type);
}

/** truncated - does a first fragment end before the header of what it carries? RFC 7112 */
static bool truncated(const unsigned char *bytes, size_t len, size_t at, unsigned char next)
{
	while (next == IPPROTO_HOPOPTS || next == IPPROTO_DSTOPTS || next == IPPROTO_ROUTING) {
		if (at + 2 > len)
			return true;
		next = bytes[at];
		at += ((size_t)bytes[at + 1] + 1) * 8;
	}
	return at + (next == IPPROTO_TCP ? 20U : next == IPPROTO_UDP || next == IPPROTO_ICMPV6 ? 8U : 1U) > len;
}

/** fragment6_in - a fragment; its header is taken out of what stands before the payload */
static void fragment6_in(struct engine *e, struct usock_packet *packet, unsigned char *bytes, size_t total,
                         const struct chain *chain, int type)
{
	const unsigned char *fragment = bytes + chain->fragment_at;
	unsigned int offset = get16(fragment + 2);
	struct iovec piece = {bytes + chain->fragment_at + 8, total - chain->fragment_at - 8};

	packet->payload = &piece;
	packet->payload_len = piece.iov_len;
	packet->header_len = chain->fragment_at;
	packet->protocol = fragment[0];
	if ((offset & 1) && piece.iov_len % 8 != 0) {
		icmp_error(e, packet, ICMPV6_PARAMPROB, ICMPV6_HDR_FIELD, 4);
		return;
	}
	if ((offset & 0xfff8U) + piece.iov_len > PACKET_MAX) {
		icmp_error(e, packet, ICMPV6_PARAMPROB, ICMPV6_HDR_FIELD, (uint32_t)chain->fragment_at + 2);
		return;
	}
	if ((offset & 0xfff8U) == 0 && truncated(bytes, total, chain->fragment_at + 8, fragment[0])) {
		icmp_error(e, packet, ICMPV6_PARAMPROB, ICMPV6_HDR_INCOMP, 0);
		return;
	}
	bytes[chain->next_at] = fragment[0];
	assemble(e, packet, get32(fragment + 4), offset & 0xfff8U, offset & 1, type);
}

static bool ip6_in(struct engine *e, struct inet_iface *iface, unsigned char *bytes, size_t len, struct buffer *buffer)
{
	struct usock_packet packet = {.iface = iface, .family = AF_INET6};
	struct chain chain = {.at = IP6_HEADER, .next_at = 6, .cut = SIZE_MAX};
	struct iovec piece;
	size_t total;
	bool whole;
	int type;

	if (len < IP6_HEADER || bytes[0] >> 4 != 6)
		return false;
	total = IP6_HEADER + get16(bytes + 4);
	if (total > len)
		return false;
	memcpy(&packet.src.v6, bytes + 8, 16);
	memcpy(&packet.dst.v6, bytes + 24, 16);
	if (IN6_IS_ADDR_MULTICAST(&packet.src.v6) || IN6_IS_ADDR_UNSPECIFIED(&packet.dst.v6))
		return false;
	whole = follow(bytes, total, &chain, IN6_IS_ADDR_MULTICAST(&packet.dst.v6));
	packet.protocol = bytes[chain.next_at];
	packet.hop_limit = bytes[7];
	packet.tos = (uint8_t)(get16(bytes) >> 4);
	packet.flow_label = get32(bytes) & 0xfffffU;
	packet.header = bytes;
	packet.header_len = chain.at;
	piece = (struct iovec){bytes + chain.at, total - chain.at};
	packet.payload = &piece;
	packet.pieces = 1;
	packet.payload_len = piece.iov_len;
	type = kind(e, &packet);
	if (type < 0)
		return false;
	if (type == RTN_UNICAST) {
		if (usock_forwarding(e->stack))
			forward(e, &packet, bytes, total);
		else
			refuse(e, &packet, bytes);
		return false;
	}
	if (!whole) {
		if (chain.code >= 0)
			icmp_error(e, &packet, ICMPV6_PARAMPROB, chain.code, (uint32_t)chain.bad_at);
		return false;
	}
	if (chain.fragment_at) {
		fragment6_in(e, &packet, bytes, total, &chain, type);
		return false;
	}
	return ip_deliver(e, &packet, buffer, type);
}

bool engine_ip_input(void *arg, struct inet_iface *iface, int family, unsigned char *packet, size_t len, void *buffer)
{
	struct engine *e = engine_enter(arg);

	if (!iface->engine)
		return false;
	return family == AF_INET ? ip4_in(e, iface, packet, len, buffer) : ip6_in(e, iface, packet, len, buffer);
}
