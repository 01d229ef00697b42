/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * private_object.c - shared objects' files, read and written: what patterns and copies are made of (see private.c).
 *
 * An object is read once, into a memfd of ours, and checked. The plugin's own file may be replaced or overwritten
 * afterwards; copies are made from, and share their unwritten pages with, the bytes that were checked.
 *
 * A copy's file is a memfd too. The dynamic linker takes a path it has seen for the same object, so no path may be
 * used twice: a serial number is written into it with '/' and '/.', which change the text and not the meaning, and
 * behind it where in memory that number is kept, since a plugin may have this code as well, and another serial number.
 * Where there is no memfd or no /proc the file is a temporary one in a directory that allows execution.
 *
 * Threads: any; the only state is the serial number. The error text belongs to the thread.
 */
#include "private_object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "private.h"

#define ADDRESS_BITS (__SIZEOF_POINTER__ == 8 ? 48U : 29U) /* of a user space address, without the lowest three */
#define OBJECT_MAX (1L << 30)                              /* bytes of a shared object; more is a mistake */

static _Atomic unsigned long serial;
static _Thread_local char error_text[PRIVATE_ERROR];

int private_fail(int err, const char *format, ...)
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

/** memfd_path - a path that opens @fd and that was never used before */
static void memfd_path(int fd, char path[PRIVATE_PATH])
{
	int len = snprintf(path, PRIVATE_PATH, "/proc/self/fd");

	for (unsigned long n = atomic_fetch_add(&serial, 1) + 1; n > 0; n >>= 1)
		len += snprintf(path + len, (size_t)(PRIVATE_PATH - len), n & 1 ? "/." : "/");
	/* As many digits for any address, or a long serial could look like a short one with another address. */
	for (unsigned int bit = 0; bit < ADDRESS_BITS; bit++)
		len += snprintf(path + len, (size_t)(PRIVATE_PATH - len),
		                (uintptr_t)&serial >> (bit + 3) & 1 ? "/." : "/");
	if (len + 12 < PRIVATE_PATH)
		snprintf(path + len, (size_t)(PRIVATE_PATH - len), "/%d", fd);
}

/** temporary - a file in some directory that allows execution; -errno of the last one tried */
static int temporary(char path[PRIVATE_PATH])
{
	const char *const dirs[] = {secure_getenv("TMPDIR"), "/dev/shm", "/tmp", "/var/tmp"};
	int err = -EACCES;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		struct statvfs st;
		int fd, len;

		if (!dirs[i] || dirs[i][0] != '/' || statvfs(dirs[i], &st) < 0 || (st.f_flag & ST_NOEXEC))
			continue;
		len = snprintf(path, PRIVATE_PATH, "%s/ioth-%lu-XXXXXX", dirs[i], atomic_fetch_add(&serial, 1) + 1);
		if (len >= PRIVATE_PATH)
			continue;
		fd = mkostemp(path, O_CLOEXEC);
		if (fd >= 0)
			return fd;
		err = -errno;
	}
	return err;
}

int private_file_make(const char *name, struct private_file *file)
{
	const char *slash = strrchr(name, '/');
	struct stat st;

	*file = (struct private_file){.fd = -1};
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
		return private_fail(-errno, "no file for a private copy: %s", strerror(errno));
	}
	file->fd = temporary(file->path);
	if (file->fd < 0)
		return private_fail(file->fd, "no file for a private copy: %s", strerror(-file->fd));
	file->linked = true;
	return 0;
}

void private_file_drop(struct private_file *file)
{
	if (file->linked)
		unlink(file->path);
	if (file->fd >= 0)
		close(file->fd);
	free(file->bytes);
}

int private_file_write(int fd, const unsigned char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return private_fail(-errno, "cannot write a private copy: %s", strerror(errno));
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

void private_object_drop(struct private_object *obj)
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
		if (total > OBJECT_MAX)
			return -EFBIG;
		err = private_file_write(to, buf, (size_t)n);
		if (err < 0)
			return err;
	}
}

/** object_fill - take the bytes of @from into a file of ours and map them */
static int object_fill(struct private_object *obj, int from)
{
	struct private_file file;
	ssize_t size;
	void *bytes;
	int err = private_file_make(obj->path, &file);

	if (err < 0)
		return err;
	if (file.linked)
		unlink(file.path);
	obj->fd = file.fd;
	size = fill(from, obj->fd);
	if (size < 0)
		return private_fail((int)size, "%s: %s", obj->path, strerror((int)-size));
	if (size == 0)
		return private_fail(-ENOEXEC, "%s: empty file", obj->path);
	bytes = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, obj->fd, 0);
	if (bytes == MAP_FAILED)
		return private_fail(-errno, "%s: %s", obj->path, strerror(errno));
	obj->bytes = bytes;
	obj->size = (size_t)size;
	return 0;
}

int private_object_read(const char *path, struct private_object *obj)
{
	const char *why = "";
	struct stat st;
	int fd, err;

	*obj = (struct private_object){.fd = -1, .path = strdup(path)};
	if (!obj->path)
		return private_fail(-ENOMEM, "%s: %s", path, strerror(ENOMEM));
	/* O_NONBLOCK: the path may lead to a FIFO. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		err = private_fail(-errno, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		err = private_fail(-ENOEXEC, "%s: not a regular file", path);
	else
		err = object_fill(obj, fd);
	if (fd >= 0)
		close(fd);
	if (err == 0) {
		err = elfcopy_parse(obj->bytes, obj->size, &obj->elf, &why);
		if (err < 0)
			private_fail(err, "%s: %s", path, why);
	}
	if (err < 0)
		private_object_drop(obj);
	return err;
}
