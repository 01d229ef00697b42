/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * driver.c - stacks that live in the process, run by a loop.
 *
 * To its loop a driver is a member with one descriptor, which is an epoll set itself: what the stack puts into the set
 * makes the set ready, and the loop calls the driver. So a thread of the program can wait on the same set in the loop's
 * place. While it does, the driver is *suspended*: the loop watches the set for nothing, which leaves it asleep
 * whatever comes, and the deadline does not count. A thread that leaves and will be back at once leaves the driver
 * suspended but for the deadline (link_driver_linger), which then says how long the loop waits for it to come back.
 *
 * The loop may have fetched an event of the set, or found the deadline passed, just before the driver was suspended.
 * The first is skipped, as it is there again after link_driver_resume if nobody saw to it; the second is not, as it was
 * used up.
 *
 * fork(2). In the child the set is the parent's. Everything but closing its copy does nothing there.
 */
#include "clock.h"
#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct link_driver {
	struct link__member member;
	struct link__alarm alarm;
	int epfd;
	bool watched; /* the loop looks at the set */
	void (*run)(void *arg);
	void *arg;
};

/** driver_event - see link__event_fn */
static void driver_event(struct link__member *member, enum link__source source, uint32_t events)
{
	struct link_driver *driver = (struct link_driver *)((char *)member - offsetof(struct link_driver, member));

	(void)events;
	if (source == LINK_ALARM || !atomic_load(&driver->alarm.paused))
		driver->run(driver->arg);
}

int link_driver_open(void (*run)(void *arg), void *arg, uint64_t network, struct link_driver **out)
{
	struct link_driver *driver = calloc(1, sizeof(*driver));
	int err;

	if (!driver)
		return -ENOMEM;
	driver->run = run;
	driver->arg = arg;
	driver->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (driver->epfd < 0) {
		err = errno == ENFILE || errno == EMFILE ? -EMFILE : -ENOMEM;
		goto fail;
	}
	driver->member.event = driver_event;
	driver->member.network = network;
	driver->member.alarm = &driver->alarm;
	err = link__loop_join(&driver->member);
	if (err)
		goto fail_set;
	err = link__loop_watch(&driver->member, LINK_DATA, driver->epfd, EPOLLIN, true);
	if (err) {
		link__loop_leave(&driver->member, NULL, 0);
		goto fail_set;
	}
	driver->watched = true;
	*out = driver;
	return 0;
fail_set:
	close(driver->epfd);
fail:
	free(driver);
	return err;
}

void link_driver_close(struct link_driver *driver)
{
	link__loop_leave(&driver->member, &driver->epfd, 1);
	close(driver->epfd);
	free(driver);
}

int link_driver_fd(const struct link_driver *driver)
{
	return driver->epfd;
}

void link_driver_deadline(struct link_driver *driver, int64_t when)
{
	if (link__loop_is_here(&driver->member))
		link__loop_deadline(&driver->member, when);
}

void link_driver_suspend(struct link_driver *driver)
{
	if (!link__loop_is_here(&driver->member))
		return;
	link__loop_pause(&driver->member);
	if (driver->watched)
		link__loop_watch(&driver->member, LINK_DATA, driver->epfd, 0, false);
	driver->watched = false;
}

void link_driver_linger(struct link_driver *driver, int64_t when)
{
	if (!link__loop_is_here(&driver->member))
		return;
	link__loop_deadline(&driver->member, when);
	link__loop_resume(&driver->member);
}

void link_driver_resume(struct link_driver *driver)
{
	if (!link__loop_is_here(&driver->member))
		return;
	link__loop_resume(&driver->member);
	/* Cannot fail: the set is watched already, so there is nothing to be allocated. */
	if (!driver->watched)
		link__loop_watch(&driver->member, LINK_DATA, driver->epfd, EPOLLIN, false);
	driver->watched = true;
}
