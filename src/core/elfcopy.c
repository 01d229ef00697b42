/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * elfcopy.c - read a shared object's file and write a variant of it with other names.
 *
 * Theory of operation
 *
 * The dynamic linker knows an object by its file's inode, by the path it was opened with, and by its DT_SONAME. A
 * second, separate instance therefore needs another inode (private.c writes a new file) and another soname, and the
 * objects that need this instance must ask for it by a name that only it has. So a variant differs from its original in
 *   - DT_SONAME, which becomes the variant's own name;
 *   - DT_NEEDED and the file names in the version requirements (vn_file), where they name an object that has a variant
 * too;
 *   - $ORIGIN in DT_RPATH and DT_RUNPATH, which is spelled out, because the variant's file lies elsewhere;
 *   - the binding of STB_GNU_UNIQUE symbols, which becomes STB_GLOBAL. The dynamic linker would make all variants share
 * them, the very thing that a variant is there to prevent, and would never unload their objects.
 *
 * No byte of the old string table is changed, since symbol names and library names may share their bytes. The new
 * strings go into a new read-only segment after the last one, together with the program headers, which must grow by one
 * and have no room to grow where they are. String offsets count from DT_STRTAB and simply reach into the new segment;
 * DT_STRSZ is raised to say so. What no segment uses (section headers, debug information) is left out.
 *
 * The input may be any bytes: a plugin that was cut short by a full disk would otherwise kill the process inside the
 * dynamic linker. Every offset is checked once in elfcopy_parse, by range(), get() and at(), and the later
 * functions use only what it accepted. Objects of another class, byte order or machine than the code itself are
 * refused.
 *
 * No state, no locks.
 */
#include "elfcopy.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define PHDRS_MAX 256U
#define ALIGN_MIN 4096U
#define ALIGN_MAX (16U << 20)
#define VADDR_MAX ((uint64_t)1 << (__SIZEOF_POINTER__ == 8 ? 46 : 31))
#define DYNAMIC_MAX 4096U
#define NAME_BYTES 65536U /* of one library name or search path, with its NUL */
#define SHARE_PAGES 4U    /* a run of pages shorter than this is not worth one more mapping */

/* The ELF header of the object that holds this code, given by the link editor: what the machine's objects look like. */
extern const ELF(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static uint64_t align_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) & ~(align - 1);
}

/** range - do @len bytes at @off lie inside the file? */
static bool range(const struct elf_object *obj, uint64_t off, uint64_t len)
{
	return off <= obj->size && len <= obj->size - off;
}

/** get - read @len bytes at @off; false when they are not all there */
static bool get(const struct elf_object *obj, uint64_t off, void *dst, size_t len)
{
	if (!range(obj, off, len))
		return false;
	memcpy(dst, obj->bytes + off, len);
	return true;
}

/** phdr - the @index-th program header, which elfcopy_parse has accepted */
static ELF(Phdr) phdr(const struct elf_object *obj, size_t index)
{
	ELF(Phdr) ph;

	memcpy(&ph, obj->bytes + obj->phdr.off + index * sizeof(ph), sizeof(ph));
	return ph;
}

static size_t phdr_count(const struct elf_object *obj)
{
	return obj->phdr.len / sizeof(ELF(Phdr));
}

/** dyn - the @index-th entry of the dynamic section */
static ELF(Dyn) dyn(const struct elf_object *obj, size_t index)
{
	ELF(Dyn) entry;

	memcpy(&entry, obj->bytes + obj->dynamic.off + index * sizeof(entry), sizeof(entry));
	return entry;
}

static size_t dyn_count(const struct elf_object *obj)
{
	return obj->dynamic.len / sizeof(ELF(Dyn));
}

/**
 * at - where in the file an address of the object is
 * @found: from there to the end of what its segment has in the file
 *
 * Returns false when no segment has file contents there.
 */
static bool at(const struct elf_object *obj, uint64_t vaddr, struct elf_range *found)
{
	for (size_t i = 0; i < phdr_count(obj); i++) {
		ELF(Phdr) ph = phdr(obj, i);

		if (ph.p_type == PT_LOAD && vaddr >= ph.p_vaddr && vaddr - ph.p_vaddr < ph.p_filesz) {
			found->off = (size_t)(ph.p_offset + (vaddr - ph.p_vaddr));
			found->len = (size_t)(ph.p_filesz - (vaddr - ph.p_vaddr));
			return true;
		}
	}
	return false;
}

