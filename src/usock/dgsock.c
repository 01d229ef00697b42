/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dgsock.c - what UDP, raw and ping sockets have in common: their addresses, shutdown, and the errors that reach them.
 *
 * An AF_INET6 socket keeps IPv4 addresses mapped (::ffff:a.b.c.d) and takes them plain as well, as sockaddr_in, where
 * Linux does.
 */
#include "ip.h"

/** take4 - a sockaddr_in as an endpoint of IPv4 */
static void take4(const struct sockaddr *addr, struct usock_endpoint *out)
{
	struct sockaddr_in in;

	memcpy(&in, addr, sizeof(in));
	memset(out, 0, sizeof(*out));
	out->ip.v4 = in.sin_addr;
	out->port = ntohs(in.sin_port);
}

int usock__inet_take(const struct usock__inet *sock, const struct sockaddr *addr, socklen_t len,
                     struct usock_endpoint *out)
{
	if (sock->sock.family == AF_INET6 && len >= sizeof(struct sockaddr_in) && addr->sa_family == AF_INET) {
		if (sock->ip.v6only)
			return -EAFNOSUPPORT;
		take4(addr, out);
		out->ip = usock__mapped(out->ip.v4);
		return 0;
	}
	return usock__endpoint_take(sock->sock.family, addr, len, out);
}

/** to_effective - an endpoint of an AF_INET6 socket as what is sent: IPv4 when it is mapped and the socket one of UDP
 */
static int to_effective(const struct usock__inet *sock, int *family, struct usock_endpoint *dst)
{
	union inet_ip v4;

	*family = sock->sock.family;
	if (*family == AF_INET || sock->sock.kind != &usock__udp_kind ||
	    usock__effective(AF_INET6, &dst->ip, &v4) == AF_INET6)
		return 0;
	if (sock->ip.v6only)
		return -ENETUNREACH;
	*family = AF_INET;
	dst->ip = v4;
	return 0;
}

int usock__inet_destination(const struct usock__inet *sock, const struct msghdr *msg, int *family,
                            struct usock_endpoint *dst)
{
	const struct sockaddr *addr = msg->msg_name;
	socklen_t len = addr ? msg->msg_namelen : 0;
	bool v6 = sock->sock.family == AF_INET6;
	int error;

	if (len > 0 && v6) {
		if (len < sizeof(addr->sa_family))
			return -EINVAL;
		if (addr->sa_family == AF_INET) {
			if (sock->ip.v6only)
				return -ENETUNREACH;
			if (len < sizeof(struct sockaddr_in))
				return -EINVAL;
			take4(addr, dst);
			*family = AF_INET;
			return 0;
		}
		if (addr->sa_family == AF_UNSPEC)
			len = 0;
		else if (addr->sa_family != AF_INET6)
			return -EINVAL;
	} else if (len > 0) {
		if (len < sizeof(struct sockaddr_in))
			return -EINVAL;
		if (addr->sa_family == AF_UNSPEC) {
			take4(addr, dst);
			*family = AF_INET;
			return 0;
		}
	}
	if (len == 0) {
		if (!sock->connected)
			return -EDESTADDRREQ;
		*dst = sock->remote;
		return to_effective(sock, family, dst);
	}
	error = usock__endpoint_take(sock->sock.family, addr, len, dst);
	return error < 0 ? error : to_effective(sock, family, dst);
}

/** connect_scope - a link-local address needs an interface, and keeps the socket on it */
static int connect_scope(struct usock__inet *inet, const struct usock_endpoint *remote)
{
	struct usock *sock = &inet->sock;

	if (!usock__needs_scope(&remote->ip.v6))
		return 0;
	if (remote->scope != 0) {
		if (sock->options.bound_if != 0 && sock->options.bound_if != remote->scope)
			return -EINVAL;
		sock->options.bound_if = remote->scope;
	}
	if (sock->options.bound_if == 0 && IN6_IS_ADDR_MULTICAST(&remote->ip.v6))
		sock->options.bound_if = inet->ip.multicast_if6;
	return sock->options.bound_if == 0 ? -EINVAL : 0;
}

int usock__inet_connect(struct usock__inet *inet, const struct usock_endpoint *to)
{
	struct usock__send send;
	int family = inet->sock.family, error = family == AF_INET6 ? connect_scope(inet, to) : 0;

	if (error < 0)
		return error;
	error = usock__send_init(inet, &send, family, to, 0);
	if (error == 0)
		error = usock__send_route(inet, &send);
	if (error < 0)
		return error;
	if (usock__is_any(family, &inet->local.ip)) {
		inet->local.ip = send.flow.source;
		inet->local.scope = send.flow.iface->index;
	}
	inet->remote = *to;
	inet->connected = true;
	return 0;
}

