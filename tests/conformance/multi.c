/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* multi.c - several stacks, networks, threads, and many sockets at a time. */
#include "conf.h"
#include "netns.h"

#include <linux/tcp.h>
#include <stdlib.h>

#define IP_OR_IPV6(c, four, six) ((c)->family == AF_INET ? (four) : (six))
#define HOST_PREFIX(c) IP_OR_IPV6(c, 24, nl_addrdata2prefix(64, IFA_F_NODAD, 0))

CASE(multi, same_address, INET, "two stacks have the same address and port at the same time")
{
	struct addr addr = addr_text(c, IP_OR_IPV6(c, "10.66.0.1", "fd66::1"), 0);
	int server[2], client[2];

	for (int i = 0; i < 2; i++) {
		struct ioth *stack = i == 0 ? c->a : c->b;
		unsigned int lo = (unsigned int)CHECK_GE0(ioth_if_nametoindex(on(c, stack), "lo"));

		CHECK_OK(ioth_ipaddr_add(stack, c->family, addr_raw(&addr), HOST_PREFIX(c), lo));
		settled(c, stack, addr);
		server[i] = sock(c, stack, SOCK_STREAM);
		CHECK_OK(ioth_bind(server[i], &addr.sa, addr.len));
		CHECK_OK(ioth_listen(server[i], 1));
		addr = sockname(server[i]);
	}
	for (int i = 0; i < 2; i++) {
		client[i] = sock(c, i == 0 ? c->a : c->b, SOCK_STREAM);
		CHECK_OK(ioth_connect(client[i], &addr.sa, addr.len));
		send_text(client[i], i == 0 ? "a" : "b");
	}
	for (int i = 0; i < 2; i++)
		recv_text(accepted(c, server[i]), i == 0 ? "a" : "b");
}

CASE(multi, own_loopback, INET, "each stack has a loopback of its own: what listens on one is not there on the other")
{
	struct addr addr = addr_loopback(c, 0);
	struct addr other = addr_loopback(c, 0);
	int server = sock(c, c->a, SOCK_STREAM), client;

	CHECK_OK(ioth_bind(server, &addr.sa, addr.len));
	CHECK_OK(ioth_listen(server, 1));
	addr = sockname(server);
	do {
		client = sock(c, c->b, SOCK_STREAM);
		CHECK_OK(ioth_bind(client, &other.sa, other.len));
		/* From the very port it connects to it would be connected to itself. */
	} while (addr_port(sockname(client)) == addr_port(addr));
	CHECK_ERR(ioth_connect(client, &addr.sa, addr.len), ECONNREFUSED);
	CHECK_OK(ioth_connect(sock(c, c->a, SOCK_STREAM), &addr.sa, addr.len));
	accepted(c, server);
}

CASE(multi, link_down, INET,
     "with the link down the network is unreachable; with it up again IPv4 comes back, IPv6 needs its address")
{
	struct addr to, own = addr_of(c, c->a, 0);
	int receiver = bound(c, c->b, SOCK_DGRAM, &to);
	int fd = sock(c, c->a, SOCK_DGRAM);
	unsigned int index = ifindex(c, c->a);

	set_link(c, c->a, 0);
	CHECK_ERR(ioth_sendto(fd, "x", 1, 0, &to.sa, to.len), ENETUNREACH);
	CHECK_ERR(ioth_connect(sock(c, c->a, SOCK_STREAM), &to.sa, to.len), ENETUNREACH);
	set_link(c, c->a, 1);
	if (c->family == AF_INET6)
		CHECK_OK(ioth_ipaddr_add(on(c, c->a), AF_INET6, addr_raw(&own), HOST_PREFIX(c), index));
	settled(c, c->a, own);
	crossed(c, c->a, c->b);
	CHECK_LEN(ioth_sendto(fd, "x", 1, 0, &to.sa, to.len), 1);
	recv_text(receiver, "x");
}

