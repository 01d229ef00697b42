/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * segment.c - TCP segments in frames: measured, compared, and made larger.
 *
 * Alike are only segments whose headers are equal in all that matters: both addresses, VLAN-less Ethernet, IPv4 without options or
 * fragments or IPv6 without extensions, TOS, TTL, flow label, ports, acknowledgement, window, and all TCP options. Flags other than ACK and PSH
 * keep a segment by itself. Where several are made one all but the last have one size, so that the cut (finish.c) gives them back.
 */
#include "segment.h"

#include "checksum.h"

#define ETHERNET 14
#define IPV4 20
#define IPV6 40
#define TCP 20
#define ACK 0x10
/* The length of an IPv4 packet has 16 bits; that of IPv6 has a little more room. */
#define LARGEST (65535 + ETHERNET)

/** measure_ip - the IP header: sets tcp and len; false when it is not a plain one of a TCP segment */
static bool measure_ip(struct link__segment *s, uint32_t len)
{
	const unsigned char *ip = s->data + ETHERNET;
	uint32_t total;

	switch (link__get16(s->data + 12)) {
	case 0x0800:
		if (len < ETHERNET + IPV4 || ip[0] != 0x45 || ip[9] != 6 || (link__get16(ip + 6) & 0x3fff) != 0)
			return false;
		s->tcp = ETHERNET + IPV4;
		total = link__get16(ip + 2);
		if (link__sum_fold(link__sum(0, ip, IPV4)) != 0xffff)
			return false;
		break;
	case 0x86dd:
		if (len < ETHERNET + IPV6 || ip[0] >> 4 != 6 || ip[6] != 6)
			return false;
		s->ipv6 = true;
		s->tcp = ETHERNET + IPV6;
		total = IPV6 + (uint32_t)link__get16(ip + 4);
		break;
	default:
		return false;
	}
	s->len = ETHERNET + total;
	return s->len <= len && s->len >= (uint32_t)s->tcp + TCP;
}

bool link__segment_measure(struct link__segment *s, const struct link_frame *frame)
{
	const unsigned char *tcp;

	*s = (struct link__segment){.data = frame->data};
	if (frame->len < ETHERNET || !measure_ip(s, frame->len))
		return false;
	tcp = s->data + s->tcp;
	s->headers = (uint16_t)(s->tcp + (tcp[12] >> 4) * 4);
	if (s->headers < s->tcp + TCP || s->headers > s->len)
		return false;
	s->payload = (uint16_t)(s->len - s->headers);
	s->flags = tcp[13];
	s->unsummed = (frame->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;
	s->plain = s->payload > 0 && (s->flags & (uint8_t)~LINK__SEGMENT_PSH) == ACK && (tcp[12] & 0x0f) == 0;
	return true;
}

bool link__segment_has_work(const struct link__segment *s, const struct link_frame *frame)
{
	if (frame->vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return true;
	return s->unsummed && (frame->vnet.csum_start != s->tcp || frame->vnet.csum_offset != 16);
}

bool link__segment_same_connection(const struct link__segment *a, const struct link__segment *b)
{
	size_t addresses = a->ipv6 ? ETHERNET + 8 : ETHERNET + 12, size = a->ipv6 ? 32 : 8;

	return a->ipv6 == b->ipv6 && memcmp(a->data + addresses, b->data + addresses, size) == 0 &&
	       memcmp(a->data + a->tcp, b->data + b->tcp, 4) == 0;
}

/** same_headers - are the headers of two segments of one connection equal, but for what has to differ? */
static bool same_headers(const struct link__segment *a, const struct link__segment *b)
{
	const unsigned char *ip = a->data + ETHERNET, *ip2 = b->data + ETHERNET;
	const unsigned char *tcp = a->data + a->tcp, *tcp2 = b->data + b->tcp;

	if (a->headers != b->headers || memcmp(a->data, b->data, ETHERNET) != 0)
		return false;
	if (a->ipv6 ? memcmp(ip, ip2, 4) != 0 || ip[7] != ip2[7]
	            : ip[1] != ip2[1] || ip[8] != ip2[8] || ip[6] != ip2[6])
		return false;
	/* acknowledgement; window; urgent pointer and options */
	return memcmp(tcp + 8, tcp2 + 8, 4) == 0 && memcmp(tcp + 14, tcp2 + 14, 2) == 0 &&
	       memcmp(tcp + 18, tcp2 + 18, (size_t)(a->headers - a->tcp - 18)) == 0;
}

/** pseudo_sum - of the pseudo header of a segment with @length bytes from the TCP header on */
static uint64_t pseudo_sum(const struct link__segment *s, uint16_t length)
{
	const unsigned char *ip = s->data + ETHERNET;
	uint64_t sum = link__word(6) + link__word(length);

	return s->ipv6 ? link__sum(sum, ip + 8, 32) : link__sum(sum, ip + 12, 8);
}

bool link__segment_sum_is_right(const struct link__segment *s, uint64_t payload)
{
	uint64_t sum =
	        link__sum(pseudo_sum(s, (uint16_t)(s->len - s->tcp)), s->data + s->tcp, (size_t)(s->headers - s->tcp));

	return link__sum_fold(link__sum_add(sum, payload)) == 0xffff;
}

bool link__segment_follows(const struct link__segment *first, uint32_t len, const struct link__segment *s)
{
	uint32_t next = link__get32(first->data + first->tcp + 4) + len - first->headers;

	return first->plain && s->plain && s->payload <= first->payload && len + s->payload <= LARGEST &&
	       link__get32(s->data + s->tcp + 4) == next && same_headers(first, s);
}

bool link__segment_last(const struct link__segment *first, const struct link__segment *s)
{
	return s->payload < first->payload || (s->flags & LINK__SEGMENT_PSH);
}

struct virtio_net_hdr link__segment_grow(const struct link__segment *first, uint32_t len)
{
	unsigned char *ip = first->data + ETHERNET, *tcp = first->data + first->tcp;
	uint16_t partial;

	if (first->ipv6) {
		link__put16(ip + 4, (uint16_t)(len - ETHERNET - IPV6));
	} else {
		link__put16(ip + 2, (uint16_t)(len - ETHERNET));
		memset(ip + 10, 0, 2);
		link__put_check(ip + 10, link__sum(0, ip, IPV4));
	}
	partial = link__sum_fold(pseudo_sum(first, (uint16_t)(len - first->tcp)));
	memcpy(tcp + 16, &partial, sizeof(partial));
	return (struct virtio_net_hdr){
	        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	        .gso_type = first->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
	        .hdr_len = first->headers,
	        .gso_size = first->payload,
	        .csum_start = first->tcp,
	        .csum_offset = 16,
	};
}
