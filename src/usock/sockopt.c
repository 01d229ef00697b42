/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sockopt.c - SOL_SOCKET: socket(7), with the values and errors of Linux.
 *
 * Most options are a switch or a number of struct usock__options, which a table describes. What changes is offered to
 * the kind (option_changed), and taken back when it refuses. Options that ask for what is not done here (zero copy,
 * BPF, memory of devices, ...) are refused as by a kernel without them.
 */
#include "sockfilter.h"

#include <errno.h>
#include <limits.h>
#include <linux/net_tstamp.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <stdatomic.h>
#include <string.h>

/* Bytes, as getsockopt shows them: twice what was asked for. The limits are those of Linux 6.18 (net.core.wmem_max,
 * rmem_max). */
#define BUFFER_MAX 4194304
#define SNDBUF_MIN 4608
#define RCVBUF_MIN 2304
#define DATAGRAM_BUFFER 212992
#define STREAM_SNDBUF 16384
#define STREAM_RCVBUF 131072
#define STREAM_LOWAT_MAX 16777216 /* half of net.ipv4.tcp_rmem[2] */

/* Not in the headers of older C libraries. */
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

#define TX_TIMESTAMPS                                                                                                  \
	(SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED |                     \
	 SOF_TIMESTAMPING_TX_ACK)

void usock__options_init(struct usock__options *options, int type)
{
	*options = (struct usock__options){
	        .sndbuf = type == SOCK_STREAM ? STREAM_SNDBUF : DATAGRAM_BUFFER,
	        .rcvbuf = type == SOCK_STREAM ? STREAM_RCVBUF : DATAGRAM_BUFFER,
	        .rcvlowat = 1,
	        .peek_off = -1,
	        .rcvtimeo = INET_NEVER,
	        .sndtimeo = INET_NEVER,
	        .incoming_cpu = -1,
	};
}

/* --------------------------------------------------------------------------------------------- switches and numbers */

/** struct plain - an option that is a member of struct usock__options, and nothing else to see to */
struct plain {
	int name;
	size_t offset;
	bool is_switch; /* a bool; else an int */
};

#define SWITCH(name, member)                                                                                           \
	{                                                                                                              \
		name, offsetof(struct usock__options, member), true                                                    \
	}
#define NUMBER(name, member)                                                                                           \
	{                                                                                                              \
		name, offsetof(struct usock__options, member), false                                                   \
	}

static const struct plain plain[] = {
        SWITCH(SO_DEBUG, debug),
        SWITCH(SO_REUSEADDR, reuseaddr),
        SWITCH(SO_REUSEPORT, reuseport),
        SWITCH(SO_DONTROUTE, dontroute),
        SWITCH(SO_BROADCAST, broadcast),
        SWITCH(SO_KEEPALIVE, keepalive),
        SWITCH(SO_OOBINLINE, oobinline),
        SWITCH(SO_NO_CHECK, no_check),
        SWITCH(SO_RXQ_OVFL, rxq_ovfl),
        SWITCH(SO_SELECT_ERR_QUEUE, select_err_queue),
        NUMBER(SO_PRIORITY, priority),
        NUMBER(SO_MARK, mark),
        NUMBER(SO_PEEK_OFF, peek_off),
        NUMBER(SO_RCVBUF, rcvbuf),
        NUMBER(SO_SNDBUF, sndbuf),
        NUMBER(SO_RCVLOWAT, rcvlowat),
        NUMBER(SO_BUSY_POLL, busy_poll),
        NUMBER(SO_BINDTOIFINDEX, bound_if),
        NUMBER(SO_INCOMING_CPU, incoming_cpu),
};

static const struct plain *plain_find(int name)
{
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (plain[i].name == name)
			return &plain[i];
	return NULL;
}

/** plain_set - @value as it is */
static void plain_set(struct usock__options *options, const struct plain *option, int value)
{
	char *at = (char *)options + option->offset;

	if (option->is_switch)
		*(bool *)at = value != 0;
	else
		memcpy(at, &value, sizeof(value));
}

static int plain_get(const struct usock__options *options, const struct plain *option)
{
	const char *at = (const char *)options + option->offset;
	int value;

	if (option->is_switch)
		return *(const bool *)at;
	memcpy(&value, at, sizeof(value));
	return value;
}

/** buffer - what becomes of a size that was asked for; @max: no more than that before it is doubled */
static int buffer(int value, int min, int max)
{
	/* Negative ones are huge, as in Linux. */
	unsigned int size = (unsigned int)value < (unsigned int)max ? (unsigned int)value : (unsigned int)max;

	return (int)(2 * size) < min ? min : (int)(2 * size);
}

