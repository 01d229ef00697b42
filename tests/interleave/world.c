/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* world.c - time, threads and the event loop of a world; see world.h. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "../../src/usock/private.h"
#include "nomem.h"

#define SECOND 1000000000LL
#define BEGIN (1000 * SECOND)

struct world world;
_Thread_local void *world_socket;
_Thread_local int world_fd;
static _Thread_local struct task *self; /* NULL: the scheduler */
static sem_t back;                      /* the baton is the scheduler's */

/* Visible: the library of AddressSanitizer calls functions of these names, too. */
#pragma GCC visibility push(default)
int __real_sem_wait(sem_t *sem);
int __real_epoll_wait(int epfd, struct epoll_event *events, int count, int timeout);
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_sem_wait(sem_t *sem);
int __wrap_sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *until);
int __wrap_epoll_wait(int epfd, struct epoll_event *events, int count, int timeout);
int __wrap_epoll_pwait2(int epfd, struct epoll_event *events, int count, const struct timespec *timeout,
                        const sigset_t *mask);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
#pragma GCC visibility pop
int ioth_testengine_delstack(void *stackdata);
void *ioth_testengine_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions);

/* ------------------------------------------------------------------------------------------------------------- chance
 */

uint32_t chance(uint32_t n)
{
	uint64_t z = world.random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return n == 0 ? 0 : (uint32_t)((z ^ z >> 31) >> 32) % n;
}

bool one_of(uint32_t n)
{
	return chance(n) == 0;
}

/* ------------------------------------------------------------------------------------------------------- what is said
 */

void world_fail(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "world %llu, at %.6f s: ", (unsigned long long)world.number, (double)(world.now - BEGIN) / 1e9);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nagain: interleave -v 1 %llu\n", (unsigned long long)world.number);
	abort();
}

