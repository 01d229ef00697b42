/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * queue.c - frames that wait for room in a network.
 *
 * What an adapter has, and Linux shows as qlen: a sender that is faster than its receivers for a while loses nothing by it. A TCP
 * that lost segments on its own machine would wait for a retransmission timer where it had to wait some microseconds. The
 * queue is bounded in frames, as that of an interface of Linux is, and in bytes; beyond that frames are dropped.
 */
#include "queue.h"

#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX 1000
#define BYTES_MAX ((size_t)16 << 20) /* a hundred connections with full windows */

struct link__queued {
	struct link__queued *next;
	struct virtio_net_hdr vnet;
	uint32_t len;
	unsigned char data[];
};

bool link__queue_add(struct link__queue *queue, const struct virtio_net_hdr *vnet, const struct iovec *piece,
                     unsigned int pieces, size_t len)
{
	struct link__queued *queued;
	unsigned char *at;

	if (queue->frames == FRAMES_MAX || queue->bytes + len > BYTES_MAX)
		return false;
	queued = malloc(sizeof(*queued) + len);
	if (!queued)
		return false;
	queued->next = NULL;
	queued->vnet = *vnet;
	queued->len = (uint32_t)len;
	at = queued->data;
	for (unsigned int i = 0; i < pieces; at += piece[i++].iov_len)
		memcpy(at, piece[i].iov_base, piece[i].iov_len);
	if (queue->first)
		queue->last->next = queued;
	else
		queue->first = queued;
	queue->last = queued;
	queue->frames++;
	queue->bytes += len;
	return true;
}

struct link_frame link__queue_first(const struct link__queue *queue)
{
	struct link__queued *queued = queue->first;

	return (struct link_frame){.vnet = queued->vnet, .data = queued->data, .len = queued->len};
}

void link__queue_drop(struct link__queue *queue)
{
	struct link__queued *queued = queue->first;

	queue->first = queued->next;
	queue->frames--;
	queue->bytes -= queued->len;
	free(queued);
}
