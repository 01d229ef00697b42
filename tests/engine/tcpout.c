/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tcpout.c - segments of the test engine that leave: data as far as the peer's window goes, acknowledgements, resets. */
#include "engine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 20
#define RTO_MIN (200 * MS)
#define RTO_MAX (60000 * MS)

uint32_t tcp_window(const struct tcb *tcb)
{
	size_t room = WINDOW_MAX;

	if (tcb->tcp && tcb->tcp->option[USOCK_TCP_RCVBUF] > 0 && (size_t)tcb->tcp->option[USOCK_TCP_RCVBUF] < room)
		room = (size_t)tcb->tcp->option[USOCK_TCP_RCVBUF];
	return tcb->given < room ? (uint32_t)(room - tcb->given) : 0;
}

static void put16(unsigned char *at, unsigned int value)
{
	uint16_t number = htons((uint16_t)value);

	memcpy(at, &number, sizeof(number));
}

static void put32(unsigned char *at, uint32_t value)
{
	value = htonl(value);
	memcpy(at, &value, sizeof(value));
}

static int option_of(const struct tcb *tcb, enum usock_tcp_option option, int without)
{
	return tcb->tcp ? tcb->tcp->option[option] : without;
}

void tcp_send_segment(struct tcb *tcb, uint32_t seq, unsigned int flags, size_t offset, size_t len)
{
	unsigned char segment[HEADER + 8 + LINK_FRAME_MAX] = {0};
	size_t head = HEADER;
	uint32_t window = tcp_window(tcb), up = tcb->snd_up - seq;

	if (flags & SYN) {
		unsigned int mtu = ip_mtu(tcb->engine, &tcb->flow, 0);
		unsigned int mss = mtu - (tcb->flow.family == AF_INET ? 40 : 60);
		int wanted = option_of(tcb, USOCK_TCP_MAXSEG, 0);

		if (wanted > 0 && (unsigned int)wanted < mss)
			mss = (unsigned int)wanted;
		segment[20] = 2;
		segment[21] = 4;
		put16(segment + 22, mss < 65535 ? mss : 65535);
		head += 4;
		if (!(flags & ACK) || tcb->rcv_shift) {
			segment[24] = 1;
			segment[25] = 3;
			segment[26] = 3;
			segment[27] = WINDOW_SHIFT;
			head += 4;
		}
	}
	put16(segment, tcb->port);
	put16(segment + 2, tcb->peer_port);
	put32(segment + 4, seq);
	if (flags & ACK)
		put32(segment + 8, tcb->rcv_nxt);
	if (tcb->urgent && len > 0 && (int32_t)up > 0 && up < 65536) {
		flags |= URG;
		put16(segment + 18, up);
	}
	segment[12] = (unsigned char)(head / 4 << 4);
	segment[13] = (unsigned char)flags;
	if (!(flags & SYN)) {
		uint32_t shown = window >> tcb->rcv_shift;

		tcb->rcv_adv = tcb->rcv_nxt + ((shown < 65535 ? shown : 65535) << tcb->rcv_shift);
		put16(segment + 14, shown < 65535 ? shown : 65535);
	} else {
		tcb->rcv_adv = tcb->rcv_nxt + (window < 65535 ? window : 65535);
		put16(segment + 14, window < 65535 ? window : 65535);
	}
	if (len > 0)
		memcpy(segment + head, tcb->sndbuf + offset, len);
	tcb->ack_now = false;
	ip_send(tcb->engine, &tcb->flow, IPPROTO_TCP, option_of(tcb, USOCK_TCP_TTL, -1),
	        option_of(tcb, USOCK_TCP_TOS, 0), (unsigned int)option_of(tcb, USOCK_TCP_BOUND_IF, 0), segment,
	        head + len, 16);
}