/** sent_again - wait until a connection has repeated what nobody acknowledges; what was sent before it is gone by then */
static void sent_again(int fd)
{
	struct tcp_info info = {0};

	while (info.tcpi_total_retrans < 2) {
		socklen_t len = sizeof(info);

		CHECK_OK(ioth_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len));
		poll(NULL, 0, 10);
	}
}

CASE(multi, peer_link_down, INET,
     "what is sent to a host whose link is down is lost without an error; a stream delivers it later")
{
	struct pair q = udp_pair(c);
	struct pair p = tcp_pair(c);
	struct addr own = addr_of(c, c->b, 0);
	unsigned int index = ifindex(c, c->b);

	set_link(c, c->b, 0);
	CHECK_LEN(ioth_send(q.a, "lost", 4, 0), 4);
	send_text(p.a, "delayed");
	sent_again(p.a);
	CHECK_POLL_NOW(q.b, POLLOUT);
	set_link(c, c->b, 1);
	if (c->family == AF_INET6)
		CHECK_OK(ioth_ipaddr_add(on(c, c->b), AF_INET6, addr_raw(&own), HOST_PREFIX(c), index));
	settled(c, c->b, own);
	recv_text(p.b, "delayed");
	CHECK_POLL_NOW(q.b, POLLOUT);
}

/** second_network - join the hosts by one more network, on interfaces called net1; addresses 10.78.0.x and fd78::x */
static void second_network(struct conf *c)
{
	struct ioth *host[2] = {c->a, c->b};
	char vnl[256];

	snprintf(vnl, sizeof(vnl), "ptp://%s/net1", c->dir);
	on(c, c->a);
	if (oracle(c))
		CHECK_OK(netns_veth("net1", c->netns[1]));
	for (int i = 0; i < 2; i++) {
		struct addr addr = addr_text(
		        c, i == 0 ? IP_OR_IPV6(c, "10.78.0.1", "fd78::1") : IP_OR_IPV6(c, "10.78.0.2", "fd78::2"), 0);
		unsigned int index;

		on(c, host[i]);
		if (!oracle(c))
			CHECK_OK(ioth_iplink_add(host[i], "net1", 0, "vde", nl_iplink_strdata(IFLA_VDE_VNL, vnl)));
		index = (unsigned int)CHECK_GE0(ioth_if_nametoindex(host[i], "net1"));
		CHECK_OK(ioth_linksetupdown(host[i], index, 1));
		CHECK_OK(ioth_ipaddr_add(host[i], c->family, addr_raw(&addr), HOST_PREFIX(c), index));
		settled(c, host[i], addr);
	}
	running(c, c->a, "net1");
	running(c, c->b, "net1");
}

/** one_crosses - send to an address of b till a datagram arrives; gives the address it came from */
static struct addr one_crosses(struct conf *c, const char *text)
{
	struct addr to = addr_text(c, text, 0);
	int fd = sock(c, c->b, SOCK_DGRAM), from = sock(c, c->a, SOCK_DGRAM);
	long deadline = wait_now_ms() + WAIT_MS;
	struct inbox in;

	CHECK_OK(ioth_bind(fd, &to.sa, to.len));
	to = sockname(fd);
	do
		CHECK_LEN(ioth_sendto(from, "x", 1, 0, &to.sa, to.len), 1);
	while (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 500) == 0 && wait_now_ms() < deadline);
	receive(fd, 0, &in);
	drop(c, fd);
	drop(c, from);
	return addr_with_port(in.from, 0);
}

CASE(multi, second_network, INET, "a network joined at run time carries datagrams, each by its own interface")
{
	second_network(c);
	CHECK_ADDR(one_crosses(c, IP_OR_IPV6(c, "10.78.0.2", "fd78::2")),
	           addr_text(c, IP_OR_IPV6(c, "10.78.0.1", "fd78::1"), 0));
	CHECK_ADDR(one_crosses(c, IP_OR_IPV6(c, "10.77.0.2", "fd77::2")), addr_of(c, c->a, 0));
}

