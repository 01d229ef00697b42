/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * icmp.c - whom a received IP packet is for, and the ICMP errors that the stack sends (RFC 792, 1122, 4443).
 *
 * Raw sockets see everything first. Then UDP is ours, TCP and echo requests are the engine's, neighbour discovery is
 * inet's, and what nobody understands is answered as unreachable. The errors that come in are in fault.c.
 *
 * Errors are limited as in Linux: a thousand a second, fifty at once, and to each host six at once and one a second.
 * Nothing is ever said about an error, a group, a broadcast, or an address that is nobody's. The allowance of a host is
 * remembered under a keyed hash of its address; where two hosts share a place they share the allowance.
 */
#include "ip.h"

#include <stdlib.h>

#define SECOND INT64_C(1000000000)
#define PEER_BURST 6
#define ALL_BURST 50
#define ALL_INTERVAL (SECOND / 1000)
#define ICMP_HEADER 8
#define QUOTE_MAX4 (576 - 20 - ICMP_HEADER) /* RFC 1812 */
#define QUOTE_MAX6 (1280 - 40 - ICMP_HEADER)

int usock__icmp_open(struct usock_stack *stack)
{
	struct usock__icmp *icmp = calloc(1, sizeof(*icmp));

	if (!icmp)
		return -ENOMEM;
	usock_random(stack, icmp->key, sizeof(icmp->key));
	usock_random(stack, icmp->ident, sizeof(icmp->ident));
	stack->icmp = icmp;
	return 0;
}

void usock__icmp_close(struct usock_stack *stack)
{
	free(stack->icmp);
	stack->icmp = NULL;
}

/* ---------------------------------------------------------------------------------------------------------- keyed
 * hashes */

static uint64_t rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

/** round_of - one round of SipHash (Aumasson, Bernstein: SipHash, a fast short-input PRF) */
static void round_of(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32) + v[3];
	v[2] += v[1];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* SipHash-1-3: it is no cryptographic signature, only must not be guessed. */
