/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bindconnect.c - the address and port that a connection begins with, and what becomes of them when it is over; see
 * bind.c. */
#include "bind.h"

#include <linux/rtnetlink.h>
#include <string.h>

void usock__bind_anywhere(const struct usock__inet *sock, struct usock_endpoint *remote)
{
	union inet_ip ip, local;
	int family = usock__effective(sock->sock.family, &remote->ip, &ip);
	int bound = usock__effective(sock->sock.family, &sock->local.ip, &local);
	const struct in_addr loopback = {htonl(INADDR_LOOPBACK)};

	if (!usock__is_any(family, &ip))
		return;
	if (sock->sock.family == AF_INET)
		remote->ip.v4 = sock->local.ip.v4.s_addr != htonl(INADDR_ANY) ? sock->local.ip.v4 : loopback;
	else if (family == AF_INET || bound == AF_INET)
		remote->ip = usock__mapped(bound == AF_INET && !usock__is_any(AF_INET, &local) ? local.v4 : loopback);
	else
		remote->ip.v6 = in6addr_loopback;
}

/** pair_in_use - is there a connection between these very endpoints? */
static bool pair_in_use(const struct usock__inet *sock, const struct usock_endpoint *local,
                        const struct usock_endpoint *remote)
{
	for (struct usock__inet *other =
	             usock__ports_first(usock__ports_of(sock->sock.stack, IPPROTO_TCP), local->port);
	     other != NULL; other = usock__ports_next(other)) {
		if (other != sock && other->connected &&
		    usock__devices_meet(other->sock.options.bound_if, sock->sock.options.bound_if) &&
		    usock__same_end(sock->sock.family, remote, other->sock.family, &other->remote) &&
		    usock__same_end(sock->sock.family, local, other->sock.family, &other->local))
			return true;
	}
	return false;
}

/** shareable - may a connection be given this port that connect chooses? */
static bool shareable(const struct usock__inet *sock, uint16_t port)
{
	for (struct usock__inet *other = usock__ports_first(usock__ports_of(sock->sock.stack, IPPROTO_TCP), port);
	     other != NULL; other = usock__ports_next(other))
		if (!other->bind_shared)
			return false;
	return true;
}

/** connect_port - a port for a connection of TCP from sock->local to @remote */
static int connect_port(struct usock__inet *sock, const struct usock_endpoint *remote)
{
	struct usock_endpoint local = sock->local;
	unsigned int start;

	if (sock->bind_port != 0)
		return pair_in_use(sock, &local, remote) ? -EADDRNOTAVAIL : 0;
	start = usock__ports_start(sock->sock.stack);
	for (unsigned int i = 0; i < USOCK_PORT_COUNT; i++) {
		local.port = (uint16_t)(USOCK_PORT_FIRST + (start + i) % USOCK_PORT_COUNT);
		if (!shareable(sock, local.port) || pair_in_use(sock, &local, remote))
			continue;
		usock__ports_enter(sock, IPPROTO_TCP, local.port);
		sock->bind_shared = true;
		return 0;
	}
	return -EADDRNOTAVAIL;
}

/** take_scope - the interface that a destination needs, ipv6(7); also what the socket is bound to from then on */
static int take_scope(struct usock__inet *sock, const struct usock_endpoint *remote)
{
	unsigned int *bound_if = &sock->sock.options.bound_if;

	if (!IN6_IS_ADDR_LINKLOCAL(&remote->ip.v6) && !IN6_IS_ADDR_MC_LINKLOCAL(&remote->ip.v6) &&
	    !IN6_IS_ADDR_MC_NODELOCAL(&remote->ip.v6))
		return 0;
	if (remote->scope != 0) {
		if (*bound_if != 0 && *bound_if != remote->scope)
			return -EINVAL;
		*bound_if = remote->scope;
	}
	if (*bound_if == 0 && IN6_IS_ADDR_MULTICAST(&remote->ip.v6))
		*bound_if = sock->ip.multicast_if6;
	return *bound_if == 0 ? -EINVAL : 0;
}

