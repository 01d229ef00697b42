/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* netdevice.c - interfaces by ioctl, and the lists of them: netdevice(7), getifaddrs(3), if_nameindex(3). */
#include "conf.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <sys/ioctl.h>

/** ask - an ioctl about an interface; the request is given back */
static struct ifreq ask(int fd, const char *name, unsigned long request)
{
	struct ifreq r;

	memset(&r, 0, sizeof(r));
	strncpy(r.ifr_name, name, IFNAMSIZ - 1);
	CHECK_OK(ioth_ioctl(fd, request, &r));
	return r;
}

/** ask_address - an ioctl that gives an IPv4 address, as text */
static const char *ask_address(int fd, const char *name, unsigned long request)
{
	static char text[INET_ADDRSTRLEN];
	struct ifreq r = ask(fd, name, request);
	struct sockaddr_in in;

	memcpy(&in, &r.ifr_addr, sizeof(in));
	CHECK_INT(in.sin_family, AF_INET);
	return inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text));
}

CASE(netdevice, flags, INET, "SIOCGIFFLAGS: vde0 is up and broadcasts, lo is a loopback")
{
	int fd = sock(c, c->a, SOCK_DGRAM);
	int want = IFF_UP | IFF_BROADCAST | IFF_RUNNING | IFF_MULTICAST;

	CHECK_INT((unsigned short)ask(fd, CONF_IFNAME, SIOCGIFFLAGS).ifr_flags, want);
	CHECK_INT((unsigned short)ask(fd, "lo", SIOCGIFFLAGS).ifr_flags, IFF_UP | IFF_LOOPBACK | IFF_RUNNING);
}

CASE(netdevice, set_flags, ONCE, "SIOCSIFFLAGS switches an interface off and on")
{
	int fd = sock(c, c->a, SOCK_DGRAM);
	struct ifreq r = ask(fd, CONF_IFNAME, SIOCGIFFLAGS);

	r.ifr_flags = (short)(r.ifr_flags & ~IFF_UP);
	CHECK_OK(ioth_ioctl(fd, SIOCSIFFLAGS, &r));
	CHECK_INT(ask(fd, CONF_IFNAME, SIOCGIFFLAGS).ifr_flags & IFF_UP, 0);
	r.ifr_flags |= IFF_UP;
	CHECK_OK(ioth_ioctl(fd, SIOCSIFFLAGS, &r));
	CHECK_INT(ask(fd, CONF_IFNAME, SIOCGIFFLAGS).ifr_flags & IFF_UP, IFF_UP);
}

CASE(netdevice, index, INET, "SIOCGIFINDEX and SIOCGIFNAME agree with if_nametoindex and if_indextoname")
{
	int fd = sock(c, c->a, SOCK_STREAM);
	unsigned int index = ifindex(c, c->a);
	struct ifreq r = ask(fd, CONF_IFNAME, SIOCGIFINDEX);
	char name[IF_NAMESIZE];

	CHECK_INT(r.ifr_ifindex, index);
	memset(r.ifr_name, 0, sizeof(r.ifr_name));
	CHECK_OK(ioth_ioctl(fd, SIOCGIFNAME, &r));
	CHECK_STR(r.ifr_name, CONF_IFNAME);
	r.ifr_ifindex = 9999;
	CHECK_ERR(ioth_ioctl(fd, SIOCGIFNAME, &r), ENODEV);
	on(c, c->a);
	CHECK(ioth_if_indextoname(c->a, index, name) == name);
	CHECK_STR(name, CONF_IFNAME);
	errno = 0;
	CHECK(ioth_if_indextoname(c->a, 9999, name) == NULL);
	CHECK_INT(errno, ENXIO);
}

CASE(netdevice, address, ONCE, "SIOCGIFADDR, NETMASK and BRDADDR tell the IPv4 address and what follows from it")
{
	int fd = sock(c, c->a, SOCK_DGRAM);

	CHECK_STR(ask_address(fd, CONF_IFNAME, SIOCGIFADDR), "10.77.0.1");
	CHECK_STR(ask_address(fd, CONF_IFNAME, SIOCGIFNETMASK), "255.255.255.0");
	CHECK_STR(ask_address(fd, "lo", SIOCGIFADDR), "127.0.0.1");
	CHECK_STR(ask_address(fd, "lo", SIOCGIFNETMASK), "255.0.0.0");
}

