/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_nlq_check.c - what requests must look like to reach a handler, and what dumps are limited to.
 */
#include <libnlq.h>
#include <linux/fib_rules.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <cmocka.h>

#include "nlq_exchange.h"

/* -------------------------------------------------------------------------------------------------- what is checked */

/* a handler must not be called */
static void *search_never(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	(void)msg, (void)attr, (void)stackinfo;
	fail_msg("a handler was called");
	return NULL;
}

static int get_never(void *entry, struct nlmsghdr *msg, struct nlattr **attr, struct nlq_msg **queue, void *stackinfo)
{
	(void)entry, (void)queue;
	return search_never(msg, attr, stackinfo) == NULL;
}

static nlq_request_handlers_table never = {
        [RTMF_LINK] = {search_never, get_never, NULL, NULL, NULL},
        [RTMF_ADDR] = {search_never, get_never, NULL, NULL, NULL},
        [RTMF_ROUTE] = {search_never, get_never, NULL, NULL, NULL},
        [RTMF_NEIGH] = {search_never, get_never, NULL, NULL, NULL},
        [RTMF_RULE] = {search_never, get_never, NULL, NULL, NULL},
        [RTMF_QDISC] = {search_never, get_never, NULL, NULL, NULL},
};

/* a request that is refused before a handler sees it; the offset in the extended error, 0 when there is none */
static uint32_t refused(struct nlq_msg *msg, int wanted, unsigned int options)
{
	struct nlq_msg *replies;
	struct nlmsghdr *reply;
	struct nlattr *attr[NLMSGERR_ATTR_OFFS + 1], *whole;
	bool dump;
	size_t at;
	int error;

	assert_int_equal(nlq_complete(msg), 0);
	/* A dump has begun when there is as much as a byte of its header, and ends as others do. */
	dump = (msg->nlq_packet->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP && msg->nlq_packet->nlmsg_len > NLMSG_HDRLEN &&
	       msg->nlq_packet->nlmsg_type % 4 == RTM_GET;
	replies = nlq_process_datagram(msg->nlq_packet, msg->nlq_size, never, NULL, PORT, options | NLQ_EXT_ACK);
	nlq_freemsg(msg);
	assert_int_equal(nlq_length(replies), 1);
	reply = nlq_head(replies)->nlq_packet;
	assert_int_equal(reply->nlmsg_type, dump ? NLMSG_DONE : NLMSG_ERROR);
	memcpy(&error, NLMSG_DATA(reply), sizeof(error));
	if (error != wanted)
		fail_msg("%d instead of %d", error, wanted);
	assert_true(reply->nlmsg_flags & NLM_F_ACK_TLVS);
	at = NLMSG_HDRLEN + sizeof(int);
	if (!dump)
		at += ((struct nlmsgerr *)NLMSG_DATA(reply))->msg.nlmsg_len;
	at = NLMSG_ALIGN(at);
	whole = malloc(4 + reply->nlmsg_len - at);
	whole->nla_len = (uint16_t)(4 + reply->nlmsg_len - at);
	whole->nla_type = 0;
	memcpy(whole + 1, (char *)reply + at, reply->nlmsg_len - at);
	assert_int_equal(nlq_parsexattr(whole, attr, NLMSGERR_ATTR_OFFS + 1), 0);
	assert_non_null(attr[NLMSGERR_ATTR_MSG]); /* there is always a text */
	at = nlq_attr_u32(attr[NLMSGERR_ATTR_OFFS], 0);
	free(whole);
	nlq_free(&replies);
	return (uint32_t)at;
}

static void test_lengths(void **state)
{
	static const uint16_t types[] = {RTM_GETLINK,  RTM_GETADDR, RTM_GETROUTE,
	                                 RTM_GETNEIGH, RTM_GETRULE, RTM_GETQDISC};
	static const unsigned char size[] = {16, 8, 12, 12, 12, 20};
	static const unsigned char zero[20];

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		for (size_t len = 0; len < size[i]; len += 4) {
			struct nlq_msg *msg = nlq_createmsg(types[i], NLM_F_REQUEST, SEQ, 0);

			nlq_add(msg, zero, len);
			assert_int_equal(refused(msg, -EINVAL, 0), 0);
		}
		/* a dump may do with the family, but not with less, and strictly with nothing less than all */
		assert_int_equal(refused(nlq_createmsg(types[i], NLM_F_REQUEST | NLM_F_DUMP, SEQ, 0), -EINVAL, 0), 0);
		struct nlq_msg *msg = nlq_createmsg(types[i], NLM_F_REQUEST | NLM_F_DUMP, SEQ, 0);

		nlq_add(msg, zero, 4);
		assert_int_equal(refused(msg, -EINVAL, NLQ_STRICT_CHK), 0);
	}
}

