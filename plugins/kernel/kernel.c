/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kernel.c - the stack "kernel": the host's own.
 *
 * It lets a program name the host's stack like any other, and is the smallest complete plugin: all its sockets are kernel sockets, so
 * libioth makes the system calls itself and only socket comes by here. It has no interfaces of its own and no options.
 */
#include <errno.h>
#include <ioth.h>
#include <stddef.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT extern const char *ioth_kernel_license;
EXPORT void *ioth_kernel_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions);
EXPORT int ioth_kernel_delstack(void *stackdata);

EXPORT const char *ioth_kernel_license = "LGPL-2.1-or-later";

static int is_kernel_socket(int fd)
{
	(void)fd;
	return 1;
}

/**
 * ioth_kernel_newstack - a handle for the host's stack
 *
 * Returns NULL with EINVAL when it is given a network or an option: the host's interfaces are not ours to add to.
 */
void *ioth_kernel_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions)
{
	static char host;

	if (vnlv[0] != NULL || options[0] != '\0') {
		errno = EINVAL;
		return NULL;
	}
	functions->socket = socket;
	functions->close = close;
	functions->shutdown = shutdown;
	functions->kernelfd = is_kernel_socket;
	return &host;
}

int ioth_kernel_delstack(void *stackdata)
{
	(void)stackdata;
	return 0;
}
