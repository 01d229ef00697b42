/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_vdestack_nlvde.c - requests for interfaces of kind vde: found among others, read, replaced */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "nlmsg.h"
#include "nlvde.h"

#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>

#define VNL 1 /* IFLA_VDE_VNL */
#define NEW_IFINDEX 49
#define CREATE (NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)

static const char vnl[] = "ptp:///tmp/p";

/** link_begin - an RTM_NEWLINK about nothing in particular */
static void link_begin(struct nlmsg *msg, int flags, uint32_t seq)
{
	struct ifinfomsg link = {0};

	nlmsg_start(msg, RTM_NEWLINK, flags, seq, &link, sizeof(link));
}

/** put_info - of @kind, with a locator of @len bytes, none when it is NULL */
static void put_info(struct nlmsg *msg, const char *kind, const char *locator, size_t len)
{
	size_t info = nlmsg_nest(msg, IFLA_LINKINFO), data;

	nlmsg_add(msg, IFLA_INFO_KIND, kind, strlen(kind) + 1);
	if (locator) {
		data = nlmsg_nest(msg, IFLA_INFO_DATA);
		nlmsg_add(msg, VNL, locator, len);
		nlmsg_unnest(msg, data);
	}
	nlmsg_unnest(msg, info);
}

/** find - in @msg alone, in memory that ends where it ends */
static int find(const struct nlmsg *msg, struct nlvde_request *out)
{
	size_t size = nlmsg_size(msg);
	void *packet = malloc(size);
	int found;

	assert_int_not_equal(size, 0);
	assert_non_null(packet);
	memcpy(packet, msg->byte, size);
	found = nlvde_find(packet, size, 0, out);
	if (found == 1)
		assert_memory_equal((char *)packet + out->vnl, vnl, out->vnl_len);
	free(packet);
	return found;
}

static void test_find(void **state)
{
	struct nlvde_request request;
	uint32_t mtu = 9000, ifindex = 77;
	struct nlmsg msg;

	(void)state;
	link_begin(&msg, CREATE, 1);
	put_info(&msg, "vde", vnl, sizeof(vnl));
	assert_int_equal(find(&msg, &request), 1);
	assert_string_equal(request.ifname, "");
	assert_int_equal(request.vnl_len, strlen(vnl));
	assert_int_equal(request.ifindex, 0);
	assert_int_equal(request.mtu, 0);
	assert_false(request.has_mac);
	assert_false(request.tell);

	link_begin(&msg, CREATE, 1);
	nlmsg_add(&msg, IFLA_IFNAME, "eth7", 5);
	nlmsg_add(&msg, IFLA_MTU, &mtu, sizeof(mtu));
	nlmsg_add(&msg, IFLA_ADDRESS, "\2\0\0\0\0\1", 6);
	nlmsg_add(&msg, NEW_IFINDEX, &ifindex, sizeof(ifindex));
	put_info(&msg, "vde", vnl, strlen(vnl)); /* without its NUL, as some send strings */
	assert_int_equal(find(&msg, &request), 1);
	assert_string_equal(request.ifname, "eth7");
	assert_int_equal(request.vnl_len, strlen(vnl));
	assert_int_equal(request.ifindex, 77);
	assert_int_equal(request.mtu, 9000);
	assert_true(request.has_mac);
	assert_memory_equal(request.mac, "\2\0\0\0\0\1", 6);
}

static void test_tell(void **state)
{
	struct nlvde_request request;
	struct nlmsg msg;

	(void)state;
	link_begin(&msg, CREATE, 1);
	nlmsg_add(&msg, NEW_IFINDEX, NULL, 0);
	put_info(&msg, "vde", vnl, sizeof(vnl));
	assert_int_equal(find(&msg, &request), 1);
	assert_true(request.tell);
	link_begin(&msg, CREATE | NLM_F_ECHO, 1);
	put_info(&msg, "vde", vnl, sizeof(vnl));
	assert_int_equal(find(&msg, &request), 1);
	assert_true(request.tell);
}

