/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * buffer.c - memory of received and sent packets.
 *
 * A received frame is read into a buffer that begins with a pbuf of lwIP's: it goes through lwIP's queues, and through those
 * of usock to the program, without being copied on the way. What lwIP allocates for segments to be sent (mem_malloc) is a buffer as
 * well, of which it sees the data only.
 *
 * Buffers of the size of a frame are kept in a list when they are given back, as the C library's own lists have no room for blocks of
 * that size. Received and sent ones are alike, so that the acknowledged segments of one connection serve the next frames. The number of
 * those kept is limited, and all are freed when none was needed for half a second. What lwIP notes of each segment to be sent is kept likewise.
 *
 * Large ones, of the segments of networks in shared memory, are of a few sizes and kept in a list for each: the C library would give
 * their memory back to the kernel again and again, and a page that is new to the process costs more than the copy into it.
 *
 * What the network can make us keep is limited by windows and by the limits of reassembly; as lwIP itself does not limit the number of small
 * segments out of order, there is a limit of all received bytes as well, beyond which frames are not received. What is sent has limits
 * of its own: those of each connection (tcp.c).
 */
#include "engine.h"

#include <stdlib.h>

#define SMALL 512U            /* up to here the C library is as fast */
#define STEP 512U             /* others are multiples of this, so that one serves as well as the next */
#define KEEP 1024U            /* free buffers kept: what some connections have on their way (tcp.c) */
#define KEEP_IDLE 16U         /* so few are not worth a tick of the clock */
#define KEEP_SIZE 4096U       /* larger ones are large */
#define KEEP_LARGE (4U << 20) /* bytes of free large ones kept: what some connections have on their way */
#define USED_MAX (64U << 20)  /* received bytes in use by one stack */
#define ALIGN 2U              /* so that the IP header behind that of Ethernet is aligned */

/* The sizes of large ones: a frame of the largest MTU, ..., a segment. */
static const uint32_t large_sizes[BUFFER_LARGE] = {9728, 19456, 38912, 66048};

/** large_list - the list of those that have room for @size bytes; BUFFER_LARGE: there is none */
static unsigned int large_list(size_t size)
{
	unsigned int list = 0;

	while (list < BUFFER_LARGE && large_sizes[list] < size)
		list++;
	return list;
}

/** make - a buffer from the C library; NULL: no memory */
static struct buffer *make(struct engine *e, size_t size)
{
	struct buffer *buffer = malloc(sizeof(*buffer) + size);

	if (!buffer)
		return NULL;
	buffer->e = e;
	buffer->size = (uint32_t)size;
	return buffer;
}

/** take_large - a buffer for more than KEEP_SIZE bytes; NULL: no memory */
static struct buffer *take_large(struct engine *e, size_t size)
{
	unsigned int list = large_list(size);
	struct buffer *buffer;

	if (list == BUFFER_LARGE)
		return make(e, size);
	buffer = e->large[list];
	if (!buffer)
		return make(e, large_sizes[list]);
	e->large[list] = buffer->next;
	e->large_free -= buffer->size;
	e->taken = true;
	return buffer;
}

/** take - a buffer for @size bytes; NULL: no memory */
static struct buffer *take(struct engine *e, size_t size)
{
	struct buffer *buffer = e->buffers;

	if (size > KEEP_SIZE)
		return take_large(e, size);
	if (size > SMALL)
		size = (size + STEP - 1) & ~(size_t)(STEP - 1);
	if (size <= SMALL || !buffer || buffer->size < size)
		return make(e, size);
	e->buffers = buffer->next;
	e->buffers_free--;
	e->taken = true;
	return buffer;
}

/** give_large - back */
static void give_large(struct engine *e, struct buffer *buffer)
{
	unsigned int list = large_list(buffer->size);

	if (list == BUFFER_LARGE || e->large_free + buffer->size > KEEP_LARGE) {
		free(buffer);
		return;
	}
	buffer->next = e->large[list];
	e->large[list] = buffer;
	e->large_free += buffer->size;
	timer_trim(e);
}

