/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * private.h - what the files of src/inet share.
 *
 * Who calls whom: netlink handlers (rtnl_*.c) and router discovery (nd.c) change interfaces, addresses and routes by
 * the functions below. iface.c, addr.c and route.c do what follows from a change, as the kernel does: an address brings
 * its routes, an interface that goes down takes its own away. Each change is told to rtnl_notify.c once, when it is
 * done, and to the owner of the struct inet by its inet_ops.
 *
 * Lifetime: an address lives as long as its interface at most; a route through an interface too, and so does a
 * neighbour. inet_iface_delete removes them in the order neighbours, addresses, routes, groups. A pointer that was got
 * from a table is good until the next call that may change it.
 */
#ifndef IOTH_INET_PRIVATE_H
#define IOTH_INET_PRIVATE_H

#include <inet.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

/* Bounds of the tables. */
#define INET_IFACES_MAX 1024  /* interfaces */
#define INET_ADDRS_MAX 4096   /* addresses of an interface; those that routers make it configure: 16 (nd.c) */
#define INET_ROUTES_MAX 65536 /* routes of a family, not counting those that addresses bring */
#define INET_TABLES_MAX 32    /* tables besides local, main and default */
#define INET_GROUPS_MAX 1024  /* groups of an interface */

#define INET_MTU_MIN6 1280 /* a network that cannot carry this has no IPv6 */

#define INET_SECOND INT64_C(1000000000) /* nanoseconds */
#define INET_FOREVER UINT32_MAX         /* a lifetime in seconds without end: INFINITY_LIFE_TIME */

/** struct inet - see inet.h */
struct inet {
	const struct inet_ops *ops;
	void *owner;
	struct inet_iface *ifaces; /* by index; the first one is lo */
	struct inet_iface *lo;
	unsigned int iface_count;
	unsigned int last_index;        /* the one given out last: the next one is higher until numbers run out */
	bool forwarding;                /* a router: no router solicitations, IsRouter flag, group of all routers */
	bool no_accept_ra, no_autoconf; /* of new interfaces */
	bool closing;                   /* inet_free: nobody is told any more */
	uint32_t seq, portid;           /* of the netlink request in progress, see inet_request_begin */

	struct inet__addrs *addrs;       /* addr.c: the local addresses by hash, the next deadline */
	struct inet__routes *routes;     /* route.c: tables, cache, exceptions */
	struct inet__neigh_table *neigh; /* neigh.c */
	struct inet__nd_table *nd;       /* nd.c: of the stack as a whole, if it needs any */
	struct inet__rtnl *rtnl;         /* rtnl_*.c: notifications that are being collected, if it needs any */
};

/** struct inet_iface_private - what only src/inet knows of an interface */
struct inet_iface_private {
	struct inet__group *groups; /* group.c */
	unsigned int group_count;
	uint64_t filter;                 /* a bit of each group's hardware address */
	unsigned int user_flags;         /* IFF_PROMISC, IFF_ALLMULTI as `ip link` set them */
	bool disabled6;                  /* no IPv6 here: the MTU is less than 1280 bytes */
	bool routers6;                   /* addr6.c: the group of all routers has been joined */
	bool configured6;                /* addr6.c: addresses and routes of an interface that runs have been made */
	unsigned char stable_secret[16]; /* IN6_ADDR_GEN_MODE_STABLE_PRIVACY; random until set */
	struct inet__nd *nd;             /* nd.c: router solicitation, prefixes, parameters */
	void *arp;                       /* arp.c */
	/* What `ip link` sets and shows and nothing else depends on. */
	unsigned char broadcast[6];
	unsigned char permanent_mac[6];
	unsigned int txqlen;
	unsigned int group;
	char *alias;                           /* or NULL */
	unsigned int carrier_up, carrier_down; /* changes */
	bool removing;                         /* inet_iface_delete is at work */
	bool been_up;                          /* so it has a queue, see rtnl_rule.c */
};

static inline int64_t inet__now(const struct inet *inet)
{
	return inet->ops->now(inet->owner);
}

/** inet__addr_len - bytes of an address; inet__bits - bits of one */
static inline unsigned int inet__addr_len(int family)
{
	return family == AF_INET ? 4 : 16;
}
static inline unsigned int inet__bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

