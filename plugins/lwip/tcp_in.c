/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tcp_in.c - what the network does to connections: segments that come in, and lwIP's callbacks.
 *
 * A segment is one pbuf, its buffer's owner from here on. lwIP's receiver finds the connection and calls back with data in
 * order, in the pbufs in which it came; each goes to usock as it is, and back to the list of free buffers when the program has
 * taken what is in it.
 *
 * A SYN needs more than lwIP does by itself: usock is asked whether there is room for one more half-open connection; a connection
 * in TIME-WAIT gives way to a new one that begins behind it (RFC 1122, 4.2.2.13); one of several listeners with SO_REUSEPORT is chosen by
 * a hash; and the peer's segment size is read here, since lwIP would cut it to that of its build.
 *
 * A callback may end the connection it is about. Then lwIP has to be told with ERR_ABRT: engine->current becomes NULL when the
 * connection's memory is released (slots.c).
 */
#include "engine.h"

#include <errno.h>
#include <string.h>

#include "chksum.h"

#define MSS_DEFAULT 536U     /* of a peer that does not say */
#define STRAY_NS 500000000LL /* between answers to segments outside the window */

unsigned int peer_mss(const unsigned char *segment, size_t len)
{
	size_t end = (size_t)(segment[12] >> 4) * 4;

	for (size_t i = 20; i < end && end <= len && segment[i] != LWIP_TCP_OPT_EOL;) {
		if (segment[i] == LWIP_TCP_OPT_NOP) {
			i++;
			continue;
		}
		if (i + 1 >= end || segment[i + 1] < 2)
			break;
		if (segment[i] == LWIP_TCP_OPT_MSS && segment[i + 1] == 4 && i + 4 <= end && get16(segment + i + 2) > 0)
			return get16(segment + i + 2);
		i += segment[i + 1];
	}
	return MSS_DEFAULT;
}

/** addressed - the connection that the segment is about; NULL */
static struct conn *addressed(const struct engine *e, const unsigned char *segment)
{
	const struct ip_globals *data = e->lw.ip_data;
	struct conn *conn =
	        conns_find(e, &data->current_iphdr_dest, get16(segment + 2), &data->current_iphdr_src, get16(segment));

	/* One that is bound to another interface has nothing to do with it. */
	if (conn && conn->pcb.netif_idx != NETIF_NO_INDEX &&
	    conn->pcb.netif_idx != netif_get_index(data->current_input_netif))
		return NULL;
	return conn;
}

/** rank - how well a listener to the port fits: 2 its very address, 1 any address, 0 not at all */
static int rank(const struct engine *e, const struct tcp_pcb_listen *pcb)
{
	const struct ip_globals *data = e->lw.ip_data;

	if (pcb->netif_idx != NETIF_NO_INDEX && pcb->netif_idx != netif_get_index(data->current_input_netif))
		return 0;
	if (IP_IS_ANY_TYPE_VAL(pcb->local_ip))
		return 1;
	if (IP_GET_TYPE(&pcb->local_ip) != IP_GET_TYPE(&data->current_iphdr_dest))
		return 0;
	if (ip_addr_cmp(&pcb->local_ip, &data->current_iphdr_dest))
		return 2;
	return ip_addr_isany_val(pcb->local_ip) ? 1 : 0;
}

/** choose - the listener that a segment is for: the best, one of the best by hash */
static struct listener *choose(const struct engine *e, const unsigned char *segment)
{
	unsigned int port = get16(segment + 2), count = 0, wanted;
	struct listener *listener;
	int best = 1;

	for (listener = listeners_first(e, port); listener; listener = listeners_next(listener)) {
		int fit = rank(e, &listener->pcb);

		if (fit > best) {
			best = fit;
			count = 0;
		}
		count += fit == best;
	}
	if (count == 0)
		return NULL;
	wanted = count > 1 ? (get16(segment) * 2654435761U >> 16) % count : 0;
	for (listener = listeners_first(e, port); listener; listener = listeners_next(listener)) {
		if (rank(e, &listener->pcb) == best && wanted-- == 0)
			break;
	}
	return listener;
}

/** genuine - is the checksum right? Before anything is given up for a SYN */
static bool genuine(const struct usock_packet *packet)
{
	uint64_t sum = chksum_pseudo(&packet->src, &packet->dst, ip_size(packet->family), IPPROTO_TCP,
	                             (uint32_t)packet->payload_len);

	return (packet->iface->flags & IFF_LOOPBACK_) || packet->iface->unsummed_in == packet->payload[0].iov_base ||
	       chksum_fold(chksum_add(sum, packet->payload[0].iov_base, packet->payload_len)) == 0xffff;
}

