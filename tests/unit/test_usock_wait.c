/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_usock_wait.c - threads that wait, and who drives the stack meanwhile: drive.c and wait.c, in a stack that is a
 * fake.
 */
#include "usock_wait_fake.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "left.h"
#include "wait.h"

#define MS ((int64_t)1000000)
#define HOUR (3600000 * MS)

/* The sanitizers know nothing of cancellation: to them the frames that it leaves behind are in use for ever, and a
   thread that was cancelled in a function of theirs never comes out of it. */
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || __has_feature(thread_sanitizer) ||                \
        __has_feature(address_sanitizer)
#define MAY_CANCEL false
#else
#define MAY_CANCEL true
#endif

static struct left before;

/** struct reader - a thread that takes frames of a socket */
struct reader {
	struct fake *fake;
	unsigned int number;
	int64_t until;
	unsigned int frames; /* to take */
	pthread_t thread;
	_Atomic pid_t tid;
	_Atomic unsigned int taken;
	_Atomic int result; /* of the last attempt */
	atomic_bool done;
};

static void *read_frames(void *arg)
{
	struct reader *reader = arg;
	int err = 0;

	atomic_store(&reader->tid, gettid());
	for (unsigned int i = 0; !err && i < reader->frames; i++) {
		err = fake_recv(reader->fake, reader->number, reader->until);
		if (!err)
			atomic_fetch_add(&reader->taken, 1);
	}
	atomic_store(&reader->result, err);
	atomic_store(&reader->done, true);
	return NULL;
}

/** reader_start - returns when it is blocked, after the others of the same stack */
static void reader_start(struct reader *reader, struct fake *fake, unsigned int number, int64_t until,
                         unsigned int frames)
{
	*reader = (struct reader){.fake = fake, .number = number, .until = until, .frames = frames};
	assert_int_equal(pthread_create(&reader->thread, NULL, read_frames, reader), 0);
	while (atomic_load(&reader->tid) == 0)
		sched_yield();
	assert_int_equal(wait_thread_blocked(atomic_load(&reader->tid)), 0);
	assert_false(atomic_load(&reader->done));
}

/** reader_end - its result */
static int reader_end(struct reader *reader)
{
	long end = wait_now_ms() + WAIT_MS;

	while (!atomic_load(&reader->done) && wait_again(end))
		;
	assert_true(atomic_load(&reader->done));
	assert_int_equal(pthread_join(reader->thread, NULL), 0);
	return atomic_load(&reader->result);
}

