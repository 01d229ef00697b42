/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bind.c - ports: which sockets of TCP and UDP have which, and who gets what arrives.
 *
 * Two hash tables, one a protocol, from port numbers to the sockets that hold them. A socket holds a port, and is in the
 * table, while its bind_port is not 0. Packets are dispatched by walking the one chain of their port; the tables double as
 * sockets come, so a chain is short unless the program binds many sockets to one port.
 *
 * What a socket occupies is its *place*: the IP versions it hears and the address, or any. An AF_INET6 socket without
 * IPV6_V6ONLY on the wildcard address is in both worlds. Two places that meet are a conflict unless both sockets have
 * SO_REUSEPORT, or both have SO_REUSEADDR and (TCP) none of them listens, or they are bound to different devices.
 *
 * A port chosen by connect is *shared* (TCP): connections to other places may be given it, too, so the number of connections
 * is not limited by the number of ports. Ports are chosen as RFC 6056 asks, from a random start among 32768 to 60999.
 *
 * What tcp_close left to the engine (FIN_WAIT, TIME_WAIT, ...) is remembered in a ring of bounded size, for the sake of bind
 * only: such a connection still keeps its port from sockets without SO_REUSEADDR. The engine refuses pairs of endpoints
 * that it still uses by itself.
 */
#include "private.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#define PORT_FIRST 32768U
#define PORT_COUNT 28232U /* up to 60999, as Linux */
#define BUCKETS_FIRST 64U
#define BUCKETS_MOST 65536U
#define LEFT_MOST 512U
#define TIME_WAIT (60 * INT64_C(1000000000))

/** struct table - the sockets of a protocol by port */
struct table {
	struct usock__inet **bucket;
	unsigned int mask;  /* number of buckets - 1 */
	unsigned int count; /* sockets */
};

/** struct left - a connection that outlived its socket */
struct left {
	int family; /* AF_INET for v4-mapped addresses, too */
	struct usock_endpoint local, remote;
	unsigned int bound_if;
	bool reuseaddr, reuseport;
	int64_t until; /* 0: free */
};

struct usock__binds {
	struct table tcp, udp;
	struct left *left; /* ring, allocated when it is first needed */
	unsigned int left_next;
	uint64_t secret[2];
};

/** struct place - what a bound socket occupies of the world */
struct place {
	bool v4, v6; /* hears it */
	bool any;    /* on all addresses */
	union inet_ip ip;
};

static struct table *table_of(struct usock_stack *stack, int proto)
{
	return proto == IPPROTO_TCP ? &stack->binds->tcp : &stack->binds->udp;
}

static bool table_init(struct table *table)
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
	if (!table_init(&binds->tcp) || !table_init(&binds->udp)) {
		free(binds->tcp.bucket);
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
	free(stack->binds->left);
	free(stack->binds);
	stack->binds = NULL;
}

/* ------------------------------------------------------------------------------------------------------- the table */

static void link_in(struct table *table, struct usock__inet *sock)
{
	struct usock__inet **head = &table->bucket[sock->bind_port & table->mask];

	sock->bind_next = *head;
	sock->bind_prev = head;
	if (*head != NULL)
		(*head)->bind_prev = &sock->bind_next;
	*head = sock;
}

/** grow - double the table; without memory it stays, and chains get longer */
static void grow(struct table *table)
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

/** enter - a socket holds a port from now on */
static void enter(struct usock__inet *sock, int proto, uint16_t port)
{
	struct table *table = table_of(sock->sock.stack, proto);

	if (table->count > 2 * table->mask && table->mask + 1 < BUCKETS_MOST)
		grow(table);
	table->count++;
	sock->bind_port = sock->local.port = port;
	link_in(table, sock);
}

static void leave(struct usock__inet *sock, int proto)
{
	if (sock->bind_port == 0)
		return;
	*sock->bind_prev = sock->bind_next;
	if (sock->bind_next != NULL)
		sock->bind_next->bind_prev = sock->bind_prev;
	sock->bind_port = 0;
	sock->bind_shared = false;
	table_of(sock->sock.stack, proto)->count--;
}

