/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tcp_connect.c - making connections: connect(2), listen(2), accept(2), bind(2), and how they fail. */
#include "conf.h"

#include <fcntl.h>
#include <netinet/tcp.h>

/** closed_port - the address of a port of a host on which nobody listens */
static struct addr closed_port(struct conf *c, struct ioth *stack)
{
	struct addr addr;

	drop(c, bound(c, stack, SOCK_STREAM, &addr));
	return addr;
}

CASE(connect, refused, INET, "a connection to a closed port is ECONNREFUSED")
{
	struct addr addr = closed_port(c, c->b);
	int fd = sock(c, c->a, SOCK_STREAM);

	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), ECONNREFUSED);
	CHECK_OPT(fd, SOL_SOCKET, SO_ERROR, 0);
	CHECK_POLL_NOW(fd, POLLOUT | POLLHUP);
}

CASE(connect, refused_nonblocking, INET,
     "refused without waiting: EINPROGRESS, then poll shows it and SO_ERROR tells once")
{
	struct addr addr = closed_port(c, c->b);
	int fd = sock(c, c->a, SOCK_STREAM | SOCK_NONBLOCK);

	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), EINPROGRESS);
	CHECK_POLL(fd, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	CHECK_OPT(fd, SOL_SOCKET, SO_ERROR, ECONNREFUSED);
	CHECK_OPT(fd, SOL_SOCKET, SO_ERROR, 0);
	CHECK_POLL_NOW(fd, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
}

CASE(connect, refused_recv, INET, "the error of a refused connection is given to recv, once")
{
	struct addr addr = closed_port(c, c->b);
	int fd = sock(c, c->a, SOCK_STREAM | SOCK_NONBLOCK);
	char byte;

	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), EINPROGRESS);
	CHECK_POLL(fd, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	CHECK_ERR(ioth_recv(fd, &byte, 1, 0), ECONNREFUSED);
	CHECK_LEN(ioth_recv(fd, &byte, 1, 0), 0);
}

CASE(connect, refused_again, INET, "connect after a refusal seen by poll gives the error, and then tries anew")
{
	struct addr addr = closed_port(c, c->b);
	int fd = sock(c, c->a, SOCK_STREAM | SOCK_NONBLOCK);

	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), EINPROGRESS);
	CHECK_POLL(fd, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), ECONNREFUSED);
	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), EINPROGRESS);
}

CASE(connect, retry_after_refused, INET, "the same socket connects when somebody listens at last")
{
	struct addr addr;
	int server = bound(c, c->b, SOCK_STREAM, &addr);
	int fd = sock(c, c->a, SOCK_STREAM);

	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), ECONNREFUSED);
	CHECK_OK(ioth_listen(server, 1));
	CHECK_OK(ioth_connect(fd, &addr.sa, addr.len));
	send_text(fd, "at last");
	recv_text(accepted(c, server), "at last");
}

CASE(connect, nonblocking, INET, "EINPROGRESS, then POLLOUT and SO_ERROR 0; connect says 0 once and EISCONN ever after")
{
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int fd = sock(c, c->a, SOCK_STREAM | SOCK_NONBLOCK);

	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), EINPROGRESS);
	CHECK_POLL(fd, POLLOUT);
	CHECK_OPT(fd, SOL_SOCKET, SO_ERROR, 0);
	CHECK_OK(ioth_connect(fd, &addr.sa, addr.len));
	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), EISCONN);
	accepted(c, server);
}

CASE(connect, already, INET, "connect during a connection attempt is EALREADY; other calls say so in their way")
{
	struct addr addr = addr_absent(c, 9);
	int fd = sock(c, c->a, SOCK_STREAM | SOCK_NONBLOCK);
	char byte;

	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), EINPROGRESS);
	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), EALREADY);
	CHECK_POLL_NOW(fd, 0);
	CHECK_ERR(ioth_send(fd, "x", 1, MSG_NOSIGNAL), EAGAIN);
	CHECK_ERR(ioth_recv(fd, &byte, 1, 0), EAGAIN);
	CHECK_ERR(ioth_listen(fd, 1), EINVAL);
	addr.len = sizeof(addr.ss);
	CHECK_ERR(ioth_getpeername(fd, &addr.sa, &addr.len), ENOTCONN);
}

CASE(connect, is_connected, INET, "connecting a connected socket is EISCONN, blocking or not")
{
	struct pair p = tcp_pair(c);
	struct addr addr = peername(p.a);

	CHECK_ERR(ioth_connect(p.a, &addr.sa, addr.len), EISCONN);
	nonblock(p.a);
	CHECK_ERR(ioth_connect(p.a, &addr.sa, addr.len), EISCONN);
	CHECK_ERR(ioth_connect(p.b, &addr.sa, addr.len), EISCONN);
}

