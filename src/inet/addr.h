/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * addr.h - what addr.c, addr4.c, addr6.c and addrroute.c share, and nobody else needs.
 */
#ifndef IOTH_INET_ADDR_H
#define IOTH_INET_ADDR_H

#include "private.h"

/* addr.c */
/** inet__addr_make - an address that is in no list yet; NULL: no memory, or too many */
struct inet_addr *inet__addr_make(struct inet_iface *iface, const struct inet__addr_spec *spec);
/** inet__addr_insert - put it into the list at @at and into the table */
void inet__addr_insert(struct inet_addr *addr, struct inet_addr **at);
/** inet__addr_take_out - out of both again; inet__addr_free - the end of one that is in no list */
void inet__addr_take_out(struct inet_addr *addr);
void inet__addr_free(struct inet_addr *addr);
/** inet__addr_times - set lifetimes and the flags that follow from them; true when something has changed */
bool inet__addr_times(struct inet_addr *addr, uint32_t preferred, uint32_t valid);
/** inet__addr_schedule - the address has something to do at a time: the deadline may get earlier */
void inet__addr_schedule(struct inet *inet, int64_t when);
/** inet__addr_tell - the engine gets the address, unless it has it: 0 or -ENOBUFS; inet__addr_untell - loses it, if it
 * has it */
int inet__addr_tell(struct inet_addr *addr);
void inet__addr_untell(struct inet_addr *addr);
void inet__addr_notify(struct inet_addr *addr, bool del);

/* addr4.c */
int inet__addr4_add(struct inet_iface *iface, const struct inet__addr_spec *spec, unsigned int nlm_flags,
                    struct inet_addr **out);
void inet__addr4_delete(struct inet_addr *addr);
int inet__addr4_up(struct inet_iface *iface);

/* addr6.c */
int inet__addr6_add(struct inet_iface *iface, const struct inet__addr_spec *spec, unsigned int nlm_flags,
                    struct inet_addr **out);
void inet__addr6_delete(struct inet_addr *addr);
void inet__addr6_dad_run(struct inet_addr *addr, int64_t now);
void inet__addr6_up(struct inet_iface *iface);
void inet__addr6_down(struct inet_iface *iface);

/* addrroute.c */
/** inet__addr_routes_add - add the routes that an address brings, as far as they are not there */
void inet__addr_routes_add(struct inet_addr *addr);
/** inet__addr_routes_network - of these only those in table main */
void inet__addr_routes_network(struct inet_addr *addr);
/** inet__addr_routes_update - the address has changed and was as @before: what it brings anew comes, what it brings no
 * more goes */
void inet__addr_routes_update(struct inet_addr *addr, const struct inet_addr *before);
/** inet__addr_routes_delete - delete those that no other address of the interface brings; it is in the list or not */
void inet__addr_routes_delete(struct inet_addr *addr);

#endif
