/* SPDX-License-Identifier: 0BSD */
/*
 * echo_client - sends a text to an echo server from any stack, and checks that it comes back
 *
 *   echo_client vdestack vde:///tmp/lan 10.0.0.2/24 10.0.0.1 7 "hello"
 *
 * Ends with 0 only when exactly the text came back.
 */
#include "common.h"

#include <signal.h>

int main(int argc, char *argv[])
{
	struct sockaddr_storage server;
	socklen_t server_len;
	struct ioth *net;
	const char *text;
	char *back;
	size_t len, got = 0;
	ssize_t n = 0;
	int fd;

	if (argc != 7) {
		fprintf(stderr, "usage: %s STACK VNL ADDRESS/PREFIX SERVER PORT TEXT\n", argv[0]);
		return 2;
	}
	setlinebuf(stdout);
	signal(SIGPIPE, SIG_IGN);
	text = argv[6];
	len = strlen(text);
	back = malloc(len + 1);
	if (back == NULL)
		die(NULL, "no memory");
	server_len = address(argv[4], argv[5], &server);
	net = stack_up(argv[1], argv[2], argv[3]);
	stack_show(net, "");

	fd = ioth_msocket(net, server.ss_family, SOCK_STREAM, 0);
	if (fd < 0)
		die(NULL, "cannot open a socket");
	if (ioth_connect(fd, (struct sockaddr *)&server, server_len) < 0)
		die("Is the server running, on the same network?", "cannot connect to %s port %s", argv[4], argv[5]);
	printf("sending   '%s'\n", text);
	for (size_t done = 0; done < len; done += (size_t)n) {
		n = ioth_write(fd, text + done, len - done);
		if (n < 0)
			die(NULL, "cannot send");
	}
	/* This says "no more from me": the server answers the rest, then closes, and we read the end of the stream. */
	if (ioth_shutdown(fd, SHUT_WR) < 0)
		die(NULL, "cannot finish sending");
	while (got <= len && (n = ioth_read(fd, back + got, len + 1 - got)) > 0)
		got += (size_t)n;
	if (n < 0)
		die(NULL, "cannot receive");
	printf("received  '%.*s'\n", (int)got, back);
	if (ioth_close(fd) < 0 || ioth_delstack(net) < 0)
		die(NULL, "cannot delete the stack");
	if (got != len || memcmp(back, text, len) != 0) {
		fprintf(stderr, "That is not what was sent.\n");
		return 1;
	}
	free(back);
	return 0;
}
