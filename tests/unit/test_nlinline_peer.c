/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_nlinline_peer.c - the dialogue of nlinline+.h against a scripted peer that answers what no honest stack would.
 */
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "netlink_peer.h"

#define CHOOSE ((unsigned int)-1)

/* ----------------------------------------------------------------------------------------------- requests */

static void test_request(void **state)
{
	struct nlmsghdr header;
	struct ifinfomsg info;
	uint32_t seq;

	(void)state;
	add_error(answer(), 0, 0);
	assert_int_equal(fake_linksetupdown(7, 1), 0);
	assert_finished();
	assert_int_equal(peer.type, SOCK_RAW | SOCK_CLOEXEC);
	header = header_of(0);
	assert_int_equal(header.nlmsg_len, peer.request_len[0]);
	assert_int_equal(header.nlmsg_type, RTM_NEWLINK);
	assert_int_equal(header.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
	assert_int_equal(header.nlmsg_pid, 0);
	assert_int_not_equal(header.nlmsg_seq, 0);
	memcpy(&info, peer.request[0] + NLMSG_HDRLEN, sizeof(info));
	assert_int_equal(info.ifi_index, 7);
	assert_int_equal(info.ifi_flags, IFF_UP);
	assert_int_equal(info.ifi_change, IFF_UP);
	assert_no_attribute(0, -1);

	seq = header.nlmsg_seq;
	setup(NULL);
	add_error(answer(), 0, 0);
	assert_int_equal(fake_linksetupdown(7, 1), 0);
	assert_int_not_equal(header_of(0).nlmsg_seq, seq); /* wrong once in 2^32 runs */
}

static void test_socket_errors(void **state)
{
	(void)state;
	peer.socket_error = ENFILE;
	assert_error(ENFILE, fake_linksetupdown(1, 1));
	setup(NULL);
	peer.bind_error = EADDRINUSE;
	assert_error(EADDRINUSE, fake_linksetupdown(1, 1));
	setup(NULL);
	peer.send_error = ENOBUFS;
	assert_error(ENOBUFS, fake_linksetupdown(1, 1));
	setup(NULL);
	answer()->error = ENOMEM;
	assert_error(ENOMEM, fake_linksetupdown(1, 1));
	setup(NULL);
	answer()->error = EAGAIN; /* a library with a time limit on its sockets */
	assert_error(EAGAIN, fake_linksetupdown(1, 1));
}

static void test_interrupted_calls(void **state)
{
	(void)state;
	peer.interrupt_send = 3;
	peer.interrupt_recv = 5;
	add_error(answer(), 0, 0);
	assert_int_equal(fake_linksetupdown(1, 1), 0);
	assert_finished();
	assert_int_equal(peer.requests, 1);
}

/* ---------------------------------------------------------------------------------------- honest answers */

static void test_errors_of_the_stack(void **state)
{
	static const int errors[] = {EPERM, EEXIST, ENODEV, EOPNOTSUPP, 1234};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		setup(NULL);
		add_error(answer(), -errors[i], 0);
		assert_error(errors[i], fake_linksetmtu(1, 1500));
	}
}

static void test_link_answer(void **state)
{
	uint8_t mac[6] = {0};

	(void)state;
	add_link(answer(), 42, 0);
	assert_int_equal(fake_if_nametoindex("fake0"), 42);
	assert_finished();
	assert_attribute(0, IFLA_IFNAME);

	setup(NULL);
	add_link(answer(), 42, 0);
	assert_int_equal(fake_linkgetaddr(42, mac), 0);
	assert_int_equal(mac[0], 2);
	assert_int_equal(mac[5], 7);

	/* as the only part of a dump, and with an acknowledgement that was not asked for */
	setup(NULL);
	add_link(answer(), 42, NLM_F_MULTI);
	add_done(answer(), 0, 0);
	assert_int_equal(fake_if_nametoindex("fake0"), 42);
	assert_finished();
	setup(NULL);
	add_link(answer(), 42, 0);
	add_error(&peer.script[0], 0, 0);
	assert_int_equal(fake_if_nametoindex("fake0"), 42);
	assert_finished();
}

