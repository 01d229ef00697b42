/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tcp.c - TCP of the test engine (RFC 9293): the states of connections, and what usock asks of them.
 *
 * A tcb belongs to the engine. usock may end it from within what it is told, so a dead one is freed only when the engine has
 * nothing more to do with it (sweep).
 *
 * The send queue is one buffer that begins at snd_una. snd_nxt goes back to snd_una to retransmit (go back N); snd_max remembers how far
 * it had been.
 */
#include "engine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TIME_WAIT_NS (1000 * MS)
#define FIN_WAIT_NS (60000 * MS)
#define RETRIES 15
#define SYN_RETRIES 6

struct segment {
	uint16_t from, to;
	uint32_t seq, ack;
	unsigned int flags, window, urg;
	const unsigned char *data;
	size_t len;
	unsigned int mss, shift;
	bool has_shift;
};

/* ------------------------------------------------------------------------------------------------------------ tables */

static struct tcb *tcb_new(struct engine *e, struct usock_tcp *tcp)
{
	struct tcb *tcb = engine_alloc(e, sizeof(*tcb));

	if (!tcb)
		return NULL;
	*tcb = (struct tcb){.engine = e,
	                    .tcp = tcp,
	                    .next = e->tcbs,
	                    .mss = 536,
	                    .retransmit = INET_NEVER,
	                    .persist = INET_NEVER,
	                    .expire = INET_NEVER,
	                    .keep = INET_NEVER};
	usock_random(e->stack, &tcb->iss, sizeof(tcb->iss));
	tcb->snd_una = tcb->snd_nxt = tcb->snd_max = tcb->snd_up = tcb->iss;
	e->tcbs = tcb;
	return tcb;
}

/** state_set - the one place where a connection changes its state */
static void state_set(struct tcb *tcb, enum tcp_state state)
{
	int64_t now = usock_now(tcb->engine->stack);

	tcb->state = state;
	if (state == TIME_WAIT) {
		tcb->retransmit = tcb->persist = tcb->keep = INET_NEVER;
		tcb->expire = now + TIME_WAIT_NS;
	} else if (state == FIN_WAIT_2 && !tcb->tcp) {
		tcb->expire = now + FIN_WAIT_NS;
	}
	if (state == ESTABLISHED && tcb->tcp && tcb->tcp->option[USOCK_TCP_KEEPALIVE])
		tcb->keep = now + tcb->tcp->option[USOCK_TCP_KEEPIDLE] * 1000LL * MS;
	usock_deadline_changed(tcb->engine->stack);
}

void tcb_die(struct tcb *tcb, int error)
{
	struct usock_tcp *tcp = tcb->tcp;

	if (tcb->dead)
		return;
	tcb->dead = true;
	tcb->state = CLOSED;
	tcb->tcp = NULL;
	if (tcp) {
		tcp->pcb = NULL;
		if (error)
			usock_tcp_error(tcp, error);
	}
}

/** sweep - free the dead */
static void sweep(struct engine *e)
{
	if (e->busy)
		return;
	for (struct tcb **at = &e->tcbs; *at;) {
		struct tcb *tcb = *at;

		if (!tcb->dead) {
			at = &tcb->next;
			continue;
		}
		*at = tcb->next;
		for (struct tcb *child = e->tcbs; child; child = child->next)
			if (child->listener == tcb)
				child->listener = NULL;
		while (tcb->early) {
			struct early *early = tcb->early;

			tcb->early = early->next;
			free(early);
		}
		free(tcb->sndbuf);
		free(tcb);
	}
}

static bool same_ip(int family, const union inet_ip *a, const union inet_ip *b)
{
	return memcmp(a, b, family == AF_INET ? 4 : 16) == 0;
}

/** endpoint_effective - an endpoint of usock as it is on the wire; its family */
static int endpoint_effective(int family, const struct usock_endpoint *endpoint, union inet_ip *ip)
{
	*ip = endpoint->ip;
	if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&endpoint->ip.v6)) {
		memset(ip, 0, sizeof(*ip));
		memcpy(&ip->v4, &endpoint->ip.v6.s6_addr[12], 4);
		return AF_INET;
	}
	return family;
}

static bool is_any(int family, const union inet_ip *ip)
{
	static const union inet_ip any;

	return same_ip(family, ip, &any);
}

static struct tcb *find(struct engine *e, const struct ip_flow *mine, uint16_t port, uint16_t peer_port)
{
	for (struct tcb *tcb = e->tcbs; tcb; tcb = tcb->next)
		if (!tcb->dead && tcb->state != LISTEN && tcb->port == port && tcb->peer_port == peer_port &&
		    tcb->flow.family == mine->family && same_ip(mine->family, &tcb->flow.src, &mine->src) &&
		    same_ip(mine->family, &tcb->flow.dst, &mine->dst))
			return tcb;
	return NULL;
}

