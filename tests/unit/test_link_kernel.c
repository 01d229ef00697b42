/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_link_kernel.c - cutting and merging, held against what the kernel does with the same frames.
 *
 * A frame with a virtio-net header is sent on one end of a veth pair by a packet socket. That end does no offload, so the
 * kernel cuts the segment and writes the checksums; at the other end they are read, and have to be byte by byte what
 * link__finish makes of the same frame. Then the other end merges what comes (GRO), and that has to be what
 * link__coalesce makes of the frames; where we are more careful than the kernel, its segment, cut by us, has to give the
 * frames back. (It does not merge the last frame of a segment: that one still belongs to our socket. So FIN and PSH play
 * no part there.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "checksum.h"
#include "netns.h"
#include "offload.h"
#include "wait.h"

#define EXIT_SKIP 77
#define MOST 64
#define MERGED_MAX                                                                                                     \
	32 /* frames of one segment, where the kernel is to merge them: it stops at some number of fragments */

static int sender, receiver; /* packet sockets on the two ends, with virtio-net headers */
static int far_ns;
static unsigned int merged; /* segments that we and the kernel have made alike */
static unsigned char storage[MOST][LINK_SEGMENT_MAX + 64];
static unsigned char room[LINK_FRAME_MAX];
static const unsigned char ours[6] = {2, 0, 0, 0, 0, 2}, theirs[6] = {2, 0, 0, 0, 0, 1};
static const unsigned char hosts[8] = {10, 0, 0, 1, 10, 0, 0, 2};

/** struct got - a frame as the kernel delivers it */
struct got {
	struct virtio_net_hdr vnet;
	unsigned char data[LINK_SEGMENT_MAX];
	size_t len;
};

/** packet_socket - on the interface of this namespace */
static int packet_socket(void)
{
	struct sockaddr_ll addr = {
	        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex("v0")};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1, size = 4 << 20;

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) != 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) != 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return fd;
}

/** feature - turn one on or off, by one of the old requests of ethtool */
static int feature(uint32_t command, uint32_t on)
{
	struct ethtool_value value = {.cmd = command, .data = on};
	struct ifreq ifr = {.ifr_name = "v0"};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), result;

	ifr.ifr_data = (char *)&value;
	result = ioctl(fd, SIOCETHTOOL, &ifr);
	close(fd);
	return result;
}

/** merging - the far end merges what it receives, or does not */
static void merging(bool on)
{
	int near_ns = netns_open();

	assert_int_equal(netns_enter(far_ns), 0);
	assert_return_code(feature(ETHTOOL_SGRO, on), errno);
	assert_int_equal(netns_enter(near_ns), 0);
	close(near_ns);
}

/** set_up - the two ends; 0, or what exit is to be called with */
static int set_up(void)
{
	int near_ns, err = netns_private();

	if (err == -EPERM || err == -ENOSPC || err == -EUSERS)
		return EXIT_SKIP;
	far_ns = netns_open();
	if (err || far_ns < 0 || unshare(CLONE_NEWNET) != 0)
		return 1;
	near_ns = netns_open();
	if (netns_veth("v0", far_ns) != 0 || feature(ETHTOOL_STSO, 0) != 0 || feature(ETHTOOL_STXCSUM, 0) != 0 ||
	    netns_link_up("v0") != 0)
		return 1;
	sender = packet_socket();
	if (netns_enter(far_ns) != 0 || netns_link_up("v0") != 0)
		return 1;
	receiver = packet_socket();
	if (sender < 0 || receiver < 0 || netns_link_running("v0") != 0 || netns_enter(near_ns) != 0)
		return 1;
	close(near_ns);
	return netns_link_running("v0") != 0;
}

