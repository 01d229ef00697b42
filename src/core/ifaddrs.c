/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ifaddrs.c - getifaddrs(3) on any stack, by netlink.
 *
 * The list is made of one AF_PACKET entry a link, then one entry an address, as glibc orders it. Each entry is one allocation that
 * holds everything it points to. Stateless.
 */
#include "core.h"
#include "nldump.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <stdlib.h>
#include <string.h>

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_ll ll;
};

/** struct entry - a list element and all that it points to */
struct entry {
	struct ifaddrs ifa;
	unsigned int index;
	char name[IF_NAMESIZE];
	union address addr, netmask, other; /* other: broadcast or peer */
	struct rtnl_link_stats stats;
};

/** struct list - the list being made */
struct list {
	struct ifaddrs *first, **end;
};

static void list_reset(void *arg)
{
	struct list *list = arg;

	ioth_freeifaddrs(list->first);
	list->first = NULL;
	list->end = &list->first;
}

void ioth_freeifaddrs(struct ifaddrs *ifa)
{
	while (ifa != NULL) {
		struct ifaddrs *next = ifa->ifa_next;

		free(ifa); /* the first member of its entry */
		ifa = next;
	}
}

/** list_add - append an empty entry; NULL: no memory */
static struct entry *list_add(struct list *list, unsigned int index, unsigned int flags, const char *name)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (entry == NULL)
		return NULL;
	entry->index = index;
	memcpy(entry->name, name, strnlen(name, IF_NAMESIZE - 1));
	entry->ifa.ifa_name = entry->name;
	entry->ifa.ifa_flags = flags;
	*list->end = &entry->ifa;
	list->end = &entry->ifa.ifa_next;
	return entry;
}

/** attr_string - the string of an attribute, NULL when it is absent or not terminated */
static const char *attr_string(const struct ioth__nlattr *attr)
{
	return attr->data != NULL && memchr(attr->data, 0, attr->len) != NULL ? attr->data : NULL;
}

/** hardware_address - fill an AF_PACKET address from an attribute; what is longer than sll_addr is cut */
static struct sockaddr *hardware_address(union address *to, const struct ifinfomsg *link,
                                         const struct ioth__nlattr *attr)
{
	size_t len = attr->data == NULL ? 0 : attr->len;

	if (len > sizeof(to->ll.sll_addr))
		len = sizeof(to->ll.sll_addr);
	to->ll.sll_family = AF_PACKET;
	to->ll.sll_ifindex = link->ifi_index;
	to->ll.sll_hatype = link->ifi_type;
	to->ll.sll_halen = (unsigned char)len;
	if (len > 0)
		memcpy(to->ll.sll_addr, attr->data, len);
	return &to->sa;
}

static int add_link(const struct nlmsghdr *message, void *arg)
{
	const struct ifinfomsg *link = ioth__nldata(message);
	struct ioth__nlattr attrs[IFLA_STATS + 1];
	struct entry *entry;
	const char *name;

	if (message->nlmsg_type != RTM_NEWLINK || ioth__nlattrs(message, sizeof(*link), attrs, IFLA_STATS) < 0)
		return 0;
	name = attr_string(&attrs[IFLA_IFNAME]);
	if (name == NULL)
		return 0;
	entry = list_add(arg, (unsigned int)link->ifi_index, link->ifi_flags, name);
	if (entry == NULL)
		return -ENOMEM;
	entry->ifa.ifa_addr = hardware_address(&entry->addr, link, &attrs[IFLA_ADDRESS]);
	if (attrs[IFLA_BROADCAST].data != NULL)
		entry->ifa.ifa_broadaddr = hardware_address(&entry->other, link, &attrs[IFLA_BROADCAST]);
	if (attrs[IFLA_STATS].data != NULL) {
		size_t len = attrs[IFLA_STATS].len;

		memcpy(&entry->stats, attrs[IFLA_STATS].data, len < sizeof(entry->stats) ? len : sizeof(entry->stats));
		entry->ifa.ifa_data = &entry->stats;
	}
	return 0;
}

