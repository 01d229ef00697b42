/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_link_driver.c - stacks that live in the process, as their event loops see them: deadlines, who is called and who
 * is not.
 *
 * The process has one core and so one loop. That something is not called is shown by what is called after it: a loop
 * that has come round to a later event has passed the earlier one by.
 */
#include "link_fake.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "left.h"
#include "wait.h"

#define MANY 1000
#define HOUR (3600 * (int64_t)1000000000)

static cpu_set_t cores;

/** struct subject - a driver and what has happened to it */
struct subject {
	/* Stored last and loaded first: checkers do not know that an eventfd orders things. */
	struct link_driver *_Atomic driver;
	int fd; /* eventfd in its set */
	unsigned int number;
	_Atomic unsigned int runs;
	_Atomic int64_t ran; /* when, last */
	atomic_bool hold;    /* run waits to be released, once */
	sem_t held, release;
};

static _Atomic unsigned int order[MANY]; /* numbers of those that ran, as they ran */
static _Atomic unsigned int ordered;
static sem_t done; /* posted by each run */

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/** run - what drivers are for here: take notice */
static void run(void *arg)
{
	struct subject *subject = arg;
	struct epoll_event event;
	eventfd_t value;

	while (epoll_wait(link_driver_fd(subject->driver), &event, 1, 0) > 0)
		if (eventfd_read(subject->fd, &value) != 0)
			abort();
	if (subject->hold) {
		subject->hold = false;
		sem_post(&subject->held);
		while (sem_wait(&subject->release) != 0)
			;
	}
	atomic_store(&subject->ran, now_ns());
	atomic_fetch_add(&subject->runs, 1);
	order[atomic_fetch_add(&ordered, 1) % MANY] = subject->number;
	sem_post(&done);
}

static void subject_open(struct subject *subject, unsigned int number)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct link_driver *driver;

	*subject = (struct subject){.number = number};
	sem_init(&subject->held, 0, 0);
	sem_init(&subject->release, 0, 0);
	subject->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_return_code(subject->fd, errno);
	assert_int_equal(link_driver_open(run, subject, 0, &driver), 0);
	atomic_store(&subject->driver, driver);
	assert_return_code(epoll_ctl(link_driver_fd(driver), EPOLL_CTL_ADD, subject->fd, &event), errno);
}

static void subject_close(struct subject *subject)
{
	link_driver_close(subject->driver);
	close(subject->fd);
}

/** poke - something happens that the driver is to run for */
static void poke(struct subject *subject)
{
	assert_return_code(eventfd_write(subject->fd, 1), errno);
}

/** wait_posted - wait for a semaphore, not for ever */
static void wait_posted(sem_t *sem)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += WAIT_MS / 1000;
	assert_return_code(sem_clockwait(sem, CLOCK_MONOTONIC, &end), errno);
}

/** loop_round - return when the loop has come round to an event that happens now */
static void loop_round(struct subject *probe)
{
	unsigned int runs = atomic_load(&probe->runs);

	poke(probe);
	do
		wait_posted(&done);
	while (atomic_load(&probe->runs) == runs);
}

static int remember(void **state)
{
	atomic_store(&ordered, 0);
	sem_init(&done, 0, 0);
	return fake_remember(state);
}

/** one_core - and so one loop */
static int one_core(void **state)
{
	assert_true(fake_cores(1, &cores));
	return fake_group(state);
}

/** switches - how often a thread has gone to sleep */
static unsigned long switches(pid_t tid)
{
	unsigned long voluntary = 0;
	char path[64], line[128];
	FILE *status;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)tid);
	status = fopen(path, "re");
	assert_non_null(status);
	while (fgets(line, sizeof(line), status))
		sscanf(line, "voluntary_ctxt_switches: %lu", &voluntary);
	fclose(status);
	return voluntary;
}

/** timers_set - how many timer descriptors of the process are set to a time */
static unsigned int timers_set(void)
{
	unsigned int set = 0;

	for (int fd = 0; fd < LEFT_FDS; fd++) {
		unsigned long long s, ns;
		char path[64], line[128];
		FILE *info;

		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		info = fopen(path, "re");
		if (!info)
			continue;
		while (fgets(line, sizeof(line), info))
			if (sscanf(line, "it_value: (%llu, %llu)", &s, &ns) == 2 && (s || ns))
				set++;
		fclose(info);
	}
	return set;
}

/** hold_loop - the loop is held in the run of @subject until its release is posted */
static void hold_loop(struct subject *subject)
{
	subject->hold = true;
	poke(subject);
	wait_posted(&subject->held);
}

/* ------------------------------------------------------------------------------------------------------- deadlines */

