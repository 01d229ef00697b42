/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ipcmsg.c - the control messages that come with received datagrams, as ip(7) and ipv6(7) say.
 *
 * An AF_INET6 socket that receives over IPv4 gets what the IPv4 options asked for as messages of IPPROTO_IP;
 * IPV6_PKTINFO it gets in any case, with a mapped address.
 */
#include "ip.h"

static void put_int(struct usock__xfer *xfer, int level, int type, int value)
{
	usock__cmsg_put(xfer, level, type, &value, sizeof(value));
}

/** reverse_options - IP_RETOPTS: the options with which an answer would go; record route and timestamp start afresh.
 * Bytes written */
static size_t reverse_options(const unsigned char *options, size_t len, unsigned char *out)
{
	size_t at = 0, made = 0;

	while (at < len && options[at] != IPOPT_EOL) {
		size_t size = options[at] == IPOPT_NOP ? 1 : at + 1 < len ? options[at + 1] : 0;

		if (size == 0 || (size == 1 && options[at] != IPOPT_NOP) || size > len - at)
			return 0;
		if (options[at] == IPOPT_RR || options[at] == IPOPT_TS) {
			memcpy(out + made, options + at, size);
			if (options[at] == IPOPT_RR && size >= 3) {
				out[made + 2] = 4;
				memset(out + made + 3, 0, size - 3);
			}
			made += size;
		}
		at += size;
	}
	while (made & 3)
		out[made++] = IPOPT_EOL;
	return made;
}

/** put_orig_dst - the address and port that a datagram was sent to */
static void put_orig_dst(struct usock__xfer *xfer, int level, int type, int family, const struct usock__dgram *dgram)
{
	struct usock_endpoint to = {.ip = dgram->dst, .port = dgram->dst_port, .scope = dgram->ifindex};
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	if (family == AF_INET6 && dgram->family == AF_INET)
		to.ip = usock__mapped(dgram->dst.v4);
	usock__endpoint_give(family, &to, &addr, &len);
	usock__cmsg_put(xfer, level, type, &addr, len);
}

