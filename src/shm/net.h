/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net.h - a network in shared memory, and the ports that this process has on it.
 *
 *     layout.h, geometry.c   what lies where in the memory
 *     ring.c                 the queue of a receiver
 *     area.c                 the frames that a sender has sent
 *     table.c                MAC addresses
 *     options.c              what a locator says
 *     place.c                the directory: files, locks, who is alive
 *     join.c                 finding or making the network of a directory, and leaving it
 *     answer.c               the thread that hands the memory to newcomers
 *     port.c                 ports: taken, given back, buried
 *     send.c, receive.c      frames
 *     module.c               the module of libvdeplug
 *
 * The directory of a network is where its members meet:
 *
 *     lock    byte 0 is locked by who joins or leaves, byte 1 + N for as long as port N is in use
 *     mN      a socket of a process: whoever connects to it receives a descriptor of the memory
 *     pN      a datagram socket of port N: a datagram wakes its owner
 *
 * The locks are the kernel's (F_OFD_SETLK): they end with the process that holds them, however it ends. So what is
 * locked is alive, and what is not locked may be cleared away by anybody who takes the lock for that.
 *
 * The memory is a memfd that nobody can shrink (F_SEAL_SHRINK): with a plain file, whoever may write could truncate it
 * and kill all others by SIGBUS. It is the price of this that it has to be handed over by somebody.
 *
 * Threads: a port is for one sending thread and one receiving thread at a time. Joining and leaving take the lock in
 * join.c. The thread in answer.c shares nothing but what is behind its own lock.
 *
 * fork(2): the child closes what it inherited, so that locks end with the process that took them; a port of the parent
 * can only be closed there (join.c).
 */
#ifndef IOTH_SHM_NET_H
#define IOTH_SHM_NET_H

#include "area.h"
#include "layout.h"
#include "ring.h"
#include "table.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>

/** struct shm_options - what a locator says */
struct shm_options {
	char *path;  /* inside the text that was parsed */
	mode_t mode; /* of the directory's files; 0: not said */
	gid_t group; /* (gid_t)-1: not said */
	uint32_t ports, slots, mtu, age;
	bool monitor; /* of this port: it gets a copy of every frame, and sends none */
};

/** shm_options_parse - take "/path[/option=value...]" apart, which is changed; 0, -EINVAL, -ENOENT no such group */
int shm_options_parse(char *text, struct shm_options *out);

/** struct shm_net - a network that this process is on; one for all its ports */
struct shm_net {
	struct shm_net *next; /* the rest of the first part: the lock in join.c */
	unsigned int members; /* ports */
	dev_t dev;            /* of the directory */
	ino_t ino;
	bool foreign; /* it belongs to the process that we were forked from */
	int dirfd, memfd;
	int listenfd; /* the socket mN */
	int number;   /* N */
	struct shm_port *ports;
	char *path;      /* absolute */
	char prefix[80]; /* of the names of sockets: the directory */
	/* never changed */
	unsigned char *base;
	struct shm_geometry geometry;
};

/** shm_header_of - of which `watched` alone may change */
static inline struct shm_header *shm_header_of(const struct shm_net *net)
{
	return (struct shm_header *)(void *)net->base;
}

/** shm_control_of - what port @port shows; @port must be below geometry.ports, here and below */
static inline struct shm_control *shm_control_of(const struct shm_net *net, uint32_t port)
{
	return (struct shm_control *)(void *)(net->base + net->geometry.control) + port;
}

/** shm_area_of - where the area of a port begins */
static inline unsigned char *shm_area_of(const struct shm_net *net, uint32_t port)
{
	return net->base + net->geometry.areas + (size_t)port * net->geometry.units * SHM_LINE;
}

/** shm_active_of - the word that has the bit of a port */
static inline _Atomic uint64_t *shm_active_of(const struct shm_net *net, uint32_t port)
{
	return (_Atomic uint64_t *)(void *)(net->base + net->geometry.active) + port / 64;
}

static inline uint64_t shm_active_bit(uint32_t port)
{
	return UINT64_C(1) << port % 64;
}

/** shm_ring_of - the ring of a port */
static inline struct shm_ring shm_ring_of(const struct shm_net *net, uint32_t port)
{
	struct shm_control *control = shm_control_of(net, port);

	return (struct shm_ring){
	        .slot = (_Atomic uint64_t *)(void *)(net->base + net->geometry.rings) +
	                (size_t)port * net->geometry.slots,
	        .tail = &control->tail,
	        .head = &control->head,
	        .mask = net->geometry.slots - 1,
	        .shift = (unsigned int)__builtin_ctz(net->geometry.slots),
	};
}

