/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mcast.c - multicast memberships of sockets: IP_ADD_MEMBERSHIP, IPV6_JOIN_GROUP, MCAST_JOIN_GROUP and their relatives.
 *
 * A membership is of a group on an interface, with a list of sources that are not wanted (EXCLUDE, what a join makes)
 * or the only ones that are (INCLUDE, what a join of a source makes). inet counts who wants a group on an interface and
 * lets the engine tell the routers; lists of sources are not told to them, they filter what comes.
 *
 * A membership names its interface by index: when the interface is deleted it stays, as on Linux, and does no harm.
 */
#include "ip.h"

#include <limits.h>
#include <stdlib.h>

#define MEMBERS_MAX 20  /* IPv4, Linux's net.ipv4.igmp_max_memberships */
#define SOURCES_MAX 10  /* IPv4, net.ipv4.igmp_max_msf */
#define SOURCES_MAX6 64 /* IPv6, net.ipv6.mld_max_msf */

struct usock__member {
	struct usock__member *next;
	int family;
	union inet_ip group;
	unsigned int ifindex;
	unsigned int mode; /* MCAST_INCLUDE, MCAST_EXCLUDE */
	unsigned int count, room;
	union inet_ip *source;
};

/** struct membership - a question of the program, whatever structure it came in */
struct membership {
	int family;
	union inet_ip group, source;
	unsigned int ifindex;
	struct in_addr address; /* of the interface, when it has no index */
};

bool usock__mcast_name(int level, int name)
{
	switch (name) {
	case MCAST_JOIN_GROUP:
	case MCAST_LEAVE_GROUP:
	case MCAST_BLOCK_SOURCE:
	case MCAST_UNBLOCK_SOURCE:
	case MCAST_JOIN_SOURCE_GROUP:
	case MCAST_LEAVE_SOURCE_GROUP:
	case MCAST_MSFILTER:
		return true;
	case IP_ADD_MEMBERSHIP:
	case IP_DROP_MEMBERSHIP:
	case IP_ADD_SOURCE_MEMBERSHIP:
	case IP_DROP_SOURCE_MEMBERSHIP:
	case IP_BLOCK_SOURCE:
	case IP_UNBLOCK_SOURCE:
	case IP_MSFILTER:
		return level == IPPROTO_IP;
	case IPV6_JOIN_GROUP:
	case IPV6_LEAVE_GROUP:
		return level == IPPROTO_IPV6;
	default:
		return false;
	}
}

/** iface_of - the interface that a membership is about; NULL: there is none */
static struct inet_iface *iface_of(struct usock__inet *sock, const struct membership *m)
{
	struct inet *inet = sock->sock.stack->inet;
	struct inet_flow flow = {.family = m->family, .dst = m->group};

	if (m->ifindex != 0)
		return inet_iface_by_index(inet, m->ifindex);
	if (m->family == AF_INET && m->address.s_addr != 0) {
		union inet_ip ip = {.v4 = m->address};
		struct inet_addr *addr = inet_local(inet, AF_INET, &ip, NULL);

		return addr ? addr->iface : NULL;
	}
	return inet_route(inet, &flow) == 0 ? flow.iface : NULL;
}

/** find - the membership of a group; index 0 stands for any interface */
static struct usock__member **find(struct usock__inet *sock, int family, const union inet_ip *group,
                                   unsigned int ifindex)
{
	struct usock__member **at = &sock->members;

	while (*at && !((*at)->family == family && (ifindex == 0 || (*at)->ifindex == ifindex) &&
	                usock__ip_same(family, &(*at)->group, group)))
		at = &(*at)->next;
	return at;
}

static unsigned int count_of(const struct usock__inet *sock, int family)
{
	unsigned int count = 0;

	for (const struct usock__member *member = sock->members; member; member = member->next)
		count += member->family == family;
	return count;
}

/** join - become a member of a group in @mode */
static int join(struct usock__inet *sock, const struct membership *m, unsigned int mode)
{
	struct inet_iface *iface;
	struct usock__member *member;
	int error;

	if (!usock__is_group(m->family, &m->group))
		return -EINVAL;
	if (m->family == AF_INET6 && *find(sock, AF_INET6, &m->group, m->ifindex))
		return -EADDRINUSE;
	iface = iface_of(sock, m);
	if (!iface)
		return -ENODEV;
	if (*find(sock, m->family, &m->group, iface->index))
		return -EADDRINUSE;
	if (m->family == AF_INET && count_of(sock, AF_INET) >= MEMBERS_MAX)
		return -ENOBUFS;
	member = calloc(1, sizeof(*member));
	if (!member)
		return -ENOMEM;
	error = inet_group_join(iface, m->family, &m->group);
	if (error < 0) {
		free(member);
		return error;
	}
	*member = (struct usock__member){
	        .next = sock->members, .family = m->family, .group = m->group, .ifindex = iface->index, .mode = mode};
	sock->members = member;
	return 0;
}

