/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tangle.h - an object with everything that makes private copies hard, for the tests of the loader alone.
 *
 * ioth_tangle.so needs libtangle_a.so and libtangle_b.so, and these need each other. Each function counts its calls in
 * a variable of another kind and returns the count: in a private copy it starts at 1.
 */
#ifndef TANGLE_H
#define TANGLE_H

#define TANGLE_EXPORT __attribute__((visibility("default")))

TANGLE_EXPORT int tangle_static(void);      /* a static variable */
TANGLE_EXPORT int tangle_exported(void);    /* an exported one, reached through the GOT */
TANGLE_EXPORT int tangle_pointed(void);     /* a static one, through a pointer that is relocated */
TANGLE_EXPORT int tangle_thread(void);      /* a thread-local one */
TANGLE_EXPORT int tangle_constructed(void); /* no counting: how often the constructor has run */
TANGLE_EXPORT int tangle_a(void);           /* in libtangle_a, called by libtangle_b */
TANGLE_EXPORT int tangle_b(void);           /* in libtangle_b, called by libtangle_a */
TANGLE_EXPORT int tangle_via_a(void);       /* libtangle_a calls tangle_b */
TANGLE_EXPORT int tangle_via_b(void);       /* libtangle_b calls tangle_a */

TANGLE_EXPORT void tangle_fail(int number); /* sets errno */

/* libtangle_b has a weak one that returns 0; the plugin's takes its place and returns 1, in a copy as anywhere. */
TANGLE_EXPORT int tangle_hook(void);
TANGLE_EXPORT int tangle_hook_of_b(void);

/* Tables that fill pages: the same in each copy, never written. */
TANGLE_EXPORT extern const unsigned int tangle_table[32768];

#endif
