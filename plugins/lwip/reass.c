/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reass.c - fragments that come in.
 *
 * Each datagram under way has a buffer, which grows as far as fragments reach, and a bit for each eight bytes that are there. A
 * fragment that repeats what is there is ignored, one that overlaps it in part makes the datagram void: RFC 5722 asks that of
 * IPv6, Linux does it for both. Limits: the bytes and the number of datagrams under way, above which the oldest is
 * given up, and the time that RFC 791 and 8200 give, after which the sender is told if the first fragment is there.
 */
#include "engine.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <stdlib.h>
#include <string.h>

#include "chksum.h"

#define DATAGRAMS_MAX 64U
#define BYTES_MAX (4U << 20) /* as Linux: net.ipv4.ipfrag_high_thresh */
#define TIME4 (INT64_C(30000) * MILLISECOND)
#define TIME6 (INT64_C(60000) * MILLISECOND)
#define HEADER_MAX 256U          /* of IP headers in front of the payload */
#define FIRST (HEADER_MAX + 16U) /* where the payload begins in the buffer */
#define BLOCKS 8192U             /* of eight bytes */

struct reass {
	struct reass *next; /* the youngest first */
	struct inet_iface *iface;
	int family;
	union inet_ip src, dst;
	uint8_t protocol;
	uint32_t id;
	int64_t until;
	struct buffer *buffer;
	size_t room;               /* for payload, in the buffer */
	size_t total;              /* of the payload; 0: not known yet */
	size_t have;               /* bytes that are there */
	size_t header_len;         /* of the first fragment; 0: not there */
	struct usock_packet first; /* without pointers */
	bool is_void;
	uint64_t there[BLOCKS / 64];
};

static void drop(struct engine *e, struct reass **link)
{
	struct reass *r = *link;

	*link = r->next;
	if (r->buffer)
		buffer_free(e, r->buffer);
	free(r);
}

void reass_close(struct engine *e)
{
	while (e->reass)
		drop(e, &e->reass);
}

/** limit - give up the oldest when there are too many */
static void limit(struct engine *e)
{
	for (;;) {
		struct reass **link = &e->reass, **last = NULL;
		size_t bytes = 0, count = 0;

		for (; *link; link = &(*link)->next) {
			last = link;
			bytes += sizeof(**link) + (*link)->room;
			count++;
		}
		if (!last || (count < DATAGRAMS_MAX && bytes < BYTES_MAX))
			return;
		drop(e, last);
	}
}

static struct reass **find(struct engine *e, const struct usock_packet *fragment, uint32_t id)
{
	struct reass **link = &e->reass;

	for (; *link; link = &(*link)->next) {
		const struct reass *r = *link;

		if (r->id == id && r->iface == fragment->iface && r->family == fragment->family &&
		    (r->family == AF_INET6 || r->protocol == fragment->protocol) &&
		    memcmp(&r->src, &fragment->src, ip_size(r->family)) == 0 &&
		    memcmp(&r->dst, &fragment->dst, ip_size(r->family)) == 0)
			break;
	}
	return link;
}

static struct reass **make(struct engine *e, const struct usock_packet *fragment, uint32_t id)
{
	struct reass *r;

	limit(e);
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->iface = fragment->iface;
	r->family = fragment->family;
	r->src = fragment->src;
	r->dst = fragment->dst;
	r->protocol = fragment->protocol;
	r->id = id;
	r->until = usock_now(e->stack) + (fragment->family == AF_INET ? TIME4 : TIME6);
	r->next = e->reass;
	e->reass = r;
	return &e->reass;
}

/** grow - make room for @need bytes of payload */
static bool grow(struct engine *e, struct reass *r, size_t need)
{
	size_t room = r->room ? r->room : 4096;
	struct buffer *bigger;

	if (r->buffer && need <= r->room)
		return true;
	while (room < need)
		room *= 2;
	if (room > PACKET_MAX + 1)
		room = PACKET_MAX + 1;
	bigger = buffer_new(e, FIRST + room);
	if (!bigger)
		return false;
	if (r->buffer) {
		memcpy(bigger->data, r->buffer->data, FIRST + r->room);
		buffer_free(e, r->buffer);
	}
	r->buffer = bigger;
	r->room = room;
	return true;
}