/** wait_count - wait until a counter has reached @count */
static void wait_count(_Atomic unsigned int *counter, unsigned int count)
{
	long end = wait_now_ms() + WAIT_MS;

	while (atomic_load(counter) < count && wait_again(end))
		;
	assert_int_equal(atomic_load(counter), count);
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

/** warm_up - a first thread and a first loop may bring helpers of a sanitizer with them */
static int warm_up(void **state)
{
	struct fake *fake = fake_new();

	(void)state;
	fake_free(fake);
	return 0;
}

static int remember(void **state)
{
	(void)state;
	return left_count(&before);
}

static int nothing_left(void **state)
{
	char text[512];

	(void)state;
	if (left_since(&before, text, sizeof(text)) != 0) {
		print_error("left: %s\n", text);
		return -1;
	}
	return 0;
}

/* ----------------------------------------------------------------------------------------------------- who drives */

static void the_loop_drives_when_nobody_waits(void **state)
{
	struct fake *fake = fake_new();

	(void)state;
	fake_frame(fake, 3);
	wait_count(&fake->frames, 1);
	assert_int_not_equal(atomic_load(&fake->handler), gettid());
	/* It has come already: no waiting, no driving. */
	assert_int_equal(fake_recv(fake, 3, INET_NEVER), 0);
	fake_idle(fake);
	fake_free(fake);
}

static void a_thread_that_waits_drives(void **state)
{
	struct fake *fake = fake_new();
	struct reader reader;

	(void)state;
	reader_start(&reader, fake, 0, INET_NEVER, 3);
	for (unsigned int i = 1; i <= 3; i++) {
		fake_frame(fake, 0);
		wait_count(&reader.taken, i);
		assert_int_equal(atomic_load(&fake->handler), atomic_load(&reader.tid));
		if (i < 3)
			assert_int_equal(wait_thread_blocked(atomic_load(&reader.tid)), 0);
	}
	assert_int_equal(reader_end(&reader), 0);
	fake_idle(fake);
	fake_free(fake);
}

static void a_frame_for_another_wakes_that_one_too(void **state)
{
	struct fake *fake = fake_new();
	struct reader reader[3];
	unsigned long slept;

	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		reader_start(&reader[i], fake, i, INET_NEVER, 1);
	slept = switches(atomic_load(&reader[1].tid));
	fake_frame(fake, 2);
	assert_int_equal(reader_end(&reader[2]), 0);
	assert_int_equal(atomic_load(&fake->handler), atomic_load(&reader[0].tid));
	assert_int_equal(wait_thread_blocked(atomic_load(&reader[0].tid)), 0);
	assert_int_equal(switches(atomic_load(&reader[1].tid)), slept);
	/* The leader leaves: the loop goes on, for those who still wait. */
	fake_frame(fake, 0);
	assert_int_equal(reader_end(&reader[0]), 0);
	fake_frame(fake, 1);
	assert_int_equal(reader_end(&reader[1]), 0);
	assert_int_not_equal(atomic_load(&fake->handler), atomic_load(&reader[0].tid));
	assert_int_not_equal(atomic_load(&fake->handler), atomic_load(&reader[1].tid));
	assert_int_equal(atomic_load(&fake->frames), 3);
	fake_idle(fake);
	fake_free(fake);
}

static void the_next_to_wait_takes_over(void **state)
{
	struct fake *fake = fake_new();
	struct reader first, second, third;

	(void)state;
	reader_start(&first, fake, 0, INET_NEVER, 1);
	reader_start(&second, fake, 1, INET_NEVER, 1);
	fake_frame(fake, 0);
	assert_int_equal(reader_end(&first), 0);
	reader_start(&third, fake, 2, INET_NEVER, 1);
	fake_frame(fake, 1);
	assert_int_equal(reader_end(&second), 0);
	assert_int_equal(atomic_load(&fake->handler), atomic_load(&third.tid));
	fake_frame(fake, 2);
	assert_int_equal(reader_end(&third), 0);
	fake_idle(fake);
	fake_free(fake);
}

/** linger - take frames in this thread, one by one, until the loop believes that it will be back for the next */
static void linger(struct fake *fake)
{
	long end = wait_now_ms() + WAIT_MS;
	bool lingering = false;

	while (!lingering && wait_again(end)) {
		for (unsigned int i = 0; i < 20; i++) {
			fake_frame(fake, 0);
			assert_int_equal(fake_recv(fake, 0, INET_NEVER), 0);
		}
		usock_lock(&fake->stack);
		lingering = fake->stack.drive->lingering;
		usock_unlock(&fake->stack);
	}
	assert_true(lingering);
}

static void the_loop_waits_for_who_is_always_back_at_once(void **state)
{
	struct fake *fake = fake_new();
	unsigned int frames;

	(void)state;
	linger(fake);
	/* Whoever comes back in time finds what has come by itself; if it was late, the loop has seen to it. */
	frames = atomic_load(&fake->frames);
	fake_frame(fake, 1);
	usock_lock(&fake->stack);
	if (usock__drive_glance(&fake->stack))
		assert_int_equal(atomic_load(&fake->handler), gettid());
	usock_unlock(&fake->stack);
	wait_count(&fake->frames, frames + 1);
	assert_int_equal(fake_recv(fake, 1, INET_NEVER), 0);
	fake_idle(fake);
	fake_free(fake);
}

static void the_loop_does_not_wait_long(void **state)
{
	struct fake *fake = fake_new();
	unsigned int frames;

	(void)state;
	linger(fake);
	frames = atomic_load(&fake->frames);
	fake_frame(fake, 1);
	wait_count(&fake->frames, frames + 1);
	assert_int_not_equal(atomic_load(&fake->handler), gettid());
	/* It is not fooled again at once. */
	fake_frame(fake, 0);
	assert_int_equal(fake_recv(fake, 0, INET_NEVER), 0);
	usock_lock(&fake->stack);
	assert_false(fake->stack.drive->lingering);
	assert_false(fake->stack.drive->suspended);
	assert_false(usock__drive_glance(&fake->stack));
	usock_unlock(&fake->stack);
	fake_idle(fake);
	fake_free(fake);
}

static void the_loop_does_not_wait_when_others_do(void **state)
{
	struct fake *fake = fake_new();
	struct reader leader, other;

	(void)state;
	linger(fake);
	reader_start(&leader, fake, 0, INET_NEVER, 1);
	reader_start(&other, fake, 1, INET_NEVER, 1);
	fake_frame(fake, 0);
	assert_int_equal(reader_end(&leader), 0);
	usock_lock(&fake->stack);
	assert_false(fake->stack.drive->lingering);
	usock_unlock(&fake->stack);
	fake_frame(fake, 1);
	assert_int_equal(reader_end(&other), 0);
	fake_idle(fake);
	fake_free(fake);
}

static void all_that_wait_for_a_socket_are_woken(void **state)
{
	struct fake *fake = fake_new();
	struct reader reader[4];

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		reader_start(&reader[i], fake, 5, INET_NEVER, 1);
	for (unsigned int i = 0; i < 4; i++)
		fake_frame(fake, 5);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(reader_end(&reader[i]), 0);
	fake_idle(fake);
	fake_free(fake);
}

static void what_happens_in_a_call_wakes_who_waits(void **state)
{
	struct fake *fake = fake_new();
	struct reader reader[2];

	(void)state;
	for (unsigned int i = 0; i < 2; i++)
		reader_start(&reader[i], fake, i, INET_NEVER, 1);
	usock_lock(&fake->stack);
	for (unsigned int i = 0; i < 2; i++) {
		fake->unread[i]++;
		usock__changed(&fake->sock[i], i == 0 ? EPOLLIN : EPOLLHUP);
	}
	usock_unlock(&fake->stack);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(reader_end(&reader[i]), 0);
	assert_int_equal(atomic_load(&fake->frames), 0);
	fake_idle(fake);
	fake_free(fake);
}

static void what_is_of_no_interest_wakes_nobody(void **state)
{
	struct fake *fake = fake_new();
	struct reader reader[2];
	unsigned long slept[2];

	(void)state;
	for (unsigned int i = 0; i < 2; i++)
		reader_start(&reader[i], fake, i, INET_NEVER, 1);
	for (unsigned int i = 0; i < 2; i++)
		slept[i] = switches(atomic_load(&reader[i].tid));
	usock_lock(&fake->stack);
	for (unsigned int i = 0; i < SOCKETS; i++)
		usock__changed(&fake->sock[i], i < 2 ? EPOLLOUT : EPOLLIN);
	usock_unlock(&fake->stack);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(wait_thread_blocked(atomic_load(&reader[i].tid)), 0);
		assert_int_equal(switches(atomic_load(&reader[i].tid)), slept[i]);
	}
	for (unsigned int i = 0; i < 2; i++) {
		fake_frame(fake, i);
		assert_int_equal(reader_end(&reader[i]), 0);
	}
	fake_free(fake);
}