/* What is none of ours goes to the kernel as it is. */
static void test_others(void **state)
{
	struct nlvde_request request;
	struct ifinfomsg link = {0};
	struct nlmsg msg;

	(void)state;
	link_begin(&msg, CREATE, 1);
	put_info(&msg, "dummy", vnl, sizeof(vnl));
	assert_int_equal(find(&msg, &request), 0);
	link_begin(&msg, CREATE, 1);
	put_info(&msg, "vdex", vnl, sizeof(vnl));
	assert_int_equal(find(&msg, &request), 0);
	link_begin(&msg, NLM_F_REQUEST | NLM_F_ACK, 1); /* does not create */
	put_info(&msg, "vde", vnl, sizeof(vnl));
	assert_int_equal(find(&msg, &request), 0);
	nlmsg_start(&msg, RTM_GETLINK, CREATE, 1, &link, sizeof(link));
	put_info(&msg, "vde", vnl, sizeof(vnl));
	assert_int_equal(find(&msg, &request), 0);
	nlmsg_start(&msg, RTM_NEWLINK, CREATE, 1, &link, 4); /* too short to be one */
	assert_int_equal(find(&msg, &request), 0);
	assert_int_equal(nlvde_find("", 0, 0, &request), 0);
	assert_int_equal(nlvde_find("", 0, 99, &request), 0);
}

/** refused - ours, but it cannot be understood */
static void refused(const struct nlmsg *msg)
{
	struct nlvde_request request;

	assert_int_equal(find(msg, &request), -EINVAL);
}

static void test_malformed(void **state)
{
	struct ifinfomsg link = {.ifi_index = -1};
	uint32_t zero = 0, huge = 0x80000000;
	struct nlmsg msg;

	(void)state;
	link_begin(&msg, CREATE, 1);
	put_info(&msg, "vde", NULL, 0);
	refused(&msg);
	link_begin(&msg, CREATE, 1);
	put_info(&msg, "vde", "", 1);
	refused(&msg);
	link_begin(&msg, CREATE, 1);
	put_info(&msg, "vde", "a\0b", 4);
	refused(&msg);
	for (int i = 0; i < 6; i++) {
		link_begin(&msg, CREATE, 1);
		switch (i) {
		case 0:
			nlmsg_add(&msg, IFLA_IFNAME, "sixteen-letters-", 17);
			break;
		case 1:
			nlmsg_add(&msg, IFLA_IFNAME, "", 1);
			break;
		case 2:
			nlmsg_add(&msg, IFLA_MTU, &zero, 3);
			break;
		case 3:
			nlmsg_add(&msg, IFLA_ADDRESS, "12345", 5);
			break;
		case 4:
			nlmsg_add(&msg, NEW_IFINDEX, &zero, sizeof(zero));
			break;
		case 5:
			nlmsg_add(&msg, NEW_IFINDEX, &huge, sizeof(huge));
			break;
		}
		put_info(&msg, "vde", vnl, sizeof(vnl));
		refused(&msg);
	}
	nlmsg_start(&msg, RTM_NEWLINK, CREATE, 1, &link, sizeof(link));
	put_info(&msg, "vde", vnl, sizeof(vnl));
	refused(&msg);
}

/* Cut anywhere it is not read beyond its end; find checks that under a sanitizer. */
static void test_cut(void **state)
{
	struct nlvde_request request;
	struct nlmsg msg;
	size_t size;

	(void)state;
	link_begin(&msg, CREATE, 1);
	nlmsg_add(&msg, IFLA_IFNAME, "eth7", 5);
	put_info(&msg, "vde", vnl, sizeof(vnl));
	size = nlmsg_size(&msg);
	for (size_t len = 0; len < size; len++) {
		unsigned char *packet = malloc(len ? len : 1);

		assert_non_null(packet);
		memcpy(packet, msg.byte, len);
		/* the header says that it is longer, so it is no message */
		assert_int_equal(nlvde_find(packet, len, 0, &request), 0);
		if (len >= sizeof(struct nlmsghdr)) {
			struct nlmsghdr head = msg.head;

			head.nlmsg_len = (uint32_t)len;
			memcpy(packet, &head, sizeof(head));
			assert_true(nlvde_find(packet, len, 0, &request) <= 0);
		}
		free(packet);
	}
}

