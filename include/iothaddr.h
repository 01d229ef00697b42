/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iothaddr.h - Internet addresses and MAC addresses computed from names.
 *
 * A stack that knows its fully qualified domain name can compute its own address, and so can a name server that knows
 * the prefix of the network. With a password nobody else can; with a time as well, the address changes again and again
 * (one-time IP addresses).
 *
 * Addresses are in network byte order. The functions cannot fail, and may be called by any number of threads at once.
 * A final dot of a name is ignored; otherwise a name is taken byte by byte, so "Host" and "host" differ. @passwd NULL
 * is the same as "".
 */
#ifndef IOTHADDR_H
#define IOTHADDR_H

#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * iothaddr_hash - the host part of an IPv6 address, from a name
 * @in6: input and output: struct in6_addr (16 bytes); give the prefix followed by zeros
 * @name: fully qualified domain name
 * @passwd: password, or NULL
 * @otiptime: from iothaddr_otiptime, or 0 for an address that does not change
 *
 * The last 8 bytes are combined (exclusive or) with the first 8 of MD5(@name, @passwd, @otiptime in network byte order
 * unless it is 0); then the bits "universal" and "group" of RFC 4291 section 2.5.1 are cleared.
 */
void iothaddr_hash(void *in6, const char *name, const char *passwd, uint32_t otiptime);

/**
 * iothaddr_hashmac - a MAC address from a name: locally administered, unicast
 * @mac6: output: 6 bytes: the first three, and the sixth to eighth byte of MD5(@name, @passwd)
 */
void iothaddr_hashmac(void *mac6, const char *name, const char *passwd);

/**
 * iothaddr_eui64 - the host part of an IPv6 address from a MAC address, as RFC 4291 appendix A says
 * @in6: input and output: struct in6_addr; its last 8 bytes are replaced
 * @mac6: 6 bytes
 */
void iothaddr_eui64(void *in6, const void *mac6);

/** iothaddr_hasheui64 - iothaddr_eui64 with the MAC address of iothaddr_hashmac */
void iothaddr_hasheui64(void *in6, const char *name, const char *passwd);

/**
 * iothaddr_otiptime - the number of the current period, for iothaddr_hash
 * @period: seconds that an address lasts; 0 or less: it does not change, and the result is 0
 * @offset: seconds added to the time, so that a server can accept the address of the next or the last period
 */
static inline uint32_t iothaddr_otiptime(int period, int offset)
{
	return period > 0 ? (uint32_t)((time(NULL) + offset) / period) : 0;
}

#ifdef __cplusplus
}
#endif

#endif /* IOTHADDR_H */
