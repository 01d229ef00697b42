/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_elfcopy.c - any bytes as a shared object's file.
 *
 * What the reader accepts is walked through with every function there is, and written under long and short names.
 */
#include "elfcopy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096
#define LARGE (64U << 20) /* a variant of more bytes is not written: alignment can make it large, not wrong */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** use - read a string to its end, in a way that is not optimized away */
static void use(const char *text)
{
	unsigned int sum = 0;

	while (text && *text)
		sum = sum * 31 + (unsigned char)*text++;
	__asm__ volatile("" : : "r"(sum));
}

/** check_shareable - runs must be whole pages inside both files, in ascending order */
static void check_shareable(const struct elf_object *obj, const unsigned char *copy)
{
	struct elf_range run = {0};
	uint64_t vaddr;
	size_t end = 0;
	int prot;

	while (elfcopy_shareable(obj, copy, PAGE, end, &run, &vaddr, &prot)) {
		if (run.len == 0 || run.off < end || run.off % PAGE != 0 || run.len % PAGE != 0 ||
		    run.off + run.len > obj->size)
			abort();
		if (memcmp(obj->bytes + run.off, copy + run.off, run.len) != 0)
			abort();
		end = run.off + run.len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_rename rename[] = {{"libtangle_a.so", "/proc/self/fd/./././/./7"}, {"libc.so.6", "x"}, {"", ""}};
	struct elf_names names = {
	        .self = "/proc/self/fd/.//6", .origin = "/a/directory", .rename = rename, .rename_count = 3};
	const char *why = NULL, *name;
	struct elf_object obj;
	unsigned char *out;
	size_t len, index = 0;
	int err = elfcopy_parse(data, size, &obj, &why);

	if (err != 0) {
		if ((err != -ENOEXEC && err != -ELIBBAD) || !why)
			abort();
		return 0;
	}
	use(obj.soname);
	for (size_t i = 0; (name = elfcopy_needed(&obj, i)); i++)
		use(name);
	while ((name = elfcopy_symbol(&obj, &index)))
		use(name);
	len = elfcopy_size(&obj, &names);
	if (len == 0 || len > LARGE)
		return 0;
	out = malloc(len);
	if (!out)
		return 0;
	elfcopy_write(&obj, &names, out);
	check_shareable(&obj, out);
	free(out);
	return 0;
}
