/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nlmsg.c - build and read rtnetlink messages in the tests; see nlmsg.h. */
#include "nlmsg.h"

#include <string.h>

void nlmsg_raw(struct nlmsg *msg, const void *data, size_t len)
{
	size_t at = msg->head.nlmsg_len;

	if (msg->full || len > NLMSG_ROOM || at + NLMSG_ALIGN(len) > NLMSG_ROOM) {
		msg->full = true;
		return;
	}
	if (len != 0)
		memcpy(msg->byte + at, data, len);
	memset(msg->byte + at + len, 0, NLMSG_ALIGN(len) - len);
	msg->head.nlmsg_len = (uint32_t)(at + NLMSG_ALIGN(len));
}

void nlmsg_start(struct nlmsg *msg, int type, int flags, uint32_t seq, const void *body, size_t len)
{
	memset(msg, 0, sizeof(*msg));
	msg->head.nlmsg_len = NLMSG_HDRLEN;
	msg->head.nlmsg_type = (uint16_t)type;
	msg->head.nlmsg_flags = (uint16_t)flags;
	msg->head.nlmsg_seq = seq;
	nlmsg_raw(msg, body, len);
}

void nlmsg_add(struct nlmsg *msg, int type, const void *data, size_t len)
{
	struct rtattr attr = {.rta_len = (unsigned short)RTA_LENGTH(len), .rta_type = (unsigned short)type};

	if (msg->head.nlmsg_len + RTA_SPACE(len) > NLMSG_ROOM)
		msg->full = true;
	nlmsg_raw(msg, &attr, sizeof(attr));
	nlmsg_raw(msg, data, len);
}

size_t nlmsg_nest(struct nlmsg *msg, int type)
{
	size_t start = msg->head.nlmsg_len;

	nlmsg_add(msg, type, NULL, 0);
	return start;
}

void nlmsg_unnest(struct nlmsg *msg, size_t start)
{
	struct rtattr attr;

	if (msg->full)
		return;
	memcpy(&attr, msg->byte + start, sizeof(attr));
	attr.rta_len = (unsigned short)(msg->head.nlmsg_len - start);
	memcpy(msg->byte + start, &attr, sizeof(attr));
}

size_t nlmsg_size(const struct nlmsg *msg)
{
	return msg->full ? 0 : msg->head.nlmsg_len;
}

struct nlmsghdr *nlmsg_next(void *buf, size_t size, struct nlmsghdr *at)
{
	size_t offset = 0;
	struct nlmsghdr *head;

	if (at != NULL)
		offset = (size_t)((unsigned char *)at - (unsigned char *)buf) + NLMSG_ALIGN(at->nlmsg_len);
	if (offset >= size || size - offset < sizeof(*head))
		return NULL;
	head = (struct nlmsghdr *)((unsigned char *)buf + offset);
	if (head->nlmsg_len < sizeof(*head) || head->nlmsg_len > size - offset)
		return NULL;
	return head;
}

void *nlmsg_body(struct nlmsghdr *head, size_t len)
{
	return head->nlmsg_len < NLMSG_LENGTH(len) ? NULL : NLMSG_DATA(head);
}

struct rtattr *nlmsg_attr(struct nlmsghdr *head, size_t body, int type)
{
	size_t at = NLMSG_SPACE(body);

	while (at + sizeof(struct rtattr) <= head->nlmsg_len) {
		struct rtattr *attr = (struct rtattr *)((unsigned char *)head + at);

		if (attr->rta_len < sizeof(*attr) || attr->rta_len > head->nlmsg_len - at)
			return NULL;
		if ((attr->rta_type & NLA_TYPE_MASK) == type)
			return attr;
		at += RTA_ALIGN(attr->rta_len);
	}
	return NULL;
}
