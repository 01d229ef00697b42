/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_private.c - private copies of shared objects: what is private in them, what is shared, and that they go.
 *
 * The objects are those of tests/plugins. This program exports two symbols that ioth_clash.so exports as well, and two
 * functions that the constructor and the destructor of ioth_hooked.so call.
 */
#include "private_copies.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "left.h"

#define EXPORT __attribute__((visibility("default")))

static const char *const counters[] = {"tangle_static", "tangle_exported", "tangle_pointed",
                                       "tangle_a",      "tangle_b",        "tangle_thread"};

/* Not the last one under sanitizers: theirs looks for leaks in thread-local memory of objects that are gone, and
 * crashes. */
#define COUNTERS (sizeof(counters) / sizeof(*counters) - SANITIZED)

static struct left before;

static int remember(void **state)
{
	(void)state;
	return left_count(&before);
}

/** nothing_left - teardown of each test: no descriptor, no thread, no mapping of a copy */
static int nothing_left(void **state)
{
	char text[512];
	int plugins;

	(void)state;
	unsetenv("IOTH_PRIVATE");
	if (left_since(&before, text, sizeof(text)) != 0) {
		print_error("left: %s\n", text);
		return -1;
	}
	/* Unique symbols keep an object in memory for ever, here the one that was opened in the ordinary way. */
	plugins = mappings(PLUGINS) - mappings("ioth_unique.so");
	if (mappings("memfd:") != 0 || plugins != 0) {
		print_error("left: %d mappings of copies, %d of plugins\n", mappings("memfd:"), plugins);
		return -1;
	}
	return 0;
}

static void each_copy_has_its_own_state(void **state)
{
	struct private_copy *copy[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		copy[i] = open_plugin("ioth_tangle.so");
	for (int round = 1; round <= 3; round++)
		for (int i = 0; i < 3; i++)
			for (size_t j = 0; j < COUNTERS; j++)
				assert_int_equal(call(copy[i], counters[j]), round);
	for (int i = 0; i < 3; i++) {
		/* The libraries' counters went on to 3; what calls them through each other must find the same ones. */
		assert_int_equal(call(copy[i], "tangle_via_a"), 4);
		assert_int_equal(call(copy[i], "tangle_b"), 5);
		assert_int_equal(call(copy[i], "tangle_via_b"), 4);
		assert_int_equal(call(copy[i], "tangle_constructed"), 1);
		ioth__private_close(copy[i]);
	}
}

static void a_later_copy_starts_anew(void **state)
{
	struct private_copy *first = open_plugin("ioth_tangle.so"), *second;

	(void)state;
	for (size_t j = 0; j < COUNTERS; j++)
		assert_int_equal(call(first, counters[j]), 1);
	ioth__private_close(first);
	second = open_plugin("ioth_tangle.so");
	for (size_t j = 0; j < COUNTERS; j++)
		assert_int_equal(call(second, counters[j]), 1);
	ioth__private_close(second);
}

/** unique_symbols_are_not_shared - and do not keep the copies in memory, only the pattern, once */
static void unique_symbols_are_not_shared(void **state)
{
	int maps = 0;

	(void)state;
	for (int round = 0; round < 3; round++) {
		struct private_copy *copy[2] = {open_plugin("ioth_unique.so"), open_plugin("ioth_unique.so")};

		assert_int_equal(call(copy[0], "unique_next"), 1);
		assert_int_equal(call(copy[0], "unique_next"), 2);
		assert_int_equal(call(copy[1], "unique_next"), 1);
		ioth__private_close(copy[0]);
		ioth__private_close(copy[1]);
		assert_int_equal(mappings("memfd:"), 0);
		if (round == 0)
			maps = mappings(PLUGINS);
		assert_int_equal(mappings(PLUGINS), maps);
	}
}

/** a_plugin_overrides_its_library - the order in which symbols are searched inside a set is the ordinary one */
static void a_plugin_overrides_its_library(void **state)
{
	struct private_copy *copy = open_plugin("ioth_tangle.so");

	(void)state;
	assert_int_equal(call(copy, "tangle_hook_of_b"), 1);
	ioth__private_close(copy);
}

static void the_c_library_is_shared(void **state)
{
	struct private_copy *copy = open_plugin("ioth_old01.so");

	(void)state;
	assert_null(ioth__private_errno(copy));
	assert_ptr_equal(ioth__private_sym(copy, "environ"), dlsym(RTLD_DEFAULT, "environ"));
	ioth__private_close(copy);
}

/** the_engine_of_a_reentrant_plugin_is_not_taken - what is loaded in the ordinary way is not what the copies get */
static void the_engine_of_a_reentrant_plugin_is_not_taken(void **state)
{
	void *engine = dlopen(plugin_path("libold01engine.so"), RTLD_NOW | RTLD_LOCAL), *started;
	struct private_copy *copy;
	void *(*start)(void);

	(void)state;
	assert_non_null(engine);
	started = dlsym(engine, "old01_start");
	copy = open_plugin("ioth_old01.so");
	assert_ptr_not_equal(ioth__private_sym(copy, "old01_start"), started);
	/* It was started once, so a second start of the same variables would be refused. */
	memcpy(&start, &started, sizeof(start));
	assert_non_null(start());
	assert_null(start());
	started = ioth__private_sym(copy, "old01_start");
	memcpy(&start, &started, sizeof(start));
	assert_non_null(start());
	ioth__private_close(copy);
	dlclose(engine);
	/* And the other way round: a library loaded by name later is not the copy's. */
	copy = open_plugin("ioth_old01.so");
	engine = dlopen(plugin_path("libold01engine.so"), RTLD_NOW | RTLD_LOCAL);
	assert_non_null(engine);
	assert_ptr_not_equal(dlsym(engine, "old01_start"), ioth__private_sym(copy, "old01_start"));
	dlclose(engine);
	ioth__private_close(copy);
}

/** inode_at - inode of the file that is mapped at an address */
static unsigned long inode_at(const void *addr)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned long from, to, inode = 0, found = 0;
	char line[PATH_MAX + 128];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%lx-%lx %*s %*s %*s %lu", &from, &to, &inode) == 3 && (uintptr_t)addr >= from &&
		    (uintptr_t)addr < to)
			found = inode;
	fclose(file);
	return found;
}

