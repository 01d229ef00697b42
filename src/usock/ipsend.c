/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ipsend.c - from a socket's bytes to an IP packet on its way.
 *
 * A sender fills a struct usock__send in four steps: from the options of the socket and the destination
 * (usock__send_init), from control messages (usock__send_cmsg), from the routing table (usock__send_route); then it
 * gets packets with their headers written (usock__send_alloc), as many as it likes, fills them and sends them
 * (usock__send_packet). The engine does the rest: fragments, the way to the neighbour, and what is for ourselves goes
 * to lo because the route says so.
 *
 * Groups and broadcasts are heard by the sender's own host as well: such a packet is handed to usock_ip_input before it
 * leaves, as if it had come in on the interface it goes out by.
 *
 * Identifications of IPv4 packets count per destination, from random beginnings and with steps nobody can watch from
 * elsewhere; a packet that must not be fragmented needs none (RFC 6864) and has 0. Flow labels are hashes of the ends
 * of a flow (RFC 6437).
 */
#include "ip.h"

/** output_interface - the interface that the options of the socket choose, 0: none */
static unsigned int output_interface(const struct usock__inet *sock, int family, const struct usock_endpoint *dst)
{
	const struct usock__ip *ip = &sock->ip;
	bool group = usock__is_group(family, &dst->ip);

	if (sock->sock.options.bound_if != 0)
		return sock->sock.options.bound_if;
	if (family == AF_INET)
		return group ? ip->multicast_if : ip->unicast_if;
	if (dst->scope != 0 && usock__needs_scope(&dst->ip.v6))
		return dst->scope;
	if (ip->sticky.ipi6_ifindex != 0)
		return ip->sticky.ipi6_ifindex;
	return group ? ip->multicast_if6 : ip->unicast_if6;
}

/** bound_source - the address that the socket sends from, when it has one; it must be one of @family */
static int bound_source(const struct usock__inet *sock, int family, bool group, union inet_ip *src)
{
	union inet_ip local;
	int bound = usock__effective(sock->sock.family, &sock->local.ip, &local);

	memset(src, 0, sizeof(*src));
	if (!usock__is_any(bound, &local) && bound != family)
		return family == AF_INET ? -ENETUNREACH : -EAFNOSUPPORT;
	if (!usock__is_any(bound, &local) && !usock__is_group(bound, &local)) {
		*src = local;
		if (family == AF_INET && inet_addr_type(sock->sock.stack->inet, AF_INET, src, NULL) == RTN_BROADCAST)
			memset(src, 0, sizeof(*src));
	}
	if (!usock__is_any(family, src))
		return 0;
	if (family == AF_INET6)
		src->v6 = sock->ip.sticky.ipi6_addr;
	else if (group)
		src->v4 = sock->ip.multicast_addr;
	return 0;
}

int usock__send_init(struct usock__inet *sock, struct usock__send *send, int family, const struct usock_endpoint *dst,
                     int flags)
{
	const struct usock__ip *ip = &sock->ip;
	bool group = usock__is_group(family, &dst->ip);
	int error;

	memset(send, 0, sizeof(*send));
	send->flow.family = family;
	send->flow.dst = dst->ip;
	if (usock__is_any(family, &dst->ip)) {
		/* Nowhere is here. */
		if (family == AF_INET)
			send->flow.dst.v4.s_addr = htonl(INADDR_LOOPBACK);
		else
			send->flow.dst.v6 = in6addr_loopback;
	}
	send->flow.oif = output_interface(sock, family, dst);
	error = bound_source(sock, family, group, &send->flow.src);
	if (error < 0)
		return error;
	send->dontroute = family == AF_INET && (sock->sock.options.dontroute || flags & MSG_DONTROUTE);
	send->broadcast = sock->sock.options.broadcast;
	if (family == AF_INET) {
		send->hop_limit = group ? (int)ip->multicast_ttl : ip->ttl;
		send->tos = ip->tos;
		send->opts = ip->opts;
		send->opts_len = ip->opts_len;
		send->dontfrag = ip->mtu_discover >= IP_PMTUDISC_DO && ip->mtu_discover != IP_PMTUDISC_OMIT;
		send->discover = ip->mtu_discover >= IP_PMTUDISC_WANT && ip->mtu_discover <= IP_PMTUDISC_PROBE;
	} else {
		send->hop_limit = ip->hop_limit;
		if (group)
			send->hop_limit = ip->multicast_hops < 0 ? 1 : ip->multicast_hops;
		send->tos = ip->tclass;
		send->dontfrag = ip->dontfrag ||
		                 (ip->mtu_discover6 >= IPV6_PMTUDISC_DO && ip->mtu_discover6 != IPV6_PMTUDISC_OMIT);
	}
	return 0;
}

