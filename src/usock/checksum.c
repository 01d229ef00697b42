/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * checksum.c - the Internet checksum (RFC 1071) over pieces of any length.
 *
 * Partial sums are of 16-bit words as they lie in memory: a one's complement sum does not mind the byte order as long
 * as the result is stored the way it was read. A piece that begins at an odd place of the message is summed as if it
 * began at an even one, and its two bytes are swapped.
 */
#include "ip.h"

#include <checksum.h>
#include <string.h>

uint32_t usock__checksum(uint32_t sum, const void *data, size_t len, bool odd)
{
	uint16_t piece = link__sum_fold(link__sum(0, data, len));

	if (odd)
		piece = (uint16_t)(piece << 8 | piece >> 8);
	return link__sum_fold((uint64_t)sum + piece);
}

uint32_t usock__checksum_copy(uint32_t sum, void *to, const void *from, size_t len, bool odd)
{
	uint16_t piece = link__sum_fold(link__sum_copy(0, to, from, len));

	if (odd)
		piece = (uint16_t)(piece << 8 | piece >> 8);
	return link__sum_fold((uint64_t)sum + piece);
}

uint32_t usock__checksum_pseudo(int family, const union inet_ip *src, const union inet_ip *dst, int protocol,
                                size_t len)
{
	size_t size = usock__ip_size(family);
	uint64_t sum = link__sum(0, src, size);

	sum = link__sum(sum, dst, size);
	sum = link__sum_add(sum, link__word((uint16_t)protocol));
	sum = link__sum_add(sum, link__word((uint16_t)(len >> 16)));
	sum = link__sum_add(sum, link__word((uint16_t)len));
	return link__sum_fold(sum);
}

uint16_t usock__checksum_fold(uint32_t sum)
{
	return (uint16_t)~link__sum_fold(sum);
}
