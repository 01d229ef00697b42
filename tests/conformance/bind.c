/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bind.c - names of sockets: bind(2), SO_REUSEADDR, SO_REUSEPORT, free binding, wildcard addresses. ip(7), socket(7) */
#include "conf.h"

#include <net/if.h>

#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif

CASE(bind, name, INET, "getsockname of a new socket is the wildcard and port 0; bind gives it a name")
{
	const int types[] = {SOCK_STREAM, SOCK_DGRAM};

	for (int i = 0; i < 2; i++) {
		struct addr addr = addr_of(c, c->a, 0);
		int fd = sock(c, c->a, types[i]);

		CHECK_ADDR(sockname(fd), addr_any(c, 0));
		CHECK_OK(ioth_bind(fd, &addr.sa, addr.len));
		CHECK(addr_port(sockname(fd)) != 0);
		CHECK_ADDR(sockname(fd), addr_with_port(addr, addr_port(sockname(fd))));
	}
}

CASE(bind, given_port, INET, "a port asked for is the port received")
{
	struct addr addr;
	int fd = bound(c, c->a, SOCK_STREAM, &addr);

	drop(c, fd);
	fd = sock(c, c->a, SOCK_STREAM);
	CHECK_OK(ioth_bind(fd, &addr.sa, addr.len));
	CHECK_ADDR(sockname(fd), addr);
}

CASE(bind, in_use, INET, "a port in use is EADDRINUSE, for the wildcard too; TCP and UDP do not meet")
{
	const int types[] = {SOCK_STREAM, SOCK_DGRAM};

	for (int i = 0; i < 2; i++) {
		struct addr addr, any;
		int other = sock(c, c->a, types[i]);

		bound(c, c->a, types[i], &addr);
		any = addr_any(c, addr_port(addr));
		CHECK_ERR(ioth_bind(other, &addr.sa, addr.len), EADDRINUSE);
		CHECK_ERR(ioth_bind(other, &any.sa, any.len), EADDRINUSE);
		CHECK_ADDR(sockname(other), addr_any(c, 0));
		any = addr_loopback(c, addr_port(addr));
		CHECK_OK(ioth_bind(other, &any.sa, any.len));
	}
}

CASE(bind, two_protocols, INET, "TCP and UDP may have the same port")
{
	struct addr addr;
	int fd;

	drop(c, bound(c, c->a, SOCK_STREAM, &addr));
	fd = sock(c, c->a, SOCK_STREAM);
	CHECK_OK(ioth_bind(fd, &addr.sa, addr.len));
	fd = sock(c, c->a, SOCK_DGRAM);
	CHECK_OK(ioth_bind(fd, &addr.sa, addr.len));
}

CASE(bind, not_ours, INET, "an address of another host is EADDRNOTAVAIL")
{
	struct addr addr = addr_of(c, c->b, 0);
	int fd = sock(c, c->a, SOCK_STREAM);
	int datagram = sock(c, c->a, SOCK_DGRAM);

	CHECK_ERR(ioth_bind(fd, &addr.sa, addr.len), EADDRNOTAVAIL);
	CHECK_ERR(ioth_bind(datagram, &addr.sa, addr.len), EADDRNOTAVAIL);
}

CASE(bind, twice, INET, "a socket with a port cannot be bound again: EINVAL")
{
	const int types[] = {SOCK_STREAM, SOCK_DGRAM};

	for (int i = 0; i < 2; i++) {
		struct addr addr;
		int fd = bound(c, c->a, types[i], &addr);

		addr = addr_of(c, c->a, 0);
		CHECK_ERR(ioth_bind(fd, &addr.sa, addr.len), EINVAL);
	}
}

CASE(bind, malformed, INET, "a short address is EINVAL, another family EAFNOSUPPORT")
{
	struct addr addr = addr_of(c, c->a, 0);
	int fd = sock(c, c->a, SOCK_STREAM);

	CHECK_ERR(ioth_bind(fd, &addr.sa, 1), EINVAL);
	CHECK_ERR(ioth_bind(fd, &addr.sa, addr.len - 8), EINVAL);
	addr.sa.sa_family = AF_APPLETALK;
	CHECK_ERR(ioth_bind(fd, &addr.sa, addr.len), EAFNOSUPPORT);
}