/** knock - a SYN; true: lwIP shall see it, with the connection or the listener that it is for */
static bool knock(struct engine *e, const struct usock_packet *packet, struct conn **conn, struct listener **listener)
{
	const unsigned char *segment = packet->payload[0].iov_base;

	if (!genuine(packet))
		return false;
	if (*conn && (*conn)->place == CONN_OVER && TCP_SEQ_GT(get32(segment + 4), (*conn)->pcb.rcv_nxt)) {
		e->lw.tcp_abandon(&(*conn)->pcb, 0);
		*conn = NULL;
	}
	if (*conn && (*conn)->place == CONN_LIVING && (*conn)->pcb.state == SYN_SENT) {
		cross_syn(*conn, segment, packet->payload_len);
		return false;
	}
	if (*conn)
		return true;
	*listener = choose(e, segment);
	return !*listener || usock_tcp_may_accept((*listener)->tcp, (*listener)->half_open);
}

/** admitted - count what became of a SYN that a listener got */
static void admitted(struct engine *e, struct listener *listener)
{
	struct conn *made = e->youngest;

	if (!made || made->pcb.state != SYN_RCVD || made->pcb.listener != &listener->pcb)
		return;
	made->half_open = true;
	listener->half_open++;
	if (made->pcb.flags & TF_WND_SCALE)
		made->pcb.rcv_scale = WINDOW_SHIFT;
}

/** urged - a segment says where an urgent byte is: note it, if it is still to come (as Linux, on the last byte that is
 * meant) */
static void urged(struct conn *conn, const struct usock_packet *packet)
{
	const unsigned char *segment = packet->payload[0].iov_base;
	uint32_t ahead = get16(segment + 18), at = get32(segment + 4) + (ahead > 0 ? ahead - 1 : 0);
	const struct tcp_pcb *pcb = &conn->pcb;

	if (pcb->state < ESTABLISHED || TCP_SEQ_LT(at, pcb->rcv_nxt) ||
	    (conn->urgent_in && !TCP_SEQ_GT(at, conn->urgent_at)))
		return;
	if (at - pcb->rcv_nxt > pcb->rcv_wnd + 0xffffU || !genuine(packet))
		return;
	conn->urgent_in = true;
	conn->urgent_at = at;
}

/**
 * stray - an empty segment outside the window of a connection, which lwIP answers with an empty one: to be dropped?
 *
 * Two ends that are at odds would go on answering each other for ever, so one in STRAY_NS is let through, as in Linux
 * (tcp_invalid_ratelimit). What is in order but meets a closed window is not outside it: @open says that the window is
 * to look open meanwhile.
 */
static bool stray(struct conn *conn, const unsigned char *segment, size_t len, bool *open)
{
	const struct tcp_pcb *pcb = &conn->pcb;
	int64_t now = usock_now(conn->e->stack);
	u32_t seq = get32(segment + 4);

	if (len != (segment[12] >> 4) * 4U || (segment[13] & (TCP_SYN | TCP_FIN | TCP_RST)) || pcb->state < ESTABLISHED)
		return false;
	if (pcb->rcv_wnd == 0 && seq == pcb->rcv_nxt) {
		*open = true;
		return false;
	}
	if (TCP_SEQ_BETWEEN(seq, pcb->rcv_nxt, pcb->rcv_nxt + pcb->rcv_wnd - 1))
		return false;
	if (conn->stray_at != 0 && now - conn->stray_at < STRAY_NS)
		return true;
	conn->stray_at = now;
	return false;
}

/** admissible - shall lwIP see the segment? If so, with what it is for */
static bool admissible(struct engine *e, const struct usock_packet *packet, struct conn **conn,
                       struct listener **listener, bool *open)
{
	const unsigned char *segment = packet->payload[0].iov_base;
	size_t len = packet->payload_len;

	if (len < 20 || packet->pieces != 1)
		return false;
	*conn = addressed(e, segment);
	if ((segment[13] & (TCP_SYN | TCP_RST | TCP_ACK)) == TCP_SYN)
		return knock(e, packet, conn, listener);
	if (!*conn)
		*listener = choose(e, segment);
	return !*conn || (*conn)->place != CONN_LIVING || !stray(*conn, segment, len, open);
}

