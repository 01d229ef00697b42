/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usock.h - the Berkeley sockets of stacks that live in the process: the seam to their engines.
 *
 * usock does what makes sockets sockets: descriptors and their readiness, blocking, timeouts, signals, options, flags,
 * queues, ports, errors, control messages, and UDP, raw, packet and netlink sockets altogether. The configuration of the
 * stack is inet's (src/inet). Below them an *engine* moves IP packets and speaks TCP: struct usock_engine is all it has to
 * be. usock knows no engine by name.
 *
 *     plugin (lwip, ...)  newstack: usock_stack_new(&engine, ...); the members of ioth_functions are usock's
 *        |  struct usock_engine: what usock and inet ask of the engine
 *        |  usock_tcp_*, usock_ip_input: what the engine tells usock
 *
 * Locking: one lock a stack. usock holds it whenever it calls the engine, and the engine may call usock only within such a
 * call (or between usock_lock and usock_unlock). Nothing an engine does may block. What usock tells a program (readiness,
 * waking threads) is told when the lock is given back, so any number of events in one turn cost one notification.
 *
 * Errors are negative errno values; addresses in network byte order, other numbers (ports too, except inside sockaddr
 * structures) in host byte order; times in nanoseconds of usock_now.
 */
#ifndef IOTH_USOCK_H
#define IOTH_USOCK_H

#include <inet.h>
#include <ioth.h>
#include <linux/tcp.h> /* not netinet/tcp.h, whose struct tcp_info is an old one */
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct usock_stack;

/** struct usock_endpoint - an address and a port; the family is that of the socket or packet */
struct usock_endpoint {
	union inet_ip ip;
	uint16_t port;  /* host byte order */
	uint32_t scope; /* interface of a link-local IPv6 address, or 0 */
};

/* --------------------------------------------------------------------------------------------------------------- TCP */

/** enum usock_tcp_option - what can be set on a connection; the value is an int */
enum usock_tcp_option {
	USOCK_TCP_NODELAY,
	USOCK_TCP_KEEPALIVE, /* SO_KEEPALIVE: 0 or 1 */
	USOCK_TCP_KEEPIDLE,  /* seconds */
	USOCK_TCP_KEEPINTVL, /* seconds */
	USOCK_TCP_KEEPCNT,
	USOCK_TCP_MAXSEG,       /* bytes; 0: none */
	USOCK_TCP_USER_TIMEOUT, /* milliseconds; 0: default */
	USOCK_TCP_RCVBUF,       /* bytes that may be on the way to the program */
	USOCK_TCP_SYNCNT,
	USOCK_TCP_TTL,      /* hop limit; -1: default */
	USOCK_TCP_TOS,      /* TOS or traffic class */
	USOCK_TCP_BOUND_IF, /* SO_BINDTODEVICE: index or 0 */
	USOCK_TCP_OPTIONS
};

/**
 * struct usock_tcp - a TCP endpoint as usock and the engine share it; embedded in a socket of usock
 *
 * @local, @remote, @family and @option are usock's and read by the engine; @pcb is the engine's. Where @family is AF_INET6
 * and an address is v4-mapped (::ffff:a.b.c.d), the connection is made over IPv4; a listener of AF_INET6 takes IPv4
 * connections as well unless @v6only.
 */
struct usock_tcp {
	int family;
	struct usock_endpoint local, remote;
	bool v6only;
	int option[USOCK_TCP_OPTIONS];
	void *pcb;
};

/* ----------------------------------------------------------------------------------------------------------- packets */

/** struct usock_packet - a received IP packet, reassembled; valid during the call only */
struct usock_packet {
	struct inet_iface *iface; /* on which it came in; lo for what we sent to ourselves */
	int family;
	union inet_ip src, dst;
	uint8_t protocol;            /* of the payload, behind IPv6 extension headers */
	uint8_t hop_limit;           /* TTL */
	uint8_t tos;                 /* traffic class */
	uint32_t flow_label;         /* IPv6 */
	const unsigned char *header; /* IP header with its options or extension headers, contiguous */
	size_t header_len;
	const struct iovec *payload; /* in pieces, as the engine has it */
	unsigned int pieces;
	size_t payload_len;
	int64_t when; /* CLOCK_REALTIME, nanoseconds; 0: now */
};

/* ------------------------------------------------------------------------------------------------------------ engine */

/**
 * struct usock_engine - what an engine does
 *
 * @e is what open gave. Members marked "may be NULL" have a default.
 */
struct usock_engine {
	const char *name;
	/* The engine takes TCP segments of up to 64 KiB in one piece, leaves TCP checksums to be done, and does not look at
	   those that were (struct inet_iface, offload), where the network can do that. */
	bool offload;

	/* Make an engine for @stack, parsing "NAME[=VALUE],..." of @options that usock and link do not know themselves:
	   usock_option() tells which. lo is announced by iface_add right after. -EINVAL for an unknown option, -ENOMEM, ... */
	int (*open)(struct usock_stack *stack, const char *options, void **e);
	/* End at once, no packet is sent any more. All connections have been aborted or left behind by close before. */
	void (*close)(void *e);

