/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cycles.c - create and delete, over and over: nothing may grow */
#include "soak.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

#define HOME 1 /* node number of the stack that stays, and comes first */
#define PORT 9 /* where it listens */
#define THREADS 4

/** struct visit - what a thread of visitors needs */
struct visit {
	const struct soak *soak;
	const char *vnl;
	unsigned int number, cycles;
	int home; /* socket of the stack that stays, or -1 when nobody waits for the datagram */
};

/** visit - create a stack, make its port carry a datagram, delete it */
static void visit(const struct visit *v)
{
	struct ioth *node = node_new_patiently(v->soak, v->vnl, v->number);
	char buf[100];
	int fd;

	if (node == NULL)
		soak_fail("ioth_newstack");
	fd = node_socket(node, 0);
	if (node_send(fd, HOME, PORT) < 0)
		soak_fail("send");
	if (v->home >= 0 && ioth_recv(v->home, buf, sizeof(buf), 0) < 0)
		soak_fail("the datagram did not arrive");
	if (ioth_close(fd) < 0)
		soak_fail("ioth_close");
	node_delete(node);
}

/** visits - a thread's share */
static void *visits(void *arg)
{
	const struct visit *v = arg;

	for (unsigned int i = 0; i < v->cycles; i++)
		visit(v);
	return NULL;
}

/** in_threads - every thread's share at the same time */
static void in_threads(const struct visit *v)
{
	struct visit share[THREADS];
	pthread_t thread[THREADS];

	for (unsigned int i = 0; i < THREADS; i++) {
		share[i] = *v;
		share[i].number += i;
		share[i].cycles /= THREADS;
		errno = pthread_create(&thread[i], NULL, visits, &share[i]);
		if (errno)
			soak_fail("pthread_create");
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

/** cycles - the body of both cases: a stack that stays and is the switch, and visitors that come and go */
static void cycles(const struct soak *soak, unsigned int count, void (*run)(const struct visit *v), bool wait)
{
	/* a tenth may be on its way out in the background; none would fit if each left one behind */
	bool limited = limit_namespaces(count / 10 + 100);
	struct visit v = {.soak = soak, .number = HOME + 1, .home = -1};
	struct account before;
	struct ioth *home;
	char vnl[NODE_VNL];
	int fd;

	home = node_new(soak, node_vnl(soak, "switch", HOME, vnl), HOME);
	v.vnl = node_vnl(soak, "switch", HOME + 1, vnl);
	if (home == NULL)
		soak_fail("ioth_newstack");
	fd = node_socket(home, PORT);
	if (wait)
		v.home = fd;

	v.cycles = count / 10; /* what is made once and kept is made now */
	run(&v);
	account_take(&before);
	v.cycles = count;
	run(&v);
	account_compare(&before, count);

	ioth_close(fd);
	node_delete(home);
	if (!limited)
		soak_say("%u cycles; namespaces not counted, user namespaces are forbidden", count);
}

static void one_by_one(const struct visit *v)
{
	visits((void *)(uintptr_t)v);
}

void case_stack_cycles(const struct soak *soak)
{
	cycles(soak, soak_count(soak, 2000, 10000), one_by_one, true);
}

void case_stack_cycles_in_threads(const struct soak *soak)
{
	cycles(soak, soak_count(soak, 2000, 10000), in_threads, false);
}

/** sockets - open and close @count sockets of every kind, each second one by a plain close(2) */
static void sockets(struct ioth *node, unsigned int count)
{
	/* The last one is rare: the kernel takes some ten milliseconds to close a packet socket. */
	static const struct {
		int domain, type, protocol;
	} kind[] = {{AF_INET, SOCK_STREAM, 0}, {AF_INET, SOCK_DGRAM, 0},  {AF_INET6, SOCK_STREAM, 0},
	            {AF_INET6, SOCK_DGRAM, 0}, {AF_NETLINK, SOCK_RAW, 0}, {AF_INET, SOCK_RAW, 1},
	            {AF_PACKET, SOCK_DGRAM, 0}};

	for (unsigned int i = 0; i < count; i++) {
		unsigned int k = i % 100 == 0 ? 6 : i % 6;
		int fd = ioth_msocket(node, kind[k].domain, kind[k].type, kind[k].protocol);

		if (fd < 0)
			soak_fail("socket %u of domain %d type %d", i, kind[k].domain, kind[k].type);
		if ((i / 6 & 1 ? close(fd) : ioth_close(fd)) < 0)
			soak_fail("closing socket %u", i);
	}
}

void case_socket_cycles(const struct soak *soak)
{
	unsigned int count = soak_count(soak, 20000, 100000);
	struct account before;
	struct ioth *node;
	char vnl[NODE_VNL];

	node = node_new(soak, node_vnl(soak, "switch", HOME, vnl), HOME);
	if (node == NULL)
		soak_fail("ioth_newstack");
	sockets(node, count / 10);
	account_take(&before);
	sockets(node, count);
	account_compare(&before, count);
	node_delete(node);
}
