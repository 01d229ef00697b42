/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_inet_rtnl.c - any bytes as datagrams of netlink requests to the configuration of a stack, with its real tables.
 *
 * Input: a byte of options, then datagrams, each behind two bytes of length; a length of 0 lets time pass instead.
 * Answers and notifications must be messages of the promised form; a notification must read like the object it is
 * about; what is left at the end is freed, telling the engine of each thing it knew (rtnl_stack_free checks that).
 */
#include "rtnl_stack.h"

#include <linux/if.h>
#include <stdlib.h>
#include <string.h>

#define PORT 4711

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** check - a promise of a header */
static void check(bool kept)
{
	if (!kept)
		abort();
}

/** check_message - a message that came from the stack */
static void check_message(const struct nlq_msg *msg)
{
	struct nlmsghdr *header = msg->nlq_packet;
	struct nlattr *attr[NLQ_ATTRS];
	int status;

	check(header->nlmsg_len == msg->nlq_size && msg->nlq_size <= NLQ_MSG_MAX && msg->nlq_size % 4 == 0);
	if (header->nlmsg_type == NLMSG_ERROR || header->nlmsg_type == NLMSG_DONE) {
		check(header->nlmsg_len >= NLMSG_HDRLEN + sizeof(status));
		memcpy(&status, NLMSG_DATA(header), sizeof(status));
		check(status <= 0 && status > -4096);
		return;
	}
	check(nlq_parsemsg(header, attr, NLQ_ATTRS) == 0);
}

static void check_queue(struct nlq_msg *queue)
{
	for (struct nlq_msg *msg = nlq_head(queue); msg != NULL; msg = nlq_next(queue, msg))
		check_message(msg);
	nlq_free(&queue);
}

/** check_changes - each notification is for a group */
static void check_changes(struct rtnl_stack *stack)
{
	for (struct nlq_msg *msg = nlq_head(stack->changes); msg != NULL; msg = nlq_next(stack->changes, msg))
		check(nlq_notification_group(msg->nlq_packet) != 0);
	check_queue(stack->changes);
	stack->changes = NULL;
}

static void serve(struct rtnl_stack *stack, const void *datagram, size_t len, unsigned int options)
{
	struct nlq_msg *replies = rtnl_stack_serve(stack, datagram, len, PORT, options);

	for (struct nlq_msg *msg = nlq_head(replies); msg != NULL; msg = nlq_next(replies, msg))
		check(msg->nlq_packet->nlmsg_pid == PORT);
	check_queue(replies);
	check_changes(stack);
}

/** pass - time passes, by a second or till something happens */
static void pass(struct rtnl_stack *stack)
{
	stack->skew += INT64_C(1000000000);
	inet_run_timers(stack->inet);
	check_changes(stack);
}

/** dump - everything that there is, as ip(8) asks for it */
static void dump(struct rtnl_stack *stack)
{
	static const uint16_t types[] = {RTM_GETLINK,  RTM_GETADDR, RTM_GETROUTE,
	                                 RTM_GETNEIGH, RTM_GETRULE, RTM_GETQDISC};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct nlq_msg *msg = nlq_createmsg(types[i], NLM_F_REQUEST | NLM_F_DUMP, 1, 0);

		nlq_addstruct(msg, rtgenmsg, .rtgen_family = AF_UNSPEC);
		check(nlq_complete(msg) == 0);
		serve(stack, msg->nlq_packet, msg->nlq_size, 0);
		nlq_freemsg(msg);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char mac[6] = {2, 0, 0, 0, 0, 7};
	struct rtnl_stack *stack = rtnl_stack_new();
	unsigned int options = size > 0 ? data[0] & 15 : 0;
	struct inet_iface *d0;

	check(inet_iface_new(stack->inet, "d0", "vde", "null://", mac, 0, &d0) == 0);
	for (size_t at = 1; at + 2 <= size;) {
		size_t len = data[at] | (size_t)data[at + 1] << 8;

		at += 2;
		if (len == 0) {
			pass(stack);
			continue;
		}
		len = len > size - at ? size - at : len;
		serve(stack, data + at, len, options);
		at += len;
	}
	dump(stack);
	rtnl_stack_free(stack);
	return 0;
}
