/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * flood.c - somebody on the network sends what costs a host memory: beginnings of connections, fragments that nothing
 * follows, new neighbours. Established connections go on, memory stays bounded, and a stack can be deleted in the
 * middle of it.
 *
 * A thread (struct flood) joins the network as a station of its own and sends as fast as it can. A socket lets it do so
 * only as long as there is room; in memory nobody waits for room for a broadcast, and others' would find none among
 * some millions a second. So there it sends some frames to one of the stacks, and waits until they are taken. Frames
 * are made from a counter, so each is from somebody else; all of them are well formed, with checksums, since others
 * are dropped at once.
 */
#include "soak.h"

#include "wait.h"

#include <errno.h>
#include <malloc.h>
#include <libvdeplug.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#define FRAGMENT 1400U
#define END_MAX_MS 1000
#define LEFT_MAX ((size_t)1 << 20) /* what the survivor may have more of on its way than at another time */
#define GROWTH_MAX 24000L          /* KiB: what a stack may keep for strangers, and then some */

/** struct flood - a thread that sends frames to everybody */
struct flood {
	VDECONN *conn;
	unsigned int victim;      /* 10.0.0.0 + it */
	bool waits;               /* for room */
	unsigned char station[6]; /* at whom it looks for that */
	pthread_t thread;
	_Atomic bool stop;
	_Atomic unsigned long frames;
};

static void put16(unsigned char *at, unsigned int value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

static void put32(unsigned char *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffffU);
}

/** sum - of the Internet checksum, @sum included; @len is even */
static uint32_t sum(uint32_t sum, const unsigned char *data, size_t len)
{
	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	return sum;
}

static unsigned int fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/** ether - everybody's, from a station that nobody has seen */
static void ether(unsigned char *frame, unsigned long n, unsigned int type)
{
	memset(frame, 0xff, 6);
	frame[6] = 2;
	frame[7] = 0x77;
	put32(frame + 8, (uint32_t)n);
	put16(frame + 12, type);
}

/** ip4 - a header from 10.128.0.0 + @n */
static unsigned char *ip4(unsigned char *frame, const struct flood *flood, unsigned long n, unsigned int protocol,
                          size_t len, unsigned int fragment)
{
	unsigned char *ip = frame + 14;

	ether(frame, n, 0x0800);
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put16(ip + 2, (unsigned int)(20 + len));
	put16(ip + 4, (unsigned int)(n & 0xffff));
	put16(ip + 6, fragment);
	ip[8] = 64;
	ip[9] = (unsigned char)protocol;
	put32(ip + 12, (uint32_t)(0x0a800000U | (n & 0x7fffff)));
	put32(ip + 16, 0x0a000000U + flood->victim);
	put16(ip + 10, fold(sum(0, ip, 20)));
	return ip + 20;
}

static size_t syn(unsigned char *frame, const struct flood *flood, unsigned long n, unsigned int port)
{
	unsigned char *tcp = ip4(frame, flood, n, 6, 20, 0);

	memset(tcp, 0, 20);
	put16(tcp, 1024 + (unsigned int)(n % 60000));
	put16(tcp + 2, port);
	put32(tcp + 4, (uint32_t)(n * 2654435761U));
	tcp[12] = 0x50;
	tcp[13] = 2;
	put16(tcp + 14, 65535);
	put16(tcp + 16, fold(sum(6 + 20, frame + 26, 8 + 20)));
	return 54;
}

/** fragment4 - a first one, and there is no other */
static size_t fragment4(unsigned char *frame, const struct flood *flood, unsigned long n)
{
	ip4(frame, flood, n, 17, FRAGMENT, 0x2000U | (unsigned int)(n % 40) * 175U);
	return 34 + FRAGMENT;
}

static size_t arp(unsigned char *frame, const struct flood *flood, unsigned long n)
{
	ether(frame, n, 0x0806);
	memcpy(frame + 14, "\0\1\10\0\6\4\0\1", 8); /* who has the victim's address? */
	memcpy(frame + 22, frame + 6, 6);
	put32(frame + 28, (uint32_t)(0x0a800000U | (n & 0x7fffff)));
	memset(frame + 32, 0, 6);
	put32(frame + 38, 0x0a000000U + flood->victim);
	return 42;
}

