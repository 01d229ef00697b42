/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_lwip.c - frames to a whole lwip stack: our IP, lwIP's TCP, sockets.
 *
 * A stack talks to itself over lo: a listener, a connection and UDP sockets, with a packet socket that records what
 * passes. The input is a list of steps, each of four bytes - what, a, b, c - and for some as many bytes as a says:
 *
 *     send, receive, close and connect again, urgent data, shut down: the program's side
 *     repeat: a recorded frame once more, with bytes changed as the rest says, checksums made right or not
 *     raw: an IP packet of any bytes
 *     adopt: an IP packet that passed on another network, as one of a living connection: addresses and ports are those
 * of a recorded frame, sequence numbers are counted from where that one ends. lwip_seeds.py makes such inputs of
 * captures.
 *
 * So sequence numbers and ports of changed frames are those of living connections. What is read must hold together; the
 * rest is for the sanitizers. lwIP itself is the distribution's and not instrumented, but what it is given and gives
 * is.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

#include "../lib/caller.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void *ioth_lwip_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions);

/** __asan_default_options - what only lwIP's memory points to, in a linker namespace of its own, is no leak but is not
 * seen */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

#define PORT 7
#define RECORDS 16
#define FRAME_MAX 2048
#define CLIENTS 4

static struct ioth_functions f;
static int listener, udp4, udp6, tap, client[CLIENTS], server[CLIENTS];

static struct record {
	size_t len;
	unsigned char bytes[FRAME_MAX];
} records[RECORDS];
static unsigned int recorded;

static void check_at(bool kept, int line)
{
	if (!kept && (dprintf(2, "line %d: %d\n", line, errno), true))
		abort();
}

#define check(kept) check_at(kept, __LINE__)

/** made - remember the socket that was just made */
static int made(int fd)
{
	check(fd >= 0 && fd < (int)(sizeof(sockdata) / sizeof(sockdata[0])));
	sockdata[fd] = current;
	return fd;
}

static struct sockaddr_in loopback(void)
{
	return (struct sockaddr_in){
	        .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

/** bring_up - lo; the interface has addresses then */
static void bring_up(void)
{
	static const struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
	} up = {.head = {.nlmsg_len = sizeof(up), .nlmsg_type = RTM_NEWLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
	        .link = {.ifi_index = 1, .ifi_flags = 1, .ifi_change = 1}};
	struct nlq_msg *reply;

	usock_lock(stack);
	reply = nlq_process_datagram(&up, sizeof(up), inet_handlers, usock_inet(stack), 1, 0);
	nlq_free(&reply);
	usock_unlock(stack);
}

static int datagram_socket(int family)
{
	struct sockaddr_in addr = loopback();
	struct sockaddr_in6 addr6 = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	int fd = made(f.socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0));

	if (family == AF_INET)
		check(f.bind(on(fd), (struct sockaddr *)&addr, sizeof(addr)) == 0);
	else
		check(f.setsockopt(on(fd), IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int)) == 0 &&
		      f.bind(on(fd), (struct sockaddr *)&addr6, sizeof(addr6)) == 0);
	return fd;
}

static void start(void)
{
	struct sockaddr_in addr = loopback();

	f = (struct ioth_functions){
	        .size = sizeof(f), .getstackdata = get_stack, .getsockdata = get_socket, .setsockdata = set_socket};
	stack = ioth_lwip_newstack(NULL, "seed=1", &f);
	check(stack != NULL);
	bring_up();
	listener = made(f.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	check(f.bind(on(listener), (struct sockaddr *)&addr, sizeof(addr)) == 0 && f.listen(on(listener), 16) == 0);
	udp4 = datagram_socket(AF_INET);
	udp6 = datagram_socket(AF_INET6);
	tap = made(f.socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL)));
	for (int i = 0; i < CLIENTS; i++)
		client[i] = server[i] = -1;
}

/** record - take note of the frames that have passed */
static void record(void)
{
	ssize_t len;

	do {
		struct record *r = &records[recorded % RECORDS];

		len = f.recv(on(tap), r->bytes, sizeof(r->bytes), MSG_DONTWAIT);
		if (len > ETH_HLEN) {
			r->len = (size_t)len;
			recorded++;
		}
	} while (len >= 0);
}

static void drop(int *fd)
{
	if (*fd >= 0)
		f.close(on(*fd));
	*fd = -1;
}

