/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plugin_ipengine.c - a stack plugin whose engine speaks IP and nothing else, for the tests of UDP, raw and ping
 * sockets.
 *
 * What is sent is kept (ipengine_sent) and goes where it is to go; a test can let packets come in that nobody sent
 * (ipengine_inject). Echo requests are answered. TCP there is none, nor fragments, nor forwarding.
 */
#include "plugin_ipengine.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <usock.h>

#define HEADROOM INET_HEADROOM

#pragma GCC visibility push(default)
unsigned char ipengine_sent[IPENGINE_ROOM];
size_t ipengine_sent_len;
unsigned int ipengine_sent_count;
bool ipengine_full;
void *ioth_ipengine_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions);
int ioth_ipengine_delstack(void *stackdata);
#pragma GCC visibility pop

struct out {
	size_t len;
	unsigned char bytes[];
};

static struct usock_stack *the_stack;

static int engine_open(struct usock_stack *stack, const char *options, void **e)
{
	(void)options;
	*e = stack;
	return 0;
}

static void engine_close(void *e)
{
	(void)e;
}

static int64_t engine_deadline(void *e)
{
	(void)e;
	return INET_NEVER;
}

static void engine_timers(void *e)
{
	(void)e;
}

static int iface_add(void *e, struct inet_iface *iface)
{
	(void)e;
	(void)iface;
	return 0;
}

static void iface_del(void *e, struct inet_iface *iface)
{
	(void)e;
	(void)iface;
}

static void iface_change(void *e, struct inet_iface *iface, unsigned int what)
{
	(void)e;
	(void)iface;
	(void)what;
}

static int addr_add(void *e, struct inet_addr *addr)
{
	(void)e;
	(void)addr;
	return 0;
}

static void addr_del(void *e, struct inet_addr *addr)
{
	(void)e;
	(void)addr;
}

static int group_join(void *e, struct inet_iface *iface, int family, const union inet_ip *group)
{
	(void)e;
	(void)iface;
	(void)family;
	(void)group;
	return 0;
}

static void group_leave(void *e, struct inet_iface *iface, int family, const union inet_ip *group)
{
	group_join(e, iface, family, group);
}

static unsigned char *rx_alloc(void *e, size_t size, void **buffer)
{
	(void)e;
	*buffer = malloc(size);
	return *buffer;
}

static void rx_free(void *e, void *buffer)
{
	(void)e;
	free(buffer);
}

static void *tx_alloc(void *e, size_t len, unsigned char **data)
{
	struct out *out = ipengine_full ? NULL : malloc(sizeof(*out) + HEADROOM + len);

	(void)e;
	if (!out)
		return NULL;
	out->len = len;
	*data = out->bytes + HEADROOM;
	return out;
}

static void tx_free(void *e, void *packet)
{
	(void)e;
	free(packet);
}

static int ip_output(void *e, struct inet_iface *iface, const union inet_ip *nexthop, int family, void *packet)
{
	struct out *out = packet;
	int error;

	(void)e;
	ipengine_sent_len = out->len < sizeof(ipengine_sent) ? out->len : sizeof(ipengine_sent);
	memcpy(ipengine_sent, out->bytes + HEADROOM, ipengine_sent_len);
	ipengine_sent_count++;
	error = inet_output(iface, family, nexthop, out->bytes + HEADROOM, out->len);
	free(out);
	return error;
}

