/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * private.c - private copies of shared objects.
 *
 * Theory of operation
 *
 * The dynamic linker loads a file once, however often it is opened. To load it again it must be shown another file, or
 * be told to start anew in another linker namespace. Both ways are here.
 *
 * Copies of the file come first. The first copy of a plugin loads the plugin itself as the *pattern*, in the ordinary
 * way (private_pattern.c, which also says which libraries are private and which are shared). A copy is then a *set* of
 * new files (private_object.c), one for the plugin and one for each of its private libraries, which ask for each other
 * by the new files' names (elfcopy.c). One dlopen loads the set, so scopes, cycles and the order of constructors are
 * those of an ordinary plugin. The files are gone when dlopen returns. Pages that no one writes are then mapped from
 * the pattern's bytes and punched out of the copy's file, so that the code of a thousand copies is in memory once.
 *
 * Symbols. A copy is opened RTLD_LOCAL: its references find the global scope (the program and its libraries) first,
 * then the set itself, and never a sibling. The trap is a program that exports a symbol which the set defines too, for
 * example because it links the same engine. That is looked for when the pattern is made; in that case the set is opened
 * with RTLD_DEEPBIND, which looks at the set first, and the C library is then found before an allocator that the
 * program brings along. Sanitizer run-times forbid RTLD_DEEPBIND; there such a plugin goes the second way.
 *
 * The second way is a linker namespace (dlmopen): everything is private, the C library included. It is used when a
 * copy cannot be made (no place for files, a sanitizer, see above), and first of all when IOTH_PRIVATE=namespace
 * is in the environment. It is the second choice for reasons that were measured with glibc 2.36: the 12th fails for
 * lack of static TLS and closing does not always give it back; pthread_key_create hands out the same keys in each
 * namespace while their values are kept in the thread that all share, so that plugin and program overwrite each other's
 * thread-specific data; fork does not hold the locks of the other C library's allocator; its stdio is not flushed at
 * exit. errno of such a copy is in another place than the program's: ioth__private_errno.
 *
 * Limits. A plugin that calls dlopen itself gets the process's instance of what it opens, in a copy. Thread-local
 * variables work; those of the initial-exec model come from a small reserve that the dynamic linker keeps, and when
 * it is used up the next copy fails with a clear text. C++ works, and inline and template statics (STB_GNU_UNIQUE)
 * are private too; only the pattern of such a plugin stays loaded for ever. A thread-local destructor that has not
 * run keeps its object loaded after close. After fork the child has the copies as they were and may use them. It may
 * open and close copies only if no other thread was loading or unloading anything at the moment of the fork, since
 * glibc leaves its loader's lock taken in the child. A plugin whose file is replaced keeps being copied from the
 * bytes first read until its last copy is closed. Constructors of plugin and private libraries run once more than
 * there are copies, for the pattern.
 *
 * Threads. Nothing here is shared between threads; the list of patterns has its own lock, which is never held around
 * dlopen or dlclose, since constructors run under the dynamic linker's.
 */
#include "private.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "private_pattern.h"

struct private_copy {
	void *handle;
	struct private_pattern *pattern; /* NULL: in a linker namespace */
	int *(*errno_location)(void);    /* of the copy's own C library, NULL when there is none */
};

/** struct set - the files of a copy while it is opened; files of shared objects are not made */
struct set {
	const struct private_pattern *pat;
	struct private_file *files; /* as many as objects */
	struct elf_rename *rename;  /* as many as needs at most */
	size_t rename_count;
};

static void set_drop(struct set *set)
{
	for (size_t i = 0; set->files && i < set->pat->object_count; i++)
		private_file_drop(&set->files[i]);
	free(set->files);
	free(set->rename);
}

/** set_name - make the files, all of them before the first is written, since each may name any other */
static int set_name(struct set *set)
{
	const struct private_pattern *pat = set->pat;

	set->files = calloc(pat->object_count, sizeof(*set->files));
	set->rename = calloc(pat->need_count + 1, sizeof(*set->rename));
	if (!set->files || !set->rename) {
		free(set->files);
		set->files = NULL;
		return private_fail(-ENOMEM, "%s", strerror(ENOMEM));
	}
	for (size_t i = 0; i < pat->object_count; i++)
		set->files[i].fd = -1;
	for (size_t i = 0; i < pat->object_count; i++) {
		int err = pat->objects[i].shared ? 0 : private_file_make(pat->objects[i].path, &set->files[i]);

		if (err < 0)
			return err;
	}
	for (size_t i = 0; i < pat->need_count; i++) {
		size_t object = pat->needs[i].object;

		if (!pat->objects[object].shared)
			set->rename[set->rename_count++] =
			        (struct elf_rename){.from = pat->needs[i].name, .to = set->files[object].path};
	}
	return 0;
}

/** set_write - write the variant of object @index into its file */
static int set_write(struct set *set, size_t index)
{
	const struct private_object *obj = &set->pat->objects[index];
	struct private_file *file = &set->files[index];
	char origin[PATH_MAX];
	struct elf_names names = {
	        .self = file->path, .origin = origin, .rename = set->rename, .rename_count = set->rename_count};

	snprintf(origin, sizeof(origin), "%.*s", (int)(strrchr(obj->path, '/') - obj->path), obj->path);
	file->size = elfcopy_size(&obj->elf, &names);
	if (file->size == 0)
		return private_fail(-ENOTSUP, "%s: too large to be copied", obj->path);
	file->bytes = malloc(file->size);
	if (!file->bytes)
		return private_fail(-ENOMEM, "%s", strerror(ENOMEM));
	elfcopy_write(&obj->elf, &names, file->bytes);
	return private_file_write(file->fd, file->bytes, file->size);
}

