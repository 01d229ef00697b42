/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * file.c - /etc/resolv.conf and /etc/hosts are those of the stack, for whoever opens them by these names.
 */
#include "shim.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

/** instead_of - the file to be opened in place of @path, which may be @path itself */
static const char *instead_of(const char *path, char buf[PATH_MAX])
{
	const char *name = NULL, *dir = shim_dir();

	if (path == NULL || dir == NULL || strncmp(path, "/etc/", 5) != 0)
		return path;
	if (strcmp(path, "/etc/resolv.conf") == 0)
		name = "resolv.conf";
	else if (strcmp(path, "/etc/hosts") == 0)
		name = "hosts";
	if (name == NULL)
		return path;
	snprintf(buf, PATH_MAX, "%s/%s", dir, name);
	return access(buf, F_OK) == 0 ? buf : path;
}

#define MODE_OF(flags)                                                                                                 \
	mode_t mode = 0;                                                                                               \
	char buf[PATH_MAX];                                                                                            \
                                                                                                                       \
	if ((flags)&O_CREAT || ((flags)&O_TMPFILE) == O_TMPFILE) {                                                     \
		va_list args;                                                                                          \
                                                                                                                       \
		va_start(args, flags);                                                                                 \
		mode = va_arg(args, mode_t);                                                                           \
		va_end(args);                                                                                          \
	}

EXPORT int open(const char *path, int flags, ...)
{
	MODE_OF(flags)
	return shim_next()->open(instead_of(path, buf), flags, mode);
}

EXPORT int open64(const char *path, int flags, ...)
{
	MODE_OF(flags)
	return shim_next()->open64(instead_of(path, buf), flags, mode);
}

EXPORT int openat(int dir, const char *path, int flags, ...)
{
	MODE_OF(flags)
	return shim_next()->openat(dir, instead_of(path, buf), flags, mode);
}

EXPORT int openat64(int dir, const char *path, int flags, ...)
{
	MODE_OF(flags)
	return shim_next()->openat64(dir, instead_of(path, buf), flags, mode);
}

EXPORT FILE *fopen(const char *path, const char *mode)
{
	char buf[PATH_MAX];

	return shim_next()->fopen(instead_of(path, buf), mode);
}

EXPORT FILE *fopen64(const char *path, const char *mode)
{
	char buf[PATH_MAX];

	return shim_next()->fopen64(instead_of(path, buf), mode);
}
