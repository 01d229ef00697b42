/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_nlq_memory.c - libnlq when there is no memory: each allocation of a scenario fails once, one after the other.
 *
 * The library is compiled into this program with its allocations renamed. Whatever fails, the scenario must say so or
 * have succeeded, and nothing may leak (which a sanitizer sees) or be done by half.
 */
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <cmocka.h>

#include "nlq_exchange.h"

void *nlq_test_malloc(size_t size);
void *nlq_test_realloc(void *old, size_t size);
void *nlq_test_reallocarray(void *old, size_t count, size_t size);
char *nlq_test_strdup(const char *text);

static int countdown; /* allocations till the one that fails; below 0: none does */
static bool failed;   /* it has */

static bool fails(void)
{
	if (countdown < 0 || countdown-- > 0)
		return false;
	failed = true;
	return true;
}

void *nlq_test_malloc(size_t size)
{
	return fails() ? NULL : malloc(size);
}

void *nlq_test_realloc(void *old, size_t size)
{
	return fails() ? NULL : realloc(old, size);
}

void *nlq_test_reallocarray(void *old, size_t count, size_t size)
{
	return fails() ? NULL : reallocarray(old, count, size);
}

char *nlq_test_strdup(const char *text)
{
	return fails() ? NULL : strdup(text);
}

/* a scenario returns 0, or the errno with which it has failed */
static void sweep(int (*scenario)(void), int wanted)
{
	int n;

	for (n = 0; n < 10000; n++) {
		int result;

		model = model_new();
		countdown = -1;
		furnish();
		countdown = n;
		failed = false;
		result = scenario();
		countdown = -1;
		model_free(model);
		if (!failed) {
			assert_int_equal(result, 0);
			break;
		}
		if (result != 0 && result != wanted && result != ENOMEM)
			fail_msg("allocation %d: %d", n, result);
	}
	assert_in_range(n, 1, 9999); /* some did fail */
}

static int error_of(int result)
{
	return result < 0 ? -result : 0;
}

static int dump_links(void)
{
	return error_of(
	        nlq_server_rtdialog(dump_message(RTM_GETLINK, AF_UNSPEC), model_table, model, NULL, NULL, NULL, NULL));
}

/* a link is made with its name, told, and taken away again; or there is none */
static int make_link(void)
{
	struct nlq_msg *msg = with_kind(
	        link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO | NLM_F_ACK, 0, "n0"), "dummy");
	int result = nlq_server_rtdialog(msg, model_table, model, NULL, NULL, NULL, NULL);

	countdown = -1;
	assert_int_equal(
	        nlq_server_rtdialog(link_message(RTM_DELLINK, 0, 0, "n0"), model_table, model, NULL, NULL, NULL, NULL),
	        result == 0 ? 0 : -ENODEV);
	return error_of(result);
}

/* an error with its text, to a long request */
static int long_error(void)
{
	static unsigned char big[2000];
	struct nlq_msg *msg = link_message(RTM_NEWLINK, 0, 99, NULL), *replies;
	int status = ENOBUFS;

	nlq_addattr(msg, 200, big, sizeof(big));
	if (nlq_complete(msg) < 0) {
		nlq_freemsg(msg);
		return ENOMEM;
	}
	replies = nlq_process_datagram(msg->nlq_packet, msg->nlq_size, model_table, model, PORT, NLQ_EXT_ACK);
	if (replies == NULL)
		assert_int_equal(errno, ENOBUFS);
	else
		status = status_of(replies) == -ENODEV ? 0 : -1;
	nlq_freemsg(msg);
	return status;
}

static int server_proc(void)
{
	char text[4096];
	FILE *file = fmemopen(text, sizeof(text), "w");
	int result = nlq_server_proc_net_dev(model_table, model, file), error = errno;

	fclose(file);
	return result < 0 ? error : 0;
}

