/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_link_spin.c - how long a thread looks for more before it sleeps, with a clock of the test's own: a look takes
 * LOOK_NS, and what is to be found comes at a certain time.
 */
#include "private.h"
#include "sched_fake.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define US 1000LL
#define LOOK_NS (5 * US)
#define POLL_NS (50 * US)
#define MOMENT (60 * US) /* that the thread sleeps */
#define LONG 10000000LL
#define LOOKS ((unsigned int)(POLL_NS / LOOK_NS)) /* in the time that is looked for at first */

static int64_t now, comes;
static int epfd, fd;
static struct link_spin spin;

/** pass - time goes by, and what comes may be there */
static void pass(int64_t ns)
{
	now += ns;
	if (comes != 0 && now >= comes) {
		assert_return_code(eventfd_write(fd, 1), errno);
		comes = 0;
	}
}

int64_t link__now(void)
{
	pass(LOOK_NS);
	return now;
}

static int setup(void **state)
{
	struct epoll_event event = {.events = EPOLLIN};

	(void)state;
	sched_fake_begin(0, 1, 2);
	now = LONG;
	comes = 0;
	spin = (struct link_spin){.ns = POLL_NS};
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	return fd >= 0 && epfd >= 0 ? epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event) : -1;
}

static int teardown(void **state)
{
	(void)state;
	close(fd);
	return close(epfd);
}

/** look - have the thread look for something that comes in @in ns, 0: never; how many times it has looked at its set */
static unsigned int look(int64_t in, int expected)
{
	unsigned int before = fake.yields;
	struct epoll_event event;
	eventfd_t value;

	comes = in != 0 ? now + in : 0;
	assert_int_equal(link_spin(&spin, epfd, &event, 1, INT64_MAX), expected);
	assert_int_equal(expected, eventfd_read(fd, &value) == 0);
	comes = 0;
	return fake.yields - before;
}

static void what_comes_soon_is_found(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_in_range(look(POLL_NS / 2, 1), LOOKS / 2 - 1, LOOKS / 2 + 1);
		pass(MOMENT);
	}
}

static void a_lone_frame_is_not_waited_for_longer(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(look(0, 0), LOOKS);
		pass(LONG);
	}
}

static void what_comes_a_little_later_is_found_from_then_on(void **state)
{
	(void)state;
	assert_int_equal(look(2 * POLL_NS - 2 * LOOK_NS, 0), LOOKS);
	pass(MOMENT);
	for (int i = 0; i < 1000; i++) {
		assert_in_range(look(2 * POLL_NS - 2 * LOOK_NS, 1), LOOKS + 1, 2 * LOOKS);
		pass(MOMENT);
	}
	/* Found or not, after a long sleep it begins anew. */
	assert_int_equal(look(0, 0), 2 * LOOKS);
	pass(LONG);
	assert_int_equal(look(0, 0), LOOKS);
}

static void what_comes_too_late_is_given_up(void **state)
{
	unsigned int looks = 0;

	(void)state;
	assert_int_equal(look(0, 0), LOOKS);
	pass(MOMENT);
	assert_int_equal(look(0, 0), 2 * LOOKS);
	pass(MOMENT);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(look(0, 0), 4 * LOOKS);
		pass(MOMENT);
	}
	/* And tried again now and then. */
	for (int i = 0; i < 100; i++) {
		assert_int_equal(look(0, 0), 0);
		pass(MOMENT);
	}
	assert_int_equal(look(0, 0), LOOKS);
	pass(MOMENT);
	for (int i = 0; i < 100000; i++) {
		looks += look(0, 0);
		pass(MOMENT);
	}
	assert_in_range(looks, 1, 100000 * LOOKS / 3);
}

static void what_was_found_makes_up_for_what_was_not(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		unsigned int looks = look(0, 0);

		assert_in_range(looks, i < 2 ? LOOKS : 2 * LOOKS, 4 * LOOKS);
		pass(MOMENT);
		assert_in_range(look(POLL_NS / 2, 1), 1, LOOKS);
		pass(MOMENT);
	}
}

/** found - see struct link_spin */
static bool found(void *arg)
{
	return --*(int *)arg == 0;
}

static void what_no_descriptor_tells_of_is_found_as_well(void **state)
{
	int after;

	(void)state;
	spin.look = found;
	spin.arg = &after;
	for (int i = 0; i < 1000; i++) {
		after = 3;
		assert_int_equal(look(0, 0), 2);
		pass(MOMENT);
	}
	after = -1;
	assert_int_equal(look(0, 0), LOOKS);
}

static void it_ends_when_it_has_to(void **state)
{
	struct epoll_event event;

	(void)state;
	assert_int_equal(link_spin(&spin, epfd, &event, 1, now + 3 * LOOK_NS), 0);
	assert_int_equal(fake.yields, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	        TEST(what_comes_soon_is_found),
	        TEST(a_lone_frame_is_not_waited_for_longer),
	        TEST(what_comes_a_little_later_is_found_from_then_on),
	        TEST(what_comes_too_late_is_given_up),
	        TEST(what_was_found_makes_up_for_what_was_not),
	        TEST(what_no_descriptor_tells_of_is_found_as_well),
	        TEST(it_ends_when_it_has_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