static void what_is_put_off_is_done_soon(void **state)
{
	struct fake *fake = fake_new();
	struct reader reader;
	unsigned int turns;

	(void)state;
	for (unsigned int led = 0; led < 2; led++) {
		if (led)
			reader_start(&reader, fake, 0, INET_NEVER, 1);
		for (unsigned int i = 0; i < 10; i++) {
			turns = atomic_load(&fake->turns);
			usock_lock(&fake->stack);
			usock__later(&fake->stack);
			usock_unlock(&fake->stack);
			wait_count(&fake->turns, turns + 1);
		}
	}
	fake_frame(fake, 0);
	assert_int_equal(reader_end(&reader), 0);
	fake_free(fake);
}

static void a_network_may_go_while_its_frame_comes(void **state)
{
	struct fake *fake = fake_new();
	struct reader reader;

	(void)state;
	reader_start(&reader, fake, 0, INET_NEVER, 1);
	for (unsigned int i = 0; i < 50; i++) {
		unsigned long slept = switches(atomic_load(&reader.tid));

		usock_lock(&fake->stack);
		fake_frame(fake, 1);
		/* The leader has fetched it, and sleeps again: it waits for the lock. */
		while (switches(atomic_load(&reader.tid)) == slept)
			sched_yield();
		fake_net_replace(fake);
		usock_unlock(&fake->stack);
		assert_int_equal(wait_thread_blocked(atomic_load(&reader.tid)), 0);
	}
	assert_int_equal(atomic_load(&fake->frames), 0);
	assert_int_equal(atomic_load(&fake->gone), 0);
	fake_frame(fake, 0);
	assert_int_equal(reader_end(&reader), 0);
	fake_idle(fake);
	fake_free(fake);
}

