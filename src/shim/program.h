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
 * program_linker - the dynamic linker that has to be executed instead of the program at @path
 *
 * A file with capabilities (ping) is executed securely, for which the dynamic linker leaves the library out, although
 * no_new_privs keeps the capabilities from us. Executed by way of the dynamic linker it is a program like any other.
 * Returns 1 and the path of that in @out, or 0. Async-signal-safe.
 */
int program_linker(const char *path, char *out, size_t size);

#define PROGRAM_LINKER_ARGS 3 /* that program_by_linker adds */

/** program_by_linker - the arguments for executing @path, with its own @argv, by way of @linker; @out has room for them
 */
void program_by_linker(const char *linker, const char *path, char *const argv[], char *out[]);

/**
 * program_find - the file that execvp(3) would execute
 * @path: the value of PATH; NULL: the C library's default
 * @out: gets it; @name itself when there is none
 */
void program_find(const char *name, const char *path, char *out, size_t size);

#endif