bool inet__ip_equal(int family, const union inet_ip *a, const union inet_ip *b);
bool inet__ip_is_zero(int family, const union inet_ip *ip);
bool inet__ip_is_group(int family, const union inet_ip *ip);
/** inet__ip_is_link_local - fe80::/10; of IPv4 none is */
bool inet__ip_is_link_local(int family, const union inet_ip *ip);
/** inet__ip_match - do the first @bits bits agree? */
bool inet__ip_match(int family, const union inet_ip *a, const union inet_ip *b, unsigned int bits);
/** inet__ip_mask - clear all but the first @bits bits */
void inet__ip_mask(int family, union inet_ip *ip, unsigned int bits);
/** inet__ip_common - how many leading bits agree */
unsigned int inet__ip_common(int family, const union inet_ip *a, const union inet_ip *b);
/** inet__hash - of an address, not predictable from outside (keyed when the process starts) */
uint32_t inet__hash(int family, const union inet_ip *ip, uint32_t seed);
/** inet__siphash - SipHash-2-4: a number of which nobody can tell the key or the data */
uint64_t inet__siphash(const unsigned char key[16], const void *data, size_t len);
/** inet__random - unpredictable bytes; the process ends when the system has none */
void inet__random(void *bytes, size_t len);
/** inet__random_below - a number from 0 to @limit - 1, for timers */
uint64_t inet__random_below(uint64_t limit);

/* ---------------------------------------------------------------------------------------------- interfaces: iface.c */

/** inet__iface_new_lo - make the first interface; 0 or a negative errno; inet__ifaces_free - delete all, lo last */
int inet__iface_new_lo(struct inet *inet);
void inet__ifaces_free(struct inet *inet);

/** inet__iface_flags - IFF_* as netlink shows them: iface->flags with IFF_RUNNING and IFF_LOWER_UP added */
unsigned int inet__iface_flags(const struct inet_iface *iface);
/** inet__iface_operstate - IF_OPER_* */
uint8_t inet__iface_operstate(const struct inet_iface *iface);

/** inet__iface_set_flags - change the flags of @mask (IFF_UP, IFF_NOARP, IFF_MULTICAST, IFF_ALLMULTI, IFF_PROMISC, ...)
   to those of @flags; others are ignored. 0 or what bringing it up returned */
int inet__iface_set_flags(struct inet_iface *iface, unsigned int flags, unsigned int mask);
/** inet__iface_set_name - -EEXIST; -EINVAL bad name; '%d' as for inet_iface_new */
int inet__iface_set_name(struct inet_iface *iface, const char *name);
/** inet__iface_set_mtu - -EINVAL out of bounds (the text for netlink is set) */
int inet__iface_set_mtu(struct inet_iface *iface, unsigned int mtu);
/** inet__iface_set_mac - -EADDRNOTAVAIL it is a group or zero */
int inet__iface_set_mac(struct inet_iface *iface, const unsigned char mac[6]);
/** inet__iface_set_addr_gen_mode - IN6_ADDR_GEN_MODE_*; -EINVAL */
int inet__iface_set_addr_gen_mode(struct inet_iface *iface, uint8_t mode);
/** inet__iface_valid_name - of 1 to 15 bytes, no '/', ':', space, not "." or ".." */
bool inet__iface_valid_name(const char *name);
/** inet__iface_has6 - is IPv6 spoken here? (up or down; not where the MTU is less than 1280) */
bool inet__iface_has6(const struct inet_iface *iface);
/** inet__iface_mtu - of packets of a family */
unsigned int inet__iface_mtu(const struct inet_iface *iface, int family);

/* -------------------------------------------------------------------------------------------------- groups: group.c */

/** inet__groups_leave_all - the interface is being deleted: the engine is told; inet__groups_free - it never knew of
 * them */
void inet__groups_leave_all(struct inet_iface *iface);
void inet__groups_free(struct inet_iface *iface);
/** struct inet__group - a group that somebody has joined */
struct inet__group {
	struct inet__group *next;
	int family;
	union inet_ip addr;
	unsigned int users;
};
/** inet__solicited_node - the group in which the holder of an address listens for solicitations */
struct in6_addr inet__solicited_node(const struct in6_addr *addr);
/** inet__group_mac - the hardware address of a group */
void inet__group_mac(int family, const union inet_ip *group, unsigned char mac[6]);

/* ------------------------------------------------------------------------------------------------ addresses: addr.c */

