/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ip.c - packets of the test engine: checks, fragments, echo, and disturbances.
 *
 * A packet for somebody else is dropped: this engine is no router.
 */
#include "engine.h"

#include <arpa/inet.h>
#include <checksum.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>

#define FRAGMENTS_MAX 16
#define FRAGMENTS_TIMEOUT (30000 * MS)
#define LATE_MAX 4096

struct packet {
	size_t len;
	unsigned char head[INET_HEADROOM + 2]; /* and two, so that data is aligned */
	unsigned char data[];
};

static uint16_t checksum(const void *data, size_t len)
{
	return (uint16_t)~link__sum_fold(link__sum(0, data, len));
}

/** pseudo - the sum of the pseudo header of a payload */
static uint64_t pseudo(const struct ip_flow *flow, int protocol, size_t len)
{
	size_t size = flow->family == AF_INET ? 4 : 16;
	uint32_t words[2] = {htonl((uint32_t)len), htonl((uint32_t)protocol)};
	uint64_t sum = link__sum(0, &flow->src, size);

	sum = link__sum(sum, &flow->dst, size);
	return link__sum(sum, words, sizeof(words));
}

/* ------------------------------------------------------------------------------------------------------------- output */

void *tx_alloc(void *engine, size_t len, unsigned char **data)
{
	struct packet *packet = engine_alloc(engine, sizeof(*packet) + len);

	if (!packet)
		return NULL;
	packet->len = len;
	*data = packet->data;
	return packet;
}

void tx_free(void *engine, void *packet)
{
	(void)engine;
	free(packet);
}

/** fragment4 - send an IPv4 packet in pieces of at most @mtu bytes */
static int fragment4(struct engine *e, struct inet_iface *iface, const union inet_ip *nexthop,
                     const unsigned char *packet, size_t len, size_t mtu)
{
	struct ip header;
	size_t head, step, at;
	unsigned int first;
	int err = 0;

	memcpy(&header, packet, sizeof(header));
	head = header.ip_hl * 4U;
	first = ntohs(header.ip_off);
	if (first & IP_DF)
		return -EMSGSIZE;
	if (mtu < head + 8)
		return -EMSGSIZE;
	step = (mtu - head) & ~(size_t)7;
	for (at = head; at < len && err == 0; at += step) {
		size_t piece = len - at < step ? len - at : step;
		unsigned char *data;
		struct packet *p = tx_alloc(e, head + piece, &data);
		struct ip *ip = (struct ip *)data;

		if (!p)
			return -ENOBUFS;
		memcpy(data, packet, head);
		memcpy(data + head, packet + at, piece);
		ip->ip_len = htons((uint16_t)(head + piece));
		ip->ip_off = htons((uint16_t)((first & ~(unsigned int)IP_MF) + (at - head) / 8 +
		                              (at + piece < len || (first & IP_MF) ? IP_MF : 0)));
		ip->ip_sum = 0;
		ip->ip_sum = checksum(data, head);
		err = inet_output(iface, AF_INET, nexthop, data, p->len);
		free(p);
	}
	return err;
}

/** fragment6 - the same for IPv6: the fragment header follows the extension headers for every hop, of which there are none here */
static int fragment6(struct engine *e, struct inet_iface *iface, const union inet_ip *nexthop,
                     const unsigned char *packet, size_t len, size_t mtu)
{
	const size_t head = sizeof(struct ip6_hdr), extra = sizeof(struct ip6_frag);
	size_t step = (mtu - head - extra) & ~(size_t)7;
	uint32_t id;
	int err = 0;

	usock_random(e->stack, &id, sizeof(id));
	for (size_t at = head; at < len && err == 0; at += step) {
		size_t piece = len - at < step ? len - at : step;
		unsigned char *data;
		struct packet *p = tx_alloc(e, head + extra + piece, &data);
		struct ip6_hdr *ip6 = (struct ip6_hdr *)data;
		struct ip6_frag *frag = (struct ip6_frag *)(data + head);

		if (!p)
			return -ENOBUFS;
		memcpy(data, packet, head);
		*frag = (struct ip6_frag){.ip6f_nxt = ip6->ip6_nxt, .ip6f_ident = id};
		frag->ip6f_offlg = htons((uint16_t)((at - head) | (at + piece < len)));
		ip6->ip6_nxt = IPPROTO_FRAGMENT;
		ip6->ip6_plen = htons((uint16_t)(extra + piece));
		memcpy(data + head + extra, packet + at, piece);
		err = inet_output(iface, AF_INET6, nexthop, data, p->len);
		free(p);
	}
	return err;
}

