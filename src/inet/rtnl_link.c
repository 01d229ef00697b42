/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rtnl_link.c - `ip link`: interfaces as netlink shows, makes and changes them (rtnetlink(7), uapi if_link.h).
 *
 * Stateless. A request that changes several things changes them in the order of Linux, and what was changed stays
 * when a later one fails. A link that could not be made completely is gone again.
 */
#include "rtnl.h"

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef IFLA_ALLMULTI
#define IFLA_ALLMULTI 61 /* newer than some installed <linux/if_link.h> */
#endif

/* ---------------------------------------------------------------------------------------------------------- showing */

/** put_stats - the counters, as the wide structure and, cut to 32 bits, as the old one */
static void put_stats(struct nlq_msg *msg, const struct rtnl_link_stats64 *stats)
{
	enum { OLD = sizeof(struct rtnl_link_stats) / sizeof(uint32_t), NEW = sizeof(*stats) / sizeof(uint64_t) };
	uint64_t wide[NEW];
	uint32_t narrow[OLD];

	_Static_assert((int)OLD <= (int)NEW, "the members are the same");
	memcpy(wide, stats, sizeof(wide));
	for (int i = 0; i < OLD; i++)
		narrow[i] = (uint32_t)wide[i];
	nlq_addattr(msg, IFLA_STATS64, wide, sizeof(wide));
	nlq_addattr(msg, IFLA_STATS, narrow, sizeof(narrow));
}

/** put_kind - IFLA_LINKINFO */
static void put_kind(struct nlq_msg *msg, const struct inet_iface *iface)
{
	struct nlq_msg *info, *data;

	if (iface->kind == NULL)
		return;
	info = nlq_createxattr();
	rtnl__str(info, IFLA_INFO_KIND, iface->kind);
	if (iface->vnl != NULL) {
		data = nlq_createxattr();
		rtnl__str(data, IFLA_VDE_VNL, iface->vnl);
		nlq_addxattr(info, IFLA_INFO_DATA, data);
	}
	nlq_addxattr(msg, IFLA_LINKINFO, info);
}

/* The arrays of IFLA_INET_CONF and IFLA_INET6_CONF: what sysctl shows as net.ipv4.conf and net.ipv6.conf. */
#define CONF4(name) [IPV4_DEVCONF_##name - 1]
#define CONF4_MAX IPV4_DEVCONF_ARP_EVICT_NOCARRIER
#define CONF6_MAX DEVCONF_NDISC_EVICT_NOCARRIER

static void put_conf4(struct nlq_msg *msg, const struct inet_iface *iface)
{
	uint32_t forwarding = iface->inet->forwarding;
	uint32_t conf[CONF4_MAX] = {
	        CONF4(FORWARDING) = forwarding,
	        CONF4(ACCEPT_REDIRECTS) = !forwarding,
	        CONF4(SECURE_REDIRECTS) = 1,
	        CONF4(SHARED_MEDIA) = 1,
	        CONF4(IGMPV2_UNSOLICITED_REPORT_INTERVAL) = 10000,
	        CONF4(IGMPV3_UNSOLICITED_REPORT_INTERVAL) = 1000,
	        CONF4(ARP_EVICT_NOCARRIER) = 1,
	};

	nlq_addattr(msg, IFLA_INET_CONF, conf, sizeof(conf));
}

static void put_conf6(struct nlq_msg *msg, const struct inet_iface *iface)
{
	uint32_t forwarding = iface->inet->forwarding;
	uint32_t conf[CONF6_MAX] = {
	        [DEVCONF_FORWARDING] = forwarding,
	        [DEVCONF_HOPLIMIT] = iface->hop_limit,
	        [DEVCONF_MTU6] = inet__iface_mtu(iface, AF_INET6),
	        [DEVCONF_ACCEPT_RA] = iface->accept_ra,
	        [DEVCONF_ACCEPT_REDIRECTS] = !forwarding,
	        [DEVCONF_AUTOCONF] = iface->autoconf,
	        [DEVCONF_DAD_TRANSMITS] = iface->dad_transmits,
	        [DEVCONF_RTR_SOLICITS] = UINT32_MAX,
	        [DEVCONF_RTR_SOLICIT_INTERVAL] = 4000,
	        [DEVCONF_RTR_SOLICIT_DELAY] = 1000,
	        [DEVCONF_ACCEPT_RA_DEFRTR] = 1,
	        [DEVCONF_ACCEPT_RA_PINFO] = 1,
	        [DEVCONF_ACCEPT_DAD] = 1,
	        [DEVCONF_MAX_ADDRESSES] = 16,
	};

	nlq_addattr(msg, IFLA_INET6_CONF, conf, sizeof(conf));
}