/** struct inet__addr_spec - an address to be added or changed */
struct inet__addr_spec {
	int family;
	union inet_ip local;
	union inet_ip peer; /* the same as local when there is none */
	union inet_ip broadcast;
	bool has_broadcast;
	uint8_t prefixlen;
	uint8_t scope;             /* IPv4 only; that of IPv6 follows from the address */
	uint32_t flags;            /* IFA_F_*, those that a user may set */
	uint8_t proto;             /* IFAPROT_* */
	uint32_t metric;           /* of the prefix route; 0: default */
	const char *label;         /* IPv4; NULL: the name of the interface */
	uint32_t preferred, valid; /* seconds, INET_FOREVER */
};

int inet__addrs_open(struct inet *inet);
void inet__addrs_close(struct inet *inet);
int64_t inet__addrs_deadline(const struct inet *inet);
void inet__addrs_run(struct inet *inet);

/**
 * inet__addr_add - give an interface an address
 * @nlm_flags: NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, as in a netlink request
 * @out: gets the address when it is not NULL
 *
 * 0; -EEXIST; -EINVAL; -EADDRNOTAVAIL; -EACCES IPv6 is disabled; -ENOBUFS too many.
 */
int inet__addr_add(struct inet_iface *iface, const struct inet__addr_spec *spec, unsigned int nlm_flags,
                   struct inet_addr **out);
/** inet__addr_delete - and what depends on it: secondaries, routes */
void inet__addr_delete(struct inet_addr *addr);
/** inet__addr_lifetimes - seconds from now, INET_FOREVER; @preferred 0: deprecated. The address is notified when that
   changes what is shown. Not with @valid 0: that is inet__addr_delete */
void inet__addr_lifetimes(struct inet_addr *addr, uint32_t preferred, uint32_t valid);
/** inet__addr_find - by address, prefix length (-1: any) and, IPv4, label (NULL: any) */
struct inet_addr *inet__addr_find(struct inet_iface *iface, int family, const union inet_ip *local, int prefixlen,
                                  const char *label);
/** inet__addr_link_local - the first usable link-local IPv6 address of an interface, or NULL */
struct inet_addr *inet__addr_link_local(const struct inet_iface *iface);
/** inet__addr_interface_id - the low 64 bits of an address by the mode of the interface; false: the mode says none.
    @retry: how many were found to be duplicates (stable privacy) */
bool inet__addr_interface_id(struct inet_iface *iface, const struct in6_addr *prefix, unsigned int retry,
                             unsigned char id[8]);
/** inet__addr_dad_failed - nd.c: somebody else has this tentative address */
void inet__addr_dad_failed(struct inet_addr *addr);
/** inet__addrs_up, _down - the interface has come up (or has got its carrier), is going down */
int inet__addrs_up(struct inet_iface *iface);
void inet__addrs_down(struct inet_iface *iface);
/** inet__addrs_carrier - DAD is done again for addresses whose check was not finished */
void inet__addrs_carrier(struct inet_iface *iface);
/** inet__addrs_renamed - labels follow the name of the interface */
void inet__addrs_renamed(struct inet_iface *iface);
/** inet__addrs_forwarding - the stack has become a router, or is none any more */
void inet__addrs_forwarding(struct inet *inet);
/** inet__addrs_disable6, _enable6 - the MTU has fallen below 1280 bytes, or risen again */
void inet__addrs_disable6(struct inet_iface *iface);
void inet__addrs_enable6(struct inet_iface *iface);
/** inet__addrs_flush - the interface is being deleted */
void inet__addrs_flush(struct inet_iface *iface);
static inline bool inet__addr_usable(const struct inet_addr *addr)
{
	return !(addr->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) || (addr->flags & IFA_F_OPTIMISTIC);
}

/* -------------------------------------------------------------------------------------------------- routes: route.c */

/** struct inet_route - a route in a table; also what is asked for when one is added or deleted */
struct inet_route {
	struct inet_route *next; /* of the same prefix, in the order of preference */
	int family;
	union inet_ip dst;
	uint8_t prefixlen;
	uint8_t tos;      /* IPv4 */
	uint8_t type;     /* RTN_*; deleting: 0 is any */
	uint8_t scope;    /* RT_SCOPE_*; deleting: RT_SCOPE_NOWHERE is any; IPv6: always the universe */
	uint8_t protocol; /* RTPROT_*; deleting: 0 is any */
	uint8_t pref;     /* ICMPV6_ROUTER_PREF_* */
	uint32_t table;
	uint32_t metric; /* deleting: 0 is any. Adding for IPv6: 0 is the default, 1024 */
	uint32_t flags;  /* RTNH_F_ONLINK, RTNH_F_LINKDOWN, RTNH_F_DEAD; RTM_F_CLONED in an answer of `ip route get` */
	struct inet_iface
	        *iface; /* NULL: IPv4 routes that lead nowhere; adding: to be found by the gateway; deleting: any */
	bool has_gateway;
	bool has_prefsrc;
	bool gateway_is_own; /* IPv4: as it is not on a link, packets go as if there were no gateway; set by inet__route_add */
	union inet_ip gateway; /* of the same family */
	union inet_ip prefsrc;
	/* RTA_METRICS; 0: not set. A set bit RTAX_* in locked: not to be changed by what routers say. */
	uint32_t mtu, window, rtt, rttvar, ssthresh, cwnd, advmss, reordering, hoplimit, initcwnd, features, rto_min,
	        initrwnd, quickack, fastopen_no_cookie;
	uint32_t locked;
	int64_t expires; /* or INET_NEVER; a spec must say so too */
	/* The rest belongs to route.c. */
	struct inet__route_node *node;
	struct inet_route *expiring_next, **expiring_at;
};

