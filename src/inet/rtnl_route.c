/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rtnl_route.c - `ip route`: routes as netlink shows, makes and finds them (rtnetlink(7), uapi rtnetlink.h).
 *
 * Stateless. What a route has that the stack would not honour is refused: several ways (RTA_MULTIPATH), gateways of
 * another family (RTA_VIA), encapsulation, realms, next hop objects.
 */
#include "route.h"
#include "rtnl.h"

#include <unistd.h>

/* Flags of `ip route get`, beside RTM_F_*: what <linux/in_route.h> has, which cannot be included beside <netinet/in.h>. */
#define RTCF_LOCAL_ 0x80000000U
#define RTCF_MULTICAST_ 0x20000000U
#define RTCF_BROADCAST_ 0x10000000U

/* ---------------------------------------------------------------------------------------------------------- metrics */

/** metric - the member of a route that an attribute in RTA_METRICS is about; NULL: there is none */
static uint32_t *metric(struct inet_route *route, unsigned int type)
{
	switch (type) {
	case RTAX_LOCK:
		return &route->locked;
	case RTAX_MTU:
		return &route->mtu;
	case RTAX_WINDOW:
		return &route->window;
	case RTAX_RTT:
		return &route->rtt;
	case RTAX_RTTVAR:
		return &route->rttvar;
	case RTAX_SSTHRESH:
		return &route->ssthresh;
	case RTAX_CWND:
		return &route->cwnd;
	case RTAX_ADVMSS:
		return &route->advmss;
	case RTAX_REORDERING:
		return &route->reordering;
	case RTAX_HOPLIMIT:
		return &route->hoplimit;
	case RTAX_INITCWND:
		return &route->initcwnd;
	case RTAX_FEATURES:
		return &route->features;
	case RTAX_RTO_MIN:
		return &route->rto_min;
	case RTAX_INITRWND:
		return &route->initrwnd;
	case RTAX_QUICKACK:
		return &route->quickack;
	case RTAX_FASTOPEN_NO_COOKIE:
		return &route->fastopen_no_cookie;
	default:
		return NULL;
	}
}

/** put_metrics - RTA_METRICS, when there are any */
static void put_metrics(struct nlq_msg *msg, const struct inet_route *route)
{
	struct inet_route copy = *route;
	struct nlq_msg *nested = NULL;

	for (unsigned int type = RTAX_LOCK; type <= RTAX_MAX; type++) {
		const uint32_t *value = metric(&copy, type);

		if (value == NULL || *value == 0)
			continue;
		if (nested == NULL)
			nested = nlq_createxattr();
		rtnl__u32(nested, (uint16_t)type, *value);
	}
	if (nested != NULL)
		nlq_addxattr(msg, RTA_METRICS, nested);
}

/** longest - the highest value of a metric that makes sense; greater ones are cut to it, as Linux does */
static uint32_t longest(unsigned int type)
{
	return type == RTAX_ADVMSS     ? 65535 - 40
	       : type == RTAX_MTU      ? 65535 - 15
	       : type == RTAX_HOPLIMIT ? 255
	                               : UINT32_MAX;
}

static int take_metrics(struct inet_route *route, const struct nlattr *attr)
{
	struct nlattr *nested[64];

	if (nlq_parsexattr(attr, nested, 64) < 0)
		return -EINVAL;
	for (unsigned int type = 1; type < 64; type++) {
		uint32_t *value = metric(route, type);

		if (nested[type] == NULL)
			continue;
		if (type > RTAX_MAX)
			return nlq_error(-EINVAL, nested[type], "Invalid metric type");
		if (type == RTAX_CC_ALGO)
			return nlq_error(-EINVAL, nested[type], "Unknown tcp congestion algorithm");
		if (value == NULL || nlq_attr_len(nested[type]) != sizeof(*value))
			return nlq_error(-EINVAL, nested[type], "Invalid attribute in metrics");
		*value = nlq_attr_u32(nested[type], 0);
		if (*value > longest(type))
			*value = longest(type);
		if (type == RTAX_FEATURES && *value & ~(uint32_t)RTAX_FEATURE_MASK)
			return nlq_error(-EINVAL, nested[type],
			                 "Unknown flag set in feature mask in metrics attribute");
	}
	return 0;
}

