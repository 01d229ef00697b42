/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plugin.c - finding, admitting and loading plugins.
 *
 * A plugin NAME is the first of these that exists, in each directory in turn: ioth_NAME-r.so, which is opened as any shared object and
 * then stays in memory, so that its threads, fork handlers and thread-local data outlive its stacks; and ioth_NAME.so, of which each
 * stack opens a private copy (private.c). What exists but cannot be used ends the search: a plugin that is broken in one
 * directory is never silently replaced by a namesake in another. Reasons that errno cannot tell go to stderr, one line.
 *
 * `lock` guards the program's licence, nothing else.
 */
#include "plugin.h"
#include "private.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_NAME 64 /* bytes of a plugin's name; no file system takes much more behind ioth_ */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *program_licence;

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void plugin_init(void)
{
	pthread_atfork(before_fork, after_fork, after_fork);
}

void ioth_set_license(const char *spdx)
{
	char *copy = spdx == NULL ? NULL : strdup(spdx), *old;

	/* Without memory for it nothing counts as declared: a plugin may be refused, never wrongly admitted. */
	pthread_mutex_lock(&lock);
	old = program_licence;
	program_licence = copy;
	pthread_mutex_unlock(&lock);
	free(old);
}

/** complain - tell a person why a plugin that is there cannot be used */
__attribute__((format(printf, 2, 3))) static void complain(const char *path, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	fprintf(stderr, "libioth: plugin %s: %s\n", path, text);
}

static bool name_is_valid(const char *name, size_t len)
{
	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') ||
		      (name[i] >= '0' && name[i] <= '9') || name[i] == '_'))
			return false;
	return true;
}

static void *plugin_sym(struct ioth__plugin *plugin, const char *symbol)
{
	return plugin->copy != NULL ? ioth__private_sym(plugin->copy, symbol) : dlsym(plugin->handle, symbol);
}

/** plugin_member - the symbol ioth_NAME_<member> */
static void *plugin_member(struct ioth__plugin *plugin, const char *name, size_t namelen, const char *member)
{
	char symbol[MAX_NAME + 32];

	snprintf(symbol, sizeof(symbol), "ioth_%.*s_%s", (int)namelen, name, member);
	return plugin_sym(plugin, symbol);
}

/** admit - the licence rule for a loaded plugin; 0 or -EPERM */
static int admit(struct ioth__plugin *plugin, const char *name, size_t namelen, const char *path)
{
	const char *const *licence = plugin_member(plugin, name, namelen, "license");
	bool admitted;

	if (licence == NULL)
		return 0;
	pthread_mutex_lock(&lock);
	admitted = ioth__licence_admits(*licence, program_licence);
	pthread_mutex_unlock(&lock);
	if (admitted)
		return 0;
	complain(path, "its licence is %s: the program has to declare a compatible one with ioth_set_license()",
	         *licence);
	return -EPERM;
}

/** open_file - load the plugin at @path, re-entrant or as a private copy; 0 or a negative errno */
static int open_file(const char *path, bool reentrant, struct ioth__plugin *plugin)
{
	int result;

	if (access(path, R_OK) < 0) {
		complain(path, "cannot be read: %s", strerror(errno));
		return -ENOTSUP;
	}
	if (reentrant) {
		plugin->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
		if (plugin->handle != NULL)
			return 0;
		complain(path, "%s", dlerror());
		return -ENOTSUP;
	}
	result = ioth__private_open(path, &plugin->copy);
	if (result == -ENOMEM || result == -EMFILE || result == -ENFILE || result == 0)
		return result;
	complain(path, "%s", ioth__private_error());
	return -ENOTSUP;
}

/**
 * try_directory - load the plugin from one directory
 *
 * Returns 1 when there is no such plugin in it, 0 when it is loaded, or a negative errno.
 */
