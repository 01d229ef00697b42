/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* where.c - a plugin that tells which of its files was loaded: its newstack fails with errno WHERE */
#include <errno.h>
#include <stddef.h>

#include "ioth01.h"

PLUGIN_EXPORT newstack_prototype ioth_where_newstack;

void *ioth_where_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions)
{
	(void)vnlv;
	(void)options;
	(void)functions;
	errno = WHERE;
	return NULL;
}
