/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_vdestack_network.c - vdestack and its networks: frames as they are, and interfaces that come and go
 *
 * The other end of the network is the test itself, through libvdeplug.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ioth.h"
#include "nlmsg.h"
#include "wait.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <libvdeplug.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TYPE 0x88b5 /* local experimental ethertype */
#define JUMBO 9216  /* largest MTU of a VDE network */
#define VNL 1       /* IFLA_VDE_VNL */
#define HIDDEN_FD 768

static char dir[] = "/tmp/vdestack-network-XXXXXX";
static char vnl[2][64]; /* two networks */
static char join[64];   /* the second one, where somebody is already */
static struct ioth *stack;
static unsigned int ifindex;
static VDECONN *wire; /* the other end of the first */
static int before;    /* descriptors */

/** descriptors - of this process, without those that the plugin keeps for later */
static int descriptors(void)
{
	DIR *list = opendir("/proc/self/fd");
	struct dirent *entry;
	int count = 0;

	assert_non_null(list);
	while ((entry = readdir(list)) != NULL)
		count += entry->d_name[0] != '.' && atoi(entry->d_name) < HIDDEN_FD;
	closedir(list);
	return count;
}

/* ---------------------------------------------------------------------------------------------------- frames */

/** frame_make - @len bytes: to everybody, of an unused protocol, behind a VLAN tag if @tagged */
static unsigned char *frame_make(size_t len, bool tagged)
{
	static unsigned char frame[VDE_ETHBUFSIZE + 16];
	size_t at = 12;

	memset(frame, 0xff, 6);
	memcpy(frame + 6, "\2\0\0\0\0\1", 6);
	if (tagged) {
		memcpy(frame + at, "\x81\x00\x60\x2a", 4); /* priority 3, VLAN 42 */
		at += 4;
	}
	frame[at++] = TYPE >> 8;
	frame[at++] = TYPE & 0xff;
	for (; at < len; at++)
		frame[at] = (unsigned char)(at * 7 + len);
	return frame;
}

/** is_frame - is it one of ours, or chatter of the stack? */
static bool is_frame(const unsigned char *frame)
{
	size_t at = frame[12] == 0x81 && frame[13] == 0 ? 16 : 12;

	return frame[at] == TYPE >> 8 && frame[at + 1] == (TYPE & 0xff);
}

/** wire_receive - the next frame of ours on the network; its length */
static size_t wire_receive(unsigned char *frame, size_t size)
{
	struct pollfd pfd = {.fd = vde_datafd(wire), .events = POLLIN};
	ssize_t len;

	do {
		assert_int_equal(poll(&pfd, 1, WAIT_MS), 1);
		len = vde_recv(wire, frame, size, 0);
		assert_true(len >= 14);
	} while (!is_frame(frame));
	return (size_t)len;
}

/** raw - a packet socket on the stack's interface */
static int raw(void)
{
	struct sockaddr_ll addr = {
	        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)ifindex};
	int fd = ioth_msocket(stack, AF_PACKET, SOCK_RAW, 0), one = 1;
	struct timeval patience = {.tv_sec = WAIT_MS / 1000};

	assert_true(fd >= 0);
	assert_return_code(ioth_setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)), errno);
	assert_return_code(ioth_setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)), errno);
	assert_return_code(ioth_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), errno);
	assert_return_code(ioth_bind(fd, (struct sockaddr *)&addr, sizeof(addr)), errno);
	return fd;
}

static const struct {
	size_t len;
	bool tagged;
} shape[] = {{60, false}, {1514, false}, {1518, true}, {JUMBO + 14, false}, {JUMBO + 18, true}};
#define SHAPES (sizeof(shape) / sizeof(shape[0]))

static void test_frames_out(void **state)
{
	unsigned char got[VDE_ETHBUFSIZE + 16];
	int fd = raw();

	(void)state;
	for (size_t i = 0; i < SHAPES; i++) {
		unsigned char *frame = frame_make(shape[i].len, shape[i].tagged);

		assert_int_equal(ioth_send(fd, frame, shape[i].len, 0), shape[i].len);
		assert_int_equal(wire_receive(got, sizeof(got)), shape[i].len);
		assert_memory_equal(got, frame, shape[i].len);
	}
	ioth_close(fd);
}

