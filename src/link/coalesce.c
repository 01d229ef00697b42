/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * coalesce.c - TCP segments that came one after the other become one.
 *
 * What the kernel does for its own adapters (GRO) happens here for frames of a VDE network, and only within a batch that has come already:
 * nothing waits for more. A batch is gone through once. A frame that may begin something opens a *flow*; a frame that continues one is copied
 * behind it, its checksum being verified on the way; a frame of the same connection that does not fit closes it, so that the
 * order of a connection is kept.
 *
 * Merged are only segments whose headers are equal in all that matters: both addresses, VLAN-less Ethernet, IPv4 without options or
 * fragments or IPv6 without extensions, TOS, TTL, flow label, ports, acknowledgement, window, and all TCP options. Flags other than ACK and PSH
 * keep a segment by itself. All segments but the last have one size, so that the cut (finish.c) gives the frames back that came.
 * The result says that its checksum is left to be done, which is true and saves the stack the work. So may a frame that came through
 * memory (shm): such checksums are not looked at.
 */
#include "checksum.h"
#include "offload.h"

#define ETHERNET 14
#define IPV4 20
#define IPV6 40
#define TCP 20
#define ACK 0x10
#define PSH 0x08
#define FLOWS 8 /* connections followed in one batch; others are left as they are */
/* The length of an IPv4 packet has 16 bits; that of IPv6 has a little more room. */
#define SEGMENT_MAX (65535 + ETHERNET)

/** struct segment - a TCP segment in a frame, measured */
struct segment {
	unsigned char *data;
	uint32_t len;     /* of the frame, without padding */
	uint16_t tcp;     /* offset of the TCP header */
	uint16_t headers; /* bytes of all headers */
	uint16_t payload;
	uint8_t flags;
	bool ipv6;
	bool plain;    /* may be merged */
	bool unsummed; /* its checksum is left to be done */
};

/** struct flow - a frame that may grow */
struct flow {
	struct link_frame *frame;
	struct segment first;
	uint32_t next; /* sequence number */
	uint32_t len;  /* bytes of the frame so far */
	unsigned int merged;
	bool open;
};

/** measure_ip - the IP header: sets tcp and len; false when it is not a plain one of a TCP segment */
static bool measure_ip(struct segment *s, uint32_t len)
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

