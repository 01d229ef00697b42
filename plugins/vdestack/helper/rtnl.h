/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rtnl.h - build a routing netlink message that knows its end, and talk to the kernel */
#ifndef VDESTACK_RTNL_H
#define VDESTACK_RTNL_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTNL_ROOM 512

/** struct rtnl_msg - a message under construction */
struct rtnl_msg {
	union {
		struct nlmsghdr hdr;
		unsigned char room[RTNL_ROOM];
	};
	size_t len; /* so far, aligned */
	bool full;  /* something did not fit; rtnl_talk will say so */
};

/**
 * rtnl_begin - a request of @type with these @flags (NLM_F_REQUEST is added) and a fixed part of @len bytes at @body
 */
void rtnl_begin(struct rtnl_msg *msg, int type, int flags, const void *body, size_t len);
/** rtnl_put - append an attribute of @len bytes; @data NULL leaves them zero */
void rtnl_put(struct rtnl_msg *msg, int type, const void *data, size_t len);
void rtnl_put_u32(struct rtnl_msg *msg, int type, uint32_t value);
void rtnl_put_string(struct rtnl_msg *msg, int type, const char *text);
/** rtnl_nest - what is put from here on, up to rtnl_unnest with the result, is inside attribute @type */
size_t rtnl_nest(struct rtnl_msg *msg, int type, const void *body, size_t len);
void rtnl_unnest(struct rtnl_msg *msg, size_t start);

/** rtnl_open - a routing netlink socket in the current namespace, or a negative errno */
int rtnl_open(void);

/**
 * rtnl_talk - send @msg over @fd and take the answer
 * @answer: called for each message of the answer but the acknowledgement; NULL when none is expected
 *
 * Returns 0 or the kernel's negative errno.
 */
int rtnl_talk(int fd, struct rtnl_msg *msg, void (*answer)(const struct nlmsghdr *, void *), void *arg);

/** rtnl_attr - data, @min bytes at least, of attribute @type after a fixed part of @body bytes; NULL: there is none */
const void *rtnl_attr(const struct nlmsghdr *nlh, size_t body, int type, size_t min);

#endif
