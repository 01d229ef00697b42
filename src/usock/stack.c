/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stack.c - stacks: made, stopped, deleted; their lock; fork.
 *
 * A stack is inet, an engine, and the parts of usock that have state of their own, all under one lock. Whoever takes
 * the lock, to serve a call or because a network had something, does its work and gives it back with usock_unlock; what
 * the work has caused is done there, once for all of it: frames on lo come back (which may cause more), the engine
 * sends what it has put off, then the sockets that have changed wake their threads and show their new state, then the
 * driver is told of the next deadline. The clock is read at most once from lock to unlock.
 *
 * After fork(2) the stack of the parent is dead in the child: its lock may be held by a thread that the child does not
 * have. So nothing but `incarnation`, written once, is read there, and every call fails with -ESTALE.
 *
 * Making goes from the bottom up, and what has been made when something fails is undone in the opposite order by the
 * same function that deletes a stack: every part can be closed when it was never opened.
 */
#include "private.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* How many times in a row frames on lo may cause others before somebody else gets the lock. */
#define ROUNDS 64

/* ------------------------------------------------------------------------------------------------------------- fork */

static _Atomic uint32_t incarnation = 1;

static void after_fork_in_child(void)
{
	atomic_fetch_add_explicit(&incarnation, 1, memory_order_relaxed);
	usock__ready_forked();
}

__attribute__((constructor)) static void stack_init(void)
{
	pthread_atfork(NULL, NULL, after_fork_in_child);
}

bool usock__here(const struct usock_stack *stack)
{
	return stack->incarnation == atomic_load_explicit(&incarnation, memory_order_relaxed);
}

/* ---------------------------------------------------------------------------------------------------- what it knows */

void *usock_engine_of(struct usock_stack *stack)
{
	return stack->e;
}

struct inet *usock_inet(struct usock_stack *stack)
{
	return stack->inet;
}

bool usock_forwarding(const struct usock_stack *stack)
{
	return stack->forwarding;
}

int64_t usock_now(struct usock_stack *stack)
{
	struct timespec ts;

	usock_assert_locked(stack);
	if (stack->now == 0) {
		clock_gettime(CLOCK_MONOTONIC, &ts);
		stack->now = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
	}
	return stack->now;
}

/** random_refill - of a stack with seed=: the same bytes in each run (splitmix64), else from the kernel */
static void random_refill(struct usock__random *random)
{
	size_t got = 0;

	random->left = sizeof(random->bytes);
	if (!random->seeded) {
		while (got < sizeof(random->bytes)) {
			ssize_t n = getrandom(random->bytes + got, sizeof(random->bytes) - got, 0);

			/* Guessable ports and sequence numbers are worse than no process. */
			if (n < 0 && errno != EINTR)
				abort();
			got += n < 0 ? 0 : (size_t)n;
		}
		return;
	}
	for (; got < sizeof(random->bytes); got += sizeof(uint64_t)) {
		uint64_t z = random->seed += 0x9e3779b97f4a7c15;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
		z = (z ^ z >> 27) * 0x94d049bb133111eb;
		z ^= z >> 31;
		memcpy(random->bytes + got, &z, sizeof(z));
	}
}

void usock_random(struct usock_stack *stack, void *bytes, size_t len)
{
	struct usock__random *random = &stack->random;
	unsigned char *out = bytes;

	usock_assert_locked(stack);
	while (len > 0) {
		size_t n;

		if (random->left == 0)
			random_refill(random);
		n = len < random->left ? len : random->left;
		random->left -= n;
		memcpy(out, random->bytes + random->left, n);
		/* What was given out cannot be read out of memory later. */
		explicit_bzero(random->bytes + random->left, n);
		out += n;
		len -= n;
	}
}

void usock_deadline_changed(struct usock_stack *stack)
{
	/* usock__drive_settle asks the engine when the lock is given back, and nobody may be here without it. */
	usock_assert_locked(stack);
}

/* ------------------------------------------------------------------------------------------------------------- lock */

void usock_lock(struct usock_stack *stack)
{
	usock__wait_acquire(stack);
	stack->holder = pthread_self();
	stack->now = 0;
}

void usock_assert_locked(const struct usock_stack *stack)
{
	assert(pthread_equal(stack->holder, pthread_self()));
	(void)stack;
}