/** stack_receive - the next frame of ours that the stack gets; its length, and its tag, 0 when it has none, in *@tci */
static size_t stack_receive(int fd, unsigned char *frame, size_t size, unsigned int *tci)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control;
	struct tpacket_auxdata aux;
	ssize_t len;

	do {
		struct iovec iov = {frame, size};
		struct msghdr msg = {
		        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
		struct cmsghdr *cmsg;

		len = ioth_recvmsg(fd, &msg, 0);
		assert_true(len >= 14);
		cmsg = CMSG_FIRSTHDR(&msg);
		assert_non_null(cmsg);
		memcpy(&aux, CMSG_DATA(cmsg), sizeof(aux));
	} while (!is_frame(frame));
	*tci = aux.tp_status & TP_STATUS_VLAN_VALID ? aux.tp_vlan_tci : 0;
	return (size_t)len;
}

static void test_frames_in(void **state)
{
	unsigned char got[VDE_ETHBUFSIZE + 16];
	int fd = raw();

	(void)state;
	for (size_t i = 0; i < SHAPES; i++) {
		unsigned char *frame = frame_make(shape[i].len, shape[i].tagged);
		size_t tag = shape[i].tagged ? 4 : 0;
		unsigned int tci;

		assert_int_equal(vde_send(wire, frame, shape[i].len, 0), shape[i].len);
		assert_int_equal(stack_receive(fd, got, sizeof(got), &tci), shape[i].len - tag);
		assert_int_equal(tci, tag ? 0x602a : 0);
		assert_memory_equal(got, frame, 12);
		assert_memory_equal(got + 12, frame + 12 + tag, shape[i].len - 12 - tag);
	}
	ioth_close(fd);
}

/** sum - the Internet checksum of @len bytes, begun with @start */
static uint16_t sum(const unsigned char *data, size_t len, uint32_t start)
{
	for (size_t i = 0; i < len; i++)
		start += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return (uint16_t)~start;
}

/** datagram - UDP, to 10.0.0.1 port 99, its data one @letter, its checksum wrong by @wrong */
static size_t datagram(unsigned char *frame, char letter, int wrong)
{
	static const unsigned char head[] = {
	        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0,  0,           0, 1, 8,  0, /* Ethernet */
	        0x45, 0,    0,    29,   0,    0,    0, 0, 64, IPPROTO_UDP, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1, /* IP */
	        0,    99,   0,    99,   0,    9,    0, 0,                                                  /* UDP */
	};
	uint16_t check;

	memset(frame, 0, 60);
	memcpy(frame, head, sizeof(head));
	frame[sizeof(head)] = (unsigned char)letter;
	check = sum(frame + 14, 20, 0);
	frame[24] = (unsigned char)(check >> 8);
	frame[25] = (unsigned char)check;
	/* the pseudo header is the addresses, the protocol, and the length */
	check = (uint16_t)(sum(frame + 26, 8 + 9, IPPROTO_UDP + 9) + wrong);
	frame[40] = (unsigned char)(check >> 8);
	frame[41] = (unsigned char)check;
	return 60;
}

/* The network is not trusted: the stack checks what comes. */
static void test_checksum(void **state)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(99), .sin_addr.s_addr = htonl(0x0a000001)};
	struct timeval patience = {.tv_sec = WAIT_MS / 1000};
	unsigned char frame[60];
	char letter;
	int fd = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0);

	(void)state;
	assert_true(fd >= 0);
	assert_return_code(ioth_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), errno);
	addr.sin_addr.s_addr = 0; /* what is sent to all Ethernet hosts is accepted for a unicast address */
	assert_return_code(ioth_bind(fd, (struct sockaddr *)&addr, sizeof(addr)), errno);
	assert_int_equal(vde_send(wire, frame, datagram(frame, 'b', 1), 0), sizeof(frame));
	assert_int_equal(vde_send(wire, frame, datagram(frame, 'g', 0), 0), sizeof(frame));
	assert_int_equal(ioth_recv(fd, &letter, 1, 0), 1);
	assert_int_equal(letter, 'g');
	ioth_close(fd);
}

/* ------------------------------------------------------------------------------- interfaces that come and go */

/** interfaces - how many the stack has */
static int interfaces(void)
{
	struct if_nameindex *list = ioth_if_nameindex(stack);
	int count = 0;

	assert_non_null(list);
	while (list[count].if_index != 0)
		count++;
	ioth_if_freenameindex(list);
	return count;
}

