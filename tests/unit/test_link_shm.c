/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_link_shm.c - ports on a network in shared memory: who is awake is not woken, who sleeps is, once, and nothing is
 * lost between the two; ports that are lent to threads of the program; connections, whose owners look by themselves.
 *
 * How often somebody was woken the network itself counts; it is looked at from outside, as `ioth net` does.
 */
#include "link_fake.h"

#include <errno.h>
#include <libvdeplug.h>
#include <net.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "wait.h"

#define ROUNDS 50
#define FRAMES_MAX 10000

static struct shm_net seen;
static unsigned char frame[128], got[128];
static atomic_int ended;

/** open_pair - two ports on one loop, and the network seen from outside */
static void open_pair(struct fake *a, struct fake *b)
{
	const char *vnl = fake_vnl("shm", "net");
	cpu_set_t old;

	fake_init(a);
	fake_init(b);
	assert_true(fake_cores(1, &old));
	assert_int_equal(fake_open(a, vnl, "vde0", NULL), 0);
	assert_int_equal(fake_open(b, vnl, "vde1", NULL), 0);
	assert_return_code(sched_setaffinity(0, sizeof(old), &old), errno);
	assert_int_equal(shm_net_look(strstr(vnl, "://") + 3, &seen), 0);
	fake_exchange(a, b);
}

static void close_pair(struct fake *a, struct fake *b)
{
	shm_net_unlook(&seen);
	fake_close(a);
	fake_close(b);
}

/** wakes - system calls made to wake somebody, by ports 0 to 2 */
static uint64_t wakes(void)
{
	uint64_t n = 0;

	for (uint32_t port = 0; port < 3; port++)
		n += atomic_load(&shm_control_of(&seen, port)->sent.wakes);
	return n;
}

/** wait_asleep - wait until @port wants to be woken */
static void wait_asleep(uint32_t port)
{
	long end = wait_now_ms() + WAIT_MS;

	while (atomic_load(&shm_control_of(&seen, port)->asleep) == 0)
		assert_true(wait_again(end));
}

/** numbered - a frame from the one station of these tests to the other that says @number */
static void numbered(unsigned int number)
{
	static const unsigned char header[14] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};

	fake_pattern(frame, sizeof(frame), number);
	memcpy(frame, header, sizeof(header));
}

/** introduce - let the network know where @fake is, with the address that numbered() sends to */
static void introduce(struct fake *fake, struct fake *other)
{
	static const unsigned char addresses[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};

	numbered(0);
	memcpy(frame, addresses, sizeof(addresses));
	fake_send_all(fake, frame, sizeof(frame));
	assert_int_equal(fake_receive(other, got, sizeof(got)), sizeof(frame));
}

/* The loop is held fast while the queue of the first device is filled, so it has no reason to sleep before all is through. */
static void a_loop_that_is_awake_is_not_woken(void **state)
{
	struct fake a, b;

	(void)state;
	open_pair(&a, &b);
	introduce(&b, &a);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		unsigned int sent = 0;
		uint64_t woken;

		fake_hold(&b);
		numbered(0);
		fake_send_all(&a, frame, sizeof(frame));
		fake_held(&b);
		woken = wakes();
		for (numbered(sent + 1); sent < FRAMES_MAX && fake_send(&a, frame, sizeof(frame)); numbered(sent + 1))
			sent++;
		assert_in_range(sent, LINK_BATCH, FRAMES_MAX - 1);
		fake_release(&b);
		for (unsigned int i = 0; i <= sent; i++) {
			assert_int_equal(fake_receive(&b, got, sizeof(got)), sizeof(frame));
			numbered(i);
			assert_memory_equal(got, frame, sizeof(frame));
		}
		assert_int_equal(wakes(), woken);
	}
	close_pair(&a, &b);
}

/** stranger - a port on the network of the pair that is no loop's */
static VDECONN *stranger(void)
{
	char url[200], description[] = "test";
	VDECONN *conn;

	snprintf(url, sizeof(url), "%s", fake_vnl("shm", "net"));
	conn = vde_open(url, description, NULL);
	assert_non_null(conn);
	return conn;
}

/** hand_over - a frame that says @number from a stranger */
static void hand_over(VDECONN *conn, unsigned int number)
{
	numbered(number);
	assert_int_equal(vde_send(conn, frame, sizeof(frame), 0), sizeof(frame));
}

