/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * policy.c - what attributes of requests must look like, so that handlers can read them without measuring.
 *
 * One table a family of requests, indexed by attribute type. As in Linux an attribute may be longer than its type, but
 * not shorter (ERANGE); strings have a longest length (ERANGE); addresses have that of the family in the message;
 * nested attributes must be lists (EINVAL). What is not in a table is only known to lie within its message. RFC 3549,
 * rtnetlink(7).
 */
#include "private.h"

#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>

enum kind {
	ANY,
	LENGTH,  /* from .min to .max bytes; .max 0: as many as there are */
	STRING,  /* at most .max bytes without the NUL */
	ADDRESS, /* of the family of the message; any length for families that are not IP */
	NESTED,  /* a list, whose attributes are in .nested when it is not NULL */
};

/** struct policy - what attributes of one type must look like */
struct policy {
	unsigned char kind;
	uint16_t min, max;
	const struct policy *nested;
	unsigned int nestedn; /* entries of it */
};

#define U8 .kind = LENGTH, .min = 1
#define U16 .kind = LENGTH, .min = 2
#define U32 .kind = LENGTH, .min = 4
#define U64 .kind = LENGTH, .min = 8
#define STRUCT(size) .kind = LENGTH, .min = (size)
#define MAC .kind = LENGTH, .min = 1, .max = 32 /* MAX_ADDR_LEN of Linux */
#define STR(len) .kind = STRING, .max = (len)
#define ADDR .kind = ADDRESS
#define NEST .kind = NESTED
#define NEST_OF(table) .kind = NESTED, .nested = (table), .nestedn = sizeof(table) / sizeof((table)[0])

static const struct policy linkinfo[] = {
        [IFLA_INFO_KIND] = {STR(55)},
        [IFLA_INFO_DATA] = {NEST},
        [IFLA_INFO_SLAVE_KIND] = {STR(55)},
        [IFLA_INFO_SLAVE_DATA] = {NEST},
};

static const struct policy link_policy[] = {
        [IFLA_ADDRESS] = {MAC},
        [IFLA_BROADCAST] = {MAC},
        [IFLA_IFNAME] = {STR(NLQ__IFNAMSIZ - 1)},
        [IFLA_MTU] = {U32},
        [IFLA_LINK] = {U32},
        [IFLA_QDISC] = {STR(NLQ__IFNAMSIZ - 1)},
        [IFLA_MASTER] = {U32},
        [IFLA_WEIGHT] = {U32},
        [IFLA_MAP] = {STRUCT(sizeof(struct rtnl_link_ifmap))},
        [IFLA_TXQLEN] = {U32},
        [IFLA_OPERSTATE] = {U8},
        [IFLA_LINKMODE] = {U8},
        [IFLA_LINKINFO] = {NEST_OF(linkinfo)},
        [IFLA_NET_NS_PID] = {U32},
        [IFLA_IFALIAS] = {STR(255)},
        [IFLA_VFINFO_LIST] = {NEST},
        [IFLA_VF_PORTS] = {NEST},
        [IFLA_PORT_SELF] = {NEST},
        [IFLA_AF_SPEC] = {NEST},
        [IFLA_GROUP] = {U32},
        [IFLA_NET_NS_FD] = {U32},
        [IFLA_EXT_MASK] = {U32},
        [IFLA_PROMISCUITY] = {U32},
        [IFLA_NUM_TX_QUEUES] = {U32},
        [IFLA_NUM_RX_QUEUES] = {U32},
        [IFLA_CARRIER] = {U8},
        [IFLA_PROTO_DOWN] = {U8},
        [IFLA_GSO_MAX_SEGS] = {U32},
        [IFLA_GSO_MAX_SIZE] = {U32},
        [IFLA_XDP] = {NEST},
        [IFLA_MIN_MTU] = {U32},
        [IFLA_MAX_MTU] = {U32},
        [IFLA_PROP_LIST] = {NEST},
        [IFLA_ALT_IFNAME] = {STR(127)},
};

static const struct policy addr_policy[] = {
        [IFA_ADDRESS] = {ADDR},       [IFA_LOCAL] = {ADDR},   [IFA_LABEL] = {STR(NLQ__IFNAMSIZ - 1)},
        [IFA_BROADCAST] = {ADDR},     [IFA_ANYCAST] = {ADDR}, [IFA_CACHEINFO] = {STRUCT(sizeof(struct ifa_cacheinfo))},
        [IFA_MULTICAST] = {ADDR},     [IFA_FLAGS] = {U32},    [IFA_RT_PRIORITY] = {U32},
        [IFA_TARGET_NETNSID] = {U32},
};

