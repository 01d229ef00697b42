/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* message.c - what ioth says on standard error when something is wrong. */
#include "command.h"

#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 2, 0))) static void line(const char *command, const char *format, va_list args)
{
	fprintf(stderr, "ioth%s%s: ", *command ? " " : "", command);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

void complain(const char *command, const char *hint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line(command, format, args);
	va_end(args);
	if (hint)
		fprintf(stderr, "%s\n", hint);
}

int usage_error(const char *command, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line(command, format, args);
	va_end(args);
	fprintf(stderr, "'ioth%s%s --help' tells how it is used.\n", *command ? " " : "", command);
	return STATUS_USAGE;
}
