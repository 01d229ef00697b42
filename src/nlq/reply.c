/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reply.c - what is answered to a request besides objects: acknowledgements, errors with their text, the end of a dump.
 *
 * A handler has no argument through which it could say more than an errno. So the request in progress is known to its
 * thread, and nlq_error finds it there. Requests nest: a handler may itself ask a stack, in the same thread, by
 * nlq_server_rtdialog.
 */
#include "private.h"
#include "request.h"

#include <stdarg.h>

static _Thread_local struct request *current;

void request_enter(struct request *request)
{
	request->outer = current;
	current = request;
}

void request_leave(struct request *request)
{
	current = request->outer;
}

void request_noerror(struct request *request)
{
	request->error = 0;
	request->attr_at = 0;
	request->text[0] = '\0';
}

unsigned int nlq_request_options(void)
{
	return current == NULL ? 0 : current->options;
}

int nlq_error(int error, const struct nlattr *attr, const char *format, ...)
{
	uintptr_t start, at = (uintptr_t)attr;
	va_list args;

	if (current == NULL)
		return error;
	request_noerror(current);
	current->error = error;
	start = (uintptr_t)current->msg;
	if (at > start && at - start < current->msg->nlmsg_len)
		current->attr_at = (uint32_t)(at - start);
	if (format != NULL) {
		va_start(args, format);
		vsnprintf(current->text, sizeof(current->text), format, args);
		va_end(args);
	}
	return error;
}

/* An error comes with the request, as far as that leaves room for the text. */
#define ECHO_MAX (NLQ_MSG_MAX - 512U)

struct nlq_msg *reply_prepare(const struct request *request)
{
	size_t echo = request->msg->nlmsg_len < ECHO_MAX ? nlq__align(request->msg->nlmsg_len) : NLMSG_HDRLEN;
	size_t tlvs = 2 * NLQ__ATTRHDR + sizeof(uint32_t) + REQUEST_TEXT;

	return nlq__createmsg(NLMSG_ERROR, 0, request->msg->nlmsg_seq, request->portid,
	                      NLMSG_HDRLEN + sizeof(int) + echo + tlvs);
}

/** explain - what nlq_error was told about @error, for a client that wants to know */
static void explain(const struct request *request, int error, struct nlq_msg *reply)
{
	if (error >= 0 || error != request->error || !(request->options & NLQ_EXT_ACK))
		return;
	if (request->text[0] != '\0')
		nlq__addstr(reply, NLMSGERR_ATTR_MSG, request->text);
	if (request->attr_at != 0)
		nlq_addattr(reply, NLMSGERR_ATTR_OFFS, &request->attr_at, sizeof(request->attr_at));
	if (request->text[0] != '\0' || request->attr_at != 0)
		reply->nlq_packet->nlmsg_flags |= NLM_F_ACK_TLVS;
}

void reply_status(const struct request *request, int error, struct nlq_msg *reply, struct nlq_msg **replies)
{
	bool whole = error < 0 && !(request->options & NLQ_CAP_ACK) && request->msg->nlmsg_len < ECHO_MAX;

	nlq_add(reply, &error, sizeof(error));
	nlq_add(reply, request->msg, whole ? request->msg->nlmsg_len : NLMSG_HDRLEN);
	if (!whole)
		reply->nlq_packet->nlmsg_flags |= NLM_F_CAPPED;
	explain(request, error, reply);
	nlq_enqueue(reply, replies);
}

int reply_done(const struct request *request, int error, uint16_t flags, struct nlq_msg **replies)
{
	struct nlq_msg *done = nlq_createmsg(NLMSG_DONE, flags, request->msg->nlmsg_seq, request->portid);

	nlq_add(done, &error, sizeof(error));
	if (done != NULL)
		explain(request, error, done);
	return nlq_enqueue(done, replies);
}

void reply_objects(const struct request *request, struct nlq_msg **objects, uint16_t set, uint16_t clear,
                   struct nlq_msg **replies)
{
	for (struct nlq_msg *msg = nlq_head(*objects); msg != NULL; msg = nlq_next(*objects, msg)) {
		struct nlmsghdr *header = msg->nlq_packet;

		header->nlmsg_seq = request->msg->nlmsg_seq;
		header->nlmsg_pid = request->portid;
		header->nlmsg_flags = (uint16_t)((header->nlmsg_flags | set) & ~clear);
	}
	nlq_append(replies, objects);
}