/** add - an interface on the second network; the result of ioth_iplink_add */
static int add(const char *name, unsigned int index, const char *locator)
{
	return ioth_iplink_add(stack, name, index, "vde", nl_iplink_strdata(VNL, locator));
}

static void test_add(void **state)
{
	char name[IF_NAMESIZE];
	int index;

	(void)state;
	assert_return_code(add("eth7", 0, vnl[1]), errno);
	index = ioth_if_nametoindex(stack, "eth7");
	assert_true(index > 0);
	assert_return_code(ioth_iplink_del(stack, NULL, (unsigned int)index), errno);
	assert_int_equal(ioth_if_nametoindex(stack, "eth7"), -1);

	assert_return_code(add("eth7", 77, vnl[1]), errno);
	assert_int_equal(ioth_if_nametoindex(stack, "eth7"), 77);
	assert_return_code(ioth_iplink_del(stack, "eth7", 0), errno);

	index = add("eth8", ~0U, vnl[1]);
	assert_true(index > 0);
	assert_int_equal(ioth_if_nametoindex(stack, "eth8"), index);
	assert_return_code(ioth_iplink_del(stack, "eth8", 0), errno);

	index = add(NULL, ~0U, vnl[1]);
	assert_true(index > 0);
	assert_non_null(ioth_if_indextoname(stack, (unsigned int)index, name));
	assert_return_code(ioth_iplink_del(stack, NULL, (unsigned int)index), errno);

	assert_return_code(add(NULL, 0, vnl[1]), errno);
	assert_true(ioth_if_nametoindex(stack, "vde1") > 0);
	assert_return_code(ioth_iplink_del(stack, "vde1", 0), errno);
	assert_int_equal(interfaces(), 2);
}

/** refused - neither an interface nor a descriptor is left of it */
static void refused(int result, int error)
{
	assert_int_equal(result, -1);
	if (error)
		assert_int_equal(errno, error);
	assert_int_equal(interfaces(), 2);
}

static void test_add_refused(void **state)
{
	int held = descriptors();

	(void)state;
	refused(add("vde0", 0, vnl[1]), EEXIST);
	refused(add("eth7", ifindex, vnl[1]), 0);
	refused(add("eth7", 0, "nonesuch:///tmp/x"), 0);
	refused(add("eth7", 0, "vde:///nowhere/to/be/found"), 0);
	refused(add("eth7", 0, ""), EINVAL);
	refused(add("with/slash", 0, vnl[1]), EINVAL);
	refused(ioth_iplink_add(stack, "eth7", 0, "vde", NULL, 0), EINVAL);
	assert_int_equal(descriptors(), held);
}

/* The network is left at once: its place is free for another. */
static void test_leaves(void **state)
{
	int held;

	(void)state;
	assert_return_code(add("eth7", 0, vnl[1]), errno); /* what is kept is made now */
	assert_return_code(ioth_iplink_del(stack, "eth7", 0), errno);
	held = descriptors();
	for (int i = 0; i < 10; i++) {
		assert_return_code(add("eth7", 0, vnl[1]), errno);
		assert_return_code(ioth_iplink_del(stack, "eth7", 0), errno);
	}
	assert_int_equal(descriptors(), held);
}

