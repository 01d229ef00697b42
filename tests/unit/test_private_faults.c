/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_private_faults.c - private copies of what is not a shared object, of damaged ones, and in a process that has run
 * out of something.
 *
 * Each failure has to be a negative errno with a line of text, never a signal, and nothing may be left of it.
 */
#include "private_copies.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "left.h"

#if __SIZEOF_POINTER__ == 8
#define ELF(type) Elf64_##type
#else
#define ELF(type) Elf32_##type
#endif

static struct left before;
static char dir[] = "/tmp/ioth-faults-XXXXXX"; /* for the damaged files */
static char file_path[sizeof(dir) + 16];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	chmod(dir, 0755);
	snprintf(file_path, sizeof(file_path), "%s/object.so", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static int remember(void **state)
{
	(void)state;
	return left_count(&before);
}

static int nothing_left(void **state)
{
	char text[512];

	(void)state;
	unlink(file_path);
	if (left_since(&before, text, sizeof(text)) != 0 || mappings("memfd:") != 0 || mappings(PLUGINS) != 0) {
		print_error("left: %s, %d mappings of copies, %d of plugins\n", text, mappings("memfd:"),
		            mappings(PLUGINS));
		return -1;
	}
	return 0;
}

/** refused - open a file that cannot be opened; its error, which must come with a text that has @word in it */
static int refused(const char *path, const char *word)
{
	struct private_copy *copy = NULL;
	int err = ioth__private_open(path, &copy);

	if (err == 0)
		fail_msg("%s: was opened", path);
	assert_null(copy);
	if (!strstr(ioth__private_error(), word))
		fail_msg("%s: \"%s\" does not say \"%s\"", path, ioth__private_error(), word);
	return err;
}

/** struct bytes - a file in memory */
struct bytes {
	unsigned char *data;
	size_t size;
};

static struct bytes load(const char *name)
{
	int fd = open(plugin_path(name), O_RDONLY | O_CLOEXEC);
	struct bytes bytes;
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	bytes.size = (size_t)st.st_size;
	bytes.data = malloc(bytes.size);
	assert_non_null(bytes.data);
	assert_int_equal(read(fd, bytes.data, bytes.size), st.st_size);
	close(fd);
	return bytes;
}

/** store - write the first @size bytes to file_path, as a new file: the old one may be mapped */
static void store(const struct bytes *bytes, size_t size)
{
	int fd;

	unlink(file_path);
	fd = open(file_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes->data, size), (ssize_t)size);
	close(fd);
}

static void files_that_are_no_objects(void **state)
{
	struct bytes nothing = {0};

	(void)state;
	assert_int_equal(refused(plugin_path("ioth_garbage2.so"), "not an ELF file"), -ENOEXEC);
	assert_int_equal(refused(plugin_path("ioth_absent.so"), "ioth_absent.so"), -ENOENT);
	assert_int_equal(refused(PLUGINS, "not a regular file"), -ENOEXEC);
	assert_int_equal(refused("/dev/null", "not a regular file"), -ENOEXEC);
	assert_int_equal(refused("ioth_old01.so", "not a path"), -EINVAL);
	assert_int_equal(refused("", "not a path"), -EINVAL);
	store(&nothing, 0);
	assert_int_equal(refused(file_path, "empty"), -ENOEXEC);
	unlink(file_path);
	/* Nobody writes to it: an open that waits would wait for ever. */
	assert_int_equal(mkfifo(file_path, 0644), 0);
	assert_int_equal(refused(file_path, "not a regular file"), -ENOEXEC);
}

static void objects_that_cannot_be_loaded(void **state)
{
	(void)state;
	assert_int_equal(refused(plugin_path("ioth_broken.so"), "function_that_is_nowhere"), -ELIBACC);
	assert_int_equal(refused(plugin_path("ioth_filter.so"), "filter"), -ENOTSUP);
	setenv("IOTH_PRIVATE", "namespace", 1);
	assert_int_equal(refused(plugin_path("ioth_broken.so"), "function_that_is_nowhere"), -ELIBACC);
	assert_int_equal(refused(plugin_path("ioth_filter.so"), "filter"), -ENOTSUP);
	unsetenv("IOTH_PRIVATE");
}

static void a_library_is_missing(void **state)
{
	struct bytes plugin = load("ioth_old01.so");
	unsigned char *name;

	(void)state;
	/* The plugin asks for a name that no library has, whatever directories are searched. */
	while ((name = memmem(plugin.data, plugin.size, "libold01engine.so", 17)))
		memcpy(name, "libold01-gone.so", 17);
	store(&plugin, plugin.size);
	assert_int_equal(refused(file_path, "libold01-gone.so"), -ELIBACC);
	free(plugin.data);
}

