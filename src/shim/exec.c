/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exec.c - what the program executes stays on the stack.
 *
 * A program that gives its child another environment loses nothing: our two variables are put back. A program that
 * cannot be given a library (program.c) would have the network of the host without anybody's knowing, so it is not
 * executed.
 *
 * All of it happens in children of fork and vfork, so nothing is allocated but on the stack.
 */
#include "program.h"
#include "shim.h"

#include <alloca.h>
#include <dlfcn.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char preload[PATH_MAX + 16]; /* LD_PRELOAD=... */
static char dir[128];               /* IOTH_RUN_DIR=... */

__attribute__((constructor)) static void exec_init(void)
{
	Dl_info info;

	/* The program may remove it from the environment. */
	shim_dir();
	if (dladdr(&dir, &info) != 0 && info.dli_fname[0] == '/')
		snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", info.dli_fname);
}

/** names_us - is the library among those of an LD_PRELOAD variable? */
static bool names_us(const char *variable)
{
	return strstr(variable, SHIM_LIBRARY) != NULL;
}

/** count - the strings of a list */
static size_t count(char *const list[])
{
	size_t n = 0;

	while (list != NULL && list[n] != NULL)
		n++;
	return n;
}

/* Room for an environment and what is added to it, and for a longer LD_PRELOAD */
#define ENV_ROOM(env) ((count(env) + 3) * sizeof(char *))
#define ARGV_ROOM(argv) ((count(argv) + PROGRAM_LINKER_ARGS + 2) * sizeof(char *))
#define PRELOAD_ROOM (sizeof(preload) + 4096)

/**
 * environment - @env with our variables
 * @out: room for it, ENV_ROOM
 * @longer: PRELOAD_ROOM bytes for an LD_PRELOAD of the program's with ours before it
 */
static char **environment(char *const env[], char *out[], char *longer)
{
	size_t n = 0;
	bool have_dir = false, have_preload = false;

	if (dir[0] == '\0')
		snprintf(dir, sizeof(dir), "%s=%s", SHIM_ENV_DIR, shim_dir());
	for (size_t i = 0; env != NULL && env[i] != NULL; i++) {
		char *variable = env[i];

		if (strncmp(variable, "LD_PRELOAD=", 11) == 0) {
			have_preload = true;
			if (!names_us(variable)) {
				snprintf(longer, PRELOAD_ROOM, "%s:%s", preload, variable + 11);
				variable = longer;
			}
		}
		have_dir |= strncmp(variable, SHIM_ENV_DIR "=", sizeof(SHIM_ENV_DIR)) == 0;
		out[n++] = variable;
	}
	if (!have_preload)
		out[n++] = preload;
	if (!have_dir)
		out[n++] = dir;
	out[n] = NULL;
	return out;
}

/** refused - true, with errno, when the file must not be executed; says why */
static bool refused(const char *path)
{
	const char *why = program_refusal(path);
	char line[PATH_MAX + 256];
	int len;

	if (why == NULL)
		return false;
	len = snprintf(line, sizeof(line),
	               "ioth run: %s %s and would not be on the stack: use a stack with a namespace (vdestack)\n", path,
	               why);
	if (len > 0 && shim_next()->write(STDERR_FILENO, line, strlen(line)) < 0)
		errno = 0;
	errno = EACCES;
	return true;
}

EXPORT int execve(const char *path, char *const argv[], char *const env[])
{
	char linker[PATH_MAX], **by_linker;

	if (shim_dir() == NULL || preload[0] == '\0')
		return shim_next()->execve(path, argv, env);
	if (refused(path))
		return -1;
	env = environment(env, alloca(ENV_ROOM(env)), alloca(PRELOAD_ROOM));
	if (!program_linker(path, linker, sizeof(linker)))
		return shim_next()->execve(path, argv, env);
	by_linker = alloca(ARGV_ROOM(argv));
	program_by_linker(linker, path, argv, by_linker);
	return shim_next()->execve(linker, by_linker, env);
}

