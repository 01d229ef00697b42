/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wait.c - bounded waits for events; see wait.h. */
#include "wait.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

long wait_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool wait_again(long deadline)
{
	const struct timespec nap = {.tv_nsec = 1000000};

	if (wait_now_ms() >= deadline)
		return false;
	nanosleep(&nap, NULL);
	return true;
}

int wait_revents(int fd, int want)
{
	long deadline = wait_now_ms() + WAIT_MS;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = WAIT_POLL_ALL};
		int missing;

		if (poll(&p, 1, 0) < 0)
			return -errno;
		if (p.revents == want)
			return p.revents;
		/* Bits to come are waited for; nothing tells that a bit goes away, nor a bit of HUP and ERR while the
		 * other is on. */
		missing = want & ~p.revents & WAIT_POLL_ALL;
		if (missing != 0 && !(p.revents & (POLLERR | POLLHUP | POLLNVAL))) {
			struct pollfd next = {.fd = fd, .events = (short)missing};
			long left = deadline - wait_now_ms();

			if (left <= 0 || poll(&next, 1, (int)left) == 0)
				return p.revents;
			if (next.revents & missing)
				continue;
		}
		if (!wait_again(deadline))
			return p.revents;
	}
}

/** task_state - R, S, ... as in proc(5), -ESRCH gone; @switches receives how often it has given up the processor */
static int task_state(const char *path, long *switches)
{
	char text[4096];
	const char *field;
	ssize_t len;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -ESRCH;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len <= 0)
		return -ESRCH;
	text[len] = '\0';
	field = strstr(text, "\nvoluntary_ctxt_switches:");
	*switches = field == NULL ? -1 : strtol(strchr(field, ':') + 1, NULL, 10);
	field = strstr(text, "\nState:\t");
	if (field == NULL || field[8] == 'Z' || field[8] == 'X')
		return -ESRCH;
	return field[8];
}

/**
 * at_mutex - does a task wait for no more than a mutex, whose holder may have lost the processor for a while?
 *
 * By its futex(2): a mutex of glibc uses FUTEX_WAIT, semaphores, conditions and pthread_join FUTEX_WAIT_BITSET.
 */
static bool at_mutex(const char *dir)
{
	char path[64], text[128];
	unsigned long operation;
	long number;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "%s/syscall", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false; /* kernels that do not tell */
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[len > 0 ? len : 0] = '\0';
	return sscanf(text, "%ld %*x %lx", &number, &operation) == 2 && number == SYS_futex &&
	       operation == (FUTEX_WAIT | FUTEX_PRIVATE_FLAG);
}

/** wait_task - the common part of the functions below; @dir: of the task in /proc; @mutex: at a mutex counts, too */
static int wait_task(const char *dir, bool mutex)
{
	char path[64];
	long deadline = wait_now_ms() + WAIT_MS;
	long before = -1;
	int steady = 0;

	snprintf(path, sizeof(path), "%s/status", dir);
	do {
		long switches;
		int state = task_state(path, &switches);

		if (state < 0)
			return state;
		steady = state == 'S' && switches == before ? steady + 1 : 0;
		before = switches;
		if (steady >= 2 && (mutex || !at_mutex(dir)))
			return 0;
	} while (wait_again(deadline));
	return -ETIMEDOUT;
}

bool wait_thread_runnable(pid_t tid, long deadline)
{
	char path[64];
	long switches;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)tid);
	while (task_state(path, &switches) != 'R')
		if (!wait_again(deadline))
			return false;
	return true;
}

int wait_thread_blocked(pid_t tid)
{
	char dir[48];

	snprintf(dir, sizeof(dir), "/proc/self/task/%d", (int)tid);
	return wait_task(dir, true);
}

int wait_call_blocked(pid_t tid)
{
	char dir[48];

	snprintf(dir, sizeof(dir), "/proc/self/task/%d", (int)tid);
	return wait_task(dir, false);
}

int wait_process_blocked(pid_t pid)
{
	char dir[48];

	snprintf(dir, sizeof(dir), "/proc/%d", (int)pid);
	return wait_task(dir, true);
}
