/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * listener.c - TCP sockets that listen, and the connections that wait to be accepted.
 *
 * The engine knows a *listener*, to which one socket belongs, or several that share their name by SO_REUSEPORT; of
 * those, the hash of the connection's endpoints chooses the one that gets it. The listener lives as long as it has a
 * member.
 *
 * A connection is a socket without descriptor in the queue of its *parent* until accept takes it. As in Linux the queue
 * holds one connection more than the backlog says; handshakes that are under way count, too, so that every one that
 * succeeds finds its place, and a SYN for which there will be none is left unanswered.
 *
 * With TCP_DEFER_ACCEPT a connection is kept beside the queue until its first bytes come, or the time is up. One that
 * ends before that has never been there.
 *
 * Closing the listening socket resets the connections of its queue.
 */
#include "stream.h"

#include <stdlib.h>
#include <string.h>

#define SOMAXCONN_MOST 4096

struct usock__listener {
	struct usock_tcp tcp;
	struct usock_stack *stack;
	struct usock__stream *members; /* linked by group_next */
};

static struct usock__listener *listener_of(struct usock_tcp *tcp)
{
	return (struct usock__listener *)((char *)tcp - offsetof(struct usock__listener, tcp));
}

/** listener_enter - one more socket of a group */
static void listener_enter(struct usock__stream *s, struct usock__listener *listener)
{
	s->listener = listener;
	s->group_next = listener->members;
	listener->members = s;
}

/** listener_new - have the engine listen for a socket */
static int listener_new(struct usock__stream *s)
{
	struct usock_stack *stack = s->inet.sock.stack;
	struct usock__listener *listener = calloc(1, sizeof(*listener));
	int ret;

	if (listener == NULL)
		return -ENOMEM;
	listener->stack = stack;
	listener->tcp.family = s->inet.sock.family;
	listener->tcp.local = s->inet.local;
	listener->tcp.v6only = s->inet.ip.v6only;
	usock__stream_options_prepare(s);
	memcpy(listener->tcp.option, s->tcp.option, sizeof(listener->tcp.option));
	ret = stack->engine->tcp_listen(stack->e, &listener->tcp);
	if (ret != 0) {
		free(listener);
		return ret;
	}
	listener_enter(s, listener);
	return 0;
}

/** listener_leave - a socket is no member any more; the last one takes the listener with it */
static void listener_leave(struct usock__stream *s)
{
	struct usock__listener *listener = s->listener;
	struct usock__stream **link;

	s->listener = NULL;
	for (link = &listener->members; *link != s; link = &(*link)->group_next)
		;
	*link = s->group_next;
	if (listener->members != NULL)
		return;
	listener->stack->engine->tcp_close(listener->stack->e, &listener->tcp);
	free(listener);
}

struct usock_tcp *usock__stream_listener_tcp(struct usock__stream *s)
{
	return &s->listener->tcp;
}

int usock__stream_listen(struct usock *sock, int backlog)
{
	struct usock__stream *s = usock__stream_of(sock);
	struct usock__inet *other;
	int ret;

	if (s->phase != PHASE_UNCONNECTED || !usock__stream_is(s, STREAM_BIT(STREAM_CLOSE) | STREAM_BIT(STREAM_LISTEN)))
		return -EINVAL;
	s->backlog = backlog < 0 || backlog > SOMAXCONN_MOST ? SOMAXCONN_MOST : (unsigned int)backlog;
	if (s->state == STREAM_LISTEN)
		return 0;
	ret = usock__bind_listen(&s->inet);
	if (ret != 0)
		return ret;
	other = usock__bind_group(&s->inet);
	if (other != NULL)
		listener_enter(s, ((struct usock__stream *)other)->listener);
	else
		ret = listener_new(s);
	/* Only now: a descriptor that has been joined to ours cannot show a fresh socket any more. */
	if (ret == 0)
		ret = usock__ready_pair(sock);
	if (ret != 0) {
		if (s->listener != NULL)
			listener_leave(s);
		usock__bind_leave(&s->inet, false);
		return ret;
	}
	sock->shutdown = 0;
	usock__stream_set(s, STREAM_LISTEN);
	usock__stream_tell(s, 0);
	return 0;
}

void usock__stream_unlisten(struct usock__stream *s)
{
	if (s->listener != NULL)
		listener_leave(s);
	while (s->queue != NULL)
		usock__dispose(&s->queue->inet.sock);
	while (s->deferred != NULL)
		usock__dispose(&s->deferred->inet.sock);
}

/* ------------------------------------------------------------------------------------------------------ the queue */

static unsigned int waiting(const struct usock__stream *s)
{
	return s->queue_len + s->deferred_len;
}

static void enqueue(struct usock__stream *parent, struct usock__stream *child)
{
	child->queue_next = NULL;
	*parent->queue_tail = child;
	parent->queue_tail = &child->queue_next;
	parent->queue_len++;
	usock__stream_tell(parent, EPOLLIN);
}

/** unlink_from - take a connection out of a list; returns the link that led to it */
static struct usock__stream **unlink_from(struct usock__stream **list, const struct usock__stream *child)
{
	while (*list != child)
		list = &(*list)->queue_next;
	*list = child->queue_next;
	return list;
}

