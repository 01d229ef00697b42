/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_link_offload.c - cutting segments into frames and merging frames into segments.
 *
 * Each function is held against a plain one of this file that does the same slowly (checksums word by word), and the two against each other:
 * what is cut and merged again is what it was. The kernel's own opinion of both is in test_link_kernel.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "checksum.h"
#include "offload.h"

#define MOST 64

static unsigned char storage[MOST][LINK_SEGMENT_MAX + 64];
static unsigned char large[2][LINK_LARGE_MAX];
static unsigned char room[LINK_FRAME_MAX];

/** slow_sum - RFC 1071 by the letter */
static uint32_t slow_sum(uint32_t sum, const unsigned char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/** kind - a TCP segment to be made */
struct kind {
	bool ipv6;
	unsigned int tags, options, extension; /* VLAN tags; bytes of TCP options; bytes of an IPv6 extension header */
};

static const struct kind kinds[] = {
        {false, 0, 0, 0}, {false, 0, 12, 0}, {false, 0, 40, 0}, {true, 0, 0, 0},
        {true, 0, 12, 0}, {false, 1, 12, 0}, {true, 2, 12, 0},  {true, 0, 12, 8},
};

static unsigned int ip_offset(const struct kind *k)
{
	return 14 + 4 * k->tags;
}

static unsigned int tcp_offset(const struct kind *k)
{
	return ip_offset(k) + (k->ipv6 ? 40 + k->extension : 20);
}

static unsigned int header_bytes(const struct kind *k)
{
	return tcp_offset(k) + 20 + k->options;
}

/** pseudo - sum of the pseudo header for @length bytes of TCP */
static uint32_t pseudo(const struct kind *k, const unsigned char *data, uint32_t length)
{
	const unsigned char *ip = data + ip_offset(k);
	uint32_t sum = slow_sum(6 + length, ip + (k->ipv6 ? 8 : 12), k->ipv6 ? 32 : 8);

	return slow_sum(sum, NULL, 0);
}

/**
 * build - a segment with @payload bytes in @frame, sequence number @seq, cut at @mss (0: a finished frame)
 *
 * The payload continues from segment to segment: byte i of the stream is i * 7 + i / 251.
 */
static void build(const struct kind *k, struct link_frame *frame, uint32_t seq, uint32_t payload, uint8_t flags,
                  uint16_t mss)
{
	unsigned int network = ip_offset(k), transport = tcp_offset(k), headers = header_bytes(k);
	unsigned char *d = frame->data, *ip = d + network, *tcp = d + transport;
	uint32_t sum, tcp_len = headers - transport + payload;

	memset(d, 0, headers);
	memcpy(d, "\x02\0\0\0\0\1\x02\0\0\0\0\2", 12);
	for (unsigned int i = 0; i < k->tags; i++)
		memcpy(d + 12 + 4 * i, "\x81\x00\x00\x07", 4);
	link__put16(d + network - 2, k->ipv6 ? 0x86dd : 0x0800);
	if (k->ipv6) {
		memcpy(ip, "\x60\x01\x23\x45", 4);
		link__put16(ip + 4, (uint16_t)(k->extension + tcp_len));
		ip[6] = k->extension ? 60 : 6;
		ip[7] = 64;
		memset(ip + 8, 0xfd, 16);
		memset(ip + 24, 0xfc, 16);
		if (k->extension)
			memcpy(ip + 40, "\x06\x00\x01\x04\0\0\0\0", 8); /* destination options: padding */
	} else {
		memcpy(ip, "\x45\x10", 2);
		link__put16(ip + 2, (uint16_t)(20 + tcp_len));
		link__put16(ip + 4, (uint16_t)(0xfffe + seq / 1000));
		memcpy(ip + 6, "\x40\0\x40\x06", 4);
		memcpy(ip + 12, "\x0a\0\0\1\x0a\0\0\2", 8);
		link__put16(ip + 10, (uint16_t)~slow_sum(0, ip, 20));
	}
	link__put16(tcp, 1234);
	link__put16(tcp + 2, 80);
	link__put32(tcp + 4, seq);
	link__put32(tcp + 8, 99);
	tcp[12] = (unsigned char)((20 + k->options) / 4 << 4);
	tcp[13] = flags;
	link__put16(tcp + 14, 5000);
	memset(tcp + 20, 1, k->options);
	for (uint32_t i = 0; i < payload; i++)
		d[headers + i] = (unsigned char)((seq + i) * 7 + (seq + i) / 251);
	frame->len = headers + payload;
	frame->vnet = (struct virtio_net_hdr){0};
	sum = pseudo(k, d, tcp_len);
	if (mss == 0) {
		link__put16(tcp + 16, (uint16_t)~slow_sum(sum, tcp, tcp_len));
		return;
	}
	link__put16(tcp + 16, (uint16_t)sum);
	frame->vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	frame->vnet.csum_start = (uint16_t)transport;
	frame->vnet.csum_offset = 16;
	frame->vnet.hdr_len = (uint16_t)headers;
	frame->vnet.gso_size = mss;
	frame->vnet.gso_type = k->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
}

/** same_frame - equal but for the IPv4 identifier, which build cannot foresee, and the header checksum that covers it */
static void same_frame(const struct kind *k, const unsigned char *got, uint32_t len, const struct link_frame *want)
{
	unsigned int ip = ip_offset(k);

	assert_int_equal(len, want->len);
	if (k->ipv6) {
		assert_memory_equal(got, want->data, len);
		return;
	}
	assert_memory_equal(got, want->data, ip + 4);
	assert_memory_equal(got + ip + 6, want->data + ip + 6, 4);
	assert_memory_equal(got + ip + 12, want->data + ip + 12, len - ip - 12);
	assert_int_equal(slow_sum(0, got + ip, 20), 0xffff);
}

static void sums(void **state)
{
	unsigned char copy[300];

	(void)state;
	for (size_t len = 0; len <= 300; len++) {
		for (size_t i = 0; i < len; i++)
			storage[0][i] = (unsigned char)(rand() >> 7);
		assert_int_equal(htons((uint16_t)slow_sum(0, storage[0], len)),
		                 link__sum_fold(link__sum(0, storage[0], len)));
		assert_int_equal(htons((uint16_t)slow_sum(0, storage[0], len)),
		                 link__sum_fold(link__sum_copy(0, copy, storage[0], len)));
		assert_memory_equal(copy, storage[0], len);
	}
	memset(storage[0], 0xff, 65536); /* every carry there is */
	assert_int_equal(link__sum_fold(link__sum(UINT64_MAX, storage[0], 65536)), 0xffff);
}

static void cut(void **state)
{
	static const uint16_t sizes[] = {1, 536, 1448, 1460, 8960};
	static const uint32_t payloads[] = {1, 1447, 1448, 1449, 30000, 65000};

	(void)state;
	for (size_t n = 0; n < sizeof(kinds) / sizeof(kinds[0]); n++) {
		for (size_t m = 0; m < sizeof(sizes) / sizeof(sizes[0]); m++) {
			for (size_t p = 0; p < sizeof(payloads) / sizeof(payloads[0]); p++) {
				struct link_frame whole = {.data = storage[0]}, piece = {.data = storage[1]};
				struct link__finisher f;
				const unsigned char *data;
				uint32_t done = 0, len, payload;
				unsigned int frames;

				build(&kinds[n], &whole, 5000, payloads[p], 0x99, sizes[m]); /* CWR, ACK, PSH, FIN */
				frames = link__finish(&f, &whole);
				assert_int_equal(frames, (payloads[p] + sizes[m] - 1) / sizes[m]);
				while ((len = link__finish_next(&f, room, &data)) > 0) {
					payload = payloads[p] - done < sizes[m] ? payloads[p] - done : sizes[m];
					build(&kinds[n], &piece, 5000 + done, payload,
					      (uint8_t)(0x10 | (done == 0 ? 0x80 : 0) |
					                (done + payload == payloads[p] ? 9 : 0)),
					      0);
					same_frame(&kinds[n], data, len, &piece);
					if (!kinds[n].ipv6)
						assert_int_equal(link__get16(data + ip_offset(&kinds[n]) + 4),
						                 (uint16_t)(0xfffe + 5 + done / sizes[m]));
					done += payload;
					frames--;
					/* A frame that had no room comes again, the same. */
					if (frames == 0 || done == sizes[m]) {
						f.done = done - payload;
						assert_int_equal(link__finish_next(&f, room, &data), len);
						same_frame(&kinds[n], data, len, &piece);
					}
				}
				assert_int_equal(frames, 0);
				assert_int_equal(done, payloads[p]);
			}
		}
	}
}

/** What Linux makes where interfaces take more than an IP packet holds: cut to frames like any segment. */
static void cut_large(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(kinds) / sizeof(kinds[0]); n++) {
		struct link_frame whole = {.data = large[0]}, piece = {.data = storage[1]};
		const uint32_t payload = 524000;
		struct link__finisher f;
		const unsigned char *data;
		uint32_t done = 0, len;

		build(&kinds[n], &whole, 5000, payload, 0x18, 8960);
		assert_int_equal(link__finish(&f, &whole), (payload + 8959) / 8960);
		while ((len = link__finish_next(&f, room, &data)) > 0) {
			uint32_t some = payload - done < 8960 ? payload - done : 8960;

			build(&kinds[n], &piece, 5000 + done, some, done + some == payload ? 0x18 : 0x10, 0);
			same_frame(&kinds[n], data, len, &piece);
			done += some;
		}
		assert_int_equal(done, payload);
	}
}

