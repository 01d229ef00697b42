/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * msg.h - what is behind a struct nlq_msg; for msg.c and queue.c alone.
 */
#ifndef NLQ_MSG_H
#define NLQ_MSG_H

#include <libnlq.h>
#include <stdbool.h>

#define MESSAGE_FIRST 232 /* most messages about addresses, routes and neighbours fit */

struct message {
	struct nlq_msg shown; /* the public part */
	struct message *next; /* in a queue; of the last one: the first one */
	size_t room;          /* bytes at shown.nlq_packet */
	int error;            /* 0, or the first negative errno */
	bool packed;          /* several messages joined by nlq_pack */
	unsigned char first[MESSAGE_FIRST] __attribute__((__aligned__(8)));
};

static inline struct message *message_of(const struct nlq_msg *msg)
{
	return (struct message *)(uintptr_t)msg; /* its first member */
}

/** message_inside - whether the bytes are still in the object itself */
static inline bool message_inside(const struct message *message)
{
	return (const unsigned char *)message->shown.nlq_packet == message->first;
}

#endif