CASE(multi, network_leaves, INET, "an interface deleted at run time takes its network along; the other stays")
{
	struct addr to = addr_text(c, IP_OR_IPV6(c, "10.78.0.2", "fd78::2"), 9);
	int fd = sock(c, c->a, SOCK_DGRAM);

	second_network(c);
	one_crosses(c, IP_OR_IPV6(c, "10.78.0.2", "fd78::2"));
	CHECK_OK(ioth_iplink_del(on(c, c->a), "net1", 0));
	CHECK_ERR(ioth_sendto(fd, "x", 1, 0, &to.sa, to.len), ENETUNREACH);
	crossed(c, c->a, c->b);
	/* The oracle's other end has gone with it; a network of VDE has to be left by both. */
	if (!oracle(c))
		CHECK_OK(ioth_iplink_del(c->b, "net1", 0));
	second_network(c);
	one_crosses(c, IP_OR_IPV6(c, "10.78.0.2", "fd78::2"));
}

CASE(multi, by_device, INET, "SO_BINDTODEVICE sends by that interface even where the route says another")
{
	struct addr to = addr_of(c, c->b, 0);
	int receiver = sock(c, c->b, SOCK_DGRAM), fd = sock(c, c->a, SOCK_DGRAM);

	second_network(c);
	one_crosses(c, IP_OR_IPV6(c, "10.78.0.2", "fd78::2"));
	CHECK_OK(ioth_bind(receiver, &to.sa, to.len));
	to = sockname(receiver);
	CHECK_OK(ioth_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "net1", 5));
	if (c->family == AF_INET6) {
		CHECK_ERR(ioth_sendto(fd, "x", 1, 0, &to.sa, to.len), ENETUNREACH);
		return;
	}
	CHECK_LEN(ioth_sendto(fd, "x", 1, 0, &to.sa, to.len), 1);
}

CASE(multi, forwarding, INET,
     "a host is no router: for others it drops IPv4 in silence, and refuses IPv6 where it has no route",
     LIMITS({"testengine", "says nothing about packets for others"}))
{
	struct addr far = addr_unrouted(c, 9), gateway = addr_of(c, c->b, 0);
	int fd = sock(c, c->a, SOCK_STREAM);

	CHECK_OK(ioth_iproute_add(on(c, c->a), c->family, NULL, 0, addr_raw(&gateway), 0));
	timeout(fd, SO_SNDTIMEO, IP_OR_IPV6(c, 40, WAIT_MS));
	CHECK_ERR(ioth_connect(fd, &far.sa, far.len), IP_OR_IPV6(c, EINPROGRESS, ENETUNREACH));
}

CASE(multi, thousand, ONCE, "a thousand sockets of many kinds are open at once on two stacks")
{
	static const struct {
		int domain, type, protocol;
	} kinds[] = {
	        {AF_INET, SOCK_STREAM, 0},
	        {AF_INET6, SOCK_STREAM, 0},
	        {AF_INET, SOCK_DGRAM, 0},
	        {AF_INET6, SOCK_DGRAM, 0},
	        {AF_NETLINK, SOCK_RAW, NETLINK_ROUTE},
	        {AF_INET, SOCK_RAW, IPPROTO_ICMP},
	};
	static unsigned char seen[CONF_FDS * 2];

	for (int i = 0; i < 1000; i++) {
		size_t kind = (size_t)i % (sizeof(kinds) / sizeof(kinds[0]));
		int fd = sockp(c, i % 2 ? c->a : c->b, kinds[kind].domain, kinds[kind].type, kinds[kind].protocol);

		CHECK(fd < (int)sizeof(seen));
		CHECK_INT(seen[fd]++, 0);
		CHECK_OPT(fd, SOL_SOCKET, SO_TYPE, kinds[kind].type);
	}
}

