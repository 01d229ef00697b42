/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tcpopt.c - the options of IPPROTO_TCP: tcp(7).
 *
 * Values, ranges and what is read back are Linux's. Options that act in the engine are in usock_tcp.option; a change is
 * handed to the engine when it has a connection (or listener) of the socket, and taken back when it cannot do it. Where
 * it has none yet, it reads them when it connects, listens or has been given the socket of a new connection.
 * docs/sockets.md has the list.
 */
#include "stream.h"

#include <string.h>

#define KEEPIDLE_MOST 32767
#define KEEPINTVL_MOST 32767
#define KEEPCNT_MOST 127
#define SYNCNT_MOST 127
#define MAXSEG_LEAST 88 /* Linux: TCP_MIN_MSS */
#define MAXSEG_MOST 32767
#define LINGER2_MOST 120
#define LINGER2_USUAL 60
#define TIMEOUT_INIT 1 /* seconds before the first retransmission of a SYN-ACK, and the longest time between two */
#define TIMEOUT_MOST 120
#define CONGESTION "reno"       /* what Linux calls the algorithm of RFC 5681, which an engine has */
#define CONGESTION_NAME 16      /* Linux: TCP_CA_NAME_MAX */
#define WINDOW_CLAMP_LEAST 1152 /* half of the smallest SO_RCVBUF */

/** engine_tcp - the engine's end of a socket that connects or listens, or NULL */
static struct usock_tcp *engine_tcp(struct usock__stream *s)
{
	if (s->state == STREAM_LISTEN)
		return usock__stream_listener_tcp(s);
	return usock__stream_attached(s) ? &s->tcp : NULL;
}

/** set_engine - change an option that the engine knows */
static int set_engine(struct usock__stream *s, enum usock_tcp_option option, int value)
{
	struct usock_stack *stack = s->inet.sock.stack;
	struct usock_tcp *tcp = engine_tcp(s);
	int before = s->tcp.option[option], ret;

	s->tcp.option[option] = value;
	if (tcp == NULL)
		return 0;
	tcp->option[option] = value;
	ret = stack->engine->tcp_option(stack->e, tcp, option, value);
	if (ret != 0)
		s->tcp.option[option] = tcp->option[option] = before;
	return ret;
}

/** wanted - the value that an option of another level gives one of the engine's */
static int wanted(const struct usock__stream *s, enum usock_tcp_option option)
{
	const struct usock__options *options = &s->inet.sock.options;
	const struct usock__ip *ip = &s->inet.ip;
	union inet_ip v4;
	bool six = s->inet.sock.family == AF_INET6 && usock__effective(AF_INET6, &s->inet.remote.ip, &v4) == AF_INET6;

	switch (option) {
	case USOCK_TCP_KEEPALIVE:
		return options->keepalive;
	case USOCK_TCP_RCVBUF:
		return s->options.window_clamp != 0 && s->options.window_clamp < options->rcvbuf / 2
		               ? s->options.window_clamp
		               : options->rcvbuf / 2;
	case USOCK_TCP_TTL:
		return six ? ip->hop_limit : ip->ttl;
	case USOCK_TCP_TOS:
		return six ? (ip->tclass < 0 ? 0 : ip->tclass) : ip->tos;
	case USOCK_TCP_BOUND_IF:
		return (int)options->bound_if;
	default:
		return s->tcp.option[option];
	}
}

/* Those that other levels give. */
static const enum usock_tcp_option foreign[] = {USOCK_TCP_KEEPALIVE, USOCK_TCP_RCVBUF, USOCK_TCP_TTL, USOCK_TCP_TOS,
                                                USOCK_TCP_BOUND_IF};
#define FOREIGN (sizeof(foreign) / sizeof(foreign[0]))

int usock__stream_option_changed(struct usock *sock, int name)
{
	struct usock__stream *s = usock__stream_of(sock);

	/* The names of several levels come here, so a name alone does not tell what it is: whatever is not as wanted
	 * has changed. */
	for (size_t i = 0; i < FOREIGN; i++) {
		int value = wanted(s, foreign[i]);
		int ret = value != s->tcp.option[foreign[i]] ? set_engine(s, foreign[i], value) : 0;

		if (ret != 0)
			return ret;
	}
	if (name == SO_SNDBUF || name == SO_SNDBUFFORCE)
		s->sndbuf_locked = true;
	usock__stream_tell(s, 0);
	return 0;
}

void usock__stream_options_prepare(struct usock__stream *s)
{
	for (size_t i = 0; i < FOREIGN; i++)
		s->tcp.option[foreign[i]] = wanted(s, foreign[i]);
}

/* -------------------------------------------------------------------------------------- seconds and retransmissions */

/** to_retransmissions - in how many retransmissions of a SYN-ACK, doubling their distance, do @seconds pass? */
static int to_retransmissions(int seconds)
{
	int period = TIMEOUT_INIT, timeout = TIMEOUT_INIT, n = 0;

	if (seconds <= 0)
		return 0;
	for (n = 1; seconds > period && n < 255; n++) {
		timeout = timeout * 2 > TIMEOUT_MOST ? TIMEOUT_MOST : timeout * 2;
		period += timeout;
	}
	return n;
}

