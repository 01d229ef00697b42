/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames between two ports of a VDE network, moved by libvdeplug alone, without a stack.
 *
 * The worker sends frames of one size as fast as it can, to a process of its own that takes one after the other and
 * counts. What is counted is what was received; a network may lose frames. The two are pinned to different processors:
 * on one and the same, which the scheduler may choose, a frame in shared memory costs a third.
 */
#include "bench.h"
#include "clock.h"
#include "processors.h"
#include "vdeplug_shm.h"

#include <errno.h>
#include <fcntl.h>
#include <libvdeplug.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MIN 64
#define FRAME_MAX 1514
#define HELLO_MS 5000
#define CHECK 64 /* frames between two looks at the clock */
#define EAGER_NS 100000
#define PAUSE_NS 20000

enum { RATE, THROUGHPUT, CPU };

/** struct frames - a sender, its receiver, and what they share */
struct frames {
	VDECONN *conn;
	pid_t receiver;
	size_t size;
	struct shared {
		_Atomic unsigned long received, busy; /* frames; nanoseconds of processor time */
	} * shared;
	unsigned char frame[FRAME_MAX];
};

/** struct wire - a kind of network: what each side opens */
struct wire {
	const char *scheme[2];
	bool eager; /* the receiver looks for more before it sleeps, as a loop of libioth does */
};

/** busy_ns - processor time of this process */
static unsigned long busy_ns(void)
{
	struct timespec busy;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &busy);
	return (unsigned long)busy.tv_sec * 1000000000UL + (unsigned long)busy.tv_nsec;
}

static VDECONN *join(const struct wire *wire, int side, int number)
{
	char url[160], description[] = "ioth-bench";

	snprintf(url, sizeof(url), "%s://%s/frames%d", wire->scheme[side], bench_options.directory, number);
	return vde_open(url, description, NULL);
}

/** make_frame - from station @from to @to, 0xff being all */
static void make_frame(unsigned char *frame, unsigned char to, unsigned char from)
{
	memset(frame, 0, FRAME_MAX);
	frame[0] = frame[6] = 2;
	frame[5] = to;
	frame[11] = from;
	if (to == 0xff)
		memset(frame, 0xff, 6);
}

/**
 * look - receive until nothing has come for EAGER_NS; how many frames
 *
 * Who looks at once after each frame takes the lines of the queue away from the sender for every one of them. So an
 * empty queue is left alone for PAUSE_NS.
 */
static unsigned long look(VDECONN *conn, unsigned char *frame)
{
	uint64_t last = clock_ns(), now = last, pause = 0;
	unsigned long n = 0;

	while (n < CHECK * 10 && now - last < EAGER_NS) {
		if (now - pause >= PAUSE_NS) {
			unsigned long before = n;

			while (n < CHECK * 10 && vde_recv(conn, frame, FRAME_MAX, MSG_DONTWAIT | VDE_SHM_AWAKE) >= 0)
				n++;
			pause = clock_ns();
			if (n > before)
				last = pause;
		}
		now = clock_ns();
	}
	return n;
}

/** receive - the other process: tell the network where we are, then count until we are killed */
static _Noreturn void receive(struct shared *shared, const struct wire *wire, int number)
{
	VDECONN *conn = join(wire, 1, number);
	struct pollfd p = {.events = POLLIN};
	unsigned char frame[FRAME_MAX];
	struct stat st;
	bool waits;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	processors_pin(1);
	if (!conn)
		_exit(1);
	p.fd = vde_datafd(conn);
	/* A socket need not be polled for each frame; what lies behind an epoll set would wait. */
	waits = fstat(p.fd, &st) != 0 || !S_ISSOCK(st.st_mode);
	if (!waits)
		fcntl(p.fd, F_SETFL, fcntl(p.fd, F_GETFL) | O_NONBLOCK);
	make_frame(frame, 0xff, 2);
	vde_send(conn, frame, FRAME_MIN, 0);
	for (;;) {
		unsigned long n = 0;

		if (poll(&p, 1, -1) != 1)
			continue;
		if (wire->eager)
			n = look(conn, frame);
		while (n < CHECK && (!waits || poll(&p, 1, 0) == 1) &&
		       vde_recv(conn, frame, sizeof(frame), MSG_DONTWAIT) >= 0)
			n++;
		atomic_fetch_add_explicit(&shared->received, n, memory_order_relaxed);
		atomic_store_explicit(&shared->busy, busy_ns(), memory_order_relaxed);
	}
}

