/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wait.c - threads that wait for a socket.
 *
 * A thread that has to wait becomes the leader when there is none (drive.c): it sleeps in epoll_pwait2(2) on the set of
 * the stack, handles what comes, and goes on until something has happened to its own socket, its time is up, or a
 * signal comes. Others sleep on a semaphore of their own, which is posted by whoever holds the lock when something
 * happens to their sockets, after the lock has been given back. Waking a thread costs more than all the rest: either
 * way a frame for a blocked thread wakes one, that which leads, and another only if it is the other's frame.
 *
 * A leader that has just moved frames looks for more for a few microseconds before it sleeps, giving way to any thread
 * that wants the core, as the event loops do (link_spin): an answer often follows a question at once. What comes from
 * shared memory meanwhile it sees there (drive.c, "Awake"). Where more has come each time it does not sleep at all.
 * Then it gives back the lock all the same, so that others have their turn and those it has woken know, and now and
 * then it looks at the set, for what else may have happened, and for signals.
 *
 * Signals. A handler ends a wait with EINTR, unless it was installed with SA_RESTART and the wait has no timeout:
 * signal(7). The kernel sees to this where a thread waits on its semaphore. epoll_pwait2 is never restarted, and does
 * not say which handlers have run, so a leader looks at those that there are: if one could have run that lacks
 * SA_RESTART, the wait ends (held.h).
 *
 * A signal that comes while a thread that waits is awake for a moment, to handle what is another's, must end the wait as
 * well. So from its first sleep on a call holds signals back (struct usock__held) but for the sleeps themselves: the
 * kernel lets them come when epoll_pwait2 sleeps; who has handled events, or is about to sleep on its semaphore, looks
 * whether one is pending.
 *
 * Cancellation. Cancellation is disabled while the lock is held, as many things that are done under it are cancellation
 * points (the state is kept in the stack), and the clean-up of a cancelled wait takes the lock, gives up the lead, and
 * leaves the lock free.
 *
 * Lifetime. A struct usock__wait is on the stack of its thread, which must not leave while the post that somebody has
 * announced (posted) has not been made: it is waited for.
 */
#include "drive.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>

#define AGAIN 1      /* of lead_once: nothing has come of it, go on */
#define LOOK_EVERY 8 /* times that there was something in memory: then at the set, and for signals */

/** enum away - what a leader does while it has given back the lock */
enum away {
	AWAY_PASS,  /* nothing: others may have it */
	AWAY_LOOK,  /* look at the set for a while */
	AWAY_SLEEP, /* sleep on the set */
};

/* ------------------------------------------------------------------------------------------------- lock and wake */

void usock__wait_acquire(struct usock_stack *stack)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_mutex_lock(&stack->lock);
	stack->cancel_state = state;
}

void usock__wait_release(struct usock_stack *stack)
{
	struct usock__wait *wait = NULL;
	int state = stack->cancel_state;

	if (stack->drive) {
		wait = stack->drive->posts;
		stack->drive->posts = NULL;
	}
	pthread_mutex_unlock(&stack->lock);
	while (wait) {
		struct usock__wait *next = wait->post_next;

		atomic_store_explicit(&wait->made, true, memory_order_release);
		sem_post(&wait->sem); /* it may be gone after this */
		wait = next;
	}
	pthread_setcancelstate(state, NULL);
}

void usock__wait_wake(struct usock *sock, uint32_t events)
{
	struct usock__drive *drive = sock->stack->drive;

	for (struct usock__wait *wait = drive ? sock->waiting : NULL; wait; wait = wait->next) {
		if (!(wait->events & events) || wait->woken)
			continue;
		wait->woken = true;
		if (wait == drive->leader)
			continue; /* usock__drive_settle wakes it */
		wait->posted = true;
		wait->post_next = drive->posts;
		drive->posts = wait;
	}
}

/* ------------------------------------------------------------------------------------------------------- signals */

/** held_begin - hold signals back, if there is a call that lets them come in the end */
static void held_begin(struct usock__held *held)
{
	if (held)
		ioth__held_begin(&held->signals);
}

void usock__held_end(struct usock__held *held)
{
	ioth__held_end(&held->signals);
}

/** handlers_restart - is the sleep that a signal has ended to go on, as it is not timed? */
static bool handlers_restart(const struct usock__held *held)
{
	sigset_t blocked;

	if (held)
		return ioth__handlers_restart(&held->signals.mask);
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	return ioth__handlers_restart(&blocked);
}

