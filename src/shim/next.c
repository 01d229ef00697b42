/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * next.c - the functions that are interposed, as the C library has them.
 *
 * They may be called before any constructor has run. Two threads that look for them at once find the same.
 */
#include "shim.h"

#include <dlfcn.h>
#include <stdatomic.h>

static struct shim_next table;
static atomic_bool ready;

const struct shim_next *shim_next(void)
{
	if (!atomic_load_explicit(&ready, memory_order_acquire)) {
		int error = errno;

#define SHIM_FIND(type, name, params) *(void **)&table.name = dlsym(RTLD_NEXT, #name);
		SHIM_FUNCTIONS(SHIM_FIND)
#undef SHIM_FIND
		atomic_store_explicit(&ready, true, memory_order_release);
		errno = error;
	}
	return &table;
}
