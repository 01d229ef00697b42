/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ioctl_inet.c - the ioctls of netdevice(7) about IPv4 addresses, by netlink.
 *
 * They know one address per label. A label is the name of an interface, or that and a colon and anything ("eth0:1").
 * Netlink cannot change an address: it is deleted and added anew, and put back as it was when that fails. Addresses are
 * in network byte order. Stateless.
 */
#include "private.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>

/** struct inet_addr - an IPv4 address of an interface */
struct inet_addr {
	struct ifaddrmsg header;
	uint32_t local, address, broadcast; /* address: the peer, or local again; broadcast: 0 when there is none */
	uint32_t flags;                     /* IFA_F_* */
	uint32_t priority;                  /* of the route that comes with it; 0: default */
	struct ifa_cacheinfo lifetime;      /* counts unless IFA_F_PERMANENT is in the flags */
	char label[NLQ__IFNAMSIZ];          /* "": it has none */
};

/** struct inet_addrs - those found so far */
struct inet_addrs {
	struct inet_addr *list;
	size_t count, room;
};

static void addrs_reset(void *argout)
{
	struct inet_addrs *addrs = argout;

	addrs->count = 0;
}

/** addr_read - take an address from a message; false when it is none that makes sense */
static bool addr_read(struct inet_addr *addr, const struct nlmsghdr *msg, struct nlattr **attr)
{
	const struct ifaddrmsg *header = nlq__msgdata(msg, sizeof(*header));
	const struct nlattr *local = attr[IFA_LOCAL] == NULL ? attr[IFA_ADDRESS] : attr[IFA_LOCAL];
	const struct ifa_cacheinfo *lifetime = nlq_attr_data(attr[IFA_CACHEINFO], sizeof(*lifetime));

	if (msg->nlmsg_type != RTM_NEWADDR || header == NULL || header->ifa_family != AF_INET ||
	    header->ifa_prefixlen > 32 || nlq_attr_len(local) < sizeof(addr->local))
		return false;
	*addr = (struct inet_addr){.header = *header};
	addr->local = nlq_attr_u32(local, 0);
	addr->address = nlq_attr_u32(attr[IFA_ADDRESS], addr->local);
	addr->broadcast = nlq_attr_u32(attr[IFA_BROADCAST], 0);
	addr->flags = nlq_attr_u32(attr[IFA_FLAGS], header->ifa_flags);
	addr->priority = nlq_attr_u32(attr[IFA_RT_PRIORITY], 0);
	if (lifetime == NULL)
		addr->flags |= IFA_F_PERMANENT;
	else
		addr->lifetime = *lifetime;
	nlq_attr_str(attr[IFA_LABEL], addr->label, sizeof(addr->label));
	return true;
}

static int addrs_add(struct nlmsghdr *msg, struct nlattr **attr, const void *argin, void *argout, void *argenv)
{
	struct inet_addrs *addrs = argout;

	(void)argin, (void)argenv;
	if (addrs->count == addrs->room) {
		size_t room = addrs->room == 0 ? 8 : addrs->room * 2;
		struct inet_addr *list = reallocarray(addrs->list, room, sizeof(*list));

		if (list == NULL)
			return -ENOMEM;
		addrs->list = list;
		addrs->room = room;
	}
	if (addr_read(&addrs->list[addrs->count], msg, attr))
		addrs->count++;
	return 0;
}

/** addrs_load - all IPv4 addresses; free the list also when this fails */
static int addrs_load(const struct nlq__peer *peer, struct inet_addrs *addrs)
{
	*addrs = (struct inet_addrs){0};
	return nlq__dump(peer, RTM_GETADDR, AF_INET, addrs_reset, addrs_add, NULL, addrs);
}

/**
 * addr_find - the address with a label, the first one unless several have it and @local is among them
 * @local: 0 when none is preferred
 */
static int addr_find(const struct nlq__peer *peer, unsigned int ifindex, const char *label, uint32_t local,
                     struct inet_addr *found)
{
	bool alias = strchr(label, ':') != NULL;
	struct inet_addrs addrs;
	int result = addrs_load(peer, &addrs);
	const struct inet_addr *best = NULL;

