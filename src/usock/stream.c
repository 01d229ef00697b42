/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream.c - TCP sockets: tcp(7). States, connect, shutdown, close; what poll sees.
 *
 * The engine speaks TCP; this file knows as much of its state machine as a program can see, with Linux's names. What
 * moves it are calls of the program and the usock_tcp_* functions that the engine calls; usock__stream_set is the one
 * place where the state changes. A socket that Linux would show as closed is CLOSE here, too: when both FINs are
 * acknowledged or TIME-WAIT begins, the engine is told by tcp_close to finish alone, and forgets the socket.
 *
 *     CLOSE --connect--> SYN_SENT --connected--> ESTABLISHED <--accept-- (listener.c)
 *     ESTABLISHED --shutdown--> FIN_WAIT1 --finished--> FIN_WAIT2 --fin--> CLOSE
 *                               FIN_WAIT1 --fin--> CLOSING --finished--> CLOSE
 *     ESTABLISHED --fin--> CLOSE_WAIT --shutdown--> LAST_ACK --finished--> CLOSE
 *     any --error, disconnect--> CLOSE
 *
 * Besides there is the phase, which tells what connect(2) answers: a socket whose connection was reset is CLOSE, but
 * still CONNECTED, and has to be disconnected (AF_UNSPEC) before it can be used again.
 *
 * What poll shows, as Linux's tcp_poll; R and W are sock.shutdown, both are set when a connection ends:
 *
 *     state            IN            OUT         RDHUP  HUP     PRI           ERR
 *     LISTEN           queue         -           -      -       -             -
 *     SYN_SENT         -             -           -      -       -             error
 *     any other        R, or enough  W, or room  R      R & W,  urgent byte   error, error queue
 *                      received                         CLOSE   not taken
 *
 * "Enough received" is SO_RCVLOWAT bytes, not counting an urgent byte that comes next. A fresh socket is CLOSE, so it
 * shows OUT and HUP.
 *
 * Locks: that of the stack is held everywhere. Memory: a socket owns its ring of received chunks (stream_recv.c) and
 * the connections nobody has accepted yet (listener.c). The engine's usock_tcp lives in the socket, so a socket is
 * never freed before close, abort or the engine's own usock_tcp_error has made the engine forget it.
 */
#include "stream.h"

#include <asm/ioctls.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_SNDBUF 16384 /* what Linux shows before anything is set */
#define STREAM_RCVBUF 131072

/* States in which the engine has a connection that a reset would end. */
#define STREAM_RESETTABLE                                                                                              \
	(STREAM_BIT(STREAM_ESTABLISHED) | STREAM_BIT(STREAM_CLOSE_WAIT) | STREAM_BIT(STREAM_FIN_WAIT1) |               \
	 STREAM_BIT(STREAM_FIN_WAIT2))

#define EVENTS_ALL (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP)

static struct usock__stream *stream_of_tcp(struct usock_tcp *tcp)
{
	return (struct usock__stream *)((char *)tcp - offsetof(struct usock__stream, tcp));
}

void usock__stream_tell(struct usock__stream *s, uint32_t events)
{
	if (s->inet.sock.ready.user >= 0)
		usock__changed(&s->inet.sock, events);
}

/** report - set SO_ERROR (a positive errno) */
static void report(struct usock__stream *s, int error)
{
	s->inet.sock.error = error;
	usock__stream_tell(s, EPOLLERR);
}

/** detach_close, detach_abort - the engine forgets the connection: to be finished by it alone, or reset */
static void detach_close(struct usock__stream *s)
{
	struct usock_stack *stack = s->inet.sock.stack;

	if (!usock__stream_attached(s))
		return;
	stack->engine->tcp_close(stack->e, &s->tcp);
	s->tcp.pcb = NULL;
}