/** ip6 - a header from fe80::n to all nodes */
static unsigned char *ip6(unsigned char *frame, unsigned long n, unsigned int protocol, size_t len)
{
	unsigned char *ip = frame + 14;

	ether(frame, n, 0x86dd);
	memcpy(frame, "\x33\x33\0\0\0\1", 6);
	memset(ip, 0, 40);
	ip[0] = 0x60;
	put16(ip + 4, (unsigned int)len);
	ip[6] = (unsigned char)protocol;
	ip[7] = 255;
	memcpy(ip + 8, "\xfe\x80", 2);
	put32(ip + 20, (uint32_t)n);
	memcpy(ip + 24, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	return ip + 40;
}

static size_t fragment6(unsigned char *frame, unsigned long n)
{
	unsigned char *fragment = ip6(frame, n, 44, 8 + FRAGMENT);

	memset(fragment, 0, 8);
	fragment[0] = 17;
	put16(fragment + 2, (unsigned int)(n % 40) * 1400 | 1);
	put32(fragment + 4, (uint32_t)n);
	return 62 + FRAGMENT;
}

/** nd - a neighbour advertisement or, now and then, a router's, each with another prefix */
static size_t nd(unsigned char *frame, unsigned long n)
{
	bool router = n % 16 == 0;
	size_t len = router ? 56 : 32;
	unsigned char *icmp = ip6(frame, n, 58, len);

	memset(icmp, 0, len);
	if (router) {
		icmp[0] = 134;
		put16(icmp + 6, 1800);
		icmp[16] = 3;
		icmp[17] = 4;
		icmp[18] = 64;
		icmp[19] = 0xc0;
		put32(icmp + 20, 3600);
		put32(icmp + 24, 3600);
		memcpy(icmp + 32, "\xfd\x99", 2);
		put32(icmp + 34, (uint32_t)n);
		memcpy(icmp + 48, "\1\1", 2);
		memcpy(icmp + 50, frame + 6, 6);
	} else {
		icmp[0] = 136;
		icmp[4] = 0x20;
		memcpy(icmp + 8, frame + 22, 16);
		memcpy(icmp + 24, "\2\1", 2);
		memcpy(icmp + 26, frame + 6, 6);
	}
	put16(icmp + 2, fold(sum(58 + (uint32_t)len, frame + 22, 32 + len)));
	return 54 + len;
}

static void *flood_main(void *arg)
{
	struct flood *flood = arg;
	unsigned char frame[2048];

	memset(frame, 0, sizeof(frame));
	while (!flood->stop) {
		unsigned long n = flood->frames++;
		size_t len;

		switch (n % 6) {
		case 0:
			len = syn(frame, flood, n, 80);
			break;
		case 1:
			len = syn(frame, flood, n, 81);
			break;
		case 2:
			len = fragment4(frame, flood, n);
			break;
		case 3:
			len = fragment6(frame, n);
			break;
		case 4:
			len = arp(frame, flood, n);
			break;
		default:
			len = nd(frame, n / 6);
			break;
		}
		if (flood->waits && n % 6 == 4)
			memcpy(frame, flood->station, 6);
		vde_send(flood->conn, frame, len, flood->waits ? 0 : MSG_DONTWAIT);
	}
	return NULL;
}

/** flood_start - begin on the network @vnl, of which @node is a station, against node @victim */
static void flood_start(struct flood *flood, const struct soak *soak, const char *vnl, unsigned int victim,
                        struct ioth *node)
{
	*flood = (struct flood){.conn = vde_open((char *)(uintptr_t)vnl, (char[]){"flood"}, NULL),
	                        .victim = victim,
	                        .waits = strcmp(soak->network, "shm") == 0};
	ioth_linkgetaddr(node, (unsigned int)ioth_if_nametoindex(node, "vde0"), flood->station);
	if (flood->conn == NULL)
		soak_fail("the flood cannot join the network");
	errno = pthread_create(&flood->thread, NULL, flood_main, flood);
	if (errno)
		soak_fail("pthread_create");
}

static void flood_stop(struct flood *flood)
{
	flood->stop = true;
	pthread_join(flood->thread, NULL);
}

/* ---------------------------------------------------------------------------------------------- connections */

static int stream_socket(struct ioth *node)
{
	struct timeval patience = {.tv_sec = 20};
	int fd = ioth_msocket(node, AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || ioth_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    ioth_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		soak_fail("cannot open a socket");
	return fd;
}

static int listening(struct ioth *node, unsigned int port)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = stream_socket(node);

	if (ioth_bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || ioth_listen(fd, 128) < 0)
		soak_fail("cannot listen");
	return fd;
}

/** joined - a connection from @from to port 80 of node @number, at whose other end is @other */
static int joined(struct ioth *from, unsigned int number, int listener, int *other)
{
	struct sockaddr_in to = node_address(number, 80);
	int fd = stream_socket(from);

	if (ioth_connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		soak_fail("connect");
	*other = ioth_accept(listener, NULL, NULL);
	if (*other < 0)
		soak_fail("accept");
	return fd;
}

/** exchange - @size bytes there and back */
static void exchange(int fd, int other, size_t size)
{
	static char out[4096], in[4096];

	if (ioth_send(fd, out, size, 0) != (ssize_t)size || ioth_recv(other, in, size, MSG_WAITALL) != (ssize_t)size ||
	    ioth_send(other, in, size, 0) != (ssize_t)size || ioth_recv(fd, in, size, MSG_WAITALL) != (ssize_t)size)
		soak_fail("an established connection is stalled");
}

/**
 * case_flooded - under a flood of SYNs, fragments, ARP and neighbour discovery connections work, and what is kept for
 * strangers is bounded: it does not grow from the first part of the flood to the last
 */
void case_flooded(const struct soak *soak)
{
	unsigned long frames = soak_count(soak, 150000, 3000000);
	struct account before, begun, now;
	struct ioth *home, *node;
	int listener, fd, other;
	unsigned long rounds = 0;
	struct flood flood;
	char vnl[NODE_VNL];

	home = node_new(soak, node_vnl(soak, "switch", 1, vnl), 1);
	node = node_new(soak, node_vnl(soak, "switch", 2, vnl), 2);
	if (home == NULL || node == NULL)
		soak_fail("ioth_newstack");
	listener = listening(node, 80);
	fd = joined(home, 2, listener, &other);
	exchange(fd, other, 4096);
	account_take(&before);
	flood_start(&flood, soak, vnl, 2, node);
	while (flood.frames < frames / 3) {
		exchange(fd, other, 1 + rounds % 4096);
		rounds++;
	}
	account_take(&begun);
	while (flood.frames < frames) {
		exchange(fd, other, 1 + rounds % 4096);
		rounds++;
	}
	account_take(&now);
	flood_stop(&flood);
	vde_close(flood.conn);
	errno = 0;
	if (rounds < 20)
		soak_fail("only %lu exchanges during %lu frames", rounds, frames);
	if (now.rss - before.rss > GROWTH_MAX)
		soak_fail("the flood made the program grow by %ld KiB", now.rss - before.rss);
	if (now.rss - begun.rss > GROWTH_MAX / 4)
		soak_fail("it goes on growing: %ld KiB in the first part of the flood, %ld KiB more in the rest",
		          begun.rss - before.rss, now.rss - begun.rss);
	exchange(fd, other, 4096);
	soak_say("%lu exchanges during %lu frames; memory %+ld KiB, of which %+ld after the first third", rounds,
	         frames, now.rss - before.rss, now.rss - begun.rss);
	ioth_close(fd);
	ioth_close(other);
	ioth_close(listener);
	node_delete(node);
	node_delete(home);
}

/* ----------------------------------------------------------------------------------------------- the end of a stack */

enum { PAIRS = 4, WORKERS = 2 * PAIRS + 2 };

/** struct worker - a thread that uses a socket of the stack until that fails */
struct worker {
	pthread_t thread;
	int fd;
	bool reads, accepts;
	_Atomic bool works;
};

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	char buf[16384] = {0};
	ssize_t n;

	do {
		n = worker->accepts ? ioth_accept(worker->fd, NULL, NULL)
		    : worker->reads ? ioth_recv(worker->fd, buf, sizeof(buf), 0)
		                    : ioth_send(worker->fd, buf, sizeof(buf), MSG_NOSIGNAL);
		worker->works = true;
		if (worker->accepts && n >= 0)
			ioth_close((int)n);
	} while (n > 0 || (worker->accepts && n >= 0));
	ioth_close(worker->fd);
	return NULL;
}

/** end_once - stop and delete a stack that is being flooded while threads use its sockets; how long it took, in ms */
static long end_once(const struct soak *soak, int listener, const char *vnl)
{
	struct ioth *node = node_new(soak, vnl, 2);
	struct worker worker[WORKERS] = {{.fd = -1}};
	struct linger reset = {.l_onoff = 1};
	long begun, deadline;

	if (node == NULL)
		soak_fail("ioth_newstack");
	/* Each pair is a connection to home, whose end there is a worker's as well. */
	for (unsigned int i = 0; i < PAIRS; i++) {
		worker[2 * i].fd = joined(node, 1, listener, &worker[2 * i + 1].fd);
		worker[2 * i + i % 2].reads = true;
	}
	worker[2 * PAIRS].fd = listening(node, 80);
	worker[2 * PAIRS].accepts = true;
	worker[2 * PAIRS + 1].fd = node_socket(node, 9);
	worker[2 * PAIRS + 1].reads = true;
	for (unsigned int i = 0; i < WORKERS; i++) {
		errno = pthread_create(&worker[i].thread, NULL, worker_main, &worker[i]);
		if (errno)
			soak_fail("pthread_create");
	}
	deadline = wait_now_ms() + WAIT_MS;
	for (unsigned int i = 0; i < 2 * PAIRS; i++) {
		while (!worker[i].works)
			if (!wait_again(deadline))
				soak_fail("connection %u does not begin", i / 2);
	}
	begun = wait_now_ms();
	if (ioth_stopstack(node) < 0)
		soak_fail("ioth_stopstack");
	for (unsigned int i = 0; i < WORKERS; i++) {
		/* The ends at home are told nothing, their peer is as if switched off: what they have queued is to be
		 * forgotten. */
		if (i < 2 * PAIRS && i % 2) {
			ioth_setsockopt(worker[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
			ioth_shutdown(worker[i].fd, SHUT_RDWR);
		}
		pthread_join(worker[i].thread, NULL);
	}
	node_delete(node);
	return wait_now_ms() - begun;
}

void case_deleted_under_load(const struct soak *soak)
{
	unsigned int count = soak_count(soak, 20, 500);
	struct account before;
	struct flood flood;
	struct ioth *home;
	long longest = 0;
	size_t used = 0;
	char vnl[NODE_VNL];
	int listener;

	/* Ten threads would spread what is allocated and freed over as many arenas, each with gaps of its own. */
	mallopt(M_ARENA_MAX, 1);
	home = node_new(soak, node_vnl(soak, "switch", 1, vnl), 1);
	if (home == NULL)
		soak_fail("ioth_newstack");
	listener = listening(home, 80);
	flood_start(&flood, soak, node_vnl(soak, "switch", 2, vnl), 2, home);
	for (unsigned int i = 0; i <= count; i++) {
		long took = end_once(soak, listener, vnl);

		longest = took > longest ? took : longest;
		if (i == 0) {
			malloc_trim(0);
			account_take(&before);
			used = mallinfo2().uordblks;
		}
	}
	flood_stop(&flood);
	before.threads--; /* that one */
	malloc_trim(0);
	errno = 0;
	if (longest > END_MAX_MS)
		soak_fail("a stack took %ld ms to end", longest);
	if (mallinfo2().uordblks > used + LEFT_MAX)
		soak_fail("%u stacks left %zu bytes behind", count, mallinfo2().uordblks - used);
	account_compare(&before, count);
	soak_say("%u stacks deleted under load, the slowest in %ld ms", count, longest);
	vde_close(flood.conn);
	ioth_close(listener);
	node_delete(home);
}
