/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rtnl_notify.c - the table of handlers, and what multicast groups of netlink are told of changes.
 *
 * A change is told at once, in the middle of the request that causes it, so members of the groups hear of it in the
 * order in which things happen, and before the request is acknowledged: as in Linux. While a link is being made
 * (struct inet__rtnl) nothing is told of it till it is complete. No memory: a notification is lost, as on a socket
 * that is full.
 */
#include "rtnl.h"

nlq_request_handlers_table inet_handlers = {
        [RTMF_LINK] = {rtnl__link_search, rtnl__link_get, rtnl__link_new, rtnl__link_del, rtnl__link_set},
        [RTMF_ADDR] = {rtnl__addr_search, rtnl__addr_get, rtnl__addr_new, rtnl__addr_del, rtnl__addr_set},
        [RTMF_ROUTE] = {rtnl__route_search, rtnl__route_get, rtnl__route_new, rtnl__route_del, rtnl__route_set},
        [RTMF_NEIGH] = {rtnl__neigh_search, rtnl__neigh_get, rtnl__neigh_new, rtnl__neigh_del, rtnl__neigh_set},
        [RTMF_RULE] = {rtnl__rule_search, rtnl__rule_get, rtnl__rule_new, rtnl__rule_del, rtnl__rule_set},
        [RTMF_QDISC] = {rtnl__qdisc_search, rtnl__qdisc_get, rtnl__qdisc_new, rtnl__qdisc_del, rtnl__qdisc_set},
};

uint32_t rtnl__ticks(int64_t from, int64_t to)
{
	int64_t ticks = (to - from) / (INET_SECOND / RTNL_TICKS);

	return ticks < 0 ? 0 : ticks > INT32_MAX ? INT32_MAX : (uint32_t)ticks;
}

/**
 * tell - hand a queue of messages to the owner, to whom it belongs then
 * @seq, @portid: of the request that is the cause, as far as Linux says so
 */
static void tell(struct inet *inet, struct nlq_msg *queue, uint32_t seq, uint32_t portid)
{
	if (queue != NULL)
		inet->ops->notify(inet->owner, queue, seq, portid);
}

void inet__notify_link(struct inet_iface *iface, bool del)
{
	struct inet *inet = iface->inet;
	struct nlq_msg *queue = NULL;

	if (iface->flags & IFF_UP)
		iface->private->been_up = true;
	if (inet->closing || (inet->rtnl != NULL && inet->rtnl->quiet))
		return;
	if (inet->rtnl != NULL)
		inet->rtnl->told = true;
	rtnl__fill_link(iface, del ? RTM_DELLINK : RTM_NEWLINK, AF_UNSPEC, 0, &queue);
	tell(inet, queue, 0, 0);
}

void inet__notify_addr(struct inet_addr *addr, bool del)
{
	struct inet *inet = addr->iface->inet;
	struct nlq_msg *queue = NULL;

	if (inet->closing)
		return;
	rtnl__fill_addr(addr, del ? RTM_DELADDR : RTM_NEWADDR, &queue);
	tell(inet, queue, inet->seq, inet->portid);
}

void inet__notify_route(struct inet *inet, const struct inet_route *route, unsigned int nlm_flags, bool del)
{
	struct nlq_msg *queue = NULL;

	if (inet->closing)
		return;
	rtnl__fill_route(inet, route, del ? RTM_DELROUTE : RTM_NEWROUTE, nlm_flags, &queue);
	tell(inet, queue, inet->seq, inet->portid);
}

void inet__notify_neigh(const struct inet_neigh *neigh, bool del)
{
	struct inet *inet = neigh->iface->inet;
	struct nlq_msg *queue = NULL;

	if (inet->closing)
		return;
	rtnl__fill_neigh(neigh, del ? RTM_DELNEIGH : RTM_NEWNEIGH, &queue);
	tell(inet, queue, 0, del ? 0 : inet->portid);
}
