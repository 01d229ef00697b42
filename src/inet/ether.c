/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ether.c - frames, in and out: the Ethernet header, the hardware filter, and who is meant.
 *
 * No state. What comes in is hostile: nothing is read that was not measured. Frames that no hardware filter would let
 * through are not counted; those that nobody here understands are, as dropped.
 */
#include "neigh.h"

#include <errno.h>
#include <net/ethernet.h>

#define HEADER 14 /* destination, source, type */

_Static_assert(INET_HEADROOM >= HEADER, "the header is written before the packet");

static const unsigned char ether_broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/** unwanted - a frame that the hardware would not deliver, or that is our own come back */
static bool unwanted(const struct inet_iface *iface, const unsigned char *frame)
{
	const unsigned char *source = frame + 6;

	if (iface->flags & IFF_LOOPBACK)
		return false;
	return !inet_wants(iface, frame) || !inet__mac_unicast(source) || memcmp(source, iface->mac, 6) == 0;
}

/** dispatch - a frame for us, by its type; true: the buffer was kept */
static bool dispatch(struct inet_iface *iface, unsigned int type, unsigned char *packet, size_t len, void *buffer)
{
	const struct inet *inet = iface->inet;

	switch (type) {
	case ETHERTYPE_ARP:
		inet__arp_input(iface, packet, len);
		return false;
	case ETHERTYPE_IP:
		return inet->ops->ip_input(inet->owner, iface, AF_INET, packet, len, buffer);
	case ETHERTYPE_IPV6:
		if (inet__iface_has6(iface))
			return inet->ops->ip_input(inet->owner, iface, AF_INET6, packet, len, buffer);
		break;
	default: /* tagged for a virtual network, or what not */
		break;
	}
	iface->stats.rx_dropped++;
	return false;
}

bool inet_input(struct inet_iface *iface, unsigned char *frame, size_t len, void *buffer)
{
	bool group;

	if (!(iface->flags & IFF_UP))
		return false;
	if (len < HEADER) {
		iface->stats.rx_errors++;
		iface->stats.rx_length_errors++;
		return false;
	}
	if (unwanted(iface, frame))
		return false;
	iface->stats.rx_packets++;
	iface->stats.rx_bytes += len;
	group = frame[0] & 1;
	if (group && memcmp(frame, ether_broadcast, 6) != 0)
		iface->stats.multicast++;
	/* Promiscuous: packet sockets may look at what is for others, nobody else. */
	if (!group && !(iface->flags & IFF_LOOPBACK) && memcmp(frame, iface->mac, 6) != 0)
		return false;
	return dispatch(iface, inet__get16(frame + 12), frame + HEADER, len - HEADER, buffer);
}

void inet__ether_send(struct inet_iface *iface, unsigned int type, const unsigned char mac[6], unsigned char *packet,
                      size_t len)
{
	const struct inet *inet = iface->inet;
	unsigned char *frame = packet - HEADER;

	if (!iface->carrier) {
		iface->stats.tx_dropped++;
		return;
	}
	memcpy(frame, mac, 6);
	memcpy(frame + 6, iface->mac, 6);
	inet__put16(frame + 12, type);
	inet->ops->transmit(inet->owner, iface, frame, len + HEADER);
}

int inet_output_to(struct inet_iface *iface, int family, const unsigned char mac[6], unsigned char *packet, size_t len)
{
	if (!(iface->flags & IFF_UP))
		return -ENETDOWN;
	inet__ether_send(iface, family == AF_INET ? ETHERTYPE_IP : ETHERTYPE_IPV6, mac, packet, len);
	return 0;
}

int inet_output(struct inet_iface *iface, int family, const union inet_ip *dst, unsigned char *packet, size_t len)
{
	unsigned char mac[6];

	if (!(iface->flags & IFF_UP))
		return -ENETDOWN;
	if (iface->flags & IFF_LOOPBACK)
		return inet_output_to(iface, family, iface->mac, packet, len);
	if (inet__ip_is_group(family, dst)) {
		inet__group_mac(family, dst, mac);
		return inet_output_to(iface, family, mac, packet, len);
	}
	if (family == AF_INET && dst->v4.s_addr == INADDR_BROADCAST)
		return inet_output_to(iface, family, ether_broadcast, packet, len);
	return inet__neigh_send(iface, family, dst, packet, len);
}
