/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plt.h - point calls inside a loaded shared object at functions of ours.
 */
#ifndef IOTH_LWIP_PLT_H
#define IOTH_LWIP_PLT_H

#include <stdbool.h>
#include <stddef.h>

/** plt_function - any function; cast from and to its real type */
typedef void (*plt_function)(void);

/** struct plt_slot - a call to be redirected */
struct plt_slot {
	const char *name; /* of the function that the object calls */
	plt_function replacement;
	bool required; /* the object is of no use when it has no such slot */
};

/**
 * plt_replace - redirect the calls that a loaded object makes
 * @inside: an address inside the object: one of its functions or variables
 * @slots: sorted by name
 * @missing: gets the name of a required slot that the object has not; may be NULL
 *
 * Only this object changes, and only its calls through its linkage table and its global offset table. Returns 0; -ENOENT
 * a required slot is missing, in which case nothing has been changed; -EINVAL no object is at that address; -ENOTSUP on
 * machines whose relocations are not known here; what mprotect(2) says.
 */
int plt_replace(const void *inside, const struct plt_slot *slots, size_t count, const char **missing);

#endif
