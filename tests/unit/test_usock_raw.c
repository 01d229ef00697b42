/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Raw and ping sockets: what they send, what they see, and their options. */
#include "usock_same.h"

#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdlib.h>

static int raw(struct ioth *stack, int family, int protocol)
{
	int fd = ioth_msocket(stack, family, SOCK_RAW | SOCK_NONBLOCK, protocol);

	assert_true(fd >= 0);
	return fd;
}

static void say_name(int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	memset(&addr, 0, sizeof(addr));
	if (SAY(ioth_getsockname(fd, (struct sockaddr *)&addr, &len)) == 0)
		same_hex("name", &addr, len);
	len = sizeof(addr);
	if (SAY(ioth_getpeername(fd, (struct sockaddr *)&addr, &len)) == 0)
		same_hex("peer", &addr, len);
}

/** say_packet - receive one; what differs by nature (identification, checksums) is blotted out */
static void say_packet(int fd, bool header)
{
	unsigned char data[256];
	struct sockaddr_storage from;
	socklen_t fromlen = sizeof(from);
	long len;

	memset(data, 0, sizeof(data));
	memset(&from, 0, sizeof(from));
	len = SAY(ioth_recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &fromlen));
	if (len < 0)
		return;
	if (header)
		data[4] = data[5] = data[10] = data[11] = 0;
	same_hex("from", &from, fromlen);
	same_hex("packet", data, (size_t)len);
}

static void plain4(struct ioth *stack)
{
	int a = raw(stack, AF_INET, 99), b = raw(stack, AF_INET, 99), c = raw(stack, AF_INET, 98);
	struct sockaddr_in here = in4("127.0.0.1", 0), there = in4("127.0.0.2", 7), alien = in4("198.51.100.9", 0);

	say_name(a);
	SAY(ioth_send(a, "x", 1, 0));
	SAY(ioth_sendto(a, "hello", 5, 0, SA(here)));
	say_packet(a, true);
	say_packet(b, true);
	say_packet(c, true);
	SAY(ioth_bind(b, SA(there)));
	SAY(ioth_bind(c, SA(alien)));
	say_name(b);
	SAY(ioth_sendto(a, "", 0, 0, SA(here)));
	say_packet(a, true);
	say_packet(b, true);
	SAY(ioth_sendto(a, "there", 5, 0, SA(there)));
	say_packet(a, true);
	say_packet(b, true);
	SAY(ioth_connect(a, SA(here)));
	say_name(a);
	SAY(ioth_sendto(b, "y", 1, 0, SA(here)));
	say_packet(a, true);
	SAY(ioth_send(a, "z", 1, 0));
	say_packet(a, true);
	ioth_close(a);
	ioth_close(b);
	ioth_close(c);
}

static void plain6(struct ioth *stack)
{
	int a = raw(stack, AF_INET6, 99), b = raw(stack, AF_INET6, 99), offset;
	struct sockaddr_in6 here = in6("::1", 0, NULL, stack), port = in6("::1", 98, NULL, stack),
	                    same_port = in6("::1", 99, NULL, stack), mapped = in6("::ffff:127.0.0.1", 0, NULL, stack);
	struct sockaddr_in four = in4("127.0.0.1", 0);
	socklen_t len = sizeof(offset);

	say_name(a);
	SAY(ioth_sendto(a, "hello", 5, 0, SA(here)));
	say_packet(a, false);
	say_packet(b, false);
	SAY(ioth_sendto(a, "hello", 5, 0, SA(port)));
	SAY(ioth_sendto(a, "hello", 5, 0, SA(same_port)));
	say_packet(a, false);
	say_packet(b, false);
	SAY(ioth_sendto(a, "hello", 5, 0, SA(mapped)));
	SAY(ioth_sendto(a, "hello", 5, 0, SA(four)));
	SAY(ioth_bind(a, SA(mapped)));
	SAY(ioth_bind(a, SA(four)));
	SAY(ioth_connect(a, SA(four)));
	SAY(ioth_getsockopt(a, IPPROTO_IPV6, IPV6_CHECKSUM, &offset, &len));
	say("offset %d", offset);
	offset = 2;
	SAY(ioth_setsockopt(a, IPPROTO_IPV6, IPV6_CHECKSUM, &offset, sizeof(offset)));
	SAY(ioth_sendto(a, "ab\0\0cdefg", 9, 0, SA(here)));
	say_packet(a, false);
	say_packet(b, false);
	SAY(ioth_sendto(b, "ab\0\0cdefg", 9, 0, SA(here)));
	say_packet(a, false);
	say_packet(b, false);
	SAY(ioth_sendto(a, "abc", 3, 0, SA(here)));
	offset = 3;
	SAY(ioth_setsockopt(a, IPPROTO_IPV6, IPV6_CHECKSUM, &offset, sizeof(offset)));
	offset = -5;
	SAY(ioth_setsockopt(a, IPPROTO_IPV6, IPV6_CHECKSUM, &offset, sizeof(offset)));
	SAY(ioth_getsockopt(a, IPPROTO_IPV6, IPV6_CHECKSUM, &offset, &len));
	say("offset %d", offset);
	ioth_close(a);
	ioth_close(b);
}

