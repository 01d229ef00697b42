/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nlvde.c - interfaces of kind "vde" made by netlink.
 *
 * The kernel knows no such kind. A packet that a program sends to it is looked through for an RTM_NEWLINK that
 * creates one; the plugin makes the interface, and then the packet is sent with the request replaced by
 *
 *   - an RTM_NEWLINK for the interface that is there now, with what else the request said of it (up, master, alias,
 *     ...), and,
 *   - if the sender wants to be told the index, an RTM_GETLINK,
 *
 * with the sequence number of the request. So it is the kernel that answers and acknowledges, in order with
 * everything else that goes over the socket. The sender is told the index in answer to an empty IFLA_NEW_IFINDEX or
 * to NLM_F_ECHO.
 *
 * Nothing here is trusted: every length is checked before what it measures is read, and nothing is assumed to be
 * aligned.
 */
#include "nlvde.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#ifndef IFLA_VDE_VNL
#define IFLA_VDE_VNL 1
#endif
#define NEW_IFINDEX 49 /* IFLA_NEW_IFINDEX, in <linux/if_link.h> since Linux 4.20 */

#define KIND "vde"
#define VNL_MAX 4096

/* The kernel's macros for these mix signed and unsigned. */
#define HEAD sizeof(struct nlmsghdr)
#define ATTR_HEAD sizeof(struct nlattr)
#define ALIGNED(len) (((size_t)(len) + 3) & ~(size_t)3)
#define LINK_HEAD (HEAD + sizeof(struct ifinfomsg))

/** struct view - bytes that have been measured */
struct view {
	const unsigned char *base; /* of the packet */
	size_t at, end;
};

/** struct attr - an attribute, its data measured */
struct attr {
	int type;
	struct view data;
	size_t start; /* of the attribute itself */
	size_t size;  /* with its padding, as far as there is any */
};

/** attr_next - the next attribute; false at the end, or where what follows is none */
static bool attr_next(struct view *view, struct attr *out)
{
	struct nlattr head;
	size_t left = view->end - view->at, size;

	if (left < ATTR_HEAD)
		return false;
	memcpy(&head, view->base + view->at, sizeof(head));
	if (head.nla_len < ATTR_HEAD || head.nla_len > left)
		return false;
	size = ALIGNED(head.nla_len) < left ? ALIGNED(head.nla_len) : left;
	out->type = head.nla_type & NLA_TYPE_MASK;
	out->data = (struct view){view->base, view->at + ATTR_HEAD, view->at + head.nla_len};
	out->start = view->at;
	out->size = size;
	view->at += size;
	return true;
}

/** view_string - a string, with or without a NUL at its end; its length in *@len; false when there is a NUL within */
static bool view_string(const struct view *view, size_t *len)
{
	const unsigned char *text = view->base + view->at;
	const unsigned char *nul = memchr(text, '\0', view->end - view->at);

	*len = nul ? (size_t)(nul - text) : view->end - view->at;
	return nul == NULL || view->at + *len + 1 == view->end;
}

/** view_u32 - a number; false when the attribute has another size */
static bool view_u32(const struct view *view, uint32_t *out)
{
	if (view->end - view->at != sizeof(*out))
		return false;
	memcpy(out, view->base + view->at, sizeof(*out));
	return true;
}

/** find_in - attribute @type among those of @view */
static bool find_in(struct view view, int type, struct attr *out)
{
	while (attr_next(&view, out))
		if (out->type == type)
			return true;
	return false;
}

/** is_vde - is it link information of our kind? */
static bool is_vde(const struct view *linkinfo)
{
	struct attr kind;
	size_t len;

	return find_in(*linkinfo, IFLA_INFO_KIND, &kind) && view_string(&kind.data, &len) && len == strlen(KIND) &&
	       memcmp(kind.data.base + kind.data.at, KIND, len) == 0;
}

/** take_vnl - the locator out of link information */
static bool take_vnl(const struct view *linkinfo, struct nlvde_request *out)
{
	struct attr data, vnl;

	if (!find_in(*linkinfo, IFLA_INFO_DATA, &data) || !find_in(data.data, IFLA_VDE_VNL, &vnl) ||
	    !view_string(&vnl.data, &out->vnl_len) || out->vnl_len == 0 || out->vnl_len > VNL_MAX)
		return false;
	out->vnl = vnl.data.at;
	return true;
}

/** take_attr - what an attribute of the request says, if it is one that we have to know; false when it is wrong */
static bool take_attr(const struct attr *attr, struct nlvde_request *out)
{
	const struct view *data = &attr->data;
	size_t len;

	switch (attr->type) {
	case IFLA_IFNAME:
		if (!view_string(data, &len) || len == 0 || len >= sizeof(out->ifname))
			return false;
		memcpy(out->ifname, data->base + data->at, len);
		out->ifname[len] = '\0';
		return true;
	case IFLA_MTU:
		return view_u32(data, &out->mtu) && out->mtu != 0;
	case IFLA_ADDRESS:
		out->has_mac = data->end - data->at == sizeof(out->mac);
		if (out->has_mac)
			memcpy(out->mac, data->base + data->at, sizeof(out->mac));
		return out->has_mac;
	case NEW_IFINDEX:
		if (data->end == data->at)
			out->tell = true;
		else
			return view_u32(data, &out->ifindex) && out->ifindex > 0 && out->ifindex <= INT32_MAX;
		return true;
	case IFLA_LINKINFO:
		return take_vnl(data, out);
	default:
		return true;
	}
}

