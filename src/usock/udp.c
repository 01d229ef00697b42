/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * udp.c - UDP and UDP-Lite sockets, RFC 768 and 3828, as udp(7) and udplite(7) describe them.
 *
 * Sending never waits: a datagram goes to the engine or is lost. What UDP_CORK or MSG_MORE holds back is gathered in
 * one buffer, with the way it will go, decided by the first call. UDP_SEGMENT cuts one call's bytes into datagrams of a
 * size; UDP_GRO is accepted, and nothing is ever merged, which a program has to expect anyway.
 *
 * Receiving: bind.c says which socket a datagram is for, all that match when it is for a group or broadcast; when there
 * is none the sender is told so by ICMP.
 *
 * UDP-Lite has ports of its own and one difference: where the header of UDP has the length of the datagram, which IP knows
 * anyway, it has how many bytes the checksum covers. What is not covered may arrive damaged. A checksum is never left out.
 */
#include "ip.h"
#include "sockfilter.h"

#include <linux/sockios.h>
#include <netinet/udp.h>
#include <stdlib.h>

#define UDP_HEADER 8
/* udplite(7); no header of the C library or the kernel has them */
#define UDPLITE_SEND_CSCOV 10
#define UDPLITE_RECV_CSCOV 11
#define SEGMENTS_MAX 128 /* datagrams of one call, UDP_SEGMENT */

/** struct udp_pending - what waits for the end of UDP_CORK or MSG_MORE */
struct udp_pending {
	bool active;
	struct usock__send send;
	uint16_t port;
	unsigned char opts[40];
	int segment;
	unsigned char *data;
	size_t len, room;
};

struct usock__udp {
	struct usock__inet inet;
	struct usock__queue queue;
	bool cork, no_check6_tx, no_check6_rx, gro;
	int segment;
	int send_coverage, recv_coverage; /* UDP-Lite: bytes, header included; 0: all; -1: not set */
	struct udp_pending pending;
};

const size_t usock__udp_size = sizeof(struct usock__udp);

static struct usock__udp *udp_of(struct usock *sock)
{
	return (struct usock__udp *)sock;
}

static int udp_open(struct usock *sock)
{
	struct usock__udp *udp = udp_of(sock);

	udp->send_coverage = udp->recv_coverage = -1;
	usock__ip_init(&udp->inet.ip);
	usock__queue_init(&udp->queue);
	return 0;
}

static void udp_release(struct usock *sock)
{
	struct usock__udp *udp = udp_of(sock);

	usock__unbind(&udp->inet, sock->protocol);
	usock__mcast_release(&udp->inet);
	usock__queue_clear(&udp->queue);
	free(udp->pending.data);
	memset(&udp->pending, 0, sizeof(udp->pending));
}

static void udp_destroy(struct usock *sock)
{
	usock__queue_clear(&udp_of(sock)->queue);
	usock__errqueue_release(sock);
}

/* ------------------------------------------------------------------------------------------------------------
 * addresses */

static int udp_bind(struct usock *sock, const struct sockaddr *addr, socklen_t len)
{
	struct usock__inet *inet = usock__inet_of(sock);
	struct usock_endpoint local;
	int error = usock__endpoint_take_bind(sock->family, addr, len, &local);

	if (error == -EAFNOSUPPORT && sock->family == AF_INET6 && len < USOCK_SIN6_MIN)
		error = -EINVAL;
	if (error == 0 && (inet->connected || inet->local.port != 0))
		error = -EINVAL;
	return error < 0 ? error : usock__bind(inet, sock->protocol, &local);
}

/** autobind - a port for a socket that has none; disconnecting gives it back */
static int autobind(struct usock__inet *inet)
{
	struct usock_endpoint local = {.ip = inet->local.ip, .scope = inet->local.scope};
	bool bound_addr = inet->bound_addr, no_port = inet->ip.bind_address_no_port;
	int error;

	if (inet->local.port != 0)
		return 0;
	inet->ip.bind_address_no_port = false;
	error = usock__bind(inet, inet->sock.protocol, &local);
	inet->ip.bind_address_no_port = no_port;
	inet->bound_addr = bound_addr;
	inet->bound_port = false;
	return error == -EADDRINUSE ? -EAGAIN : error;
}

