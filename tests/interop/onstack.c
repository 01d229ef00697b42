/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * onstack - a preload library for tests: the network sockets of an unmodified program are opened on a libioth stack.
 *
 *   ONSTACK="vdestack vde:///tmp/lan 10.0.0.2/24" LD_PRELOAD=libonstack.so ip address
 *
 * Only socket(2) is replaced, which is enough for a stack whose sockets are kernel sockets: every later call is the plain
 * system call. The stack is made at the first network socket. libioth itself opens sockets too; those of its own
 * threads and those opened inside our call to it go to the host, as do all that are not of a network family.
 */
#include "../../examples/common.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct ioth *net;
static _Thread_local bool inside;

/** make_stack - from the words of ONSTACK */
static void make_stack(void)
{
	const char *env = getenv("ONSTACK");
	char stack[128], vnl[256], cidr[80];

	errno = 0;
	if (env == NULL || sscanf(env, "%127s %255s %79s", stack, vnl, cidr) != 3)
		die("Set it to \"STACK VNL ADDRESS/PREFIX\".", "ONSTACK is not usable");
	net = stack_up(stack, vnl, cidr);
}

__attribute__((visibility("default"))) int socket(int domain, int type, int protocol)
{
	static int (*host_socket)(int, int, int);
	int fd;

	if (host_socket == NULL)
		host_socket = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
	if (inside || (domain != AF_INET && domain != AF_INET6 && domain != AF_NETLINK && domain != AF_PACKET))
		return host_socket(domain, type, protocol);
	inside = true;
	pthread_once(&once, make_stack);
	fd = ioth_msocket(net, domain, type, protocol);
	inside = false;
	return fd;
}