CASE(connect, timeout, INET, "a blocking connect with SO_SNDTIMEO gives up with EINPROGRESS; the attempt goes on")
{
	struct addr addr = addr_absent(c, 9);
	int fd = sock(c, c->a, SOCK_STREAM);

	timeout(fd, SO_SNDTIMEO, 40);
	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), EINPROGRESS);
	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), EALREADY);
}

CASE(connect, network_unreachable, INET, "ENETUNREACH where no route leads")
{
	struct addr addr = addr_unrouted(c, 9);
	int fd = sock(c, c->a, SOCK_STREAM);

	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), ENETUNREACH);
	nonblock(fd);
	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), ENETUNREACH);
	CHECK_POLL_NOW(fd, POLLOUT | POLLHUP);
}

CASE(connect, wrong_family, INET, "an address of another family is EAFNOSUPPORT, one that is too short EINVAL")
{
	struct addr addr = addr_of(c, c->b, 9);
	int fd = sock(c, c->a, SOCK_STREAM);

	CHECK_ERR(ioth_connect(fd, &addr.sa, 1), EINVAL);
	CHECK_ERR(ioth_connect(fd, &addr.sa, c->family == AF_INET ? 8 : 16), EINVAL);
	addr.sa.sa_family = AF_UNIX;
	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), EAFNOSUPPORT);
}

CASE(connect, multicast, INET, "TCP does not connect to a group: ENETUNREACH")
{
	struct addr addr = addr_text(c, c->family == AF_INET ? "239.1.2.3" : "ff15::123", 9);
	int fd = sock(c, c->a, SOCK_STREAM);
	unsigned int index = ifindex(c, c->a);

	if (c->family == AF_INET6)
		addr.in6.sin6_scope_id = index;
	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), ENETUNREACH);
}

CASE(connect, unspecified, INET, "the unspecified address is this host")
{
	struct addr any = addr_any(c, 0);
	int server = sock(c, c->a, SOCK_STREAM);
	int fd = sock(c, c->a, SOCK_STREAM);

	CHECK_OK(ioth_bind(server, &any.sa, any.len));
	CHECK_OK(ioth_listen(server, 1));
	any = sockname(server);
	CHECK_OK(ioth_connect(fd, &any.sa, any.len));
	CHECK_ADDR(peername(fd), addr_loopback(c, addr_port(any)));
	accepted(c, server);
}