/** held_come - let those come that have been held back; did one whose handler ends a sleep, which is @timed or not? */
static bool held_come(struct usock__held *held, bool timed)
{
	sigset_t pending;
	bool ends = false;

	if (!held || sigpending(&pending) != 0 || sigisemptyset(&pending))
		return false;
	for (int sig = 1; sig < NSIG && !ends; sig++) {
		struct sigaction action;

		ends = sigismember(&pending, sig) == 1 && ioth__handled(sig, &held->signals.mask, &action) &&
		       (timed || !(action.sa_flags & SA_RESTART));
	}
	usock__held_end(held);
	held_begin(held);
	return ends;
}

/* ---------------------------------------------------------------------------------------------------------- wait */

/** wait_end - forget a wait; lock held */
static void wait_end(struct usock__wait *wait)
{
	struct usock__drive *drive = wait->sock->stack->drive;
	struct usock__wait **p = &wait->sock->waiting;

	while (*p != wait)
		p = &(*p)->next;
	*p = wait->next;
	if (drive->leader == wait)
		usock__drive_leave(wait->sock->stack);
	drive->followers -= wait->follows;
	/* Announced under this lock, but not made yet by us: then it is not ours to wait for. */
	for (p = &drive->posts; *p; p = &(*p)->post_next) {
		if (*p == wait) {
			*p = wait->post_next;
			wait->posted = false;
			break;
		}
	}
	/* Soon: the thread that is about to post needs no lock. Cancellation is disabled. */
	while (wait->posted && sem_wait(&wait->sem) != 0)
		;
	/* The semaphore has seen to the order of things; this is for checkers that do not know sem_clockwait. */
	(void)atomic_load_explicit(&wait->made, memory_order_acquire);
	sem_destroy(&wait->sem);
}

/** wait_cancelled - the thread is cancelled while it waits; lock not held */
static void wait_cancelled(void *arg)
{
	struct usock__wait *wait = arg;
	struct usock_stack *stack = wait->sock->stack;

	usock_lock(stack);
	/* What it has fetched is lost, the knock of our own bell among it. */
	if (stack->drive->leader == wait)
		stack->drive->rung = false;
	wait_end(wait);
	usock_unlock(stack);
}