	for (size_t i = 0; result == 0 && i < addrs.count; i++) {
		const struct inet_addr *addr = &addrs.list[i];

		if (addr->header.ifa_index != ifindex)
			continue;
		if (addr->label[0] == '\0' ? alias : strcmp(addr->label, label) != 0)
			continue;
		if (best == NULL || (addr->local == local && best->local != local))
			best = addr;
	}
	if (best != NULL)
		*found = *best;
	else if (result == 0)
		result = -EADDRNOTAVAIL;
	free(addrs.list);
	return result;
}

int nlq__ioctl_labelled(const struct nlq__peer *peer, unsigned int ifindex, const char *label, void *local)
{
	struct inet_addr addr;
	int result = addr_find(peer, ifindex, label, 0, &addr);

	if (result == 0)
		memcpy(local, &addr.local, sizeof(addr.local));
	return result;
}

/* ----------------------------------------------------------------------------------------------------------- asking */

/** prefix_mask - the mask of a prefix length that is at most 32 */
static uint32_t prefix_mask(unsigned int prefixlen)
{
	uint32_t mask = 0;

	nlq_prefix2mask(AF_INET, &mask, (int)prefixlen);
	return mask;
}

static int addr_get(const struct nlq__peer *peer, unsigned long request, unsigned int ifindex, const char *label,
                    struct ifreq *ifr)
{
	struct sockaddr_in sin;
	struct inet_addr addr;
	int result;

	memcpy(&sin, &ifr->ifr_addr, sizeof(sin));
	result = addr_find(peer, ifindex, label, sin.sin_family == AF_INET ? sin.sin_addr.s_addr : 0, &addr);
	if (result < 0)
		return result;
	sin = (struct sockaddr_in){.sin_family = AF_INET};
	switch (request) {
	case SIOCGIFADDR:
		sin.sin_addr.s_addr = addr.local;
		break;
	case SIOCGIFBRDADDR:
		sin.sin_addr.s_addr = addr.broadcast;
		break;
	case SIOCGIFDSTADDR:
		sin.sin_addr.s_addr = addr.address;
		break;
	default: /* SIOCGIFNETMASK */
		sin.sin_addr.s_addr = prefix_mask(addr.header.ifa_prefixlen);
		break;
	}
	memcpy(&ifr->ifr_addr, &sin, sizeof(sin));
	return 0;
}

/* --------------------------------------------------------------------------------------------------------- changing */

/** addr_request - RTM_NEWADDR, RTM_DELADDR of an address with all that belongs to it */
static int addr_request(const struct nlq__peer *peer, uint16_t type, const struct inet_addr *addr)
{
	struct nlq_msg *msg = nlq_createmsg(type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0, 0, 0);
	uint32_t flags = addr->flags & ~(uint32_t)(IFA_F_SECONDARY | IFA_F_PERMANENT); /* the stack finds these out */

	nlq_addstruct(msg, ifaddrmsg, .ifa_family = AF_INET, .ifa_prefixlen = addr->header.ifa_prefixlen,
	              .ifa_flags = (uint8_t)flags, .ifa_scope = addr->header.ifa_scope,
	              .ifa_index = addr->header.ifa_index);
	nlq_addattr(msg, IFA_LOCAL, &addr->local, sizeof(addr->local));
	nlq_addattr(msg, IFA_ADDRESS, &addr->address, sizeof(addr->address));
	if (addr->label[0] != '\0')
		nlq__addstr(msg, IFA_LABEL, addr->label);
	if (type == RTM_DELADDR)
		return nlq__request(peer, msg);
	if (addr->broadcast != 0)
		nlq_addattr(msg, IFA_BROADCAST, &addr->broadcast, sizeof(addr->broadcast));
	if (flags > UINT8_MAX)
		nlq_addattr(msg, IFA_FLAGS, &flags, sizeof(flags));
	if (addr->priority != 0)
		nlq_addattr(msg, IFA_RT_PRIORITY, &addr->priority, sizeof(addr->priority));
	if (!(addr->flags & IFA_F_PERMANENT))
		nlq_addattr(msg, IFA_CACHEINFO, &addr->lifetime, sizeof(addr->lifetime));
	return nlq__request(peer, msg);
}