int ip_output(void *engine, struct inet_iface *iface, const union inet_ip *nexthop, int family, void *packet)
{
	struct packet *p = packet;
	size_t mtu = family == AF_INET6 && iface->mtu6 && iface->mtu6 < iface->mtu ? iface->mtu6 : iface->mtu;
	int err;

	if (p->len <= mtu)
		err = inet_output(iface, family, nexthop, p->data, p->len);
	else if (family == AF_INET)
		err = fragment4(engine, iface, nexthop, p->data, p->len, mtu);
	else
		err = fragment6(engine, iface, nexthop, p->data, p->len, mtu);
	free(p);
	return err;
}

/** flow_route - the way of a flow of ours */
static int flow_route(struct engine *e, const struct ip_flow *flow, unsigned int oif, struct inet_flow *route)
{
	*route = (struct inet_flow){.family = flow->family, .dst = flow->dst, .src = flow->src, .oif = oif};
	return inet_route(usock_inet(e->stack), route);
}

unsigned int ip_mtu(struct engine *e, const struct ip_flow *flow, unsigned int oif)
{
	struct inet_flow route;

	if (flow_route(e, flow, oif, &route) != 0 || route.mtu == 0)
		return flow->family == AF_INET ? 576 : 1280;
	return route.mtu;
}

int ip_send(struct engine *e, const struct ip_flow *flow, int protocol, int hop_limit, int tos, unsigned int oif,
            const unsigned char *payload, size_t len, size_t check)
{
	size_t head = flow->family == AF_INET ? sizeof(struct ip) : sizeof(struct ip6_hdr);
	struct inet_flow route;
	unsigned char *data;
	struct packet *p;
	uint16_t sum;
	int err = flow_route(e, flow, oif, &route);

	if (err)
		return err;
	p = tx_alloc(e, head + len, &data);
	if (!p)
		return -ENOBUFS;
	if (hop_limit < 0)
		hop_limit = (int)(route.hop_limit ? route.hop_limit : 64);
	if (flow->family == AF_INET) {
		struct ip *ip = (struct ip *)data;

		*ip = (struct ip){.ip_v = 4,
		                  .ip_hl = 5,
		                  .ip_tos = (uint8_t)tos,
		                  .ip_len = htons((uint16_t)(head + len)),
		                  .ip_id = htons(e->id++),
		                  .ip_off = protocol == IPPROTO_TCP ? htons(IP_DF) : 0,
		                  .ip_ttl = (uint8_t)hop_limit,
		                  .ip_p = (uint8_t)protocol,
		                  .ip_src = flow->src.v4,
		                  .ip_dst = flow->dst.v4};
		ip->ip_sum = checksum(ip, sizeof(*ip));
	} else {
		struct ip6_hdr *ip6 = (struct ip6_hdr *)data;

		*ip6 = (struct ip6_hdr){.ip6_src = flow->src.v6, .ip6_dst = flow->dst.v6};
		ip6->ip6_flow = htonl(6U << 28 | (uint32_t)(tos & 255) << 20);
		ip6->ip6_plen = htons((uint16_t)len);
		ip6->ip6_nxt = (uint8_t)protocol;
		ip6->ip6_hlim = (uint8_t)hop_limit;
	}
	memcpy(data + head, payload, len);
	memset(data + head + check, 0, sizeof(sum));
	sum = (uint16_t)~link__sum_fold(link__sum(pseudo(flow, protocol, len), data + head, len));
	if (protocol == IPPROTO_ICMP)
		sum = checksum(data + head, len);
	memcpy(data + head + check, &sum, sizeof(sum));
	return ip_output(e, route.iface, &route.nexthop, flow->family, p);
}

/* ------------------------------------------------------------------------------------------------------------ delivery */