/** find_listener - the one on the very address, or else on any; the interface must be the one it is bound to */
static struct tcb *find_listener(struct engine *e, const struct ip_flow *mine, uint16_t port,
                                 const struct inet_iface *iface)
{
	struct tcb *best = NULL;
	int most = 0;

	for (struct tcb *tcb = e->tcbs; tcb; tcb = tcb->next) {
		union inet_ip ip;
		int family, score, bound;

		if (tcb->dead || tcb->state != LISTEN || tcb->port != port)
			continue;
		bound = tcb->tcp->option[USOCK_TCP_BOUND_IF];
		family = endpoint_effective(tcb->tcp->family, &tcb->tcp->local, &ip);
		if (bound && (unsigned int)bound != iface->index)
			continue;
		if (family == mine->family && same_ip(family, &ip, &mine->src))
			score = 8;
		else if (is_any(family, &ip) && (family == mine->family || (family == AF_INET6 && !tcb->tcp->v6only)))
			score = family == mine->family ? 4 : 2;
		else
			continue;
		score += bound != 0;
		if (score > most) {
			most = score;
			best = tcb;
		}
	}
	return best;
}

/* ------------------------------------------------------------------------------------------------------------- input */

static uint16_t get16(const unsigned char *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const unsigned char *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

/** segment_read - take a segment apart; false when it is malformed */
static bool segment_read(struct segment *s, const unsigned char *bytes, size_t len)
{
	size_t head, at;

	if (len < 20)
		return false;
	head = (bytes[12] >> 4) * 4U;
	if (head < 20 || head > len)
		return false;
	*s = (struct segment){.from = get16(bytes),
	                      .to = get16(bytes + 2),
	                      .seq = get32(bytes + 4),
	                      .ack = get32(bytes + 8),
	                      .flags = bytes[13] & 63,
	                      .window = get16(bytes + 14),
	                      .urg = get16(bytes + 18),
	                      .data = bytes + head,
	                      .len = len - head};
	for (at = 20; at < head && bytes[at] != 0;) {
		size_t size = bytes[at] == 1 || at + 1 >= head ? 1 : bytes[at + 1];

		if (size == 0 || at + size > head)
			break;
		if (bytes[at] == 2 && size == 4)
			s->mss = get16(bytes + at + 2);
		if (bytes[at] == 3 && size == 3) {
			s->shift = bytes[at + 2] < 14 ? bytes[at + 2] : 14;
			s->has_shift = true;
		}
		at += size;
	}
	return true;
}

/** mss_take - what the peer can take and the path can carry */
static void mss_take(struct tcb *tcb, const struct segment *s)
{
	unsigned int mtu = ip_mtu(tcb->engine, &tcb->flow, 0), mss = mtu - (tcb->flow.family == AF_INET ? 40 : 60);
	int wanted = tcb->tcp ? tcb->tcp->option[USOCK_TCP_MAXSEG] : 0;

	tcb->mss = s->mss ? s->mss : 536;
	if (tcb->mss > mss)
		tcb->mss = mss;
	if (wanted > 0 && tcb->mss > (unsigned int)wanted)
		tcb->mss = (unsigned int)wanted;
	if (tcb->mss < 48)
		tcb->mss = 48;
	if (tcb->mss > 9000)
		tcb->mss = 9000;
	if (s->has_shift) {
		tcb->snd_shift = s->shift;
		tcb->rcv_shift = WINDOW_SHIFT;
	}
	tcb->snd_wnd = s->window;
}

/** listen_input - a segment for a listener */
static void listen_input(struct tcb *listener, const struct ip_flow *mine, const struct segment *s)
{
	struct engine *e = listener->engine;
	unsigned int half_open = 0;
	struct tcb *tcb;

	if (s->flags & RST)
		return;
	if (s->flags & ACK) {
		tcp_reset(e, mine, s->to, s->from, s->ack, 0, false);
		return;
	}
	if (!(s->flags & SYN))
		return;
	for (struct tcb *child = e->tcbs; child; child = child->next)
		half_open += child->listener == listener && child->state == SYN_RECEIVED;
	if (!usock_tcp_may_accept(listener->tcp, half_open))
		return;
	tcb = tcb_new(e, NULL);
	if (!tcb)
		return;
	tcb->listener = listener;
	tcb->flow = *mine;
	tcb->port = s->to;
	tcb->peer_port = s->from;
	tcb->rcv_nxt = s->seq + 1;
	mss_take(tcb, s);
	state_set(tcb, SYN_RECEIVED);
	tcp_send_segment(tcb, tcb->iss, SYN | ACK, 0, 0);
	tcb->snd_nxt = tcb->snd_max = tcb->iss + 1;
	tcb->since = usock_now(e->stack);
	tcb->retransmit = tcb->since + 1000 * MS;
}

/** endpoint_of - an endpoint on the wire as a socket of @family has it */
static struct usock_endpoint endpoint_of(int family, const struct ip_flow *flow, const union inet_ip *ip, uint16_t port)
{
	struct usock_endpoint endpoint = {.ip = *ip, .port = port};

	if (family == AF_INET6 && flow->family == AF_INET) {
		endpoint.ip = (union inet_ip){0};
		endpoint.ip.v6.s6_addr[10] = endpoint.ip.v6.s6_addr[11] = 0xff;
		memcpy(&endpoint.ip.v6.s6_addr[12], &ip->v4, 4);
	}
	return endpoint;
}

/** accept_child - the handshake of a child is done; false when nobody wants it */
static bool accept_child(struct tcb *tcb, const struct inet_iface *iface)
{
	struct tcb *listener = tcb->listener;
	struct usock_endpoint local, remote;
	int family;

	if (!listener || listener->dead)
		return false;
	family = listener->tcp->family;
	local = endpoint_of(family, &tcb->flow, &tcb->flow.src, tcb->port);
	remote = endpoint_of(family, &tcb->flow, &tcb->flow.dst, tcb->peer_port);
	if (tcb->flow.family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&tcb->flow.dst.v6))
		local.scope = remote.scope = iface->index;
	tcb->listener = NULL;
	tcb->tcp = usock_tcp_accept(listener->tcp, tcb, &local, &remote);
	return tcb->tcp != NULL;
}

