/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plugin_probe.c - a re-entrant plugin that watches how libioth treats it.
 *
 * A socket is one end of an AF_UNIX pair, the other end an echo of nothing: data written with send come back from recv, because both go
 * to the far end by turns. What matters is the bookkeeping: each socket has a record kept with setsockdata, its magic number is wiped
 * when the socket is closed, and every call checks it. A call on a closed socket, or a close under a call, aborts the program.
 */
#include <errno.h>
#include <ioth.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "plugin_probe.h"

#define EXPORT __attribute__((visibility("default")))
#define MAGIC 0x50524f42u

struct record {
	_Atomic unsigned int magic;
	_Atomic int busy; /* calls in progress */
	int far;
	void *stack;
	struct record *next, **link;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct record *records;

EXPORT extern const char *ioth_probe_license;
EXPORT const char *ioth_probe_license = "0BSD";

static struct ioth_functions *functions;

EXPORT struct probe_counts ioth_probe_counts;

EXPORT void *ioth_probe_newstack(const char *vnlv[], const char *options, struct ioth_functions *f);
EXPORT int ioth_probe_delstack(void *stackdata);
EXPORT int ioth_probe_socket(int domain, int type, int protocol);
EXPORT int ioth_probe_accept(int fd, struct sockaddr *addr, socklen_t *addrlen);
EXPORT int ioth_probe_close(int fd);
EXPORT ssize_t ioth_probe_recv(int fd, void *buf, size_t len, int flags);
EXPORT ssize_t ioth_probe_send(int fd, const void *buf, size_t len, int flags);
EXPORT int ioth_probe_shutdown(int fd, int how);

void *ioth_probe_newstack(const char *vnlv[], const char *options, struct ioth_functions *f)
{
	(void)vnlv;
	(void)options;
	functions = f;
	atomic_fetch_add(&ioth_probe_counts.stacks, 1);
	return malloc(1);
}

/** release - forget a socket; the caller has closed its near end, or somebody else did */
static void release(struct record *record)
{
	pthread_mutex_lock(&lock);
	*record->link = record->next;
	if (record->next != NULL)
		record->next->link = record->link;
	pthread_mutex_unlock(&lock);
	record->magic = 0;
	close(record->far);
	free(record);
	atomic_fetch_sub(&ioth_probe_counts.sockets, 1);
}

/** ioth_probe_delstack - what is left are sockets whose number was closed and taken by another file before we could be told */
int ioth_probe_delstack(void *stackdata)
{
	for (struct record *record = records, *next; record != NULL; record = next) {
		next = record->next;
		if (record->stack == stackdata)
			release(record);
	}
	free(stackdata);
	atomic_fetch_sub(&ioth_probe_counts.stacks, 1);
	return 0;
}

static struct record *begin(void)
{
	struct record *record = functions->getsockdata();

	if (record == NULL || record->magic != MAGIC)
		abort();
	atomic_fetch_add(&record->busy, 1);
	return record;
}

static void end(struct record *record)
{
	if (record->magic != MAGIC)
		abort();
	atomic_fetch_sub(&record->busy, 1);
}

int ioth_probe_socket(int domain, int type, int protocol)
{
	struct record *record = malloc(sizeof(*record));
	int pair[2];

	(void)protocol;
	if (record == NULL || domain != AF_INET || socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) < 0) {
		free(record);
		errno = domain != AF_INET ? EAFNOSUPPORT : ENOMEM;
		return -1;
	}
	*record = (struct record){.magic = MAGIC, .far = pair[1], .stack = functions->getstackdata(), .link = &records};
	pthread_mutex_lock(&lock);
	record->next = records;
	if (record->next != NULL)
		record->next->link = &record->next;
	records = record;
	pthread_mutex_unlock(&lock);
	functions->setsockdata(record);
	atomic_fetch_add(&ioth_probe_counts.sockets, 1);
	return pair[0];
}

int ioth_probe_accept(int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	struct record *listener = begin();
	int made = ioth_probe_socket(AF_INET, SOCK_STREAM, 0);

	(void)fd;
	(void)addr;
	(void)addrlen;
	end(listener);
	return made;
}

int ioth_probe_close(int fd)
{
	struct record *record = functions->getsockdata();

	if (record == NULL || record->magic != MAGIC || record->busy != 0)
		abort();
	release(record);
	return close(fd);
}

static void cancelled(void *record)
{
	end(record);
}

ssize_t ioth_probe_recv(int fd, void *buf, size_t len, int flags)
{
	struct record *record = begin();
	ssize_t result;

	pthread_cleanup_push(cancelled, record);
	result = recv(fd, buf, len, flags);
	pthread_cleanup_pop(0);
	end(record);
	return result;
}

/** send - into the socket itself: what the far end writes is what the near end reads */
ssize_t ioth_probe_send(int fd, const void *buf, size_t len, int flags)
{
	struct record *record = begin();
	ssize_t result = send(record->far, buf, len, flags);

	(void)fd;
	end(record);
	return result;
}

int ioth_probe_shutdown(int fd, int how)
{
	struct record *record = begin();
	int result = shutdown(fd, how);

	end(record);
	return result;
}
