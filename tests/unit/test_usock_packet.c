/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_usock_packet.c - packet sockets and socket filters: the same calls on the kernel and on ours, see usock_same.h.
 *
 * Traffic is what a host sends to itself on lo, and what it sends on d0, where nobody answers.
 */
#include "usock_same.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LO 1
#define D0 7
#define MINE 0x88b5 /* IEEE 802: local experimental */

static struct sockaddr_ll ll(int ifindex, int type)
{
	return (struct sockaddr_ll){
	        .sll_family = AF_PACKET, .sll_ifindex = ifindex, .sll_protocol = htons((uint16_t)type)};
}

/** packet - a socket for a type on an interface */
static int packet(struct ioth *stack, int type, int ifindex, int ethertype)
{
	struct sockaddr_ll name = ll(ifindex, ethertype);
	int fd = ioth_msocket(stack, AF_PACKET, type, 0);

	assert_true(fd >= 0);
	assert_int_equal(ioth_bind(fd, SA(name)), 0);
	return fd;
}

/** frame - lay out one from nowhere to @last, with a payload; its length */
static size_t frame(unsigned char *out, unsigned char last, const char *payload)
{
	static const unsigned char header[14] = {0x02, 0, 0, 0, 0,    0x55,      0x02,
	                                         0,    0, 0, 0, 0x66, MINE >> 8, MINE & 0xff};

	memcpy(out, header, sizeof(header));
	out[5] = last;
	memcpy(out + sizeof(header), payload, strlen(payload));
	return sizeof(header) + strlen(payload);
}

static void say_name(const struct sockaddr_ll *name, socklen_t len)
{
	say(" family %d protocol %x interface %d hatype %d pkttype %d halen %d len %u", name->sll_family,
	    ntohs(name->sll_protocol), name->sll_ifindex, name->sll_hatype, name->sll_pkttype, name->sll_halen, len);
}

/** say_frames - what waits in a socket; of other traffic (the neighbours') nothing is said */
static void say_frames(int fd, bool raw)
{
	unsigned char bytes[2048];
	struct sockaddr_ll from;
	socklen_t len = sizeof(from);
	ssize_t got;

	while ((got = ioth_recvfrom(fd, bytes, sizeof(bytes), MSG_DONTWAIT, (struct sockaddr *)&from, &len)) >= 0) {
		if (from.sll_protocol != htons(MINE) && from.sll_ifindex != LO)
			continue;
		say_name(&from, len);
		same_hex(" from", from.sll_addr, from.sll_halen);
		if (raw)
			same_hex(" header", bytes, got < 14 ? (size_t)got : 14);
		say(" bytes %zd", got);
	}
	say_result(" at the end", -1);
}

static void say_poll(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP};

	poll(&p, 1, 0);
	say(" poll %x", (unsigned int)p.revents);
}

static void names(struct ioth *stack)
{
	struct sockaddr_ll name = ll(D0, ETH_P_IP);
	socklen_t len = sizeof(name);
	int fd;

	SAY(ioth_msocket(stack, AF_PACKET, SOCK_STREAM, 0));
	SAY(ioth_msocket(stack, AF_PACKET, SOCK_SEQPACKET, 0));
	fd = ioth_msocket(stack, AF_PACKET, SOCK_RAW, htons(ETH_P_ARP));
	SAY(ioth_getsockname(fd, (struct sockaddr *)&name, &len));
	say_name(&name, len);
	name = ll(D0, 0);
	SAY(ioth_bind(fd, SA(name)));
	len = sizeof(name);
	SAY(ioth_getsockname(fd, (struct sockaddr *)&name, &len));
	say_name(&name, len);
	name = ll(LO, ETH_P_IP);
	SAY(ioth_bind(fd, SA(name)));
	len = sizeof(name);
	SAY(ioth_getsockname(fd, (struct sockaddr *)&name, &len));
	say_name(&name, len);
	same_hex(" address", name.sll_addr, name.sll_halen);
	name = ll(99, ETH_P_IP);
	SAY(ioth_bind(fd, SA(name)));
	name = ll(-1, ETH_P_IP);
	SAY(ioth_bind(fd, SA(name)));
	name = ll(0, ETH_P_ALL);
	SAY(ioth_bind(fd, (struct sockaddr *)&name, 12));
	name.sll_family = AF_INET;
	SAY(ioth_bind(fd, SA(name)));
	SAY(ioth_connect(fd, SA(name)));
	len = sizeof(name);
	SAY(ioth_getpeername(fd, (struct sockaddr *)&name, &len));
	SAY(ioth_listen(fd, 1));
	SAY(ioth_accept(fd, NULL, NULL));
	SAY(ioth_shutdown(fd, SHUT_RD));
	say_poll(fd);
	ioth_close(fd);
}

