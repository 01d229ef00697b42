/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bind.h - the table of ports, for bind.c, bindconnect.c and bindlookup.c; the theory is at the head of bind.c.
 */
#ifndef IOTH_USOCK_BIND_H
#define IOTH_USOCK_BIND_H

#include "private.h"

#define USOCK_PORT_FIRST 32768U /* of those that the stack chooses */
#define USOCK_PORT_COUNT 28232U /* up to 60999, as Linux */

/** struct usock__ports - the sockets of a protocol by port */
struct usock__ports {
	struct usock__inet **bucket;
	unsigned int mask;  /* number of buckets - 1 */
	unsigned int count; /* sockets */
};

struct usock__left;

struct usock__binds {
	struct usock__ports tcp, udp, lite; /* that of UDP-Lite */
	struct usock__left
	        *left; /* ring of connections that outlived their sockets, allocated when it is first needed */
	unsigned int left_next;
	uint64_t secret[2];
};

/** struct usock__place - what a bound socket occupies of the world */
struct usock__place {
	bool v4, v6; /* hears it */
	bool any;    /* on all addresses */
	union inet_ip ip;
};

static inline struct usock__ports *usock__ports_of(struct usock_stack *stack, int proto)
{
	struct usock__binds *binds = stack->binds;

	return proto == IPPROTO_TCP ? &binds->tcp : proto == IPPROTO_UDPLITE ? &binds->lite : &binds->udp;
}

/** usock__ports_enter - a socket holds a port from now on; usock__ports_leave - and no more, if it held one */
void usock__ports_enter(struct usock__inet *sock, int proto, uint16_t port);
void usock__ports_leave(struct usock__inet *sock, int proto);

/** usock__ports_start - where to begin to look for a port: from USOCK_PORT_FIRST on */
unsigned int usock__ports_start(struct usock_stack *stack);

/** usock__bind_choose - find a port that nobody has; 0 when all are taken */
uint16_t usock__bind_choose(struct usock__inet *sock, int proto);

/** usock__ports_first, usock__ports_next - the sockets that hold a port, the newest first */
static inline struct usock__inet *usock__ports_on(struct usock__inet *sock, uint16_t port)
{
	while (sock != NULL && sock->bind_port != port)
		sock = sock->bind_next;
	return sock;
}

static inline struct usock__inet *usock__ports_first(const struct usock__ports *table, uint16_t port)
{
	return usock__ports_on(table->bucket[port & table->mask], port);
}

static inline struct usock__inet *usock__ports_next(const struct usock__inet *sock)
{
	return usock__ports_on(sock->bind_next, sock->bind_port);
}

/** usock__place_make, usock__place_of - of an address, of a socket */
static inline struct usock__place usock__place_make(int family, const union inet_ip *ip, bool v6only)
{
	struct usock__place place = {.v4 = false};
	int effective = usock__effective(family, ip, &place.ip);

	place.any = usock__is_any(effective, &place.ip);
	place.v6 = effective == AF_INET6;
	place.v4 = effective == AF_INET || (place.any && !v6only);
	return place;
}

static inline struct usock__place usock__place_of(const struct usock__inet *sock)
{
	return usock__place_make(sock->sock.family, &sock->local.ip, sock->ip.v6only);
}

static inline bool usock__same_ip(int family, const union inet_ip *a, const union inet_ip *b)
{
	return family == AF_INET ? a->v4.s_addr == b->v4.s_addr : IN6_ARE_ADDR_EQUAL(&a->v6, &b->v6);
}

/** usock__places_meet - is there an address that both places hear? */
static inline bool usock__places_meet(const struct usock__place *a, const struct usock__place *b)
{
	if (!(a->v4 && b->v4) && !(a->v6 && b->v6))
		return false;
	return a->any || b->any || usock__same_ip(a->v6 ? AF_INET6 : AF_INET, &a->ip, &b->ip);
}

static inline bool usock__devices_meet(unsigned int a, unsigned int b)
{
	return a == 0 || b == 0 || a == b;
}

/** usock__same_end - is it the same address and port, however the two families write it? */
static inline bool usock__same_end(int family_a, const struct usock_endpoint *a, int family_b,
                                   const struct usock_endpoint *b)
{
	union inet_ip ip_a, ip_b;
	int family = usock__effective(family_a, &a->ip, &ip_a);

	return a->port == b->port && family == usock__effective(family_b, &b->ip, &ip_b) &&
	       usock__same_ip(family, &ip_a, &ip_b);
}

#endif
