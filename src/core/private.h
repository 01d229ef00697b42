/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * private.h - private copies of shared objects.
 *
 * A plugin that keeps its state in global variables serves one stack. libioth opens a private copy of it for each
 * stack: code, variables and the libraries that carry the engine's state are the copy's own, the C library is
 * shared with the process. How, and within which limits, is told at the top of private.c.
 *
 * All functions may be called by any number of threads at once. None holds a lock while code of the object runs, so
 * its constructors and destructors may call libioth.
 */
#ifndef IOTH_PRIVATE_H
#define IOTH_PRIVATE_H

struct private_copy;

/**
 * ioth__private_open - open one more private copy of a shared object
 * @path: the file, with at least one '/'
 * @out: the copy
 *
 * Returns 0 or a negative errno, with one line for a person in ioth__private_error: what open(2) says of the file;
 * -ENOEXEC it is not a shared object of this machine; -ELIBBAD it is damaged; -ELIBACC the dynamic linker cannot load
 * it (a library or a symbol is missing); -ENOTSUP there can be no copy of it; -EINVAL no '/' in @path; -ENOMEM,
 * -EMFILE, -ENFILE.
 */
int ioth__private_open(const char *path, struct private_copy **out);

/** ioth__private_sym - address of a symbol of the copy or of the libraries it needs; NULL when there is none */
void *ioth__private_sym(struct private_copy *copy, const char *name);

/**
 * ioth__private_errno - where the copy's own C library keeps errno for the calling thread
 *
 * Returns NULL when the copy shares the C library, and so errno, with the process.
 */
int *ioth__private_errno(struct private_copy *copy);

/** ioth__private_close - unload the copy; no thread may be in its code, no pointer into it is valid afterwards */
void ioth__private_close(struct private_copy *copy);

/** ioth__private_error - why the last call in this thread failed, one line without a final newline, never NULL */
const char *ioth__private_error(void);

#endif
