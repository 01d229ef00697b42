/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * table.h - a hash table of things that carry their own link, so that only growing takes memory, and may fail without
 * harm.
 *
 * Finding takes the same time however many there are. No locks: whoever owns the table has one.
 */
#ifndef IOTH_LWIP_TABLE_H
#define IOTH_LWIP_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_FEW_BITS 3U

/** struct hashed - in each thing that is in a table; @link is NULL while it is in none */
struct hashed {
	struct hashed *next, **link;
	uint32_t hash;
};

struct table {
	struct hashed *few[1U << TABLE_FEW_BITS]; /* until there are more */
	struct hashed **buckets;
	unsigned int bits; /* 1 << bits of them */
	size_t count;
};

void table_open(struct table *t);
/** table_close - the table has to be empty */
void table_close(struct table *t);
void table_put(struct table *t, struct hashed *h, uint32_t hash);
/** table_take - out of the table; nothing when it is in none */
void table_take(struct table *t, struct hashed *h);

/** table_next - @h itself, or who follows it, with @hash; NULL */
static inline struct hashed *table_next(struct hashed *h, uint32_t hash)
{
	while (h && h->hash != hash)
		h = h->next;
	return h;
}

/** table_first - of those with @hash; go on with table_next(h->next, hash) */
static inline struct hashed *table_first(const struct table *t, uint32_t hash)
{
	return table_next(t->buckets[hash >> (32U - t->bits)], hash);
}

#endif