/** first_on, next_on - the sockets that hold a port */
static struct usock__inet *on_port(struct usock__inet *sock, uint16_t port)
{
	while (sock != NULL && sock->bind_port != port)
		sock = sock->bind_next;
	return sock;
}

static struct usock__inet *first_on(const struct table *table, uint16_t port)
{
	return on_port(table->bucket[port & table->mask], port);
}

static struct usock__inet *next_on(const struct usock__inet *sock)
{
	return on_port(sock->bind_next, sock->bind_port);
}

/* ---------------------------------------------------------------------------------------------------------- places */

static struct place place_make(int family, const union inet_ip *ip, bool v6only)
{
	struct place place = {.v4 = false};
	int effective = usock__effective(family, ip, &place.ip);

	place.any = usock__is_any(effective, &place.ip);
	place.v6 = effective == AF_INET6;
	place.v4 = effective == AF_INET || (place.any && !v6only);
	return place;
}

static struct place place_of(const struct usock__inet *sock)
{
	return place_make(sock->sock.family, &sock->local.ip, sock->ip.v6only);
}

static bool same_ip(int family, const union inet_ip *a, const union inet_ip *b)
{
	return family == AF_INET ? a->v4.s_addr == b->v4.s_addr : IN6_ARE_ADDR_EQUAL(&a->v6, &b->v6);
}

/** meet - is there an address that both places hear? */
static bool meet(const struct place *a, const struct place *b)
{
	if (!(a->v4 && b->v4) && !(a->v6 && b->v6))
		return false;
	return a->any || b->any || same_ip(a->v6 ? AF_INET6 : AF_INET, &a->ip, &b->ip);
}

static bool devices_meet(unsigned int a, unsigned int b)
{
	return a == 0 || b == 0 || a == b;
}

/** same_end - is it the same address and port, however the two families write it? */
static bool same_end(int family_a, const struct usock_endpoint *a, int family_b, const struct usock_endpoint *b)
{
	union inet_ip ip_a, ip_b;
	int family = usock__effective(family_a, &a->ip, &ip_a);

	return a->port == b->port && family == usock__effective(family_b, &b->ip, &ip_b) && same_ip(family, &ip_a, &ip_b);
}

/* ------------------------------------------------------------------------------------------- what the engine keeps */

static void remember_left(struct usock__inet *sock)
{
	struct usock__binds *binds = sock->sock.stack->binds;
	const struct usock__options *options = &sock->sock.options;
	struct left *left;

	if (binds->left == NULL)
		binds->left = calloc(LEFT_MOST, sizeof(struct left));
	if (binds->left == NULL)
		return; /* bind will not know; the engine still refuses the pair of endpoints */
	left = &binds->left[binds->left_next++ % LEFT_MOST];
	*left = (struct left){.local = sock->local, .remote = sock->remote, .bound_if = options->bound_if,
		.reuseaddr = options->reuseaddr, .reuseport = options->reuseport,
		.until = usock_now(sock->sock.stack) + TIME_WAIT};
	left->family = usock__effective(sock->sock.family, &sock->local.ip, &left->local.ip);
	usock__effective(sock->sock.family, &sock->remote.ip, &left->remote.ip);
}

