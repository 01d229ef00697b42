/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_shm_parts.c - a network in shared memory, part by part: locators, sizes, rings, the table of addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

/* ------------------------------------------------------------------------------------------------------ locators */

static const struct {
	const char *text;
	const char *path; /* NULL: refused */
	mode_t mode;
	uint32_t ports, slots, mtu, age;
} locators[] = {
        {"/tmp/n", "/tmp/n", 0, 1024, 1024, 9216, 300},
        {"/tmp/n/", "/tmp/n", 0, 1024, 1024, 9216, 300},
        {"n", "n", 0, 1024, 1024, 9216, 300},
        {"/tmp/n/ports=8", "/tmp/n", 0, 8, 1024, 9216, 300},
        {"/tmp/n/ports=8/slots=64/mtu=1500/age=5/mode=660", "/tmp/n", 0660, 8, 64, 1500, 5},
        {"/tmp/n[ports=8/mode=0600]", "/tmp/n", 0600, 8, 1024, 9216, 300},
        {"/tmp/n/mtu=1500[ports=8]", "/tmp/n", 0, 8, 1024, 1500, 300},
        {"/tmp/a=b/n", "/tmp/a=b/n", 0, 1024, 1024, 9216, 300},
        {"/tmp/A=b", "/tmp/A=b", 0, 1024, 1024, 9216, 300},
        {"", NULL, 0, 0, 0, 0, 0},
        {"ports=8", NULL, 0, 0, 0, 0, 0},
        {"/ports=8", NULL, 0, 0, 0, 0, 0},
        {"/tmp/n/ports=", NULL, 0, 0, 0, 0, 0},
        {"/tmp/n/ports=1", NULL, 0, 0, 0, 0, 0},
        {"/tmp/n/ports=4097", NULL, 0, 0, 0, 0, 0},
        {"/tmp/n/ports=-8", NULL, 0, 0, 0, 0, 0},
        {"/tmp/n/ports=8x", NULL, 0, 0, 0, 0, 0},
        {"/tmp/n/ports=99999999999999999999", NULL, 0, 0, 0, 0, 0},
        {"/tmp/n/slots=63", NULL, 0, 0, 0, 0, 0},
        {"/tmp/n/slots=65537", NULL, 0, 0, 0, 0, 0},
        {"/tmp/n/mtu=67", NULL, 0, 0, 0, 0, 0},
        {"/tmp/n/mtu=9217", NULL, 0, 0, 0, 0, 0},
        {"/tmp/n/age=0", NULL, 0, 0, 0, 0, 0},
        {"/tmp/n/mode=888", NULL, 0, 0, 0, 0, 0},
        {"/tmp/n/mode=1777", NULL, 0, 0, 0, 0, 0},
        {"/tmp/n/group=no-such-group", NULL, 0, 0, 0, 0, 0},
        {"/tmp/n/colour=red", NULL, 0, 0, 0, 0, 0},
        {"/tmp/n[ports=8", NULL, 0, 0, 0, 0, 0},
        {"/tmp/n[ports]", NULL, 0, 0, 0, 0, 0},
};

static void locators_are_taken_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(locators) / sizeof(locators[0]); i++) {
		char *text = strdup(locators[i].text); /* exactly as long as it is, for AddressSanitizer */
		struct shm_options o;
		int err = shm_options_parse(text, &o);

		if (!locators[i].path) {
			if (err == 0)
				fail_msg("'%s' was accepted", locators[i].text);
		} else {
			if (err != 0)
				fail_msg("'%s': %s", locators[i].text, strerror(-err));
			assert_string_equal(o.path, locators[i].path);
			assert_int_equal(o.mode, locators[i].mode);
			assert_int_equal(o.ports, locators[i].ports);
			assert_int_equal(o.slots, locators[i].slots);
			assert_int_equal(o.mtu, locators[i].mtu);
			assert_int_equal(o.age, locators[i].age);
		}
		free(text);
	}
}

static void a_group_is_a_name_or_a_number(void **state)
{
	char name[] = "/n/group=root", number[] = "/n/group=42", none[] = "/n";
	struct shm_options o;

	(void)state;
	assert_int_equal(shm_options_parse(name, &o), 0);
	assert_int_equal(o.group, 0);
	assert_int_equal(shm_options_parse(number, &o), 0);
	assert_int_equal(o.group, 42);
	assert_int_equal(shm_options_parse(none, &o), 0);
	assert_int_equal(o.group, (gid_t)-1);
}

