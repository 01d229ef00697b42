/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tcp.c - what usock asks of a connection.
 *
 * A connection of usock (struct usock_tcp) and one of lwIP (struct conn) point to each other from connect or accept until one of
 * them is done: lwIP's by an error, or after TIME-WAIT, usock's by close or abort. Whatever usock asks then is answered as
 * of a connection that is over. A listener is a struct listener in the same place; both begin with what lwIP has in common.
 *
 * Windows. lwIP's own is at most 64 KiB by its build. What it announces is computed here instead, from SO_RCVBUF and what the
 * program has not taken yet, and may be as large as the scale that ipout.c writes into our SYNs allows. A window that was
 * announced is never taken back.
 *
 * Sending. lwIP copies what is written into segments, at most QUEUE of them, which is what limits a connection here; a written
 * byte is copied once. SO_SNDBUF is usock's to keep.
 */
#include "engine.h"

#include <errno.h>
#include <string.h>

#include "err.h"

#define QUEUE ((unsigned int)TCP_SND_QUEUELEN) /* segments, by lwIP's build */
#define MSS_MIN 88U
#define INITIAL_SEGMENTS 10U /* RFC 6928 */

static struct conn *conn_of(const struct usock_tcp *tcp)
{
	struct conn *conn = tcp->pcb;

	return conn && conn->pcb.state != LISTEN ? conn : NULL;
}

/** effective - the family on the wire: IPv4 for v4-mapped addresses; @ip becomes the address without its prefix */
static int effective(int family, const union inet_ip *from, union inet_ip *ip)
{
	*ip = *from;
	if (family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&from->v6))
		return family;
	memcpy(&ip->v4, from->v6.s6_addr + 12, 4);
	return AF_INET;
}

unsigned int conn_mss(struct engine *e, const struct tcp_pcb *pcb, const ip_addr_t *dst)
{
	const struct conn *conn = (const struct conn *)pcb;
	const struct usock_tcp *tcp = conn ? conn->tcp : NULL;
	int family = IP_IS_V6(dst) ? AF_INET6 : AF_INET;
	unsigned int mtu = 576, header = family == AF_INET ? 40 : 60, mss;
	union inet_ip to, none;
	const struct route *route;

	if (conn && !tcp && pcb->listener)
		tcp = ((const struct listener *)pcb->listener)->tcp;
	memset(&to, 0, sizeof(to));
	memset(&none, 0, sizeof(none));
	memcpy(&to, &dst->u_addr, ip_size(family));
	if (route_to(e, family, &to, &none, 0, &route) == 0)
		mtu = route->mtu;
	mss = mtu > header + MSS_MIN ? mtu - header : MSS_MIN;
	if (mss > PACKET_MAX - header)
		mss = PACKET_MAX - header;
	if (tcp && tcp->option[USOCK_TCP_MAXSEG] > 0 && (unsigned int)tcp->option[USOCK_TCP_MAXSEG] < mss)
		mss = (unsigned int)tcp->option[USOCK_TCP_MAXSEG];
	return mss;
}

/** limit_of - how much may wait for the program */
static uint32_t limit_of(const struct usock_tcp *tcp)
{
	int wanted = tcp->option[USOCK_TCP_RCVBUF];

	if (wanted <= 0)
		return TCP_WND;
	return (uint32_t)wanted < WINDOW_MAX ? (uint32_t)wanted : WINDOW_MAX;
}

void conn_window(struct conn *conn)
{
	struct tcp_pcb *pcb = &conn->pcb;
	uint32_t max = pcb->flags & TF_WND_SCALE ? WINDOW_MAX : 65535U;
	uint32_t limit = conn->limit < max ? conn->limit : max;
	uint32_t window = limit > conn->unread ? limit - conn->unread : 0;
	uint32_t announced = pcb->rcv_ann_right_edge - pcb->rcv_nxt, before, opened;

	if ((int32_t)announced < 0)
		announced = 0;
	before = announced;
	pcb->rcv_wnd = window > announced ? window : announced;
	opened = conn->e->lw.tcp_update_rcv_ann_wnd(pcb);
	/* Acknowledgements will tell, unless there is little reason for any: then we do. */
	if (opened > 0 && (opened >= limit / 4 || before < 2U * pcb->mss)) {
		pcb->flags |= TF_ACK_NOW;
		owed_add(conn);
	}
}

