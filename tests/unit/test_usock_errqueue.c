/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Errors that the network reports: IP_RECVERR and MSG_ERRQUEUE, and what ICMP messages of all kinds mean to sockets. */
#include "plugin_ipengine.h"
#include "usock_same.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdlib.h>

static void on(int fd, int level, int name, int value)
{
	assert_int_equal(ioth_setsockopt(fd, level, name, &value, sizeof(value)), 0);
}

static void say_poll(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI};

	poll(&p, 1, 0);
	say("poll: %x", (unsigned int)p.revents);
}

static void say_error(int fd)
{
	int error = -1;
	socklen_t len = sizeof(error);

	assert_int_equal(ioth_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	say("SO_ERROR %s", strerrorname_np(error));
}

static void say_queue(int fd, size_t room, size_t control_room)
{
	union {
		struct cmsghdr align;
		char bytes[512];
	} control;
	char data[600];
	struct sockaddr_storage name;
	struct iovec piece = {.iov_base = data, .iov_len = room};
	struct msghdr msg = {.msg_name = &name,
	                     .msg_namelen = sizeof(name),
	                     .msg_control = control.bytes,
	                     .msg_controllen = control_room,
	                     .msg_iov = &piece,
	                     .msg_iovlen = 1};
	long len;

	memset(&control, 0, sizeof(control));
	memset(&name, 0, sizeof(name));
	len = say_result("errqueue", ioth_recvmsg(fd, &msg, MSG_ERRQUEUE));
	if (len < 0)
		return;
	say("flags %x", (unsigned int)msg.msg_flags);
	same_hex("name", &name, msg.msg_namelen);
	same_hex("data", data, (size_t)len);
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		say("cmsg %d %d", cmsg->cmsg_level, cmsg->cmsg_type);
		same_hex("data", CMSG_DATA(cmsg), cmsg->cmsg_len - CMSG_LEN(0));
	}
}

static void nobody4(struct ioth *stack)
{
	int fd = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in nobody = in4("127.0.0.1", 4099), other = in4("127.0.0.1", 4098);

	say_queue(fd, 100, 100);
	on(fd, IPPROTO_IP, IP_RECVERR, 1);
	SAY(ioth_sendto(fd, "first", 5, 0, SA(nobody)));
	say_poll(fd);
	SAY(ioth_sendto(fd, "second", 6, 0, SA(other)));
	SAY(ioth_sendto(fd, "third", 5, 0, SA(other)));
	say_poll(fd);
	say_queue(fd, 3, 100);
	say_poll(fd);
	say_error(fd);
	say_queue(fd, 100, 20);
	say_queue(fd, 100, 100);
	say_queue(fd, 100, 100);
	say_poll(fd);
	SAY(ioth_sendto(fd, "last", 4, 0, SA(nobody)));
	on(fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1);
	say_poll(fd);
	SAY(ioth_recv(fd, &nobody, 4, MSG_DONTWAIT));
	say_poll(fd);
	on(fd, IPPROTO_IP, IP_RECVERR, 0);
	say_poll(fd);
	ioth_close(fd);
}

