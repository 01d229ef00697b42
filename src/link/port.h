/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* port.h - what a port is: for the files that give it turns, port.c and lend.c */
#ifndef IOTH_LINK_PORT_H
#define IOTH_LINK_PORT_H

#include "clock.h"
#include "private.h"

#include <pthread.h>

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
	struct link__alarm alarm; /* only for networks in shared memory */
	struct link__conn conn;
	const struct link_device *ops;
	void *device;
	int device_fd;
	bool dead;
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

/* One at a time: in a turn of the loop, or with the lock of a port that is lent. */

/** link__port_input - receive what has come and give it to the device; @events: of the data descriptor; how much it was */
unsigned int link__port_input(struct link_port *port, uint32_t events);

/** link__port_output - send what the device has; @events: of its descriptor; how many frames it had */
unsigned int link__port_output(struct link_port *port, uint32_t events);

/** link__port_unthrottle - there should be room now for the frames that are pending: send them */
void link__port_unthrottle(struct link_port *port);

/** link__port_look_again - have the loop try to send the frames that are pending, after a while */
void link__port_look_again(struct link_port *port);

/** link__port_data_events - what the data descriptor is watched for. That of a network in shared memory stays readable
 * while the port is awake, which is to be heard once */
uint32_t link__port_data_events(const struct link_port *port);

/** link__port_die - the port stops for good; @error is for the device */
void link__port_die(struct link_port *port, int error);

/** link__port_lease_over - in a turn of the loop: the time for which the port was lent may be over; lend.c */
void link__port_lease_over(struct link_port *port);

#endif
