/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_link_port.c - ports: frames cross a network whole and in order, and what may go wrong on a network goes wrong
 * well.
 *
 * The networks are ptp:// and a switch:// with vde:// clients, in a directory of their own. Devices are those of
 * link_fake.h. Where a test needs a peer of which it controls every move, it is libvdeplug itself or a plain socket.
 */
#include "checksum.h"
#include "link_fake.h"
#include "port.h"

#include <errno.h>
#include <fcntl.h>
#include <libvdeplug.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "left.h"
#include "sanitizer.h"
#include "wait.h"

static unsigned char frame[LINK_FRAME_MAX + 1000], got[LINK_FRAME_MAX + 1000];

/** open_pair - two ports on a network of kind "ptp" or "switch" */
static void open_pair(struct fake *a, struct fake *b, const char *kind)
{
	bool ptp = strcmp(kind, "ptp") == 0;

	fake_init(a);
	fake_init(b);
	assert_int_equal(fake_open(a, fake_vnl(kind, "net"), "vde0", NULL), 0);
	assert_int_equal(fake_open(b, fake_vnl(ptp ? "ptp" : "vde", "net"), "vde1", NULL), 0);
	fake_exchange(a, b);
}

/** open_end - a port on one end of a ptp network, the other end of which is the test's; @vnet: see struct fake */
static VDECONN *open_end(struct fake *a, bool vnet)
{
	char *url = strdup(fake_vnl("ptp", "net"));
	VDECONN *peer;

	assert_non_null(url);
	fake_init(a);
	a->vnet = vnet;
	assert_int_equal(fake_open(a, url, "vde0", NULL), 0);
	peer = vde_open(url, (char *)(uintptr_t) "peer", NULL);
	assert_non_null(peer);
	free(url);
	return peer;
}

/** wait_stats - wait until @done holds for the counters of the port */
static bool wait_stats(struct fake *fake, bool (*done)(const struct link_port_stats *, uint64_t), uint64_t arg)
{
	long end = wait_now_ms() + WAIT_MS;
	struct link_port_stats stats;

	do {
		link_port_stats(fake->port, &stats);
		if (done(&stats, arg))
			return true;
	} while (wait_again(end));
	return false;
}

static bool input_dropped_is(const struct link_port_stats *stats, uint64_t n)
{
	return stats->input_dropped == n;
}

static bool output_dropped_is(const struct link_port_stats *stats, uint64_t n)
{
	return stats->output_dropped == n;
}

static bool output_bytes_is(const struct link_port_stats *stats, uint64_t n)
{
	return stats->output_bytes == n;
}

static bool output_dropped_exceeds(const struct link_port_stats *stats, uint64_t n)
{
	return stats->output_dropped > n;
}

/* ----------------------------------------------------------------------------------------------- what crosses */

/** sizes_cross - frames of many sizes from one port to the other, and the counters of both */
static void sizes_cross(struct fake *from, struct fake *to)
{
	static const size_t sizes[] = {14, 15, 60, 64, 1514, 1518, 4110, 9014, 9233, 9234};
	const unsigned int n = sizeof(sizes) / sizeof(*sizes);
	struct link_port_stats old, now;
	uint64_t sent, bytes = 0;

	link_port_stats(from->port, &old);
	sent = old.output_bytes;
	link_port_stats(to->port, &old);
	for (unsigned int i = 0; i < n; i++) {
		fake_pattern(frame, sizes[i], i);
		fake_send_all(from, frame, sizes[i]);
		assert_int_equal(fake_receive(to, got, sizeof(got)), sizes[i]);
		assert_memory_equal(got, frame, sizes[i]);
		bytes += sizes[i];
	}
	link_port_stats(to->port, &now);
	assert_int_equal(now.input_frames - old.input_frames, n);
	assert_int_equal(now.input_bytes - old.input_bytes, bytes);
	assert_int_equal(now.input_dropped, old.input_dropped);
	/* The receiver may know of a frame before the sender has counted it. */
	assert_true(wait_stats(from, output_bytes_is, sent + bytes));
}

static void frames_of_all_sizes_cross(void **state)
{
	static const char *const kinds[] = {"ptp", "switch", "hub"};

	(void)state;
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct fake a, b;

		open_pair(&a, &b, kinds[i]);
		sizes_cross(&a, &b);
		sizes_cross(&b, &a);
		fake_close(&b);
		fake_close(&a);
	}
}

