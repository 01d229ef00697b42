/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ipopt.c - the options of IPPROTO_IP, and who answers those of IP at all.
 *
 * Most options are a number in struct usock__ip and stand in a table with their range. A value may be an int or, for
 * IPPROTO_IP, a single byte; no bytes at all are a 0. Sockets of AF_INET6 have the options of IPPROTO_IP as well: they
 * are about what they do over IPv4.
 */
#include "ipopt.h"

#define DEFAULT_TTL 64

void usock__ip_init(struct usock__ip *ip)
{
	const struct usock__inet *sock = (const struct usock__inet *)((char *)ip - offsetof(struct usock__inet, ip));

	*ip = (struct usock__ip){
	        .ttl = -1,
	        .mtu_discover = IP_PMTUDISC_WANT,
	        .multicast_ttl = 1,
	        .multicast_loop = true,
	        .multicast_all =
	                sock->sock.family == AF_INET, /* an AF_INET6 socket has to join groups of IPv4 to hear them */
	        .autoflowlabel = true,
	        .multicast_loop6 = true,
	        .multicast_all6 = true,
	        .hop_limit = -1,
	        .mtu_discover6 = IPV6_PMTUDISC_WANT,
	        .multicast_hops = 1,
	        .checksum_offset = -1,
	};
}

/* In the order of their names in linux/in.h. */
static const struct usock__ip_option options4[] = {
        USOCK_IP_NUMBER(IP_TOS, tos, INT_MIN, INT_MAX, 0),
        USOCK_IP_NUMBER(IP_TTL, ttl, -1, 255, USOCK_IP_SOME | USOCK_IP_NOT_ZERO),
        USOCK_IP_FLAG(IP_HDRINCL, hdrincl, USOCK_IP_RAW),
        USOCK_IP_FLAG(IP_RECVOPTS, recvopts, 0),
        USOCK_IP_FLAG(IP_RETOPTS, retopts, 0),
        USOCK_IP_FLAG(IP_PKTINFO, pktinfo, 0),
        USOCK_IP_NUMBER(IP_MTU_DISCOVER, mtu_discover, IP_PMTUDISC_DONT, IP_PMTUDISC_OMIT, 0),
        USOCK_IP_FLAG(IP_RECVERR, recverr, 0),
        USOCK_IP_FLAG(IP_RECVTTL, recvttl, 0),
        USOCK_IP_FLAG(IP_RECVTOS, recvtos, 0),
        USOCK_IP_FLAG(IP_FREEBIND, freebind, USOCK_IP_SOME),
        USOCK_IP_FLAG(IP_TRANSPARENT, transparent, USOCK_IP_SOME),
        USOCK_IP_FLAG(IP_RECVORIGDSTADDR, recvorigdstaddr, 0),
        USOCK_IP_NUMBER(IP_MINTTL, minttl, 0, 255, USOCK_IP_SOME),
        USOCK_IP_FLAG(IP_NODEFRAG, nodefrag, USOCK_IP_RAW),
        USOCK_IP_FLAG(IP_CHECKSUM, checksum, 0),
        USOCK_IP_FLAG(IP_BIND_ADDRESS_NO_PORT, bind_address_no_port, 0),
        USOCK_IP_FLAG(IP_RECVERR_RFC4884, recverr_rfc4884, USOCK_IP_STRICT),
        USOCK_IP_NUMBER(IP_MULTICAST_TTL, multicast_ttl, -1, 255, USOCK_IP_SOME | USOCK_IP_NO_STREAM),
        USOCK_IP_FLAG(IP_MULTICAST_LOOP, multicast_loop, USOCK_IP_SOME),
        USOCK_IP_FLAG(IP_MULTICAST_ALL, multicast_all, USOCK_IP_SOME | USOCK_IP_STRICT),
};

/** value4 - the number in a value of IPPROTO_IP */
static int value4(const void *value, socklen_t len)
{
	int number = 0;

	if (len >= sizeof(number))
		memcpy(&number, value, sizeof(number));
	else if (len >= 1)
		number = *(const unsigned char *)value;
	return number;
}

const struct usock__ip_option *usock__ip_option(const struct usock__ip_option *table, size_t count, int name)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].name == name)
			return &table[i];
	return NULL;
}

int usock__ip_option_check(const struct usock *sock, const struct usock__ip_option *option, int number)
{
	if (option->rules & USOCK_IP_RAW && sock->type != SOCK_RAW)
		return -ENOPROTOOPT;
	if (option->rules & USOCK_IP_NO_STREAM && sock->type == SOCK_STREAM)
		return -EINVAL;
	if (option->size == sizeof(bool))
		return option->rules & USOCK_IP_STRICT && number != 0 && number != 1 ? -EINVAL : 0;
	if (number < option->least || number > option->most || (option->rules & USOCK_IP_NOT_ZERO && number == 0))
		return -EINVAL;
	return 0;
}

