/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "neigh_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <stdlib.h>

const unsigned char net_mac_a[6] = {0x02, 0, 0, 0, 0, 0x0a}, net_mac_b[6] = {0x02, 0, 0, 0, 0, 0x0b};

/* ------------------------------------------------------------------------------------------------- struct inet_ops */

static int64_t op_now(void *owner)
{
	return ((struct net *)owner)->now;
}

static int op_iface_add(void *owner, struct inet_iface *iface)
{
	(void)owner;
	(void)iface;
	return 0;
}

static void op_iface_del(void *owner, struct inet_iface *iface)
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

static int op_addr_add(void *owner, struct inet_addr *addr)
{
	(void)owner;
	(void)addr;
	return 0;
}

static void op_addr_del(void *owner, struct inet_addr *addr)
{
	(void)owner;
	(void)addr;
}

static int op_group_join(void *owner, struct inet_iface *iface, int family, const union inet_ip *group)
{
	(void)owner;
	(void)iface;
	(void)family;
	(void)group;
	return 0;
}

static void op_group_leave(void *owner, struct inet_iface *iface, int family, const union inet_ip *group)
{
	(void)owner;
	(void)iface;
	(void)family;
	(void)group;
}

static int op_link_create(void *owner, struct inet_iface *iface)
{
	(void)owner;
	(void)iface;
	return 0;
}

static void op_link_destroy(void *owner, struct inet_iface *iface)
{
	(void)owner;
	(void)iface;
}

static void op_transmit(void *owner, struct inet_iface *iface, unsigned char *frame, size_t len)
{
	struct net *net = owner;
	struct net_frame *kept = &net->frame[net->sent++ % NET_FRAMES];

	if (net->sent - net->first > NET_FRAMES)
		net->first = net->sent - NET_FRAMES;
	kept->iface = iface;
	kept->len = len;
	memcpy(kept->bytes, frame, len < sizeof(kept->bytes) ? len : sizeof(kept->bytes));
}

static bool op_ip_input(void *owner, struct inet_iface *iface, int family, unsigned char *packet, size_t len,
                        void *buffer)
{
	struct net *net = owner;
	struct in6_addr src, dst;
	size_t payload;

	(void)buffer;
	net->packets++;
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

static void op_unreachable(void *owner, struct inet_iface *iface, int family, const unsigned char *packet, size_t len)
{
	struct net *net = owner;

	net->unreachable++;
	memcpy(net->returned, packet, len < sizeof(net->returned) ? len : sizeof(net->returned));
	if (net->send_again && family == AF_INET)
		net_send4(iface, "10.0.0.1", "10.0.0.250", 40);
}

static void op_routes_changed(void *owner)
{
	((struct net *)owner)->routes_changed++;
}

static void op_notify(void *owner, struct nlq_msg *queue, uint32_t seq, uint32_t portid)
{
	(void)seq;
	(void)portid;
	((struct net *)owner)->notified++;
	nlq_free(&queue);
}

static const struct inet_ops ops = {
        .now = op_now,
        .iface_add = op_iface_add,
        .iface_del = op_iface_del,
        .iface_change = op_iface_change,
        .addr_add = op_addr_add,
        .addr_del = op_addr_del,
        .group_join = op_group_join,
        .group_leave = op_group_leave,
        .link_create = op_link_create,
        .link_destroy = op_link_destroy,
        .transmit = op_transmit,
        .ip_input = op_ip_input,
        .ip_output = op_ip_output,
        .unreachable = op_unreachable,
        .routes_changed = op_routes_changed,
        .notify = op_notify,
};

/* ------------------------------------------------------------------------------------------------------------- net */

static void add(struct inet_iface *iface, int family, const char *text, uint8_t prefixlen)
{
	struct inet__addr_spec spec = {
	        .family = family, .prefixlen = prefixlen, .preferred = INET_FOREVER, .valid = INET_FOREVER};

	spec.local = spec.peer = net_ip(text);
	assert_int_equal(inet__addr_add(iface, &spec, NLM_F_CREATE | NLM_F_EXCL, NULL), 0);
}

static struct inet_iface *up(struct net *net, const char *name, const unsigned char mac[6])
{
	struct inet_iface *iface;

	assert_int_equal(inet_iface_new(net->inet, name, "vde", "none://", mac, 0, &iface), 0);
	iface->addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;
	if (!iface->carrier)
		inet_iface_carrier(iface, true);
	assert_int_equal(inet__iface_set_flags(iface, IFF_UP, IFF_UP), 0);
	return iface;
}

struct net *net_open(void)
{
	struct net *net = calloc(1, sizeof(*net));

	if (!net)
		abort();
	net->now = 1000 * INET_SECOND;
	net->inet = inet_new(&ops, net);
	assert_non_null(net->inet);
	net->a = up(net, "a", net_mac_a);
	net->b = up(net, "b", net_mac_b);
	add(net->a, AF_INET, "10.0.0.1", 24);
	add(net->a, AF_INET6, "fe80::1", 64);
	add(net->a, AF_INET6, "2001:db8::1", 64);
	net_pass(net, 20 * INET_SECOND);
	net_skip(net);
	assert_true(inet_deadline(net->inet) == INET_NEVER);
	net->notified = net->routes_changed = 0;
	return net;
}

void net_close(struct net *net)
{
	inet_free(net->inet);
	free(net);
}

void net_pass(struct net *net, int64_t nanoseconds)
{
	int64_t end = net->now + nanoseconds, next;

	while ((next = inet_deadline(net->inet)) <= end) {
		if (next > net->now)
			net->now = next;
		inet_run_timers(net->inet);
		assert_true(inet_deadline(net->inet) > net->now); /* or the stack would never sleep */
	}
	net->now = end;
}

struct net_frame *net_take(struct net *net)
{
	return net->first < net->sent ? &net->frame[net->first++ % NET_FRAMES] : NULL;
}

void net_skip(struct net *net)
{
	net->first = net->sent;
}

unsigned int net_count(const struct net *net)
{
	return net->sent - net->first;
}

void net_input(struct inet_iface *iface, const unsigned char *frame, size_t len)
{
	unsigned char *copy = malloc(len > 0 ? len : 1);

	if (!copy)
		abort();
	memcpy(copy, frame, len);
	assert_false(inet_input(iface, copy, len, NULL));
	free(copy);
}

union inet_ip net_ip(const char *text)
{
	union inet_ip ip = {0};

	assert_int_equal(inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, &ip), 1);
	return ip;
}

