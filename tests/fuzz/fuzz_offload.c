/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_offload.c - cutting segments, merging and joining frames, src/link/finish.c, split.c, coalesce.c and join.c
 *
 * The input is a virtio-net header and a frame. It is cut as a device's; three copies of it, with sequence numbers that
 * follow each other, are merged as the network's; and many, one of them damaged, are joined as a stack's. Whatever is
 * cut, merged or joined must be no larger than it may be, and no byte may be lost; what has been joined must be cut
 * into what it was made of.
 */
#include "checksum.h"
#include "join.h"
#include "offload.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool kept)
{
	if (!kept)
		abort();
}

static void cut(const struct virtio_net_hdr *vnet, const uint8_t *data, size_t size)
{
	unsigned char *copy = malloc(size > 0 ? size : 1), *room = malloc(LINK_FRAME_MAX);
	struct link_frame frame = {.vnet = *vnet, .data = copy, .len = (uint32_t)size};
	struct link__finisher f;
	const unsigned char *out;
	uint32_t len, total = 0;
	unsigned int frames;

	check(copy && room);
	memcpy(copy, data, size);
	frames = link__finish(&f, &frame);
	for (; frames > 0; frames--) {
		len = link__finish_next(&f, room, &out);
		check(len > f.headers && len <= LINK_FRAME_MAX);
		total += len - f.headers;
	}
	check(link__finish_next(&f, room, &out) == 0 && total == f.payload);
	free(copy);
	free(room);
}

/** split - the same headers before more bytes than a network takes */
static void split(const struct virtio_net_hdr *vnet, const uint8_t *data, size_t size)
{
	const uint32_t len = 150000;
	unsigned char *copy = malloc(len);
	struct link_frame frame = {.vnet = *vnet, .data = copy, .len = len}, part;
	struct link__split s;
	uint32_t total = 0;
	bool again = false;

	check(copy != NULL);
	memset(copy, 0x5a, len);
	memcpy(copy, data, size);
	if (link__split(&s, &frame)) {
		while (link__split_next(&s, &part)) {
			check(part.len > s.finisher.headers && part.len <= LINK_SEGMENT_MAX);
			again = !again;
			if (again) {
				link__split_back(&s, &frame);
				check(frame.len + total == len);
				if (frame.len <= LINK_SEGMENT_MAX) {
					total += frame.len - s.finisher.headers;
					break;
				}
				check(link__split(&s, &frame));
				continue;
			}
			total += part.len - s.finisher.headers;
		}
		check(total + s.finisher.headers == len);
	}
	free(copy);
}

static void merge(const struct virtio_net_hdr *vnet, const uint8_t *data, size_t size)
{
	struct link_frame frame[3];
	unsigned int kept;
	uint32_t total = 0;

	for (unsigned int i = 0; i < 3; i++) {
		unsigned char *copy = calloc(1, LINK_SEGMENT_MAX);

		check(copy != NULL);
		memcpy(copy, data, size);
		frame[i] = (struct link_frame){.data = copy, .len = (uint32_t)size};
		if (vnet->gso_type != VIRTIO_NET_HDR_GSO_NONE) /* checksums left to be done, perhaps */
			frame[i].vnet = (struct virtio_net_hdr){
			        .flags = vnet->flags, .csum_start = vnet->csum_start, .csum_offset = vnet->csum_offset};
	}
	if (size >= 54) { /* as if IPv4 without options: where it is not, this is but other damage */
		uint32_t payload = (uint32_t)size - 34 - (uint32_t)(data[46] >> 4) * 4;

		for (unsigned int i = 1; i < 3; i++)
			link__put32(frame[i].data + 38, link__get32(data + 38) + i * payload);
	}
	{
		unsigned char *buffers[] = {frame[0].data, frame[1].data, frame[2].data};

		kept = link__coalesce(frame, 3);
		check(kept >= 1 && kept <= 3);
		for (unsigned int i = 0; i < kept; i++) {
			check(frame[i].len <= LINK_SEGMENT_MAX);
			total += frame[i].len;
		}
		check(total <= 3 * size);
		for (unsigned int i = 0; i < 3; i++)
			free(buffers[i]);
	}
}

/* --------------------------------------------------------------------------------------------------------- joining */

#define JOINED_MAX 128

/** struct sent - the segments that a stack sends in one go */
struct sent {
	unsigned char *room; /* of all of them */
	struct link_frame frame[JOINED_MAX];
	unsigned int count;
};

/** copies - @frame as often as its header's gso_size says, each copy continuing the one before; @size bytes each */
static void copies(struct sent *sent, const struct virtio_net_hdr *vnet, const uint8_t *data, size_t size)
{
	const struct virtio_net_hdr unsummed = {
	        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = vnet->csum_start, .csum_offset = vnet->csum_offset};
	struct link_frame whole = {.data = (unsigned char *)(uintptr_t)data, .len = (uint32_t)size};
	size_t most = 2 * (size_t)LINK_SEGMENT_MAX / (size > 0 ? size : 1) + 2;
	struct link__segment s = {0};
	bool segment = link__segment_measure(&s, &whole);

	sent->count = 1 + vnet->gso_size % JOINED_MAX;
	if (sent->count > most)
		sent->count = (unsigned int)most;
	sent->room = malloc(sent->count * size + 1);
	check(sent->room != NULL);
	for (unsigned int i = 0; i < sent->count; i++) {
		unsigned char *copy = memcpy(sent->room + i * size, data, size);

		sent->frame[i] = (struct link_frame){.vnet = unsummed, .data = copy, .len = (uint32_t)size};
		if (segment)
			link__put32(copy + s.tcp + 4, link__get32(data + s.tcp + 4) + i * s.payload);
	}
}