/** leave_at - end a membership */
static void leave_at(struct usock__inet *sock, struct usock__member **at)
{
	struct usock__member *member = *at;
	struct inet_iface *iface = inet_iface_by_index(sock->sock.stack->inet, member->ifindex);

	*at = member->next;
	if (iface)
		inet_group_leave(iface, member->family, &member->group);
	free(member->source);
	free(member);
}

static int leave(struct usock__inet *sock, const struct membership *m)
{
	unsigned int ifindex = m->ifindex;
	struct usock__member **at;

	if (!usock__is_group(m->family, &m->group) && m->family == AF_INET6)
		return -EINVAL;
	if (m->family == AF_INET && ifindex == 0) {
		struct inet_iface *iface = iface_of(sock, m);

		if (!iface && m->address.s_addr == 0)
			return -ENODEV;
		ifindex = iface ? iface->index : 0;
	}
	at = find(sock, m->family, &m->group, ifindex);
	if (!*at)
		return -EADDRNOTAVAIL;
	leave_at(sock, at);
	return 0;
}

void usock__mcast_release(struct usock__inet *sock)
{
	while (sock->members)
		leave_at(sock, &sock->members);
}

/* --------------------------------------------------------------------------------------------------------------
 * sources */

/** source_at - the place of a source in the list of a membership; count when it is not there */
static unsigned int source_at(const struct usock__member *member, const union inet_ip *source)
{
	unsigned int i = 0;

	if (!member->source)
		return member->count;
	while (i < member->count && !usock__ip_same(member->family, &member->source[i], source))
		i++;
	return i;
}

static int source_add(struct usock__member *member, const union inet_ip *source)
{
	if (member->count >= (member->family == AF_INET ? SOURCES_MAX : SOURCES_MAX6))
		return -ENOBUFS;
	if (!member->source || member->count == member->room) {
		unsigned int room = member->room + 8;
		union inet_ip *list = reallocarray(member->source, room, sizeof(*list));

		if (!list)
			return -ENOBUFS;
		member->source = list;
		member->room = room;
	}
	member->source[member->count++] = *source;
	return 0;
}

/**
 * change_source - add a source to the list of a membership or take it away
 * @mode: of the list that is meant: joining and leaving a source is about INCLUDE, blocking and unblocking about
 * EXCLUDE
 */
static int change_source(struct usock__inet *sock, const struct membership *m, unsigned int mode, bool add)
{
	struct inet_iface *iface;
	struct usock__member **at, *member;
	unsigned int i;

	if (!usock__is_group(m->family, &m->group))
		return -EINVAL;
	iface = iface_of(sock, m);
	if (!iface)
		return -ENODEV;
	at = find(sock, m->family, &m->group, iface->index);
	member = *at;
	if (!member)
		return -EINVAL;
	if (member->mode != mode) {
		/* Once there has been a list, even if it is empty now, it stays one of its kind. */
		if (member->source)
			return -EINVAL;
		member->mode = mode;
	}
	i = source_at(member, &m->source);
	if (add)
		return i < member->count ? -EADDRNOTAVAIL : source_add(member, &m->source);
	if (!member->source || i == member->count)
		return -EADDRNOTAVAIL;
	if (member->count == 1 && mode == MCAST_INCLUDE) {
		leave_at(sock, at); /* the last source that was wanted */
		return 0;
	}
	member->source[i] = member->source[--member->count];
	return 0;
}

/** join_source - join a group for a source, or add the source to a membership */
static int join_source(struct usock__inet *sock, const struct membership *m)
{
	int error = join(sock, m, MCAST_INCLUDE);

	if (error < 0 && error != -EADDRINUSE)
		return error;
	return change_source(sock, m, MCAST_INCLUDE, true);
}

