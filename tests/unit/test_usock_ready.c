/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_usock_ready.c - what a descriptor shows, compared with a socket of the kernel in the same state.
 *
 * A scenario drives a real socket of the kernel, over its loopback, from state to state. What poll(2) says of it then
 * is what our socket is told to show, and both are looked at in every way there is: poll, select, epoll with level and
 * with edge triggering. The kernel is the oracle for the edges as well: where an event of the real socket made one,
 * ours must have it.
 */
#include "usock_core_fake.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

#include "left.h"
#include "netns.h"

#define ALL (EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLERR | EPOLLHUP)
#define NAME "in state \"%s\": %s: kernel %#x, ours %#x"

/** struct seen - the two descriptors side by side: that of the kernel and ours */
struct seen {
	int fd[2];
	int level[2], edge[2];
	struct fake *fake;
	bool pri_is_in; /* the limit: urgent data show IN as well */
};

static uint32_t polled(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP};

	return poll(&p, 1, 0) == 1 ? (uint32_t)(uint16_t)p.revents : 0;
}

static uint32_t epolled(int ep)
{
	struct epoll_event event;

	return epoll_wait(ep, &event, 1, 0) == 1 ? event.events : 0;
}

static uint32_t selected(int fd)
{
	struct timeval now = {0};
	fd_set r, w, e;

	FD_ZERO(&r);
	FD_SET(fd, &r);
	w = e = r;
	assert_return_code(select(fd + 1, &r, &w, &e, &now), errno);
	return (FD_ISSET(fd, &r) ? EPOLLIN : 0U) | (FD_ISSET(fd, &w) ? EPOLLOUT : 0U) |
	       (FD_ISSET(fd, &e) ? EPOLLPRI : 0U);
}

static int watch(int fd, uint32_t how)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = ALL | how};

	assert_return_code(ep, errno);
	assert_return_code(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event), errno);
	return ep;
}

/** rewatch - what is so already is told, so that the next event is the next edge */
static void rewatch(struct seen *s)
{
	for (int i = 0; i < 2; i++) {
		close(s->level[i]);
		close(s->edge[i]);
		s->level[i] = watch(s->fd[i], 0);
		s->edge[i] = watch(s->fd[i], EPOLLET);
		epolled(s->edge[i]);
	}
}

static void same(const struct seen *s, const char *state, const char *way, uint32_t kernel, uint32_t ours)
{
	/* The limits, see the head of ready.c. */
	if (s->pri_is_in && (kernel & EPOLLPRI))
		ours &= ~(uint32_t)EPOLLIN | kernel;
	if ((kernel & (EPOLLERR | EPOLLRDHUP)) == EPOLLERR && (kernel & EPOLLHUP))
		ours &= ~(uint32_t)(EPOLLIN | EPOLLRDHUP);
	if (kernel != ours)
		fail_msg(NAME, state, way, kernel, ours);
}

/** check - the kernel's socket is in a state, @events having led to it: bring ours there, and compare */
static void check(struct seen *s, const char *state, uint32_t events)
{
	uint32_t want = polled(s->fd[0]);

	fake_tell(s->fake, want, events);
	same(s, state, "poll", want, polled(s->fd[1]));
	if (!(want & EPOLLERR) || (want & EPOLLRDHUP))
		same(s, state, "select", selected(s->fd[0]), selected(s->fd[1]));
	same(s, state, "epoll, level", epolled(s->level[0]), epolled(s->level[1]));
	/* An edge of the kernel must be one of ours, and never the other bits. */
	if (events != 0) {
		uint32_t kernel = epolled(s->edge[0]), ours = epolled(s->edge[1]);

		if (kernel != 0)
			same(s, state, "epoll, edge", kernel, ours);
	}
	/* Nothing more is told of it without an event. */
	epolled(s->edge[0]);
	epolled(s->edge[1]);
	same(s, state, "epoll, no edge", epolled(s->edge[0]), epolled(s->edge[1]));
}

