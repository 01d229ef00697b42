/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two private copies of the distribution's liblwip in one thread, used through its raw API.
 *
 * Theory of operation. Everything that is not lwIP has been left out: no sockets, no descriptors, no lock that anybody
 * waits for, no second thread, no system call. Frames go from one engine's link to a queue of the other, which costs
 * one copy, as lwIP may change a segment that it sends again; the loop takes turns in giving each engine what has come
 * for it. Data is written with lwIP's own copy, and what arrives is thrown away where it is. Ethernet, ARP and IP are
 * lwIP's.
 *
 * The plugin's loader (plugins/lwip/image.h) makes the copies, and with @cheap the same functions as in the plugin take
 * the place of lwIP's checksums.
 */
#include "by_hand.h"

#include "bench.h"

#ifdef HAVE_LWIP
#include "clock.h"

#include <stdlib.h>
#include <string.h>

#include "../plugins/lwip/chksum.h"
#include "../plugins/lwip/image.h"
#include "../src/core/private.h"

#include <lwip/etharp.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>

#define PORT 5001
#define CHUNK 32768 /* bytes of one tcp_write, which takes no more than 65535 */
#define OPEN_NS 2000000000u
#define CLOCK_ROUNDS 64 /* how often the loop looks at the clock */

/* What the plugin does not need. */
#define FURTHER_FUNCTIONS(X)                                                                                           \
	X(etharp_output)                                                                                               \
	X(ethernet_input)                                                                                              \
	X(sys_check_timeouts)                                                                                          \
	X(tcp_accept)                                                                                                  \
	X(tcp_arg)                                                                                                     \
	X(tcp_bind)                                                                                                    \
	X(tcp_new)                                                                                                     \
	X(tcp_recv)                                                                                                    \
	X(tcp_recved)

/** struct engine - one copy, and the Ethernet interface it has */
struct engine {
	struct lwip lw;
#define MEMBER(name) __typeof__(name) *(name);
	FURTHER_FUNCTIONS(MEMBER)
#undef MEMBER
	struct netif netif;
	struct engine *peer;
	struct pbuf *first, **last; /* frames that have come, linked by queue_next */
	uint64_t count;             /* bytes of the stream, written or received */
	struct tcp_pcb *pcb;        /* the connection, NULL: none yet, or no more */
	bool open;
};

struct by_hand {
	struct engine engine[2]; /* 0 sends, 1 receives */
};

/* ------------------------------------------------------------------------------------------- what is made cheap */

static uint64_t now_ns; /* of the loop */

static u32_t cheap_now(void)
{
	return (u32_t)(now_ns / 1000000);
}

static unsigned int cheap_protect(void)
{
	return 0;
}

static void cheap_unprotect(unsigned int level)
{
	(void)level;
}

static u16_t cheap_checksum(const void *data, int len)
{
	return chksum_fold(chksum_add(0, data, (size_t)len));
}

static u16_t cheap_checksum_copy(void *to, const void *from, u16_t len)
{
	memcpy(to, from, len);
	return chksum_fold(chksum_add(0, to, len));
}

/* clang-format off */
#define SLOT(name, function) {#name, (plt_function)(void *)(function), true}
/* clang-format on */

static const struct plt_slot cheap_slots[] = {
        SLOT(lwip_chksum_copy, cheap_checksum_copy),
        SLOT(lwip_standard_chksum, cheap_checksum),
        SLOT(sys_arch_protect, cheap_protect),
        SLOT(sys_arch_unprotect, cheap_unprotect),
        SLOT(sys_now, cheap_now),
};

/* --------------------------------------------------------------------------------------------------- the wire */

/*
 * The frames of a queue are linked by the word before their Ethernet header, which a pbuf of the receiving engine has
 * room for: headroom is lwIP's habit, too.
 */
#define LINK_ROOM 16

static struct pbuf **next_of(struct pbuf *p)
{
	return (struct pbuf **)((char *)p->payload - LINK_ROOM);
}