/** neighbour - with SO_DONTROUTE: is the address one of a neighbour? */
static int neighbour(struct usock__inet *inet, const struct usock_endpoint *remote)
{
	struct usock_endpoint dst = *remote;
	struct usock__send send;
	int family = usock__effective(inet->sock.family, &remote->ip, &dst.ip);
	int error = usock__send_init(inet, &send, family, &dst, 0);

	return error == 0 ? usock__send_route(inet, &send) : error;
}

static int udp_connect(struct usock *sock, const struct sockaddr *addr, socklen_t len)
{
	struct usock__inet *inet = usock__inet_of(sock);
	struct usock_endpoint remote, before = inet->local;
	union inet_ip v4;
	int error;

	if (len >= sizeof(addr->sa_family) && addr->sa_family == AF_UNSPEC) {
		usock__bind_disconnect(inet, sock->protocol);
		sock->options.bound_if = 0;
		return 0;
	}
	error = usock__inet_take(inet, addr, len, &remote);
	if (error < 0)
		return error;
	usock__bind_anywhere(inet, &remote);
	/* An address that only the connection before has chosen does not keep the socket from the other family. */
	if (!inet->bound_addr &&
	    usock__effective(sock->family, &before.ip, &v4) != usock__effective(sock->family, &remote.ip, &v4))
		memset(&inet->local.ip, 0, sizeof(inet->local.ip));
	error = sock->options.dontroute ? neighbour(inet, &remote) : 0;
	if (error == 0)
		error = usock__bind_connect(inet, sock->protocol, &remote);
	if (error < 0) {
		inet->local = before;
		return error;
	}
	inet->remote = remote;
	inet->connected = true;
	usock__changed(sock, EPOLLOUT);
	return 0;
}

/* --------------------------------------------------------------------------------------------------------------
 * sending */

/** put_header - the header of @len bytes of data, which are behind it, and whose checksum @sum is */
static void put_header(const struct usock__udp *udp, const struct usock__send *send, uint16_t port, size_t len,
                       uint32_t sum, unsigned char *at)
{
	const struct inet_flow *flow = &send->flow;
	int protocol = udp->inet.sock.protocol;
	bool none = flow->family == AF_INET ? udp->inet.sock.options.no_check : udp->no_check6_tx;
	size_t whole = UDP_HEADER + len, field = whole;
	uint32_t pseudo = usock__checksum_pseudo(flow->family, &flow->source, &flow->dst, protocol, whole);
	uint16_t check = 0;

	if (udp->send_coverage >= 0 && (size_t)udp->send_coverage < whole) {
		field = (size_t)udp->send_coverage;
		if (field > 0)
			sum = usock__checksum(0, at + UDP_HEADER, field - UDP_HEADER, false);
	}
	usock__put16(at, udp->inet.local.port);
	usock__put16(at + 2, port);
	usock__put16(at + 4, (unsigned int)field);
	memset(at + 6, 0, 2);
	if (!none || protocol == IPPROTO_UDPLITE) {
		check = usock__checksum_fold(usock__checksum(sum, at, UDP_HEADER, false) + pseudo);
		if (check == 0)
			check = 0xffff; /* 0 would say that there is none */
	}
	memcpy(at + 6, &check, sizeof(check));
}

/** copy_data - @len bytes of the program's pieces, from @skip on; their checksum */
static uint32_t copy_data(const struct iovec *piece, size_t pieces, size_t skip, unsigned char *to, size_t len)
{
	uint32_t sum = 0;
	size_t done = 0;

	for (size_t i = 0; i < pieces && done < len; i++) {
		size_t part;

		if (skip >= piece[i].iov_len) {
			skip -= piece[i].iov_len;
			continue;
		}
		part = piece[i].iov_len - skip;
		if (part > len - done)
			part = len - done;
		sum = usock__checksum_copy(sum, to + done, (const unsigned char *)piece[i].iov_base + skip, part,
		                           done & 1);
		done += part;
		skip = 0;
	}
	return sum;
}

