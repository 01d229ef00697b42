/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cases.c - the list of cases.
 *
 * Every CASE registers itself from a constructor. The list is sorted by area, then by file and name, so that the order
 * does not depend on the linker, and a case with families becomes one row for each.
 */
#include "private.h"

#include <fnmatch.h>
#include <stdlib.h>

static struct conf_case *all;

void conf_register(struct conf_case *test)
{
	test->next = all;
	all = test;
}

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = strcmp(x->test->area, y->test->area);

	if (order == 0)
		order = strcmp(x->test->file, y->test->file);
	return order ? order : strcmp(x->name, y->name);
}

/** wanted - whether a case is selected: no pattern, or one that matches, or that its name contains */
static bool wanted(const char *name, char **patterns)
{
	if (patterns == NULL || *patterns == NULL)
		return true;
	for (; *patterns != NULL; patterns++)
		if (strstr(name, *patterns) != NULL || fnmatch(*patterns, name, 0) == 0)
			return true;
	return false;
}

/** add - one row, if it is wanted */
static int add(struct row *rows, int count, const struct conf_case *test, int family, char **patterns)
{
	struct row *row = &rows[count];

	memset(row, 0, sizeof(*row));
	row->test = test;
	row->family = family ? family : AF_INET;
	snprintf(row->name, sizeof(row->name), "%s.%s%s", test->area, test->name,
	         family == 0         ? ""
	         : family == AF_INET ? "/ipv4"
	                             : "/ipv6");
	return wanted(row->name, patterns) ? count + 1 : count;
}

int cases_select(char **patterns, struct row **rows)
{
	int room = 1, count = 0;

	for (const struct conf_case *test = all; test != NULL; test = test->next)
		room += 3;
	*rows = calloc((size_t)room, sizeof(**rows));
	if (*rows == NULL)
		return -ENOMEM;
	for (const struct conf_case *test = all; test != NULL; test = test->next) {
		if (test->families & CONF_ONCE)
			count = add(*rows, count, test, 0, patterns);
		if (test->families & CONF_IPV4)
			count = add(*rows, count, test, AF_INET, patterns);
		if (test->families & CONF_IPV6)
			count = add(*rows, count, test, AF_INET6, patterns);
	}
	qsort(*rows, (size_t)count, sizeof(**rows), compare);
	return count;
}

/** named - is @name the name of @stack, whose options may follow? A comma at its end: they do follow */
static bool named(const char *name, const char *stack)
{
	size_t len = strlen(name);

	if (strncmp(name, stack, len) != 0)
		return false;
	return (len > 0 && name[len - 1] == ',') || stack[len] == '\0' || stack[len] == ',';
}

/** limit_of_served - is a limit of @name one of @stack, which serves @engine? "remote" is of all that are served, what
 * ends with a plus of those that are served in this way, with a star of those of them whose sockets stay in the server */
static bool limit_of_served(const char *name, const char *stack, const char *engine)
{
	size_t len = strlen(name);

	if (len > 0 && name[len - 1] == '*') {
		if (named("vdestack", engine) || named("kernel", engine))
			return false;
		len--;
	}
	return (len == strlen("remote") && strncmp(name, "remote", len) == 0) ||
	       (len > 0 && name[len - 1] == '+' && strncmp(stack, name, len) == 0);
}

/** limit_of - is a limit of @name one of @stack? One of the engine is one of the stack that is served */
static bool limit_of(const char *name, const char *stack)
{
	const char *engine = served_engine(stack);
	const char *real = engine != NULL ? engine : stack;

	if (name[0] == '=')
		return named(name + 1, stack);
	if (name[0] == '!')
		return !named(name + 1, real);
	return named(name, real) || named(name, stack) || (engine != NULL && limit_of_served(name, stack, engine));
}

const char *cases_limit(const struct conf_case *test, const char *stack)
{
	for (size_t i = 0; i < sizeof(test->limit) / sizeof(test->limit[0]) && test->limit[i].stack; i++) {
		const char *name = test->limit[i].stack;

		if (limit_of(name, stack))
			return test->limit[i].reason;
	}
	return NULL;
}
