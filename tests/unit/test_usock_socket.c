/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test_usock_socket.c - calls that wait: timeouts, signals, cancellation, close(2) in another thread, stopped stacks,
 * fork. */
#include "usock_core_fake.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "left.h"

static struct left before;
static struct usock_stack *stack;

static int setup(void **state)
{
	(void)state;
	left_count(&before);
	stack = fake_stack();
	return 0;
}

static int teardown(void **state)
{
	char text[256];

	(void)state;
	if (stack != NULL)
		fake_stack_free(stack);
	if (left_since(&before, text, sizeof(text)) != 0)
		fail_msg("left: %s", text);
	return 0;
}

/** refused - a call failed, with that errno */
#define refused(call, error)                                                                                           \
	do {                                                                                                           \
		assert_int_equal(call, -1);                                                                            \
		assert_int_equal(errno, error);                                                                        \
	} while (0)

static void close_it(struct fake *fake)
{
	fake_use(fake);
	assert_int_equal(fake_f.close(fake->sock.ready.user), 0);
}

/* ------------------------------------------------------------------------------------------ calls in another thread */

/** struct job - a call in a thread */
struct job {
	pthread_t thread;
	struct fake *fake;
	ssize_t (*run)(struct job *job);
	ssize_t result;
	int error;
	char text[16];
};

static void *job_main(void *arg)
{
	struct job *job = arg;

	fake_use(job->fake);
	job->result = job->run(job);
	job->error = errno;
	return NULL;
}

/** waits - does a thread wait on the socket? */
static bool waits(struct fake *fake)
{
	bool waiting;

	usock_lock(fake->sock.stack);
	waiting = fake->sock.waiting != NULL;
	usock_unlock(fake->sock.stack);
	return waiting;
}

/** job_start - and wait till it waits */
static void job_start(struct job *job, struct fake *fake, ssize_t (*run)(struct job *job))
{
	*job = (struct job){.fake = fake, .run = run};
	assert_int_equal(pthread_create(&job->thread, NULL, job_main, job), 0);
	while (!waits(fake))
		sched_yield();
}

static void job_end(struct job *job, ssize_t result, int error)
{
	void *how;

	assert_int_equal(pthread_join(job->thread, &how), 0);
	assert_null(how);
	assert_int_equal(job->result, result);
	if (result < 0)
		assert_int_equal(job->error, error);
}

static ssize_t run_recv(struct job *job)
{
	return fake_f.recv(job->fake->sock.ready.user, job->text, sizeof(job->text), 0);
}

static ssize_t run_recv_all(struct job *job)
{
	return fake_f.recv(job->fake->sock.ready.user, job->text, sizeof(job->text), MSG_WAITALL);
}

static ssize_t run_send(struct job *job)
{
	return fake_f.send(job->fake->sock.ready.user, job->text, sizeof(job->text), MSG_NOSIGNAL);
}

static ssize_t run_accept(struct job *job)
{
	return fake_f.accept4(job->fake->sock.ready.user, NULL, NULL, SOCK_CLOEXEC);
}

static ssize_t run_connect(struct job *job)
{
	struct sockaddr_in to = {.sin_family = AF_INET};

	return fake_f.connect(job->fake->sock.ready.user, (struct sockaddr *)&to, sizeof(to));
}

/** arrive - bytes, room */
static void arrive(struct fake *fake, size_t in, size_t room)
{
	usock_lock(fake->sock.stack);
	fake->in += in;
	fake->room += room;
	usock__changed(&fake->sock, (in > 0 ? EPOLLIN : 0U) | (room > 0 ? EPOLLOUT : 0U));
	usock_unlock(fake->sock.stack);
}

static struct fake *automatic(int type)
{
	struct fake *fake = fake_open(stack, type | SOCK_CLOEXEC);

	fake->automatic = true;
	fake->room = 100;
	return fake;
}

static uint32_t polled(struct fake *fake)
{
	struct pollfd p = {.fd = fake->sock.ready.user, .events = POLLIN | POLLOUT};

	return poll(&p, 1, 0) == 1 ? (uint32_t)(uint16_t)p.revents : 0;
}

/* ------------------------------------------------------------------------------------------------------------ tests */