/** left_conflict - does a connection that outlived its socket keep this one from a port? */
static bool left_conflict(const struct usock__inet *sock, const struct place *place, uint16_t port)
{
	struct usock_stack *stack = sock->sock.stack;
	struct left *left = stack->binds->left;

	for (unsigned int i = 0; left != NULL && i < LEFT_MOST; i++) {
		struct left *l = &left[i];
		struct place theirs;

		if (l->until == 0 || l->local.port != port)
			continue;
		theirs = place_make(l->family, &l->local.ip, false);
		if (!meet(place, &theirs) || !devices_meet(l->bound_if, sock->sock.options.bound_if) ||
		    (l->reuseaddr && sock->sock.options.reuseaddr) || (l->reuseport && sock->sock.options.reuseport))
			continue;
		if (stack->engine->tcp_left != NULL ? stack->engine->tcp_left(stack->e, l->family, &l->local, &l->remote)
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
	struct place place = place_of(sock);
	const struct usock__options *mine = &sock->sock.options;

	for (struct usock__inet *other = first_on(table_of(sock->sock.stack, proto), port); other != NULL;
	     other = next_on(other)) {
		const struct usock__options *theirs = &other->sock.options;
		struct place their_place = place_of(other);

		if (other == sock || !devices_meet(mine->bound_if, theirs->bound_if) || !meet(&place, &their_place))
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

/** conflict - may a socket not have a port? Others that the program has closed with close(2) give way; @strict as in rival */
static bool conflict(const struct usock__inet *sock, int proto, uint16_t port, bool strict)
{
	struct usock__inet *other;
	struct place place;

	while ((other = rival(sock, proto, port, strict)) != NULL)
		if (strict || usock__ready_alive(&other->sock))
			return true;
	place = place_of(sock);
	return proto == IPPROTO_TCP && left_conflict(sock, &place, port);
}

/** random_start - where to begin to look for a port */
static unsigned int random_start(struct usock_stack *stack)
{
	uint32_t random;

	usock_random(stack, &random, sizeof(random));
	return (unsigned int)((uint64_t)random * PORT_COUNT >> 32);
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
		if (usock__is_any(AF_INET, &ip) || sock->ip.freebind || sock->ip.transparent ||
		    sock->ip.freebind6 || sock->ip.transparent6)
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

/** choose - find a port that nobody has; 0 when all are taken */
static uint16_t choose(struct usock__inet *sock, int proto)
{
	unsigned int start = random_start(sock->sock.stack);

	for (unsigned int i = 0; i < PORT_COUNT; i++) {
		uint16_t port = (uint16_t)(PORT_FIRST + (start + i) % PORT_COUNT);

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
		port = choose(sock, proto);
	else if (conflict(sock, proto, port, false))
		port = 0;
	if (port == 0) {
		sock->local = before;
		sock->sock.options.bound_if = bound_if;
		return -EADDRINUSE;
	}
	enter(sock, proto, port);
	sock->bound = true;
	sock->bound_addr = !usock__is_any(sock->sock.family, &local->ip);
	sock->bound_port = local->port != 0;
	return 0;
}

void usock__unbind(struct usock__inet *sock, int proto)
{
	leave(sock, proto);
	sock->local.port = 0;
	sock->bound = sock->bound_addr;
	sock->bound_port = false;
}

int usock__bind_listen(struct usock__inet *sock)
{
	uint16_t port = sock->bind_port;

	if (port == 0) {
		port = choose(sock, IPPROTO_TCP);
		if (port == 0)
			return -EADDRINUSE;
		enter(sock, IPPROTO_TCP, port);
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
	for (struct usock__inet *other = first_on(table_of(sock->sock.stack, IPPROTO_TCP), sock->bind_port); other != NULL;
	     other = next_on(other)) {
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
	enter(sock, IPPROTO_TCP, sock->local.port);
	sock->bound = true;
}

void usock__bind_leave(struct usock__inet *sock, bool left)
{
	if (left && sock->bind_port != 0)
		remember_left(sock);
	if (!sock->bound_port)
		leave(sock, IPPROTO_TCP);
}

/* --------------------------------------------------------------------------------------------------------- connect */

void usock__bind_anywhere(const struct usock__inet *sock, struct usock_endpoint *remote)
{
	union inet_ip ip, local;
	int family = usock__effective(sock->sock.family, &remote->ip, &ip);
	int bound = usock__effective(sock->sock.family, &sock->local.ip, &local);
	const struct in_addr loopback = {htonl(INADDR_LOOPBACK)};

	if (!usock__is_any(family, &ip))
		return;
	if (sock->sock.family == AF_INET)
		remote->ip.v4 = sock->local.ip.v4.s_addr != htonl(INADDR_ANY) ? sock->local.ip.v4 : loopback;
	else if (family == AF_INET || bound == AF_INET)
		remote->ip = usock__mapped(bound == AF_INET && !usock__is_any(AF_INET, &local) ? local.v4 : loopback);
	else
		remote->ip.v6 = in6addr_loopback;
}

/** pair_in_use - is there a connection between these very endpoints? */
static bool pair_in_use(const struct usock__inet *sock, const struct usock_endpoint *local,
			const struct usock_endpoint *remote)
{
	for (struct usock__inet *other = first_on(table_of(sock->sock.stack, IPPROTO_TCP), local->port); other != NULL;
	     other = next_on(other)) {
		if (other != sock && other->connected && devices_meet(other->sock.options.bound_if, sock->sock.options.bound_if) &&
		    same_end(sock->sock.family, remote, other->sock.family, &other->remote) &&
		    same_end(sock->sock.family, local, other->sock.family, &other->local))
			return true;
	}
	return false;
}

/** shareable - may a connection be given this port that connect chooses? */
static bool shareable(const struct usock__inet *sock, uint16_t port)
{
	for (struct usock__inet *other = first_on(table_of(sock->sock.stack, IPPROTO_TCP), port); other != NULL;
	     other = next_on(other))
		if (!other->bind_shared)
			return false;
	return true;
}

/** connect_port - a port for a connection of TCP from sock->local to @remote */
static int connect_port(struct usock__inet *sock, const struct usock_endpoint *remote)
{
	struct usock_endpoint local = sock->local;
	unsigned int start;

	if (sock->bind_port != 0)
		return pair_in_use(sock, &local, remote) ? -EADDRNOTAVAIL : 0;
	start = random_start(sock->sock.stack);
	for (unsigned int i = 0; i < PORT_COUNT; i++) {
		local.port = (uint16_t)(PORT_FIRST + (start + i) % PORT_COUNT);
		if (!shareable(sock, local.port) || pair_in_use(sock, &local, remote))
			continue;
		enter(sock, IPPROTO_TCP, local.port);
		sock->bind_shared = true;
		return 0;
	}
	return -EADDRNOTAVAIL;
}

/** take_scope - the interface that a destination needs, ipv6(7); also what the socket is bound to from then on */
static int take_scope(struct usock__inet *sock, const struct usock_endpoint *remote)
{
	unsigned int *bound_if = &sock->sock.options.bound_if;

	if (!IN6_IS_ADDR_LINKLOCAL(&remote->ip.v6) && !IN6_IS_ADDR_MC_LINKLOCAL(&remote->ip.v6) &&
	    !IN6_IS_ADDR_MC_NODELOCAL(&remote->ip.v6))
		return 0;
	if (remote->scope != 0) {
		if (*bound_if != 0 && *bound_if != remote->scope)
			return -EINVAL;
		*bound_if = remote->scope;
	}
	if (*bound_if == 0 && IN6_IS_ADDR_MULTICAST(&remote->ip.v6))
		*bound_if = sock->ip.multicast_if6;
	return *bound_if == 0 ? -EINVAL : 0;
}

/** ask_route - the way from a socket to @remote; the interface and source of multicasts are their own options */
static int ask_route(struct usock__inet *sock, int proto, const struct usock_endpoint *remote, struct inet_flow *flow)
{
	const struct usock__ip *ip = &sock->ip;
	int local_family, ret;
	bool group;

	memset(flow, 0, sizeof(*flow));
	flow->family = usock__effective(sock->sock.family, &remote->ip, &flow->dst);
	if (sock->sock.family == AF_INET6) {
		if (flow->family == AF_INET && ip->v6only)
			return -ENETUNREACH;
		ret = flow->family == AF_INET6 ? take_scope(sock, remote) : 0;
		if (ret != 0)
			return ret;
	}
	local_family = usock__effective(sock->sock.family, &sock->local.ip, &flow->src);
	if (local_family != flow->family) {
		if (!usock__is_any(local_family, &flow->src))
			return local_family == AF_INET ? -EAFNOSUPPORT : -ENETUNREACH;
		memset(&flow->src, 0, sizeof(flow->src));
	}
	group = flow->family == AF_INET ? IN_MULTICAST(ntohl(flow->dst.v4.s_addr)) : IN6_IS_ADDR_MULTICAST(&flow->dst.v6);
	flow->oif = sock->sock.options.bound_if;
	if (proto == IPPROTO_UDP && flow->oif == 0) {
		if (flow->family == AF_INET)
			flow->oif = group ? ip->multicast_if : ip->unicast_if;
		else
			flow->oif = group ? ip->multicast_if6 : ip->unicast_if6;
	}
	if (proto == IPPROTO_UDP && group && flow->family == AF_INET && usock__is_any(AF_INET, &flow->src))
		flow->src.v4 = ip->multicast_addr;
	return inet_route(sock->sock.stack->inet, flow);
}

int usock__bind_connect(struct usock__inet *sock, int proto, const struct usock_endpoint *remote)
{
	struct usock_endpoint before = sock->local;
	unsigned int bound_if = sock->sock.options.bound_if;
	struct inet_flow flow;
	int ret = ask_route(sock, proto, remote, &flow);

	if (ret == 0 && proto == IPPROTO_TCP && (flow.type == RTN_MULTICAST || flow.type == RTN_BROADCAST))
		ret = -ENETUNREACH;
	if (ret == 0 && proto == IPPROTO_TCP && usock__is_any(flow.family, &flow.source))
		ret = -EADDRNOTAVAIL;
	if (ret == 0 && flow.type == RTN_BROADCAST && !sock->sock.options.broadcast)
		ret = -EACCES;
	if (ret != 0)
		goto undo;
	if (usock__is_any(sock->sock.family, &before.ip)) {
		sock->local.ip = flow.source;
		if (flow.family == AF_INET && sock->sock.family == AF_INET6)
			sock->local.ip = usock__mapped(flow.source.v4);
		if (flow.family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&flow.source.v6))
			sock->local.scope = flow.oif != 0 ? flow.oif : flow.iface->index;
	}
	if (proto == IPPROTO_TCP) {
		ret = connect_port(sock, remote);
	} else if (sock->bind_port == 0) {
		uint16_t port = choose(sock, proto);

		if (port == 0)
			ret = -EAGAIN; /* as Linux: no port for a datagram socket is "try again" */
		else
			enter(sock, proto, port);
	}
	if (ret == 0) {
		sock->bound = true;
		return 0;
	}
undo:
	sock->local.ip = before.ip;
	sock->local.scope = before.scope;
	sock->sock.options.bound_if = bound_if;
	return ret;
}

void usock__bind_disconnect(struct usock__inet *sock, int proto)
{
	memset(&sock->remote, 0, sizeof(sock->remote));
	sock->connected = false;
	if (!sock->bound_port) {
		leave(sock, proto);
		if (proto == IPPROTO_UDP)
			sock->local.port = 0;
	}
	if (!sock->bound_addr) {
		memset(&sock->local.ip, 0, sizeof(sock->local.ip));
		sock->local.scope = 0;
	}
	sock->bound = sock->bound_addr || sock->bind_port != 0;
}

/* ---------------------------------------------------------------------------------------------------------- lookup */

/** hears - is a packet to @local from @remote on @iface for the socket? (Its port is known to be.) */
static bool hears(const struct usock__inet *sock, int family, const struct usock_endpoint *local,
		  const struct usock_endpoint *remote, const struct inet_iface *iface)
{
	struct place place = place_of(sock);

	if (!(family == AF_INET ? place.v4 : place.v6) || (!place.any && !same_ip(family, &place.ip, &local->ip)))
		return false;
	if (sock->sock.options.bound_if != 0 && (iface == NULL || sock->sock.options.bound_if != iface->index))
		return false;
	return !sock->connected || same_end(sock->sock.family, &sock->remote, family, remote);
}

/** score - how well does a socket that hears a packet fit? The address counts most, then who is connected, then the device */
static int score(const struct usock__inet *sock, int family)
{
	return (place_of(sock).any ? 0 : 32) + (sock->connected ? 8 : 0) + (sock->sock.options.bound_if != 0 ? 4 : 0) +
	       (sock->sock.family == family ? 1 : 0);
}

uint32_t usock__bind_hash(struct usock_stack *stack, int family, const struct usock_endpoint *local,
			  const struct usock_endpoint *remote)
{
	union inet_ip ip[2];
	uint64_t word[5] = {0}, hash = stack->binds->secret[0];

	if (usock__effective(family, &local->ip, &ip[0]) == AF_INET) {
		word[0] = ip[0].v4.s_addr;
	} else {
		memcpy(&word[0], &ip[0], 16);
	}
	if (usock__effective(family, &remote->ip, &ip[1]) == AF_INET) {
		word[2] = ip[1].v4.s_addr;
	} else {
		memcpy(&word[2], &ip[1], 16);
	}
	word[4] = (uint64_t)local->port << 16 | remote->port;
	for (unsigned int i = 0; i < 5; i++) {
		hash = (hash ^ word[i]) * UINT64_C(0x9e3779b97f4a7c15);
		hash = (hash ^ hash >> 29) + stack->binds->secret[1];
	}
	return (uint32_t)(hash >> 32);
}

/** reuseport_member - one of the sockets that share with @best by SO_REUSEPORT */
static struct usock__inet *reuseport_member(struct usock__inet *best, const struct table *table, int family, int points,
					const struct usock_endpoint *local, const struct usock_endpoint *remote,
					const struct inet_iface *iface)
{
	uint32_t hash = usock__bind_hash(best->sock.stack, family, local, remote);
	unsigned int members = 0, chosen;

	for (struct usock__inet *s = first_on(table, local->port); s != NULL; s = next_on(s))
		members += s->sock.options.reuseport && score(s, family) == points && hears(s, family, local, remote, iface);
	chosen = (unsigned int)((uint64_t)hash * members >> 32);
	for (struct usock__inet *s = first_on(table, local->port); s != NULL; s = next_on(s)) {
		if (!s->sock.options.reuseport || score(s, family) != points || !hears(s, family, local, remote, iface))
			continue;
		if (chosen-- == 0)
			return s;
	}
	return best;
}

struct usock__inet *usock__bind_lookup(struct usock_stack *stack, int proto, int family, const struct usock_endpoint *local,
				       const struct usock_endpoint *remote, const struct inet_iface *iface)
{
	const struct table *table = table_of(stack, proto);
	struct usock__inet *best = NULL;
	int most = -1;

	for (struct usock__inet *sock = first_on(table, local->port); sock != NULL; sock = next_on(sock)) {
		int points;

		if (!hears(sock, family, local, remote, iface))
			continue;
		points = score(sock, family);
		if (points > most) {
			most = points;
			best = sock;
		}
	}
	if (best != NULL && best->sock.options.reuseport && !best->connected)
		return reuseport_member(best, table, family, most, local, remote, iface);
	return best;
}

void usock__bind_each(struct usock_stack *stack, int proto, int family, const struct usock_endpoint *local,
		      const struct usock_endpoint *remote, const struct inet_iface *iface,
		      void (*each)(struct usock__inet *sock, void *arg), void *arg)
{
	bool group = family == AF_INET ? IN_MULTICAST(ntohl(local->ip.v4.s_addr)) : IN6_IS_ADDR_MULTICAST(&local->ip.v6);

	for (struct usock__inet *sock = first_on(table_of(stack, proto), local->port); sock != NULL; sock = next_on(sock)) {
		if (!hears(sock, family, local, remote, iface))
			continue;
		if (!group || usock__mcast_wanted(sock, family, &local->ip, &remote->ip, iface))
			each(sock, arg);
	}
}
