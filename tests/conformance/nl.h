/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nl.h - helpers of the netlink cases. */
#ifndef CONF_NL_H
#define CONF_NL_H

#include "conf.h"
#include "nlmsg.h"

/** struct answer - one datagram from a netlink socket and the first message in it */
struct answer {
	unsigned char byte[32768] __attribute__((aligned(8)));
	size_t len;
	struct nlmsghdr *head;
};

/** nl_open - a NETLINK_ROUTE socket of a host, bound; @groups: RTMGRP_* to hear */
#define nl_open(c, stack, groups) (HERE, conf_nl_open(c, stack, groups))
int conf_nl_open(struct conf *c, struct ioth *stack, unsigned int groups);

/** nl_send - send a request */
#define nl_send(fd, msg) (HERE, conf_nl_send(fd, msg))
void conf_nl_send(int fd, const struct nlmsg *msg);

/** nl_recv - wait for a datagram; every message of it is checked to be whole */
#define nl_recv(fd, out) (HERE, conf_nl_recv(fd, out))
void conf_nl_recv(int fd, struct answer *out);

/** nl_ask - send a request and give the error code of its acknowledgement: 0 or a positive errno */
#define nl_ask(fd, msg) (HERE, conf_nl_ask(fd, msg))
int conf_nl_ask(int fd, const struct nlmsg *msg);

/**
 * nl_dump - ask for a dump and count the messages of @type that @match accepts (NULL: all)
 *
 * Checks that every message has the sequence number and NLM_F_MULTI, and that NLMSG_DONE ends the dump.
 */
#define nl_dump(fd, msg, type, match, arg) (HERE, conf_nl_dump(fd, msg, type, match, arg))
int conf_nl_dump(int fd, const struct nlmsg *msg, int type, bool (*match)(struct nlmsghdr *, void *), void *arg);

/** nl_link - begin a request about an interface; @name may be NULL */
void nl_link(struct nlmsg *msg, int type, int flags, unsigned int index, const char *name);
/** nl_addr - a request about an address */
void nl_addr(struct conf *c, struct nlmsg *msg, int type, int flags, struct addr *addr, int bits, unsigned int index);

/** nl_error - the error in an NLMSG_ERROR, positive; checks that it is one */
#define nl_error(in) (HERE, conf_nl_error(in))
int conf_nl_error(struct answer *in);

#endif
