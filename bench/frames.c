/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames between two processes on a VDE network, moved by libvdeplug alone, without a stack.
 *
 * The worker sends frames of one size as fast as it can, to a process of its own that takes one after the other and
 * counts. What is counted is what was received; a network may lose frames. The clock stops when the last has come, for
 * the queues of many ports hold more than is sent in a short sample. The two are pinned to different processors: on one
 * and the same, which the scheduler may choose, a frame in shared memory costs a third. With several pairs of ports the
 * worker has the sending end of each, which it serves in turn, a batch at a time, and the other process all the others.
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
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MIN 64
#define FRAME_MAX 1514
#define PAIRS_MAX 64
#define TO_ALL 0xff
#define HELLO_MS 5000
#define BATCH 64 /* frames to one port before the next has its turn, and between two looks at the clock */
#define WARM 64  /* batches of each pair before the first sample */
#define EAGER_NS 100000
#define PAUSE_NS 20000
#define SILENCE_NS 200000000 /* after the last frame: whatever was still under way has come by then */
#define SETTLE_US 100

enum { RATE, CPU, THROUGHPUT };

/** struct wire - a kind of network: what each side opens */
struct wire {
	const char *scheme[2];
	unsigned int pairs; /* of ports */
	bool eager;         /* the receiver looks for more before it sleeps, as a loop of libioth does */
};

/** struct frames - a sender; station 2n sends to station 2n + 1 */
struct frames {
	const struct wire *wire;
	VDECONN *conn[PAIRS_MAX];
	pid_t receiver;
	clockid_t receiver_busy;
	_Atomic unsigned long *received; /* frames, shared with the receiver */
	size_t size;
	unsigned char frame[FRAME_MAX];
};

/** struct port - where the receiver waits */
struct port {
	VDECONN *conn;
	int fd;
	bool waits; /* receiving would wait, whatever it is told */
};

/** struct receiver - the other process */
struct receiver {
	const struct wire *wire;
	struct port port[PAIRS_MAX];
	int set; /* for epoll, of all ports */
	_Atomic unsigned long *received;
	unsigned char frame[FRAME_MAX];
};

static VDECONN *join(const struct wire *wire, int side, int number)
{
	char url[160], description[] = "ioth-bench";

	snprintf(url, sizeof(url), "%s://%s/frames%d", wire->scheme[side], bench_options.directory, number);
	return vde_open(url, description, NULL);
}

/** address - write into a frame from which station to which it goes */
static void address(unsigned char *frame, unsigned int to, unsigned int from)
{
	unsigned char mac[2][6] = {{2, 0, 0, 0, 0, (unsigned char)to}, {2, 0, 0, 0, 0, (unsigned char)from}};

	if (to == TO_ALL)
		memset(mac[0], 0xff, sizeof(mac[0]));
	memcpy(frame, mac, sizeof(mac));
}

/* --------------------------------------------------------------------------------------------------- the receiver */

/** take - receive and count what has come to a port, a batch at most; how many frames */
static unsigned long take(struct receiver *r, const struct port *port, int flags)
{
	struct pollfd p = {.fd = port->fd, .events = POLLIN};
	unsigned long n = 0;

	while (n < BATCH && (!port->waits || poll(&p, 1, 0) == 1) &&
	       vde_recv(port->conn, r->frame, sizeof(r->frame), MSG_DONTWAIT | flags) >= 0)
		n++;
	if (n > 0)
		atomic_fetch_add_explicit(r->received, n, memory_order_relaxed);
	return n;
}

/**
 * look - receive until nothing has come to any port for EAGER_NS; then all of them tell when there is more
 *
 * Who looks at once after each frame takes the lines of the queue away from the sender for every one of them. So empty
 * queues are left alone for PAUSE_NS.
 */
static void look(struct receiver *r)
{
	uint64_t last = clock_ns(), now = last, pause = 0;

	while (now - last < EAGER_NS) {
		if (now - pause >= PAUSE_NS) {
			unsigned long n = 0;

			for (unsigned int i = 0; i < r->wire->pairs; i++)
				n += take(r, &r->port[i], VDE_SHM_AWAKE);
			if (n > 0)
				last = clock_ns();
			else
				pause = clock_ns();
		}
		now = clock_ns();
	}
	for (unsigned int i = 0; i < r->wire->pairs; i++)
		while (take(r, &r->port[i], 0) == BATCH)
			continue;
}

