/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_nlq_server.c - how requests are answered: the dispatch to handlers, errors and their text, notifications.
 *
 * The stack is the model of nlq_model.h; where it matters how a handler is called, a table of handlers that keep notes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <cmocka.h>

#include "nlq_exchange.h"

/* ------------------------------------------------------------------------------------------------------- dispatch */

static void test_new(void **state)
{
	uint32_t mtu = 1400;
	struct nlq_msg *msg;

	(void)state;
	assert_int_equal(ask(with_kind(link_message(RTM_NEWLINK, 0, 0, "d0"), "dummy")), -ENODEV);
	/* success without NLM_F_ACK is silent */
	assert_int_equal(ask(with_kind(link_message(RTM_NEWLINK, NLM_F_CREATE, 0, "d0"), "dummy")), 1);
	assert_int_equal(ask(with_kind(link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, "d0"), "dummy")),
	                 -EEXIST);
	assert_int_equal(ask(with_kind(link_message(RTM_NEWLINK, NLM_F_CREATE, 0, "d1"), "nothing")), -EOPNOTSUPP);
	/* found: set, whether it could have been made or not */
	for (uint16_t flags = 0; flags <= NLM_F_CREATE; flags = (uint16_t)(flags + NLM_F_CREATE)) {
		msg = link_message(RTM_NEWLINK, (uint16_t)(flags | NLM_F_ACK), 2, NULL);
		nlq_addattr(msg, IFLA_MTU, &mtu, sizeof(mtu));
		assert_int_equal(ask(msg), 0);
		mtu--;
	}
	msg = link_message(RTM_SETLINK, NLM_F_ACK, 0, "d0");
	nlq_addattr(msg, IFLA_MTU, &mtu, sizeof(mtu));
	assert_int_equal(ask(msg), 0);
	assert_int_equal(ask(link_message(RTM_SETLINK, 0, 9, NULL)), -ENODEV);
	assert_int_equal(ask(link_message(RTM_DELLINK, NLM_F_ACK, 0, "d0")), 0);
	assert_int_equal(ask(link_message(RTM_DELLINK, NLM_F_ACK, 0, "d0")), -ENODEV);
	assert_int_equal(ask(link_message(RTM_DELLINK, 0, 1, NULL)), -EOPNOTSUPP);
}

static void test_get(void **state)
{
	struct nlq_msg *replies = exchange(link_message(RTM_GETLINK, 0, 1, NULL), 0), *reply = nlq_head(replies);
	struct nlattr *attr[NLQ_ATTRS];

	(void)state;
	assert_int_equal(nlq_length(replies), 1);
	assert_int_equal(reply->nlq_packet->nlmsg_type, RTM_NEWLINK);
	assert_int_equal(reply->nlq_packet->nlmsg_flags, 0);
	assert_int_equal(reply->nlq_packet->nlmsg_seq, SEQ);
	assert_int_equal(reply->nlq_packet->nlmsg_pid, PORT);
	assert_int_equal(nlq_parsemsg(reply->nlq_packet, attr, NLQ_ATTRS), 0);
	assert_string_equal(nlq_attr_data(attr[IFLA_IFNAME], 3), "lo");
	nlq_free(&replies);

	/* with NLM_F_ACK: the answer, and that it was one */
	replies = exchange(link_message(RTM_GETLINK, NLM_F_ACK, 0, "lo"), 0);
	assert_int_equal(nlq_length(replies), 2);
	assert_int_equal(nlq_head(replies)->nlq_packet->nlmsg_type, RTM_NEWLINK);
	nlq_dropmsg(&replies);
	assert_int_equal(status_of(replies), 0);
	assert_int_equal(ask(link_message(RTM_GETLINK, 0, 5, NULL)), -ENODEV);
	/* the handler knows better */
	assert_int_equal(ask(link_message(RTM_GETLINK, 0, 0, NULL)), -EINVAL);
}

