/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_shm_net.c - shm:// networks as programs see them, through vde_open(3): who gets which frame, waking, full
 * queues, ports that come, go and die, who may join, offload, and that nothing is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libvdeplug_mod.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "left.h"
#include "vdeplug_shm.h"
#include "wait.h"

static char dir[] = "/tmp/shm-test-XXXXXX";
static char net[64], url[160], description[] = "test";
static struct left before;

static VDECONN *join(const char *options)
{
	char text[300];

	snprintf(text, sizeof(text), "%s%s", url, options);
	return vde_open(text, description, NULL);
}

static VDECONN *port(void)
{
	VDECONN *conn = join("");

	if (!conn)
		fail_msg("vde_open %s: %s", url, strerror(errno));
	return conn;
}

/** frame - one from address @from to @to (0xff: all) that says @what */
static void frame(unsigned char *out, size_t len, unsigned int to, unsigned int from, uint32_t what)
{
	memset(out, 0, len);
	if (to == 0xff)
		memset(out, 0xff, 6);
	else
		out[0] = 2, out[5] = (unsigned char)to;
	out[6] = 2;
	out[11] = (unsigned char)from;
	memcpy(out + 14, &what, sizeof(what));
}

static void say(VDECONN *conn, unsigned int to, unsigned int from, uint32_t what)
{
	unsigned char f[64];

	frame(f, sizeof(f), to, from, what);
	assert_int_equal(vde_send(conn, f, sizeof(f), 0), sizeof(f));
}

/** heard - what the next frame says; -1: there is none */
static int64_t heard(VDECONN *conn)
{
	unsigned char f[100];
	uint32_t what;
	ssize_t n = vde_recv(conn, f, sizeof(f), MSG_DONTWAIT);

	if (n < 0) {
		assert_int_equal(errno, EAGAIN);
		return -1;
	}
	assert_int_equal(n, 64);
	memcpy(&what, f + 14, sizeof(what));
	return what;
}

