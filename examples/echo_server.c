/* SPDX-License-Identifier: 0BSD */
/*
 * echo_server - a TCP echo server on any stack, one client after the other (poll_server.c serves many at once)
 *
 *   echo_server vdestack switch:///tmp/lan 10.0.0.1/24 7
 *   echo_server kernel - - 7777
 */
#include "common.h"

#include <signal.h>

/** echo - send back what arrives until the client has finished */
static void echo(int fd)
{
	char buf[16384];
	ssize_t len;

	while ((len = ioth_read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t done = 0, n; done < len; done += n) {
			n = ioth_write(fd, buf + done, (size_t)(len - done));
			if (n < 0) {
				perror("ioth_write");
				return;
			}
		}
	}
	if (len < 0)
		perror("ioth_read");
}

int main(int argc, char *argv[])
{
	struct sockaddr_storage any;
	socklen_t len;
	struct ioth *net;
	int fd, yes = 1;

	if (argc != 5) {
		fprintf(stderr, "usage: %s STACK VNL ADDRESS/PREFIX PORT\n", argv[0]);
		return 2;
	}
	setlinebuf(stdout);
	signal(SIGPIPE, SIG_IGN);
	len = address(strchr(argv[3], ':') ? "::" : "0.0.0.0", argv[4], &any);
	net = stack_up(argv[1], argv[2], argv[3]);
	stack_show(net, "");

	fd = ioth_msocket(net, any.ss_family, SOCK_STREAM, 0);
	if (fd < 0)
		die(NULL, "cannot open a socket");
	if (ioth_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0)
		die(NULL, "cannot set SO_REUSEADDR");
	if (ioth_bind(fd, (struct sockaddr *)&any, len) < 0 || ioth_listen(fd, 5) < 0)
		die("Is another server running there? Ports below 1024 of the host itself need root.",
		    "cannot listen on port %s", argv[4]);
	printf("listening on port %s\n", argv[4]);

	for (;;) {
		int client = ioth_accept(fd, NULL, NULL);

		if (client < 0)
			die(NULL, "cannot accept a connection");
		echo(client);
		ioth_close(client);
	}
}
