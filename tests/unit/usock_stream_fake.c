/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* usock_stream_fake.c - see usock_stream_fake.h. */
#include "usock_stream_fake.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct fake fake;

static struct inet_iface lo = {.index = 1, .name = "lo"}, eth = {.index = 2, .name = "vde0"},
                         other = {.index = 3, .name = "vde1"};
static struct usock__timer *timers;
static unsigned int buffers; /* given to usock and not released */

/* ------------------------------------------------------------------------------------------------------ allocations */

static bool refused(void)
{
	if (fake.malloc_fails == 0)
		return false;
	if (fake.malloc_fails == 1)
		return true;
	fake.malloc_fails--;
	return false;
}

void *fake_malloc(size_t size)
{
	return refused() ? NULL : malloc(size);
}

void *fake_calloc(size_t count, size_t size)
{
	return refused() ? NULL : calloc(count, size);
}

/* ----------------------------------------------------------------------------------------------------------- engine */

static struct fake_pcb *pcb_new(struct usock_tcp *tcp)
{
	struct fake_pcb *pcb = &fake.pcb[fake.pcbs++];

	assert_true(fake.pcbs <= FAKE_PCBS);
	*pcb = (struct fake_pcb){.tcp = tcp, .used = true, .room = FAKE_SENT};
	if (tcp != NULL) {
		tcp->pcb = pcb;
		memcpy(pcb->option, tcp->option, sizeof(pcb->option));
	}
	return pcb;
}

/** of - the connection of a call, which has to have one */
static struct fake_pcb *of(struct usock_tcp *tcp)
{
	struct fake_pcb *pcb = tcp->pcb;

	assert_non_null(pcb);
	assert_ptr_equal(pcb->tcp, tcp);
	return pcb;
}

static int engine_connect(void *e, struct usock_tcp *tcp)
{
	(void)e;
	if (fake.busy_connects > 0) {
		fake.busy_connects--;
		return -EADDRINUSE;
	}
	if (fake.connect_result == 0)
		pcb_new(tcp);
	return fake.connect_result;
}

static int engine_listen(void *e, struct usock_tcp *tcp)
{
	(void)e;
	if (fake.listen_result == 0)
		pcb_new(tcp)->listens = true;
	return fake.listen_result;
}

static ssize_t engine_write(void *e, struct usock_tcp *tcp, const struct iovec *piece, unsigned int pieces, size_t skip,
                            size_t len, bool more)
{
	struct fake_pcb *pcb = of(tcp);
	size_t taken = 0;

	(void)e;
	assert_true(len > 0);
	pcb->writes++;
	pcb->more = more;
	if (fake.error_in_write < 0) {
		pcb->tcp = NULL;
		usock_tcp_error(tcp, fake.error_in_write);
		return -ECONNABORTED;
	}
	if (fake.write_result < 0)
		return fake.write_result;
	for (unsigned int i = 0; i < pieces && taken < len && pcb->room > 0; i++) {
		for (size_t j = 0; j < piece[i].iov_len && taken < len && pcb->room > 0; j++) {
			if (skip > 0) {
				skip--;
				continue;
			}
			pcb->sent[pcb->sent_len++ % FAKE_SENT] = ((const unsigned char *)piece[i].iov_base)[j];
			pcb->room--;
			taken++;
		}
	}
	pcb->unacked += taken;
	pcb->unsent += taken;
	return (ssize_t)taken;
}

static void engine_flush(void *e, struct usock_tcp *tcp)
{
	(void)e;
	of(tcp)->flushes++;
	of(tcp)->unsent = 0;
}

static size_t engine_room(void *e, struct usock_tcp *tcp)
{
	(void)e;
	return of(tcp)->room;
}

static size_t engine_unsent(void *e, struct usock_tcp *tcp)
{
	(void)e;
	return of(tcp)->unsent;
}

static size_t engine_unacked(void *e, struct usock_tcp *tcp)
{
	(void)e;
	return of(tcp)->unacked;
}

