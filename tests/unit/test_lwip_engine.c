/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_lwip_engine.c - the engine lwip alone: two stacks joined in memory.
 */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../plugins/lwip/engine.h"
#include "lwip_fake.h"

#define SECOND INT64_C(1000000000)

static int64_t now;
static struct usock_stack *a, *b;

static int setup_mtu(unsigned int mtu)
{
	now = SECOND;
	a = fake_open(&now, 1, mtu);
	b = fake_open(&now, 2, mtu);
	if (!a || !b)
		return -1;
	fake_join(a, b);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return setup_mtu(1500);
}

static int setup_jumbo(void **state)
{
	(void)state;
	return setup_mtu(9000);
}

static int teardown(void **state)
{
	(void)state;
	fake_close(a);
	fake_close(b);
	return 0;
}

static bool both_connected(void *arg)
{
	return ((struct sock *)arg)->connected && b->accepted;
}

/** open_pair - a connection from a to b; the listener is gone again */
static struct sock *open_pair(int family)
{
	struct sock *listener = fake_listen(b, family, 80), *sock;

	assert_non_null(listener);
	sock = fake_connect(a, b, family, 40000, 80);
	assert_int_equal(sock->error, 0);
	assert_true(fake_run(a, b, both_connected, sock, 30 * SECOND));
	fake_free(listener);
	return sock;
}

