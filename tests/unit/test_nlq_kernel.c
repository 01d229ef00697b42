/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_nlq_kernel.c - the client functions of libnlq on the Linux kernel, in a private network namespace.
 *
 * Every test runs twice: with nlq_*, and with nlqx_* on the native stack of libioth. What the functions claim to have
 * done is checked with ip(8), the C library and /proc, which share no code with them.
 */
#include <fcntl.h>
#include <ioth.h>
#include <libnlq.h>
#include <linux/capability.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "kernel_net.h"

#define CHOOSE ((unsigned int)-1)

static bool by_ioth; /* which of the two is tested */

#define NLQ(name, ...) (by_ioth ? nlqx_##name(NULL, __VA_ARGS__) : nlq_##name(__VA_ARGS__))

/* ---------------------------------------------------------------------------------------------------------- names */

static void test_names(void **state)
{
	struct nlq_if_nameindex *list;
	struct if_nameindex *wanted = if_nameindex();
	char name[IF_NAMESIZE];
	size_t count = 0;

	(void)state;
	assert_int_equal(NLQ(if_nametoindex, "v0"), v0);
	assert_int_equal(NLQ(if_nametoindex, "lo"), 1);
	errno = 0;
	assert_int_equal(NLQ(if_nametoindex, "x0"), 0);
	assert_int_equal(errno, ENODEV);
	errno = 0;
	assert_int_equal(NLQ(if_nametoindex, ""), 0);
	assert_int_equal(errno, ENODEV);
	errno = 0;
	assert_int_equal(NLQ(if_nametoindex, "a_name_that_is_too_long"), 0);
	assert_int_equal(errno, ENODEV);
	errno = 0;
	assert_int_equal(NLQ(if_nametoindex, NULL), 0);
	assert_int_equal(errno, EINVAL);

	assert_string_equal(NLQ(if_indextoname, v0, name), "v0");
	for (unsigned int index = 0; index < 3; index++) {
		static const unsigned int none[] = {0, 99, ~0U};

		errno = 0;
		assert_null(NLQ(if_indextoname, none[index], name));
		assert_int_equal(errno, ENXIO);
	}

	list = by_ioth ? nlqx_if_nameindex(NULL) : nlq_if_nameindex();
	assert_non_null(list);
	for (; wanted[count].if_name != NULL; count++) {
		assert_non_null(list[count].if_name);
		assert_int_equal(list[count].if_index, wanted[count].if_index);
		assert_string_equal(list[count].if_name, wanted[count].if_name);
	}
	assert_true(count >= 3);
	assert_int_equal(list[count].if_index, 0);
	assert_null(list[count].if_name);
	if_freenameindex(wanted);
	nlq_if_freenameindex(list);
	nlqx_if_freenameindex(NULL, NULL);
}

/* -------------------------------------------------------------------------------------------------- configuration */

static void test_updown(void **state)
{
	(void)state;
	assert_int_equal(NLQ(linksetupdown, v0, 0), 0);
	expect_not("ip link show v0", ",UP");
	assert_int_equal(NLQ(linksetupdown, v0, 1), 0);
	expect("ip link show v0", ",UP");
	assert_error(ENODEV, NLQ(linksetupdown, 99, 1));
}

static void test_addr(void **state)
{
	struct in_addr addr = ip4("10.1.2.3"), host = ip4("10.9.9.9"), local = ip4("127.0.0.5");
	struct in6_addr addr6 = ip6("fd00::1");

	(void)state;
	assert_int_equal(NLQ(ipaddr_add, AF_INET, &addr, 24, v0), 0);
	expect("ip addr show v0", "inet 10.1.2.3/24 brd 10.1.2.255 scope global v0");
	assert_error(EEXIST, NLQ(ipaddr_add, AF_INET, &addr, 24, v0));
	assert_int_equal(NLQ(ipaddr_add, AF_INET, &host, 32, v0), 0);
	expect("ip addr show v0", "inet 10.9.9.9/32 scope global v0");
	assert_int_equal(NLQ(ipaddr_add, AF_INET, &local, 8, 1), 0);
	expect("ip addr show lo", "inet 127.0.0.5/8 scope host lo");
	assert_int_equal(NLQ(ipaddr_add, AF_INET6, &addr6, nlq_addrdata2prefix(64, IFA_F_NODAD, 0), v0), 0);
	expect("ip addr show v0", "inet6 fd00::1/64 scope global nodad");
	assert_int_equal(NLQ(ipaddr_del, AF_INET, &addr, 24, v0), 0);
	expect_not("ip addr show v0", "10.1.2.3");
	assert_error(EADDRNOTAVAIL, NLQ(ipaddr_del, AF_INET, &addr, 24, v0));
	assert_int_equal(NLQ(ipaddr_del, AF_INET6, &addr6, 64, v0), 0);
	expect_not("ip addr show v0", "fd00::1");

	assert_error(ENODEV, NLQ(ipaddr_add, AF_INET, &addr, 24, 99));
	assert_error(EAFNOSUPPORT, NLQ(ipaddr_add, AF_UNIX, &addr, 24, v0));
	assert_error(EINVAL, NLQ(ipaddr_add, AF_INET, NULL, 24, v0));
	assert_error(EINVAL, NLQ(ipaddr_add, AF_INET, &addr, 33, v0));
	assert_error(EINVAL, NLQ(ipaddr_add, AF_INET6, &addr6, 129, v0));
	assert_error(EINVAL, NLQ(ipaddr_add, AF_INET, &addr, -1, v0));
}

