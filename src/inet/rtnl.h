/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rtnl.h - what the handlers of netlink requests (rtnl_*.c) share.
 *
 * A handler translates: from the attributes of a request to a call of iface.c, addr.c, route.c or neigh.c, and from
 * the object to the attributes of an answer, a dump or a notification, for which there is one fill function a kind of
 * object. Attributes have been checked by libnlq before a handler sees them. Errors are those of Linux, and so are
 * their texts where Linux has one.
 *
 * libnlq decides by search_entry, NLM_F_CREATE and NLM_F_EXCL whether a request makes or changes an object. For links
 * that is as in Linux. Addresses, routes and neighbours have rules of their own there (an address is added without
 * NLM_F_CREATE, a route is compared by what NLM_F_REPLACE and NLM_F_APPEND say), so their search_entry finds nothing
 * for RTM_NEW* with NLM_F_CREATE and the request itself without, and one function does the whole work: rtnl__whole.
 */
#ifndef IOTH_INET_RTNL_H
#define IOTH_INET_RTNL_H

#include "private.h"

#define RTNL_TICKS 100 /* a second, in the times of netlink: USER_HZ */

static inline void rtnl__u8(struct nlq_msg *msg, uint16_t type, uint8_t value)
{
	nlq_addattr(msg, type, &value, sizeof(value));
}

static inline void rtnl__u32(struct nlq_msg *msg, uint16_t type, uint32_t value)
{
	nlq_addattr(msg, type, &value, sizeof(value));
}

static inline void rtnl__str(struct nlq_msg *msg, uint16_t type, const char *text)
{
	nlq_addattr(msg, type, text, strlen(text) + 1);
}

static inline void rtnl__ip(struct nlq_msg *msg, uint16_t type, int family, const union inet_ip *ip)
{
	nlq_addattr(msg, type, ip, inet__addr_len(family));
}

/** rtnl__take_ip - the address in an attribute, which libnlq has measured; false: there is none */
static inline bool rtnl__take_ip(const struct nlattr *attr, int family, union inet_ip *ip)
{
	const void *data = nlq_attr_data(attr, inet__addr_len(family));

	if (data != NULL)
		memcpy(ip, data, inet__addr_len(family));
	return data != NULL;
}

/** rtnl__whole - search_entry of RTM_NEW* where one function makes and changes: so that new is called, or set */
static inline void *rtnl__whole(struct nlmsghdr *msg)
{
	return msg->nlmsg_flags & NLM_F_CREATE ? NULL : msg;
}

/** rtnl__ticks - how long ago a moment is, or how far away, in ticks of netlink; at most INT32_MAX */
uint32_t rtnl__ticks(int64_t from, int64_t to);

/* Append the message about an object to a queue: 0 or a negative errno. @type: RTM_NEW*, RTM_DEL*. */
#define RTNL_VIEW_ALL 0
/** @family: AF_INET6 for what IPv6 shows of an interface (false: it is not spoken there), else AF_UNSPEC; @ext: RTEXT_FILTER_* */
int rtnl__fill_link(const struct inet_iface *iface, uint16_t type, int family, uint32_t ext, struct nlq_msg **queue);
int rtnl__fill_addr(const struct inet_addr *addr, uint16_t type, struct nlq_msg **queue);
/** @flags: of the netlink header */
int rtnl__fill_route(const struct inet *inet, const struct inet_route *route, uint16_t type, unsigned int flags,
                     struct nlq_msg **queue);
int rtnl__fill_neigh(const struct inet_neigh *neigh, uint16_t type, struct nlq_msg **queue);

#define RTNL_HANDLERS(kind)                                                                                            \
	void *rtnl__##kind##_search(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo);                      \
	int rtnl__##kind##_get(void *entry, struct nlmsghdr *msg, struct nlattr **attr, struct nlq_msg **queue,        \
	                       void *stackinfo);                                                                       \
	int rtnl__##kind##_new(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo);                           \
	int rtnl__##kind##_del(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo);              \
	int rtnl__##kind##_set(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
RTNL_HANDLERS(link);
RTNL_HANDLERS(addr);
RTNL_HANDLERS(route);
RTNL_HANDLERS(neigh);
RTNL_HANDLERS(rule);
RTNL_HANDLERS(qdisc);

/** struct inet__rtnl - a link is being made: what is told of it */
struct inet__rtnl {
	bool quiet; /* nothing: it is not complete */
	bool told;  /* something was, since it is */
};

#endif
