/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ring.h - the queue of a receiver: many senders put words, one receiver takes them.
 *
 * A word is put by one compare-and-swap, which finds an empty slot and makes it full at once. So there is no moment at
 * which a slot is taken but not filled: a sender that is killed has put its word or has not, and nobody ever waits for
 * it. `tail` says where to look for an empty slot. It may be behind, when a sender was killed or has not come to
 * advance it: then who finds a full slot there advances it.
 *
 * Every slot carries the number of its lap around the ring, so that a sender that was asleep for long does not take an
 * empty slot for the one it saw before. 19 bits of it: to be deceived it has to sleep for a multiple of half a million
 * laps, and then its word is merely out of turn.
 *
 * The receiver trusts neither tail nor the slots. It knows where it is by itself, believes a word that bears the right
 * lap to be one, and what it says is checked by whoever uses it. A slot that bears a wrong lap is nonsense, and passed
 * over. A tail that has been scribbled over is put right when the ring looks empty.
 */
#ifndef IOTH_SHM_RING_H
#define IOTH_SHM_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SHM_WORD_BITS 44 /* of a word that are free to say something */
#define SHM_WORD_MASK ((UINT64_C(1) << SHM_WORD_BITS) - 1)

/** struct shm_ring - of one port; the pointers lead into shared memory */
struct shm_ring {
	_Atomic uint64_t *slot;
	_Atomic uint64_t *tail, *head;
	uint32_t mask;      /* number of slots - 1 */
	unsigned int shift; /* its logarithm */
};

/** shm_ring_reset - make the ring empty, for a new receiver; returns its first index. Late senders do no harm */
uint64_t shm_ring_reset(const struct shm_ring *ring);

/**
 * shm_ring_put - put a word of SHM_WORD_BITS
 * @index: receives the word's index
 *
 * Returns 0, or -EAGAIN when the ring is full (or seems so).
 */
int shm_ring_put(const struct shm_ring *ring, uint64_t word, uint64_t *index);

/**
 * shm_ring_look - the word at @head, which stays there
 *
 * Returns 1; 0 when there is none; -1 when there is nonsense: to be passed over with shm_ring_next.
 */
int shm_ring_look(const struct shm_ring *ring, uint64_t head, uint64_t *word);

/** shm_ring_next - the receiver has done with the word at @head; returns the next index, which it publishes */
uint64_t shm_ring_next(const struct shm_ring *ring, uint64_t head);

/** shm_ring_repair - the receiver found nothing at @head: see that senders look there */
void shm_ring_repair(const struct shm_ring *ring, uint64_t head);

#endif
