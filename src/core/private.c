/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * private.c - private copies of shared objects.
 *
 * Theory of operation
 *
 * The dynamic linker loads a file once, however often it is opened. To load it again it must be shown another file, or be
 * told to start anew in another linker namespace. Both ways are here.
 *
 * Copies of the file come first. The first copy of a plugin loads the plugin itself as the *pattern*, in the ordinary
 * way. The pattern serves no stack. It makes the dynamic linker say which libraries the plugin needs and where they
 * are, it proves once that the plugin can be loaded, and it stays as long as a copy of it exists. A copy is then a set of new files,
 * one for the plugin and one for each of its private libraries, which ask for each other by the new files' names (elfcopy.c).
 * One dlopen loads the set, so scopes, cycles and the order of constructors are those of an ordinary plugin. The files
 * are memfds, or temporary files where there is no memfd or no /proc, and are gone when dlopen returns. The dynamic linker
 * takes a path it has seen for the same object, so no path is ever used twice: for memfds a serial number is written
 * into it with '/' and '/.', which change the text and not the meaning.
 * Pages that no one writes are then mapped from the pattern's bytes and punched out of the copy's file, so that the
 * code of a thousand copies is in memory once.
 *
 * Which libraries are private? Every library that the plugin needs, directly or not, except
 *   - the C library family, the compilers' run-time libraries and the sanitizers (table FAMILY below);
 *   - what is infrastructure of the whole process: libioth, libnlq, libvdeplug and libpcap (table COMMON);
 *   - libraries that ask never to be unloaded (-z nodelete), as their copies would stay for ever;
 *   - whatever these need in turn, for half of a library must not talk to one instance and half to another.
 * The rule looks at names and files only, never at what happens to be loaded, so it does not depend on the order of calls.
 *
 * Symbols. A copy is opened RTLD_LOCAL: its references find the global scope (the program and its libraries) first, then
 * the set itself, and never a sibling. The trap is a program that exports a symbol which the set defines too, for
 * example because it links the same engine. That is looked for when the pattern is made; in that case the set is opened with
 * RTLD_DEEPBIND, which looks at the set first, and the C library is then found before an allocator that the program brings along.
 * Sanitizer run-times forbid RTLD_DEEPBIND; there such a plugin goes the second way.
 *
 * The second way is a linker namespace (dlmopen): everything is private, the C library included. It is used when a
 * copy cannot be made (no place for files, a filter library, see above), and first of all when IOTH_PRIVATE=namespace is
 * in the environment. It is the second choice for reasons that were measured with glibc 2.36: the 12th fails for
 * lack of static TLS and closing does not always give it back; pthread_key_create hands out the same keys in each
 * namespace while their values are kept in the thread that all share, so that plugin and program overwrite each other's
 * thread-specific data; fork does not hold the locks of the other C library's allocator; its stdio is not flushed at
 * exit. errno of such a copy is in another place than the program's: ioth__private_errno.
 *
 * Limits. A plugin that calls dlopen itself gets the process's instance of what it opens, in a copy. Thread-local
 * variables work; those of the initial-exec model come from a small reserve that the dynamic linker keeps, and
 * when it is used up the next copy fails with a clear text. C++ works, and inline and template statics (STB_GNU_UNIQUE) are
 * private too. A thread-local destructor that has not run keeps its object loaded after close. After fork the child has
 * the copies as they were; a child forked by another thread in the middle of an open inherits no descriptor past exec. A plugin whose
 * file is replaced keeps being copied from the bytes first read until its last copy is closed. Constructors of plugin and
 * private libraries run once more than there are copies, for the pattern.
 *
 * Threads. `lock` guards the list of patterns and their user counts, is held for a few instructions, and is the last in any
 * lock order. The dynamic linker has its own lock, and constructors run under that, so ours is never held around dlopen or
 * dlclose. Two threads that make the same pattern at once both succeed, and the second drops its own.
 */
#include "private.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "elfcopy.h"

#define FILE_MAX (1L << 30) /* bytes of a shared object; more is a mistake */
#define FILE_PATH 128       /* room for the path of a copy's file */

/** struct object - one file of a pattern: the plugin or a library that it needs */
struct object {
	char *path;
	int fd;                     /* its bytes as they were read, ours alone */
	const unsigned char *bytes; /* the same, mapped */
	size_t size;
	struct elf_object elf;
	bool shared; /* known, but not to be copied */
};