/** emit_one - one datagram */
static int emit_one(struct usock__udp *udp, struct usock__send *send, uint16_t port, const struct iovec *piece,
                    size_t pieces, size_t skip, size_t len)
{
	unsigned char *at;
	void *packet = usock__send_alloc(udp->inet.sock.stack, send, udp->inet.sock.protocol, UDP_HEADER + len, &at);
	uint32_t sum;

	if (!packet)
		return -ENOBUFS;
	sum = copy_data(piece, pieces, skip, at + UDP_HEADER, len);
	put_header(udp, send, port, len, sum, at);
	return usock__send_packet(&udp->inet, send, packet);
}

/** emit - a datagram, or several of @segment bytes */
static int emit(struct usock__udp *udp, struct usock__send *send, uint16_t port, int segment, const struct iovec *piece,
                size_t pieces, size_t len)
{
	size_t cut = segment > 0 ? (size_t)segment : len;
	size_t header = send->flow.family == AF_INET ? sizeof(struct iphdr) + send->opts_len : sizeof(struct ip6_hdr);
	int error = 0;

	if (segment > 0 && len > cut) {
		if (header + UDP_HEADER + cut > send->flow.mtu)
			return -EMSGSIZE;
		if (len > cut * SEGMENTS_MAX)
			return -EINVAL;
		if (udp->inet.sock.protocol == IPPROTO_UDPLITE)
			return -EIO;
	} else if (UDP_HEADER + len > usock__send_room(send)) {
		return usock__emsgsize(&udp->inet, send, port);
	}
	if (len == 0)
		return emit_one(udp, send, port, piece, pieces, 0, 0);
	for (size_t skip = 0; skip < len && error == 0; skip += cut)
		error = emit_one(udp, send, port, piece, pieces, skip, len - skip < cut ? len - skip : cut);
	return error;
}

/** flush - send what was held back */
static int flush(struct usock__udp *udp)
{
	struct udp_pending *pending = &udp->pending;
	struct iovec piece = {.iov_base = pending->data, .iov_len = pending->len};
	int error;

	if (!pending->active)
		return 0;
	pending->active = false;
	error = emit(udp, &pending->send, pending->port, pending->segment, &piece, 1, pending->len);
	pending->len = 0;
	return error;
}

/** hold_back - add the bytes of a call to what is held back */
static int hold_back(struct usock__udp *udp, struct usock__xfer *xfer)
{
	struct udp_pending *pending = &udp->pending;
	size_t most = usock__send_room(&pending->send) - UDP_HEADER;

	if (pending->len + xfer->len > most) {
		pending->active = false;
		pending->len = 0;
		return usock__emsgsize(&udp->inet, &pending->send, pending->port);
	}
	if (pending->len + xfer->len > pending->room) {
		size_t room = pending->room < 1024 ? 1024 : pending->room;
		unsigned char *data;

		while (room < pending->len + xfer->len)
			room *= 2;
		data = realloc(pending->data, room);
		if (!data)
			return -ENOBUFS;
		pending->data = data;
		pending->room = room;
	}
	pending->len += usock__copy_in(xfer, 0, pending->data + pending->len, xfer->len);
	return 0;
}

/** cmsg_segment - UDP_SEGMENT among the control messages */
static int cmsg_segment(const struct msghdr *msg, int *segment)
{
	struct usock__cmsg cmsg = {.next = 0};
	uint16_t size;
	int more;

	while ((more = usock__cmsg_next(msg, &cmsg)) > 0) {
		if (cmsg.level != SOL_UDP)
			continue;
		if (cmsg.type != UDP_SEGMENT || cmsg.len != sizeof(size))
			return -EINVAL;
		memcpy(&size, cmsg.data, sizeof(size));
		*segment = size;
	}
	return more;
}

