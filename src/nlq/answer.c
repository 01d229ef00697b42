/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * answer.c - reading the answer to a request of rtnetlink, message by message, wherever it comes from (RFC 3549,
 * netlink(7)).
 *
 * An answer ends with NLMSG_ERROR (0 is the acknowledgement), with NLMSG_DONE, or with the first message that is not
 * part of several, unless an acknowledgement was asked for. Everything is measured before it is read.
 */
#include "private.h"

#define ERRNO_MAX 4095 /* MAX_ERRNO of Linux */

/** answer_status - the errno in an NLMSG_ERROR or NLMSG_DONE: 0 or negative; -EBADMSG when there is none that makes
 * sense */
static int answer_status(const struct nlmsghdr *msg)
{
	bool done = msg->nlmsg_type == NLMSG_DONE;
	const int *status = nlq__msgdata(msg, done ? sizeof(int) : sizeof(struct nlmsgerr));

	if (done && msg->nlmsg_len == NLMSG_HDRLEN) /* RFC 3549 has no status in it */
		return 0;
	return status == NULL || *status > 0 || *status < -ERRNO_MAX ? -EBADMSG : *status;
}

/** answer_object - hand a message to the callback: 1 to go on, 0 at the end, or a negative errno */
static int answer_object(const struct nlq__answer *answer, struct nlmsghdr *msg)
{
	struct nlattr *attr[NLQ_ATTRS];
	int result = nlq_parsemsg(msg, attr, NLQ_ATTRS);

	if (result < 0)
		return -EBADMSG;
	if (answer->cb != NULL)
		result = answer->cb(msg, attr, answer->argin, answer->argout, answer->argenv);
	if (result < 0)
		return result;
	return answer->acked || (msg->nlmsg_flags & NLM_F_MULTI) != 0;
}

/** answer_message - read one message: 1 to go on, 0 at the end, or a negative errno */
static int answer_message(struct nlq__answer *answer, struct nlmsghdr *msg)
{
	int status;

	if (answer->seq == 0)
		answer->seq = msg->nlmsg_seq;
	if (msg->nlmsg_seq != answer->seq)
		return 1; /* not for this request */
	if (msg->nlmsg_flags & NLM_F_DUMP_INTR)
		answer->interrupted = true;
	switch (msg->nlmsg_type) {
	case NLMSG_NOOP:
		return 1;
	case NLMSG_OVERRUN:
		return -ENOBUFS;
	case NLMSG_ERROR:
		return answer_status(msg);
	case NLMSG_DONE:
		status = answer_status(msg);
		return status == 0 && answer->interrupted ? -EINTR : status;
	default:
		return answer_object(answer, msg);
	}
}

int nlq__answer_datagram(struct nlq__answer *answer, void *datagram, size_t len)
{
	size_t at = 0;

	while (at < len) {
		struct nlmsghdr *msg = nlq__nextmsg(datagram, len, &at);
		int result = msg == NULL ? -EBADMSG : answer_message(answer, msg);

		if (result <= 0)
			return result;
	}
	return 1;
}

int nlq_process_null_cb(struct nlmsghdr *msg, struct nlattr **attr, const void *argin, void *argout, void *argenv)
{
	(void)msg, (void)attr, (void)argin, (void)argout, (void)argenv;
	return 0;
}
