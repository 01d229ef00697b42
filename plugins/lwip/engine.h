/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * engine.h - what the files of the lwip plugin share with each other.
 *
 *     lwip.c    the plugin: newstack, delstack
 *     engine.c  the table of the engine, its beginning and its end
 *     image.c   private copies of liblwip        plt.c     redirecting their calls
 *     slots.c   the functions they are redirected to
 *     netif.c   interfaces and addresses as lwIP knows them; groups
 *     buffer.c  memory of received and sent packets
 *     ip.c      IP packets that come in: checks, delivery, forwarding
 *     ipout.c   IP packets that go out: routes, fragments
 *     reass.c   fragments that come in           icmp.c    echoes, errors about forwarded packets
 *     tcp.c     what usock asks of a connection  tcp_in.c  what the network does to one
 *     conns.c   all of them, and how a segment finds its own: table.c
 *     owed.c    acknowledgements that wait until the lock is given back
 *     cross.c   two sides that connect to each other at once
 *     timer.c   clocks that run only while somebody needs them
 *     chksum.c  the Internet checksum            err.c     lwIP's errors
 *
 * What is lwIP's and what is ours. lwIP speaks TCP, and reports memberships in groups to routers (IGMP, MLD). The IP layer below is
 * ours: lwIP's own takes at most ten fragments at a time in this build, so no datagram above 14 KiB, does not accept
 * broadcasts on an interface without address, and knows no routing table. So its TCP is called directly with what its IP
 * layer would have found out (ip_data), and what it sends comes to us as if to a network interface, to be routed by inet.
 *
 * Threads: all of it runs with the lock of the stack held. lwIP's callbacks into slots.c carry no context, so each entry of
 * the engine notes for the thread whose engine it is: engine_enter.
 */
#ifndef IOTH_LWIP_ENGINE_H
#define IOTH_LWIP_ENGINE_H

#include "image.h"

#include <sys/queue.h>
#include <usock.h>

#include "table.h"

#define IFF_UP_ 0x1U /* net/if.h and linux/if.h do not go together */
#define IFF_LOOPBACK_ 0x8U

#define ROUTES 16U /* remembered answers of inet_route */
#define PACKET_MAX 65535U
#define IP6_HEADER 40U
#define WINDOW_SHIFT 7U /* of the receive windows that we announce: up to 8 MiB; lwIP itself would say 1 */
#define WINDOW_MAX (65535U << WINDOW_SHIFT)
#define SEND_MAX (1U << 20) /* bytes that may be queued for sending; the number of segments limits it further */
#define MILLISECOND INT64_C(1000000)

struct engine;

/** struct buffer - of a received packet: as a pbuf it can wait in lwIP's queues and in those of usock; or memory that lwIP asked for */
struct buffer {
	struct pbuf_custom custom; /* first: lwIP knows it by its pbuf */
	struct engine *e;
	struct buffer *next; /* in the list of free ones */
	uint32_t size;       /* bytes at data */
	_Alignas(16) unsigned char data[];
};

/** struct segment - what lwIP notes of one to be sent; while it is free, the next free one */
struct segment {
	union {
		struct tcp_seg seg;
		struct segment *next;
	};
};

/** struct packet - to be sent, made by usock */
struct packet {
	size_t len;
	unsigned char *data; /* INET_HEADROOM and more before it */
	_Alignas(16) unsigned char room[];
};

/** struct interface - of inet, and as lwIP knows it */
struct interface {
	struct netif netif; /* first */
	struct engine *e;
	struct inet_iface *iface; /* NULL: the one that stands for all of them */
};

/** struct route - a remembered answer */
struct route {
	unsigned int generation; /* true while equal to the engine's; 0: empty */
	int family;
	union inet_ip dst, src;
	unsigned int oif;
	struct inet_iface *iface;
	union inet_ip nexthop;
	unsigned int mtu, hop_limit;
};

/** enum conn_place - in which list of the engine a connection is */
enum conn_place { CONN_NEW, CONN_LIVING, CONN_OVER /* TIME-WAIT */ };

