/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_elfcopy.c - variants of shared objects, looked at as files: every name that has to change does, and nothing
 * else.
 *
 * They are read here the way the dynamic linker reads them, by addresses, without elfcopy's own reader. That variants
 * can be loaded and are apart from each other is the subject of test_private.
 */
#include "private_copies.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elfcopy.h"

/** struct image - a file in memory */
struct image {
	unsigned char *data;
	size_t size;
};

static struct image load(const char *name)
{
	int fd = open(plugin_path(name), O_RDONLY | O_CLOEXEC);
	struct image file;
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	file.size = (size_t)st.st_size;
	file.data = malloc(file.size);
	assert_non_null(file.data);
	assert_int_equal(read(fd, file.data, file.size), st.st_size);
	close(fd);
	return file;
}

static struct image variant(const struct image *of, const struct elf_names *names)
{
	struct elf_object elf;
	const char *why = "";
	struct image file;

	if (elfcopy_parse(of->data, of->size, &elf, &why) < 0)
		fail_msg("%s", why);
	file.size = elfcopy_size(&elf, names);
	assert_int_not_equal(file.size, 0);
	file.data = malloc(file.size);
	assert_non_null(file.data);
	elfcopy_write(&elf, names, file.data);
	return file;
}

/** nth_phdr - the @n-th program header of a type; false when there are fewer */
static bool nth_phdr(const struct image *file, uint32_t type, size_t n, ELF(Phdr) * ph)
{
	ELF(Ehdr) eh;

	memcpy(&eh, file->data, sizeof(eh));
	for (size_t i = 0; i < eh.e_phnum; i++) {
		assert_true(eh.e_phoff + (i + 1) * sizeof(*ph) <= file->size);
		memcpy(ph, file->data + eh.e_phoff + i * sizeof(*ph), sizeof(*ph));
		if (ph->p_type == type && n-- == 0)
			return true;
	}
	return false;
}

/** at - what is loaded at an address */
static unsigned char *at(const struct image *file, uint64_t vaddr)
{
	ELF(Phdr) ph;

	for (size_t i = 0; nth_phdr(file, PT_LOAD, i, &ph); i++)
		if (vaddr >= ph.p_vaddr && vaddr < ph.p_vaddr + ph.p_filesz)
			return file->data + ph.p_offset + (vaddr - ph.p_vaddr);
	fail_msg("nothing is loaded at %llx", (unsigned long long)vaddr);
	return NULL;
}

/** nth - value of the @n-th dynamic entry with a tag; false when there are fewer */
static bool nth(const struct image *file, long tag, size_t n, uint64_t *value)
{
	ELF(Phdr) ph;
	ELF(Dyn) entry;

	assert_true(nth_phdr(file, PT_DYNAMIC, 0, &ph));
	for (uint64_t addr = ph.p_vaddr;; addr += sizeof(entry)) {
		memcpy(&entry, at(file, addr), sizeof(entry));
		if (entry.d_tag == DT_NULL)
			return false;
		if (entry.d_tag == tag && n-- == 0) {
			*value = entry.d_un.d_val;
			return true;
		}
	}
}

static uint64_t value_of(const struct image *file, long tag)
{
	uint64_t value;

	assert_true(nth(file, tag, 0, &value));
	return value;
}

static const char *string(const struct image *file, uint64_t off)
{
	assert_true(off < value_of(file, DT_STRSZ));
	return (const char *)at(file, value_of(file, DT_STRTAB) + off);
}

/** tagged - the string of the first dynamic entry with a tag, NULL when there is none */
static const char *tagged(const struct image *file, long tag)
{
	uint64_t off;

	return nth(file, tag, 0, &off) ? string(file, off) : NULL;
}

/** needs - how many times a library is needed */
static int needs(const struct image *file, const char *name)
{
	uint64_t off;
	int count = 0;

	for (size_t i = 0; nth(file, DT_NEEDED, i, &off); i++)
		count += strcmp(string(file, off), name) == 0;
	return count;
}

/** requires - how many times a file is named among the version requirements */
static int requires(const struct image *file, const char *name)
{
	uint64_t addr = value_of(file, DT_VERNEED);
	ELF(Verneed) vn;
	int count = 0;

	for (uint64_t i = 0; i < value_of(file, DT_VERNEEDNUM); i++) {
		memcpy(&vn, at(file, addr), sizeof(vn));
		count += strcmp(string(file, vn.vn_file), name) == 0;
		addr += vn.vn_next;
	}
	return count;
}