/** check_part - @part is the segment of @some bytes, @done into one of @payload, that would have been built for them */
static void check_part(const struct kind *k, const struct link_frame *part, uint32_t done, uint32_t payload,
                       uint16_t mss)
{
	uint32_t some = part->len - header_bytes(k);
	uint8_t flags = (uint8_t)(0x10 | (done == 0 ? 0x80 : 0) | (done + some == payload ? 9 : 0));
	struct link_frame want = {.data = large[1]};

	build(k, &want, 5000 + done, some, flags, mss);
	same_frame(k, part->data, part->len, &want);
	if (!k->ipv6)
		assert_int_equal(link__get16(part->data + ip_offset(k) + 4), (uint16_t)(0xfffe + 5 + done / mss));
	if (some <= mss) { /* nothing to be cut */
		want.vnet.gso_type = VIRTIO_NET_HDR_GSO_NONE;
		want.vnet.gso_size = 0;
	}
	assert_memory_equal(&part->vnet, &want.vnet, sizeof(want.vnet));
}

/** split_one - a segment in parts; @full: there is room for each part only the second time */
static void split_one(const struct kind *k, uint32_t payload, uint16_t mss, bool full)
{
	struct link_frame whole = {.data = large[0]}, part;
	struct link__split split;
	uint32_t done = 0;
	bool again = false;

	build(k, &whole, 5000, payload, 0x99, mss); /* CWR, ACK, PSH, FIN */
	assert_true(link__split(&split, &whole));
	while (link__split_next(&split, &part)) {
		uint32_t some = part.len - header_bytes(k);

		assert_true(part.len <= LINK_SEGMENT_MAX && part.len - ip_offset(k) <= 65535);
		/* as many whole frames as can be, but in the last one */
		assert_true(done + some == payload || (some % mss == 0 && part.len + mss > 65535));
		check_part(k, &part, done, payload, mss);
		again = full && !again;
		if (!again) {
			done += some;
			continue;
		}
		link__split_back(&split, &whole);
		assert_int_equal(whole.len, header_bytes(k) + payload - done);
		check_part(k, &whole, done, payload, mss);
		if (whole.len <= LINK_SEGMENT_MAX)
			return;
		assert_true(link__split(&split, &whole));
	}
	assert_int_equal(done, payload);
	assert_false(full); /* the last part comes back as what is left */
}