CASE(netdevice, set_address, ONCE, "SIOCSIFADDR changes the address, which is used at once")
{
	int fd = sock(c, c->b, SOCK_DGRAM);
	struct ifreq r = ask(fd, CONF_IFNAME, SIOCGIFADDR);
	struct addr addr = addr_text(c, "10.77.0.22", 0);
	int to = sock(c, c->b, SOCK_DGRAM);
	int from = sock(c, c->a, SOCK_DGRAM);

	memcpy(&r.ifr_addr, &addr.in, sizeof(addr.in));
	CHECK_OK(ioth_ioctl(fd, SIOCSIFADDR, &r));
	CHECK_STR(ask_address(fd, CONF_IFNAME, SIOCGIFADDR), "10.77.0.22");
	addr = addr_text(c, "255.255.255.0", 0);
	memcpy(&r.ifr_netmask, &addr.in, sizeof(addr.in));
	CHECK_OK(ioth_ioctl(fd, SIOCSIFNETMASK, &r));
	addr = addr_text(c, "10.77.0.22", 0);
	CHECK_OK(ioth_bind(to, &addr.sa, addr.len));
	addr = sockname(to);
	CHECK_LEN(ioth_sendto(from, "x", 1, 0, &addr.sa, addr.len), 1);
	recv_text(to, "x");
}

CASE(netdevice, hardware, ONCE,
     "SIOCGIFHWADDR tells the address that netlink tells, SIOCGIFMTU the MTU, SIOCGIFTXQLEN a length")
{
	int fd = sock(c, c->a, SOCK_DGRAM);
	unsigned int index = ifindex(c, c->a);
	unsigned char mac[6];
	struct ifreq r = ask(fd, CONF_IFNAME, SIOCGIFHWADDR);

	CHECK_OK(ioth_linkgetaddr(on(c, c->a), index, mac));
	CHECK_INT(r.ifr_hwaddr.sa_family, ARPHRD_ETHER);
	CHECK_MEM(r.ifr_hwaddr.sa_data, mac, 6);
	CHECK_INT(ask(fd, "lo", SIOCGIFHWADDR).ifr_hwaddr.sa_family, ARPHRD_LOOPBACK);
	CHECK_INT(ask(fd, CONF_IFNAME, SIOCGIFMTU).ifr_mtu, CONF_MTU);
	CHECK(ask(fd, CONF_IFNAME, SIOCGIFTXQLEN).ifr_qlen >= 0);
}

CASE(netdevice, set_mtu, ONCE, "SIOCSIFMTU sets the MTU; EINVAL for what cannot be")
{
	int fd = sock(c, c->a, SOCK_DGRAM);
	struct ifreq r = {.ifr_name = CONF_IFNAME};

	r.ifr_mtu = 1400;
	CHECK_OK(ioth_ioctl(fd, SIOCSIFMTU, &r));
	CHECK_INT(ask(fd, CONF_IFNAME, SIOCGIFMTU).ifr_mtu, 1400);
	r.ifr_mtu = 10;
	CHECK_ERR(ioth_ioctl(fd, SIOCSIFMTU, &r), EINVAL);
}

CASE(netdevice, absent, INET,
     "every request about an interface that is not there is ENODEV; without an address EADDRNOTAVAIL")
{
	static const unsigned long requests[] = {SIOCGIFFLAGS,  SIOCGIFADDR,  SIOCGIFMTU,
	                                         SIOCGIFHWADDR, SIOCGIFINDEX, SIOCGIFNETMASK};
	int fd = sockp(c, c->a, AF_INET, SOCK_DGRAM, 0);
	unsigned int index = ifindex(c, c->a);
	struct ifreq r = {.ifr_name = "nonesuch"};
	struct addr own = addr_of(c, c->a, 0);

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		CHECK_ERR(ioth_ioctl(fd, requests[i], &r), ENODEV);
	if (c->family == AF_INET6)
		return;
	CHECK_OK(ioth_ipaddr_del(on(c, c->a), AF_INET, addr_raw(&own), 24, index));
	strcpy(r.ifr_name, CONF_IFNAME);
	CHECK_ERR(ioth_ioctl(fd, SIOCGIFADDR, &r), EADDRNOTAVAIL);
}

