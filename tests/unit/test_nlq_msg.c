/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_nlq_msg.c - messages, queues and the reader of attributes of libnlq.
 */
#include <libnlq.h>
#include <linux/if_link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---------------------------------------------------------------------------------------------------- building */

static void test_layout(void **state)
{
	static const unsigned char wanted[] = {
	        44, 0, 0, 0, 18,  0,   1, 3, 7, 0, 0, 0, 9, 0, 0, 0, /* header */
	        0,  0, 0, 0, 5,   0,   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* struct ifinfomsg */
	        7,  0, 3, 0, 'l', 'o', 0, 0,                         /* a string and a byte of padding */
	        4,  0, 8, 0,                                         /* an attribute without value */
	};
	struct nlq_msg *msg = nlq_createmsg(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 7, 9);

	(void)state;
	assert_int_equal(msg->nlq_size, 16);
	assert_int_equal(nlq_addstruct(msg, ifinfomsg, .ifi_index = 5), 0);
	assert_int_equal(nlq_addattr(msg, 3, "lo", 3), 0);
	assert_int_equal(nlq_addattr(msg, 8, NULL, 0), 0);
	assert_int_equal(nlq_complete(msg), 0);
	assert_int_equal(msg->nlq_size, sizeof(wanted));
	assert_memory_equal(msg->nlq_packet, wanted, sizeof(wanted));
	nlq_freemsg(msg);

	/* the tag may come with its keyword, and a structure of any length is padded */
	msg = nlq_createmsg(RTM_GETROUTE, 0, 0, 0);
	assert_int_equal(nlq_addstruct(msg, struct rtgenmsg, .rtgen_family = AF_INET), 0);
	assert_int_equal(msg->nlq_size, 20);
	assert_int_equal(((unsigned char *)msg->nlq_packet)[16], AF_INET);
	nlq_freemsg(msg);
	nlq_freemsg(NULL);
}

static void test_nested(void **state)
{
	static const unsigned char wanted[] = {
	        24, 0, 18, 0,                                 /* IFLA_LINKINFO */
	        8,  0, 1,  0, 'v', 'd', 'e', 0,               /* kind */
	        12, 0, 2,  0, 5,   0,   1,   0, 'x', 0, 0, 0, /* data: a list of one byte, padded */
	};
	struct nlq_msg *msg = nlq_createmsg(RTM_NEWLINK, 0, 0, 0), *info = nlq_createxattr(), *data = nlq_createxattr();

	(void)state;
	nlq_addattr(info, IFLA_INFO_KIND, "vde", 4);
	nlq_addattr(data, 1, "x", 1);
	assert_int_equal(nlq_addxattr(info, IFLA_INFO_DATA, data), 0);
	assert_int_equal(nlq_addxattr(msg, IFLA_LINKINFO, info), 0);
	assert_int_equal(msg->nlq_size, 16 + sizeof(wanted));
	assert_memory_equal((unsigned char *)msg->nlq_packet + 16, wanted, sizeof(wanted));
	nlq_freemsg(msg);
}

/* from inside the object to the heap and on, one attribute at a time, up to the limit and not past it */
static void test_growth(void **state)
{
	struct nlq_msg *msg = nlq_createmsg(RTM_NEWLINK, 0, 0, 0);
	unsigned char value[28];
	size_t fitted = 0, last;

	(void)state;
	for (;;) {
		memset(value, (int)(fitted & 0xff), sizeof(value));
		last = msg->nlq_size;
		if (nlq_addattr(msg, (uint16_t)(fitted & 0x3fff), value, sizeof(value)) < 0)
			break;
		fitted++;
	}
	assert_int_equal(fitted, (NLQ_MSG_MAX - 16) / 32);
	assert_int_equal(msg->nlq_size, last);
	for (size_t i = 0; i < fitted; i++) {
		const unsigned char *attr = (unsigned char *)msg->nlq_packet + 16 + 32 * i;

		assert_int_equal(attr[0], 32);
		assert_int_equal(attr[2], i & 0xff);
		assert_int_equal(attr[4], i & 0xff);
		assert_int_equal(attr[31], i & 0xff);
	}
	/* the error stays, whatever is tried */
	assert_int_equal(nlq_add(msg, value, 1), -EMSGSIZE);
	assert_int_equal(nlq_addattr(msg, 1, NULL, 0), -EMSGSIZE);
	assert_int_equal(nlq_addxattr(msg, 1, nlq_createxattr()), -EMSGSIZE);
	assert_int_equal(nlq_complete(msg), -EMSGSIZE);
	assert_int_equal(msg->nlq_size, last);
	nlq_freemsg(msg);
}