/* messages of other dialogues, and no-operations, before, between and after those that count */
static void test_foreign_messages(void **state)
{
	struct datagram *datagram;

	(void)state;
	add_error(answer(), -EPERM, 1);
	add_link_sized(answer(), 13, 0, (uint32_t)-1, 6);
	datagram = answer();
	add_message(datagram, NLMSG_NOOP, 0, 0, NULL, 0, 0);
	add_error(datagram, -EIO, 0x80000000U);
	add_link(datagram, 42, 0);
	add_error(datagram, -EIO, 0);
	assert_int_equal(fake_if_nametoindex("fake0"), 42);
	assert_finished();

	setup(NULL);
	add_done(answer(), -EIO, 0);
	peer.script[0].seq_delta[0] = 5;
	add_link(answer(), 42, 0); /* an answer, but not the acknowledgement: the dialogue goes on */
	add_error(answer(), -EACCES, 0);
	assert_error(EACCES, fake_linksetupdown(1, 1));
}

/* the end of a dump is its result */
static void test_dump(void **state)
{
	struct nlmsghdr message = {.nlmsg_len = sizeof(message), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_DUMP};

	(void)state;
	add_link(answer(), 1, NLM_F_MULTI);
	add_link(&peer.script[0], 2, NLM_F_MULTI);
	add_link(answer(), 3, NLM_F_MULTI);
	add_done(answer(), 0, 0);
	assert_int_equal(fake_nldialog(&message), 0);
	assert_finished();

	setup(NULL);
	add_link(answer(), 1, NLM_F_MULTI);
	add_done(answer(), -EMSGSIZE, 0);
	assert_error(EMSGSIZE, fake_nldialog(&message));

	setup(NULL); /* RFC 3549 has no status in it */
	add_message(answer(), NLMSG_DONE, NLM_F_MULTI, 0, NULL, 0, 0);
	assert_int_equal(fake_nldialog(&message), 0);
	assert_finished();
}

static void test_dump_interrupted(void **state)
{
	struct nlmsghdr message = {.nlmsg_len = sizeof(message), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_DUMP};

	(void)state;
	add_link(answer(), 1, NLM_F_MULTI | NLM_F_DUMP_INTR);
	add_link(answer(), 2, NLM_F_MULTI);
	add_done(answer(), 0, 0);
	assert_error(EINTR, fake_nldialog(&message));
	setup(NULL);
	add_link(answer(), 2, NLM_F_MULTI);
	add_done(answer(), 0, NLM_F_DUMP_INTR);
	assert_error(EINTR, fake_nldialog(&message));
	setup(NULL); /* a real error says more */
	add_link(answer(), 1, NLM_F_MULTI | NLM_F_DUMP_INTR);
	add_done(answer(), -ENOMEM, 0);
	assert_error(ENOMEM, fake_nldialog(&message));
}

/* ------------------------------------------------------------------------------------- malformed answers */

static void test_truncated(void **state)
{
	(void)state;
	add_error(answer(), 0, 0);
	peer.script[0].claimed = 8193; /* longer than any buffer of ours: MSG_TRUNC tells */
	assert_error(EMSGSIZE, fake_linksetupdown(1, 1));
	setup(NULL);
	add_error(answer(), 0, 0);
	peer.script[0].claimed = 1U << 30;
	assert_error(EMSGSIZE, fake_linksetupdown(1, 1));
}

static void test_biggest(void **state)
{
	static const char padding[8192 - 16 - 36];

	(void)state;
	add_message(answer(), NLMSG_NOOP, 0, 0, padding, sizeof(padding), 0);
	add_error(&peer.script[0], 0, 0);
	assert_int_equal(peer.script[0].len, 8192);
	assert_int_equal(fake_linksetupdown(1, 1), 0);
	assert_finished();
}

static void test_end_of_file(void **state)
{
	(void)state;
	answer();
	assert_error(ENETDOWN, fake_linksetupdown(1, 1));
	setup(NULL);
	add_link(answer(), 1, NLM_F_MULTI);
	answer();
	assert_error(ENETDOWN, fake_if_nametoindex("fake0"));
}

static void test_short_datagram(void **state)
{
	(void)state;
	for (size_t len = 1; len < sizeof(struct nlmsghdr); len++) {
		setup(NULL);
		add_error(answer(), 0, 0);
		peer.script[0].len = len;
		assert_error(EBADMSG, fake_linksetupdown(1, 1));
		/* after a good message that does not end the dialogue */
		setup(NULL);
		add_link(answer(), 1, 0);
		peer.script[0].len = NLMSG_ALIGN(peer.script[0].len) + len;
		assert_error(EBADMSG, fake_linksetupdown(1, 1));
	}
}

