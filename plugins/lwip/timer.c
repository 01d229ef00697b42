/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * timer.c - clocks that run only while somebody needs them.
 *
 * lwIP counts in ticks: half a second for most of TCP (retransmissions it has not been told of, keep-alives, TIME-WAIT), a tenth for
 * reports of group membership. They tick while there is a connection, or a report pending, and stand still otherwise, so an idle
 * stack wakes nobody. Delayed acknowledgements go out after 40 ms as Linux's do (lwIP alone: 250), by a clock that is started when
 * one is delayed.
 *
 * Retransmissions have a clock of their own. lwIP measures round trips in ticks and cannot send again before a second has passed;
 * here they are measured in microseconds and the time-out follows RFC 6298, from 200 ms on as on Linux. When it passes, what
 * lwIP does at its own is done. conn->backoff doubles it each time; lwIP's count of attempts decides when to give up, and
 * it is kept from counting by itself meanwhile (rtime).
 */
#include "engine.h"

#include <errno.h>

#define SLOW (500 * MILLISECOND)
#define FAST (40 * MILLISECOND)
#define GROUPS (100 * MILLISECOND)
#define REXMIT (50 * MILLISECOND) /* how often connections are looked at */
#define RTO_MIN 200000U           /* microseconds */
#define RTO_FIRST 1000000U
#define RTO_MAX 120000000U
#define TIME_WAIT_TICKS 120U      /* a minute, as Linux */
#define TIME_WAITS_MAX 16384U
#define ATTEMPTS_MAX 15U          /* as net.ipv4.tcp_retries2 */
#define SYN_ATTEMPTS 6U

static void arm(struct engine *e, int64_t *due, int64_t after)
{
	if (*due != INET_NEVER)
		return;
	*due = usock_now(e->stack) + after;
	usock_deadline_changed(e->stack);
}

void timer_tcp(struct engine *e)
{
	arm(e, &e->slow_due, SLOW);
}

void timer_ack(struct engine *e)
{
	arm(e, &e->fast_due, FAST);
}

void timer_groups(struct engine *e)
{
	arm(e, &e->group_due, GROUPS);
}

void timer_rexmit(struct engine *e, struct conn *conn)
{
	(void)conn;
	arm(e, &e->rexmit_due, REXMIT);
}

int64_t engine_deadline(void *arg)
{
	const struct engine *e = arg;
	int64_t due = reass_deadline(e);

	due = e->slow_due < due ? e->slow_due : due;
	due = e->fast_due < due ? e->fast_due : due;
	due = e->rexmit_due < due ? e->rexmit_due : due;
	return e->group_due < due ? e->group_due : due;
}

/** timeout - of retransmission, in nanoseconds */
static int64_t timeout(const struct conn *conn)
{
	uint64_t us = conn->srtt ? (uint64_t)conn->srtt + (conn->rttvar > RTO_MIN / 4 ? 4U * conn->rttvar : RTO_MIN) : RTO_FIRST;

	us <<= conn->backoff < 10 ? conn->backoff : 10;
	if (us > RTO_MAX)
		us = RTO_MAX;
	return (int64_t)us * 1000;
}

/** again - nothing has been acknowledged for too long: send again what was first, carefully */
static void again(struct conn *conn)
{
	struct tcp_pcb *pcb = &conn->pcb;
	tcpwnd_size_t flight = LWIP_MIN(pcb->cwnd, pcb->snd_wnd);

	if (conn->e->lw.tcp_rexmit_rto_prepare(pcb) != ERR_OK)
		return;
	if (conn->backoff == 0) {
		pcb->ssthresh = LWIP_MAX(flight >> 1, (tcpwnd_size_t)(pcb->mss << 1));
		pcb->bytes_acked = 0;
	}
	pcb->cwnd = pcb->mss;
	pcb->dupacks = 0;
	pcb->flags &= (tcpflags_t)~TF_INFR;
	conn->recovering = false;
	conn->timed_at = 0;
	conn->retransmitted++;
	if (conn->backoff < 255)
		conn->backoff++;
	conn->progress = usock_now(conn->e->stack);
	conn->e->lw.tcp_rexmit_rto_commit(pcb);
}