static void detach_abort(struct usock__stream *s)
{
	struct usock_stack *stack = s->inet.sock.stack;

	if (!usock__stream_attached(s))
		return;
	stack->engine->tcp_abort(stack->e, &s->tcp);
	s->tcp.pcb = NULL;
}

/** left_behind - does the engine have a connection to finish that keeps the port? By @state, the last one here */
static bool left_behind(const struct usock__stream *s, enum usock__tcp_state state)
{
	switch (state) {
	case STREAM_FIN_WAIT1:
	case STREAM_FIN_WAIT2:
	case STREAM_CLOSING:
		return true;
	case STREAM_LAST_ACK:
		/* It ends with the next acknowledgement: only worth remembering when the engine can tell. */
		return s->inet.sock.stack->engine->tcp_left != NULL;
	default:
		return false;
	}
}

void usock__stream_set(struct usock__stream *s, enum usock__tcp_state state)
{
	struct usock *sock = &s->inet.sock;
	enum usock__tcp_state old = s->state;
	bool attached = usock__stream_attached(s);

	if (state == old)
		return;
	s->state = state;
	s->inet.listening = state == STREAM_LISTEN;
	switch (state) {
	case STREAM_SYN_SENT:
		s->inet.connected = true;
		break;
	case STREAM_ESTABLISHED:
		s->inet.connected = true;
		usock__stream_tell(s, EPOLLOUT);
		break;
	case STREAM_CLOSE:
		s->inet.connected = false;
		s->fin_wanted = false;
		usock__timer_clear(sock->stack, &s->timer);
		usock__bind_leave(&s->inet, attached && left_behind(s, old));
		usock__stream_tell(s, EVENTS_ALL);
		break;
	default:
		break;
	}
}

/** ended - a connection is over, one way or the other: nothing is to be received or sent any more */
static void ended(struct usock__stream *s)
{
	s->inet.sock.shutdown = USOCK_RCV_SHUTDOWN | USOCK_SEND_SHUTDOWN;
	usock__stream_set(s, STREAM_CLOSE);
}

/* -------------------------------------------------------------------------------------- what the engine has to tell */

void usock_tcp_connected(struct usock_tcp *tcp)
{
	struct usock__stream *s = stream_of_tcp(tcp);

	if (s->state == STREAM_SYN_SENT)
		usock__stream_set(s, STREAM_ESTABLISHED);
}

void usock_tcp_fin(struct usock_tcp *tcp)
{
	struct usock__stream *s = stream_of_tcp(tcp);

	s->inet.sock.shutdown |= USOCK_RCV_SHUTDOWN;
	s->done = true;
	usock__stream_tell(s, EPOLLIN | EPOLLRDHUP);
	switch (s->state) {
	case STREAM_ESTABLISHED:
		usock__stream_set(s, STREAM_CLOSE_WAIT);
		break;
	case STREAM_FIN_WAIT1:
		usock__stream_set(s, STREAM_CLOSING);
		usock__stream_tell(s, EPOLLHUP);
		break;
	case STREAM_FIN_WAIT2:
		ended(s);
		detach_close(s);
		break;
	default:
		break;
	}
	usock__stream_arrived(s, false);
}

void usock_tcp_sent(struct usock_tcp *tcp)
{
	struct usock__stream *s = stream_of_tcp(tcp);

	if (s->fin_wanted)
		usock__stream_fin(s);
	if (!usock__stream_is(s, STREAM_BIT(STREAM_SYN_SENT)) && usock__stream_writable(s))
		usock__stream_tell(s, EPOLLOUT);
}

void usock_tcp_finished(struct usock_tcp *tcp)
{
	struct usock__stream *s = stream_of_tcp(tcp);

	/* The engine may be done with it altogether. */
	if (!usock__stream_attached(s) && s->state != STREAM_CLOSE) {
		ended(s);
		return;
	}
	switch (s->state) {
	case STREAM_FIN_WAIT1:
		usock__stream_set(s, STREAM_FIN_WAIT2);
		usock__stream_tell(s, EPOLLHUP); /* for a close that lingers */
		break;
	case STREAM_CLOSING:
	case STREAM_LAST_ACK:
		ended(s);
		detach_close(s);
		break;
	default:
		break;
	}
}

