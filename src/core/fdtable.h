/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fdtable.h - which socket, of which stack, a descriptor stands for.
 */
#ifndef IOTH_FDTABLE_H
#define IOTH_FDTABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct ioth;

/** enum ioth__kind - what makes a socket, as a plugin's kernelfd says */
enum ioth__kind {
	IOTH__PLUGIN = 0,
	IOTH__KERNEL = 1,
	IOTH__KERNEL_SEEN = 2, /* whose calls the plugin sees */
	IOTH__HELD = 3         /* the plugin's, which wants to hold a descriptor during a call */
};

/**
 * struct ioth__sock - a socket of a stack
 *
 * Type-stable: the memory of a socket is reused for sockets only and never given back, so that ioth__sock_get may
 * look at the count of one that is being released. See fdtable.c.
 */
struct ioth__sock {
	_Atomic unsigned int refs; /* table entries and calls in progress; 0: on the free list */
	_Atomic int fd;            /* the number by which the plugin knows it; -1 till it has one */
	bool kernel;               /* a kernel socket */
	bool direct;               /* and every call on it is the system call itself */
	bool held;                 /* calls hold a descriptor of it */
	_Atomic dev_t dev;         /* device and inode recognise the descriptor again */
	_Atomic(ino_t) ino;
	_Atomic(ino_t) next_ino;         /* while it is getting another file: that is its own as well; else 0 */
	struct ioth *stack;              /* holds a reference to it */
	_Atomic(void *) data;            /* getsockdata */
	struct ioth__sock *next, **link; /* sockets of the stack; `next` alone: the free list */
};

#define FDTABLE_CHUNK_BITS 12
#define FDTABLE_CHUNK_SIZE (1u << FDTABLE_CHUNK_BITS)
#define FDTABLE_CHUNKS 8192u /* 33 million descriptors, 32 times the default of fs.nr_open */

/* An entry is the address of a socket; its lowest bit is set when calls on it have to go through the plugin. */
#define FDTABLE_PLUGIN ((uintptr_t)1)

typedef _Atomic(uintptr_t) ioth__fdentry;
extern _Atomic(ioth__fdentry *) ioth__fdtable[FDTABLE_CHUNKS];

/** ioth__fd_load - the entry of @fd, 0 when it is not a socket of a stack; any int is fine */
static inline uintptr_t ioth__fd_load(int fd)
{
	unsigned int number = (unsigned int)fd;
	ioth__fdentry *chunk;

	if (number >= FDTABLE_CHUNKS * FDTABLE_CHUNK_SIZE)
		return 0;
	chunk = atomic_load_explicit(&ioth__fdtable[number >> FDTABLE_CHUNK_BITS], memory_order_acquire);
	if (chunk == NULL)
		return 0;
	return atomic_load_explicit(&chunk[number & (FDTABLE_CHUNK_SIZE - 1)], memory_order_acquire);
}

/** ioth__fd_is_plain - may a call on @fd be handed to the system at once? The whole cost of dispatch. */
static inline bool ioth__fd_is_plain(int fd)
{
	return __builtin_expect(!(ioth__fd_load(fd) & FDTABLE_PLUGIN), 1);
}

/** ioth__sock_new - make a socket object that holds a reference to @stack; one reference for the caller; NULL: no memory */
struct ioth__sock *ioth__sock_new(struct ioth *stack);

/**
 * ioth__sock_adopt - @fd is what the plugin made for @sock: remember its identity and enter it in the table
 *
 * Returns @fd, or a negative errno when there is no room for the entry; @fd is then closed when @sock is put.
 */
int ioth__sock_adopt(struct ioth__sock *sock, int fd, enum ioth__kind kind);

/**
 * ioth__sock_renew - put the file of @fd under every number of @sock; @fd itself stays open
 *
 * The caller has a reference. Returns 0 or a negative errno; then the numbers are what they were.
 */
int ioth__sock_renew(struct ioth__sock *sock, int fd);

/** ioth__sock_get - the socket of @fd with a reference for the caller, NULL when there is none or the entry is stale */
struct ioth__sock *ioth__sock_get(int fd);

/**
 * ioth__sock_get_held - the same for a call of its plugin
 * @held: a descriptor that stays the socket's for the time of the call, whatever becomes of @fd, to be closed; negative: there
 *        is none, and mostly no need for one
 */
struct ioth__sock *ioth__sock_get_held(int fd, int *held);

/** ioth__sock_put - drop a reference; the last one closes the socket in its plugin: 0, or the negative errno of that */
int ioth__sock_put(struct ioth__sock *sock);

/** ioth__sock_owns - is descriptor @fd still the socket it was when it was entered? */
bool ioth__sock_owns(const struct ioth__sock *sock, int fd);

/** ioth__fd_reserve - make sure that an entry for @fd can be set; 0 or -EMFILE, -ENOMEM */
int ioth__fd_reserve(int fd);

/**
 * ioth__fd_dup - fcntl(2) F_DUPFD or F_DUPFD_CLOEXEC with minimum @min; the copy is @sock's as well
 *
 * The caller has a reference. Returns the copy, or a negative errno.
 */
int ioth__fd_dup(struct ioth__sock *sock, int fd, int cmd, long min);

/**
 * ioth__fd_replace - dup3(2); @newfd is @sock's then (NULL: foreign), and no more of what it was, whose entry is dropped
 *
 * The caller has a reference to @sock. Returns @newfd, or a negative errno and nothing has changed.
 */
int ioth__fd_replace(struct ioth__sock *sock, int fd, int newfd, int flags);

/** ioth__fd_close - close(2) a number of @sock, to which the caller has a reference; 0 or a negative errno */
int ioth__fd_close(struct ioth__sock *sock, int fd);

/** ioth__fd_check - is @fd still a number of @sock, to which the caller has a reference? If not, the entry is removed */
bool ioth__fd_check(struct ioth__sock *sock, int fd);

/** ioth__fd_drop - remove the entry of @fd if it still is @sock's, to which the caller has a reference; whether it was */
bool ioth__fd_drop(struct ioth__sock *sock, int fd);

/**
 * ioth__fd_walk - call @visit for each entry of sockets of @stack
 *
 * @visit gets the descriptor and the socket with a reference held for the time of the call.
 */
void ioth__fd_walk(struct ioth *stack, void (*visit)(int fd, struct ioth__sock *sock, void *arg), void *arg);

/** ioth__fd_through_plugin - from now on every call on @fd goes through the slow path (a stopped stack) */
void ioth__fd_through_plugin(int fd, struct ioth__sock *sock);

#endif
