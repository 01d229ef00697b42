/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * icmp.c - echoes; errors about packets that we should have forwarded, or put together.
 *
 * Errors about packets for our own sockets are usock's. As RFC 1812 and 4443 ask, there are none about errors, fragments
 * but the first, groups and broadcasts, and not more than so many in a second.
 */
#include "engine.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/rtnetlink.h>
#include <netinet/ip.h>
#include <string.h>

#include "chksum.h"

#define IP4_HEADER 20U
#define ICMP_HEADER 8U
#define QUOTE4 (576U - IP4_HEADER - ICMP_HEADER) /* bytes of the packet in question */
#define QUOTE6 (1280U - IP6_HEADER - ICMP_HEADER)
#define ERRORS_PER_SECOND 1000U

/** limited - have there been too many errors in this second? */
static bool limited(struct engine *e)
{
	int64_t now = usock_now(e->stack);

	if (now - e->icmp_when >= 1000 * MILLISECOND) {
		e->icmp_when = now;
		e->icmp_left = ERRORS_PER_SECOND;
	}
	if (e->icmp_left == 0)
		return true;
	e->icmp_left--;
	return false;
}

/** source - which address of ours answers to @to; @mine when that is one */
static bool source(struct engine *e, const struct usock_packet *about, const union inet_ip *mine,
                   struct inet_flow *flow)
{
	memset(flow, 0, sizeof(*flow));
	flow->family = about->family;
	flow->dst = about->src;
	if (mine)
		flow->src = *mine;
	if (about->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&about->src.v6))
		flow->oif = about->iface->index;
	return inet_route(e->inet, flow) == 0;
}

/** answer - an ICMP message of @len bytes, at @payload in @packet, whose checksum is zero so far */
static void answer(struct engine *e, const struct inet_flow *flow, uint8_t tos, unsigned char *data,
                   unsigned char *payload, size_t len)
{
	size_t header = (size_t)(payload - data);
	uint16_t sum, id = 0;

	memset(data, 0, header);
	if (flow->family == AF_INET) {
		data[0] = 0x45;
		data[1] = tos;
		put16(data + 2, (unsigned int)(header + len));
		usock_random(e->stack, &id, sizeof(id));
		put16(data + 4, id);
		data[8] = (unsigned char)flow->hop_limit;
		data[9] = IPPROTO_ICMP;
		memcpy(data + 12, &flow->source.v4, 4);
		memcpy(data + 16, &flow->dst.v4, 4);
		chksum_ip4(data, header);
		sum = (uint16_t)~chksum_fold(chksum_add(0, payload, len));
	} else {
		put32(data, 6U << 28 | (uint32_t)tos << 20);
		put16(data + 4, (unsigned int)len);
		data[6] = IPPROTO_ICMPV6;
		data[7] = (unsigned char)flow->hop_limit;
		memcpy(data + 8, &flow->source.v6, 16);
		memcpy(data + 24, &flow->dst.v6, 16);
		sum = (uint16_t)~chksum_fold(chksum_add(
		        chksum_pseudo(&flow->source, &flow->dst, 16, IPPROTO_ICMPV6, (uint32_t)len), payload, len));
	}
	memcpy(payload + 2, &sum, 2);
	ip_send(e, flow->iface, &flow->nexthop, flow->mtu, flow->family, data, header + len, true);
}

bool echo_input(struct engine *e, const struct usock_packet *packet)
{
	bool v4 = packet->family == AF_INET;
	size_t header = v4 ? IP4_HEADER : IP6_HEADER, len = packet->payload_len;
	const unsigned char *request = packet->payload[0].iov_base;
	int type = inet_addr_type(e->inet, packet->family, &packet->dst, v4 ? NULL : packet->iface);
	struct inet_flow flow;
	unsigned char *data;
	void *reply;

	if (len < ICMP_HEADER || packet->pieces != 1 || request[0] != (v4 ? ICMP_ECHO : ICMPV6_ECHO_REQUEST))
		return false;
	/* Not to broadcasts; an IPv6 group may be asked. */
	if (type == RTN_BROADCAST || (v4 && type == RTN_MULTICAST))
		return true;
	if (v4 && chksum_fold(chksum_add(0, request, len)) != 0xffff)
		return true;
	if (!source(e, packet, type == RTN_MULTICAST ? NULL : &packet->dst, &flow))
		return true;
	reply = engine_tx_alloc(e, header + len, &data);
	if (!reply)
		return true;
	memcpy(data + header, request, len);
	data[header] = v4 ? ICMP_ECHOREPLY : ICMPV6_ECHO_REPLY;
	memset(data + header + 2, 0, 2);
	answer(e, &flow, packet->tos, data, data + header, len);
	engine_tx_free(e, reply);
	return true;
}

/** may_complain - is it a packet about which its sender may be told? */
static bool may_complain(struct engine *e, const struct usock_packet *about, int type)
{
	const unsigned char *payload = about->payload[0].iov_base;
	int dst = inet_addr_type(e->inet, about->family, &about->dst, about->iface);

	if (dst == RTN_BROADCAST)
		return false;
	if (about->family == AF_INET) {
		if (dst == RTN_MULTICAST || about->src.v4.s_addr == 0 || (get16(about->header + 6) & IP_OFFMASK) != 0)
			return false;
		if (about->protocol != IPPROTO_ICMP)
			return true;
		return about->payload_len > 0 && (payload[0] == ICMP_ECHO || payload[0] == ICMP_ECHOREPLY ||
		                                  payload[0] == ICMP_TIMESTAMP || payload[0] == ICMP_TIMESTAMPREPLY);
	}
	if (IN6_IS_ADDR_UNSPECIFIED(&about->src.v6))
		return false;
	if (dst == RTN_MULTICAST && type != ICMPV6_PKT_TOOBIG && type != ICMPV6_PARAMPROB)
		return false;
	return about->protocol != IPPROTO_ICMPV6 || (about->payload_len > 0 && (payload[0] & 0x80));
}

void icmp_error(struct engine *e, const struct usock_packet *about, int type, int code, uint32_t value)
{
	bool v4 = about->family == AF_INET;
	size_t header = v4 ? IP4_HEADER : IP6_HEADER, max = v4 ? QUOTE4 : QUOTE6;
	size_t quote = about->header_len + about->payload_len;
	struct inet_flow flow;
	unsigned char *data, *message;
	void *error;

	if (about->pieces != 1 || !may_complain(e, about, type) || limited(e) || !source(e, about, NULL, &flow))
		return;
	if (quote > max)
		quote = max;
	error = engine_tx_alloc(e, header + ICMP_HEADER + quote, &data);
	if (!error)
		return;
	message = data + header;
	memset(message, 0, ICMP_HEADER);
	message[0] = (unsigned char)type;
	message[1] = (unsigned char)code;
	put32(message + 4, value);
	message += ICMP_HEADER;
	if (quote <= about->header_len) {
		memcpy(message, about->header, quote);
	} else {
		memcpy(message, about->header, about->header_len);
		memcpy(message + about->header_len, about->payload[0].iov_base, quote - about->header_len);
	}
	answer(e, &flow, 0, data, data + header, ICMP_HEADER + quote);
	engine_tx_free(e, error);
}