static void test_policy(void **state)
{
	static const unsigned char bytes[512] = "abcdefghijklmnopqrstuvwxyz", bad_list[] = {9, 0, 1, 0, 0, 0, 0, 0};
	static const unsigned char short_mtu[] = {7, 0, RTAX_MTU, 0, 1, 2, 3, 0};
	static char text[300];
	static const struct {
		uint16_t type;        /* of the message */
		unsigned char family; /* in it */
		uint16_t attr;
		const void *data;
		size_t len;
		int result;
	} list[] = {
	        {RTM_NEWLINK, 0, IFLA_MTU, bytes, 3, -ERANGE},
	        {RTM_NEWLINK, 0, IFLA_MTU, bytes, 0, -ERANGE},
	        {RTM_NEWLINK, 0, IFLA_OPERSTATE, bytes, 0, -ERANGE},
	        {RTM_NEWLINK, 0, IFLA_ADDRESS, bytes, 0, -ERANGE},
	        {RTM_NEWLINK, 0, IFLA_ADDRESS, bytes, 33, -ERANGE},
	        {RTM_NEWLINK, 0, IFLA_IFNAME, text, 16, -ERANGE},
	        {RTM_NEWLINK, 0, IFLA_IFALIAS, text, 256, -ERANGE},
	        {RTM_NEWLINK, 0, IFLA_LINKINFO, bytes, 3, -EINVAL},
	        {RTM_NEWLINK, 0, IFLA_LINKINFO, bad_list, sizeof(bad_list), -EINVAL},
	        {RTM_NEWLINK, 0, IFLA_AF_SPEC | NLA_F_NESTED, bad_list, sizeof(bad_list), -EINVAL},
	        {RTM_NEWADDR, AF_INET, IFA_LOCAL, bytes, 3, -ERANGE},
	        {RTM_NEWADDR, AF_INET, IFA_LOCAL, bytes, 16, -ERANGE},
	        {RTM_NEWADDR, AF_INET6, IFA_LOCAL, bytes, 4, -ERANGE},
	        {RTM_NEWADDR, AF_INET6, IFA_ADDRESS, bytes, 17, -ERANGE},
	        {RTM_NEWADDR, AF_INET, IFA_CACHEINFO, bytes, 15, -ERANGE},
	        {RTM_NEWADDR, AF_INET, IFA_LABEL, text, 16, -ERANGE},
	        {RTM_NEWADDR, AF_INET, IFA_FLAGS, bytes, 1, -ERANGE},
	        {RTM_NEWROUTE, AF_INET, RTA_DST, bytes, 2, -ERANGE},
	        {RTM_NEWROUTE, AF_INET6, RTA_GATEWAY, bytes, 4, -ERANGE},
	        {RTM_NEWROUTE, AF_INET, RTA_OIF, bytes, 2, -ERANGE},
	        {RTM_NEWROUTE, AF_INET, RTA_MULTIPATH, bytes, 7, -ERANGE},
	        {RTM_NEWROUTE, AF_INET, RTA_METRICS, short_mtu, sizeof(short_mtu), -ERANGE},
	        {RTM_NEWROUTE, AF_INET, RTA_METRICS, bad_list, sizeof(bad_list), -EINVAL},
	        {RTM_NEWNEIGH, AF_INET, NDA_DST, bytes, 5, -ERANGE},
	        {RTM_NEWNEIGH, AF_INET6, NDA_LLADDR, bytes, 40, -ERANGE},
	        {RTM_NEWRULE, AF_INET, FRA_TUN_ID, bytes, 7, -ERANGE},
	        {RTM_NEWRULE, AF_INET, FRA_IIFNAME, text, 20, -ERANGE},
	        {RTM_NEWQDISC, 0, TCA_KIND, text, 20, -ERANGE},
	};

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct nlq_msg *msg = nlq_createmsg(list[i].type, NLM_F_REQUEST, SEQ, 0);
		unsigned char header[20] = {list[i].family};
		uint16_t fixed = list[i].type == RTM_NEWLINK    ? 16
		                 : list[i].type == RTM_NEWADDR  ? 8
		                 : list[i].type == RTM_NEWQDISC ? 20
		                                                : 12;

		nlq_add(msg, header, fixed);
		nlq_addattr(msg, 200, bytes, 5); /* unknown, but a good attribute */
		nlq_addattr(msg, list[i].attr, list[i].data, list[i].len);
		uint32_t at = refused(msg, list[i].result, 0);

		/* the offset is that of the attribute, or of one nested in it */
		if (at < 16U + fixed + 12U)
			fail_msg("case %zu: offset %u", i, at);
	}
}