static void test_unknown(void **state)
{
	static const uint16_t types[] = {RTM_GETRULE,    RTM_NEWQDISC,   RTM_GETCHAIN,
	                                 RTM_GETNEXTHOP, RTM_BASE + 900, 0xffff};
	nlq_request_handlers_table none = {{NULL, NULL, NULL, NULL, NULL}};
	struct nlq_msg *msg;

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		assert_int_equal(ask(nlq_createmsg(types[i], NLM_F_REQUEST, SEQ, 0)), -EOPNOTSUPP);
		assert_int_equal(ask(nlq_createmsg(types[i], NLM_F_REQUEST | NLM_F_DUMP, SEQ, 0)), -EOPNOTSUPP);
	}
	for (int type = RTM_NEWLINK; type <= RTM_SETLINK; type++) {
		msg = link_message((uint16_t)type, NLM_F_CREATE, 1, NULL);
		nlq_complete(msg);
		struct nlq_msg *replies = nlq_process_rtrequest(msg->nlq_packet, none, NULL);

		assert_int_equal(nlq_head(replies)->nlq_packet->nlmsg_pid, 1); /* as the request has it */
		nlq_head(replies)->nlq_packet->nlmsg_pid = PORT;
		assert_int_equal(status_of(replies), -EOPNOTSUPP);
		nlq_freemsg(msg);
	}
}

/* what is no request: nothing is done, and that is acknowledged when asked for */
static void test_no_request(void **state)
{
	struct nlq_msg *msg = link_message(RTM_DELLINK, 0, 0, "lo");

	(void)state;
	msg->nlq_packet->nlmsg_flags = 0;
	assert_int_equal(ask(msg), 1);
	msg = link_message(RTM_GETLINK, 0, 1, NULL);
	msg->nlq_packet->nlmsg_flags = NLM_F_ACK;
	assert_int_equal(ask(msg), 0);
	for (uint16_t type = NLMSG_NOOP; type < NLMSG_MIN_TYPE; type++) {
		assert_int_equal(ask(nlq_createmsg(type, NLM_F_REQUEST, SEQ, 0)), 1);
		assert_int_equal(ask(nlq_createmsg(type, NLM_F_REQUEST | NLM_F_ACK, SEQ, 0)), 0);
	}
}

/* ------------------------------------------------------------------------------------------------- errors, in full */

static void test_error_echo(void **state)
{
	struct nlq_msg *msg = link_message(RTM_DELLINK, NLM_F_ACK, 0, "nobody"), *replies;
	const struct nlmsghdr *reply;
	unsigned char request[64];
	size_t len;

	(void)state;
	nlq_complete(msg);
	len = msg->nlq_size;
	memcpy(request, msg->nlq_packet, len);
	replies = exchange(msg, 0);
	reply = nlq_head(replies)->nlq_packet;
	assert_int_equal(reply->nlmsg_len, 16 + 4 + len);
	assert_int_equal(reply->nlmsg_flags, 0);
	assert_memory_equal((const char *)reply + 20, request, len);
	nlq_free(&replies);

	/* the socket does not want the request */
	replies = exchange(link_message(RTM_DELLINK, NLM_F_ACK, 0, "nobody"), NLQ_CAP_ACK);
	reply = nlq_head(replies)->nlq_packet;
	assert_int_equal(reply->nlmsg_len, 16 + 4 + 16);
	assert_int_equal(reply->nlmsg_flags, NLM_F_CAPPED);
	assert_memory_equal((const char *)reply + 20, request, 12);
	nlq_free(&replies);

	/* success never comes with it */
	replies = exchange(link_message(RTM_SETLINK, NLM_F_ACK, 1, NULL), 0);
	reply = nlq_head(replies)->nlq_packet;
	assert_int_equal(reply->nlmsg_len, 16 + 4 + 16);
	assert_int_equal(reply->nlmsg_flags, NLM_F_CAPPED);
	nlq_free(&replies);
}

/* a request as long as a message can be, with an error at its end */
static void test_error_long(void **state)
{
	static unsigned char big[NLQ_MSG_MAX];
	struct nlq_msg *replies;

	(void)state;
	for (size_t len = NLQ_MSG_MAX - 1024; len <= NLQ_MSG_MAX - 32 - 4 - 12; len += 100) {
		struct nlq_msg *msg = link_message(RTM_NEWLINK, 0, 1, NULL);

		assert_int_equal(nlq_addattr(msg, 200, big, len), 0);
		assert_int_equal(nlq_addattr(msg, IFLA_MTU, big, 3), 0);
		replies = exchange(msg, NLQ_EXT_ACK);
		assert_true(nlq_head(replies)->nlq_packet->nlmsg_flags & NLM_F_ACK_TLVS);
		assert_true(nlq_head(replies)->nlq_size <= NLQ_MSG_MAX);
		assert_int_equal(status_of(replies), -ERANGE);
	}
}