static void split(void **state)
{
	static const uint32_t payloads[] = {65536, 131000, 262000, 524000};
	static const uint16_t sizes[] = {536, 1448, 8960};

	(void)state;
	for (size_t n = 0; n < sizeof(kinds) / sizeof(kinds[0]); n++)
		for (size_t p = 0; p < 4; p++)
			for (size_t m = 0; m < 3; m++)
				for (int full = 0; full < 2; full++)
					split_one(&kinds[n], payloads[p], sizes[m], full);
}

static void split_nonsense(void **state)
{
	struct link_frame frame = {.data = large[0]};
	struct link__split s;

	(void)state;
	build(&kinds[1], &frame, 1, 200000, 0x10, 1448);
	frame.vnet.gso_size = 0;
	assert_false(link__split(&s, &frame));
	build(&kinds[1], &frame, 1, 200000, 0x10, 1448);
	frame.len = LINK_LARGE_MAX + 1;
	assert_false(link__split(&s, &frame));
	build(&kinds[1], &frame, 1, 200000, 0x10, 1448);
	frame.vnet.gso_type = VIRTIO_NET_HDR_GSO_NONE;
	assert_false(link__split(&s, &frame));
	/* Datagrams are never that large. */
	build(&kinds[1], &frame, 1, 200000, 0x10, 1448);
	frame.data[23] = 17;
	frame.vnet.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
	frame.vnet.csum_offset = 6;
	assert_false(link__split(&s, &frame));
	/* Headers that end where no headers end. */
	build(&kinds[3], &frame, 1, 200000, 0x10, 1448);
	frame.vnet.csum_start = 300;
	frame.data[300 + 12] = 0x50;
	assert_false(link__split(&s, &frame));
}

