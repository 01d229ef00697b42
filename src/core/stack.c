/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stack.c - the life of stacks, and which one is the default.
 *
 * A stack lives by references: one for its handle, one for each of its sockets, one for each call in progress on it. The native stack
 * is static: it has no plugin, its sockets are not entered in the descriptor table, it is never deleted.
 *
 * `lock` guards the default stack, the list of threads that have their own, and the moment at which a reference is taken
 * from either: a thread that opens a socket on the default stack and one that deletes that stack meet here.
 */
#include "core.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ioth ioth__native = {.refs = 1};

/** struct override - the default stack of one thread; on the list while it is set */
struct override {
	struct ioth *stack;
	struct override *next, **link;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ioth *default_stack = &ioth__native;
static struct override *overrides;
static _Thread_local struct override thread_default __attribute__((tls_model("initial-exec")));
static pthread_key_t thread_end;

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

/** after_fork - the child has one thread; the overrides of the others went with them */
static void after_fork_in_child(void)
{
	overrides = NULL;
	if (thread_default.stack != NULL) {
		thread_default.next = NULL;
		thread_default.link = &overrides;
		overrides = &thread_default;
	}
	pthread_mutex_unlock(&lock);
}

static void after_fork_in_parent(void)
{
	pthread_mutex_unlock(&lock);
}

/** override_clear - back to the default of the process; the caller holds the lock */
static void override_clear(struct override *o)
{
	if (o->stack == NULL)
		return;
	o->stack = NULL;
	*o->link = o->next;
	if (o->next != NULL)
		o->next->link = o->link;
}

static void on_thread_end(void *o)
{
	pthread_mutex_lock(&lock);
	override_clear(o);
	pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void stack_init(void)
{
	pthread_key_create(&thread_end, on_thread_end);
	pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

struct ioth *ioth__stack_get(struct ioth *stack)
{
	pthread_mutex_lock(&lock);
	if (stack == NULL)
		stack = thread_default.stack != NULL ? thread_default.stack : default_stack;
	atomic_fetch_add_explicit(&stack->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&lock);
	return stack;
}

void ioth__stack_put(struct ioth *stack)
{
	if (atomic_fetch_sub_explicit(&stack->refs, 1, memory_order_acq_rel) != 1)
		return;
	ioth__plugin_unload(&stack->plugin);
	free(stack);
}

void ioth_set_defstack(struct ioth *stack)
{
	pthread_mutex_lock(&lock);
	default_stack = stack != NULL ? stack : &ioth__native;
	pthread_mutex_unlock(&lock);
}

void ioth_set_thread_defstack(struct ioth *stack)
{
	struct override *o = &thread_default;

	pthread_mutex_lock(&lock);
	override_clear(o);
	if (stack != NULL) {
		o->stack = stack;
		o->next = overrides;
		o->link = &overrides;
		if (o->next != NULL)
			o->next->link = &o->next;
		overrides = o;
	}
	pthread_mutex_unlock(&lock);
	if (stack != NULL)
		pthread_setspecific(thread_end, o);
}

struct ioth *ioth_get_defstack(void)
{
	struct ioth *stack;

	pthread_mutex_lock(&lock);
	stack = thread_default.stack != NULL ? thread_default.stack : default_stack;
	pthread_mutex_unlock(&lock);
	return stack;
}

/** forget_default - nobody finds @stack by default any more */
static void forget_default(struct ioth *stack)
{
	pthread_mutex_lock(&lock);
	if (default_stack == stack)
		default_stack = &ioth__native;
	for (struct override *o = overrides, *next; o != NULL; o = next) {
		next = o->next;
		if (o->stack == stack)
			override_clear(o);
	}
	pthread_mutex_unlock(&lock);
}

/* --------------------------------------------------------------------------------------- making a stack */

static void *current_stackdata(void)
{
	return ioth__current == NULL ? NULL : ioth__current->stack->data;
}

static void *current_sockdata(void)
{
	if (ioth__current == NULL || ioth__current->sock == NULL)
		return NULL;
	return atomic_load_explicit(&ioth__current->sock->data, memory_order_acquire);
}

static int set_current_sockdata(void *data)
{
	struct ioth__sock *sock = NULL;

	if (ioth__current != NULL)
		sock = ioth__current->made != NULL ? ioth__current->made : ioth__current->sock;
	if (sock == NULL)
		return ioth__fail(-EINVAL);
	atomic_store_explicit(&sock->data, data, memory_order_release);
	return 0;
}

static int renew_current(int fd)
{
	struct ioth__sock *sock = ioth__current == NULL ? NULL : ioth__current->sock;

	return ioth__fail(sock == NULL ? -EINVAL : ioth__sock_renew(sock, fd));
}

/**
 * stack_start - have the loaded plugin make its stack
 *
 * Returns 0 or a negative errno. The plugin may set members of the function table itself; what it leaves is taken from its symbols,
 * and what is still missing is emulated.
 */
static int stack_start(struct ioth *stack, const char *name, size_t namelen, const char *vnlv[], const char *options)
{
	struct ioth_functions *f = &stack->f;
	newstack_prototype *newstack;
	struct ioth__call call;

	f->getstackdata = current_stackdata;
	f->size = sizeof(*f);
	f->getsockdata = current_sockdata;
	f->setsockdata = set_current_sockdata;
	f->renewfd = renew_current;

	/* Only newstack is looked up before it runs: it has the first word on all other members. */
	newstack = ioth__plugin_newstack(&stack->plugin, name, namelen);
	if (newstack == NULL)
		return -ENOTSUP;
	ioth__call_begin(&call, stack, NULL);
	errno = 0;
	stack->data = newstack(vnlv, options, f);
	ioth__call_end(&call, stack->data == NULL);
	if (stack->data == NULL)
		return errno != 0 ? -errno : -ENOTSUP;
	ioth__plugin_fill(&stack->plugin, name, namelen, f);
	ioth__emulate(f);
	return 0;
}

struct ioth *ioth_newstackv(const char *stack, const char *vnlv[])
{
	static const char *no_vnl[] = {NULL};
	const char *options;
	size_t namelen;
	struct ioth *s;
	int result;

	if (vnlv == NULL)
		vnlv = no_vnl;
	if (stack == NULL || *stack == '\0') {
		if (vnlv[0] == NULL)
			return &ioth__native;
		errno = EINVAL;
		return NULL;
	}
	namelen = strcspn(stack, ",");
	options = stack[namelen] == ',' ? stack + namelen + 1 : "";
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	atomic_init(&s->refs, 1);
	result = ioth__plugin_load(stack, namelen, &s->plugin);
	if (result == 0)
		result = stack_start(s, stack, namelen, vnlv, options);
	if (result == 0)
		return s;
	ioth__stack_put(s);
	errno = -result;
	return NULL;
}

struct ioth *ioth_newstack(const char *stack, const char *vnl)
{
	const char *vnlv[] = {vnl, NULL};

	return ioth_newstackv(stack, vnlv);
}

struct ioth *ioth_newstackl(const char *stack, const char *vnl, ...)
{
	const char **vnlv;
	size_t count = 0, i = 0;
	struct ioth *s;
	va_list ap;

	va_start(ap, vnl);
	for (const char *arg = vnl; arg != NULL; arg = va_arg(ap, const char *))
		count++;
	va_end(ap);
	vnlv = calloc(count + 1, sizeof(*vnlv));
	if (vnlv == NULL)
		return NULL;
	va_start(ap, vnl);
	for (const char *arg = vnl; arg != NULL; arg = va_arg(ap, const char *))
		vnlv[i++] = arg;
	va_end(ap);
	s = ioth_newstackv(stack, vnlv);
	free(vnlv);
	return s;
}

/* ------------------------------------------------------------------------------------- ending a stack */

/** count_or_drop - a visitor of the descriptor table: counts real descriptors, drops the stale ones */
static void count_or_drop(int fd, struct ioth__sock *sock, void *count)
{
	if (ioth__fd_check(sock, fd))
		++*(unsigned int *)count;
}

/**
 * stack_is_busy - is a socket of the stack really open?
 *
 * First by our own entries, once the stale ones are out. Then a socket without an entry: one closed while another thread is blocked in
 * it. At last the plugin is asked, who may know of descriptors that we cannot see: dup'ed, inherited, sent to another process.
 */
static bool stack_is_busy(struct ioth *stack)
{
	unsigned int open = 0;
	struct ioth__call call;
	int count;

	if (atomic_load_explicit(&stack->refs, memory_order_acquire) > 1)
		ioth__fd_walk(stack, count_or_drop, &open);
	if (open != 0 || atomic_load_explicit(&stack->refs, memory_order_acquire) > 1)
		return true;
	if (stack->f.opensockets == NULL)
		return false;
	ioth__call_begin(&call, stack, NULL);
	count = stack->f.opensockets(stack->data);
	ioth__call_end(&call, false);
	return count > 0;
}

int ioth_delstack(struct ioth *stack)
{
	struct ioth__call call;
	int result;

	if (stack == NULL || stack == &ioth__native)
		return ioth__fail(-EINVAL);
	if (stack_is_busy(stack))
		return ioth__fail(-EBUSY);
	forget_default(stack);
	ioth__call_begin(&call, stack, NULL);
	result = stack->f.delstack == NULL ? 0 : stack->f.delstack(stack->data);
	ioth__call_end(&call, result < 0);
	if (result < 0)
		return -1;
	ioth__stack_put(stack);
	return 0;
}

/** stop_socket - a visitor of the descriptor table: shut a socket down, and have every later call on it refused */
static void stop_socket(int fd, struct ioth__sock *sock, void *unused)
{
	struct ioth__call call;

	(void)unused;
	if (!ioth__fd_check(sock, fd))
		return;
	ioth__fd_through_plugin(fd, sock);
	ioth__call_begin(&call, sock->stack, sock);
	sock->stack->f.shutdown(sock->fd, SHUT_RDWR);
	ioth__call_end(&call, false);
}

int ioth_stopstack(struct ioth *stack)
{
	struct ioth__call call;

	if (stack == NULL || stack == &ioth__native)
		return ioth__fail(-EINVAL);
	if (atomic_exchange_explicit(&stack->stopped, true, memory_order_acq_rel))
		return 0;
	if (stack->f.stopstack != NULL) {
		ioth__call_begin(&call, stack, NULL);
		stack->f.stopstack(stack->data);
		ioth__call_end(&call, false);
	}
	ioth__fd_walk(stack, stop_socket, NULL);
	return 0;
}
