/* SPDX-License-Identifier: 0BSD */
/*
 * ten_stacks - ten nodes in one process, on one virtual switch; each greets every other by UDP
 *
 *   ten_stacks [STACK]                vdestack, if none is given
 *
 * The first node makes the switch (switch://), in a temporary directory; the others join it (vde://).
 *
 * One thread and one poll(2) serve all ten. Ends with 0 when all ninety greetings have arrived.
 */
#include "common.h"

#include <poll.h>
#include <unistd.h>

#define NODES 10
#define PORT "4000"

int main(int argc, char *argv[])
{
	char dir[] = "/tmp/ten_stacks.XXXXXX", vnl[100], text[100];
	const char *stack = argc > 1 ? argv[1] : "vdestack";
	struct ioth *node[NODES];
	struct pollfd sock[NODES];
	struct sockaddr_storage addr[NODES];
	socklen_t len[NODES];
	int heard[NODES] = {0}, total = 0;

	if (mkdtemp(dir) == NULL)
		die(NULL, "cannot make %s", dir);
	for (int i = 0; i < NODES; i++) {
		snprintf(text, sizeof(text), "10.0.0.%d/24", i + 1);
		snprintf(vnl, sizeof(vnl), "%s://%s/lan", i == 0 ? "switch" : "vde", dir);
		node[i] = stack_up(stack, vnl, text);
		*strchr(text, '/') = '\0';
		len[i] = address(text, PORT, &addr[i]);
		sock[i].events = POLLIN;
		sock[i].fd = ioth_msocket(node[i], AF_INET, SOCK_DGRAM, 0);
		if (sock[i].fd < 0 || ioth_bind(sock[i].fd, (struct sockaddr *)&addr[i], len[i]) < 0)
			die(NULL, "cannot open a socket on node %d", i + 1);
	}

	for (int from = 0; from < NODES; from++)
		for (int to = 0; to < NODES; to++) {
			int size = snprintf(text, sizeof(text), "node %d greets node %d", from + 1, to + 1);

			if (from != to && ioth_sendto(sock[from].fd, text, (size_t)size, 0,
			                              (struct sockaddr *)&addr[to], len[to]) < 0)
				die(NULL, "node %d cannot send to node %d", from + 1, to + 1);
		}

	/* A stack's socket is a descriptor like any other: the plain poll(2) sees it. */
	while (total < NODES * (NODES - 1)) {
		if (poll(sock, NODES, 5000) <= 0) {
			errno = 0;
			die(NULL, "only %d of %d greetings arrived", total, NODES * (NODES - 1));
		}
		for (int i = 0; i < NODES; i++) {
			ssize_t size = sock[i].revents ? ioth_recv(sock[i].fd, text, sizeof(text) - 1, 0) : 0;

			if (size < 0)
				die(NULL, "node %d cannot receive", i + 1);
			if (size > 0) {
				heard[i]++;
				total++;
			}
		}
	}

	for (int i = 0; i < NODES; i++) {
		printf("node %2d heard %d greetings\n", i + 1, heard[i]);
		stack_show(node[i], "        ");
		ioth_close(sock[i].fd);
	}
	/* The first one is the switch: it goes last, and takes the contents of the directory with it. */
	for (int i = NODES - 1; i >= 0; i--)
		if (ioth_delstack(node[i]) < 0)
			die(NULL, "cannot delete node %d", i + 1);
	rmdir(dir);
	return 0;
}
