/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * checksum.h - the Internet checksum (RFC 1071).
 *
 * Sums are of 16-bit words in the byte order of the frame, which is all the same to a one's complement sum. A last odd byte counts
 * as if a zero followed it, so only the last piece of several may have an odd length.
 */
#ifndef IOTH_LINK_CHECKSUM_H
#define IOTH_LINK_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** link__sum_fold - a sum in 16 bits */
static inline uint16_t link__sum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/** link__sum_add - one's complement addition of 64 bits */
static inline uint64_t link__sum_add(uint64_t a, uint64_t b)
{
	uint64_t sum = a + b;

	return sum + (sum < a);
}

/** link__sum_tail - the last bytes, fewer than eight */
static inline uint64_t link__sum_tail(const unsigned char *data, size_t len)
{
	uint64_t word = 0;

	if (len > 0)
		memcpy(&word, data, len);
	return word;
}

/** link__sum - add @len bytes to @sum */
static inline uint64_t link__sum(uint64_t sum, const void *data, size_t len)
{
	const unsigned char *at = data;

	for (; len >= 8; at += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		sum = link__sum_add(sum, word);
	}
	return link__sum_add(sum, link__sum_tail(at, len));
}

/** link__sum_copy - the same while copying: memory is read once */
static inline uint64_t link__sum_copy(uint64_t sum, void *to, const void *from, size_t len)
{
	const unsigned char *at = from;
	unsigned char *out = to;

	for (; len >= 8; at += 8, out += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		memcpy(out, &word, 8);
		sum = link__sum_add(sum, word);
	}
	if (len > 0)
		memcpy(out, at, len);
	return link__sum_add(sum, link__sum_tail(at, len));
}

/** link__get16, link__put16 - a 16-bit number of a frame, which is in network byte order */
static inline uint16_t link__get16(const unsigned char *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void link__put16(unsigned char *at, uint16_t value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

static inline uint32_t link__get32(const unsigned char *at)
{
	return (uint32_t)link__get16(at) << 16 | link__get16(at + 2);
}

static inline void link__put32(unsigned char *at, uint32_t value)
{
	link__put16(at, (uint16_t)(value >> 16));
	link__put16(at + 2, (uint16_t)value);
}

/** link__put_check - write a checksum from a sum; both are in the byte order of the frame */
static inline void link__put_check(unsigned char *at, uint64_t sum)
{
	uint16_t check = (uint16_t)~link__sum_fold(sum);

	memcpy(at, &check, sizeof(check));
}

/** link__word - a number as it counts in a sum: in the byte order of the frame */
static inline uint64_t link__word(uint16_t value)
{
	unsigned char byte[2];
	uint16_t word;

	link__put16(byte, value);
	memcpy(&word, byte, sizeof(word));
	return word;
}

/** link__word32 - the same of 32 bits */
static inline uint64_t link__word32(uint32_t value)
{
	return link__word((uint16_t)(value >> 16)) + link__word((uint16_t)value);
}

#endif
