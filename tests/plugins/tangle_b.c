/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tangle_b.c - the other of two libraries that need each other; see tangle.h */
#include "tangle.h"

static int counter;

int tangle_b(void)
{
	return ++counter;
}

int tangle_via_b(void)
{
	return tangle_a();
}

__attribute__((weak)) int tangle_hook(void)
{
	return 0;
}

int tangle_hook_of_b(void)
{
	return tangle_hook();
}
