/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hooked.c - an object whose constructor and destructor call the program that loads it */
#include "tangle.h"

__attribute__((weak)) extern void loader_constructed(void);
__attribute__((weak)) extern void loader_destroyed(void);

TANGLE_EXPORT int hooked_next(void);

static int counter;

__attribute__((constructor)) static void construct(void)
{
	if (loader_constructed)
		loader_constructed();
}

__attribute__((destructor)) static void destroy(void)
{
	if (loader_destroyed)
		loader_destroyed();
}

int hooked_next(void)
{
	return ++counter;
}
