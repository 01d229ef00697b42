/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inet.h - the configuration of a stack that lives in the process: its interfaces, addresses, routes and neighbours.
 *
 * What `ip link`, `ip addr`, `ip route` and `ip neigh` show is kept here, once for all engines, as Linux keeps it: so every
 * such stack answers netlink alike, chooses routes and source addresses alike, and finds its neighbours alike (ARP,
 * RFC 826 and 5227; neighbour discovery, address configuration, RFC 4861 and 4862). An engine (lwIP, ...) is told what it
 * has to know by the functions of struct inet_ops; it asks here for the route of what it sends.
 *
 *     inet.c   the object, clock and deadline
 *     iface.c  interfaces: flags, carrier, counters, hardware filters
 *     addr.c   addresses, their lifetimes, duplicate address detection
 *     route.c  tables of routes, lookup, choice of the source address
 *     neigh.c  neighbours and their states, packets that wait for one
 *     arp.c    ARP
 *     nd.c     neighbour discovery, router discovery, SLAAC
 *     rtnl_*.c the handlers of netlink requests, for libnlq, and notifications
 *
 * Locking: none in here. Every call for one struct inet is made with the lock of its stack held, and the functions of
 * struct inet_ops are called with it held. Nothing blocks. Times are nanoseconds of CLOCK_MONOTONIC, or of the clock that
 * the owner gives. Addresses are in network byte order, other numbers in host byte order; errors are negative errno values.
 *
 * All tables are bounded: what the network can make grow (neighbours, waiting packets, autoconfigured addresses and
 * routes) has a limit of its own, so that a flood costs the flood.
 */
#ifndef IOTH_INET_H
#define IOTH_INET_H

#include <libnlq.h>
#include <linux/if_link.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INET_NEVER INT64_MAX /* a time that does not come */
#define INET_HEADROOM 14     /* bytes before a packet that inet_output may overwrite: the Ethernet header */

#define INET_MTU_MIN 68
#define INET_MTU_DEFAULT 1500
#define INET_MTU_MAX 9216
#define INET_MTU_LOOPBACK 65536

struct inet;
struct inet_iface;

/** union inet_ip - an address; the family is said elsewhere */
union inet_ip {
	struct in_addr v4;
	struct in6_addr v6;
};

/** struct inet_addr - an address of an interface */
struct inet_addr {
	struct inet_addr *next; /* of the interface, in the order in which `ip addr` shows them */
	struct inet_iface *iface;
	int family; /* AF_INET, AF_INET6 */
	union inet_ip local;
	union inet_ip peer; /* the same as local but on point-to-point links */
	union inet_ip broadcast;
	bool has_broadcast;
	uint8_t prefixlen;
	uint8_t scope;   /* RT_SCOPE_* */
	uint32_t flags;  /* IFA_F_*; IFA_F_TENTATIVE: not usable yet */
	uint8_t proto;   /* IFAPROT_* */
	uint32_t metric; /* of its prefix route; 0: default */
	char label[16];  /* IPv4 */
	int64_t created, updated;
	int64_t preferred_until, valid_until; /* or INET_NEVER */
	void *engine;                         /* of the engine, from addr_add to addr_del */
	/* The rest belongs to addr.c. */
	int64_t dad_next;
	unsigned int dad_left;
	bool told;                   /* the engine has it */
	bool listening;              /* the solicited-node group has been joined for it */
	unsigned int dad_failures;   /* how many addresses before this one were duplicates */
	struct inet_addr *hash_next; /* in the table of all addresses of the stack */
};