CASE(multi, hundred_connections, INET, "a hundred connections to one server at once, each with its own data")
{
	enum { N = 100 };
	struct addr addr;
	int server = bound(c, c->b, SOCK_STREAM, &addr);
	int client[N];
	unsigned char number;

	CHECK_OK(ioth_listen(server, N));
	for (int i = 0; i < N; i++) {
		client[i] = sock(c, c->a, SOCK_STREAM);
		CHECK_OK(ioth_connect(client[i], &addr.sa, addr.len));
		number = (unsigned char)i;
		CHECK_LEN(ioth_send(client[i], &number, 1, 0), 1);
	}
	for (int i = 0; i < N; i++) {
		int fd = accepted(c, server);

		CHECK_LEN(ioth_recv(fd, &number, 1, 0), 1);
		CHECK_ADDR(peername(fd), sockname(client[number]));
		CHECK_LEN(ioth_send(fd, &number, 1, 0), 1);
	}
	for (int i = 0; i < N; i++) {
		CHECK_LEN(ioth_recv(client[i], &number, 1, 0), 1);
		CHECK_INT(number, i);
	}
}

/* -------------------------------------------------------------------------------------------------- threads */

/** ask_and_answer - questions and answers over one connection; result 0 */
static long ask_and_answer(struct call *call)
{
	struct pair *p = call->arg;

	for (int i = 0; i < 200; i++) {
		int n = -1;

		if (ioth_send(p->a, &i, sizeof(i), 0) != sizeof(i) ||
		    ioth_recv(p->b, &n, sizeof(n), MSG_WAITALL) != sizeof(n) || n != i ||
		    ioth_send(p->b, &n, sizeof(n), 0) != sizeof(n) ||
		    ioth_recv(p->a, &n, sizeof(n), MSG_WAITALL) != sizeof(n) || n != i)
			return i + 1;
	}
	return 0;
}

CASE(threads, own_connection, INET, "eight threads, each with a connection of its own")
{
	struct pair p[8];
	struct call call[8];

	for (int i = 0; i < 8; i++) {
		p[i] = tcp_pair(c);
		call[i] = (struct call){.run = ask_and_answer, .arg = &p[i]};
	}
	for (int i = 0; i < 8; i++)
		call_start(&call[i]);
	for (int i = 0; i < 8; i++)
		CHECK_CALL(&call[i], 0, 0);
}

/** make_and_close - make sockets and close them, on one host; result 0 */
static long make_and_close(struct call *call)
{
	struct conf *c = call->c;
	struct ioth *stack = call->arg;

	on(c, stack);
	for (int i = 0; i < 100; i++) {
		struct addr addr = addr_of(c, stack, 0);
		int fd = ioth_msocket(stack, c->family, i % 2 ? SOCK_STREAM : SOCK_DGRAM, 0);

		if (fd < 0 || ioth_bind(fd, &addr.sa, addr.len) != 0 || ioth_close(fd) != 0)
			return i + 1;
	}
	return 0;
}

CASE(threads, make_and_close, INET,
     "eight threads make and close sockets on two stacks: every socket is on the right one")
{
	struct call call[8];

	for (int i = 0; i < 8; i++) {
		call[i] = (struct call){.run = make_and_close, .c = c, .arg = i % 2 ? c->a : c->b};
		call_start(&call[i]);
	}
	for (int i = 0; i < 8; i++)
		CHECK_CALL(&call[i], 0, 0);
}

/** send_numbers - send call->len datagrams on one socket; result 0 */
static long send_numbers(struct call *call)
{
	for (size_t i = 0; i < call->len; i++)
		if (ioth_send(call->fd, &i, sizeof(i), 0) != sizeof(i))
			return -1;
	return 0;
}

/** count_numbers - receive datagrams till one is empty; result: how many */
static long count_numbers(struct call *call)
{
	long count = 0;
	size_t number;
	ssize_t n;

	while ((n = ioth_recv(call->fd, &number, sizeof(number), 0)) == sizeof(number))
		count++;
	return n == 0 ? count : -1;
}