static struct seen begin(struct usock_stack *stack, int kernel, int type)
{
	struct seen s = {.fd = {kernel, -1}, .level = {-1, -1}, .edge = {-1, -1}};

	s.fake = fake_open(stack, type);
	s.fd[1] = s.fake->sock.ready.user;
	s.fake->want = polled(kernel);
	rewatch(&s);
	return s;
}

/** join_stream - our socket becomes a stream, as in connect and listen */
static void join_stream(struct seen *s)
{
	usock_lock(s->fake->sock.stack);
	assert_int_equal(usock__ready_pair(&s->fake->sock), 0);
	usock_unlock(s->fake->sock.stack);
}

static void end(struct seen *s)
{
	for (int i = 0; i < 2; i++) {
		close(s->level[i]);
		close(s->edge[i]);
	}
	close(s->fd[0]);
	fake_use(s->fake);
	assert_int_equal(fake_f.close(s->fd[1]), 0);
}

/* -------------------------------------------------------------------------------------------- sockets of the kernel */

static int socket_new(int type)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_return_code(fd, errno);
	return fd;
}

static struct sockaddr_in bound(int fd)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);

	assert_return_code(bind(fd, (struct sockaddr *)&addr, len), errno);
	assert_return_code(getsockname(fd, (struct sockaddr *)&addr, &len), errno);
	return addr;
}

static void go(int fd, const struct sockaddr_in *to)
{
	int result = connect(fd, (const struct sockaddr *)to, sizeof(*to));

	assert_true(result == 0 || errno == EINPROGRESS);
}