static bool readable(VDECONN *conn)
{
	struct pollfd p = {.fd = vde_datafd(conn), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static int begin(void **state)
{
	(void)state;
	snprintf(net, sizeof(net), "%s/net", dir);
	snprintf(url, sizeof(url), "shm://%s", net);
	return left_count(&before);
}

static int end(void **state)
{
	char text[512];
	struct stat st;

	(void)state;
	if (stat(net, &st) == 0) {
		print_error("%s is still there\n", net);
		return -1;
	}
	if (left_since(&before, text, sizeof(text)) != 0) {
		print_error("left: %s\n", text);
		return -1;
	}
	return 0;
}

/* --------------------------------------------------------------------------------------------------------- switch */

static void frames_go_where_they_should(void **state)
{
	VDECONN *a = port(), *b = port(), *c = port();

	(void)state;
	/* unknown, so to all, but not back */
	say(a, 2, 1, 10);
	assert_int_equal(heard(b), 10);
	assert_int_equal(heard(c), 10);
	assert_int_equal(heard(a), -1);
	/* learnt */
	say(b, 1, 2, 11);
	assert_int_equal(heard(a), 11);
	assert_int_equal(heard(c), -1);
	say(a, 2, 1, 12);
	assert_int_equal(heard(b), 12);
	assert_int_equal(heard(c), -1);
	/* to all */
	say(a, 0xff, 1, 13);
	assert_int_equal(heard(b), 13);
	assert_int_equal(heard(c), 13);
	/* moved */
	say(c, 0xff, 2, 14);
	assert_int_equal(heard(a), 14);
	assert_int_equal(heard(b), 14);
	say(a, 2, 1, 15);
	assert_int_equal(heard(c), 15);
	assert_int_equal(heard(b), -1);
	/* to oneself */
	say(a, 1, 1, 16);
	assert_int_equal(heard(a), -1);
	assert_int_equal(heard(b), -1);
	assert_int_equal(heard(c), -1);
	/* gone, so unknown */
	vde_close(c);
	say(a, 2, 1, 17);
	assert_int_equal(heard(b), 17);
	vde_close(b);
	say(a, 2, 1, 18);
	vde_close(a);
}

static void a_port_number_that_is_used_again_is_somebody_else(void **state)
{
	VDECONN *a = port(), *b = port(), *c = port();

	(void)state;
	say(b, 0xff, 2, 1);
	assert_int_equal(heard(a), 1);
	assert_int_equal(heard(c), 1);
	say(a, 2, 1, 2); /* still in the queue of b */
	vde_close(b);
	b = port();
	assert_int_equal(heard(b), -1);
	say(a, 2, 1, 3);
	assert_int_equal(heard(b), 3);
	assert_int_equal(heard(c), 3); /* nobody knows where 2 is now */
	vde_close(a);
	vde_close(b);
	vde_close(c);
}

static void frames_of_all_sizes_pass(void **state)
{
	static unsigned char out[9300], in[9300];
	VDECONN *a = port(), *b = port();
	size_t len;

	(void)state;
	for (unsigned int i = 0; i < 20000; i++) {
		len = 14 + (size_t)(random() % (9234 - 14 + 1));
		frame(out, len < 18 ? 18 : len, 2, 1, i);
		for (size_t j = 18; j < len; j++)
			out[j] = (unsigned char)(i + j);
		assert_int_equal(vde_send(a, out, len, MSG_DONTWAIT), len);
		assert_int_equal(vde_recv(b, in, sizeof(in), MSG_DONTWAIT), len);
		assert_memory_equal(in, out, len);
	}
	assert_int_equal(vde_send(a, out, 13, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(vde_send(a, out, 9235, 0), -1);
	assert_int_equal(errno, EMSGSIZE);
	/* a small buffer gets the beginning */
	assert_int_equal(vde_send(a, out, 100, 0), 100);
	assert_int_equal(vde_recv(b, in, 40, MSG_DONTWAIT), 40);
	assert_memory_equal(in, out, 40);
	assert_int_equal(heard(b), -1);
	vde_close(a);
	vde_close(b);
}

static void the_mtu_is_the_creators(void **state)
{
	static unsigned char out[9300];
	VDECONN *a = join("/mtu=1500/ports=64"), *b = join("/mtu=9000");

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	frame(out, sizeof(out), 0xff, 1, 0);
	assert_int_equal(vde_send(b, out, 1518, 0), 1518);
	assert_int_equal(vde_send(b, out, 1519, 0), -1);
	assert_int_equal(errno, EMSGSIZE);
	vde_close(a);
	vde_close(b);
}

/* --------------------------------------------------------------------------------------------------------- waking */

static void a_sleeper_is_woken_once(void **state)
{
	VDECONN *a = port(), *b = port();
	char byte;

	(void)state;
	assert_false(readable(b));
	say(a, 2, 1, 0); /* one that has never received */
	assert_true(readable(b));
	assert_int_equal(heard(b), 0);
	assert_int_equal(heard(b), -1);
	assert_false(readable(b));
	say(a, 2, 1, 1);
	assert_true(readable(b));
	say(a, 2, 1, 2);
	say(a, 2, 1, 3);
	/* one datagram for three frames */
	assert_int_equal(recv(vde_datafd(b), &byte, 1, MSG_DONTWAIT), 1);
	assert_int_equal(recv(vde_datafd(b), &byte, 1, MSG_DONTWAIT), -1);
	for (int i = 1; i <= 3; i++)
		assert_int_equal(heard(b), i);
	/* awake: not a single one */
	say(a, 2, 1, 4);
	assert_false(readable(b));
	assert_int_equal(heard(b), 4);
	assert_int_equal(heard(b), -1);
	say(a, 2, 1, 5);
	assert_true(readable(b));
	/* a datagram without a frame is forgotten */
	assert_int_equal(heard(b), 5);
	assert_int_equal(heard(b), -1);
	assert_false(readable(b));
	vde_close(a);
	vde_close(b);
}

/* Programs that receive one frame each time that poll says so. */
static void it_is_readable_while_there_is_something(void **state)
{
	VDECONN *a = port(), *b = port();
	unsigned char f[64];
	uint32_t sent = 0, got = 0;

	(void)state;
	for (unsigned int i = 0; i < 3000; i++) {
		for (unsigned int n = (unsigned int)random() % 4; n > 0; n--)
			say(a, 2, 1, sent++);
		for (unsigned int n = (unsigned int)random() % 4; n > 0 && got < sent; n--) {
			ssize_t len;

			assert_true(readable(b));
			len = vde_recv(b, f, sizeof(f), 0);
			if (len == 1) /* readable for nothing */
				n++;
			else
				got++;
		}
	}
	while (readable(b))
		got += vde_recv(b, f, sizeof(f), 0) == sizeof(f);
	assert_int_equal(got, sent);
	vde_close(a);
	vde_close(b);
}

static void receiving_waits_unless_told_not_to(void **state)
{
	VDECONN *a = port();
	unsigned char f[64];
	int fds[2], flags = fcntl(vde_datafd(a), F_GETFL);
	pid_t child;
	char byte;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		VDECONN *b = join("");

		if (!b || write(fds[1], "x", 1) != 1)
			_exit(1);
		_exit(vde_recv(b, f, sizeof(f), 0) == 64 && f[14] == 7 ? vde_close(b) : 2);
	}
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(wait_process_blocked(child), 0);
	say(a, 0xff, 1, 7);
	{
		int status;

		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(fcntl(vde_datafd(a), F_SETFL, flags | O_NONBLOCK), 0);
	assert_int_equal(vde_recv(a, f, sizeof(f), 0), -1);
	assert_int_equal(errno, EAGAIN);
	vde_close(a);
}

/* ----------------------------------------------------------------------------------------------------- full queues */

static void a_sender_waits_for_a_full_queue_but_not_for_ever(void **state)
{
	VDECONN *a = join("/slots=64"), *b = join(""), *c = join("");
	long deadline = wait_now_ms() + WAIT_MS;
	unsigned char f[64];
	uint32_t n = 0, got;
	ssize_t sent;

	(void)state;
	say(b, 0xff, 2, 0);
	say(c, 0xff, 3, 0);
	assert_int_equal(heard(b), 0);
	assert_int_equal(heard(c), 0);
	frame(f, sizeof(f), 2, 1, 0);
	while ((sent = vde_send(a, f, sizeof(f), MSG_DONTWAIT)) == sizeof(f))
		frame(f, sizeof(f), 2, 1, ++n);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(n, 64);
	/* others are not concerned */
	say(a, 3, 1, 1000);
	assert_int_equal(heard(c), 1000);
	/* room again */
	assert_int_equal(heard(b), 0);
	assert_int_equal(vde_send(a, f, sizeof(f), MSG_DONTWAIT), sizeof(f));
	for (got = 1; got <= 64; got++)
		assert_int_equal(heard(b), got);
	assert_int_equal(heard(b), -1);
	/* it does not move any more: after some time frames for it are lost, and sending succeeds */
	for (n = 0; n < 64; n++)
		say(a, 2, 1, n);
	while (vde_send(a, f, sizeof(f), MSG_DONTWAIT) < 0) {
		assert_int_equal(errno, EAGAIN);
		assert_true(wait_again(deadline));
	}
	assert_int_equal(vde_send(a, f, sizeof(f), MSG_DONTWAIT), sizeof(f));
	for (n = 0; n < 64; n++)
		assert_int_equal(heard(b), n);
	assert_int_equal(heard(b), -1);
	/* and it is trusted again when it has read */
	for (n = 0; n < 64; n++)
		say(a, 2, 1, n);
	assert_int_equal(vde_send(a, f, sizeof(f), MSG_DONTWAIT), -1);
	vde_close(a);
	vde_close(b);
	vde_close(c);
}

/* The areas of senders are smaller than the rings of receivers may make it seem. */
static void large_frames_fill_an_area_and_none_is_damaged(void **state)
{
	static unsigned char out[9234], in[9234];
	VDECONN *a = port(), *b = port();
	uint32_t n = 0, got = 0;

	(void)state;
	for (unsigned int round = 0; round < 50; round++) {
		for (;;) {
			frame(out, sizeof(out), 2, 1, n);
			memset(out + 18, (int)n, sizeof(out) - 18);
			if (vde_send(a, out, sizeof(out), MSG_DONTWAIT) < 0)
				break;
			n++;
		}
		assert_int_equal(errno, EAGAIN);
		for (unsigned int i = 0; i < 1 + round && got < n; i++, got++) {
			assert_int_equal(vde_recv(b, in, sizeof(in), MSG_DONTWAIT), sizeof(in));
			assert_memory_equal(in + 14, &got, 4);
			for (size_t j = 18; j < sizeof(in); j += 1000)
				assert_int_equal(in[j], (unsigned char)got);
		}
	}
	vde_close(a);
	vde_close(b);
}

/* --------------------------------------------------------------------------------------------------------- threads */

#define THREADS 4
#define ROUNDS 20000

struct talker {
	VDECONN *conn;
	unsigned int id;
	uint32_t sent, next[THREADS];
};

/** listen_to - receive what there is, at most 100 frames; false when it is not in its turn */
static bool listen_to(struct talker *t)
{
	unsigned char f[1000];
	uint32_t what;

	for (int i = 0; i < 100 && vde_recv(t->conn, f, sizeof(f), MSG_DONTWAIT) > 0; i++) {
		unsigned int from = f[11];

		memcpy(&what, f + 14, sizeof(what));
		if (from >= THREADS || f[5] != t->id || what != t->next[from]++)
			return false;
	}
	return true;
}

/** talk - send to every other by turns until everything has been sent and received */
static void *talk(void *arg)
{
	struct talker *t = arg;
	unsigned char f[1000];
	bool all = false;

	while (!all) {
		if (!listen_to(t))
			return NULL;
		for (unsigned int to = 0; to < THREADS && t->sent < ROUNDS; to++) {
			if (to == t->id)
				continue;
			frame(f, sizeof(f), to, t->id, t->sent);
			while (vde_send(t->conn, f, 64 + t->sent % 900, MSG_DONTWAIT) < 0)
				if (!listen_to(t))
					return NULL;
		}
		t->sent += t->sent < ROUNDS;
		all = t->sent == ROUNDS;
		for (unsigned int from = 0; from < THREADS; from++)
			all &= from == t->id || t->next[from] == ROUNDS;
	}
	return t;
}

static void ports_of_several_threads_lose_nothing(void **state)
{
	struct talker talker[THREADS] = {0};
	pthread_t thread[THREADS];
	unsigned char f[64];
	void *result;

	(void)state;
	for (unsigned int i = 0; i < THREADS; i++)
		talker[i] = (struct talker){.conn = port(), .id = i};
	for (unsigned int i = 0; i < THREADS; i++)
		say(talker[i].conn, 0xff, i, 0);
	for (unsigned int i = 0; i < THREADS; i++)
		while (vde_recv(talker[i].conn, f, sizeof(f), MSG_DONTWAIT) > 0)
			;
	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, talk, &talker[i]), 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(thread[i], &result), 0);
		assert_non_null(result);
	}
	for (unsigned int i = 0; i < THREADS; i++)
		vde_close(talker[i].conn);
}

/* ------------------------------------------------------------------------------------------------- coming and going */

static void many_ports_fit_and_numbers_come_back(void **state)
{
	static VDECONN *conn[64];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < 64; i++)
			assert_non_null(conn[i] = join("/ports=64"));
		assert_null(join(""));
		assert_int_equal(errno, ENOSPC);
		say(conn[5], 0xff, 1, 9);
		for (unsigned int i = 0; i < 64; i++)
			assert_int_equal(heard(conn[i]), i == 5 ? -1 : 9);
		for (unsigned int i = 0; i < 64; i++)
			vde_close(conn[i]);
	}
}

