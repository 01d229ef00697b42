/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * awake.c - members that a loop looks at by itself.
 *
 * A network in shared memory tells of frames in two ways: they are there, for everybody who looks; and a descriptor
 * becomes readable, for who said that he is going to sleep. The second costs both sides system calls, and the sender an
 * interrupt of another processor. So a member that has received lately is *awake*: its loop looks at it every round,
 * for one load from memory, and its network need not tell. Before the loop sleeps each member that is awake gets a turn
 * to say that it sleeps (LINK_REST), in which it looks once more.
 *
 * A member that was looked at LOOKS times in vain gets that turn as well, on a loop that is kept busy by others: by
 * then it has cost about what waking it would. So a loop with a thousand members that are silent looks at none of them.
 *
 * All of it belongs to the turn lock of the loop. A loop without members that are awake, which is every loop without
 * networks in shared memory, does not take it for them (link__awake_none).
 */
#include "private.h"

#include <sys/epoll.h>

#define LOOKS 256

void link__awake_add(struct link__awake *awake, struct link__member *member)
{
	member->looks = 0;
	if (member->awake)
		return;
	member->awake = true;
	member->awake_next = awake->first;
	awake->first = member;
	atomic_fetch_add_explicit(&awake->count, 1, memory_order_relaxed);
}

void link__awake_remove(struct link__awake *awake, struct link__member *member)
{
	for (struct link__member **p = &awake->first; *p; p = &(*p)->awake_next) {
		if (*p == member) {
			*p = member->awake_next;
			atomic_fetch_sub_explicit(&awake->count, 1, memory_order_relaxed);
			break;
		}
	}
	member->awake = false;
}

bool link__awake_any(const struct link__awake *awake)
{
	for (struct link__member *member = awake->first; member; member = member->awake_next)
		if (member->waiting(member))
			return true;
	return false;
}

unsigned int link__awake_look(struct link__awake *awake)
{
	struct link__member *member, *next;
	unsigned int found = 0;

	for (member = awake->first; member; member = next) {
		next = member->awake_next;
		if (member->waiting(member)) {
			found++;
			member->looks = 0;
			member->event(member, LINK_DATA, EPOLLIN);
		} else if (++member->looks >= LOOKS) {
			link__awake_remove(awake, member);
			member->event(member, LINK_REST, 0);
		}
	}
	return found;
}

bool link__awake_rest(struct link__awake *awake)
{
	struct link__member *member = awake->first, *next;

	awake->first = NULL;
	atomic_store_explicit(&awake->count, 0, memory_order_relaxed);
	for (; member; member = next) {
		next = member->awake_next;
		member->awake = false;
		member->event(member, LINK_REST, 0);
	}
	return awake->first == NULL;
}
