/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* packet.c - frames: packet(7). */
#include "conf.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>

#define ETHERTYPE_TEST 0x88b5 /* IEEE 802: local experimental */

/** struct frame - a received frame and what the socket tells of it */
struct frame {
	unsigned char byte[2048];
	ssize_t len;
	struct sockaddr_ll from;
};

/** packet_socket - a packet socket on vde0 of a host, for one Ethernet type */
static int packet_socket(struct conf *c, struct ioth *stack, int type, int ethertype)
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_protocol = htons((uint16_t)ethertype)};
	int fd;

	ll.sll_ifindex = (int)ifindex(c, stack);
	fd = sockp(c, stack, AF_PACKET, type, 0);
	CHECK_OK(ioth_bind(fd, (struct sockaddr *)&ll, sizeof(ll)));
	return fd;
}

/** next_frame - wait for a frame */
static void next_frame(int fd, struct frame *frame)
{
	socklen_t len = sizeof(frame->from);

	CHECK_INT(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, WAIT_MS), 1);
	frame->len = CHECK_GE0(
	        ioth_recvfrom(fd, frame->byte, sizeof(frame->byte), 0, (struct sockaddr *)&frame->from, &len));
	CHECK(len >= offsetof(struct sockaddr_ll, sll_addr) + 6);
}

/** find_frame - wait for the frame that ends with a text; other traffic, such as that of neighbour discovery, is
 * skipped */
static void find_frame(int fd, struct frame *frame, const char *text)
{
	ssize_t len = (ssize_t)strlen(text);

	do
		next_frame(fd, frame);
	while (frame->len < len || memcmp(frame->byte + frame->len - len, text, (size_t)len) != 0);
}

/** mac_of - the hardware address of vde0 of a host */
static void mac_of(struct conf *c, struct ioth *stack, unsigned char mac[6])
{
	unsigned int index = ifindex(c, stack);

	CHECK_OK(ioth_linkgetaddr(on(c, stack), index, mac));
}

/** ether - lay out a frame; returns its length */
static size_t ether(unsigned char *out, const unsigned char *dst, const unsigned char *src, const char *text)
{
	memcpy(out, dst, 6);
	memcpy(out + 6, src, 6);
	out[12] = ETHERTYPE_TEST >> 8;
	out[13] = ETHERTYPE_TEST & 0xff;
	return (size_t)((unsigned char *)mempcpy(out + 14, text, strlen(text)) - out);
}

static const unsigned char broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

CASE(packet, captures, INET, "a SOCK_RAW socket gets whole frames with interface, type and sender")
{
	int type = c->family == AF_INET ? ETHERTYPE_IP : ETHERTYPE_IPV6;
	unsigned char a[6], b[6];
	struct pair p = udp_pair(c);
	int fd;
	struct frame frame;

	crossed(c, c->a, c->b); /* neighbours are known from here on */
	crossed(c, c->b, c->a);
	mac_of(c, c->a, a);
	mac_of(c, c->b, b);
	fd = packet_socket(c, c->b, SOCK_RAW, type);
	send_text(p.a, "captured");
	find_frame(fd, &frame, "captured");
	CHECK_INT(frame.len, 14 + (c->family == AF_INET ? 20 : 40) + 8 + 8);
	CHECK_MEM(frame.byte, b, 6);
	CHECK_MEM(frame.byte + 6, a, 6);
	CHECK_INT(frame.byte[12] << 8 | frame.byte[13], type);
	CHECK_INT(frame.from.sll_family, AF_PACKET);
	CHECK_INT(ntohs(frame.from.sll_protocol), type);
	CHECK_INT(frame.from.sll_ifindex, ifindex(c, c->b));
	CHECK_INT(frame.from.sll_hatype, ARPHRD_ETHER);
	CHECK_INT(frame.from.sll_pkttype, PACKET_HOST);
	CHECK_INT(frame.from.sll_halen, 6);
	CHECK_MEM(frame.from.sll_addr, a, 6);
}

