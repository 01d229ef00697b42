/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_iothaddr.c - addresses computed from names.
 *
 * The digests in the comments come from md5sum(1): printf %s NAME | md5sum.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "iothaddr.h"

#define NAME "test.v2.cs.unibo.it" /* 69d62fac095a5a2ee4c2c79f211e57e3 */

static struct in6_addr parse(const char *text)
{
	struct in6_addr addr;

	assert_int_equal(inet_pton(AF_INET6, text, &addr), 1);
	return addr;
}

static void expect_addr(const struct in6_addr *addr, const char *text)
{
	char got[INET6_ADDRSTRLEN];

	assert_string_equal(inet_ntop(AF_INET6, addr, got, sizeof(got)), text);
}

static void expect_hash(const char *prefix, const char *name, const char *passwd, uint32_t otiptime, const char *text)
{
	struct in6_addr addr = parse(prefix);

	iothaddr_hash(&addr, name, passwd, otiptime);
	expect_addr(&addr, text);
}

static void expect_hashmac(const char *name, const char *passwd, const uint8_t *expected)
{
	uint8_t mac[8] = {0, 0, 0, 0, 0, 0, 0x55, 0x55}; /* two bytes more, to see that they are left alone */

	iothaddr_hashmac(mac, name, passwd);
	assert_memory_equal(mac, expected, 6);
	assert_int_equal(mac[6], 0x55);
	assert_int_equal(mac[7], 0x55);
}

static void test_hash(void **state)
{
	(void)state;
	expect_hash("2000:760::", NAME, NULL, 0, "2000:760::68d6:2fac:95a:5a2e");
	expect_hash("2000:760::", NAME ".", NULL, 0, "2000:760::68d6:2fac:95a:5a2e");
	/* Test.v2...: 213ae182635cf039...; case matters */
	expect_hash("fd00::", "Test.v2.cs.unibo.it", NULL, 0, "fd00::203a:e182:635c:f039");
	/* "": d41d8cd98f00b204... */
	expect_hash("fd00::", "", NULL, 0, "fd00::d41d:8cd9:8f00:b204");
	expect_hash("fd00::", ".", NULL, 0, "fd00::d41d:8cd9:8f00:b204");
	expect_hash("fd00::", NULL, NULL, 0, "fd00::d41d:8cd9:8f00:b204");
	/* "a.": 9fbcccf456ef61f9...; of two final dots one is ignored */
	expect_hash("fd00::", "a..", NULL, 0, "fd00::9cbc:ccf4:56ef:61f9");
}

/* the host part is combined, not replaced, the prefix stays, and the two bits are cleared at the end */
static void test_hash_xor(void **state)
{
	(void)state;
	expect_hash("1:2:3:4:ffff:ffff:ffff:ffff", NAME, NULL, 0, "1:2:3:4:9429:d053:f6a5:a5d1");
	expect_hash("1:2:3:4:300::1", NAME, NULL, 0, "1:2:3:4:68d6:2fac:95a:5a2f");
}

static void test_hash_password(void **state)
{
	(void)state;
	/* test.v2.cs.unibo.itsecret: dcb1b2219d577a25... */
	expect_hash("fd00::", NAME, "secret", 0, "fd00::dcb1:b221:9d57:7a25");
	expect_hash("fd00::", NAME ".", "secret", 0, "fd00::dcb1:b221:9d57:7a25");
	expect_hash("fd00::", NAME, "", 0, "fd00::68d6:2fac:95a:5a2e");
	/* secret: 5ebe2294ecd0e0f0... */
	expect_hash("fd00::", NULL, "secret", 0, "fd00::5cbe:2294:ecd0:e0f0");
}

/* the time is hashed in network byte order: these digests were made with printf '%s\1\2\3\4' and '%s\0\0\0\7' */
static void test_hash_time(void **state)
{
	(void)state;
	expect_hash("fd00::", NAME, "secret", 0x01020304, "fd00::28cc:c39d:a4d1:5808");
	expect_hash("fd00::", NAME, NULL, 7, "fd00::44f3:d666:c19e:6b06");
}

