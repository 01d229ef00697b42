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
 * A descriptor and its entry change one after the other. A call of another thread that comes in between must not take the entry
 * for stale and make the system call on the descriptor of a plugin's socket, whose bytes are only there to be polled. So both change
 * with `numbers` held, and who finds that they do not fit looks again with that lock. Where a descriptor that no plugin
 * knows makes room for one of a plugin, the entry is CHANGING meanwhile, which fits nothing. To find what fits takes no lock.
 *
 * `lock` guards the free list, the socket lists of stacks and the making of chunks.
 * A socket may get another file in its life (ioth__sock_renew). Memory: 32 KiB for each 4096 descriptors in use, 96 bytes for each socket, both kept for reuse.
 */
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/single_threaded.h>
#include <unistd.h>

_Atomic(ioth__fdentry *) ioth__fdtable[FDTABLE_CHUNKS];

/* in this order; no plugin's function is called with either */
static pthread_mutex_t numbers = PTHREAD_MUTEX_INITIALIZER, lock = PTHREAD_MUTEX_INITIALIZER;
static struct ioth__sock *free_socks;

#define CHANGING FDTABLE_PLUGIN /* an entry that waits for its socket */

#define SOCKS_PER_BLOCK 128
#define HELD_FROM 768 /* where programs do not look for their descriptors */

static void before_fork(void)
{
	pthread_mutex_lock(&numbers);
	pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&lock);
	pthread_mutex_unlock(&numbers);
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

/** entry_swap - make the entry of @fd that of @sock, with a reference of its own, or of nothing; what it was, with its reference */
static struct ioth__sock *entry_swap(int fd, struct ioth__sock *sock)
{
	uintptr_t value = (uintptr_t)sock;

	if (sock != NULL) {
		atomic_fetch_add_explicit(&sock->refs, 1, memory_order_relaxed);
		value |= sock->direct ? 0 : FDTABLE_PLUGIN;
	}
	return entry_sock(atomic_exchange_explicit(entry_of(fd), value, memory_order_acq_rel));
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
		sock->kernel = sock->direct = sock->held = false;
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
	struct ioth__sock *old;
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
	sock->kernel = kind == IOTH__KERNEL || kind == IOTH__KERNEL_SEEN;
	sock->direct = kind == IOTH__KERNEL;
	sock->held = kind == IOTH__HELD;
	pthread_mutex_lock(&numbers);
	old = entry_swap(fd, sock);
	pthread_mutex_unlock(&numbers);
	if (old != NULL)
		ioth__sock_put(old);
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

/** entry_remove - empty the entry of @fd if it is @sock's: whether it was, then its reference is the caller's */
static bool entry_remove(int fd, const struct ioth__sock *sock)
{
	ioth__fdentry *entry = entry_of(fd);

	if (entry == NULL || entry_sock(atomic_load_explicit(entry, memory_order_acquire)) != sock)
		return false;
	atomic_store_explicit(entry, 0, memory_order_release);
	return true;
}

bool ioth__fd_check(struct ioth__sock *sock, int fd)
{
	bool good, removed;

	if (ioth__sock_owns(sock, fd))
		return true;
	pthread_mutex_lock(&numbers);
	good = ioth__sock_owns(sock, fd);
	removed = !good && entry_remove(fd, sock);
	pthread_mutex_unlock(&numbers);
	if (removed)
		ioth__sock_put(sock);
	return good;
}

/** hold - a copy of @fd, which is @sock's; -EBADF: it is not; another negative errno: there can be none */
static int hold(const struct ioth__sock *sock, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, HELD_FROM);

	if (copy < 0 && errno == EINVAL) /* the limit is lower */
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	if (ioth__sock_owns(sock, copy))
		return copy;
	close(copy);
	return -EBADF;
}

/** is_good - is @fd a number of @sock? For a call (@held is not NULL) on a socket that wants it a copy is in *@held then */
static bool is_good(struct ioth__sock *sock, int fd, int *held)
{
	int saved = errno;

	/* There is nobody whom a thread that is alone would have to fear. */
	if (held == NULL || !sock->held || __libc_single_threaded)
		return ioth__fd_check(sock, fd);
	*held = hold(sock, fd);
	errno = saved;
	/* Where there can be no copy the number must do. Where it is not the socket's, the entry may be stale. */
	return *held >= 0 || (ioth__fd_check(sock, fd) && *held != -EBADF);
}

struct ioth__sock *ioth__sock_get_held(int fd, int *held)
{
	uintptr_t value;

	while ((value = ioth__fd_load(fd)) != 0) {
		struct ioth__sock *sock = entry_get(entry_of(fd));

		if (sock != NULL && is_good(sock, fd, held))
			return sock;
		if (sock != NULL)
			ioth__sock_put(sock);
		if (value == CHANGING) {
			pthread_mutex_lock(&numbers);
			pthread_mutex_unlock(&numbers);
		}
	}
	return NULL;
}