/** struct inet_iface - an interface */
struct inet_iface {
	struct inet_iface *next; /* by index */
	struct inet *inet;
	unsigned int index;
	char name[16];
	const char *kind;    /* "vde", "dummy", or NULL for lo */
	char *vnl;           /* of kind "vde": its locator */
	unsigned short type; /* ARPHRD_ETHER, ARPHRD_LOOPBACK */
	unsigned char mac[6];
	unsigned int mtu;
	unsigned int
	        flags; /* IFF_UP, IFF_BROADCAST, IFF_LOOPBACK, IFF_MULTICAST, IFF_NOARP, IFF_PROMISC, IFF_ALLMULTI */
	bool carrier;  /* the network is there */
	unsigned int promisc;  /* how many want IFF_PROMISC */
	unsigned int allmulti; /* how many want IFF_ALLMULTI */
	struct rtnl_link_stats64 stats;
	struct inet_addr *addrs;
	/* What sysctl net.ipv{4,6}.conf.NAME.* sets on Linux. */
	bool accept_ra, autoconf;
	uint8_t addr_gen_mode; /* IN6_ADDR_GEN_MODE_* */
	unsigned int dad_transmits;
	unsigned int hop_limit; /* of what is sent here; 64, or what a router says */
	unsigned int mtu6;      /* of IPv6 where a router says less; else mtu */
	/* The network takes frames with TCP checksums left to be done, and brings such frames: see unsummed_out, _in. */
	bool offload;
	/* The TCP or UDP header, in the frame that is being received, whose checksum need not be looked at: whoever sent it has
	   left it undone, as the frame came through memory. NULL: none. */
	const unsigned char *unsummed_in;
	/* Set around inet_output: the TCP header of the packet has but the sum of the pseudo header in place of its checksum,
	   and on this interface (offload) the rest may be left undone. NULL: the packet is finished. */
	const unsigned char *unsummed_out;
	/* Likewise: the packet, which stays where it is until the engine calls usock_push, when it has sent all it has to send.
	   So it may leave together with others. What else is sent meanwhile (who has that address?) is not there. */
	const unsigned char *more_out;
	void *port;   /* of the owner, from link_create to link_destroy */
	void *engine; /* of the engine, from iface_add to iface_del */
	struct inet_iface_private *private;
};

/** enum inet_change - what inet_ops.iface_change is about; a set of bits */
enum inet_change {
	INET_CHANGE_FLAGS = 1, /* iface->flags or carrier: the interface runs when IFF_UP is set and carrier true */
	INET_CHANGE_MTU = 2,
	INET_CHANGE_MAC = 4,
	INET_CHANGE_NAME = 8,
	INET_CHANGE_FILTER = 16, /* promiscuous, all multicast */
};

/**
 * struct inet_ops - what the owner of a struct inet (the stack, for itself and for its engine) does for it
 *
 * @owner is what inet_new was given. Every function is required.
 */
struct inet_ops {
	int64_t (*now)(void *owner);

	/* The engine has a new interface, down and without address; loses it, its addresses being gone; it has changed. */
	int (*iface_add)(void *owner, struct inet_iface *iface);
	void (*iface_del)(void *owner, struct inet_iface *iface);
	void (*iface_change)(void *owner, struct inet_iface *iface, unsigned int what);

	/* An address is the stack's own from now on (it has passed duplicate address detection, or is optimistic), or no more.
	   Both are called only for usable addresses. -ENOBUFS when the engine has no room. */
	int (*addr_add)(void *owner, struct inet_addr *addr);
	void (*addr_del)(void *owner, struct inet_addr *addr);

	/* The engine is to announce membership in a multicast group to the routers (IGMP, MLD), or its end. */
	int (*group_join)(void *owner, struct inet_iface *iface, int family, const union inet_ip *group);
	void (*group_leave)(void *owner, struct inet_iface *iface, int family, const union inet_ip *group);

	/* Join the network iface->vnl, by request of `ip link add NAME type vde vnl VNL` or newstack; leave it. */
	int (*link_create)(void *owner, struct inet_iface *iface);
	void (*link_destroy)(void *owner, struct inet_iface *iface);

	/* Put a frame, Ethernet header first, on the network of @iface; on lo: bring it back by inet_input, later. */
	void (*transmit)(void *owner, struct inet_iface *iface, unsigned char *frame, size_t len);

	/**
	 * ip_input - a packet has come for the engine
	 * @family: AF_INET or AF_INET6, by the Ethernet type; the packet itself is not trusted
	 * @buffer: what inet_input was given
	 *
	 * Returns true when the engine keeps @buffer, in which the packet is.
	 */
	bool (*ip_input)(void *owner, struct inet_iface *iface, int family, unsigned char *packet, size_t len,
	                 void *buffer);

	/**
	 * ip_output - send an IPv6 packet without options from one of our addresses, for neighbour discovery
	 * @packet: IPv6 header first, complete with its checksum; INET_HEADROOM bytes before it may be overwritten
	 *
	 * The packet goes out as it is: the owner lets packet sockets see it and hands it to inet_output_to.
	 */
	void (*ip_output)(void *owner, struct inet_iface *iface, const unsigned char mac[6], unsigned char *packet,
	                  size_t len);

