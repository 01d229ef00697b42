/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * program.c - can a program be run with a preload library?
 *
 * The dynamic linker loads the library, so the program has to name one (PT_INTERP), of our own architecture, and it has
 * to call the C library for its sockets, which those in Go do not. The
 * dynamic linker itself, called as a program, needs no other.
 */
#include "program.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SCRIPT_DEPTH 5 /* as the kernel: a script whose interpreter is a script */
#define LINE_MAX_SCRIPT 256

/** has_interpreter - among the program headers of the file; true when they cannot be read, which is another's complaint
 */
static bool has_interpreter(int fd, const ElfW(Ehdr) * head)
{
	for (unsigned int i = 0; i < head->e_phnum; i++) {
		ElfW(Phdr) segment;

		if (pread(fd, &segment, sizeof(segment), (off_t)(head->e_phoff + i * sizeof(segment))) !=
		    sizeof(segment))
			return true;
		if (segment.p_type == PT_INTERP)
			return true;
	}
	return false;
}

/**
 * is_go - does the file have a section that Go's linker makes?
 *
 * Its programs make system calls by themselves, also when they are linked with the C library (cgo). The names of
 * sections lie together, and are few.
 */
static bool is_go(int fd, const ElfW(Ehdr) * head)
{
	char names[4096];
	ElfW(Shdr) table;
	ssize_t len;

	if (head->e_shoff == 0 || head->e_shstrndx == SHN_UNDEF || head->e_shstrndx >= head->e_shnum ||
	    pread(fd, &table, sizeof(table), (off_t)(head->e_shoff + head->e_shstrndx * sizeof(table))) !=
	            sizeof(table))
		return false;
	len = pread(fd, names, table.sh_size < sizeof(names) ? table.sh_size : sizeof(names), (off_t)table.sh_offset);
	return len > 0 && (memmem(names, (size_t)len, ".go.buildinfo", 14) != NULL ||
	                   memmem(names, (size_t)len, ".note.go.buildid", 17) != NULL);
}

/** elf_refusal - program_refusal for an ELF file */
static const char *elf_refusal(int fd, const char *path, const ElfW(Ehdr) * head)
{
	const char *slash = strrchr(path, '/');
	ElfW(Ehdr) ours;
	int self;
	bool same = true;

	/* Our own program was built for the architecture that the library is for. */
	self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (self >= 0 && pread(self, &ours, sizeof(ours), 0) == sizeof(ours))
		same = head->e_ident[EI_CLASS] == ours.e_ident[EI_CLASS] && head->e_machine == ours.e_machine;
	if (self >= 0)
		close(self);
	if (!same)
		return "is made for another architecture";
	if (is_go(fd, head))
		return "is written in Go, whose programs make system calls without the C library";
	if (has_interpreter(fd, head) || strncmp(slash != NULL ? slash + 1 : path, "ld", 2) == 0)
		return NULL;
	return "is statically linked";
}

const char *program_refusal(const char *path)
{
	char line[LINE_MAX_SCRIPT + 1], name[LINE_MAX_SCRIPT + 1];
	ElfW(Ehdr) head;

	for (int depth = 0; depth < SCRIPT_DEPTH; depth++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		const char *refusal = NULL;
		ssize_t len;

		if (fd < 0)
			return NULL;
		len = pread(fd, line, LINE_MAX_SCRIPT, 0);
		if (len >= (ssize_t)sizeof(head) && memcmp(line, ELFMAG, SELFMAG) == 0) {
			memcpy(&head, line, sizeof(head));
			refusal = elf_refusal(fd, path, &head);
		}
		close(fd);
		if (len < 3 || line[0] != '#' || line[1] != '!')
			return refusal;
		line[len] = '\0';
		/* One word behind "#!" is the interpreter. */
		path = line + 2 + strspn(line + 2, " \t");
		line[strcspn(path, " \t\n") + (size_t)(path - line)] = '\0';
		strcpy(name, path);
		path = name;
	}
	return NULL;
}

int program_linker(const char *path, char *out, size_t size)
{
	ElfW(Ehdr) head;
	int fd, found = 0;

	/* Root has capabilities anyway. */
	if (geteuid() == 0 || getxattr(path, "security.capability", NULL, 0) <= 0)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (pread(fd, &head, sizeof(head), 0) != sizeof(head) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
		head.e_phnum = 0;
	for (unsigned int i = 0; i < head.e_phnum && !found; i++) {
		ElfW(Phdr) segment;

		if (pread(fd, &segment, sizeof(segment), (off_t)(head.e_phoff + i * sizeof(segment))) !=
		    sizeof(segment))
			break;
		found = segment.p_type == PT_INTERP && segment.p_filesz > 0 && segment.p_filesz <= size &&
		        pread(fd, out, segment.p_filesz, (off_t)segment.p_offset) == (ssize_t)segment.p_filesz &&
		        out[segment.p_filesz - 1] == '\0';
	}
	close(fd);
	return found;
}

void program_by_linker(const char *linker, const char *path, char *const argv[], char *out[])
{
	size_t n = 0;

	out[n++] = (char *)(uintptr_t)linker;
	out[n++] = (char *)(uintptr_t) "--argv0";
	out[n++] = argv[0];
	out[n++] = (char *)(uintptr_t)path;
	for (size_t i = 1; argv[0] != NULL && argv[i] != NULL; i++)
		out[n++] = argv[i];
	out[n] = NULL;
}

void program_find(const char *name, const char *path, char *out, size_t size)
{
	snprintf(out, size, "%s", name);
	if (strchr(name, '/') != NULL)
		return;
	if (path == NULL)
		path = "/bin:/usr/bin";
	for (const char *end; *path != '\0'; path = *end == ':' ? end + 1 : end) {
		end = path + strcspn(path, ":");
		snprintf(out, size, "%.*s%s%s", (int)(end - path), path, end > path ? "/" : "", name);
		if (access(out, X_OK) == 0)
			return;
	}
	snprintf(out, size, "%s", name);
}