static inline struct shm_table shm_table_of(const struct shm_net *net)
{
	return (struct shm_table){.entry = (struct shm_entry *)(void *)(net->base + net->geometry.table),
	                          .buckets = net->geometry.buckets,
	                          .age = net->geometry.age};
}

/** struct shm_patience - how long a sender has waited for a receiver */
struct shm_patience {
	uint32_t port; /* 1 + its number; 0: nobody's */
	uint32_t generation;
	int64_t last;   /* when it was last found to be in the way; all times in nanoseconds */
	int64_t waited; /* for how long in all, since `head` */
	uint64_t head;  /* of its ring then */
};
#define SHM_PATIENCES 16

/** struct shm_count - the port's own copy of its counters, which others may scribble over */
struct shm_count {
	uint64_t frames, bytes, full, lost, wakes;
};

/** struct shm_port - a port of ours */
struct shm_port {
	struct shm_net *net;
	struct shm_port *next; /* in net->ports */
	uint32_t number;
	uint32_t generation;
	int lockfd;        /* holds the lock of the port */
	int datafd;        /* the socket pN */
	bool monitor;      /* it gets a copy of every frame, and sends none */
	uint32_t features; /* what control shows */
	struct shm_control *control;
	/* the sending thread */
	alignas(SHM_LINE) struct shm_area area;
	struct shm_count sent;
	uint64_t source; /* the source address last learnt, with `learnt` */
	uint32_t learnt; /* seconds */
	struct shm_patience patience[SHM_PATIENCES];
	unsigned char *scratch; /* for frames to be finished; or NULL */
	/* the receiving thread */
	alignas(SHM_LINE) struct shm_ring ring;
	uint64_t head;
	struct shm_count received;
	uint32_t token; /* what we wrote into `asleep` last */
	bool noted;     /* it may be there still */
	bool stirred;   /* when we last lay down the socket was readable */
	uint32_t burst; /* frames since we last lay down, or waited instead */
};

/* ---------------------------------------------------------------------------------------------------- place.c */

/** shm_place_open - open the directory at options->path, making it if need be; a descriptor or a negative errno */
int shm_place_open(const struct shm_options *options);

/**
 * shm_place_lock - take the lock of joining and leaving
 * @ms: for how long to try; longer on a busy machine
 *
 * Returns a descriptor of the lock file, which holds the lock; -ESTALE: the directory has just been removed,
 * -ETIMEDOUT, -EACCES, or another negative errno.
 */
int shm_place_lock(int dirfd, int ms);

/** shm_place_relock - the same with a descriptor that shm_place_lock gave; shm_place_unlock - give it back, but keep
 * the descriptor */
int shm_place_relock(int lockfd, int ms);
void shm_place_unlock(int lockfd);

/** shm_place_take - take the lock of a port: true, or false when it is taken; shm_place_give - give it back */
bool shm_place_take(int lockfd, uint32_t port);
void shm_place_give(int lockfd, uint32_t port);

/** shm_place_used - does anybody but this descriptor hold the lock of one of @count ports from @first on? */
bool shm_place_used(int lockfd, uint32_t first, uint32_t count);

/** shm_place_socket - bind a socket of @type to "<kind><number>" in the directory, replacing what is there; it or a
 * negative errno */
int shm_place_socket(const struct shm_net *net, int type, char kind, unsigned int number, const struct stat *dir);

/** shm_place_remove - unlink "<kind><number>" */
void shm_place_remove(const struct shm_net *net, char kind, unsigned int number);

/** shm_place_address - the address of "<kind><number>"; returns its length */
socklen_t shm_place_address(const struct shm_net *net, char kind, unsigned int number, struct sockaddr_un *out);

/** shm_place_prefix - fill in net->path and net->prefix; 0 or a negative errno */
int shm_place_prefix(struct shm_net *net, const char *path);

/** shm_place_clear - remove the files of the network and the directory, which nobody uses any more */
void shm_place_clear(int dirfd, const char *path);

/* ----------------------------------------------------------------------------------------------------- join.c */

/** shm_net_join - find or make the network and take a port of it; @out has net, number, lockfd and datafd; 0 or a
 * negative errno */
