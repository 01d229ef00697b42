/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * err.c - lwIP's errors as errno: the one table.
 *
 * What ends a connection is told by the same codes, with a meaning of its own that depends on the state; see tcp_in.c.
 */
#include "err.h"

#include <errno.h>
#include <stddef.h>

static const int table[] = {
        [-ERR_OK] = 0,
        [-ERR_MEM] = ENOBUFS,
        [-ERR_BUF] = ENOBUFS,
        [-ERR_TIMEOUT] = ETIMEDOUT,
        [-ERR_RTE] = ENETUNREACH,
        [-ERR_INPROGRESS] = EINPROGRESS,
        [-ERR_VAL] = EINVAL,
        [-ERR_WOULDBLOCK] = EAGAIN,
        [-ERR_USE] = EADDRINUSE,
        [-ERR_ALREADY] = EALREADY,
        [-ERR_ISCONN] = EISCONN,
        [-ERR_CONN] = ENOTCONN,
        [-ERR_IF] = ENETDOWN,
        [-ERR_ABRT] = ECONNABORTED,
        [-ERR_RST] = ECONNRESET,
        [-ERR_CLSD] = ENOTCONN,
        [-ERR_ARG] = EINVAL,
};

int lwip_errno(err_t err)
{
	if (err > 0 || (size_t)-err >= sizeof(table) / sizeof(*table))
		return -EIO;
	return -table[-err];
}
