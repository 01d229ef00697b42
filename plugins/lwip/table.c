/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#define BITS_MAX 24U

void table_open(struct table *t)
{
	memset(t, 0, sizeof(*t));
	t->buckets = t->few;
	t->bits = TABLE_FEW_BITS;
}

static void leave(struct table *t)
{
	if (t->buckets != t->few)
		free(t->buckets);
}

void table_close(struct table *t)
{
	leave(t);
	t->buckets = NULL;
}

static void insert(struct table *t, struct hashed *h)
{
	struct hashed **link = &t->buckets[h->hash >> (32U - t->bits)];

	h->next = *link;
	if (h->next)
		h->next->link = &h->next;
	h->link = link;
	*link = h;
}

/** grow - double the number of buckets; without memory chains become longer instead */
static void grow(struct table *t)
{
	struct table bigger = {.buckets = calloc((size_t)2 << t->bits, sizeof(struct hashed *)), .bits = t->bits + 1};

	if (!bigger.buckets)
		return;
	for (size_t i = 0; i < (size_t)1 << t->bits; i++) {
		while (t->buckets[i]) {
			struct hashed *h = t->buckets[i];

			t->buckets[i] = h->next;
			insert(&bigger, h);
		}
	}
	leave(t);
	t->buckets = bigger.buckets;
	t->bits = bigger.bits;
}

void table_put(struct table *t, struct hashed *h, uint32_t hash)
{
	if (t->count >= (size_t)1 << t->bits && t->bits < BITS_MAX)
		grow(t);
	h->hash = hash;
	insert(t, h);
	t->count++;
}

void table_take(struct table *t, struct hashed *h)
{
	if (!h->link)
		return;
	*h->link = h->next;
	if (h->next)
		h->next->link = h->link;
	h->link = NULL;
	if (--t->count == 0) {
		leave(t);
		table_open(t);
	}
}
