/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * count.c - how many sockets of a stack are open, in whatever process?
 *
 * The kernel counts the sockets of a namespace: "sockets: used" of /proc/net/sockstat. From that number we take away
 * what is a socket to the kernel and none to a program:
 *
 *   - those that the program keeps in stock;
 *   - TCP connections that go on for a while after their last descriptor was closed. They are listed in /proc/net/tcp
 *     and tcp6 without an inode. (So are those that wait to be accepted; then there is an open listener as well.)
 *   - *lingering* netlink sockets: the kernel frees one a grace period after it was closed, 10 to 50 ms later, and
 *     counts it till then. How many are really open is known from /proc/net/protocols, how many were made ever we know
 *     ourselves; of the difference some may linger. When all the sockets left over may be of that kind, and the stack has
 *     been given sockets of other kinds that they may be as well, there is nothing for it but to look again later: the
 *     answer is "unsettled". After SETTLE_MS what was closed then is not lingering any more.
 *   - a datagram that waits for the link layer address of its destination keeps its closed socket. So the entries of the
 *     neighbour table that wait for an answer are given up when there is a socket too many.
 *
 * All of these look at the thread's own network namespace in /proc/thread-self/net.
 */
#include "helper.h"
#include "rtnl.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SETTLE_MS 250
#define LOOKS 4          /* at numbers that change while we look */
#define NEIGHBOURS_MAX 64 /* given up at a time */

/* states as /proc/net/tcp shows them; a socket in these is none that the kernel counts */
#define TCP_SYN_RECEIVED 0x03
#define TCP_TIME_WAITING 0x06

/** open_net - a file of /proc/net of this thread's namespace */
static FILE *open_net(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/thread-self/net/%s", name);
	return fopen(path, "re");
}

/** sockets_used - as the kernel counts; -1 when it does not say */
static int sockets_used(void)
{
	FILE *file = open_net("sockstat");
	int used = -1;

	if (file == NULL)
		return -1;
	if (fscanf(file, "sockets: used %d", &used) != 1)
		used = -1;
	fclose(file);
	return used;
}

/** netlink_open - AF_NETLINK sockets that have not been closed; -1 when the kernel does not say */
static int netlink_open(void)
{
	FILE *file = open_net("protocols");
	char line[256];
	int count = -1;

	while (file && count < 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, "NETLINK %*d %d", &count) != 1)
			count = -1;
	if (file)
		fclose(file);
	return count;
}

/** tcp_orphans - TCP sockets without a descriptor in /proc/net/@name; 0 when there is no such protocol */
static int tcp_orphans(const char *name)
{
	FILE *file = open_net(name);
	int count = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		unsigned long inode;
		unsigned int state;

		if (sscanf(line, "%*d: %*s %*s %x %*s %*s %*s %*s %*s %lu", &state, &inode) == 2 && inode == 0 &&
		    state != TCP_TIME_WAITING && state != TCP_SYN_RECEIVED)
			count++;
	}
	if (file)
		fclose(file);
	return count;
}

/** struct neighbours - entries of the neighbour table that wait for an answer */
struct neighbours {
	unsigned int count;
	struct {
		struct ndmsg ndm;
		unsigned char addr[16];
	} entry[NEIGHBOURS_MAX];
};

/** take_neighbour - an answer: keep the entry if it waits */
static void take_neighbour(const struct nlmsghdr *nlh, void *arg)
{
	struct neighbours *list = arg;
	const struct ndmsg *ndm = NLMSG_DATA(nlh);
	size_t len;
	const void *addr;

	if (nlh->nlmsg_type != RTM_NEWNEIGH || nlh->nlmsg_len < NLMSG_LENGTH(sizeof(*ndm)) ||
	    !(ndm->ndm_state & NUD_INCOMPLETE) || list->count == NEIGHBOURS_MAX)
		return;
	len = ndm->ndm_family == AF_INET ? 4 : 16;
	addr = rtnl_attr(nlh, sizeof(*ndm), NDA_DST, len);
	if (addr == NULL)
		return;
	list->entry[list->count].ndm = *ndm;
	memcpy(list->entry[list->count].addr, addr, len);
	list->count++;
}

