/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ring.c - the queue of a receiver: see ring.h. */
#include "ring.h"

#include <errno.h>

#define FULL (UINT64_C(1) << 63)
#define LAP_MASK (~SHM_WORD_MASK & ~FULL)
#define ATTEMPTS 4096 /* that others may be faster at; each is a word of theirs, or a scribbler's doing */

/** empty_at - what an empty slot for @index looks like */
static uint64_t empty_at(const struct shm_ring *ring, uint64_t index)
{
	return (index >> ring->shift) << SHM_WORD_BITS & LAP_MASK;
}

uint64_t shm_ring_reset(const struct shm_ring *ring)
{
	uint64_t slots = (uint64_t)ring->mask + 1, last = atomic_load(ring->tail), head = atomic_load(ring->head);

	if (head > last)
		last = head;
	/* The laps that late senders know are over. */
	head = ((last >> ring->shift) + 2) << ring->shift;
	for (uint64_t i = 0; i < slots; i++)
		atomic_store_explicit(&ring->slot[i], empty_at(ring, head), memory_order_relaxed);
	atomic_store(ring->head, head);
	atomic_store(ring->tail, head);
	return head;
}

int shm_ring_put(const struct shm_ring *ring, uint64_t word, uint64_t *index)
{
	uint64_t at = atomic_load_explicit(ring->tail, memory_order_acquire);

	for (unsigned int attempt = 0; attempt < ATTEMPTS; attempt++) {
		_Atomic uint64_t *slot = &ring->slot[at & ring->mask];
		uint64_t empty = empty_at(ring, at), seen = empty, now;

		if (atomic_compare_exchange_strong(slot, &seen, FULL | empty | (word & SHM_WORD_MASK))) {
			*index = at;
			atomic_compare_exchange_strong_explicit(ring->tail, &at, at + 1, memory_order_release,
			                                        memory_order_relaxed);
			return 0;
		}
		now = at;
		if ((seen & (FULL | LAP_MASK)) == (FULL | empty) ||
		    (seen & LAP_MASK) == empty_at(ring, at + ring->mask + 1)) {
			/* It is full already, or was even emptied again: tail is behind. */
			if (atomic_compare_exchange_strong(ring->tail, &now, at + 1))
				now = at + 1;
		} else {
			now = atomic_load_explicit(ring->tail, memory_order_acquire);
			if (now == at)
				return -EAGAIN;
		}
		at = now;
	}
	return -EAGAIN;
}

int shm_ring_look(const struct shm_ring *ring, uint64_t head, uint64_t *word)
{
	uint64_t seen = atomic_load(&ring->slot[head & ring->mask]), empty = empty_at(ring, head);

	if (seen == empty)
		return 0;
	*word = seen & SHM_WORD_MASK;
	return (seen & (FULL | LAP_MASK)) == (FULL | empty) ? 1 : -1;
}

uint64_t shm_ring_next(const struct shm_ring *ring, uint64_t head)
{
	uint64_t next = head + 1;

	/* What was read of the frame was read before this. */
	atomic_store_explicit(&ring->slot[head & ring->mask], empty_at(ring, head + ring->mask + 1),
	                      memory_order_release);
	atomic_store_explicit(ring->head, next, memory_order_release);
	return next;
}

void shm_ring_repair(const struct shm_ring *ring, uint64_t head)
{
	uint64_t tail = atomic_load(ring->tail), word;

	/* Who has put a word at head may not have advanced tail yet, but nobody is ahead of an empty slot. */
	if (tail != head && shm_ring_look(ring, head, &word) == 0)
		atomic_compare_exchange_strong(ring->tail, &tail, head);
	if (atomic_load_explicit(ring->head, memory_order_relaxed) != head)
		atomic_store(ring->head, head);
}