/** string - the string at @off of the string table, which is known to end with a NUL; NULL when there is none */
static const char *string(const struct elf_object *obj, uint64_t off)
{
	return off < obj->strtab.len ? (const char *)obj->bytes + obj->strtab.off + off : NULL;
}

/** search_path - the same; an empty one when there is none */
static const char *search_path(const struct elf_object *obj, uint64_t off)
{
	const char *path = string(obj, off);

	return path ? path : "";
}

/** name - the same for what names a file; no one needs a name that fills the file */
static const char *name(const struct elf_object *obj, uint64_t off)
{
	const char *text = string(obj, off);

	return text && strlen(text) < NAME_BYTES ? text : NULL;
}

/** parse_header - is this a shared object of our machine, and where are its program headers? */
static int parse_header(struct elf_object *obj, const char **why)
{
	ELF(Ehdr) eh;

	if (!get(obj, 0, &eh, sizeof(eh)) || memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0) {
		*why = "not an ELF file";
		return -ENOEXEC;
	}
	if (eh.e_ident[EI_CLASS] != __ehdr_start.e_ident[EI_CLASS] ||
	    eh.e_ident[EI_DATA] != __ehdr_start.e_ident[EI_DATA] || eh.e_machine != __ehdr_start.e_machine) {
		*why = "made for another kind of machine";
		return -ENOEXEC;
	}
	if (eh.e_type != ET_DYN || eh.e_version != EV_CURRENT) {
		*why = "an ELF file, but not a shared object";
		return -ENOEXEC;
	}
	obj->phdr = (struct elf_range){.off = (size_t)eh.e_phoff, .len = eh.e_phnum * sizeof(ELF(Phdr))};
	if (eh.e_phentsize != sizeof(ELF(Phdr)) || eh.e_phnum == 0 || eh.e_phnum > PHDRS_MAX ||
	    !range(obj, eh.e_phoff, obj->phdr.len)) {
		*why = "damaged: program headers";
		return -ELIBBAD;
	}
	return 0;
}

/** parse_segments - check the segments: inside the file, in ascending order, page by page as mmap(2) needs them */
static int parse_segments(struct elf_object *obj, const char **why)
{
	uint64_t end = 0;

	obj->file_end = sizeof(ELF(Ehdr));
	obj->align = ALIGN_MIN;
	for (size_t i = 0; i < phdr_count(obj); i++) {
		ELF(Phdr) ph = phdr(obj, i);

		if (ph.p_type != PT_LOAD)
			continue;
		*why = "damaged: a segment lies beyond the end of the file";
		if (!range(obj, ph.p_offset, ph.p_filesz))
			return -ELIBBAD;
		*why = "damaged: segments";
		if (ph.p_align < ALIGN_MIN || ph.p_align > ALIGN_MAX || (ph.p_align & (ph.p_align - 1)) != 0 ||
		    ((ph.p_vaddr - ph.p_offset) & (ph.p_align - 1)) != 0)
			return -ELIBBAD;
		if (ph.p_filesz > ph.p_memsz || ph.p_vaddr < end || ph.p_vaddr > VADDR_MAX || ph.p_memsz > VADDR_MAX)
			return -ELIBBAD;
		end = ph.p_vaddr + ph.p_memsz;
		if (ph.p_align > obj->align)
			obj->align = (size_t)ph.p_align;
		if (ph.p_offset + ph.p_filesz > obj->file_end)
			obj->file_end = (size_t)(ph.p_offset + ph.p_filesz);
	}
	obj->mem_end = end;
	*why = "damaged: nothing to load";
	return end > 0 ? 0 : -ELIBBAD;
}

/** parse_dynamic - find the dynamic section and count its entries */
static int parse_dynamic(struct elf_object *obj, const char **why)
{
	struct elf_range found = {0};
	size_t count;

	*why = "damaged: no dynamic section";
	for (size_t i = 0; i < phdr_count(obj); i++) {
		ELF(Phdr) ph = phdr(obj, i);

		/* Two of them would leave it to the reader's taste which one counts. */
		if (ph.p_type == PT_DYNAMIC && (found.len != 0 || !at(obj, ph.p_vaddr, &found)))
			return -ELIBBAD;
	}
	count = found.len / sizeof(ELF(Dyn));
	if (count > DYNAMIC_MAX)
		count = DYNAMIC_MAX;
	obj->dynamic = (struct elf_range){.off = found.off, .len = count * sizeof(ELF(Dyn))};
	for (size_t i = 0; i < count; i++) {
		if (dyn(obj, i).d_tag == DT_NULL) {
			obj->dynamic.len = i * sizeof(ELF(Dyn));
			return 0;
		}
	}
	return -ELIBBAD;
}

