/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * owed.c - acknowledgements that wait until the lock is given back.
 *
 * Frames come in batches, and lwIP would acknowledge every second segment of one. Each acknowledgement is a frame, and
 * costs the network and both ends nearly as much as a full one. So what is owed to a peer while a batch is taken in,
 * and while the program takes it over, is noted here and sent once, in engine_settle, which says it all: how much has
 * come and how far the window is open. Linux does the same where it merges the segments of a batch before its TCP sees
 * them (GRO).
 *
 * What waits is only the empty segment. Data takes the acknowledgement along at once, segments out of order are
 * answered one by one, as the peer counts the answers, and what the clock of delayed acknowledgements sends does not
 * come here.
 *
 * One large segment of shared memory stands for several, so it is acknowledged as the second of them would be (RFC 5681, 4.2).
 *
 * The other half of it: a peer that acknowledges many segments at once must not be taken for one that has received few.
 * lwIP's window grows by two segments for an acknowledgement, however many it covers (on_sent sees to the others).
 */
#include "engine.h"

bool owed_put_off(struct conn *conn)
{
	const struct tcp_pcb *pcb = &conn->pcb;
	struct engine *e = conn->e;

	if (!e->input || !(pcb->flags & TF_ACK_NOW) || pcb->unsent ||
	    (pcb->state != ESTABLISHED && pcb->state != CLOSE_WAIT && pcb->state != FIN_WAIT_1 &&
	     pcb->state != FIN_WAIT_2))
		return false;
	owed_add(conn);
	return true;
}

void owed_at_once(struct conn *conn)
{
	if (conn->place != CONN_LIVING || !(conn->pcb.flags & TF_ACK_DELAY))
		return;
	conn->pcb.flags |= TF_ACK_NOW;
	owed_add(conn);
}

void owed_add(struct conn *conn)
{
	if (conn->owes)
		return;
	conn->owes = true;
	conn->owes_next = conn->e->owing;
	conn->e->owing = conn;
}

void owed_forget(struct conn *conn)
{
	struct conn **at = &conn->e->owing;

	if (!conn->owes)
		return;
	while (*at != conn)
		at = &(*at)->owes_next;
	*at = conn->owes_next;
	conn->owes = false;
}

void engine_settle(void *arg)
{
	struct engine *e = engine_enter(arg);

	while (e->owing) {
		struct conn *conn = e->owing;

		owed_forget(conn);
		if (conn->pcb.flags & TF_ACK_NOW)
			conn_output(conn);
	}
}