static void options(struct ioth *stack)
{
	static const int names_[] = {PACKET_AUXDATA,      PACKET_ORIGDEV,     PACKET_IGNORE_OUTGOING,
	                             PACKET_QDISC_BYPASS, PACKET_COPY_THRESH, 99};
	int fd = ioth_msocket(stack, AF_PACKET, SOCK_RAW, 0), value;
	struct tpacket_stats stats;
	socklen_t len;

	for (size_t i = 0; i < sizeof(names_) / sizeof(names_[0]); i++) {
		say("option %d", names_[i]);
		for (value = -1; value < 3; value++)
			SAY(ioth_setsockopt(fd, SOL_PACKET, names_[i], &value, sizeof(value)));
		SAY(ioth_setsockopt(fd, SOL_PACKET, names_[i], &value, 2));
		len = sizeof(value);
		SAY(ioth_getsockopt(fd, SOL_PACKET, names_[i], &value, &len));
		if (names_[i] != PACKET_COPY_THRESH)
			say("%d %u", value != 0, len);
		len = 2;
		SAY(ioth_getsockopt(fd, SOL_PACKET, names_[i], &value, &len));
		say("%u", len);
	}
	len = 3;
	SAY(ioth_getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len));
	say("%u", len);
	len = 100;
	SAY(ioth_getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len));
	say("%u", len);
	SAY(ioth_setsockopt(fd, SOL_SOCKET + 9, 1, &value, sizeof(value)));
	ioth_close(fd);
}

static void memberships(struct ioth *stack)
{
	int fd = ioth_msocket(stack, AF_PACKET, SOCK_RAW, 0);
	struct packet_mreq mreq = {.mr_ifindex = D0};

	for (int type = PACKET_MR_MULTICAST; type <= PACKET_MR_UNICAST + 1; type++) {
		mreq.mr_type = (unsigned short)type;
		for (int alen = 0; alen <= 9; alen += 3) {
			mreq.mr_alen = (unsigned short)alen;
			say("type %d alen %d", type, alen);
			SAY(ioth_setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof(mreq)));
			SAY(ioth_setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof(mreq)));
			SAY(ioth_setsockopt(fd, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &mreq, sizeof(mreq)));
		}
	}
	SAY(ioth_setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, 8));
	mreq = (struct packet_mreq){.mr_ifindex = 99, .mr_type = PACKET_MR_PROMISC};
	SAY(ioth_setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof(mreq)));
	SAY(ioth_setsockopt(fd, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &mreq, sizeof(mreq)));
	ioth_close(fd);
}

static void loopback(struct ioth *stack)
{
	int all = packet(stack, SOCK_RAW, LO, ETH_P_ALL), mine = packet(stack, SOCK_RAW, LO, MINE);
	int cooked = packet(stack, SOCK_DGRAM, LO, MINE), udp = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0);
	int other = packet(stack, SOCK_RAW, D0, MINE), outside = packet(stack, SOCK_RAW, 0, ETH_P_IP);
	struct sockaddr_in to = in4("127.0.0.1", 9);
	unsigned char bytes[64];
	size_t len = frame(bytes, 0x55, "a frame");

	SAY(ioth_send(mine, bytes, len, 0));
	say("all");
	say_frames(all, true);
	say("mine, who sent it");
	say_frames(mine, true);
	say("cooked");
	say_frames(cooked, false);
	say("another interface");
	say_frames(other, true);
	SAY(ioth_sendto(udp, "x", 1, 0, SA(to)));
	say("IPv4, at any interface");
	say_frames(outside, true);
	say("not for these");
	say_frames(cooked, false);
	memset(bytes, 0xff, 6);
	SAY(ioth_send(all, bytes, len, 0));
	memcpy(bytes, "\1\0\x5e\0\0\1", 6);
	SAY(ioth_send(all, bytes, len, 0));
	bytes[12] = 0;
	bytes[13] = 7; /* a length: 802.3 */
	SAY(ioth_send(all, bytes, len, 0));
	memset(bytes + 14, 0xff, 2);
	SAY(ioth_send(all, bytes, len, 0));
	say("all");
	say_frames(all, true);
	say("cooked");
	say_frames(cooked, false);
	ioth_close(all);
	ioth_close(mine);
	ioth_close(cooked);
	ioth_close(udp);
	ioth_close(other);
	ioth_close(outside);
}

