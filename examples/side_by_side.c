/* SPDX-License-Identifier: 0BSD */
/*
 * side_by_side - the host's network and a private one in the same program: a door from one into the other
 *
 *   side_by_side vdestack vde:///tmp/lan 10.0.0.3/24 8080 10.0.0.1 80
 *
 * listens on 127.0.0.1 port 8080 of the host, and carries each connection to 10.0.0.1 port 80 of the private network,
 * which the host itself cannot reach. Try it with: curl http://127.0.0.1:8080/
 */
#include "common.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>

static struct ioth *net; /* the private stack; the host's is NULL to every ioth_ call */
static struct sockaddr_storage server;
static socklen_t server_len;

/** carry - move what is there from one side to the other; returns false when that side has finished or failed */
static int carry(int from, int to)
{
	char buf[16384];
	ssize_t len = ioth_read(from, buf, sizeof(buf));

	for (ssize_t done = 0, n; done < len; done += n) {
		n = ioth_write(to, buf + done, (size_t)(len - done));
		if (n < 0)
			return 0;
	}
	return len > 0;
}

/** relay - a thread: one connection of the host, and its twin in the private network */
static void *relay(void *arg)
{
	int host = (int)(intptr_t)arg;
	int inner = ioth_msocket(net, server.ss_family, SOCK_STREAM, 0);
	struct pollfd side[2] = {{.fd = host, .events = POLLIN}, {.fd = inner, .events = POLLIN}};

	if (inner < 0 || ioth_connect(inner, (struct sockaddr *)&server, server_len) < 0) {
		perror("cannot connect in the private network");
	} else {
		/* Each direction ends by itself, as the two halves of a TCP connection do. */
		while (side[0].fd >= 0 || side[1].fd >= 0) {
			if (poll(side, 2, -1) < 0)
				break;
			for (int i = 0; i < 2; i++)
				if (side[i].fd >= 0 && side[i].revents && !carry(side[i].fd, i ? host : inner)) {
					ioth_shutdown(i ? host : inner, SHUT_WR);
					side[i].fd = -1;
				}
		}
	}
	if (inner >= 0)
		ioth_close(inner);
	ioth_close(host);
	return NULL;
}

int main(int argc, char *argv[])
{
	struct sockaddr_storage door;
	socklen_t door_len;
	int fd, yes = 1;

	if (argc != 7) {
		fprintf(stderr, "usage: %s STACK VNL ADDRESS/PREFIX HOST-PORT SERVER PORT\n", argv[0]);
		return 2;
	}
	setlinebuf(stdout);
	signal(SIGPIPE, SIG_IGN);
	door_len = address("127.0.0.1", argv[4], &door);
	server_len = address(argv[5], argv[6], &server);
	net = stack_up(argv[1], argv[2], argv[3]);
	printf("the host's network\n");
	stack_show(ioth_newstack(NULL, NULL), "    ");
	printf("the private network\n");
	stack_show(net, "    ");

	fd = ioth_socket(AF_INET, SOCK_STREAM, 0); /* the default stack: the host's */
	if (fd < 0 || ioth_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    ioth_bind(fd, (struct sockaddr *)&door, door_len) < 0 || ioth_listen(fd, 5) < 0)
		die("Choose another port of the host.", "cannot listen on 127.0.0.1 port %s", argv[4]);
	ioth_getsockname(fd, (struct sockaddr *)&door, &door_len);
	printf("listening on 127.0.0.1 port %d\n", ntohs(((struct sockaddr_in *)&door)->sin_port));

	for (;;) {
		int client = ioth_accept(fd, NULL, NULL);
		pthread_t thread;

		if (client < 0)
			die(NULL, "cannot accept a connection");
		errno = pthread_create(&thread, NULL, relay, (void *)(intptr_t)client);
		if (errno)
			die(NULL, "cannot create a thread");
		pthread_detach(thread);
	}
}
