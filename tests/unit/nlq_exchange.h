/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nlq_exchange.h - requests to the model of nlq_model.h and their answers, for tests of the server side of libnlq.
 *
 * Included once, by a test program, after cmocka.h. Every test begins with a new model.
 */
#ifndef NLQ_EXCHANGE_H
#define NLQ_EXCHANGE_H

#include <linux/if_link.h>
#include <net/if.h>

#include "nlq_model.h"

#define SEQ 77
#define PORT 4711

static struct model *model;

static inline int setup(void **state)
{
	(void)state;
	model = model_new();
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	model_free(model);
	return 0;
}

static inline struct nlq_msg *link_message(uint16_t type, uint16_t flags, int index, const char *name)
{
	struct nlq_msg *msg = nlq_createmsg(type, (uint16_t)(flags | NLM_F_REQUEST), SEQ, 1);

	nlq_addstruct(msg, ifinfomsg, .ifi_index = index);
	if (name != NULL)
		nlq_addattr(msg, IFLA_IFNAME, name, strlen(name) + 1);
	return msg;
}

static inline struct nlq_msg *with_kind(struct nlq_msg *msg, const char *kind)
{
	struct nlq_msg *info = nlq_createxattr();

	nlq_addattr(info, IFLA_INFO_KIND, kind, strlen(kind)); /* without NUL, as iproute2 does */
	nlq_addxattr(msg, IFLA_LINKINFO, info);
	return msg;
}

/* send a message as the datagram of a socket; frees it */
static inline struct nlq_msg *exchange(struct nlq_msg *msg, unsigned int options)
{
	struct nlq_msg *replies;

	assert_int_equal(nlq_complete(msg), 0);
	errno = EIO;
	replies = nlq_process_datagram(msg->nlq_packet, msg->nlq_size, model_table, model, PORT, options);
	assert_int_equal(errno, 0);
	nlq_freemsg(msg);
	return replies;
}

/* the errno in the only reply; 1: there is none, 2: it is something else; frees the queue */
static inline int status_of(struct nlq_msg *replies)
{
	struct nlq_msg *head = nlq_head(replies);
	int status = head == NULL ? 1 : 2;

	if (head != NULL && nlq_length(replies) == 1 && head->nlq_packet->nlmsg_type == NLMSG_ERROR) {
		assert_int_equal(head->nlq_packet->nlmsg_seq, SEQ);
		assert_int_equal(head->nlq_packet->nlmsg_pid, PORT);
		status = ((struct nlmsgerr *)NLMSG_DATA(head->nlq_packet))->error;
	} else if (head != NULL && nlq_length(replies) == 1 &&
	           head->nlq_packet->nlmsg_type == NLMSG_DONE) { /* of a dump that failed */
		assert_int_equal(head->nlq_packet->nlmsg_seq, SEQ);
		assert_int_equal(head->nlq_packet->nlmsg_pid, PORT);
		assert_true(head->nlq_packet->nlmsg_flags & NLM_F_MULTI);
		assert_int_not_equal(*(int *)NLMSG_DATA(head->nlq_packet), 0);
		status = *(int *)NLMSG_DATA(head->nlq_packet);
	}
	nlq_free(&replies);
	return status;
}

static inline int ask(struct nlq_msg *msg)
{
	return status_of(exchange(msg, 0));
}

static inline void add_link(const char *name)
{
	assert_int_equal(
	        ask(with_kind(link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, 0, name), "dummy")), 0);
}

static inline struct nlq_msg *addr_message(uint16_t type, uint16_t flags, const char *addr, uint8_t len, uint32_t index)
{
	struct nlq_msg *msg = nlq_createmsg(type, (uint16_t)(flags | NLM_F_REQUEST), SEQ, 0);

	nlq_addstruct(msg, ifaddrmsg, .ifa_family = AF_INET, .ifa_prefixlen = len, .ifa_index = index);
	nlq_addattr(msg, IFA_LOCAL, addr, 4);
	return msg;
}

static inline struct nlq_msg *dump_message(uint16_t type, unsigned char family)
{
	struct nlq_msg *msg = nlq_createmsg(type, NLM_F_REQUEST | NLM_F_DUMP, SEQ, 0);
	unsigned char header[16] = {family};

	nlq_add(msg, header, type == RTM_GETLINK ? 16 : type == RTM_GETADDR ? 8 : 12);
	return msg;
}

/* two links up; three IPv4 addresses, one IPv6; their routes; a neighbour each */
static inline void furnish(void)
{
	static const unsigned char ip6[16] = {0xfd, [15] = 1};
	struct nlq_msg *msg;
	char name[] = "d0", addr[] = "\x0a\0\0\1";

	for (int i = 2; i <= 3; i++, name[1]++, addr[1]++) {
		add_link(name);
		msg = nlq_createmsg(RTM_NEWLINK, NLM_F_REQUEST, SEQ, 0);
		nlq_addstruct(msg, ifinfomsg, .ifi_index = i, .ifi_flags = IFF_UP, .ifi_change = IFF_UP);
		assert_int_equal(ask(msg), 1);
		assert_int_equal(ask(addr_message(RTM_NEWADDR, NLM_F_CREATE, addr, 24, (uint32_t)i)), 1);
		msg = nlq_createmsg(RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_CREATE, SEQ, 0);
		nlq_addstruct(msg, ndmsg, .ndm_family = AF_INET, .ndm_ifindex = i, .ndm_state = NUD_PERMANENT);
		nlq_addattr(msg, NDA_DST, "\x0a\0\0\x9", 4);
		assert_int_equal(ask(msg), 1);
	}
	assert_int_equal(ask(addr_message(RTM_NEWADDR, NLM_F_CREATE, "\x7f\0\0\1", 8, 1)), 1);
	msg = nlq_createmsg(RTM_NEWADDR, NLM_F_REQUEST | NLM_F_CREATE, SEQ, 0);
	nlq_addstruct(msg, ifaddrmsg, .ifa_family = AF_INET6, .ifa_prefixlen = 64, .ifa_index = 2);
	nlq_addattr(msg, IFA_LOCAL, ip6, sizeof(ip6));
	assert_int_equal(ask(msg), 1);
}

#endif
