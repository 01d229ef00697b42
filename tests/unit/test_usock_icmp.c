/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What our stack does with packets that no program sent, and what it sends itself: seen at the engine. */
#include "plugin_ipengine.h"
#include "usock_same.h"

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <stdlib.h>

#define OUR4 "192.0.2.1"
#define PEER4 "192.0.2.9"
#define FAR4 "198.51.100.1"
#define OUR6 "2001:db8::1"
#define PEER6 "2001:db8::9"

static bool (*inject)(const char *ifname, int family, const void *bytes, size_t len);
static const unsigned char *sent;
static const size_t *sent_len;
static const unsigned int *sent_count;
static bool *full;

static unsigned int get16(const unsigned char *at)
{
	return (unsigned int)at[0] << 8 | at[1];
}

static uint32_t add(uint32_t sum, const void *data, size_t len)
{
	const unsigned char *at = data;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? at[i] : (uint32_t)at[i] << 8;
	return sum;
}

static unsigned int fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static void put16(unsigned char *at, unsigned int value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

/** header4, header6 - an IP header before @len bytes of payload; bytes written */
static size_t header4(unsigned char *at, const char *src, const char *dst, int protocol, size_t len)
{
	memset(at, 0, 20);
	at[0] = 0x45;
	put16(at + 2, (unsigned int)(20 + len));
	at[8] = 64;
	at[9] = (unsigned char)protocol;
	assert_int_equal(inet_pton(AF_INET, src, at + 12), 1);
	assert_int_equal(inet_pton(AF_INET, dst, at + 16), 1);
	put16(at + 10, fold(add(0, at, 20)));
	return 20;
}

static size_t header6(unsigned char *at, const char *src, const char *dst, int protocol, size_t len)
{
	memset(at, 0, 40);
	at[0] = 0x60;
	put16(at + 4, (unsigned int)len);
	at[6] = (unsigned char)protocol;
	at[7] = 64;
	assert_int_equal(inet_pton(AF_INET6, src, at + 8), 1);
	assert_int_equal(inet_pton(AF_INET6, dst, at + 24), 1);
	return 40;
}

/** udp_in - a datagram comes in from port 9; @sum: added to the right checksum, or -1 for none */
static void udp_in(int family, const char *src, const char *dst, int port, size_t len, int sum, size_t padding)
{
	unsigned char p[3000];
	size_t at = family == AF_INET ? header4(p, src, dst, IPPROTO_UDP, 8 + len + padding)
	                              : header6(p, src, dst, IPPROTO_UDP, 8 + len + padding);
	size_t size = family == AF_INET ? 8 : 32;
	unsigned int check;

	memset(p + at, 'd', 8 + len + padding);
	put16(p + at, 9);
	put16(p + at + 2, (unsigned int)port);
	put16(p + at + 4, (unsigned int)(8 + len));
	put16(p + at + 6, 0);
	check = fold(add(add(0, p + at - size, size) + IPPROTO_UDP + (uint32_t)len + 8, p + at, 8 + len));
	put16(p + at + 6, sum < 0 ? 0 : check + (unsigned int)sum);
	assert_true(inject("d0", family, p, at + 8 + len + padding));
}

static int bound(int family, int port)
{
	int fd = ioth_msocket(same_ours(), family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in addr = in4("0.0.0.0", port);
	struct sockaddr_in6 addr6 = in6("::", port, NULL, same_ours());

	assert_true(fd >= 0);
	if (family == AF_INET)
		assert_int_equal(ioth_bind(fd, SA(addr)), 0);
	else
		assert_int_equal(ioth_bind(fd, SA(addr6)), 0);
	return fd;
}

static ssize_t got(int fd)
{
	char data[2048];

	return ioth_recv(fd, data, sizeof(data), 0);
}

static void checksums(void **state)
{
	int fd = bound(AF_INET, 4401), fd6 = bound(AF_INET6, 4402), on = 1;

	(void)state;
	udp_in(AF_INET, PEER4, OUR4, 4401, 5, 0, 0);
	assert_int_equal(got(fd), 5);
	udp_in(AF_INET, PEER4, OUR4, 4401, 5, 1, 0);
	assert_int_equal(got(fd), -1);
	udp_in(AF_INET, PEER4, OUR4, 4401, 5, -1, 0);
	assert_int_equal(got(fd), 5);
	udp_in(AF_INET, PEER4, OUR4, 4401, 5, 0, 11); /* the IP packet is longer than the datagram */
	assert_int_equal(got(fd), 5);
	udp_in(AF_INET6, PEER6, OUR6, 4402, 5, 0, 0);
	assert_int_equal(got(fd6), 5);
	udp_in(AF_INET6, PEER6, OUR6, 4402, 5, 1, 0);
	assert_int_equal(got(fd6), -1);
	udp_in(AF_INET6, PEER6, OUR6, 4402, 5, -1, 0);
	assert_int_equal(got(fd6), -1);
	assert_int_equal(ioth_setsockopt(fd6, IPPROTO_UDP, UDP_NO_CHECK6_RX, &on, sizeof(on)), 0);
	udp_in(AF_INET6, PEER6, OUR6, 4402, 5, -1, 0);
	assert_int_equal(got(fd6), 5);
	ioth_close(fd);
	ioth_close(fd6);
}

/** answers - how many packets left since @before */
static unsigned int answers(unsigned int before)
{
	return *sent_count - before;
}

static void unreachable(void **state)
{
	unsigned int before = *sent_count;
	struct in_addr us;

	(void)state;
	udp_in(AF_INET, "192.0.2.21", OUR4, 4499, 900, 0, 0);
	assert_int_equal(answers(before), 1);
	assert_int_equal(*sent_len, 576);
	assert_int_equal(sent[1], 0xc0); /* internetwork control */
	assert_int_equal(sent[9], IPPROTO_ICMP);
	inet_pton(AF_INET, OUR4, &us);
	assert_memory_equal(sent + 12, &us, 4);
	assert_int_equal(sent[20], ICMP_DEST_UNREACH);
	assert_int_equal(sent[21], ICMP_PORT_UNREACH);
	assert_int_equal(fold(add(0, sent, 20)), 0);
	assert_int_equal(fold(add(0, sent + 20, *sent_len - 20)), 0);
	assert_int_equal(get16(sent + 28 + 20 + 2), 4499);
	before = *sent_count;
	udp_in(AF_INET6, "2001:db8::21", OUR6, 4499, 1400, 0, 0);
	assert_int_equal(answers(before), 1);
	assert_int_equal(*sent_len, 1280);
	assert_int_equal(sent[40], ICMP6_DST_UNREACH);
	assert_int_equal(sent[41], ICMP6_DST_UNREACH_NOPORT);
	assert_int_equal(fold(add(add(0, sent + 8, 32) + IPPROTO_ICMPV6 + 1240, sent + 40, 1240)), 0);
}

static void unknown_protocol(void **state)
{
	unsigned int before = *sent_count;
	unsigned char p[100] = {0};
	size_t len = header4(p, "192.0.2.22", OUR4, 200, 20);

	(void)state;
	assert_true(inject("d0", AF_INET, p, len + 20));
	assert_int_equal(answers(before), 1);
	assert_int_equal(sent[20], ICMP_DEST_UNREACH);
	assert_int_equal(sent[21], ICMP_PROT_UNREACH);
	before = *sent_count;
	len = header6(p, "2001:db8::22", OUR6, 200, 20);
	assert_true(inject("d0", AF_INET6, p, len + 20));
	assert_int_equal(answers(before), 1);
	assert_int_equal(sent[40], ICMP6_PARAM_PROB);
	assert_int_equal(sent[41], ICMP6_PARAMPROB_NEXTHEADER);
	assert_int_equal(sent[47], 6); /* where the next header is named */
}

static void silence(void **state)
{
	unsigned int before = *sent_count;
	unsigned char p[100] = {0};
	size_t len;

	(void)state;
	udp_in(AF_INET, "192.0.2.31", "192.0.2.255", 4499, 5, 0, 0);
	udp_in(AF_INET, "192.0.2.31", "224.0.0.1", 4499, 5, 0, 0);
	udp_in(AF_INET, "0.0.0.0", OUR4, 4499, 5, 0, 0);
	udp_in(AF_INET, "192.0.2.255", OUR4, 4499, 5, 0, 0);
	udp_in(AF_INET, "224.0.0.5", OUR4, 4499, 5, 0, 0);
	udp_in(AF_INET6, PEER6, "ff02::1", 4499, 5, 0, 0);
	udp_in(AF_INET6, "::", OUR6, 4499, 5, 0, 0);
	udp_in(AF_INET6, "ff02::1", OUR6, 4499, 5, 0, 0);
	udp_in(AF_INET, "192.0.2.31", OUR4, 4499, 5, 1, 0); /* damaged: nobody knows for whom it was */
	len = header4(p, "192.0.2.31", OUR4, IPPROTO_ICMP, 36);
	p[len] = ICMP_DEST_UNREACH;
	assert_true(inject("d0", AF_INET, p, len + 36));
	assert_int_equal(answers(before), 0);
}

static void limited(void **state)
{
	unsigned int before = *sent_count;

	(void)state;
	/* Six at once to a host, fewer when an earlier test's host has, by chance, its allowance in the same place; a second more would be
	   needed for the next. */
	for (int i = 0; i < 30; i++)
		udp_in(AF_INET, "192.0.2.40", OUR4, 4499, 5, 0, 0);
	assert_in_range(answers(before), 1, 9);
	/* Other hosts are not to suffer, but for one or two whose allowance stands, by chance, in the same place. */
	before = *sent_count;
	for (int i = 0; i < 16; i++) {
		char host[16];

		snprintf(host, sizeof(host), "192.0.2.%d", 100 + i);
		udp_in(AF_INET, host, OUR4, 4499, 5, 0, 0);
	}
	assert_in_range(answers(before), 12, 16);
}

static void identification(void **state)
{
	int fd = bound(AF_INET, 4403), mode = IP_PMTUDISC_DONT;
	struct sockaddr_in to = in4(PEER4, 9);
	unsigned int first;

	(void)state;
	assert_int_equal(ioth_sendto(fd, "x", 1, 0, SA(to)), 1);
	assert_int_equal(get16(sent + 6), 0x4000); /* it must not be cut, so it needs no identification */
	assert_int_equal(get16(sent + 4), 0);
	assert_int_equal(fold(add(0, sent, 20)), 0);
	assert_int_equal(ioth_setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &mode, sizeof(mode)), 0);
	assert_int_equal(ioth_sendto(fd, "x", 1, 0, SA(to)), 1);
	assert_int_equal(get16(sent + 6), 0);
	first = get16(sent + 4);
	assert_int_equal(ioth_sendto(fd, "x", 1, 0, SA(to)), 1);
	assert_int_equal(get16(sent + 4), (first + 1) & 0xffff);
	ioth_close(fd);
}

/** too_big - a router says that a packet of ours was too long */
static void too_big(int port, unsigned int mtu)
{
	unsigned char p[100] = {0};
	size_t at = header4(p, "192.0.2.254", OUR4, IPPROTO_ICMP, 36);

	p[at] = ICMP_DEST_UNREACH;
	p[at + 1] = ICMP_FRAG_NEEDED;
	put16(p + at + 6, mtu);
	header4(p + at + 8, OUR4, FAR4, IPPROTO_UDP, 1400);
	put16(p + at + 28, (unsigned int)port);
	put16(p + at + 30, 9);
	put16(p + at + 2, fold(add(0, p + at, 36)));
	assert_true(inject("d0", AF_INET, p, at + 36));
}

static void path_mtu(void **state)
{
	static char data[1400];
	int fd = bound(AF_INET, 4404), mtu = 0, mode = IP_PMTUDISC_DO;
	socklen_t len = sizeof(mtu);
	struct sockaddr_in to = in4(FAR4, 9);

	(void)state;
	assert_int_equal(ioth_connect(fd, SA(to)), 0);
	assert_int_equal(ioth_send(fd, data, sizeof(data), 0), sizeof(data));
	too_big(4405, 1300); /* about a socket that there is not: nobody believes it */
	assert_int_equal(ioth_getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &len), 0);
	assert_int_equal(mtu, 1500);
	too_big(4404, 1300);
	assert_int_equal(ioth_getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &len), 0);
	assert_int_equal(mtu, 1300);
	assert_int_equal(ioth_send(fd, "x", 1, 0), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(ioth_setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &mode, sizeof(mode)), 0);
	assert_int_equal(ioth_send(fd, data, 1300 - 27, 0), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(ioth_send(fd, data, 1300 - 28, 0), 1300 - 28);
	too_big(4404, 68); /* Linux does not believe less than 552 */
	assert_int_equal(ioth_getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &len), 0);
	assert_int_equal(mtu, 552);
	ioth_close(fd);
}

