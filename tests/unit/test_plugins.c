/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_plugins.c - which plugin is found, which is admitted, and what a program hears of one that is not.
 *
 * The plugins are those of tests/plugins; for the order of search their files are copied to directories of the test's
 * own.
 */
#include "private_copies.h"

#include <errno.h>
#include <fcntl.h>
#include <ioth.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "left.h"

static struct left before;
static char root[] = "/tmp/ioth-plugins-XXXXXX"; /* the home directory, with .ioth in it, and directories one and two */

static int remember(void **state)
{
	(void)state;
	setenv("IOTH_PLUGIN_PATH", PLUGINS, 1);
	setenv("HOME", root, 1);
	ioth_set_license(NULL);
	return left_count(&before);
}

static int nothing_left(void **state)
{
	char text[512];

	(void)state;
	if (left_since(&before, text, sizeof(text)) == 0 && mappings("memfd:") == 0)
		return 0;
	print_error("left: %s, %d mappings of copies\n", text, mappings("memfd:"));
	return -1;
}

/** struct hearing - what is written to standard error meanwhile */
struct hearing {
	int saved, file;
};

static struct hearing listen_to_stderr(void)
{
	struct hearing hearing = {.saved = fcntl(2, F_DUPFD_CLOEXEC, 3), .file = memfd_create("stderr", MFD_CLOEXEC)};

	assert_true(hearing.saved >= 0 && hearing.file >= 0);
	fflush(stderr);
	assert_int_equal(dup2(hearing.file, 2), 2);
	return hearing;
}

/** heard - restore standard error; the text that came, and how many lines it was */
static int heard(struct hearing *hearing, char *text, size_t size)
{
	ssize_t len;
	int lines = 0;

	fflush(stderr);
	assert_int_equal(dup2(hearing->saved, 2), 2);
	close(hearing->saved);
	len = pread(hearing->file, text, size - 1, 0);
	assert_true(len >= 0);
	text[len] = '\0';
	close(hearing->file);
	for (ssize_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	return lines;
}

/** refused - make a stack that cannot be made: errno @error, and on standard error one line with @word, or none for
 * NULL */
static void refused(const char *name, int error, const char *word)
{
	struct hearing hearing = listen_to_stderr();
	struct ioth *stack;
	char text[2048];
	int lines, got;

	errno = 0;
	stack = ioth_newstack(name, NULL);
	got = errno;
	lines = heard(&hearing, text, sizeof(text));
	if (stack)
		fail_msg("%s: was made", name);
	if (got != error)
		fail_msg("%s: %s instead of %s", name, strerror(got), strerror(error));
	if (word ? lines != 1 || !strstr(text, word) : lines != 0)
		fail_msg("%s: it is said \"%s\"", name, text);
}

static void plugins_that_cannot_be_used(void **state)
{
	static const struct {
		const char *name, *word;
		int error;
	} cases[] = {
	        {"absent", NULL, ENOTSUP},
	        {"noentry", "ioth_noentry_newstack", ENOTSUP},
	        {"garbage", "ioth_garbage-r.so", ENOTSUP},
	        {"garbage2", "not an ELF file", ENOTSUP},
	        {"broken", "function_that_is_nowhere", ENOTSUP},
	        {"filter", "filter", ENOTSUP},
	        {"tangle", "ioth_tangle_newstack", ENOTSUP},
	        {"halfway", NULL, ENOSPC},
	        {"halfway,with=option", NULL, ENOSPC},
	        {"errnoplug,new=74", NULL, EBADMSG},
	        {"gplonly", "GPL-3.0-only", EPERM},
	        {"gplcopy", "GPL-3.0-only", EPERM},
	};
	int plugins = 0;

	(void)state;
	for (int round = 0; round < 10; round++) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
			refused(cases[i].name, cases[i].error, cases[i].word);
		assert_int_equal(mappings("memfd:"), 0);
		/* Re-entrant plugins stay in memory once they were loaded. */
		if (round == 0)
			plugins = mappings(PLUGINS);
		assert_int_equal(mappings(PLUGINS), plugins);
	}
}

