/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_shm_threads.c - ports of a shm:// network in several threads that send and receive all the time.
 *
 * Every port sends numbered frames to every other, again and again where there is no room, and looks for its own
 * meanwhile. So nothing may be lost, unless a sender had to wait for a receiver for longer than it has patience: on a
 * busy machine a thread may be without a processor for so long. That is a documented loss, which the sender counts
 * (`full`). It is believed only if it adds up: each number that is missing was given up by its sender or is known by
 * its receiver to be gone, and some receiver really was that slow.
 *
 * Nobody waits for a frame that may have been lost: a port is done when all have sent everything and its queue is empty
 * after that.
 */
#include "shm_ports.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net.h"
#include "wait.h"

#define THREADS 4
#define ROUNDS 20000
#define EXPECTED ((uint64_t)THREADS * (THREADS - 1) * ROUNDS)
#define SLOTS 1024
#define PATIENCE_NS 200000000 /* of a sender with a receiver that does not read half its queue meanwhile */

static atomic_uint finished; /* threads that have sent everything */
static atomic_bool given_up; /* somebody has waited in vain, so nobody needs to go on */

/** struct talker - a port; its thread alone uses it */
struct talker {
	VDECONN *conn;
	unsigned int id;
	uint32_t sent, next[THREADS]; /* the number to send, and which one is expected of each port */
	uint32_t missing[THREADS];    /* numbers that were passed over */
	uint32_t wrong;         /* frames that were for another, came out of their turn, or could not be received */
	uint32_t heard;         /* frames */
	int64_t since, slowest; /* when it began with this half of its queue; how long one took at most (ns) */
	const char *stuck;      /* what it waited for in vain */
};

/** half_read - as many frames as half the queue holds were received, or there will be no more */
static void half_read(struct talker *t)
{
	int64_t now = shm_now_ns();

	if (now - t->since > t->slowest)
		t->slowest = now - t->since;
	t->since = now;
}

/** listen_to - receive what there is, at most 100 frames; how many */
static unsigned int listen_to(struct talker *t)
{
	unsigned char f[1000];
	unsigned int n;
	uint32_t what;
	ssize_t len;

	for (n = 0; n < 100 && (len = vde_recv(t->conn, f, sizeof(f), MSG_DONTWAIT)) > 0; n++) {
		unsigned int from = f[11];

		memcpy(&what, f + 14, sizeof(what));
		if (from >= THREADS || from == t->id || f[5] != t->id || what < t->next[from] || what >= ROUNDS ||
		    len != 64 + what % 900) {
			t->wrong++;
			continue;
		}
		t->missing[from] += what - t->next[from];
		t->next[from] = what + 1;
		if (++t->heard % (SLOTS / 2) == 0)
			half_read(t);
	}
	t->wrong += n < 100 && errno != EAGAIN;
	return n;
}

/** wait_in_vain - give up, unless somebody has */
static void wait_in_vain(struct talker *t, const char *what)
{
	if (!atomic_exchange(&given_up, true))
		t->stuck = what;
}

/** tell - send the next number to a port, however often it takes */
static void tell(struct talker *t, unsigned int to)
{
	long deadline = wait_now_ms() + WAIT_MS;
	unsigned char f[1000];

	frame(f, sizeof(f), to, t->id, t->sent);
	while (!given_up && vde_send(t->conn, f, 64 + t->sent % 900, MSG_DONTWAIT) < 0) {
		if (listen_to(t) > 0)
			deadline = wait_now_ms() + WAIT_MS;
		else if (wait_now_ms() > deadline)
			wait_in_vain(t, "for room to send");
	}
}

