/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* relay.h - bytes between a socket of a stack and two descriptors of the host. */
#ifndef TOOL_RELAY_H
#define TOOL_RELAY_H

#include <stdbool.h>

/**
 * relay - copy from @in to the socket, and from the socket to @out, till both have ended
 * @datagrams: the socket has no end of file: stop when @in has ended and nothing has come for a second
 *
 * An end of @in becomes a half close of the socket. Returns 0, or a negative errno with *@what: what failed.
 */
int relay(int sock, int in, int out, bool datagrams, const char **what);

#endif
