/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json.h - members of a JSON object on standard output, each followed by @end. */
#ifndef TOOL_JSON_H
#define TOOL_JSON_H

#include <stdbool.h>

/** json_string - "name": "text", or null for NULL */
void json_string(const char *name, const char *text, const char *end);
void json_bool(const char *name, bool value, const char *end);
void json_number(const char *name, double value, const char *end);

#endif