EXPORT int execvpe(const char *name, char *const argv[], char *const env[])
{
	char path[PATH_MAX], linker[PATH_MAX];

	if (shim_dir() == NULL || preload[0] == '\0')
		return shim_next()->execvpe(name, argv, env);
	program_find(name, getenv("PATH"), path, sizeof(path));
	if (program_linker(path, linker, sizeof(linker)))
		return execve(path, argv, env);
	if (refused(path))
		return -1;
	return shim_next()->execvpe(name, argv, environment(env, alloca(ENV_ROOM(env)), alloca(PRELOAD_ROOM)));
}

EXPORT int fexecve(int fd, char *const argv[], char *const env[])
{
	char path[32];

	if (shim_dir() == NULL || preload[0] == '\0')
		return shim_next()->fexecve(fd, argv, env);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (refused(path))
		return -1;
	return shim_next()->fexecve(fd, argv, environment(env, alloca(ENV_ROOM(env)), alloca(PRELOAD_ROOM)));
}

EXPORT int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

EXPORT int execvp(const char *name, char *const argv[])
{
	return execvpe(name, argv, environ);
}

/* NOLINTBEGIN(bugprone-macro-parentheses): names and a statement */
/* The arguments of a call that has them one by one, behind @first, as an array on the stack; @last is where the list
 * goes on. */
#define ARGUMENTS(first, argv, after)                                                                                  \
	va_list args_;                                                                                                 \
	size_t n_ = 1;                                                                                                 \
	char **argv;                                                                                                   \
                                                                                                                       \
	va_start(args_, first);                                                                                        \
	while (va_arg(args_, char *) != NULL)                                                                          \
		n_++;                                                                                                  \
	va_end(args_);                                                                                                 \
	argv = alloca((n_ + 1) * sizeof(char *));                                                                      \
	argv[0] = (char *)(uintptr_t)(first);                                                                          \
	va_start(args_, first);                                                                                        \
	for (size_t i_ = 1; i_ <= n_; i_++)                                                                            \
		argv[i_] = va_arg(args_, char *);                                                                      \
	after;                                                                                                         \
	va_end(args_)
/* NOLINTEND(bugprone-macro-parentheses) */

EXPORT int execl(const char *path, const char *arg, ...)
{
	ARGUMENTS(arg, argv, (void)0);
	return execve(path, argv, environ);
}

EXPORT int execlp(const char *name, const char *arg, ...)
{
	ARGUMENTS(arg, argv, (void)0);
	return execvpe(name, argv, environ);
}

EXPORT int execle(const char *path, const char *arg, ...)
{
	char *const *env;

	ARGUMENTS(arg, argv, env = va_arg(args_, char *const *));
	return execve(path, argv, env);
}

typedef int spawn_function(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
                           char *const[], char *const[]);

/** spawn - by the C library's function @name; @path is the file that will be executed */
static int spawn(const char *name, const char *path, pid_t *pid, const char *file,
                 const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr, char *const argv[],
                 char *const env[])
{
	spawn_function *next;
	char linker[PATH_MAX];

	*(void **)&next = dlsym(RTLD_NEXT, name);
	if (shim_dir() == NULL || preload[0] == '\0')
		return next(pid, file, actions, attr, argv, env);
	if (refused(path))
		return EACCES;
	env = environment(env, alloca(ENV_ROOM(env)), alloca(PRELOAD_ROOM));
	if (program_linker(path, linker, sizeof(linker))) {
		char **by_linker = alloca(ARGV_ROOM(argv));

		program_by_linker(linker, path, argv, by_linker);
		return next(pid, linker, actions, attr, by_linker, env);
	}
	return next(pid, file, actions, attr, argv, env);
}

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	return spawn("posix_spawn", path, pid, path, actions, attr, argv, env);
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                        const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	char path[PATH_MAX];

	program_find(file, getenv("PATH"), path, sizeof(path));
	return spawn("posix_spawnp", path, pid, file, actions, attr, argv, env);
}