/** set_option - make an option true for lwIP */
static void set_option(struct conn *conn, enum usock_tcp_option option, int value)
{
	struct tcp_pcb *pcb = &conn->pcb;

	switch (option) {
	case USOCK_TCP_NODELAY:
		pcb->flags = (tcpflags_t)(value ? pcb->flags | TF_NODELAY : pcb->flags & ~TF_NODELAY);
		if (value && pcb->state != CLOSED)
			conn_output(conn);
		break;
	case USOCK_TCP_KEEPALIVE:
		pcb->so_options = (u8_t)(value ? pcb->so_options | SOF_KEEPALIVE : pcb->so_options & ~SOF_KEEPALIVE);
		timer_conn(conn->e, conn);
		break;
	case USOCK_TCP_KEEPIDLE:
		if (value > 0)
			pcb->keep_idle = (u32_t)value * 1000U;
		break;
	case USOCK_TCP_KEEPINTVL:
		if (value > 0)
			pcb->keep_intvl = (u32_t)value * 1000U;
		break;
	case USOCK_TCP_KEEPCNT:
		if (value > 0)
			pcb->keep_cnt = (u32_t)value;
		break;
	case USOCK_TCP_RCVBUF:
		conn->limit = limit_of(conn->tcp);
		if (pcb->state == ESTABLISHED || pcb->state == FIN_WAIT_1 || pcb->state == FIN_WAIT_2)
			conn_window(conn);
		break;
	case USOCK_TCP_TTL:
		pcb->ttl = (u8_t)(value > 0 && value < 256 ? value : 64);
		break;
	case USOCK_TCP_TOS:
		pcb->tos = (u8_t)(value > 0 ? value : 0);
		break;
	case USOCK_TCP_BOUND_IF:
		if (value > 0)
			pcb->netif_idx = lwip_index(conn->e, (unsigned int)value);
		break;
	case USOCK_TCP_MAXSEG:
		if (value > 0 && pcb->state > SYN_SENT && pcb->mss > value)
			pcb->mss = (u16_t)value;
		break;
	case USOCK_TCP_USER_TIMEOUT:
	case USOCK_TCP_SYNCNT:
	case USOCK_TCP_OPTIONS:
		break;
	}
}

void conn_adopt(struct conn *conn, struct usock_tcp *tcp)
{
	struct tcp_pcb *pcb = &conn->pcb;

	conn->tcp = tcp;
	tcp->pcb = conn;
	pcb->callback_arg = tcp;
	pcb->recv = on_recv;
	pcb->sent = on_sent;
	pcb->errf = on_error;
	conn->limit = limit_of(tcp);
	for (int option = 0; option < USOCK_TCP_OPTIONS; option++) {
		if (option != USOCK_TCP_RCVBUF)
			set_option(conn, (enum usock_tcp_option)option, tcp->option[option]);
	}
}

/** detach - usock and the connection know each other no longer */
static struct usock_tcp *detach(struct conn *conn)
{
	struct usock_tcp *tcp = conn->tcp;

	conn->tcp = NULL;
	conn->finishing = false;
	conn->more = false;
	conn->pcb.callback_arg = NULL;
	conn->pcb.recv = NULL;
	conn->pcb.sent = NULL;
	conn->pcb.connected = NULL;
	conn->pcb.errf = NULL;
	if (tcp)
		tcp->pcb = NULL;
	return tcp;
}

void conn_end(struct conn *conn, int error)
{
	struct usock_tcp *tcp = detach(conn);

	if (tcp && error)
		usock_tcp_error(tcp, error);
	else if (tcp)
		usock_tcp_finished(tcp);
}

/** in_use - is there a connection between the two? One in TIME-WAIT gives way: its numbers are behind those to come */
static bool in_use(struct engine *e, const ip_addr_t *local, unsigned int lport, const ip_addr_t *remote,
                   unsigned int rport)
{
	struct conn *old = conns_find(e, local, lport, remote, rport);

	if (old && old->place == CONN_OVER) {
		e->lw.tcp_abandon(&old->pcb, 0);
		return false;
	}
	return old;
}

