/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sock.c - the sockets of clients: made, found, joined, released.
 *
 * States of a socket, of which `shape` is what the user's end is and `state` what the stack's socket does:
 *
 *     FRESH  IDLE ──connect──▶ STREAM CONNECTING ──▶ STREAM CONNECTED      (accept makes these at once)
 *              │                     └─failed──▶ STREAM IDLE ──▶ renewed: FRESH IDLE, another user's end under the same
 * number └────listen───▶ STREAM LISTENING DGRAM  all its life
 *
 * A user's end that is shut down or reset cannot be anything else again. When the stack's socket can (Linux lets a
 * failed connect be tried again) a new user's end goes with the next answer, and the client puts it under the number it
 * knows. The old one still finds the socket.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Connections of strangers that the door can take before it would block: many, in microseconds. */
#define DOOR_BACKLOG 4096

/* ----------------------------------------------------------------------------------------------------------- finding
 */

static struct served **bucket(struct serve *serve, ino_t inode)
{
	return &serve->buckets[(inode ^ inode >> 10) % SERVE_BUCKETS];
}

static void hash_add(struct served *sock)
{
	struct served **head = bucket(sock->serve, sock->inode);

	sock->hash_next = *head;
	*head = sock;
}

static void hash_remove(struct served *sock)
{
	for (struct served **p = bucket(sock->serve, sock->inode); *p != NULL; p = &(*p)->hash_next) {
		if (*p == sock) {
			*p = sock->hash_next;
			return;
		}
	}
}

struct served *serve_sock_by_inode(struct serve *serve, ino_t inode)
{
	for (struct served *sock = *bucket(serve, inode); sock != NULL; sock = sock->hash_next)
		if (sock->inode == inode)
			return sock;
	/* A copy of a user's end that was renewed: there are few of these. */
	for (struct served *sock = serve->sockets; sock != NULL; sock = sock->next)
		if (sock->old_inode == inode)
			return sock;
	return NULL;
}

struct served *serve_sock_find(struct serve *serve, int fd)
{
	struct sockaddr_un name = {.sun_family = AF_UNSPEC};
	socklen_t len = sizeof(name);
	struct served *sock;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode))
		return NULL;
	sock = serve_sock_by_inode(serve, st.st_ino);
	if (sock == NULL)
		return NULL;
	/* An old inode may be somebody else's by now: its name tells. */
	if (getsockname(fd, (struct sockaddr *)&name, &len) < 0 || name.sun_family != AF_UNIX ||
	    len < sizeof(sa_family_t) + 1 + strlen(REMOTE_NAME) + REMOTE_NAME_DIGITS ||
	    memcmp(name.sun_path + 1, sock->name + 1, strlen(REMOTE_NAME) + REMOTE_NAME_DIGITS) != 0)
		return NULL;
	return sock;
}

/* ------------------------------------------------------------------------------------------------------ user's ends */

static socklen_t name_of(const struct served *sock, struct sockaddr_un *name)
{
	size_t len = 1 + strlen(sock->name + 1);

	*name = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(name->sun_path, sock->name, len);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/** user_make - the user's end and ours, for sock->shape; 0 or a negative errno */
static int user_make(struct served *sock, int flags, int *user)
{
	int type = sock->shape == SERVE_DGRAM ? SOCK_DGRAM : SOCK_STREAM;
	char digits[13];
	struct sockaddr_un name;
	int ends[2] = {-1, -1}, error;
	struct stat st;
	socklen_t len;

	error = serve_random(digits, sizeof(digits) - 1);
	if (error < 0)
		return error;
	snprintf(sock->name, sizeof(sock->name), "%c" REMOTE_NAME "%s.%s", 0, sock->serve->id, digits);
	len = name_of(sock, &name);
	flags &= SOCK_NONBLOCK;
	if (sock->shape == SERVE_FRESH)
		ends[0] = socket(AF_UNIX, type | SOCK_CLOEXEC | flags, 0);
	else
		(void)!socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends);
	if (ends[0] < 0)
		return -errno;
	if (sock->shape != SERVE_FRESH && !(flags & SOCK_NONBLOCK))
		fcntl(ends[0], F_SETFL, O_RDWR);
	if (bind(ends[0], (struct sockaddr *)&name, len) < 0 || fstat(ends[0], &st) < 0) {
		error = -errno;
		close(ends[0]);
		if (ends[1] >= 0)
			close(ends[1]);
		return error;
	}
	sock->inode = st.st_ino;
	sock->own = ends[1];
	sock->shown = sock->shape == SERVE_FRESH ? EPOLLOUT | EPOLLHUP : EPOLLOUT;
	sock->waiting = 0;
	sock->junk = 0;
	sock->ballast = false;
	*user = ends[0];
	return 0;
}