/** flood_start - a leader that waits for a frame for @number finds frames for nobody in memory from now on */
static void flood_start(struct reader *leader, struct fake *fake, unsigned int number, int64_t until)
{
	unsigned int turns;

	reader_start(leader, fake, number, until, 1);
	atomic_store(&fake->flooded, true);
	turns = atomic_load(&fake->turns);
	fake_frame(fake, SOCKETS - 1);
	for (long end = wait_now_ms() + WAIT_MS; atomic_load(&fake->turns) < turns + 100 && wait_again(end);)
		;
	assert_true(atomic_load(&fake->turns) >= turns + 100);
}

static void a_flood_in_memory_keeps_nobody_waiting(void **state)
{
	struct fake *fake = fake_new();
	struct reader leader, other;

	(void)state;
	flood_start(&leader, fake, 0, INET_NEVER);
	/* Another thread gets the lock, and what comes of that wakes a third. */
	reader_start(&other, fake, 1, INET_NEVER, 1);
	usock_lock(&fake->stack);
	fake->unread[1]++;
	usock__changed(&fake->sock[1], EPOLLIN);
	usock_unlock(&fake->stack);
	assert_int_equal(reader_end(&other), 0);
	/* What the set tells of is seen. */
	fake_frame(fake, 0);
	assert_int_equal(reader_end(&leader), 0);
	atomic_store(&fake->flooded, false);
	fake_idle(fake);
	fake_free(fake);
}

/* ------------------------------------------------------------------------------------------------------------ time */

static void waiting_ends_in_time(void **state)
{
	struct fake *fake = fake_new();
	struct reader leader;
	int64_t until;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		until = usock__clock() + 3 * MS;
		assert_int_equal(fake_recv(fake, 0, until), -EAGAIN);
		assert_true(usock__clock() >= until);
		fake_idle(fake);
	}
	assert_int_equal(fake_recv(fake, 0, usock__clock() - 1), -EAGAIN);
	reader_start(&leader, fake, 1, INET_NEVER, 1);
	for (unsigned int i = 0; i < 3; i++) {
		until = usock__clock() + 3 * MS;
		assert_int_equal(fake_recv(fake, 0, until), -EAGAIN);
		assert_true(usock__clock() >= until);
	}
	assert_int_equal(fake_recv(fake, 0, usock__clock() - 1), -EAGAIN);
	fake_frame(fake, 1);
	assert_int_equal(reader_end(&leader), 0);
	fake_idle(fake);
	fake_free(fake);
}

static void deadlines_are_kept_by_whoever_drives(void **state)
{
	struct fake *fake = fake_new();
	struct reader reader;
	unsigned int fired = 0;

	(void)state;
	for (unsigned int led = 0; led < 2; led++) {
		if (led)
			reader_start(&reader, fake, 0, INET_NEVER, 1);
		for (unsigned int i = 0; i < 5; i++) {
			usock_lock(&fake->stack);
			atomic_store(&fake->deadline, usock_now(&fake->stack) + MS);
			usock_unlock(&fake->stack);
			wait_count(&fake->fired, ++fired);
			assert_int_equal(atomic_load(&fake->fired_by) == atomic_load(&reader.tid), led);
		}
	}
	fake_frame(fake, 0);
	assert_int_equal(reader_end(&reader), 0);
	fake_free(fake);
}

