/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_lwip_shm.c - lwip on a network in shared memory: what is left undone there, and what is not elsewhere.
 *
 * A monitor of the network sees the frames as they lie in memory. The other side of a connection is lwip, which takes
 * segments and unfinished checksums; the test engine, which takes neither and verifies every checksum; or vdestack, which
 * sends segments of 64 KiB. And who has to be told of what comes is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <ioth.h>
#include <libvdeplug_mod.h>
#include <linux/if_addr.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "checksum.h"
#include "vdeplug_shm.h"

#define BYTES (512 * 1024)
#define ROUNDS 200
#define IN_CALLS 20 /* between two polls: enough for the stack to count on the thread's return */
#define AWAY_MS 2   /* the stack does not count on it any more */
#define PATIENCE_MS 10000

static char dir[] = "/tmp/lwip-shm-XXXXXX";
static char net[64]; /* locator */

/** struct seen - frames with TCP data in the memory of the network */
struct seen {
	unsigned int unsummed, finished, large;
};

/** stack - a new one with the address @host on networks @first and so on: 10.N.0.@host, fdN::@host */
static struct ioth *stack(const char *kind, const char *vnls[], unsigned int first, unsigned int host)
{
	struct ioth *s = ioth_newstackv(kind, vnls);

	if (s)
		assert_return_code(ioth_linksetupdown(s, (unsigned int)ioth_if_nametoindex(s, "lo"), 1), errno);
	for (unsigned int i = 0; s && vnls[i]; i++) {
		struct in_addr four = {htonl(10U << 24 | (first + i) << 16 | host)};
		struct in6_addr six = {.s6_addr = {0xfd, (unsigned char)(first + i)}};
		char name[16];
		int index;

		six.s6_addr[15] = (unsigned char)host;
		snprintf(name, sizeof(name), "vde%u", i);
		index = ioth_if_nametoindex(s, name);
		assert_true(index > 0);
		assert_return_code(ioth_linksetupdown(s, (unsigned int)index, 1), errno);
		assert_return_code(ioth_ipaddr_add(s, AF_INET, &four, 24, (unsigned int)index), errno);
		assert_return_code(
		        ioth_ipaddr_add(s, AF_INET6, &six, nl_addrdata2prefix(64, IFA_F_NODAD, 0), (unsigned int)index),
		        errno);
	}
	return s;
}

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 7 + i / 251);
}

/** take_all - a thread: receive BYTES bytes and their end; NULL: they are right */
static void *take_all(void *arg)
{
	static char damaged[] = "a byte is wrong", missing[] = "bytes are missing";
	static unsigned char data[70000];
	int fd = *(int *)arg;
	size_t seen = 0;
	ssize_t n;

	while ((n = ioth_read(fd, data, sizeof(data))) > 0)
		for (ssize_t i = 0; i < n; i++)
			if (data[i] != pattern(seen++))
				return damaged;
	return seen == BYTES && n == 0 ? NULL : missing;
}

/** transfer - BYTES bytes over TCP from one stack to an address of another */
static void transfer(struct ioth *from, struct ioth *to, int family, unsigned int network, unsigned int host)
{
	union {
		struct sockaddr any;
		struct sockaddr_in four;
		struct sockaddr_in6 six;
	} addr = {.six = {.sin6_family = AF_INET6}};
	socklen_t len = family == AF_INET ? sizeof(addr.four) : sizeof(addr.six);
	int listener = ioth_msocket(to, family, SOCK_STREAM, 0), out = ioth_msocket(from, family, SOCK_STREAM, 0), in;
	static unsigned char data[BYTES];
	pthread_t thread;
	void *wrong;

	if (family == AF_INET) {
		addr.four = (struct sockaddr_in){.sin_family = AF_INET,
		                                 .sin_addr = {htonl(10U << 24 | network << 16 | host)}};
	} else {
		addr.six.sin6_addr.s6_addr[0] = 0xfd;
		addr.six.sin6_addr.s6_addr[1] = (unsigned char)network;
		addr.six.sin6_addr.s6_addr[15] = (unsigned char)host;
	}
	assert_return_code(ioth_bind(listener, &addr.any, len), errno);
	assert_return_code(ioth_listen(listener, 1), errno);
	assert_return_code(ioth_getsockname(listener, &addr.any, &len), errno);
	assert_return_code(ioth_connect(out, &addr.any, len), errno);
	in = ioth_accept(listener, NULL, NULL);
	assert_return_code(in, errno);
	assert_int_equal(pthread_create(&thread, NULL, take_all, &in), 0);
	for (size_t i = 0; i < BYTES; i++)
		data[i] = pattern(i);
	for (size_t done = 0; done < BYTES;) {
		ssize_t n = ioth_write(out, data + done, BYTES - done);

		assert_true(n > 0);
		done += (size_t)n;
	}
	assert_return_code(ioth_close(out), errno);
	pthread_join(thread, &wrong);
	if (wrong)
		fail_msg("%s", (const char *)wrong);
	assert_return_code(ioth_close(in), errno);
	assert_return_code(ioth_close(listener), errno);
}

