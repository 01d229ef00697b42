/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Many stacks alive in one process, each exchanging a datagram with its neighbour.
 *
 * The stacks form groups, pairs on ptp:// or twenty on a switch, and within a group they talk in pairs: the kernel's
 * table of neighbours is one for the machine, with room for 1024 by default (net.ipv4.neigh.default.gc_thresh3), and
 * would not hold two for each of a thousand stacks. Only when all of them live do the datagrams go, and only after
 * those is memory counted: of the whole machine, for most of a stack of Linux is in the kernel, and what is anonymous
 * of the process alone. Then nobody does anything for a while, and the processor time of the process is read. The
 * reference has a process for each stack; some hundreds will do.
 */
#include "bench.h"
#include "clock.h"
#include "library.h"
#include "processes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum metric { STACKS, MACHINE, ACCOUNTED, OWN, PROCESSES, THREADS, DESCRIPTORS, ANSWERED, READY, IDLE, DELETE };

/** struct crowd - what a subject consists of */
struct crowd {
	const struct library *library;
	unsigned int count, group;
	const char *scheme[2]; /* of the first of a group, and of the others */
	unsigned int rest_s;   /* till stacks that have just been configured have nothing left to do */
};

#define PING_PORT 7000
#define PING_ATTEMPTS 20
#define PING_WAIT_MS 100
/* A stack in the process asks three times for a router, four seconds apart, as Linux does where nobody counts it. */
#define SOLICITATIONS_S 15

static const struct crowd *crowd;
static void **stacks;

static unsigned int crowd_count(void)
{
	return bench_options.quick ? crowd->count / 5 : crowd->count;
}

static struct sockaddr_in address_of(unsigned int index, in_port_t port)
{
	struct sockaddr_in address = {
	        .sin_family = AF_INET,
	        .sin_port = htons(port),
	        .sin_addr.s_addr = htonl(0x0a000001 + index % crowd->group),
	};

	return address;
}

static int create_all(void)
{
	for (unsigned int i = 0; i < crowd_count(); i++) {
		char vnl[128];

		snprintf(vnl, sizeof(vnl), "%s://%s/crowd-%d-%u", crowd->scheme[i % crowd->group != 0],
		         bench_options.directory, (int)getpid(), i / crowd->group);
		stacks[i] = crowd->library->create(vnl);
		if (!stacks[i] || crowd->library->configure(stacks[i], address_of(i, 0).sin_addr) < 0) {
			char why[BENCH_WHY_MAX];

			snprintf(why, sizeof(why), "%s", bench_why());
			return bench_fail("stack %u of %u: %.150s", i + 1, crowd_count(), why);
		}
	}
	return 0;
}

/** ping_socket - a datagram socket on a stack, bound, and impatient */
static int ping_socket(unsigned int index)
{
	const struct network_calls *calls = crowd->library->calls;
	struct timeval wait = {.tv_usec = PING_WAIT_MS * 1000};
	struct sockaddr_in address = address_of(index, PING_PORT);
	int fd = crowd->library->socket(stacks[index], AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (calls->bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    calls->setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0) {
		bench_fail("ping: %s", strerror(errno));
		calls->close(fd);
		return -1;
	}
	return fd;
}

/** ping - a datagram from one stack to another and back; returns 1 when it came back, 0 when not, or -1 */
static int ping(unsigned int from, unsigned int to)
{
	const struct network_calls *calls = crowd->library->calls;
	struct sockaddr_in there = address_of(to, PING_PORT), back = address_of(from, PING_PORT);
	int near = ping_socket(from), far = ping_socket(to);
	unsigned int sent, got = ~0u;

	for (sent = 0; near >= 0 && far >= 0 && sent < PING_ATTEMPTS; sent++) {
		if (calls->sendto(near, &from, sizeof(from), 0, (struct sockaddr *)&there, sizeof(there)) < 0 ||
		    calls->recv(far, &got, sizeof(got), 0) != (ssize_t)sizeof(got) ||
		    calls->sendto(far, &got, sizeof(got), 0, (struct sockaddr *)&back, sizeof(back)) < 0)
			continue;
		got = ~0u;
		if (calls->recv(near, &got, sizeof(got), 0) == (ssize_t)sizeof(got) && got == from)
			break;
	}
	if (near >= 0)
		calls->close(near);
	if (far >= 0)
		calls->close(far);
	return near < 0 || far < 0 ? -1 : got == from;
}

static int ping_all(double *answered)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < crowd_count(); i++) {
		int result = ping(i, i ^ 1);

		if (result < 0)
			return -1;
		count += (unsigned int)result;
	}
	*answered = 100.0 * count / crowd_count();
	return 0;
}

/** delete_all - backwards, so that a switch goes after its stations */
static int delete_all(void)
{
	int result = 0;

	for (unsigned int i = crowd_count(); i > 0; i--) {
		if (stacks[i - 1] && crowd->library->remove(stacks[i - 1]) < 0)
			result = -1;
		stacks[i - 1] = NULL;
	}
	return result;
}

