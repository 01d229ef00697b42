/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rawsock.h - the sockets of raw.c and ping.c, which share one list of the stack.
 */
#ifndef IOTH_USOCK_RAWSOCK_H
#define IOTH_USOCK_RAWSOCK_H

#include "ip.h"

struct usock__raw {
	struct usock__inet inet;
	struct usock__queue queue;
	uint32_t filter4;            /* ICMP_FILTER: types that are not wanted */
	struct icmp6_filter filter6; /* ICMP6_FILTER, likewise */
};

static inline struct usock__raw *usock__raw_of(struct usock *sock)
{
	return (struct usock__raw *)sock;
}

/** usock__raw_register, usock__raw_release - into the list of the stack and out of it, with all that is queued */
void usock__raw_register(struct usock *sock);
void usock__raw_release(struct usock *sock);
void usock__raw_destroy(struct usock *sock);
uint32_t usock__raw_poll(struct usock *sock);
int usock__raw_ioctl(struct usock *sock, unsigned long request, void *arg);

/** usock__raw_local - does a packet to @dst on @ifindex meet the address that the socket is bound to? */
bool usock__raw_local(const struct usock__inet *inet, int family, const union inet_ip *dst, unsigned int ifindex);
/** usock__raw_remote - does one from @src meet the address it is connected to? */
bool usock__raw_remote(const struct usock__inet *inet, int family, const union inet_ip *src);

/** usock__raw_disconnect - connect to AF_UNSPEC */
int usock__raw_disconnect(struct usock__inet *inet);

/** usock__raw_prepare - destination, options and way of a datagram of a raw or ping socket */
int usock__raw_prepare(struct usock__inet *inet, struct usock__xfer *xfer, struct usock__send *send,
                       struct usock_endpoint *dst);

#endif
