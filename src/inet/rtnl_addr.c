/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rtnl_addr.c - `ip addr`: addresses as netlink shows, makes and changes them (rtnetlink(7), uapi if_addr.h).
 *
 * Stateless. IPv4 and IPv6 read a request differently: IFA_LOCAL has to be there for IPv4, while for IPv6 either of
 * IFA_LOCAL and IFA_ADDRESS will do.
 */
#include "rtnl.h"

#ifndef IFA_PROTO
#define IFA_PROTO 11 /* newer than some installed <linux/if_addr.h> */
#endif

/* Flags that a request for an IPv6 address may set; the others tell a state. */
#define SETTABLE6                                                                                                      \
	(IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN |             \
	 IFA_F_OPTIMISTIC)

/* ---------------------------------------------------------------------------------------------------------- showing */

/** seconds_left - of a lifetime */
static uint32_t seconds_left(int64_t now, int64_t until)
{
	if (until == INET_NEVER)
		return INET_FOREVER;
	return until <= now ? 0 : (uint32_t)((until - now + INET_SECOND - 1) / INET_SECOND);
}

static void put_cacheinfo(struct nlq_msg *msg, const struct inet_addr *addr)
{
	int64_t now = inet__now(addr->iface->inet);
	struct ifa_cacheinfo info = {
	        .ifa_prefered = seconds_left(now, addr->preferred_until),
	        .ifa_valid = seconds_left(now, addr->valid_until),
	        .cstamp = (uint32_t)(addr->created / (INET_SECOND / RTNL_TICKS)),
	        .tstamp = (uint32_t)(addr->updated / (INET_SECOND / RTNL_TICKS)),
	};

	nlq_addattr(msg, IFA_CACHEINFO, &info, sizeof(info));
}

int rtnl__fill_addr(const struct inet_addr *addr, uint16_t type, struct nlq_msg **queue)
{
	struct nlq_msg *msg = nlq_createmsg(type, 0, 0, 0);
	int family = addr->family;

	nlq_addstruct(msg, ifaddrmsg, .ifa_family = (unsigned char)family, .ifa_prefixlen = addr->prefixlen,
	              .ifa_flags = (unsigned char)addr->flags, .ifa_scope = addr->scope,
	              .ifa_index = addr->iface->index);
	rtnl__ip(msg, IFA_ADDRESS, family, &addr->peer);
	if (family == AF_INET || !inet__ip_equal(family, &addr->peer, &addr->local))
		rtnl__ip(msg, IFA_LOCAL, family, &addr->local);
	if (addr->has_broadcast)
		rtnl__ip(msg, IFA_BROADCAST, family, &addr->broadcast);
	if (family == AF_INET && addr->label[0] != '\0')
		rtnl__str(msg, IFA_LABEL, addr->label);
	if (addr->proto != 0)
		rtnl__u8(msg, IFA_PROTO, addr->proto);
	rtnl__u32(msg, IFA_FLAGS, addr->flags);
	if (addr->metric != 0)
		rtnl__u32(msg, IFA_RT_PRIORITY, addr->metric);
	put_cacheinfo(msg, addr);
	return nlq_enqueue(msg, queue);
}

/* ---------------------------------------------------------------------------------------------------------- finding */

/** find4 - the IPv4 address that a request to delete means: what it does not say does not matter */
static struct inet_addr *find4(const struct inet_iface *iface, const struct ifaddrmsg *header, struct nlattr **attr)
{
	union inet_ip local, peer;
	bool has_local = rtnl__take_ip(attr[IFA_LOCAL], AF_INET, &local);
	bool has_peer = rtnl__take_ip(attr[IFA_ADDRESS], AF_INET, &peer);
	char label[IFNAMSIZ];
	bool has_label = nlq_attr_str(attr[IFA_LABEL], label, sizeof(label)) != NULL;

