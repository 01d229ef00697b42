/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * processors.h - which processor a thread runs on.
 *
 * Where two threads wake each other in turn, the scheduler now puts them on one processor and then on two, and the
 * times differ tenfold. A row that would measure this choice takes it away.
 */
#ifndef BENCH_PROCESSORS_H
#define BENCH_PROCESSORS_H

/** processors_init - look which processors there are; once, before any thread is pinned */
void processors_init(void);

/** processors_count - how many processors this process may use */
unsigned int processors_count(void);

/** processors_pin - keep the calling thread on the @index-th processor that the process may use, modulo their number */
void processors_pin(unsigned int index);

/**
 * processors_distance - how long a cache line takes from the first processor to the second, in nanoseconds; in some
 * milliseconds. NAN: there are not two, or they were too busy to tell
 *
 * A virtual machine's processors move among those of its host. When they are far from each other whatever two of them
 * share takes several times as long, and no load average says so.
 */
double processors_distance(void);

/** processors_unpin - let the calling thread run anywhere again */
void processors_unpin(void);

#endif