CASE(netdevice, list, ONCE,
     "SIOCGIFCONF lists the interfaces with IPv4 addresses; without a buffer it tells the length")
{
	int fd = sock(c, c->a, SOCK_DGRAM);
	struct ifreq r[8];
	struct ifconf conf = {.ifc_len = 0};

	CHECK_OK(ioth_ioctl(fd, SIOCGIFCONF, &conf));
	CHECK_INT(conf.ifc_len, 2 * (int)sizeof(struct ifreq));
	conf.ifc_len = sizeof(r);
	conf.ifc_req = r;
	CHECK_OK(ioth_ioctl(fd, SIOCGIFCONF, &conf));
	CHECK_INT(conf.ifc_len, 2 * (int)sizeof(struct ifreq));
	CHECK_STR(r[0].ifr_name, "lo");
	CHECK_STR(r[1].ifr_name, CONF_IFNAME);
	CHECK_INT(r[1].ifr_addr.sa_family, AF_INET);
	conf.ifc_len = sizeof(struct ifreq) + 5;
	CHECK_OK(ioth_ioctl(fd, SIOCGIFCONF, &conf));
	CHECK_INT(conf.ifc_len, (int)sizeof(struct ifreq));
}

CASE(netdevice, stream_queues, INET, "FIONREAD counts the bytes of a stream that wait, SIOCOUTQ those not acknowledged")
{
	struct pair p = tcp_pair(c);
	int n = -1;

	CHECK_OK(ioth_ioctl(p.b, FIONREAD, &n));
	CHECK_INT(n, 0);
	send_text(p.a, "12345");
	CHECK_POLL(p.b, POLLIN | POLLOUT);
	CHECK_OK(ioth_ioctl(p.b, FIONREAD, &n));
	CHECK_INT(n, 5);
	recv_text(p.b, "123");
	CHECK_OK(ioth_ioctl(p.b, SIOCINQ, &n));
	CHECK_INT(n, 2);
	set_link(c, c->b, 0);
	send_text(p.a, "unacknowledged");
	CHECK_OK(ioth_ioctl(p.a, SIOCOUTQ, &n));
	CHECK(n >= 14);
	CHECK_OK(ioth_shutdown(p.b, SHUT_RD));
	set_link(c, c->b, 1);
}

CASE(netdevice, listening_queue, INET, "FIONREAD of a listening socket is EINVAL")
{
	int fd = listener(c, c->a, NULL);
	int n;

	CHECK_ERR(ioth_ioctl(fd, FIONREAD, &n), EINVAL);
	CHECK_ERR(ioth_ioctl(fd, SIOCOUTQ, &n), EINVAL);
}

CASE(netdevice, timestamp, INET, "SIOCGSTAMP tells when the last datagram came, ENOENT before one has")
{
	struct pair p = udp_pair(c);
	struct timeval time = {0, 0};

	CHECK_ERR(ioth_ioctl(p.b, SIOCGSTAMP_OLD, &time), ENOENT);
	send_text(p.a, "x");
	recv_text(p.b, "x");
	CHECK_OK(ioth_ioctl(p.b, SIOCGSTAMP_OLD, &time));
	CHECK(time.tv_sec != 0);
}

/* ------------------------------------------------------------------------------------------------ lists */

/** find - the entry of a list with that interface and family, and that address if @addr is not NULL */
static struct ifaddrs *find(struct ifaddrs *list, const char *name, int family, struct addr *addr)
{
	for (; list != NULL; list = list->ifa_next) {
		struct addr entry;

		if (strcmp(list->ifa_name, name) != 0 || list->ifa_addr == NULL || list->ifa_addr->sa_family != family)
			continue;
		if (addr == NULL)
			return list;
		memcpy(&entry.ss, list->ifa_addr, family == AF_INET ? sizeof(entry.in) : sizeof(entry.in6));
		if (memcmp(addr_raw(&entry), addr_raw(addr), family == AF_INET ? 4 : 16) == 0)
			return list;
	}
	return NULL;
}

CASE(ifaddrs, addresses, INET, "getifaddrs lists the addresses of lo and vde0 with netmask and flags")
{
	struct addr own = addr_of(c, c->a, 0), loopback = addr_loopback(c, 0);
	struct ifaddrs *list, *entry;
	struct addr mask;

	CHECK_OK(ioth_getifaddrs(on(c, c->a), &list));
	CHECK((entry = find(list, CONF_IFNAME, c->family, &own)) != NULL);
	CHECK_INT(entry->ifa_flags & (IFF_UP | IFF_LOOPBACK | IFF_BROADCAST), IFF_UP | IFF_BROADCAST);
	memcpy(&mask.ss, entry->ifa_netmask, c->family == AF_INET ? sizeof(mask.in) : sizeof(mask.in6));
	CHECK_INT(mask.sa.sa_family, c->family);
	if (c->family == AF_INET)
		CHECK_MEM(addr_raw(&mask), "\377\377\377\0", 4);
	else
		CHECK_MEM(addr_raw(&mask), "\377\377\377\377\377\377\377\377\0\0\0\0\0\0\0\0", 16);
	CHECK((entry = find(list, "lo", c->family, &loopback)) != NULL);
	CHECK_INT(entry->ifa_flags & (IFF_UP | IFF_LOOPBACK), IFF_UP | IFF_LOOPBACK);
	ioth_freeifaddrs(list);
	ioth_freeifaddrs(NULL);
}