/* ---------------------------------------------------------------------------------------------------------- showing */

/** put_cacheinfo - how long the route lives */
static void put_cacheinfo(struct nlq_msg *msg, const struct inet *inet, const struct inet_route *route)
{
	struct rta_cacheinfo info = {0};

	if (route->expires != INET_NEVER) {
		int64_t now = inet__now(inet);

		info.rta_expires = route->expires >= now ? (int)rtnl__ticks(now, route->expires)
		                                         : -(int)rtnl__ticks(route->expires, now);
	}
	nlq_addattr(msg, RTA_CACHEINFO, &info, sizeof(info));
}

/** begin - the header, and the attributes that a route in a table and the answer of `ip route get` have in common */
static struct nlq_msg *begin(const struct inet_route *route, uint16_t type, unsigned int flags, struct rtmsg header)
{
	struct nlq_msg *msg = nlq_createmsg(type, (uint16_t)flags, 0, 0);

	header.rtm_family = (unsigned char)route->family;
	header.rtm_tos = route->tos;
	header.rtm_table = (unsigned char)(route->table < 256 ? route->table : RT_TABLE_COMPAT);
	header.rtm_type = route->type;
	nlq_add(msg, &header, sizeof(header));
	rtnl__u32(msg, RTA_TABLE, route->table);
	if (header.rtm_dst_len > 0)
		rtnl__ip(msg, RTA_DST, route->family, &route->dst);
	put_metrics(msg, route);
	if (route->has_prefsrc)
		rtnl__ip(msg, RTA_PREFSRC, route->family, &route->prefsrc);
	if (route->has_gateway)
		rtnl__ip(msg, RTA_GATEWAY, route->family, &route->gateway);
	if (route->iface != NULL)
		rtnl__u32(msg, RTA_OIF, route->iface->index);
	return msg;
}

int rtnl__fill_route(const struct inet *inet, const struct inet_route *route, uint16_t type, unsigned int flags,
                     struct nlq_msg **queue)
{
	struct rtmsg header = {
	        .rtm_dst_len = route->prefixlen,
	        .rtm_scope = route->family == AF_INET ? route->scope : (unsigned char)RT_SCOPE_UNIVERSE,
	        .rtm_protocol = route->protocol,
	        .rtm_flags = route->flags & (RTNH_F_DEAD | RTNH_F_ONLINK | RTNH_F_LINKDOWN),
	};
	struct nlq_msg *msg = begin(route, type, flags, header);

	if (route->family == AF_INET6 || route->metric != 0)
		rtnl__u32(msg, RTA_PRIORITY, route->metric);
	if (route->family == AF_INET6) {
		put_cacheinfo(msg, inet, route);
		rtnl__u8(msg, RTA_PREF, route->pref);
	}
	return nlq_enqueue(msg, queue);
}

/** struct dump - a dump under way */
struct dump {
	struct inet *inet;
	struct nlq_msg **queue;
};

static int dump_one(const struct inet_route *route, void *arg)
{
	const struct dump *dump = arg;

	return rtnl__fill_route(dump->inet, route, RTM_NEWROUTE, 0, dump->queue);
}

