/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * run.c - ioth run: a program on a stack.
 *
 * How depends on where the sockets of the stack live:
 *
 *     in a network namespace (vdestack)    the program is started inside it, and needs to know nothing (namespace.c,
 * files.c) in our process (lwip)                we serve the stack, and a library that is loaded before the program's
 * own makes the program a client of it (onserver.c) in the host's network (kernel)       there is nothing to do
 *
 * We keep the stack alive until the program, and what it has left behind, has ended (child.c).
 */
#include "child.h"
#include "command.h"
#include "drain.h"
#include "files.h"
#include "namespace.h"
#include "onserver.h"
#include "runopt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
        "usage: ioth run [OPTION...] [--] PROGRAM [ARGUMENT...]\n"
        "\n"
        "Run a program on a network stack of its own.\n"
        "\n" RUN_HELP "\n"
        "The exit status is the program's; 125 when there is no stack for it, 126 when it cannot be\n"
        "executed, 127 when there is no such program. ioth run ends when the program and all that it\n"
        "has started have ended.\n"
        "\n"
        "  ioth run -s vdestack -n switch:///tmp/lan -a 10.0.0.1/24 -- nginx -g 'daemon off;'\n"
        "  ioth run -s vdestack -n vde:///tmp/lan -a 10.0.0.2/24 -- bash\n";

/** struct inside - what the process of the program needs to know to get into a namespace */
struct inside {
	struct namespaces ns;
	struct files files;
};

/** get_inside - the preparation of a program in a namespace; see struct child */
static const char *get_inside(void *arg)
{
	struct inside *inside = arg;
	int err = namespaces_enter(&inside->ns);

	if (err) {
		errno = -err;
		return "entering the namespaces of the stack";
	}
	return files_mount(&inside->files);
}

/** run_child - start, wait, and end as the program does */
static int run_child(struct child *child)
{
	int status = child_start(child);

	if (status != 0)
		return status;
	child_end_like(child_wait(child));
}

bool run_forward(struct run *run, struct ioth *stack)
{
	if (run->also_host_count == 0)
		return true;
	run->forward = forward_start(run->command, stack, run->also_host, run->also_host_count);
	return run->forward != NULL;
}

void run_forward_end(struct run *run)
{
	if (run->forward != NULL)
		forward_stop(run->forward, DRAIN_SECONDS);
	run->forward = NULL;
}

void run_leave(struct ioth *stack)
{
	/* EBUSY: what the program has left running has sockets there, on an unplugged machine from now on. */
	(void)!ioth_delstack(stack);
}

/** run_in_namespace - a program on a kernel-backed stack; does not return when it has run */
static int run_in_namespace(struct run *run, struct child *child, struct ioth *stack, const struct namespaces *ns)
{
	struct inside inside = {.ns = *ns};
	char resolv[1024];
	int err, status;

	run_resolv_conf(run, resolv, sizeof(resolv));
	err = files_make(&inside.files, resolv, run->hosts);
	if (err) {
		complain(run->command, NULL, "a file for /etc/resolv.conf cannot be written: %s", strerror(-err));
		return STATUS_RUN_FAILED;
	}
	child->prepare = get_inside;
	child->arg = &inside;
	status = run_forward(run, stack) ? child_start(child) : STATUS_RUN_FAILED;
	files_drop(&inside.files);
	if (status != 0) {
		run_forward_end(run);
		return status;
	}
	status = child_wait(child);
	run_forward_end(run);
	drain(stack, DRAIN_SECONDS);
	run_leave(stack);
	child_end_like(status);
}

/** run_on_host - a program on the host's own stack */
static int run_on_host(struct run *run, struct child *child)
{
	struct setup *setup = &run->setup;

	if (setup->addresses > 0 || setup->gateways > 0 || setup->mtu != 0 || run->dns_count > 0 ||
	    run->search != NULL || run->hosts != NULL || run->also_host_count > 0) {
		usage_error(run->command,
		            "the stack %s is the network of this machine, which is not ours to configure: "
		            "leave out addresses, gateways, MTU, names and --also-host",
		            setup->stack);
		return STATUS_RUN_FAILED;
	}
	return run_child(child);
}

int run_program(struct run *run)
{
	struct child child = {.command = run->command, .argv = run->program};
	struct namespaces ns;
	struct ioth *stack;
	int kind, status;

	child_signals(&child);
	stack = setup_open(&run->setup);
	if (stack == NULL) {
		complain(run->command, run_hint(run, errno), "%s", run->setup.error);
		return STATUS_RUN_FAILED;
	}
	kind = namespaces_of(stack, &ns);
	switch (kind) {
	case STACK_HOST:
		return run_on_host(run, &child);
	case STACK_NAMESPACE:
		status = run_in_namespace(run, &child, stack, &ns);
		break;
	case STACK_PROCESS:
		status = onserver_run(run, &child, stack);
		break;
	default:
		complain(run->command, NULL, "the stack %s gives no socket: %s", run->setup.stack, strerror(-kind));
		status = STATUS_RUN_FAILED;
	}
	/* The program has not been started. */
	run_leave(stack);
	return status;
}

int run_main(int argc, char *argv[])
{
	struct run run = RUN_INIT;

	if (run_options(&run, argc, argv) >= 0)
		return STATUS_RUN_FAILED;
	if (run.show_help) {
		fputs(help, stdout);
		return 0;
	}
	return run_program(&run);
}
