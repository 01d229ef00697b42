/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * onserver.c - a program on a stack that lives in a process.
 *
 * The process is ours: a thread serves the stack (iothserve.h), and the program gets a library before its own
 * (src/shim) that makes it a client. What the library needs is in a directory made for the run, which the environment
 * names:
 *
 *     socket       where the stack is served; for a stack that another process serves, a link to that
 *     resolv.conf  as in a namespace (files.c)
 *     hosts        a link to the file of --hosts, if there is one
 *
 * When root runs a program the directory can be entered by everybody who knows its random name, because the program may
 * change its user; otherwise it is the user's alone.
 *
 * The program, and all that it starts, gets no more rights by executing a file (PR_SET_NO_NEW_PRIVS): the dynamic
 * linker would leave the library out of a set-uid program, which then would speak with the host's network. So set-uid
 * programs run as the user.
 */
#include "onserver.h"
#include "command.h"
#include "drain.h"

#include <errno.h>
#include <fcntl.h>
#include <iothserve.h>
#include <program.h>
#include <pthread.h>
#include <shim.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/** struct server - the served stack and the directory of the run */
struct server {
	struct ioth *stack;
	char dir[64];
	int listener; /* -1: another process serves */
	int stop[2];  /* a pipe; closing its writing end stops the server */
	pthread_t thread;
	struct rlimit files; /* as it was */
};

/** in_dir - the path of a file of the run */
static const char *in_dir(const struct server *server, const char *name, char *out, size_t size)
{
	snprintf(out, size, "%s/%s", server->dir, name);
	return out;
}

/** dir_remove - with what we have put there */
static void dir_remove(const struct server *server)
{
	static const char *const names[] = {"socket", "resolv.conf", "hosts"};
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in_dir(server, names[i], path, sizeof(path)));
	rmdir(server->dir);
}

/** dir_make - with resolv.conf and hosts; 0 or a negative errno */
static int dir_make(struct server *server, const struct run *run)
{
	const char *tmp = getenv("TMPDIR");
	char path[128], text[1024];
	int fd;

	/* The path of the socket in it has to fit a struct sockaddr_un. */
	snprintf(server->dir, sizeof(server->dir), "%s/ioth-run.XXXXXX",
	         tmp != NULL && *tmp == '/' && strlen(tmp) < sizeof(server->dir) - 20 ? tmp : "/tmp");
	if (mkdtemp(server->dir) == NULL)
		return -errno;
	run_resolv_conf(run, text, sizeof(text));
	fd = open(in_dir(server, "resolv.conf", path, sizeof(path)), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fchmod(fd, 0644) < 0)
		return -errno;
	close(fd);
	if (run->hosts != NULL) {
		char *hosts = realpath(run->hosts, NULL);
		int err = hosts == NULL || symlink(hosts, in_dir(server, "hosts", path, sizeof(path))) < 0 ? -errno : 0;

		free(hosts);
		if (err)
			return err;
	}
	return geteuid() == 0 && chmod(server->dir, 0711) < 0 ? -errno : 0;
}

/** served_elsewhere - the socket of a stack "remote,socket=PATH,..."; allocated; NULL: it is another stack */
static char *served_elsewhere(const char *stack)
{
	const char *path;

	if (strncmp(stack, "remote,", 7) != 0)
		return NULL;
	path = strstr(stack, ",socket=");
	return path != NULL ? strndup(path + 8, strcspn(path + 8, ",")) : NULL;
}

static void *serve(void *arg)
{
	struct server *server = arg;
	struct ioth_serve_options options = {
	        .size = sizeof(options), .flags = IOTH_SERVE_LINKS, .stop_fd = server->stop[0]};

	if (ioth_serve(server->stack, server->listener, &options) < 0)
		complain("run", "The program is off the network.", "the stack is no longer served: %s",
		         strerror(errno));
	return NULL;
}

/** server_start - 0 or a negative errno */
static int server_start(struct server *server, const struct run *run)
{
	char path[128], *elsewhere = served_elsewhere(run->setup.stack);
	struct rlimit all;
	int err;

	in_dir(server, "socket", path, sizeof(path));
	server->listener = -1;
	if (elsewhere != NULL) {
		err = symlink(elsewhere, path) < 0 ? -errno : 0;
		free(elsewhere);
		return err;
	}
	/* A socket takes several descriptors here. */
	if (getrlimit(RLIMIT_NOFILE, &server->files) == 0) {
		all = server->files;
		all.rlim_cur = all.rlim_max;
		setrlimit(RLIMIT_NOFILE, &all);
	}
	server->listener = ioth_listen_unix(path, geteuid() == 0 ? 0666 : 0600);
	if (server->listener < 0 || pipe2(server->stop, O_CLOEXEC) < 0)
		return -errno;
	return -pthread_create(&server->thread, NULL, serve, server);
}