/** cmsg_int - the int in a control message */
static int cmsg_int(const struct usock__cmsg *cmsg, int *value)
{
	if (cmsg->len != sizeof(*value))
		return -EINVAL;
	memcpy(value, cmsg->data, sizeof(*value));
	return 0;
}

/** source_is_ours - may the socket send from this address? */
static bool source_is_ours(const struct usock__inet *sock, int family, const union inet_ip *ip, unsigned int ifindex)
{
	struct inet *inet = sock->sock.stack->inet;
	struct inet_iface *iface = ifindex ? inet_iface_by_index(inet, ifindex) : NULL;

	if (sock->ip.transparent || sock->ip.transparent6)
		return true;
	if (family == AF_INET ? sock->ip.hdrincl : sock->ip.freebind || sock->ip.freebind6)
		return true;
	if (family == AF_INET || !IN6_IS_ADDR_LINKLOCAL(&ip->v6))
		iface = NULL;
	return inet_local(inet, family, ip, iface) != NULL;
}

/** cmsg_pktinfo6 - IPV6_PKTINFO: where from, and by which interface */
static int cmsg_pktinfo6(struct usock__inet *sock, struct usock__send *send, const struct usock__cmsg *cmsg)
{
	struct in6_pktinfo info;
	union inet_ip ip, v4;

	if (cmsg->len < sizeof(info))
		return -EINVAL;
	memcpy(&info, cmsg->data, sizeof(info));
	if (info.ipi6_ifindex != 0) {
		if (sock->sock.options.bound_if != 0 && sock->sock.options.bound_if != info.ipi6_ifindex)
			return -EINVAL;
		if (!inet_iface_by_index(sock->sock.stack->inet, info.ipi6_ifindex))
			return -ENODEV;
		send->flow.oif = info.ipi6_ifindex;
	}
	ip.v6 = info.ipi6_addr;
	if (usock__is_any(AF_INET6, &ip))
		return 0;
	if (send->flow.family == AF_INET) {
		if (usock__effective(AF_INET6, &ip, &v4) != AF_INET)
			return -EINVAL;
		send->flow.src.v4 = v4.v4;
		return 0;
	}
	if (IN6_IS_ADDR_LINKLOCAL(&ip.v6) && info.ipi6_ifindex == 0)
		return -EINVAL;
	if (!source_is_ours(sock, AF_INET6, &ip, info.ipi6_ifindex))
		return -EINVAL;
	send->flow.src = ip;
	return 0;
}

static int cmsg_ip(struct usock__inet *sock, struct usock__send *send, const struct usock__cmsg *cmsg)
{
	struct in_pktinfo info;
	int value, error;

	switch (cmsg->type) {
	case IP_RETOPTS:
		if (cmsg->len > 40 || (cmsg->len & 3))
			return -EINVAL;
		send->opts = cmsg->data;
		send->opts_len = (unsigned int)cmsg->len;
		return 0;
	case IP_PKTINFO:
		if (cmsg->len != sizeof(info))
			return -EINVAL;
		memcpy(&info, cmsg->data, sizeof(info));
		if (info.ipi_ifindex != 0)
			send->flow.oif = (unsigned int)info.ipi_ifindex;
		send->flow.src.v4 = info.ipi_spec_dst;
		return 0;
	case IP_TTL:
		error = cmsg_int(cmsg, &value);
		if (error < 0 || value < 1 || value > 255)
			return -EINVAL;
		send->hop_limit = value;
		return 0;
	case IP_TOS:
		if (cmsg->len == 1)
			value = *cmsg->data;
		else if (cmsg_int(cmsg, &value) < 0)
			return -EINVAL;
		if (value < 0 || value > 255)
			return -EINVAL;
		send->tos = value;
		return 0;
	case IP_PROTOCOL:
		error = cmsg_int(cmsg, &value);
		if (error < 0 || value < 1 || value > 255 || sock->sock.protocol != IPPROTO_RAW)
			return -EINVAL;
		return 0;
	default:
		return -EINVAL;
	}
}

