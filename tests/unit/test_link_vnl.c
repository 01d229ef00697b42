/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_link_vnl.c - locators: which text is a name, which is a network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "link.h"

static const struct {
	const char *text;
	const char *ifname; /* NULL: malformed */
	const char *vnl;
} locators[] = {
        {"vde:///tmp/sw", "vde7", "vde:///tmp/sw"},
        {"vde://", "vde7", "vde://"},
        {"tap://t0", "vde7", "tap://t0"},
        {"/tmp/sw", "vde7", "/tmp/sw"},
        {"/tmp/s:w", NULL, NULL}, /* "/tmp/s" is no name */
        {"://", "vde7", "://"},
        {"eth0:vde:///tmp/sw", "eth0", "vde:///tmp/sw"},
        {"eth0:vxvde://239.1.2.3:4000", "eth0", "vxvde://239.1.2.3:4000"},
        {"eth0:/tmp/sw", "eth0", "/tmp/sw"},
        {"eth0:a:b", "eth0", "a:b"},
        {"eth0::", "eth0", ":"},
        {"eth0:://x", "eth0", "://x"},
        {"a:b", "a", "b"},
        {"a:/b", "a", "/b"},
        {"a:/", "a", "/"},
        {"a://", "vde7", "a://"},
        {"vxvde://[ff05::1]", "vde7", "vxvde://[ff05::1]"},
        {"udp://127.0.0.1:1->127.0.0.1:2", "vde7", "udp://127.0.0.1:1->127.0.0.1:2"},
        {"123456789012345:x", "123456789012345", "x"},
        {"\xc3\xa9t\xc3\xa9:x", "\xc3\xa9t\xc3\xa9", "x"},
        {"...:x", "...", "x"},
        {".a:x", ".a", "x"},
        {"%i:x", "%i", "x"},
        {"", NULL, NULL},
        {":", NULL, NULL},
        {":x", NULL, NULL},
        {"eth0:", NULL, NULL},
        {"1234567890123456:x", NULL, NULL},
        {".:x", NULL, NULL},
        {"..:x", NULL, NULL},
        {"a/b:x", NULL, NULL},
        {"/:x", NULL, NULL},
        {"a b:x", NULL, NULL},
        {" a:x", NULL, NULL},
        {"a\t:x", NULL, NULL},
        {"a\n:x", NULL, NULL},
        {"\x01:x", NULL, NULL},
        {"a\x7f:x", NULL, NULL},
};

static void locators_are_taken_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(locators) / sizeof(*locators); i++) {
		struct link_vnl out;
		int want = locators[i].ifname ? 0 : -EINVAL;
		int got = link_vnl_parse(locators[i].text, 7, &out);

		if (got != want)
			fail_msg("\"%s\": %d instead of %d", locators[i].text, got, want);
		if (got != 0)
			continue;
		assert_string_equal(out.ifname, locators[i].ifname);
		assert_string_equal(out.vnl, locators[i].vnl);
		/* The network is inside the text that was parsed, not a copy. */
		assert_ptr_equal(out.vnl, locators[i].text + strlen(locators[i].text) - strlen(locators[i].vnl));
	}
}

static void unnamed_interfaces_are_numbered(void **state)
{
	static const unsigned int indexes[] = {0, 1, 10, 4294967295U};

	(void)state;
	for (size_t i = 0; i < sizeof(indexes) / sizeof(*indexes); i++) {
		struct link_vnl out;
		char want[32];

		snprintf(want, sizeof(want), "vde%u", indexes[i]);
		assert_int_equal(link_vnl_parse("vde://", indexes[i], &out), 0);
		assert_string_equal(out.ifname, want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(locators_are_taken_apart),
	        cmocka_unit_test(unnamed_interfaces_are_numbered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