static int try_directory(const char *dir, size_t dirlen, const char *name, size_t namelen, struct ioth__plugin *plugin)
{
	for (int reentrant = 1; reentrant >= 0; reentrant--) {
		char *path;
		int result;

		if (asprintf(&path, "%.*s/ioth_%.*s%s.so", (int)dirlen, dir, (int)namelen, name,
		             reentrant ? "-r" : "") < 0)
			return -ENOMEM;
		if (access(path, F_OK) < 0) {
			free(path);
			continue;
		}
		result = open_file(path, reentrant, plugin);
		if (result == 0) {
			result = admit(plugin, name, namelen, path);
			if (result < 0)
				ioth__plugin_unload(plugin);
		}
		free(path);
		return result;
	}
	return 1;
}

int ioth__plugin_load(const char *name, size_t namelen, struct ioth__plugin *plugin)
{
	const char *list = secure_getenv("IOTH_PLUGIN_PATH"), *home = secure_getenv("HOME");
	int result = 1;

	if (!name_is_valid(name, namelen))
		return -EINVAL;
	if (namelen > MAX_NAME)
		return -ENOTSUP;
	while (result == 1 && list != NULL && *list != '\0') {
		size_t len = strcspn(list, ":");

		if (len > 0)
			result = try_directory(list, len, name, namelen, plugin);
		list += len + (list[len] == ':');
	}
	if (result == 1 && home != NULL && *home != '\0') {
		char *dir;

		if (asprintf(&dir, "%s/.ioth", home) < 0)
			return -ENOMEM;
		result = try_directory(dir, strlen(dir), name, namelen, plugin);
		free(dir);
	}
	if (result == 1)
		result = try_directory(PLUGINDIR, strlen(PLUGINDIR), name, namelen, plugin);
	return result == 1 ? -ENOTSUP : result;
}

void ioth__plugin_unload(struct ioth__plugin *plugin)
{
	if (plugin->copy != NULL)
		ioth__private_close(plugin->copy);
	else if (plugin->handle != NULL)
		dlclose(plugin->handle);
	*plugin = (struct ioth__plugin){0};
}

newstack_prototype *ioth__plugin_newstack(struct ioth__plugin *plugin, const char *name, size_t namelen)
{
	newstack_prototype *newstack = (newstack_prototype *)plugin_member(plugin, name, namelen, "newstack");

	if (newstack == NULL)
		fprintf(stderr, "libioth: plugin %.*s: it has no function ioth_%.*s_newstack\n", (int)namelen, name,
		        (int)namelen, name);
	return newstack;
}

void ioth__plugin_fill(struct ioth__plugin *plugin, const char *name, size_t namelen, struct ioth_functions *f)
{
	/* clang-format off */
#define MEMBER(function) {#function, offsetof(struct ioth_functions, function)}
	/* clang-format on */
	static const struct {
		const char *name;
		size_t offset;
	} members[] = {
	        MEMBER(newstack),    MEMBER(delstack),   MEMBER(socket),   MEMBER(close),       MEMBER(bind),
	        MEMBER(connect),     MEMBER(listen),     MEMBER(accept),   MEMBER(getsockname), MEMBER(getpeername),
	        MEMBER(setsockopt),  MEMBER(getsockopt), MEMBER(shutdown), MEMBER(ioctl),       MEMBER(fcntl),
	        MEMBER(read),        MEMBER(readv),      MEMBER(recv),     MEMBER(recvfrom),    MEMBER(recvmsg),
	        MEMBER(write),       MEMBER(writev),     MEMBER(send),     MEMBER(sendto),      MEMBER(sendmsg),
	        MEMBER(accept4),     MEMBER(recvmmsg),   MEMBER(sendmmsg), MEMBER(sockatmark),  MEMBER(kernelfd),
	        MEMBER(opensockets), MEMBER(stopstack),  MEMBER(forget),   MEMBER(moved),
	};
#undef MEMBER

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		void **member = (void **)((char *)f + members[i].offset);

		if (*member == NULL)
			*member = plugin_member(plugin, name, namelen, members[i].name);
	}
}

void ioth__plugin_fetch_errno(struct ioth__plugin *plugin)
{
	int *theirs = plugin->copy == NULL ? NULL : ioth__private_errno(plugin->copy);

	if (theirs != NULL)
		errno = *theirs;
}
