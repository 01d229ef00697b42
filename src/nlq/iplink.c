/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iplink.c - making and deleting links of any peer; stateless.
 */
#include "private.h"

#include <linux/if_link.h>
#include <sys/random.h>

#define CHOOSE_IFINDEX ~0U /* nlq_iplink_add: let the stack choose, and say */

/** struct newlink - the arguments of nlq_iplink_add, checked */
struct newlink {
	const char *ifname; /* or NULL */
	const char *type;
	const struct nlq_iplink_data *ifd;
	int nifd;
};

static struct nlq_msg *linkinfo(const struct newlink *link)
{
	struct nlq_msg *info = nlq_createxattr();

	nlq__addstr(info, IFLA_INFO_KIND, link->type);
	if (link->nifd > 0) {
		struct nlq_msg *data = nlq_createxattr();

		for (int i = 0; i < link->nifd; i++)
			nlq_addattr(data, (uint16_t)link->ifd[i].tag, link->ifd[i].data, (size_t)link->ifd[i].len);
		nlq_addxattr(info, IFLA_INFO_DATA, data);
	}
	return info;
}

static int take_index(struct nlmsghdr *msg, struct nlattr **attr, const void *argin, void *argout, void *argenv)
{
	const struct ifinfomsg *header = nlq__msgdata(msg, sizeof(*header));

	(void)attr, (void)argin, (void)argenv;
	if (msg->nlmsg_type == RTM_NEWLINK && header != NULL)
		*(int *)argout = header->ifi_index;
	return 0;
}

/**
 * newlink_try - one attempt to make a link
 * @ifindex: the index it shall have; 0: the stack chooses
 * @flags: NLM_F_ECHO or 0
 * @ask: ask for the index by an empty IFLA_NEW_IFINDEX
 *
 * Returns the index when the stack has told it, 0 when it has not, or a negative errno.
 */
static int newlink_try(const struct nlq__peer *peer, const struct newlink *link, unsigned int ifindex, uint16_t flags,
                       bool ask)
{
	struct nlq_msg *msg = nlq__link_request(RTM_NEWLINK, (uint16_t)(NLM_F_CREATE | NLM_F_EXCL | flags), ifindex);
	int index = 0, result;

	if (link->ifname != NULL)
		nlq__addstr(msg, IFLA_IFNAME, link->ifname);
	if (ask)
		nlq_addattr(msg, NLQ__IFLA_NEW_IFINDEX, NULL, 0);
	nlq_addxattr(msg, IFLA_LINKINFO, linkinfo(link));
	result = nlq__dialog(peer, msg, take_index, NULL, &index, NULL);
	return result < 0 ? result : index > 0 ? index : 0;
}

/** makename - a name for a link that was to be made without one: the start of its kind and eight random digits */
static void makename(char name[NLQ__IFNAMSIZ], const char *type)
{
	uint32_t digits = 0;

	/* a name in use is refused, so bad randomness is no danger */
	if (getrandom(&digits, sizeof(digits), GRND_NONBLOCK) != (ssize_t)sizeof(digits))
		digits = (uint32_t)(uintptr_t)name;
	snprintf(name, NLQ__IFNAMSIZ, "%.7s%08x", type, digits);
}

/**
 * newlink_choose - make a link, let the stack choose its index, and learn it
 *
 * A stack that knows the empty IFLA_NEW_IFINDEX answers it. Linux refuses it, and echoes the new link when told to;
 * before 6.2 it did not, so there the name tells, and a link without a name gets one.
 */
static int newlink_choose(const struct nlq__peer *peer, struct newlink *link)
{
	bool linux_stack = peer->transport != NULL && peer->transport->linux_stack;
	char name[NLQ__IFNAMSIZ];
	int result = -ERANGE;

	if (!linux_stack)
		result = newlink_try(peer, link, 0, 0, true);
	if (result == -EINVAL || result == -ERANGE) {
		if (link->ifname == NULL) {
			makename(name, link->type);
			link->ifname = name;
		}
		result = newlink_try(peer, link, 0, NLM_F_ECHO, false);
	}
	if (result == 0)
		result = link->ifname == NULL ? -EBADMSG : nlq__if_nametoindex(peer, link->ifname);
	return result;
}

static int iplink_add(const struct nlq__peer *peer, const char *ifname, unsigned int ifindex, const char *type,
                      const struct nlq_iplink_data *ifd, int nifd)
{
	struct newlink link = {ifname, type, ifd, nifd};
	int result;

	if (type == NULL || nifd < 0 || (nifd > 0 && ifd == NULL))
		return -EINVAL;
	for (int i = 0; i < nifd; i++) {
		if (ifd[i].tag < 0 || ifd[i].tag > UINT16_MAX || ifd[i].len < 0)
			return -EINVAL;
	}
	if (ifindex == CHOOSE_IFINDEX)
		return newlink_choose(peer, &link);
	result = newlink_try(peer, &link, ifindex, 0, false);
	return result < 0 ? result : 0;
}

static int iplink_del(const struct nlq__peer *peer, const char *ifname, unsigned int ifindex)
{
	struct nlq_msg *msg;

	if (ifname == NULL && ifindex == 0)
		return -EINVAL;
	if (ifindex == 0 && (ifname[0] == '\0' || strnlen(ifname, NLQ__IFNAMSIZ) == NLQ__IFNAMSIZ))
		return -ENODEV;
	msg = nlq__link_request(RTM_DELLINK, 0, ifindex);
	if (ifindex == 0)
		nlq__addstr(msg, IFLA_IFNAME, ifname);
	return nlq__request(peer, msg);
}

int nlq_iplink_add(const char *ifname, unsigned int ifindex, const char *type, const struct nlq_iplink_data *ifd,
                   int nifd)
{
	struct nlq__peer peer = nlq__native();

	return nlq_return_errno(iplink_add(&peer, ifname, ifindex, type, ifd, nifd));
}

int nlqx_iplink_add(struct ioth *stack, const char *ifname, unsigned int ifindex, const char *type,
                    const struct nlq_iplink_data *ifd, int nifd)
{
	struct nlq__peer peer = nlq__ioth(stack);

	return nlq_return_errno(iplink_add(&peer, ifname, ifindex, type, ifd, nifd));
}

int nlq_iplink_del(const char *ifname, unsigned int ifindex)
{
	struct nlq__peer peer = nlq__native();

	return nlq_return_errno(iplink_del(&peer, ifname, ifindex));
}

int nlqx_iplink_del(struct ioth *stack, const char *ifname, unsigned int ifindex)
{
	struct nlq__peer peer = nlq__ioth(stack);

	return nlq_return_errno(iplink_del(&peer, ifname, ifindex));
}
