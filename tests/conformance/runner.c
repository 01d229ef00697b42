/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * runner.c - run cases, a few at a time, each in a process of its own.
 *
 * The runner has one thread, so a case's process may fork, unshare and start threads as it likes. A *slot* is a place
 * for one process: its pidfd, which poll(2) reports when it ends, shared memory for its report, an unnamed file for its
 * output, and the time at which the watchdog bites. When a run is over its whole process group is killed and its
 * directory removed.
 */
#include "private.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SLOTS_MAX 32

struct slot {
	struct row *row;
	int stack; /* column; the slot is free when pid is 0 */
	pid_t pid;
	int pidfd, output;
	long start, deadline;
	bool hung;
	char dir[128];
	struct progress *progress;
};

static int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat, (void)type, (void)ftw;
	remove(path);
	return 0;
}

/** child - the first steps of a case's process */
__attribute__((noreturn)) static void child(const struct slot *slot, const struct options *options)
{
	int null = open("/dev/null", O_RDONLY);

	setsid();
	dup2(null, 0);
	dup2(slot->output, 1);
	dup2(slot->output, 2);
	syscall(SYS_close_range, 3U, ~0U, 0U);
	setvbuf(stdout, NULL, _IOLBF, 0);
	conf_progress = slot->progress;
	process_run(slot->row, options->stack[slot->stack], slot->dir);
}

/** start - begin a run in a free slot; 0 or negative errno */
static int start(struct slot *slot, struct row *row, int stack, const struct options *options)
{
	const char *tmp = getenv("TMPDIR");
	int ret;

	slot->row = row;
	slot->stack = stack;
	slot->hung = false;
	memset(slot->progress, 0, sizeof(*slot->progress));
	snprintf(slot->dir, sizeof(slot->dir), "%s/ioth-XXXXXX", tmp && *tmp && strlen(tmp) < 64 ? tmp : "/tmp");
	if (mkdtemp(slot->dir) == NULL)
		return -errno;
	slot->output = memfd_create("output", MFD_CLOEXEC);
	if (slot->output < 0)
		goto fail_dir;
	fflush(NULL);
	slot->start = wait_now_ms();
	slot->deadline = slot->start + options->watchdog_ms;
	slot->pid = fork();
	if (slot->pid == 0)
		child(slot, options);
	if (slot->pid < 0)
		goto fail_output;
	slot->pidfd = (int)syscall(SYS_pidfd_open, slot->pid, 0);
	if (slot->pidfd >= 0)
		return 0;
	ret = -errno;
	kill(slot->pid, SIGKILL);
	waitpid(slot->pid, NULL, 0);
	errno = -ret;
fail_output:
	ret = -errno;
	close(slot->output);
	slot->pid = 0;
	errno = -ret;
fail_dir:
	ret = -errno;
	rmdir(slot->dir);
	return ret;
}

/** output_text - "report" and what the process wrote, as one allocated string */
static char *output_text(const struct slot *slot, const char *report)
{
	char wrote[8192];
	ssize_t len = pread(slot->output, wrote, sizeof(wrote) - 1, 0);
	char *text;

	wrote[len > 0 ? len : 0] = '\0';
	if (len > 0 && wrote[len - 1] == '\n')
		wrote[len - 1] = '\0';
	if (asprintf(&text, "%s%s%s", report, len > 0 ? "\n" : "", wrote) < 0)
		return NULL;
	return text;
}

/** judge - the result of a run that ended with a wait status */
static void judge(const struct slot *slot, int status)
{
	struct result *result = &slot->row->result[slot->stack];
	const struct progress *p = slot->progress;
	char report[256];

	result->ms = wait_now_ms() - slot->start;
	result->outcome = OUTCOME_FAIL;
	if (slot->hung) {
		snprintf(report, sizeof(report), "hung after %s:%d", p->file ? p->file : "?", p->line);
		result->text = output_text(slot, report);
	} else if (WIFSIGNALED(status)) {
		snprintf(report, sizeof(report), "killed by SIG%s after %s:%d", sigabbrev_np(WTERMSIG(status)),
		         p->file ? p->file : "?", p->line);
		result->text = output_text(slot, report);
	} else if (WEXITSTATUS(status) == 0) {
		result->outcome = OUTCOME_PASS;
	} else if (WEXITSTATUS(status) == CONF_EXIT_SKIP && p->text[0] != '\0') {
		result->outcome = OUTCOME_SKIP;
		result->text = strdup(p->text);
	} else if (p->text[0] != '\0') {
		result->text = output_text(slot, p->text);
	} else {
		snprintf(report, sizeof(report), "exit status %d after %s:%d", WEXITSTATUS(status),
		         p->file ? p->file : "?", p->line);
		result->text = output_text(slot, report);
	}
}