static void parts_of_the_memory_do_not_overlap(void **state)
{
	static const uint32_t ports[] = {2, 64, 65, 1024, 4096}, slots[] = {64, 65, 1000, 65536};
	struct shm_geometry g;

	(void)state;
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		for (size_t j = 0; j < sizeof(slots) / sizeof(slots[0]); j++) {
			assert_int_equal(shm_geometry_make(ports[i], slots[j], 1500, 1, &g), 0);
			assert_true(g.ports >= ports[i] && g.ports % 64 == 0);
			assert_true(g.slots >= slots[j] && (g.slots & (g.slots - 1)) == 0);
			assert_int_equal(g.units & (g.units - 1), 0);
			assert_int_equal(g.buckets & (g.buckets - 1), 0);
			assert_true(g.active >= sizeof(struct shm_header));
			assert_true(g.table >= g.active + g.ports / 8);
			assert_true(g.control >= g.table + (size_t)g.buckets * SHM_LINE);
			assert_true(g.rings >= g.control + g.ports * sizeof(struct shm_control));
			assert_true(g.areas >= g.rings + (size_t)g.ports * g.slots * 8);
			assert_true(g.size >= g.areas + (size_t)g.ports * g.units * SHM_LINE);
		}
	}
}

/* --------------------------------------------------------------------------------------------------------- rings */

#define SLOTS 64

/** struct ring - with all that it needs */
struct ring {
	struct shm_ring ring;
	_Atomic uint64_t slot[SLOTS], tail, head;
};

static uint64_t ring_make(struct ring *r)
{
	memset(r, 0, sizeof(*r));
	r->ring = (struct shm_ring){.slot = r->slot, .tail = &r->tail, .head = &r->head, .mask = SLOTS - 1, .shift = 6};
	return shm_ring_reset(&r->ring);
}

static void words_come_in_the_order_they_were_put(void **state)
{
	uint64_t head, word, index, at, put = 0, got = 0;
	struct ring r;

	(void)state;
	head = ring_make(&r);
	at = head;
	for (unsigned int round = 0; round < 1000; round++) {
		for (unsigned int i = 0; i < round % (SLOTS + 1); i++) {
			assert_int_equal(shm_ring_put(&r.ring, put++, &index), 0);
			assert_int_equal(index, at++);
		}
		while (shm_ring_look(&r.ring, head, &word) == 1) {
			assert_int_equal(word, got++);
			head = shm_ring_next(&r.ring, head);
		}
		assert_int_equal(got, put);
		assert_int_equal(atomic_load(&r.head), head);
	}
}

static void a_full_ring_takes_no_more(void **state)
{
	uint64_t head, word, index;
	struct ring r;

	(void)state;
	head = ring_make(&r);
	for (uint64_t i = 0; i < SLOTS; i++)
		assert_int_equal(shm_ring_put(&r.ring, i, &index), 0);
	assert_int_equal(shm_ring_put(&r.ring, 99, &index), -EAGAIN);
	assert_int_equal(shm_ring_look(&r.ring, head, &word), 1);
	head = shm_ring_next(&r.ring, head);
	assert_int_equal(shm_ring_put(&r.ring, 64, &index), 0);
	assert_int_equal(shm_ring_put(&r.ring, 99, &index), -EAGAIN);
	for (uint64_t i = 1; i <= SLOTS; i++) {
		assert_int_equal(shm_ring_look(&r.ring, head, &word), 1);
		assert_int_equal(word, i);
		head = shm_ring_next(&r.ring, head);
	}
	assert_int_equal(shm_ring_look(&r.ring, head, &word), 0);
}

static void a_word_has_44_bits(void **state)
{
	uint64_t head, word, index;
	struct ring r;

	(void)state;
	head = ring_make(&r);
	assert_int_equal(shm_ring_put(&r.ring, UINT64_MAX, &index), 0);
	assert_int_equal(shm_ring_look(&r.ring, head, &word), 1);
	assert_int_equal(word, SHM_WORD_MASK);
}