/** train - UDP datagrams of @size bytes, @payload in all, in one frame; 0: one finished datagram */
static void train(bool ipv6, struct link_frame *frame, uint32_t first, uint32_t payload, uint16_t size)
{
	const struct kind k = {.ipv6 = ipv6};
	unsigned int transport = tcp_offset(&k), network = ip_offset(&k);
	unsigned char *d = frame->data, *udp = d + transport;
	uint32_t len = 8 + payload, sum;

	build(&k, frame, 1, 0, 0, 0);
	d[network + (ipv6 ? 6 : 9)] = 17;
	link__put16(d + network + (ipv6 ? 4 : 2), (uint16_t)(len + (ipv6 ? 0 : 20)));
	if (!ipv6) {
		link__put16(d + network + 10, 0);
		link__put16(d + network + 10, (uint16_t)~slow_sum(0, d + network, 20));
	}
	memset(udp, 0, 8);
	link__put16(udp, 1234);
	link__put16(udp + 2, 53);
	link__put16(udp + 4, (uint16_t)len);
	for (uint32_t i = 0; i < payload; i++)
		udp[8 + i] = (unsigned char)((first + i) * 5);
	frame->len = transport + len;
	sum = slow_sum(17 + len, d + network + (ipv6 ? 8 : 12), ipv6 ? 32 : 8);
	if (size == 0) {
		uint16_t check = (uint16_t)~slow_sum(sum, udp, len);

		link__put16(udp + 6, check ? check : 0xffff);
		return;
	}
	link__put16(udp + 6, (uint16_t)sum);
	frame->vnet = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	                                      .gso_type = VIRTIO_NET_HDR_GSO_UDP_L4,
	                                      .hdr_len = (uint16_t)(transport + 8),
	                                      .gso_size = size,
	                                      .csum_start = (uint16_t)transport,
	                                      .csum_offset = 6};
}

static void cut_datagrams(void **state)
{
	static const uint16_t sizes[] = {1, 2, 999, 1472};

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		for (size_t m = 0; m < sizeof(sizes) / sizeof(sizes[0]); m++) {
			struct link_frame whole = {.data = storage[0]}, piece = {.data = storage[1]};
			const struct kind k = {.ipv6 = ipv6};
			uint32_t payload = 40U * sizes[m] + sizes[m] / 2, done = 0, len;
			struct link__finisher f;
			const unsigned char *data;

			train(ipv6, &whole, 0, payload, sizes[m]);
			assert_int_equal(link__finish(&f, &whole), sizes[m] > 1 ? 41 : 40);
			while ((len = link__finish_next(&f, room, &data)) > 0) {
				uint32_t n = payload - done < sizes[m] ? payload - done : sizes[m];

				train(ipv6, &piece, done, n, 0);
				same_frame(&k, data, len, &piece);
				done += n;
			}
			assert_int_equal(done, payload);
			whole.vnet.csum_offset = 16;
			assert_int_equal(link__finish(&f, &whole), 0);
			train(ipv6, &whole, 0, payload, sizes[m]);
			whole.data[14 + (ipv6 ? 0 : 9)] = 6;
			assert_int_equal(link__finish(&f, &whole), 0);
		}
	}
}

