/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_serve_command.c - ioth serve: its command line, the sandbox, sockets from a service manager. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "serve_stack.h"
#include "wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/ioth-command-XXXXXX";
static char path[64], notify[80];

/** struct command - a running `ioth serve` */
struct command {
	pid_t pid;
	int notify; /* on which it says that it is ready */
	char errors[4096];
	FILE *error_file;
};

/** command_start - run it with these arguments; @listener, unless negative, becomes descriptor 3 */
static void command_start(struct command *command, int listener, const char *const argv[])
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};

	strcpy(name.sun_path, notify);
	unlink(notify);
	command->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(command->notify, (struct sockaddr *)&name, sizeof(name)), 0);
	chmod(notify, 0777); /* also of another user */
	command->error_file = tmpfile();
	assert_non_null(command->error_file);
	command->pid = fork();
	if (command->pid == 0) {
		const char *words[16] = {"ioth"};
		char pid[16];

		dup2(fileno(command->error_file), 2);
		snprintf(pid, sizeof(pid), "%d", (int)getpid());
		setenv("NOTIFY_SOCKET", notify, 1);
		if (listener >= 0) {
			dup2(listener, 3);
			fcntl(3, F_SETFD, 0);
			setenv("LISTEN_FDS", "1", 1);
			setenv("LISTEN_PID", pid, 1);
		}
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) - 2 && argv[i]; i++)
			words[i + 1] = argv[i];
		execv(IOTH_TOOL, (char **)(uintptr_t)words);
		_exit(99);
	}
	assert_true(command->pid > 0);
}