/** send_frame - in place of a driver: a copy of the frame for the other engine */
static err_t send_frame(struct netif *netif, struct pbuf *p)
{
	const struct engine *e = netif->state;
	struct engine *to = e->peer;
	struct pbuf *copy = to->lw.pbuf_alloc(PBUF_RAW, (u16_t)(p->tot_len + LINK_ROOM), PBUF_RAM);

	if (!copy)
		return ERR_MEM;
	copy->payload = (char *)copy->payload + LINK_ROOM;
	copy->len = copy->tot_len = p->tot_len;
	e->lw.pbuf_copy_partial(p, copy->payload, p->tot_len, 0);
	*next_of(copy) = NULL;
	*to->last = copy;
	to->last = next_of(copy);
	return ERR_OK;
}

/** receive_frames - give an engine what has come for it; false when nothing has */
static bool receive_frames(struct engine *e)
{
	struct pbuf *p = e->first;

	e->first = NULL;
	e->last = &e->first;
	if (!p)
		return false;
	while (p) {
		struct pbuf *next = *next_of(p);

		if (e->netif.input(p, &e->netif) != ERR_OK)
			e->lw.pbuf_free(p);
		p = next;
	}
	return true;
}

static err_t set_up(struct netif *netif)
{
	struct engine *e = netif->state;

	netif->name[0] = 'e';
	netif->name[1] = 'n';
	netif->mtu = 1500;
	netif->hwaddr_len = 6;
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
	netif->output = e->etharp_output;
	netif->linkoutput = send_frame;
	return ERR_OK;
}

/* ------------------------------------------------------------------------------------------------- connections */

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct engine *e = arg;

	(void)pcb;
	e->open = err == ERR_OK;
	return ERR_OK;
}

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct engine *e = arg;

	(void)err;
	if (!p)
		return ERR_OK;
	e->count += p->tot_len;
	e->tcp_recved(pcb, p->tot_len);
	e->lw.pbuf_free(p);
	return ERR_OK;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct engine *e = arg;

	if (err != ERR_OK)
		return err;
	e->pcb = pcb;
	e->open = true;
	e->tcp_arg(pcb, e);
	e->tcp_recv(pcb, on_recv);
	return ERR_OK;
}

/** turn - let both engines do what there is to do */
static void turn(struct by_hand *pair)
{
	bool busy;

	do {
		busy = receive_frames(&pair->engine[1]);
		busy |= receive_frames(&pair->engine[0]);
	} while (busy);
}

static void timers(struct by_hand *pair)
{
	pair->engine[0].sys_check_timeouts();
	pair->engine[1].sys_check_timeouts();
}

