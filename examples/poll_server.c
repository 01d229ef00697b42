/* SPDX-License-Identifier: 0BSD */
/*
 * poll_server - an echo server for many clients at once: one thread, one epoll(7), any stack
 *
 *   poll_server vdestack switch:///tmp/lan 10.0.0.1/24 7
 *
 * A client that does not read its answers stops being read, as a server that means to live long must do.
 */
#include "common.h"

#include <signal.h>
#include <sys/epoll.h>

struct client {
	int fd;
	size_t start, end; /* what is in buf and has still to be sent back */
	char buf[16384];
};

/** watch - tell epoll what to wait for: room to send while something is pending, else something to read */
static void watch(int epoll, int op, struct client *c)
{
	struct epoll_event event = {.events = c->end > c->start ? EPOLLOUT : EPOLLIN, .data.ptr = c};

	if (epoll_ctl(epoll, op, c->fd, &event) < 0)
		die(NULL, "epoll_ctl");
}

/** serve - send what is pending, or else read; returns false when the client has finished or failed */
static int serve(struct client *c)
{
	ssize_t n;

	if (c->start == c->end) {
		n = ioth_recv(c->fd, c->buf, sizeof(c->buf), MSG_DONTWAIT);
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		c->start = 0;
		c->end = (size_t)n;
	}
	n = ioth_send(c->fd, c->buf + c->start, c->end - c->start, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN;
	c->start += (size_t)n;
	return 1;
}

/** welcome - accept one client and watch it */
static void welcome(int epoll, int listener)
{
	int fd = ioth_accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *c;

	if (fd < 0) {
		/* EAGAIN: it went away before we came. Anything else is the client's bad luck, not our end. */
		if (errno != EAGAIN)
			perror("ioth_accept4");
		return;
	}
	c = malloc(sizeof(*c));
	if (c == NULL)
		die(NULL, "no memory");
	c->fd = fd;
	c->start = c->end = 0;
	watch(epoll, EPOLL_CTL_ADD, c);
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): epoll keeps the pointer */
}

int main(int argc, char *argv[])
{
	struct sockaddr_storage any;
	struct client listener = {0};
	struct epoll_event event[64];
	socklen_t len;
	struct ioth *net;
	int epoll, yes = 1;

	if (argc != 5) {
		fprintf(stderr, "usage: %s STACK VNL ADDRESS/PREFIX PORT\n", argv[0]);
		return 2;
	}
	setlinebuf(stdout);
	signal(SIGPIPE, SIG_IGN);
	len = address(strchr(argv[3], ':') ? "::" : "0.0.0.0", argv[4], &any);
	net = stack_up(argv[1], argv[2], argv[3]);
	listener.fd = ioth_msocket(net, any.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (listener.fd < 0 || ioth_setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
	    ioth_bind(listener.fd, (struct sockaddr *)&any, len) < 0 || ioth_listen(listener.fd, 100) < 0)
		die("Is another server running there?", "cannot listen on port %s", argv[4]);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		die(NULL, "epoll_create1");
	watch(epoll, EPOLL_CTL_ADD, &listener);
	printf("listening on port %s\n", argv[4]);

	for (;;) {
		int ready = epoll_wait(epoll, event, 64, -1);

		if (ready < 0 && errno != EINTR)
			die(NULL, "epoll_wait");
		for (int i = 0; i < ready; i++) {
			struct client *c = event[i].data.ptr;

			if (c == &listener) {
				welcome(epoll, listener.fd);
			} else if (serve(c)) {
				watch(epoll, EPOLL_CTL_MOD, c);
			} else {
				ioth_close(c->fd);
				free(c);
			}
		}
	}
}