void usock_tcp_error(struct usock_tcp *tcp, int error)
{
	struct usock__stream *s = stream_of_tcp(tcp);

	tcp->pcb = NULL;
	if (s->state == STREAM_CLOSE)
		return;
	/* A peer that has sent its FIN and resets then does not want what we send: a broken pipe. */
	if (error == -ECONNRESET && s->state == STREAM_CLOSE_WAIT)
		error = -EPIPE;
	report(s, -error);
	ended(s);
	usock__stream_arrived(s, true);
}

/* --------------------------------------------------------------------------------------------------- the program's */

/** stream_timer - the timer of a socket, whatever it is for */
static void stream_timer(struct usock__timer *timer)
{
	struct usock__stream *s = (struct usock__stream *)((char *)timer - offsetof(struct usock__stream, timer));

	if (s->broken) {
		s->broken = false;
		report(s, ENOBUFS);
		detach_abort(s);
		ended(s);
		usock__stream_arrived(s, true);
	} else if (s->is_deferred) {
		usock__stream_arrived(s, false);
	} else {
		usock__stream_sender_timer(s);
	}
}

void usock__stream_defaults(struct usock__stream *s)
{
	int *option = s->tcp.option;

	s->state = STREAM_CLOSE;
	s->queue_tail = &s->queue;
	s->timer.fire = stream_timer;
	s->options.quickack = true;
	option[USOCK_TCP_KEEPIDLE] = 7200;
	option[USOCK_TCP_KEEPINTVL] = 75;
	option[USOCK_TCP_KEEPCNT] = 9;
	option[USOCK_TCP_SYNCNT] = 6;
	option[USOCK_TCP_TTL] = -1;
}

static int stream_open(struct usock *sock)
{
	struct usock__stream *s = usock__stream_of(sock);

	sock->options.sndbuf = STREAM_SNDBUF;
	sock->options.rcvbuf = STREAM_RCVBUF;
	usock__ip_init(&s->inet.ip);
	usock__stream_defaults(s);
	s->tcp.family = sock->family;
	s->tcp.option[USOCK_TCP_RCVBUF] = STREAM_RCVBUF / 2;
	return 0;
}

static int stream_bind(struct usock *sock, const struct sockaddr *addr, socklen_t len)
{
	struct usock__stream *s = usock__stream_of(sock);
	struct usock_endpoint local;
	int ret = usock__endpoint_take_bind(sock->family, addr, len, &local);

	if (ret != 0)
		return ret;
	if (s->state != STREAM_CLOSE || s->inet.bind_port != 0)
		return -EINVAL;
	return usock__bind(&s->inet, IPPROTO_TCP, &local);
}

/**
 * disconnect - back to a fresh socket, as tcp_disconnect of Linux: a connection is reset, and SO_ERROR says so
 */
static void disconnect(struct usock__stream *s)
{
	struct usock *sock = &s->inet.sock;
	struct usock_stack *stack = sock->stack;

	sock->connecting = false;
	if (s->state == STREAM_LISTEN) {
		usock__stream_unlisten(s);
	} else if (usock__stream_is(s, STREAM_RESETTABLE)) {
		report(s, ECONNRESET);
		detach_abort(s);
	} else if (usock__stream_is(s, STREAM_BIT(STREAM_CLOSING) | STREAM_BIT(STREAM_LAST_ACK))) {
		if (usock__stream_attached(s) && stack->engine->tcp_unsent(stack->e, &s->tcp) > 0) {
			report(s, ECONNRESET);
			detach_abort(s);
		}
	} else if (s->state == STREAM_SYN_SENT) {
		report(s, ECONNRESET);
	}
	usock__stream_set(s, STREAM_CLOSE);
	detach_close(s);
	usock__stream_purge(s);
	s->done = false;
	sock->shutdown = 0;
	sock->options.peek_off = -1;
	usock__bind_disconnect(&s->inet, IPPROTO_TCP);
	usock__stream_tell(s, EVENTS_ALL);
}