static int stacks_begin(const struct bench_subject *subject, void **state)
{
	(void)state;
	crowd = subject->arg;
	stacks = calloc(crowd->count, sizeof(*stacks));
	return stacks ? 0 : bench_fail("out of memory");
}

static int stacks_sample(void *state, double *values)
{
	struct processes_survey before, after;
	struct processes_memory empty, full;
	double count = crowd_count();
	uint64_t start, created;
	int result;

	(void)state;
	processes_memory(&empty);
	processes_survey(&before);
	start = clock_ns();
	result = create_all();
	created = clock_ns();
	if (result == 0)
		result = ping_all(&values[ANSWERED]);
	if (result == 0) {
		values[STACKS] = count;
		values[READY] = (double)(created - start) / 1e6 / count;
		processes_memory(&full);
		processes_survey(&after);
		values[MACHINE] = (full.machine - empty.machine) / count;
		values[ACCOUNTED] = (full.accounted - empty.accounted) / count;
		values[OWN] = (after.own - before.own) / count;
		values[PROCESSES] = after.processes - before.processes;
		values[THREADS] = after.threads - before.threads;
		values[DESCRIPTORS] = (after.descriptors - before.descriptors) / count;
		sleep(crowd->rest_s);
		values[IDLE] = processes_idle();
	}
	start = clock_ns();
	if (delete_all() < 0)
		return -1;
	values[DELETE] = (double)(clock_ns() - start) / 1e6 / count;
	return result;
}

static void stacks_end(void *state)
{
	(void)state;
	free(stacks);
}

static const struct crowd vdestack_pairs = {&library_vdestack, 400, 2, {"ptp", "ptp"}, 0};
static const struct crowd vdestack_switches = {&library_vdestack, 400, 20, {"switch", "vde"}, 0};
static const struct crowd ioth_pairs = {&library_ioth_vdestack, 1000, 2, {"ptp", "ptp"}, 0};
static const struct crowd ioth_switches = {&library_ioth_vdestack, 1000, 20, {"switch", "vde"}, 0};
static const struct crowd lwip_pairs = {&library_ioth_lwip, 1000, 2, {"ptp", "ptp"}, SOLICITATIONS_S};
static const struct crowd lwip_switches = {&library_ioth_lwip, 1000, 20, {"switch", "vde"}, SOLICITATIONS_S};

/* Per stack, but for those that say all. */
static const struct bench_metric metrics[] = {
        [STACKS] = {"alive at once, all", "", BENCH_MORE},
        [MACHINE] = {"machine memory", "KiB", BENCH_LESS},
        [ACCOUNTED] = {"kernel + anonymous", "KiB", BENCH_LESS},
        [OWN] = {"own anonymous", "KiB", BENCH_LESS},
        [PROCESSES] = {"processes, all", "", BENCH_LESS},
        [THREADS] = {"threads, all", "", BENCH_LESS},
        [DESCRIPTORS] = {"descriptors", "", BENCH_LESS},
        [ANSWERED] = {"pings answered", "%", BENCH_MORE},
        [READY] = {"create+configure", "ms", BENCH_LESS},
        [IDLE] = {"idle, all", "% core", BENCH_LESS},
        [DELETE] = {"delete", "ms", BENCH_LESS},
};
static const struct bench_subject subjects[] = {
        {"libvdestack ptp", {NULL}, &vdestack_pairs},
        {"libvdestack switch", {NULL}, &vdestack_switches},
        {"ioth vdestack ptp", {"libvdestack ptp"}, &ioth_pairs},
        {"ioth vdestack switch", {"libvdestack switch"}, &ioth_switches},
        {"ioth lwip ptp", {"libvdestack ptp"}, &lwip_pairs},
        {"ioth lwip switch", {"libvdestack switch"}, &lwip_switches},
};
static const struct bench_target targets[] = {
        {"ioth vdestack *", "machine memory", BENCH_AT_MOST, 400, NULL},
        {"ioth vdestack *", "create+configure", BENCH_AT_MOST, 3, NULL},
        {"ioth lwip *", "alive at once, all", BENCH_AT_LEAST, 1000, NULL},
        {"ioth lwip *", "own anonymous", BENCH_AT_MOST, 150, NULL},
        {"ioth lwip *", "pings answered", BENCH_AT_LEAST, 100, NULL},
        {"ioth lwip *", "create+configure", BENCH_AT_MOST, 2, NULL},
        {"ioth lwip *", "idle, all", BENCH_BELOW, 1, NULL},
        {"ioth *", "delete", BENCH_AT_MOST, 3, NULL},
};

const struct bench_row bench_row_stacks = {
        .name = "stacks",
        .title = "many stacks alive in one process, in pairs on ptp:// or twenty on a switch; per stack unless \"all\"",
        .metrics = metrics,
        .metric_count = BENCH_COUNT(metrics),
        .subjects = subjects,
        .subject_count = BENCH_COUNT(subjects),
        .targets = targets,
        .target_count = BENCH_COUNT(targets),
        .runs_max = 3,
        .fresh = true,
        .begin = stacks_begin,
        .sample = stacks_sample,
        .end = stacks_end,
};
