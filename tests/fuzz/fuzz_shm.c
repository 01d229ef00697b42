/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_shm.c - a member of a shm:// network that writes into its memory what the input says, src/shm
 *
 * Each input has a network of its own with two ports, one of which takes segments. The input is a list of steps: write a
 * word somewhere, send, receive, look, join. Nothing that stands in the memory may make a port read or write outside its
 * buffers or the memory (there is no other mapping beside it), or wait or go on for ever; joining succeeds whatever was
 * written. When the input is over, the two drop what is in their queues, and the second hears the first again.
 *
 * A step is four bytes: what, where, which, how large; what is written has eight bytes more.
 */
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PORTS 64U
#define SLOTS 64U
#define MTU 2000U
#define STEPS_MAX 400
#define GUESTS 4
#define GUARD ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** struct scene - one input's */
struct scene {
	struct shm_port *port[2 + GUESTS]; /* the first takes segments; guests may be NULL */
	struct shm_net *net;
	void *guard[2];
	char path[40];
};

static void check(bool kept, const char *what)
{
	if (kept)
		return;
	fprintf(stderr, "fuzz_shm: %s\n", what);
	abort();
}

/** join - a port on the network; it has to be possible */
static struct shm_port *join(const struct scene *s, bool offload)
{
	char text[80];
	struct shm_options options;
	struct shm_port *port = aligned_alloc(_Alignof(struct shm_port), sizeof(*port));

	check(port != NULL, "memory");
	*port = (struct shm_port){0};
	snprintf(text, sizeof(text), "%s/ports=%u/slots=%u/mtu=%u", s->path, PORTS, SLOTS, MTU);
	check(shm_options_parse(text, &options) == 0, "options");
	check(shm_net_join(&options, port) == 0, "somebody could not join");
	check(shm_port_begin(port, "fuzz") == 0, "memory");
	if (offload)
		shm_port_offload(port, SHM_OFFLOAD);
	return port;
}

static void leave(struct shm_port *port)
{
	if (!port)
		return;
	shm_port_end(port);
	shm_net_leave(port);
	free(port);
}

/** guard - keep other mappings from lying next to the memory, where there is room for that */
static void guard(struct scene *s)
{
	unsigned char *at[2] = {s->net->base - GUARD, s->net->base + s->net->geometry.size};

	for (int i = 0; i < 2; i++) {
		s->guard[i] = mmap(at[i], GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		if (s->guard[i] != MAP_FAILED && s->guard[i] != at[i]) {
			munmap(s->guard[i], GUARD);
			s->guard[i] = MAP_FAILED;
		}
	}
}

/** scribble - write a word: @where chooses the part of the memory, @which the port, @at the place in it */
static void scribble(const struct scene *s, unsigned int where, unsigned int which, unsigned int at, uint64_t value)
{
	const struct shm_geometry *g = &s->net->geometry;
	uint32_t port = which % 8 < 6 ? which % 8 : which % PORTS;
	size_t offset;

	switch (where % 7) {
	case 0:
		offset = at % SHM_PAGE;
		break;
	case 1:
		offset = g->active + at % 8;
		break;
	case 2:
		offset = g->table + (size_t)which * SHM_LINE % ((size_t)g->buckets * SHM_LINE) + at % SHM_LINE;
		break;
	case 3:
		offset = g->control + port * sizeof(struct shm_control) + at % sizeof(struct shm_control);
		break;
	case 4:
		offset = g->rings + ((size_t)port * g->slots + at % g->slots) * sizeof(uint64_t);
		break;
	case 5: /* a record near the beginning */
		offset = g->areas + (size_t)port * g->units * SHM_LINE + at % 16 * SHM_LINE + at / 16 % 32;
		break;
	default: /* the end of an area */
		offset = g->areas + ((size_t)port + 1) * g->units * SHM_LINE - 8 - at % 512;
		break;
	}
	if (offset > g->size - sizeof(value))
		offset = g->size - sizeof(value);
	memcpy(s->net->base + offset, &value, sizeof(value));
}

/** address - of the station behind a port; of all: above */
static void address(unsigned char *out, unsigned int n)
{
	memset(out, n < 2 + GUESTS ? 0 : 0xff, 6);
	if (n < 2 + GUESTS)
		out[0] = 2, out[5] = (unsigned char)n;
}

/** send_one - a frame from port @from to @to; finished, or a segment */
static int send_one(const struct scene *s, unsigned int from, unsigned int to, size_t len, bool segment)
{
	struct virtio_net_hdr vnet = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	                              .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
	                              .hdr_len = 54,
	                              .gso_size = 1000,
	                              .csum_start = 34,
	                              .csum_offset = 16};
	unsigned char *frame = calloc(1, len);
	size_t first = segment && len > 54 ? 54 : len;
	struct iovec piece[2] = {{frame, first}, {frame + first, len - first}};
	int err;

	check(frame != NULL, "memory");
	address(frame, to);
	address(frame + 6, from);
	frame[12] = 8;
	if (segment) {
		frame[14] = 0x45;
		frame[23] = 6;
		frame[46] = 5 << 4;
	}
	err = shm_send(s->port[from], segment ? &vnet : NULL, piece, first < len ? 2 : 1);
	check(err <= 0 && (err == 0 || err == -EAGAIN || err == -EMSGSIZE || err == -EINVAL), "a strange error");
	free(frame);
	return err;
}