static void test_limits(void **state)
{
	static unsigned char big[NLQ_MSG_MAX + 8];
	struct nlq_msg *msg = nlq_createmsg(RTM_NEWLINK, 0, 0, 0), *tail = NULL;

	(void)state;
	assert_int_equal(nlq_add(msg, big, NLQ_MSG_MAX - 16), 0);
	assert_int_equal(msg->nlq_size, NLQ_MSG_MAX);
	assert_int_equal(nlq_add(msg, big, 0), 0);
	assert_int_equal(nlq_add(msg, big, 1), -EMSGSIZE);
	nlq_freemsg(msg);

	/* the length of an attribute has 16 bits */
	msg = nlq_createxattr();
	assert_int_equal(nlq_addattr(msg, 1, big, 65531), 0);
	assert_int_equal(msg->nlq_size, 65536);
	nlq_freemsg(msg);
	msg = nlq_createxattr();
	assert_int_equal(nlq_addattr(msg, 1, big, 65532), -EMSGSIZE);
	nlq_freemsg(msg);
	for (size_t len = SIZE_MAX; len > SIZE_MAX / 2; len = len / 2 + 1) {
		msg = nlq_createmsg(0, 0, 0, 0);
		assert_int_equal(nlq_add(msg, big, len), -EMSGSIZE);
		nlq_freemsg(msg);
		msg = nlq_createmsg(0, 0, 0, 0);
		assert_int_equal(nlq_addattr(msg, 0, big, len), -EMSGSIZE);
		nlq_freemsg(msg);
	}

	/* no data, an error in what is nested, no message at all */
	msg = nlq_createmsg(RTM_NEWLINK, 0, 0, 0);
	assert_int_equal(nlq_add(msg, NULL, 1), -EINVAL);
	assert_int_equal(nlq_addattr(msg, 1, big, 1), -EINVAL);
	assert_int_equal(nlq_enqueue(msg, &tail), -EINVAL);
	assert_null(tail);
	msg = nlq_createxattr();
	nlq_addattr(msg, 1, NULL, 3);
	struct nlq_msg *outer = nlq_createmsg(RTM_NEWLINK, 0, 0, 0);

	assert_int_equal(nlq_addxattr(outer, 1, msg), -EINVAL);
	assert_int_equal(nlq_complete(outer), -EINVAL);
	nlq_freemsg(outer);
	assert_int_equal(nlq_add(NULL, big, 1), -ENOMEM);
	assert_int_equal(nlq_addattr(NULL, 1, big, 1), -ENOMEM);
	assert_int_equal(nlq_addxattr(NULL, 1, nlq_createxattr()), -ENOMEM);
	assert_int_equal(nlq_addxattr(NULL, 1, NULL), -ENOMEM);
	assert_int_equal(nlq_complete(NULL), -ENOMEM);
	assert_int_equal(nlq_complete_enqueue(NULL, &tail), -ENOMEM);
	assert_null(tail);
}

/* ------------------------------------------------------------------------------------------------------ queues */

static struct nlq_msg *numbered(uint32_t seq)
{
	return nlq_createmsg(RTM_NEWLINK, 0, seq, 0);
}