static void test_prefix_lengths(void **state)
{
	(void)state;
	refused(addr_message(RTM_NEWADDR, NLM_F_CREATE, "\x0a\0\0\1", 33, 1), -EINVAL, 0);
	for (int family = AF_INET; family <= AF_INET6; family += AF_INET6 - AF_INET) {
		uint8_t len = family == AF_INET ? 33 : 129;
		struct nlq_msg *msg = nlq_createmsg(RTM_NEWROUTE, NLM_F_REQUEST, SEQ, 0);

		nlq_addstruct(msg, rtmsg, .rtm_family = (uint8_t)family, .rtm_dst_len = len);
		refused(msg, -EINVAL, 0);
		msg = nlq_createmsg(RTM_GETROUTE, NLM_F_REQUEST, SEQ, 0);
		nlq_addstruct(msg, rtmsg, .rtm_family = (uint8_t)family, .rtm_src_len = len);
		refused(msg, -EINVAL, 0);
		msg = nlq_createmsg(RTM_NEWRULE, NLM_F_REQUEST, SEQ, 0);
		nlq_addstruct(msg, fib_rule_hdr, .family = (uint8_t)family, .dst_len = len);
		refused(msg, -EINVAL, 0);
	}
}

static void test_leftover(void **state)
{
	static const unsigned char rubbish[][8] = {{1, 0, 3, 0}, {0}, {60, 0, 3, 0}, {8, 0, 4, 0, 0, 0, 0, 0}};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct nlq_msg *msg = link_message(RTM_NEWLINK, 0, 1, NULL);

		nlq_add(msg, rubbish[i], 4);
		refused(msg, -EINVAL, 0);
	}
	struct nlq_msg *msg = link_message(RTM_NEWLINK, NLM_F_ACK, 1, NULL);

	nlq_add(msg, rubbish[3], 5); /* half an attribute */
	msg->nlq_size = 16 + 16 + 5;
	refused(msg, -EINVAL, 0);
}

/* ----------------------------------------------------------------------------------------------------------- dumps */

/* a dump: how many objects, and how it ended; checks every message of it */
static unsigned int dump(struct nlq_msg *msg, unsigned int options, uint16_t flags)
{
	struct nlq_msg *replies = exchange(msg, options);
	unsigned int count = nlq_length(replies);

	assert_true(count > 0);
	for (struct nlq_msg *reply = nlq_head(replies); reply != NULL; reply = nlq_next(replies, reply)) {
		struct nlmsghdr *header = reply->nlq_packet;

		assert_int_equal(header->nlmsg_seq, SEQ);
		assert_int_equal(header->nlmsg_pid, PORT);
		assert_int_equal(header->nlmsg_flags, NLM_F_MULTI | flags);
		assert_int_equal(header->nlmsg_type == NLMSG_DONE, reply == replies);
	}
	assert_int_equal(*(int *)NLMSG_DATA(replies->nlq_packet), 0);
	nlq_free(&replies);
	return count - 1;
}