static void test_wrong_length(void **state)
{
	static const int extra[] = {1, 4, 1000, -21, -25, -36, 0x7fffff00};

	(void)state;
	for (size_t i = 0; i < sizeof(extra) / sizeof(extra[0]); i++) {
		struct nlmsgerr payload = {.error = 0};

		setup(NULL);
		add_message(answer(), NLMSG_ERROR, 0, 0, &payload, sizeof(payload), extra[i]);
		assert_error(EBADMSG, fake_linksetupdown(1, 1));
		/* a foreign message is measured as well: what follows cannot be found without it */
		setup(NULL);
		add_message(answer(), NLMSG_ERROR, 0, 9, &payload, sizeof(payload), extra[i] < 0 ? -36 : extra[i]);
		assert_error(EBADMSG, fake_linksetupdown(1, 1));
	}
}

static void test_short_error(void **state)
{
	struct nlmsgerr payload = {.error = 0};
	int status = 0;

	(void)state;
	for (size_t len = 0; len < sizeof(payload); len++) {
		setup(NULL);
		add_message(answer(), NLMSG_ERROR, 0, 0, &payload, len, 0);
		assert_error(EBADMSG, fake_linksetupdown(1, 1));
	}
	for (size_t len = 1; len < sizeof(status); len++) {
		setup(NULL);
		add_message(answer(), NLMSG_DONE, 0, 0, &status, len, 0);
		assert_error(EBADMSG, fake_linksetupdown(1, 1));
	}
}

/* a positive status would become a nonsensical result */
static void test_positive_error(void **state)
{
	(void)state;
	add_error(answer(), EPERM, 0);
	assert_error(EBADMSG, fake_linksetupdown(1, 1));
	setup(NULL);
	add_done(answer(), 1, 0);
	assert_error(EBADMSG, fake_linksetupdown(1, 1));
	setup(NULL);
	add_error(answer(), INT32_MIN, 0); /* has no positive counterpart */
	assert_error(EBADMSG, fake_linksetupdown(1, 1));
}

static void test_overrun(void **state)
{
	(void)state;
	add_message(answer(), NLMSG_OVERRUN, 0, 0, NULL, 0, 0);
	assert_error(ENOBUFS, fake_linksetupdown(1, 1));
}

static void test_link_without_answer(void **state)
{
	uint8_t mac[6] = {0};

	(void)state;
	add_error(answer(), 0, 0); /* success, but no link */
	assert_error(EBADMSG, fake_if_nametoindex("fake0"));
	setup(NULL);
	add_error(answer(), 0, 0);
	assert_error(EBADMSG, fake_linkgetaddr(42, mac));
	setup(NULL);
	add_link(answer(), 0, 0); /* no index, or a negative one */
	assert_error(EBADMSG, fake_if_nametoindex("fake0"));
	setup(NULL);
	add_link(answer(), -5, 0);
	assert_error(EBADMSG, fake_if_nametoindex("fake0"));
}

static void test_link_attributes(void **state)
{
	struct link link = {.info = {.ifi_index = 42}};
	uint8_t mac[6] = {9, 9, 9, 9, 9, 9}, before[6] = {9, 9, 9, 9, 9, 9};

	(void)state;
	/* addresses of other lengths */
	for (size_t maclen = 0; maclen < 6; maclen++) {
		setup(NULL);
		add_link_sized(answer(), 42, 0, 0, maclen);
		assert_error(ENODATA, fake_linkgetaddr(42, mac));
	}
	/* an attribute past the end of its message */
	setup(NULL);
	add_link_sized(answer(), 42, 0, 0, 7);
	assert_error(EBADMSG, fake_linkgetaddr(42, mac));
	setup(NULL);
	add_link_sized(answer(), 42, 0, 0, 65000);
	assert_error(EBADMSG, fake_linkgetaddr(42, mac));
	/* an attribute shorter than its header would be read for ever */
	for (uint16_t len = 0; len < 4; len++) {
		setup(NULL);
		link.name_attr.nla_len = len;
		add_message(answer(), RTM_NEWLINK, 0, 0, &link, sizeof(link), 0);
		assert_error(EBADMSG, fake_linkgetaddr(42, mac));
	}
	/* shorter than its fixed part */
	for (size_t len = 0; len < sizeof(link.info); len++) {
		setup(NULL);
		add_message(answer(), RTM_NEWLINK, 0, 0, &link, len, 0);
		assert_error(EBADMSG, fake_linkgetaddr(42, mac));
	}
	assert_memory_equal(mac, before, 6);
}

