/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rtnl_rule.c - `ip rule` and `tc qdisc`: what there is, which cannot be changed.
 *
 * Routes are looked up in the tables local, main and default, in this order, always. Packets are sent without
 * queueing. Both are shown as a Linux that was never told otherwise shows them; requests to change them are
 * EOPNOTSUPP.
 */
#include "rtnl.h"

#include <linux/fib_rules.h>
#include <linux/gen_stats.h>
#include <linux/pkt_sched.h>

static int refuse(const char *what)
{
	return nlq_error(-EOPNOTSUPP, NULL, "%s of this stack cannot be changed", what);
}

/* ------------------------------------------------------------------------------------------------------------ rules */

static int fill_rule(uint8_t family, uint8_t table, uint32_t priority, struct nlq_msg **queue)
{
	struct nlq_msg *msg = nlq_createmsg(RTM_NEWRULE, 0, 0, 0);

	nlq_addstruct(msg, fib_rule_hdr, .family = family, .table = table, .action = FR_ACT_TO_TBL);
	rtnl__u32(msg, FRA_TABLE, table);
	rtnl__u32(msg, FRA_SUPPRESS_PREFIXLEN, UINT32_MAX);
	rtnl__u8(msg, FRA_PROTOCOL, RTPROT_KERNEL);
	if (priority != 0)
		rtnl__u32(msg, FRA_PRIORITY, priority);
	return nlq_enqueue(msg, queue);
}

int rtnl__rule_get(void *entry, struct nlmsghdr *msg, struct nlattr **attr, struct nlq_msg **queue, void *stackinfo)
{
	static const struct {
		uint8_t family, table;
		uint32_t priority;
	} rules[] = {
	        {AF_INET, RT_TABLE_LOCAL, 0},  {AF_INET, RT_TABLE_MAIN, 32766},  {AF_INET, RT_TABLE_DEFAULT, 32767},
	        {AF_INET6, RT_TABLE_LOCAL, 0}, {AF_INET6, RT_TABLE_MAIN, 32766},
	};

	(void)attr, (void)stackinfo, (void)msg, (void)entry;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		int result = fill_rule(rules[i].family, rules[i].table, rules[i].priority, queue);

		if (result < 0)
			return result;
	}
	return 0;
}

/** rtnl__rule_search - any rule: so that requests to change one come to the functions that refuse; one alone cannot be asked for */
void *rtnl__rule_search(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	(void)attr, (void)stackinfo;
	if (msg->nlmsg_type == RTM_GETRULE)
		nlq_error(-EOPNOTSUPP, NULL, NULL);
	return msg->nlmsg_type == RTM_GETRULE ? NULL : msg->nlmsg_type == RTM_NEWRULE ? rtnl__whole(msg) : msg;
}

int rtnl__rule_new(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	(void)msg, (void)attr, (void)stackinfo;
	return refuse("Rules");
}

int rtnl__rule_del(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	(void)entry, (void)msg, (void)attr, (void)stackinfo;
	return refuse("Rules");
}

int rtnl__rule_set(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	(void)entry, (void)msg, (void)attr, (void)stackinfo;
	return refuse("Rules");
}

/* ----------------------------------------------------------------------------------------------------------- queues */

static int fill_qdisc(const struct inet_iface *iface, struct nlq_msg **queue)
{
	struct nlq_msg *msg = nlq_createmsg(RTM_NEWQDISC, 0, 0, 0), *stats2 = nlq_createxattr();
	struct gnet_stats_basic basic = {0};
	struct gnet_stats_queue none = {0};
	struct tc_stats stats = {0};

	nlq_addstruct(msg, tcmsg, .tcm_ifindex = (int)iface->index, .tcm_parent = TC_H_ROOT, .tcm_info = 2);
	rtnl__str(msg, TCA_KIND, "noqueue");
	rtnl__u8(msg, TCA_HW_OFFLOAD, 0);
	/* A queue that is none sees nothing: its counters stay 0, in Linux too. */
	nlq_addattr(stats2, TCA_STATS_BASIC, &basic, sizeof(basic));
	nlq_addattr(stats2, TCA_STATS_QUEUE, &none, sizeof(none));
	nlq_addxattr(msg, TCA_STATS2, stats2);
	nlq_addattr(msg, TCA_STATS, &stats, sizeof(stats));
	return nlq_enqueue(msg, queue);
}

int rtnl__qdisc_get(void *entry, struct nlmsghdr *msg, struct nlattr **attr, struct nlq_msg **queue, void *stackinfo)
{
	int result = 0;

	(void)entry, (void)msg, (void)attr;
	for (struct inet_iface *iface = inet_iface_first(stackinfo); iface != NULL && result == 0;
	     iface = iface->next) {
		if (iface->private->been_up)
			result = fill_qdisc(iface, queue);
	}
	return result;
}

void *rtnl__qdisc_search(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	const struct tcmsg *tc = NLMSG_DATA(msg);
	struct inet_iface *iface = inet_iface_by_index(stackinfo, (unsigned int)tc->tcm_ifindex);

	(void)attr;
	if (iface == NULL)
		nlq_error(-ENODEV, NULL, "Cannot find device");
	else if (msg->nlmsg_type == RTM_GETQDISC)
		nlq_error(-EOPNOTSUPP, NULL, NULL);
	else
		return msg->nlmsg_type == RTM_NEWQDISC ? rtnl__whole(msg) : msg;
	return NULL;
}

int rtnl__qdisc_new(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	(void)msg, (void)attr, (void)stackinfo;
	return refuse("Queueing");
}

int rtnl__qdisc_del(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	(void)entry, (void)msg, (void)attr, (void)stackinfo;
	return refuse("Queueing");
}

int rtnl__qdisc_set(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	(void)entry, (void)msg, (void)attr, (void)stackinfo;
	return refuse("Queueing");
}