/** put_inet6 - the attributes of IPv6, in IFLA_AF_SPEC and in IFLA_PROTINFO alike */
static void put_inet6(struct nlq_msg *msg, const struct inet_iface *iface)
{
	struct ifla_cacheinfo cache = {.max_reasm_len = 65535, .reachable_time = 30000, .retrans_time = 1000};
	uint32_t ready = 0x80000000; /* IF_READY of Linux */
	struct in6_addr token = {0};

	rtnl__u32(msg, IFLA_INET6_FLAGS, iface->flags & IFF_UP ? ready : 0);
	nlq_addattr(msg, IFLA_INET6_CACHEINFO, &cache, sizeof(cache));
	put_conf6(msg, iface);
	nlq_addattr(msg, IFLA_INET6_TOKEN, &token, sizeof(token));
	rtnl__u8(msg, IFLA_INET6_ADDR_GEN_MODE, iface->addr_gen_mode);
}

/** put_af_spec - IFLA_AF_SPEC: what the families know of the interface */
static void put_af_spec(struct nlq_msg *msg, const struct inet_iface *iface)
{
	struct nlq_msg *spec = nlq_createxattr(), *inet = nlq_createxattr(), *inet6;

	put_conf4(inet, iface);
	nlq_addxattr(spec, AF_INET, inet);
	if (inet__iface_has6(iface)) {
		inet6 = nlq_createxattr();
		put_inet6(inet6, iface);
		nlq_addxattr(spec, AF_INET6, inet6);
	}
	nlq_addxattr(msg, IFLA_AF_SPEC, spec);
}

/** put_numbers - the attributes that are one number each */
static void put_numbers(struct nlq_msg *msg, const struct inet_iface *iface)
{
	const struct inet_iface_private *private = iface->private;
	bool loopback = iface->flags & IFF_LOOPBACK;

	rtnl__u32(msg, IFLA_TXQLEN, private->txqlen);
	rtnl__u8(msg, IFLA_OPERSTATE, inet__iface_operstate(iface));
	rtnl__u8(msg, IFLA_LINKMODE, 0);
	rtnl__u32(msg, IFLA_MTU, iface->mtu);
	rtnl__u32(msg, IFLA_MIN_MTU, loopback ? 0 : INET_MTU_MIN);
	rtnl__u32(msg, IFLA_MAX_MTU, loopback ? 0 : INET_MTU_MAX);
	rtnl__u32(msg, IFLA_GROUP, private->group);
	rtnl__u32(msg, IFLA_PROMISCUITY, iface->promisc);
	rtnl__u32(msg, IFLA_ALLMULTI, iface->allmulti);
	rtnl__u32(msg, IFLA_NUM_TX_QUEUES, 1);
	rtnl__u32(msg, IFLA_GSO_MAX_SEGS, 65535);
	rtnl__u32(msg, IFLA_GSO_MAX_SIZE, 65536);
	rtnl__u32(msg, IFLA_NUM_RX_QUEUES, 1);
	rtnl__u8(msg, IFLA_CARRIER, iface->carrier && (loopback || iface->flags & IFF_UP));
	rtnl__u32(msg, IFLA_CARRIER_CHANGES, private->carrier_up + private->carrier_down);
	rtnl__u32(msg, IFLA_CARRIER_UP_COUNT, private->carrier_up);
	rtnl__u32(msg, IFLA_CARRIER_DOWN_COUNT, private->carrier_down);
	rtnl__u8(msg, IFLA_PROTO_DOWN, 0);
}

