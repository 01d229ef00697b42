/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * private.h - what the files of the link library share with each other.
 *
 *     port.c     a port: moves frames between a connection and a device
 *     input.c    from the network to the device
 *     output.c   from the device to the network
 *     lend.c     ports whose frames a thread of the program moves
 *     conn.c     a connection to a VDE network, made fit for an event loop
 *     direct.c   a connection for a stack that lives in the process
 *     driver.c   such a stack, run by a loop
 *     loop.c     the event loops
 *     clock.c    the deadlines of a loop
 *     awake.c    members that a loop looks at by itself
 *     capture.c  packet capture
 *     finish.c   large segments of a device become finished frames
 *     split.c    larger ones become some that a network in shared memory takes
 *     coalesce.c frames of the network become large segments
 *     spin.c     looking for more before sleeping
 *     moderate.c leaving a network alone for a while
 *     place.c    the processor a loop runs on
 *     beside.c   keeping off the processor of a switch
 *     vnl.c      locators
 *
 * Lock order, outermost first: loop gate, loop turn, the lock of a port that is lent, pool, clock, captures, one
 * capture. A function of a driver takes the lock of its stack within a turn; whoever holds that lock may take those from
 * clock on.
 */
#ifndef IOTH_LINK_PRIVATE_H
#define IOTH_LINK_PRIVATE_H

#include "link.h"

#include "vdeplug_shm.h"

#include <libvdeplug.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#define LINK_FRAME_MIN 14 /* an Ethernet header */

/* Bytes from one buffer of a batch to the next: a whole and odd number of cache lines, so that the headers of the
   frames of a batch do not all fall into the same few cache sets. */
#define LINK_BUFFER_SIZE (1025 * 64)
_Static_assert(LINK_BUFFER_SIZE >= LINK_SEGMENT_MAX, "a segment must fit");

#define LINK_BURST 16 /* frames in a system call to a network that takes several */
#define LINK_CUT_SIZE (145 * 64)
_Static_assert(LINK_CUT_SIZE >= LINK_FRAME_MAX, "a frame must fit");

/** link__ifname_valid - may @name be the name of an interface? */
bool link__ifname_valid(const char *name);

/* --------------------------------------------------------------------------------------------------- loop */

struct link__loop;
struct link__member;
struct link__alarm;

/** enum link__source - which of a member's descriptors an event is about; or that its deadline has passed; or that its
 * loop is going to sleep (awake.c) */
enum link__source { LINK_DEVICE, LINK_DATA, LINK_CTL, LINK_ALARM, LINK_REST };

/** link__event_fn - a descriptor of @member is ready; runs in the loop's thread, with the loop's turn lock held */
typedef void link__event_fn(struct link__member *member, enum link__source source, uint32_t events);

/** struct link__member - what a port or a driver is to its loop; embedded in it */
struct link__member {
	struct link__loop *loop;
	struct link__member *next; /* in the loop's list; pool lock */
	link__event_fn *event;
	uint64_t network;          /* members of one network had better share a loop; 0: of none */
	bool served;               /* its frames pass through a process that wants a core itself */
	struct link__alarm *alarm; /* NULL: it never has a deadline */
	uint32_t slot;             /* place in the table of members */
	uint32_t handle;           /* generation of that place while it is ours */
	uint32_t incarnation;      /* of the process, in the sense of fork(2) */
	/* awake.c: */
	bool (*waiting)(struct link__member *member); /* is there something for LINK_DATA? NULL: never awake */
	struct link__member *awake_next;
	unsigned int looks; /* in vain, since it was last given a turn */
	bool awake;
};

/** struct link__awake - the members that a loop looks at; turn lock */
struct link__awake {
	struct link__member *first;
	atomic_uint count;
};

/** link__awake_none - are there none? For the loop's thread, which alone adds some, without the lock */
static inline bool link__awake_none(const struct link__awake *awake)
{
	return atomic_load_explicit(&awake->count, memory_order_relaxed) == 0;
}

/** link__awake_add - from now on look at @member, which is having a turn; no more than that if it is being looked at */
void link__awake_add(struct link__awake *awake, struct link__member *member);

/** link__awake_remove - look at @member no more, which need not have been looked at */
void link__awake_remove(struct link__awake *awake, struct link__member *member);

/** link__awake_any - has one of them something? */
bool link__awake_any(const struct link__awake *awake);

/** link__awake_look - give those that have something their turns (LINK_DATA); how many */
unsigned int link__awake_look(struct link__awake *awake);

