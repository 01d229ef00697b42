/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * engine.c - the table of the engine, its beginning and its end.
 */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/** unknown - the first option that nobody knows; NULL: none */
static const char *unknown(const char *options)
{
	while (options && *options) {
		const char *comma = strchr(options, ',');

		if (*options != ',' && !usock_option(options))
			return options;
		options = comma ? comma + 1 : NULL;
	}
	return NULL;
}

static void engine_close(void *arg)
{
	struct engine *e = engine_enter(arg);

	/* What was closed politely and is not through yet is forgotten without a word, as on a machine that is switched
	   off. usock has closed all listeners before. */
	while (!TAILQ_EMPTY(&e->living)) {
		struct tcp_pcb *pcb = &TAILQ_FIRST(&e->living)->pcb;

		/* lwIP would send an acknowledgement that it owes, and there are no routes any more. */
		pcb->flags &= (tcpflags_t)~TF_ACK_DELAY;
		e->lw.tcp_abandon(pcb, 0);
	}
	while (!TAILQ_EMPTY(&e->over))
		e->lw.tcp_abandon(&TAILQ_FIRST(&e->over)->pcb, 0);
	if (e->any.e)
		e->lw.netif_remove(&e->any.netif);
	conns_close(e);
	reass_close(e);
	buffer_trim(e);
	image_close(&e->lw);
	free(e->scratch);
	explicit_bzero(e->secret, sizeof(e->secret));
	free(e);
	engine_current = NULL;
}

static int engine_open(struct usock_stack *stack, const char *options, void **out)
{
	struct engine *e;
	int err;

	if (unknown(options))
		return -EINVAL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	engine_enter(e);
	e->stack = stack;
	e->generation = 1;
	for (unsigned int i = 0; i < CLOCKS; i++)
		e->due[i] = INET_NEVER;
	usock_random(stack, e->secret, sizeof(e->secret));
	conns_open(e);
	err = image_open(&e->lw, engine_slots, engine_slot_count);
	if (err == 0) {
		e->lw.lwip_init();
		err = netif_open(e);
	}
	if (err < 0) {
		engine_close(e);
		return err;
	}
	*out = e;
	return 0;
}

const struct usock_engine lwip_engine = {
        .name = "lwip",
        .offload = true,
        .open = engine_open,
        .close = engine_close,
        .deadline = engine_deadline,
        .timers = engine_timers,
        .settle = engine_settle,
        .iface_add = engine_iface_add,
        .iface_del = engine_iface_del,
        .iface_change = engine_iface_change,
        .addr_add = engine_addr_add,
        .addr_del = engine_addr_del,
        .group_join = engine_group_join,
        .group_leave = engine_group_leave,
        .rx_alloc = engine_rx_alloc,
        .rx_free = engine_rx_free,
        .ip_input = engine_ip_input,
        .tx_alloc = engine_tx_alloc,
        .tx_free = engine_tx_free,
        .ip_output = engine_ip_output,
        .tcp_connect = engine_tcp_connect,
        .tcp_listen = engine_tcp_listen,
        .tcp_write = engine_tcp_write,
        .tcp_flush = engine_tcp_flush,
        .tcp_room = engine_tcp_room,
        .tcp_unsent = engine_tcp_unsent,
        .tcp_unacked = engine_tcp_unacked,
        .tcp_recved = engine_tcp_recved,
        .release = engine_release,
        .tcp_shutdown = engine_tcp_shutdown,
        .tcp_close = engine_tcp_close,
        .tcp_abort = engine_tcp_abort,
        .tcp_option = engine_tcp_option,
        .tcp_info = engine_tcp_info,
        .tcp_icmp = engine_tcp_icmp,
        .tcp_urgent = engine_tcp_urgent,
        .tcp_left = engine_tcp_left,
        .routes_changed = engine_routes_changed,
};