	/* No neighbour answered: this IP packet, as it was given to inet_output, is not delivered (EHOSTUNREACH). */
	void (*unreachable)(void *owner, struct inet_iface *iface, int family, const unsigned char *packet, size_t len);

	/* Routes have changed: what was remembered of inet_route is no longer true. */
	void (*routes_changed)(void *owner);

	/* Netlink messages for multicast groups: pass them to nlq_notification for each group that has a member. The queue is
	   the callee's to free. @seq, @portid: of the request that caused it, or 0. */
	void (*notify)(void *owner, struct nlq_msg *queue, uint32_t seq, uint32_t portid);
};

/** inet_new - a configuration with nothing but lo, which is down, index 1; or NULL: no memory */
struct inet *inet_new(const struct inet_ops *ops, void *owner);

/** inet_set_forwarding - is the stack a router? It is not at first */
void inet_set_forwarding(struct inet *inet, bool forwarding);

/**
 * inet_set_advertisements - what interfaces made from now on do with the advertisements of routers
 * @accept: solicit and heed them; @autoconf: make addresses of their prefixes (SLAAC). Both are so at first.
 * The interfaces' own accept_ra and autoconf, which are what Linux has as net.ipv6.conf.NAME.
 */
void inet_set_advertisements(struct inet *inet, bool accept, bool autoconf);

/** inet_free - interfaces are deleted first, with all that belongs to them, telling the owner */
void inet_free(struct inet *inet);

/** inet_deadline - when inet_run_timers has something to do; INET_NEVER while nothing is going on */
int64_t inet_deadline(const struct inet *inet);

/** inet_run_timers - do what is due: retransmissions, lifetimes, neighbour states */
void inet_run_timers(struct inet *inet);

/* -------------------------------------------------------------------------------------------------------- interfaces */

/**
 * inet_iface_new - add an interface, down and without address
 * @name: of at most 15 bytes; a '%d' in it becomes the first free number
 * @kind: "vde" or "dummy"
 * @vnl: of kind "vde", or NULL
 * @mac: hardware address; NULL for a random one
 * @index: 0 to choose
 *
 * Returns 0; -EEXIST name or index are taken; -EINVAL; -EOPNOTSUPP kind; -ENOMEM; what link_create returned.
 */
int inet_iface_new(struct inet *inet, const char *name, const char *kind, const char *vnl, const unsigned char *mac,
                   unsigned int index, struct inet_iface **out);

/** inet_iface_delete - remove an interface, its addresses and routes; -EOPNOTSUPP for lo */
int inet_iface_delete(struct inet_iface *iface);

struct inet_iface *inet_iface_first(struct inet *inet);
struct inet_iface *inet_iface_by_index(struct inet *inet, unsigned int index);
struct inet_iface *inet_iface_by_name(struct inet *inet, const char *name);

/** inet_iface_running - up, and with carrier */
static inline bool inet_iface_running(const struct inet_iface *iface)
{
	return (iface->flags & 1U /* IFF_UP */) && iface->carrier;
}

/** inet_iface_carrier - the network has gone, or come */
void inet_iface_carrier(struct inet_iface *iface, bool carrier);

/** inet_iface_promisc - one more (+1) or one less (-1) wants all frames; inet_iface_allmulti: all multicast frames */
void inet_iface_promisc(struct inet_iface *iface, int by);
void inet_iface_allmulti(struct inet_iface *iface, int by);

/* ------------------------------------------------------------------------------------------------------------ groups */

/**
 * inet_group_join - receive what is sent to a multicast group on an interface; counted, so it takes as many leaves
 *
 * Returns 0; -ENODEV; -EINVAL the address is no group; -ENOBUFS too many.
 */
int inet_group_join(struct inet_iface *iface, int family, const union inet_ip *group);
void inet_group_leave(struct inet_iface *iface, int family, const union inet_ip *group);

/** inet_group_member - has anybody joined it? (The all-hosts groups: always.) */
bool inet_group_member(const struct inet_iface *iface, int family, const union inet_ip *group);

/* ------------------------------------------------------------------------------------------------------------ routes */

