/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clock.c - the deadlines of the members of a loop.
 *
 * The alarms that have a deadline are in a binary heap, and a timer descriptor that the loop watches like any other is
 * set to the earliest of them. So a thread that wants something earlier sets the descriptor anew, which wakes nobody;
 * the loop sleeps on until then. While no alarm has a deadline the descriptor is not set at all.
 *
 * Protocols set a deadline with nearly every packet and put it off or drop it with the next one. This must cost
 * nothing, so an alarm whose deadline gets later stays where it is in the heap: its *key*, never later than its
 * deadline, is when the clock looks at it again. At that time it is moved to where it belongs by then. A deadline that
 * has been dropped may so cost one look, and a busy alarm costs one each time its deadline is as long as it was at
 * first.
 *
 * The lock protects the heap and the descriptor, and nothing is taken under it. A deadline is written without it by a
 * thread that then finds, by the key, that it need not take it; the clock changes the key first and looks at the
 * deadline then. As all four accesses have one order, one of the two sees what the other has written.
 */
#include "clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* --------------------------------------------------------------------------------------------------------- heap */

/** put - put an alarm at a place of the heap */
static void put(struct link__clock *clock, uint32_t place, struct link__alarm *alarm)
{
	clock->heap[place] = alarm;
	alarm->place = place;
}

/** key_at - the key of the alarm at a place */
static int64_t key_at(const struct link__clock *clock, uint32_t place)
{
	return atomic_load_explicit(&clock->heap[place]->key, memory_order_relaxed);
}

/** rise - the key of the alarm at @place may be less than those above it */
static void rise(struct link__clock *clock, uint32_t place)
{
	struct link__alarm *alarm = clock->heap[place];
	int64_t key = key_at(clock, place);

	while (place > 0 && key_at(clock, (place - 1) / 2) > key) {
		put(clock, place, clock->heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	put(clock, place, alarm);
}

/** sink - the key of the alarm at @place may be more than those below it */
static void sink(struct link__clock *clock, uint32_t place)
{
	struct link__alarm *alarm = clock->heap[place];
	int64_t key = key_at(clock, place);
	uint32_t child;

	while ((child = 2 * place + 1) < clock->count) {
		if (child + 1 < clock->count && key_at(clock, child + 1) < key_at(clock, child))
			child++;
		if (key_at(clock, child) >= key)
			break;
		put(clock, place, clock->heap[child]);
		place = child;
	}
	put(clock, place, alarm);
}

/** take_out - take an alarm out of the heap; its key says so */
static void take_out(struct link__clock *clock, struct link__alarm *alarm)
{
	uint32_t place = alarm->place;
	struct link__alarm *last = clock->heap[--clock->count];

	if (last != alarm) {
		put(clock, place, last);
		rise(clock, place);
		sink(clock, last->place);
	}
	atomic_store(&alarm->key, INT64_MAX);
}

/* --------------------------------------------------------------------------------------------------- descriptor */

/** arm - set the descriptor; INT64_MAX: to nothing. That it was readable is forgotten by this */
static void arm(struct link__clock *clock, int64_t when)
{
	struct itimerspec at = {0};

	clock->armed = when;
	if (when != INT64_MAX) {
		/* All zero would mean nothing. */
		at.it_value.tv_sec = when > 0 ? when / 1000000000 : 0;
		at.it_value.tv_nsec = when > 0 ? when % 1000000000 : 1;
	}
	timerfd_settime(clock->fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/** settle - put an alarm where its deadline wants it, when that is earlier than where it is; lock held */
static void settle(struct link__clock *clock, struct link__alarm *alarm)
{
	int64_t when = atomic_load(&alarm->when);
	int64_t key = atomic_load(&alarm->key);

	if (when >= key || atomic_load(&alarm->paused))
		return;
	atomic_store(&alarm->key, when);
	if (key == INT64_MAX)
		put(clock, clock->count++, alarm);
	rise(clock, alarm->place);
	if (when < clock->armed)
		arm(clock, when);
}

/** settle_if_earlier - settle without taking the lock in vain */
static void settle_if_earlier(struct link__clock *clock, struct link__alarm *alarm)
{
	if (atomic_load(&alarm->when) >= atomic_load(&alarm->key) || atomic_load(&alarm->paused))
		return;
	pthread_mutex_lock(&clock->lock);
	settle(clock, alarm);
	pthread_mutex_unlock(&clock->lock);
}

/* -------------------------------------------------------------------------------------------------------- clock */

int link__clock_open(struct link__clock *clock)
{
	*clock = (struct link__clock){.armed = INT64_MAX};
	clock->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (clock->fd < 0)
		return -errno;
	pthread_mutex_init(&clock->lock, NULL);
	return 0;
}

void link__clock_close(struct link__clock *clock)
{
	if (clock->fd >= 0)
		close(clock->fd);
	free(clock->heap);
}

int link__clock_add(struct link__clock *clock, struct link__alarm *alarm, uint64_t event)
{
	int err = 0;

	atomic_init(&alarm->when, INT64_MAX);
	atomic_init(&alarm->key, INT64_MAX);
	atomic_init(&alarm->paused, false);
	alarm->event = event;
	pthread_mutex_lock(&clock->lock);
	if (clock->members == clock->room) {
		uint32_t room = clock->room > 0 ? 2 * clock->room : 16;
		struct link__alarm **heap = realloc(clock->heap, room * sizeof(*heap));

		if (heap) {
			clock->heap = heap;
			clock->room = room;
		} else {
			err = -ENOMEM;
		}
	}
	if (!err)
		clock->members++;
	pthread_mutex_unlock(&clock->lock);
	return err;
}

void link__clock_remove(struct link__clock *clock, struct link__alarm *alarm)
{
	pthread_mutex_lock(&clock->lock);
	if (atomic_load(&alarm->key) != INT64_MAX)
		take_out(clock, alarm);
	clock->members--;
	pthread_mutex_unlock(&clock->lock);
}

void link__clock_set(struct link__clock *clock, struct link__alarm *alarm, int64_t when)
{
	atomic_store(&alarm->when, when);
	settle_if_earlier(clock, alarm);
}

void link__clock_pause(struct link__alarm *alarm)
{
	atomic_store(&alarm->paused, true);
}

void link__clock_resume(struct link__clock *clock, struct link__alarm *alarm)
{
	atomic_store(&alarm->paused, false);
	settle_if_earlier(clock, alarm);
}

bool link__clock_due(struct link__clock *clock, int64_t now, uint64_t *event)
{
	bool due = false;

	pthread_mutex_lock(&clock->lock);
	while (!due && clock->count > 0 && key_at(clock, 0) <= now) {
		struct link__alarm *alarm = clock->heap[0];
		int64_t when;

		take_out(clock, alarm);
		when = atomic_load(&alarm->when);
		due = when <= now && !atomic_load(&alarm->paused) &&
		      atomic_compare_exchange_strong(&alarm->when, &when, INT64_MAX);
		if (due)
			*event = alarm->event;
		else
			settle(clock, alarm);
	}
	if (!due)
		arm(clock, clock->count > 0 ? key_at(clock, 0) : INT64_MAX);
	pthread_mutex_unlock(&clock->lock);
	return due;
}
