/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_link_life.c - the life of ports and loops: they come and go in any number, at any moment, and across fork(2).
 */
#include "link_fake.h"

#include <errno.h>
#include <fcntl.h>
#include <libvdeplug.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "left.h"
#include "sanitizer.h"
#include "wait.h"

#define CROWD 200

/** open_one - a device and its port */
static void open_one(struct fake *fake, const char *vnl)
{
	fake_init(fake);
	assert_int_equal(fake_open(fake, vnl, "vde0", NULL), 0);
}

/* ------------------------------------------------------------------------------------------------ come and go */

static void threads_come_with_the_first_port_and_go_with_the_last(void **state)
{
	struct fake fake[20];
	cpu_set_t cores;
	pid_t loop;

	(void)state;
	assert_return_code(sched_getaffinity(0, sizeof(cores), &cores), errno);
	for (int round = 0; round < 5; round++) {
		assert_int_equal(fake_threads(&loop), 0);
		for (unsigned int i = 0; i < 20; i++) {
			char name[16];

			snprintf(name, sizeof(name), "net%u", i / 2);
			open_one(&fake[i], fake_vnl("ptp", name));
			assert_true(fake_threads(&loop) >= 1);
			assert_true(fake_threads(&loop) <= (unsigned int)CPU_COUNT(&cores));
		}
		for (unsigned int i = 0; i < 20; i += 2)
			fake_exchange(&fake[i], &fake[i + 1]);
		for (unsigned int i = 0; i < 20; i++)
			fake_close(&fake[round % 2 ? i : 19 - i]);
	}
	assert_int_equal(fake_threads(&loop), 0);
}

static void each_end_has_a_loop_while_cores_are_free(void **state)
{
	struct fake a, b, c;
	cpu_set_t old;
	pid_t loop;

	(void)state;
	if (!fake_cores(2, &old))
		skip();
	open_one(&a, fake_vnl("ptp", "net"));
	assert_int_equal(fake_threads(&loop), 1);
	open_one(&b, fake_vnl("ptp", "net"));
	assert_int_equal(fake_threads(&loop), 2);
	open_one(&c, fake_vnl("ptp", "other"));
	assert_int_equal(fake_threads(&loop), 2);
	fake_exchange(&a, &b);
	/* The loop of an end that has gone goes as well, if nobody else is on it; and comes back. */
	fake_close(&c);
	fake_close(&a);
	assert_int_equal(fake_threads(&loop), 1);
	open_one(&a, fake_vnl("ptp", "net"));
	assert_int_equal(fake_threads(&loop), 2);
	fake_close(&a);
	fake_close(&b);
	assert_return_code(sched_setaffinity(0, sizeof(old), &old), errno);
}

/** switch_elsewhere - a process that is a switch until it is killed; it is there when this returns */
static pid_t switch_elsewhere(const char *vnl)
{
	unsigned char frame[1514];
	int there[2];
	VDECONN *vde;
	pid_t pid;
	char c = 0;

	assert_return_code(pipe(there), errno);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		vde = vde_open((char *)(uintptr_t)vnl, (char *)(uintptr_t) "switch", NULL);
		/* What the clients send each other is passed on while the switch receives. */
		if (vde && write(there[1], &c, 1) == 1)
			while (vde_recv(vde, frame, sizeof(frame), 0) >= 0)
				;
		_exit(1);
	}
	close(there[1]);
	assert_int_equal(read(there[0], &c, 1), 1);
	close(there[0]);
	return pid;
}

static void a_switch_elsewhere_is_left_a_core(void **state)
{
	struct fake a, b;
	cpu_set_t old;
	pid_t pid, loop;

	(void)state;
	if (!fake_cores(2, &old))
		skip();
	pid = switch_elsewhere(fake_vnl("switch", "net"));
	open_one(&a, fake_vnl("vde", "net"));
	open_one(&b, fake_vnl("vde", "net"));
	assert_int_equal(fake_threads(&loop), 1);
	fake_exchange(&a, &b);
	fake_close(&b);
	fake_close(&a);
	assert_return_code(kill(pid, SIGKILL), errno);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_return_code(sched_setaffinity(0, sizeof(old), &old), errno);
}