static void frames_the_network_cannot_carry_are_dropped(void **state)
{
	struct link_port_stats old;
	struct fake a, b;

	(void)state;
	open_pair(&a, &b, "ptp");
	link_port_stats(a.port, &old);
	fake_pattern(frame, sizeof(frame), 1);
	fake_send_all(&a, frame, 13);
	fake_send_all(&a, frame, 1);
	fake_send_all(&a, frame, LINK_FRAME_MAX + 1);
	fake_send_all(&a, frame, sizeof(frame));
	assert_true(wait_stats(&a, output_dropped_is, old.output_dropped + 4));
	a.offload = 1; /* a frame whose offload header contradicts it */
	fake_send_all(&a, frame, 100);
	assert_true(wait_stats(&a, output_dropped_is, old.output_dropped + 5));
	fake_send_all(&a, frame, 101);
	assert_int_equal(fake_receive(&b, got, sizeof(got)), 101);
	fake_close(&b);
	fake_close(&a);
}

/** stranger - a socket that can send to the first end of the ptp network "net", without being its peer */
static int stranger(struct sockaddr_un *to)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_return_code(fd, errno);
	to->sun_family = AF_UNIX;
	snprintf(to->sun_path, sizeof(to->sun_path), "%s/net", fake_directory());
	return fd;
}

static void malformed_frames_from_the_network_are_dropped(void **state)
{
	static const size_t sizes[] = {0, 1, 2, 13, LINK_FRAME_MAX + 1, LINK_FRAME_MAX + 2, LINK_FRAME_MAX + 500};
	struct sockaddr_un to;
	struct fake a;
	int fd;

	(void)state;
	fake_init(&a);
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "net"), "vde0", NULL), 0);
	fd = stranger(&to);
	fake_pattern(frame, sizeof(frame), 1);
	for (unsigned int round = 0; round < 20; round++)
		for (unsigned int i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
			assert_int_equal(sendto(fd, frame, sizes[i], 0, (struct sockaddr *)&to, sizeof(to)), sizes[i]);
	assert_int_equal(sendto(fd, frame, 14, 0, (struct sockaddr *)&to, sizeof(to)), 14);
	assert_int_equal(fake_receive(&a, got, sizeof(got)), 14);
	/* One byte is how a module of libvdeplug says that it dealt with the frame itself: it is not counted. */
	assert_true(wait_stats(&a, input_dropped_is, 20 * 6));
	assert_int_equal(a.downs, 0);
	close(fd);
	fake_close(&a);
}

/** hold_first - a frame comes, and the port is held in the turn that brought it */
static void hold_first(struct fake *fake, VDECONN *peer)
{
	fake_pattern(frame, 60, 0);
	fake_hold(fake);
	assert_int_equal(vde_send(peer, frame, 60, 0), 60);
	fake_held(fake);
}

static void frames_that_arrive_together_are_one_batch(void **state)
{
	struct fake a;
	VDECONN *peer = open_end(&a, false);

	(void)state;
	hold_first(&a, peer);
	/* The answer connects the port to its peer: from now on its queue is not limited to a few frames. */
	fake_send_all(&a, frame, 60);
	for (unsigned int i = 1; i < 8; i++) {
		fake_pattern(frame, 60, i);
		assert_int_equal(vde_send(peer, frame, 60, 0), 60);
	}
	fake_release(&a);
	for (unsigned int i = 0; i < 8; i++) {
		fake_pattern(frame, 60, i);
		assert_int_equal(fake_receive(&a, got, sizeof(got)), 60);
		assert_memory_equal(got, frame, 60);
	}
	assert_int_equal(a.largest_batch, 7);
	vde_close(peer);
	fake_close(&a);
}

