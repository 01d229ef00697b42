/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_inet_rtnl.c - ip(8) on the configuration of a stack: its own messages are answered as Linux answers them.
 *
 * A list of commands is run twice, in a private network of the kernel and, with nlq_relay.c preloaded, on a struct inet behind
 * inet_handlers. Output, words of errors and exit status must be the same. The interface d0 is the end of a veth pair there and on
 * a VDE network here, and has the same hardware address; what tells the two apart is taken out of both outputs (normalize).
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "kernel_net.h"
#include "nlq_relay.h"
#include "rtnl_stack.h"

#define CONNECTIONS 8
#define OUTPUT_MAX 65536

static const unsigned char mac[6] = {2, 0, 0, 0, 0, 7};

/* ------------------------------------------------------------------------------------------ the stack, as a server */

static struct rtnl_stack *stack;
static char path[] = "/tmp/inet_rtnl.XXXXXX/socket";
static int listener;

struct connection {
	int fd;
	uint32_t groups;
};

static struct connection connections[CONNECTIONS];
static int connected;

static void start_server(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char *slash = strrchr(path, '/');

	*slash = '\0';
	assert_non_null(mkdtemp(path));
	*slash = '/';
	memcpy(addr.sun_path, path, sizeof(path));
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listener, CONNECTIONS), 0);
}

static void stop_server(void)
{
	close(listener);
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

static void deliver(const struct connection *to, struct nlq_msg **queue)
{
	for (; *queue != NULL; nlq_dropmsg(queue)) {
		struct nlq_msg *msg = nlq_head(*queue);

		assert_int_equal(send(to->fd, msg->nlq_packet, msg->nlq_size, MSG_NOSIGNAL), msg->nlq_size);
	}
}

/* tell everybody of the groups what has happened, in the order of the changes */
static void notify(void)
{
	for (struct nlq_msg *msg = nlq_head(stack->changes); msg != NULL; msg = nlq_next(stack->changes, msg)) {
		unsigned int group = nlq_notification_group(msg->nlq_packet);

		for (int i = 0; i < connected; i++) {
			if (group != 0 && connections[i].groups & 1U << (group - 1))
				assert_int_equal(send(connections[i].fd, msg->nlq_packet, msg->nlq_size, MSG_NOSIGNAL),
						 msg->nlq_size);
		}
	}
	nlq_free(&stack->changes);
}

/* one datagram of requests; false when the connection has ended */
static bool serve(struct connection *from)
{
	static unsigned char datagram[65536];
	struct relay_header header;
	ssize_t got = recv(from->fd, datagram, sizeof(datagram), 0);
	struct nlq_msg *queue;

	if (got < (ssize_t)sizeof(header))
		return false;
	memcpy(&header, datagram, sizeof(header));
	from->groups = header.groups;
	queue = rtnl_stack_serve(stack, datagram + sizeof(header), (size_t)got - sizeof(header), header.portid,
				 header.options);
	nlq_pack(&queue, 4096);
	deliver(from, &queue);
	notify();
	return true;
}

/* serve till @done says so or the pipe from ip(8) has ended; what came through the pipe is appended to @text */
static void serve_all(int pipe_fd, char *text, bool (*done)(const char *text))
{
	size_t len = strlen(text);

	while (done == NULL || !done(text)) {
		struct pollfd poll_fds[2 + CONNECTIONS] = {{pipe_fd, POLLIN, 0}, {listener, POLLIN, 0}};
		int polled = connected;

		for (int i = 0; i < polled; i++)
			poll_fds[2 + i] = (struct pollfd){connections[i].fd, POLLIN, 0};
		assert_true(poll(poll_fds, (nfds_t)(2 + polled), 60000) > 0); /* it does something, or it hangs */
		for (int i = polled - 1; i >= 0; i--) {
			if (poll_fds[2 + i].revents == 0 || serve(&connections[i]))
				continue;
			close(connections[i].fd);
			connections[i] = connections[--connected];
		}
		if (poll_fds[1].revents != 0) {
			assert_true(connected < CONNECTIONS);
			connections[connected++] = (struct connection){accept4(listener, NULL, NULL, SOCK_CLOEXEC), 0};
		}
		if (poll_fds[0].revents != 0) {
			ssize_t got = read(pipe_fd, text + len, OUTPUT_MAX - 1 - len);

			assert_true(got >= 0);
			if (got == 0)
				return;
			len += (size_t)got;
			text[len] = '\0';
		}
	}
}

/* --------------------------------------------------------------------------------------------------------- commands */

/* start a command with its output in a pipe */
static pid_t start(const char *command, bool relayed, int *pipe_fd)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		if (relayed) {
			setenv("LD_PRELOAD", RELAY_LIBRARY, 1);
			setenv(RELAY_PATH, path, 1);
		}
		setenv("KIND", relayed ? "dummy" : "ifb", 1);
		execlp("sh", "sh", "-c", command, (char *)NULL);
		_exit(99);
	}
	close(fds[1]);
	*pipe_fd = fds[0];
	return pid;
}

