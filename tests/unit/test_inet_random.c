/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_inet_random.c - random commands of ip(8) on a stack and on the kernel: after each handful both show the same.
 *
 * Addresses, networks and gateways come from small sets, so that they meet. Without an argument a few sequences are
 * tried, always the same ones; with a number, the sequence of that number only, with more output.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "inet_ip.h"

#define SEQUENCES 3
#define HANDFULS 12
#define HANDFUL 12

static struct fake fake;
static uint64_t state_of_random, only;

static unsigned int below(unsigned int limit)
{
	state_of_random = state_of_random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned int)(state_of_random >> 33) % limit;
}

#define PICK(array) ((array)[below(sizeof(array) / sizeof((array)[0]))])

static const char *const devices[] = {"d0", "d1"};

static void random_link(char *line, size_t size)
{
	static const char *const states[] = {"up", "up", "down", "mtu 1500", "mtu 1400", "mtu 1200", "multicast on"};

	if (below(6) == 0)
		snprintf(line, size, "link set lo %s", below(2) == 0 ? "up" : "down");
	else
		snprintf(line, size, "link set %s %s", PICK(devices), PICK(states));
}

static void random_addr4(char *line, size_t size)
{
	static const char *const verbs[] = {"add", "add", "add", "del", "replace"};
	static const char *const extras[] = {"", "", "", "noprefixroute", "metric 7", "brd +"};
	static const int lengths[] = {24, 24, 24, 16, 31, 32};
	const char *verb = PICK(verbs);

	snprintf(line, size, "addr %s 10.0.%u.%u/%d dev %s %s", verb, below(2), 1 + below(3), PICK(lengths),
	         PICK(devices), verb[0] == 'd' ? "" : PICK(extras));
}

static void random_addr6(char *line, size_t size)
{
	static const char *const verbs[] = {"add", "add", "add", "del", "replace"};
	static const char *const extras[] = {"", "", "noprefixroute", "metric 7"};
	static const int lengths[] = {64, 64, 64, 48, 128};
	const char *verb = PICK(verbs);

	snprintf(line, size, "addr %s fd00:0:0:%u::%u/%d dev %s %s nodad", verb, below(2), 1 + below(3), PICK(lengths),
	         PICK(devices), verb[0] == 'd' ? "" : PICK(extras));
}

static void random_route4(char *line, size_t size)
{
	static const char *const verbs[] = {"add",    "add",     "add", "append", "replace",
	                                    "change", "prepend", "del", "del"};
	static const char *const nets[] = {"default", "192.0.2.0/24", "192.0.0.0/16", "10.0.1.0/24", "203.0.113.9"};
	static const char *const extras[] = {"", "", "metric 5", "metric 9", "proto static", "table 77", "mtu 1300"};
	static const char *const kinds[] = {"unreachable", "blackhole", "prohibit", "throw"};
	const char *verb = PICK(verbs), *net = PICK(nets);

	switch (below(6)) {
	case 0:
		snprintf(line, size, "route %s %s %s %s", verb, PICK(kinds), net, PICK(extras));
		break;
	case 1:
	case 2:
		snprintf(line, size, "route %s %s dev %s %s", verb, net, PICK(devices), PICK(extras));
		break;
	case 3:
		snprintf(line, size, "route %s %s dev %s src 10.0.%u.%u", verb, net, PICK(devices), below(2),
		         1 + below(3));
		break;
	default:
		snprintf(line, size, "route %s %s via 10.0.%u.%u %s", verb, net, below(2), 1 + below(6), PICK(extras));
	}
}

static void random_route6(char *line, size_t size)
{
	static const char *const verbs[] = {"add", "add", "add", "del", "del"};
	static const char *const nets[] = {"::/0", "2001:db8::/32", "2001:db8:1::/48", "fd00:0:0:1::/64",
	                                   "2001:db8::9"};
	static const char *const extras[] = {"", "", "metric 5", "metric 9", "proto static", "table 77", "mtu 1300"};
	static const char *const kinds[] = {"unreachable", "blackhole", "prohibit", "throw"};
	const char *verb = PICK(verbs), *net = PICK(nets);

	switch (below(5)) {
	case 0:
		snprintf(line, size, "route %s %s %s %s", verb, PICK(kinds), net, PICK(extras));
		break;
	case 1:
	case 2:
		snprintf(line, size, "route %s %s dev %s %s", verb, net, PICK(devices), PICK(extras));
		break;
	default:
		snprintf(line, size, "route %s %s via fd00:0:0:%u::%u %s", verb, net, below(2), 1 + below(6),
		         PICK(extras));
	}
}

/** handful - some random commands, as one of the shell; each failure is told with its line */
static void handful(char *text, size_t size)
{
	static void (*const random[])(char *line, size_t size) = {random_link,   random_addr4, random_addr4,
	                                                          random_addr6,  random_addr6, random_route4,
	                                                          random_route4, random_route6};
	char line[200];
	size_t len = (size_t)snprintf(text, size, "ip -force -batch - <<'END' 2>&1 || true\n");

	for (int i = 0; i < HANDFUL; i++) {
		PICK(random)(line, sizeof(line));
		len += (size_t)snprintf(text + len, size - len, "%s\n", line);
	}
	snprintf(text + len, size - len, "END");
}

static void sequence(uint64_t seed)
{
	static const char *const shows[] = {
	        "ip addr show",
	        "ip route show table all",
	        "ip -6 route show table all",
	        "for a in 10.0.0.9 10.0.1.2 192.0.2.7 192.0.7.7 203.0.113.9 8.8.8.8; do ip route get $a; done 2>&1; : "
	        "get ",
	        "for a in fd00::9 fd00:0:0:1::2 2001:db8:1::7 2001:db8::9 2001:4860::1; do ip route get $a; done 2>&1; "
	        ": get ",
	};
	static char commands[HANDFUL * 220];
	int peers;

	fake_open(&fake);
	peers = ip_open(&fake);
	state_of_random = seed;
	for (int i = 0; i < HANDFULS; i++) {
		bool same;

		handful(commands, sizeof(commands));
		if (only != 0)
			print_message("%s\n", commands);
		same = ip_same(&fake, commands);
		for (size_t j = 0; j < sizeof(shows) / sizeof(shows[0]); j++)
			same &= ip_same(&fake, shows[j]);
		if (!same)
			fail_msg("sequence %llu, handful %d:\n%s", (unsigned long long)seed, i, commands);
	}
	close(peers);
	fake_close(&fake);
}

static void test_sequences(void **state)
{
	(void)state;
	if (only != 0) {
		sequence(only);
		return;
	}
	for (uint64_t seed = 1; seed <= SEQUENCES; seed++)
		sequence(seed);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_sequences)};
	int status = ip_begin();

	if (status != 0)
		return status;
	only = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
	status = cmocka_run_group_tests_name("inet_random", tests, NULL, NULL);
	ip_end();
	return status;
}
