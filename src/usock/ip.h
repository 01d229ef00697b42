/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ip.h - what the files about datagrams share: UDP, raw and ping sockets, ICMP, and the options of IP.
 */
#ifndef IOTH_USOCK_IP_H
#define IOTH_USOCK_IP_H

#include "private.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/ioctl.h>

/* linux/in.h and netinet/in.h do not go together: what the latter lacks. */
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
#ifndef IP_RECVERR_RFC4884
#define IP_RECVERR_RFC4884 26
#endif
#ifndef IP_PROTOCOL
#define IP_PROTOCOL 52
#endif
#ifndef IPV6_RECVERR_RFC4884
#define IPV6_RECVERR_RFC4884 31
#endif
#ifndef IPV6_FLOWINFO
#define IPV6_FLOWINFO 11
#endif
#ifndef IPV6_HDRINCL
#define IPV6_HDRINCL 36
#endif
#ifndef IPV6_FLOWINFO_SEND
#define IPV6_FLOWINFO_SEND 33
#endif
#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif
/* Nor do linux/icmp.h and netinet/ip_icmp.h. */
#ifndef ICMP_FILTER
#define ICMP_FILTER 1
#endif

/* net/if.h and linux/if.h do not go together */
#define USOCK_IFF_UP 0x1U
#define USOCK_IFF_LOOPBACK 0x8U

#define USOCK_SIN6_MIN 24  /* a sockaddr_in6 without sin6_scope_id, as programs of before RFC 2553 have it */
#define USOCK_IP_MAX 65535 /* bytes of an IPv4 packet, or of the payload of an IPv6 one */

