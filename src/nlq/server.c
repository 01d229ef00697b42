/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * server.c - answering requests of rtnetlink with a table of handlers (RFC 3549, netlink(7), rtnetlink(7)).
 *
 * A request is checked completely before a handler sees it: its length, the fixed header of its type, the list of
 * attributes, and the form of each that is known (policy.c). So handlers read without measuring. Memory for the answer
 * about success or failure is taken first: nothing is done that could not be told. No state and no lock is kept here;
 * what a thread is answering is on its stack (reply.c), and the stack's own data is locked by whoever calls.
 */
#include "private.h"
#include "request.h"

#include <stdlib.h>

/*
 * How many families a table surely has, whatever headers it was compiled with: those of Linux 4.19. Reading further
 * would read past the end of an older program's table.
 */
#define FAMILIES (RTM_FAM(RTM_GETCHAIN) + 1)
_Static_assert(FAMILIES == 22 && FAMILIES <= RTM_NR_FAMILIES, "the limit is part of the binary interface");

#define FIXED_MAX 64 /* more than any fixed header */

/* ----------------------------------------------------------------------------------------------- a dump */

/** dump_message - the message of a request for a dump, completed in @copy when it is as short as RFC 3549 allows it to
 * be */
static struct nlmsghdr *dump_message(struct nlmsghdr *msg, unsigned char *copy)
{
	size_t len = nlq__align(nlq__headerlen(msg->nlmsg_type));
	struct nlmsghdr *completed = (struct nlmsghdr *)(void *)copy;

	if (nlq__msgdata(msg, len) != NULL)
		return msg;
	memset(copy, 0, NLMSG_HDRLEN + FIXED_MAX);
	memcpy(copy, msg, msg->nlmsg_len);
	completed->nlmsg_len = (uint32_t)(NLMSG_HDRLEN + len);
	return completed;
}

/** dump_attrs - the attributes of a request for a dump; 0 or a negative errno */
static int dump_attrs(const struct nlmsghdr *msg, struct nlattr **attr, bool strict)
{
	int rtmf = nlq__family(msg->nlmsg_type);
	size_t left = nlq__parsebody(msg, attr, NLQ_ATTRS);

	if (strict && left > 0)
		return nlq_error(-EINVAL, NULL, "bytes leftover after parsing attributes");
	/* Old programs put the header of links there and rubbish behind it; nobody ever looked. */
	if (!strict && (rtmf == RTMF_ADDR || rtmf == RTMF_ROUTE || rtmf == RTMF_RULE))
		memset(attr, 0, NLQ_ATTRS * sizeof(attr[0]));
	return nlq__check_attrs(msg, attr);
}

/** drop_unmatched - remove from a queue what the filter does not match */
static void drop_unmatched(const struct nlq__filter *filter, struct nlq_msg **queue)
{
	struct nlq_msg *matched = NULL, *msg;

	while ((msg = nlq_dequeue(queue)) != NULL) {
		if (nlq__filter_match(filter, msg->nlq_packet))
			nlq_enqueue(msg, &matched);
		else
			nlq_freemsg(msg);
	}
	*queue = matched;
}

#define SHORT "Message is shorter than the header of its type"

/** serve_dump - answer a request for all objects; a negative errno: it was refused before it began */
static int serve_dump(struct request *request, const struct nlq_request_handlers *handlers, struct nlq_msg **replies)
{
	unsigned char copy[NLMSG_HDRLEN + FIXED_MAX] __attribute__((__aligned__(8)));
	bool strict = request->options & NLQ_STRICT_CHK;
	struct nlmsghdr *msg = request->msg;
	struct nlattr *attr[NLQ_ATTRS];
	struct nlq_msg *objects = NULL, *answer = NULL;
	struct nlq__filter filter;
	uint16_t flags = NLM_F_MULTI;
	int result;

	if (handlers->get == NULL)
		return -EOPNOTSUPP;
	if (request->dumped)
		return nlq_error(-EBUSY, NULL, "One dump at a time");
	if (nlq__msgdata(msg, sizeof(struct rtgenmsg)) == NULL)
		return nlq_error(-EINVAL, NULL, SHORT);
	request->dumped = true;
	if (strict && nlq__msgdata(msg, nlq__headerlen(msg->nlmsg_type)) == NULL) {
		result = nlq_error(-EINVAL, NULL, SHORT);
	} else {
		msg = dump_message(msg, copy);
		result = dump_attrs(msg, attr, strict);
	}
	if (result == 0)
		result = nlq__filter_dump(&filter, msg, attr, strict);
	if (result > 0)
		flags |= NLM_F_DUMP_FILTERED;
	if (result >= 0)
		result = handlers->get(NULL, msg, attr, &objects, request->stackinfo);
	/* A dump that has begun ends with NLMSG_DONE, whatever becomes of it. All or nothing: what there is of a failed
	 * one is left out. */
	if (result < 0)
		nlq_free(&objects);
	else
		drop_unmatched(&filter, &objects);
	reply_objects(request, &objects, flags, 0, &answer);
	result = reply_done(request, result < 0 ? result : 0, flags, &answer);
	if (result < 0) {
		nlq_free(&objects);
		nlq_free(&answer);
	}
	nlq_append(replies, &answer);
	return result;
}

