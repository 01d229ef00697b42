/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plt.c - point calls inside a loaded shared object at functions of ours.
 *
 * Theory of operation
 *
 * A shared object that was linked without -Bsymbolic calls its own global functions as it calls those of other objects: by
 * an indirect jump through a word of its global offset table, which the dynamic linker has filled in by name. Those words
 * are listed, with the names, in the object's relocations: DT_JMPREL for plain calls, the rest of them (R_*_GLOB_DAT) for
 * functions whose address is used as a value as well. To replace a function for this object alone, its word is overwritten.
 *
 * Linked with -z relro -z now, as distributions do, the table is made read-only after loading. Its pages are made writable for the
 * moment; nobody else runs code of the object at that time, since whoever loaded it has not told anyone yet.
 *
 * The first pass only looks, so that an object that lacks a required slot stays as it is. No state, no locks.
 */
#include "plt.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#define SLOT_CALL R_X86_64_JUMP_SLOT
#define SLOT_VALUE R_X86_64_GLOB_DAT
#elif defined(__aarch64__)
#define SLOT_CALL R_AARCH64_JUMP_SLOT
#define SLOT_VALUE R_AARCH64_GLOB_DAT
#elif defined(__riscv) && __riscv_xlen == 64
#define SLOT_CALL R_RISCV_JUMP_SLOT
#define SLOT_VALUE R_RISCV_64
#elif defined(__i386__)
#define SLOT_CALL R_386_JMP_SLOT
#define SLOT_VALUE R_386_GLOB_DAT
#elif defined(__arm__)
#define SLOT_CALL R_ARM_JUMP_SLOT
#define SLOT_VALUE R_ARM_GLOB_DAT
#endif

#if __SIZEOF_POINTER__ == 8
#define REL_SYMBOL ELF64_R_SYM
#define REL_TYPE ELF64_R_TYPE
#else
#define REL_SYMBOL ELF32_R_SYM
#define REL_TYPE ELF32_R_TYPE
#endif

/** struct table - relocations of one kind */
struct table {
	uintptr_t at;
	size_t bytes, entry; /* DT_RELA and DT_REL entries begin alike: offset, info */
};

/** struct object - what is needed of a loaded object's dynamic section */
struct object {
	uintptr_t base;
	const ElfW(Sym) * symbols;
	const char *strings;
	struct table calls, values;
	uintptr_t relro, relro_end; /* read-only pages; empty: none */
};

/** address - some ports of the dynamic linker leave addresses of the dynamic section as they are in the file */
static uintptr_t address(const struct object *obj, ElfW(Addr) value)
{
	return value < obj->base ? obj->base + value : value;
}

/** relro - find the read-only pages among the program headers */
static void relro(struct object *obj, const ElfW(Phdr) * ph, size_t count)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	for (; count > 0; ph++, count--) {
		if (ph->p_type == PT_GNU_RELRO) {
			obj->relro = (obj->base + ph->p_vaddr) & ~(page - 1);
			obj->relro_end = (obj->base + ph->p_vaddr + ph->p_memsz) & ~(page - 1);
		}
	}
}

static int find_headers(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct object *obj = arg;

	(void)size;
	if (info->dlpi_addr != obj->base)
		return 0;
	relro(obj, info->dlpi_phdr, info->dlpi_phnum);
	return 1;
}

/** headers - where the program headers are is known to the dynamic linker, but in another linker namespace only to the object itself */
static void headers(struct object *obj)
{
	const ElfW(Ehdr) *elf = (const ElfW(Ehdr) *)obj->base;

	if (dl_iterate_phdr(find_headers, obj) == 0 && memcmp(elf->e_ident, ELFMAG, SELFMAG) == 0)
		relro(obj, (const ElfW(Phdr) *)(obj->base + elf->e_phoff), elf->e_phnum);
}

