/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lwip_fake.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <linux/rtnetlink.h>

#include "../../plugins/lwip/engine.h"
#include "../../src/inet/private.h"

struct frame {
	struct frame *next;
	struct usock_stack *to; /* joined stacks, or ourselves on lo */
	struct inet_iface *iface;
	size_t len;
	size_t unsummed; /* offset of a TCP header without checksum; 0: none */
	unsigned char *data;
	void *buffer;
};

static void cable(struct usock_stack *stack, const unsigned char *data, size_t len, size_t unsummed);

/* ------------------------------------------------------------------------------------------------- what usock does */

bool usock_option(const char *option)
{
	return strncmp(option, "known", 5) == 0;
}

struct inet *usock_inet(struct usock_stack *stack)
{
	return stack->inet;
}

bool usock_forwarding(const struct usock_stack *stack)
{
	return stack->forwarding;
}

int64_t usock_now(struct usock_stack *stack)
{
	return *stack->clock;
}

void usock_random(struct usock_stack *stack, void *bytes, size_t len)
{
	(void)stack;
	if (getrandom(bytes, len, 0) != (ssize_t)len)
		abort();
}

void usock_push(struct usock_stack *stack)
{
	static unsigned char whole[LINK_SEGMENT_MAX];
	size_t len = 0;

	if (stack->kept.count == 0)
		return;
	link__join_end(&stack->kept);
	for (unsigned int i = 0; i <= stack->kept.count; len += stack->kept.piece[i++].iov_len)
		memcpy(whole + len, stack->kept.piece[i].iov_base, stack->kept.piece[i].iov_len);
	stack->kept.count = 0;
	cable(stack, whole, len, stack->kept.vnet.csum_start);
}

void usock_deadline_changed(struct usock_stack *stack)
{
	(void)stack;
}

bool usock_ip_input(struct usock_stack *stack, const struct usock_packet *packet)
{
	size_t at = 0;

	if (packet->protocol == IPPROTO_TCP)
		return false;
	stack->datagrams++;
	for (unsigned int i = 0; i < packet->pieces; i++) {
		memcpy(stack->datagram + at, packet->payload[i].iov_base, packet->payload[i].iov_len);
		at += packet->payload[i].iov_len;
	}
	stack->datagram_len = at;
	return stack->eat || packet->protocol == IPPROTO_UDP;
}

void usock_tcp_connected(struct usock_tcp *tcp)
{
	((struct sock *)tcp)->connected = true;
}

bool usock_tcp_may_accept(struct usock_tcp *listener, unsigned int half_open)
{
	return half_open < ((struct sock *)listener)->stack->backlog;
}

struct usock_tcp *usock_tcp_accept(struct usock_tcp *listener, void *pcb, const struct usock_endpoint *local,
                                   const struct usock_endpoint *remote)
{
	struct sock *from = (struct sock *)listener, *sock = calloc(1, sizeof(*sock));

	sock->stack = from->stack;
	sock->tcp = *listener;
	sock->tcp.local = *local;
	sock->tcp.remote = *remote;
	sock->tcp.pcb = pcb;
	sock->connected = true;
	sock->next = from->stack->accepted;
	from->stack->accepted = sock;
	return &sock->tcp;
}

/** take - the program reads a piece */
static void take(struct sock *sock, void *buffer, size_t len)
{
	lwip_engine.release(sock->stack->e, buffer);
	lwip_engine.tcp_recved(sock->stack->e, &sock->tcp, len);
}

void usock_tcp_input(struct usock_tcp *tcp, const unsigned char *data, size_t len, void *buffer)
{
	struct sock *sock = (struct sock *)tcp;

	for (size_t i = 0; i < len; i++)
		sock->bad += data[i] != fake_byte(sock->received + i);
	sock->received += len;
	if (!sock->hold) {
		take(sock, buffer, len);
		return;
	}
	if (!sock->pieces)
		sock->pieces = calloc(PIECES, sizeof(*sock->pieces));
	assert(sock->pieces && sock->held < PIECES);
	sock->pieces[sock->held++] = (struct piece){buffer, len};
}

void usock_tcp_urgent(struct usock_tcp *tcp, unsigned char byte)
{
	struct sock *sock = (struct sock *)tcp;

	sock->urgent++;
	sock->urgent_at = sock->received;
	sock->urgent_byte = byte;
	lwip_engine.tcp_recved(sock->stack->e, tcp, 1);
}

void usock_tcp_fin(struct usock_tcp *tcp)
{
	((struct sock *)tcp)->fin = true;
}

void usock_tcp_sent(struct usock_tcp *tcp)
{
	(void)tcp;
}