static const struct policy metrics[] = {
        [RTAX_LOCK] = {U32},       [RTAX_MTU] = {U32},      [RTAX_WINDOW] = {U32},   [RTAX_RTT] = {U32},
        [RTAX_RTTVAR] = {U32},     [RTAX_SSTHRESH] = {U32}, [RTAX_CWND] = {U32},     [RTAX_ADVMSS] = {U32},
        [RTAX_REORDERING] = {U32}, [RTAX_HOPLIMIT] = {U32}, [RTAX_INITCWND] = {U32}, [RTAX_FEATURES] = {U32},
        [RTAX_RTO_MIN] = {U32},    [RTAX_INITRWND] = {U32}, [RTAX_QUICKACK] = {U32}, [RTAX_CC_ALGO] = {STR(15)},
};

static const struct policy route_policy[] = {
        [RTA_DST] = {ADDR},
        [RTA_SRC] = {ADDR},
        [RTA_IIF] = {U32},
        [RTA_OIF] = {U32},
        [RTA_GATEWAY] = {ADDR},
        [RTA_PRIORITY] = {U32},
        [RTA_PREFSRC] = {ADDR},
        [RTA_METRICS] = {NEST_OF(metrics)},
        [RTA_MULTIPATH] = {STRUCT(sizeof(struct rtnexthop))},
        [RTA_FLOW] = {U32},
        [RTA_CACHEINFO] = {STRUCT(sizeof(struct rta_cacheinfo))},
        [RTA_TABLE] = {U32},
        [RTA_MARK] = {U32},
        [RTA_VIA] = {STRUCT(sizeof(struct rtvia))},
        [RTA_NEWDST] = {ADDR},
        [RTA_PREF] = {U8},
        [RTA_ENCAP_TYPE] = {U16},
        [RTA_ENCAP] = {NEST},
        [RTA_EXPIRES] = {U32},
        [RTA_UID] = {U32},
        [RTA_TTL_PROPAGATE] = {U8},
        [RTA_IP_PROTO] = {U8},
        [RTA_SPORT] = {U16},
        [RTA_DPORT] = {U16},
        [RTA_NH_ID] = {U32},
};

static const struct policy neigh_policy[] = {
        [NDA_DST] = {ADDR},
        [NDA_LLADDR] = {MAC},
        [NDA_CACHEINFO] = {STRUCT(sizeof(struct nda_cacheinfo))},
        [NDA_PROBES] = {U32},
        [NDA_VLAN] = {U16},
        [NDA_PORT] = {U16},
        [NDA_VNI] = {U32},
        [NDA_IFINDEX] = {U32},
        [NDA_MASTER] = {U32},
        [NDA_LINK_NETNSID] = {U32},
        [NDA_SRC_VNI] = {U32},
        [NDA_PROTOCOL] = {U8},
        [NDA_NH_ID] = {U32},
        [NDA_FDB_EXT_ATTRS] = {NEST},
};

static const struct policy rule_policy[] = {
        [FRA_DST] = {ADDR},
        [FRA_SRC] = {ADDR},
        [FRA_IIFNAME] = {STR(NLQ__IFNAMSIZ - 1)},
        [FRA_GOTO] = {U32},
        [FRA_PRIORITY] = {U32},
        [FRA_FWMARK] = {U32},
        [FRA_FLOW] = {U32},
        [FRA_TUN_ID] = {U64},
        [FRA_SUPPRESS_IFGROUP] = {U32},
        [FRA_SUPPRESS_PREFIXLEN] = {U32},
        [FRA_TABLE] = {U32},
        [FRA_FWMASK] = {U32},
        [FRA_OIFNAME] = {STR(NLQ__IFNAMSIZ - 1)},
        [FRA_L3MDEV] = {U8},
        [FRA_UID_RANGE] = {STRUCT(sizeof(struct fib_rule_uid_range))},
        [FRA_PROTOCOL] = {U8},
        [FRA_IP_PROTO] = {U8},
        [FRA_SPORT_RANGE] = {STRUCT(sizeof(struct fib_rule_port_range))},
        [FRA_DPORT_RANGE] = {STRUCT(sizeof(struct fib_rule_port_range))},
};