static void test_extended_text(void **state)
{
	uint32_t mtu = 3;
	struct nlq_msg *msg = link_message(RTM_NEWLINK, NLM_F_ACK, 1, NULL), *replies;
	struct nlmsghdr *reply;
	const char *text;

	(void)state;
	nlq_addattr(msg, IFLA_MTU, &mtu, sizeof(mtu));
	replies = exchange(msg, NLQ_EXT_ACK | NLQ_CAP_ACK);
	reply = nlq_head(replies)->nlq_packet;
	assert_int_equal(reply->nlmsg_flags, NLM_F_CAPPED | NLM_F_ACK_TLVS);
	text = (const char *)reply + 16 + 4 + 16 + 4;
	assert_string_equal(text, "mtu less than device minimum");
	assert_int_equal(((const uint16_t *)(const void *)text)[-1], NLMSGERR_ATTR_MSG);
	assert_int_equal(*(const uint32_t *)(const void *)((const char *)reply + reply->nlmsg_len - 4), 32);
	assert_int_equal(status_of(replies), -EINVAL);

	/* a socket that does not know of it gets none */
	msg = link_message(RTM_NEWLINK, NLM_F_ACK, 1, NULL);
	nlq_addattr(msg, IFLA_MTU, &mtu, sizeof(mtu));
	replies = exchange(msg, NLQ_CAP_ACK);
	assert_int_equal(nlq_head(replies)->nlq_packet->nlmsg_len, 36);
	assert_int_equal(status_of(replies), -EINVAL);
}

/* nlq_error as handlers may use it: outside of requests, too long, then another error; nested in another request */
static int nested_errors;

static int get_never(void *entry, struct nlmsghdr *msg, struct nlattr **attr, struct nlq_msg **queue, void *stackinfo)
{
	(void)entry, (void)msg, (void)attr, (void)queue, (void)stackinfo;
	fail_msg("a handler was called");
	return 0;
}

static void *search_nesting(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	struct nlq_msg *inner;

	(void)msg, (void)attr;
	assert_int_equal(nlq_request_options(), NLQ_EXT_ACK | NLQ_CAP_ACK);
	nlq_error(-EBUSY, NULL, "%0200d", 7);
	inner = link_message(RTM_DELLINK, 0, 0, "nobody");
	assert_int_equal(nlq_server_rtdialog(inner, model_table, stackinfo, NULL, NULL, NULL, NULL), -ENODEV);
	assert_int_equal(nlq_request_options(), NLQ_EXT_ACK | NLQ_CAP_ACK);
	nested_errors++;
	return NULL;
}

static void test_nlq_error(void **state)
{
	nlq_request_handlers_table table = {[RTMF_ADDR] = {search_nesting, get_never, NULL, NULL, NULL}};
	struct nlq_msg *msg = addr_message(RTM_GETADDR, 0, "\1\2\3\4", 8, 1), *replies;
	const char *text;

	(void)state;
	assert_int_equal(nlq_error(-EPERM, NULL, "nobody listens"), -EPERM);
	assert_int_equal(nlq_request_options(), 0);
	nlq_complete(msg);
	replies = nlq_process_datagram(msg->nlq_packet, msg->nlq_size, table, model, PORT, NLQ_EXT_ACK | NLQ_CAP_ACK);
	nlq_freemsg(msg);
	assert_int_equal(nested_errors, 1);
	text = (const char *)nlq_head(replies)->nlq_packet + 40;
	assert_int_equal(strlen(text), 127);
	assert_int_equal(strspn(text, "0"), 127);
	assert_int_equal(status_of(replies), -EBUSY);
	assert_int_equal(nlq_request_options(), 0);
}

/* ------------------------------------------------------------------------------------------------------- datagrams */

