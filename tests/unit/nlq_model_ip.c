/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nlq_model_ip.c - the model's addresses, routes and neighbours; see nlq_model.h. */
#include "nlq_model_private.h"

#include <linux/neighbour.h>

/** address - the value of an attribute that has been checked to be an address of the message's family */
static const unsigned char *address(const struct nlattr *attr, uint8_t family)
{
	return nlq_family2addrlen(family) == 0 ? NULL : nlq_attr_data(attr, nlq_family2addrlen(family));
}

/** same_prefix - whether two addresses are equal in their first bits; @len is at most that of an address */
static bool same_prefix(const unsigned char *a, const unsigned char *b, unsigned int len)
{
	unsigned int rest = len % 8;

	return memcmp(a, b, len / 8) == 0 && (rest == 0 || (a[len / 8] ^ b[len / 8]) >> (8 - rest) == 0);
}

/* ---------------------------------------------------------------------------------------------------- addresses */

int addr_fill(const struct addr *addr, struct nlq_msg **queue)
{
	struct nlq_msg *msg = nlq_createmsg(RTM_NEWADDR, 0, 0, 0);
	size_t len = nlq_family2addrlen(addr->header.ifa_family);

	nlq_add(msg, &addr->header, sizeof(addr->header));
	nlq_addattr(msg, IFA_ADDRESS, addr->peer, len);
	if (addr->header.ifa_family == AF_INET)
		nlq_addattr(msg, IFA_LOCAL, addr->local, len);
	if (addr->has_broadcast)
		nlq_addattr(msg, IFA_BROADCAST, addr->broadcast, len);
	if (addr->label[0] != '\0')
		nlq_addattr(msg, IFA_LABEL, addr->label, strlen(addr->label) + 1);
	nlq_addattr(msg, IFA_FLAGS, &addr->flags, sizeof(addr->flags));
	nlq_addattr(msg, IFA_CACHEINFO, &addr->lifetime, sizeof(addr->lifetime));
	return nlq_complete_enqueue(msg, queue);
}

void *addr_search(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	const struct ifaddrmsg *header = NLMSG_DATA(msg);
	const unsigned char *local =
	        address(attr[attr[IFA_LOCAL] == NULL ? IFA_ADDRESS : IFA_LOCAL], header->ifa_family);
	struct model *model = stackinfo;
	struct object *object = NULL;
	char label[16];

	while ((object = object_next(model, object, RTMF_ADDR)) != NULL) {
		const struct addr *addr = &object->u.addr;
		size_t len = nlq_family2addrlen(addr->header.ifa_family);

		if (addr->header.ifa_index == header->ifa_index && addr->header.ifa_family == header->ifa_family &&
		    addr->header.ifa_prefixlen == header->ifa_prefixlen && local != NULL &&
		    memcmp(addr->local, local, len) == 0 &&
		    (nlq_attr_str(attr[IFA_LABEL], label, sizeof(label)) == NULL || strcmp(label, addr->label) == 0 ||
		     msg->nlmsg_type == RTM_NEWADDR))
			return object;
	}
	if (link_by_index(model, header->ifa_index) == NULL)
		nlq_error(-ENODEV, NULL, "Device not found");
	else
		nlq_error(-EADDRNOTAVAIL, NULL, "%s: Address not found",
		          header->ifa_family == AF_INET ? "ipv4" : "ipv6");
	return NULL;
}

int addr_get(void *entry, struct nlmsghdr *msg, struct nlattr **attr, struct nlq_msg **queue, void *stackinfo)
{
	(void)msg, (void)attr;
	return object_get(entry, RTMF_ADDR, queue, stackinfo);
}

/** addr_secondary - whether an address is in the network of an earlier one of the same interface */
static bool addr_secondary(const struct model *model, const struct addr *new)
{
	for (struct object *object = NULL; (object = object_next(model, object, RTMF_ADDR)) != NULL;) {
		const struct addr *addr = &object->u.addr;

		if (addr != new && addr->header.ifa_family == AF_INET &&
		    addr->header.ifa_index == new->header.ifa_index &&
		    addr->header.ifa_prefixlen ==
		            new->header.ifa_prefixlen &&same_prefix(addr->peer, new->peer, addr->header.ifa_prefixlen))
			return true;
	}
	return false;
}