static uint16_t checksum(const unsigned char *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint32_t add(uint32_t sum, const void *data, size_t len)
{
	return sum + (uint16_t)~checksum(data, len);
}

/** echo - answer an ICMP echo request */
static void echo(void *e, const struct usock_packet *packet)
{
	struct inet_flow flow = {.family = packet->family, .dst = packet->src, .src = packet->dst};
	bool v4 = packet->family == AF_INET;
	size_t header = v4 ? 20 : 40, size = v4 ? 4 : 16, payload = packet->payload_len;
	unsigned char *at;
	struct out *out;
	uint32_t sum = 0;

	if (inet_route(usock_inet(e), &flow) < 0 || !(out = tx_alloc(e, header + payload, &at)))
		return;
	memcpy(at, packet->header, header);
	memcpy(at + header - 2 * size, &packet->dst, size);
	memcpy(at + header - size, &packet->src, size);
	memcpy(at + header, packet->payload[0].iov_base, payload);
	at[header] = v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
	memset(at + header + 2, 0, 2);
	if (v4) {
		at[6] = at[7] = 0;
		at[8] = 64;
		memset(at + 10, 0, 2);
		memcpy(at + 10, &(uint16_t){htons(checksum(at, 20))}, 2);
	} else {
		sum = add(IPPROTO_ICMPV6 + (uint32_t)payload, at + 8, 32);
	}
	sum = add(sum, at + header, payload);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	memcpy(at + header + 2, &(uint16_t){htons((uint16_t)~sum)}, 2);
	inet_output(flow.iface, packet->family, &flow.nexthop, at, header + payload);
	free(out);
}

/** take - an IP packet; true when it was well formed */
static bool take(void *e, struct inet_iface *iface, int family, unsigned char *bytes, size_t len)
{
	struct usock_packet packet = {.iface = iface, .family = family, .header = bytes};
	struct iovec payload;
	size_t total;

	if (family == AF_INET) {
		if (len < 20 || bytes[0] >> 4 != 4 || checksum(bytes, (bytes[0] & 15U) * 4) != 0)
			return false;
		packet.header_len = (bytes[0] & 15U) * 4;
		total = (size_t)bytes[2] << 8 | bytes[3];
		memcpy(&packet.src.v4, bytes + 12, 4);
		memcpy(&packet.dst.v4, bytes + 16, 4);
		packet.protocol = bytes[9];
		packet.hop_limit = bytes[8];
		packet.tos = bytes[1];
	} else {
		if (len < 40 || bytes[0] >> 4 != 6)
			return false;
		packet.header_len = 40;
		total = 40 + ((size_t)bytes[4] << 8 | bytes[5]);
		memcpy(&packet.src.v6, bytes + 8, 16);
		memcpy(&packet.dst.v6, bytes + 24, 16);
		packet.protocol = bytes[6];
		packet.hop_limit = bytes[7];
		packet.tos = (uint8_t)(bytes[0] << 4 | bytes[1] >> 4);
		packet.flow_label = (uint32_t)(bytes[1] & 15) << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
	}
	if (packet.header_len < 20 || total < packet.header_len || total > len)
		return false;
	payload = (struct iovec){.iov_base = bytes + packet.header_len, .iov_len = total - packet.header_len};
	packet.payload = &payload;
	packet.pieces = 1;
	packet.payload_len = payload.iov_len;
	if (!usock_ip_input(e, &packet) && total >= packet.header_len + 8 &&
	    ((family == AF_INET && packet.protocol == IPPROTO_ICMP && bytes[packet.header_len] == ICMP_ECHO) ||
	     (packet.protocol == IPPROTO_ICMPV6 && bytes[packet.header_len] == ICMP6_ECHO_REQUEST)))
		echo(e, &packet);
	return true;
}

static bool ip_input(void *e, struct inet_iface *iface, int family, unsigned char *bytes, size_t len, void *buffer)
{
	(void)buffer;
	take(e, iface, family, bytes, len);
	return false;
}

static int tcp_connect(void *e, struct usock_tcp *tcp)
{
	(void)e;
	(void)tcp;
	return -EOPNOTSUPP;
}

static void tcp_done(void *e, struct usock_tcp *tcp)
{
	(void)e;
	tcp->pcb = NULL;
}

static void tcp_icmp(void *e, int family, const struct usock_endpoint *local, const struct usock_endpoint *remote,
                     uint32_t seq, int error, unsigned int mtu)
{
	(void)e;
	(void)family;
	(void)local;
	(void)remote;
	(void)seq;
	(void)error;
	(void)mtu;
}

static const struct usock_engine engine = {
        .name = "ipengine",
        .open = engine_open,
        .close = engine_close,
        .deadline = engine_deadline,
        .timers = engine_timers,
        .iface_add = iface_add,
        .iface_del = iface_del,
        .iface_change = iface_change,
        .addr_add = addr_add,
        .addr_del = addr_del,
        .group_join = group_join,
        .group_leave = group_leave,
        .rx_alloc = rx_alloc,
        .rx_free = rx_free,
        .ip_input = ip_input,
        .tx_alloc = tx_alloc,
        .tx_free = tx_free,
        .ip_output = ip_output,
        .tcp_connect = tcp_connect,
        .tcp_listen = tcp_connect,
        .tcp_close = tcp_done,
        .tcp_abort = tcp_done,
        .tcp_icmp = tcp_icmp,
};

bool ipengine_inject(const char *ifname, int family, const void *bytes, size_t len)
{
	unsigned char *copy = malloc(len > 0 ? len : 1);
	struct inet_iface *iface;
	bool good;

	if (!copy)
		abort();
	memcpy(copy, bytes, len);
	usock_lock(the_stack);
	iface = inet_iface_by_name(usock_inet(the_stack), ifname);
	good = iface && take(the_stack, iface, family, copy, len);
	usock_unlock(the_stack);
	free(copy);
	return good;
}

void *ioth_ipengine_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions)
{
	the_stack = usock_stack_new(&engine, vnlv, options, functions);
	return the_stack;
}

int ioth_ipengine_delstack(void *stackdata)
{
	return usock_stack_delete(stackdata);
}
