/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * demo.c - ioth demo: two nodes with their own addresses, inside this process, talk over a virtual Ethernet.
 *
 * One thread is the server, on a stack of its own; the main one is the client on another. They meet on a switch in a
 * temporary directory.
 */
#include "command.h"
#include "drain.h"
#include "node.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT "Hello from a thread with its own network"
#define PORT 7

static const char help[] =
        "usage: ioth demo [-s STACK]\n"
        "\n"
        "Two nodes, each with a network stack of its own, talk over a virtual Ethernet. Both are in\n"
        "the process of this command: it needs no root, and the network of this machine is not touched.\n"
        "\n"
        "  -s, --stack STACK   the stack of both (vdestack, or lwip where that is forbidden)\n"
        "  -h, --help          this text\n";

/** struct echo - the server's thread */
struct echo {
	int listener;
	int error; /* errno, when it has failed */
};

/** echo - send back what one client says, to its end */
static void *echo(void *arg)
{
	struct echo *e = arg;
	int fd = ioth_accept(e->listener, NULL, NULL);
	char buf[256];
	ssize_t len;

	while (fd >= 0 && (len = ioth_read(fd, buf, sizeof(buf))) > 0)
		if (ioth_write(fd, buf, (size_t)len) != len)
			break;
	if (fd < 0)
		e->error = errno;
	else
		ioth_close(fd);
	return NULL;
}

/** node - a stack on @network with one address, and what its interfaces are */
static struct ioth *node(const char *stack, const char *network, const char *address)
{
	struct setup setup = {.stack = stack};
	struct ifaddrs *list;
	struct ioth *s;

	setup_option(&setup, "network", network);
	setup_option(&setup, "address", address);
	s = node_open("demo", &setup);
	if (s == NULL)
		return NULL;
	printf("   a stack '%s' on %s:\n", stack, network);
	if (ioth_getifaddrs(s, &list) == 0) {
		for (struct ifaddrs *i = list; i != NULL; i = i->ifa_next) {
			char text[INET_ADDRSTRLEN];

			if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET)
				continue;
			inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr, text, sizeof(text));
			printf("      %-5s %s\n", i->ifa_name, text);
		}
		ioth_freeifaddrs(list);
	}
	return s;
}

/** talk - the client: say the text, hear it again; 0 or an exit status after a complaint */
static int talk(struct ioth *stack, const struct sockaddr_in *server)
{
	char answer[sizeof(TEXT)] = "";
	int fd = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0);
	size_t got = 0;

	if (fd < 0 || ioth_connect(fd, (const struct sockaddr *)server, sizeof(*server)) < 0 ||
	    ioth_write(fd, TEXT, sizeof(TEXT) - 1) < 0 || ioth_shutdown(fd, SHUT_WR) < 0) {
		complain("demo", NULL, "the client cannot speak to the server: %s", strerror(errno));
		return STATUS_FAILED;
	}
	printf("   the client says '%s'\n", TEXT);
	while (got < sizeof(answer) - 1) {
		ssize_t len = ioth_read(fd, answer + got, sizeof(answer) - 1 - got);

		if (len <= 0)
			break;
		got += (size_t)len;
	}
	drain_close(fd, DRAIN_SECONDS);
	printf("   and hears       '%s'\n", answer);
	if (strcmp(answer, TEXT) == 0)
		return 0;
	complain("demo", NULL, "that is not what the client has said");
	return STATUS_FAILED;
}

static int demo(const char *stack, const char *dir)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT)}, server = any;
	char make[128], join[128];
	struct ioth *a, *b;
	struct echo e = {0};
	pthread_t thread;
	int status;

	snprintf(make, sizeof(make), "switch://%s/lan", dir);
	snprintf(join, sizeof(join), "vde://%s/lan", dir);
	puts("\nA server, whose stack makes the network:\n");
	a = node(stack, make, "10.0.0.1/24");
	if (a == NULL)
		return STATUS_FAILED;
	puts("\nA client, whose stack joins it:\n");
	b = node(stack, join, "10.0.0.2/24");
	if (b == NULL)
		return STATUS_FAILED;
	e.listener = ioth_msocket(a, AF_INET, SOCK_STREAM, 0);
	if (e.listener < 0 || ioth_bind(e.listener, (struct sockaddr *)&any, sizeof(any)) < 0 ||
	    ioth_listen(e.listener, 1) < 0 || pthread_create(&thread, NULL, echo, &e) != 0) {
		complain("demo", NULL, "there is no server: %s", strerror(errno));
		return STATUS_FAILED;
	}
	puts("\nOver the wire go ARP, a TCP handshake, the text, its echo, and the goodbye:\n");
	inet_pton(AF_INET, "10.0.0.1", &server.sin_addr);
	status = talk(b, &server);
	if (status == 0)
		pthread_join(thread, NULL);
	ioth_close(e.listener);
	ioth_delstack(b);
	ioth_delstack(a);
	if (status == 0)
		puts("\nThe same with real programs, in two terminals:\n\n"
		     "  ioth run -s vdestack -n switch:///tmp/lan -a 10.0.0.1/24 -- python3 -m http.server 80\n"
		     "  ioth run -s vdestack -n vde:///tmp/lan -a 10.0.0.2/24 -- curl http://10.0.0.1/\n");
	return status;
}

int demo_main(int argc, char *argv[])
{
	static const struct option options[] = {
	        {"stack", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	char dir[] = "/tmp/ioth-demo.XXXXXX";
	const char *stack = NULL;
	int opt, status;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":s:h", options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(help, stdout);
			return 0;
		}
		if (opt != 's')
			return usage_error("demo", "there is no option %s", argv[optind - 1]);
		stack = optarg;
	}
	if (optind < argc)
		return usage_error("demo", "what is '%s'?", argv[optind]);
	if (stack == NULL) {
		struct ioth *trial = ioth_newstack("vdestack", NULL);

		stack = trial != NULL ? "vdestack" : "lwip";
		if (trial != NULL)
			ioth_delstack(trial);
	}
	if (mkdtemp(dir) == NULL) {
		complain("demo", NULL, "no temporary directory: %s", strerror(errno));
		return STATUS_FAILED;
	}
	status = demo(stack, dir);
	rmdir(dir);
	return status;
}
