/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_inet_arp.c - ARP and frames: who is answered, who becomes known, what is ignored.
 *
 * The table of packets is also sent to the kernel of this machine, over a veth pair: what it answers and whom it knows
 * afterwards has to be what we answer and know.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "neigh_net.h"
#include "netns.h"

#define US "10.0.0.1"

enum to { BROADCAST, OURS, OTHERS };
enum answered { NO, YES, NOT_BY_US /* but by the kernel */ };

/* Packets in the order in which they come; all are from one station, whose hardware address ends with @mac. */
static const struct heard {
	const char *what;
	enum to to;
	unsigned int operation;
	unsigned char mac;
	const char *sender;
	const char *target;
	enum answered answered;
	uint16_t state;      /* of the sender afterwards; 0: unknown */
	unsigned char known; /* last byte of its hardware address then */
} hearings[] = {
        {"a question to us makes its sender known", BROADCAST, 1, 0x77, "10.0.0.20", US, YES, NUD_STALE, 0x77},
        {"again: nothing new", OURS, 1, 0x77, "10.0.0.20", US, YES, NUD_STALE, 0x77},
        {"with another hardware address", BROADCAST, 1, 0x78, "10.0.0.20", US, YES, NUD_STALE, 0x78},
        {"a probe is answered, nobody is known by it", BROADCAST, 1, 0x77, "0.0.0.0", US, YES, 0, 0},
        {"a question to somebody else", BROADCAST, 1, 0x77, "10.0.0.21", "10.0.0.99", NO, 0, 0},
        {"an announcement of somebody unknown", BROADCAST, 1, 0x77, "10.0.0.22", "10.0.0.22", NO, 0, 0},
        {"an answer that nobody asked for", OURS, 2, 0x77, "10.0.0.23", US, NO, 0, 0},
        {"somebody who claims to be us", BROADCAST, 1, 0x77, US, "10.0.0.99", NO, 0, 0},
        {"somebody who asks us as us", BROADCAST, 1, 0x77, US, US, NO, 0, 0},
        {"from a group", BROADCAST, 1, 0x77, "224.0.0.1", US, NO, 0, 0},
        {"from the broadcast address", BROADCAST, 1, 0x77, "10.0.0.255", US, NOT_BY_US, 0, 0},
        {"from the loopback network", BROADCAST, 1, 0x77, "127.0.0.1", US, NO, 0, 0},
        {"for the loopback address", BROADCAST, 1, 0x77, "10.0.0.24", "127.0.0.1", NO, 0, 0},
        {"for another station", OTHERS, 1, 0x77, "10.0.0.25", US, NO, 0, 0},
        {"an operation that is none", BROADCAST, 3, 0x77, "10.0.0.26", US, NO, 0, 0},
        {"from another network", BROADCAST, 1, 0x77, "10.9.0.1", US, YES, NUD_STALE, 0x77},
        {"an announcement of somebody known", BROADCAST, 1, 0x79, "10.0.0.20", "10.0.0.20", NO, NUD_STALE, 0x79},
        {"a question to others by somebody known, at once", BROADCAST, 1, 0x7a, "10.0.0.20", "10.0.0.99", NO, NUD_STALE,
         0x79},
};

#define HEARINGS (sizeof(hearings) / sizeof(hearings[0]))

static void fill(struct net_arp *arp, const struct heard *h, const unsigned char us[6])
{
	static const unsigned char somebody[6] = {0x02, 0, 0, 0, 0, 0x55};

	memset(arp, 0, sizeof(*arp));
	memset(arp->to, 0xff, 6);
	if (h->to != BROADCAST)
		memcpy(arp->to, h->to == OURS ? us : somebody, 6);
	arp->from[0] = arp->sender_mac[0] = 0x02;
	arp->from[5] = arp->sender_mac[5] = h->mac;
	arp->operation = h->operation;
	if (h->operation == 2)
		memcpy(arp->target_mac, us, 6);
	arp->sender = net_ip(h->sender).v4;
	arp->target = net_ip(h->target).v4;
}

