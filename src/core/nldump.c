/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nldump.c - one netlink dump on any stack (RFC 3549, netlink(7)).
 *
 * A dump opens its own socket on the stack, asks, reads the multipart answer to its end and closes. Every message is measured before it
 * is read: the answer may come from an engine or another process. Stateless, hence thread-safe.
 */
#include "nldump.h"
#include "core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_SIZE 32768 /* what Linux fills at most in one datagram of a dump */
#define MAX_ATTEMPTS 16

/** struct dump - a dump in progress */
struct dump {
	int fd;
	uint32_t seq;
	ioth__nldump_entry *entry;
	void *arg;
	bool interrupted;
};

int ioth__nlattrs(const struct nlmsghdr *message, size_t header, struct ioth__nlattr table[], unsigned int max)
{
	const unsigned char *at = ioth__nldata(message);
	size_t left = message->nlmsg_len - NLMSG_HDRLEN;

	memset(table, 0, (max + 1) * sizeof(*table));
	if (left < header)
		return -EPROTO;
	header = left < NLMSG_ALIGN(header) ? left : NLMSG_ALIGN(header);
	at += header;
	left -= header;
	while (left >= sizeof(struct rtattr)) {
		const struct rtattr *attr = (const struct rtattr *)(const void *)at;
		unsigned int type = attr->rta_type & (uint16_t)NLA_TYPE_MASK;
		size_t step;

		if (attr->rta_len < sizeof(*attr) || attr->rta_len > left)
			return -EPROTO;
		if (type <= max)
			table[type] = (struct ioth__nlattr){at + sizeof(*attr), attr->rta_len - sizeof(*attr)};
		step = RTA_ALIGN(attr->rta_len);
		if (step > left)
			step = left;
		at += step;
		left -= step;
	}
	return 0;
}

static int dump_request(struct dump *d, int type)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg body; /* zero; rtnetlink takes it for RTM_GETADDR as well */
	} request = {
	        .header =
	                {
	                        .nlmsg_len = sizeof(request),
	                        .nlmsg_type = (uint16_t)type,
	                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
	                        .nlmsg_seq = d->seq,
	                },
	};

	return ioth_send(d->fd, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

/** dump_message - one message of the answer: 1 when it is the last, 0 when there is more, or a negative errno */
static int dump_message(struct dump *d, const struct nlmsghdr *message)
{
	size_t payload = message->nlmsg_len - NLMSG_HDRLEN;
	int error = 0;

	if (message->nlmsg_seq != d->seq)
		return 0; /* of nobody's interest: not an answer to us */
	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		d->interrupted = true;
	switch (message->nlmsg_type) {
	case NLMSG_NOOP:
		return 0;
	case NLMSG_ERROR:
		if (payload < sizeof(struct nlmsgerr))
			return -EPROTO;
		memcpy(&error, ioth__nldata(message), sizeof(error));
		return error < 0 ? error : -EPROTO;
	case NLMSG_DONE:
		if (payload >= sizeof(error))
			memcpy(&error, ioth__nldata(message), sizeof(error));
		return error < 0 ? error : 1;
	default:
		return d->entry(message, d->arg);
	}
}

static int dump_answer(struct dump *d, unsigned char *buffer)
{
	for (;;) {
		ssize_t got = ioth_recv(d->fd, buffer, ANSWER_SIZE, MSG_TRUNC);
		size_t left = (size_t)got;
		const unsigned char *at = buffer;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0 || got > ANSWER_SIZE)
			return -EPROTO;
		while (left >= sizeof(struct nlmsghdr)) {
			const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)at;
			size_t step;
			int result;

			if (message->nlmsg_len < NLMSG_HDRLEN || message->nlmsg_len > left)
				return -EPROTO;
			result = dump_message(d, message);
			if (result != 0)
				return result < 0 ? result : 0;
			step = NLMSG_ALIGN(message->nlmsg_len);
			step = step > left ? left : step;
			at += step;
			left -= step;
		}
	}
}

int ioth__nldump(struct ioth *stack, int type, ioth__nldump_entry *entry, void (*reset)(void *arg), void *arg)
{
	struct dump d = {.entry = entry, .arg = arg};
	unsigned char *buffer = malloc(ANSWER_SIZE);
	int result = -EINTR;

	if (buffer == NULL)
		return -ENOMEM;
	d.fd = ioth_msocket(stack, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (d.fd < 0) {
		free(buffer);
		return -errno;
	}
	for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
		if (reset != NULL)
			reset(arg);
		d.seq++;
		d.interrupted = false;
		result = dump_request(&d, type);
		if (result == 0)
			result = dump_answer(&d, buffer);
		if (result < 0 || !d.interrupted)
			break;
		result = -EINTR;
	}
	ioth_close(d.fd);
	free(buffer);
	return result;
}
