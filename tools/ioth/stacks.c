/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stacks.c - ioth stacks: which stacks there are, and why others cannot be used.
 *
 * The files that libioth would look at are found as it finds them. Whether one can be used is tried out, in a process
 * of its own: a stack without a network is made from it, and what happens is what any program would meet. That process
 * reports by a pipe (struct verdict), and what libioth says about a file on standard error is read from another.
 */
#include "command.h"
#include "json.h"
#include "namespace.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLUGINS_MAX 256

static const char help[] =
        "usage: ioth stacks [--json]\n"
        "\n"
        "List the stacks that 'ioth run -s' and ioth_newstack(3) can use: their names, where their sockets\n"
        "live, their licences and files. A stack that is there and cannot be used says why.\n"
        "\n"
        "  host       the network of this machine\n"
        "  namespace  a network namespace of its own: any program runs on it\n"
        "  process    in the process that makes it: programs that are dynamically linked run on it\n"
        "  options    cannot be made without options (remote: remote,socket=PATH)\n"
        "\n"
        "Plugins are looked for in the directories of IOTH_PLUGIN_PATH, in ~/.ioth, and in\n" PLUGINDIR ".\n"
        "\n"
        "      --json   a list of objects: name, usable, kind, licence, file, reentrant, reason\n"
        "  -h, --help   this text\n";

/** struct verdict - what came of trying a plugin */
struct verdict {
	int kind;  /* enum stack_kind when error is 0 */
	int error; /* errno of ioth_newstack */
	char licence[64];
};

/** struct plugin - a file that could be a stack */
struct plugin {
	char name[64];
	char *path;
	bool reentrant;
	const char *hidden_by; /* the file that is taken instead; NULL: this one is */
	struct verdict verdict;
	bool died; /* the trial ended without a verdict */
	char said[512];
};

struct list {
	struct plugin plugin[PLUGINS_MAX];
	size_t count;
};

/** name_of - is @file the name of a plugin, ioth_NAME.so or ioth_NAME-r.so? */
static bool name_of(const char *file, char *name, size_t size, bool *reentrant)
{
	size_t len = strlen(file);

	if (strncmp(file, "ioth_", 5) != 0 || len < 9 || strcmp(file + len - 3, ".so") != 0)
		return false;
	len -= 3;
	*reentrant = len > 7 && strncmp(file + len - 2, "-r", 2) == 0;
	if (*reentrant)
		len -= 2;
	len -= 5;
	if (len == 0 || len >= size)
		return false;
	memcpy(name, file + 5, len);
	name[len] = '\0';
	return name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] == '\0';
}

