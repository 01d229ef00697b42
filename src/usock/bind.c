/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bind.c - ports: which sockets of TCP, UDP and UDP-Lite have which, and who gets what arrives.
 *
 * Three hash tables, one a protocol, from port numbers to the sockets that hold them. A socket holds a port, and is in
 * the table, while its bind_port is not 0. Packets are dispatched by walking the one chain of their port; the tables
 * double as sockets come, so a chain is short unless the program binds many sockets to one port.
 *
 * What a socket occupies is its *place*: the IP versions it hears and the address, or any. An AF_INET6 socket without
 * IPV6_V6ONLY on the wildcard address is in both worlds. Two places that meet are a conflict unless both sockets have
 * SO_REUSEPORT, or both have SO_REUSEADDR and (TCP) none of them listens, or they are bound to different devices.
 *
 * A port chosen by connect is *shared* (TCP): connections to other places may be given it, too, so the number of
 * connections is not limited by the number of ports. Ports are chosen as RFC 6056 asks, from a random start among 32768
 * to 60999.
 *
 * What tcp_close left to the engine (FIN_WAIT, TIME_WAIT, ...) is remembered in a ring of bounded size, for the sake of
 * bind only: such a connection still keeps its port from sockets without SO_REUSEADDR. The engine refuses pairs of
 * endpoints that it still uses by itself.
 */
#include "bind.h"

#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 64U
#define BUCKETS_MOST 65536U
#define LEFT_MOST 512U
#define TIME_WAIT (60 * INT64_C(1000000000))

/** struct usock__left - a connection that outlived its socket */
struct usock__left {
	int family; /* AF_INET for v4-mapped addresses, too */
	struct usock_endpoint local, remote;
	unsigned int bound_if;
	bool reuseaddr, reuseport;
	int64_t until; /* 0: free */
};

static bool table_init(struct usock__ports *table)
{
	table->bucket = calloc(BUCKETS_FIRST, sizeof(struct usock__inet *));
	table->mask = BUCKETS_FIRST - 1;
	return table->bucket != NULL;
}

int usock__binds_open(struct usock_stack *stack)
{
	struct usock__binds *binds = calloc(1, sizeof(*binds));

	if (binds == NULL)
		return -ENOMEM;
	if (!table_init(&binds->tcp) || !table_init(&binds->udp) || !table_init(&binds->lite)) {
		free(binds->tcp.bucket);
		free(binds->udp.bucket);
		free(binds);
		return -ENOMEM;
	}
	stack->binds = binds;
	usock_random(stack, binds->secret, sizeof(binds->secret));
	return 0;
}

void usock__binds_close(struct usock_stack *stack)
{
	if (stack->binds == NULL)
		return;
	free(stack->binds->tcp.bucket);
	free(stack->binds->udp.bucket);
	free(stack->binds->lite.bucket);
	free(stack->binds->left);
	free(stack->binds);
	stack->binds = NULL;
}

/* ------------------------------------------------------------------------------------------------------- the table */

static void link_in(struct usock__ports *table, struct usock__inet *sock)
{
	struct usock__inet **head = &table->bucket[sock->bind_port & table->mask];

	sock->bind_next = *head;
	sock->bind_prev = head;
	if (*head != NULL)
		(*head)->bind_prev = &sock->bind_next;
	*head = sock;
}

/** grow - double the table; without memory it stays, and chains get longer */
static void grow(struct usock__ports *table)
{
	unsigned int old = table->mask + 1;
	struct usock__inet **from = table->bucket;
	struct usock__inet **to = calloc(2 * (size_t)old, sizeof(struct usock__inet *));

	if (to == NULL)
		return;
	table->bucket = to;
	table->mask = 2 * old - 1;
	for (unsigned int i = 0; i < old; i++) {
		struct usock__inet *reversed = NULL;

		/* Within a chain the newest is first, which lookups depend on. */
		for (struct usock__inet *sock = from[i], *next; sock != NULL; sock = next) {
			next = sock->bind_next;
			sock->bind_next = reversed;
			reversed = sock;
		}
		for (struct usock__inet *next; reversed != NULL; reversed = next) {
			next = reversed->bind_next;
			link_in(table, reversed);
		}
	}
	free(from);
}

void usock__ports_enter(struct usock__inet *sock, int proto, uint16_t port)
{
	struct usock__ports *table = usock__ports_of(sock->sock.stack, proto);

	if (table->count > 2 * table->mask && table->mask + 1 < BUCKETS_MOST)
		grow(table);
	table->count++;
	sock->bind_port = sock->local.port = port;
	link_in(table, sock);
}

void usock__ports_leave(struct usock__inet *sock, int proto)
{
	if (sock->bind_port == 0)
		return;
	*sock->bind_prev = sock->bind_next;
	if (sock->bind_next != NULL)
		sock->bind_next->bind_prev = sock->bind_prev;
	sock->bind_port = 0;
	sock->bind_shared = false;
	usock__ports_of(sock->sock.stack, proto)->count--;
}

