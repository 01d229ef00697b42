/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nlq_model.c - the model's objects and its links; see nlq_model.h. */
#include "nlq_model_private.h"

#include <linux/if_link.h>
#include <net/if_arp.h>
#include <stdlib.h>

/* ------------------------------------------------------------------------------------------------------ objects */

struct object *object_add(struct model *model, int rtmf)
{
	struct object *object;

	if (model->count >= MODEL_MAX)
		return NULL;
	object = calloc(1, sizeof(*object));
	if (object == NULL)
		abort();
	object->rtmf = rtmf;
	*model->end = object;
	model->end = &object->next;
	model->count++;
	return object;
}

void object_delete(struct model *model, struct object *gone)
{
	for (struct object **at = &model->objects; *at != NULL; at = &(*at)->next) {
		if (*at != gone)
			continue;
		*at = gone->next;
		if (*at == NULL)
			model->end = at;
		break;
	}
	model->count--;
	free(gone);
}

struct object *object_next(const struct model *model, const struct object *last, int rtmf)
{
	struct object *object = last == NULL ? model->objects : last->next;

	while (object != NULL && object->rtmf != rtmf)
		object = object->next;
	return object;
}

void object_changed(struct model *model, const struct object *object, uint16_t type)
{
	struct nlq_msg *queue = NULL;

	if (!model->keep_changes)
		return;
	if (object_fill(object, &queue) == 0)
		nlq_head(queue)->nlq_packet->nlmsg_type = type;
	nlq_append(&model->changes, &queue);
}

int object_get(void *entry, int rtmf, struct nlq_msg **queue, const struct model *model)
{
	int left = model->fail_get;

	if (entry != NULL)
		return object_fill(entry, queue);
	for (struct object *object = NULL; (object = object_next(model, object, rtmf)) != NULL;) {
		int result = left > 0 && --left == 0 ? -ENOMEM : object_fill(object, queue);

		if (result < 0)
			return result;
	}
	return 0;
}

int object_fill(const struct object *object, struct nlq_msg **queue)
{
	switch (object->rtmf) {
	case RTMF_LINK:
		return link_fill(&object->u.link, queue);
	case RTMF_ADDR:
		return addr_fill(&object->u.addr, queue);
	case RTMF_ROUTE:
		return route_fill(&object->u.route, queue);
	default:
		return neigh_fill(&object->u.neigh, queue);
	}
}

/* -------------------------------------------------------------------------------------------------------- links */

struct link *link_by_index(const struct model *model, uint32_t index)
{
	for (struct object *object = NULL; (object = object_next(model, object, RTMF_LINK)) != NULL;) {
		if (object->u.link.header.ifi_index == (int)index)
			return &object->u.link;
	}
	return NULL;
}

static struct object *link_by_name(const struct model *model, const char *name)
{
	for (struct object *object = NULL; (object = object_next(model, object, RTMF_LINK)) != NULL;) {
		if (strcmp(object->u.link.name, name) == 0)
			return object;
	}
	return NULL;
}

static struct object *link_object(struct link *link)
{
	return (struct object *)(void *)((char *)link - offsetof(struct object, u));
}

static void addstr(struct nlq_msg *msg, uint16_t type, const char *string)
{
	nlq_addattr(msg, type, string, strlen(string) + 1);
}

int link_fill(const struct link *link, struct nlq_msg **queue)
{
	struct nlq_msg *msg = nlq_createmsg(RTM_NEWLINK, 0, 0, 0), *info;
	struct ifinfomsg header = link->header;
	uint8_t operstate = header.ifi_flags & IFF_UP ? 0 /* unknown */ : 2 /* down */, mode = 0;
	uint32_t group = 0;

	if (header.ifi_flags & IFF_UP)
		header.ifi_flags |= IFF_RUNNING | IFF_LOWER_UP;
	nlq_add(msg, &header, sizeof(header));
	addstr(msg, IFLA_IFNAME, link->name);
	nlq_addattr(msg, IFLA_TXQLEN, &link->txqlen, sizeof(link->txqlen));
	nlq_addattr(msg, IFLA_OPERSTATE, &operstate, sizeof(operstate));
	nlq_addattr(msg, IFLA_LINKMODE, &mode, sizeof(mode));
	nlq_addattr(msg, IFLA_MTU, &link->mtu, sizeof(link->mtu));
	nlq_addattr(msg, IFLA_GROUP, &group, sizeof(group));
	addstr(msg, IFLA_QDISC, "noop");
	nlq_addattr(msg, IFLA_ADDRESS, link->mac, sizeof(link->mac));
	nlq_addattr(msg, IFLA_BROADCAST, link->broadcast, sizeof(link->broadcast));
	nlq_addattr(msg, IFLA_STATS64, &link->stats, sizeof(link->stats));
	if (link->kind[0] != '\0') {
		info = nlq_createxattr();
		addstr(info, IFLA_INFO_KIND, link->kind);
		nlq_addxattr(msg, IFLA_LINKINFO, info);
	}
	return nlq_complete_enqueue(msg, queue);
}