/** hash_count - how many symbols an old hash table (DT_HASH) accounts for; false when it is damaged */
static bool hash_count(const struct elf_object *obj, uint64_t vaddr, uint64_t *count)
{
	struct elf_range table;
	uint32_t head[2]; /* buckets, chains; as many chains as symbols */

	if (!at(obj, vaddr, &table) || table.len < sizeof(head) || !get(obj, table.off, head, sizeof(head)))
		return false;
	*count = head[1];
	return true;
}

/** gnu_hash_count - the same for DT_GNU_HASH, where the last chain has to be walked to its end */
static bool gnu_hash_count(const struct elf_object *obj, uint64_t vaddr, uint64_t *count)
{
	struct elf_range table;
	uint32_t head[4]; /* buckets, first hashed symbol, words of the Bloom filter, its shift */
	uint32_t word, last = 0;
	uint64_t buckets, chains;

	if (!at(obj, vaddr, &table) || table.len < sizeof(head) || !get(obj, table.off, head, sizeof(head)))
		return false;
	buckets = sizeof(head) + (uint64_t)head[2] * sizeof(ELF(Addr));
	chains = buckets + (uint64_t)head[0] * sizeof(word);
	if (chains > table.len)
		return false;
	for (uint64_t i = 0; i < head[0]; i++) {
		memcpy(&word, obj->bytes + table.off + buckets + i * sizeof(word), sizeof(word));
		if (word > last)
			last = word;
	}
	*count = head[1];
	if (last < head[1])
		return last == 0;
	for (uint64_t i = last - head[1];; i++) {
		if (chains + (i + 1) * sizeof(word) > table.len)
			return false;
		memcpy(&word, obj->bytes + table.off + chains + i * sizeof(word), sizeof(word));
		if (word & 1) {
			*count = head[1] + i + 1;
			return true;
		}
	}
}

/** struct tables - addresses that the dynamic section gives, before they are checked */
struct tables {
	uint64_t strtab, strsz, symtab, hash, gnu_hash, verneed, verneed_count, soname;
	bool has_soname;
};

/** read_tags - one walk over the dynamic section */
static void read_tags(struct elf_object *obj, struct tables *t)
{
	for (size_t i = 0; i < dyn_count(obj); i++) {
		ELF(Dyn) entry = dyn(obj, i);
		uint64_t value = entry.d_un.d_val;

		switch (entry.d_tag) {
		case DT_STRTAB:
			t->strtab = value;
			break;
		case DT_STRSZ:
			t->strsz = value;
			break;
		case DT_SYMTAB:
			t->symtab = value;
			break;
		case DT_HASH:
			t->hash = value;
			break;
		case DT_GNU_HASH:
			t->gnu_hash = value;
			break;
		case DT_VERNEED:
			t->verneed = value;
			break;
		case DT_VERNEEDNUM:
			t->verneed_count = value;
			break;
		case DT_SONAME:
			t->soname = value;
			t->has_soname = true;
			break;
		case DT_TEXTREL:
			obj->textrel = true;
			break;
		case DT_FLAGS:
			obj->textrel |= (value & DF_TEXTREL) != 0;
			break;
		case DT_FLAGS_1:
			obj->nodelete |= (value & DF_1_NODELETE) != 0;
			break;
		case DT_FILTER:
		case DT_AUXILIARY:
			obj->filter = true;
			break;
		default:
			break;
		}
	}
}

/** parse_strings - find the string table, and check every library name that we will read from it */
static int parse_strings(struct elf_object *obj, const struct tables *t, const char **why)
{
	struct elf_range found;

	*why = "damaged: string table";
	if (!at(obj, t->strtab, &found) || t->strsz == 0 || t->strsz > found.len ||
	    obj->bytes[found.off + t->strsz - 1] != '\0')
		return -ELIBBAD;
	obj->strtab = (struct elf_range){.off = found.off, .len = (size_t)t->strsz};
	obj->strtab_vaddr = t->strtab;
	*why = "damaged: library names";
	for (size_t i = 0; i < dyn_count(obj); i++) {
		ELF(Dyn) entry = dyn(obj, i);

		if ((entry.d_tag == DT_NEEDED || entry.d_tag == DT_RPATH || entry.d_tag == DT_RUNPATH) &&
		    !name(obj, entry.d_un.d_val))
			return -ELIBBAD;
	}
	if (t->has_soname) {
		obj->soname = name(obj, t->soname);
		if (!obj->soname)
			return -ELIBBAD;
	}
	return 0;
}