	/* When timers has to be called next; INET_NEVER while nothing goes on: an idle stack wakes nothing. */
	int64_t (*deadline)(void *e);
	void (*timers)(void *e);
	/* The lock is about to be given back: send what was put off until it was known how much of it there would be. May be NULL. */
	void (*settle)(void *e);

	/* See struct inet_ops. */
	int (*iface_add)(void *e, struct inet_iface *iface);
	void (*iface_del)(void *e, struct inet_iface *iface);
	void (*iface_change)(void *e, struct inet_iface *iface, unsigned int what);
	int (*addr_add)(void *e, struct inet_addr *addr);
	void (*addr_del)(void *e, struct inet_addr *addr);
	int (*group_join)(void *e, struct inet_iface *iface, int family, const union inet_ip *group);
	void (*group_leave)(void *e, struct inet_iface *iface, int family, const union inet_ip *group);

	/* Buffers for received frames: @size bytes that begin at the Ethernet header, which need not be zeroed; NULL when there
	   is no memory. rx_free when nobody kept it. */
	unsigned char *(*rx_alloc)(void *e, size_t size, void **buffer);
	void (*rx_free)(void *e, void *buffer);
	/* An IP packet from @iface, see inet_ops.ip_input. The engine checks it, reassembles, forwards when it is to, hands every
	   whole packet for this host to usock_ip_input, then takes what is TCP itself. */
	bool (*ip_input)(void *e, struct inet_iface *iface, int family, unsigned char *packet, size_t len,
	                 void *buffer);

	/* A buffer for an IP packet to be sent: @len bytes at @data, with room for what the engine adds. NULL: no memory. */
	void *(*tx_alloc)(void *e, size_t len, unsigned char **data);
	void (*tx_free)(void *e, void *packet);
	/* Send an IP packet, complete with header (checksum, identification and length filled in by usock), on @iface: in fragments when
	   it is longer than the MTU and IP_DF is not set. The engine hands each to inet_output with @nexthop, to lo what is
	   for ourselves. The packet is consumed in any case. -EMSGSIZE, -ENOBUFS, and what inet_output returns. */
	int (*ip_output)(void *e, struct inet_iface *iface, const union inet_ip *nexthop, int family, void *packet);

	/* TCP. Every function is about @tcp->pcb. After close or abort the engine forgets @tcp and calls nothing more for it. */

	/* Connect @local to @remote, both chosen. 0: in progress, usock_tcp_connected or usock_tcp_error will follow. -ENOBUFS,
	   -EADDRINUSE the pair of endpoints is in use, ... */
	int (*tcp_connect)(void *e, struct usock_tcp *tcp);
	/* Accept connections to @local; usock has checked that nobody else does. */
	int (*tcp_listen)(void *e, struct usock_tcp *tcp);
	/* Queue bytes for sending, as many as there is room for, beginning @skip bytes into the pieces, at most @len; @more: others
	   follow at once (MSG_MORE, TCP_CORK), so an incomplete segment had better wait. How many were taken; -ENOBUFS. */
	ssize_t (*tcp_write)(void *e, struct usock_tcp *tcp, const struct iovec *piece, unsigned int pieces,
	                     size_t skip, size_t len, bool more);
	/* Send now what @more held back. */
	void (*tcp_flush)(void *e, struct usock_tcp *tcp);
	/* How many bytes tcp_write would take; how many taken ones have not been sent; how many not acknowledged. */
	size_t (*tcp_room)(void *e, struct usock_tcp *tcp);
	size_t (*tcp_unsent)(void *e, struct usock_tcp *tcp);
	size_t (*tcp_unacked)(void *e, struct usock_tcp *tcp);
	/* The program has taken @len bytes of what was received: the window may open again. */
	void (*tcp_recved)(void *e, struct usock_tcp *tcp, size_t len);
	/* Give back the bytes of a usock_tcp_input. */
	void (*release)(void *e, void *buffer);
	/* No more data follows: FIN, after what is queued. */
	int (*tcp_shutdown)(void *e, struct usock_tcp *tcp);
	/* The program is done: finish in the background (what is queued, FIN, TIME-WAIT). Of a listener: stop listening. */
	void (*tcp_close)(void *e, struct usock_tcp *tcp);
	/* RST, now. */
	void (*tcp_abort)(void *e, struct usock_tcp *tcp);
	/* An option has changed. -ENOPROTOOPT when the engine cannot do it: then the change is taken back. */
	int (*tcp_option)(void *e, struct usock_tcp *tcp, enum usock_tcp_option option, int value);
	void (*tcp_info)(void *e, struct usock_tcp *tcp, struct tcp_info *info);
	/* An ICMP error about a connection, @error a negative errno: soft ones (hosts unreachable) are remembered and reported when the
	   connection times out; hard ones end an attempt to connect. @mtu for "too big", else 0. @seq: of the segment quoted. */
	void (*tcp_icmp)(void *e, int family, const struct usock_endpoint *local, const struct usock_endpoint *remote,
	                 uint32_t seq, int error, unsigned int mtu);
	/* Urgent data: queue one more byte, urgent. NULL: the engine cannot (EOPNOTSUPP). */
	int (*tcp_urgent)(void *e, struct usock_tcp *tcp, unsigned char byte);
	/* Is a connection that tcp_close has left behind (closing, or in TIME-WAIT) still there? It keeps its port from a bind without
	   SO_REUSEADDR. NULL: usock assumes a minute of TIME-WAIT where we closed first. */
	bool (*tcp_left)(void *e, int family, const struct usock_endpoint *local, const struct usock_endpoint *remote);