/** inet__route_init - a spec with nothing but a family: table main, unicast, never expires */
void inet__route_init(struct inet_route *spec, int family);

int inet__routes_open(struct inet *inet);
void inet__routes_close(struct inet *inet);
int64_t inet__routes_deadline(const struct inet *inet);
void inet__routes_run(struct inet *inet);

/**
 * inet__route_add - add a route
 * @spec: copied
 * @nlm_flags: NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_APPEND
 *
 * 0; -EEXIST; -ENOENT nothing to replace; -ENETUNREACH, -EINVAL, -ENODEV, -ENETDOWN, -EHOSTUNREACH gateway or interface
 * are no good (the text for netlink is set); -ENOBUFS too many.
 */
int inet__route_add(struct inet *inet, const struct inet_route *spec, unsigned int nlm_flags);
/** inet__route_delete - the first route that matches; 0 or -ESRCH */
int inet__route_delete(struct inet *inet, const struct inet_route *spec);
/** inet__route_remove - this very route, telling */
void inet__route_remove(struct inet *inet, struct inet_route *route);
/** inet__route_find - the first route that inet__route_delete would take, or NULL */
struct inet_route *inet__route_find(struct inet *inet, const struct inet_route *spec);
/** inet__route_expire - change when a route expires: nd.c */
void inet__route_expire(struct inet *inet, struct inet_route *route, int64_t expires);
/** inet__route_each - in the order in which `ip route show table all` shows them; @each returns not 0 to stop, and
   changes nothing. Returns what stopped it, or 0, or -ENOMEM */
int inet__route_each(struct inet *inet, int family, int (*each)(const struct inet_route *route, void *arg), void *arg);
/**
 * inet__route_get - `ip route get`: as inet_route, and the route that it found (@out, changed to what has been found:
 * prefsrc, gateway, interface, mtu, expires of an exception; flags RTM_F_CLONED)
 * @fibmatch: @out is the route as the table has it
 *
 * Returns as inet_route. @out has table RT_TABLE_UNSPEC when no route was found; when an IPv6 route of a table says no,
 * it is that one.
 */
int inet__route_get(struct inet *inet, struct inet_flow *flow, bool fibmatch, struct inet_route *out);
/** inet__routes_changed - forget what was remembered of lookups, tell the owner */
void inet__routes_changed(struct inet *inet);

/* What interfaces and addresses bring and take. */
void inet__routes_iface_down(struct inet_iface *iface, bool removing);
void inet__routes_iface_down6(struct inet_iface *iface);
/** inet__routes_iface_down4 - the last IPv4 address is gone: so are the routes of IPv4 through the interface */
void inet__routes_iface_down4(struct inet_iface *iface);
void inet__routes_iface_carrier(struct inet_iface *iface);
void inet__routes_prefsrc_gone(struct inet *inet, int family, const union inet_ip *addr);

/** inet__source - choose a source address for @dst on @iface (the answer to inet_flow.source); false: there is none */
bool inet__source(struct inet *inet, int family, const struct inet_iface *iface, const union inet_ip *dst,
                  uint8_t scope, union inet_ip *source);

/* ----------------------------------------------------------------------- neighbours: neigh.c, arp.c; see inet.h too */

/** struct inet_neigh - an entry of `ip neigh`; neigh.h has what neigh.c adds */
struct inet_neigh {
	struct inet_neigh *next; /* neigh.c */
	struct inet_iface *iface;
	int family;
	union inet_ip ip;
	unsigned char mac[6];
	bool has_mac;
	uint16_t state;                   /* NUD_* */
	uint8_t flags;                    /* NTF_ROUTER, NTF_PROXY, ... */
	uint8_t type;                     /* RTN_UNICAST, ... */
	uint8_t protocol;                 /* RTPROT_*, NDA_PROTOCOL */
	unsigned int probes;              /* NDA_PROBES */
	int64_t used, confirmed, updated; /* NDA_CACHEINFO */
};