/** engine_open - load a copy; 0, or -1 after bench_fail */
static int engine_open(struct engine *e, bool cheap)
{
	int err = image_open(&e->lw, cheap_slots, cheap ? sizeof(cheap_slots) / sizeof(cheap_slots[0]) : 0);
	void *at;

	if (err < 0)
		return bench_fail("no private copy of liblwip: %s", strerror(-err));
#define RESOLVE(name)                                                                                                  \
	at = ioth__private_sym(e->lw.copy, #name);                                                                     \
	if (!at)                                                                                                       \
		return bench_fail("liblwip lacks " #name);                                                             \
	memcpy(&e->name, &at, sizeof(at));

	FURTHER_FUNCTIONS(RESOLVE)
#undef RESOLVE
	e->last = &e->first;
	e->lw.lwip_init();
	return 0;
}

/** interface_open - an interface with the address 10.0.0.@host, up; 0, or -1 after bench_fail */
static int interface_open(struct engine *e, unsigned int host)
{
	ip4_addr_t address = {PP_HTONL(0x0a000000u + host)}, mask = {PP_HTONL(0xffffff00u)}, none = {0};

	memcpy(e->netif.hwaddr, (unsigned char[]){2, 0, 0, 0, 0, (unsigned char)host}, 6);
	if (!e->lw.netif_add(&e->netif, &address, &mask, &none, e, set_up, e->ethernet_input))
		return bench_fail("netif_add failed");
	e->lw.netif_set_link_up(&e->netif);
	e->lw.netif_set_up(&e->netif);
	return 0;
}

/** connect - from engine 0 to engine 1; 0, or -1 after bench_fail */
static int connect_engines(struct by_hand *pair)
{
	struct engine *from = &pair->engine[0], *to = &pair->engine[1];
	struct tcp_pcb *listener = to->tcp_new();
	uint64_t end = clock_ns() + OPEN_NS;
	ip_addr_t address = to->netif.ip_addr;

	if (!listener || to->tcp_bind(listener, &address, PORT) != ERR_OK)
		return bench_fail("tcp_bind failed");
	listener = to->lw.tcp_listen_with_backlog_and_err(listener, 1, NULL);
	if (!listener)
		return bench_fail("tcp_listen failed");
	to->tcp_arg(listener, to);
	to->tcp_accept(listener, on_accept);
	from->pcb = from->tcp_new();
	if (!from->pcb)
		return bench_fail("tcp_new failed");
	from->tcp_arg(from->pcb, from);
	if (from->lw.tcp_connect(from->pcb, &address, PORT, on_connected) != ERR_OK)
		return bench_fail("tcp_connect failed");
	while (!(from->open && to->open)) {
		now_ns = clock_ns();
		if (now_ns > end)
			return bench_fail("no connection between two engines");
		timers(pair);
		turn(pair);
	}
	return 0;
}

int by_hand_open(struct by_hand **out, bool cheap)
{
	struct by_hand *pair = calloc(1, sizeof(*pair));

	if (!pair)
		return bench_fail("out of memory");
	pair->engine[0].peer = &pair->engine[1];
	pair->engine[1].peer = &pair->engine[0];
	now_ns = clock_ns();
	/* Both are there before either says anything. */
	if (engine_open(&pair->engine[0], cheap) < 0 || engine_open(&pair->engine[1], cheap) < 0 ||
	    interface_open(&pair->engine[0], 1) < 0 || interface_open(&pair->engine[1], 2) < 0 ||
	    connect_engines(pair) < 0) {
		by_hand_close(pair);
		return -1;
	}
	*out = pair;
	return 0;
}

void by_hand_close(struct by_hand *pair)
{
	/* Their sockets, segments and timers go with the process. */
	for (unsigned int i = 0; i < 2; i++)
		image_close(&pair->engine[i].lw);
	free(pair);
}

/** fill - write as much as the connection takes */
static void fill(struct engine *e)
{
	static const char chunk[CHUNK];

	while (tcp_sndbuf(e->pcb) > 0) {
		u16_t n = (u16_t)(tcp_sndbuf(e->pcb) < CHUNK ? tcp_sndbuf(e->pcb) : CHUNK);

		if (e->lw.tcp_write(e->pcb, chunk, n, TCP_WRITE_FLAG_COPY) != ERR_OK)
			break;
		e->count += n;
	}
	e->lw.tcp_output(e->pcb);
}

int64_t by_hand_stream(struct by_hand *pair, uint64_t ns)
{
	const struct engine *from = &pair->engine[0], *to = &pair->engine[1];
	uint64_t start = clock_ns(), before = to->count;

	for (unsigned int round = 0;; round++) {
		if (round % CLOCK_ROUNDS == 0) {
			now_ns = clock_ns();
			timers(pair);
			if (now_ns - start > ns)
				break;
		}
		fill(&pair->engine[0]);
		turn(pair);
	}
	/* What is still on its way counts in the next sample. */
	if (to->count == before || to->count > from->count)
		return bench_fail("%llu bytes written, %llu received", (unsigned long long)from->count,
		                  (unsigned long long)to->count);
	return (int64_t)(to->count - before);
}

#else

int by_hand_open(struct by_hand **out, bool cheap)
{
	(void)out, (void)cheap;
	return bench_fail("built without lwIP (Debian: apt install liblwip-dev)");
}

int64_t by_hand_stream(struct by_hand *pair, uint64_t ns)
{
	(void)pair, (void)ns;
	return -1;
}

void by_hand_close(struct by_hand *pair)
{
	(void)pair;
}

#endif
