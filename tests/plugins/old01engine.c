/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * old01engine.c - a very small network engine: connections between ports of one and the same engine.
 *
 * Each socket has a *far* end. Before it is connected, nobody uses the far end but a connect to a listening socket,
 * which writes one byte to it to say that a connection waits. One lock per engine guards the table; it is not held
 * while accept waits.
 */
#include "old01engine.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKETS 256
#define PENDING 16

/** struct entry - a socket; ports in host byte order, 0: none */
struct entry {
	bool used, listening;
	int fd, far; /* far: -1 when connected */
	int type;
	in_port_t port, peer;
	struct {
		int fd;
		in_port_t port;
	} pending[PENDING];
	unsigned int pending_count;
};

struct old01 {
	pthread_mutex_t lock;
	bool running;
	int made;
	struct entry sockets[SOCKETS];
};

/* The state that makes this engine one per copy of the library. */
static struct old01 the_engine = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct old01 *old01_start(void)
{
	struct old01 *engine = NULL;

	pthread_mutex_lock(&the_engine.lock);
	if (the_engine.running) {
		errno = EBUSY;
	} else {
		engine = &the_engine;
		engine->running = true;
		engine->made = 0;
	}
	pthread_mutex_unlock(&the_engine.lock);
	return engine;
}

struct old01 *old01_new(void)
{
	struct old01 *engine = calloc(1, sizeof(*engine));

	if (engine) {
		pthread_mutex_init(&engine->lock, NULL);
		engine->running = true;
	}
	return engine;
}

/** drop - close all that belongs to a socket; under the lock */
static void drop(struct entry *sock)
{
	close(sock->fd);
	if (sock->far >= 0)
		close(sock->far);
	for (unsigned int i = 0; i < sock->pending_count; i++)
		close(sock->pending[i].fd);
	*sock = (struct entry){0};
}

void old01_stop(struct old01 *engine)
{
	for (int i = 0; i < SOCKETS; i++)
		if (engine->sockets[i].used)
			drop(&engine->sockets[i]);
	engine->running = false;
	if (engine != &the_engine) {
		pthread_mutex_destroy(&engine->lock);
		free(engine);
	}
}

/** find - the socket that is @fd, or NULL and EBADF; under the lock */
static struct entry *find(struct old01 *engine, int fd)
{
	for (int i = 0; i < SOCKETS; i++)
		if (engine->sockets[i].used && engine->sockets[i].fd == fd)
			return &engine->sockets[i];
	errno = EBADF;
	return NULL;
}

/** add - put a socket into the table, NULL and ENFILE when it is full; under the lock */
static struct entry *add(struct old01 *engine, int fd, int far, int type)
{
	for (int i = 0; i < SOCKETS; i++) {
		struct entry *sock = &engine->sockets[i];

		if (sock->used)
			continue;
		*sock = (struct entry){.used = true, .fd = fd, .far = far, .type = type};
		engine->made++;
		return sock;
	}
	errno = ENFILE;
	return NULL;
}

/** port_of - the port in an address of either family, 0 when there is none */
static in_port_t port_of(const struct sockaddr *addr, socklen_t addrlen)
{
	struct sockaddr_in in;

	/* sin_port and sin6_port are in the same place. */
	if (addrlen < sizeof(in) || (addr->sa_family != AF_INET && addr->sa_family != AF_INET6))
		return 0;
	memcpy(&in, addr, sizeof(in));
	return ntohs(in.sin_port);
}

/** put_address - give the loopback address with @port to the caller, as much of it as there is room for */
static void put_address(in_port_t port, struct sockaddr *addr, socklen_t *addrlen)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (!addr || !addrlen)
		return;
	memcpy(addr, &in, *addrlen < sizeof(in) ? *addrlen : sizeof(in));
	*addrlen = sizeof(in);
}

int old01_socket(struct old01 *engine, int domain, int type, int protocol)
{
	struct entry *sock;
	int pair[2];

	if (domain != AF_INET && domain != AF_INET6) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	if (protocol != 0) {
		errno = EPROTONOSUPPORT;
		return -1;
	}
	if (socketpair(AF_UNIX, type, 0, pair) < 0)
		return -1;
	pthread_mutex_lock(&engine->lock);
	sock = add(engine, pair[0], pair[1], type);
	pthread_mutex_unlock(&engine->lock);
	if (sock)
		return pair[0];
	close(pair[0]);
	close(pair[1]);
	errno = ENFILE;
	return -1;
}

int old01_close(struct old01 *engine, int fd)
{
	struct entry *sock;

	pthread_mutex_lock(&engine->lock);
	sock = find(engine, fd);
	if (sock)
		drop(sock);
	pthread_mutex_unlock(&engine->lock);
	return sock ? 0 : -1;
}

