/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * child.c - the program that ioth runs: started, waited for, and its end made ours.
 *
 * The program is in our process group, so that a shell that started us sees one job: what the terminal sends (^C, ^\,
 * ^Z) reaches both. We let ^Z stop us, and leave ^C and ^\ to the program. Signals from other processes are passed on.
 * The two are told apart by their sender, which is the kernel for the terminal.
 *
 * We are the reaper of what the program leaves behind (PR_SET_CHILD_SUBREAPER): a daemon has its network as long as it
 * lives. Once the program itself has ended nobody is left to pass a signal to, and a signal that ends programs ends us.
 * Should we die without being able to say so (SIGKILL) the kernel kills the program: its network is gone.
 */
#include "child.h"
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Those that are passed on. SIGSTOP and SIGKILL cannot be; SIGTSTP, SIGTTIN and SIGTTOU do to us what they do. */
static const int passed_on[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT, SIGWINCH, SIGPWR};

/** struct failure - of the new process, sent to us by a pipe that the execution of the program closes */
struct failure {
	int error;
	char what[64]; /* "": executing it */
};

/** awaited - the signals that we wait for, instead of being interrupted */
static sigset_t awaited(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
		sigaddset(&set, passed_on[i]);
	return set;
}

/** die_of - end by a signal, if that is what it does */
static void die_of(int signo)
{
	sigset_t set;

	signal(signo, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, signo);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(signo);
}

void child_signals(struct child *child)
{
	sigset_t set = awaited();

	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, &set, &child->signals);
}

/** become - the new process: prepare, execute, or tell @report why not */
static _Noreturn void become(struct child *child, pid_t parent, int report)
{
	struct failure failure = {0};
	const char *what = NULL;

	if (child->prepare != NULL)
		what = child->prepare(child->arg);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* after that, since a change of capabilities removes it */
	if (getppid() != parent)
		_exit(STATUS_RUN_FAILED);
	if (what == NULL) {
		sigprocmask(SIG_SETMASK, &child->signals, NULL);
		execvp(child->argv[0], child->argv);
	}
	failure.error = errno;
	if (what != NULL)
		strncpy(failure.what, what, sizeof(failure.what) - 1);
	if (write(report, &failure, sizeof(failure)) < 0)
		_exit(STATUS_RUN_FAILED);
	_exit(STATUS_RUN_FAILED);
}

/** explain - why the program was not started, on standard error; the exit status for that */
static int explain(const struct child *child, const struct failure *failure)
{
	if (failure->what[0] != '\0') {
		complain(child->command, NULL, "%s: %s", failure->what, strerror(failure->error));
		return STATUS_RUN_FAILED;
	}
	complain(child->command, failure->error == ENOENT ? "Is it installed, and in a directory of PATH?" : NULL,
	         "%s cannot be executed: %s", child->argv[0], strerror(failure->error));
	return failure->error == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_EXECUTE;
}

int child_start(struct child *child)
{
	struct failure failure;
	pid_t parent = getpid();
	ssize_t got;
	int report[2];

	if (pipe2(report, O_CLOEXEC) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || (child->pid = fork()) < 0) {
		complain(child->command, NULL, "no process for the program: %s", strerror(errno));
		return STATUS_RUN_FAILED;
	}
	if (child->pid == 0)
		become(child, parent, report[1]);
	close(report[1]);
	while ((got = read(report[0], &failure, sizeof(failure))) < 0 && errno == EINTR)
		;
	close(report[0]);
	if (got == 0)
		return 0;
	waitpid(child->pid, NULL, 0);
	if (got != sizeof(failure)) {
		complain(child->command, NULL, "the process for the program has died");
		return STATUS_RUN_FAILED;
	}
	return explain(child, &failure);
}

/** pass_on - a signal that came to us; @running: the program has not ended */
static void pass_on(const struct child *child, const siginfo_t *info, bool running)
{
	int signo = info->si_signo;
	bool terminal = info->si_code == SI_KERNEL && (signo == SIGINT || signo == SIGQUIT || signo == SIGWINCH);

	if (running && !terminal)
		kill(child->pid, signo);
	else if (!running && signo != SIGCONT && signo != SIGWINCH)
		die_of(signo);
}

/** reap - all processes that have ended; false when there are none left */
static bool reap(const struct child *child, int *status, bool *running)
{
	int ended;
	pid_t pid;

	while ((pid = waitpid(-1, &ended, WNOHANG | WUNTRACED)) > 0) {
		if (pid == child->pid && WIFSTOPPED(ended)) {
			/* A shell that started us shall see its job stopped. */
			kill(getpid(), SIGSTOP);
		} else if (pid == child->pid) {
			*status = ended;
			*running = false;
		}
	}
	return pid == 0;
}

int child_wait(struct child *child)
{
	sigset_t set = awaited();
	int status = 0;
	bool running = true;

	while (reap(child, &status, &running)) {
		siginfo_t info;

		if (sigwaitinfo(&set, &info) >= 0 && info.si_signo != SIGCHLD)
			pass_on(child, &info, running);
	}
	return status;
}

void child_end_like(int status)
{
	if (WIFSIGNALED(status)) {
		struct rlimit none = {0, 0};

		/* One core is enough, the program's own. */
		setrlimit(RLIMIT_CORE, &none);
		die_of(WTERMSIG(status));
	}
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}
