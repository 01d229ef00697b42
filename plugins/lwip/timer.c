/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * timer.c - clocks that run only while somebody needs them.
 *
 * lwIP counts in ticks: half a second for most of TCP (retransmissions it has not been told of, keep-alives,
 * TIME-WAIT), a tenth for reports of group membership. They tick while there is a connection that needs it, or a report
 * pending, and stand still otherwise, so an idle stack wakes nobody, with open connections or without. Delayed
 * acknowledgements go out after 40 ms as Linux's do (lwIP alone: 250), by a clock that is started when one is delayed.
 *
 * Each clock has a list of the connections that it has to look at, which lwIP's functions for it are shown and no
 * others. A connection enters when something happens to it (timer_conn), and leaves when the clock finds that it has no
 * reason to be there. So what a tick costs depends on how many connections are at work, not on how many there are.
 *
 * Retransmissions have a clock of their own. lwIP measures round trips in ticks and cannot send again before a second has passed;
 * here they are measured in microseconds and the time-out follows RFC 6298, from 200 ms on as on Linux. When it passes, what
 * lwIP does at its own is done. conn->backoff doubles it each time; lwIP's count of attempts decides when to give up, and
 * it is kept from counting by itself meanwhile (rtime). The handshake is the first round trip that is measured.
 *
 * The end of what was sent, or all of it, may be lost without anything behind it that would make the peer say so. So before
 * the time-out, after two round trips and what a peer may delay an acknowledgement, the first segment is sent again and
 * counts as lost (as in RFC 8985, 7, which sends the last, for peers with SACK): that costs half of the window, where the
 * time-out costs all of it. Once, till something is acknowledged.
 */
#include "engine.h"

#include <errno.h>

#define RTO_MIN 200000U /* microseconds */
#define RTO_FIRST 1000000U
#define RTO_MAX 120000000U
#define ACK_DELAY_MAX 50000U
#define TIME_WAIT_TICKS 120U /* a minute, as Linux */
#define TIME_WAITS_MAX 16384U
#define ORPHAN_ATTEMPTS_MAX 8U /* of one that its program has closed: as net.ipv4.tcp_orphan_retries */
#define ATTEMPTS_MAX 15U       /* as net.ipv4.tcp_retries2 */
#define SYN_ATTEMPTS 6U

static const int64_t period[CLOCKS] = {[CLOCK_SLOW] = 500 * MILLISECOND,
                                       [CLOCK_FAST] = 40 * MILLISECOND,
                                       [CLOCK_REXMIT] = 50 * MILLISECOND,
                                       [CLOCK_GROUPS] = 100 * MILLISECOND,
                                       [CLOCK_TRIM] = 500 * MILLISECOND};

static void arm(struct engine *e, enum engine_clock clock)
{
	if (e->due[clock] != INET_NEVER)
		return;
	e->due[clock] = usock_now(e->stack) + period[clock];
	usock_deadline_changed(e->stack);
}

void timer_trim(struct engine *e)
{
	arm(e, CLOCK_TRIM);
}

/** needs - does a living connection need a clock? */
static bool needs(const struct conn *conn, enum engine_clock clock)
{
	const struct tcp_pcb *pcb = &conn->pcb;

	if (clock == CLOCK_FAST)
		return pcb->flags & (TF_ACK_DELAY | TF_CLOSEPEND);
	if (clock == CLOCK_REXMIT)
		return pcb->unacked;
	/* lwIP's has much to do, but nothing for a connection on which nothing happens and nobody asked for
	 * keep-alives. */
	return (pcb->state != ESTABLISHED && pcb->state != CLOSE_WAIT) || pcb->unsent || pcb->unacked || pcb->ooseq ||
	       pcb->refused_data || pcb->persist_backoff > 0 || (pcb->so_options & SOF_KEEPALIVE) ||
	       (pcb->flags & TF_CLOSEPEND);
}

void timer_conn(struct engine *e, struct conn *conn)
{
	if (conn->place == CONN_OVER)
		arm(e, CLOCK_SLOW);
	for (enum engine_clock clock = 0; conn->place == CONN_LIVING && clock < CONN_CLOCKS; clock++) {
		if (conn->clocks >> clock & 1 || !needs(conn, clock))
			continue;
		LIST_INSERT_HEAD(&e->clocked[clock], conn, clock[clock]);
		conn->clocks |= (uint8_t)(1U << clock);
		arm(e, clock);
	}
}

static void leave(struct conn *conn, enum engine_clock clock)
{
	if (conn->clocks >> clock & 1)
		LIST_REMOVE(conn, clock[clock]);
	conn->clocks &= (uint8_t) ~(1U << clock);
}

void timer_leave(struct conn *conn)
{
	for (enum engine_clock clock = 0; clock < CONN_CLOCKS; clock++)
		leave(conn, clock);
}

/** prune - those that need a clock no longer leave it, and it goes on if there are others */
static void prune(struct engine *e, enum engine_clock clock)
{
	struct conn *next;

	for (struct conn *conn = LIST_FIRST(&e->clocked[clock]); conn; conn = next) {
		next = LIST_NEXT(conn, clock[clock]);
		if (!needs(conn, clock))
			leave(conn, clock);
	}
	if (!LIST_EMPTY(&e->clocked[clock]))
		arm(e, clock);
}

