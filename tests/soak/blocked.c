/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* blocked.c - a stack is taken down while threads wait in its sockets, and deleted while its network is flooded */
#include "soak.h"

#include "wait.h"

#include <errno.h>
#include <libvdeplug.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------- stop while blocked */

/** struct waiter - a thread that sits in one call */
struct waiter {
	const char *name;
	int (*call)(int fd);
	int fd;
	pthread_t thread;
	_Atomic pid_t tid;
};

static int wait_accept(int fd)
{
	return ioth_accept(fd, NULL, NULL);
}

static int wait_read(int fd)
{
	char byte;

	return (int)ioth_read(fd, &byte, 1);
}

static int wait_poll(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return poll(&pfd, 1, -1);
}

static int wait_connect(int fd)
{
	struct sockaddr_in nobody = node_address(77, 77);

	return ioth_connect(fd, (struct sockaddr *)&nobody, sizeof(nobody));
}

static void *waiter_main(void *arg)
{
	struct waiter *w = arg;

	w->tid = (pid_t)syscall(SYS_gettid);
	w->call(w->fd);
	return NULL;
}

/** connected - one end of a TCP connection of @node with itself, by way of lo; the other end in @other */
static int connected(struct ioth *node, int *other)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = ioth_msocket(node, AF_INET, SOCK_STREAM, 0), fd = ioth_msocket(node, AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(here);

	if (ioth_bind(listener, (struct sockaddr *)&here, len) < 0 || ioth_listen(listener, 1) < 0 ||
	    ioth_getsockname(listener, (struct sockaddr *)&here, &len) < 0 ||
	    ioth_connect(fd, (struct sockaddr *)&here, len) < 0 || (*other = ioth_accept(listener, NULL, NULL)) < 0)
		soak_fail("cannot make a connection within the stack");
	ioth_close(listener);
	return fd;
}

/** plain_socket - a socket of @type without a time limit, bound, and listening where that means something */
static int plain_socket(struct ioth *node, int type, bool listening)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	int fd = ioth_msocket(node, AF_INET, type, 0);

	if (fd < 0 || ioth_bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || (listening && ioth_listen(fd, 1) < 0))
		soak_fail("cannot open a socket");
	return fd;
}

/** stop_once - five threads wait, the stack is stopped, all return; then it can be deleted */
static void stop_once(const struct soak *soak, const char *vnl)
{
	struct ioth *node = node_new(soak, vnl, 1);
	struct timespec patience;
	unsigned int lo;
	int other;

	if (node == NULL)
		soak_fail("ioth_newstack");
	lo = (unsigned int)ioth_if_nametoindex(node, "lo");
	if (ioth_linksetupdown(node, lo, 1) < 0)
		soak_fail("cannot set lo up");
	struct waiter waiter[] = {
	        {.name = "accept", .call = wait_accept, .fd = plain_socket(node, SOCK_STREAM, true)},
	        {.name = "read of a datagram", .call = wait_read, .fd = plain_socket(node, SOCK_DGRAM, false)},
	        {.name = "read of a stream", .call = wait_read, .fd = connected(node, &other)},
	        {.name = "poll", .call = wait_poll, .fd = plain_socket(node, SOCK_DGRAM, false)},
	        {.name = "connect", .call = wait_connect, .fd = plain_socket(node, SOCK_STREAM, false)},
	};
	size_t waiters = sizeof(waiter) / sizeof(waiter[0]);

	for (size_t i = 0; i < waiters; i++) {
		errno = pthread_create(&waiter[i].thread, NULL, waiter_main, &waiter[i]);
		if (errno)
			soak_fail("pthread_create");
		for (long deadline = wait_now_ms() + WAIT_MS; waiter[i].tid == 0;)
			if (!wait_again(deadline))
				soak_fail("a thread does not start");
		if (wait_thread_blocked(waiter[i].tid) < 0)
			soak_fail("%s does not block", waiter[i].name);
	}
	errno = 0;
	if (ioth_delstack(node) == 0 || errno != EBUSY)
		soak_fail("ioth_delstack of a stack in use is not EBUSY");
	if (ioth_stopstack(node) < 0)
		soak_fail("ioth_stopstack");
	clock_gettime(CLOCK_REALTIME, &patience);
	patience.tv_sec += WAIT_MS / 1000;
	for (size_t i = 0; i < waiters; i++) {
		errno = pthread_timedjoin_np(waiter[i].thread, NULL, &patience);
		if (errno)
			soak_fail("%s still blocks after ioth_stopstack", waiter[i].name);
	}
	if (ioth_msocket(node, AF_INET, SOCK_STREAM, 0) >= 0 || errno != ENETDOWN)
		soak_fail("a stopped stack still gives sockets");
	for (size_t i = 0; i < waiters; i++)
		ioth_close(waiter[i].fd);
	ioth_close(other);
	node_delete(node);
}