static int stream_connect_done(struct usock *sock)
{
	struct usock__stream *s = usock__stream_of(sock);
	int ret;

	if (s->state == STREAM_SYN_SENT)
		return -EINPROGRESS;
	sock->connecting = false;
	if (s->state == STREAM_CLOSE || s->state == STREAM_LISTEN) {
		ret = usock__take_error(sock);
		if (s->state == STREAM_CLOSE)
			disconnect(s);
		s->phase = PHASE_UNCONNECTED;
		return ret != 0 ? ret : -ECONNABORTED;
	}
	s->phase = PHASE_CONNECTED;
	return 0;
}

/** attempt - connect to @remote; the address and port of the socket are chosen unless they are already */
static int attempt(struct usock__stream *s, const struct usock_endpoint *remote)
{
	struct usock_stack *stack = s->inet.sock.stack;
	int ret;

	/* A pair of endpoints that the engine still uses (TIME-WAIT) costs another try with another port, if that is
	 * ours to choose. */
	for (int tries = 0;; tries++) {
		ret = usock__bind_connect(&s->inet, IPPROTO_TCP, remote);
		if (ret != 0)
			return ret;
		s->inet.remote = *remote;
		s->tcp.local = s->inet.local;
		s->tcp.remote = *remote;
		s->tcp.v6only = s->inet.ip.v6only;
		usock__stream_options_prepare(s);
		ret = stack->engine->tcp_connect(stack->e, &s->tcp);
		if (ret == 0)
			return 0;
		s->tcp.pcb = NULL;
		usock__bind_disconnect(&s->inet, IPPROTO_TCP);
		if (ret != -EADDRINUSE)
			return ret;
		if (s->inet.bind_port != 0 || tries == 16)
			return -EADDRNOTAVAIL;
	}
}

static int stream_connect(struct usock *sock, const struct sockaddr *addr, socklen_t len)
{
	struct usock__stream *s = usock__stream_of(sock);
	struct usock_endpoint remote;
	sa_family_t family;
	int ret;

	if (len < sizeof(family))
		return -EINVAL;
	memcpy(&family, addr, sizeof(family));
	if (family == AF_UNSPEC) {
		disconnect(s);
		s->phase = PHASE_UNCONNECTED;
		return 0;
	}
	if (s->phase == PHASE_CONNECTED)
		return -EISCONN;
	if (s->phase == PHASE_CONNECTING)
		return stream_connect_done(sock);
	if (s->phase == PHASE_DISCONNECTING)
		return -EINVAL;
	if (s->state != STREAM_CLOSE)
		return -EISCONN;
	ret = usock__endpoint_take(sock->family, addr, len, &remote);
	if (ret != 0)
		return ret;
	usock__bind_anywhere(&s->inet, &remote);
	if (sock->family == AF_INET6 && IN6_IS_ADDR_MULTICAST(&remote.ip.v6))
		return -ENETUNREACH;
	ret = attempt(s, &remote);
	if (ret != 0)
		return ret;
	/* Only now: a descriptor that has been joined to ours cannot show a fresh socket any more. */
	ret = usock__ready_pair(sock);
	if (ret != 0) {
		detach_close(s);
		usock__bind_disconnect(&s->inet, IPPROTO_TCP);
		return ret;
	}
	s->phase = PHASE_CONNECTING;
	sock->connecting = true;
	usock__stream_set(s, STREAM_SYN_SENT);
	usock__stream_tell(s, 0);
	return -EINPROGRESS;
}

