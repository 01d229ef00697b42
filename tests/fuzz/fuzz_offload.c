/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_offload.c - cutting segments and merging frames, src/link/finish.c, split.c and coalesce.c
 *
 * The input is a virtio-net header and a frame. It is cut as a device's; and three copies of it, with sequence numbers that follow each
 * other, are merged as the network's. Whatever is cut or merged must be no larger than it may be, and no byte may be lost.
 */
#include "checksum.h"
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtio_net_hdr vnet;

	if (size < sizeof(vnet) || size > LINK_FRAME_MAX)
		return 0;
	memcpy(&vnet, data, sizeof(vnet));
	cut(&vnet, data + sizeof(vnet), size - sizeof(vnet));
	split(&vnet, data + sizeof(vnet), size - sizeof(vnet));
	merge(&vnet, data + sizeof(vnet), size - sizeof(vnet));
	return 0;
}
