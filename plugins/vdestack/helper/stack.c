/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stack.c - the stacks, by their numbers, and the sockets made in them */
#include "helper.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUCKETS 256 /* numbers are consecutive, so a thousand stacks make short chains */

static struct stack *table[BUCKETS];

/** place - where a pointer to the stack with this number is, or would be */
static struct stack **place(uint64_t id)
{
	struct stack **p = &table[id % BUCKETS];

	while (*p && (*p)->id != id)
		p = &(*p)->next;
	return p;
}

struct stack *stack_find(uint64_t id)
{
	return *place(id);
}

int stack_new(uint64_t id, struct conn *owner)
{
	struct stack **p = place(id), *stack;
	int err;

	if (*p)
		return -EEXIST;
	stack = calloc(1, sizeof(*stack));
	if (stack == NULL)
		return -ENOMEM;
	stack->id = id;
	stack->owner = owner;
	/* unlike any other on this machine, whatever namespaces and programs there are */
	if (getrandom(&stack->mark, sizeof(stack->mark), 0) != sizeof(stack->mark))
		stack->unmarked = true;
	stack->mark &= INT64_MAX >> 1;
	stack->ns = netns_new();
	if (stack->ns < 0) {
		err = stack->ns;
		free(stack);
		return err;
	}
	*p = stack;
	return 0;
}

void stack_delete(struct stack *stack)
{
	*place(stack->id) = stack->next;
	close(stack->ns); /* before its ports begin to wait for the namespace to vanish */
	port_delete_all(stack);
	free(stack);
}

void stack_inherit(struct conn *conn, struct conn *heir)
{
	for (unsigned int i = 0; i < BUCKETS; i++) {
		struct stack *stack = table[i];

		while (stack) {
			struct stack *next = stack->next;

			if (stack->owner == conn && heir)
				stack->owner = heir;
			else if (stack->owner == conn)
				stack_delete(stack);
			stack = next;
		}
	}
}

int stack_sockets(struct stack *stack, const struct wire_request *want, int *fd)
{
	int err = netns_enter(stack->ns);
	unsigned int count = 0;

	if (err)
		return err;
	while (count < want->socket.count) {
		fd[count] = socket(want->socket.domain, want->socket.type | SOCK_CLOEXEC, want->socket.protocol);
		if (fd[count] < 0) {
			err = -errno;
			break;
		}
		count_mark(stack, fd[count], want->socket.domain, want->socket.type, want->socket.protocol);
		count++;
	}
	netns_leave();
	return count ? (int)count : err;
}
