/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* connect.c - ioth connect: a connection from a stack, on standard input and output. */
#include "command.h"
#include "drain.h"
#include "node.h"
#include "relay.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
        "usage: ioth connect [OPTION...] ADDRESS PORT\n"
        "\n"
        "Connect from a stack to ADDRESS, send standard input, print what comes.\n"
        "\n" SETUP_HELP "  -u, --udp               datagrams: each read of the input is one; ends a second after\n"
        "                          the last answer when the input has ended\n"
        "  -h, --help              this text\n"
        "\n"
        "  echo hello | ioth connect -s lwip -n vde:///tmp/lan -a 10.0.0.2/24 10.0.0.1 7\n";

int connect_main(int argc, char *argv[])
{
	static const struct option options[] = {
	        SETUP_LONG, {"udp", no_argument, NULL, 'u'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	struct setup setup = SETUP_INIT;
	struct sockaddr_storage to;
	bool udp = false;
	const char *what;
	char text[NODE_ADDR_SIZE];
	struct ioth *stack;
	socklen_t len;
	int opt, fd, err;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":" SETUP_SHORT "uh", options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(help, stdout);
			return 0;
		}
		if (opt == 'u')
			udp = true;
		else if (node_option("connect", &setup, opt, argv) != 0)
			return STATUS_USAGE;
	}
	if (argc - optind != 2)
		return usage_error("connect", "where to? Name an address and a port");
	len = node_address("connect", argv[optind], argv[optind + 1], AF_UNSPEC, &to);
	if (len == 0)
		return STATUS_USAGE;
	stack = node_open("connect", &setup);
	if (stack == NULL)
		return STATUS_FAILED;
	signal(SIGPIPE, SIG_IGN);
	fd = ioth_msocket(stack, to.ss_family, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
	if (fd < 0 || ioth_connect(fd, (struct sockaddr *)&to, len) < 0) {
		complain("connect", NULL, "no connection to %s: %s", node_text(&to, text), strerror(errno));
		return STATUS_FAILED;
	}
	err = relay(fd, STDIN_FILENO, STDOUT_FILENO, udp, &what);
	if (err)
		complain("connect", NULL, "%s: %s", what, strerror(-err));
	drain_close(fd, DRAIN_SECONDS);
	ioth_delstack(stack);
	return err ? STATUS_FAILED : 0;
}