static void an_idle_loop_has_no_timer(void **state)
{
	char path[64], text[256] = "";
	unsigned long timeout;
	struct fake a, b;
	cpu_set_t old;
	FILE *syscall;
	pid_t loop;

	(void)state;
	assert_true(fake_cores(1, &old));
	open_one(&a, fake_vnl("ptp", "net"));
	open_one(&b, fake_vnl("ptp", "net"));
	fake_exchange(&a, &b);
	assert_int_equal(fake_threads(&loop), 1);
	assert_return_code(sched_setaffinity(0, sizeof(old), &old), errno);
	assert_int_equal(wait_thread_blocked(loop), 0);
	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", (int)loop);
	syscall = fopen(path, "re");
	if (syscall) {
		/* number, descriptor, events, how many, timeout */
		assert_non_null(fgets(text, sizeof(text), syscall));
		assert_int_equal(sscanf(text, "%*s %*x %*x %*x %lx", &timeout), 1);
		assert_int_equal((int)(unsigned int)timeout, -1);
		fclose(syscall);
	}
	fake_close(&b);
	fake_close(&a);
}

static void a_crowd_shares_a_switch(void **state)
{
	static struct fake fake[CROWD];
	unsigned char frame[100], got[100];
	struct rlimit limit;

	(void)state;
	assert_return_code(getrlimit(RLIMIT_NOFILE, &limit), errno);
	limit.rlim_cur = limit.rlim_max < 8192 ? limit.rlim_max : 8192;
	assert_return_code(setrlimit(RLIMIT_NOFILE, &limit), errno);
	if (limit.rlim_cur < 6 * CROWD + 100)
		skip(); /* a port of the switch takes six descriptors, counting both sides */
	for (unsigned int i = 0; i < CROWD; i++)
		open_one(&fake[i], fake_vnl(i == 0 ? "switch" : "vde", "net"));
	for (unsigned int sender = 0; sender < CROWD; sender += CROWD / 4) {
		fake_pattern(frame, sizeof(frame), (sender + 1) << 24 | sender);
		fake_send_all(&fake[sender], frame, sizeof(frame));
		for (unsigned int i = 0; i < CROWD; i++) {
			if (i == sender)
				continue;
			assert_int_equal(fake_receive(&fake[i], got, sizeof(got)), sizeof(frame));
			assert_memory_equal(got, frame, sizeof(frame));
		}
	}
	for (unsigned int i = CROWD; i-- > 0;)
		fake_close(&fake[i]);
}

/* ------------------------------------------------------------------------------------------------- at any moment */

struct flooder {
	struct fake *fake;
	atomic_bool stop;
	pthread_t thread;
};

/** flood - send for as long as there is somebody to send to */
static void *flood(void *arg)
{
	struct flooder *flooder = arg;
	unsigned char frame[600];

	fake_pattern(frame, sizeof(frame), 1U << 24);
	while (!atomic_load(&flooder->stop)) {
		struct pollfd p = {.fd = flooder->fake->stack_fd, .events = POLLOUT};

		if (!fake_send(flooder->fake, frame, sizeof(frame)))
			poll(&p, 1, 1);
	}
	return NULL;
}

static void ports_close_while_frames_are_flooding(void **state)
{
	static const char *const kinds[][2] = {{"ptp", "ptp"}, {"switch", "vde"}};

	(void)state;
	for (unsigned int round = 0; round < 40; round++) {
		struct fake fake[2];
		struct flooder flooder[2];

		for (unsigned int i = 0; i < 2; i++)
			open_one(&fake[i], fake_vnl(kinds[round % 2][i], "net"));
		fake_exchange(&fake[0], &fake[1]);
		for (unsigned int i = 0; i < 2; i++) {
			flooder[i] = (struct flooder){.fake = &fake[i]};
			assert_int_equal(pthread_create(&flooder[i].thread, NULL, flood, &flooder[i]), 0);
		}
		assert_true(fake_frames(&fake[0], 500) >= 500);
		for (unsigned int i = 0; i < 2; i++) {
			unsigned int which = (i + round / 2) % 2;

			link_port_close(fake[which].port);
			fake[which].port = NULL;
		}
		for (unsigned int i = 0; i < 2; i++) {
			atomic_store(&flooder[i].stop, true);
			pthread_join(flooder[i].thread, NULL);
		}
		fake_close(&fake[0]);
		fake_close(&fake[1]);
	}
}

/** churn - a thread that opens and closes networks of its own */
static void *churn(void *arg)
{
	const unsigned int *number = arg;

	for (unsigned int round = 0; round < 20; round++) {
		struct fake a, b;
		char vnl[96];

		snprintf(vnl, sizeof(vnl), "ptp://%s/net%u", fake_directory(), *number);
		fake_init(&a);
		fake_init(&b);
		if (fake_open(&a, vnl, "a", NULL) != 0 || fake_open(&b, vnl, "b", NULL) != 0)
			abort();
		fake_exchange(&a, &b);
		fake_close(&a);
		fake_close(&b);
	}
	return NULL;
}

static void threads_open_and_close_at_once(void **state)
{
	unsigned int number[6];
	pthread_t thread[6];

	(void)state;
	fake_directory();
	for (unsigned int i = 0; i < 6; i++) {
		number[i] = i;
		assert_int_equal(pthread_create(&thread[i], NULL, churn, &number[i]), 0);
	}
	for (unsigned int i = 0; i < 6; i++)
		pthread_join(thread[i], NULL);
}