static void blocks(void **state)
{
	struct fake *fake = automatic(SOCK_DGRAM);
	struct job job, other;

	(void)state;
	job_start(&job, fake, run_recv);
	arrive(fake, 3, 0);
	job_end(&job, 3, 0);
	assert_int_equal(polled(fake), POLLOUT);
	/* What a reader leaves is seen by poll, and is the next reader's. */
	job_start(&job, fake, run_recv);
	job_start(&other, fake, run_recv);
	arrive(fake, 17, 0);
	pthread_join(job.thread, NULL);
	pthread_join(other.thread, NULL);
	assert_int_equal(job.result + other.result, 17);
	assert_int_equal(fake_f.recv(fake->sock.ready.user, job.text, 16, MSG_DONTWAIT), -1);
	job_start(&job, fake, run_recv);
	arrive(fake, 20, 0);
	job_end(&job, 16, 0);
	assert_int_equal(polled(fake), POLLIN | POLLOUT);
	job_start(&job, fake, run_recv_all);
	arrive(fake, 12, 0);
	job_end(&job, 16, 0);
	close_it(fake);
}

static void sends(void **state)
{
	struct fake *fake = automatic(SOCK_DGRAM);
	struct job job;

	(void)state;
	fake->room = 4;
	job_start(&job, fake, run_send);
	assert_int_equal(polled(fake), 0);
	arrive(fake, 0, 5);
	arrive(fake, 0, 10);
	job_end(&job, 16, 0);
	assert_int_equal(fake->room, 3);
	assert_int_equal(polled(fake), POLLOUT);
	close_it(fake);
}

static void timeouts(void **state)
{
	struct timeval soon = {.tv_usec = 2000};
	struct fake *fake = automatic(SOCK_STREAM);
	int fd = fake->sock.ready.user;
	struct sockaddr_in to = {.sin_family = AF_INET};
	char text[8] = "";

	(void)state;
	assert_int_equal(fake_f.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)), 0);
	assert_int_equal(fake_f.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon)), 0);
	fake->connected = -EINPROGRESS;
	fake->room = 0;
	refused(fake_f.connect(fd, (struct sockaddr *)&to, sizeof(to)), EINPROGRESS);
	refused(fake_f.connect(fd, (struct sockaddr *)&to, sizeof(to)), EALREADY);
	refused(fake_f.recv(fd, text, sizeof(text), 0), EAGAIN);
	refused(fake_f.accept(fd, NULL, NULL), EAGAIN);
	fake->room = 3;
	assert_int_equal(fake_f.send(fd, text, sizeof(text), 0), 3);
	refused(fake_f.send(fd, text, sizeof(text), 0), EAGAIN);
	arrive(fake, 2, 0);
	assert_int_equal(fake_f.recv(fd, text, sizeof(text), MSG_WAITALL), 2);
	close_it(fake);
}

static void nonblocking(void **state)
{
	struct fake *fake = fake_open(stack, SOCK_STREAM | SOCK_NONBLOCK);
	int fd = fake->sock.ready.user;
	struct sockaddr_in to = {.sin_family = AF_INET};
	char byte;

	(void)state;
	fake->automatic = true;
	fake->connected = -EINPROGRESS;
	assert_int_equal(fake_f.fcntl(fd, F_GETFL, 0) & O_NONBLOCK, O_NONBLOCK);
	refused(fake_f.connect(fd, (struct sockaddr *)&to, sizeof(to)), EINPROGRESS);
	assert_int_equal(polled(fake), 0);
	refused(fake_f.connect(fd, (struct sockaddr *)&to, sizeof(to)), EALREADY);
	refused(fake_f.recv(fd, &byte, 1, 0), EAGAIN);
	refused(fake_f.send(fd, &byte, 1, 0), EAGAIN);
	refused(fake_f.accept(fd, NULL, NULL), EAGAIN);
	close_it(fake);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void interrupted(void **state)
{
	struct sigaction action = {.sa_handler = on_signal}, old;
	struct fake *fake = automatic(SOCK_DGRAM);
	struct job job;

	(void)state;
	sigaction(SIGUSR1, &action, &old);
	job_start(&job, fake, run_recv);
	pthread_kill(job.thread, SIGUSR1);
	job_end(&job, -1, EINTR);
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &action, NULL);
	job_start(&job, fake, run_recv);
	pthread_kill(job.thread, SIGUSR1);
	arrive(fake, 1, 0);
	job_end(&job, 1, 0);
	sigaction(SIGUSR1, &old, NULL);
	close_it(fake);
}

/** cancelled - in each call that waits: the lock is free afterwards, and the socket as it was */
static void cancelled(void **state)
{
	static ssize_t (*const run[])(struct job * job) = {run_recv, run_send, run_accept, run_connect};
	struct fake *fake = automatic(SOCK_STREAM);
	struct job job;
	void *how;

	(void)state;
	fake->room = 0;
	fake->connected = -EINPROGRESS;
	for (int times = 0; times < 20; times++) {
		for (size_t i = 0; i < sizeof(run) / sizeof(run[0]); i++) {
			job_start(&job, fake, run[i]);
			pthread_cancel(job.thread);
			pthread_join(job.thread, &how);
			assert_ptr_equal(how, PTHREAD_CANCELED);
			assert_false(waits(fake));
			assert_int_equal(fake->sock.readers, 0);
			assert_int_equal(fake->sock.writers, 0);
		}
	}
	arrive(fake, 2, 0);
	assert_int_equal(fake_f.recv(fake->sock.ready.user, job.text, 2, 0), 2);
	close_it(fake);
}

