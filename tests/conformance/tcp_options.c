/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tcp_options.c - options of a TCP socket: tcp(7). */
#include "conf.h"

#include <linux/sockios.h>
#include <linux/tcp.h>

CASE(tcpopt, nodelay, INET, "TCP_NODELAY is off, can be set and read back as 1")
{
	int fd = sock(c, c->a, SOCK_STREAM);

	CHECK_OPT(fd, IPPROTO_TCP, TCP_NODELAY, 0);
	SETOPT(fd, IPPROTO_TCP, TCP_NODELAY, 7);
	CHECK_OPT(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	SETOPT(fd, IPPROTO_TCP, TCP_NODELAY, 0);
	CHECK_OPT(fd, IPPROTO_TCP, TCP_NODELAY, 0);
}

CASE(tcpopt, keepalive, INET,
     "TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT: values of Linux, set, read back, EINVAL out of range")
{
	static const struct {
		int option, usual, most;
	} table[] = {{TCP_KEEPIDLE, 7200, 32767}, {TCP_KEEPINTVL, 75, 32767}, {TCP_KEEPCNT, 9, 127}};
	int fd = sock(c, c->a, SOCK_STREAM);

	CHECK_OPT(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
	SETOPT(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	CHECK_OPT(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int bad = table[i].most + 1;

		CHECK_OPT(fd, IPPROTO_TCP, table[i].option, table[i].usual);
		SETOPT(fd, IPPROTO_TCP, table[i].option, table[i].most);
		CHECK_OPT(fd, IPPROTO_TCP, table[i].option, table[i].most);
		CHECK_ERR(ioth_setsockopt(fd, IPPROTO_TCP, table[i].option, &bad, sizeof(bad)), EINVAL);
		bad = 0;
		CHECK_ERR(ioth_setsockopt(fd, IPPROTO_TCP, table[i].option, &bad, sizeof(bad)), EINVAL);
		CHECK_OPT(fd, IPPROTO_TCP, table[i].option, table[i].most);
	}
}

CASE(tcpopt, integers, INET, "other integer options: default, a value set, the value read back")
{
	static const struct {
		int option, usual, set, get;
	} table[] = {
	        {TCP_USER_TIMEOUT, 0, 1234, 1234},
	        {TCP_SYNCNT, 6, 3, 3},
	        {TCP_LINGER2, 60, 7, 7},
	        {TCP_DEFER_ACCEPT, 0, 1, 1},
	        {TCP_CORK, 0, 1, 1},
	        {TCP_QUICKACK, 1, 0, 0},
	        {TCP_NOTSENT_LOWAT, 0, 4096, 4096},
	        {TCP_THIN_LINEAR_TIMEOUTS, 0, 1, 1},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int fd = sock(c, c->a, SOCK_STREAM);
		int value = -1;
		socklen_t len = sizeof(value);

		CHECK_OK(ioth_getsockopt(fd, IPPROTO_TCP, table[i].option, &value, &len));
		if (value != table[i].usual)
			FAIL("option %d: expected %d, got %d", table[i].option, table[i].usual, value);
		SETOPT(fd, IPPROTO_TCP, table[i].option, table[i].set);
		CHECK_OK(ioth_getsockopt(fd, IPPROTO_TCP, table[i].option, &value, &len));
		if (value != table[i].get)
			FAIL("option %d set to %d: expected %d, got %d", table[i].option, table[i].set, table[i].get,
			     value);
		drop(c, fd);
	}
}

CASE(tcpopt, out_of_range, INET, "values out of range are EINVAL")
{
	static const struct {
		int option, value;
	} table[] = {{TCP_USER_TIMEOUT, -1}, {TCP_SYNCNT, 0}, {TCP_SYNCNT, 128}, {TCP_MAXSEG, 1}, {TCP_MAXSEG, 70000}};
	int fd = sock(c, c->a, SOCK_STREAM);

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		CHECK_ERR(ioth_setsockopt(fd, IPPROTO_TCP, table[i].option, &table[i].value, sizeof(int)), EINVAL);
}

CASE(tcpopt, unknown, INET, "an unknown option is ENOPROTOOPT, a short value EINVAL, a short buffer gets what fits")
{
	int fd = sock(c, c->a, SOCK_STREAM);
	unsigned char value[4] = {9, 9, 9, 9};
	socklen_t len = 4;

	CHECK_ERR(ioth_setsockopt(fd, IPPROTO_TCP, 9999, value, 4), ENOPROTOOPT);
	CHECK_ERR(ioth_getsockopt(fd, IPPROTO_TCP, 9999, value, &len), ENOPROTOOPT);
	CHECK_ERR(ioth_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, value, 3), EINVAL);
	len = (socklen_t)-1;
	CHECK_ERR(ioth_getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, value, &len), EINVAL);
	SETOPT(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	len = 1;
	CHECK_OK(ioth_getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, value, &len));
	CHECK_INT(len, 1);
	CHECK_INT(value[0], 1);
	CHECK_INT(value[1], 9);
}

CASE(tcpopt, not_tcp, INET, "TCP options of a UDP socket do not exist")
{
	int fd = sock(c, c->a, SOCK_DGRAM);
	int one = 1;

	CHECK_ERR(ioth_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), ENOPROTOOPT);
}

