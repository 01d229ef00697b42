/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ippacket.c - reading received IP packets, whose payload lies in pieces, and turning them into datagrams.
 */
#include "ip.h"
#include "sockfilter.h"

#include <stdlib.h>
#include <time.h>

size_t usock__packet_copy(const struct usock_packet *packet, size_t skip, void *to, size_t len)
{
	unsigned char *out = to;
	size_t copied = 0;

	for (unsigned int i = 0; i < packet->pieces && copied < len; i++) {
		const struct iovec *piece = &packet->payload[i];
		size_t part;

		if (skip >= piece->iov_len) {
			skip -= piece->iov_len;
			continue;
		}
		part = piece->iov_len - skip;
		if (part > len - copied)
			part = len - copied;
		memcpy(out + copied, (const unsigned char *)piece->iov_base + skip, part);
		copied += part;
		skip = 0;
	}
	return copied;
}

uint32_t usock__packet_sum(const struct usock_packet *packet, size_t len, uint32_t sum)
{
	size_t done = 0;

	for (unsigned int i = 0; i < packet->pieces && done < len; i++) {
		const struct iovec *piece = &packet->payload[i];
		size_t part = piece->iov_len < len - done ? piece->iov_len : len - done;

		sum = usock__checksum(sum, piece->iov_base, part, done & 1);
		done += part;
	}
	return sum;
}

/** realtime - the time of day in nanoseconds */
static int64_t realtime(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct usock__dgram *usock__packet_dgram(const struct usock *sock, const struct usock_packet *packet, size_t header,
                                         size_t skip, size_t len, uint16_t port, uint16_t dst_port)
{
	size_t fixed = packet->family == AF_INET ? sizeof(struct iphdr) : sizeof(struct ip6_hdr);
	size_t options = packet->header_len > fixed ? packet->header_len - fixed : 0;
	struct usock__dgram *dgram = usock__dgram_new(header + len, options);
	struct usock_endpoint from = {.ip = packet->src, .port = port, .scope = packet->iface->index};

	if (!dgram)
		return NULL;
	if (header > 0)
		memcpy(dgram->data, packet->header, header);
	if (options > 0)
		memcpy(dgram->options, packet->header + fixed, options);
	usock__packet_copy(packet, skip, dgram->data + header, len);
	if (sock->family == AF_INET6 && packet->family == AF_INET)
		from.ip = usock__mapped(packet->src.v4);
	dgram->namelen = sizeof(dgram->name);
	usock__endpoint_give(sock->family, &from, &dgram->name, &dgram->namelen);
	dgram->when = packet->when;
	if (dgram->when == 0 &&
	    (sock->options.timestamp || sock->options.timestampns || sock->options.timestamping != 0))
		dgram->when = realtime();
	dgram->family = packet->family;
	dgram->dst = packet->dst;
	dgram->dst_port = dst_port;
	dgram->ifindex = packet->iface->index;
	dgram->hop_limit = packet->hop_limit;
	dgram->tos = packet->tos;
	dgram->flow_label = packet->flow_label;
	if (packet->family == AF_INET6 && packet->header_len >= fixed)
		dgram->aux[0] = packet->header[6]; /* what the first of the extension headers is */
	return dgram;
}

bool usock__packet_filter(const struct usock *sock, struct usock__dgram *dgram, const void *before, size_t before_len)
{
	size_t whole = before_len + dgram->len, keep;
	unsigned char *bytes;

	if (!sock->filter)
		return true;
	bytes = malloc(whole > 0 ? whole : 1);
	if (!bytes) {
		usock__dgram_free(dgram);
		return false;
	}
	if (before_len > 0)
		memcpy(bytes, before, before_len);
	memcpy(bytes + before_len, dgram->data, dgram->len);
	keep = usock__filter_run(sock, bytes, whole, whole);
	free(bytes);
	if (keep == 0) {
		usock__dgram_free(dgram);
		return false;
	}
	if (keep < before_len)
		keep = before_len; /* the header stays in any case */
	dgram->len = keep - before_len;
	return true;
}

bool usock__packet_admits(const struct usock__inet *sock, const struct usock_packet *packet)
{
	int least = packet->family == AF_INET ? sock->ip.minttl : sock->ip.minhopcount;

	if (packet->hop_limit < least)
		return false;
	if (sock->sock.options.bound_if != 0 && sock->sock.options.bound_if != packet->iface->index)
		return false;
	return !usock__is_group(packet->family, &packet->dst) ||
	       usock__mcast_wanted(sock, packet->family, &packet->dst, &packet->src, packet->iface);
}
