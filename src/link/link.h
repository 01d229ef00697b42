/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link.h - ports on VDE networks.
 *
 * A *port* joins a VDE network (libvdeplug) on one side and a *device* on the other: the network interface of some
 * stack. The port owns the VDE connection; the device is given by the stack's plugin as a table of functions. One of a
 * few *event loops*, shared by all stacks of the process, moves frames between the two, in batches, both ways.
 *
 * Lock order and threads are described at the top of port.c and loop.c. Errors are negative errno values.
 */
#ifndef IOTH_LINK_H
#define IOTH_LINK_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)

#define LINK_FRAME_MAX 9234    /* largest frame of a VDE network: Ethernet header, VLAN tag, 9216 bytes */
#define LINK_SEGMENT_MAX 65553 /* largest segment of a network with offload: Ethernet header, VLAN tag, 65535 bytes */
#define LINK_LARGE_MAX 524544  /* largest segment of a device: what Linux makes at most (BIG TCP), and headers */
#define LINK_BATCH 64          /* frames moved per system call, where the system call can move several */
#define LINK_IFNAME_MAX 16     /* IFNAMSIZ, with the final NUL */

/** struct link_frame - one Ethernet frame in a batch; the buffer belongs to the loop that moves it */
struct link_frame {
	struct virtio_net_hdr vnet; /* what is left to do, host byte order; all zero: a finished frame */
	unsigned char *data;        /* Ethernet header first, no FCS */
	uint32_t len;               /* bytes at data */
};

/**
 * struct link_device - the stack's side of a port. All functions run in the thread of the port's loop, never two at
 * once.
 */
struct link_device {
	/* Frames from the network for the stack. Takes them all; what the stack has no room for is dropped and counted.
	 */
	void (*input)(void *device, struct link_frame *frames, unsigned int count);
	/* Frames from the stack for the network: fills at most @count frames, each with a buffer of frame->len bytes at
	   data, at least LINK_SEGMENT_MAX, and returns how many, 0 when there are none now, or a negative errno when the
	   device is dead. A frame that the buffer is too small for is lost, and its length 0: there is more room next
	   time. */
	int (*output)(void *device, struct link_frame *frames, unsigned int count);
	/* The port has died by itself: @error is -ENETDOWN when the network went away, or what output returned. The
	   port moves no more frames; it still has to be closed with link_port_close, from another thread or later. */
	void (*down)(void *device, int error);
	/* The device takes several frames merged into one TCP segment with a virtio-net header, as virtio defines it:
	   up to LINK_SEGMENT_MAX bytes, the checksum left to be done, and trains of UDP datagrams (GSO_UDP_L4) that other
	   devices of this machine have sent. Otherwise it gets the frames as they came. What output gives may always be a
	   segment of that kind, of TCP up to LINK_LARGE_MAX bytes (with lengths in the headers that are of no account), or
	   a frame with its checksum left to be done: the port finishes it. */
	bool offload;
};

/** struct link_vnl - a locator taken apart */
struct link_vnl {
	char ifname[LINK_IFNAME_MAX]; /* of the interface: given, or vdeN */
	const char *vnl;              /* the VDE network locator, inside the string that was parsed */
};

/**
 * link_vnl_parse - take "IFNAME:VNL" or "VNL" apart
 * @text: the text before its first ':' is a name when that ':' is not the one of "://"
 * @index: names the interface vde<index> when @text does not name it
 *
 * Returns 0, or -EINVAL: empty locator; a name that is empty, longer than 15 bytes, ".", "..", or has a '/', a space,
 * or a control character.
 */
int link_vnl_parse(const char *text, unsigned int index, struct link_vnl *out);

/** link_vnl_shared - does this locator name a network in shared memory, which takes segments of 64 KiB? */
bool link_vnl_shared(const char *vnl);

struct link_port;

struct link_port_stats {
	uint64_t input_frames, input_bytes, input_dropped;    /* network to stack */
	uint64_t output_frames, output_bytes, output_dropped; /* stack to network */
};

/**
 * link_port_open - join a network
 * @vnl: VDE network locator (without interface name)
 * @ifname: name of the interface, for the switch's port description and the capture file
 * @pcap: capture file, "%i" in it becomes the interface name; NULL for no capture
 * @ops, @device: the stack's side
 * @device_fd: becomes readable when ops->output has frames; owned by the caller, who keeps it open till after
 * link_port_close
 * @out: the port
 *
 * Frames may move before this returns. Returns 0 or a negative errno: what vde_open set; -EINVAL; -ENOMEM; -EMFILE;
 * the errno of opening the capture file.
 */
int link_port_open(const char *vnl, const char *ifname, const char *pcap, const struct link_device *ops, void *device,
                   int device_fd, struct link_port **out);

/**
 * link_port_close - leave the network: the connection is closed and the capture flushed
 *
 * When it returns no function of the device is running or will run. Not to be called from a loop's thread.
 */