static void engine_recved(void *e, struct usock_tcp *tcp, size_t len)
{
	(void)e;
	assert_true(len > 0);
	of(tcp)->recved += len;
}

static void engine_release(void *e, void *buffer)
{
	(void)e;
	assert_true(buffers > 0);
	buffers--;
	fake.released++;
	free(buffer);
}

static int engine_shutdown(void *e, struct usock_tcp *tcp)
{
	(void)e;
	of(tcp)->shutdowns++;
	return fake.shutdown_result;
}

static void engine_close(void *e, struct usock_tcp *tcp)
{
	struct fake_pcb *pcb = of(tcp);

	(void)e;
	pcb->closes++;
	pcb->tcp = NULL;
}

static void engine_abort(void *e, struct usock_tcp *tcp)
{
	struct fake_pcb *pcb = of(tcp);

	(void)e;
	assert_false(pcb->listens);
	pcb->aborts++;
	pcb->tcp = NULL;
}

static int engine_option(void *e, struct usock_tcp *tcp, enum usock_tcp_option option, int value)
{
	struct fake_pcb *pcb = of(tcp);

	(void)e;
	if (fake.option_result[option] != 0)
		return fake.option_result[option];
	pcb->option[option] = value;
	pcb->options_set++;
	return 0;
}

static void engine_info(void *e, struct usock_tcp *tcp, struct tcp_info *info)
{
	(void)e;
	(void)of(tcp);
	info->tcpi_snd_mss = 1448;
	info->tcpi_state = 99;
}

static int engine_urgent(void *e, struct usock_tcp *tcp, unsigned char byte)
{
	struct fake_pcb *pcb = of(tcp);

	(void)e;
	if (fake.urgent_result != 0)
		return fake.urgent_result;
	pcb->urgents++;
	pcb->urgent = byte;
	return 0;
}

static bool engine_left(void *e, int family, const struct usock_endpoint *local, const struct usock_endpoint *remote)
{
	(void)e;
	(void)family;
	assert_true(local->port != 0 && remote->port != 0);
	return fake.left;
}

static const struct usock_engine engine = {.name = "fake",
                                           .tcp_connect = engine_connect,
                                           .tcp_listen = engine_listen,
                                           .tcp_write = engine_write,
                                           .tcp_flush = engine_flush,
                                           .tcp_room = engine_room,
                                           .tcp_unsent = engine_unsent,
                                           .tcp_unacked = engine_unacked,
                                           .tcp_recved = engine_recved,
                                           .release = engine_release,
                                           .tcp_shutdown = engine_shutdown,
                                           .tcp_close = engine_close,
                                           .tcp_abort = engine_abort,
                                           .tcp_option = engine_option,
                                           .tcp_info = engine_info,
                                           .tcp_urgent = engine_urgent,
                                           .tcp_left = engine_left};

/* -------------------------------------------------------------------------------------------- inet: who has what */

/** is_ours - 127.0.0.0/8, ::1, 10.0.0.1, 10.0.0.3, fd00::1, fe80::1 */
static struct inet_iface *is_ours(int family, const union inet_ip *ip)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(family, ip, text, sizeof(text));
	if (strncmp(text, "127.", 4) == 0 || strcmp(text, "::1") == 0)
		return &lo;
	if (strcmp(text, "10.0.0.1") == 0 || strcmp(text, "10.0.0.3") == 0 || strcmp(text, "fd00::1") == 0 ||
	    strcmp(text, "fe80::1") == 0)
		return &eth;
	return NULL;
}

struct inet_iface *inet_iface_by_index(struct inet *inet, unsigned int index)
{
	(void)inet;
	return index == 1 ? &lo : index == 2 ? &eth : index == 3 ? &other : NULL;
}

struct inet_addr *inet_local(struct inet *inet, int family, const union inet_ip *addr, const struct inet_iface *iface)
{
	static struct inet_addr found;
	struct inet_iface *owner = is_ours(family, addr);

	(void)inet;
	return owner != NULL && (iface == NULL || iface == owner) ? &found : NULL;
}