static void accepts(void **state)
{
	struct fake *fake = automatic(SOCK_STREAM);
	struct usock *made;
	struct job job;
	int fd;

	(void)state;
	fake->room = 0;
	assert_int_equal(fake_f.listen(fake->sock.ready.user, 5), 0);
	job_start(&job, fake, run_accept);
	usock_lock(stack);
	fake->backlog++;
	usock__changed(&fake->sock, EPOLLIN);
	usock_unlock(stack);
	pthread_join(job.thread, NULL);
	fd = (int)job.result;
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	for (made = stack->sockets; made->ready.user != fd; made = made->next)
		assert_non_null(made->next);
	assert_int_equal(usock__opensockets(stack), 2);
	close_it((struct fake *)made);
	refused((fake_use(fake), fake_f.accept4(fake->sock.ready.user, NULL, NULL, 1)), EINVAL);
	close_it(fake);
}

static void broken_pipe(void **state)
{
	struct fake *fake = automatic(SOCK_STREAM);
	int fd = fake->sock.ready.user, sig = 0;
	struct timespec now = {0};
	sigset_t pipe_only;
	char byte = 0;

	(void)state;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_only, NULL);
	assert_int_equal(fake_f.shutdown(fd, SHUT_WR), 0);
	refused(fake_f.send(fd, &byte, 1, MSG_NOSIGNAL), EPIPE);
	assert_int_equal(sigtimedwait(&pipe_only, NULL, &now), -1);
	refused(fake_f.write(fd, &byte, 1), EPIPE);
	sig = sigtimedwait(&pipe_only, NULL, &now);
	assert_int_equal(sig, SIGPIPE);
	pthread_sigmask(SIG_UNBLOCK, &pipe_only, NULL);
	close_it(fake);
}

static void bad_arguments(void **state)
{
	struct fake *fake = automatic(SOCK_STREAM);
	int fd = fake->sock.ready.user;
	struct iovec many[1025] = {0}, huge = {&huge, SIZE_MAX};
	struct msghdr msg = {.msg_iov = many, .msg_iovlen = 1025};
	socklen_t len = (socklen_t)-1;
	int on = 1;

	(void)state;
	refused(fake_f.send(fd, NULL, 1, 0), EFAULT);
	refused(fake_f.recv(fd, NULL, 1, 0), EFAULT);
	refused(fake_f.sendmsg(fd, &msg, 0), EMSGSIZE);
	refused(fake_f.recvmsg(fd, &msg, 0), EMSGSIZE);
	refused(fake_f.writev(fd, many, 1025), EINVAL);
	refused(fake_f.readv(fd, &huge, 1), EINVAL);
	refused(fake_f.readv(fd, &huge, -1), EINVAL);
	assert_int_equal(fake_f.writev(fd, many, 2), 0);
	assert_int_equal(fake_f.read(fd, NULL, 0), 0);
	refused(fake_f.getsockname(fd, (struct sockaddr *)&on, &len), EINVAL);
	refused(fake_f.getsockname(fd, (struct sockaddr *)&on, NULL), EFAULT);
	refused(fake_f.setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, NULL, sizeof(on)), EFAULT);
	refused(fake_f.setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, 3), EINVAL);
	refused(fake_f.getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &len), EINVAL);
	refused(fake_f.shutdown(fd, 3), EINVAL);
	refused(fake_f.ioctl(fd, FIONREAD, &on), ENOTTY);
	close_it(fake);
}

/** plain_close - close(2) of a stream is heard of, and the number is not closed when it belongs to another file */
static void plain_close(void **state)
{
	struct fake *fake = automatic(SOCK_STREAM);
	int fd = fake->sock.ready.user, other;
	struct stat st;
	bool dead = false;

	(void)state;
	assert_int_equal(fake_f.listen(fd, 1), 0);
	assert_int_equal(close(fd), 0);
	other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(other, fd);
	while (!dead) {
		usock_lock(stack);
		dead = fake->sock.dead;
		usock_unlock(stack);
		sched_yield();
	}
	assert_int_equal(fake->released, 1);
	assert_int_equal(usock__opensockets(stack), 0);
	assert_int_equal(fake_f.forget(fd), 0);
	assert_int_equal(fstat(other, &st), 0);
	close(other);
}