int inet__neigh_open(struct inet *inet);
void inet__neigh_close(struct inet *inet);
int64_t inet__neigh_deadline(const struct inet *inet);
void inet__neigh_run(struct inet *inet);
/** inet__neigh_flush - the interface is down, or going: forget its neighbours and what waits for them (permanent ones
 * too). @family 0: all */
void inet__neigh_flush(struct inet_iface *iface, int family);
/** inet__neigh_mac_changed - our own hardware address has changed: all entries are forgotten */
void inet__neigh_mac_changed(struct inet_iface *iface);
/** inet__neigh_carrier - the network has gone (entries are forgotten, permanent ones kept) or come */
void inet__neigh_carrier(struct inet_iface *iface);
/** inet__neigh_find - an entry, or NULL */
struct inet_neigh *inet__neigh_find(struct inet_iface *iface, int family, const union inet_ip *ip);
/**
 * inet__neigh_set - what `ip neigh add`, `change`, `replace` do
 * @mac: or NULL
 * @state: NUD_*
 * @nlm_flags: NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE
 *
 * 0; -EEXIST; -ENOENT; -EINVAL; -ENOBUFS.
 */
int inet__neigh_set(struct inet_iface *iface, int family, const union inet_ip *ip, const unsigned char *mac,
                    uint16_t state, uint8_t flags, uint8_t protocol, unsigned int nlm_flags);
/** inet__neigh_delete - what `ip neigh del` does; -ENOENT */
int inet__neigh_delete(struct inet_iface *iface, int family, const union inet_ip *ip, bool proxy);
/** inet__neigh_each - @each returns not 0 to stop, and changes nothing */
int inet__neigh_each(struct inet *inet, int family, int (*each)(const struct inet_neigh *neigh, void *arg), void *arg);
/** inet__neigh_reachable - for the choice among default routers: 1 known to answer or not asked yet, 0 not known, -1 it
 * does not */
int inet__neigh_reachable(struct inet_iface *iface, int family, const union inet_ip *ip);

/* arp.c */
/** inet__arp_input - an ARP packet has come: behind the Ethernet header */
void inet__arp_input(struct inet_iface *iface, const unsigned char *packet, size_t len);

/* nd.c */
int inet__nd_open(struct inet *inet);
void inet__nd_close(struct inet *inet);
int64_t inet__nd_deadline(const struct inet *inet);
void inet__nd_run(struct inet *inet);
/** inet__nd_iface_add, _del - inet_iface_private.nd comes and goes; 0 or -ENOMEM */
int inet__nd_iface_add(struct inet_iface *iface);
void inet__nd_iface_del(struct inet_iface *iface);
/** inet__nd_start - the interface runs and has a usable link-local address: solicit routers; inet__nd_stop - no more:
   forget what routers said (the routes and addresses are deleted by the caller) */
void inet__nd_start(struct inet_iface *iface);
void inet__nd_stop(struct inet_iface *iface);
/** inet__nd_probe - send one neighbour solicitation of duplicate address detection for a tentative address */
void inet__nd_probe(struct inet_addr *addr);
/** inet__nd_solicit - ask who has @target; @mac: whom to ask, or NULL for everybody; @src: NULL to choose */
void inet__nd_solicit(struct inet_iface *iface, const struct in6_addr *target, const unsigned char *mac,
                      const struct in6_addr *src);
/** inet__nd_addr_gone - an address that SLAAC made was deleted, or found to be a duplicate (then a stable one is made
 * anew) */
void inet__nd_addr_gone(struct inet_addr *addr, bool duplicate);

/* ---------------------------------------------------------------------------------- notifications: rtnl_notify.c */

/* An object is new or has changed (@del false), or is about to be freed (@del true). */
void inet__notify_link(struct inet_iface *iface, bool del);
void inet__notify_addr(struct inet_addr *addr, bool del);
/** @nlm_flags: NLM_F_REPLACE, NLM_F_APPEND, NLM_F_CREATE, ... as Linux shows them in the notification */
void inet__notify_route(struct inet *inet, const struct inet_route *route, unsigned int nlm_flags, bool del);
void inet__notify_neigh(const struct inet_neigh *neigh, bool del);

#endif
