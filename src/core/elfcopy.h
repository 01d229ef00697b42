/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * elfcopy.h - read a shared object's file and write a variant of it with other names.
 *
 * Bytes in, bytes out: no file is opened and nothing is loaded here. See elfcopy.c.
 */
#ifndef IOTH_ELFCOPY_H
#define IOTH_ELFCOPY_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if __SIZEOF_POINTER__ == 8
#define ELF(type) Elf64_##type
#define ELF_ST_INFO ELF64_ST_INFO
#else
#define ELF(type) Elf32_##type
#define ELF_ST_INFO ELF32_ST_INFO
#endif

/** struct elf_range - a part of the file: offset and length in bytes, known to lie inside the file */
struct elf_range {
	size_t off;
	size_t len;
};

/** struct elf_object - what elfcopy_parse found; points into the file's bytes, which must outlive it */
struct elf_object {
	const unsigned char *bytes;
	size_t size;
	struct elf_range phdr;    /* program headers */
	struct elf_range dynamic; /* without the DT_NULL that ends it */
	struct elf_range strtab;
	struct elf_range symtab;  /* as many symbols as the hash table accounts for */
	struct elf_range verneed; /* from the first entry to the end of its segment; len 0: none */
	size_t verneed_count;
	uint64_t strtab_vaddr;
	size_t file_end;    /* bytes of the file that segments use */
	uint64_t mem_end;   /* end of the last segment in memory */
	size_t align;       /* largest alignment of a segment */
	const char *soname; /* NULL: none */
	bool nodelete;      /* asks never to be unloaded */
	bool textrel;       /* relocations change its code */
	bool filter;        /* stands for another object (DT_FILTER, DT_AUXILIARY) */
};

/** struct elf_rename - a library's name as it is needed, and the name to need instead */
struct elf_rename {
	const char *from;
	const char *to;
};

/** struct elf_names - the names of a variant */
struct elf_names {
	const char *self;   /* replaces DT_SONAME */
	const char *origin; /* directory that $ORIGIN in library search paths stands for */
	const struct elf_rename *rename;
	size_t rename_count;
};

/**
 * elfcopy_parse - check a shared object's file and find its tables
 * @bytes, @size: the whole file; nothing is assumed about it
 * @why: what is wrong, when something is
 *
 * Returns 0; -ENOEXEC when the file is not a shared object of this machine; -ELIBBAD when it is, but damaged.
 */
int elfcopy_parse(const void *bytes, size_t size, struct elf_object *obj, const char **why);

/** elfcopy_needed - name of the @index-th library that the object needs, NULL past the last */
const char *elfcopy_needed(const struct elf_object *obj, size_t index);

/**
 * elfcopy_symbol - name of a symbol that the object defines and that other definitions could take the place of
 * @index: where to go on, 0 at first; moved past the symbol found
 *
 * Returns NULL when there are no more.
 */
const char *elfcopy_symbol(const struct elf_object *obj, size_t *index);

/** elfcopy_size - bytes that elfcopy_write will need, 0 when the variant cannot be written */
size_t elfcopy_size(const struct elf_object *obj, const struct elf_names *names);

/** elfcopy_write - write the variant into the elfcopy_size() bytes at @out */
void elfcopy_write(const struct elf_object *obj, const struct elf_names *names, unsigned char *out);

/**
 * elfcopy_shareable - find memory of a loaded variant that is equal to the file's and will never be written
 * @copy: what elfcopy_write wrote
 * @page: size of a memory page
 * @from: file offset to go on from, 0 at first
 * @run: whole pages in a read-only segment that are equal in both; the same offset in both files
 * @vaddr: where they are, relative to the object's load address
 * @prot: PROT_ flags of the segment
 *
 * Returns false when there are no more.
 */
bool elfcopy_shareable(const struct elf_object *obj, const unsigned char *copy, size_t page, size_t from,
                       struct elf_range *run, uint64_t *vaddr, int *prot);

#endif
