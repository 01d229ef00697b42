/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * split.c - segments that are too large for the network become several that are not.
 *
 * A kernel may hand over TCP segments of half a megabyte (BIG TCP); a network in shared memory takes them up to 64 KiB. Nothing
 * is copied: each part is sent from where it lies, with headers written over the end of the part before it, which has been sent
 * by then. So there is one part at a time, and the headers of the whole are kept aside.
 *
 * A part has its checksum left to be done, as the whole had.
 */
#include "checksum.h"
#include "offload.h"

#define IP_MAX 65535 /* bytes of a packet */

bool link__split(struct link__split *split, struct link_frame *frame)
{
	struct link__finisher *f = &split->finisher;
	uint32_t most;

	if (link__finish(f, frame) == 0 || f->headers == 0 || f->udp || f->headers > sizeof(split->headers))
		return false;
	memcpy(split->headers, f->data, f->headers);
	split->vnet = frame->vnet;
	most = IP_MAX - (uint32_t)(f->headers - f->network);
	if (most > LINK_SEGMENT_MAX - (uint32_t)f->headers)
		most = LINK_SEGMENT_MAX - (uint32_t)f->headers;
	split->most = most - most % f->size;
	return true;
}

/** part_make - the next @payload bytes as a segment, or as a frame when there is nothing to cut */
static void part_make(const struct link__split *split, uint32_t payload, struct link_frame *part)
{
	const struct link__finisher *f = &split->finisher;
	uint16_t check;

	*part = (struct link_frame){.vnet = split->vnet, .data = f->data + f->done, .len = f->headers + payload};
	memcpy(part->data, split->headers, f->headers);
	link__finish_headers(f, part->data, payload);
	check = link__sum_fold(f->pseudo + link__word32(part->len - f->transport)); /* of the pseudo header */
	memcpy(part->data + f->transport + split->vnet.csum_offset, &check, sizeof(check));
	part->vnet.hdr_len = f->headers;
	if (payload <= f->size) {
		part->vnet.gso_type = VIRTIO_NET_HDR_GSO_NONE;
		part->vnet.gso_size = 0;
	}
}

bool link__split_next(struct link__split *split, struct link_frame *part)
{
	struct link__finisher *f = &split->finisher;
	uint32_t payload = f->payload - f->done;

	if (payload == 0)
		return false;
	if (payload > split->most)
		payload = split->most;
	part_make(split, payload, part);
	f->done += payload;
	return true;
}

void link__split_back(struct link__split *split, struct link_frame *frame)
{
	struct link__finisher *f = &split->finisher;
	uint32_t last = f->done % split->most; /* only the end of the segment is not a multiple */

	f->done -= last != 0 ? last : split->most;
	part_make(split, f->payload - f->done, frame);
}