/** copy_of - bytes for usock to keep; NULL: there are none, or no memory */
static unsigned char *copy_of(const struct tcb *tcb, const unsigned char *data, size_t len)
{
	unsigned char *copy = len > 0 && tcb->tcp ? engine_alloc(tcb->engine, len) : NULL;

	if (copy)
		memcpy(copy, data, len);
	return copy;
}

/** give - hand bytes to usock, which keeps them */
static void give(struct tcb *tcb, unsigned char *copy, size_t len)
{
	if (!copy)
		return;
	if (!tcb->tcp) {
		free(copy);
		return;
	}
	tcb->given += len;
	usock_tcp_input(tcb->tcp, copy, len, copy);
}

/** take_data - bytes in order; tells the urgent one apart. False: there is no memory for them, they have to come again */
static bool take_data(struct tcb *tcb, const unsigned char *data, size_t len)
{
	uint32_t before = tcb->rcv_up - tcb->rcv_nxt;
	bool urgent = tcb->has_urg && before < len;
	size_t first_len = urgent ? before : len, rest_len = urgent ? len - before - 1 : 0;
	unsigned char *first = copy_of(tcb, data, first_len), *rest = copy_of(tcb, data + len - rest_len, rest_len);

	if (tcb->tcp && ((first_len > 0 && !first) || (rest_len > 0 && !rest))) {
		free(first);
		free(rest);
		return false;
	}
	tcb->bytes_received += len;
	give(tcb, first, first_len);
	if (urgent && tcb->tcp)
		usock_tcp_urgent(tcb->tcp, data[before]);
	give(tcb, rest, rest_len);
	tcb->has_urg &= !urgent;
	tcb->rcv_nxt += (uint32_t)len;
	return true;
}

/** fin_input - the peer has ended its stream, all of which is here */
static void fin_input(struct tcb *tcb)
{
	tcb->rcv_nxt++;
	tcb->ack_now = true;
	switch (tcb->state) {
	case ESTABLISHED:
		state_set(tcb, CLOSE_WAIT);
		break;
	case FIN_WAIT_1:
		state_set(tcb, tcb->fin_acked ? TIME_WAIT : CLOSING);
		break;
	case FIN_WAIT_2:
		state_set(tcb, TIME_WAIT);
		break;
	default:
		return;
	}
	if (tcb->tcp)
		usock_tcp_fin(tcb->tcp);
}

/** keep_early - remember what came before its time, in order */
static void keep_early(struct tcb *tcb, const struct segment *s)
{
	struct early **at = &tcb->early, *early;
	unsigned int count = 0;

	for (; *at && seq_lt((*at)->seq, s->seq); at = &(*at)->next)
		count++;
	if ((*at && (*at)->seq == s->seq && (*at)->len >= s->len) || count > 1024)
		return;
	early = engine_alloc(tcb->engine, sizeof(*early) + s->len);
	if (!early)
		return;
	*early = (struct early){.next = *at, .seq = s->seq, .fin = s->flags & FIN, .len = s->len};
	memcpy(early->data, s->data, s->len);
	*at = early;
}

/** text_input - data and FIN of an acceptable segment */
static void text_input(struct tcb *tcb, struct segment *s)
{
	bool fin = s->flags & FIN;

	if (s->len == 0 && !fin)
		return;
	tcb->ack_now = true;
	if (tcb->state != ESTABLISHED && tcb->state != FIN_WAIT_1 && tcb->state != FIN_WAIT_2)
		return;
	if (s->len > 0 && !tcb->tcp) {
		/* Nobody is there to read it. */
		tcp_reset(tcb->engine, &tcb->flow, tcb->port, tcb->peer_port, s->ack, 0, false);
		tcb_die(tcb, 0);
		return;
	}
	if (seq_lt(tcb->rcv_nxt, s->seq)) {
		keep_early(tcb, s);
		return;
	}
	if (seq_le(s->seq + (uint32_t)s->len, tcb->rcv_nxt)) {
		s->len = 0;
		if (!fin || s->seq + (uint32_t)s->len != tcb->rcv_nxt)
			fin = fin && s->seq == tcb->rcv_nxt;
	} else {
		uint32_t old = tcb->rcv_nxt - s->seq;

		if (!take_data(tcb, s->data + old, s->len - old))
			return;
	}
	while (tcb->early && !fin && !tcb->dead && seq_le(tcb->early->seq, tcb->rcv_nxt)) {
		struct early *early = tcb->early;
		uint32_t old = tcb->rcv_nxt - early->seq;

		if (old < early->len && !take_data(tcb, early->data + old, early->len - old))
			return;
		tcb->early = early->next;
		if (early->fin && old <= early->len)
			fin = true;
		free(early);
	}
	if (fin && !tcb->dead)
		fin_input(tcb);
}

