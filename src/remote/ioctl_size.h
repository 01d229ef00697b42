/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ioctl_size.h - which ioctls a client may have made, and how large their arguments are: for both ends. */
#ifndef REMOTE_IOCTL_SIZE_H
#define REMOTE_IOCTL_SIZE_H

#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

/**
 * remote_ioctl_size - bytes of the argument of an ioctl, in and out
 * @domain: of the socket: AF_INET6 has structures of its own
 *
 * Returns 0 when there is no such ioctl for clients, or its argument holds pointers. SIOCGIFCONF is one of those, and
 * has a way of its own (REMOTE_IOCTL).
 */
static inline size_t remote_ioctl_size(unsigned long request, int domain)
{
	switch (request) {
	case FIONREAD:
	case SIOCOUTQ:
	case SIOCOUTQNSD:
	case SIOCATMARK:
		return sizeof(int);
	case SIOCGSTAMP_OLD:
	case SIOCGSTAMPNS_OLD:
		return sizeof(struct timeval);
	case SIOCADDRT:
	case SIOCDELRT:
		return domain == AF_INET6 ? 80 /* struct in6_rtmsg */ : sizeof(struct rtentry);
	case SIOCSIFADDR:
	case SIOCDIFADDR:
	case SIOCSIFDSTADDR:
		return domain == AF_INET6 ? 24 /* struct in6_ifreq */ : sizeof(struct ifreq);
	case SIOCDARP:
	case SIOCGARP:
	case SIOCSARP:
		return sizeof(struct arpreq);
	case SIOCGIFCONF:
	case SIOCETHTOOL:
	case SIOCWANDEV:
		return 0;
	default:
		return request >= SIOCGIFNAME && request <= SIOCGIFCOUNT + 0x17 ? sizeof(struct ifreq) : 0;
	}
}

#endif
