/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * raw.c - raw sockets, as raw(7) and ipv6(7) describe them.
 *
 * Every packet for this host is shown to all raw sockets of its protocol before anybody else sees it. An IPv4 socket
 * gets it with its header; an IPv6 one gets the payload, its checksum verified where IPV6_CHECKSUM says that there is
 * one. The sockets stand in one list: there are few of them, and an empty list costs a packet nothing.
 */
#include "rawsock.h"
#include "sockfilter.h"

#include <linux/sockios.h>

const size_t usock__raw_size = sizeof(struct usock__raw);

void usock__raw_register(struct usock *sock)
{
	struct usock__raw *raw = usock__raw_of(sock);

	usock__ip_init(&raw->inet.ip);
	usock__queue_init(&raw->queue);
	sock->kind_next = sock->stack->raws;
	sock->stack->raws = sock;
}

void usock__raw_release(struct usock *sock)
{
	struct usock **at = &sock->stack->raws;

	while (*at && *at != sock)
		at = &(*at)->kind_next;
	if (*at)
		*at = sock->kind_next;
	sock->kind_next = NULL;
	usock__mcast_release(usock__inet_of(sock));
	usock__queue_clear(&usock__raw_of(sock)->queue);
}

void usock__raw_destroy(struct usock *sock)
{
	usock__queue_clear(&usock__raw_of(sock)->queue);
	usock__errqueue_release(sock);
}

static int raw_open(struct usock *sock)
{
	struct usock__raw *raw = usock__raw_of(sock);

	usock__raw_register(sock);
	raw->inet.ip.checksum_offset = -1;
	if (sock->protocol == IPPROTO_RAW)
		raw->inet.ip.hdrincl = true;
	if (sock->protocol == IPPROTO_ICMPV6 && sock->family == AF_INET6)
		raw->inet.ip.checksum_offset = 2;
	raw->inet.local.port = (uint16_t)sock->protocol; /* Linux's getsockname shows it */
	return 0;
}

/* ------------------------------------------------------------------------------------------------------------
 * addresses */

bool usock__raw_local(const struct usock__inet *inet, int family, const union inet_ip *dst, unsigned int ifindex)
{
	union inet_ip v4;

	if (inet->sock.options.bound_if != 0 && inet->sock.options.bound_if != ifindex)
		return false;
	if (usock__is_any(inet->sock.family, &inet->local.ip))
		return true;
	return usock__effective(inet->sock.family, &inet->local.ip, &v4) == family && usock__ip_same(family, &v4, dst);
}

bool usock__raw_remote(const struct usock__inet *inet, int family, const union inet_ip *src)
{
	return !inet->connected || usock__is_any(inet->sock.family, &inet->remote.ip) ||
	       usock__ip_same(family, &inet->remote.ip, src);
}

static int raw_bind(struct usock *sock, const struct sockaddr *addr, socklen_t len)
{
	struct usock__inet *inet = usock__inet_of(sock);
	struct usock_endpoint local;
	union inet_ip v4;
	int error = usock__endpoint_take(sock->family, addr, len, &local);

	if (error == -EAFNOSUPPORT && sock->family == AF_INET6)
		error = -EINVAL; /* raw sockets of IPv6 say so */
	if (error < 0)
		return error;
	if (usock__effective(sock->family, &local.ip, &v4) != sock->family)
		return -EADDRNOTAVAIL;
	if (inet->connected)
		return -EINVAL;
	error = usock__bind_address(inet, &local);
	if (error < 0)
		return error;
	inet->local.ip = local.ip;
	inet->local.scope = local.scope;
	inet->bound = inet->bound_addr = !usock__is_any(sock->family, &local.ip);
	return 0;
}

int usock__raw_disconnect(struct usock__inet *inet)
{
	inet->connected = false;
	memset(&inet->remote, 0, sizeof(inet->remote));
	if (!inet->bound_addr)
		memset(&inet->local.ip, 0, sizeof(inet->local.ip));
	inet->sock.options.bound_if = 0;
	return 0;
}

static int raw_connect(struct usock *sock, const struct sockaddr *addr, socklen_t len)
{
	struct usock__inet *inet = usock__inet_of(sock);
	struct usock_endpoint remote;
	union inet_ip v4;
	int error;

	if (len >= sizeof(addr->sa_family) && addr->sa_family == AF_UNSPEC)
		return usock__raw_disconnect(inet);
	error = usock__endpoint_take(sock->family, addr, len, &remote);
	if (error < 0)
		return error;
	if (usock__effective(sock->family, &remote.ip, &v4) != sock->family)
		return -EINVAL;
	usock__bind_anywhere(inet, &remote);
	return usock__inet_connect(inet, &remote);
}

