/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vdeplug_memory.c - a module of libvdeplug that joins two stacks of one process in memory: memory://NAME
 *
 * It is for measuring: what is left of a stack's time when its network costs next to nothing. It is installed nowhere,
 * and libvdeplug finds it by VDEPLUGIN_PATH, so nothing of libioth knows of it or could be reached by it.
 *
 * Theory of operation. A *cable* has two ends, each of which the first and the second vde_open of its name get. Each
 * end has a ring of bytes for the frames that come to it, with one producer and one consumer: a frame is copied in by
 * whoever sends it and copied out by whoever receives it, each under the lock of its stack. A frame lies in one piece,
 * behind a line of the cache with its length; length 0 says that the next one is at the beginning of the ring. A frame
 * that has no room is refused with EAGAIN, one that is sent to an end that nobody has opened is lost.
 *
 * The descriptor to wait on is one end of a socketpair, and the *bell*, its other end, is rung with one byte by the
 * sender when it has not been rung since the receiver has last answered it. So a receiver that is behind costs no system
 * call; nor does one that looks by itself, which it can say as on a network in shared memory (vdeplug_shm.h): it takes the
 * byte and does not answer until it rests. Frames are finished frames of the MTU, one a call, as for any network.
 *
 * A sender that has put a frame in has to find out whether the receiver sleeps, and the frame has to be seen first. It is the
 * receiver that sees to this order, by membarrier(2) before it sleeps: a fence for each frame would have the sender wait for
 * lines of the cache that the other processor had last.
 *
 * Locks: cables_lock for the list of cables, and who has which end. Ring and bell outlive both ends, since the other
 * end may still be sending.
 */
#include <libvdeplug_mod.h>

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "area.h"
#include "vdeplug_shm.h"

#define RING_SIZE (512u * 1024) /* a power of two; lwIP has at most 180 segments on their way */
#define AHEAD 16384u            /* bytes: some frames */
#define WORD ((uint32_t)sizeof(uint32_t))
#define LINE 64u /* of the cache: two frames share none, or the processors of both ends would quarrel about it */

struct ring {
	_Alignas(LINE) _Atomic uint32_t head; /* bytes ever put in; written by the sender */
	uint32_t tail_seen;                   /* the sender's: what tail was when it last looked */
	_Alignas(LINE) _Atomic uint32_t tail; /* bytes ever taken out; written by the receiver */
	uint32_t head_seen;                   /* the receiver's likewise */
	uint32_t heard;                       /* likewise: bytes taken out of the bell */
	_Alignas(LINE) atomic_bool rung;      /* there is a byte in the bell, or will be */
	_Atomic uint32_t rings;               /* such bytes so far, counted before they are there */
	int datafd, bell;
	_Alignas(LINE) unsigned char bytes[RING_SIZE];
};

struct cable {
	struct cable *next;
	char *name;
	bool open[2];
	struct ring ring[2]; /* of the frames that come to each end */
};

/** struct end - what vde_open gives; begins like struct vdeconn */
struct end {
	void *handle;
	struct vdeplug_module *module;
	struct cable *cable;
	unsigned int side;
};

static pthread_mutex_t cables_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cable *cables;

/* ------------------------------------------------------------------------------------------------------- cables */

static void cable_free(struct cable *cable)
{
	for (unsigned int side = 0; side < 2; side++) {
		if (cable->ring[side].bell >= 0) {
			close(cable->ring[side].bell);
			close(cable->ring[side].datafd);
		}
	}
	free(cable->name);
	free(cable);
}

/** cable_new - NULL with errno */
static struct cable *cable_new(const char *name)
{
	struct cable *cable = aligned_alloc(LINE, sizeof(*cable));

	if (!cable)
		return NULL;
	memset(cable, 0, sizeof(*cable));
	cable->ring[0].bell = cable->ring[1].bell = -1;
	cable->name = strdup(name);
	for (unsigned int side = 0; side < 2; side++) {
		int pair[2];

		if (!cable->name || socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
			cable_free(cable);
			return NULL;
		}
		cable->ring[side].datafd = pair[0];
		cable->ring[side].bell = pair[1];
	}
	return cable;
}

/** cable_find - the cable called @name, made when there is none; cables_lock held; NULL with errno */
static struct cable *cable_find(const char *name)
{
	struct cable *cable = cables;