static int cmsg_ipv6(struct usock__inet *sock, struct usock__send *send, const struct usock__cmsg *cmsg)
{
	int value, error;

	if (send->flow.family == AF_INET && cmsg->type != IPV6_PKTINFO && cmsg->type != IPV6_2292PKTINFO)
		return 0; /* a mapped destination: only this one is listened to */
	switch (cmsg->type) {
	case IPV6_PKTINFO:
	case IPV6_2292PKTINFO:
		return cmsg_pktinfo6(sock, send, cmsg);
	case IPV6_HOPLIMIT:
	case IPV6_2292HOPLIMIT:
		error = cmsg_int(cmsg, &value);
		if (error < 0 || value < -1 || value > 255)
			return -EINVAL;
		send->hop_limit = value;
		return 0;
	case IPV6_TCLASS:
		error = cmsg_int(cmsg, &value);
		if (error < 0 || value < -1 || value > 255)
			return -EINVAL;
		send->tos = value;
		return 0;
	case IPV6_DONTFRAG:
		error = cmsg_int(cmsg, &value);
		if (error < 0 || value < 0 || value > 1)
			return -EINVAL;
		send->dontfrag = value != 0;
		return 0;
	case IPV6_FLOWINFO:
		if (cmsg->len < 4)
			return -EINVAL;
		send->flow_label = usock__get32(cmsg->data) & 0xfffff;
		return 0;
	default:
		return -EINVAL;
	}
}

/** cmsg_socket - control messages of SOL_SOCKET */
static int cmsg_socket(const struct usock__cmsg *cmsg)
{
	int value;

	switch (cmsg->type) {
	case SO_MARK:
	case SO_PRIORITY:
		return cmsg_int(cmsg, &value); /* nothing in the stack looks at them */
	case SCM_RIGHTS:
	case SCM_CREDENTIALS:
		return 0;
	default:
		return -EINVAL;
	}
}

int usock__send_cmsg(struct usock__inet *sock, struct usock__send *send, const struct msghdr *msg)
{
	struct usock__cmsg cmsg = {.next = 0};
	int more;

	while ((more = usock__cmsg_next(msg, &cmsg)) > 0) {
		int error = 0;

		if (cmsg.level == SOL_SOCKET)
			error = cmsg_socket(&cmsg);
		else if (cmsg.level == IPPROTO_IPV6 && sock->sock.family == AF_INET6)
			error = cmsg_ipv6(sock, send, &cmsg);
		else if (cmsg.level == IPPROTO_IP && send->flow.family == AF_INET)
			error = cmsg_ip(sock, send, &cmsg);
		if (error < 0)
			return error;
	}
	return more;
}

/** flow_label - of a flow that the socket lets have one */
static uint32_t flow_label(const struct usock__inet *sock, const struct usock__send *send)
{
	struct {
		union inet_ip src, dst;
		uint32_t ports, protocol;
	} ends;

	memset(&ends, 0, sizeof(ends));
	ends.src = send->flow.source;
	ends.dst = send->flow.dst;
	ends.ports = (uint32_t)sock->local.port << 16 | sock->remote.port;
	ends.protocol = (uint32_t)sock->sock.protocol;
	return (uint32_t)usock__hash(sock->sock.stack, &ends, sizeof(ends)) & 0xfffff;
}

/** cut_mtu - what the socket's options make of the MTU of the path */
static void cut_mtu(const struct usock__inet *sock, struct usock__send *send)
{
	const struct usock__ip *ip = &sock->ip;

	if (send->flow.family == AF_INET) {
		if (ip->mtu_discover >= IP_PMTUDISC_PROBE)
			send->flow.mtu = send->flow.iface->mtu;
		return;
	}
	if (ip->mtu_discover6 >= IPV6_PMTUDISC_PROBE)
		send->flow.mtu = send->flow.iface->mtu;
	if (ip->mtu6 != 0 && (unsigned int)ip->mtu6 < send->flow.mtu)
		send->flow.mtu = (unsigned int)ip->mtu6;
}