/** receiver_open - join the network and tell it where we are; false on failure */
static bool receiver_open(struct receiver *r, int number)
{
	r->set = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned int i = 0; i < r->wire->pairs; i++) {
		struct port *port = &r->port[i];
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = port};
		struct stat st;

		port->conn = join(r->wire, 1, number);
		if (!port->conn)
			return false;
		port->fd = vde_datafd(port->conn);
		/* A socket need not be polled for each frame; what lies behind an epoll set would wait. */
		port->waits = fstat(port->fd, &st) != 0 || !S_ISSOCK(st.st_mode);
		if (!port->waits)
			fcntl(port->fd, F_SETFL, fcntl(port->fd, F_GETFL) | O_NONBLOCK);
		if (epoll_ctl(r->set, EPOLL_CTL_ADD, port->fd, &event) < 0)
			return false;
		address(r->frame, TO_ALL, 2 * i + 1);
		vde_send(port->conn, r->frame, FRAME_MIN, 0);
	}
	return true;
}

/** receive - the other process: count until we are killed */
static _Noreturn void receive(_Atomic unsigned long *received, const struct wire *wire, int number)
{
	static struct receiver r;
	struct epoll_event ready[PAIRS_MAX];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	processors_pin(1);
	r.received = received;
	r.wire = wire;
	if (!receiver_open(&r, number))
		_exit(1);
	for (;;) {
		int ports = epoll_wait(r.set, ready, PAIRS_MAX, -1);

		if (wire->eager)
			look(&r);
		for (int i = 0; i < ports && !wire->eager; i++)
			take(&r, ready[i].data.ptr, 0);
	}
}

/* ----------------------------------------------------------------------------------------------------- the sender */

/** hello - wait until a port has got a frame of each receiver's port; false when one did not come */
static bool hello(VDECONN *conn, unsigned int ports)
{
	struct pollfd p = {.fd = vde_datafd(conn), .events = POLLIN};
	uint64_t end = clock_ns() + HELLO_MS * 1000000UL;
	unsigned char frame[FRAME_MAX];

	while (ports > 0 && clock_ns() < end)
		if (poll(&p, 1, 10) == 1 && vde_recv(conn, frame, sizeof(frame), 0) >= FRAME_MIN)
			ports--;
	return ports == 0;
}

/** send_batch - from a pair's first station to its second; how many frames the network took */
static unsigned long send_batch(struct frames *f, unsigned int pair)
{
	unsigned long n = 0;

	address(f->frame, 2 * pair + 1, 2 * pair);
	for (unsigned int i = 0; i < BATCH; i++)
		n += vde_send(f->conn[pair], f->frame, f->size, 0) == (ssize_t)f->size;
	return n;
}

/** settle - wait until @all frames have come, or no more come; when the last one came */
static uint64_t settle(const struct frames *f, unsigned long all)
{
	unsigned long before = 0;
	uint64_t last = 0;

	for (;;) {
		unsigned long received = atomic_load(f->received);
		uint64_t now = clock_ns();

		if (received != before)
			last = now;
		if (received >= all || now - last > SILENCE_NS)
			return last;
		before = received;
		usleep(SETTLE_US);
	}
}

/** send_round - a batch from each pair; how many frames the network took */
static unsigned long send_round(struct frames *f)
{
	unsigned long n = 0;

	for (unsigned int pair = 0; pair < f->wire->pairs; pair++)
		n += send_batch(f, pair);
	return n;
}

/** busy_ns - processor time of both processes */
static unsigned long busy_ns(const struct frames *f)
{
	struct timespec own, other = {0};

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
	clock_gettime(f->receiver_busy, &other);
	return (unsigned long)(own.tv_sec + other.tv_sec) * 1000000000UL + (unsigned long)(own.tv_nsec + other.tv_nsec);
}

static void frames_end(void *state)
{
	struct frames *f = state;

	if (f->receiver > 0) {
		kill(f->receiver, SIGKILL);
		waitpid(f->receiver, NULL, 0);
	}
	for (unsigned int i = 0; i < f->wire->pairs; i++)
		if (f->conn[i])
			vde_close(f->conn[i]);
	munmap(f->received, sizeof(*f->received));
	free(f);
}

/** start - both processes on the network, and the network knows where the receiver is; 0, or -1 after bench_fail */
static int start(struct frames *f, int number)
{
	unsigned long all = 0;

	for (unsigned int i = 0; i < f->wire->pairs; i++) {
		f->conn[i] = join(f->wire, 0, number);
		if (!f->conn[i])
			return bench_fail("vde_open: %s", strerror(errno));
	}
	processors_pin(0);
	f->receiver = fork();
	if (f->receiver < 0)
		return bench_fail("fork: %s", strerror(errno));
	if (f->receiver == 0)
		receive(f->received, f->wire, number);
	for (unsigned int i = 0; i < f->wire->pairs; i++)
		if (!hello(f->conn[i], f->wire->pairs))
			return bench_fail("the receiver does not speak");
	/* Memory is there when it is first written to, which is not what is measured. */
	for (unsigned int i = 0; i < WARM; i++)
		all += send_round(f);
	settle(f, all);
	if (clock_getcpuclockid(f->receiver, &f->receiver_busy) != 0)
		return bench_fail("the receiver died");
	return 0;
}