/** what_nobody_writes_is_in_memory_once - large constant tables come from one file, variables from another */
static void what_nobody_writes_is_in_memory_once(void **state)
{
	struct private_copy *copy[2] = {open_plugin("ioth_tangle.so"), open_plugin("ioth_tangle.so")};
	unsigned long table[2], counter[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		const unsigned int *words = ioth__private_sym(copy[i], "tangle_table");

		assert_non_null(words);
		assert_int_equal(words[0], 1);
		assert_int_equal(words[32767], 4);
		table[i] = inode_at(words + 16384);
		counter[i] = inode_at(ioth__private_sym(copy[i], "tangle_counter"));
	}
	assert_int_not_equal(table[0], 0);
	assert_int_equal(table[0], table[1]);
	assert_true(counter[0] != counter[1] || counter[0] == 0);
	ioth__private_close(copy[0]);
	ioth__private_close(copy[1]);
}

static void a_thousand_copies(void **state)
{
	enum { COPIES = 1000 };
	struct private_copy **copy = calloc(COPIES, sizeof(*copy));

	(void)state;
	assert_non_null(copy);
	for (int i = 0; i < COPIES; i++) {
		copy[i] = open_plugin("ioth_tangle.so");
		for (int round = 1; round <= i % 7; round++)
			assert_int_equal(call(copy[i], "tangle_a"), round);
	}
	for (int i = 0; i < COPIES; i++) {
		assert_int_equal(call(copy[i], "tangle_a"), i % 7 + 1);
		assert_int_equal(call(copy[i], "tangle_static"), 1);
	}
	/* Half of them in the order of making, half backwards. */
	for (int i = 0; i < COPIES; i += 2)
		ioth__private_close(copy[i]);
	for (int i = COPIES - 1; i > 0; i -= 2)
		ioth__private_close(copy[i]);
	free(copy);
}

static void copies_leave_nothing(void **state)
{
	size_t used = 0;
	int maps = 0;

	(void)state;
	for (int i = 0; i < 400; i++) {
		struct private_copy *copy[2] = {open_plugin("ioth_old01.so"), open_plugin("ioth_tangle.so")};

		ioth__private_close(copy[i & 1]);
		ioth__private_close(copy[~i & 1]);
		/* The dynamic linker keeps some memory for its next use, more when it was used more. */
		if (i == 99) {
			used = mallinfo2().uordblks;
			maps = mappings("");
		}
	}
	assert_in_range(mappings(""), 0, maps);
	assert_in_range(mallinfo2().uordblks, 0, used + 32768);
}

/* Exported, and so found before those of ioth_clash.so, if nobody takes care. */
EXPORT extern int clash_counter;
EXPORT int clash_step(void);
EXPORT void loader_constructed(void);
EXPORT void loader_destroyed(void);

int clash_counter = 1000;

int clash_step(void)
{
	return 100;
}

static void symbols_of_the_program_do_not_get_in_the_way(void **state)
{
	struct private_copy *copy[3];

	(void)state;
	assert_ptr_equal(dlsym(RTLD_DEFAULT, "clash_counter"), &clash_counter);
	for (int i = 0; i < 3; i++)
		copy[i] = open_plugin("ioth_clash.so");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(call(copy[i], "clash_next"), 1);
		assert_int_equal(call(copy[i], "clash_next"), 2);
		/* A sanitizer forbids RTLD_DEEPBIND, and the copies are in linker namespaces. */
		if (!SANITIZED)
			assert_null(ioth__private_errno(copy[i]));
	}
	assert_int_equal(clash_counter, 1000);
	for (int i = 0; i < 3; i++)
		ioth__private_close(copy[i]);
}

static int constructed, destroyed, nested;

void loader_constructed(void)
{
	struct private_copy *copy;

	constructed++;
	/* Once, or each copy would ask for one more. */
	if (nested > 0)
		return;
	nested++;
	copy = open_plugin("ioth_hooked.so");
	assert_int_equal(call(copy, "hooked_next"), 1);
	ioth__private_close(copy);
	nested--;
}