/** datagram - send @len bytes of UDP from a to b */
static int datagram(int family, size_t len, unsigned char **payload)
{
	size_t header = family == AF_INET ? 20 : 40;
	union inet_ip dst;
	unsigned char *data;
	void *packet = lwip_engine.tx_alloc(a->e, header + len, &data);

	assert_non_null(packet);
	memset(data, 0, header);
	memset(&dst, 0, sizeof(dst));
	if (family == AF_INET) {
		uint32_t sum = 0;

		data[0] = 0x45;
		put16(data + 2, (unsigned int)(header + len));
		put16(data + 4, 4711);
		data[8] = 64;
		data[9] = IPPROTO_UDP;
		memcpy(data + 12, "\x0a\0\0\1\x0a\0\0\2", 8);
		memcpy(&dst, data + 16, 4);
		for (size_t i = 0; i < 20; i += 2)
			sum += get16(data + i);
		sum = (sum & 0xffff) + (sum >> 16);
		put16(data + 10, ~(sum + (sum >> 16)) & 0xffff);
	} else {
		data[0] = 0x60;
		put16(data + 4, (unsigned int)len);
		data[6] = IPPROTO_UDP;
		data[7] = 64;
		memcpy(data + 8, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
		memcpy(data + 24, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 16);
		memcpy(&dst, data + 24, 16);
	}
	for (size_t i = 0; i < len; i++)
		data[header + i] = fake_byte(i);
	*payload = data + header;
	return (lwip_engine.ip_output)(a->e, a->iface, &dst, family, packet);
}

/** meet - let the stacks find each other, before anything is lost */
static void meet(void)
{
	unsigned char *payload;

	datagram(AF_INET, 8, &payload);
	fake_run(a, b, NULL, NULL, SECOND);
}

/* ------------------------------------------------------------------------------------------------------------- data */

struct transfer {
	struct sock *from, *to;
	size_t sent, total;
	bool closing;
};

static bool transferred(void *arg)
{
	struct transfer *t = arg;

	if (t->sent < t->total)
		t->sent += fake_send(t->from, t->sent, t->total - t->sent, false);
	return t->to->received == t->total || t->from->error || t->to->error;
}

static void transfer(struct sock *from, struct sock *to, size_t total)
{
	struct transfer t = {.from = from, .to = to, .total = total};
	bool ok = fake_run(a, b, transferred, &t, 1000 * SECOND);

	if (!ok)
		print_message("%zu of %zu sent, %zu received, %zu unacknowledged, clock %.1f s\n", t.sent, total,
		              to->received, lwip_engine.tcp_unacked(from->stack->e, &from->tcp), (double)now / 1e9);
	assert_true(ok);
	assert_int_equal(from->error, 0);
	assert_int_equal(to->error, 0);
	assert_int_equal(to->received, total);
	assert_int_equal(to->bad, 0);
}

static void test_data(void **state)
{
	struct sock *sock = open_pair(AF_INET);

	(void)state;
	transfer(sock, b->accepted, 20 << 20);
	transfer(b->accepted, sock, 5 << 20);
	fake_free(sock);
}

static void test_data6(void **state)
{
	struct sock *sock = open_pair(AF_INET6);

	(void)state;
	transfer(sock, b->accepted, 20 << 20);
	fake_free(sock);
}

static size_t longest;
static unsigned int large; /* frames that stand for several */

static void measure_length(struct usock_stack *stack, const unsigned char *frame, size_t len)
{
	(void)stack;
	(void)frame;
	longest = len > longest ? len : longest;
}

static void test_jumbo(void **state)
{
	struct sock *sock = open_pair(AF_INET);

	(void)state;
	longest = 0;
	a->spy = measure_length;
	transfer(sock, b->accepted, 5 << 20);
	assert_int_equal(longest, 9014);
	assert_int_equal(((struct conn *)sock->tcp.pcb)->pcb.mss, 8960);
	fake_free(sock);
}

/** sent_for - frames that the receiver sends for 256 KiB which it gets in batches of @batch frames */
static unsigned int sent_for(unsigned int batch)
{
	struct transfer t = {.from = open_pair(AF_INET), .to = b->accepted, .total = 256 * 1024};
	unsigned int before = b->sent;

	b->batch = batch;
	assert_true(fake_run(a, b, transferred, &t, 10 * SECOND));
	assert_int_equal(t.to->bad, 0);
	assert_int_equal(t.to->received, t.total);
	before = b->sent - before;
	fake_free(t.from);
	return before;
}

static void test_acknowledgements(void **state)
{
	assert_in_range(sent_for(1), 80, 100); /* every second segment of 180 */
	teardown(state);
	setup(state);
	assert_in_range(sent_for(16), 180 / 16, 24);
}

static void count_large(struct usock_stack *stack, const unsigned char *frame, size_t len)
{
	(void)stack;
	(void)frame;
	large += len > 1514;
}

/** joined - a transfer over shared memory, where what is sent in one go leaves as one segment */
static void joined(int family, unsigned int batch)
{
	struct sock *sock = open_pair(family);
	struct conn *conn = sock->tcp.pcb;
	int64_t began;

	a->iface->offload = b->iface->offload = true;
	a->batch = b->batch = batch;
	transfer(sock, b->accepted, 100000); /* the window grows */
	b->accepted->received = 0;
	began = now;
	large = b->sent = 0;
	a->spy = count_large;
	transfer(sock, b->accepted, 5 << 20);
	assert_true(large >= (5 << 20) / 65536);
	/* Each is acknowledged, or waiting for the next would stop the sender time and again. */
	assert_in_range(b->sent, large / batch, 2 * large + 100);
	assert_true(now - began < SECOND / 10);
	assert_int_equal(conn->retransmitted, 0);
	transfer(b->accepted, sock, 5 << 20);
	fake_free(sock);
}

static void test_joined(void **state)
{
	joined(AF_INET, 16);
	teardown(state);
	setup(state);
	joined(AF_INET6, 1);
}

/** free_bytes - of buffers that a stack keeps */
static size_t free_bytes(const struct usock_stack *stack)
{
	const struct engine *e = stack->e;

	return e->large_free + e->buffers_free * (size_t)1024;
}

/* What is kept for traffic is given back when there is none, though the connection stays. */
static void test_trim(void **state)
{
	struct sock *sock = open_pair(AF_INET);

	(void)state;
	a->iface->offload = b->iface->offload = true;
	a->batch = b->batch = 16;
	transfer(sock, b->accepted, 5 << 20);
	assert_in_range(free_bytes(a), 100000, 6 << 20);
	assert_in_range(free_bytes(b), 100000, 6 << 20);
	fake_run(a, b, NULL, NULL, 3 * SECOND);
	assert_in_range(free_bytes(a), 0, 16 * 1024);
	assert_in_range(free_bytes(b), 0, 16 * 1024);
	assert_int_equal(lwip_engine.deadline(a->e), INET_NEVER);
	assert_int_equal(lwip_engine.deadline(b->e), INET_NEVER);
	fake_free(sock);
}

static void test_joined_lossy(void **state)
{
	struct sock *sock = open_pair(AF_INET);

	(void)state;
	meet();
	a->iface->offload = b->iface->offload = true;
	a->loss = 100;
	transfer(sock, b->accepted, 5 << 20);
	assert_true(a->lost > 0);
	fake_free(sock);
}

/* However many segments one of them covers, the congestion window doubles in the first round trip. */
static void test_slow_start(void **state)
{
	struct transfer t = {.from = open_pair(AF_INET), .to = b->accepted, .total = 10 * 1460};
	struct conn *conn = t.from->tcp.pcb;

	(void)state;
	assert_int_equal(conn->pcb.cwnd, 10 * 1460);
	b->batch = 16;
	assert_true(fake_run(a, b, transferred, &t, SECOND));
	fake_run(a, b, NULL, NULL, SECOND);
	assert_int_equal(lwip_engine.tcp_unacked(a->e, &t.from->tcp), 0);
	assert_int_equal(conn->pcb.cwnd, 20 * 1460);
	fake_free(t.from);
}

/* A gap is told of segment by segment, however they come: that is how the sender knows of it before its time is over. */
static void test_gap(void **state)
{
	struct transfer t = {.from = open_pair(AF_INET), .to = b->accepted, .total = 64 * 1024};
	struct conn *conn = t.from->tcp.pcb;

	(void)state;
	conn->pcb.cwnd = 20 * conn->pcb.mss;
	a->lose = 3;
	b->batch = 64;
	assert_true(fake_run(a, b, transferred, &t, SECOND / 10)); /* shorter than any time-out */
	assert_int_equal(t.to->bad, 0);
	assert_int_equal(conn->retransmitted, 1);
	fake_free(t.from);
}

/** delay - how long @total bytes take when the @nth frame that a sends of them is lost, on a connection that is new */
static int64_t delay(unsigned int nth, size_t total)
{
	struct transfer t = {.from = open_pair(AF_INET), .to = b->accepted, .total = total};
	int64_t begin = now;

	a->lose = nth;
	assert_true(fake_run(a, b, transferred, &t, 10 * SECOND));
	assert_int_equal(t.to->bad, 0);
	assert_int_equal(((struct conn *)t.from->tcp.pcb)->retransmitted, 1);
	fake_free(t.from);
	return now - begin;
}

/* The handshake has told how long a round trip takes, so the first loss does not cost a second, nor a time-out. */
static void test_first_loss(void **state)
{
	(void)state;
	assert_in_range(delay(1, 100), SECOND / 20, SECOND / 8);
}

/* Nothing follows that would make the peer ask for it; a time-out would take 200 ms. */
static void test_tail_loss(void **state)
{
	(void)state;
	assert_in_range(delay(8, 8 * 1460), SECOND / 20, SECOND / 8);
}

static void test_loss(void **state)
{
	struct sock *sock = open_pair(AF_INET);
	int64_t begin;

	(void)state;
	a->loss = b->loss = 20;
	begin = now;
	transfer(sock, b->accepted, 10 << 20);
	print_message("10 MiB with a loss of 2 %%: %.1f s on the clock, %u frames, %u lost\n",
	              (double)(now - begin) / 1e9, a->sent, a->lost);
	fake_free(sock);
}

/* ------------------------------------------------------------------------------------------------------------ window
 */

static uint32_t scale, window;

static void look_at_syn(struct usock_stack *stack, const unsigned char *frame, size_t len)
{
	(void)stack;
	if (len < 14 + 40 || frame[12] != 8 || frame[13] != 0 || frame[23] != IPPROTO_TCP)
		return;
	if (frame[14 + 20 + 13] & 2) {
		for (size_t i = 14 + 40; i + 2 < len; i++) {
			if (frame[i] == 3 && frame[i + 1] == 3)
				scale = frame[i + 2];
		}
	} else {
		window = (uint32_t)frame[14 + 20 + 14] << 8 | frame[14 + 20 + 15];
	}
}

/** test_window - more than 64 KiB, and not more than was asked for, until the program reads */
static void test_window(void **state)
{
	struct sock *sock;
	struct transfer t;

	(void)state;
	b->spy = look_at_syn;
	sock = open_pair(AF_INET);
	b->accepted->hold = true;
	t = (struct transfer){.from = sock, .to = b->accepted, .total = 4 << 20};
	assert_false(fake_run(a, b, transferred, &t, 5 * SECOND));
	assert_int_equal(scale, WINDOW_SHIFT);
	/* The buffer is full, up to what is less than a segment. */
	assert_in_range(b->accepted->received, (512 << 10) - 1460, 512 << 10);
	assert_in_range(window << WINDOW_SHIFT, 0, 1460);
	/* The program reads: it goes on. */
	b->accepted->hold = false;
	for (unsigned int i = 0; i < b->accepted->held; i++) {
		lwip_engine.release(b->e, b->accepted->pieces[i].buffer);
		lwip_engine.tcp_recved(b->e, &b->accepted->tcp, b->accepted->pieces[i].len);
	}
	b->accepted->held = 0;
	assert_true(fake_run(a, b, transferred, &t, 100 * SECOND));
	assert_int_equal(b->accepted->received, 4 << 20);
	assert_int_equal(b->accepted->bad, 0);
	fake_free(sock);
}

/* --------------------------------------------------------------------------------------------------------------- end
 */

static bool over(void *arg)
{
	struct sock *sock = arg;

	return sock->fin && sock->finished && b->accepted->fin && b->accepted->finished;
}

static void test_close(void **state)
{
	struct sock *sock = open_pair(AF_INET);
	struct engine *e = a->e;

	(void)state;
	transfer(sock, b->accepted, 100000);
	assert_int_equal(lwip_engine.tcp_shutdown(a->e, &sock->tcp), 0);
	fake_run(a, b, NULL, NULL, SECOND);
	assert_true(sock->finished);
	assert_false(sock->fin);
	assert_true(b->accepted->fin);
	/* half closed: the other way still works */
	transfer(b->accepted, sock, 100000);
	assert_int_equal(lwip_engine.tcp_shutdown(b->e, &b->accepted->tcp), 0);
	assert_true(fake_run(a, b, over, sock, 10 * SECOND));
	lwip_engine.tcp_close(a->e, &sock->tcp);
	lwip_engine.tcp_close(b->e, &b->accepted->tcp);
	/* We closed first: TIME-WAIT, a minute of it, and then nothing runs any more. */
	assert_int_equal(e->connections, 1);
	assert_false(fake_run(a, b, NULL, NULL, 90 * SECOND));
	assert_int_equal(e->connections, 0);
	assert_int_equal(((struct engine *)b->e)->connections, 0);
	assert_true(lwip_engine.deadline(a->e) == INET_NEVER);
	assert_true(lwip_engine.deadline(b->e) == INET_NEVER);
	assert_int_equal(e->buffers_used, 0);
	fake_free(sock);
}

/** test_half_close - the side that accepted finishes first, the other goes on */
static void test_half_close(void **state)
{
	struct sock *sock = open_pair(AF_INET);

	(void)state;
	assert_int_equal(lwip_engine.tcp_shutdown(b->e, &b->accepted->tcp), 0);
	fake_run(a, b, NULL, NULL, SECOND);
	assert_true(b->accepted->finished);
	assert_true(sock->fin);
	transfer(sock, b->accepted, 100000);
	lwip_engine.tcp_close(a->e, &sock->tcp);
	lwip_engine.tcp_close(b->e, &b->accepted->tcp);
	fake_run(a, b, NULL, NULL, 90 * SECOND);
	assert_int_equal(((struct engine *)a->e)->connections, 0);
	assert_int_equal(((struct engine *)b->e)->connections, 0);
	fake_free(sock);
}

static bool failed(void *arg)
{
	return ((struct sock *)arg)->error != 0;
}

static void test_reset(void **state)
{
	struct sock *sock = open_pair(AF_INET);

	(void)state;
	lwip_engine.tcp_abort(b->e, &b->accepted->tcp);
	assert_true(fake_run(a, b, failed, sock, SECOND));
	assert_int_equal(sock->error, -ECONNRESET);
	assert_null(sock->tcp.pcb);
	fake_free(sock);
}

static void test_refused(void **state)
{
	struct sock *sock = fake_connect(a, b, AF_INET, 40000, 81);

	(void)state;
	assert_true(fake_run(a, b, failed, sock, SECOND));
	assert_int_equal(sock->error, -ECONNREFUSED);
	fake_free(sock);
	sock = fake_connect(a, b, AF_INET6, 40000, 81);
	assert_true(fake_run(a, b, failed, sock, SECOND));
	assert_int_equal(sock->error, -ECONNREFUSED);
	fake_free(sock);
}

static void test_no_answer(void **state)
{
	struct sock *sock;
	int64_t begin;

	(void)state;
	meet();
	a->loss = 1000;
	begin = now;
	sock = fake_connect(a, b, AF_INET, 40000, 81);
	assert_true(fake_run(a, b, failed, sock, 300 * SECOND));
	assert_int_equal(sock->error, -ETIMEDOUT);
	/* six more attempts, each after twice the time: 127 s */
	assert_in_range((now - begin) / SECOND, 120, 135);
	fake_free(sock);
}

static void test_user_timeout(void **state)
{
	struct sock *sock = open_pair(AF_INET);
	int64_t begin;

	(void)state;
	sock->tcp.option[USOCK_TCP_USER_TIMEOUT] = 5000;
	assert_int_equal(lwip_engine.tcp_option(a->e, &sock->tcp, USOCK_TCP_USER_TIMEOUT, 5000), 0);
	a->loss = 1000;
	begin = now;
	assert_int_equal(fake_send(sock, 0, 100, false), 100);
	assert_true(fake_run(a, b, failed, sock, 300 * SECOND));
	assert_int_equal(sock->error, -ETIMEDOUT);
	assert_in_range((now - begin) / SECOND, 5, 6);
	fake_free(sock);
}

static bool both_have(void *arg)
{
	struct sock *const *sock = arg;

	return sock[0]->received == 5000 && sock[1]->received == 3000;
}

/** crossing - two that connect to each other at once; @lossy: what one of them answers is lost */
static void crossing(int family, bool lossy)
{
	struct sock *one, *other, *two[2];

	meet();
	one = fake_connect(a, b, family, 1000, 2000);
	other = fake_connect(b, a, family, 2000, 1000);
	if (lossy) {
		b->loss = 1000;
		fake_run(a, b, NULL, NULL, SECOND / 10);
		assert_true(other->connected);
		assert_false(one->connected);
		b->loss = 0;
	}
	if (lossy)
		assert_int_equal(fake_send(other, 0, 5000, false), 5000);
	fake_run(a, b, NULL, NULL, SECOND);
	assert_true(one->connected && other->connected);
	assert_int_equal(one->error, 0);
	assert_int_equal(other->error, 0);
	if (!lossy)
		assert_int_equal(fake_send(other, 0, 5000, false), 5000);
	assert_int_equal(fake_send(one, 0, 3000, false), 3000);
	two[0] = one;
	two[1] = other;
	assert_true(fake_run(a, b, both_have, two, 10 * SECOND));
	assert_int_equal(one->bad + other->bad, 0);
	assert_int_equal(((struct engine *)a->e)->crossed, 1);
	fake_free(one);
	fake_free(other);
}

static void test_crossing(void **state)
{
	(void)state;
	crossing(AF_INET, false);
}

static void test_crossing6(void **state)
{
	(void)state;
	crossing(AF_INET6, false);
}

static void test_crossing_lossy(void **state)
{
	(void)state;
	crossing(AF_INET, true);
}

/* ------------------------------------------------------------------------------------------------------ many or few */

/** test_orphan - what a program has closed is not kept for a quarter of an hour when the peer is gone */
static void test_orphan(void **state)
{
	struct engine *e = a->e;
	struct sock *sock;

	(void)state;
	sock = open_pair(AF_INET);
	transfer(sock, b->accepted, 1000); /* so that round trips are known */
	fake_run(a, b, NULL, NULL, SECOND);
	a->loss = 1000;
	assert_true(fake_send(sock, 0, 200000, false) > 100000);
	lwip_engine.tcp_close(e, &sock->tcp);
	fake_run(a, b, NULL, NULL, 40 * SECOND);
	assert_int_equal(e->connections, 1);
	fake_run(a, b, NULL, NULL, 100 * SECOND);
	assert_int_equal(e->connections, 0);
	assert_int_equal(lwip_engine.deadline(e), INET_NEVER);
	fake_free(sock);
}

static void test_backlog(void **state)
{
	struct sock *listener = fake_listen(b, AF_INET6, 80), *sock[20];

	(void)state;
	meet();
	b->backlog = 5;
	b->loss = 1000; /* no SYN-ACK arrives */
	for (unsigned int i = 0; i < 20; i++)
		sock[i] = fake_connect(a, b, AF_INET, 40000 + i, 80);
	fake_run(a, b, NULL, NULL, SECOND / 2);
	assert_int_equal(((struct engine *)b->e)->connections, 5);
	b->loss = 0;
	b->backlog = 1000;
	fake_run(a, b, NULL, NULL, 20 * SECOND);
	for (unsigned int i = 0; i < 20; i++) {
		assert_true(sock[i]->connected);
		fake_free(sock[i]);
	}
	/* An IPv4 connection to an IPv6 listener shows a mapped address. */
	assert_true(IN6_IS_ADDR_V4MAPPED(&b->accepted->tcp.remote.ip.v6));
	fake_free(listener);
}

static bool held_back(void *arg)
{
	(void)arg;
	return false;
}

static void test_more(void **state)
{
	struct sock *sock = open_pair(AF_INET);

	(void)state;
	assert_int_equal(fake_send(sock, 0, 2000, true), 2000);
	fake_run(a, b, held_back, NULL, SECOND / 10);
	assert_int_equal(b->accepted->received, 1460);
	assert_int_equal(lwip_engine.tcp_unsent(a->e, &sock->tcp), 540);
	assert_int_equal(fake_send(sock, 2000, 100, true), 100);
	fake_run(a, b, held_back, NULL, SECOND / 10);
	assert_int_equal(b->accepted->received, 1460);
	lwip_engine.tcp_flush(a->e, &sock->tcp);
	fake_run(a, b, held_back, NULL, SECOND / 10);
	assert_int_equal(b->accepted->received, 2100);
	assert_int_equal(b->accepted->bad, 0);
	fake_free(sock);
}

static void test_urgent(void **state)
{
	struct sock *sock = open_pair(AF_INET), *to = b->accepted;

	(void)state;
	a->loss = 100;
	for (unsigned int i = 1; i <= 100; i++) {
		assert_int_equal(fake_send(sock, sock->sum, 3000, false), 3000);
		sock->sum += 3000;
		assert_int_equal(lwip_engine.tcp_urgent(a->e, &sock->tcp, (unsigned char)i), 0);
		assert_int_equal(fake_send(sock, sock->sum, 500, false), 500);
		sock->sum += 500;
		fake_run(a, b, NULL, NULL, 60 * SECOND);
		assert_int_equal(to->received, sock->sum);
		assert_int_equal(to->bad, 0);
		assert_int_equal(to->urgent, i);
		assert_int_equal(to->urgent_byte, i);
		assert_int_equal(to->urgent_at, sock->sum - 500);
	}
	assert_int_equal(((struct engine *)b->e)->buffers_used, 0);
	fake_free(sock);
}

static void test_self(void **state)
{
	struct sock *listener = fake_listen(a, AF_INET, 80), *sock = fake_connect(a, a, AF_INET, 40000, 80);
	struct transfer t;

	(void)state;
	fake_run(a, NULL, NULL, NULL, SECOND);
	assert_true(sock->connected);
	assert_non_null(a->accepted);
	t = (struct transfer){.from = sock, .to = a->accepted, .total = 4 << 20};
	assert_true(fake_run(a, NULL, transferred, &t, 100 * SECOND));
	assert_int_equal(a->accepted->received, 4 << 20);
	assert_int_equal(a->accepted->bad, 0);
	assert_int_equal(a->sent - a->lost, a->sent);
	fake_free(sock);
	fake_free(listener);
	/* and a reset to ourselves, which lwIP alone does not survive */
	sock = fake_connect(a, a, AF_INET, 40001, 81);
	assert_true(fake_run(a, NULL, failed, sock, SECOND));
	assert_int_equal(sock->error, -ECONNREFUSED);
	fake_free(sock);
}

/* -------------------------------------------------------------------------------------------------------- fragments */

static void test_fragments(void **state)
{
	static const size_t lens[] = {8, 1472, 1473, 4096, 14800, 20001, 65507};

	(void)state;
	for (unsigned int i = 0; i < 2 * sizeof(lens) / sizeof(*lens); i++) {
		size_t len = lens[i / 2];
		unsigned char *payload;

		b->datagram_len = 0;
		assert_int_equal(datagram(i & 1 ? AF_INET6 : AF_INET, len, &payload), 0);
		fake_run(a, b, NULL, NULL, SECOND);
		assert_int_equal(b->datagram_len, len);
		for (size_t j = 0; j < len; j++)
			assert_int_equal(b->datagram[j], fake_byte(j));
	}
	assert_null(((struct engine *)b->e)->reass);
	assert_int_equal(((struct engine *)b->e)->buffers_used, 0);
}

/** test_fragments_lost - what is never complete is forgotten, and a flood of it is bounded */
static void test_fragments_lost(void **state)
{
	struct engine *e = b->e;
	unsigned char *payload;

	(void)state;
	meet();
	a->loss = 300;
	for (int i = 0; i < 300; i++) {
		datagram(AF_INET6, 60000, &payload);
		fake_run(a, b, NULL, NULL, SECOND / 1000);
		assert_true(e->buffers_used < (5U << 20));
	}
	assert_non_null(e->reass);
	a->loss = 0;
	fake_run(a, b, NULL, NULL, 100 * SECOND);
	assert_null(e->reass);
	assert_int_equal(e->buffers_used, 0);
}

/* ------------------------------------------------------------------------------------------------------------- many */

static size_t resident(void)
{
	char line[256];
	size_t kib = 0;
	FILE *file = fopen("/proc/self/smaps_rollup", "re");

	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "Anonymous: %zu kB", &kib);
	if (file)
		fclose(file);
	return kib;
}

