/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * port.h - what a port is: for the files that give it turns (port.c, lend.c), and those that say what it does with them
 * (input.c, output.c)
 */
#ifndef IOTH_LINK_PORT_H
#define IOTH_LINK_PORT_H

#include "clock.h"
#include "private.h"

#include <pthread.h>

#define LINK__FAILURES_MAX                                                                                             \
	16 /* fruitless turns of a kind that ought to bear fruit, before a port draws the consequence */

struct link__capture;

/** struct link__lending - of a port that may be lent to threads of the program (lend.c) */
struct link__lending {
	pthread_mutex_t lock;      /* turns of a port that is lent */
	bool lent;                 /* changed with the turn lock of the loop, and lock */
	int64_t until;             /* lock: when the loop takes the port back */
	struct link__batch *batch; /* lock: for turns of a port that is lent; NULL before the first */
};

/** struct link__pending - what the network had no room for, oldest first */
struct link__pending {
	unsigned int count, next; /* frames of the device in all, and the first that has not been sent to its end */
	uint32_t done;            /* bytes of its payload that have been sent */
	struct link_frame frame[LINK_BATCH];
	unsigned char data[];
};

/** struct link_port - a port; all of it belongs to its turns but for what is said to be otherwise */
struct link_port {
	struct link__member member;
	struct link__alarm alarm;
	struct link__conn conn;
	const struct link_device *ops;
	void *device;
	int device_fd;
	bool dead;
	struct link_moderation moderation;
	uint64_t moved;        /* frames in both directions, before this turn */
	bool solo;             /* wake-ups bring one frame each, these days */
	unsigned int failures; /* of receiving, in a row */
	unsigned int idle;     /* turns of a device in error that gave no frame, in a row */
	unsigned int stalls;   /* times there was room said to be, and was not, in a row */
	uint32_t round;        /* of the loop, when the port last received */
	unsigned int appetite; /* frames to take from the device in a turn */
	unsigned int most;     /* of these at all times, so that each has room for what the device makes */
	struct link__pending *pending;
	struct link__capture *capture; /* or NULL */
	struct link__lending lending;
	_Atomic uint64_t input_frames, input_bytes, input_dropped;
	_Atomic uint64_t output_frames, output_bytes, output_dropped;
};

/** link__port_count - add to a counter of a port, which only this thread changes now */
static inline void link__port_count(_Atomic uint64_t *counter, uint64_t n)
{
	if (n != 0)
		atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
		                      memory_order_relaxed);
}

/* One at a time: in a turn of the loop, or with the lock of a port that is lent. */

/** link__port_batch - the buffers for a turn */
struct link__batch *link__port_batch(struct link_port *port);

/** link__port_capture - record frames, if the port captures */
void link__port_capture(struct link_port *port, const struct link_frame *frames, unsigned int n);

/** link__port_output_begin - what a new port asks of its device at first */
void link__port_output_begin(struct link_port *port);

/** link__port_input - receive what has come and give it to the device; @events: of the data descriptor; how much it was */
unsigned int link__port_input(struct link_port *port, uint32_t events);

/** link__port_output - send what the device has; @events: of its descriptor; how many frames it had */
unsigned int link__port_output(struct link_port *port, uint32_t events);

/** link__port_unthrottle - there should be room now for the frames that are pending: send them */
void link__port_unthrottle(struct link_port *port);

/** link__port_look_again - have the loop try to send the frames that are pending, after a while */
void link__port_look_again(struct link_port *port);

/** link__port_watch_data - watch the data descriptor for what the port waits for; @add: it is not watched yet; 0 or a
 * negative errno */
int link__port_watch_data(struct link_port *port, bool add);

/** link__port_die - the port stops for good; @error is for the device */
void link__port_die(struct link_port *port, int error);

/** link__port_lease_over - in a turn of the loop: the time for which the port was lent may be over; lend.c */
void link__port_lease_over(struct link_port *port);

#endif
