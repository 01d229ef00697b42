/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ping.c - sockets for echo requests, socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP) and their IPv6 relatives, see icmp(7).
 *
 * The port of such a socket is the identifier of its requests. The program writes ICMP messages, of which nothing but
 * echo requests is let through, and reads the replies that have its identifier, ICMP header first.
 */
#include "rawsock.h"
#include "sockfilter.h"

#define ECHO_HEADER 8

const size_t usock__ping_size = sizeof(struct usock__raw);

static int ping_open(struct usock *sock)
{
	usock__raw_register(sock);
	return 0;
}

/** taken - is there another socket with this identifier? */
static bool taken(const struct usock *self, uint16_t ident)
{
	for (struct usock *sock = self->stack->raws; sock; sock = sock->kind_next)
		if (sock != self && sock->kind == &usock__ping_kind && usock__inet_of(sock)->local.port == ident &&
		    !(sock->options.reuseaddr && self->options.reuseaddr))
			return true;
	return false;
}

/** choose - give the socket an identifier: @ident, or with 0 one that is free */
static int choose(struct usock__inet *inet, uint16_t ident)
{
	if (inet->local.port != 0)
		return 0;
	if (ident == 0) {
		usock_random(inet->sock.stack, &ident, sizeof(ident));
		for (unsigned int tries = 0; tries <= 0xffff && (ident == 0 || taken(&inet->sock, ident)); tries++)
			ident++;
	}
	if (ident == 0 || taken(&inet->sock, ident))
		return -EADDRINUSE;
	inet->local.port = ident;
	return 0;
}

static int ping_bind(struct usock *sock, const struct sockaddr *addr, socklen_t len)
{
	struct usock__inet *inet = usock__inet_of(sock);
	struct usock_endpoint local;
	union inet_ip v4;
	int type, error = usock__endpoint_take(sock->family, addr, len, &local);

	if (error < 0)
		return error;
	if (inet->local.port != 0)
		return -EINVAL;
	if (usock__effective(sock->family, &local.ip, &v4) != sock->family)
		return -EINVAL;
	type = inet_addr_type(sock->stack->inet, sock->family, &local.ip, NULL);
	if (!usock__is_any(sock->family, &local.ip) && (type == RTN_MULTICAST || type == RTN_BROADCAST))
		return -EADDRNOTAVAIL;
	error = usock__bind_address(inet, &local);
	if (error == 0)
		error = choose(inet, local.port);
	if (error < 0)
		return error;
	inet->local.ip = local.ip;
	inet->local.scope = local.scope;
	inet->bound = true;
	inet->bound_addr = !usock__is_any(sock->family, &local.ip);
	inet->bound_port = local.port != 0;
	return 0;
}

static int ping_connect(struct usock *sock, const struct sockaddr *addr, socklen_t len)
{
	struct usock__inet *inet = usock__inet_of(sock);
	struct usock_endpoint remote;
	union inet_ip v4;
	int error;

	if (len >= sizeof(addr->sa_family) && addr->sa_family == AF_UNSPEC) {
		usock__raw_disconnect(inet);
		if (!inet->bound_port)
			inet->local.port = 0;
		return 0;
	}
	error = usock__endpoint_take(sock->family, addr, len, &remote);
	if (error == 0 && usock__effective(sock->family, &remote.ip, &v4) != sock->family)
		error = -ENETUNREACH;
	if (error == 0)
		error = choose(inet, 0);
	if (error < 0)
		return error;
	usock__bind_anywhere(inet, &remote);
	return usock__inet_connect(inet, &remote);
}