/** connected - make the route to the network of an address, or delete it */
static void connected(struct model *model, const struct addr *addr, bool up)
{
	bool ipv4 = addr->header.ifa_family == AF_INET, host = addr->header.ifa_prefixlen == (ipv4 ? 32 : 128);
	unsigned char mask[16];
	struct object *object;
	struct route *route;

	if ((host && memcmp(addr->local, addr->peer, sizeof(addr->local)) == 0 && ipv4) ||
	    addr->flags & IFA_F_SECONDARY)
		return;
	if (!up) {
		for (object = NULL; (object = object_next(model, object, RTMF_ROUTE)) != NULL;) {
			route = &object->u.route;
			if (route->oif == addr->header.ifa_index && route->header.rtm_protocol == RTPROT_KERNEL &&
			    route->header.rtm_family == addr->header.ifa_family &&
			    route->header.rtm_dst_len == addr->header.ifa_prefixlen &&
			    same_prefix(route->dst, addr->peer, addr->header.ifa_prefixlen)) {
				object_changed(model, object, RTM_DELROUTE);
				object_delete(model, object);
				return;
			}
		}
		return;
	}
	object = object_add(model, RTMF_ROUTE);
	if (object == NULL)
		return;
	route = &object->u.route;
	route->header = (struct rtmsg){
	        .rtm_family = addr->header.ifa_family,
	        .rtm_dst_len = addr->header.ifa_prefixlen,
	        .rtm_table = RT_TABLE_MAIN,
	        .rtm_protocol = RTPROT_KERNEL,
	        .rtm_scope = ipv4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
	        .rtm_type = RTN_UNICAST,
	};
	nlq_prefix2mask(addr->header.ifa_family, mask, addr->header.ifa_prefixlen);
	for (unsigned int i = 0; i < nlq_family2addrlen(addr->header.ifa_family); i++)
		route->dst[i] = addr->peer[i] & mask[i];
	memcpy(route->prefsrc, addr->local, sizeof(route->prefsrc));
	route->has_prefsrc = ipv4;
	route->oif = addr->header.ifa_index;
	route->table = RT_TABLE_MAIN;
	route->priority = ipv4 ? 0 : 256;
	object_changed(model, object, RTM_NEWROUTE);
}

static void addr_read(struct addr *addr, const struct ifaddrmsg *header, struct nlattr **attr)
{
	size_t len = nlq_family2addrlen(header->ifa_family);
	const struct ifa_cacheinfo *lifetime = nlq_attr_data(attr[IFA_CACHEINFO], sizeof(*lifetime));

	addr->flags = (nlq_attr_u32(attr[IFA_FLAGS], header->ifa_flags) & ~(uint32_t)IFA_F_SECONDARY) | IFA_F_PERMANENT;
	addr->lifetime = (struct ifa_cacheinfo){.ifa_valid = UINT32_MAX, .ifa_prefered = UINT32_MAX};
	if (lifetime != NULL && lifetime->ifa_valid != UINT32_MAX) {
		addr->lifetime = *lifetime;
		addr->flags &= ~(uint32_t)IFA_F_PERMANENT;
	}
	addr->has_broadcast = attr[IFA_BROADCAST] != NULL;
	if (addr->has_broadcast)
		memcpy(addr->broadcast, address(attr[IFA_BROADCAST], header->ifa_family), len);
}

int addr_make(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	const struct ifaddrmsg *header = NLMSG_DATA(msg);
	const unsigned char *peer = address(attr[IFA_ADDRESS], header->ifa_family);
	const unsigned char *local = address(attr[IFA_LOCAL], header->ifa_family);
	struct model *model = stackinfo;
	struct link *link = link_by_index(model, header->ifa_index);
	size_t len = nlq_family2addrlen(header->ifa_family);
	struct object *object;
	struct addr *addr;

	local = local == NULL ? peer : local;
	peer = peer == NULL ? local : peer;
	if (len == 0)
		return -EAFNOSUPPORT;
	if (local == NULL)
		return nlq_error(-EINVAL, NULL, "ipv4: Local address is not supplied");
	if (link == NULL)
		return nlq_error(-ENODEV, NULL, "ipv4: Device not found");
	object = object_add(model, RTMF_ADDR);
	if (object == NULL)
		return -ENOBUFS;
	addr = &object->u.addr;
	addr->header = *header;
	memcpy(addr->local, local, len);
	memcpy(addr->peer, peer, len);
	addr_read(addr, header, attr);
	if (header->ifa_family == AF_INET && nlq_attr_str(attr[IFA_LABEL], addr->label, sizeof(addr->label)) == NULL)
		memcpy(addr->label, link->name, sizeof(addr->label));
	if (header->ifa_family == AF_INET && addr_secondary(model, addr))
		addr->flags |= IFA_F_SECONDARY;
	addr->header.ifa_flags = (uint8_t)addr->flags;
	object_changed(model, object, RTM_NEWADDR);
	if (link->header.ifi_flags & IFF_UP)
		connected(model, addr, true);
	return 0;
}

