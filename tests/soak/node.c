/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* node.c - the stacks of the lifetime tests: one interface, one address, UDP */
#include "soak.h"

#include "wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

char *node_vnl(const struct soak *soak, const char *name, unsigned int number, char vnl[NODE_VNL])
{
	const char *module = soak->network;

	if (strcmp(module, "switch") == 0 && number != 1)
		module = "vde";
	snprintf(vnl, NODE_VNL, "%s://%s/%s", module, soak->dir, name);
	return vnl;
}

void node_switched(const struct soak *soak)
{
	if (strcmp(soak->network, "switch") != 0)
		soak_skip("nobody is the switch of a network of kind %s", soak->network);
}

struct ioth *node_new(const struct soak *soak, const char *vnl, unsigned int number)
{
	struct ioth *node = ioth_newstack(soak->stack, vnl);
	struct in_addr addr = node_address(number, 0).sin_addr;
	int vde0;

	if (node == NULL)
		return NULL;
	vde0 = ioth_if_nametoindex(node, "vde0");
	if (vde0 < 0 || ioth_linksetupdown(node, (unsigned int)vde0, 1) < 0 ||
	    ioth_ipaddr_add(node, AF_INET, &addr, 8, (unsigned int)vde0) < 0) {
		int error = errno;

		node_delete(node);
		errno = error;
		return NULL;
	}
	return node;
}

struct ioth *node_new_patiently(const struct soak *soak, const char *vnl, unsigned int number)
{
	long deadline = wait_now_ms() + WAIT_MS;
	struct ioth *node;

	do {
		node = node_new(soak, vnl, number);
	} while (node == NULL && wait_again(deadline));
	return node;
}

struct sockaddr_in node_address(unsigned int number, unsigned int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	                            .sin_port = htons((uint16_t)port),
	                            .sin_addr.s_addr = htonl(0x0a000000U + number)};
}

int node_socket(struct ioth *node, unsigned int port)
{
	struct sockaddr_in any = node_address(0, port);
	struct timeval patience = {.tv_sec = 10};
	int fd = ioth_msocket(node, AF_INET, SOCK_DGRAM, 0);

	any.sin_addr.s_addr = INADDR_ANY;
	if (fd < 0 || ioth_bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 ||
	    ioth_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		soak_fail("cannot open a socket");
	return fd;
}

int node_send(int fd, unsigned int number, unsigned int port)
{
	struct sockaddr_in to = node_address(number, port);

	return ioth_sendto(fd, "datagram", 8, 0, (struct sockaddr *)&to, sizeof(to)) == 8 ? 0 : -1;
}

void node_delete(struct ioth *node)
{
	if (ioth_delstack(node) < 0)
		soak_fail("ioth_delstack");
}
