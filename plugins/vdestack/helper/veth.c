/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * veth.c - interfaces: a veth pair, one end in the stack, the *peer* in the hidden namespace.
 *
 * Both are made by one request from the hidden namespace, so no netlink socket is ever opened in the stack's own: the
 * kernel counts such a socket for a while after it is closed (see count.c). One queue each way: a port is served by
 * one thread, and every further queue costs memory.
 *
 * The peer is mute: no address, no ARP, no IPv6. It accepts frames of any size the network can carry, whatever the
 * stack's end is set to.
 *
 * The stack's end leaves checksums and the cutting of TCP segments and of trains of UDP datagrams (UDP_SEGMENT) to the
 * port (TSO, USO): forty frames then cost the kernel little more than one. What a virtio-net header cannot describe, or
 * the port does not do, is turned off. On networks as fast as memory a segment may be larger than an IP packet can say
 * (BIG TCP): what a segment costs, a timer of the congestion control before all, is paid less often.
 */
#include "helper.h"
#include "rtnl.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#define PEER_MTU 9216        /* what VDE can carry; frames have an Ethernet header and a VLAN tag more */
#define LARGE_SEGMENT 262144 /* bytes, with headers */
#define DOOMED_GROUP 77      /* interfaces of this group are about to be removed together */

#ifndef IFLA_GSO_IPV4_MAX_SIZE
#define IFLA_GSO_IPV4_MAX_SIZE 63 /* in the headers of Linux 6.3 and later, where it is an enumerator */
#endif

static_assert(WIRE_IFNAME == IFNAMSIZ, "names fit");

static int rtnl = -1; /* in the hidden namespace */

int veth_begin(void)
{
	rtnl = rtnl_open();
	return rtnl < 0 ? rtnl : 0;
}

/** put_queues - one each way */
static void put_queues(struct rtnl_msg *msg)
{
	rtnl_put_u32(msg, IFLA_NUM_TX_QUEUES, 1);
	rtnl_put_u32(msg, IFLA_NUM_RX_QUEUES, 1);
}

/** kernel_since - is it this version of Linux, or a later one? */
static bool kernel_since(unsigned int want_major, unsigned int want_minor)
{
	unsigned int major, minor;
	struct utsname name;

	return uname(&name) == 0 && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	       (major > want_major || (major == want_major && minor >= want_minor));
}

/** put_large - TCP segments of that size (BIG TCP), in both families since Linux 6.3 */
static void put_large(struct rtnl_msg *msg)
{
	if (!kernel_since(6, 3))
		return;
	rtnl_put_u32(msg, IFLA_GSO_MAX_SIZE, LARGE_SEGMENT);
	rtnl_put_u32(msg, IFLA_GSO_IPV4_MAX_SIZE, LARGE_SEGMENT);
}

/** create - the pair; both ends are down. @peer is the index that its end in the hidden namespace shall have */
static int create(int ns, const struct wire_request *want, uint32_t peer)
{
	struct ifinfomsg hidden = {.ifi_index = (int)peer, .ifi_flags = IFF_NOARP, .ifi_change = IFF_NOARP};
	struct ifinfomsg seen = {.ifi_index = (int)want->newport.ifindex};
	struct rtnl_msg msg;
	size_t info, data, end;
	char name[IFNAMSIZ];

	rtnl_begin(&msg, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &hidden, sizeof(hidden));
	snprintf(name, sizeof(name), "p%u", peer);
	rtnl_put_string(&msg, IFLA_IFNAME, name);
	rtnl_put_u32(&msg, IFLA_MTU, PEER_MTU);
	put_queues(&msg);
	info = rtnl_nest(&msg, IFLA_LINKINFO, NULL, 0);
	rtnl_put_string(&msg, IFLA_INFO_KIND, "veth");
	data = rtnl_nest(&msg, IFLA_INFO_DATA, NULL, 0);
	end = rtnl_nest(&msg, VETH_INFO_PEER, &seen, sizeof(seen));
	rtnl_put_string(&msg, IFLA_IFNAME, want->newport.ifname);
	rtnl_put_u32(&msg, IFLA_NET_NS_FD, (uint32_t)ns);
	if (want->newport.has_mac)
		rtnl_put(&msg, IFLA_ADDRESS, want->newport.mac, sizeof(want->newport.mac));
	if (want->newport.mtu)
		rtnl_put_u32(&msg, IFLA_MTU, want->newport.mtu);
	if (want->newport.large)
		put_large(&msg);
	put_queues(&msg);
	rtnl_unnest(&msg, end);
	rtnl_unnest(&msg, data);
	rtnl_unnest(&msg, info);
	return rtnl_talk(rtnl, &msg, NULL, NULL);
}