int old01_bind(struct old01 *engine, int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	in_port_t port = port_of(addr, addrlen);
	int error = port == 0 ? EINVAL : 0;
	struct entry *sock;

	pthread_mutex_lock(&engine->lock);
	sock = find(engine, fd);
	if (!sock)
		error = EBADF;
	for (int i = 0; i < SOCKETS && error == 0; i++)
		if (engine->sockets[i].used && engine->sockets[i].port == port)
			error = EADDRINUSE;
	if (error == 0)
		sock->port = port;
	pthread_mutex_unlock(&engine->lock);
	errno = error != 0 ? error : errno;
	return error != 0 ? -1 : 0;
}

int old01_listen(struct old01 *engine, int fd, int backlog)
{
	struct entry *sock;

	(void)backlog;
	pthread_mutex_lock(&engine->lock);
	sock = find(engine, fd);
	if (sock)
		sock->listening = true;
	pthread_mutex_unlock(&engine->lock);
	return sock ? 0 : -1;
}

/** join - connect @sock to @listener: its far end is what accept will return; 0 or an errno value; under the lock */
static int join(struct old01 *engine, struct entry *sock, struct entry *listener)
{
	if (listener->pending_count == PENDING)
		return ECONNREFUSED;
	if (send(listener->far, "", 1, MSG_NOSIGNAL) < 0)
		return errno;
	sock->peer = listener->port;
	if (sock->port == 0)
		sock->port = (in_port_t)(50000 + engine->made);
	listener->pending[listener->pending_count].fd = sock->far;
	listener->pending[listener->pending_count++].port = sock->port;
	sock->far = -1;
	return 0;
}

int old01_connect(struct old01 *engine, int fd, const struct sockaddr *addr, socklen_t addrlen)
{
	in_port_t port = port_of(addr, addrlen);
	int error = ECONNREFUSED;
	struct entry *sock;

	pthread_mutex_lock(&engine->lock);
	sock = find(engine, fd);
	if (!sock)
		error = EBADF;
	else if (sock->far < 0)
		error = EISCONN;
	for (int i = 0; error == ECONNREFUSED && port != 0 && i < SOCKETS; i++) {
		struct entry *listener = &engine->sockets[i];

		if (!listener->used || !listener->listening || listener->port != port)
			continue;
		error = join(engine, sock, listener);
		break;
	}
	pthread_mutex_unlock(&engine->lock);
	errno = error != 0 ? error : errno;
	return error != 0 ? -1 : 0;
}

int old01_accept(struct old01 *engine, int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	struct entry *listener, *sock = NULL;
	char byte;

	if (recv(fd, &byte, 1, 0) < 0)
		return -1;
	pthread_mutex_lock(&engine->lock);
	listener = find(engine, fd);
	if (listener && listener->pending_count > 0) {
		sock = add(engine, listener->pending[0].fd, -1, listener->type);
		if (sock) {
			sock->port = listener->port;
			sock->peer = listener->pending[0].port;
			put_address(sock->peer, addr, addrlen);
			memmove(listener->pending, listener->pending + 1,
			        --listener->pending_count * sizeof(listener->pending[0]));
		}
	} else {
		errno = ECONNABORTED;
	}
	pthread_mutex_unlock(&engine->lock);
	return sock ? sock->fd : -1;
}

int old01_getsockname(struct old01 *engine, int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	struct entry *sock;

	pthread_mutex_lock(&engine->lock);
	sock = find(engine, fd);
	if (sock)
		put_address(sock->port, addr, addrlen);
	pthread_mutex_unlock(&engine->lock);
	return sock ? 0 : -1;
}

int old01_getpeername(struct old01 *engine, int fd, struct sockaddr *addr, socklen_t *addrlen)
{
	struct entry *sock;
	int result = -1;

	pthread_mutex_lock(&engine->lock);
	sock = find(engine, fd);
	if (sock && sock->peer == 0) {
		errno = ENOTCONN;
	} else if (sock) {
		put_address(sock->peer, addr, addrlen);
		result = 0;
	}
	pthread_mutex_unlock(&engine->lock);
	return result;
}

int old01_getsockopt(struct old01 *engine, int fd, int level, int optname, void *optval, socklen_t *optlen)
{
	if (level != OLD01_LEVEL)
		return getsockopt(fd, level, optname, optval, optlen);
	if (optname != OLD01_MADE) {
		errno = ENOPROTOOPT;
		return -1;
	}
	if (*optlen < sizeof(engine->made)) {
		errno = EINVAL;
		return -1;
	}
	pthread_mutex_lock(&engine->lock);
	memcpy(optval, &engine->made, sizeof(engine->made));
	pthread_mutex_unlock(&engine->lock);
	*optlen = sizeof(engine->made);
	return 0;
}