static struct object *link_new(struct model *model, const char *name, const char *kind)
{
	struct object *object = object_add(model, RTMF_LINK);
	struct link *link;

	if (object == NULL)
		return NULL;
	link = &object->u.link;
	link->header.ifi_index = model->next_index++;
	link->header.ifi_type = ARPHRD_ETHER;
	link->header.ifi_flags = IFF_BROADCAST | IFF_MULTICAST;
	link->mtu = 1500;
	link->txqlen = 1000;
	memcpy(link->mac, "\x02\0\0\0\0", 5);
	link->mac[5] = (unsigned char)link->header.ifi_index;
	memset(link->broadcast, 0xff, sizeof(link->broadcast));
	memcpy(link->name, name, strlen(name) + 1);
	memcpy(link->kind, kind, strlen(kind) + 1);
	return object;
}

static void *link_search(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	const struct ifinfomsg *header = NLMSG_DATA(msg);
	struct model *model = stackinfo;
	struct link *link;
	char name[16];

	if (header->ifi_index > 0) {
		link = link_by_index(model, (uint32_t)header->ifi_index);
		return link == NULL ? NULL : link_object(link);
	}
	if (nlq_attr_str(attr[IFLA_IFNAME], name, sizeof(name)) != NULL)
		return link_by_name(model, name);
	/* for the other requests ENODEV: with one that names no link iproute2 finds out whether there can be new ones
	 */
	if (msg->nlmsg_type == RTM_GETLINK)
		nlq_error(-EINVAL, NULL, "Neither an index nor a name");
	return NULL;
}

static int link_get(void *entry, struct nlmsghdr *msg, struct nlattr **attr, struct nlq_msg **queue, void *stackinfo)
{
	(void)msg, (void)attr;
	return object_get(entry, RTMF_LINK, queue, stackinfo);
}

/** relabel - labels of addresses begin with the name of their link */
static void relabel(struct model *model, const struct link *link, const char *name)
{
	for (struct object *object = NULL; (object = object_next(model, object, RTMF_ADDR)) != NULL;) {
		struct addr *addr = &object->u.addr;
		char label[16];

		if (addr->header.ifa_index != (uint32_t)link->header.ifi_index || addr->label[0] == '\0')
			continue;
		snprintf(label, sizeof(label), "%s%s", name,
		         strchr(addr->label, ':') == NULL ? "" : strchr(addr->label, ':'));
		memcpy(addr->label, label, sizeof(label));
	}
}

static int link_rename(struct model *model, struct link *link, const struct nlattr *attr)
{
	char name[16];

	if (nlq_attr_str(attr, name, sizeof(name)) == NULL || name[0] == '\0' || strcmp(name, link->name) == 0)
		return 0;
	if (strchr(name, '/') != NULL)
		return -EINVAL;
	if (link_by_name(model, name) != NULL)
		return -EEXIST;
	relabel(model, link, name);
	memcpy(link->name, name, sizeof(name));
	return 0;
}

static int link_set(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	const struct ifinfomsg *header = NLMSG_DATA(msg);
	struct model *model = stackinfo;
	struct object *object = entry;
	struct link *link = &object->u.link;
	unsigned int change = header->ifi_change != 0 ? header->ifi_change : header->ifi_flags != 0 ? ~0U : 0;
	unsigned int before = link->header.ifi_flags;
	int result;

	if (attr[IFLA_MASTER] != NULL || attr[IFLA_NET_NS_PID] != NULL || attr[IFLA_NET_NS_FD] != NULL)
		return -EOPNOTSUPP;
	if (nlq_attr_u32(attr[IFLA_MTU], link->mtu) < 68)
		return nlq_error(-EINVAL, attr[IFLA_MTU], "mtu less than device minimum");
	if (attr[IFLA_ADDRESS] != NULL && nlq_attr_len(attr[IFLA_ADDRESS]) != sizeof(link->mac))
		return -EINVAL;
	result = link_rename(model, link, attr[IFLA_IFNAME]);
	if (result < 0)
		return result;
	link->mtu = nlq_attr_u32(attr[IFLA_MTU], link->mtu);
	link->txqlen = nlq_attr_u32(attr[IFLA_TXQLEN], link->txqlen);
	if (attr[IFLA_ADDRESS] != NULL)
		memcpy(link->mac, nlq_attr_data(attr[IFLA_ADDRESS], sizeof(link->mac)), sizeof(link->mac));
	change &= IFF_UP | IFF_PROMISC | IFF_ALLMULTI | IFF_MULTICAST | IFF_NOARP | IFF_DEBUG;
	link->header.ifi_flags = (before & ~change) | (header->ifi_flags & change);
	object_changed(model, object, RTM_NEWLINK);
	if ((before ^ link->header.ifi_flags) & IFF_UP)
		link_updown(model, link);
	return 0;
}

