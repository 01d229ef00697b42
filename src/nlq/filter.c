/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * filter.c - dumps of a part only.
 *
 * A dump is always limited to the address family in its header. Programs that set NETLINK_GET_STRICT_CHK (iproute2
 * does) may limit it further, by the header and by attributes, and want to be told when something there is not
 * understood; what they get is marked with NLM_F_DUMP_FILTERED, so that they need not filter again. Without that option
 * headers often hold rubbish and are ignored, but for a few attributes that always counted. Limits are applied to what
 * the handlers have dumped, so no stack needs to know of this. The rules are those that Linux applies, seen from
 * outside.
 */
#include "private.h"

#include <linux/fib_rules.h>
#include <linux/if_link.h>

/** invalid_values - the answer to a header with something in it that is not understood */
static int invalid_values(const char *what)
{
	return nlq_error(-EINVAL, NULL, "Invalid values in header for %s dump request", what);
}

/** only_attrs - an error when there are other attributes than @first and @second (0: no further one) */
static int only_attrs(struct nlattr **attr, unsigned int first, unsigned int second)
{
	for (unsigned int type = 1; type < NLQ_ATTRS; type++) {
		if (attr[type] != NULL && type != first && type != second)
			return nlq_error(-EINVAL, attr[type], "Unsupported attribute in dump request");
	}
	return 0;
}

static int strict_link(const struct ifinfomsg *link)
{
	if (link->__ifi_pad != 0 || link->ifi_type != 0 || link->ifi_flags != 0 || link->ifi_change != 0)
		return invalid_values("link");
	if (link->ifi_index != 0)
		return nlq_error(-EINVAL, NULL, "Filter by device index not supported for link dumps");
	return 0;
}

static int strict_addr(struct nlq__filter *filter, const struct ifaddrmsg *addr, struct nlattr **attr)
{
	if (addr->ifa_prefixlen != 0 || addr->ifa_flags != 0 || addr->ifa_scope != 0)
		return invalid_values("address");
	filter->ifindex = addr->ifa_index;
	return only_attrs(attr, 0, 0);
}

static int strict_route(struct nlq__filter *filter, const struct rtmsg *route, struct nlattr **attr)
{
	if (route->rtm_dst_len != 0 || route->rtm_src_len != 0 || route->rtm_tos != 0 || route->rtm_scope != 0)
		return invalid_values("FIB");
	if (route->rtm_flags & ~(unsigned int)(RTM_F_CLONED | RTM_F_PREFIX))
		return nlq_error(-EINVAL, NULL, "Invalid flags for FIB dump request");
	filter->protocol = route->rtm_protocol;
	filter->route_type = route->rtm_type;
	filter->table = nlq_attr_u32(attr[RTA_TABLE], route->rtm_table);
	filter->ifindex = nlq_attr_u32(attr[RTA_OIF], 0);
	return only_attrs(attr, RTA_TABLE, RTA_OIF);
}

static int strict_neigh(const struct ndmsg *neigh, struct nlattr **attr)
{
	if (neigh->ndm_pad1 != 0 || neigh->ndm_pad2 != 0 || neigh->ndm_ifindex != 0 || neigh->ndm_state != 0 ||
	    neigh->ndm_type != 0)
		return invalid_values("neighbor");
	if (neigh->ndm_flags & ~NTF_PROXY)
		return nlq_error(-EINVAL, NULL, "Invalid flags in header for neighbor dump request");
	return only_attrs(attr, NDA_IFINDEX, NDA_MASTER);
}

static int strict_rule(const struct fib_rule_hdr *rule, struct nlattr **attr)
{
	if (rule->dst_len != 0 || rule->src_len != 0 || rule->tos != 0 || rule->table != 0 || rule->res1 != 0 ||
	    rule->res2 != 0 || rule->action != 0 || rule->flags != 0)
		return invalid_values("fib rule");
	return only_attrs(attr, 0, 0);
}

/** filter_strict - what only counts with NETLINK_GET_STRICT_CHK */
static int filter_strict(struct nlq__filter *filter, const void *header, struct nlattr **attr)
{
	switch (nlq__family(filter->type)) {
	case RTMF_LINK:
		return strict_link(header);
	case RTMF_ADDR:
		return strict_addr(filter, header, attr);
	case RTMF_ROUTE:
		return strict_route(filter, header, attr);
	case RTMF_NEIGH:
		return strict_neigh(header, attr);
	case RTMF_RULE:
		return strict_rule(header, attr);
	default:
		return 0;
	}
}