void link_port_close(struct link_port *port);

/** link_port_stats - counters since the port was opened */
void link_port_stats(struct link_port *port, struct link_port_stats *out);

/* ------------------------------------------------------------------------------- ports moved by the program's threads */

/** link_port_lendable - may threads of the program move the frames of this port? It is in shared memory, and its device
 * takes large segments */
bool link_port_lendable(const struct link_port *port);

/**
 * link_port_drive - the calling thread moves frames in the place of the port's loop, which keeps away for a millisecond
 *
 * Returns how many, both ways; -EBUSY: another thread is at it; -ENETDOWN: the port is dead, or of the parent of this
 * process; -ENOMEM. To be called again and again by a thread that waits for a stream, or has something for one; never
 * while link_port_close is called.
 */
int link_port_drive(struct link_port *port);

/** link_port_rest - the loop takes the port back now; never while link_port_close is called */
void link_port_rest(struct link_port *port);

/* ------------------------------------------------------------------------- for stacks that live in the process */

/*
 * Such a stack moves its frames itself, in whatever thread happens to run it: a *connection* is a port without a device
 * and without a loop, and a *driver* is a loop's promise to run the stack when nobody else does.
 */

struct link_conn;

/**
 * link_conn_open - join a network; arguments and errors as link_port_open
 *
 * A connection has no lock: one thread at a time.
 */
int link_conn_open(const char *vnl, const char *ifname, const char *pcap, struct link_conn **out);

/** link_conn_close - leave the network; in a forked child only the child's copies of its descriptors are closed */
void link_conn_close(struct link_conn *conn);

/** link_conn_fd - becomes readable when link_conn_recv has something to do; link_conn_ctlfd - when the network has
 * gone, or -1 */
int link_conn_fd(const struct link_conn *conn);
int link_conn_ctlfd(const struct link_conn *conn);

/** link_conn_serves - does the network live only while we receive? So it is where we are the switch */
bool link_conn_serves(const struct link_conn *conn);

/** link_conn_bursts - does the network bring, and take, several frames in one system call? */
bool link_conn_bursts(const struct link_conn *conn);

/** link_conn_alive - after link_conn_ctlfd became readable: is the network still there? */
bool link_conn_alive(struct link_conn *conn);

/**
 * link_conn_recv - receive one frame without blocking
 * @size: room at @frame; LINK_FRAME_MAX is enough for any
 * @ready: link_conn_fd was seen to be readable and nothing was received since: saves a system call on some networks
 *
 * Returns its length; 0 when what came was not for us (call again); -EAGAIN nothing has come; -ENETDOWN the network has
 * gone.
 */
int link_conn_recv(struct link_conn *conn, unsigned char *frame, size_t size, bool ready);

/**
 * link_conn_recv_frames - receive frames, as many as can be had in one go, at most @count
 * @frames: each with its room in the place of the length, which becomes that of the frame, or 0 when that was not for us; with
 * link_conn_offload, vnet is what another member of the network says is left to be done: check it
 * @ready: as above
 * @more: may there be others? False: none were left a moment ago
 *
 * Returns how many, or an error as above; with link_conn_offload -EMSGSIZE when the next frame is larger than its room.
 */
int link_conn_recv_frames(struct link_conn *conn, struct link_frame *frames, unsigned int count, bool ready,
                          bool *more);

/**
 * link_conn_awake - from now on the caller looks by itself (link_conn_waiting), so that link_conn_fd need not tell of frames
 *
 * For networks in shared memory, where neither side needs a system call then; on others nothing changes.
 */
void link_conn_awake(struct link_conn *conn);

/** link_conn_rest - the caller will not look any more: link_conn_fd tells again, of what has come meanwhile too */
void link_conn_rest(struct link_conn *conn);

/** link_conn_waiting - the caller is to look by itself: has something come? A look at memory */
bool link_conn_waiting(const struct link_conn *conn);

/** link_conn_send - send one finished frame without blocking: 0; -EAGAIN the network has no room, which is counted as a
   drop; -ENETDOWN. On a network in shared memory it may have to wait for room, and be sent by link_conn_retry */
int link_conn_send(struct link_conn *conn, const unsigned char *frame, size_t len);

/** link_conn_queued - how many frames wait for room, which nobody tells of; link_conn_retry - try to send them: again and
 * again until there are none; how many there still are; link_conn_forget - they are not to be sent any more */
unsigned int link_conn_queued(const struct link_conn *conn);
unsigned int link_conn_retry(struct link_conn *conn);
void link_conn_forget(struct link_conn *conn);

/**
 * link_conn_offload - from now on take, and give, frames with work left to do (struct link_device, offload)
 *
 * True: the network is shared memory and does so; link_conn_recv_frames and the functions below are to be used then. False: it
 * does not.
 */
bool link_conn_offload(struct link_conn *conn);

