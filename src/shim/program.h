/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* program.h - can a program be run with a preload library? */
#ifndef SHIM_PROGRAM_H
#define SHIM_PROGRAM_H

#include <stddef.h>

/**
 * program_refusal - why the executable file at @path cannot be
 *
 * Returns NULL when it can, or when it is no program at all and executing it will tell. Otherwise the end of a
 * sentence: "is statically linked". A script is judged by its interpreter. Async-signal-safe.
 */
const char *program_refusal(const char *path);

/**
 * program_find - the file that execvp(3) would execute
 * @path: the value of PATH; NULL: the C library's default
 * @out: gets it; @name itself when there is none
 */
void program_find(const char *name, const char *path, char *out, size_t size);

#endif
