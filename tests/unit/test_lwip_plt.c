/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_lwip_plt.c - redirecting the calls of a loaded object: one with its tables read-only and one without.
 */
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../../plugins/lwip/plt.h"

typedef int function(int value);

static void *handle;
static function *outer;
static function *(*address_of)(void);

static int twice(int value)
{
	return value * 2;
}

static int setup(void **state)
{
	void *symbol;

	handle = dlopen(*state, RTLD_LAZY | RTLD_LOCAL);
	if (!handle)
		return -1;
	symbol = dlsym(handle, "plt_outer");
	memcpy(&outer, &symbol, sizeof(symbol));
	symbol = dlsym(handle, "plt_address");
	memcpy(&address_of, &symbol, sizeof(symbol));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return dlclose(handle);
}

/** writable - pages of an object that are, as /proc/self/maps shows them */
static unsigned int writable(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	unsigned int bytes = 0;
	char line[512];
	FILE *file = fopen("/proc/self/maps", "re");

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		unsigned long from, to;
		char prot[8];

		if (strstr(line, name) && sscanf(line, "%lx-%lx %7s", &from, &to, prot) == 3 && prot[1] == 'w')
			bytes += (unsigned int)(to - from);
	}
	fclose(file);
	return bytes;
}

static void test_replace(void **state)
{
	const struct plt_slot slots[] = {
	        {"plt_absent", (plt_function)twice, false},
	        {"plt_by_value", (plt_function)twice, true},
	        {"plt_inner", (plt_function)twice, true},
	};
	unsigned int before;
	void *inside;

	memcpy(&inside, &outer, sizeof(inside));
	assert_int_equal(outer(4), 50);
	assert_int_equal(address_of()(4), 6);
	before = writable(*state);
	assert_int_equal(plt_replace(inside, slots, 3, NULL), 0);
	assert_int_equal(outer(4), 80);
	assert_int_equal(address_of()(4), 8);
	/* What was read-only is again. */
	assert_int_equal(writable(*state), before);
}

static void test_missing(void **state)
{
	const struct plt_slot slots[] = {
	        {"plt_absent", (plt_function)twice, true},
	        {"plt_inner", (plt_function)twice, true},
	};
	const char *missing = NULL;
	void *inside;

	(void)state;
	memcpy(&inside, &outer, sizeof(inside));
	assert_int_equal(plt_replace(inside, slots, 2, &missing), -ENOENT);
	assert_string_equal(missing, "plt_absent");
	/* Nothing has been changed. */
	assert_int_equal(outer(4), 50);
}

static void test_nowhere(void **state)
{
	const struct plt_slot slot = {"plt_inner", (plt_function)twice, true};
	char local = 0;

	(void)state;
	assert_int_equal(plt_replace(&local, &slot, 1, NULL), -EINVAL);
}

/** test_others - the program's own calls, and those of other objects, stay */
static void test_others(void **state)
{
	const struct plt_slot slot = {"strlen", (plt_function)twice, false};
	void *inside;

	(void)state;
	memcpy(&inside, &outer, sizeof(inside));
	assert_int_equal(plt_replace(inside, &slot, 1, NULL), 0);
	assert_int_equal(strlen("four"), 4);
}

/** test_namespace - an object in a linker namespace of its own, as a private copy may be */
static void test_namespace(void **state)
{
	const struct plt_slot slot = {"plt_inner", (plt_function)twice, true};
	void *inside, *other;
	function *there;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip(); /* the object needs the sanitizer's library, of which there can be one only */
#endif
	other = dlmopen(LM_ID_NEWLM, *state, RTLD_NOW | RTLD_LOCAL);
	assert_non_null(other);
	inside = dlsym(other, "plt_outer");
	memcpy(&there, &inside, sizeof(inside));
	assert_int_equal(plt_replace(inside, &slot, 1, NULL), 0);
	assert_int_equal(there(4), 80);
	assert_int_equal(outer(4), 50);
	dlclose(other);
}

int main(void)
{
	static char now[] = PLT_NOW, lazy[] = PLT_LAZY;
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_prestate_setup_teardown(test_replace, setup, teardown, now),
	        cmocka_unit_test_prestate_setup_teardown(test_replace, setup, teardown, lazy),
	        cmocka_unit_test_prestate_setup_teardown(test_missing, setup, teardown, now),
	        cmocka_unit_test_prestate_setup_teardown(test_missing, setup, teardown, lazy),
	        cmocka_unit_test_prestate_setup_teardown(test_others, setup, teardown, now),
	        cmocka_unit_test_prestate_setup_teardown(test_namespace, setup, teardown, now),
	        cmocka_unit_test_prestate_setup_teardown(test_namespace, setup, teardown, lazy),
	        cmocka_unit_test_prestate_setup_teardown(test_nowhere, setup, teardown, now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