CASE(packet, outgoing, ONCE, "frames that a host sends are seen there as PACKET_OUTGOING, unless ignored")
{
	struct pair p = udp_pair(c);
	int fd = sockp(c, c->a, AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	int deaf = sockp(c, c->a, AF_PACKET, SOCK_RAW, 0);
	struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct frame frame;

	CHECK_OPT(deaf, SOL_PACKET, PACKET_IGNORE_OUTGOING, 0);
	SETOPT(deaf, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	CHECK_OK(ioth_bind(deaf, (struct sockaddr *)&ll, sizeof(ll)));
	send_text(p.a, "going out");
	find_frame(fd, &frame, "going out");
	CHECK_INT(frame.from.sll_pkttype, PACKET_OUTGOING);
	send_text(p.b, "coming in");
	find_frame(deaf, &frame, "coming in");
	CHECK_INT(frame.from.sll_pkttype, PACKET_HOST);
	send_text(p.a, "out again");
	send_text(p.b, "last");
	do {
		next_frame(deaf, &frame);
		CHECK(frame.from.sll_pkttype != PACKET_OUTGOING);
	} while (frame.len < 4 || memcmp(frame.byte + frame.len - 4, "last", 4) != 0);
}

CASE(packet, cooked, ONCE, "a SOCK_DGRAM socket gets frames without their header")
{
	struct pair p = udp_pair(c);
	int fd = packet_socket(c, c->b, SOCK_DGRAM, ETHERTYPE_IP);
	struct frame frame;

	send_text(p.a, "cooked");
	find_frame(fd, &frame, "cooked");
	CHECK_INT(frame.len, 20 + 8 + 6);
	CHECK_INT(frame.byte[0], 0x45);
}

CASE(packet, send_raw, ONCE, "a frame of one's own crosses to the other host, to its address and to everybody")
{
	int from = packet_socket(c, c->a, SOCK_RAW, 0);
	int to = packet_socket(c, c->b, SOCK_RAW, ETHERTYPE_TEST);
	unsigned char a[6], b[6], out[64];
	struct frame frame;
	size_t len;

	mac_of(c, c->a, a);
	mac_of(c, c->b, b);
	len = ether(out, b, a, "to the host itself");
	CHECK_LEN(ioth_send(from, out, len, 0), len);
	next_frame(to, &frame);
	CHECK_INT(frame.len, len);
	CHECK_MEM(frame.byte, out, len);
	CHECK_INT(frame.from.sll_pkttype, PACKET_HOST);
	len = ether(out, broadcast, a, "to everybody");
	CHECK_LEN(ioth_write(from, out, len), len);
	next_frame(to, &frame);
	CHECK_INT(frame.from.sll_pkttype, PACKET_BROADCAST);
	CHECK_MEM(frame.from.sll_addr, a, 6);
}

CASE(packet, send_cooked, ONCE, "a SOCK_DGRAM socket has its header made from the address of sendto")
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE_TEST), .sll_halen = 6};
	int from = sockp(c, c->a, AF_PACKET, SOCK_DGRAM, 0);
	int to = packet_socket(c, c->b, SOCK_RAW, ETHERTYPE_TEST);
	unsigned char a[6];
	struct frame frame;

	mac_of(c, c->a, a);
	mac_of(c, c->b, ll.sll_addr);
	ll.sll_ifindex = (int)ifindex(c, c->a);
	CHECK_LEN(ioth_sendto(from, "payload", 7, 0, (struct sockaddr *)&ll, sizeof(ll)), 7);
	next_frame(to, &frame);
	CHECK_INT(frame.len, 14 + 7);
	CHECK_MEM(frame.byte, ll.sll_addr, 6);
	CHECK_MEM(frame.byte + 6, a, 6);
	CHECK_MEM(frame.byte + 14, "payload", 7);
}

CASE(packet, other_host, ONCE, "a frame for somebody else is PACKET_OTHERHOST, and is heard in promiscuous mode")
{
	struct packet_mreq request = {.mr_type = PACKET_MR_PROMISC};
	static const unsigned char nobody[6] = {2, 0, 0, 0, 0, 0x99};
	int from = packet_socket(c, c->a, SOCK_RAW, 0);
	int to = packet_socket(c, c->b, SOCK_RAW, ETHERTYPE_TEST);
	unsigned char a[6], out[64];
	struct frame frame;
	size_t len;

	request.mr_ifindex = (int)ifindex(c, c->b);
	CHECK_OK(ioth_setsockopt(to, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof(request)));
	mac_of(c, c->a, a);
	len = ether(out, nobody, a, "for nobody");
	CHECK_LEN(ioth_send(from, out, len, 0), len);
	next_frame(to, &frame);
	CHECK_INT(frame.from.sll_pkttype, PACKET_OTHERHOST);
	CHECK_OK(ioth_setsockopt(to, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &request, sizeof(request)));
}