/* The kernel gives a burst in one system call. */
static void what_is_malformed_in_a_burst_takes_nothing_with_it(void **state)
{
	static const size_t sizes[] = {61, 13, 62, 1, LINK_FRAME_MAX + 1, 63, 64, 2};
	struct fake a;
	VDECONN *peer = open_end(&a, false);

	(void)state;
	hold_first(&a, peer);
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		fake_pattern(frame, sizeof(frame), i);
		assert_int_equal(vde_send(peer, frame, sizes[i], 0), sizes[i]);
	}
	fake_release(&a);
	assert_int_equal(fake_receive(&a, got, sizeof(got)), 60);
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		if (sizes[i] < LINK_FRAME_MIN || sizes[i] > LINK_FRAME_MAX)
			continue;
		fake_pattern(frame, sizeof(frame), i);
		assert_int_equal(fake_receive(&a, got, sizeof(got)), sizes[i]);
		assert_memory_equal(got, frame, sizes[i]);
	}
	assert_int_equal(a.largest_batch, 4);
	assert_true(wait_stats(&a, input_dropped_is, 3)); /* all but that of one byte */
	vde_close(peer);
	fake_close(&a);
}

/* ----------------------------------------------------------------------------------------------------- moderation */

#define SEGMENT 3000 /* bytes of payload that a stack hands over in one */
#define PIECE 1460   /* that a frame takes of it */
#define SEGMENTS 1200u

enum { ACK = 0x10, PSH = 0x08 };

/** next_turn - the port, which is held, has another turn, which finds @count segments of @payload bytes, and is held there */
static void next_turn(struct fake *fake, VDECONN *peer, unsigned int count, uint8_t flags, size_t payload)
{
	size_t len = fake_segment(frame, 0, flags, payload);

	fake->largest_batch = 0;
	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(vde_send(peer, frame, len, 0), len);
	fake_pass(fake);
	fake_held(fake);
	assert_int_equal(fake->largest_batch, count);
}

/** fill - more than a turn can take waits for the port, which is held */
static void fill(VDECONN *peer)
{
	size_t len = fake_segment(frame, 0, ACK, 100);

	for (unsigned int i = 0; i < LINK_BATCH + 9; i++)
		assert_int_equal(vde_send(peer, frame, len, 0), len);
}

/** turns - @count turns that find a segment each, with room for more */
static void turns(struct fake *fake, VDECONN *peer, unsigned int count, uint8_t flags)
{
	for (unsigned int i = 0; i < count; i++)
		next_turn(fake, peer, 1, flags, 1000);
}

static void a_stream_that_trickles_in_is_taken_in_pauses(void **state)
{
	long end = wait_now_ms() + WAIT_MS;
	struct fake a;
	VDECONN *peer = open_end(&a, false);
	int64_t first;

	(void)state;
	/* The kernel lets ten datagrams wait for a socket, unless it is connected to their sender. */
	fake_pattern(frame, 60, 0);
	fake_send_all(&a, frame, 60);
	assert_int_equal(vde_recv(peer, frame, sizeof(frame), 0), 60);
	hold_first(&a, peer);
	turns(&a, peer, 7, ACK);
	assert_int_equal(a.port->moderation.pause, 0);
	turns(&a, peer, 1, ACK);
	first = a.port->moderation.pause;
	assert_true(first > 0);
	next_turn(&a, peer, 3, ACK, 1000); /* few: pauses get longer */
	assert_int_equal(a.port->moderation.pause, 2 * first);
	next_turn(&a, peer, 9, ACK, 1000); /* enough */
	assert_int_equal(a.port->moderation.pause, 2 * first);
	assert_int_equal(a.port->moderation.wait, 2 * first);
	fill(peer); /* more than enough: what is left does not wait */
	fake_pass(&a);
	fake_held(&a);
	assert_int_equal(a.port->moderation.wait, 0);
	fake_pass(&a);
	fake_held(&a);
	assert_int_equal(a.port->moderation.wait, 2 * first);
	for (unsigned int i = 0; i < 10; i++)
		next_turn(&a, peer, 2, ACK, 1000);
	assert_true(a.port->moderation.pause <= 4 * first); /* not any length */
	turns(&a, peer, 1, ACK | PSH);                      /* the sender has no more for now */
	assert_int_equal(a.port->moderation.pause, 0);
	for (unsigned int i = 0; i < 8; i++) /* what some say with all that they send */
		next_turn(&a, peer, 1, ACK | PSH, 1460);
	assert_int_equal(a.port->moderation.pause, first);
	/* A pause that brings nothing is the last. */
	do {
		fake_release(&a);
		wait_again(end);
		fake_hold(&a);
		assert_int_equal(vde_send(peer, frame, fake_segment(frame, 0, ACK, 1000), 0), FAKE_HEADERS + 1000);
		fake_held(&a);
	} while (a.port->moderation.pause != 0 && wait_now_ms() < end);
	assert_int_equal(a.port->moderation.pause, 0);
	fake_release(&a);
	vde_close(peer);
	fake_close(&a);
}