/** link__awake_rest - the loop is going to sleep: a last turn for each (LINK_REST); false: one has found something
 * after all, and is looked at again */
bool link__awake_rest(struct link__awake *awake);

/** struct link__batch - the frame buffers of a loop, lent to the member whose turn it is */
struct link__batch {
	struct link_frame frame[LINK_BATCH];
	unsigned char buffer[LINK_BATCH][LINK_BUFFER_SIZE];
	unsigned char cut[LINK_BURST][LINK_CUT_SIZE]; /* frames that are cut out of a segment */
};

/** link__batch_new - buffers for one who moves frames; NULL when there is no memory; to be freed */
struct link__batch *link__batch_new(void);

/** link__batch_for - @count frames without anything in them, which have all the buffers, in equal parts: data pointers, and
 * the room there in the place of the length */
void link__batch_for(struct link__batch *batch, unsigned int count);

/**
 * link__loop_join - give a member a loop, starting a thread if need be
 * @event, @network, @served, @alarm: filled in by the caller; the rest is filled in here
 *
 * Returns 0 or -ENOMEM, -EMFILE, -EAGAIN.
 */
int link__loop_join(struct link__member *member);

/** link__loop_leave - take a member away from its loop, whose last member takes the thread with it; when this returns
   no event of the member is being handled or ever will be. Its descriptors must still be open: @fds of them, or -1 */
void link__loop_leave(struct link__member *member, const int *fds, unsigned int count);

/** link__loop_watch - watch @fd for epoll @events; @add when it is not being watched yet; 0 or a negative errno */
int link__loop_watch(struct link__member *member, enum link__source source, int fd, uint32_t events, bool add);

/** link__loop_awake - @member, which is having a turn, has something to receive that no descriptor tells of, or will soon:
 * look (awake.c) */
void link__loop_awake(struct link__member *member);

/** link__loop_unwatch - stop watching @fd */
void link__loop_unwatch(struct link__member *member, int fd);

/** link__loop_deadline - give the member a turn (LINK_ALARM) when its time has come, once; INT64_MAX: never. By any
 * thread */
void link__loop_deadline(struct link__member *member, int64_t when);

/** link__loop_pause - the deadline does not count until link__loop_resume */
void link__loop_pause(struct link__member *member);
void link__loop_resume(struct link__member *member);

/** link__loop_batch - the buffers of the member's loop; to be used during one turn */
struct link__batch *link__loop_batch(struct link__member *member);

/** link__now - CLOCK_MONOTONIC, in nanoseconds */
int64_t link__now(void);

/** struct link__place - of a loop: whether it runs at a good place; all zero at first */
struct link__place {
	unsigned int dear; /* how much its turns have cost of late */
	int64_t moved;     /* when it last went elsewhere */
	int64_t pause;     /* how long it stays there at least */
};

/** link__place_turn - a turn of a single event took from @began to @ended (link__now): perhaps go elsewhere */
void link__place_turn(struct link__place *place, int64_t began, int64_t ended);

/** struct link__beside - of a loop: the switch whose processor it keeps off; all zero at first */
struct link__beside {
	unsigned int frames; /* that have passed to and from switches since then */
	int64_t since;
	bool keeps;
	int cpu;           /* that it keeps off */
	cpu_set_t allowed; /* where the loop might run before */
	unsigned int sent; /* frames since it last gave way */
};

/** link__beside_busy - a turn has moved @frames through a switch. True: they are many these days, and it is time to look where
 * it runs */
bool link__beside_busy(struct link__beside *beside, unsigned int frames);

/** link__beside - the switch is the process @pid; 0: not known */
void link__beside(struct link__beside *beside, pid_t pid);

/** link__beside_sent - @frames have been sent to a switch, and there may be others to be sent */
void link__beside_sent(struct link__beside *beside, unsigned int frames);

/** link__beside_round - a round of the loop, in which there may have been nothing for a switch */
void link__beside_round(struct link__beside *beside);

/** link__loop_beside - that of the loop of a member; for its turns */
struct link__beside *link__loop_beside(struct link__member *member);

/** link__loop_enter - have a turn of the member's loop, by another thread than the loop's, till link__loop_exit. It lasts
 * till the turn in progress is over */
void link__loop_enter(struct link__member *member);
void link__loop_exit(struct link__member *member);

/** link__loop_forget - in a turn: do not look at the member any more */
void link__loop_forget(struct link__member *member);