static void test_queue(void **state)
{
	struct nlq_msg *tail = NULL, *other = NULL, *msg;

	(void)state;
	assert_null(nlq_head(tail));
	assert_null(nlq_dequeue(&tail));
	assert_int_equal(nlq_length(tail), 0);
	nlq_dropmsg(&tail);
	nlq_free(&tail);
	for (uint32_t i = 1; i <= 5; i++) {
		assert_int_equal(nlq_enqueue(numbered(i), &tail), 0);
		assert_int_equal(tail->nlq_packet->nlmsg_seq, i);
		assert_int_equal(nlq_head(tail)->nlq_packet->nlmsg_seq, 1);
		assert_int_equal(nlq_length(tail), i);
	}
	msg = nlq_dequeue(&tail);
	assert_int_equal(msg->nlq_packet->nlmsg_seq, 1);
	nlq_freemsg(msg);
	nlq_dropmsg(&tail);
	assert_int_equal(nlq_length(tail), 3);

	nlq_append(&tail, &other);
	nlq_append(&other, &tail);
	assert_null(tail);
	assert_int_equal(nlq_length(other), 3);
	nlq_enqueue(numbered(6), &tail);
	nlq_enqueue(numbered(7), &tail);
	nlq_append(&other, &tail);
	assert_null(tail);
	uint32_t wanted = 3;

	for (msg = nlq_head(other); msg != NULL; msg = nlq_next(other, msg))
		assert_int_equal(msg->nlq_packet->nlmsg_seq, wanted++);
	assert_int_equal(wanted, 8);
	for (wanted = 3; (msg = nlq_dequeue(&other)) != NULL; wanted++) {
		assert_int_equal(msg->nlq_packet->nlmsg_seq, wanted);
		nlq_freemsg(msg);
	}
	assert_int_equal(wanted, 8);
	assert_null(other);
	nlq_enqueue(numbered(1), &tail);
	nlq_enqueue(numbered(2), &tail);
	nlq_free(&tail);
	assert_null(tail);
}

static void test_pack(void **state)
{
	static unsigned char big[300];
	struct nlq_msg *tail = NULL, *msg;
	unsigned int messages = 0;
	uint16_t flags;

	(void)state;
	/* 40 parts of one answer, one message by itself, two more parts, the first of which is too long */
	for (uint32_t i = 0; i < 43; i++) {
		flags = i == 40 ? 0 : NLM_F_MULTI;
		msg = nlq_createmsg(RTM_NEWLINK, flags, i, 0);
		nlq_add(msg, big, i == 41 ? sizeof(big) : 4);
		nlq_enqueue(msg, &tail);
	}
	nlq_pack(&tail, 256);
	assert_int_equal(nlq_length(tail), 4 + 1 + 2); /* twelve of 20 bytes in each */
	for (msg = nlq_head(tail); msg != NULL; msg = nlq_next(tail, msg)) {
		struct nlmsghdr *part = msg->nlq_packet;
		size_t left = msg->nlq_size;

		assert_true(left <= 256 || (left == 316 && part->nlmsg_len == left));
		while (left > 0) {
			assert_int_equal(part->nlmsg_seq, messages++);
			assert_true(part->nlmsg_len <= left);
			left -= part->nlmsg_len;
			part = (struct nlmsghdr *)(void *)((char *)part + part->nlmsg_len);
		}
	}
	assert_int_equal(messages, 43);
	/* once more, with room for all: what was joined can be joined again, and completing does not spoil it */
	nlq_pack(&tail, SIZE_MAX);
	assert_int_equal(nlq_length(tail), 3);
	assert_int_equal(nlq_complete(nlq_head(tail)), 0);
	assert_int_equal(nlq_head(tail)->nlq_size, 40 * 20);
	assert_int_equal(nlq_head(tail)->nlq_packet->nlmsg_len, 20);
	nlq_free(&tail);
	nlq_pack(&tail, 4096);
	assert_null(tail);
}

/* ----------------------------------------------------------------------------------------------------- reading */

/* a message in memory of exactly its length, so that a sanitizer sees every byte too far */
static struct nlmsghdr *exactly(const void *bytes, size_t len)
{
	struct nlmsghdr *msg = malloc(len);

	assert_non_null(msg);
	memcpy(msg, bytes, len);
	return msg;
}

