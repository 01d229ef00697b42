/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * drive.c - who runs the stack.
 *
 * All that can happen to a stack from outside makes its epoll set ready: frames on its networks, programs that close
 * their end of a socket. Somebody has to wait on the set, handle what it says and run what is due by time. This is
 * either one of the event loops of the process (link_driver_*), or the *leader*: a thread of the program that waits in
 * a call on one of the sockets. A frame for a blocked thread so wakes this thread and no other. There is at most one
 * leader; other threads that wait meanwhile sleep until somebody wakes them (wait.c).
 *
 * The leader takes the set over by suspending the driver. When it leaves it makes no other waiting thread the leader,
 * which would be a wake-up for the sake of a frame that may never come: the loop goes on, and the next thread that has
 * to wait, most often the very same, is the leader then. Taking over costs one epoll_ctl, and handing over another. The
 * latter is put off until the lock is given back, so a thread that finds that it must wait once more pays nothing.
 *
 * Lingering. A thread that moves a stream waits, leaves, and is back at once, a hundred thousand times a second. When a
 * stack's leaders have been back within LEASE for RETURNS times in a row, the loop does not take over for that long: it
 * has a deadline at the end of the lease and looks at nothing before. A thread that comes back within it need not wait
 * at all if what it waits for has come: it asks the network itself (usock__drive_glance), which is no system call where
 * the network is in shared memory. If nobody is back when the lease ends the loop goes on, and nobody is believed for
 * the next RETURNS times; so what such a thread can cost others, who poll a socket of the stack, is one LEASE now and
 * then. Where another thread waits already the loop takes over at once.
 *
 * Awake. A network in shared memory need not tell of frames as long as somebody looks at it (link_conn_awake). So the
 * port that frames came from last, drive->hot, is awake while a leader is, and while the loop stays away: it is looked at
 * before the set, and whoever goes to sleep on the set, or leaves it to the loop, has it rest first (usock__port_rest).
 * Neither a frame nor its answer is a system call then, on either side.
 *
 * Deadlines. The loop keeps the deadline of its driver (link/clock.c). A leader sleeps no longer than until the
 * deadline, and is woken when somebody sets an earlier one. That the deadline has got later it need not know, so it
 * goes on sleeping for an earlier one that has been withdrawn (*bound*): otherwise each packet, which sets a deadline
 * that its answer withdraws, would have to wake it.
 *
 * Stale events. Events are fetched by a leader that does not hold the lock, so an object they name may be gone before
 * they are handled. Whoever stops watching something while the leader is asleep marks that: the leader throws away what
 * it has fetched and fetches anew. Nothing is lost, for all events are level-triggered but that of our own wakefd,
 * whose only message is "come". Events that are being handled are taken back one by one.
 *
 * The end. When the driver has been closed nobody runs the stack any more; what is still called while sockets and
 * interfaces are taken apart finds no stack->drive, and does nothing.
 *
 * fork(2). In a child the set is the parent's, and must not be changed: usock__here.
 */
#include "drive.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LEASE 1000000 /* nanoseconds */
#define RETURNS 8U
#define TAG_MASK ((uintptr_t)3) /* the kind of event, in a pointer to something from malloc */

int64_t usock__clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* -------------------------------------------------------------------------------------------------------- events */

/** event_make - what epoll is to say about @object */
static struct epoll_event event_make(uint32_t events, enum usock__event event, void *object)
{
	return (struct epoll_event){.events = events, .data.ptr = (void *)((uintptr_t)object | (uintptr_t)event)};
}

/** event_object - the object an event is about, NULL when it was taken back */
static void *event_object(const struct epoll_event *event)
{
	return (void *)((uintptr_t)event->data.ptr & ~TAG_MASK);
}

int usock__drive_watch(struct usock_stack *stack, int fd, uint32_t events, enum usock__event event, void *object)
{
	struct epoll_event ev = event_make(events, event, object);

	return epoll_ctl(stack->drive->epfd, EPOLL_CTL_ADD, fd, &ev) == 0 ? 0 : -errno;
}

void usock__drive_rewatch(struct usock_stack *stack, int fd, uint32_t events, enum usock__event event, void *object)
{
	struct epoll_event ev = event_make(events, event, object);

	epoll_ctl(stack->drive->epfd, EPOLL_CTL_MOD, fd, &ev);
}