CASE(threads, one_socket, INET,
     "four threads send on one datagram socket and four receive on another: nothing is lost or doubled")
{
	struct pair p = udp_pair(c);
	struct call out[4], in[4];
	long sum = 0;

	for (int i = 0; i < 4; i++) {
		in[i] = (struct call){.run = count_numbers, .fd = p.b};
		call_start(&in[i]);
	}
	for (int i = 0; i < 4; i++) {
		/* Few enough to fit in the buffer of a receiver that is slow. */
		out[i] = (struct call){.run = send_numbers, .fd = p.a, .len = 20};
		call_start(&out[i]);
	}
	for (int i = 0; i < 4; i++)
		CHECK_CALL(&out[i], 0, 0);
	for (int i = 0; i < 4; i++)
		CHECK_LEN(ioth_send(p.a, "", 0, 0), 0);
	for (int i = 0; i < 4; i++) {
		call_end(&in[i]);
		CHECK(in[i].result >= 0);
		sum += in[i].result;
	}
	CHECK_INT(sum, 80);
}

/** churn - close and make anew the socket of a number that other threads read, till told to stop */
static long churn(struct call *call)
{
	struct conf *c = call->c;

	on(c, c->a);
	for (int i = 0; i < 200; i++) {
		int fd = ioth_msocket(c->a, c->family, SOCK_DGRAM, 0);

		if (fd < 0)
			return -1;
		/* Others may hit any descriptor that comes and goes; none may hang, crash, or get what is not theirs.
		 */
		if (ioth_dup2(fd, call->fd) != call->fd || ioth_close(fd) != 0)
			return -1;
	}
	return 0;
}

/** look - use a descriptor that another thread keeps replacing; result 0 */
static long look(struct call *call)
{
	for (int i = 0; i < 1000; i++) {
		char byte;
		ssize_t n = ioth_recv(call->fd, &byte, 1, MSG_DONTWAIT);

		if (n >= 0)
			return i + 1;
		if (errno != EAGAIN)
			return -1;
	}
	return 0;
}

CASE(threads, replaced_under, INET,
     "a descriptor that one thread replaces by dup2 again and again is good for others all the time")
{
	int fd = sock(c, c->a, SOCK_DGRAM);
	struct call replacing = {.run = churn, .c = c, .fd = fd};
	struct call looking[2] = {{.run = look, .fd = fd}, {.run = look, .fd = fd}};

	call_start(&replacing);
	for (int i = 0; i < 2; i++)
		call_start(&looking[i]);
	CHECK_CALL(&replacing, 0, 0);
	for (int i = 0; i < 2; i++)
		CHECK_CALL(&looking[i], 0, 0);
}

/** alternate - put now the one and now the other socket under a number that other threads read */
static long alternate(struct call *call)
{
	const struct pair *p = call->arg;

	for (int i = 0; i < 300; i++)
		if (ioth_dup2(p->a, call->fd) != call->fd || ioth_dup2(p->b, call->fd) != call->fd)
			return -1;
	return 0;
}

/** peek_word - see at each look the word, or nothing; result 0 */
static long peek_word(struct call *call)
{
	for (int i = 0; i < 2000; i++) {
		char word[32] = "";
		ssize_t n = ioth_recv(call->fd, word, sizeof(word), MSG_PEEK | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			return -1;
		if (n >= 0 && (n != 4 || memcmp(word, "word", 4) != 0))
			return i + 1;
	}
	return 0;
}

CASE(threads, replaced_readable, INET,
     "whichever of two sockets a number stands for, other threads read what it has, and it stays readable")
{
	struct pair p = udp_pair(c);
	int fd;
	struct call replacing, looking[2];

	CHECK_LEN(ioth_send(p.a, "word", 4, 0), 4);
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	fd = CHECK_GE0(ioth_dup(p.b));
	replacing = (struct call){.run = alternate, .fd = fd, .arg = &p};
	call_start(&replacing);
	for (int i = 0; i < 2; i++) {
		looking[i] = (struct call){.run = peek_word, .fd = fd};
		call_start(&looking[i]);
	}
	CHECK_CALL(&replacing, 0, 0);
	for (int i = 0; i < 2; i++)
		CHECK_CALL(&looking[i], 0, 0);
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	recv_text(p.b, "word");
	CHECK_LEN(ioth_send(p.b, "back", 4, 0), 4);
	CHECK_POLL(p.a, POLLIN | POLLOUT);
	recv_text(p.a, "back");
	CHECK_OK(ioth_close(fd));
}
