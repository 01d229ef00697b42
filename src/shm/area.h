/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * area.h - the frames that a port has sent.
 *
 * A sender writes each frame once, into its own area, and puts a word that says where it is into the ring of every
 * receiver. Receivers copy it out. The area is used from its beginning to its end and over again; a frame is never
 * split.
 *
 * Nobody gives space back. The sender remembers which words it put where, and sees from the `head` of a receiver which
 * of them it has dealt with. When it needs space that somebody has not read yet it says -EAGAIN, until it is told to go
 * ahead: then the frame is lost to that receiver, no more. This is what makes a receiver that is dead, stopped or
 * malicious harmless: there is nothing it could keep.
 *
 * `floor` is how a receiver finds out. Before the sender writes over something it raises its floor above it. A receiver
 * copies first and looks at the floor afterwards; what was below it may be garbage and is thrown away. (The other half
 * of that is in receive.c.)
 *
 * A frame to several receivers is not waited for: it lives until its space is needed.
 *
 * For the sake of caches an area is not used to its end while everything in it has been read.
 */
#ifndef IOTH_SHM_AREA_H
#define IOTH_SHM_AREA_H

#include "layout.h"

#include <stdbool.h>

struct shm_net;

#define SHM_NOBODY UINT32_MAX /* a frame to several receivers */

/** struct shm_sent - a frame that is somewhere in the area */
struct shm_sent {
	uint64_t position;
	uint64_t index; /* of its word in the ring of the receiver */
	uint32_t port;
	uint32_t generation;
};

/** struct shm_area - of a sender; private, but for what base and floor point to */
struct shm_area {
	const struct shm_net *net;
	unsigned char *base;
	_Atomic uint64_t *shown; /* the floor as others see it */
	uint64_t next;           /* position for the next frame */
	uint64_t floor;          /* position of the oldest frame that is kept */
	uint64_t try_at;         /* position at which to try again to begin anew early */
	uint32_t units;
	bool watched;          /* others read what was read by whom it is for: keep it for as long as there is room */
	uint32_t first, count; /* in sent[] */
	uint32_t mask;         /* room in sent[] - 1 */
	struct shm_sent *sent; /* oldest at first, going round */
	uint32_t reader;       /* whose head was looked at last: 1 + port */
	uint32_t reader_generation;
	uint64_t reader_head;
};

/** shm_fetch_line - bring a line of the cache that will be written */
static inline void shm_fetch_line(const unsigned char *line)
{
#ifdef __x86_64__
	/* By hand: what compilers make of the builtin brings it for reading. */
	__asm__ volatile("prefetchw %0" : : "m"(*line));
#else
	__builtin_prefetch(line, 1);
#endif
}

/** shm_area_open - for a port of ours; 0 or -ENOMEM */
int shm_area_open(struct shm_area *area, const struct shm_net *net, uint32_t port);
void shm_area_close(struct shm_area *area);

/**
 * shm_area_reserve - find room for a frame of @len bytes
 * @blocker: receives the port that has not read what is in the way
 *
 * Returns the record, whose position is area->next, and behind which the frame goes; or NULL. Nothing is reserved until
 * shm_area_commit.
 */
struct shm_record *shm_area_reserve(struct shm_area *area, size_t len, uint32_t *blocker);

/** shm_area_force - give up the oldest frame, whoever has not read it; true: it was for somebody, who loses it */
bool shm_area_force(struct shm_area *area);

/** shm_area_commit - the frame of @len bytes has been sent: @index and @generation of the ring of @port, or SHM_NOBODY
 */
void shm_area_commit(struct shm_area *area, size_t len, uint32_t port, uint32_t generation, uint64_t index);

#endif
