/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench.c - ioth bench: how fast are two stacks of a kind on this machine?
 *
 * The server is a process of its own, forked before any stack is made. It makes a switch, on which the client joins it.
 * Three measurements over TCP, one after the other, each on connections of its own: bytes in one direction, requests of
 * one byte answered by one byte, and connections. The first byte of a connection says which (enum work). For exact
 * figures beside references there is bench/.
 */
#include "command.h"
#include "json.h"
#include "node.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT 7
#define CHUNK 65536
#define REQUESTS_MAX 200000

static const char help[] = "usage: ioth bench [OPTION...]\n"
                           "\n"
                           "Measure TCP between two stacks on this machine, each in a process: throughput of one\n"
                           "connection, time of a request of one byte and its answer, connections a second.\n"
                           "\n"
                           "  -s, --stack STACK      of both (vdestack)\n"
                           "  -t, --time SECONDS     for each measurement (2)\n"
                           "      --json             the result as an object\n"
                           "  -h, --help             this text\n";

enum work { WORK_SINK = 's', WORK_ECHO = 'e', WORK_CLOSE = 'c' };

struct result {
	double gbits, p50, p99, connections; /* Gbit/s, microseconds, a second */
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/** node - a stack on the network; NULL after a complaint */
static struct ioth *node(const char *stack, const char *network, const char *address)
{
	struct setup setup = {.stack = stack};

	setup_option(&setup, "network", network);
	setup_option(&setup, "address", address);
	return node_open("bench", &setup);
}

static void set_nodelay(int fd)
{
	int on = 1;

	ioth_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/** serve_one - do what the first byte of the connection says, till it ends */
static void serve_one(int fd)
{
	static char buf[CHUNK];
	char work;
	size_t total = 0;
	ssize_t len;

	set_nodelay(fd);
	if (ioth_read(fd, &work, 1) != 1)
		return;
	while ((len = ioth_read(fd, buf, work == WORK_ECHO ? 1 : sizeof(buf))) > 0) {
		total += (size_t)len;
		if (work == WORK_ECHO && ioth_write(fd, buf, 1) != 1)
			return;
	}
	/* The end of a stream is acknowledged by how much of it has come. */
	if (work == WORK_SINK)
		ioth_write(fd, &total, sizeof(total));
}

/** server - the process of its own; reports by closing @ready */
static _Noreturn void server(const char *stack, const char *network, int ready)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	struct ioth *s;
	int listener;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	s = node(stack, network, "10.0.0.1/24");
	listener = s != NULL ? ioth_msocket(s, AF_INET, SOCK_STREAM, 0) : -1;
	if (listener < 0 || ioth_bind(listener, (struct sockaddr *)&any, sizeof(any)) < 0 ||
	    ioth_listen(listener, 128) < 0 || write(ready, "", 1) != 1)
		_exit(STATUS_FAILED);
	for (;;) {
		int fd = ioth_accept(listener, NULL, NULL);

		if (fd < 0)
			_exit(STATUS_FAILED);
		serve_one(fd);
		ioth_close(fd);
	}
}

/** connection - to the server, for @work; -1: errno */
static int connection(struct ioth *stack, enum work work)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int fd = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0);
	char byte = (char)work;

	inet_pton(AF_INET, "10.0.0.1", &to.sin_addr);
	if (fd < 0)
		return -1;
	set_nodelay(fd);
	if (ioth_connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 && ioth_write(fd, &byte, 1) == 1)
		return fd;
	ioth_close(fd);
	return -1;
}