/** finish - collect a run that has ended, or end it */
static void finish(struct slot *slot, const struct options *options)
{
	int status = 0;

	if (slot->hung)
		kill(slot->pid, SIGKILL);
	/* Others of its group go before the leader is reaped, while the number cannot mean another group. */
	kill(-slot->pid, SIGKILL);
	while (waitpid(slot->pid, &status, 0) < 0 && errno == EINTR)
		;
	judge(slot, status);
	close(slot->pidfd);
	close(slot->output);
	nftw(slot->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	slot->pid = 0;
	report_run(slot->row, slot->stack, options);
}

/** watch - wait till a run ends or is overdue, and finish it */
static void watch(struct slot *slots, int nslots, const struct options *options)
{
	struct pollfd p[SLOTS_MAX];
	long next = wait_now_ms() + 1000;
	long now;

	for (int i = 0; i < nslots; i++) {
		p[i] = (struct pollfd){.fd = slots[i].pid ? slots[i].pidfd : -1, .events = POLLIN};
		if (slots[i].pid && slots[i].deadline < next)
			next = slots[i].deadline;
	}
	now = wait_now_ms();
	if (poll(p, (nfds_t)nslots, next > now ? (int)(next - now) : 0) < 0)
		return;
	now = wait_now_ms();
	for (int i = 0; i < nslots; i++) {
		if (slots[i].pid == 0)
			continue;
		slots[i].hung = p[i].revents == 0 && now >= slots[i].deadline;
		if (p[i].revents != 0 || slots[i].hung)
			finish(&slots[i], options);
	}
}

/** slot_free - the index of a slot without a process, -1 when all are busy */
static int slot_free(const struct slot *slots, int nslots)
{
	for (int i = 0; i < nslots; i++)
		if (slots[i].pid == 0)
			return i;
	return -1;
}

/** slot_busy - whether any slot has a process */
static bool slot_busy(const struct slot *slots, int nslots)
{
	for (int i = 0; i < nslots; i++)
		if (slots[i].pid != 0)
			return true;
	return false;
}

/** run_one - run a case on a stack, unless it is a limit of the engine; waits for a free slot first */
static int run_one(struct slot *slots, int nslots, struct row *row, int stack, const struct options *options)
{
	const char *limit = options->ignore_limits ? NULL : cases_limit(row->test, options->stack[stack]);
	int free_slot;

	if (limit != NULL) {
		row->result[stack] = (struct result){OUTCOME_LIMIT, 0, strdup(limit)};
		report_run(row, stack, options);
		return 0;
	}
	while ((free_slot = slot_free(slots, nslots)) < 0)
		watch(slots, nslots, options);
	return start(&slots[free_slot], row, stack, options);
}

int runner_run(struct row *rows, int nrows, const struct options *options)
{
	static struct slot slots[SLOTS_MAX];
	int nslots = options->jobs < SLOTS_MAX ? options->jobs : SLOTS_MAX;
	int ret = 0;

	for (int i = 0; i < nslots; i++) {
		slots[i].progress =
		        mmap(NULL, sizeof(struct progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (slots[i].progress == MAP_FAILED)
			return -errno;
	}
	for (int row = 0; row < nrows && ret == 0; row++)
		for (int stack = 0; stack < options->nstack && ret == 0; stack++)
			ret = run_one(slots, nslots, &rows[row], stack, options);
	while (slot_busy(slots, nslots))
		watch(slots, nslots, options);
	for (int i = 0; i < nslots; i++)
		munmap(slots[i].progress, sizeof(struct progress));
	return ret;
}