/** set_filter - the whole list of a membership at once */
static int set_filter(struct usock__inet *sock, const struct membership *m, unsigned int mode,
                      const union inet_ip *list, unsigned int count)
{
	struct usock__member *member, **at;
	struct inet_iface *iface;
	union inet_ip *copy = NULL;

	if (!usock__is_group(m->family, &m->group) || (mode != MCAST_INCLUDE && mode != MCAST_EXCLUDE))
		return -EINVAL;
	iface = iface_of(sock, m);
	if (!iface)
		return -ENODEV;
	at = find(sock, m->family, &m->group, iface->index);
	if (mode == MCAST_INCLUDE && count == 0) {
		/* Nobody is wanted: that is no membership. */
		if (!*at)
			return -EADDRNOTAVAIL;
		leave_at(sock, at);
		return 0;
	}
	member = *at;
	if (!member)
		return -EINVAL;
	if (count > 0) {
		copy = calloc(count, sizeof(*copy));
		if (!copy)
			return -ENOBUFS;
		memcpy(copy, list, count * sizeof(*copy));
	}
	free(member->source);
	member->source = copy;
	member->count = member->room = count;
	member->mode = mode;
	return 0;
}

bool usock__mcast_wanted(const struct usock__inet *sock, int family, const union inet_ip *group,
                         const union inet_ip *src, const struct inet_iface *iface)
{
	const struct usock__member *member = sock->members;
	bool listed;

	while (member && !(member->family == family && (family == AF_INET6 || member->ifindex == iface->index) &&
	                   usock__ip_same(family, &member->group, group)))
		member = member->next;
	if (!member)
		return family == AF_INET ? sock->ip.multicast_all : sock->ip.multicast_all6;
	listed = source_at(member, src) < member->count;
	return member->mode == MCAST_INCLUDE ? listed : !listed;
}

/* --------------------------------------------------------------------------------------------------------------
 * options */

/** of_sockaddr - an address of @family in a sockaddr_storage */
static int of_sockaddr(int family, const struct sockaddr_storage *addr, union inet_ip *ip)
{
	if (addr->ss_family != family)
		return -EINVAL;
	memset(ip, 0, sizeof(*ip));
	if (family == AF_INET)
		ip->v4 = ((const struct sockaddr_in *)addr)->sin_addr;
	else
		ip->v6 = ((const struct sockaddr_in6 *)addr)->sin6_addr;
	return 0;
}

/** set_group - MCAST_JOIN_GROUP and MCAST_LEAVE_GROUP */
static int set_group(struct usock__inet *sock, int family, bool add, const void *value, socklen_t len)
{
	struct membership m = {.family = family};
	struct group_req request;
	int error;

	if (len < sizeof(request))
		return -EINVAL;
	memcpy(&request, value, sizeof(request));
	error = of_sockaddr(family, &request.gr_group, &m.group);
	if (error < 0)
		return family == AF_INET6 ? -EADDRNOTAVAIL : error;
	m.ifindex = request.gr_interface;
	return add ? join(sock, &m, MCAST_EXCLUDE) : leave(sock, &m);
}

/** change - what the four options about one source do */
static int change(struct usock__inet *sock, const struct membership *m, int name)
{
	switch (name) {
	case MCAST_JOIN_SOURCE_GROUP:
	case IP_ADD_SOURCE_MEMBERSHIP:
		return join_source(sock, m);
	case MCAST_LEAVE_SOURCE_GROUP:
	case IP_DROP_SOURCE_MEMBERSHIP:
		return change_source(sock, m, MCAST_INCLUDE, false);
	case MCAST_BLOCK_SOURCE:
	case IP_BLOCK_SOURCE:
		return change_source(sock, m, MCAST_EXCLUDE, true);
	default:
		return change_source(sock, m, MCAST_EXCLUDE, false);
	}
}

/** set_source - MCAST_JOIN_SOURCE_GROUP and its relatives */
static int set_source(struct usock__inet *sock, int family, int name, const void *value, socklen_t len)
{
	struct membership m = {.family = family};
	struct group_source_req request;

	if (len < sizeof(request))
		return -EINVAL;
	memcpy(&request, value, sizeof(request));
	if (of_sockaddr(family, &request.gsr_group, &m.group) < 0 ||
	    of_sockaddr(family, &request.gsr_source, &m.source) < 0)
		return -EADDRNOTAVAIL;
	m.ifindex = request.gsr_interface;
	return change(sock, &m, name);
}