/** lowat - SO_RCVLOWAT: a stream can never have more than its buffer */
static int lowat(const struct usock *sock, int value)
{
	int max = sock->options.rcvbuf_set ? sock->options.rcvbuf / 2 : STREAM_LOWAT_MAX;

	if (value < 0)
		value = INT_MAX;
	if (sock->type == SOCK_STREAM && value > max)
		value = max;
	return value == 0 ? 1 : value;
}

/** plain_value - what is stored of @value for an option of the table, or why it is refused */
static int plain_value(const struct usock *sock, int name, int *value)
{
	bool internet = sock->family == AF_INET || sock->family == AF_INET6;

	switch (name) {
	case SO_REUSEPORT:
		return *value != 0 && !internet ? -EOPNOTSUPP : 0;
	case SO_PEEK_OFF:
		return internet && sock->type != SOCK_RAW ? 0 : -EOPNOTSUPP;
	case SO_BUSY_POLL:
	case SO_BINDTOIFINDEX:
		return *value < 0 ? -EINVAL : 0;
	case SO_RCVBUF:
		*value = buffer(*value, RCVBUF_MIN, BUFFER_MAX);
		return 0;
	case SO_SNDBUF:
		*value = buffer(*value, SNDBUF_MIN, BUFFER_MAX);
		return 0;
	case SO_RCVLOWAT:
		*value = lowat(sock, *value);
		return 0;
	default:
		return 0;
	}
}

/* ---------------------------------------------------------------------------------------------------------- setting */

/** bind_to_device - SO_BINDTODEVICE: an interface by its name, which need not end; an empty one for none */
static int bind_to_device(struct usock *sock, const void *value, socklen_t len)
{
	struct inet_iface *iface;
	char name[IFNAMSIZ] = "";

	memcpy(name, value, len < IFNAMSIZ - 1 ? len : IFNAMSIZ - 1);
	if (name[0] == '\0') {
		sock->options.bound_if = 0;
		return 0;
	}
	iface = inet_iface_by_name(sock->stack->inet, name);
	if (iface == NULL)
		return -ENODEV;
	sock->options.bound_if = iface->index;
	return 0;
}

static int set_linger(struct usock *sock, const void *value, socklen_t len)
{
	struct linger linger;

	if (len < sizeof(linger))
		return -EINVAL;
	memcpy(&linger, value, sizeof(linger));
	sock->options.linger.l_onoff = linger.l_onoff != 0;
	/* The time of a linger that is switched off is kept. */
	if (linger.l_onoff != 0)
		sock->options.linger.l_linger = linger.l_linger < 0 ? INT_MAX : linger.l_linger;
	return 0;
}

/** set_timeout - a struct timeval, 0 for ever; one that is negative is over at once */
static int set_timeout(int64_t *timeout, const void *value, socklen_t len)
{
	struct timeval tv;

	if (len < sizeof(tv))
		return -EINVAL;
	memcpy(&tv, value, sizeof(tv));
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EDOM;
	if (tv.tv_sec < 0)
		*timeout = 0;
	else if ((tv.tv_sec == 0 && tv.tv_usec == 0) || tv.tv_sec > INT32_MAX)
		*timeout = INET_NEVER;
	else
		*timeout = tv.tv_sec * INT64_C(1000000000) + tv.tv_usec * INT64_C(1000);
	return 0;
}

/** set_timestamp - SO_TIMESTAMP or SO_TIMESTAMPNS: one takes the place of the other, and "new" of "old" */
static void set_timestamp(struct usock__options *options, bool nano, bool new, bool on)
{
	options->timestamp = on && !nano;
	options->timestampns = on && nano;
	options->timestamp_new = on && new;
}

/** set_timestamping - arrivals are stamped; departures are not */
static int set_timestamping(struct usock__options *options, int value, bool new)
{
	if (value & ~SOF_TIMESTAMPING_MASK)
		return -EINVAL;
	if (value & TX_TIMESTAMPS)
		return -EOPNOTSUPP;
	options->timestamping = (unsigned int)value;
	options->timestamp_new = new;
	return 0;
}

/** set_times - the options about time stamps; -ENOPROTOOPT for others */
static int set_times(struct usock *sock, int name, int value)
{
	struct usock__options *options = &sock->options;

	switch (name) {
	case SO_TIMESTAMP_OLD:
	case SO_TIMESTAMP_NEW:
		set_timestamp(options, false, name == SO_TIMESTAMP_NEW, value != 0);
		break;
	case SO_TIMESTAMPNS_OLD:
	case SO_TIMESTAMPNS_NEW:
		set_timestamp(options, true, name == SO_TIMESTAMPNS_NEW, value != 0);
		break;
	case SO_TIMESTAMPING_OLD:
	case SO_TIMESTAMPING_NEW:
		return set_timestamping(options, value, name == SO_TIMESTAMPING_NEW);
	default:
		return -ENOPROTOOPT;
	}
	return 0;
}