/** fill_view6 - the interface as it is shown to who asks for IPv6 */
static int fill_view6(struct nlq_msg *msg, const struct inet_iface *iface, struct nlq_msg **queue)
{
	struct nlq_msg *info = nlq_createxattr();

	rtnl__str(msg, IFLA_IFNAME, iface->name);
	nlq_addattr(msg, IFLA_ADDRESS, iface->mac, sizeof(iface->mac));
	rtnl__u32(msg, IFLA_MTU, iface->mtu);
	rtnl__u8(msg, IFLA_OPERSTATE, inet__iface_operstate(iface));
	put_inet6(info, iface);
	nlq_addxattr(msg, IFLA_PROTINFO, info);
	return nlq_enqueue(msg, queue);
}

int rtnl__fill_link(const struct inet_iface *iface, uint16_t type, int family, uint32_t ext, struct nlq_msg **queue)
{
	struct nlq_msg *msg = nlq_createmsg(type, 0, 0, 0);
	const struct inet_iface_private *private = iface->private;
	struct rtnl_link_ifmap map = {0};

	nlq_addstruct(msg, ifinfomsg, .ifi_family = (unsigned char)family, .ifi_type = iface->type,
	              .ifi_index = (int)iface->index, .ifi_flags = inet__iface_flags(iface));
	if (family == AF_INET6)
		return fill_view6(msg, iface, queue);
	rtnl__str(msg, IFLA_IFNAME, iface->name);
	put_numbers(msg, iface);
	rtnl__str(msg, IFLA_QDISC, private->been_up && type == RTM_NEWLINK ? "noqueue" : "noop");
	if (private->alias != NULL)
		rtnl__str(msg, IFLA_IFALIAS, private->alias);
	nlq_addattr(msg, IFLA_MAP, &map, sizeof(map));
	nlq_addattr(msg, IFLA_ADDRESS, iface->mac, sizeof(iface->mac));
	nlq_addattr(msg, IFLA_BROADCAST, private->broadcast, sizeof(private->broadcast));
	if (!(ext & RTEXT_FILTER_SKIP_STATS))
		put_stats(msg, &iface->stats);
	put_kind(msg, iface);
	put_af_spec(msg, iface);
	return nlq_enqueue(msg, queue);
}

/* ---------------------------------------------------------------------------------------------------------- finding */

/** name_of - IFLA_IFNAME or IFLA_ALT_IFNAME as a string; false: neither is there, or it is no name that can be */
static bool name_of(struct nlattr **attr, char name[IFNAMSIZ])
{
	const struct nlattr *given = attr[IFLA_IFNAME] != NULL ? attr[IFLA_IFNAME] : attr[IFLA_ALT_IFNAME];

	return nlq_attr_str(given, name, IFNAMSIZ) != NULL;
}

void *rtnl__link_search(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	const struct ifinfomsg *header = NLMSG_DATA(msg);
	char name[IFNAMSIZ];

	if (header->ifi_index < 0) {
		nlq_error(-EINVAL, NULL, "ifindex can't be negative");
		return NULL;
	}
	if (header->ifi_index > 0)
		return inet_iface_by_index(stackinfo, (unsigned int)header->ifi_index);
	if (name_of(attr, name))
		return inet_iface_by_name(stackinfo, name);
	/* With a RTM_NEWLINK that names no link iproute2 finds out whether there can be new ones: ENODEV. */
	if (msg->nlmsg_type != RTM_NEWLINK && attr[IFLA_IFNAME] == NULL && attr[IFLA_ALT_IFNAME] == NULL)
		nlq_error(-EINVAL, NULL, NULL);
	return NULL;
}

int rtnl__link_get(void *entry, struct nlmsghdr *msg, struct nlattr **attr, struct nlq_msg **queue, void *stackinfo)
{
	const struct ifinfomsg *header = NLMSG_DATA(msg);
	uint32_t ext = nlq_attr_u32(attr[IFLA_EXT_MASK], 0);
	int family = header->ifi_family == AF_INET6 ? AF_INET6 : AF_UNSPEC, result = 0;

	if (entry != NULL)
		return rtnl__fill_link(entry, RTM_NEWLINK, AF_UNSPEC, ext, queue);
	if (header->ifi_family == AF_BRIDGE) /* nothing here is in a bridge */
		return 0;
	for (struct inet_iface *iface = inet_iface_first(stackinfo); iface != NULL && result == 0;
	     iface = iface->next) {
		if (family == AF_UNSPEC || inet__iface_has6(iface))
			result = rtnl__fill_link(iface, RTM_NEWLINK, family, ext, queue);
	}
	return result;
}

