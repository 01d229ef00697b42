/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * left.h - accounts: what a piece of code left behind.
 *
 * left_count takes stock of the descriptors and threads of the process; left_since tells what is there that was not
 * there before. Threads that have been joined may still be listed for a moment, so left_since looks again till they are
 * gone.
 */
#ifndef TESTS_LIB_LEFT_H
#define TESTS_LIB_LEFT_H

#include <stddef.h>

#define LEFT_FDS 8192 /* descriptors above this number are counted, not told apart */

struct left {
	unsigned char open[LEFT_FDS / 8];
	int fds;
	int threads;
};

/** left_count - take stock; 0 or negative errno */
int left_count(struct left *out);

/**
 * left_since - what has been added since @before
 * @text: receives "fd 7 socket:[123], 2 threads", at most @size bytes with the final NUL; "" when nothing is left
 *
 * Returns how many things are left: descriptors, threads, and children of the process; or negative errno.
 */
int left_since(const struct left *before, char *text, size_t size);

/** left_since_but - the same where @kept descriptors may stay: it does not wait for these to go, but names and counts them */
int left_since_but(const struct left *before, int kept, char *text, size_t size);

#endif