/** look_into - add the plugins of one directory */
static void look_into(struct list *list, const char *dir)
{
	struct dirent **entries;
	/* In this order ioth_NAME-r.so comes before ioth_NAME.so, as in libioth. */
	int count = scandir(dir, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		struct plugin *p = &list->plugin[list->count];

		if (list->count < PLUGINS_MAX && name_of(entries[i]->d_name, p->name, sizeof(p->name), &p->reentrant) &&
		    asprintf(&p->path, "%s/%s", dir, entries[i]->d_name) >= 0) {
			for (size_t j = 0; j < list->count && p->hidden_by == NULL; j++)
				if (strcmp(list->plugin[j].name, p->name) == 0)
					p->hidden_by = list->plugin[j].path;
			list->count++;
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

/** look_everywhere - in the directories of plugin.c, in their order */
static void look_everywhere(struct list *list)
{
	const char *path = secure_getenv("IOTH_PLUGIN_PATH"), *home = secure_getenv("HOME");
	char *copy = path != NULL ? strdup(path) : NULL, *dir;

	for (char *rest = copy; copy != NULL && (dir = strsep(&rest, ":")) != NULL;)
		if (*dir != '\0')
			look_into(list, dir);
	free(copy);
	if (home != NULL && *home != '\0' && asprintf(&dir, "%s/.ioth", home) >= 0) {
		look_into(list, dir);
		free(dir);
	}
	look_into(list, PLUGINDIR);
}

/** read_licence - what the plugin declares; for a plugin that can be loaded */
static void read_licence(const struct plugin *plugin, char *out, size_t size)
{
	void *handle = dlopen(plugin->path, RTLD_NOW | RTLD_LOCAL);
	char symbol[sizeof(plugin->name) + 16];
	const char *const *licence;

	snprintf(symbol, sizeof(symbol), "ioth_%s_license", plugin->name);
	licence = handle != NULL ? dlsym(handle, symbol) : NULL;
	if (licence != NULL && *licence != NULL)
		snprintf(out, size, "%s", *licence);
}

/** trial - the process of its own: make the stack, report to @report */
static _Noreturn void trial(const struct plugin *plugin, int report)
{
	struct verdict verdict = {0};
	struct namespaces ns;
	struct ioth *stack;

	read_licence(plugin, verdict.licence, sizeof(verdict.licence));
	stack = ioth_newstack(plugin->name, NULL);
	if (stack == NULL) {
		verdict.error = errno;
	} else {
		verdict.kind = namespaces_of(stack, &ns);
		if (verdict.kind < 0)
			verdict.error = -verdict.kind;
	}
	_exit(write(report, &verdict, sizeof(verdict)) == sizeof(verdict) ? 0 : 1);
}

/** read_all - till the end, as much as fits as a text; the number of bytes */
static size_t read_all(int fd, void *buf, size_t size)
{
	size_t len = 0;
	ssize_t got;
	char rest[256];

	while ((got = read(fd, len < size ? (char *)buf + len : rest, len < size ? size - len : sizeof(rest))) != 0) {
		if (got < 0 && errno != EINTR)
			break;
		if (got > 0 && len < size)
			len += (size_t)got;
	}
	return len;
}

/** try_out - fill in the verdict about a plugin; 0 or a negative errno */
static int try_out(struct plugin *plugin)
{
	int report[2], errors[2], status;
	size_t said;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(errors, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		return -errno;
	if (pid == 0) {
		dup2(errors[1], STDERR_FILENO);
		close(errors[1]);
		trial(plugin, report[1]);
	}
	close(report[1]);
	close(errors[1]);
	plugin->died = read_all(report[0], &plugin->verdict, sizeof(plugin->verdict)) != sizeof(plugin->verdict);
	/* Not to the end of the pipe: a process that the plugin has started may keep it open. */
	waitpid(pid, &status, 0);
	fcntl(errors[0], F_SETFL, O_NONBLOCK);
	said = read_all(errors[0], plugin->said, sizeof(plugin->said) - 1);
	plugin->said[said] = '\0';
	plugin->said[strcspn(plugin->said, "\n")] = '\0';
	close(report[0]);
	close(errors[0]);
	return 0;
}

static const char *kind_text(const struct plugin *plugin)
{
	static const char *const kinds[] = {
	        [STACK_HOST] = "host", [STACK_NAMESPACE] = "namespace", [STACK_PROCESS] = "process"};

	if (plugin->hidden_by != NULL || plugin->died)
		return "-";
	if (plugin->verdict.error == EINVAL && plugin->said[0] == '\0')
		return "options";
	return plugin->verdict.error == 0 ? kinds[plugin->verdict.kind] : "-";
}

static bool usable(const struct plugin *plugin)
{
	return strcmp(kind_text(plugin), "-") != 0;
}

/** reason - why it cannot be used */
static void reason(const struct plugin *plugin, char *out, size_t size)
{
	if (plugin->hidden_by != NULL)
		snprintf(out, size, "%s comes before it", plugin->hidden_by);
	else if (plugin->said[0] != '\0')
		snprintf(out, size, "%s", plugin->said + (strncmp(plugin->said, "libioth: ", 9) == 0 ? 9 : 0));
	else if (plugin->died)
		snprintf(out, size, "the process that tried it has died");
	else
		snprintf(out, size, "%s", strerror(plugin->verdict.error));
}

static void print_json(const struct list *list)
{
	char text[1024];

	putchar('[');
	for (size_t i = 0; i < list->count; i++) {
		const struct plugin *p = &list->plugin[i];

		fputs(i > 0 ? ",\n {" : "\n {", stdout);
		json_string("name", p->name, ", ");
		json_bool("usable", usable(p), ", ");
		json_string("kind", usable(p) ? kind_text(p) : NULL, ", ");
		json_string("licence", p->verdict.licence[0] != '\0' ? p->verdict.licence : NULL, ", ");
		json_string("file", p->path, ", ");
		json_bool("reentrant", p->reentrant, ", ");
		if (!usable(p))
			reason(p, text, sizeof(text));
		json_string("reason", usable(p) ? NULL : text, "}");
	}
	puts("\n]");
}

static void print_text(const struct list *list)
{
	char text[1024];

	if (list->count == 0) {
		puts("No stacks. In a build that is not installed, set IOTH_PLUGIN_PATH to its plugins folder.");
		return;
	}
	printf("%-14s %-10s %-20s %s\n", "STACK", "SOCKETS", "LICENCE", "FILE");
	for (size_t i = 0; i < list->count; i++) {
		const struct plugin *p = &list->plugin[i];

		printf("%-14s %-10s %-20s %s\n", p->name, kind_text(p),
		       p->verdict.licence[0] ? p->verdict.licence : "-", p->path);
		if (!usable(p)) {
			reason(p, text, sizeof(text));
			printf("    cannot be used: %s\n", text);
		}
	}
}

int stacks_main(int argc, char *argv[])
{
	static const struct option options[] = {
	        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	static struct list list;
	bool json = false;
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(help, stdout);
			return 0;
		}
		if (opt != 'j')
			return usage_error("stacks", "there is no option %s", argv[optind - 1]);
		json = true;
	}
	if (optind < argc)
		return usage_error("stacks", "what is '%s'?", argv[optind]);
	look_everywhere(&list);
	for (size_t i = 0; i < list.count; i++) {
		int err = list.plugin[i].hidden_by == NULL ? try_out(&list.plugin[i]) : 0;

		if (err) {
			complain("stacks", NULL, "%s cannot be tried: %s", list.plugin[i].path, strerror(-err));
			return STATUS_FAILED;
		}
	}
	(json ? print_json : print_text)(&list);
	return 0;
}
