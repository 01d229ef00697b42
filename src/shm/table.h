/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * table.h - which port a MAC address was last seen at.
 *
 * Every sender writes down its own source address, and looks for that of the destination. An address has SHM_WAYS
 * places, all in one cache line; when they are taken, the one that has been silent for longest gives way. An address
 * and its port are one word, so a reader never sees half a change. The rest of an entry says whether it is still true:
 * an entry that was not seen for the age of the network is not, nor is one of a port that has left, whoever has its
 * number now.
 *
 * The table may say anything, as far as memory safety is concerned: the port that is found is checked by whoever sends
 * to it. Addresses are not told apart by VLAN.
 */
#ifndef IOTH_SHM_TABLE_H
#define IOTH_SHM_TABLE_H

#include "layout.h"

/** struct shm_table - the pointer leads into shared memory */
struct shm_table {
	struct shm_entry *entry;
	uint32_t buckets;
	uint32_t age; /* seconds */
};

/** shm_table_learn - the address at @mac (6 bytes, not a group's) is at @port, whose generation is @generation; @now in
 * seconds */
void shm_table_learn(const struct shm_table *table, const unsigned char *mac, uint32_t port, uint32_t generation,
                     uint32_t now);

/** shm_table_find - the port an address was seen at, and in @generation that port's generation then; -1: unknown */
int shm_table_find(const struct shm_table *table, const unsigned char *mac, uint32_t now, uint32_t *generation);

#endif
