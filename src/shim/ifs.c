/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ifs.c - getifaddrs, if_nametoindex and their like.
 *
 * The C library's ask the kernel over sockets of its own. Ours are those of libioth (src/core), which ask a stack by
 * netlink: here "the stack" is what socket gives.
 */
#include "shim.h"

#include <core.h>

#include <ioth.h>
#include <net/if.h>
#include <unistd.h>
#include <stdlib.h>
#include <string.h>

/* What those call. Not exported (libiothshim.map). */

struct ioth *ioth__stack_get(struct ioth *stack)
{
	return stack;
}

void ioth__stack_put(struct ioth *stack)
{
	(void)stack;
}

int ioth__fail(int result)
{
	return (int)shim_result(result);
}

int ioth_msocket(struct ioth *stack, int domain, int type, int protocol)
{
	(void)stack;
	return socket(domain, type, protocol);
}

int ioth_close(int fd)
{
	return close(fd);
}

ssize_t ioth_send(int fd, const void *buf, size_t len, int flags)
{
	return send(fd, buf, len, flags);
}

ssize_t ioth_recv(int fd, void *buf, size_t len, int flags)
{
	return recv(fd, buf, len, flags);
}

/* glibc declares the lists that these return as to be freed by their own functions, which are below. */

EXPORT int getifaddrs(struct ifaddrs **list)
{
	return ioth_getifaddrs(NULL, list);
}

EXPORT void freeifaddrs(struct ifaddrs *list)
{
	ioth_freeifaddrs(list);
}

EXPORT struct if_nameindex *if_nameindex(void)
{
	return ioth_if_nameindex(NULL);
}

EXPORT void if_freenameindex(struct if_nameindex *list)
{
	ioth_if_freenameindex(list);
}

EXPORT char *if_indextoname(unsigned int index, char name[IF_NAMESIZE])
{
	return ioth_if_indextoname(NULL, index, name);
}

EXPORT unsigned int if_nametoindex(const char *name)
{
	struct if_nameindex *list = ioth_if_nameindex(NULL);
	unsigned int index = 0;

	if (list == NULL)
		return 0;
	for (struct if_nameindex *i = list; i->if_index != 0 && index == 0; i++)
		if (strcmp(i->if_name, name) == 0)
			index = i->if_index;
	ioth_if_freenameindex(list);
	if (index == 0)
		errno = ENODEV;
	return index;
}