static void unfinished_checksum(void **state)
{
	struct link_frame frame = {.data = storage[0]}, right = {.data = storage[1]};
	struct link__finisher f;
	const unsigned char *data;

	(void)state;
	for (uint32_t payload = 0; payload < 40; payload++) {
		build(&kinds[1], &frame, 1, payload, 0x18, 1460);
		frame.vnet.gso_type = VIRTIO_NET_HDR_GSO_NONE;
		build(&kinds[1], &right, 1, payload, 0x18, 0);
		assert_int_equal(link__finish(&f, &frame), 1);
		assert_int_equal(link__finish_next(&f, room, &data), right.len);
		assert_ptr_equal(data, frame.data); /* nothing is copied */
		assert_memory_equal(data, right.data, right.len);
		assert_int_equal(link__finish_next(&f, room, &data), 0);
		/* Begun again it is finished already. */
		assert_int_equal(link__finish(&f, &frame), 1);
		assert_memory_equal(frame.data, right.data, right.len);
	}
}

/** Headers that contradict their frame: none of these may be sent, or read outside the frame (a sanitizer sees that). */
static void nonsense(void **state)
{
	(void)state;
	for (int fault = 0; fault < 15; fault++) {
		struct link_frame frame = {.data = storage[0]};
		struct link__finisher f;
		const unsigned char *data;

		build(&kinds[fault == 8 ? 3 : 0], &frame, 1, 3000, 0x10, 1000);
		switch (fault) {
		case 0:
			frame.vnet.gso_type = VIRTIO_NET_HDR_GSO_UDP;
			break;
		case 1:
			frame.vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
			break;
		case 2:
			frame.vnet.gso_size = 0;
			break;
		case 3:
			frame.vnet.gso_size = 9234;
			break;
		case 4:
			frame.vnet.csum_start = 33;
			break;
		case 5:
			frame.vnet.csum_start = 60000;
			break;
		case 6:
			frame.vnet.csum_offset = 6;
			break;
		case 7:
			frame.vnet.flags = 0;
			break;
		case 8:
			frame.vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
			break;
		case 9:
			frame.data[12] = 0x88;
			break;
		case 10:
			frame.data[14] = 0x46;
			break;
		case 11:
			frame.data[34 + 12] = 0x40;
			break;
		case 12:
			frame.len = 53;
			break;
		case 13:
			frame.len = 13;
			break;
		case 14:
			frame.len = LINK_LARGE_MAX + 1;
			break;
		}
		if (link__finish(&f, &frame) != 0)
			fail_msg("fault %d was not noticed", fault);
		assert_int_equal(link__finish_next(&f, room, &data), 0);
	}
}

/** batch - the frames of one stream: @count of @size bytes, the last of @last */
static void batch(const struct kind *k, struct link_frame *frames, unsigned int count, uint32_t size, uint32_t last)
{
	for (unsigned int i = 0; i < count; i++) {
		frames[i] = (struct link_frame){.data = storage[i]};
		build(k, &frames[i], 1000 + i * size, i + 1 < count ? size : last, i + 1 < count ? 0x10 : 0x18, 0);
	}
}

static void merge(void **state)
{
	(void)state;
	for (size_t n = 0; n < 5; n++) {
		for (unsigned int count = 2; count <= 40; count += 19) {
			static unsigned char whole[LINK_SEGMENT_MAX];
			struct link_frame frames[MOST], want = {.data = whole};

			batch(&kinds[n], frames, count, 1448, 700);
			assert_int_equal(link__coalesce(frames, count), 1);
			build(&kinds[n], &want, 1000, (count - 1) * 1448 + 700, 0x18, 1448);
			same_frame(&kinds[n], frames[0].data, frames[0].len, &want);
			assert_memory_equal(&frames[0].vnet, &want.vnet, sizeof(want.vnet));
		}
	}
}

