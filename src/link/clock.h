/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clock.h - the deadlines of the members of a loop.
 */
#ifndef IOTH_LINK_CLOCK_H
#define IOTH_LINK_CLOCK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/** struct link__alarm - the deadline of a member; embedded in it */
struct link__alarm {
	_Atomic int64_t when; /* CLOCK_MONOTONIC nanoseconds; INT64_MAX: never */
	_Atomic int64_t key;  /* when the clock looks at it again, no later than @when; INT64_MAX: not in the heap */
	atomic_bool paused;   /* somebody else sees to it */
	uint32_t place;       /* in the heap, while it is there */
	uint64_t event;       /* what link__clock_due gives */
};

/** struct link__clock - the alarms of a loop and the descriptor that is readable when one is due */
struct link__clock {
	pthread_mutex_t lock;
	int fd;                    /* timerfd_create(2) */
	int64_t armed;             /* what the descriptor is set to; INT64_MAX: nothing */
	struct link__alarm **heap; /* the earliest key first */
	uint32_t count;            /* alarms in the heap */
	uint32_t room;             /* of the heap */
	uint32_t members;          /* alarms that may be put there */
};

/** link__clock_open - 0 or a negative errno */
int link__clock_open(struct link__clock *clock);

/** link__clock_close - free what it has; in a forked child as well, where its lock may be anything */
void link__clock_close(struct link__clock *clock);

/** link__clock_add - a new alarm, without deadline, that gives @event; 0 or -ENOMEM */
int link__clock_add(struct link__clock *clock, struct link__alarm *alarm, uint64_t event);

/** link__clock_remove - an alarm is about to be freed; it must not be set meanwhile */
void link__clock_remove(struct link__clock *clock, struct link__alarm *alarm);

/** link__clock_set - change the deadline of an alarm; by any thread */
void link__clock_set(struct link__clock *clock, struct link__alarm *alarm, int64_t when);

/** link__clock_pause - the deadline does not count until link__clock_resume */
void link__clock_pause(struct link__alarm *alarm);
void link__clock_resume(struct link__clock *clock, struct link__alarm *alarm);

/**
 * link__clock_due - take the next alarm whose time has come; its deadline is used up by that
 * @now: as read when the descriptor was seen to be readable; to be called until it returns false
 */
bool link__clock_due(struct link__clock *clock, int64_t now, uint64_t *event);

#endif
