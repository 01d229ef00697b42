/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_mac.c - ioth_ntomac and ioth_macton, the text form of MAC addresses. Needs the header alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ioth.h"

static const uint8_t sample[6] = {0x02, 0x0a, 0xbc, 0x00, 0xff, 0x7e};

/* macton must read @text as the sample, or (good == 0) refuse it without touching the output */
static void check(const char *text, int good)
{
	static const uint8_t untouched[6] = {1, 1, 1, 1, 1, 1};
	uint8_t mac[6];

	memcpy(mac, untouched, 6);
	if (ioth_macton(text, mac) != good)
		fail_msg("ioth_macton(\"%s\") should return %d", text, good);
	assert_memory_equal(mac, good ? sample : untouched, 6);
}

static void test_ntomac(void **state)
{
	static const uint8_t ends[6] = {0, 0, 0, 0, 0, 0xff};
	char text[MAC_ADDRSTRLEN + 1];

	(void)state;
	assert_int_equal(MAC_ADDRSTRLEN, strlen("xx:xx:xx:xx:xx:xx") + 1);
	memset(text, '#', sizeof(text));
	assert_ptr_equal(ioth_ntomac(sample, text, MAC_ADDRSTRLEN), text);
	assert_string_equal(text, "02:0a:bc:00:ff:7e");
	assert_int_equal(text[MAC_ADDRSTRLEN], '#');
	assert_ptr_equal(ioth_ntomac(ends, text, sizeof(text)), text);
	assert_string_equal(text, "00:00:00:00:00:ff");
}

static void test_ntomac_small(void **state)
{
	char text[MAC_ADDRSTRLEN];

	(void)state;
	memset(text, '#', sizeof(text));
	for (size_t size = 0; size < MAC_ADDRSTRLEN; size++)
		assert_null(ioth_ntomac(sample, text, size));
	for (size_t i = 0; i < sizeof(text); i++)
		assert_int_equal(text[i], '#');
}

static void test_macton(void **state)
{
	(void)state;
	check("02:0a:bc:00:ff:7e", 1);
	check("02:0A:BC:00:FF:7E", 1);
	check("02-0a-bc-00-ff-7e", 1);
	check("2:a:bc:0:ff:7e", 1);
	check("2-A:bC:0-ff:7e", 1);
}

static void test_macton_malformed(void **state)
{
	static const char *const bad[] = {
	        "",
	        ":",
	        "02",
	        "02:0a:bc:00:ff",
	        "02:0a:bc:00:ff:",
	        "02:0a:bc:00:ff:7e:",
	        "02:0a:bc:00:ff:7e:01",
	        "002:0a:bc:00:ff:7e",
	        "02:0a:bc:00:ff:07e",
	        "02:0a:bc::00:ff:7e",
	        ":02:0a:bc:00:ff",
	        "020abc00ff7e",
	        "02.0a.bc.00.ff.7e",
	        "02:0a:bc:00:ff:7g",
	        "0x2:0a:bc:00:ff:7e",
	        " 02:0a:bc:00:ff:7e",
	        "02:0a:bc:00:ff:7e ",
	        "02: a:bc:00:ff:7e",
	        "+2:0a:bc:00:ff:7e",
	        "-2:0a:bc:00:ff:7e",
	        "02:0a:bc:00:ff:7e\n",
	        "zz:zz:zz:zz:zz:zz",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check(bad[i], 0);
}

/* what one writes the other reads, for every value of every byte */
static void test_round_trip(void **state)
{
	(void)state;
	for (int at = 0; at < 6; at++) {
		for (int value = 0; value < 256; value++) {
			char text[MAC_ADDRSTRLEN], expected[MAC_ADDRSTRLEN];
			uint8_t mac[6], back[6];

			memcpy(mac, sample, 6);
			mac[at] = (uint8_t)value;
			snprintf(expected, sizeof(expected), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
			         mac[3], mac[4], mac[5]);
			assert_string_equal(ioth_ntomac(mac, text, sizeof(text)), expected);
			assert_int_equal(ioth_macton(text, back), 1);
			assert_memory_equal(back, mac, 6);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_ntomac),     cmocka_unit_test(test_ntomac_small),
	        cmocka_unit_test(test_macton),     cmocka_unit_test(test_macton_malformed),
	        cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests_name("mac", tests, NULL, NULL);
}
