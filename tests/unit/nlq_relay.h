/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nlq_relay.h - what nlq_relay.c and relay_server.c say to each other. */
#ifndef NLQ_RELAY_H
#define NLQ_RELAY_H

#include <stdint.h>

#define RELAY_PATH "NLQ_RELAY" /* environment variable: path of the UNIX socket, of packets */

/** struct relay_header - before each datagram of requests; answers come as they are */
struct relay_header {
	uint32_t options; /* NLQ_* of the socket */
	uint32_t groups;  /* multicast groups, as in sockaddr_nl */
	uint32_t portid;  /* its netlink port; ip(8) skips what is not addressed to it */
};

#endif