	for (struct inet_addr *addr = iface->addrs; addr != NULL; addr = addr->next) {
		if (addr->family != AF_INET || (has_local && !inet__ip_equal(AF_INET, &addr->local, &local)) ||
		    (has_label && strcmp(addr->label, label) != 0))
			continue;
		if (!has_peer || (addr->prefixlen == header->ifa_prefixlen &&
		                  inet__ip_match(AF_INET, &addr->peer, &peer, addr->prefixlen)))
			return addr;
	}
	nlq_error(-EADDRNOTAVAIL, NULL, "ipv4: Address not found");
	return NULL;
}

/** take6 - the IPv6 address in a request, and its peer; false: there is none */
static bool take6(struct nlattr **attr, union inet_ip *local, union inet_ip *peer)
{
	bool has_peer = rtnl__take_ip(attr[IFA_ADDRESS], AF_INET6, peer);

	if (!rtnl__take_ip(attr[IFA_LOCAL], AF_INET6, local)) {
		if (has_peer)
			*local = *peer;
		return has_peer;
	}
	if (!has_peer)
		*peer = *local;
	return true;
}

static struct inet_addr *find6(struct inet_iface *iface, int prefixlen, struct nlattr **attr)
{
	union inet_ip local, peer;
	struct inet_addr *addr = NULL;

	if (!take6(attr, &local, &peer)) {
		nlq_error(-EINVAL, NULL, NULL);
		return NULL;
	}
	addr = inet__addr_find(iface, AF_INET6, &local, prefixlen, NULL);
	if (addr == NULL)
		nlq_error(-EADDRNOTAVAIL, NULL, "ipv6: address not found");
	return addr;
}

/** iface_of - the interface that a request is about, or NULL: the errno is set */
static struct inet_iface *iface_of(const struct ifaddrmsg *header, struct inet *inet)
{
	struct inet_iface *iface = inet_iface_by_index(inet, header->ifa_index);

	if (iface == NULL)
		nlq_error(-ENODEV, NULL,
		          header->ifa_family == AF_INET ? "ipv4: Device not found"
		                                        : "ipv6: Unable to find the interface");
	return iface;
}

/** get6 - the IPv6 address that RTM_GETADDR asks for, of whatever interface when it names none */
static struct inet_addr *get6(const struct ifaddrmsg *header, struct nlattr **attr, struct inet *inet)
{
	struct inet_addr *addr = NULL;

	if (header->ifa_index != 0) {
		struct inet_iface *iface = iface_of(header, inet);

		return iface == NULL ? NULL : find6(iface, -1, attr);
	}
	for (struct inet_iface *iface = inet_iface_first(inet); iface != NULL && addr == NULL; iface = iface->next)
		addr = find6(iface, -1, attr);
	return addr;
}

void *rtnl__addr_search(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	const struct ifaddrmsg *header = NLMSG_DATA(msg);
	struct inet_iface *iface;

	if (header->ifa_family != AF_INET && header->ifa_family != AF_INET6) {
		nlq_error(-EOPNOTSUPP, NULL, NULL);
		return NULL;
	}
	if (msg->nlmsg_type == RTM_NEWADDR)
		return rtnl__whole(msg);
	if (msg->nlmsg_type == RTM_GETADDR) {
		if (header->ifa_family == AF_INET6)
			return get6(header, attr, stackinfo);
		nlq_error(-EOPNOTSUPP, NULL, NULL); /* as in Linux, for IPv4 there are only dumps */
		return NULL;
	}
	iface = iface_of(header, stackinfo);
	if (iface == NULL)
		return NULL;
	if (header->ifa_family == AF_INET)
		return find4(iface, header, attr);
	return find6(iface, header->ifa_prefixlen, attr);
}