/** message - the next of a packet, which must be of @type, with @flags and @seq, about @ifindex */
static struct nlmsghdr *message(void *packet, size_t len, struct nlmsghdr *at, int type, int flags, uint32_t seq,
                                int ifindex)
{
	struct ifinfomsg *link;

	at = nlmsg_next(packet, len, at);
	assert_non_null(at);
	assert_int_equal(at->nlmsg_type, type);
	assert_int_equal(at->nlmsg_flags, flags);
	assert_int_equal(at->nlmsg_seq, seq);
	link = nlmsg_body(at, sizeof(*link));
	assert_non_null(link);
	assert_int_equal(link->ifi_index, ifindex);
	return at;
}

static void test_replace(void **state)
{
	unsigned char out[NLMSG_ROOM + NLVDE_EXTRA];
	struct ifinfomsg up = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct nlvde_request request;
	struct nlmsghdr *at;
	struct rtattr *alias;
	struct nlmsg msg;
	size_t len, next;

	(void)state;
	nlmsg_start(&msg, RTM_NEWLINK, CREATE, 5, &up, sizeof(up));
	nlmsg_add(&msg, IFLA_IFNAME, "eth7", 5);
	nlmsg_add(&msg, IFLA_IFALIAS, "home", 4);
	put_info(&msg, "vde", vnl, sizeof(vnl));
	assert_int_equal(find(&msg, &request), 1);
	len = nlvde_replace(msg.byte, nlmsg_size(&msg), &request, 42, out, &next);
	assert_int_equal(next, len);
	at = message(out, len, NULL, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, 5, 42);
	assert_int_equal(((struct ifinfomsg *)nlmsg_body(at, sizeof(up)))->ifi_flags, IFF_UP);
	assert_int_equal(((struct ifinfomsg *)nlmsg_body(at, sizeof(up)))->ifi_change, IFF_UP);
	alias = nlmsg_attr(at, sizeof(up), IFLA_IFALIAS);
	assert_non_null(alias);
	assert_int_equal(RTA_PAYLOAD(alias), 4);
	assert_memory_equal(RTA_DATA(alias), "home", 4);
	assert_null(nlmsg_attr(at, sizeof(up), IFLA_IFNAME));
	assert_null(nlmsg_attr(at, sizeof(up), IFLA_LINKINFO));
	assert_null(nlmsg_next(out, len, at));
	/* nothing to be found in it any more */
	assert_int_equal(nlvde_find(out, len, 0, &request), 0);
}

/* A request between others: what is before and behind it stays, and the sender is told the index. */
static void test_replace_among(void **state)
{
	unsigned char packet[3 * NLMSG_ROOM], out[3 * NLMSG_ROOM + NLVDE_EXTRA];
	struct ifinfomsg link = {.ifi_index = 3};
	struct nlvde_request request;
	size_t len = 0, next, size;
	struct nlmsghdr *at;
	struct nlmsg msg;

	(void)state;
	nlmsg_start(&msg, RTM_GETLINK, NLM_F_REQUEST, 1, &link, sizeof(link));
	memcpy(packet, msg.byte, nlmsg_size(&msg));
	len = nlmsg_size(&msg);
	link_begin(&msg, CREATE, 2);
	nlmsg_add(&msg, NEW_IFINDEX, NULL, 0);
	put_info(&msg, "vde", vnl, sizeof(vnl));
	memcpy(packet + len, msg.byte, nlmsg_size(&msg));
	len += nlmsg_size(&msg);
	assert_false(nlvde_is_dellink(packet, len));
	nlmsg_start(&msg, RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, 3, &link, sizeof(link));
	memcpy(packet + len, msg.byte, nlmsg_size(&msg));
	len += nlmsg_size(&msg);
	assert_true(nlvde_is_dellink(packet, len));

	assert_int_equal(nlvde_find(packet, len, 0, &request), 1);
	size = nlvde_replace(packet, len, &request, 42, out, &next);
	at = message(out, size, NULL, RTM_GETLINK, NLM_F_REQUEST, 1, 3);
	at = message(out, size, at, RTM_NEWLINK, NLM_F_REQUEST, 2,
	             42); /* the question behind it is acknowledged instead */
	at = message(out, size, at, RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, 2, 42);
	at = message(out, size, at, RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, 3, 3);
	assert_ptr_equal(out + next, at);
	assert_null(nlmsg_next(out, size, at));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_find),          cmocka_unit_test(test_tell), cmocka_unit_test(test_others),
	        cmocka_unit_test(test_malformed),     cmocka_unit_test(test_cut),  cmocka_unit_test(test_replace),
	        cmocka_unit_test(test_replace_among),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
