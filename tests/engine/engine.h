/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * engine.h - a small engine for tests: what struct usock_engine asks for, and no more.
 *
 *     engine.c  the plugin, interfaces, options
 *     ip.c      packets: checks, fragments, echo, disturbances
 *     tcp.c     connections: their states
 *     tcpout.c  segments that leave
 *
 * It is here to prove that the table is honest: what the conformance suite finds different here and with lwIP is the engines';
 * what it finds wrong with both is usock's or inet's. TCP is complete enough to talk to Linux (options MSS and window scale,
 * retransmission, persist, keep-alive, urgent data), but sends as much as the window allows whatever the network carries.
 *
 * It can be told to disturb: options delay=MS (segments that come in wait a random time up to that, and so change their order),
 * loss=N, duplicate=N, nomem=N, reset=N (one in N), each decided by random numbers that seed=N repeats.
 */
#ifndef TEST_ENGINE_H
#define TEST_ENGINE_H

#include <usock.h>

#define MS 1000000LL
#define SNDBUF_MAX (256 * 1024)
#define WINDOW_MAX (1024 * 1024)
#define WINDOW_SHIFT 7

struct ip_flow { /* addresses of an IP packet, family AF_INET or AF_INET6 */
	int family;
	union inet_ip src, dst;
};

/** struct held - a packet that waits: to be put together, or to be late */
struct held {
	struct held *next;
	int64_t when;
	struct inet_iface *iface;
	int family;
	size_t len;
	unsigned char data[];
};

/** struct fragments - a packet of which not all has come */
struct fragments {
	struct fragments *next;
	int64_t expires;
	struct ip_flow flow;
	uint32_t id;
	uint8_t protocol;
	size_t header_len, have, total; /* payload bytes; total 0: not known */
	unsigned char header[60];       /* of the first fragment */
	unsigned char seen[8192];       /* a bit for eight bytes of payload */
	unsigned char data[65536];
};

enum tcp_state {
	SYN_SENT,
	SYN_RECEIVED,
	ESTABLISHED,
	FIN_WAIT_1,
	FIN_WAIT_2,
	CLOSING,
	TIME_WAIT,
	CLOSE_WAIT,
	LAST_ACK,
	LISTEN,
	CLOSED
};

/** struct early - bytes that came before those that precede them */
struct early {
	struct early *next;
	uint32_t seq;
	bool fin;
	size_t len;
	unsigned char data[];
};

/** struct tcb - a connection or listener */
struct tcb {
	struct tcb *next;
	struct engine *engine;
	struct usock_tcp *tcp; /* NULL: closed by the program */
	struct tcb *listener;  /* of one in SYN_RECEIVED */
	enum tcp_state state;
	struct ip_flow flow; /* src is ours */
	uint16_t port, peer_port;
	uint32_t iss, snd_una, snd_nxt, snd_max, snd_wnd, snd_up;
	uint32_t rcv_nxt, rcv_adv;
	unsigned int snd_shift, rcv_shift;
	unsigned int mss;
	unsigned char *sndbuf; /* from snd_una on; the SYN not counted */
	size_t queued;
	bool fin, fin_acked; /* FIN follows what is queued; it was acknowledged */
	bool urgent;         /* snd_up counts */
	bool more;           /* an incomplete segment waits */
	bool ack_now;
	bool dead;    /* to be freed */
	size_t given; /* to usock, not taken by the program yet */
	struct early *early;
	bool has_urg;
	uint32_t rcv_up;                           /* sequence number of the urgent byte */
	int64_t retransmit, persist, expire, keep; /* times, INET_NEVER: not set */
	unsigned int retries, probes;
	int64_t since; /* when what is being retransmitted was sent first */
	int soft_error;
	unsigned int retransmitted;
	uint64_t bytes_acked, bytes_received;
};

struct engine {
	struct usock_stack *stack;
	struct tcb *tcbs;
	struct held *late;
	struct fragments *fragments;
	unsigned int delay, loss, duplicate, nomem, reset;
	uint16_t id;
	bool busy; /* a tcb may not be freed */
};

/* engine.c */
/** one_in - is it this one of @n? 0: never */
bool one_in(struct engine *e, unsigned int n);
void *engine_alloc(struct engine *e, size_t len);

/* ip.c */
bool ip_input(void *engine, struct inet_iface *iface, int family, unsigned char *packet, size_t len, void *buffer);
void *tx_alloc(void *engine, size_t len, unsigned char **data);
void tx_free(void *engine, void *packet);
int ip_output(void *engine, struct inet_iface *iface, const union inet_ip *nexthop, int family, void *packet);
void ip_timers(struct engine *e, int64_t now);
int64_t ip_deadline(const struct engine *e);
void ip_close(struct engine *e);
/** ip_send - a payload to where @flow says, with room for the checksum of TCP at @check, if not NULL */
int ip_send(struct engine *e, const struct ip_flow *flow, int protocol, int hop_limit, int tos, unsigned int oif,
            const unsigned char *payload, size_t len, size_t check);
unsigned int ip_mtu(struct engine *e, const struct ip_flow *flow, unsigned int oif);
/** ip_late - deliver a segment that was made to wait */
void ip_deliver(struct engine *e, struct inet_iface *iface, int family, unsigned char *packet, size_t len);

/* tcp.c */
void tcp_input(struct engine *e, const struct ip_flow *flow, struct inet_iface *iface, const unsigned char *segment,
               size_t len);
void tcp_timers(struct engine *e, int64_t now);
int64_t tcp_deadline(const struct engine *e);
void tcp_end(struct engine *e);
void tcb_die(struct tcb *tcb, int error);
extern const struct usock_engine test_engine;

/* tcpout.c */
#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10
#define URG 0x20
void tcp_send_segment(struct tcb *tcb, uint32_t seq, unsigned int flags, size_t offset, size_t len);
void tcp_push(struct tcb *tcb);
void tcp_reset(struct engine *e, const struct ip_flow *flow, uint16_t from, uint16_t to, uint32_t seq, uint32_t ack,
               bool with_ack);
uint32_t tcp_window(const struct tcb *tcb);

static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}
static inline bool seq_le(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

/* functions of struct usock_engine, tcp.c */
int op_connect(void *e, struct usock_tcp *tcp);
int op_listen(void *e, struct usock_tcp *tcp);
ssize_t op_write(void *e, struct usock_tcp *tcp, const struct iovec *piece, unsigned int pieces, size_t skip,
                 size_t len, bool more);
void op_flush(void *e, struct usock_tcp *tcp);
size_t op_room(void *e, struct usock_tcp *tcp);
size_t op_unsent(void *e, struct usock_tcp *tcp);
size_t op_unacked(void *e, struct usock_tcp *tcp);
void op_recved(void *e, struct usock_tcp *tcp, size_t len);
void op_release(void *e, void *buffer);
int op_shutdown(void *e, struct usock_tcp *tcp);
void op_close(void *e, struct usock_tcp *tcp);
void op_abort(void *e, struct usock_tcp *tcp);
int op_option(void *e, struct usock_tcp *tcp, enum usock_tcp_option option, int value);
void op_info(void *e, struct usock_tcp *tcp, struct tcp_info *info);
void op_icmp(void *e, int family, const struct usock_endpoint *local, const struct usock_endpoint *remote, uint32_t seq,
             int error, unsigned int mtu);
int op_urgent(void *e, struct usock_tcp *tcp, unsigned char byte);
bool op_left(void *e, int family, const struct usock_endpoint *local, const struct usock_endpoint *remote);

#endif