/** struct inet_flow - a question to the routing tables, and its answer */
struct inet_flow {
	/* the question */
	int family;
	union inet_ip dst;
	union inet_ip src; /* bound address, or all zero */
	unsigned int oif;  /* interface the socket is bound to, or the scope of a link-local @dst; 0: any */
	/* the answer */
	struct inet_iface *iface; /* lo for what is for ourselves */
	union inet_ip source;     /* @src, or the address to send from; all zero when there is none */
	union inet_ip nexthop;    /* gateway, or @dst */
	uint8_t type;             /* RTN_UNICAST, RTN_LOCAL, RTN_BROADCAST, RTN_MULTICAST */
	unsigned int mtu;         /* of the path, as far as it is known */
	unsigned int hop_limit;   /* to be used when the socket has none of its own */
};

/**
 * inet_route - find the way to an address: longest prefix, then lowest metric, then first come
 *
 * Returns 0, or as Linux: -ENETUNREACH no route; -EHOSTUNREACH (unreachable), -EACCES (prohibit), -EINVAL (blackhole) by
 * type of the route; -EADDRNOTAVAIL no address to send from (IPv6).
 */
int inet_route(struct inet *inet, struct inet_flow *flow);

/** inet_local - whose address is it? The one of ours that it is (on @iface, or any when NULL), or NULL */
struct inet_addr *inet_local(struct inet *inet, int family, const union inet_ip *addr, const struct inet_iface *iface);

/** inet_addr_type - RTN_LOCAL, RTN_BROADCAST, RTN_MULTICAST or RTN_UNICAST: what kind of address it is to this stack */
int inet_addr_type(struct inet *inet, int family, const union inet_ip *addr, const struct inet_iface *iface);

/** inet_path_mtu - a router said that packets to @dst must not be longer than @mtu; remembered for ten minutes */
void inet_path_mtu(struct inet *inet, int family, const union inet_ip *dst, unsigned int oif, unsigned int mtu);

/** inet_redirect - a router said that @dst is better reached by @gateway */
void inet_redirect(struct inet *inet, struct inet_iface *iface, int family, const union inet_ip *dst,
                   const union inet_ip *gateway);

/* ------------------------------------------------------------------------------------------------------------ frames */

/**
 * inet_input - a frame has come from the network
 * @frame: Ethernet header first, @len bytes, not trusted; may be changed
 * @buffer: handed to ip_input
 *
 * Returns true when ip_input kept the buffer.
 */
bool inet_input(struct inet_iface *iface, unsigned char *frame, size_t len, void *buffer);

/** inet_wants - does the hardware filter let this destination address through? */
bool inet_wants(const struct inet_iface *iface, const unsigned char mac[6]);

/**
 * inet_output - send an IP packet on an interface
 * @dst: the next hop: the destination itself or a gateway, a neighbour on this interface; a group; a broadcast address
 * @packet: IP header first; INET_HEADROOM bytes before it may be overwritten
 *
 * The packet is sent now, or copied until the neighbour's hardware address is known. Returns 0; -ENETDOWN; -ENOBUFS when too
 * many packets wait; -EHOSTUNREACH the neighbour is known not to answer.
 */
int inet_output(struct inet_iface *iface, int family, const union inet_ip *dst, unsigned char *packet, size_t len);

/** inet_output_to - send an IP packet to a hardware address */
int inet_output_to(struct inet_iface *iface, int family, const unsigned char mac[6], unsigned char *packet, size_t len);

/**
 * inet_icmp6_input - neighbour and router discovery: the engine has received an ICMPv6 message to one of our addresses or groups
 * @hop_limit: of the packet; messages of neighbour discovery with another than 255 are dropped
 * @message: ICMPv6 header first, checksum verified
 *
 * Returns true when it was one of neighbour discovery (types 133 to 137) and is done with.
 */
bool inet_icmp6_input(struct inet_iface *iface, const struct in6_addr *src, const struct in6_addr *dst,
                      unsigned int hop_limit, const unsigned char *message, size_t len);

/** inet_confirm - something that proves that the way to @dst works has happened (TCP made progress) */
void inet_confirm(struct inet *inet, int family, const union inet_ip *dst);

/* ----------------------------------------------------------------------------------------------------------- netlink */

/** inet_handlers - the table for nlq_process_datagram and nlq_server_ioctl; stackinfo is the struct inet */
extern nlq_request_handlers_table inet_handlers;

/** inet_request_begin, inet_request_end - around the processing of a request: notifications carry its numbers */
void inet_request_begin(struct inet *inet, uint32_t seq, uint32_t portid);
void inet_request_end(struct inet *inet);

#endif