/** give_up_neighbours - let go of datagrams that wait for an address; returns whether there were any */
static bool give_up_neighbours(struct stack *stack)
{
	static struct neighbours list;
	struct ndmsg any = {.ndm_family = AF_UNSPEC};
	struct rtnl_msg msg;
	int fd = rtnl_open();

	if (fd < 0)
		return false;
	stack->netlink_made++; /* it will linger like any other */
	list.count = 0;
	rtnl_begin(&msg, RTM_GETNEIGH, NLM_F_DUMP, &any, sizeof(any));
	rtnl_talk(fd, &msg, take_neighbour, &list);
	for (unsigned int i = 0; i < list.count; i++) {
		rtnl_begin(&msg, RTM_DELNEIGH, 0, &list.entry[i].ndm, sizeof(list.entry[i].ndm));
		rtnl_put(&msg, NDA_DST, list.entry[i].addr, list.entry[i].ndm.ndm_family == AF_INET ? 4 : 16);
		rtnl_talk(fd, &msg, NULL, NULL);
	}
	close(fd);
	return list.count > 0;
}

/** struct census - the numbers of a namespace */
struct census {
	int used, netlink, orphans;
};

/** take_census - all numbers of one moment; only `used` when that is not more than @enough; false when they cannot be had */
static bool take_census(struct census *census, int enough)
{
	for (int look = 0; look < LOOKS; look++) {
		census->used = sockets_used();
		if (census->used < 0)
			return false;
		if (census->used <= enough)
			return true;
		census->netlink = netlink_open();
		if (census->netlink < 0)
			return false;
		census->orphans = tcp_orphans("tcp") + tcp_orphans("tcp6");
		if (sockets_used() == census->used)
			break;
	}
	return true;
}

/** lingering_max - how many closed netlink sockets the kernel may still count; @open is how many are open */
static int lingering_max(struct stack *stack, int open)
{
	uint32_t closed = stack->netlink_made - (uint32_t)open;
	uint64_t now = now_ms();

	if (closed != stack->netlink_closed) {
		stack->netlink_closed = closed;
		stack->closed_since = now;
	} else if (now - stack->closed_since > SETTLE_MS) {
		stack->netlink_gone = closed;
	}
	return (int)(closed - stack->netlink_gone);
}

/** count_here - see count_open; in the namespace of the stack. Returns the number, -1 when it cannot be told */
static int count_here(struct stack *stack, const struct wire_request *request, bool *settled)
{
	int kept = (int)(request->count.kept_netlink + request->count.kept_other);
	bool neighbours = false;
	struct census census;

	*settled = true;
	for (;;) {
		int netlink, others, lingering;

		if (!take_census(&census, kept))
			return -1;
		if (census.used <= kept) {
			stack->netlink_gone = stack->netlink_made - request->count.kept_netlink;
			return 0;
		}
		netlink = census.netlink - (int)request->count.kept_netlink;
		others = census.used - (int)request->count.kept_other - census.netlink - census.orphans;
		lingering = lingering_max(stack, census.netlink);
		if (others <= 0 || (request->count.given_other == 0 && !stack->shared))
			return netlink;
		if (others <= lingering) {
			*settled = false;
			return netlink + others;
		}
		if (neighbours || !give_up_neighbours(stack))
			return netlink + others - lingering;
		neighbours = true;
	}
}

void count_open(struct stack *stack, const struct wire_request *request, struct wire_reply *reply)
{
	bool settled = true;

	reply->count.open = -1;
	if (netns_enter(stack->ns) == 0) {
		reply->count.open = count_here(stack, request, &settled);
		netns_leave();
	}
	reply->count.settled = settled;
}
