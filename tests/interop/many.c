/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* many.c - tasks of the peer about many connections at a time, and about connections whose other side goes away */
#include "peer.h"

#include <netinet/tcp.h>
#include <sys/resource.h>

/** descriptors - have as many as may be; how many */
static rlim_t descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		die(NULL, "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die(NULL, "setrlimit");
	return limit.rlim_cur;
}

/** sockets - room for @text of them; a TCP socket of a stack in the process takes two descriptors */
static int *sockets(const char *text, unsigned long *count)
{
	int *fd;

	*count = strtoul(text, NULL, 10);
	if (descriptors() < 2 * *count + 100)
		die("Raise the limit of open files (ulimit -n).", "too few descriptors for %lu connections", *count);
	fd = calloc(*count, sizeof(*fd));
	if (fd == NULL)
		die(NULL, "no memory");
	return fd;
}

int peer_many_accept(struct ioth *net, char *argv[])
{
	unsigned long count;
	int *fd = sockets(argv[1], &count), listener = peer_listen(net, argv[0]);

	for (unsigned long i = 0; i < count; i++) {
		fd[i] = ioth_accept(listener, NULL, NULL);
		if (fd[i] < 0)
			die(NULL, "cannot accept connection %lu", i);
	}
	/* All of them are open now: each says its number, and gets it back. */
	for (unsigned long i = 0; i < count; i++) {
		uint32_t number;

		peer_read(fd[i], &number, sizeof(number));
		peer_write(fd[i], &number, sizeof(number));
	}
	for (unsigned long i = 0; i < count; i++) {
		char byte;

		if (ioth_read(fd[i], &byte, 1) != 0)
			die(NULL, "connection %lu did not end well", i);
		peer_close(fd[i]);
	}
	printf("connections %lu\n", count);
	ioth_close(listener);
	free(fd);
	return 0;
}

int peer_many_connect(struct ioth *net, char *argv[])
{
	unsigned long count;
	int *fd = sockets(argv[2], &count);

	for (unsigned long i = 0; i < count; i++)
		fd[i] = peer_connect(net, argv[0], argv[1]);
	for (unsigned long i = 0; i < count; i++)
		peer_write(fd[i], &(uint32_t){(uint32_t)i}, sizeof(uint32_t));
	for (unsigned long i = 0; i < count; i++) {
		uint32_t number;

		peer_read(fd[i], &number, sizeof(number));
		if (number != i)
			die(NULL, "connection %lu got the answer of connection %u", i, number);
	}
	for (unsigned long i = 0; i < count; i++) {
		if (ioth_shutdown(fd[i], SHUT_WR) < 0)
			die(NULL, "cannot end connection %lu", i);
	}
	/* When the other side has ended them too, the stack may go. */
	for (unsigned long i = 0; i < count; i++) {
		char byte;

		if (ioth_read(fd[i], &byte, 1) != 0 || ioth_close(fd[i]) < 0)
			die(NULL, "connection %lu did not end well", i);
	}
	printf("connections %lu\n", count);
	free(fd);
	return 0;
}

/** end_of_it - what a connection ended with: the name of an error, or "END" */
static int end_of_it(int fd, ssize_t result)
{
	printf("ended %s\n", result == 0 ? "END" : strerrorname_np(errno));
	ioth_close(fd);
	return 0;
}

int peer_push(struct ioth *net, char *argv[])
{
	int fd = peer_connect(net, argv[0], argv[1]), patience = atoi(argv[2]);
	static char noise[65536];
	ssize_t n;

	if (ioth_setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof(patience)) < 0)
		die(NULL, "TCP_USER_TIMEOUT");
	printf("ready\n");
	do {
		n = ioth_write(fd, noise, sizeof(noise));
	} while (n > 0);
	return end_of_it(fd, n);
}

int peer_pull(struct ioth *net, char *argv[])
{
	int fd = peer_connect(net, argv[0], argv[1]), one = 1;
	static char buf[65536];
	ssize_t n;

	if (ioth_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) < 0 ||
	    ioth_setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &one, sizeof(one)) < 0 ||
	    ioth_setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &one, sizeof(one)) < 0 ||
	    ioth_setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &one, sizeof(one)) < 0)
		die(NULL, "keep-alive");
	printf("ready\n");
	do {
		n = ioth_read(fd, buf, sizeof(buf));
	} while (n > 0);
	return end_of_it(fd, n);
}
