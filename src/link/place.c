/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * place.c - the processor a loop runs on.
 *
 * A loop that hands a frame to a stack of the kernel wakes whoever waits for it. When that thread last ran where the loop
 * runs now, or where nothing runs, this takes some microseconds. When another thread runs there, perhaps a loop that looks
 * for more (spin.c), that processor must be interrupted; on a virtual machine this can cost thirty microseconds for him
 * who interrupts and as many until it is noticed, more than all the rest of a round trip. The scheduler places a thread
 * when it wakes, and a loop with traffic does not sleep, so a bad place would be kept (docs/performance.md).
 *
 * So a loop measures its turns of a single event. When most of them were dear, it goes to the next processor it may use.
 * It stays there only as far as the scheduler likes it: the set of processors allowed is what it was before. When moving
 * does not help, it is tried less and less often: a turn that moves a whole batch is dear anywhere, and then going
 * elsewhere once a second does not show.
 */
#include "private.h"

#include <sched.h>

#define TURN_DEAR_NS 20000 /* a turn of one event that takes longer has interrupted another processor */
#define DEAR_WEIGHT 2      /* what a dear turn counts; a cheap one takes back 1 */
#define DEAR_ENOUGH 16
#define PAUSE_MIN_NS 10000000
#define PAUSE_MAX_NS 1000000000

/** place_move - have the calling thread run on the next processor that is allowed for it */
static void place_move(void)
{
	cpu_set_t allowed, next;
	int cpu = sched_getcpu();

	/* More processors than fit into a cpu_set_t: the loop stays where it is. */
	if (cpu < 0 || sched_getaffinity(0, sizeof(allowed), &allowed) < 0 || CPU_COUNT(&allowed) < 2)
		return;
	do
		cpu = (cpu + 1) % CPU_SETSIZE;
	while (!CPU_ISSET((size_t)cpu, &allowed));
	CPU_ZERO(&next);
	CPU_SET((size_t)cpu, &next);
	if (sched_setaffinity(0, sizeof(next), &next) == 0)
		sched_setaffinity(0, sizeof(allowed), &allowed);
}

void link__place_turn(struct link__place *place, int64_t began, int64_t ended)
{
	if (ended - began <= TURN_DEAR_NS) {
		place->dear -= place->dear > 0;
		return;
	}
	place->dear += DEAR_WEIGHT;
	if (place->dear < DEAR_ENOUGH || ended < place->moved + place->pause)
		return;
	if (ended > place->moved + 4 * place->pause)
		place->pause = PAUSE_MIN_NS; /* the last one helped for a while */
	else if (place->pause < PAUSE_MAX_NS)
		place->pause *= 2;
	place->dear = 0;
	place->moved = ended;
	place_move();
}