void usock__turn(struct usock_stack *stack)
{
	int64_t now = usock_now(stack);

	/* While it is being made, or taken apart. */
	if (stack->inet == NULL)
		return;
	usock__loopback_run(stack);
	if (inet_deadline(stack->inet) <= now)
		inet_run_timers(stack->inet);
	if (stack->engine->deadline(stack->e) <= now)
		stack->engine->timers(stack->e);
	usock__timers_run(stack);
}

/** tell_changed - wake who waits for what has happened to sockets, and have their descriptors show it */
static void tell_changed(struct usock_stack *stack)
{
	struct usock *sock;

	while ((sock = stack->changed) != NULL) {
		uint32_t events = sock->changed;

		stack->changed = sock->changed_next;
		sock->changed_next = NULL;
		sock->is_changed = false;
		sock->changed = 0;
		if (sock->waiting != NULL)
			usock__wait_wake(sock, events);
		sock->ready.told = events;
		usock__ready_sync(sock);
	}
}

/*
 * On Linux the acknowledgement of a segment leaves when the segment can be read. Who sees it, as by a close that
 * lingers, may be in the same process and poll the other socket next, without asking for our lock.
 */
void usock__show_changed(struct usock_stack *stack)
{
	usock_assert_locked(stack);
	if (!stack->unshown)
		return;
	stack->unshown = false;
	for (struct usock *sock = stack->changed; sock; sock = sock->changed_next)
		usock__ready_show(sock);
}

/** come_back - frames on lo, and what the engine sends now, which may be such frames; false: there was nothing on lo */
static bool come_back(struct usock_stack *stack)
{
	bool some = usock__loopback_run(stack);

	if (stack->e != NULL && stack->engine->settle != NULL)
		stack->engine->settle(stack->e);
	return some;
}

void usock_unlock(struct usock_stack *stack)
{
	unsigned int rounds = 0;

	usock_assert_locked(stack);
	do {
		while (rounds < ROUNDS && come_back(stack))
			rounds++;
		tell_changed(stack);
		/* A descriptor found closed ends its connection, which may send something on lo. */
	} while (rounds++ < ROUNDS && usock__loopback_run(stack));
	tell_changed(stack);
	if (rounds > ROUNDS)
		usock__later(stack);
	usock__drive_settle(stack);
	stack->holder = (pthread_t)0;
	usock__wait_release(stack);
}

/* -------------------------------------------------------------------- what inet asks of its owner and of the engine */

static int64_t inet_now(void *owner)
{
	return usock_now(owner);
}

static int iface_add(void *owner, struct inet_iface *iface)
{
	struct usock_stack *stack = owner;

	return stack->engine->iface_add(stack->e, iface);
}

static void iface_del(void *owner, struct inet_iface *iface)
{
	struct usock_stack *stack = owner;

	usock__packet_iface(stack, iface, 0, true);
	stack->engine->iface_del(stack->e, iface);
}

static void iface_change(void *owner, struct inet_iface *iface, unsigned int what)
{
	struct usock_stack *stack = owner;

	stack->engine->iface_change(stack->e, iface, what);
	usock__packet_iface(stack, iface, what, false);
}

static int addr_add(void *owner, struct inet_addr *addr)
{
	struct usock_stack *stack = owner;

	return stack->engine->addr_add(stack->e, addr);
}

static void addr_del(void *owner, struct inet_addr *addr)
{
	struct usock_stack *stack = owner;

	stack->engine->addr_del(stack->e, addr);
}

static int group_join(void *owner, struct inet_iface *iface, int family, const union inet_ip *group)
{
	struct usock_stack *stack = owner;

	return stack->engine->group_join(stack->e, iface, family, group);
}

static void group_leave(void *owner, struct inet_iface *iface, int family, const union inet_ip *group)
{
	struct usock_stack *stack = owner;

	stack->engine->group_leave(stack->e, iface, family, group);
}

static int link_create(void *owner, struct inet_iface *iface)
{
	return usock__port_open(owner, iface);
}

static void link_destroy(void *owner, struct inet_iface *iface)
{
	usock__port_close(owner, iface);
}

static void transmit(void *owner, struct inet_iface *iface, unsigned char *frame, size_t len)
{
	usock__port_transmit(owner, iface, frame, len);
}

static bool ip_input(void *owner, struct inet_iface *iface, int family, unsigned char *packet, size_t len, void *buffer)
{
	struct usock_stack *stack = owner;

	return stack->engine->ip_input(stack->e, iface, family, packet, len, buffer);
}