/* --------------------------------------------------------------------------------------------------------- changing */

/** refuse_unknown - what could be asked for of a link and is not done here */
static int refuse_unknown(struct nlattr **attr)
{
	static const uint16_t refused[] = {IFLA_NET_NS_PID,  IFLA_NET_NS_FD,    IFLA_TARGET_NETNSID, IFLA_MAP,
	                                   IFLA_VFINFO_LIST, IFLA_VF_PORTS,     IFLA_PORT_SELF,      IFLA_PROTINFO,
	                                   IFLA_XDP,         IFLA_GSO_MAX_SEGS, IFLA_GSO_MAX_SIZE,   IFLA_PROP_LIST};

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (attr[refused[i]] != NULL)
			return nlq_error(-EOPNOTSUPP, attr[refused[i]], "Attribute not supported by this stack");
	}
	if (nlq_attr_u32(attr[IFLA_MASTER], 0) != 0)
		return nlq_error(-EOPNOTSUPP, attr[IFLA_MASTER], "Interfaces of this stack have no master");
	if (attr[IFLA_PROTO_DOWN] != NULL)
		return nlq_error(-EOPNOTSUPP, attr[IFLA_PROTO_DOWN], "Protodown not supported by device");
	if (attr[IFLA_CARRIER] != NULL)
		return nlq_error(-EOPNOTSUPP, attr[IFLA_CARRIER], "The carrier is that of the network");
	return 0;
}

/** check_link - what Linux checks before it changes anything */
static int check_link(const struct inet_iface *iface, struct nlattr **attr)
{
	struct nlattr *spec[AF_MAX];

	if (attr[IFLA_ADDRESS] != NULL && nlq_attr_len(attr[IFLA_ADDRESS]) < sizeof(iface->mac))
		return -EINVAL;
	if (attr[IFLA_BROADCAST] != NULL && nlq_attr_len(attr[IFLA_BROADCAST]) < sizeof(iface->mac))
		return -EINVAL;
	if (nlq_parsexattr(attr[IFLA_AF_SPEC], spec, AF_MAX) < 0)
		return -EINVAL;
	for (int family = 0; family < AF_MAX; family++) {
		if (spec[family] != NULL && family != AF_INET && family != AF_INET6)
			return -EAFNOSUPPORT;
	}
	return refuse_unknown(attr);
}

/** set_af_spec - IFLA_AF_SPEC; what cannot be set is refused */
static int set_af_spec(struct inet_iface *iface, const struct nlattr *attr)
{
	struct nlattr *spec[AF_MAX], *inet[IFLA_INET_MAX + 1], *inet6[IFLA_INET6_MAX + 1];

	if (attr == NULL)
		return 0;
	if (nlq_parsexattr(attr, spec, AF_MAX) < 0 || nlq_parsexattr(spec[AF_INET], inet, IFLA_INET_MAX + 1) < 0 ||
	    nlq_parsexattr(spec[AF_INET6], inet6, IFLA_INET6_MAX + 1) < 0)
		return -EINVAL;
	if (inet[IFLA_INET_CONF] != NULL || inet6[IFLA_INET6_TOKEN] != NULL)
		return nlq_error(-EOPNOTSUPP, attr, "Only addr_gen_mode can be set");
	if (spec[AF_INET6] == NULL)
		return 0;
	if (inet6[IFLA_INET6_ADDR_GEN_MODE] == NULL || nlq_attr_len(inet6[IFLA_INET6_ADDR_GEN_MODE]) < 1)
		return -EINVAL;
	if (!inet__iface_has6(iface))
		return -EAFNOSUPPORT;
	return inet__iface_set_addr_gen_mode(iface, nlq_attr_u8(inet6[IFLA_INET6_ADDR_GEN_MODE], 0));
}

/** set_alias - IFLA_IFALIAS; an empty one is none */
static int set_alias(struct inet_iface *iface, const struct nlattr *attr)
{
	struct inet_iface_private *private = iface->private;
	char text[256], *alias = NULL;

	if (nlq_attr_str(attr, text, sizeof(text)) == NULL)
		return -EINVAL;
	if (text[0] != '\0' && (alias = strdup(text)) == NULL)
		return -ENOMEM;
	free(private->alias);
	private->alias = alias;
	return 0;
}