/** parse_symbols - find the symbol table; an object without a hash table has no symbol that could be looked up */
static int parse_symbols(struct elf_object *obj, const struct tables *t, const char **why)
{
	struct elf_range found;
	uint64_t count = 0;

	*why = "damaged: symbol table";
	if (t->gnu_hash ? !gnu_hash_count(obj, t->gnu_hash, &count) : t->hash && !hash_count(obj, t->hash, &count))
		return -ELIBBAD;
	if (count == 0)
		return 0;
	if (!at(obj, t->symtab, &found) || count > found.len / sizeof(ELF(Sym)))
		return -ELIBBAD;
	obj->symtab = (struct elf_range){.off = found.off, .len = (size_t)count * sizeof(ELF(Sym))};
	for (size_t i = 0; i < count; i++) {
		ELF(Sym) sym;

		memcpy(&sym, obj->bytes + obj->symtab.off + i * sizeof(sym), sizeof(sym));
		if (!string(obj, sym.st_name))
			return -ELIBBAD;
	}
	return 0;
}

/** parse_versions - walk the version requirements once, so that later walks need no checks */
static int parse_versions(struct elf_object *obj, const struct tables *t, const char **why)
{
	uint64_t off = 0;

	if (t->verneed == 0 || t->verneed_count == 0)
		return 0;
	*why = "damaged: version requirements";
	if (!at(obj, t->verneed, &obj->verneed))
		return -ELIBBAD;
	for (uint64_t i = 0; i < t->verneed_count; i++) {
		ELF(Verneed) vn;

		if (off > obj->verneed.len || sizeof(vn) > obj->verneed.len - off)
			return -ELIBBAD;
		memcpy(&vn, obj->bytes + obj->verneed.off + off, sizeof(vn));
		if (!name(obj, vn.vn_file))
			return -ELIBBAD;
		obj->verneed_count++;
		if (vn.vn_next == 0)
			break;
		off += vn.vn_next;
	}
	return 0;
}

int elfcopy_parse(const void *bytes, size_t size, struct elf_object *obj, const char **why)
{
	struct tables t = {0};
	int err;

	*obj = (struct elf_object){.bytes = bytes, .size = size};
	err = parse_header(obj, why);
	if (err == 0)
		err = parse_segments(obj, why);
	if (err == 0)
		err = parse_dynamic(obj, why);
	if (err < 0)
		return err;
	read_tags(obj, &t);
	err = parse_strings(obj, &t, why);
	if (err == 0)
		err = parse_symbols(obj, &t, why);
	if (err == 0)
		err = parse_versions(obj, &t, why);
	return err;
}

const char *elfcopy_needed(const struct elf_object *obj, size_t index)
{
	for (size_t i = 0; i < dyn_count(obj); i++) {
		ELF(Dyn) entry = dyn(obj, i);

		if (entry.d_tag == DT_NEEDED && index-- == 0)
			return string(obj, entry.d_un.d_val);
	}
	return NULL;
}

const char *elfcopy_symbol(const struct elf_object *obj, size_t *index)
{
	while (*index < obj->symtab.len / sizeof(ELF(Sym))) {
		ELF(Sym) sym;
		unsigned int bind;

		memcpy(&sym, obj->bytes + obj->symtab.off + (*index)++ * sizeof(sym), sizeof(sym));
		bind = sym.st_info >> 4;
		if (sym.st_shndx != SHN_UNDEF && (sym.st_other & 3) == STV_DEFAULT &&
		    (bind == STB_GLOBAL || bind == STB_WEAK || bind == STB_GNU_UNIQUE))
			return string(obj, sym.st_name);
	}
	return NULL;
}

/** expand - write a search path with $ORIGIN spelled out to @out, or only measure it when @out is NULL; bytes with the
 * NUL */