static void header_included(struct ioth *stack)
{
	unsigned char packet[25] = {0x45, 0, 0, 99,  0, 7, 0, 0,   33,  99,  1,   2,  0,
	                            0,    0, 0, 127, 0, 0, 1, 'h', 'e', 'l', 'l', 'o'};
	int a = raw(stack, AF_INET, 99), send_only = raw(stack, AF_INET, IPPROTO_RAW), on = 0;
	socklen_t len = sizeof(on);
	struct sockaddr_in here = in4("127.0.0.1", 0);

	SAY(ioth_getsockopt(send_only, IPPROTO_IP, IP_HDRINCL, &on, &len));
	say("hdrincl %d", on);
	say_name(send_only);
	SAY(ioth_sendto(send_only, packet, sizeof(packet), 0, SA(here)));
	say_packet(a, false);
	say_packet(send_only, true);
	on = 1;
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_HDRINCL, &on, sizeof(on)));
	SAY(ioth_sendto(a, packet, sizeof(packet), 0, SA(here)));
	say_packet(a, false);
	SAY(ioth_sendto(a, packet, 19, 0, SA(here)));
	packet[0] = 0x44;
	SAY(ioth_sendto(a, packet, sizeof(packet), 0, SA(here)));
	packet[0] = 0x4f;
	SAY(ioth_sendto(a, packet, sizeof(packet), 0, SA(here)));
	ioth_close(a);
	ioth_close(send_only);
}

static void icmp_filter(struct ioth *stack)
{
	int a = raw(stack, AF_INET, IPPROTO_ICMP), b = raw(stack, AF_INET, IPPROTO_ICMP),
	    other = raw(stack, AF_INET, 99);
	unsigned int filter = 0;
	socklen_t len = sizeof(filter);
	struct icmphdr echo = {
	        .type = ICMP_ECHO, .un.echo = {.id = htons(7), .sequence = htons(1)}, .checksum = htons(0xf7f7)};
	struct sockaddr_in here = in4("127.0.0.1", 0);

	SAY(ioth_getsockopt(a, SOL_RAW, 1, &filter, &len));
	say("filter %x", filter);
	filter = ~(1U << ICMP_ECHOREPLY);
	SAY(ioth_setsockopt(a, SOL_RAW, 1, &filter, sizeof(filter)));
	SAY(ioth_setsockopt(a, SOL_RAW, 2, &filter, sizeof(filter)));
	SAY(ioth_setsockopt(other, SOL_RAW, 1, &filter, sizeof(filter)));
	SAY(ioth_getsockopt(other, SOL_RAW, 1, &filter, &len));
	SAY(ioth_getsockopt(other, SOL_RAW, 2, &filter, &len));
	SAY(ioth_sendto(b, &echo, sizeof(echo), 0, SA(here)));
	say_packet(a, true);
	say_packet(a, true);
	say_packet(b, true);
	say_packet(b, true);
	say_packet(b, true);
	ioth_close(a);
	ioth_close(b);
	ioth_close(other);
}

static void icmp6_filter(struct ioth *stack)
{
	int a = raw(stack, AF_INET6, IPPROTO_ICMPV6), other = raw(stack, AF_INET6, 99), offset = 4;
	struct icmp6_filter filter;
	struct icmp6_hdr message = {.icmp6_type = 200};
	socklen_t len = sizeof(filter);
	struct sockaddr_in6 here = in6("::1", 0, NULL, stack);

	SAY(ioth_getsockopt(a, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, &len));
	same_hex("filter", &filter, len);
	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(200, &filter);
	SAY(ioth_setsockopt(a, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)));
	SAY(ioth_setsockopt(other, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)));
	SAY(ioth_setsockopt(a, IPPROTO_IPV6, IPV6_CHECKSUM, &offset, sizeof(offset)));
	SAY(ioth_sendto(a, &message, sizeof(message), 0, SA(here)));
	message.icmp6_type = 201;
	SAY(ioth_sendto(a, &message, sizeof(message), 0, SA(here)));
	say_packet(a, false);
	say_packet(a, false);
	ioth_close(a);
	ioth_close(other);
}

/** refused - nobody takes a protocol: an ICMP error, which a connected raw socket hears of */
static void refused(struct ioth *stack)
{
	int a = raw(stack, AF_INET, 97), on = 1, error = 0;
	socklen_t len = sizeof(error);
	struct sockaddr_in here = in4("127.0.0.2", 0);

	SAY(ioth_bind(a, SA(here)));
	here = in4("127.0.0.1", 0);
	SAY(ioth_connect(a, SA(here)));
	SAY(ioth_send(a, "x", 1, 0));
	SAY(ioth_getsockopt(a, SOL_SOCKET, SO_ERROR, &error, &len));
	say("SO_ERROR %s", strerrorname_np(error));
	SAY(ioth_send(a, "12345678", 8, 0)); /* an error has to quote that much to be looked at */
	SAY(ioth_getsockopt(a, SOL_SOCKET, SO_ERROR, &error, &len));
	say("SO_ERROR %s", strerrorname_np(error));
	SAY(ioth_setsockopt(a, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)));
	SAY(ioth_send(a, "12345678", 8, 0));
	SAY(ioth_recv(a, &on, 1, 0));
	SAY(ioth_recv(a, &on, 1, MSG_ERRQUEUE));
	SAY(ioth_recv(a, &on, 1, MSG_ERRQUEUE));
	ioth_close(a);
}

