/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* endpoint.c - addresses of Internet sockets: from and to sockaddr structures, IPv4 in IPv6 clothes. */
#include "private.h"

#include <stddef.h>
#include <string.h>

/* ipv6(7): programs of before RFC 2553 know no sin6_scope_id. */
#define SIN6_LEN_MIN offsetof(struct sockaddr_in6, sin6_scope_id)

/** scoped - does an IPv6 address mean something only together with an interface? */
static bool scoped(const struct in6_addr *addr)
{
	return IN6_IS_ADDR_LINKLOCAL(addr) || IN6_IS_ADDR_MC_LINKLOCAL(addr) || IN6_IS_ADDR_MC_NODELOCAL(addr);
}

int usock__endpoint_take(int family, const struct sockaddr *addr, socklen_t len, struct usock_endpoint *out)
{
	memset(out, 0, sizeof(*out));
	if (family == AF_INET) {
		struct sockaddr_in in;

		if (len < sizeof(in))
			return -EINVAL;
		memcpy(&in, addr, sizeof(in));
		if (in.sin_family != AF_INET)
			return -EAFNOSUPPORT;
		out->ip.v4 = in.sin_addr;
		out->port = ntohs(in.sin_port);
		return 0;
	}
	if (len < SIN6_LEN_MIN) {
		sa_family_t given = AF_INET6;

		/* Somebody else's address is that whatever its length, as long as it tells. */
		if (len >= sizeof(given))
			memcpy(&given, addr, sizeof(given));
		return given == AF_INET6 || len < sizeof(struct sockaddr_in) ? -EINVAL : -EAFNOSUPPORT;
	}
	struct sockaddr_in6 in6 = {.sin6_scope_id = 0};

	memcpy(&in6, addr, len < sizeof(in6) ? SIN6_LEN_MIN : sizeof(in6));
	if (in6.sin6_family != AF_INET6)
		return -EAFNOSUPPORT;
	out->ip.v6 = in6.sin6_addr;
	out->port = ntohs(in6.sin6_port);
	if (scoped(&in6.sin6_addr))
		out->scope = in6.sin6_scope_id;
	return 0;
}

int usock__endpoint_take_bind(int family, const struct sockaddr *addr, socklen_t len, struct usock_endpoint *out)
{
	struct sockaddr_in in;

	if (family == AF_INET && len >= sizeof(in)) {
		memcpy(&in, addr, sizeof(in));
		if (in.sin_family == AF_UNSPEC && in.sin_addr.s_addr == htonl(INADDR_ANY))
			in.sin_family = AF_INET;
		return usock__endpoint_take(family, (const struct sockaddr *)&in, sizeof(in), out);
	}
	return usock__endpoint_take(family, addr, len, out);
}

void usock__endpoint_give(int family, const struct usock_endpoint *endpoint, struct sockaddr_storage *addr,
                          socklen_t *len)
{
	if (family == AF_INET) {
		struct sockaddr_in in = {
		        .sin_family = AF_INET, .sin_port = htons(endpoint->port), .sin_addr = endpoint->ip.v4};

		memcpy(addr, &in, sizeof(in));
		*len = sizeof(in);
	} else {
		struct sockaddr_in6 in6 = {
		        .sin6_family = AF_INET6, .sin6_port = htons(endpoint->port), .sin6_addr = endpoint->ip.v6};

		if (scoped(&in6.sin6_addr))
			in6.sin6_scope_id = endpoint->scope;
		memcpy(addr, &in6, sizeof(in6));
		*len = sizeof(in6);
	}
}

bool usock__is_any(int family, const union inet_ip *ip)
{
	if (family == AF_INET)
		return ip->v4.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&ip->v6);
}

int usock__effective(int family, const union inet_ip *ip, union inet_ip *v4)
{
	if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&ip->v6)) {
		struct in_addr addr;

		memcpy(&addr, &ip->v6.s6_addr[12], sizeof(addr));
		memset(v4, 0, sizeof(*v4));
		v4->v4 = addr;
		return AF_INET;
	}
	*v4 = *ip;
	return family;
}

union inet_ip usock__mapped(struct in_addr v4)
{
	union inet_ip ip;

	memset(&ip, 0, sizeof(ip));
	ip.v6.s6_addr[10] = ip.v6.s6_addr[11] = 0xff;
	memcpy(&ip.v6.s6_addr[12], &v4, sizeof(v4));
	return ip;
}