void usock_tcp_finished(struct usock_tcp *tcp)
{
	((struct sock *)tcp)->finished = true;
}

void usock_tcp_error(struct usock_tcp *tcp, int error)
{
	((struct sock *)tcp)->error = error;
}

/* ------------------------------------------------------------------------------------------------ what inet asks for */

static int64_t now(void *owner)
{
	return *((struct usock_stack *)owner)->clock;
}

static int iface_add(void *owner, struct inet_iface *iface)
{
	return lwip_engine.iface_add(((struct usock_stack *)owner)->e, iface);
}

static void iface_del(void *owner, struct inet_iface *iface)
{
	lwip_engine.iface_del(((struct usock_stack *)owner)->e, iface);
}

static void iface_change(void *owner, struct inet_iface *iface, unsigned int what)
{
	lwip_engine.iface_change(((struct usock_stack *)owner)->e, iface, what);
}

static int addr_add(void *owner, struct inet_addr *addr)
{
	return lwip_engine.addr_add(((struct usock_stack *)owner)->e, addr);
}

static void addr_del(void *owner, struct inet_addr *addr)
{
	lwip_engine.addr_del(((struct usock_stack *)owner)->e, addr);
}

static int group_join(void *owner, struct inet_iface *iface, int family, const union inet_ip *group)
{
	return lwip_engine.group_join(((struct usock_stack *)owner)->e, iface, family, group);
}

static void group_leave(void *owner, struct inet_iface *iface, int family, const union inet_ip *group)
{
	lwip_engine.group_leave(((struct usock_stack *)owner)->e, iface, family, group);
}

static int link_create(void *owner, struct inet_iface *iface)
{
	(void)owner;
	(void)iface;
	return 0;
}

static void link_destroy(void *owner, struct inet_iface *iface)
{
	(void)owner;
	(void)iface;
}

/** carry - a frame is on its way to a stack */
static void carry(struct usock_stack *to, struct inet_iface *iface, const unsigned char *data, size_t len,
                  size_t unsummed)
{
	struct frame *frame = calloc(1, sizeof(*frame));

	frame->iface = iface;
	frame->unsummed = unsummed;
	frame->data = lwip_engine.rx_alloc(to->e, len, &frame->buffer);
	if (!frame->data) {
		free(frame);
		return;
	}
	memcpy(frame->data, data, len);
	frame->len = len;
	*to->last = frame;
	to->last = &frame->next;
}

/** cable - a frame to the other stack, unless it is lost */
static void cable(struct usock_stack *stack, const unsigned char *data, size_t len, size_t unsummed)
{
	stack->sent++;
	if (stack->spy)
		stack->spy(stack, data, len);
	if ((stack->lose && --stack->lose == 0) ||
	    (stack->loss && (unsigned int)rand_r(&stack->seed) % 1000 < stack->loss))
		stack->lost++;
	else if (stack->peer)
		carry(stack->peer, stack->peer->iface, data, len, unsummed);
}

static void transmit(void *owner, struct inet_iface *iface, unsigned char *data, size_t len)
{
	struct usock_stack *stack = owner;
	const unsigned char *unsummed = iface->unsummed_out;
	bool more = iface->more_out > data && iface->more_out < data + len;
	struct link_frame frame = {.data = data, .len = (uint32_t)len};
	struct link__segment segment;

	/* What is empty is gone when lwIP has sent it. */
	assert(!more || (link__segment_measure(&segment, &frame) && segment.payload > 0));
	if (iface->index == 1) {
		carry(stack, iface, data, len, 0);
		return;
	}
	if (unsummed > data && unsummed < data + len) {
		frame.vnet = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		                                     .csum_start = (uint16_t)(unsummed - data),
		                                     .csum_offset = 16};
		if (more && link__join_add(&stack->kept, &frame))
			return;
		usock_push(stack);
		if (more && link__join_add(&stack->kept, &frame))
			return;
	}
	usock_push(stack);
	cable(stack, data, len, frame.vnet.csum_start);
}

static bool packet_in(void *owner, struct inet_iface *iface, int family, unsigned char *packet, size_t len,
                      void *buffer)
{
	return lwip_engine.ip_input(((struct usock_stack *)owner)->e, iface, family, packet, len, buffer);
}

static void packet_out(void *owner, struct inet_iface *iface, const unsigned char mac[6], unsigned char *packet,
                       size_t len)
{
	(void)owner;
	inet_output_to(iface, AF_INET6, mac, packet, len);
}