/** addr_replace - from @old to @new; @old NULL: there was none; an address of zeros is none */
static int addr_replace(const struct nlq__peer *peer, const struct inet_addr *old, const struct inet_addr *new)
{
	int result = old == NULL ? 0 : addr_request(peer, RTM_DELADDR, old);

	if (result < 0 || new->local == 0)
		return result;
	result = addr_request(peer, RTM_NEWADDR, new);
	if (result < 0 && old != NULL)
		addr_request(peer, RTM_NEWADDR, old);
	return result;
}

/** class_prefix - bits of the network of an address in the days of classes; -1 for multicast */
static int class_prefix(uint32_t addr)
{
	uint32_t host = ntohl(addr);

	if (host == INADDR_ANY || host == INADDR_NONE)
		return 0;
	if (IN_CLASSD(host))
		return -1;
	return IN_CLASSA(host) ? 8 : IN_CLASSB(host) ? 16 : IN_CLASSC(host) ? 24 : 32;
}

/** set_local - SIOCSIFADDR: a new address with the prefix of its class, instead of @old when that is not NULL */
static int set_local(const struct nlq__peer *peer, const struct nlq__link *link, const char *label,
                     const struct inet_addr *old, uint32_t local)
{
	bool ptp = link->flags & IFF_POINTOPOINT;
	int prefixlen = class_prefix(local);
	struct inet_addr new = {
	        .header = {.ifa_family = AF_INET, .ifa_index = link->index},
	        .local = local,
	        .address = local,
	        .flags = IFA_F_PERMANENT,
	};

	if (prefixlen < 0)
		return -EINVAL;
	if (old != NULL && old->local == local)
		return 0;
	memcpy(new.label, label, sizeof(new.label));
	new.header.ifa_prefixlen = (uint8_t)(ptp ? 32 : prefixlen);
	if (*(const unsigned char *)&local == 127)
		new.header.ifa_scope = RT_SCOPE_HOST;
	if (!ptp && link->flags & IFF_BROADCAST && prefixlen < 31)
		new.broadcast = local | ~prefix_mask((unsigned int)prefixlen);
	return addr_replace(peer, old, &new);
}

static int set_netmask(const struct nlq__peer *peer, const struct nlq__link *link, const struct inet_addr *old,
                       uint32_t mask)
{
	uint32_t old_mask = prefix_mask(old->header.ifa_prefixlen);
	int prefixlen = nlq_mask2prefix(AF_INET, &mask);
	struct inet_addr new = *old;

	if (prefixlen < 0)
		return -EINVAL;
	if (mask == old_mask)
		return 0;
	new.header.ifa_prefixlen = (uint8_t)prefixlen;
	/* a broadcast address that followed from the mask follows it further */
	if (link->flags & IFF_BROADCAST && prefixlen < 31 && old->broadcast == (old->local | ~old_mask))
		new.broadcast = old->local | ~mask;
	return addr_replace(peer, old, &new);
}

static int set_broadcast(const struct nlq__peer *peer, const struct inet_addr *old, uint32_t broadcast)
{
	struct inet_addr new = *old;

	new.broadcast = broadcast;
	return broadcast == old->broadcast ? 0 : addr_replace(peer, old, &new);
}

static int set_peer(const struct nlq__peer *peer, const struct inet_addr *old, uint32_t address)
{
	struct inet_addr new = *old;

	if (address == old->address)
		return 0;
	if (class_prefix(address) < 0)
		return -EINVAL;
	new.address = address;
	return addr_replace(peer, old, &new);
}

static int addr_set(const struct nlq__peer *peer, unsigned long request, const struct nlq__link *link,
                    const char *label, const struct ifreq *ifr)
{
	struct sockaddr_in sin;
	struct inet_addr old;
	int result;

	memcpy(&sin, &ifr->ifr_addr, sizeof(sin));
	if (sin.sin_family != AF_INET)
		return -EINVAL;
	result = addr_find(peer, link->index, label, 0, &old);
	if (request == SIOCSIFADDR && (result == 0 || result == -EADDRNOTAVAIL))
		return set_local(peer, link, label, result == 0 ? &old : NULL, sin.sin_addr.s_addr);
	if (result < 0)
		return result;
	switch (request) {
	case SIOCSIFNETMASK:
		return set_netmask(peer, link, &old, sin.sin_addr.s_addr);
	case SIOCSIFBRDADDR:
		return set_broadcast(peer, &old, sin.sin_addr.s_addr);
	default: /* SIOCSIFDSTADDR */
		return set_peer(peer, &old, sin.sin_addr.s_addr);
	}
}

