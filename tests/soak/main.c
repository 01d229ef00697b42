/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ioth-lifetime - the runner of the lifetime tests
 *
 *   ioth-lifetime [--full] [-s STACK] [-n MODULE] [CASE...]
 *
 * Prints PASS, FAIL or SKIP for each case, then "lifetime: N passed, N failed, N skipped"; status 1 when one failed.
 *
 * The runner is a subreaper: processes that a case leaves without a parent become its children. After each case it
 * waits for them to end by themselves; one that does not within WAIT_MS is a leak, and is killed.
 */
#include "soak.h"

#include "wait.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIPPED 77
#define QUICK_LIMIT 240 /* seconds after which a case counts as hanging */
#define FULL_LIMIT 3600

static const struct {
	const char *name;
	void (*run)(const struct soak *soak);
} cases[] = {
        {"stack-cycles", case_stack_cycles},
        {"stack-cycles-in-threads", case_stack_cycles_in_threads},
        {"socket-cycles", case_socket_cycles},
        {"stop-while-blocked", case_stop_while_blocked},
        {"delete-while-flooded", case_delete_while_flooded},
        {"helper-killed", case_helper_killed},
        {"switch-killed", case_switch_killed},
        {"peer-switch-killed", case_peer_switch_killed},
        {"program-killed", case_program_killed},
        {"ring", case_ring},
        {"flooded", case_flooded},
        {"deleted-under-load", case_deleted_under_load},
};

static char *message; /* shared with the case: what it has to say */
#define MESSAGE_SIZE 1000

static pid_t runner;

__attribute__((format(printf, 1, 0))) static void say(const char *format, va_list args)
{
	vsnprintf(message, MESSAGE_SIZE, format, args);
}

void soak_fail(const char *format, ...)
{
	int error = errno;
	va_list args;
	size_t len;

	va_start(args, format);
	say(format, args);
	va_end(args);
	len = strlen(message);
	if (error)
		snprintf(message + len, MESSAGE_SIZE - len, ": %s", strerror(error));
	_exit(1);
}

void soak_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	_exit(SKIPPED);
}

void soak_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

/** parent_of - from /proc; 0 when the process is gone, has ended, or is none of ours to see */
static pid_t parent_of(pid_t pid)
{
	char path[64], state;
	pid_t parent = 0;
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	stat = fopen(path, "re");
	if (stat == NULL)
		return 0;
	/* the name in parentheses may contain anything but is at most 15 bytes, none of ours has a ')' */
	if (fscanf(stat, "%*d (%*[^)]) %c %d", &state, &parent) != 2 || state == 'Z')
		parent = 0;
	fclose(stat);
	return parent;
}

int soak_processes(int *pid)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t self = getpid();
	int count = 0;

	if (proc == NULL)
		soak_fail("opendir /proc");
	while ((entry = readdir(proc)) != NULL) {
		pid_t candidate = atoi(entry->d_name), up = candidate;

		if (candidate <= 0 || candidate == self || candidate == runner)
			continue;
		while (up > 1 && up != runner)
			up = parent_of(up);
		if (up != runner)
			continue;
		count++;
		if (pid)
			*pid = candidate;
	}
	closedir(proc);
	return count;
}

/** reap - wait for what the case left behind; returns how many processes had to be killed */
static int reap(void)
{
	long deadline = wait_now_ms() + WAIT_MS;
	int killed = 0, pid;

	for (;;) {
		pid_t done = waitpid(-1, NULL, WNOHANG);

		if (done < 0)
			return killed;
		if (done == 0 && !wait_again(deadline)) {
			if (soak_processes(&pid) == 0)
				return killed;
			kill(pid, SIGKILL);
			killed++;
		}
	}
}

/** run_case - in a process of its own; returns 0 passed, 77 skipped, else failed */
static int run_case(const struct soak *soak, void (*run)(const struct soak *soak))
{
	pid_t pid;
	int status, left;

	message[0] = '\0';
	pid = fork();
	if (pid < 0) {
		snprintf(message, MESSAGE_SIZE, "fork: %s", strerror(errno));
		return 1;
	}
	if (pid == 0) {
		signal(SIGPIPE, SIG_IGN);
		alarm(soak->full ? FULL_LIMIT : QUICK_LIMIT);
		run(soak);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) != pid)
		;
	left = reap();
	if (WIFSIGNALED(status)) {
		snprintf(message, MESSAGE_SIZE, "%s",
		         WTERMSIG(status) == SIGALRM ? "it hangs" : strsignal(WTERMSIG(status)));
		return 1;
	}
	if (left > 0) {
		snprintf(message, MESSAGE_SIZE, "%d processes outlived the program", left);
		return 1;
	}
	return WEXITSTATUS(status);
}

/** remove_dir - with everything in it, sub-directories one level deep as VDE makes them */
static void remove_dir(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char name[600];

	while (dir && (entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (unlink(name) < 0 && errno == EISDIR)
			remove_dir(name);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

static bool chosen(const char *name, char *argv[])
{
	if (*argv == NULL)
		return true;
	for (; *argv; argv++)
		if (strcmp(*argv, name) == 0)
			return true;
	return false;
}

/** known_network - can the cases be on networks of this module? */
static bool known_network(const char *module)
{
	return strcmp(module, "switch") == 0 || strcmp(module, "shm") == 0;
}

int main(int argc, char *argv[])
{
	static const char *const verdict[] = {"PASS", "FAIL", "SKIP"};
	struct soak soak = {.stack = "vdestack", .network = "switch"};
	int count[3] = {0}, at = 1;

	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--full") == 0) {
			soak.full = true;
		} else if (strcmp(argv[at], "-s") == 0 && at + 1 < argc) {
			soak.stack = argv[++at];
		} else if (strcmp(argv[at], "-n") == 0 && at + 1 < argc && known_network(argv[at + 1])) {
			soak.network = argv[++at];
		} else {
			fprintf(stderr,
			        "usage: %s [--full] [-s STACK] [-n MODULE] [CASE...]\n"
			        "MODULE of the VDE networks: switch (default) or shm\ncases:\n",
			        argv[0]);
			for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
				fprintf(stderr, "  %s\n", cases[i].name);
			return 2;
		}
	}
	runner = getpid();
	message = mmap(NULL, MESSAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (message == MAP_FAILED || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
		perror("ioth-lifetime");
		return 1;
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char dir[] = "/tmp/ioth-soak.XXXXXX";
		long start = wait_now_ms();
		int status;

		if (!chosen(cases[i].name, argv + at))
			continue;
		soak.dir = mkdtemp(dir);
		if (soak.dir == NULL) {
			perror(dir);
			return 1;
		}
		status = run_case(&soak, cases[i].run);
		status = status == 0 ? 0 : status == SKIPPED ? 2 : 1;
		count[status]++;
		printf("%s %s%s%s (%.1f s)\n", verdict[status], cases[i].name, message[0] ? ": " : "", message,
		       (double)(wait_now_ms() - start) / 1000);
		fflush(stdout);
		remove_dir(soak.dir);
	}
	printf("lifetime: %d passed, %d failed, %d skipped\n", count[0], count[1], count[2]);
	return count[1] || count[0] + count[2] == 0;
}
