/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * arp.c - ARP (RFC 826, RFC 5227) for IPv4 on Ethernet, as Linux does it unless told otherwise.
 *
 * We answer for every address of the stack on every interface (arp_ignore 0), also probes. A request to us makes its
 * sender known, since we are going to answer it; anything else only updates what is known already (arp_accept 0), so
 * that what is merely heard on the network costs nothing. Addresses are neither announced when they are
 * added (arp_notify 0) nor defended. For others we answer only where neigh_proxy.c says so. No state: what is learned
 * is in neigh.c.
 *
 * Within a second of a change the first answer wins (LOCKTIME): when two answer for an address, it does not flap.
 */
#include "neigh.h"

#include <net/ethernet.h>

#define LOCKTIME INET_SECOND

/* Offsets in an ARP packet of IPv4 on Ethernet. */
enum arp_field {
	ARP_HARDWARE = 0,
	ARP_PROTOCOL = 2,
	ARP_HARDWARE_LEN = 4,
	ARP_PROTOCOL_LEN = 5,
	ARP_OPERATION = 6,
	ARP_SENDER_MAC = 8,
	ARP_SENDER = 14,
	ARP_TARGET_MAC = 18,
	ARP_TARGET = 24,
	ARP_LEN = 28
};

static const unsigned char everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/** send_arp - send a request or an answer; @target_mac: what is in the packet, @to: in the Ethernet header */
static void send_arp(struct inet_iface *iface, unsigned int operation, struct in_addr sender, struct in_addr target,
                     const unsigned char target_mac[6], const unsigned char to[6])
{
	unsigned char frame[INET_HEADROOM + ARP_LEN], *packet = frame + INET_HEADROOM;

	if ((iface->flags & (IFF_UP | IFF_NOARP | IFF_LOOPBACK)) != IFF_UP)
		return;
	inet__put16(packet + ARP_HARDWARE, ARPHRD_ETHER);
	inet__put16(packet + ARP_PROTOCOL, ETHERTYPE_IP);
	packet[ARP_HARDWARE_LEN] = 6;
	packet[ARP_PROTOCOL_LEN] = 4;
	inet__put16(packet + ARP_OPERATION, operation);
	memcpy(packet + ARP_SENDER_MAC, iface->mac, 6);
	memcpy(packet + ARP_SENDER, &sender, 4);
	memcpy(packet + ARP_TARGET_MAC, target_mac, 6);
	memcpy(packet + ARP_TARGET, &target, 4);
	inet__ether_send(iface, ETHERTYPE_ARP, to, packet, ARP_LEN);
}

/** source_for - an address of ours to ask from: one on the target's network, else one of whatever interface */
static struct in_addr source_for(struct inet_iface *iface, struct in_addr target)
{
	union inet_ip ip = {.v4 = target}, source = {.v4 = {INADDR_ANY}};

	for (const struct inet_addr *addr = iface->addrs; addr; addr = addr->next) {
		if (addr->family == AF_INET && inet__ip_match(AF_INET, &addr->peer, &ip, addr->prefixlen))
			return addr->local.v4;
	}
	if (inet__source(iface->inet, AF_INET, iface, &ip, RT_SCOPE_LINK, &source))
		return source.v4;
	return (struct in_addr){INADDR_ANY};
}

void inet__arp_ask(struct inet_iface *iface, struct in_addr target, const unsigned char *mac, const struct in_addr *src)
{
	static const unsigned char unknown[6];

	send_arp(iface, ARPOP_REQUEST, src ? *src : source_for(iface, target), target, mac ? mac : unknown,
	         mac ? mac : everybody);
}

/** valid - is it ARP for IPv4 on Ethernet, from somebody who can be? */
static bool valid(const unsigned char *packet, size_t len)
{
	unsigned int operation;

	if (len < ARP_LEN)
		return false;
	operation = inet__get16(packet + ARP_OPERATION);
	return inet__get16(packet + ARP_HARDWARE) == ARPHRD_ETHER &&
	       inet__get16(packet + ARP_PROTOCOL) == ETHERTYPE_IP && packet[ARP_HARDWARE_LEN] == 6 &&
	       packet[ARP_PROTOCOL_LEN] == 4 && (operation == ARPOP_REQUEST || operation == ARPOP_REPLY) &&
	       inet__mac_unicast(packet + ARP_SENDER_MAC);
}

/** neighbourly - an address that somebody else can have: not 0/8, loopback, a group or broadcast, or ours */
static bool neighbourly(struct inet_iface *iface, const union inet_ip *ip)
{
	uint32_t host = ntohl(ip->v4.s_addr);

	return host >> 24 != 0 && host >> 24 != 127 && host >> 28 < 14 &&
	       inet_addr_type(iface->inet, AF_INET, ip, iface) == RTN_UNICAST &&
	       !inet_local(iface->inet, AF_INET, ip, NULL);
}

/** heard - update what is known of the sender of a packet that was not a question to us */
static void heard(struct inet_iface *iface, const unsigned char *packet, const union inet_ip *sender,
                  const union inet_ip *target)
{
	struct inet_neigh *neigh = inet__neigh_find(iface, AF_INET, sender);
	bool late = neigh && inet__now(iface->inet) - neigh->updated > LOCKTIME;
	bool answer = inet__get16(packet + ARP_OPERATION) == ARPOP_REPLY;
	bool announcement = inet__ip_equal(AF_INET, sender, target);
	/* Only an answer to somebody in particular shows that he was heard. */
	bool reachable = answer && !announcement && memcmp(packet + ARP_TARGET_MAC, iface->mac, 6) == 0;

	if (!neigh)
		return;
	inet__neigh_update(neigh, packet + ARP_SENDER_MAC, reachable ? NUD_REACHABLE : NUD_STALE,
	                   announcement || late ? INET__NEIGH_OVERRIDE : 0);
}

void inet__arp_input(struct inet_iface *iface, const unsigned char *packet, size_t len)
{
	union inet_ip sender = {0}, target = {0};
	const unsigned char *sender_mac = packet + ARP_SENDER_MAC;
	bool question;

	if ((iface->flags & (IFF_NOARP | IFF_LOOPBACK)) || !valid(packet, len)) {
		iface->stats.rx_dropped++;
		return;
	}
	memcpy(&sender.v4, packet + ARP_SENDER, 4);
	memcpy(&target.v4, packet + ARP_TARGET, 4);
	question = inet__get16(packet + ARP_OPERATION) == ARPOP_REQUEST && ntohl(target.v4.s_addr) >> 24 != 127 &&
	           inet_local(iface->inet, AF_INET, &target, NULL);
	if (!question && inet__get16(packet + ARP_OPERATION) == ARPOP_REQUEST && sender.v4.s_addr != INADDR_ANY)
		question = inet__neigh_proxy_answers(iface, &target);
	if (question && sender.v4.s_addr == INADDR_ANY) {
		/* Somebody checks whether the address is free. */
		send_arp(iface, ARPOP_REPLY, target.v4, sender.v4, sender_mac, sender_mac);
		return;
	}
	if (!neighbourly(iface, &sender))
		return;
	if (question) {
		inet__neigh_learn(iface, AF_INET, &sender, sender_mac, NUD_STALE, INET__NEIGH_OVERRIDE, true);
		send_arp(iface, ARPOP_REPLY, target.v4, sender.v4, sender_mac, sender_mac);
	} else {
		heard(iface, packet, &sender, &target);
	}
}
