/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vdestack.c - the stack "vdestack": the Linux kernel's own, in a private network namespace, on VDE networks.
 *
 * A helper process has the namespaces (wire.h, helper/). It makes the sockets and the interfaces; from then on a
 * socket is the kernel's, and each call on it is the system call itself. The frames of an interface are moved by the
 * program's event loops, between the VDE network and a packet socket at the other end of the interface (packetdev.c).
 * Only NETLINK_ROUTE sockets are looked after, for the sake of interfaces made at run time (netlink.c).
 *
 * fork(2). A child may use the sockets it inherited and make new ones in the stacks it inherited, for as long as
 * there is a process of the program that made the stack. The ports are driven by the parent. A child that deletes an
 * inherited stack forgets it; the parent's goes on.
 *
 * Locks, in this order: that of the list of stacks (here), of the ports (ports.c), of the conversation with the
 * helper (client.c), of the stock (stock.c). All of them are held across a fork, so that they are free and what they
 * guard is whole in the child.
 */
#include "vdestack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT extern const char *ioth_vdestack_license;
EXPORT void *ioth_vdestack_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions);
EXPORT int ioth_vdestack_delstack(void *stackdata);

EXPORT const char *ioth_vdestack_license = "LGPL-2.1-or-later";

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vde_stack *stacks;
static getstackdata_prototype *getstackdata;
static void *(*getsockdata)(void);
static int (*setsockdata)(void *data);
static _Thread_local int made; /* the kind of the socket that was made last */

struct vde_stack *vde_current(void)
{
	return getstackdata();
}

/** fail - a negative errno, as the caller wants it */
static int fail(int result)
{
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

/* ---------------------------------------------------------------------------------------------------- fork */

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
	vde_ports_lock();
	client_lock();
	stock_lock();
}

static void after_fork(void)
{
	stock_unlock();
	client_unlock();
	vde_ports_unlock();
	pthread_mutex_unlock(&lock);
}

static void in_child(void)
{
	for (struct vde_stack *stack = stacks; stack; stack = stack->next)
		vde_ports_forked(stack);
	client_forked();
	stock_forked();
	after_fork();
}

__attribute__((constructor)) static void watch_forks(void)
{
	pthread_atfork(before_fork, after_fork, in_child);
}

/* ------------------------------------------------------------------------------------------------- sockets */

/** kind_of - what libioth is to know of a socket (kernelfd) */
static int kind_of(const struct vde_stack *stack, int domain, int type, int protocol)
{
	bool inet = domain == AF_INET || domain == AF_INET6;

	if (domain == AF_NETLINK && protocol == NETLINK_ROUTE)
		return 0;
	type &= ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (inet && type == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP) && vde_stream_possible(stack))
		return 2;
	return 1;
}

static int vde_socket(int domain, int type, int protocol)
{
	struct vde_stack *stack = vde_current();

	made = kind_of(stack, domain, type, protocol);
	if (made == 0)
		setsockdata(&lock); /* anything but NULL */
	return fail(stock_socket(&stack->stock, domain, type, protocol));
}

/** vde_kernelfd - asked about what vde_socket has just made: sockets are accepted without us */
static int vde_kernelfd(int fd)
{
	(void)fd;
	return made;
}

bool vde_routing(void)
{
	return getsockdata() != NULL;
}

static int vde_opensockets(void *stackdata)
{
	struct vde_stack *stack = stackdata;

	return stock_count(&stack->stock);
}

static int vde_stopstack(void *stackdata)
{
	struct vde_stack *stack = stackdata;
	struct wire_request request = {.op = WIRE_STOPSTACK, .stack = stack->id};

	if (stack->foreign)
		return 0;
	atomic_store_explicit(&stack->stopped, true, memory_order_release);
	vde_ports_leave(stack);
	client_tell(stack->client, &request);
	return 0;
}

static int vde_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg);
}

static int vde_fcntl(int fd, int cmd, long arg)
{
	return fcntl(fd, cmd, arg);
}

/** offer - tell libioth, whose table is as large as ours, what we do: system calls, mostly */
static void offer(struct ioth_functions *f)
{
	f->socket = vde_socket;
	f->close = close;
	f->bind = bind;
	f->connect = connect;
	f->listen = listen;
	f->accept = accept;
	f->getsockname = getsockname;
	f->getpeername = getpeername;
	f->setsockopt = vde_setsockopt;
	f->getsockopt = getsockopt;
	f->shutdown = vde_shutdown;
	f->ioctl = vde_ioctl;
	f->fcntl = vde_fcntl;
	f->read = vde_read;
	f->readv = vde_readv;
	f->recv = vde_recv;
	f->recvfrom = vde_recvfrom;
	f->recvmsg = vde_recvmsg;
	f->write = vde_write;
	f->writev = vde_writev;
	f->send = vde_send;
	f->sendto = vde_sendto;
	f->sendmsg = vde_sendmsg;
	f->accept4 = accept4;
	f->recvmmsg = vde_recvmmsg;
	f->sendmmsg = vde_sendmmsg;
	f->sockatmark = sockatmark;
	f->kernelfd = vde_kernelfd;
	f->opensockets = vde_opensockets;
	f->stopstack = vde_stopstack;
}

