/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_vdestack_options.c - the options of a vdestack stack */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "vdestack.h"

#include <errno.h>

static void test_good(void **state)
{
	struct vde_options options;

	(void)state;
	assert_int_equal(vde_options_parse("", &options), 0);
	assert_null(options.pcap);
	assert_int_equal(vde_options_parse(NULL, &options), 0);
	assert_null(options.pcap);
	assert_int_equal(vde_options_parse("pcap=/tmp/%i.pcap", &options), 0);
	assert_string_equal(options.pcap, "/tmp/%i.pcap");
	free(options.pcap);
	assert_int_equal(vde_options_parse("pcap=a=b", &options), 0);
	assert_string_equal(options.pcap, "a=b");
	free(options.pcap);
}

static void test_bad(void **state)
{
	static const char *const bad[] = {"pcap",          "pcap=",        "pcap=a,", ",pcap=a", ",",      "PCAP=a",
	                                  "pcap=a,pcap=b", "pcap=a,mtu=1", "pcapa=b", "=",       " pcap=a"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vde_options options;

		if (vde_options_parse(bad[i], &options) != -EINVAL)
			fail_msg("\"%s\" should be refused", bad[i]);
		assert_null(options.pcap);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
