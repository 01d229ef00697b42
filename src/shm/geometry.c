/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* geometry.c - what lies where in the memory of a network. */
#include "layout.h"

#include <errno.h>

#define ADDRESSES_PER_PORT 8 /* places in the table */

/** power_of_two - the next one that is not smaller than @n, which is at most 2^31 */
static uint32_t power_of_two(uint32_t n)
{
	uint32_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

/** place - @count things of @size bytes behind all others, from a page on; returns where */
static size_t place(struct shm_geometry *g, size_t count, size_t size)
{
	size_t at = g->size;

	g->size += (count * size + SHM_PAGE - 1) / SHM_PAGE * SHM_PAGE;
	return at;
}

int shm_geometry_make(uint32_t ports, uint32_t slots, uint32_t mtu, uint32_t age, struct shm_geometry *out)
{
	struct shm_geometry g = {.mtu = mtu, .age = age, .size = SHM_PAGE};
	uint32_t area;

	if (ports < 2 || ports > SHM_PORTS_MAX || slots < SHM_SLOTS_MIN || slots > SHM_SLOTS_MAX || mtu < SHM_MTU_MIN ||
	    mtu > SHM_MTU_MAX || age == 0)
		return -EINVAL;
	g.ports = (ports + 63) / 64 * 64;
	g.slots = power_of_two(slots);
	area = g.slots * SHM_AREA_PER_SLOT;
	g.units = (area < SHM_AREA_MIN ? SHM_AREA_MIN : area) / SHM_LINE;
	g.buckets = power_of_two(g.ports * ADDRESSES_PER_PORT / SHM_WAYS);
	g.active = place(&g, g.ports / 64, sizeof(uint64_t));
	g.table = place(&g, g.buckets, SHM_LINE);
	g.control = place(&g, g.ports, sizeof(struct shm_control));
	g.rings = place(&g, (size_t)g.ports * g.slots, sizeof(uint64_t));
	g.areas = place(&g, (size_t)g.ports * g.units, SHM_LINE);
	*out = g;
	return 0;
}