static void names_that_are_none(void **state)
{
	char name[400];

	(void)state;
	refused(",option", EINVAL, NULL);
	refused(" old01", EINVAL, NULL);
	refused("old01 ", EINVAL, NULL);
	refused("old-01", EINVAL, NULL);
	refused("../plugins/ioth_old01", EINVAL, NULL);
	refused("old01.so", EINVAL, NULL);
	refused("old\xc3\xa9", EINVAL, NULL);
	for (size_t len = 60; len < sizeof(name); len += 13) {
		memset(name, 'a', len);
		name[len] = '\0';
		refused(name, ENOTSUP, NULL);
	}
}

/** admitted - can a stack of the plugin be made? */
static bool admitted(const char *plugin)
{
	struct hearing hearing = listen_to_stderr();
	struct ioth *stack = ioth_newstack(plugin, NULL);
	int error = errno;
	char text[2048];

	heard(&hearing, text, sizeof(text));
	if (!stack) {
		assert_int_equal(error, EPERM);
		return false;
	}
	assert_int_equal(ioth_delstack(stack), 0);
	return true;
}

static void licences(void **state)
{
	static const struct {
		const char *program;
		bool gpl2, gpl3;
	} cases[] = {
	        {NULL, false, false},
	        {"", false, false},
	        {"MIT", false, false},
	        {"LGPL-2.1-or-later", false, false},
	        {"Proprietary", false, false},
	        {"GPL", false, false},
	        {"GPL-2.0-only", true, false},
	        {"GPL-2.0-or-later", true, true},
	        {"GPL-3.0-only", false, true},
	        {"GPL-3.0-or-later", false, true},
	        {"GPL-2.0-only OR GPL-3.0-only", true, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ioth_set_license(cases[i].program);
		if (admitted("gpl2only") != cases[i].gpl2 || admitted("gplonly") != cases[i].gpl3 ||
		    admitted("gplcopy") != cases[i].gpl3)
			fail_msg("program under %s", cases[i].program ? cases[i].program : "nothing");
		assert_true(admitted("permissive"));
		assert_true(admitted("old01"));
		/* It states none. */
		assert_true(admitted("errnoplug"));
	}
}

static void copy_file(const char *from, const char *to, mode_t mode)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	char buf[65536];
	ssize_t len;

	if (in < 0 || out < 0)
		fail_msg("%s to %s: %s", from, to, strerror(errno));
	while ((len = read(in, buf, sizeof(buf))) > 0)
		assert_int_equal(write(out, buf, (size_t)len), len);
	close(in);
	close(out);
}