/** give - back */
static void give(struct engine *e, struct buffer *buffer)
{
	if (buffer->size > KEEP_SIZE) {
		give_large(e, buffer);
		return;
	}
	if (buffer->size <= SMALL || e->buffers_free >= KEEP) {
		free(buffer);
		return;
	}
	buffer->next = e->buffers;
	e->buffers = buffer;
	if (++e->buffers_free > KEEP_IDLE)
		timer_trim(e);
}

struct buffer *buffer_new(struct engine *e, size_t size)
{
	struct buffer *buffer = e->buffers_used + size > USED_MAX ? NULL : take(e, size);

	if (buffer)
		e->buffers_used += buffer->size;
	return buffer;
}

void buffer_free(struct engine *e, struct buffer *buffer)
{
	e->buffers_used -= buffer->size;
	give(e, buffer);
}

void *buffer_memory(struct engine *e, size_t size)
{
	struct buffer *buffer = take(e, size);

	return buffer ? buffer->data : NULL;
}

void buffer_memory_free(void *memory)
{
	struct buffer *buffer = memory ? (struct buffer *)((char *)memory - offsetof(struct buffer, data)) : NULL;

	if (buffer)
		give(buffer->e, buffer);
}

void *buffer_segment(struct engine *e)
{
	struct segment *segment = e->segments;

	if (!segment)
		return malloc(sizeof(*segment));
	e->segments = segment->next;
	e->segments_free--;
	return segment;
}

void buffer_segment_free(struct engine *e, void *memory)
{
	struct segment *segment = memory;

	if (e->segments_free >= KEEP) {
		free(segment);
		return;
	}
	segment->next = e->segments;
	e->segments = segment;
	e->segments_free++;
}

/** list_free - all of a list of free buffers */
static void list_free(struct buffer **list)
{
	while (*list) {
		struct buffer *buffer = *list;

		*list = buffer->next;
		free(buffer);
	}
}

void buffer_trim(struct engine *e)
{
	while (e->segments) {
		struct segment *segment = e->segments;

		e->segments = segment->next;
		free(segment);
	}
	e->segments_free = 0;
	list_free(&e->buffers);
	e->buffers_free = 0;
	for (unsigned int i = 0; i < BUFFER_LARGE; i++)
		list_free(&e->large[i]);
	e->large_free = 0;
}

/** pbuf_gone - lwIP or usock have let go of the last reference */
static void pbuf_gone(struct pbuf *p)
{
	struct buffer *buffer = (struct buffer *)p;

	buffer_free(buffer->e, buffer);
}

struct pbuf *buffer_pbuf(struct engine *e, struct buffer *buffer, unsigned char *data, size_t len)
{
	buffer->custom.custom_free_function = pbuf_gone;
	return e->lw.pbuf_alloced_custom(PBUF_RAW, (u16_t)len, PBUF_REF, &buffer->custom, data, (u16_t)len);
}

unsigned char *engine_rx_alloc(void *e, size_t size, void **buffer)
{
	struct buffer *made = buffer_new(e, size + ALIGN);

	if (!made)
		return NULL;
	*buffer = made;
	return made->data + ALIGN;
}

void engine_rx_free(void *e, void *buffer)
{
	buffer_free(e, buffer);
}

void engine_release(void *e, void *buffer)
{
	engine_enter(e)->lw.pbuf_free(buffer);
}

void *engine_tx_alloc(void *e, size_t len, unsigned char **data)
{
	const size_t headroom = (INET_HEADROOM + 15U) & ~15U;
	struct packet *packet;

	(void)e;
	if (len > PACKET_MAX + 40U)
		return NULL;
	packet = malloc(sizeof(*packet) + headroom + len);
	if (!packet)
		return NULL;
	packet->len = len;
	packet->data = packet->room + headroom;
	*data = packet->data;
	return packet;
}

void engine_tx_free(void *e, void *packet)
{
	(void)e;
	free(packet);
}