static void deadlines_come_in_order(void **state)
{
	static const unsigned int rank[] = {5, 2, 7, 0, 6, 1, 4, 3, 9, 8};
	enum { N = sizeof(rank) / sizeof(rank[0]) };
	struct subject holder, subject[N];
	int64_t past = now_ns() - 1000000;

	(void)state;
	subject_open(&holder, 99);
	for (unsigned int i = 0; i < N; i++)
		subject_open(&subject[i], rank[i]);
	hold_loop(&holder);
	for (unsigned int i = 0; i < N; i++)
		link_driver_deadline(subject[i].driver, past + rank[i]);
	sem_post(&holder.release);
	for (unsigned int i = 0; i <= N; i++)
		wait_posted(&done);
	assert_int_equal(atomic_load(&ordered), N + 1);
	for (unsigned int i = 0; i < N; i++)
		assert_int_equal(order[i + 1], i);
	for (unsigned int i = 0; i < N; i++)
		subject_close(&subject[i]);
	subject_close(&holder);
}

static void a_deadline_is_not_early_and_used_once(void **state)
{
	struct subject a, probe;
	int64_t when;

	(void)state;
	subject_open(&a, 0);
	subject_open(&probe, 1);
	for (unsigned int round = 1; round <= 20; round++) {
		/* Put off, brought forward, put off again, while the loop looks elsewhere: the last word counts. */
		hold_loop(&probe);
		when = now_ns() + 3000000;
		link_driver_deadline(a.driver, when + 1000000);
		link_driver_deadline(a.driver, when - 1000000);
		link_driver_deadline(a.driver, when);
		sem_post(&probe.release);
		while (atomic_load(&a.runs) < round)
			wait_posted(&done);
		assert_true(atomic_load(&a.ran) >= when);
		assert_int_equal(atomic_load(&a.runs), round);
	}
	loop_round(&probe);
	assert_int_equal(atomic_load(&a.runs), 20);
	assert_int_equal(timers_set(), 0);
	subject_close(&a);
	subject_close(&probe);
}

static void a_withdrawn_deadline_is_not_called(void **state)
{
	struct subject a, probe;
	int64_t when;

	(void)state;
	subject_open(&a, 0);
	subject_open(&probe, 1);
	hold_loop(&probe);
	when = now_ns() + 2000000;
	link_driver_deadline(a.driver, when);
	link_driver_deadline(a.driver, INT64_MAX);
	link_driver_deadline(probe.driver, when + 1);
	sem_post(&probe.release);
	while (atomic_load(&probe.runs) < 2)
		wait_posted(&done);
	loop_round(&probe);
	assert_int_equal(atomic_load(&a.runs), 0);
	assert_int_equal(timers_set(), 0);
	subject_close(&a);
	subject_close(&probe);
}

static void setting_deadlines_wakes_nobody(void **state)
{
	struct subject a, b;
	unsigned long slept;
	pid_t loop;

	(void)state;
	subject_open(&a, 0);
	subject_open(&b, 1);
	loop_round(&a);
	assert_int_equal(fake_threads(&loop), 1);
	assert_int_equal(wait_thread_blocked(loop), 0);
	slept = switches(loop);
	for (unsigned int i = 0; i < 1000; i++) {
		link_driver_deadline(a.driver, now_ns() + HOUR - i * 1000000);
		link_driver_deadline(b.driver, now_ns() + HOUR - i * 2000000);
		link_driver_deadline(b.driver, INT64_MAX);
	}
	assert_int_equal(timers_set(), 1);
	link_driver_suspend(a.driver);
	link_driver_deadline(a.driver, now_ns());
	poke(&a);
	assert_int_equal(wait_thread_blocked(loop), 0);
	assert_int_equal(switches(loop), slept);
	subject_close(&a);
	subject_close(&b);
}

/* --------------------------------------------------------------------------------------------- suspend and resume */

static void a_suspended_driver_is_left_alone(void **state)
{
	struct subject a, probe;
	int64_t when;

	(void)state;
	subject_open(&a, 0);
	subject_open(&probe, 1);
	poke(&a);
	wait_posted(&done);
	assert_int_equal(atomic_load(&a.runs), 1);
	for (unsigned int round = 0; round < 20; round++) {
		unsigned int runs = atomic_load(&a.runs);

		link_driver_suspend(a.driver);
		poke(&a);
		when = now_ns() + 1000000;
		link_driver_deadline(a.driver, when);
		link_driver_deadline(probe.driver, when + 1);
		wait_posted(&done);
		loop_round(&probe);
		assert_int_equal(atomic_load(&a.runs), runs);
		/* Odd rounds: the thread that took over has done what there was to do. */
		if (round % 2) {
			eventfd_t value;

			assert_return_code(eventfd_read(a.fd, &value), errno);
			link_driver_deadline(a.driver, INT64_MAX);
		}
		link_driver_resume(a.driver);
		if (round % 2 == 0)
			while (atomic_load(&a.runs) == runs)
				wait_posted(&done);
		loop_round(&probe);
		if (round % 2)
			assert_int_equal(atomic_load(&a.runs), runs);
	}
	subject_close(&a);
	subject_close(&probe);
}