static void sending(struct ioth *stack)
{
	struct sockaddr_ll to = ll(D0, MINE);
	int raw = ioth_msocket(stack, AF_PACKET, SOCK_RAW, 0), cooked = ioth_msocket(stack, AF_PACKET, SOCK_DGRAM, 0);
	int sees = packet(stack, SOCK_RAW, D0, ETH_P_ALL), ignores = packet(stack, SOCK_RAW, D0, ETH_P_ALL), yes = 1;
	static unsigned char bytes[2048];
	size_t len = frame(bytes, 0x55, "a frame");

	SAY(ioth_setsockopt(ignores, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes)));
	SAY(ioth_send(raw, bytes, len, 0));
	SAY(ioth_sendto(raw, bytes, len, 0, (struct sockaddr *)&to, 12));
	SAY(ioth_sendto(raw, bytes, len, 0, SA(to)));
	SAY(ioth_sendto(raw, bytes, 13, 0, SA(to)));
	SAY(ioth_sendto(raw, bytes, 14, 0, SA(to)));
	SAY(ioth_sendto(raw, bytes, 0, 0, SA(to)));
	SAY(ioth_sendto(raw, bytes, 1514, 0, SA(to)));
	SAY(ioth_sendto(raw, bytes, 1515, 0, SA(to)));
	SAY(ioth_sendto(raw, bytes, 1519, 0, SA(to)));
	bytes[12] = 0x81;
	bytes[13] = 0;
	SAY(ioth_sendto(raw, bytes, 1518, 0, SA(to)));
	SAY(ioth_sendto(raw, bytes, 1519, 0, SA(to)));
	SAY(ioth_sendto(cooked, "payload", 7, 0, SA(to)));
	memcpy(to.sll_addr, bytes, 6);
	to.sll_halen = 6;
	SAY(ioth_sendto(cooked, "payload", 7, 0, SA(to)));
	SAY(ioth_sendto(cooked, bytes, 1500, 0, SA(to)));
	SAY(ioth_sendto(cooked, bytes, 1501, 0, SA(to)));
	to.sll_halen = 9;
	SAY(ioth_sendto(cooked, "payload", 7, 0, SA(to)));
	to.sll_ifindex = 99;
	SAY(ioth_sendto(cooked, "payload", 7, 0, SA(to)));
	to.sll_ifindex = 0;
	SAY(ioth_sendto(raw, bytes, len, 0, SA(to)));
	say("seen");
	say_frames(ignores, false);
	ioth_close(raw);
	ioth_close(cooked);
	ioth_close(sees);
	ioth_close(ignores);
}

