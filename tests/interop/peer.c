/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * peer - the libioth side of the interoperability tests: one stack, one task
 *
 *   peer STACK VNL ADDRESS/PREFIX TASK ...
 *
 *   hold                     stay there (the other side pings) until standard input ends
 *   sink PORT                accept one connection, read it to its end
 *   source HOST PORT BYTES   connect and send that many bytes of noise
 *   get HOST PORT PATH       fetch a page by HTTP/1.0
 *   serve PORT FILE          answer every HTTP request with the file, until standard input ends
 *   iperf HOST PORT BYTES up|down   be the client of an iperf3 server
 *   many-accept PORT COUNT, many-connect HOST PORT COUNT   that many connections at a time; each echoes its number
 *   push HOST PORT MS        send until it fails, MS without an answer allowed: "ended ERROR"
 *   pull HOST PORT           receive until the end, with keep-alives every second: "ended ERROR", or END
 *   echo PORT                echo datagrams until standard input ends
 *   ask HOST PORT COUNT BYTES   have datagrams of up to BYTES echoed, ask again for those that are lost
 *   mdns-ask GROUP LABEL     who is LABEL.local? "address A"
 *   mdns-answer GROUP LABEL ADDRESS   it is us, until standard input ends
 *
 * Prints "ready" when the task can begin, and at its end a line of words and values that the driver reads:
 * "bytes N sha256 H". Ends with status 0 only when the task was done completely.
 */
#include "peer.h"

#include <poll.h>
#include <sha2.h>
#include <signal.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

/** struct tally - what went by: how much, and its hash */
struct tally {
	unsigned long long bytes;
	SHA2_CTX sha;
};

static void tally_init(struct tally *t)
{
	t->bytes = 0;
	SHA256Init(&t->sha);
}

static void tally_add(struct tally *t, const void *data, size_t len)
{
	t->bytes += len;
	SHA256Update(&t->sha, data, len);
}

static void tally_print(struct tally *t)
{
	char hex[SHA256_DIGEST_STRING_LENGTH];

	SHA256End(&t->sha, hex);
	printf("bytes %llu sha256 %s\n", t->bytes, hex);
}

int peer_listen(struct ioth *net, const char *port)
{
	struct sockaddr_storage any;
	socklen_t len = address("::", port, &any);
	int fd = ioth_msocket(net, AF_INET6, SOCK_STREAM, 0),
	    yes = 1; /* both families: IPV6_V6ONLY is off by default */

	if (fd < 0 || ioth_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    ioth_bind(fd, (struct sockaddr *)&any, len) < 0 || ioth_listen(fd, 16) < 0)
		die(NULL, "cannot listen on port %s", port);
	printf("ready\n");
	return fd;
}

int peer_connect(struct ioth *net, const char *host, const char *port)
{
	struct sockaddr_storage to;
	socklen_t len = address(host, port, &to);
	int fd = ioth_msocket(net, to.ss_family, SOCK_STREAM, 0);

	if (fd < 0 || ioth_connect(fd, (struct sockaddr *)&to, len) < 0)
		die(NULL, "cannot connect to %s port %s", host, port);
	return fd;
}

void peer_write(int fd, const void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = ioth_write(fd, (const char *)data + done, len - done);

		if (n < 0)
			die(NULL, "cannot send");
		done += (size_t)n;
	}
}

void peer_read(int fd, void *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = ioth_read(fd, (char *)data + done, len - done);

		if (n <= 0)
			die(NULL, "the other side ended the connection");
		done += (size_t)n;
	}
}

void peer_close(int fd)
{
	struct linger patience = {.l_onoff = 1, .l_linger = 60};

	if (ioth_setsockopt(fd, SOL_SOCKET, SO_LINGER, &patience, sizeof(patience)) < 0 || ioth_close(fd) < 0)
		die(NULL, "the connection did not end well");
}

/** wait_stdin - until the driver closes our standard input */
static void wait_stdin(void)
{
	char c;

	while (read(0, &c, 1) > 0)
		;
}

static int task_hold(struct ioth *net, char *argv[])
{
	(void)net, (void)argv;
	printf("ready\n");
	wait_stdin();
	return 0;
}

static int task_sink(struct ioth *net, char *argv[])
{
	int listener = peer_listen(net, argv[0]);
	int fd = ioth_accept(listener, NULL, NULL);
	static char buf[65536];
	struct tally t;
	ssize_t n;

	if (fd < 0)
		die(NULL, "cannot accept");
	tally_init(&t);
	while ((n = ioth_read(fd, buf, sizeof(buf))) > 0)
		tally_add(&t, buf, (size_t)n);
	if (n < 0)
		die(NULL, "cannot receive");
	peer_close(fd);
	tally_print(&t);
	ioth_close(listener);
	return 0;
}

static int task_source(struct ioth *net, char *argv[])
{
	unsigned long long left = strtoull(argv[2], NULL, 10);
	int fd = peer_connect(net, argv[0], argv[1]);
	static char buf[65536];
	struct tally t;
	char byte;

	tally_init(&t);
	while (left > 0) {
		size_t len = left < sizeof(buf) ? (size_t)left : sizeof(buf);

		arc4random_buf(buf, len);
		peer_write(fd, buf, len);
		tally_add(&t, buf, len);
		left -= len;
	}
	/* The end of the other side's stream means that it has read everything: then the stack may go. */
	if (ioth_shutdown(fd, SHUT_WR) < 0 || ioth_read(fd, &byte, 1) != 0)
		die(NULL, "the connection did not end well");
	tally_print(&t);
	ioth_close(fd);
	return 0;
}

