/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * receive.c - frames on their way in.
 *
 * A word of the ring says which port has sent, and where in its area the frame is. Neither that nor what stands there
 * is believed: a copy of the record is checked, then the frame is copied, and afterwards the floor of the sender tells
 * whether it was still there (area.h). Whoever writes nonsense loses frames by it, his own or others', and that is all.
 *
 * Going to sleep: drop the datagrams that have woken us, leave a note (send.c says how it is read), look again. Each
 * note is another number, so that a sender which is slow to take one away leaves the next alone. All this happens when
 * the ring is found empty, never before. So whenever there is a frame either the note is still there, and somebody is
 * just about to wake us, or a datagram is: the socket is readable as long as there is something to receive, and a
 * receiver that finds its ring filled again and again makes no system call. It may be readable for nothing, once. A
 * receiver that is faster than its sender would sleep after every few frames: while they come in numbers it waits a
 * moment first (dally).
 *
 * Who says that he looks by himself (VDE_SHM_AWAKE) gets up when he first finds the ring empty: he takes his note back, so
 * that nobody wakes him, and his socket stays as it is. Before he ceases to look he lies down (shm_rest).
 *
 * On the way a receiver puts right what it shows to others, in case somebody has scribbled over it.
 */
#include "net.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define POSITION_BITS 32 /* see send.c */
#define DATAGRAMS 16     /* taken at once */
#define DALLY_NS 2000    /* that we wait before we lie down, after DALLY_FRAMES since we did last */
#define DALLY_FRAMES 2

/** private_copy - what was copied from shared memory must not be read from there again */
static inline void private_copy(const void *copy)
{
	__asm__ volatile("" : : "r"(copy) : "memory");
}

/** find - the frame that a word speaks of: a private copy of its record, and where it is; NULL: not there (any more) */
static const unsigned char *find(const struct shm_port *port, uint64_t word, struct shm_record *record)
{
	const struct shm_geometry *g = &port->net->geometry;
	uint32_t from = (uint32_t)(word >> POSITION_BITS), position = (uint32_t)word;
	size_t at = (size_t)(position & (g->units - 1)) * SHM_LINE;
	const unsigned char *area;

	if (from >= g->ports)
		return NULL;
	area = shm_area_of(port->net, from);
	memcpy(record, area + at, sizeof(*record));
	private_copy(record);
	if ((uint32_t)record->position != position || record->len < SHM_FRAME_MIN || record->len > SHM_SEGMENT_MAX ||
	    record->len > (size_t)g->units * SHM_LINE - at - sizeof(*record))
		return NULL;
	return area + at + sizeof(*record);
}

/** copy_out - the frame that a word speaks of; returns its length, -EMSGSIZE when it is wanted whole and @size is too small,
 * or -1: it is not there (any more) */
static ssize_t copy_out(const struct shm_port *port, uint64_t word, struct virtio_net_hdr *vnet, void *frame,
                        size_t size, bool whole)
{
	uint32_t from = (uint32_t)(word >> POSITION_BITS);
	const unsigned char *data;
	struct shm_record record;
	size_t len;

	data = find(port, word, &record);
	if (!data)
		return -1;
	len = record.len;
	if (vnet)
		*vnet = record.vnet;
	else if (!port->monitor && (len > port->net->geometry.mtu + SHM_FRAME_EXTRA ||
	                            record.vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE || record.vnet.flags != 0))
		return -1;
	if (whole && len > size)
		return -EMSGSIZE;
	len = len < size ? len : size;
	memcpy(frame, data, len);
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&shm_control_of(port->net, from)->floor, memory_order_relaxed) > record.position)
		return -1;
	return (ssize_t)len;
}

/** count_received - and show it */
static void count_received(struct shm_port *port, ssize_t len)
{
	struct shm_counters *shown = &port->control->received;

	if (len < 0) {
		atomic_store_explicit(&shown->lost, ++port->received.lost, memory_order_relaxed);
		return;
	}
	atomic_store_explicit(&shown->frames, ++port->received.frames, memory_order_relaxed);
	atomic_store_explicit(&shown->bytes, port->received.bytes += (uint64_t)len, memory_order_relaxed);
}

