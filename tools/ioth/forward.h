/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* forward.h - ports of the host that lead to a stack. */
#ifndef TOOL_FORWARD_H
#define TOOL_FORWARD_H

#include <ioth.h>
#include <netinet/in.h>
#include <stdbool.h>

#define FORWARD_MAX 32

/** struct forward_rule - a port of the host, and the port of the stack to which it leads */
struct forward_rule {
	char host[INET6_ADDRSTRLEN]; /* an address of the host; "": the loopback, "*": all */
	in_port_t from, to;          /* host byte order; from 0: one that is free */
};

/** forward_parse - [ADDRESS:]HOSTPORT:STACKPORT, the address of IPv6 in brackets, or *; false: it is none of that */
bool forward_parse(const char *text, struct forward_rule *rule);

struct forward;

/**
 * forward_start - listen on the host, and carry what comes to the stack, in a thread
 *
 * NULL after a complaint in the name of @command. A port that was chosen is told on standard error.
 */
struct forward *forward_start(const char *command, struct ioth *stack, const struct forward_rule *rules,
                              unsigned int count);

/**
 * forward_stop - take no more connections, and end
 * @seconds: that connections may take, at most, to bring to the host what the stack has sent
 */
void forward_stop(struct forward *forward, int seconds);

#endif
