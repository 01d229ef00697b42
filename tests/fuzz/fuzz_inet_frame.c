/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_inet_frame.c - frames against a configured stack: src/inet/{ether,arp,nd,ra,neigh,waiting}.c and what they
 * change
 *
 * The stack has two interfaces with addresses of both families and listens to routers. The input is a list of records,
 * each a byte that says what it is, a byte of length, and as many bytes:
 *
 *     0  time passes: tenths of a second, each byte
 *     1  we send a packet to a neighbour: family, last byte of the address, length
 *     2  ARP: what is behind the Ethernet header
 *     3  ICMPv6 from the network: last byte of the source, which destination, then the message
 *     4  a whole frame      5  a whole frame to our hardware address
 *     6  an upper layer confirms     7  configuration changes
 *
 * 8 is added for the other interface. Afterwards bounds are checked: whatever came, the tables are no larger than
 * they may be and nothing is left to do at once.
 */
#include "neigh.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned char own[2][6] = {{0x02, 0, 0, 0, 0, 0x0a}, {0x02, 0, 0, 0, 0, 0x0b}};

struct world {
	struct inet *inet;
	struct inet_iface *iface[2];
	int64_t now;
	unsigned int depth; /* of calls of the engine into us */
};

static void check(bool kept)
{
	if (!kept)
		abort();
}

/* ----------------------------------------------------------------------------------------------------------- owner */

static int64_t op_now(void *owner)
{
	return ((struct world *)owner)->now;
}

static int op_iface(void *owner, struct inet_iface *iface)
{
	(void)owner;
	(void)iface;
	return 0;
}

static void op_iface_gone(void *owner, struct inet_iface *iface)
{
	(void)owner;
	(void)iface;
}

static void op_iface_change(void *owner, struct inet_iface *iface, unsigned int what)
{
	(void)owner;
	(void)iface;
	(void)what;
}

static int op_addr(void *owner, struct inet_addr *addr)
{
	(void)owner;
	(void)addr;
	return 0;
}

static void op_addr_gone(void *owner, struct inet_addr *addr)
{
	(void)owner;
	(void)addr;
}

static int op_group(void *owner, struct inet_iface *iface, int family, const union inet_ip *group)
{
	(void)owner;
	(void)iface;
	(void)family;
	(void)group;
	return 0;
}

static void op_group_gone(void *owner, struct inet_iface *iface, int family, const union inet_ip *group)
{
	(void)owner;
	(void)iface;
	(void)family;
	(void)group;
}

/** op_transmit - every byte that leaves must have been written */
static void op_transmit(void *owner, struct inet_iface *iface, unsigned char *frame, size_t len)
{
	volatile unsigned char sink = 0;

	(void)owner;
	check((iface->flags & IFF_UP) && len >= 14);
	for (size_t i = 0; i < len; i++)
		sink ^= frame[i];
	check((iface->flags & IFF_LOOPBACK) || memcmp(frame + 6, iface->mac, 6) == 0);
	(void)sink;
}

static bool op_ip_input(void *owner, struct inet_iface *iface, int family, unsigned char *packet, size_t len,
                        void *buffer)
{
	struct in6_addr src, dst;
	size_t payload;

	(void)owner;
	(void)buffer;
	if (family != AF_INET6 || len < 40 || packet[6] != IPPROTO_ICMPV6)
		return false;
	payload = inet__get16(packet + 4);
	if (payload > len - 40)
		return false;
	memcpy(&src, packet + 8, 16);
	memcpy(&dst, packet + 24, 16);
	inet_icmp6_input(iface, &src, &dst, packet[7], packet + 40, payload);
	return false;
}

static void op_ip_output(void *owner, struct inet_iface *iface, const unsigned char mac[6], unsigned char *packet,
                         size_t len)
{
	(void)owner;
	inet_output_to(iface, AF_INET6, mac, packet, len);
}

/** op_unreachable - an engine may send at once: an error to somebody, or the same again */
static void op_unreachable(void *owner, struct inet_iface *iface, int family, const unsigned char *packet, size_t len)
{
	struct world *world = owner;
	unsigned char room[INET_HEADROOM + 64] = {0};
	union inet_ip dst = {0};

	(void)iface;
	if (world->depth > 0 || len < (family == AF_INET ? 20U : 40U))
		return;
	world->depth++;
	memcpy(&dst, packet + (family == AF_INET ? 16 : 24), inet__addr_len(family));
	inet_output(world->iface[1], family, &dst, room + INET_HEADROOM, 64);
	world->depth--;
}

static void op_routes_changed(void *owner)
{
	(void)owner;
}

