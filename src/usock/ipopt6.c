/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ipopt6.c - the options of IPPROTO_IPV6.
 *
 * Values are ints. What is not there: extension headers to be sent (IPV6_HOPOPTS, IPV6_RTHDR, IPV6_DSTOPTS and
 * IPV6_2292PKTOPTIONS), the management of flow labels (the stack chooses them itself), IPsec, anycast groups, and
 * turning a TCP socket into one of IPv4.
 */
#include "ipopt.h"

#define DEFAULT_HOPS 64
#define MTU_MIN 1280

static const struct usock__ip_option options6[] = {
        USOCK_IP_FLAG(IPV6_2292PKTINFO, recvpktinfo2292, 0),
        USOCK_IP_FLAG(IPV6_2292HOPOPTS, recvhopopts, 0),
        USOCK_IP_FLAG(IPV6_2292DSTOPTS, recvdstopts, 0),
        USOCK_IP_FLAG(IPV6_2292RTHDR, recvrthdr, 0),
        USOCK_IP_FLAG(IPV6_2292HOPLIMIT, recvhoplimit2292, 0),
        USOCK_IP_FLAG(IPV6_FLOWINFO, recvflowinfo, 0),
        USOCK_IP_NUMBER(IPV6_UNICAST_HOPS, hop_limit, -1, 255, 0),
        USOCK_IP_NUMBER(IPV6_MULTICAST_HOPS, multicast_hops, -1, 255, 0),
        USOCK_IP_FLAG(IPV6_MULTICAST_LOOP, multicast_loop6, USOCK_IP_STRICT),
        USOCK_IP_NUMBER(IPV6_MTU_DISCOVER, mtu_discover6, IPV6_PMTUDISC_DONT, IPV6_PMTUDISC_OMIT, 0),
        USOCK_IP_NUMBER(IPV6_MTU, mtu6, 0, INT_MAX, 0),
        USOCK_IP_FLAG(IPV6_RECVERR, recverr6, 0),
        USOCK_IP_FLAG(IPV6_V6ONLY, v6only, 0),
        USOCK_IP_FLAG(IPV6_MULTICAST_ALL, multicast_all6, 0),
        USOCK_IP_FLAG(IPV6_RECVERR_RFC4884, recverr_rfc4884, USOCK_IP_STRICT),
        USOCK_IP_FLAG(IPV6_FLOWINFO_SEND, flowinfo_send, 0),
        USOCK_IP_FLAG(IPV6_HDRINCL, hdrincl, USOCK_IP_RAW),
        USOCK_IP_FLAG(IPV6_RECVPKTINFO, recvpktinfo, 0),
        USOCK_IP_FLAG(IPV6_RECVHOPLIMIT, recvhoplimit, 0),
        USOCK_IP_FLAG(IPV6_RECVHOPOPTS, recvhopopts, 0),
        USOCK_IP_FLAG(IPV6_RECVRTHDR, recvrthdr, 0),
        USOCK_IP_FLAG(IPV6_RECVDSTOPTS, recvdstopts, 0),
        USOCK_IP_FLAG(IPV6_RECVPATHMTU, recvpathmtu, 0),
        USOCK_IP_FLAG(IPV6_DONTFRAG, dontfrag, USOCK_IP_SHORT),
        USOCK_IP_FLAG(IPV6_RECVTCLASS, recvtclass, 0),
        USOCK_IP_NUMBER(IPV6_TCLASS, tclass, -1, 255, 0),
        USOCK_IP_FLAG(IPV6_AUTOFLOWLABEL, autoflowlabel, USOCK_IP_SHORT),
        USOCK_IP_NUMBER(IPV6_MINHOPCOUNT, minhopcount, 0, 255, 0),
        USOCK_IP_FLAG(IPV6_RECVORIGDSTADDR, recvorigdstaddr6, 0),
        USOCK_IP_FLAG(IPV6_TRANSPARENT, transparent6, 0),
        USOCK_IP_FLAG(IPV6_FREEBIND, freebind6, 0),
};

static int set_multicast_if(struct usock__inet *sock, int index)
{
	unsigned int bound = sock->sock.options.bound_if;

	if (index != 0) {
		if (index < 0 || !inet_iface_by_index(sock->sock.stack->inet, (unsigned int)index))
			return -ENODEV;
		if (bound != 0 && bound != (unsigned int)index)
			return -EINVAL;
	}
	sock->ip.multicast_if6 = (unsigned int)index;
	return 0;
}

/** set_sticky - IPV6_PKTINFO: address and interface for all that is sent; zeros take it back */
static int set_sticky(struct usock__inet *sock, const void *value, socklen_t len)
{
	struct in6_pktinfo info;

	if (len < sizeof(info))
		return -EINVAL;
	memcpy(&info, value, sizeof(info));
	if (sock->sock.options.bound_if != 0 && info.ipi6_ifindex != 0 &&
	    info.ipi6_ifindex != sock->sock.options.bound_if)
		return -EINVAL;
	sock->ip.sticky = info;
	return 0;
}

/** of_groups - options that are about sending to groups, which TCP does not */
static bool of_groups(int name)
{
	return name == IPV6_MULTICAST_IF || name == IPV6_MULTICAST_HOPS;
}

/** adjust - what Linux makes of a number before it keeps it; an error for those it refuses beyond their range */
static int adjust(const struct usock__inet *sock, int name, int *number)
{
	switch (name) {
	case IPV6_V6ONLY:
		return sock->local.port != 0 ? -EINVAL : 0;
	case IPV6_MULTICAST_HOPS:
		if (*number == -1)
			*number = 1;
		return 0;
	case IPV6_MTU:
		return *number != 0 && *number < MTU_MIN ? -EINVAL : 0;
	case IPV6_TCLASS:
		if (*number == -1)
			*number = 0;
		if (sock->sock.type == SOCK_STREAM)
			*number = (*number & ~3) | (sock->ip.tclass & 3);
		return 0;
	default:
		return 0;
	}
}