static void a_thousand_ports_hear_a_broadcast(void **state)
{
	static VDECONN *conn[1024];
	unsigned int n = 0;

	(void)state;
	while (n < 1024 && (conn[n] = join("/slots=64")))
		n++;
	if (n < 1024)
		assert_int_equal(errno, EMFILE); /* the limit of descriptors is below 2,100 */
	assert_true(n > 100);
	say(conn[0], 0xff, 1, 9);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(heard(conn[i]), i == 0 ? -1 : 9);
	for (unsigned int i = 0; i < n; i++)
		vde_close(conn[i]);
}

/** other - a process with a port that says hello and waits to be killed */
static pid_t other(unsigned int mac, bool close_first)
{
	int fds[2];
	pid_t child;
	char byte;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		VDECONN *conn = join("");

		if (!conn)
			_exit(1);
		say(conn, 0xff, mac, mac);
		if (close_first)
			_exit(vde_close(conn));
		if (write(fds[1], "x", 1) == 1)
			pause();
		_exit(2);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), close_first ? 0 : 1);
	close(fds[0]);
	return child;
}

static void a_dead_port_is_cleared_away(void **state)
{
	VDECONN *a = join("/ports=64"), *rest[64];
	char name[100];
	struct stat st;
	pid_t child;

	(void)state;
	child = other(2, false);
	assert_int_equal(heard(a), 2);
	snprintf(name, sizeof(name), "%s/p1", net);
	assert_int_equal(stat(name, &st), 0);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	/* it was asleep; who would wake it finds out */
	say(a, 2, 1, 1);
	while (stat(name, &st) == 0)
		say(a, 2, 1, 1);
	assert_int_equal(errno, ENOENT);
	/* and whoever joins finds all numbers free but one, whether anybody found out or not */
	child = other(3, false);
	assert_int_equal(heard(a), 3);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	for (unsigned int i = 0; i < 63; i++)
		assert_non_null(rest[i] = join(""));
	assert_null(join(""));
	for (unsigned int i = 0; i < 63; i++)
		vde_close(rest[i]);
	vde_close(a);
}