CASE(tcpopt, maxseg, INET, "TCP_MAXSEG: 536 before a connection; that of the Ethernet in one; a lower one is kept to",
     LIMITS(NO_TIMESTAMPS))
{
	struct addr addr;
	int server = listener(c, c->b, &addr);
	int fd = sock(c, c->a, SOCK_STREAM);
	int small = sock(c, c->a, SOCK_STREAM);
	int headers = c->family == AF_INET ? 40 : 60;

	CHECK_OPT(fd, IPPROTO_TCP, TCP_MAXSEG, 536);
	CHECK_OK(ioth_connect(fd, &addr.sa, addr.len));
	/* The time stamp option takes twelve bytes of every segment. */
	CHECK_OPT(fd, IPPROTO_TCP, TCP_MAXSEG, CONF_MTU - headers - 12);
	accepted(c, server);
	SETOPT(small, IPPROTO_TCP, TCP_MAXSEG, 1000);
	CHECK_OPT(small, IPPROTO_TCP, TCP_MAXSEG, 1000);
	CHECK_OK(ioth_connect(small, &addr.sa, addr.len));
	CHECK_OPT(small, IPPROTO_TCP, TCP_MAXSEG, 1000 - 12);
	CHECK_OPT(accepted(c, server), IPPROTO_TCP, TCP_MAXSEG, 1000 - 12);
}

CASE(tcpopt, congestion, INET, "TCP_CONGESTION: reno can be set and read; an unknown algorithm is ENOENT")
{
	int fd = sock(c, c->a, SOCK_STREAM);
	char name[16] = "";
	socklen_t len = sizeof(name);

	CHECK_OK(ioth_getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len));
	CHECK_INT(len, sizeof(name));
	CHECK(name[0] != '\0');
	CHECK_OK(ioth_setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	CHECK_OK(ioth_getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len));
	CHECK_STR(name, "reno");
	CHECK_ERR(ioth_setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nonesuch", 8), ENOENT);
}

/** state - the state of a connection in TCP_INFO */
static int state(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	CHECK_OK(ioth_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len));
	CHECK(len >= 104);
	return info.tcpi_state;
}

/* The states of tcpi_state; <netinet/tcp.h>, which names them, cannot be included beside <linux/tcp.h>. */
enum { ESTABLISHED = 1, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSE, CLOSE_WAIT, LAST_ACK, LISTEN };

CASE(tcpopt, info_state, INET, "TCP_INFO tells the state: CLOSE, LISTEN, SYN_SENT, ESTABLISHED, FIN_WAIT2, CLOSE_WAIT")
{
	struct addr addr, absent = addr_silent(c, 9);
	int server = listener(c, c->b, &addr);
	int client = sock(c, c->a, SOCK_STREAM);
	int waiting = sock(c, c->a, SOCK_STREAM | SOCK_NONBLOCK);
	int fd;

	CHECK_INT(state(client), CLOSE);
	CHECK_INT(state(server), LISTEN);
	CHECK_OK(ioth_connect(client, &addr.sa, addr.len));
	fd = accepted(c, server);
	CHECK_INT(state(client), ESTABLISHED);
	CHECK_INT(state(fd), ESTABLISHED);
	CHECK_OK(ioth_shutdown(client, SHUT_WR));
	CHECK_POLL(fd, POLLIN | POLLOUT | POLLRDHUP);
	CHECK_INT(state(fd), CLOSE_WAIT);
	/* What the server sends now carries the acknowledgement of the FIN, if that is not there already. */
	send_text(fd, "x");
	recv_text(client, "x");
	CHECK_INT(state(client), FIN_WAIT2);
	CHECK_OK(ioth_shutdown(fd, SHUT_WR));
	CHECK_POLL(client, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	CHECK_INT(state(client), CLOSE);
	CHECK_ERR(ioth_connect(waiting, &absent.sa, absent.len), EINPROGRESS);
	CHECK_INT(state(waiting), SYN_SENT);
}

CASE(tcpopt, info_mss, INET, "TCP_INFO tells segment size, and bytes acknowledged and received", LIMITS(NO_TIMESTAMPS))
{
	struct pair p = tcp_pair(c);
	struct tcp_info info;
	socklen_t len = sizeof(info);
	int headers = c->family == AF_INET ? 40 : 60;

	send_text(p.a, "0123456789");
	recv_text(p.b, "0123456789");
	send_text(p.b, "ok");
	recv_text(p.a, "ok");
	memset(&info, 0, sizeof(info));
	CHECK_OK(ioth_getsockopt(p.a, IPPROTO_TCP, TCP_INFO, &info, &len));
	CHECK_INT(info.tcpi_snd_mss, CONF_MTU - headers - 12);
	CHECK_INT(info.tcpi_pmtu, CONF_MTU);
	CHECK_INT(info.tcpi_bytes_received, 2);
	CHECK_INT(info.tcpi_bytes_acked, 11); /* and the SYN */
	len = 1;
	CHECK_OK(ioth_getsockopt(p.a, IPPROTO_TCP, TCP_INFO, &info, &len));
	CHECK_INT(len, 1);
}

CASE(tcpopt, cork, INET, "TCP_CORK holds small sends back and lets them out as one")
{
	struct pair p = tcp_pair(c);
	char text[16];
	int unsent = -1;

	SETOPT(p.a, IPPROTO_TCP, TCP_CORK, 1);
	send_text(p.a, "one");
	send_text(p.a, "two");
	CHECK_OK(ioth_ioctl(p.a, SIOCOUTQNSD, &unsent));
	CHECK_INT(unsent, 6);
	SETOPT(p.a, IPPROTO_TCP, TCP_CORK, 0);
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), 6);
	CHECK_MEM(text, "onetwo", 6);
}