void world_trace(const char *format, ...)
{
	va_list args;

	if (!world.trace)
		return;
	printf("%10.6f %c ", (double)(world.now - BEGIN) / 1e9, self ? (int)('A' + (self - world.task)) : '-');
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

/* -------------------------------------------------------------------------------------------------------------- baton
 */

/** take - wait for the baton */
static void take(sem_t *sem)
{
	while (__real_sem_wait(sem) != 0)
		;
}

/** hand_back - of a task: the scheduler decides who goes on */
static void hand_back(enum task_state state)
{
	int error = errno;

	self->state = state;
	sem_post(&back);
	take(&self->go);
	errno = error;
}

/** resume - of the scheduler: a task goes on until it hands the baton back */
static void resume(struct task *task)
{
	sem_post(&task->go);
	take(&back);
}

static void *task_main(void *arg)
{
	self = arg;
	take(&self->go);
	while (!self->over) {
		self->job(self);
		hand_back(TASK_IDLE);
	}
	return NULL;
}

void world_start(struct task *task, void (*job)(struct task *task), void *arg)
{
	task->job = job;
	task->arg = arg;
	resume(task);
}

/* ------------------------------------------------------------------------------------------------------------ waiting
 */

static bool set_ready(int epfd)
{
	struct pollfd p = {.fd = epfd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

bool world_goes_on(const struct task *task)
{
	int value = 0;

	if (task->state == TASK_READY)
		return true;
	if (task->state == TASK_IDLE)
		return false;
	if (task->sem)
		sem_getvalue(task->sem, &value);
	return value > 0 || task->interrupted || task->until <= world.now || (task->epfd >= 0 && set_ready(task->epfd));
}

/** block - of a task: wait for something in a set, for a semaphore, until a time; 0, or EINTR or ETIMEDOUT */
static int block(int epfd, sem_t *sem, int64_t until)
{
	if (!self)
		world_fail("a call that must not wait does");
	if (self->locks > 0)
		world_fail("a thread waits with a lock held");
	self->epfd = epfd;
	self->sem = sem;
	self->until = until;
	self->interrupted = false;
	do
		hand_back(TASK_BLOCKED);
	while (!world_goes_on(self));
	self->epfd = -1;
	self->sem = NULL;
	if (self->interrupted)
		return EINTR;
	return until <= world.now && !(epfd >= 0 && set_ready(epfd)) ? ETIMEDOUT : 0;
}

int __wrap_sem_wait(sem_t *sem)
{
	while (sem_trywait(sem) != 0)
		if (block(-1, sem, INET_NEVER) == EINTR) {
			errno = EINTR;
			return -1;
		}
	return 0;
}

int __wrap_sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *until)
{
	int64_t when = until->tv_sec * SECOND + until->tv_nsec;

	(void)clock;
	while (sem_trywait(sem) != 0) {
		int error = when <= world.now ? ETIMEDOUT : block(-1, sem, when);

		if (error == EINTR || when <= world.now) {
			if (error != EINTR && sem_trywait(sem) == 0)
				return 0;
			errno = error == EINTR ? EINTR : ETIMEDOUT;
			return -1;
		}
	}
	return 0;
}

static int wait_on_set(int epfd, struct epoll_event *events, int count, int64_t ns)
{
	int n = __real_epoll_wait(epfd, events, count, 0);
	int64_t until = ns < INET_NEVER - world.now ? world.now + ns : INET_NEVER;

	while (n == 0 && ns > 0) {
		int error = block(epfd, NULL, until);

		if (error == EINTR) {
			errno = EINTR;
			return -1;
		}
		n = __real_epoll_wait(epfd, events, count, 0);
		if (error == ETIMEDOUT)
			break;
	}
	return n;
}

int __wrap_epoll_wait(int epfd, struct epoll_event *events, int count, int timeout)
{
	return wait_on_set(epfd, events, count, timeout < 0 ? INET_NEVER : timeout * MS);
}

int __wrap_epoll_pwait2(int epfd, struct epoll_event *events, int count, const struct timespec *timeout,
                        const sigset_t *mask)
{
	(void)mask;
	return wait_on_set(epfd, events, count, timeout ? timeout->tv_sec * SECOND + timeout->tv_nsec : INET_NEVER);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)
		return __real_clock_gettime(clock, now);
	*now = (struct timespec){.tv_sec = world.now / SECOND, .tv_nsec = world.now % SECOND};
	return 0;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	int error = __real_pthread_mutex_lock(mutex);

	if (self)
		self->locks++;
	return error;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	int error = __real_pthread_mutex_unlock(mutex);

	if (self && --self->locks == 0 && world.preempt && one_of(8))
		hand_back(TASK_READY);
	return error;
}

/** none_left - is there no memory for this one? */
static bool none_left(void)
{
	if (world.nomem == 0 || !one_of(world.nomem))
		return false;
	world_trace("no memory");
	return true;
}

/* --------------------------------------------------------------------------------------------------------- event loop
 */

struct link_driver {
	int epfd;
	void (*run)(void *arg);
	void *arg;
	int64_t deadline;
	bool suspended, lingers;
};

static struct link_driver driver = {.epfd = -1};

int link_driver_open(void (*run)(void *arg), void *arg, uint64_t network, struct link_driver **out)
{
	(void)network;
	driver = (struct link_driver){
	        .epfd = epoll_create1(EPOLL_CLOEXEC), .run = run, .arg = arg, .deadline = INET_NEVER};
	*out = &driver;
	return driver.epfd < 0 ? -EMFILE : 0;
}

void link_driver_close(struct link_driver *d)
{
	close(d->epfd);
	d->epfd = -1;
}

int link_driver_fd(const struct link_driver *d)
{
	return d->epfd;
}

void link_driver_deadline(struct link_driver *d, int64_t when)
{
	d->deadline = when;
}

void link_driver_linger(struct link_driver *d, int64_t when)
{
	d->deadline = when;
	d->lingers = true;
}

void link_driver_suspend(struct link_driver *d)
{
	d->suspended = true;
	d->lingers = false;
}

void link_driver_resume(struct link_driver *d)
{
	d->suspended = d->lingers = false;
}

int64_t link_poll_ns(void)
{
	return 0;
}

static bool driver_ready(void)
{
	return driver.suspended ? driver.lingers && driver.deadline <= world.now
	                        : driver.deadline <= world.now || set_ready(driver.epfd);
}

/* --------------------------------------------------------------------------------------------------------------- steps
 */

bool world_step(void)
{
	unsigned int first = chance(TASKS + 1);

	for (unsigned int i = 0; i <= TASKS; i++) {
		unsigned int which = (first + i) % (TASKS + 1);

		if (which == TASKS && driver_ready()) {
			world_trace("the event loop runs");
			driver.deadline = driver.deadline <= world.now ? INET_NEVER : driver.deadline;
			driver.run(driver.arg);
			return true;
		}
		if (which < TASKS && world_goes_on(&world.task[which])) {
			world_trace("%c goes on", (int)('A' + which));
			resume(&world.task[which]);
			return true;
		}
	}
	return false;
}

bool world_wait(int64_t ns)
{
	int64_t when = driver.suspended && !driver.lingers ? INET_NEVER : driver.deadline;

	for (unsigned int i = 0; i < TASKS; i++) {
		const struct task *task = &world.task[i];

		if (world_goes_on(task))
			return true;
		if (task->state == TASK_BLOCKED && task->until < when)
			when = task->until;
	}
	if (driver_ready())
		return true;
	if (when == INET_NEVER)
		return false;
	if (when > world.now + ns)
		when = world.now + ns;
	if (when > world.now)
		world.now = when;
	return true;
}

/* -------------------------------------------------------------------------------------------------- beginning and end
 */

static void *get_stack(void)
{
	return world.stack;
}

static void *get_socket(void)
{
	return world_socket;
}

static int set_socket(void *data)
{
	world_socket = data;
	return 0;
}

/** renew - another file under the number of the socket of the call */
static int renew(int fd)
{
	return dup3(fd, world_fd, O_CLOEXEC) < 0 ? -1 : 0;
}

/** bring_up - lo */
static void bring_up(void)
{
	static const struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
	} up = {.head = {.nlmsg_len = sizeof(up), .nlmsg_type = RTM_NEWLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
	        .link = {.ifi_index = 1, .ifi_flags = 1, .ifi_change = 1}};
	struct nlq_msg *reply;

	usock_lock(world.stack);
	reply = nlq_process_datagram(&up, sizeof(up), inet_handlers, usock_inet(world.stack), 1, 0);
	nlq_free(&reply);
	usock_unlock(world.stack);
}

void world_open(uint64_t number)
{
	char options[128];
	unsigned int delay, loss, duplicate;

	world.number = number;
	world.random = number * 0x2545f4914f6cdd1dU + 1;
	world.now = BEGIN;
	delay = one_of(4) ? 0 : 1 + chance(20);
	loss = one_of(2) ? 0 : 5 + chance(40);
	duplicate = one_of(2) ? 0 : 3 + chance(20);
	world.hostile = one_of(5);
	world.preempt = !one_of(3);
	nomem_allocated = 0;
	nomem_now = none_left;
	snprintf(options, sizeof(options), "seed=%llu,delay=%u,loss=%u,duplicate=%u,nomem=0",
	         (unsigned long long)number, delay, loss, duplicate);
	world_trace("world %llu: %s%s%s", (unsigned long long)number, options, world.hostile ? ", memory fails" : "",
	            world.preempt ? ", preempted" : "");
	world.f = (struct ioth_functions){.size = sizeof(world.f),
	                                  .getstackdata = get_stack,
	                                  .getsockdata = get_socket,
	                                  .setsockdata = set_socket,
	                                  .renewfd = renew};
	sem_init(&back, 0, 0);
	world.stack = ioth_testengine_newstack(NULL, options, &world.f);
	if (!world.stack)
		world_fail("no stack: %s", strerror(errno));
	world.engine = usock_engine_of(world.stack);
	bring_up();
	world.engine->nomem = world.hostile ? 20 + chance(200) : 0;
	world.nomem = world.hostile && one_of(2) ? 2 + chance(40) : 0;
	for (unsigned int i = 0; i < TASKS; i++) {
		struct task *task = &world.task[i];

		*task = (struct task){.state = TASK_IDLE, .epfd = -1};
		sem_init(&task->go, 0, 0);
		if (pthread_create(&task->thread, NULL, task_main, task) != 0)
			world_fail("no thread");
	}
}

void world_close(void)
{
	for (unsigned int i = 0; i < TASKS; i++) {
		struct task *task = &world.task[i];

		task->over = true;
		sem_post(&task->go);
		pthread_join(task->thread, NULL);
		sem_destroy(&task->go);
	}
	if (usock__opensockets(world.stack) != 0)
		world_fail("%d sockets are left", usock__opensockets(world.stack));
	if (ioth_testengine_delstack(world.stack) != 0)
		world_fail("delstack: %s", strerror(errno));
	if (nomem_allocated != 0)
		world_fail("%ld pieces of memory are left", nomem_allocated);
	sem_destroy(&back);
}