void tcp_in(struct engine *e, const struct usock_packet *packet, struct buffer *buffer)
{
	struct interface *interface = packet->iface->engine;
	unsigned char *segment = packet->payload[0].iov_base;
	struct listener *listener = NULL;
	struct conn *conn = NULL;
	bool open = false;
	struct pbuf *p;

	if (!admissible(e, packet, &conn, &listener, &open)) {
		buffer_free(e, buffer);
		return;
	}
	if (conn && conn->place == CONN_LIVING && conn->crossed && conn->pcb.state == SYN_SENT)
		conn = cross_in(e, conn, packet);
	if ((segment[13] & TCP_URG) && conn && conn->place == CONN_LIVING)
		urged(conn, packet);
	if ((segment[13] & (TCP_SYN | TCP_RST)) == TCP_SYN)
		e->peer_mss = peer_mss(segment, packet->payload_len);
	p = buffer_pbuf(e, buffer, segment, packet->payload_len);
	if (open)
		conn->pcb.rcv_wnd++;
	e->youngest = NULL;
	e->input = true;
	conn = conns_input(e, p, &interface->netif, conn, listener);
	e->input = false;
	e->peer_mss = 0;
	if (listener)
		admitted(e, listener);
	if (!conn)
		return;
	if (open)
		conn->pcb.rcv_wnd--;
	if (packet->payload_len >= 2U * conn->pcb.mss)
		owed_at_once(conn);
	if (conn->place == CONN_OVER && conn->pcb.tmr == *e->lw.tcp_ticks)
		conns_refresh(e, conn);
	timer_conn(e, conn);
}

/* ----------------------------------------------------------------------------------------------------------- output */

/** hold_back - take an incomplete segment from the end of the queue while more is to come; to be given back */
static struct tcp_seg *hold_back(struct conn *conn, struct tcp_seg ***link)
{
	struct tcp_pcb *pcb = &conn->pcb;
	struct tcp_seg *last;

	if (!conn->more || !pcb->unsent || (pcb->flags & TF_FIN))
		return NULL;
	for (*link = &pcb->unsent; (**link)->next;)
		*link = &(**link)->next;
	last = **link;
	if (last->len >= pcb->mss || (((const unsigned char *)last->tcphdr)[13] & (TCP_SYN | TCP_FIN | TCP_RST)))
		return NULL;
	**link = NULL;
	return last;
}

/** conn_output - in place of lwIP's tcp_output, by which everything is sent */
err_t conn_output(struct conn *conn)
{
	struct engine *e = conn->e;
	struct tcp_pcb *pcb = &conn->pcb;
	const struct tcp_pcb *outer = e->building;
	bool idle = !pcb->unacked && pcb->snd_nxt == pcb->lastack;
	/* lwIP counts the number of a SYN beforehand. */
	bool first = pcb->state == SYN_SENT && !pcb->unacked && conn->backoff == 0;
	uint32_t sent = pcb->snd_nxt;
	struct tcp_seg **link = NULL, *held = hold_back(conn, &link), **end;
	u16_t oversize = pcb->unsent_oversize;
	err_t err = ERR_OK;

	if (!owed_put_off(conn)) {
		e->building = pcb;
		err = e->lw.tcp_output(pcb);
		e->building = outer;
		usock_push(e->stack);
	}
	if (held) {
		for (end = &pcb->unsent; *end; end = &(*end)->next)
			;
		*end = held;
		pcb->unsent_oversize = oversize;
	}
	if (pcb->unacked) {
		int64_t now = usock_now(e->stack);

		if (idle)
			conn->progress = conn->stalled_since = now;
		if (conn->timed_at == 0 && (first || TCP_SEQ_GT(pcb->snd_nxt, sent))) {
			conn->timed_at = now;
			conn->timed_seq = pcb->snd_nxt;
		}
	}
	timer_conn(e, conn);
	if (conn->finishing && (pcb->state == FIN_WAIT_2 || pcb->state == TIME_WAIT)) {
		conn->finishing = false;
		if (conn->tcp)
			usock_tcp_finished(conn->tcp);
	}
	return err;
}

/* -------------------------------------------------------------------------------------------------------- callbacks */

/** call - what a callback returns: was the connection ended within? */
static err_t done(struct engine *e, struct conn *outer)
{
	err_t err = e->current ? ERR_OK : ERR_ABRT;

	e->current = outer;
	return err;
}

