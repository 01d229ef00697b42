/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * unique.c - an object with a unique symbol, as C++ makes of inline and template variables
 *
 * The dynamic linker makes all objects share it that have it, and never unloads one that has.
 */
#include "tangle.h"

TANGLE_EXPORT extern int unique_counter;
TANGLE_EXPORT int unique_next(void);

/* C has no word for it. */
__asm__(".bss\n"
        ".balign 4\n"
        ".type unique_counter, %gnu_unique_object\n"
        ".size unique_counter, 4\n"
        "unique_counter: .zero 4\n"
        ".text");

int unique_next(void)
{
	return ++unique_counter;
}
