/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_link_beside.c - how a loop keeps off the processor of a switch, with a clock of the test's own and processors that
 * remember what was asked of them. The switch is a process.
 */
#include "private.h"
#include "sched_fake.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sanitizer.h"

#define MS 1000000LL
#define MANY 1000 /* frames */

static int64_t now;
static int home; /* the processor of the switch */

int64_t link__now(void)
{
	return now;
}

static void *second_thread(void *arg)
{
	(void)arg;
	pause();
	return NULL;
}

/** switch_start - a process of that name with one thread, or two, that runs where this thread does and nowhere else */
static pid_t switch_start(const char *name, bool threads)
{
	int ready[2];
	pthread_t thread;
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, name);
		if (!threads || pthread_create(&thread, NULL, second_thread, NULL) == 0)
			assert_int_equal(write(ready[1], "", 1), 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void switch_end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int setup(void **state)
{
	(void)state;
	sched_fake_begin(home, home + 2, home + 5);
	now = 5000 * MS;
	return 0;
}

/** second - a second in which @frames frames pass in a thousand turns, each of which may be one to look for the switch; how
 * often it was */
static unsigned int second(struct link__beside *beside, pid_t pid, unsigned int frames)
{
	unsigned int looks = 0;

	for (int i = 0; i < 1000; i++, now += MS) {
		link__beside_round(beside);
		if (!link__beside_busy(beside, frames / 1000))
			continue;
		looks++;
		link__beside(beside, pid);
	}
	return looks;
}

/** keeps_off - may the loop run everywhere but on the processor of the switch? */
static bool keeps_off(void)
{
	cpu_set_t set = fake.allowed;

	CPU_CLR((size_t)home, &set);
	return CPU_EQUAL(&set, &fake.now);
}

static void test_busy_keeps_off_until_it_is_not(void **state)
{
	/* As bad a name as any: what follows looks like the fields after it. */
	pid_t pid = switch_start("a) S 1 (b c", false);
	struct link__beside beside = {0};

	(void)state;
	assert_in_range(second(&beside, pid, 150 * MANY), 100, 250);
	assert_true(keeps_off());
	second(&beside, pid, 1 * MANY);
	assert_true(CPU_EQUAL(&fake.now, &fake.allowed));
	second(&beside, pid, 150 * MANY);
	assert_true(keeps_off());
	/* The loop sleeps, and there is something else for it some time later. */
	now += 5000 * MS;
	link__beside_round(&beside);
	assert_true(CPU_EQUAL(&fake.now, &fake.allowed));
	switch_end(pid);
}

static void test_quiet_does_not_look(void **state)
{
	struct link__beside beside = {0};

	(void)state;
	assert_int_equal(second(&beside, getpid(), 10 * MANY), 0);
	/* nor for a burst after hours of this */
	now += 3600 * 1000 * MS;
	assert_false(link__beside_busy(&beside, 500));
	assert_true(CPU_EQUAL(&fake.now, &fake.allowed));
}

static void test_a_sender_gives_way_to_who_shares_its_processor(void **state)
{
	pid_t pid = switch_start("switch", false);
	struct link__beside beside = {0};

	(void)state;
	for (int i = 0; i < 1000; i++)
		link__beside_sent(&beside, LINK_BURST);
	assert_int_equal(fake.yields, 0); /* or it would give way to the switch */
	second(&beside, pid, 150 * MANY);
	for (int i = 0; i < 1000; i++)
		link__beside_sent(&beside, LINK_BURST);
	/* often enough for a queue of 92 frames, and not for each burst */
	assert_in_range(fake.yields, 1000 * LINK_BURST / 64, 1000 * LINK_BURST / 32);
	switch_end(pid);
}

static void test_unknown_is_left_alone(void **state)
{
	pid_t pid = switch_start("threads", true), gone = switch_start("gone", false);
	struct link__beside beside = {0};

	(void)state;
	switch_end(gone);
	second(&beside, 0, 150 * MANY);
	assert_true(CPU_EQUAL(&fake.now, &fake.allowed));
	second(&beside, gone, 150 * MANY);
	assert_true(CPU_EQUAL(&fake.now, &fake.allowed));
	second(&beside, pid, 150 * MANY); /* which of its threads is it? */
	assert_true(CPU_EQUAL(&fake.now, &fake.allowed));
	switch_end(pid);
}

static void test_a_switch_that_goes_sets_free(void **state)
{
	pid_t pid = switch_start("switch", false);
	struct link__beside beside = {0};

	(void)state;
	second(&beside, pid, 150 * MANY);
	assert_true(keeps_off());
	switch_end(pid);
	second(&beside, pid, 150 * MANY);
	assert_true(CPU_EQUAL(&fake.now, &fake.allowed));
}

static void test_a_switch_that_moves_is_followed(void **state)
{
	pid_t pid = switch_start("switch", false);
	struct link__beside beside = {.keeps = true, .cpu = home + 2};

	(void)state;
	beside.allowed = fake.allowed;
	beside.since = now;
	CPU_CLR((size_t)home + 2, &fake.now);
	second(&beside, pid, 150 * MANY);
	assert_true(keeps_off());
	switch_end(pid);
}

static void test_who_wants_other_processors_has_them(void **state)
{
	pid_t pid = switch_start("switch", false);
	struct link__beside beside = {0};
	cpu_set_t wanted;

	(void)state;
	second(&beside, pid, 150 * MANY);
	assert_true(keeps_off());
	CPU_ZERO(&wanted); /* taskset -ap */
	CPU_SET((size_t)home, &wanted);
	CPU_SET((size_t)home + 5, &wanted);
	fake.now = wanted;
	second(&beside, pid, 1 * MANY);
	assert_true(CPU_EQUAL(&fake.now, &wanted));
	switch_end(pid);
}

static void test_one_processor(void **state)
{
	pid_t pid = switch_start("switch", false);
	struct link__beside beside = {0};

	(void)state;
	CPU_ZERO(&fake.allowed);
	CPU_SET((size_t)home, &fake.allowed);
	fake.now = fake.allowed;
	second(&beside, pid, 150 * MANY);
	assert_true(CPU_EQUAL(&fake.now, &fake.allowed));
	/* or others than that of the switch */
	CPU_ZERO(&fake.allowed);
	CPU_SET((size_t)home + 2, &fake.allowed);
	fake.now = fake.allowed;
	second(&beside, pid, 150 * MANY);
	assert_true(CPU_EQUAL(&fake.now, &fake.allowed));
	assert_false(beside.keeps);
	switch_end(pid);
}

static void test_refused(void **state)
{
	pid_t pid = switch_start("switch", false);
	struct link__beside beside = {0};

	(void)state;
	fake.refuse = true;
	second(&beside, pid, 150 * MANY);
	assert_true(CPU_EQUAL(&fake.now, &fake.allowed));
	assert_false(beside.keeps);
	switch_end(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(test_busy_keeps_off_until_it_is_not, setup),
	        cmocka_unit_test_setup(test_quiet_does_not_look, setup),
	        cmocka_unit_test_setup(test_a_sender_gives_way_to_who_shares_its_processor, setup),
	        cmocka_unit_test_setup(test_unknown_is_left_alone, setup),
	        cmocka_unit_test_setup(test_a_switch_that_goes_sets_free, setup),
	        cmocka_unit_test_setup(test_a_switch_that_moves_is_followed, setup),
	        cmocka_unit_test_setup(test_who_wants_other_processors_has_them, setup),
	        cmocka_unit_test_setup(test_one_processor, setup),
	        cmocka_unit_test_setup(test_refused, setup),
	};
	cpu_set_t here;

	if (!PROCESS_HAS_ONE_THREAD) {
		fprintf(stderr, "the sanitizer has a thread in each process, so none is taken for a switch\n");
		return 77;
	}
	/* This process and its children stay on one processor, so that it is known where they run. */
	CPU_ZERO(&here);
	if (syscall(SYS_getcpu, &home, NULL, NULL) == 0)
		CPU_SET((size_t)home, &here);
	if (syscall(SYS_sched_setaffinity, 0, sizeof(here), &here) < 0) {
		perror("cannot stay on one processor: sched_setaffinity");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