static int frames_begin(const struct bench_subject *subject, void **state)
{
	struct frames *f = calloc(1, sizeof(*f));

	if (!f)
		return bench_fail("no memory");
	f->wire = subject->arg;
	f->size = *(const size_t *)bench_current_row->arg;
	f->received = mmap(NULL, sizeof(*f->received), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (f->received == MAP_FAILED) {
		free(f);
		return bench_fail("no memory");
	}
	if (start(f, (int)getpid()) < 0) {
		frames_end(f);
		return -1;
	}
	*state = f;
	return 0;
}

static int frames_sample(void *state, double *values)
{
	struct frames *f = state;
	unsigned long received = atomic_load(f->received), sent = 0, busy = busy_ns(f);
	uint64_t begin = clock_ns(), end = begin + bench_sample_ns();
	double seconds, n;

	while (clock_ns() < end)
		sent += send_round(f);
	seconds = (double)(settle(f, received + sent) - begin) / 1e9;
	n = (double)(atomic_load(f->received) - received);
	busy = busy_ns(f) - busy;
	if (n == 0)
		return bench_fail("nothing was received");
	values[RATE] = n / seconds / 1e6;
	values[CPU] = (double)busy / n;
	values[THROUGHPUT] = n * (double)f->size * 8 / seconds / 1e9;
	return 0;
}

static const struct bench_metric metrics[] = {
        [RATE] = {"received", "M/s", BENCH_MORE},
        [CPU] = {"CPU time", "ns/frame", BENCH_LESS},
        [THROUGHPUT] = {"throughput", "Gbit/s", BENCH_MORE},
};
static const struct wire ptp = {{"ptp", "ptp"}, 1, false}, inside = {{"switch", "vde"}, 1, false},
                         shm = {{"shm", "shm"}, 1, false}, eager = {{"shm", "shm"}, 1, true};
static const struct bench_subject subjects[] = {
        {"ptp", {NULL}, &ptp},
        {"switch", {NULL}, &inside},
        {"shm", {"ptp", "switch"}, &shm},
        {"shm eager", {"shm"}, &eager},
};
static const struct bench_target targets[] = {{"shm*", "received", BENCH_AT_LEAST, 5, NULL}};
static const size_t small = FRAME_MIN, large = FRAME_MAX;

static const struct wire two = {{"shm", "shm"}, 2, false}, four = {{"shm", "shm"}, 4, false},
                         eight = {{"shm", "shm"}, 8, false}, sixteen = {{"shm", "shm"}, 16, false},
                         thirty_two = {{"shm", "shm"}, 32, false}, sixty_four = {{"shm", "shm"}, 64, false};
static const struct bench_subject pairs[] = {
        {"shm 2", {NULL}, &two},         {"shm 4", {"shm 2"}, &four},        {"shm 8", {"shm 2"}, &eight},
        {"shm 16", {"shm 2"}, &sixteen}, {"shm 32", {"shm 2"}, &thirty_two}, {"shm 64", {"shm 2"}, &sixty_four},
};

/* @metric_count_: without throughput, which is the last, where it says no more than the rate */
#define FRAMES_ROW(row_name, row_title, metric_count_, row_subjects, frame_size)                                       \
	.name = (row_name), .title = (row_title), .metrics = metrics, .metric_count = (metric_count_),                 \
	.subjects = (row_subjects), .subject_count = BENCH_COUNT(row_subjects), .begin = frames_begin,                 \
	.sample = frames_sample, .end = frames_end, .arg = (frame_size)

const struct bench_row bench_row_frames_small = {
        FRAMES_ROW("frames-64", "frames of 64 bytes between two processes, by libvdeplug alone", BENCH_COUNT(metrics),
                   subjects, &small),
        .targets = targets,
        .target_count = BENCH_COUNT(targets),
};

const struct bench_row bench_row_frames_large = {
        FRAMES_ROW("frames-1514", "frames of 1514 bytes between two processes, by libvdeplug alone",
                   BENCH_COUNT(metrics), subjects, &large),
};

const struct bench_row bench_row_pairs_processes = {
        FRAMES_ROW("pairs-processes",
                   "frames of 64 bytes between 2 to 64 pairs of ports of one network, senders in one process, "
                   "receivers in another",
                   THROUGHPUT, pairs, &small),
};