/* ------------------------------------------------------------------------------------------- what the engine keeps */

static void remember_left(struct usock__inet *sock)
{
	struct usock__binds *binds = sock->sock.stack->binds;
	const struct usock__options *options = &sock->sock.options;
	struct usock__left *left;

	if (binds->left == NULL)
		binds->left = calloc(LEFT_MOST, sizeof(struct usock__left));
	if (binds->left == NULL)
		return; /* bind will not know; the engine still refuses the pair of endpoints */
	left = &binds->left[binds->left_next++ % LEFT_MOST];
	*left = (struct usock__left){.local = sock->local,
	                             .remote = sock->remote,
	                             .bound_if = options->bound_if,
	                             .reuseaddr = options->reuseaddr,
	                             .reuseport = options->reuseport,
	                             .until = usock_now(sock->sock.stack) + TIME_WAIT};
	left->family = usock__effective(sock->sock.family, &sock->local.ip, &left->local.ip);
	usock__effective(sock->sock.family, &sock->remote.ip, &left->remote.ip);
}

/** left_conflict - does a connection that outlived its socket keep this one from a port? */
static bool left_conflict(const struct usock__inet *sock, const struct usock__place *place, uint16_t port)
{
	struct usock_stack *stack = sock->sock.stack;
	struct usock__left *left = stack->binds->left;

	for (unsigned int i = 0; left != NULL && i < LEFT_MOST; i++) {
		struct usock__left *l = &left[i];
		struct usock__place theirs;

		if (l->until == 0 || l->local.port != port)
			continue;
		theirs = usock__place_make(l->family, &l->local.ip, false);
		if (!usock__places_meet(place, &theirs) ||
		    !usock__devices_meet(l->bound_if, sock->sock.options.bound_if) ||
		    (l->reuseaddr && sock->sock.options.reuseaddr) || (l->reuseport && sock->sock.options.reuseport))
			continue;
		if (stack->engine->tcp_left != NULL
		            ? stack->engine->tcp_left(stack->e, l->family, &l->local, &l->remote)
		            : usock_now(stack) < l->until)
			return true;
		l->until = 0;
	}
	return false;
}

/* ------------------------------------------------------------------------------------------------------------ bind */

/**
 * rival - a socket that keeps another from a port
 * @strict: a port that is the stack's choice is not shared, whatever the options say
 */
static struct usock__inet *rival(const struct usock__inet *sock, int proto, uint16_t port, bool strict)
{
	struct usock__place place = usock__place_of(sock);
	const struct usock__options *mine = &sock->sock.options;

	for (struct usock__inet *other = usock__ports_first(usock__ports_of(sock->sock.stack, proto), port);
	     other != NULL; other = usock__ports_next(other)) {
		const struct usock__options *theirs = &other->sock.options;
		struct usock__place their_place = usock__place_of(other);

		if (other == sock || !usock__devices_meet(mine->bound_if, theirs->bound_if) ||
		    !usock__places_meet(&place, &their_place))
			continue;
		if (strict)
			return other;
		if (mine->reuseport && theirs->reuseport)
			continue;
		if (mine->reuseaddr && theirs->reuseaddr && !other->listening)
			continue;
		return other;
	}
	return NULL;
}

/** conflict - may a socket not have a port? Others that the program has closed with close(2) give way; @strict as in
 * rival */
static bool conflict(const struct usock__inet *sock, int proto, uint16_t port, bool strict)
{
	struct usock__inet *other;
	struct usock__place place;

	while ((other = rival(sock, proto, port, strict)) != NULL)
		if (strict || usock__ready_alive(&other->sock))
			return true;
	place = usock__place_of(sock);
	return proto == IPPROTO_TCP && left_conflict(sock, &place, port);
}

unsigned int usock__ports_start(struct usock_stack *stack)
{
	uint32_t random;

	usock_random(stack, &random, sizeof(random));
	return (unsigned int)((uint64_t)random * USOCK_PORT_COUNT >> 32);
}