int usock__inet_getsockname(struct usock *sock, struct sockaddr_storage *addr, socklen_t *len)
{
	*len = sizeof(*addr);
	usock__endpoint_give(sock->family, &usock__inet_of(sock)->local, addr, len);
	return 0;
}

int usock__inet_getpeername(struct usock *sock, struct sockaddr_storage *addr, socklen_t *len)
{
	if (!usock__inet_of(sock)->connected || usock__inet_of(sock)->remote.port == 0)
		return -ENOTCONN; /* for Linux a connection is to a port, also where there are none */
	*len = sizeof(*addr);
	usock__endpoint_give(sock->family, &usock__inet_of(sock)->remote, addr, len);
	return 0;
}

int usock__inet_shutdown(struct usock *sock, int how)
{
	unsigned int bits = (unsigned int)how + 1;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	/* Linux shuts a socket down that is not connected, too, but says that it has not. */
	sock->shutdown |= bits;
	usock__changed(sock, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
	return usock__inet_of(sock)->connected ? 0 : -ENOTCONN;
}

int usock__inet_option_changed(struct usock *sock, int name)
{
	int on = sock->options.select_err_queue;

	/* The kernel shows PRI beside ERR on the program's end when that has the option, too. */
	if (name == SO_SELECT_ERR_QUEUE && setsockopt(sock->ready.user, SOL_SOCKET, name, &on, sizeof(on)) < 0)
		return -errno;
	return 0;
}

int usock__inet_sendable(struct usock *sock)
{
	int error = sock->error != 0 ? usock__take_error(sock) : 0;

	if (error < 0)
		return error;
	return sock->shutdown & USOCK_SEND_SHUTDOWN ? -EPIPE : 0;
}

int usock__emsgsize(struct usock__inet *sock, const struct usock__send *send, uint16_t port)
{
	bool recverr = send->flow.family == AF_INET ? sock->ip.recverr : sock->ip.recverr6;

	if (recverr) {
		struct sock_extended_err error = {
		        .ee_errno = EMSGSIZE, .ee_origin = SO_EE_ORIGIN_LOCAL, .ee_info = send->flow.mtu};
		struct usock_endpoint dst = {.ip = send->flow.dst, .port = port, .scope = send->flow.oif};

		if (send->flow.family == AF_INET)
			dst.port = sock->connected ? sock->remote.port : 0; /* Linux says that of the connection */

		usock__errqueue_add(&sock->sock, &error, send->flow.family, &dst, NULL, NULL, 0);
	}
	if (send->flow.family == AF_INET6 && sock->ip.dontfrag && sock->ip.recvpathmtu)
		sock->ip.pathmtu = (struct ip6_mtuinfo){
		        .ip6m_addr = {.sin6_family = AF_INET6,
		                      .sin6_addr = send->flow.dst.v6,
		                      .sin6_scope_id = usock__needs_scope(&send->flow.dst.v6) ? send->flow.oif : 0},
		        .ip6m_mtu = send->flow.mtu};
	return -EMSGSIZE;
}

/** pmtu_matters - does the socket want to hear that a packet was too long? */
static bool pmtu_matters(const struct usock__inet *sock, int family)
{
	return family == AF_INET ? sock->ip.mtu_discover != IP_PMTUDISC_DONT
	                         : sock->ip.mtu_discover6 != IPV6_PMTUDISC_DONT;
}

bool usock__fault_tell(struct usock__inet *sock, const struct usock__fault *fault, uint16_t port, const void *data,
                       size_t len)
{
	bool recverr = fault->family == AF_INET ? sock->ip.recverr : sock->ip.recverr6, hard = fault->hard;

	if (sock->sock.dead)
		return false;
	if (fault->error == EMSGSIZE) {
		hard = pmtu_matters(sock, fault->family);
		if (!hard && fault->family == AF_INET)
			return true;
	}
	if (!recverr && !(hard && sock->connected))
		return true;
	if (recverr) {
		struct sock_extended_err error = {.ee_errno = (uint32_t)fault->error,
		                                  .ee_type = fault->type,
		                                  .ee_code = fault->code,
		                                  .ee_info = fault->info,
		                                  .ee_origin = fault->family == AF_INET ? SO_EE_ORIGIN_ICMP
		                                                                        : SO_EE_ORIGIN_ICMP6};
		struct usock_endpoint dst = fault->remote;

		dst.port = port;
		dst.scope = fault->ifindex;
		usock__errqueue_add(&sock->sock, &error, fault->family, &dst, &fault->offender, data, len);
	}
	usock__error(&sock->sock, fault->error);
	return true;
}