/** echo - answer an echo request */
static void echo(struct engine *e, const struct ip_flow *flow, const struct inet_iface *iface,
                 const unsigned char *message, size_t len)
{
	struct ip_flow back = {flow->family, flow->dst, flow->src};
	bool six = flow->family == AF_INET6;
	unsigned char *answer;
	unsigned int oif = six && IN6_IS_ADDR_LINKLOCAL(&flow->src.v6) ? iface->index : 0;
	struct inet_flow route;

	if (len < 8 || message[0] != (six ? ICMP6_ECHO_REQUEST : ICMP_ECHO))
		return;
	if (inet_addr_type(usock_inet(e->stack), flow->family, &flow->dst, NULL) != RTN_LOCAL) {
		if (!six)
			return; /* as Linux does by default: icmp_echo_ignore_broadcasts */
		memset(&back.src, 0, sizeof(back.src));
		if (flow_route(e, &back, iface->index, &route) != 0)
			return;
		back.src = route.source;
	}
	answer = engine_alloc(e, len);
	if (!answer)
		return;
	memcpy(answer, message, len);
	answer[0] = six ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY;
	ip_send(e, &back, six ? IPPROTO_ICMPV6 : IPPROTO_ICMP, -1, 0, oif, answer, len, 2);
	free(answer);
}

