/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The references inside the kernel: the loopback interface, and a veth pair between two namespaces.
 *
 * Both work in namespaces made for them, so that no firewall, traffic shaping or TIME_WAIT of the machine is measured,
 * and so that no privilege is needed. A thread that opens a side of the veth pair moves to the namespace of that side
 * for good; its sockets are then made and used by the system calls themselves, as a reference should be.
 */
#include "bench.h"
#include "network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/veth.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "nlinline.h"

int network_private_namespace(void)
{
	/* CAP_NET_ADMIN over the new namespace is all we need, so the user namespace gets no identity mapping. */
	if (unshare(CLONE_NEWNET) < 0 && (errno != EPERM || unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0))
		return bench_fail("no private network namespace: %s", strerror(errno));
	if (nlinline_linksetupdown(1, 1) < 0) /* lo always has the index 1 */
		return bench_fail("lo up: %s", strerror(errno));
	return 0;
}

/** plain_enter - a thread that has opened a side is there, and so are its children */
static int plain_enter(struct network *network, unsigned int side)
{
	(void)network, (void)side;
	return 0;
}

static int plain_socket(struct network *network, unsigned int side, int domain, int type, int protocol)
{
	int fd = socket(domain, type, protocol);

	(void)network, (void)side;
	return fd < 0 ? bench_fail("socket: %s", strerror(errno)) : fd;
}

/* ------------------------------------------------------------------------------------------------ loopback */

int network_loopback_prepare(struct network *network)
{
	network->address[0].s_addr = network->address[1].s_addr = htonl(INADDR_LOOPBACK);
	return network_private_namespace();
}

static int loopback_open(struct network *network, unsigned int side)
{
	(void)network, (void)side;
	return 0;
}

static void loopback_close(struct network *network, unsigned int side)
{
	(void)network, (void)side;
}

const struct network_kind network_loopback = {
        .calls = &network_plain_calls,
        .prepare = network_loopback_prepare,
        .open = loopback_open,
        .socket = plain_socket,
        .close = loopback_close,
        .enter = plain_enter,
};

/* ---------------------------------------------------------------------------------------------------- veth */

/** struct veth_peer - VETH_INFO_PEER: a link header, then attributes of the peer */
struct veth_peer {
	struct ifinfomsg header;
	struct nlattr name_attr;
	char name[8];
	struct nlattr ns_attr;
	int ns;
};

/** veth_add - make the pair: veth0 here, veth1 in the namespace @ns */
static int veth_add(int ns)
{
	struct veth_peer peer = {
	        .name_attr = {.nla_len = sizeof(struct nlattr) + 8, .nla_type = IFLA_IFNAME},
	        .name = "veth1",
	        .ns_attr = {.nla_len = sizeof(struct nlattr) + sizeof(int), .nla_type = IFLA_NET_NS_FD},
	        .ns = ns,
	};
	struct nl_iplink_data data = {VETH_INFO_PEER, sizeof(peer), &peer};

	_Static_assert(sizeof(struct veth_peer) == sizeof(struct ifinfomsg) + 12 + 8, "attributes must not be padded");
	return nlinline_iplink_add("veth0", 0, "veth", &data, 1);
}

static int veth_prepare(struct network *network)
{
	for (unsigned int side = 0; side < 2; side++) {
		if (network_private_namespace() < 0)
			return -1;
		network->ns[side] = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
		if (network->ns[side] < 0)
			return bench_fail("/proc/thread-self/ns/net: %s", strerror(errno));
	}
	if (setns(network->ns[0], CLONE_NEWNET) < 0)
		return bench_fail("setns: %s", strerror(errno));
	if (veth_add(network->ns[1]) < 0)
		return bench_fail("veth pair: %s", strerror(errno));
	return 0;
}

static int veth_open(struct network *network, unsigned int side)
{
	int ifindex;

	if (setns(network->ns[side], CLONE_NEWNET) < 0)
		return bench_fail("setns: %s", strerror(errno));
	ifindex = nlinline_if_nametoindex(side == 0 ? "veth0" : "veth1");
	if (ifindex < 0 || nlinline_ipaddr_add(AF_INET, &network->address[side], 24, (unsigned int)ifindex) < 0 ||
	    nlinline_linksetupdown((unsigned int)ifindex, 1) < 0)
		return bench_fail("configuring veth%u: %s", side, strerror(errno));
	return 0;
}

/* The pair goes with its namespaces, and those with their last descriptor and thread. */
static void veth_close(struct network *network, unsigned int side)
{
	close(network->ns[side]);
	network->ns[side] = -1;
}

const struct network_kind network_veth = {
        .calls = &network_plain_calls,
        .prepare = veth_prepare,
        .open = veth_open,
        .socket = plain_socket,
        .close = veth_close,
        .enter = plain_enter,
};