static void test_route(void **state)
{
	struct in_addr gw = ip4("10.1.2.1"), net = ip4("10.5.0.0"), far = ip4("192.0.2.1");
	struct in6_addr gw6 = ip6("fd00::2"), net6 = ip6("fd05::");
	int blackhole = nlq_routedata2prefix(16, RTN_BLACKHOLE, RT_SCOPE_UNIVERSE);

	(void)state;
	output("ip addr add 10.1.2.3/24 dev v0 && ip addr add fd00::1/64 dev v0 nodad");
	assert_int_equal(NLQ(iproute_add, AF_INET, NULL, 0, &gw, 0), 0);
	expect("ip route", "default via 10.1.2.1 dev v0");
	assert_error(EEXIST, NLQ(iproute_add, AF_INET, NULL, 0, &gw, 0));
	assert_int_equal(NLQ(iproute_add, AF_INET, &net, 16, NULL, v0), 0);
	expect("ip route", "10.5.0.0/16 dev v0 scope link");
	assert_int_equal(NLQ(iproute_del, AF_INET, &net, 16, NULL, v0), 0);
	assert_error(ESRCH, NLQ(iproute_del, AF_INET, &net, 16, NULL, v0));
	assert_int_equal(NLQ(iproute_add, AF_INET, &net, blackhole, NULL, 0), 0);
	expect("ip route", "blackhole 10.5.0.0/16");
	assert_int_equal(NLQ(iproute_del, AF_INET, &net, 16, NULL, 0), 0);
	assert_int_equal(NLQ(iproute_del, AF_INET, NULL, 0, &gw, 0), 0);
	expect_not("ip route", "default");
	assert_int_equal(NLQ(iproute_add, AF_INET6, &net6, 32, &gw6, 0), 0);
	expect("ip -6 route", "fd05::/32 via fd00::2 dev v0");
	assert_int_equal(NLQ(iproute_del, AF_INET6, &net6, 32, &gw6, 0), 0);
	expect_not("ip -6 route", "fd05::");

	assert_error(ENETUNREACH, NLQ(iproute_add, AF_INET, NULL, 0, &far, 0));
	assert_error(EINVAL, NLQ(iproute_add, AF_INET, &net, 33, &gw, 0));
	assert_error(EINVAL, NLQ(iproute_add, AF_INET, &net, 8, NULL, v0)); /* bits past the prefix */
	assert_error(EAFNOSUPPORT, NLQ(iproute_add, AF_PACKET, &net, 8, NULL, v0));
	assert_error(ENODEV, NLQ(iproute_add, AF_INET, &net, 16, NULL, 99));
}

