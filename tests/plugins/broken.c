/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* broken.c - a plugin that calls a function which is nowhere */
#include "ioth01.h"

extern int function_that_is_nowhere(void);

PLUGIN_EXPORT newstack_prototype ioth_broken_newstack;

void *ioth_broken_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions)
{
	static int result;

	(void)vnlv;
	(void)options;
	(void)functions;
	result = function_that_is_nowhere();
	return &result;
}
