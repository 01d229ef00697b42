/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_nlq_iproute.c - ip(8) on the model stack: its own messages are answered as Linux answers them.
 *
 * A list of commands is run twice, in a private network of the kernel and, with nlq_relay.c preloaded, on the model of
 * nlq_model.h. Output and exit status must be the same, but for what the model does not model: see normalize.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "kernel_net.h"
#include "nlq_model.h"
#include "relay_server.h"

static struct model *model;

static struct nlq_msg *answer(void *of, const void *requests, size_t len, uint32_t portid, unsigned int options)
{
	(void)of;
	return nlq_process_datagram(requests, len, model_table, model, portid, options);
}

static struct relay_stack stack = {.answer = answer};

/* run a command on the model or on the kernel; its exit status */
static int run(const char *command, bool relayed, char *text)
{
	return relay_run(relayed ? &stack : NULL, command, text);
}

static void cut(char *text, const char *what)
{
	char *at = text;

	while ((at = strstr(at, what)) != NULL)
		memmove(at, at + strlen(what), strlen(at + strlen(what)) + 1);
}

/*
 * What the model does not model is removed from both outputs: carrier, queues, the state that comes from it; and the
 * words for an error, which change from one Linux to the next.
 */
static void normalize(char *text)
{
	static const char *const unmodelled[] = {
	        "NO-CARRIER,",
	        ",LOWER_UP",
	        "\"NO-CARRIER\",",
	        ",\"LOWER_UP\"",
	        " linkdown",
	        ",\"linkdown\"",
	        "\"linkdown\"",
	        " state DOWN",
	        " state UNKNOWN",
	        " qdisc noqueue",
	        " qdisc noop",
	        " uid 0",
	        ",\"uid\":0",
	        "\"operstate\":\"DOWN\",",
	        "\"operstate\":\"UNKNOWN\",",
	        "\"qdisc\":\"noqueue\",",
	        "\"qdisc\":\"noop\",",
	};
	char *at;

	for (size_t i = 0; i < sizeof(unmodelled) / sizeof(unmodelled[0]); i++)
		cut(text, unmodelled[i]);
	while ((at = strstr(text, "RTNETLINK answers: ")) != NULL || (at = strstr(text, "Error: ")) != NULL) {
		size_t line = strcspn(at, "\n");

		memmove(at + 1, at + line, strlen(at + line) + 1);
		*at = '!';
	}
}

static const char *const commands[] = {
        "ip link show",
        "ip link add d0 address 02:00:00:00:00:07 type bridge",
        "ip link add d0 type bridge",
        "ip link add d1 type no_such_kind",
        "ip link show",
        "ip link show dev d0",
        "ip link show dev nobody",
        "ip -o link show type bridge",
        "ip -o link show type dummy",
        "ip link show up",
        "ip -s link show dev d0",
        "ip -j link show",
        "ip link set dev d0 mtu 1400 txqueuelen 77",
        "ip link set dev d0 mtu 3",
        "ip link set dev nobody up",
        "ip link set dev d0 up",
        "ip link show up",

        "ip addr add 10.0.0.1/24 brd + dev d0",
        "ip addr add 10.0.0.1/24 brd + dev d0",
        "ip addr add 10.9.0.1 peer 10.9.0.2/32 dev d0 label d0:p",
        "ip addr add 10.0.0.2/24 dev d0",
        "ip -6 addr add fd00::1/64 dev d0 nodad",
        "ip addr show",
        "ip -4 addr show dev d0",
        "ip -o -6 addr show scope global",
        "ip addr show dev lo",
        "ip addr show to 10.9.0.0/16",
        "ip addr show secondary",
        "ip addr show label d0:p",
        "ip -j addr show",
        "ip addr del 10.0.0.2/24 dev d0",
        "ip addr del 10.0.0.2/24 dev d0",
        "ip addr show dev d0",

        "ip route show | sort",
        "ip route add 172.16.0.0/12 via 10.0.0.254",
        "ip route add 172.16.0.0/12 via 10.0.0.254",
        "ip route add default via 10.0.0.254 metric 5",
        "ip route add 192.0.2.0/24 via 192.168.77.1",
        "ip route add 192.0.2.0/24 dev d0 src 10.0.0.1",
        "ip route show | sort",
        "ip route show default",
        "ip route show dev d0 | sort",
        "ip route show dev lo",
        "ip route show proto kernel",
        "ip route show proto static",
        "ip route show root 172.16.0.0/12",
        "ip -6 route show",
        "ip -j route show 172.16.0.0/12",
        "ip route get 10.0.0.7",
        "ip route get 172.16.3.4",
        "ip route replace 172.16.0.0/12 via 10.0.0.253",
        "ip route show | sort",
        "ip route del 172.16.0.0/12",
        "ip route del 172.16.0.0/12",
        "ip route get 8.8.8.8",

        "ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev d0",
        "ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:0a dev d0",
        "ip neigh add 10.0.0.10 lladdr 02:00:00:00:00:0b dev d0 nud permanent",
        "ip neigh replace 10.0.0.10 lladdr 02:00:00:00:00:0c dev d0 nud permanent",
        "ip neigh show | sort",
        "ip neigh show dev d0 | sort",
        "ip neigh show dev lo",
        "ip -6 neigh show",
        "ip neigh get 10.0.0.9 dev d0",
        "ip neigh get 10.0.0.77 dev d0",
        "ip neigh del 10.0.0.9 dev d0",
        "ip neigh del 10.0.0.9 dev d0",
        "ip neigh show | sort",
        "ip neigh flush dev d0 nud all",
        "ip neigh show | sort",

        "ip route flush proto static",
        "ip route flush table main via 10.0.0.254",
        "ip route show | sort",
        "ip link set dev d0 down",
        "ip route show | sort",
        "ip link set dev d0 name e0",
        "ip link set dev d0 up",
        "ip -4 addr show dev e0",
        "ip -4 addr flush dev e0",
        "ip -4 addr show dev e0",
        "ip link del dev e0",
        "ip link del dev e0",
        "ip link show",
        "ip addr show",
};

