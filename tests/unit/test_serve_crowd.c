/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_serve_crowd.c - 200 clients of one served stack, one of them hostile: the others notice nothing.
 *
 * All are there before any of them begins, and the enemy is at it from before that until the last of them has ended
 * well. The good ones move bytes and datagrams, ask for options and interfaces, and make connections: every byte, every
 * address and every result is checked, and who waits for too long is ended by an alarm. The enemy greets, and then
 * sends what it likes, with descriptors of all kinds: its own sockets, its connection to the server, pipes; it reads no
 * answer but some, opens as much as it can, and leaves in the middle. The others go on till it has done so often enough.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "protocol.h"
#include "serve_stack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS 200   /* with the enemy */
#define ROUNDS 20     /* at least */
#define MESSAGES 1000 /* of the enemy while the others work, at least */
#define BYTES 4000
#define PATIENCE 120 /* seconds for a good client, on a busy machine under a sanitizer */
#define HELD 24      /* connections that the enemy leaves open */
#define FILES 8192   /* descriptors of the server: a good client takes some 20, the enemy what it may have */

static char dir[] = "/tmp/ioth-crowd-XXXXXX";
static char path[64], stackname[96];

/** struct shared - what all processes see */
struct shared {
	_Atomic unsigned long messages; /* of the enemy */
	unsigned long goal;             /* of these, until which the others go on */
};

/* ------------------------------------------------------------------------------------------------------- the enemy */

/** struct enemy - what it has, and how far it got */
struct enemy {
	unsigned int seed;
	int held[HELD];
	int descriptors[4]; /* a socket of the stack, a pipe, the connection to the server, an own one */
	struct shared *shared;
};

static unsigned int chance(struct enemy *enemy, unsigned int of)
{
	return (unsigned int)rand_r(&enemy->seed) % of;
}

/** noise - @len bytes of anything */
static void noise(struct enemy *enemy, void *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((unsigned char *)out)[i] = (unsigned char)rand_r(&enemy->seed);
}

/** say - one message, perhaps with a descriptor; false: this connection is done with */
static bool say(struct enemy *enemy, int fd, const struct remote_request *request, size_t len, int with)
{
	static unsigned char message[sizeof(*request) + 4096];
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct iovec iov = {message, sizeof(*request) + len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	memcpy(message, request, sizeof(*request));
	noise(enemy, message + sizeof(*request), len);
	if (request->addr >= 2 && len >= 2)
		memcpy(message + sizeof(*request), &(uint16_t){AF_INET}, 2);
	if (with >= 0) {
		memcpy(CMSG_DATA(&control.head), &with, sizeof(with));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	if (sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return false;
	atomic_fetch_add(&enemy->shared->messages, 1);
	return true;
}

/** hear - an answer; the descriptor that came with it, or -1 */
static int hear(int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char bytes[4096];
	struct iovec iov = {bytes, sizeof(bytes)};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	int got = -1;

	if (recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) > 0 && msg.msg_controllen >= CMSG_LEN(sizeof(int)))
		memcpy(&got, CMSG_DATA(&control.head), sizeof(got));
	return got;
}

/** enter - a connection that the server takes for a client's, and a socket of the stack */
static int enter(struct enemy *enemy)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW};
	struct remote_request hello = {
	        .op = REMOTE_HELLO, .arg = {(int32_t)REMOTE_MAGIC, REMOTE_VERSION}, .room_data = 32};
	struct remote_request request = {.op = REMOTE_SOCKET, .arg = {AF_INET, types[chance(enemy, 3)], 0}};
	int fd = raw_connect(path), got;

	if (fd < 0)
		return -1;
	if (chance(enemy, 4) == 0)
		request.arg[0] = AF_INET6;
	else if (chance(enemy, 4) == 0)
		request = (struct remote_request){.op = REMOTE_SOCKET, .arg = {AF_NETLINK, SOCK_RAW, NETLINK_ROUTE}};
	say(enemy, fd, &hello, 0, -1);
	hear(fd);
	say(enemy, fd, &request, 0, -1);
	got = hear(fd);
	if (got >= 0) {
		close(enemy->descriptors[0]);
		enemy->descriptors[0] = got;
	}
	enemy->descriptors[2] = fd;
	return fd;
}

