/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kernel_net.h - a private network for tests of nlinline on the Linux kernel, and ip(8) as the witness.
 *
 * Every test starts in a namespace of its own with the pair of links v0, v1, both up, and must leave no descriptor
 * behind. Included once, by a test program, after cmocka.h.
 */
#ifndef KERNEL_NET_H
#define KERNEL_NET_H

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "left.h"
#include "netns.h"

#define EXIT_SKIP 77

static unsigned int v0; /* index of the link */

/* output of a command, or a failed test */
static inline const char *output(const char *command)
{
	static char text[65536];
	FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): the commands are those of the tests */
	size_t len;

	assert_non_null(pipe);
	len = fread(text, 1, sizeof(text) - 1, pipe);
	text[len] = '\0';
	if (pclose(pipe) != 0)
		fail_msg("%s failed: %s", command, text);
	return text;
}

static inline int succeeds(const char *command)
{
	return system(command) == 0; /* NOLINT(cert-env33-c): as above */
}

static inline void expect(const char *command, const char *wanted)
{
	const char *got = output(command);

	if (strstr(got, wanted) == NULL)
		fail_msg("%s should say '%s', but says:\n%s", command, wanted, got);
}

static inline void expect_not(const char *command, const char *unwanted)
{
	const char *got = output(command);

	if (strstr(got, unwanted) != NULL)
		fail_msg("%s should not say '%s', but says:\n%s", command, unwanted, got);
}

#define assert_error(expected, call)                                                                                   \
	do {                                                                                                           \
		errno = 0;                                                                                             \
		assert_int_equal(call, -1);                                                                            \
		assert_int_equal(errno, expected);                                                                     \
	} while (0)

static inline struct in_addr ip4(const char *text)
{
	struct in_addr addr = {0};

	assert_int_equal(inet_pton(AF_INET, text, &addr), 1);
	return addr;
}

static inline struct in6_addr ip6(const char *text)
{
	struct in6_addr addr = IN6ADDR_ANY_INIT;

	assert_int_equal(inet_pton(AF_INET6, text, &addr), 1);
	return addr;
}

static struct left before;

static inline int setup(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	output("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up");
	v0 = if_nametoindex("v0");
	return v0 > 0 && left_count(&before) == 0 ? 0 : -1;
}

static inline int teardown(void **state)
{
	char left[256];

	(void)state;
	if (left_since(&before, left, sizeof(left)) == 0)
		return 0;
	print_error("left behind: %s\n", left);
	return -1;
}

/* leave for a private network; 0, or the status to exit with, having said why */
static inline int enter(void)
{
	int forbidden;

	if (!succeeds("ip -V >/dev/null 2>&1")) {
		printf("skipped: there is no ip(8) (Debian: iproute2) to check the results with\n");
		return EXIT_SKIP;
	}
	forbidden = netns_private();
	if (forbidden == 0)
		return 0;
	printf("skipped: user and network namespaces are forbidden here: %s\n", strerror(-forbidden));
	return EXIT_SKIP;
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

#endif
