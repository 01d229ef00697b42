/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sockets.c - the helpers of conf.h: sockets, streams of bytes, calls in other threads and processes. */
#include "private.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

/** failed - end the case because a helper's call failed */
__attribute__((noreturn)) static void failed(const char *what)
{
	conf_fail("%s: %s", what, strerrorname_np(errno));
}

/* -------------------------------------------------------------------------------------------------- sockets */

int conf_keep(struct conf *c, int fd)
{
	if (fd < 0)
		failed("a descriptor was expected");
	if (c->nfds == CONF_FDS)
		conf_fail("more than %d descriptors to keep", CONF_FDS);
	c->fds[c->nfds++] = fd;
	return fd;
}

void conf_forget(struct conf *c, int fd)
{
	for (int i = c->nfds - 1; i >= 0; i--) {
		if (c->fds[i] != fd)
			continue;
		c->fds[i] = c->fds[--c->nfds];
		return;
	}
	conf_fail("descriptor %d was not kept", fd);
}

void conf_drop(struct conf *c, int fd)
{
	conf_forget(c, fd);
	if (ioth_close(fd) != 0)
		failed("ioth_close");
}

int conf_sock(struct conf *c, struct ioth *stack, int domain, int type, int protocol)
{
	int fd = ioth_msocket(on(c, stack), domain, type, protocol);

	if (fd < 0)
		conf_fail("ioth_msocket(%d, %d, %d): %s", domain, type, protocol, strerrorname_np(errno));
	return conf_keep(c, fd);
}

int conf_bound(struct conf *c, struct ioth *stack, int type, struct addr *out)
{
	struct addr addr = addr_of(c, stack, 0);
	int fd = conf_sock(c, stack, c->family, type, 0);

	if (ioth_bind(fd, &addr.sa, addr.len) != 0)
		failed("ioth_bind");
	addr = conf_sockname(fd);
	if (out != NULL)
		*out = addr;
	return fd;
}

int conf_listener(struct conf *c, struct ioth *stack, struct addr *out)
{
	int fd = conf_bound(c, stack, SOCK_STREAM, out);

	if (ioth_listen(fd, 16) != 0)
		failed("ioth_listen");
	return fd;
}

int conf_accepted(struct conf *c, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (poll(&p, 1, WAIT_MS) != 1)
		conf_fail("no connection arrives");
	fd = ioth_accept(fd, NULL, NULL);
	if (fd < 0)
		failed("ioth_accept");
	return conf_keep(c, fd);
}

struct pair conf_tcp_pair(struct conf *c)
{
	struct addr addr;
	struct pair p;
	int fd = conf_listener(c, c->b, &addr);

	p.a = conf_sock(c, c->a, c->family, SOCK_STREAM, 0);
	if (ioth_connect(p.a, &addr.sa, addr.len) != 0)
		failed("ioth_connect");
	p.b = conf_accepted(c, fd);
	conf_drop(c, fd);
	return p;
}

struct pair conf_udp_pair(struct conf *c)
{
	struct addr a, b;
	struct pair p = {conf_bound(c, c->a, SOCK_DGRAM, &a), conf_bound(c, c->b, SOCK_DGRAM, &b)};

	if (ioth_connect(p.a, &b.sa, b.len) != 0 || ioth_connect(p.b, &a.sa, a.len) != 0)
		failed("ioth_connect");
	return p;
}

struct addr conf_sockname(int fd)
{
	struct addr addr = {.len = sizeof(addr.ss)};

	if (ioth_getsockname(fd, &addr.sa, &addr.len) != 0)
		failed("ioth_getsockname");
	return addr;
}

struct addr conf_peername(int fd)
{
	struct addr addr = {.len = sizeof(addr.ss)};

	if (ioth_getpeername(fd, &addr.sa, &addr.len) != 0)
		failed("ioth_getpeername");
	return addr;
}

/* ------------------------------------------------------------------------------------------ streams of bytes */

void conf_send_text(int fd, const char *text)
{
	size_t len = strlen(text);
	ssize_t n = ioth_send(fd, text, len, 0);

	if (n < 0)
		failed("ioth_send");
	if ((size_t)n != len)
		conf_fail("ioth_send: expected %zu, got %zd", len, n);
}

void conf_recv_text(int fd, const char *text)
{
	size_t want = strlen(text), have = 0;
	char got[1024];

	while (have < want) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, WAIT_MS) != 1)
			conf_fail("\"%s\" does not arrive, but %zu bytes", text, have);
		n = ioth_recv(fd, got + have, want - have, 0);
		if (n < 0)
			failed("ioth_recv");
		if (n == 0)
			conf_fail("end of file after %zu bytes instead of \"%s\"", have, text);
		have += (size_t)n;
	}
	conf_check_mem(NULL, 0, "received", got, text, want);
}