void case_stop_while_blocked(const struct soak *soak)
{
	unsigned int count = soak_count(soak, 20, 500);
	struct account before;
	char vnl[NODE_VNL];

	node_vnl(soak, "switch", 1, vnl);
	stop_once(soak, vnl);
	account_take(&before);
	for (unsigned int i = 0; i < count; i++)
		stop_once(soak, vnl);
	account_compare(&before, count);
}

/* ------------------------------------------------------------------------------------ delete while flooded */

/** struct flood - a thread that sends frames as fast as the network takes them */
struct flood {
	VDECONN *conn;
	_Atomic bool stop;
	_Atomic unsigned long frames;
};

/** flood_main - broadcasts of every kind of malformation: a runt, noise as IPv4, IPv6 and ARP, the longest frame there
 * is */
static void *flood_main(void *arg)
{
	static const uint16_t type[] = {0x0800, 0x86dd, 0x0806, 0x8100, 0x0001};
	static const size_t length[] = {14, 15, 60, 1514, 9018, 9234};
	unsigned char frame[9234];
	struct flood *flood = arg;

	arc4random_buf(frame, sizeof(frame));
	while (!flood->stop) {
		unsigned long n = flood->frames++;
		uint16_t kind = htons(type[n % 5]);

		memset(frame, 0xff, 6);
		memcpy(frame + 6, "\2\0\0\0\0\1", 6);
		memcpy(frame + 12, &kind, sizeof(kind));
		frame[14] = 0x45; /* so that some pass for IPv4 with a header of 20 bytes */
		vde_send(flood->conn, frame, length[n % 6], MSG_DONTWAIT);
	}
	return NULL;
}

void case_delete_while_flooded(const struct soak *soak)
{
	unsigned int count = soak_count(soak, 100, 2000);
	struct flood flood = {.stop = false};
	struct account before;
	struct ioth *home;
	pthread_t thread;
	char vnl[NODE_VNL];

	home = node_new(soak, node_vnl(soak, "switch", 1, vnl), 1);
	if (home == NULL)
		soak_fail("ioth_newstack");
	node_vnl(soak, "switch", 2, vnl);
	flood.conn = vde_open(vnl, (char[]){"flood"}, NULL);
	if (flood.conn == NULL)
		soak_fail("the flood cannot join the network");
	errno = pthread_create(&thread, NULL, flood_main, &flood);
	if (errno)
		soak_fail("pthread_create");
	for (unsigned int i = 0; i <= count; i++) {
		struct ioth *node = node_new(soak, vnl, 2);
		int fd;

		if (node == NULL)
			soak_fail("stack %u under flood", i);
		fd = node_socket(node, 7);
		node_send(fd, 1, 9);
		ioth_close(fd);
		node_delete(node);
		if (i == 0)
			account_take(&before);
	}
	flood.stop = true;
	pthread_join(thread, NULL);
	before.threads--; /* that one */
	account_compare(&before, count);
	soak_say("%u stacks under %lu frames", count, (unsigned long)flood.frames);
	vde_close(flood.conn);
	node_delete(home);
}
