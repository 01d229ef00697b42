/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nomem.h - a program whose memory fails when the test says so.
 *
 * What is linked with nomem_wraps asks nomem.c for malloc, calloc, realloc, reallocarray, strdup and free: the files of the
 * program and of static libraries, not shared ones. Not for tests with threads that run at the same time.
 */
#ifndef TESTS_NOMEM_H
#define TESTS_NOMEM_H

#include <stdbool.h>

/** nomem_now - asked at each allocation: is it to fail? NULL: none does */
extern bool (*nomem_now)(void);

/** nomem_allocated - pieces of memory that have been allocated and not freed, counted from what the test sets it to */
extern long nomem_allocated;

#endif
