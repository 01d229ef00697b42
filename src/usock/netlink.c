/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * netlink.c - netlink sockets (netlink(7)): the way to the configuration of the stack, and from it to who listens.
 *
 * There is NETLINK_ROUTE. A request is carried out while it is sent, in the thread that sends it, and when send
 * returns the answer waits in the queue of the socket. Each answer is a datagram. A dump is made at once and whole,
 * so it is of one moment, and waits beside the queue: from there it is moved in parts as large as the program reads,
 * as long as the queue is not half full of what has not been read. Until it has been moved, another dump is EBUSY, so
 * a socket holds one at most.
 *
 * Changes of the configuration (inet_ops.notify) go to the members of multicast groups, at the moment of the change.
 * A queue that is full loses what comes: the socket is *congested*, says ENOBUFS once, and gets nothing more until
 * the program has read all.
 *
 * Sockets of a stack also send to each other, by port number or group, as those of Linux do.
 *
 * Port numbers are unique in a stack. The first is the process id; the others are negative numbers from a random one
 * downwards.
 *
 * Everything here is under the lock of the stack. The sockets are in one list, which is only walked when there is a
 * member of the group in question, a port to be found, or a sender that waits.
 */
#include "ip.h"
#include "sockfilter.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <unistd.h>

#define GROUPS 39              /* of NETLINK_ROUTE in Linux; programs may join those of which nothing is ever heard */
#define PART_MIN (4096 - 320)  /* bytes of a datagram of a dump: NLMSG_GOODSIZE of Linux; */
#define PART_MAX (32768 - 320) /* when the program reads with large buffers, up to this */
#define SEND_ROOM 32           /* of SO_SNDBUF a datagram must leave this, as in Linux */

/** struct usock__netlink - the netlink sockets of a stack */
struct usock__netlink {
	struct usock *sockets;            /* by kind_next */
	unsigned int members[GROUPS + 1]; /* how many sockets are in a group */
	unsigned int blocked;             /* sockets that wait for room in the queue of another one */
	int32_t rover;                    /* the last port number that was chosen; 0: none */
	/* of the request that is being carried out */
	uint32_t requester; /* port; 0: none is */
	uint16_t echo;      /* its type, when it wants to be told what it changes: NLM_F_ECHO; else 0 */
};

/** enum - options of SOL_NETLINK that are on or off, as bits of `flags` */
enum { PKTINFO = 1, BROADCAST_ERROR = 2, NO_ENOBUFS = 4, ALL_NSID = 8, CAP_ACK = 16, EXT_ACK = 32, STRICT_CHK = 64 };

struct netlink {
	struct usock sock;
	struct usock__queue queue;
	bool bound;
	bool connected;
	uint32_t port;
	uint32_t to_port, to_group; /* of connect */
	uint64_t groups;            /* bit n - 1: member of group n */
	bool groups_known;          /* something has been done about groups: then Linux has a list of them */
	unsigned int flags;
	bool congested;
	bool blocked;         /* the last send has to wait for room elsewhere */
	size_t longest;       /* read so far: bytes of room that the program gave */
	struct nlq_msg *dump; /* what is left of one */
};

static struct netlink *netlink_of(struct usock *sock)
{
	return (struct netlink *)sock;
}

static struct usock__netlink *table_of(const struct netlink *self)
{
	return self->sock.stack->netlink;
}

int usock__netlink_open(struct usock_stack *stack)
{
	stack->netlink = calloc(1, sizeof(*stack->netlink));
	return stack->netlink == NULL ? -ENOMEM : 0;
}

void usock__netlink_close(struct usock_stack *stack)
{
	free(stack->netlink);
	stack->netlink = NULL;
}

/* ------------------------------------------------------------------------------------------------------------ ports */

static struct netlink *by_port(const struct usock__netlink *table, uint32_t port)
{
	for (struct usock *sock = table->sockets; sock != NULL; sock = sock->kind_next) {
		struct netlink *other = netlink_of(sock);

		if (other->bound && other->port == port)
			return other;
	}
	return NULL;
}

/** autobind - choose a port number: that of the process when it is free, as programs have come to expect */
static void autobind(struct netlink *self)
{
	struct usock__netlink *table = table_of(self);
	uint32_t port = (uint32_t)getpid(), seed;

	while (by_port(table, port) != NULL) {
		if (table->rover > -4097) { /* the first one, or they have run out */
			usock_random(self->sock.stack, &seed, sizeof(seed));
			table->rover = -4097 - (int32_t)(seed % 0x40000000U);
		}
		port = (uint32_t)table->rover--;
	}
	self->port = port;
	self->bound = true;
}