/* ------------------------------------------------------------------------------------------------- one object */

/** struct object - a request about one object, checked */
struct object {
	struct request *request;
	const struct nlq_request_handlers *handlers;
	struct nlattr *attr[NLQ_ATTRS];
	void *entry; /* the object, or NULL */
};

/** object_check - check a request and index its attributes; 0 or a negative errno */
static int object_check(struct object *object)
{
	const struct nlmsghdr *msg = object->request->msg;
	int result = nlq__check_header(msg);

	if (result < 0)
		return result;
	if (nlq__parsebody(msg, object->attr, NLQ_ATTRS) > 0)
		return nlq_error(-EINVAL, NULL, "bytes leftover after parsing attributes");
	return nlq__check_attrs(msg, object->attr);
}

/** object_absent - the errno of a request for something that is not there */
static int object_absent(const struct object *object)
{
	return object->request->error < 0 ? object->request->error : -ENODEV;
}

static int serve_get(struct object *object, struct nlq_msg **replies)
{
	const struct request *request = object->request;
	struct nlq_msg *answer = NULL;
	int result;

	if (object->handlers->get == NULL)
		return -EOPNOTSUPP;
	if (object->entry == NULL)
		return object_absent(object);
	result = object->handlers->get(object->entry, request->msg, object->attr, &answer, request->stackinfo);
	if (result < 0)
		nlq_free(&answer);
	reply_objects(request, &answer, 0, NLM_F_MULTI, replies);
	return result < 0 ? result : 0;
}

/**
 * echo_link - answer a request for a new link with the link
 * @index: what the handler has said; 0: nothing, the name tells
 *
 * The link is there already, so what fails here is not told: the client can still ask for the name.
 */
static void echo_link(struct object *object, unsigned int index, struct nlq_msg **replies)
{
	struct nlq_msg *query = nlq__link_request(RTM_GETLINK, NLM_F_REQUEST, index), *answer = NULL;
	struct request *request = object->request;
	struct request lookup = *request;
	struct object found = {.request = &lookup, .handlers = object->handlers};
	const struct nlattr *name = object->attr[IFLA_IFNAME];

	if (index == 0)
		nlq_addattr(query, IFLA_IFNAME, nlq_attr_data(name, 0), nlq_attr_len(name));
	if (nlq_complete(query) == 0) {
		lookup.msg = query->nlq_packet;
		request_enter(&lookup);
		if (object_check(&found) == 0)
			found.entry = found.handlers->search_entry(lookup.msg, found.attr, lookup.stackinfo);
		if (found.entry != NULL)
			serve_get(&found, &answer);
		request_leave(&lookup);
	}
	nlq_freemsg(query);
	if (answer == NULL && index != 0)
		nlq_enqueue(nlq__link_request(RTM_NEWLINK, 0, index), &answer);
	reply_objects(request, &answer, 0, NLM_F_MULTI, replies);
}

/** wants_echo - whether the new object is to be answered */
static bool wants_echo(const struct object *object)
{
	const struct nlmsghdr *msg = object->request->msg;
	const struct nlattr *new_index = object->attr[NLQ__IFLA_NEW_IFINDEX];

	return nlq__family(msg->nlmsg_type) == RTMF_LINK &&
	       (msg->nlmsg_flags & NLM_F_ECHO || (new_index != NULL && nlq_attr_len(new_index) == 0));
}

static int serve_new(struct object *object, struct nlq_msg **replies)
{
	const struct nlq_request_handlers *handlers = object->handlers;
	struct request *request = object->request;
	int result;

	if (handlers->set == NULL && handlers->new == NULL)
		return -EOPNOTSUPP;
	if (object->entry != NULL) {
		if (request->msg->nlmsg_flags & NLM_F_EXCL)
			return -EEXIST;
		if (handlers->set == NULL)
			return -EOPNOTSUPP;
		return handlers->set(object->entry, request->msg, object->attr, request->stackinfo);
	}
	if (!(request->msg->nlmsg_flags & NLM_F_CREATE))
		return object_absent(object);
	if (handlers->new == NULL)
		return -EOPNOTSUPP;
	request_noerror(request); /* that it is not there is as it should be */
	result = handlers->new (request->msg, object->attr, request->stackinfo);
	if (result >= 0 && wants_echo(object))
		echo_link(object, (unsigned int)result, replies);
	return result;
}

