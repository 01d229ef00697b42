/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * slots.c - the functions that calls inside liblwip are redirected to.
 *
 * The table at the end is the one place that says which, and which of them have to be there: without those marked required
 * the engine would be wrong, without the others only slower. Each function is called by lwIP within a call from us, so
 * engine_current is the engine it belongs to.
 */
#include "engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chksum.h"

_Thread_local struct engine *engine_current;

/* ------------------------------------------------------------------------------------- what lwIP does not need to do */

static unsigned int protect(void)
{
	return 0;
}

static void unprotect(unsigned int level)
{
	(void)level;
}

static void nothing(void)
{
}

/* ------------------------------------------------------------------------------------------------- clock, randomness */

static u32_t now_ms(void)
{
	return (u32_t)(usock_now(engine_current->stack) / MILLISECOND);
}

static void no_timeout(u32_t ms, void (*handler)(void *), void *arg)
{
	(void)ms;
	(void)handler;
	(void)arg;
}

/** registered - lwIP asks for its clock whenever it has put something into a list */
static void registered(void)
{
	conns_registered(engine_current);
}

static int unpredictable(void)
{
	unsigned int value;

	usock_random(engine_current->stack, &value, sizeof(value));
	return (int)(value & RAND_MAX);
}

static uint64_t rotate(uint64_t value, unsigned int by)
{
	return value << by | value >> (64 - by);
}