/** attack - some fifty messages on a connection */
static void attack(struct enemy *enemy, int fd)
{
	for (int i = 0; i < 50; i++) {
		struct remote_request request;
		size_t len = chance(enemy, 4) ? chance(enemy, 64) : chance(enemy, 4096);

		noise(enemy, &request, sizeof(request));
		request.op = chance(enemy, REMOTE_OPS + 1);
		/* Most are well-formed, or they would all end where lengths are checked. */
		if (chance(enemy, 8)) {
			request.addr = len < REMOTE_ADDR_MAX && chance(enemy, 2) ? (uint32_t)len : 0;
			request.control = 0;
			request.data = (uint32_t)len - request.addr;
			request.arg[0] = (int32_t)chance(enemy, 64);
		}
		if (!say(enemy, fd, &request, len, chance(enemy, 8) ? enemy->descriptors[chance(enemy, 4)] : -1))
			return;
		if (chance(enemy, 2)) {
			int got = -1;
			char byte;

			/* What may never be answered is not waited for. */
			if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
				got = hear(fd);
			if (got >= 0)
				close(got);
		}
	}
}

/** hostile - as fast as it can, until it is killed */
static void hostile(struct shared *shared)
{
	struct enemy enemy = {.seed = 7, .shared = shared};
	int ends[2];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pipe2(ends, O_CLOEXEC) < 0)
		_exit(1);
	enemy.descriptors[0] = dup(ends[0]);
	enemy.descriptors[1] = ends[1];
	enemy.descriptors[3] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	for (int i = 0; i < HELD; i++)
		enemy.held[i] = -1;
	for (unsigned int i = 0;; i = (i + 1) % HELD) {
		int fd = enter(&enemy);

		if (fd >= 0)
			attack(&enemy, fd);
		if (enemy.held[i] >= 0)
			close(enemy.held[i]);
		enemy.held[i] = fd;
	}
}

/* ------------------------------------------------------------------------------------------------------- the others */

#define REQUIRE(condition)                                                                                             \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "a client noticed something: %s (line %d): %s\n", #condition, __LINE__,        \
			        strerror(errno));                                                                      \
			_exit(1);                                                                                      \
		}                                                                                                      \
	} while (0)

/** struct sockets - what a good client has */
struct sockets {
	struct ioth *stack;
	int listener, tcp[2], udp[2];
	struct sockaddr_in tcp_at, udp_at[2];
};

/** bound - a socket at a port of lo, and where that is */
static int bound(struct ioth *stack, int type, struct sockaddr_in *at)
{
	int fd = ioth_msocket(stack, AF_INET, type, 0);
	socklen_t len = sizeof(*at);

	*at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	REQUIRE(fd >= 0);
	REQUIRE(ioth_bind(fd, (struct sockaddr *)at, sizeof(*at)) == 0);
	REQUIRE(ioth_getsockname(fd, (struct sockaddr *)at, &len) == 0);
	return fd;
}

/** connected - a connection with itself */
static void connected(const struct sockets *s, int fd[2])
{
	REQUIRE((fd[0] = ioth_msocket(s->stack, AF_INET, SOCK_STREAM, 0)) >= 0);
	REQUIRE(ioth_connect(fd[0], (const struct sockaddr *)&s->tcp_at, sizeof(s->tcp_at)) == 0);
	REQUIRE((fd[1] = ioth_accept(s->listener, NULL, NULL)) >= 0);
}

static void stream(int from, int to, const char *bytes)
{
	char in[BYTES];

	REQUIRE(ioth_send(from, bytes, BYTES, 0) == BYTES);
	REQUIRE(ioth_recv(to, in, BYTES, MSG_WAITALL) == BYTES);
	REQUIRE(memcmp(in, bytes, BYTES) == 0);
}

static void datagram(const struct sockets *s, const char *bytes)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char in[BYTES];

	REQUIRE(ioth_sendto(s->udp[0], bytes, 1000, 0, (const struct sockaddr *)&s->udp_at[1], sizeof(s->udp_at[1])) ==
	        1000);
	REQUIRE(ioth_recvfrom(s->udp[1], in, sizeof(in), 0, (struct sockaddr *)&from, &len) == 1000);
	REQUIRE(memcmp(in, bytes, 1000) == 0);
	REQUIRE(len == sizeof(from) && from.sin_port == s->udp_at[0].sin_port);
}

