/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json.c - members of a JSON object on standard output. */
#include "json.h"

#include <stdio.h>

void json_string(const char *name, const char *text, const char *end)
{
	printf("\"%s\": ", name);
	if (text == NULL) {
		printf("null%s", end);
		return;
	}
	putchar('"');
	for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			printf("\\%c", *c);
		else if (*c < 32)
			printf("\\u%04x", *c);
		else
			putchar(*c);
	}
	printf("\"%s", end);
}

void json_bool(const char *name, bool value, const char *end)
{
	printf("\"%s\": %s%s", name, value ? "true" : "false", end);
}

void json_number(const char *name, double value, const char *end)
{
	printf("\"%s\": %.12g%s", name, value, end);
}