/** sums_up - is the checksum of a TCP segment right (@partial: that of the pseudo header alone)? */
static bool sums_up(const unsigned char *frame, size_t len, bool partial)
{
	bool six = frame[12] == 0x86;
	size_t tcp = six ? 54 : 34;
	uint64_t sum = link__word(6) + link__word((uint16_t)(len - tcp));
	uint16_t check;

	sum = six ? link__sum(sum, frame + 22, 32) : link__sum(sum, frame + 26, 8);
	if (!partial)
		return link__sum_fold(link__sum(sum, frame + tcp, len - tcp)) == 0xffff;
	memcpy(&check, frame + tcp + 16, sizeof(check));
	return check == link__sum_fold(sum);
}

/** look - at what a monitor has: all checksums are right; counts frames with much data from the last byte @host of an address */
static struct seen look(VDECONN *monitor, const struct vde_shm_ops *ops, unsigned int host)
{
	static unsigned char frame[VDE_SHM_SEGMENT_MAX];
	struct virtio_net_hdr vnet;
	struct seen seen = {0};
	ssize_t n;

	while ((n = ops->recv(monitor, &vnet, frame, sizeof(frame), MSG_DONTWAIT)) > 0) {
		bool six = frame[12] == 0x86, four = frame[12] == 0x08 && frame[13] == 0x00;

		if (n < 54 || (!six && !four) || frame[six ? 20 : 23] != 6 || frame[six ? 37 : 29] != host)
			continue;
		if (vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
			assert_int_equal(vnet.csum_start, six ? 54 : 34);
			assert_int_equal(vnet.csum_offset, 16);
			assert_true(sums_up(frame, (size_t)n, true));
			seen.unsummed += n > 500;
		} else {
			assert_true(sums_up(frame, (size_t)n, false));
			seen.finished += n > 500;
		}
		seen.large += n > 1514;
	}
	return seen;
}

/** watch - a monitor, which can hold a whole transfer */
static VDECONN *watch(const struct vde_shm_ops **ops)
{
	char url[100], description[] = "monitor";
	VDECONN *monitor;

	snprintf(url, sizeof(url), "%s/slots=8192/ports=64/monitor=1", net);
	monitor = vde_open(url, description, NULL);
	assert_non_null(monitor);
	*ops = dlsym(monitor->handle, "vdeplug_shm_ops");
	assert_non_null(*ops);
	return monitor;
}

/** between - transfers between lwip and a stack of @kind, both ways; what lwip (out) and the other (back) sent */
static bool between(const char *kind, const char *options, struct seen *out, struct seen *back)
{
	const struct vde_shm_ops *ops;
	VDECONN *monitor = watch(&ops); /* makes the network, too */
	const char *vnls[] = {net, NULL};
	struct ioth *a = stack(options, vnls, 0, 1), *b = stack(kind, vnls, 0, 2);

	*out = *back = (struct seen){0};
	assert_non_null(a);
	for (int six = 0; b && six < 2; six++) {
		struct seen seen;

		look(monitor, ops, 1);
		transfer(a, b, six ? AF_INET6 : AF_INET, 0, 2);
		seen = look(monitor, ops, 1);
		out->unsummed += seen.unsummed;
		out->finished += seen.finished;
		out->large += seen.large;
		transfer(b, a, six ? AF_INET6 : AF_INET, 0, 1);
		seen = look(monitor, ops, 2);
		back->unsummed += seen.unsummed;
		back->finished += seen.finished;
		back->large += seen.large;
	}
	assert_int_equal(ioth_delstack(a), 0);
	if (b)
		assert_int_equal(ioth_delstack(b), 0);
	vde_close(monitor);
	return b != NULL;
}

static void nobody_sums_between_two(void **state)
{
	struct seen out, back;

	(void)state;
	assert_true(between("lwip", "lwip", &out, &back));
	assert_true(out.unsummed > 0);
	assert_true(back.unsummed > 0);
	assert_int_equal(out.finished, 0);
	assert_int_equal(back.finished, 0);
	/* What is sent in one go leaves as one segment. */
	assert_true(out.large > 0);
	assert_true(back.large > 0);
}

