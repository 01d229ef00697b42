/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * waiting.c - packets that wait until the hardware address of a neighbour is known.
 *
 * They are copies: who sent them has its buffer back. Each neighbour has a queue of its own, in which the newest
 * packets stay, as on Linux. Since whoever can make us answer strangers can fill any number of queues, all queues of a
 * stack together are bounded too: once much is waiting, a queue is one packet long. That is enough for the protocols
 * above, which send again, and it leaves room for neighbours that do exist.
 */
#include "neigh.h"

#include <errno.h>
#include <stdlib.h>

#define QUEUE_MAX 212992         /* of one neighbour: unres_qlen_bytes of Linux */
#define TOTAL_HIGH (1024 * 1024) /* more than this is waiting altogether: one packet for each neighbour */
#define TOTAL_MAX (4 * 1024 * 1024)
#define TCP_CHECK 16 /* offset of the checksum in a TCP header */

/** struct inet__waiting_packet - a packet, with room for the Ethernet header before it */
struct inet__waiting_packet {
	struct inet__waiting_packet *next;
	struct inet_iface *iface;
	int family;
	uint32_t len;
	unsigned char data[]; /* INET_HEADROOM bytes, then the packet */
};

/** cost - what a packet counts: itself and what malloc makes of it, about */
static size_t cost(const struct inet__waiting_packet *packet)
{
	return sizeof(*packet) + INET_HEADROOM + packet->len + 16;
}

/** finish - do in a copy what was left to be done in the packet: see inet_iface.unsummed_out */
static void finish(struct inet__waiting_packet *copy, const unsigned char *packet)
{
	const unsigned char *unsummed = copy->iface->unsummed_out;
	unsigned char *tcp;

	if (!unsummed || unsummed < packet || unsummed + TCP_CHECK + 2 > packet + copy->len)
		return;
	tcp = copy->data + INET_HEADROOM + (unsummed - packet);
	inet__sum_put(tcp + TCP_CHECK, inet__sum(0, tcp, copy->len - (size_t)(unsummed - packet)));
}

void inet__waiting_init(struct inet__waiting *waiting)
{
	*waiting = (struct inet__waiting){0};
}

/** take - remove the oldest packet, NULL: none; it is still counted in the total */
static struct inet__waiting_packet *take(struct inet__waiting *waiting)
{
	struct inet__waiting_packet *packet = waiting->first;

	if (!packet)
		return NULL;
	waiting->first = packet->next;
	if (!waiting->first)
		waiting->last = NULL;
	waiting->size -= cost(packet);
	return packet;
}

static void append(struct inet__waiting *waiting, struct inet__waiting_packet *packet)
{
	packet->next = NULL;
	if (waiting->last)
		waiting->last->next = packet;
	else
		waiting->first = packet;
	waiting->last = packet;
	waiting->size += cost(packet);
}

/** drop - free a packet that was taken */
static void drop(struct inet__waiting_packet *packet, size_t *total)
{
	*total -= cost(packet);
	free(packet);
}

int inet__waiting_add(struct inet__waiting *waiting, size_t *total, struct inet_iface *iface, int family,
                      const unsigned char *packet, size_t len)
{
	struct inet__waiting_packet *copy, *oldest;
	size_t room;

	if (len > INET_MTU_LOOPBACK)
		return -ENOBUFS;
	copy = malloc(sizeof(*copy) + INET_HEADROOM + len);
	if (!copy)
		return -ENOBUFS;
	copy->iface = iface;
	copy->family = family;
	copy->len = (uint32_t)len;
	memcpy(copy->data + INET_HEADROOM, packet, len);
	finish(copy, packet);
	room = *total > TOTAL_HIGH ? 0 : QUEUE_MAX - cost(copy);
	while (waiting->size > room && (oldest = take(waiting))) {
		iface->stats.tx_dropped++;
		drop(oldest, total);
	}
	if (*total + cost(copy) > TOTAL_MAX) {
		free(copy);
		return -ENOBUFS;
	}
	append(waiting, copy);
	*total += cost(copy);
	return 0;
}

void inet__waiting_send(struct inet__waiting *waiting, size_t *total, const unsigned char mac[6])
{
	struct inet__waiting_packet *packet;

	while ((packet = take(waiting))) {
		inet_output_to(packet->iface, packet->family, mac, packet->data + INET_HEADROOM, packet->len);
		drop(packet, total);
	}
}

void inet__waiting_drop(struct inet__waiting *waiting, size_t *total)
{
	struct inet__waiting_packet *packet;

	while ((packet = take(waiting)))
		drop(packet, total);
}

void inet__waiting_move(struct inet__waiting *waiting, struct inet__waiting *to)
{
	struct inet__waiting_packet *packet;

	while ((packet = take(waiting)))
		append(to, packet);
}

bool inet__waiting_fail(struct inet__waiting *waiting, size_t *total)
{
	struct inet__waiting_packet *packet = take(waiting);
	struct inet *inet;

	if (!packet)
		return false;
	inet = packet->iface->inet;
	inet->ops->unreachable(inet->owner, packet->iface, packet->family, packet->data + INET_HEADROOM, packet->len);
	drop(packet, total);
	return true;
}

const unsigned char *inet__waiting_newest(const struct inet__waiting *waiting, size_t *len)
{
	if (!waiting->last)
		return NULL;
	*len = waiting->last->len;
	return waiting->last->data + INET_HEADROOM;
}
