/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reaper.c - what takes the kernel long is done by another thread.
 *
 * Removing an interface takes tens of milliseconds, closing a packet socket some ten, all of it waiting. The reaper is
 * started by the first order and then waits for orders for ever. It takes all there are at a time, because many
 * interfaces are removed as fast as one. It is born in the hidden namespace and stays there: a thread has a network
 * namespace of its own. The lists of orders are guarded by `lock`; nothing is done while it is held.
 *
 * Where no thread can be started the work is done at once, by the caller.
 */
#include "helper.h"
#include "rtnl.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLOSERS 32 /* threads that close sockets in parallel; their waits overlap */

/** struct orders - a list that grows */
struct orders {
	uint32_t *item;
	unsigned int count, room;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;
static struct orders interfaces, sockets;

/** order - put something on a list; false when there is no memory. The lock is held */
static bool order(struct orders *orders, uint32_t item)
{
	if (orders->count == orders->room) {
		unsigned int room = orders->room ? 2 * orders->room : 64;
		uint32_t *more = realloc(orders->item, room * sizeof(*more));

		if (more == NULL)
			return false;
		orders->item = more;
		orders->room = room;
	}
	orders->item[orders->count++] = item;
	return true;
}

/** take - the whole list, which is empty from here on. The lock is held */
static struct orders take(struct orders *orders)
{
	struct orders all = *orders;

	*orders = (struct orders){0};
	return all;
}

static void remove_interfaces(const uint32_t *peer, unsigned int count)
{
	int rtnl = rtnl_open();

	if (rtnl < 0)
		return; /* the interface goes with its stack, or with us */
	veth_delete_all(rtnl, peer, count);
	close(rtnl);
}

static void *reaper(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&lock);
	for (;;) {
		while (interfaces.count == 0 && sockets.count == 0)
			pthread_cond_wait(&arrived, &lock);
		if (interfaces.count) {
			struct orders all = take(&interfaces);

			pthread_mutex_unlock(&lock);
			remove_interfaces(all.item, all.count);
			free(all.item);
			pthread_mutex_lock(&lock);
		} else {
			int fd = (int)sockets.item[--sockets.count];

			pthread_mutex_unlock(&lock);
			close(fd);
			pthread_mutex_lock(&lock);
		}
	}
	return NULL;
}

/** start - a thread with a small stack; false when the system has none for us */
static bool start(void *(*run)(void *), void *arg, pthread_t *thread)
{
	pthread_attr_t attr;
	bool started;

	if (pthread_attr_init(&attr) != 0)
		return false;
	pthread_attr_setstacksize(&attr, 128 << 10);
	started = pthread_create(thread, &attr, run, arg) == 0;
	pthread_attr_destroy(&attr);
	return started;
}

/** hand_over - give an order to the reaper; false when there is none */
static bool hand_over(struct orders *orders, uint32_t item)
{
	static bool running;
	pthread_t thread;
	bool done;

	if (!running && !start(reaper, NULL, &thread))
		return false;
	running = true;
	pthread_mutex_lock(&lock);
	done = order(orders, item);
	pthread_cond_signal(&arrived);
	pthread_mutex_unlock(&lock);
	return done;
}

void reap_interface(uint32_t peer)
{
	if (!hand_over(&interfaces, peer))
		remove_interfaces(&peer, 1);
}

void reap_socket(int fd)
{
	if (!hand_over(&sockets, (uint32_t)fd))
		close(fd);
}

/** struct share - what one of several threads closes */
struct share {
	const int *fd;
	unsigned int count;
};

static void *close_share(void *arg)
{
	const struct share *share = arg;

	for (unsigned int i = 0; i < share->count; i++)
		close(share->fd[i]);
	return NULL;
}

void reap_sockets(const int *fd, unsigned int count)
{
	struct share share[CLOSERS];
	pthread_t thread[CLOSERS];
	bool started[CLOSERS];

	for (unsigned int i = 0, done = 0; i < CLOSERS; i++) {
		unsigned int end = (unsigned int)((uint64_t)count * (i + 1) / CLOSERS);

		share[i] = (struct share){fd + done, end - done};
		started[i] = share[i].count > 0 && start(close_share, &share[i], &thread[i]);
		done = end;
	}
	for (unsigned int i = 0; i < CLOSERS; i++) {
		if (started[i])
			pthread_join(thread[i], NULL);
		else
			close_share(&share[i]);
	}
}