/** alias_flags - SIOCSIFFLAGS of an alias: all that it can do is go down, and that deletes its address */
static int alias_flags(const struct nlq__peer *peer, unsigned int ifindex, const char *label, const struct ifreq *ifr)
{
	struct inet_addr addr;
	int result = addr_find(peer, ifindex, label, 0, &addr);

	return result < 0 || ifr->ifr_flags & IFF_UP ? result : addr_request(peer, RTM_DELADDR, &addr);
}

int nlq__ioctl_inet(const struct nlq__peer *peer, unsigned long request, void *arg)
{
	char label[NLQ__IFNAMSIZ], ifname[NLQ__IFNAMSIZ];
	struct ifreq *ifr = arg;
	struct nlq__link link;
	bool alias;
	int result;

	switch (request) {
	case SIOCGIFADDR:
	case SIOCGIFBRDADDR:
	case SIOCGIFDSTADDR:
	case SIOCGIFNETMASK:
	case SIOCSIFADDR:
	case SIOCSIFBRDADDR:
	case SIOCSIFDSTADDR:
	case SIOCSIFNETMASK:
	case SIOCSIFFLAGS:
		break;
	default:
		return -ENOTTY;
	}
	if (ifr == NULL)
		return -EFAULT;
	alias = nlq__ioctl_alias(ifr->ifr_name, label, ifname);
	if (request == SIOCSIFFLAGS && !alias)
		return -ENOTTY; /* of the link, not of an address */
	result = nlq__link_get(peer, ifname, 0, &link);
	if (result < 0)
		return result;
	switch (request) {
	case SIOCGIFADDR:
	case SIOCGIFBRDADDR:
	case SIOCGIFDSTADDR:
	case SIOCGIFNETMASK:
		return addr_get(peer, request, link.index, label, ifr);
	case SIOCSIFFLAGS:
		return alias_flags(peer, link.index, label, ifr);
	default:
		return addr_set(peer, request, &link, label, ifr);
	}
}

/* ------------------------------------------------------------------------------------------------ the list of all */

/** conf_entry - an address as an entry of the list of SIOCGIFCONF */
static int conf_entry(const struct nlq__peer *peer, const struct inet_addr *addr, struct ifreq *ifr)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = addr->local};
	struct nlq__link link;
	int result = 0;

	*ifr = (struct ifreq){0};
	memcpy(ifr->ifr_name, addr->label, sizeof(ifr->ifr_name));
	memcpy(&ifr->ifr_addr, &sin, sizeof(sin));
	if (addr->label[0] == '\0') {
		result = nlq__link_get(peer, NULL, addr->header.ifa_index, &link);
		memcpy(ifr->ifr_name, link.name, sizeof(ifr->ifr_name));
	}
	return result;
}

int nlq__ioctl_conf(const struct nlq__peer *peer, unsigned long request, void *arg)
{
	struct ifconf *conf = arg;
	struct inet_addrs addrs;
	size_t room, count;
	int result;

	if (request != SIOCGIFCONF)
		return -ENOTTY;
	if (conf == NULL)
		return -EFAULT;
	if (conf->ifc_req != NULL && conf->ifc_len < 0)
		return -EINVAL;
	result = addrs_load(peer, &addrs);
	room = conf->ifc_req == NULL ? 0 : (size_t)conf->ifc_len / sizeof(struct ifreq);
	count = conf->ifc_req != NULL && addrs.count > room ? room : addrs.count;
	for (size_t i = 0; result == 0 && conf->ifc_req != NULL && i < count; i++)
		result = conf_entry(peer, &addrs.list[i], &conf->ifc_req[i]);
	if (result == 0)
		conf->ifc_len = (int)(count * sizeof(struct ifreq));
	free(addrs.list);
	return result;
}