/** deliver - a whole packet for this host, its payload in one piece */
static void deliver(struct engine *e, struct inet_iface *iface, const struct ip_flow *flow, uint8_t protocol,
                    const unsigned char *header, size_t header_len, const unsigned char *payload, size_t len)
{
	struct iovec piece = {(void *)(uintptr_t)payload, len};
	struct usock_packet packet = {
	        .iface = iface,
	        .family = flow->family,
	        .src = flow->src,
	        .dst = flow->dst,
	        .protocol = protocol,
	        .header = header,
	        .header_len = header_len,
	        .payload = &piece,
	        .pieces = 1,
	        .payload_len = len,
	};

	if (flow->family == AF_INET) {
		packet.hop_limit = header[8];
		packet.tos = header[1];
	} else {
		uint32_t word;

		memcpy(&word, header, sizeof(word));
		packet.flow_label = ntohl(word) & 0xfffff;
		packet.tos = (uint8_t)(ntohl(word) >> 20);
		packet.hop_limit = header[7];
	}
	if (protocol == IPPROTO_ICMPV6 &&
	    link__sum_fold(link__sum(pseudo(flow, protocol, len), payload, len)) != 0xffff)
		return;
	if (protocol == IPPROTO_ICMP && checksum(payload, len) != 0)
		return;
	if (usock_ip_input(e->stack, &packet))
		return;
	if (protocol == IPPROTO_TCP) {
		if (link__sum_fold(link__sum(pseudo(flow, protocol, len), payload, len)) == 0xffff)
			tcp_input(e, flow, iface, payload, len);
	} else if (protocol == (flow->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
		echo(e, flow, iface, payload, len);
	}
}

static void input6(struct engine *e, struct inet_iface *iface, const unsigned char *packet, size_t len);

/** whole6 - a packet put together, as if it had come in one piece: there may be more headers in front of the payload */
static void whole6(struct engine *e, struct inet_iface *iface, const struct fragments *f, uint8_t next)
{
	uint16_t len = htons((uint16_t)f->total);
	unsigned char *packet;

	if (next == IPPROTO_FRAGMENT)
		return; /* there is one fragment header in a packet */
	packet = engine_alloc(e, f->header_len + f->total);
	if (!packet)
		return;
	memcpy(packet, f->header, f->header_len);
	memcpy(packet + 4, &len, sizeof(len));
	packet[6] = next;
	memcpy(packet + f->header_len, f->data, f->total);
	input6(e, iface, packet, f->header_len + f->total);
	free(packet);
}

/** reassemble - take a fragment; delivers the packet when it is whole */
static void reassemble(struct engine *e, struct inet_iface *iface, const struct ip_flow *flow, uint8_t protocol,
                       uint32_t id, const unsigned char *header, size_t header_len, size_t offset, bool more,
                       const unsigned char *data, size_t len)
{
	struct fragments **at = &e->fragments, *f;
	unsigned int count = 0;

	if (offset + len > (flow->family == AF_INET ? 65535 - header_len : 65535) || (more && len % 8 != 0) ||
	    header_len > sizeof(f->header) || len == 0)
		return;
	for (; *at; at = &(*at)->next, count++)
		if ((*at)->id == id && (*at)->protocol == protocol && memcmp(&(*at)->flow, flow, sizeof(*flow)) == 0)
			break;
	f = *at;
	if (!f) {
		if (count == FRAGMENTS_MAX)
			return;
		f = calloc(1, sizeof(*f));
		if (!f)
			return;
		*f = (struct fragments){.next = NULL,
		                        .expires = usock_now(e->stack) + FRAGMENTS_TIMEOUT,
		                        .flow = *flow,
		                        .id = id,
		                        .protocol = protocol};
		*at = f;
	}
	if (offset == 0) {
		memcpy(f->header, header, header_len);
		f->header_len = header_len;
	}
	memcpy(f->data + offset, data, len);
	for (size_t i = offset / 8; i * 8 < offset + len; i++) {
		if (!f->seen[i])
			f->have++;
		f->seen[i] = 1;
	}
	if (!more)
		f->total = offset + len;
	if (f->total && f->header_len && f->have * 8 >= f->total) {
		*at = f->next;
		if (f->flow.family == AF_INET) {
			uint16_t whole = htons((uint16_t)(f->header_len + f->total)), none = 0;

			memcpy(f->header + 2, &whole, sizeof(whole));
			memcpy(f->header + 6, &none, sizeof(none));
			memcpy(f->header + 10, &none, sizeof(none));
			whole = checksum(f->header, f->header_len);
			memcpy(f->header + 10, &whole, sizeof(whole));
			deliver(e, iface, &f->flow, protocol, f->header, f->header_len, f->data, f->total);
		} else {
			whole6(e, iface, f, protocol);
		}
		free(f);
	}
}

/** is_ours - is a packet for this host? */
static bool is_ours(struct engine *e, const struct inet_iface *iface, const struct ip_flow *flow)
{
	int type = inet_addr_type(usock_inet(e->stack), flow->family, &flow->dst, NULL);

	if (type != RTN_LOCAL)
		type = inet_addr_type(usock_inet(e->stack), flow->family, &flow->dst, iface);
	return type == RTN_LOCAL || type == RTN_BROADCAST ||
	       (type == RTN_MULTICAST &&
	        ((iface->flags & IFF_LOOPBACK) || inet_group_member(iface, flow->family, &flow->dst)));
}

static void input4(struct engine *e, struct inet_iface *iface, const unsigned char *packet, size_t len)
{
	struct ip_flow flow = {.family = AF_INET};
	struct ip ip;
	size_t head;

	if (len < sizeof(ip))
		return;
	memcpy(&ip, packet, sizeof(ip));
	head = ip.ip_hl * 4U;
	if (ip.ip_v != 4 || head < sizeof(ip) || ntohs(ip.ip_len) < head || ntohs(ip.ip_len) > len ||
	    checksum(packet, head) != 0)
		return;
	len = ntohs(ip.ip_len);
	flow.src.v4 = ip.ip_src;
	flow.dst.v4 = ip.ip_dst;
	if (!is_ours(e, iface, &flow))
		return;
	if (ntohs(ip.ip_off) & (IP_MF | IP_OFFMASK))
		reassemble(e, iface, &flow, ip.ip_p, ip.ip_id, packet, head, (ntohs(ip.ip_off) & IP_OFFMASK) * 8U,
		           ntohs(ip.ip_off) & IP_MF, packet + head, len - head);
	else
		deliver(e, iface, &flow, ip.ip_p, packet, head, packet + head, len - head);
}

static void input6(struct engine *e, struct inet_iface *iface, const unsigned char *packet, size_t len)
{
	struct ip_flow flow = {.family = AF_INET6};
	struct ip6_hdr ip6;
	size_t at = sizeof(ip6);
	uint8_t next;

	if (len < sizeof(ip6))
		return;
	memcpy(&ip6, packet, sizeof(ip6));
	if (packet[0] >> 4 != 6 || ntohs(ip6.ip6_plen) + sizeof(ip6) > len)
		return;
	len = ntohs(ip6.ip6_plen) + sizeof(ip6);
	flow.src.v6 = ip6.ip6_src;
	flow.dst.v6 = ip6.ip6_dst;
	if (!is_ours(e, iface, &flow))
		return;
	next = ip6.ip6_nxt;
	while (next == IPPROTO_HOPOPTS || next == IPPROTO_DSTOPTS || next == IPPROTO_ROUTING) {
		size_t size;

		if (at + 8 > len)
			return;
		size = (packet[at + 1] + 1U) * 8;
		next = packet[at];
		at += size;
		if (at > len)
			return;
	}
	if (next == IPPROTO_FRAGMENT) {
		struct ip6_frag frag;

		if (at + sizeof(frag) > len)
			return;
		memcpy(&frag, packet + at, sizeof(frag));
		at += sizeof(frag);
		next = frag.ip6f_nxt;
		if (frag.ip6f_offlg & (IP6F_OFF_MASK | IP6F_MORE_FRAG)) {
			reassemble(e, iface, &flow, next, frag.ip6f_ident, packet, sizeof(ip6),
			           ntohs(frag.ip6f_offlg & IP6F_OFF_MASK), frag.ip6f_offlg & IP6F_MORE_FRAG,
			           packet + at, len - at);
			return;
		}
		/* It is whole, RFC 6946. */
	}
	deliver(e, iface, &flow, next, packet, at, packet + at, len - at);
}

void ip_deliver(struct engine *e, struct inet_iface *iface, int family, unsigned char *packet, size_t len)
{
	if (family == AF_INET)
		input4(e, iface, packet, len);
	else
		input6(e, iface, packet, len);
}

/* -------------------------------------------------------------------------------------------------------- disturbances */

/** disturb - lose, double or delay a TCP segment; true when it is not to be delivered now */
static bool disturb(struct engine *e, struct inet_iface *iface, int family, const unsigned char *packet, size_t len)
{
	bool tcp = len > 20 && (family == AF_INET ? packet[9] : packet[6]) == IPPROTO_TCP;
	unsigned int copies = 1, count = 0;

	if (!tcp || !(e->delay | e->loss | e->duplicate))
		return false;
	if (one_in(e, e->loss))
		return true;
	if (one_in(e, e->duplicate))
		copies = 2;
	for (struct held *held = e->late; held; held = held->next)
		count++;
	while (copies-- > 0 && count++ < LATE_MAX) {
		struct held *held = malloc(sizeof(*held) + len);
		struct held **at = &e->late;
		uint32_t number;

		if (!held)
			return true;
		usock_random(e->stack, &number, sizeof(number));
		*held = (struct held){.iface = iface,
		                      .family = family,
		                      .len = len,
		                      .when = usock_now(e->stack) + (int64_t)(number % (e->delay * 1000 + 1)) * 1000};
		memcpy(held->data, packet, len);
		while (*at && (*at)->when <= held->when)
			at = &(*at)->next;
		held->next = *at;
		*at = held;
	}
	usock_deadline_changed(e->stack);
	return true;
}

bool ip_input(void *engine, struct inet_iface *iface, int family, unsigned char *packet, size_t len, void *buffer)
{
	struct engine *e = engine;

	(void)buffer;
	if (!disturb(e, iface, family, packet, len))
		ip_deliver(e, iface, family, packet, len);
	return false;
}

int64_t ip_deadline(const struct engine *e)
{
	int64_t when = e->late ? e->late->when : INET_NEVER;

	for (const struct fragments *f = e->fragments; f; f = f->next)
		if (f->expires < when)
			when = f->expires;
	return when;
}

void ip_timers(struct engine *e, int64_t now)
{
	while (e->late && e->late->when <= now) {
		struct held *held = e->late;

		e->late = held->next;
		ip_deliver(e, held->iface, held->family, held->data, held->len);
		free(held);
	}
	for (struct fragments **at = &e->fragments; *at;) {
		struct fragments *f = *at;

		if (f->expires <= now) {
			*at = f->next;
			free(f);
		} else {
			at = &f->next;
		}
	}
}

void ip_close(struct engine *e)
{
	while (e->late) {
		struct held *held = e->late;

		e->late = held->next;
		free(held);
	}
	while (e->fragments) {
		struct fragments *f = e->fragments;

		e->fragments = f->next;
		free(f);
	}
}
