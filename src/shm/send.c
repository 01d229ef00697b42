/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * send.c - frames on their way out: the switch is the sender.
 *
 * A frame is written into the area of its sender, and a word that says where is put into the ring of the port where its
 * destination was last seen; or of all other ports, when it is for a group or its destination is unknown. Never into
 * the sender's own.
 *
 * Waking. A receiver that goes to sleep says so in `asleep`, and looks once more. A sender puts its word and then looks
 * whether the receiver is asleep: one of the two sees the other. The sender sends a datagram to the socket of the
 * receiver and only then takes the note away, so that a sender that is killed between the two leaves the note for the
 * next; it takes away only the note that it read, and none when it could not wake.
 *
 * Full queues. Neither a ring nor an area ever grows. A sender whose receiver is behind is told to wait (-EAGAIN),
 * which is what makes a local sender as slow as its receiver without losing anything. But a receiver that does not move
 * must not hold up what is for others: a sender waits for one at most PATIENCE_NS, unless half the ring was read
 * meanwhile. When that is used up, frames to it are lost, and counted, until it has read as much: new ones when its ring
 * is full, old ones when the area is. Frames to all are never waited for.
 *
 * Ports that monitor get a word for each frame that goes to a single port, too. Whether there are any says a word in the
 * header; it is looked at for each frame, and written when a monitor comes and when a sender finds none any more.
 *
 * A frame with work left to do is passed on as it is to a port that has asked for such frames. For any other it is cut
 * and finished here (src/link/finish.c), and each piece is sent by itself.
 */
#include "net.h"

#include <errno.h>
#include <offload.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define PATIENCE_NS 200000000 /* of waiting for one that does not move: on a busy machine its turn may come late */
#define WAITED_MAX_NS 1000000 /* the time between two attempts counts for no more: we may have been away ourselves */
#define AHEAD 4096            /* bytes of a large frame whose lines are brought before they are written */
#define POSITION_BITS 32      /* of a word in a ring; the sender's number is above */

uint32_t shm_now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint32_t)now.tv_sec;
}

int64_t shm_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/** show - one of our counters, to who looks at the network */
static void show(_Atomic uint64_t *shown, uint64_t value)
{
	atomic_store_explicit(shown, value, memory_order_relaxed);
}

/* ------------------------------------------------------------------------------------------------------ receivers */

/** wake - if the receiver is asleep, wake it */
static void wake(struct shm_port *port, uint32_t to)
{
	struct shm_control *control = shm_control_of(port->net, to);
	uint32_t note = atomic_load(&control->asleep);
	int err;

	if (note == 0)
		return;
	show(&port->control->sent.wakes, ++port->sent.wakes);
	err = shm_port_stir(port, to);
	if (err == -ECONNREFUSED || err == -ENOENT)
		shm_port_bury(port, to);
	else if (err)
		return; /* the next may be able to */
	atomic_compare_exchange_strong(&control->asleep, &note, 0);
}

/**
 * patient - a receiver is in the way: shall it be waited for?
 *
 * Called for each attempt that failed, with the time between them being what was waited.
 */
static bool patient(struct shm_port *port, uint32_t who)
{
	struct shm_patience *p = &port->patience[who % SHM_PATIENCES];
	struct shm_control *control = shm_control_of(port->net, who);
	uint32_t generation = atomic_load(&control->generation);
	uint64_t head = atomic_load(&control->head);
	int64_t now = shm_now_ns(), gone;

	if (p->port != who + 1 || p->generation != generation) {
		*p = (struct shm_patience){.port = who + 1, .generation = generation, .last = now, .head = head};
		shm_port_bury(port, who);
	}
	gone = now - p->last;
	p->last = now;
	if (head - p->head >= port->net->geometry.slots / 2) {
		p->head = head;
		p->waited = 0;
	} else if (p->waited < PATIENCE_NS) {
		p->waited += gone < WAITED_MAX_NS ? gone : WAITED_MAX_NS;
		if (p->waited >= PATIENCE_NS)
			shm_port_bury(port, who);
	}
	return p->waited < PATIENCE_NS && (atomic_load(&control->generation) & 1);
}

/* --------------------------------------------------------------------------------------------------------- frames */

