/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* flags.c - socket(2) and fcntl(2): types, protocols, O_NONBLOCK, FD_CLOEXEC, owners and signals. */
#include "conf.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>

CASE(socket, cloexec, ONCE, "SOCK_CLOEXEC sets FD_CLOEXEC and nothing else does")
{
	int plain = sockp(c, c->a, AF_INET, SOCK_STREAM, 0);
	int closing = sockp(c, c->a, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_INT(ioth_fcntl(plain, F_GETFD, 0), 0);
	CHECK_INT(ioth_fcntl(closing, F_GETFD, 0), FD_CLOEXEC);
	CHECK_OK(ioth_fcntl(plain, F_SETFD, FD_CLOEXEC));
	CHECK_INT(ioth_fcntl(plain, F_GETFD, 0), FD_CLOEXEC);
	CHECK_INT(fcntl(plain, F_GETFD), FD_CLOEXEC);
}

CASE(socket, nonblock, ONCE, "SOCK_NONBLOCK sets O_NONBLOCK; a socket is open for reading and writing")
{
	int plain = sockp(c, c->a, AF_INET, SOCK_STREAM, 0);
	int fast = sockp(c, c->a, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	char byte;

	CHECK_INT(ioth_fcntl(plain, F_GETFL, 0), O_RDWR);
	CHECK_INT(ioth_fcntl(fast, F_GETFL, 0), O_RDWR | O_NONBLOCK);
	CHECK_ERR(ioth_recv(fast, &byte, 1, 0), EAGAIN);
}

CASE(socket, setfl, INET, "F_SETFL turns O_NONBLOCK on and off, by ioth_fcntl and by fcntl alike")
{
	struct pair p = udp_pair(c);
	char byte;

	CHECK_OK(ioth_fcntl(p.a, F_SETFL, O_NONBLOCK));
	CHECK_INT(fcntl(p.a, F_GETFL), O_RDWR | O_NONBLOCK);
	CHECK_ERR(ioth_recv(p.a, &byte, 1, 0), EAGAIN);
	CHECK_OK(fcntl(p.b, F_SETFL, O_NONBLOCK));
	CHECK_ERR(ioth_recv(p.b, &byte, 1, 0), EAGAIN);
	CHECK_OK(ioth_fcntl(p.b, F_SETFL, 0));
	CHECK_INT(ioth_fcntl(p.b, F_GETFL, 0), O_RDWR);
	timeout(p.b, SO_RCVTIMEO, 20);
	CHECK_ERR(ioth_recv(p.b, &byte, 1, 0), EAGAIN);
}

CASE(socket, fionbio, INET, "ioctl FIONBIO is O_NONBLOCK, FIOCLEX and FIONCLEX are FD_CLOEXEC")
{
	int fd = sock(c, c->a, SOCK_DGRAM);
	int on_off = 1, copy;

	CHECK_OK(ioth_ioctl(fd, FIONBIO, &on_off));
	CHECK_INT(ioth_fcntl(fd, F_GETFL, 0) & O_NONBLOCK, O_NONBLOCK);
	on_off = 0;
	CHECK_OK(ioth_ioctl(fd, FIONBIO, &on_off));
	CHECK_INT(ioth_fcntl(fd, F_GETFL, 0) & O_NONBLOCK, 0);
	CHECK_OK(ioth_ioctl(fd, FIOCLEX, NULL));
	CHECK_INT(ioth_fcntl(fd, F_GETFD, 0), FD_CLOEXEC);
	CHECK_OK(ioth_ioctl(fd, FIONCLEX, NULL));
	CHECK_INT(ioth_fcntl(fd, F_GETFD, 0), 0);
	/* A flag of the descriptor, not of the socket. */
	copy = CHECK_GE0(ioth_dup(fd));
	CHECK_OK(ioth_ioctl(copy, FIOCLEX, NULL));
	CHECK_INT(ioth_fcntl(copy, F_GETFD, 0), FD_CLOEXEC);
	CHECK_INT(ioth_fcntl(fd, F_GETFD, 0), 0);
	CHECK_OK(ioth_close(copy));
}

CASE(socket, bad_type, ONCE, "socket(2) with wrong arguments: EAFNOSUPPORT, EINVAL, ESOCKTNOSUPPORT, EPROTONOSUPPORT")
{
	static const struct {
		int domain, type, protocol, error;
	} table[] = {
	        {-1, SOCK_STREAM, 0, EAFNOSUPPORT},
	        {1000, SOCK_STREAM, 0, EAFNOSUPPORT},
	        {AF_UNSPEC, SOCK_STREAM, 0, EAFNOSUPPORT},
	        {AF_INET, 0, 0, ESOCKTNOSUPPORT},
	        {AF_INET, 15, 0, EINVAL},
	        {AF_INET, SOCK_STREAM | 0x100, 0, EINVAL},
	        {AF_INET, SOCK_SEQPACKET, 0, ESOCKTNOSUPPORT},
	        {AF_INET6, SOCK_RDM, 0, ESOCKTNOSUPPORT},
	        {AF_INET, SOCK_STREAM, IPPROTO_UDP, EPROTONOSUPPORT},
	        {AF_INET6, SOCK_STREAM, IPPROTO_UDP, EPROTONOSUPPORT},
	        {AF_INET, SOCK_DGRAM, IPPROTO_TCP, EPROTONOSUPPORT},
	        {AF_INET6, SOCK_DGRAM, IPPROTO_TCP, EPROTONOSUPPORT},
	        {AF_INET, SOCK_RAW, 0, EPROTONOSUPPORT},
	        {AF_INET6, SOCK_RAW, 0, EPROTONOSUPPORT},
	        {AF_INET, SOCK_STREAM, -1, EINVAL},
	        {AF_INET, SOCK_RAW, 100000, EINVAL},
	        {AF_NETLINK, SOCK_STREAM, 0, ESOCKTNOSUPPORT},
	        {AF_NETLINK, SOCK_RAW, 1000, EPROTONOSUPPORT},
	        {AF_PACKET, SOCK_STREAM, 0, ESOCKTNOSUPPORT},
	};

	on(c, c->a);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int fd = ioth_msocket(c->a, table[i].domain, table[i].type, table[i].protocol);

		if (fd != -1 || errno != table[i].error)
			FAIL("row %zu: expected %s, got %d %s", i, strerrorname_np(table[i].error), fd,
			     fd < 0 ? strerrorname_np(errno) : "");
	}
}

CASE(socket, given_protocol, ONCE, "the protocol may be named")
{
	CHECK_OPT(sockp(c, c->a, AF_INET, SOCK_STREAM, IPPROTO_TCP), SOL_SOCKET, SO_PROTOCOL, IPPROTO_TCP);
	CHECK_OPT(sockp(c, c->a, AF_INET6, SOCK_DGRAM, IPPROTO_UDP), SOL_SOCKET, SO_PROTOCOL, IPPROTO_UDP);
	CHECK_OPT(sockp(c, c->a, AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE), SOL_SOCKET, SO_PROTOCOL, IPPROTO_UDPLITE);
	CHECK_OPT(sockp(c, c->a, AF_INET, SOCK_RAW, IPPROTO_ICMP), SOL_SOCKET, SO_PROTOCOL, IPPROTO_ICMP);
}

CASE(socket, lowest_number, ONCE, "a new socket has the lowest descriptor number that is free")
{
	int first = sockp(c, c->a, AF_INET, SOCK_STREAM, 0);
	int second = sockp(c, c->a, AF_INET, SOCK_DGRAM, 0);
	int third = sockp(c, c->a, AF_INET6, SOCK_STREAM, 0);

	CHECK(first < second && second < third);
	drop(c, second);
	drop(c, first);
	CHECK_INT(sockp(c, c->b, AF_INET6, SOCK_STREAM, 0), first);
	CHECK_INT(sockp(c, c->a, AF_INET, SOCK_DGRAM, 0), second);
}

CASE(socket, accept_lowest, INET, "so has an accepted one")
{
	struct addr addr;
	int low = sock(c, c->a, SOCK_STREAM);
	int server = listener(c, c->b, &addr);
	int client = sock(c, c->a, SOCK_STREAM);

	CHECK_OK(ioth_connect(client, &addr.sa, addr.len));
	drop(c, low);
	CHECK_INT(accepted(c, server), low);
}

static _Atomic int signals; /* lock-free, so fit for a handler, and for other threads to read */

static void on_signal(int signal)
{
	(void)signal;
	signals++;
}

/** wait_signal - wait till on_signal has run */
static void wait_signal(int want)
{
	long deadline = wait_now_ms() + WAIT_MS;

	while (signals < want && wait_again(deadline))
		;
	CHECK_INT(signals, want);
}

CASE(socket, owner, INET, "F_SETOWN is read back by F_GETOWN, and by FIOGETOWN")
{
	int fd = sock(c, c->a, SOCK_STREAM);
	int owner = -1;

	CHECK_INT(ioth_fcntl(fd, F_GETOWN, 0), 0);
	CHECK_OK(ioth_fcntl(fd, F_SETOWN, getpid()));
	CHECK_INT(ioth_fcntl(fd, F_GETOWN, 0), getpid());
	CHECK_OK(ioth_ioctl(fd, FIOGETOWN, &owner));
	CHECK_INT(owner, getpid());
}

CASE(socket, sigio, INET, "O_ASYNC: the owner gets SIGIO when data arrive")
{
	struct sigaction action = {.sa_handler = on_signal};
	struct pair p = udp_pair(c);

	signals = 0;
	sigaction(SIGIO, &action, NULL);
	CHECK_OK(ioth_fcntl(p.b, F_SETOWN, getpid()));
	CHECK_OK(ioth_fcntl(p.b, F_SETFL, O_ASYNC));
	send_text(p.a, "x");
	wait_signal(1);
	recv_text(p.b, "x");
}

CASE(socket, sigurg, INET, "urgent data send SIGURG to the owner")
{
	struct sigaction action = {.sa_handler = on_signal};
	struct pair p = tcp_pair(c);

	signals = 0;
	sigaction(SIGURG, &action, NULL);
	CHECK_OK(ioth_fcntl(p.b, F_SETOWN, getpid()));
	CHECK_LEN(ioth_send(p.a, "X", 1, MSG_OOB), 1);
	wait_signal(1);
}

CASE(socket, bad_fcntl, ONCE, "fcntl with an unknown command is EINVAL, ioctl with an unknown request ENOTTY")
{
	int fd = sockp(c, c->a, AF_INET, SOCK_STREAM, 0);
	int value = 0;

	CHECK_ERR(ioth_fcntl(fd, 9999, 0), EINVAL);
	CHECK_ERR(ioth_ioctl(fd, 0x12345678, &value), ENOTTY);
}
