/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rtnl_stack.c - see rtnl_stack.h. */
#include "rtnl_stack.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now(void *owner)
{
	const struct rtnl_stack *stack = owner;
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec + stack->skew;
}

static int iface_add(void *owner, struct inet_iface *iface)
{
	struct rtnl_stack *stack = owner;

	(void)iface;
	stack->engine++;
	return 0;
}

static void iface_del(void *owner, struct inet_iface *iface)
{
	struct rtnl_stack *stack = owner;

	(void)iface;
	stack->engine--;
}

static void iface_change(void *owner, struct inet_iface *iface, unsigned int what)
{
	(void)owner, (void)iface, (void)what;
}

static int addr_add(void *owner, struct inet_addr *addr)
{
	struct rtnl_stack *stack = owner;

	(void)addr;
	stack->addrs++;
	return 0;
}

static void addr_del(void *owner, struct inet_addr *addr)
{
	struct rtnl_stack *stack = owner;

	(void)addr;
	stack->addrs--;
}

static int group_join(void *owner, struct inet_iface *iface, int family, const union inet_ip *group)
{
	(void)owner, (void)iface, (void)family, (void)group;
	return 0;
}

static void group_leave(void *owner, struct inet_iface *iface, int family, const union inet_ip *group)
{
	(void)owner, (void)iface, (void)family, (void)group;
}

static int link_create(void *owner, struct inet_iface *iface)
{
	struct rtnl_stack *stack = owner;

	if (iface->vnl == NULL || strncmp(iface->vnl, "fail:", 5) == 0)
		return -ENOENT;
	stack->links++;
	return 0;
}

static void link_destroy(void *owner, struct inet_iface *iface)
{
	struct rtnl_stack *stack = owner;

	(void)iface;
	stack->links--;
}

static void transmit(void *owner, struct inet_iface *iface, unsigned char *frame, size_t len)
{
	(void)owner, (void)iface, (void)frame, (void)len;
}

static bool ip_input(void *owner, struct inet_iface *iface, int family, unsigned char *packet, size_t len, void *buffer)
{
	(void)owner, (void)iface, (void)family, (void)packet, (void)len, (void)buffer;
	return false;
}

static void ip_output(void *owner, struct inet_iface *iface, const unsigned char mac[6], unsigned char *packet,
                      size_t len)
{
	(void)owner, (void)iface, (void)mac, (void)packet, (void)len;
}

static void unreachable(void *owner, struct inet_iface *iface, int family, const unsigned char *packet, size_t len)
{
	(void)owner, (void)iface, (void)family, (void)packet, (void)len;
}

static void routes_changed(void *owner)
{
	(void)owner;
}

static void notify(void *owner, struct nlq_msg *queue, uint32_t seq, uint32_t portid)
{
	struct rtnl_stack *stack = owner;

	for (struct nlq_msg *msg = nlq_head(queue); msg != NULL; msg = nlq_next(queue, msg)) {
		msg->nlq_packet->nlmsg_seq = seq;
		msg->nlq_packet->nlmsg_pid = portid;
	}
	nlq_append(&stack->changes, &queue);
}

static const struct inet_ops ops = {
        .now = now,
        .iface_add = iface_add,
        .iface_del = iface_del,
        .iface_change = iface_change,
        .addr_add = addr_add,
        .addr_del = addr_del,
        .group_join = group_join,
        .group_leave = group_leave,
        .link_create = link_create,
        .link_destroy = link_destroy,
        .transmit = transmit,
        .ip_input = ip_input,
        .ip_output = ip_output,
        .unreachable = unreachable,
        .routes_changed = routes_changed,
        .notify = notify,
};

struct rtnl_stack *rtnl_stack_new(void)
{
	struct rtnl_stack *stack = calloc(1, sizeof(*stack));

	if (stack == NULL || (stack->inet = inet_new(&ops, stack)) == NULL)
		abort();
	nlq_free(&stack->changes);
	return stack;
}

void rtnl_stack_free(struct rtnl_stack *stack)
{
	inet_free(stack->inet);
	nlq_free(&stack->changes);
	if (stack->links != 0 || stack->engine != 0 || stack->addrs != 0)
		abort();
	free(stack);
}

struct nlq_msg *rtnl_stack_serve(struct rtnl_stack *stack, const void *datagram, size_t len, uint32_t portid,
                                 unsigned int options)
{
	struct nlq_msg *replies;

	inet_request_begin(stack->inet, 0, portid);
	replies = nlq_process_datagram(datagram, len, inet_handlers, stack->inet, portid, options);
	inet_request_end(stack->inet);
	return replies;
}