static void names_change(void **state)
{
	struct elf_rename rename[] = {{"libold01engine.so", "/a/name/that/is/much/longer/than/the/old/one"},
	                              {"libc.so.7", "x"}};
	struct elf_names names = {
	        .self = "/proc/self/fd/7", .origin = "/some/where", .rename = rename, .rename_count = 2};
	struct image plugin = load("ioth_old01.so"), copy = variant(&plugin, &names);

	(void)state;
	assert_int_equal(needs(&plugin, "libold01engine.so"), 1);
	assert_int_equal(requires(&plugin, "libold01engine.so"), 1);
	assert_int_equal(needs(&copy, "libold01engine.so"), 0);
	assert_int_equal(needs(&copy, rename[0].to), 1);
	assert_int_equal(requires(&copy, "libold01engine.so"), 0);
	assert_int_equal(requires(&copy, rename[0].to), 1);
	/* What has no new name keeps the old one. */
	assert_int_equal(needs(&copy, "libc.so.6"), needs(&plugin, "libc.so.6"));
	assert_int_equal(requires(&copy, "libc.so.6"), requires(&plugin, "libc.so.6"));
	assert_int_equal(needs(&copy, "x"), 0);
	free(copy.data);
	free(plugin.data);
}

static void the_soname_changes(void **state)
{
	struct elf_names names = {.self = "y", .origin = "/"};
	struct image library = load("libold01engine.so"), copy = variant(&library, &names);

	(void)state;
	assert_string_equal(tagged(&library, DT_SONAME), "libold01engine.so");
	assert_string_equal(tagged(&copy, DT_SONAME), "y");
	free(copy.data);
	free(library.data);
}

static void the_search_path_is_spelled_out(void **state)
{
	struct elf_names names = {.self = "y", .origin = "/some/where"};
	struct image plugin = load("ioth_old01.so"), copy = variant(&plugin, &names);
	long tag = tagged(&plugin, DT_RUNPATH) ? DT_RUNPATH : DT_RPATH;
	const char *old = tagged(&plugin, tag), *new = tagged(&copy, tag), *rest;

	(void)state;
	assert_non_null(old);
	rest = strstr(old, "$ORIGIN");
	assert_non_null(rest);
	assert_null(strstr(new, "$ORIGIN"));
	assert_int_equal(strlen(new), strlen(old) - strlen("$ORIGIN") + strlen("/some/where"));
	assert_memory_equal(new, old, (size_t)(rest - old));
	assert_memory_equal(new + (rest - old), "/some/where", strlen("/some/where"));
	assert_string_equal(new + (rest - old) + strlen("/some/where"), rest + strlen("$ORIGIN"));
	free(copy.data);
	free(plugin.data);
}

/** the_rest_stays - segments are where they were, and their bytes are what they were but for names and tables of names
 */
static void the_rest_stays(void **state)
{
	static const char *const objects[] = {"ioth_tangle.so", "ioth_old01.so", "libold01engine.so"};
	struct elf_names names = {.self = "y", .origin = "/"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct image object = load(objects[i]), copy = variant(&object, &names);
		ELF(Phdr) old, new;
		size_t n = 0;

		for (; nth_phdr(&object, PT_LOAD, n, &old); n++) {
			assert_true(nth_phdr(&copy, PT_LOAD, n, &new));
			assert_memory_equal(&old, &new, sizeof(old));
			if (old.p_flags & PF_X)
				assert_memory_equal(object.data + old.p_offset, copy.data + old.p_offset, old.p_filesz);
			assert_int_equal(value_of(&object, DT_SYMTAB), value_of(&copy, DT_SYMTAB));
			assert_int_equal(value_of(&object, DT_STRTAB), value_of(&copy, DT_STRTAB));
		}
		/* One more, which nobody can write to or run. */
		assert_true(nth_phdr(&copy, PT_LOAD, n, &new));
		assert_int_equal(new.p_flags, PF_R);
		assert_false(nth_phdr(&copy, PT_LOAD, n + 1, &new));
		free(copy.data);
		free(object.data);
	}
}

static unsigned int unique_symbols(const struct image *file)
{
	struct elf_object elf;
	const char *why;
	unsigned int count = 0;
	struct image original = load("ioth_unique.so");
	ELF(Sym) sym;

	/* How many symbols there are is the same in the variant. */
	assert_int_equal(elfcopy_parse(original.data, original.size, &elf, &why), 0);
	free(original.data);
	for (size_t off = 0; off < elf.symtab.len; off += sizeof(sym)) {
		memcpy(&sym, at(file, value_of(file, DT_SYMTAB) + off), sizeof(sym));
		count += sym.st_info >> 4 == STB_GNU_UNIQUE;
	}
	return count;
}

static void unique_symbols_become_ordinary(void **state)
{
	struct elf_names names = {.self = "y", .origin = "/"};
	struct image object = load("ioth_unique.so"), copy = variant(&object, &names);

	(void)state;
	assert_int_equal(unique_symbols(&object), 1);
	assert_int_equal(unique_symbols(&copy), 0);
	free(copy.data);
	free(object.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(names_change),
	        cmocka_unit_test(the_soname_changes),
	        cmocka_unit_test(the_search_path_is_spelled_out),
	        cmocka_unit_test(the_rest_stays),
	        cmocka_unit_test(unique_symbols_become_ordinary),
	};

	return cmocka_run_group_tests_name("elfcopy", tests, NULL, NULL);
}