int engine_tcp_connect(void *arg, struct usock_tcp *tcp)
{
	struct engine *e = engine_enter(arg);
	union inet_ip local, remote;
	int family = effective(tcp->family, &tcp->remote.ip, &remote);
	unsigned int scope = tcp->remote.scope ? tcp->remote.scope : tcp->local.scope;
	ip_addr_t from, to;
	struct tcp_pcb *pcb;
	struct conn *conn;
	err_t err;

	effective(tcp->family, &tcp->local.ip, &local);
	lwip_addr(e, family, &local, scope, &from);
	lwip_addr(e, family, &remote, scope, &to);
	if (in_use(e, &from, tcp->local.port, &to, tcp->remote.port))
		return -EADDRINUSE;
	pcb = e->lw.tcp_new_ip_type(family == AF_INET ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6);
	if (!pcb)
		return -ENOBUFS;
	conn = (struct conn *)pcb;
	pcb->local_ip = from;
	pcb->local_port = tcp->local.port;
	conn_adopt(conn, tcp);
	conn->connecting = true;
	err = e->lw.tcp_connect(pcb, &to, tcp->remote.port, on_connected);
	if (err == ERR_OK)
		return 0;
	detach(conn);
	/* It never was in a list. */
	e->lw.tcp_free(pcb);
	return lwip_errno(err);
}

int engine_tcp_listen(void *arg, struct usock_tcp *tcp)
{
	struct engine *e = engine_enter(arg);
	union inet_ip local;
	int family = effective(tcp->family, &tcp->local.ip, &local);
	bool any = tcp->family == AF_INET6 && family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&local.v6) && !tcp->v6only;
	struct tcp_pcb *pcb = e->lw.tcp_new_ip_type(any                 ? IPADDR_TYPE_ANY
	                                            : family == AF_INET ? IPADDR_TYPE_V4
	                                                                : IPADDR_TYPE_V6);
	struct listener *listener;
	err_t err = ERR_MEM;

	if (!pcb)
		return -ENOBUFS;
	if (!any)
		lwip_addr(e, family, &local, tcp->local.scope, &pcb->local_ip);
	pcb->local_port = tcp->local.port;
	if (tcp->option[USOCK_TCP_BOUND_IF] > 0)
		pcb->netif_idx = lwip_index(e, (unsigned int)tcp->option[USOCK_TCP_BOUND_IF]);
	listener = (struct listener *)e->lw.tcp_listen_with_backlog_and_err(pcb, 255, &err);
	if (!listener) {
		e->lw.tcp_free(pcb);
		return lwip_errno(err);
	}
	listener->pcb.accept = on_accept;
	listener->pcb.callback_arg = listener;
	listener->tcp = tcp;
	tcp->pcb = listener;
	return 0;
}

/** room - how many bytes lwIP would take now */
static size_t room(const struct conn *conn)
{
	const struct tcp_pcb *pcb = &conn->pcb;
	size_t segments = pcb->snd_queuelen + 2U < QUEUE ? QUEUE - pcb->snd_queuelen - 2U : 0, bytes;
	unsigned int size = pcb->mss;

	if (pcb->state != ESTABLISHED && pcb->state != CLOSE_WAIT)
		return 0;
	/* Segments are not larger than half of the largest window the peer ever had. */
	if (pcb->snd_wnd_max / 2 > 0 && pcb->snd_wnd_max / 2 < size)
		size = pcb->snd_wnd_max / 2;
	bytes = segments * size;
	return bytes < pcb->snd_buf ? bytes : pcb->snd_buf;
}

