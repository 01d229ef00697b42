/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wait.c - calls that wait.
 *
 * The server answers at once (session.c): a call that finds nothing to do asks it to tell when there is something, and
 * sleeps until that answer comes. It does so on a copy of the descriptor, which keeps the socket, whatever becomes of the
 * number meanwhile.
 *
 * A signal ends the call whenever it comes: signals are held back but for the sleeps (held.h), that for the answer of a
 * server which is slow among them, so that a program can be ended whose server is stopped. One that comes during such a
 * sleep is remembered, and the call ends when it turns out that it has to wait. To hold them back is four system calls;
 * who sends a datagram, which is gone at once as a rule, does so only when it waits (`late`).
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>

/** nonblocking - would a call on @fd not wait? */
static bool nonblocking(int fd)
{
	int flags = remote__next->fcntl(fd, F_GETFL);

	return flags < 0 || (flags & O_NONBLOCK);
}

void remote__waiting_hold(struct remote__waiting *waiting)
{
	if (!waiting->decided && !(waiting->flags & MSG_DONTWAIT) && !nonblocking(waiting->fd))
		ioth__held_begin(&waiting->held);
	waiting->decided = true;
}

void remote__waiting_end(struct remote__waiting *waiting)
{
	if (waiting->fd != waiting->number)
		remote__next->close(waiting->fd);
	ioth__held_end(&waiting->held);
}

/** copy_of - a copy of a descriptor, or a negative errno */
static int copy_of(int fd)
{
	int copy = remote__next->fcntl(fd, F_DUPFD_CLOEXEC, REMOTE_HIGH);

	if (copy < 0 && errno == EINVAL) /* the limit is lower */
		copy = remote__next->fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return copy < 0 ? -errno : copy;
}

struct timespec remote__after(time_t sec, long nsec)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += sec;
	end.tv_nsec += nsec;
	if (end.tv_nsec > 999999999) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	return end;
}

/** time_of - how long SO_RCVTIMEO or SO_SNDTIMEO lets a call wait; whether there is a limit */
static bool time_of(int fd, int option, struct timeval *time)
{
	socklen_t len = sizeof(*time);

	return remote__next->getsockopt(fd, SOL_SOCKET, option, time, &len) == 0 &&
	       (time->tv_sec != 0 || time->tv_usec != 0);
}

/** settle - the call is really going to wait: make its copy, and see when it gives up; 0 or a negative errno */
static int settle(struct remote__waiting *waiting, int events)
{
	struct timeval time;
	int copy = copy_of(waiting->fd);

	if (copy < 0)
		return copy;
	waiting->fd = copy;
	waiting->timed = time_of(copy, events & POLLIN ? SO_RCVTIMEO : SO_SNDTIMEO, &time);
	if (waiting->timed)
		waiting->until = remote__after(time.tv_sec, time.tv_usec * 1000);
	return 0;
}

/** left - in @time, until a call gives up; NULL: for ever */
static const struct timespec *left(const struct remote__waiting *waiting, struct timespec *time)
{
	struct timespec now;

	if (!waiting->timed)
		return NULL;
	clock_gettime(CLOCK_MONOTONIC, &now);
	time->tv_sec = waiting->until.tv_sec - now.tv_sec;
	time->tv_nsec = waiting->until.tv_nsec - now.tv_nsec;
	if (time->tv_nsec < 0) {
		time->tv_sec--;
		time->tv_nsec += 1000000000;
	}
	if (time->tv_sec < 0)
		*time = (struct timespec){.tv_sec = 0};
	return time;
}

/** ended - has a signal come that ends the call? */
static bool ended(struct remote__waiting *waiting)
{
	if (waiting->interrupted && !waiting->timed)
		waiting->interrupted = !ioth__handlers_restart(&waiting->held.mask);
	return waiting->interrupted;
}

int remote__waiting_sleep(struct remote__waiting *waiting, int conn, bool patient)
{
	struct pollfd answer = {.fd = conn, .events = POLLIN};

	for (;;) {
		struct timespec time;
		int n = remote__next->ppoll(&answer, 1, patient ? left(waiting, &time) : NULL, &waiting->held.mask);

		if (n != -1)
			return n == 0 ? -EAGAIN : 0;
		if (errno != EINTR)
			return -errno;
		waiting->interrupted = true;
		if (patient && ended(waiting))
			return -EINTR;
	}
}

int remote__wait(struct remote *r, struct remote__waiting *waiting, int events)
{
	struct remote__ask ask = {.head = {.op = REMOTE_WAIT, .arg = {events}}, .waiting = waiting, .patient = true};
	int result;

	remote__waiting_hold(waiting);
	if (!waiting->held.any)
		return -EAGAIN;
	if (waiting->fd == waiting->number) {
		result = settle(waiting, events);
		if (result < 0)
			return result;
	}
	if (ended(waiting))
		return -EINTR;
	return remote__ask(r, &ask);
}