/**
 * enum engine_clock - what happens at a certain time; the first ones look at connections that need them
 *
 * CLOCK_SLOW: lwIP's clock of half a second. CLOCK_FAST: delayed acknowledgements. CLOCK_REXMIT: sending again.
 * CLOCK_GROUPS: reports about groups.
 */
enum engine_clock { CLOCK_SLOW, CLOCK_FAST, CLOCK_REXMIT, CONN_CLOCKS, CLOCK_GROUPS = CONN_CLOCKS, CLOCKS };

LIST_HEAD(conn_list, conn);
TAILQ_HEAD(conn_queue, conn);

/** struct conn - a connection; allocated in place of lwIP's structure, which it begins with, and living exactly as long
 */
struct conn {
	struct tcp_pcb pcb; /* first */
	struct engine *e;
	struct usock_tcp *tcp; /* NULL: not accepted yet, or closed by the program */
	struct hashed hashed;  /* by its endpoints, unless it is new */
	enum conn_place place;
	TAILQ_ENTRY(conn) all;
	LIST_ENTRY(conn) clock[CONN_CLOCKS]; /* of those that look at it: bits in clocks */
	uint8_t clocks;
	uint32_t limit;          /* bytes that may wait for the program */
	uint32_t unread;         /* bytes that do */
	bool half_open;          /* counted in its listener */
	bool connecting;         /* by us */
	struct crossed *crossed; /* the peer's SYN, which is no answer to ours; NULL: none has come (cross.c) */
	bool finishing;          /* our FIN is queued, and usock wants to know when it is acknowledged */
	bool more;               /* an incomplete segment waits for what follows */
	bool owes;               /* an acknowledgement waits: in the engine's list */
	struct conn *owes_next;
	int soft_error;        /* negative errno of the last ICMP error */
	int64_t stray_at;      /* when an empty segment outside the window was last let through */
	int64_t progress;      /* when something was last acknowledged or sent again, or sent with nothing on the way */
	int64_t stalled_since; /* the same without "sent again"; 0: nothing is on the way */
	int64_t confirmed;     /* when inet was last told that the way works */
	uint32_t recover;      /* end of what was sent when a loss was noticed */
	bool recovering;
	bool probed; /* what is on the way was sent again early, since something was last acknowledged */
	uint32_t retransmitted;
	/* Urgent data, of which lwIP knows nothing. */
	bool urgent_out, urgent_in; /* somebody has to be told */
	uint32_t urgent_end;        /* number of the byte behind the last urgent one that we send */
	uint32_t urgent_at;         /* of the urgent byte that is to come */
	uint32_t delivered;         /* of the next byte that usock gets */
	/* Measured in microseconds; lwIP's clock ticks every half second. */
	uint32_t timed_seq;
	int64_t timed_at;      /* 0: nothing is being timed */
	uint32_t srtt, rttvar; /* 0: never measured */
	uint8_t backoff;       /* times that something was sent again with no answer */
};

/** struct listener - likewise */
struct listener {
	struct tcp_pcb_listen pcb; /* first */
	struct engine *e;
	struct usock_tcp *tcp;
	struct hashed hashed; /* by its port */
	unsigned int half_open;
};

struct reass; /* reass.c */

