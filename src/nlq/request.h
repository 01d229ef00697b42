/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * request.h - a request while it is being answered; for server.c and reply.c alone.
 */
#ifndef NLQ_REQUEST_H
#define NLQ_REQUEST_H

#include <libnlq.h>
#include <stdbool.h>

#define REQUEST_TEXT 128 /* bytes of the text of an error, with its NUL */

struct request {
	struct nlmsghdr *msg; /* the request, whole */
	struct nlq_request_handlers *table;
	void *stackinfo;
	uint32_t portid;      /* of the asking socket */
	unsigned int options; /* NLQ_* */
	bool dumped;          /* in: no further dump is allowed; out: this was one */

	/* set by nlq_error */
	int error;        /* negative errno, 0: it has not been called */
	uint32_t attr_at; /* offset in the message of the attribute that is wrong; 0: none */
	char text[REQUEST_TEXT];

	struct request *outer; /* whose handler made this request in turn; NULL */
};

/** request_enter, request_leave - make a request the one in progress in this thread, and the outer one again */
void request_enter(struct request *request);
void request_leave(struct request *request);

/** request_noerror - forget what nlq_error was told */
void request_noerror(struct request *request);

/** reply_prepare - memory for the answer about success or failure, so that it cannot fail later; NULL: there is none */
struct nlq_msg *reply_prepare(const struct request *request);

/** reply_status - answer a request with NLMSG_ERROR: @error is 0 or a negative errno; @reply comes from reply_prepare
 */
void reply_status(const struct request *request, int error, struct nlq_msg *reply, struct nlq_msg **replies);

/** reply_done - the end of a dump, whose status is @error, 0 or a negative errno; 0, or a negative errno: nothing was
 * queued */
int reply_done(const struct request *request, int error, uint16_t flags, struct nlq_msg **replies);

/** reply_objects - address what a handler has answered, set and clear flags in it, and move it to @replies */
void reply_objects(const struct request *request, struct nlq_msg **objects, uint16_t set, uint16_t clear,
                   struct nlq_msg **replies);

#endif