/** set_shown - the attributes that nothing but `ip link` looks at; 1: something was set, 0, or a negative errno */
static int set_shown(struct inet_iface *iface, struct nlattr **attr)
{
	if (attr[IFLA_GROUP] != NULL)
		iface->private->group = nlq_attr_u32(attr[IFLA_GROUP], 0);
	if (attr[IFLA_IFALIAS] != NULL) {
		int result = set_alias(iface, attr[IFLA_IFALIAS]);

		if (result < 0)
			return result;
	}
	return attr[IFLA_GROUP] != NULL || attr[IFLA_IFALIAS] != NULL;
}

/** set_broadcast - IFLA_BROADCAST */
static bool set_broadcast(struct inet_iface *iface, const struct nlattr *attr)
{
	if (attr != NULL)
		memcpy(iface->private->broadcast, nlq_attr_data(attr, 6), 6);
	return attr != NULL;
}

/** set_flags - ifi_flags and ifi_change */
static int set_flags(struct inet_iface *iface, const struct ifinfomsg *header)
{
	if (header->ifi_flags == 0 && header->ifi_change == 0)
		return 0;
	return inet__iface_set_flags(iface, header->ifi_flags, header->ifi_change != 0 ? header->ifi_change : ~0U);
}

/** set_txqlen - IFLA_TXQLEN; true when it has changed */
static bool set_txqlen(struct inet_iface *iface, const struct nlattr *attr)
{
	unsigned int before = iface->private->txqlen;

	iface->private->txqlen = nlq_attr_u32(attr, before);
	return iface->private->txqlen != before;
}

/** set_hardware - IFLA_ADDRESS and IFLA_MTU */
static int set_hardware(struct inet_iface *iface, struct nlattr **attr)
{
	int result = 0;

	if (attr[IFLA_ADDRESS] != NULL)
		result = inet__iface_set_mac(iface, nlq_attr_data(attr[IFLA_ADDRESS], sizeof(iface->mac)));
	if (result == 0 && attr[IFLA_MTU] != NULL)
		result = inet__iface_set_mtu(iface, nlq_attr_u32(attr[IFLA_MTU], 0));
	return result;
}

/** rename_link - IFLA_IFNAME beside an index */
static int rename_link(struct inet_iface *iface, const struct ifinfomsg *header, const struct nlattr *attr)
{
	char name[IFNAMSIZ];

	if (header->ifi_index <= 0 || nlq_attr_str(attr, name, sizeof(name)) == NULL || name[0] == '\0' ||
	    strcmp(name, iface->name) == 0)
		return 0;
	return inet__iface_set_name(iface, name);
}

/** set_state - what Linux tells of only while the interface is up */
static int set_state(struct inet_iface *iface, struct nlattr **attr, bool shown)
{
	struct inet__rtnl telling = {.quiet = true};
	int result;

	iface->inet->rtnl = &telling;
	result = set_af_spec(iface, attr[IFLA_AF_SPEC]);
	iface->inet->rtnl = NULL;
	if ((shown || (result == 0 && attr[IFLA_AF_SPEC] != NULL)) && iface->flags & IFF_UP)
		inet__notify_link(iface, false);
	return result;
}

int rtnl__link_set(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	const struct ifinfomsg *header = NLMSG_DATA(msg);
	struct inet_iface *iface = entry;
	bool shown = false;
	int result = check_link(iface, attr);

	(void)stackinfo;
	if (msg->nlmsg_type == RTM_NEWLINK && msg->nlmsg_flags & NLM_F_REPLACE)
		return -EOPNOTSUPP;
	if (result == 0)
		result = set_hardware(iface, attr);
	if (result == 0)
		result = rename_link(iface, header, attr[IFLA_IFNAME]);
	if (result == 0) {
		result = set_shown(iface, attr);
		shown = result > 0;
	}
	if (result >= 0) {
		if (set_broadcast(iface, attr[IFLA_BROADCAST]))
			inet__notify_link(iface, false);
		result = set_flags(iface, header);
	}
	if (result == 0 && set_txqlen(iface, attr[IFLA_TXQLEN]))
		inet__notify_link(iface, false);
	if (result == 0)
		result = set_state(iface, attr, shown);
	return result;
}

