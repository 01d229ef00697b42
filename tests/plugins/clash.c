/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clash.c - an object that exports a variable and a function which the test program exports as well
 *
 * In the ordinary course of things the program's would be used, as they come first in the order of search.
 */
#include "tangle.h"

TANGLE_EXPORT extern int clash_counter;
TANGLE_EXPORT int clash_step(void);
TANGLE_EXPORT int clash_next(void);

int clash_counter;

int clash_step(void)
{
	return 1;
}

int clash_next(void)
{
	return clash_counter += clash_step();
}
