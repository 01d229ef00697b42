/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ioctl.c - ioctl(2): who answers which request.
 *
 * As in Linux the descriptor comes first (FIONBIO, FIOASYNC, ...), then what all sockets have (SIOCGSTAMP), then the
 * kind (SIOCINQ, SIOCOUTQ, SIOCATMARK), and at last the interfaces (netdevice(7)), which libnlq turns into requests to
 * the handlers of inet. What nobody knows is -ENOTTY. Stateless.
 */
#include "private.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

/** of_descriptor - requests that are not about the socket but about its open file: the kernel has that */
static bool of_descriptor(unsigned long request)
{
	switch (request) {
	case FIONBIO:
	case FIOASYNC:
	case FIOSETOWN:
	case FIOGETOWN:
	case SIOCSPGRP:
	case SIOCGPGRP:
		return true;
	default:
		return false;
	}
}

/** gives_int - requests of kinds that answer with an int */
static bool gives_int(unsigned long request)
{
	switch (request) {
	case SIOCINQ:  /* FIONREAD */
	case SIOCOUTQ: /* TIOCOUTQ */
	case SIOCOUTQNSD:
	case SIOCATMARK:
		return true;
	default:
		return false;
	}
}

/** stamp - when the last packet arrived: a struct timeval, or with @nano a struct timespec */
static int stamp(struct usock *sock, void *arg, bool nano)
{
	struct timespec *at = &sock->stamp;

	/* Netlink has no such thing in Linux. */
	if (sock->family == AF_NETLINK)
		return -ENOTTY;
	if (at->tv_sec < 0)
		return -ENOENT;
	/* Something was received, but nobody had asked for its time before: that of the question, as Linux says. */
	if (at->tv_sec == 0)
		clock_gettime(CLOCK_REALTIME, at);
	if (arg == NULL)
		return -EFAULT;
	if (nano)
		*(struct timespec *)arg = *at;
	else
		*(struct timeval *)arg = (struct timeval){.tv_sec = at->tv_sec, .tv_usec = at->tv_nsec / 1000};
	return 0;
}

int usock__ioctl(struct usock *sock, unsigned long request, void *arg)
{
	const struct usock__kind *kind = sock->kind;
	int result = -ENOIOCTLCMD, value = 0;

	if (of_descriptor(request))
		return ioctl(sock->ready.user, request, arg) < 0 ? -errno : 0;
	switch (request) {
	case SIOCGSTAMP_OLD:
	case SIOCGSTAMP_NEW:
		return stamp(sock, arg, false);
	case SIOCGSTAMPNS_OLD:
	case SIOCGSTAMPNS_NEW:
		return stamp(sock, arg, true);
	default:
		break;
	}
	if (gives_int(request)) {
		if (kind->ioctl != NULL)
			result = kind->ioctl(sock, request, &value);
		if (result == -ENOIOCTLCMD)
			return -ENOTTY;
		if (result < 0)
			return result;
		if (arg == NULL)
			return -EFAULT;
		*(int *)arg = value;
		return result;
	}
	if (kind->ioctl != NULL)
		result = kind->ioctl(sock, request, arg);
	if (result != -ENOIOCTLCMD)
		return result;
	return nlq_server_ioctl_domain(inet_handlers, sock->stack->inet, sock->family, request, arg) < 0 ? -errno : 0;
}