static void ip_output(void *owner, struct inet_iface *iface, const unsigned char mac[6], unsigned char *packet,
                      size_t len)
{
	(void)owner;
	/* A link that is down, or has just gone, is told by its carrier. */
	(void)inet_output_to(iface, AF_INET6, mac, packet, len);
}

static void unreachable(void *owner, struct inet_iface *iface, int family, const unsigned char *packet, size_t len)
{
	usock__unreachable(owner, iface, family, packet, len);
}

static void routes_changed(void *owner)
{
	struct usock_stack *stack = owner;

	/* Sockets ask for their route with each packet; the engine may remember. */
	if (stack->e && stack->engine->routes_changed)
		stack->engine->routes_changed(stack->e);
}

static void notify(void *owner, struct nlq_msg *queue, uint32_t seq, uint32_t portid)
{
	usock__netlink_notify(owner, queue, seq, portid);
}

static const struct inet_ops ops = {
        .now = inet_now,
        .iface_add = iface_add,
        .iface_del = iface_del,
        .iface_change = iface_change,
        .addr_add = addr_add,
        .addr_del = addr_del,
        .group_join = group_join,
        .group_leave = group_leave,
        .link_create = link_create,
        .link_destroy = link_destroy,
        .transmit = transmit,
        .ip_input = ip_input,
        .ip_output = ip_output,
        .unreachable = unreachable,
        .routes_changed = routes_changed,
        .notify = notify,
};

/* ---------------------------------------------------------------------------------------------------------- options */

/** option_is - is @option ("NAME[=VALUE]" up to ',' or the end) called @name? */
static bool option_is(const char *option, const char *name)
{
	size_t len = strlen(name);

	return strncmp(option, name, len) == 0 && strchr("=,", option[len]) != NULL;
}

bool usock_option(const char *option)
{
	static const char *const ours[] = {"pcap", "seed", "forwarding", "accept_ra", "autoconf"};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (option_is(option, ours[i]))
			return true;
	return false;
}