int addr_set(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	struct object *object = entry;

	addr_read(&object->u.addr, NLMSG_DATA(msg), attr);
	object_changed(stackinfo, object, RTM_NEWADDR);
	return 0;
}

int addr_del(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	struct object *object = entry;

	(void)msg, (void)attr;
	connected(stackinfo, &object->u.addr, false);
	object_changed(stackinfo, object, RTM_DELADDR);
	object_delete(stackinfo, object);
	return 0;
}

/* ------------------------------------------------------------------------------------------------------- routes */

int route_fill(const struct route *route, struct nlq_msg **queue)
{
	struct nlq_msg *msg = nlq_createmsg(RTM_NEWROUTE, 0, 0, 0);
	size_t len = nlq_family2addrlen(route->header.rtm_family);
	uint8_t medium = 0;

	nlq_add(msg, &route->header, sizeof(route->header));
	nlq_addattr(msg, RTA_TABLE, &route->table, sizeof(route->table));
	if (route->header.rtm_dst_len > 0)
		nlq_addattr(msg, RTA_DST, route->dst, len);
	if (route->priority != 0)
		nlq_addattr(msg, RTA_PRIORITY, &route->priority, sizeof(route->priority));
	if (route->has_prefsrc)
		nlq_addattr(msg, RTA_PREFSRC, route->prefsrc, len);
	if (route->has_gw)
		nlq_addattr(msg, RTA_GATEWAY, route->gw, len);
	if (route->oif != 0)
		nlq_addattr(msg, RTA_OIF, &route->oif, sizeof(route->oif));
	if (len == 16)
		nlq_addattr(msg, RTA_PREF, &medium, sizeof(medium));
	return nlq_complete_enqueue(msg, queue);
}

/** lookup - the route to an address, the longest prefix first; NULL: none */
static struct object *lookup(const struct model *model, uint8_t family, const unsigned char *dst)
{
	struct object *best = NULL;

	for (struct object *object = NULL; (object = object_next(model, object, RTMF_ROUTE)) != NULL;) {
		const struct route *route = &object->u.route;

		if (route->header.rtm_family != family || !same_prefix(route->dst, dst, route->header.rtm_dst_len))
			continue;
		if (best == NULL || route->header.rtm_dst_len > best->u.route.header.rtm_dst_len)
			best = object;
	}
	return best;
}

/** default_priority - the metric of a route that was given none */
static uint32_t default_priority(uint8_t family)
{
	return family == AF_INET6 ? 1024 : 0;
}

/** route_matches - whether a request is about a route; what a request to delete does not name does not count */
static bool route_matches(const struct route *route, const struct nlmsghdr *msg, struct nlattr **attr)
{
	const struct rtmsg *header = (const void *)((const char *)msg + NLMSG_HDRLEN);
	const unsigned char *dst = address(attr[RTA_DST], header->rtm_family),
	                    *gw = address(attr[RTA_GATEWAY], header->rtm_family);
	static const unsigned char any[16];
	bool del = msg->nlmsg_type == RTM_DELROUTE;
	uint32_t priority =
	        nlq_attr_u32(attr[RTA_PRIORITY], del ? route->priority : default_priority(header->rtm_family));

	if (route->header.rtm_family != header->rtm_family || route->header.rtm_dst_len != header->rtm_dst_len ||
	    !same_prefix(route->dst, dst == NULL ? any : dst, header->rtm_dst_len) || route->priority != priority)
		return false;
	if (!del)
		return true;
	return (gw == NULL || (route->has_gw && memcmp(gw, route->gw, nlq_family2addrlen(header->rtm_family)) == 0)) &&
	       (attr[RTA_OIF] == NULL || nlq_attr_u32(attr[RTA_OIF], 0) == route->oif);
}

void *route_search(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	const struct rtmsg *header = NLMSG_DATA(msg);
	const unsigned char *dst = address(attr[RTA_DST], header->rtm_family);
	struct model *model = stackinfo;
	struct object *object = NULL;

	if (msg->nlmsg_type == RTM_GETROUTE) {
		if (dst != NULL)
			object = lookup(model, header->rtm_family, dst);
		if (object == NULL)
			nlq_error(-ENETUNREACH, NULL, NULL);
		return object;
	}
	while ((object = object_next(model, object, RTMF_ROUTE)) != NULL) {
		if (route_matches(&object->u.route, msg, attr))
			return object;
	}
	nlq_error(-ESRCH, NULL, NULL);
	return NULL;
}