/** shorten - take @less bytes from the payload of the copy @i; the next ones continue it all the same */
static void shorten(struct sent *sent, unsigned int i, uint16_t less)
{
	unsigned char *ip = sent->frame[i].data + 14;
	struct link__segment s;

	if (!link__segment_measure(&s, &sent->frame[i]) || s.payload <= less)
		return;
	link__put16(ip + (s.ipv6 ? 4 : 2), (uint16_t)(link__get16(ip + (s.ipv6 ? 4 : 2)) - less));
	if (!s.ipv6) {
		memset(ip + 10, 0, 2);
		link__put_check(ip + 10, link__sum(0, ip, 20));
	}
	for (i++; i < sent->count; i++) {
		unsigned char *seq = sent->frame[i].data + s.tcp + 4;

		link__put32(seq, link__get32(seq) - less);
	}
}

/** harm - make one of the copies shorter, and change a byte of it, as is told by what is left of the header */
static void harm(struct sent *sent, const struct virtio_net_hdr *vnet)
{
	unsigned int i = vnet->hdr_len % sent->count;
	struct link_frame *frame = &sent->frame[i];

	shorten(sent, i, vnet->gso_size / JOINED_MAX);
	if (frame->len > 0)
		frame->data[vnet->hdr_len / sent->count % frame->len] ^= vnet->gso_type;
}

/** same - is @out what @frame was, finished? What numbers and checksums an IPv4 packet has is the cut's affair */
static void same(const struct link_frame *frame, const unsigned char *out, uint32_t len, bool joined)
{
	struct link_frame cut = {.data = (unsigned char *)(uintptr_t)out, .len = len};
	unsigned char headers[LINK__JOIN_HEADERS];
	struct link__segment a, b;

	check(link__segment_measure(&a, frame) && link__segment_measure(&b, &cut));
	check(a.len == len && b.len == len && a.headers == b.headers && a.headers <= sizeof(headers));
	memcpy(headers, out, b.headers);
	if (!a.ipv6) {
		memcpy(headers + 18, a.data + 18, 2);
		memcpy(headers + 24, a.data + 24, 2);
	}
	memcpy(headers + b.tcp + 16, a.data + a.tcp + 16, 2);
	check(memcmp(headers, a.data, a.headers) == 0);
	check(memcmp(out + b.headers, a.data + a.headers, a.payload) == 0);
	/* Of one that left alone the sum of the pseudo header was what the input says. */
	check(!joined || link__segment_sum_is_right(&b, link__sum(0, out + b.headers, b.payload)));
}

/** apart - what has been joined of the segments from @first on is cut into them */
static void apart(struct link__join *join, const struct link_frame *first)
{
	unsigned int count = join->count, at = 0;
	unsigned char *flat = malloc(LINK_SEGMENT_MAX), *room = malloc(LINK_FRAME_MAX);
	struct link_frame frame = {.data = flat};
	struct link__finisher f;
	const unsigned char *out;
	uint32_t len;

	link__join_end(join);
	check(flat && room && join->len <= LINK_SEGMENT_MAX && count >= 1 && count <= LINK__JOIN_MAX);
	for (unsigned int i = 0; i <= count; frame.len += (uint32_t)join->piece[i++].iov_len) {
		check(frame.len + join->piece[i].iov_len <= join->len);
		memcpy(flat + frame.len, join->piece[i].iov_base, join->piece[i].iov_len);
	}
	check(frame.len == join->len);
	frame.vnet = join->vnet;
	check(link__finish(&f, &frame) == count);
	while ((len = link__finish_next(&f, room, &out)) > 0) {
		check(at < count);
		same(&first[at++], out, len, count > 1);
	}
	check(at == count);
	free(flat);
	free(room);
}

static void join(const struct virtio_net_hdr *vnet, const uint8_t *data, size_t size)
{
	struct link__join kept = {0};
	unsigned int first = 0;
	struct sent sent;

	copies(&sent, vnet, data, size);
	harm(&sent, vnet);
	for (unsigned int i = 0; i < sent.count; i++) {
		if (link__join_add(&kept, &sent.frame[i]))
			continue;
		/* As a port does: what is kept leaves, and this begins another, or leaves by itself. */
		if (kept.count > 0)
			apart(&kept, &sent.frame[first]);
		kept.count = 0;
		first = link__join_add(&kept, &sent.frame[i]) ? i : i + 1;
	}
	if (kept.count > 0)
		apart(&kept, &sent.frame[first]);
	free(sent.room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtio_net_hdr vnet;

	if (size < sizeof(vnet) || size > LINK_FRAME_MAX)
		return 0;
	memcpy(&vnet, data, sizeof(vnet));
	cut(&vnet, data + sizeof(vnet), size - sizeof(vnet));
	split(&vnet, data + sizeof(vnet), size - sizeof(vnet));
	merge(&vnet, data + sizeof(vnet), size - sizeof(vnet));
	join(&vnet, data + sizeof(vnet), size - sizeof(vnet));
	return 0;
}