/* several requests in one datagram, at every alignment, and cut at every length */
static void test_datagram(void **state)
{
	struct nlq_msg *tail = NULL, *replies;
	unsigned char datagram[512];
	size_t len = 0, start[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		nlq_enqueue(link_message(RTM_GETLINK, i == 1 ? NLM_F_ACK : 0, i == 2 ? 9 : 1, NULL), &tail);
	for (int i = 0; i < 3; i++, nlq_dropmsg(&tail)) {
		memcpy(datagram + len, nlq_head(tail)->nlq_packet, nlq_head(tail)->nlq_size);
		start[i] = len;
		len += nlq_head(tail)->nlq_size;
	}
	for (size_t shift = 0; shift < 8; shift++) {
		for (size_t cut = 0; cut <= len; cut++) {
			unsigned char *copy = malloc(shift + cut > 0 ? shift + cut : 1);
			unsigned int wanted = cut < start[1] ? 0 : cut < start[2] ? 1 : cut < len ? 3 : 4;

			memcpy(copy + shift, datagram, cut);
			replies = nlq_process_datagram(copy + shift, cut, model_table, model, PORT, 0);
			assert_int_equal(nlq_length(replies), wanted);
			nlq_free(&replies);
			free(copy);
		}
	}
	/* lengths that lie */
	for (uint32_t lie = 0; lie < 16; lie++) {
		memcpy(datagram + start[1], &lie, sizeof(lie));
		replies = nlq_process_datagram(datagram, len, model_table, model, PORT, 0);
		assert_int_equal(nlq_length(replies), 1);
		nlq_free(&replies);
	}
	struct nlmsghdr tiny = {.nlmsg_len = 3};

	assert_null(nlq_process_rtrequest(&tiny, model_table, model));
	assert_int_equal(errno, 0);
	assert_null(nlq_process_datagram(NULL, 0, model_table, model, PORT, 0));
}

/* a datagram full of dumps would be answered with a thousand times its length */
static void test_one_dump(void **state)
{
	struct nlq_msg *msg = dump_message(RTM_GETLINK, 0), *replies;
	unsigned char datagram[128];
	size_t len = msg->nlq_size;

	(void)state;
	nlq_complete(msg);
	for (int i = 0; i < 3; i++)
		memcpy(datagram + (size_t)i * len, msg->nlq_packet, len);
	nlq_freemsg(msg);
	replies = nlq_process_datagram(datagram, 3 * len, model_table, model, PORT, 0);
	assert_int_equal(nlq_length(replies), 4);
	assert_int_equal(nlq_head(replies)->nlq_packet->nlmsg_type, RTM_NEWLINK);
	nlq_dropmsg(&replies);
	assert_int_equal(nlq_head(replies)->nlq_packet->nlmsg_type, NLMSG_DONE);
	nlq_dropmsg(&replies);
	nlq_dropmsg(&replies);
	assert_int_equal(status_of(replies), -EBUSY);
	/* nor is there one while another has not been read; other requests are answered */
	replies = nlq_process_datagram(datagram, len, model_table, model, PORT, NLQ_DUMPING);
	assert_int_equal(status_of(replies), -EBUSY);
	replies = exchange(link_message(RTM_GETLINK, 0, 1, NULL), NLQ_DUMPING);
	assert_int_equal(nlq_length(replies), 1);
	assert_int_equal(nlq_head(replies)->nlq_packet->nlmsg_type, RTM_NEWLINK);
	nlq_free(&replies);
}

/* ------------------------------------------------------------------------------------------------------ new links */

static void test_echo(void **state)
{
	enum { NEW_IFINDEX = 49 };
	struct nlq_msg *msg, *replies;
	int fixed = 40;

	(void)state;
	for (int i = 0; i < 4; i++) {
		/* by its attribute or by its flag; with a name or without */
		msg = link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_ACK, 0, i < 2 ? (i == 0 ? "d0" : "d1") : NULL);
		if (i % 2 == 0)
			nlq_addattr(msg, NEW_IFINDEX, NULL, 0);
		else
			msg->nlq_packet->nlmsg_flags |= NLM_F_ECHO;
		replies = exchange(with_kind(msg, "dummy"), 0);
		assert_int_equal(nlq_length(replies), 2);
		assert_int_equal(nlq_head(replies)->nlq_packet->nlmsg_type, RTM_NEWLINK);
		assert_int_equal(nlq_head(replies)->nlq_packet->nlmsg_flags, 0);
		assert_int_equal(nlq_head(replies)->nlq_packet->nlmsg_seq, SEQ);
		assert_int_equal(nlq_head(replies)->nlq_packet->nlmsg_pid, PORT);
		assert_int_equal(((struct ifinfomsg *)NLMSG_DATA(nlq_head(replies)->nlq_packet))->ifi_index, 2 + i);
		nlq_dropmsg(&replies);
		assert_int_equal(status_of(replies), 0);
	}
	/* an index of one's own in that attribute is no question */
	msg = link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_ACK, 0, "d9");
	nlq_addattr(msg, NEW_IFINDEX, &fixed, sizeof(fixed));
	assert_int_equal(ask(with_kind(msg, "dummy")), 0);
	/* and a failure is only that */
	msg = link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_ECHO, 0, "x0");
	assert_int_equal(ask(with_kind(msg, "nothing")), -EOPNOTSUPP);
}

