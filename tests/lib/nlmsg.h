/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nlmsg.h - build and read rtnetlink messages in the tests.
 *
 * A request is built in a buffer of fixed size. Whatever does not fit sets `full`, which nlmsg_size answers with 0, so
 * that an overflow fails the sending instead of writing past the end. Reading goes through nlmsg_next and nlmsg_attr,
 * which check every length.
 */
#ifndef TESTS_LIB_NLMSG_H
#define TESTS_LIB_NLMSG_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NLMSG_ROOM 1024

struct nlmsg {
	union {
		struct nlmsghdr head;
		unsigned char byte[NLMSG_ROOM];
	};
	bool full;
};

/** nlmsg_start - begin a message: header, then the fixed structure of its type (@body may be NULL when @len is 0) */
void nlmsg_start(struct nlmsg *msg, int type, int flags, uint32_t seq, const void *body, size_t len);

/** nlmsg_add - append an attribute */
void nlmsg_add(struct nlmsg *msg, int type, const void *data, size_t len);

/** nlmsg_raw - append bytes, padded to four */
void nlmsg_raw(struct nlmsg *msg, const void *data, size_t len);

/** nlmsg_nest, nlmsg_unnest - open an attribute that holds others, and close it with what nlmsg_nest returned */
size_t nlmsg_nest(struct nlmsg *msg, int type);
void nlmsg_unnest(struct nlmsg *msg, size_t start);

/** nlmsg_size - bytes to send, 0 when the message did not fit */
size_t nlmsg_size(const struct nlmsg *msg);

/** nlmsg_next - first (@at NULL) or next message in @size bytes at @buf; NULL when no whole message is left */
struct nlmsghdr *nlmsg_next(void *buf, size_t size, struct nlmsghdr *at);

/** nlmsg_body - the fixed structure after the header, NULL when the message is shorter than @len bytes of it */
void *nlmsg_body(struct nlmsghdr *head, size_t len);

/** nlmsg_attr - the first attribute of @type after a fixed structure of @body bytes, NULL when there is none */
struct rtattr *nlmsg_attr(struct nlmsghdr *head, size_t body, int type);

#endif