/** ack_input - an acknowledgement of something; false when the connection is done with */
static bool ack_input(struct tcb *tcb, const struct segment *s)
{
	uint32_t acked = s->ack - tcb->snd_una;
	bool grew = s->window << tcb->snd_shift != tcb->snd_wnd;

	tcb->snd_wnd = s->window << tcb->snd_shift;
	if (tcb->snd_wnd > 0)
		tcb->persist = INET_NEVER;
	if (seq_lt(tcb->snd_max, s->ack)) {
		tcb->ack_now = true;
		return true;
	}
	if (!seq_lt(tcb->snd_una, s->ack)) {
		if (grew)
			tcb->probes = 0;
		return true;
	}
	if (acked > tcb->queued) { /* the FIN too */
		acked = (uint32_t)tcb->queued;
		tcb->fin_acked = true;
	}
	tcb->bytes_acked += acked;
	tcb->queued -= acked;
	if (tcb->queued > 0)
		memmove(tcb->sndbuf, tcb->sndbuf + acked, tcb->queued);
	tcb->snd_una = s->ack;
	if (seq_lt(tcb->snd_nxt, tcb->snd_una))
		tcb->snd_nxt = tcb->snd_una;
	if (tcb->urgent && seq_le(tcb->snd_up, tcb->snd_una))
		tcb->urgent = false;
	tcb->retries = 0;
	tcb->soft_error = 0;
	tcb->retransmit = INET_NEVER;
	if (tcb->snd_una != tcb->snd_nxt) {
		tcb->since = usock_now(tcb->engine->stack);
		tcb->retransmit = tcb->since + 200 * MS;
	}
	if (tcb->tcp)
		usock_tcp_sent(tcb->tcp);
	if (tcb->fin_acked && !tcb->dead) {
		if (tcb->tcp)
			usock_tcp_finished(tcb->tcp);
		if (tcb->dead)
			return false;
		if (tcb->state == FIN_WAIT_1)
			state_set(tcb, FIN_WAIT_2);
		else if (tcb->state == CLOSING)
			state_set(tcb, TIME_WAIT);
		else if (tcb->state == LAST_ACK) {
			tcb_die(tcb, 0);
			return false;
		}
	}
	return !tcb->dead;
}

/** syn_sent_input - a segment while we are connecting */
static void syn_sent_input(struct tcb *tcb, struct segment *s)
{
	bool good = (s->flags & ACK) && s->ack == tcb->iss + 1;

	if ((s->flags & ACK) && !good) {
		if (!(s->flags & RST))
			tcp_reset(tcb->engine, &tcb->flow, tcb->port, tcb->peer_port, s->ack, 0, false);
		return;
	}
	if (s->flags & RST) {
		if (good)
			tcb_die(tcb, -ECONNREFUSED);
		return;
	}
	if (!(s->flags & SYN))
		return;
	tcb->rcv_nxt = s->seq + 1;
	mss_take(tcb, s);
	tcb->retries = 0;
	if (!good) { /* both sides connect at once, or we to ourselves */
		state_set(tcb, SYN_RECEIVED);
		tcp_send_segment(tcb, tcb->iss, SYN | ACK, 0, 0);
		return;
	}
	tcb->snd_una = tcb->iss + 1;
	tcb->retransmit = INET_NEVER;
	state_set(tcb, ESTABLISHED);
	tcb->ack_now = true;
	usock_tcp_connected(tcb->tcp);
	if (!tcb->dead)
		tcp_push(tcb);
}

/** acceptable - does a segment lie in the window? */
static bool acceptable(const struct tcb *tcb, const struct segment *s)
{
	uint32_t size = (uint32_t)s->len + !!(s->flags & (SYN | FIN));
	uint32_t end = seq_lt(tcb->rcv_nxt, tcb->rcv_adv) ? tcb->rcv_adv : tcb->rcv_nxt;

	if (size == 0)
		return seq_le(tcb->rcv_nxt, s->seq) && seq_le(s->seq, end);
	return seq_lt(s->seq, end) ? seq_lt(tcb->rcv_nxt, s->seq + size) || s->seq == tcb->rcv_nxt
	                           : s->seq == tcb->rcv_nxt && s->len == 0;
}