/** receive_one - what there is for a port, into a buffer of just that size; its length or -EAGAIN */
static ssize_t receive_one(struct shm_port *port, size_t size, bool sleep)
{
	unsigned char *frame = malloc(size);
	struct virtio_net_hdr vnet;
	ssize_t n;

	check(frame != NULL, "memory");
	n = shm_receive(port, (port->features & SHM_OFFLOAD) ? &vnet : NULL, frame, size, sleep ? 0 : SHM_AWAKE);
	check(n == -EAGAIN || (n > 0 && (size_t)n <= size), "a strange length");
	free(frame);
	return n;
}

/** look - as somebody from outside; the header may be nonsense */
static void look(const struct scene *s)
{
	struct shm_net net;

	if (shm_net_look(s->path, &net) == 0)
		shm_net_unlook(&net);
}

/** step - four bytes of the input, or twelve; returns how many */
static size_t step(struct scene *s, const uint8_t *d, size_t size)
{
	static const size_t sizes[] = {14, 60, 64, 1514, MTU + 18, MTU + 19, 60000, SHM_SEGMENT_MAX};
	unsigned int n = d[2] % (2 + GUESTS);
	uint64_t value;

	if (!s->port[n])
		n = 0;
	switch (d[0] % 8) {
	case 0:
	case 1:
		if (size < 12)
			return size;
		memcpy(&value, d + 4, sizeof(value));
		scribble(s, d[1], d[2], d[3] * (d[0] & 8 ? 1U : 4U), value);
		return 12;
	case 2:
		send_one(s, n, d[1] % 8, sizes[d[3] % 6], false);
		break;
	case 3:
		send_one(s, n, d[1] % 8, sizes[3 + d[3] % 5], true);
		break;
	case 4:
		receive_one(s->port[n], sizes[d[3] % 8], d[1] & 1);
		break;
	case 5:
		check(shm_next(s->port[n]) <= SHM_SEGMENT_MAX, "a strange length");
		shm_waiting(s->port[n]);
		break;
	case 6:
		look(s);
		break;
	default:
		n = 2 + d[2] % GUESTS;
		if (s->port[n]) {
			leave(s->port[n]);
			s->port[n] = NULL;
		} else {
			s->port[n] = join(s, d[1] & 1);
		}
		break;
	}
	return 4;
}

/** recover - nobody scribbles any more: the second port hears the first */
static void recover(const struct scene *s)
{
	for (unsigned int i = 0; i < 2 + GUESTS; i++) {
		unsigned int n = 0;

		while (s->port[i] && receive_one(s->port[i], SHM_SEGMENT_MAX, true) > 0)
			check(++n <= 4 * SLOTS, "a queue without an end");
	}
	for (unsigned int attempt = 0; attempt < 1000 * SLOTS; attempt++) {
		send_one(s, 0, 100, 60, false);
		for (unsigned int n = 0; receive_one(s->port[1], SHM_SEGMENT_MAX, true) > 0; n++)
			if (n > 0 || attempt > 0)
				return;
	}
	check(false, "the second does not hear the first any more");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene s = {0};

	strcpy(s.path, "/tmp/fuzz-shm-XXXXXX");
	check(mkdtemp(s.path) != NULL, "mkdtemp");
	s.port[0] = join(&s, true);
	s.port[1] = join(&s, false);
	s.net = s.port[0]->net;
	guard(&s);
	for (int i = 0; i < STEPS_MAX && size >= 4; i++) {
		size_t n = step(&s, data, size);

		data += n;
		size -= n;
	}
	recover(&s);
	for (unsigned int i = 0; i < 2; i++)
		if (s.guard[i] != MAP_FAILED)
			munmap(s.guard[i], GUARD);
	for (unsigned int i = 0; i < 2 + GUESTS; i++)
		leave(s.port[i]);
	return 0;
}
