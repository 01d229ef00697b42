/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_vdestack_program.c - vdestack and the process it is in: what a program must not notice, fork, and what goes
 * wrong
 *
 * Each test runs in a process of its own, because what is kept for the process is what many of them are about.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ioth.h"
#include "netns.h"
#include "wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define HIDDEN_FD 768 /* descriptors that the plugin keeps for itself have numbers from here on */

/** must - in a process of the test: @what holds, or it ends with a message */
#define must(what)                                                                                                     \
	do {                                                                                                           \
		if (!(what)) {                                                                                         \
			fprintf(stderr, "%s:%d: %s: errno %d\n", __FILE__, __LINE__, #what, errno);                    \
			_exit(1);                                                                                      \
		}                                                                                                      \
	} while (0)

#define SKIPPED 77

/** in_process - run a test in a child; it passes when that ends with status 0, and is skipped with SKIPPED */
static void in_process(void (*run)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(2 * WAIT_MS / 1000);
		run();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		skip();
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("the test's process ends with status 0x%x", status);
}

/** silence - standard error goes to a file from here on; returns a descriptor to read it */
static int silence(void)
{
	FILE *file = tmpfile();

	must(file != NULL && dup2(fileno(file), 2) == 2);
	return fileno(file);
}

/** stack_new - a stack without a network, its loopback interface up */
static struct ioth *stack_new(void)
{
	struct ioth *stack = ioth_newstack("vdestack", NULL);

	must(stack != NULL);
	must(ioth_linksetupdown(stack, 1, 1) == 0);
	return stack;
}

/** works - a datagram to oneself arrives */
static void works(struct ioth *stack)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int fd = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0);
	char byte;

	must(fd >= 0);
	must(ioth_bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	must(ioth_getsockname(fd, (struct sockaddr *)&addr, &len) == 0);
	must(ioth_sendto(fd, "x", 1, 0, (struct sockaddr *)&addr, len) == 1);
	must(ioth_recv(fd, &byte, 1, 0) == 1);
	must(ioth_close(fd) == 0);
}

/* ------------------------------------------------------------------------------------ what is not to be noticed */

static volatile sig_atomic_t signals;

static void count_signal(int sig)
{
	(void)sig;
	signals++;
}