/* ----------------------------------------------------------------------------------------------------------- groups */

static uint32_t group_mask(unsigned int group)
{
	return group >= 1 && group <= 32 ? 1U << (group - 1) : 0;
}

static unsigned int first_group(uint32_t mask)
{
	return (unsigned int)__builtin_ffs((int)mask);
}

/** set_groups - become a member of exactly these groups */
static void set_groups(struct netlink *self, uint64_t groups)
{
	struct usock__netlink *table = table_of(self);

	self->groups_known = true;
	for (unsigned int group = 1; group <= GROUPS; group++) {
		uint64_t bit = UINT64_C(1) << (group - 1);

		if ((groups & bit) && !(self->groups & bit))
			table->members[group]++;
		if (!(groups & bit) && (self->groups & bit))
			table->members[group]--;
	}
	self->groups = groups;
}

/** listening - the socket may be overrun from now on, which its descriptor has to show */
static void listening(struct netlink *self)
{
	if (self->groups != 0)
		usock__ready_arm(&self->sock);
}

/* ---------------------------------------------------------------------------------------------------------- queueing */

/** overrun - a datagram was lost */
static void overrun(struct netlink *self)
{
	self->sock.dropped++;
	if (self->flags & NO_ENOBUFS || self->congested)
		return;
	self->congested = true;
	usock__error(&self->sock, ENOBUFS);
}

/** has_room - would a datagram of @len bytes be taken? The first one always is */
static bool has_room(const struct netlink *self, size_t len)
{
	if (self->congested || self->sock.dead)
		return false;
	return self->queue.size == 0 || self->queue.size + usock__dgram_cost(len) <= (size_t)self->sock.options.rcvbuf;
}

/** put - queue a datagram that comes from a port (0: the stack) and was sent to a group (0: to this socket alone) */
static void put(struct netlink *self, struct usock__dgram *dgram, uint32_t port, unsigned int group)
{
	struct sockaddr_nl name = {.nl_family = AF_NETLINK, .nl_pid = port, .nl_groups = group_mask(group)};

	memcpy(&dgram->name, &name, sizeof(name));
	dgram->namelen = sizeof(name);
	dgram->aux[0] = group;
	usock__queue_put(&self->sock, &self->queue, dgram);
}

/** deliver - queue bytes when there is room for them, else the socket is overrun */
static bool deliver(struct netlink *self, const void *data, size_t len, uint32_t port, unsigned int group)
{
	struct usock__dgram *dgram;

	if (self->sock.filter != NULL) {
		len = usock__filter_run(&self->sock, data, len, len);
		if (len == 0)
			return true; /* it was not wanted */
	}
	dgram = has_room(self, len) ? usock__dgram_new(len, 0) : NULL;
	if (dgram == NULL) {
		if (!self->sock.dead)
			overrun(self);
		return false;
	}
	memcpy(dgram->data, data, len);
	put(self, dgram, port, group);
	return true;
}

/** part_size - bytes of the next part of a dump */
static size_t part_size(const struct netlink *self)
{
	return self->longest < PART_MIN ? PART_MIN : self->longest > PART_MAX ? PART_MAX : self->longest;
}

/** dump_part - move one part of the dump into the queue: as many messages as fit, at least one; false: no memory */
static bool dump_part(struct netlink *self)
{
	size_t max = part_size(self), len = 0;
	struct usock__dgram *dgram;
	struct nlq_msg *msg = nlq_head(self->dump);

	do {
		len += NLMSG_ALIGN(msg->nlq_packet->nlmsg_len);
		msg = nlq_next(self->dump, msg);
	} while (msg != NULL && len + NLMSG_ALIGN(msg->nlq_packet->nlmsg_len) <= max);
	dgram = usock__dgram_new(len, 0);
	if (dgram == NULL)
		return false;
	for (size_t at = 0; at < len; nlq_dropmsg(&self->dump)) {
		const struct nlmsghdr *header = nlq_head(self->dump)->nlq_packet;

		memset(dgram->data + at, 0, NLMSG_ALIGN(header->nlmsg_len));
		memcpy(dgram->data + at, header, header->nlmsg_len);
		at += NLMSG_ALIGN(header->nlmsg_len);
	}
	put(self, dgram, 0, 0);
	return true;
}