CASE(bind, unspec, IPV4,
     "AF_UNSPEC with the wildcard address is understood as AF_INET, with another it is EAFNOSUPPORT")
{
	struct addr addr = addr_any(c, 0);
	int fd = sock(c, c->a, SOCK_STREAM);

	addr.sa.sa_family = AF_UNSPEC;
	CHECK_OK(ioth_bind(fd, &addr.sa, addr.len));
	CHECK_INT(sockname(fd).sa.sa_family, AF_INET);
	addr = addr_of(c, c->a, 0);
	addr.sa.sa_family = AF_UNSPEC;
	fd = sock(c, c->a, SOCK_STREAM);
	CHECK_ERR(ioth_bind(fd, &addr.sa, addr.len), EAFNOSUPPORT);
}

CASE(bind, reuseaddr, INET, "SO_REUSEADDR on both lets a port be shared until one listens")
{
	struct addr addr = addr_of(c, c->a, 0);
	int one = sock(c, c->a, SOCK_STREAM);
	int two = sock(c, c->a, SOCK_STREAM);

	SETOPT(one, SOL_SOCKET, SO_REUSEADDR, 1);
	CHECK_OK(ioth_bind(one, &addr.sa, addr.len));
	addr = sockname(one);
	CHECK_ERR(ioth_bind(two, &addr.sa, addr.len), EADDRINUSE);
	SETOPT(two, SOL_SOCKET, SO_REUSEADDR, 1);
	CHECK_OK(ioth_bind(two, &addr.sa, addr.len));
	CHECK_OK(ioth_listen(one, 1));
	CHECK_ERR(ioth_listen(two, 1), EADDRINUSE);
}

CASE(bind, time_wait, INET, "a connection in TIME_WAIT keeps its port from those without SO_REUSEADDR")
{
	struct addr addr;
	int server = bound(c, c->b, SOCK_STREAM, &addr);
	int client = sock(c, c->a, SOCK_STREAM);
	char byte;
	int fd;

	SETOPT(server, SOL_SOCKET, SO_REUSEADDR, 1);
	CHECK_OK(ioth_listen(server, 1));
	CHECK_OK(ioth_connect(client, &addr.sa, addr.len));
	fd = accepted(c, server);
	/* The server closes first, so the connection ends in TIME_WAIT at its side. */
	CHECK_OK(ioth_shutdown(fd, SHUT_WR));
	CHECK_LEN(ioth_recv(client, &byte, 1, 0), 0);
	CHECK_OK(ioth_shutdown(client, SHUT_WR));
	CHECK_LEN(ioth_recv(fd, &byte, 1, 0), 0);
	drop(c, fd);
	drop(c, server);
	server = sock(c, c->b, SOCK_STREAM);
	CHECK_ERR(ioth_bind(server, &addr.sa, addr.len), EADDRINUSE);
	SETOPT(server, SOL_SOCKET, SO_REUSEADDR, 1);
	CHECK_OK(ioth_bind(server, &addr.sa, addr.len));
	CHECK_OK(ioth_listen(server, 1));
}

CASE(bind, reuseport, INET, "SO_REUSEPORT on both lets two sockets listen; on one of them it does not")
{
	struct addr addr = addr_of(c, c->a, 0);
	int one = sock(c, c->a, SOCK_STREAM);
	int two = sock(c, c->a, SOCK_STREAM);
	int three = sock(c, c->a, SOCK_STREAM);

	SETOPT(one, SOL_SOCKET, SO_REUSEPORT, 1);
	SETOPT(two, SOL_SOCKET, SO_REUSEPORT, 1);
	CHECK_OK(ioth_bind(one, &addr.sa, addr.len));
	addr = sockname(one);
	CHECK_OK(ioth_bind(two, &addr.sa, addr.len));
	CHECK_ERR(ioth_bind(three, &addr.sa, addr.len), EADDRINUSE);
	CHECK_OK(ioth_listen(one, 1));
	CHECK_OK(ioth_listen(two, 1));
}

CASE(bind, reuseport_spread, INET, "with SO_REUSEPORT every datagram goes to exactly one of the sockets")
{
	struct addr addr = addr_of(c, c->b, 0);
	int one = sock(c, c->b, SOCK_DGRAM | SOCK_NONBLOCK);
	int two = sock(c, c->b, SOCK_DGRAM | SOCK_NONBLOCK);
	int got = 0;
	char byte;

	SETOPT(one, SOL_SOCKET, SO_REUSEPORT, 1);
	SETOPT(two, SOL_SOCKET, SO_REUSEPORT, 1);
	CHECK_OK(ioth_bind(one, &addr.sa, addr.len));
	addr = sockname(one);
	CHECK_OK(ioth_bind(two, &addr.sa, addr.len));
	for (int i = 0; i < 20; i++) {
		int fd = sock(c, c->a, SOCK_DGRAM);

		CHECK_LEN(ioth_sendto(fd, "x", 1, 0, &addr.sa, addr.len), 1);
	}
	while (got < 20) {
		struct pollfd p[2] = {{.fd = one, .events = POLLIN}, {.fd = two, .events = POLLIN}};

		CHECK(poll(p, 2, WAIT_MS) > 0);
		got += ioth_recv(one, &byte, 1, 0) == 1;
		got += ioth_recv(two, &byte, 1, 0) == 1;
	}
	CHECK_ERR(ioth_recv(one, &byte, 1, 0), EAGAIN);
	CHECK_ERR(ioth_recv(two, &byte, 1, 0), EAGAIN);
}