static int ping_send(struct usock *sock, struct usock__xfer *xfer)
{
	struct usock__inet *inet = usock__inet_of(sock);
	bool v4 = sock->family == AF_INET;
	unsigned char header[ECHO_HEADER], *at;
	struct usock_endpoint dst;
	struct usock__send send;
	uint32_t sum = 0;
	uint16_t check;
	void *packet;
	int error = choose(inet, 0);

	if (error < 0)
		return -EAGAIN;
	if (xfer->len > USOCK_IP_MAX)
		return -EMSGSIZE;
	if (xfer->len < ECHO_HEADER)
		return -EINVAL;
	usock__copy_in(xfer, 0, header, sizeof(header));
	if (header[0] != (v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST) || header[1] != 0)
		return -EINVAL;
	error = usock__raw_prepare(inet, xfer, &send, &dst);
	if (error < 0)
		return error;
	if (!v4 && IN6_IS_ADDR_V4MAPPED(&dst.ip.v6))
		return -EINVAL;
	if (!v4 && send.flow.oif == 0 && IN6_IS_ADDR_LINKLOCAL(&dst.ip.v6))
		return -EINVAL; /* on which link? */
	if (xfer->len > usock__send_room(&send))
		return usock__emsgsize(inet, &send, 0);
	packet = usock__send_alloc(sock->stack, &send, sock->protocol, xfer->len, &at);
	if (!packet)
		return -ENOBUFS;
	usock__copy_in(xfer, 0, at, xfer->len);
	memset(at + 2, 0, 2);
	usock__put16(at + 4, inet->local.port);
	if (!v4)
		sum = usock__checksum_pseudo(AF_INET6, &send.flow.source, &send.flow.dst, IPPROTO_ICMPV6, xfer->len);
	check = usock__checksum_fold(usock__checksum(sum, at, xfer->len, false));
	memcpy(at + 2, &check, sizeof(check));
	error = usock__send_packet(inet, &send, packet);
	if (error == 0)
		xfer->done = xfer->len;
	return error;
}

static int ping_recv(struct usock *sock, struct usock__xfer *xfer)
{
	if (xfer->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (usock__path_recv(sock, xfer))
		return 0;
	return usock__queue_recv(sock, &usock__raw_of(sock)->queue, xfer, usock__ip_control);
}

/** find - the socket of an identifier */
static struct usock *find(struct usock_stack *stack, int family, uint16_t ident, const union inet_ip *local,
                          unsigned int ifindex)
{
	for (struct usock *sock = stack->raws; sock; sock = sock->kind_next)
		if (sock->kind == &usock__ping_kind && sock->family == family &&
		    usock__inet_of(sock)->local.port == ident &&
		    usock__raw_local(usock__inet_of(sock), family, local, ifindex))
			return sock;
	return NULL;
}

void usock__ping_input(struct usock_stack *stack, const struct usock_packet *packet)
{
	unsigned char header[ECHO_HEADER];
	size_t len = packet->payload_len;
	struct usock__dgram *dgram;
	struct usock *sock;

	if (usock__packet_copy(packet, 0, header, sizeof(header)) < sizeof(header))
		return;
	sock = find(stack, packet->family, (uint16_t)usock__get16(header + 4), &packet->dst, packet->iface->index);
	if (!sock || !usock__packet_admits(usock__inet_of(sock), packet))
		return;
	if (!usock__filter_packet(sock, packet, 0, 0, &len))
		return;
	dgram = usock__packet_dgram(sock, packet, 0, 0, len, 0, 0);
	if (!dgram)
		sock->dropped++;
	else if (usock__packet_filter(sock, dgram, NULL, 0))
		usock__queue_put(sock, &usock__raw_of(sock)->queue, dgram);
}

bool usock__ping_fault(struct usock_stack *stack, const struct usock__fault *fault)
{
	const unsigned char *echo = fault->packet + fault->header_len;
	size_t len = fault->len - fault->header_len;
	struct usock *sock;

	if (len < ECHO_HEADER || echo[0] != (fault->family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST))
		return false;
	sock = find(stack, fault->family, (uint16_t)usock__get16(echo + 4), &fault->local.ip, fault->ifindex);
	return sock && usock__fault_tell(usock__inet_of(sock), fault, 0, echo, len);
}

static int ping_setsockopt(struct usock *sock, int level, int name, const void *value, socklen_t len)
{
	return usock__ip_setsockopt(usock__inet_of(sock), level, name, value, len);
}

static int ping_getsockopt(struct usock *sock, int level, int name, void *value, socklen_t *len)
{
	return usock__ip_getsockopt(usock__inet_of(sock), level, name, value, len);
}

const struct usock__kind usock__ping_kind = {
        .name = "ping",
        .shape = USOCK_SHAPE_DGRAM,
        .open = ping_open,
        .release = usock__raw_release,
        .destroy = usock__raw_destroy,
        .bind = ping_bind,
        .connect = ping_connect,
        .getsockname = usock__inet_getsockname,
        .getpeername = usock__inet_getpeername,
        .shutdown = usock__inet_shutdown,
        .send = ping_send,
        .recv = ping_recv,
        .setsockopt = ping_setsockopt,
        .getsockopt = ping_getsockopt,
        .option_changed = usock__inet_option_changed,
        .ioctl = usock__raw_ioctl,
        .poll = usock__raw_poll,
};