/** struct need - a name by which an object is needed */
struct need {
	char *name;
	size_t object; /* index */
};

/** struct pattern - what copies of one plugin are made from; constant once it is in the list, but for the count */
struct pattern {
	struct pattern *next;
	unsigned int users; /* copies, and opens in progress */
	void *handle;
	struct object *objects; /* the plugin first */
	size_t object_count;
	struct need *needs;
	size_t need_count;
	bool deepbind;
};

struct private_copy {
	void *handle;
	struct pattern *pattern;       /* NULL: in a linker namespace */
	int *(*errno_location)(void);  /* of the copy's own C library, NULL when there is none */
};

/** struct file - a file of a copy, while the copy is opened */
struct file {
	int fd;
	bool linked; /* has a name in a directory */
	char path[FILE_PATH];
	unsigned char *bytes; /* what is in it */
	size_t size;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pattern *patterns; /* guarded by lock */
static _Atomic unsigned long serial;
static _Thread_local char error_text[512];

/* What all copies share, by the part of the name before ".so"; '*' stands for any rest. */
static const char *const FAMILY[] = {
	"ld-*", "ld64", "libc", "libc.musl-*", "libm", "libmvec", "libpthread", "libdl", "librt", "libresolv",
	"libutil", "libanl", "libnsl", "libcrypt", "libgcc_s", "libatomic", "libgomp", "libomp", "libstdc++", "libc++",
	"libc++abi", "libunwind", "libasan", "libubsan", "libtsan", "liblsan", "libclang_rt.*", NULL,
};
static const char *const COMMON[] = {"libioth*", "libnlq", "libvdeplug*", "libpcap", NULL};

/** fail - note why; returns @err */
static int fail(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int fail(int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error_text, sizeof(error_text), format, args);
	va_end(args);
	return err;
}

const char *ioth__private_error(void)
{
	return error_text;
}

static const char *dl_text(void)
{
	const char *text = dlerror();

	return text ? text : "unknown error of the dynamic linker";
}

/* ------------------------------------------------------------------------------------------------- files */

/** memfd_path - a path that opens @fd and that was never used before */
static void memfd_path(int fd, char path[FILE_PATH])
{
	int len = snprintf(path, FILE_PATH, "/proc/self/fd");

	for (unsigned long n = atomic_fetch_add(&serial, 1) + 1; n > 0; n >>= 1)
		len += snprintf(path + len, (size_t)(FILE_PATH - len), n & 1 ? "/." : "/");
	if (len + 12 < FILE_PATH)
		snprintf(path + len, (size_t)(FILE_PATH - len), "/%d", fd);
}

/** temporary - a file in some directory that allows execution; -errno of the last one tried */
static int temporary(char path[FILE_PATH])
{
	const char *const dirs[] = {secure_getenv("TMPDIR"), "/dev/shm", "/tmp", "/var/tmp"};
	int err = -EACCES;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		struct statvfs st;
		int fd, len;

		if (!dirs[i] || dirs[i][0] != '/' || statvfs(dirs[i], &st) < 0 || (st.f_flag & ST_NOEXEC))
			continue;
		len = snprintf(path, FILE_PATH, "%s/ioth-%lu-XXXXXX", dirs[i], atomic_fetch_add(&serial, 1) + 1);
		if (len >= FILE_PATH)
			continue;
		fd = mkostemp(path, O_CLOEXEC);
		if (fd >= 0)
			return fd;
		err = -errno;
	}
	return err;
}

/**
 * file_make - an empty file for an object
 * @name: of the object, shown in /proc/PID/maps
 */
static int file_make(const char *name, struct file *file)
{
	const char *slash = strrchr(name, '/');
	struct stat st;

	*file = (struct file){.fd = -1};
#ifdef MFD_EXEC
	file->fd = memfd_create(slash ? slash + 1 : name, MFD_CLOEXEC | MFD_EXEC);
	if (file->fd < 0 && errno == EINVAL)
#endif
		file->fd = memfd_create(slash ? slash + 1 : name, MFD_CLOEXEC);
	if (file->fd >= 0) {
		memfd_path(file->fd, file->path);
		if (stat(file->path, &st) == 0)
			return 0;
		close(file->fd);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
		return fail(-errno, "no file for a private copy: %s", strerror(errno));
	}
	file->fd = temporary(file->path);
	if (file->fd < 0)
		return fail(file->fd, "no file for a private copy: %s", strerror(-file->fd));
	file->linked = true;
	return 0;
}