CASE(connect, disconnect, INET, "connect to AF_UNSPEC ends a connection with a reset and frees the socket for another")
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int fd = sock(c, c->a, SOCK_STREAM);
	int first, second;
	char byte;

	CHECK_OK(ioth_connect(fd, &addr.sa, addr.len));
	first = accepted(c, server);
	CHECK_OK(ioth_connect(fd, &none, sizeof(none)));
	CHECK_POLL(first, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	CHECK_ERR(ioth_recv(first, &byte, 1, 0), ECONNRESET);
	CHECK_OPT(fd, SOL_SOCKET, SO_ERROR, ECONNRESET);
	CHECK_ERR(ioth_send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_OK(ioth_connect(fd, &addr.sa, addr.len));
	second = accepted(c, server);
	send_text(fd, "again");
	recv_text(second, "again");
}

CASE(connect, from_bound, INET, "a bound client connects from the port it chose")
{
	struct addr addr, mine;
	int server = listener(c, c->b, &addr);
	int fd = bound(c, c->a, SOCK_STREAM, &mine);

	CHECK_OK(ioth_connect(fd, &addr.sa, addr.len));
	CHECK_ADDR(sockname(fd), mine);
	CHECK_ADDR(peername(accepted(c, server)), mine);
}

CASE(connect, same_four, INET, "a second connection between the same two addresses and ports is EADDRNOTAVAIL")
{
	struct addr addr, mine;
	int server = listener(c, c->b, &addr);
	int first = sock(c, c->a, SOCK_STREAM);
	int second = sock(c, c->a, SOCK_STREAM);

	SETOPT(first, SOL_SOCKET, SO_REUSEADDR, 1);
	SETOPT(second, SOL_SOCKET, SO_REUSEADDR, 1);
	mine = addr_of(c, c->a, 0);
	CHECK_OK(ioth_bind(first, &mine.sa, mine.len));
	mine = sockname(first);
	CHECK_OK(ioth_bind(second, &mine.sa, mine.len));
	CHECK_OK(ioth_connect(first, &addr.sa, addr.len));
	CHECK_ERR(ioth_connect(second, &addr.sa, addr.len), EADDRNOTAVAIL);
	accepted(c, server);
}

CASE(accept, short_address, INET, "accept cuts the address to the room given and tells its true length")
{
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int client = sock(c, c->a, SOCK_STREAM);
	struct addr peer, whole;

	CHECK_OK(ioth_connect(client, &addr.sa, addr.len));
	whole = sockname(client);
	CHECK_POLL(server, POLLIN);
	memset(&peer, 0xee, sizeof(peer));
	peer.len = 6;
	keep(c, ioth_accept(server, &peer.sa, &peer.len));
	CHECK_INT(peer.len, whole.len);
	CHECK_MEM(&peer, &whole, 6);
	CHECK_INT(((unsigned char *)&peer)[6], 0xee);
}

CASE(accept, address_length, INET, "address length: 0 writes nothing, a negative one is EINVAL")
{
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int client = sock(c, c->a, SOCK_STREAM);
	struct addr name;

	CHECK_OK(ioth_connect(client, &addr.sa, addr.len));
	memset(&name, 0xee, sizeof(name));
	name.len = 0;
	CHECK_OK(ioth_getpeername(client, &name.sa, &name.len));
	CHECK_INT(name.len, addr.len);
	CHECK_INT(*(unsigned char *)&name, 0xee);
	name.len = (socklen_t)-1;
	CHECK_ERR(ioth_getsockname(client, &name.sa, &name.len), EINVAL);
	name.len = (socklen_t)-1;
	CHECK_ERR(ioth_getpeername(client, &name.sa, &name.len), EINVAL);
	accepted(c, server);
}

CASE(accept, null_address, INET, "accept without an address does not need a length")
{
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int client = sock(c, c->a, SOCK_STREAM);

	CHECK_OK(ioth_connect(client, &addr.sa, addr.len));
	CHECK_POLL(server, POLLIN);
	keep(c, ioth_accept(server, NULL, NULL));
}

CASE(accept, not_listening, INET, "accept is EINVAL on a socket that does not listen, EOPNOTSUPP on a datagram socket")
{
	struct pair p = tcp_pair(c);
	int stream = bound(c, c->a, SOCK_STREAM, NULL);
	int datagram = bound(c, c->a, SOCK_DGRAM, NULL);

	CHECK_ERR(ioth_accept(stream, NULL, NULL), EINVAL);
	CHECK_ERR(ioth_accept(p.a, NULL, NULL), EINVAL);
	CHECK_ERR(ioth_accept(datagram, NULL, NULL), EOPNOTSUPP);
}

CASE(accept, nothing_there, INET, "accept without waiting is EAGAIN")
{
	int server = listener(c, c->b, NULL);

	nonblock(server);
	CHECK_ERR(ioth_accept(server, NULL, NULL), EAGAIN);
	CHECK_ERR(ioth_accept4(server, NULL, NULL, SOCK_NONBLOCK), EAGAIN);
}

CASE(accept, flags, INET, "accept4 sets O_NONBLOCK and FD_CLOEXEC; accept inherits neither; other flags are EINVAL")
{
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int client[2] = {sock(c, c->a, SOCK_STREAM), sock(c, c->a, SOCK_STREAM)};
	int fd;

	CHECK_ERR(ioth_accept4(server, NULL, NULL, 1), EINVAL);
	nonblock(server);
	CHECK_OK(ioth_fcntl(server, F_SETFD, FD_CLOEXEC));
	CHECK_OK(ioth_connect(client[0], &addr.sa, addr.len));
	CHECK_OK(ioth_connect(client[1], &addr.sa, addr.len));
	CHECK_POLL(server, POLLIN);
	fd = keep(c, ioth_accept(server, NULL, NULL));
	CHECK_INT(ioth_fcntl(fd, F_GETFL, 0) & O_NONBLOCK, 0);
	CHECK_INT(ioth_fcntl(fd, F_GETFD, 0), 0);
	CHECK_POLL(server, POLLIN);
	fd = keep(c, ioth_accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
	CHECK_INT(ioth_fcntl(fd, F_GETFL, 0) & O_NONBLOCK, O_NONBLOCK);
	CHECK_INT(ioth_fcntl(fd, F_GETFD, 0), FD_CLOEXEC);
}

CASE(accept, inherits_options, INET, "an accepted socket has the options of the listening one")
{
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int client = sock(c, c->a, SOCK_STREAM);
	int fd;

	SETOPT(server, SOL_SOCKET, SO_KEEPALIVE, 1);
	SETOPT(server, IPPROTO_TCP, TCP_NODELAY, 1);
	SETOPT(server, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	SETOPT(server, SOL_SOCKET, SO_RCVBUF, 20000);
	CHECK_OK(ioth_connect(client, &addr.sa, addr.len));
	fd = accepted(c, server);
	CHECK_OPT(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	CHECK_OPT(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	CHECK_OPT(fd, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	CHECK_OPT(fd, SOL_SOCKET, SO_RCVBUF, 40000);
	CHECK_OPT(fd, SOL_SOCKET, SO_ACCEPTCONN, 0);
}

CASE(accept, reset_in_queue, INET, "a connection that was reset before accept is accepted, and read as ECONNRESET")
{
	struct linger linger = {1, 0};
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int client = sock(c, c->a, SOCK_STREAM);
	char byte;
	int fd;

	CHECK_OK(ioth_setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	CHECK_OK(ioth_connect(client, &addr.sa, addr.len));
	CHECK_POLL(server, POLLIN);
	drop(c, client);
	fd = accepted(c, server);
	CHECK_POLL(fd, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	CHECK_ERR(ioth_recv(fd, &byte, 1, 0), ECONNRESET);
}

CASE(listen, backlog_full, INET, "a full backlog leaves a further client unanswered till accept makes room")
{
	struct addr addr;
	int server = bound(c, c->b, SOCK_STREAM, &addr);
	int client[3];

	CHECK_OK(ioth_listen(server, 1));
	for (int i = 0; i < 3; i++)
		client[i] = sock(c, c->a, SOCK_STREAM | SOCK_NONBLOCK);
	/* Linux lets one more wait than the backlog says. */
	for (int i = 0; i < 2; i++) {
		CHECK_ERR(ioth_connect(client[i], &addr.sa, addr.len), EINPROGRESS);
		CHECK_POLL(client[i], POLLOUT);
	}
	CHECK_ERR(ioth_connect(client[2], &addr.sa, addr.len), EINPROGRESS);
	CHECK_INT(poll(&(struct pollfd){.fd = client[2], .events = POLLOUT}, 1, 50), 0);
	accepted(c, server);
	accepted(c, server);
	CHECK_POLL(client[2], POLLOUT);
	accepted(c, server);
}

CASE(listen, unbound, INET, "listen on a socket without a name gives it a port")
{
	int server = sock(c, c->b, SOCK_STREAM);
	int fd = sock(c, c->a, SOCK_STREAM);
	struct addr addr;

	CHECK_OK(ioth_listen(server, 1));
	addr = sockname(server);
	CHECK(addr_port(addr) != 0);
	CHECK_ADDR(addr, addr_any(c, addr_port(addr)));
	addr = addr_of(c, c->b, addr_port(addr));
	CHECK_OK(ioth_connect(fd, &addr.sa, addr.len));
	accepted(c, server);
}

CASE(listen, wrong_socket, INET, "listen is EOPNOTSUPP on a datagram socket, EINVAL on a connected one")
{
	struct pair p = tcp_pair(c);
	int fd = bound(c, c->a, SOCK_DGRAM, NULL);

	CHECK_ERR(ioth_listen(fd, 1), EOPNOTSUPP);
	CHECK_ERR(ioth_listen(p.a, 1), EINVAL);
}

CASE(listen, not_a_stream, INET, "a listening socket is not a connection: EISCONN, EPIPE, ENOTCONN")
{
	struct addr addr = addr_of(c, c->a, 9);
	int server = listener(c, c->b, NULL);
	char byte;

	CHECK_ERR(ioth_connect(server, &addr.sa, addr.len), EISCONN);
	CHECK_ERR(ioth_send(server, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_ERR(ioth_recv(server, &byte, 1, 0), ENOTCONN);
	CHECK_ERR(ioth_getpeername(server, &addr.sa, &addr.len), ENOTCONN);
	CHECK_OPT(server, SOL_SOCKET, SO_ACCEPTCONN, 1);
}

CASE(listen, again, INET, "listen may be repeated to change the backlog; shutdown ends it and listen starts it anew")
{
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int fd = sock(c, c->a, SOCK_STREAM);

	CHECK_OK(ioth_listen(server, 3));
	CHECK_OK(ioth_shutdown(server, SHUT_RD));
	CHECK_ERR(ioth_accept(server, NULL, NULL), EINVAL);
	CHECK_ERR(ioth_connect(fd, &addr.sa, addr.len), ECONNREFUSED);
	/* The port was the stack's choice, so shutdown gave it back, and this is another. */
	CHECK_OK(ioth_listen(server, 3));
	addr = sockname(server);
	CHECK(addr_port(addr) != 0);
	CHECK_OK(ioth_connect(fd, &addr.sa, addr.len));
	accepted(c, server);
}

CASE(listen, close_resets, INET, "closing a listening socket resets the connections that nobody has accepted")
{
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int fd = sock(c, c->a, SOCK_STREAM);
	char byte;

	CHECK_OK(ioth_connect(fd, &addr.sa, addr.len));
	CHECK_POLL(server, POLLIN);
	drop(c, server);
	CHECK_POLL(fd, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	CHECK_ERR(ioth_recv(fd, &byte, 1, 0), ECONNRESET);
}
