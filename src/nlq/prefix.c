/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * prefix.c - addresses, prefix lengths and masks. Stateless.
 */
#include "private.h"

unsigned int nlq_family2addrlen(int family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

int nlq_prefix2mask(int family, void *mask, int prefixlen)
{
	int addrlen = (int)nlq_family2addrlen(family);
	unsigned char *byte = mask;

	if (addrlen == 0)
		return nlq_return_errno(-EAFNOSUPPORT);
	if (mask == NULL || prefixlen < 0 || prefixlen > addrlen * 8)
		return nlq_return_errno(-EINVAL);
	for (int i = 0; i < addrlen; i++) {
		int bits = prefixlen - i * 8; /* of the prefix in this byte and behind it */

		byte[i] = (unsigned char)(bits >= 8 ? 0xff : bits <= 0 ? 0 : 0xff << (8 - bits));
	}
	return 0;
}

int nlq_mask2prefix(int family, const void *mask)
{
	int addrlen = (int)nlq_family2addrlen(family), prefixlen = 0;
	const unsigned char *byte = mask;

	if (addrlen == 0)
		return nlq_return_errno(-EAFNOSUPPORT);
	if (mask == NULL)
		return nlq_return_errno(-EINVAL);
	while (prefixlen < addrlen * 8 && (byte[prefixlen / 8] & 0x80 >> prefixlen % 8) != 0)
		prefixlen++;
	for (int bit = prefixlen; bit < addrlen * 8; bit++) {
		if ((byte[bit / 8] & 0x80 >> bit % 8) != 0)
			return nlq_return_errno(-EINVAL);
	}
	return prefixlen;
}

int nlq_addrdata2prefix(unsigned char prefixlen, unsigned char flags, unsigned char scope)
{
	return scope << 16 | flags << 8 | prefixlen;
}

int nlq_routedata2prefix(unsigned char prefixlen, unsigned char type, unsigned char scope)
{
	return scope << 16 | type << 8 | prefixlen;
}
