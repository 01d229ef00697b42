/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* table.c - which port a MAC address was last seen at: see table.h. */
#include "table.h"

#define PORT_BITS 16

/** address_of - six bytes as a number; 0 is no address */
static uint64_t address_of(const unsigned char *mac)
{
	return (uint64_t)mac[0] << 40 | (uint64_t)mac[1] << 32 | (uint64_t)mac[2] << 24 | (uint64_t)mac[3] << 16 |
	       (uint64_t)mac[4] << 8 | mac[5];
}

/** bucket_of - the places of an address */
static struct shm_entry *bucket_of(const struct shm_table *table, uint64_t address)
{
	uint64_t hash = address * UINT64_C(0x9e3779b97f4a7c15);

	return &table->entry[((hash >> 40) & (table->buckets - 1)) * SHM_WAYS];
}

/** silence - seconds since an address was seen. @now may be before that: who asks may have been without a processor for
 * some time since it looked at the clock */
static uint32_t silence(const struct shm_entry *entry, uint32_t now)
{
	uint32_t since = now - atomic_load_explicit(&entry->seen, memory_order_relaxed);

	return since <= INT32_MAX ? since : 0;
}

void shm_table_learn(const struct shm_table *table, const unsigned char *mac, uint32_t port, uint32_t generation,
                     uint32_t now)
{
	uint64_t address = address_of(mac), key = address << PORT_BITS | port;
	struct shm_entry *bucket = bucket_of(table, address), *place = NULL;
	uint32_t silent = 0;

	if (address == 0)
		return;
	for (unsigned int i = 0; i < SHM_WAYS; i++) {
		uint64_t seen = atomic_load_explicit(&bucket[i].key, memory_order_relaxed);
		uint32_t since = silence(&bucket[i], now);

		if (seen >> PORT_BITS == address) {
			place = &bucket[i];
			break;
		}
		if (seen == 0)
			since = UINT32_MAX;
		if (!place || since > silent) {
			place = &bucket[i];
			silent = since;
		}
	}
	/* Most often all is there already, and the line stays in everybody's cache. */
	if (atomic_load_explicit(&place->seen, memory_order_relaxed) != now)
		atomic_store_explicit(&place->seen, now, memory_order_relaxed);
	if (atomic_load_explicit(&place->generation, memory_order_relaxed) != generation)
		atomic_store_explicit(&place->generation, generation, memory_order_relaxed);
	if (atomic_load_explicit(&place->key, memory_order_relaxed) != key)
		atomic_store_explicit(&place->key, key, memory_order_relaxed);
}

int shm_table_find(const struct shm_table *table, const unsigned char *mac, uint32_t now, uint32_t *generation)
{
	uint64_t address = address_of(mac);
	const struct shm_entry *bucket = bucket_of(table, address);

	for (unsigned int i = 0; i < SHM_WAYS && address != 0; i++) {
		uint64_t seen = atomic_load_explicit(&bucket[i].key, memory_order_relaxed);

		if (seen >> PORT_BITS != address)
			continue;
		if (silence(&bucket[i], now) > table->age)
			return -1;
		*generation = atomic_load_explicit(&bucket[i].generation, memory_order_relaxed);
		return (int)(seen & ((1U << PORT_BITS) - 1));
	}
	return -1;
}