/** takes - it has come */
static void takes(struct fake *fake)
{
	assert_int_equal(fake_receive(fake, got, sizeof(got)), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
}

static void a_loop_that_sleeps_is_woken_once(void **state)
{
	struct fake a, b;
	VDECONN *conn;

	(void)state;
	open_pair(&a, &b);
	conn = stranger();
	introduce(&b, &a);
	assert_int_equal(fake_frames(&a, 0), 0);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		uint64_t woken;

		wait_asleep(1);
		woken = wakes();
		for (unsigned int i = 0; i < 3; i++) {
			numbered(round + i);
			assert_int_equal(vde_send(conn, frame, sizeof(frame), 0), sizeof(frame));
		}
		for (unsigned int i = 0; i < 3; i++) {
			assert_int_equal(fake_receive(&b, got, sizeof(got)), sizeof(frame));
			numbered(round + i);
			assert_memory_equal(got, frame, sizeof(frame));
		}
		/* It may have gone back to sleep between two of them. */
		assert_in_range(wakes() - woken, 1, 3);
	}
	assert_int_equal(vde_close(conn), 0);
	close_pair(&a, &b);
}

/* Frames come while the loop is on its way to sleep, at every moment of it. */
static void nothing_is_lost_on_the_way_to_sleep(void **state)
{
	struct fake a, b;
	VDECONN *conn;

	(void)state;
	open_pair(&a, &b);
	conn = stranger();
	introduce(&b, &a);
	for (unsigned int i = 0; i < 20 * ROUNDS; i++) {
		/* from at once to beyond the time that a loop looks for more */
		int64_t until = shm_now_ns() + (int64_t)(i % ROUNDS) * 2000;

		while (shm_now_ns() < until)
			;
		hand_over(conn, i);
		takes(&b);
	}
	assert_int_equal(vde_close(conn), 0);
	close_pair(&a, &b);
}

/* A port that is awake may leave: nobody looks at it any more. */
static void a_port_leaves_while_it_is_looked_at(void **state)
{
	struct fake a, b;

	(void)state;
	open_pair(&a, &b);
	introduce(&b, &a);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct fake c;

		fake_init(&c);
		assert_int_equal(fake_open(&c, fake_vnl("shm", "net"), "vde2", NULL), 0);
		numbered(round);
		memset(frame, 0xff, 6);
		fake_send_all(&a, frame, sizeof(frame));
		assert_int_equal(fake_receive(&c, got, sizeof(got)), sizeof(frame));
		fake_close(&c);
		assert_int_equal(fake_receive(&b, got, sizeof(got)), sizeof(frame));
	}
	close_pair(&a, &b);
}

/* ------------------------------------------------------------------------------------------------------- ports that are lent */

/** open_lendable - as open_pair, with devices that take segments */
static void open_lendable(struct fake *a, struct fake *b)
{
	const char *vnl = fake_vnl("shm", "net");

	fake_init(a);
	fake_init(b);
	a->segments = b->segments = true;
	assert_int_equal(fake_open(a, vnl, "vde0", NULL), 0);
	assert_int_equal(fake_open(b, vnl, "vde1", NULL), 0);
	assert_int_equal(shm_net_look(strstr(vnl, "://") + 3, &seen), 0);
	fake_exchange(a, b);
}

/** open_three - as well, and a stranger; frames of numbered() go to @b */
static VDECONN *open_three(struct fake *a, struct fake *b)
{
	VDECONN *conn;

	open_lendable(a, b);
	conn = stranger();
	introduce(b, a);
	return conn;
}

static void close_three(struct fake *a, struct fake *b, VDECONN *conn)
{
	assert_int_equal(vde_close(conn), 0);
	close_pair(a, b);
}

/** drive - have a port lent; its loop may just be looking whether it is time to take it back */
static void drive(struct fake *fake)
{
	int moved;

	do
		moved = link_port_drive(fake->port);
	while (moved == -EBUSY);
	assert_true(moved >= 0);
}

/** answer - a frame from one port to the other, where a stranger has the address that numbered() sends from */
static void answer(struct fake *from, struct fake *to)
{
	static const unsigned char addresses[12] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 2};

	numbered(0);
	memcpy(frame, addresses, sizeof(addresses));
	fake_send_all(from, frame, sizeof(frame));
	assert_int_equal(fake_receive(to, got, sizeof(got)), sizeof(frame));
}