ssize_t engine_tcp_write(void *arg, struct usock_tcp *tcp, const struct iovec *piece, unsigned int pieces, size_t skip,
                         size_t len, bool more)
{
	struct engine *e = engine_enter(arg);
	struct conn *conn = conn_of(tcp);
	size_t done = 0, left;

	if (!conn)
		return -EPIPE;
	left = room(conn);
	if (left > len)
		left = len;
	for (unsigned int i = 0; i < pieces && left > 0; i++) {
		const char *at = piece[i].iov_base;
		size_t here = piece[i].iov_len;

		if (skip >= here) {
			skip -= here;
			continue;
		}
		at += skip;
		here -= skip;
		skip = 0;
		while (here > 0 && left > 0) {
			size_t n = here < left ? here : left;
			u8_t flags = TCP_WRITE_FLAG_COPY;

			if (n > 0xffff)
				n = 0xffff;
			if (n < len - done || more)
				flags |= TCP_WRITE_FLAG_MORE;
			if (e->lw.tcp_write(&conn->pcb, at, (u16_t)n, flags) != ERR_OK) {
				left = 0;
				break;
			}
			at += n;
			here -= n;
			left -= n;
			done += n;
		}
	}
	conn->more = more;
	if (done > 0)
		conn_output(conn);
	return (ssize_t)done;
}

int engine_tcp_urgent(void *arg, struct usock_tcp *tcp, unsigned char byte)
{
	struct engine *e = engine_enter(arg);
	struct conn *conn = conn_of(tcp);
	tcpflags_t nodelay;

	if (!conn)
		return -EPIPE;
	if (room(conn) == 0 || e->lw.tcp_write(&conn->pcb, &byte, 1, TCP_WRITE_FLAG_COPY) != ERR_OK)
		return -ENOBUFS;
	conn->urgent_out = true;
	conn->urgent_end = conn->pcb.snd_lbb;
	conn->more = false;
	/* It does not wait for acknowledgements of what went before. */
	nodelay = conn->pcb.flags & TF_NODELAY;
	conn->pcb.flags |= TF_NODELAY;
	conn_output(conn);
	conn->pcb.flags = (tcpflags_t)((conn->pcb.flags & ~TF_NODELAY) | nodelay);
	return 0;
}

void engine_tcp_flush(void *arg, struct usock_tcp *tcp)
{
	struct conn *conn = conn_of(tcp);

	engine_enter(arg);
	if (!conn)
		return;
	conn->more = false;
	conn_output(conn);
}

size_t engine_tcp_room(void *arg, struct usock_tcp *tcp)
{
	const struct conn *conn = conn_of(tcp);

	(void)arg;
	return conn ? room(conn) : 0;
}

/** fin - 1 when our FIN is queued, which takes a number as a byte does */
static uint32_t fin(const struct tcp_pcb *pcb)
{
	return pcb->flags & TF_FIN && pcb->state != FIN_WAIT_2 && pcb->state != TIME_WAIT ? 1 : 0;
}

size_t engine_tcp_unsent(void *arg, struct usock_tcp *tcp)
{
	const struct conn *conn = conn_of(tcp);
	uint32_t bytes;

	(void)arg;
	if (!conn || conn->pcb.state < ESTABLISHED || !conn->pcb.unsent)
		return 0;
	bytes = conn->pcb.snd_lbb - conn->pcb.snd_nxt;
	return bytes > fin(&conn->pcb) ? bytes - fin(&conn->pcb) : 0;
}

size_t engine_tcp_unacked(void *arg, struct usock_tcp *tcp)
{
	const struct conn *conn = conn_of(tcp);
	uint32_t bytes;

	(void)arg;
	if (!conn || conn->pcb.state < ESTABLISHED)
		return 0;
	bytes = conn->pcb.snd_lbb - conn->pcb.lastack;
	return bytes > fin(&conn->pcb) ? bytes - fin(&conn->pcb) : 0;
}

void engine_tcp_recved(void *arg, struct usock_tcp *tcp, size_t len)
{
	struct conn *conn = conn_of(tcp);

	engine_enter(arg);
	if (!conn)
		return;
	conn->unread = conn->unread > len ? conn->unread - (uint32_t)len : 0;
	if (conn->pcb.state == ESTABLISHED || conn->pcb.state == FIN_WAIT_1 || conn->pcb.state == FIN_WAIT_2)
		conn_window(conn);
}

int engine_tcp_shutdown(void *arg, struct usock_tcp *tcp)
{
	struct engine *e = engine_enter(arg);
	struct conn *conn = conn_of(tcp);
	err_t err;

	if (!conn)
		return 0;
	conn->more = false;
	conn->finishing = true;
	err = e->lw.tcp_shutdown(&conn->pcb, 0, 1);
	if (err == ERR_CONN)
		return 0;
	timer_conn(e, conn); /* lwIP tries again by its clock when there was no memory for a FIN */
	return lwip_errno(err);
}