/** put_right - what we show to others */
static void put_right(struct shm_port *port)
{
	_Atomic uint64_t *active = shm_active_of(port->net, port->number);
	uint64_t bit = shm_active_bit(port->number);

	if (!(atomic_load_explicit(active, memory_order_relaxed) & bit))
		atomic_fetch_or(active, bit);
	if (atomic_load_explicit(&port->control->generation, memory_order_relaxed) != port->generation)
		atomic_store(&port->control->generation, port->generation);
	if (atomic_load_explicit(&port->control->features, memory_order_relaxed) != port->features)
		atomic_store(&port->control->features, port->features);
	if (port->monitor && atomic_load_explicit(&shm_header_of(port->net)->watched, memory_order_relaxed) == 0)
		shm_port_watch(port);
	shm_ring_repair(&port->ring, port->head);
}

/** get_up - nobody need wake us: take the note back, and the datagram of who has woken us. Another may be on its way */
static void get_up(struct shm_port *port)
{
	char byte;

	if (!port->noted)
		return;
	port->noted = false;
	atomic_store(&port->control->asleep, 0);
	(void)!recv(port->datafd, &byte, sizeof(byte), MSG_DONTWAIT);
}

/** lie_down - we are going to sleep, unless there is something now */
static void lie_down(struct shm_port *port)
{
	char byte;

	port->stirred = false;
	port->burst = 0;
	for (int n = 0; n < DATAGRAMS && recv(port->datafd, &byte, sizeof(byte), MSG_DONTWAIT) >= 0; n++)
		port->stirred = true;
	put_right(port);
	shm_port_note(port);
	atomic_store_explicit(&port->control->received.wakes, ++port->received.wakes, memory_order_relaxed);
}

/**
 * dally - frames have been coming one upon the other: wait for the next before we lie down? Whether there is one
 *
 * To sleep and to be woken costs both ends several times this wait. The queue is left alone meanwhile: to look at it would
 * take its lines from the sender.
 */
static bool dally(struct shm_port *port)
{
	int64_t end;

	if (port->burst < DALLY_FRAMES)
		return false;
	port->burst = 0;
	end = shm_now_ns() + DALLY_NS;
	while (shm_now_ns() < end)
		;
	return shm_waiting(port);
}

ssize_t shm_receive(struct shm_port *port, struct virtio_net_hdr *vnet, void *frame, size_t size, unsigned int how)
{
	bool awake = how & SHM_AWAKE, ready = awake;

	for (uint32_t i = 0; i < port->net->geometry.slots; i++) {
		uint64_t word;
		ssize_t len = -1;

		switch (shm_ring_look(&port->ring, port->head, &word)) {
		case 0:
			if (awake)
				get_up(port);
			if (ready)
				return -EAGAIN;
			if (dally(port))
				continue;
			lie_down(port);
			ready = true;
			continue;
		case 1:
			len = copy_out(port, word, vnet, frame, size, how & SHM_WHOLE);
			if (len == -EMSGSIZE)
				return len;
			break;
		default:
			break;
		}
		port->head = shm_ring_next(&port->ring, port->head);
		count_received(port, len);
		ready = awake;
		port->burst++;
		if (len >= 0)
			return len;
	}
	shm_port_stir(port, port->number);
	return -EAGAIN;
}

void shm_rest(struct shm_port *port)
{
	lie_down(port);
	if (shm_waiting(port))
		shm_port_stir(port, port->number);
}

bool shm_waiting(const struct shm_port *port)
{
	uint64_t word;

	return shm_ring_look(&port->ring, port->head, &word) != 0;
}

size_t shm_next(const struct shm_port *port)
{
	struct shm_record record;
	uint64_t word;

	if (shm_ring_look(&port->ring, port->head, &word) != 1 || !find(port, word, &record))
		return 0;
	return record.len;
}