/** dump_go_on - a dump has begun, or something has been read: move the next part if what waits is less than @room */
static void dump_go_on(struct netlink *self, size_t room)
{
	if (self->dump == NULL || self->queue.size >= room)
		return;
	if (dump_part(self))
		return;
	nlq_free(&self->dump);
	usock__error(&self->sock, ENOBUFS);
}

/* --------------------------------------------------------------------------------------------------------- requests */

static unsigned int server_options(const struct netlink *self)
{
	return (self->flags & EXT_ACK ? NLQ_EXT_ACK : 0) | (self->flags & CAP_ACK ? NLQ_CAP_ACK : 0) |
	       (self->flags & STRICT_CHK ? NLQ_STRICT_CHK : 0) | (self->dump != NULL ? NLQ_DUMPING : 0);
}

/** answer - queue what has been answered to a request: a dump goes beside the queue */
static void answer(struct netlink *self, struct nlq_msg *replies)
{
	struct nlq_msg *msg;
	bool dumped = false;

	while ((msg = nlq_dequeue(&replies)) != NULL) {
		if (msg->nlq_packet->nlmsg_flags & NLM_F_MULTI && nlq_enqueue(msg, &self->dump) == 0) {
			dumped = true;
			continue;
		}
		deliver(self, msg->nlq_packet, msg->nlq_packet->nlmsg_len, 0, 0);
		nlq_freemsg(msg);
	}
	if (dumped)
		dump_go_on(self, (size_t)self->sock.options.rcvbuf);
}

/** request - carry out one request; 0, or -ENOBUFS when there was no memory for it */
static int request(struct netlink *self, const struct nlmsghdr *header)
{
	struct usock_stack *stack = self->sock.stack;
	struct usock__netlink *table = stack->netlink;
	struct nlq_msg *replies;
	int error;

	table->requester = self->port;
	table->echo = header->nlmsg_flags & NLM_F_ECHO ? header->nlmsg_type : 0;
	inet_request_begin(stack->inet, header->nlmsg_seq, self->port);
	replies = nlq_process_datagram(header, header->nlmsg_len, inet_handlers, stack->inet, self->port,
	                               server_options(self));
	error = replies == NULL ? errno : 0;
	inet_request_end(stack->inet);
	table->requester = 0;
	table->echo = 0;
	answer(self, replies);
	return -error;
}

/** requests - carry out what a datagram to the stack holds, one request after the other; what is none ends it */
static int requests(struct netlink *self, const unsigned char *data, size_t len)
{
	size_t at = 0;
	int result = 0;

	while (result == 0 && len - at >= NLMSG_HDRLEN) {
		const struct nlmsghdr *header = (const void *)(data + at);
		size_t size = header->nlmsg_len;

		if (size < NLMSG_HDRLEN || size > len - at)
			break;
		result = request(self, header);
		size = NLMSG_ALIGN(size);
		at += size < len - at ? size : len - at;
	}
	return result;
}

/* ------------------------------------------------------------------------------------------------------ notifications */

/** tell_group - deliver to the members of a group, but for @except */
static void tell_group(struct usock__netlink *table, const void *data, size_t len, unsigned int group, uint32_t port,
                       const struct netlink *except)
{
	if (group == 0 || group > GROUPS || table->members[group] == 0)
		return;
	for (struct usock *sock = table->sockets; sock != NULL; sock = sock->kind_next) {
		struct netlink *member = netlink_of(sock);

		if (member != except && member->groups & UINT64_C(1) << (group - 1))
			deliver(member, data, len, port, group);
	}
}

/**
 * wants_echo - is a notification about what the request in progress asked for, and is it to be told so?
 *
 * What follows from a change (the routes that come with an address) is not echoed. Links are echoed by libnlq.
 */
static bool wants_echo(const struct usock__netlink *table, const struct nlmsghdr *header, uint32_t portid)
{
	return table->echo != 0 && portid != 0 && portid == table->requester &&
	       RTM_FAM(table->echo) != RTM_FAM(RTM_NEWLINK) && RTM_FAM(header->nlmsg_type) == RTM_FAM(table->echo);
}

