/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_inet_rtnl.c - ip(8) on the configuration of a stack: its own messages are answered as Linux answers them.
 *
 * A list of commands is run twice, in a private network of the kernel and, with nlq_relay.c preloaded, on a struct
 * inet behind inet_handlers. Output, words of errors and exit status must be the same. The interface d0 is the end of
 * a veth pair there and on a VDE network here, and has the same hardware address; what tells the two apart is taken
 * out of both outputs (normalize).
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "inet_rtnl_commands.h"
#include "kernel_net.h"
#include "relay_server.h"
#include "rtnl_stack.h"

static const unsigned char mac[6] = {2, 0, 0, 0, 0, 7};

static struct rtnl_stack *stack;
static const char *kernel_kind; /* of interfaces that need nothing and know no neighbours, as this kernel has them */

/* --------------------------------------------------------------------------------------------------------- commands */

static struct nlq_msg *answer(void *of, const void *requests, size_t len, uint32_t portid, unsigned int options)
{
	(void)of;
	return rtnl_stack_serve(stack, requests, len, portid, options);
}

static struct relay_stack server = {.answer = answer};

/* whom a command runs on, which finds in its environment what kind of interface there is */
static const struct relay_stack *choose(bool relayed)
{
	setenv("KIND", relayed ? "dummy" : kernel_kind, 1);
	return relayed ? &server : NULL;
}

/* run a command here or on the kernel; its exit status */
static int run(const char *command, bool relayed, char *text)
{
	return relay_run(choose(relayed), command, text);
}

static void cut(char *text, const char *what)
{
	char *at = text;

	while ((at = strstr(at, what)) != NULL)
		memmove(at, at + strlen(what), strlen(at + strlen(what)) + 1);
}

/* every number before @unit becomes N */
static void blur(char *text, const char *unit)
{
	char *at = text, *digit;

	while ((at = strstr(at, unit)) != NULL) {
		for (digit = at; digit > text && digit[-1] >= '0' && digit[-1] <= '9'; digit--)
			;
		if (digit < at) {
			*digit = 'N';
			memmove(digit + 1, at, strlen(at) + 1);
			at = digit + 1;
		}
		at += strlen(unit);
	}
}

/* the same in JSON, for times after @key; none left and for ever stay */
static void blur_times(char *text, const char *key)
{
	char *at = text;

	while ((at = strstr(at, key)) != NULL) {
		size_t digits;

		at += strlen(key);
		digits = strspn(at, "0123456789");
		if (digits > 1 && strncmp(at, "4294967295", digits) != 0) {
			*at = 'N';
			memmove(at + 1, at + digits, strlen(at + digits) + 1);
		}
	}
}

/* what tells a veth pair from a port on a VDE network, an ifb from a dummy, and one second from the next */
static void normalize(char *text)
{
	cut(text, "@if2");
	cut(text, " link-netnsid 0");
	cut(text, ",\"link_index\":2");
	cut(text, "\"link_index\":2,");
	cut(text, ",\"link_netnsid\":0");
	cut(text, "pfifo_fast");
	cut(text, "fq_codel");
	cut(text, "noqueue");
	blur(text, "sec");
	blur_times(text, "_life_time\":");
	blur_times(text, "\"expires\":");
}

/* ------------------------------------------------------------------------------------------------------- comparison */

static pid_t peer_pid;

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (!succeeds(command))
		fail_msg("%s failed", command);
}