void conf_nonblock(int fd)
{
	int flags = ioth_fcntl(fd, F_GETFL, 0);

	if (flags < 0 || ioth_fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		failed("ioth_fcntl");
}

/** in_flight - bytes of a stream that were sent and are not acknowledged; 0 where the stack does not tell */
static int in_flight(int fd)
{
	int queued = 0, unsent = 0;

	if (ioth_ioctl(fd, SIOCOUTQ, &queued) != 0 || ioth_ioctl(fd, SIOCOUTQNSD, &unsent) != 0)
		return 0;
	return queued - unsent;
}

size_t conf_fill(int fd)
{
	static unsigned char chunk[16384];
	long deadline = wait_now_ms() + WAIT_MS;
	size_t sum = 0;
	bool quiet = false;

	conf_nonblock(fd);
	/* Full means full for good. A buffer that grows would make room; so do acknowledgements that are still to come;
	   and poll calls a socket full that has a little room, so that is used up, too. */
	conf_setopt("SO_SNDBUF", fd, SOL_SOCKET, SO_SNDBUF, 30000);
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLOUT};
		ssize_t n;

		for (size_t i = 0; i < sizeof(chunk); i++)
			chunk[i] = pattern(sum + i);
		n = ioth_send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			failed("ioth_send");
		if (n < 0 && quiet)
			return sum;
		if (n < 0)
			quiet = poll(&p, 1, 60) == 0 && in_flight(fd) == 0;
		else
			sum += (size_t)n;
		if (wait_now_ms() > deadline)
			conf_fail("a stream that nobody reads does not become full");
	}
}

void conf_drain(int fd, size_t len)
{
	static unsigned char chunk[16384];

	while (len > 0) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, WAIT_MS) != 1)
			conf_fail("%zu bytes do not arrive", len);
		n = ioth_recv(fd, chunk, len < sizeof(chunk) ? len : sizeof(chunk), MSG_DONTWAIT);
		if (n == 0)
			conf_fail("end of file %zu bytes early", len);
		if (n < 0 && errno != EAGAIN)
			failed("ioth_recv");
		if (n > 0)
			len -= (size_t)n;
	}
}

void conf_timeout(int fd, int option, int ms)
{
	struct timeval time = {ms / 1000, ms % 1000 * 1000};

	if (ioth_setsockopt(fd, SOL_SOCKET, option, &time, sizeof(time)) != 0)
		failed("ioth_setsockopt of a timeout");
}

/* -------------------------------------------------------------------------------------------- other threads */

static void *call_thread(void *arg)
{
	struct call *call = arg;

	__atomic_store_n(&call->tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	errno = 0;
	call->result = call->run(call);
	call->error = errno;
	return NULL;
}

void conf_call_start(struct call *call)
{
	int ret;

	call->tid = 0;
	ret = pthread_create(&call->thread, NULL, call_thread, call);
	if (ret != 0)
		conf_fail("pthread_create: %s", strerrorname_np(ret));
}

void conf_call_blocked(struct call *call)
{
	long deadline = wait_now_ms() + WAIT_MS;
	int ret;

	while (__atomic_load_n(&call->tid, __ATOMIC_ACQUIRE) == 0)
		if (!wait_again(deadline))
			conf_fail("the other thread does not start");
	ret = wait_call_blocked(call->tid);
	if (ret == -ESRCH) {
		conf_call_end(call);
		conf_fail("the call in the other thread was to block, it returned %ld %s", call->result,
		          call->result < 0 ? strerrorname_np(call->error) : "");
	}
	if (ret != 0)
		conf_fail("the other thread does not block");
}

void conf_call_end(struct call *call)
{
	int ret = pthread_join(call->thread, NULL);

	if (ret != 0)
		conf_fail("pthread_join: %s", strerrorname_np(ret));
}

long call_recv(struct call *call)
{
	return ioth_recv(call->fd, call->buf, call->len, call->flags);
}

long call_send(struct call *call)
{
	return ioth_send(call->fd, call->buf, call->len, call->flags);
}

long call_accept(struct call *call)
{
	return ioth_accept(call->fd, NULL, NULL);
}

long call_connect(struct call *call)
{
	return ioth_connect(call->fd, &call->addr.sa, call->addr.len);
}

long call_poll(struct call *call)
{
	struct pollfd p = {.fd = call->fd, .events = (short)call->flags};
	int n = poll(&p, 1, WAIT_MS);

	return n < 0 ? -1 : p.revents;
}

/* ------------------------------------------------------------------------------------------- other processes */

/** reap - wait for a child; its exit status, 128 + signal when one ended it */
static int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			failed("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void conf_in_child(struct conf *c, void (*run)(struct conf *, void *), void *arg)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		failed("fork");
	if (pid == 0) {
		run(c, arg);
		_exit(0);
	}
	status = reap(pid);
	if (status == CONF_EXIT_SKIP || (status == 1 && conf_progress->text[0] != '\0'))
		_exit(status);
	if (status != 0)
		conf_fail("the child ended with status %d", status);
}

int conf_exec_is_open(int fd)
{
	char number[16];
	pid_t pid;
	int status;

	snprintf(number, sizeof(number), "%d", fd);
	pid = fork();
	if (pid < 0)
		failed("fork");
	if (pid == 0) {
		execl("/proc/self/exe", "ioth-conformance", "--is-open", number, (char *)NULL);
		_exit(127);
	}
	status = reap(pid);
	if (status > 1)
		conf_fail("--is-open ended with status %d", status);
	return status == 0;
}

void conf_delivered(int fd)
{
	long deadline = wait_now_ms() + WAIT_MS;
	int queued;

	do {
		if (ioth_ioctl(fd, SIOCOUTQ, &queued) != 0)
			conf_fail("SIOCOUTQ: %s", strerrorname_np(errno));
		if (queued == 0)
			return;
	} while (wait_again(deadline));
	conf_fail("%d bytes are never acknowledged", queued);
}