void usock__drive_unwatch(struct usock_stack *stack, int fd, void *object)
{
	struct usock__drive *drive = stack->drive;

	if (!drive || !usock__here(stack))
		return;
	epoll_ctl(drive->epfd, EPOLL_CTL_DEL, fd, NULL);
	if (drive->asleep)
		drive->unwatched = true;
	for (int i = 0; i < drive->count; i++)
		if (event_object(&drive->events[i]) == object)
			drive->events[i].data.ptr = NULL;
}

void usock__drive_handle(struct usock_stack *stack, struct epoll_event *events, int count)
{
	struct usock__drive *drive = stack->drive;

	drive->rung = drive->later = false;
	drive->events = events;
	drive->count = count;
	for (int i = 0; i < count; i++) {
		enum usock__event event = (enum usock__event)((uintptr_t)events[i].data.ptr & TAG_MASK);
		void *object = event_object(&events[i]);

		if (!object)
			continue;
		switch (event) {
		case USOCK_EVENT_PORT:
		case USOCK_EVENT_PORT_CTL:
			usock__port_event(object, event, events[i].events);
			break;
		case USOCK_EVENT_SOCKET:
			usock__ready_event(object, events[i].events);
			break;
		case USOCK_EVENT_WAKE:
			break;
		}
	}
	drive->count = 0;
	if (usock__port_waiting(stack))
		usock__port_glance(stack);
	usock__turn(stack);
}

/** drive_run - the event loop has found the set ready, or the deadline passed */
static void drive_run(void *arg)
{
	struct usock_stack *stack = arg;
	struct epoll_event events[USOCK_EVENTS];

	usock_lock(stack);
	/* A thread may have taken over in the meantime; then it sees to all. */
	if (!stack->drive->leader) {
		int n = epoll_wait(stack->drive->epfd, events, USOCK_EVENTS, 0);

		usock__drive_handle(stack, events, n > 0 ? n : 0);
	}
	usock_unlock(stack);
}

/* --------------------------------------------------------------------------------------------------- who drives */

void usock__later(struct usock_stack *stack)
{
	if (stack->drive)
		stack->drive->later = true;
}

int64_t usock__drive_deadline(struct usock_stack *stack)
{
	const struct usock__timer *timers = stack->drive->timers;
	int64_t when = timers ? timers->when : INET_NEVER, other;

	if (stack->inet && (other = inet_deadline(stack->inet)) < when)
		when = other;
	if (stack->e && (other = stack->engine->deadline(stack->e)) < when)
		when = other;
	return when;
}

/** returned - a thread is there again to drive the stack: was it away for less than LEASE? */
static void returned(struct usock_stack *stack)
{
	struct usock__drive *drive = stack->drive;

	if (drive->left_at == 0 || usock_now(stack) - drive->left_at >= LEASE)
		drive->returned = 0;
	else if (drive->returned < RETURNS)
		drive->returned++;
}

void usock__drive_lead(struct usock_stack *stack, struct usock__wait *wait)
{
	struct usock__drive *drive = stack->drive;

	returned(stack);
	drive->leader = wait;
	if (!drive->suspended || drive->lingering)
		link_driver_suspend(drive->driver);
	drive->suspended = true;
	drive->lingering = false;
}

void usock__drive_leave(struct usock_stack *stack)
{
	struct usock__drive *drive = stack->drive;

	drive->leader = NULL;
	drive->asleep = drive->unwatched = false;
	drive->left_at = usock_now(stack);
}

bool usock__drive_glance(struct usock_stack *stack)
{
	struct usock__drive *drive = stack->drive;

	if (!drive || !drive->lingering || !usock__port_glance(stack))
		return false;
	returned(stack);
	drive->left_at = usock_now(stack);
	drive->lease = drive->left_at + LEASE;
	usock__turn(stack);
	return true;
}

/** ring - make the set ready */
static void ring(struct usock__drive *drive)
{
	if (!drive->rung)
		eventfd_write(drive->wakefd, 1);
	drive->rung = true;
}