	while (cable && strcmp(cable->name, name) != 0)
		cable = cable->next;
	if (cable)
		return cable;
	cable = cable_new(name);
	if (cable) {
		cable->next = cables;
		cables = cable;
	}
	return cable;
}

static VDECONN *memory_open(char *url, char *descr, int version, struct vde_open_args *args)
{
	struct end *end = calloc(1, sizeof(*end));
	struct cable *cable;

	(void)descr, (void)version, (void)args;
	if (!end)
		return NULL;
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0) {
		free(end);
		return NULL;
	}
	pthread_mutex_lock(&cables_lock);
	cable = cable_find(url);
	if (cable && cable->open[0] && cable->open[1]) {
		errno = EADDRINUSE;
		cable = NULL;
	}
	if (cable) {
		end->cable = cable;
		end->side = cable->open[0];
		cable->open[end->side] = true;
	}
	pthread_mutex_unlock(&cables_lock);
	if (!cable) {
		free(end);
		return NULL;
	}
	return (VDECONN *)end;
}

static int memory_close(VDECONN *conn)
{
	struct end *end = (struct end *)conn;
	struct cable *cable = end->cable;

	pthread_mutex_lock(&cables_lock);
	cable->open[end->side] = false;
	if (!cable->open[0] && !cable->open[1]) {
		struct cable **p = &cables;

		while (*p != cable)
			p = &(*p)->next;
		*p = cable->next;
		cable_free(cable);
	}
	pthread_mutex_unlock(&cables_lock);
	free(end);
	return 0;
}

/* ------------------------------------------------------------------------------------------------------- frames */

/** taken - bytes that a frame takes in a ring, its word included */
static uint32_t taken(size_t len)
{
	return LINE + (((uint32_t)len + LINE - 1) & ~(LINE - 1));
}

/** fetch - bring the lines of the cache that a frame of @len bytes will be written to, which the receiver had last */
static void fetch(const struct ring *ring, uint32_t at, uint32_t len)
{
	for (uint32_t i = 0; i < len; i += LINE)
		shm_fetch_line(ring->bytes + (at + i) % RING_SIZE);
}

/** put - a frame into a ring; false when there is no room */
static bool put(struct ring *ring, const void *frame, uint32_t len)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint32_t at = head % RING_SIZE, to_end = RING_SIZE - at, skip = to_end < taken(len) ? to_end : 0;

	if (RING_SIZE - (head - ring->tail_seen) < skip + taken(len)) {
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (RING_SIZE - (head - ring->tail_seen) < skip + taken(len))
			return false;
	}
	if (skip > 0) {
		memset(ring->bytes + at, 0, WORD);
		at = 0;
	}
	memcpy(ring->bytes + at, &len, WORD);
	memcpy(ring->bytes + at + LINE, frame, len);
	atomic_store_explicit(&ring->head, head + skip + taken(len), memory_order_release);
	fetch(ring, at + AHEAD, taken(len));
	return true;
}

/** ring_bell - unless it has been rung already */
static void ring_bell(struct ring *ring)
{
	if (atomic_load_explicit(&ring->rung, memory_order_relaxed) || atomic_exchange(&ring->rung, true))
		return;
	atomic_fetch_add(&ring->rings, 1);
	send(ring->bell, "!", 1, MSG_NOSIGNAL);
}

/** hear - the receiver takes what is in the bell */
static void hear(struct ring *ring)
{
	char byte;

	/* The byte may come late, when its frame has been seen already: then it is left for the next time. */
	if (atomic_load_explicit(&ring->rings, memory_order_relaxed) != ring->heard &&
	    recv(ring->datafd, &byte, 1, 0) == 1)
		ring->heard++;
}