/** tcb_input - a segment for a connection that has heard of its peer */
static void tcb_input(struct tcb *tcb, struct segment *s, const struct inet_iface *iface)
{
	bool simultaneous = tcb->state == SYN_RECEIVED && tcb->tcp;

	if (simultaneous && (s->flags & (SYN | ACK)) == (SYN | ACK) && s->seq + 1 == tcb->rcv_nxt)
		s->seq++, s->flags &= ~(unsigned int)SYN;
	if (!acceptable(tcb, s)) {
		if (s->flags & RST)
			return;
		if (tcb->state == SYN_RECEIVED && (s->flags & SYN))
			tcp_send_segment(tcb, tcb->iss, SYN | ACK, 0, 0);
		else
			tcp_send_segment(tcb, tcb->snd_nxt, ACK, 0, 0);
		if (!(s->flags & ACK) || !seq_le(s->seq + (uint32_t)s->len, tcb->rcv_nxt))
			return;
		s->len = 0;
		s->flags &= ~(unsigned int)(FIN | SYN);
		s->seq = tcb->rcv_nxt;
	}
	if (s->flags & RST) {
		if (s->seq == tcb->rcv_nxt)
			tcb_die(tcb, tcb->state == CLOSE_WAIT     ? -EPIPE
			             : tcb->state == SYN_RECEIVED ? -ECONNREFUSED
			                                          : -ECONNRESET);
		else
			tcp_send_segment(tcb, tcb->snd_nxt, ACK, 0, 0);
		return;
	}
	if (s->flags & SYN) {
		tcp_send_segment(tcb, tcb->snd_nxt, ACK, 0, 0);
		return;
	}
	if (!(s->flags & ACK))
		return;
	if (tcb->keep != INET_NEVER && tcb->tcp) {
		tcb->keep = usock_now(tcb->engine->stack) + tcb->tcp->option[USOCK_TCP_KEEPIDLE] * 1000LL * MS;
		tcb->probes = 0;
	}
	if (tcb->state == SYN_RECEIVED) {
		if (s->ack != tcb->iss + 1) {
			tcp_reset(tcb->engine, &tcb->flow, tcb->port, tcb->peer_port, s->ack, 0, false);
			return;
		}
		tcb->snd_una = tcb->iss + 1;
		tcb->snd_wnd = s->window << tcb->snd_shift;
		tcb->retransmit = INET_NEVER;
		tcb->retries = 0;
		state_set(tcb, ESTABLISHED);
		if (simultaneous)
			usock_tcp_connected(tcb->tcp);
		else if (!accept_child(tcb, iface)) {
			tcp_reset(tcb->engine, &tcb->flow, tcb->port, tcb->peer_port, s->ack, 0, false);
			tcb_die(tcb, 0);
			return;
		}
	} else if (!ack_input(tcb, s)) {
		return;
	}
	if ((s->flags & URG) && s->urg > 0 && seq_lt(tcb->rcv_nxt, s->seq + s->urg)) {
		tcb->has_urg = true;
		tcb->rcv_up = s->seq + s->urg - 1;
	}
	if (!tcb->dead)
		text_input(tcb, s);
	if (!tcb->dead)
		tcp_push(tcb);
}

void tcp_input(struct engine *e, const struct ip_flow *flow, struct inet_iface *iface, const unsigned char *bytes,
               size_t len)
{
	struct ip_flow mine = {flow->family, flow->dst, flow->src};
	bool was_busy = e->busy;
	struct segment s;
	struct tcb *tcb;

	if (!segment_read(&s, bytes, len) ||
	    inet_addr_type(usock_inet(e->stack), flow->family, &flow->dst, NULL) != RTN_LOCAL)
		return;
	e->busy = true;
	tcb = find(e, &mine, s.to, s.from);
	if (tcb && tcb->state == TIME_WAIT && (s.flags & (SYN | ACK | RST)) == SYN && seq_lt(tcb->rcv_nxt, s.seq)) {
		tcb_die(tcb, 0);
		tcb = NULL;
	}
	if (tcb && tcb->tcp && tcb->state != SYN_SENT && one_in(e, e->reset)) {
		tcp_reset(e, &mine, s.to, s.from, tcb->snd_nxt, 0, false);
		tcb_die(tcb, -ECONNRESET);
		tcb = NULL;
	}
	if (!tcb && (tcb = find_listener(e, &mine, s.to, iface)) != NULL)
		listen_input(tcb, &mine, &s);
	else if (!tcb && !(s.flags & RST) && (s.flags & ACK))
		tcp_reset(e, &mine, s.to, s.from, s.ack, 0, false);
	else if (!tcb && !(s.flags & RST))
		tcp_reset(e, &mine, s.to, s.from, 0, s.seq + (uint32_t)s.len + !!(s.flags & SYN) + !!(s.flags & FIN),
		          true);
	else if (tcb && tcb->state == SYN_SENT)
		syn_sent_input(tcb, &s);
	else if (tcb)
		tcb_input(tcb, &s, iface);
	e->busy = was_busy;
	sweep(e);
	usock_deadline_changed(e->stack);
}

/* ------------------------------------------------------------------------------------------------------------ timers */

int64_t tcp_deadline(const struct engine *e)
{
	int64_t when = INET_NEVER;

	for (const struct tcb *tcb = e->tcbs; tcb; tcb = tcb->next) {
		const int64_t times[] = {tcb->retransmit, tcb->persist, tcb->expire, tcb->keep};

		for (unsigned int i = 0; i < 4; i++)
			if (times[i] < when)
				when = times[i];
	}
	return when;
}

