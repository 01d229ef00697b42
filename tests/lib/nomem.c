/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nomem.c - malloc and its relatives, which fail and count; see nomem.h. */
#include "nomem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool (*nomem_now)(void);
long nomem_allocated;

/* Visible: the library of AddressSanitizer calls functions of these names, too. */
#pragma GCC visibility push(default)
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *memory);
#pragma GCC visibility pop

/** none_left - is there no memory for this one? */
static bool none_left(void)
{
	if (!nomem_now || !nomem_now())
		return false;
	errno = ENOMEM;
	return true;
}

/** counted - what was allocated; @grown: it takes the place of something */
static void *counted(void *memory, bool grown)
{
	if (memory && !grown)
		nomem_allocated++;
	return memory;
}

void *__wrap_malloc(size_t size)
{
	return none_left() ? NULL : counted(__real_malloc(size), false);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return none_left() ? NULL : counted(__real_calloc(count, size), false);
}

void *__wrap_realloc(void *old, size_t size)
{
	bool grown = old != NULL;

	return none_left() ? NULL : counted(__real_realloc(old, size), grown);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	bool grown = old != NULL;

	return none_left() ? NULL : counted(__real_reallocarray(old, count, size), grown);
}

char *__wrap_strdup(const char *text)
{
	return none_left() ? NULL : counted(__real_strdup(text), false);
}

void __wrap_free(void *memory)
{
	if (memory)
		nomem_allocated--;
	__real_free(memory);
}