/* -------------------------------------------------------------------------- choosing the index of a link */

/* a stack that knows the empty IFLA_NEW_IFINDEX */
static void test_choose_known(void **state)
{
	const struct nlattr *attr;

	(void)state;
	add_link(answer(), 42, 0);
	add_error(answer(), 0, 0);
	assert_int_equal(fake_iplink_add("vde0", CHOOSE, "vde", nl_iplink_strdata(IFLA_VDE_VNL, "ptp:///tmp/p")), 42);
	assert_finished();
	attr = attribute(0, IFLA_NEW_IFINDEX);
	assert_int_equal(attr->nla_len, sizeof(*attr));
	attr = attribute(0, IFLA_IFNAME);
	assert_string_equal((const char *)(attr + 1), "vde0");
	assert_int_equal(header_of(0).nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);

	/* the nested part: kind, then data */
	attr = attribute(0, IFLA_LINKINFO);
	assert_int_equal(attr->nla_len, 4 + (4 + 4) + 4 + (4 + 16));
	attr++;
	assert_int_equal(attr->nla_type, IFLA_INFO_KIND);
	assert_string_equal((const char *)(attr + 1), "vde");
	attr += 2;
	assert_int_equal(attr->nla_type, IFLA_INFO_DATA);
	assert_int_equal(attr->nla_len, 4 + 4 + 16);
	attr++;
	assert_int_equal(attr->nla_type, IFLA_VDE_VNL);
	assert_int_equal(attr->nla_len, 4 + sizeof("ptp:///tmp/p"));
	assert_string_equal((const char *)(attr + 1), "ptp:///tmp/p");
}

/* a stack that names the link itself */
static void test_choose_nameless(void **state)
{
	(void)state;
	add_link(answer(), 42, 0);
	add_error(&peer.script[0], 0, 0);
	assert_int_equal(fake_iplink_add(NULL, CHOOSE, "vde", NULL, 0), 42);
	assert_finished();
	assert_no_attribute(0, IFLA_IFNAME);
}

/* a stack that makes the link but does not tell its index: the name tells */
static void test_choose_silent(void **state)
{
	(void)state;
	add_error(answer(), 0, 0);
	add_link(answer_to(1), 42, 0);
	assert_int_equal(fake_iplink_add("vde0", CHOOSE, "vde", NULL, 0), 42);
	assert_finished();
	assert_int_equal(header_of(1).nlmsg_type, RTM_GETLINK);
	setup(NULL);
	add_error(answer(), 0, 0);
	assert_error(EBADMSG, fake_iplink_add(NULL, CHOOSE, "vde", NULL, 0));
}

/* Linux refuses the attribute, with either error; since 6.2 it echoes the link */
static void test_choose_echo(void **state)
{
	static const int refusal[] = {EINVAL, ERANGE};

	(void)state;
	for (int i = 0; i < 2; i++) {
		setup(NULL);
		add_error(answer(), -refusal[i], 0);
		add_link(answer_to(1), 42, 0);
		add_error(answer_to(1), 0, 0);
		assert_int_equal(fake_iplink_add("veth0", CHOOSE, "veth", NULL, 0), 42);
		assert_finished();
		assert_attribute(0, IFLA_NEW_IFINDEX);
		assert_no_attribute(1, IFLA_NEW_IFINDEX);
		assert_int_equal(header_of(0).nlmsg_flags & NLM_F_ECHO, 0);
		assert_int_equal(header_of(1).nlmsg_flags & NLM_F_ECHO, NLM_F_ECHO);
	}
}

