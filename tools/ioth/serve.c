/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * serve.c - ioth serve: offer a stack to other processes.
 *
 * Order of things: the stack, its networks and addresses, with the privileges that it was started with; the socket;
 * then privileges and system calls are given up, and only then is a client listened to. A service manager may pass the
 * socket (LISTEN_FDS, sd_listen_fds(3)) and be told that the server is ready (NOTIFY_SOCKET, sd_notify(3)): both are a
 * few lines, which is less than a library.
 */
#include "command.h"
#include "node.h"
#include "sandbox.h"
#include "setup.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <iothserve.h>
#include <pwd.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/un.h>
#include <unistd.h>

#define USERS_MAX 64
#define LISTEN_FD 3 /* SD_LISTEN_FDS_START */

static const char help[] =
        "usage: ioth serve -s STACK [OPTION...] -l PATH\n"
        "\n"
        "Makes a stack and offers it to other processes on the UNIX socket PATH, until SIGTERM or SIGINT.\n"
        "They use it as 'remote,socket=PATH': ioth run -s remote,socket=PATH -- curl http://10.0.0.1/\n"
        "\n" SETUP_HELP "  -l, --listen PATH       the socket; not needed when a service manager passes one\n"
        "      --mode MODE         its permissions, octal: who may write may connect (0600)\n"
        "      --allow-uid USER    only this user may connect; several times for several\n"
        "      --allow-links       clients may plug the stack into networks of their choice, which can start programs\n"
        "      --max-sockets N     sockets of one process (4096)\n"
        "      --max-clients N     processes (1024)\n"
        "      --user USER         become this user when the stack is set up\n"
        "      --sandbox           then allow itself no files, programs or networks any more (seccomp)\n"
        "  -h, --help              this text\n"
        "\n"
        "Exit status: 0 when it was asked to end; 1 when it could not begin; 2 for a wrong command line.\n";

enum { OPT_MODE = 2000, OPT_ALLOW_UID, OPT_ALLOW_LINKS, OPT_MAX_SOCKETS, OPT_MAX_CLIENTS, OPT_USER, OPT_SANDBOX };

static const struct option longs[] = {
        SETUP_LONG,
        {"listen", required_argument, NULL, 'l'},
        {"mode", required_argument, NULL, OPT_MODE},
        {"allow-uid", required_argument, NULL, OPT_ALLOW_UID},
        {"allow-links", no_argument, NULL, OPT_ALLOW_LINKS},
        {"max-sockets", required_argument, NULL, OPT_MAX_SOCKETS},
        {"max-clients", required_argument, NULL, OPT_MAX_CLIENTS},
        {"user", required_argument, NULL, OPT_USER},
        {"sandbox", no_argument, NULL, OPT_SANDBOX},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
};

/** struct job - what the command line asks for */
struct job {
	struct setup setup;
	struct ioth_serve_options options;
	uid_t allowed[USERS_MAX];
	const char *path; /* NULL: the socket was passed to us */
	mode_t mode;
	bool sandbox, become;
	uid_t uid;
	gid_t gid;
	int listener;
};

/** number - all of @text, from 1 on; 0 when it is none */
static unsigned int number(const char *text, int base)
{
	char *end;
	unsigned long value = strtoul(text, &end, base);

	return *text < '0' || *text > '9' || *end != '\0' || value > 0x7fffffff ? 0 : (unsigned int)value;
}

/** user_of - a user by name or number; false: there is none */
static bool user_of(const char *text, uid_t *uid, gid_t *gid)
{
	const struct passwd *entry = getpwnam(text);
	char *end;
	unsigned long value;

	if (entry != NULL) {
		*uid = entry->pw_uid;
		*gid = entry->pw_gid;
		return true;
	}
	value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || value >= (uid_t)-1)
		return false;
	entry = getpwuid((uid_t)value);
	*uid = (uid_t)value;
	*gid = entry != NULL ? entry->pw_gid : (gid_t)value;
	return true;
}

/** parse_one - an option that is not of the set-up; 0, the exit status of a complaint, or -1: it is none of these */
static int parse_one(struct job *job, int opt, const char *value)
{
	gid_t gid;

	switch (opt) {
	case 'l':
		job->path = value;
		return 0;
	case OPT_MODE:
		job->mode = number(value, 8);
		return job->mode == 0 || job->mode > 0777
		               ? usage_error("serve", "'%s' are no permissions: write 0660", value)
		               : 0;
	case OPT_ALLOW_UID:
		if (job->options.allow_count == USERS_MAX)
			return usage_error("serve", "more than %d users", USERS_MAX);
		if (!user_of(value, &job->allowed[job->options.allow_count], &gid))
			return usage_error("serve", "there is no user '%s'", value);
		job->options.allow_uids = job->allowed;
		job->options.allow_count++;
		return 0;
	case OPT_ALLOW_LINKS:
		job->options.flags |= IOTH_SERVE_LINKS;
		return 0;
	case OPT_MAX_SOCKETS:
		job->options.max_sockets = number(value, 10);
		return job->options.max_sockets == 0 ? usage_error("serve", "'%s' is no number of sockets", value) : 0;
	case OPT_MAX_CLIENTS:
		job->options.max_clients = number(value, 10);
		return job->options.max_clients == 0 ? usage_error("serve", "'%s' is no number of processes", value)
		                                     : 0;
	case OPT_USER:
		job->become = user_of(value, &job->uid, &job->gid);
		return job->become ? 0 : usage_error("serve", "there is no user '%s'", value);
	case OPT_SANDBOX:
		job->sandbox = true;
		return sandbox_available() ? 0 : usage_error("serve", "--sandbox: ioth was built without libseccomp");
	default:
		return -1;
	}
}