static void test_parse(void **state)
{
	struct nlq_msg *msg = nlq_createmsg(RTM_NEWLINK, 0, 0, 0);
	struct nlattr *attr[IFLA_MTU + 1];
	uint32_t mtu = 1500;
	char name[16];

	(void)state;
	nlq_addstruct(msg, ifinfomsg, .ifi_index = 1);
	nlq_addattr(msg, IFLA_IFNAME, "first", 6);
	nlq_addattr(msg, IFLA_MTU | NLA_F_NET_BYTEORDER, &mtu, sizeof(mtu));
	nlq_addattr(msg, IFLA_IFNAME, "lo", 2); /* the last one counts; without NUL */
	nlq_addattr(msg, IFLA_MAX, NULL, 0);    /* too high for the table */
	nlq_complete(msg);
	assert_int_equal(nlq_parsemsg(msg->nlq_packet, attr, IFLA_MTU + 1), 0);
	assert_null(attr[IFLA_ADDRESS]);
	assert_int_equal(nlq_attr_u32(attr[IFLA_MTU], 0), 1500);
	assert_int_equal(nlq_attr_len(attr[IFLA_IFNAME]), 2);
	assert_string_equal(nlq_attr_str(attr[IFLA_IFNAME], name, 3), "lo");
	assert_null(nlq_attr_str(attr[IFLA_IFNAME], name, 2));
	assert_null(nlq_attr_str(NULL, name, sizeof(name)));

	/* every message that ends too early */
	for (uint32_t len = 16; len < msg->nlq_size; len++) {
		struct nlmsghdr *cut = exactly(msg->nlq_packet, len);
		bool whole = len == 32 || (len >= 42 && len <= 44) || len == 52 || (len >= 58 && len <= 60);
		int result;

		cut->nlmsg_len = len;
		result = nlq_parsemsg(cut, attr, IFLA_MTU + 1);
		if (whole != (result == 0))
			fail_msg("%u bytes: %d", len, result);
		free(cut);
	}
	nlq_freemsg(msg);
}

static void test_parse_malformed(void **state)
{
	static const struct {
		unsigned char byte[12];
		size_t len;
		int result;
	} list[] = {
	        {{0}, 0, 0},
	        {{4, 0, 1, 0}, 4, 0},
	        {{4, 0, 1}, 3, -EINVAL},                             /* no whole header */
	        {{3, 0, 1, 0}, 4, -EINVAL},                          /* shorter than its header */
	        {{0, 0, 1, 0}, 4, -EINVAL},                          /* would never end */
	        {{5, 0, 1, 0}, 4, -EINVAL},                          /* past the end by one */
	        {{0xff, 0xff, 1, 0}, 4, -EINVAL},                    /* past it by far */
	        {{5, 0, 1, 0, 7}, 5, 0},                             /* the last one needs no padding */
	        {{5, 0, 1, 0, 7, 0, 0}, 7, 0},                       /* or may have part of it */
	        {{5, 0, 1, 0, 7, 0, 0, 0, 4, 0, 2, 0}, 12, 0},       /* two */
	        {{5, 0, 1, 0, 7, 0, 0, 0, 5, 0, 2, 0}, 12, -EINVAL}, /* the second too long */
	        {{5, 0, 1, 0, 7, 0, 0, 0, 0}, 9, -EINVAL},           /* rubbish at the end */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct nlattr *outer = malloc(4 + list[i].len), *table[4];

		outer->nla_len = (uint16_t)(4 + list[i].len);
		outer->nla_type = 1;
		memcpy(outer + 1, list[i].byte, list[i].len);
		if (nlq_parsexattr(outer, table, 4) != list[i].result)
			fail_msg("case %zu", i);
		if (list[i].len >= 4 && list[i].byte[0] == 5 && list[i].len > 4)
			assert_int_equal(nlq_attr_u8(table[1], 0), 7);
		free(outer);
	}
	struct nlattr *table[4];

	assert_int_equal(nlq_parsexattr(NULL, table, 4), 0);
	assert_null(table[0]);
	assert_null(table[3]);
	assert_int_equal(nlq_parsexattr(NULL, table, 0), 0);
}