struct inet_neigh *net_neigh(struct inet_iface *iface, const char *text)
{
	union inet_ip ip = net_ip(text);

	return inet__neigh_find(iface, strchr(text, ':') ? AF_INET6 : AF_INET, &ip);
}

uint16_t net_state(struct inet_iface *iface, const char *text)
{
	const struct inet_neigh *neigh = net_neigh(iface, text);

	return neigh ? neigh->state : 0;
}

/** must_take - the next frame; there must be one */
static const struct net_frame *must_take(struct net *net)
{
	const struct net_frame *frame = net_take(net);

	if (!frame) {
		fail_msg("nothing was sent");
		abort();
	}
	return frame;
}

/* ------------------------------------------------------------------------------------------------------------- ARP */

void net_arp_input(struct inet_iface *iface, const struct net_arp *arp)
{
	unsigned char frame[60] = {[12] = 0x08, [13] = 0x06, [15] = 1, [16] = 0x08, [18] = 6, [19] = 4};

	memcpy(frame, arp->to, 6);
	memcpy(frame + 6, arp->from, 6);
	inet__put16(frame + 20, arp->operation);
	memcpy(frame + 22, arp->sender_mac, 6);
	memcpy(frame + 28, &arp->sender, 4);
	memcpy(frame + 32, arp->target_mac, 6);
	memcpy(frame + 38, &arp->target, 4);
	net_input(iface, frame, sizeof(frame));
}

void net_arp_take(struct net *net, struct net_arp *arp)
{
	static const unsigned char head[10] = {0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0};
	const struct net_frame *frame = must_take(net);

	assert_int_equal(frame->len, 42);
	assert_memory_equal(frame->bytes + 12, head, 9);
	memcpy(arp->to, frame->bytes, 6);
	memcpy(arp->from, frame->bytes + 6, 6);
	arp->operation = frame->bytes[21];
	memcpy(arp->sender_mac, frame->bytes + 22, 6);
	memcpy(&arp->sender, frame->bytes + 28, 4);
	memcpy(arp->target_mac, frame->bytes + 32, 6);
	memcpy(&arp->target, frame->bytes + 38, 4);
}

/* -------------------------------------------------------------------------------------------------------------- IP */

/** room_for - a packet of zeros, with what may be overwritten before it */
static unsigned char *room_for(size_t len)
{
	unsigned char *room = calloc(1, INET_HEADROOM + len);

	if (!room)
		abort();
	return room;
}

int net_send4(struct inet_iface *iface, const char *src, const char *dst, size_t len)
{
	unsigned char *room = room_for(len), *packet = room + INET_HEADROOM;
	union inet_ip from = net_ip(src), to = net_ip(dst);
	int err;

	packet[0] = 0x45;
	memcpy(packet + 12, &from, 4);
	memcpy(packet + 16, &to, 4);
	err = inet_output(iface, AF_INET, &to, packet, len);
	free(room);
	return err;
}

int net_send6(struct inet_iface *iface, const char *src, const char *dst, size_t len)
{
	unsigned char *room = room_for(len), *packet = room + INET_HEADROOM;
	union inet_ip from = net_ip(src), to = net_ip(dst);
	int err;

	packet[0] = 0x60;
	packet[6] = IPPROTO_NONE;
	memcpy(packet + 8, &from, 16);
	memcpy(packet + 24, &to, 16);
	err = inet_output(iface, AF_INET6, &to, packet, len);
	free(room);
	return err;
}

/* -------------------------------------------------------------------------------------------------------------- ND */

void net_nd_take(struct net *net, struct net_nd *nd)
{
	const struct net_frame *frame = must_take(net);
	const unsigned char *packet;
	uint32_t sum;

	assert_true(frame->len >= 14 + 40 + 8 && frame->len <= sizeof(frame->bytes));
	assert_int_equal(inet__get16(frame->bytes + 12), 0x86dd);
	packet = frame->bytes + 14;
	nd->len = inet__get16(packet + 4);
	assert_int_equal(frame->len, 14 + 40 + nd->len);
	assert_int_equal(packet[6], IPPROTO_ICMPV6);
	memcpy(nd->to, frame->bytes, 6);
	memcpy(nd->from, frame->bytes + 6, 6);
	memcpy(&nd->src, packet + 8, 16);
	memcpy(&nd->dst, packet + 24, 16);
	nd->hop_limit = packet[7];
	memcpy(nd->message, packet + 40, nd->len);
	sum = (uint32_t)nd->len + IPPROTO_ICMPV6;
	for (size_t i = 8; i < 40 + nd->len; i += 2)
		sum += inet__get16(packet + i);
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
}

const unsigned char *net_nd_option(const struct net_nd *nd, size_t fixed, uint8_t type)
{
	for (size_t at = fixed; at + 8 <= nd->len && nd->message[at + 1] > 0; at += nd->message[at + 1] * 8U) {
		if (nd->message[at] == type)
			return nd->message + at;
	}
	return NULL;
}