/** changed - what follows from an option */
static int changed(struct usock__inet *sock, int name, int before)
{
	int error;

	if (name == IPV6_RECVERR && !sock->ip.recverr6)
		usock__errqueue_release(&sock->sock);
	if (name == IPV6_MINHOPCOUNT && sock->sock.type == SOCK_STREAM && sock->ip.minhopcount > 0)
		sock->sock.stack->icmp->least_hops = true;
	if ((name != IPV6_UNICAST_HOPS && name != IPV6_TCLASS) || !sock->sock.kind->option_changed)
		return 0;
	error = sock->sock.kind->option_changed(&sock->sock, name);
	if (error < 0) {
		if (name == IPV6_TCLASS)
			sock->ip.tclass = before;
		else
			sock->ip.hop_limit = before;
	}
	return error;
}

/** become4 - IPV6_ADDRFORM: a UDP socket that is connected over IPv4 becomes one of AF_INET */
static int become4(struct usock__inet *sock, const void *value)
{
	union inet_ip local, remote;
	int family;

	memcpy(&family, value, sizeof(family));
	if (family != AF_INET)
		return -EINVAL;
	if (sock->sock.type == SOCK_RAW || sock->sock.kind == &usock__ping_kind)
		return -ENOPROTOOPT;
	if (!sock->connected)
		return -ENOTCONN;
	if (sock->sock.kind != &usock__udp_kind)
		return -ENOPROTOOPT; /* the engine knows the connection as one of this socket's family */
	if (sock->ip.v6only || usock__effective(AF_INET6, &sock->remote.ip, &remote) != AF_INET)
		return -EADDRNOTAVAIL;
	usock__effective(AF_INET6, &sock->local.ip, &local);
	sock->local.ip = local;
	sock->remote.ip = remote;
	sock->sock.family = AF_INET;
	return 0;
}

int usock__ip_set6(struct usock__inet *sock, int name, const void *value, socklen_t len)
{
	const struct usock__ip_option *option =
	        usock__ip_option(options6, sizeof(options6) / sizeof(options6[0]), name);
	int error, before, number;

	if (name == IPV6_PKTINFO)
		return set_sticky(sock, value, len);
	if (name == IPV6_UNICAST_IF)
		return usock__ip_set_unicast_if(sock, &sock->ip.unicast_if6, value, len);
	if (name == IPV6_ADDRFORM)
		return len < sizeof(number) ? -EINVAL : become4(sock, value);
	if ((!option && name != IPV6_MULTICAST_IF) ||
	    (option && option->rules & USOCK_IP_RAW && sock->sock.type != SOCK_RAW) ||
	    (sock->sock.type == SOCK_STREAM && of_groups(name)))
		return -ENOPROTOOPT;
	if (len >= sizeof(number))
		memcpy(&number, value, sizeof(number));
	else if (option && option->rules & USOCK_IP_SHORT)
		number = 0;
	else
		return -EINVAL;
	if (name == IPV6_MULTICAST_IF)
		return set_multicast_if(sock, number);
	error = adjust(sock, name, &number);
	if (error == 0)
		error = usock__ip_option_check(&sock->sock, option, number);
	if (error < 0)
		return error;
	before = usock__ip_option_get(&sock->ip, option);
	usock__ip_option_put(&sock->ip, option, number);
	return changed(sock, name, before);
}

/** get_path - IPV6_MTU and IPV6_PATHMTU */
static int get_path(struct usock__inet *sock, int name, void *value, socklen_t *len)
{
	struct usock__send send;
	int number = usock__ip_path(sock, &send);

	if (number < 0)
		return number;
	if (name == IPV6_PATHMTU) {
		struct ip6_mtuinfo info = {.ip6m_addr = {.sin6_family = AF_INET6, .sin6_addr = sock->remote.ip.v6},
		                           .ip6m_mtu = send.flow.mtu};

		if (*len < sizeof(info))
			return -EINVAL;
		return usock__ip_give(value, len, &info, sizeof(info));
	}
	number = (int)send.flow.mtu;
	return usock__ip_give(value, len, &number, sizeof(number));
}

int usock__ip_get6(struct usock__inet *sock, int name, void *value, socklen_t *len)
{
	const struct usock__ip_option *option =
	        usock__ip_option(options6, sizeof(options6) / sizeof(options6[0]), name);
	uint32_t index;
	int number;

	if (name == IPV6_MTU || name == IPV6_PATHMTU)
		return get_path(sock, name, value, len);
	if (name == IPV6_ADDRFORM) {
		if (sock->sock.type == SOCK_RAW || sock->sock.kind == &usock__ping_kind)
			return -ENOPROTOOPT;
		return sock->connected ? usock__ip_give(value, len, &sock->sock.family, sizeof(sock->sock.family))
		                       : -ENOTCONN;
	}
	if (!option || (option->rules & USOCK_IP_RAW && sock->sock.type != SOCK_RAW))
		option = NULL;
	if (name == IPV6_MULTICAST_IF)
		return usock__ip_give(value, len, &sock->ip.multicast_if6, sizeof(sock->ip.multicast_if6));
	if (name == IPV6_UNICAST_IF) {
		index = htonl(sock->ip.unicast_if6);
		return usock__ip_give(value, len, &index, sizeof(index));
	}
	if (!option)
		return -ENOPROTOOPT;
	number = usock__ip_option_get(&sock->ip, option);
	if (name == IPV6_UNICAST_HOPS && number < 0)
		number = DEFAULT_HOPS;
	return usock__ip_give(value, len, &number, sizeof(number));
}