/** Checksums that were not there because the frames came through memory: not verified, and not needed. */
static void merge_unsummed(void **state)
{
	static unsigned char whole[LINK_SEGMENT_MAX];
	struct link_frame frames[MOST], want = {.data = whole};

	(void)state;
	for (size_t n = 0; n < 5; n++) {
		batch(&kinds[n], frames, 6, 1448, 700);
		for (unsigned int i = 0; i < 6; i++) {
			if (i % 2)
				continue; /* some have one */
			memset(frames[i].data + tcp_offset(&kinds[n]) + 16, 0x55, 2);
			frames[i].vnet = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			                                         .csum_start = (uint16_t)tcp_offset(&kinds[n]),
			                                         .csum_offset = 16};
		}
		assert_int_equal(link__coalesce(frames, 6), 1);
		build(&kinds[n], &want, 1000, 5 * 1448 + 700, 0x18, 1448);
		same_frame(&kinds[n], frames[0].data, frames[0].len, &want);
		assert_memory_equal(&frames[0].vnet, &want.vnet, sizeof(want.vnet));
		/* something else is left to be done in them: they stay as they are */
		batch(&kinds[n], frames, 2, 1448, 1448);
		frames[1].vnet = (struct virtio_net_hdr){
		        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 14, .csum_offset = 10};
		assert_int_equal(link__coalesce(frames, 2), 2);
		assert_int_equal(frames[1].vnet.csum_offset, 10);
	}
}