CASE(tcpopt, more, INET, "MSG_MORE holds a send back till the next one")
{
	struct pair p = tcp_pair(c);
	char text[16];
	int unsent = -1;

	CHECK_LEN(ioth_send(p.a, "one", 3, MSG_MORE), 3);
	CHECK_OK(ioth_ioctl(p.a, SIOCOUTQNSD, &unsent));
	CHECK_INT(unsent, 3);
	CHECK_LEN(ioth_send(p.a, "two", 3, 0), 3);
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recv(p.b, text, sizeof(text), 0), 6);
	CHECK_MEM(text, "onetwo", 6);
}

CASE(tcpopt, defer_accept, INET, "with TCP_DEFER_ACCEPT a connection is there when its first data are")
{
	struct addr addr;
	int server = bound(c, c->b, SOCK_STREAM, &addr);
	int client = sock(c, c->a, SOCK_STREAM);

	SETOPT(server, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
	CHECK_OK(ioth_listen(server, 1));
	CHECK_OK(ioth_connect(client, &addr.sa, addr.len));
	CHECK_INT(poll(&(struct pollfd){.fd = server, .events = POLLIN}, 1, 30), 0);
	send_text(client, "now");
	recv_text(accepted(c, server), "now");
}

CASE(tcpopt, user_timeout, INET, "TCP_USER_TIMEOUT ends a connection whose peer has gone: ETIMEDOUT")
{
	struct pair p = tcp_pair(c);
	char byte;

	SETOPT(p.a, IPPROTO_TCP, TCP_USER_TIMEOUT, 50);
	set_link(c, c->b, 0);
	send_text(p.a, "is anybody there");
	CHECK_POLL(p.a, POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	CHECK_ERR(ioth_recv(p.a, &byte, 1, 0), ETIMEDOUT);
	set_link(c, c->b, 1);
}

CASE(tcpopt, inq, INET, "TCP_INQ tells with every recvmsg how much more there is",
     LIMITS(NOT_STREAMS("control messages do not pass through the descriptor of a stream")))
{
	struct pair p = tcp_pair(c);
	char text[4];
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {text, sizeof(text)};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	int more;

	SETOPT(p.b, IPPROTO_TCP, TCP_INQ, 1);
	send_text(p.a, "0123456789");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_LEN(ioth_recvmsg(p.b, &msg, 0), 4);
	CHECK(msg.msg_controllen >= CMSG_LEN(sizeof(int)));
	CHECK_INT(control.head.cmsg_level, IPPROTO_TCP);
	CHECK_INT(control.head.cmsg_type, TCP_CM_INQ);
	memcpy(&more, CMSG_DATA(&control.head), sizeof(more));
	CHECK_INT(more, 6);
}

CASE(tcpopt, notsent_lowat, INET,
     "with TCP_NOTSENT_LOWAT a socket is not writable while more than that waits to be sent")
{
	static char chunk[16384];
	struct pair p = tcp_pair(c);

	SETOPT(p.a, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 1);
	do {
		while (ioth_send(p.a, chunk, sizeof(chunk), MSG_DONTWAIT) > 0)
			;
		CHECK_INT(errno, EAGAIN);
	} while (poll(&(struct pollfd){.fd = p.a, .events = POLLOUT}, 1, 60) == 1);
	SETOPT(p.a, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0x7fffffff);
	CHECK_POLL_NOW(p.a, POLLOUT);
}