/* The helper is no child of the program: nothing to wait for, no SIGCHLD; and the signal mask is as it was. */
static void no_child(void)
{
	sigset_t before, after;
	struct ioth *stack;

	must(signal(SIGCHLD, count_signal) != SIG_ERR);
	must(sigemptyset(&before) == 0 && sigaddset(&before, SIGUSR1) == 0);
	must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	stack = stack_new();
	works(stack);
	must(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	must(ioth_delstack(stack) == 0);
	must(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	must(signals == 0);
	must(pthread_sigmask(SIG_SETMASK, NULL, &after) == 0);
	for (int sig = 1; sig < 32; sig++)
		must(sigismember(&before, sig) == sigismember(&after, sig));
}

/** helper_of - the helper, which is adopted by this process because it is a subreaper */
static pid_t helper_of(void)
{
	char path[64];
	FILE *file;
	int pid = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	file = fopen(path, "re");
	must(file != NULL && fscanf(file, "%d", &pid) == 1);
	fclose(file);
	return pid;
}

/* The helper has nothing of the program: its directory, its terminal, its descriptors, its signals. */
static void independent(void)
{
	char path[64], target[PATH_MAX];
	int leaked[2], status;
	struct ioth *stack;
	pid_t helper;
	ssize_t len;

	must(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	must(pipe(leaked) == 0); /* inherited by any program that is executed */
	must(signal(SIGTERM, SIG_IGN) != SIG_ERR);
	must(chdir("/tmp") == 0);
	stack = stack_new();
	helper = helper_of();
	must(getsid(helper) == helper);
	snprintf(path, sizeof(path), "/proc/%d/cwd", helper);
	len = readlink(path, target, sizeof(target));
	must(len == 1 && target[0] == '/');
	/* nobody else holds the writing end */
	must(close(leaked[1]) == 0);
	must(read(leaked[0], target, 1) == 0);
	/* the program's SIG_IGN is not its own */
	silence();
	must(kill(helper, SIGTERM) == 0);
	must(waitpid(helper, &status, 0) == helper && WIFSIGNALED(status));
	must(ioth_delstack(stack) == 0);
}

/** lowest_free - the number the next descriptor has to have */
static int lowest_free(void)
{
	int fd = dup(0);

	must(fd >= 0 && close(fd) == 0);
	return fd;
}

/* A descriptor is the lowest that is free, whatever is kept in stock, and as it was asked for. */
static void lowest(void)
{
	struct ioth *stack = stack_new();
	int fd[40];

	for (int i = 0; i < 40; i++) {
		int want = lowest_free();

		fd[i] = ioth_msocket(stack, AF_INET,
		                     SOCK_STREAM | (i & 1 ? SOCK_CLOEXEC : 0) | (i & 2 ? SOCK_NONBLOCK : 0), 0);
		must(fd[i] == want);
		must(fcntl(fd[i], F_GETFD) == (i & 1 ? FD_CLOEXEC : 0));
		must(((fcntl(fd[i], F_GETFL) & O_NONBLOCK) != 0) == ((i & 2) != 0));
	}
	must(ioth_close(fd[7]) == 0);
	must(ioth_msocket(stack, AF_INET, SOCK_STREAM, 0) == fd[7]);
	for (int i = 0; i < 40; i++)
		must(ioth_close(fd[i]) == 0);
	must(ioth_delstack(stack) == 0);
}

/* ---------------------------------------------------------------------------------------------------- threads */

/** struct kind - what a thread asks for */
struct kind {
	struct ioth *stack;
	int domain, type, protocol;
};

static void *ask_for_kind(void *arg)
{
	const struct kind *kind = arg;
	socklen_t len = sizeof(int);

	for (int i = 0; i < 300; i++) {
		int fd[3], domain, type, protocol;

		for (int k = 0; k < 3; k++) {
			fd[k] = ioth_msocket(kind->stack, kind->domain, kind->type, kind->protocol);
			must(fd[k] >= 0);
			must(getsockopt(fd[k], SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == kind->domain);
			must(getsockopt(fd[k], SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == kind->type);
			must(getsockopt(fd[k], SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0);
			must(kind->protocol == 0 || protocol == kind->protocol);
		}
		for (int k = 0; k < 3; k++)
			must(ioth_close(fd[k]) == 0);
	}
	return NULL;
}

static void threads(void)
{
	struct ioth *stack[2] = {stack_new(), stack_new()};
	const struct kind kind[] = {
	        {stack[0], AF_INET, SOCK_STREAM, 0},           {stack[0], AF_INET6, SOCK_DGRAM, 0},
	        {stack[1], AF_INET, SOCK_STREAM, IPPROTO_TCP}, {stack[1], AF_NETLINK, SOCK_RAW, 0},
	        {stack[1], AF_INET, SOCK_RAW, IPPROTO_ICMP},   {stack[0], AF_INET, SOCK_STREAM, 0},
	};
	const size_t count = sizeof(kind) / sizeof(kind[0]);
	pthread_t thread[sizeof(kind) / sizeof(kind[0])];

	for (size_t i = 0; i < count; i++)
		must(pthread_create(&thread[i], NULL, ask_for_kind, (void *)(uintptr_t)&kind[i]) == 0);
	for (int i = 0; i < 50; i++) { /* and others come and go */
		struct ioth *other = stack_new();

		works(other);
		must(ioth_delstack(other) == 0);
	}
	for (size_t i = 0; i < count; i++)
		must(pthread_join(thread[i], NULL) == 0);
	for (int i = 0; i < 2; i++)
		must(ioth_delstack(stack[i]) == 0);
}

static void *make_for_ever(void *arg)
{
	for (;;)
		close(ioth_msocket(arg, AF_INET6, SOCK_DGRAM, 0));
	return NULL;
}

/* socket(2) is no cancellation point; and a thread that is cancelled leaves the helper to the others. */
static void cancelled(void)
{
	struct ioth *stack = stack_new();

	for (int i = 0; i < 100; i++) {
		pthread_t thread;

		must(pthread_create(&thread, NULL, make_for_ever, stack) == 0);
		works(stack);
		must(pthread_cancel(thread) == 0 && pthread_join(thread, NULL) == 0);
	}
	works(stack);
}

/* ------------------------------------------------------------------------------------------------------- fork */

/** child_of - fork; returns 0 in the child */
static pid_t child_of(void)
{
	pid_t pid = fork();

	must(pid >= 0);
	return pid;
}

static void child_ends_well(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, 0) == pid);
	must(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Parent and child never get the same socket, and both may go on. */
static void fork_both(void)
{
	struct ioth *stack = stack_new();
	struct stat mine, theirs;
	int ends[2], fd;
	pid_t pid;

	for (int i = 0; i < 4; i++) /* so that there is something in stock */
		works(stack);
	must(pipe(ends) == 0);
	pid = child_of();
	if (pid == 0) {
		for (int i = 0; i < 20; i++) {
			fd = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0);
			must(fd >= 0 && fstat(fd, &mine) == 0);
			must(write(ends[1], &mine, sizeof(mine)) == sizeof(mine));
		}
		works(stack);
		_exit(0);
	}
	for (int i = 0; i < 20; i++) {
		fd = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0);
		must(fd >= 0 && fstat(fd, &mine) == 0);
		must(read(ends[0], &theirs, sizeof(theirs)) == sizeof(theirs));
		must(mine.st_ino != theirs.st_ino);
		must(ioth_close(fd) == 0);
	}
	child_ends_well(pid);
	works(stack);
	must(ioth_delstack(stack) == 0);
}

/* The child of a child, which has not said a word to the helper when those before it are gone. */
static void fork_orphan(void)
{
	int ends[2], report[2];
	char byte;

	must(pipe(ends) == 0 && pipe(report) == 0);
	if (child_of() == 0) {
		struct ioth *stack = stack_new();

		if (child_of() > 0)
			_exit(0);
		if (child_of() > 0)
			_exit(0);
		must(close(ends[1]) == 0 && read(ends[0], &byte, 1) == 0); /* they are gone */
		works(stack);
		works(stack);
		must(write(report[1], "x", 1) == 1);
		_exit(0);
	}
	must(wait(NULL) > 0);
	must(close(report[1]) == 0);
	must(close(ends[1]) == 0);
	must(read(report[0], &byte, 1) == 1);
}

/* A child that deletes an inherited stack forgets it; one may have stacks of its own. */
static void fork_delete(void)
{
	struct ioth *stack = stack_new(), *own;
	pid_t pid;

	works(stack);
	pid = child_of();
	if (pid == 0) {
		works(stack);
		must(ioth_delstack(stack) == 0);
		own = stack_new();
		works(own);
		must(ioth_delstack(own) == 0);
		_exit(0);
	}
	child_ends_well(pid);
	works(stack);
	must(ioth_delstack(stack) == 0);
}

static atomic_bool forks_done;

static void *make_sockets(void *arg)
{
	while (!forks_done)
		works(arg);
	return NULL;
}

/* Forks while other threads talk to the helper: no lock is left locked in the child. */
static void fork_busy(void)
{
	struct ioth *stack = stack_new();
	pthread_t thread[3];

	for (int i = 0; i < 3; i++)
		must(pthread_create(&thread[i], NULL, make_sockets, stack) == 0);
	for (int i = 0; i < 30; i++) {
		pid_t pid = child_of();

		if (pid == 0) {
			alarm(WAIT_MS / 1000);
			works(stack);
			_exit(0);
		}
		child_ends_well(pid);
	}
	forks_done = true;
	for (int i = 0; i < 3; i++)
		must(pthread_join(thread[i], NULL) == 0);
	must(ioth_delstack(stack) == 0);
}

/* --------------------------------------------------------------------------------------------- what goes wrong */

/** lines - how many lines were written to it */
static int lines(int fd)
{
	char text[4096];
	ssize_t len = pread(fd, text, sizeof(text), 0);
	int count = 0;

	for (ssize_t i = 0; i < len; i++)
		count += text[i] == '\n';
	return count;
}

/* The helper is killed: what is open works on, the rest fails, and the next stack has another helper. */
static void killed(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	struct ioth *stack, *other;
	int fd, error, text;
	char byte;

	must(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	stack = stack_new();
	text = silence();
	fd = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0);
	must(fd >= 0 && ioth_bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	must(kill(helper_of(), SIGKILL) == 0 && wait(NULL) > 0);
	must(ioth_getsockname(fd, (struct sockaddr *)&addr, &len) == 0);
	must(ioth_sendto(fd, "x", 1, 0, (struct sockaddr *)&addr, len) == 1);
	must(ioth_recv(fd, &byte, 1, 0) == 1);
	error = 0;
	for (int i = 0; i < 100 && error == 0; i++) /* some may be in stock */
		if (ioth_msocket(stack, AF_INET6, SOCK_STREAM, 0) < 0)
			error = errno;
	must(error == ENETDOWN);
	must(lines(text) == 1);
	other = stack_new();
	works(other);
	must(ioth_msocket(stack, AF_INET6, SOCK_RAW, 1) == -1 && errno == ENETDOWN);
	must(ioth_delstack(other) == 0);
	must(ioth_close(fd) == 0);
	must(ioth_delstack(stack) == 0);
	must(lines(text) == 1);
}

/* A program that closes descriptors it knows nothing of, and then has a file of its own in their place. */
static void closed_behind(void)
{
	struct ioth *stack = stack_new(), *other;
	char name[] = "/tmp/vdestack-file-XXXXXX";
	struct stat st;
	int file;

	silence();
	works(stack);
	must(close_range(HIDDEN_FD, ~0U, 0) == 0);
	file = mkstemp(name);
	must(file >= 0 && unlink(name) == 0);
	for (int fd = HIDDEN_FD; fd < HIDDEN_FD + 100; fd++)
		must(dup2(file, fd) == fd);
	must(ioth_msocket(stack, AF_INET, SOCK_SEQPACKET, 0) == -1 && errno == ENETDOWN);
	other = stack_new();
	works(other);
	must(ioth_delstack(other) == 0);
	must(ioth_delstack(stack) == 0);
	must(fstat(file, &st) == 0 && st.st_size == 0);
	for (int fd = HIDDEN_FD; fd < HIDDEN_FD + 100; fd++)
		must(fcntl(fd, F_GETFD) == 0);
}

/**
 * user_namespace - one of one's own, whose limits may be set; there is none for a process with threads, as with
 * ThreadSanitizer
 */
static void user_namespace(void)
{
	char before[64] = "", after[64] = "";

	must(readlink("/proc/self/ns/user", before, sizeof(before) - 1) > 0);
	must(netns_private() == 0);
	must(readlink("/proc/self/ns/user", after, sizeof(after) - 1) > 0);
	if (strcmp(before, after) == 0)
		_exit(SKIPPED);
}

/** forbid - a limit of this user namespace */
static void forbid(const char *what)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/user/%s", what);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	must(fd >= 0 && write(fd, "0", 1) == 1 && close(fd) == 0);
}

/** is_refused - EPERM, and one line that says why, however often it is tried */
static void is_refused(void)
{
	int text = silence();

	for (int i = 0; i < 3; i++) {
		errno = 0;
		must(ioth_newstack("vdestack", NULL) == NULL && errno == EPERM);
	}
	must(lines(text) == 1);
	must(fcntl(HIDDEN_FD, F_GETFD) == -1);
}

static void forbidden_network(void)
{
	user_namespace();
	forbid("max_net_namespaces");
	is_refused();
}

static void forbidden_user(void)
{
	struct {
		uint32_t version;
		int pid;
	} header = {0x20080522, 0}; /* _LINUX_CAPABILITY_VERSION_3 */
	uint32_t none[6] = {0};

	user_namespace();
	forbid("max_user_namespaces");
	must(syscall(SYS_capset, &header, none) == 0);
	is_refused();
}

#define TEST(name)                                                                                                     \
	static void test_##name(void **state)                                                                          \
	{                                                                                                              \
		(void)state;                                                                                           \
		in_process(name);                                                                                      \
	}

TEST(no_child)
TEST(independent)
TEST(lowest)
TEST(threads)
TEST(cancelled)
TEST(fork_both)
TEST(fork_orphan)
TEST(fork_delete)
TEST(fork_busy)
TEST(killed)
TEST(closed_behind)
TEST(forbidden_network)
TEST(forbidden_user)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_no_child),       cmocka_unit_test(test_independent),
	        cmocka_unit_test(test_lowest),         cmocka_unit_test(test_threads),
	        cmocka_unit_test(test_cancelled),      cmocka_unit_test(test_fork_both),
	        cmocka_unit_test(test_fork_orphan),    cmocka_unit_test(test_fork_delete),
	        cmocka_unit_test(test_fork_busy),      cmocka_unit_test(test_killed),
	        cmocka_unit_test(test_closed_behind),  cmocka_unit_test(test_forbidden_network),
	        cmocka_unit_test(test_forbidden_user),
	};
	struct ioth *stack;
	int status = 0;
	pid_t pid = fork(); /* what the first stack brings into the process would be in all the tests */

	if (pid == 0) {
		stack = ioth_newstack("vdestack", NULL);
		_exit(stack ? 0 : errno);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		printf("no vdestack here: %s\n", pid < 0 ? strerror(errno) : strerror(WEXITSTATUS(status)));
		return WIFEXITED(status) && WEXITSTATUS(status) == EPERM ? 77 : 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
