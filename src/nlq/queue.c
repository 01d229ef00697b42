/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * queue.c - queues of messages: rings, known by their last element, so that both ends are at hand.
 *
 * A message is in one queue at most, which owns it. Queues have no lock; they belong to whoever holds the tail.
 */
#include "msg.h"
#include "private.h"

int nlq_enqueue(struct nlq_msg *msg, struct nlq_msg **tail)
{
	struct message *message = message_of(msg), *last = message_of(*tail);
	int error = nlq_complete(msg);

	if (error < 0) {
		nlq_freemsg(msg);
		return error;
	}
	message->next = last == NULL ? message : last->next;
	if (last != NULL)
		last->next = message;
	*tail = msg;
	return 0;
}

int nlq_complete_enqueue(struct nlq_msg *msg, struct nlq_msg **tail)
{
	return nlq_enqueue(msg, tail);
}

struct nlq_msg *nlq_head(const struct nlq_msg *tail)
{
	return tail == NULL ? NULL : &message_of(tail)->next->shown;
}

struct nlq_msg *nlq_next(const struct nlq_msg *tail, const struct nlq_msg *msg)
{
	return msg == NULL || msg == tail ? NULL : &message_of(msg)->next->shown;
}

struct nlq_msg *nlq_dequeue(struct nlq_msg **tail)
{
	struct message *last = message_of(*tail), *head;

	if (last == NULL)
		return NULL;
	head = last->next;
	last->next = head->next;
	if (head == last)
		*tail = NULL;
	head->next = NULL;
	return &head->shown;
}

void nlq_dropmsg(struct nlq_msg **tail)
{
	nlq_freemsg(nlq_dequeue(tail));
}

unsigned int nlq_length(const struct nlq_msg *tail)
{
	unsigned int length = 0;

	for (const struct nlq_msg *msg = nlq_head(tail); msg != NULL; msg = nlq_next(tail, msg))
		length++;
	return length;
}

void nlq_append(struct nlq_msg **tail, struct nlq_msg **from)
{
	struct message *last = message_of(*tail), *added = message_of(*from), *head;

	if (added == NULL)
		return;
	if (last != NULL) {
		head = last->next;
		last->next = added->next;
		added->next = head;
	}
	*tail = *from;
	*from = NULL;
}

void nlq_free(struct nlq_msg **tail)
{
	while (*tail != NULL)
		nlq_dropmsg(tail);
}

void nlq_pack(struct nlq_msg **tail, size_t max)
{
	struct nlq_msg *packed = NULL, *msg;

	max = max > NLQ_MSG_MAX ? NLQ_MSG_MAX : max;
	while ((msg = nlq_dequeue(tail)) != NULL) {
		bool multi = msg->nlq_packet->nlmsg_flags & NLM_F_MULTI;

		if (multi && packed != NULL && packed->nlq_packet->nlmsg_flags & NLM_F_MULTI &&
		    packed->nlq_size + msg->nlq_size <= max && nlq_add(packed, msg->nlq_packet, msg->nlq_size) == 0) {
			message_of(packed)->packed = true;
			nlq_freemsg(msg);
			continue;
		}
		if (packed != NULL)
			message_of(packed)->error =
			        0; /* there was no memory to join it with the next: it stays as it is */
		nlq_enqueue(msg, &packed);
	}
	*tail = packed;
}