/* A sender that is killed between its two steps leaves a word, and tail behind it. */
static void a_dead_sender_is_helped_on(void **state)
{
	uint64_t head, word, index;
	struct ring r;

	(void)state;
	head = ring_make(&r);
	assert_int_equal(shm_ring_put(&r.ring, 1, &index), 0);
	atomic_store(&r.tail, head);
	assert_int_equal(shm_ring_put(&r.ring, 2, &index), 0);
	assert_int_equal(index, head + 1);
	assert_int_equal(atomic_load(&r.tail), head + 2);
	/* and when the receiver has been there already */
	assert_int_equal(shm_ring_look(&r.ring, head, &word), 1);
	head = shm_ring_next(&r.ring, head);
	assert_int_equal(word, 1);
	atomic_store(&r.tail, head - 1);
	assert_int_equal(shm_ring_put(&r.ring, 3, &index), 0);
	assert_int_equal(index, head + 1);
}

/* A sender that slept through the change of owners finds its slot in another lap. */
static void a_late_sender_finds_a_new_ring_closed(void **state)
{
	uint64_t head, word;
	struct ring r;
	uint64_t old;

	(void)state;
	head = ring_make(&r);
	old = atomic_load(&r.slot[head % SLOTS]);
	head = shm_ring_reset(&r.ring);
	assert_true(old != atomic_load(&r.slot[head % SLOTS]));
	assert_int_equal(shm_ring_look(&r.ring, head, &word), 0);
}

static void scribbled_tails_are_put_right(void **state)
{
	uint64_t head, word, index;
	struct ring r;

	(void)state;
	head = ring_make(&r);
	for (unsigned int i = 0; i < 1000; i++) {
		/* nonsense near and far */
		uint64_t tail = i % 4 == 0   ? head + i
		                : i % 4 == 1 ? (uint64_t)i << 40
		                : i % 4 == 2 ? head - i
		                             : (uint64_t)random() << 32 | (uint64_t)random();
		int placed;

		atomic_store(&r.tail, tail);
		atomic_store(&r.head, tail);
		placed = shm_ring_put(&r.ring, 7, &index);
		while (shm_ring_look(&r.ring, head, &word) != 0)
			head = shm_ring_next(&r.ring, head);
		shm_ring_repair(&r.ring, head);
		assert_int_equal(atomic_load(&r.tail), head);
		assert_int_equal(atomic_load(&r.head), head);
		/* what was placed too far ahead comes in its time, or blocks nobody */
		(void)placed;
		assert_int_equal(shm_ring_put(&r.ring, 8, &index), 0);
		while (shm_ring_look(&r.ring, head, &word) != 0) {
			assert_true(word == 7 || word == 8);
			head = shm_ring_next(&r.ring, head);
		}
	}
}

static void scribbled_slots_are_passed_over(void **state)
{
	uint64_t head, word, index;
	unsigned int passed = 0;
	struct ring r;

	(void)state;
	head = ring_make(&r);
	for (unsigned int i = 0; i < SLOTS; i++)
		atomic_store(&r.slot[i], UINT64_C(0xdeadbeefdeadbeef) * (i + 3));
	while (shm_ring_look(&r.ring, head, &word) != 0) {
		assert_true(++passed <= SLOTS);
		head = shm_ring_next(&r.ring, head);
	}
	shm_ring_repair(&r.ring, head);
	assert_int_equal(shm_ring_put(&r.ring, 5, &index), 0);
	assert_int_equal(shm_ring_look(&r.ring, head, &word), 1);
	assert_int_equal(word, 5);
}

#define SENDERS 4
#define EACH 50000

struct sender {
	struct ring *r;
	unsigned int number;
};

static void *send_words(void *arg)
{
	struct sender *s = arg;
	uint64_t index;

	for (uint64_t i = 0; i < EACH; i++)
		while (shm_ring_put(&s->r->ring, (uint64_t)s->number << 32 | i, &index) != 0)
			sched_yield();
	return NULL;
}

static void many_senders_lose_nothing_and_keep_their_order(void **state)
{
	struct sender sender[SENDERS];
	pthread_t thread[SENDERS];
	uint64_t head, word, next[SENDERS] = {0}, left = (uint64_t)SENDERS * EACH;
	struct ring r;

	(void)state;
	head = ring_make(&r);
	for (unsigned int i = 0; i < SENDERS; i++) {
		sender[i] = (struct sender){&r, i};
		assert_int_equal(pthread_create(&thread[i], NULL, send_words, &sender[i]), 0);
	}
	while (left > 0) {
		int found = shm_ring_look(&r.ring, head, &word);

		assert_true(found >= 0);
		if (found == 0) {
			shm_ring_repair(&r.ring, head); /* has to be harmless at any time */
			sched_yield();
			continue;
		}
		assert_true(word >> 32 < SENDERS);
		assert_int_equal((uint32_t)word, next[word >> 32]++);
		head = shm_ring_next(&r.ring, head);
		left--;
	}
	for (unsigned int i = 0; i < SENDERS; i++)
		pthread_join(thread[i], NULL);
}