/** take_request - understand an RTM_NEWLINK of our kind; see nlvde_find */
static int take_request(const unsigned char *packet, size_t start, const struct nlmsghdr *nlh,
                        struct nlvde_request *out)
{
	struct view attrs = {packet, start + LINK_HEAD, start + nlh->nlmsg_len};
	struct ifinfomsg link;
	struct attr attr;

	memcpy(&link, packet + start + HEAD, sizeof(link));
	*out = (struct nlvde_request){.start = start, .len = nlh->nlmsg_len};
	out->tell = (nlh->nlmsg_flags & NLM_F_ECHO) != 0;
	if (link.ifi_index < 0)
		return -EINVAL;
	out->ifindex = (uint32_t)link.ifi_index;
	while (attr_next(&attrs, &attr))
		if (!take_attr(&attr, out))
			return -EINVAL;
	return 1;
}

/** message_next - the message at *@at, which moves on; false when there is none that is whole */
static bool message_next(const unsigned char *packet, size_t len, size_t *at, size_t *start, struct nlmsghdr *nlh)
{
	size_t left = len - *at;

	if (*at > len || left < HEAD)
		return false;
	memcpy(nlh, packet + *at, sizeof(*nlh));
	if (nlh->nlmsg_len < HEAD || nlh->nlmsg_len > left)
		return false;
	*start = *at;
	*at += ALIGNED(nlh->nlmsg_len) < left ? ALIGNED(nlh->nlmsg_len) : left;
	return true;
}

int nlvde_find(const void *packet, size_t len, size_t from, struct nlvde_request *out)
{
	const unsigned char *bytes = packet;
	struct nlmsghdr nlh;
	struct attr linkinfo;
	size_t start;

	while (message_next(bytes, len, &from, &start, &nlh)) {
		struct view attrs = {bytes, start + LINK_HEAD, start + nlh.nlmsg_len};

		if (nlh.nlmsg_type == RTM_NEWLINK && (nlh.nlmsg_flags & NLM_F_REQUEST) &&
		    (nlh.nlmsg_flags & NLM_F_CREATE) && nlh.nlmsg_len >= LINK_HEAD &&
		    find_in(attrs, IFLA_LINKINFO, &linkinfo) && is_vde(&linkinfo.data))
			return take_request(bytes, start, &nlh, out);
	}
	return 0;
}

bool nlvde_is_dellink(const void *packet, size_t len)
{
	struct nlmsghdr nlh;
	size_t at = 0, start;

	while (message_next(packet, len, &at, &start, &nlh))
		if (nlh.nlmsg_type == RTM_DELLINK)
			return true;
	return false;
}

/** is_done - has the attribute been seen to when the interface was made? */
static bool is_done(int type)
{
	return type == IFLA_IFNAME || type == IFLA_MTU || type == IFLA_ADDRESS || type == NEW_IFINDEX ||
	       type == IFLA_LINKINFO;
}

/** put_setlink - the rest of the request, for the interface that is there now; returns its length */
static size_t put_setlink(const unsigned char *packet, const struct nlvde_request *request, uint32_t ifindex,
                          unsigned char *out)
{
	struct view attrs = {packet, request->start + LINK_HEAD, request->start + request->len};
	size_t len = LINK_HEAD;
	struct nlmsghdr nlh;
	struct ifinfomsg link;
	struct attr attr;

	while (attr_next(&attrs, &attr)) {
		size_t bytes = attr.data.end - attr.start;

		if (is_done(attr.type))
			continue;
		memcpy(out + len, packet + attr.start, bytes);
		memset(out + len + bytes, 0, ALIGNED(bytes) - bytes);
		len += ALIGNED(bytes);
	}
	memcpy(&nlh, packet + request->start, sizeof(nlh));
	memcpy(&link, packet + request->start + HEAD, sizeof(link));
	link.ifi_index = (int)ifindex;
	nlh.nlmsg_len = (uint32_t)len;
	nlh.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | (nlh.nlmsg_flags & (request->tell ? 0 : NLM_F_ACK)));
	memcpy(out, &nlh, sizeof(nlh));
	memcpy(out + HEAD, &link, sizeof(link));
	return len;
}

/** put_getlink - ask about the interface; returns its length */
static size_t put_getlink(const unsigned char *packet, const struct nlvde_request *request, uint32_t ifindex,
                          unsigned char *out)
{
	struct ifinfomsg link = {.ifi_index = (int)ifindex};
	struct nlmsghdr nlh;

	memcpy(&nlh, packet + request->start, sizeof(nlh));
	nlh.nlmsg_len = LINK_HEAD;
	nlh.nlmsg_type = RTM_GETLINK;
	nlh.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | (nlh.nlmsg_flags & NLM_F_ACK));
	memcpy(out, &nlh, sizeof(nlh));
	memcpy(out + HEAD, &link, sizeof(link));
	return LINK_HEAD;
}

size_t nlvde_replace(const void *packet, size_t len, const struct nlvde_request *request, uint32_t ifindex, void *out,
                     size_t *next)
{
	const unsigned char *bytes = packet;
	unsigned char *to = out;
	size_t at = request->start, rest = request->start + ALIGNED(request->len);

	memcpy(to, bytes, request->start);
	at += put_setlink(bytes, request, ifindex, to + at);
	if (request->tell)
		at += put_getlink(bytes, request, ifindex, to + at);
	*next = at;
	if (rest < len) {
		memcpy(to + at, bytes + rest, len - rest);
		at += len - rest;
	}
	return at;
}