/* before 6.2 there is no echo; a link without a name has got one, by which its index is found */
static void test_choose_by_name(void **state)
{
	const struct nlattr *made, *asked;

	(void)state;
	add_error(answer(), -ERANGE, 0);
	add_error(answer_to(1), 0, 0);
	add_link(answer_to(2), 42, 0);
	assert_int_equal(fake_iplink_add(NULL, CHOOSE, "a_very_long_kind", NULL, 0), 42);
	assert_finished();
	assert_no_attribute(0, IFLA_IFNAME);
	made = attribute(1, IFLA_IFNAME);
	asked = attribute(2, IFLA_IFNAME);
	assert_int_equal(made->nla_len, 4 + IF_NAMESIZE);
	assert_memory_equal(made + 1, "a_very_", 7);
	assert_memory_equal(made, asked, made->nla_len);
	assert_int_equal(strspn((const char *)(made + 1) + 7, "0123456789abcdef"), 8);
}

static void test_choose_errors(void **state)
{
	(void)state;
	add_error(answer(), -EEXIST, 0); /* not a refusal of the attribute: no second attempt */
	assert_error(EEXIST, fake_iplink_add("vde0", CHOOSE, "vde", NULL, 0));
	assert_int_equal(peer.requests, 1);
	setup(NULL);
	add_error(answer(), -EINVAL, 0);
	add_error(answer_to(1), -EPERM, 0);
	assert_error(EPERM, fake_iplink_add("vde0", CHOOSE, "vde", NULL, 0));
}

/* an index that is not to be told is neither asked for nor returned */
static void test_given_index(void **state)
{
	struct ifinfomsg info;

	(void)state;
	add_link(answer(), 42, 0);
	add_error(answer(), 0, 0);
	assert_int_equal(fake_iplink_add("vde0", 42, "vde", NULL, 0), 0);
	assert_finished();
	memcpy(&info, peer.request[0] + NLMSG_HDRLEN, sizeof(info));
	assert_int_equal(info.ifi_index, 42);
	assert_no_attribute(0, IFLA_NEW_IFINDEX);
}

/* --------------------------------------------------------------------------------------------- mutations */

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525U + 1013904223U;
	return *state >> 8;
}

/*
 * Good answers with some bytes changed, cut or lengthened, 50,000 of them, always the same. Whatever they say, the
 * dialogue ends when the script does, with a result of its range, and the socket is closed. Sanitizers watch the reads.
 */
static void test_mutations(void **state)
{
	uint32_t random = 1;
	int good = 0, bad = 0;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		struct datagram *datagram;
		uint8_t mac[6] = {0};
		int result;

		setup(NULL);
		datagram = answer();
		add_link(datagram, 42, next_random(&random) & 1 ? NLM_F_MULTI : 0);
		add_error(datagram, next_random(&random) & 1 ? -ENODEV : 0, 0);
		for (uint32_t n = next_random(&random) % 4; n > 0; n--)
			datagram->byte[next_random(&random) % datagram->len] ^=
			        (unsigned char)(1U << next_random(&random) % 8);
		if (next_random(&random) % 4 == 0)
			datagram->len = next_random(&random) % (datagram->len + 20);
		answer(); /* end of file, should it still wait */
		errno = 0;
		result = i & 1 ? fake_if_nametoindex("fake0") : fake_linkgetaddr(42, mac);
		assert_int_equal(peer.open, 0);
		if (result < 0) {
			assert_int_equal(result, -1);
			assert_int_not_equal(errno, 0);
			bad++;
		} else {
			good++;
		}
	}
	assert_true(good > 1000);
	assert_true(bad > 1000);
}

#define TEST(name) cmocka_unit_test_setup(test_##name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(request),
	        TEST(socket_errors),
	        TEST(interrupted_calls),
	        TEST(errors_of_the_stack),
	        TEST(link_answer),
	        TEST(foreign_messages),
	        TEST(dump),
	        TEST(dump_interrupted),
	        TEST(truncated),
	        TEST(biggest),
	        TEST(end_of_file),
	        TEST(short_datagram),
	        TEST(wrong_length),
	        TEST(short_error),
	        TEST(positive_error),
	        TEST(overrun),
	        TEST(link_without_answer),
	        TEST(link_attributes),
	        TEST(choose_known),
	        TEST(choose_nameless),
	        TEST(choose_silent),
	        TEST(choose_echo),
	        TEST(choose_by_name),
	        TEST(choose_errors),
	        TEST(given_index),
	        TEST(mutations),
	};

	return cmocka_run_group_tests_name("nlinline_peer", tests, NULL, NULL);
}
