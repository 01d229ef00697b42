/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * count.c - how many sockets of a stack are open, in whatever process?
 *
 * The kernel counts the sockets of a namespace: "sockets: used" of /proc/net/sockstat. When these are no more than
 * what the program keeps in stock, none is open. But a socket may go on for the kernel when its last descriptor has
 * been closed: a TCP connection has still to be ended; a frame on its way keeps its socket, and so does a datagram
 * that waits for the link layer address of its destination; a netlink socket is freed at the end of a grace period,
 * 10 to 50 ms later. So when there are too many we look closer.
 *
 * Sockets are *marked* when they are made: with a file lock of the open file description, at an offset that is the
 * stack's own. Nobody locks sockets, and the kernel takes such a lock away with the last descriptor, in whatever
 * process that was closed. It lists all locks in /proc/locks. (Netlink sockets need no mark; how many are open is in
 * /proc/net/protocols.)
 *
 * That leaves sockets that came from accept(2). Whether there can have been any is known from the counters in
 * /proc/net/snmp. If so, /proc/net/tcp and tcp6 tell: connections with an inode are open, those without have no
 * descriptor any more. What is left then is in neither list; most likely it is about to vanish, and there may be an
 * accepted socket whose connection is over. The answer is "unsettled", and if it is that for long, the last one
 * counts.
 *
 * Sockets that cannot be marked are treated like accepted ones; and where there has been one that may accept
 * connections in other ways than TCP, there may be accepted ones.
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

#define LOOKS 4           /* at numbers that change while we look */
#define NEIGHBOURS_MAX 64 /* given up at a time */
#define MARKED_MAX 256    /* more than are in stock */

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

/** struct marked - the sockets with a mark that have been found, by their inodes */
struct marked {
	int64_t mark;
	unsigned int count, enough; /* nobody cares for more than `enough` */
	unsigned long inode[MARKED_MAX];
};

/** marked_add - unless it is known already */
static void marked_add(struct marked *marked, unsigned long inode)
{
	for (unsigned int i = 0; i < marked->count; i++)
		if (marked->inode[i] == inode)
			return;
	if (marked->count < marked->enough)
		marked->inode[marked->count++] = inode;
}

/** marked_take - from as many lines as there are, all of them whole; returns the bytes that are left over */
static size_t marked_take(struct marked *marked, char *text)
{
	char *end;

	while ((end = strchr(text, '\n')) != NULL) {
		unsigned long inode;
		long long start;

		*end = '\0';
		if (sscanf(text, "%*d: OFDLCK %*s %*s %*s %*x:%*x:%lu %lld", &inode, &start) == 2 &&
		    start == marked->mark)
			marked_add(marked, inode);
		text = end + 1;
	}
	return strlen(text);
}

/**
 * marked_look - look through all locks once; false when the kernel does not list them
 *
 * One read gives a page of lines, as they are at that moment. From one page to the next the list may have changed,
 * and a line come twice, or not at all. *@whole says that there was one page only.
 */
static bool marked_look(struct marked *marked, bool *whole)
{
	int fd = open("/proc/locks", O_RDONLY | O_CLOEXEC), reads = 0;
	char text[16384];
	size_t left = 0;
	ssize_t got = 0;

	if (fd < 0)
		return false;
	while (marked->count < marked->enough && (got = read(fd, text + left, sizeof(text) - 1 - left)) > 0) {
		size_t len = left + (size_t)got;

		text[len] = '\0';
		left = marked_take(marked, text);
		memmove(text, text + len - left, left);
		reads++;
	}
	close(fd);
	*whole = reads <= 1;
	return got >= 0;
}

/** marks - how many sockets with @mark are open, at most @enough; -1 when the kernel does not say */
static int marks(int64_t mark, unsigned int enough)
{
	static struct marked marked;
	bool whole = false;

	marked.mark = mark;
	marked.count = 0;
	marked.enough = enough < MARKED_MAX ? enough : MARKED_MAX;
	for (int look = 0; look < LOOKS && !whole; look++)
		if (!marked_look(&marked, &whole))
			return -1;
	return (int)marked.count;
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
	const struct ndmsg *ndm = (const void *)((const char *)nlh + NLMSG_HDRLEN);
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

/** give_up_neighbours - let go of datagrams that wait for an address */
static void give_up_neighbours(void)
{
	static struct neighbours list;
	struct ndmsg any = {.ndm_family = AF_UNSPEC};
	struct rtnl_msg msg;
	int fd = rtnl_open();

	if (fd < 0)
		return;
	list.count = 0;
	rtnl_begin(&msg, RTM_GETNEIGH, NLM_F_DUMP, &any, sizeof(any));
	rtnl_talk(fd, &msg, take_neighbour, &list);
	for (unsigned int i = 0; i < list.count; i++) {
		rtnl_begin(&msg, RTM_DELNEIGH, 0, &list.entry[i].ndm, sizeof(list.entry[i].ndm));
		rtnl_put(&msg, NDA_DST, list.entry[i].addr, list.entry[i].ndm.ndm_family == AF_INET ? 4 : 16);
		rtnl_talk(fd, &msg, NULL, NULL);
	}
	close(fd);
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

/** count_accepted - see count_here, when all other sockets are closed */
static int count_accepted(int kept, bool again, bool *settled)
{
	struct look look;

	if (!take_look(kept, &look))
		return -1;
	if (look.owned > 0)
		return look.owned;
	if (look.left > 0 && !again)
		give_up_neighbours();
	*settled = look.left <= 0;
	return *settled ? 0 : look.left;
}

/** count_here - see count_open; in the namespace of the stack. Returns the number, or at least 1; -1 for unknown */
static int count_here(const struct stack *stack, const struct wire_request *request, bool *settled)
{
	int kept_netlink = (int)request->count.kept_netlink, kept_other = (int)request->count.kept_other;
	int kept = kept_netlink + kept_other;
	int used = sockets_used(), netlink, marked;

	if (used <= kept)
		return used < 0 ? -1 : 0;
	netlink = netlink_open();
	marked = stack->unmarked ? -1 : marks(stack->mark, request->count.kept_other + 1);
	if (netlink < 0)
		return -1;
	if (netlink > kept_netlink)
		return netlink - kept_netlink;
	if (marked > kept_other)
		return marked - kept_other;
	if (marked >= 0 && !stack->accepts && !has_accepted())
		return 0;
	return count_accepted(kept, request->count.again != 0, settled);
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
	return type == SOCK_DGRAM || type == SOCK_RAW ||
	       (type == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP));
}

void count_mark(struct stack *stack, int fd, int domain, int type, int protocol)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = stack->mark, .l_len = 1};

	if (domain == AF_NETLINK)
		return;
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
		stack->unmarked = true;
	if (!accepts_tcp_only(domain, type, protocol))
		stack->accepts = true;
}