struct engine {
	struct usock_stack *stack;
	struct inet *inet;
	struct lwip lw;
	struct interface any; /* lwIP's route to everywhere */
	struct buffer *buffers;
	unsigned int buffers_free;
	struct segment *segments; /* free ones */
	unsigned int segments_free;
	size_t buffers_used;    /* bytes of those that hold received packets */
	unsigned char *scratch; /* PACKET_MAX bytes with INET_HEADROOM before them; NULL: never needed */
	struct route routes[ROUTES];
	unsigned int generation;
	struct {
		unsigned int generation; /* as in struct route */
		int family;
		union inet_ip src, dst;
		struct inet_iface *iface;
	} mine; /* who last wrote to which address of ours, found to be all right */
	struct reass *reass;
	struct table conns, listeners;
	struct conn_queue living,
	        over; /* all of them: the youngest first; TIME-WAIT: who came to it, or was heard of, last */
	struct conn_list clocked[CONN_CLOCKS];
	unsigned int over_count;
	struct {
		uint64_t factor;
		uint32_t key[10];
	} hash;                         /* secret */
	struct conn *youngest;          /* made last; NULL when it is freed meanwhile */
	struct conn *seen;              /* that lwIP works on: likewise */
	struct conn *current;           /* whose callback runs; becomes NULL when it is freed meanwhile */
	const struct tcp_pcb *building; /* whose segments are being built */
	bool input;                     /* lwIP is looking at a segment that has come */
	bool elides; /* data is not summed while it is queued, but on its way out, if at all; once true, for good */
	struct conn *owing;       /* owed.c */
	int soft_error;           /* of the connection that was freed last */
	unsigned int peer_mss;    /* of the SYN that is being processed; 0: none is */
	uint64_t secret[2];       /* of initial sequence numbers */
	unsigned int crossed;     /* connections with a SYN that has crossed theirs */
	unsigned int connections; /* all that lwIP has memory for, TIME-WAIT too */
	int64_t due[CLOCKS];      /* INET_NEVER: not running */
	int64_t icmp_when;        /* limit of errors about forwarded packets */
	unsigned int icmp_left;
};

/** engine_current - of the call in progress in this thread */
extern _Thread_local struct engine *engine_current __attribute__((tls_model("initial-exec")));

/** engine_enter - at each entry from usock */
static inline struct engine *engine_enter(void *e)
{
	engine_current = e;
	return e;
}

/* engine.c */
extern const struct usock_engine lwip_engine;

/* slots.c */
extern const struct plt_slot engine_slots[];
extern const size_t engine_slot_count;

/* netif.c */
int netif_open(struct engine *e);
int engine_iface_add(void *e, struct inet_iface *iface);
void engine_iface_del(void *e, struct inet_iface *iface);
void engine_iface_change(void *e, struct inet_iface *iface, unsigned int what);
int engine_addr_add(void *e, struct inet_addr *addr);
void engine_addr_del(void *e, struct inet_addr *addr);
void engine_routes_changed(void *e);
int engine_group_join(void *e, struct inet_iface *iface, int family, const union inet_ip *group);
void engine_group_leave(void *e, struct inet_iface *iface, int family, const union inet_ip *group);
/** lwip_addr - an address in lwIP's form; a link-local one gets the zone of @index, an interface of inet (0: none) */
void lwip_addr(struct engine *e, int family, const union inet_ip *ip, unsigned int index, ip_addr_t *out);
/** lwip_index - how lwIP calls an interface of inet; NETIF_NO_INDEX */
uint8_t lwip_index(struct engine *e, unsigned int index);

/* buffer.c */
unsigned char *engine_rx_alloc(void *e, size_t size, void **buffer);
void engine_rx_free(void *e, void *buffer);
void engine_release(void *e, void *buffer);
void *engine_tx_alloc(void *e, size_t len, unsigned char **data);
void engine_tx_free(void *e, void *packet);
/** buffer_new - for @size bytes at data; NULL */
struct buffer *buffer_new(struct engine *e, size_t size);
void buffer_free(struct engine *e, struct buffer *buffer);
/** buffer_pbuf - make @len bytes at @data, in the buffer, a pbuf, which owns the buffer from then on */
struct pbuf *buffer_pbuf(struct engine *e, struct buffer *buffer, unsigned char *data, size_t len);
/** buffer_memory, buffer_memory_free - @size bytes for lwIP itself; NULL */
void *buffer_memory(struct engine *e, size_t size);
void buffer_memory_free(void *memory);
/** buffer_segment, buffer_segment_free - room for a struct tcp_seg; NULL */
void *buffer_segment(struct engine *e);
void buffer_segment_free(struct engine *e, void *segment);
/** buffer_trim - free what is kept */
void buffer_trim(struct engine *e);

