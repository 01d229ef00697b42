/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* by_hand.h - what lwIP does when nothing but lwIP is there: the reference of the stack that is made of it. */
#ifndef BENCH_BY_HAND_H
#define BENCH_BY_HAND_H

#include <stdbool.h>
#include <stdint.h>

struct by_hand;

/**
 * by_hand_open - two engines in one thread, joined in memory, with a connection between them
 * @cheap: replace what the distribution's build does expensively and the plugin replaces as well: checksums, locks,
 * clock
 *
 * Returns 0, or -1 after bench_fail.
 */
int by_hand_open(struct by_hand **out, bool cheap);

/** by_hand_stream - send as fast as it goes for @ns nanoseconds; returns the bytes that arrived, or -1 after bench_fail
 */
int64_t by_hand_stream(struct by_hand *pair, uint64_t ns);

void by_hand_close(struct by_hand *pair);

#endif