/** pair - two connected sockets of the kernel */
static void pair(int fd[2])
{
	int server = socket_new(SOCK_STREAM);
	struct sockaddr_in addr = bound(server);

	assert_return_code(listen(server, 1), errno);
	fd[0] = socket_new(SOCK_STREAM);
	go(fd[0], &addr);
	fd[1] = accept4(server, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_return_code(fd[1], errno);
	close(server);
}

static size_t fill(int fd)
{
	static char block[65536];
	size_t total = 0;
	ssize_t n;

	while ((n = send(fd, block, sizeof(block), 0)) > 0)
		total += (size_t)n;
	return total;
}

static void drain(int fd, size_t len)
{
	static char block[65536];
	struct pollfd p = {.fd = fd, .events = POLLIN};

	while (len > 0) {
		ssize_t n = recv(fd, block, sizeof(block), 0);

		if (n > 0)
			len -= (size_t)n < len ? (size_t)n : len;
		else
			assert_int_equal(poll(&p, 1, 10000), 1);
	}
}

static void wait_for(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	assert_int_equal(poll(&p, 1, 10000), 1);
}

static void reset(int fd)
{
	struct linger now = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static int error_of(int fd)
{
	socklen_t len = sizeof(int);
	int error;

	assert_return_code(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), errno);
	return error;
}

/* -------------------------------------------------------------------------------------------------------- scenarios */

static void listener(void **state)
{
	struct seen s = begin(*state, socket_new(SOCK_STREAM), SOCK_STREAM);
	struct sockaddr_in addr;
	int client[2] = {socket_new(SOCK_STREAM), socket_new(SOCK_STREAM)};

	check(&s, "fresh", 0);
	addr = bound(s.fd[0]);
	check(&s, "bound", 0);
	assert_return_code(listen(s.fd[0], 5), errno);
	join_stream(&s);
	check(&s, "listening", 0);
	go(client[0], &addr);
	check(&s, "a connection", EPOLLIN);
	go(client[1], &addr);
	check(&s, "another connection", EPOLLIN);
	close(accept4(s.fd[0], NULL, NULL, SOCK_CLOEXEC));
	check(&s, "one of two accepted", 0);
	close(accept4(s.fd[0], NULL, NULL, SOCK_CLOEXEC));
	check(&s, "all accepted", 0);
	/* The file is another one from here on. */
	shutdown(s.fd[0], SHUT_RDWR);
	fake_tell(s.fake, polled(s.fd[0]), EPOLLOUT | EPOLLHUP);
	rewatch(&s);
	check(&s, "shut down", 0);
	close(client[0]);
	close(client[1]);
	end(&s);
}

static void connecting(void **state)
{
	int server = socket_new(SOCK_STREAM), other[2], count = 0;
	struct sockaddr_in addr = bound(server);
	struct seen s = begin(*state, socket_new(SOCK_STREAM), SOCK_STREAM);

	/* A full backlog answers nobody. */
	assert_return_code(listen(server, 0), errno);
	for (; count < 2; count++) {
		other[count] = socket_new(SOCK_STREAM);
		go(other[count], &addr);
	}
	go(s.fd[0], &addr);
	join_stream(&s);
	check(&s, "connecting", 0);
	shutdown(s.fd[0], SHUT_RDWR);
	check(&s, "given up", EPOLLOUT | EPOLLHUP | EPOLLIN);
	close(other[0]);
	close(other[1]);
	close(server);
	end(&s);
}

static void refused(void **state)
{
	int server = socket_new(SOCK_STREAM);
	struct sockaddr_in addr = bound(server);
	struct seen s = begin(*state, socket_new(SOCK_STREAM), SOCK_STREAM);

	/* Nobody listens there. What was before is told to ours alone: the kernel answers at once. */
	join_stream(&s);
	fake_tell(s.fake, 0, 0);
	assert_int_equal(polled(s.fd[1]), 0);
	rewatch(&s);
	go(s.fd[0], &addr);
	check(&s, "refused", EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP);
	assert_int_equal(error_of(s.fd[0]), ECONNREFUSED);
	check(&s, "refused, and the error taken", 0);
	close(server);
	end(&s);
}

static struct seen connection(struct usock_stack *stack, int *peer)
{
	struct seen s;
	int fd[2];

	pair(fd);
	s = begin(stack, fd[0], SOCK_STREAM);
	join_stream(&s);
	*peer = fd[1];
	check(&s, "connected", EPOLLOUT);
	rewatch(&s);
	return s;
}

static void data(void **state)
{
	int peer;
	struct seen s = connection(*state, &peer);
	size_t sent;

	assert_int_equal(send(peer, "ab", 2, 0), 2);
	check(&s, "data", EPOLLIN);
	assert_int_equal(send(peer, "c", 1, 0), 1);
	check(&s, "more data", EPOLLIN);
	drain(s.fd[0], 1);
	check(&s, "read", 0);
	sent = fill(s.fd[0]);
	check(&s, "full", 0);
	assert_int_equal(send(peer, "x", 1, 0), 1);
	check(&s, "full, with data", EPOLLIN);
	drain(peer, sent);
	wait_for(s.fd[0], POLLOUT);
	check(&s, "room again", EPOLLOUT);
	drain(s.fd[0], 1);
	check(&s, "room, and read", 0);
	close(peer);
	end(&s);
}

/* Before a frame leaves a connection shows what has come, with one edge, which is not repeated when the lock is given
 * back. */
static void before_a_frame(void **state)
{
	struct usock_stack *stack = *state;
	int peer;
	struct seen s = connection(stack, &peer);
	struct usock *sock = &s.fake->sock;

	usock_lock(stack);
	s.fake->want = EPOLLIN | EPOLLOUT;
	usock__changed(sock, EPOLLIN);
	assert_int_equal(polled(s.fd[1]), EPOLLOUT);
	usock__show_changed(stack);
	assert_int_equal(polled(s.fd[1]), EPOLLIN | EPOLLOUT);
	assert_int_equal(epolled(s.edge[1]), EPOLLIN | EPOLLOUT);
	usock__show_changed(stack);
	usock_unlock(stack);
	assert_int_equal(epolled(s.edge[1]), 0);
	/* What comes after that, before the lock is given back, is news: who was told has perhaps looked already. */
	usock_lock(stack);
	s.fake->want = EPOLLOUT;
	usock__changed(sock, 0);
	usock_unlock(stack);
	usock_lock(stack);
	s.fake->want = EPOLLIN | EPOLLOUT;
	usock__changed(sock, EPOLLIN);
	usock__show_changed(stack);
	assert_int_equal(epolled(s.edge[1]), EPOLLIN | EPOLLOUT);
	usock__changed(sock, EPOLLIN);
	usock__show_changed(stack);
	usock_unlock(stack);
	assert_int_equal(epolled(s.edge[1]), EPOLLIN | EPOLLOUT);
	/* The end of the stream, too; but not what ends the connection, which has a lot to clear away. */
	usock_lock(stack);
	s.fake->want = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
	usock__changed(sock, EPOLLIN | EPOLLRDHUP);
	usock__show_changed(stack);
	assert_int_equal(polled(s.fd[1]), EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	s.fake->want = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
	usock__changed(sock, EPOLLERR | EPOLLHUP);
	usock__show_changed(stack);
	assert_int_equal(polled(s.fd[1]), EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	usock_unlock(stack);
	assert_int_equal(polled(s.fd[1]), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP | EPOLLERR);
	close(peer);
	end(&s);
}

static void half_closed(void **state)
{
	int peer;
	struct seen s = connection(*state, &peer);

	assert_int_equal(send(peer, "x", 1, 0), 1);
	check(&s, "data", EPOLLIN);
	shutdown(peer, SHUT_WR);
	check(&s, "end of file behind data", EPOLLIN | EPOLLRDHUP);
	drain(s.fd[0], 1);
	check(&s, "end of file", 0);
	shutdown(s.fd[0], SHUT_WR);
	check(&s, "closed by both", EPOLLHUP);
	close(peer);
	end(&s);
}

static void full_half_closed(void **state)
{
	int peer;
	struct seen s = connection(*state, &peer);

	fill(s.fd[0]);
	check(&s, "full", 0);
	shutdown(peer, SHUT_WR);
	wait_for(s.fd[0], POLLRDHUP);
	check(&s, "full, and end of file", EPOLLIN | EPOLLRDHUP);
	shutdown(s.fd[0], SHUT_WR);
	check(&s, "shut down as well", EPOLLOUT | EPOLLHUP);
	close(peer);
	end(&s);
}

static void own_shutdown(void **state)
{
	int peer;
	struct seen s = connection(*state, &peer);

	shutdown(s.fd[0], SHUT_WR);
	check(&s, "SHUT_WR", 0);
	shutdown(s.fd[0], SHUT_RD);
	check(&s, "SHUT_RD, too", EPOLLIN | EPOLLHUP);
	close(peer);
	end(&s);
}

static void was_reset(void **state)
{
	int peer;
	struct seen s = connection(*state, &peer);

	reset(peer);
	check(&s, "reset", EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP);
	assert_int_equal(error_of(s.fd[0]), ECONNRESET);
	check(&s, "reset, and the error taken", 0);
	end(&s);
}

static void full_reset(void **state)
{
	int peer;
	struct seen s = connection(*state, &peer);

	fill(s.fd[0]);
	check(&s, "full", 0);
	reset(peer);
	wait_for(s.fd[0], POLLERR);
	check(&s, "full, and reset", EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP);
	end(&s);
}

static void urgent(void **state)
{
	int peer;
	struct seen s = connection(*state, &peer);
	char byte;

	s.pri_is_in = true;
	assert_int_equal(send(peer, "!", 1, MSG_OOB), 1);
	wait_for(s.fd[0], POLLPRI);
	check(&s, "urgent data", EPOLLPRI);
	assert_int_equal(send(peer, "x", 1, 0), 1);
	wait_for(s.fd[0], POLLIN);
	check(&s, "urgent data, and others", EPOLLIN);
	assert_int_equal(recv(s.fd[0], &byte, 1, MSG_OOB), 1);
	assert_int_equal(recv(s.fd[0], &byte, 1, 0), 1);
	check(&s, "all read", 0);
	close(peer);
	end(&s);
}

static void datagrams(void **state)
{
	struct seen s = begin(*state, socket_new(SOCK_DGRAM), SOCK_DGRAM);
	struct sockaddr_in addr = bound(s.fd[0]);
	int peer = socket_new(SOCK_DGRAM);
	char byte;

	check(&s, "fresh", 0);
	go(peer, &addr);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(send(peer, "x", 1, 0), 1);
		/* Edges of datagrams that nobody reads are limited. */
		check(&s, "a datagram", i < 32 ? EPOLLIN : 0);
	}
	for (int i = 0; i < 39; i++)
		assert_int_equal(recv(s.fd[0], &byte, 1, 0), 1);
	check(&s, "one left", 0);
	assert_int_equal(recv(s.fd[0], &byte, 1, 0), 1);
	check(&s, "all read", 0);
	assert_int_equal(send(peer, "", 0, 0), 0);
	check(&s, "an empty one", EPOLLIN);
	close(peer);
	end(&s);
}

static void datagram_errors(void **state)
{
	struct seen s = begin(*state, socket_new(SOCK_DGRAM), SOCK_DGRAM);
	int peer = socket_new(SOCK_DGRAM);
	struct sockaddr_in addr = bound(peer), own;
	socklen_t len = sizeof(own);
	char byte;

	go(s.fd[0], &addr);
	getsockname(s.fd[0], (struct sockaddr *)&own, &len);
	go(peer, &own);
	assert_int_equal(send(peer, "x", 1, 0), 1);
	check(&s, "a datagram", EPOLLIN);
	close(peer);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(send(s.fd[0], "x", 1, 0), 1);
		check(&s, "refused", EPOLLERR);
		assert_int_equal(error_of(s.fd[0]), ECONNREFUSED);
		check(&s, "error taken", 0);
	}
	assert_int_equal(recv(s.fd[0], &byte, 1, 0), 1);
	check(&s, "read", 0);
	assert_int_equal(send(s.fd[0], "x", 1, 0), 1);
	check(&s, "refused, and nothing to read", EPOLLERR);
	end(&s);
}

static void datagram_shutdown(void **state)
{
	struct seen s = begin(*state, socket_new(SOCK_DGRAM), SOCK_DGRAM);
	int peer = socket_new(SOCK_DGRAM);
	struct sockaddr_in addr = bound(peer);

	go(s.fd[0], &addr);
	shutdown(s.fd[0], SHUT_RD);
	check(&s, "SHUT_RD", EPOLLIN | EPOLLRDHUP);
	shutdown(s.fd[0], SHUT_WR);
	check(&s, "SHUT_WR, too", EPOLLHUP);
	close(peer);
	end(&s);
}

/** every_way - each set of bits that a connection can show, and each that can follow it, the kernel not being asked */
static void every_way(void **state)
{
	static const uint32_t set[] = {0,
	                               EPOLLOUT,
	                               EPOLLIN,
	                               EPOLLIN | EPOLLOUT,
	                               EPOLLIN | EPOLLRDHUP,
	                               EPOLLIN | EPOLLRDHUP | EPOLLOUT,
	                               EPOLLIN | EPOLLRDHUP | EPOLLOUT | EPOLLHUP,
	                               EPOLLIN | EPOLLRDHUP | EPOLLOUT | EPOLLHUP | EPOLLERR,
	                               EPOLLOUT | EPOLLHUP};

	for (size_t i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
		for (size_t j = 0; j < sizeof(set) / sizeof(set[0]); j++) {
			struct fake *fake = fake_open(*state, SOCK_STREAM);
			int fd = fake->sock.ready.user;

			usock_lock(fake->sock.stack);
			assert_int_equal(usock__ready_pair(&fake->sock), 0);
			usock_unlock(fake->sock.stack);
			fake_tell(fake, set[i], set[i]);
			assert_int_equal(polled(fd), set[i]);
			/* The other way round it is a socket that is connected again. */
			if (set[i] != (EPOLLOUT | EPOLLHUP)) {
				fake_tell(fake, set[j], set[j]);
				assert_int_equal(polled(fd), set[j]);
			}
			assert_int_equal(fake_f.close(fd), 0);
		}
	}
}

/** raw_use - a program that reads, writes and shuts down its end with system calls harms itself alone */
static void raw_use(void **state)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM};

	for (int i = 0; i < 2; i++) {
		struct fake *fake = fake_open(*state, types[i] | SOCK_NONBLOCK);
		int fd = fake->sock.ready.user;
		char block[4096] = "";

		if (types[i] == SOCK_STREAM) {
			usock_lock(fake->sock.stack);
			assert_int_equal(usock__ready_pair(&fake->sock), 0);
			usock_unlock(fake->sock.stack);
		}
		while (write(fd, block, sizeof(block)) > 0)
			;
		for (int n = 0; n < 3; n++) {
			fake_tell(fake, EPOLLIN, EPOLLIN);
			assert_true(polled(fd) & EPOLLIN);
			while (read(fd, block, sizeof(block)) > 0)
				;
			fake_tell(fake, EPOLLOUT, EPOLLOUT);
		}
		shutdown(fd, SHUT_RDWR);
		fake_tell(fake, EPOLLIN | EPOLLOUT, EPOLLIN);
		fake_tell(fake, 0, 0);
		fake_tell(fake, EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP, EPOLLERR);
		assert_int_equal(fake_f.close(fd), 0);
	}
}