/** given_up - has a connection tried often or long enough? */
static bool given_up(const struct conn *conn, int64_t now)
{
	int limit = conn->tcp ? conn->tcp->option[USOCK_TCP_USER_TIMEOUT] : 0;

	if (conn->pcb.state == SYN_SENT) {
		int count = conn->tcp ? conn->tcp->option[USOCK_TCP_SYNCNT] : 0;

		return conn->backoff >= (count > 0 ? (unsigned int)count : SYN_ATTEMPTS) &&
		       now - conn->progress >= timeout(conn);
	}
	if (limit > 0 && conn->stalled_since && now - conn->stalled_since >= limit * MILLISECOND)
		return true;
	return conn->backoff >= ATTEMPTS_MAX && now - conn->progress >= timeout(conn);
}

/** fail - end a connection that got no answer */
static void fail(struct conn *conn)
{
	struct engine *e = conn->e;

	conn_end(conn, conn->soft_error ? conn->soft_error : -ETIMEDOUT);
	e->lw.tcp_abandon(&conn->pcb, conn->pcb.state != SYN_SENT);
}

/** rexmit - look at everything that is on its way */
static void rexmit(struct engine *e)
{
	int64_t now = usock_now(e->stack);
	struct tcp_pcb *next;
	bool more = false;

	for (struct tcp_pcb *pcb = *e->lw.tcp_active_pcbs; pcb; pcb = next) {
		struct conn *conn = (struct conn *)pcb;

		next = pcb->next;
		if (!pcb->unacked)
			continue;
		more = true;
		if (given_up(conn, now))
			fail(conn);
		else if (now - conn->progress >= timeout(conn))
			again(conn);
	}
	if (more)
		arm(e, &e->rexmit_due, REXMIT);
}

/** before_tick - lwIP shall neither send again by itself nor give up before its time */
static void before_tick(struct engine *e)
{
	for (struct tcp_pcb *pcb = *e->lw.tcp_active_pcbs; pcb; pcb = pcb->next) {
		if (pcb->unacked) {
			pcb->rtime = 0;
			pcb->nrtx = 0;
		}
	}
}

/** time_wait - connections that are over for a minute, or too many of them */
static void time_wait(struct engine *e)
{
	unsigned int count = 0;
	struct tcp_pcb *next;

	for (struct tcp_pcb *pcb = *e->lw.tcp_tw_pcbs; pcb; pcb = next) {
		next = pcb->next;
		if (++count > TIME_WAITS_MAX || *e->lw.tcp_ticks - pcb->tmr > TIME_WAIT_TICKS) {
			e->lw.tcp_pcb_remove(e->lw.tcp_tw_pcbs, pcb);
			e->lw.tcp_free(pcb);
			count--;
		}
	}
}

static void slow(struct engine *e)
{
	before_tick(e);
	e->lw.tcp_slowtmr();
	time_wait(e);
	if (*e->lw.tcp_active_pcbs || *e->lw.tcp_tw_pcbs)
		arm(e, &e->slow_due, SLOW);
	else
		buffer_trim(e);
}

static void fast(struct engine *e)
{
	e->lw.tcp_fasttmr();
	for (const struct tcp_pcb *pcb = *e->lw.tcp_active_pcbs; pcb; pcb = pcb->next) {
		if (pcb->flags & (TF_ACK_DELAY | TF_CLOSEPEND))
			arm(e, &e->fast_due, FAST);
	}
}

/** reports_pending - does a group of any interface still have something to tell? */
static bool reports_pending(struct engine *e)
{
	for (const struct netif *netif = *e->lw.netif_list; netif; netif = netif->next) {
		for (const struct igmp_group *group = netif_igmp_data(netif); group; group = group->next) {
			if (group->timer > 0)
				return true;
		}
		for (const struct mld_group *group = netif_mld6_data(netif); group; group = group->next) {
			if (group->timer > 0)
				return true;
		}
	}
	return false;
}

/** due - is it time? Then the clock is stopped, for what it calls to start it again */
static bool is_due(int64_t *due, int64_t now)
{
	if (*due > now)
		return false;
	*due = INET_NEVER;
	return true;
}

void engine_timers(void *arg)
{
	struct engine *e = engine_enter(arg);
	int64_t now = usock_now(e->stack);

	if (is_due(&e->fast_due, now))
		fast(e);
	if (is_due(&e->rexmit_due, now))
		rexmit(e);
	if (is_due(&e->slow_due, now))
		slow(e);
	if (is_due(&e->group_due, now)) {
		e->lw.igmp_tmr();
		e->lw.mld6_tmr();
		if (reports_pending(e))
			arm(e, &e->group_due, GROUPS);
	}
	reass_timers(e);
}
