/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sockfilter.h - SO_ATTACH_FILTER: programs of the classic BSD packet filter that decide what a socket receives.
 *
 * sockopt.c sets and removes them; packet, raw and UDP sockets run them on what arrives, beginning where Linux does:
 * at the Ethernet header (SOCK_RAW) or behind it (SOCK_DGRAM) for packet sockets, at the IP header for raw ones of
 * IPv4, at the UDP header. The filter of a socket is freed when the socket is: usock__filter_set(sock, NULL).
 */
#ifndef IOTH_USOCK_SOCKFILTER_H
#define IOTH_USOCK_SOCKFILTER_H

#include "private.h"

struct usock__filter;

/**
 * usock__filter_attach - SO_ATTACH_FILTER
 * @value: a struct sock_fprog of @len bytes; the program is copied
 *
 * 0; -EINVAL it is none, or it is not a program that ends, or it asks for what is not done here (loads of SKF_AD_OFF
 * and the like); -ENOPROTOOPT a TCP socket, whose segments are the engine's; -EPERM the filter is locked; -EFAULT;
 * -ENOMEM.
 */
int usock__filter_attach(struct usock *sock, const void *value, socklen_t len);

/** usock__filter_detach - SO_DETACH_FILTER: 0; -ENOENT; -EPERM it is locked */
int usock__filter_detach(struct usock *sock);

/** usock__filter_lock - SO_LOCK_FILTER: 0; -EPERM it is locked and shall not be any more */
int usock__filter_lock(struct usock *sock, bool lock);
bool usock__filter_locked(const struct usock *sock);

/**
 * usock__filter_get - SO_GET_FILTER: the program, and how many instructions it has
 * @len: in: instructions there is room for at @value, 0 to be told how many; out: how many there are, 0 when no
 * filter is set
 *
 * 0; -EINVAL there is not enough room.
 */
int usock__filter_get(const struct usock *sock, void *value, socklen_t *len);

/** usock__filter_free - the socket is going */
void usock__filter_free(struct usock *sock);

size_t usock__filter_run_on(const struct usock__filter *filter, const void *data, size_t len, size_t whole);

/**
 * usock__filter_run - how many bytes of a packet the socket is to get; 0: none of it
 * @data: the first @len bytes of the packet, of which @whole bytes are there or are not needed
 */
static inline size_t usock__filter_run(const struct usock *sock, const void *data, size_t len, size_t whole)
{
	return sock->filter == NULL ? whole : usock__filter_run_on(sock->filter, data, len, whole);
}

/** usock__filter_packet_on - usock__filter_packet of a socket that has a filter */
bool usock__filter_packet_on(const struct usock *sock, const struct usock_packet *packet, size_t header, size_t least,
                             size_t *len);

/**
 * usock__filter_packet - is an IP packet for the socket? false: not
 * @header: bytes of the IP header with which the filter begins, 0: it begins with the payload
 * @least: bytes that are left of it at least, whatever the filter says
 * @len: in: bytes of that header and of the payload; out: how many of them the socket gets
 */
static inline bool usock__filter_packet(const struct usock *sock, const struct usock_packet *packet, size_t header,
                                        size_t least, size_t *len)
{
	return sock->filter == NULL || usock__filter_packet_on(sock, packet, header, least, len);
}

#endif
