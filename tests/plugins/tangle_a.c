/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tangle_a.c - one of two libraries that need each other; see tangle.h */
#include "tangle.h"

static int counter;

int tangle_a(void)
{
	return ++counter;
}

int tangle_via_a(void)
{
	return tangle_b();
}