static void test_thousand(void **state)
{
	enum { COUNT = 1000 };
	static struct usock_stack *stacks[COUNT];
	struct timespec t0, t1;
	int64_t clock = SECOND;
	size_t before;
	unsigned int count;

	(void)state;
	before = resident();
	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (count = 0; count < COUNT; count++) {
		stacks[count] = fake_open(&clock, 1 + count % 250, 1500);
		assert_non_null(stacks[count]);
	}
	clock_gettime(CLOCK_MONOTONIC, &t1);
	print_message("%u stacks in %.2f s, %zu KiB each\n", count,
	              (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) / 1e9,
	              (resident() - before) / COUNT);
	assert_in_range((resident() - before) / COUNT, 1, 130);
	/* each is its own */
	a = stacks[3];
	b = stacks[997];
	a->clock = b->clock = &now;
	fake_join(a, b);
	{
		struct sock *sock = open_pair(AF_INET);

		transfer(sock, b->accepted, 1 << 20);
		fake_free(sock);
	}
	for (unsigned int i = 0; i < COUNT; i++)
		fake_close(stacks[i]);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/**
 * run_apart - each test in a process of its own: sanitizers forbid copies of liblwip, which has a symbol of libc's
 * name, so each stack takes a linker namespace, of which a process has eleven (see private.c)
 */
static int run_apart(const struct CMUnitTest *tests, size_t count)
{
	int failed_tests = 0;

	for (size_t i = 0; i < count; i++) {
		pid_t pid = fork();
		int status = 1;

		if (pid == 0)
			exit(_cmocka_run_group_tests(tests[i].name, &tests[i], 1, NULL, NULL));
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			failed_tests++;
	}
	return failed_tests;
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_data, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_data6, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_jumbo, setup_jumbo, teardown),
	        cmocka_unit_test_setup_teardown(test_acknowledgements, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_joined, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_joined_lossy, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_trim, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_slow_start, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_gap, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_first_loss, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_tail_loss, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_loss, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_window, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_close, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_half_close, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_no_answer, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_user_timeout, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_crossing, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_crossing6, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_crossing_lossy, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_orphan, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_backlog, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_more, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_urgent, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_self, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_fragments, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_fragments_lost, setup, teardown),
	        cmocka_unit_test(test_thousand),
	};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return run_apart(tests, sizeof(tests) / sizeof(*tests) - 1);
#else
	return cmocka_run_group_tests(tests, NULL, NULL);
#endif
}
