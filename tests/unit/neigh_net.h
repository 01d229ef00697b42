/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * neigh_net.h - a configured stack without engine, network and clock, for the tests of neighbours.
 *
 * Two interfaces of kind vde, a and b, whose networks are a list of frames: what the stack sends is kept there until
 * the test takes it. Time stands still until the test moves it. The engine only hands ICMPv6 back.
 */
#ifndef TESTS_UNIT_NEIGH_NET_H
#define TESTS_UNIT_NEIGH_NET_H

#include "neigh.h"

#define NET_FRAMES 4096

struct net_frame {
	struct inet_iface *iface;
	size_t len;
	unsigned char bytes[256]; /* the beginning, if it is longer */
};

struct net {
	struct inet *inet;
	struct inet_iface *a, *b;
	int64_t now;
	unsigned int first, sent; /* frames not taken yet, and all that were sent */
	struct net_frame frame[NET_FRAMES];
	unsigned int unreachable;   /* packets that came back */
	unsigned char returned[64]; /* the beginning of the last of them */
	unsigned int packets;       /* IP packets for the engine */
	unsigned int notified;      /* messages for those who monitor */
	unsigned int routes_changed;
	bool send_again; /* unreachable sends, as an engine might */
};

extern const unsigned char net_mac_a[6], net_mac_b[6];

/** net_open - a stack with both interfaces up; a has 10.0.0.1/24, fe80::1/64 and 2001:db8::1/64 */
struct net *net_open(void);
void net_close(struct net *net);
/** net_pass - let time pass, running the timers when they are due */
void net_pass(struct net *net, int64_t nanoseconds);
/** net_take - the next frame that was sent, NULL: none; net_skip - forget all; net_count - how many are there */
struct net_frame *net_take(struct net *net);
void net_skip(struct net *net);
unsigned int net_count(const struct net *net);
/** net_input - a frame comes in; a copy that ends where it ends, so that a sanitizer sees what is read behind it */
void net_input(struct inet_iface *iface, const unsigned char *frame, size_t len);

union inet_ip net_ip(const char *text);

/** struct net_arp - an ARP packet */
struct net_arp {
	unsigned char to[6], from[6]; /* Ethernet */
	unsigned int operation;
	unsigned char sender_mac[6], target_mac[6];
	struct in_addr sender, target;
};
/** net_arp_input - it comes in; net_arp_take - the next frame must be ARP */
void net_arp_input(struct inet_iface *iface, const struct net_arp *arp);
void net_arp_take(struct net *net, struct net_arp *arp);

/** net_send4, net_send6 - the engine sends a packet of @len bytes, all zero but for the addresses: as inet_output */
int net_send4(struct inet_iface *iface, const char *src, const char *dst, size_t len);
int net_send6(struct inet_iface *iface, const char *src, const char *dst, size_t len);

/** struct net_nd - a message of neighbour discovery, received or to be */
struct net_nd {
	unsigned char to[6], from[6]; /* Ethernet */
	struct in6_addr src, dst;
	unsigned int hop_limit;
	unsigned char message[200]; /* ICMPv6 */
	size_t len;
};
/** net_nd_take - the next frame must be one, with a right checksum */
void net_nd_take(struct net *net, struct net_nd *nd);
/** net_nd_option - find one, NULL: not there */
const unsigned char *net_nd_option(const struct net_nd *nd, size_t fixed, uint8_t type);

/** net_state - NUD_* of an entry, or 0 */
uint16_t net_state(struct inet_iface *iface, const char *ip);
struct inet_neigh *net_neigh(struct inet_iface *iface, const char *ip);

#endif
