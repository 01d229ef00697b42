/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * unique.c - an object with a unique symbol, as C++ makes of inline and template variables
 *
 * The dynamic linker makes all objects share it that have it, and never unloads one that has.
 */
#include "tangle.h"

TANGLE_EXPORT extern int unique_counter;
TANGLE_EXPORT int unique_next(void);

int unique_counter;
__asm__(".type unique_counter, %gnu_unique_object");

int unique_next(void)
{
	return ++unique_counter;
}