static void deadlines_of_packets_wake_nobody(void **state)
{
	struct fake *fake = fake_new();
	struct reader reader;
	unsigned long slept = 0;

	(void)state;
	reader_start(&reader, fake, 0, INET_NEVER, 1);
	for (unsigned int i = 0; i < 100; i++) {
		usock_lock(&fake->stack);
		atomic_store(&fake->deadline, usock_now(&fake->stack) + HOUR);
		usock_unlock(&fake->stack);
		usock_lock(&fake->stack);
		atomic_store(&fake->deadline, INET_NEVER);
		usock_unlock(&fake->stack);
		assert_int_equal(wait_thread_blocked(atomic_load(&reader.tid)), 0);
		if (i == 0) /* the first it has to be told */
			slept = switches(atomic_load(&reader.tid));
	}
	assert_int_equal(switches(atomic_load(&reader.tid)), slept);
	fake_frame(fake, 0);
	assert_int_equal(reader_end(&reader), 0);
	fake_free(fake);
}

/** struct ticker - a timer that notes when it fires */
struct ticker {
	struct usock__timer timer;
	struct fake *fake;
	unsigned int number;
};

static unsigned int ticks[8], ticked; /* lock */

static void tick(struct usock__timer *timer)
{
	struct ticker *ticker = (struct ticker *)timer;

	ticks[ticked++] = ticker->number;
	if (ticker->number == 0)
		usock__changed(&ticker->fake->sock[0], EPOLLIN);
	ticker->fake->unread[0] += ticker->number == 0;
}

static void timers_fire_in_order(void **state)
{
	struct fake *fake = fake_new();
	struct ticker ticker[5];
	int64_t now;

	(void)state;
	for (unsigned int led = 0; led < 2; led++) {
		usock_lock(&fake->stack);
		now = usock_now(&fake->stack);
		ticked = 0;
		for (unsigned int i = 0; i < 5; i++)
			ticker[i] = (struct ticker){.fake = fake, .number = i, .timer.fire = tick};
		usock__timer_set(&fake->stack, &ticker[0].timer, now + 5 * MS);
		usock__timer_set(&fake->stack, &ticker[1].timer, now + HOUR);
		usock__timer_set(&fake->stack, &ticker[2].timer, now + 2 * MS);
		usock__timer_set(&fake->stack, &ticker[3].timer, now + 4 * MS);
		usock__timer_set(&fake->stack, &ticker[4].timer, now + MS);
		usock__timer_set(&fake->stack, &ticker[1].timer, now + 3 * MS);
		usock__timer_clear(&fake->stack, &ticker[3].timer);
		assert_int_equal(ticker[3].timer.when, 0);
		usock_unlock(&fake->stack);
		if (led) {
			assert_int_equal(fake_recv(fake, 0, INET_NEVER), 0);
		} else {
			long end = wait_now_ms() + WAIT_MS;
			unsigned int n;

			do {
				usock_lock(&fake->stack);
				n = ticked;
				usock_unlock(&fake->stack);
			} while (n < 4 && wait_again(end));
			assert_int_equal(fake_recv(fake, 0, INET_NEVER), 0);
		}
		usock_lock(&fake->stack);
		assert_int_equal(ticked, 4);
		assert_int_equal(ticks[0], 4);
		assert_int_equal(ticks[1], 2);
		assert_int_equal(ticks[2], 1);
		assert_int_equal(ticks[3], 0);
		assert_true(usock_now(&fake->stack) >= now + 5 * MS);
		assert_int_equal(usock__drive_deadline(&fake->stack), INET_NEVER);
		usock_unlock(&fake->stack);
	}
	fake_free(fake);
}

/* --------------------------------------------------------------------------------------------------------- signals */

static _Atomic unsigned int handled;

static void handle(int sig)
{
	(void)sig;
	atomic_fetch_add(&handled, 1);
}

static void install(int sig, int flags)
{
	struct sigaction action = {.sa_flags = flags};

	action.sa_handler = handle;
	assert_return_code(sigaction(sig, &action, NULL), errno);
}