/* ip.c */
bool engine_ip_input(void *e, struct inet_iface *iface, int family, unsigned char *packet, size_t len, void *buffer);
/** ip_deliver - a whole packet for us: @packet points into @buffer; @type: RTN_LOCAL, or that of a group or broadcast address; true when
    the buffer is kept */
bool ip_deliver(struct engine *e, struct usock_packet *packet, struct buffer *buffer, int type);

/* ipout.c */
int engine_ip_output(void *e, struct inet_iface *iface, const union inet_ip *nexthop, int family, void *packet);
/** route_to - the way to @dst: 0 or a negative errno; @out is true until routes change */
int route_to(struct engine *e, int family, const union inet_ip *dst, const union inet_ip *src, unsigned int oif,
             const struct route **out);
/** ip_send - on an interface, in fragments when longer than @mtu and @fragment says so; room before @packet as for inet_output */
int ip_send(struct engine *e, struct inet_iface *iface, const union inet_ip *nexthop, unsigned int mtu, int family,
            unsigned char *packet, size_t len, bool fragment);
/** lwip_output - what lwIP sends, IP header first */
err_t lwip_output(struct interface *interface, int family, struct pbuf *p);

/* reass.c */
/**
 * reass_input - a fragment: @at bytes into the payload, @more follow
 *
 * When the packet is whole @whole describes it, in the buffer returned, which is the caller's. Otherwise NULL.
 */
struct buffer *reass_input(struct engine *e, const struct usock_packet *fragment, uint32_t id, size_t at, bool more,
                           struct usock_packet *whole);
void reass_close(struct engine *e);
int64_t reass_deadline(const struct engine *e);
void reass_timers(struct engine *e);

/* icmp.c */
/** echo_input - what usock has left to us: echo requests; true when it was one */
bool echo_input(struct engine *e, const struct usock_packet *packet);
/** icmp_error - tell the sender of a packet that it cannot be forwarded or put together; @value: MTU, pointer */
void icmp_error(struct engine *e, const struct usock_packet *about, int type, int code, uint32_t value);

/* tcp.c */
int engine_tcp_connect(void *e, struct usock_tcp *tcp);
int engine_tcp_listen(void *e, struct usock_tcp *tcp);
ssize_t engine_tcp_write(void *e, struct usock_tcp *tcp, const struct iovec *piece, unsigned int pieces, size_t skip,
                         size_t len, bool more);
void engine_tcp_flush(void *e, struct usock_tcp *tcp);
size_t engine_tcp_room(void *e, struct usock_tcp *tcp);
size_t engine_tcp_unsent(void *e, struct usock_tcp *tcp);
size_t engine_tcp_unacked(void *e, struct usock_tcp *tcp);
void engine_tcp_recved(void *e, struct usock_tcp *tcp, size_t len);
int engine_tcp_shutdown(void *e, struct usock_tcp *tcp);
void engine_tcp_close(void *e, struct usock_tcp *tcp);
void engine_tcp_abort(void *e, struct usock_tcp *tcp);
int engine_tcp_option(void *e, struct usock_tcp *tcp, enum usock_tcp_option option, int value);
void engine_tcp_info(void *e, struct usock_tcp *tcp, struct tcp_info *info);
void engine_tcp_icmp(void *e, int family, const struct usock_endpoint *local, const struct usock_endpoint *remote,
                     uint32_t seq, int error, unsigned int mtu);
int engine_tcp_urgent(void *e, struct usock_tcp *tcp, unsigned char byte);
bool engine_tcp_left(void *e, int family, const struct usock_endpoint *local, const struct usock_endpoint *remote);
/** conn_adopt - the connection belongs to @tcp from now on: callbacks, options */
void conn_adopt(struct conn *conn, struct usock_tcp *tcp);
/** conn_window - announce what @limit and @unread leave */
void conn_window(struct conn *conn);
/** conn_mss - how large segments may be by the route, our side's options included */
unsigned int conn_mss(struct engine *e, const struct tcp_pcb *pcb, const ip_addr_t *dst);
/** conn_opened - the handshake is done */
void conn_opened(struct conn *conn);
/** conn_end - it is gone or going: tell usock, at most once */
void conn_end(struct conn *conn, int error);