static const struct policy tc_policy[] = {
        [TCA_KIND] = {STR(NLQ__IFNAMSIZ - 1)},
        [TCA_RATE] = {STRUCT(2)}, /* struct tc_estimator */
        [TCA_STAB] = {NEST},
        [TCA_INGRESS_BLOCK] = {U32},
        [TCA_EGRESS_BLOCK] = {U32},
};

/* the whole table, as if it were one attribute that holds those of the message */
static const struct policy families[] = {
        [RTMF_LINK] = {NEST_OF(link_policy)},   [RTMF_ADDR] = {NEST_OF(addr_policy)},
        [RTMF_ROUTE] = {NEST_OF(route_policy)}, [RTMF_NEIGH] = {NEST_OF(neigh_policy)},
        [RTMF_RULE] = {NEST_OF(rule_policy)},   [RTMF_QDISC] = {NEST_OF(tc_policy)},
};

static int check_table(const struct policy *policy, struct nlattr **table, int family);

/** check_attr - one attribute against its policy; its text and place go to nlq_error */
static int check_attr(const struct policy *policy, const struct nlattr *attr, int family)
{
	size_t len = nlq_attr_len(attr), need = nlq_family2addrlen(family);
	struct nlattr *nested[NLQ_ATTRS];

	switch (policy->kind) {
	case LENGTH:
		if (len < policy->min || (policy->max > 0 && len > policy->max))
			return nlq_error(-ERANGE, attr, "Attribute has %zu bytes, at least %u are needed", len,
			                 policy->min);
		return 0;
	case STRING:
		if (strnlen(nlq_attr_data(attr, 0), len) > policy->max)
			return nlq_error(-ERANGE, attr, "Text has more than %u bytes", policy->max);
		return 0;
	case ADDRESS:
		if (need > 0 && len != need)
			return nlq_error(-ERANGE, attr, "Address has %zu bytes instead of %zu", len, need);
		return 0;
	case NESTED:
		if (nlq_parsexattr(attr, nested, NLQ_ATTRS) < 0)
			return nlq_error(-EINVAL, attr, "Nested attributes do not fill their attribute");
		return policy->nested == NULL ? 0 : check_table(policy, nested, family);
	default:
		return 0;
	}
}

static int check_table(const struct policy *policy, struct nlattr **table, int family)
{
	for (unsigned int type = 0; type < policy->nestedn; type++) {
		int result = table[type] == NULL ? 0 : check_attr(&policy->nested[type], table[type], family);

		if (result < 0)
			return result;
	}
	return 0;
}

int nlq__check_attrs(const struct nlmsghdr *request, struct nlattr **attr)
{
	int rtmf = nlq__family(request->nlmsg_type);
	const unsigned char *family = nlq__msgdata(request, 1); /* the first byte of every fixed header */

	if (rtmf < 0 || (size_t)rtmf >= sizeof(families) / sizeof(families[0]) || family == NULL)
		return 0;
	return check_table(&families[rtmf], attr, *family);
}

/** prefix_fits - whether a prefix length is possible in a family */
static bool prefix_fits(int family, unsigned int prefixlen)
{
	unsigned int addrlen = nlq_family2addrlen(family);

	return addrlen == 0 || prefixlen <= addrlen * 8;
}

int nlq__check_header(const struct nlmsghdr *request)
{
	const void *header = nlq__msgdata(request, nlq__headerlen(request->nlmsg_type));
	const struct ifaddrmsg *addr = header;
	const struct rtmsg *route = header;
	const struct fib_rule_hdr *rule = header;
	bool fits = true;

	if (header == NULL)
		return nlq_error(-EINVAL, NULL, "Message is shorter than the header of its type");
	switch (nlq__family(request->nlmsg_type)) {
	case RTMF_ADDR:
		fits = prefix_fits(addr->ifa_family, addr->ifa_prefixlen);
		break;
	case RTMF_ROUTE:
		fits = prefix_fits(route->rtm_family, route->rtm_dst_len) &&
		       prefix_fits(route->rtm_family, route->rtm_src_len);
		break;
	case RTMF_RULE:
		fits = prefix_fits(rule->family, rule->dst_len) && prefix_fits(rule->family, rule->src_len);
		break;
	default:
		break;
	}
	return fits ? 0 : nlq_error(-EINVAL, NULL, "Invalid prefix length");
}
