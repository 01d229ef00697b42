/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ipopt.h - the tables of options of IPPROTO_IP and IPPROTO_IPV6.
 */
#ifndef IOTH_USOCK_IPOPT_H
#define IOTH_USOCK_IPOPT_H

#include "ip.h"

#include <limits.h>
#include <stddef.h>

#define USOCK_IP_SOME 1U      /* no value at all is an error */
#define USOCK_IP_RAW 2U       /* of raw sockets only */
#define USOCK_IP_NO_STREAM 4U /* not of TCP */
#define USOCK_IP_STRICT 8U    /* a flag that is 0 or 1, nothing else */
#define USOCK_IP_NOT_ZERO 16U
#define USOCK_IP_SHORT 32U /* of IPv6: too short a value is 0 */

/** struct usock__ip_option - an option that is a number: a bool or an int in struct usock__ip */
struct usock__ip_option {
	int name;
	unsigned int rules;
	size_t offset, size;
	int least, most;
};

#define USOCK_IP_FLAG(option, field, how)                                                                              \
	{                                                                                                              \
		option, how, offsetof(struct usock__ip, field), sizeof(bool), 0, 1                                     \
	}
#define USOCK_IP_NUMBER(option, field, low, high, how)                                                                 \
	{                                                                                                              \
		option, how, offsetof(struct usock__ip, field), sizeof(int), low, high                                 \
	}

const struct usock__ip_option *usock__ip_option(const struct usock__ip_option *table, size_t count, int name);
/** usock__ip_option_check - may the socket have this number? */
int usock__ip_option_check(const struct usock *sock, const struct usock__ip_option *option, int number);
void usock__ip_option_put(struct usock__ip *ip, const struct usock__ip_option *option, int number);
int usock__ip_option_get(const struct usock__ip *ip, const struct usock__ip_option *option);

/** usock__ip_give - as much of an answer as there is room for; 0 */
int usock__ip_give(void *value, socklen_t *len, const void *from, size_t size);

/** usock__ip_path - the way to where the socket is connected to: its family; -ENOTCONN */
int usock__ip_path(struct usock__inet *sock, struct usock__send *send);

/** usock__ip_set_unicast_if - IP_UNICAST_IF, IPV6_UNICAST_IF: an index in network byte order */
int usock__ip_set_unicast_if(struct usock__inet *sock, unsigned int *field, const void *value, socklen_t len);

/* ipopt6.c */
int usock__ip_set6(struct usock__inet *sock, int name, const void *value, socklen_t len);
int usock__ip_get6(struct usock__inet *sock, int name, void *value, socklen_t *len);

#endif