/** file_drop - remove the file's name, close it, free its bytes */
static void file_drop(struct file *file)
{
	if (file->linked)
		unlink(file->path);
	if (file->fd >= 0)
		close(file->fd);
	free(file->bytes);
}

/** write_all - write @len bytes at the file's position */
static int write_all(int fd, const unsigned char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(-errno, "cannot write a private copy: %s", strerror(errno));
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* ----------------------------------------------------------------------------------------------- objects */

static void object_drop(struct object *obj)
{
	if (obj->bytes)
		munmap((void *)(uintptr_t)obj->bytes, obj->size);
	if (obj->fd >= 0)
		close(obj->fd);
	free(obj->path);
}

/** fill - copy the whole of @from, which may change under our eyes, to @to; bytes copied or a negative errno */
static ssize_t fill(int from, int to)
{
	unsigned char buf[32768];
	ssize_t total = 0;

	for (;;) {
		ssize_t n = read(from, buf, sizeof(buf));
		int err;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return total;
		total += n;
		if (total > FILE_MAX)
			return -EFBIG;
		err = write_all(to, buf, (size_t)n);
		if (err < 0)
			return err;
	}
}

/** object_fill - take the bytes of @from into a file of ours and map them */
static int object_fill(struct object *obj, int from)
{
	struct file file;
	ssize_t size;
	void *bytes;
	int err = file_make(obj->path, &file);

	if (err < 0)
		return err;
	if (file.linked)
		unlink(file.path);
	obj->fd = file.fd;
	size = fill(from, obj->fd);
	if (size < 0)
		return fail((int)size, "%s: %s", obj->path, strerror((int)-size));
	if (size == 0)
		return fail(-ENOEXEC, "%s: empty file", obj->path);
	bytes = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, obj->fd, 0);
	if (bytes == MAP_FAILED)
		return fail(-errno, "%s: %s", obj->path, strerror(errno));
	obj->bytes = bytes;
	obj->size = (size_t)size;
	return 0;
}

