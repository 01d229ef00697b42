/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * arguments.h - what is wrong with the memory that a call is given, for functions that stand in for system calls.
 *
 * Only what can never be memory is found: NULL and the first page, and addresses of the kernel. Others are as bad for
 * us as for any function of a library, or come to the kernel, which knows. Needs nothing else of usock: the client of
 * served stacks (src/remote) uses it as well.
 */
#ifndef USOCK_ARGUMENTS_H
#define USOCK_ARGUMENTS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define IOTH__LEN_MAX 0x7ffff000UL /* MAX_RW_COUNT of Linux with pages of 4 KiB */
#define IOTH__PIECES_MAX 1024      /* UIO_MAXIOV */

/** ioth__bad - is this no memory of the program: EFAULT */
static inline bool ioth__bad(const void *address, size_t len)
{
	return len > 0 && ((uintptr_t)address < 4096 || (intptr_t)address < 0);
}

/**
 * ioth__pieces - the bytes of an iovec array in all, cut as Linux does
 * @too_many: what a longer array than UIO_MAXIOV is: a negative errno, different from call to call
 * @touched: they will be read or written
 *
 * -EINVAL for a length that is none, -EFAULT, or @too_many.
 */
static inline ssize_t ioth__pieces(const struct iovec *piece, size_t count, int too_many, bool touched)
{
	size_t total = 0;

	if (count > IOTH__PIECES_MAX)
		return too_many;
	if (ioth__bad(piece, count))
		return -EFAULT;
	for (size_t i = 0; i < count; i++) {
		if ((ssize_t)piece[i].iov_len < 0)
			return -EINVAL;
		if (touched && ioth__bad(piece[i].iov_base, piece[i].iov_len))
			return -EFAULT;
		total += piece[i].iov_len < IOTH__LEN_MAX - total ? piece[i].iov_len : IOTH__LEN_MAX - total;
	}
	return (ssize_t)total;
}

#endif