/** answer - the receiver is going to sleep: the bell is ready to be rung again */
static void answer(struct ring *ring)
{
	hear(ring);
	atomic_store(&ring->rung, false);
	syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

/** empty - has the receiver taken everything? */
static bool empty(struct ring *ring, uint32_t tail)
{
	if (ring->head_seen == tail)
		ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
	return ring->head_seen == tail;
}

/** takes - the ring of an end */
static struct ring *takes(VDECONN *conn)
{
	const struct end *end = (const struct end *)(void *)conn;

	return &end->cable->ring[end->side];
}

static ssize_t shm_send(VDECONN *conn, const struct virtio_net_hdr *vnet, const void *frame, size_t len, int flags)
{
	const struct end *end = (const struct end *)(void *)conn;
	struct ring *ring = &end->cable->ring[!end->side];

	(void)vnet, (void)flags;
	if (len == 0 || len > VDE_ETHBUFSIZE)
		return -EMSGSIZE;
	if (!put(ring, frame, (uint32_t)len))
		return -EAGAIN;
	atomic_signal_fence(memory_order_seq_cst);
	ring_bell(ring);
	return (ssize_t)len;
}

static int shm_sendv(VDECONN *conn, const struct virtio_net_hdr *vnet, const struct iovec *piece, unsigned int pieces,
                     int flags)
{
	ssize_t n = pieces == 1 ? shm_send(conn, vnet, piece->iov_base, piece->iov_len, flags) : -EOPNOTSUPP;

	return n < 0 ? (int)n : 0;
}

static ssize_t shm_recv(VDECONN *conn, struct virtio_net_hdr *vnet, void *frame, size_t size, int flags)
{
	struct ring *ring = takes(conn);
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed), at = tail % RING_SIZE, len;

	(void)vnet;
	if (empty(ring, tail)) {
		if (flags & VDE_SHM_AWAKE) {
			atomic_store_explicit(&ring->rung, true, memory_order_relaxed);
			hear(ring);
			return -EAGAIN;
		}
		/* Who has put a frame in before he could see that had no reason to ring. */
		answer(ring);
		if (empty(ring, tail))
			return -EAGAIN;
	}
	memcpy(&len, ring->bytes + at, WORD);
	if (len == 0) {
		tail += RING_SIZE - at;
		at = 0;
		memcpy(&len, ring->bytes, WORD);
	}
	memcpy(frame, ring->bytes + at + LINE, len < size ? len : size);
	atomic_store_explicit(&ring->tail, tail + taken(len), memory_order_release);
	return (ssize_t)(len < size ? len : size);
}

static int shm_waiting(VDECONN *conn)
{
	struct ring *ring = takes(conn);

	return !empty(ring, atomic_load_explicit(&ring->tail, memory_order_relaxed));
}

static void shm_rest(VDECONN *conn)
{
	struct ring *ring = takes(conn);

	answer(ring);
	if (shm_waiting(conn))
		ring_bell(ring);
}

static int shm_offload(VDECONN *conn, int what)
{
	(void)conn;
	return what == 0 ? 0 : -EOPNOTSUPP;
}

static ssize_t shm_next(VDECONN *conn)
{
	(void)conn;
	return 0;
}

static ssize_t memory_send(VDECONN *conn, const void *frame, size_t len, int flags)
{
	ssize_t n = shm_send(conn, NULL, frame, len, flags);

	errno = n < 0 ? (int)-n : errno;
	return n < 0 ? -1 : n;
}

static ssize_t memory_recv(VDECONN *conn, void *frame, size_t size, int flags)
{
	ssize_t n = shm_recv(conn, NULL, frame, size, flags);

	errno = n < 0 ? (int)-n : errno;
	return n < 0 ? -1 : n;
}

static int memory_datafd(VDECONN *conn)
{
	const struct end *end = (const struct end *)conn;

	return end->cable->ring[end->side].datafd;
}

static int memory_ctlfd(VDECONN *conn)
{
	(void)conn;
	return -1;
}

__attribute__((visibility("default"))) struct vdeplug_module vdeplug_ops = {
        .vde_open_real = memory_open,
        .vde_recv = memory_recv,
        .vde_send = memory_send,
        .vde_datafd = memory_datafd,
        .vde_ctlfd = memory_ctlfd,
        .vde_close = memory_close,
};

__attribute__((visibility("default"))) extern const struct vde_shm_ops vdeplug_shm_ops;
const struct vde_shm_ops vdeplug_shm_ops = {
        .size = sizeof(struct vde_shm_ops),
        .offload = shm_offload,
        .recv = shm_recv,
        .send = shm_send,
        .waiting = shm_waiting,
        .next = shm_next,
        .rest = shm_rest,
        .sendv = shm_sendv,
};
