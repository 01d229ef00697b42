/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_nlq_server.c - any bytes as datagrams of requests to the server side of libnlq, with the handlers of a whole
 * stack.
 *
 * Input: a byte of options, then datagrams, each behind two bytes of length. What the stack answers must be messages of
 * the promised form, addressed to the one who asked; joined and sorted by group nothing may get lost.
 */
#include "nlq_model.h"

#include <linux/if_link.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PORT 4711

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** check - a promise of the header */
static void check(bool kept)
{
	if (!kept)
		abort();
}

/** check_reply - a single answer */
static void check_reply(const struct nlq_msg *reply)
{
	struct nlmsghdr *header = reply->nlq_packet;
	struct nlattr *attr[NLQ_ATTRS];
	int status = 0;

	check(header->nlmsg_len == reply->nlq_size && reply->nlq_size <= NLQ_MSG_MAX && reply->nlq_size % 4 == 0);
	check(header->nlmsg_pid == PORT);
	if (header->nlmsg_type == NLMSG_ERROR || header->nlmsg_type == NLMSG_DONE) {
		check(header->nlmsg_len >= NLMSG_HDRLEN + sizeof(status));
		memcpy(&status, NLMSG_DATA(header), sizeof(status));
		check(status <= 0 && status > -4096);
		return;
	}
	check(nlq_parsemsg(header, attr, NLQ_ATTRS) == 0);
}

/** bytes_of - what is in a queue */
static size_t bytes_of(const struct nlq_msg *queue)
{
	size_t bytes = 0;

	for (const struct nlq_msg *msg = nlq_head(queue); msg != NULL; msg = nlq_next(queue, msg))
		bytes += msg->nlq_size;
	return bytes;
}

/** check_changes - every notification has one group, and each group's are there */
static void check_changes(const struct nlq_msg *changes)
{
	struct nlq_msg *told = NULL;

	for (unsigned int group = 1; group < 32; group++)
		check(nlq_notification(changes, group, 1, PORT, &told) >= 0);
	check(nlq_length(told) == nlq_length(changes) && bytes_of(told) == bytes_of(changes));
	nlq_free(&told);
}

/** serve - one datagram of requests */
static void serve(struct model *model, const void *datagram, size_t len, unsigned int options)
{
	struct nlq_msg *replies = nlq_process_datagram(datagram, len, model_table, model, PORT, options);
	unsigned int dumps = 0;
	size_t bytes;

	check(errno == 0);
	for (struct nlq_msg *reply = nlq_head(replies); reply != NULL; reply = nlq_next(replies, reply)) {
		check_reply(reply);
		dumps += reply->nlq_packet->nlmsg_type == NLMSG_DONE;
	}
	check(dumps <= 1);
	bytes = bytes_of(replies);
	nlq_pack(&replies, 4096);
	check(bytes_of(replies) == bytes);
	nlq_free(&replies);
	check_changes(model->changes);
	nlq_free(&model->changes);
}

/** serve_message - a request that is well formed; frees it */
static void serve_message(struct model *model, struct nlq_msg *msg)
{
	check(nlq_complete(msg) == 0);
	serve(model, msg->nlq_packet, msg->nlq_size, 0);
	nlq_freemsg(msg);
}

/** furnish - a link that is up, with an address and a neighbour */
static void furnish(struct model *model)
{
	const uint16_t flags = NLM_F_REQUEST | NLM_F_CREATE;
	struct nlq_msg *msg = nlq_createmsg(RTM_NEWLINK, flags, 1, 0), *info = nlq_createxattr();

	nlq_addstruct(msg, ifinfomsg, .ifi_flags = IFF_UP, .ifi_change = IFF_UP);
	nlq_addattr(info, IFLA_INFO_KIND, "dummy", 5);
	nlq_addxattr(msg, IFLA_LINKINFO, info);
	serve_message(model, msg);
	msg = nlq_createmsg(RTM_NEWADDR, flags, 2, 0);
	nlq_addstruct(msg, ifaddrmsg, .ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = 2);
	nlq_addattr(msg, IFA_LOCAL, "\x0a\0\0\1", 4);
	serve_message(model, msg);
	msg = nlq_createmsg(RTM_NEWNEIGH, flags, 3, 0);
	nlq_addstruct(msg, ndmsg, .ndm_family = AF_INET, .ndm_ifindex = 2, .ndm_state = NUD_PERMANENT);
	nlq_addattr(msg, NDA_DST, "\x0a\0\0\x09", 4);
	serve_message(model, msg);
	check(model->count == 5); /* two links, an address, its route, a neighbour */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct model *model = model_new();
	unsigned int options = size > 0 ? data[0] & 7 : 0;

	model->keep_changes = 1;
	furnish(model);
	for (size_t at = 1; at + 2 <= size;) {
		size_t len = data[at] | (size_t)data[at + 1] << 8;

		at += 2;
		len = len > size - at ? size - at : len;
		serve(model, data + at, len, options);
		at += len;
	}
	model_free(model);
	return 0;
}
