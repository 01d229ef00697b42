/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * transport.c - the two ways to a stack: system calls, and the calls of libioth. Stateless.
 */
#include "private.h"

#include <ioth.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int sys_socket(struct ioth *stack, int domain, int type, int protocol)
{
	(void)stack;
	return socket(domain, type, protocol);
}

static int sys_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg);
}

struct nlq__peer nlq__native(void)
{
	static const struct nlq__transport transport = {
	        .socket = sys_socket,
	        .bind = bind,
	        .send = send,
	        .recvfrom = recvfrom,
	        .getsockopt = getsockopt,
	        .ioctl = sys_ioctl,
	        .close = close,
	        .linux_stack = true,
	};

	return (struct nlq__peer){.transport = &transport};
}

struct nlq__peer nlq__ioth(struct ioth *stack)
{
	static const struct nlq__transport transport = {
	        .socket = ioth_msocket,
	        .bind = ioth_bind,
	        .send = ioth_send,
	        .recvfrom = ioth_recvfrom,
	        .getsockopt = ioth_getsockopt,
	        .ioctl = ioth_ioctl,
	        .close = ioth_close,
	};

	return (struct nlq__peer){.transport = &transport, .stack = stack};
}
