/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * neigh.h - what the files about neighbours share: ether.c, neigh.c, neigh_set.c,
 * neigh_proxy.c, waiting.c, arp.c, nd.c, ra.c.
 */
#ifndef IOTH_INET_NEIGH_H
#define IOTH_INET_NEIGH_H

#include "private.h"

#include <string.h>

#define INET_MILLISECOND INT64_C(1000000)

/* Kinds of states, see neigh.c. */
#define INET__NUD_CONNECTED (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE)           /* send without a doubt */
#define INET__NUD_VALID (INET__NUD_CONNECTED | NUD_STALE | NUD_DELAY | NUD_PROBE) /* the hardware address is known */
#define INET__NUD_FIXED (NUD_PERMANENT | NUD_NOARP)                               /* the network does not change it */

/** struct inet__neigh_params - constants of RFC 4861 for one interface and family; routers may say others */
struct inet__neigh_params {
	int64_t base_reachable; /* nanoseconds; what is used is between half and one and a half of it */
	int64_t reachable;
	int64_t reachable_chosen; /* when: it is chosen anew every five minutes */
	int64_t retrans;
};

/** struct inet__waiting - packets that wait for a neighbour's hardware address, oldest first */
struct inet__waiting {
	struct inet__waiting_packet *first, *last;
	size_t size; /* bytes, with what keeping them costs */
};

/** struct inet__neigh_entry - an entry of the table as neigh.c sees it */
struct inet__neigh_entry {
	struct inet_neigh neigh;                 /* first; neigh.next is the next one in the hash chain */
	struct inet__neigh_entry *newer, *older; /* of the family, in the order in which they were made */
	struct inet__waiting waiting;
	int64_t when;       /* of its timer; meaningful while timer is not 0 */
	unsigned int timer; /* place in the heap, from 1; 0: no timer runs */
	bool counted;       /* among the learned entries, which are limited */
	bool wanted;        /* we have sent to it, it is not just somebody who spoke to us */
	bool proven;        /* it has answered once from this hardware address */
};

/* What routers may make us remember, of an interface; the rest is ignored. */
#define INET__ROUTERS_MAX 8   /* default routers */
#define INET__PREFIXES_MAX 16 /* prefixes on the link */
#define INET__SLAAC_MAX 16    /* addresses */

struct inet__prefix {
	struct in6_addr prefix;
	uint8_t len;
};

/** struct inet__nd - what nd.c, ra.c and neigh.c know of an interface */
struct inet__nd {
	struct inet__neigh_params params[2]; /* IPv4, IPv6 */
	struct inet_neigh *proxies;          /* neigh_proxy.c */
	/* ra.c. Routers and prefixes have a route each, unless it was deleted behind our back. */
	int64_t solicit_next; /* when to solicit routers again; INET_NEVER */
	unsigned int solicit_left;
	unsigned int routers, prefixes;
	struct in6_addr router[INET__ROUTERS_MAX];
	struct inet__prefix prefix[INET__PREFIXES_MAX];
};

/** struct inet__nd_table - of a stack */
struct inet__nd_table {
	uint32_t nonce_seed[2];
	int64_t deadline; /* of ra.c: the first solicit_next */
};

static inline struct inet__neigh_params *inet__neigh_params(const struct inet_iface *iface, int family)
{
	return &iface->private->nd->params[family == AF_INET6];
}

static inline uint16_t inet__get16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t inet__get32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void inet__put32(unsigned char *p, uint32_t value)
{
	p[0] = (unsigned char)(value >> 24);
	p[1] = (unsigned char)(value >> 16);
	p[2] = (unsigned char)(value >> 8);
	p[3] = (unsigned char)value;
}

static inline void inet__put16(unsigned char *p, unsigned int value)
{
	p[0] = (unsigned char)(value >> 8);
	p[1] = (unsigned char)value;
}

/** inet__sum - add bytes to an Internet checksum; an odd one at the end counts as if a zero followed */
static inline uint32_t inet__sum(uint32_t sum, const unsigned char *p, size_t len)
{
	for (; len >= 2; p += 2, len -= 2)
		sum += inet__get16(p);
	return len > 0 ? sum + ((uint32_t)p[0] << 8) : sum;
}

/** inet__sum_put - put what such a sum makes of a checksum, network byte order */
static inline void inet__sum_put(unsigned char *p, uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	inet__put16(p, ~sum & 0xffff);
}

/** inet__mac_unicast - can it be the address of a station? */
static inline bool inet__mac_unicast(const unsigned char mac[6])
{
	return !(mac[0] & 1) && (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]) != 0;
}

/* ether.c */

/** inet__ether_send - put an Ethernet header before a packet, and off it goes. The interface is up. */
void inet__ether_send(struct inet_iface *iface, unsigned int type, const unsigned char mac[6], unsigned char *packet,
                      size_t len);

/* neigh.c */

/** inet__neigh_params_init - the defaults of Linux */
void inet__neigh_params_init(struct inet__neigh_params *params);
/** inet__neigh_choose_reachable - choose how long a neighbour counts as reachable: after base_reachable has changed */
void inet__neigh_choose_reachable(struct inet__neigh_params *params, int64_t now);

/** inet__neigh_send - send a packet to a neighbour, or keep a copy until it is known: see inet_output */
int inet__neigh_send(struct inet_iface *iface, int family, const union inet_ip *ip, unsigned char *packet, size_t len);