/** set_sources - MCAST_MSFILTER */
static int set_sources(struct usock__inet *sock, int family, const void *value, socklen_t len)
{
	struct membership m = {.family = family};
	union inet_ip list[SOURCES_MAX6];
	struct group_filter head;
	struct sockaddr_storage addr;

	if (len < GROUP_FILTER_SIZE(0))
		return -EINVAL;
	memcpy(&head, value, GROUP_FILTER_SIZE(0));
	if (head.gf_numsrc > (family == AF_INET ? SOURCES_MAX : SOURCES_MAX6))
		return -ENOBUFS;
	if (len < GROUP_FILTER_SIZE(head.gf_numsrc))
		return -EINVAL;
	if (of_sockaddr(family, &head.gf_group, &m.group) < 0)
		return -EADDRNOTAVAIL;
	m.ifindex = head.gf_interface;
	for (uint32_t i = 0; i < head.gf_numsrc; i++) {
		memcpy(&addr, (const char *)value + GROUP_FILTER_SIZE(i), sizeof(addr));
		if (of_sockaddr(family, &addr, &list[i]) < 0)
			return -EADDRNOTAVAIL;
	}
	return set_filter(sock, &m, head.gf_fmode, list, head.gf_numsrc);
}

/** set_member4 - IP_ADD_MEMBERSHIP and IP_DROP_MEMBERSHIP: struct ip_mreqn, or the shorter struct ip_mreq */
static int set_member4(struct usock__inet *sock, bool add, const void *value, socklen_t len)
{
	struct membership m = {.family = AF_INET};
	struct ip_mreqn request = {.imr_ifindex = 0};

	if (len < sizeof(struct ip_mreq))
		return -EINVAL;
	memcpy(&request, value, len < sizeof(request) ? sizeof(struct ip_mreq) : sizeof(request));
	m.group.v4 = request.imr_multiaddr;
	m.address = request.imr_address;
	m.ifindex = (unsigned int)request.imr_ifindex;
	return add ? join(sock, &m, MCAST_EXCLUDE) : leave(sock, &m);
}

static int set_source4(struct usock__inet *sock, int name, const void *value, socklen_t len)
{
	struct membership m = {.family = AF_INET};
	struct ip_mreq_source request;

	if (len != sizeof(request))
		return -EINVAL;
	memcpy(&request, value, sizeof(request));
	m.group.v4 = request.imr_multiaddr;
	m.source.v4 = request.imr_sourceaddr;
	m.address = request.imr_interface;
	return change(sock, &m, name);
}

/** set_sources4 - IP_MSFILTER */
static int set_sources4(struct usock__inet *sock, const void *value, socklen_t len)
{
	struct membership m = {.family = AF_INET};
	union inet_ip list[SOURCES_MAX];
	struct ip_msfilter head;

	if (len < IP_MSFILTER_SIZE(0))
		return -EINVAL;
	memcpy(&head, value, IP_MSFILTER_SIZE(0));
	if (head.imsf_numsrc > SOURCES_MAX)
		return -ENOBUFS;
	if (len < IP_MSFILTER_SIZE(head.imsf_numsrc))
		return -EINVAL;
	m.group.v4 = head.imsf_multiaddr;
	m.address = head.imsf_interface;
	for (uint32_t i = 0; i < head.imsf_numsrc; i++) {
		memset(&list[i], 0, sizeof(list[i]));
		memcpy(&list[i].v4, (const char *)value + IP_MSFILTER_SIZE(i), sizeof(struct in_addr));
	}
	return set_filter(sock, &m, head.imsf_fmode, list, head.imsf_numsrc);
}

static int set_member6(struct usock__inet *sock, bool add, const void *value, socklen_t len)
{
	struct membership m = {.family = AF_INET6};
	struct ipv6_mreq request;

	if (len < sizeof(request))
		return -EINVAL;
	memcpy(&request, value, sizeof(request));
	m.group.v6 = request.ipv6mr_multiaddr;
	m.ifindex = request.ipv6mr_interface;
	return add ? join(sock, &m, MCAST_EXCLUDE) : leave(sock, &m);
}

int usock__mcast_setsockopt(struct usock__inet *sock, int level, int name, const void *value, socklen_t len)
{
	int family = level == IPPROTO_IP ? AF_INET : AF_INET6;

	if (sock->sock.type == SOCK_STREAM)
		return -EPROTO;
	switch (name) {
	case MCAST_JOIN_GROUP:
	case MCAST_LEAVE_GROUP:
		return set_group(sock, family, name == MCAST_JOIN_GROUP, value, len);
	case MCAST_JOIN_SOURCE_GROUP:
	case MCAST_LEAVE_SOURCE_GROUP:
	case MCAST_BLOCK_SOURCE:
	case MCAST_UNBLOCK_SOURCE:
		return set_source(sock, family, name, value, len);
	case MCAST_MSFILTER:
		return set_sources(sock, family, value, len);
	default:
		break;
	}
	if (family == AF_INET6)
		return set_member6(sock, name == IPV6_JOIN_GROUP, value, len);
	switch (name) {
	case IP_ADD_MEMBERSHIP:
	case IP_DROP_MEMBERSHIP:
		return set_member4(sock, name == IP_ADD_MEMBERSHIP, value, len);
	case IP_MSFILTER:
		return set_sources4(sock, value, len);
	default:
		return set_source4(sock, name, value, len);
	}
}