static int dump_all(const struct rtmsg *header, struct nlattr **attr, struct inet *inet, struct nlq_msg **queue)
{
	struct dump dump = {.inet = inet, .queue = queue};
	static const int families[] = {AF_INET, AF_INET6};
	uint32_t table = nlq_attr_u32(attr[RTA_TABLE], header->rtm_table);

	if (nlq_request_options() & NLQ_STRICT_CHK && table != RT_TABLE_UNSPEC && header->rtm_family != AF_UNSPEC &&
	    inet__table_trie(inet, header->rtm_family, table) == NULL)
		return nlq_error(-ENOENT, NULL, "%s: FIB table does not exist",
		                 header->rtm_family == AF_INET ? "ipv4" : "ipv6");
	if (header->rtm_flags & RTM_F_CLONED) /* what was learnt of single destinations is in no table */
		return 0;
	for (int i = 0; i < 2; i++) {
		int result = 0;

		if (header->rtm_family == AF_UNSPEC || header->rtm_family == families[i])
			result = inet__route_each(inet, families[i], dump_one, &dump);
		if (result < 0)
			return result;
	}
	return 0;
}

/* ------------------------------------------------------------------------------------------------------ ip route get */

/** cloned_flags - rtm_flags of an IPv4 answer: what kind of address it is, and whether packets to it come to ourselves as well */
static unsigned int cloned_flags(const struct inet_flow *flow)
{
	unsigned int flags = RTM_F_CLONED;

	if (flow->iface->flags & IFF_LOOPBACK)
		flags |= RTCF_LOCAL_;
	if (flow->type == RTN_BROADCAST)
		flags |= RTCF_LOCAL_ | RTCF_BROADCAST_;
	if (flow->type == RTN_MULTICAST)
		flags |= RTCF_MULTICAST_;
	if (flow->type == RTN_MULTICAST && inet_group_member(flow->iface, AF_INET, &flow->dst))
		flags |= RTCF_LOCAL_;
	return flags;
}

/** fill_get4 - the answer about an IPv4 address: the way to it, not the route it comes from */
static int fill_get4(const struct inet *inet, struct inet_route *route, const struct inet_flow *flow,
                     const struct rtmsg *asked, struct nlattr **attr, struct nlq_msg **queue)
{
	union inet_ip src;
	bool from = rtnl__take_ip(attr[RTA_SRC], AF_INET, &src) && src.v4.s_addr != 0;
	struct rtmsg header = {
	        .rtm_dst_len = 32,
	        .rtm_src_len = from ? 32 : 0,
	        .rtm_flags = cloned_flags(flow),
	};
	struct nlq_msg *msg;

	route->type = flow->type;
	route->tos = asked->rtm_tos;
	route->dst = flow->dst;
	if (!(asked->rtm_flags & RTM_F_LOOKUP_TABLE))
		route->table = RT_TABLE_MAIN;
	route->has_prefsrc = !from && flow->source.v4.s_addr != 0;
	route->prefsrc = flow->source;
	msg = begin(route, RTM_NEWROUTE, 0, header);
	if (from)
		rtnl__ip(msg, RTA_SRC, AF_INET, &src);
	if (attr[RTA_MARK] != NULL && nlq_attr_u32(attr[RTA_MARK], 0) != 0)
		rtnl__u32(msg, RTA_MARK, nlq_attr_u32(attr[RTA_MARK], 0));
	rtnl__u32(msg, RTA_UID, nlq_attr_u32(attr[RTA_UID], getuid()));
	put_cacheinfo(msg, inet, route);
	return nlq_enqueue(msg, queue);
}

/** fill_get6 - the answer about an IPv6 address: the route, for this one address */
static int fill_get6(struct inet *inet, struct inet_route *route, const struct inet_flow *flow, struct nlattr **attr,
                     struct nlq_msg **queue)
{
	/* Something has been learnt of this destination: it has a route of its own then. */
	bool learnt = inet__path_find(inet, AF_INET6, &flow->dst, flow->iface->index) != NULL;
	struct rtmsg header = {
	        .rtm_dst_len = 128,
	        .rtm_src_len = 128,
	        .rtm_protocol = route->protocol,
	        .rtm_flags =
	                (route->flags & (RTNH_F_DEAD | RTNH_F_ONLINK | RTNH_F_LINKDOWN)) | (learnt ? RTM_F_CLONED : 0),
	};
	struct nlq_msg *msg;