static void unreachable(void *owner, struct inet_iface *iface, int family, const unsigned char *packet, size_t len)
{
	(void)owner;
	(void)iface;
	(void)family;
	(void)packet;
	(void)len;
}

static void routes_changed(void *owner)
{
	struct usock_stack *stack = owner;

	if (stack->e)
		lwip_engine.routes_changed(stack->e);
}

static void notify(void *owner, struct nlq_msg *queue, uint32_t seq, uint32_t portid)
{
	(void)owner;
	(void)seq;
	(void)portid;
	nlq_free(&queue);
}

static const struct inet_ops ops = {
        .now = now,
        .iface_add = iface_add,
        .iface_del = iface_del,
        .iface_change = iface_change,
        .addr_add = addr_add,
        .addr_del = addr_del,
        .group_join = group_join,
        .group_leave = group_leave,
        .link_create = link_create,
        .link_destroy = link_destroy,
        .transmit = transmit,
        .ip_input = packet_in,
        .ip_output = packet_out,
        .unreachable = unreachable,
        .routes_changed = routes_changed,
        .notify = notify,
};

/* ------------------------------------------------------------------------------------------------------------ stacks */

static void address(struct usock_stack *stack, struct inet_iface *iface, int family, const char *text,
                    uint8_t prefixlen)
{
	struct inet__addr_spec spec = {.family = family,
	                               .prefixlen = prefixlen,
	                               .flags = family == AF_INET6 ? IFA_F_NODAD : 0,
	                               .preferred = UINT32_MAX,
	                               .valid = UINT32_MAX};

	(void)stack;
	inet_pton(family, text, &spec.local);
	spec.peer = spec.local;
	if (inet__addr_add(iface, &spec, NLM_F_CREATE, NULL) != 0)
		abort();
}

struct usock_stack *fake_open(int64_t *clock, unsigned int host, unsigned int mtu)
{
	static const unsigned char mac[6] = {2, 0, 0, 0, 0, 0};
	struct usock_stack *stack = calloc(1, sizeof(*stack));
	unsigned char own[6];
	char text[64];

	stack->clock = clock;
	stack->last = &stack->frames;
	stack->seed = host;
	stack->backlog = 1000;
	stack->batch = 1;
	if (lwip_engine.open(stack, NULL, &stack->e) < 0) {
		free(stack);
		return NULL;
	}
	stack->inet = inet_new(&ops, stack);
	if (!stack->inet)
		abort();
	memcpy(own, mac, 6);
	own[5] = (unsigned char)host;
	if (inet_iface_new(stack->inet, "vde0", "vde", "test://", own, 0, &stack->iface) != 0)
		abort();
	inet__iface_set_mtu(stack->iface, mtu);
	stack->iface->dad_transmits = 0;
	stack->iface->accept_ra = false;
	inet_iface_carrier(stack->iface, true);
	if (inet__iface_set_flags(inet_iface_first(stack->inet), 1, 1) || inet__iface_set_flags(stack->iface, 1, 1))
		abort();
	snprintf(text, sizeof(text), "10.0.0.%u", host);
	address(stack, stack->iface, AF_INET, text, 24);
	snprintf(text, sizeof(text), "fd00::%x", host);
	address(stack, stack->iface, AF_INET6, text, 64);
	return stack;
}

void fake_close(struct usock_stack *stack)
{
	if (!stack)
		return;
	if (stack->peer)
		stack->peer->peer = NULL;
	while (stack->accepted) {
		struct sock *sock = stack->accepted;

		stack->accepted = sock->next;
		fake_free(sock);
	}
	while (stack->frames) {
		struct frame *frame = stack->frames;

		stack->frames = frame->next;
		lwip_engine.rx_free(stack->e, frame->buffer);
		free(frame);
	}
	inet_free(stack->inet);
	lwip_engine.close(stack->e);
	free(stack);
}

void fake_join(struct usock_stack *a, struct usock_stack *b)
{
	a->peer = b;
	b->peer = a;
}

/** deliver - let the next frame arrive; false: there is none */
static bool deliver(struct usock_stack *stack)
{
	struct frame *frame = stack ? stack->frames : NULL;

	if (!frame)
		return false;
	stack->frames = frame->next;
	if (!stack->frames)
		stack->last = &stack->frames;
	frame->iface->unsummed_in = frame->unsummed ? frame->data + frame->unsummed : NULL;
	if (!inet_input(frame->iface, frame->data, frame->len, frame->buffer))
		lwip_engine.rx_free(stack->e, frame->buffer);
	frame->iface->unsummed_in = NULL;
	free(frame);
	return true;
}