/** sip_round - of SipHash (Aumasson, Bernstein 2012) */
static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/** keyed_hash - SipHash-2-4 of whole words */
static uint64_t keyed_hash(const uint64_t key[2], const uint64_t *words, size_t count)
{
	uint64_t v[4] = {key[0] ^ 0x736f6d6570736575U, key[1] ^ 0x646f72616e646f6dU, key[0] ^ 0x6c7967656e657261U,
	                 key[1] ^ 0x7465646279746573U};

	for (size_t i = 0; i <= count; i++) {
		uint64_t word = i < count ? words[i] : (uint64_t)(count * 8) << 56;

		v[3] ^= word;
		sip_round(v);
		sip_round(v);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/** initial_sequence - RFC 6528: a clock of 4 µs, and a secret function of the two endpoints */
static u32_t initial_sequence(struct tcp_pcb *pcb)
{
	struct engine *e = engine_current;
	uint64_t words[5] = {0};

	memcpy(words, &pcb->local_ip.u_addr, IP_IS_V6_VAL(pcb->local_ip) ? 16 : 4);
	memcpy(words + 2, &pcb->remote_ip.u_addr, IP_IS_V6_VAL(pcb->remote_ip) ? 16 : 4);
	words[4] = (uint64_t)pcb->local_port << 16 | pcb->remote_port;
	return (u32_t)keyed_hash(e->secret, words, 5) + (u32_t)(usock_now(e->stack) / 4000);
}

/* ------------------------------------------------------------------------------------------------------------ memory */

/** allocate - a connection and a listener have more to remember than lwIP */
static void *allocate(memp_t type)
{
	struct engine *e = engine_current;

	if (type == MEMP_TCP_PCB) {
		struct conn *conn = calloc(1, sizeof(*conn));

		if (conn) {
			conn->e = e;
			e->connections++;
		}
		return conn;
	}
	if (type == MEMP_TCP_PCB_LISTEN) {
		struct listener *listener = calloc(1, sizeof(*listener));

		if (listener)
			listener->e = e;
		return listener;
	}
	if (type == MEMP_TCP_SEG)
		return buffer_segment(e);
	return malloc((*e->lw.memp_pools)[type]->size);
}

static void release(memp_t type, void *memory)
{
	if (!memory)
		return;
	if (type == MEMP_TCP_PCB) {
		struct conn *conn = memory;
		struct engine *e = conn->e;

		conns_forget(e, conn);
		if (conn->half_open && conn->pcb.listener)
			((struct listener *)conn->pcb.listener)->half_open--;
		if (conn->tcp && conn->tcp->pcb == conn)
			conn->tcp->pcb = NULL;
		owed_forget(conn);
		cross_free(conn);
		e->soft_error = conn->soft_error;
		if (e->current == conn)
			e->current = NULL;
		e->connections--;
	} else if (type == MEMP_TCP_SEG) {
		buffer_segment_free(engine_current, memory);
		return;
	}
	if (type == MEMP_TCP_PCB_LISTEN)
		listeners_forget(((struct listener *)memory)->e, memory);
	free(memory);
}

/** segment_memory, _clear, _release - what lwIP sends is put together in memory like that of what it receives */
static void *segment_memory(mem_size_t size)
{
	return buffer_memory(engine_current, size);
}

static void *segment_clear(mem_size_t count, mem_size_t size)
{
	void *memory = size == 0 || count <= (mem_size_t)-1 / size ? buffer_memory(engine_current, (size_t)count * size)
	                                                           : NULL;

	return memory ? memset(memory, 0, (size_t)count * size) : NULL;
}

static void segment_release(void *memory)
{
	buffer_memory_free(memory);
}

/** fresh - a new connection: what its build has as constants, and Linux otherwise */
static struct tcp_pcb *fresh(u8_t prio)
{
	struct tcp_pcb *pcb = engine_current->lw.tcp_alloc(prio);

	if (!pcb)
		return NULL;
	pcb->ttl = 64;
	pcb->ssthresh = TCPWND_MAX >> 1;
	pcb->snd_buf = SEND_MAX;
	((struct conn *)pcb)->progress = usock_now(engine_current->stack);
	return pcb;
}

/* ---------------------------------------------------------------------------------------------------------- packets */

static struct netif *any_netif(const void *dst)
{
	(void)dst;
	return &engine_current->any.netif;
}

static struct netif *route6(const ip6_addr_t *src, const ip6_addr_t *dst)
{
	struct engine *e = engine_current;
	uint8_t zone = dst->zone ? dst->zone : src->zone;

	for (struct netif *netif = zone ? *e->lw.netif_list : NULL; netif; netif = netif->next) {
		if (netif_get_index(netif) == zone)
			return netif;
	}
	return &e->any.netif;
}

/** to_ourselves - lwIP has noticed that a packet is for itself; inet does so in any case */
static err_t to_ourselves(struct netif *netif, struct pbuf *p)
{
	const unsigned char *header = p->payload;

	return lwip_output((struct interface *)netif, header[0] >> 4 == 4 ? AF_INET : AF_INET6, p);
}

static u16_t segment_size(u16_t ours, struct netif *netif, const ip_addr_t *dst)
{
	struct engine *e = engine_current;
	unsigned int mss = conn_mss(e, e->building, dst);

	(void)ours;
	(void)netif;
	/* What we announce has nothing to do with what the peer did. */
	if (!e->building && e->peer_mss && e->peer_mss < mss)
		mss = e->peer_mss;
	return (u16_t)mss;
}

static err_t output(struct tcp_pcb *pcb)
{
	return conn_output((struct conn *)pcb);
}

static void loss(struct tcp_pcb *pcb)
{
	conn_loss((struct conn *)pcb);
}

/* -------------------------------------------------------------------------------------------------------- checksums */

static u16_t sum16(const void *data, int len)
{
	return chksum_fold(chksum_add(0, data, (size_t)len));
}

static u16_t copy_sum16(void *to, const void *from, u16_t len)
{
	memcpy(to, from, len);
	if (engine_current->elides)
		return 0; /* ipout.c sees to it */
	return chksum_fold(chksum_add(0, to, len));
}

/** verify - the checksum of a received segment, which is in one piece; what came on lo or in memory was never on a wire */
static u16_t verify(struct pbuf *p, u8_t protocol, u16_t len, const ip_addr_t *src, const ip_addr_t *dst)
{
	struct engine *e = engine_current;
	struct interface *in = (struct interface *)e->lw.ip_data->current_input_netif;
	uint64_t sum;

	if (in && in->iface && ((in->iface->flags & IFF_LOOPBACK_) || in->iface->unsummed_in == p->payload))
		return 0;
	sum = chksum_pseudo(&src->u_addr, &dst->u_addr, IP_IS_V6_VAL(*src) ? 16 : 4, protocol, len);
	for (; p; p = p->next)
		sum = chksum_add(sum, p->payload, p->len);
	return (u16_t)~chksum_fold(sum);
}

/* -------------------------------------------------------------------------------------------------------------- end */

static void fatal(void)
{
	fputs("ioth: lwip: internal error of liblwip\n", stderr);
	abort();
}

static void fatal_exit(int status)
{
	(void)status;
	fatal();
}

/** message - lwIP prints to the standard output, which is the program's */
__attribute__((format(printf, 2, 3))) static int message(int flag, const char *format, ...)
{
	va_list args;
	int n;

	(void)flag;
	va_start(args, format);
	n = vfprintf(stderr, format, args);
	va_end(args);
	return n;
}

/* clang-format off */
#define SLOT(name, function, required) {#name, (plt_function)(void *)(function), required}
/* clang-format on */

/* Sorted as strcmp sorts. */
const struct plt_slot engine_slots[] = {
        SLOT(__printf_chk, message, false),
        SLOT(abort, fatal, false),
        SLOT(exit, fatal_exit, false),
        SLOT(ip4_route, any_netif, true),
        SLOT(ip6_route, route6, true),
        SLOT(ip_chksum_pseudo, verify, false),
        SLOT(lwip_chksum_copy, copy_sum16, false),
        SLOT(lwip_standard_chksum, sum16, false),
        SLOT(mem_calloc, segment_clear, true),
        SLOT(mem_free, segment_release, true),
        SLOT(mem_malloc, segment_memory, true),
        SLOT(memp_free, release, true),
        SLOT(memp_malloc, allocate, true),
        SLOT(nd6_reachability_hint, nothing, false),
        SLOT(netif_loop_output, to_ourselves, true),
        SLOT(rand, unpredictable, true),
        SLOT(sys_arch_protect, protect, false),
        SLOT(sys_arch_unprotect, unprotect, false),
        SLOT(sys_check_core_locking, nothing, false),
        SLOT(sys_now, now_ms, false),
        SLOT(sys_timeout, no_timeout, true),
        SLOT(sys_timeouts_init, nothing, true),
        SLOT(tcp_alloc, fresh, true),
        SLOT(tcp_eff_send_mss_netif, segment_size, true),
        SLOT(tcp_next_iss, initial_sequence, true),
        SLOT(tcp_output, output, true),
        SLOT(tcp_rexmit_fast, loss, true),
        SLOT(tcp_timer_needed, registered, true),
};
const size_t engine_slot_count = sizeof(engine_slots) / sizeof(*engine_slots);
