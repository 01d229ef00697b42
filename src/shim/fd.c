/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fd.c - descriptors: closing, copying, fcntl, ioctl.
 *
 * Copies are the kernel's business; here it is only forgotten what their numbers meant. In a child of vfork, which
 * shares our memory and is about to execute something, a socket is closed without more ado.
 */
#include "shim.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

EXPORT int close(int fd)
{
	bool ours = shim_is(fd) && shim_own_process();

	shim_forget(fd);
	return ours ? (int)shim_result(remote_close(shim_remote(), fd)) : shim_next()->close(fd);
}

EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	shim_forget_range(first, last);
	return shim_next()->close_range(first, last, flags);
}

EXPORT void closefrom(int first)
{
	shim_forget_range(first < 0 ? 0 : (unsigned int)first, ~0U);
	shim_next()->closefrom(first);
}

EXPORT int fclose(FILE *file)
{
	if (file != NULL)
		shim_forget(fileno(file));
	return shim_next()->fclose(file);
}

EXPORT int dup(int fd)
{
	int copy = shim_next()->dup(fd);

	shim_forget(copy);
	return copy;
}

EXPORT int dup2(int fd, int to)
{
	int copy = shim_next()->dup2(fd, to);

	shim_forget(copy);
	return copy;
}

EXPORT int dup3(int fd, int to, int flags)
{
	int copy = shim_next()->dup3(fd, to, flags);

	shim_forget(copy);
	return copy;
}

EXPORT int fcntl64(int fd, int cmd, ...)
{
	va_list args;
	void *arg;
	int result;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	result = shim_next()->fcntl64(fd, cmd, arg);
	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
		shim_forget(result);
	return result;
}

EXPORT int fcntl(int fd, int cmd, ...)
{
	va_list args;
	void *arg;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	return fcntl64(fd, cmd, arg);
}

/** of_descriptor - is the request about the descriptor or its open file, whatever that is? */
static bool of_descriptor(unsigned long request)
{
	return request == FIONBIO || request == FIOCLEX || request == FIONCLEX || request == FIOASYNC ||
	       request == FIOSETOWN || request == FIOGETOWN;
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (of_descriptor(request) || !shim_is(fd))
		return shim_next()->ioctl(fd, request, arg);
	return (int)shim_result(remote_ioctl(shim_remote(), fd, request, arg));
}