/** user_timeout - has what is not acknowledged been so for longer than the program wants? */
static bool user_timeout(const struct tcb *tcb, int64_t now)
{
	int limit = tcb->tcp ? tcb->tcp->option[USOCK_TCP_USER_TIMEOUT] : 0;

	return limit > 0 && now - tcb->since >= limit * MS;
}

static void retransmit(struct tcb *tcb, int64_t now)
{
	bool syn = tcb->state == SYN_SENT || tcb->state == SYN_RECEIVED;
	unsigned int limit = RETRIES;

	if (syn) {
		limit = SYN_RETRIES;
		if (tcb->tcp && tcb->tcp->option[USOCK_TCP_SYNCNT] > 0)
			limit = (unsigned int)tcb->tcp->option[USOCK_TCP_SYNCNT];
	}
	tcb->retransmit = INET_NEVER;
	if (tcb->retries >= limit || user_timeout(tcb, now)) {
		tcb_die(tcb, tcb->soft_error ? tcb->soft_error : -ETIMEDOUT);
		return;
	}
	tcb->retries++;
	tcb->retransmitted++;
	if (syn) {
		tcp_send_segment(tcb, tcb->iss, tcb->state == SYN_SENT ? SYN : SYN | ACK, 0, 0);
		tcb->retransmit = now + (1000 * MS << (tcb->retries < 6 ? tcb->retries : 6));
		return;
	}
	tcb->snd_nxt = tcb->snd_una; /* with a closed window nothing is sent, and probes begin */
	tcp_push(tcb);
}

/** probe - ask a peer whose window is closed, or that has been silent, whether it is still there */
static void probe(struct tcb *tcb, int64_t now, bool keepalive)
{
	tcp_send_segment(tcb, tcb->snd_una - 1, ACK, 0, 0);
	tcb->probes++;
	if (!keepalive) {
		tcb->persist = now + (200 * MS << (tcb->probes < 8 ? tcb->probes : 8));
		return;
	}
	if (tcb->probes > (unsigned int)tcb->tcp->option[USOCK_TCP_KEEPCNT])
		tcb_die(tcb, -ETIMEDOUT);
	else
		tcb->keep = now + tcb->tcp->option[USOCK_TCP_KEEPINTVL] * 1000LL * MS;
}

void tcp_timers(struct engine *e, int64_t now)
{
	e->busy = true;
	for (struct tcb *tcb = e->tcbs; tcb; tcb = tcb->next) {
		if (!tcb->dead && tcb->retransmit <= now)
			retransmit(tcb, now);
		if (!tcb->dead && tcb->persist <= now)
			probe(tcb, now, false);
		if (!tcb->dead && tcb->keep <= now) {
			if (tcb->tcp)
				probe(tcb, now, true);
			else
				tcb->keep = INET_NEVER;
		}
		if (!tcb->dead && tcb->expire <= now)
			tcb_die(tcb, 0);
	}
	e->busy = false;
	sweep(e);
}

void tcp_end(struct engine *e)
{
	for (struct tcb *tcb = e->tcbs; tcb; tcb = tcb->next)
		tcb_die(tcb, 0);
	e->busy = false;
	sweep(e);
}

/* -------------------------------------------------------------------------------------------------- what usock asks for */

int op_connect(void *engine, struct usock_tcp *tcp)
{
	struct engine *e = engine;
	struct tcb *tcb;
	struct ip_flow flow = {.family = AF_INET};

	flow.family = endpoint_effective(tcp->family, &tcp->remote, &flow.dst);
	endpoint_effective(tcp->family, &tcp->local, &flow.src);
	tcb = find(e, &flow, tcp->local.port, tcp->remote.port);
	if (tcb && tcb->state == TIME_WAIT)
		tcb_die(tcb, 0);
	else if (tcb)
		return -EADDRINUSE;
	tcb = tcb_new(e, tcp);
	if (!tcb)
		return -ENOBUFS;
	tcb->flow = flow;
	tcb->port = tcp->local.port;
	tcb->peer_port = tcp->remote.port;
	tcb->since = usock_now(e->stack);
	tcb->snd_nxt = tcb->snd_max = tcb->iss + 1;
	tcb->retransmit = tcb->since + 1000 * MS;
	tcp->pcb = tcb;
	state_set(tcb, SYN_SENT);
	tcp_send_segment(tcb, tcb->iss, SYN, 0, 0);
	return 0;
}

int op_listen(void *engine, struct usock_tcp *tcp)
{
	struct tcb *tcb = tcb_new(engine, tcp);

	if (!tcb)
		return -ENOBUFS;
	tcb->port = tcp->local.port;
	tcb->state = LISTEN;
	tcp->pcb = tcb;
	return 0;
}

/** room - how many more bytes are taken */
static size_t room(const struct tcb *tcb)
{
	return tcb->queued < SNDBUF_MAX ? SNDBUF_MAX - tcb->queued : 0;
}