/** link_conn_next - how many bytes the next frame has, as its sender says, at most LINK_SEGMENT_MAX; 0: there is none */
size_t link_conn_next(const struct link_conn *conn);

/** link_conn_send_frame - as link_conn_send */
int link_conn_send_frame(struct link_conn *conn, const struct link_frame *frame);

/**
 * link_conn_keep - keep a frame, to be sent in one go with those that are kept
 *
 * With link_conn_offload, TCP segments whose checksums are left to be done, which become one (join.c); else finished frames, where
 * the network takes several in a system call. The bytes stay where they are until link_conn_send_kept. False: it does not
 * go with what is kept, or is nothing to be kept: what is kept has to be sent first, and then it can be tried again, or sent by
 * itself.
 */
bool link_conn_keep(struct link_conn *conn, const struct link_frame *frame);

/** link_conn_send_kept - send what is kept, if anything is: how many of the frames were sent, and their bytes; the others are
 * lost, as by link_conn_send_frame */
unsigned int link_conn_send_kept(struct link_conn *conn, size_t *bytes);

/** link_conn_flush - bring captured packets to their file: before the thread that moved frames sleeps */
void link_conn_flush(struct link_conn *conn);

/** link_conn_stats - counters since it was opened */
void link_conn_stats(const struct link_conn *conn, struct link_port_stats *out);

/** link_poll_ns - how long a thread that has just moved frames shall look for more before it sleeps, nanoseconds:
   IOTH_POLL_US, or what proved good. Looks at the environment, so remember what it says */
int64_t link_poll_ns(void);

/** struct link_spin - of a thread, or of whoever drives a stack: how long it looks for more; .ns = link_poll_ns(), the
 * rest zero */
struct link_spin {
	int64_t ns;
	unsigned int longer;     /* so many times .ns */
	unsigned int vain;       /* how many times in a row nothing has come, */
	int64_t since;           /* the last time until then */
	unsigned int rest;       /* how many times it sleeps at once: others need the core, or it is no use */
	bool (*look)(void *arg); /* is there something that no descriptor tells of? NULL: never */
	void *arg;
};

struct epoll_event;

/**
 * link_spin - look at an epoll set again and again, giving way to other threads, for a while
 * @until: not beyond this CLOCK_MONOTONIC time
 *
 * For who has just moved frames and is about to sleep. Returns how many events were fetched; 0: sleep, unless
 * spin->look has found something.
 */
int link_spin(struct link_spin *spin, int epfd, struct epoll_event *events, int count, int64_t until);

/* ---------------------------------------------------------------------------------------------------- moderation */

/** struct link_moderation - of who receives frames of a network: whether he leaves it alone between his turns (moderate.c);
 * all zero at first */
struct link_moderation {
	int64_t pause;        /* ns between his turns; 0: he has one when something has come */
	int64_t wait;         /* with pauses: ns until the next turn */
	unsigned int trickle; /* turns in a row that have brought few frames of a stream */
};

/** link_goes_on - is this frame one of a TCP stream of which there is more to come soon? */
bool link_goes_on(const struct link_frame *frame);

/** link_moderate - a turn has brought @n frames; @more: there may be others already; @goes_on: the last says that others will
 * come. True: pauses begin, or end, with this */
bool link_moderate(struct link_moderation *moderation, unsigned int n, bool more, bool goes_on);

struct link_driver;

/**
 * link_driver_open - have a stack run by one of the event loops of the process
 * @run: called in the loop's thread when something in the epoll set of the driver is ready or the deadline has passed;
 *       never twice at once
 * @network: drivers and ports with the same number had better share a loop; 0 when it does not matter
 *
 * Returns 0, -ENOMEM, -EMFILE, -EAGAIN.
 */
int link_driver_open(void (*run)(void *arg), void *arg, uint64_t network, struct link_driver **out);

/** link_driver_close - @run is not running when this returns and will not run again; not to be called by it */
void link_driver_close(struct link_driver *driver);

/** link_driver_fd - the epoll set, empty at first: the caller adds what @run is for, and fetches the events in @run */
int link_driver_fd(const struct link_driver *driver);

/** link_driver_deadline - when to call @run at the latest: CLOCK_MONOTONIC nanoseconds, INT64_MAX never. Cheap when it
   gets no earlier; callable from @run and with any lock of the stack held */
void link_driver_deadline(struct link_driver *driver, int64_t when);

/**
 * link_driver_suspend - the calling thread is going to wait on the epoll set and run the stack itself: the loop sleeps
 * through both, though a call of @run may just be under way. link_driver_resume - over to the loop again; what is ready
 * then makes it run. link_driver_linger - the thread has left but will be back soon: the loop does not look at the set, but
 * calls @run at @when, which then is to resume the driver if nobody has suspended it again.
 */
void link_driver_suspend(struct link_driver *driver);
void link_driver_linger(struct link_driver *driver, int64_t when);
void link_driver_resume(struct link_driver *driver);

#pragma GCC visibility pop

#endif