/** take_link - an answer about the peer: the index of the end that the stack sees */
static void take_link(const struct nlmsghdr *nlh, void *arg)
{
	const void *link = nlh->nlmsg_type == RTM_NEWLINK
	                           ? rtnl_attr(nlh, sizeof(struct ifinfomsg), IFLA_LINK, sizeof(uint32_t))
	                           : NULL;

	if (link)
		memcpy(arg, link, sizeof(uint32_t));
}

/** other_end - index, in the stack, of the interface whose peer is @peer */
static int other_end(uint32_t peer, uint32_t *ifindex)
{
	struct ifinfomsg which = {.ifi_index = (int)peer};
	struct rtnl_msg msg;
	int err;

	*ifindex = 0;
	rtnl_begin(&msg, RTM_GETLINK, 0, &which, sizeof(which));
	rtnl_put_u32(&msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	err = rtnl_talk(rtnl, &msg, take_link, ifindex);
	return err == 0 && *ifindex == 0 ? -ENODEV : err;
}

#define FEATURES_MAX 256 /* that a kernel may know; today it is about 64 */
#define FEATURE_BLOCKS (FEATURES_MAX / 32)

/** struct features - the request that turns off what the port cannot finish; the same for every interface, made once */
static union {
	struct ethtool_sfeatures request;
	char room[sizeof(struct ethtool_sfeatures) + FEATURE_BLOCKS * sizeof(struct ethtool_set_features_block)];
} features;

/**
 * unwanted - a feature, by the name that ethtool(8) has for it: segmentation of what is neither plain TCP nor UDP, and
 * the checksum of SCTP
 */
static bool unwanted(const char *name)
{
	static const char *const wanted[] = {"tx-tcp-segmentation", "tx-tcp6-segmentation", "tx-tcp-ecn-segmentation"};

	if (strcmp(name, "tx-udp-segmentation") == 0)
		return !kernel_since(6, 2); /* no virtio-net header describes them before */
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (strcmp(name, wanted[i]) == 0)
			return false;
	return strstr(name, "-segmentation") || strncmp(name, "tx-gso", 6) == 0 ||
	       strcmp(name, "tx-checksum-sctp") == 0;
}

/** features_list - learn the numbers that this kernel has for features, from an interface; 0 or a negative errno */
static int features_list(int fd, struct ifreq ifr)
{
	union {
		struct ethtool_sset_info request;
		char room[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
	} info = {.request = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES}};
	union {
		struct ethtool_gstrings request;
		char room[sizeof(struct ethtool_gstrings) + FEATURES_MAX * ETH_GSTRING_LEN];
	} strings = {.request = {.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES}};
	uint32_t count;

	ifr.ifr_data = (char *)&info;
	if (ioctl(fd, SIOCETHTOOL, &ifr) < 0)
		return -errno;
	count = info.request.data[0];
	if (count > FEATURES_MAX)
		return -E2BIG;
	strings.request.len = count;
	ifr.ifr_data = (char *)&strings;
	if (ioctl(fd, SIOCETHTOOL, &ifr) < 0)
		return -errno;
	for (uint32_t i = 0; i < count; i++) {
		char *name = (char *)strings.request.data + (size_t)i * ETH_GSTRING_LEN;

		name[ETH_GSTRING_LEN - 1] = '\0';
		if (unwanted(name))
			features.request.features[i / 32].valid |= 1u << i % 32;
	}
	features.request.cmd = ETHTOOL_SFEATURES;
	features.request.size = (count + 31) / 32;
	return 0;
}

/** set_offload - have interface @ifindex in @ns leave to the port what the port can do; its name in @ifname */
static int set_offload(int ns, uint32_t ifindex, char *ifname)
{
	struct ifreq ifr = {.ifr_ifindex = (int)ifindex};
	int fd, err = netns_enter(ns);

	if (err)
		return err;
	/* any socket will do; this kind is gone when it is closed */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCGIFNAME, &ifr) < 0)
		err = -errno;
	if (!err && features.request.size == 0)
		err = features_list(fd, ifr);
	ifr.ifr_data = (char *)&features;
	/* a positive answer says that some bits were off already or depend on others */
	if (!err && ioctl(fd, SIOCETHTOOL, &ifr) < 0)
		err = -errno;
	memcpy(ifname, ifr.ifr_name, IFNAMSIZ);
	if (fd >= 0)
		close(fd);
	netns_leave();
	return err;
}

