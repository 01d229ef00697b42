/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chksum.c - the Internet checksum, RFC 1071.
 *
 * The one's complement sum does not care about byte order, nor about which words are added together first. So four 32-bit words
 * are taken at a time and their halves added lane by lane, in vectors that the compiler makes of whatever the machine has: no
 * lane overflows within CHUNK bytes, after which the lanes are added up.
 */
#include "chksum.h"

#include <arpa/inet.h>
#include <string.h>

#define CHUNK 65536U

typedef uint32_t words __attribute__((vector_size(16)));

/** add_chunk - @len bytes, at most CHUNK, a multiple of 16 */
static uint64_t add_chunk(const unsigned char *p, size_t len)
{
	words low = {0}, high = {0};
	uint64_t sum = 0;

	for (; len > 0; p += sizeof(words), len -= sizeof(words)) {
		words w;

		memcpy(&w, p, sizeof(w));
		low += w & 0xffffU;
		high += w >> 16;
	}
	for (unsigned int i = 0; i < sizeof(words) / sizeof(uint32_t); i++)
		sum += low[i] + ((uint64_t)high[i] << 16);
	return sum;
}

uint64_t chksum_add(uint64_t sum, const void *data, size_t len)
{
	const unsigned char *p = data;

	sum = (sum & 0xffffffffU) + (sum >> 32);
	while (len >= sizeof(words)) {
		size_t n = len < CHUNK ? len & ~(sizeof(words) - 1) : CHUNK;

		sum += add_chunk(p, n);
		p += n;
		len -= n;
	}
	for (; len >= 4; p += 4, len -= 4) {
		uint32_t w;

		memcpy(&w, p, sizeof(w));
		sum += w;
	}
	if (len > 0) {
		uint32_t w = 0;

		memcpy(&w, p, len);
		sum += w;
	}
	return sum;
}

uint16_t chksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffffU) + (sum >> 32);
	sum = (sum & 0xffffU) + (sum >> 16);
	sum = (sum & 0xffffU) + (sum >> 16);
	sum = (sum & 0xffffU) + (sum >> 16);
	return (uint16_t)sum;
}

uint64_t chksum_pseudo(const void *src, const void *dst, size_t addr_len, uint8_t protocol, uint32_t len)
{
	uint64_t sum = chksum_add(0, src, addr_len);

	return chksum_add(sum, dst, addr_len) + htonl(len) + htonl(protocol);
}

void chksum_ip4(unsigned char *header, size_t len)
{
	uint16_t sum;

	memset(header + 10, 0, 2);
	sum = (uint16_t)~chksum_fold(chksum_add(0, header, len));
	memcpy(header + 10, &sum, 2);
}