CASE(bind, specific_first, INET,
     "a datagram goes to the socket bound to its address before the one bound to the wildcard")
{
	struct addr any = addr_any(c, 0), addr = addr_of(c, c->b, 0);
	int wild = sock(c, c->b, SOCK_DGRAM);
	int exact = sock(c, c->b, SOCK_DGRAM);
	int from = sock(c, c->a, SOCK_DGRAM);

	SETOPT(wild, SOL_SOCKET, SO_REUSEADDR, 1);
	SETOPT(exact, SOL_SOCKET, SO_REUSEADDR, 1);
	CHECK_OK(ioth_bind(wild, &any.sa, any.len));
	addr = addr_with_port(addr, addr_port(sockname(wild)));
	CHECK_OK(ioth_bind(exact, &addr.sa, addr.len));
	CHECK_LEN(ioth_sendto(from, "one", 3, 0, &addr.sa, addr.len), 3);
	recv_text(exact, "one");
	CHECK_POLL_NOW(wild, POLLOUT);
	drop(c, exact);
	CHECK_LEN(ioth_sendto(from, "two", 3, 0, &addr.sa, addr.len), 3);
	recv_text(wild, "two");
}

CASE(bind, freebind, INET, "IP_FREEBIND lets a socket have an address that is not there yet")
{
	struct addr addr = addr_absent(c, 0);
	int fd = sock(c, c->a, SOCK_STREAM);

	CHECK_ERR(ioth_bind(fd, &addr.sa, addr.len), EADDRNOTAVAIL);
	if (c->family == AF_INET)
		SETOPT(fd, IPPROTO_IP, IP_FREEBIND, 1);
	else
		SETOPT(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
	CHECK_OK(ioth_bind(fd, &addr.sa, addr.len));
	CHECK_ADDR(sockname(fd), addr_with_port(addr, addr_port(sockname(fd))));
}

CASE(bind, to_device, INET, "SO_BINDTODEVICE: ENODEV for no such interface; bound to lo, nothing from outside arrives")
{
	char name[IFNAMSIZ] = "?";
	socklen_t len = sizeof(name);
	struct addr any = addr_any(c, 0), addr;
	int fd = sock(c, c->b, SOCK_DGRAM);
	int vde = sock(c, c->b, SOCK_DGRAM);
	int from = sock(c, c->a, SOCK_DGRAM);

	CHECK_ERR(ioth_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nodev", 6), ENODEV);
	CHECK_OK(ioth_getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len));
	CHECK_INT(len, 0);
	CHECK_OK(ioth_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	len = sizeof(name);
	CHECK_OK(ioth_getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len));
	CHECK_INT(len, 3);
	CHECK_STR(name, "lo");
	CHECK_OK(ioth_setsockopt(vde, SOL_SOCKET, SO_BINDTODEVICE, CONF_IFNAME, sizeof(CONF_IFNAME)));
	CHECK_OK(ioth_bind(fd, &any.sa, any.len));
	any = sockname(fd);
	/* The same name on another device is no conflict. */
	CHECK_OK(ioth_bind(vde, &any.sa, any.len));
	addr = addr_of(c, c->b, addr_port(any));
	CHECK_LEN(ioth_sendto(from, "outside", 7, 0, &addr.sa, addr.len), 7);
	recv_text(vde, "outside");
	CHECK_POLL_NOW(fd, POLLOUT);
}

CASE(bind, send_names, INET, "sending gives a datagram socket a port, connecting an address as well")
{
	struct addr addr;
	int to = bound(c, c->b, SOCK_DGRAM, &addr);
	int fd = sock(c, c->a, SOCK_DGRAM);
	int port;

	CHECK_LEN(ioth_sendto(fd, "x", 1, 0, &addr.sa, addr.len), 1);
	recv_text(to, "x");
	port = addr_port(sockname(fd));
	CHECK(port != 0);
	CHECK_ADDR(sockname(fd), addr_any(c, port));
	CHECK_OK(ioth_connect(fd, &addr.sa, addr.len));
	CHECK_ADDR(sockname(fd), addr_of(c, c->a, port));
}