/** settle_leader - see that a sleeping leader wakes in time */
static void settle_leader(struct usock__drive *drive, int64_t deadline)
{
	int64_t when = drive->later || drive->leader->woken ? 0 : deadline;

	if (when >= drive->until)
		return;
	if (deadline < drive->until)
		drive->bound = deadline;
	/* It may be about to fall asleep, and be giving back the lock itself. */
	if (pthread_equal(drive->leader->thread, pthread_self()))
		drive->until = when;
	else
		ring(drive);
}

/** linger - nobody leads: will somebody be back soon? Then the loop stays away */
static bool linger(struct usock_stack *stack, int64_t deadline)
{
	struct usock__drive *drive = stack->drive;

	if (!drive->suspended || drive->returned < RETURNS || drive->followers > 0 || drive->later)
		return false;
	if (!drive->lingering)
		drive->lease = drive->left_at + LEASE;
	if (usock_now(stack) >= drive->lease) {
		drive->returned = 0;
		return false;
	}
	drive->lingering = true;
	link_driver_linger(drive->driver, deadline < drive->lease ? deadline : drive->lease);
	return true;
}

void usock__drive_settle(struct usock_stack *stack)
{
	struct usock__drive *drive = stack->drive;
	int64_t deadline;

	if (!drive || !usock__here(stack))
		return;
	if (stack->pcap)
		usock__port_flush(stack);
	if (usock__loopback_pending(stack))
		drive->later = true;
	/* A leader that is awake waits for the lock: it runs a turn, and looks at the deadline, before it sleeps again.
	 */
	if (drive->leader && !drive->asleep)
		return;
	deadline = usock__drive_deadline(stack);
	if (drive->asleep) {
		settle_leader(drive, deadline);
	} else if (!linger(stack, deadline)) {
		drive->lingering = false;
		link_driver_deadline(drive->driver, deadline);
		usock__port_rest(stack);
		if (drive->suspended)
			link_driver_resume(drive->driver);
		drive->suspended = false;
		if (drive->later)
			ring(drive);
	}
}

/* -------------------------------------------------------------------------------------------------------- timers */

void usock__timer_set(struct usock_stack *stack, struct usock__timer *timer, int64_t when)
{
	struct usock__timer **p;

	usock__timer_clear(stack, timer);
	if (!stack->drive)
		return;
	p = &stack->drive->timers;
	timer->when = when > 0 ? when : 1;
	while (*p && (*p)->when <= timer->when)
		p = &(*p)->next;
	timer->next = *p;
	*p = timer;
}

void usock__timer_clear(struct usock_stack *stack, struct usock__timer *timer)
{
	if (timer->when != 0 && stack->drive) {
		struct usock__timer **p = &stack->drive->timers;

		while (*p != timer)
			p = &(*p)->next;
		*p = timer->next;
	}
	timer->when = 0;
}

void usock__timers_run(struct usock_stack *stack)
{
	struct usock__drive *drive = stack->drive;

	while (drive->timers && drive->timers->when <= usock_now(stack)) {
		struct usock__timer *timer = drive->timers;

		drive->timers = timer->next;
		timer->when = 0;
		timer->fire(timer);
	}
}

/* --------------------------------------------------------------------------------------------------- open, close */

int usock__drive_open(struct usock_stack *stack)
{
	struct usock__drive *drive = calloc(1, sizeof(*drive));
	int err;

	if (!drive)
		return -ENOMEM;
	drive->spin = (struct link_spin){.ns = link_poll_ns(), .look = usock__wait_look, .arg = stack};
	drive->wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (drive->wakefd < 0) {
		err = -errno;
		goto fail;
	}
	err = link_driver_open(drive_run, stack, 0, &drive->driver);
	if (err)
		goto fail_wake;
	drive->epfd = link_driver_fd(drive->driver);
	stack->drive = drive;
	/* Edge-triggered: nobody has to read it. */
	err = usock__drive_watch(stack, drive->wakefd, EPOLLIN | EPOLLET, USOCK_EVENT_WAKE, drive);
	if (err) {
		usock__drive_close(stack);
		return err;
	}
	return 0;
fail_wake:
	close(drive->wakefd);
fail:
	free(drive);
	return err;
}

void usock__drive_close(struct usock_stack *stack)
{
	struct usock__drive *drive = stack->drive;

	link_driver_close(drive->driver);
	close(drive->wakefd);
	free(drive);
	stack->drive = NULL;
}