/* Questions and answers, and datagrams, do not wait; nor does what comes in bursts by itself. */
static void what_does_not_trickle_is_not_moderated(void **state)
{
	struct fake a;
	VDECONN *peer = open_end(&a, false);

	(void)state;
	hold_first(&a, peer);
	for (unsigned int i = 0; i < 10; i++) {
		turns(&a, peer, 5, ACK);
		turns(&a, peer, 1, ACK | PSH);
		assert_int_equal(a.port->moderation.pause, 0);
	}
	for (unsigned int i = 0; i < 10; i++) {
		next_turn(&a, peer, 9, ACK, 1000);
		assert_int_equal(a.port->moderation.pause, 0);
	}
	for (unsigned int i = 0; i < 30; i++) {
		fake_pattern(frame, 1000, i);
		assert_int_equal(vde_send(peer, frame, 1000, 0), 1000);
		fake_pass(&a);
		fake_held(&a);
		assert_int_equal(a.port->moderation.pause, 0);
	}
	fake_release(&a);
	vde_close(peer);
	fake_close(&a);
}

/* ------------------------------------------------------------------------------------------------- back-pressure */

/** flood - both ports send as fast as they can, and get everything in order */
static void flood(struct fake *fake[2], unsigned int count, size_t len)
{
	unsigned int sent[2] = {0}, seen[2] = {0};
	long end = wait_now_ms() + 6L * WAIT_MS;

	while (seen[0] < count || seen[1] < count) {
		assert_true(wait_now_ms() < end);
		for (unsigned int i = 0; i < 2; i++) {
			for (; sent[i] < count; sent[i]++) {
				fake_pattern(frame, len, (i + 1) << 24 | sent[i]);
				if (!fake_send(fake[i], frame, len))
					break;
			}
		}
		for (unsigned int i = 0; i < 2; i++) {
			while (fake_frames(fake[!i], 0) > 0) {
				fake_pattern(frame, len, (i + 1) << 24 | seen[i]++);
				assert_int_equal(fake_receive(fake[!i], got, sizeof(got)), len);
				assert_memory_equal(got, frame, len);
			}
		}
	}
}

static void a_ptp_network_loses_nothing(void **state)
{
	struct fake a, b, *both[2] = {&a, &b};
	struct link_port_stats stats;

	(void)state;
	open_pair(&a, &b, "ptp");
	flood(both, 20000, 200);
	flood(both, 2000, 9014);
	for (unsigned int i = 0; i < 2; i++) {
		link_port_stats(both[i]->port, &stats);
		assert_int_equal(stats.input_dropped, 0);
		assert_true(both[i]->largest_batch <= LINK_BATCH);
	}
	fake_close(&b);
	fake_close(&a);
}

static void a_slow_peer_slows_the_device(void **state)
{
	struct link_port_stats stats;
	unsigned int sent = 0, seen;
	struct fake a;
	VDECONN *peer = open_end(&a, false);
	pid_t loop;

	(void)state;
	fake_pattern(frame, 1514, 0);
	assert_int_equal(vde_send(peer, frame, 1514, 0), 1514);
	assert_int_equal(fake_receive(&a, got, sizeof(got)), 1514);
	assert_int_equal(fake_threads(&loop), 1);
	/* Nobody reads at the other end: first its queue is full, then the port stops reading ours. */
	for (;; sent++) {
		fake_pattern(frame, 1514, sent);
		if (fake_send(&a, frame, 1514))
			continue;
		assert_int_equal(wait_thread_blocked(loop), 0);
		if (!fake_send(&a, frame, 1514))
			break;
	}
	/* The other direction goes on meanwhile. */
	assert_int_equal(vde_send(peer, frame, 1514, 0), 1514);
	assert_int_equal(fake_receive(&a, got, sizeof(got)), 1514);
	for (seen = 0; seen < sent; seen++) {
		struct pollfd p = {.fd = vde_datafd(peer), .events = POLLIN};

		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		assert_int_equal(vde_recv(peer, got, sizeof(got), 0), 1514);
		fake_pattern(frame, 1514, seen);
		assert_memory_equal(got, frame, 1514);
	}
	link_port_stats(a.port, &stats);
	assert_int_equal(stats.output_dropped, 0);
	vde_close(peer);
	fake_close(&a);
}

