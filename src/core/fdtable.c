/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fdtable.c - the descriptor table.
 *
 * An entry maps a descriptor to a socket object. Three properties shape it:
 *
 *  - Looking up costs two loads. A descriptor that needs nothing from us (foreign, or a kernel socket of some stack) is recognised
 *    by one bit of the entry, and the socket object is not even read: there is nothing to lock or to count.
 *  - A call that goes through a plugin takes a reference, so that a socket closed by another thread stays until the call returns,
 *    as an open file does in the kernel. The table is not locked for that: socket objects are type-stable, so the count of one that is
 *    just being released can be read safely; a count of zero, or an entry that has changed meanwhile, means "look again".
 *  - A program may close(2) a descriptor without telling us, and the kernel may give the number to any other file. So an entry is only
 *    a claim, proved by device and inode of the descriptor whenever a call goes through a plugin or the number of open sockets matters.
 *    For plain entries a stale claim is harmless: the system call on whatever the descriptor is now is the right answer.
 *
 * `lock` guards the free list, the socket lists of stacks and the making of chunks. Entries change by atomic exchange.
 * A socket may get another file in its life (ioth__sock_renew). Memory: 32 KiB for each 4096 descriptors in use, 96 bytes for each socket, both kept for reuse.
 */
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

_Atomic(ioth__fdentry *) ioth__fdtable[FDTABLE_CHUNKS];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ioth__sock *free_socks;

#define SOCKS_PER_BLOCK 128

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void fdtable_init(void)
{
	pthread_atfork(before_fork, after_fork, after_fork);
}

static struct ioth__sock *entry_sock(uintptr_t entry)
{
	return (struct ioth__sock *)(entry & ~FDTABLE_PLUGIN);
}

/** entry_of - the slot of a descriptor that has been reserved, NULL if it has not */
static ioth__fdentry *entry_of(int fd)
{
	unsigned int number = (unsigned int)fd;
	ioth__fdentry *chunk;

	if (number >= FDTABLE_CHUNKS * FDTABLE_CHUNK_SIZE)
		return NULL;
	chunk = atomic_load_explicit(&ioth__fdtable[number >> FDTABLE_CHUNK_BITS], memory_order_acquire);
	return chunk == NULL ? NULL : &chunk[number & (FDTABLE_CHUNK_SIZE - 1)];
}

/** more_socks - put a block of socket objects on the free list; it is never freed, that is what type-stable means */
static void more_socks(void)
{
	struct ioth__sock *block = calloc(SOCKS_PER_BLOCK, sizeof(*block));

	for (size_t i = 0; block != NULL && i < SOCKS_PER_BLOCK; i++) {
		block[i].next = free_socks;
		free_socks = &block[i];
	}
}

struct ioth__sock *ioth__sock_new(struct ioth *stack)
{
	struct ioth__sock *sock;

	pthread_mutex_lock(&lock);
	if (free_socks == NULL)
		more_socks();
	sock = free_socks;
	if (sock != NULL) {
		free_socks = sock->next;
		sock->fd = -1;
		sock->kernel = sock->direct = false;
		sock->stack = stack;
		atomic_store_explicit(&sock->data, NULL, memory_order_relaxed);
		sock->next = stack->socks;
		sock->link = &stack->socks;
		if (sock->next != NULL)
			sock->next->link = &sock->next;
		stack->socks = sock;
		atomic_fetch_add_explicit(&stack->refs, 1, memory_order_relaxed);
		/* Last: from here on a thread that still holds an old entry may take a reference. */
		atomic_store_explicit(&sock->refs, 1, memory_order_release);
	}
	pthread_mutex_unlock(&lock);
	return sock;
}

