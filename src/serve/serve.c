/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * serve.c - a stack offered to other processes: the server's loop.
 *
 * One thread, one epoll set. In it are the listening socket, the connections of clients (conn.c), and of each socket of
 * a client two descriptors: `file`, that of the stack's socket, and `own`, the other end of what the client has, the
 * user's end (docs/protocol.md). Nothing blocks: the stack's sockets are non-blocking, a call that would wait is
 * answered with EAGAIN. Everything but the listening socket is watched edge-triggered and looked at afresh after each
 * event.
 *
 *     conn.c     a connection: messages in and out, who may
 *     call.c     what each message does; option.c: those with structures in them
 *     sock.c     sockets: made, found by a descriptor, joined, released
 *     show.c     what poll sees of the user's end
 *     pump.c     the bytes of a TCP connection
 *     ahead.c    datagrams that go to the client before it asks
 *     linger.c   closing that takes its time
 *
 * Lifetime. A socket lives until its user's end is closed everywhere. A stream's other end hangs up then, and is still
 * emptied before the socket is closed. Of datagram sockets and fresh streams nobody tells us: they become *suspects*
 * when the process that made them is gone or says that it has closed them, and are looked at at once, and every second
 * after that as long as other processes have them. What is released while events of it may be in hand is freed after
 * them (graves).
 *
 * Clients are strangers. What they send is measured before it is read (conn.c); an account for each process limits what
 * it has. When descriptors run out a spare one is used to take a connection and close it, so that nobody hangs in the
 * queue, and nobody is taken until something has been closed.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#define EVENTS 64