/** send_segment - the stack sends a TCP segment that has to be cut; false when the queue is full */
static bool send_segment(struct fake *fake, uint32_t seq)
{
	static unsigned char large[sizeof(struct virtio_net_hdr) + FAKE_HEADERS + SEGMENT];
	struct virtio_net_hdr vnet = {
	        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	        .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
	        .hdr_len = FAKE_HEADERS,
	        .gso_size = PIECE,
	        .csum_start = FAKE_HEADERS - 20,
	        .csum_offset = 16,
	};

	memcpy(large, &vnet, sizeof(vnet));
	fake_segment(large + sizeof(vnet), seq, ACK, SEGMENT);
	return fake_send(fake, large, sizeof(large));
}

/** send_nonsense - the stack sends a frame that is none; false when the queue is full */
static bool send_nonsense(struct fake *fake)
{
	static const unsigned char none[sizeof(struct virtio_net_hdr) + 5];

	return fake_send(fake, none, sizeof(none));
}

/* Room may be for a part of a burst, and a burst may end within a segment, or behind a frame that is dropped. */
static void segments_are_cut_for_a_slow_peer_without_loss(void **state)
{
	uint32_t sent = 0, seen = 0, nonsense = 0;
	struct fake a;
	VDECONN *peer = open_end(&a, true);
	struct pollfd p = {.fd = vde_datafd(peer), .events = POLLIN};

	(void)state;
	for (uint32_t turn = 0; seen < SEGMENTS * SEGMENT; turn++) {
		while (sent < SEGMENTS * SEGMENT && send_segment(&a, sent)) {
			sent += SEGMENT;
			nonsense += send_nonsense(&a);
		}
		/* A few at a time. */
		for (uint32_t i = 0; i < 1 + turn % 40 && seen < sent; i++) {
			uint32_t left = SEGMENT - seen % SEGMENT;
			size_t len = FAKE_HEADERS + (left < PIECE ? left : PIECE);

			assert_int_equal(poll(&p, 1, WAIT_MS), 1);
			assert_int_equal(vde_recv(peer, got, sizeof(got), 0), len);
			assert_int_equal(link__get32(got + 38), seen);
			fake_segment(frame, seen, ACK, len - FAKE_HEADERS);
			assert_memory_equal(got + FAKE_HEADERS, frame + FAKE_HEADERS, len - FAKE_HEADERS);
			seen += (uint32_t)(len - FAKE_HEADERS);
		}
	}
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_true(wait_stats(&a, output_dropped_is, nonsense));
	assert_true(wait_stats(&a, output_bytes_is,
	                       SEGMENTS * (SEGMENT + (uint64_t)FAKE_HEADERS * ((SEGMENT + PIECE - 1) / PIECE))));
	vde_close(peer);
	fake_close(&a);
}

/* ----------------------------------------------------------------------------------------- the switch's processor */

/** first_allowed - a processor that this thread may use, and others may too; -1: there is one only */
static int first_allowed(void)
{
	cpu_set_t set;
	int cpu = 0;

	assert_return_code(sched_getaffinity(0, sizeof(set), &set), errno);
	if (CPU_COUNT(&set) < 2)
		return -1;
	while (!CPU_ISSET((size_t)cpu, &set))
		cpu++;
	return cpu;
}

/** may_run - may a thread run on a processor? */
static bool may_run(pid_t tid, int cpu)
{
	cpu_set_t set;

	assert_return_code(sched_getaffinity(tid, sizeof(set), &set), errno);
	return CPU_ISSET((size_t)cpu, &set);
}

/** flooding_peer - a process on processor @cpu that sends to the network, once a byte comes from @go, until it is killed */
static pid_t flooding_peer(const char *vnl, int cpu, int go)
{
	pid_t pid = fork();
	cpu_set_t set;
	VDECONN *vde;
	char c;

	assert_return_code(pid, errno);
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	vde = sched_setaffinity(0, sizeof(set), &set) == 0 && read(go, &c, 1) == 1
	              ? vde_open((char *)(uintptr_t)vnl, (char *)(uintptr_t) "peer", NULL)
	              : NULL;
	fake_pattern(frame, 60, 0);
	while (vde && vde_send(vde, frame, 60, 0) == 60)
		;
	_exit(1);
}

