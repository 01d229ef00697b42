/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * deepbind.c - lets libvdeplug load its modules in a program that is built with a sanitizer.
 *
 * libvdeplug asks dlopen(3) for RTLD_DEEPBIND, which the run-time of a sanitizer answers by ending the process, since a
 * library bound so would call a malloc that the run-time does not know. This dlopen stands before the real one in a test
 * program and takes the flag away. Linked in sanitizer builds only.
 */
#include <dlfcn.h>
#include <string.h>

__attribute__((visibility("default"))) void *dlopen(const char *file, int mode)
{
	static void *(*next)(const char *, int);

	if (!next) {
		void *found = dlsym(RTLD_NEXT, "dlopen");

		memcpy(&next, &found, sizeof(next));
	}
	return next(file, mode & ~RTLD_DEEPBIND);
}