static void test_link(void **state)
{
	struct {
		struct ifinfomsg info;
		struct nlattr attr;
		char name[8];
	} peer = {.attr = {sizeof(struct nlattr) + 5, IFLA_IFNAME}, .name = "peer"};
	struct nlq_iplink_data veth = {VETH_INFO_PEER, (int)sizeof(peer), &peer}, bad = {1, -1, NULL};
	char name[IF_NAMESIZE];
	int index;

	(void)state;
	assert_int_equal(NLQ(iplink_add, "b0", 0, "bridge", NULL, 0), 0);
	expect("ip link", " b0:");
	assert_error(EEXIST, NLQ(iplink_add, "b0", 0, "bridge", NULL, 0));
	assert_int_equal(NLQ(iplink_add, "b1", 77, "bridge", NULL, 0), 0);
	assert_int_equal(if_nametoindex("b1"), 77);
	index = NLQ(iplink_add, "b2", CHOOSE, "bridge", NULL, 0);
	assert_true(index > 0);
	assert_int_equal(if_nametoindex("b2"), index);
	index = NLQ(iplink_add, NULL, CHOOSE, "bridge", NULL, 0);
	assert_true(index > 0);
	assert_non_null(if_indextoname((unsigned int)index, name));
	assert_error(EEXIST, NLQ(iplink_add, "b2", CHOOSE, "bridge", NULL, 0));
	assert_int_equal(NLQ(iplink_add, "w0", 0, "veth", &veth, 1), 0);
	expect("ip link show w0", "w0@peer");

	/* the kernel has no VDE: it is the kind that it refuses, not what comes with it */
	assert_error(EOPNOTSUPP, NLQ(iplink_add, "vde0", 0, "vde", nlq_iplink_strdata(IFLA_VDE_VNL, "vde://")));
	assert_error(EOPNOTSUPP, NLQ(iplink_add, "x0", CHOOSE, "no_such_kind", NULL, 0));
	assert_error(EINVAL, NLQ(iplink_add, "x0", 0, NULL, NULL, 0));
	assert_error(EINVAL, NLQ(iplink_add, "x0", 0, "bridge", NULL, 1));
	assert_error(EINVAL, NLQ(iplink_add, "x0", 0, "bridge", &bad, 1));
	assert_error(EINVAL, NLQ(iplink_add, "x0", 0, "bridge", &bad, -1));
	bad.len = 70000;
	bad.data = name;
	assert_error(EMSGSIZE, NLQ(iplink_add, "x0", 0, "bridge", &bad, 1));
	bad.len = 4;
	bad.data = NULL;
	assert_error(EINVAL, NLQ(iplink_add, "x0", 0, "bridge", &bad, 1));

	assert_int_equal(NLQ(iplink_del, "b0", 0), 0);
	assert_int_equal(NLQ(iplink_del, NULL, 77), 0);
	expect_not("ip link", " b0:");
	expect_not("ip link", " b1:");
	assert_error(ENODEV, NLQ(iplink_del, "b0", 0));
	assert_error(ENODEV, NLQ(iplink_del, "a_name_that_is_too_long", 0));
	assert_error(ENODEV, NLQ(iplink_del, NULL, 99));
	assert_error(EINVAL, NLQ(iplink_del, NULL, 0));
	assert_error(EOPNOTSUPP, NLQ(iplink_del, "lo", 0));
}

/* -------------------------------------------------------------------------------------------------- /proc/net/dev */

