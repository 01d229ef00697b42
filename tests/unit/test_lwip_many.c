/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_lwip_many.c - many connections: what one of them costs does not depend on how many there are.
 *
 * Costs are counted in instructions (tests/lib/steps.h), with few connections and with many, each time of the one that
 * was used longest ago. A cost that grows with the number grows a hundredfold here; the little that it may grow is
 * caches of ours being cold.
 */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../plugins/lwip/engine.h"
#include "lwip_fake.h"
#include "steps.h"

#define SECOND INT64_C(1000000000)
#define FEW 10U
#define MANY 10000U
#define PORTS 30000U /* connections from one port number of a */
#define STEPS_MAX 2000000

static int64_t now;
static struct usock_stack *a, *b;
static struct sock *listener, *sock[MANY], *peer[MANY];
static unsigned int count;

/** connect_up_to - have @wanted connections from a to b, the first one used longest ago */
static void connect_up_to(unsigned int wanted)
{
	for (; count < wanted; count++) {
		sock[count] = fake_connect(a, b, count & 1 ? AF_INET : AF_INET6, PORTS + count, 80);
		assert_int_equal(sock[count]->error, 0);
		fake_run(a, b, NULL, NULL, SECOND / 1000);
		assert_true(sock[count]->connected);
		assert_non_null(b->accepted);
		peer[count] = b->accepted;
		assert_int_equal(peer[count]->tcp.remote.port, PORTS + count);
	}
}

static int setup(void **state)
{
	(void)state;
	now = SECOND;
	count = 0;
	a = fake_open(&now, 1, 1500);
	b = fake_open(&now, 2, 1500);
	if (!a || !b)
		return -1;
	fake_join(a, b);
	b->backlog = MANY;
	listener = fake_listen(b, AF_INET6, 80);
	return listener ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < count; i++)
		fake_free(sock[i]);
	fake_free(listener);
	fake_close(a);
	fake_close(b);
	return 0;
}

static void arrive(void *stack)
{
	if (!fake_step(stack))
		abort();
}

static void tick(void *stack)
{
	lwip_engine.timers(((struct usock_stack *)stack)->e);
}

/** struct costs - in instructions */
struct costs {
	long data, ack, syn, nobody, tick;
};

/** arrival - what it costs @stack that the frame arrives which is on its way to it; it does */
static long arrival(struct usock_stack *stack)
{
	long steps = steps_of(arrive, stack, STEPS_MAX);

	arrive(stack);
	return steps;
}

/** measure - with the connections that there are */
static struct costs measure(void)
{
	size_t before = peer[0]->received;
	struct sock *more;
	struct costs c;

	/* Everything that is bound late has been, and nothing is on the way. */
	fake_run(a, b, NULL, NULL, SECOND / 10);
	assert_int_equal(fake_send(sock[0], before, 1000, false), 1000);
	c.data = arrival(b);
	assert_int_equal(peer[0]->received, before + 1000);
	while (!a->frames && lwip_engine.deadline(b->e) != INET_NEVER) {
		now = lwip_engine.deadline(b->e);
		lwip_engine.timers(b->e);
	}
	c.ack = arrival(a);
	assert_int_equal(lwip_engine.tcp_unacked(a->e, &sock[0]->tcp), 0);
	more = fake_connect(a, b, AF_INET, PORTS - 1, 81);
	c.nobody = arrival(b);
	arrive(a);
	assert_int_equal(more->error, -ECONNREFUSED);
	fake_free(more);
	more = fake_connect(a, b, AF_INET, PORTS - 1, 80);
	c.syn = arrival(b);
	fake_free(more);
	fake_run(a, b, NULL, NULL, SECOND / 10);
	if (((struct engine *)b->e)->due[CLOCK_SLOW] != INET_NEVER)
		now = ((struct engine *)b->e)->due[CLOCK_SLOW];
	c.tick = steps_of(tick, b, STEPS_MAX);
	return c;
}

/** independent - of the number of connections: it did not grow by half */
static void independent(const char *what, long few, long many)
{
	print_message("%-20s %7ld instructions with %u connections, %7ld with %u\n", what, few, FEW, many, count);
	assert_in_range(few, 100, STEPS_MAX);
	assert_in_range(many, 100, few + few / 2);
}

static void test_costs(void **state)
{
	struct engine *e = b->e;
	struct costs few, many;

	(void)state;
	connect_up_to(FEW);
	few = measure();
	if (few.data == -1)
		skip(); /* tracing is forbidden here */
	connect_up_to(MANY);
	/* Nothing happens on them, and in a second nobody is woken any more. */
	fake_run(a, b, NULL, NULL, 5 * SECOND);
	assert_int_equal(lwip_engine.deadline(e), INET_NEVER);
	many = measure();
	independent("data", few.data, many.data);
	independent("acknowledgement", few.ack, many.ack);
	independent("SYN to a listener", few.syn, many.syn);
	independent("SYN to nobody", few.nobody, many.nobody);
	independent("half-second tick", few.tick, many.tick);
	assert_int_equal(e->conns.count, MANY);
}

/** test_memory - what a connection takes that nothing happens on; docs/stacks/lwip.md says so */
static void test_memory(void **state)
{
	size_t before = mallinfo2().uordblks, each;

	(void)state;
	if (before == 0)
		skip(); /* a sanitizer has its own allocator, which does not say */
	connect_up_to(1000);
	/* there are both ends of each, and two struct sock of the test */
	each = (mallinfo2().uordblks - before) / 2000 - sizeof(struct sock);
	print_message("%zu bytes for a connection\n", each);
	assert_in_range(each, sizeof(struct tcp_pcb), 600);
}

