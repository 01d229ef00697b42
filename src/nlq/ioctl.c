/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ioctl.c - the ioctls of netdevice(7) by netlink: which is whose, and those about links.
 *
 * Errors are those of Linux. As there, a name like "eth0:1" stands for its interface, and for a label of addresses where
 * these matter (ioctl_inet.c). Stateless.
 */
#include "private.h"

#include <linux/if_link.h>
#include <net/if.h>
#include <sys/ioctl.h>

/* flags that can be set; the others tell a state */
#define SETTABLE                                                                                                       \
	(IFF_UP | IFF_DEBUG | IFF_NOTRAILERS | IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI | IFF_MULTICAST | IFF_PORTSEL |  \
	 IFF_AUTOMEDIA | IFF_DYNAMIC)

bool nlq__ioctl_alias(const char *name, char *label, char *ifname)
{
	size_t len = strnlen(name, NLQ__IFNAMSIZ - 1);

	memcpy(label, name, len);
	memset(label + len, 0, NLQ__IFNAMSIZ - len);
	memcpy(ifname, label, NLQ__IFNAMSIZ);
	ifname[strcspn(ifname, ":")] = '\0';
	return strchr(label, ':') != NULL;
}

static int get_name(const struct nlq__peer *peer, struct ifreq *ifr)
{
	struct nlq__link link;
	int result = nlq__link_get(peer, NULL, (unsigned int)ifr->ifr_ifindex, &link);

	if (result == 0)
		memcpy(ifr->ifr_name, link.name, sizeof(ifr->ifr_name));
	return result;
}

static void get_map(const struct nlq__link *link, struct ifreq *ifr)
{
	ifr->ifr_map = (struct ifmap){
	        .mem_start = link->map.mem_start,
	        .mem_end = link->map.mem_end,
	        .base_addr = (unsigned short)link->map.base_addr,
	        .irq = (unsigned char)link->map.irq,
	        .dma = link->map.dma,
	        .port = link->map.port,
	};
}

static void get_hwaddr(const struct nlq__link *link, struct ifreq *ifr)
{
	size_t len = link->addresslen, size = sizeof(ifr->ifr_hwaddr.sa_data);

	ifr->ifr_hwaddr.sa_family = link->type;
	if (len == 0)
		memset(ifr->ifr_hwaddr.sa_data, 0, size);
	else
		memcpy(ifr->ifr_hwaddr.sa_data, link->address, len < size ? len : size);
}

/** link_get - the ioctls that ask for something of a link */
static int link_get(const struct nlq__peer *peer, unsigned long request, struct ifreq *ifr)
{
	char label[NLQ__IFNAMSIZ], ifname[NLQ__IFNAMSIZ];
	struct nlq__link link;
	int result;

	nlq__ioctl_alias(ifr->ifr_name, label, ifname);
	result = nlq__link_get(peer, ifname, 0, &link);
	if (result < 0)
		return result;
	switch (request) {
	case SIOCGIFINDEX:
		ifr->ifr_ifindex = (int)link.index;
		return 0;
	case SIOCGIFFLAGS:
		ifr->ifr_flags = (short)(link.flags & 0xffff);
		return 0;
	case SIOCGIFMTU:
		ifr->ifr_mtu = (int)link.mtu;
		return 0;
	case SIOCGIFHWADDR:
		get_hwaddr(&link, ifr);
		return 0;
	case SIOCGIFTXQLEN:
		ifr->ifr_qlen = (int)link.txqlen;
		return 0;
	case SIOCGIFMAP:
		get_map(&link, ifr);
		return 0;
	default: /* SIOCGIFMETRIC */
		ifr->ifr_metric = 0;
		return 0;
	}
}

/** set_flags - ask for the flags that shall change, and for no others */
static int set_flags(const struct nlq__peer *peer, const struct nlq__link *link, unsigned int flags)
{
	unsigned int change = (link->flags ^ flags) & SETTABLE;
	struct nlq_msg *msg;

	if (change == 0)
		return 0;
	msg = nlq_createmsg(RTM_NEWLINK, 0, 0, 0);
	nlq_addstruct(msg, ifinfomsg, .ifi_index = (int)link->index, .ifi_flags = flags & change, .ifi_change = change);
	return nlq__request(peer, msg);
}

/** set_attr - change one attribute of a link */
static int set_attr(const struct nlq__peer *peer, const struct nlq__link *link, uint16_t type, const void *data,
                    size_t len)
{
	struct nlq_msg *msg = nlq__link_request(RTM_NEWLINK, 0, link->index);

	nlq_addattr(msg, type, data, len);
	return nlq__request(peer, msg);
}

/** set_hwaddr - change one of a link's hardware addresses, IFLA_ADDRESS or IFLA_BROADCAST */
static int set_hwaddr(const struct nlq__peer *peer, const struct nlq__link *link, uint16_t type,
                      const struct ifreq *ifr)
{
	const struct sockaddr *addr = &ifr->ifr_hwaddr;

	if (addr->sa_family != link->type || link->addresslen > sizeof(addr->sa_data))
		return -EINVAL;
	if (link->addresslen == 0)
		return -EOPNOTSUPP;
	return set_attr(peer, link, type, addr->sa_data, link->addresslen);
}

/** set_number - change an attribute that is a number, which must not be negative */
static int set_number(const struct nlq__peer *peer, const struct nlq__link *link, uint16_t type, int number)
{
	return number < 0 ? -EINVAL : set_attr(peer, link, type, &number, sizeof(number));
}