void usock__ip_option_put(struct usock__ip *ip, const struct usock__ip_option *option, int number)
{
	void *field = (char *)ip + option->offset;

	if (option->size == sizeof(bool))
		*(bool *)field = number != 0;
	else
		memcpy(field, &number, sizeof(number));
}

int usock__ip_option_get(const struct usock__ip *ip, const struct usock__ip_option *option)
{
	const void *field = (const char *)ip + option->offset;
	int number;

	if (option->size == sizeof(bool))
		return *(const bool *)field;
	memcpy(&number, field, sizeof(number));
	return number;
}

/** changed - what follows from an option: TCP passes some on, others empty the error queue */
static int changed(struct usock__inet *sock, int name, int before)
{
	int error;

	if (name == IP_RECVERR && !sock->ip.recverr)
		usock__errqueue_release(&sock->sock);
	if (name == IP_MINTTL && sock->sock.type == SOCK_STREAM && sock->ip.minttl > 0)
		sock->sock.stack->icmp->least_hops = true;
	if ((name != IP_TTL && name != IP_TOS) || !sock->sock.kind->option_changed)
		return 0;
	error = sock->sock.kind->option_changed(&sock->sock, name);
	if (error < 0) {
		if (name == IP_TTL)
			sock->ip.ttl = before;
		else
			sock->ip.tos = before;
	}
	return error;
}

/** set_tos - the two bits of ECN are TCP's own business */
static int set_tos(struct usock__inet *sock, int number)
{
	int before = sock->ip.tos;

	number &= 0xff;
	if (sock->sock.type == SOCK_STREAM)
		number = (number & ~3) | (before & 3);
	sock->ip.tos = number;
	return changed(sock, IP_TOS, before);
}

/** set_options - IP_OPTIONS: well formed, padded to whole words */
static int set_options(struct usock__inet *sock, const unsigned char *value, socklen_t len)
{
	struct usock__ip *ip = &sock->ip;
	unsigned int at = 0, padded = (len + 3) & ~3U;

	if (len > sizeof(ip->opts))
		return -EINVAL;
	while (at < len && value[at] != IPOPT_EOL) {
		unsigned int size = value[at] == IPOPT_NOP ? 1 : at + 1 < len ? value[at + 1] : 0;

		if (size == 0 || (value[at] != IPOPT_NOP && size < 2) || size > len - at)
			return -EINVAL;
		if (value[at] == IPOPT_LSRR || value[at] == IPOPT_SSRR)
			return -EOPNOTSUPP; /* source routes are refused by everybody, and by this stack */
		at += size;
	}
	memset(ip->opts, 0, sizeof(ip->opts));
	if (len > 0)
		memcpy(ip->opts, value, len);
	ip->opts_len = padded;
	return 0;
}

/** set_multicast_if - by index, or by an address of the interface */
static int set_multicast_if(struct usock__inet *sock, const void *value, socklen_t len)
{
	struct inet *inet = sock->sock.stack->inet;
	struct ip_mreqn request = {.imr_ifindex = 0};
	unsigned int bound = sock->sock.options.bound_if, index;

	if (sock->sock.type == SOCK_STREAM || len < sizeof(struct in_addr))
		return -EINVAL;
	if (len >= sizeof(struct ip_mreq))
		memcpy(&request, value, len < sizeof(request) ? sizeof(struct ip_mreq) : sizeof(request));
	else
		memcpy(&request.imr_address, value, sizeof(request.imr_address));
	index = (unsigned int)request.imr_ifindex;
	if (index == 0 && request.imr_address.s_addr == 0) {
		sock->ip.multicast_if = 0;
		sock->ip.multicast_addr.s_addr = 0;
		return 0;
	}
	if (index == 0) {
		union inet_ip ip = {.v4 = request.imr_address};
		struct inet_addr *addr = inet_local(inet, AF_INET, &ip, NULL);

		if (!addr)
			return -EADDRNOTAVAIL;
		index = addr->iface->index;
	} else if (!inet_iface_by_index(inet, index)) {
		return -EADDRNOTAVAIL;
	}
	if (bound != 0 && bound != index)
		return -EINVAL;
	sock->ip.multicast_if = index;
	sock->ip.multicast_addr = request.imr_address;
	return 0;
}

int usock__ip_set_unicast_if(struct usock__inet *sock, unsigned int *field, const void *value, socklen_t len)
{
	uint32_t index;

	if (len != sizeof(index))
		return -EINVAL;
	memcpy(&index, value, sizeof(index));
	index = ntohl(index);
	if (index != 0 && !inet_iface_by_index(sock->sock.stack->inet, index))
		return -EADDRNOTAVAIL;
	if (index != 0 && sock->sock.options.bound_if != 0)
		return -EINVAL;
	*field = index;
	return 0;
}