static void op_notify(void *owner, struct nlq_msg *queue, uint32_t seq, uint32_t portid)
{
	(void)owner;
	(void)seq;
	(void)portid;
	nlq_free(&queue);
}

static const struct inet_ops ops = {
        .now = op_now,
        .iface_add = op_iface,
        .iface_del = op_iface_gone,
        .iface_change = op_iface_change,
        .addr_add = op_addr,
        .addr_del = op_addr_gone,
        .group_join = op_group,
        .group_leave = op_group_gone,
        .link_create = op_iface,
        .link_destroy = op_iface_gone,
        .transmit = op_transmit,
        .ip_input = op_ip_input,
        .ip_output = op_ip_output,
        .unreachable = op_unreachable,
        .routes_changed = op_routes_changed,
        .notify = op_notify,
};

/* ----------------------------------------------------------------------------------------------------------- world */

/** ip_of - an address by one byte: 10.0.N.byte, or fe80::byte, or 2001:db8::byte */
static union inet_ip ip_of(int family, unsigned int byte)
{
	static const unsigned char prefix[2][8] = {{0xfe, 0x80}, {0x20, 0x01, 0x0d, 0xb8}};
	union inet_ip ip = {0};

	if (family == AF_INET) {
		ip.v4.s_addr = htonl(0x0a000000 | (byte & 128) << 1 | (byte & 127));
	} else {
		memcpy(&ip, prefix[byte >> 7], 8);
		ip.v6.s6_addr[15] = byte & 127;
	}
	return ip;
}

static void add(struct inet_iface *iface, int family, unsigned int byte)
{
	struct inet__addr_spec spec = {.family = family,
	                               .prefixlen = family == AF_INET ? 24 : 64,
	                               .preferred = INET_FOREVER,
	                               .valid = INET_FOREVER};

	spec.local = spec.peer = ip_of(family, byte);
	inet__addr_add(iface, &spec, NLM_F_CREATE | NLM_F_EXCL, NULL);
}

static void pass(struct world *world, int64_t time)
{
	int64_t end = world->now + time, next;

	while ((next = inet_deadline(world->inet)) <= end) {
		if (next > world->now)
			world->now = next;
		inet_run_timers(world->inet);
		check(inet_deadline(world->inet) > world->now);
	}
	world->now = end;
}

static void up(struct world *world, unsigned int i)
{
	struct inet_iface **iface = &world->iface[i];

	check(inet_iface_new(world->inet, i ? "b" : "a", "vde", "none://", own[i], 0, iface) == 0);
	inet_iface_carrier(*iface, true);
	(*iface)->accept_ra = (*iface)->autoconf = true;
	check(inet__iface_set_flags(*iface, IFF_UP, IFF_UP) == 0);
	add(*iface, AF_INET, i ? 129 : 1);
	add(*iface, AF_INET6, 1);
	add(*iface, AF_INET6, i ? 130 : 129);
}

/* --------------------------------------------------------------------------------------------------------- records */

static void send_packet(struct inet_iface *iface, const uint8_t *data, size_t len)
{
	int family = len > 0 && (data[0] & 1) ? AF_INET6 : AF_INET;
	size_t size = len > 2 ? 40U + data[2] * 4U : 40;
	unsigned char *room = calloc(1, INET_HEADROOM + size);
	union inet_ip dst = ip_of(family, len > 1 ? data[1] : 2), src = ip_of(family, 1);

	check(room != NULL);
	memcpy(room + INET_HEADROOM + (family == AF_INET ? 12 : 8), &src, inet__addr_len(family));
	memcpy(room + INET_HEADROOM + (family == AF_INET ? 16 : 24), &dst, inet__addr_len(family));
	inet_output(iface, family, &dst, room + INET_HEADROOM, size);
	free(room);
}

static void icmp6(struct inet_iface *iface, const uint8_t *data, size_t len)
{
	union inet_ip src, dst;
	unsigned char *copy;

	if (len < 2)
		return;
	src = ip_of(AF_INET6, data[0]);
	if (data[0] == 0)
		memset(&src, 0, sizeof(src));
	dst = ip_of(AF_INET6, 1);
	if (data[1] & 1)
		dst = (union inet_ip){.v6 = {{{0xff, 2, [15] = 1}}}};
	if ((data[1] & 2) && len >= 26)
		memcpy(&dst.v6, data + 10, 16);
	if ((data[1] & 4) && len >= 26) {
		struct in6_addr target;

		memcpy(&target, data + 10, 16);
		dst.v6 = inet__solicited_node(&target);
	}
	copy = malloc(len - 2 > 0 ? len - 2 : 1);
	check(copy != NULL);
	memcpy(copy, data + 2, len - 2);
	inet_icmp6_input(iface, &src.v6, &dst.v6, data[1] & 128 ? 64 : 255, copy, len - 2);
	free(copy);
}

