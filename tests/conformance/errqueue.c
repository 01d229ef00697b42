/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* errqueue.c - errors that come from the network and the error queue: IP_RECVERR of ip(7), IPV6_RECVERR of ipv6(7). */
#include "conf.h"

#include <linux/errqueue.h>
#include <linux/icmpv6.h>
#include <netinet/ip_icmp.h>

#define IP_OR_IPV6(c, four, six) ((c)->family == AF_INET ? (four) : (six))
#define LEVEL(c) IP_OR_IPV6(c, IPPROTO_IP, IPPROTO_IPV6)
#define RECVERR(c) IP_OR_IPV6(c, IP_RECVERR, IPV6_RECVERR)

/** struct report - what an error message carries: the error and the host that told it */
struct report {
	struct sock_extended_err err;
	union {
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} offender;
};

/** read_report - the report in a message of the error queue */
static void read_report(struct conf *c, struct inbox *in, struct report *out)
{
	size_t size = sizeof(out->err) + (size_t)IP_OR_IPV6(c, sizeof(out->offender.in), sizeof(out->offender.in6));

	memset(out, 0, sizeof(*out));
	control(in, LEVEL(c), RECVERR(c), out, size);
}

/** closed_port - a port of b on which nobody listens */
static struct addr closed_port(struct conf *c)
{
	struct addr addr;

	drop(c, bound(c, c->b, SOCK_DGRAM, &addr));
	return addr;
}

CASE(errqueue, refused, INET, "IP_RECVERR keeps the refused datagram, its destination, the error and who told it")
{
	struct addr addr = closed_port(c), teller;
	int fd = sock(c, c->a, SOCK_DGRAM);
	struct report report;
	struct inbox in;

	SETOPT(fd, LEVEL(c), RECVERR(c), 1);
	CHECK_LEN(ioth_sendto(fd, "refused", 7, 0, &addr.sa, addr.len), 7);
	CHECK_POLL(fd, POLLOUT | POLLERR);
	receive(fd, MSG_ERRQUEUE, &in);
	CHECK_INT(in.len, 7);
	CHECK_MEM(in.text, "refused", 7);
	CHECK_INT(in.flags, MSG_ERRQUEUE);
	CHECK_ADDR(in.from, addr);
	read_report(c, &in, &report);
	CHECK_INT(report.err.ee_errno, ECONNREFUSED);
	CHECK_INT(report.err.ee_origin, IP_OR_IPV6(c, SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6));
	CHECK_INT(report.err.ee_type, IP_OR_IPV6(c, ICMP_DEST_UNREACH, ICMPV6_DEST_UNREACH));
	CHECK_INT(report.err.ee_code, IP_OR_IPV6(c, ICMP_PORT_UNREACH, ICMPV6_PORT_UNREACH));
	teller = addr_of(c, c->b, 0);
	if (c->family == AF_INET)
		CHECK_MEM(&report.offender.in.sin_addr, addr_raw(&teller), 4);
	else
		CHECK_MEM(&report.offender.in6.sin6_addr, addr_raw(&teller), 16);
}

CASE(errqueue, pending, INET, "the error is also pending for the next call, and gone with the last report")
{
	struct addr addr = closed_port(c);
	int fd = sock(c, c->a, SOCK_DGRAM);
	struct inbox in;
	char byte;

	SETOPT(fd, LEVEL(c), RECVERR(c), 1);
	CHECK_LEN(ioth_sendto(fd, "1", 1, 0, &addr.sa, addr.len), 1);
	CHECK_POLL(fd, POLLOUT | POLLERR);
	CHECK_ERR(ioth_recv(fd, &byte, 1, MSG_DONTWAIT), ECONNREFUSED);
	/* The error has been told; the report is still there and shows as POLLERR. */
	CHECK_POLL_NOW(fd, POLLOUT | POLLERR);
	CHECK_ERR(ioth_recv(fd, &byte, 1, MSG_DONTWAIT), EAGAIN);
	receive(fd, MSG_ERRQUEUE, &in);
	CHECK_POLL_NOW(fd, POLLOUT);
	CHECK_OPT(fd, SOL_SOCKET, SO_ERROR, 0);
}