static void server_stop(struct server *server)
{
	if (server->listener < 0)
		return;
	close(server->stop[1]);
	pthread_join(server->thread, NULL);
}

/** find_library - the preload library: with the plugins, where libioth looks for these; false: there is none */
static bool find_library(char *out, size_t size)
{
	const char *list = secure_getenv("IOTH_PLUGIN_PATH");

	while (list != NULL && *list != '\0') {
		size_t len = strcspn(list, ":");
		char *path = NULL, *real;

		if (len > 0 && asprintf(&path, "%.*s/" SHIM_LIBRARY, (int)len, list) >= 0) {
			real = realpath(path, NULL);
			free(path);
			if (real != NULL) {
				snprintf(out, size, "%s", real);
				free(real);
				return true;
			}
		}
		list += len + (list[len] == ':');
	}
	snprintf(out, size, "%s", PLUGINDIR "/" SHIM_LIBRARY);
	return access(out, R_OK) == 0;
}

/** set_environment - what the library and the dynamic linker look at */
static bool set_environment(const struct server *server, const char *library)
{
	const char *more = getenv("LD_PRELOAD");
	char *preload;
	bool done;

	if (asprintf(&preload, "%s%s%s", library, more != NULL && *more != '\0' ? ":" : "", more != NULL ? more : "") <
	    0)
		return false;
	done = setenv("LD_PRELOAD", preload, 1) == 0 && setenv(SHIM_ENV_DIR, server->dir, 1) == 0;
	free(preload);
	return done;
}

/** get_ready - the preparation of the program; see struct child */
static const char *get_ready(void *arg)
{
	const struct server *server = arg;

	if (server->listener >= 0 && setrlimit(RLIMIT_NOFILE, &server->files) < 0)
		return "giving the program its limit of descriptors";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return "forbidding set-uid programs";
	return NULL;
}

/**
 * choose_program - see that the library can be loaded into it, if need be by calling the dynamic linker (program.h)
 *
 * Returns 0, or an exit status after a complaint.
 */
static int choose_program(const struct run *run, struct child *child)
{
	static char path[4096], linker[4096];
	const char *why;
	size_t n = 0;

	program_find(run->program[0], getenv("PATH"), path, sizeof(path));
	why = program_refusal(path);
	if (why != NULL) {
		complain(run->command, NULL, "%s %s: it runs on stacks with a namespace (-s vdestack), not on %s", path,
		         why, run->setup.stack);
		return STATUS_CANNOT_EXECUTE;
	}
	if (!program_linker(path, linker, sizeof(linker)))
		return 0;
	while (run->program[n] != NULL)
		n++;
	child->argv = calloc(n + PROGRAM_LINKER_ARGS + 2, sizeof(*child->argv));
	if (child->argv == NULL) {
		complain(run->command, NULL, "no memory");
		return STATUS_RUN_FAILED;
	}
	program_by_linker(linker, path, run->program, child->argv);
	return 0;
}

int onserver_run(struct run *run, struct child *child, struct ioth *stack)
{
	struct server server = {.stack = stack};
	char library[4096];
	int status = choose_program(run, child), err;

	if (status != 0)
		return status;
	if (!find_library(library, sizeof(library))) {
		complain(run->command, "It belongs to the plugins of libioth.", "there is no %s", SHIM_LIBRARY);
		return STATUS_RUN_FAILED;
	}
	err = dir_make(&server, run);
	if (err == 0)
		err = server_start(&server, run);
	if (err != 0 || !set_environment(&server, library)) {
		complain(run->command, NULL, "the stack cannot be served to the program in %s: %s", server.dir,
		         strerror(-err));
		dir_remove(&server);
		return STATUS_RUN_FAILED;
	}
	child->prepare = get_ready;
	child->arg = &server;
	status = run_forward(run, stack) ? child_start(child) : STATUS_RUN_FAILED;
	if (status == 0) {
		err = child_wait(child);
		run_forward_end(run);
		/* A stack that another process serves goes on without us. */
		if (server.listener >= 0)
			drain_quiet(stack, DRAIN_SECONDS);
	}
	run_forward_end(run);
	server_stop(&server);
	dir_remove(&server);
	if (status == 0) {
		run_leave(stack);
		child_end_like(err);
	}
	return status;
}