	route->dst = flow->dst;
	msg = begin(route, RTM_NEWROUTE, 0, header);
	rtnl__ip(msg, RTA_SRC, AF_INET6, &flow->src);
	rtnl__u32(msg, RTA_PRIORITY, route->metric);
	if (attr[RTA_MARK] != NULL && nlq_attr_u32(attr[RTA_MARK], 0) != 0)
		rtnl__u32(msg, RTA_MARK, nlq_attr_u32(attr[RTA_MARK], 0));
	put_cacheinfo(msg, inet, route);
	rtnl__u8(msg, RTA_PREF, route->pref);
	return nlq_enqueue(msg, queue);
}

/** check_get - what a request for a way must look like; strictly only for who wants that */
static int check_get(const struct rtmsg *header, struct nlattr **attr)
{
	const char *family = header->rtm_family == AF_INET ? "ipv4" : "ipv6";
	unsigned int bits = inet__bits(header->rtm_family);

	if (nlq_request_options() & NLQ_STRICT_CHK) {
		if ((header->rtm_src_len != 0 && header->rtm_src_len != bits) ||
		    (header->rtm_dst_len != 0 && header->rtm_dst_len != bits) || header->rtm_table != 0 ||
		    header->rtm_protocol != 0 || header->rtm_scope != 0 || header->rtm_type != 0)
			return nlq_error(-EINVAL, NULL, "%s: Invalid values in header for route get request", family);
		if (header->rtm_flags & ~(unsigned int)(RTM_F_NOTIFY | RTM_F_LOOKUP_TABLE | RTM_F_FIB_MATCH))
			return nlq_error(-EINVAL, NULL, "%s: Unsupported rtm_flags for route get request", family);
	}
	if (attr[RTA_IIF] != NULL && nlq_attr_u32(attr[RTA_IIF], 0) != 0)
		return nlq_error(-EOPNOTSUPP, attr[RTA_IIF], "Routes of forwarded packets cannot be asked for");
	return 0;
}

static int route_get(struct inet *inet, const struct rtmsg *header, struct nlattr **attr, struct nlq_msg **queue)
{
	struct inet_flow flow = {.family = header->rtm_family, .oif = nlq_attr_u32(attr[RTA_OIF], 0)};
	bool fibmatch = header->rtm_flags & RTM_F_FIB_MATCH;
	struct inet_route route;
	int result = check_get(header, attr);

	if (result < 0)
		return result;
	rtnl__take_ip(attr[RTA_DST], flow.family, &flow.dst);
	rtnl__take_ip(attr[RTA_SRC], flow.family, &flow.src);
	if (flow.oif != 0 && inet_iface_by_index(inet, flow.oif) == NULL)
		return -ENODEV;
	if (flow.family == AF_INET && flow.src.v4.s_addr != 0 && inet_local(inet, AF_INET, &flow.src, NULL) == NULL)
		return -ENETUNREACH;
	inet__route_init(&route, flow.family);
	result = inet__route_get(inet, &flow, fibmatch, &route);
	if (result < 0)
		return result;
	/* As long as there are no rules Linux keeps the local table in the main one, and shows that. */
	if (flow.family == AF_INET && route.table == RT_TABLE_LOCAL)
		route.table = RT_TABLE_MAIN;
	if (fibmatch)
		return rtnl__fill_route(inet, &route, RTM_NEWROUTE, 0, queue);
	if (flow.family == AF_INET)
		return fill_get4(inet, &route, &flow, header, attr, queue);
	return fill_get6(inet, &route, &flow, attr, queue);
}

int rtnl__route_get(void *entry, struct nlmsghdr *msg, struct nlattr **attr, struct nlq_msg **queue, void *stackinfo)
{
	const struct rtmsg *header = NLMSG_DATA(msg);

	if (entry != NULL)
		return route_get(stackinfo, header, attr, queue);
	return dump_all(header, attr, stackinfo, queue);
}

/* ----------------------------------------------------------------------------------------------- making and deleting */

