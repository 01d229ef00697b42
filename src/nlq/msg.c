/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * msg.c - building netlink messages (RFC 3549, netlink(7)).
 *
 * A message begins in memory of its own object, which suits nearly all, and moves to the heap when it outgrows that. It
 * never grows past NLQ_MSG_MAX, and an attribute never past what its 16 bits of length can say. The first error is
 * kept, so a series of additions is checked once, at its end.
 */
#include "msg.h"
#include "private.h"

#include <stdlib.h>

#define ATTR_MAX (UINT16_MAX - NLQ__ATTRHDR) /* bytes of the value of an attribute */

/** message_create - an empty message with memory for @room bytes; a list of attributes begins like that, without a
 * header */
static struct message *message_create(size_t room)
{
	struct message *message = malloc(sizeof(*message));

	if (message == NULL)
		return NULL;
	*message = (struct message){.room = sizeof(message->first)};
	message->shown.nlq_packet = (struct nlmsghdr *)(void *)message->first;
	if (room > message->room) {
		void *packet = room > NLQ_MSG_MAX ? NULL : malloc(room);

		if (packet == NULL) {
			free(message);
			return NULL;
		}
		message->shown.nlq_packet = packet;
		message->room = room;
	}
	return message;
}

/** message_grow - make room for @more bytes (a multiple of four) at the end; 0 or the error of the message */
static int message_grow(struct message *message, size_t more)
{
	size_t need = message->shown.nlq_size + more, room = message->room;
	void *packet;

	if (message->error == 0 && (more > NLQ_MSG_MAX || need > NLQ_MSG_MAX))
		message->error = -EMSGSIZE;
	if (message->error != 0 || need <= room)
		return message->error;
	while (room < need)
		room *= 2;
	room = room > NLQ_MSG_MAX ? NLQ_MSG_MAX : room;
	if (message_inside(message)) {
		packet = malloc(room);
		if (packet != NULL)
			memcpy(packet, message->first, message->shown.nlq_size);
	} else {
		packet = realloc(message->shown.nlq_packet, room);
	}
	if (packet == NULL)
		return message->error = -ENOMEM;
	message->shown.nlq_packet = packet;
	message->room = room;
	return 0;
}

/** message_put - append bytes and padding, for which there is room */
static void message_put(struct message *message, const void *data, size_t len)
{
	unsigned char *end = (unsigned char *)message->shown.nlq_packet + message->shown.nlq_size;

	if (len > 0)
		memcpy(end, data, len);
	memset(end + len, 0, nlq__align(len) - len);
	message->shown.nlq_size += nlq__align(len);
}

struct nlq_msg *nlq__createmsg(uint16_t type, uint16_t flags, uint32_t seq, uint32_t pid, size_t room)
{
	struct message *message = message_create(room);
	struct nlmsghdr header = {
	        .nlmsg_len = NLMSG_HDRLEN,
	        .nlmsg_type = type,
	        .nlmsg_flags = flags,
	        .nlmsg_seq = seq,
	        .nlmsg_pid = pid,
	};

	if (message == NULL)
		return NULL;
	message_put(message, &header, sizeof(header));
	return &message->shown;
}

struct nlq_msg *nlq_createmsg(uint16_t type, uint16_t flags, uint32_t seq, uint32_t pid)
{
	return nlq__createmsg(type, flags, seq, pid, 0);
}

struct nlq_msg *nlq_createxattr(void)
{
	struct message *message = message_create(0);

	return message == NULL ? NULL : &message->shown;
}

struct nlq_msg *nlq__copymsg(const struct nlq_msg *msg)
{
	struct message *message = message_create(msg->nlq_size);

	if (message == NULL)
		return NULL;
	message_put(message, msg->nlq_packet, msg->nlq_size);
	return &message->shown;
}

int nlq_add(struct nlq_msg *msg, const void *data, size_t len)
{
	struct message *message = message_of(msg);

	if (message == NULL)
		return -ENOMEM;
	if (message->error == 0 && data == NULL && len > 0)
		message->error = -EINVAL;
	if (message->error == 0 && len > NLQ_MSG_MAX)
		message->error = -EMSGSIZE;
	if (message->error == 0 && message_grow(message, nlq__align(len)) == 0)
		message_put(message, data, len);
	return message->error;
}

int nlq_addattr(struct nlq_msg *msg, uint16_t type, const void *data, size_t len)
{
	struct message *message = message_of(msg);
	struct nlattr attr = {.nla_len = (uint16_t)(NLQ__ATTRHDR + len), .nla_type = type};

	if (message == NULL)
		return -ENOMEM;
	if (message->error == 0 && data == NULL && len > 0)
		message->error = -EINVAL;
	if (message->error == 0 && len > ATTR_MAX)
		message->error = -EMSGSIZE;
	if (message->error == 0 && message_grow(message, NLQ__ATTRHDR + nlq__align(len)) == 0) {
		message_put(message, &attr, sizeof(attr));
		message_put(message, data, len);
	}
	return message->error;
}

int nlq_addxattr(struct nlq_msg *msg, uint16_t type, struct nlq_msg *xattr)
{
	int result = xattr == NULL ? -ENOMEM : message_of(xattr)->error;

	if (result == 0)
		result = nlq_addattr(msg, type, xattr->nlq_packet, xattr->nlq_size);
	else if (msg != NULL && message_of(msg)->error == 0)
		message_of(msg)->error = result;
	nlq_freemsg(xattr);
	return result;
}

int nlq__addstr(struct nlq_msg *msg, uint16_t type, const char *string)
{
	return nlq_addattr(msg, type, string, strlen(string) + 1);
}

int nlq_complete(struct nlq_msg *msg)
{
	if (msg == NULL)
		return -ENOMEM;
	/* What nlq_pack has joined is several messages, each with a length of its own; what is not, is one. */
	if (message_of(msg)->error == 0 && !message_of(msg)->packed)
		msg->nlq_packet->nlmsg_len = (uint32_t)msg->nlq_size;
	return message_of(msg)->error;
}

void nlq_freemsg(struct nlq_msg *msg)
{
	struct message *message = message_of(msg);

	if (message == NULL)
		return;
	if (!message_inside(message))
		free(message->shown.nlq_packet);
	free(message);
}