/** struct shm_frame - a frame that is to be sent */
struct shm_frame {
	const struct virtio_net_hdr *vnet; /* NULL: it is finished */
	const struct iovec *piece;         /* the Ethernet header is in the first */
	unsigned int pieces;
	size_t len; /* of all */
};

/** room_for - the record for a frame of @len bytes; NULL: wait for who is in the way */
static struct shm_record *room_for(struct shm_port *port, size_t len)
{
	struct shm_record *record;
	uint32_t blocker;

	while (!(record = shm_area_reserve(&port->area, len, &blocker))) {
		if (blocker != SHM_NOBODY) {
			wake(port, blocker);
			if (patient(port, blocker))
				return NULL;
		}
		if (shm_area_force(&port->area))
			show(&port->control->sent.full, ++port->sent.full);
	}
	return record;
}

/** copy_in - a frame into our area: of a large one the lines that come next are brought meanwhile */
static void copy_in(unsigned char *to, const struct shm_frame *frame)
{
	size_t fetched = AHEAD, at = 0;

	if (frame->pieces == 1 && frame->len <= AHEAD) {
		memcpy(to, frame->piece[0].iov_base, frame->len);
		return;
	}
	for (unsigned int i = 0; i < frame->pieces; i++) {
		const unsigned char *from = frame->piece[i].iov_base;
		size_t left = frame->piece[i].iov_len;

		while (left > 0) {
			size_t n = left < AHEAD ? left : AHEAD;

			for (; fetched < frame->len && fetched < at + n + AHEAD; fetched += SHM_LINE)
				shm_fetch_line(to + fetched);
			memcpy(to + at, from, n);
			at += n;
			from += n;
			left -= n;
		}
	}
}

/** write_record - a frame and what is to be said about it, into our area; returns the word for the rings */
static uint64_t write_record(struct shm_port *port, struct shm_record *record, const struct shm_frame *frame)
{
	record->position = port->area.next;
	record->len = (uint32_t)frame->len;
	record->reserved = 0;
	record->vnet = frame->vnet ? *frame->vnet : (struct virtio_net_hdr){0};
	copy_in((unsigned char *)(record + 1), frame);
	return (uint64_t)port->number << POSITION_BITS | (uint32_t)port->area.next;
}

/** count_sent - a frame is on its way to somebody */
static void count_sent(struct shm_port *port, size_t len)
{
	show(&port->control->sent.frames, ++port->sent.frames);
	show(&port->control->sent.bytes, port->sent.bytes += len);
}

/**
 * to_monitors - a frame that is in our area, where @word says, goes to those ports too that get every frame; but @to has
 * it already
 *
 * They are not waited for, and the frame is not kept for them: a monitor that is behind loses it.
 */
static void to_monitors(struct shm_port *port, uint64_t word, uint32_t to)
{
	_Atomic uint32_t *watched = &shm_header_of(port->net)->watched;
	uint32_t token = atomic_load_explicit(watched, memory_order_acquire);
	bool found = false;
	uint64_t index;

	port->area.watched = token != 0;
	if (token == 0)
		return;
	for (uint32_t at = 0; at < port->net->geometry.ports; at += 64) {
		uint64_t bits = atomic_load_explicit(shm_active_of(port->net, at), memory_order_relaxed);

		for (; bits != 0; bits &= bits - 1) {
			uint32_t i = at + (uint32_t)__builtin_ctzll(bits);
			struct shm_ring ring = shm_ring_of(port->net, i);

			if (!(atomic_load_explicit(&shm_control_of(port->net, i)->features, memory_order_relaxed) &
			      SHM_MONITOR))
				continue;
			found = true;
			if (i == to || i == port->number)
				continue;
			if (shm_ring_put(&ring, word, &index) != 0) {
				show(&port->control->sent.full, ++port->sent.full);
				patient(port, i); /* only to find out whether it is dead */
			}
			wake(port, i);
		}
	}
	if (!found) /* they have left, or died */
		atomic_compare_exchange_strong(watched, &token, 0);
}