static size_t expand(const char *path, const char *origin, char *out)
{
	static const char *const spelling[] = {"$ORIGIN", "${ORIGIN}"};
	size_t len = 0;

	while (*path) {
		const char *part = path;
		size_t partlen = 1, skip = 1;

		for (size_t i = 0; i < sizeof(spelling) / sizeof(*spelling); i++) {
			if (strncmp(path, spelling[i], strlen(spelling[i])) == 0) {
				part = origin;
				partlen = strlen(origin);
				skip = strlen(spelling[i]);
			}
		}
		if (out)
			memcpy(out + len, part, partlen);
		len += partlen;
		path += skip;
	}
	if (out)
		out[len] = '\0';
	return len + 1;
}

/** struct layout - where the new segment goes; it holds the program headers first, then the strings */
struct layout {
	size_t off, len;
	uint64_t vaddr;
	size_t phdr_len;
};

static struct layout layout(const struct elf_object *obj, const struct elf_names *names)
{
	struct layout seg = {
	        .off = (size_t)align_up(obj->file_end, obj->align),
	        .vaddr = align_up(obj->mem_end, obj->align),
	        .phdr_len = obj->phdr.len + sizeof(ELF(Phdr)),
	};

	seg.len = seg.phdr_len + strlen(names->self) + 1;
	for (size_t i = 0; i < names->rename_count; i++)
		seg.len += strlen(names->rename[i].to) + 1;
	for (size_t i = 0; i < dyn_count(obj); i++) {
		ELF(Dyn) entry = dyn(obj, i);

		if (entry.d_tag == DT_RPATH || entry.d_tag == DT_RUNPATH)
			seg.len += expand(search_path(obj, entry.d_un.d_val), names->origin, NULL);
	}
	return seg;
}

size_t elfcopy_size(const struct elf_object *obj, const struct elf_names *names)
{
	struct layout seg = layout(obj, names);

	/* vn_file is a 32-bit offset from the string table. */
	if (seg.vaddr + seg.len - obj->strtab_vaddr > UINT32_MAX)
		return 0;
	return seg.off + seg.len;
}

/** write_headers - the ELF header, and the program headers with one more at their new place */
static void write_headers(const struct elf_object *obj, const struct layout *seg, unsigned char *out)
{
	ELF(Phdr)
	add = {
	        .p_type = PT_LOAD,
	        .p_flags = PF_R,
	        .p_offset = (ELF(Off))seg->off,
	        .p_vaddr = (ELF(Addr))seg->vaddr,
	        .p_paddr = (ELF(Addr))seg->vaddr,
	        .p_filesz = (ELF(Word))seg->len,
	        .p_memsz = (ELF(Word))seg->len,
	        .p_align = (ELF(Word))obj->align,
	};
	ELF(Ehdr) eh;

	memcpy(&eh, out, sizeof(eh));
	eh.e_phoff = (ELF(Off))seg->off;
	eh.e_phnum++;
	eh.e_shoff = 0;
	eh.e_shnum = 0;
	eh.e_shstrndx = SHN_UNDEF;
	memcpy(out, &eh, sizeof(eh));
	for (size_t i = 0; i < phdr_count(obj); i++) {
		ELF(Phdr) ph = phdr(obj, i);

		/* It would tell where the program headers were. A shared object may go without it. */
		if (ph.p_type == PT_PHDR)
			ph.p_type = PT_NULL;
		memcpy(out + seg->off + i * sizeof(ph), &ph, sizeof(ph));
	}
	memcpy(out + seg->off + obj->phdr.len, &add, sizeof(add));
}

/** renamed - string offset of the new name for @from, 0 when it keeps its name; new names stand one after the other at
 * @base */
static uint64_t renamed(const struct elf_names *names, const char *from, uint64_t base)
{
	for (size_t i = 0; i < names->rename_count; i++) {
		if (strcmp(names->rename[i].from, from) == 0)
			return base;
		base += strlen(names->rename[i].to) + 1;
	}
	return 0;
}

/** write_dynamic - point the dynamic section to the new strings, and append the search paths to them at @pos */
static void write_dynamic(const struct elf_object *obj, const struct elf_names *names, const struct layout *seg,
                          uint64_t self, uint64_t base, size_t pos, unsigned char *out)
{
	for (size_t i = 0; i < dyn_count(obj); i++) {
		ELF(Dyn) entry = dyn(obj, i);
		uint64_t value = entry.d_un.d_val, new;

		switch (entry.d_tag) {
		case DT_SONAME:
			value = self;
			break;
		case DT_NEEDED:
			new = renamed(names, string(obj, value), base);
			value = new ? new : value;
			break;
		case DT_RPATH:
		case DT_RUNPATH:
			new = seg->vaddr + (pos - seg->off) - obj->strtab_vaddr;
			pos += expand(search_path(obj, value), names->origin, (char *)out + pos);
			value = new;
			break;
		case DT_STRSZ:
			value = seg->vaddr + seg->len - obj->strtab_vaddr;
			break;
		default:
			continue;
		}
		entry.d_un.d_val = (ELF(Addr))value;
		memcpy(out + obj->dynamic.off + i * sizeof(entry), &entry, sizeof(entry));
	}
}