/** protocol_address - fill an AF_INET or AF_INET6 address; NULL when the attribute is absent or has the wrong size */
static struct sockaddr *protocol_address(union address *to, const struct ifaddrmsg *addr,
                                         const struct ioth__nlattr *attr)
{
	size_t len = addr->ifa_family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);

	if (attr->data == NULL || attr->len != len)
		return NULL;
	to->sa.sa_family = addr->ifa_family;
	if (addr->ifa_family == AF_INET) {
		memcpy(&to->in.sin_addr, attr->data, len);
		return &to->sa;
	}
	memcpy(&to->in6.sin6_addr, attr->data, len);
	if (IN6_IS_ADDR_LINKLOCAL(&to->in6.sin6_addr) || IN6_IS_ADDR_MC_LINKLOCAL(&to->in6.sin6_addr))
		to->in6.sin6_scope_id = addr->ifa_index;
	return &to->sa;
}

static struct sockaddr *prefix_mask(union address *to, const struct ifaddrmsg *addr)
{
	unsigned int bits = addr->ifa_family == AF_INET ? 32 : 128, prefix = addr->ifa_prefixlen;
	unsigned char *byte =
	        addr->ifa_family == AF_INET ? (unsigned char *)&to->in.sin_addr : (unsigned char *)&to->in6.sin6_addr;

	to->sa.sa_family = addr->ifa_family;
	for (prefix = prefix > bits ? bits : prefix; prefix >= 8; prefix -= 8)
		*byte++ = 0xff;
	if (prefix > 0)
		*byte = (unsigned char)(0xff << (8 - prefix));
	return &to->sa;
}

/** link_of - the AF_PACKET entry of an interface */
static const struct entry *link_of(const struct list *list, unsigned int index)
{
	for (const struct ifaddrs *ifa = list->first; ifa != NULL; ifa = ifa->ifa_next) {
		const struct entry *entry = (const struct entry *)(const void *)ifa;

		if (entry->index == index && ifa->ifa_addr != NULL && ifa->ifa_addr->sa_family == AF_PACKET)
			return entry;
	}
	return NULL;
}

static int add_address(const struct nlmsghdr *message, void *arg)
{
	const struct ifaddrmsg *addr = ioth__nldata(message);
	struct ioth__nlattr attrs[IFA_BROADCAST + 1], *local;
	const struct entry *link;
	struct entry *entry;
	const char *label;

	if (message->nlmsg_type != RTM_NEWADDR || ioth__nlattrs(message, sizeof(*addr), attrs, IFA_BROADCAST) < 0)
		return 0;
	if (addr->ifa_family != AF_INET && addr->ifa_family != AF_INET6)
		return 0;
	link = link_of(arg, addr->ifa_index);
	if (link == NULL)
		return 0; /* an interface that came after the links were listed */
	label = attr_string(&attrs[IFA_LABEL]);
	entry = list_add(arg, addr->ifa_index, link->ifa.ifa_flags, label != NULL ? label : link->name);
	if (entry == NULL)
		return -ENOMEM;
	/* IFA_LOCAL is the interface's own address; IFA_ADDRESS is the same, or the peer's on a point-to-point link. */
	local = attrs[IFA_LOCAL].data != NULL ? &attrs[IFA_LOCAL] : &attrs[IFA_ADDRESS];
	entry->ifa.ifa_addr = protocol_address(&entry->addr, addr, local);
	entry->ifa.ifa_netmask = prefix_mask(&entry->netmask, addr);
	if (link->ifa.ifa_flags & IFF_POINTOPOINT)
		entry->ifa.ifa_dstaddr = protocol_address(&entry->other, addr, &attrs[IFA_ADDRESS]);
	else
		entry->ifa.ifa_broadaddr = protocol_address(&entry->other, addr, &attrs[IFA_BROADCAST]);
	return 0;
}

/** forget_addresses - a dump of addresses begins again behind the links */
static void forget_addresses(void *arg)
{
	struct list *list = arg;
	struct ifaddrs **end = &list->first;

	while (*end != NULL && (*end)->ifa_addr != NULL && (*end)->ifa_addr->sa_family == AF_PACKET)
		end = &(*end)->ifa_next;
	ioth_freeifaddrs(*end);
	*end = NULL;
	list->end = end;
}

int ioth_getifaddrs(struct ioth *stack, struct ifaddrs **ifap)
{
	struct list list = {0};
	int result;

	/* Both dumps on the same stack, whatever becomes the default meanwhile. */
	stack = ioth__stack_get(stack);
	result = ioth__nldump(stack, RTM_GETLINK, add_link, list_reset, &list);
	if (result == 0)
		result = ioth__nldump(stack, RTM_GETADDR, add_address, forget_addresses, &list);
	ioth__stack_put(stack);
	if (result < 0) {
		ioth_freeifaddrs(list.first);
		return ioth__fail(result);
	}
	*ifap = list.first;
	return 0;
}