/* What a request says besides is done as well; two in one packet; answered by the kernel, in order. */
static void test_request(void **state)
{
	struct ifinfomsg up = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct timeval patience = {.tv_sec = WAIT_MS / 1000};
	int fd = ioth_msocket(stack, AF_NETLINK, SOCK_RAW, 0);
	unsigned char packet[2 * NLMSG_ROOM], answer[8192], mac[6];
	size_t len = 0, info, data;
	uint32_t mtu = 9000;
	struct nlmsghdr *at;
	ssize_t got;

	(void)state;
	assert_true(fd >= 0);
	assert_return_code(ioth_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), errno);
	for (uint32_t i = 0; i < 2; i++) {
		struct nlmsg msg;

		nlmsg_start(&msg, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, 100 + i, &up,
		            sizeof(up));
		nlmsg_add(&msg, IFLA_IFNAME, i ? "eth9" : "eth8", 5);
		nlmsg_add(&msg, IFLA_MTU, &mtu, sizeof(mtu));
		nlmsg_add(&msg, IFLA_ADDRESS, i ? "\2\0\0\0\0\x19" : "\2\0\0\0\0\x18", 6);
		info = nlmsg_nest(&msg, IFLA_LINKINFO);
		nlmsg_add(&msg, IFLA_INFO_KIND, "vde", 3);
		data = nlmsg_nest(&msg, IFLA_INFO_DATA);
		nlmsg_add(&msg, VNL, i ? join : vnl[1], strlen(i ? join : vnl[1]));
		nlmsg_unnest(&msg, data);
		nlmsg_unnest(&msg, info);
		assert_int_not_equal(nlmsg_size(&msg), 0);
		memcpy(packet + len, msg.byte, nlmsg_size(&msg));
		len += nlmsg_size(&msg);
	}
	assert_int_equal(ioth_send(fd, packet, len, 0), len);
	for (uint32_t i = 0; i < 2; i++) {
		struct nlmsgerr *err;

		got = ioth_recv(fd, answer, sizeof(answer), 0);
		assert_true(got > 0);
		at = nlmsg_next(answer, (size_t)got, NULL);
		assert_non_null(at);
		assert_int_equal(at->nlmsg_seq, 100 + i);
		assert_int_equal(at->nlmsg_type, NLMSG_ERROR);
		err = nlmsg_body(at, sizeof(*err));
		assert_non_null(err);
		assert_int_equal(err->error, 0);
	}
	for (int i = 1; i >= 0; i--) {
		const char *name = i ? "eth9" : "eth8";
		struct ifreq ifr = {0};
		int index = ioth_if_nametoindex(stack, name);

		assert_true(index > 0);
		assert_int_equal(ioth_linkgetaddr(stack, (unsigned int)index, mac), 0);
		assert_int_equal(mac[5], i ? 0x19 : 0x18);
		strcpy(ifr.ifr_name, name);
		assert_return_code(ioth_ioctl(fd, SIOCGIFMTU, &ifr), errno);
		assert_int_equal(ifr.ifr_mtu, 9000);
		assert_return_code(ioth_ioctl(fd, SIOCGIFFLAGS, &ifr), errno);
		assert_true(ifr.ifr_flags & IFF_UP);
		assert_return_code(ioth_iplink_del(stack, name, 0), errno);
	}
	ioth_close(fd);
}

/* A packet whose second request fails makes nothing. */
static void test_request_half(void **state)
{
	struct ifinfomsg any = {0};
	int fd = ioth_msocket(stack, AF_NETLINK, SOCK_RAW, 0);
	unsigned char packet[2 * NLMSG_ROOM];
	size_t len = 0, info, data;

	(void)state;
	assert_true(fd >= 0);
	for (uint32_t i = 0; i < 2; i++) {
		const char *locator = i ? "nonesuch:///tmp/x" : vnl[1];
		struct nlmsg msg;

		nlmsg_start(&msg, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, i, &any, sizeof(any));
		info = nlmsg_nest(&msg, IFLA_LINKINFO);
		nlmsg_add(&msg, IFLA_INFO_KIND, "vde", 4);
		data = nlmsg_nest(&msg, IFLA_INFO_DATA);
		nlmsg_add(&msg, VNL, locator, strlen(locator) + 1);
		nlmsg_unnest(&msg, data);
		nlmsg_unnest(&msg, info);
		memcpy(packet + len, msg.byte, nlmsg_size(&msg));
		len += nlmsg_size(&msg);
	}
	assert_int_equal(ioth_send(fd, packet, len, 0), -1);
	assert_int_not_equal(errno, 0);
	ioth_close(fd);
	for (long deadline = wait_now_ms() + WAIT_MS; interfaces() != 2;) /* taken away in the background */
		if (!wait_again(deadline))
			fail_msg("there are %d interfaces", interfaces());
}

/* ------------------------------------------------------------------------------------------------------ ending */

