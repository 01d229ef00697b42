/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nlvde.h - find requests for interfaces of kind "vde" among netlink messages, see nlvde.c */
#ifndef VDESTACK_NLVDE_H
#define VDESTACK_NLVDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NLVDE_IFNAME 16
#define NLVDE_EXTRA 128 /* bytes that a packet may grow by when a request is replaced */

/** struct nlvde_request - a request to make an interface of kind vde */
struct nlvde_request {
	size_t start, len;         /* of its message in the packet; len without the padding behind it */
	char ifname[NLVDE_IFNAME]; /* "" when not given */
	uint32_t ifindex;          /* 0 when not given */
	uint32_t mtu;              /* 0 when not given */
	uint8_t mac[6];
	bool has_mac;
	bool tell;      /* the sender wants to be told the index */
	size_t vnl;     /* where the locator is in the packet; not NUL-terminated */
	size_t vnl_len; /* its bytes */
};

/**
 * nlvde_find - look through a packet, as sent to a NETLINK_ROUTE socket
 * @from: where to begin
 *
 * Returns 1 when there is such a request, 0 when there is none, -EINVAL when there is one that cannot be understood.
 * What is malformed otherwise is left for the kernel to judge.
 */
int nlvde_find(const void *packet, size_t len, size_t from, struct nlvde_request *out);

/** nlvde_is_dellink - is there a request to delete an interface in the packet? */
bool nlvde_is_dellink(const void *packet, size_t len);

/**
 * nlvde_replace - the packet with the request replaced by others about the interface that has been made
 * @ifindex: of the interface
 * @out: room for @len + NLVDE_EXTRA bytes
 * @next: where what followed the request begins in @out
 *
 * The kernel's answer to them is what the sender of the request waits for. Returns the length of the new packet.
 */
size_t nlvde_replace(const void *packet, size_t len, const struct nlvde_request *request, uint32_t ifindex, void *out,
                     size_t *next);

#endif
