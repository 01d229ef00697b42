/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config.h - options from a file. */
#ifndef TOOL_CONFIG_H
#define TOOL_CONFIG_H

/**
 * config_read - give every "name = value" of a file to @option, in its order
 * @option: returns 0, or the exit status of a complaint it has made, which ends the reading; both texts stay for ever
 *
 * Empty lines, comments (from # or ; at the beginning of a line) and titles in brackets are passed over. Returns 0,
 * what @option returned, or STATUS_USAGE after a complaint about the file in the name of @command.
 */
int config_read(const char *command, const char *path, int (*option)(void *arg, const char *name, const char *value),
                void *arg);

#endif