int usock__send_route(struct usock__inet *sock, struct usock__send *send)
{
	struct inet *inet = sock->sock.stack->inet;
	struct inet_flow *flow = &send->flow;
	int error;

	if (flow->oif != 0 && !inet_iface_by_index(inet, flow->oif))
		return flow->family == AF_INET ? -ENODEV : -ENETUNREACH;
	if (flow->family == AF_INET && !usock__is_any(AF_INET, &flow->src) &&
	    !source_is_ours(sock, AF_INET, &flow->src, 0))
		return -ENETUNREACH;
	error = inet_route(inet, flow);
	if (error < 0)
		return error;
	if (send->dontroute && !usock__ip_same(AF_INET, &flow->nexthop, &flow->dst))
		return -ENETUNREACH;
	if (flow->type == RTN_BROADCAST && !send->broadcast)
		return -EACCES;
	cut_mtu(sock, send);
	if (flow->family == AF_INET6 && sock->ip.autoflowlabel && send->flow_label == 0)
		send->flow_label = flow_label(sock, send);
	return 0;
}

size_t usock__send_room(const struct usock__send *send)
{
	size_t header = send->flow.family == AF_INET ? sizeof(struct iphdr) + send->opts_len : sizeof(struct ip6_hdr);
	size_t most = send->flow.family == AF_INET ? USOCK_IP_MAX - header : USOCK_IP_MAX;

	if (send->dontfrag && send->flow.mtu > header && send->flow.mtu - header < most)
		return send->flow.mtu - header;
	return most;
}

/** identification - of an IPv4 packet that may be cut: counted per destination */
static unsigned int identification(struct usock_stack *stack, const struct inet_flow *flow, int protocol)
{
	uint32_t ends[3] = {flow->source.v4.s_addr, flow->dst.v4.s_addr, (uint32_t)protocol};

	return stack->icmp->ident[usock__hash(stack, ends, sizeof(ends)) % USOCK_IDENTS]++;
}

/** write_header4 - an IPv4 header; @df: set IP_DF */
static void write_header4(struct usock_stack *stack, const struct usock__send *send, int protocol, size_t total,
                          bool df, unsigned char *at)
{
	const struct inet_flow *flow = &send->flow;
	size_t header = sizeof(struct iphdr) + send->opts_len;
	uint16_t check;

	at[0] = (unsigned char)(0x40 | header / 4);
	at[1] = (unsigned char)(send->tos < 0 ? 0 : send->tos);
	usock__put16(at + 2, (unsigned int)total);
	usock__put16(at + 4, df ? 0 : identification(stack, flow, protocol));
	usock__put16(at + 6, df ? 0x4000 : 0);
	at[8] = (unsigned char)(send->hop_limit >= 0 ? (unsigned int)send->hop_limit : flow->hop_limit);
	at[9] = (unsigned char)protocol;
	memset(at + 10, 0, 2);
	memcpy(at + 12, &flow->source.v4, 4);
	memcpy(at + 16, &flow->dst.v4, 4);
	if (send->opts_len > 0)
		memcpy(at + 20, send->opts, send->opts_len);
	check = usock__checksum_fold(usock__checksum(0, at, header, false));
	memcpy(at + 10, &check, sizeof(check));
}

static void write_header6(const struct usock__send *send, int protocol, size_t len, unsigned char *at)
{
	const struct inet_flow *flow = &send->flow;
	uint32_t first = htonl(0x60000000U | (uint32_t)(send->tos < 0 ? 0 : send->tos) << 20 | send->flow_label);

	memcpy(at, &first, sizeof(first));
	usock__put16(at + 4, (unsigned int)len);
	at[6] = (unsigned char)protocol;
	at[7] = (unsigned char)(send->hop_limit >= 0 ? (unsigned int)send->hop_limit : flow->hop_limit);
	memcpy(at + 8, &flow->source.v6, 16);
	memcpy(at + 24, &flow->dst.v6, 16);
}

