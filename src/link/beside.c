/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * beside.c - keeping off the processor of a switch.
 *
 * A switch that is a process takes a whole processor for a stream, and drops frames for whom it has kept waiting. The
 * scheduler puts a thread that wakes where its waker runs, or where it ran last, unless it finds an idle processor, for
 * which it hardly looks on a machine with few of them. So a loop may find itself behind the switch that woke it: for a
 * millisecond or two, while a processor beside them is idle, and its frames are dropped (docs/performance.md).
 *
 * So a loop that moves many frames through a switch looks now and then where that runs, and keeps off that processor until
 * there are few. Where there are two processors all who use the switch meet on the other one, and while one of them sends
 * and sends, the queues of those who receive overflow. So a sender gives way every WAY frames, half of such a queue.
 *
 * Who the switch is the kernel tells, which knows what process sends what is received (conn.c), and where that ran last
 * (/proc/PID/stat, proc(5)). Of a process with several threads it is not known which of them is the switch; it is left
 * alone. When somebody else changes the processors of the loop meanwhile, they stay as he wants them.
 */
#include "private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_NS 5000000 /* between two looks */
#define BUSY 100        /* frames in that time that are many: a tenth of what a switch can do */
#define OVER 6          /* such times without many */
#define WAY 48          /* frames */
/* Fields of /proc/PID/stat: */
#define FIRST_AFTER_NAME 3
#define THREADS 20
#define PROCESSOR 39

/** processor_of - where the only thread of a process ran last; -1: not known */
static int processor_of(pid_t pid)
{
	char path[32], stat[1024], *field, *rest;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, stat, sizeof(stat) - 1);
	close(fd);
	stat[n > 0 ? n : 0] = '\0';
	field = strrchr(stat, ')'); /* the name may have anything in it */
	if (!field)
		return -1;
	field = strtok_r(field + 1, " ", &rest);
	for (int number = FIRST_AFTER_NAME; field && number < PROCESSOR; number++) {
		if (number == THREADS && strcmp(field, "1") != 0)
			return -1;
		field = strtok_r(NULL, " ", &rest);
	}
	return field ? atoi(field) : -1;
}

/** all_but - the processors of @allowed but @cpu */
static cpu_set_t all_but(const cpu_set_t *allowed, int cpu)
{
	cpu_set_t set = *allowed;

	CPU_CLR((size_t)cpu, &set);
	return set;
}

/** give_up - keep off no processor any more */
static void give_up(struct link__beside *beside)
{
	cpu_set_t set, kept;

	if (!beside->keeps)
		return;
	beside->keeps = false;
	kept = all_but(&beside->allowed, beside->cpu);
	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_EQUAL(&set, &kept))
		sched_setaffinity(0, sizeof(beside->allowed), &beside->allowed);
}

bool link__beside_busy(struct link__beside *beside, unsigned int frames)
{
	int64_t now, passed;
	bool busy;

	beside->frames += frames;
	if (beside->frames < BUSY)
		return false;
	now = link__now();
	passed = now - beside->since;
	if (passed < LOOK_NS)
		return false;
	busy = passed / LOOK_NS <= beside->frames / BUSY;
	beside->frames = 0;
	beside->since = now;
	return busy;
}

void link__beside(struct link__beside *beside, pid_t pid)
{
	int cpu = pid > 0 ? processor_of(pid) : -1;
	cpu_set_t set;

	if (beside->keeps && cpu == beside->cpu)
		return;
	give_up(beside);
	if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof(set), &set) != 0)
		return;
	beside->allowed = set;
	set = all_but(&set, cpu);
	if (CPU_COUNT(&set) == 0 || CPU_EQUAL(&set, &beside->allowed) || sched_setaffinity(0, sizeof(set), &set) != 0)
		return;
	beside->keeps = true;
	beside->cpu = cpu;
}

void link__beside_sent(struct link__beside *beside, unsigned int frames)
{
	if (!beside->keeps)
		return;
	beside->sent += frames;
	if (beside->sent < WAY)
		return;
	beside->sent = 0;
	sched_yield();
}

void link__beside_round(struct link__beside *beside)
{
	if (beside->keeps && link__now() - beside->since > OVER * LOOK_NS)
		give_up(beside);
}