/** passed_listener - the socket that a service manager has passed, or -1 */
static int passed_listener(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int fd = -1;

	if (pid != NULL && fds != NULL && number(pid, 10) == (unsigned int)getpid() && number(fds, 10) == 1)
		fd = LISTEN_FD;
	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return fd;
}

static int parse(struct job *job, int argc, char *argv[])
{
	int opt, status = 0;

	opterr = 0;
	while (status == 0 && (opt = getopt_long(argc, argv, ":" SETUP_SHORT "l:h", longs, NULL)) != -1) {
		if (opt == 'h') {
			fputs(help, stdout);
			exit(0);
		}
		status = parse_one(job, opt, optarg);
		if (status < 0)
			status = node_option("serve", &job->setup, opt, argv);
	}
	if (status == 0 && optind < argc)
		return usage_error("serve", "'%s' is one word too many", argv[optind]);
	if (status == 0 && job->setup.stack == NULL)
		return usage_error("serve", "on which stack? Say -s NAME; 'ioth stacks' lists the names");
	job->listener = passed_listener();
	if (status == 0 && job->path == NULL && job->listener < 0)
		return usage_error("serve", "where? Name the socket with -l PATH");
	return status;
}

/* ------------------------------------------------------------------------------------------------------ the server */

/** end_signals - SIGTERM and SIGINT as a descriptor; -1 with errno. Before any thread is started, so that none takes
 * them. */
static int end_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -1 : signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/** tell_ready - the service manager, if there is one that wants to know */
static void tell_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd;

	if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(name.sun_path))
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	strcpy(name.sun_path, path);
	if (name.sun_path[0] == '@')
		name.sun_path[0] = '\0';
	sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (struct sockaddr *)&name,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
	close(fd);
}

/** listen_at - the socket, if it was not passed; false after a complaint */
static bool listen_at(struct job *job)
{
	if (job->listener >= 0)
		return true;
	job->listener = ioth_listen_unix(job->path, job->mode);
	if (job->listener >= 0)
		return true;
	complain("serve",
	         errno == EADDRINUSE ? "Another server has this socket: end it, or choose another path."
	         : errno == EEXIST   ? "There is a file of that name that is no socket: choose another path."
	                             : NULL,
	         "cannot listen on %s: %s", job->path, strerror(errno));
	return false;
}

/** give_up - privileges and system calls; false after a complaint */
static bool give_up(const struct job *job)
{
	int result = job->become ? sandbox_become(job->uid, job->gid) : 0;

	if (result < 0) {
		complain("serve", result == -EPERM ? "Only root can become another user." : NULL, "--user: %s",
		         strerror(-result));
		return false;
	}
	result = job->sandbox ? sandbox_enter() : 0;
	if (result < 0)
		complain("serve", NULL, "--sandbox: %s", strerror(-result));
	return result == 0;
}

static int serve(struct job *job, struct ioth *stack)
{
	int result;

	if (!listen_at(job))
		return STATUS_FAILED;
	if (!give_up(job)) {
		if (job->path != NULL)
			unlink(job->path);
		return STATUS_FAILED;
	}
	tell_ready();
	result = ioth_serve(stack, job->listener, &job->options);
	if (result < 0)
		complain("serve",
		         errno == EINVAL ? "The socket must be a listening one of the type SOCK_SEQPACKET." : NULL,
		         "the stack cannot be served: %s", strerror(errno));
	/* In the sandbox it stays: the next server replaces it. */
	if (job->path != NULL)
		unlink(job->path);
	return result < 0 ? STATUS_FAILED : 0;
}

int serve_main(int argc, char *argv[])
{
	struct job job = {.mode = 0600, .listener = -1, .options.size = sizeof(job.options)};
	int status = parse(&job, argc, argv);
	struct rlimit files;
	struct ioth *stack;

	if (status != 0)
		return status;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	job.options.stop_fd = end_signals();
	if (job.options.stop_fd < 0) {
		complain("serve", NULL, "signals cannot be waited for: %s", strerror(errno));
		return STATUS_FAILED;
	}
	stack = node_open("serve", &job.setup);
	if (stack == NULL)
		return STATUS_FAILED;
	status = serve(&job, stack);
	ioth_delstack(stack);
	return status;
}