/** set_other - options that are no int, or not a member; -ENOPROTOOPT for those that there are not */
static int set_other(struct usock *sock, int name, int number, const void *value, socklen_t len)
{
	struct usock__options *options = &sock->options;

	switch (name) {
	case SO_LINGER:
		return set_linger(sock, value, len);
	case SO_RCVTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
		return set_timeout(&options->rcvtimeo, value, len);
	case SO_SNDTIMEO_OLD:
	case SO_SNDTIMEO_NEW:
		return set_timeout(&options->sndtimeo, value, len);
	case SO_SNDBUFFORCE:
		options->sndbuf = buffer(number < 0 ? 0 : number, SNDBUF_MIN, INT_MAX / 2);
		return 0;
	case SO_RCVBUFFORCE:
		options->rcvbuf = buffer(number < 0 ? 0 : number, RCVBUF_MIN, INT_MAX / 2);
		options->rcvbuf_set = true;
		return 0;
	case SO_ATTACH_FILTER:
		return usock__filter_attach(sock, value, len);
	case SO_DETACH_FILTER:
		return usock__filter_detach(sock);
	case SO_LOCK_FILTER:
		return usock__filter_lock(sock, number != 0);
	case SO_PASSCRED:
	case SO_PASSSEC:
	case SO_PASSPIDFD:
	case SO_PASSRIGHTS:
	case SO_ZEROCOPY:
		return -EOPNOTSUPP;
	case SO_BSDCOMPAT: /* without effect for 25 years */
		return 0;
	default:
		return set_times(sock, name, number);
	}
}

int usock__setsockopt(struct usock *sock, int name, const void *value, socklen_t len)
{
	struct usock__options before = sock->options;
	const struct plain *option = plain_find(name);
	int number, result;

	if (name == SO_BINDTODEVICE) {
		result = bind_to_device(sock, value, len);
	} else if (len < sizeof(number)) {
		return -EINVAL;
	} else {
		memcpy(&number, value, sizeof(number));
		if (option == NULL) {
			result = set_other(sock, name, number, value, len);
		} else {
			result = plain_value(sock, name, &number);
			if (result == 0)
				plain_set(&sock->options, option, number);
			if (name == SO_RCVBUF)
				sock->options.rcvbuf_set = true;
		}
	}
	if (result == 0 && sock->kind->option_changed != NULL)
		result = sock->kind->option_changed(sock, name == SO_BINDTOIFINDEX ? SO_BINDTODEVICE : name);
	if (result < 0)
		sock->options = before;
	return result;
}

/* ---------------------------------------------------------------------------------------------------------- reading */

/** give - as much of an answer as there is room for */
static int give(void *value, socklen_t *len, const void *answer, size_t size)
{
	if (*len > size)
		*len = (socklen_t)size;
	memcpy(value, answer, *len);
	return 0;
}

static int give_timeout(void *value, socklen_t *len, int64_t timeout)
{
	struct timeval tv = {0};

	if (timeout != INET_NEVER)
		tv = (struct timeval){.tv_sec = timeout / 1000000000, .tv_usec = timeout % 1000000000 / 1000};
	return give(value, len, &tv, sizeof(tv));
}

/** get_device - SO_BINDTODEVICE: its name, or nothing */
static int get_device(const struct usock *sock, void *value, socklen_t *len)
{
	const struct inet_iface *iface;

	if (sock->options.bound_if == 0) {
		*len = 0;
		return 0;
	}
	if (*len < IFNAMSIZ)
		return -EINVAL;
	iface = inet_iface_by_index(sock->stack->inet, sock->options.bound_if);
	if (iface == NULL)
		return -ENODEV;
	return give(value, len, iface->name, strlen(iface->name) + 1);
}

/** get_cookie - a number that no other socket of the process has or had */
static int get_cookie(struct usock *sock, void *value, socklen_t *len)
{
	static _Atomic uint64_t last;

	if (*len < sizeof(sock->cookie))
		return -EINVAL;
	if (sock->cookie == 0)
		sock->cookie = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
	return give(value, len, &sock->cookie, sizeof(sock->cookie));
}

