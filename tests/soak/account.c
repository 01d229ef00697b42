/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * account.c - what is held before and after.
 *
 * Descriptors, threads and processes are exact: not one more. Memory is not: the allocator keeps pages, other programs
 * of the machine come and go. The allowances below are small against what a leak of a page a cycle makes of many
 * cycles.
 */
#include "soak.h"

#include "wait.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RSS_ALLOWANCE 3072            /* KiB */
#define UNRECLAIMABLE_ALLOWANCE 24576 /* KiB, shared with the rest of the machine */
#define AVAILABLE_ALLOWANCE 262144    /* KiB, shared with the rest of the machine */
#define SETTLE_MS 200000              /* the kernel frees namespaces in the background, see account_compare */

/** entries - how many names a directory has, without . and .., and without the descriptor that counts them */
static int entries(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int count = 0;

	if (dir == NULL)
		soak_fail("opendir %s", path);
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			count++;
	closedir(dir);
	return count;
}

/** field - the number after @name in a file of /proc, 0 when there is none */
static long field(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	char line[200];
	long value = 0;

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, name, strlen(name)) == 0) {
			value = strtol(line + strlen(name), NULL, 10);
			break;
		}
	if (file)
		fclose(file);
	return value;
}

/** shared_mappings - how many there are */
static int shared_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[500], rights[5];
	int count = 0;

	while (maps && fgets(line, sizeof(line), maps))
		count += sscanf(line, "%*s %4s", rights) == 1 && rights[3] == 's';
	if (maps)
		fclose(maps);
	return count;
}

void account_take(struct account *out)
{
	char path[64];
	int helper = 0;

	out->fds = entries("/proc/self/fd");
	out->threads = entries("/proc/self/task");
	out->processes = soak_processes(&helper);
	out->shared = shared_mappings();
	out->rss = field("/proc/self/status", "VmRSS:") - field("/proc/self/status", "RssShmem:");
	if (helper) {
		snprintf(path, sizeof(path), "/proc/%d/status", helper);
		out->rss += field(path, "VmRSS:");
	}
	out->unreclaimable = field("/proc/meminfo", "SUnreclaim:");
	out->available = field("/proc/meminfo", "MemAvailable:");
}

/*
 * A TCP connection that was closed, but whose network is gone before the other side has acknowledged the end, keeps its
 * namespace until the kernel gives it up, after a hundred seconds or so.
 */
void account_compare(const struct account *before, unsigned int cycles)
{
	long deadline = wait_now_ms() + SETTLE_MS;
	struct account now;

	do {
		account_take(&now);
		if (now.fds <= before->fds && now.threads <= before->threads && now.processes <= before->processes &&
		    now.shared <= before->shared && now.rss - before->rss < RSS_ALLOWANCE &&
		    now.unreclaimable - before->unreclaimable < UNRECLAIMABLE_ALLOWANCE &&
		    before->available - now.available < AVAILABLE_ALLOWANCE) {
			soak_say("%u cycles; memory of the program %+ld KiB, of the kernel %+ld KiB", cycles,
			         now.rss - before->rss, now.unreclaimable - before->unreclaimable);
			return;
		}
	} while (wait_again(deadline));
	errno = 0;
	soak_fail("after %u cycles: %+d descriptors, %+d threads, %+d processes, %+d shared mappings, %+ld KiB in the "
	          "program, %+ld KiB in the kernel, %+ld KiB available",
	          cycles, now.fds - before->fds, now.threads - before->threads, now.processes - before->processes,
	          now.shared - before->shared, now.rss - before->rss, now.unreclaimable - before->unreclaimable,
	          now.available - before->available);
}

/** put - write a short text to a file of /proc */
static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
}

bool limit_namespaces(unsigned int count)
{
	unsigned int uid = geteuid(), gid = getegid();
	char text[64];

	if (unshare(CLONE_NEWUSER) < 0)
		return false;
	snprintf(text, sizeof(text), "0 %u 1", uid);
	if (!put("/proc/self/setgroups", "deny") || !put("/proc/self/uid_map", text))
		return false;
	snprintf(text, sizeof(text), "0 %u 1", gid);
	if (!put("/proc/self/gid_map", text))
		return false;
	snprintf(text, sizeof(text), "%u", count);
	return put("/proc/sys/user/max_net_namespaces", text);
}