	/* What the engine remembers of inet_route is no longer true. May be NULL: it remembers nothing. */
	void (*routes_changed)(void *e);
};

/* ------------------------------------------------------------------------------------------------------------ stacks */

/**
 * usock_stack_new - for newstack of a plugin: make a stack
 * @engine: lives as long as the process
 * @vnlv, @options, @functions: as newstack got them; usock's functions are filled into @functions
 *
 * Options known here: pcap=FILE (link), forwarding[=0|1], accept_ra[=0|1], autoconf[=0|1], seed=N (tests only: makes
 * random numbers repeatable).
 * Returns the stack data, or NULL with errno as ioth_newstack says.
 */
struct usock_stack *usock_stack_new(const struct usock_engine *engine, const char *vnlv[], const char *options,
                                    struct ioth_functions *functions);

/** usock_stack_delete - for delstack of a plugin: 0, or -1 with errno */
int usock_stack_delete(void *stackdata);

/** usock_option - does usock know the option that begins at @option ("NAME[=VALUE]" up to ',' or the end)? */
bool usock_option(const char *option);

void *usock_engine_of(struct usock_stack *stack);
struct inet *usock_inet(struct usock_stack *stack);
bool usock_forwarding(const struct usock_stack *stack);

/** usock_lock, usock_unlock - for what an engine does outside a call from usock; usock_unlock notifies */
void usock_lock(struct usock_stack *stack);
void usock_unlock(struct usock_stack *stack);

/** usock_assert_locked - in debug builds: the caller must hold the lock */
void usock_assert_locked(const struct usock_stack *stack);

/** usock_now - the clock of the stack: CLOCK_MONOTONIC as read at the beginning of this turn, nanoseconds */
int64_t usock_now(struct usock_stack *stack);

/** usock_random - unpredictable bytes, from getrandom(2); the process ends rather than getting others */
void usock_random(struct usock_stack *stack, void *bytes, size_t len);

/** usock_push - the engine has sent all it has to send now: what it has said more of may leave (inet_iface.more_out) */
void usock_push(struct usock_stack *stack);

/** usock_deadline_changed - the engine's deadline may be earlier than before */
void usock_deadline_changed(struct usock_stack *stack);

/* ------------------------------------------------------------------------------------ what the engine tells usock */

/**
 * usock_ip_input - a whole packet to this host (also of a group or broadcast)
 *
 * Delivered to raw, ping and UDP sockets; ICMP errors go to the sockets they are about. Returns true when it is done with: the
 * engine must not answer. False for TCP and for ICMP messages the engine is to answer (echo requests) or process.
 */
bool usock_ip_input(struct usock_stack *stack, const struct usock_packet *packet);

/** usock_tcp_connected - the handshake is done */
void usock_tcp_connected(struct usock_tcp *tcp);

/** usock_tcp_may_accept - is there room for one more connection attempt to this listener? Asked for each SYN; no: drop it */
bool usock_tcp_may_accept(struct usock_tcp *listener, unsigned int half_open);

/**
 * usock_tcp_accept - a connection has been made to a listener
 * @pcb, @local, @remote: of the connection; a v4 one of an IPv6 listener has v4-mapped addresses
 *
 * Returns its endpoint, with @pcb in it and the options that it has from the listener, for the engine to read; or NULL: refuse it.
 */
struct usock_tcp *usock_tcp_accept(struct usock_tcp *listener, void *pcb, const struct usock_endpoint *local,
                                   const struct usock_endpoint *remote);

/** usock_tcp_input - bytes have arrived, in order; they stay where they are until usock calls release(@buffer) */
void usock_tcp_input(struct usock_tcp *tcp, const unsigned char *data, size_t len, void *buffer);

/** usock_tcp_urgent - the byte at this place of the stream is urgent: called before the usock_tcp_input that brings what follows it */
void usock_tcp_urgent(struct usock_tcp *tcp, unsigned char byte);

/** usock_tcp_fin - the peer sends no more */
void usock_tcp_fin(struct usock_tcp *tcp);

/** usock_tcp_sent - the peer has acknowledged something: there is more room */
void usock_tcp_sent(struct usock_tcp *tcp);

/** usock_tcp_finished - all that was queued and our FIN have been acknowledged */
void usock_tcp_finished(struct usock_tcp *tcp);

/** usock_tcp_error - the connection is no more; @error: -ECONNREFUSED, -ECONNRESET, -ETIMEDOUT, -EHOSTUNREACH, ...; the engine
    has freed @tcp->pcb already */
void usock_tcp_error(struct usock_tcp *tcp, int error);

#endif