/** arm - the retransmission timer; it doubles with each retry */
static void arm(struct tcb *tcb)
{
	int64_t now = usock_now(tcb->engine->stack), rto = RTO_MIN;

	for (unsigned int i = 0; i < tcb->retries && rto < RTO_MAX; i++)
		rto *= 2;
	if (tcb->state == SYN_SENT || tcb->state == SYN_RECEIVED)
		rto *= 5;
	if (tcb->retries == 0)
		tcb->since = now;
	tcb->retransmit = now + (rto < RTO_MAX ? rto : RTO_MAX);
	usock_deadline_changed(tcb->engine->stack);
}

/** hold - had an incomplete segment better wait? (Nagle; MSG_MORE) */
static bool hold(const struct tcb *tcb, size_t len, bool last)
{
	if (len >= tcb->mss || !last)
		return false;
	if (tcb->fin || (tcb->urgent && seq_lt(tcb->snd_nxt, tcb->snd_up)))
		return false;
	if (tcb->more)
		return true;
	return !option_of(tcb, USOCK_TCP_NODELAY, 1) && tcb->snd_nxt != tcb->snd_una;
}

/**
 * tcp_push - send what may be sent: data within the window, the FIN, or an acknowledgement that is due
 */
void tcp_push(struct tcb *tcb)
{
	uint32_t end = tcb->snd_una + (uint32_t)tcb->queued;
	bool sending = tcb->state == ESTABLISHED || tcb->state == CLOSE_WAIT || tcb->state == FIN_WAIT_1 ||
	               tcb->state == CLOSING || tcb->state == LAST_ACK;

	while (sending && !tcb->dead) {
		uint32_t limit = tcb->snd_una + tcb->snd_wnd;
		size_t offset = tcb->snd_nxt - tcb->snd_una, left, len;
		bool last, fin;

		if (seq_lt(end, tcb->snd_nxt))
			break; /* the FIN has been sent */
		left = end - tcb->snd_nxt;
		len = left < tcb->mss ? left : tcb->mss;
		if (seq_lt(limit, tcb->snd_nxt + (uint32_t)len))
			len = seq_lt(tcb->snd_nxt, limit) ? limit - tcb->snd_nxt : 0;
		last = len == left;
		fin = tcb->fin && last;
		if (len == 0 && !fin)
			break;
		if (hold(tcb, len, last))
			break;
		if (len < left && len < tcb->mss && tcb->snd_nxt != tcb->snd_una)
			break; /* a silly little window: it will grow */
		tcp_send_segment(tcb, tcb->snd_nxt, ACK | (fin ? FIN : 0U) | (last ? PSH : 0U), offset, len);
		tcb->snd_nxt += (uint32_t)len + fin;
		if (seq_lt(tcb->snd_max, tcb->snd_nxt))
			tcb->snd_max = tcb->snd_nxt;
		if (tcb->retransmit == INET_NEVER)
			arm(tcb);
	}
	if (sending && tcb->queued > 0 && tcb->snd_nxt == tcb->snd_una && tcb->snd_wnd == 0 &&
	    tcb->persist == INET_NEVER) {
		tcb->persist = usock_now(tcb->engine->stack) + RTO_MIN;
		usock_deadline_changed(tcb->engine->stack);
	}
	if (tcb->ack_now && !tcb->dead)
		tcp_send_segment(tcb, tcb->snd_nxt, ACK, 0, 0);
}

void tcp_reset(struct engine *e, const struct ip_flow *flow, uint16_t from, uint16_t to, uint32_t seq, uint32_t ack,
               bool with_ack)
{
	unsigned char segment[HEADER] = {0};

	put16(segment, from);
	put16(segment + 2, to);
	put32(segment + 4, seq);
	if (with_ack)
		put32(segment + 8, ack);
	segment[12] = HEADER / 4 << 4;
	segment[13] = RST | (with_ack ? ACK : 0);
	ip_send(e, flow, IPPROTO_TCP, -1, 0, 0, segment, sizeof(segment), 16);
}
