/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation. A vde_switch that is no daemon has a console on its standard input, and leaves when that ends.
 * So it gets a pipe, whose other end is open in the worker and in what the worker forks: however they die, the switch
 * goes too. It is in the worker's session, so that its processor time is counted (processes.h), and in its process
 * group, which is killed when the worker hangs. Nobody's rc file is read. What it leaves behind when it is killed lies
 * in the directory of the benchmark, and goes with that.
 */
#include "vde_switch.h"

#include "bench.h"
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <libvdeplug.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SCHEME "vde://"
#define START_NS 10000000000u /* more than a busy machine needs */
#define LOOK_US 1000

/** spawn - start the program with its console on @console; 0 or an errno value */
static int spawn(struct vde_switch *self, int console, char *directory)
{
	char *argv[] = {(char[]){"vde_switch"}, (char[]){"-f"}, (char[]){"/dev/null"}, (char[]){"-s"}, directory, NULL};
	posix_spawn_file_actions_t actions;
	int error;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, console, STDIN_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
	error = posix_spawnp(&self->pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

/** await - until it lets us in, which is all that tells that it listens */
static int await(struct vde_switch *self, char *vnl)
{
	uint64_t end = clock_ns() + START_NS;
	char description[] = "ioth-bench";
	VDECONN *conn;

	while ((conn = vde_open(vnl, description, NULL)) == NULL) {
		siginfo_t gone = {0};

		if (waitid(P_PID, (id_t)self->pid, &gone, WEXITED | WNOHANG | WNOWAIT) == 0 && gone.si_pid == self->pid)
			return bench_fail("vde_switch ended at once");
		if (clock_ns() > end)
			return bench_fail("vde_switch cannot be joined: %s", strerror(errno));
		usleep(LOOK_US);
	}
	vde_close(conn);
	return 0;
}

int vde_switch_start(struct vde_switch *self, char *vnl)
{
	int pipe_ends[2], error;

	if (pipe2(pipe_ends, O_CLOEXEC) < 0)
		return bench_fail("pipe: %s", strerror(errno));
	self->console = pipe_ends[1];
	error = spawn(self, pipe_ends[0], vnl + strlen(SCHEME));
	close(pipe_ends[0]);
	if (error) {
		close(self->console);
		self->pid = 0;
		return error == ENOENT ? bench_fail("vde_switch is not installed (Debian: apt install vde2)")
		                       : bench_fail("vde_switch: %s", strerror(error));
	}
	if (await(self, vnl) == 0)
		return 0;
	vde_switch_end(self);
	return -1;
}

void vde_switch_end(struct vde_switch *self)
{
	if (self->pid == 0)
		return;
	close(self->console);
	kill(self->pid, SIGKILL);
	while (waitpid(self->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	self->pid = 0;
}