/* -------------------------------------------------------------------------------------------------- stacks */

/** parse_vnls - take all locators apart; an array to be freed in @out, how many there are in @count */
static int parse_vnls(const char *vnlv[], struct link_vnl **out, unsigned int *count)
{
	struct link_vnl *vnl;
	unsigned int n = 0;
	int err = 0;

	while (vnlv && vnlv[n])
		n++;
	vnl = calloc((size_t)n + 1, sizeof(*vnl));
	if (vnl == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < n && !err; i++) {
		err = link_vnl_parse(vnlv[i], i, &vnl[i]);
		for (unsigned int k = 0; k < i && !err; k++)
			if (strcmp(vnl[i].ifname, vnl[k].ifname) == 0)
				err = -EINVAL;
	}
	if (err) {
		free(vnl);
		return err;
	}
	*out = vnl;
	*count = n;
	return 0;
}

/**
 * new_id - a number for a stack, unlike those of other processes that may have the same helper; 0 or a negative errno
 */
static int new_id(uint64_t *id)
{
	return getrandom(id, sizeof(*id), 0) == (ssize_t)sizeof(*id) ? 0 : -errno;
}

/** stack_free - what is left of a stack when it is not there any more */
static void stack_free(struct vde_stack *stack)
{
	if (stack->client)
		client_put(stack->client);
	free(stack->pcap);
	free(stack);
}

/** stack_make - the stack, its interfaces, and its place in the networks */
static int stack_make(struct vde_stack *stack, const struct link_vnl *vnl, unsigned int count)
{
	int err = new_id(&stack->id);

	if (!err)
		err = client_get(&stack->client);
	if (!err)
		err = vde_ports_new(stack, vnl, count);
	if (err)
		return err;
	stock_open(&stack->stock, stack->client, stack->id);
	pthread_mutex_lock(&lock);
	stack->next = stacks;
	stacks = stack;
	pthread_mutex_unlock(&lock);
	return 0;
}

/** stack_new - from parsed arguments; takes the options over */
static int stack_new(const struct link_vnl *vnl, unsigned int count, struct vde_options *options,
                     struct vde_stack **out)
{
	struct vde_stack *stack = calloc(1, sizeof(*stack));
	int err;

	if (stack == NULL) {
		free(options->pcap);
		return -ENOMEM;
	}
	stack->pcap = options->pcap;
	pthread_mutex_init(&stack->stream.lock, NULL);
	err = stack_make(stack, vnl, count);
	if (err) {
		stack_free(stack);
		return err;
	}
	*out = stack;
	return 0;
}

/**
 * ioth_vdestack_newstack - see newstack_prototype
 *
 * errno: EINVAL locators, names or options are malformed, or two interfaces have one name; EPERM namespaces are
 * forbidden here; EMFILE no more descriptors, or namespaces; ENOMEM; what vde_open set; the errno of opening the
 * capture file.
 */
void *ioth_vdestack_newstack(const char *vnlv[], const char *options, struct ioth_functions *functions)
{
	struct vde_options parsed = {0};
	struct vde_stack *stack = NULL;
	struct link_vnl *vnl = NULL;
	unsigned int count;
	int err = functions->size < offsetof(struct ioth_functions, stopstack) + sizeof(functions->stopstack) ? -ENOTSUP
	                                                                                                      : 0;

	if (!err)
		err = parse_vnls(vnlv, &vnl, &count);
	if (!err)
		err = vde_options_parse(options, &parsed);
	if (!err)
		err = stack_new(vnl, count, &parsed, &stack);
	free(vnl);
	if (err) {
		errno = err == -ENOSPC ? EMFILE : -err; /* user.max_net_namespaces */
		return NULL;
	}
	getstackdata = functions->getstackdata;
	getsockdata = functions->getsockdata;
	setsockdata = functions->setsockdata;
	offer(functions);
	return stack;
}

int ioth_vdestack_delstack(void *stackdata)
{
	struct vde_stack *stack = stackdata, **p;
	struct wire_request request = {.op = WIRE_DELSTACK, .stack = stack->id};

	pthread_mutex_lock(&lock);
	for (p = &stacks; *p != stack;)
		p = &(*p)->next;
	*p = stack->next;
	pthread_mutex_unlock(&lock);
	vde_ports_leave(stack);
	stock_close(&stack->stock);
	if (!stack->foreign)
		client_tell(stack->client, &request);
	stack_free(stack);
	return 0;
}
