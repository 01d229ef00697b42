/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * protocol.h - what a served stack and its clients say to each other: docs/protocol.md is the explanation.
 *
 * A client asks over an AF_UNIX SOCK_SEQPACKET connection, one question at a time, and is answered. A message is one
 * packet: a structure of a fixed size, then an address, control messages and data, as many bytes of each as it says.
 * Host byte order: both ends are on one machine.
 */
#ifndef REMOTE_PROTOCOL_H
#define REMOTE_PROTOCOL_H

#include <assert.h>
#include <stdint.h>

#define REMOTE_MAGIC 0x68746f69u /* "ioth" */
#define REMOTE_VERSION 1

#define REMOTE_ADDR_MAX 128          /* a struct sockaddr_storage */
#define REMOTE_CONTROL_MAX 20480     /* as Linux allows a socket that nobody has given more */
#define REMOTE_DATA_MAX (128 * 1024) /* of one message: a longer stream is cut, no datagram is longer */

/* A descriptor of the server has a name (abstract, unix(7)) of this form: a NUL, this, the server's name, '.', its own
 * random digits */
#define REMOTE_NAME "ioth."
#define REMOTE_NAME_DIGITS 16

/* The other end of a stream has a name as well: NUL, REMOTE_NAME, one of these, digits. So a client knows what it has.
 */
#define REMOTE_KIND_LISTENER 'l'
#define REMOTE_KIND_STREAM 's' /* a connection whose bytes pass through the descriptor */
#define REMOTE_KIND_CALLS 'c'  /* a connection whose bytes pass through SEND and RECV */
#define REMOTE_KIND_AHEAD 'a'  /* datagrams: those that were received lie in the descriptor */

enum remote_op {
	REMOTE_HELLO =
	        1,     /* the first one: arg = REMOTE_MAGIC, version; data: the session that is continued, or nothing */
	REMOTE_SOCKET, /* arg: domain, type, protocol; answered with a descriptor */
	REMOTE_SOCKETS, /* how many sockets of the session are open */
	REMOTE_STOP,    /* shut all sockets of the session down */
	/* All others come with the descriptor that they are about. */
	REMOTE_BIND,        /* addr */
	REMOTE_CONNECT,     /* addr; arg: enum remote_mode, 1 to go on with an attempt; EINPROGRESS: wait for POLLOUT */
	REMOTE_LISTEN,      /* arg: backlog */
	REMOTE_ACCEPT,      /* arg: flags, enum remote_mode; answered with a descriptor and addr */
	REMOTE_GETSOCKNAME, /* answered with addr */
	REMOTE_GETPEERNAME,
	REMOTE_SETSOCKOPT, /* arg: level, option; data */
	REMOTE_GETSOCKOPT, /* arg: level, option; data: what the buffer held */
	REMOTE_SHUTDOWN,   /* arg: how */
	REMOTE_IOCTL,      /* arg: request; data in both directions */
	/* arg[1] of SEND and RECV: 1 leaves an error for the next call and is answered with ECANCELED instead */
	REMOTE_SEND, /* arg: flags; addr, control, data */
	/* arg[2] of RECV: 1, later ones may come ahead. ESTALE: they do, the descriptor has them */
	REMOTE_RECV,  /* arg: flags; answered with addr, control, data */
	REMOTE_WAIT,  /* arg: poll events; answered when there is one of them, or an error: revents */
	REMOTE_CLOSE, /* it was the last descriptor, or the last of this program; answered when it has lingered */
	REMOTE_OPS,
};

enum remote_mode {
	REMOTE_MODE_STREAM, /* a connection's bytes pass through its descriptor */
	REMOTE_MODE_CALLS,  /* they pass through SEND and RECV, as those of other sockets */
};

/* Of an answer with a kernel socket: another one, without anything, follows when the server has closed its own copy. */
#define REMOTE_HANDED_OVER 1u

/** struct remote_request - client to server; a descriptor as SCM_RIGHTS */
struct remote_request {
	uint32_t op;
	int32_t arg[3];
	uint32_t addr, control, data;                /* bytes that follow */
	uint32_t room_addr, room_control, room_data; /* bytes for which there is room in the answer */
};

/** struct remote_reply - server to client; a descriptor as SCM_RIGHTS */
struct remote_reply {
	uint32_t op;                  /* that of the request */
	int32_t result;               /* of the call, or a negative errno */
	uint32_t flags;               /* RECV: msg_flags; HELLO: the version; SOCKET: REMOTE_HANDED_OVER */
	uint32_t addr, control, data; /* bytes that follow */
	uint32_t addr_full;           /* bytes of the address before it was cut */
	uint32_t unused;
};

/** struct remote_ahead - before a datagram that has come ahead */
struct remote_ahead {
	uint32_t flags;         /* msg_flags */
	uint32_t addr;          /* bytes of the address */
	uint32_t data;          /* bytes of the datagram */
	uint32_t asked;         /* 1: it has control messages, and does not follow: it is to be asked for with RECV */
	unsigned char from[32]; /* a struct sockaddr_in or sockaddr_in6 */
};

static_assert(sizeof(struct remote_ahead) == 48, "no padding, no surprise");
static_assert(sizeof(struct remote_request) == 40, "no padding, no surprise");
static_assert(sizeof(struct remote_reply) == 32, "no padding, no surprise");

#define REMOTE_MESSAGE_MAX (sizeof(struct remote_request) + REMOTE_ADDR_MAX + REMOTE_CONTROL_MAX + REMOTE_DATA_MAX)

#endif
