/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * count.c - how many sockets of a stack are open, in whatever process?
 *
 * The kernel counts the sockets of a namespace: "sockets: used" of /proc/net/sockstat. When these are no more than what the
 * program keeps in stock, none is open. But a socket may go on for the kernel when its last descriptor has been closed:
 *
 *   - a TCP connection has still to be ended;
 *   - a datagram that waits for the link layer address of its destination keeps its socket;
 *   - a netlink socket *lingers* till the end of a grace period, 10 to 50 ms.
 *
 * So when there are too many we look closer.
 *
 * Sockets are *marked* when they are made: with a file lock of the open file description, at an offset that is the stack's own.
 * Nobody locks sockets, and the kernel takes such a lock away with the last descriptor, in whatever process that was closed.
 * It lists all locks in /proc/locks. (Netlink sockets need no mark; how many are open is in /proc/net/protocols.)
 *
 * That leaves sockets that came from accept(2). Whether there can have been any is known from the counters in
 * /proc/net/snmp. If so, the connections without a descriptor, which are listed in /proc/net/tcp and tcp6 without an
 * inode, are taken off the number of used sockets; and if what is left may all be lingering netlink sockets, we have to
 * look again later: the answer is "unsettled". What has been closed for SETTLE_MS is not lingering any more. At last the
 * entries of the neighbour table that wait for an answer are given up, and with them the datagrams that wait for them.
 *
 * Where sockets cannot be marked, or accept connections in ways unknown here, all of them are treated like accepted ones.
 *
 * The files in /proc/thread-self/net are about the network namespace that this thread is in.
 */
#include "helper.h"
#include "rtnl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/neighbour.h>
#include <netinet/in.h>
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

/** marks - sockets with the mark that are open; -1 when the kernel does not say */
static int marks(int64_t mark)
{
	FILE *file = fopen("/proc/locks", "re");
	char line[256];
	int count = 0;

	if (file == NULL)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		long long start;

		if (sscanf(line, "%*d: OFDLCK %*s %*s %*s %*s %lld", &start) == 1 && start == mark)
			count++;
	}
	fclose(file);
	return count;
}

/** has_accepted - has a TCP connection ever come in? Yes, when the kernel does not say */
static bool has_accepted(void)
{
	FILE *file = open_net("snmp");
	unsigned long accepted = 1;
	char line[512];

	/* algorithm, two timeouts, most connections, those that went out, those that came in */
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Tcp: %*d %*d %*d %*d %*u %lu", &accepted) == 1)
			break;
	if (file)
		fclose(file);
	return accepted != 0;
}

/** struct connections - what /proc/net/tcp and tcp6 list */
struct connections {
	int orphans; /* without a descriptor */
	int owned;
};

/** count_connections - add what is in /proc/net/@name, if there is such a file */
static void count_connections(const char *name, struct connections *count)
{
	FILE *file = open_net(name);
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		unsigned long inode;
		unsigned int state;

		if (sscanf(line, "%*d: %*s %*s %x %*s %*s %*s %*s %*s %lu", &state, &inode) != 2)
			continue;
		if (inode != 0)
			count->owned++;
		else if (state != TCP_TIME_WAITING && state != TCP_SYN_RECEIVED)
			count->orphans++;
	}
	if (file)
		fclose(file);
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

/** struct look - numbers of one moment */
struct look {
	int left;  /* sockets of the kernel that are not kept in stock and no orphans */
	int owned; /* those of them that are connections with a descriptor */
};

/** take_look - false when the kernel does not say */
static bool take_look(int kept, struct look *look)
{
	struct connections count;
	int used;

	for (int i = 0; i < LOOKS; i++) {
		used = sockets_used();
		count = (struct connections){0};
		if (used <= kept)
			break;
		count_connections("tcp", &count);
		count_connections("tcp6", &count);
		if (sockets_used() == used)
			break;
	}
	look->left = used - kept - count.orphans;
	look->owned = count.owned;
	return used >= 0;
}

/**
 * count_accepted - see count_here, when all other sockets are closed
 * @left: sockets of the kernel that are not kept in stock
 * @lingering: how many of them may be netlink sockets that are closed
 * @again: nothing but the end of these is waited for
 */
static int count_accepted(struct stack *stack, int left, int kept, int lingering, bool again, bool *settled)
{
	struct look look = {.left = left};

	/* It takes long to look for orphans; that can wait until the others are gone. */
	if (!again || left > lingering) {
		if (!take_look(kept, &look))
			return -1;
		if (look.owned > 0)
			return look.owned;
		if (look.left > lingering && give_up_neighbours(stack)) {
			lingering++;
			take_look(kept, &look);
		}
	}
	*settled = look.left <= 0 || look.left > lingering;
	return look.left > 0 ? look.left : 0;
}

/** count_here - see count_open; in the namespace of the stack. Returns the number, or at least 1; -1 when it cannot be told */
static int count_here(struct stack *stack, const struct wire_request *request, bool *settled)
{
	int kept_netlink = (int)request->count.kept_netlink, kept_other = (int)request->count.kept_other;
	int kept = kept_netlink + kept_other;
	int used = sockets_used(), netlink, marked, lingering;

	if (used < 0)
		return -1;
	if (used <= kept) {
		stack->netlink_gone = stack->netlink_made - (uint32_t)kept_netlink;
		return 0;
	}
	netlink = netlink_open();
	marked = stack->unmarked ? -1 : marks(stack->mark);
	if (netlink < 0)
		return -1;
	lingering = lingering_max(stack, netlink);
	if (netlink > kept_netlink || marked > kept_other)
		return netlink - kept_netlink + (marked < 0 ? 0 : marked - kept_other);
	if (marked >= 0 && !has_accepted())
		return 0;
	return count_accepted(stack, used - kept, kept, lingering, request->count.again != 0, settled);
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

/* --------------------------------------------------------------------------------------------------- marks */

/** accepts_tcp_only - do connections accepted from such a socket show in the counters of TCP, or can there be none? */
static bool accepts_tcp_only(int domain, int type, int protocol)
{
	if (domain == AF_PACKET)
		return true;
	if (domain != AF_INET && domain != AF_INET6)
		return false;
	return type == SOCK_DGRAM || type == SOCK_RAW || (type == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP));
}

void count_mark(struct stack *stack, int fd, int domain, int type, int protocol)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = stack->mark, .l_len = 1};

	if (domain == AF_NETLINK)
		stack->netlink_made++;
	else if (!accepts_tcp_only(domain, type, protocol) || fcntl(fd, F_OFD_SETLK, &lock) < 0)
		stack->unmarked = true;
}
