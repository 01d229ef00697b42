/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* filter.c - an object that stands for another one as well (DT_AUXILIARY), of which there can be no private copy */
#include "tangle.h"

TANGLE_EXPORT int filter_next(void);

int filter_next(void)
{
	static int counter;

	return ++counter;
}
