/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation. A worker is a session leader, so that the processes it starts are found in /proc by their
 * session. A helper of a plugin may have made a session of its own and have init as its parent; it is known by its
 * executable, which lies beside the plugins, and by being younger than the worker. (That takes the helpers of other
 * workers for ours. They sleep while it is our turn, and rows that count processes have one worker at a time.)
 */
#include "processes.h"

#include "bench.h"
#include "clock.h"

#include <dirent.h>
#include <stdint.h>
#include <linux/kcmp.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/** read_file - the first bytes of a file in /proc as a string; returns their number, 0 when it cannot be read */
static size_t read_file(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t n = 0;

	if (file) {
		n = fread(text, 1, size - 1, file);
		fclose(file);
	}
	text[n] = '\0';
	return n;
}

/** number_after - the number after @key in @text, NAN when there is no such key */
static double number_after(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtod(at + strlen(key), NULL) : NAN;
}

/** count_entries - how many entries a directory in /proc has */
static double count_entries(const char *path)
{
	DIR *dir = opendir(path);
	double count = 0;

	if (!dir)
		return 0;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

/** struct origin - where a process comes from */
struct origin {
	long session;
	unsigned long long start; /* clock ticks since the machine came up */
};

/** read_origin - look in /proc/@pid/stat; false when the process is gone, or a zombie */
static bool read_origin(const char *pid, struct origin *origin)
{
	char path[64], stat[1024], state;
	const char *after_name;

	snprintf(path, sizeof(path), "/proc/%.16s/stat", pid);
	if (read_file(path, stat, sizeof(stat)) == 0)
		return false;
	/* "PID (name) state ppid pgrp session ...", the start is the 22nd; the name may contain anything */
	after_name = strrchr(stat, ')');
	return after_name &&
	       sscanf(after_name, ") %c %*d %*d %ld %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
	              &state, &origin->session, &origin->start) == 3 &&
	       state != 'Z';
}

/** is_helper - whether the executable of the process lies in a directory of plugins */
static bool is_helper(const char *pid)
{
	const char *directory = getenv("IOTH_PLUGIN_PATH");
	char path[64], executable[1024];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%.16s/exe", pid);
	length = readlink(path, executable, sizeof(executable));
	while (directory && *directory && length > 0) {
		size_t n = strcspn(directory, ":");

		if (n > 0 && n < (size_t)length && !memcmp(directory, executable, n) && executable[n] == '/')
			return true;
		directory += n + (directory[n] == ':');
	}
	return false;
}

/** is_ours - whether the process called @pid belongs to this worker */
static bool is_ours(const char *pid)
{
	struct origin worker, origin;

	if (!read_origin("self", &worker) || !read_origin(pid, &origin))
		return false;
	return origin.session == worker.session || (origin.start >= worker.start && is_helper(pid));
}

/** shares - whether another process uses the very memory or descriptor table of this one, as a clone(2) may */
static bool shares(const char *pid, int what)
{
	int other = atoi(pid);

	return other != getpid() && syscall(SYS_kcmp, getpid(), other, what, 0, 0) == 0;
}

/** survey_process - add one process to the survey */
static void survey_process(struct processes_survey *survey, const char *pid)
{
	char path[64], text[4096];
	struct dirent *entry;
	DIR *tasks;

	survey->processes++;
	snprintf(path, sizeof(path), "/proc/%.16s/status", pid);
	if (!shares(pid, KCMP_VM) && read_file(path, text, sizeof(text)))
		survey->anonymous += number_after(text, "\nRssAnon:");
	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	if (!shares(pid, KCMP_FILES))
		survey->descriptors += count_entries(path);
	snprintf(path, sizeof(path), "/proc/%.16s/task", pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		survey->threads++;
		snprintf(path, sizeof(path), "/proc/%.16s/task/%.16s/status", pid, entry->d_name);
		if (read_file(path, text, sizeof(text)))
			survey->waits += number_after(text, "\nvoluntary_ctxt_switches:");
		snprintf(path, sizeof(path), "/proc/%.16s/task/%.16s/schedstat", pid, entry->d_name);
		if (read_file(path, text, sizeof(text)))
			survey->cpu += strtod(text, NULL) / 1e9; /* nanoseconds come first */
	}
	if (tasks)
		closedir(tasks);
}

void processes_survey(struct processes_survey *survey)
{
	DIR *proc = opendir("/proc");
	char text[4096];

	memset(survey, 0, sizeof(*survey));
	if (read_file("/proc/self/smaps_rollup", text, sizeof(text)))
		survey->own = number_after(text, "\nAnonymous:");
	for (struct dirent *entry; proc && (entry = readdir(proc)) != NULL;)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && is_ours(entry->d_name))
			survey_process(survey, entry->d_name);
	if (proc)
		closedir(proc);
}

double processes_waits(void)
{
	struct processes_survey survey;

	processes_survey(&survey);
	return survey.waits;
}

/** own_cpu_ns - processor time of all threads of this process */
static double own_cpu_ns(void)
{
	struct timespec time = {0};

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

double processes_idle(void)
{
	uint64_t start = clock_ns();
	double before = own_cpu_ns();

	usleep((useconds_t)(bench_sample_ns() / 1000));
	return 100 * (own_cpu_ns() - before) / (double)(clock_ns() - start);
}

#define SETTLE_STEP_US 100000
#define SETTLE_STEPS 100
#define SETTLE_STILL 5      /* steps in a row without more change than */
#define SETTLE_CHANGE 256.0 /* KiB */

/** kernel_memory - what the kernel holds and would not give back on demand, KiB */
static double kernel_memory(const char *meminfo)
{
	static const char *const keys[] = {"SUnreclaim:", "KernelStack:", "PageTables:", "VmallocUsed:", "Percpu:"};
	double sum = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		double kib = number_after(meminfo, keys[i]);

		sum += isnan(kib) ? 0 : kib;
	}
	return sum;
}

void processes_memory(struct processes_memory *memory)
{
	struct processes_survey survey;
	char text[4096];
	double kernel = 0, before = -1;
	int still = 0;

	for (int step = 0; step < SETTLE_STEPS && still < SETTLE_STILL; step++) {
		if (step)
			usleep(SETTLE_STEP_US);
		memory->machine = memory->accounted = NAN;
		if (read_file("/proc/meminfo", text, sizeof(text)) == 0)
			return;
		kernel = kernel_memory(text);
		still = fabs(kernel - before) <= SETTLE_CHANGE ? still + 1 : 0;
		before = kernel;
	}
	processes_survey(&survey);
	memory->machine = number_after(text, "MemTotal:") - number_after(text, "MemAvailable:");
	memory->accounted = kernel + survey.anonymous;
}
