/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config.c - options from a file. */
#include "config.h"
#include "command.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** trim - @text without the blanks around it, changed in place */
static char *trim(char *text)
{
	size_t len;

	while (isspace((unsigned char)*text))
		text++;
	len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	return text;
}

int config_read(const char *command, const char *path, int (*option)(void *arg, const char *name, const char *value),
                void *arg)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	int result = 0;

	if (file == NULL)
		return usage_error(command, "%s cannot be read: %s", path, strerror(errno));
	for (unsigned int number = 1; result == 0 && getline(&line, &room, file) >= 0; number++) {
		char *name = trim(line), *equals = strchr(name, '=');

		if (*name == '\0' || *name == '#' || *name == ';' || *name == '[')
			continue;
		if (equals == NULL || equals == name) {
			result =
			        usage_error(command, "%s:%u: '%s' is not of the form name = value", path, number, name);
			continue;
		}
		*equals = '\0';
		/* The texts are kept, and the next line is read into the buffer of this one. */
		result = option(arg, trim(name), trim(equals + 1));
		if (result == 0)
			line = NULL, room = 0;
		else
			complain(command, NULL, "that was line %u of %s", number, path);
	}
	free(line);
	fclose(file);
	return result;
}