/** no_address - keep IPv6 from giving the peer an address, where it could not be turned off */
static void no_address(uint32_t peer)
{
	struct ifinfomsg which = {.ifi_index = (int)peer};
	uint8_t mode = 1; /* IN6_ADDR_GEN_MODE_NONE */
	struct rtnl_msg msg;
	size_t spec, inet6;

	rtnl_begin(&msg, RTM_NEWLINK, 0, &which, sizeof(which));
	spec = rtnl_nest(&msg, IFLA_AF_SPEC, NULL, 0);
	inet6 = rtnl_nest(&msg, AF_INET6, NULL, 0);
	rtnl_put(&msg, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	rtnl_unnest(&msg, inet6);
	rtnl_unnest(&msg, spec);
	rtnl_talk(rtnl, &msg, NULL, NULL);
}

/** peer_up - the other end works from now on */
static int peer_up(uint32_t peer)
{
	struct ifinfomsg which = {.ifi_index = (int)peer, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct rtnl_msg msg;

	rtnl_begin(&msg, RTM_NEWLINK, 0, &which, sizeof(which));
	return rtnl_talk(rtnl, &msg, NULL, NULL);
}

int veth_new(int ns, const struct wire_request *want, struct wire_reply *made)
{
	static uint32_t last = 1; /* lo */
	uint32_t peer;
	int err;

	last = last < INT32_MAX ? last + 1 : 2;
	peer = last;
	err = create(ns, want, peer);
	if (err)
		return err;
	err = other_end(peer, &made->newport.ifindex);
	if (!err)
		err = set_offload(ns, made->newport.ifindex, made->newport.ifname);
	if (!err && !netns_quiet())
		no_address(peer);
	if (!err)
		err = peer_up(peer);
	if (err)
		reap_interface(peer);
	made->newport.peer = peer;
	return err;
}

bool veth_exists(uint32_t peer)
{
	struct ifreq ifr = {.ifr_ifindex = (int)peer};

	return ioctl(rtnl, SIOCGIFNAME, &ifr) == 0;
}

/** doom - put an interface in the group of those to be removed; 0 when it is still there */
static int doom(int fd, uint32_t peer)
{
	struct ifinfomsg which = {.ifi_index = (int)peer};
	struct rtnl_msg msg;

	rtnl_begin(&msg, RTM_NEWLINK, 0, &which, sizeof(which));
	rtnl_put_u32(&msg, IFLA_GROUP, DOOMED_GROUP);
	return rtnl_talk(fd, &msg, NULL, NULL);
}

void veth_delete_all(int fd, const uint32_t *peer, unsigned int count)
{
	struct ifinfomsg any = {0};
	unsigned int doomed = 0;
	struct rtnl_msg msg;

	for (unsigned int i = 0; i < count; i++)
		if (doom(fd, peer[i]) == 0)
			doomed++;
	if (doomed == 0)
		return;
	rtnl_begin(&msg, RTM_DELLINK, 0, &any, sizeof(any));
	rtnl_put_u32(&msg, IFLA_GROUP, DOOMED_GROUP);
	rtnl_talk(fd, &msg, NULL, NULL);
}

void veth_stop(int ns)
{
	char line[512], *name, *end;
	struct ifreq ifr;
	FILE *list;
	int fd;

	if (netns_enter(ns) != 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	list = fopen("/proc/thread-self/net/dev", "re");
	while (fd >= 0 && list && fgets(line, sizeof(line), list)) {
		name = line + strspn(line, " ");
		end = strchr(name, ':');
		if (end == NULL || end - name >= IFNAMSIZ)
			continue; /* the two lines of the heading */
		*end = '\0';
		memset(&ifr, 0, sizeof(ifr));
		strcpy(ifr.ifr_name, name);
		if (ioctl(fd, SIOCGIFFLAGS, &ifr) == 0 && (ifr.ifr_flags & IFF_UP)) {
			ifr.ifr_flags = (short)(ifr.ifr_flags & ~IFF_UP);
			ioctl(fd, SIOCSIFFLAGS, &ifr);
		}
	}
	if (list)
		fclose(list);
	if (fd >= 0)
		close(fd);
	netns_leave();
}