static void a_file_that_may_not_be_read(void **state)
{
	struct bytes plugin = load("ioth_clash.so");
	uid_t user = geteuid();

	(void)state;
	store(&plugin, plugin.size);
	assert_int_equal(chmod(file_path, 0), 0);
	/* Root may read anything, and in a user namespace there may be nobody else. */
	if (user == 0 && seteuid(65534) < 0) {
		print_message("no other user here\n");
		free(plugin.data);
		skip();
	}
	assert_int_equal(refused(file_path, "Permission denied"), -EACCES);
	if (user == 0)
		assert_int_equal(seteuid(0), 0);
	free(plugin.data);
}

/** loaded_size - bytes of the file that its segments use; what follows may be missing */
static size_t loaded_size(const struct bytes *object)
{
	ELF(Ehdr) eh;
	ELF(Phdr) ph;
	size_t size = 0;

	memcpy(&eh, object->data, sizeof(eh));
	for (size_t i = 0; i < eh.e_phnum; i++) {
		memcpy(&ph, object->data + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_LOAD && ph.p_offset + ph.p_filesz > size)
			size = ph.p_offset + ph.p_filesz;
	}
	return size;
}

/** objects_cut_short - as by a full disk; the dynamic linker alone would kill the process with SIGBUS */
static void objects_cut_short(void **state)
{
	struct bytes plugin = load("ioth_clash.so");
	size_t size = loaded_size(&plugin);
	struct private_copy *copy;

	(void)state;
	assert_in_range(size, 4096, plugin.size);
	for (size_t cut = 1; cut < size; cut += cut < 200 || cut > size - 40 ? 1 : 97) {
		int err;

		store(&plugin, cut);
		err = refused(file_path, cut < sizeof(ELF(Ehdr)) ? "not an ELF file" : "damaged");
		assert_int_equal(err, cut < sizeof(ELF(Ehdr)) ? -ENOEXEC : -ELIBBAD);
	}
	/* The section headers and the debug information are not needed. */
	store(&plugin, size);
	assert_int_equal(ioth__private_open(file_path, &copy), 0);
	assert_int_equal(call(copy, "clash_next"), 1);
	ioth__private_close(copy);
	free(plugin.data);
}

static void objects_of_other_machines(void **state)
{
	struct bytes plugin = load("ioth_clash.so");
	unsigned char class = plugin.data[EI_CLASS], data = plugin.data[EI_DATA];
	ELF(Ehdr) eh;

	(void)state;
	plugin.data[EI_CLASS] = class == ELFCLASS64 ? ELFCLASS32 : ELFCLASS64;
	store(&plugin, plugin.size);
	assert_int_equal(refused(file_path, "machine"), -ENOEXEC);
	plugin.data[EI_CLASS] = class;
	plugin.data[EI_DATA] = data == ELFDATA2LSB ? ELFDATA2MSB : ELFDATA2LSB;
	store(&plugin, plugin.size);
	assert_int_equal(refused(file_path, "machine"), -ENOEXEC);
	plugin.data[EI_DATA] = data;
	memcpy(&eh, plugin.data, sizeof(eh));
	eh.e_machine = EM_68K;
	memcpy(plugin.data, &eh, sizeof(eh));
	store(&plugin, plugin.size);
	assert_int_equal(refused(file_path, "machine"), -ENOEXEC);
	free(plugin.data);
	assert_int_equal(refused("/proc/self/exe", ""), -ELIBACC);
}

static void an_object_without_dynamic_section(void **state)
{
	struct bytes plugin = load("ioth_clash.so");
	ELF(Ehdr) eh;
	ELF(Phdr) ph;

	(void)state;
	memcpy(&eh, plugin.data, sizeof(eh));
	for (size_t i = 0; i < eh.e_phnum; i++) {
		memcpy(&ph, plugin.data + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_DYNAMIC)
			ph.p_type = PT_NULL;
		memcpy(plugin.data + eh.e_phoff + i * sizeof(ph), &ph, sizeof(ph));
	}
	store(&plugin, plugin.size);
	assert_int_equal(refused(file_path, "no dynamic section"), -ELIBBAD);
	free(plugin.data);
}

/** a_replaced_file - copies go on from the bytes first read, till there are none; then the new file counts */
static void a_replaced_file(void **state)
{
	struct bytes old = load("ioth_clash.so"), new = load("ioth_hooked.so");
	struct private_copy *first, *second;

	(void)state;
	store(&old, old.size);
	assert_int_equal(ioth__private_open(file_path, &first), 0);
	assert_int_equal(call(first, "clash_next"), 1);
	store(&new, new.size);
	assert_int_equal(ioth__private_open(file_path, &second), 0);
	assert_int_equal(call(second, "clash_next"), 1);
	assert_int_equal(call(first, "clash_next"), 2);
	ioth__private_close(first);
	ioth__private_close(second);
	assert_int_equal(ioth__private_open(file_path, &first), 0);
	assert_int_equal(call(first, "hooked_next"), 1);
	assert_null(ioth__private_sym(first, "clash_next"));
	ioth__private_close(first);
	free(old.data);
	free(new.data);
}

