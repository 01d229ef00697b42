/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* halfway.c - a plugin whose newstack gets some way, finds the disk full, gives back what it has and fails */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "ioth01.h"

PLUGIN_EXPORT newstack_prototype ioth_halfway_newstack;
PLUGIN_EXPORT delstack_prototype ioth_halfway_delstack;

void *ioth_halfway_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions)
{
	void *memory = malloc(100000);
	int files[2];

	(void)vnlv;
	(void)options;
	(void)functions;
	if (memory && pipe(files) == 0) {
		close(files[0]);
		close(files[1]);
	}
	free(memory);
	errno = ENOSPC;
	return NULL;
}

/* Must not be called: there is no stack. */
int ioth_halfway_delstack(void *stackdata)
{
	(void)stackdata;
	abort();
}
