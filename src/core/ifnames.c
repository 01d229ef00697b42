/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ifnames.c - if_nameindex(3) and its family on any stack, by netlink. Stateless.
 */
#include "core.h"
#include "nldump.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

/** link_name - the name in a message about a link, NULL when it has none that makes sense */
static const char *link_name(const struct nlmsghdr *message, unsigned int *index)
{
	const struct ifinfomsg *link = ioth__nldata(message);
	struct ioth__nlattr attrs[IFLA_IFNAME + 1];

	if (message->nlmsg_type != RTM_NEWLINK || ioth__nlattrs(message, sizeof(*link), attrs, IFLA_IFNAME) < 0)
		return NULL;
	if (attrs[IFLA_IFNAME].data == NULL || memchr(attrs[IFLA_IFNAME].data, 0, attrs[IFLA_IFNAME].len) == NULL)
		return NULL;
	if (link->ifi_index <= 0 || strlen(attrs[IFLA_IFNAME].data) >= IF_NAMESIZE)
		return NULL;
	*index = (unsigned int)link->ifi_index;
	return attrs[IFLA_IFNAME].data;
}

/** struct names - a list that grows, always with room for the entry of zeros that ends it */
struct names {
	struct if_nameindex *list;
	size_t count, room;
};

static void names_reset(void *arg)
{
	struct names *names = arg;

	while (names->count > 0)
		free(names->list[--names->count].if_name);
}

static int names_add(const struct nlmsghdr *message, void *arg)
{
	struct names *names = arg;
	unsigned int index;
	const char *name = link_name(message, &index);

	if (name == NULL)
		return 0;
	if (names->count + 1 >= names->room) {
		size_t room = names->room == 0 ? 8 : names->room * 2;
		struct if_nameindex *list = reallocarray(names->list, room, sizeof(*list));

		if (list == NULL)
			return -ENOMEM;
		names->list = list;
		names->room = room;
	}
	names->list[names->count].if_index = index;
	names->list[names->count].if_name = strdup(name);
	return names->list[names->count++].if_name == NULL ? -ENOMEM : 0;
}

struct if_nameindex *ioth_if_nameindex(struct ioth *stack)
{
	struct names names = {0};
	int result = ioth__nldump(stack, RTM_GETLINK, names_add, names_reset, &names);

	if (result == 0 && names.list == NULL) {
		names.list = malloc(sizeof(*names.list));
		result = names.list == NULL ? -ENOMEM : 0;
	}
	if (result < 0) {
		names_reset(&names);
		free(names.list);
		errno = -result;
		return NULL;
	}
	names.list[names.count] = (struct if_nameindex){0};
	return names.list;
}

void ioth_if_freenameindex(struct if_nameindex *list)
{
	for (struct if_nameindex *entry = list; entry != NULL && entry->if_name != NULL; entry++)
		free(entry->if_name);
	free(list);
}

/** struct wanted - the link whose name is looked for */
struct wanted {
	unsigned int index;
	char *name;
	bool found;
};

static int wanted_check(const struct nlmsghdr *message, void *arg)
{
	struct wanted *wanted = arg;
	unsigned int index;
	const char *name = link_name(message, &index);

	if (name != NULL && index == wanted->index) {
		memcpy(wanted->name, name, strlen(name) + 1);
		wanted->found = true;
	}
	return 0;
}

char *ioth_if_indextoname(struct ioth *stack, unsigned int ifindex, char *ifname)
{
	struct wanted wanted = {.index = ifindex, .name = ifname};
	int result = ioth__nldump(stack, RTM_GETLINK, wanted_check, NULL, &wanted);

	if (result == 0 && !wanted.found)
		result = -ENXIO;
	if (result < 0) {
		errno = -result;
		return NULL;
	}
	return ifname;
}