uint64_t usock__hash(const struct usock_stack *stack, const void *data, size_t len)
{
	const uint64_t *key = stack->icmp->key;
	const unsigned char *at = data;
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
	                 key[1] ^ 0x7465646279746573};
	uint64_t word, last = (uint64_t)len << 56;

	for (; len >= 8; at += 8, len -= 8) {
		memcpy(&word, at, 8);
		v[3] ^= word;
		round_of(v);
		v[0] ^= word;
	}
	for (size_t i = 0; i < len; i++)
		last |= (uint64_t)at[i] << (8 * i);
	v[3] ^= last;
	round_of(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		round_of(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* --------------------------------------------------------------------------------------------------------------
 * sending */

/** spend - one token of a bucket that fills by one each @interval up to @burst; @since is the time at which it was
 * empty */
static bool spend(int64_t *since, int64_t now, int64_t interval, int burst)
{
	int64_t full = now - interval * burst;

	if (*since < full)
		*since = full;
	if (now - *since < interval)
		return false;
	*since += interval;
	return true;
}

/** allowed - may one more error be sent to this host? */
static bool allowed(struct usock_stack *stack, int family, const union inet_ip *to)
{
	struct usock__icmp *icmp = stack->icmp;
	int64_t *peer = &icmp->peer[usock__hash(stack, to, usock__ip_size(family)) % USOCK_ICMP_PEERS];
	int64_t now = usock_now(stack);

	if (icmp->since == 0)
		icmp->since = now - SECOND;
	if (!spend(&icmp->since, now, ALL_INTERVAL, ALL_BURST))
		return false;
	if (*peer == 0)
		*peer = now - PEER_BURST * SECOND; /* a full one, the first time */
	return spend(peer, now, SECOND, PEER_BURST);
}

/** is_error - is a packet itself an ICMP error, which nothing may be said about? */
static bool is_error(const struct usock_packet *packet)
{
	unsigned char type;

	if (packet->protocol != (packet->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return false;
	if (usock__packet_copy(packet, 0, &type, 1) < 1)
		return true;
	if (packet->family == AF_INET6)
		return type < 128 || type == ND_REDIRECT;
	return type != ICMP_ECHO && type != ICMP_ECHOREPLY && type != ICMP_TIMESTAMP && type != ICMP_TIMESTAMPREPLY &&
	       type != ICMP_INFO_REQUEST && type != ICMP_ADDRESS;
}

/** answerable - may an error about this packet be sent? */
static bool answerable(struct usock_stack *stack, const struct usock_packet *about, int type, int code)
{
	bool group_ok = about->family == AF_INET6 &&
	                (type == ICMP6_PACKET_TOO_BIG || (type == ICMP6_PARAM_PROB && code == ICMP6_PARAMPROB_OPTION));
	int dst_type = inet_addr_type(stack->inet, about->family, &about->dst, about->iface);
	int src_type = inet_addr_type(stack->inet, about->family, &about->src, about->iface);

	if (usock__is_any(about->family, &about->src) || src_type == RTN_MULTICAST || src_type == RTN_BROADCAST)
		return false;
	if ((dst_type == RTN_MULTICAST || dst_type == RTN_BROADCAST) && !group_ok)
		return false;
	return !is_error(about);
}

/** bad_next_header - where in an IPv6 packet the number of its protocol is, for a parameter problem */
static uint32_t bad_next_header(const struct usock_packet *about)
{
	size_t at = sizeof(struct ip6_hdr), place = 6;
	unsigned int type = about->header_len >= at ? about->header[6] : 0;

	while (at + 8 <= about->header_len) {
		size_t size = type == IPPROTO_FRAGMENT ? 8
		              : type == IPPROTO_AH     ? ((size_t)about->header[at + 1] + 2) * 4
		                                       : ((size_t)about->header[at + 1] + 1) * 8;

		place = at;
		type = about->header[at];
		at += size;
	}
	return (uint32_t)place;
}

/** fill - write an ICMP message: header, and as much of the packet as has room; the checksum */
static void fill(const struct usock__send *send, const struct usock_packet *about, int type, int code,
                 unsigned char *at, size_t len)
{
	bool v4 = about->family == AF_INET;
	size_t quote = len - ICMP_HEADER, header = about->header_len < quote ? about->header_len : quote;
	uint32_t sum = 0;
	uint16_t check;

	memset(at, 0, ICMP_HEADER);
	at[0] = (unsigned char)type;
	at[1] = (unsigned char)code;
	if (!v4 && type == ICMP6_PARAM_PROB) {
		uint32_t place = htonl(bad_next_header(about));

		memcpy(at + 4, &place, sizeof(place));
	}
	memcpy(at + ICMP_HEADER, about->header, header);
	usock__packet_copy(about, 0, at + ICMP_HEADER + header, quote - header);
	if (!v4)
		sum = usock__checksum_pseudo(AF_INET6, &send->flow.source, &send->flow.dst, IPPROTO_ICMPV6, len);
	check = usock__checksum_fold(usock__checksum(sum, at, len, false));
	memcpy(at + 2, &check, sizeof(check));
}

void usock__icmp_send(struct usock_stack *stack, const struct usock_packet *about, int type, int code)
{
	bool v4 = about->family == AF_INET;
	size_t len = about->header_len + about->payload_len, most = v4 ? QUOTE_MAX4 : QUOTE_MAX6;
	struct usock__send send = {.hop_limit = -1, .tos = 0, .discover = false};
	unsigned char *at;
	void *packet;

	if (!answerable(stack, about, type, code))
		return;
	send.flow.family = about->family;
	send.flow.dst = about->src;
	if (!v4 && usock__needs_scope(&about->src.v6))
		send.flow.oif = about->iface->index;
	if (inet_local(stack->inet, about->family, &about->dst, NULL))
		send.flow.src = about->dst;
	if (inet_route(stack->inet, &send.flow) < 0)
		return;
	if (!(send.flow.iface->flags & USOCK_IFF_LOOPBACK) && !allowed(stack, about->family, &about->src))
		return;
	if (v4)
		send.tos = (about->tos & 0x1e) | 0xc0; /* as Linux: internetwork control */
	if (len > most)
		len = most;
	packet = usock__send_alloc(stack, &send, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, ICMP_HEADER + len, &at);
	if (!packet)
		return;
	fill(&send, about, type, code, at, ICMP_HEADER + len);
	usock__send_out(stack, &send, packet, false);
}

/* ------------------------------------------------------------------------------------------------------------
 * receiving */

/** sum_right - is the checksum of an ICMP message right? */
static bool sum_right(const struct usock_packet *packet)
{
	uint32_t sum = 0;

	if (packet->family == AF_INET6)
		sum = usock__checksum_pseudo(AF_INET6, &packet->src, &packet->dst, IPPROTO_ICMPV6, packet->payload_len);
	return usock__checksum_fold(usock__packet_sum(packet, packet->payload_len, sum)) == 0;
}

static bool icmp4_input(struct usock_stack *stack, const struct usock_packet *packet)
{
	unsigned char type;

	if (packet->payload_len < ICMP_HEADER || usock__packet_copy(packet, 0, &type, 1) < 1)
		return true;
	switch (type) {
	case ICMP_ECHO:
	case ICMP_TIMESTAMP:
		return false;
	case ICMP_ECHOREPLY:
		if (sum_right(packet))
			usock__ping_input(stack, packet);
		return true;
	case ICMP_DEST_UNREACH:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETERPROB:
	case ICMP_REDIRECT:
		if (sum_right(packet))
			usock__icmp_input(stack, packet);
		return true;
	default:
		return true;
	}
}

/** discovery - a message of neighbour discovery is inet's */
static bool discovery(const struct usock_packet *packet)
{
	unsigned char message[2048]; /* routers' advertisements are no longer than a frame */
	size_t len = packet->payload_len;

	if (len > sizeof(message) || packet->header_len != sizeof(struct ip6_hdr))
		return true;
	if (packet->pieces == 1)
		return inet_icmp6_input(packet->iface, &packet->src.v6, &packet->dst.v6, packet->hop_limit,
		                        packet->payload[0].iov_base, len);
	if (usock__packet_copy(packet, 0, message, len) < len)
		return true;
	return inet_icmp6_input(packet->iface, &packet->src.v6, &packet->dst.v6, packet->hop_limit, message, len);
}

static bool icmp6_input(struct usock_stack *stack, const struct usock_packet *packet)
{
	unsigned char type;

	if (packet->payload_len < ICMP_HEADER || usock__packet_copy(packet, 0, &type, 1) < 1)
		return true;
	switch (type) {
	case ICMP6_ECHO_REQUEST:
	case MLD_LISTENER_QUERY:
	case MLD_LISTENER_REPORT:
	case MLD_LISTENER_REDUCTION:
	case 143: /* version 2 report */
		return false;
	case ICMP6_ECHO_REPLY:
		if (sum_right(packet))
			usock__ping_input(stack, packet);
		return true;
	case ICMP6_DST_UNREACH:
	case ICMP6_PACKET_TOO_BIG:
	case ICMP6_TIME_EXCEEDED:
	case ICMP6_PARAM_PROB:
		if (sum_right(packet))
			usock__icmp_input(stack, packet);
		return true;
	case ND_ROUTER_SOLICIT:
	case ND_ROUTER_ADVERT:
	case ND_NEIGHBOR_SOLICIT:
	case ND_NEIGHBOR_ADVERT:
	case ND_REDIRECT:
		if (sum_right(packet))
			discovery(packet);
		return true;
	default:
		return true;
	}
}

/** from_afar - has a segment come from farther away than its socket lets any come? */
static bool from_afar(struct usock_stack *stack, const struct usock_packet *packet)
{
	struct usock_endpoint local = {.ip = packet->dst, .scope = packet->iface->index};
	struct usock_endpoint remote = {.ip = packet->src, .scope = packet->iface->index};
	const struct usock__inet *sock;
	unsigned char ports[4];

	if (usock__packet_copy(packet, 0, ports, sizeof(ports)) < sizeof(ports))
		return false;
	remote.port = (uint16_t)usock__get16(ports);
	local.port = (uint16_t)usock__get16(ports + 2);
	sock = usock__bind_lookup(stack, IPPROTO_TCP, packet->family, &local, &remote, packet->iface);
	return sock && packet->hop_limit < (packet->family == AF_INET ? sock->ip.minttl : sock->ip.minhopcount);
}

/** dispatch - usock_ip_input, the interface being that of the address */
static bool dispatch(struct usock_stack *stack, const struct usock_packet *packet)
{
	bool taken = stack->raws ? usock__raw_input(stack, packet) : false;

	switch (packet->protocol) {
	case IPPROTO_TCP:
		return stack->icmp->least_hops && from_afar(stack, packet);
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return usock__udp_input(stack, packet);
	case IPPROTO_ICMP:
		if (packet->family == AF_INET)
			return icmp4_input(stack, packet);
		break;
	case IPPROTO_ICMPV6:
		if (packet->family == AF_INET6)
			return icmp6_input(stack, packet);
		break;
	case IPPROTO_IGMP:
		if (packet->family == AF_INET)
			return false;
		break;
	case IPPROTO_NONE:
		if (packet->family == AF_INET6)
			return true;
		break;
	default:
		break;
	}
	if (taken)
		return true;
	if (packet->family == AF_INET)
		usock__icmp_send(stack, packet, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH);
	else
		usock__icmp_send(stack, packet, ICMP6_PARAM_PROB, ICMP6_PARAMPROB_NEXTHEADER);
	return true;
}

bool usock_ip_input(struct usock_stack *stack, const struct usock_packet *packet)
{
	const struct inet_addr *addr;

	/* What we sent to ourselves came by lo, but to programs it comes from the interface whose address it was sent
	 * to. */
	if (packet->iface->flags & USOCK_IFF_LOOPBACK) {
		addr = inet_local(stack->inet, packet->family, &packet->dst, NULL);
		if (addr && addr->iface != packet->iface) {
			struct usock_packet there = *packet;

			there.iface = addr->iface;
			return dispatch(stack, &there);
		}
	}
	return dispatch(stack, packet);
}