CASE(packet, name, ONCE, "getsockname tells interface, type and hardware address; getpeername is not supported")
{
	int fd = packet_socket(c, c->a, SOCK_RAW, ETHERTYPE_TEST);
	struct sockaddr_ll ll;
	socklen_t len = sizeof(ll);
	unsigned char a[6];

	mac_of(c, c->a, a);
	CHECK_OK(ioth_getsockname(fd, (struct sockaddr *)&ll, &len));
	CHECK_INT(len, offsetof(struct sockaddr_ll, sll_addr) + 6);
	CHECK_INT(ll.sll_ifindex, ifindex(c, c->a));
	CHECK_INT(ntohs(ll.sll_protocol), ETHERTYPE_TEST);
	CHECK_INT(ll.sll_hatype, ARPHRD_ETHER);
	CHECK_MEM(ll.sll_addr, a, 6);
	len = sizeof(ll);
	CHECK_ERR(ioth_getpeername(fd, (struct sockaddr *)&ll, &len), EOPNOTSUPP);
}

CASE(packet, errors, ONCE, "no interface is ENXIO, one that is not there ENODEV, too long EMSGSIZE, too short EINVAL")
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE_TEST), .sll_ifindex = 9999};
	int fd = sockp(c, c->a, AF_PACKET, SOCK_RAW, 0);
	static unsigned char out[CONF_MTU + 100];
	unsigned char a[6];

	mac_of(c, c->a, a);
	ether(out, broadcast, a, "");
	CHECK_ERR(ioth_send(fd, out, 64, 0), ENXIO);
	CHECK_ERR(ioth_bind(fd, (struct sockaddr *)&ll, sizeof(ll)), ENODEV);
	CHECK_ERR(ioth_bind(fd, (struct sockaddr *)&ll, 8), EINVAL);
	ll.sll_ifindex = (int)ifindex(c, c->a);
	CHECK_OK(ioth_bind(fd, (struct sockaddr *)&ll, sizeof(ll)));
	CHECK_ERR(ioth_send(fd, out, sizeof(out), 0), EMSGSIZE);
	CHECK_ERR(ioth_send(fd, out, 10, 0), EINVAL);
	CHECK_ERR(ioth_listen(fd, 1), EOPNOTSUPP);
	CHECK_ERR(ioth_connect(fd, (struct sockaddr *)&ll, sizeof(ll)), EOPNOTSUPP);
}

CASE(packet, link_down, ONCE, "when the interface goes down the socket hears ENETDOWN, and sending is ENETDOWN")
{
	int fd = packet_socket(c, c->a, SOCK_RAW, ETHERTYPE_TEST);
	unsigned char a[6], out[64];
	char byte;
	size_t len;

	mac_of(c, c->a, a);
	len = ether(out, broadcast, a, "x");
	set_link(c, c->a, 0);
	CHECK_POLL(fd, POLLOUT | POLLERR);
	CHECK_ERR(ioth_recv(fd, &byte, 1, MSG_DONTWAIT), ENETDOWN);
	CHECK_ERR(ioth_send(fd, out, len, 0), ENETDOWN);
	set_link(c, c->a, 1);
	CHECK_LEN(ioth_send(fd, out, len, 0), len);
}

CASE(packet, statistics, ONCE, "PACKET_STATISTICS counts frames and starts again when read")
{
	int from = packet_socket(c, c->a, SOCK_RAW, 0);
	int to = packet_socket(c, c->b, SOCK_RAW, ETHERTYPE_TEST);
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);
	unsigned char a[6], out[64];
	struct frame frame;

	mac_of(c, c->a, a);
	for (int i = 0; i < 5; i++)
		CHECK_GE0(ioth_send(from, out, ether(out, broadcast, a, "x"), 0));
	for (int i = 0; i < 5; i++)
		next_frame(to, &frame);
	CHECK_OK(ioth_getsockopt(to, SOL_PACKET, PACKET_STATISTICS, &stats, &len));
	CHECK_INT(stats.tp_packets, 5);
	CHECK_INT(stats.tp_drops, 0);
	CHECK_OK(ioth_getsockopt(to, SOL_PACKET, PACKET_STATISTICS, &stats, &len));
	CHECK_INT(stats.tp_packets, 0);
}

CASE(packet, auxdata, ONCE, "PACKET_AUXDATA tells the true length of a frame that was cut")
{
	int from = packet_socket(c, c->a, SOCK_RAW, 0);
	int to = packet_socket(c, c->b, SOCK_RAW, ETHERTYPE_TEST);
	unsigned char a[6], out[600] = {0};
	struct tpacket_auxdata aux;
	struct inbox in;

	SETOPT(to, SOL_PACKET, PACKET_AUXDATA, 1);
	mac_of(c, c->a, a);
	ether(out, broadcast, a, "x");
	CHECK_LEN(ioth_send(from, out, sizeof(out), 0), sizeof(out));
	receive(to, 0, &in);
	CHECK_INT(in.len, sizeof(in.text));
	CHECK_INT(in.flags, MSG_TRUNC);
	control(&in, SOL_PACKET, PACKET_AUXDATA, &aux, sizeof(aux));
	CHECK_INT(aux.tp_len, sizeof(out));
}

