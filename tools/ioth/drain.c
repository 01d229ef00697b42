/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * drain.c - what a program has sent before it ended.
 *
 * Which connections have still to be ended is asked of the stack (sock_diag(7)); a stack that does not answer is not
 * waited for. Nothing announces that the last one has gone, so we look again and again.
 */
#include "drain.h"

#include <linux/if_link.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define PAUSE 10  /* milliseconds between two looks */
#define QUIET 100 /* milliseconds in which a stack that has something to send has sent it */

/** ending - is there a connection of @family whose end the other side has not seen? */
static bool ending(int fd, int family)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 req;
	} request = {.head = {.nlmsg_len = sizeof(request),
	                      .nlmsg_type = SOCK_DIAG_BY_FAMILY,
	                      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	             .req = {.sdiag_family = (__u8)family,
	                     .sdiag_protocol = IPPROTO_TCP,
	                     .idiag_states = 1U << TCP_FIN_WAIT1 | 1U << TCP_LAST_ACK | 1U << TCP_CLOSING}};
	char buf[16384] __attribute__((aligned(8)));
	bool found = false;

	if (ioth_send(fd, &request, sizeof(request), 0) < 0)
		return false;
	for (;;) {
		ssize_t len = ioth_recv(fd, buf, sizeof(buf), 0);
		struct nlmsghdr *msg = (struct nlmsghdr *)buf;

		if (len <= 0)
			return false;
		for (; NLMSG_OK(msg, (size_t)len); msg = NLMSG_NEXT(msg, len)) {
			if (msg->nlmsg_type == NLMSG_DONE || msg->nlmsg_type == NLMSG_ERROR)
				return found;
			found = true;
		}
	}
}

/** frames_sent - by all interfaces of the stack */
static unsigned long frames_sent(struct ioth *stack)
{
	struct ifaddrs *list;
	unsigned long sent = 0;

	if (ioth_getifaddrs(stack, &list) < 0)
		return 0;
	for (struct ifaddrs *i = list; i != NULL; i = i->ifa_next)
		if (i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_PACKET && i->ifa_data != NULL)
			sent += ((struct rtnl_link_stats *)i->ifa_data)->tx_packets;
	ioth_freeifaddrs(list);
	return sent;
}

void drain_quiet(struct ioth *stack, int seconds)
{
	unsigned long before, now = frames_sent(stack);

	for (int left = seconds * 1000; left > 0; left -= QUIET) {
		before = now;
		poll(NULL, 0, QUIET);
		now = frames_sent(stack);
		if (now == before)
			return;
	}
}

void drain(struct ioth *stack, int seconds)
{
	int fd = ioth_msocket(stack, AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return;
	for (int left = seconds * 1000; left > 0 && (ending(fd, AF_INET) || ending(fd, AF_INET6)); left -= PAUSE)
		poll(NULL, 0, PAUSE);
	ioth_close(fd);
}

void drain_close(int fd, int seconds)
{
	struct linger linger = {.l_onoff = 1, .l_linger = seconds};

	ioth_setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	ioth_close(fd);
}