static void a_loop_keeps_off_the_processor_of_a_busy_peer(void **state)
{
	int cpu = first_allowed(), go[2];
	long end = wait_now_ms() + WAIT_MS;
	pid_t loop = 0, peer;
	struct fake a;

	(void)state;
	if (cpu < 0 || !PROCESS_HAS_ONE_THREAD) {
		print_message("there is one processor only, or no process with one thread\n");
		skip();
	}
	assert_return_code(pipe2(go, O_CLOEXEC), errno);
	peer = flooding_peer(fake_vnl("ptp", "net"), cpu, go[0]);
	fake_init(&a);
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "net"), "vde0", NULL), 0);
	assert_int_equal(fake_threads(&loop), 1);
	assert_true(may_run(loop, cpu));
	assert_int_equal(write(go[1], "", 1), 1);
	/* A loop that finds its processor dear may be away from it for a moment (place.c), and know nothing yet. */
	for (;;) {
		bool known;

		fake_hold(&a);
		fake_held(&a);
		known = a.port->conn.sender == peer;
		fake_release(&a);
		if (known && !may_run(loop, cpu))
			break;
		assert_true(wait_again(end));
	}
	assert_return_code(kill(peer, SIGKILL), errno);
	assert_int_equal(waitpid(peer, NULL, 0), peer);
	/* Whatever the loop does next, it finds that the time of many frames is over. */
	do
		fake_send(&a, frame, 60);
	while (!may_run(loop, cpu) && wait_again(end));
	assert_true(may_run(loop, cpu));
	fake_close(&a);
	close(go[0]);
	close(go[1]);
}

/* -------------------------------------------------------------------------------------------------- what fails */

static void a_peer_may_come_and_go(void **state)
{
	struct link_port_stats stats;
	struct fake a, b;

	(void)state;
	fake_init(&a);
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "net"), "vde0", NULL), 0);
	for (unsigned int round = 0; round < 3; round++) {
		fake_init(&b);
		assert_int_equal(fake_open(&b, fake_vnl("ptp", "net"), "vde1", NULL), 0);
		fake_exchange(&a, &b);
		fake_close(&b);
		link_port_stats(a.port, &stats);
		fake_pattern(frame, 60, 1);
		for (unsigned int i = 0; i < 5; i++)
			fake_send_all(&a, frame, 60);
		assert_true(wait_stats(&a, output_dropped_exceeds, stats.output_dropped + 4));
	}
	assert_int_equal(a.downs, 0);
	fake_close(&a);
}

static void a_dead_switch_is_told_once(void **state)
{
	struct fake a, b, c;

	(void)state;
	open_pair(&a, &b, "switch");
	fake_init(&c);
	assert_int_equal(fake_open(&c, fake_vnl("vde", "net"), "vde2", NULL), 0);
	fake_close(&a);
	assert_int_equal(fake_down(&b), -ENETDOWN);
	assert_int_equal(fake_down(&c), -ENETDOWN);
	/* The dead do nothing: a frame of the device stays where it is. */
	fake_pattern(frame, 60, 1);
	assert_true(fake_send(&b, frame, 60));
	/* A new switch of the same name is another switch. */
	fake_init(&a);
	assert_int_equal(fake_open(&a, fake_vnl("switch", "net"), "vde0", NULL), 0);
	link_port_close(b.port);
	assert_int_equal(recv(b.fd, got, sizeof(got), MSG_DONTWAIT), 60);
	assert_int_equal(fake_open(&b, fake_vnl("vde", "net"), "vde1", NULL), 0);
	fake_exchange(&a, &b);
	assert_int_equal(b.downs, 1);
	assert_int_equal(c.downs, 1);
	fake_close(&c);
	fake_close(&b);
	fake_close(&a);
}

