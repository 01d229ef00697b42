/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link.c - links: reading them, and the functions that stand for if_nametoindex(3) and its family.
 *
 * A name that no interface can have is answered here, a link that makes no sense is passed over. Stateless.
 */
#include "private.h"

#include <linux/if_link.h>
#include <stdlib.h>

struct nlq_msg *nlq__link_request(uint16_t type, uint16_t flags, unsigned int index)
{
	struct nlq_msg *msg = nlq_createmsg(type, flags, 0, 0);

	nlq_addstruct(msg, ifinfomsg, .ifi_index = (int)index);
	return msg;
}

/** read_part - copy what is there of a structure that has grown over the years; false: nothing is there */
static bool read_part(void *to, size_t size, const struct nlattr *attr)
{
	size_t len = nlq_attr_len(attr);

	if (len == 0)
		return false;
	memcpy(to, nlq_attr_data(attr, 0), len < size ? len : size);
	return true;
}

/** read_stats32 - counters from the older attribute, whose members are the same, but shorter */
static bool read_stats32(struct rtnl_link_stats64 *stats, const struct nlattr *attr)
{
	enum { OLD = sizeof(struct rtnl_link_stats) / sizeof(uint32_t) };
	uint64_t counter[sizeof(*stats) / sizeof(uint64_t)] = {0};
	uint32_t old[OLD] = {0};

	_Static_assert((size_t)OLD <= sizeof(counter) / sizeof(counter[0]), "the new structure continues the old one");
	if (!read_part(old, sizeof(old), attr))
		return false;
	for (int i = 0; i < OLD; i++)
		counter[i] = old[i];
	memcpy(stats, counter, sizeof(*stats));
	return true;
}

bool nlq__link_read(struct nlq__link *link, const struct nlmsghdr *msg, struct nlattr **attr)
{
	const struct ifinfomsg *header = nlq__msgdata(msg, sizeof(*header));
	size_t len = nlq_attr_len(attr[IFLA_ADDRESS]);

	*link = (struct nlq__link){0};
	if (msg->nlmsg_type != RTM_NEWLINK || header == NULL || header->ifi_index <= 0 ||
	    nlq_attr_str(attr[IFLA_IFNAME], link->name, sizeof(link->name)) == NULL)
		return false;
	link->index = (unsigned int)header->ifi_index;
	link->flags = header->ifi_flags;
	link->type = header->ifi_type;
	link->mtu = nlq_attr_u32(attr[IFLA_MTU], 0);
	link->txqlen = nlq_attr_u32(attr[IFLA_TXQLEN], 0);
	if (len > 0 && len <= sizeof(link->address)) {
		memcpy(link->address, nlq_attr_data(attr[IFLA_ADDRESS], len), len);
		link->addresslen = len;
	}
	read_part(&link->map, sizeof(link->map), attr[IFLA_MAP]);
	link->has_stats = read_part(&link->stats, sizeof(link->stats), attr[IFLA_STATS64]) ||
	                  read_stats32(&link->stats, attr[IFLA_STATS]);
	return true;
}

static int take_link(struct nlmsghdr *msg, struct nlattr **attr, const void *argin, void *argout, void *argenv)
{
	(void)argin, (void)argenv;
	return nlq__link_read(argout, msg, attr) ? 0 : -EBADMSG;
}

int nlq__link_get(const struct nlq__peer *peer, const char *ifname, unsigned int index, struct nlq__link *link)
{
	struct nlq_msg *msg;
	int result;

	link->index = 0;
	/* an index of no interface: the stack would not take it for one */
	if (ifname == NULL && (index == 0 || index > INT32_MAX))
		return -ENODEV;
	if (ifname != NULL && (ifname[0] == '\0' || strnlen(ifname, NLQ__IFNAMSIZ) == NLQ__IFNAMSIZ))
		return -ENODEV;
	msg = nlq__link_request(RTM_GETLINK, 0, ifname == NULL ? index : 0);
	if (ifname != NULL)
		nlq__addstr(msg, IFLA_IFNAME, ifname);
	result = nlq__dialog(peer, msg, take_link, NULL, link, NULL);
	return result < 0 ? result : link->index == 0 ? -EBADMSG : 0;
}

