/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is measured: stacks of libioth, used by nothing but its public interface. */
#include "library.h"

#include "bench.h"
#include "ioth.h"

#include <errno.h>
#include <string.h>

static void *create(const char *plugin, const char *vnl)
{
	struct ioth *stack = ioth_newstack(plugin, vnl);

	if (!stack)
		bench_fail("ioth_newstack(\"%s\", \"%s\"): %s", plugin, vnl ? vnl : "NULL", strerror(errno));
	return stack;
}

static void *create_vdestack(const char *vnl)
{
	return create("vdestack", vnl);
}

static void *create_lwip(const char *vnl)
{
	return create("lwip", vnl);
}

static void *create_kernel(const char *vnl)
{
	(void)vnl;
	return create("kernel", NULL);
}

static int configure(void *stack, struct in_addr address)
{
	int ifindex = ioth_if_nametoindex(stack, "vde0");

	if (ifindex < 0 || ioth_ipaddr_add(stack, AF_INET, &address, 24, (unsigned int)ifindex) < 0 ||
	    ioth_linksetupdown(stack, (unsigned int)ifindex, 1) < 0)
		return bench_fail("configuring a libioth stack: %s", strerror(errno));
	return 0;
}

static int configure_nothing(void *stack, struct in_addr address)
{
	(void)stack, (void)address;
	return 0;
}

static int open_socket(void *stack, int domain, int type, int protocol)
{
	int fd = ioth_msocket(stack, domain, type, protocol);

	return fd < 0 ? bench_fail("ioth_msocket: %s", strerror(errno)) : fd;
}

static int remove_stack(void *stack)
{
	return ioth_delstack(stack) < 0 ? bench_fail("ioth_delstack: %s", strerror(errno)) : 0;
}

const struct network_calls network_ioth_calls = {
        .bind = ioth_bind,
        .connect = ioth_connect,
        .listen = ioth_listen,
        .accept = ioth_accept,
        .getsockname = ioth_getsockname,
        .setsockopt = ioth_setsockopt,
        .send = ioth_send,
        .recv = ioth_recv,
        .sendto = ioth_sendto,
        .recvfrom = ioth_recvfrom,
        .shutdown = ioth_shutdown,
        .close = ioth_close,
};

const struct library library_ioth_vdestack = {
        .create = create_vdestack,
        .configure = configure,
        .socket = open_socket,
        .remove = remove_stack,
        .calls = &network_ioth_calls,
};

const struct library library_ioth_lwip = {
        .create = create_lwip,
        .configure = configure,
        .socket = open_socket,
        .remove = remove_stack,
        .calls = &network_ioth_calls,
};

const struct library library_ioth_kernel = {
        .create = create_kernel,
        .configure = configure_nothing,
        .socket = open_socket,
        .remove = remove_stack,
        .calls = &network_ioth_calls,
};
