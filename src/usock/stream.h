/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream.h - what the files of TCP sockets share: stream.c (states), stream_send.c, stream_recv.c, listener.c,
 * tcpopt.c.
 */
#ifndef IOTH_USOCK_STREAM_H
#define IOTH_USOCK_STREAM_H

#include "private.h"

/** enum usock__tcp_state - the states of RFC 9293, by the numbers of tcpi_state */
enum usock__tcp_state {
	STREAM_ESTABLISHED = 1,
	STREAM_SYN_SENT,
	STREAM_SYN_RECV, /* the engine's only */
	STREAM_FIN_WAIT1,
	STREAM_FIN_WAIT2,
	STREAM_TIME_WAIT, /* the engine's only: the socket is closed by then */
	STREAM_CLOSE,
	STREAM_CLOSE_WAIT,
	STREAM_LAST_ACK,
	STREAM_LISTEN,
	STREAM_CLOSING,
};

/** enum usock__phase - how far connect(2) has come, which outlasts the connection */
enum usock__phase {
	PHASE_UNCONNECTED,
	PHASE_CONNECTING, /* also when the attempt has ended and nobody has asked yet */
	PHASE_CONNECTED,
	PHASE_DISCONNECTING, /* shut down while it was connecting */
};

/** struct usock__chunk - received bytes that wait for the program */
struct usock__chunk {
	const unsigned char *data;
	uint32_t len;
	uint32_t room; /* of our own block: bytes that can be appended */
	void *buffer;  /* the engine's, to be released; our own block when @own */
	int64_t when;  /* CLOCK_REALTIME, nanoseconds; 0: was not of interest */
	bool own;
};

/** struct usock__tcp_options - the options of IPPROTO_TCP that the engine does not see */
struct usock__tcp_options {
	bool cork, quickack, inq, thin_linear;
	int linger2;      /* seconds; -1: none, 0: the usual */
	int defer_accept; /* retransmissions of the SYN-ACK, as Linux counts */
	int window_clamp;
	uint32_t notsent_lowat; /* 0: no limit */
};

struct usock__listener;

/** struct usock__stream - a TCP socket */
struct usock__stream {
	struct usock__inet inet;
	struct usock_tcp tcp; /* shared with the engine; of a listener the engine has usock__listener.tcp instead */
	enum usock__tcp_state state;
	enum usock__phase phase;
	struct usock__tcp_options options;
	bool sndbuf_locked;        /* SO_SNDBUF was set: else the engine's room is the limit */
	bool fin_wanted;           /* the engine had no memory for our FIN; again later */
	bool broken;               /* received bytes were lost for want of memory; to be aborted by the timer */
	struct usock__timer timer; /* cork, FIN, TCP_DEFER_ACCEPT, broken */

	/* stream_recv.c: a ring of chunks; the urgent byte is a chunk of its own */
	struct usock__chunk *ring;
	unsigned int ring_size, ring_head, ring_count;
	size_t queued;             /* bytes in the ring, the urgent one included */
	size_t consumed;           /* bytes at the head chunk that are taken already */
	size_t taken;              /* bytes that the program has taken since SO_RCVBUF last grew */
	bool done;                 /* the peer's FIN is in */
	bool urgent, urgent_valid; /* there is an urgent byte in the ring; and MSG_OOB has not taken it */
	unsigned int urgent_slot;  /* the chunk of the urgent byte: place in the ring */

	/* listener.c */
	struct usock__listener *listener; /* of a listening socket */
	struct usock__stream *group_next; /* others of the same SO_REUSEPORT group */
	struct usock__stream *parent;     /* of a connection that waits in the queue of a listener: that */
	struct usock__stream *queue_next;
	struct usock__stream *queue, **queue_tail; /* connections to be accepted */
	struct usock__stream *deferred;            /* those that wait for their first bytes (TCP_DEFER_ACCEPT) */
	unsigned int queue_len, deferred_len, backlog;
	bool is_deferred;
};

static inline struct usock__stream *usock__stream_of(struct usock *sock)
{
	return (struct usock__stream *)sock;
}

/** usock__stream_attached - does the engine know a connection of this socket? */
static inline bool usock__stream_attached(const struct usock__stream *s)
{
	return s->tcp.pcb != NULL;
}

/** usock__stream_tell - usock__changed, but for connections that nobody has accepted yet; @events are those that are
   new, each an edge for epoll: 0 where something has gone */
void usock__stream_tell(struct usock__stream *s, uint32_t events);

/** usock__stream_set - the one place where the state changes */
void usock__stream_set(struct usock__stream *s, enum usock__tcp_state state);

/** usock__stream_defaults - a fresh socket's options */
void usock__stream_defaults(struct usock__stream *s);

/** usock__stream_is - is the state one of a set? STREAM_BIT: such a set */
#define STREAM_BIT(state) (1U << (state))
#define STREAM_SENDING                                                                                                 \
	(STREAM_BIT(STREAM_ESTABLISHED) | STREAM_BIT(STREAM_CLOSE_WAIT)) /* states in which data may be sent */
static inline bool usock__stream_is(const struct usock__stream *s, unsigned int states)
{
	return (STREAM_BIT(s->state) & states) != 0;
}

/* stream_send.c */
int usock__stream_send(struct usock *sock, struct usock__xfer *xfer);
bool usock__stream_writable(const struct usock__stream *s);
/** usock__stream_push - send what TCP_CORK or MSG_MORE hold back */
void usock__stream_push(struct usock__stream *s);
/** usock__stream_fin - our direction ends */
void usock__stream_fin(struct usock__stream *s);
/** usock__stream_sender_timer - cork and FIN */
void usock__stream_sender_timer(struct usock__stream *s);

/* stream_recv.c */
int usock__stream_recv(struct usock *sock, struct usock__xfer *xfer);
bool usock__stream_readable(const struct usock__stream *s);
bool usock__stream_at_mark(const struct usock__stream *s);
/** usock__stream_inq - SIOCINQ */
size_t usock__stream_inq(const struct usock__stream *s);
/** usock__stream_purge - throw away what was received */
void usock__stream_purge(struct usock__stream *s);

/* listener.c */
int usock__stream_listen(struct usock *sock, int backlog);
int usock__stream_accept(struct usock *sock, struct usock **made);
/** usock__stream_unlisten - stop listening and reset what waits to be accepted */
void usock__stream_unlisten(struct usock__stream *s);
/** usock__stream_listener_tcp - what the engine knows of a listening socket */
struct usock_tcp *usock__stream_listener_tcp(struct usock__stream *s);
/** usock__stream_arrived - the first bytes of a connection that was kept back for them, or its end (@gone) */
void usock__stream_arrived(struct usock__stream *child, bool gone);
/** usock__stream_unqueue - a connection leaves the queue of its listener */
void usock__stream_unqueue(struct usock__stream *child);

/* tcpopt.c */
int usock__stream_setsockopt(struct usock *sock, int level, int name, const void *value, socklen_t len);
int usock__stream_getsockopt(struct usock *sock, int level, int name, void *value, socklen_t *len);
int usock__stream_option_changed(struct usock *sock, int name);
/** usock__stream_options_prepare - tcp.option as the options of other levels want them, before the engine reads them */
void usock__stream_options_prepare(struct usock__stream *s);
/** usock__stream_defer_seconds - how long TCP_DEFER_ACCEPT waits */
int usock__stream_defer_seconds(const struct usock__stream *s);

#endif
