/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* killed.c - something a stack depends on dies: its helper, its switch, the program itself */
#include "soak.h"

#include "wait.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/** works - two stacks on a network of their own exchange a datagram; @name tells the network from others of the case */
static void works(const struct soak *soak, const char *name)
{
	struct ioth *node[2];
	char vnl[NODE_VNL], buf[100];
	int fd[2];

	for (unsigned int i = 0; i < 2; i++) {
		node[i] = node_new(soak, node_vnl(soak, name, i + 1, vnl), i + 1);
		if (node[i] == NULL)
			soak_fail("%s: ioth_newstack", name);
		fd[i] = node_socket(node[i], 9);
	}
	if (node_send(fd[1], 1, 9) < 0 || ioth_recv(fd[0], buf, sizeof(buf), 0) < 0)
		soak_fail("%s: no traffic", name);
	for (int i = 1; i >= 0; i--) {
		ioth_close(fd[i]);
		node_delete(node[i]);
	}
}

void case_helper_killed(const struct soak *soak)
{
	unsigned int count = soak_count(soak, 10, 200);
	struct account before;
	char vnl[NODE_VNL];

	works(soak, "before");
	account_take(&before);
	if (before.processes == 0)
		soak_skip("%s has no helper process", soak->stack);
	node_vnl(soak, "switch", 1, vnl);
	for (unsigned int i = 0; i < count; i++) {
		struct ioth *node = node_new(soak, vnl, 1);
		int helper = 0, fd, late;

		if (node == NULL)
			soak_fail("ioth_newstack, round %u", i);
		fd = node_socket(node, 9);
		soak_processes(&helper);
		if (kill(helper, SIGKILL) < 0)
			soak_fail("kill of the helper");
		for (long deadline = wait_now_ms() + WAIT_MS; kill(helper, 0) == 0;) {
			int now = 0;

			soak_processes(&now); /* does not count a zombie, which is the runner's to reap */
			if (now != helper)
				break;
			if (!wait_again(deadline))
				soak_fail("the helper does not die");
		}
		/* A socket may still come from what was kept in stock. If not, there has to be an error, and no hang.
		 */
		errno = 0;
		late = ioth_msocket(node, AF_INET, SOCK_STREAM, 0);
		if (late < 0 && errno == 0)
			soak_fail("ioth_msocket fails without errno");
		if (late >= 0)
			ioth_close(late);
		if (ioth_close(fd) < 0)
			soak_fail("ioth_close");
		node_delete(node);
		works(soak, "after");
	}
	account_compare(&before, count);
}

/** start_switch - a vde_switch on directory @ctl; its pid, and in @console the pipe that keeps it running */
static pid_t start_switch(const char *ctl, int *console)
{
	char *argv[] = {(char[]){"vde_switch"}, (char[]){"-s"}, strdup(ctl), NULL};
	posix_spawn_file_actions_t actions;
	char path[300];
	pid_t pid;
	int end[2];

	if (pipe(end) < 0)
		soak_fail("pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, end[0], 0);
	posix_spawn_file_actions_addclose(&actions, end[1]);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1, 0);
	errno = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	if (errno == ENOENT)
		soak_skip("vde_switch is not installed");
	if (errno)
		soak_fail("vde_switch");
	posix_spawn_file_actions_destroy(&actions);
	close(end[0]);
	*console = end[1];
	snprintf(path, sizeof(path), "%s/ctl", ctl);
	for (long deadline = wait_now_ms() + WAIT_MS; access(path, F_OK) < 0;)
		if (!wait_again(deadline))
			soak_fail("vde_switch does not start");
	return pid;
}

/** end_of - kill a child and wait until it is gone */
static void end_of(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void *reader(void *arg)
{
	char buf[100];

	ioth_recv(*(int *)arg, buf, sizeof(buf), 0);
	return NULL;
}

/** without_network - @node has lost its network: sockets still answer, and it can be stopped and deleted with a reader
 * in it */
static void without_network(struct ioth *node)
{
	int fd = node_socket(node, 9);
	pthread_t thread;

	errno = pthread_create(&thread, NULL, reader, &fd);
	if (errno)
		soak_fail("pthread_create");
	for (int i = 0; i < 100; i++)
		node_send(fd, 2, 9); /* into the void */
	if (ioth_stopstack(node) < 0)
		soak_fail("ioth_stopstack");
	pthread_join(thread, NULL);
	ioth_close(fd);
	node_delete(node);
}

void case_switch_killed(const struct soak *soak)
{
	unsigned int count = soak_count(soak, 5, 100);
	struct account before;
	char ctl[200], vnl[210];

	node_switched(soak);
	works(soak, "before");
	account_take(&before);
	for (unsigned int i = 0; i < count; i++) {
		struct ioth *node;
		int console;
		pid_t pid;

		snprintf(ctl, sizeof(ctl), "%s/ctl%u", soak->dir, i);
		snprintf(vnl, sizeof(vnl), "vde://%s", ctl);
		pid = start_switch(ctl, &console);
		node = node_new_patiently(soak, vnl, 1);
		if (node == NULL)
			soak_fail("ioth_newstack on vde_switch");
		end_of(pid);
		without_network(node);
		close(console);
	}
	works(soak, "after");
	account_compare(&before, count);
}

/** child_that_works - a process of its own with a stack on @vnl, which is the switch; returns once it is there */
static pid_t child_that_works(const struct soak *soak, const char *vnl)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) < 0 || (pid = fork()) < 0)
		soak_fail("fork");
	if (pid == 0) {
		struct ioth *node = node_new_patiently(soak, vnl, 2);

		close(ready[0]);
		if (node == NULL || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	errno = 0;
	if (read(ready[0], &byte, 1) != 1)
		soak_fail("the other program could not make its stack");
	close(ready[0]);
	return pid;
}

void case_peer_switch_killed(const struct soak *soak)
{
	unsigned int count = soak_count(soak, 5, 100);
	struct account before = {0};
	char vnl[200];

	node_switched(soak);
	for (unsigned int i = 0; i <= count; i++) {
		struct ioth *node;
		pid_t pid;

		/* A child of a program that has stacks would inherit them: this one forks before it makes its own. */
		snprintf(vnl, sizeof(vnl), "switch://%s/switch%u", soak->dir, i);
		pid = child_that_works(soak, vnl);
		snprintf(vnl, sizeof(vnl), "vde://%s/switch%u", soak->dir, i);
		node = node_new(soak, vnl, 1);
		if (node == NULL)
			soak_fail("ioth_newstack");
		end_of(pid);
		without_network(node);
		if (i == 0)
			account_take(&before);
	}
	account_compare(&before, count);
}

void case_program_killed(const struct soak *soak)
{
	unsigned int count = soak_count(soak, 30, 500);
	bool limited = limit_namespaces(count); /* each program has two */
	struct account before;
	char name[20], vnl[NODE_VNL];

	account_take(&before);
	for (unsigned int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "switch%u", i);
		end_of(child_that_works(soak, node_vnl(soak, name, 1, vnl)));
	}
	/* Helpers and namespaces end with the program that was killed. */
	account_compare(&before, count);
	if (!limited)
		soak_say("%u programs; namespaces not counted, user namespaces are forbidden", count);
}