static void a_device_that_fails_takes_its_port_down(void **state)
{
	struct fake a, b;

	(void)state;
	open_pair(&a, &b, "ptp");
	a.output_error = -ENODEV;
	fake_pattern(frame, 60, 1);
	fake_send_all(&a, frame, 60);
	assert_int_equal(fake_down(&a), -ENODEV);
	/* This one does not notice that its descriptor is dead, and always ready. */
	close(b.stack_fd);
	b.stack_fd = -1;
	assert_int_equal(fake_down(&b), -EIO);
	fake_close(&b);
	fake_close(&a);
}

static void a_port_that_cannot_be_opened_leaves_nothing(void **state)
{
	struct fake a;
	FILE *regular;
	int fd;

	(void)state;
	fake_init(&a);
	assert_int_equal(fake_open(&a, "ptp:///nonexistent/directory/net", "vde0", NULL), -ENOENT);
	assert_int_equal(fake_open(&a, fake_vnl("vde", "nobody"), "vde0", NULL), -ENOENT);
	assert_int_equal(fake_open(&a, "no_such_module://x", "vde0", NULL), -EPROTONOSUPPORT);
	assert_int_equal(fake_open(&a, NULL, "vde0", NULL), -EINVAL);
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "net"), NULL, NULL), -EINVAL);
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "net"), "", NULL), -EINVAL);
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "net"), "a/b", NULL), -EINVAL);
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "net"), "sixteen_bytes_xx", NULL), -EINVAL);
	/* Descriptors that cannot be waited for. */
	fd = a.fd;
	regular = tmpfile();
	assert_non_null(regular);
	a.fd = -1;
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "net"), "vde0", NULL), -EINVAL);
	a.fd = 1000000;
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "net"), "vde0", NULL), -EBADF);
	a.fd = fileno(regular);
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "net"), "vde0", NULL), -EPERM);
	a.fd = fd;
	fclose(regular);
	/* The name is free: none of the failures holds it. */
	assert_int_equal(fake_open(&a, fake_vnl("ptp", "net"), "vde0", NULL), 0);
	fake_close(&a);
}

static void descriptors_may_run_out(void **state)
{
	struct rlimit old, none;
	struct fake a;
	int opened = -1, used;

	(void)state;
	fake_init(&a);
	used = dup(a.fd);
	close(used);
	assert_return_code(getrlimit(RLIMIT_NOFILE, &old), errno);
	/* One more descriptor in each round, until the port has enough. */
	for (int extra = 0; extra < 20 && opened != 0; extra++) {
		char text[256];
		struct left now;

		assert_int_equal(left_count(&now), 0);
		none = old;
		none.rlim_cur = (rlim_t)used + (rlim_t)extra;
		assert_return_code(setrlimit(RLIMIT_NOFILE, &none), errno);
		opened = fake_open(&a, fake_vnl("ptp", "net"), "vde0", NULL);
		assert_return_code(setrlimit(RLIMIT_NOFILE, &old), errno);
		if (opened == 0)
			break;
		/* libvdeplug says ENOENT or so when it cannot load a module. */
		assert_true(opened < 0);
		if (left_since(&now, text, sizeof(text)) != 0)
			fail_msg("with %d descriptors: %s", extra, text);
	}
	assert_int_equal(opened, 0);
	fake_close(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_remember, fake_nothing_left)
	        TEST(frames_of_all_sizes_cross),
	        TEST(frames_the_network_cannot_carry_are_dropped),
	        TEST(malformed_frames_from_the_network_are_dropped),
	        TEST(frames_that_arrive_together_are_one_batch),
	        TEST(what_is_malformed_in_a_burst_takes_nothing_with_it),
	        TEST(a_stream_that_trickles_in_is_taken_in_pauses),
	        TEST(what_does_not_trickle_is_not_moderated),
	        TEST(a_ptp_network_loses_nothing),
	        TEST(a_slow_peer_slows_the_device),
	        TEST(segments_are_cut_for_a_slow_peer_without_loss),
	        TEST(a_loop_keeps_off_the_processor_of_a_busy_peer),
	        TEST(a_peer_may_come_and_go),
	        TEST(a_dead_switch_is_told_once),
	        TEST(a_device_that_fails_takes_its_port_down),
	        TEST(a_port_that_cannot_be_opened_leaves_nothing),
	        TEST(descriptors_may_run_out),
	};

	return cmocka_run_group_tests(tests, fake_group, NULL);
}