static void a_driver_that_lingers_runs_at_its_deadline_only(void **state)
{
	struct subject a, probe;
	unsigned int runs;

	(void)state;
	subject_open(&a, 0);
	subject_open(&probe, 1);
	poke(&a);
	wait_posted(&done);
	link_driver_suspend(a.driver);
	runs = atomic_load(&a.runs);
	link_driver_linger(a.driver, now_ns() + HOUR);
	poke(&a);
	loop_round(&probe);
	assert_int_equal(atomic_load(&a.runs), runs);
	link_driver_linger(a.driver, now_ns());
	wait_posted(&done);
	assert_int_equal(atomic_load(&a.runs), runs + 1);
	/* Whoever is back suspends it, at no cost; then the deadline does not count either. */
	link_driver_linger(a.driver, now_ns() + HOUR);
	link_driver_suspend(a.driver);
	link_driver_deadline(a.driver, now_ns());
	loop_round(&probe);
	assert_int_equal(atomic_load(&a.runs), runs + 1);
	subject_close(&a);
	subject_close(&probe);
}

static void a_deadline_of_a_suspended_driver_counts_when_it_is_resumed(void **state)
{
	struct subject a;
	int64_t when = now_ns() + 2000000;

	(void)state;
	subject_open(&a, 0);
	link_driver_suspend(a.driver);
	link_driver_deadline(a.driver, when);
	link_driver_resume(a.driver);
	wait_posted(&done);
	assert_true(atomic_load(&a.ran) >= when);
	subject_close(&a);
}

struct changer {
	struct subject *subject;
	pthread_t thread;
};

/** change - suspend, set deadlines, resume, again and again */
static void *change(void *arg)
{
	struct changer *changer = arg;

	for (unsigned int i = 0; i < 3000; i++) {
		link_driver_suspend(changer->subject->driver);
		link_driver_deadline(changer->subject->driver, i % 3 ? now_ns() + i : INT64_MAX);
		if (i % 5 == 0)
			eventfd_write(changer->subject->fd, 1);
		link_driver_resume(changer->subject->driver);
		link_driver_deadline(changer->subject->driver, now_ns() + HOUR);
	}
	return NULL;
}

static void no_deadline_is_lost_in_a_crowd(void **state)
{
	struct changer changer[4];
	struct subject subject[4];

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		subject_open(&subject[i], i);
		changer[i] = (struct changer){.subject = &subject[i]};
		assert_int_equal(pthread_create(&changer[i].thread, NULL, change, &changer[i]), 0);
	}
	for (unsigned int i = 0; i < 4; i++)
		pthread_join(changer[i].thread, NULL);
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int runs = atomic_load(&subject[i].runs);
		int64_t when = now_ns() + 1000000;

		link_driver_deadline(subject[i].driver, when);
		while (atomic_load(&subject[i].ran) < when)
			wait_posted(&done);
		assert_true(atomic_load(&subject[i].runs) > runs);
	}
	for (unsigned int i = 0; i < 4; i++)
		subject_close(&subject[i]);
}

/* ---------------------------------------------------------------------------------------------------- coming, going */

struct closer {
	struct subject *subject;
	_Atomic pid_t tid;
	pthread_t thread;
};

static void *close_it(void *arg)
{
	struct closer *closer = arg;

	atomic_store(&closer->tid, gettid());
	subject_close(closer->subject);
	return NULL;
}

static void a_driver_is_closed_when_it_has_run(void **state)
{
	struct closer closer;
	struct subject a;

	(void)state;
	subject_open(&a, 0);
	closer = (struct closer){.subject = &a};
	link_driver_deadline(a.driver, now_ns() + HOUR);
	hold_loop(&a);
	poke(&a);
	assert_int_equal(pthread_create(&closer.thread, NULL, close_it, &closer), 0);
	while (atomic_load(&closer.tid) == 0)
		sched_yield();
	assert_int_equal(wait_thread_blocked(atomic_load(&closer.tid)), 0);
	link_driver_deadline(a.driver, now_ns()); /* as its run may do now */
	assert_int_equal(atomic_load(&a.runs), 0);
	sem_post(&a.release);
	pthread_join(closer.thread, NULL);
	assert_int_equal(atomic_load(&a.runs), 1);
}