static void test_proc(void **state)
{
	char *text = NULL, *wanted = NULL;
	size_t len = 0, size = 0;
	FILE *file = open_memstream(&text, &len), *proc;

	(void)state;
	/* traffic, so that there is something to count; then silence */
	output("ip addr add 10.1.2.3/24 dev v0 && ip link set lo up");
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = ip4("127.0.0.1")};

	for (int i = 0; i < 5; i++)
		assert_int_equal(sendto(fd, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
	close(fd);
	output("ip link set v0 down && ip link set v1 down && ip link set lo down");

	assert_int_equal(NLQ(proc_net_dev, file), 0);
	fclose(file);
	proc = fopen("/proc/thread-self/net/dev", "re");
	assert_non_null(proc);
	assert_true(getdelim(&wanted, &size, '\0', proc) > 0);
	fclose(proc);
	assert_non_null(strstr(text, "v0:"));
	assert_string_equal(text, wanted);
	free(text);
	free(wanted);

	file = fopen("/dev/full", "we");
	assert_error(EIO, NLQ(proc_net_dev, file));
	fclose(file);
}

/* ----------------------------------------------------------------------------------------------------- dialogues */

static int collect(struct nlmsghdr *msg, struct nlattr **attr, const void *argin, void *argout, void *argenv)
{
	assert_int_equal(msg->nlmsg_type, RTM_NEWLINK);
	assert_non_null(nlq_attr_str(attr[IFLA_IFNAME], argenv, IF_NAMESIZE));
	++*(int *)argout;
	return *(const int *)argin;
}

static struct nlq_msg *get_link(uint16_t flags, unsigned int index)
{
	struct nlq_msg *msg = nlq_createmsg(RTM_GETLINK, flags, 0, 0);

	nlq_addstruct(msg, ifinfomsg, .ifi_index = (int)index);
	return msg;
}

static void test_dialog(void **state)
{
	int result = 0, count = 0;
	char name[IF_NAMESIZE];

	(void)state;
	assert_int_equal(NLQ(rtdialog, get_link(0, v0), collect, &result, &count, name), 0);
	assert_int_equal(count, 1);
	assert_string_equal(name, "v0");
	assert_int_equal(NLQ(rtdialog, get_link(NLM_F_ACK, 1), collect, &result, &count, name), 0);
	assert_int_equal(count, 2);
	count = 0;
	assert_int_equal(NLQ(rtdialog, get_link(NLM_F_DUMP, 0), collect, &result, &count, name), 0);
	assert_true(count >= 3);
	result = -ECHILD;
	assert_int_equal(NLQ(rtdialog, get_link(NLM_F_DUMP, 0), collect, &result, &count, name), -ECHILD);
	assert_int_equal(NLQ(rtdialog, get_link(0, 99), collect, &result, &count, name), -ENODEV);
	assert_int_equal(NLQ(rtdialog, nlq_createmsg(RTM_GETLINK, 0, 0, 0), NULL, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(nlq_general_rtdialog(get_link(0, 99), NULL, NULL, NULL, NULL, NULL, NULL), -ENODEV);
}

/* step by step, two answers on one socket */
static void test_steps(void **state)
{
	int fd = NLQ(open, NETLINK_ROUTE), result = 0, count = 0;
	struct nlq_msg *msg;
	char name[IF_NAMESIZE];

	(void)state;
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	msg = get_link(NLM_F_REQUEST, v0);
	msg->nlq_packet->nlmsg_seq = 1;
	assert_int_equal(nlq_complete(msg), 0);
	assert_int_equal(NLQ(sendmsg, fd, msg), 32);
	nlq_freemsg(msg);
	msg = get_link(NLM_F_REQUEST, 1);
	msg->nlq_packet->nlmsg_seq = 2;
	assert_int_equal(NLQ(complete_send_freemsg, fd, msg), 32);
	assert_int_equal(NLQ(recv_process_rtreply, fd, collect, &result, &count, name), 0);
	assert_string_equal(name, "v0");
	assert_int_equal(NLQ(recv_process_rtreply, fd, collect, &result, &count, name), 0);
	assert_string_equal(name, "lo");
	assert_int_equal(count, 2);

	msg = get_link(NLM_F_REQUEST, 1);
	nlq_add(msg, NULL, 1);
	assert_error(EINVAL, NLQ(complete_send_freemsg, fd, msg));
	assert_error(ENOMEM, NLQ(complete_send_freemsg, fd, NULL));
	assert_error(ENOMEM, NLQ(sendmsg, fd, NULL));
	ioth_close(fd);
	assert_error(EBADF, NLQ(complete_send_freemsg, fd, get_link(0, 1)));
	assert_error(EPROTONOSUPPORT, NLQ(open, 31));
}

/* a stack on the other end of a pair of sockets says what none should */
static void test_receive(void **state)
{
	static unsigned char big[NLQ_MSG_MAX + 4];
	struct nlmsghdr *header = (struct nlmsghdr *)(void *)big;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	*header = (struct nlmsghdr){.nlmsg_len = sizeof(big), .nlmsg_type = RTM_NEWLINK, .nlmsg_seq = 1};
	assert_int_equal(send(fds[0], big, sizeof(big), 0), sizeof(big));
	assert_int_equal(NLQ(recv_process_rtreply, fds[1], NULL, NULL, NULL, NULL), -EMSGSIZE);
	/* as long as it may be */
	header->nlmsg_len = NLQ_MSG_MAX;
	header->nlmsg_type = RTM_MAX + 50;
	assert_int_equal(send(fds[0], big, NLQ_MSG_MAX, 0), NLQ_MSG_MAX);
	assert_int_equal(NLQ(recv_process_rtreply, fds[1], NULL, NULL, NULL, NULL), 0);
	for (uint32_t len = 0; len < 16; len++) {
		header->nlmsg_len = len;
		assert_int_equal(send(fds[0], big, 16, 0), 16);
		assert_int_equal(NLQ(recv_process_rtreply, fds[1], NULL, NULL, NULL, NULL), -EBADMSG);
	}
	header->nlmsg_len = 17;
	assert_int_equal(send(fds[0], big, 16, 0), 16);
	assert_int_equal(NLQ(recv_process_rtreply, fds[1], NULL, NULL, NULL, NULL), -EBADMSG);
	assert_int_equal(send(fds[0], big, 3, 0), 3);
	assert_int_equal(NLQ(recv_process_rtreply, fds[1], NULL, NULL, NULL, NULL), -EBADMSG);
	close(fds[0]);
	assert_int_equal(NLQ(recv_process_rtreply, fds[1], NULL, NULL, NULL, NULL), -ENETDOWN);
	close(fds[1]);
	assert_int_equal(NLQ(recv_process_rtreply, fds[1], NULL, NULL, NULL, NULL), -EBADF);
}

/* another process answers in the place of the stack: it is not heard */
static void test_forged(void **state)
{
	int fd = NLQ(open, NETLINK_USERSOCK), forger = nlq_open(NETLINK_USERSOCK);
	struct nlmsghdr done = {.nlmsg_len = sizeof(done), .nlmsg_type = NLMSG_DONE};
	struct sockaddr_nl to;
	socklen_t len = sizeof(to);

	(void)state;
	if (fd < 0 && errno == EPROTONOSUPPORT)
		skip();
	assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &len), 0);
	assert_int_equal(sendto(forger, &done, sizeof(done), 0, (struct sockaddr *)&to, len), sizeof(done));
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(NLQ(recv_process_rtreply, fd, NULL, NULL, NULL, NULL), -EAGAIN);
	ioth_close(fd);
	close(forger);
}

/* --------------------------------------------------------------------------------------------- faults and threads */

static void test_no_capability(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
		struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
		struct in_addr addr = ip4("10.1.2.3");

		if (syscall(SYS_capset, &header, none) < 0)
			_exit(100);
		if (NLQ(linksetupdown, v0, 0) != -1 || errno != EPERM)
			_exit(1);
		if (NLQ(ipaddr_add, AF_INET, &addr, 24, v0) != -1 || errno != EPERM)
			_exit(2);
		if (NLQ(iplink_add, "b0", CHOOSE, "bridge", NULL, 0) != -1 || errno != EPERM)
			_exit(3);
		_exit(NLQ(if_nametoindex, "v0") == v0 ? 0 : 4);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_no_descriptor(void **state)
{
	struct rlimit limit, none;
	struct nlq_if_nameindex *list;
	int error;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	list = by_ioth ? nlqx_if_nameindex(NULL) : nlq_if_nameindex();
	error = errno;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_null(list);
	assert_int_equal(error, EMFILE);
}

#define THREADS 4
#define PER_THREAD 50

static void *add_addresses(void *argument)
{
	unsigned int thread = (unsigned int)(uintptr_t)argument;

	for (unsigned int i = 0; i < PER_THREAD; i++) {
		struct in_addr addr = {htonl(0x0a000000U | thread << 16 | i << 8 | 1U)};

		if (NLQ(if_nametoindex, "v0") != v0 || NLQ(ipaddr_add, AF_INET, &addr, 24, v0) < 0 ||
		    NLQ(ipaddr_add, AF_INET, &addr, 24, v0) != -1 || errno != EEXIST)
			return argument;
	}
	return NULL;
}

/* only the first of a process's netlink sockets has the number of the process as its port; all must work alike */
static void test_threads(void **state)
{
	pthread_t thread[THREADS];
	const char *at;
	int count = 0;

	(void)state;
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, add_addresses, (void *)(i + 1)), 0);
	for (int i = 0; i < THREADS; i++) {
		void *failed;

		assert_int_equal(pthread_join(thread[i], &failed), 0);
		assert_null(failed);
	}
	at = output("ip -o -4 addr show v0");
	for (; (at = strstr(at, "inet ")) != NULL; at++)
		count++;
	assert_int_equal(count, THREADS * PER_THREAD);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

static void *nothing(void *argument)
{
	return argument;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(names),         TEST(updown),        TEST(addr),    TEST(route),   TEST(link),
	        TEST(proc),          TEST(dialog),        TEST(steps),   TEST(receive), TEST(forged),
	        TEST(no_capability), TEST(no_descriptor), TEST(threads),
	};
	int status = enter();
	pthread_t first;

	if (status != 0)
		return status;
	/* with the first thread a sanitizer may start one of its own, which is nobody's that a test left behind */
	if (pthread_create(&first, NULL, nothing, NULL) == 0)
		pthread_join(first, NULL);
	status = cmocka_run_group_tests_name("nlq_kernel", tests, NULL, NULL);
	by_ioth = true;
	return status + cmocka_run_group_tests_name("nlqx_kernel", tests, NULL, NULL);
}
