/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_link_join.c - segments that are put together where they lie, src/link/join.c: what was cut becomes whole again, and what
 * does not belong together stays apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "checksum.h"
#include "join.h"

#define ETHERNET 14
#define MOST 70

static unsigned char whole[LINK_SEGMENT_MAX], flat[LINK_SEGMENT_MAX], cut[MOST][2048];
static struct link__join join;

/** tcp_at - offset of the TCP header */
static unsigned int tcp_at(bool ipv6)
{
	return ETHERNET + (ipv6 ? 40 : 20);
}

/** partial - put the sum of the pseudo header in the place of the checksum, for a frame of @len bytes */
static void partial(unsigned char *frame, uint32_t len, bool ipv6)
{
	unsigned int tcp = tcp_at(ipv6);
	uint64_t sum = link__word(6) + link__word((uint16_t)(len - tcp));
	uint16_t check = link__sum_fold(ipv6 ? link__sum(sum, frame + 22, 32) : link__sum(sum, frame + 26, 8));

	memcpy(frame + tcp + 16, &check, sizeof(check));
}

/** build - a segment of @payload bytes, to be cut at @mss */
static struct link_frame build(bool ipv6, unsigned int options, uint32_t payload, uint16_t mss)
{
	unsigned int tcp = tcp_at(ipv6), headers = tcp + 20 + options;
	struct link_frame frame = {.data = whole, .len = headers + payload};
	unsigned char *ip = whole + ETHERNET;

	memset(whole, 0, headers);
	memcpy(whole, "\x02\0\0\0\0\1\x02\0\0\0\0\2", 12);
	link__put16(whole + 12, ipv6 ? 0x86dd : 0x0800);
	if (ipv6) {
		memcpy(ip, "\x60\x01\x23\x45", 4);
		link__put16(ip + 4, (uint16_t)(frame.len - tcp));
		memcpy(ip + 6, "\x06\x40", 2);
		memset(ip + 8, 0xfd, 32);
	} else {
		memcpy(ip, "\x45\x10", 2);
		link__put16(ip + 2, (uint16_t)(frame.len - ETHERNET));
		memcpy(ip + 6, "\x40\0\x40\x06\0\0\x0a\0\0\1\x0a\0\0\2", 14);
		link__put_check(ip + 10, link__sum(0, ip, 20));
	}
	link__put32(whole + tcp + 4, 0xfffff000); /* wraps */
	whole[tcp + 12] = (unsigned char)((20 + options) / 4 << 4);
	whole[tcp + 13] = 0x18;
	memset(whole + tcp + 20, 1, options);
	for (uint32_t i = 0; i < payload; i++)
		whole[headers + i] = (unsigned char)(i * 7 + i / 251);
	partial(whole, frame.len, ipv6);
	frame.vnet = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	                                     .gso_type = ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
	                                     .hdr_len = (uint16_t)headers,
	                                     .gso_size = mss,
	                                     .csum_start = (uint16_t)tcp,
	                                     .csum_offset = 16};
	return frame;
}

/** take_apart - the segments of the MTU that @large stands for, as a stack would send them; how many */
static unsigned int take_apart(struct link_frame *large, struct link_frame *frames)
{
	bool ipv6 = large->vnet.gso_type == VIRTIO_NET_HDR_GSO_TCPV6;
	static unsigned char room[LINK_FRAME_MAX];
	struct link__finisher finisher;
	const unsigned char *data;
	unsigned int n = 0;
	uint32_t len;

	assert_in_range(link__finish(&finisher, large), 1, MOST);
	for (; (len = link__finish_next(&finisher, room, &data)) > 0; n++) {
		frames[n] = (struct link_frame){.data = memcpy(cut[n], data, len), .len = len};
		frames[n].vnet = (struct virtio_net_hdr){
		        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = large->vnet.csum_start, .csum_offset = 16};
		if (!ipv6) { /* the identifier says nothing, and a stack sends zero */
			memset(cut[n] + ETHERNET + 4, 0, 2);
			memset(cut[n] + ETHERNET + 10, 0, 2);
			link__put_check(cut[n] + ETHERNET + 10, link__sum(0, cut[n] + ETHERNET, 20));
		}
		partial(cut[n], len, ipv6);
	}
	return n;
}

/** flatten - what is to be sent, in one piece */
static uint32_t flatten(void)
{
	uint32_t len = 0;

	link__join_end(&join);
	for (unsigned int i = 0; i <= join.count; len += (uint32_t)join.piece[i++].iov_len)
		memcpy(flat + len, join.piece[i].iov_base, join.piece[i].iov_len);
	assert_int_equal(len, join.len);
	return len;
}

static void what_was_cut_is_whole_again(void **state)
{
	static const uint16_t sizes[] = {536, 1448, 1460};
	static const uint32_t segments[] = {2, 3, 44, 64};
	struct link_frame frames[MOST];

	(void)state;
	for (unsigned int i = 0; i < 2U * 2 * 3 * 4 * 2; i++) {
		bool ipv6 = i & 1, last_is_short = i & 2;
		unsigned int options = i & 4 ? 12 : 0;
		uint16_t mss = sizes[i / 8 % 3];
		uint32_t payload = segments[i / 24 % 4] * mss - (last_is_short ? 1 : 0);
		struct link_frame large;
		unsigned int n;

		if (payload > 65000)
			continue;
		large = build(ipv6, options, payload, mss);
		n = take_apart(&large, frames);
		join.count = 0;
		for (unsigned int j = 0; j < n; j++) {
			assert_true(link__join_add(&join, &frames[j]));
			assert_int_equal(join.count, j + 1);
		}
		assert_int_equal(flatten(), large.len);
		assert_memory_equal(flat, whole, large.len);
		assert_memory_equal(&join.vnet, &large.vnet, sizeof(large.vnet));
		/* Whatever follows begins another. */
		assert_false(link__join_add(&join, &frames[0]));
	}
}