/** command_ready - wait till it says so; false: it has ended instead */
static bool command_ready(const struct command *command)
{
	struct pollfd p = {.fd = command->notify, .events = POLLIN};
	long deadline = wait_now_ms() + WAIT_MS;
	char text[16] = "";

	while (poll(&p, 1, 100) == 0) {
		siginfo_t info = {.si_pid = 0};

		if (waitid(P_PID, (id_t)command->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0)
			return false;
		assert_true(wait_now_ms() < deadline);
	}
	assert_int_equal(recv(command->notify, text, sizeof(text) - 1, 0), 7);
	assert_string_equal(text, "READY=1");
	return true;
}

/** command_end - its exit status, and what it said in command->errors */
static int command_end(struct command *command, int sig)
{
	int status = -1;
	ssize_t len;

	if (sig != 0)
		kill(command->pid, sig);
	assert_int_equal(waitpid(command->pid, &status, 0), command->pid);
	len = pread(fileno(command->error_file), command->errors, sizeof(command->errors) - 1, 0);
	command->errors[len > 0 ? len : 0] = '\0';
	fclose(command->error_file);
	close(command->notify);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/** exchange - a client of the server talks to itself over lo, by TCP, UDP and netlink */
static void exchange(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	struct ioth *stack;
	char name[96], text[8];
	int listener, fd, accepted;

	snprintf(name, sizeof(name), "remote,socket=%s", path);
	stack = ioth_newstack(name, NULL);
	assert_non_null(stack);
	assert_true(ioth_if_nametoindex(stack, "lo") > 0);
	listener = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0);
	assert_int_equal(ioth_bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(ioth_listen(listener, 4), 0);
	assert_int_equal(ioth_getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	fd = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0);
	assert_int_equal(ioth_connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	accepted = ioth_accept(listener, NULL, NULL);
	assert_true(accepted >= 0);
	assert_int_equal(write(fd, "plain", 5), 5);
	assert_int_equal(read(accepted, text, sizeof(text)), 5);
	ioth_close(fd);
	assert_int_equal(ioth_recv(accepted, text, sizeof(text), 0), 0);
	ioth_close(accepted);
	ioth_close(listener);
	assert_int_equal(ioth_delstack(stack), 0);
}

static void serves(void **state)
{
	const char *const argv[] = {"serve", "-s", "testengine", "-l", path, "--mode", "0660", NULL};
	struct command command;
	struct stat st;

	(void)state;
	command_start(&command, -1, argv);
	assert_true(command_ready(&command));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	exchange();
	assert_int_equal(command_end(&command, SIGTERM), 0);
	assert_string_equal(command.errors, "");
	assert_int_equal(access(path, F_OK), -1);
}

static void sandboxed(void **state)
{
	const char *const argv[] = {"serve", "-s", "testengine", "-l", path, "--sandbox", NULL};
	struct command command;
	char status[64], line[256], mode[8] = "";
	FILE *file;

	(void)state;
	/* AddressSanitizer looks for leaks at the end of the process, with system calls that the sandbox forbids. */
	setenv("LSAN_OPTIONS", "detect_leaks=0", 1);
	command_start(&command, -1, argv);
	unsetenv("LSAN_OPTIONS");
	if (!command_ready(&command)) {
		assert_int_equal(command_end(&command, 0), 2);
		assert_non_null(strstr(command.errors, "without libseccomp"));
		skip();
	}
	exchange();
	snprintf(status, sizeof(status), "/proc/%d/status", (int)command.pid);
	file = fopen(status, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "Seccomp: %7s", mode) == 1)
			break;
	fclose(file);
	assert_string_equal(mode, "2");
	assert_int_equal(command_end(&command, SIGINT), 0);
	/* It cannot remove its socket; the next server does. */
	unlink(path);
}

static void another_user(void **state)
{
	const char *const argv[] = {"serve", "-s",          "testengine", "-l",          path,    "--user",
	                            "65534", "--allow-uid", "0",          "--allow-uid", "65534", NULL};
	struct command command;
	char proc[64];
	struct stat st;

	(void)state;
	command_start(&command, -1, argv);
	if (geteuid() != 0) {
		assert_false(command_ready(&command));
		assert_int_equal(command_end(&command, 0), 1);
		assert_non_null(strstr(command.errors, "Only root"));
		return;
	}
	assert_true(command_ready(&command));
	exchange();
	snprintf(proc, sizeof(proc), "/proc/%d", (int)command.pid);
	assert_int_equal(stat(proc, &st), 0);
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(command_end(&command, SIGTERM), 0);
	unlink(path);
}

static void socket_activation(void **state)
{
	const char *const argv[] = {"serve", "-s", "testengine", NULL};
	int listener = ioth_listen_unix(path, 0600);
	struct command command;

	(void)state;
	assert_true(listener >= 0);
	command_start(&command, listener, argv);
	close(listener);
	assert_true(command_ready(&command));
	exchange();
	assert_int_equal(command_end(&command, SIGTERM), 0);
	/* It is the manager's. */
	assert_int_equal(unlink(path), 0);
}

static void path_taken(void **state)
{
	const char *const argv[] = {"serve", "-s", "testengine", "-l", path, NULL};
	struct command first, second;

	(void)state;
	command_start(&first, -1, argv);
	assert_true(command_ready(&first));
	command_start(&second, -1, argv);
	assert_false(command_ready(&second));
	assert_int_equal(command_end(&second, 0), 1);
	assert_non_null(strstr(second.errors, "Another server has this socket"));
	exchange();
	assert_int_equal(command_end(&first, SIGTERM), 0);
}

static void wrong_lines(void **state)
{
	static const struct {
		const char *argv[8];
		int status;
		const char *says;
	} wrong[] = {
	        {{"serve", "-l", "/x"}, 2, "on which stack?"},
	        {{"serve", "-s", "testengine"}, 2, "-l PATH"},
	        {{"serve", "-s", "testengine", "-l", "/x", "more"}, 2, "one word too many"},
	        {{"serve", "-s", "testengine", "-l", "/x", "--mode", "rw"}, 2, "are no permissions"},
	        {{"serve", "-s", "testengine", "-l", "/x", "--allow-uid", "no body"}, 2, "there is no user"},
	        {{"serve", "-s", "testengine", "-l", "/x", "-a", "10.0.0.1"}, 2, "is not an address with the length"},
	        {{"serve", "-s", "testengine", "-l", "/x", "-g", "10.0.0.1/8"}, 2, "is not the address of a gateway"},
	        {{"serve", "-s", "testengine", "-l", "/x", "--mtu", "1"}, 2, "is not an MTU"},
	        {{"serve", "-s", "nonesuch", "-l", "/x"}, 1, "there is no stack nonesuch"},
	        {{"serve", "-s", "testengine", "-l", "/x", "-a", "10.0.0.1/8"}, 1, "no interface for an address"},
	        {{"serve", "-s", "testengine", "-l", "/nonesuch/x"}, 1, "No such file"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct command command;

		command_start(&command, -1, wrong[i].argv);
		assert_false(command_ready(&command));
		assert_int_equal(command_end(&command, 0), wrong[i].status);
		if (strstr(command.errors, wrong[i].says) == NULL)
			fail_msg("line %zu: \"%s\" is not in \"%s\"", i, wrong[i].says, command.errors);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(serves),       cmocka_unit_test(sandboxed),
	        cmocka_unit_test(another_user), cmocka_unit_test(socket_activation),
	        cmocka_unit_test(path_taken),   cmocka_unit_test(wrong_lines),
	};
	int failed;

	if (mkdtemp(dir) == NULL)
		return 1;
	chmod(dir, 0755);
	snprintf(path, sizeof(path), "%s/socket", dir);
	snprintf(notify, sizeof(notify), "%s/notify", dir);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(notify);
	rmdir(dir);
	return failed;
}