CASE(errqueue, several, INET, "reports queue up, one for each datagram, and switching IP_RECVERR off throws them away")
{
	struct addr one = closed_port(c), two = closed_port(c);
	int fd = sock(c, c->a, SOCK_DGRAM);
	struct inbox in;
	int errors = 0;

	SETOPT(fd, LEVEL(c), RECVERR(c), 1);
	for (int i = 0; i < 3; i++) {
		struct addr *to = i == 1 ? &two : &one;
		/* An error that is pending is told by the next send, which then sends nothing. */
		while (ioth_sendto(fd, "x", 1, 0, &to->sa, to->len) < 0) {
			CHECK_INT(errno, ECONNREFUSED);
			CHECK(++errors < 10);
		}
	}
	crossed(c, c->a, c->b);
	crossed(c, c->b, c->a);
	receive(fd, MSG_ERRQUEUE, &in);
	CHECK_ADDR(in.from, one);
	receive(fd, MSG_ERRQUEUE, &in);
	CHECK_ADDR(in.from, two);
	CHECK_POLL_NOW(fd, POLLOUT | POLLERR);
	SETOPT(fd, LEVEL(c), RECVERR(c), 0);
	CHECK_OPT(fd, SOL_SOCKET, SO_ERROR, ECONNREFUSED);
	CHECK_POLL_NOW(fd, POLLOUT);
}

CASE(errqueue, local, INET, "an error found at home is reported with origin LOCAL and the MTU")
{
	struct pair p = udp_pair(c);
	static char text[CONF_MTU];
	struct report report;
	struct inbox in;
	int overhead = IP_OR_IPV6(c, 28, 48);

	SETOPT(p.a, LEVEL(c), RECVERR(c), 1);
	SETOPT(p.a, LEVEL(c), IP_OR_IPV6(c, IP_MTU_DISCOVER, IPV6_MTU_DISCOVER), IP_PMTUDISC_DO);
	CHECK_ERR(ioth_send(p.a, text, (size_t)(CONF_MTU - overhead + 1), 0), EMSGSIZE);
	receive(p.a, MSG_ERRQUEUE, &in);
	read_report(c, &in, &report);
	CHECK_INT(report.err.ee_errno, EMSGSIZE);
	CHECK_INT(report.err.ee_origin, SO_EE_ORIGIN_LOCAL);
	CHECK_INT(report.err.ee_info, CONF_MTU);
}

CASE(errqueue, stays_without_data, INET, "data that arrive are read beside the reports")
{
	struct addr addr = closed_port(c), mine;
	int fd = bound(c, c->a, SOCK_DGRAM, &mine);
	int friend = sock(c, c->b, SOCK_DGRAM);
	struct inbox in;

	SETOPT(fd, LEVEL(c), RECVERR(c), 1);
	CHECK_LEN(ioth_sendto(fd, "x", 1, 0, &addr.sa, addr.len), 1);
	CHECK_POLL(fd, POLLOUT | POLLERR);
	CHECK_LEN(ioth_sendto(friend, "data", 4, 0, &mine.sa, mine.len), 4);
	CHECK_POLL(fd, POLLIN | POLLOUT | POLLERR);
	CHECK_OPT(fd, SOL_SOCKET, SO_ERROR, ECONNREFUSED);
	recv_text(fd, "data");
	receive(fd, MSG_ERRQUEUE, &in);
	CHECK_POLL_NOW(fd, POLLOUT);
}

CASE(errqueue, switch, INET, "IP_RECVERR is off, read back as set")
{
	int fd = sock(c, c->a, SOCK_DGRAM);

	CHECK_OPT(fd, LEVEL(c), RECVERR(c), 0);
	SETOPT(fd, LEVEL(c), RECVERR(c), 1);
	CHECK_OPT(fd, LEVEL(c), RECVERR(c), 1);
}