static void test_dump(void **state)
{
	(void)state;
	furnish();
	assert_int_equal(dump(dump_message(RTM_GETLINK, AF_UNSPEC), 0, 0), 3);
	assert_int_equal(dump(dump_message(RTM_GETLINK, AF_PACKET), 0, 0), 3);
	assert_int_equal(dump(dump_message(RTM_GETADDR, AF_UNSPEC), 0, 0), 4);
	assert_int_equal(dump(dump_message(RTM_GETADDR, AF_INET), 0, 0), 3);
	assert_int_equal(dump(dump_message(RTM_GETADDR, AF_INET6), 0, 0), 1);
	assert_int_equal(dump(dump_message(RTM_GETADDR, AF_MPLS), 0, 0), 0);
	assert_int_equal(dump(dump_message(RTM_GETROUTE, AF_INET), 0, 0), 2);
	assert_int_equal(dump(dump_message(RTM_GETROUTE, AF_INET6), 0, 0), 1);
	assert_int_equal(dump(dump_message(RTM_GETROUTE, AF_UNSPEC), 0, 0), 3);
	assert_int_equal(dump(dump_message(RTM_GETNEIGH, AF_UNSPEC), 0, 0), 2);
	assert_int_equal(dump(dump_message(RTM_GETNEIGH, AF_INET6), 0, 0), 0);
}

/* requests as old programs make them: a family alone; the header of links for everything, and rubbish behind it */
static void test_dump_old(void **state)
{
	static const uint16_t types[] = {RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH};
	static const unsigned int wanted[] = {3, 4, 3, 2};

	(void)state;
	furnish();
	for (size_t i = 0; i < 4; i++) {
		struct nlq_msg *msg = nlq_createmsg(types[i], NLM_F_REQUEST | NLM_F_DUMP, SEQ, 0);

		nlq_addstruct(msg, rtgenmsg, .rtgen_family = AF_UNSPEC);
		assert_int_equal(dump(msg, 0, 0), wanted[i]);
		msg = nlq_createmsg(types[i], NLM_F_REQUEST | NLM_F_DUMP, SEQ, 0);
		nlq_addstruct(msg, rtgenmsg, .rtgen_family = AF_UNSPEC);
		msg->nlq_size = 17; /* not even padded */
		assert_int_equal(dump(msg, 0, 0), wanted[i]);
		msg = nlq_createmsg(types[i], NLM_F_REQUEST | NLM_F_DUMP, SEQ, 0);
		nlq_addstruct(msg, ifinfomsg, .ifi_change = ~0U, .ifi_index = -1, .ifi_flags = 0x30005);
		nlq_addattr(msg, IFLA_EXT_MASK, "\1\0\0\0", 4);
		assert_int_equal(dump(msg, 0, 0), wanted[i]);
	}
}

static void test_dump_strict(void **state)
{
	uint32_t index = 2, table = RT_TABLE_MAIN, other = 99;
	struct nlq_msg *msg;

	(void)state;
	furnish();
	assert_int_equal(dump(dump_message(RTM_GETLINK, AF_UNSPEC), NLQ_STRICT_CHK, 0), 3);
	assert_int_equal(dump(dump_message(RTM_GETROUTE, AF_INET), NLQ_STRICT_CHK, 0), 2);

	msg = nlq_createmsg(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, SEQ, 0);
	nlq_addstruct(msg, ifaddrmsg, .ifa_index = index);
	assert_int_equal(dump(msg, NLQ_STRICT_CHK, NLM_F_DUMP_FILTERED), 2);
	msg = nlq_createmsg(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, SEQ, 0);
	nlq_addstruct(msg, ifaddrmsg, .ifa_index = index);
	assert_int_equal(dump(msg, 0, 0), 4); /* rubbish, who knows */

	msg = dump_message(RTM_GETROUTE, AF_UNSPEC);
	nlq_addattr(msg, RTA_OIF, &index, sizeof(index));
	nlq_addattr(msg, RTA_TABLE, &table, sizeof(table));
	assert_int_equal(dump(msg, NLQ_STRICT_CHK, NLM_F_DUMP_FILTERED), 2);
	msg = dump_message(RTM_GETROUTE, AF_UNSPEC);
	nlq_addattr(msg, RTA_TABLE, &other, sizeof(other));
	assert_int_equal(dump(msg, NLQ_STRICT_CHK, NLM_F_DUMP_FILTERED), 0);
	msg = nlq_createmsg(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, SEQ, 0);
	nlq_addstruct(msg, rtmsg, .rtm_family = AF_INET, .rtm_protocol = RTPROT_STATIC);
	assert_int_equal(dump(msg, NLQ_STRICT_CHK, NLM_F_DUMP_FILTERED), 0);
	msg = nlq_createmsg(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, SEQ, 0);
	nlq_addstruct(msg, rtmsg, .rtm_family = AF_INET, .rtm_type = RTN_UNICAST);
	assert_int_equal(dump(msg, NLQ_STRICT_CHK, NLM_F_DUMP_FILTERED), 2);

	for (unsigned int options = 0; options <= NLQ_STRICT_CHK; options += NLQ_STRICT_CHK) { /* these always count */
		msg = dump_message(RTM_GETNEIGH, AF_UNSPEC);
		nlq_addattr(msg, NDA_IFINDEX, &index, sizeof(index));
		assert_int_equal(dump(msg, options, NLM_F_DUMP_FILTERED), 1);
		assert_int_equal(dump(with_kind(dump_message(RTM_GETLINK, 0), "dummy"), options, NLM_F_DUMP_FILTERED),
		                 2);
		assert_int_equal(dump(with_kind(dump_message(RTM_GETLINK, 0), "dum"), options, NLM_F_DUMP_FILTERED), 0);
		msg = dump_message(RTM_GETLINK, AF_UNSPEC);
		nlq_addattr(msg, IFLA_MASTER, &index, sizeof(index));
		assert_int_equal(dump(msg, options, NLM_F_DUMP_FILTERED), 0);
	}
}