static int64_t deadline(struct usock_stack *stack)
{
	int64_t a = stack ? inet_deadline(stack->inet) : INET_NEVER,
	        b = stack ? lwip_engine.deadline(stack->e) : INET_NEVER;

	return a < b ? a : b;
}

static void timers(struct usock_stack *stack)
{
	if (stack && deadline(stack) <= *stack->clock) {
		inet_run_timers(stack->inet);
		lwip_engine.timers(stack->e);
	}
}

/** settle - what usock does when it gives the lock back */
static void settle(struct usock_stack *stack)
{
	if (stack)
		lwip_engine.settle(stack->e);
}

bool fake_step(struct usock_stack *stack)
{
	bool some = deliver(stack);

	settle(stack);
	return some;
}

/** turn - receive a batch of frames */
static void turn(struct usock_stack *stack)
{
	for (unsigned int i = 0; stack && i < stack->batch && deliver(stack); i++)
		;
	settle(stack);
}

bool fake_run(struct usock_stack *a, struct usock_stack *b, bool (*done)(void *arg), void *arg, int64_t limit)
{
	int64_t end = *a->clock + limit, da, db;

	for (;;) {
		/* a hundredth of a millisecond for each turn of frames */
		while (a->frames || (b && b->frames)) {
			if (done && done(arg))
				return true;
			turn(a);
			turn(b);
			*a->clock += 1000;
			timers(a);
			timers(b);
			if (*a->clock > end)
				return done && done(arg);
		}
		if (done && done(arg))
			return true;
		/* what done did may have sent something */
		settle(a);
		settle(b);
		if (a->frames || (b && b->frames))
			continue;
		da = deadline(a);
		db = deadline(b);
		if (da > db)
			da = db;
		if (da > end)
			return false;
		if (da > *a->clock)
			*a->clock = da;
		timers(a);
		timers(b);
	}
}

/* ----------------------------------------------------------------------------------------------------------- sockets */

static struct sock *new (struct usock_stack *stack, int family)
{
	struct sock *sock = calloc(1, sizeof(*sock));

	sock->stack = stack;
	sock->tcp.family = family;
	sock->tcp.option[USOCK_TCP_TTL] = -1;
	sock->tcp.option[USOCK_TCP_RCVBUF] = 512 << 10;
	return sock;
}

struct sock *fake_listen(struct usock_stack *stack, int family, unsigned int port)
{
	struct sock *sock = new (stack, family);

	sock->tcp.local.port = (uint16_t)port;
	if ((lwip_engine.tcp_listen)(stack->e, &sock->tcp) != 0) {
		free(sock);
		return NULL;
	}
	return sock;
}

static void own(struct usock_stack *stack, int family, struct usock_endpoint *endpoint)
{
	unsigned char host = stack->iface->mac[5];

	if (family == AF_INET)
		endpoint->ip.v4.s_addr = htonl(0x0a000000U + host);
	else {
		inet_pton(AF_INET6, "fd00::", &endpoint->ip.v6);
		endpoint->ip.v6.s6_addr[15] = host;
	}
}

struct sock *fake_connect(struct usock_stack *from, struct usock_stack *to, int family, unsigned int port,
                          unsigned int to_port)
{
	struct sock *sock = new (from, family);

	own(from, family, &sock->tcp.local);
	own(to, family, &sock->tcp.remote);
	sock->tcp.local.port = (uint16_t)port;
	sock->tcp.remote.port = (uint16_t)to_port;
	sock->error = lwip_engine.tcp_connect(from->e, &sock->tcp);
	return sock;
}

void fake_free(struct sock *sock)
{
	if (!sock)
		return;
	for (unsigned int i = 0; i < sock->held; i++)
		lwip_engine.release(sock->stack->e, sock->pieces[i].buffer);
	if (sock->tcp.pcb)
		lwip_engine.tcp_abort(sock->stack->e, &sock->tcp);
	free(sock->pieces);
	free(sock);
}

size_t fake_send(struct sock *sock, size_t pos, size_t len, bool more)
{
	static unsigned char bytes[1 << 18];
	struct iovec piece = {bytes, len < sizeof(bytes) ? len : sizeof(bytes)};
	size_t room = lwip_engine.tcp_room(sock->stack->e, &sock->tcp);
	ssize_t n;

	if (piece.iov_len > room)
		piece.iov_len = room;
	for (size_t i = 0; i < piece.iov_len; i++)
		bytes[i] = fake_byte(pos + i);
	n = lwip_engine.tcp_write(sock->stack->e, &sock->tcp, &piece, 1, 0, piece.iov_len, more);
	return n > 0 ? (size_t)n : 0;
}