/** sleep_on_set - wait on the set until drive->until; the number of events, or a negative errno */
static int sleep_on_set(const struct usock__drive *drive, struct epoll_event *events, const struct usock__held *held)
{
	const sigset_t *mask = held ? &held->signals.mask : NULL;
	struct timespec timeout = {0};
	int n;

	if (drive->until != INET_NEVER) {
		int64_t left = drive->until > 0 ? drive->until - usock__clock() : 0;

		if (left > 0)
			timeout = (struct timespec){.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
	}
	n = epoll_pwait2(drive->epfd, events, USOCK_EVENTS, drive->until == INET_NEVER ? NULL : &timeout, mask);
	if (n < 0 && (errno == ENOSYS || errno == EPERM)) { /* Linux before 5.11; a filter of system calls */
		int64_t ms = (int64_t)timeout.tv_sec * 1000 + (timeout.tv_nsec + 999999) / 1000000;

		n = epoll_pwait(drive->epfd, events, USOCK_EVENTS,
		                drive->until == INET_NEVER ? -1 : (int)(ms < INT_MAX ? ms : INT_MAX), mask);
	}
	return n < 0 ? -errno : n;
}

bool usock__wait_look(void *arg)
{
	struct usock_stack *stack = arg;
	bool some;

	if (pthread_mutex_trylock(&stack->lock) != 0)
		return false;
	some = usock__port_waiting(stack);
	pthread_mutex_unlock(&stack->lock);
	return some;
}

/** look_at_set - look at the set for a while; the number of events */
static int look_at_set(struct usock__drive *drive, struct epoll_event *events)
{
	int n = epoll_wait(drive->epfd, events, USOCK_EVENTS, 0);

	return n > 0 ? n : link_spin(&drive->spin, drive->epfd, events, USOCK_EVENTS, drive->until);
}

/** lead_away - the lock is given back, and taken again; the number of events, or a negative errno */
static int lead_away(struct usock__wait *wait, struct epoll_event *events, enum away how)
{
	struct usock_stack *stack = wait->sock->stack;
	struct usock__drive *drive = stack->drive;
	int n = 0;

	drive->asleep = true;
	pthread_cleanup_push(wait_cancelled, wait);
	usock_unlock(stack);
	/* Giving back the lock may have made drive->until earlier; nobody else changes it. */
	if (how == AWAY_SLEEP)
		n = sleep_on_set(drive, events, wait->held);
	else if (how == AWAY_LOOK && drive->until > 0)
		n = look_at_set(drive, events);
	usock_lock(stack);
	pthread_cleanup_pop(0);
	drive->asleep = false;
	if (drive->unwatched && n > 0)
		n = epoll_wait(drive->epfd, events, USOCK_EVENTS, 0);
	drive->unwatched = false;
	return n;
}

/** lead_sleep - wait for something to handle, until @until; @timed: the call ends some time, too. The number of events,
 * 0 also when there is something in memory, or a negative errno */
static int lead_sleep(struct usock__wait *wait, struct epoll_event *events, int64_t until, bool timed)
{
	struct usock_stack *stack = wait->sock->stack;
	struct usock__drive *drive = stack->drive;
	bool moved = drive->moved && drive->spin.ns > 0, thorough = ++drive->looks % LOOK_EVERY == 0;
	int n = 0;

	drive->moved = false;
	drive->until = until;
	if (usock__port_waiting(stack))
		n = lead_away(wait, events, thorough ? AWAY_LOOK : AWAY_PASS);
	else if (moved)
		n = lead_away(wait, events, AWAY_LOOK);
	if (n != 0)
		return n;
	if (usock__port_waiting(stack))
		return thorough && held_come(wait->held, timed) ? -EINTR : 0;
	usock__port_rest(stack);
	return lead_away(wait, events, AWAY_SLEEP);
}

/** lead_once - the leader sleeps once and handles what has come; AGAIN, or what usock__wait returns */
static int lead_once(struct usock__wait *wait, int64_t until)
{
	struct usock_stack *stack = wait->sock->stack;
	struct usock__drive *drive = stack->drive;
	struct epoll_event events[USOCK_EVENTS];
	int64_t deadline = usock__drive_deadline(stack);
	bool interrupted;
	int n;

	if (drive->bound > usock_now(stack) && drive->bound < deadline)
		deadline = drive->bound;
	else
		drive->bound = deadline;
	n = lead_sleep(wait, events, deadline < until ? deadline : until, until != INET_NEVER);
	usock__drive_handle(stack, events, n > 0 ? n : 0);
	interrupted = n == -EINTR && (until != INET_NEVER || !handlers_restart(wait->held));
	if (wait->woken || (wait->sock->changed & wait->events)) {
		if (wait->held)
			wait->held->interrupted = interrupted;
		return 0;
	}
	/* The kernel says nothing of signals while there are events. */
	if (interrupted || (n > 0 && held_come(wait->held, until != INET_NEVER)))
		return -EINTR;
	return until != INET_NEVER && usock_now(stack) >= until ? -EAGAIN : AGAIN;
}

/** lead - drive the stack until the wait is over; see usock__wait */
static int lead(struct usock__wait *wait, int64_t until)
{
	int err;

	usock__drive_lead(wait->sock->stack, wait);
	do
		err = lead_once(wait, until);
	while (err == AGAIN);
	return err;
}

/** sleep_on_semaphore - 0, -EINTR or -EAGAIN */
static int sleep_on_semaphore(struct usock__wait *wait, int64_t until)
{
	struct timespec at = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
	int r, error;

	if (held_come(wait->held, until != INET_NEVER))
		return -EINTR;
	if (wait->held)
		usock__held_end(wait->held);
	if (until == INET_NEVER)
		r = sem_wait(&wait->sem);
	else
		r = sem_clockwait(&wait->sem, CLOCK_MONOTONIC, &at);
	error = errno;
	held_begin(wait->held);
	errno = error;
	return r == 0 ? 0 : errno == EINTR ? -EINTR : -EAGAIN;
}

/** follow - sleep while another thread, or the event loop, drives the stack; see usock__wait */
static int follow(struct usock__wait *wait, int64_t until)
{
	struct usock_stack *stack = wait->sock->stack;
	int err;

	wait->follows = true;
	stack->drive->followers++;
	pthread_cleanup_push(wait_cancelled, wait);
	usock_unlock(stack);
	err = sleep_on_semaphore(wait, until);
	usock_lock(stack);
	pthread_cleanup_pop(0);
	if (err == 0)
		wait->posted = false;
	if (wait->woken && wait->held)
		wait->held->interrupted = err == -EINTR;
	return wait->woken ? 0 : err;
}

int usock__wait(struct usock *sock, uint32_t events, int64_t until, struct usock__held *held)
{
	struct usock__wait wait = {.next = sock->waiting,
	                           .sock = sock,
	                           .events = events | EPOLLERR | EPOLLHUP,
	                           .held = held,
	                           .thread = pthread_self()};
	int err;

	held_begin(held);
	if (held && held->interrupted) {
		held->interrupted = false;
		return -EINTR;
	}
	sem_init(&wait.sem, 0, 0);
	sock->waiting = &wait;
	err = sock->stack->drive->leader ? follow(&wait, until) : lead(&wait, until);
	wait_end(&wait);
	return err;
}
