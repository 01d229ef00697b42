/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * spin.c - looking for more before sleeping.
 *
 * Waking a sleeping thread costs more than all else that happens to a small frame, and an answer often follows a question at
 * once. So a thread that has just moved frames looks at its epoll set for some microseconds more, giving way to any other
 * thread that wants the core, before it sleeps (docs/performance.md). IOTH_POLL_US=0 in the environment turns this off.
 *
 * Where an answer passes through a switch that is a process, more threads have to run until it comes. So who slept only for a
 * moment when it had looked in vain looks twice as long the next time, and up to SPIN_LONGER times as long as at first;
 * when it slept for long, looking longer would not have helped. Nor does it for a thread that looks in vain again and
 * again: this one sleeps without looking for the next SPIN_REST times.
 *
 * On a busy machine giving way may mean to be away for a whole slice of the scheduler, where a thread that sleeps would be
 * woken for the next frame at once. A thread that was away for long rests likewise.
 */
#include "private.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define POLL_US 50 /* how long */
#define POLL_US_MAX 1000
#define SPIN_AWAY_NS 200000 /* that a yield took tells that others need the core more */
#define SPIN_LONGER 4
#define SPIN_NAP 4  /* times as long as it looks at first: a moment */
#define SPIN_VAIN 8 /* in vain so many times in a row, a moment apart: it is no use */
#define SPIN_REST 100

int64_t link_poll_ns(void)
{
	const char *wanted = secure_getenv("IOTH_POLL_US");
	char *end;
	long us;

	if (!wanted || !*wanted)
		return POLL_US * 1000;
	us = strtol(wanted, &end, 10);
	if (*end || us < 0)
		return POLL_US * 1000;
	return (us < POLL_US_MAX ? us : POLL_US_MAX) * 1000;
}

/** spin_length - for how long to look this time, nanoseconds */
static int64_t spin_length(struct link_spin *spin, int64_t now)
{
	if (spin->vain > 0 && now - spin->since < SPIN_NAP * spin->ns) {
		spin->longer = spin->longer < SPIN_LONGER / 2 ? 2 * spin->longer : SPIN_LONGER;
	} else if (spin->vain > 0 || spin->longer == 0) {
		spin->vain = 0;
		spin->longer = 1;
	}
	return spin->ns * spin->longer;
}

/** spin_in_vain - nothing has come until @now */
static void spin_in_vain(struct link_spin *spin, int64_t now)
{
	spin->since = now;
	if (++spin->vain == SPIN_VAIN) {
		spin->vain = 0;
		spin->longer = 1;
		spin->rest = SPIN_REST;
	}
}

int link_spin(struct link_spin *spin, int epfd, struct epoll_event *events, int count, int64_t until)
{
	int64_t before, now, end;
	int n;

	if (spin->rest > 0) {
		spin->rest--;
		return 0;
	}
	now = link__now();
	end = now + spin_length(spin, now);
	end = end < until ? end : until;
	do {
		before = now;
		if (spin->look && spin->look(spin->arg)) {
			spin->vain = 0;
			return 0;
		}
		sched_yield();
		n = epoll_wait(epfd, events, count, 0);
		now = link__now();
	} while (n == 0 && now < end);
	if (n == 0)
		spin_in_vain(spin, now);
	else
		spin->vain = 0;
	if (now - before > SPIN_AWAY_NS)
		spin->rest = SPIN_REST;
	return n < 0 ? 0 : n;
}
