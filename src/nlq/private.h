/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * private.h - what the files of libnlq share.
 *
 * From the bottom up: msg.c builds messages and queue.c queues them; attr.c is the only reader of bytes that came from
 * elsewhere; client.c and server.c hold dialogues; everything else speaks to a struct nlq__peer and so works on the
 * stack of the process, on a stack of libioth and on a table of handlers alike. Inside, results are 0 or a negative
 * errno; the public functions of the Berkeley kind convert them with nlq_return_errno.
 */
#ifndef NLQ_PRIVATE_H
#define NLQ_PRIVATE_H

#include <libnlq.h>
#include <stdbool.h>

#define NLQ__ATTRHDR sizeof(struct nlattr)
#define NLQ__IFNAMSIZ 16         /* IFNAMSIZ of <net/if.h>, which not every file can include */
#define NLQ__IFLA_NEW_IFINDEX 49 /* newer than some installed <linux/if_link.h> */
#define NLQ__ATTEMPTS 16         /* how often a dump that changed under way is begun again */

/** nlq__align - a length up to the alignment of netlink; NLMSG_ALIGN of the uapi headers cuts it to 32 bits */
static inline size_t nlq__align(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

/* ------------------------------------------------------------------------------------------------------ messages */

/** nlq__createmsg - nlq_createmsg that will not need memory for the first @room bytes */
struct nlq_msg *nlq__createmsg(uint16_t type, uint16_t flags, uint32_t seq, uint32_t pid, size_t room);

/** nlq__copymsg - a copy of a completed message; NULL: no memory */
struct nlq_msg *nlq__copymsg(const struct nlq_msg *msg);

/** nlq__addstr - append an attribute that is a string, with its NUL */
int nlq__addstr(struct nlq_msg *msg, uint16_t type, const char *string);

/* ------------------------------------------------------------------------------------------------------- reading */

/**
 * nlq__nextmsg - the next message in a datagram
 * @datagram: @len bytes, aligned to four
 * @at: offset, 0 at first; moved behind the message
 *
 * Returns NULL at the end, or where what follows is not a whole message: then @at is less than @len.
 */
struct nlmsghdr *nlq__nextmsg(void *datagram, size_t len, size_t *at);

/** nlq__msgdata - what follows the header of a message; NULL when there are less than @len bytes */
static inline void *nlq__msgdata(const struct nlmsghdr *msg, size_t len)
{
	if (msg->nlmsg_len < NLMSG_HDRLEN || msg->nlmsg_len - NLMSG_HDRLEN < len)
		return NULL;
	return (unsigned char *)(uintptr_t)msg + NLMSG_HDRLEN;
}

/** nlq__family - family of requests (RTMF_*) of a type of rtnetlink message; -1 for other types */
static inline int nlq__family(uint16_t type)
{
	return type < RTM_BASE || RTM_FAM(type) >= RTM_NR_FAMILIES ? -1 : RTM_FAM(type);
}

/** nlq__action - RTM_NEW, RTM_DEL, RTM_GET or RTM_SET */
static inline int nlq__action(uint16_t type)
{
	return (type - RTM_BASE) & 3;
}

/** nlq__headerlen - bytes of the fixed header behind the netlink header of a type of message; 0: unknown */
size_t nlq__headerlen(uint16_t type);

/**
 * nlq__parse - index a list of attributes, up to the first that makes no sense
 * @data: @len bytes, aligned to four
 * @table: @n entries
 *
 * Returns how many bytes at the end are no attributes.
 */
size_t nlq__parse(const void *data, size_t len, struct nlattr **table, unsigned int n);

/** nlq__parsebody - nlq__parse for the attributes of a message whose fixed header is complete */
size_t nlq__parsebody(const struct nlmsghdr *msg, struct nlattr **table, unsigned int n);

/* --------------------------------------------------------------------------------------------- checking requests */

/** nlq__check_header - values in the fixed header of a request that handlers would trip over; 0 or a negative errno */
int nlq__check_header(const struct nlmsghdr *request);

/** nlq__check_attrs - do the attributes of a request have the form of their types? 0 or a negative errno */
int nlq__check_attrs(const struct nlmsghdr *request, struct nlattr **attr);

/** struct nlq__filter - what a dump is limited to; zero: no limit */
struct nlq__filter {
	uint16_t type;      /* RTM_NEW* of its messages */
	uint8_t family;     /* AF_* */
	uint32_t ifindex;   /* of addresses, routes, neighbours, queues */
	uint32_t master;    /* of links */
	uint32_t table;     /* of routes */
	uint8_t protocol;   /* of routes */
	uint8_t route_type; /* of routes */
	char kind[56];      /* of links */
};

/**
 * nlq__filter_dump - find out what a request for a dump is limited to
 * @strict: NETLINK_GET_STRICT_CHK: everything in the header counts, and what is not understood is an error
 *
 * Returns 1 when it is limited to more than a family, 0 when not, or a negative errno.
 */
int nlq__filter_dump(struct nlq__filter *filter, const struct nlmsghdr *request, struct nlattr **attr, bool strict);

/** nlq__filter_match - whether a message of the dump is wanted */
bool nlq__filter_match(const struct nlq__filter *filter, const struct nlmsghdr *msg);

/* ------------------------------------------------------------------------------------------------------ dialogues */

/**
 * struct nlq__transport - how to reach a stack: netlink sockets of the system, or of libioth
 *
 * Each function returns as the system call does.
 */
struct nlq__transport {
	int (*socket)(struct ioth *stack, int domain, int type, int protocol);
	int (*bind)(int fd, const struct sockaddr *addr, socklen_t addrlen);
	ssize_t (*send)(int fd, const void *buf, size_t len, int flags);
	ssize_t (*recvfrom)(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen);
	int (*getsockopt)(int fd, int level, int option, void *value, socklen_t *len);
	int (*ioctl)(int fd, unsigned long request, void *arg);
	int (*close)(int fd);
	bool linux_stack; /* known to be Linux: never sent what it is known to refuse */
};

/** struct nlq__peer - whom to talk to: a stack by way of a transport, or a table of handlers */
struct nlq__peer {
	const struct nlq__transport *transport; /* NULL: the handlers */
	struct ioth *stack;
	struct nlq_request_handlers *table;
	void *stackinfo;
};

/** nlq__native, nlq__ioth - the stack of the process; a stack of libioth */
struct nlq__peer nlq__native(void);
struct nlq__peer nlq__ioth(struct ioth *stack);

/** nlq__server - the stack behind a table of handlers */
static inline struct nlq__peer nlq__server(struct nlq_request_handlers *table, void *stackinfo)
{
	return (struct nlq__peer){.table = table, .stackinfo = stackinfo};
}

/** nlq__dialog - nlq_rtdialog with any peer */
int nlq__dialog(const struct nlq__peer *peer, struct nlq_msg *msg, nlq_cb *cb, const void *argin, void *argout,
                void *argenv);

/** nlq__request - send a request about nothing but success: 0 or a negative errno */
static inline int nlq__request(const struct nlq__peer *peer, struct nlq_msg *msg)
{
	return nlq__dialog(peer, msg, NULL, NULL, NULL, NULL);
}

/**
 * nlq__dump - ask for everything of a kind
 * @type: RTM_GET*
 * @family: AF_*
 * @reset: called before each attempt with @argout, as the answer may have to be asked for again; may be NULL
 */
int nlq__dump(const struct nlq__peer *peer, uint16_t type, uint8_t family, void (*reset)(void *argout), nlq_cb *cb,
              const void *argin, void *argout);

/**
 * struct nlq__answer - an answer as it is read, message by message
 */
struct nlq__answer {
	uint32_t seq;     /* of the messages that count; 0: of the first one */
	bool acked;       /* it ends with an acknowledgement, not with the first message */
	bool interrupted; /* the stack changed while it was dumped */
	nlq_cb *cb;
	const void *argin;
	void *argout, *argenv;
};

/** nlq__answer_datagram - read a datagram: 1 when more is to come, 0 when the answer has ended, or a negative errno */
int nlq__answer_datagram(struct nlq__answer *answer, void *datagram, size_t len);

/* ---------------------------------------------------------------------------------------------------------- links */

/** struct nlq__link - what is known of a link, from RTM_NEWLINK */
struct nlq__link {
	unsigned int index;
	unsigned int flags; /* IFF_* */
	uint16_t type;      /* ARPHRD_* */
	char name[NLQ__IFNAMSIZ];
	uint32_t mtu, txqlen;
	unsigned char address[32]; /* hardware address */
	size_t addresslen;         /* bytes of it; 0: none */
	struct rtnl_link_ifmap map;
	struct rtnl_link_stats64 stats;
	bool has_stats;
};

/** nlq__link_read - take a link from a message; false when it is none that makes sense */
bool nlq__link_read(struct nlq__link *link, const struct nlmsghdr *msg, struct nlattr **attr);

/** nlq__link_get - ask for one link, by its name when @ifname is not NULL; -ENODEV */
int nlq__link_get(const struct nlq__peer *peer, const char *ifname, unsigned int index, struct nlq__link *link);

/** nlq__link_request - a request with a struct ifinfomsg */
struct nlq_msg *nlq__link_request(uint16_t type, uint16_t flags, unsigned int index);

/** nlq__if_nametoindex - the index or a negative errno */
int nlq__if_nametoindex(const struct nlq__peer *peer, const char *ifname);

/* --------------------------------------------------------------------------------------------- addresses and routes */

/** nlq__ipaddr - RTM_NEWADDR and RTM_DELADDR, with the arguments of nlq_ipaddr_add */
int nlq__ipaddr(const struct nlq__peer *peer, uint16_t type, int family, const void *addr, int prefixdata,
                unsigned int ifindex);

/** struct nlq__route - a route to be added or deleted */
struct nlq__route {
	struct rtmsg header;          /* rtm_family and rtm_dst_len among it */
	const void *dst, *gw;         /* or NULL */
	const void *prefsrc;          /* or NULL */
	uint32_t oif;                 /* 0: none */
	uint32_t priority;            /* metric; 0: default */
	uint32_t expires;             /* seconds; 0: never */
	uint32_t advmss, window, rtt; /* RTAX_*; 0: none */
};

/** nlq__route_request - RTM_NEWROUTE, RTM_DELROUTE */
int nlq__route_request(const struct nlq__peer *peer, uint16_t type, uint16_t flags, const struct nlq__route *route);

/* --------------------------------------------------------------------------------------------------------- ioctls */

/** nlq__ioctl - carry out a request of netdevice(7) for sockets of a domain; -ENOTTY: it is none of them */
int nlq__ioctl(const struct nlq__peer *peer, int domain, unsigned long request, void *arg);

/* The parts of it, each -ENOTTY for what is not its own: addresses and aliases, routes; what is for all domains. */
int nlq__ioctl_inet(const struct nlq__peer *peer, unsigned long request, void *arg);
int nlq__ioctl_route(const struct nlq__peer *peer, unsigned long request, void *arg);
int nlq__ioctl_inet6(const struct nlq__peer *peer, unsigned long request, void *arg);
int nlq__ioctl_conf(const struct nlq__peer *peer, unsigned long request, void *arg);

/**
 * nlq__ioctl_alias - the label that an ioctl gives as the name of an interface
 * @label: gets @name, cut to what it can be; NLQ__IFNAMSIZ bytes
 * @ifname: gets it up to the colon; NLQ__IFNAMSIZ bytes
 *
 * Returns whether there is a colon.
 */
bool nlq__ioctl_alias(const char *name, char *label, char *ifname);

/** nlq__ioctl_labelled - the local IPv4 address with a label; -EADDRNOTAVAIL */
int nlq__ioctl_labelled(const struct nlq__peer *peer, unsigned int ifindex, const char *label, void *local);

#endif
