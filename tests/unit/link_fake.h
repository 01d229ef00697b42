/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link_fake.h - a network interface of no stack, to be plugged into a port.
 *
 * The test plays the stack. What it sends goes through a socket, as the frames of a real device do, and so can find
 * the queue full; what it receives is kept in memory without limit, so nothing is ever lost on this side.
 */
#ifndef TESTS_UNIT_LINK_FAKE_H
#define TESTS_UNIT_LINK_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sys/types.h>
#include <sched.h>
#include <stdbool.h>

#include "left.h"
#include "link.h"

struct fake_frame {
	struct fake_frame *next;
	size_t len;
	unsigned char data[];
};

struct fake {
	struct link_port *port; /* NULL when closed */
	int fd;                 /* the device's descriptor */
	int stack_fd;           /* the test's end */
	bool segments;          /* to be set before fake_open: the device takes large ones */
	bool vnet;              /* likewise: what the stack sends begins with a struct virtio_net_hdr */
	pthread_mutex_t lock;   /* of what follows */
	pthread_cond_t changed;
	struct fake_frame *first, **last;
	unsigned int frames;          /* waiting in the list */
	unsigned int largest_batch;   /* ever given to input at once */
	bool held;                    /* input waits until it is released */
	bool holding;                 /* input is waiting */
	unsigned int passes;          /* calls of input that were let go, and no other */
	unsigned int downs;           /* calls of down */
	int down_error;               /* of the last of them */
	_Atomic int output_error;     /* what output is to return, when it is negative */
	_Atomic unsigned int offload; /* frames of output lack a checksum that cannot be done: this many */
};

/** fake_group - set up a group of tests: the first thread of a process may bring helpers of a sanitizer with it */
int fake_group(void **state);

/**
 * fake_remember, fake_nothing_left - set up and tear down a test: descriptors, threads and children are as many after it as before
 *
 * fake_before: what there was.
 */
extern struct left fake_before;
int fake_remember(void **state);
int fake_nothing_left(void **state);

/** fake_init - a device without port */
void fake_init(struct fake *fake);

/** fake_open - open a port for it; 0 or what link_port_open said */
int fake_open(struct fake *fake, const char *vnl, const char *ifname, const char *pcap);

/** fake_close - close the port, if any, and all the rest; checks that nothing is called any more */
void fake_close(struct fake *fake);

/** fake_send - the stack sends a frame; false when the queue is full */
bool fake_send(struct fake *fake, const void *frame, size_t len);

/** fake_send_all - the same, waiting for room */
void fake_send_all(struct fake *fake, const void *frame, size_t len);

/** fake_receive - the next frame for the stack, at most @size bytes of it; its length, or -1 after WAIT_MS */
ssize_t fake_receive(struct fake *fake, void *frame, size_t size);

/** fake_frames - wait until at least @count frames are waiting; how many there are */
unsigned int fake_frames(struct fake *fake, unsigned int count);

/** fake_hold - let the next call of input wait; fake_held waits for it; fake_pass lets it go, and the next wait; fake_release
 * ends it */
void fake_hold(struct fake *fake);
void fake_held(struct fake *fake);
void fake_pass(struct fake *fake);
void fake_release(struct fake *fake);

/** fake_down - wait until the port has died; the error it told */
int fake_down(struct fake *fake);

/** fake_cores - from now on this thread has @count cores, and so its process at most as many loops; @old receives what it
 * had, for sched_setaffinity. False, with a message: there are fewer */
bool fake_cores(int count, cpu_set_t *old);

/** fake_threads - the threads of loops: how many, and one of them in @tid */
unsigned int fake_threads(pid_t *tid);

/** fake_pattern - fill a frame with what is recognised again: @number in it, the rest depends on it and the length */
void fake_pattern(unsigned char *frame, size_t len, unsigned int number);

#define FAKE_HEADERS (14 + 20 + 20) /* bytes before the payload: Ethernet, IPv4, TCP */

/** fake_segment - make a frame a TCP segment of @payload bytes from @seq on, IPv4, whose TCP checksum is missing; its length */
size_t fake_segment(unsigned char *frame, uint32_t seq, uint8_t flags, size_t payload);

/** fake_exchange - one frame each way between two ports, intact; asks again until the way is open, as ARP would */
void fake_exchange(struct fake *a, struct fake *b);

/** fake_directory - make a directory for the sockets of a test; its name; fake_remove removes it and what is in it */
const char *fake_directory(void);
void fake_remove(void);

/** fake_vnl - "module://directory/name" in static memory, good for the next fifteen calls */
const char *fake_vnl(const char *module, const char *name);

#endif
