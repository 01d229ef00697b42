/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * answer.c - the thread that hands the memory of networks to newcomers.
 *
 * One thread serves all networks that the process is on. It sleeps until somebody connects to one of the sockets, gives
 * him a descriptor of the memory, and hangs up. It never waits for anybody. It is there from the first network to the
 * last, with every signal blocked.
 *
 * Who may connect is decided by the mode of the socket and of the directory it is in; whoever can has the memory.
 *
 * Lock. `lock` guards all of this. The thread holds it while it answers, so a network whose shm_answer_del has returned
 * is not being looked at. It is not held while the thread is joined.
 */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STACK_SIZE (64 * 1024)
#define ANSWERS 16        /* at once */
#define PAUSE_NS 10000000 /* before somebody is looked at again for whom there was no descriptor */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	pthread_t thread;
	int epfd, stopfd;
	int spare; /* of epfd, for it is open anyway; -1 */
	unsigned int networks;
} answer;

/** hand - give the memory to who has just been accepted */
static void hand(int fd, int memory)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &memory, sizeof(memory));
	sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/** spare - have a descriptor to give up */
static void spare(void)
{
	if (answer.spare < 0)
		answer.spare = fcntl(answer.epfd, F_DUPFD_CLOEXEC, 0);
}

/** take - accept somebody; the descriptor or a negative errno */
static int take(int listenfd)
{
	int fd = accept4(listenfd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE) && answer.spare >= 0) {
		close(answer.spare);
		answer.spare = -1;
		fd = accept4(listenfd, NULL, NULL, SOCK_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

/** serve - somebody has connected; @key, of the event, has the listening socket and the memory; false: he has to wait */
static bool serve(uint64_t key)
{
	int fd = 0, listenfd = (int)(key >> 32), memory = (int)(uint32_t)key;

	for (unsigned int i = 0; i < ANSWERS && (fd = take(listenfd)) >= 0; i++) {
		hand(fd, memory);
		close(fd);
		spare();
	}
	return fd >= 0 || fd == -EAGAIN;
}

static void *run(void *arg)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	int epfd = answer.epfd;
	struct epoll_event event;

	(void)arg;
	for (;;) {
		int n = epoll_wait(epfd, &event, 1, -1);
		bool served = true;

		if (n == 1 && event.data.u64 == UINT64_MAX)
			return NULL;
		if (n != 1)
			continue;
		pthread_mutex_lock(&lock);
		/* It may have been taken out meanwhile; then stopfd or another is next. */
		if (epoll_wait(epfd, &event, 1, 0) == 1 && event.data.u64 != UINT64_MAX)
			served = serve(event.data.u64);
		pthread_mutex_unlock(&lock);
		if (!served)
			nanosleep(&pause, NULL);
	}
}

/** close_all - the descriptors of the thread, which is not there */
static void close_all(void)
{
	const int fds[] = {answer.epfd, answer.stopfd, answer.spare};

	for (unsigned int i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/** start - start the thread; 0 or a negative errno */
static int start(void)
{
	struct epoll_event stop = {.events = EPOLLIN, .data.u64 = UINT64_MAX};
	sigset_t all, before;
	pthread_attr_t attr;
	int err;

	answer.epfd = epoll_create1(EPOLL_CLOEXEC);
	answer.stopfd = eventfd(0, EFD_CLOEXEC);
	answer.spare = -1;
	if (answer.epfd < 0 || answer.stopfd < 0 || epoll_ctl(answer.epfd, EPOLL_CTL_ADD, answer.stopfd, &stop) != 0) {
		err = -errno;
		goto fail;
	}
	spare();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	err = -pthread_create(&answer.thread, &attr, run, NULL);
	if (err == -EINVAL) /* thread-local variables of the program take more */
		err = -pthread_create(&answer.thread, NULL, run, NULL);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err == 0)
		return 0;
fail:
	close_all();
	return err;
}

int shm_answer_add(struct shm_net *net)
{
	struct epoll_event event = {.events = EPOLLIN,
	                            .data.u64 = (uint64_t)net->listenfd << 32 | (uint32_t)net->memfd};
	int err = 0;

	pthread_mutex_lock(&lock);
	if (answer.networks == 0)
		err = start();
	if (!err) {
		answer.networks++;
		err = epoll_ctl(answer.epfd, EPOLL_CTL_ADD, net->listenfd, &event) == 0 ? 0 : -errno;
	}
	pthread_mutex_unlock(&lock);
	if (err && answer.networks > 0)
		shm_answer_del(net);
	return err;
}

void shm_answer_del(struct shm_net *net)
{
	const uint64_t one = 1;
	bool last;

	pthread_mutex_lock(&lock);
	epoll_ctl(answer.epfd, EPOLL_CTL_DEL, net->listenfd, NULL);
	last = --answer.networks == 0;
	pthread_mutex_unlock(&lock);
	if (!last)
		return;
	/* Nobody starts another meanwhile: the registry is locked. */
	if (write(answer.stopfd, &one, sizeof(one)) == sizeof(one))
		pthread_join(answer.thread, NULL);
	close_all();
}

void shm_answer_prepare(void)
{
	pthread_mutex_lock(&lock);
}

void shm_answer_parent(void)
{
	pthread_mutex_unlock(&lock);
}

void shm_answer_child(void)
{
	if (answer.networks > 0)
		close_all();
	answer.networks = 0;
	pthread_mutex_unlock(&lock);
}