int route_get(void *entry, struct nlmsghdr *msg, struct nlattr **attr, struct nlq_msg **queue, void *stackinfo)
{
	const struct rtmsg *header = NLMSG_DATA(msg);
	const struct object *object = entry;
	struct route route;

	if (object == NULL)
		return object_get(NULL, RTMF_ROUTE, queue, stackinfo);
	if (msg->nlmsg_type != RTM_GETROUTE || !address(attr[RTA_DST], header->rtm_family))
		return object_fill(object, queue);
	/* the answer is about the address that was asked for */
	route = object->u.route;
	route.header.rtm_dst_len = (uint8_t)(nlq_family2addrlen(header->rtm_family) * 8);
	route.header.rtm_flags |= RTM_F_CLONED;
	route.header.rtm_protocol = RTPROT_UNSPEC;
	route.header.rtm_scope = RT_SCOPE_UNIVERSE;
	route.priority = 0;
	memcpy(route.dst, nlq_attr_data(attr[RTA_DST], 0), nlq_attr_len(attr[RTA_DST]));
	for (struct object *via = NULL; !route.has_prefsrc && (via = object_next(stackinfo, via, RTMF_ADDR)) != NULL;) {
		const struct addr *addr = &via->u.addr;

		if (addr->header.ifa_family != header->rtm_family || addr->header.ifa_index != route.oif)
			continue;
		memcpy(route.prefsrc, addr->local, sizeof(route.prefsrc));
		route.has_prefsrc = true;
	}
	return route_fill(&route, queue);
}

static int route_read(const struct model *model, struct route *route, const struct rtmsg *header, struct nlattr **attr)
{
	const unsigned char *dst = address(attr[RTA_DST], header->rtm_family),
	                    *gw = address(attr[RTA_GATEWAY], header->rtm_family);
	const unsigned char *src = address(attr[RTA_PREFSRC], header->rtm_family);
	size_t len = nlq_family2addrlen(header->rtm_family);
	const struct object *via;
	const struct link *link;
	struct route new = {.header = *header};

	if (len == 0)
		return -EAFNOSUPPORT;
	if (header->rtm_dst_len > 0 && dst == NULL)
		return nlq_error(-EINVAL, NULL, "No destination");
	if (dst != NULL)
		memcpy(new.dst, dst, len);
	new.oif = nlq_attr_u32(attr[RTA_OIF], 0);
	new.priority = nlq_attr_u32(attr[RTA_PRIORITY], default_priority(header->rtm_family));
	new.table = nlq_attr_u32(attr[RTA_TABLE], header->rtm_table);
	new.has_gw = gw != NULL;
	new.has_prefsrc = src != NULL;
	if (src != NULL)
		memcpy(new.prefsrc, src, len);
	if (gw != NULL) {
		via = lookup(model, header->rtm_family, gw);
		if (via == NULL || via->u.route.has_gw || (new.oif != 0 && via->u.route.oif != new.oif))
			return nlq_error(-ENETUNREACH, attr[RTA_GATEWAY], "Nexthop has invalid gateway");
		memcpy(new.gw, gw, len);
		new.oif = via->u.route.oif;
	}
	link = link_by_index(model, new.oif);
	if (link == NULL)
		return -ENODEV;
	if (!(link->header.ifi_flags & IFF_UP))
		return nlq_error(-ENETDOWN, NULL, "Device for nexthop is not up");
	*route = new;
	return 0;
}

int route_make(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	struct object *object;
	struct route route;
	int result = route_read(stackinfo, &route, NLMSG_DATA(msg), attr);

	if (result < 0)
		return result;
	object = object_add(stackinfo, RTMF_ROUTE);
	if (object == NULL)
		return -ENOBUFS;
	object->u.route = route;
	object_changed(stackinfo, object, RTM_NEWROUTE);
	return 0;
}

int route_set(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	struct object *object = entry;
	int result = route_read(stackinfo, &object->u.route, NLMSG_DATA(msg), attr);

	if (result == 0)
		object_changed(stackinfo, object, RTM_NEWROUTE);
	return result;
}

int route_del(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	(void)msg, (void)attr;
	object_changed(stackinfo, entry, RTM_DELROUTE);
	object_delete(stackinfo, entry);
	return 0;
}

/* --------------------------------------------------------------------------------------------------- neighbours */