/** measure - RFC 6298, of one round trip */
static void measure(struct conn *conn, int64_t now)
{
	uint32_t us = (uint32_t)((now - conn->timed_at) / 1000) + 1, delta;

	conn->timed_at = 0;
	if (conn->srtt == 0) {
		conn->srtt = us;
		conn->rttvar = us / 2;
		return;
	}
	delta = us > conn->srtt ? us - conn->srtt : conn->srtt - us;
	conn->rttvar = conn->rttvar - conn->rttvar / 4 + delta / 4;
	conn->srtt = conn->srtt - conn->srtt / 8 + us / 8;
}

/** opened - the handshake is done, and was the first round trip, unless a segment of it was sent again */
static void opened(struct conn *conn)
{
	conn_opened(conn);
	if (conn->timed_at != 0)
		measure(conn, usock_now(conn->e->stack));
}

err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct conn *conn = (struct conn *)pcb, *outer = conn->e->current;
	struct engine *e = conn->e;

	(void)arg;
	(void)err;
	conn->connecting = false;
	opened(conn);
	e->current = conn;
	/* The window is announced with the acknowledgement that lwIP is about to send. */
	pcb->rcv_wnd = conn->limit > pcb->rcv_wnd && (pcb->flags & TF_WND_SCALE) ? conn->limit : pcb->rcv_wnd;
	pcb->rcv_ann_wnd = pcb->rcv_wnd;
	if (conn->tcp)
		usock_tcp_connected(conn->tcp);
	return done(e, outer);
}

/** endpoint - lwIP's address and port in usock's form */
static void endpoint(struct engine *e, int family, const ip_addr_t *addr, unsigned int port, struct usock_endpoint *out)
{
	memset(out, 0, sizeof(*out));
	out->port = (uint16_t)port;
	if (IP_IS_V6(addr)) {
		struct interface *in = (struct interface *)e->lw.ip_data->current_input_netif;

		memcpy(&out->ip.v6, &addr->u_addr.ip6.addr, 16);
		if (IN6_IS_ADDR_LINKLOCAL(&out->ip.v6) && in && in->iface)
			out->scope = in->iface->index;
	} else if (family == AF_INET) {
		out->ip.v4.s_addr = addr->u_addr.ip4.addr;
	} else {
		out->ip.v6.s6_addr[10] = out->ip.v6.s6_addr[11] = 0xff;
		memcpy(out->ip.v6.s6_addr + 12, &addr->u_addr.ip4.addr, 4);
	}
}

err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct listener *listener = arg;
	struct conn *conn = (struct conn *)pcb, *outer;
	struct usock_endpoint local, remote;
	struct usock_tcp *tcp;
	struct engine *e;

	if (err != ERR_OK || !pcb)
		return ERR_VAL;
	e = conn->e;
	if (conn->half_open)
		listener->half_open--;
	conn->half_open = false;
	opened(conn);
	pcb->callback_arg = NULL;
	endpoint(e, listener->tcp->family, &pcb->local_ip, pcb->local_port, &local);
	endpoint(e, listener->tcp->family, &pcb->remote_ip, pcb->remote_port, &remote);
	outer = e->current;
	e->current = conn;
	tcp = usock_tcp_accept(listener->tcp, pcb, &local, &remote);
	if (tcp && e->current) {
		conn_adopt(conn, tcp);
		if ((pcb->flags & TF_WND_SCALE) && conn->limit > pcb->rcv_wnd)
			pcb->rcv_wnd = conn->limit;
		e->lw.tcp_update_rcv_ann_wnd(pcb);
	}
	err = done(e, outer);
	return err == ERR_OK && !tcp ? ERR_MEM : err;
}

/** hand_over - give usock what is in a pbuf; an urgent byte is taken out and told of at its place */
static void hand_over(struct conn *conn, struct pbuf *p)
{
	struct engine *e = conn->e;
	unsigned char *data = p->payload;
	size_t len = p->len, before = conn->urgent_at - conn->delivered;

	conn->delivered += p->len;
	if (conn->urgent_in && before < len) {
		unsigned char byte = data[before];

		conn->urgent_in = false;
		/* As many owners as pieces, and we. */
		p->ref = (LWIP_PBUF_REF_T)(p->ref + (before > 0) + (before + 1 < len));
		if (before > 0) {
			conn->unread += (uint32_t)before;
			usock_tcp_input(conn->tcp, data, before, p);
		}
		if (e->current && conn->tcp) {
			conn->unread++;
			usock_tcp_urgent(conn->tcp, byte);
		}
		data += before + 1;
		len -= before + 1;
		e->lw.pbuf_free(p);
	}
	if (len == 0)
		return;
	if (!e->current || !conn->tcp) {
		e->lw.pbuf_free(p);
		return;
	}
	conn->unread += (uint32_t)len;
	usock_tcp_input(conn->tcp, data, len, p);
}