void usock__stream_unqueue(struct usock__stream *child)
{
	struct usock__stream *parent = child->parent;

	if (child->is_deferred) {
		unlink_from(&parent->deferred, child);
		parent->deferred_len--;
		child->is_deferred = false;
	} else {
		struct usock__stream **link = unlink_from(&parent->queue, child);

		if (parent->queue_tail == &child->queue_next)
			parent->queue_tail = link;
		parent->queue_len--;
	}
	child->queue_next = NULL;
	child->parent = NULL;
}

void usock__stream_arrived(struct usock__stream *child, bool gone)
{
	struct usock__stream *parent = child->parent;

	if (!child->is_deferred)
		return;
	if (gone) {
		usock__dispose(&child->inet.sock);
		return;
	}
	usock__stream_unqueue(child);
	child->parent = parent;
	usock__timer_clear(child->inet.sock.stack, &child->timer);
	enqueue(parent, child);
}

int usock__stream_accept(struct usock *sock, struct usock **made)
{
	struct usock__stream *s = usock__stream_of(sock);
	struct usock__stream *child = s->queue;

	if (s->state != STREAM_LISTEN)
		return -EINVAL;
	if (child == NULL)
		return -EAGAIN;
	usock__stream_unqueue(child);
	usock__stream_tell(s, 0);
	*made = &child->inet.sock;
	return 0;
}

void usock__stream_putback(struct usock *listener, struct usock *made)
{
	struct usock__stream *s = usock__stream_of(listener);
	struct usock__stream *child = usock__stream_of(made);

	if (s->state != STREAM_LISTEN) {
		usock__dispose(made);
		return;
	}
	child->parent = s;
	child->queue_next = s->queue;
	if (s->queue == NULL)
		s->queue_tail = &child->queue_next;
	s->queue = child;
	s->queue_len++;
	usock__stream_tell(s, 0);
}

/* -------------------------------------------------------------------------------------------- what the engine asks */

bool usock_tcp_may_accept(struct usock_tcp *tcp, unsigned int half_open)
{
	size_t places = 0, taken = half_open;

	for (const struct usock__stream *s = listener_of(tcp)->members; s != NULL; s = s->group_next) {
		places += s->backlog + 1;
		taken += waiting(s);
	}
	return taken < places;
}

/** choose - the member that gets a connection: by hash; or the next one that has a place */
static struct usock__stream *choose(struct usock__listener *listener, const struct usock_endpoint *local,
                                    const struct usock_endpoint *remote)
{
	struct usock__stream *s = listener->members;
	unsigned int members = 0, chosen;

	if (s->group_next == NULL)
		return waiting(s) <= s->backlog ? s : NULL;
	for (; s != NULL; s = s->group_next)
		members++;
	chosen = (unsigned int)((uint64_t)usock__bind_hash(listener->stack, listener->tcp.family, local, remote) *
	                                members >>
	                        32);
	for (s = listener->members; chosen > 0; chosen--)
		s = s->group_next;
	for (unsigned int i = 0; i < members; i++) {
		if (waiting(s) <= s->backlog)
			return s;
		s = s->group_next != NULL ? s->group_next : listener->members;
	}
	return NULL;
}

/** inherit - what a connection has of the socket that listens, as Linux's sk_clone */
static void inherit(struct usock__stream *child, const struct usock__stream *parent)
{
	struct usock *sock = &child->inet.sock;

	sock->options = parent->inet.sock.options;
	child->inet.ip = parent->inet.ip;
	child->inet.ip.opts_len = 0;
	child->inet.bound_addr = parent->inet.bound_addr;
	child->options = parent->options;
	child->options.defer_accept = 0;
	child->sndbuf_locked = parent->sndbuf_locked;
	memcpy(child->tcp.option, parent->tcp.option, sizeof(child->tcp.option));
	usock__stream_options_prepare(child);
	child->tcp.family = sock->family;
	child->tcp.v6only = parent->inet.ip.v6only;
}

struct usock_tcp *usock_tcp_accept(struct usock_tcp *tcp, void *pcb, const struct usock_endpoint *local,
                                   const struct usock_endpoint *remote)
{
	struct usock__listener *listener = listener_of(tcp);
	struct usock_stack *stack = listener->stack;
	struct usock__stream *parent = choose(listener, local, remote);
	struct usock__stream *child;
	struct usock *sock;

	if (parent == NULL)
		return NULL;
	sock = usock__new(stack, &usock__stream_kind, sizeof(struct usock__stream), parent->inet.sock.family,
	                  SOCK_STREAM, parent->inet.sock.protocol);
	if (sock == NULL)
		return NULL;
	child = usock__stream_of(sock);
	usock__stream_defaults(child);
	child->parent = parent;
	child->phase = PHASE_CONNECTED;
	child->inet.local = child->tcp.local = *local;
	child->inet.remote = child->tcp.remote = *remote;
	inherit(child, parent);
	child->tcp.pcb = pcb;
	usock__bind_accepted(&child->inet);
	usock__stream_set(child, STREAM_ESTABLISHED);
	if (parent->options.defer_accept > 0) {
		child->is_deferred = true;
		child->queue_next = parent->deferred;
		parent->deferred = child;
		parent->deferred_len++;
		usock__timer_set(stack, &child->timer,
		                 usock_now(stack) + usock__stream_defer_seconds(parent) * INT64_C(1000000000));
	} else {
		enqueue(parent, child);
	}
	return &child->tcp;
}