static void receiving(struct ioth *stack)
{
	int fd = packet(stack, SOCK_RAW, LO, MINE), from = packet(stack, SOCK_RAW, LO, 0), yes = 1, size = 0, count = 0;
	unsigned char bytes[64], got[64], control[256];
	struct iovec iov = {got, 20};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	size_t len = frame(bytes, 0x55, "a frame of some length");
	struct tpacket_auxdata aux;
	struct tpacket_stats stats;
	socklen_t statslen = sizeof(stats);

	SAY(ioth_setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &yes, sizeof(yes)));
	SAY(ioth_ioctl(fd, SIOCINQ, &count));
	say("%d", count);
	SAY(ioth_send(from, bytes, len, 0));
	say_poll(fd);
	SAY(ioth_ioctl(fd, SIOCINQ, &count));
	say("%d", count);
	SAY(ioth_ioctl(fd, SIOCOUTQ, &count));
	say("%d", count);
	SAY(ioth_ioctl(fd, SIOCATMARK, &count));
	count = 0;
	SAY(ioth_recv(fd, got, 64, MSG_WAITALL));
	SAY(ioth_recv(fd, got, 64, MSG_OOB));
	SAY(ioth_recv(fd, got, 10, MSG_PEEK));
	SAY(ioth_recv(fd, got, 10, MSG_PEEK | MSG_TRUNC));
	SAY(ioth_recv(fd, got, 10, 0));
	SAY(ioth_send(from, bytes, len, 0));
	SAY(ioth_recvmsg(fd, &msg, 0)); /* not after a peek: then this Linux tells another length */
	say("flags %x", (unsigned int)msg.msg_flags);
	assert_non_null(CMSG_FIRSTHDR(&msg));
	memcpy(&aux, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(aux));
	say("len %u snaplen %u mac %u net %u", aux.tp_len, aux.tp_snaplen, aux.tp_mac, aux.tp_net);
	SAY(ioth_recv(fd, got, 64, MSG_DONTWAIT));
	SAY(ioth_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
	for (int i = 0; i < 50; i++)
		assert_int_equal(ioth_send(from, bytes, len, 0), (long)len);
	while (ioth_recv(fd, got, sizeof(got), MSG_DONTWAIT) >= 0)
		count++;
	SAY(ioth_getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &statslen));
	say("all counted %u, dropped some %d, got the others %d", stats.tp_packets, stats.tp_drops > 0,
	    count == (int)(stats.tp_packets - stats.tp_drops) - 1);
	SAY(ioth_getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &statslen));
	say("%u %u", stats.tp_packets, stats.tp_drops);
	ioth_close(fd);
	ioth_close(from);
}

static void up_and_down(struct ioth *stack)
{
	struct sockaddr_ll name = ll(D0, MINE);
	int fd = packet(stack, SOCK_RAW, D0, MINE), silent = packet(stack, SOCK_RAW, D0, 0);
	unsigned char bytes[64];
	size_t len = frame(bytes, 0x55, "x");

	SAY(ioth_linksetupdown(stack, D0, 0));
	say_poll(fd);
	say_poll(silent);
	SAY(ioth_recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT));
	SAY(ioth_recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT));
	SAY(ioth_recv(silent, bytes, sizeof(bytes), MSG_DONTWAIT));
	SAY(ioth_send(fd, bytes, len, 0));
	SAY(ioth_bind(silent, SA(name)));
	say_poll(silent);
	SAY(ioth_linksetupdown(stack, D0, 1));
	SAY(ioth_send(fd, bytes, len, 0));
	SAY(ioth_send(silent, bytes, len, 0));
	SAY(ioth_send(silent, bytes, len, 0));
	say_poll(silent);
	ioth_close(fd);
	ioth_close(silent);
}

/** attach - a program of @count instructions */
static int attach(int fd, const struct sock_filter *program, int count)
{
	struct sock_fprog prog = {.len = (unsigned short)count, .filter = (struct sock_filter *)(uintptr_t)program};

	return ioth_setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}

static void filters(struct ioth *stack)
{
	static const struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, 0xffff)},
	                                none[] = {BPF_STMT(BPF_RET | BPF_K, 0)},
	                                first16[] = {BPF_STMT(BPF_RET | BPF_K, 16)},
	                                to_56[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 5),
	                                           BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x56, 0, 1),
	                                           BPF_STMT(BPF_RET | BPF_K, 0xffff), BPF_STMT(BPF_RET | BPF_K, 0)},
	                                too_far[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4000),
	                                             BPF_STMT(BPF_RET | BPF_K, 9)},
	                                length[] = {BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
	                                            BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 20, 0, 1),
	                                            BPF_STMT(BPF_RET | BPF_K, 0xffff), BPF_STMT(BPF_RET | BPF_K, 0)},
	                                endless[] = {BPF_STMT(BPF_LD | BPF_IMM, 1)},
	                                outside[] = {BPF_JUMP(BPF_JMP | BPF_JA, 5, 0, 0), BPF_STMT(BPF_RET | BPF_K, 1)},
	                                zero[] = {BPF_STMT(BPF_LD | BPF_IMM, 1), BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0),
	                                          BPF_STMT(BPF_RET | BPF_A, 0)},
	                                unknown[] = {BPF_STMT(0xffff, 0), BPF_STMT(BPF_RET | BPF_K, 1)};
	static const struct {
		const char *name;
		const struct sock_filter *program;
		int count;
	} programs[] = {{"all", all, 1},         {"none", none, 1},       {"first16", first16, 1},
	                {"to_56", to_56, 4},     {"too_far", too_far, 2}, {"length", length, 4},
	                {"endless", endless, 1}, {"outside", outside, 2}, {"zero", zero, 3},
	                {"unknown", unknown, 2}, {"empty", all, 0},       {"long", all, 4097}};
	int fd = packet(stack, SOCK_RAW, LO, MINE), from = packet(stack, SOCK_RAW, LO, 0), value = 0, no = 0;
	unsigned char bytes[64];
	struct sock_filter back[8];
	socklen_t len = 0;

	SAY(ioth_setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &value, sizeof(value)));
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		say("%s", programs[i].name);
		SAY(attach(fd, programs[i].program, programs[i].count));
		ioth_send(from, bytes, frame(bytes, 0x55, "a frame"), 0);
		ioth_send(from, bytes, frame(bytes, 0x56, "x"), 0);
		say_frames(fd, true);
	}
	len = 8;
	SAY(ioth_getsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER /* SO_GET_FILTER */, back, &len));
	say("%u instructions", len);
	SAY(ioth_setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, bytes, 3));
	value = 1;
	SAY(ioth_setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &value, sizeof(value)));
	SAY(attach(fd, all, 1));
	SAY(ioth_setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &value, sizeof(value)));
	SAY(ioth_setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &no, sizeof(no)));
	len = sizeof(value);
	SAY(ioth_getsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &value, &len));
	say("%d", value);
	ioth_close(fd);
	ioth_close(from);
}