int serve_watch(struct serve *serve, int fd, uint32_t events, struct serve_source *source)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	return epoll_ctl(serve->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int serve_random(char *digits, size_t count)
{
	unsigned char bytes[32];

	if (count > sizeof(bytes) || getrandom(bytes, count, 0) != (ssize_t)count)
		return -EIO;
	for (size_t i = 0; i < count; i++)
		digits[i] = "0123456789abcdef"[bytes[i] & 15];
	digits[count] = '\0';
	return 0;
}

/* ------------------------------------------------------------------------------------------------------ accepting */

/** spare - a descriptor that is there to be closed; any will do, and this one can be had without opening a file */
static int spare(const struct serve *serve)
{
	return fcntl(serve->listener, F_DUPFD_CLOEXEC, 0);
}

static void listener_pause(struct serve *serve, bool pause)
{
	struct epoll_event event = {.events = pause ? 0 : EPOLLIN, .data.ptr = &serve->listener_source};

	if (serve->paused == pause)
		return;
	serve->paused = pause;
	epoll_ctl(serve->epoll, EPOLL_CTL_MOD, serve->listener, &event);
}

void serve_unpause(struct serve *serve)
{
	if (serve->spare < 0)
		serve->spare = spare(serve);
	if (serve->spare >= 0)
		listener_pause(serve, false);
}

/** turn_away - no descriptor is left for the next client */
static void turn_away(struct serve *serve)
{
	int fd;

	if (serve->spare >= 0)
		close(serve->spare);
	fd = accept4(serve->listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	serve->spare = spare(serve);
	if (serve->spare < 0) {
		listener_pause(serve, true);
		serve_alarm(serve);
	}
}

static void listener_event(struct serve_source *source, uint32_t events)
{
	struct serve *serve = (struct serve *)((char *)source - offsetof(struct serve, listener_source));
	int fd;

	(void)events;
	fd = accept4(serve->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		serve_conn_new(serve, fd);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
		turn_away(serve);
}

/* -------------------------------------------------------------------------------------------------------- the loop */

void serve_alarm(struct serve *serve)
{
	struct itimerspec in_a_second = {.it_value.tv_sec = 1};

	if (serve->timing)
		return;
	serve->timing = timerfd_settime(serve->timer, 0, &in_a_second, NULL) == 0;
}

static void timer_event(struct serve_source *source, uint32_t events)
{
	struct serve *serve = (struct serve *)((char *)source - offsetof(struct serve, timer_source));
	uint64_t times;

	(void)events;
	if (read(serve->timer, &times, sizeof(times)) < 0)
		return;
	serve->timing = false;
	serve_unpause(serve);
	if (serve_sock_reap(serve, NULL) > 0 || serve->paused)
		serve_alarm(serve);
}

static void stop_event(struct serve_source *source, uint32_t events)
{
	struct serve *serve = (struct serve *)((char *)source - offsetof(struct serve, stop_source));

	(void)events;
	serve->stop = true;
}

/** bury - free what was released while its events may have been in hand */
static void bury(struct serve *serve)
{
	while (serve->graves != NULL) {
		struct served *sock = serve->graves;

		serve->graves = sock->grave;
		free(sock);
	}
	while (serve->conn_graves != NULL) {
		struct serve_conn *conn = serve->conn_graves;

		serve->conn_graves = conn->next;
		free(conn);
	}
}

static int run(struct serve *serve)
{
	struct epoll_event events[EVENTS];

	while (!serve->stop) {
		int count = epoll_wait(serve->epoll, events, EVENTS, serve->again != NULL ? 0 : -1);

		if (count < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < count; i++) {
			struct serve_source *source = events[i].data.ptr;

			source->event(source, events[i].events);
		}
		serve_pump_again(serve);
		bury(serve);
	}
	return 0;
}

/* --------------------------------------------------------------------------------------------------- begin and end */

/** listener_check - is it what clients connect to? */
static int listener_check(int fd)
{
	int domain = 0, type = 0, listens = 0;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0)
		return -EINVAL;
	return domain == AF_UNIX && type == SOCK_SEQPACKET && listens ? 0 : -EINVAL;
}

static int begin(struct serve *serve)
{
	int stop = serve->options->stop_fd, result;

	serve->in = malloc(REMOTE_MESSAGE_MAX);
	serve->out = malloc(REMOTE_MESSAGE_MAX);
	serve->scratch = malloc(SERVE_CHUNK);
	serve->epoll = epoll_create1(EPOLL_CLOEXEC);
	serve->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	serve->spare = spare(serve);
	if (serve->in == NULL || serve->out == NULL || serve->scratch == NULL)
		return -ENOMEM;
	if (serve->epoll < 0 || serve->timer < 0 || serve->spare < 0)
		return -errno;
	serve->listener_source.event = listener_event;
	serve->timer_source.event = timer_event;
	serve->stop_source.event = stop_event;
	/* An edge would be lost on connections that are left in the queue. It must not block when somebody else has
	 * taken the connection. */
	fcntl(serve->listener, F_SETFL, fcntl(serve->listener, F_GETFL) | O_NONBLOCK);
	result = serve_random(serve->id, REMOTE_NAME_DIGITS);
	if (result == 0)
		result = serve_watch(serve, serve->listener, EPOLLIN, &serve->listener_source);
	if (result == 0)
		result = serve_watch(serve, serve->timer, EPOLLIN, &serve->timer_source);
	if (result == 0)
		result = serve_linger_begin(serve);
	if (result == 0 && stop > 0)
		result = serve_watch(serve, stop, EPOLLIN, &serve->stop_source);
	return result;
}

static void end(struct serve *serve)
{
	while (serve->conns != NULL)
		serve_conn_close(serve->conns);
	while (serve->sockets != NULL)
		serve_sock_release(serve->sockets);
	serve_linger_end(serve);
	bury(serve);
	while (serve->accounts != NULL) {
		struct serve_account *account = serve->accounts;

		serve->accounts = account->next;
		free(account);
	}
	if (serve->epoll >= 0)
		close(serve->epoll);
	if (serve->timer >= 0)
		close(serve->timer);
	if (serve->spare >= 0)
		close(serve->spare);
	free(serve->in);
	free(serve->out);
	free(serve->scratch);
}

/** complete - the options with defaults where nothing was said */
static void complete(struct ioth_serve_options *to, const struct ioth_serve_options *from)
{
	*to = (struct ioth_serve_options){.size = sizeof(*to)};
	if (from != NULL)
		memcpy(to, from, from->size != 0 && from->size < sizeof(*to) ? from->size : sizeof(*to));
	if (to->max_sockets == 0)
		to->max_sockets = 4096;
	if (to->max_connections == 0)
		to->max_connections = 256;
	if (to->max_clients == 0)
		to->max_clients = 1024;
}

int ioth_serve(struct ioth *stack, int listenfd, const struct ioth_serve_options *options)
{
	struct ioth_serve_options complete_options;
	struct serve *serve = calloc(1, sizeof(*serve));
	int result = listener_check(listenfd);

	complete(&complete_options, options);
	if (serve == NULL)
		result = -ENOMEM;
	if (result == 0) {
		*serve = (struct serve){.stack = stack,
		                        .options = &complete_options,
		                        .listener = listenfd,
		                        .epoll = -1,
		                        .timer = -1,
		                        .linger = -1,
		                        .spare = -1};
		result = begin(serve);
		if (result == 0)
			result = run(serve);
		end(serve);
	}
	free(serve);
	if (result == 0)
		return 0;
	errno = -result;
	return -1;
}

/* ------------------------------------------------------------------------------------------------------ the socket */

/** replace - is @name the socket file of a server that is no more? then remove it; 0 or a negative errno */
static int replace(const struct sockaddr_un *name, socklen_t len)
{
	struct stat st;
	int fd, result = -EADDRINUSE;

	if (lstat(name->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)name, len) < 0 && errno == ECONNREFUSED)
		result = unlink(name->sun_path) < 0 && errno != ENOENT ? -errno : 0;
	close(fd);
	return result;
}

int ioth_listen_unix(const char *path, mode_t mode)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(name);
	int fd, error;

	if (strlen(path) >= sizeof(name.sun_path) || *path == '\0') {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(name.sun_path, path);
	error = replace(&name, len);
	fd = error < 0 ? -1 : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		errno = error < 0 ? -error : errno;
		return -1;
	}
	/* Nobody can connect before listen, so the mode is there in time. */
	if (bind(fd, (struct sockaddr *)&name, len) == 0 && chmod(path, mode) == 0 && listen(fd, 128) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}
