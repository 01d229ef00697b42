/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stock.c - sockets made in advance.
 *
 * To ask the helper for a socket costs two wake-ups, far more than the socket. So from the second socket of a kind
 * (domain, type, protocol) on, a stack gets several at a time, first few, then more, and asks for the next when half
 * of them are gone, without waiting for the answer.
 *
 * Nothing is kept for a stack that does not use it: all stacks together keep at most STOCK_MAX sockets, and the kind
 * that has not been used for longest gives way.
 *
 * socket(2) returns the lowest number that is free, and so do we: a kept socket has a high number and is moved when
 * it is given away. When the program has no number left, the stock is given up before the program is told so.
 *
 * fork(2). A socket must not be given away twice, so the child closes its copies. It keeps no stock for stacks that
 * it inherited, because who counts the open sockets of a stack (stock_count) must know what is in stock.
 *
 * Locks. `lock` guards everything here and is never held while anybody waits. The client's lock is taken before it.
 */
#include "stock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_BATCH 4
#define LOOK_AGAIN_MS 4    /* between two looks at sockets that are about to vanish */
#define LOOK_AGAIN_MAX 500 /* ms in all; then they are open */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct stock *stocks;
static struct stock_kind *newest, *oldest;
static unsigned int kept; /* sockets in stock */

void stock_lock(void)
{
	pthread_mutex_lock(&lock);
}

void stock_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

/* ---------------------------------------------------------------------------------------------- the shelves */

/** unlist - take a kind out of the order of use */
static void unlist(struct stock_kind *kind)
{
	*(kind->newer ? &kind->newer->older : &newest) = kind->older;
	*(kind->older ? &kind->older->newer : &oldest) = kind->newer;
	kind->newer = kind->older = NULL;
}

/** enlist - it is the newest now */
static void enlist(struct stock_kind *kind)
{
	kind->newer = NULL;
	kind->older = newest;
	*(newest ? &newest->newer : &oldest) = kind;
	newest = kind;
}

/** take - a socket out of stock; there is one */
static int take(struct stock_kind *kind)
{
	unlist(kind);
	if (--kind->count > 0)
		enlist(kind);
	kept--;
	return kind->fd[kind->count];
}

/** clear - close all of a kind */
static void clear(struct stock_kind *kind)
{
	while (kind->count > 0)
		close(take(kind));
}

/** put - a socket into stock */
static void put(struct stock_kind *kind, int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, STOCK_FD_MIN);

	if (high >= 0) {
		close(fd);
		fd = high;
	}
	if (kind->count == STOCK_ROOM) {
		close(fd);
		return;
	}
	if (kind->count > 0)
		unlist(kind);
	kind->fd[kind->count++] = fd;
	enlist(kind);
	kept++;
	if (kept > STOCK_MAX && oldest != kind) {
		oldest->batch = FIRST_BATCH;
		clear(oldest);
	} else if (kept > STOCK_MAX) {
		close(take(kind));
	}
}

/** find - the place of a kind; NULL when there is none */
static struct stock_kind *find(struct stock *stock, int domain, int type, int protocol)
{
	for (struct stock_kind *kind = stock->kind; kind < stock->kind + STOCK_KINDS; kind++)
		if (kind->domain == domain && kind->type == type && kind->protocol == protocol)
			return kind;
	return NULL;
}

/** place - find, or make room: the kind that was not used for longest has to go. NULL while all are waited for */
static struct stock_kind *place(struct stock *stock, int domain, int type, int protocol)
{
	struct stock_kind *kind = find(stock, domain, type, protocol), *victim = NULL;

	if (kind)
		return kind;
	for (kind = stock->kind; kind < stock->kind + STOCK_KINDS; kind++)
		if (kind->question == 0 && (victim == NULL || (int32_t)(kind->used - victim->used) < 0))
			victim = kind;
	if (victim == NULL)
		return NULL;
	clear(victim);
	*victim = (struct stock_kind){.domain = domain, .type = type, .protocol = protocol};
	return victim;
}

/* --------------------------------------------------------------------------------------------- giving away */

/** clear_all - close the sockets of all stacks. The lock is held */
static void clear_all(void)
{
	while (oldest)
		clear(oldest);
}

/** give_up_stock - the program needs the descriptors; returns whether there were any */
static bool give_up_stock(void)
{
	bool any;

	stock_lock();
	any = kept > 0;
	clear_all();
	stock_unlock();
	return any;
}