int ioth__sock_adopt(struct ioth__sock *sock, int fd, enum ioth__kind kind)
{
	struct stat st;
	int result;

	if (fstat(fd, &st) < 0)
		return -errno;
	sock->fd = fd;
	sock->dev = st.st_dev;
	atomic_store_explicit(&sock->next_ino, 0, memory_order_relaxed);
	atomic_store_explicit(&sock->ino, st.st_ino, memory_order_relaxed);
	result = ioth__fd_reserve(fd);
	if (result < 0)
		return result;
	sock->kernel = kind != IOTH__PLUGIN;
	sock->direct = kind == IOTH__KERNEL;
	ioth__fd_set(fd, sock);
	return fd;
}

int ioth__sock_put(struct ioth__sock *sock)
{
	struct ioth *stack = sock->stack;
	int saved = errno, result;

	if (atomic_fetch_sub_explicit(&sock->refs, 1, memory_order_acq_rel) != 1)
		return 0;
	result = ioth__close_in_plugin(sock);
	pthread_mutex_lock(&lock);
	*sock->link = sock->next;
	if (sock->next != NULL)
		sock->next->link = sock->link;
	sock->next = free_socks;
	free_socks = sock;
	pthread_mutex_unlock(&lock);
	ioth__stack_put(stack);
	errno = saved;
	return result;
}

bool ioth__sock_owns(const struct ioth__sock *sock, int fd)
{
	int saved = errno;
	struct stat st;
	bool same = fstat(fd, &st) == 0 && st.st_dev == sock->dev &&
	            (st.st_ino == atomic_load_explicit(&sock->ino, memory_order_relaxed) ||
	             st.st_ino == atomic_load_explicit(&sock->next_ino, memory_order_relaxed));

	errno = saved;
	return same;
}

/** struct renewal - what ioth__sock_renew tells its visitor */
struct renewal {
	struct ioth__sock *sock;
	int file;
	int error;
};

