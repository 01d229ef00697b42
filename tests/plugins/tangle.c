/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tangle.c - an object with everything that makes private copies hard; see tangle.h */
#include <errno.h>

#include "tangle.h"

TANGLE_EXPORT extern int tangle_counter;

int tangle_counter;

static int counter, pointed, constructed;
static int *const volatile pointer = &pointed;
static _Thread_local int thread_counter;

const unsigned int tangle_table[32768] = {1, 2, 3, [32767] = 4};

__attribute__((constructor)) static void construct(void)
{
	constructed++;
}

int tangle_static(void)
{
	return ++counter;
}

int tangle_exported(void)
{
	return ++tangle_counter;
}

int tangle_pointed(void)
{
	return ++*pointer;
}

int tangle_thread(void)
{
	return ++thread_counter;
}

int tangle_constructed(void)
{
	return constructed;
}

void tangle_fail(int number)
{
	errno = number;
}

int tangle_hook(void)
{
	return 1;
}

/* References that keep both libraries among the needed ones. */
TANGLE_EXPORT int tangle_both(void);
int tangle_both(void)
{
	return tangle_a() + tangle_b();
}
