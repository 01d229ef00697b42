/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * spin.c - looking for more before sleeping.
 *
 * Waking a sleeping thread costs more than all else that happens to a small frame, and an answer often follows a question at
 * once. So a thread that has just moved frames looks at its epoll set for some microseconds more, giving way to any other
 * thread that wants the core, before it sleeps (docs/performance.md). IOTH_POLL_US=0 in the environment turns this off.
 *
 * On a busy machine giving way may mean to be away for a whole slice of the scheduler, where a thread that sleeps would be
 * woken for the next frame at once. So a thread that was away for long sleeps without looking for the next SPIN_REST times.
 */
#include "private.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define POLL_US 50 /* how long */
#define POLL_US_MAX 1000
#define SPIN_AWAY_NS 200000 /* that a yield took tells that others need the core more */
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

int link_spin(struct link_spin *spin, int epfd, struct epoll_event *events, int count, int64_t until)
{
	int64_t before, now, end;
	int n;

	if (spin->rest > 0) {
		spin->rest--;
		return 0;
	}
	now = link__now();
	end = now + spin->ns < until ? now + spin->ns : until;
	do {
		before = now;
		if (spin->look && spin->look(spin->arg))
			return 0;
		sched_yield();
		n = epoll_wait(epfd, events, count, 0);
		now = link__now();
	} while (n == 0 && now < end);
	if (now - before > SPIN_AWAY_NS)
		spin->rest = SPIN_REST;
	return n < 0 ? 0 : n;
}