struct closer {
	struct fake *fake;
	_Atomic pid_t tid;
	pthread_t thread;
};

static void *close_it(void *arg)
{
	struct closer *closer = arg;

	atomic_store(&closer->tid, gettid());
	fake_close(closer->fake);
	return NULL;
}

/*
 * An event that a loop has fetched already, of a port that is closed before its turn: three ports share a loop, which
 * is held in the first; meanwhile frames come for the second and the third; the loop fetches both events and is held in
 * the second, while the third is closed.
 */
static void an_event_may_outlive_its_port(void **state)
{
	static const char *const names[] = {"first", "second", "third"};
	unsigned char frame[60], got[60];
	cpu_set_t old;
	struct fake fake[3];
	VDECONN *peer[3];
	struct closer closer = {.fake = &fake[2]};
	pid_t loop;

	(void)state;
	assert_true(fake_cores(1, &old));
	fake_pattern(frame, sizeof(frame), 1);
	for (unsigned int i = 0; i < 3; i++) {
		char *url = strdup(fake_vnl("ptp", names[i]));

		open_one(&fake[i], url);
		peer[i] = vde_open(url, (char *)(uintptr_t) "peer", NULL);
		assert_non_null(peer[i]);
		free(url);
	}
	assert_int_equal(fake_threads(&loop), 1);
	fake_hold(&fake[0]);
	fake_hold(&fake[1]);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(vde_send(peer[i], frame, sizeof(frame), 0), sizeof(frame));
		if (i == 0)
			fake_held(&fake[0]);
	}
	fake_release(&fake[0]);
	fake_held(&fake[1]);
	assert_int_equal(pthread_create(&closer.thread, NULL, close_it, &closer), 0);
	while (atomic_load(&closer.tid) == 0)
		sched_yield();
	assert_int_equal(wait_thread_blocked(atomic_load(&closer.tid)), 0);
	fake_release(&fake[1]);
	pthread_join(closer.thread, NULL);
	/* The next port takes the place of the closed one, and is not mistaken for it. */
	open_one(&fake[2], fake_vnl("ptp", "fourth"));
	assert_int_equal(fake_receive(&fake[1], got, sizeof(got)), sizeof(frame));
	assert_int_equal(vde_send(peer[1], frame, sizeof(frame), 0), sizeof(frame));
	assert_int_equal(fake_receive(&fake[1], got, sizeof(got)), sizeof(frame));
	assert_int_equal(fake_frames(&fake[2], 0), 0);
	for (unsigned int i = 0; i < 3; i++) {
		vde_close(peer[i]);
		fake_close(&fake[i]);
	}
	assert_return_code(sched_setaffinity(0, sizeof(old), &old), errno);
}

/* ----------------------------------------------------------------------------------------------------------- fork */

/** end_child - the child has nothing more to say: 0 is that all was well, another number where it was not */
static void end_child(int status)
{
	_exit(status);
}