/** tcp_sum - the one's complement sum over a pseudo header for TCP and, with @all, the segment; @ip is not fragmented */
static uint16_t tcp_sum(const unsigned char *ip, bool all)
{
	bool v4 = ip[0] >> 4 == 4;
	const unsigned char *tcp = ip + (v4 ? (ip[0] & 15) * 4 : 40), *addresses = ip + (v4 ? 12 : 8);
	unsigned int len =
	        v4 ? (unsigned int)(ip[2] << 8 | ip[3]) - (unsigned int)(tcp - ip) : (unsigned int)(ip[4] << 8 | ip[5]);
	uint32_t sum = IPPROTO_TCP + len;

	for (unsigned int i = 0; i < (v4 ? 8U : 32U); i += 2)
		sum += (uint32_t)(addresses[i] << 8 | addresses[i + 1]);
	for (unsigned int i = 0; all && i < len; i++)
		sum += i % 2 ? tcp[i] : (uint32_t)tcp[i] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/** find_aux - wait for the frame that ends with a text, as find_frame; what PACKET_AUXDATA says of it */
static struct tpacket_auxdata find_aux(int fd, struct frame *frame, const char *text)
{
	ssize_t len = (ssize_t)strlen(text);
	struct tpacket_auxdata aux;

	do {
		char room[256];
		struct iovec iov = {.iov_base = frame->byte, .iov_len = sizeof(frame->byte)};
		struct msghdr msg = {
		        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
		const struct cmsghdr *cmsg;

		CHECK_INT(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, WAIT_MS), 1);
		frame->len = CHECK_GE0(ioth_recvmsg(fd, &msg, 0));
		cmsg = CMSG_FIRSTHDR(&msg);
		CHECK(cmsg && cmsg->cmsg_level == SOL_PACKET && cmsg->cmsg_type == PACKET_AUXDATA);
		memcpy(&aux, CMSG_DATA(cmsg), sizeof(aux));
	} while (frame->len < len || memcmp(frame->byte + frame->len - len, text, (size_t)len) != 0);
	return aux;
}

CASE(packet, checksum_not_ready, INET,
     "TP_STATUS_CSUMNOTREADY is said of TCP frames whose checksum is still to be done")
{
	int type = c->family == AF_INET ? ETHERTYPE_IP : ETHERTYPE_IPV6;
	struct pair p = tcp_pair(c);
	const int fds[] = {packet_socket(c, c->a, SOCK_RAW, ETH_P_ALL), packet_socket(c, c->b, SOCK_RAW, type)};
	struct frame frame;

	for (int i = 0; i < 2; i++)
		SETOPT(fds[i], SOL_PACKET, PACKET_AUXDATA, 1);
	send_text(p.a, "summed or not?");
	for (int i = 0; i < 2; i++) {
		struct tpacket_auxdata aux = find_aux(fds[i], &frame, "summed or not?");
		const unsigned char *ip = frame.byte + 14, *tcp = ip + (type == ETHERTYPE_IP ? 20 : 40);

		/* There is the sum of the pseudo header then; else everything adds up. */
		if (aux.tp_status & TP_STATUS_CSUMNOTREADY)
			CHECK_INT(tcp[16] << 8 | tcp[17], tcp_sum(ip, false));
		else
			CHECK_INT(tcp_sum(ip, true), 0xffff);
	}
}

CASE(packet, loopback, ONCE, "frames on lo are seen, with addresses of zeros")
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE_IP)};
	static const unsigned char zeros[12];
	struct addr to = addr_loopback(c, 9);
	int fd = sockp(c, c->a, AF_PACKET, SOCK_RAW, 0);
	int udp = sock(c, c->a, SOCK_DGRAM);
	struct frame frame;

	ll.sll_ifindex = CHECK_GE0(ioth_if_nametoindex(on(c, c->a), "lo"));
	CHECK_OK(ioth_bind(fd, (struct sockaddr *)&ll, sizeof(ll)));
	CHECK_LEN(ioth_sendto(udp, "x", 1, 0, &to.sa, to.len), 1);
	next_frame(fd, &frame);
	CHECK_MEM(frame.byte, zeros, 12);
	CHECK_INT(frame.from.sll_hatype, ARPHRD_LOOPBACK);
}
