/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_licence.c - the licence rule, as the table in the manual says it, and expressions that are not one tag.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "plugin.h"

static const char *const plugins[] = {"GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later"};
static const char *const programs[] = {
        "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "GPL-2.0-only OR GPL-3.0-only", NULL,
        "MIT",
};
static const char matrix[4][7] = {"yynnynn", "yyyyynn", "nyyyynn", "nyyyynn"};

static void gpl_matrix(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		for (size_t j = 0; j < 7; j++)
			if (ioth__licence_admits(plugins[i], programs[j]) != (matrix[i][j] == 'y'))
				fail_msg("plugin %s in a program under %s: expected '%c'", plugins[i],
				         programs[j] != NULL ? programs[j] : "(nothing)", matrix[i][j]);
}

static const struct {
	const char *plugin, *program;
	bool admitted;
} cases[] = {
        /* without a requirement */
        {NULL, NULL, true},
        {"LGPL-2.1-or-later", NULL, true},
        {"LGPL-3.0-only", "GPL-2.0-only", true},
        {"MIT", NULL, true},
        {"BSD-3-Clause", "Proprietary", true},
        {"Apache-2.0", NULL, true},
        {"ISC AND BSD-2-Clause", NULL, true},
        /* a choice of licences */
        {"MIT OR GPL-3.0-only", NULL, true},
        {"GPL-2.0-only OR GPL-3.0-only", "GPL-3.0-only", true},
        {"GPL-3.0-only", "MIT OR GPL-3.0-or-later", true},
        {"GPL-3.0-only", "(MIT OR GPL-2.0-only) AND BSD-2-Clause", false},
        {"GPL-3.0-only", "(MIT OR GPL-3.0-only) AND BSD-2-Clause", true},
        /* several at once */
        {"MIT AND GPL-3.0-only", NULL, false},
        {"MIT AND GPL-3.0-only", "GPL-3.0-only", true},
        {"GPL-2.0-only AND GPL-3.0-only", "GPL-2.0-or-later", false},
        /* exceptions, deprecated tags, case */
        {"GPL-2.0-only WITH Linux-syscall-note", NULL, false},
        {"GPL-2.0-only WITH Linux-syscall-note", "GPL-2.0-only", true},
        {"GPL-2.0+", "GPL-3.0", true},
        {"gpl-2.0-ONLY", "GPL-2.0-only", true},
        /* in doubt, no */
        {"AGPL-3.0-only", "GPL-3.0-only", false},
        {"Proprietary", NULL, false},
        {"", NULL, false},
        {"GPL-3.0-only", "", false},
        {"MIT OR", NULL, false},
        {"MIT OR (GPL-3.0-only", NULL, false},
        {"MIT GPL-3.0-only", NULL, false},
        {")", NULL, false},
        {"GPL-2.0-only WITH", "GPL-2.0-only", false},
};

static void expressions(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (ioth__licence_admits(cases[i].plugin, cases[i].program) != cases[i].admitted)
			fail_msg("plugin '%s' in a program under '%s': expected %s",
			         cases[i].plugin != NULL ? cases[i].plugin : "(none)",
			         cases[i].program != NULL ? cases[i].program : "(nothing)",
			         cases[i].admitted ? "yes" : "no");
}

/** Parentheses nest only so deep: the reader recurses, and the text may come from anywhere. */
static void nesting(void **state)
{
	char text[20003];

	(void)state;
	memset(text, '(', 10000);
	memcpy(text + 10000, "MIT", 3);
	memset(text + 10003, ')', 10000 - 1);
	text[20002] = '\0';
	assert_false(ioth__licence_admits(text, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(gpl_matrix), cmocka_unit_test(expressions),
	                                   cmocka_unit_test(nesting)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