/** talk - send to every other by turns until everything has been sent, and receive until nothing more can come */
static void *talk(void *arg)
{
	struct talker *t = arg;
	long deadline;
	bool all;

	t->since = shm_now_ns();
	for (; t->sent < ROUNDS && !given_up; t->sent++) {
		listen_to(t);
		for (unsigned int to = 0; to < THREADS; to++)
			if (to != t->id)
				tell(t, to);
	}
	finished++;
	deadline = wait_now_ms() + WAIT_MS;
	do {
		all = finished == THREADS; /* before looking */
		if (listen_to(t) > 0) {
			deadline = wait_now_ms() + WAIT_MS;
			all = false;
		} else if (!all && wait_now_ms() > deadline) {
			wait_in_vain(t, "for the others to finish");
		}
	} while (!all && !given_up);
	half_read(t);
	for (unsigned int from = 0; from < THREADS; from++)
		t->missing[from] += from != t->id ? ROUNDS - t->next[from] : 0;
	return NULL;
}

/** struct sums - of all ports */
struct sums {
	uint64_t missing, wrong, sent, full, unsendable, received, lost;
	uint64_t unexcused; /* missing at one that was always quick enough */
	unsigned int stuck;
};

/** show - what is known of a port */
static void show(const struct talker *t, const struct shm_control *control)
{
	for (unsigned int from = 0; from < THREADS; from++)
		if (t->missing[from] > 0)
			print_error("port %u: %u frames of port %u are missing\n", t->id, t->missing[from], from);
	print_error(
	        "port %u: sent %llu, full %llu, lost %llu; received %llu, lost %llu; %u wrong; half its queue took at "
	        "most %lld ms; %s%s\n",
	        t->id, (unsigned long long)control->sent.frames, (unsigned long long)control->sent.full,
	        (unsigned long long)control->sent.lost, (unsigned long long)control->received.frames,
	        (unsigned long long)control->received.lost, t->wrong, (long long)t->slowest / 1000000,
	        t->stuck ? "waited in vain " : "done", t->stuck ? t->stuck : "");
}

/** add_up - what became of the frames; with @aloud it is printed */
static struct sums add_up(const struct talker *talker, const struct shm_net *net, bool aloud)
{
	struct sums sums = {0};

	for (const struct talker *t = talker; t < talker + THREADS; t++) {
		const struct shm_control *control = shm_control_of(net, t->id);
		uint64_t missing = 0;

		for (unsigned int from = 0; from < THREADS; from++)
			missing += t->missing[from];
		sums.missing += missing;
		/* It was waited for while it read two halves at most. */
		sums.unexcused += t->slowest < PATIENCE_NS / 2 ? missing : 0;
		sums.wrong += t->wrong;
		sums.sent += control->sent.frames;
		sums.full += control->sent.full;
		sums.unsendable += control->sent.lost;
		sums.received += control->received.frames;
		sums.lost += control->received.lost;
		sums.stuck += t->stuck != NULL;
		if (aloud)
			show(t, control);
	}
	return sums;
}

static void ports_of_several_threads_lose_nothing(void **state)
{
	struct talker talker[THREADS] = {0};
	pthread_t thread[THREADS];
	struct shm_net net;
	struct sums sums;
	bool good;

	(void)state;
	for (unsigned int i = 0; i < THREADS; i++) {
		talker[i] = (struct talker){.conn = join("/slots=1024"), .id = i};
		assert_non_null(talker[i].conn);
		/* Nobody receives what one sends to oneself, but the network learns where the address is. */
		say(talker[i].conn, i, i, 0);
	}
	assert_int_equal(shm_net_look(shm_net, &net), 0);
	assert_int_equal(net.geometry.slots, SLOTS);
	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, talk, &talker[i]), 0);
	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	sums = add_up(talker, &net, false);
	good = sums.stuck == 0 && sums.wrong == 0 && sums.unsendable == 0 && sums.unexcused == 0 &&
	       sums.received + sums.missing == EXPECTED && sums.sent == sums.received + sums.lost &&
	       sums.missing <= sums.full;
	if (!good || sums.missing > 0)
		add_up(talker, &net, true);
	shm_net_unlook(&net);
	for (unsigned int i = 0; i < THREADS; i++)
		vde_close(talker[i].conn);
	assert_true(good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        SHM_TEST(ports_of_several_threads_lose_nothing),
	};

	return shm_run(tests);
}
