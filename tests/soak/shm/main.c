/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main.c - ioth-shm-soak: crowds on, kills in, and nonsense over a shm:// network.
 *
 *     ioth-shm-soak [-t SECONDS] [-k KILLS] [-p PROCESSES] [-n PORTS] [crowd|killed|scribble]...
 *
 * libvdeplug has to find its module (VDEPLUGIN_PATH). Exit status: 0, 1 something is wrong.
 */
#include "crowd.h"

#include "wait.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
	const char *name;
	void (*run)(struct soak *soak);
} cases[] = {{"crowd", case_crowd}, {"killed", case_killed}, {"scribble", case_scribble}};

/** run - one case, in a process of its own; returns 0 or 1 */
static int run(unsigned int i, struct soak soak, const char *dir)
{
	long began = wait_now_ms();
	int status = 1;
	pid_t pid;

	snprintf(soak.net, sizeof(soak.net), "%s/%s", dir, cases[i].name);
	/* as few ports as fit, so that numbers are used again at once, and short queues */
	snprintf(soak.url, sizeof(soak.url), "shm://%s/ports=64/slots=256", soak.net);
	memset(soak.tally, 0, sizeof(*soak.tally));
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		cases[i].run(&soak);
		exit(0);
	}
	waitpid(pid, &status, 0);
	printf("%s %s: %.1f s, %llu frames sent, %llu received, %llu found no room, %llu joins, %llu questions "
	       "answered, %llu asked again\n",
	       status == 0 ? "ok  " : "FAIL", cases[i].name, (double)(wait_now_ms() - began) / 1000,
	       (unsigned long long)atomic_load(&soak.tally->sent),
	       (unsigned long long)atomic_load(&soak.tally->received),
	       (unsigned long long)atomic_load(&soak.tally->refused),
	       (unsigned long long)atomic_load(&soak.tally->joins),
	       (unsigned long long)atomic_load(&soak.tally->rounds),
	       (unsigned long long)atomic_load(&soak.tally->again));
	return status != 0;
}

int main(int argc, char **argv)
{
	struct soak soak = {.seconds = 3, .kills = 200, .processes = 8, .ports = 8};
	char dir[] = "/tmp/shm-soak-XXXXXX", command[100];
	int option, failed = 0;

	while ((option = getopt(argc, argv, "t:k:p:n:")) != -1) {
		unsigned int n = optarg ? (unsigned int)atoi(optarg) : 0;

		switch (option) {
		case 't':
			soak.seconds = n;
			break;
		case 'k':
			soak.kills = n;
			break;
		case 'p':
			soak.processes = n;
			break;
		case 'n':
			soak.ports = n;
			break;
		default:
			fprintf(stderr,
			        "usage: %s [-t SECONDS] [-k KILLS] [-p PROCESSES] [-n PORTS] "
			        "[crowd|killed|scribble]...\n",
			        argv[0]);
			return 2;
		}
	}
	if (soak.processes * soak.ports > PEERS_MAX - 2 || soak.processes == 0 || soak.ports == 0)
		return 2;
	soak.tally = mmap(NULL, sizeof(*soak.tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (soak.tally == MAP_FAILED || !mkdtemp(dir)) {
		perror("ioth-shm-soak");
		return 1;
	}
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool wanted = optind == argc;

		for (int a = optind; a < argc; a++)
			wanted |= strcmp(argv[a], cases[i].name) == 0;
		if (wanted)
			failed |= run(i, soak, dir);
	}
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return failed || system(command) != 0;
}