/** signalled - what a waiting thread does about SIGUSR1; @leads or follows */
static int signalled(bool leads, int64_t until, bool goes_on)
{
	struct fake *fake = fake_new();
	struct reader leader, reader;
	unsigned int count = atomic_load(&handled);
	int result;

	if (!leads)
		reader_start(&leader, fake, 1, INET_NEVER, 1);
	reader_start(&reader, fake, 0, until, 1);
	assert_int_equal(pthread_kill(reader.thread, SIGUSR1), 0);
	wait_count(&handled, count + 1);
	if (goes_on) {
		assert_int_equal(wait_thread_blocked(atomic_load(&reader.tid)), 0);
		assert_false(atomic_load(&reader.done));
		fake_frame(fake, 0);
	}
	result = reader_end(&reader);
	if (!leads) {
		fake_frame(fake, 1);
		assert_int_equal(reader_end(&leader), 0);
	}
	fake_idle(fake);
	fake_free(fake);
	return result;
}

static void signals_interrupt_as_signal_7_says(void **state)
{
	int64_t later = usock__clock() + HOUR;

	(void)state;
	for (unsigned int leads = 0; leads < 2; leads++) {
		install(SIGUSR1, 0);
		assert_int_equal(signalled(leads, INET_NEVER, false), -EINTR);
		assert_int_equal(signalled(leads, later, false), -EINTR);
		install(SIGUSR1, SA_RESTART);
		assert_int_equal(signalled(leads, INET_NEVER, true), 0);
		assert_int_equal(signalled(leads, later, false), -EINTR);
	}
	signal(SIGUSR1, SIG_DFL);
}

static void a_blocked_signal_does_not_count(void **state)
{
	sigset_t set, old;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	install(SIGUSR1, SA_RESTART);
	install(SIGUSR2, 0); /* lacks SA_RESTART, but cannot have run */
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, &old), 0);
	assert_int_equal(signalled(true, INET_NEVER, true), 0);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
}

static void a_signal_is_not_drowned(void **state)
{
	struct fake *fake = fake_new();
	struct reader leader;

	(void)state;
	install(SIGUSR1, 0);
	flood_start(&leader, fake, 0, INET_NEVER);
	assert_int_equal(pthread_kill(leader.thread, SIGUSR1), 0);
	assert_int_equal(reader_end(&leader), -EINTR);
	atomic_store(&fake->flooded, false);
	signal(SIGUSR1, SIG_DFL);
	fake_idle(fake);
	fake_free(fake);
}

/* ---------------------------------------------------------------------------------------------------- cancellation */

/** reader_cancel - cancel it, and see that it is gone */
static void reader_cancel(struct reader *reader)
{
	void *result;

	assert_int_equal(pthread_cancel(reader->thread), 0);
	assert_int_equal(pthread_join(reader->thread, &result), 0);
	assert_ptr_equal(result, PTHREAD_CANCELED);
}

static void a_cancelled_thread_leaves_all_in_order(void **state)
{
	struct reader leader, reader;
	struct fake *fake;

	(void)state;
	if (!MAY_CANCEL)
		skip();
	fake = fake_new();
	for (unsigned int i = 0; i < 10; i++) {
		reader_start(&leader, fake, 0, i % 2 ? INET_NEVER : usock__clock() + HOUR, 1);
		reader_start(&reader, fake, 1, i % 4 < 2 ? INET_NEVER : usock__clock() + HOUR, 1);
		if (i % 3) {
			reader_cancel(&reader);
			reader_cancel(&leader);
		} else {
			reader_cancel(&leader);
			fake_frame(fake, 1); /* the loop goes on */
			assert_int_equal(reader_end(&reader), 0);
		}
		fake_idle(fake);
	}
	fake_frame(fake, 0);
	assert_int_equal(fake_recv(fake, 0, INET_NEVER), 0);
	fake_free(fake);
}

static void a_thread_may_be_cancelled_when_it_is_woken(void **state)
{
	struct fake *fake;

	(void)state;
	if (!MAY_CANCEL)
		skip();
	fake = fake_new();
	for (unsigned int i = 0; i < 100; i++) {
		struct reader leader, reader;
		void *result[2];

		reader_start(&leader, fake, 0, INET_NEVER, 1);
		reader_start(&reader, fake, 1, INET_NEVER, 1);
		fake_frame(fake, i % 2);
		fake_frame(fake, 1 - i % 2);
		pthread_cancel(reader.thread);
		pthread_cancel(leader.thread);
		assert_int_equal(pthread_join(reader.thread, &result[0]), 0);
		assert_int_equal(pthread_join(leader.thread, &result[1]), 0);
		/* Each has its frame, or it is still there. */
		if (result[1] == PTHREAD_CANCELED)
			assert_int_equal(fake_recv(fake, 0, INET_NEVER), 0);
		if (result[0] == PTHREAD_CANCELED)
			assert_int_equal(fake_recv(fake, 1, INET_NEVER), 0);
		fake_idle(fake);
	}
	fake_free(fake);
}

