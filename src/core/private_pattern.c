/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * private_pattern.c - what copies of one plugin are made from (see private.c).
 *
 * The pattern is the plugin itself, loaded in the ordinary way and serving no stack. It makes the dynamic linker say
 * which libraries the plugin needs and where they are, it proves once that the plugin can be loaded, and it stays as
 * long as a copy of it exists, so that what the copies share stays loaded as well.
 *
 * Which libraries are private? Every library that the plugin needs, directly or not, except
 *   - the C library family, the compilers' run-time libraries and the sanitizers (table FAMILY);
 *   - what is infrastructure of the whole process: libioth, libnlq, libvdeplug and libpcap (table COMMON);
 *   - libraries that ask never to be unloaded (-z nodelete), as their copies would stay for ever;
 *   - whatever these need in turn, for half of a library must not talk to one instance and half to another.
 * The rule looks at names and files only, never at what happens to be loaded, so it does not depend on the order of
 * calls.
 *
 * Threads. `lock` guards the list of patterns and their user counts, is held for a few instructions, and is the last in
 * any lock order. The dynamic linker has its own lock, and constructors run under that, so ours is never held around
 * dlopen or dlclose. Two threads that make the same pattern at once both succeed, and the second drops its own.
 */
#include "private_pattern.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct private_pattern *patterns; /* guarded by lock */

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void pattern_init(void)
{
	pthread_atfork(before_fork, after_fork, after_fork);
}

/* What all copies share, by the part of the name before ".so"; '*' stands for any rest. */
static const char *const FAMILY[] = {
        "ld-*",      "ld64",      "libc",      "libc.musl-*", "libm",      "libmvec",       "libpthread",
        "libdl",     "librt",     "libresolv", "libutil",     "libanl",    "libnsl",        "libcrypt",
        "libgcc_s",  "libatomic", "libgomp",   "libomp",      "libstdc++", "libc++",        "libc++abi",
        "libunwind", "libasan",   "libubsan",  "libtsan",     "liblsan",   "libclang_rt.*", NULL,
};
static const char *const COMMON[] = {"libioth*", "libnlq", "libvdeplug*", "libpcap", NULL};

int private_dl_fail(const char *what, size_t size)
{
	const char *text = dlerror();
	int err = -ELIBACC, fd;
	void *probe;

	private_fail(0, "%s%s", what, text ? text : "unknown error of the dynamic linker");
	fd = open("/", O_PATH | O_CLOEXEC);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
		err = -errno;
	if (fd >= 0)
		close(fd);
	probe = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (probe == MAP_FAILED)
		return -ENOMEM;
	munmap(probe, size);
	return err;
}

/** listed - is the library @name in a table of names? */
static bool listed(const char *name, const char *const table[])
{
	const char *slash = strrchr(name, '/'), *stem = slash ? slash + 1 : name;
	const char *dot = strstr(stem, ".so");
	size_t len = dot ? (size_t)(dot - stem) : strlen(stem);

	for (; *table; table++) {
		size_t n = strlen(*table);

		if ((*table)[n - 1] == '*' ? len >= n - 1 && strncmp(stem, *table, n - 1) == 0
		                           : len == n && strncmp(stem, *table, n) == 0)
			return true;
	}
	return false;
}

/** find_need - index into needs, or need_count */
static size_t find_need(const struct private_pattern *pat, const char *name)
{
	size_t i = 0;

	while (i < pat->need_count && strcmp(pat->needs[i].name, name) != 0)
		i++;
	return i;
}

/** add_need - note that @name means object @index */
static int add_need(struct private_pattern *pat, const char *name, size_t index)
{
	struct private_need *grown;
	char *dup;

	if (find_need(pat, name) < pat->need_count)
		return 0;
	dup = strdup(name);
	grown = reallocarray(pat->needs, pat->need_count + 1, sizeof(*grown));
	if (grown)
		pat->needs = grown;
	if (!dup || !grown) {
		free(dup);
		return private_fail(-ENOMEM, "%s", strerror(ENOMEM));
	}
	grown[pat->need_count++] = (struct private_need){.name = dup, .object = index};
	return 0;
}

/** add_object - read @path as one more object of the pattern, known by its soname too */
static int add_object(struct private_pattern *pat, const char *path)
{
	struct private_object *grown = reallocarray(pat->objects, pat->object_count + 1, sizeof(*grown));
	int err;

	if (!grown)
		return private_fail(-ENOMEM, "%s", strerror(ENOMEM));
	pat->objects = grown;
	err = private_object_read(path, &grown[pat->object_count]);
	if (err < 0)
		return err;
	pat->object_count++;
	if (grown[pat->object_count - 1].elf.soname)
		err = add_need(pat, grown[pat->object_count - 1].elf.soname, pat->object_count - 1);
	return err;
}

/** find_library - the object that the dynamic linker has loaded for @name becomes one of the pattern's */
static int find_library(struct private_pattern *pat, const char *name)
{
	void *handle = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
	struct link_map *map = NULL;
	char *path = NULL;
	size_t index = 0;
	int err = 0;

	if (handle && dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0)
		path = strdup(map->l_name);
	if (handle)
		dlclose(handle);
	if (!path && map)
		return private_fail(-ENOMEM, "%s", strerror(ENOMEM));
	if (!path)
		return private_fail(-ELIBACC, "%s needs %s, which cannot be found again", pat->objects[0].path, name);
	while (index < pat->object_count && strcmp(pat->objects[index].path, path) != 0)
		index++;
	if (index == pat->object_count)
		err = add_object(pat, path);
	free(path);
	if (err == 0)
		err = add_need(pat, name, index);
	if (err == 0 && (listed(name, COMMON) || (index > 0 && pat->objects[index].elf.nodelete)))
		pat->objects[index].shared = true;
	return err;
}

