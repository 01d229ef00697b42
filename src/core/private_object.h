/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * private_object.h - shared objects' files, read and written: what patterns and copies are made of (see private.c).
 */
#ifndef IOTH_PRIVATE_OBJECT_H
#define IOTH_PRIVATE_OBJECT_H

#include <stdbool.h>
#include <stddef.h>

#include "elfcopy.h"

#define PRIVATE_PATH 256  /* room for the path of a copy's file */
#define PRIVATE_ERROR 512 /* room for the text of an error */

/** private_fail - note why an open fails, for ioth__private_error; returns @err */
int private_fail(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** struct private_file - a file that a copy is loaded from; it lives no longer than the loading */
struct private_file {
	int fd;
	bool linked;             /* has a name in a directory */
	char path[PRIVATE_PATH]; /* opens it, and never opened anything else */
	unsigned char *bytes;    /* what is in it */
	size_t size;
};

/**
 * private_file_make - an empty file for an object
 * @name: path of the object, whose last part shows up in /proc/PID/maps
 */
int private_file_make(const char *name, struct private_file *file);

/** private_file_write - write @len bytes at the file's position */
int private_file_write(int fd, const unsigned char *bytes, size_t len);

/** private_file_drop - remove the file's name, close it, free its bytes; the fd may be -1 */
void private_file_drop(struct private_file *file);

/** struct private_object - one object of a pattern: the plugin or a library that it needs */
struct private_object {
	char *path;
	int fd;                     /* its bytes as they were read, in a file of ours */
	const unsigned char *bytes; /* the same, mapped */
	size_t size;
	struct elf_object elf;
	bool shared; /* known, but not to be copied */
};

/** private_object_read - read and check the object at the absolute @path; on failure nothing is left of @obj */
int private_object_read(const char *path, struct private_object *obj);

void private_object_drop(struct private_object *obj);

#endif