void loader_destroyed(void)
{
	destroyed++;
}

static void constructors_may_open_copies(void **state)
{
	struct private_copy *copy;

	(void)state;
	constructed = destroyed = 0;
	copy = open_plugin("ioth_hooked.so");
	assert_int_equal(call(copy, "hooked_next"), 1);
	ioth__private_close(copy);
	/* The pattern, the copy, and what each of these two opens inside. */
	assert_in_range(constructed, 4, 6);
	assert_int_equal(destroyed, constructed);
}

/** fail_in - call tangle_fail of a copy */
static void fail_in(struct private_copy *copy, int number)
{
	void *symbol = ioth__private_sym(copy, "tangle_fail");
	void (*function)(int);

	assert_non_null(symbol);
	memcpy(&function, &symbol, sizeof(function));
	function(number);
}

static void *errno_of_thread(void *copy)
{
	int *theirs = ioth__private_errno(copy);

	fail_in(copy, EDOM);
	return theirs != NULL && *theirs == EDOM ? theirs : NULL;
}

/** a_namespace_has_its_own_errno - one for each thread, as any C library */
static void a_namespace_has_its_own_errno(void **state)
{
	struct private_copy *copy[2];
	pthread_t thread;
	void *theirs;

	(void)state;
	setenv("IOTH_PRIVATE", "namespace", 1);
	copy[0] = open_plugin("ioth_tangle.so");
	copy[1] = open_plugin("ioth_tangle.so");
	for (int i = 0; i < 2; i++) {
		assert_non_null(ioth__private_errno(copy[i]));
		assert_ptr_not_equal(ioth__private_errno(copy[i]), &errno);
		errno = 0;
		fail_in(copy[i], ERANGE + i);
		assert_int_equal(errno, 0);
	}
	assert_int_equal(*ioth__private_errno(copy[0]), ERANGE);
	assert_int_equal(*ioth__private_errno(copy[1]), ERANGE + 1);
	assert_int_equal(pthread_create(&thread, NULL, errno_of_thread, copy[0]), 0);
	assert_int_equal(pthread_join(thread, &theirs), 0);
	assert_non_null(theirs);
	assert_int_equal(*ioth__private_errno(copy[0]), ERANGE);
	ioth__private_close(copy[0]);
	ioth__private_close(copy[1]);
}

/** namespaces_run_out_and_copies_go_on - when the environment asks for them first */
static void namespaces_run_out_and_copies_go_on(void **state)
{
	enum { COPIES = 24 };
	struct private_copy *copy[COPIES];
	int namespaces = 0;

	(void)state;
	setenv("IOTH_PRIVATE", "namespace", 1);
	for (int i = 0; i < COPIES; i++) {
		copy[i] = open_plugin("ioth_tangle.so");
		namespaces += ioth__private_errno(copy[i]) != NULL;
	}
	assert_in_range(namespaces, 1, COPIES - 1);
	for (int i = 0; i < COPIES; i++)
		for (size_t j = 0; j < COUNTERS; j++)
			assert_int_equal(call(copy[i], counters[j]), 1);
	for (int i = 0; i < COPIES; i++)
		ioth__private_close(copy[i]);
}

static void *open_and_close(void *path)
{
	for (int i = 0; i < 30; i++) {
		struct private_copy *copy[2];

		for (int j = 0; j < 2; j++)
			if (ioth__private_open(path, &copy[j]) < 0)
				return (void *)1;
		for (int j = 0; j < 2; j++)
			for (size_t k = 0; k < COUNTERS; k++)
				if (call(copy[j], counters[k]) != 1)
					return (void *)2;
		for (int j = 0; j < 2; j++)
			ioth__private_close(copy[j]);
	}
	return NULL;
}

static void threads_open_and_close_at_once(void **state)
{
	char path[PATH_MAX];
	pthread_t thread[6];

	(void)state;
	strcpy(path, plugin_path("ioth_tangle.so"));
	for (int i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, open_and_close, path), 0);
	for (int i = 0; i < 6; i++) {
		void *result;

		assert_int_equal(pthread_join(thread[i], &result), 0);
		assert_null(result);
	}
}

static void *nothing(void *arg)
{
	return arg;
}

/** first_thread - a sanitizer starts a thread of its own beside the first that a program makes; have it before counting
 */
static int first_thread(void **state)
{
	pthread_t thread;

	(void)state;
	return pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(each_copy_has_its_own_state, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(a_later_copy_starts_anew, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(unique_symbols_are_not_shared, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(a_plugin_overrides_its_library, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(the_c_library_is_shared, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(the_engine_of_a_reentrant_plugin_is_not_taken, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(what_nobody_writes_is_in_memory_once, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(a_thousand_copies, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(copies_leave_nothing, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(symbols_of_the_program_do_not_get_in_the_way, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(constructors_may_open_copies, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(a_namespace_has_its_own_errno, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(namespaces_run_out_and_copies_go_on, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(threads_open_and_close_at_once, remember, nothing_left),
	};

	return cmocka_run_group_tests_name("private", tests, first_thread, NULL);
}
