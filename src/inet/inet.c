/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inet.c - the configuration of a stack as a whole.
 */
#include "private.h"

void inet_request_begin(struct inet *inet, uint32_t seq, uint32_t portid)
{
	inet->seq = seq;
	inet->portid = portid;
}

void inet_request_end(struct inet *inet)
{
	inet->seq = 0;
	inet->portid = 0;
}
