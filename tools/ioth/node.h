/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* node.h - what the commands that speak on a stack themselves have in common: making it, and writing addresses. */
#ifndef TOOL_NODE_H
#define TOOL_NODE_H

#include "setup.h"

#include <netinet/in.h>

#define NODE_ADDR_SIZE 64 /* of an address as text, with its port */

/** node_open - make the stack that the command line describes; NULL after a complaint in the name of @command */
struct ioth *node_open(const char *command, struct setup *setup);

/** node_hint - what a person can do when setup_open has failed with @error; NULL: nothing to add */
const char *node_hint(const struct setup *setup, int error);

/**
 * node_option - an option that is none of the command's own
 *
 * @opt is what getopt_long returned. Returns 0 when it was one of setup.h, otherwise the exit status after a complaint.
 */
int node_option(const char *command, struct setup *setup, int opt, char *argv[]);

/**
 * node_address - a numeric address and a port as a socket address
 * @host: NULL is any address, of @family
 * @port: NULL is 0
 * @family: AF_UNSPEC, or the only one that is wanted
 *
 * Names are not looked up: which server would be asked? Returns the length of the address, or 0 after a complaint.
 */
socklen_t node_address(const char *command, const char *host, const char *port, int family,
                       struct sockaddr_storage *out);

/** node_text - a socket address as text, "10.0.0.1:80" or "[fd00::1]:80"; without the port when it is 0 */
const char *node_text(const struct sockaddr_storage *addr, char *out);

/** node_number - @text as a number from @min to @max; 0 on success, otherwise STATUS_USAGE after a complaint about
 * @what */
int node_number(const char *command, const char *what, const char *text, double min, double max, double *out);

#endif