/** write_versions - rename the files in the version requirements */
static void write_versions(const struct elf_object *obj, const struct elf_names *names, uint64_t base,
                           unsigned char *out)
{
	size_t off = obj->verneed.off;

	for (size_t i = 0; i < obj->verneed_count; i++) {
		ELF(Verneed) vn;
		uint64_t new;

		memcpy(&vn, obj->bytes + off, sizeof(vn));
		new = renamed(names, string(obj, vn.vn_file), base);
		if (new) {
			ELF(Verneed) changed = vn;

			changed.vn_file = (ELF(Word)) new;
			memcpy(out + off, &changed, sizeof(changed));
		}
		off += vn.vn_next;
	}
}

/** write_symbols - make unique symbols ordinary ones */
static void write_symbols(const struct elf_object *obj, unsigned char *out)
{
	ELF(Sym) sym;

	for (size_t off = obj->symtab.off; off < obj->symtab.off + obj->symtab.len; off += sizeof(sym)) {
		memcpy(&sym, obj->bytes + off, sizeof(sym));
		if (sym.st_info >> 4 != STB_GNU_UNIQUE)
			continue;
		sym.st_info = ELF_ST_INFO(STB_GLOBAL, sym.st_info & 15);
		memcpy(out + off, &sym, sizeof(sym));
	}
}

void elfcopy_write(const struct elf_object *obj, const struct elf_names *names, unsigned char *out)
{
	struct layout seg = layout(obj, names);
	size_t pos = seg.off + seg.phdr_len;
	uint64_t self = seg.vaddr + seg.phdr_len - obj->strtab_vaddr;
	uint64_t base = self + strlen(names->self) + 1;

	memcpy(out, obj->bytes, obj->file_end);
	memset(out + obj->file_end, 0, seg.off - obj->file_end);
	write_headers(obj, &seg, out);
	pos += strlen(strcpy((char *)out + pos, names->self)) + 1;
	for (size_t i = 0; i < names->rename_count; i++)
		pos += strlen(strcpy((char *)out + pos, names->rename[i].to)) + 1;
	write_dynamic(obj, names, &seg, self, base, pos, out);
	write_versions(obj, names, base, out);
	write_symbols(obj, out);
}

/** same_run - the first run of at least SHARE_PAGES equal pages in [from, end); len 0 when there is none */
static struct elf_range same_run(const unsigned char *a, const unsigned char *b, size_t page, size_t from, size_t end)
{
	struct elf_range run = {.off = from};

	for (; end >= page && from <= end - page; from += page) {
		if (memcmp(a + from, b + from, page) == 0) {
			run.len += page;
			continue;
		}
		if (run.len >= SHARE_PAGES * page)
			break;
		run = (struct elf_range){.off = from + page};
	}
	if (run.len < SHARE_PAGES * page)
		run.len = 0;
	return run;
}

bool elfcopy_shareable(const struct elf_object *obj, const unsigned char *copy, size_t page, size_t from,
                       struct elf_range *run, uint64_t *vaddr, int *prot)
{
	if (obj->textrel)
		return false;
	for (size_t i = 0; i < phdr_count(obj); i++) {
		ELF(Phdr) ph = phdr(obj, i);
		size_t start = (size_t)align_up(ph.p_offset, page), end = (size_t)(ph.p_offset + ph.p_filesz);

		if (ph.p_type != PT_LOAD || (ph.p_flags & PF_W) || end <= from)
			continue;
		*run = same_run(obj->bytes, copy, page, start > from ? start : (size_t)align_up(from, page), end);
		if (run->len == 0)
			continue;
		*vaddr = ph.p_vaddr + (run->off - ph.p_offset);
		*prot = (ph.p_flags & PF_R ? PROT_READ : 0) | (ph.p_flags & PF_X ? PROT_EXEC : 0);
		return true;
	}
	return false;
}