int inet_addr_type(struct inet *inet, int family, const union inet_ip *addr, const struct inet_iface *iface)
{
	(void)inet;
	(void)iface;
	if (family == AF_INET ? IN_MULTICAST(ntohl(addr->v4.s_addr)) : IN6_IS_ADDR_MULTICAST(&addr->v6))
		return RTN_MULTICAST;
	if (family == AF_INET && addr->v4.s_addr == htonl(INADDR_BROADCAST))
		return RTN_BROADCAST;
	return is_ours(family, addr) != NULL ? RTN_LOCAL : RTN_UNICAST;
}

int inet_route(struct inet *inet, struct inet_flow *flow)
{
	if (fake.route_result != 0)
		return fake.route_result;
	flow->type = (uint8_t)inet_addr_type(inet, flow->family, &flow->dst, NULL);
	flow->iface = flow->type == RTN_LOCAL ? &lo : &eth;
	flow->source = flow->src;
	flow->nexthop = flow->dst;
	if (!usock__is_any(flow->family, &flow->src))
		return 0;
	if (flow->type == RTN_LOCAL)
		flow->source = flow->dst;
	else if (flow->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&flow->dst.v6))
		inet_pton(AF_INET6, "fe80::1", &flow->source);
	else
		inet_pton(flow->family, flow->family == AF_INET ? "10.0.0.1" : "fd00::1", &flow->source);
	return 0;
}

/* ---------------------------------------------------------------------------------------------- the rest of usock */

int64_t usock_now(struct usock_stack *stack)
{
	(void)stack;
	return fake.now;
}

void usock_random(struct usock_stack *stack, void *bytes, size_t len)
{
	static uint64_t state = 1;
	unsigned char *byte = bytes;

	(void)stack;
	if (fake.random_fixed && len == sizeof(fake.random)) {
		memcpy(bytes, &fake.random, len);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
		byte[i] = (unsigned char)(state >> 56);
	}
}

void usock__timer_set(struct usock_stack *stack, struct usock__timer *timer, int64_t when)
{
	usock__timer_clear(stack, timer);
	assert_non_null(timer->fire);
	timer->when = when;
	timer->next = timers;
	timers = timer;
}

void usock__timer_clear(struct usock_stack *stack, struct usock__timer *timer)
{
	(void)stack;
	for (struct usock__timer **at = &timers; *at != NULL; at = &(*at)->next) {
		if (*at != timer)
			continue;
		*at = timer->next;
		break;
	}
	timer->when = 0;
}

void fake_timers(struct usock_stack *stack, int64_t nanoseconds)
{
	fake.now += nanoseconds;
	for (;;) {
		struct usock__timer *timer = timers;

		while (timer != NULL && timer->when > fake.now)
			timer = timer->next;
		if (timer == NULL)
			return;
		usock__timer_clear(stack, timer);
		timer->fire(timer);
	}
}

void usock__changed(struct usock *sock, uint32_t events)
{
	assert_true(sock->ready.user >= 0);
	sock->changed |= events;
}

uint32_t fake_told(struct usock__stream *s)
{
	uint32_t events = s->inet.sock.changed;

	s->inet.sock.changed = 0;
	return events;
}

int usock__take_error(struct usock *sock)
{
	int error = sock->error;

	sock->error = 0;
	return -error;
}

int usock__ready_pair(struct usock *sock)
{
	sock->ready.shape = USOCK_SHAPE_STREAM;
	return 0;
}

bool usock__ready_alive(struct usock *sock)
{
	if (sock != fake.gone || sock->dead)
		return !sock->dead;
	sock->dead = true;
	sock->kind->release(sock);
	return false;
}

int usock__wait(struct usock *sock, uint32_t events, int64_t until, struct usock__held *held)
{
	(void)events, (void)held;
	if (fake.wait != NULL)
		return fake.wait(sock);
	fake.now = until;
	return -EAGAIN;
}