/** notify_one - tell a group of a change, and the one who caused it when it wanted that */
static void notify_one(struct usock__netlink *table, struct nlmsghdr *header, uint32_t seq, uint32_t portid)
{
	unsigned int group = nlq_notification_group(header);
	struct netlink *echoed = wants_echo(table, header, portid) ? by_port(table, portid) : NULL;

	header->nlmsg_seq = seq;
	header->nlmsg_pid = portid;
	header->nlmsg_flags &= (uint16_t) ~(NLM_F_MULTI | NLM_F_DUMP_FILTERED | NLM_F_DUMP_INTR);
	tell_group(table, header, header->nlmsg_len, group, 0, echoed);
	if (echoed != NULL)
		deliver(echoed, header, header->nlmsg_len, 0, group);
}

void usock__netlink_notify(struct usock_stack *stack, struct nlq_msg *queue, uint32_t seq, uint32_t portid)
{
	/* While a stack is made or deleted nobody is there to listen. */
	if (stack->netlink != NULL && stack->netlink->sockets != NULL) {
		for (struct nlq_msg *msg = nlq_head(queue); msg != NULL; msg = nlq_next(queue, msg))
			notify_one(stack->netlink, msg->nlq_packet, seq, portid);
	}
	nlq_free(&queue);
}

/* ------------------------------------------------------------------------------------------------ the kind: addresses */

