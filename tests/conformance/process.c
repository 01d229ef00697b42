/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * process.c - the process of one run: make the hosts, run the case, prove that nothing is left.
 *
 * The process is a fork of the runner, leader of a session of its own, its output in a file that the runner shows when
 * the case fails.
 *
 * Accounts are taken after a first stack has come and gone, and compared after the last one has. What an engine keeps
 * for the process, such as the connection to its helper, is thereby told from what a stack leaves behind; it may be one
 * descriptor and no thread.
 */
#include "left.h"
#include "private.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#if SANITIZER == SANITIZER_THREAD
/* To close a descriptor under a thread that waits on it is what some cases are about. These functions touch no other
 * memory. */
__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race_top:^__interceptor_close$\nrace_top:^__interceptor_dup2$\nrace_top:^__interceptor_dup3$\n";
}
#endif

static void *no_thread(void *arg)
{
	return arg;
}

/** settle - let the C library and a sanitizer start what they start with the first thread */
static void settle(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, no_thread, NULL) == 0)
		pthread_join(thread, NULL);
}

/** raise_limits - as many descriptors as the system lets us have; cases with a thousand sockets need them */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max < 8000 ? limit.rlim_max : 8000;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/** first_stack - make and delete a stack; what is kept from then on for the process has a limit */
static void first_stack(const struct conf *c)
{
	static struct left before;
	char text[512];
	struct served server = {.pid = 0};
	struct ioth *stack;

	if (left_count(&before) != 0)
		conf_fail("/proc cannot be read");
	if (served_engine(c->stack) != NULL)
		served_start(c, &server, NULL, "first.sock");
	stack = ioth_newstack(server.pid != 0 ? server.name : c->stack, NULL);
	if (stack == NULL && errno == EPERM)
		conf_skip("ioth_newstack(\"%s\"): EPERM: forbidden here", c->stack);
	if (stack == NULL)
		conf_fail("ioth_newstack(\"%s\", NULL): %s", c->stack, strerrorname_np(errno));
	if (ioth_delstack(stack) != 0)
		conf_fail("the first ioth_delstack: %s", strerrorname_np(errno));
	served_stop(&server);
	if (left_since_but(&before, 1, text, sizeof(text)) > 1 || strstr(text, "thread") != NULL)
		conf_fail("kept for the process: %s", text);
}

void process_run(const struct row *row, const char *stack, const char *dir)
{
	static struct conf c;
	static struct left before;
	char text[1024];
	int left;

	c.test = row->test;
	c.stack = stack;
	c.family = row->family;
	c.dir = dir;
	raise_limits();
	HERE;
	hosts_prepare(&c);
	settle();
	first_stack(&c);
	if (left_count(&before) != 0)
		conf_fail("/proc cannot be read");
	hosts_create(&c);

	c.test->run(&c);

	while (c.nfds > 0)
		conf_drop(&c, c.fds[c.nfds - 1]);
	hosts_delete(&c);
	left = left_since(&before, text, sizeof(text));
	if (left != 0)
		conf_fail("left: %s", text);
	exit(0);
}
