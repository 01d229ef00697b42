/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rtnl_neigh.c - `ip neigh`: neighbours as netlink shows, makes and changes them (rtnetlink(7), uapi neighbour.h).
 *
 * Stateless.
 */
#include "rtnl.h"

/* States in which a neighbour's hardware address is known to be good. */
#define NUD_VALID (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

int rtnl__fill_neigh(const struct inet_neigh *neigh, uint16_t type, struct nlq_msg **queue)
{
	struct nlq_msg *msg = nlq_createmsg(type, 0, 0, 0);
	int64_t now = inet__now(neigh->iface->inet);
	struct nda_cacheinfo info = {
	        .ndm_confirmed = rtnl__ticks(neigh->confirmed, now),
	        .ndm_used = rtnl__ticks(neigh->used, now),
	        .ndm_updated = rtnl__ticks(neigh->updated, now),
	};

	nlq_addstruct(msg, ndmsg, .ndm_family = (unsigned char)neigh->family, .ndm_ifindex = (int)neigh->iface->index,
	              .ndm_state = neigh->flags & NTF_PROXY ? 0 : neigh->state, .ndm_flags = neigh->flags,
	              .ndm_type = neigh->type);
	rtnl__ip(msg, NDA_DST, neigh->family, &neigh->ip);
	if (!(neigh->flags & NTF_PROXY)) {
		if (neigh->has_mac && neigh->state & NUD_VALID)
			nlq_addattr(msg, NDA_LLADDR, neigh->mac, sizeof(neigh->mac));
		rtnl__u32(msg, NDA_PROBES, neigh->probes);
		nlq_addattr(msg, NDA_CACHEINFO, &info, sizeof(info));
	}
	if (neigh->protocol != 0)
		rtnl__u8(msg, NDA_PROTOCOL, neigh->protocol);
	return nlq_enqueue(msg, queue);
}

/** struct request - what a request is about */
struct request {
	struct inet_iface *iface;
	int family;
	union inet_ip ip;
	bool proxy;
};

/** read_request - interface and address; 0 or a negative errno, with its text */
static int read_request(const struct nlmsghdr *msg, struct nlattr **attr, struct inet *inet, struct request *out)
{
	const struct ndmsg *header = NLMSG_DATA((struct nlmsghdr *)(uintptr_t)msg);

	*out = (struct request){.family = header->ndm_family, .proxy = header->ndm_flags & NTF_PROXY};
	if (attr[NDA_DST] == NULL)
		return nlq_error(-EINVAL, NULL, "Network address not specified");
	if (header->ndm_ifindex != 0) {
		out->iface = inet_iface_by_index(inet, (unsigned int)header->ndm_ifindex);
		if (out->iface == NULL)
			return nlq_error(-ENODEV, NULL,
			                 msg->nlmsg_type == RTM_GETNEIGH ? "Unknown device ifindex" : NULL);
	}
	if (header->ndm_family != AF_INET && header->ndm_family != AF_INET6)
		return nlq_error(-EAFNOSUPPORT, NULL, NULL);
	if (!rtnl__take_ip(attr[NDA_DST], out->family, &out->ip))
		return nlq_error(-EINVAL, attr[NDA_DST], "Invalid network address");
	if (out->iface == NULL)
		return nlq_error(-EINVAL, NULL,
		                 msg->nlmsg_type == RTM_GETNEIGH ? "No device specified" : "Device not specified");
	return 0;
}

/** struct proxy - the search for an address that is answered for (NTF_PROXY) on an interface */
struct proxy {
	const struct request *request;
	const struct inet_neigh *found;
};

static int match_proxy(const struct inet_neigh *neigh, void *arg)
{
	struct proxy *proxy = arg;

	if (!(neigh->flags & NTF_PROXY) || neigh->iface != proxy->request->iface ||
	    !inet__ip_equal(neigh->family, &neigh->ip, &proxy->request->ip))
		return 0;
	proxy->found = neigh;
	return 1;
}

void *rtnl__neigh_search(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	struct request request;
	struct proxy proxy = {.request = &request};
	struct inet_neigh *neigh;

	if (msg->nlmsg_type == RTM_NEWNEIGH)
		return rtnl__whole(msg);
	if (read_request(msg, attr, stackinfo, &request) < 0)
		return NULL;
	if (msg->nlmsg_type == RTM_DELNEIGH)
		return msg; /* found or not is inet__neigh_delete's business */
	if (request.proxy) {
		inet__neigh_each(stackinfo, request.family, match_proxy, &proxy);
		neigh = (struct inet_neigh *)(uintptr_t)proxy.found;
	} else {
		neigh = inet__neigh_find(request.iface, request.family, &request.ip);
	}
	if (neigh == NULL)
		nlq_error(-ENOENT, NULL, "%s entry not found", request.proxy ? "Proxy neighbour" : "Neighbour");
	return neigh;
}

/** struct dump - a dump under way */
struct dump {
	struct nlq_msg **queue;
	bool proxies;
};

static int dump_one(const struct inet_neigh *neigh, void *arg)
{
	const struct dump *dump = arg;

	if (dump->proxies != ((neigh->flags & NTF_PROXY) != 0))
		return 0;
	return rtnl__fill_neigh(neigh, RTM_NEWNEIGH, dump->queue);
}

int rtnl__neigh_get(void *entry, struct nlmsghdr *msg, struct nlattr **attr, struct nlq_msg **queue, void *stackinfo)
{
	const struct ndmsg *header = NLMSG_DATA(msg);
	struct dump dump = {.queue = queue, .proxies = header->ndm_flags == NTF_PROXY};
	static const int families[] = {AF_INET, AF_INET6};

	if (entry != NULL)
		return rtnl__fill_neigh(entry, RTM_NEWNEIGH, queue);
	if (nlq_attr_u32(attr[NDA_MASTER], 0) != 0) /* no interface here has one */
		return 0;
	for (int i = 0; i < 2; i++) {
		int result = 0;

		if (header->ndm_family == AF_UNSPEC || header->ndm_family == families[i])
			result = inet__neigh_each(stackinfo, families[i], dump_one, &dump);
		if (result < 0)
			return result;
	}
	return 0;
}

int rtnl__neigh_new(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	const struct ndmsg *header = NLMSG_DATA(msg);
	const unsigned char *mac = nlq_attr_data(attr[NDA_LLADDR], 6);
	struct request request;
	int result = read_request(msg, attr, stackinfo, &request);

	if (attr[NDA_DST] != NULL && request.iface != NULL && attr[NDA_LLADDR] != NULL && mac == NULL)
		return nlq_error(-EINVAL, attr[NDA_LLADDR], "Invalid link address");
	if (result < 0)
		return result;
	return inet__neigh_set(request.iface, request.family, &request.ip, mac, header->ndm_state, header->ndm_flags,
	                       nlq_attr_u8(attr[NDA_PROTOCOL], 0), msg->nlmsg_flags);
}

int rtnl__neigh_set(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	(void)entry;
	return rtnl__neigh_new(msg, attr, stackinfo);
}

int rtnl__neigh_del(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo)
{
	struct request request;
	int result = read_request(msg, attr, stackinfo, &request);

	(void)entry;
	if (result < 0)
		return result;
	return inet__neigh_delete(request.iface, request.family, &request.ip, request.proxy);
}