/** serve_change - RTM_DEL*, RTM_SET* */
static int serve_change(struct object *object,
                        int (*handler)(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo))
{
	if (handler == NULL)
		return -EOPNOTSUPP;
	if (object->entry == NULL)
		return object_absent(object);
	return handler(object->entry, object->request->msg, object->attr, object->request->stackinfo);
}

static int serve_object(struct request *request, const struct nlq_request_handlers *handlers, struct nlq_msg **replies)
{
	struct object object = {.request = request, .handlers = handlers};
	int result;

	if (handlers->search_entry == NULL)
		return -EOPNOTSUPP;
	result = object_check(&object);
	if (result < 0)
		return result;
	object.entry = handlers->search_entry(request->msg, object.attr, request->stackinfo);
	if (object.entry != NULL)
		request_noerror(request);
	switch (nlq__action(request->msg->nlmsg_type)) {
	case RTM_GET:
		return serve_get(&object, replies);
	case RTM_NEW:
		return serve_new(&object, replies);
	case RTM_DEL:
		return serve_change(&object, handlers->del);
	default:
		return serve_change(&object, handlers->set);
	}
}

/* --------------------------------------------------------------------------------------------------- requests */

/** serve - carry out a request that is one; 1 when its answer is complete, 0, or a negative errno */
static int serve(struct request *request, struct nlq_msg **replies)
{
	uint16_t type = request->msg->nlmsg_type, flags = request->msg->nlmsg_flags;
	int family = nlq__family(type), result;

	if (family < 0 || family >= FAMILIES)
		return -EOPNOTSUPP;
	if (nlq__action(type) == RTM_GET && (flags & NLM_F_DUMP)) {
		result = serve_dump(request, &request->table[family], replies);
		return result < 0 ? result : 1;
	}
	result = serve_object(request, &request->table[family], replies);
	return result < 0 ? result : 0;
}

/** request_answer - carry out a request, answer it as far as it wants to be; 0, or -ENOBUFS when nothing has been done
 */
static int request_answer(struct request *request, struct nlq_msg **replies)
{
	bool wanted = request->msg->nlmsg_flags & NLM_F_REQUEST && request->msg->nlmsg_type >= NLMSG_MIN_TYPE;
	struct nlq_msg *status = reply_prepare(request);
	int result = 0;

	if (status == NULL)
		return -ENOBUFS;
	if (wanted) {
		request_enter(request);
		result = serve(request, replies);
		request_leave(request);
	}
	if (result < 0 || (result == 0 && request->msg->nlmsg_flags & NLM_F_ACK))
		reply_status(request, result, status, replies);
	else
		nlq_freemsg(status);
	return 0;
}

struct nlq_msg *nlq_process_rtrequest(struct nlmsghdr *request, nlq_request_handlers_table table, void *stackinfo)
{
	struct request one = {.msg = request, .table = table, .stackinfo = stackinfo, .portid = request->nlmsg_pid};
	struct nlq_msg *replies = NULL;
	int result = request->nlmsg_len < NLMSG_HDRLEN ? 0 : request_answer(&one, &replies);

	errno = -result;
	return replies;
}

struct nlq_msg *nlq_process_datagram(const void *datagram, size_t len, nlq_request_handlers_table table,
                                     void *stackinfo, uint32_t portid, unsigned int options)
{
	void *copy = malloc(len == 0 ? 1 : len); /* aligned, and nobody else writes to it */
	struct nlq_msg *replies = NULL;
	struct nlmsghdr *msg;
	bool dumped = options & NLQ_DUMPING;
	size_t at = 0;
	int result = copy == NULL ? -ENOBUFS : 0;

	if (result == 0 && len > 0)
		memcpy(copy, datagram, len);
	while (result == 0 && (msg = nlq__nextmsg(copy, len, &at)) != NULL) {
		struct request one = {
		        .msg = msg,
		        .table = table,
		        .stackinfo = stackinfo,
		        .portid = portid,
		        .options = options,
		        .dumped = dumped,
		};

		result = request_answer(&one, &replies);
		dumped = one.dumped;
	}
	free(copy);
	errno = -result;
	return replies;
}
