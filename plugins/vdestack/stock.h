/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stock.h - sockets made in advance, see stock.c */
#ifndef VDESTACK_STOCK_H
#define VDESTACK_STOCK_H

#include "client.h"

#include <stdbool.h>
#include <stdint.h>

#define STOCK_KINDS 8  /* of sockets, that are kept for one stack */
#define STOCK_BATCH 16 /* sockets asked for at a time, at most */
#define STOCK_ROOM 24  /* sockets of a kind: more are asked for when half a batch is left */
#define STOCK_MAX 64   /* sockets in stock, of all the stacks of the process */
#define STOCK_FD_MIN                                                                                                   \
	768 /* descriptors the program has not asked for have numbers from here on, where there is room                \
	     */

/** struct stock_kind - sockets of one kind for one stack */
struct stock_kind {
	struct stock_kind *newer, *older; /* of those that are not empty, of all stacks, in order of use */
	int domain, type, protocol;       /* type without flags; domain 0: this place is free */
	uint32_t used;                    /* when last asked for, by the stack's clock */
	uint32_t question;                /* under way to the helper, or 0 */
	unsigned int batch;               /* how many to ask for next time */
	unsigned int count;
	int fd[STOCK_ROOM];
};

/** struct stock - the sockets kept for one stack */
struct stock {
	struct stock *next; /* of all */
	struct client *client;
	uint64_t stack; /* its number */
	uint32_t clock;
	bool foreign; /* the stack was inherited by fork: keep nothing */
	struct stock_kind kind[STOCK_KINDS];
};

void stock_open(struct stock *stock, struct client *client, uint64_t stack);
/** stock_close - close what is left */
void stock_close(struct stock *stock);

/** stock_socket - socket(2) on the stack; returns a descriptor or a negative errno */
int stock_socket(struct stock *stock, int domain, int type, int protocol);

/** stock_count - how many sockets of the stack are really open, in whatever process; -1 when that cannot be told */
int stock_count(struct stock *stock);

/** stock_arrived - an answer that nobody waits for. The client's lock is held */
void stock_arrived(struct client_reply *reply);
/** stock_forget_questions - @client will not answer any more. The client's lock is held */
void stock_forget_questions(const struct client *client);

/* fork(2), see vdestack.c */
void stock_lock(void);
void stock_unlock(void);
/** stock_forked - in the child: what is in stock is the parent's. The lock is held */
void stock_forked(void);

#endif
