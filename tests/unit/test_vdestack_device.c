/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_vdestack_device.c - frames through a packet socket, and what is done to them on the way
 *
 * The device is on one end of a veth pair in a private namespace, a plain packet socket on the other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "netns.h"
#include "packetdev.h"
#include "wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIG 9216 /* MTU */

static unsigned char buffer[LINK_BATCH][LINK_SEGMENT_MAX];
static struct link_frame frame[LINK_BATCH];
static struct packetdev device;
static int wire = -1; /* the other end */

/** frames_reset - as the loop hands them over */
static void frames_reset(void)
{
	for (unsigned int i = 0; i < LINK_BATCH; i++)
		frame[i] = (struct link_frame){.data = buffer[i], .len = sizeof(buffer[i])};
}

/** packet - a packet socket on interface @name */
static int packet(const char *name, bool vnet)
{
	struct sockaddr_ll addr = {
	        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1;

	assert_true(fd >= 0);
	assert_return_code(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)), errno);
	if (vnet) { /* as the helper makes it. Linux attaches the queue of a new interface some time after its carrier
		       comes */
		assert_return_code(setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)), errno);
		assert_return_code(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), errno);
		assert_return_code(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)), errno);
	}
	assert_return_code(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), errno);
	return fd;
}

/** set_mtu - of an interface */
static void set_mtu(const char *name, int mtu)
{
	struct ifreq ifr = {.ifr_mtu = mtu};

	strcpy(ifr.ifr_name, name);
	assert_return_code(ioctl(wire, SIOCSIFMTU, &ifr), errno);
}

/** frame_make - a broadcast of @len bytes of an unused protocol; returns it */
static unsigned char *frame_make(size_t len, unsigned char mark)
{
	static unsigned char text[LINK_FRAME_MAX + 100];

	memset(text, 0xff, 6);
	memcpy(text + 6, "\2\0\0\0\0\1\x88\xb5", 8); /* local experimental ethertype */
	for (size_t i = 14; i < len; i++)
		text[i] = (unsigned char)(i * 7 + mark);
	return text;
}

/** output - frames of the device, when there are any */
static int output(void)
{
	frames_reset();
	assert_int_equal(wait_revents(device.fd, POLLIN | POLLOUT), POLLIN | POLLOUT);
	return packetdev_ops.output(&device, frame, LINK_BATCH);
}

static void test_output(void **state)
{
	static const size_t size[] = {60, 1514, 9230};

	(void)state;
	frames_reset();
	assert_int_equal(packetdev_ops.output(&device, frame, LINK_BATCH), 0);
	for (unsigned int i = 0; i < 3; i++) {
		unsigned char *text = frame_make(size[i], (unsigned char)i);

		assert_int_equal(send(wire, text, size[i], 0), size[i]);
		assert_int_equal(output(), 1);
		assert_int_equal(frame[0].len, size[i]);
		assert_memory_equal(frame[0].data, text, size[i]);
		assert_true(frame[0].data + frame[0].len <= buffer[0] + LINK_SEGMENT_MAX);
		assert_int_equal(frame[0].vnet.flags, 0);
	}
}

static void test_output_batch(void **state)
{
	int got = 0, n;

	(void)state;
	for (unsigned int i = 0; i < 2 * LINK_BATCH; i++)
		assert_int_equal(send(wire, frame_make(100, (unsigned char)i), 100, 0), 100);
	while (got < 2 * LINK_BATCH) {
		n = output();
		assert_true(n > 0 && n <= LINK_BATCH);
		for (int i = 0; i < n; i++)
			assert_memory_equal(frame[i].data, frame_make(100, (unsigned char)(got + i)), 100);
		got += n;
	}
	frames_reset();
	assert_int_equal(packetdev_ops.output(&device, frame, LINK_BATCH), 0);
}

/* The kernel takes the tag out, whoever puts it in. */
static void test_tag(void **state)
{
	unsigned char tagged[9234];

	(void)state;
	for (size_t len = 64; len <= sizeof(tagged); len += sizeof(tagged) - 64) {
		memcpy(tagged, frame_make(len, 3), len);
		memcpy(tagged + 12, "\x81\x00\x60\x2a\x88\xb5", 6); /* priority 3, VLAN 42 */
		assert_int_equal(send(wire, tagged, len, 0), len);
		assert_int_equal(output(), 1);
		assert_int_equal(frame[0].len, len);
		assert_memory_equal(frame[0].data, tagged, len);
		assert_true(frame[0].data >= buffer[0]);
	}
}

/* A frame that the buffer is too small for is lost, and said to be; those beside it are not. */
static void test_too_large(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(send(wire, frame_make(i == 1 ? 1000 : 100, (unsigned char)i), i == 1 ? 1000 : 100, 0),
		                 i == 1 ? 1000 : 100);
	for (unsigned int i = 0; i < 3; i++) {
		frames_reset();
		frame[0].len = 500;
		assert_int_equal(wait_revents(device.fd, POLLIN | POLLOUT), POLLIN | POLLOUT);
		assert_int_equal(packetdev_ops.output(&device, frame, 1), 1);
		assert_int_equal(frame[0].len, i == 1 ? 0 : 100);
	}
	assert_int_equal(device.dropped, 1);
	device.dropped = 0;
}