/** usock__ip_size - bytes of an address */
static inline size_t usock__ip_size(int family)
{
	return family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

static inline bool usock__ip_same(int family, const union inet_ip *a, const union inet_ip *b)
{
	return memcmp(a, b, usock__ip_size(family)) == 0;
}

/** usock__is_group - is it a multicast address? */
static inline bool usock__is_group(int family, const union inet_ip *ip)
{
	return family == AF_INET ? IN_MULTICAST(ntohl(ip->v4.s_addr)) : IN6_IS_ADDR_MULTICAST(&ip->v6);
}

/** usock__needs_scope - a link-local address: it says nothing without an interface */
static inline bool usock__needs_scope(const struct in6_addr *ip)
{
	return IN6_IS_ADDR_LINKLOCAL(ip) || IN6_IS_ADDR_MC_LINKLOCAL(ip) || IN6_IS_ADDR_MC_NODELOCAL(ip);
}

static inline void usock__put16(unsigned char *at, unsigned int value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

static inline unsigned int usock__get16(const unsigned char *at)
{
	return (unsigned int)at[0] << 8 | at[1];
}

static inline uint32_t usock__get32(const unsigned char *at)
{
	return (uint32_t)usock__get16(at) << 16 | usock__get16(at + 2);
}

/** usock__checksum_copy - usock__checksum while copying: memory is read once */
uint32_t usock__checksum_copy(uint32_t sum, void *to, const void *from, size_t len, bool odd);

/* ------------------------------------------------------------------------------------------------------ packets
 * (ippacket.c) */

/** usock__packet_copy - copy @len bytes of a packet's payload, from @skip on; how many there were */
size_t usock__packet_copy(const struct usock_packet *packet, size_t skip, void *to, size_t len);

/** usock__packet_sum - the checksum of the first @len bytes of a packet's payload, continuing @sum */
uint32_t usock__packet_sum(const struct usock_packet *packet, size_t len, uint32_t sum);

/**
 * usock__packet_dgram - a datagram for the queue of a socket
 * @header: bytes of the IP header that come first
 * @skip, @len: what of the payload is data
 * @port, @dst_port: source and destination, host byte order
 * NULL: no memory.
 */
struct usock__dgram *usock__packet_dgram(const struct usock *sock, const struct usock_packet *packet, size_t header,
                                         size_t skip, size_t len, uint16_t port, uint16_t dst_port);

/**
 * usock__packet_filter - what SO_ATTACH_FILTER leaves of a datagram
 * @before: the header that the filter sees and the program does not, @before_len bytes
 *
 * The datagram may be cut short. False: it is not for the program; it is freed.
 */
bool usock__packet_filter(const struct usock *sock, struct usock__dgram *dgram, const void *before, size_t before_len);

/** usock__packet_admits - do the options of the socket (least TTL, groups, interface) let a packet through? */
bool usock__packet_admits(const struct usock__inet *sock, const struct usock_packet *packet);

/* ---------------------------------------------------------------------------------------------------- control messages
 * (ipcmsg.c) */

/** usock__ip_control - the control messages of Internet sockets, for usock__queue_recv */
void usock__ip_control(struct usock *sock, struct usock__xfer *xfer, const struct usock__dgram *dgram);

/** usock__path_recv - IPV6_RECVPATHMTU: give the program the path MTU that kept a datagram back; false: there is none
 * to be told */
bool usock__path_recv(struct usock *sock, struct usock__xfer *xfer);

/** usock__dgram_poll - what poll(2) shows of a socket with a queue */
uint32_t usock__dgram_poll(const struct usock *sock, const struct usock__queue *queue);

/* ------------------------------------------------------------------------------------------------ datagram sockets
 * (dgsock.c) */

/** usock__inet_destination - the address of sendto, of a socket of any family: @family and @dst say what is to be sent,
   IPv4 when mapped; -EINVAL, -EAFNOSUPPORT, -ENETUNREACH, -EDESTADDRREQ none, and not connected */
int usock__inet_destination(const struct usock__inet *sock, const struct msghdr *msg, int *family,
                            struct usock_endpoint *dst);

/** usock__inet_take - the address of connect and bind: as usock__endpoint_take, and IPv4 addresses of AF_INET6 sockets
 * (mapped) */
int usock__inet_take(const struct usock__inet *sock, const struct sockaddr *addr, socklen_t len,
                     struct usock_endpoint *out);

/** usock__inet_connect - connect a raw or ping socket: find the way, and the address to send from when none is bound */
int usock__inet_connect(struct usock__inet *inet, const struct usock_endpoint *to);

int usock__inet_getsockname(struct usock *sock, struct sockaddr_storage *addr, socklen_t *len);
int usock__inet_getpeername(struct usock *sock, struct sockaddr_storage *addr, socklen_t *len);
int usock__inet_shutdown(struct usock *sock, int how);
int usock__inet_option_changed(struct usock *sock, int name);

/** usock__inet_sendable - what a datagram socket says before it sends: its pending error, -EPIPE after shutdown */
int usock__inet_sendable(struct usock *sock);

/** usock__emsgsize - a datagram did not fit: tell the error queue, too, and return -EMSGSIZE */
int usock__emsgsize(struct usock__inet *sock, const struct usock__send *send, uint16_t port);

/* -----------------------------------------------------------------------------------------------------------------
 * ipsend.c */

/** usock__send_out - usock__send_packet for what no socket sends; @loop: groups come back to ourselves */
int usock__send_out(struct usock_stack *stack, const struct usock__send *send, void *packet, bool loop);

/** usock__send_raw - usock__send_alloc for the one who writes the header himself; @bytes: where the packet of @len
 * bytes begins */
void *usock__send_raw(struct usock_stack *stack, struct usock__send *send, size_t len, unsigned char **bytes);

/* -------------------------------------------------------------------------------------------------------------------
 * icmp.c */

/** struct usock__icmp - of a stack: limits of the ICMP messages it sends, and secrets of the packets it sends */
#define USOCK_ICMP_PEERS 256
#define USOCK_IDENTS 1024

struct usock__icmp {
	uint64_t key[2];                /* of usock__hash */
	int64_t peer[USOCK_ICMP_PEERS]; /* of hosts, by the hash of their address: the time up to which the allowance is
	                                   used */
	int64_t since;                  /* the same of all together */
	uint16_t ident[USOCK_IDENTS];   /* counters of IPv4 identifications */
	bool least_hops;                /* a TCP socket has, or had, IP_MINTTL or IPV6_MINHOPCOUNT */
};

/** usock__hash - a number that nobody outside can predict, of @len bytes */
uint64_t usock__hash(const struct usock_stack *stack, const void *data, size_t len);

/** struct usock__fault - an ICMP error about a packet of ours */
struct usock__fault {
	int family;
	uint8_t type, code;
	uint32_t info;                       /* MTU, or the place of the bad parameter */
	int error;                           /* a positive errno */
	bool hard;                           /* it will not go away: a connected socket hears of it */
	union inet_ip offender;              /* who said so */
	struct usock_endpoint local, remote; /* of the packet it is about; ports when it has some */
	uint8_t protocol;
	const unsigned char *packet; /* that packet, as far as it was quoted: IP header first */
	size_t header_len, len;      /* of the IP header with its options; of all */
	unsigned int ifindex;        /* where the message came in */
};

/** usock__fault_tell - tell a datagram socket: @data is what its error queue shows; true when it was */
bool usock__fault_tell(struct usock__inet *sock, const struct usock__fault *fault, uint16_t port, const void *data,
                       size_t len);

/** usock__udp_fault, usock__raw_fault - tell the sockets it is about; true when there was one */
bool usock__udp_fault(struct usock_stack *stack, const struct usock__fault *fault);
bool usock__raw_fault(struct usock_stack *stack, const struct usock__fault *fault);
bool usock__ping_fault(struct usock_stack *stack, const struct usock__fault *fault);

/** usock__ping_input - an echo reply */
void usock__ping_input(struct usock_stack *stack, const struct usock_packet *packet);

/* ------------------------------------------------------------------------------------------------------------------
 * mcast.c */

/** usock__mcast_name - is it an option of mcast.c? (The numbers of MCAST_JOIN_GROUP and its relatives are the same at
 * both levels.) */
bool usock__mcast_name(int level, int name);

#endif