/** mark - note the blocks of a fragment; how many of them had been there */
static size_t mark(struct reass *r, size_t at, size_t len, size_t *count)
{
	size_t known = 0;

	*count = 0;
	for (size_t block = at / 8; block < (at + len + 7) / 8 && block < BLOCKS; block++, ++*count) {
		if (r->there[block / 64] >> (block % 64) & 1)
			known++;
	}
	if (known == 0) {
		for (size_t block = at / 8; block < (at + len + 7) / 8 && block < BLOCKS; block++)
			r->there[block / 64] |= UINT64_C(1) << (block % 64);
	}
	return known;
}

/** take - put a fragment where it belongs; false: the datagram is void */
static bool take(struct engine *e, struct reass *r, const struct usock_packet *fragment, size_t at, bool more)
{
	size_t len = fragment->payload_len, count, known;

	if (at + len > PACKET_MAX || (more && (len == 0 || len % 8 != 0)) || fragment->header_len > HEADER_MAX)
		return false;
	if (!more && r->total && r->total != at + len)
		return false;
	if ((r->total && at + len > r->total) || (more && r->total && at + len == r->total))
		return false;
	if (!grow(e, r, at + len))
		return false;
	known = mark(r, at, len, &count);
	if (known > 0)
		return known == count;
	if (!more) {
		/* nothing may be behind the end */
		for (size_t block = (at + len + 7) / 8; block < BLOCKS; block++) {
			if (r->there[block / 64] >> (block % 64) & 1)
				return false;
		}
		r->total = at + len;
	}
	memcpy(r->buffer->data + FIRST + at, fragment->payload[0].iov_base, len);
	r->have += len;
	if (at == 0) {
		memcpy(r->buffer->data + FIRST - fragment->header_len, fragment->header, fragment->header_len);
		r->header_len = fragment->header_len;
		r->first = *fragment;
	}
	return true;
}

/** heal - make the header of the first fragment that of the whole; false: there is no packet that long */
static bool heal(unsigned char *header, int family, size_t header_len, size_t payload_len)
{
	size_t len = header_len + payload_len - (family == AF_INET ? 0 : IP6_HEADER);

	if (len > PACKET_MAX)
		return false;
	put16(header + (family == AF_INET ? 2 : 4), (unsigned int)len);
	if (family == AF_INET) {
		put16(header + 6, 0);
		chksum_ip4(header, header_len);
	}
	return true;
}

struct buffer *reass_input(struct engine *e, const struct usock_packet *fragment, uint32_t id, size_t at, bool more,
                           struct usock_packet *whole)
{
	struct reass **link = find(e, fragment, id), *r;
	struct buffer *buffer;

	if (!*link)
		link = make(e, fragment, id);
	if (!link)
		return NULL;
	r = *link;
	if (!r->is_void && !take(e, r, fragment, at, more)) {
		/* It stays, so that its other fragments make no new one. */
		r->is_void = true;
		r->header_len = 0;
		if (r->buffer)
			buffer_free(e, r->buffer);
		r->buffer = NULL;
		r->room = 0;
	}
	if (r->is_void || !r->total || r->have < r->total || !r->header_len)
		return NULL;
	buffer = r->buffer;
	*whole = r->first;
	if (!heal(buffer->data + FIRST - r->header_len, r->family, r->header_len, r->total)) {
		drop(e, link);
		return NULL;
	}
	whole->header = buffer->data + FIRST - r->header_len;
	whole->header_len = r->header_len;
	whole->payload_len = r->total;
	r->buffer = NULL;
	drop(e, link);
	return buffer;
}

int64_t reass_deadline(const struct engine *e)
{
	int64_t due = INET_NEVER;

	for (const struct reass *r = e->reass; r; r = r->next)
		due = r->until < due ? r->until : due;
	return due;
}

void reass_timers(struct engine *e)
{
	int64_t now = usock_now(e->stack);

	for (struct reass **link = &e->reass; *link;) {
		struct reass *r = *link;
		struct usock_packet about;
		struct iovec piece;

		if (r->until > now) {
			link = &r->next;
			continue;
		}
		if (r->header_len) {
			about = r->first;
			about.header = r->buffer->data + FIRST - r->header_len;
			piece.iov_base = r->buffer->data + FIRST;
			piece.iov_len = r->first.payload_len;
			about.payload = &piece;
			about.pieces = 1;
			icmp_error(e, &about, r->family == AF_INET ? ICMP_TIME_EXCEEDED : ICMPV6_TIME_EXCEED, 1, 0);
		}
		drop(e, link);
	}
}