void *usock__send_raw(struct usock_stack *stack, struct usock__send *send, size_t len, unsigned char **bytes)
{
	void *packet = stack->engine->tx_alloc(stack->e, len, &send->bytes);

	send->bytes_len = len;
	*bytes = send->bytes;
	return packet;
}

void *usock__send_alloc(struct usock_stack *stack, struct usock__send *send, int protocol, size_t len,
                        unsigned char **payload)
{
	bool v4 = send->flow.family == AF_INET;
	size_t header = v4 ? sizeof(struct iphdr) + send->opts_len : sizeof(struct ip6_hdr);
	unsigned char *at;
	void *packet = usock__send_raw(stack, send, header + len, &at);

	if (!packet)
		return NULL;
	if (v4)
		write_header4(stack, send, protocol, header + len, send->discover && header + len <= send->flow.mtu,
		              at);
	else
		write_header6(send, protocol, len, at);
	*payload = at + header;
	return packet;
}

/** hear_ourselves - a packet to a group or broadcast comes in where it goes out, for the sockets of our own stack */
static void hear_ourselves(struct usock_stack *stack, const struct inet_flow *flow, unsigned char *bytes, size_t len)
{
	bool v4 = flow->family == AF_INET;
	size_t header = v4 ? (size_t)(bytes[0] & 15) * 4 : sizeof(struct ip6_hdr);
	struct iovec payload = {.iov_base = bytes + header, .iov_len = len - header};
	struct usock_packet packet = {.iface = flow->iface,
	                              .family = flow->family,
	                              .src = flow->source,
	                              .dst = flow->dst,
	                              .header = bytes,
	                              .header_len = header,
	                              .payload = &payload,
	                              .pieces = 1,
	                              .payload_len = len - header};

	packet.protocol = v4 ? bytes[9] : bytes[6];
	packet.hop_limit = v4 ? bytes[8] : bytes[7];
	packet.tos = v4 ? bytes[1] : (uint8_t)(usock__get16(bytes) >> 4);
	packet.flow_label = v4 ? 0 : usock__get32(bytes) & 0xfffff;
	usock_ip_input(stack, &packet);
}

/** heard_here - is a packet one that the stack has to hear itself? */
static bool heard_here(const struct usock__send *send, bool loop)
{
	const struct inet_flow *flow = &send->flow;

	if (flow->iface->flags & USOCK_IFF_LOOPBACK)
		return false; /* it comes back anyway */
	if (flow->type == RTN_BROADCAST)
		return true;
	return loop && flow->type == RTN_MULTICAST && inet_group_member(flow->iface, flow->family, &flow->dst);
}

/** leaves - is a group's packet one that leaves the host? Not with a hop limit of 0, nor of a scope that ends here */
static bool leaves(const struct usock__send *send, const unsigned char *bytes)
{
	const struct inet_flow *flow = &send->flow;

	if (flow->type != RTN_MULTICAST || flow->iface->flags & USOCK_IFF_LOOPBACK)
		return true;
	if (flow->family == AF_INET6 && (flow->dst.v6.s6_addr[1] & 15) <= 1)
		return false;
	return bytes[flow->family == AF_INET ? 8 : 7] != 0;
}

int usock__send_out(struct usock_stack *stack, const struct usock__send *send, void *packet, bool loop)
{
	const struct inet_flow *flow = &send->flow;

	if (heard_here(send, loop))
		hear_ourselves(stack, flow, send->bytes, send->bytes_len);
	if (!leaves(send, send->bytes)) {
		stack->engine->tx_free(stack->e, packet);
		return 0;
	}
	return stack->engine->ip_output(stack->e, flow->iface, &flow->nexthop, flow->family, packet);
}

int usock__send_packet(struct usock__inet *sock, const struct usock__send *send, void *packet)
{
	bool loop = send->flow.family == AF_INET ? sock->ip.multicast_loop : sock->ip.multicast_loop6;
	int error = usock__send_out(sock->sock.stack, send, packet, loop);
	bool recverr = send->flow.family == AF_INET ? sock->ip.recverr : sock->ip.recverr6;

	/* A datagram that finds no room is as lost as one that finds none further on; only IP_RECVERR wants to know. */
	return error == -ENOBUFS && !recverr ? 0 : error;
}