/** prepare - destination, options and way of a datagram */
static int prepare(struct usock__udp *udp, struct usock__xfer *xfer, struct usock__send *send, uint16_t *port,
                   int *segment)
{
	struct usock__inet *inet = &udp->inet;
	struct usock_endpoint dst;
	int family, error;

	error = usock__inet_destination(inet, xfer->msg, &family, &dst);
	if (error < 0)
		return error;
	if (dst.port == 0)
		return -EINVAL;
	if (xfer->flags & MSG_OOB && family == AF_INET)
		return -EOPNOTSUPP; /* to IPv6 the flag means nothing */
	*port = dst.port;
	*segment = udp->segment;
	error = usock__send_init(inet, send, family, &dst, xfer->flags);
	if (error < 0)
		return error;
	if (xfer->msg->msg_control && xfer->msg->msg_controllen > 0) {
		error = cmsg_segment(xfer->msg, segment);
		if (error == 0)
			error = usock__send_cmsg(inet, send, xfer->msg);
		if (error < 0)
			return error;
	}
	error = usock__send_route(inet, send);
	if (error == 0 && xfer->flags & MSG_CONFIRM)
		inet_confirm(inet->sock.stack->inet, family, &send->flow.nexthop);
	return error == 0 ? usock__inet_sendable(&inet->sock) : error;
}

static int udp_send(struct usock *sock, struct usock__xfer *xfer)
{
	struct usock__udp *udp = udp_of(sock);
	struct udp_pending *pending = &udp->pending;
	bool more = udp->cork || xfer->flags & MSG_MORE;
	struct usock__send send;
	uint16_t port;
	int segment, error = autobind(&udp->inet);

	if (error < 0)
		return error;
	if (xfer->len > USOCK_IP_MAX)
		return -EMSGSIZE;
	if (xfer->flags & MSG_OOB && sock->family == AF_INET)
		return -EOPNOTSUPP;
	if (!pending->active) {
		error = prepare(udp, xfer, &send, &port, &segment);
		if (error == 0 && !more)
			error = emit(udp, &send, port, segment, xfer->msg->msg_iov, xfer->msg->msg_iovlen, xfer->len);
		if (error == 0)
			xfer->done = xfer->len;
		if (error < 0 || !more)
			return error;
		pending->active = true;
		pending->send = send;
		pending->port = port;
		pending->segment = segment;
		memcpy(pending->opts, send.opts ? send.opts : pending->opts, send.opts_len);
		pending->send.opts = pending->opts;
		xfer->done = 0;
	}
	error = hold_back(udp, xfer);
	if (error == 0 && !more)
		error = flush(udp);
	if (error == 0)
		xfer->done = xfer->len;
	return error;
}

/* ------------------------------------------------------------------------------------------------------------
 * receiving */

static int udp_recv(struct usock *sock, struct usock__xfer *xfer)
{
	if (usock__path_recv(sock, xfer))
		return 0;
	return usock__queue_recv(sock, &udp_of(sock)->queue, xfer, usock__ip_control);
}

/** struct udp_arrival - a datagram that has passed the checks */
struct udp_arrival {
	const struct usock_packet *packet;
	size_t len;     /* of the data */
	size_t covered; /* by the checksum: bytes of header and data */
	uint16_t port, dst_port;
	const unsigned char *header;
	bool unchecked; /* IPv6 without checksum */
	unsigned int taken;
};

/** covers_enough - does the checksum cover what the socket wants it to (UDPLITE_RECV_CSCOV)? All is always enough */
static bool covers_enough(const struct usock__udp *udp, const struct udp_arrival *arrival)
{
	int least = udp->recv_coverage;

	if (least < 0 || arrival->covered == arrival->len + UDP_HEADER)
		return true;
	return least > 0 && arrival->covered >= (size_t)least;
}

/** deliver - into the queue of one socket */
static void deliver(struct usock__inet *inet, void *arg)
{
	struct udp_arrival *arrival = arg;
	struct usock__udp *udp = udp_of(&inet->sock);
	size_t len = arrival->len + UDP_HEADER;
	struct usock__dgram *dgram;

	if (!usock__packet_admits(inet, arrival->packet) || (arrival->unchecked && !udp->no_check6_rx))
		return;
	arrival->taken++;
	if (!covers_enough(udp, arrival)) {
		inet->sock.dropped++;
		return;
	}
	if (!usock__filter_packet(&inet->sock, arrival->packet, 0, UDP_HEADER, &len))
		return;
	if (udp->queue.head && udp->queue.size + usock__dgram_cost(arrival->len) > (size_t)inet->sock.options.rcvbuf) {
		inet->sock.dropped++; /* before anything is copied: a flood costs little */
		return;
	}
	dgram = usock__packet_dgram(&inet->sock, arrival->packet, 0, UDP_HEADER, len - UDP_HEADER, arrival->port,
	                            arrival->dst_port);
	if (!dgram) {
		inet->sock.dropped++;
		return;
	}
	if (usock__packet_filter(&inet->sock, dgram, arrival->header, UDP_HEADER))
		usock__queue_put(&inet->sock, &udp->queue, dgram);
}

