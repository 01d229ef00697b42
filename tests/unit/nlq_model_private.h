/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nlq_model_private.h - what the two files of the model share. Addresses are in network byte order. */
#ifndef NLQ_MODEL_PRIVATE_H
#define NLQ_MODEL_PRIVATE_H

#include "nlq_model.h"

#include <linux/if.h>
#include <stdbool.h>
#include <string.h>

struct link {
	struct ifinfomsg header; /* ifi_flags without those that tell a state */
	char name[16];
	char kind[16]; /* "" for lo */
	uint32_t mtu, txqlen;
	unsigned char mac[6], broadcast[6];
	struct rtnl_link_stats64 stats;
};

struct addr {
	struct ifaddrmsg header;
	unsigned char local[16], peer[16], broadcast[16];
	bool has_broadcast;
	uint32_t flags;
	struct ifa_cacheinfo lifetime;
	char label[16]; /* IPv4 */
};

struct route {
	struct rtmsg header;
	unsigned char dst[16], gw[16], prefsrc[16];
	bool has_gw, has_prefsrc;
	uint32_t oif, priority, table;
};

struct neigh {
	struct ndmsg header;
	unsigned char dst[16], mac[6];
	bool has_mac;
};

struct object {
	struct object *next;
	int rtmf; /* RTMF_* */
	union {
		struct link link;
		struct addr addr;
		struct route route;
		struct neigh neigh;
	} u;
};

/** object_add - a new object at the end; NULL when there are too many */
struct object *object_add(struct model *model, int rtmf);
void object_delete(struct model *model, struct object *gone);

/** object_next - the next object of a kind behind @last, the first when that is NULL */
struct object *object_next(const struct model *model, const struct object *last, int rtmf);

/** object_changed - keep a message about a change, RTM_NEW* or RTM_DEL* */
void object_changed(struct model *model, const struct object *object, uint16_t type);

/** object_get - the get of all kinds: one object, or all of a kind when @entry is NULL */
int object_get(void *entry, int rtmf, struct nlq_msg **queue, const struct model *model);

/** object_fill - append the message about an object to a queue */
int object_fill(const struct object *object, struct nlq_msg **queue);
int link_fill(const struct link *link, struct nlq_msg **queue);
int addr_fill(const struct addr *addr, struct nlq_msg **queue);
int route_fill(const struct route *route, struct nlq_msg **queue);
int neigh_fill(const struct neigh *neigh, struct nlq_msg **queue);

struct link *link_by_index(const struct model *model, uint32_t index);

/** link_updown - a link went up or down: its routes come or go; link_gone - it is about to be deleted: its objects are,
 * too */
void link_updown(struct model *model, const struct link *link);
void link_gone(struct model *model, const struct link *link);

#define HANDLERS(kind)                                                                                                 \
	void *kind##_search(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo);                              \
	int kind##_get(void *entry, struct nlmsghdr *msg, struct nlattr **attr, struct nlq_msg **queue,                \
	               void *stackinfo);                                                                               \
	int kind##_make(struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo);                                  \
	int kind##_del(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo);                      \
	int kind##_set(void *entry, struct nlmsghdr *msg, struct nlattr **attr, void *stackinfo);
HANDLERS(addr)
HANDLERS(route)
HANDLERS(neigh)

#endif
