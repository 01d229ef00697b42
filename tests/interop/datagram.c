/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* datagram.c - tasks of the peer about UDP: echoes, and names asked for by multicast (RFC 6762) */
#include "peer.h"

#include <poll.h>
#include <unistd.h>

#define PATIENCE_MS 200
#define TRIES 100
#define MDNS_PORT "5353"

static int datagram_socket(struct ioth *net, int family, const char *port)
{
	struct sockaddr_storage any;
	socklen_t len = address(family == AF_INET ? "0.0.0.0" : "::", port, &any);
	int fd = ioth_msocket(net, family, SOCK_DGRAM, 0);

	if (fd < 0 || ioth_bind(fd, (struct sockaddr *)&any, len) < 0)
		die(NULL, "cannot have UDP port %s", port);
	return fd;
}

/** arrives - a datagram, before @patience_ms have passed */
static bool arrives(int fd, int patience_ms)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	return poll(&wait, 1, patience_ms) > 0;
}

/** comes - a datagram, before the driver closes our standard input */
static bool comes(int fd)
{
	struct pollfd wait[2] = {{.fd = 0, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

	return poll(wait, 2, -1) > 0 && wait[0].revents == 0;
}

int peer_echo(struct ioth *net, char *argv[])
{
	int fd = datagram_socket(net, AF_INET6, argv[0]); /* both families */
	static unsigned char buf[65536];
	unsigned long count = 0;

	printf("ready\n");
	while (comes(fd)) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		ssize_t n = ioth_recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

		if (n < 0 || ioth_sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len) != n)
			die(NULL, "cannot echo");
		count++;
	}
	printf("datagrams %lu\n", count);
	ioth_close(fd);
	return 0;
}

/** size_of - of datagram @i of @count: from nothing to @longest in growing steps */
static size_t size_of(unsigned long i, unsigned long count, unsigned long longest)
{
	double part = count < 2 ? 1 : (double)i / (double)(count - 1);

	return (size_t)(part * part * (double)longest);
}

int peer_ask(struct ioth *net, char *argv[])
{
	static unsigned char question[65536], answer[65536];
	unsigned long count = strtoul(argv[2], NULL, 10), longest = strtoul(argv[3], NULL, 10), repeated = 0;
	struct sockaddr_storage to;
	socklen_t len = address(argv[0], argv[1], &to);
	int fd = ioth_msocket(net, to.ss_family, SOCK_DGRAM, 0);

	if (longest > sizeof(question) || fd < 0 || ioth_connect(fd, (struct sockaddr *)&to, len) < 0)
		die(NULL, "cannot ask %s", argv[0]);
	for (unsigned long i = 0; i < count; i++) {
		size_t size = size_of(i, count, longest);
		ssize_t got = -1;

		arc4random_buf(question, size);
		for (unsigned int tries = 0; got != (ssize_t)size || memcmp(question, answer, size); tries++) {
			/* What comes again, or too late, is of an earlier question. */
			if (!arrives(fd, 0)) {
				if (tries >= TRIES)
					die(NULL, "%zu bytes are not answered", size);
				repeated += tries > 0;
				if (ioth_send(fd, question, size, 0) != (ssize_t)size)
					die(NULL, "cannot send %zu bytes", size);
				if (!arrives(fd, PATIENCE_MS))
					continue;
			}
			got = ioth_recv(fd, answer, sizeof(answer), 0);
			if (got < 0)
				die(NULL, "cannot receive");
		}
	}
	printf("datagrams %lu repeated %lu\n", count, repeated);
	ioth_close(fd);
	return 0;
}

/** mdns_socket - on the port of mDNS, in @group on vde0; @to: the group */
static int mdns_socket(struct ioth *net, const char *group, struct sockaddr_storage *to, socklen_t *len)
{
	unsigned int vde0 = (unsigned int)ioth_if_nametoindex(net, "vde0");
	int family = strchr(group, ':') ? AF_INET6 : AF_INET, fd = datagram_socket(net, family, MDNS_PORT), ret;

	*len = address(group, MDNS_PORT, to);
	if (family == AF_INET) {
		struct ip_mreqn join = {.imr_multiaddr = ((struct sockaddr_in *)to)->sin_addr,
		                        .imr_ifindex = (int)vde0};

		ret = ioth_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof(join));
		if (ret == 0)
			ret = ioth_setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &join, sizeof(join));
	} else {
		struct ipv6_mreq join = {.ipv6mr_multiaddr = ((struct sockaddr_in6 *)to)->sin6_addr,
		                         .ipv6mr_interface = vde0};

		((struct sockaddr_in6 *)to)->sin6_scope_id = vde0;
		ret = ioth_setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &join, sizeof(join));
	}
	if (ret < 0)
		die(NULL, "cannot join %s", group);
	return fd;
}

/** put_name - a name of one label below "local"; its end */
static unsigned char *put_name(unsigned char *at, const char *label)
{
	size_t len = strlen(label);

	*at = (unsigned char)len;
	memcpy(at + 1, label, len);
	memcpy(at + 1 + len, "\5local", 7);
	return at + len + 8;
}

int peer_mdns_ask(struct ioth *net, char *argv[])
{
	unsigned char query[128] = {0}, answer[512], *end = put_name(query + 12, argv[1]);
	struct sockaddr_storage to;
	socklen_t len;
	int fd = mdns_socket(net, argv[0], &to, &len);
	char text[INET_ADDRSTRLEN];

	query[5] = 1; /* one question */
	memcpy(end, "\0\1\0\1", 4);
	printf("ready\n");
	for (unsigned int tries = 0; tries < TRIES; tries++) {
		if (ioth_sendto(fd, query, (size_t)(end + 4 - query), 0, (struct sockaddr *)&to, len) < 0)
			die(NULL, "cannot ask %s", argv[0]);
		while (arrives(fd, PATIENCE_MS)) {
			ssize_t n = ioth_recv(fd, answer, sizeof(answer), 0);

			/* our own question comes back as well */
			if (n < 26 || !(answer[2] & 0x80) || answer[7] != 1 ||
			    memcmp(answer + 12, query + 12, (size_t)(end - query - 12)))
				continue;
			inet_ntop(AF_INET, answer + n - 4, text, sizeof(text));
			printf("address %s\n", text);
			ioth_close(fd);
			return 0;
		}
	}
	errno = 0;
	die(NULL, "nobody answers to %s.local", argv[1]);
}

int peer_mdns_answer(struct ioth *net, char *argv[])
{
	unsigned char query[512], answer[128] = {0}, *end = put_name(answer + 12, argv[1]);
	struct sockaddr_storage to;
	socklen_t len;
	int fd = mdns_socket(net, argv[0], &to, &len);

	answer[2] = 0x84; /* an answer, authoritative */
	answer[7] = 1;
	memcpy(end, "\0\1\200\1\0\0\0\170\0\4", 10); /* A, for two minutes */
	if (inet_pton(AF_INET, argv[2], end + 10) != 1)
		die(NULL, "bad address %s", argv[2]);
	printf("ready\n");
	while (comes(fd)) {
		ssize_t n = ioth_recv(fd, query, sizeof(query), 0);

		if (n < end - answer || (query[2] & 0x80) ||
		    memcmp(query + 12, answer + 12, (size_t)(end - answer - 12)))
			continue;
		if (ioth_sendto(fd, answer, (size_t)(end + 14 - answer), 0, (struct sockaddr *)&to, len) < 0)
			die(NULL, "cannot answer");
	}
	ioth_close(fd);
	return 0;
}