/* ---------------------------------------------------------------------------------------------------------------- ping
 */

static void ping4(struct ioth *stack)
{
	int a = ioth_msocket(stack, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, IPPROTO_ICMP), other;
	unsigned char echo[12] = {ICMP_ECHO, 0, 9, 9, 9, 9, 0, 1, 'd', 'a', 't', 'a'};
	struct sockaddr_in here = in4("127.0.0.1", 0), me = in4("127.0.0.1", 77), group = in4("224.0.0.1", 0);

	if (SAY(a < 0) == 1)
		return;
	say_name(a);
	SAY(ioth_bind(a, SA(group)));
	SAY(ioth_bind(a, SA(me)));
	SAY(ioth_bind(a, SA(me)));
	say_name(a);
	other = ioth_msocket(stack, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, IPPROTO_ICMP);
	SAY(ioth_bind(other, SA(me)));
	SAY(ioth_send(a, echo, sizeof(echo), 0));
	SAY(ioth_sendto(a, echo, 7, 0, SA(here)));
	SAY(ioth_sendto(a, echo, sizeof(echo), 0, SA(here)));
	say_packet(a, false);
	say_packet(a, false);
	echo[1] = 1;
	SAY(ioth_sendto(a, echo, sizeof(echo), 0, SA(here)));
	echo[1] = 0;
	echo[0] = ICMP_ECHOREPLY;
	SAY(ioth_sendto(a, echo, sizeof(echo), 0, SA(here)));
	SAY(ioth_connect(a, SA(here)));
	say_name(a);
	echo[0] = ICMP_ECHO;
	SAY(ioth_send(a, echo, sizeof(echo), 0));
	say_packet(a, false);
	SAY(ioth_recv(a, echo, 1, MSG_OOB));
	SAY(ioth_listen(a, 1));
	ioth_close(a);
	ioth_close(other);
}

static void ping6(struct ioth *stack)
{
	int a = ioth_msocket(stack, AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, IPPROTO_ICMPV6), on = 1;
	unsigned char echo[12] = {ICMP6_ECHO_REQUEST, 0, 9, 9, 9, 9, 0, 1, 'd', 'a', 't', 'a'};
	struct sockaddr_in6 here = in6("::1", 0, NULL, stack), me = in6("::1", 78, NULL, stack),
	                    mapped = in6("::ffff:127.0.0.1", 0, NULL, stack), local = in6("fe80::1", 0, NULL, stack);
	struct sockaddr_in four = in4("127.0.0.1", 0);

	if (SAY(a < 0) == 1)
		return;
	SAY(ioth_bind(a, SA(mapped)));
	SAY(ioth_bind(a, SA(local)));
	SAY(ioth_bind(a, SA(me)));
	say_name(a);
	SAY(ioth_sendto(a, echo, sizeof(echo), 0, SA(mapped)));
	SAY(ioth_sendto(a, echo, sizeof(echo), 0, SA(local)));
	SAY(ioth_sendto(a, echo, sizeof(echo), 0, SA(four)));
	SAY(ioth_sendto(a, echo, 4, 0, SA(here)));
	SAY(ioth_sendto(a, echo, sizeof(echo), 0, SA(here)));
	say_packet(a, false);
	SAY(ioth_setsockopt(a, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof(on)));
	SAY(ioth_setsockopt(a, IPPROTO_IPV6, IPV6_CHECKSUM, &on, sizeof(on)));
	SAY(ioth_connect(a, SA(mapped)));
	SAY(ioth_connect(a, SA(here)));
	SAY(ioth_send(a, echo, sizeof(echo), 0));
	say_packet(a, false);
	SAY(ioth_connect(a, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr)));
	say_name(a);
	SAY(ioth_send(a, echo, sizeof(echo), 0));
	ioth_close(a);
}

#define SAME(script)                                                                                                   \
	static void same_##script(void **state)                                                                        \
	{                                                                                                              \
		(void)state;                                                                                           \
		same(script);                                                                                          \
	}

SAME(plain4)
SAME(plain6)
SAME(header_included)
SAME(icmp_filter)
SAME(icmp6_filter)
SAME(refused)
SAME(ping4)
SAME(ping6)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(same_plain4),          cmocka_unit_test(same_plain6),
	        cmocka_unit_test(same_header_included), cmocka_unit_test(same_icmp_filter),
	        cmocka_unit_test(same_icmp6_filter),    cmocka_unit_test(same_refused),
	        cmocka_unit_test(same_ping4),           cmocka_unit_test(same_ping6),
	};
	FILE *range;

	same_place();
	range = fopen("/proc/sys/net/ipv4/ping_group_range", "w");
	if (range) {
		fputs("0 0", range);
		fclose(range);
	}
	return cmocka_run_group_tests(tests, same_open, same_close);
}
