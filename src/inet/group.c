/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * group.c - multicast groups of interfaces, and the filter of hardware addresses that follows from them.
 *
 * A group is joined by any number of users and left when the last one leaves; the engine, which announces it to
 * routers, hears of the first and the last. To tell quickly that a frame is not for us, each interface keeps 64 bits,
 * one of which each group sets; a frame that passes them is compared with the groups themselves.
 *
 * The groups of all hosts (224.0.0.1, ff02::1, ff01::1) belong to every interface and are never announced.
 */
#include "private.h"

#include <stdlib.h>
#include <string.h>

void inet__group_mac(int family, const union inet_ip *group, unsigned char mac[6])
{
	if (family == AF_INET) {
		uint32_t low = ntohl(group->v4.s_addr) & 0x7fffff;
		unsigned char bytes[6] = {
		        0x01, 0x00, 0x5e, (unsigned char)(low >> 16), (unsigned char)(low >> 8), (unsigned char)low};

		memcpy(mac, bytes, 6);
	} else {
		mac[0] = mac[1] = 0x33;
		memcpy(mac + 2, group->v6.s6_addr + 12, 4);
	}
}

struct in6_addr inet__solicited_node(const struct in6_addr *addr)
{
	struct in6_addr group = {{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff}}};

	memcpy(group.s6_addr + 13, addr->s6_addr + 13, 3);
	return group;
}

/** filter_bit - of a hardware address */
static uint64_t filter_bit(const unsigned char mac[6])
{
	unsigned int sum = mac[3] * 7U + mac[4] * 31U + mac[5];

	return UINT64_C(1) << (sum & 63);
}

static uint64_t group_bit(int family, const union inet_ip *addr)
{
	unsigned char mac[6];

	inet__group_mac(family, addr, mac);
	return filter_bit(mac);
}

static bool is_all_hosts(int family, const union inet_ip *addr)
{
	static const struct in6_addr link = {{{0xff, 0x02, [15] = 1}}}, node = {{{0xff, 0x01, [15] = 1}}};

	if (family == AF_INET)
		return addr->v4.s_addr == htonl(INADDR_ALLHOSTS_GROUP);
	return IN6_ARE_ADDR_EQUAL(&addr->v6, &link) || IN6_ARE_ADDR_EQUAL(&addr->v6, &node);
}

/** find - where the group is in the list, or where the list ends */
static struct inet__group **find(const struct inet_iface *iface, int family, const union inet_ip *addr)
{
	struct inet__group **at = &iface->private->groups;

	while (*at != NULL && ((*at)->family != family || !inet__ip_equal(family, &(*at)->addr, addr)))
		at = &(*at)->next;
	return at;
}

int inet_group_join(struct inet_iface *iface, int family, const union inet_ip *addr)
{
	struct inet_iface_private *private = iface->private;
	struct inet *inet = iface->inet;
	struct inet__group *group, **at;
	int error;

	if (private->removing)
		return -ENODEV;
	if (!inet__ip_is_group(family, addr))
		return -EINVAL;
	if (is_all_hosts(family, addr))
		return 0;
	at = find(iface, family, addr);
	if (*at != NULL) {
		(*at)->users++;
		return 0;
	}
	if (private->group_count >= INET_GROUPS_MAX)
		return -ENOBUFS;
	group = calloc(1, sizeof(*group));
	if (group == NULL)
		return -ENOBUFS;
	group->family = family;
	memcpy(&group->addr, addr, inet__addr_len(family));
	group->users = 1;
	error = inet->ops->group_join(inet->owner, iface, family, &group->addr);
	if (error != 0) {
		free(group);
		return error;
	}
	*at = group;
	private->group_count++;
	private->filter |= group_bit(family, addr);
	return 0;
}

/** remove_group - the last user has left */
static void remove_group(struct inet_iface *iface, struct inet__group **at)
{
	struct inet_iface_private *private = iface->private;
	struct inet *inet = iface->inet;
	struct inet__group *group = *at;

	*at = group->next;
	private->group_count--;
	private->filter = 0;
	for (const struct inet__group *other = private->groups; other != NULL; other = other->next)
	private->filter |= group_bit(other->family, &other->addr);
	inet->ops->group_leave(inet->owner, iface, group->family, &group->addr);
	free(group);
}

void inet_group_leave(struct inet_iface *iface, int family, const union inet_ip *addr)
{
	struct inet__group **at;

	if (is_all_hosts(family, addr))
		return;
	at = find(iface, family, addr);
	if (*at != NULL && --(*at)->users == 0)
		remove_group(iface, at);
}

bool inet_group_member(const struct inet_iface *iface, int family, const union inet_ip *addr)
{
	if (is_all_hosts(family, addr))
		return true;
	return (iface->private->filter & group_bit(family, addr)) && *find(iface, family, addr) != NULL;
}

void inet__groups_leave_all(struct inet_iface *iface)
{
	while (iface->private->groups != NULL)
		remove_group(iface, &iface->private->groups);
}

void inet__groups_free(struct inet_iface *iface)
{
	struct inet__group *group;

	while ((group = iface->private->groups) != NULL) {
		iface->private->groups = group->next;
		free(group);
	}
}

/** wants_group - is there a group with this hardware address? */
static bool wants_group(const struct inet_iface *iface, const unsigned char mac[6])
{
	static const unsigned char all[2][6] = {{0x01, 0x00, 0x5e, 0, 0, 1}, {0x33, 0x33, 0, 0, 0, 1}};
	unsigned char other[6];

	if (memcmp(mac, all[0], 6) == 0 || memcmp(mac, all[1], 6) == 0)
		return true;
	if (!(iface->private->filter & filter_bit(mac)))
		return false;
	for (const struct inet__group *group = iface->private->groups; group != NULL; group = group->next) {
		inet__group_mac(group->family, &group->addr, other);
		if (memcmp(mac, other, 6) == 0)
			return true;
	}
	return false;
}

bool inet_wants(const struct inet_iface *iface, const unsigned char mac[6])
{
	static const unsigned char broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	if (memcmp(mac, iface->mac, 6) == 0 || (iface->flags & (IFF_PROMISC | IFF_LOOPBACK)))
		return true;
	if (!(mac[0] & 1))
		return false;
	if ((iface->flags & IFF_ALLMULTI) || memcmp(mac, broadcast, 6) == 0)
		return true;
	return wants_group(iface, mac);
}