int rtnl__addr_get(void *entry, struct nlmsghdr *msg, struct nlattr **attr, struct nlq_msg **queue, void *stackinfo)
{
	const struct ifaddrmsg *header = NLMSG_DATA(msg);
	static const int families[] = {AF_INET, AF_INET6};
	int result = 0;

	(void)attr;
	if (entry != NULL)
		return rtnl__fill_addr(entry, RTM_NEWADDR, queue);
	for (int i = 0; i < 2; i++) {
		if (header->ifa_family != AF_UNSPEC && header->ifa_family != families[i])
			continue;
		for (struct inet_iface *iface = inet_iface_first(stackinfo); iface != NULL; iface = iface->next) {
			for (struct inet_addr *addr = iface->addrs; addr != NULL && result == 0; addr = addr->next) {
				if (addr->family == families[i])
					result = rtnl__fill_addr(addr, RTM_NEWADDR, queue);
			}
		}
	}
	return result;
}

/* --------------------------------------------------------------------------------------------------------- changing */

/** take_lifetimes - IFA_CACHEINFO */
static int take_lifetimes(struct inet__addr_spec *spec, struct nlattr **attr)
{
	const struct ifa_cacheinfo *info = nlq_attr_data(attr[IFA_CACHEINFO], sizeof(*info));

	spec->preferred = spec->valid = INET_FOREVER;
	if (info == NULL)
		return 0;
	if (info->ifa_valid == 0 || info->ifa_prefered > info->ifa_valid)
		return nlq_error(-EINVAL, attr[IFA_CACHEINFO], "%s: address lifetime invalid",
		                 spec->family == AF_INET ? "ipv4" : "ipv6");
	spec->preferred = info->ifa_prefered;
	spec->valid = info->ifa_valid;
	return 0;
}

/** read_spec - what a request asks for; @label: room for that */
static int read_spec(const struct ifaddrmsg *header, struct nlattr **attr, struct inet__addr_spec *spec,
                     char label[IFNAMSIZ])
{
	*spec = (struct inet__addr_spec){
	        .family = header->ifa_family,
	        .prefixlen = header->ifa_prefixlen,
	        .scope = header->ifa_scope,
	        .flags = nlq_attr_u32(attr[IFA_FLAGS], header->ifa_flags),
	        .proto = nlq_attr_u8(attr[IFA_PROTO], 0),
	        .metric = nlq_attr_u32(attr[IFA_RT_PRIORITY], 0),
	};
	if (spec->family == AF_INET6) {
		spec->flags &= SETTABLE6;
		if (!take6(attr, &spec->local, &spec->peer))
			return -EINVAL;
		return take_lifetimes(spec, attr);
	}
	if (!rtnl__take_ip(attr[IFA_LOCAL], AF_INET, &spec->local))
		return nlq_error(-EINVAL, NULL, "ipv4: Local address is not supplied");
	if (!rtnl__take_ip(attr[IFA_ADDRESS], AF_INET, &spec->peer))
		spec->peer = spec->local;
	spec->has_broadcast = rtnl__take_ip(attr[IFA_BROADCAST], AF_INET, &spec->broadcast);
	spec->label = nlq_attr_str(attr[IFA_LABEL], label, IFNAMSIZ);
	return take_lifetimes(spec, attr);
}

int rtnl__addr_new(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	const struct ifaddrmsg *header = NLMSG_DATA(msg);
	struct inet__addr_spec spec;
	struct inet_iface *iface;
	char label[IFNAMSIZ];
	int result;

	if (header->ifa_family != AF_INET && header->ifa_family != AF_INET6)
		return -EOPNOTSUPP;
	result = read_spec(header, attr, &spec, label);
	if (result < 0)
		return result;
	iface = iface_of(header, stackinfo);
	if (iface == NULL)
		return -ENODEV;
	if (spec.family == AF_INET && spec.local.v4.s_addr == 0) /* no address: as in Linux there is nothing to do */
		return 0;
	return inet__addr_add(iface, &spec, msg->nlmsg_flags, NULL);
}

int rtnl__addr_set(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	(void)entry;
	return rtnl__addr_new(msg, attr, stackinfo);
}

int rtnl__addr_del(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	(void)msg, (void)attr, (void)stackinfo;
	inet__addr_delete(entry);
	return 0;
}