/** few_descriptors - with any number of free descriptors an open succeeds or says EMFILE, and leaves nothing */
static void few_descriptors(void **state)
{
	struct rlimit all, few;
	int failed = 0, spare;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	for (spare = 0;; spare++) {
		struct private_copy *copy = NULL;
		int next = dup(0), err;

		assert_true(next >= 0);
		close(next);
		few = (struct rlimit){.rlim_cur = (rlim_t)(next + spare), .rlim_max = all.rlim_max};
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		err = ioth__private_open(plugin_path("ioth_tangle.so"), &copy);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
		if (err == 0) {
			assert_int_equal(call(copy, "tangle_a"), 1);
			ioth__private_close(copy);
			break;
		}
		assert_int_equal(err, -EMFILE);
		failed++;
		assert_in_range(failed, 1, 40);
	}
	assert_in_range(failed, 3, 40);
}

/** without_memfd - from now on memfd_create is a system call that this kernel does not have; 0 when that works */
static int without_memfd(void)
{
	struct sock_filter rules[] = {
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(rules) / sizeof(*rules), .filter = rules};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/** in_temporary_files - the child's part: 0 when all is well, else the number of what went wrong, 77 for no seccomp */
static int in_temporary_files(void)
{
	struct private_copy *copy[2];

	if (setenv("TMPDIR", dir, 1) < 0 || without_memfd() < 0)
		return 77;
	for (int i = 0; i < 2; i++)
		if (ioth__private_open(plugin_path("ioth_tangle.so"), &copy[i]) < 0)
			return 1;
	if (call(copy[0], "tangle_a") != 1 || call(copy[0], "tangle_a") != 2 || call(copy[1], "tangle_a") != 1)
		return 2;
	if (ioth__private_errno(copy[0]) || mappings("memfd:") != 0 || mappings(dir) == 0)
		return 3;
	/* The names are gone while the copies live. */
	if (rmdir(dir) < 0)
		return 4;
	ioth__private_close(copy[0]);
	ioth__private_close(copy[1]);
	return mappings(dir) == 0 ? 0 : 5;
}

static void temporary_files_do_where_there_is_no_memfd(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	assert_true(child >= 0);
	if (child == 0)
		_exit(in_temporary_files());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("no seccomp filter here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(mkdir(dir, 0755), 0);
}

/** in_little_memory - the child's part: open with ever more address space till it works */
static int in_little_memory(void)
{
	struct rlimit limit;
	int failed = 0;

	for (rlim_t pages = 0; pages < 100000; pages += 7) {
		struct private_copy *copy = NULL;
		unsigned long used;
		FILE *file = fopen("/proc/self/statm", "re");
		int err;

		if (!file || fscanf(file, "%lu", &used) != 1)
			return 1;
		fclose(file);
		limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
		limit.rlim_cur = (used + pages) * (rlim_t)sysconf(_SC_PAGESIZE);
		if (setrlimit(RLIMIT_AS, &limit) < 0)
			return 2;
		err = ioth__private_open(plugin_path("ioth_tangle.so"), &copy);
		limit.rlim_cur = RLIM_INFINITY;
		if (setrlimit(RLIMIT_AS, &limit) < 0)
			return 3;
		if (err == 0) {
			if (call(copy, "tangle_a") != 1)
				return 4;
			ioth__private_close(copy);
			return failed > 3 && mappings("memfd:") == 0 ? 0 : 5;
		}
		/* The dynamic linker does not always say that it was memory it had too little of. */
		if ((err != -ENOMEM && err != -ELIBACC) || ioth__private_error()[0] == '\0' || mappings("memfd:") != 0)
			return 6;
		failed++;
	}
	return 7;
}

static void little_memory(void **state)
{
	pid_t child;
	int status;

	(void)state;
	/* Sanitizers need the address space for themselves. */
	if (SANITIZED)
		skip();
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(in_little_memory());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(files_that_are_no_objects, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(objects_that_cannot_be_loaded, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(a_library_is_missing, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(a_file_that_may_not_be_read, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(objects_cut_short, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(objects_of_other_machines, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(an_object_without_dynamic_section, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(a_replaced_file, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(few_descriptors, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(temporary_files_do_where_there_is_no_memfd, remember, nothing_left),
	        cmocka_unit_test_setup_teardown(little_memory, remember, nothing_left),
	};

	return cmocka_run_group_tests_name("private_faults", tests, make_dir, remove_dir);
}