CASE(ifaddrs, packet, ONCE, "each interface has an AF_PACKET entry with index, hardware address and statistics")
{
	unsigned int index = ifindex(c, c->a);
	struct rtnl_link_stats stats;
	struct ifaddrs *list, *entry;
	struct sockaddr_ll ll;
	unsigned char mac[6];

	CHECK_OK(ioth_linkgetaddr(on(c, c->a), index, mac));
	CHECK_OK(ioth_getifaddrs(c->a, &list));
	CHECK((entry = find(list, CONF_IFNAME, AF_PACKET, NULL)) != NULL);
	memcpy(&ll, entry->ifa_addr, sizeof(ll));
	CHECK_INT(ll.sll_ifindex, index);
	CHECK_INT(ll.sll_hatype, ARPHRD_ETHER);
	CHECK_INT(ll.sll_halen, 6);
	CHECK_MEM(ll.sll_addr, mac, 6);
	CHECK(entry->ifa_data != NULL);
	memcpy(&stats, entry->ifa_data, sizeof(stats));
	CHECK(stats.tx_packets > 0 && stats.rx_packets > 0);
	CHECK(find(list, "lo", AF_PACKET, NULL) != NULL);
	ioth_freeifaddrs(list);
}

CASE(ifaddrs, follows, INET, "the list follows what is added and deleted, and an interface that is down is in it")
{
	struct addr addr = addr_text(c, c->family == AF_INET ? "10.88.0.1" : "fd88::1", 0);
	unsigned int index = ifindex(c, c->a);
	int bits = c->family == AF_INET ? 24 : 64;
	struct ifaddrs *list, *entry;

	CHECK_OK(ioth_ipaddr_add(on(c, c->a), c->family, addr_raw(&addr), bits, index));
	CHECK_OK(ioth_getifaddrs(c->a, &list));
	CHECK(find(list, CONF_IFNAME, c->family, &addr) != NULL);
	ioth_freeifaddrs(list);
	CHECK_OK(ioth_ipaddr_del(c->a, c->family, addr_raw(&addr), bits, index));
	set_link(c, c->a, 0);
	CHECK_OK(ioth_getifaddrs(c->a, &list));
	CHECK(find(list, CONF_IFNAME, c->family, &addr) == NULL);
	CHECK((entry = find(list, CONF_IFNAME, AF_PACKET, NULL)) != NULL);
	CHECK_INT(entry->ifa_flags & IFF_UP, 0);
	ioth_freeifaddrs(list);
}

CASE(ifaddrs, each_host, INET, "each host lists its own addresses and not the other's")
{
	struct addr a = addr_of(c, c->a, 0), b = addr_of(c, c->b, 0);
	struct ifaddrs *list;

	CHECK_OK(ioth_getifaddrs(on(c, c->a), &list));
	CHECK(find(list, CONF_IFNAME, c->family, &a) != NULL && find(list, CONF_IFNAME, c->family, &b) == NULL);
	ioth_freeifaddrs(list);
	CHECK_OK(ioth_getifaddrs(on(c, c->b), &list));
	CHECK(find(list, CONF_IFNAME, c->family, &b) != NULL && find(list, CONF_IFNAME, c->family, &a) == NULL);
	ioth_freeifaddrs(list);
}

CASE(ifaddrs, name_index, ONCE, "if_nameindex lists every interface once and ends with zeros")
{
	unsigned int index = ifindex(c, c->a);
	struct if_nameindex *list = ioth_if_nameindex(on(c, c->a));

	CHECK(list != NULL);
	CHECK_INT(list[0].if_index, 1);
	CHECK_STR(list[0].if_name, "lo");
	CHECK_INT(list[1].if_index, index);
	CHECK_STR(list[1].if_name, CONF_IFNAME);
	CHECK(list[2].if_index == 0 && list[2].if_name == NULL);
	ioth_if_freenameindex(list);
	ioth_if_freenameindex(NULL);
}