#define OWN_EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLET)

/** own_watch - of a stream, to hear that the user's end is closed, and of what it writes */
static int own_watch(struct served *sock)
{
	sock->own_told = true;
	sock->own_out = false;
	return serve_watch(sock->serve, sock->own, OWN_EVENTS, &sock->own_source);
}

void serve_sock_hear_out(struct served *sock, bool out)
{
	struct epoll_event event = {.events = OWN_EVENTS | (out ? EPOLLOUT : 0), .data.ptr = &sock->own_source};

	/* Each read of the client would wake us. */
	if (out == sock->own_out || sock->own < 0)
		return;
	/* Our end of datagrams is not watched before. */
	if (sock->shape == SERVE_DGRAM && out && !sock->own_watched)
		sock->own_watched = sock->own_out =
		        serve_watch(sock->serve, sock->own, event.events, &sock->own_source) == 0;
	else
		sock->own_out = epoll_ctl(sock->serve->epoll, EPOLL_CTL_MOD, sock->own, &event) == 0 ? out : !out;
}

/** ballast_give - of a stream: a byte in our end, done with, so that closing our end resets the other */
static int ballast_give(struct served *sock, int user)
{
	if (send(user, "!", 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
		return -errno;
	sock->junk = 1;
	return 0;
}

/** name_own - the name of our end: its first letters tell the client what the connection is */
static int name_own(char kind, struct sockaddr_un *name, socklen_t *len)
{
	char digits[REMOTE_NAME_DIGITS + 1];
	int error = serve_random(digits, REMOTE_NAME_DIGITS);

	*name = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(name->sun_path + 1, sizeof(name->sun_path) - 1, REMOTE_NAME "%c%s", kind, digits);
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name->sun_path + 1));
	return error;
}

/** door_open - a listener for a single connection, of a name that nobody knows; the descriptor */
static int door_open(char kind, struct sockaddr_un *name, socklen_t *len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error;

	if (fd < 0)
		return -errno;
	error = name_own(kind, name, len);
	if (error == 0 && bind(fd, (struct sockaddr *)name, *len) == 0 && listen(fd, DOOR_BACKLOG) == 0)
		return fd;
	error = error < 0 ? error : -errno;
	close(fd);
	return error;
}

/** door_accept - our end of what has just connected; strangers who found the name meanwhile are shown out */
static int door_accept(int door)
{
	for (;;) {
		struct ucred who = {.pid = 0};
		socklen_t len = sizeof(who);
		int fd = accept4(door, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return -errno;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.pid == getpid())
			return fd;
		close(fd);
	}
}

int serve_sock_join(struct served *sock, int user, char kind)
{
	struct sockaddr_un name;
	socklen_t len = 0;
	int door, own, result;

	if (sock->shape != SERVE_FRESH)
		return sock->shape == SERVE_STREAM ? 0 : -EINVAL;
	door = door_open(kind, &name, &len);
	if (door < 0)
		return door;
	own = connect(user, (struct sockaddr *)&name, len) < 0 ? -errno : door_accept(door);
	close(door);
	if (own < 0)
		return own == -EISCONN ? -EINVAL : own;
	sock->own = own;
	sock->shape = SERVE_STREAM;
	sock->shown = EPOLLOUT;
	result = ballast_give(sock, user);
	return result < 0 ? result : own_watch(sock);
}

int serve_sock_renew(struct served *sock, bool fresh, bool nonblock, int *fd)
{
	struct served new = *sock;
	int result;

	new.shape = fresh ? SERVE_FRESH : SERVE_STREAM;
	result = user_make(&new, nonblock ? SOCK_NONBLOCK : 0, fd);
	if (result < 0)
		return result;
	if (sock->own >= 0)
		close(sock->own);
	hash_remove(sock);
	sock->old_inode = sock->inode;
	sock->inode = new.inode;
	memcpy(sock->name, new.name, sizeof(sock->name));
	sock->own = new.own;
	sock->shape = new.shape;
	sock->shown = new.shown;
	sock->waiting = 0;
	sock->junk = 0;
	sock->pumping = sock->file_ended = sock->own_ended = sock->deaf = sock->own_rdhup = sock->own_out = false;
	sock->error = 0;
	hash_add(sock);
	return 0;
}