/* tcp_in.c */
void tcp_in(struct engine *e, const struct usock_packet *packet, struct buffer *buffer);
/** peer_mss - from the options of a SYN */
unsigned int peer_mss(const unsigned char *segment, size_t len);
err_t conn_output(struct conn *conn);
/** conn_loss - something was lost: send it again, and reduce the window, once for all that is lost of it */
void conn_loss(struct conn *conn);
err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err);
err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err);
err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err);
err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t len);
void on_error(void *arg, err_t err);

/* conns.c */
void conns_open(struct engine *e);
void conns_close(struct engine *e);
/** conns_find - the connection between the two, living or in TIME-WAIT; NULL */
struct conn *conns_find(const struct engine *e, const ip_addr_t *local, unsigned int lport, const ip_addr_t *remote,
                        unsigned int rport);
/** listeners_first, listeners_next - all that listen to a port; NULL: no more */
struct listener *listeners_first(const struct engine *e, unsigned int port);
struct listener *listeners_next(const struct listener *listener);
/** conns_registered - lwIP has put something into one of its lists; conns_forget, listeners_forget - it frees something
 */
void conns_registered(struct engine *e);
void conns_forget(struct engine *e, struct conn *conn);
void listeners_forget(struct engine *e, struct listener *listener);
/** conns_refresh - TIME-WAIT of a connection begins again */
void conns_refresh(struct engine *e, struct conn *conn);
/** conns_input - a segment for lwIP, which sees only @conn and @listener (NULL: none); @conn, or NULL if it is no more
 */
struct conn *conns_input(struct engine *e, struct pbuf *p, struct netif *netif, struct conn *conn,
                         struct listener *listener);

/* owed.c */
/** engine_settle - send what waits */
void engine_settle(void *e);
/** owed_put_off - does lwIP want to send nothing but an acknowledgement that can wait? Then it does */
bool owed_put_off(struct conn *conn);
/** owed_add - an acknowledgement is to be sent, at the latest when the lock is given back; TF_ACK_NOW is set */
void owed_add(struct conn *conn);
/** owed_at_once - what lwIP would acknowledge later was more than a segment: it is acknowledged when the lock is given back */
void owed_at_once(struct conn *conn);
/** owed_forget - the connection is about to be freed */
void owed_forget(struct conn *conn);

/* cross.c */
/** cross_syn - a SYN without ACK of the connection @conn, which is connecting: it has crossed ours */
void cross_syn(struct conn *conn, const unsigned char *segment, size_t len);
/** cross_in - a segment of a connection that is connecting, after such a SYN: the rest of lwIP's handshake, when it is that;
 * @conn, or NULL if it is no more */
struct conn *cross_in(struct engine *e, struct conn *conn, const struct usock_packet *packet);
/** cross_out - a segment that is about to leave: our SYN acknowledges the peer's; @amend: to be used for each word that is changed */
void cross_out(const struct conn *conn, unsigned char *tcp,
               void (*amend)(unsigned char *tcp, size_t at, unsigned int value));
void cross_free(struct conn *conn);

/* timer.c */
int64_t engine_deadline(void *e);
void engine_timers(void *e);
/** timer_conn - something has happened to a connection: start the clocks that it needs now */
void timer_conn(struct engine *e, struct conn *conn);
/** timer_rto - the time-out of retransmission, in microseconds */
uint32_t timer_rto(const struct conn *conn);
/** timer_leave - no clock looks at a connection any more */
void timer_leave(struct conn *conn);
/** timer_groups - a report may be pending */
void timer_groups(struct engine *e);

/** ip_size - bytes of an address */
static inline size_t ip_size(int family)
{
	return family == AF_INET ? 4 : 16;
}

static inline unsigned int get16(const unsigned char *at)
{
	return (unsigned int)at[0] << 8 | at[1];
}

static inline uint32_t get32(const unsigned char *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static inline void put16(unsigned char *at, unsigned int value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

static inline void put32(unsigned char *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffffU);
}

#endif