struct usock *usock__new(struct usock_stack *stack, const struct usock__kind *kind, size_t size, int family, int type,
                         int protocol)
{
	struct usock *sock = fake_calloc(1, size);

	if (sock == NULL)
		return NULL;
	sock->stack = stack;
	sock->kind = kind;
	sock->family = family;
	sock->type = type;
	sock->protocol = protocol;
	sock->ready.user = sock->ready.own = -1;
	sock->options.rcvlowat = 1;
	sock->options.peek_off = -1;
	sock->options.rcvtimeo = sock->options.sndtimeo = INET_NEVER;
	sock->next = stack->sockets;
	if (sock->next != NULL)
		sock->next->prev = sock;
	stack->sockets = sock;
	return sock;
}

void usock__dispose(struct usock *sock)
{
	if (!sock->dead)
		sock->kind->release(sock);
	sock->kind->destroy(sock);
	if (sock->next != NULL)
		sock->next->prev = sock->prev;
	*(sock->prev != NULL ? &sock->prev->next : &sock->stack->sockets) = sock->next;
	free(sock);
}

void usock__ip_init(struct usock__ip *ip)
{
	ip->ttl = ip->hop_limit = ip->tclass = -1;
	ip->multicast_ttl = 1;
}

int usock__ip_setsockopt(struct usock__inet *sock, int level, int name, const void *value, socklen_t len)
{
	(void)len;
	if (level != IPPROTO_IP || name != IP_TTL)
		return -ENOPROTOOPT;
	memcpy(&sock->ip.ttl, value, sizeof(int));
	return sock->sock.kind->option_changed(&sock->sock, name);
}

int usock__ip_getsockopt(struct usock__inet *sock, int level, int name, void *value, socklen_t *len)
{
	(void)sock;
	(void)level;
	(void)name;
	(void)value;
	(void)len;
	return -ENOPROTOOPT;
}

bool usock__mcast_wanted(const struct usock__inet *sock, int family, const union inet_ip *group,
                         const union inet_ip *src, const struct inet_iface *iface)
{
	(void)family;
	(void)group;
	(void)src;
	(void)iface;
	return sock->ip.multicast_all;
}

void usock__mcast_release(struct usock__inet *sock)
{
	(void)sock;
}

int usock__errqueue_recv(struct usock *sock, struct usock__xfer *xfer)
{
	(void)sock;
	(void)xfer;
	return -EAGAIN;
}

bool usock__errqueue_empty(const struct usock *sock)
{
	(void)sock;
	return true;
}

void usock__errqueue_release(struct usock *sock)
{
	(void)sock;
}

/* ---------------------------------------------------------------------------------------------------------- the test's
 */

struct usock_stack *fake_stack(void)
{
	struct usock_stack *stack;

	memset(&fake, 0, sizeof(fake));
	fake.now = INT64_C(1000000000);
	stack = calloc(1, sizeof(*stack));
	assert_non_null(stack);
	stack->engine = &engine;
	assert_int_equal(usock__binds_open(stack), 0);
	return stack;
}

void fake_done(struct usock_stack *stack)
{
	while (stack->sockets != NULL)
		usock__dispose(stack->sockets);
	for (unsigned int i = 0; i < fake.pcbs; i++)
		assert_null(fake.pcb[i].tcp); /* whose usock_tcp is freed memory */
	assert_null(timers);
	assert_int_equal(buffers, 0);
	usock__binds_close(stack);
	free(stack);
}

struct usock__stream *fake_socket(struct usock_stack *stack, int family)
{
	struct usock *sock =
	        usock__new(stack, &usock__stream_kind, usock__stream_size, family, SOCK_STREAM, IPPROTO_TCP);

	assert_non_null(sock);
	assert_int_equal(sock->kind->open(sock), 0);
	sock->ready.user = 0;
	return usock__stream_of(sock);
}

static void udp_release(struct usock *sock)
{
	usock__unbind(usock__inet_of(sock), IPPROTO_UDP);
}

static void udp_destroy(struct usock *sock)
{
	(void)sock;
}

