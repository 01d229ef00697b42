/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* listen.c - ioth listen: a connection to a stack, on standard input and output. */
#include "command.h"
#include "drain.h"
#include "node.h"
#include "relay.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
        "usage: ioth listen [OPTION...] [ADDRESS] PORT\n"
        "\n"
        "Wait on a stack for a connection, print what comes, send standard input.\n"
        "\n" SETUP_HELP "  -u, --udp               datagrams: answers go to the sender of the first one; ends a\n"
        "                          second after the last when the input has ended\n"
        "  -k, --keep              after a connection wait for the next; no input is sent\n"
        "  -h, --help              this text\n"
        "\n"
        "What is being listened on is said on standard error, with the port when it was 0.\n"
        "\n"
        "  ioth listen -s lwip -n switch:///tmp/lan -a 10.0.0.1/24 7\n";

/** open_listener - a socket on @addr; -1 after a complaint */
static int open_listener(struct ioth *stack, struct sockaddr_storage *addr, socklen_t len, bool udp)
{
	int fd = ioth_msocket(stack, addr->ss_family, udp ? SOCK_DGRAM : SOCK_STREAM, 0), on = 1;
	char text[NODE_ADDR_SIZE];

	if (fd < 0 || ioth_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    ioth_bind(fd, (struct sockaddr *)addr, len) < 0 || (!udp && ioth_listen(fd, 16) < 0) ||
	    ioth_getsockname(fd, (struct sockaddr *)addr, &len) < 0) {
		complain("listen", NULL, "cannot listen on %s: %s", node_text(addr, text), strerror(errno));
		return -1;
	}
	fprintf(stderr, "listening on %s\n", node_text(addr, text));
	return fd;
}

/** next_peer - the socket of the next connection, or the one of the datagrams connected to their sender; -1: errno */
static int next_peer(int listener, bool udp)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	char byte;

	if (!udp)
		return ioth_accept(listener, NULL, NULL);
	if (ioth_recvfrom(listener, &byte, 1, MSG_PEEK, (struct sockaddr *)&from, &len) < 0 ||
	    ioth_connect(listener, (struct sockaddr *)&from, len) < 0)
		return -1;
	return listener;
}

static int serve(int listener, bool udp, bool keep)
{
	const char *what = "accepting";
	int err = 0;

	do {
		int fd = next_peer(listener, udp), nothing[2];

		if (fd < 0 || (keep && pipe(nothing) < 0)) {
			err = -errno;
			break;
		}
		if (keep)
			close(nothing[1]);
		err = relay(fd, keep ? nothing[0] : STDIN_FILENO, STDOUT_FILENO, udp, &what);
		if (keep)
			close(nothing[0]);
		if (fd != listener)
			drain_close(fd, DRAIN_SECONDS);
		if (err)
			complain("listen", NULL, "%s: %s", what, strerror(-err));
	} while (keep);
	return err;
}

int listen_main(int argc, char *argv[])
{
	static const struct option options[] = {SETUP_LONG,
	                                        {"udp", no_argument, NULL, 'u'},
	                                        {"keep", no_argument, NULL, 'k'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {NULL, 0, NULL, 0}};
	struct setup setup = SETUP_INIT;
	struct sockaddr_storage addr;
	bool udp = false, keep = false;
	struct ioth *stack;
	socklen_t len;
	int opt, fd, err;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":" SETUP_SHORT "ukh", options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(help, stdout);
			return 0;
		}
		if (opt == 'u')
			udp = true;
		else if (opt == 'k')
			keep = true;
		else if (node_option("listen", &setup, opt, argv) != 0)
			return STATUS_USAGE;
	}
	if (argc - optind < 1 || argc - optind > 2)
		return usage_error("listen", "on which port?");
	if (udp && keep)
		return usage_error("listen", "datagrams have no connection to wait for: --udp or --keep, not both");
	/* Any address is :: with its IPv4 as well. */
	len = node_address("listen", argc - optind == 2 ? argv[optind] : NULL, argv[argc - 1],
	                   argc - optind == 2 ? AF_UNSPEC : AF_INET6, &addr);
	if (len == 0)
		return STATUS_USAGE;
	stack = node_open("listen", &setup);
	if (stack == NULL)
		return STATUS_FAILED;
	signal(SIGPIPE, SIG_IGN);
	fd = open_listener(stack, &addr, len, udp);
	if (fd < 0)
		return STATUS_FAILED;
	err = serve(fd, udp, keep);
	ioth_close(fd);
	ioth_delstack(stack);
	return err ? STATUS_FAILED : 0;
}