/** option_switch - NAME, NAME=1 or NAME=0 */
static int option_switch(bool *on, const char *value)
{
	if (value != NULL && strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
		return -EINVAL;
	*on = value == NULL || value[0] == '1';
	return 0;
}

/** option_seed - seed=N: a number in any notation of C */
static int option_seed(struct usock_stack *stack, const char *value)
{
	char *end;

	errno = 0;
	stack->random.seed = strtoull(value, &end, 0);
	stack->random.seeded = true;
	return value[0] == '\0' || value[0] == '-' || *end != '\0' || errno != 0 ? -EINVAL : 0;
}

/** option_take - one option of ours; @value is what follows '=', NULL when there is none */
static int option_take(struct usock_stack *stack, const char *option, const char *value)
{
	if (option_is(option, "forwarding"))
		return option_switch(&stack->forwarding, value);
	if (option_is(option, "accept_ra"))
		return option_switch(&stack->accept_ra, value);
	if (option_is(option, "autoconf"))
		return option_switch(&stack->autoconf, value);
	if (value == NULL || value[0] == '\0')
		return -EINVAL;
	if (option_is(option, "seed"))
		return option_seed(stack, value);
	if (stack->pcap != NULL)
		return -EINVAL;
	stack->pcap = strdup(value);
	return stack->pcap == NULL ? -ENOMEM : 0;
}

/** options_take - our options; the others are the engine's, which complains of what it does not know either */
static int options_take(struct usock_stack *stack, const char *options)
{
	char *copy, *rest, *option;
	int result = 0;

	if (options == NULL || options[0] == '\0')
		return 0;
	copy = rest = strdup(options);
	if (copy == NULL)
		return -ENOMEM;
	while (result == 0 && (option = strsep(&rest, ",")) != NULL) {
		char *value = strchr(option, '=');

		if (usock_option(option))
			result = option_take(stack, option, value == NULL ? NULL : value + 1);
	}
	free(copy);
	return result;
}

/* ---------------------------------------------------------------------------------------------- making and deleting */

/** parts_open - everything but the networks; lock held */
static int parts_open(struct usock_stack *stack, const char *options)
{
	int result = usock__binds_open(stack);

	if (result == 0)
		result = usock__icmp_open(stack);
	if (result == 0)
		result = usock__netlink_open(stack);
	if (result == 0)
		result = stack->engine->open(stack, options == NULL ? "" : options, &stack->e);
	if (result < 0)
		return result;
	stack->engine_open = true;
	stack->inet = inet_new(&ops, stack);
	if (stack->inet == NULL)
		return -ENOMEM;
	inet_set_forwarding(stack->inet, stack->forwarding);
	inet_set_advertisements(stack->inet, stack->accept_ra, stack->autoconf);
	return 0;
}

/** join - the networks that newstack was given; lock held */
static int join(struct usock_stack *stack, const char *vnlv[])
{
	int result = 0;

	for (unsigned int i = 0; result == 0 && vnlv != NULL && vnlv[i] != NULL; i++) {
		struct inet_iface *iface;
		struct link_vnl vnl;

		result = link_vnl_parse(vnlv[i], i, &vnl);
		if (result == 0)
			result = inet_iface_new(stack->inet, vnl.ifname, "vde", vnl.vnl, NULL, 0, &iface);
	}
	return result;
}

/** leave - delete all interfaces but lo, which closes their ports; lock held */
static void leave(struct usock_stack *stack)
{
	struct inet_iface *iface, *next;

	for (iface = stack->inet == NULL ? NULL : inet_iface_first(stack->inet); iface != NULL; iface = next) {
		next = iface->next;
		(void)inet_iface_delete(iface); /* lo stays */
	}
}

/** stack_free - take a stack apart, as far as it was made; nobody else knows it */
static void stack_free(struct usock_stack *stack)
{
	if (stack->drive != NULL) {
		usock_lock(stack);
		while (stack->sockets != NULL)
			usock__dispose(stack->sockets);
		leave(stack);
		usock_unlock(stack);
		usock__drive_close(stack);
	}
	/* No other thread runs it any more. */
	usock_lock(stack);
	usock__loopback_clear(stack);
	inet_free(stack->inet);
	usock__loopback_clear(stack);
	stack->inet = NULL;
	if (stack->engine_open)
		stack->engine->close(stack->e);
	usock__netlink_close(stack);
	usock__icmp_close(stack);
	usock__binds_close(stack);
	stack->holder = (pthread_t)0;
	usock__wait_release(stack);
	pthread_mutex_destroy(&stack->lock);
	usock__ready_use(false);
	explicit_bzero(&stack->random, sizeof(stack->random));
	free(stack->pcap);
	free(stack);
}

struct usock_stack *usock_stack_new(const struct usock_engine *engine, const char *vnlv[], const char *options,
                                    struct ioth_functions *functions)
{
	struct usock_stack *stack = calloc(1, sizeof(*stack));
	int result;

	if (stack == NULL)
		return NULL;
	pthread_mutex_init(&stack->lock, NULL);
	stack->engine = engine;
	stack->f = functions;
	stack->incarnation = atomic_load_explicit(&incarnation, memory_order_relaxed);
	stack->accept_ra = stack->autoconf = true;
	usock__ready_use(true);
	result = options_take(stack, options);
	if (result == 0)
		result = usock__drive_open(stack);
	if (result == 0) {
		usock_lock(stack);
		result = parts_open(stack, options);
		if (result == 0)
			result = join(stack, vnlv);
		usock_unlock(stack);
	}
	if (result < 0) {
		stack_free(stack);
		errno = -result;
		return NULL;
	}
	usock__functions(functions);
	return stack;
}

int usock_stack_delete(void *stackdata)
{
	struct usock_stack *stack = stackdata;

	if (!usock__here(stack)) {
		errno = ESTALE;
		return -1;
	}
	stack_free(stack);
	return 0;
}

/* --------------------------------------------------------------------------------------------------------- stopping */

int usock__stopstack(void *stackdata)
{
	struct usock_stack *stack = stackdata;

	if (!usock__here(stack)) {
		errno = ESTALE;
		return -1;
	}
	usock_lock(stack);
	if (!stack->stopped) {
		stack->stopped = true;
		leave(stack);
		for (struct usock *sock = stack->sockets; sock != NULL; sock = sock->next)
			usock__changed(sock, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
	}
	usock_unlock(stack);
	return 0;
}

int usock__opensockets(void *stackdata)
{
	struct usock_stack *stack = stackdata;
	unsigned int open;

	/* In a child all of them are as good as closed. */
	if (!usock__here(stack))
		return 0;
	usock_lock(stack);
	open = stack->open;
	usock_unlock(stack);
	return (int)open;
}