static void test_hearings(void **state)
{
	struct net *net = net_open();

	(void)state;
	for (size_t i = 0; i < HEARINGS; i++) {
		const struct heard *h = &hearings[i];
		const struct inet_neigh *neigh;
		struct net_arp arp, answer;

		fill(&arp, h, net_mac_a);
		net_arp_input(net->a, &arp);
		if (net_count(net) != (h->answered == YES ? 1U : 0U) || net_state(net->a, h->sender) != h->state)
			fail_msg("%s: %u answers, state %x", h->what, net_count(net), net_state(net->a, h->sender));
		if (h->answered == YES) {
			net_arp_take(net, &answer);
			assert_int_equal(answer.operation, 2);
			assert_memory_equal(answer.to, arp.from, 6);
			assert_memory_equal(answer.from, net_mac_a, 6);
			assert_memory_equal(answer.sender_mac, net_mac_a, 6);
			assert_memory_equal(answer.target_mac, arp.sender_mac, 6);
			assert_int_equal(answer.sender.s_addr, arp.target.s_addr);
			assert_int_equal(answer.target.s_addr, arp.sender.s_addr);
		}
		neigh = net_neigh(net->a, h->sender);
		if (neigh)
			assert_int_equal(neigh->mac[5], h->known);
	}
	net_close(net);
}

/* -------------------------------------------------------------------------------------------- the kernel's opinion */

static void run(const char *command)
{
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): the commands are those of the tests */
}

/** kernel_knows - last byte of the hardware address that the kernel has for @ip, 0: none; its state is STALE then */
static unsigned int kernel_knows(const char *ip)
{
	unsigned int mac[6];
	char command[96], name[16] = "";
	FILE *pipe;
	int read;

	snprintf(command, sizeof(command), "ip neigh show dev neigh0 to %s", ip);
	pipe = popen(command, "r"); /* NOLINT(cert-env33-c): as above */
	assert_non_null(pipe);
	read = fscanf(pipe, "%*s lladdr %x:%x:%x:%x:%x:%x %15s", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5],
	              name);
	pclose(pipe);
	if (read != 7)
		return 0;
	assert_string_equal(name, "STALE");
	return mac[5];
}

/** on_the_wire - an ARP packet as a frame */
static size_t on_the_wire(const struct net_arp *arp, unsigned char frame[60])
{
	static const unsigned char head[8] = {0x08, 0x06, 0, 1, 0x08, 0, 6, 4};

	memset(frame, 0, 60);
	memcpy(frame, arp->to, 6);
	memcpy(frame + 6, arp->from, 6);
	memcpy(frame + 12, head, 8);
	inet__put16(frame + 20, arp->operation);
	memcpy(frame + 22, arp->sender_mac, 6);
	memcpy(frame + 28, &arp->sender, 4);
	memcpy(frame + 32, arp->target_mac, 6);
	memcpy(frame + 38, &arp->target, 4);
	return 60;
}

/** ask_kernel - send it, then a question that is always answered; was there an answer before the answer to that? */
static bool ask_kernel(int fd, const struct net_arp *arp, const unsigned char kernel[6])
{
	const struct heard marker = {.to = OURS, .operation = 1, .mac = 0x66, .sender = "0.0.0.0", .target = US};
	unsigned char frame[60];
	struct net_arp mark;
	bool answered = false;

	assert_int_equal(send(fd, frame, on_the_wire(arp, frame), 0), 60);
	fill(&mark, &marker, kernel);
	assert_int_equal(send(fd, frame, on_the_wire(&mark, frame), 0), 60);
	for (;;) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		ssize_t len;

		assert_int_equal(poll(&ready, 1, 10000), 1);
		len = recv(fd, frame, sizeof(frame), 0);
		if (len < 42 || frame[12] != 0x08 || frame[13] != 0x06 || frame[21] != 2)
			continue;
		if (frame[5] == 0x66)
			return answered;
		answered = true;
	}
}

