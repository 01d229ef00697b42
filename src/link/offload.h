/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * offload.h - large segments on the stack's side, finished frames on the network's.
 *
 * A kernel that is allowed to hands over TCP segments and trains of UDP datagrams of up to 64 KiB with unfinished checksums, and
 * takes such segments. It walks its own layers once for forty frames then. A VDE network carries finished frames of the MTU. What
 * lies between is done here, once.
 */
#ifndef IOTH_LINK_OFFLOAD_H
#define IOTH_LINK_OFFLOAD_H

#include "checksum.h"
#include "link.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4                                                                                      \
	5 /* in the headers of Linux 6.2 and later: a train of UDP datagrams, all but the last of one size */
#endif

/** link__network_header - offset of the IP header, behind at most two VLAN tags, and the EtherType in @type; 0 when there is
 * none */
static inline uint16_t link__network_header(const unsigned char *data, uint32_t len, uint16_t *type)
{
	const uint16_t tag = 4;
	uint16_t at = 14; /* Ethernet */

	if (len < at)
		return 0;
	*type = link__get16(data + at - 2);
	for (int tags = 0; tags < 2 && (*type == 0x8100 || *type == 0x88a8); tags++) {
		if (len < (uint32_t)at + tag)
			return 0;
		*type = link__get16(data + at + 2);
		at = (uint16_t)(at + tag);
	}
	return at;
}

/** struct link__finisher - one frame of a device on its way to the network; see link__finish */
struct link__finisher {
	unsigned char *data; /* of the frame */
	uint32_t len;
	uint32_t done;       /* bytes of the payload that have been cut, a multiple of size or all; may be set back */
	uint32_t payload;    /* bytes behind the headers */
	uint16_t headers;    /* bytes up to and including the TCP or UDP header; 0: nothing to cut */
	uint16_t transport;  /* offset of that header */
	uint16_t network;    /* offset of the IP header */
	uint16_t size;       /* bytes of payload in a frame */
	uint16_t identifier; /* IPv4, of the first */
	uint64_t pseudo;     /* sum of the pseudo header, without the length */
	bool ipv6, udp;
};

/**
 * link__finish - begin to turn a frame with an offload header into finished frames
 *
 * A checksum that is left to be done in a frame of ordinary size is written into it, and its header is cleared. A segment stays as it is, so
 * that it can be begun again. Returns the number of finished frames it makes, 0 when
 * it makes no sense (the header contradicts the frame, the kind of segment is unknown, a finished frame would be too large).
 */
unsigned int link__finish(struct link__finisher *finisher, struct link_frame *frame);

/**
 * link__finish_next - the next finished frame
 * @room: LINK_FRAME_MAX bytes for it, used when the frame has to be cut
 * @out: where it is: in @room, or in the frame itself
 *
 * Returns its length, 0 when there is no more. The order is that of the bytes.
 */
uint32_t link__finish_next(struct link__finisher *finisher, unsigned char *room, const unsigned char **out);

/** link__finish_headers - the headers in @out, a copy of the segment's, become those of its next part, of @payload bytes,
 * but for the checksum; returns the bytes from the transport header on */
uint16_t link__finish_headers(const struct link__finisher *finisher, unsigned char *out, uint32_t payload);

/** struct link__split - a segment on its way in parts; see link__split */
struct link__split {
	struct link__finisher finisher;
	struct virtio_net_hdr vnet;
	uint32_t most; /* bytes of payload in a part */
	unsigned char headers[256];
};

/**
 * link__split - begin to turn a TCP segment that is too large for a network into several that are not
 *
 * The parts are made in the place of the segment, which is no more afterwards. Returns false when it makes no sense (see
 * link__finish), or its headers are longer than anybody makes them.
 */
bool link__split(struct link__split *split, struct link_frame *frame);

/** link__split_next - the next part, to be used before there is another; false: there is none left */
bool link__split_next(struct link__split *split, struct link_frame *part);

/** link__split_back - the last part was not sent: @frame becomes what is left with it, a segment like another */
void link__split_back(struct link__split *split, struct link_frame *frame);

/**
 * link__coalesce - merge TCP segments that follow each other, in a batch of frames from the network
 *
 * Only frames that are right and ordinary in every respect are merged: nothing is lost by it that their receiver could tell, and what is not
 * merged stays as it is, in its place. The buffers of the frames have room for LINK_SEGMENT_MAX bytes. Returns how many frames remain.
 */
unsigned int link__coalesce(struct link_frame *frames, unsigned int count);

#endif
