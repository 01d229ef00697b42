/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rtnl.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel's macros for these mix signed and unsigned. */
#define HEAD sizeof(struct nlmsghdr)
#define ATTR_HEAD sizeof(struct nlattr)
#define ALIGNED(len) (((size_t)(len) + 3) & ~(size_t)3)

#define ANSWER_MAX 32768 /* bytes of one packet of an answer; the kernel fills at most this much of a dump */

/** reserve - @len more bytes, zeroed and aligned; NULL when they do not fit */
static void *reserve(struct rtnl_msg *msg, size_t len)
{
	size_t start = msg->len, end = start + ALIGNED(len);

	if (msg->full || end > sizeof(msg->room)) {
		msg->full = true;
		return NULL;
	}
	memset(msg->room + start, 0, end - start);
	msg->len = end;
	return msg->room + start;
}

void rtnl_begin(struct rtnl_msg *msg, int type, int flags, const void *body, size_t len)
{
	static uint32_t seq;
	void *room;

	msg->full = false;
	msg->len = HEAD;
	msg->hdr = (struct nlmsghdr){.nlmsg_type = (uint16_t)type,
	                             .nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST),
	                             .nlmsg_seq = __atomic_add_fetch(&seq, 1, __ATOMIC_RELAXED)};
	room = reserve(msg, len);
	if (room)
		memcpy(room, body, len);
}

void rtnl_put(struct rtnl_msg *msg, int type, const void *data, size_t len)
{
	struct nlattr attr = {.nla_len = (uint16_t)(ATTR_HEAD + len), .nla_type = (uint16_t)type};
	unsigned char *room = reserve(msg, ATTR_HEAD + len);

	if (room == NULL)
		return;
	memcpy(room, &attr, ATTR_HEAD);
	if (data && len)
		memcpy(room + ATTR_HEAD, data, len);
}

void rtnl_put_u32(struct rtnl_msg *msg, int type, uint32_t value)
{
	rtnl_put(msg, type, &value, sizeof(value));
}

void rtnl_put_string(struct rtnl_msg *msg, int type, const char *text)
{
	rtnl_put(msg, type, text, strlen(text) + 1);
}

size_t rtnl_nest(struct rtnl_msg *msg, int type, const void *body, size_t len)
{
	size_t start = msg->len;

	rtnl_put(msg, type, body, len);
	return start;
}

void rtnl_unnest(struct rtnl_msg *msg, size_t start)
{
	struct nlattr attr;

	if (msg->full)
		return;
	memcpy(&attr, msg->room + start, sizeof(attr));
	attr.nla_len = (uint16_t)(msg->len - start);
	memcpy(msg->room + start, &attr, sizeof(attr));
}

int rtnl_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? -errno : fd;
}

/** take_packet - one packet of the answer to request @seq; returns its status once *@done is set */
static int take_packet(const unsigned char *bytes, size_t len, uint32_t seq, bool *done,
                       void (*answer)(const struct nlmsghdr *, void *), void *arg)
{
	while (len >= HEAD) {
		const struct nlmsghdr *nlh = (const void *)bytes;
		size_t next = ALIGNED(nlh->nlmsg_len);

		if (nlh->nlmsg_len < HEAD || nlh->nlmsg_len > len)
			return 0;
		/* others are of an earlier request whose answer was given up */
		if (nlh->nlmsg_seq == seq) {
			*done = nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR;
			if (nlh->nlmsg_type == NLMSG_ERROR) {
				const struct nlmsgerr *err = (const void *)(bytes + HEAD);

				return nlh->nlmsg_len < HEAD + sizeof(*err) ? -EPROTO : err->error;
			}
			if (*done)
				return 0;
			if (answer)
				answer(nlh, arg);
		}
		if (next >= len)
			return 0;
		bytes += next;
		len -= next;
	}
	return 0;
}

int rtnl_talk(int fd, struct rtnl_msg *msg, void (*answer)(const struct nlmsghdr *, void *), void *arg)
{
	static _Thread_local union {
		struct nlmsghdr align;
		unsigned char bytes[ANSWER_MAX];
	} packet;

	if (msg->full)
		return -EMSGSIZE;
	if ((msg->hdr.nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP) /* a bit of it is NLM_F_EXCL */
		msg->hdr.nlmsg_flags |= NLM_F_ACK;
	msg->hdr.nlmsg_len = (uint32_t)msg->len;
	if (send(fd, msg->room, msg->len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t got = recv(fd, packet.bytes, sizeof(packet), 0);
		bool done = false;
		int err;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		err = take_packet(packet.bytes, (size_t)got, msg->hdr.nlmsg_seq, &done, answer, arg);
		if (done)
			return err;
	}
}

const void *rtnl_attr(const struct nlmsghdr *nlh, size_t body, int type, size_t min)
{
	size_t at = HEAD + ALIGNED(body);

	while (at + ATTR_HEAD <= nlh->nlmsg_len) {
		struct nlattr attr;

		memcpy(&attr, (const char *)nlh + at, sizeof(attr));
		if (attr.nla_len < ATTR_HEAD || at + attr.nla_len > nlh->nlmsg_len)
			break;
		if ((attr.nla_type & NLA_TYPE_MASK) == type && attr.nla_len >= ATTR_HEAD + min)
			return (const char *)nlh + at + ATTR_HEAD;
		at += ALIGNED(attr.nla_len);
	}
	return NULL;
}