err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct conn *conn = (struct conn *)pcb, *outer = conn->e->current;
	struct engine *e = conn->e;

	(void)arg;
	(void)err;
	e->current = conn;
	if (!p && conn->tcp)
		usock_tcp_fin(conn->tcp);
	while (p) {
		struct pbuf *next = p->next;

		p->next = NULL;
		p->tot_len = p->len;
		if (p->len > 0 && e->current && conn->tcp)
			hand_over(conn, p);
		else
			e->lw.pbuf_free(p);
		p = next;
	}
	return done(e, outer);
}

void conn_loss(struct conn *conn)
{
	struct tcp_pcb *pcb = &conn->pcb;

	/* One loss of several in a window: the window has been reduced for it already, and what is missing next will be
	   sent when the acknowledgement says so (on_sent). */
	if (conn->recovering)
		return;
	conn->e->lw.tcp_rexmit_fast(pcb);
	if (!(pcb->flags & TF_INFR))
		return;
	conn->recovering = true;
	conn->recover = pcb->snd_nxt;
	conn->timed_at = 0;
	conn->retransmitted++;
}

/**
 * grow - let the congestion window grow by all that an acknowledgement covers while it is to double in a round trip (RFC 3465)
 *
 * lwIP has let it grow by two segments at most, though a peer, or we (owed.c), may acknowledge a whole batch at once.
 */
static void grow(struct tcp_pcb *pcb, u16_t len)
{
	tcpwnd_size_t more = len > 2U * pcb->mss ? len - 2U * pcb->mss : 0;

	if (pcb->cwnd < pcb->ssthresh && !(pcb->flags & (TF_INFR | TF_RTO)))
		pcb->cwnd += LWIP_MIN(more, pcb->ssthresh - pcb->cwnd);
}

err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
	struct conn *conn = (struct conn *)pcb, *outer = conn->e->current;
	struct engine *e = conn->e;
	int64_t now = usock_now(e->stack);

	(void)arg;
	conn->progress = now;
	conn->stalled_since = pcb->unacked ? now : 0;
	conn->backoff = 0;
	conn->probed = false;
	conn->soft_error = 0;
	if (conn->urgent_out && TCP_SEQ_GEQ(pcb->lastack, conn->urgent_end))
		conn->urgent_out = false;
	if (conn->timed_at != 0 && TCP_SEQ_GEQ(pcb->lastack, conn->timed_seq))
		measure(conn, now);
	if (now - conn->confirmed > 1000 * MILLISECOND) {
		union inet_ip remote;

		memset(&remote, 0, sizeof(remote));
		memcpy(&remote, &pcb->remote_ip.u_addr, IP_IS_V6_VAL(pcb->remote_ip) ? 16 : 4);
		inet_confirm(e->inet, IP_IS_V6_VAL(pcb->remote_ip) ? AF_INET6 : AF_INET, &remote);
		conn->confirmed = now;
	}
	/* A partial acknowledgement (RFC 6582): what follows it was lost as well. */
	if (conn->recovering && TCP_SEQ_LT(pcb->lastack, conn->recover)) {
		conn->retransmitted++;
		conn->timed_at = 0;
		e->lw.tcp_rexmit(pcb);
	} else {
		conn->recovering = false;
		grow(pcb, len);
	}
	e->current = conn;
	if (conn->tcp)
		usock_tcp_sent(conn->tcp);
	return done(e, outer);
}

void on_error(void *arg, err_t err)
{
	struct usock_tcp *tcp = arg;
	struct conn *conn = tcp->pcb;
	struct engine *e = engine_current;
	int error = e->soft_error ? e->soft_error : -ETIMEDOUT;

	/* Reset or closed by the peer: lwIP frees it when this returns. Otherwise it has done so. */
	if (err == ERR_RST && conn)
		error = conn->pcb.state == SYN_SENT     ? -ECONNREFUSED
		        : conn->pcb.state == CLOSE_WAIT ? -EPIPE
		                                        : -ECONNRESET;
	else if (err == ERR_CLSD)
		error = 0;
	if (conn) {
		conn_end(conn, error);
		return;
	}
	if (error)
		usock_tcp_error(tcp, error);
	else
		usock_tcp_finished(tcp);
}