static int task_get(struct ioth *net, char *argv[])
{
	int fd = peer_connect(net, argv[0], argv[1]);
	static char buf[1 << 20];
	size_t len = 0;
	struct tally t;
	char *body;
	ssize_t n;
	int status;

	/* The server closes after the answer (HTTP/1.0), so the end of the stream is the end of the page. */
	snprintf(buf, sizeof(buf), "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", argv[2], argv[0]);
	peer_write(fd, buf, strlen(buf));
	do {
		n = ioth_read(fd, buf + len, sizeof(buf) - 1 - len);
		if (n < 0)
			die(NULL, "cannot receive");
		len += (size_t)n;
		buf[len] = '\0';
		body = strstr(buf, "\r\n\r\n");
	} while (body == NULL && n > 0 && len < sizeof(buf) - 1);
	errno = 0;
	if (body == NULL || sscanf(buf, "HTTP/%*d.%*d %d", &status) != 1)
		die(NULL, "that is no HTTP answer");
	body += 4;
	tally_init(&t);
	tally_add(&t, body, (size_t)(buf + len - body));
	while ((n = ioth_read(fd, buf, sizeof(buf))) > 0)
		tally_add(&t, buf, (size_t)n);
	if (n < 0)
		die(NULL, "cannot receive");
	printf("status %d ", status);
	tally_print(&t);
	ioth_close(fd);
	return 0;
}

/** serve_one - read a request, answer with the file */
static void serve_one(int fd, const char *file, size_t size)
{
	char buf[4096];
	size_t len = 0;

	do {
		ssize_t n = ioth_read(fd, buf + len, sizeof(buf) - 1 - len);

		if (n <= 0)
			die(NULL, "bad request");
		len += (size_t)n;
		buf[len] = '\0';
	} while (strstr(buf, "\r\n\r\n") == NULL);
	snprintf(buf, sizeof(buf), "HTTP/1.0 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
	peer_write(fd, buf, strlen(buf));
	peer_write(fd, file, size);
	if (ioth_shutdown(fd, SHUT_WR) < 0)
		die(NULL, "cannot finish the answer");
	while (ioth_read(fd, buf, sizeof(buf)) > 0)
		;
}

static int task_serve(struct ioth *net, char *argv[])
{
	int file = open(argv[1], O_RDONLY | O_CLOEXEC);
	struct pollfd wait[2] = {{.fd = 0, .events = POLLIN}, {.events = POLLIN}};
	struct stat st;
	char *data;

	if (file < 0 || fstat(file, &st) < 0 || (data = malloc((size_t)st.st_size)) == NULL ||
	    read(file, data, (size_t)st.st_size) != st.st_size)
		die(NULL, "cannot read %s", argv[1]);
	close(file);
	wait[1].fd = peer_listen(net, argv[0]);
	while (poll(wait, 2, -1) > 0 && wait[0].revents == 0) {
		int fd = ioth_accept(wait[1].fd, NULL, NULL);

		if (fd < 0)
			die(NULL, "cannot accept");
		serve_one(fd, data, (size_t)st.st_size);
		ioth_close(fd);
	}
	ioth_close(wait[1].fd);
	free(data);
	return 0;
}

int main(int argc, char *argv[])
{
	static const struct {
		const char *name;
		int args;
		int (*run)(struct ioth *net, char *argv[]);
	} task[] = {{"hold", 0, task_hold},
	            {"sink", 1, task_sink},
	            {"source", 3, task_source},
	            {"get", 3, task_get},
	            {"serve", 2, task_serve},
	            {"iperf", 4, peer_iperf},
	            {"many-accept", 2, peer_many_accept},
	            {"many-connect", 3, peer_many_connect},
	            {"push", 3, peer_push},
	            {"pull", 2, peer_pull},
	            {"echo", 1, peer_echo},
	            {"ask", 4, peer_ask},
	            {"mdns-ask", 2, peer_mdns_ask},
	            {"mdns-answer", 3, peer_mdns_answer}};
	struct ioth *net;

	setlinebuf(stdout);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; argc > 4 && i < sizeof(task) / sizeof(task[0]); i++) {
		if (strcmp(task[i].name, argv[4]) || argc != 5 + task[i].args)
			continue;
		net = stack_up(argv[1], argv[2], argv[3]);
		if (task[i].run(net, argv + 5) != 0)
			return 1;
		if (ioth_delstack(net) < 0)
			die(NULL, "cannot delete the stack");
		return 0;
	}
	fprintf(stderr,
	        "usage: peer STACK VNL ADDRESS/PREFIX hold | sink PORT | source HOST PORT BYTES | get HOST PORT PATH\n"
	        "       | serve PORT FILE | iperf HOST PORT BYTES up|down | ... (see the top of peer.c)\n");
	return 2;
}