/** get_filter - the membership whose list is asked for */
static int get_filter(struct usock__inet *sock, const struct membership *m, const struct usock__member **out)
{
	struct inet_iface *iface;

	if (!usock__is_group(m->family, &m->group))
		return -EINVAL;
	iface = iface_of(sock, m);
	if (!iface)
		return -ENODEV;
	*out = *find(sock, m->family, &m->group, iface->index);
	return *out ? 0 : -EADDRNOTAVAIL;
}

/** get_sources - MCAST_MSFILTER: as many sources as the program has room for, and how many there are */
static int get_sources(struct usock__inet *sock, int family, void *value, socklen_t *len)
{
	struct membership m = {.family = family};
	const struct usock__member *member;
	struct group_filter head;
	uint32_t room;
	int error;

	if (*len < GROUP_FILTER_SIZE(0))
		return -EINVAL;
	memcpy(&head, value, GROUP_FILTER_SIZE(0));
	if (of_sockaddr(family, &head.gf_group, &m.group) < 0)
		return -EADDRNOTAVAIL;
	m.ifindex = head.gf_interface;
	error = get_filter(sock, &m, &member);
	if (error < 0)
		return error;
	room = head.gf_numsrc;
	if (room > (*len - GROUP_FILTER_SIZE(0)) / sizeof(struct sockaddr_storage))
		room = (uint32_t)((*len - GROUP_FILTER_SIZE(0)) / sizeof(struct sockaddr_storage));
	head.gf_fmode = member->mode;
	head.gf_numsrc = member->count;
	memcpy(value, &head, GROUP_FILTER_SIZE(0));
	if (room > member->count)
		room = member->count;
	for (uint32_t i = 0; i < room; i++) {
		struct usock_endpoint source = {.ip = member->source[i]};
		struct sockaddr_storage addr;
		socklen_t size = sizeof(addr);

		memset(&addr, 0, sizeof(addr));
		usock__endpoint_give(family, &source, &addr, &size);
		memcpy((char *)value + GROUP_FILTER_SIZE(i), &addr, sizeof(addr));
	}
	*len = (socklen_t)GROUP_FILTER_SIZE(room);
	return 0;
}

/** get_sources4 - IP_MSFILTER */
static int get_sources4(struct usock__inet *sock, void *value, socklen_t *len)
{
	struct membership m = {.family = AF_INET};
	const struct usock__member *member;
	struct ip_msfilter head;
	uint32_t room;
	int error;

	if (*len < IP_MSFILTER_SIZE(0))
		return -EINVAL;
	memcpy(&head, value, IP_MSFILTER_SIZE(0));
	m.group.v4 = head.imsf_multiaddr;
	m.address = head.imsf_interface;
	error = get_filter(sock, &m, &member);
	if (error < 0)
		return error;
	room = (uint32_t)((*len - IP_MSFILTER_SIZE(0)) / sizeof(struct in_addr));
	if (room > head.imsf_numsrc)
		room = head.imsf_numsrc;
	if (room > member->count)
		room = member->count;
	head.imsf_fmode = member->mode;
	head.imsf_numsrc = member->count;
	memcpy(value, &head, IP_MSFILTER_SIZE(0));
	for (uint32_t i = 0; i < room; i++)
		memcpy((char *)value + IP_MSFILTER_SIZE(i), &member->source[i].v4, sizeof(struct in_addr));
	*len = (socklen_t)IP_MSFILTER_SIZE(room);
	return 0;
}

int usock__mcast_getsockopt(struct usock__inet *sock, int level, int name, void *value, socklen_t *len)
{
	if (name == MCAST_MSFILTER)
		return get_sources(sock, level == IPPROTO_IP ? AF_INET : AF_INET6, value, len);
	if (name == IP_MSFILTER && level == IPPROTO_IP)
		return get_sources4(sock, value, len);
	return -ENOPROTOOPT;
}