/* run a command here or on the kernel; its exit status */
static int run(const char *command, bool relayed, char *text)
{
	int pipe_fd, status;
	pid_t pid = start(command, relayed, &pipe_fd);

	*text = '\0';
	serve_all(pipe_fd, text, NULL);
	close(pipe_fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* the connections of commands that have ended */
static void disconnect(void)
{
	while (connected > 0)
		close(connections[--connected].fd);
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
	static char on_linux[OUTPUT_MAX], on_stack[OUTPUT_MAX];
	int failed = 0;

	kernel_network();
	for (size_t i = 0; i < count; i++) {
		int linux_status = run(commands[i], false, on_linux), status = run(commands[i], true, on_stack);

		disconnect();
		normalize(on_linux);
		normalize(on_stack);
		if (status == linux_status && strcmp(on_linux, on_stack) == 0)
			continue;
		print_error("%s\nLinux, %d:\n%.900s\n", commands[i], linux_status, on_linux + common(on_linux, on_stack));
		print_error("stack, %d:\n%.900s\n", status, on_stack + common(on_linux, on_stack));
		failed++;
	}
	kernel_network_end();
	assert_int_equal(failed, 0);
}

#define SAME(commands) same_as_linux(commands, sizeof(commands) / sizeof((commands)[0]))

static void test_link(void **state)
{
	static const char *const commands[] = {
		"ip link show",
		"ip -d link show dev lo | sed 's/ *tso.*//;s/ *$//'",
		"ip link show dev d0",
		"ip -j link show",
		"ip link show dev nobody",
		"ip link show up",
		"ip -s link show dev lo",
		"ip -o link show type $KIND",
		"tc qdisc show",
		"ip link set dev lo up",
		"ip link show dev lo",
		"tc qdisc show",
		"ip link set dev d0 up",
		"ip link show dev d0",
		"tc qdisc show",
		"ip link set dev d0 mtu 1400 txqueuelen 77",
		"ip link show dev d0",
		"ip link set dev d0 mtu 3",
		"ip link set dev d0 mtu 100000",
		"ip link set dev d0 mtu 1500",
		"ip link set dev d0 alias 'a name'",
		"ip link show dev d0",
		"ip link set dev d0 alias ''",
		"ip link set dev d0 promisc on",
		"ip link show dev d0",
		"ip link set dev d0 promisc off",
		"ip link set dev d0 allmulticast on",
		"ip -d link show dev d0 | sed 's/ minmtu.*//' | head -2",
		"ip link set dev d0 allmulticast off",
		"ip link set dev d0 multicast off",
		"ip link show dev d0",
		"ip link set dev d0 multicast on",
		"ip link set dev d0 arp off",
		"ip link show dev d0",
		"ip link set dev d0 arp on",
		"ip link set dev d0 address 02:00:00:00:00:08",
		"ip link show dev d0",
		"ip link set dev d0 address 01:00:00:00:00:08",
		"ip link set dev d0 address 00:00:00:00:00:00",
		"ip link set dev d0 address 02:00:00:00:00:07",
		"ip link set dev d0 broadcast 02:ff:ff:ff:ff:ff",
		"ip link show dev d0",
		"ip link set dev d0 group 7",
		"ip link show dev d0",
		"ip link set dev d0 group 0",
		"ip link set dev d0 addrgenmode eui64",
		"ip link set dev d0 addrgenmode none",
		"ip link set dev d0 down",
		"ip link show dev d0",
		"tc qdisc show",
		"ip link set dev nobody up",
		"ip link add d1 address 02:00:00:00:00:09 mtu 1300 txqueuelen 5 type $KIND",
		"ip link add d1 txqueuelen 5 type $KIND",
		"ip link add d9 type no_such_kind",
		"ip link add d9 index 2 type $KIND",
		"ip link add d9 address 01:00:00:00:00:09 txqueuelen 5 type $KIND",
		"ip link show dev d9",
		"ip link add d7 index 77 txqueuelen 5 address 02:00:00:00:00:0a type $KIND",
		"ip link show dev d7",
		"ip link show dev d1",
		"ip -d link show dev d1 | sed 's/ minmtu.*//' | head -2",
		"ip -o link show type $KIND",
		"ip link set dev d1 up",
		"ip link show dev d1",
		"ip link set dev d1 name e1",
		"ip link show dev e1",
		"ip link set dev d7 name e1",
		"ip link set dev d7 name a/b",
		"ip link del dev d7",
		"ip link del dev d7",
		"ip link del dev e1",
		"ip link del dev lo",
		"ip link show",
		"ip link set dev d0 nomaster",
	};

	(void)state;
	SAME(commands);
}

static void test_addr(void **state)
{
	static const char *const commands[] = {
		"ip addr show",
		"ip addr add 10.0.0.1/24 dev d0",
		"ip addr show dev d0",
		"ip link set dev lo up",
		"ip addr show dev lo",
		"ip link set dev d0 up",
		"ip addr show dev d0",
		"ip addr add 10.0.0.1/24 dev d0",
		"ip addr add 10.0.0.2/24 dev d0",
		"ip addr add 10.0.1.1/24 brd + dev d0",
		"ip addr add 10.0.2.1/24 broadcast - dev d0 scope link",
		"ip addr add 10.0.2.2/24 dev d0",
		"ip addr add 10.9.0.1 peer 10.9.0.2/32 dev d0 label d0:p",
		"ip addr add 10.9.1.1 peer 10.9.1.2/24 dev d0",
		"ip addr add 10.5.0.1/32 dev d0 valid_lft 1000 preferred_lft 500",
		"ip addr add 10.5.0.2/32 dev d0 valid_lft 100 preferred_lft 500",
		"ip addr add 10.5.0.3/32 dev d0 valid_lft 1000 preferred_lft 0",
		"ip addr add 10.6.0.1/24 dev d0 noprefixroute",
		"ip addr add 10.7.0.1/24 dev d0 metric 7",
		"ip addr add 10.8.0.1/33 dev d0",
		"ip addr add 10.8.0.1/24 dev nobody",
		"ip addr add 224.0.0.5/24 dev d0",
		"ip addr add 0.0.0.0/24 dev d0",
		"ip addr add 10.10.0.1/24 dev d0 label nonsense",
		"ip addr show dev d0",
		"ip -j addr show dev d0",
		"ip addr show to 10.9.0.0/16",
		"ip addr show secondary",
		"ip addr show primary",
		"ip addr show label d0:p",
		"ip addr show scope link",
		"ip addr show deprecated",
		"ip -4 addr show",
		"ip route show table all",
		"ip addr change 10.5.0.1/32 dev d0 valid_lft 2000 preferred_lft 2000",
		"ip addr replace 10.5.0.4/32 dev d0",
		"ip addr show to 10.5.0.0/16",
		"ip addr del 10.0.0.1/24 dev d0",
		"ip addr show to 10.0.0.0/16",
		"ip addr del 10.0.0.1/24 dev d0",
		"ip addr del 10.0.1.1/25 dev d0",
		"ip addr del 10.0.1.1/24 dev d0",
		"ip addr flush dev d0 scope link",
		"ip addr flush dev d0 to 10.5.0.0/16",
		"ip addr show dev d0",
		"ip addr flush dev d0",
		"ip addr show dev d0",
		"ip route show table all",
		"ip -6 addr add fd00::1/64 dev d0 nodad",
		"ip -6 addr add fd00::1/64 dev d0 nodad",
		"ip -6 addr add fd00::2/64 dev d0 nodad home noprefixroute",
		"ip -6 addr add fd00::3/64 dev d0 nodad valid_lft 1000 preferred_lft 500",
		"ip -6 addr add fd00::4/64 dev d0 nodad preferred_lft 0",
		"ip -6 addr add fd00::5 peer fd00::6/128 dev d0 nodad",
		"ip -6 addr add fd01::1/64 dev d0 nodad metric 9",
		"ip -6 addr add fe80::7/64 dev d0 nodad",
		"ip -6 addr add ff02::7/64 dev d0 nodad",
		"ip -6 addr add ::/64 dev d0 nodad",
		"ip -6 addr add ::1/128 dev d0 nodad",
		"ip -6 addr add fd02::1/129 dev d0 nodad",
		"ip -6 addr add fd02::1/64 dev nobody nodad",
		"ip -o -6 addr show dev d0",
		"ip -o -6 addr show scope link",
		"ip -j -6 addr show dev d0 | sed 's/\"txqlen\":[0-9]*,//'",
		"ip -6 route show table all",
		"ip -6 addr change fd00::3/64 dev d0 valid_lft forever preferred_lft forever",
		"ip -o -6 addr show dev d0",
		"ip -6 route show",
		"ip -6 addr del fd00::2/64 dev d0",
		"ip -6 addr del fd00::2/64 dev d0",
		"ip -6 addr del fd00::1/65 dev d0",
		"ip -6 addr del fd00::1/64 dev d0",
		"ip -6 route show table all",
		"ip -6 addr flush dev d0 scope global",
		"ip -o -6 addr show dev d0",
		"ip -6 route show table all",
		"ip link set dev d0 down",
		"ip -o addr show",
		"ip route show table all",
		"ip -6 route show table all",
	};

	(void)state;
	SAME(commands);
}

static void test_route(void **state)
{
	static const char *const commands[] = {
		"ip route show",
		"ip -6 route show",
		"ip route add default via 10.0.0.254",
		"ip link set dev lo up",
		"ip link set dev d0 up",
		"ip addr add 10.0.0.1/24 dev d0",
		"ip route show",
		"ip route show table local",
		"ip route add 172.16.0.0/12 via 10.0.0.254",
		"ip route add 172.16.0.0/12 via 10.0.0.254",
		"ip route add 172.16.0.0/12 via 10.0.0.253 metric 9",
		"ip route append 172.16.0.0/12 via 10.0.0.252",
		"ip route prepend 172.16.0.0/12 via 10.0.0.251",
		"ip route show",
		"ip route add default via 10.0.0.254 metric 5",
		"ip route add 192.0.2.0/24 via 192.168.77.1",
		"ip route add 192.0.2.0/24 via 192.168.77.1 dev d0 onlink",
		"ip route add 192.0.3.0/24 dev d0 src 10.0.0.1",
		"ip route add 192.0.4.0/24 dev d0 src 10.1.1.1",
		"ip route add 192.0.5.1/24 dev d0",
		"ip route add 192.0.6.0/24 dev nobody",
		"ip route add 192.0.7.0/24 dev d0 scope host",
		"ip route add 192.0.8.0/24 dev d0 table 77",
		"ip route add unreachable 192.0.9.0/24",
		"ip route add prohibit 192.0.10.0/24",
		"ip route add blackhole 192.0.11.0/24",
		"ip route add throw 192.0.12.0/24",
		"ip route add 192.0.13.0/24 dev d0 mtu 1300 advmss 1200 hoplimit 9 proto bird",
		"ip route add 192.0.14.0/24 dev d0 mtu lock 1300 window 7 rtt 10 initcwnd 9 quickack 1",
		"ip route add 192.0.15.0/24 dev d0 tos 0x10",
		"ip route add 192.0.16.0/24 via 10.0.0.1",
		"ip route add 192.0.17.0/24 via 10.0.0.255",
		"ip route add 192.0.18.0/24 via 172.16.0.1",
		"ip route add local 192.0.19.0/24 dev lo",
		"ip route add 192.0.20.0/24 via inet 10.0.0.9",
		"ip route add 192.0.21.0/24 nhid 5",
		"ip route show table all",
		"ip -j route show",
		"ip -d route show",
		"ip route show default",
		"ip route show dev d0",
		"ip route show dev lo",
		"ip route show proto kernel",
		"ip route show proto static",
		"ip route show table 77",
		"ip route show root 172.16.0.0/12",
		"ip route show match 10.0.0.3",
		"ip route show exact 192.0.3.0/24",
		"ip route show via 10.0.0.254",
		"ip route show scope link",
		"ip route show type blackhole",
		"ip route show cache",
		"ip route get 10.0.0.1",
		"ip route get 10.0.0.7",
		"ip route get 10.0.0.255",
		"ip route get 127.0.0.1",
		"ip route get 172.16.3.4",
		"ip route get 8.8.8.8",
		"ip route get 8.8.8.8 oif lo",
		"ip route get 8.8.8.8 oif d0",
		"ip route get 8.8.8.8 from 10.0.0.1",
		"ip route get 8.8.8.8 from 10.0.0.77",
		"ip route get 192.0.9.1",
		"ip route get 192.0.10.1",
		"ip route get 192.0.11.1",
		"ip route get 192.0.12.1",
		"ip route get 192.0.13.1",
		"ip route get 192.0.3.1",
		"ip route get 224.0.0.5",
		"ip route get 255.255.255.255",
		"ip route get fibmatch 172.16.3.4",
		"ip route get fibmatch 10.0.0.1",
		"ip route get fibmatch 192.0.13.1",
		"ip -j route get 10.0.0.7",
		"ip route replace 172.16.0.0/12 via 10.0.0.250",
		"ip route change 172.16.0.0/12 via 10.0.0.249 metric 9",
		"ip route change 172.31.0.0/16 via 10.0.0.249",
		"ip route show",
		"ip route del 172.16.0.0/12 metric 9",
		"ip route del 172.16.0.0/12 via 10.0.0.1",
		"ip route del 172.16.0.0/12",
		"ip route del 172.16.0.0/12 via 10.0.0.252",
		"ip route del 192.0.8.0/24",
		"ip route del 192.0.8.0/24 table 77",
		"ip route del 192.0.8.0/24 table 79",
		"ip route del unreachable 192.0.9.0/24",
		"ip route del 192.0.10.0/24",
		"ip route show table all",
		"ip route flush proto bird",
		"ip route flush table main via 10.0.0.254",
		"ip route show",
		"ip addr del 10.0.0.1/24 dev d0",
		"ip route show table all",
		"ip route get 8.8.8.8",
		"ip rule show",
		"ip -6 rule show",
	};

	(void)state;
	SAME(commands);
}

static void test_route6(void **state)
{
	static const char *const commands[] = {
		"ip link set dev lo up",
		"ip link set dev d0 up",
		"ip -6 addr add fd00::1/64 dev d0 nodad",
		"ip -6 addr add fe80::1/64 dev d0 nodad",
		"ip -6 route show",
		"ip -6 route show table all",
		"ip -6 route add fd01::/64 via fd00::9",
		"ip -6 route add fd01::/64 via fd00::9",
		"ip -6 route add fd01::/64 via fd00::8 metric 7",
		"ip -6 route add default via fe80::9 dev d0",
		"ip -6 route add default via fe80::9",
		"ip -6 route add fd02::/64 via fd77::1",
		"ip -6 route add fd02::1/64 dev d0",
		"ip -6 route add fd03::/64 dev d0 src fd00::1",
		"ip -6 route add fd03::/65 dev d0 src fd77::1",
		"ip -6 route add fd04::/64 dev d0 expires 1000",
		"ip -6 route add fd05::/64 dev d0 mtu 1300 hoplimit 9 pref high",
		"ip -6 route add unreachable fd06::/64",
		"ip -6 route add prohibit fd07::/64",
		"ip -6 route add blackhole fd08::/64",
		"ip -6 route add throw fd09::/64",
		"ip -6 route add fd0a::/64 dev d0 table 77",
		"ip -6 route add fd0b::/64 via fd00::1",
		"ip -6 route add fd0c::/64 via ff02::1 dev d0",
		"ip -6 route add fd0d::/64 dev nobody",
		"ip -6 route add fd0e::/64 via fd77::1 dev d0 onlink",
		"ip -6 route show table all",
		"ip -6 -j route show",
		"ip -6 route show default",
		"ip -6 route show proto kernel",
		"ip -6 route show dev lo",
		"ip -6 route show root fd01::/64",
		"ip -6 route get fd00::1",
		"ip -6 route get fd00::7",
		"ip -6 route get fd01::7",
		"ip -6 route get fd03::7",
		"ip -6 route get fd05::7",
		"ip -6 route get fd06::7",
		"ip -6 route get fd07::7",
		"ip -6 route get fd08::7",
		"ip -6 route get fd09::7",
		"ip -6 route get 2001:db8::7",
		"ip -6 route get 2001:db8::7 from fd00::1",
		"ip -6 route get fe80::7",
		"ip -6 route get fe80::7 oif d0",
		"ip -6 route get fe80::7 oif lo",
		"ip -6 route get ff02::1 oif d0",
		"ip -6 route get ::1",
		"ip -6 route get fibmatch fd01::7",
		"ip -6 route get fibmatch fd00::1",
		"ip -6 route replace fd01::/64 via fd00::a",
		"ip -6 route change fd01::/64 via fd00::b metric 7",
		"ip -6 route change fd1f::/64 via fd00::b",
		"ip -6 route show",
		"ip -6 route del fd01::/64 metric 7",
		"ip -6 route del fd01::/64 via fd00::c",
		"ip -6 route del fd01::/64",
		"ip -6 route del fd01::/64",
		"ip -6 route del unreachable fd06::/64",
		"ip -6 route del fd0a::/64 table 77",
		"ip -6 route del fd0a::/64 table 78",
		"ip -6 route flush proto boot",
		"ip -6 route show",
		"ip -6 route del default",
		"ip -6 route get 2001:db8::7",
	};

	(void)state;
	SAME(commands);
}

static void test_neigh(void **state)
{
	static const char *const commands[] = {
		"ip neigh show",
		"ip link set dev d0 up",
		"ip addr add 10.0.0.1/24 dev d0",
		"ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev d0",
		"ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:0a dev d0",
		"ip neigh add 10.0.0.10 lladdr 02:00:00:00:00:0b dev d0 nud stale",
		"ip neigh add 10.0.0.11 lladdr 02:00:00:00:00:0b dev d0 nud noarp",
		"ip neigh add 10.0.0.12 lladdr 02:00:00:00:00 dev d0",
		"ip neigh add 10.0.0.13 lladdr 02:00:00:00:00:0d dev d0 nud failed",
		"ip neigh add 10.0.0.14 lladdr 02:00:00:00:00:0d dev d0 protocol 7",
		"ip neigh add 10.0.0.15 lladdr 02:00:00:00:00:0d dev nobody",
		"ip neigh add fd00::9 lladdr 02:00:00:00:00:09 dev d0 router",
		"ip neigh show | sort",
		"ip neigh show nud all | sort",
		"ip neigh show nud permanent | sort",
		"ip neigh show proxy",
		"ip -j neigh show 10.0.0.9",
		"ip -4 neigh show dev d0 | sort",
		"ip -6 neigh show",
		"ip neigh show dev lo",
		"ip neigh get 10.0.0.9 dev d0",
		"ip neigh get 10.0.0.99 dev d0",
		"ip neigh get proxy 10.0.0.78 dev d0",
		"ip neigh change 10.0.0.9 lladdr 02:00:00:00:00:0e dev d0",
		"ip neigh change 10.0.0.99 lladdr 02:00:00:00:00:0e dev d0",
		"ip neigh replace 10.0.0.10 lladdr 02:00:00:00:00:0f dev d0 nud permanent",
		"ip neigh replace 10.0.0.16 lladdr 02:00:00:00:00:0f dev d0",
		"ip neigh show | sort",
		"ip neigh del 10.0.0.9 dev d0",
		"ip neigh del 10.0.0.9 dev d0",
		"ip neigh show | sort",
		"ip neigh flush dev d0 nud all",
		"ip neigh show | sort",
	};

	(void)state;
	SAME(commands);
}

/* ---------------------------------------------------------------------------------------------------------- monitor */

static bool subscribed(const char *text)
{
	(void)text;
	return connected > 0 && connections[0].groups != 0;
}

static bool marked(const char *text)
{
	return strstr(text, "marker") != NULL;
}

/* has the process of the kernel's ip monitor joined its groups? */
static bool kernel_subscribed(pid_t pid)
{
	char line[256], name[64];
	bool found = false;
	FILE *file;

	snprintf(name, sizeof(name), "/proc/%d/net/netlink", (int)getpid());
	file = fopen(name, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		unsigned int protocol, groups;
		int port;

		if (sscanf(line, "%*s %u %d %x", &protocol, &port, &groups) == 3 && protocol == NETLINK_ROUTE &&
		    port == (int)pid && groups != 0)
			found = true;
	}
	fclose(file);
	return found;
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
	static char ignored[OUTPUT_MAX];
	int pipe_fd, status;
	pid_t pid = start("exec ip monitor link address route neigh", relayed, &pipe_fd);

	*text = '\0';
	if (relayed)
		serve_all(pipe_fd, text, subscribed);
	else
		while (!kernel_subscribed(pid))
			sched_yield();
	for (size_t i = 0; i < count; i++) {
		if (run(commands[i], relayed, ignored) != 0)
			fail_msg("%s: %s", commands[i], ignored);
	}
	serve_all(pipe_fd, text, marked);
	kill(pid, SIGTERM);
	*ignored = '\0';
	serve_all(pipe_fd, ignored, NULL);
	close(pipe_fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	disconnect();
	normalize(text);
	cut_groups(text);
	if (strstr(text, "marker") != NULL)
		*strstr(text, "marker") = '\0';
}

static void test_monitor(void **state)
{
	static const char *const commands[] = {
		"ip link set dev lo up",
		"ip addr add 10.0.0.1/24 dev d0",
		"ip addr add 10.0.0.2/24 dev d0",
		"ip addr add 10.9.0.1 peer 10.9.0.2/32 dev d0",
		"ip -6 addr add fd00::1/64 dev d0 nodad",
		"ip route add default via 10.0.0.9",
		"ip route replace default via 10.0.0.8",
		"ip -6 route add default via fd00::9",
		"ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev d0",
		"ip neigh del 10.0.0.9 dev d0",
		"ip link set dev d0 mtu 1400",
		"ip link set dev d0 txqueuelen 9",
		"ip link set dev d0 alias x",
		"ip link set dev d0 promisc on",
		"ip link set dev d0 address 02:00:00:00:00:08",
		"ip route del default",
		"ip addr del 10.0.0.2/24 dev d0",
		"ip addr add 10.0.0.3/24 dev d0",
		"ip addr del 10.0.0.1/24 dev d0",
		"ip -6 addr del fd00::1/64 dev d0",
		"ip addr add 10.0.1.1/24 dev d0",
		"ip route add 10.5.0.0/16 via 10.0.1.2",
		"ip link set dev d0 down",
		"ip link add d1 address 02:00:00:00:00:09 txqueuelen 5 type $KIND",
		"ip link set dev d1 addrgenmode none",
		"ip link set dev d1 name e1",
		"ip link set dev e1 up",
		"ip addr add 10.0.2.1/24 dev e1",
		"ip link del dev e1",
		"ip link add marker txqueuelen 5 type $KIND",
	};
	static char on_linux[OUTPUT_MAX], on_stack[OUTPUT_MAX];
	size_t count = sizeof(commands) / sizeof(commands[0]);

	(void)state;
	kernel_network();
	/* the carrier of a veth comes a little later */
	shell("ip link set dev d0 up; until ip link show dev d0 | grep -q 'state UP'; do :; done");
	assert_int_equal(run("ip link set dev d0 up", true, on_stack), 0);
	disconnect();
	monitored(commands, count, false, on_linux);
	monitored(commands, count, true, on_stack);
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
	return connected == 0 ? 0 : -1;
}

#define TEST_STACK(name) cmocka_unit_test_setup_teardown(test_##name, setup_stack, teardown_stack)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST_STACK(link),   TEST_STACK(addr),  TEST_STACK(route),
					   TEST_STACK(route6), TEST_STACK(neigh), TEST_STACK(monitor)};
	int status = enter();

	if (status != 0)
		return status;
	start_server();
	status = cmocka_run_group_tests_name("inet_rtnl", tests, NULL, NULL);
	stop_server();
	return status;
}