static void what_was_sent_before_leaving_arrives(void **state)
{
	VDECONN *a = port();
	pid_t child = other(2, true);

	(void)state;
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(heard(a), 2);
	vde_close(a);
}

static void a_network_survives_its_creator_and_its_members(void **state)
{
	pid_t first = other(1, false), second = other(2, false);
	VDECONN *a;

	(void)state;
	kill(first, SIGKILL);
	assert_int_equal(waitpid(first, NULL, 0), first);
	/* the memory is with the second */
	a = port();
	first = other(3, false);
	assert_int_equal(heard(a), 3);
	vde_close(a);
	kill(first, SIGKILL);
	kill(second, SIGKILL);
	assert_int_equal(waitpid(first, NULL, 0), first);
	assert_int_equal(waitpid(second, NULL, 0), second);
	/* nobody is left, but files are: a new network begins */
	a = port();
	assert_int_equal(heard(a), -1);
	vde_close(a);
}

static void a_child_can_only_forget_its_parents_ports(void **state)
{
	VDECONN *a = port(), *b;
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		unsigned char f[64] = {0};
		VDECONN *c;

		if (vde_send(a, f, sizeof(f), 0) != -1 || errno != ESTALE || vde_recv(a, f, sizeof(f), 0) != -1 ||
		    errno != ESTALE)
			_exit(1);
		c = join("");
		if (!c)
			_exit(2);
		say(c, 0xff, 9, 9);
		vde_close(c);
		_exit(vde_close(a) == 0 ? 0 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(heard(a), 9);
	b = port();
	say(b, 0xff, 1, 4);
	assert_int_equal(heard(a), 4);
	vde_close(b);
	vde_close(a);
}

/* A child that lives on keeps nothing of its parent's locked. */
static void locks_end_with_the_parent(void **state)
{
	VDECONN *a = join("/ports=64"), *rest[63];
	int ready[2], hold[2];
	pid_t child;
	char byte;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(hold), 0);
	child = fork();
	if (child == 0) {
		VDECONN *conn = join("");
		pid_t grandchild = conn ? fork() : -1;

		if (grandchild == 0) {
			close(hold[1]);
			if (write(ready[1], "x", 1) != 1 || read(hold[0], &byte, 1) != 0)
				_exit(1);
			_exit(0);
		}
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	for (unsigned int i = 0; i < 63; i++)
		assert_non_null(rest[i] = join(""));
	for (unsigned int i = 0; i < 63; i++)
		vde_close(rest[i]);
	vde_close(a);
	close(hold[1]);
	close(hold[0]);
	close(ready[0]);
	close(ready[1]);
}

/* ------------------------------------------------------------------------------------------------------- who may join
 */

static mode_t mode_of(const char *name)
{
	char path[200];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", net, name);
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void modes_are_as_asked_for(void **state)
{
	VDECONN *a = port();
	mode_t mask;

	(void)state;
	assert_int_equal(mode_of(""), 0700);
	assert_int_equal(mode_of("lock"), 0600);
	assert_int_equal(mode_of("m0"), 0600);
	assert_int_equal(mode_of("p0"), 0600);
	vde_close(a);
	mask = umask(077);
	a = join("/mode=660");
	umask(mask);
	assert_int_equal(mode_of(""), 0770);
	assert_int_equal(mode_of("lock"), 0660);
	assert_int_equal(mode_of("m0"), 0660);
	assert_int_equal(mode_of("p0"), 0660);
	vde_close(a);
	a = join("/mode=666");
	assert_int_equal(mode_of(""), 0777);
	vde_close(a);
}

/** as_nobody - try to join as another user; 0 or errno */
static int as_nobody(void)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		VDECONN *conn;

		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(99);
		conn = join("");
		if (!conn)
			_exit(errno);
		say(conn, 0xff, 9, 9);
		vde_close(conn);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WEXITSTATUS(status);
}

static void others_join_if_the_mode_lets_them(void **state)
{
	VDECONN *a;

	(void)state;
	if (geteuid() != 0)
		skip();
	a = port();
	assert_int_equal(as_nobody(), EACCES);
	vde_close(a);
	a = join("/mode=666");
	assert_int_equal(as_nobody(), 0);
	assert_int_equal(heard(a), 9);
	vde_close(a);
	a = join("/mode=660/group=65534");
	assert_int_equal(as_nobody(), 0);
	assert_int_equal(heard(a), 9);
	vde_close(a);
}

static void a_strange_directory_is_left_alone(void **state)
{
	char file[100];
	VDECONN *a;
	int fd;

	(void)state;
	assert_int_equal(mkdir(net, 0700), 0);
	snprintf(file, sizeof(file), "%s/letter", net);
	fd = open(file, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_null(join(""));
	assert_int_equal(errno, ENOTEMPTY);
	assert_int_equal(unlink(file), 0);
	/* an empty one will do */
	a = port();
	vde_close(a);
	fd = open(net, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_null(join(""));
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(unlink(net), 0);
	snprintf(url, sizeof(url), "shm://%s/no/such", net);
	assert_null(join(""));
	assert_int_equal(errno, ENOENT);
}

static void without_descriptors_nothing_is_left(void **state)
{
	struct rlimit limit, tight;
	VDECONN *keep, *conn = NULL;
	char other_net[100];
	unsigned int room = 0;
	struct stat st;

	(void)state;
	/* the module stays loaded by this, as loading it takes a descriptor too */
	keep = port();
	snprintf(other_net, sizeof(other_net), "%s/other", dir);
	for (int shared = 0; shared < 2; shared++) {
		pid_t child = 0;

		if (shared) { /* a network that somebody else has made */
			snprintf(url, sizeof(url), "shm://%s", other_net);
			child = other(7, false);
		}
		snprintf(url, sizeof(url), "shm://%s", other_net);
		assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
		tight = limit;
		tight.rlim_cur = (rlim_t)dup(0);
		close((int)tight.rlim_cur);
		for (room = 0; room < 20; room++, tight.rlim_cur++) {
			assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
			conn = join("");
			if (conn)
				break;
			assert_int_equal(errno, EMFILE);
			if (!shared)
				assert_int_equal(stat(other_net, &st), -1);
		}
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		assert_non_null(conn);
		assert_true(room > 3);
		vde_close(conn);
		if (child) {
			kill(child, SIGKILL);
			assert_int_equal(waitpid(child, NULL, 0), child);
			conn = join(""); /* clears up after it */
			vde_close(conn);
		}
		assert_int_equal(stat(other_net, &st), -1);
	}
	vde_close(keep);
}

static void a_long_path_will_do(void **state)
{
	char name[101];
	VDECONN *a, *b;

	(void)state;
	memset(name, 'n', 100);
	name[100] = '\0';
	snprintf(url, sizeof(url), "shm://%s/%s", dir, name);
	a = port();
	b = port();
	assert_int_equal(heard(b), -1);
	say(a, 0xff, 1, 5);
	assert_true(readable(b));
	assert_int_equal(heard(b), 5);
	vde_close(a);
	vde_close(b);
}

/* ------------------------------------------------------------------------------------------------------------ offload
 */

static const struct vde_shm_ops *ops_of(VDECONN *conn)
{
	const struct vde_shm_ops *ops = dlsym(conn->handle, "vdeplug_shm_ops");

	assert_non_null(ops);
	return ops;
}

/** segment - a TCP segment of @len bytes to be cut into pieces of 1460 */
static void segment(unsigned char *out, size_t len, unsigned int to, struct virtio_net_hdr *vnet)
{
	frame(out, len, to, 1, 0);
	out[12] = 8;
	out[13] = 0;
	out[14] = 0x45;
	out[16] = (unsigned char)((len - 14) >> 8);
	out[17] = (unsigned char)(len - 14);
	out[23] = 6;
	out[46] = 5 << 4;
	for (size_t i = 54; i < len; i++)
		out[i] = (unsigned char)(i * 7);
	*vnet = (struct virtio_net_hdr){
	        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	        .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
	        .hdr_len = 54,
	        .gso_size = 1460,
	        .csum_start = 34,
	        .csum_offset = 16,
	};
}

static void segments_stay_whole_between_ports_that_want_them(void **state)
{
	static unsigned char out[VDE_SHM_SEGMENT_MAX], in[VDE_SHM_SEGMENT_MAX];
	struct virtio_net_hdr vnet, got;
	VDECONN *a = port(), *b = port();
	const struct vde_shm_ops *ops = ops_of(a);

	(void)state;
	assert_int_equal(ops->offload(a, 1), 0);
	assert_int_equal(ops->offload(b, 1), 0);
	say(b, 0xff, 2, 1);
	assert_int_equal(ops->recv(a, &got, in, sizeof(in), MSG_DONTWAIT), 64);
	assert_int_equal(got.flags, 0);
	assert_int_equal(got.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	for (size_t len = 100; len <= 65549; len += 1187) {
		segment(out, len, 2, &vnet);
		assert_int_equal(ops->send(a, &vnet, out, len, MSG_DONTWAIT), len);
		assert_int_equal(ops->recv(b, &got, in, sizeof(in), MSG_DONTWAIT), len);
		assert_memory_equal(in, out, len);
		assert_memory_equal(&got, &vnet, sizeof(vnet));
	}
	assert_int_equal(ops->send(a, &vnet, out, VDE_SHM_SEGMENT_MAX + 1, MSG_DONTWAIT), -EMSGSIZE);
	/* what is large without being a segment is not sent */
	assert_int_equal(ops->send(a, NULL, out, 10000, MSG_DONTWAIT), -EMSGSIZE);
	vde_close(a);
	vde_close(b);
}

static void others_get_finished_frames(void **state)
{
	static unsigned char out[VDE_SHM_SEGMENT_MAX], in[2000];
	VDECONN *a = port(), *b = port(), *c = port();
	const struct vde_shm_ops *ops = ops_of(a);
	const size_t len = 54 + 40 * 1460 + 100;
	struct virtio_net_hdr vnet;
	size_t at = 54;

	(void)state;
	ops->offload(a, 1);
	say(b, 0xff, 2, 1);
	assert_int_equal(heard(c), 1);
	segment(out, len, 2, &vnet);
	assert_int_equal(ops->send(a, &vnet, out, len, MSG_DONTWAIT), len);
	while (at < len) {
		ssize_t n = vde_recv(b, in, sizeof(in), MSG_DONTWAIT);

		assert_int_equal(n, len - at < 1460 ? 54 + len - at : 1514);
		assert_int_equal(in[16] << 8 | in[17], n - 14);
		assert_int_equal(in[40] << 8 | in[41], (at - 54) & 0xffff);
		assert_memory_equal(in + 54, out + at, (size_t)n - 54);
		at += (size_t)n - 54;
	}
	assert_int_equal(heard(b), -1);
	assert_int_equal(heard(c), -1);
	/* one whose header contradicts it is not sent at all */
	vnet.csum_start = 33;
	assert_int_equal(ops->send(a, &vnet, out, len, MSG_DONTWAIT), -EINVAL);
	assert_int_equal(heard(b), -1);
	vde_close(a);
	vde_close(b);
	vde_close(c);
}

/* ---------------------------------------------------------------------------------------------------- strange memory
 */

/** impostor - offer newcomers something else than the memory of a network; waits until one has come */
static void impostor(int memory)
{
	char path[100], byte = 0;
	struct sockaddr_un {
		sa_family_t family;
		char path[108];
	} address = {.family = AF_UNIX};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0), fd, status;
	pid_t child;

	assert_int_equal(mkdir(net, 0700), 0);
	snprintf(path, sizeof(path), "%s/m0", net);
	memcpy(address.path, path, strlen(path) + 1);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	child = fork();
	if (child == 0) {
		VDECONN *conn = join("");

		/* it is as if nobody had answered: a network of its own */
		_exit(conn ? vde_close(conn) : 1);
	}
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &memory, sizeof(memory));
	assert_int_equal(sendmsg(fd, &msg, 0), 1);
	close(fd);
	close(memory);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(listener);
}

static void memory_that_could_shrink_or_lies_is_refused(void **state)
{
	char page[4096] = "iothshm1\x40\0\0\0\x40\0\0\0\xdc\5\0\0\x2c\1\0\0";
	int fd;

	(void)state;
	impostor(open("/dev/null", O_RDWR));
	fd = memfd_create("unsealed", MFD_CLOEXEC);
	assert_int_equal(write(fd, page, sizeof(page)), sizeof(page));
	impostor(fd);
	/* sealed, but not as large as its header says */
	fd = memfd_create("small", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(write(fd, page, sizeof(page)), sizeof(page));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	impostor(fd);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
	        TEST(frames_go_where_they_should),
	        TEST(a_port_number_that_is_used_again_is_somebody_else),
	        TEST(frames_of_all_sizes_pass),
	        TEST(the_mtu_is_the_creators),
	        TEST(a_sleeper_is_woken_once),
	        TEST(it_is_readable_while_there_is_something),
	        TEST(receiving_waits_unless_told_not_to),
	        TEST(a_sender_waits_for_a_full_queue_but_not_for_ever),
	        TEST(large_frames_fill_an_area_and_none_is_damaged),
	        TEST(ports_of_several_threads_lose_nothing),
	        TEST(many_ports_fit_and_numbers_come_back),
	        TEST(a_thousand_ports_hear_a_broadcast),
	        TEST(a_dead_port_is_cleared_away),
	        TEST(what_was_sent_before_leaving_arrives),
	        TEST(a_network_survives_its_creator_and_its_members),
	        TEST(a_child_can_only_forget_its_parents_ports),
	        TEST(locks_end_with_the_parent),
	        TEST(modes_are_as_asked_for),
	        TEST(others_join_if_the_mode_lets_them),
	        TEST(a_strange_directory_is_left_alone),
	        TEST(without_descriptors_nothing_is_left),
	        TEST(a_long_path_will_do),
	        TEST(segments_stay_whole_between_ports_that_want_them),
	        TEST(others_get_finished_frames),
	        TEST(memory_that_could_shrink_or_lies_is_refused),
	};
	int result;

	if (!mkdtemp(dir) || chmod(dir, 0755) != 0)
		return 1;
	result = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return result;
}
