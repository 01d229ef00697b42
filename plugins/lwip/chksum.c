/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chksum.c - the Internet checksum, RFC 1071.
 *
 * The one's complement sum does not care about byte order nor about how wide the words are that are added, so 32-bit words
 * are added in two 64-bit accumulators: no carry is lost below 16 GiB, and compilers make vector instructions of it.
 */
#include "chksum.h"

#include <arpa/inet.h>
#include <string.h>

uint64_t chksum_add(uint64_t sum, const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t a = 0, b = 0;

	for (; len >= 32; p += 32, len -= 32) {
		uint64_t w[4];

		memcpy(w, p, sizeof(w));
		a += (w[0] & 0xffffffffU) + (w[1] & 0xffffffffU);
		b += (w[0] >> 32) + (w[1] >> 32);
		a += (w[2] & 0xffffffffU) + (w[3] & 0xffffffffU);
		b += (w[2] >> 32) + (w[3] >> 32);
	}
	for (; len >= 4; p += 4, len -= 4) {
		uint32_t w;

		memcpy(&w, p, sizeof(w));
		a += w;
	}
	if (len > 0) {
		uint32_t w = 0;

		memcpy(&w, p, len);
		b += w;
	}
	sum = (sum & 0xffffffffU) + (sum >> 32);
	return sum + a + b;
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