static int netlink_open(struct usock *sock)
{
	struct netlink *self = netlink_of(sock);
	struct usock__netlink *table = table_of(self);

	if (sock->type != SOCK_RAW && sock->type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	if (sock->protocol != NETLINK_ROUTE)
		return -EPROTONOSUPPORT;
	usock__queue_init(&self->queue);
	sock->kind_next = table->sockets;
	table->sockets = sock;
	return 0;
}

/** wake_blocked - a queue has room again, or has gone: those that wait for it may look */
static void wake_blocked(struct usock__netlink *table)
{
	if (table->blocked == 0)
		return;
	for (struct usock *sock = table->sockets; sock != NULL; sock = sock->kind_next) {
		if (netlink_of(sock)->blocked)
			usock__changed(sock, EPOLLOUT);
	}
}

static void set_blocked(struct netlink *self, bool blocked)
{
	if (self->blocked == blocked)
		return;
	self->blocked = blocked;
	table_of(self)->blocked += blocked ? 1U : -1U;
}

static void netlink_release(struct usock *sock)
{
	struct netlink *self = netlink_of(sock);
	struct usock__netlink *table = table_of(self);

	set_groups(self, 0);
	set_blocked(self, false);
	for (struct usock **at = &table->sockets; *at != NULL; at = &(*at)->kind_next) {
		if (*at != sock)
			continue;
		*at = sock->kind_next;
		break;
	}
	self->bound = false;
	nlq_free(&self->dump);
	wake_blocked(table);
}

static void netlink_destroy(struct usock *sock)
{
	nlq_free(&netlink_of(sock)->dump);
	usock__queue_clear(&netlink_of(sock)->queue);
}

static int netlink_bind(struct usock *sock, const struct sockaddr *addr, socklen_t len)
{
	struct netlink *self = netlink_of(sock);
	struct sockaddr_nl name;

	if (len < sizeof(name))
		return -EINVAL;
	memcpy(&name, addr, sizeof(name));
	if (name.nl_family != AF_NETLINK)
		return -EINVAL;
	if (self->bound && name.nl_pid != self->port)
		return -EINVAL;
	if (!self->bound && name.nl_pid != 0) {
		if (by_port(table_of(self), name.nl_pid) != NULL)
			return -EADDRINUSE;
		self->port = name.nl_pid;
		self->bound = true;
	} else if (!self->bound) {
		autobind(self);
	}
	if (name.nl_groups != 0 || (uint32_t)self->groups != 0) {
		set_groups(self, (self->groups & ~(uint64_t)UINT32_MAX) | name.nl_groups);
		listening(self);
	}
	return 0;
}

static int netlink_connect(struct usock *sock, const struct sockaddr *addr, socklen_t len)
{
	struct netlink *self = netlink_of(sock);
	struct sockaddr_nl name;

	if (len < sizeof(addr->sa_family))
		return -EINVAL;
	if (addr->sa_family == AF_UNSPEC) {
		self->connected = false;
		self->to_port = self->to_group = 0;
		return 0;
	}
	if (addr->sa_family != AF_NETLINK || len < sizeof(name))
		return -EINVAL;
	memcpy(&name, addr, sizeof(name));
	if (!self->bound)
		autobind(self);
	self->connected = true;
	self->to_port = name.nl_pid;
	self->to_group = first_group(name.nl_groups);
	return 0;
}

static int give_name(uint32_t port, uint32_t groups, struct sockaddr_storage *addr, socklen_t *len)
{
	struct sockaddr_nl name = {.nl_family = AF_NETLINK, .nl_pid = port, .nl_groups = groups};

	memcpy(addr, &name, sizeof(name));
	*len = sizeof(name);
	return 0;
}

static int netlink_getsockname(struct usock *sock, struct sockaddr_storage *addr, socklen_t *len)
{
	const struct netlink *self = netlink_of(sock);

	return give_name(self->bound ? self->port : 0, (uint32_t)self->groups, addr, len);
}

static int netlink_getpeername(struct usock *sock, struct sockaddr_storage *addr, socklen_t *len)
{
	const struct netlink *self = netlink_of(sock);

	return give_name(self->to_port, group_mask(self->to_group), addr, len);
}

/* --------------------------------------------------------------------------------------------- the kind: moving bytes */

/** send_port - to a socket of the stack */
static int send_port(struct netlink *self, const void *data, size_t len, uint32_t port)
{
	struct netlink *to = by_port(table_of(self), port);

	if (to == NULL || (to->connected && to->to_port != self->port))
		return -ECONNREFUSED;
	if (!has_room(to, len)) {
		set_blocked(self, true);
		return -EAGAIN;
	}
	return deliver(to, data, len, self->port, 0) ? 0 : -ENOBUFS;
}

/** send_to - where a datagram goes: name of the call, else that of connect */
static int send_to(const struct netlink *self, const struct msghdr *msg, uint32_t *port, unsigned int *group)
{
	struct sockaddr_nl name;

	*port = self->to_port;
	*group = self->to_group;
	if (msg->msg_name == NULL || msg->msg_namelen == 0)
		return 0;
	if (msg->msg_namelen < sizeof(name))
		return -EINVAL;
	memcpy(&name, msg->msg_name, sizeof(name));
	if (name.nl_family != AF_NETLINK)
		return -EINVAL;
	*port = name.nl_pid;
	*group = first_group(name.nl_groups);
	return 0;
}

/** send_bytes - a datagram, wherever it goes to: to a group and then, as in Linux, to a port as well, which may be the stack's */
static int send_bytes(struct netlink *self, const unsigned char *data, size_t len, uint32_t port, unsigned int group)
{
	tell_group(table_of(self), data, len, group, self->port, self);
	return port != 0 ? send_port(self, data, len, port) : requests(self, data, len);
}

static int netlink_send(struct usock *sock, struct usock__xfer *xfer)
{
	struct netlink *self = netlink_of(sock);
	unsigned char *data;
	unsigned int group;
	uint32_t port;
	int result;

	set_blocked(self, false);
	if (xfer->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (xfer->len == 0)
		return -ENODATA;
	result = send_to(self, xfer->msg, &port, &group);
	if (result < 0)
		return result;
	if (!self->bound)
		autobind(self);
	if (xfer->len > (size_t)sock->options.sndbuf - SEND_ROOM)
		return -EMSGSIZE;
	data = malloc(xfer->len);
	if (data == NULL)
		return -ENOBUFS;
	usock__copy_in(xfer, 0, data, xfer->len);
	result = send_bytes(self, data, xfer->len, port, group);
	free(data);
	if (result == 0)
		xfer->done = xfer->len;
	return result;
}

/** control - NETLINK_PKTINFO: the group that the datagram was sent to */
static void control(struct usock *sock, struct usock__xfer *xfer, const struct usock__dgram *dgram)
{
	struct nl_pktinfo info = {.group = dgram->aux[0]};

	if (netlink_of(sock)->flags & PKTINFO)
		usock__cmsg_put(xfer, SOL_NETLINK, NETLINK_PKTINFO, &info, sizeof(info));
}

static int netlink_recv(struct usock *sock, struct usock__xfer *xfer)
{
	struct netlink *self = netlink_of(sock);
	int result;

	if (xfer->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (self->longest < xfer->len)
		self->longest = xfer->len;
	result = usock__queue_recv(sock, &self->queue, xfer, control);
	dump_go_on(self, (size_t)sock->options.rcvbuf / 2 + 1);
	if (self->queue.head == NULL)
		self->congested = false;
	if (result == 0)
		wake_blocked(table_of(self));
	return result;
}

static uint32_t netlink_poll(struct usock *sock)
{
	return usock__dgram_poll(sock, &netlink_of(sock)->queue);
}

/* ------------------------------------------------------------------------------------------------- the kind: options */

/** flag_of - the bit of an option that is on or off; 0: it is none */
static unsigned int flag_of(int name)
{
	switch (name) {
	case NETLINK_PKTINFO:
		return PKTINFO;
	case NETLINK_BROADCAST_ERROR:
		return BROADCAST_ERROR;
	case NETLINK_NO_ENOBUFS:
		return NO_ENOBUFS;
	case NETLINK_LISTEN_ALL_NSID: /* of whatever namespace: there is one */
		return ALL_NSID;
	case NETLINK_CAP_ACK:
		return CAP_ACK;
	case NETLINK_EXT_ACK:
		return EXT_ACK;
	case NETLINK_GET_STRICT_CHK:
		return STRICT_CHK;
	default:
		return 0;
	}
}

/** membership - NETLINK_ADD_MEMBERSHIP, NETLINK_DROP_MEMBERSHIP */
static int membership(struct netlink *self, unsigned int group, bool join)
{
	uint64_t bit;

	self->groups_known = true;
	if (group == 0 || group > GROUPS)
		return -EINVAL;
	bit = UINT64_C(1) << (group - 1);
	set_groups(self, join ? self->groups | bit : self->groups & ~bit);
	listening(self);
	return 0;
}

static int netlink_setsockopt(struct usock *sock, int level, int name, const void *value, socklen_t len)
{
	struct netlink *self = netlink_of(sock);
	unsigned int flag = flag_of(name);
	int number = 0;

	if (level != SOL_NETLINK)
		return -ENOPROTOOPT;
	if (len >= sizeof(number))
		memcpy(&number, value, sizeof(number));
	if (name == NETLINK_ADD_MEMBERSHIP || name == NETLINK_DROP_MEMBERSHIP)
		return membership(self, (unsigned int)number, name == NETLINK_ADD_MEMBERSHIP);
	if (flag == 0)
		return -ENOPROTOOPT;
	self->flags = number != 0 ? self->flags | flag : self->flags & ~flag;
	if (flag == NO_ENOBUFS && number != 0)
		self->congested = false;
	return 0;
}

/** list_memberships - as many words of bits as there is room for; the length says how many there are */
static int list_memberships(const struct netlink *self, void *value, socklen_t *len)
{
	uint32_t words[2] = {(uint32_t)self->groups, (uint32_t)(self->groups >> 32)};
	size_t there = self->groups_known ? sizeof(words) : 0, fit = *len & ~(socklen_t)3;

	memcpy(value, words, fit < there ? fit : there);
	*len = (socklen_t)there;
	return 0;
}

static int netlink_getsockopt(struct usock *sock, int level, int name, void *value, socklen_t *len)
{
	const struct netlink *self = netlink_of(sock);
	unsigned int flag = flag_of(name);
	int number;

	if (level != SOL_NETLINK)
		return -ENOPROTOOPT;
	if (name == NETLINK_LIST_MEMBERSHIPS)
		return list_memberships(self, value, len);
	if (flag == 0)
		return -ENOPROTOOPT;
	if (*len < sizeof(number))
		return -EINVAL;
	number = (self->flags & flag) != 0;
	memcpy(value, &number, sizeof(number));
	*len = sizeof(number);
	return 0;
}

const struct usock__kind usock__netlink_kind = {
        .name = "netlink",
        .shape = USOCK_SHAPE_DGRAM,
        .open = netlink_open,
        .release = netlink_release,
        .destroy = netlink_destroy,
        .bind = netlink_bind,
        .connect = netlink_connect,
        .getsockname = netlink_getsockname,
        .getpeername = netlink_getpeername,
        .send = netlink_send,
        .recv = netlink_recv,
        .setsockopt = netlink_setsockopt,
        .getsockopt = netlink_getsockopt,
        .poll = netlink_poll,
};

const size_t usock__netlink_size = sizeof(struct netlink);