int shm_net_join(const struct shm_options *options, struct shm_port *out);

/** shm_net_leave - give the port back, and with the last one of the process the network */
void shm_net_leave(struct shm_port *port);

/** shm_net_look - the memory of a network, for reading: net->base, net->geometry; 0 or a negative errno. shm_net_unlook
 * ends it */
int shm_net_look(const char *path, struct shm_net *net);
void shm_net_unlook(struct shm_net *net);

/* --------------------------------------------------------------------------------------------------- answer.c */

/** shm_answer_add - hand net->memfd to whoever connects to net->listenfd; shm_answer_del - no more; 0 or a negative
 * errno */
int shm_answer_add(struct shm_net *net);
void shm_answer_del(struct shm_net *net);

/* around fork: in the child the thread is not there */
void shm_answer_prepare(void);
void shm_answer_parent(void);
void shm_answer_child(void);

/* ----------------------------------------------------------------------------------------------------- port.c */

/**
 * shm_port_take - find a free port for @port->lockfd, which holds the lock of joining: number, control, lock
 *
 * Returns 0; -ENOSPC all are in use; -EBUSY of one it cannot be told yet: somebody clears a dead owner's away, or a new
 * one has not begun.
 */
int shm_port_take(struct shm_port *port);

/** shm_port_begin - the port is ours: make its structures new, and show it; @port->monitor says which kind it is; 0 or
 * -ENOMEM */
int shm_port_begin(struct shm_port *port, const char *description);

/** shm_port_offload - take segments and unfinished checksums (SHM_OFFLOAD, perhaps with SHM_UDP), or do not (0) */
void shm_port_offload(struct shm_port *port, uint32_t features);

/** shm_port_watch - tell senders that there is a port that monitors */
void shm_port_watch(const struct shm_port *port);

/** shm_port_note - leave a note that the port has to be woken */
void shm_port_note(struct shm_port *port);

/** shm_port_stir - see that the socket of port @other, or our own, is readable; 0; -ECONNREFUSED or -ENOENT nobody has it;
 * or another negative errno: it may not be */
int shm_port_stir(const struct shm_port *port, uint32_t other);

/** shm_port_end - nobody sends to it any more */
void shm_port_end(struct shm_port *port);

/** shm_port_bury - if the owner of port @other is dead, give the port back */
void shm_port_bury(const struct shm_port *port, uint32_t other);

/* ----------------------------------------------------------------------------------------------------- frames */

/** shm_now_s, shm_now_ns - CLOCK_MONOTONIC, coarse in seconds, fine in nanoseconds */
uint32_t shm_now_s(void);
int64_t shm_now_ns(void);

/**
 * shm_send - send a frame
 * @vnet: what is left to be done, or NULL for a finished frame
 * @piece: @pieces parts of it, the Ethernet header being in the first
 *
 * Never waits. Returns 0: it is on its way, or nobody wants it, or was lost on a queue that has been full for long;
 * -EAGAIN there is no room now, but there may soon be; -EMSGSIZE, -EINVAL the frame is wrong; -EPERM the port monitors.
 */
int shm_send(struct shm_port *port, const struct virtio_net_hdr *vnet, const struct iovec *piece, unsigned int pieces);

/**
 * shm_receive - receive a frame
 * @vnet: receives what is left to be done; NULL: only finished frames
 * @how: SHM_AWAKE: if there is none, datafd need not become readable when there is one; SHM_WHOLE: leave one that is larger
 *
 * Never waits. Returns its length, cut to @size; -EMSGSIZE it is larger, and is still there; -EAGAIN, and port->stirred says
 * whether datafd was readable for nothing.
 */
ssize_t shm_receive(struct shm_port *port, struct virtio_net_hdr *vnet, void *frame, size_t size, unsigned int how);
#define SHM_AWAKE 1U
#define SHM_WHOLE 2U

/** shm_rest - a receiver that was not to sleep is going to: datafd tells of what comes, and of what has come already */
void shm_rest(struct shm_port *port);

/** shm_waiting - is there anything in the ring? */
bool shm_waiting(const struct shm_port *port);

/** shm_next - how long the next frame says it is, at most SHM_SEGMENT_MAX; 0: there is none, or only nonsense. It may say
 * something else by the time it is received */
size_t shm_next(const struct shm_port *port);

#endif