static void close_listener(struct engine *e, struct usock_tcp *tcp)
{
	struct listener *listener = tcp->pcb;
	struct conn *conn;

	tcp->pcb = NULL;
	if (!listener)
		return;
	/* lwIP would do so if it saw them. */
	TAILQ_FOREACH(conn, &e->living, all)
	{
		if (conn->pcb.listener == &listener->pcb)
			conn->pcb.listener = NULL;
	}
	e->lw.tcp_close((struct tcp_pcb *)&listener->pcb);
}

void engine_tcp_close(void *arg, struct usock_tcp *tcp)
{
	struct engine *e = engine_enter(arg);
	struct conn *conn = conn_of(tcp), *outer = e->current;
	struct tcp_pcb *pcb;
	tcpwnd_size_t window;

	if (!conn) {
		close_listener(e, tcp);
		return;
	}
	detach(conn);
	pcb = &conn->pcb;
	if (pcb->state == TIME_WAIT)
		return;
	/* lwIP takes another window than its own for a sign of data that nobody read, and would reset the connection.
	 */
	window = pcb->rcv_wnd;
	pcb->rcv_wnd = TCP_WND;
	e->current = conn;
	e->lw.tcp_close(pcb);
	if (e->current) {
		pcb->rcv_wnd = window;
		timer_conn(e, conn);
	} else if (outer == conn) {
		outer = NULL;
	}
	e->current = outer;
}

void engine_tcp_abort(void *arg, struct usock_tcp *tcp)
{
	struct engine *e = engine_enter(arg);
	struct conn *conn = conn_of(tcp);

	if (!conn) {
		close_listener(e, tcp);
		return;
	}
	detach(conn);
	e->lw.tcp_abandon(&conn->pcb, conn->pcb.state != SYN_SENT);
}

int engine_tcp_option(void *arg, struct usock_tcp *tcp, enum usock_tcp_option option, int value)
{
	struct engine *e = engine_enter(arg);
	struct conn *conn = conn_of(tcp);

	if (conn)
		set_option(conn, option, value);
	else if (tcp->pcb && option == USOCK_TCP_BOUND_IF)
		((struct listener *)tcp->pcb)->pcb.netif_idx =
		        value > 0 ? lwip_index(e, (unsigned int)value) : NETIF_NO_INDEX;
	return 0;
}

/* What TCP_INFO calls states; no header for programs has these names beside struct tcp_info as it is today. */
enum {
	INFO_ESTABLISHED = 1,
	INFO_SYN_SENT,
	INFO_SYN_RECV,
	INFO_FIN_WAIT1,
	INFO_FIN_WAIT2,
	INFO_TIME_WAIT,
	INFO_CLOSE,
	INFO_CLOSE_WAIT,
	INFO_LAST_ACK,
	INFO_LISTEN,
	INFO_CLOSING
};

static uint8_t state_of(enum tcp_state state)
{
	switch (state) {
	case LISTEN:
		return INFO_LISTEN;
	case SYN_SENT:
		return INFO_SYN_SENT;
	case SYN_RCVD:
		return INFO_SYN_RECV;
	case ESTABLISHED:
		return INFO_ESTABLISHED;
	case FIN_WAIT_1:
		return INFO_FIN_WAIT1;
	case FIN_WAIT_2:
		return INFO_FIN_WAIT2;
	case CLOSE_WAIT:
		return INFO_CLOSE_WAIT;
	case CLOSING:
		return INFO_CLOSING;
	case LAST_ACK:
		return INFO_LAST_ACK;
	case TIME_WAIT:
		return INFO_TIME_WAIT;
	case CLOSED:
		break;
	}
	return INFO_CLOSE;
}