/* a filter of a UDP socket sees the UDP header first */
static void udp_filter(struct ioth *stack)
{
	static const struct sock_filter begins_with_y[] = {
	        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'y', 0, 1),
	        BPF_STMT(BPF_RET | BPF_K, 10),
	        BPF_STMT(BPF_RET | BPF_K, 0),
	};
	int fd = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in self = in4("127.0.0.1", 0);
	char text[16];

	SAY(ioth_bind(fd, SA(self)));
	self.sin_port = htons((uint16_t)same_port(fd));
	SAY(attach(fd, begins_with_y, 4));
	SAY(ioth_sendto(fd, "xes", 3, 0, SA(self)));
	SAY(ioth_sendto(fd, "yes", 3, 0, SA(self)));
	SAY(ioth_recv(fd, text, sizeof(text), MSG_DONTWAIT));
	SAY(ioth_recv(fd, text, sizeof(text), MSG_DONTWAIT));
	ioth_close(fd);
}

#define SAME_TEST(name)                                                                                                \
	static void test_##name(void **state)                                                                          \
	{                                                                                                              \
		(void)state;                                                                                           \
		same(name);                                                                                            \
	}
SAME_TEST(names)
SAME_TEST(options)
SAME_TEST(memberships)
SAME_TEST(loopback)
SAME_TEST(sending)
SAME_TEST(receiving)
SAME_TEST(up_and_down)
SAME_TEST(filters)
SAME_TEST(udp_filter)

/* what is not done is refused */
static void test_refused(void **state)
{
	static const int refused[] = {PACKET_RX_RING,  PACKET_TX_RING,   PACKET_VERSION, PACKET_FANOUT,
	                              PACKET_VNET_HDR, PACKET_TIMESTAMP, PACKET_RESERVE};
	static const struct sock_filter extension[] = {
	        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (unsigned int)SKF_AD_OFF + SKF_AD_PROTOCOL),
	        BPF_STMT(BPF_RET | BPF_A, 0),
	};
	int fd = packet(same_ours(), SOCK_RAW, LO, MINE), value[8] = {1};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_int_equal(ioth_setsockopt(fd, SOL_PACKET, refused[i], value, sizeof(value)), -1);
		assert_int_equal(errno, ENOPROTOOPT);
	}
	assert_int_equal(attach(fd, extension, 2), -1);
	assert_int_equal(errno, EINVAL);
	ioth_close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_names),       cmocka_unit_test(test_options),
	        cmocka_unit_test(test_memberships), cmocka_unit_test(test_loopback),
	        cmocka_unit_test(test_sending),     cmocka_unit_test(test_receiving),
	        cmocka_unit_test(test_filters),     cmocka_unit_test(test_udp_filter),
	        cmocka_unit_test(test_refused),     cmocka_unit_test(test_up_and_down),
	};

	same_place();
	return cmocka_run_group_tests_name("usock_packet", tests, same_open, same_close);
}
