/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * finish.c - from segments with work left over to finished frames.
 *
 * A segment is cut as a network adapter does it: each frame gets a copy of the headers with its own lengths, IPv4 identifier, sequence
 * number and checksums. FIN and PSH stay with the last frame, CWR with the first. A train of UDP datagrams (UDP_SEGMENT) is cut likewise,
 * into datagrams that each have their own header. The sum of the pseudo header needs no addresses: the
 * kernel has left it, with the length of the whole segment, in the place of the checksum.
 *
 * The stack is trusted no more than the network: every offset of the offload header is checked against the frame.
 */
#include "checksum.h"
#include "offload.h"

#define ETHERNET 14
#define TCP_CHECK 16 /* offset of the checksum in a TCP header */
#define UDP_CHECK 6  /* in a UDP header */
#define UDP_HEADER 8
#define TCP_FLAGS 13
#define FIN_PSH 0x09
#define CWR 0x80

/** finish_checksum - write the checksum that is left to be done; false when it would lie outside the frame */
static bool finish_checksum(struct link_frame *frame)
{
	uint32_t start = frame->vnet.csum_start, place = start + frame->vnet.csum_offset;
	uint16_t check;

	if (!(frame->vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return true;
	if (start >= frame->len || place + sizeof(check) > frame->len)
		return false;
	check = (uint16_t)~link__sum_fold(link__sum(0, frame->data + start, frame->len - start));
	if (check == 0)
		check = 0xffff; /* in UDP 0 says that there is none, and the two are one number */
	memcpy(frame->data + place, &check, sizeof(check));
	return true;
}

/** ip_header - is the IP header the one of a segment of @protocol, or of any kind of IP, as the offload header says? */
static bool ip_header(struct link__finisher *f, uint16_t type, uint8_t protocol)
{
	const unsigned char *ip = f->data + f->network;

	switch (type) {
	case 0x0800:
		if (f->transport < f->network + 20)
			return false; /* what is behind it is in the frame, what is before it need not be */
		f->identifier = link__get16(ip + 4);
		return ip[0] >> 4 == 4 && ip[9] == protocol && f->network + (ip[0] & 15) * 4 == f->transport;
	case 0x86dd: /* between the two there may be extension headers */
		f->ipv6 = true;
		return f->transport >= f->network + 40 && ip[0] >> 4 == 6;
	default:
		return false;
	}
}

/** segment_headers - find and check the headers of a segment; false when the offload header does not fit it */
static bool segment_headers(struct link__finisher *f, const struct link_frame *frame)
{
	const struct virtio_net_hdr *vnet = &frame->vnet;
	uint8_t kind = vnet->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	uint16_t type;

	f->network = link__network_header(frame->data, frame->len, &type);
	f->transport = vnet->csum_start;
	f->udp = kind == VIRTIO_NET_HDR_GSO_UDP_L4;
	if (f->network == 0 || !(vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) ||
	    vnet->csum_offset != (f->udp ? UDP_CHECK : TCP_CHECK) ||
	    (uint32_t)f->transport + (f->udp ? UDP_HEADER : 20) > frame->len || vnet->gso_size == 0)
		return false;
	if (f->udp) {
		f->headers = (uint16_t)(f->transport + UDP_HEADER);
		return ip_header(f, type, 17) && f->headers < frame->len;
	}
	if (!ip_header(f, type, 6) || kind != (f->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4))
		return false;
	f->headers = (uint16_t)(f->transport + (frame->data[f->transport + 12] >> 4) * 4);
	return f->headers >= f->transport + 20 && f->headers < frame->len;
}

/** check_at - offset of the checksum in the frame */
static uint32_t check_at(const struct link__finisher *f)
{
	return (uint32_t)f->transport + (f->udp ? UDP_CHECK : TCP_CHECK);
}

unsigned int link__finish(struct link__finisher *f, struct link_frame *frame)
{
	uint16_t partial;

	*f = (struct link__finisher){.data = frame->data, .len = frame->len};
	if (frame->vnet.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		if (frame->len < ETHERNET || frame->len > LINK_FRAME_MAX || !finish_checksum(frame))
			return 0;
		frame->vnet = (struct virtio_net_hdr){0};
		f->payload = frame->len;
		return 1;
	}
	if (frame->len > LINK_LARGE_MAX || !segment_headers(f, frame) || (f->udp && frame->len > LINK_SEGMENT_MAX))
		return 0;
	f->size = frame->vnet.gso_size;
	if ((uint32_t)f->headers + f->size > LINK_FRAME_MAX)
		return 0;
	f->payload = frame->len - f->headers;
	/* Take the length of the whole out of the kernel's sum: subtracting is adding the complement. */
	memcpy(&partial, frame->data + check_at(f), sizeof(partial));
	f->pseudo = (uint64_t)partial + (uint16_t)~link__sum_fold(link__word32(frame->len - f->transport));
	return (f->payload + f->size - 1) / f->size;
}

/** finish_tcp - what a frame has of its own in the TCP header, but the checksum */
static void finish_tcp(const struct link__finisher *f, unsigned char *tcp, uint32_t payload)
{
	link__put32(tcp + 4, link__get32(tcp + 4) + f->done);
	if (f->done + payload < f->payload)
		tcp[TCP_FLAGS] &= (unsigned char)~FIN_PSH;
	if (f->done > 0)
		tcp[TCP_FLAGS] &= (unsigned char)~CWR;
}

uint16_t link__finish_headers(const struct link__finisher *f, unsigned char *out, uint32_t payload)
{
	unsigned char *ip = out + f->network, *transport = out + f->transport;
	uint16_t length = (uint16_t)(f->headers - f->transport + payload);

	if (f->ipv6) {
		link__put16(ip + 4, (uint16_t)(f->transport - f->network - 40 + length));
	} else {
		link__put16(ip + 2, (uint16_t)(f->transport - f->network + length));
		link__put16(ip + 4, (uint16_t)(f->identifier + f->done / f->size));
		memset(ip + 10, 0, 2);
		link__put_check(ip + 10, link__sum(0, ip, (size_t)(f->transport - f->network)));
	}
	if (f->udp)
		link__put16(transport + 4, length);
	else
		finish_tcp(f, transport, payload);
	return length;
}

/** finish_check - and the checksum; @length: of the transport header and what is behind it */
static void finish_check(const struct link__finisher *f, unsigned char *out, uint16_t length, uint64_t payload_sum)
{
	static const unsigned char none[2];
	unsigned char *check = out + check_at(f);

	memset(check, 0, 2);
	link__put_check(check, link__sum(link__sum_add(payload_sum, f->pseudo + link__word(length)), out + f->transport,
	                                 (size_t)(f->headers - f->transport)));
	if (f->udp && memcmp(check, none, sizeof(none)) == 0)
		memset(check, 0xff, 2); /* as in finish_checksum */
}

uint32_t link__finish_next(struct link__finisher *f, unsigned char *room, const unsigned char **out)
{
	uint32_t payload = f->payload - f->done;
	uint64_t sum;

	if (payload == 0)
		return 0;
	if (f->headers == 0) {
		f->done = f->payload;
		*out = f->data;
		return f->len;
	}
	if (payload > f->size)
		payload = f->size;
	memcpy(room, f->data, f->headers);
	sum = link__sum_copy(0, room + f->headers, f->data + f->headers + f->done, payload);
	finish_check(f, room, link__finish_headers(f, room, payload), sum);
	f->done += payload;
	*out = room;
	return f->headers + payload;
}