void engine_tcp_info(void *arg, struct usock_tcp *tcp, struct tcp_info *info)
{
	struct engine *e = engine_enter(arg);
	const struct conn *conn = conn_of(tcp);
	const struct tcp_pcb *pcb;

	memset(info, 0, sizeof(*info));
	info->tcpi_state = tcp->pcb ? INFO_LISTEN : INFO_CLOSE;
	if (!conn)
		return;
	pcb = &conn->pcb;
	info->tcpi_state = state_of(pcb->state);
	info->tcpi_ca_state = pcb->flags & TF_INFR || conn->recovering ? TCP_CA_Recovery
	                      : conn->backoff                          ? TCP_CA_Loss
	                                                               : TCP_CA_Open;
	info->tcpi_retransmits = conn->backoff;
	info->tcpi_backoff = conn->backoff;
	if (pcb->flags & TF_WND_SCALE) {
		info->tcpi_options = TCPI_OPT_WSCALE;
		info->tcpi_snd_wscale = pcb->snd_scale & 15U;
		info->tcpi_rcv_wscale = pcb->rcv_scale & 15U;
	}
	info->tcpi_snd_mss = info->tcpi_advmss = info->tcpi_rcv_mss = pcb->mss;
	for (const struct tcp_seg *seg = pcb->unacked; seg; seg = seg->next)
		info->tcpi_unacked++;
	info->tcpi_pmtu = pcb->mss + (IP_IS_V6_VAL(pcb->remote_ip) ? 60U : 40U);
	info->tcpi_rcv_ssthresh = pcb->rcv_wnd;
	info->tcpi_rto = timer_rto(conn);
	info->tcpi_rtt = conn->srtt;
	info->tcpi_rttvar = conn->rttvar;
	info->tcpi_snd_ssthresh = pcb->ssthresh;
	info->tcpi_snd_cwnd = pcb->mss ? pcb->cwnd / pcb->mss : 0;
	info->tcpi_rcv_space = conn->limit;
	info->tcpi_total_retrans = conn->retransmitted;
	info->tcpi_last_ack_recv = (uint32_t)((usock_now(e->stack) - conn->progress) / MILLISECOND);
}

void engine_tcp_icmp(void *arg, int family, const struct usock_endpoint *local, const struct usock_endpoint *remote,
                     uint32_t seq, int error, unsigned int mtu)
{
	struct engine *e = engine_enter(arg);
	struct tcp_pcb *pcb;
	unsigned int mss;
	struct conn *conn;
	ip_addr_t from, to;

	lwip_addr(e, family, &local->ip, local->scope, &from);
	lwip_addr(e, family, &remote->ip, remote->scope, &to);
	conn = conns_find(e, &from, local->port, &to, remote->port);
	if (!conn || conn->place == CONN_OVER)
		return;
	pcb = &conn->pcb;
	/* Somebody who can only guess does not know what is on its way. */
	if (TCP_SEQ_LT(seq, pcb->lastack) || TCP_SEQ_GT(seq, pcb->snd_nxt))
		return;
	if (mtu > 0) {
		engine_routes_changed(e);
		mss = conn_mss(e, pcb, &pcb->remote_ip);
		if (mss >= pcb->mss)
			return;
		pcb->mss = (u16_t)mss;
		if (e->lw.tcp_rexmit_rto_prepare(pcb) == ERR_OK)
			conn_output(conn);
	} else if (pcb->state == SYN_SENT) {
		conn_end(conn, error);
		e->lw.tcp_abandon(pcb, 0);
	} else {
		conn->soft_error = error;
	}
}

bool engine_tcp_left(void *arg, int family, const struct usock_endpoint *local, const struct usock_endpoint *remote)
{
	struct engine *e = engine_enter(arg);
	ip_addr_t from, to;

	lwip_addr(e, family, &local->ip, local->scope, &from);
	lwip_addr(e, family, &remote->ip, remote->scope, &to);
	return conns_find(e, &from, local->port, &to, remote->port);
}

void conn_opened(struct conn *conn)
{
	struct tcp_pcb *pcb = &conn->pcb;

	if (pcb->flags & TF_WND_SCALE)
		pcb->rcv_scale = WINDOW_SHIFT;
	pcb->cwnd = INITIAL_SEGMENTS * pcb->mss;
	conn->delivered = pcb->rcv_nxt;
	conn->soft_error = 0;
	conn->backoff = 0;
}
