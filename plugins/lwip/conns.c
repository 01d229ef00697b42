/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conns.c - all connections and listeners of a stack, and what lwIP sees of them.
 *
 * Theory of operation
 *
 * lwIP keeps connections in lists and walks them: for each segment that comes in, and for each connection that ends.
 * Here its lists (living connections, those in TIME-WAIT, listeners) are empty nearly always. The connections are in a
 * hash table by their two endpoints, the listeners in one by port, and in lists that can be left at any place.
 *
 *  - What lwIP puts into a list is at its head, and lwIP asks for its clock right afterwards (tcp_timer_needed,
 * slots.c): there it is taken out again and put where it belongs (conns_registered).
 *  - To take something out of a list that it is not in is nothing to lwIP. That it is freed is noticed where memory is
 * given back (conns_forget).
 *  - lwIP looks for the connection of a segment in its lists: conns_input puts there what the table has found, nothing
 * else.
 *  - Its clocks walk the living connections: timer.c puts into the list those that have a reason to be looked at.
 *
 * The peer chooses half of what is hashed, so the function is a secret one: sums of products of the words with random
 * ones (NH, of UMAC, Black et al. 1999), for which no two endpoints are likely to fall together, multiplied by a random
 * number (Dietzfelbinger et al. 1997), of which the upper half is used.
 */
#include "engine.h"

#include <string.h>

#define OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

void conns_open(struct engine *e)
{
	TAILQ_INIT(&e->living);
	TAILQ_INIT(&e->over);
	table_open(&e->conns);
	table_open(&e->listeners);
	usock_random(e->stack, &e->hash, sizeof(e->hash));
}

void conns_close(struct engine *e)
{
	table_close(&e->conns);
	table_close(&e->listeners);
}

static uint32_t hash_conn(const struct engine *e, const ip_addr_t *local, unsigned int lport, const ip_addr_t *remote,
                          unsigned int rport)
{
	const uint32_t *key = e->hash.key;
	bool v6 = IP_IS_V6(remote);
	uint64_t sum = (uint64_t)((uint32_t)(lport << 16 | rport) + key[0]) * (v6 + key[1]);

	if (v6) {
		for (unsigned int i = 0; i < 4; i++)
			sum += (uint64_t)(local->u_addr.ip6.addr[i] + key[2 + 2 * i]) *
			       (remote->u_addr.ip6.addr[i] + key[3 + 2 * i]);
	} else {
		sum += (uint64_t)(local->u_addr.ip4.addr + key[2]) * (remote->u_addr.ip4.addr + key[3]);
	}
	return (uint32_t)((sum * (e->hash.factor | 1)) >> 32);
}

static uint32_t hash_port(const struct engine *e, unsigned int port)
{
	return (uint32_t)((port * (e->hash.factor | 1)) >> 32) ^ (port << 16);
}

struct conn *conns_find(const struct engine *e, const ip_addr_t *local, unsigned int lport, const ip_addr_t *remote,
                        unsigned int rport)
{
	uint32_t hash = hash_conn(e, local, lport, remote, rport);

	for (struct hashed *h = table_first(&e->conns, hash); h; h = table_next(h->next, hash)) {
		struct conn *conn = OF(struct conn, hashed, h);
		const struct tcp_pcb *pcb = &conn->pcb;

		if (pcb->local_port == lport && pcb->remote_port == rport && ip_addr_cmp(&pcb->remote_ip, remote) &&
		    ip_addr_cmp(&pcb->local_ip, local))
			return conn;
	}
	return NULL;
}

/** next_listener - @h itself or who follows, that listens to @port */
static struct listener *next_listener(struct hashed *h, uint32_t hash, unsigned int port)
{
	for (h = table_next(h, hash); h; h = table_next(h->next, hash)) {
		struct listener *listener = OF(struct listener, hashed, h);

		if (listener->pcb.local_port == port)
			return listener;
	}
	return NULL;
}