/** link__loop_round - number of the present call of epoll_wait in the member's loop */
uint32_t link__loop_round(const struct link__member *member);

/** link__loop_is_here - false in a process forked after the member joined its loop: there is no such loop here */
bool link__loop_is_here(const struct link__member *member);

/** link__loop_incarnation - the number of this process among those forked from each other */
uint32_t link__loop_incarnation(void);

/* ------------------------------------------------------------------------------------------------- connection */

/** struct link__conn - a connection to a VDE network; not for two threads at once */
struct link__conn {
	VDECONN *vde;
	int datafd;
	int ctlfd;    /* -1 when the network has none */
	bool guarded; /* vde_recv blocks whatever flags one gives it: poll first */
	bool plain;   /* each frame is a datagram of the data descriptor, and that is all */
	bool offload; /* frames with work left to do pass as they are */
	bool awake;   /* in shared memory: whoever receives looks again soon, its descriptor may keep still */
	const struct vde_shm_ops *shm; /* the network is in shared memory; NULL: it is not */
	pid_t sender;                  /* see link__conn_sender */
	unsigned int asking;           /* bursts that may still tell the next; 0: nobody wants to know */
};

/** link__conn_open - vde_open(3); returns 0 or a negative errno */
int link__conn_open(struct link__conn *conn, const char *vnl, const char *description);

/** link__conn_close - vde_close(3) */
void link__conn_close(struct link__conn *conn);

/** link__conn_abandon - close this process's copies of a connection that belongs to the parent of this process */
void link__conn_abandon(struct link__conn *conn);

/** link__peer_error - does @error of a connection say that the other side is away, which may change? Errors of this
   kind are reported once and then forgotten by a socket. */
bool link__peer_error(int error);

/**
 * link__conn_recv - receive one frame without blocking
 * @size: room at @frame
 * @ready: the data descriptor has been seen to be readable and nothing was received since
 *
 * Returns the length, which may be anything between 0 and @size; or -EAGAIN when nothing has come; or a negative errno.
 */
int link__conn_recv(struct link__conn *conn, void *frame, size_t size, bool ready);

/** link__conn_send - send one frame without blocking; 0, or -EAGAIN when there is no room now, or a negative errno */
int link__conn_send(struct link__conn *conn, const void *frame, size_t len);

/**
 * link__conn_recv_frames - receive frames without blocking, as many as can be had at once, at most @count
 * @frames: each with its room in the place of the length, which becomes that of the frame, anything up to the room
 * @ready: as above
 * @more: may there be others? False: none were left a moment ago
 *
 * Returns how many, at least one; or -EAGAIN when nothing has come; or a negative errno: with offload -EMSGSIZE when the next
 * is larger than its room.
 */
int link__conn_recv_frames(struct link__conn *conn, struct link_frame *frames, unsigned int count, bool ready,
                           bool *more);

/**
 * link__conn_sender - the process that sends what is received, on a plain network: the switch, or the peer
 *
 * It is what was known when this was last asked, and some frames had come since; 0: nobody that can be seen from here.
 */
pid_t link__conn_sender(struct link__conn *conn);

/** link__conn_served - is the network a switch that is another process? */
bool link__conn_served(const struct link__conn *conn);

/**
 * link__conn_send_frames - send finished frames without blocking, as many as can be sent at once
 *
 * Returns how many, at least one, from the first on: when it is not all there may be no room for the next; or as
 * link__conn_send, about the first.
 */
int link__conn_send_frames(struct link__conn *conn, const struct link_frame *frames, unsigned int count);

/**
 * link__conn_offload - from now on frames with work left to do pass as they are, if the network can: conn->offload
 * @trains: of UDP datagrams, too
 *
 * Then frame->vnet says what is left to be done: use link__conn_recv_frames, and the functions below.
 */
void link__conn_offload(struct link__conn *conn, bool trains);
/** link__conn_next - bytes of the next frame, or 0 */
size_t link__conn_next(const struct link__conn *conn);
/** link__conn_send_frame - as link__conn_send */
int link__conn_send_frame(struct link__conn *conn, const struct link_frame *frame);
/** link__conn_send_pieces - link__conn_send_frame of a frame in pieces, the headers being in the first */
int link__conn_send_pieces(struct link__conn *conn, const struct virtio_net_hdr *vnet, const struct iovec *piece,
                           unsigned int pieces);

/** link__conn_rest - conn->awake ends: the data descriptor tells again, of what has come meanwhile too */
void link__conn_rest(struct link__conn *conn);

#endif