/** get_peername - SO_PEERNAME: getpeername with another rule about room */
static int get_peername(struct usock *sock, void *value, socklen_t *len)
{
	struct sockaddr_storage name;
	socklen_t namelen = sizeof(name);

	if (sock->kind->getpeername == NULL || sock->kind->getpeername(sock, &name, &namelen) < 0)
		return -ENOTCONN;
	if (namelen < *len)
		return -EINVAL;
	return give(value, len, &name, namelen);
}

/** listens - SO_ACCEPTCONN */
static bool listens(const struct usock *sock)
{
	return sock->kind == &usock__stream_kind && ((const struct usock__inet *)sock)->listening;
}

/** get_time - the options about time stamps; -ENOPROTOOPT for others */
static int get_time(const struct usock__options *options, int name, void *value, socklen_t *len)
{
	struct so_timestamping stamping = {.flags = 0};
	int number;

	switch (name) {
	case SO_TIMESTAMP_OLD:
		number = options->timestamp && !options->timestamp_new;
		break;
	case SO_TIMESTAMP_NEW: /* Linux does not tell the two new ones apart here */
		number = (options->timestamp || options->timestampns) && options->timestamp_new;
		break;
	case SO_TIMESTAMPNS_OLD:
	case SO_TIMESTAMPNS_NEW:
		number = options->timestampns && options->timestamp_new == (name == SO_TIMESTAMPNS_NEW);
		break;
	case SO_TIMESTAMPING_OLD:
	case SO_TIMESTAMPING_NEW:
		if (name == SO_TIMESTAMPING_OLD || options->timestamp_new)
			stamping.flags = (int)options->timestamping;
		return give(value, len, &stamping, sizeof(stamping));
	default:
		return -ENOPROTOOPT;
	}
	return give(value, len, &number, sizeof(number));
}

/** get_int - options that are an int but no member; false: it is none */
static bool get_int(struct usock *sock, int name, int *number)
{
	switch (name) {
	case SO_TYPE:
		*number = sock->type;
		return true;
	case SO_DOMAIN:
		*number = sock->family;
		return true;
	case SO_PROTOCOL:
		*number = sock->protocol;
		return true;
	case SO_ERROR:
		*number = -usock__take_error(sock);
		return true;
	case SO_ACCEPTCONN:
		*number = listens(sock);
		return true;
	case SO_SNDLOWAT:
		*number = 1;
		return true;
	case SO_LOCK_FILTER:
		*number = usock__filter_locked(sock);
		return true;
	case SO_BSDCOMPAT:
	case SO_ZEROCOPY:
	case SO_BPF_EXTENSIONS:
	case SO_INCOMING_NAPI_ID:
		*number = 0;
		return true;
	default:
		return false;
	}
}

/** get_other - options that are no int */
static int get_other(struct usock *sock, int name, void *value, socklen_t *len)
{
	const struct usock__options *options = &sock->options;
	uint32_t memory[SK_MEMINFO_VARS] = {
	        [SK_MEMINFO_RCVBUF] = (uint32_t)options->rcvbuf, [SK_MEMINFO_SNDBUF] = (uint32_t)options->sndbuf};
	struct ucred nobody = {.pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1};

	switch (name) {
	case SO_LINGER:
		return give(value, len, &options->linger, sizeof(options->linger));
	case SO_RCVTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
		return give_timeout(value, len, options->rcvtimeo);
	case SO_SNDTIMEO_OLD:
	case SO_SNDTIMEO_NEW:
		return give_timeout(value, len, options->sndtimeo);
	case SO_BINDTODEVICE:
		return get_device(sock, value, len);
	case SO_COOKIE:
		return get_cookie(sock, value, len);
	case SO_PEERNAME:
		return get_peername(sock, value, len);
	case SO_GET_FILTER:
		return usock__filter_get(sock, value, len);
	case SO_MEMINFO:
		return give(value, len, memory, sizeof(memory));
	case SO_PEERCRED:
		return give(value, len, &nobody, sizeof(nobody));
	case SO_PEERGROUPS:
	case SO_PEERPIDFD:
		return -ENODATA;
	case SO_PASSCRED:
	case SO_PASSSEC:
	case SO_PASSPIDFD:
	case SO_PASSRIGHTS:
		return -EOPNOTSUPP;
	default:
		return get_time(options, name, value, len);
	}
}

int usock__getsockopt(struct usock *sock, int name, void *value, socklen_t *len)
{
	const struct plain *option = plain_find(name);
	int number;

	if (name == SO_PEEK_OFF && (number = -1, plain_value(sock, name, &number) < 0))
		return -EOPNOTSUPP;
	if (option != NULL)
		number = plain_get(&sock->options, option);
	else if (!get_int(sock, name, &number))
		return get_other(sock, name, value, len);
	return give(value, len, &number, sizeof(number));
}