/** to_one - send a frame to a port, of which the sender knows the generation; 0 or -EAGAIN */
static int to_one(struct shm_port *port, uint32_t to, uint32_t generation, const struct shm_frame *frame)
{
	struct shm_ring ring = shm_ring_of(port->net, to);
	struct shm_record *record = room_for(port, frame->len);
	uint64_t index, word;

	if (!record)
		return -EAGAIN;
	word = write_record(port, record, frame);
	if (shm_ring_put(&ring, word, &index) != 0) {
		wake(port, to); /* it cannot know that it should look, if its tail was scribbled over */
		if (patient(port, to))
			return -EAGAIN;
		show(&port->control->sent.full, ++port->sent.full);
		return 0;
	}
	shm_area_commit(&port->area, frame->len, to, generation, index);
	count_sent(port, frame->len);
	to_monitors(port, word, to); /* before there can be an answer */
	wake(port, to);
	return 0;
}

/** others - how many ports but ours are in use, two meaning several; @one is the last of them */
static unsigned int others(const struct shm_port *port, uint32_t *one)
{
	unsigned int found = 0;

	for (uint32_t at = 0; at < port->net->geometry.ports && found < 2; at += 64) {
		uint64_t bits = atomic_load_explicit(shm_active_of(port->net, at), memory_order_relaxed);

		if (port->number / 64 == at / 64)
			bits &= ~shm_active_bit(port->number);
		if (bits == 0)
			continue;
		found += bits & (bits - 1) ? 2 : 1;
		*one = at + (uint32_t)__builtin_ctzll(bits);
	}
	return found;
}

/** to_all - send a frame to all other ports */
static int to_all(struct shm_port *port, const struct shm_frame *frame)
{
	struct shm_record *record;
	uint64_t word, index;
	uint32_t one;

	switch (others(port, &one)) {
	case 0:
		return 0;
	case 1:
		return to_one(port, one, atomic_load(&shm_control_of(port->net, one)->generation), frame);
	default:
		break;
	}
	record = room_for(port, frame->len);
	if (!record)
		return -EAGAIN;
	word = write_record(port, record, frame);
	for (uint32_t at = 0; at < port->net->geometry.ports; at += 64) {
		uint64_t bits = atomic_load_explicit(shm_active_of(port->net, at), memory_order_relaxed);

		for (; bits != 0; bits &= bits - 1) {
			uint32_t to = at + (uint32_t)__builtin_ctzll(bits);
			struct shm_ring ring = shm_ring_of(port->net, to);

			if (to == port->number)
				continue;
			if (shm_ring_put(&ring, word, &index) != 0) {
				show(&port->control->sent.full, ++port->sent.full);
				patient(port, to); /* only to find out whether it is dead */
			}
			wake(port, to);
		}
	}
	shm_area_commit(&port->area, frame->len, SHM_NOBODY, 0, 0);
	count_sent(port, frame->len);
	return 0;
}

/** choose - the port that a frame is for, and its generation; -1: all */
static int choose(const struct shm_port *port, const unsigned char *frame, uint32_t now, uint32_t *generation)
{
	struct shm_table table = shm_table_of(port->net);
	int to;

	if (frame[0] & 1)
		return -1;
	to = shm_table_find(&table, frame, now, generation);
	if (to < 0 || (uint32_t)to >= port->net->geometry.ports || !(*generation & 1) ||
	    atomic_load_explicit(&shm_control_of(port->net, (uint32_t)to)->generation, memory_order_acquire) !=
	            *generation)
		return -1;
	return to;
}

/** learn - remember where the source of a frame is: here */
static void learn(struct shm_port *port, const unsigned char *source, uint32_t now)
{
	struct shm_table table = shm_table_of(port->net);
	uint64_t address = 0;

	memcpy(&address, source, 6);
	if ((source[0] & 1) || (address == port->source && now == port->learnt))
		return;
	shm_table_learn(&table, source, port->number, port->generation, now);
	port->source = address;
	port->learnt = now;
}

/* --------------------------------------------------------------------------------------------------------- offload */

/** room_for_all - is there likely to be room for @pieces frames of @len bytes? */
static bool room_for_all(struct shm_port *port, int to, unsigned int pieces, size_t len)
{
	size_t all = pieces * (len + sizeof(struct shm_record) + SHM_LINE),
	       most = (size_t)port->area.units * SHM_LINE / 4;

	if (!room_for(port, all < most ? all : most))
		return false;
	if (to >= 0) {
		struct shm_control *control = shm_control_of(port->net, (uint32_t)to);
		uint64_t waiting = atomic_load(&control->tail) - atomic_load(&control->head);

		if (waiting + pieces > port->net->geometry.slots && waiting <= port->net->geometry.slots &&
		    pieces <= port->net->geometry.slots / 2) {
			wake(port, (uint32_t)to);
			return !patient(port, (uint32_t)to);
		}
	}
	return true;
}