/** jumbo - an IPv6 segment of @len bytes behind @tags, with the option that says so */
static void jumbo(struct link_frame *f, unsigned int tags, uint32_t len)
{
	unsigned char *at = buffer[0];

	memset(at, 0x33, 200);
	for (unsigned int i = 0; i < tags; i++)
		memcpy(at + 12 + 4 * i, "\x88\xa8\0\2", 4);
	at += 12 + 4 * tags;
	memcpy(at, "\x86\xdd\x60\0\0\0\0\0\0\x40", 10);
	memcpy(at + 42, "\x06\0\xc2\x04\0\1\x11\x71", 8);
	*f = (struct link_frame){.data = buffer[0], .len = len, .vnet = {.hdr_len = 94, .csum_start = 62}};
}

static void test_jumbo(void **state)
{
	struct link_frame f;

	(void)state;
	for (unsigned int tags = 0; tags < 3; tags++) {
		unsigned char want[200];
		size_t header = 14 + 4 * tags;

		jumbo(&f, tags, 70000);
		memcpy(want, buffer[0], header + 40);
		want[header + 6] = IPPROTO_TCP;
		memcpy(want + header + 40, buffer[0] + header + 48, 100);
		packetdev_unjumbo(&f);
		assert_ptr_equal(f.data, buffer[0] + 8);
		assert_int_equal(f.len, 70000 - 8);
		assert_int_equal(f.vnet.hdr_len, 94 - 8);
		assert_int_equal(f.vnet.csum_start, 62 - 8);
		assert_memory_equal(f.data, want, header + 140);
	}
	/* Other options, other packets: untouched. */
	for (unsigned int fault = 0; fault < 4; fault++) {
		static const size_t place[] = {13, 14 + 6, 14 + 40 + 1, 14 + 40 + 2};

		jumbo(&f, 0, 70000);
		buffer[0][place[fault]] ^= 1;
		packetdev_unjumbo(&f);
		assert_int_equal(f.len, 70000);
		assert_ptr_equal(f.data, buffer[0]);
	}
}

static void test_input(void **state)
{
	unsigned char got[LINK_FRAME_MAX];
	static const uint32_t size[] = {60, 1514, 9234};

	(void)state;
	frames_reset();
	for (unsigned int i = 0; i < 3; i++) {
		memcpy(buffer[i], frame_make(size[i], (unsigned char)i), size[i]);
		if (i == 2) /* as large as can be only with a tag */
			memcpy(buffer[i] + 12, "\x81\x00\x00\x2a\x88\xb5", 6);
		frame[i].len = size[i];
	}
	packetdev_ops.input(&device, frame, 3);
	for (unsigned int i = 0; i < 3; i++) {
		ssize_t len;

		assert_int_equal(wait_revents(wire, POLLIN | POLLOUT), POLLIN | POLLOUT);
		len = recv(wire, got, sizeof(got), 0);
		if (i < 2) {
			assert_int_equal(len, size[i]);
			assert_memory_equal(got, buffer[i], size[i]);
		} else { /* the tag is taken out for this receiver, too */
			assert_int_equal(len, size[i] - 4);
			assert_memory_equal(got + 12, buffer[i] + 16, size[i] - 16);
		}
	}
	assert_int_equal(device.dropped, 0);
}

/* A frame the interface cannot take does not keep those behind it from getting through. */
static void test_input_bad(void **state)
{
	unsigned char got[LINK_FRAME_MAX];

	(void)state;
	frames_reset();
	for (unsigned int i = 0; i < 3; i++) {
		memcpy(buffer[i], frame_make(100, (unsigned char)i), 100);
		frame[i].len = i == 1 ? 10 : 100; /* not even a header */
	}
	packetdev_ops.input(&device, frame, 3);
	for (unsigned int i = 0; i < 3; i += 2) {
		assert_int_equal(wait_revents(wire, POLLIN | POLLOUT), POLLIN | POLLOUT);
		assert_int_equal(recv(wire, got, sizeof(got), 0), 100);
		assert_memory_equal(got, buffer[i], 100);
	}
	assert_int_equal(device.dropped, 1);
	device.dropped = 0;
}

/* The last test: the interface is deleted. */
static void test_gone(void **state)
{
	(void)state;
	assert_false(packetdev_gone(&device));
	assert_int_equal(system("ip link delete left"), 0);
	assert_int_equal(packetdev_ops.output(&device, frame, LINK_BATCH), -ENODEV);
	assert_true(packetdev_gone(&device));
	frames_reset();
	memcpy(buffer[0], frame_make(100, 1), 100);
	frame[0].len = 100;
	packetdev_ops.input(&device, frame, 1);
	assert_int_equal(device.dropped, 1);
	packetdev_ops.down(&device, -ENODEV);
	assert_int_equal(device.error, -ENODEV);
}

static int setup(void **state)
{
	(void)state;
	device.fd = packet("left", true);
	device.peer = if_nametoindex("left");
	wire = packet("right", false);
	set_mtu("left", BIG);
	set_mtu("right", BIG);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_output),    cmocka_unit_test(test_output_batch), cmocka_unit_test(test_tag),
	        cmocka_unit_test(test_too_large), cmocka_unit_test(test_jumbo),        cmocka_unit_test(test_input),
	        cmocka_unit_test(test_input_bad), cmocka_unit_test(test_gone),
	};
	int err = netns_private();

	if (err) {
		printf("no namespaces of one's own here: %s\n", strerror(-err));
		return 77;
	}
	/* IPv6 would talk in between */
	if (system("echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/default/disable_ipv6; ip link add left type veth peer "
	           "name right &&"
	           " ip link set left up && ip link set right up") != 0) {
		printf("no veth pair, or no ip(8), here\n");
		return 77;
	}
	if (netns_link_running("left") != 0 || netns_link_running("right") != 0)
		return 1;
	return cmocka_run_group_tests(tests, setup, NULL);
}
