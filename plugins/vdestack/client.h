/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client.h - the program's end of its conversation with the helper (wire.h, client.c).
 *
 * All functions return 0 or a negative errno unless they say otherwise; -ENETDOWN when the helper is gone.
 */
#ifndef VDESTACK_CLIENT_H
#define VDESTACK_CLIENT_H

#include "wire.h"

#include <stdbool.h>

/** struct client - a helper, or what is left of the conversation with one that is gone */
struct client;

/** struct client_reply - an answer and the descriptors that came with it, which belong to whoever takes it */
struct client_reply {
	struct wire_reply wire;
	int fd[WIRE_SOCKETS_MAX];
	unsigned int fds;
	bool truncated; /* the program had no room for all the descriptors */
};

/** client_get - the helper of this process, started if need be; give it back with client_put */
int client_get(struct client **out);
void client_put(struct client *client);

/* The conversation. One thread at a time: from client_lock to client_unlock. */
void client_lock(void);
void client_unlock(void);
/** client_trylock - client_lock if nobody talks to the helper at the moment; else false */
bool client_trylock(void);

/** client_send - ask or tell; sets @request->seq, for client_wait */
int client_send(struct client *client, struct wire_request *request);
/** client_wait - wait for the answer to question @seq; the answer's own error is in reply->wire.error */
int client_wait(struct client *client, uint32_t seq, struct client_reply *reply);
/** client_drop - not interested in that answer after all */
void client_drop(struct client_reply *reply);

/* Whole conversations. */
/** client_ask - ask and wait; the error of the answer is returned as well */
int client_ask(struct client *client, struct wire_request *request, struct client_reply *reply);
/** client_tell - tell */
int client_tell(struct client *client, struct wire_request *request);

/* fork(2), see vdestack.c: in the child the inherited connection is not ours to use. The lock is held. */
void client_forked(void);

#endif