/** stranger - who connects to the door from another process is shown out */
static void stranger(void **state)
{
	struct fake *fake = fake_open(*state, SOCK_STREAM);
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	pid_t pid;
	int status;

	usock_lock(fake->sock.stack);
	assert_int_equal(usock__ready_pair(&fake->sock), 0);
	usock_unlock(fake->sock.stack);
	assert_return_code(getpeername(fake->sock.ready.user, (struct sockaddr *)&name, &len), errno);
	assert_int_equal(fake_f.close(fake->sock.ready.user), 0);
	pid = fork();
	if (pid == 0) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		/* It waits in front of all others, and is told when it is over. */
		_exit(connect(fd, (struct sockaddr *)&name, len) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fake = fake_open(*state, SOCK_STREAM);
	usock_lock(fake->sock.stack);
	assert_int_equal(usock__ready_pair(&fake->sock), 0);
	usock_unlock(fake->sock.stack);
	fake_tell(fake, EPOLLIN | EPOLLOUT, EPOLLIN);
	assert_int_equal(polled(fake->sock.ready.user), EPOLLIN | EPOLLOUT);
	assert_int_equal(fake_f.close(fake->sock.ready.user), 0);
}

static struct left before;

static int setup(void **state)
{
	left_count(&before);
	fake_disposed = 0;
	*state = fake_stack();
	return 0;
}

static int teardown(void **state)
{
	char text[256];

	fake_stack_free(*state);
	if (left_since(&before, text, sizeof(text)) != 0)
		fail_msg("left: %s", text);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(listener),        TEST(connecting),        TEST(refused),          TEST(data),
	        TEST(before_a_frame),  TEST(half_closed),       TEST(full_half_closed), TEST(own_shutdown),
	        TEST(was_reset),       TEST(full_reset),        TEST(urgent),           TEST(datagrams),
	        TEST(datagram_errors), TEST(datagram_shutdown), TEST(every_way),        TEST(raw_use),
	        TEST(stranger),
	};
	int result = netns_private();

	if (result == 0)
		result = netns_link_up("lo");
	if (result < 0) {
		printf("no network namespace: %s\n", strerror(-result));
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
