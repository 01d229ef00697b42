/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * private_pattern.h - what copies of one plugin are made from (see private.c).
 */
#ifndef IOTH_PRIVATE_PATTERN_H
#define IOTH_PRIVATE_PATTERN_H

#include "private_object.h"

/** struct private_need - a name by which an object is needed */
struct private_need {
	char *name;
	size_t object; /* index */
};

/** struct private_pattern - a plugin and its libraries, loaded once; constant while someone uses it, but for the count
 */
struct private_pattern {
	struct private_pattern *next;
	unsigned int users; /* copies, and opens in progress */
	void *handle;
	struct private_object *objects; /* the plugin first */
	size_t object_count;
	struct private_need *needs;
	size_t need_count;
	bool deepbind; /* the program exports a symbol that the set defines too */
};

/** private_pattern_get - the pattern of the plugin at the absolute @path, made when it is not there; 0 or a negative
 * errno */
int private_pattern_get(const char *path, struct private_pattern **out);

/** private_pattern_put - give it back; the last user unloads it */
void private_pattern_put(struct private_pattern *pat);

/**
 * private_dl_fail - what to return after the dynamic linker failed; its text is noted
 * @what: put in front of the text
 * @size: bytes of memory that the object takes
 *
 * Returns -EMFILE, -ENFILE or -ENOMEM when the process has no descriptor or no memory left, which the dynamic linker
 * tells in its text only, and -ELIBACC otherwise.
 */
int private_dl_fail(const char *what, size_t size);

#endif
