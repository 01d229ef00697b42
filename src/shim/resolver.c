/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * resolver.c - res_query(3) and its like: questions to name servers for any record, over the stack.
 *
 * Answers come from c-ares as they were received. A message that the program has made itself (res_send) is refused: it
 * is better to have no answer than one over the host's network. The states that some of these functions take are the C
 * library's, and not looked at.
 */
#include "names.h"
#include "shim.h"

#include <ares.h>
#include <netdb.h>
#include <string.h>

/* <resolv.h> declares them under other names. */
EXPORT int res_query(const char *name, int class, int type, unsigned char *answer, int room);
EXPORT int res_search(const char *name, int class, int type, unsigned char *answer, int room);
EXPORT int res_nquery(void *state, const char *name, int class, int type, unsigned char *answer, int room);
EXPORT int res_nsearch(void *state, const char *name, int class, int type, unsigned char *answer, int room);
EXPORT int res_send(const unsigned char *query, int len, unsigned char *answer, int room);
EXPORT int res_nsend(void *state, const unsigned char *query, int len, unsigned char *answer, int room);

/** struct reply - what came, in the program's buffer */
struct reply {
	unsigned char *answer;
	int room;
	int len; /* all of it, even if it was cut; -1: none */
	int status;
};

static void on_reply(void *arg, int status, int timeouts, unsigned char *answer, int len)
{
	struct reply *reply = arg;

	(void)timeouts;
	reply->status = status;
	if (answer == NULL)
		return;
	reply->len = len;
	memcpy(reply->answer, answer, (size_t)(len < reply->room ? len : reply->room));
}

/** ask - for a name as it is, or with the domains of the search list */
static int ask(const char *name, int class, int type, unsigned char *answer, int room, bool search)
{
	struct reply reply = {.answer = answer, .room = room < 0 ? 0 : room, .len = -1};
	ares_channel channel;

	reply.status = shim_channel_open(&channel);
	if (reply.status == ARES_SUCCESS) {
		(search ? ares_search : ares_query)(channel, name, class, type, on_reply, &reply);
		shim_channel_run(channel);
		ares_destroy(channel);
	}
	if (reply.status == ARES_SUCCESS)
		return reply.len;
	h_errno = reply.status == ARES_ENOTFOUND ? HOST_NOT_FOUND : reply.status == ARES_ENODATA ? NO_DATA : TRY_AGAIN;
	return -1;
}

int res_query(const char *name, int class, int type, unsigned char *answer, int room)
{
	return ask(name, class, type, answer, room, false);
}

int res_search(const char *name, int class, int type, unsigned char *answer, int room)
{
	return ask(name, class, type, answer, room, true);
}

int res_nquery(void *state, const char *name, int class, int type, unsigned char *answer, int room)
{
	(void)state;
	return ask(name, class, type, answer, room, false);
}

int res_nsearch(void *state, const char *name, int class, int type, unsigned char *answer, int room)
{
	(void)state;
	return ask(name, class, type, answer, room, true);
}

int res_send(const unsigned char *query, int len, unsigned char *answer, int room)
{
	(void)query, (void)len, (void)answer, (void)room;
	errno = ENOSYS;
	return -1;
}

int res_nsend(void *state, const unsigned char *query, int len, unsigned char *answer, int room)
{
	(void)state;
	return res_send(query, len, answer, room);
}

/* As programs call them that were linked to an older C library. */
#define OLD_NAME(name) EXPORT __typeof__(name) __##name __attribute__((alias(#name)));
OLD_NAME(res_query)
OLD_NAME(res_search)
OLD_NAME(res_nquery)
OLD_NAME(res_nsearch)
OLD_NAME(res_send)
OLD_NAME(res_nsend)