int neigh_fill(const struct neigh *neigh, struct nlq_msg **queue)
{
	struct nlq_msg *msg = nlq_createmsg(RTM_NEWNEIGH, 0, 0, 0);

	nlq_add(msg, &neigh->header, sizeof(neigh->header));
	nlq_addattr(msg, NDA_DST, neigh->dst, nlq_family2addrlen(neigh->header.ndm_family));
	if (neigh->has_mac)
		nlq_addattr(msg, NDA_LLADDR, neigh->mac, sizeof(neigh->mac));
	return nlq_complete_enqueue(msg, queue);
}

void *neigh_search(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	const struct ndmsg *header = NLMSG_DATA(msg);
	const unsigned char *dst = address(attr[NDA_DST], header->ndm_family);
	struct object *object = NULL;

	while (dst != NULL && (object = object_next(stackinfo, object, RTMF_NEIGH)) != NULL) {
		const struct neigh *neigh = &object->u.neigh;

		if (neigh->header.ndm_family == header->ndm_family &&
		    neigh->header.ndm_ifindex == header->ndm_ifindex &&
		    memcmp(neigh->dst, dst, nlq_family2addrlen(header->ndm_family)) == 0)
			return object;
	}
	nlq_error(-ENOENT, NULL, NULL);
	return NULL;
}

int neigh_get(void *entry, struct nlmsghdr *msg, struct nlattr **attr, struct nlq_msg **queue, void *stackinfo)
{
	(void)msg, (void)attr;
	return object_get(entry, RTMF_NEIGH, queue, stackinfo);
}

int neigh_set(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	const struct ndmsg *header = NLMSG_DATA(msg);
	struct object *object = entry;
	struct neigh *neigh = &object->u.neigh;

	if (attr[NDA_LLADDR] != NULL && nlq_attr_len(attr[NDA_LLADDR]) != sizeof(neigh->mac))
		return -EINVAL;
	neigh->header = *header;
	neigh->header.ndm_type = RTN_UNICAST;
	neigh->has_mac = attr[NDA_LLADDR] != NULL;
	if (neigh->has_mac)
		memcpy(neigh->mac, nlq_attr_data(attr[NDA_LLADDR], sizeof(neigh->mac)), sizeof(neigh->mac));
	object_changed(stackinfo, object, RTM_NEWNEIGH);
	return 0;
}

int neigh_make(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	const struct ndmsg *header = NLMSG_DATA(msg);
	const unsigned char *dst = address(attr[NDA_DST], header->ndm_family);
	struct object *object;
	int result;

	if (dst == NULL)
		return nlq_error(-EINVAL, NULL, "Network address not specified");
	if (link_by_index(stackinfo, (uint32_t)header->ndm_ifindex) == NULL)
		return -ENODEV;
	object = object_add(stackinfo, RTMF_NEIGH);
	if (object == NULL)
		return -ENOBUFS;
	memcpy(object->u.neigh.dst, dst, nlq_family2addrlen(header->ndm_family));
	result = neigh_set(object, msg, attr, stackinfo);
	if (result < 0)
		object_delete(stackinfo, object);
	return result;
}

int neigh_del(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	(void)msg, (void)attr;
	object_changed(stackinfo, entry, RTM_DELNEIGH);
	object_delete(stackinfo, entry);
	return 0;
}

/* ------------------------------------------------------------------------------- what happens to them with a link */

/** delete_of - delete the objects of a kind that belong to an interface */
static void delete_of(struct model *model, int rtmf, uint32_t index)
{
	struct object *object = object_next(model, NULL, rtmf);

	while (object != NULL) {
		struct object *next = object_next(model, object, rtmf);
		bool belongs = rtmf == RTMF_ROUTE  ? object->u.route.oif == index
		               : rtmf == RTMF_ADDR ? object->u.addr.header.ifa_index == index
		                                   : object->u.neigh.header.ndm_ifindex == (int)index;

		if (belongs) {
			object_changed(model, object, (uint16_t)(RTM_BASE + 4 * rtmf + RTM_DEL));
			object_delete(model, object);
		}
		object = next;
	}
}

void link_updown(struct model *model, const struct link *link)
{
	uint32_t index = (uint32_t)link->header.ifi_index;

	if (!(link->header.ifi_flags & IFF_UP)) {
		delete_of(model, RTMF_ROUTE, index);
		return;
	}
	for (struct object *object = NULL; (object = object_next(model, object, RTMF_ADDR)) != NULL;) {
		if (object->u.addr.header.ifa_index == index)
			connected(model, &object->u.addr, true);
	}
}

void link_gone(struct model *model, const struct link *link)
{
	uint32_t index = (uint32_t)link->header.ifi_index;

	delete_of(model, RTMF_NEIGH, index);
	delete_of(model, RTMF_ROUTE, index);
	delete_of(model, RTMF_ADDR, index);
}
