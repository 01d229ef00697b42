/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network.h"

#include "bench.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct network_calls network_plain_calls = {
        .bind = bind,
        .connect = connect,
        .listen = listen,
        .accept = accept,
        .getsockname = getsockname,
        .setsockopt = setsockopt,
        .send = send,
        .recv = recv,
        .sendto = sendto,
        .recvfrom = recvfrom,
        .shutdown = shutdown,
        .close = close,
};

struct in_addr network_station(unsigned int side)
{
	struct in_addr address = {htonl(0x0a000001 + side)}; /* 10.0.0.1 and 10.0.0.2 */

	return address;
}

int network_prepare(struct network *network, const struct network_kind *kind, unsigned int name)
{
	memset(network, 0, sizeof(*network));
	network->kind = kind;
	for (unsigned int side = 0; side < 2; side++) {
		network->ns[side] = -1;
		network->address[side] = network_station(side);
		if (kind->scheme[side])
			snprintf(network->vnl[side], sizeof(network->vnl[side]), "%s://%s/%d-%u", kind->scheme[side],
			         bench_options.directory, (int)getpid(), name);
	}
	return kind->prepare ? kind->prepare(network) : 0;
}

void network_end(struct network *network)
{
	if (network->kind->end)
		network->kind->end(network);
}

int network_open(struct network *network, unsigned int side)
{
	return network->kind->open(network, side);
}

void network_close(struct network *network, unsigned int side)
{
	network->kind->close(network, side);
}

int network_socket(struct network *network, unsigned int side, int domain, int type, int protocol)
{
	return network->kind->socket(network, side, domain, type, protocol);
}

int network_enter(struct network *network, unsigned int side)
{
	return network->kind->enter(network, side);
}

struct sockaddr_in network_address(const struct network *network, unsigned int side, in_port_t port)
{
	struct sockaddr_in address = {
	        .sin_family = AF_INET,
	        .sin_port = htons(port),
	        .sin_addr = network->address[side],
	};

	return address;
}
