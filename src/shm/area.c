/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* area.c - the frames that a port has sent: see area.h. */
#include "net.h"

#include <errno.h>
#include <stdlib.h>

#define CACHED_UNITS 1024 /* 64 KiB: beyond that begin again if all has been read */
#define TRY_UNITS 256     /* how often to see whether it has */
#define FETCH_UNITS 64    /* how far ahead lines are brought: a frame of the usual size, or many small ones */

/** units_of - lines that a frame takes */
static uint32_t units_of(size_t len)
{
	return (uint32_t)((sizeof(struct shm_record) + len + SHM_LINE - 1) / SHM_LINE);
}

int shm_area_open(struct shm_area *area, const struct shm_net *net, uint32_t port)
{
	uint32_t room = 2 * net->geometry.slots;

	*area = (struct shm_area){
	        .net = net,
	        .base = shm_area_of(net, port),
	        .shown = &shm_control_of(net, port)->floor,
	        .units = net->geometry.units,
	        .mask = room - 1,
	        .sent = malloc(room * sizeof(struct shm_sent)),
	};
	if (!area->sent)
		return -ENOMEM;
	/* Beyond whatever the owner before us may have sent. */
	area->next = (atomic_load(area->shown) / area->units + 3) * area->units;
	area->floor = area->next;
	atomic_store(area->shown, area->floor);
	return 0;
}

void shm_area_close(struct shm_area *area)
{
	free(area->sent);
	area->sent = NULL;
}

/** was_read - has its receiver, who is somebody, dealt with it? */
static bool was_read(struct shm_area *area, const struct shm_sent *sent)
{
	struct shm_control *control;

	if (area->reader == sent->port + 1 && area->reader_generation == sent->generation &&
	    (int64_t)(area->reader_head - sent->index) > 0)
		return true;
	control = shm_control_of(area->net, sent->port);
	area->reader = sent->port + 1;
	area->reader_generation = atomic_load_explicit(&control->generation, memory_order_acquire);
	if (area->reader_generation != sent->generation)
		return true;
	/* It read the frame before it moved its head. */
	area->reader_head = atomic_load_explicit(&control->head, memory_order_acquire);
	return (int64_t)(area->reader_head - sent->index) > 0;
}

/** drop_oldest - forget the oldest frame */
static void drop_oldest(struct shm_area *area)
{
	area->first = (area->first + 1) & area->mask;
	area->count--;
	area->floor = area->count > 0 ? area->sent[area->first].position : area->next;
}

/** show_floor - before anything is written */
static void show_floor(struct shm_area *area)
{
	atomic_store_explicit(area->shown, area->floor, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}

/** reclaim - give up what was read, all of it at once, so that the floor changes seldom; @floods: what is for nobody in
 * particular too */
static void reclaim(struct shm_area *area, bool floods)
{
	uint64_t before = area->floor;

	while (area->count > 0) {
		const struct shm_sent *oldest = &area->sent[area->first];

		if (oldest->port == SHM_NOBODY ? !floods : !was_read(area, oldest))
			break;
		drop_oldest(area);
	}
	if (area->floor != before)
		show_floor(area);
}

/** fits - is there room for @units at @position? */
static bool fits(const struct shm_area *area, uint64_t position, uint32_t units)
{
	return position + units - area->floor <= area->units && area->count <= area->mask;
}

struct shm_record *shm_area_reserve(struct shm_area *area, size_t len, uint32_t *blocker)
{
	uint32_t units = units_of(len), at = (uint32_t)(area->next % area->units);
	uint64_t begin = area->next - at + area->units; /* where the next round begins */

	if (at + units > area->units) {
		area->next = begin;
		at = 0;
	} else if (at >= CACHED_UNITS && !area->watched && (int64_t)(area->next - area->try_at) >= 0) {
		area->try_at = area->next + TRY_UNITS;
		reclaim(area, false);
		if (area->count == 0) {
			area->next = begin;
			at = 0;
		}
	}
	if (area->count == 0 && area->floor != area->next) {
		area->floor = area->next;
		show_floor(area);
	}
	if (!fits(area, area->next, units)) {
		reclaim(area, true);
		if (!fits(area, area->next, units)) {
			*blocker = area->sent[area->first].port;
			return NULL;
		}
	}
	return (struct shm_record *)(void *)(area->base + (size_t)at * SHM_LINE);
}

bool shm_area_force(struct shm_area *area)
{
	const struct shm_sent *oldest = &area->sent[area->first];
	bool unread = area->count > 0 && oldest->port != SHM_NOBODY && !was_read(area, oldest);

	if (area->count > 0)
		drop_oldest(area);
	show_floor(area);
	return unread;
}

/**
 * fetch_ahead - a frame of @units was written: have as many lines brought that will be written soon
 *
 * Their readers have had them last, and at its next atomic operation the sender would wait for all that it wrote.
 */
static void fetch_ahead(const struct shm_area *area, uint32_t units)
{
	uint32_t at = (uint32_t)((area->next + FETCH_UNITS - units) % area->units);

	if (units > FETCH_UNITS || at + units > area->units)
		return;
	for (uint32_t i = 0; i < units; i++)
		shm_fetch_line(area->base + (size_t)(at + i) * SHM_LINE);
}

void shm_area_commit(struct shm_area *area, size_t len, uint32_t port, uint32_t generation, uint64_t index)
{
	area->sent[(area->first + area->count++) & area->mask] = (struct shm_sent){
	        .position = area->next,
	        .index = index,
	        .port = port,
	        .generation = generation,
	};
	area->next += units_of(len);
	fetch_ahead(area, units_of(len));
}