static void who_has_not_asked_gets_finished_frames(void **state)
{
	struct seen out, back;

	(void)state;
	assert_true(between("testengine", "lwip", &out, &back));
	assert_true(out.finished > 0);
	assert_true(back.finished > 0);
	assert_int_equal(out.unsummed, 0);
	assert_int_equal(back.unsummed, 0);
	assert_int_equal(out.large, 0);
	assert_int_equal(back.large, 0);
}

static void a_router_gets_finished_frames(void **state)
{
	struct seen out, back;

	(void)state;
	assert_true(between("lwip", "lwip,forwarding", &out, &back));
	assert_true(out.finished > 0); /* it asks for no offload, so it does none */
	assert_true(back.finished > 0);
	assert_int_equal(out.unsummed, 0);
	assert_int_equal(back.unsummed, 0);
}

static void segments_of_the_kernel_come_in_one_piece(void **state)
{
	struct seen out, back;

	(void)state;
	if (!between("vdestack", "lwip", &out, &back))
		skip(); /* no user namespaces */
	assert_true(out.unsummed > 0);
	assert_true(back.unsummed > 0);
	assert_true(back.large > 0);
	assert_int_equal(back.finished, 0);
}

/** datagrams - a UDP socket of host @host of a stack, on any port; its address */
static int datagrams(struct ioth *s, unsigned int host, struct sockaddr_in *addr)
{
	struct timeval patience = {.tv_sec = 10};
	int fd = ioth_msocket(s, AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(*addr);

	*addr = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(10U << 24 | host)}};
	assert_return_code(ioth_bind(fd, (struct sockaddr *)addr, len), errno);
	assert_return_code(ioth_getsockname(fd, (struct sockaddr *)addr, &len), errno);
	assert_return_code(ioth_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), errno);
	return fd;
}

/** send_train - ten datagrams of 1000 bytes in one call, which have to come as such */
static void send_train(int out, int in, const struct sockaddr_in *to)
{
	static unsigned char data[10000], got[2000];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = pattern(i);
	assert_int_equal(ioth_sendto(out, data, sizeof(data), 0, (const struct sockaddr *)to, sizeof(*to)),
	                 sizeof(data));
	for (size_t i = 0; i < sizeof(data); i += 1000) {
		assert_int_equal(ioth_recv(in, got, sizeof(got), 0), 1000);
		assert_memory_equal(got, data + i, 1000);
	}
}

/** trains - how many trains of datagrams a monitor has */
static unsigned int trains(VDECONN *monitor, const struct vde_shm_ops *ops)
{
	static unsigned char frame[VDE_SHM_SEGMENT_MAX];
	struct virtio_net_hdr vnet;
	unsigned int n = 0;

	while (ops->recv(monitor, &vnet, frame, sizeof(frame), MSG_DONTWAIT) > 0)
		n += vnet.gso_type == 5; /* VIRTIO_NET_HDR_GSO_UDP_L4 */
	return n;
}

/** describes_trains - has this kernel a way to say so? */
static bool describes_trains(void)
{
	unsigned int major, minor;
	struct utsname name;

	assert_int_equal(uname(&name), 0);
	assert_int_equal(sscanf(name.release, "%u.%u", &major, &minor), 2);
	return major > 6 || (major == 6 && minor >= 2);
}

static void trains_of_datagrams_are_cut_for_lwip_alone(void **state)
{
	const char *vnls[] = {net, NULL};
	const struct vde_shm_ops *ops;
	VDECONN *monitor = watch(&ops);
	struct ioth *a = stack("lwip", vnls, 0, 1), *b = stack("vdestack", vnls, 0, 2),
	            *c = stack("vdestack", vnls, 0, 3);
	int size = 1000, out, to_a, to_c;
	struct sockaddr_in here, addr_a, addr_c;

	(void)state;
	assert_non_null(a);
	if (b && c) {
		out = datagrams(b, 2, &here);
		to_a = datagrams(a, 1, &addr_a);
		to_c = datagrams(c, 3, &addr_c);
		assert_return_code(ioth_setsockopt(out, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)), errno);
		send_train(out, to_a, &addr_a); /* the neighbour has to be found, too */
		send_train(out, to_c, &addr_c);
		trains(monitor, ops);
		send_train(out, to_a, &addr_a);
		assert_int_equal(trains(monitor, ops), 0);
		send_train(out, to_c, &addr_c);
		assert_int_equal(trains(monitor, ops), describes_trains() ? 1 : 0);
		ioth_close(out);
		ioth_close(to_a);
		ioth_close(to_c);
		assert_int_equal(ioth_delstack(b), 0);
		assert_int_equal(ioth_delstack(c), 0);
	}
	assert_int_equal(ioth_delstack(a), 0);
	vde_close(monitor);
	if (!b || !c)
		skip();
}