/** refuse_unknown - what a route cannot have here */
static int refuse_unknown(const struct rtmsg *header, struct nlattr **attr)
{
	if (attr[RTA_MULTIPATH] != NULL)
		return nlq_error(-EOPNOTSUPP, attr[RTA_MULTIPATH], "Routes of this stack have one next hop");
	if (attr[RTA_NH_ID] != NULL)
		return nlq_error(-EINVAL, attr[RTA_NH_ID], "Nexthop id does not exist");
	if (attr[RTA_ENCAP] != NULL || attr[RTA_ENCAP_TYPE] != NULL)
		return nlq_error(-EOPNOTSUPP, attr[RTA_ENCAP_TYPE], "Encapsulation is not supported by this stack");
	if (nlq_attr_u32(attr[RTA_FLOW], 0) != 0)
		return nlq_error(-EOPNOTSUPP, attr[RTA_FLOW], "Realms are not supported by this stack");
	if (header->rtm_family == AF_INET)
		return 0;
	if (header->rtm_tos != 0)
		return nlq_error(-EINVAL, NULL, "Invalid dsfield (tos): option not available for IPv6");
	if (attr[RTA_VIA] != NULL)
		return nlq_error(-EINVAL, attr[RTA_VIA], "IPv6 does not support RTA_VIA attribute");
	if (header->rtm_src_len != 0 || attr[RTA_SRC] != NULL)
		return nlq_error(-EINVAL, NULL, "Specifying source address requires IPV6_SUBTREES to be enabled");
	return 0;
}

/** take_via - RTA_VIA, which for IPv4 may hold an IPv4 address as well as RTA_GATEWAY */
static int take_via(struct inet_route *spec, struct nlattr **attr)
{
	const struct rtvia *via = nlq_attr_data(attr[RTA_VIA], sizeof(*via) + 4);

	if (attr[RTA_GATEWAY] != NULL)
		return nlq_error(-EINVAL, NULL, "Nexthop configuration can not contain both GATEWAY and VIA");
	if (via == NULL || via->rtvia_family != AF_INET)
		return nlq_error(-EOPNOTSUPP, attr[RTA_VIA], "A gateway must be of the family of the route");
	memcpy(&spec->gateway, via->rtvia_addr, 4);
	spec->has_gateway = spec->gateway.v4.s_addr != 0;
	return 0;
}

/** take_gateway - RTA_GATEWAY, RTA_VIA; a gateway of zeros is none */
static int take_gateway(struct inet_route *spec, struct nlattr **attr)
{
	if (attr[RTA_VIA] != NULL)
		return take_via(spec, attr);
	spec->has_gateway = rtnl__take_ip(attr[RTA_GATEWAY], spec->family, &spec->gateway) &&
	                    !inet__ip_is_zero(spec->family, &spec->gateway);
	return 0;
}

/** take_iface - RTA_OIF; @del: that there is none such is told as if there were no such route */
static int take_iface(struct inet *inet, struct inet_route *spec, struct nlattr **attr, bool del)
{
	uint32_t oif = nlq_attr_u32(attr[RTA_OIF], 0);

	if (oif == 0)
		return 0;
	spec->iface = inet_iface_by_index(inet, oif);
	if (spec->iface == NULL)
		return del ? -ESRCH : -ENODEV;
	return 0;
}

/** take_expiry - RTA_EXPIRES, in seconds; of IPv6 only */
static void take_expiry(const struct inet *inet, struct inet_route *spec, struct nlattr **attr)
{
	uint32_t seconds = nlq_attr_u32(attr[RTA_EXPIRES], 0);

	if (spec->family == AF_INET6 && seconds != 0 && seconds != INET_FOREVER)
		spec->expires = inet__now(inet) + seconds * INET_SECOND;
}

/** read_spec - the route that a request is about */
static int read_spec(struct inet *inet, const struct rtmsg *header, struct nlattr **attr, bool del,
                     struct inet_route *spec)
{
	int result;