/** pktinfo - the interface, the address of ours that it was sent to, and that in its header */
static void put_pktinfo(struct usock *sock, struct usock__xfer *xfer, const struct usock__dgram *dgram)
{
	struct inet *inet = sock->stack->inet;
	struct in_pktinfo info = {
	        .ipi_ifindex = (int)dgram->ifindex, .ipi_addr = dgram->dst.v4, .ipi_spec_dst = dgram->dst.v4};

	if (!inet_local(inet, AF_INET, &dgram->dst, NULL)) {
		/* A group or broadcast: the address from which an answer would go. */
		const struct sockaddr *name = (const struct sockaddr *)&dgram->name;
		struct inet_flow flow = {.family = AF_INET, .oif = dgram->ifindex};

		if (name->sa_family == AF_INET)
			flow.dst.v4 = ((const struct sockaddr_in *)(const void *)name)->sin_addr;
		else
			memcpy(&flow.dst.v4, ((const struct sockaddr_in6 *)(const void *)name)->sin6_addr.s6_addr + 12,
			       4);
		info.ipi_spec_dst.s_addr = inet_route(inet, &flow) == 0 ? flow.source.v4.s_addr : 0;
	}
	usock__cmsg_put(xfer, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
}

static void control4(struct usock *sock, struct usock__xfer *xfer, const struct usock__dgram *dgram)
{
	const struct usock__ip *ip = &usock__inet_of(sock)->ip;

	if (ip->pktinfo)
		put_pktinfo(sock, xfer, dgram);
	if (ip->recvttl)
		put_int(xfer, IPPROTO_IP, IP_TTL, dgram->hop_limit);
	if (ip->recvtos)
		usock__cmsg_put(xfer, IPPROTO_IP, IP_TOS, &dgram->tos, 1);
	if (ip->recvopts && dgram->options_len > 0)
		usock__cmsg_put(xfer, IPPROTO_IP, IP_RECVOPTS, dgram->options, dgram->options_len);
	if (ip->retopts && dgram->options_len > 0) {
		unsigned char back[44];
		size_t len = reverse_options(dgram->options, dgram->options_len, back);

		usock__cmsg_put(xfer, IPPROTO_IP, IP_RETOPTS, back, len);
	}
	if (ip->recvorigdstaddr && (sock->type == SOCK_DGRAM || sock->type == SOCK_RAW))
		put_orig_dst(xfer, IPPROTO_IP, IP_ORIGDSTADDR, AF_INET, dgram);
}

/** put_extensions - the extension headers that were asked for */
static void put_extensions(const struct usock__ip *ip, struct usock__xfer *xfer, const struct usock__dgram *dgram)
{
	unsigned int type = dgram->aux[0];
	size_t at = 0;

	while (at + 8 <= dgram->options_len) {
		const unsigned char *header = dgram->options + at;
		size_t size = ((size_t)header[1] + 1) * 8;

		if (type == IPPROTO_FRAGMENT)
			size = 8;
		else if (type == IPPROTO_AH)
			size = ((size_t)header[1] + 2) * 4;
		else if (type != IPPROTO_HOPOPTS && type != IPPROTO_DSTOPTS && type != IPPROTO_ROUTING)
			return;
		if (size > dgram->options_len - at)
			return;
		if (type == IPPROTO_HOPOPTS && ip->recvhopopts)
			usock__cmsg_put(xfer, IPPROTO_IPV6, IPV6_HOPOPTS, header, size);
		if (type == IPPROTO_DSTOPTS && ip->recvdstopts)
			usock__cmsg_put(xfer, IPPROTO_IPV6, IPV6_DSTOPTS, header, size);
		if (type == IPPROTO_ROUTING && ip->recvrthdr)
			usock__cmsg_put(xfer, IPPROTO_IPV6, IPV6_RTHDR, header, size);
		type = header[0];
		at += size;
	}
}

static void control6(struct usock *sock, struct usock__xfer *xfer, const struct usock__dgram *dgram)
{
	const struct usock__ip *ip = &usock__inet_of(sock)->ip;

	if (ip->recvhoplimit)
		put_int(xfer, IPPROTO_IPV6, IPV6_HOPLIMIT, dgram->hop_limit);
	if (ip->recvtclass)
		put_int(xfer, IPPROTO_IPV6, IPV6_TCLASS, dgram->tos);
	if (ip->recvflowinfo) {
		uint32_t info = htonl((uint32_t)dgram->tos << 20 | dgram->flow_label);

		if (info != 0)
			usock__cmsg_put(xfer, IPPROTO_IPV6, IPV6_FLOWINFO, &info, sizeof(info));
	}
	if (dgram->options_len > 0)
		put_extensions(ip, xfer, dgram);
	/* Of RFC 2292: the same under other numbers. */
	if (ip->recvpktinfo2292) {
		struct in6_pktinfo info = {.ipi6_addr = dgram->dst.v6, .ipi6_ifindex = dgram->ifindex};

		usock__cmsg_put(xfer, IPPROTO_IPV6, IPV6_2292PKTINFO, &info, sizeof(info));
	}
	if (ip->recvhoplimit2292)
		put_int(xfer, IPPROTO_IPV6, IPV6_2292HOPLIMIT, dgram->hop_limit);
	if (ip->recvorigdstaddr6)
		put_orig_dst(xfer, IPPROTO_IPV6, IPV6_ORIGDSTADDR, AF_INET6, dgram);
}

bool usock__path_recv(struct usock *sock, struct usock__xfer *xfer)
{
	struct usock__ip *ip = &usock__inet_of(sock)->ip;
	struct sockaddr_storage name;

	if (!ip->recvpathmtu || ip->pathmtu.ip6m_mtu == 0 || xfer->flags & MSG_ERRQUEUE)
		return false;
	memcpy(&name, &ip->pathmtu.ip6m_addr, sizeof(ip->pathmtu.ip6m_addr));
	usock__name_put(xfer, &name, sizeof(ip->pathmtu.ip6m_addr));
	usock__cmsg_put(xfer, IPPROTO_IPV6, IPV6_PATHMTU, &ip->pathmtu, sizeof(ip->pathmtu));
	ip->pathmtu.ip6m_mtu = 0;
	return true;
}

void usock__ip_control(struct usock *sock, struct usock__xfer *xfer, const struct usock__dgram *dgram)
{
	const struct usock__ip *ip = &usock__inet_of(sock)->ip;

	if (!xfer->msg->msg_control)
		return;
	if (sock->family == AF_INET6 && ip->recvpktinfo) {
		struct in6_pktinfo info = {.ipi6_addr = dgram->dst.v6, .ipi6_ifindex = dgram->ifindex};

		if (dgram->family == AF_INET)
			info.ipi6_addr = usock__mapped(dgram->dst.v4).v6;
		usock__cmsg_put(xfer, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
	if (dgram->family == AF_INET)
		control4(sock, xfer, dgram);
	else
		control6(sock, xfer, dgram);
}