static int set4(struct usock__inet *sock, int name, const void *value, socklen_t len)
{
	const struct usock__ip_option *option =
	        usock__ip_option(options4, sizeof(options4) / sizeof(options4[0]), name);
	int error, before, number = value4(value, len);

	switch (name) {
	case IP_OPTIONS:
		return set_options(sock, value, len);
	case IP_TOS:
		return set_tos(sock, number);
	case IP_MULTICAST_IF:
		return set_multicast_if(sock, value, len);
	case IP_UNICAST_IF:
		return usock__ip_set_unicast_if(sock, &sock->ip.unicast_if, value, len);
	case IP_ROUTER_ALERT:
		return sock->sock.type == SOCK_RAW && sock->sock.protocol != IPPROTO_RAW ? -ENOPROTOOPT : -EINVAL;
	default:
		break;
	}
	if (!option)
		return -ENOPROTOOPT;
	if (option->rules & USOCK_IP_RAW && sock->sock.type != SOCK_RAW)
		return -ENOPROTOOPT;
	if (option->rules & USOCK_IP_SOME && len < 1)
		return -EINVAL;
	error = usock__ip_option_check(&sock->sock, option, number);
	if (error < 0)
		return error;
	if (name == IP_MULTICAST_TTL && number == -1)
		number = 1;
	before = usock__ip_option_get(&sock->ip, option);
	usock__ip_option_put(&sock->ip, option, number);
	return changed(sock, name, before);
}

int usock__ip_path(struct usock__inet *sock, struct usock__send *send)
{
	union inet_ip v4;
	struct usock_endpoint dst = sock->remote;
	int family = usock__effective(sock->sock.family, &sock->remote.ip, &v4);

	if (!sock->connected)
		return -ENOTCONN;
	dst.ip = v4;
	if (usock__send_init(sock, send, family, &dst, 0) < 0 || usock__send_route(sock, send) < 0)
		return -ENOTCONN;
	return family;
}

int usock__ip_give(void *value, socklen_t *len, const void *from, size_t size)
{
	if (*len > size)
		*len = (socklen_t)size;
	memcpy(value, from, *len);
	return 0;
}

/** give4 - a number, in one byte when there is no room for more and it fits */
static int give4(void *value, socklen_t *len, int number)
{
	unsigned char byte = (unsigned char)number;

	if (*len < sizeof(number) && *len > 0 && number >= 0 && number <= 255)
		return usock__ip_give(value, len, &byte, 1);
	return usock__ip_give(value, len, &number, sizeof(number));
}

static int get4(struct usock__inet *sock, int name, void *value, socklen_t *len)
{
	const struct usock__ip_option *option =
	        usock__ip_option(options4, sizeof(options4) / sizeof(options4[0]), name);
	struct usock__send send;
	uint32_t index;
	int number;

	switch (name) {
	case IP_OPTIONS:
		return usock__ip_give(value, len, sock->ip.opts, sock->ip.opts_len);
	case IP_TTL:
		return give4(value, len, sock->ip.ttl < 0 ? DEFAULT_TTL : sock->ip.ttl);
	case IP_MULTICAST_IF:
		return usock__ip_give(value, len, &sock->ip.multicast_addr, sizeof(sock->ip.multicast_addr));
	case IP_UNICAST_IF:
		index = htonl(sock->ip.unicast_if);
		return give4(value, len, (int)index);
	case IP_ROUTER_ALERT:
		return give4(value, len, 0);
	case IP_PROTOCOL:
		return give4(value, len, sock->sock.protocol);
	case IP_MTU:
		number = usock__ip_path(sock, &send);
		if (number < 0)
			return number;
		return give4(value, len, (int)send.flow.mtu);
	default:
		break;
	}
	if (!option)
		return -ENOPROTOOPT;
	return give4(value, len, usock__ip_option_get(&sock->ip, option));
}

int usock__ip_setsockopt(struct usock__inet *sock, int level, int name, const void *value, socklen_t len)
{
	if (level != IPPROTO_IP && (level != IPPROTO_IPV6 || sock->sock.family != AF_INET6))
		return -ENOPROTOOPT;
	if (level == IPPROTO_IP && sock->sock.family == AF_INET6 && sock->sock.type == SOCK_RAW)
		return -ENOPROTOOPT; /* it never speaks IPv4 */
	if (usock__mcast_name(level, name))
		return usock__mcast_setsockopt(sock, level, name, value, len);
	return level == IPPROTO_IP ? set4(sock, name, value, len) : usock__ip_set6(sock, name, value, len);
}

int usock__ip_getsockopt(struct usock__inet *sock, int level, int name, void *value, socklen_t *len)
{
	if (level != IPPROTO_IP && level != IPPROTO_IPV6)
		return sock->sock.family == AF_INET ? -EOPNOTSUPP : -ENOPROTOOPT;
	if (level == IPPROTO_IPV6 && sock->sock.family != AF_INET6)
		return -EOPNOTSUPP;
	if (level == IPPROTO_IP && sock->sock.family == AF_INET6 && sock->sock.type == SOCK_RAW)
		return -ENOPROTOOPT;
	if (usock__mcast_name(level, name))
		return usock__mcast_getsockopt(sock, level, name, value, len);
	return level == IPPROTO_IP ? get4(sock, name, value, len) : usock__ip_get6(sock, name, value, len);
}
