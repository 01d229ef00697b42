/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* private_copies.h - what the tests of private copies have in common */
#ifndef PRIVATE_COPIES_H
#define PRIVATE_COPIES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "private.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/** plugin_path - where the build has put an object of tests/plugins */
static inline const char *plugin_path(const char *file)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", PLUGINS, file);
	return path;
}

/** open_plugin - a private copy of an object of tests/plugins, which must be possible */
static inline struct private_copy *open_plugin(const char *file)
{
	struct private_copy *copy = NULL;
	int err = ioth__private_open(plugin_path(file), &copy);

	if (err < 0)
		fail_msg("%s: %s (%s)", file, strerror(-err), ioth__private_error());
	assert_non_null(copy);
	return copy;
}

/** call - call a function of a copy that takes nothing and returns an int */
static inline int call(struct private_copy *copy, const char *name)
{
	void *symbol = ioth__private_sym(copy, name);
	int (*function)(void);

	if (!symbol)
		fail_msg("no symbol %s", name);
	memcpy(&function, &symbol, sizeof(function));
	return function();
}

/** mappings - lines of /proc/self/maps that name a file of @kind, all lines for "" */
static inline int mappings(const char *kind)
{
	FILE *file = fopen("/proc/self/maps", "re");
	char line[PATH_MAX + 128];
	int count = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		count += strstr(line, kind) != NULL;
	fclose(file);
	return count;
}

#endif