/** good_child - wait for a child and for good news */
static void good_child(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/** child_exchange - does a frame cross between two ports of the child? No assertions: they belong to the parent */
static int child_exchange(const char *vnl)
{
	unsigned char frame[60], got[60];
	struct fake a, b;

	if (!CHILD_MAY_START_THREADS)
		return 0;
	fake_init(&a);
	fake_init(&b);
	if (fake_open(&a, vnl, "a", NULL) != 0 || fake_open(&b, vnl, "b", NULL) != 0)
		return 10;
	fake_pattern(frame, sizeof(frame), 3);
	if (!fake_send(&b, frame, sizeof(frame)) || fake_receive(&a, got, sizeof(got)) != sizeof(frame))
		return 11;
	if (!fake_send(&a, frame, sizeof(frame)) || fake_receive(&b, got, sizeof(got)) != sizeof(frame))
		return 12;
	fake_close(&a);
	fake_close(&b);
	return 0;
}

/** forget_peer - an end of a ptp network notices that the other is gone when it sends; before, no other can come */
static void forget_peer(struct fake *fake)
{
	unsigned char frame[60];
	struct link_port_stats old, now;
	long end = wait_now_ms() + WAIT_MS;

	link_port_stats(fake->port, &old);
	fake_pattern(frame, sizeof(frame), 4);
	fake_send_all(fake, frame, sizeof(frame));
	do
		link_port_stats(fake->port, &now);
	while (now.output_dropped == old.output_dropped && wait_again(end));
	assert_int_equal(now.output_dropped, old.output_dropped + 1);
}

static void a_child_closes_its_copies_and_starts_afresh(void **state)
{
	struct fake a, b, c, d;

	(void)state;
	open_one(&a, fake_vnl("switch", "net"));
	open_one(&b, fake_vnl("vde", "net"));
	open_one(&c, fake_vnl("ptp", "other"));
	fake_exchange(&a, &b);
	for (unsigned int round = 0; round < 5; round++) {
		pid_t child = fork();

		assert_return_code(child, errno);
		if (child == 0) {
			const char *vnl = fake_vnl("ptp", "child");
			struct left now;
			pid_t loop;
			int status;

			alarm(3 * WAIT_MS / 1000);
			status = child_exchange(vnl);
			fake_close(&a);
			fake_close(&c);
			fake_close(&b);
			if (status == 0)
				status = child_exchange(vnl);
			if (fake_threads(&loop) != 0)
				status = 20;
			if (left_count(&now) != 0 || now.fds != fake_before.fds)
				status = 21;
			end_child(status);
		}
		good_child(child);
		/* Nothing of this has been felt here, and the networks can still be joined. */
		fake_exchange(&a, &b);
		assert_int_equal(a.downs + b.downs + c.downs, 0);
		open_one(&d, fake_vnl("vde", "net"));
		fake_close(&d);
		open_one(&d, fake_vnl("ptp", "other"));
		fake_exchange(&c, &d);
		fake_close(&d);
		forget_peer(&c);
	}
	fake_close(&c);
	fake_close(&b);
	fake_close(&a);
}

static void a_child_does_not_keep_a_switch_alive(void **state)
{
	int closed[2], done[2];
	struct fake a, b;
	char byte;
	pid_t child;

	(void)state;
	open_one(&a, fake_vnl("switch", "net"));
	open_one(&b, fake_vnl("vde", "net"));
	fake_exchange(&a, &b);
	assert_return_code(pipe2(closed, O_CLOEXEC), errno);
	assert_return_code(pipe2(done, O_CLOEXEC), errno);
	child = fork();
	assert_return_code(child, errno);
	if (child == 0) {
		alarm(3 * WAIT_MS / 1000);
		close(closed[0]);
		close(done[1]);
		link_port_close(a.port);
		link_port_close(b.port);
		if (write(closed[1], "c", 1) != 1)
			end_child(1);
		end_child(read(done[0], &byte, 1) == 0 ? 0 : 2);
	}
	close(closed[1]);
	close(done[0]);
	assert_int_equal(read(closed[0], &byte, 1), 1);
	/* The child is there, and has no copy of the switch's end of the connection. */
	link_port_close(a.port);
	a.port = NULL;
	assert_int_equal(fake_down(&b), -ENETDOWN);
	close(done[1]);
	close(closed[0]);
	good_child(child);
	fake_close(&b);
	fake_close(&a);
}

static void a_fork_may_meet_any_moment(void **state)
{
	struct fake fake[2];
	struct flooder flooder[2];

	(void)state;
	for (unsigned int i = 0; i < 2; i++)
		open_one(&fake[i], fake_vnl("ptp", "net"));
	fake_exchange(&fake[0], &fake[1]);
	for (unsigned int i = 0; i < 2; i++) {
		flooder[i] = (struct flooder){.fake = &fake[i]};
		assert_int_equal(pthread_create(&flooder[i].thread, NULL, flood, &flooder[i]), 0);
	}
	for (unsigned int round = 0; round < 20; round++) {
		pid_t child = fork();

		assert_return_code(child, errno);
		if (child == 0) {
			alarm(3 * WAIT_MS / 1000);
			link_port_close(fake[0].port);
			link_port_close(fake[1].port);
			end_child(child_exchange(fake_vnl("ptp", "child")));
		}
		good_child(child);
	}
	for (unsigned int i = 0; i < 2; i++) {
		atomic_store(&flooder[i].stop, true);
		pthread_join(flooder[i].thread, NULL);
	}
	fake_close(&fake[0]);
	fake_close(&fake[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_remember, fake_nothing_left)
	        TEST(threads_come_with_the_first_port_and_go_with_the_last),
	        TEST(each_end_has_a_loop_while_cores_are_free),
	        TEST(a_switch_elsewhere_is_left_a_core),
	        TEST(an_idle_loop_has_no_timer),
	        TEST(a_crowd_shares_a_switch),
	        TEST(ports_close_while_frames_are_flooding),
	        TEST(threads_open_and_close_at_once),
	        TEST(an_event_may_outlive_its_port),
	        TEST(a_child_closes_its_copies_and_starts_afresh),
	        TEST(a_child_does_not_keep_a_switch_alive),
	        TEST(a_fork_may_meet_any_moment),
	};

	return cmocka_run_group_tests(tests, fake_group, NULL);
}