/** find_libraries - all that the plugin needs, directly or not, with the decision which of it is shared */
static int find_libraries(struct private_pattern *pat)
{
	bool changed = true;

	for (size_t i = 0; i < pat->object_count; i++) {
		const char *name;

		for (size_t j = 0; (name = elfcopy_needed(&pat->objects[i].elf, j)); j++) {
			int err = listed(name, FAMILY) ? 0 : find_library(pat, name);

			if (err < 0)
				return err;
		}
	}
	while (changed) {
		changed = false;
		for (size_t i = 0; i < pat->object_count; i++) {
			const char *name;

			for (size_t j = 0; pat->objects[i].shared && (name = elfcopy_needed(&pat->objects[i].elf, j));
			     j++) {
				size_t need = find_need(pat, name);
				struct private_object *obj =
				        &pat->objects[need < pat->need_count ? pat->needs[need].object : 0];

				/* The plugin itself, needed by a shared library, stays what it is. */
				if (obj == pat->objects || obj->shared)
					continue;
				obj->shared = true;
				changed = true;
			}
		}
	}
	return 0;
}

/** check_filters - objects that stand for others as well cannot be copied, and glibc ends the process over them in
 * namespaces */
static int check_filters(const struct private_pattern *pat)
{
	for (size_t i = 0; i < pat->object_count; i++)
		if (pat->objects[i].elf.filter && !pat->objects[i].shared)
			return private_fail(-ENOTSUP, "%s: a filter library, of which there can be no private copy",
			                    pat->objects[i].path);
	return 0;
}

/** find_conflict - does the program export a symbol that the set defines, and would the set's references go there? */
static bool find_conflict(const struct private_pattern *pat)
{
	static const char *const linkers[] = {"_init", "_fini", "_edata", "__bss_start", "_end"};

	for (size_t i = 0; i < pat->object_count; i++) {
		const char *name;
		size_t index = 0;

		while (!pat->objects[i].shared && (name = elfcopy_symbol(&pat->objects[i].elf, &index))) {
			bool skip = false;

			/* Old link editors export these everywhere, and nothing refers to them by name. */
			for (size_t j = 0; j < sizeof(linkers) / sizeof(*linkers); j++)
				skip |= strcmp(name, linkers[j]) == 0;
			if (!skip && dlsym(RTLD_DEFAULT, name))
				return true;
		}
	}
	return false;
}

static void pattern_drop(struct private_pattern *pat)
{
	if (pat->handle)
		dlclose(pat->handle);
	for (size_t i = 0; i < pat->object_count; i++)
		private_object_drop(&pat->objects[i]);
	for (size_t i = 0; i < pat->need_count; i++)
		free(pat->needs[i].name);
	free(pat->objects);
	free(pat->needs);
	free(pat);
}

/** pattern_make - read the plugin, load it once, find its libraries */
static int pattern_make(const char *path, struct private_pattern **out)
{
	struct private_pattern *pat = calloc(1, sizeof(*pat));
	int err;

	if (!pat)
		return private_fail(-ENOMEM, "%s", strerror(ENOMEM));
	pat->users = 1;
	err = add_object(pat, path);
	if (err == 0) {
		pat->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		if (!pat->handle)
			err = private_dl_fail("", (size_t)pat->objects[0].elf.mem_end);
	}
	if (err == 0)
		err = find_libraries(pat);
	if (err == 0)
		err = check_filters(pat);
	if (err == 0) {
		pat->deepbind = find_conflict(pat);
		*out = pat;
		return 0;
	}
	pattern_drop(pat);
	return err;
}

/** pattern_find - the pattern of @path with one more user, or NULL; under the lock */
static struct private_pattern *pattern_find(const char *path)
{
	for (struct private_pattern *pat = patterns; pat; pat = pat->next) {
		if (strcmp(pat->objects[0].path, path) == 0) {
			pat->users++;
			return pat;
		}
	}
	return NULL;
}

/** private_pattern_get - the pattern of @path, made when it is not there */
int private_pattern_get(const char *path, struct private_pattern **out)
{
	struct private_pattern *made = NULL, *found;
	int err;

	pthread_mutex_lock(&lock);
	*out = pattern_find(path);
	pthread_mutex_unlock(&lock);
	if (*out)
		return 0;
	err = pattern_make(path, &made);
	if (err < 0)
		return err;
	pthread_mutex_lock(&lock);
	found = pattern_find(path);
	if (!found) {
		made->next = patterns;
		patterns = made;
	}
	pthread_mutex_unlock(&lock);
	if (found)
		pattern_drop(made);
	*out = found ? found : made;
	return 0;
}

void private_pattern_put(struct private_pattern *pat)
{
	struct private_pattern **link = &patterns;
	bool last;

	pthread_mutex_lock(&lock);
	last = --pat->users == 0;
	if (last) {
		while (*link != pat)
			link = &(*link)->next;
		*link = pat->next;
	}
	pthread_mutex_unlock(&lock);
	if (last)
		pattern_drop(pat);
}
