/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chksum.h - the Internet checksum, RFC 1071.
 */
#ifndef IOTH_LWIP_CHKSUM_H
#define IOTH_LWIP_CHKSUM_H

#include <stddef.h>
#include <stdint.h>

/** chksum_add - continue a sum over @len bytes, which begin at an even place of the whole; folded or not does not matter */
uint64_t chksum_add(uint64_t sum, const void *data, size_t len);

/** chksum_fold - the 16 bits of a sum, not complemented, as they lie in memory */
uint16_t chksum_fold(uint64_t sum);

/** chksum_pseudo - the sum of the pseudo header of TCP and ICMPv6: @addr of @addr_len bytes each */
uint64_t chksum_pseudo(const void *src, const void *dst, size_t addr_len, uint8_t protocol, uint32_t len);

/** chksum_ip4 - write the checksum of an IPv4 header of @len bytes into it */
void chksum_ip4(unsigned char *header, size_t len);

#endif