static int object_at(const void *inside, struct object *obj)
{
	struct link_map *map = NULL;
	Dl_info info;

	memset(obj, 0, sizeof(*obj));
	if (!dladdr1(inside, &info, (void **)&map, RTLD_DL_LINKMAP) || !map || !map->l_ld)
		return -EINVAL;
	obj->base = map->l_addr;
	for (const ElfW(Dyn) *dyn = map->l_ld; dyn->d_tag != DT_NULL; dyn++) {
		switch (dyn->d_tag) {
		case DT_SYMTAB:
			obj->symbols = (const ElfW(Sym) *)address(obj, dyn->d_un.d_ptr);
			break;
		case DT_STRTAB:
			obj->strings = (const char *)address(obj, dyn->d_un.d_ptr);
			break;
		case DT_JMPREL:
			obj->calls.at = address(obj, dyn->d_un.d_ptr);
			break;
		case DT_PLTRELSZ:
			obj->calls.bytes = dyn->d_un.d_val;
			break;
		case DT_PLTREL:
			obj->calls.entry = dyn->d_un.d_val == DT_RELA ? sizeof(ElfW(Rela)) : sizeof(ElfW(Rel));
			break;
		case DT_RELA:
		case DT_REL:
			obj->values.at = address(obj, dyn->d_un.d_ptr);
			break;
		case DT_RELASZ:
		case DT_RELSZ:
			obj->values.bytes = dyn->d_un.d_val;
			break;
		case DT_RELAENT:
		case DT_RELENT:
			obj->values.entry = dyn->d_un.d_val;
			break;
		default:
			break;
		}
	}
	if (!obj->symbols || !obj->strings)
		return -EINVAL;
	headers(obj);
	return 0;
}

static int compare(const void *name, const void *slot)
{
	return strcmp(name, ((const struct plt_slot *)slot)->name);
}

#ifdef SLOT_CALL
/** walk - look at each word of a table; @found counts those of each slot, unless @write, then they are overwritten */
static void walk(const struct object *obj, const struct table *table, const struct plt_slot *slots, size_t count,
                 unsigned char *found, bool write)
{
	for (size_t off = 0; table->entry > 0 && off + table->entry <= table->bytes; off += table->entry) {
		const ElfW(Rel) *rel = (const ElfW(Rel) *)(table->at + off);
		const struct plt_slot *slot;
		const char *name;

		if (REL_TYPE(rel->r_info) != SLOT_CALL && REL_TYPE(rel->r_info) != SLOT_VALUE)
			continue;
		name = obj->strings + obj->symbols[REL_SYMBOL(rel->r_info)].st_name;
		slot = bsearch(name, slots, count, sizeof(*slots), compare);
		if (!slot)
			continue;
		found[slot - slots] = 1;
		if (write)
			memcpy((void *)(obj->base + rel->r_offset), &slot->replacement, sizeof(slot->replacement));
	}
}

int plt_replace(const void *inside, const struct plt_slot *slots, size_t count, const char **missing)
{
	struct object obj;
	unsigned char *found = calloc(count + 1, 1);
	int err = found ? object_at(inside, &obj) : -ENOMEM;

	if (err == 0) {
		walk(&obj, &obj.calls, slots, count, found, false);
		walk(&obj, &obj.values, slots, count, found, false);
	}
	for (size_t i = 0; err == 0 && i < count; i++) {
		if (slots[i].required && !found[i]) {
			if (missing)
				*missing = slots[i].name;
			err = -ENOENT;
		}
	}
	if (err == 0 && obj.relro_end > obj.relro &&
	    mprotect((void *)obj.relro, obj.relro_end - obj.relro, PROT_READ | PROT_WRITE) < 0)
		err = -errno;
	if (err == 0) {
		walk(&obj, &obj.calls, slots, count, found, true);
		walk(&obj, &obj.values, slots, count, found, true);
		if (obj.relro_end > obj.relro)
			mprotect((void *)obj.relro, obj.relro_end - obj.relro, PROT_READ);
	}
	free(found);
	return err;
}
#else
int plt_replace(const void *inside, const struct plt_slot *slots, size_t count, const char **missing)
{
	(void)inside;
	(void)slots;
	(void)count;
	(void)missing;
	(void)object_at;
	(void)compare;
	return -ENOTSUP;
}
#endif