/** What was not summed while it was queued is summed where it leaves by another kind of network. */
static void other_networks_get_finished_frames(void **state)
{
	char ptp[80];
	const char *both[] = {net, ptp, NULL}, *memory[] = {net, NULL}, *line[] = {ptp, NULL};
	struct ioth *a, *b, *c;

	(void)state;
	snprintf(ptp, sizeof(ptp), "ptp://%s/ptp", dir);
	a = stack("lwip", both, 0, 1);
	b = stack("lwip", memory, 0, 2);
	c = stack("testengine", line, 1, 3);
	assert_non_null(a);
	assert_non_null(b);
	assert_non_null(c);
	transfer(a, b, AF_INET, 0, 2);
	transfer(a, c, AF_INET, 1, 3);
	transfer(a, c, AF_INET6, 1, 3);
	transfer(c, a, AF_INET, 1, 1);
	transfer(a, a, AF_INET, 0, 1); /* and to itself */
	assert_int_equal(ioth_delstack(a), 0);
	assert_int_equal(ioth_delstack(b), 0);
	assert_int_equal(ioth_delstack(c), 0);
}

static int clean(void **state)
{
	(void)state;
	return rmdir(dir);
}

/** struct echo - who answers, on a thread, byte by byte */
struct echo {
	int fd;
	size_t bytes;
};

static void *echo(void *arg)
{
	struct echo *echo = arg;
	char byte;

	while (ioth_read(echo->fd, &byte, 1) == 1 && ioth_write(echo->fd, &byte, 1) == 1)
		echo->bytes++;
	return NULL;
}

/* A thread that waits in calls moves its frames without being woken; one that polls is told by the descriptor. */
static void who_polls_after_waiting_in_calls_is_told(void **state)
{
	const char *vnls[] = {net, NULL};
	struct ioth *a = stack("lwip", vnls, 0, 1), *b = stack("lwip", vnls, 0, 2);
	int listener = ioth_msocket(b, AF_INET, SOCK_STREAM, 0), fd = ioth_msocket(a, AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(10U << 24 | 2)}, .sin_port = htons(7)};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct echo answers = {0};
	pthread_t thread;
	char byte = 0;

	(void)state;
	assert_return_code(ioth_bind(listener, (struct sockaddr *)&addr, sizeof(addr)), errno);
	assert_return_code(ioth_listen(listener, 1), errno);
	assert_return_code(ioth_connect(fd, (struct sockaddr *)&addr, sizeof(addr)), errno);
	answers.fd = ioth_accept(listener, NULL, NULL);
	assert_return_code(answers.fd, errno);
	assert_int_equal(pthread_create(&thread, NULL, echo, &answers), 0);
	for (unsigned int i = 0; i < ROUNDS * IN_CALLS; i++) {
		assert_int_equal(ioth_write(fd, &byte, 1), 1);
		if (i % IN_CALLS == 0)
			assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		assert_int_equal(ioth_read(fd, &byte, 1), 1);
		if (i % IN_CALLS != IN_CALLS - 1)
			continue;
		/* What comes when nobody counts on the thread any more. */
		assert_int_equal(poll(&p, 1, AWAY_MS), 0);
		assert_int_equal(ioth_write(answers.fd, &byte, 1), 1);
		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		assert_int_equal(ioth_read(fd, &byte, 1), 1);
	}
	assert_return_code(ioth_close(fd), errno);
	pthread_join(thread, NULL);
	assert_int_equal(answers.bytes, ROUNDS * IN_CALLS);
	assert_return_code(ioth_close(answers.fd), errno);
	assert_return_code(ioth_close(listener), errno);
	assert_int_equal(ioth_delstack(a), 0);
	assert_int_equal(ioth_delstack(b), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(nobody_sums_between_two),
	        cmocka_unit_test(who_has_not_asked_gets_finished_frames),
	        cmocka_unit_test(a_router_gets_finished_frames),
	        cmocka_unit_test(segments_of_the_kernel_come_in_one_piece),
	        cmocka_unit_test(trains_of_datagrams_are_cut_for_lwip_alone),
	        cmocka_unit_test(other_networks_get_finished_frames),
	        cmocka_unit_test(who_polls_after_waiting_in_calls_is_told),
	};

	if (!mkdtemp(dir))
		return 1;
	snprintf(net, sizeof(net), "shm://%s/net", dir);
	ioth_set_license("GPL-2.0-or-later");
	return cmocka_run_group_tests(tests, NULL, clean);
}