/* --------------------------------------------------------------------------------------------------------------
 * sending */

int usock__raw_prepare(struct usock__inet *inet, struct usock__xfer *xfer, struct usock__send *send,
                       struct usock_endpoint *dst)
{
	int family, error;

	if (xfer->flags & MSG_OOB)
		return -EOPNOTSUPP;
	error = usock__inet_destination(inet, xfer->msg, &family, dst);
	if (error < 0)
		return error;
	if (family != inet->sock.family)
		return -EINVAL;
	error = usock__send_init(inet, send, family, dst, xfer->flags);
	if (error < 0)
		return error;
	if (xfer->msg->msg_control && xfer->msg->msg_controllen > 0) {
		error = usock__send_cmsg(inet, send, xfer->msg);
		if (error < 0)
			return error;
	}
	error = usock__send_route(inet, send);
	return error == 0 ? usock__inet_sendable(&inet->sock) : error;
}

/** complete4 - fill in what the program left at 0 in an IPv4 header of its own, and length and checksum in any case */
static int complete4(struct usock_stack *stack, const struct usock__send *send, unsigned char *at, size_t len)
{
	size_t header = (size_t)(at[0] & 15) * 4;
	uint16_t check;

	if (header < sizeof(struct iphdr) || header > len)
		return -EINVAL;
	if (usock__get32(at + 12) == 0)
		memcpy(at + 12, &send->flow.source.v4, 4);
	if (usock__get16(at + 4) == 0)
		usock_random(stack, at + 4, 2);
	usock__put16(at + 2, (unsigned int)len);
	memset(at + 10, 0, 2);
	check = usock__checksum_fold(usock__checksum(0, at, header, false));
	memcpy(at + 10, &check, sizeof(check));
	return 0;
}

/** send_whole - IP_HDRINCL, IPV6_HDRINCL: the program wrote the header, too; one of IPv6 goes as it is */
static int send_whole(struct usock__inet *inet, struct usock__send *send, struct usock__xfer *xfer)
{
	struct usock_stack *stack = inet->sock.stack;
	bool v4 = inet->sock.family == AF_INET;
	unsigned char *at;
	void *packet;
	int error = 0;

	if (xfer->len > send->flow.mtu)
		return usock__emsgsize(inet, send, 0);
	if (xfer->len < (v4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr)))
		return -EINVAL;
	packet = usock__send_raw(stack, send, xfer->len, &at);
	if (!packet)
		return -ENOBUFS;
	usock__copy_in(xfer, 0, at, xfer->len);
	if (v4)
		error = complete4(stack, send, at, xfer->len);
	if (error < 0) {
		stack->engine->tx_free(stack->e, packet);
		return error;
	}
	return usock__send_packet(inet, send, packet);
}

/** put_checksum - IPV6_CHECKSUM: write the checksum where the socket wants it */
static int put_checksum(const struct usock__inet *inet, const struct usock__send *send, int protocol,
                        unsigned char *data, size_t len)
{
	size_t at = (size_t)inet->ip.checksum_offset;
	uint16_t check;
	uint32_t sum;

	if (inet->ip.checksum_offset < 0)
		return 0;
	if (at + 2 > len)
		return -EINVAL;
	memset(data + at, 0, 2);
	sum = usock__checksum_pseudo(AF_INET6, &send->flow.source, &send->flow.dst, protocol, len);
	check = usock__checksum_fold(usock__checksum(sum, data, len, false));
	if (check == 0 && protocol == IPPROTO_UDP)
		check = 0xffff;
	memcpy(data + at, &check, sizeof(check));
	return 0;
}

static int raw_send(struct usock *sock, struct usock__xfer *xfer)
{
	struct usock__inet *inet = usock__inet_of(sock);
	struct usock__send send;
	struct usock_endpoint dst;
	unsigned char *at;
	void *packet;
	int error;

	if (xfer->len > USOCK_IP_MAX)
		return -EMSGSIZE;
	error = usock__raw_prepare(inet, xfer, &send, &dst);
	if (error < 0)
		return error;
	if (sock->family == AF_INET6 && dst.port != 0 && dst.port != sock->protocol)
		return -EINVAL;
	if (inet->ip.hdrincl) {
		error = send_whole(inet, &send, xfer);
		if (error == 0)
			xfer->done = xfer->len;
		return error;
	}
	if (xfer->len > usock__send_room(&send))
		return usock__emsgsize(inet, &send, 0);
	packet = usock__send_alloc(sock->stack, &send, sock->protocol, xfer->len, &at);
	if (!packet)
		return -ENOBUFS;
	usock__copy_in(xfer, 0, at, xfer->len);
	if (sock->family == AF_INET6) {
		error = put_checksum(inet, &send, sock->protocol, at, xfer->len);
		if (error < 0) {
			sock->stack->engine->tx_free(sock->stack->e, packet);
			return error;
		}
	}
	error = usock__send_packet(inet, &send, packet);
	if (error == 0)
		xfer->done = xfer->len;
	return error;
}