/* Connections the kernel has still to end when everything is closed do not keep a stack. */
static void test_orphan(void **state)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000101)};
	struct in_addr address[2] = {{htonl(0x0a000101)}, {htonl(0x0a000102)}};
	struct ioth *host[2];
	socklen_t len = sizeof(addr);
	int server, client, accepted, index;

	(void)state;
	for (int i = 0; i < 2; i++) {
		host[i] = ioth_newstack("vdestack", i ? join : vnl[1]);
		if (host[i] == NULL)
			fail_msg("stack %d: %s", i, strerror(errno));
		index = ioth_if_nametoindex(host[i], "vde0");
		assert_true(index > 0);
		assert_return_code(ioth_ipaddr_add(host[i], AF_INET, &address[i], 24, (unsigned int)index), errno);
		assert_return_code(ioth_linksetupdown(host[i], (unsigned int)index, 1), errno);
	}
	server = ioth_msocket(host[0], AF_INET, SOCK_STREAM, 0);
	client = ioth_msocket(host[1], AF_INET, SOCK_STREAM, 0);
	assert_return_code(ioth_bind(server, (struct sockaddr *)&addr, sizeof(addr)), errno);
	assert_return_code(ioth_listen(server, 1), errno);
	assert_return_code(ioth_getsockname(server, (struct sockaddr *)&addr, &len), errno);
	assert_return_code(ioth_connect(client, (struct sockaddr *)&addr, len), errno);
	accepted = ioth_accept(server, NULL, NULL);
	assert_true(accepted >= 0);
	/* nobody will hear the last words of either */
	for (int i = 0; i < 2; i++)
		assert_return_code(ioth_linksetupdown(host[i], (unsigned int)ioth_if_nametoindex(host[i], "vde0"), 0),
		                   errno);
	assert_int_equal(ioth_send(accepted, "good bye", 8, 0), 8);
	assert_int_equal(ioth_send(client, "good bye", 8, 0), 8);
	assert_return_code(ioth_close(accepted), errno);
	assert_return_code(ioth_close(client), errno);
	assert_return_code(ioth_close(server), errno);
	for (int i = 1; i >= 0; i--)
		assert_return_code(ioth_delstack(host[i]), errno);
}

/* A datagram that waits for the address of a neighbour that is not there does not keep a stack either. */
static void test_neighbour(void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0x0a000063)};
	struct ioth *host = ioth_newstack("vdestack", vnl[1]);
	struct in_addr address = {htonl(0x0a000001)};
	int index, fd;

	(void)state;
	assert_non_null(host);
	index = ioth_if_nametoindex(host, "vde0");
	assert_return_code(ioth_ipaddr_add(host, AF_INET, &address, 24, (unsigned int)index), errno);
	assert_return_code(ioth_linksetupdown(host, (unsigned int)index, 1), errno);
	fd = ioth_msocket(host, AF_INET, SOCK_DGRAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(ioth_sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	assert_return_code(ioth_close(fd), errno);
	assert_return_code(ioth_delstack(host), errno);
}

static int setup(void **state)
{
	struct in_addr address = {htonl(0x0a000001)};
	int index;

	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(vnl[0], sizeof(vnl[0]), "ptp://%s/a", dir);
	snprintf(vnl[1], sizeof(vnl[1]), "switch://%s/b", dir);
	snprintf(join, sizeof(join), "vde://%s/b", dir);
	stack = ioth_newstack("vdestack", vnl[0]);
	wire = vde_open(vnl[0], (char[]){"test"}, NULL);
	if (stack == NULL || wire == NULL)
		return -1;
	index = ioth_if_nametoindex(stack, "vde0");
	ifindex = (unsigned int)index;
	return index < 0 || ioth_linksetmtu(stack, ifindex, JUMBO) ||
	       ioth_ipaddr_add(stack, AF_INET, &address, 24, ifindex) || ioth_linksetupdown(stack, ifindex, 1);
}

static int teardown(void **state)
{
	char command[100];

	(void)state;
	vde_close(wire);
	if (ioth_delstack(stack) != 0)
		return -1;
	if (descriptors() != before) {
		fprintf(stderr, "%d descriptors are left\n", descriptors() - before);
		return -1;
	}
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_frames_out), cmocka_unit_test(test_frames_in),    cmocka_unit_test(test_checksum),
	        cmocka_unit_test(test_add),        cmocka_unit_test(test_add_refused),  cmocka_unit_test(test_leaves),
	        cmocka_unit_test(test_request),    cmocka_unit_test(test_request_half), cmocka_unit_test(test_orphan),
	        cmocka_unit_test(test_neighbour),
	};

	stack = ioth_newstack("vdestack", NULL); /* what is kept for the process is made now */
	if (stack == NULL) {
		printf("no vdestack here: %s\n", strerror(errno));
		return errno == EPERM ? 77 : 1;
	}
	if (ioth_delstack(stack) != 0)
		return 1;
	before = descriptors();
	return cmocka_run_group_tests(tests, setup, teardown);
}
