/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * killed.c - processes that are killed at any moment: while they send, receive, join and leave.
 *
 * Two others ask and answer each other all the time. They must not notice: every question is answered, unless its sender
 * has counted it as given up; every frame that arrives is whole and in its turn. In the end all ports are free.
 */
#include "crowd.h"

#include "wait.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define VICTIMS 4
#define ALIVE_US 20000 /* how long one may live, at most; joining takes part of it */

static pid_t victim(const struct soak *soak, unsigned int i)
{
	pid_t pid = fork();

	if (pid == 0)
		member_process(soak, i * soak->ports, VICTIMS * soak->ports, true);
	return pid;
}

/** all_free - every port of the network but two can be had */
static void all_free(const struct soak *soak)
{
	static VDECONN *conn[PEERS_MAX];
	char url[160], description[] = "last";
	unsigned int n = 0;

	snprintf(url, sizeof(url), "shm://%s", soak->net);
	while (n < 62 && (conn[n] = vde_open(url, description, NULL)))
		n++;
	if (n != 62)
		fail("only %u ports are free: %s", n, strerror(errno));
	if (vde_open(url, description, NULL))
		fail("there is one more port");
	if (errno != ENOSPC)
		fail("no more ports: %s", strerror(errno));
	while (n > 0)
		vde_close(conn[--n]);
}

void case_killed(struct soak *soak)
{
	pid_t pid[VICTIMS], two[2];
	uint64_t rounds;

	soak->ports = 2;
	ask_and_answer(soak, two);
	for (unsigned int i = 0; i < VICTIMS; i++)
		pid[i] = victim(soak, i);
	for (unsigned int k = 0; k < soak->kills; k++) {
		unsigned int i = (unsigned int)random() % VICTIMS;

		usleep((unsigned int)random() % (ALIVE_US / VICTIMS));
		kill(pid[i], SIGKILL);
		all_well(pid[i], true);
		pid[i] = victim(soak, i);
		if (waitpid(two[0], NULL, WNOHANG) != 0 || waitpid(two[1], NULL, WNOHANG) != 0)
			fail("after %u killed processes one of the two ended", k + 1);
	}
	for (unsigned int i = 0; i < VICTIMS; i++) {
		kill(pid[i], SIGKILL);
		all_well(pid[i], true);
	}
	rounds = atomic_load(&soak->tally->rounds);
	for (long deadline = wait_now_ms() + WAIT_MS; atomic_load(&soak->tally->rounds) < rounds + 10;)
		if (!wait_again(deadline))
			fail("the two do not talk any more");
	all_free(soak);
	atomic_store(&soak->tally->stop, true);
	all_well(two[0], false);
	all_well(two[1], false);
	network_gone(soak);
}