/** shown - let a function of lwIP's walk the connections of a clock */
static void shown(struct engine *e, enum engine_clock clock, void (*function)(void))
{
	struct tcp_pcb *list = NULL;
	struct conn *conn;

	LIST_FOREACH(conn, &e->clocked[clock], clock[clock])
	{
		conn->pcb.next = list;
		list = &conn->pcb;
	}
	*e->lw.tcp_active_pcbs = list;
	function();
	*e->lw.tcp_active_pcbs = NULL;
}

void timer_groups(struct engine *e)
{
	arm(e, CLOCK_GROUPS);
}

int64_t engine_deadline(void *arg)
{
	const struct engine *e = arg;
	int64_t due = reass_deadline(e);

	for (enum engine_clock clock = 0; clock < CLOCKS; clock++)
		due = e->due[clock] < due ? e->due[clock] : due;
	return due;
}

uint32_t timer_rto(const struct conn *conn)
{
	uint64_t us = conn->srtt ? (uint64_t)conn->srtt + (conn->rttvar > RTO_MIN / 4 ? 4U * conn->rttvar : RTO_MIN)
	                         : RTO_FIRST;

	us <<= conn->backoff < 10 ? conn->backoff : 10;
	return us > RTO_MAX ? RTO_MAX : (uint32_t)us;
}

/** timeout - the same in nanoseconds */
static int64_t timeout(const struct conn *conn)
{
	return (int64_t)timer_rto(conn) * 1000;
}

/** doubtful - should something have been acknowledged by now? */
static bool doubtful(const struct conn *conn, int64_t now)
{
	return conn->srtt != 0 && conn->backoff == 0 && !conn->probed && !conn->recovering &&
	       conn->pcb.state >= ESTABLISHED &&
	       now - conn->progress >= (2 * (int64_t)conn->srtt + ACK_DELAY_MAX) * 1000;
}

/** probe - send the first segment again before its time is over */
static void probe(struct conn *conn)
{
	conn->probed = true;
	conn_loss(conn);
	conn_output(conn);
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
	return conn->backoff >= (conn->tcp ? ATTEMPTS_MAX : ORPHAN_ATTEMPTS_MAX) &&
	       now - conn->progress >= timeout(conn);
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
	struct conn *next;

	for (struct conn *conn = LIST_FIRST(&e->clocked[CLOCK_REXMIT]); conn; conn = next) {
		next = LIST_NEXT(conn, clock[CLOCK_REXMIT]);
		if (!conn->pcb.unacked)
			continue;
		if (given_up(conn, now))
			fail(conn);
		else if (now - conn->progress >= timeout(conn))
			again(conn);
		else if (doubtful(conn, now))
			probe(conn);
	}
	prune(e, CLOCK_REXMIT);
}

/** time_wait - connections that are over for a minute, or too many of them */
static void time_wait(struct engine *e)
{
	struct conn *oldest;

	while ((oldest = TAILQ_LAST(&e->over, conn_queue)) &&
	       (e->over_count > TIME_WAITS_MAX || *e->lw.tcp_ticks - oldest->pcb.tmr > TIME_WAIT_TICKS))
		e->lw.tcp_abandon(&oldest->pcb, 0);
	if (oldest)
		arm(e, CLOCK_SLOW);
}

static void slow(struct engine *e)
{
	struct conn *conn;

	/* lwIP shall neither send again by itself nor give up before its time. */
	LIST_FOREACH(conn, &e->clocked[CLOCK_SLOW], clock[CLOCK_SLOW])
	{
		if (conn->pcb.unacked) {
			conn->pcb.rtime = 0;
			conn->pcb.nrtx = 0;
		}
	}
	shown(e, CLOCK_SLOW, e->lw.tcp_slowtmr);
	prune(e, CLOCK_SLOW);
	time_wait(e);
}

static void fast(struct engine *e)
{
	shown(e, CLOCK_FAST, e->lw.tcp_fasttmr);
	prune(e, CLOCK_FAST);
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
static bool is_due(struct engine *e, enum engine_clock clock, int64_t now)
{
	if (e->due[clock] > now)
		return false;
	e->due[clock] = INET_NEVER;
	return true;
}

void engine_timers(void *arg)
{
	struct engine *e = engine_enter(arg);
	int64_t now = usock_now(e->stack);

	if (is_due(e, CLOCK_FAST, now))
		fast(e);
	if (is_due(e, CLOCK_REXMIT, now))
		rexmit(e);
	if (is_due(e, CLOCK_SLOW, now))
		slow(e);
	if (is_due(e, CLOCK_GROUPS, now)) {
		e->lw.igmp_tmr();
		e->lw.mld6_tmr();
		if (reports_pending(e))
			arm(e, CLOCK_GROUPS);
	}
	if (is_due(e, CLOCK_TRIM, now)) {
		if (e->taken)
			arm(e, CLOCK_TRIM);
		else
			buffer_trim(e);
		e->taken = false;
	}
	reass_timers(e);
}
