/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * segment.h - TCP segments in frames, for who makes one of several: coalesce.c of received ones, join.c of ones to be sent.
 */
#ifndef IOTH_LINK_SEGMENT_H
#define IOTH_LINK_SEGMENT_H

#include "offload.h"

#define LINK__SEGMENT_PSH 0x08

/** struct link__segment - a TCP segment in a frame, measured */
struct link__segment {
	unsigned char *data;
	uint32_t len;     /* of the frame, without padding */
	uint16_t tcp;     /* offset of the TCP header */
	uint16_t headers; /* bytes of all headers */
	uint16_t payload;
	uint8_t flags;
	bool ipv6;
	bool plain;    /* may become part of a larger one */
	bool unsummed; /* its checksum is left to be done */
};

/** link__segment_measure - the segment in a frame; false when there is none that this file understands */
bool link__segment_measure(struct link__segment *segment, const struct link_frame *frame);

/** link__segment_has_work - is something left to be done in its frame but the checksum of the segment? */
bool link__segment_has_work(const struct link__segment *segment, const struct link_frame *frame);

/** link__segment_same_connection - do two segments belong to one connection? */
bool link__segment_same_connection(const struct link__segment *a, const struct link__segment *b);

/** link__segment_follows - @s of the same connection continues @first, which has grown to a frame of @len bytes, and fits */
bool link__segment_follows(const struct link__segment *first, uint32_t len, const struct link__segment *s);

/** link__segment_last - nothing can follow @s in what @first has begun */
bool link__segment_last(const struct link__segment *first, const struct link__segment *s);

/** link__segment_sum_is_right - is the checksum of a segment right, @payload being the sum of what is behind its headers? */
bool link__segment_sum_is_right(const struct link__segment *segment, uint64_t payload);

/** link__segment_grow - the headers of @first become those of a segment in a frame of @len bytes; returns what is left to be
 * done in it */
struct virtio_net_hdr link__segment_grow(const struct link__segment *first, uint32_t len);

#endif