static int stream_getsockname(struct usock *sock, struct sockaddr_storage *addr, socklen_t *len)
{
	usock__endpoint_give(sock->family, &usock__inet_of(sock)->local, addr, len);
	return 0;
}

static int stream_getpeername(struct usock *sock, struct sockaddr_storage *addr, socklen_t *len)
{
	struct usock__stream *s = usock__stream_of(sock);

	if (usock__stream_is(s, STREAM_BIT(STREAM_CLOSE) | STREAM_BIT(STREAM_SYN_SENT) | STREAM_BIT(STREAM_LISTEN)))
		return -ENOTCONN;
	usock__endpoint_give(sock->family, &s->inet.remote, addr, len);
	return 0;
}

static int stream_shutdown(struct usock *sock, int how)
{
	struct usock__stream *s = usock__stream_of(sock);
	unsigned int bits;
	int ret = 0;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	bits = (unsigned int)how + 1;
	if (s->phase == PHASE_CONNECTING)
		s->phase =
		        s->state == STREAM_SYN_SENT || s->state == STREAM_CLOSE ? PHASE_DISCONNECTING : PHASE_CONNECTED;
	switch (s->state) {
	case STREAM_LISTEN:
		if (!(bits & USOCK_RCV_SHUTDOWN))
			break;
		disconnect(s);
		s->phase = PHASE_UNCONNECTED;
		break;
	case STREAM_SYN_SENT:
		disconnect(s);
		s->phase = PHASE_UNCONNECTED;
		break;
	case STREAM_CLOSE:
		/* There is more to show now than OUT and HUP. */
		if (sock->ready.shape == USOCK_SHAPE_FRESH)
			(void)usock__ready_pair(sock);
		sock->shutdown |= bits;
		ret = -ENOTCONN;
		break;
	default:
		sock->shutdown |= bits;
		if ((bits & USOCK_SEND_SHUTDOWN) && usock__stream_is(s, STREAM_SENDING)) {
			usock__stream_set(s, s->state == STREAM_ESTABLISHED ? STREAM_FIN_WAIT1 : STREAM_LAST_ACK);
			usock__stream_fin(s);
		}
		break;
	}
	usock__stream_tell(s, EVENTS_ALL);
	return ret;
}

static int stream_ioctl(struct usock *sock, unsigned long request, void *arg)
{
	struct usock__stream *s = usock__stream_of(sock);
	struct usock_stack *stack = sock->stack;
	bool sending = usock__stream_attached(s) && s->state != STREAM_SYN_SENT;
	size_t value;
	int number;

	switch (request) {
	case SIOCATMARK:
		value = usock__stream_at_mark(s);
		break;
	case SIOCINQ: /* FIONREAD */
		value = usock__stream_inq(s);
		break;
	case SIOCOUTQ:
		value = sending ? stack->engine->tcp_unacked(stack->e, &s->tcp) : 0;
		break;
	case SIOCOUTQNSD:
		value = sending ? stack->engine->tcp_unsent(stack->e, &s->tcp) : 0;
		break;
	default:
		return -ENOIOCTLCMD;
	}
	if (s->state == STREAM_LISTEN && request != SIOCATMARK)
		return -EINVAL;
	number = value > INT32_MAX ? INT32_MAX : (int)value;
	memcpy(arg, &number, sizeof(number));
	return 0;
}

static uint32_t stream_poll(struct usock *sock)
{
	struct usock__stream *s = usock__stream_of(sock);
	uint32_t events = 0;

	if (s->state == STREAM_LISTEN)
		return s->queue != NULL ? EPOLLIN : 0;
	if (s->state == STREAM_CLOSE || sock->shutdown == (USOCK_RCV_SHUTDOWN | USOCK_SEND_SHUTDOWN))
		events |= EPOLLHUP;
	if (sock->shutdown & USOCK_RCV_SHUTDOWN)
		events |= EPOLLIN | EPOLLRDHUP;
	if (s->state != STREAM_SYN_SENT) {
		if (usock__stream_readable(s))
			events |= EPOLLIN;
		if ((sock->shutdown & USOCK_SEND_SHUTDOWN) || usock__stream_writable(s))
			events |= EPOLLOUT;
		if (s->urgent_valid)
			events |= EPOLLPRI;
	}
	if (sock->error != 0 || !usock__errqueue_empty(sock))
		events |= EPOLLERR;
	return events;
}