	if (header->rtm_family != AF_INET && header->rtm_family != AF_INET6)
		return -EOPNOTSUPP;
	result = refuse_unknown(header, attr);
	if (result < 0)
		return result;
	inet__route_init(spec, header->rtm_family);
	if (header->rtm_type > RTN_MAX)
		return nlq_error(-EINVAL, NULL, "Invalid route type");
	rtnl__take_ip(attr[RTA_DST], spec->family, &spec->dst);
	spec->prefixlen = header->rtm_dst_len;
	spec->tos = header->rtm_tos;
	spec->type = header->rtm_type != 0 || del ? header->rtm_type : (uint8_t)RTN_UNICAST;
	spec->scope =
	        spec->family == AF_INET ? header->rtm_scope : (uint8_t)(del ? RT_SCOPE_NOWHERE : RT_SCOPE_UNIVERSE);
	spec->protocol = header->rtm_protocol;
	spec->table = nlq_attr_u32(attr[RTA_TABLE], header->rtm_table);
	if (spec->table == RT_TABLE_UNSPEC)
		spec->table = RT_TABLE_MAIN;
	spec->metric = nlq_attr_u32(attr[RTA_PRIORITY], 0);
	spec->flags = header->rtm_flags & RTNH_F_ONLINK;
	spec->has_prefsrc = rtnl__take_ip(attr[RTA_PREFSRC], spec->family, &spec->prefsrc) &&
	                    !inet__ip_is_zero(spec->family, &spec->prefsrc);
	spec->pref = nlq_attr_u8(attr[RTA_PREF], 0);
	if (spec->pref != 1 && spec->pref != 3) /* high, low */
		spec->pref = 0;
	take_expiry(inet, spec, attr);
	result = take_gateway(spec, attr);
	if (result == 0)
		result = take_iface(inet, spec, attr, del);
	if (result == 0 && attr[RTA_METRICS] != NULL)
		result = take_metrics(spec, attr[RTA_METRICS]);
	return result;
}

void *rtnl__route_search(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	const struct rtmsg *header = NLMSG_DATA(msg);

	(void)attr, (void)stackinfo;
	if (header->rtm_family != AF_INET && header->rtm_family != AF_INET6) {
		nlq_error(-EOPNOTSUPP, NULL, NULL);
		return NULL;
	}
	return msg->nlmsg_type == RTM_NEWROUTE ? rtnl__whole(msg) : msg;
}

int rtnl__route_new(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	struct inet_route spec;
	int result = read_spec(stackinfo, NLMSG_DATA(msg), attr, false, &spec);

	if (result == 0)
		result = inet__route_add(stackinfo, &spec, msg->nlmsg_flags);
	if (result == -ENOENT && spec.family == AF_INET6 && msg->nlmsg_flags & NLM_F_REPLACE)
		return nlq_error(result, NULL, "Can not replace route - no match found");
	return result;
}

int rtnl__route_set(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	(void)entry;
	return rtnl__route_new(msg, attr, stackinfo);
}

/** is_default6 - does a request to delete name the IPv6 default route, and nothing else of it? */
static bool is_default6(const struct inet_route *spec)
{
	return spec->family == AF_INET6 && spec->prefixlen == 0 && spec->table == RT_TABLE_MAIN &&
	       spec->iface == NULL && !spec->has_gateway && spec->metric == 0 && spec->protocol == 0;
}

int rtnl__route_del(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	struct inet_route spec;
	int result = read_spec(stackinfo, NLMSG_DATA(msg), attr, true, &spec);

	(void)entry;
	if (result == 0 && inet__table_trie(stackinfo, spec.family, spec.table) == NULL)
		return nlq_error(-ESRCH, NULL, "FIB table does not exist");
	if (result == 0)
		result = inet__route_delete(stackinfo, &spec);
	/* Where there is no default route Linux has one that says so, which cannot be deleted. */
	return result == -ESRCH && is_default6(&spec) ? -ENOENT : result;
}