static void one_alone_stays_as_it_is(void **state)
{
	struct link_frame frames[MOST], large = build(false, 12, 3000, 1448);

	(void)state;
	take_apart(&large, frames);
	join.count = 0;
	assert_true(link__join_add(&join, &frames[1]));
	assert_int_equal(flatten(), frames[1].len);
	assert_memory_equal(flat, frames[1].data, frames[1].len);
	assert_memory_equal(&join.vnet, &frames[1].vnet, sizeof(join.vnet));
}

/** struct damage - to the second of two segments over IPv4 that would follow each other */
static const struct damage {
	const char *what;
	unsigned int at;
	unsigned char value;
} damages[] = {
        {"another destination", 5, 9},
        {"another source", 11, 9},
        {"a VLAN", 12, 0x81},
        {"another TOS", 15, 0x12},
        {"another TTL", 22, 63},
        {"no IP_DF", 20, 0},
        {"a fragment", 21, 1},
        {"another host", 29, 9},
        {"another port", 35, 9},
        {"another place", 41, 9},
        {"another acknowledgement", 45, 9},
        {"SYN", 47, 0x12},
        {"FIN", 47, 0x11},
        {"RST", 47, 0x14},
        {"URG", 47, 0x30},
        {"CWR", 47, 0x90},
        {"no ACK", 47, 0},
        {"another window", 49, 9},
        {"another option", 55, 2},
};

static void what_does_not_belong_stays_apart(void **state)
{
	struct link_frame frames[MOST], large = build(false, 12, 2000, 1000);

	(void)state;
	assert_int_equal(take_apart(&large, frames), 2);
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		unsigned char *at = cut[1] + damages[i].at, before = *at;

		join.count = 0;
		assert_true(link__join_add(&join, &frames[0]));
		*at = damages[i].value;
		assert_int_not_equal(before, damages[i].value);
		memset(cut[1] + 24, 0, 2);
		link__put_check(cut[1] + 24, link__sum(0, cut[1] + 14, 20));
		if (link__join_add(&join, &frames[1]))
			fail_msg("joined in spite of %s", damages[i].what);
		assert_int_equal(join.count, 1);
		*at = before;
	}
	memset(cut[1] + 24, 0, 2);
	link__put_check(cut[1] + 24, link__sum(0, cut[1] + 14, 20));
	assert_true(link__join_add(&join, &frames[1])); /* it was not the test */
}

static void what_is_not_left_undone_stays_apart(void **state)
{
	struct link_frame frames[MOST], large = build(true, 0, 3000, 1000);

	(void)state;
	assert_int_equal(take_apart(&large, frames), 3);
	join.count = 0;
	frames[0].vnet.flags = 0; /* summed already */
	assert_false(link__join_add(&join, &frames[0]));
	frames[1].vnet.csum_start += 2; /* something else is */
	assert_false(link__join_add(&join, &frames[1]));
	frames[2].vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV6; /* a segment that stands for several */
	assert_false(link__join_add(&join, &frames[2]));
	assert_int_equal(join.count, 0);
	frames[2] = (struct link_frame){.data = cut[2], .len = 20, .vnet = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM}};
	assert_false(link__join_add(&join, &frames[2]));
}

static void there_are_limits(void **state)
{
	struct link_frame frames[MOST], large = build(false, 0, 70 * 500, 500);
	unsigned int n = take_apart(&large, frames), taken = 0;

	(void)state;
	join.count = 0;
	while (taken < n && link__join_add(&join, &frames[taken]))
		taken++;
	assert_int_equal(taken, LINK__JOIN_MAX);
	/* A larger one does not follow smaller ones, and nothing follows the end of a write. */
	large = build(false, 0, 3000, 1000);
	take_apart(&large, frames);
	join.count = 0;
	frames[1].len -= 1;
	link__put16(cut[1] + 16, (uint16_t)(frames[1].len - ETHERNET));
	memset(cut[1] + 24, 0, 2);
	link__put_check(cut[1] + 24, link__sum(0, cut[1] + 14, 20));
	assert_true(link__join_add(&join, &frames[1]));
	assert_false(link__join_add(&join, &frames[2]));
	join.count = 0;
	cut[0][47] |= LINK__SEGMENT_PSH;
	assert_true(link__join_add(&join, &frames[0]));
	take_apart(&large, frames);
	assert_false(link__join_add(&join, &frames[1]));
	/* 64 KiB are what the length of a packet can say. */
	large = build(false, 0, 46 * 1400, 1400);
	n = take_apart(&large, frames);
	assert_int_equal(n, 46);
	cut[45][47] = 0x10; /* not the end of a write */
	frames[46] = frames[45];
	frames[46].data = memcpy(cut[46], cut[45], sizeof(cut[46]));
	link__put32(cut[46] + 38, link__get32(cut[46] + 38) + 1400);
	join.count = 0;
	for (taken = 0; taken < 46; taken++)
		assert_true(link__join_add(&join, &frames[taken]));
	assert_false(link__join_add(&join, &frames[46]));
	assert_true(flatten() <= 65535 + ETHERNET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_was_cut_is_whole_again),
	        cmocka_unit_test(one_alone_stays_as_it_is),
	        cmocka_unit_test(what_does_not_belong_stays_apart),
	        cmocka_unit_test(what_is_not_left_undone_stays_apart),
	        cmocka_unit_test(there_are_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
