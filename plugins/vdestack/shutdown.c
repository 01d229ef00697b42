/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * shutdown.c - stopping a stack wakes who waits, also at sockets that cannot be shut down.
 *
 * Netlink and packet sockets have no shutdown(2). On a netlink socket the kernel is asked for an acknowledgement, which
 * wakes the reader. A packet socket of one interface hears that it goes down; one of all interfaces hears nothing, so it
 * is made one of lo, which is down or about to be, as all is when the stack is stopped.
 */
#include "vdestack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>

#define IFINDEX_LO 1 /* in every network namespace */

static void wake_netlink(int fd)
{
	const struct nlmsghdr nothing = {
	        .nlmsg_len = sizeof(nothing), .nlmsg_type = NLMSG_NOOP, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK};
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	sendto(fd, &nothing, sizeof(nothing), MSG_DONTWAIT, (const struct sockaddr *)&kernel, sizeof(kernel));
}

/** wake_packet - bind to lo, twice: nothing happens to a socket that is bound to what it was bound to before */
static void wake_packet(int fd)
{
	static const uint16_t protocol[] = {ETH_P_ALL, ETH_P_LOOPBACK};
	struct sockaddr_ll lo = {.sll_family = AF_PACKET, .sll_ifindex = IFINDEX_LO};

	for (int i = 0; i < 2; i++) {
		lo.sll_protocol = htons(protocol[i]);
		(void)bind(fd, (const struct sockaddr *)&lo, sizeof(lo));
	}
}

int vde_shutdown(int fd, int how)
{
	int result = shutdown(fd, how), domain = 0;
	socklen_t len = sizeof(domain);

	if (result == 0 || errno != EOPNOTSUPP || !vde_stopped())
		return result;
	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	if (domain == AF_PACKET)
		wake_packet(fd);
	else if (vde_routing())
		wake_netlink(fd);
	errno = EOPNOTSUPP;
	return result;
}