static void test_strict_refused(void **state)
{
	static const struct {
		uint16_t type;
		unsigned char at; /* byte of the fixed header that is not zero */
	} list[] = {
	        {RTM_GETLINK, 1},  {RTM_GETLINK, 2},  {RTM_GETLINK, 4},   {RTM_GETLINK, 8},   {RTM_GETLINK, 12},
	        {RTM_GETADDR, 1},  {RTM_GETADDR, 2},  {RTM_GETADDR, 3},   {RTM_GETROUTE, 1},  {RTM_GETROUTE, 2},
	        {RTM_GETROUTE, 3}, {RTM_GETROUTE, 6}, {RTM_GETROUTE, 8},  {RTM_GETNEIGH, 1},  {RTM_GETNEIGH, 2},
	        {RTM_GETNEIGH, 4}, {RTM_GETNEIGH, 8}, {RTM_GETNEIGH, 10}, {RTM_GETNEIGH, 11}, {RTM_GETRULE, 1},
	        {RTM_GETRULE, 2},  {RTM_GETRULE, 4},  {RTM_GETRULE, 7},   {RTM_GETRULE, 8},
	};
	struct nlq_msg *msg;

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		msg = dump_message(list[i].type, AF_INET);
		((unsigned char *)NLMSG_DATA(msg->nlq_packet))[list[i].at] = 1;
		refused(msg, -EINVAL, NLQ_STRICT_CHK);
	}
	/* attributes that are not understood */
	for (uint16_t type = RTM_GETADDR; type <= RTM_GETRULE; type = (uint16_t)(type + 4)) {
		msg = dump_message(type, AF_INET);
		nlq_addattr(msg, 99, NULL, 0);
		assert_int_equal(refused(msg, -EINVAL, NLQ_STRICT_CHK), type == RTM_GETADDR ? 24 : 28);
		msg = dump_message(type, AF_INET);
		nlq_add(msg, "\1\0\0\0", 4);
		refused(msg, -EINVAL, NLQ_STRICT_CHK);
	}
}

/* all or nothing: a handler fails after it has given a part */
static void test_dump_fails(void **state)
{
	(void)state;
	furnish();
	model->fail_get = 2;
	assert_int_equal(ask(dump_message(RTM_GETADDR, AF_UNSPEC)), -ENOMEM);
	model->fail_get = 0;
	assert_int_equal(dump(dump_message(RTM_GETADDR, AF_UNSPEC), 0, 0), 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(lengths),  TEST(policy),      TEST(prefix_lengths), TEST(leftover),   TEST(dump),
	        TEST(dump_old), TEST(dump_strict), TEST(strict_refused), TEST(dump_fails),
	};

	return cmocka_run_group_tests_name("nlq_check", tests, NULL, NULL);
}
