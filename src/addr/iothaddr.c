/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iothaddr.c - Internet addresses and MAC addresses computed from names.
 *
 * Everything is a pure function of its arguments: no state, no allocation, no failure. One digest, MD5(name, password,
 * time), is the source of all of them. MD5 serves to spread names over addresses; nothing here claims its resistance to
 * collisions.
 *
 * Addresses of callers are copied in and out, as they may have any alignment.
 */
#include <arpa/inet.h>
#include <md5.h>
#include <string.h>

#include "iothaddr.h"

#define EXPORT __attribute__((visibility("default")))

#define IN6_LEN 16   /* bytes of an IPv6 address */
#define HOST_START 8 /* offset of its interface identifier */
#define HOST_LEN 8   /* bytes of that */
#define MAC_LEN 6

/* Bits of the first byte of a MAC address; in a modified EUI-64 identifier the meaning of "local" is inverted. */
#define MAC_MULTICAST 0x01
#define MAC_LOCAL 0x02

/**
 * digest - MD5(name, password, time)
 * @name: without its final dot, if it has one; NULL is the same as ""
 * @passwd: may be NULL
 * @otiptime: host byte order; 0 is left out
 */
static void digest(uint8_t out[MD5_DIGEST_LENGTH], const char *name, const char *passwd, uint32_t otiptime)
{
	size_t namelen = name ? strlen(name) : 0;
	MD5_CTX md5;

	if (namelen > 0 && name[namelen - 1] == '.')
		namelen--;
	MD5Init(&md5);
	if (namelen > 0)
		MD5Update(&md5, (const uint8_t *)name, namelen);
	if (passwd)
		MD5Update(&md5, (const uint8_t *)passwd, strlen(passwd));
	if (otiptime) {
		uint32_t big_endian = htonl(otiptime);

		MD5Update(&md5, (const uint8_t *)&big_endian, sizeof(big_endian));
	}
	MD5Final(out, &md5);
}

EXPORT void iothaddr_hash(void *in6, const char *name, const char *passwd, uint32_t otiptime)
{
	uint8_t hash[MD5_DIGEST_LENGTH];
	uint8_t addr[IN6_LEN];

	digest(hash, name, passwd, otiptime);
	memcpy(addr, in6, sizeof(addr));
	for (int i = 0; i < HOST_LEN; i++)
		addr[HOST_START + i] ^= hash[i];
	addr[HOST_START] &= 0xff & ~(MAC_LOCAL | MAC_MULTICAST);
	memcpy(in6, addr, sizeof(addr));
}

EXPORT void iothaddr_hashmac(void *mac6, const char *name, const char *passwd)
{
	uint8_t hash[MD5_DIGEST_LENGTH];
	uint8_t mac[MAC_LEN];

	digest(hash, name, passwd, 0);
	memcpy(mac, hash, 3);
	memcpy(mac + 3, hash + 5, 3);
	mac[0] = (uint8_t)((mac[0] & ~MAC_MULTICAST) | MAC_LOCAL);
	memcpy(mac6, mac, sizeof(mac));
}

EXPORT void iothaddr_eui64(void *in6, const void *mac6)
{
	uint8_t addr[IN6_LEN];
	uint8_t mac[MAC_LEN];
	uint8_t *host = addr + HOST_START;

	memcpy(addr, in6, sizeof(addr));
	memcpy(mac, mac6, sizeof(mac));
	host[0] = mac[0] ^ MAC_LOCAL;
	host[1] = mac[1];
	host[2] = mac[2];
	host[3] = 0xff;
	host[4] = 0xfe;
	host[5] = mac[3];
	host[6] = mac[4];
	host[7] = mac[5];
	memcpy(in6, addr, sizeof(addr));
}

EXPORT void iothaddr_hasheui64(void *in6, const char *name, const char *passwd)
{
	uint8_t mac[MAC_LEN];

	iothaddr_hashmac(mac, name, passwd);
	iothaddr_eui64(in6, mac);
}