static char *under_root(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void the_order_of_search(void **state)
{
	char list[2 * PATH_MAX];

	(void)state;
	copy_file(plugin_path("ioth_where1.so"), under_root("one/ioth_where.so"), 0755);
	copy_file(plugin_path("ioth_where2.so"), under_root("two/ioth_where.so"), 0755);
	copy_file(plugin_path("ioth_where3.so"), under_root(".ioth/ioth_where.so"), 0755);
	snprintf(list, sizeof(list), "/nonexistent::%s/one:%s/two:", root, root);
	setenv("IOTH_PLUGIN_PATH", list, 1);
	refused("where", 1, NULL);
	snprintf(list, sizeof(list), "%s/two:%s/one", root, root);
	setenv("IOTH_PLUGIN_PATH", list, 1);
	refused("where", 2, NULL);
	unlink(under_root("two/ioth_where.so"));
	refused("where", 1, NULL);
	unlink(under_root("one/ioth_where.so"));
	refused("where", 3, NULL);
	setenv("IOTH_PLUGIN_PATH", "", 1);
	refused("where", 3, NULL);
	unsetenv("IOTH_PLUGIN_PATH");
	refused("where", 3, NULL);
	setenv("HOME", "/nonexistent", 1);
	refused("where", ENOTSUP, NULL);
	unsetenv("HOME");
	refused("where", ENOTSUP, NULL);
	unlink(under_root(".ioth/ioth_where.so"));
}

static void reentrant_before_private(void **state)
{
	(void)state;
	setenv("IOTH_PLUGIN_PATH", under_root("one"), 1);
	copy_file(plugin_path("ioth_where1.so"), under_root("one/ioth_where.so"), 0755);
	copy_file(plugin_path("ioth_where2.so"), under_root("one/ioth_where-r.so"), 0755);
	refused("where", 2, NULL);
	unlink(under_root("one/ioth_where-r.so"));
	refused("where", 1, NULL);
	unlink(under_root("one/ioth_where.so"));
}

/** a_broken_plugin_hides_its_namesakes - or a program would run with something else than what was put there */
static void a_broken_plugin_hides_its_namesakes(void **state)
{
	char list[2 * PATH_MAX];

	(void)state;
	copy_file(plugin_path("ioth_garbage2.so"), under_root("one/ioth_where.so"), 0755);
	copy_file(plugin_path("ioth_where2.so"), under_root("two/ioth_where.so"), 0755);
	snprintf(list, sizeof(list), "%s/one:%s/two", root, root);
	setenv("IOTH_PLUGIN_PATH", list, 1);
	refused("where", ENOTSUP, "one/ioth_where.so");
	unlink(under_root("one/ioth_where.so"));
	unlink(under_root("two/ioth_where.so"));
}

/** run_child - run @function in a child; its exit status */
static int run_child(int (*function)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0)
		_exit(function());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/** unreadable - the child's part: 0 when the plugin is refused with one line, 77 when this user may read anything */
static int unreadable(void)
{
	struct ioth *stack;

	if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		return 77;
	for (int i = 0; i < 2; i++) {
		struct hearing hearing = listen_to_stderr();
		char text[2048];
		int lines;

		errno = 0;
		stack = ioth_newstack(i == 0 ? "where" : "permissive", NULL);
		lines = heard(&hearing, text, sizeof(text));
		if (stack || errno != ENOTSUP || lines != 1 || !strstr(text, "Permission denied"))
			return 1;
	}
	return 0;
}

static void plugins_that_may_not_be_read(void **state)
{
	int status;

	(void)state;
	copy_file(plugin_path("ioth_where1.so"), under_root("one/ioth_where.so"), 0);
	copy_file(plugin_path("ioth_permissive-r.so"), under_root("one/ioth_permissive-r.so"), 0);
	setenv("IOTH_PLUGIN_PATH", under_root("one"), 1);
	status = run_child(unreadable);
	unlink(under_root("one/ioth_where.so"));
	unlink(under_root("one/ioth_permissive-r.so"));
	if (status == 77) {
		print_message("root here, and no other user to become\n");
		skip();
	}
	assert_int_equal(status, 0);
}

/** map_one - map one user or group of a user namespace to 0; 0 or -1 */
static int map_one(const char *path, unsigned int number)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return -1;
	fprintf(file, "0 %u 1", number);
	return fclose(file);
}

/** deny_setgroups - without it a group cannot be mapped */
static int deny_setgroups(void)
{
	FILE *file = fopen("/proc/self/setgroups", "we");

	if (!file)
		return -1;
	fputs("deny", file);
	return fclose(file);
}

