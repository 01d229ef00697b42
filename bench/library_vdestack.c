/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reference that libioth's vdestack plugin has to beat: libvdestack as Debian ships it.
 *
 * Its stacks are configured as ours are, by netlink over one of their sockets, not by vde_stackcmd, which would measure
 * the start of a program. Its sockets are kernel sockets used by the system calls themselves.
 */
#include "library.h"

#include "bench.h"

#include <errno.h>
#include <string.h>

#ifdef HAVE_VDESTACK
#include <unistd.h>
#include <vdestack.h>

#include "nlinline+.h"

static int vdestack_msocket(void *stack, int domain, int type, int protocol)
{
	return vde_msocket(stack, domain, type, protocol);
}

NLINLINE_LIBMULTICOMP(vdestack_)

static void *create(const char *vnl)
{
	char copy[128], ifname[] = "vde0"; /* the interface is not const correct */
	void *stack;

	/* Asked for by us: without it the library makes a stack whose sockets never come. */
	if (access("/dev/net/tun", R_OK | W_OK) < 0) {
		bench_fail("libvdestack needs /dev/net/tun: %s", strerror(errno));
		return NULL;
	}
	strncpy(copy, vnl, sizeof(copy) - 1);
	copy[sizeof(copy) - 1] = '\0';
	stack = vde_addstack(copy, ifname);
	if (!stack)
		bench_fail("vde_addstack(\"%s\") failed", vnl);
	return stack;
}

static int configure(void *stack, struct in_addr address)
{
	int ifindex = vdestack_if_nametoindex(stack, "vde0");

	if (ifindex < 0 || vdestack_ipaddr_add(stack, AF_INET, &address, 24, (unsigned int)ifindex) < 0 ||
	    vdestack_linksetupdown(stack, (unsigned int)ifindex, 1) < 0)
		return bench_fail("configuring a libvdestack stack: %s", strerror(errno));
	return 0;
}

static int open_socket(void *stack, int domain, int type, int protocol)
{
	int fd = vde_msocket(stack, domain, type, protocol);

	return fd < 0 ? bench_fail("vde_msocket: %s", strerror(errno)) : fd;
}

static int remove_stack(void *stack)
{
	vde_delstack(stack);
	return 0;
}

#else

static int absent(void)
{
	return bench_fail("built without libvdestack (Debian: apt install libvdestack-dev)");
}

static void *create(const char *vnl)
{
	(void)vnl;
	absent();
	return NULL;
}

static int configure(void *stack, struct in_addr address)
{
	(void)stack, (void)address;
	return absent();
}

static int open_socket(void *stack, int domain, int type, int protocol)
{
	(void)stack, (void)domain, (void)type, (void)protocol;
	return absent();
}

static int remove_stack(void *stack)
{
	(void)stack;
	return absent();
}

#endif

const struct library library_vdestack = {
        .create = create,
        .configure = configure,
        .socket = open_socket,
        .remove = remove_stack,
        .calls = &network_plain_calls,
};