static void only_ports_in_shared_memory_are_lent(void **state)
{
	struct fake a, b;

	(void)state;
	open_lendable(&a, &b);
	assert_true(link_port_lendable(a.port));
	close_pair(&a, &b);
	open_pair(&a, &b); /* the device takes no segments */
	assert_false(link_port_lendable(a.port));
	close_pair(&a, &b);
	fake_init(&a);
	a.segments = true;
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "line"), "vde0", NULL), 0);
	assert_false(link_port_lendable(a.port));
	fake_close(&a);
}

static void who_drives_moves_frames_both_ways(void **state)
{
	struct fake a, b;
	VDECONN *conn;

	(void)state;
	conn = open_three(&a, &b);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		drive(&b);
		hand_over(conn, round);
		/* It is there when the call returns, or the loop had it: the lease may have ended on a busy machine. */
		drive(&b);
		takes(&b);
		answer(&b, &a);
	}
	close_three(&a, &b, conn);
}

static void who_drives_need_not_be_woken(void **state)
{
	struct fake a, b;
	VDECONN *conn;
	unsigned int quiet = 0;

	(void)state;
	conn = open_three(&a, &b);
	for (unsigned int round = 0; round < 20 * ROUNDS; round++) {
		uint64_t woken;

		drive(&b);
		woken = wakes();
		hand_over(conn, round);
		drive(&b);
		assert_int_equal(fake_receive(&b, got, sizeof(got)), sizeof(frame));
		quiet += wakes() == woken;
	}
	/* But for the times when this thread was away for longer than the lease, which may be often on a busy machine. */
	assert_in_range(quiet, ROUNDS, 20 * ROUNDS);
	close_three(&a, &b, conn);
}

/* Who has driven goes away, in one of two ways, and frames come at every moment of it. */
static void nothing_is_lost_when_a_port_is_given_back(void **state)
{
	struct fake a, b;
	VDECONN *conn;

	(void)state;
	conn = open_three(&a, &b);
	for (unsigned int i = 0; i < 10 * ROUNDS; i++) {
		/* from at once to beyond the lease */
		int64_t until = shm_now_ns() + (int64_t)(i % ROUNDS) * 40000;

		drive(&b);
		if (i & 1)
			link_port_rest(b.port);
		while (shm_now_ns() < until)
			;
		hand_over(conn, i);
		takes(&b);
		if (i % 4 == 3)
			answer(&b, &a);
	}
	close_three(&a, &b, conn);
}

static void *drive_for_ever(void *arg)
{
	struct fake *fake = arg;

	for (int moved = 0; atomic_load(&ended) == 0; moved = link_port_drive(fake->port))
		assert_true(moved >= 0 || moved == -EBUSY);
	return NULL;
}

static void many_threads_drive_in_turn(void **state)
{
	struct fake a, b;
	pthread_t thread[3];
	VDECONN *conn;

	(void)state;
	conn = open_three(&a, &b);
	atomic_store(&ended, 0);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, drive_for_ever, &b), 0);
	for (unsigned int i = 0; i < 10 * ROUNDS; i++) {
		hand_over(conn, i);
		if (i % 16 == 0)
			link_port_rest(b.port);
		takes(&b);
	}
	atomic_store(&ended, 1);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	close_three(&a, &b, conn);
}

/* The receiver does not take what is sent: frames are kept, and sent by whoever has the port when there is room again. */
static void a_full_network_is_waited_for(void **state)
{
	static const unsigned char broadcast[14] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};
	unsigned int sent = 0, taken = 0;
	struct fake a, b;
	VDECONN *conn;
	long end;

	(void)state;
	open_lendable(&a, &b);
	conn = stranger();
	assert_int_equal(vde_send(conn, broadcast, sizeof(broadcast), 0), sizeof(broadcast));
	assert_int_equal(fake_receive(&a, got, sizeof(got)), sizeof(broadcast));
	assert_int_equal(fake_receive(&b, got, sizeof(got)), sizeof(broadcast));
	numbered(0);
	do {
		while (sent < FRAMES_MAX && fake_send(&a, frame, sizeof(frame)))
			sent++;
	} while (link_port_drive(a.port) != 0); /* it may be busy */
	assert_in_range(sent, LINK_BATCH, FRAMES_MAX - 1);
	/* On a very busy machine the network has lost patience with the receiver, and counts what it loses. */
	end = wait_now_ms() + WAIT_MS;
	while (taken + atomic_load(&shm_control_of(&seen, 0)->sent.full) +
	               atomic_load(&shm_control_of(&seen, 2)->received.lost) <
	       sent) {
		taken += vde_recv(conn, got, sizeof(got), MSG_DONTWAIT) == sizeof(frame);
		if (taken % 3 == 0)
			drive(&a);
		assert_true(wait_now_ms() < end);
	}
	close_three(&a, &b, conn);
}