int usock__stream_defer_seconds(const struct usock__stream *s)
{
	int period = 0, timeout = TIMEOUT_INIT;

	for (int i = 0; i < s->options.defer_accept; i++) {
		period += timeout;
		timeout = timeout * 2 > TIMEOUT_MOST ? TIMEOUT_MOST : timeout * 2;
	}
	return period;
}

/* ------------------------------------------------------------------------------------------------------------- set */

static int set_ranged(struct usock__stream *s, enum usock_tcp_option option, int value, int least, int most)
{
	return value < least || value > most ? -EINVAL : set_engine(s, option, value);
}

/** set_nodelay - TCP_NODELAY; what waits is sent now, unless a cork is on it */
static int set_nodelay(struct usock__stream *s, int value)
{
	int ret = set_engine(s, USOCK_TCP_NODELAY, value != 0);

	if (ret == 0 && value != 0 && !s->options.cork && usock__stream_is(s, STREAM_SENDING))
		usock__stream_push(s);
	return ret;
}

static int set_cork(struct usock__stream *s, int value)
{
	bool before = s->options.cork;

	s->options.cork = value != 0;
	if (before && value == 0 && usock__stream_is(s, STREAM_SENDING))
		usock__stream_push(s);
	return 0;
}

/** set_congestion - TCP_CONGESTION: there is one algorithm, that of RFC 5681 */
static int set_congestion(const char *value, socklen_t len)
{
	char name[CONGESTION_NAME] = "";

	if (len < 1)
		return -EINVAL;
	memcpy(name, value, len < sizeof(name) ? len : sizeof(name) - 1);
	return strcmp(name, CONGESTION) == 0 ? 0 : -ENOENT;
}

/** set_window_clamp - TCP_WINDOW_CLAMP: the window is never larger than this, nor than SO_RCVBUF */
static int set_window_clamp(struct usock__stream *s, int value)
{
	int before = s->options.window_clamp, ret;

	if (value == 0 && s->state != STREAM_CLOSE)
		return -EINVAL;
	s->options.window_clamp = value != 0 && value < WINDOW_CLAMP_LEAST ? WINDOW_CLAMP_LEAST : value;
	ret = set_engine(s, USOCK_TCP_RCVBUF, wanted(s, USOCK_TCP_RCVBUF));
	if (ret != 0)
		s->options.window_clamp = before;
	return ret;
}

static int set_int(struct usock__stream *s, int name, int value)
{
	switch (name) {
	case TCP_NODELAY:
		return set_nodelay(s, value);
	case TCP_CORK:
		return set_cork(s, value);
	case TCP_MAXSEG:
		return value != 0 && (value < MAXSEG_LEAST || value > MAXSEG_MOST)
		               ? -EINVAL
		               : set_engine(s, USOCK_TCP_MAXSEG, value);
	case TCP_KEEPIDLE:
		return set_ranged(s, USOCK_TCP_KEEPIDLE, value, 1, KEEPIDLE_MOST);
	case TCP_KEEPINTVL:
		return set_ranged(s, USOCK_TCP_KEEPINTVL, value, 1, KEEPINTVL_MOST);
	case TCP_KEEPCNT:
		return set_ranged(s, USOCK_TCP_KEEPCNT, value, 1, KEEPCNT_MOST);
	case TCP_SYNCNT:
		return set_ranged(s, USOCK_TCP_SYNCNT, value, 1, SYNCNT_MOST);
	case TCP_USER_TIMEOUT:
		return value < 0 ? -EINVAL : set_engine(s, USOCK_TCP_USER_TIMEOUT, value);
	case TCP_LINGER2:
		s->options.linger2 = value < 0 ? -1 : value > LINGER2_MOST ? LINGER2_MOST : value;
		return 0;
	case TCP_DEFER_ACCEPT:
		s->options.defer_accept = to_retransmissions(value);
		return 0;
	case TCP_WINDOW_CLAMP:
		return set_window_clamp(s, value);
	case TCP_QUICKACK:
		s->options.quickack = value != 0;
		return 0;
	case TCP_NOTSENT_LOWAT:
		s->options.notsent_lowat = (uint32_t)value;
		usock__stream_tell(s, 0);
		return 0;
	case TCP_INQ:
		if (value < 0 || value > 1)
			return -EINVAL;
		s->options.inq = value != 0;
		return 0;
	case TCP_THIN_LINEAR_TIMEOUTS:
		if (value < 0 || value > 1)
			return -EINVAL;
		s->options.thin_linear = value != 0;
		return 0;
	case TCP_THIN_DUPACK: /* Linux does nothing with it, too */
		return value < 0 || value > 1 ? -EINVAL : 0;
	default:
		return -ENOPROTOOPT;
	}
}