int nlq__if_nametoindex(const struct nlq__peer *peer, const char *ifname)
{
	struct nlq__link link;
	int result = ifname == NULL ? -EINVAL : nlq__link_get(peer, ifname, 0, &link);

	return result < 0 ? result : (int)link.index;
}

static char *if_indextoname(const struct nlq__peer *peer, unsigned int ifindex, char *ifname)
{
	struct nlq__link link;
	int result = nlq__link_get(peer, NULL, ifindex, &link);

	if (result < 0) {
		errno = result == -ENODEV ? ENXIO : -result;
		return NULL;
	}
	return memcpy(ifname, link.name, sizeof(link.name));
}

/* -------------------------------------------------------------------------------------------------- the list of all */

/** struct names - a list that grows, always with room for the entry of zeros that ends it */
struct names {
	struct nlq_if_nameindex *list;
	size_t count, room;
};

static void names_reset(void *argout)
{
	struct names *names = argout;

	while (names->count > 0)
		free(names->list[--names->count].if_name);
}

/** names_room - make sure of room for one more entry and the end */
static int names_room(struct names *names)
{
	size_t room = names->room == 0 ? 8 : names->room * 2;
	struct nlq_if_nameindex *list;

	if (names->count + 1 < names->room)
		return 0;
	list = reallocarray(names->list, room, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	names->list = list;
	names->room = room;
	return 0;
}

static int names_add(struct nlmsghdr *msg, struct nlattr **attr, const void *argin, void *argout, void *argenv)
{
	struct names *names = argout;
	struct nlq_if_nameindex *entry;
	struct nlq__link link;

	(void)argin, (void)argenv;
	if (!nlq__link_read(&link, msg, attr))
		return 0;
	if (names_room(names) < 0)
		return -ENOMEM;
	entry = &names->list[names->count];
	entry->if_index = link.index;
	entry->if_name = strdup(link.name);
	if (entry->if_name == NULL)
		return -ENOMEM;
	names->count++;
	return 0;
}

static struct nlq_if_nameindex *if_nameindex(const struct nlq__peer *peer)
{
	struct names names = {0};
	int result = nlq__dump(peer, RTM_GETLINK, AF_UNSPEC, names_reset, names_add, NULL, &names);

	if (result == 0)
		result = names_room(&names);
	if (result < 0) {
		names_reset(&names);
		free(names.list);
		errno = -result;
		return NULL;
	}
	names.list[names.count] = (struct nlq_if_nameindex){0};
	return names.list;
}

/* ------------------------------------------------------------------------------------------------- public functions */

/** index_or_errno - the boundary of if_nametoindex(3): 0 and errno */
static unsigned int index_or_errno(int result)
{
	return nlq_return_errno(result) < 0 ? 0 : (unsigned int)result;
}

unsigned int nlq_if_nametoindex(const char *ifname)
{
	struct nlq__peer peer = nlq__native();

	return index_or_errno(nlq__if_nametoindex(&peer, ifname));
}

unsigned int nlqx_if_nametoindex(struct ioth *stack, const char *ifname)
{
	struct nlq__peer peer = nlq__ioth(stack);

	return index_or_errno(nlq__if_nametoindex(&peer, ifname));
}

char *nlq_if_indextoname(unsigned int ifindex, char *ifname)
{
	struct nlq__peer peer = nlq__native();

	return if_indextoname(&peer, ifindex, ifname);
}

char *nlqx_if_indextoname(struct ioth *stack, unsigned int ifindex, char *ifname)
{
	struct nlq__peer peer = nlq__ioth(stack);

	return if_indextoname(&peer, ifindex, ifname);
}

struct nlq_if_nameindex *nlq_if_nameindex(void)
{
	struct nlq__peer peer = nlq__native();

	return if_nameindex(&peer);
}

struct nlq_if_nameindex *nlqx_if_nameindex(struct ioth *stack)
{
	struct nlq__peer peer = nlq__ioth(stack);

	return if_nameindex(&peer);
}

void nlq_if_freenameindex(struct nlq_if_nameindex *list)
{
	for (struct nlq_if_nameindex *entry = list; entry != NULL && entry->if_name != NULL; entry++)
		free(entry->if_name);
	free(list);
}

void nlqx_if_freenameindex(struct ioth *stack, struct nlq_if_nameindex *list)
{
	(void)stack;
	nlq_if_freenameindex(list);
}