static void test_same_as_linux(void **state)
{
	static char on_linux[RELAY_TEXT], on_model[RELAY_TEXT];
	int failed = 0;

	(void)state;
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		int linux_status = run(commands[i], false, on_linux), status = run(commands[i], true, on_model);

		normalize(on_linux);
		normalize(on_model);
		if (status == linux_status && strcmp(on_linux, on_model) == 0)
			continue;
		print_error("%s\nLinux, %d:\n%.900s\n", commands[i], linux_status, on_linux);
		print_error("model, %d:\n%.900s\n", status, on_model);
		failed++;
	}
	assert_int_equal(failed, 0);
}

/* the text of an error reaches the person */
static void test_error_text(void **state)
{
	static char text[RELAY_TEXT];

	(void)state;
	assert_int_equal(run("ip link set dev lo mtu 3", true, text), 2);
	assert_string_equal(text, "Error: mtu less than device minimum.\n");
	assert_int_equal(run("ip link add d1 type no_such_kind", true, text), 2);
	assert_string_equal(text, "Error: Unknown device type.\n");
	assert_int_equal(run("ip addr del 10.0.0.1/24 dev lo", true, text), 2);
	assert_string_equal(text, "Error: ipv4: Address not found.\n");
	assert_int_equal(run("ip route del 10.0.0.0/8", true, text), 2);
	assert_string_equal(text, "RTNETLINK answers: No such process\n");
	/* a family that the model does not have */
	assert_int_equal(run("ip rule add from 10.0.0.1 table 5", true, text), 2);
	assert_string_equal(text, "RTNETLINK answers: Operation not supported\n");
}

/* ip monitor hears of all that happens, in its order */
static const char *last;

static bool heard_last(const char *text)
{
	return strstr(text, last) != NULL;
}

static void test_monitor(void **state)
{
	static const char *const changes[] = {
	        "ip link add d0 address 02:00:00:00:00:07 type bridge",
	        "ip link set dev d0 up",
	        "ip addr add 10.0.0.1/24 dev d0",
	        "ip route add default via 10.0.0.9",
	        "ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev d0",
	        "ip neigh del 10.0.0.9 dev d0",
	        "ip route del default",
	        "ip addr del 10.0.0.1/24 dev d0",
	        "ip link del dev d0",
	};
	static const char *const wanted[] = {
	        "2: d0: <BROADCAST,MULTICAST> mtu 1500",
	        "2: d0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500",
	        "2: d0    inet 10.0.0.1/24 scope global d0",
	        "10.0.0.0/24 dev d0 proto kernel scope link src 10.0.0.1",
	        "default via 10.0.0.9 dev d0",
	        "10.0.0.9 dev d0 lladdr 02:00:00:00:00:09 PERMANENT",
	        "Deleted 10.0.0.9 dev d0 lladdr 02:00:00:00:00:09 PERMANENT",
	        "Deleted default via 10.0.0.9 dev d0",
	        "Deleted 10.0.0.0/24 dev d0",
	        "Deleted 2: d0    inet 10.0.0.1/24 scope global d0",
	        "Deleted 2: d0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500",
	};
	static char text[RELAY_TEXT], ignored[RELAY_TEXT];
	int pipe_fd;
	const char *at = text;
	pid_t pid = relay_start(&stack, "exec ip monitor link address route neigh", &pipe_fd);

	(void)state;
	*text = '\0';
	model->keep_changes = 1;
	relay_serve(&stack, pipe_fd, text, relay_subscribed);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		if (run(changes[i], true, ignored) != 0)
			fail_msg("%s: %s", changes[i], ignored);
	last = wanted[sizeof(wanted) / sizeof(wanted[0]) - 1];
	relay_serve(&stack, pipe_fd, text, heard_last);
	kill(pid, SIGTERM);
	relay_serve(&stack, pipe_fd, text, NULL);
	close(pipe_fd);
	assert_int_equal(relay_wait(&stack, pid), -1);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		const char *found = strstr(at, wanted[i]);

		if (found == NULL)
			fail_msg("'%s' is missing in:\n%s", wanted[i], at);
		at = found + strlen(wanted[i]);
	}
}

static int setup_model(void **state)
{
	(void)state;
	model = model_new();
	stack.changes = &model->changes;
	return 0;
}

static int teardown_model(void **state)
{
	(void)state;
	model_free(model);
	return relay_idle() ? 0 : -1;
}

#define TEST_MODEL(name) cmocka_unit_test_setup_teardown(test_##name, setup_model, teardown_model)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST_MODEL(same_as_linux), TEST_MODEL(error_text), TEST_MODEL(monitor)};
	int status = enter();

	if (status != 0)
		return status;
	relay_begin();
	status = cmocka_run_group_tests_name("nlq_iproute", tests, NULL, NULL);
	relay_end();
	return status;
}
