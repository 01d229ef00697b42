/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wire - a bad cable: joins the veth pair NEAR-FAR of this namespace to a VDE network, and spoils what passes
 *
 *   wire NEAR FAR VNL [seed=N] [loss=N] [duplicate=N] [reorder=N] [delay=MS] [jitter=MS]
 *
 * What the qdisc netem does where the kernel has it. loss, duplicate and reorder count in thousandths of the frames,
 * each way; reordered frames come HELD_MS later than they would have. Which frames those are depends on the seed and
 * the number of the frame alone, so the same traffic meets the same fate again.
 *
 * Prints "ready", and when standard input ends a line "toward_network N lost N duplicated N reordered N toward_linux N
 * ...".
 *
 * Each way has a queue in the order of the time at which frames leave; a frame is one allocation. One thread, no locks.
 */
#include <errno.h>
#include <libvdeplug.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX 9234
#define QUEUE_MAX 20000U
#define HELD_MS 3
#define MS INT64_C(1000000)

struct frame {
	struct frame *next;
	int64_t leaves;
	size_t len;
	unsigned char data[];
};

/** struct way - one direction */
struct way {
	const char *name;
	uint64_t random;
	struct frame *queue;
	unsigned int queued;
	unsigned long frames, lost, duplicated, reordered;
};

static struct {
	unsigned long seed, loss, duplicate, reorder, delay, jitter;
} spoil = {.seed = 1};

static VDECONN *conn;
static int sock;

static void fail(const char *what)
{
	fprintf(stderr, "wire: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/** draw - a number below @below, the next one of SplitMix64 (Steele, Lea, Flood 2014) */
static unsigned long draw(struct way *way, unsigned long below)
{
	uint64_t x = way->random += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return below ? (unsigned long)((x ^ x >> 31) % below) : 0;
}

/** enqueue - behind all that leave no later */
static void enqueue(struct way *way, const unsigned char *data, size_t len, int64_t leaves)
{
	struct frame **link = &way->queue, *frame;

	if (way->queued >= QUEUE_MAX) {
		way->lost++;
		return;
	}
	frame = malloc(sizeof(*frame) + len);
	if (frame == NULL)
		fail("no memory");
	while (*link && (*link)->leaves <= leaves)
		link = &(*link)->next;
	frame->next = *link;
	frame->leaves = leaves;
	frame->len = len;
	memcpy(frame->data, data, len);
	*link = frame;
	way->queued++;
}

/** enter - a frame comes to one end; as many numbers are drawn for each, whatever becomes of it */
static void enter(struct way *way, const unsigned char *data, size_t len)
{
	unsigned long lost = draw(way, 1000), twice = draw(way, 1000), late = draw(way, 1000),
	              more = draw(way, spoil.jitter + 1);
	int64_t leaves = now() + (int64_t)(spoil.delay + more) * MS;

	way->frames++;
	if (lost < spoil.loss) {
		way->lost++;
		return;
	}
	if (late < spoil.reorder) {
		way->reordered++;
		leaves += HELD_MS * MS;
	}
	enqueue(way, data, len, leaves);
	if (twice < spoil.duplicate) {
		way->duplicated++;
		enqueue(way, data, len, leaves);
	}
}

/** leave - what is due goes out of the other end */
static void leave(struct way *way, bool toward_network)
{
	while (way->queue && way->queue->leaves <= now()) {
		struct frame *frame = way->queue;

		/* A frame that the other side does not take is lost, as on a cable. */
		if (toward_network)
			vde_send(conn, frame->data, frame->len, 0);
		else
			send(sock, frame->data, frame->len, 0);
		way->queue = frame->next;
		way->queued--;
		free(frame);
	}
}

/** whole_frames - nobody here cuts large segments or fills in checksums: let the kernel do both beforehand */
static void whole_frames(const char *ifname)
{
	static const uint32_t commands[] = {ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		struct ethtool_value value = {.cmd = commands[i]};
		struct ifreq ifr = {.ifr_data = (char *)&value};

		snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
		if (ioctl(fd, SIOCETHTOOL, &ifr) < 0)
			fail("ethtool");
	}
	close(fd);
}

static void open_ends(char *argv[])
{
	struct sockaddr_ll far = {
	        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(argv[2])};
	int size = 8 << 20, yes = 1;

	whole_frames(argv[1]);
	sock = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (sock < 0 || setsockopt(sock, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes)) < 0 ||
	    bind(sock, (struct sockaddr *)&far, sizeof(far)) < 0)
		fail(argv[2]);
	if (setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	conn = vde_open(argv[3], (char[]){"wire"}, NULL);
	if (conn == NULL)
		fail(argv[3]);
}

static void option(const char *text)
{
	static const struct {
		const char *name;
		unsigned long *value;
	} known[] = {{"seed", &spoil.seed},       {"loss", &spoil.loss},   {"duplicate", &spoil.duplicate},
	             {"reorder", &spoil.reorder}, {"delay", &spoil.delay}, {"jitter", &spoil.jitter}};
	size_t len = strcspn(text, "=");

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strlen(known[i].name) == len && memcmp(text, known[i].name, len) == 0 && text[len] == '=') {
			*known[i].value = strtoul(text + len + 1, NULL, 10);
			return;
		}
	}
	fprintf(stderr, "wire: no such option: %s\n", text);
	exit(2);
}

