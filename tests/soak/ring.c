/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ring.c - a crowd of stacks alive at once, in a ring: each has a cable (ptp) to the next, and pings it by ICMP.
 *
 * Cable i joins the interface "next" of stack i, 10.x.y.1, with the interface "prev" of stack i+1, 10.x.y.2; x.y is i.
 * All requests are sent before the first answer is read.
 *
 * The ends of a cable know each other's hardware addresses. Linux has one ARP table for all network namespaces, and it
 * is full at 1024 entries (net.ipv4.neigh.default.gc_thresh3 of the host); permanent entries do not count.
 */
#include "soak.h"

#include "nlmsg.h"
#include "wait.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define FDS_PER_STACK 16 /* a generous guess of what a stack with two ports holds */

/** cable_address - end 1 or 2 of cable @i */
static struct sockaddr_in cable_address(unsigned int i, unsigned int end)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000000U | i << 8 | end)};
}

/** struct plug - an end of a cable in its stack */
struct plug {
	struct ioth *node;
	unsigned int ifindex;
	struct in_addr addr;
	unsigned char mac[6];
};

/** plug - configure an interface as end @end of cable @i */
static struct plug plug(struct ioth *node, const char *ifname, unsigned int i, unsigned int end)
{
	struct plug plug = {.node = node, .addr = cable_address(i, end).sin_addr};
	int ifindex = ioth_if_nametoindex(node, ifname);

	plug.ifindex = (unsigned int)ifindex;
	if (ifindex < 0 || ioth_linkgetaddr(node, plug.ifindex, plug.mac) < 0 ||
	    ioth_linksetupdown(node, plug.ifindex, 1) < 0 ||
	    ioth_ipaddr_add(node, AF_INET, &plug.addr, 24, plug.ifindex) < 0)
		soak_fail("cannot configure %s of stack %u", ifname, i);
	return plug;
}

/** introduce - tell the stack at @here the hardware address of the other end */
static void introduce(const struct plug *here, const struct plug *other)
{
	struct ndmsg nd = {.ndm_family = AF_INET, .ndm_ifindex = (int)here->ifindex, .ndm_state = NUD_PERMANENT};
	struct nlmsg msg;

	nlmsg_start(&msg, RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, 1, &nd, sizeof(nd));
	nlmsg_add(&msg, NDA_DST, &other->addr, sizeof(other->addr));
	nlmsg_add(&msg, NDA_LLADDR, other->mac, sizeof(other->mac));
	if (nlmsg_size(&msg) == 0 || ioth_nldialog(here->node, &msg.head) < 0)
		soak_fail("cannot add a neighbour");
}

/** checksum - of RFC 1071 */
static uint16_t checksum(const void *data, size_t len)
{
	const unsigned char *byte = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? byte[i] : (uint32_t)byte[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/** ask - one echo request to the next stack */
static void ask(int fd, unsigned int i, unsigned int turn)
{
	struct sockaddr_in to = cable_address(i, 2);
	struct icmphdr request;

	memset(&request, 0, sizeof(request));
	request.type = ICMP_ECHO;
	request.un.echo.id = htons((uint16_t)i);
	request.un.echo.sequence = htons((uint16_t)turn);
	request.checksum = checksum(&request, sizeof(request));
	if (ioth_sendto(fd, &request, sizeof(request), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		soak_fail("ping of stack %u", i);
}

/** answered - read one packet; whether it is the answer to our request */
static bool answered(int fd, unsigned int i, unsigned int turn)
{
	union {
		struct iphdr ip;
		unsigned char byte[200];
	} packet;
	struct icmphdr icmp;
	ssize_t len = ioth_recv(fd, &packet, sizeof(packet), 0);

	if (len < 0)
		soak_fail("stack %u", i);
	if ((size_t)len < packet.ip.ihl * 4U + sizeof(icmp))
		return false;
	memcpy(&icmp, packet.byte + packet.ip.ihl * 4U, sizeof(icmp));
	return icmp.type == ICMP_ECHOREPLY && icmp.un.echo.id == htons((uint16_t)i) &&
	       icmp.un.echo.sequence == htons((uint16_t)turn) && packet.ip.saddr == cable_address(i, 2).sin_addr.s_addr;
}

/** ping_around - every stack asks the next, till all have an answer */
static void ping_around(struct pollfd *sock, unsigned int count, unsigned int turn)
{
	unsigned int open = count;

	for (unsigned int i = 0; i < count; i++) {
		sock[i].events = POLLIN;
		ask(sock[i].fd, i, turn);
	}
	while (open > 0) {
		int ready;

		errno = 0;
		ready = poll(sock, count, 6 * WAIT_MS);
		if (ready <= 0)
			soak_fail("turn %u: %u of %u stacks got no answer", turn, open, count);
		for (unsigned int i = 0; i < count; i++)
			if (sock[i].revents && answered(sock[i].fd, i, turn)) {
				sock[i].events = 0;
				open--;
			}
	}
}

/** enough_descriptors - raise the limit; skip the case where it is too low */
static void enough_descriptors(unsigned int count)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		soak_fail("getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (limit.rlim_max < (rlim_t)count * FDS_PER_STACK || setrlimit(RLIMIT_NOFILE, &limit) < 0)
		soak_skip("%u stacks need about %u descriptors, the limit is %lu", count, count * FDS_PER_STACK,
		          (unsigned long)limit.rlim_max);
}

void case_ring(const struct soak *soak)
{
	unsigned int count = soak_count(soak, 1000, 1000);
	const char *module = strcmp(soak->network, "switch") == 0 ? "ptp" : soak->network;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of handles */
	struct ioth **node = calloc(count, sizeof(*node));
	struct plug *next_plug = calloc(count, sizeof(*next_plug)), *prev_plug = calloc(count, sizeof(*prev_plug));
	struct pollfd *sock = calloc(count, sizeof(*sock));
	struct account before, full;
	char next[200], prev[200];

	if (node == NULL || sock == NULL || next_plug == NULL || prev_plug == NULL)
		soak_fail("no memory");
	enough_descriptors(count);
	account_take(&before);
	for (unsigned int i = 0; i < count; i++) {
		unsigned int behind = (i + count - 1) % count;

		snprintf(next, sizeof(next), "next:%s://%s/%u", module, soak->dir, i);
		snprintf(prev, sizeof(prev), "prev:%s://%s/%u", module, soak->dir, behind);
		node[i] = ioth_newstackl(soak->stack, next, prev, (char *)NULL);
		if (node[i] == NULL)
			soak_fail("stack %u", i);
		next_plug[i] = plug(node[i], "next", i, 1);
		prev_plug[behind] = plug(node[i], "prev", behind, 2);
		sock[i].fd = ioth_msocket(node[i], AF_INET, SOCK_RAW, IPPROTO_ICMP);
		if (sock[i].fd < 0)
			soak_fail("raw socket of stack %u", i);
	}
	for (unsigned int i = 0; i < count; i++) {
		introduce(&next_plug[i], &prev_plug[i]);
		introduce(&prev_plug[i], &next_plug[i]);
	}
	account_take(&full);
	for (unsigned int turn = 1; turn <= 3; turn++)
		ping_around(sock, count, turn);
	for (unsigned int i = 0; i < count; i++) {
		ioth_close(sock[i].fd);
		node_delete(node[i]);
	}
	soak_say("%u stacks with two interfaces each: %ld KiB of machine memory and %.2f processes a stack", count,
	         (before.available - full.available) / (long)count,
	         (double)(full.processes - before.processes) / (double)count);
	free(node);
	free(next_plug);
	free(prev_plug);
	free(sock);
}
