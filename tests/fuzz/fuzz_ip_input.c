/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_ip_input.c - any packets to a stack with sockets of all kinds that take datagrams.
 *
 * Input: packets, each with a head of eight bytes - flags, protocol, source, destination, hop limit, length of IP
 * options, length of the payload (two bytes) - and that many bytes. Addresses are chosen from a list, so that packets
 * find their sockets; the flags choose family, interface and into how many pieces the payload is cut, and whether its
 * checksum is made right. Then everything that arrived is read, with every control message asked for: what recvmsg says
 * must hold together.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/net_tstamp.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>
#include <usock.h>

#include "../lib/caller.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void *ioth_ipengine_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions);

#define HEAD 8
#define PORT 7
#define PIECES 4

enum flag { FLAG_V6 = 1, FLAG_LO = 2, FLAG_CUT = 4 | 8, FLAG_SUM = 16 };

static struct ioth_functions f;
static int fds[16];
static unsigned int sockets;

static void check(bool kept)
{
	if (!kept)
		abort();
}

static void enable(int fd, int level, int name)
{
	int one = 1;

	/* Not every socket has every option. */
	(void)f.setsockopt(on(fd), level, name, &one, sizeof(one));
}

/** add - a socket with everything switched on, bound to PORT */
static int add(int family, int type, int protocol)
{
	static const int names4[] = {IP_PKTINFO, IP_RECVTTL, IP_RECVTOS,        IP_RECVOPTS,
	                             IP_RETOPTS, IP_RECVERR, IP_RECVORIGDSTADDR};
	static const int names6[] = {IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_RECVRTHDR,
	                             IPV6_RECVHOPOPTS, IPV6_RECVDSTOPTS,  IPV6_RECVERR,    IPV6_RECVORIGDSTADDR};
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	struct sockaddr_in6 addr6 = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	int fd = f.socket(family, type | SOCK_NONBLOCK, protocol);

	check(fd >= 0 && fd < (int)(sizeof(sockdata) / sizeof(sockdata[0])));
	sockdata[fd] = current;
	enable(fd, SOL_SOCKET, SO_REUSEADDR);
	enable(fd, SOL_SOCKET, SO_RXQ_OVFL);
	enable(fd, SOL_SOCKET, SO_TIMESTAMPNS);
	for (size_t i = 0; i < sizeof(names4) / sizeof(names4[0]); i++)
		enable(fd, IPPROTO_IP, names4[i]);
	for (size_t i = 0; family == AF_INET6 && i < sizeof(names6) / sizeof(names6[0]); i++)
		enable(fd, IPPROTO_IPV6, names6[i]);
	if (family == AF_INET6)
		enable(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (type == SOCK_DGRAM && family == AF_INET)
		check(f.bind(on(fd), (struct sockaddr *)&addr, sizeof(addr)) == 0);
	if (type == SOCK_DGRAM && family == AF_INET6)
		check(f.bind(on(fd), (struct sockaddr *)&addr6, sizeof(addr6)) == 0);
	fds[sockets++] = fd;
	return fd;
}

/** configure - interfaces, addresses, groups, sockets */
static void configure(void)
{
	static const struct nlreq {
		struct nlmsghdr head;
		union {
			struct ifinfomsg link;
			struct ifaddrmsg addr;
		};
		struct nlattr attr;
		unsigned char value[16];
	} up = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
	                 .nlmsg_type = RTM_NEWLINK,
	                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
	        .link = {.ifi_index = 1, .ifi_flags = 1, .ifi_change = 1}};
	struct ip_mreqn group = {.imr_multiaddr = {htonl(0xe0000063)}, .imr_ifindex = 1};
	struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(0x7f000001)}};
	struct nlq_msg *reply;
	int fd;

	usock_lock(stack);
	reply = nlq_process_datagram(&up, up.head.nlmsg_len, inet_handlers, usock_inet(stack), 1, 0);
	nlq_free(&reply);
	usock_unlock(stack);
	fd = add(AF_INET, SOCK_DGRAM, 0);
	check(f.setsockopt(on(fd), IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)) == 0);
	fd = add(AF_INET, SOCK_DGRAM, 0);
	check(f.connect(on(fd), (struct sockaddr *)&peer, sizeof(peer)) == 0);
	add(AF_INET6, SOCK_DGRAM, 0);
	add(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
	fd = add(AF_INET6, SOCK_DGRAM, IPPROTO_UDPLITE);
	check(f.setsockopt(on(fd), IPPROTO_UDPLITE, 11 /* UDPLITE_RECV_CSCOV */, &(int){12}, sizeof(int)) == 0);
	add(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	add(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6);
	add(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	add(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	add(AF_INET, SOCK_RAW, 99);
	add(AF_INET6, SOCK_RAW, 99);
}

static union inet_ip address(int family, uint8_t which)
{
	static const char *const four[] = {"127.0.0.1",       "127.0.0.2", "224.0.0.99",   "224.0.0.1",
	                                   "255.255.255.255", "0.0.0.0",   "198.51.100.1", "127.255.255.255"};
	static const char *const six[] = {
	        "::1", "ff02::1", "2001:db8::7", "::", "fe80::1", "::ffff:127.0.0.1", "ff05::9", "ff01::1"};
	union inet_ip ip;

	memset(&ip, 0, sizeof(ip));
	check(inet_pton(family, family == AF_INET ? four[which % 8] : six[which % 8], &ip) == 1);
	return ip;
}

/** fold - add bytes to a checksum */
static uint32_t add_sum(uint32_t sum, const unsigned char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/** make_right - put the right checksum where the protocol has it */
static void make_right(const struct usock_packet *packet, unsigned char *payload, size_t len)
{
	bool lite = packet->protocol == IPPROTO_UDPLITE;
	size_t at = packet->protocol == IPPROTO_UDP || lite ? 6 : 2, size = packet->family == AF_INET ? 4 : 16;
	size_t covered = len;
	uint32_t sum = 0;

	if (len < at + 2)
		return;
	if (packet->protocol == IPPROTO_UDP && len >= 6) {
		payload[4] = (unsigned char)(len >> 8);
		payload[5] = (unsigned char)len;
	}
	if (lite && (covered = (size_t)payload[4] << 8 | payload[5]) == 0)
		covered = len;
	if (covered > len)
		covered = len;
	payload[at] = payload[at + 1] = 0;
	if (packet->protocol != IPPROTO_ICMP) {
		sum = add_sum(sum, (const unsigned char *)&packet->src, size);
		sum = add_sum(sum, (const unsigned char *)&packet->dst, size);
		sum = add_sum(sum + packet->protocol + (uint32_t)len, NULL, 0);
	}
	sum = ~add_sum(sum, payload, covered);
	payload[at] = (unsigned char)(sum >> 8);
	payload[at + 1] = (unsigned char)sum;
}

/** input - one packet of the input, @head being its first eight bytes */
static void input(const uint8_t *head, const uint8_t *body, size_t len)
{
	unsigned char header[40 + 256] = {0};
	size_t options = head[5] & 0xf8;
	unsigned char *payload = malloc(len > 0 ? len : 1);
	struct usock_packet packet = {.family = head[0] & FLAG_V6 ? AF_INET6 : AF_INET,
	                              .protocol = head[1],
	                              .hop_limit = head[4],
	                              .header = header,
	                              .payload_len = len};
	size_t fixed = packet.family == AF_INET ? 20 : 40, part;
	struct iovec piece[PIECES];

	check(payload != NULL);
	if (len > 0)
		memcpy(payload, body, len);
	if (packet.family == AF_INET && options > 40)
		options = 40;
	for (size_t i = 0; i < options; i++)
		header[fixed + i] = len > 0 ? body[i % len] : 0;
	header[0] = packet.family == AF_INET ? (unsigned char)(0x40 | (fixed + options) / 4) : 0x60;
	header[6] = head[5] & 1 ? IPPROTO_HOPOPTS : IPPROTO_ROUTING;
	packet.header_len = fixed + options;
	packet.src = address(packet.family, head[2]);
	packet.dst = address(packet.family, head[3]);
	if (head[0] & FLAG_SUM)
		make_right(&packet, payload, len);
	packet.pieces = (unsigned int)(head[0] & FLAG_CUT) / 4 + 1;
	part = len / packet.pieces;
	for (unsigned int i = 0; i < packet.pieces; i++)
		piece[i] = (struct iovec){.iov_base = payload + i * part,
		                          .iov_len = i + 1 < packet.pieces ? part : len - i * part};
	packet.payload = piece;
	usock_lock(stack);
	packet.iface = inet_iface_first(usock_inet(stack));
	usock_ip_input(stack, &packet);
	usock_unlock(stack);
	free(payload);
}

/** drain - read what there is, data and errors; true when there was something */
static bool drain(int fd, int flags)
{
	union {
		struct cmsghdr align;
		unsigned char bytes[600];
	} control;
	char data[256];
	struct sockaddr_storage from;
	struct iovec piece = {.iov_base = data, .iov_len = sizeof(data)};
	struct msghdr msg = {.msg_name = &from,
	                     .msg_namelen = sizeof(from),
	                     .msg_control = control.bytes,
	                     .msg_controllen = sizeof(control),
	                     .msg_iov = &piece,
	                     .msg_iovlen = 1};
	ssize_t len = f.recvmsg(on(fd), &msg, flags | MSG_DONTWAIT);

	if (len < 0)
		return errno != EAGAIN;
	check(len <= (ssize_t)sizeof(data) && msg.msg_namelen <= sizeof(from) && msg.msg_controllen <= sizeof(control));
	check(from.ss_family == AF_INET || from.ss_family == AF_INET6);
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg))
		check(cmsg->cmsg_len >= CMSG_LEN(0) && cmsg->cmsg_len <= sizeof(control));
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!stack) {
		f = (struct ioth_functions){.size = sizeof(f),
		                            .getstackdata = get_stack,
		                            .getsockdata = get_socket,
		                            .setsockdata = set_socket};
		stack = ioth_ipengine_newstack(NULL, "", &f);
		check(stack != NULL);
		configure();
	}
	while (size >= HEAD) {
		size_t len = ((size_t)data[6] << 8 | data[7]) % 2048;

		if (len > size - HEAD)
			len = size - HEAD;
		input(data, data + HEAD, len);
		data += HEAD + len;
		size -= HEAD + len;
	}
	for (unsigned int i = 0; i < sockets; i++) {
		int left = 10000;

		while (drain(fds[i], 0) && left-- > 0)
			;
		while (drain(fds[i], MSG_ERRQUEUE) && left-- > 0)
			;
		check(left > 0);
	}
	return 0;
}
