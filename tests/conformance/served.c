/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * served.c - stacks in processes of their own, used through the plugin remote.
 *
 * A stack under test that is called remote+ENGINE (remote-calls+ENGINE: no connection is a stream) has a forked child
 * for each host, which makes the stack and serves it until a pipe is closed. It ends with 0 when ioth_delstack says
 * that no socket is left.
 */
#include "private.h"

#include <fcntl.h>
#include <iothserve.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

static const char *const prefixes[] = {"remote+", "remote-calls+"};

const char *served_engine(const char *stack)
{
	for (int i = 0; i < 2; i++)
		if (strncmp(stack, prefixes[i], strlen(prefixes[i])) == 0)
			return stack + strlen(prefixes[i]);
	return NULL;
}

/** serve - in the child: make the stack, say so, serve it; the exit status */
static int serve(const char *engine, const char *vnl, const char *path, int ready, int stop)
{
	struct ioth_serve_options options = {.size = sizeof(options), .flags = IOTH_SERVE_LINKS, .stop_fd = stop};
	struct ioth *stack = ioth_newstack(engine, vnl);
	int error = stack == NULL ? errno : 0, listener;

	listener = error != 0 ? -1 : ioth_listen_unix(path, 0600);
	if (error == 0 && listener < 0)
		error = errno;
	if (write(ready, &error, sizeof(error)) != sizeof(error) || error != 0)
		return 2;
	close(ready);
	if (ioth_serve(stack, listener, &options) != 0) {
		fprintf(stderr, "ioth_serve: %s\n", strerror(errno));
		return 3;
	}
	close(listener);
	if (ioth_delstack(stack) != 0) {
		fprintf(stderr, "the server's ioth_delstack: %s\n", strerror(errno));
		return 4;
	}
	return 0;
}

void served_start(const struct conf *c, struct served *served, const char *vnl, const char *name)
{
	char path[160];
	int ready[2], stop[2], error = 0;

	snprintf(path, sizeof(path), "%s/%s", c->dir, name);
	snprintf(served->name, sizeof(served->name), "remote,socket=%s%s", path,
	         strncmp(c->stack, prefixes[1], strlen(prefixes[1])) == 0 ? ",mode=calls" : "");
	if (pipe2(ready, O_CLOEXEC) != 0 || pipe2(stop, O_CLOEXEC) != 0)
		conf_fail("pipe: %s", strerrorname_np(errno));
	fflush(NULL);
	served->pid = fork();
	if (served->pid == 0) {
		close(ready[0]);
		close(stop[1]);
		_exit(serve(served_engine(c->stack), vnl, path, ready[1], stop[0]));
	}
	close(ready[1]);
	close(stop[0]);
	served->stop = stop[1];
	if (served->pid < 0 || read(ready[0], &error, sizeof(error)) != sizeof(error))
		conf_fail("the server does not start");
	close(ready[0]);
	if (error == EPERM)
		conf_skip("the server: ioth_newstack: EPERM: forbidden here");
	if (error != 0)
		conf_fail("the server: ioth_newstack or its socket: %s", strerrorname_np(error));
}

void served_stop(struct served *served)
{
	int status = 0;

	if (served->pid == 0)
		return;
	close(served->stop);
	while (waitpid(served->pid, &status, 0) < 0 && errno == EINTR)
		;
	served->pid = 0;
	if (status != 0)
		conf_fail("the server ends with wait status %#x", (unsigned int)status);
}