static void no_memory(void **state)
{
	int fd = bound(AF_INET, 4406), raw = ioth_msocket(same_ours(), AF_INET, SOCK_RAW, 99);
	struct sockaddr_in to = in4(PEER4, 9);

	(void)state;
	*full = true;
	assert_int_equal(ioth_sendto(fd, "x", 1, 0, SA(to)), -1);
	assert_int_equal(errno, ENOBUFS);
	assert_int_equal(ioth_sendto(raw, "x", 1, 0, SA(to)), -1);
	assert_int_equal(errno, ENOBUFS);
	udp_in(AF_INET, "192.0.2.51", OUR4, 4499, 5, 0, 0); /* no memory for the answer, either */
	*full = false;
	assert_int_equal(ioth_sendto(fd, "x", 1, 0, SA(to)), 1);
	assert_int_equal(ioth_sendto(fd, "held back", 9, MSG_MORE, SA(to)), 9);
	ioth_close(fd);
	ioth_close(raw);
}

static int setup(void **state)
{
	same_open(state);
	inject = (bool (*)(const char *, int, const void *, size_t))same_symbol("ipengine_inject");
	sent = same_symbol("ipengine_sent");
	sent_len = same_symbol("ipengine_sent_len");
	sent_count = same_symbol("ipengine_sent_count");
	full = same_symbol("ipengine_full");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(checksums), cmocka_unit_test(unreachable), cmocka_unit_test(unknown_protocol),
	        cmocka_unit_test(silence),   cmocka_unit_test(limited),     cmocka_unit_test(identification),
	        cmocka_unit_test(path_mtu),  cmocka_unit_test(no_memory),
	};

	same_place();
	return cmocka_run_group_tests(tests, setup, same_close);
}