/* ------------------------------------------------------------------------------------------------------------
 * receiving */

static int raw_recv(struct usock *sock, struct usock__xfer *xfer)
{
	if (xfer->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (usock__path_recv(sock, xfer))
		return 0;
	return usock__queue_recv(sock, &usock__raw_of(sock)->queue, xfer, usock__ip_control);
}

/** filtered - does the ICMP filter of a socket keep this message from it? */
static bool filtered(const struct usock__raw *raw, const struct usock_packet *packet)
{
	unsigned char type;

	if (packet->protocol != (packet->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return false;
	if (usock__packet_copy(packet, 0, &type, 1) < 1)
		return true;
	if (packet->family == AF_INET)
		return type < 32 && raw->filter4 >> type & 1;
	return ICMP6_FILTER_WILLBLOCK(type, &raw->filter6);
}

/** sum_right - is the checksum that IPV6_CHECKSUM says is there right? */
static bool sum_right(const struct usock__inet *inet, const struct usock_packet *packet)
{
	uint32_t sum;

	if (packet->family == AF_INET || inet->ip.checksum_offset < 0)
		return true;
	if (packet->pieces > 0 && packet->payload[0].iov_base == packet->iface->unsummed_in)
		return true;
	sum = usock__checksum_pseudo(AF_INET6, &packet->src, &packet->dst, packet->protocol, packet->payload_len);
	return usock__checksum_fold(usock__packet_sum(packet, packet->payload_len, sum)) == 0;
}

/** wants - is a packet for this raw socket? */
static bool wants(struct usock *sock, const struct usock_packet *packet)
{
	struct usock__inet *inet = usock__inet_of(sock);

	return sock->kind == &usock__raw_kind && sock->family == packet->family && sock->protocol == packet->protocol &&
	       usock__raw_local(inet, packet->family, &packet->dst, packet->iface->index) &&
	       usock__raw_remote(inet, packet->family, &packet->src) && usock__packet_admits(inet, packet) &&
	       !filtered(usock__raw_of(sock), packet) && sum_right(inet, packet);
}

bool usock__raw_input(struct usock_stack *stack, const struct usock_packet *packet)
{
	size_t header = packet->family == AF_INET ? packet->header_len : 0;
	bool taken = false;

	for (struct usock *sock = stack->raws; sock; sock = sock->kind_next) {
		struct usock__raw *raw = usock__raw_of(sock);
		size_t len = header + packet->payload_len;
		struct usock__dgram *dgram;

		if (!wants(sock, packet))
			continue;
		taken = true;
		if (!usock__filter_packet(sock, packet, header, header, &len))
			continue;
		dgram = usock__packet_dgram(sock, packet, header, 0, len - header, 0, 0);
		if (!dgram)
			sock->dropped++;
		else if (usock__packet_filter(sock, dgram, NULL, 0))
			usock__queue_put(sock, &raw->queue, dgram);
	}
	return taken;
}

bool usock__raw_fault(struct usock_stack *stack, const struct usock__fault *fault)
{
	bool told = false;

	for (struct usock *sock = stack->raws; sock; sock = sock->kind_next) {
		struct usock__inet *inet = usock__inet_of(sock);
		size_t skip = inet->ip.hdrincl ? 0 : fault->header_len;

		if (sock->kind != &usock__raw_kind || sock->family != fault->family ||
		    sock->protocol != fault->protocol ||
		    !usock__raw_local(inet, fault->family, &fault->local.ip, fault->ifindex) ||
		    !usock__raw_remote(inet, fault->family, &fault->remote.ip))
			continue;
		told |= usock__fault_tell(inet, fault, 0, fault->packet + skip, fault->len - skip);
	}
	return told;
}

/* --------------------------------------------------------------------------------------------------------------
 * options */

/** raw_option - the bytes of an option of raw sockets, and the level and name it has; NULL: there is none */
static void *raw_option(struct usock__raw *raw, int level, int name, size_t *size)
{
	const struct usock *sock = &raw->inet.sock;

	if (level == SOL_RAW && name == ICMP_FILTER && sock->family == AF_INET && sock->protocol == IPPROTO_ICMP) {
		*size = sizeof(raw->filter4);
		return &raw->filter4;
	}
	if (level == SOL_ICMPV6 && name == ICMP6_FILTER && sock->family == AF_INET6 &&
	    sock->protocol == IPPROTO_ICMPV6) {
		*size = sizeof(raw->filter6);
		return &raw->filter6;
	}
	return NULL;
}

/** no_option - what to say of the other options of these levels: that the socket is of another protocol, or that there
 * is none */
static int no_option(const struct usock *sock, int level, int name)
{
	if (sock->family == AF_INET)
		return level == SOL_RAW && name == ICMP_FILTER ? -EOPNOTSUPP : -ENOPROTOOPT;
	return level == SOL_ICMPV6 && sock->protocol != IPPROTO_ICMPV6 ? -EOPNOTSUPP : -ENOPROTOOPT;
}

/** checksum_name - IPV6_CHECKSUM, which is at two levels */
static bool checksum_name(const struct usock *sock, int level, int name)
{
	return sock->family == AF_INET6 && (level == SOL_RAW || level == IPPROTO_IPV6) && name == IPV6_CHECKSUM;
}

static int set_checksum(struct usock__inet *inet, int level, const void *value, socklen_t len)
{
	int offset;

	if (len < sizeof(offset))
		return -EINVAL;
	memcpy(&offset, value, sizeof(offset));
	if (inet->sock.protocol == IPPROTO_ICMPV6 && level == IPPROTO_IPV6)
		return -EINVAL; /* RFC 3542: it has one, and there */
	if (offset > 0 && offset & 1)
		return -EINVAL;
	inet->ip.checksum_offset = offset < 0 ? -1 : offset;
	return 0;
}

static int raw_setsockopt(struct usock *sock, int level, int name, const void *value, socklen_t len)
{
	size_t size;
	void *option = raw_option(usock__raw_of(sock), level, name, &size);

	if (option) {
		memcpy(option, value, len < size ? len : size);
		return 0;
	}
	if (checksum_name(sock, level, name))
		return set_checksum(usock__inet_of(sock), level, value, len);
	if (level == SOL_RAW || level == SOL_ICMPV6)
		return no_option(sock, level, name);
	return usock__ip_setsockopt(usock__inet_of(sock), level, name, value, len);
}

static int raw_getsockopt(struct usock *sock, int level, int name, void *value, socklen_t *len)
{
	size_t size;
	void *option = raw_option(usock__raw_of(sock), level, name, &size);

	if (checksum_name(sock, level, name)) {
		option = &usock__inet_of(sock)->ip.checksum_offset;
		size = sizeof(int);
	}
	if (option) {
		if (*len > size)
			*len = (socklen_t)size;
		memcpy(value, option, *len);
		return 0;
	}
	if (level == SOL_RAW || level == SOL_ICMPV6)
		return no_option(sock, level, name);
	return usock__ip_getsockopt(usock__inet_of(sock), level, name, value, len);
}

int usock__raw_ioctl(struct usock *sock, unsigned long request, void *arg)
{
	const struct usock__raw *raw = usock__raw_of(sock);

	switch (request) {
	case SIOCINQ:
		*(int *)arg = raw->queue.head ? (int)raw->queue.head->len : 0;
		return 0;
	case SIOCOUTQ:
		*(int *)arg = 0;
		return 0;
	default:
		return -ENOIOCTLCMD;
	}
}

uint32_t usock__raw_poll(struct usock *sock)
{
	return usock__dgram_poll(sock, &usock__raw_of(sock)->queue);
}

const struct usock__kind usock__raw_kind = {
        .name = "raw",
        .shape = USOCK_SHAPE_DGRAM,
        .open = raw_open,
        .release = usock__raw_release,
        .destroy = usock__raw_destroy,
        .bind = raw_bind,
        .connect = raw_connect,
        .getsockname = usock__inet_getsockname,
        .getpeername = usock__inet_getpeername,
        .shutdown = usock__inet_shutdown,
        .send = raw_send,
        .recv = raw_recv,
        .setsockopt = raw_setsockopt,
        .getsockopt = raw_getsockopt,
        .option_changed = usock__inet_option_changed,
        .ioctl = usock__raw_ioctl,
        .poll = usock__raw_poll,
};