/** frame - @head: Ethernet header to put before it, or NULL; @to_us: replace the destination */
static void frame(struct inet_iface *iface, const unsigned char *head, bool to_us, const uint8_t *data, size_t len)
{
	size_t before = head ? 14 : 0;
	unsigned char *copy = malloc(before + len > 0 ? before + len : 1);

	check(copy != NULL);
	if (head)
		memcpy(copy, head, 14);
	memcpy(copy + before, data, len);
	if (to_us && before + len >= 6)
		memcpy(copy, iface->mac, 6);
	check(!inet_input(iface, copy, before + len, NULL));
	free(copy);
}

static void configure(struct world *world, struct inet_iface *iface, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		switch (data[i] & 7) {
		case 0:
		case 1:
			inet_iface_carrier(iface, data[i] & 1);
			break;
		case 2:
		case 3:
			inet__iface_set_flags(iface, data[i] & 1 ? IFF_UP : 0, IFF_UP);
			break;
		case 4:
			inet_set_forwarding(world->inet, data[i] & 8);
			break;
		case 5:
			inet__iface_set_addr_gen_mode(iface, data[i] & 8 ? IN6_ADDR_GEN_MODE_STABLE_PRIVACY
			                                                 : IN6_ADDR_GEN_MODE_EUI64);
			break;
		case 6:
			inet__iface_set_mtu(iface, data[i] & 8 ? 1500 : 1000);
			break;
		default:
			add(iface, data[i] & 8 ? AF_INET6 : AF_INET, data[i] >> 4);
			break;
		}
	}
}

static void record(struct world *world, unsigned int kind, const uint8_t *data, size_t len)
{
	static const unsigned char arp[14] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 1, 1, 1, 1, 1, 8, 6};
	struct inet_iface *iface = world->iface[kind >> 3 & 1];
	union inet_ip ip;

	switch (kind & 7) {
	case 0:
		for (size_t i = 0; i < len; i++)
			pass(world, data[i] * INT64_C(100000000));
		break;
	case 1:
		send_packet(iface, data, len);
		break;
	case 2:
		frame(iface, arp, kind & 16, data, len);
		break;
	case 3:
		icmp6(iface, data, len);
		break;
	case 4:
	case 5:
		frame(iface, NULL, kind & 1, data, len);
		break;
	case 6:
		ip = ip_of(len > 0 && (data[0] & 1) ? AF_INET6 : AF_INET, len > 1 ? data[1] : 2);
		inet_confirm(world->inet, len > 0 && (data[0] & 1) ? AF_INET6 : AF_INET, &ip);
		break;
	default:
		configure(world, iface, data, len);
		break;
	}
}

static void check_bounds(struct world *world)
{
	unsigned int entries;

	for (int family = 0; family < 2; family++) {
		entries = 0;
		for (struct inet_neigh *n = inet__neigh_first(world->inet, family ? AF_INET6 : AF_INET); n;
		     n = inet__neigh_next(n)) {
			entries++;
			check(!n->has_mac || inet__mac_unicast(n->mac));
			check(!(n->state & INET__NUD_VALID) == !n->has_mac);
		}
		check(entries <= 1024);
	}
	for (int i = 0; i < 2; i++) {
		const struct inet__nd *nd = world->iface[i]->private->nd;
		unsigned int made = 0;

		check(nd->routers <= INET__ROUTERS_MAX && nd->prefixes <= INET__PREFIXES_MAX);
		for (const struct inet_addr *addr = world->iface[i]->addrs; addr; addr = addr->next)
			made += addr->proto == 2; /* IFAPROT_KERNEL_RA */
		check(made <= INET__SLAAC_MAX);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = {.now = INET_SECOND};

	world.inet = inet_new(&ops, &world);
	check(world.inet != NULL);
	up(&world, 0);
	up(&world, 1);
	if (size > 0 && (data[0] & 32)) /* with duplicate address detection still going on, or done */
		pass(&world, 5 * INET_SECOND);
	while (size >= 2) {
		size_t len = data[1] <= size - 2 ? data[1] : size - 2;

		record(&world, data[0], data + 2, len);
		data += 2 + len;
		size -= 2 + len;
	}
	check_bounds(&world);
	pass(&world, 10 * INET_SECOND);
	check_bounds(&world);
	inet_free(world.inet);
	return 0;
}
