/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "usock_wait_fake.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct net {
	struct fake *fake;
	int in, out;
};

/* ------------------------------------------------------------------------------------- what the rest of usock is for
 */

void usock_lock(struct usock_stack *stack)
{
	usock__wait_acquire(stack);
	stack->holder = pthread_self();
	stack->now = 0;
}

void usock_unlock(struct usock_stack *stack)
{
	struct usock *sock;

	while ((sock = stack->changed) != NULL) {
		uint32_t events = sock->changed;

		stack->changed = sock->changed_next;
		sock->is_changed = false;
		sock->changed = 0;
		usock__wait_wake(sock, events);
	}
	usock__drive_settle(stack);
	usock__wait_release(stack);
}

int64_t usock_now(struct usock_stack *stack)
{
	if (stack->now == 0)
		stack->now = usock__clock();
	return stack->now;
}

bool usock__here(const struct usock_stack *stack)
{
	return stack->incarnation == 0;
}

void usock__changed(struct usock *sock, uint32_t events)
{
	sock->changed |= events;
	if (sock->is_changed)
		return;
	sock->is_changed = true;
	sock->changed_next = sock->stack->changed;
	sock->stack->changed = sock;
}

void usock__turn(struct usock_stack *stack)
{
	struct fake *fake = (struct fake *)stack;

	atomic_fetch_add(&fake->turns, 1);
	if (atomic_load(&fake->deadline) <= usock_now(stack)) {
		atomic_store(&fake->deadline, INET_NEVER);
		atomic_store(&fake->fired_by, gettid());
		atomic_fetch_add(&fake->fired, 1);
	}
	usock__timers_run(stack);
}

int64_t inet_deadline(const struct inet *inet)
{
	(void)inet;
	return INET_NEVER;
}

static int64_t engine_deadline(void *e)
{
	struct fake *fake = e;

	return atomic_load(&fake->deadline);
}

static const struct usock_engine engine = {.name = "fake", .deadline = engine_deadline};

void usock__ready_event(struct usock *sock, uint32_t events)
{
	(void)sock;
	(void)events;
	abort();
}

void usock__port_flush(struct usock_stack *stack)
{
	(void)stack;
}

bool usock__loopback_pending(const struct usock_stack *stack)
{
	(void)stack;
	return false;
}

void usock__port_event(void *object, enum usock__event event, uint32_t events)
{
	struct net *net = object;
	struct fake *fake = net->fake;
	unsigned char number;

	(void)event;
	(void)events;
	if (net != fake->net) {
		atomic_fetch_add(&fake->gone, 1);
		return;
	}
	if (read(net->in, &number, 1) != 1)
		return;
	fake->stack.drive->moved = true;
	fake->unread[number]++;
	usock__changed(&fake->sock[number], EPOLLIN);
	atomic_store(&fake->handler, gettid());
	atomic_fetch_add(&fake->frames, 1);
}

bool usock__port_glance(struct usock_stack *stack)
{
	struct fake *fake = (struct fake *)stack;
	unsigned int frames = atomic_load(&fake->frames);

	if (atomic_load(&fake->flooded)) {
		fake->stack.drive->moved = true;
		return true;
	}
	usock__port_event(fake->net, USOCK_EVENT_PORT, EPOLLIN);
	return atomic_load(&fake->frames) > frames;
}

bool usock__port_waiting(const struct usock_stack *stack)
{
	return atomic_load(&((const struct fake *)stack)->flooded);
}

void usock__port_rest(struct usock_stack *stack)
{
	(void)stack;
}

/* --------------------------------------------------------------------------------------------------------- the fake */

/** net_open - a pipe, watched */
static void net_open(struct fake *fake)
{
	struct net *net = calloc(1, sizeof(*net));
	int fd[2];

	assert_non_null(net);
	assert_return_code(pipe2(fd, O_CLOEXEC | O_NONBLOCK), errno);
	*net = (struct net){.fake = fake, .in = fd[0], .out = fd[1]};
	fake->net = net;
	assert_int_equal(usock__drive_watch(&fake->stack, net->in, EPOLLIN, USOCK_EVENT_PORT, net), 0);
}

static void net_close(struct fake *fake)
{
	struct net *net = fake->net;

	fake->net = NULL;
	usock__drive_unwatch(&fake->stack, net->in, net);
	close(net->in);
	close(net->out);
	free(net);
}

struct fake *fake_new(void)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	assert_non_null(fake);
	pthread_mutex_init(&fake->stack.lock, NULL);
	fake->stack.engine = &engine;
	fake->stack.e = fake;
	atomic_store(&fake->deadline, INET_NEVER);
	for (unsigned int i = 0; i < SOCKETS; i++)
		fake->sock[i].stack = &fake->stack;
	assert_int_equal(usock__drive_open(&fake->stack), 0);
	usock_lock(&fake->stack);
	net_open(fake);
	usock_unlock(&fake->stack);
	return fake;
}

void fake_free(struct fake *fake)
{
	usock_lock(&fake->stack);
	net_close(fake);
	usock_unlock(&fake->stack);
	usock__drive_close(&fake->stack);
	pthread_mutex_destroy(&fake->stack.lock);
	free(fake);
}

void fake_frame(struct fake *fake, unsigned int number)
{
	unsigned char byte = (unsigned char)number;

	assert_int_equal(write(fake->net->out, &byte, 1), 1);
}

void fake_net_replace(struct fake *fake)
{
	net_close(fake);
	net_open(fake);
}

int fake_recv(struct fake *fake, unsigned int number, int64_t until)
{
	struct usock__held held = {0};
	int err = 0;

	usock_lock(&fake->stack);
	while (!err && fake->unread[number] == 0)
		err = usock__wait(&fake->sock[number], EPOLLIN, until, &held);
	if (!err)
		fake->unread[number]--;
	usock_unlock(&fake->stack);
	usock__held_end(&held);
	return err;
}

void fake_idle(struct fake *fake)
{
	usock_lock(&fake->stack);
	/* It ends by itself. */
	while (fake->stack.drive->lingering) {
		usock_unlock(&fake->stack);
		sched_yield();
		usock_lock(&fake->stack);
	}
	for (unsigned int i = 0; i < SOCKETS; i++)
		assert_null(fake->sock[i].waiting);
	assert_null(fake->stack.drive->leader);
	assert_false(fake->stack.drive->suspended);
	assert_false(fake->stack.drive->asleep);
	assert_false(fake->stack.drive->unwatched);
	assert_null(fake->stack.drive->posts);
	assert_int_equal(fake->stack.drive->followers, 0);
	assert_int_equal(fake->stack.drive->count, 0);
	usock_unlock(&fake->stack);
}