/** measure - how long the data are, how much of it the checksum covers; false: the header cannot be right */
static bool measure(struct udp_arrival *arrival)
{
	const struct usock_packet *packet = arrival->packet;
	bool lite = packet->protocol == IPPROTO_UDPLITE;

	arrival->covered = usock__get16(arrival->header + 4);
	if (lite && arrival->covered == 0)
		arrival->covered = packet->payload_len;
	if (arrival->covered < UDP_HEADER || arrival->covered > packet->payload_len)
		return false;
	arrival->len = (lite ? packet->payload_len : arrival->covered) - UDP_HEADER;
	return true;
}

/** check - is the checksum right, or absent where it may be? */
static bool check(struct udp_arrival *arrival)
{
	const struct usock_packet *packet = arrival->packet;
	uint32_t sum;

	if (arrival->header[6] == 0 && arrival->header[7] == 0) {
		arrival->unchecked = packet->family == AF_INET6;
		return packet->protocol == IPPROTO_UDP;
	}
	if (packet->payload[0].iov_base == packet->iface->unsummed_in)
		return true;
	sum = usock__checksum_pseudo(packet->family, &packet->src, &packet->dst, packet->protocol,
	                             arrival->len + UDP_HEADER);
	return usock__checksum_fold(usock__packet_sum(packet, arrival->covered, sum)) == 0;
}

bool usock__udp_input(struct usock_stack *stack, const struct usock_packet *packet)
{
	unsigned char header[UDP_HEADER];
	struct udp_arrival arrival = {.packet = packet, .header = header};
	struct usock_endpoint local, remote;
	struct usock__inet *inet;
	int type;

	if (usock__packet_copy(packet, 0, header, sizeof(header)) < sizeof(header))
		return true;
	if (!measure(&arrival) || !check(&arrival))
		return true;
	arrival.port = (uint16_t)usock__get16(header);
	arrival.dst_port = (uint16_t)usock__get16(header + 2);
	local = (struct usock_endpoint){.ip = packet->dst, .port = arrival.dst_port, .scope = packet->iface->index};
	remote = (struct usock_endpoint){.ip = packet->src, .port = arrival.port, .scope = packet->iface->index};

	type = inet_addr_type(stack->inet, packet->family, &packet->dst, packet->iface);
	if (type == RTN_MULTICAST || type == RTN_BROADCAST) {
		usock__bind_each(stack, packet->protocol, packet->family, &local, &remote, packet->iface, deliver,
		                 &arrival);
		return true;
	}
	inet = usock__bind_lookup(stack, packet->protocol, packet->family, &local, &remote, packet->iface);
	if (inet)
		deliver(inet, &arrival);
	else if (packet->family == AF_INET)
		usock__icmp_send(stack, packet, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH);
	else if (!arrival.unchecked)
		usock__icmp_send(stack, packet, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT);
	return true;
}

bool usock__udp_fault(struct usock_stack *stack, const struct usock__fault *fault)
{
	struct inet_iface *iface = inet_iface_by_index(stack->inet, fault->ifindex);
	struct usock__inet *inet;
	size_t skip = fault->header_len + UDP_HEADER;

	if (fault->len < skip || !iface)
		return false;
	inet = usock__bind_lookup(stack, fault->protocol, fault->family, &fault->local, &fault->remote, iface);
	if (!inet)
		return false;
	return usock__fault_tell(inet, fault, fault->remote.port, fault->packet + skip, fault->len - skip);
}

/* --------------------------------------------------------------------------------------------------------------
 * options */

/** is_ours - the level of UDP-Lite is that of UDP, on sockets of both, as in Linux */
static bool is_ours(int level)
{
	return level == IPPROTO_UDP || level == IPPROTO_UDPLITE;
}