/* the network of the kernel: lo, and d0 whose other end is up in another namespace */
static void kernel_network(void)
{
	int ready[2];
	char byte;

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	peer_pid = fork();
	assert_true(peer_pid >= 0);
	if (peer_pid == 0) {
		if (unshare(CLONE_NEWNET) != 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	shell("ip link add d0 address 02:00:00:00:00:07 type veth peer name p0 netns %d", (int)peer_pid);
	shell("nsenter -t %d -n ip link set dev p0 up", (int)peer_pid);
	shell("ip link set dev d0 addrgenmode none");
}

static void kernel_network_end(void)
{
	kill(peer_pid, SIGKILL);
	assert_int_equal(waitpid(peer_pid, NULL, 0), peer_pid);
}

/* how many bytes at the start of two texts are lines that they have in common */
static size_t common(const char *a, const char *b)
{
	size_t line = 0;

	for (size_t i = 0; a[i] != '\0' && a[i] == b[i]; i++) {
		if (a[i] == '\n')
			line = i + 1;
	}
	return line;
}

static void same_as_linux(const char *const commands[], size_t count)
{
	static char on_linux[RELAY_TEXT], on_stack[RELAY_TEXT];
	int failed = 0;

	kernel_network();
	for (size_t i = 0; i < count; i++) {
		int linux_status = run(commands[i], false, on_linux), status = run(commands[i], true, on_stack);

		normalize(on_linux);
		normalize(on_stack);
		if (status == linux_status && strcmp(on_linux, on_stack) == 0)
			continue;
		print_error("%s\nLinux, %d:\n%.900s\n", commands[i], linux_status,
		            on_linux + common(on_linux, on_stack));
		print_error("stack, %d:\n%.900s\n", status, on_stack + common(on_linux, on_stack));
		failed++;
	}
	kernel_network_end();
	assert_int_equal(failed, 0);
}

/* a test that runs a list of inet_rtnl_commands.h */
#define SAME_TEST(name)                                                                                                \
	static void test_##name(void **state)                                                                          \
	{                                                                                                              \
		(void)state;                                                                                           \
		same_as_linux(name##_commands, sizeof(name##_commands) / sizeof(name##_commands[0]));                  \
	}

SAME_TEST(link)
SAME_TEST(addr)
SAME_TEST(route)
SAME_TEST(route6)
SAME_TEST(neigh)
/* ---------------------------------------------------------------------------------------------------------- refused */

/* what a stack does not do it refuses, and says so; what it has is shown */
static void test_refused(void **state)
{
	static const struct {
		const char *command, *says;
	} refused[] = {
	        {"ip rule add from 10.0.0.1 table 5", "Error: Rules of this stack cannot be changed.\n"},
	        {"ip rule del pref 32766", "Error: Rules of this stack cannot be changed.\n"},
	        {"tc qdisc add dev d0 root pfifo", "Error: Queueing of this stack cannot be changed.\n"},
	        {"tc qdisc del dev d0 root", "Error: Queueing of this stack cannot be changed.\n"},
	        {"ip route add 10.5.0.0/16 nexthop via 10.0.0.2 nexthop via 10.0.0.3",
	         "Error: Routes of this stack have one next hop.\n"},
	        {"ip route add 10.5.0.0/16 via inet6 fe80::1 dev d0",
	         "Error: A gateway must be of the family of the route.\n"},
	        {"ip route add 10.5.0.0/16 dev d0 realm 5", "Error: Realms are not supported by this stack.\n"},
	        {"ip route get 10.0.0.7 from 10.0.0.9 iif d0",
	         "Error: Routes of forwarded packets cannot be asked for.\n"},
	        {"ip route show table 78", "Error: ipv4: FIB table does not exist.\nDump terminated\n"},
	        {"ip link set dev d0 master lo", "Error: Interfaces of this stack have no master.\n"},
	        {"ip link set dev d0 netns 1", "Error: Attribute not supported by this stack.\n"},
	        {"ip link set dev d0 carrier off", "Error: The carrier is that of the network.\n"},
	        {"ip link set dev d0 protodown on", "Error: Protodown not supported by device.\n"},
	        {"ip link add d9 type vde", "Error: A link of kind vde needs a VDE network locator.\n"},
	        {"ip link add d9 mtu 20 type dummy", "Error: mtu less than device minimum.\n"},
	        {"ip link show dev d9", "Device \"d9\" does not exist.\n"},
	        {"ip link property add dev d0 altname another", "RTNETLINK answers: Operation not supported\n"},
	        {"ip nexthop add id 5 dev d0", "RTNETLINK answers: Operation not supported\n"},
	};
	static char text[RELAY_TEXT];
	int failed = 0;

	(void)state;
	assert_int_equal(run("ip link set dev d0 up && ip addr add 10.0.0.1/24 dev d0", true, text), 0);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		int status = run(refused[i].command, true, text);

		if (status != 0 && strcmp(text, refused[i].says) == 0)
			continue;
		print_error("%s: %d\n%s", refused[i].command, status, text);
		failed++;
	}
	assert_int_equal(failed, 0);
}

/* ---------------------------------------------------------------------------------------------------------- monitor */

static const char *awaited;

static bool heard(const char *text)
{
	return strstr(text, awaited) != NULL;
}

/*
 * ip monitor on the kernel forgets what it hears while it still lists the links: neighbours come and go until it tells of one.
 */
static void tune_in(int pipe_fd, char *text)
{
	struct pollfd p = {.fd = pipe_fd, .events = POLLIN};
	char command[160], wanted[32], *found = NULL;
	static char ignored[RELAY_TEXT];

	for (int i = 1; found == NULL || strchr(found, '\n') == NULL; i++) {
		assert_true(i < 250);
		snprintf(command, sizeof(command),
		         "ip neigh add 192.0.2.%d lladdr 02:00:00:00:00:63 dev d0 && ip neigh del 192.0.2.%d dev d0", i,
		         i);
		snprintf(wanted, sizeof(wanted), "Deleted 192.0.2.%d ", i);
		assert_int_equal(run(command, false, ignored), 0);
		while (((found = strstr(text, wanted)) == NULL || strchr(found, '\n') == NULL) &&
		       poll(&p, 1, 200) > 0) {
			size_t len = strlen(text);
			ssize_t got = read(pipe_fd, text + len, RELAY_TEXT - 1 - len);

			assert_true(got > 0);
			text[len + (size_t)got] = '\0';
		}
	}
	*text = '\0';
}

/* Linux remembers groups as neighbours; a stack does not have to */
static void cut_groups(char *text)
{
	char *at;

	while ((at = strstr(text, "Deleted ff02:")) != NULL) {
		size_t line = strcspn(at, "\n") + 1;

		memmove(at, at + line, strlen(at + line) + 1);
	}
}

/* what ip monitor prints while the commands run */
static void monitored(const char *const commands[], size_t count, bool relayed, char *text)
{
	static char ignored[RELAY_TEXT];
	const struct relay_stack *on = choose(relayed);
	int pipe_fd;
	pid_t pid = relay_start(on, "exec ip monitor link address route neigh", &pipe_fd);

	*text = '\0';
	if (relayed)
		relay_serve(on, pipe_fd, text, relay_subscribed);
	else
		tune_in(pipe_fd, text);
	for (size_t i = 0; i < count; i++) {
		if (run(commands[i], relayed, ignored) != 0)
			fail_msg("%s: %s", commands[i], ignored);
		awaited = strstr(commands[i], "# ");
		if (awaited == NULL)
			continue;
		awaited += 2;
		relay_serve(on, pipe_fd, text, heard);
	}
	kill(pid, SIGTERM);
	*ignored = '\0';
	relay_serve(on, pipe_fd, ignored, NULL);
	close(pipe_fd);
	assert_int_equal(relay_wait(on, pid), -1);
	normalize(text);
	cut_groups(text);
	if (strstr(text, "marker") != NULL)
		*strstr(text, "marker") = '\0';
}

static void test_monitor(void **state)
{
	static char on_linux[RELAY_TEXT], on_stack[RELAY_TEXT];
	size_t count = sizeof(monitor_commands) / sizeof(monitor_commands[0]);

	(void)state;
	kernel_network();
	/* the carrier of a veth comes a little later */
	shell("ip link set dev d0 up");
	assert_int_equal(netns_link_running("d0"), 0);
	assert_int_equal(run("ip link set dev d0 up", true, on_stack), 0);
	monitored(monitor_commands, count, false, on_linux);
	monitored(monitor_commands, count, true, on_stack);
	kernel_network_end();
	if (strcmp(on_linux, on_stack) != 0) {
		fprintf(stderr, "Linux:\n%s\nstack:\n%s\n", on_linux + common(on_linux, on_stack),
		        on_stack + common(on_linux, on_stack));
		fail();
	}
}

/* ------------------------------------------------------------------------------------------------------------- tests */

static int setup_stack(void **state)
{
	struct inet_iface *d0;

	(void)state;
	stack = rtnl_stack_new();
	server.changes = &stack->changes;
	if (inet_iface_new(stack->inet, "d0", "vde", "null://", mac, 0, &d0) != 0)
		return -1;
	d0->addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;
	nlq_free(&stack->changes);
	return 0;
}

static int teardown_stack(void **state)
{
	(void)state;
	rtnl_stack_free(stack);
	return relay_idle() ? 0 : -1;
}

#define TEST_STACK(name) cmocka_unit_test_setup_teardown(test_##name, setup_stack, teardown_stack)

/* a kind of interface that this kernel has; NULL: neither */
static const char *find_kind(void)
{
	static const char *const kinds[] = {"dummy", "ifb"};
	char command[128];

	for (int i = 0; i < 2; i++) {
		snprintf(command, sizeof(command), "ip link add kind type %s 2>/dev/null && ip link del kind",
		         kinds[i]);
		if (succeeds(command))
			return kinds[i];
	}
	return NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {TEST_STACK(link),   TEST_STACK(addr),  TEST_STACK(route),
	                                   TEST_STACK(route6), TEST_STACK(neigh), TEST_STACK(refused),
	                                   TEST_STACK(monitor)};
	int status = enter();

	if (status != 0)
		return status;
	kernel_kind = find_kind();
	if (kernel_kind == NULL || !succeeds("tc -V >/dev/null && nsenter -V >/dev/null")) {
		printf("skipped: interfaces of kind dummy or ifb, tc(8) and nsenter(1) are needed\n");
		return EXIT_SKIP;
	}
	relay_begin();
	status = cmocka_run_group_tests_name("inet_rtnl", tests, NULL, NULL);
	relay_end();
	return status;
}