struct ioth__sock *ioth__sock_get(int fd)
{
	return ioth__sock_get_held(fd, NULL);
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

int ioth__fd_dup(struct ioth__sock *sock, int fd, int cmd, long min)
{
	struct ioth__sock *old = NULL;
	int copy, result;

	pthread_mutex_lock(&numbers);
	copy = fcntl(fd, cmd, min);
	result = copy < 0 ? -errno : ioth__fd_reserve(copy);
	if (result == 0)
		old = entry_swap(copy, sock);
	pthread_mutex_unlock(&numbers);
	if (old != NULL)
		ioth__sock_put(old);
	if (result == 0)
		return copy;
	if (copy >= 0)
		close(copy);
	return result;
}

int ioth__fd_replace(struct ioth__sock *sock, int fd, int newfd, int flags)
{
	struct ioth__sock *old;
	uintptr_t before;
	int result = ioth__fd_reserve(newfd);

	if (result < 0)
		return result == -EMFILE ? -EBADF : result;
	pthread_mutex_lock(&numbers);
	before = atomic_exchange_explicit(entry_of(newfd), CHANGING, memory_order_acq_rel);
	if (dup3(fd, newfd, flags) < 0) {
		result = -errno;
		atomic_store_explicit(entry_of(newfd), before, memory_order_release);
		old = NULL;
	} else {
		entry_swap(newfd, sock);
		old = entry_sock(before);
	}
	pthread_mutex_unlock(&numbers);
	if (old != NULL)
		ioth__sock_put(old);
	return result < 0 ? result : newfd;
}

int ioth__fd_close(struct ioth__sock *sock, int fd)
{
	bool removed;
	int result;

	pthread_mutex_lock(&numbers);
	result = close(fd) < 0 ? -errno : 0;
	removed = entry_remove(fd, sock);
	pthread_mutex_unlock(&numbers);
	if (removed)
		ioth__sock_put(sock);
	return result;
}

bool ioth__fd_drop(struct ioth__sock *sock, int fd)
{
	bool removed;

	pthread_mutex_lock(&numbers);
	removed = entry_remove(fd, sock);
	pthread_mutex_unlock(&numbers);
	if (removed)
		ioth__sock_put(sock);
	return removed;
}

/** renew_number - put the new file under a number of the socket, which keeps its FD_CLOEXEC; 0 or a negative errno */
static int renew_number(const struct ioth__sock *sock, int fd, int file)
{
	int flags;

	if (!ioth__sock_owns(sock, fd))
		return 0;
	flags = fcntl(fd, F_GETFD);
	return flags < 0 || dup3(file, fd, flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0 ? -errno : 0;
}

/** renew_numbers - of those of @sock in a chunk, whose first number is @first */
static int renew_numbers(const struct ioth__sock *sock, ioth__fdentry *chunk, unsigned int first, int file)
{
	int result = 0;

	for (unsigned int i = 0; i < FDTABLE_CHUNK_SIZE; i++) {
		int error = 0;

		if (entry_sock(atomic_load_explicit(&chunk[i], memory_order_relaxed)) == sock)
			error = renew_number(sock, (int)(first + i), file);
		if (error < 0)
			result = error;
	}
	return result;
}

int ioth__sock_renew(struct ioth__sock *sock, int fd)
{
	struct stat st;
	int result = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != sock->dev)
		return -EINVAL;
	pthread_mutex_lock(&numbers);
	/* Other threads, which look whether the numbers are still the socket's, find first the old file and then the new one. */
	atomic_store_explicit(&sock->next_ino, st.st_ino, memory_order_seq_cst);
	for (unsigned int i = 0; i < FDTABLE_CHUNKS; i++) {
		ioth__fdentry *chunk = atomic_load_explicit(&ioth__fdtable[i], memory_order_acquire);
		int error = chunk == NULL ? 0 : renew_numbers(sock, chunk, i << FDTABLE_CHUNK_BITS, fd);

		if (error < 0)
			result = error;
	}
	atomic_store_explicit(&sock->ino, st.st_ino, memory_order_seq_cst);
	atomic_store_explicit(&sock->next_ino, 0, memory_order_seq_cst);
	pthread_mutex_unlock(&numbers);
	return result;
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

	pthread_mutex_lock(&numbers);
	if (entry_sock(atomic_load_explicit(entry, memory_order_acquire)) == sock)
		atomic_fetch_or_explicit(entry, FDTABLE_PLUGIN, memory_order_acq_rel);
	pthread_mutex_unlock(&numbers);
}
