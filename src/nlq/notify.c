/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * notify.c - what multicast groups are told of changes (rtnetlink(7)). Stateless: who is in a group is known to the
 * sockets.
 */
#include "private.h"

/** by_family - the group of @ipv4 or @ipv6 that a message belongs to by the first byte of its header; 0: none */
static unsigned int by_family(const struct nlmsghdr *msg, unsigned int ipv4, unsigned int ipv6)
{
	const unsigned char *family = nlq__msgdata(msg, 1);

	if (family == NULL)
		return 0;
	return *family == AF_INET ? ipv4 : *family == AF_INET6 ? ipv6 : 0;
}

unsigned int nlq_notification_group(const struct nlmsghdr *msg)
{
	int action = nlq__action(msg->nlmsg_type), family = nlq__family(msg->nlmsg_type);

	if (action != RTM_NEW && action != RTM_DEL)
		return 0;
	switch (family) {
	case RTMF_LINK:
		return RTNLGRP_LINK;
	case RTMF_ADDR:
		return by_family(msg, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR);
	case RTMF_ROUTE:
		return by_family(msg, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE);
	case RTMF_NEIGH:
		return RTNLGRP_NEIGH;
	case RTMF_RULE:
		return by_family(msg, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE);
	case RTMF_QDISC:
	case RTM_FAM(RTM_NEWTCLASS):
	case RTM_FAM(RTM_NEWTFILTER):
	case RTM_FAM(RTM_NEWCHAIN):
		return RTNLGRP_TC;
	case RTM_FAM(RTM_NEWPREFIX):
		return RTNLGRP_IPV6_PREFIX;
	case RTM_FAM(RTM_NEWNDUSEROPT):
		return RTNLGRP_ND_USEROPT;
	case RTM_FAM(RTM_NEWNETCONF):
		return by_family(msg, RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF);
	default:
		return 0;
	}
}

int nlq_notification(const struct nlq_msg *tail, unsigned int group, uint32_t seq, uint32_t pid,
                     struct nlq_msg **notifications)
{
	struct nlq_msg *copies = NULL;
	int count = 0;

	for (const struct nlq_msg *msg = nlq_head(tail); msg != NULL; msg = nlq_next(tail, msg)) {
		struct nlq_msg *copy;

		if (group == 0 || nlq_notification_group(msg->nlq_packet) != group)
			continue;
		copy = nlq__copymsg(msg);
		if (nlq_enqueue(copy, &copies) < 0) {
			nlq_free(&copies);
			return -ENOMEM;
		}
		copy->nlq_packet->nlmsg_seq = seq;
		copy->nlq_packet->nlmsg_pid = pid;
		copy->nlq_packet->nlmsg_flags &= (uint16_t) ~(NLM_F_MULTI | NLM_F_DUMP_FILTERED | NLM_F_DUMP_INTR);
		count++;
	}
	nlq_append(notifications, &copies);
	return count;
}