/** finished - send a frame to somebody who wants it finished: cut and with all checksums */
static int finished(struct shm_port *port, int to, uint32_t generation, const struct shm_frame *frame)
{
	struct link_frame whole = {.vnet = *frame->vnet, .len = (uint32_t)frame->len};
	struct link__finisher finisher;
	const unsigned char *piece;
	unsigned int pieces;
	uint32_t size;

	if (!port->scratch)
		port->scratch = malloc(SHM_SEGMENT_MAX + LINK_FRAME_MAX);
	if (!port->scratch)
		return -EAGAIN;
	whole.data = port->scratch;
	for (unsigned int i = 0, at = 0; i < frame->pieces; at += (unsigned int)frame->piece[i++].iov_len)
		memcpy(whole.data + at, frame->piece[i].iov_base, frame->piece[i].iov_len);
	pieces = link__finish(&finisher, &whole);
	size = finisher.headers ? finisher.headers + (uint32_t)finisher.size : finisher.len;
	if (pieces == 0)
		return -EINVAL;
	if (size > port->net->geometry.mtu + SHM_FRAME_EXTRA)
		return -EMSGSIZE;
	if (pieces > 1 && !room_for_all(port, to, pieces, size))
		return -EAGAIN;
	for (unsigned int i = 0; (size = link__finish_next(&finisher, port->scratch + SHM_SEGMENT_MAX, &piece)) > 0;
	     i++) {
		struct iovec iov = {(void *)(uintptr_t)piece, size};
		struct shm_frame one = {.piece = &iov, .pieces = 1, .len = size};
		int err = to >= 0 ? to_one(port, (uint32_t)to, generation, &one) : to_all(port, &one);

		if (err && i == 0)
			return err;
		if (err) /* others were faster; what has gone cannot be taken back */
			show(&port->control->sent.full, ++port->sent.full);
	}
	return 0;
}

/** takes - has a port asked for frames like this one? */
static bool takes(const struct shm_port *port, uint32_t to, const struct virtio_net_hdr *vnet)
{
	uint32_t features = atomic_load_explicit(&shm_control_of(port->net, to)->features, memory_order_relaxed);

	return (features & SHM_OFFLOAD) && (vnet->gso_type != VIRTIO_NET_HDR_GSO_UDP_L4 || (features & SHM_UDP));
}

int shm_send(struct shm_port *port, const struct virtio_net_hdr *vnet, const struct iovec *piece, unsigned int pieces)
{
	struct shm_frame frame = {.vnet = vnet, .piece = piece, .pieces = pieces};
	bool segment = vnet && vnet->gso_type != VIRTIO_NET_HDR_GSO_NONE;
	const unsigned char *header = pieces > 0 ? piece[0].iov_base : NULL;
	size_t most = segment ? SHM_SEGMENT_MAX : port->net->geometry.mtu + SHM_FRAME_EXTRA;
	uint32_t now = shm_now_s(), generation = 0;
	int to, err;

	if (port->monitor)
		return -EPERM;
	for (unsigned int i = 0; i < pieces; i++)
		frame.len += piece[i].iov_len;
	if (!header || piece[0].iov_len < SHM_FRAME_MIN || frame.len > most) {
		show(&port->control->sent.lost, ++port->sent.lost);
		return frame.len > most ? -EMSGSIZE : -EINVAL;
	}
	learn(port, header + 6, now);
	to = choose(port, header, now, &generation);
	if (to == (int)port->number)
		return 0;
	if (!segment && !(vnet && (vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)))
		frame.vnet = NULL;
	if (frame.vnet && (to < 0 || !takes(port, (uint32_t)to, vnet)))
		err = finished(port, to, generation, &frame);
	else if (to >= 0)
		err = to_one(port, (uint32_t)to, generation, &frame);
	else
		err = to_all(port, &frame);
	if (err && err != -EAGAIN)
		show(&port->control->sent.lost, ++port->sent.lost);
	return err;
}