/** in_place - this process is alone in a network namespace with two ends of a cable, one of which is a socket; -1: it
 * cannot be */
static int in_place(unsigned char kernel[6])
{
	struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP)};
	struct in_addr us = net_ip(US).v4;
	struct ifreq ifr = {.ifr_name = "neigh0"};
	struct packet_mreq promisc = {.mr_type = PACKET_MR_PROMISC};
	int fd;

	/* NOLINTNEXTLINE(cert-env33-c): a fixed command */
	if (system("ip -V >/dev/null 2>&1") != 0 || netns_private() < 0)
		return -1;
	run("ip link add neigh0 type veth peer name neigh1");
	run("ip link set neigh0 up && ip link set neigh1 up");
	assert_int_equal(netns_link_running("neigh0"), 0);
	assert_int_equal(netns_link_running("neigh1"), 0);
	assert_int_equal(netns_addr_add("neigh0", AF_INET, &us, 24), 0);
	fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ARP));
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &ifr), 0);
	memcpy(kernel, ifr.ifr_hwaddr.sa_data, 6);
	addr.sll_ifindex = promisc.mr_ifindex = (int)if_nametoindex("neigh1");
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc)), 0);
	return fd;
}

static void test_kernel(void **state)
{
	unsigned char kernel[6];
	int fd = in_place(kernel);

	(void)state;
	if (fd < 0)
		skip();
	for (size_t i = 0; i < HEARINGS; i++) {
		const struct heard *h = &hearings[i];
		struct net_arp arp;
		bool answered;

		fill(&arp, h, kernel);
		answered = ask_kernel(fd, &arp, kernel);
		if (answered != (h->answered != NO) || kernel_knows(h->sender) != h->known)
			fail_msg("the kernel differs: %s: answered %d, knows %02x", h->what, answered,
			         kernel_knows(h->sender));
	}
	close(fd);
}

/* ---------------------------------------------------------------------------------------------------------- asking */

static void test_asking(void **state)
{
	static const unsigned char all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, nobody[6] = {0};
	static const unsigned char peer[6] = {0x02, 0, 0, 0, 0, 0x77};
	struct inet__addr_spec spec = {
	        .family = AF_INET, .prefixlen = 16, .preferred = INET_FOREVER, .valid = INET_FOREVER};
	struct net *net = net_open();
	struct net_arp arp;
	struct inet_neigh *neigh;

	(void)state;
	spec.local = spec.peer = net_ip("10.5.0.1");
	assert_int_equal(inet__addr_add(net->a, &spec, NLM_F_CREATE, NULL), 0);
	/* From the address of the packet that waits. */
	net_send4(net->a, "10.5.0.1", "10.0.0.2", 40);
	net_arp_take(net, &arp);
	assert_int_equal(arp.operation, 1);
	assert_memory_equal(arp.to, all, 6);
	assert_memory_equal(arp.target_mac, nobody, 6);
	assert_memory_equal(arp.sender_mac, net_mac_a, 6);
	assert_int_equal(arp.sender.s_addr, spec.local.v4.s_addr);
	assert_int_equal(arp.target.s_addr, net_ip("10.0.0.2").v4.s_addr);
	/* Of a forwarded packet: from the one on the neighbour's network. */
	net_send4(net->a, "192.0.2.1", "10.5.0.2", 40);
	net_arp_take(net, &arp);
	assert_int_equal(arp.sender.s_addr, spec.local.v4.s_addr);
	net_send4(net->a, "192.0.2.1", "10.0.0.3", 40);
	net_arp_take(net, &arp);
	assert_int_equal(arp.sender.s_addr, net_ip(US).v4.s_addr);
	/* When it is known, it alone is asked. */
	inet__neigh_learn(net->a, AF_INET, &(union inet_ip){.v4 = net_ip("10.0.0.2").v4}, peer, NUD_STALE,
	                  INET__NEIGH_OVERRIDE, true);
	net_pass(net, INET_MILLISECOND);
	net_skip(net);
	net_pass(net, 5 * INET_SECOND);
	for (neigh = NULL; net_count(net) > 0;) {
		net_arp_take(net, &arp);
		if (arp.target.s_addr == net_ip("10.0.0.2").v4.s_addr) {
			assert_memory_equal(arp.to, peer, 6);
			neigh = net_neigh(net->a, "10.0.0.2");
		}
	}
	assert_non_null(neigh); /* it was asked */
	assert_int_equal(net_state(net->a, "10.0.0.2"), NUD_PROBE);
	net_close(net);
}