static void cancellation_is_not_drowned(void **state)
{
	struct reader leader;
	struct fake *fake;

	(void)state;
	if (!MAY_CANCEL)
		skip();
	fake = fake_new();
	flood_start(&leader, fake, 0, INET_NEVER);
	reader_cancel(&leader);
	atomic_store(&fake->flooded, false);
	fake_idle(fake);
	fake_free(fake);
}

static void cancellation_waits_for_the_lock(void **state)
{
	struct fake *fake = fake_new();
	int type;

	(void)state;
	usock_lock(&fake->stack);
	assert_int_equal(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &type), 0);
	assert_int_equal(type, PTHREAD_CANCEL_DISABLE);
	usock_unlock(&fake->stack);
	assert_int_equal(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &type), 0);
	assert_int_equal(type, PTHREAD_CANCEL_ENABLE);
	fake_free(fake);
}

/* ----------------------------------------------------------------------------------------------------------- crowds */

static void a_crowd_loses_nothing(void **state)
{
	enum { ROUNDS = 500 };
	struct fake *fake = fake_new();
	struct reader reader[SOCKETS];
	struct timespec pause = {.tv_nsec = 1000};

	(void)state;
	for (unsigned int i = 0; i < SOCKETS; i++)
		reader_start(&reader[i], fake, i, i % 2 ? INET_NEVER : usock__clock() + HOUR, ROUNDS);
	for (unsigned int n = 0; n < ROUNDS; n++) {
		for (unsigned int i = 0; i < SOCKETS; i++)
			fake_frame(fake, (i + n) % SOCKETS);
		if (n % 7 == 0) {
			usock_lock(&fake->stack);
			usock__later(&fake->stack);
			atomic_store(&fake->deadline, usock_now(&fake->stack) + n * 1000);
			usock_unlock(&fake->stack);
		}
		if (n % 3 == 0)
			nanosleep(&pause, NULL); /* lets readers come to sleep now and then */
	}
	for (unsigned int i = 0; i < SOCKETS; i++) {
		assert_int_equal(reader_end(&reader[i]), 0);
		assert_int_equal(atomic_load(&reader[i].taken), ROUNDS);
	}
	fake_idle(fake);
	fake_free(fake);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, remember, nothing_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(the_loop_drives_when_nobody_waits),
	        TEST(a_thread_that_waits_drives),
	        TEST(a_frame_for_another_wakes_that_one_too),
	        TEST(the_next_to_wait_takes_over),
	        TEST(the_loop_waits_for_who_is_always_back_at_once),
	        TEST(the_loop_does_not_wait_long),
	        TEST(the_loop_does_not_wait_when_others_do),
	        TEST(all_that_wait_for_a_socket_are_woken),
	        TEST(what_happens_in_a_call_wakes_who_waits),
	        TEST(what_is_of_no_interest_wakes_nobody),
	        TEST(what_is_put_off_is_done_soon),
	        TEST(a_network_may_go_while_its_frame_comes),
	        TEST(a_flood_in_memory_keeps_nobody_waiting),
	        TEST(waiting_ends_in_time),
	        TEST(deadlines_are_kept_by_whoever_drives),
	        TEST(deadlines_of_packets_wake_nobody),
	        TEST(timers_fire_in_order),
	        TEST(signals_interrupt_as_signal_7_says),
	        TEST(a_blocked_signal_does_not_count),
	        TEST(a_signal_is_not_drowned),
	        TEST(a_cancelled_thread_leaves_all_in_order),
	        TEST(a_thread_may_be_cancelled_when_it_is_woken),
	        TEST(cancellation_is_not_drowned),
	        TEST(cancellation_waits_for_the_lock),
	        TEST(a_crowd_loses_nothing),
	};

	return cmocka_run_group_tests(tests, warm_up, NULL);
}