static void test_hashmac(void **state)
{
	/* 69 d6 2f .. .. 5a 5a 2e, then the local bit (02) set and the multicast bit (01) cleared */
	static const uint8_t plain[6] = {0x6a, 0xd6, 0x2f, 0x5a, 0x5a, 0x2e};
	/* dc b1 b2 21 9d 57 7a 25 */
	static const uint8_t secret[6] = {0xde, 0xb1, 0xb2, 0x57, 0x7a, 0x25};

	(void)state;
	expect_hashmac(NAME, NULL, plain);
	expect_hashmac(NAME ".", NULL, plain);
	expect_hashmac(NAME, "secret", secret);
}

static void test_eui64(void **state)
{
	static const uint8_t mac[6] = {0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde}; /* the example of RFC 4291, appendix A */
	static const uint8_t local[6] = {0x02, 0, 0, 0, 0, 1};
	struct in6_addr addr = parse("2001:db8:1:2:ffff:ffff:ffff:ffff");

	(void)state;
	iothaddr_eui64(&addr, mac);
	expect_addr(&addr, "2001:db8:1:2:3656:78ff:fe9a:bcde");
	iothaddr_eui64(&addr, local);
	expect_addr(&addr, "2001:db8:1:2:0:ff:fe00:1");
}

static void test_hasheui64(void **state)
{
	struct in6_addr addr = parse("2000:760::");
	struct in6_addr twosteps = parse("fd00::dead:beef");
	struct in6_addr atonce = parse("fd00::1");
	uint8_t mac[6];

	(void)state;
	iothaddr_hasheui64(&addr, NAME, NULL);
	expect_addr(&addr, "2000:760::68d6:2fff:fe5a:5a2e");
	iothaddr_hasheui64(&atonce, NAME, "secret");
	iothaddr_hashmac(mac, NAME, "secret");
	iothaddr_eui64(&twosteps, mac);
	expect_addr(&atonce, "fd00::dcb1:b2ff:fe57:7a25");
	assert_memory_equal(&atonce, &twosteps, sizeof(atonce));
}

/* addresses inside packets and records have any alignment */
static void test_unaligned(void **state)
{
	uint8_t buf[1 + 16], mac[1 + 6];
	struct in6_addr addr = parse("2000:760::");

	(void)state;
	memcpy(buf + 1, &addr, 16);
	iothaddr_hash(buf + 1, NAME, NULL, 0);
	memcpy(&addr, buf + 1, 16);
	expect_addr(&addr, "2000:760::68d6:2fac:95a:5a2e");
	iothaddr_hashmac(mac + 1, NAME, NULL);
	iothaddr_eui64(buf + 1, mac + 1);
	memcpy(&addr, buf + 1, 16);
	expect_addr(&addr, "2000:760::68d6:2fff:fe5a:5a2e");
}

/* time itself moves on while this runs: the answer lies between those of the two moments around the call */
static void test_otiptime(void **state)
{
	static const struct {
		int period, offset;
	} sample[] = {{1, 0}, {32, 0}, {32, 8}, {32, -8}, {86400, 0}, {86400, -86400}, {1, 1000000}};

	(void)state;
	assert_int_equal(iothaddr_otiptime(0, 0), 0);
	assert_int_equal(iothaddr_otiptime(0, 100), 0);
	assert_int_equal(iothaddr_otiptime(-32, 0), 0);
	for (size_t i = 0; i < sizeof(sample) / sizeof(sample[0]); i++) {
		int64_t before = time(NULL), after;
		uint32_t got = iothaddr_otiptime(sample[i].period, sample[i].offset);

		after = time(NULL);
		assert_in_range(got, (before + sample[i].offset) / sample[i].period,
		                (after + sample[i].offset) / sample[i].period);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_hash),          cmocka_unit_test(test_hash_xor),
	        cmocka_unit_test(test_hash_password), cmocka_unit_test(test_hash_time),
	        cmocka_unit_test(test_hashmac),       cmocka_unit_test(test_eui64),
	        cmocka_unit_test(test_hasheui64),     cmocka_unit_test(test_unaligned),
	        cmocka_unit_test(test_otiptime),
	};

	return cmocka_run_group_tests_name("iothaddr", tests, NULL, NULL);
}