/** share - dl_iterate_phdr callback: give up memory that is equal to the pattern's; a failure only costs memory */
static int share(struct dl_phdr_info *info, size_t size, void *arg)
{
	const struct set *set = arg;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	(void)size;
	for (size_t i = 0; i < set->pat->object_count; i++) {
		const struct private_object *obj = &set->pat->objects[i];
		const struct private_file *file = &set->files[i];
		struct elf_range run = {0};
		uint64_t vaddr;
		int prot;

		if (obj->shared || strcmp(info->dlpi_name, file->path) != 0)
			continue;
		while (elfcopy_shareable(&obj->elf, file->bytes, page, run.off + run.len, &run, &vaddr, &prot)) {
			void *addr = (void *)(uintptr_t)(info->dlpi_addr + vaddr);

			if (mmap(addr, run.len, prot, MAP_PRIVATE | MAP_FIXED, obj->fd, (off_t)run.off) != MAP_FAILED)
				fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)run.off,
				          (off_t)run.len);
		}
	}
	return 0;
}

/** sanitized - is this process run by a sanitizer that forbids RTLD_DEEPBIND? */
static bool sanitized(void)
{
	return dlsym(RTLD_DEFAULT, "__asan_init") || dlsym(RTLD_DEFAULT, "__tsan_init") ||
	       dlsym(RTLD_DEFAULT, "__msan_init") || dlsym(RTLD_DEFAULT, "__hwasan_init");
}

/** open_copy - open one more instance of a pattern, from files of its own */
static int open_copy(const struct private_pattern *pat, struct private_copy *copy)
{
	struct set set = {.pat = pat};
	int err;

	if (pat->deepbind && sanitized())
		return private_fail(
		        -ENOTSUP, "%s: a symbol of it is the program's too, and a sanitizer forbids to keep them apart",
		        pat->objects[0].path);
	err = set_name(&set);
	for (size_t i = 0; err == 0 && i < pat->object_count; i++)
		err = pat->objects[i].shared ? 0 : set_write(&set, i);
	if (err == 0) {
		copy->handle = dlopen(set.files[0].path, RTLD_LAZY | RTLD_LOCAL | (pat->deepbind ? RTLD_DEEPBIND : 0));
		if (copy->handle)
			dl_iterate_phdr(share, &set);
		else
			err = private_dl_fail("private copy: ", set.files[0].size);
	}
	set_drop(&set);
	return err;
}

/** open_namespace - open the object in a linker namespace of its own */
static int open_namespace(const char *path, struct private_copy *copy)
{
	void *symbol;

	copy->handle = dlmopen(LM_ID_NEWLM, path, RTLD_NOW | RTLD_LOCAL);
	if (!copy->handle)
		return private_dl_fail("in a linker namespace: ", 1);
	symbol = dlsym(copy->handle, "__errno_location");
	if (symbol)
		memcpy(&copy->errno_location, &symbol, sizeof(symbol));
	return 0;
}

/** open_either - a copy of the file, or else a linker namespace; the other way round when the environment asks for it
 */
static int open_either(const char *path, struct private_copy *copy)
{
	const char *wish = secure_getenv("IOTH_PRIVATE");
	bool first = wish && strcmp(wish, "namespace") == 0, filter;
	char why[PRIVATE_ERROR];
	struct private_object obj;
	int err;

	if (first) {
		/* The dynamic linker would not survive some of the files that private_object_read refuses. */
		err = private_object_read(path, &obj);
		if (err < 0)
			return err;
		filter = obj.elf.filter;
		private_object_drop(&obj);
		if (!filter && open_namespace(path, copy) == 0)
			return 0;
	}
	err = private_pattern_get(path, &copy->pattern);
	if (err < 0)
		return err;
	err = open_copy(copy->pattern, copy);
	if (err == 0)
		return 0;
	private_pattern_put(copy->pattern);
	copy->pattern = NULL;
	if (first || err == -EMFILE || err == -ENFILE || err == -ENOMEM)
		return err;
	memccpy(why, ioth__private_error(), 0, sizeof(why));
	if (open_namespace(path, copy) == 0)
		return 0;
	return private_fail(err, "%.380s; %.120s", why, strdupa(ioth__private_error()));
}

int ioth__private_open(const char *path, struct private_copy **out)
{
	char *cwd = NULL, *full = NULL;
	struct private_copy *copy;
	int err;

	if (!strchr(path, '/'))
		return private_fail(-EINVAL, "%s: not a path", path);
	copy = calloc(1, sizeof(*copy));
	if (path[0] != '/')
		cwd = getcwd(NULL, 0);
	if (asprintf(&full, "%s%s%s", cwd ? cwd : "", cwd ? "/" : "", path) < 0)
		full = NULL;
	free(cwd);
	if (!copy || !full)
		err = private_fail(-ENOMEM, "%s", strerror(ENOMEM));
	else if (full[0] != '/')
		err = private_fail(-ENOENT, "%s: the working directory is gone", path);
	else
		err = open_either(full, copy);
	free(full);
	if (err == 0)
		*out = copy;
	else
		free(copy);
	return err;
}

void *ioth__private_sym(struct private_copy *copy, const char *name)
{
	return dlsym(copy->handle, name);
}

int *ioth__private_errno(struct private_copy *copy)
{
	return copy->errno_location ? copy->errno_location() : NULL;
}

void ioth__private_close(struct private_copy *copy)
{
	dlclose(copy->handle);
	if (copy->pattern)
		private_pattern_put(copy->pattern);
	free(copy);
}
