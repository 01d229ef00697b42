/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * queue.h - frames of a connection that wait for room in its network; see queue.c.
 */
#ifndef IOTH_LINK_QUEUE_H
#define IOTH_LINK_QUEUE_H

#include "private.h"

#include <sys/uio.h>

/** struct link__queue - all zero: empty */
struct link__queue {
	struct link__queued *first, *last;
	unsigned int frames;
	size_t bytes;
};

/** link__queue_add - a copy of a frame in @pieces pieces of @len bytes in all; false: the queue is full, or no memory */
bool link__queue_add(struct link__queue *queue, const struct virtio_net_hdr *vnet, const struct iovec *piece,
                     unsigned int pieces, size_t len);

/** link__queue_first - the oldest frame, of a queue that is not empty */
struct link_frame link__queue_first(const struct link__queue *queue);

/** link__queue_drop - forget the oldest frame, of a queue that is not empty */
void link__queue_drop(struct link__queue *queue);

#endif