/** throughput - of one connection, up to the last byte's arrival; 0 or -1 */
static int throughput(struct ioth *stack, double seconds, struct result *result)
{
	static const char chunk[CHUNK];
	int fd = connection(stack, WORK_SINK);
	double start = now(), end = start + seconds;
	size_t total = 0;
	ssize_t len = 0;

	if (fd < 0)
		return -1;
	while (now() < end && (len = ioth_write(fd, chunk, sizeof(chunk))) > 0)
		;
	if (len < 0 || ioth_shutdown(fd, SHUT_WR) < 0 ||
	    ioth_recv(fd, &total, sizeof(total), MSG_WAITALL) != sizeof(total)) {
		ioth_close(fd);
		return -1;
	}
	result->gbits = (double)total * 8 / (now() - start) / 1e9;
	ioth_close(fd);
	return 0;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/** latency - of a request and its answer; 0 or -1 */
static int latency(struct ioth *stack, double seconds, struct result *result)
{
	double *times = malloc(REQUESTS_MAX * sizeof(*times)), end;
	int fd = times != NULL ? connection(stack, WORK_ECHO) : -1, failed = fd < 0;
	size_t count = 0;
	char byte = 0;

	for (end = now() + seconds; !failed && count < REQUESTS_MAX && now() < end; count++) {
		double start = now();

		failed = ioth_write(fd, &byte, 1) != 1 || ioth_read(fd, &byte, 1) != 1;
		times[count] = (now() - start) * 1e6;
	}
	if (fd >= 0)
		ioth_close(fd);
	if (!failed && count > 0) {
		qsort(times, count, sizeof(*times), compare);
		result->p50 = times[count / 2];
		result->p99 = times[count * 99 / 100];
	}
	free(times);
	return failed || count == 0 ? -1 : 0;
}

/** connections - one after the other, each to its end; 0 or -1 */
static int connections(struct ioth *stack, double seconds, struct result *result)
{
	double start = now(), end = start + seconds;
	size_t count = 0;

	for (; now() < end; count++) {
		int fd = connection(stack, WORK_CLOSE);
		char byte;

		if (fd < 0 || ioth_shutdown(fd, SHUT_WR) < 0 || ioth_read(fd, &byte, 1) != 0)
			return -1;
		ioth_close(fd);
	}
	result->connections = (double)count / (now() - start);
	return 0;
}

/** client - measure; an exit status */
static int client(const char *stack, const char *network, double seconds, bool json)
{
	struct ioth *s = node(stack, network, "10.0.0.2/24");
	struct result r = {0};

	if (s == NULL)
		return STATUS_FAILED;
	if (throughput(s, seconds, &r) < 0 || latency(s, seconds, &r) < 0 || connections(s, seconds, &r) < 0) {
		complain("bench", NULL, "a measurement failed: %s", strerror(errno));
		return STATUS_FAILED;
	}
	if (json) {
		putchar('{');
		json_string("stack", stack, ", ");
		json_number("gbits", r.gbits, ", ");
		json_number("p50_us", r.p50, ", ");
		json_number("p99_us", r.p99, ", ");
		json_number("connections", r.connections, "}\n");
	} else {
		printf("%s to %s over a switch, TCP:\n", stack, stack);
		printf("  one connection   %8.2f Gbit/s\n", r.gbits);
		printf("  request, answer  %8.1f us (half of them), %.1f us (99 of 100)\n", r.p50, r.p99);
		printf("  connections      %8.0f a second\n", r.connections);
	}
	ioth_delstack(s);
	return 0;
}

static int bench(const char *stack, const char *dir, double seconds, bool json)
{
	char make[128], join[128], byte;
	int ready[2], status;
	pid_t pid;

	snprintf(make, sizeof(make), "switch://%s/lan", dir);
	snprintf(join, sizeof(join), "vde://%s/lan", dir);
	if (pipe(ready) < 0 || (pid = fork()) < 0) {
		complain("bench", NULL, "no process for the server: %s", strerror(errno));
		return STATUS_FAILED;
	}
	if (pid == 0)
		server(stack, make, ready[1]);
	close(ready[1]);
	status = read(ready[0], &byte, 1) == 1 ? client(stack, join, seconds, json) : STATUS_FAILED;
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	return status;
}

int bench_main(int argc, char *argv[])
{
	static const struct option options[] = {{"stack", required_argument, NULL, 's'},
	                                        {"time", required_argument, NULL, 't'},
	                                        {"json", no_argument, NULL, 'j'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {NULL, 0, NULL, 0}};
	char dir[] = "/tmp/ioth-bench.XXXXXX", path[64];
	const char *stack = "vdestack";
	double seconds = 2;
	bool json = false;
	int opt, status;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":s:t:h", options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(help, stdout);
			return 0;
		}
		if (opt == 's')
			stack = optarg;
		else if (opt == 'j')
			json = true;
		else if (opt != 't')
			return usage_error("bench", "there is no option %s", argv[optind - 1]);
		else if (node_number("bench", "a time", optarg, 0.01, 3600, &seconds) != 0)
			return STATUS_USAGE;
	}
	if (optind < argc)
		return usage_error("bench", "what is '%s'?", argv[optind]);
	if (mkdtemp(dir) == NULL) {
		complain("bench", NULL, "no temporary directory: %s", strerror(errno));
		return STATUS_FAILED;
	}
	status = bench(stack, dir, seconds, json);
	/* The server, which has made the switch, has ended without removing it. */
	snprintf(path, sizeof(path), "%s/lan/ctl", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/lan", dir);
	rmdir(path);
	rmdir(dir);
	return status;
}
