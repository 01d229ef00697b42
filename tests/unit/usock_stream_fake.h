/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usock_stream_fake.h - what TCP sockets and ports are surrounded by, for their tests: a stack without threads,
 * descriptors and network, its time in the hand of the test, and an engine that does nothing but what the test says and
 * writes down what it is told.
 *
 * A connection of the engine is a struct fake_pcb; usock_tcp_* is called by the test.
 */
#ifndef TESTS_USOCK_STREAM_FAKE_H
#define TESTS_USOCK_STREAM_FAKE_H

#include "stream.h"

#define FAKE_PCBS 64
#define FAKE_SENT 4096

/** struct fake_pcb - a connection or listener as the engine has it */
struct fake_pcb {
	struct usock_tcp *tcp; /* NULL: the engine has forgotten the socket */
	bool used, listens;
	unsigned char sent[FAKE_SENT];
	size_t sent_len;
	size_t unsent, unacked; /* what the engine answers; written bytes are added to both */
	size_t room;            /* taken from by writing */
	size_t recved;
	int writes, flushes, shutdowns, closes, aborts, urgents;
	unsigned char urgent;
	bool more; /* of the last write */
	int option[USOCK_TCP_OPTIONS], options_set;
};

/** struct fake - the state of all that is faked */
struct fake {
	struct fake_pcb pcb[FAKE_PCBS];
	unsigned int pcbs;
	unsigned int released; /* buffers given back */
	int connect_result, listen_result, shutdown_result, urgent_result;
	ssize_t write_result; /* < 0: what tcp_write answers */
	int error_in_write;   /* < 0: the connection ends with that while it is written to */
	int option_result[USOCK_TCP_OPTIONS];
	int busy_connects; /* so many times tcp_connect says EADDRINUSE */
	bool left;         /* what tcp_left answers */
	int64_t now;
	int route_result;
	unsigned int malloc_fails;       /* the n-th allocation from now fails, and those after it; 0: none */
	int (*wait)(struct usock *sock); /* what happens in usock__wait; its result */
	struct usock *gone;              /* its program has closed the descriptor */
	uint32_t random;                 /* added to what usock_random gives next */
	bool random_fixed;
};

extern struct fake fake;

/** fake_stack - a new stack with the addresses of fake_is_ours; fake_done: everything is given back, or the test fails
 */
struct usock_stack *fake_stack(void);
void fake_done(struct usock_stack *stack);

/** fake_socket - a TCP socket with a descriptor */
struct usock__stream *fake_socket(struct usock_stack *stack, int family);
/** fake_udp - what bind.c has to know of a UDP socket */
struct usock__inet *fake_udp(struct usock_stack *stack, int family);
void fake_close(struct usock *sock);

/** fake_pcb - of a socket that connects or is connected, or listens */
struct fake_pcb *fake_pcb(struct usock__stream *s);

/** fake_told - the events of a socket since they were last asked for */
uint32_t fake_told(struct usock__stream *s);

/** fake_timers - time passes */
void fake_timers(struct usock_stack *stack, int64_t nanoseconds);

/** fake_input, fake_input_bytes - usock_tcp_input in a buffer that has to be released */
void fake_input(struct usock__stream *s, const char *text);
void fake_input_bytes(struct usock__stream *s, const void *bytes, size_t len);

/** fake_addr - a sockaddr of "10.0.0.1", "fe80::1%2", ...; how long it is */
socklen_t fake_addr(const char *text, unsigned int port, struct sockaddr_storage *out);
/** fake_end - the same for a socket of @family */
struct usock_endpoint fake_end(int family, const char *text, unsigned int port);

/** fake_connected - a socket whose connection to 10.0.0.2 (or fd00::2), port 80 is made; fake_listener - one that
 * listens on a port */
struct usock__stream *fake_connected(struct usock_stack *stack, int family);
struct usock__stream *fake_listener(struct usock_stack *stack, int family, unsigned int port, int backlog);

/** fake_arrives - a connection from port @port of 10.0.0.2 is made to a listener: its tcp, or NULL */
struct usock_tcp *fake_arrives(struct usock__stream *listener, unsigned int port);

/** fake_error - the engine has lost a connection and says why */
void fake_error(struct usock_tcp *tcp, int error);

/* The allocations of the files under test. */
void *fake_malloc(size_t size);
void *fake_calloc(size_t count, size_t size);

#endif