/** again - close a connection, connect it again */
static void again(unsigned int i, bool reset)
{
	struct linger linger = {.l_onoff = 1};
	struct sockaddr_in addr = loopback();

	if (client[i] >= 0 && reset)
		f.setsockopt(on(client[i]), SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	drop(&client[i]);
	drop(&server[i]);
	client[i] = made(f.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	(void)f.connect(on(client[i]), (struct sockaddr *)&addr, sizeof(addr));
	server[i] = f.accept(on(listener), NULL, NULL);
	if (server[i] >= 0) {
		made(server[i]);
		fcntl(server[i], F_SETFL, O_NONBLOCK);
	}
}

/** put_sum - the checksum at @at of @data, with a pseudo header when @protocol is not 0 */
static void put_sum(unsigned char *data, size_t len, size_t at, int family, const unsigned char *addrs, int protocol)
{
	uint32_t sum = 0;
	uint16_t folded;

	if (len < at + 2)
		return;
	data[at] = data[at + 1] = 0;
	if (protocol) {
		union inet_ip src, dst;
		size_t size = family == AF_INET ? 4 : 16;

		memcpy(&src, addrs, size);
		memcpy(&dst, addrs + size, size);
		sum = usock__checksum_pseudo(family, &src, &dst, protocol, len);
	}
	folded = usock__checksum_fold(usock__checksum(sum, data, len, false));
	memcpy(data + at, &folded, sizeof(folded));
}

/** make_right - checksums of an IP packet whose headers have been changed */
static void make_right(unsigned char *packet, size_t len)
{
	bool four = len >= 20 && packet[0] >> 4 == 4;
	size_t head = four ? (packet[0] & 15U) * 4 : 40;
	int protocol;

	if (len < head || (four && head < 20) || len < 40)
		return;
	protocol = packet[four ? 9 : 6];
	if (protocol == IPPROTO_TCP)
		put_sum(packet + head, len - head, 16, four ? AF_INET : AF_INET6, packet + (four ? 12 : 8), protocol);
	else if (protocol == IPPROTO_UDP)
		put_sum(packet + head, len - head, 6, four ? AF_INET : AF_INET6, packet + (four ? 12 : 8), protocol);
	else if (protocol == IPPROTO_ICMP)
		put_sum(packet + head, len - head, 2, AF_INET, NULL, 0);
	else if (protocol == IPPROTO_ICMPV6)
		put_sum(packet + head, len - head, 2, AF_INET6, packet + 8, protocol);
	if (four)
		put_sum(packet, head, 10, AF_INET, NULL, 0);
}

/** inject - a frame comes in on lo */
static void inject(const unsigned char *frame, size_t len)
{
	unsigned char *bytes;
	void *buffer;

	usock_lock(stack);
	bytes = stack->engine->rx_alloc(stack->e, len, &buffer);
	check(bytes != NULL);
	memcpy(bytes, frame, len);
	if (!inet_input(inet_iface_first(usock_inet(stack)), bytes, len, buffer))
		stack->engine->rx_free(stack->e, buffer);
	usock_unlock(stack);
}

/** repeat - a recorded frame, changed: pairs of a place (in the packet) and a value */
static void repeat(unsigned int which, bool right, unsigned int shorter, const uint8_t *changes, size_t count)
{
	struct record copy;

	if (recorded == 0)
		return;
	copy = records[which % (recorded < RECORDS ? recorded : RECORDS)];
	for (size_t i = 0; i + 1 < count; i += 2) {
		size_t at = ETH_HLEN + changes[i];

		if (at < copy.len)
			copy.bytes[at] ^= changes[i + 1];
	}
	copy.len -= shorter < copy.len - ETH_HLEN ? shorter : 0;
	if (right)
		make_right(copy.bytes + ETH_HLEN, copy.len - ETH_HLEN);
	inject(copy.bytes, copy.len);
}

/** raw - any bytes as an IP packet */
static void raw(bool right, const uint8_t *bytes, size_t len)
{
	unsigned char frame[ETH_HLEN + 256] = {0};

	if (len == 0)
		return;
	memcpy(frame + ETH_HLEN, bytes, len);
	frame[12] = bytes[0] >> 4 == 6 ? 0x86 : 0x08;
	frame[13] = bytes[0] >> 4 == 6 ? 0xdd : 0x00;
	if (right)
		make_right(frame + ETH_HLEN, len);
	inject(frame, ETH_HLEN + len);
}

static uint32_t get_number(const unsigned char *at)
{
	uint32_t number;

	memcpy(&number, at, sizeof(number));
	return ntohl(number);
}

static void add_number(unsigned char *at, uint32_t more)
{
	uint32_t number = htonl(get_number(at) + more);

	memcpy(at, &number, sizeof(number));
}

/** adopt_tcp - make the IPv4 segment @tcp continue the recorded one @like, or answer it */
static void adopt_tcp(unsigned char *tcp, const struct record *like, bool answer)
{
	const unsigned char *ip = like->bytes + ETH_HLEN, *theirs = ip + (ip[0] & 15U) * 4;
	size_t header = (size_t)(theirs[12] >> 4) * 4, before = (size_t)(theirs + header - like->bytes);
	uint32_t end = get_number(theirs + 4) + (before < like->len ? (uint32_t)(like->len - before) : 0U);

	end += (theirs[13] & 2U ? 1U : 0U) + (theirs[13] & 1U); /* SYN, FIN */
	memcpy(tcp, theirs + (answer ? 2 : 0), 2);
	memcpy(tcp + 2, theirs + (answer ? 0 : 2), 2);
	add_number(tcp + 4, answer ? get_number(theirs + 8) : end);
	add_number(tcp + 8, answer ? end : get_number(theirs + 8));
}

/** adopt - a packet of another network as one of ours; what it is not long enough for stays as it is */
static void adopt(unsigned int which, bool answer, const uint8_t *bytes, size_t len)
{
	static const unsigned char here4[4] = {127, 0, 0, 1}, here6[16] = {[15] = 1};
	const struct record *like = &records[which % RECORDS];
	unsigned char frame[ETH_HLEN + 256] = {0}, *ip = frame + ETH_HLEN;
	bool six = len > 0 && bytes[0] >> 4 == 6;
	size_t header = len == 0 ? 0 : six ? 40 : (bytes[0] & 15U) * 4;

	if (header < 20 || len < header + 8)
		return;
	memcpy(ip, bytes, len);
	frame[12] = six ? 0x86 : 0x08;
	frame[13] = six ? 0xdd : 0x00;
	for (size_t at = six ? 8 : 12; at < (six ? 40 : 20); at += six ? 16 : 4)
		if (ip[at] != 0xff && (six || ip[at] >> 4 != 14)) /* groups stay */
			memcpy(ip + at, six ? here6 : here4, six ? 16 : 4);
	if (!six && ip[9] == IPPROTO_TCP && len >= header + 20 && like->len >= ETH_HLEN + 40 &&
	    like->bytes[ETH_HLEN] == 0x45 && like->bytes[ETH_HLEN + 9] == IPPROTO_TCP)
		adopt_tcp(ip + header, like, answer);
	else if (ip[six ? 6 : 9] == IPPROTO_UDP)
		memcpy(ip + header + 2, (uint16_t[]){htons(PORT)}, 2);
	make_right(ip, len);
	inject(frame, ETH_HLEN + len);
}

/** drain - read what there is */
static void drain(int fd, int flags)
{
	static char bytes[4096];
	ssize_t len;
	int left = 4096;

	if (fd < 0)
		return;
	do {
		len = f.recv(on(fd), bytes, sizeof(bytes), flags | MSG_DONTWAIT);
		check(len <= (ssize_t)sizeof(bytes));
	} while (len > 0 && left-- > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[4096];

	if (!stack)
		start();
	for (unsigned int i = 0; i < CLIENTS; i++)
		again(i, true);
	record();
	while (size >= 4) {
		unsigned int what = data[0] % 11, a = data[1], i = data[2] % CLIENTS, c = data[3];
		const uint8_t *rest = data + 4;
		size_t len = what >= 7 ? a : 0;

		if (len > size - 4)
			len = size - 4;
		data += 4 + len;
		size -= 4 + len;
		if (what == 0)
			(void)f.send(on(client[i]), text, a * 16, MSG_NOSIGNAL | (c & 1 ? MSG_MORE : 0));
		else if (what == 1 && server[i] >= 0)
			(void)f.send(on(server[i]), text, a * 16, MSG_NOSIGNAL);
		else if (what == 2)
			drain(c & 1 ? client[i] : server[i], 0);
		else if (what == 3)
			again(i, c & 1);
		else if (what == 4)
			(void)f.send(on(client[i]), text, 1, MSG_OOB | MSG_NOSIGNAL);
		else if (what == 5)
			(void)f.shutdown(on(client[i]), (int)(c % 3));
		else if (what == 6)
			record();
		else if (what <= 8)
			repeat(data[-(ptrdiff_t)len - 2], !(c & 1), c >> 1 & 31, rest, len);
		else if (what == 9)
			raw(!(c & 1), rest, len);
		else
			adopt(data[-(ptrdiff_t)len - 2], c & 1, rest, len);
	}
	record();
	drain(udp4, 0);
	drain(udp6, 0);
	for (unsigned int i = 0; i < CLIENTS; i++) {
		drain(client[i], 0);
		drain(server[i], MSG_OOB);
		drain(server[i], 0);
	}
	for (int fd; (fd = f.accept(on(listener), NULL, NULL)) >= 0;) {
		made(fd);
		f.close(on(fd));
	}
	return 0;
}