/** renew_one - a visitor of the descriptor table: put the new file under a number of the socket, which keeps its FD_CLOEXEC */
static void renew_one(int fd, struct ioth__sock *sock, void *arg)
{
	struct renewal *renewal = arg;
	int flags;

	if (sock != renewal->sock || !ioth__sock_owns(sock, fd))
		return;
	flags = fcntl(fd, F_GETFD);
	if (flags < 0 || dup3(renewal->file, fd, flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
		renewal->error = -errno;
}

int ioth__sock_renew(struct ioth__sock *sock, int fd)
{
	struct renewal renewal = {.sock = sock, .file = fd};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != sock->dev)
		return -EINVAL;
	/* Other threads, which look whether the numbers are still the socket's, find first the old file and then the new one. */
	atomic_store_explicit(&sock->next_ino, st.st_ino, memory_order_seq_cst);
	ioth__fd_walk(sock->stack, renew_one, &renewal);
	atomic_store_explicit(&sock->ino, st.st_ino, memory_order_seq_cst);
	atomic_store_explicit(&sock->next_ino, 0, memory_order_seq_cst);
	return renewal.error;
}

/** sock_try_get - take a reference unless the last one is gone */
static bool sock_try_get(struct ioth__sock *sock)
{
	unsigned int refs = atomic_load_explicit(&sock->refs, memory_order_relaxed);

	while (refs != 0)
		if (atomic_compare_exchange_weak_explicit(&sock->refs, &refs, refs + 1, memory_order_acquire,
		                                          memory_order_relaxed))
			return true;
	return false;
}

/** entry_get - the socket of an entry with a reference, without asking whether the entry is stale */
static struct ioth__sock *entry_get(ioth__fdentry *entry)
{
	for (;;) {
		uintptr_t value = atomic_load_explicit(entry, memory_order_acquire);
		struct ioth__sock *sock = entry_sock(value);

		if (sock == NULL)
			return NULL;
		if (!sock_try_get(sock))
			continue;
		if (entry_sock(atomic_load_explicit(entry, memory_order_acquire)) == sock)
			return sock;
		ioth__sock_put(sock);
	}
}

struct ioth__sock *ioth__sock_get(int fd)
{
	ioth__fdentry *entry = entry_of(fd);
	struct ioth__sock *sock;

	if (entry == NULL)
		return NULL;
	sock = entry_get(entry);
	if (sock != NULL && !ioth__sock_owns(sock, fd)) {
		ioth__fd_drop_stale(fd, sock);
		ioth__sock_put(sock);
		return NULL;
	}
	return sock;
}

int ioth__fd_reserve(int fd)
{
	unsigned int number = (unsigned int)fd;
	_Atomic(ioth__fdentry *) *slot;
	ioth__fdentry *chunk;
	int result = 0;

	if (number >= FDTABLE_CHUNKS * FDTABLE_CHUNK_SIZE)
		return -EMFILE;
	slot = &ioth__fdtable[number >> FDTABLE_CHUNK_BITS];
	if (atomic_load_explicit(slot, memory_order_acquire) != NULL)
		return 0;
	pthread_mutex_lock(&lock);
	if (atomic_load_explicit(slot, memory_order_relaxed) == NULL) {
		chunk = calloc(FDTABLE_CHUNK_SIZE, sizeof(*chunk));
		if (chunk == NULL)
			result = -ENOMEM;
		else
			atomic_store_explicit(slot, chunk, memory_order_release);
	}
	pthread_mutex_unlock(&lock);
	return result;
}

void ioth__fd_set(int fd, struct ioth__sock *sock)
{
	uintptr_t value = (uintptr_t)sock | (sock->direct ? 0 : FDTABLE_PLUGIN), old;

	atomic_fetch_add_explicit(&sock->refs, 1, memory_order_relaxed);
	old = atomic_exchange_explicit(entry_of(fd), value, memory_order_acq_rel);
	if (old != 0)
		ioth__sock_put(entry_sock(old));
}

struct ioth__sock *ioth__fd_take(int fd)
{
	ioth__fdentry *entry = entry_of(fd);
	struct ioth__sock *sock;

	if (entry == NULL || atomic_load_explicit(entry, memory_order_relaxed) == 0)
		return NULL;
	sock = entry_sock(atomic_exchange_explicit(entry, 0, memory_order_acq_rel));
	if (sock != NULL && !ioth__sock_owns(sock, fd)) {
		ioth__sock_put(sock);
		return NULL;
	}
	return sock;
}

void ioth__fd_drop_stale(int fd, struct ioth__sock *sock)
{
	ioth__fdentry *entry = entry_of(fd);
	uintptr_t value = atomic_load_explicit(entry, memory_order_acquire);

	if (entry_sock(value) == sock &&
	    atomic_compare_exchange_strong_explicit(entry, &value, 0, memory_order_acq_rel, memory_order_relaxed))
		ioth__sock_put(sock);
}

void ioth__fd_walk(struct ioth *stack, void (*visit)(int fd, struct ioth__sock *sock, void *arg), void *arg)
{
	for (unsigned int i = 0; i < FDTABLE_CHUNKS; i++) {
		ioth__fdentry *chunk = atomic_load_explicit(&ioth__fdtable[i], memory_order_acquire);

		for (unsigned int j = 0; chunk != NULL && j < FDTABLE_CHUNK_SIZE; j++) {
			struct ioth__sock *sock;

			if (atomic_load_explicit(&chunk[j], memory_order_relaxed) == 0)
				continue;
			sock = entry_get(&chunk[j]);
			if (sock == NULL)
				continue;
			if (sock->stack == stack)
				visit((int)(i << FDTABLE_CHUNK_BITS | j), sock, arg);
			ioth__sock_put(sock);
		}
	}
}

void ioth__fd_through_plugin(int fd, struct ioth__sock *sock)
{
	ioth__fdentry *entry = entry_of(fd);
	uintptr_t value = atomic_load_explicit(entry, memory_order_acquire);

	if (entry_sock(value) == sock)
		atomic_compare_exchange_strong_explicit(entry, &value, value | FDTABLE_PLUGIN, memory_order_acq_rel,
		                                        memory_order_relaxed);
}