/** What differs in any way stays by itself, in its place, untouched. */
static void do_not_merge(void **state)
{
	(void)state;
	for (int fault = 0; fault < 18; fault++) {
		const struct kind *k = &kinds[fault >= 15 ? 4 : 1];
		unsigned char before[1600], *d = storage[1];
		struct link_frame frames[MOST];
		unsigned int fix = 1;

		batch(k, frames, 2, 1000, 1000);
		switch (fault) {
		case 0:
			d[tcp_offset(k) + 4]++;
			break; /* sequence */
		case 1:
			d[tcp_offset(k) + 8]++;
			break; /* acknowledgement */
		case 2:
			d[tcp_offset(k) + 14]++;
			break; /* window */
		case 3:
			d[tcp_offset(k) + 25]++;
			break; /* an option */
		case 4:
			d[tcp_offset(k) + 13] = 0x11;
			break; /* FIN */
		case 5:
			d[tcp_offset(k) + 13] = 0x12;
			break; /* SYN */
		case 6:
			d[tcp_offset(k) + 13] = 0x50;
			break; /* ECE */
		case 7:
			d[tcp_offset(k) + 13] = 0x30;
			break; /* URG */
		case 8:
			d[tcp_offset(k)]++;
			break; /* port */
		case 9:
			d[5]++;
			break; /* hardware address */
		case 10:
			d[ip_offset(k) + 8]--;
			break; /* TTL */
		case 11:
			d[ip_offset(k) + 1]++;
			break; /* TOS */
		case 12:
			d[ip_offset(k) + 6] = 0x20;
			break; /* a fragment */
		case 13:
			d[header_bytes(k) + 500]++, fix = 0;
			break; /* a wrong checksum */
		case 14:
			storage[0][header_bytes(k) + 500]++, fix = 0;
			break; /* in the first */
		case 15:
			d[ip_offset(k) + 3]++;
			break; /* flow label */
		case 16:
			d[ip_offset(k) + 7]--;
			break; /* hop limit */
		case 17:
			d[ip_offset(k) + 30]++;
			break; /* address */
		}
		if (fix) {
			if (!k->ipv6) {
				link__put16(d + ip_offset(k) + 10, 0);
				link__put16(d + ip_offset(k) + 10, (uint16_t)~slow_sum(0, d + ip_offset(k), 20));
			}
			link__put16(d + tcp_offset(k) + 16, 0);
			link__put16(d + tcp_offset(k) + 16,
			            (uint16_t)~slow_sum(pseudo(k, d, frames[1].len - tcp_offset(k)), d + tcp_offset(k),
			                                frames[1].len - tcp_offset(k)));
		}
		memcpy(before, d, frames[1].len);
		if (link__coalesce(frames, 2) != 2)
			fail_msg("difference %d was not noticed", fault);
		assert_int_equal(frames[0].len, frames[1].len);
		assert_memory_equal(frames[1].data, before, frames[1].len);
		assert_int_equal(frames[0].vnet.gso_type | frames[1].vnet.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	}
}

/** The order of a connection is kept whatever comes between, and two connections do not mix. */
static void interleaved(void **state)
{
	struct link_frame frames[MOST];
	unsigned int kept;

	(void)state;
	batch(&kinds[1], frames, 8, 1000, 1000);
	for (unsigned int i = 1; i < 8; i += 2)
		build(&kinds[4], &frames[i], 7000 + i / 2 * 1000, 1000, 0x10, 0);
	for (unsigned int i = 0; i < 8; i += 2)
		build(&kinds[1], &frames[i], 1000 + i / 2 * 1000, 1000, 0x10, 0);
	assert_int_equal(link__coalesce(frames, 8), 2);
	assert_int_equal(frames[0].len, header_bytes(&kinds[1]) + 4000);
	assert_int_equal(frames[1].len, header_bytes(&kinds[4]) + 4000);

	/* An acknowledgement without data stands between two halves of its connection. */
	batch(&kinds[1], frames, 5, 1000, 1000);
	build(&kinds[1], &frames[2], 3000, 0, 0x10, 0);
	build(&kinds[1], &frames[3], 3000, 1000, 0x10, 0);
	build(&kinds[1], &frames[4], 4000, 1000, 0x10, 0);
	kept = link__coalesce(frames, 5);
	assert_int_equal(kept, 3);
	assert_int_equal(frames[1].len, header_bytes(&kinds[1]));
	assert_int_equal(frames[2].len, header_bytes(&kinds[1]) + 2000);

	/* Padding behind a short frame is not data. */
	batch(&kinds[0], frames, 2, 2, 2);
	frames[0].len = frames[1].len = 60;
	assert_int_equal(link__coalesce(frames, 2), 1);
	assert_int_equal(frames[0].len, header_bytes(&kinds[0]) + 4);
}

/** Sixty-four large frames do not make a segment that is larger than IP allows. */
static void too_much(void **state)
{
	struct link_frame frames[MOST];
	uint32_t total = 0;
	unsigned int kept;

	(void)state;
	batch(&kinds[1], frames, MOST, 8948, 8948);
	kept = link__coalesce(frames, MOST);
	assert_int_equal(kept, (MOST + 6) / 7);
	for (unsigned int i = 0; i < kept; i++) {
		assert_true(frames[i].len <= 14 + 65535);
		total += frames[i].len - header_bytes(&kinds[1]);
	}
	assert_int_equal(total, MOST * 8948);
}

/** Mutated frames: nothing is asserted but that no byte outside is touched, which a sanitizer sees. */
static void mutated(void **state)
{
	(void)state;
	srand(1);
	for (int round = 0; round < 20000; round++) {
		const struct kind *k = &kinds[(size_t)rand() % (sizeof(kinds) / sizeof(kinds[0]))];
		struct link_frame frames[4], whole = {.data = storage[8]};
		struct link__finisher f;
		const unsigned char *data;

		batch(k, frames, 4, 300, 200);
		for (int i = 0; i < 3; i++)
			storage[rand() % 4][rand() % 100] = (unsigned char)rand();
		frames[rand() % 4].len = (uint32_t)rand() % 500;
		link__coalesce(frames, 4);
		build(k, &whole, 1, 3000, 0x18, 1000);
		storage[8][rand() % 100] = (unsigned char)rand();
		((unsigned char *)&whole.vnet)[(size_t)rand() % sizeof(whole.vnet)] = (unsigned char)rand();
		if (link__finish(&f, &whole) != 0)
			while (link__finish_next(&f, room, &data) > 0)
				;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(sums),           cmocka_unit_test(cut),
	        cmocka_unit_test(cut_large),      cmocka_unit_test(split),
	        cmocka_unit_test(split_nonsense), cmocka_unit_test(unfinished_checksum),
	        cmocka_unit_test(nonsense),       cmocka_unit_test(merge),
	        cmocka_unit_test(do_not_merge),   cmocka_unit_test(interleaved),
	        cmocka_unit_test(too_much),       cmocka_unit_test(mutated),
	        cmocka_unit_test(cut_datagrams),  cmocka_unit_test(merge_unsummed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