/** move - give a kept socket the lowest free number; closes it when it fails */
static int move(int fd, bool cloexec)
{
	int command = cloexec ? F_DUPFD_CLOEXEC : F_DUPFD;
	int low = fcntl(fd, command, 0), err;
	struct rlimit limit;

	if (low < 0 && errno == EMFILE) {
		give_up_stock();
		low = fcntl(fd, command, 0);
		/* its own number may be the last one */
		if (low < 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)fd < limit.rlim_cur &&
		    fcntl(fd, F_SETFD, cloexec ? FD_CLOEXEC : 0) == 0)
			return fd;
	}
	err = low < 0 ? -errno : low;
	close(fd);
	return err;
}

/** dress - a new socket with the flags that were asked for */
static int dress(int fd, int flags)
{
	int on = 1;

	if ((flags & SOCK_NONBLOCK) && ioctl(fd, FIONBIO, &on) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

/* ----------------------------------------------------------------------------------------------- the helper */

/** question - for @count sockets of a kind */
static struct wire_request question(const struct stock *stock, int domain, int type, int protocol, unsigned int count)
{
	return (struct wire_request){
	        .op = WIRE_SOCKET, .stack = stock->stack, .socket = {domain, type, protocol, count}};
}

/** arrived - an answer: put its sockets into stock. The lock is held; the client's, too */
static void arrived(struct client_reply *reply)
{
	struct stock_kind *kind = NULL;
	struct stock *stock = stocks;

	while (stock && stock->stack != reply->wire.stack)
		stock = stock->next;
	if (stock)
		kind = find(stock, reply->wire.socket.domain, reply->wire.socket.type, reply->wire.socket.protocol);
	if (kind && kind->question == reply->wire.seq)
		kind->question = 0;
	while (kind && reply->fds > 0)
		put(kind, reply->fd[--reply->fds]);
	client_drop(reply);
}

void stock_arrived(struct client_reply *reply)
{
	if (reply->wire.op != WIRE_SOCKET) {
		client_drop(reply);
		return;
	}
	stock_lock();
	arrived(reply);
	stock_unlock();
}

void stock_forget_questions(const struct client *client)
{
	stock_lock();
	for (struct stock *stock = stocks; stock; stock = stock->next)
		for (unsigned int i = 0; i < STOCK_KINDS && stock->client == client; i++)
			stock->kind[i].question = 0;
	stock_unlock();
}

/** refill - ask for more of a kind, if nobody else is talking to the helper, and leave */
static void refill(struct stock *stock, int domain, int type, int protocol)
{
	struct wire_request request;
	struct stock_kind *kind;
	unsigned int batch = 0;

	if (!client_trylock())
		return;
	stock_lock();
	kind = find(stock, domain, type, protocol);
	if (kind && kind->question == 0)
		batch = kind->batch;
	stock_unlock();
	request = question(stock, domain, type, protocol, batch);
	if (batch > 0 && client_send(stock->client, &request) == 0) {
		stock_lock();
		kind = find(stock, domain, type, protocol);
		if (kind)
			kind->question = request.seq;
		stock_unlock();
	}
	client_unlock();
}

/** from_stock - a socket that is there; -1 when there is none. *@low: it is time to ask for more */
static int from_stock(struct stock *stock, int domain, int type, int protocol, bool *low)
{
	struct stock_kind *kind;
	int fd = -1;

	*low = false;
	stock_lock();
	kind = find(stock, domain, type, protocol);
	if (kind && kind->count > 0) {
		fd = take(kind);
		kind->used = ++stock->clock;
		if (kind->batch < STOCK_BATCH && kind->count == 0)
			kind->batch *= 2;
		*low = kind->question == 0 && kind->count <= kind->batch / 2;
	}
	stock_unlock();
	return fd;
}

/** wanted - how many to ask for: one the first time, then some more */
static unsigned int wanted(struct stock *stock, int domain, int type, int protocol, uint32_t *under_way)
{
	struct stock_kind *kind;
	unsigned int more = 0;

	*under_way = 0;
	stock_lock();
	kind = stock->foreign ? NULL : place(stock, domain, type, protocol);
	if (kind) {
		more = kind->batch;
		kind->batch = more ? more : FIRST_BATCH;
		kind->used = ++stock->clock;
		*under_way = kind->question;
	}
	stock_unlock();
	return 1 + more;
}

/** first - the answer's first socket for the program, the others into stock; a descriptor or a negative errno */
static int first(struct client_reply *reply)
{
	int fd;

	if (reply->wire.error)
		return -reply->wire.error;
	if (reply->fds == 0)
		return reply->truncated ? -EMFILE : -EPROTO;
	/* the lowest number: the kernel gives them out in order */
	fd = reply->fd[0];
	memmove(reply->fd, reply->fd + 1, --reply->fds * sizeof(int));
	return fd;
}

/** from_helper - ask and wait; a descriptor, closed on exec, or a negative errno */
static int from_helper(struct stock *stock, int domain, int type, int protocol)
{
	struct wire_request request;
	struct client_reply reply;
	unsigned int count;
	uint32_t seq;
	int fd, err = 0;

	client_lock();
	count = wanted(stock, domain, type, protocol, &seq);
	if (seq == 0) {
		request = question(stock, domain, type, protocol, count);
		err = client_send(stock->client, &request);
		seq = request.seq;
	}
	if (!err)
		err = client_wait(stock->client, seq, &reply);
	if (err) {
		client_unlock();
		return err;
	}
	fd = first(&reply);
	stock_arrived(&reply);
	client_unlock();
	return fd;
}

int stock_socket(struct stock *stock, int domain, int type, int protocol)
{
	int flags = type & (SOCK_CLOEXEC | SOCK_NONBLOCK);
	bool low;
	int fd;

	type &= ~flags;
	fd = from_stock(stock, domain, type, protocol, &low);
	if (fd >= 0) {
		fd = move(fd, flags & SOCK_CLOEXEC);
	} else {
		fd = from_helper(stock, domain, type, protocol);
		if (fd == -EMFILE && give_up_stock())
			fd = from_helper(stock, domain, type, protocol);
		if (fd >= 0 && !(flags & SOCK_CLOEXEC))
			ioctl(fd, FIONCLEX);
	}
	if (low)
		refill(stock, domain, type, protocol);
	return fd < 0 ? fd : dress(fd, flags);
}

/* ------------------------------------------------------------------------------------------ counting, ending */

/** collect - wait for what is under way, so that it is known what is in stock. The client's lock is held */
static void collect(struct stock *stock)
{
	struct client_reply reply;

	for (unsigned int i = 0; i < STOCK_KINDS; i++) {
		uint32_t seq;

		stock_lock();
		seq = stock->kind[i].question;
		stock_unlock();
		if (seq && client_wait(stock->client, seq, &reply) == 0)
			stock_arrived(&reply);
	}
}

/** ask_count - one look; the reply's count, or a negative errno */
static int ask_count(struct stock *stock, bool again, struct client_reply *reply)
{
	struct wire_request request = {.op = WIRE_COUNT, .stack = stock->stack, .count.again = again};
	int err;

	client_lock();
	collect(stock);
	stock_lock();
	for (unsigned int i = 0; i < STOCK_KINDS; i++) {
		if (stock->kind[i].domain == AF_NETLINK)
			request.count.kept_netlink += stock->kind[i].count;
		else
			request.count.kept_other += stock->kind[i].count;
	}
	stock_unlock();
	err = client_send(stock->client, &request);
	if (!err)
		err = client_wait(stock->client, request.seq, reply);
	client_unlock();
	return err ? err : -reply->wire.error;
}

int stock_count(struct stock *stock)
{
	struct client_reply reply;
	int waited = 0;

	if (stock->foreign)
		return -1;
	for (;;) {
		if (ask_count(stock, waited > 0, &reply) != 0)
			return -1;
		if (reply.wire.count.settled || waited >= LOOK_AGAIN_MAX)
			return reply.wire.count.open;
		poll(NULL, 0, LOOK_AGAIN_MS);
		waited += LOOK_AGAIN_MS;
	}
}

void stock_open(struct stock *stock, struct client *client, uint64_t stack)
{
	*stock = (struct stock){.client = client, .stack = stack};
	stock_lock();
	stock->next = stocks;
	stocks = stock;
	stock_unlock();
}

void stock_close(struct stock *stock)
{
	struct stock **p = &stocks;

	stock_lock();
	for (unsigned int i = 0; i < STOCK_KINDS; i++)
		clear(&stock->kind[i]);
	while (*p != stock)
		p = &(*p)->next;
	*p = stock->next;
	stock_unlock();
}

void stock_forked(void)
{
	clear_all();
	for (struct stock *stock = stocks; stock; stock = stock->next) {
		stock->foreign = true;
		for (unsigned int i = 0; i < STOCK_KINDS; i++)
			stock->kind[i].question = 0;
	}
}