/* an address that is changed is never lost */
static int change_mask(void)
{
	struct ifreq ifr = {.ifr_name = "d0"};
	struct sockaddr_in mask = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xffff0000)};
	int result, error;

	memcpy(&ifr.ifr_netmask, &mask, sizeof(mask));
	result = nlq_server_ioctl(model_table, model, SIOCSIFNETMASK, &ifr);
	error = errno;
	countdown = -1;
	assert_int_equal(nlq_server_ioctl(model_table, model, SIOCGIFADDR, &ifr), 0);
	return result < 0 ? error : 0;
}

static int list_conf(void)
{
	struct ifreq list[8];
	struct ifconf conf = {.ifc_len = sizeof(list), .ifc_req = list};
	int result = nlq_server_ioctl(model_table, model, SIOCGIFCONF, &conf);

	return result < 0 ? errno : 0;
}

/* on the kernel: what is asked there does not change anything */
static int list_names(void)
{
	struct nlq_if_nameindex *list = nlq_if_nameindex();
	int error = errno;

	nlq_if_freenameindex(list);
	return list == NULL ? error : 0;
}

/* joining needs memory; without it messages stay apart, but none is lost */
static int pack(void)
{
	struct nlq_msg *queue = NULL;
	size_t bytes = 0;
	int before = countdown;

	countdown = -1;
	queue = exchange(dump_message(RTM_GETLINK, AF_UNSPEC), 0);
	for (struct nlq_msg *msg = nlq_head(queue); msg != NULL; msg = nlq_next(queue, msg))
		bytes += msg->nlq_size;
	countdown = before;
	nlq_pack(&queue, 4096);
	for (struct nlq_msg *msg = nlq_head(queue); msg != NULL; msg = nlq_next(queue, msg))
		bytes -= msg->nlq_size;
	assert_int_equal(bytes, 0);
	nlq_free(&queue);
	return 0;
}

static int building(void)
{
	struct nlq_msg *xattr = nlq_createxattr(), *msg, *tail = NULL;
	unsigned char byte = 0;
	int result;

	for (uint16_t i = 0; i < 200; i++)
		nlq_addattr(xattr, i, &byte, sizeof(byte));
	msg = link_message(RTM_NEWLINK, 0, 1, "d0");
	nlq_addxattr(msg, IFLA_LINKINFO, xattr);
	result = nlq_enqueue(msg, &tail);
	nlq_free(&tail);
	return error_of(result);
}

#define SWEEP(name, wanted)                                                                                            \
	static void test_##name(void **state)                                                                          \
	{                                                                                                              \
		(void)state;                                                                                           \
		sweep(name, wanted);                                                                                   \
	}
SWEEP(dump_links, ENOBUFS)
SWEEP(make_link, ENOBUFS)
SWEEP(long_error, ENOBUFS)
SWEEP(server_proc, ENOBUFS)
SWEEP(change_mask, ENOBUFS)
SWEEP(list_conf, ENOBUFS)
SWEEP(list_names, ENOMEM)
SWEEP(pack, 0)
SWEEP(building, ENOMEM)

static void test_notifications(void **state)
{
	struct nlq_msg *queue = NULL, *out = NULL;

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		nlq_enqueue(link_message(RTM_NEWLINK, 0, 1, NULL), &queue);
	for (int n = 0; n < 3; n++) {
		countdown = n;
		assert_int_equal(nlq_notification(queue, RTNLGRP_LINK, 0, 0, &out), -ENOMEM);
		assert_null(out);
	}
	countdown = -1;
	assert_int_equal(nlq_notification(queue, RTNLGRP_LINK, 0, 0, &out), 3);
	nlq_free(&queue);
	nlq_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_dump_links),  cmocka_unit_test(test_make_link),
	        cmocka_unit_test(test_long_error),  cmocka_unit_test(test_server_proc),
	        cmocka_unit_test(test_change_mask), cmocka_unit_test(test_list_conf),
	        cmocka_unit_test(test_list_names),  cmocka_unit_test(test_pack),
	        cmocka_unit_test(test_building),    cmocka_unit_test(test_notifications),
	};

	countdown = -1;
	return cmocka_run_group_tests_name("nlq_memory", tests, NULL, NULL);
}