/* ---------------------------------------------------------------------------------------------------- notifications */

static void test_notifications(void **state)
{
	struct nlq_msg *out = NULL;
	static const struct {
		unsigned int group;
		int count;
	} wanted[] = {
	        {RTNLGRP_LINK, 4},        {RTNLGRP_NEIGH, 2},      {RTNLGRP_IPV4_IFADDR, 3},
	        {RTNLGRP_IPV6_IFADDR, 1}, {RTNLGRP_IPV4_ROUTE, 2}, {RTNLGRP_IPV6_ROUTE, 1},
	        {RTNLGRP_IPV4_RULE, 0},   {RTNLGRP_TC, 0},         {0, 0},
	};
	unsigned int sum = 0;

	(void)state;
	model->keep_changes = 1;
	furnish();
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		assert_int_equal(nlq_notification(model->changes, wanted[i].group, SEQ, PORT, &out), wanted[i].count);
		sum += (unsigned int)wanted[i].count;
		assert_int_equal(nlq_length(out), sum);
	}
	/* the new link and its change, each; up to here nobody was told twice and none was left out */
	assert_int_equal(nlq_length(model->changes), sum);
	for (struct nlq_msg *msg = nlq_head(out); msg != NULL; msg = nlq_next(out, msg)) {
		assert_int_equal(msg->nlq_packet->nlmsg_seq, SEQ);
		assert_int_equal(msg->nlq_packet->nlmsg_pid, PORT);
		assert_int_equal(msg->nlq_packet->nlmsg_flags & NLM_F_MULTI, 0);
		assert_int_equal(msg->nlq_packet->nlmsg_len, msg->nlq_size);
	}
	nlq_free(&out);
	nlq_free(&model->changes);
	assert_int_equal(ask(link_message(RTM_DELLINK, 0, 2, NULL)), 1);
	assert_int_equal(nlq_notification(model->changes, RTNLGRP_LINK, 0, 0, &out), 1);
	assert_int_equal(nlq_head(out)->nlq_packet->nlmsg_type, RTM_DELLINK);
	assert_int_equal(nlq_head(out)->nlq_packet->nlmsg_seq, 0);
	nlq_free(&out);

	struct nlmsghdr get = {.nlmsg_len = 16, .nlmsg_type = RTM_GETLINK},
	                empty = {.nlmsg_len = 16, .nlmsg_type = RTM_NEWADDR};

	assert_int_equal(nlq_notification_group(&get), 0);
	assert_int_equal(nlq_notification_group(&empty), 0); /* no family to tell the group */
}

/* -------------------------------------------------------------------------------------------------------- dialogues */

static int count_messages(struct nlmsghdr *msg, struct nlattr **attr, const void *argin, void *argout, void *argenv)
{
	assert_int_equal(msg->nlmsg_type, RTM_NEWLINK);
	assert_non_null(attr[IFLA_IFNAME]);
	assert_ptr_equal(argenv, model);
	++*(int *)argout;
	return *(int *)argout == *(const int *)argin ? -ECANCELED : 0;
}