static void test_values(void **state)
{
	static const unsigned char bytes[] = {1, 2, 3, 4, 5, 6, 7, 8};

	(void)state;
	for (uint16_t len = 0; len <= 8; len++) {
		struct nlattr *attr = malloc(4U + len);

		attr->nla_len = (uint16_t)(4 + len);
		attr->nla_type = 0;
		memcpy(attr + 1, bytes, len);
		assert_int_equal(nlq_attr_u8(attr, 99), len < 1 ? 99 : 1);
		assert_int_equal(nlq_attr_u16(attr, 99), len < 2 ? 99 : 0x0201);
		assert_int_equal(nlq_attr_u32(attr, 99), len < 4 ? 99 : 0x04030201);
		assert_true(nlq_attr_u64(attr, 99) == (len < 8 ? 99 : 0x0807060504030201ULL));
		assert_true((nlq_attr_data(attr, len) != NULL) && (nlq_attr_data(attr, len + 1U) == NULL));
		free(attr);
	}
	assert_int_equal(nlq_attr_u8(NULL, 9), 9);
	assert_int_equal(nlq_attr_u16(NULL, 9), 9);
	assert_int_equal(nlq_attr_u32(NULL, 9), 9);
	assert_int_equal(nlq_attr_u64(NULL, 9), 9);
	assert_int_equal(nlq_attr_len(NULL), 0);
	assert_null(nlq_attr_data(NULL, 0));
}

/* --------------------------------------------------------------------------------------------------- prefixes */

static void test_prefix(void **state)
{
	unsigned char mask[16], bad[4] = {0xff, 0, 0xff, 0};

	(void)state;
	for (int family = AF_INET;; family = AF_INET6) {
		int bits = (int)nlq_family2addrlen(family) * 8;

		for (int prefix = 0; prefix <= bits; prefix++) {
			memset(mask, 0xaa, sizeof(mask));
			assert_int_equal(nlq_prefix2mask(family, mask, prefix), 0);
			for (int bit = 0; bit < bits; bit++)
				assert_int_equal((mask[bit / 8] >> (7 - bit % 8)) & 1, bit < prefix);
			assert_int_equal(nlq_mask2prefix(family, mask), prefix);
		}
		errno = 0;
		assert_int_equal(nlq_prefix2mask(family, mask, bits + 1), -1);
		assert_int_equal(errno, EINVAL);
		assert_int_equal(nlq_prefix2mask(family, mask, -1), -1);
		if (family == AF_INET6)
			break;
	}
	errno = 0;
	assert_int_equal(nlq_mask2prefix(AF_INET, bad), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(nlq_mask2prefix(AF_PACKET, bad), -1);
	assert_int_equal(errno, EAFNOSUPPORT);
	errno = 0;
	assert_int_equal(nlq_prefix2mask(AF_UNIX, bad, 1), -1);
	assert_int_equal(errno, EAFNOSUPPORT);
	assert_int_equal(nlq_family2addrlen(AF_INET), 4);
	assert_int_equal(nlq_family2addrlen(AF_INET6), 16);
	assert_int_equal(nlq_family2addrlen(AF_UNSPEC), 0);
	assert_int_equal(nlq_addrdata2prefix(24, 0x80, 253), 253 << 16 | 0x80 << 8 | 24);
	assert_int_equal(nlq_routedata2prefix(64, RTN_BLACKHOLE, 1), 1 << 16 | RTN_BLACKHOLE << 8 | 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_layout), cmocka_unit_test(test_nested),          cmocka_unit_test(test_growth),
	        cmocka_unit_test(test_limits), cmocka_unit_test(test_queue),           cmocka_unit_test(test_pack),
	        cmocka_unit_test(test_parse),  cmocka_unit_test(test_parse_malformed), cmocka_unit_test(test_values),
	        cmocka_unit_test(test_prefix),
	};

	return cmocka_run_group_tests_name("nlq_msg", tests, NULL, NULL);
}