/** measure - the segment in a frame; false when there is none that this file understands */
static bool measure(struct segment *s, const struct link_frame *frame)
{
	const unsigned char *tcp;

	*s = (struct segment){.data = frame->data};
	if (frame->len < ETHERNET || !measure_ip(s, frame->len))
		return false;
	tcp = s->data + s->tcp;
	s->headers = (uint16_t)(s->tcp + (tcp[12] >> 4) * 4);
	if (s->headers < s->tcp + TCP || s->headers > s->len)
		return false;
	s->payload = (uint16_t)(s->len - s->headers);
	s->flags = tcp[13];
	s->unsummed = (frame->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;
	s->plain = s->payload > 0 && (s->flags & (uint8_t)~PSH) == ACK && (tcp[12] & 0x0f) == 0;
	return true;
}

/** same_connection - do two segments belong to one connection? */
static bool same_connection(const struct segment *a, const struct segment *b)
{
	size_t addresses = a->ipv6 ? ETHERNET + 8 : ETHERNET + 12, size = a->ipv6 ? 32 : 8;

	return a->ipv6 == b->ipv6 && memcmp(a->data + addresses, b->data + addresses, size) == 0 &&
	       memcmp(a->data + a->tcp, b->data + b->tcp, 4) == 0;
}

/** same_headers - are the headers of two segments of one connection equal, but for what has to differ? */
static bool same_headers(const struct segment *a, const struct segment *b)
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
static uint64_t pseudo_sum(const struct segment *s, uint16_t length)
{
	const unsigned char *ip = s->data + ETHERNET;
	uint64_t sum = link__word(6) + link__word(length);

	return s->ipv6 ? link__sum(sum, ip + 8, 32) : link__sum(sum, ip + 12, 8);
}

/** sum_is_right - is the checksum of a segment right, @payload being the sum of what is behind its headers? */
static bool sum_is_right(const struct segment *s, uint64_t payload)
{
	uint64_t sum =
	        link__sum(pseudo_sum(s, (uint16_t)(s->len - s->tcp)), s->data + s->tcp, (size_t)(s->headers - s->tcp));

	return link__sum_fold(link__sum_add(sum, payload)) == 0xffff;
}

/** flow_open - begin a flow with a segment, in a place that is free */
static void flow_open(struct flow *flow, struct link_frame *frame, const struct segment *s)
{
	*flow = (struct flow){
	        .frame = frame,
	        .first = *s,
	        .next = link__get32(s->data + s->tcp + 4) + s->payload,
	        .len = s->len,
	        .open = s->plain && !(s->flags & PSH),
	};
}

/** flow_take - copy a segment behind the flow if it fits; false: it has to stay by itself */
static bool flow_take(struct flow *flow, const struct segment *s)
{
	struct segment *first = &flow->first;

	if (!flow->open || !s->plain || s->payload > first->payload || flow->len + s->payload > SEGMENT_MAX ||
	    link__get32(s->data + s->tcp + 4) != flow->next || !same_headers(first, s))
		return false;
	/* The first is verified when there is a second: most are alone, and then the stack does it. */
	if (flow->merged == 0 && !first->unsummed &&
	    !sum_is_right(first, link__sum(0, first->data + first->headers, first->payload)))
		return false;
	if (s->unsummed)
		memcpy(first->data + flow->len, s->data + s->headers, s->payload);
	else if (!sum_is_right(s, link__sum_copy(0, first->data + flow->len, s->data + s->headers, s->payload)))
		return false;
	flow->len += s->payload;
	flow->next += s->payload;
	flow->merged++;
	first->data[first->tcp + 13] |= s->flags & PSH;
	if (s->payload < first->payload || (s->flags & PSH))
		flow->open = false;
	return true;
}

/** flow_end - if the flow has grown, its headers become those of one large segment */
static void flow_end(struct flow *flow)
{
	struct segment *first = &flow->first;
	unsigned char *ip, *tcp;
	uint16_t partial;

	if (flow->frame == NULL || flow->merged == 0)
		return;
	ip = first->data + ETHERNET;
	tcp = first->data + first->tcp;
	if (first->ipv6) {
		link__put16(ip + 4, (uint16_t)(flow->len - ETHERNET - IPV6));
	} else {
		link__put16(ip + 2, (uint16_t)(flow->len - ETHERNET));
		memset(ip + 10, 0, 2);
		link__put_check(ip + 10, link__sum(0, ip, IPV4));
	}
	partial = link__sum_fold(pseudo_sum(first, (uint16_t)(flow->len - first->tcp)));
	memcpy(tcp + 16, &partial, sizeof(partial));
	flow->frame->len = flow->len;
	flow->frame->vnet = (struct virtio_net_hdr){
	        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	        .gso_type = first->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
	        .hdr_len = first->headers,
	        .gso_size = first->payload,
	        .csum_start = first->tcp,
	        .csum_offset = 16,
	};
}

/** has_work - is something left to be done in it but the checksum of the segment that it seems to be? */
static bool has_work(const struct link_frame *frame, const struct segment *s)
{
	if (frame->vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return true;
	return s->unsummed && (frame->vnet.csum_start != s->tcp || frame->vnet.csum_offset != 16);
}

unsigned int link__coalesce(struct link_frame *frames, unsigned int count)
{
	struct flow flows[FLOWS] = {0};
	unsigned int kept = 0, victim = 0;

	for (unsigned int i = 0; i < count; i++) {
		struct flow *flow = NULL;
		struct segment s;

		if (!measure(&s, &frames[i]) || has_work(&frames[i], &s)) {
			/* It might belong to any connection. */
			for (unsigned int j = 0; j < FLOWS; j++)
				flows[j].open = false;
			frames[kept++] = frames[i];
			continue;
		}
		for (unsigned int j = 0; j < FLOWS && flow == NULL; j++)
			if (flows[j].frame != NULL && same_connection(&flows[j].first, &s))
				flow = &flows[j];
		if (flow != NULL && flow_take(flow, &s))
			continue;
		if (flow == NULL) {
			flow = &flows[victim];
			victim = (victim + 1) % FLOWS;
		}
		flow_end(flow);
		frames[kept] = frames[i];
		flow_open(flow, &frames[kept++], &s);
	}
	for (unsigned int j = 0; j < FLOWS; j++)
		flow_end(&flows[j]);
	return kept;
}