/* --------------------------------------------------------------------------------------------------------- table */

#define BUCKETS 4

static _Alignas(SHM_LINE) struct shm_entry entries[BUCKETS * SHM_WAYS];
static const struct shm_table table = {entries, BUCKETS, 300};

static const unsigned char *mac(unsigned int n)
{
	static unsigned char address[6];

	address[0] = 2;
	address[4] = (unsigned char)(n >> 8);
	address[5] = (unsigned char)n;
	return address;
}

static void addresses_are_learnt_move_and_age(void **state)
{
	uint32_t generation = 0;

	(void)state;
	memset(entries, 0, sizeof(entries));
	assert_int_equal(shm_table_find(&table, mac(1), 1000, &generation), -1);
	shm_table_learn(&table, mac(1), 7, 3, 1000);
	assert_int_equal(shm_table_find(&table, mac(1), 1000, &generation), 7);
	assert_int_equal(generation, 3);
	assert_int_equal(shm_table_find(&table, mac(2), 1000, &generation), -1);
	shm_table_learn(&table, mac(1), 4095, 5, 1010);
	assert_int_equal(shm_table_find(&table, mac(1), 1010, &generation), 4095);
	assert_int_equal(generation, 5);
	assert_int_equal(shm_table_find(&table, mac(1), 1310, &generation), 4095);
	assert_int_equal(shm_table_find(&table, mac(1), 1311, &generation), -1);
	shm_table_learn(&table, mac(1), 4095, 5, 1311);
	assert_int_equal(shm_table_find(&table, mac(1), 1311, &generation), 4095);
	/* who asks looked at the clock some time ago, and the clock goes round */
	assert_int_equal(shm_table_find(&table, mac(1), 1310, &generation), 4095);
	assert_int_equal(shm_table_find(&table, mac(1), 1300, &generation), 4095);
	shm_table_learn(&table, mac(1), 1, 5, UINT32_MAX - 10);
	assert_int_equal(shm_table_find(&table, mac(1), 20, &generation), 1);
}

static void the_address_that_is_silent_for_longest_gives_way(void **state)
{
	unsigned int found = 0;
	uint32_t generation;

	(void)state;
	memset(entries, 0, sizeof(entries));
	for (unsigned int i = 0; i < 1000; i++)
		shm_table_learn(&table, mac(i), i, 1, i);
	for (unsigned int i = 0; i < 1000; i++) {
		int port = shm_table_find(&table, mac(i), 1000, &generation);

		assert_true(port == -1 || port == (int)i);
		found += port >= 0;
	}
	assert_int_equal(found, BUCKETS * SHM_WAYS);
	assert_int_equal(shm_table_find(&table, mac(999), 1000, &generation), 999);
}

static void zero_is_no_address(void **state)
{
	static const unsigned char zero[6];
	uint32_t generation;

	(void)state;
	memset(entries, 0, sizeof(entries));
	shm_table_learn(&table, zero, 7, 1, 1);
	assert_int_equal(shm_table_find(&table, zero, 1, &generation), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(locators_are_taken_apart),
	        cmocka_unit_test(a_group_is_a_name_or_a_number),
	        cmocka_unit_test(parts_of_the_memory_do_not_overlap),
	        cmocka_unit_test(words_come_in_the_order_they_were_put),
	        cmocka_unit_test(a_full_ring_takes_no_more),
	        cmocka_unit_test(a_word_has_44_bits),
	        cmocka_unit_test(a_dead_sender_is_helped_on),
	        cmocka_unit_test(a_late_sender_finds_a_new_ring_closed),
	        cmocka_unit_test(scribbled_tails_are_put_right),
	        cmocka_unit_test(scribbled_slots_are_passed_over),
	        cmocka_unit_test(many_senders_lose_nothing_and_keep_their_order),
	        cmocka_unit_test(addresses_are_learnt_move_and_age),
	        cmocka_unit_test(the_address_that_is_silent_for_longest_gives_way),
	        cmocka_unit_test(zero_is_no_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