bool serve_sock_alive(struct served *sock)
{
	struct sockaddr_un name;
	socklen_t len = name_of(sock, &name);
	int type = (sock->shape == SERVE_DGRAM ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC;
	int fd = socket(AF_UNIX, type, 0);
	bool taken = true;

	/* Without a descriptor to ask with nothing would ever be found closed: that is what the spare one is for. */
	if (fd < 0 && sock->serve->spare >= 0) {
		close(sock->serve->spare);
		sock->serve->spare = -1;
		fd = socket(AF_UNIX, type, 0);
	}
	if (fd >= 0) {
		taken = bind(fd, (struct sockaddr *)&name, len) < 0 && errno == EADDRINUSE;
		close(fd);
	}
	if (sock->serve->spare < 0)
		sock->serve->spare = fcntl(sock->serve->listener, F_DUPFD_CLOEXEC, 0);
	return taken;
}

/* --------------------------------------------------------------------------------------------------------- events */

static void file_event(struct serve_source *source, uint32_t events)
{
	struct served *sock = (struct served *)((char *)source - offsetof(struct served, file_source));

	if (!sock->pumping || sock->dead) {
		serve_sock_sync(sock, events, -1);
		return;
	}
	/* The file of a connection stays what it is, and what is reported is all that poll would say. */
	sock->seen = events;
	sock->file_told |= (events & ~(uint32_t)EPOLLOUT) != 0;
	serve_pump(sock, 0);
	serve_conn_awake(sock);
	if (sock->suspect)
		serve_sock_check(sock);
}

static void own_event(struct serve_source *source, uint32_t events)
{
	struct served *sock = (struct served *)((char *)source - offsetof(struct served, own_source));

	if (sock->dead)
		return;
	if (sock->pumping)
		serve_pump(sock, events);
	else if (sock->ahead)
		serve_sock_sync(sock, 0, -1);
	else if ((events & (EPOLLHUP | EPOLLERR)) && !serve_sock_alive(sock))
		serve_sock_gone(sock);
}

/** file_watch - watch the stack's socket, again if it has another file */
static int file_watch(struct served *sock)
{
	struct stat st;

	if (fstat(sock->file, &st) < 0)
		return -errno;
	if (st.st_ino == sock->file_ino)
		return 0;
	sock->file_ino = st.st_ino;
	return serve_watch(sock->serve, sock->file, EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET,
	                   &sock->file_source);
}

/** connected - whether a connect that was under way has ended, and how */
static void connected(struct served *sock)
{
	if (!(sock->seen & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		return;
	sock->state = sock->seen & (EPOLLERR | EPOLLHUP) ? SERVE_IDLE : SERVE_CONNECTED;
	if (sock->state == SERVE_CONNECTED && sock->mode == REMOTE_MODE_STREAM && sock->own >= 0)
		sock->pumping = true;
}

void serve_sock_sync(struct served *sock, uint32_t told, int user)
{
	struct pollfd p = {.fd = sock->file, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP};

	if (sock->dead)
		return;
	file_watch(sock);
	if (poll(&p, 1, 0) < 0)
		return;
	sock->seen = (uint32_t)p.revents;
	if (sock->state == SERVE_CONNECTING)
		connected(sock);
	sock->file_told |= (p.revents & ~POLLOUT) != 0;
	if (sock->ahead) {
		serve_ahead_move(sock);
		sock->seen = (sock->seen & ~(uint32_t)EPOLLIN) | (serve_ahead_shown(sock) ? EPOLLIN : 0);
		if (sock->error != 0)
			sock->seen |= EPOLLERR;
	}
	if (sock->pumping)
		serve_pump(sock, 0);
	else
		serve_show(sock, sock->seen, told, user);
	serve_conn_awake(sock);
	if (sock->suspect && user < 0)
		serve_sock_check(sock);
}

/* ----------------------------------------------------------------------------------------------------------- life */

int serve_sock_name(struct served *sock, char kind)
{
	struct sockaddr_un name;
	socklen_t len = 0;
	int result = name_own(kind, &name, &len);

	return result == 0 && bind(sock->own, (struct sockaddr *)&name, len) < 0 ? -errno : result;
}

/** connected_begin - of a new socket that is a connection already */
static int connected_begin(struct served *sock, char kind, int user)
{
	int result = serve_sock_name(sock, kind);

	if (result == 0)
		result = ballast_give(sock, user);
	return result < 0 ? result : own_watch(sock);
}

int serve_sock_new(struct serve_conn *conn, int file, int domain, int type, int flags, char kind, int *user,
                   struct served **out)
{
	struct serve *serve = conn->serve;
	struct served *sock = calloc(1, sizeof(*sock));
	int result = sock == NULL ? -ENOMEM : 0;

	if (result == 0) {
		*sock = (struct served){.file_source.event = file_event,
		                        .own_source.event = own_event,
		                        .serve = serve,
		                        .account = conn->account,
		                        .session = conn->session,
		                        .domain = domain,
		                        .type = type,
		                        .file = file,
		                        .own = -1,
		                        .shape = type != SOCK_STREAM ? SERVE_DGRAM
		                                 : kind != 0         ? SERVE_STREAM
		                                                     : SERVE_FRESH,
		                        .state = kind != 0 ? SERVE_CONNECTED : SERVE_IDLE};
		result = user_make(sock, flags, user);
		if (result == 0 && kind != 0)
			result = connected_begin(sock, kind, *user);
		if (result == 0)
			result = file_watch(sock);
		if (result < 0 && *user >= 0) {
			close(*user);
			*user = -1;
		}
		if (result < 0 && sock->own >= 0)
			close(sock->own);
	}
	if (result < 0) {
		ioth_close(file);
		free(sock);
		return result;
	}
	hash_add(sock);
	sock->next = serve->sockets;
	if (sock->next != NULL)
		sock->next->prev = sock;
	serve->sockets = sock;
	conn->account->sockets++;
	*out = sock;
	return 0;
}

/** hurry - ioth_close must not wait: nobody does */
static void hurry(int file)
{
	struct linger linger = {.l_onoff = 0};

	if (!serve_lingers(file))
		return;
	ioth_setsockopt(file, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void serve_sock_release(struct served *sock)
{
	struct serve *serve = sock->serve;

	if (sock->dead)
		return;
	sock->dead = true;
	sock->seen = EPOLLHUP;
	serve_conn_awake(sock);
	hash_remove(sock);
	if (sock->next != NULL)
		sock->next->prev = sock->prev;
	*(sock->prev != NULL ? &sock->prev->next : &serve->sockets) = sock->next;
	if (sock->own >= 0)
		close(sock->own);
	if (sock->closer == NULL || !serve_linger(serve, sock->file, sock->closer)) {
		hurry(sock->file);
		ioth_close(sock->file);
		if (sock->closer != NULL)
			serve_conn_closed(sock->closer);
	}
	free(sock->rest);
	sock->rest = NULL;
	serve_ahead_forget(sock);
	serve_pump_forget(sock);
	sock->account->sockets--;
	sock->grave = serve->graves;
	serve->graves = sock;
	serve_unpause(serve);
}

void serve_sock_gone(struct served *sock)
{
	if (sock->pumping && sock->own >= 0)
		serve_pump(sock, EPOLLHUP);
	else
		serve_sock_release(sock);
}

void serve_sock_check(struct served *sock)
{
	if (!sock->dead && !sock->closing && !serve_sock_alive(sock))
		serve_sock_gone(sock);
}

/** unheard - does nobody tell us when its user's end is closed? */
static bool unheard(const struct served *sock)
{
	return sock->shape != SERVE_STREAM || sock->own < 0;
}

void serve_sock_sweep(struct serve *serve)
{
	struct timespec now;

	/* Whoever makes it necessary again and again does not make us look again and again. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec == serve->swept)
		return;
	serve->swept = now.tv_sec;
	for (struct served *sock = serve->sockets, *next; sock != NULL; sock = next) {
		next = sock->next;
		if (unheard(sock))
			serve_sock_check(sock);
	}
}

unsigned int serve_sock_reap(struct serve *serve, const struct serve_account *account)
{
	unsigned int left = 0;

	for (struct served *sock = serve->sockets, *next; sock != NULL; sock = next) {
		next = sock->next;
		if (!unheard(sock) || !(account != NULL ? sock->account == account : sock->suspect))
			continue;
		/* As long as its process is there it is not watched for long. */
		sock->suspect = sock->suspect || (account != NULL && account->connections == 0);
		serve_sock_check(sock);
		left += !sock->dead && sock->suspect;
	}
	if (left > 0)
		serve_alarm(serve);
	return left;
}
