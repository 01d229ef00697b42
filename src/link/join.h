/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * join.h - several TCP segments of a stack sent as one; see join.c.
 */
#ifndef IOTH_LINK_JOIN_H
#define IOTH_LINK_JOIN_H

#include "segment.h"

#include <sys/uio.h>

#define LINK__JOIN_MAX 64      /* segments */
#define LINK__JOIN_HEADERS 120 /* bytes: Ethernet, IPv6, TCP with all its options */

/** struct link__join - what is kept; all zero: nothing. A frame with what is left to be done (vnet) and count + 1 pieces */
struct link__join {
	struct link__segment first; /* its headers are in `headers` */
	unsigned char headers[LINK__JOIN_HEADERS];
	struct iovec piece[1 + LINK__JOIN_MAX];
	unsigned int count; /* segments */
	uint32_t len;       /* bytes */
	bool open;          /* more may follow */
	struct virtio_net_hdr vnet;
};

/** link__join_add - keep a segment, whose payload stays where it is until it is sent; false: it does not continue what is kept,
 * or is nothing to be kept at all */
bool link__join_add(struct link__join *join, const struct link_frame *frame);

/** link__join_end - nothing follows: make what is kept a frame to be sent */
void link__join_end(struct link__join *join);

#endif
