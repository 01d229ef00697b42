/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Networks between two stacks of a library.
 *
 * On ptp:// both sides open the same locator. With a switch, side 0 opens switch:// and so is the switch as well as a
 * station of it, and side 1 joins it with vde://. With vde_switch both sides join a process that is nothing but
 * a switch.
 */
#include "bench.h"
#include "library.h"

#include <errno.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>

static int stack_open(struct network *network, unsigned int side)
{
	const struct library *library = network->kind->library;

	network->stack[side] = library->create(network->vnl[side]);
	return network->stack[side] ? library->configure(network->stack[side], network->address[side]) : -1;
}

static int stack_socket(struct network *network, unsigned int side, int domain, int type, int protocol)
{
	return network->kind->library->socket(network->stack[side], domain, type, protocol);
}

static void stack_close(struct network *network, unsigned int side)
{
	if (network->stack[side])
		network->kind->library->remove(network->stack[side]);
	network->stack[side] = NULL;
}

/* Nothing but a socket is needed: the kernel tells its network namespace and whose that is. */
static int stack_enter(struct network *network, unsigned int side)
{
	int fd = network->kind->library->socket(network->stack[side], AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int net = fd < 0 ? -1 : ioctl(fd, SIOCGSKNS), user = net < 0 ? -1 : ioctl(net, NS_GET_USERNS);

	/* EINVAL: the user namespace that we are in. */
	if (user < 0 || (setns(user, CLONE_NEWUSER) < 0 && errno != EINVAL))
		return -1;
	return setns(net, CLONE_NEWNET);
}

static int vde_switch_prepare(struct network *network)
{
	return vde_switch_start(&network->vde_switch, network->vnl[0]);
}

static void vde_switch_finish(struct network *network)
{
	vde_switch_end(&network->vde_switch);
}

#define STACKS .open = stack_open, .socket = stack_socket, .close = stack_close
#define ON_VDE_SWITCH STACKS, .prepare = vde_switch_prepare, .end = vde_switch_finish, .scheme = {"vde", "vde"}

const struct network_kind network_vdestack_ptp = {
        STACKS,
        .library = &library_vdestack,
        .calls = &network_plain_calls,
        .scheme = {"ptp", "ptp"},
};

const struct network_kind network_vdestack_switch = {
        STACKS,
        .library = &library_vdestack,
        .calls = &network_plain_calls,
        .scheme = {"switch", "vde"},
};

const struct network_kind network_vdestack_vde_switch = {
        ON_VDE_SWITCH,
        .library = &library_vdestack,
        .calls = &network_plain_calls,
};

const struct network_kind network_lwipv6_ptp = {
        STACKS,
        .library = &library_lwipv6,
        .calls = &network_lwipv6_calls,
        .scheme = {"ptp", "ptp"},
};

const struct network_kind network_ioth_ptp = {
        STACKS,
        .library = &library_ioth_vdestack,
        .calls = &network_ioth_calls,
        .scheme = {"ptp", "ptp"},
        .enter = stack_enter,
};

const struct network_kind network_ioth_switch = {
        STACKS,
        .library = &library_ioth_vdestack,
        .calls = &network_ioth_calls,
        .scheme = {"switch", "vde"},
};

const struct network_kind network_ioth_vde_switch = {
        ON_VDE_SWITCH,
        .library = &library_ioth_vdestack,
        .calls = &network_ioth_calls,
};

const struct network_kind network_lwip_ptp = {
        STACKS,
        .library = &library_ioth_lwip,
        .calls = &network_ioth_calls,
        .scheme = {"ptp", "ptp"},
};

const struct network_kind network_lwip_switch = {
        STACKS,
        .library = &library_ioth_lwip,
        .calls = &network_ioth_calls,
        .scheme = {"switch", "vde"},
};

const struct network_kind network_lwip_vde_switch = {
        ON_VDE_SWITCH,
        .library = &library_ioth_lwip,
        .calls = &network_ioth_calls,
};

const struct network_kind network_run_vdestack = {
        STACKS,
        .library = &library_ioth_vdestack,
        .calls = &network_ioth_calls,
        .scheme = {"ptp", "ptp"},
        .run = "vdestack",
};

const struct network_kind network_run_lwip = {
        STACKS, .library = &library_ioth_lwip, .calls = &network_ioth_calls, .scheme = {"ptp", "ptp"}, .run = "lwip",
};

const struct network_kind network_run_vdestack_shm = {
        STACKS,
        .library = &library_ioth_vdestack,
        .calls = &network_ioth_calls,
        .scheme = {"shm", "shm"},
        .run = "vdestack",
};

const struct network_kind network_run_lwip_shm = {
        STACKS, .library = &library_ioth_lwip, .calls = &network_ioth_calls, .scheme = {"shm", "shm"}, .run = "lwip",
};

/** memory_prepare - let libvdeplug find the module of this network, and no other */
static int memory_prepare(struct network *network)
{
	(void)network;
	return setenv("VDEPLUGIN_PATH", BENCH_MODULE_PATH, 1) == 0 ? 0 : bench_fail("out of memory");
}

const struct network_kind network_lwip_memory = {
        STACKS,
        .prepare = memory_prepare,
        .library = &library_ioth_lwip,
        .calls = &network_ioth_calls,
        .scheme = {"memory", "memory"},
};

const struct network_kind network_ioth_shm = {
        STACKS,
        .library = &library_ioth_vdestack,
        .calls = &network_ioth_calls,
        .scheme = {"shm", "shm"},
        .enter = stack_enter,
};

const struct network_kind network_lwip_shm = {
        STACKS,
        .library = &library_ioth_lwip,
        .calls = &network_ioth_calls,
        .scheme = {"shm", "shm"},
};

const struct network_kind network_ioth_kernel = {
        STACKS,
        .prepare = network_loopback_prepare,
        .library = &library_ioth_kernel,
        .calls = &network_ioth_calls,
};