int usock__bind_address(struct usock__inet *sock, const struct usock_endpoint *local)
{
	struct inet *inet = sock->sock.stack->inet;
	unsigned int bound_if = sock->sock.options.bound_if;
	const struct inet_iface *iface = NULL;
	union inet_ip ip;
	int family = usock__effective(sock->sock.family, &local->ip, &ip);

	if (sock->sock.family == AF_INET6 && sock->sock.type == SOCK_STREAM && IN6_IS_ADDR_MULTICAST(&local->ip.v6))
		return -EINVAL;
	if (family == AF_INET) {
		if (sock->sock.family == AF_INET6 && sock->ip.v6only)
			return -EINVAL;
		if (usock__is_any(AF_INET, &ip) || sock->ip.freebind || sock->ip.transparent || sock->ip.freebind6 ||
		    sock->ip.transparent6)
			return 0;
		return inet_addr_type(inet, AF_INET, &ip, NULL) == RTN_UNICAST ? -EADDRNOTAVAIL : 0;
	}
	if (usock__is_any(AF_INET6, &ip))
		return 0;
	if (IN6_IS_ADDR_LINKLOCAL(&ip.v6) || IN6_IS_ADDR_MC_LINKLOCAL(&ip.v6) || IN6_IS_ADDR_MC_NODELOCAL(&ip.v6)) {
		if (local->scope != 0)
			bound_if = local->scope;
		if (bound_if == 0)
			return -EINVAL;
	}
	if (bound_if != 0) {
		iface = inet_iface_by_index(inet, bound_if);
		if (iface == NULL)
			return -ENODEV;
	}
	if (!IN6_IS_ADDR_MULTICAST(&ip.v6) && !sock->ip.freebind6 && !sock->ip.transparent6 && !sock->ip.freebind &&
	    !sock->ip.transparent && inet_local(inet, AF_INET6, &ip, iface) == NULL)
		return -EADDRNOTAVAIL;
	sock->sock.options.bound_if = bound_if;
	return 0;
}

uint16_t usock__bind_choose(struct usock__inet *sock, int proto)
{
	unsigned int start = usock__ports_start(sock->sock.stack);

	for (unsigned int i = 0; i < USOCK_PORT_COUNT; i++) {
		uint16_t port = (uint16_t)(USOCK_PORT_FIRST + (start + i) % USOCK_PORT_COUNT);

		if (!conflict(sock, proto, port, true))
			return port;
	}
	return 0;
}

int usock__bind(struct usock__inet *sock, int proto, const struct usock_endpoint *local)
{
	struct usock_endpoint before = sock->local;
	unsigned int bound_if = sock->sock.options.bound_if;
	uint16_t port = local->port;
	int ret;

	if (sock->bind_port != 0)
		return -EINVAL;
	ret = usock__bind_address(sock, local);
	if (ret != 0)
		return ret;
	sock->local = *local;
	if (port == 0 && sock->ip.bind_address_no_port) {
		sock->bound = true;
		sock->bound_addr = !usock__is_any(sock->sock.family, &local->ip);
		return 0;
	}
	if (port == 0)
		port = usock__bind_choose(sock, proto);
	else if (conflict(sock, proto, port, false))
		port = 0;
	if (port == 0) {
		sock->local = before;
		sock->sock.options.bound_if = bound_if;
		return -EADDRINUSE;
	}
	usock__ports_enter(sock, proto, port);
	sock->bound = true;
	sock->bound_addr = !usock__is_any(sock->sock.family, &local->ip);
	sock->bound_port = local->port != 0;
	return 0;
}

void usock__unbind(struct usock__inet *sock, int proto)
{
	usock__ports_leave(sock, proto);
	sock->local.port = 0;
	sock->bound = sock->bound_addr;
	sock->bound_port = false;
}

int usock__bind_listen(struct usock__inet *sock)
{
	uint16_t port = sock->bind_port;

	if (port == 0) {
		port = usock__bind_choose(sock, IPPROTO_TCP);
		if (port == 0)
			return -EADDRINUSE;
		usock__ports_enter(sock, IPPROTO_TCP, port);
		sock->bound = true;
		return 0;
	}
	/* As at bind; only, others may listen by now. */
	return conflict(sock, IPPROTO_TCP, port, false) ? -EADDRINUSE : 0;
}

struct usock__inet *usock__bind_group(struct usock__inet *sock)
{
	if (!sock->sock.options.reuseport)
		return NULL;
	for (struct usock__inet *other =
	             usock__ports_first(usock__ports_of(sock->sock.stack, IPPROTO_TCP), sock->bind_port);
	     other != NULL; other = usock__ports_next(other)) {
		if (other != sock && other->listening && other->sock.options.reuseport &&
		    other->sock.family == sock->sock.family && other->ip.v6only == sock->ip.v6only &&
		    other->sock.options.bound_if == sock->sock.options.bound_if &&
		    memcmp(&other->local.ip, &sock->local.ip, sock->sock.family == AF_INET ? 4 : 16) == 0)
			return other;
	}
	return NULL;
}

void usock__bind_accepted(struct usock__inet *sock)
{
	usock__ports_enter(sock, IPPROTO_TCP, sock->local.port);
	sock->bound = true;
}

void usock__bind_leave(struct usock__inet *sock, bool left)
{
	if (left && sock->bind_port != 0)
		remember_left(sock);
	if (!sock->bound_port)
		usock__ports_leave(sock, IPPROTO_TCP);
}