/** queue_bytes - make room for @len more bytes and give their place; NULL: no memory */
static unsigned char *queue_bytes(struct tcb *tcb, size_t len)
{
	unsigned char *grown;

	if (one_in(tcb->engine, tcb->engine->nomem))
		return NULL;
	grown = realloc(tcb->sndbuf, tcb->queued + len);
	if (!grown)
		return NULL;
	tcb->sndbuf = grown;
	tcb->queued += len;
	return grown + tcb->queued - len;
}

ssize_t op_write(void *engine, struct usock_tcp *tcp, const struct iovec *piece, unsigned int pieces, size_t skip,
                 size_t len, bool more)
{
	struct tcb *tcb = tcp->pcb;
	unsigned char *to;
	size_t left;

	(void)engine;
	if (len > room(tcb))
		len = room(tcb);
	if (len == 0)
		return 0;
	to = queue_bytes(tcb, len);
	if (!to)
		return -ENOBUFS;
	left = len;
	for (unsigned int i = 0; i < pieces && left > 0; i++) {
		size_t part = piece[i].iov_len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		part -= skip;
		if (part > left)
			part = left;
		memcpy(to, (const unsigned char *)piece[i].iov_base + skip, part);
		skip = 0;
		to += part;
		left -= part;
	}
	tcb->more = more;
	tcp_push(tcb);
	return (ssize_t)len;
}

void op_flush(void *engine, struct usock_tcp *tcp)
{
	struct tcb *tcb = tcp->pcb;

	(void)engine;
	if (!tcb)
		return;
	tcb->more = false;
	tcp_push(tcb);
}

size_t op_room(void *engine, struct usock_tcp *tcp)
{
	(void)engine;
	return room(tcp->pcb);
}

size_t op_unsent(void *engine, struct usock_tcp *tcp)
{
	const struct tcb *tcb = tcp->pcb;
	uint32_t sent = tcb->snd_nxt - tcb->snd_una;

	(void)engine;
	return sent < tcb->queued ? tcb->queued - sent : 0;
}

size_t op_unacked(void *engine, struct usock_tcp *tcp)
{
	const struct tcb *tcb = tcp->pcb;

	(void)engine;
	return tcb->queued;
}

void op_recved(void *engine, struct usock_tcp *tcp, size_t len)
{
	struct tcb *tcb = tcp->pcb;
	uint32_t open;

	(void)engine;
	if (!tcb)
		return;
	tcb->given -= len < tcb->given ? len : tcb->given;
	open = tcb->rcv_nxt + tcp_window(tcb) - tcb->rcv_adv;
	/* The peer is told when the window has opened by two segments or from nothing. */
	if (tcb->state != LISTEN && (int32_t)open > 0 && (open >= 2 * tcb->mss || !seq_lt(tcb->rcv_nxt, tcb->rcv_adv)))
		tcp_send_segment(tcb, tcb->snd_nxt, ACK, 0, 0);
}

void op_release(void *engine, void *buffer)
{
	(void)engine;
	free(buffer);
}

int op_shutdown(void *engine, struct usock_tcp *tcp)
{
	struct tcb *tcb = tcp->pcb;

	(void)engine;
	if (!tcb || tcb->fin)
		return 0;
	tcb->fin = true;
	tcb->more = false;
	if (tcb->state == ESTABLISHED)
		state_set(tcb, FIN_WAIT_1);
	else if (tcb->state == CLOSE_WAIT)
		state_set(tcb, LAST_ACK);
	tcp_push(tcb);
	return 0;
}

void op_close(void *engine, struct usock_tcp *tcp)
{
	struct engine *e = engine;
	struct tcb *tcb = tcp->pcb;

	if (!tcb)
		return;
	tcp->pcb = NULL;
	tcb->tcp = NULL;
	tcb->given = 0;
	tcb->keep = INET_NEVER;
	if (tcb->state == LISTEN || tcb->state == SYN_SENT) {
		for (struct tcb *child = e->tcbs; child; child = child->next)
			if (child->listener == tcb && !child->dead) {
				tcp_reset(e, &child->flow, child->port, child->peer_port, child->snd_nxt, 0, false);
				tcb_die(child, 0);
			}
		tcb_die(tcb, 0);
		sweep(e);
		return;
	}
	if (!tcb->fin) {
		tcb->fin = true;
		tcb->more = false;
		if (tcb->state == ESTABLISHED)
			state_set(tcb, FIN_WAIT_1);
		else if (tcb->state == CLOSE_WAIT)
			state_set(tcb, LAST_ACK);
		tcp_push(tcb);
	} else if (tcb->state == FIN_WAIT_2) {
		state_set(tcb, FIN_WAIT_2); /* from now on it does not wait for ever */
	}
	sweep(e);
}

void op_abort(void *engine, struct usock_tcp *tcp)
{
	struct engine *e = engine;
	struct tcb *tcb = tcp->pcb;

	if (!tcb)
		return;
	tcp->pcb = NULL;
	tcb->tcp = NULL;
	if (tcb->state == LISTEN) {
		tcp->pcb = tcb;
		op_close(engine, tcp);
		return;
	}
	if (tcb->state != SYN_SENT && tcb->state != TIME_WAIT)
		tcp_reset(e, &tcb->flow, tcb->port, tcb->peer_port, tcb->snd_nxt, tcb->rcv_nxt, true);
	tcb_die(tcb, 0);
	sweep(e);
}