/** give - send a frame */
static void give(const struct link_frame *frame)
{
	struct virtio_net_hdr vnet = frame->vnet;
	struct iovec iov[] = {{&vnet, sizeof(vnet)}, {frame->data, frame->len}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	assert_int_equal(sendmsg(sender, &msg, 0), sizeof(vnet) + frame->len);
}

/** take - the next frame that is one of ours and not the kernel's own */
static void take(struct got *got)
{
	do {
		struct pollfd p = {.fd = receiver, .events = POLLIN};
		struct iovec iov[] = {{&got->vnet, sizeof(got->vnet)}, {got->data, sizeof(got->data)}};
		struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
		ssize_t n;

		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		n = recvmsg(receiver, &msg, MSG_DONTWAIT);
		assert_true(n > (ssize_t)sizeof(got->vnet) + 14);
		got->len = (size_t)n - sizeof(got->vnet);
	} while (memcmp(got->data + 6, ours, sizeof(ours)) != 0);
}

/** struct kind - of a segment */
struct kind {
	const char *name;
	bool ipv6, udp;
	unsigned int ip_options; /* bytes of IPv4 options, or of an IPv6 extension header */
	unsigned int options;    /* bytes of TCP options */
	uint8_t tos, flags;      /* flags: of TCP */
	bool alone;              /* the kernel merges such frames, we do not */
};

static const struct kind kinds[] = {
        {"TCP", false, false, 0, 0, 0, 0x10, false},
        {"TCP with timestamps", false, false, 0, 12, 0, 0x18, false},
        {"TCP with as many options as there can be", false, false, 0, 40, 0, 0x10, false},
        {"TCP, end of stream", false, false, 0, 12, 0, 0x19, false},
        {"TCP, congestion experienced", false, false, 0, 12, 0x03, 0x10, false},
        {"TCP, congestion window reduced", false, false, 0, 12, 0x02, 0x98, true},
        {"TCP with IPv4 options", false, false, 8, 12, 0, 0x10, true},
        {"TCP over IPv6", true, false, 0, 0, 0, 0x10, false},
        {"TCP over IPv6 with timestamps", true, false, 0, 12, 0, 0x18, false},
        {"TCP over IPv6, congestion experienced", true, false, 0, 12, 0x03, 0x18, false},
        {"TCP over IPv6, congestion window reduced", true, false, 0, 12, 0x02, 0x98, true},
        {"TCP over IPv6, end of stream", true, false, 0, 12, 0, 0x19, false},
        {"TCP over IPv6 with destination options", true, false, 8, 12, 0, 0x10, true},
        {"UDP", false, true, 0, 0, 0, 0, false},
        {"UDP over IPv6", true, true, 0, 0, 0x02, 0, false},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static unsigned int transport_at(const struct kind *k)
{
	return 14U + (k->ipv6 ? 40U : 20U) + k->ip_options;
}

static unsigned int headers_of(const struct kind *k)
{
	return transport_at(k) + (k->udp ? 8U : 20U + k->options);
}

/** put_ip - the IP header of a packet with @len bytes of TCP or UDP; the sum of its pseudo header */
static uint64_t put_ip(const struct kind *k, unsigned char *ip, uint32_t len)
{
	uint8_t protocol = k->udp ? 17 : 6;

	if (k->ipv6) {
		link__put32(ip, 0x60012345U | (uint32_t)k->tos << 20);
		link__put16(ip + 4, (uint16_t)(len + k->ip_options));
		ip[6] = k->ip_options ? 60 : protocol;
		ip[7] = 64;
		memset(ip + 8, 0xfd, 16);
		memset(ip + 24, 0xfc, 16);
		if (k->ip_options) {
			memset(ip + 40, 0, k->ip_options);
			ip[40] = protocol;
			ip[41] = (unsigned char)(k->ip_options / 8 - 1);
			ip[42] = 1; /* padding */
			ip[43] = (unsigned char)(k->ip_options - 4);
		}
		return link__sum(link__word(protocol) + link__word((uint16_t)len), ip + 8, 32);
	}
	memset(ip, 0, 20);
	ip[0] = (unsigned char)(0x45 + k->ip_options / 4);
	ip[1] = k->tos;
	link__put16(ip + 2, (uint16_t)(20 + k->ip_options + len));
	link__put16(ip + 4, 0xfff0);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, hosts, sizeof(hosts));
	memset(ip + 20, 1, k->ip_options);
	link__put_check(ip + 10, link__sum(0, ip, 20 + k->ip_options));
	return link__sum(link__word(protocol) + link__word((uint16_t)len), ip + 12, 8);
}

/** build - a segment with @payload bytes to be cut at @size; 0: one frame, whose checksum is left to be done */
static void build(const struct kind *k, struct link_frame *frame, uint32_t payload, uint16_t size)
{
	unsigned int at = transport_at(k), headers = headers_of(k);
	unsigned char *d = frame->data, *transport = d + at;
	uint16_t partial;

	memset(d, 0, headers);
	memcpy(d, theirs, sizeof(theirs));
	memcpy(d + 6, ours, 6);
	link__put16(d + 12, k->ipv6 ? 0x86dd : 0x0800);
	partial = link__sum_fold(put_ip(k, d + 14, headers - at + payload));
	link__put16(transport, 1234);
	link__put16(transport + 2, 80);
	if (k->udp) {
		link__put16(transport + 4, (uint16_t)(8 + payload));
	} else {
		link__put32(transport + 4, 0xfffff000U); /* goes round */
		link__put32(transport + 8, 99);
		transport[12] = (unsigned char)((20 + k->options) / 4 << 4);
		transport[13] = k->flags;
		link__put16(transport + 14, 5000);
		memset(transport + 20, 1, k->options);
	}
	memcpy(transport + (k->udp ? 6 : 16), &partial, sizeof(partial));
	for (uint32_t i = 0; i < payload; i++)
		d[headers + i] = (unsigned char)(i * 7 + i / 251);
	frame->len = headers + payload;
	frame->vnet = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	                                      .csum_start = (uint16_t)at,
	                                      .csum_offset = k->udp ? 6 : 16,
	                                      .hdr_len = (uint16_t)headers};
	if (size > 0) {
		frame->vnet.gso_size = size;
		frame->vnet.gso_type = k->udp    ? VIRTIO_NET_HDR_GSO_UDP_L4
		                       : k->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6
		                                 : VIRTIO_NET_HDR_GSO_TCPV4;
		if (k->flags & 0x80)
			frame->vnet.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	}
}