/** ask_route - the way from a socket to @remote; the interface and source of multicasts are their own options */
static int ask_route(struct usock__inet *sock, int proto, const struct usock_endpoint *remote, struct inet_flow *flow)
{
	const struct usock__ip *ip = &sock->ip;
	int local_family, ret;
	bool group;

	memset(flow, 0, sizeof(*flow));
	flow->family = usock__effective(sock->sock.family, &remote->ip, &flow->dst);
	if (sock->sock.family == AF_INET6) {
		if (flow->family == AF_INET && ip->v6only)
			return -ENETUNREACH;
		ret = flow->family == AF_INET6 ? take_scope(sock, remote) : 0;
		if (ret != 0)
			return ret;
	}
	local_family = usock__effective(sock->sock.family, &sock->local.ip, &flow->src);
	if (local_family != flow->family) {
		if (!usock__is_any(local_family, &flow->src))
			return local_family == AF_INET ? -EAFNOSUPPORT : -ENETUNREACH;
		memset(&flow->src, 0, sizeof(flow->src));
	}
	group = flow->family == AF_INET ? IN_MULTICAST(ntohl(flow->dst.v4.s_addr))
	                                : IN6_IS_ADDR_MULTICAST(&flow->dst.v6);
	flow->oif = sock->sock.options.bound_if;
	if (proto != IPPROTO_TCP && flow->oif == 0) {
		if (flow->family == AF_INET)
			flow->oif = group ? ip->multicast_if : ip->unicast_if;
		else
			flow->oif = group ? ip->multicast_if6 : ip->unicast_if6;
	}
	if (proto != IPPROTO_TCP && group && flow->family == AF_INET && usock__is_any(AF_INET, &flow->src))
		flow->src.v4 = ip->multicast_addr;
	return inet_route(sock->sock.stack->inet, flow);
}

int usock__bind_connect(struct usock__inet *sock, int proto, const struct usock_endpoint *remote)
{
	struct usock_endpoint before = sock->local;
	unsigned int bound_if = sock->sock.options.bound_if;
	struct inet_flow flow;
	int ret = ask_route(sock, proto, remote, &flow);

	if (ret == 0 && proto == IPPROTO_TCP && (flow.type == RTN_MULTICAST || flow.type == RTN_BROADCAST))
		ret = -ENETUNREACH;
	if (ret == 0 && proto == IPPROTO_TCP && usock__is_any(flow.family, &flow.source))
		ret = -EADDRNOTAVAIL;
	if (ret == 0 && flow.type == RTN_BROADCAST && !sock->sock.options.broadcast)
		ret = -EACCES;
	if (ret != 0)
		goto undo;
	if (usock__is_any(sock->sock.family, &before.ip)) {
		sock->local.ip = flow.source;
		if (flow.family == AF_INET && sock->sock.family == AF_INET6)
			sock->local.ip = usock__mapped(flow.source.v4);
		if (flow.family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&flow.source.v6))
			sock->local.scope = flow.oif != 0 ? flow.oif : flow.iface->index;
	}
	if (proto == IPPROTO_TCP) {
		ret = connect_port(sock, remote);
	} else if (sock->bind_port == 0) {
		uint16_t port = usock__bind_choose(sock, proto);

		if (port == 0)
			ret = -EAGAIN; /* as Linux: no port for a datagram socket is "try again" */
		else
			usock__ports_enter(sock, proto, port);
	}
	if (ret == 0) {
		sock->bound = true;
		return 0;
	}
undo:
	sock->local.ip = before.ip;
	sock->local.scope = before.scope;
	sock->sock.options.bound_if = bound_if;
	return ret;
}

void usock__bind_disconnect(struct usock__inet *sock, int proto)
{
	memset(&sock->remote, 0, sizeof(sock->remote));
	sock->connected = false;
	if (!sock->bound_port) {
		usock__ports_leave(sock, proto);
		if (proto != IPPROTO_TCP)
			sock->local.port = 0;
	}
	if (!sock->bound_addr) {
		memset(&sock->local.ip, 0, sizeof(sock->local.ip));
		sock->local.scope = 0;
	}
	sock->bound = sock->bound_addr || sock->bind_port != 0;
}
