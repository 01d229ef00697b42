/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* model.h - what a program knows of its sockets, and what has to be true of them; see world.h for the files. */
#ifndef INTERLEAVE_MODEL_H
#define INTERLEAVE_MODEL_H

#include "world.h"

#define SOCKS 20
#define CONNS 256

/** struct way - one direction of a connection */
struct way {
	uint64_t offered; /* bytes that send was given, and has not refused */
	uint64_t sent;    /* that it has taken */
	uint64_t received;
	bool ended;    /* by the sender: shutdown or close */
	bool end_seen; /* by the receiver */
};

struct conn {
	int family;
	uint16_t port[2];  /* of the side that connected, and of the other */
	struct way way[2]; /* [0]: from the side that connected */
	bool known[2];     /* there is a socket for the side, or has been */
	bool broken;       /* something has happened that may reset it */
	const char *why;
};

enum kind { NONE, FRESH, LISTENING, CONNECTING, CONNECTED, OVER, DATAGRAM };

struct sock {
	enum kind kind;
	int fd, family;
	void *data;        /* what usock knows it by */
	struct conn *conn; /* CONNECTED, OVER */
	unsigned int side;
	uint16_t port;                /* LISTENING, DATAGRAM */
	int calls;                    /* in progress */
	bool sending, receiving, all; /* one of them is a send, a receive that wants data, all that it asked for */
	const struct task *receiver;  /* who makes that receive */
	bool no_read, no_write;       /* shut down by us */
	bool nonblock;
	bool failed;          /* an error has been told */
	int rcv_ms, snd_ms;   /* SO_RCVTIMEO, SO_SNDTIMEO; 0: none */
	uint32_t sent;        /* datagrams */
	uint32_t seen[SOCKS]; /* of each sender: the number of the last datagram that came */
};

extern struct sock sock[SOCKS];
extern struct conn conn[CONNS];
extern unsigned int conns;

/** on - the calls that follow are on this socket; its descriptor */
int on(const struct sock *s);
/** sock_new - a place for a socket; NULL: none is free. sock_made - the socket of the call that has just returned @fd
 */
struct sock *sock_new(void);
void sock_made(struct sock *s, enum kind kind, int family, int fd);

/** conn_of - the connection between two ports on this machine whose side @side nobody has; made when there is none */
struct conn *conn_of(int family, uint16_t client, uint16_t server, unsigned int side);
/** conn_break - from now on an error of the connection is explained */
void conn_break(struct conn *c, const char *why);
/** conn_byte - what stands at a place of a stream */
unsigned char conn_byte(const struct conn *c, unsigned int from, uint64_t at);

/** model_check - what has to be true now; ends the test when it is not */
void model_check(void);
/** model_took - bytes were received */
void model_took(struct sock *s, const unsigned char *bytes, size_t len, bool peeked);
/** model_error - a call has failed with @error: may it have? */
void model_error(struct sock *s, const char *call, int error);
/** shown - what poll shows of a socket */
unsigned int shown(const struct sock *s);

/* step.c */
/** step_call - some task makes some call */
void step_call(void);
/** step_end - all connections are brought to their end, all calls return, everything is closed */
void step_end(void);

#endif