static void a_passed_deadline_may_outlive_its_driver(void **state)
{
	struct subject holder, a, b;

	(void)state;
	for (unsigned int round = 0; round < 20; round++) {
		subject_open(&holder, 0);
		subject_open(&a, 1);
		subject_open(&b, 2);
		hold_loop(&holder);
		poke(&a);
		link_driver_deadline(a.driver, now_ns());
		link_driver_deadline(b.driver, now_ns());
		sem_post(&holder.release);
		subject_close(&a);
		/* It has the place of the one before, and is not mistaken for it. */
		subject_open(&a, 3);
		while (atomic_load(&b.runs) == 0)
			wait_posted(&done);
		loop_round(&b);
		assert_int_equal(atomic_load(&a.runs), 0);
		subject_close(&a);
		subject_close(&b);
		subject_close(&holder);
	}
}

static void a_child_leaves_the_drivers_of_its_parent_alone(void **state)
{
	struct subject a, b;
	int status;
	pid_t child;

	(void)state;
	subject_open(&a, 0);
	subject_open(&b, 1);
	link_driver_deadline(a.driver, now_ns() + HOUR);
	child = fork();
	assert_return_code(child, errno);
	if (child == 0) {
		struct left now;

		alarm(3 * WAIT_MS / 1000);
		link_driver_suspend(a.driver);
		link_driver_deadline(a.driver, now_ns());
		link_driver_resume(a.driver);
		link_driver_suspend(b.driver);
		subject_close(&a);
		subject_close(&b);
		_exit(left_count(&now) == 0 && now.fds == fake_before.fds ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	loop_round(&b);
	assert_int_equal(atomic_load(&a.runs), 0);
	loop_round(&a);
	subject_close(&a);
	subject_close(&b);
}

static void a_thousand_drivers_are_idle(void **state)
{
	static struct subject subject[MANY];
	unsigned long slept;
	struct rlimit limit;
	pid_t loop;

	(void)state;
	assert_return_code(getrlimit(RLIMIT_NOFILE, &limit), errno);
	limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
	assert_return_code(setrlimit(RLIMIT_NOFILE, &limit), errno);
	if (limit.rlim_cur < 2 * MANY + 100)
		skip();
	for (unsigned int i = 0; i < MANY; i++)
		subject_open(&subject[i], i);
	for (unsigned int i = 0; i < MANY; i++)
		link_driver_deadline(subject[i].driver, now_ns() + (i * 7919) % MANY * 1000);
	for (unsigned int i = 0; i < MANY; i++)
		wait_posted(&done);
	for (unsigned int i = 0; i < MANY; i++)
		assert_int_equal(atomic_load(&subject[i].runs), 1);
	for (unsigned int i = 0; i < MANY; i += 100)
		loop_round(&subject[i]);
	assert_int_equal(fake_threads(&loop), 1);
	assert_int_equal(wait_thread_blocked(loop), 0);
	assert_int_equal(timers_set(), 0);
	slept = switches(loop);
	for (unsigned int i = 0; i < MANY; i++)
		link_driver_deadline(subject[i].driver, now_ns() + HOUR + i);
	assert_int_equal(wait_thread_blocked(loop), 0);
	assert_int_equal(switches(loop), slept);
	for (unsigned int i = 0; i < MANY; i++)
		subject_close(&subject[i]);
}

/* ----------------------------------------------------------------------------------------------------------- polling
 */

static void the_time_to_poll_is_a_number(void **state)
{
	(void)state;
	unsetenv("IOTH_POLL_US");
	assert_int_equal(link_poll_ns(), 50000);
	setenv("IOTH_POLL_US", "0", 1);
	assert_int_equal(link_poll_ns(), 0);
	setenv("IOTH_POLL_US", "7", 1);
	assert_int_equal(link_poll_ns(), 7000);
	setenv("IOTH_POLL_US", "100000000", 1);
	assert_int_equal(link_poll_ns(), 1000000);
	setenv("IOTH_POLL_US", "7x", 1);
	assert_int_equal(link_poll_ns(), 50000);
	setenv("IOTH_POLL_US", "-1", 1);
	assert_int_equal(link_poll_ns(), 50000);
	unsetenv("IOTH_POLL_US");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, remember, fake_nothing_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(deadlines_come_in_order),
	        TEST(a_deadline_is_not_early_and_used_once),
	        TEST(a_withdrawn_deadline_is_not_called),
	        TEST(setting_deadlines_wakes_nobody),
	        TEST(a_suspended_driver_is_left_alone),
	        TEST(a_driver_that_lingers_runs_at_its_deadline_only),
	        TEST(a_deadline_of_a_suspended_driver_counts_when_it_is_resumed),
	        TEST(no_deadline_is_lost_in_a_crowd),
	        TEST(a_driver_is_closed_when_it_has_run),
	        TEST(a_passed_deadline_may_outlive_its_driver),
	        TEST(a_child_leaves_the_drivers_of_its_parent_alone),
	        TEST(a_thousand_drivers_are_idle),
	        TEST(the_time_to_poll_is_a_number),
	};

	return cmocka_run_group_tests(tests, one_core, NULL);
}