/* ----------------------------------------------------------------------------------------------------------- close */

/** linger - wait till the peer has acknowledged everything, our FIN included, or the time of SO_LINGER is over */
static void linger(struct usock__stream *s)
{
	struct usock *sock = &s->inet.sock;
	int64_t until = usock_now(sock->stack) + sock->options.linger.l_linger * INT64_C(1000000000);
	int state;

	/* close(2) has begun and has to end: a cancelled thread waits for it. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	while (usock__stream_attached(s) && !sock->stack->stopped &&
	       usock__stream_is(s, STREAM_BIT(STREAM_FIN_WAIT1) | STREAM_BIT(STREAM_CLOSING) |
	                                   STREAM_BIT(STREAM_LAST_ACK)))
		if (usock__wait(sock, EPOLLHUP, until, NULL) != 0)
			break;
	pthread_setcancelstate(state, NULL);
}

static void stream_release(struct usock *sock)
{
	struct usock__stream *s = usock__stream_of(sock);
	bool unread = s->queued > (s->urgent && !s->urgent_valid ? 1 : 0);
	const struct linger *option = &sock->options.linger;
	bool unaccepted = s->parent != NULL;

	if (unaccepted)
		usock__stream_unqueue(s);
	sock->connecting = false;
	if (s->state == STREAM_LISTEN)
		usock__stream_unlisten(s);
	usock__stream_purge(s);
	if (usock__stream_attached(s)) {
		if (unread || unaccepted || (option->l_onoff && option->l_linger == 0) || sock->stack->stopped) {
			detach_abort(s);
		} else if (usock__stream_is(s, STREAM_SENDING)) {
			usock__stream_set(s, s->state == STREAM_ESTABLISHED ? STREAM_FIN_WAIT1 : STREAM_LAST_ACK);
			if (option->l_onoff && !sock->dead)
				usock__stream_fin(s);
		}
		sock->shutdown = USOCK_RCV_SHUTDOWN | USOCK_SEND_SHUTDOWN;
		if (option->l_onoff && !sock->dead)
			linger(s);
	}
	usock__stream_set(s, STREAM_CLOSE);
	detach_close(s);
	usock__timer_clear(sock->stack, &s->timer);
	usock__unbind(&s->inet, IPPROTO_TCP);
}

static void stream_destroy(struct usock *sock)
{
	struct usock__stream *s = usock__stream_of(sock);

	usock__stream_purge(s);
	free(s->ring);
	usock__mcast_release(&s->inet);
	usock__errqueue_release(sock);
}

const struct usock__kind usock__stream_kind = {
        .name = "stream",
        .shape = USOCK_SHAPE_FRESH,
        .open = stream_open,
        .release = stream_release,
        .destroy = stream_destroy,
        .bind = stream_bind,
        .connect = stream_connect,
        .connect_done = stream_connect_done,
        .listen = usock__stream_listen,
        .accept = usock__stream_accept,
        .getsockname = stream_getsockname,
        .getpeername = stream_getpeername,
        .shutdown = stream_shutdown,
        .send = usock__stream_send,
        .recv = usock__stream_recv,
        .setsockopt = usock__stream_setsockopt,
        .getsockopt = usock__stream_getsockopt,
        .ioctl = stream_ioctl,
        .option_changed = usock__stream_option_changed,
        .poll = stream_poll,
};

const size_t usock__stream_size = sizeof(struct usock__stream);
