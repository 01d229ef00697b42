/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * scribble.c - a member that writes nonsense everywhere, while others work.
 *
 * They lose frames and get wrong ones; what must not happen is that one of them crashes, reads or writes where it
 * should not (run this in a build with AddressSanitizer) or stops working. When it is over they find each other again.
 */
#include "crowd.h"

#include "net.h"
#include "wait.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/** nonsense - a number of the kinds that hurt */
static uint64_t nonsense(const struct shm_geometry *g)
{
	uint64_t n = (uint64_t)random() << 62 ^ (uint64_t)random() << 31 ^ (uint64_t)random();

	switch (random() % 8) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return n % (2 * g->ports);
	case 3:
		return n % (2 * g->slots);
	case 4:
		return UINT64_C(1) << n % 64;
	case 5:
		return n >> 32;
	default:
		return n;
	}
}

/** somewhere - an offset where it hurts: mostly in what is used */
static size_t somewhere(const struct shm_geometry *g)
{
	uint32_t port = (uint32_t)random() % (random() % 4 ? 16 : g->ports);
	uint64_t n = (uint64_t)random();

	switch (random() % 8) {
	case 0:
		return n % SHM_PAGE;
	case 1:
		return g->active + n % 16;
	case 2:
		return g->table + n % ((size_t)g->buckets * SHM_LINE);
	case 3:
	case 4:
		return g->control + port * sizeof(struct shm_control) + n % sizeof(struct shm_control);
	case 5:
		return g->rings + (size_t)port * g->slots * 8 + n % ((size_t)g->slots * 8);
	default: /* the beginning of a record */
		return g->areas + (size_t)port * g->units * SHM_LINE + n % (n % 3 ? 64 : g->units) * SHM_LINE +
		       (size_t)random() % 32;
	}
}

/** change - one word, a copied one or a damaged one */
static void change(unsigned char *base, const struct shm_geometry *g)
{
	size_t at = somewhere(g), from = somewhere(g);
	uint64_t word;

	if (random() % 4)
		at &= ~(size_t)7;
	memcpy(&word, base + (random() % 2 ? at : from), sizeof(word));
	switch (random() % 4) {
	case 0:
		word ^= UINT64_C(1) << random() % 64;
		break;
	case 1:
		word += (uint64_t)(random() % 5 - 2);
		break;
	case 2:
		word = nonsense(g);
		break;
	default:
		break;
	}
	memcpy(base + at, &word, sizeof(word));
}

static _Noreturn void scribbler(const struct soak *soak)
{
	struct shm_net net;
	unsigned char *base;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	srandom((unsigned int)getpid());
	if (shm_net_look(soak->net, &net) != 0)
		fail("cannot look at %s", soak->net);
	base = mmap(NULL, net.geometry.size, PROT_READ | PROT_WRITE, MAP_SHARED, net.memfd, 0);
	if (base == MAP_FAILED)
		fail("mmap");
	for (;;) {
		for (unsigned int n = (unsigned int)random() % 1000; n > 0; n--)
			change(base, &net.geometry);
		usleep((unsigned int)random() % 300);
	}
}

void case_scribble(struct soak *soak)
{
	pid_t pid[PEERS_MAX], bad;
	long end = wait_now_ms() + (long)soak->seconds * 1000;
	uint64_t before, sent;

	soak->processes = soak->processes > 4 ? 4 : soak->processes;
	soak->ports = soak->ports > 4 ? 4 : soak->ports;
	atomic_store(&soak->tally->damage, true);
	for (unsigned int i = 0; i < soak->processes; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			member_process(soak, i * soak->ports, soak->processes * soak->ports, true);
	}
	while (atomic_load(&soak->tally->joins) < soak->processes * soak->ports)
		usleep(1000);
	bad = fork();
	if (bad == 0)
		scribbler(soak);
	while (wait_now_ms() < end) {
		sent = atomic_load(&soak->tally->sent) + atomic_load(&soak->tally->refused);
		for (long deadline = wait_now_ms() + WAIT_MS;
		     atomic_load(&soak->tally->sent) + atomic_load(&soak->tally->refused) == sent;)
			if (!wait_again(deadline))
				fail("nobody sends any more");
		usleep(10000);
	}
	kill(bad, SIGKILL);
	all_well(bad, true);
	/* what is in the queues may still be nonsense; when it has gone the rest arrives */
	before = atomic_load(&soak->tally->sent);
	for (long deadline = wait_now_ms() + WAIT_MS; atomic_load(&soak->tally->sent) < before + 10000;)
		if (!wait_again(deadline))
			fail("nobody recovers");
	atomic_store(&soak->tally->damage, false);
	before = atomic_load(&soak->tally->received);
	for (long deadline = wait_now_ms() + WAIT_MS; atomic_load(&soak->tally->received) < before + 10000;)
		if (!wait_again(deadline))
			fail("nothing arrives any more");
	atomic_store(&soak->tally->stop, true);
	for (unsigned int i = 0; i < soak->processes; i++)
		all_well(pid[i], false);
	network_gone(soak);
}