/** same - is what the kernel delivers the same as a frame of ours? Says where it is not */
static void same(const struct kind *k, const struct got *got, const unsigned char *data, uint32_t len)
{
	if (got->len != len)
		fail_msg("%s: the kernel's frame has %zu bytes, ours %u", k->name, got->len, len);
	for (uint32_t i = 0; i < len; i++)
		if (got->data[i] != data[i])
			fail_msg("%s: byte %u of %u is 0x%02x, ours 0x%02x", k->name, i, len, got->data[i], data[i]);
}

/** knows_trains - does this kernel understand UDP in virtio-net headers? Since 6.2 */
static bool knows_trains(void)
{
	struct link_frame frame = {.data = storage[0]};
	struct iovec iov[] = {{&frame.vnet, sizeof(frame.vnet)}, {storage[0], 0}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	static struct got got;

	build(&kinds[KINDS - 1], &frame, 200, 100);
	iov[1].iov_len = frame.len;
	if (sendmsg(sender, &msg, 0) < 0)
		return false;
	take(&got);
	take(&got);
	return true;
}

static void cut_as_the_kernel_does(void **state)
{
	static const uint16_t sizes[] = {100, 999, 1200};
	static const uint32_t pieces[] = {1, 2, 3, 44};
	static struct got got;
	bool trains = knows_trains();

	(void)state;
	for (size_t n = 0; n < KINDS; n++) {
		if (kinds[n].udp && !trains)
			continue;
		for (size_t m = 0; m < sizeof(sizes) / sizeof(sizes[0]); m++) {
			for (size_t p = 0; p < 2 * sizeof(pieces) / sizeof(pieces[0]); p++) {
				struct link_frame whole = {.data = storage[0]};
				uint32_t payload = pieces[p / 2] * sizes[m] + p % 2, len;
				struct link__finisher f;
				const unsigned char *data;

				if (payload <= sizes[m])
					continue; /* the kernel takes that for no segment */
				build(&kinds[n], &whole, payload, sizes[m]);
				give(&whole);
				assert_true(link__finish(&f, &whole) > 1);
				while ((len = link__finish_next(&f, room, &data)) > 0) {
					take(&got);
					same(&kinds[n], &got, data, len);
				}
			}
		}
	}
}

static void checksums_as_the_kernels(void **state)
{
	static struct got got;

	(void)state;
	for (size_t n = 0; n < KINDS; n++) {
		for (uint32_t payload = 0; payload < 1200; payload += payload < 40 ? 1 : 291) {
			struct link_frame frame = {.data = storage[0]};
			struct link__finisher f;
			const unsigned char *data;

			build(&kinds[n], &frame, payload, 0);
			if (kinds[n].udp && payload == 12) {
				/* a sum that comes out as 0, which UDP has to write otherwise */
				unsigned char *d = frame.data + transport_at(&kinds[n]);
				uint16_t rest;

				memset(d + 8, 0, payload);
				rest = (uint16_t)~link__sum_fold(link__sum(0, d, 8 + payload));
				memcpy(d + 8, &rest, sizeof(rest));
			}
			give(&frame);
			assert_int_equal(link__finish(&f, &frame), 1);
			assert_int_equal(link__finish_next(&f, room, &data), frame.len);
			take(&got);
			same(&kinds[n], &got, data, frame.len);
		}
	}
}

/** pieces_of - the finished frames of a segment, in storage from 1 on; how many */
static unsigned int pieces_of(struct link_frame *whole, struct link_frame *frames)
{
	struct link__finisher f;
	const unsigned char *data;
	unsigned int n = 0;
	uint32_t len;

	assert_true(link__finish(&f, whole) < MOST);
	while ((len = link__finish_next(&f, room, &data)) > 0) {
		frames[n] = (struct link_frame){.data = storage[n + 1], .len = len};
		memcpy(storage[n + 1], data, len);
		n++;
	}
	return n;
}

/** gives_back - the kernel's segment, cut by us, is the frames again, but for IPv4's identifiers, which are made up */
static void gives_back(const struct kind *k, struct got *got, const struct link_frame *frames, unsigned int count)
{
	struct link_frame whole = {.vnet = got->vnet, .data = got->data, .len = (uint32_t)got->len};
	struct link__finisher f;
	const unsigned char *data;
	struct got piece;

	if (link__finish(&f, &whole) != count)
		fail_msg("%s: the kernel's segment is not cut into %u frames", k->name, count);
	for (unsigned int i = 0; i < count; i++) {
		piece.len = link__finish_next(&f, room, &data);
		memcpy(piece.data, data, piece.len);
		same(k, &piece, frames[i].data, frames[i].len);
	}
}

/** collect - what the kernel makes of a stream of @payload bytes, in the order of the bytes; how many */
static unsigned int collect(const struct kind *k, struct got *got[], uint32_t payload)
{
	unsigned int n = 0, headers = headers_of(k), at = transport_at(k) + 4;

	for (uint32_t seen = 0; seen < payload; n++) {
		unsigned int i = n;

		assert_true(n < MOST);
		take(got[n]);
		assert_true(got[n]->len > headers);
		seen += (uint32_t)got[n]->len - headers;
		/* one with PSH waits for nobody */
		for (; i > 0 && (int32_t)(link__get32(got[i]->data + at) - link__get32(got[i - 1]->data + at)) < 0;
		     i--) {
			struct got *later = got[i - 1];

			got[i - 1] = got[i];
			got[i] = later;
		}
	}
	return n;
}

/** merge - @count frames of @size bytes, and a last one, through the kernel and through link__coalesce */
static void merge(const struct kind *k, unsigned int count, uint16_t size)
{
	static struct got room_for[MOST];
	struct got *got[MOST];
	struct link_frame whole = {.data = storage[0]}, frames[MOST];
	unsigned int came, kept, at = 0;

	for (unsigned int i = 0; i < MOST; i++)
		got[i] = &room_for[i];
	build(k, &whole, count * size + 1, size);
	give(&whole);
	assert_int_equal(pieces_of(&whole, frames), count + 1);
	came = collect(k, got, count * size + 1);
	for (unsigned int i = 0; i < came; i++) {
		unsigned int n = got[i]->vnet.gso_size ? ((unsigned int)got[i]->len - headers_of(k)) / size : 1;

		if (n > 1)
			gives_back(k, got[i], frames + at, n);
		else
			same(k, got[i], frames[at].data, frames[at].len);
		at += n;
	}
	kept = link__coalesce(frames, count);
	if (k->alone)
		return;
	/* All but the last, or none. */
	if (came != kept + 1)
		fail_msg("%s: %u of %u frames are left, the kernel leaves %u", k->name, kept, count, came - 1);
	same(k, got[0], frames[0].data, frames[0].len);
	assert_int_equal(got[0]->vnet.gso_type, frames[0].vnet.gso_type);
	assert_int_equal(got[0]->vnet.gso_size, frames[0].vnet.gso_size);
	assert_int_equal(got[0]->vnet.csum_start, frames[0].vnet.csum_start);
	assert_int_equal(got[0]->vnet.csum_offset, frames[0].vnet.csum_offset);
	merged += kept == 1;
}

static void merge_as_the_kernel_does(void **state)
{
	(void)state;
	merging(true);
	for (size_t n = 0; n < KINDS; n++) {
		if (kinds[n].udp)
			continue; /* the kernel merges datagrams for who asks, and we never do */
		for (unsigned int count = 2; count <= MERGED_MAX / 2; count += 7) {
			merge(&kinds[n], count, 100);
			merge(&kinds[n], count, 1200);
		}
	}
	merging(false);
	assert_true(merged > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(cut_as_the_kernel_does),
	        cmocka_unit_test(checksums_as_the_kernels),
	        cmocka_unit_test(merge_as_the_kernel_does),
	};
	int err = set_up();

	if (err) {
		fprintf(stderr, "no private network: %s\n", strerror(errno));
		return err;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