static void report(const struct way *way)
{
	printf("%s %lu lost %lu duplicated %lu reordered %lu\n", way->name, way->frames, way->lost, way->duplicated,
	       way->reordered);
}

/** until - how long to wait, for ppoll: until the first frame of either way leaves */
static const struct timespec *until(const struct way way[2], struct timespec *t)
{
	int64_t first = INT64_MAX, left;

	for (int i = 0; i < 2; i++) {
		if (way[i].queue && way[i].queue->leaves < first)
			first = way[i].queue->leaves;
	}
	if (first == INT64_MAX)
		return NULL;
	left = first - now();
	*t = (struct timespec){.tv_nsec = left > 0 ? left % (1000 * MS) : 0,
	                       .tv_sec = left > 0 ? left / (1000 * MS) : 0};
	return t;
}

int main(int argc, char *argv[])
{
	struct way way[2] = {{.name = "toward_network"}, {.name = "toward_linux"}};
	unsigned char frame[65536], c;
	struct timespec wait;

	if (argc < 4) {
		fprintf(stderr, "usage: wire NEAR FAR VNL [OPTION=N]...\n");
		return 2;
	}
	for (int i = 4; i < argc; i++)
		option(argv[i]);
	way[0].random = spoil.seed;
	way[1].random = ~(uint64_t)spoil.seed;
	open_ends(argv);
	printf("ready\n");
	fflush(stdout);
	for (struct pollfd ends[3] = {{0, POLLIN, 0}, {sock, POLLIN, 0}, {vde_datafd(conn), POLLIN, 0}};;) {
		if (ppoll(ends, 3, until(way, &wait), NULL) < 0 && errno != EINTR)
			fail("poll");
		if (ends[0].revents && read(0, &c, 1) <= 0)
			break;
		for (int n = 0; n < 64 && ends[1].revents; n++) {
			ssize_t len = recv(sock, frame, sizeof(frame), 0);

			if (len < 0)
				break;
			if (len <= FRAME_MAX)
				enter(&way[0], frame, (size_t)len);
		}
		if (ends[2].revents) {
			ssize_t len = vde_recv(conn, frame, FRAME_MAX, 0);

			if (len < 0 && errno != EAGAIN && errno != EINTR)
				fail("the network has gone");
			/* one byte is a message of the network's own */
			if (len > ETH_HLEN)
				enter(&way[1], frame, (size_t)len);
		}
		leave(&way[0], true);
		leave(&way[1], false);
	}
	report(&way[0]);
	report(&way[1]);
	return 0;
}