static void a_port_is_closed_while_it_is_lent(void **state)
{
	struct fake a, b;

	(void)state;
	open_lendable(&a, &b);
	drive(&a);
	close_pair(&a, &b);
}

/** tells - is the descriptor of a connection readable? */
static bool tells(const struct link_conn *conn)
{
	struct pollfd p = {.fd = link_conn_fd(conn), .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

/** comes - the next frame of a connection is here, and it says @number */
static void comes(struct link_conn *conn, unsigned int number)
{
	numbered(number);
	assert_int_equal(link_conn_recv(conn, got, sizeof(got), false), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
}

static void send_numbered(struct link_conn *conn, unsigned int number)
{
	numbered(number);
	assert_int_equal(link_conn_send(conn, frame, sizeof(frame)), 0);
}

static void a_connection_is_told_only_when_its_owner_does_not_look(void **state)
{
	const char *vnl = fake_vnl("shm", "net");
	struct link_conn *a, *b;
	uint64_t woken;

	(void)state;
	assert_int_equal(link_conn_open(vnl, "vde0", NULL, &a), 0);
	assert_int_equal(link_conn_open(vnl, "vde1", NULL, &b), 0);
	assert_int_equal(shm_net_look(strstr(vnl, "://") + 3, &seen), 0);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		assert_int_equal(link_conn_recv(b, got, sizeof(got), true), -EAGAIN);
		send_numbered(a, 0);
		assert_true(tells(b));
		assert_false(link_conn_waiting(b)); /* nobody said that he would look */
		link_conn_awake(b);
		assert_true(link_conn_waiting(b));
		comes(b, 0);
		woken = wakes();
		for (unsigned int i = 1; i < LINK_BATCH; i++) {
			assert_false(link_conn_waiting(b));
			assert_int_equal(link_conn_recv(b, got, sizeof(got), false), -EAGAIN);
			send_numbered(a, i);
			assert_true(link_conn_waiting(b));
			comes(b, i);
		}
		assert_int_equal(wakes(), woken);
		/* What has come without a word is told of when nobody looks any more. */
		send_numbered(a, round);
		link_conn_rest(b);
		assert_true(tells(b));
		comes(b, round);
		/* Nothing has. */
		link_conn_awake(b);
		link_conn_rest(b);
		assert_int_equal(link_conn_recv(b, got, sizeof(got), true), -EAGAIN);
		assert_false(tells(b));
	}
	shm_net_unlook(&seen);
	link_conn_close(a);
	link_conn_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(a_loop_that_is_awake_is_not_woken, fake_remember, fake_nothing_left),
	        cmocka_unit_test_setup_teardown(a_loop_that_sleeps_is_woken_once, fake_remember, fake_nothing_left),
	        cmocka_unit_test_setup_teardown(nothing_is_lost_on_the_way_to_sleep, fake_remember, fake_nothing_left),
	        cmocka_unit_test_setup_teardown(a_port_leaves_while_it_is_looked_at, fake_remember, fake_nothing_left),
	        cmocka_unit_test_setup_teardown(only_ports_in_shared_memory_are_lent, fake_remember, fake_nothing_left),
	        cmocka_unit_test_setup_teardown(who_drives_moves_frames_both_ways, fake_remember, fake_nothing_left),
	        cmocka_unit_test_setup_teardown(who_drives_need_not_be_woken, fake_remember, fake_nothing_left),
	        cmocka_unit_test_setup_teardown(nothing_is_lost_when_a_port_is_given_back, fake_remember,
	                                        fake_nothing_left),
	        cmocka_unit_test_setup_teardown(many_threads_drive_in_turn, fake_remember, fake_nothing_left),
	        cmocka_unit_test_setup_teardown(a_full_network_is_waited_for, fake_remember, fake_nothing_left),
	        cmocka_unit_test_setup_teardown(a_port_is_closed_while_it_is_lent, fake_remember, fake_nothing_left),
	        cmocka_unit_test_setup_teardown(a_connection_is_told_only_when_its_owner_does_not_look, fake_remember,
	                                        fake_nothing_left),
	};

	return cmocka_run_group_tests(tests, fake_group, NULL);
}