/** plain_close_datagram - that of others is found out when it matters */
static void plain_close_datagram(void **state)
{
	struct fake *fake = automatic(SOCK_DGRAM);

	(void)state;
	close(fake->sock.ready.user);
	arrive(fake, 1, 0);
	usock_lock(stack);
	assert_true(fake->sock.dead);
	usock_unlock(stack);
	assert_int_equal(fake_f.forget(fake->sock.ready.user), 0);
	fake = automatic(SOCK_DGRAM);
	close(fake->sock.ready.user);
	usock_lock(stack);
	assert_false(usock__ready_alive(&fake->sock));
	usock_unlock(stack);
	assert_int_equal(fake_f.forget(fake->sock.ready.user), 0);
}

static void stopped(void **state)
{
	struct fake *fake[3] = {automatic(SOCK_STREAM), automatic(SOCK_DGRAM), automatic(SOCK_STREAM)};
	char byte;
	struct job job;

	(void)state;
	fake_use(fake[0]);
	assert_int_equal(fake_f.listen(fake[0]->sock.ready.user, 1), 0);
	job_start(&job, fake[1], run_recv);
	assert_int_equal(fake_f.stopstack(stack), 0);
	job_end(&job, -1, ENETDOWN);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(polled(fake[i]), POLLIN | POLLOUT | POLLHUP);
		fake_use(fake[i]);
		refused(fake_f.recv(fake[i]->sock.ready.user, &byte, 1, 0), ENETDOWN);
		close_it(fake[i]);
	}
	refused(fake_f.socket(AF_INET, SOCK_DGRAM, 0), ENETDOWN);
}

/** forked - in a child nothing works, nothing hangs though the lock is held, and the parent does not notice */
static void forked(void **state)
{
	struct fake *fake = automatic(SOCK_STREAM);
	int fd = fake->sock.ready.user, status;
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(fake_f.listen(fd, 1), 0);
	usock_lock(stack);
	pid = fork();
	if (pid == 0) {
		bool ok = fake_f.recv(fd, &byte, 1, 0) < 0 && errno == ESTALE;

		ok = ok && fake_f.socket(AF_INET, SOCK_DGRAM, 0) < 0 && errno == ESTALE;
		ok = ok && usock_stack_delete(stack) < 0 && errno == ESTALE;
		ok = ok && fcntl(fake->sock.ready.own, F_GETFD) < 0 && errno == EBADF;
		ok = ok && fake_f.close(fd) == 0 && fcntl(fd, F_GETFD) < 0;
		_exit(ok ? 0 : 1);
	}
	usock_unlock(stack);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	arrive(fake, 1, 0);
	assert_int_equal(polled(fake), POLLIN | POLLOUT);
	close_it(fake);
}

static void options(void **state)
{
	static const struct {
		const char *text;
		int error;
	} table[] = {{"bad", EINVAL},   {"forwarding=2", EINVAL}, {"pcap", EINVAL},   {"accept_ra=yes", EINVAL},
	             {"pcap=", EINVAL}, {"seed=x", EINVAL},       {"seed=-1", EINVAL}};
	struct usock_stack *two[2];
	unsigned char bytes[2][300];
	const char *none[] = {"vde0:", NULL};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_null(usock_stack_new(stack->engine, NULL, table[i].text, &fake_f));
		assert_int_equal(errno, table[i].error);
	}
	assert_null(usock_stack_new(stack->engine, none, NULL, &fake_f));
	assert_int_equal(errno, EINVAL);
	none[0] = "null://";
	assert_null(usock_stack_new(stack->engine, none, NULL, &fake_f));
	assert_int_equal(errno, ENOBUFS);
	for (int i = 0; i < 2; i++) {
		two[i] = usock_stack_new(stack->engine, NULL, "seed=7,forwarding,accept_ra=0,autoconf,pcap=x", &fake_f);
		assert_non_null(two[i]);
		assert_true(usock_forwarding(two[i]));
		usock_lock(two[i]);
		usock_random(two[i], bytes[i], sizeof(bytes[i]));
		usock_unlock(two[i]);
		fake_stack_free(two[i]);
	}
	assert_memory_equal(bytes[0], bytes[1], sizeof(bytes[0]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(blocks),
	        TEST(sends),
	        TEST(timeouts),
	        TEST(nonblocking),
	        TEST(interrupted),
	        TEST(cancelled),
	        TEST(accepts),
	        TEST(broken_pipe),
	        TEST(bad_arguments),
	        TEST(plain_close),
	        TEST(plain_close_datagram),
	        TEST(stopped),
	        TEST(forked),
	        TEST(options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