/** hello - wait for the receiver's first frame; false when none came */
static bool hello(VDECONN *conn)
{
	struct pollfd p = {.fd = vde_datafd(conn), .events = POLLIN};
	uint64_t end = clock_ns() + HELLO_MS * 1000000UL;
	unsigned char frame[FRAME_MAX];

	while (clock_ns() < end)
		if (poll(&p, 1, 10) == 1 && vde_recv(conn, frame, sizeof(frame), 0) >= FRAME_MIN)
			return true;
	return false;
}

static void frames_end(void *state)
{
	struct frames *f = state;

	if (f->receiver > 0) {
		kill(f->receiver, SIGKILL);
		waitpid(f->receiver, NULL, 0);
	}
	if (f->conn)
		vde_close(f->conn);
	munmap(f->shared, sizeof(*f->shared));
	free(f);
}

static int frames_begin(const struct bench_subject *subject, void **state)
{
	static int number;
	struct frames *f = calloc(1, sizeof(*f));
	int own = (int)getpid() * 10 + number++;

	if (!f)
		return bench_fail("no memory");
	f->size = *(const size_t *)bench_current_row->arg;
	f->shared = mmap(NULL, sizeof(*f->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (f->shared == MAP_FAILED) {
		free(f);
		return bench_fail("no memory");
	}
	*state = f;
	f->conn = join(subject->arg, 0, own);
	if (!f->conn) {
		bench_fail("vde_open: %s", strerror(errno));
		goto fail;
	}
	processors_pin(0);
	f->receiver = fork();
	if (f->receiver == 0)
		receive(f->shared, subject->arg, own);
	if (!hello(f->conn)) {
		bench_fail("the receiver does not speak");
		goto fail;
	}
	make_frame(f->frame, 2, 1);
	return 0;
fail:
	frames_end(f);
	*state = NULL;
	return -1;
}

static int frames_sample(void *state, double *values)
{
	struct frames *f = state;
	unsigned long received = atomic_load(&f->shared->received), busy = busy_ns() + atomic_load(&f->shared->busy);
	uint64_t start = clock_ns(), end = start + bench_sample_ns();
	double seconds, n;

	while (clock_ns() < end)
		for (int i = 0; i < CHECK; i++)
			vde_send(f->conn, f->frame, f->size, 0);
	seconds = (double)(clock_ns() - start) / 1e9;
	n = (double)(atomic_load(&f->shared->received) - received);
	busy = busy_ns() + atomic_load(&f->shared->busy) - busy;
	if (n == 0)
		return bench_fail("nothing was received");
	values[RATE] = n / seconds / 1e6;
	values[THROUGHPUT] = n * (double)f->size * 8 / seconds / 1e9;
	values[CPU] = (double)busy / n;
	return 0;
}

static const struct bench_metric metrics[] = {
        [RATE] = {"received", "M/s", BENCH_MORE},
        [THROUGHPUT] = {"throughput", "Gbit/s", BENCH_MORE},
        [CPU] = {"CPU time", "ns/frame", BENCH_LESS},
};
static const struct wire ptp = {.scheme = {"ptp", "ptp"}}, inside = {.scheme = {"switch", "vde"}},
                         shm = {.scheme = {"shm", "shm"}}, eager = {.scheme = {"shm", "shm"}, .eager = true};
static const struct bench_subject subjects[] = {
        {"ptp", {NULL}, &ptp},
        {"switch", {NULL}, &inside},
        {"shm", {"ptp", "switch"}, &shm},
        {"shm eager", {"shm"}, &eager},
};
static const struct bench_target targets[] = {{"shm*", "received", BENCH_AT_LEAST, 5, NULL}};
static const size_t small = FRAME_MIN, large = FRAME_MAX;

#define FRAMES_ROW(row_name, row_title, size)                                                                          \
	.name = (row_name), .title = (row_title), .metrics = metrics, .metric_count = BENCH_COUNT(metrics),            \
	.subjects = subjects, .subject_count = BENCH_COUNT(subjects), .begin = frames_begin, .sample = frames_sample,  \
	.end = frames_end, .arg = (size)

const struct bench_row bench_row_frames_small = {
        FRAMES_ROW("frames-64", "frames of 64 bytes between two processes, by libvdeplug alone", &small),
        .targets = targets,
        .target_count = BENCH_COUNT(targets),
};

const struct bench_row bench_row_frames_large = {
        FRAMES_ROW("frames-1514", "frames of 1514 bytes between two processes, by libvdeplug alone", &large),
};