static void nobody6(struct ioth *stack)
{
	int fd = ioth_msocket(stack, AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 nobody = in6("::1", 4099, NULL, stack);
	struct sockaddr_in four = in4("127.0.0.1", 4099);

	on(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
	SAY(ioth_sendto(fd, "first", 5, 0, SA(nobody)));
	say_queue(fd, 100, 100);
	SAY(ioth_sendto(fd, "four", 4, 0, SA(four)));
	say_poll(fd);
	say_queue(fd, 100, 100);
	on(fd, IPPROTO_IP, IP_RECVERR, 1);
	SAY(ioth_sendto(fd, "four", 4, 0, SA(four)));
	say_poll(fd);
	say_queue(fd, 100, 100);
	ioth_close(fd);
}

/** beside_data - errors and data are read independently */
static void beside_data(struct ioth *stack)
{
	int fd = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0), friend = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in nobody = in4("127.0.0.1", 4099), me = in4("127.0.0.1", 4098);
	char data[8];

	SAY(ioth_bind(fd, SA(me)));
	on(fd, IPPROTO_IP, IP_RECVERR, 1);
	SAY(ioth_sendto(fd, "x", 1, 0, SA(nobody)));
	say_poll(fd);
	SAY(ioth_sendto(friend, "data", 4, 0, SA(me)));
	say_poll(fd);
	say_error(fd);
	say_poll(fd);
	SAY(ioth_recv(fd, data, sizeof(data), 0));
	say_poll(fd);
	say_queue(fd, 100, 100);
	say_poll(fd);
	ioth_close(fd);
	ioth_close(friend);
}

static void too_long(struct ioth *stack)
{
	static char big[3000];
	int fd = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0), fd6 = ioth_msocket(stack, AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in far = in4("198.51.100.1", 9);
	struct sockaddr_in6 far6 = in6("2001:db8:7::1", 9, NULL, stack);

	on(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	SAY(ioth_sendto(fd, big, sizeof(big), 0, SA(far)));
	say_queue(fd, 100, 100);
	on(fd, IPPROTO_IP, IP_RECVERR, 1);
	SAY(ioth_sendto(fd, big, sizeof(big), 0, SA(far)));
	say_poll(fd);
	say_error(fd);
	say_queue(fd, 100, 100);
	on(fd6, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
	on(fd6, IPPROTO_IPV6, IPV6_RECVERR, 1);
	SAY(ioth_sendto(fd6, big, sizeof(big), 0, SA(far6)));
	say_poll(fd6);
	say_queue(fd6, 100, 100);
	ioth_close(fd);
	ioth_close(fd6);
}

/* ------------------------------------------------------------------------------- what the kernel's own table says,
 * code by code */

static uint16_t sum_of(const unsigned char *data, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/** put_in - the error comes in: by the engine, or on the kernel by a raw socket on lo */
static void put_in(struct ioth *stack, const unsigned char *packet, size_t len)
{
	if (stack) {
		bool (*inject)(const char *, int, const void *, size_t) =
		        (bool (*)(const char *, int, const void *, size_t))same_symbol("ipengine_inject");

		assert_true(inject("lo", AF_INET, packet, len));
	} else {
		int raw = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
		struct sockaddr_in to = in4("127.0.0.1", 0);

		assert_true(raw >= 0);
		assert_int_equal(sendto(raw, packet, len, 0, SA(to)), (int)len);
		ioth_close(raw);
	}
}

/** icmp4 - an ICMP error from 127.0.0.9 about a datagram 127.0.0.1:@sport -> 127.0.0.1:@dport */
static void icmp4(struct ioth *stack, int type, int code, int info, int sport, int dport)
{
	unsigned char p[20 + 8 + 20 + 8 + 4] = {0x45,
	                                        0,
	                                        0,
	                                        sizeof(p),
	                                        0,
	                                        1,
	                                        0,
	                                        0,
	                                        64,
	                                        IPPROTO_ICMP,
	                                        0,
	                                        0,
	                                        127,
	                                        0,
	                                        0,
	                                        9,
	                                        127,
	                                        0,
	                                        0,
	                                        1,
	                                        (unsigned char)type,
	                                        (unsigned char)code,
	                                        0,
	                                        0,
	                                        0,
	                                        0,
	                                        (unsigned char)(info >> 8),
	                                        (unsigned char)info,
	                                        0x45,
	                                        0,
	                                        0,
	                                        32,
	                                        0,
	                                        1,
	                                        0,
	                                        0,
	                                        64,
	                                        IPPROTO_UDP,
	                                        0,
	                                        0,
	                                        127,
	                                        0,
	                                        0,
	                                        1,
	                                        127,
	                                        0,
	                                        0,
	                                        1,
	                                        (unsigned char)(sport >> 8),
	                                        (unsigned char)sport,
	                                        (unsigned char)(dport >> 8),
	                                        (unsigned char)dport,
	                                        0,
	                                        12,
	                                        0,
	                                        0,
	                                        'd',
	                                        'a',
	                                        't',
	                                        'a'};
	uint16_t sum = sum_of(p, 20, 0);

	memcpy(p + 10, &sum, 2);
	if (type == ICMP_PARAMETERPROB) {
		p[24] = (unsigned char)info;
		p[26] = p[27] = 0;
	}
	sum = sum_of(p + 20, sizeof(p) - 20, 0);
	memcpy(p + 22, &sum, 2);
	put_in(stack, p, sizeof(p));
}

/** codes4 - each type and code, on a socket that is connected, one that is not, and with the error queue */
static void codes4(struct ioth *stack)
{
	static const int types[] = {ICMP_DEST_UNREACH,  ICMP_TIME_EXCEEDED, ICMP_PARAMETERPROB,
	                            ICMP_SOURCE_QUENCH, ICMP_ECHOREPLY,     44};
	struct sockaddr_in peer = in4("127.0.0.1", 4201), me = in4("127.0.0.1", 4202);
	int fd = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0), sink = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0);

	SAY(ioth_bind(sink, SA(peer)));
	SAY(ioth_bind(fd, SA(me)));
	for (int how = 0; how < 4; how++) {
		if (how == 1)
			SAY(ioth_connect(fd, SA(peer)));
		if (how >= 2)
			on(fd, IPPROTO_IP, IP_RECVERR, 1);
		if (how == 3)
			on(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
		for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
			for (int code = 0; code < 18; code++) {
				say("how %d type %d code %d", how, types[t], code);
				icmp4(stack, types[t], code, 1300, 4202, 4201);
				say_error(fd);
				if (how >= 2)
					say_queue(fd, 100, 100);
			}
		}
	}
	say("another port");
	icmp4(stack, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0, 4202, 4203);
	say_error(fd);
	icmp4(stack, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0, 4204, 4201);
	say_error(fd);
	ioth_close(fd);
	ioth_close(sink);
}

#define SAME(script)                                                                                                   \
	static void same_##script(void **state)                                                                        \
	{                                                                                                              \
		(void)state;                                                                                           \
		same(script);                                                                                          \
	}

SAME(nobody4)
SAME(nobody6)
SAME(beside_data)
SAME(too_long)
SAME(codes4)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(same_nobody4),  cmocka_unit_test(same_nobody6), cmocka_unit_test(same_beside_data),
	        cmocka_unit_test(same_too_long), cmocka_unit_test(same_codes4),
	};

	same_place();
	return cmocka_run_group_tests(tests, same_open, same_close);
}