/* ------------------------------------------------------------------------------------------------ making, deleting */

/** struct newlink - a link that is asked for */
struct newlink {
	char name[IFNAMSIZ];
	char kind[16];
	char vnl[1024];
	bool has_vnl;
};

/** read_newlink - name, kind and locator */
static int read_newlink(struct nlattr **attr, struct newlink *out)
{
	struct nlattr *info[IFLA_INFO_MAX + 1], *data[IFLA_VDE_VNL + 1];

	*out = (struct newlink){0};
	if (nlq_parsexattr(attr[IFLA_LINKINFO], info, IFLA_INFO_MAX + 1) < 0)
		return -EINVAL;
	if (nlq_attr_str(info[IFLA_INFO_KIND], out->kind, sizeof(out->kind)) == NULL ||
	    (strcmp(out->kind, "vde") != 0 && strcmp(out->kind, "dummy") != 0))
		return nlq_error(-EOPNOTSUPP, info[IFLA_INFO_KIND], "Unknown device type");
	if (nlq_parsexattr(info[IFLA_INFO_DATA], data, IFLA_VDE_VNL + 1) < 0)
		return -EINVAL;
	if (strcmp(out->kind, "vde") == 0 && data[IFLA_VDE_VNL] != NULL) {
		if (nlq_attr_str(data[IFLA_VDE_VNL], out->vnl, sizeof(out->vnl)) == NULL)
			return nlq_error(-ERANGE, data[IFLA_VDE_VNL], "The VDE network locator is too long");
		out->has_vnl = true;
	}
	if (strcmp(out->kind, "vde") == 0 && !out->has_vnl)
		return nlq_error(-EINVAL, info[IFLA_INFO_DATA], "A link of kind vde needs a VDE network locator");
	if (!name_of(attr, out->name) || out->name[0] == '\0')
		snprintf(out->name, sizeof(out->name), "%.8s%%d", out->kind);
	return 0;
}

/** configure - the attributes of a new link, which is still down; see make */
static int configure(struct inet_iface *iface, struct nlattr **attr)
{
	int result = 0;

	if (attr[IFLA_MTU] != NULL)
		result = inet__iface_set_mtu(iface, nlq_attr_u32(attr[IFLA_MTU], 0));
	if (result == 0)
		result = set_shown(iface, attr);
	if (result < 0)
		return result;
	set_broadcast(iface, attr[IFLA_BROADCAST]);
	set_txqlen(iface, attr[IFLA_TXQLEN]);
	return set_af_spec(iface, attr[IFLA_AF_SPEC]);
}

/** make - a link as it is asked for, still down, of which nobody has been told */
static int make(struct inet *inet, const struct ifinfomsg *header, struct nlattr **attr, struct inet_iface **out)
{
	const unsigned char *mac = nlq_attr_data(attr[IFLA_ADDRESS], 6);
	unsigned int index = header->ifi_index > 0 ? (unsigned int)header->ifi_index : 0;
	struct newlink new;
	int result = read_newlink(attr, &new);

	if (result == 0)
		result = check_link(inet->lo, attr);
	if (result == 0)
		result = inet_iface_new(inet, new.name, new.kind, new.has_vnl ? new.vnl : NULL, mac, index, out);
	if (result < 0)
		return result;
	result = configure(*out, attr);
	if (result < 0) {
		inet_iface_delete(*out);
		*out = NULL;
	}
	return result;
}

int rtnl__link_new(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	struct inet__rtnl telling = {.quiet = true};
	struct inet_iface *iface = NULL;
	struct inet *inet = stackinfo;
	int result;

	inet->rtnl = &telling;
	result = make(inet, NLMSG_DATA(msg), attr, &iface);
	telling.quiet = false;
	if (result == 0)
		result = set_flags(iface, NLMSG_DATA(msg));
	if (result == 0 && !telling.told)
		inet__notify_link(iface, false);
	inet->rtnl = NULL;
	if (result < 0 && iface != NULL)
		inet_iface_delete(iface);
	return result < 0 ? result : (int)iface->index;
}

int rtnl__link_del(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	(void)msg, (void)attr, (void)stackinfo;
	return inet_iface_delete(entry);
}
