/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * interleave.c - thousands of worlds, each of them another order of events.
 *
 * usage: interleave [-v] COUNT [FIRST]
 *
 * Each world has a number, which decides everything that happens in it: what four threads call on up to twenty sockets,
 * which of them goes on after the other, what the network delays, loses and doubles, which connection is reset when,
 * when memory is short. After each step the model is checked (model.c). At the end all connections are finished, all
 * bytes have come, all calls have returned, and nothing is left. What fails is told with the number of the world, which
 * does the same again.
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "left.h"

#define CALLS 150

static void live(uint64_t number)
{
	unsigned int calls = 0;

	memset(sock, 0, sizeof(sock));
	conns = 0;
	world_open(number);
	while (calls < CALLS) {
		if (one_of(2)) {
			step_call();
			calls++;
		} else if (!world_step() && one_of(2)) {
			world_wait(1 + chance(30) * MS);
		}
		world.now += 1000;
		model_check();
	}
	step_end();
	world_close();
}

int main(int argc, char *argv[])
{
	unsigned long long count, first;
	struct left before;
	char text[512];

	if (argc > 1 && strcmp(argv[1], "-v") == 0) {
		world.trace = true;
		argv++;
		argc--;
	}
	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: interleave [-v] COUNT [FIRST]\n");
		return 2;
	}
	count = strtoull(argv[1], NULL, 0);
	first = argc == 3 ? strtoull(argv[2], NULL, 0) : 1;
	left_count(&before);
	for (unsigned long long i = 0; i < count; i++) {
		live(first + i);
		if (left_since(&before, text, sizeof(text)) != 0)
			world_fail("left: %s", text);
	}
	printf("%llu worlds, the last %llu\n", count, first + count - 1);
	return 0;
}