/** filter_always - what always counts */
static int filter_always(struct nlq__filter *filter, const void *header, struct nlattr **attr)
{
	const struct tcmsg *tc = header;
	struct nlattr *info[IFLA_INFO_KIND + 1];

	switch (nlq__family(filter->type)) {
	case RTMF_LINK:
		filter->master = nlq_attr_u32(attr[IFLA_MASTER], 0);
		if (nlq_parsexattr(attr[IFLA_LINKINFO], info, IFLA_INFO_KIND + 1) < 0)
			return nlq_error(-EINVAL, attr[IFLA_LINKINFO], "Malformed IFLA_LINKINFO");
		nlq_attr_str(info[IFLA_INFO_KIND], filter->kind, sizeof(filter->kind));
		return 0;
	case RTMF_NEIGH:
		/* NDA_MASTER is left to the handler: a neighbour does not tell the master of its interface */
		filter->ifindex = nlq_attr_u32(attr[NDA_IFINDEX], 0);
		return 0;
	case RTMF_QDISC:
		filter->ifindex = (uint32_t)tc->tcm_ifindex;
		return 0;
	default:
		return 0;
	}
}

int nlq__filter_dump(struct nlq__filter *filter, const struct nlmsghdr *request, struct nlattr **attr, bool strict)
{
	const unsigned char *header = nlq__msgdata(request, nlq__headerlen(request->nlmsg_type));
	int result = 0;

	*filter = (struct nlq__filter){.type = (uint16_t)(request->nlmsg_type - RTM_GET + RTM_NEW)};
	if (header == NULL || nlq__headerlen(request->nlmsg_type) == 0)
		return 0;
	filter->family = *header;
	if (strict)
		result = filter_strict(filter, header, attr);
	if (result == 0)
		result = filter_always(filter, header, attr);
	if (result < 0)
		return result;
	return filter->ifindex != 0 || filter->master != 0 || filter->table != 0 || filter->protocol != 0 ||
	       filter->route_type != 0 || filter->kind[0] != '\0';
}

static bool match_link(const struct nlq__filter *filter, struct nlattr **attr)
{
	struct nlattr *info[IFLA_INFO_KIND + 1];
	char kind[sizeof(filter->kind)];

	if (filter->master != 0 && nlq_attr_u32(attr[IFLA_MASTER], 0) != filter->master)
		return false;
	if (filter->kind[0] == '\0')
		return true;
	return nlq_parsexattr(attr[IFLA_LINKINFO], info, IFLA_INFO_KIND + 1) == 0 &&
	       nlq_attr_str(info[IFLA_INFO_KIND], kind, sizeof(kind)) != NULL && strcmp(kind, filter->kind) == 0;
}

static bool match_route(const struct nlq__filter *filter, const struct rtmsg *route, struct nlattr **attr)
{
	if (filter->table != 0 && nlq_attr_u32(attr[RTA_TABLE], route->rtm_table) != filter->table)
		return false;
	if (filter->protocol != 0 && route->rtm_protocol != filter->protocol)
		return false;
	if (filter->route_type != 0 && route->rtm_type != filter->route_type)
		return false;
	return filter->ifindex == 0 || nlq_attr_u32(attr[RTA_OIF], 0) == filter->ifindex;
}

/** match_ifindex - whether a message is about the interface that the dump is limited to */
static bool match_ifindex(const struct nlq__filter *filter, int ifindex)
{
	return filter->ifindex == 0 || (uint32_t)ifindex == filter->ifindex;
}

bool nlq__filter_match(const struct nlq__filter *filter, const struct nlmsghdr *msg)
{
	const unsigned char *header = nlq__msgdata(msg, nlq__headerlen(msg->nlmsg_type));
	int rtmf = nlq__family(msg->nlmsg_type);
	struct nlattr *attr[NLQ_ATTRS];

	/* what is no object of the kind dumped is the handler's own business */
	if (header == NULL || msg->nlmsg_type != filter->type || nlq__headerlen(filter->type) == 0)
		return true;
	/* the family in a request about links says whose view of them is wanted, not which links */
	if (rtmf != RTMF_LINK && rtmf != RTMF_QDISC && filter->family != AF_UNSPEC && filter->family != *header)
		return false;
	nlq__parsebody(msg, attr, NLQ_ATTRS);
	switch (rtmf) {
	case RTMF_LINK:
		return match_link(filter, attr);
	case RTMF_ADDR:
		return match_ifindex(filter, (int)((const struct ifaddrmsg *)(const void *)header)->ifa_index);
	case RTMF_ROUTE:
		return match_route(filter, (const struct rtmsg *)(const void *)header, attr);
	case RTMF_NEIGH:
		return match_ifindex(filter, ((const struct ndmsg *)(const void *)header)->ndm_ifindex);
	case RTMF_QDISC:
		return match_ifindex(filter, ((const struct tcmsg *)(const void *)header)->tcm_ifindex);
	default:
		return true;
	}
}