/** object_read - read and check an object's file; on failure nothing is left of @obj */
static int object_read(const char *path, struct object *obj)
{
	const char *why = "";
	struct stat st;
	int fd, err;

	*obj = (struct object){.fd = -1, .path = strdup(path)};
	if (!obj->path)
		return fail(-ENOMEM, "%s: %s", path, strerror(ENOMEM));
	/* O_NONBLOCK: the path may lead to a FIFO. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		err = fail(-errno, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		err = fail(-ENOEXEC, "%s: not a regular file", path);
	else
		err = object_fill(obj, fd);
	if (fd >= 0)
		close(fd);
	if (err == 0) {
		err = elfcopy_parse(obj->bytes, obj->size, &obj->elf, &why);
		if (err < 0)
			fail(err, "%s: %s", path, why);
	}
	if (err < 0)
		object_drop(obj);
	return err;
}

/* ---------------------------------------------------------------------------------------------- patterns */

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
static size_t find_need(const struct pattern *pat, const char *name)
{
	size_t i = 0;

	while (i < pat->need_count && strcmp(pat->needs[i].name, name) != 0)
		i++;
	return i;
}

/** add_need - note that @name means object @index */
static int add_need(struct pattern *pat, const char *name, size_t index)
{
	struct need *grown;
	char *dup;

	if (find_need(pat, name) < pat->need_count)
		return 0;
	dup = strdup(name);
	grown = reallocarray(pat->needs, pat->need_count + 1, sizeof(*grown));
	if (grown)
		pat->needs = grown;
	if (!dup || !grown) {
		free(dup);
		return fail(-ENOMEM, "%s", strerror(ENOMEM));
	}
	grown[pat->need_count++] = (struct need){.name = dup, .object = index};
	return 0;
}

/** add_object - read @path as one more object of the pattern, known by its soname too */
static int add_object(struct pattern *pat, const char *path)
{
	struct object *grown = reallocarray(pat->objects, pat->object_count + 1, sizeof(*grown));
	int err;

	if (!grown)
		return fail(-ENOMEM, "%s", strerror(ENOMEM));
	pat->objects = grown;
	err = object_read(path, &grown[pat->object_count]);
	if (err < 0)
		return err;
	pat->object_count++;
	if (grown[pat->object_count - 1].elf.soname)
		err = add_need(pat, grown[pat->object_count - 1].elf.soname, pat->object_count - 1);
	return err;
}

/** find_library - the object that the dynamic linker has loaded for @name becomes one of the pattern's */
static int find_library(struct pattern *pat, const char *name)
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
	if (!path)
		return fail(-ELIBACC, "%s needs %s, which cannot be found again", pat->objects[0].path, name);
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
static int find_libraries(struct pattern *pat)
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

			for (size_t j = 0; pat->objects[i].shared && (name = elfcopy_needed(&pat->objects[i].elf, j)); j++) {
				size_t need = find_need(pat, name);
				struct object *obj = &pat->objects[need < pat->need_count ? pat->needs[need].object : 0];

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

/** find_conflict - does the program export a symbol that the set defines, and would the set's references go there? */
static bool find_conflict(const struct pattern *pat)
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

static void pattern_drop(struct pattern *pat)
{
	if (pat->handle)
		dlclose(pat->handle);
	for (size_t i = 0; i < pat->object_count; i++)
		object_drop(&pat->objects[i]);
	for (size_t i = 0; i < pat->need_count; i++)
		free(pat->needs[i].name);
	free(pat->objects);
	free(pat->needs);
	free(pat);
}

/** pattern_make - read the plugin, load it once, find its libraries */
static int pattern_make(const char *path, struct pattern **out)
{
	struct pattern *pat = calloc(1, sizeof(*pat));
	int err;

	if (!pat)
		return fail(-ENOMEM, "%s", strerror(ENOMEM));
	pat->users = 1;
	err = add_object(pat, path);
	if (err == 0) {
		pat->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		if (!pat->handle)
			err = fail(-ELIBACC, "%s", dl_text());
	}
	if (err == 0)
		err = find_libraries(pat);
	if (err == 0) {
		pat->deepbind = find_conflict(pat);
		*out = pat;
		return 0;
	}
	pattern_drop(pat);
	return err;
}

/** pattern_find - the pattern of @path with one more user, or NULL; under the lock */
static struct pattern *pattern_find(const char *path)
{
	for (struct pattern *pat = patterns; pat; pat = pat->next) {
		if (strcmp(pat->objects[0].path, path) == 0) {
			pat->users++;
			return pat;
		}
	}
	return NULL;
}

/** pattern_get - the pattern of @path, made when it is not there */
static int pattern_get(const char *path, struct pattern **out)
{
	struct pattern *made = NULL, *found;
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

static void pattern_put(struct pattern *pat)
{
	struct pattern **link = &patterns;
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

/* ------------------------------------------------------------------------------------------------ copies */

/** struct set - the files of a copy while it is opened; files of shared objects are not made */
struct set {
	const struct pattern *pat;
	struct file *files;        /* as many as objects */
	struct elf_rename *rename; /* as many as needs at most */
	size_t rename_count;
};

static void set_drop(struct set *set)
{
	for (size_t i = 0; set->files && i < set->pat->object_count; i++)
		file_drop(&set->files[i]);
	free(set->files);
	free(set->rename);
}

/** set_name - make the files, all of them before the first is written, since each may name any other */
static int set_name(struct set *set)
{
	const struct pattern *pat = set->pat;

	set->files = calloc(pat->object_count, sizeof(*set->files));
	set->rename = calloc(pat->need_count + 1, sizeof(*set->rename));
	if (!set->files || !set->rename) {
		free(set->files);
		set->files = NULL;
		return fail(-ENOMEM, "%s", strerror(ENOMEM));
	}
	for (size_t i = 0; i < pat->object_count; i++)
		set->files[i].fd = -1;
	for (size_t i = 0; i < pat->object_count; i++) {
		int err = pat->objects[i].shared ? 0 : file_make(pat->objects[i].path, &set->files[i]);

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
	const struct object *obj = &set->pat->objects[index];
	struct file *file = &set->files[index];
	char origin[PATH_MAX];
	struct elf_names names = {
		.self = file->path, .origin = origin, .rename = set->rename, .rename_count = set->rename_count};

	if (obj->elf.filter)
		return fail(-ENOTSUP, "%s: a filter library cannot be copied", obj->path);
	snprintf(origin, sizeof(origin), "%.*s", (int)(strrchr(obj->path, '/') - obj->path), obj->path);
	file->size = elfcopy_size(&obj->elf, &names);
	if (file->size == 0)
		return fail(-ENOTSUP, "%s: too large to be copied", obj->path);
	file->bytes = malloc(file->size);
	if (!file->bytes)
		return fail(-ENOMEM, "%s", strerror(ENOMEM));
	elfcopy_write(&obj->elf, &names, file->bytes);
	return write_all(file->fd, file->bytes, file->size);
}

/** share - dl_iterate_phdr callback: give up memory that is equal to the pattern's; a failure only costs memory */
static int share(struct dl_phdr_info *info, size_t size, void *arg)
{
	const struct set *set = arg;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	(void)size;
	for (size_t i = 0; i < set->pat->object_count; i++) {
		const struct object *obj = &set->pat->objects[i];
		const struct file *file = &set->files[i];
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
static int open_copy(const struct pattern *pat, struct private_copy *copy)
{
	struct set set = {.pat = pat};
	int err;

	if (pat->deepbind && sanitized())
		return fail(-ENOTSUP, "%s: a symbol of it is the program's too, and a sanitizer forbids to keep them apart",
			    pat->objects[0].path);
	err = set_name(&set);
	for (size_t i = 0; err == 0 && i < pat->object_count; i++)
		err = pat->objects[i].shared ? 0 : set_write(&set, i);
	if (err == 0) {
		copy->handle = dlopen(set.files[0].path, RTLD_LAZY | RTLD_LOCAL | (pat->deepbind ? RTLD_DEEPBIND : 0));
		if (copy->handle)
			dl_iterate_phdr(share, &set);
		else
			err = fail(-ELIBACC, "copy of %s: %s", pat->objects[0].path, dl_text());
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
		return fail(-ELIBACC, "in a linker namespace: %s", dl_text());
	symbol = dlsym(copy->handle, "__errno_location");
	if (symbol)
		memcpy(&copy->errno_location, &symbol, sizeof(symbol));
	return 0;
}

/** open_either - a copy of the file first, a linker namespace when that cannot be, or the other way round when asked for */
static int open_either(const char *path, struct private_copy *copy)
{
	const char *wish = secure_getenv("IOTH_PRIVATE");
	bool first = wish && strcmp(wish, "namespace") == 0;
	char why[sizeof(error_text)];
	struct object obj;
	int err;

	if (first) {
		/* The dynamic linker would not survive some of the files that object_read refuses. */
		err = object_read(path, &obj);
		if (err < 0)
			return err;
		object_drop(&obj);
		if (open_namespace(path, copy) == 0)
			return 0;
	}
	err = pattern_get(path, &copy->pattern);
	if (err < 0)
		return err;
	err = open_copy(copy->pattern, copy);
	if (err == 0)
		return 0;
	pattern_put(copy->pattern);
	copy->pattern = NULL;
	if (first || err == -EMFILE || err == -ENFILE || err == -ENOMEM)
		return err;
	memcpy(why, error_text, sizeof(why));
	if (open_namespace(path, copy) == 0)
		return 0;
	return fail(err, "%.380s; %.120s", why, strdupa(error_text));
}

int ioth__private_open(const char *path, struct private_copy **out)
{
	char *cwd = NULL, *full = NULL;
	struct private_copy *copy;
	int err;

	if (!strchr(path, '/'))
		return fail(-EINVAL, "%s: not a path", path);
	copy = calloc(1, sizeof(*copy));
	if (path[0] != '/')
		cwd = getcwd(NULL, 0);
	if (asprintf(&full, "%s%s%s", cwd ? cwd : "", cwd ? "/" : "", path) < 0)
		full = NULL;
	free(cwd);
	if (!copy || !full)
		err = fail(-ENOMEM, "%s", strerror(ENOMEM));
	else if (full[0] != '/')
		err = fail(-ENOENT, "%s: the working directory is gone", path);
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
		pattern_put(copy->pattern);
	free(copy);
}
