/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * image.h - a private copy of liblwip: its functions and variables.
 *
 * Nothing here is linked against liblwip. Each stack has its own copy and calls it through its own table, so no name of lwIP
 * may be used directly: e->lw.tcp_write, never tcp_write. (Macros of its headers that are pure arithmetic are fine.)
 */
#ifndef IOTH_LWIP_IMAGE_H
#define IOTH_LWIP_IMAGE_H

#include <lwip/opt.h>

#include <lwip/igmp.h>
#include <lwip/init.h>
#include <lwip/ip.h>
#include <lwip/memp.h>
#include <lwip/mld6.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>

#include "plt.h"

/* What is used of lwIP; all of it has to be there. */
#define LWIP_FUNCTIONS(X)                                                                                              \
	X(igmp_input)                                                                                                  \
	X(igmp_joingroup_netif)                                                                                        \
	X(igmp_leavegroup_netif)                                                                                       \
	X(igmp_tmr)                                                                                                    \
	X(lwip_init)                                                                                                   \
	X(mld6_input)                                                                                                  \
	X(mld6_joingroup_netif)                                                                                        \
	X(mld6_leavegroup_netif)                                                                                       \
	X(mld6_tmr)                                                                                                    \
	X(netif_add)                                                                                                   \
	X(netif_remove)                                                                                                \
	X(netif_set_down)                                                                                              \
	X(netif_set_link_up)                                                                                           \
	X(netif_set_up)                                                                                                \
	X(pbuf_alloc)                                                                                                  \
	X(pbuf_alloced_custom)                                                                                         \
	X(pbuf_copy_partial)                                                                                           \
	X(pbuf_free)                                                                                                   \
	X(tcp_abandon)                                                                                                 \
	X(tcp_alloc)                                                                                                   \
	X(tcp_close)                                                                                                   \
	X(tcp_connect)                                                                                                 \
	X(tcp_fasttmr)                                                                                                 \
	X(tcp_free)                                                                                                    \
	X(tcp_input)                                                                                                   \
	X(tcp_listen_with_backlog_and_err)                                                                             \
	X(tcp_new_ip_type)                                                                                             \
	X(tcp_output)                                                                                                  \
	X(tcp_rexmit)                                                                                                  \
	X(tcp_rexmit_fast)                                                                                             \
	X(tcp_rexmit_rto_commit)                                                                                       \
	X(tcp_rexmit_rto_prepare)                                                                                      \
	X(tcp_shutdown)                                                                                                \
	X(tcp_slowtmr)                                                                                                 \
	X(tcp_update_rcv_ann_wnd)                                                                                      \
	X(tcp_write)

#define LWIP_VARIABLES(X)                                                                                              \
	X(ip_data)                                                                                                     \
	X(memp_TCP_PCB)                                                                                                \
	X(memp_TCP_SEG)                                                                                                \
	X(memp_pools)                                                                                                  \
	X(netif_list)                                                                                                  \
	X(tcp_active_pcbs)                                                                                             \
	X(tcp_listen_pcbs)                                                                                             \
	X(tcp_ticks)                                                                                                   \
	X(tcp_tw_pcbs)

extern const struct memp_desc memp_TCP_PCB, memp_TCP_SEG;

struct private_copy;

/** struct lwip - a copy */
struct lwip {
	struct private_copy *copy;
#define MEMBER(name) __typeof__(name) *(name);
	LWIP_FUNCTIONS(MEMBER)
	LWIP_VARIABLES(MEMBER)
#undef MEMBER
};

/**
 * image_open - load one more copy
 * @slots, @count: for plt_replace
 *
 * lwip_init has not been called yet. Returns 0; -ENOTSUP there is no liblwip, or not one that can be used; -ENOMEM, -EMFILE.
 */
int image_open(struct lwip *lw, const struct plt_slot *slots, size_t count);
void image_close(struct lwip *lw);

#endif