struct usock__inet *fake_udp(struct usock_stack *stack, int family)
{
	static const struct usock__kind kind = {.release = udp_release, .destroy = udp_destroy};
	struct usock *sock = usock__new(stack, &kind, sizeof(struct usock__inet), family, SOCK_DGRAM, IPPROTO_UDP);

	assert_non_null(sock);
	usock__ip_init(&usock__inet_of(sock)->ip);
	sock->ready.user = 0;
	return usock__inet_of(sock);
}

void fake_close(struct usock *sock)
{
	usock__dispose(sock);
}

struct fake_pcb *fake_pcb(struct usock__stream *s)
{
	struct usock_tcp *tcp = s->state == STREAM_LISTEN ? usock__stream_listener_tcp(s) : &s->tcp;

	return tcp->pcb;
}

void fake_error(struct usock_tcp *tcp, int error)
{
	of(tcp)->tcp = NULL;
	usock_tcp_error(tcp, error);
}

void fake_input_bytes(struct usock__stream *s, const void *bytes, size_t len)
{
	unsigned char *buffer = malloc(len);

	assert_non_null(buffer);
	memcpy(buffer, bytes, len);
	buffers++;
	usock_tcp_input(&s->tcp, buffer, len, buffer);
}

void fake_input(struct usock__stream *s, const char *text)
{
	fake_input_bytes(s, text, strlen(text));
}

struct usock_endpoint fake_end(int family, const char *text, unsigned int port)
{
	struct usock_endpoint end;
	char copy[64], *scope;

	memset(&end, 0, sizeof(end));
	strncpy(copy, text, sizeof(copy) - 1);
	copy[sizeof(copy) - 1] = '\0';
	scope = strchr(copy, '%');
	if (scope != NULL) {
		*scope = '\0';
		end.scope = (uint32_t)atoi(scope + 1);
	}
	assert_int_equal(inet_pton(family, copy, &end.ip), 1);
	end.port = (uint16_t)port;
	return end;
}

socklen_t fake_addr(const char *text, unsigned int port, struct sockaddr_storage *out)
{
	int family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	struct usock_endpoint end = fake_end(family, text, port);
	socklen_t len = sizeof(*out);

	usock__endpoint_give(family, &end, out, &len);
	return len;
}

struct usock__stream *fake_connected(struct usock_stack *stack, int family)
{
	struct usock__stream *s = fake_socket(stack, family);
	struct sockaddr_storage addr;
	socklen_t len = fake_addr(family == AF_INET ? "10.0.0.2" : "fd00::2", 80, &addr);
	struct usock *sock = &s->inet.sock;

	assert_int_equal(sock->kind->connect(sock, (struct sockaddr *)&addr, len), -EINPROGRESS);
	usock_tcp_connected(&s->tcp);
	assert_int_equal(sock->kind->connect_done(sock), 0);
	fake_told(s);
	return s;
}

struct usock__stream *fake_listener(struct usock_stack *stack, int family, unsigned int port, int backlog)
{
	struct usock__stream *s = fake_socket(stack, family);
	struct sockaddr_storage addr;
	socklen_t len = fake_addr(family == AF_INET ? "0.0.0.0" : "::", port, &addr);
	struct usock *sock = &s->inet.sock;

	assert_int_equal(sock->kind->bind(sock, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(sock->kind->listen(sock, backlog), 0);
	return s;
}

struct usock_tcp *fake_arrives(struct usock__stream *listener, unsigned int port)
{
	int family = listener->inet.sock.family;
	struct usock_endpoint local =
	        fake_end(family, family == AF_INET ? "10.0.0.1" : "fd00::1", listener->inet.bind_port);
	struct usock_endpoint remote = fake_end(family, family == AF_INET ? "10.0.0.2" : "fd00::2", port);
	struct fake_pcb *pcb = pcb_new(NULL);
	struct usock_tcp *tcp = usock_tcp_accept(usock__stream_listener_tcp(listener), pcb, &local, &remote);
	pcb->tcp = tcp;
	return tcp;
}
