/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* serve_stack.c - a stack in a process of its own. */
#include "serve_stack.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/** run - in the child; the exit status */
static int run(const char *engine, const char *path, struct ioth_serve_options *options, unsigned int files, int ready)
{
	struct rlimit limit;
	struct ioth *stack = ioth_newstack(engine, NULL);
	int listener, lo;

	if (stack == NULL || (lo = ioth_if_nametoindex(stack, "lo")) < 0 ||
	    ioth_linksetupdown(stack, (unsigned int)lo, 1) < 0)
		return 2;
	listener = ioth_listen_unix(path, 0666);
	if (files != 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = files;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (listener < 0 || write(ready, "", 1) != 1)
		return 3;
	close(ready);
	if (ioth_serve(stack, listener, options) < 0)
		return 4;
	return ioth_delstack(stack) < 0 ? 5 : 0;
}

void server_start(struct server *server, const char *engine, const char *path, const struct ioth_serve_options *options,
                  unsigned int files)
{
	struct ioth_serve_options own = options != NULL ? *options : (struct ioth_serve_options){.size = sizeof(own)};
	int ready[2], stop[2];
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
	strcpy(server->path, path);
	own.stop_fd = stop[0];
	server->pid = fork();
	if (server->pid == 0) {
		close(ready[0]);
		close(stop[1]);
		_exit(run(engine, path, &own, files, ready[1]));
	}
	assert_true(server->pid > 0);
	close(ready[1]);
	close(stop[0]);
	server->stop = stop[1];
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
}

void server_stop(struct server *server)
{
	int status = -1;

	close(server->stop);
	assert_int_equal(waitpid(server->pid, &status, 0), server->pid);
	assert_int_equal(status, 0);
	unlink(server->path);
}

void server_kill(struct server *server)
{
	int status = 0;

	kill(server->pid, SIGKILL);
	assert_int_equal(waitpid(server->pid, &status, 0), server->pid);
	assert_true(WIFSIGNALED(status));
	close(server->stop);
}

int raw_connect(const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strcpy(name.sun_path, path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0)
		return fd;
	close(fd);
	return -1;
}
