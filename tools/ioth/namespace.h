/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* namespace.h - the network namespace of a kernel-backed stack, and how a process gets into it. */
#ifndef TOOL_NAMESPACE_H
#define TOOL_NAMESPACE_H

#include <ioth.h>

/** enum stack_kind - where the sockets of a stack live */
enum stack_kind {
	STACK_HOST,      /* in the namespace that we are in: the host's own network */
	STACK_NAMESPACE, /* in another network namespace of this kernel */
	STACK_PROCESS,   /* in a process; or in a namespace that we may not enter */
};

/** struct namespaces - of a STACK_NAMESPACE; descriptors, closed on exec */
struct namespaces {
	int net;
	int user; /* the user namespace that owns it; -1: the one we are in */
};

/** namespaces_of - which kind a stack is, and its namespaces, to be closed; negative errno */
int namespaces_of(struct ioth *stack, struct namespaces *ns);
void namespaces_close(struct namespaces *ns);

/**
 * namespaces_enter - go there, with all capabilities over it
 *
 * For a process with one thread that is about to execute a program: async-signal-safe. The capabilities survive the
 * execution (capabilities(7), ambient), and the user stays who he is if the stack's maker has seen to it. 0 or a
 * negative errno.
 */
int namespaces_enter(const struct namespaces *ns);

#endif