static void round_of(const struct sockets *s, int number)
{
	int fd[2], type = 0;
	socklen_t len = sizeof(type);
	char bytes[BYTES];

	memset(bytes, number + getpid(), sizeof(bytes));
	stream(s->tcp[0], s->tcp[1], bytes);
	stream(s->tcp[1], s->tcp[0], bytes);
	datagram(s, bytes);
	REQUIRE(ioth_getsockopt(s->udp[0], SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_DGRAM);
	if (number % 5)
		return;
	REQUIRE(ioth_if_nametoindex(s->stack, "lo") == 1);
	connected(s, fd);
	stream(fd[0], fd[1], bytes);
	REQUIRE(ioth_shutdown(fd[0], SHUT_WR) == 0);
	REQUIRE(ioth_recv(fd[1], bytes, sizeof(bytes), 0) == 0);
	REQUIRE(ioth_close(fd[0]) == 0 && ioth_close(fd[1]) == 0);
}

/** good - the life of a client: it says that it is there, and begins when @go is closed */
static void good(const struct shared *shared, int ready, int go)
{
	struct sockets s = {.stack = NULL};
	char byte = 0;

	alarm(PATIENCE);
	REQUIRE((s.stack = ioth_newstack(stackname, NULL)) != NULL);
	s.listener = bound(s.stack, SOCK_STREAM, &s.tcp_at);
	REQUIRE(ioth_listen(s.listener, 4) == 0);
	connected(&s, s.tcp);
	for (int i = 0; i < 2; i++)
		s.udp[i] = bound(s.stack, SOCK_DGRAM, &s.udp_at[i]);
	REQUIRE(write(ready, &byte, 1) == 1);
	REQUIRE(read(go, &byte, 1) == 0);
	for (int i = 0; i < ROUNDS || atomic_load(&shared->messages) < shared->goal; i++)
		round_of(&s, i);
	REQUIRE(ioth_close(s.listener) == 0);
	for (int i = 0; i < 2; i++)
		REQUIRE(ioth_close(s.tcp[i]) == 0 && ioth_close(s.udp[i]) == 0);
	REQUIRE(ioth_delstack(s.stack) == 0);
	_exit(0);
}

/* -------------------------------------------------------------------------------------------------------- the crowd */

/** usable - can there be a stack of that kind here? asked by a child, which takes what it leaves with it */
static bool usable(const char *engine)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		struct ioth *stack = ioth_newstack(engine, NULL);

		_exit(stack != NULL ? 0 : errno == ENOTSUP || errno == EPERM ? 77 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(status == 0 || status == 77 << 8);
	return status == 0;
}

static void crowd(void **state)
{
	struct ioth_serve_options options = {.size = sizeof(options), .max_sockets = 64, .max_connections = 32};
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const char *engine = *state;
	struct server server;
	pid_t pid[CLIENTS], enemy;
	int ready[2], go[2], failed = 0;
	char byte;

	if (!usable(engine))
		skip();
	assert_ptr_not_equal(shared, MAP_FAILED);
	server_start(&server, engine, path, &options, FILES);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	enemy = fork();
	if (enemy == 0) {
		close(go[1]);
		hostile(shared);
	}
	for (int i = 0; i < CLIENTS - 1; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			close(go[1]);
			good(shared, ready[1], go[0]);
		}
	}
	close(ready[1]);
	for (int i = 0; i < CLIENTS - 1; i++)
		assert_int_equal(read(ready[0], &byte, 1), 1);
	shared->goal = atomic_load(&shared->messages) + MESSAGES;
	close(go[1]);
	for (int i = 0; i < CLIENTS - 1; i++) {
		int status = -1;

		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		failed += status != 0;
	}
	kill(enemy, SIGKILL);
	waitpid(enemy, NULL, 0);
	close(ready[0]);
	close(go[0]);
	assert_int_equal(failed, 0);
	assert_true(atomic_load(&shared->messages) >= shared->goal);
	munmap(shared, sizeof(*shared));
	/* It can delete its stack: nothing of anybody is left. */
	server_stop(&server);
}

int main(void)
{
	static char testengine[] = "testengine", lwip[] = "lwip", vdestack[] = "vdestack";
	const struct CMUnitTest tests[] = {
	        {"crowd on testengine", crowd, NULL, NULL, testengine},
	        {"crowd on lwip", crowd, NULL, NULL, lwip},
	        {"crowd on vdestack", crowd, NULL, NULL, vdestack},
	};
	struct rlimit limit;
	int failed;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < FILES) {
		printf("an open file limit of %d is needed, the hard limit is %lu\n", FILES,
		       (unsigned long)limit.rlim_max);
		return 77;
	}
	if (mkdtemp(dir) == NULL)
		return 1;
	chmod(dir, 0755);
	snprintf(path, sizeof(path), "%s/socket", dir);
	snprintf(stackname, sizeof(stackname), "remote,socket=%s", path);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return failed;
}