int usock__stream_setsockopt(struct usock *sock, int level, int name, const void *value, socklen_t len)
{
	struct usock__stream *s = usock__stream_of(sock);
	int number;

	if (level == IPPROTO_IP || level == IPPROTO_IPV6)
		return usock__ip_setsockopt(&s->inet, level, name, value, len);
	if (level != IPPROTO_TCP)
		return -ENOPROTOOPT;
	if (name == TCP_CONGESTION)
		return set_congestion(value, len);
	if (len < sizeof(number))
		return -EINVAL;
	memcpy(&number, value, sizeof(number));
	return set_int(s, name, number);
}

/* ------------------------------------------------------------------------------------------------------------- get */

/** get_info - TCP_INFO: the engine's figures, and the state as the socket shows it */
static int get_info(struct usock__stream *s, void *value, socklen_t *len)
{
	struct usock_stack *stack = s->inet.sock.stack;
	struct tcp_info info;

	memset(&info, 0, sizeof(info));
	if (s->state == STREAM_LISTEN) {
		info.tcpi_unacked = s->queue_len;
		info.tcpi_sacked = s->backlog;
	} else if (usock__stream_attached(s)) {
		stack->engine->tcp_info(stack->e, &s->tcp, &info);
	}
	info.tcpi_state = (uint8_t)s->state;
	if (*len > sizeof(info))
		*len = sizeof(info);
	memcpy(value, &info, *len);
	return 0;
}

/** get_maxseg - TCP_MAXSEG: that of the connection; before, what was asked for, or Linux's 536 */
static int get_maxseg(struct usock__stream *s)
{
	struct usock_stack *stack = s->inet.sock.stack;
	int asked = s->tcp.option[USOCK_TCP_MAXSEG];
	struct tcp_info info;

	if (usock__stream_attached(s) && s->state != STREAM_SYN_SENT) {
		memset(&info, 0, sizeof(info));
		stack->engine->tcp_info(stack->e, &s->tcp, &info);
		if (info.tcpi_snd_mss != 0)
			return (int)info.tcpi_snd_mss;
	}
	return asked != 0 ? asked : 536;
}

static int get_int(struct usock__stream *s, int name, int *out)
{
	const int *option = s->tcp.option;

	switch (name) {
	case TCP_NODELAY:
		*out = option[USOCK_TCP_NODELAY];
		return 0;
	case TCP_CORK:
		*out = s->options.cork;
		return 0;
	case TCP_MAXSEG:
		*out = get_maxseg(s);
		return 0;
	case TCP_KEEPIDLE:
		*out = option[USOCK_TCP_KEEPIDLE];
		return 0;
	case TCP_KEEPINTVL:
		*out = option[USOCK_TCP_KEEPINTVL];
		return 0;
	case TCP_KEEPCNT:
		*out = option[USOCK_TCP_KEEPCNT];
		return 0;
	case TCP_SYNCNT:
		*out = option[USOCK_TCP_SYNCNT];
		return 0;
	case TCP_USER_TIMEOUT:
		*out = option[USOCK_TCP_USER_TIMEOUT];
		return 0;
	case TCP_LINGER2:
		*out = s->options.linger2 == 0 ? LINGER2_USUAL : s->options.linger2;
		return 0;
	case TCP_DEFER_ACCEPT:
		*out = usock__stream_defer_seconds(s);
		return 0;
	case TCP_WINDOW_CLAMP:
		*out = usock__stream_attached(s) ? option[USOCK_TCP_RCVBUF] : s->options.window_clamp;
		return 0;
	case TCP_QUICKACK:
		*out = s->options.quickack;
		return 0;
	case TCP_NOTSENT_LOWAT:
		*out = (int)s->options.notsent_lowat;
		return 0;
	case TCP_INQ:
		*out = s->options.inq;
		return 0;
	case TCP_THIN_LINEAR_TIMEOUTS:
		*out = s->options.thin_linear;
		return 0;
	case TCP_THIN_DUPACK:
		*out = 0;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

int usock__stream_getsockopt(struct usock *sock, int level, int name, void *value, socklen_t *len)
{
	struct usock__stream *s = usock__stream_of(sock);
	int number, ret;

	if (level == IPPROTO_IP || level == IPPROTO_IPV6)
		return usock__ip_getsockopt(&s->inet, level, name, value, len);
	if (level != IPPROTO_TCP)
		return sock->family == AF_INET ? -EOPNOTSUPP : -ENOPROTOOPT;
	if ((int)*len < 0)
		return -EINVAL;
	if (name == TCP_INFO)
		return get_info(s, value, len);
	if (name == TCP_CONGESTION) {
		char algorithm[CONGESTION_NAME] = CONGESTION;

		if (*len > sizeof(algorithm))
			*len = sizeof(algorithm);
		memcpy(value, algorithm, *len);
		return 0;
	}
	ret = get_int(s, name, &number);
	if (ret != 0)
		return ret;
	if (*len > sizeof(number))
		*len = sizeof(number);
	memcpy(value, &number, *len);
	return 0;
}