/** set_coverage - UDPLITE_SEND_CSCOV, UDPLITE_RECV_CSCOV: the header is covered in any case */
static int set_coverage(const struct usock__udp *udp, int *coverage, int number)
{
	if (udp->inet.sock.protocol != IPPROTO_UDPLITE)
		return -ENOPROTOOPT;
	if (number != 0 && number < UDP_HEADER)
		number = UDP_HEADER;
	*coverage = number > 0xffff ? 0xffff : number;
	return 0;
}

/** udp_setsockopt_udp - IPPROTO_UDP */
static int udp_setsockopt_udp(struct usock__udp *udp, int name, const void *value, socklen_t len)
{
	int number;

	if (len < sizeof(number))
		return -EINVAL;
	memcpy(&number, value, sizeof(number));
	switch (name) {
	case UDP_CORK:
		udp->cork = number != 0;
		return number != 0 ? 0 : flush(udp);
	case UDP_NO_CHECK6_TX:
		udp->no_check6_tx = number != 0;
		return 0;
	case UDP_NO_CHECK6_RX:
		udp->no_check6_rx = number != 0;
		return 0;
	case UDP_SEGMENT:
		if (number < 0 || number > 0xffff)
			return -EINVAL;
		udp->segment = number;
		return 0;
	case UDP_GRO:
		udp->gro = number != 0;
		return 0;
	case UDPLITE_SEND_CSCOV:
		return set_coverage(udp, &udp->send_coverage, number);
	case UDPLITE_RECV_CSCOV:
		return set_coverage(udp, &udp->recv_coverage, number);
	default:
		return -ENOPROTOOPT;
	}
}

static int udp_setsockopt(struct usock *sock, int level, int name, const void *value, socklen_t len)
{
	if (is_ours(level))
		return udp_setsockopt_udp(udp_of(sock), name, value, len);
	return usock__ip_setsockopt(usock__inet_of(sock), level, name, value, len);
}

static int udp_getsockopt(struct usock *sock, int level, int name, void *value, socklen_t *len)
{
	struct usock__udp *udp = udp_of(sock);
	int number;

	if (!is_ours(level))
		return usock__ip_getsockopt(usock__inet_of(sock), level, name, value, len);
	switch (name) {
	case UDP_CORK:
		number = udp->cork;
		break;
	case UDP_NO_CHECK6_TX:
		number = udp->no_check6_tx;
		break;
	case UDP_NO_CHECK6_RX:
		number = udp->no_check6_rx;
		break;
	case UDP_SEGMENT:
		number = udp->segment;
		break;
	case UDP_GRO:
		number = udp->gro;
		break;
	case UDPLITE_SEND_CSCOV:
		number = udp->send_coverage < 0 ? 0 : udp->send_coverage;
		break;
	case UDPLITE_RECV_CSCOV:
		number = udp->recv_coverage < 0 ? 0 : udp->recv_coverage;
		break;
	default:
		return -ENOPROTOOPT;
	}
	if (*len > sizeof(number))
		*len = sizeof(number);
	memcpy(value, &number, *len);
	return 0;
}

static int udp_ioctl(struct usock *sock, unsigned long request, void *arg)
{
	const struct usock__udp *udp = udp_of(sock);

	switch (request) {
	case SIOCINQ:
		*(int *)arg = udp->queue.head ? (int)udp->queue.head->len : 0;
		return 0;
	case SIOCOUTQ:
		*(int *)arg = 0; /* what was sent has left */
		return 0;
	default:
		return -ENOIOCTLCMD;
	}
}

static uint32_t udp_poll(struct usock *sock)
{
	return usock__dgram_poll(sock, &udp_of(sock)->queue);
}

const struct usock__kind usock__udp_kind = {
        .name = "udp",
        .shape = USOCK_SHAPE_DGRAM,
        .open = udp_open,
        .release = udp_release,
        .destroy = udp_destroy,
        .bind = udp_bind,
        .connect = udp_connect,
        .getsockname = usock__inet_getsockname,
        .getpeername = usock__inet_getpeername,
        .shutdown = usock__inet_shutdown,
        .send = udp_send,
        .recv = udp_recv,
        .setsockopt = udp_setsockopt,
        .getsockopt = udp_getsockopt,
        .option_changed = usock__inet_option_changed,
        .ioctl = udp_ioctl,
        .poll = udp_poll,
};