/** link_set - the ioctls that change something of a link */
static int link_set(const struct nlq__peer *peer, unsigned long request, struct ifreq *ifr)
{
	char label[NLQ__IFNAMSIZ], ifname[NLQ__IFNAMSIZ], newname[NLQ__IFNAMSIZ];
	struct nlq__link link;
	int result;

	nlq__ioctl_alias(ifr->ifr_name, label, ifname);
	result = nlq__link_get(peer, ifname, 0, &link);
	if (result < 0)
		return result;
	switch (request) {
	case SIOCSIFFLAGS:
		return set_flags(peer, &link, (unsigned int)(unsigned short)ifr->ifr_flags);
	case SIOCSIFMTU:
		return set_number(peer, &link, IFLA_MTU, ifr->ifr_mtu);
	case SIOCSIFTXQLEN:
		return set_number(peer, &link, IFLA_TXQLEN, ifr->ifr_qlen);
	case SIOCSIFHWADDR:
		return set_hwaddr(peer, &link, IFLA_ADDRESS, ifr);
	case SIOCSIFHWBROADCAST:
		return set_hwaddr(peer, &link, IFLA_BROADCAST, ifr);
	default:                                            /* SIOCSIFNAME */
		ifr->ifr_newname[NLQ__IFNAMSIZ - 1] = '\0'; /* where Linux cuts it, and shows it */
		nlq__ioctl_alias(ifr->ifr_newname, newname, ifname);
		if (newname[0] == '\0') /* which netlink would take for no change */
			return -EINVAL;
		return set_attr(peer, &link, IFLA_IFNAME, newname, strlen(newname) + 1);
	}
}

static int ioctl_link(const struct nlq__peer *peer, unsigned long request, void *arg)
{
	switch (request) {
	case SIOCGIFNAME:
		return arg == NULL ? -EFAULT : get_name(peer, arg);
	case SIOCGIFINDEX:
	case SIOCGIFFLAGS:
	case SIOCGIFMTU:
	case SIOCGIFHWADDR:
	case SIOCGIFTXQLEN:
	case SIOCGIFMAP:
	case SIOCGIFMETRIC:
		return arg == NULL ? -EFAULT : link_get(peer, request, arg);
	case SIOCSIFFLAGS:
	case SIOCSIFMTU:
	case SIOCSIFTXQLEN:
	case SIOCSIFHWADDR:
	case SIOCSIFHWBROADCAST:
	case SIOCSIFNAME:
		return arg == NULL ? -EFAULT : link_set(peer, request, arg);
	default:
		return -ENOTTY;
	}
}

int nlq__ioctl(const struct nlq__peer *peer, int domain, unsigned long request, void *arg)
{
	int result = -ENOTTY;

	/* Linux lets packet sockets have those of the Internet */
	if (domain == AF_INET || domain == AF_PACKET)
		result = nlq__ioctl_inet(peer, request, arg);
	if (result == -ENOTTY && (domain == AF_INET || domain == AF_PACKET))
		result = nlq__ioctl_route(peer, request, arg);
	if (domain == AF_INET6)
		result = nlq__ioctl_inet6(peer, request, arg);
	if (result == -ENOTTY)
		result = nlq__ioctl_conf(peer, request, arg);
	return result == -ENOTTY ? ioctl_link(peer, request, arg) : result;
}

/** ioctl_fd - by the domain of a socket; what is none of ours is the socket's business */
static int ioctl_fd(const struct nlq__peer *peer, int fd, unsigned long request, void *arg)
{
	int domain = AF_INET, result = -ENOTTY;
	socklen_t len = sizeof(domain);

	/* a stack may not know the option, but every one knows what is no socket */
	if (peer->transport->getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 ||
	    (errno != EBADF && errno != ENOTSOCK))
		result = nlq__ioctl(peer, domain, request, arg);
	return result == -ENOTTY ? peer->transport->ioctl(fd, request, arg) : nlq_return_errno(result);
}

/* ------------------------------------------------------------------------------------------------- public functions */

int nlq_ioctl(int fd, unsigned long request, void *arg)
{
	struct nlq__peer peer = nlq__native();

	return ioctl_fd(&peer, fd, request, arg);
}

int nlqx_ioctl(struct ioth *stack, int fd, unsigned long request, void *arg)
{
	struct nlq__peer peer = nlq__ioth(stack);

	return ioctl_fd(&peer, fd, request, arg);
}

int nlq_ioctl_domain(int domain, unsigned long request, void *arg)
{
	struct nlq__peer peer = nlq__native();

	return nlq_return_errno(nlq__ioctl(&peer, domain, request, arg));
}

int nlqx_ioctl_domain(struct ioth *stack, int domain, unsigned long request, void *arg)
{
	struct nlq__peer peer = nlq__ioth(stack);

	return nlq_return_errno(nlq__ioctl(&peer, domain, request, arg));
}

int nlq_ioctl_nofd(unsigned long request, void *arg)
{
	return nlq_ioctl_domain(AF_INET, request, arg);
}

int nlqx_ioctl_nofd(struct ioth *stack, unsigned long request, void *arg)
{
	return nlqx_ioctl_domain(stack, AF_INET, request, arg);
}

int nlq_server_ioctl_domain(nlq_request_handlers_table table, void *stackinfo, int domain, unsigned long request,
                            void *arg)
{
	struct nlq__peer peer = nlq__server(table, stackinfo);

	return nlq_return_errno(nlq__ioctl(&peer, domain, request, arg));
}

int nlq_server_ioctl(nlq_request_handlers_table table, void *stackinfo, unsigned long request, void *arg)
{
	return nlq_server_ioctl_domain(table, stackinfo, AF_INET, request, arg);
}