int op_option(void *engine, struct usock_tcp *tcp, enum usock_tcp_option option, int value)
{
	struct engine *e = engine;
	struct tcb *tcb = tcp->pcb;

	if (!tcb || tcb->state == LISTEN)
		return 0;
	if (option == USOCK_TCP_NODELAY && value)
		tcp_push(tcb);
	if (option == USOCK_TCP_KEEPALIVE || option == USOCK_TCP_KEEPIDLE) {
		bool on = option == USOCK_TCP_KEEPALIVE ? value : tcp->option[USOCK_TCP_KEEPALIVE];
		int idle = option == USOCK_TCP_KEEPIDLE ? value : tcp->option[USOCK_TCP_KEEPIDLE];

		tcb->keep = on && tcb->state != SYN_SENT ? usock_now(e->stack) + idle * 1000LL * MS : INET_NEVER;
		usock_deadline_changed(e->stack);
	}
	return 0;
}

void op_info(void *engine, struct usock_tcp *tcp, struct tcp_info *info)
{
	static const uint8_t number[] = {
	        [SYN_SENT] = 2,   [SYN_RECEIVED] = 3, [ESTABLISHED] = 1, [FIN_WAIT_1] = 4,
	        [FIN_WAIT_2] = 5, [CLOSING] = 11,     [TIME_WAIT] = 6,   [CLOSE_WAIT] = 8,
	        [LAST_ACK] = 9,   [LISTEN] = 10,      [CLOSED] = 7,
	};
	const struct tcb *tcb = tcp->pcb;

	(void)engine;
	info->tcpi_state = number[tcb->state];
	if (tcb->state == LISTEN)
		return;
	info->tcpi_snd_mss = info->tcpi_rcv_mss = tcb->mss;
	info->tcpi_advmss = tcb->mss;
	info->tcpi_pmtu = tcb->mss + (tcb->flow.family == AF_INET ? 40 : 60);
	info->tcpi_retransmits = (uint8_t)tcb->retries;
	info->tcpi_total_retrans = tcb->retransmitted;
	info->tcpi_probes = (uint8_t)tcb->probes;
	info->tcpi_unacked = (tcb->snd_nxt - tcb->snd_una + tcb->mss - 1) / tcb->mss;
	info->tcpi_bytes_acked = tcb->bytes_acked;
	info->tcpi_bytes_received = tcb->bytes_received;
	info->tcpi_rto = 200000;
	info->tcpi_rtt = 1000;
	info->tcpi_snd_cwnd = 10;
	info->tcpi_options = (uint8_t)(tcb->rcv_shift ? TCPI_OPT_WSCALE : 0);
	info->tcpi_snd_wscale = tcb->snd_shift & 15;
	info->tcpi_rcv_wscale = tcb->rcv_shift & 15;
}

void op_icmp(void *engine, int family, const struct usock_endpoint *local, const struct usock_endpoint *remote,
             uint32_t seq, int error, unsigned int mtu)
{
	struct engine *e = engine;
	struct ip_flow mine = {.family = AF_INET};
	struct tcb *tcb;

	mine.family = endpoint_effective(family, remote, &mine.dst);
	endpoint_effective(family, local, &mine.src);
	tcb = find(e, &mine, local->port, remote->port);
	if (!tcb || seq_lt(seq, tcb->snd_una) || seq_lt(tcb->snd_max, seq))
		return;
	if (mtu) {
		unsigned int mss = mtu - (mine.family == AF_INET ? 40 : 60);

		if (mss >= 48 && mss < tcb->mss) {
			tcb->mss = mss;
			tcb->snd_nxt = tcb->snd_una;
			tcp_push(tcb);
		}
		return;
	}
	tcb->soft_error = error;
	if (tcb->state == SYN_SENT && !e->busy) {
		tcb_die(tcb, error);
		sweep(e);
	} else if (tcb->state == SYN_SENT) {
		tcb_die(tcb, error);
	}
}

int op_urgent(void *engine, struct usock_tcp *tcp, unsigned char byte)
{
	struct tcb *tcb = tcp->pcb;
	unsigned char *to;

	(void)engine;
	if (room(tcb) == 0)
		return -EAGAIN;
	to = queue_bytes(tcb, 1);
	if (!to)
		return -ENOBUFS;
	*to = byte;
	tcb->urgent = true;
	tcb->snd_up = tcb->snd_una + (uint32_t)tcb->queued;
	tcp_push(tcb);
	return 0;
}

bool op_left(void *engine, int family, const struct usock_endpoint *local, const struct usock_endpoint *remote)
{
	struct engine *e = engine;
	struct ip_flow mine = {.family = AF_INET};

	mine.family = endpoint_effective(family, remote, &mine.dst);
	endpoint_effective(family, local, &mine.src);
	return find(e, &mine, local->port, remote->port) != NULL;
}
