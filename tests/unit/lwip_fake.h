/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lwip_fake.h - stacks without sockets, to test the engine lwip alone.
 *
 * Each has the real configuration (inet) and the real engine; usock is replaced by functions that note what they are told. Two of
 * them are joined in memory by a cable that can lose frames. Time is the test's own: it stands still while there is
 * something to do and then jumps to the next deadline, so nothing here waits and every run is the same.
 */
#ifndef LWIP_FAKE_H
#define LWIP_FAKE_H

#include <usock.h>

#include "../../src/link/join.h"

#define PIECES 4096U

struct frame;

struct usock_stack {
	struct inet *inet;
	void *e;
	int64_t *clock;           /* shared by joined stacks */
	struct inet_iface *iface; /* on the cable */
	struct usock_stack *peer;
	struct frame *frames, **last; /* on their way to us */
	unsigned int loss;            /* of what we send, in 1000 */
	unsigned int lose;            /* the so many-th frame from now on is lost; 0: none */
	unsigned int seed;
	unsigned int backlog; /* half-open connections allowed */
	bool forwarding;
	struct sock *accepted; /* newest first */
	unsigned int batch;    /* frames that it receives in one turn */
	unsigned int sent, lost;
	/* The last datagram that was not TCP. */
	unsigned int datagrams;
	size_t datagram_len;
	unsigned char datagram[65536];
	/* The cable is shared memory (iface->offload): what we send and is said to continue is kept, until usock_push. */
	struct link__join kept;
	bool eat; /* usock_ip_input takes all but TCP */
	void (*spy)(struct usock_stack *stack, const unsigned char *frame, size_t len); /* sees what we send */
};

/** struct sock - a connection or a listener */
struct sock {
	struct usock_tcp tcp; /* first */
	struct usock_stack *stack;
	struct sock *next;
	bool connected, fin, finished, hold; /* hold: take no data */
	int error;
	size_t received;
	uint32_t sum;        /* of what was received, see fake_byte */
	size_t bad;          /* bytes that were not what fake_byte says */
	unsigned int urgent; /* bytes */
	size_t urgent_at;    /* received before the last one, which was urgent_byte */
	unsigned char urgent_byte;
	unsigned int held; /* pieces not released */
	struct piece {
		void *buffer;
		size_t len;
	} * pieces; /* PIECES of them, from the first one on */
};

/** fake_open - a stack, up, with lo and the interface vde0 that has 10.0.0.@host/24 and fd00::@host/64; its MTU is @mtu */
struct usock_stack *fake_open(int64_t *clock, unsigned int host, unsigned int mtu);
void fake_close(struct usock_stack *stack);
void fake_join(struct usock_stack *a, struct usock_stack *b);

/** fake_run - until nothing is on the way and @done (NULL: nothing) says so, or @limit has passed on the clock; what @done said */
bool fake_run(struct usock_stack *a, struct usock_stack *b, bool (*done)(void *arg), void *arg, int64_t limit);

/** fake_step - let the next frame that is on its way to a stack arrive; false: there is none */
bool fake_step(struct usock_stack *stack);

struct sock *fake_listen(struct usock_stack *stack, int family, unsigned int port);
/** fake_connect - from @port of @from to a port of @to, over @family */
struct sock *fake_connect(struct usock_stack *from, struct usock_stack *to, int family, unsigned int port,
                          unsigned int to_port);
void fake_free(struct sock *sock);

/** fake_byte - what a stream has at @pos */
static inline unsigned char fake_byte(size_t pos)
{
	return (unsigned char)(pos * 2654435761U >> 13);
}

/** fake_send - queue bytes of the stream from @pos on, at most @len; how many */
size_t fake_send(struct sock *sock, size_t pos, size_t len, bool more);

#endif