/** Two who answer for one address: within a second the first one holds, later the other may have it. */
static void test_locktime(void **state)
{
	const struct heard first = {.to = OURS, .operation = 2, .mac = 0x77, .sender = "10.0.0.2", .target = US},
	                   second = {.to = OURS, .operation = 2, .mac = 0x78, .sender = "10.0.0.2", .target = US};
	struct net *net = net_open();
	struct net_arp arp;

	(void)state;
	net_send4(net->a, US, "10.0.0.2", 40);
	fill(&arp, &first, net_mac_a);
	net_arp_input(net->a, &arp);
	assert_int_equal(net_state(net->a, "10.0.0.2"), NUD_REACHABLE);
	fill(&arp, &second, net_mac_a);
	net_pass(net, INET_SECOND);
	net_arp_input(net->a, &arp);
	assert_int_equal(net_neigh(net->a, "10.0.0.2")->mac[5], 0x77);
	net_pass(net, 1);
	net_arp_input(net->a, &arp);
	assert_int_equal(net_neigh(net->a, "10.0.0.2")->mac[5], 0x78);
	net_close(net);
}

/* ---------------------------------------------------------------------------------------------------------- frames */

static void test_malformed(void **state)
{
	const struct heard question = {
	        .to = BROADCAST, .operation = 1, .mac = 0x77, .sender = "10.0.0.20", .target = US};
	struct net *net = net_open();
	unsigned char frame[60], broken[60];
	struct net_arp arp;
	static const struct {
		unsigned int at;
		unsigned char value;
	} damage[] = {{15, 6}, {16, 0x86}, {18, 8}, {19, 16}, {20, 1}, {22, 0x03}, {6, 0x03}, {12, 0x81}};

	(void)state;
	fill(&arp, &question, net_mac_a);
	on_the_wire(&arp, frame);
	for (size_t len = 0; len < 42; len++) {
		net_input(net->a, frame, len);
		assert_int_equal(net_count(net), 0);
	}
	assert_int_equal(net->a->stats.rx_length_errors, 14);
	for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		memcpy(broken, frame, sizeof(frame));
		broken[damage[i].at] = damage[i].value;
		net_input(net->a, broken, sizeof(broken));
		assert_int_equal(net_count(net), 0);
	}
	memcpy(broken, frame, sizeof(frame));
	memset(broken + 22, 0, 6); /* no hardware address */
	net_input(net->a, broken, sizeof(broken));
	memcpy(broken, frame, sizeof(frame));
	memcpy(broken + 6, net_mac_a, 6); /* our own */
	net_input(net->a, broken, sizeof(broken));
	assert_int_equal(net_count(net), 0);
	assert_null(net_neigh(net->a, "10.0.0.20"));
	net_input(net->a, frame, 42);
	assert_int_equal(net_count(net), 1);
	net_close(net);
}

