/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* crowd.c - many ports in several processes, which come and go: every frame that arrives is whole and in its turn */
#include "crowd.h"

#include "wait.h"

#include <stdlib.h>
#include <unistd.h>

void case_crowd(struct soak *soak)
{
	pid_t pid[PEERS_MAX];
	long end = wait_now_ms() + (long)soak->seconds * 1000;
	uint64_t before;

	for (unsigned int i = 0; i < soak->processes; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			member_process(soak, i * soak->ports, soak->processes * soak->ports, true);
	}
	while (wait_now_ms() < end) {
		before = atomic_load(&soak->tally->received);
		for (long deadline = wait_now_ms() + WAIT_MS; atomic_load(&soak->tally->received) == before;)
			if (!wait_again(deadline))
				fail("nothing arrives any more");
		usleep(10000);
	}
	atomic_store(&soak->tally->stop, true);
	for (unsigned int i = 0; i < soak->processes; i++)
		all_well(pid[i], false);
	network_gone(soak);
}
