/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* control.c - the helpers of conf.h for ancillary data. */
#include "private.h"

void conf_receive(int fd, int flags, struct inbox *in)
{
	struct pollfd p = {.fd = fd, .events = flags & MSG_ERRQUEUE ? 0 : POLLIN};

	if (poll(&p, 1, WAIT_MS) != 1)
		conf_fail("no message arrives");
	memset(in, 0, sizeof(*in));
	in->iov = (struct iovec){in->text, sizeof(in->text)};
	in->msg = (struct msghdr){
	        .msg_name = &in->from,
	        .msg_namelen = sizeof(in->from.ss),
	        .msg_iov = &in->iov,
	        .msg_iovlen = 1,
	        .msg_control = in->control,
	        .msg_controllen = sizeof(in->control),
	};
	in->len = ioth_recvmsg(fd, &in->msg, flags);
	if (in->len < 0)
		conf_fail("ioth_recvmsg: %s", strerrorname_np(errno));
	in->flags = in->msg.msg_flags;
	in->from.len = in->msg.msg_namelen;
}

void conf_control(struct inbox *in, int level, int type, void *out, size_t size)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&in->msg); cmsg != NULL; cmsg = CMSG_NXTHDR(&in->msg, cmsg)) {
		if (cmsg->cmsg_level != level || cmsg->cmsg_type != type)
			continue;
		if (cmsg->cmsg_len != CMSG_LEN(size))
			conf_fail("ancillary message %d/%d: expected %zu bytes, got %zu", level, type, size,
			          (size_t)cmsg->cmsg_len - CMSG_LEN(0));
		memcpy(out, CMSG_DATA(cmsg), size);
		return;
	}
	conf_fail("there is no ancillary message %d/%d", level, type);
}

int conf_control_int(struct inbox *in, int level, int type)
{
	int value;

	conf_control(in, level, type, &value, sizeof(value));
	return value;
}

void conf_control_none(struct inbox *in)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&in->msg);

	if (cmsg != NULL)
		conf_fail("ancillary message %d/%d: expected none", cmsg->cmsg_level, cmsg->cmsg_type);
}

ssize_t send_control(int fd, const struct addr *to, const char *text, int level, int type, const void *data,
                     size_t size)
{
	union {
		struct cmsghdr head;
		char room[256];
	} out;
	char copy[256];
	struct iovec iov = {copy, strlen(text)};
	struct addr name;
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &out, .msg_controllen = CMSG_SPACE(size)};

	if (strlen(text) >= sizeof(copy) || CMSG_SPACE(size) > sizeof(out))
		conf_fail("send_control has no room for that much");
	memset(&out, 0, sizeof(out));
	strcpy(copy, text);
	out.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(size), .cmsg_level = level, .cmsg_type = type};
	memcpy(CMSG_DATA(&out.head), data, size);
	if (to != NULL) {
		name = *to;
		msg.msg_name = &name.sa;
		msg.msg_namelen = name.len;
	}
	return ioth_sendmsg(fd, &msg, 0);
}