/* ------------------------------------------------------------------------------------------------------ the right one
 */

#define TALKERS 400U

/** talk - each connection sends its own number of bytes; all of them arrive where they should */
static void talk(const bool *gone)
{
	size_t before[TALKERS];

	for (unsigned int i = 0; i < TALKERS; i++) {
		before[i] = gone[i] ? 0 : peer[i]->received;
		if (!gone[i])
			assert_int_equal(fake_send(sock[i], before[i], i + 1, false), i + 1);
	}
	fake_run(a, b, NULL, NULL, SECOND / 5);
	for (unsigned int i = 0; i < TALKERS; i++) {
		if (gone[i])
			continue;
		assert_int_equal(peer[i]->received, before[i] + i + 1);
		assert_int_equal(peer[i]->bad, 0);
		assert_int_equal(lwip_engine.tcp_unacked(a->e, &sock[i]->tcp), 0);
	}
}

static void test_right_one(void **state)
{
	struct engine *e = a->e;
	bool gone[TALKERS] = {false};
	unsigned int left = TALKERS;

	(void)state;
	connect_up_to(TALKERS);
	talk(gone);
	/* They end in any order and in any way. */
	for (unsigned int i = 7; left > TALKERS / 2; i = (i + 73) % TALKERS) {
		if (gone[i])
			continue;
		gone[i] = true;
		left--;
		if (i % 3 == 0)
			lwip_engine.tcp_abort(e, &sock[i]->tcp);
		else
			lwip_engine.tcp_close(e, &sock[i]->tcp);
		if (i % 16 == 0)
			talk(gone);
	}
	fake_run(a, b, NULL, NULL, SECOND);
	for (unsigned int i = 0; i < TALKERS; i++) {
		if (gone[i] && !peer[i]->error)
			lwip_engine.tcp_close(b->e, &peer[i]->tcp);
	}
	talk(gone);
	assert_int_equal(((struct engine *)b->e)->conns.count, left);
	assert_true(e->over_count > 0);
	/* TIME-WAIT is over, or gives way to a new connection. */
	for (unsigned int i = 0; i < TALKERS; i++) {
		if (gone[i] && i % 2) {
			fake_free(sock[i]);
			sock[i] = fake_connect(a, b, i & 1 ? AF_INET : AF_INET6, PORTS + i, 80);
			assert_int_equal(sock[i]->error, 0);
			fake_run(a, b, NULL, NULL, SECOND / 1000);
			assert_true(sock[i]->connected);
			peer[i] = b->accepted;
			gone[i] = false;
			left++;
		}
	}
	talk(gone);
	fake_run(a, b, NULL, NULL, 70 * SECOND);
	assert_int_equal(e->over_count, 0);
	assert_int_equal(e->conns.count, left);
	assert_int_equal(e->connections, left);
	talk(gone);
}

/** test_time_wait - connections in TIME-WAIT are limited, and the oldest go first */
static void test_time_wait(void **state)
{
	struct engine *e = a->e;

	(void)state;
	for (unsigned int i = 0; i < 17000; i++) {
		struct sock *s = fake_connect(a, b, AF_INET, 1024 + i, 80);

		assert_int_equal(s->error, 0);
		fake_run(a, b, NULL, NULL, SECOND / 1000);
		assert_true(s->connected);
		lwip_engine.tcp_close(e, &s->tcp);
		fake_run(a, b, NULL, NULL, SECOND / 1000);
		lwip_engine.tcp_close(b->e, &b->accepted->tcp);
		fake_run(a, b, NULL, NULL, SECOND / 1000);
		fake_free(s);
		s = b->accepted;
		b->accepted = s->next;
		fake_free(s);
	}
	fake_run(a, b, NULL, NULL, SECOND);
	assert_int_equal(e->over_count, 16384);
	assert_int_equal(e->connections, 16384);
	assert_int_equal(TAILQ_LAST(&e->over, conn_queue)->pcb.local_port, 1024 + 17000 - 16384);
	fake_run(a, b, NULL, NULL, 70 * SECOND);
	assert_int_equal(e->connections, 0);
	assert_int_equal(lwip_engine.deadline(e), INET_NEVER);
}

/** test_listeners - a SYN comes to the listener of its port, however many there are, and those that have ended are not
 * asked */
static void test_listeners(void **state)
{
	static struct sock *more[500];

	(void)state;
	for (unsigned int i = 0; i < 500; i++) {
		more[i] = fake_listen(b, i & 1 ? AF_INET : AF_INET6, 1000 + i);
		assert_non_null(more[i]);
	}
	for (unsigned int i = 0; i < 500; i += 3) {
		lwip_engine.tcp_close(b->e, &more[i]->tcp);
		assert_null(more[i]->tcp.pcb);
	}
	for (unsigned int i = 0; i < 500; i++) {
		struct sock *s = fake_connect(a, b, AF_INET, PORTS, 1000 + i);

		fake_run(a, b, NULL, NULL, SECOND / 100);
		assert_int_equal(s->error, i % 3 ? 0 : -ECONNREFUSED);
		assert_int_equal(s->connected, i % 3 != 0);
		if (i % 3)
			assert_int_equal(b->accepted->tcp.local.port, 1000 + i);
		fake_free(s);
		fake_run(a, b, NULL, NULL, SECOND / 100);
	}
	for (unsigned int i = 0; i < 500; i++)
		fake_free(more[i]);
	assert_int_equal(((struct engine *)b->e)->listeners.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_costs, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_right_one, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_time_wait, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_listeners, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