enum inet__neigh_update {
	INET__NEIGH_OVERRIDE = 1, /* a different hardware address replaces the one that is known */
	INET__NEIGH_WEAK = 2,     /* ... if not, it raises a doubt: REACHABLE becomes STALE */
	INET__NEIGH_ROUTER = 4,   /* NTF_ROUTER is set */
	INET__NEIGH_HOST = 8,     /* NTF_ROUTER is cleared */
	INET__NEIGH_ADMIN = 16,   /* `ip neigh` says so: NOARP and PERMANENT entries change, too */
};

/**
 * inet__neigh_learn - something has been heard of a neighbour
 * @mac: its hardware address, NULL when it was not told
 * @state: NUD_REACHABLE it has answered us, NUD_STALE it has only been heard
 * @flags: INET__NEIGH_*
 * @create: make an entry when there is none
 */
void inet__neigh_learn(struct inet_iface *iface, int family, const union inet_ip *ip, const unsigned char *mac,
                       uint16_t state, unsigned int flags, bool create);

/* For neigh_set.c. */
struct inet_neigh *inet__neigh_create(struct inet_iface *iface, int family, const union inet_ip *ip);
int inet__neigh_update(struct inet_neigh *neigh, const unsigned char *mac, uint16_t state, unsigned int flags);
void inet__neigh_free(struct inet_neigh *neigh);
void inet__neigh_failures(struct inet *inet);
struct inet_neigh *inet__neigh_first(const struct inet *inet, int family);
struct inet_neigh *inet__neigh_next(const struct inet_neigh *neigh);

/** inet__neigh_use - as if something were sent to it */
void inet__neigh_use(struct inet_neigh *neigh);

/* neigh_proxy.c */

/** inet__neigh_proxy_set - add or change one: 0; -ENOENT, -ENOBUFS */
int inet__neigh_proxy_set(struct inet_iface *iface, int family, const union inet_ip *ip, uint8_t flags,
                          uint8_t protocol, unsigned int nlm_flags);
int inet__neigh_proxy_delete(struct inet_iface *iface, int family, const union inet_ip *ip);
/** inet__neigh_proxy_flush - the interface is going; @family 0: all */
void inet__neigh_proxy_flush(struct inet_iface *iface, int family);
/** inet__neigh_proxy_answers - does somebody who asks for this IPv4 address get our hardware address? */
bool inet__neigh_proxy_answers(struct inet_iface *iface, const union inet_ip *target);

/* waiting.c */

void inet__waiting_init(struct inet__waiting *waiting);
/**
 * inet__waiting_add - keep a copy of a packet; the oldest ones of the queue make room when there are too many
 * @total: bytes that wait in all queues of the stack
 *
 * 0, or -ENOBUFS: not kept.
 */
int inet__waiting_add(struct inet__waiting *waiting, size_t *total, struct inet_iface *iface, int family,
                      const unsigned char *packet, size_t len);
/** inet__waiting_send - send all to a hardware address */
void inet__waiting_send(struct inet__waiting *waiting, size_t *total, const unsigned char mac[6]);
/** inet__waiting_drop - forget all */
void inet__waiting_drop(struct inet__waiting *waiting, size_t *total);
/** inet__waiting_move - append all to another queue */
void inet__waiting_move(struct inet__waiting *waiting, struct inet__waiting *to);
/** inet__waiting_fail - hand the oldest one to inet_ops.unreachable; false: there is none */
bool inet__waiting_fail(struct inet__waiting *waiting, size_t *total);
/** inet__waiting_newest - the packet that came last, @len bytes; NULL: none */
const unsigned char *inet__waiting_newest(const struct inet__waiting *waiting, size_t *len);

/* arp.c */

/** inet__arp_ask - ask who has @target; @mac: whom to ask, NULL for everybody; @src: of ours, NULL to choose */
void inet__arp_ask(struct inet_iface *iface, struct in_addr target, const unsigned char *mac,
                   const struct in_addr *src);

/* nd.c */

/** struct inet__nd_message - a message of neighbour discovery that is being built, with its IPv6 header */
struct inet__nd_message {
	unsigned char room[INET_HEADROOM + 40 + 96];
	size_t len; /* of the ICMPv6 message */
};

/** struct inet__nd_options - the options of a message that matter here: pointers into it, or NULL */
struct inet__nd_options {
	const unsigned char *source_mac, *target_mac; /* 6 bytes, of a station */
	const unsigned char *mtu;                     /* 4 bytes */
	const unsigned char *nonce;
	size_t nonce_len;
};

/** inet__nd_begin - a message of @len bytes so far, all zero but for its type; returns it */
unsigned char *inet__nd_begin(struct inet__nd_message *message, uint8_t type, size_t len);
/** inet__nd_put_mac - append an option ND_OPT_*_LINKADDR */
void inet__nd_put_mac(struct inet__nd_message *message, uint8_t type, const unsigned char mac[6]);
/** inet__nd_send - finish it and send it; @mac: NULL to ask for that of @dst first, if need be */
void inet__nd_send(struct inet_iface *iface, struct inet__nd_message *message, const struct in6_addr *src,
                   const struct in6_addr *dst, const unsigned char *mac);
/** inet__nd_options - check and find the options of a received message; false: malformed, to be dropped */
bool inet__nd_options(const unsigned char *option, size_t len, struct inet__nd_options *found);

/* ra.c */

/** inet__ra_input - a router advertisement, its ICMPv6 header first; the hop limit was 255 */
void inet__ra_input(struct inet_iface *iface, const struct in6_addr *src, const unsigned char *message, size_t len);
/** inet__ra_router_gone - it says itself that it is no router any more */
void inet__ra_router_gone(struct inet_iface *iface, const struct in6_addr *router);

#endif