static void test_frames(void **state)
{
	unsigned char frame[64] = {0x02, 0, 0, 0, 0, 0x0a, 0x02, 0, 0, 0, 0, 0x77, 0x08, 0x00};
	static const unsigned char group[6] = {0x01, 0x00, 0x5e, 1, 2, 3}, other[6] = {0x02, 0, 0, 0, 0, 0x55};
	struct net *net = net_open();
	struct rtnl_link_stats64 *stats = &net->a->stats;
	union inet_ip ip = net_ip("224.1.2.3");
	uint64_t packets = stats->rx_packets, bytes = stats->rx_bytes;

	(void)state;
	net_input(net->a, frame, sizeof(frame));
	assert_int_equal(net->packets, 1);
	assert_int_equal(stats->rx_packets, packets + 1);
	assert_int_equal(stats->rx_bytes, bytes + sizeof(frame));
	/* Not joined; joined. */
	memcpy(frame, group, 6);
	net_input(net->a, frame, sizeof(frame));
	assert_int_equal(stats->rx_packets, packets + 1);
	assert_int_equal(inet_group_join(net->a, AF_INET, &ip), 0);
	net_input(net->a, frame, sizeof(frame));
	assert_int_equal(net->packets, 2);
	assert_int_equal(stats->multicast, 1);
	/* For somebody else: seen by nobody, or by packet sockets only. */
	memcpy(frame, other, 6);
	net_input(net->a, frame, sizeof(frame));
	assert_int_equal(stats->rx_packets, packets + 2);
	inet_iface_promisc(net->a, 1);
	net_input(net->a, frame, sizeof(frame));
	assert_int_equal(stats->rx_packets, packets + 3);
	assert_int_equal(net->packets, 2);
	inet_iface_promisc(net->a, -1);
	/* What nobody understands, and what is tagged. */
	memcpy(frame, net_mac_a, 6);
	for (unsigned int i = 0; i < 3; i++) {
		static const unsigned int type[] = {0x8100, 0x88a8, 0x0026};

		inet__put16(frame + 12, type[i]);
		net_input(net->a, frame, sizeof(frame));
		assert_int_equal(stats->rx_dropped, i + 1);
	}
	inet__put16(frame + 12, 0x0800);
	inet__iface_set_flags(net->a, 0, IFF_UP);
	packets = stats->rx_packets;
	net_input(net->a, frame, sizeof(frame));
	assert_int_equal(stats->rx_packets, packets);
	assert_int_equal(net->packets, 2);
	net_close(net);
}

static void test_destinations(void **state)
{
	static const struct {
		const char *dst;
		unsigned char mac[6];
	} known[] = {
	        {"224.1.2.3", {0x01, 0, 0x5e, 1, 2, 3}},
	        {"239.255.255.250", {0x01, 0, 0x5e, 0x7f, 0xff, 0xfa}},
	        {"255.255.255.255", {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
	        {"10.0.0.255", {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
	};
	struct net *net = net_open();
	unsigned char nobody[12] = {0};
	const struct net_frame *frame;

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		assert_int_equal(net_send4(net->a, US, known[i].dst, 100), 0);
		frame = net_take(net);
		assert_non_null(frame);
		assert_memory_equal(frame->bytes, known[i].mac, 6);
		assert_memory_equal(frame->bytes + 6, net_mac_a, 6);
		assert_int_equal(frame->len, 114);
	}
	assert_int_equal(net_send6(net->a, "fe80::1", "ff02::fb", 60), 0);
	frame = net_take(net);
	assert_non_null(frame);
	assert_memory_equal(frame->bytes, "\x33\x33\0\0\0\xfb", 6);
	/* lo has no neighbours. */
	assert_int_equal(inet__iface_set_flags(net->inet->lo, IFF_UP, IFF_UP), 0);
	assert_int_equal(net_send4(net->inet->lo, "127.0.0.1", "127.0.0.1", 40), 0);
	frame = net_take(net);
	assert_non_null(frame);
	assert_ptr_equal(frame->iface, net->inet->lo);
	assert_memory_equal(frame->bytes, nobody, 12);
	/* An unplugged cable. */
	inet_iface_carrier(net->a, false);
	assert_int_equal(net_send4(net->a, US, "224.1.2.3", 40), 0);
	assert_null(net_take(net));
	assert_int_equal(net->a->stats.tx_dropped, 1);
	net_close(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_hearings),  cmocka_unit_test(test_asking), cmocka_unit_test(test_locktime),
	        cmocka_unit_test(test_malformed), cmocka_unit_test(test_frames), cmocka_unit_test(test_destinations),
	        cmocka_unit_test(test_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
