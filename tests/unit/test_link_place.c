/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_link_place.c - where a loop runs, with a clock of the test's own and processors that remember what was asked of
 * them.
 */
#include "private.h"
#include "sched_fake.h"

#define MS 1000000LL
#define DEAR 30000 /* ns */
#define CHEAP 5000

static int setup(void **state)
{
	(void)state;
	sched_fake_begin(3, 1, 5);
	return 0;
}

/** turns - @count turns of @length ns each from @now on, one every 50 microseconds; the time after them */
static int64_t turns(struct link__place *place, int64_t now, int count, int64_t length)
{
	for (int i = 0; i < count; i++, now += 50000)
		link__place_turn(place, now, now + length);
	assert_true(CPU_EQUAL(&fake.now, &fake.allowed)); /* never left pinned */
	return now;
}

static void test_cheap_stays(void **state)
{
	struct link__place place = {0};

	(void)state;
	turns(&place, 5000 * MS, 10000, CHEAP);
	assert_int_equal(fake.moves, 0);
}

static void test_seldom_dear_stays(void **state)
{
	struct link__place place = {0};
	int64_t now = 5000 * MS;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		now = turns(&place, now, 1, DEAR);
		now = turns(&place, now, 2, CHEAP);
	}
	assert_int_equal(fake.moves, 0);
}

static void test_dear_moves_round(void **state)
{
	struct link__place place = {0};

	(void)state;
	turns(&place, 5000 * MS, 20, DEAR);
	assert_int_equal(fake.moves, 1);
	assert_int_equal(fake.cpu, 5);
	turns(&place, 6000 * MS, 20, DEAR);
	assert_int_equal(fake.moves, 2);
	assert_int_equal(fake.cpu, 1); /* the first that is allowed comes after the last */
}

static void test_useless_is_tried_less_often(void **state)
{
	struct link__place place = {0};

	(void)state;
	/* a minute, all of it dear: at most one a second, and those of the first second */
	turns(&place, 5000 * MS, 60 * 20000, DEAR);
	assert_in_range(fake.moves, 40, 70);
}

static void test_useful_is_not_put_off(void **state)
{
	struct link__place place = {0};
	int64_t now = 5000 * MS;

	(void)state;
	now = turns(&place, now, 60 * 20000, DEAR);
	fake.moves = 0;
	/* Now each move helps, until the scheduler undoes it after a tenth of a second. */
	now = turns(&place, now + 10000 * MS, 2000, CHEAP);
	for (int i = 0; i < 10; i++) {
		now = turns(&place, now, 20, DEAR);
		assert_int_equal(fake.moves, i + 1);
		now = turns(&place, now, 2000, CHEAP);
	}
}

static void test_one_processor(void **state)
{
	struct link__place place = {0};

	(void)state;
	CPU_ZERO(&fake.allowed);
	CPU_SET(3, &fake.allowed);
	fake.now = fake.allowed;
	turns(&place, 5000 * MS, 100000, DEAR);
	assert_int_equal(fake.moves, 0);
}

static void test_refused(void **state)
{
	struct link__place place = {0};

	(void)state;
	fake.refuse = true;
	turns(&place, 5000 * MS, 100000, DEAR);
	assert_int_equal(fake.moves, 0);
	assert_int_equal(fake.cpu, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(test_cheap_stays, setup),
	        cmocka_unit_test_setup(test_seldom_dear_stays, setup),
	        cmocka_unit_test_setup(test_dear_moves_round, setup),
	        cmocka_unit_test_setup(test_useless_is_tried_less_often, setup),
	        cmocka_unit_test_setup(test_useful_is_not_put_off, setup),
	        cmocka_unit_test_setup(test_one_processor, setup),
	        cmocka_unit_test_setup(test_refused, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
