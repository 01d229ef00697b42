/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef IOTH_LWIP_ERR_H
#define IOTH_LWIP_ERR_H

#include <lwip/err.h>

/** lwip_errno - a negative errno, or 0, for what lwIP returned; -EIO for what it should not return */
int lwip_errno(err_t err);

#endif
