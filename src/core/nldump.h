/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nldump.h - lists obtained from a stack by netlink.
 */
#ifndef IOTH_NLDUMP_H
#define IOTH_NLDUMP_H

#include <ioth.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

/** an entry of a dump; 0 to go on, a negative errno to end the dump with it */
typedef int ioth__nldump_entry(const struct nlmsghdr *message, void *arg);

/**
 * ioth__nldump - ask a stack for all entries of a kind
 * @stack: NULL is the default stack
 * @type: RTM_GETLINK or RTM_GETADDR
 * @reset: called before each attempt: a dump that changed under way (NLM_F_DUMP_INTR) begins again; may be NULL
 *
 * Returns 0 or a negative errno: of the socket calls, of the stack's answer, -EPROTO for an answer that makes no sense, -EINTR
 * when it changed under way too often, what @entry returned.
 */
int ioth__nldump(struct ioth *stack, int type, ioth__nldump_entry *entry, void (*reset)(void *arg), void *arg);

/** struct ioth__nlattr - an attribute in a message; data is NULL when it is absent */
struct ioth__nlattr {
	const void *data;
	size_t len;
};

/** ioth__nldata - what follows the netlink header of a message */
static inline const void *ioth__nldata(const struct nlmsghdr *message)
{
	return (const unsigned char *)message + NLMSG_HDRLEN;
}

/**
 * ioth__nlattrs - index the attributes of a message
 * @header: size of the family header behind the netlink header, e.g. sizeof(struct ifinfomsg)
 * @table: gets the attributes of types 0 to @max
 *
 * Returns 0, or -EPROTO when the message is shorter than @header or an attribute does not fit; nothing is read past the end.
 */
int ioth__nlattrs(const struct nlmsghdr *message, size_t header, struct ioth__nlattr table[], unsigned int max);

#endif
