/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cmsg.c - between the msghdr of the program and ours: control messages, addresses, and the pieces of its buffers.
 */
#include "private.h"

#include <errno.h>
#include <string.h>

void usock__cmsg_put(struct usock__xfer *xfer, int level, int type, const void *data, size_t len)
{
	struct msghdr *msg = xfer->msg;
	size_t room = msg->msg_control ? msg->msg_controllen : 0;
	struct cmsghdr head = {.cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type};
	unsigned char *at;

	room = room > xfer->controllen ? room - xfer->controllen : 0;
	if (room < sizeof(head)) {
		xfer->msg_flags |= MSG_CTRUNC;
		return;
	}
	if (room < CMSG_LEN(len)) {
		xfer->msg_flags |= MSG_CTRUNC;
		head.cmsg_len = room;
	}
	at = (unsigned char *)msg->msg_control + xfer->controllen;
	memcpy(at, &head, sizeof(head));
	memcpy(at + CMSG_LEN(0), data, head.cmsg_len - CMSG_LEN(0));
	xfer->controllen += room < CMSG_SPACE(len) ? room : CMSG_SPACE(len);
}

int usock__cmsg_next(const struct msghdr *msg, struct usock__cmsg *cmsg)
{
	size_t left = msg->msg_control && cmsg->next < msg->msg_controllen ? msg->msg_controllen - cmsg->next : 0;
	struct cmsghdr head;

	if (left < sizeof(head))
		return 0;
	cmsg->data = (const unsigned char *)msg->msg_control + cmsg->next;
	memcpy(&head, cmsg->data, sizeof(head));
	if (head.cmsg_len < sizeof(head) || head.cmsg_len > left)
		return -EINVAL;
	cmsg->level = head.cmsg_level;
	cmsg->type = head.cmsg_type;
	cmsg->data += CMSG_LEN(0);
	cmsg->len = head.cmsg_len - CMSG_LEN(0);
	cmsg->next += CMSG_ALIGN(head.cmsg_len);
	return 1;
}

void usock__name_put(struct usock__xfer *xfer, const struct sockaddr_storage *addr, socklen_t len)
{
	socklen_t room = xfer->msg->msg_namelen;

	xfer->namelen = len;
	if (xfer->msg->msg_name && len > 0)
		memcpy(xfer->msg->msg_name, addr, len < room ? len : room);
}

/** copy - between @data and the pieces, from byte @at of them on; how many bytes both had */
static size_t copy(const struct msghdr *msg, size_t at, unsigned char *data, size_t len, bool out)
{
	size_t copied = 0;

	for (size_t i = 0; i < msg->msg_iovlen && copied < len; i++) {
		const struct iovec *piece = &msg->msg_iov[i];
		unsigned char *base = piece->iov_base;
		size_t part;

		if (at >= piece->iov_len) {
			at -= piece->iov_len;
			continue;
		}
		part = piece->iov_len - at;
		if (part > len - copied)
			part = len - copied;
		if (out)
			memcpy(base + at, data + copied, part);
		else
			memcpy(data + copied, base + at, part);
		copied += part;
		at = 0;
	}
	return copied;
}

size_t usock__copy_out(const struct usock__xfer *xfer, size_t skip, const void *data, size_t len)
{
	return copy(xfer->msg, xfer->done + skip, (unsigned char *)(uintptr_t)data, len, true);
}

size_t usock__copy_in(const struct usock__xfer *xfer, size_t skip, void *data, size_t len)
{
	return copy(xfer->msg, xfer->done + skip, data, len, false);
}