/** own_mounts - a mount namespace for this process alone; 0, or -1 when it may not have one */
static int own_mounts(void)
{
	uid_t user = geteuid();
	gid_t group = getegid();

	if (unshare(user == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) < 0)
		return -1;
	if (user != 0 && (deny_setgroups() < 0 || map_one("/proc/self/uid_map", user) < 0 ||
	                  map_one("/proc/self/gid_map", group) < 0))
		return -1;
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/** in_system_directory - the child's part, with a system directory of its own; 77 when it cannot have one */
static int in_system_directory(void)
{
	char path[PATH_MAX] = PLUGINDIR, *slash;
	struct stat st;
	size_t there = 0;

	/* The deepest directory on the way that exists gets an empty file system on top of it. */
	for (slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (stat(path, &st) == 0)
			there = (size_t)(slash - path);
		*slash = '/';
	}
	if (there == 0 || own_mounts() < 0)
		return 77;
	path[there] = '\0';
	if (mount("ioth", path, "tmpfs", 0, NULL) < 0)
		return 77;
	for (size_t i = there; i < sizeof(PLUGINDIR); i++) {
		path[i] = '\0';
		if ((PLUGINDIR[i] == '/' || PLUGINDIR[i] == '\0') && mkdir(path, 0755) < 0 && errno != EEXIST)
			return 2;
		path[i] = PLUGINDIR[i];
	}
	strcat(path, "/ioth_where.so");
	copy_file(plugin_path("ioth_where1.so"), path, 0755);
	setenv("IOTH_PLUGIN_PATH", "/nonexistent", 1);
	errno = 0;
	return !ioth_newstack("where", NULL) && errno == 1 ? 0 : 3;
}

static void the_system_directory_comes_last(void **state)
{
	int status = run_child(in_system_directory);

	(void)state;
	if (status == 77) {
		print_message("no mount namespace here, or nothing of %s is there\n", PLUGINDIR);
		skip();
	}
	assert_int_equal(status, 0);
}

/** run_program - exit status of a program */
static int run_program(const char *path)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void secure_execution_looks_at_the_system_only(void **state)
{
	int plain, secure;

	(void)state;
	if (geteuid() != 0) {
		print_message("only root can make a program set-user-ID for somebody else\n");
		skip();
	}
	/* Where the other user may read it, which is not certain of the build directory. */
	copy_file(plugin_path("ioth_permissive-r.so"), under_root("one/ioth_permissive-r.so"), 0755);
	copy_file(plugin_path("ioth_permissive-r.so"), under_root(".ioth/ioth_permissive-r.so"), 0755);
	copy_file(SECURE_PROBE, under_root("probe"), 0755);
	setenv("IOTH_PLUGIN_PATH", under_root("one"), 1);
	plain = run_program(under_root("probe"));
	if (chown(under_root("probe"), 65534, 65534) == 0)
		chmod(under_root("probe"), 06755);
	secure = run_program(under_root("probe"));
	unlink(under_root("one/ioth_permissive-r.so"));
	unlink(under_root(".ioth/ioth_permissive-r.so"));
	unlink(under_root("probe"));
	assert_int_equal(plain, 0);
	if (secure < 16) {
		print_message("the set-user-ID bit has no effect in /tmp\n");
		skip();
	}
	assert_int_equal(secure, 16 + 1);
}

/** few_descriptors - with any number of free descriptors a stack is made or EMFILE is said, and nothing is left */
static void few_descriptors(void **state)
{
	struct rlimit all, few;
	int failed = 0;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	for (;;) {
		int next = dup(0), error;
		struct ioth *stack;

		assert_true(next >= 0);
		close(next);
		few = (struct rlimit){.rlim_cur = (rlim_t)(next + failed), .rlim_max = all.rlim_max};
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		errno = 0;
		stack = ioth_newstack("old01", NULL);
		error = errno;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
		if (stack) {
			assert_int_equal(ioth_delstack(stack), 0);
			break;
		}
		assert_int_equal(error, EMFILE);
		assert_in_range(++failed, 1, 40);
	}
	assert_in_range(failed, 3, 40);
}

static int make_directories(void **state)
{
	(void)state;
	if (!mkdtemp(root) || chmod(root, 0755) < 0)
		return -1;
	return mkdir(under_root("one"), 0755) | mkdir(under_root("two"), 0755) | mkdir(under_root(".ioth"), 0755);
}

static int remove_directories(void **state)
{
	(void)state;
	return rmdir(under_root("one")) | rmdir(under_root("two")) | rmdir(under_root(".ioth")) | rmdir(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(plugins_that_cannot_be_used, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(names_that_are_none, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(licences, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(the_order_of_search, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(reentrant_before_private, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(a_broken_plugin_hides_its_namesakes, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(plugins_that_may_not_be_read, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(the_system_directory_comes_last, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(secure_execution_looks_at_the_system_only, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(few_descriptors, remember, nothing_left),
	};

	return cmocka_run_group_tests_name("plugins", tests, make_directories, remove_directories);
}