/** link_kind - the kind of a new link; -EOPNOTSUPP */
static int link_kind(struct nlattr **attr, char *kind, size_t size)
{
	struct nlattr *info[IFLA_INFO_MAX + 1];

	nlq_parsexattr(attr[IFLA_LINKINFO], info, IFLA_INFO_MAX + 1);
	if (nlq_attr_str(info[IFLA_INFO_KIND], kind, size) != NULL &&
	    (strcmp(kind, "dummy") == 0 || strcmp(kind, "bridge") == 0 || strcmp(kind, "vde") == 0))
		return 0;
	return nlq_error(-EOPNOTSUPP, info[IFLA_INFO_KIND], "Unknown device type");
}

static int link_make(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	const struct ifinfomsg *header = NLMSG_DATA(msg);
	struct model *model = stackinfo;
	struct object *object;
	char name[16] = "", kind[16];
	int result = link_kind(attr, kind, sizeof(kind)), index;

	if (result < 0)
		return result;
	nlq_attr_str(attr[IFLA_IFNAME], name, sizeof(name));
	for (int i = 0; name[0] == '\0' || (attr[IFLA_IFNAME] == NULL && link_by_name(model, name) != NULL); i++)
		snprintf(name, sizeof(name), "%.6s%d", kind, i % 1000);
	if (link_by_name(model, name) != NULL || link_by_index(model, (uint32_t)header->ifi_index) != NULL)
		return -EEXIST;
	object = link_new(model, name, kind);
	if (object == NULL)
		return -ENOBUFS;
	if (header->ifi_index > 0)
		object->u.link.header.ifi_index = header->ifi_index;
	index = object->u.link.header.ifi_index;
	result = link_set(object, msg, attr, model);
	if (result < 0)
		object_delete(model, object);
	return result < 0 ? result : index;
}

static int link_del(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	struct object *object = entry;
	struct model *model = stackinfo;

	(void)msg, (void)attr;
	if (object->u.link.kind[0] == '\0')
		return -EOPNOTSUPP;
	link_gone(model, &object->u.link);
	object_changed(model, object, RTM_DELLINK);
	object_delete(model, object);
	return 0;
}

/* ------------------------------------------------------------------------------------------------------ the stack */

nlq_request_handlers_table model_table = {
        [RTMF_LINK] = {link_search, link_get, link_make, link_del, link_set},
        [RTMF_ADDR] = {addr_search, addr_get, addr_make, addr_del, addr_set},
        [RTMF_ROUTE] = {route_search, route_get, route_make, route_del, route_set},
        [RTMF_NEIGH] = {neigh_search, neigh_get, neigh_make, neigh_del, neigh_set},
};

struct model *model_new(void)
{
	struct model *model = calloc(1, sizeof(*model));
	struct object *lo;

	if (model == NULL)
		abort();
	model->end = &model->objects;
	model->next_index = 1;
	lo = link_new(model, "lo", "");
	lo->u.link.header.ifi_flags = IFF_LOOPBACK;
	lo->u.link.header.ifi_type = ARPHRD_LOOPBACK;
	lo->u.link.mtu = 65536;
	memset(lo->u.link.mac, 0, sizeof(lo->u.link.mac));
	memset(lo->u.link.broadcast, 0, sizeof(lo->u.link.broadcast));
	return model;
}

void model_free(struct model *model)
{
	while (model->objects != NULL)
		object_delete(model, model->objects);
	nlq_free(&model->changes);
	free(model);
}

void model_count(struct model *model, const char *ifname, const struct rtnl_link_stats64 *stats)
{
	struct object *object = link_by_name(model, ifname);

	if (object != NULL)
		object->u.link.stats = *stats;
}