struct listener *listeners_first(const struct engine *e, unsigned int port)
{
	uint32_t hash = hash_port(e, port);

	return next_listener(table_first(&e->listeners, hash), hash, port);
}

struct listener *listeners_next(const struct listener *listener)
{
	return next_listener(listener->hashed.next, listener->hashed.hash, listener->pcb.local_port);
}

/** settle - a connection is new, or has come to TIME-WAIT */
static void settle(struct engine *e, struct conn *conn, enum conn_place place)
{
	struct tcp_pcb *pcb = &conn->pcb;

	if (conn->place == CONN_LIVING)
		TAILQ_REMOVE(&e->living, conn, all);
	conn->place = place;
	if (place == CONN_OVER) {
		TAILQ_INSERT_HEAD(&e->over, conn, all);
		e->over_count++;
		timer_leave(conn);
	} else {
		TAILQ_INSERT_HEAD(&e->living, conn, all);
		e->youngest = conn;
	}
	if (!conn->hashed.link)
		table_put(&e->conns, &conn->hashed,
		          hash_conn(e, &pcb->local_ip, pcb->local_port, &pcb->remote_ip, pcb->remote_port));
	timer_conn(e, conn);
}

void conns_registered(struct engine *e)
{
	struct conn *conn = (struct conn *)*e->lw.tcp_active_pcbs;
	struct listener *listener = (struct listener *)e->lw.tcp_listen_pcbs->listen_pcbs;

	if (conn && conn->place != CONN_LIVING) {
		*e->lw.tcp_active_pcbs = conn->pcb.next;
		settle(e, conn, CONN_LIVING);
	}
	conn = (struct conn *)*e->lw.tcp_tw_pcbs;
	if (conn && conn->place != CONN_OVER) {
		*e->lw.tcp_tw_pcbs = conn->pcb.next;
		settle(e, conn, CONN_OVER);
	}
	if (listener && !listener->hashed.link) {
		e->lw.tcp_listen_pcbs->listen_pcbs = listener->pcb.next;
		table_put(&e->listeners, &listener->hashed, hash_port(e, listener->pcb.local_port));
	}
}

void conns_forget(struct engine *e, struct conn *conn)
{
	if (conn->place == CONN_LIVING)
		TAILQ_REMOVE(&e->living, conn, all);
	if (conn->place == CONN_OVER) {
		TAILQ_REMOVE(&e->over, conn, all);
		e->over_count--;
	}
	conn->place = CONN_NEW;
	table_take(&e->conns, &conn->hashed);
	timer_leave(conn);
	if (e->youngest == conn)
		e->youngest = NULL;
	if (e->seen == conn)
		e->seen = NULL;
}

void listeners_forget(struct engine *e, struct listener *listener)
{
	table_take(&e->listeners, &listener->hashed);
}

void conns_refresh(struct engine *e, struct conn *conn)
{
	TAILQ_REMOVE(&e->over, conn, all);
	TAILQ_INSERT_HEAD(&e->over, conn, all);
}

struct conn *conns_input(struct engine *e, struct pbuf *p, struct netif *netif, struct conn *conn,
                         struct listener *listener)
{
	struct lwip *lw = &e->lw;

	e->seen = conn;
	if (conn) {
		conn->pcb.next = NULL;
		*(conn->place == CONN_OVER ? lw->tcp_tw_pcbs : lw->tcp_active_pcbs) = &conn->pcb;
	}
	if (listener) {
		listener->pcb.next = NULL;
		lw->tcp_listen_pcbs->listen_pcbs = &listener->pcb;
	}
	lw->tcp_input(p, netif);
	*lw->tcp_active_pcbs = *lw->tcp_tw_pcbs = NULL;
	lw->tcp_listen_pcbs->listen_pcbs = NULL;
	conn = e->seen;
	e->seen = NULL;
	return conn;
}