static void test_dialog(void **state)
{
	int never_stop = 0, stop = 2, count = 0;
	struct nlq_msg *queue;

	(void)state;
	furnish();
	assert_int_equal(nlq_general_rtdialog(dump_message(RTM_GETLINK, 0), model_table, model, count_messages,
	                                      &never_stop, &count, model),
	                 0);
	assert_int_equal(count, 3);
	count = 0;
	assert_int_equal(nlq_server_rtdialog(dump_message(RTM_GETLINK, 0), model_table, model, count_messages, &stop,
	                                     &count, model),
	                 -ECANCELED);
	assert_int_equal(count, 2);
	count = 0;
	assert_int_equal(nlq_server_rtdialog(link_message(RTM_GETLINK, 0, 1, NULL), model_table, model, count_messages,
	                                     &never_stop, &count, model),
	                 0);
	assert_int_equal(count, 1);
	assert_int_equal(nlq_server_rtdialog(link_message(RTM_DELLINK, 0, 0, "nobody"), model_table, model, NULL, NULL,
	                                     NULL, NULL),
	                 -ENODEV);
	assert_int_equal(nlq_server_rtdialog(NULL, model_table, model, NULL, NULL, NULL, NULL), -ENOMEM);
	queue = nlq_createmsg(RTM_GETLINK, 0, 0, 0);
	nlq_add(queue, NULL, 5);
	assert_int_equal(nlq_server_rtdialog(queue, model_table, model, NULL, NULL, NULL, NULL), -EINVAL);

	/* a queue of replies by itself; it has to end somewhere */
	queue = exchange(dump_message(RTM_GETLINK, 0), 0);
	count = 0;
	assert_int_equal(nlq_server_process_rtreply(queue, count_messages, &never_stop, &count, model), 0);
	assert_int_equal(count, 3);
	assert_int_equal(nlq_server_process_rtreply(NULL, NULL, NULL, NULL, NULL), -EBADMSG);
	queue = NULL;
	nlq_enqueue(nlq_createmsg(NLMSG_NOOP, 0, 1, 0), &queue);
	assert_int_equal(nlq_server_process_rtreply(queue, NULL, NULL, NULL, NULL), -EBADMSG);
	assert_int_equal(nlq_process_null_cb(NULL, NULL, NULL, NULL, NULL), 0);
	errno = 0;
	assert_int_equal(nlq_return_errno(-ENOENT), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(nlq_return_errno(5), 5);
}

/* answers of a stack that is no friend */
static void test_bad_answers(void **state)
{
	static const struct {
		uint16_t type;
		int status;
		size_t len; /* of the status */
		int result;
	} list[] = {
	        {NLMSG_ERROR, 0, 20, 0},
	        {NLMSG_ERROR, -EPERM, 20, -EPERM},
	        {NLMSG_ERROR, 1, 20, -EBADMSG},
	        {NLMSG_ERROR, -5000, 20, -EBADMSG},
	        {NLMSG_ERROR, 0, 16, -EBADMSG},
	        {NLMSG_ERROR, 0, 0, -EBADMSG},
	        {NLMSG_DONE, 0, 4, 0},
	        {NLMSG_DONE, 0, 0, 0},
	        {NLMSG_DONE, -ENOMEM, 4, -ENOMEM},
	        {NLMSG_DONE, 7, 4, -EBADMSG},
	        {NLMSG_OVERRUN, 0, 0, -ENOBUFS},
	        {RTM_NEWLINK, 0, 4, -EBADMSG},
	        {RTM_NEWADDR, 0, 8, 0},
	        {RTM_NEWADDR, 0, 4, -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct nlq_msg *queue = NULL, *msg = nlq_createmsg(list[i].type, 0, SEQ, 0);
		unsigned char body[20] = {0};
		int result;

		memcpy(body, &list[i].status, sizeof(int));
		nlq_add(msg, body, list[i].len);
		nlq_enqueue(msg, &queue);
		result = nlq_server_process_rtreply(queue, NULL, NULL, NULL, NULL);
		if (result != list[i].result)
			fail_msg("case %zu: %d", i, result);
	}
	/* interrupted, and with something of another sequence in between */
	struct nlq_msg *queue = NULL;
	int never_stop = 0, count = 0;

	nlq_enqueue(nlq_createmsg(NLMSG_NOOP, 0, SEQ, 0), &queue);
	nlq_enqueue(nlq_createmsg(NLMSG_ERROR, 0, SEQ + 1, 0), &queue);
	nlq_enqueue(nlq_createmsg(NLMSG_DONE, NLM_F_MULTI | NLM_F_DUMP_INTR, SEQ, 0), &queue);
	assert_int_equal(nlq_server_process_rtreply(queue, count_messages, &never_stop, &count, model), -EINTR);
	assert_int_equal(count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(new),        TEST(get),           TEST(unknown),   TEST(no_request),  TEST(error_echo),
	        TEST(error_long), TEST(extended_text), TEST(nlq_error), TEST(datagram),    TEST(one_dump),
	        TEST(echo),       TEST(notifications), TEST(dialog),    TEST(bad_answers),
	};

	return cmocka_run_group_tests_name("nlq_server", tests, NULL, NULL);
}
