/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * private.h - what the files of usock share with each other.
 *
 *     stack.c     stacks: making, stopping, deleting, fork; the lock and what is done when it is given back
 *     drive.c     who runs the stack: event loops or the thread that waits; timers
 *     wait.c      threads that wait for a socket
 *     ready.c     what poll(2) sees of a socket
 *     port.c      interfaces on VDE networks; lo
 *     socket.c    the Berkeley calls: from ioth_functions to the kinds of sockets
 *     sockopt.c   SOL_SOCKET
 *     bind*.c     ports and addresses of TCP and UDP sockets, and who gets what arrives
 *     stream*.c   TCP sockets                     tcpopt.c   IPPROTO_TCP
 *     listener.c  those that listen               endpoint.c addresses
 *     dgram.c     queues of datagrams             ipopt.c    IPPROTO_IP; ipopt6.c IPPROTO_IPV6
 *     udp.c       UDP(-Lite) sockets              cmsg.c     control messages
 *     raw.c       raw sockets                     errqueue.c MSG_ERRQUEUE
 *     ping.c      ping sockets                    dgsock.c   what UDP, raw and ping sockets share
 *     icmp.c      who gets a packet; ICMP errors  fault.c    ICMP errors that come in
 *     ipcmsg.c    control messages of datagrams   mcast.c    multicast memberships
 *     ipsend.c    from a socket's bytes to an IP packet
 *     packet.c    packet sockets                  sockfilter.c SO_ATTACH_FILTER
 *     netlink.c   netlink sockets and their groups
 *     ioctl.c     netdevice(7), SIOCINQ, ...
 *
 * A call goes: socket.c takes the socket from getsockdata, the lock of its stack, and calls the function of its kind. The
 * kind answers -EAGAIN when it cannot go on; socket.c then waits (wait.c) and calls again, or gives up. Whatever happens to
 * a socket is told with usock__changed; when the lock is given back, those who wait are woken and the descriptor
 * shows what it should.
 *
 * Lifetime: libioth calls close once, after the last call on the socket has returned, so a socket needs no reference
 * counting: it lives from socket or accept to close. A *dead* socket is one whose descriptor the program closed with
 * close(2): its protocol side is closed at once, the rest when libioth finds out.
 *
 * Lock order: the lock of a stack is taken before any lock in src/link that link_driver_* and link_conn_* take, and
 * never together with that of another stack.
 */
#ifndef IOTH_USOCK_PRIVATE_H
#define IOTH_USOCK_PRIVATE_H

#include "held.h"
#include "usock.h"

#include <link.h>
#include <linux/errqueue.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

struct usock;
struct usock__kind;
struct usock__wait;

/* -------------------------------------------------------------------------------------------------------------- stack */

/** struct usock__random - random bytes that have been fetched but not used, at the end of it */
struct usock__random {
	unsigned char bytes[256];
	size_t left;
	bool seeded; /* option seed=: repeatable */
	uint64_t seed;
};

struct usock_stack {
	pthread_mutex_t lock;
	pthread_t holder; /* for usock_assert_locked */
	int cancel_state; /* of the holder, whose cancellation is disabled meanwhile */
	const struct usock_engine *engine;
	void *e; /* of the engine */
	struct inet *inet;
	struct ioth_functions *f; /* getstackdata, getsockdata, setsockdata */
	uint32_t incarnation;     /* of the process, in the sense of fork(2) */
	bool stopped;
	bool forwarding, accept_ra, autoconf; /* options */
	bool engine_open;
	char *pcap;  /* option pcap=, or NULL */
	int64_t now; /* usock_now of this turn; 0: not read yet */
	struct usock__random random;

	struct usock *sockets; /* all, dead ones too */
	unsigned int open;     /* those that are not dead */
	struct usock *changed; /* those to be looked at when the lock is given back */
	bool unshown;          /* since usock__show_changed there has been a change */

	struct usock__drive *drive;       /* drive.c */
	struct usock__loopback *loopback; /* port.c: frames on lo that have not come back yet */
	struct usock__binds *binds;       /* bind.c */
	struct usock *raws;               /* raw.c: raw and ping sockets, linked by kind_next */
	struct usock *packets;            /* packet.c */
	struct usock__netlink *netlink;   /* netlink.c */
	struct usock__icmp *icmp;         /* icmp.c: limits of what we send */
};

/** usock__here - false in a child forked after the stack was made: the stack is dead here, its lock must not be taken */
bool usock__here(const struct usock_stack *stack);

/** usock__later - wake whoever drives the stack so that it runs usock__turn soon; lock held (drive.c) */
void usock__later(struct usock_stack *stack);

/** usock__show_changed - before a frame leaves, which may acknowledge what has come: have descriptors show that; lock held */
void usock__show_changed(struct usock_stack *stack);

/** usock__turn - everything that is due: frames of lo, timers of inet, engine and sockets; lock held */
void usock__turn(struct usock_stack *stack);

/* -------------------------------------------------------------------------------------------------------------- drive */

/* The epoll set of a stack holds its networks, our ends of its sockets (for HUP), and a descriptor to wake the one who waits on it. */
enum usock__event { USOCK_EVENT_PORT, USOCK_EVENT_PORT_CTL, USOCK_EVENT_SOCKET, USOCK_EVENT_WAKE };

int usock__drive_open(struct usock_stack *stack);
/** usock__drive_close - no event is being handled afterwards, or ever will be; lock not held */
void usock__drive_close(struct usock_stack *stack);

/** usock__drive_watch - watch @fd; when @events (EPOLLHUP and EPOLLERR always) come, the handler of @event is called with @object:
    usock__port_event, usock__ready_event. Level-triggered only, as fetched events may have to be thrown away. 0 or a negative errno */
int usock__drive_watch(struct usock_stack *stack, int fd, uint32_t events, enum usock__event event, void *object);
/** usock__drive_rewatch - watch it for other events from now on */
void usock__drive_rewatch(struct usock_stack *stack, int fd, uint32_t events, enum usock__event event, void *object);
/** usock__drive_unwatch - stops it, and forgets events of @object that were fetched but not handled yet */
void usock__drive_unwatch(struct usock_stack *stack, int fd, void *object);

/** usock__drive_glance - before a thread waits: if nobody drives the stack because it was away for a moment only, see what has come
    meanwhile; true when something has */
bool usock__drive_glance(struct usock_stack *stack);

/** usock__drive_settle - lock held, about to be given back, all else being done: tell whoever drives of an earlier deadline, hand over to
    the event loop when nobody waits, write captured packets to their file */
void usock__drive_settle(struct usock_stack *stack);

/** usock__drive_deadline - when usock__turn has to run: the earliest of inet, engine and timers, INET_NEVER; lock held */
int64_t usock__drive_deadline(struct usock_stack *stack);

/** struct usock__timer - something a socket wants to be called for; embedded in it */
struct usock__timer {
	struct usock__timer *next; /* in the list of the stack, by time */
	int64_t when;              /* 0: not set */
	void (*fire)(struct usock__timer *timer);
};
void usock__timer_set(struct usock_stack *stack, struct usock__timer *timer, int64_t when);
void usock__timer_clear(struct usock_stack *stack, struct usock__timer *timer);
/** usock__timers_run - fire those that are due; for usock__turn */
void usock__timers_run(struct usock_stack *stack);

/* --------------------------------------------------------------------------------------------------------------- wait */

/** struct usock__held - the signals that a call holds back while it does not sleep; all zero at first */
struct usock__held {
	struct ioth__held signals;
	bool interrupted; /* one came together with what was waited for: it ends the next sleep, should that be needed */
};

/** usock__held_end - let them come, at the end of the call, with the lock given back */
void usock__held_end(struct usock__held *held);

/**
 * usock__wait - wait until something that is of interest has happened to a socket; lock held, given back meanwhile
 * @events: EPOLLIN, EPOLLOUT, EPOLLPRI, ... of usock__changed that are of interest; EPOLLERR and EPOLLHUP always are
 * @until: usock_now time, INET_NEVER for ever
 * @held: of the call, which then ends with usock__held_end; NULL: signals that come between two sleeps end nothing
 *
 * The thread drives the stack while it waits when nobody else does. Returns 0: look again (perhaps in vain); -EAGAIN: time is up;
 * -EINTR: a signal handler ran, and not one with SA_RESTART in a call that Linux restarts (one without timeout). A cancellation point.
 */
int usock__wait(struct usock *sock, uint32_t events, int64_t until, struct usock__held *held);

/** usock__wait_wake - wake the threads that wait for @events of @sock; what stack.c does for changed sockets */
void usock__wait_wake(struct usock *sock, uint32_t events);

/** usock__wait_acquire - how usock_lock takes stack->lock: cancellation is disabled until it is given back, as much of what is done
    under the lock is a cancellation point */
void usock__wait_acquire(struct usock_stack *stack);
/** usock__wait_release - how usock_unlock gives stack->lock back, by this instead of pthread_mutex_unlock: the threads that
    usock__wait_wake chose are woken after that, or they would run into the lock */
void usock__wait_release(struct usock_stack *stack);

/* -------------------------------------------------------------------------------------------------------------- ready */

/** enum usock__shape - what a descriptor has to be able to show */
enum usock__shape {
	USOCK_SHAPE_FRESH, /* a TCP socket before connect and listen: OUT and HUP; an unconnected AF_UNIX stream socket */
	USOCK_SHAPE_STREAM, /* a connection, a listener: an AF_UNIX stream pair */
	USOCK_SHAPE_DGRAM,  /* UDP, raw, packet, netlink: an AF_UNIX datagram pair */
};

struct usock__ready {
	int user;       /* the program's end: the number by which libioth knows the socket */
	int own;        /* our end, -1: none */
	uint64_t inode; /* of the program's end: is the number still ours? */
	enum usock__shape shape;
	uint32_t shown;       /* EPOLL* that the descriptor shows */
	uint32_t told;        /* what usock__changed has said, for usock__ready_sync */
	uint32_t early;       /* what usock__ready_show has shown of that */
	unsigned int waiting; /* bytes or datagrams in the program's end: IN */
	bool ballast;         /* there is something unread in our end, which makes ERR possible */
	bool watched;         /* our end is in the set of the driver */
	bool small;           /* the program's end has its smallest SO_SNDBUF */
	bool named;           /* DGRAM: the program's end has a name to connect to */
};

/**
 * usock__ready_open - make the descriptor of a socket
 * @flags: SOCK_CLOEXEC, SOCK_NONBLOCK
 * Returns the descriptor or a negative errno.
 */
int usock__ready_open(struct usock *sock, enum usock__shape shape, int flags);

/** usock__ready_pair - a FRESH socket becomes a STREAM; to be called within a call on it; 0 or a negative errno */
int usock__ready_pair(struct usock *sock);

/** usock__ready_sync - make the descriptor show what kind->poll says; lock held */
void usock__ready_sync(struct usock *sock);

/** usock__ready_show - the same for a stream, in the middle of what happens to it: nothing is taken back, no socket found dead */
void usock__ready_show(struct usock *sock);

/** usock__ready_close - close our end, and the program's unless it has been closed behind our back */
void usock__ready_close(struct usock *sock, bool user_too);

/** usock__ready_arm - DGRAM: errors may come from now on (connect, IP_RECVERR): to be called within a call on the socket */
void usock__ready_arm(struct usock *sock);

/** usock__ready_alive - is the descriptor still open? If the program has closed it with close(2) the socket is dead from now on; lock held */
bool usock__ready_alive(struct usock *sock);

/** usock__ready_owns - is the number still the descriptor that we made? Without lock, also in a forked child */
bool usock__ready_owns(const struct usock__ready *ready);

/** usock__ready_use - a stack more, or less, is there: what the process keeps for all of them goes with the last. No lock */
void usock__ready_use(bool use);

/** usock__ready_forked - in the child of fork(2): our ends of its sockets are no business of the child */
void usock__ready_forked(void);

/** usock__ready_event - something happened to our end: HUP means that the program has closed its own with close(2) */
void usock__ready_event(struct usock *sock, uint32_t events);

/** usock__nonblocking - is O_NONBLOCK set on the program's end? One fcntl(2): asked only when a call would have to wait */
bool usock__nonblocking(const struct usock *sock);

/* ------------------------------------------------------------------------------------------------------------ sockets */

#define USOCK_RCV_SHUTDOWN 1U
#define USOCK_SEND_SHUTDOWN 2U

/** struct usock__options - SOL_SOCKET */
struct usock__options {
	bool reuseaddr, reuseport, broadcast, keepalive, oobinline, dontroute, debug, no_check, rxq_ovfl, zerocopy;
	bool timestamp, timestampns, select_err_queue;
	bool timestamp_new;        /* the control messages of these are those of SO_TIMESTAMP_NEW, ... */
	bool rcvbuf_set;           /* SO_RCVBUF was set */
	int busy_poll;             /* a hint, which is not taken */
	unsigned int timestamping; /* SOF_TIMESTAMPING_* */
	int priority;
	unsigned int mark;
	int sndbuf, rcvbuf; /* as getsockopt shows them: doubled */
	int rcvlowat, peek_off;
	int64_t rcvtimeo, sndtimeo; /* nanoseconds; INET_NEVER: none */
	struct linger linger;
	unsigned int bound_if; /* SO_BINDTODEVICE; 0: none */
	int incoming_cpu;
};

/** struct usock__xfer - a call that moves bytes, from its first attempt to its last */
struct usock__xfer {
	struct msghdr *msg; /* of the program; sending never writes to it */
	int flags;          /* MSG_* as given, MSG_DONTWAIT added when the descriptor does not block */
	size_t len;         /* of all pieces together */
	size_t done;        /* bytes moved so far */
	int msg_flags;      /* receiving: what msg->msg_flags will be */
	socklen_t namelen;  /* receiving: msg_namelen will be this (bytes that there are, not that fitted) */
	size_t controllen;  /* receiving: bytes of control messages written */
};

/** struct usock__kind - what differs between kinds of sockets. All with the lock held; NULL: what Linux answers when a protocol lacks it */
struct usock__kind {
	const char *name;
	enum usock__shape shape;

	/* Check family, type and protocol, fill in defaults; 0 or a negative errno. sock->options are set already. */
	int (*open)(struct usock *sock);
	/* The descriptor is gone: end the protocol side. Called once, by close or when the socket is dead. */
	void (*release)(struct usock *sock);
	/* Free what is left; the struct usock itself is freed by the caller. */
	void (*destroy)(struct usock *sock);

	int (*bind)(struct usock *sock, const struct sockaddr *addr, socklen_t len);
	/* 0, or -EINPROGRESS the first time and until it is done; -EALREADY is socket.c's business. */
	int (*connect)(struct usock *sock, const struct sockaddr *addr, socklen_t len);
	/* After a connect that waited: 0 connected, -EINPROGRESS not yet, or the error. */
	int (*connect_done)(struct usock *sock);
	int (*listen)(struct usock *sock, int backlog);
	/* A connection out of the queue as a socket without descriptor; -EAGAIN */
	int (*accept)(struct usock *sock, struct usock **made);
	int (*getsockname)(struct usock *sock, struct sockaddr_storage *addr, socklen_t *len);
	int (*getpeername)(struct usock *sock, struct sockaddr_storage *addr, socklen_t *len);
	int (*shutdown)(struct usock *sock, int how);

	/* Move bytes: 0 done (xfer->done says how many; less than len is fine for the caller), -EAGAIN: wait for EPOLLOUT or EPOLLIN
	   and call again, keeping what xfer says; another error, which counts only when nothing was moved. */
	int (*send)(struct usock *sock, struct usock__xfer *xfer);
	int (*recv)(struct usock *sock, struct usock__xfer *xfer);

	/* The levels that are not SOL_SOCKET; -ENOPROTOOPT, -EOPNOTSUPP. @value is a copy of the program's: @len bytes and a NUL. */
	int (*setsockopt)(struct usock *sock, int level, int name, const void *value, socklen_t len);
	int (*getsockopt)(struct usock *sock, int level, int name, void *value, socklen_t *len);
	/* -ENOIOCTLCMD (not an errno of user space): ask ioctl.c */
	int (*ioctl)(struct usock *sock, unsigned long request, void *arg);
	/* A SOL_SOCKET option was changed that may matter: SO_BINDTODEVICE, SO_RCVBUF, SO_KEEPALIVE, ... 0, or an error: it is taken back */
	int (*option_changed)(struct usock *sock, int name);

	/* What Linux's poll(2) would show now: EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR, EPOLLPRI */
	uint32_t (*poll)(struct usock *sock);
};

#define ENOIOCTLCMD 515

/** struct usock - a socket; each kind embeds it as its first member */
struct usock {
	struct usock_stack *stack;
	struct usock *next, *prev;  /* in stack->sockets */
	struct usock *kind_next;    /* in a list of the kind */
	struct usock *changed_next; /* in stack->changed */
	const struct usock__kind *kind;
	int family, type, protocol; /* type without SOCK_CLOEXEC and the like */
	struct usock__ready ready;
	struct usock__options options;
	struct usock__wait *waiting;   /* threads */
	unsigned int readers, writers; /* threads of socket.c in usock__wait for EPOLLIN and EPOLLOUT */
	uint32_t changed;              /* EPOLL* told by usock__changed since the lock was taken */
	bool is_changed;               /* in stack->changed */
	bool dead;
	bool connecting;                  /* connect has not ended yet */
	int error;                        /* SO_ERROR: positive errno */
	unsigned int shutdown;            /* USOCK_*_SHUTDOWN */
	struct usock__errqueue *errqueue; /* errqueue.c; NULL: nothing was ever in it */
	uint64_t dropped;                 /* datagrams that found the queue full: SO_RXQ_OVFL */
	struct timespec stamp;            /* SIOCGSTAMP */
	uint64_t cookie;                  /* SO_COOKIE; 0: nobody has asked for it yet */
	struct usock__filter *filter;     /* SO_ATTACH_FILTER, see sockfilter.h; NULL: none */
};

/**
 * usock__changed - something has happened to a socket: @events say what, as epoll would
 *
 * Threads that wait for one of them are woken, and the descriptor is brought up to date, when the lock is given back.
 */
void usock__changed(struct usock *sock, uint32_t events);

/** usock__error - set SO_ERROR (a positive errno) and tell */
void usock__error(struct usock *sock, int error);

/** usock__take_error - SO_ERROR as a negative errno, 0 when none, and clear it: what each call on the socket reports first */
int usock__take_error(struct usock *sock);

/** usock__kind_of - which kind socket(family, type, protocol) is; -EAFNOSUPPORT, -EPROTONOSUPPORT, -ESOCKTNOSUPPORT as Linux */
int usock__kind_of(int family, int type, int protocol, const struct usock__kind **kind, size_t *size);

/** usock__new - a socket of a kind, @size bytes, zeroed, in the list of the stack, without descriptor; kind->open not called */
struct usock *usock__new(struct usock_stack *stack, const struct usock__kind *kind, size_t size, int family, int type,
                         int protocol);

/** usock__dispose - release and destroy a socket that never got a descriptor (one in the queue of a listener) */
void usock__dispose(struct usock *sock);

extern const struct usock__kind usock__stream_kind, usock__udp_kind, usock__raw_kind, usock__ping_kind,
        usock__packet_kind, usock__netlink_kind;
extern const size_t usock__stream_size, usock__udp_size, usock__raw_size, usock__ping_size, usock__packet_size,
        usock__netlink_size;

/** usock__functions - fill in the members of ioth_functions */
void usock__functions(struct ioth_functions *f);
/* stack.c: two members of ioth_functions that are about a stack. */
int usock__stopstack(void *stackdata);
int usock__opensockets(void *stackdata);

/** usock__stream_putback - what kind->accept gave could not get a descriptor: it is the first in the queue again */
void usock__stream_putback(struct usock *listener, struct usock *made);

/* What SOL_SOCKET and the ioctls of all kinds are: sockopt.c, ioctl.c. */
void usock__options_init(struct usock__options *options, int type);
int usock__setsockopt(struct usock *sock, int name, const void *value, socklen_t len);
int usock__getsockopt(struct usock *sock, int name, void *value, socklen_t *len);
int usock__ioctl(struct usock *sock, unsigned long request, void *arg);

/* --------------------------------------------------------------------------------------------------------------- port */

/** usock__port_open - inet_ops.link_create */
int usock__port_open(struct usock_stack *stack, struct inet_iface *iface);
void usock__port_close(struct usock_stack *stack, struct inet_iface *iface);
void usock__port_event(void *port, enum usock__event event, uint32_t events);
void usock__port_transmit(struct usock_stack *stack, struct inet_iface *iface, unsigned char *frame, size_t len);
/** usock__loopback_run - bring back what was sent on lo so far; true when something was */
bool usock__loopback_run(struct usock_stack *stack);
/** usock__loopback_clear - forget what has not come back yet, before the engine is closed */
void usock__loopback_clear(struct usock_stack *stack);

/* ------------------------------------------------------------------------------------------------- Internet sockets */

/** struct usock__ip - options of IPPROTO_IP and IPPROTO_IPV6 */
struct usock__ip {
	/* IPv4 */
	int tos, ttl;     /* ttl -1: default */
	int mtu_discover; /* IP_PMTUDISC_* */
	bool recverr, pktinfo, recvttl, recvtos, recvopts, retopts, recvorigdstaddr, hdrincl, freebind, transparent,
	        bind_address_no_port, nodefrag, router_alert, recverr_rfc4884, checksum;
	int minttl;
	unsigned int multicast_ttl; /* 1 */
	bool multicast_loop, multicast_all;
	unsigned int multicast_if, unicast_if;
	struct in_addr multicast_addr; /* source address of multicasts; 0: by route */
	unsigned char opts[40];        /* IP_OPTIONS */
	unsigned int opts_len;
	/* IPv6 */
	bool v6only, recverr6, recvpktinfo, recvhoplimit, recvtclass, recvrthdr, recvhopopts, recvdstopts, recvpathmtu,
	        recvfragsize, recvorigdstaddr6, recvflowinfo, recvpktinfo2292, recvhoplimit2292, flowinfo_send,
	        autoflowlabel, dontfrag, multicast_all6, multicast_loop6, freebind6, transparent6;
	int tclass, hop_limit; /* -1: default */
	int mtu_discover6, mtu6;
	int minhopcount;
	int multicast_hops; /* -1: default, 1 */
	unsigned int multicast_if6, unicast_if6;
	struct in6_pktinfo sticky;  /* IPV6_PKTINFO */
	struct ip6_mtuinfo pathmtu; /* IPV6_RECVPATHMTU: what is to be told; ip6m_mtu 0: nothing */
	int checksum_offset;        /* raw: IPV6_CHECKSUM; -1: none */
	uint32_t addr_preferences;
};

/** struct usock__inet - an Internet socket: TCP, UDP, raw, ping; each embeds it as its first member */
struct usock__inet {
	struct usock sock;
	struct usock_endpoint local;  /* bound to; IPv4 as v4-mapped when sock.family is AF_INET6 */
	struct usock_endpoint remote; /* connected to */
	bool bound;                   /* an address or a port was asked for or chosen */
	bool bound_addr, bound_port;  /* by bind: shutdown or disconnect keep them */
	bool connected;
	bool listening; /* TCP */
	struct usock__ip ip;
	struct usock__member *members; /* mcast.c */
	/* bind.c */
	struct usock__inet *bind_next, **bind_prev; /* in the bucket of the port */
	uint16_t bind_port;                         /* host byte order; 0: not in the table, so no port is held */
	bool bind_shared; /* the port was chosen by connect: connections to other places may have it, too */
};

/** usock__inet_of - a socket known to be of a kind that is an Internet socket */
static inline struct usock__inet *usock__inet_of(struct usock *sock)
{
	return (struct usock__inet *)sock;
}

/** usock__endpoint_take - read a sockaddr for a socket of @family (an AF_INET6 one takes IPv6 only; v4-mapped is that)
    0; -EINVAL too short; -EAFNOSUPPORT */
int usock__endpoint_take(int family, const struct sockaddr *addr, socklen_t len, struct usock_endpoint *out);
/** usock__endpoint_take_bind - the same for bind(2), where an AF_INET socket takes AF_UNSPEC with the wildcard address */
int usock__endpoint_take_bind(int family, const struct sockaddr *addr, socklen_t len, struct usock_endpoint *out);
/** usock__endpoint_give - write one; sin6_scope_id only for link-local addresses */
void usock__endpoint_give(int family, const struct usock_endpoint *endpoint, struct sockaddr_storage *addr,
                          socklen_t *len);

bool usock__is_any(int family, const union inet_ip *ip);
/** usock__effective - AF_INET for a v4-mapped address of an AF_INET6 socket (and @v4 becomes it), else @family (and @v4 @ip) */
int usock__effective(int family, const union inet_ip *ip, union inet_ip *v4);
/** usock__mapped - an IPv4 address as an AF_INET6 socket shows it */
union inet_ip usock__mapped(struct in_addr v4);

/* bind.c. @proto: IPPROTO_TCP, IPPROTO_UDP or IPPROTO_UDPLITE. */
int usock__binds_open(struct usock_stack *stack);
void usock__binds_close(struct usock_stack *stack);
/** usock__bind - bind to sock->local as @local says; port 0: choose. -EADDRINUSE, -EADDRNOTAVAIL, -EACCES never (no privileged ports) */
int usock__bind(struct usock__inet *sock, int proto, const struct usock_endpoint *local);
/** usock__bind_address - may the socket have this address? -EADDRNOTAVAIL, -EINVAL, -ENODEV; sets SO_BINDTODEVICE by a link-local one */
int usock__bind_address(struct usock__inet *sock, const struct usock_endpoint *local);
/** usock__bind_anywhere - connect to the unspecified address means to this host */
void usock__bind_anywhere(const struct usock__inet *sock, struct usock_endpoint *remote);
/** usock__bind_connect - choose a source address and port for a connection to @remote where they are not bound; what inet_route says;
    -EADDRNOTAVAIL no port is free, or TCP: there is such a connection; -EACCES UDP: broadcast without SO_BROADCAST */
int usock__bind_connect(struct usock__inet *sock, int proto, const struct usock_endpoint *remote);
/** usock__bind_disconnect - not connected any more: give back the address and port that bind did not ask for */
void usock__bind_disconnect(struct usock__inet *sock, int proto);
/** usock__bind_leave - TCP: the connection has ended: give back a port that bind did not ask for; the name is still shown.
    @left: the engine goes on with it, closing or in TIME-WAIT, which keeps others from the port as in Linux */
void usock__bind_leave(struct usock__inet *sock, bool left);
/** usock__bind_accepted - an accepted connection has the port of its listener */
void usock__bind_accepted(struct usock__inet *sock);
/** usock__unbind - give back the port, whoever chose it */
void usock__unbind(struct usock__inet *sock, int proto);
/** usock__bind_listen - become a listener on what is bound: -EADDRINUSE another one listens there */
int usock__bind_listen(struct usock__inet *sock);
/** usock__bind_group - another listener with SO_REUSEPORT on the very same name, or NULL */
struct usock__inet *usock__bind_group(struct usock__inet *sock);
/** usock__bind_hash - unpredictable number of a pair of endpoints, the same each time: for SO_REUSEPORT */
uint32_t usock__bind_hash(struct usock_stack *stack, int family, const struct usock_endpoint *local,
                          const struct usock_endpoint *remote);
/** usock__bind_lookup - the socket that gets a unicast packet: the best match, by hash among SO_REUSEPORT; or NULL */
struct usock__inet *usock__bind_lookup(struct usock_stack *stack, int proto, int family,
                                       const struct usock_endpoint *local, const struct usock_endpoint *remote,
                                       const struct inet_iface *iface);
/** usock__bind_each - all sockets that a multicast or broadcast datagram is for; the callback may close none of them */
void usock__bind_each(struct usock_stack *stack, int proto, int family, const struct usock_endpoint *local,
                      const struct usock_endpoint *remote, const struct inet_iface *iface,
                      void (*each)(struct usock__inet *sock, void *arg), void *arg);

/* ipopt.c: the options of IPPROTO_IP and IPPROTO_IPV6, for all Internet sockets; TCP passes TTL and TOS on in option_changed
   with the name of the option. */
void usock__ip_init(struct usock__ip *ip);
int usock__ip_setsockopt(struct usock__inet *sock, int level, int name, const void *value, socklen_t len);
int usock__ip_getsockopt(struct usock__inet *sock, int level, int name, void *value, socklen_t *len);

/* mcast.c */
int usock__mcast_setsockopt(struct usock__inet *sock, int level, int name, const void *value, socklen_t len);
int usock__mcast_getsockopt(struct usock__inet *sock, int level, int name, void *value, socklen_t *len);
/** usock__mcast_wanted - does the socket take what @src sends to @group on @iface? */
bool usock__mcast_wanted(const struct usock__inet *sock, int family, const union inet_ip *group,
                         const union inet_ip *src, const struct inet_iface *iface);
void usock__mcast_release(struct usock__inet *sock);

/* errqueue.c */
/** usock__errqueue_add - queue an extended error with the packet it is about (IP_RECVERR); may be dropped when there are many */
void usock__errqueue_add(struct usock *sock, const struct sock_extended_err *err, int family,
                         const struct usock_endpoint *dst, const union inet_ip *offender, const void *data, size_t len);
int usock__errqueue_recv(struct usock *sock, struct usock__xfer *xfer);
bool usock__errqueue_empty(const struct usock *sock);
void usock__errqueue_release(struct usock *sock);

/* icmp.c */
int usock__icmp_open(struct usock_stack *stack);
void usock__icmp_close(struct usock_stack *stack);
/** usock__icmp_input - an ICMP or ICMPv6 message that quotes a packet of ours: find whom it is about, and tell */
void usock__icmp_input(struct usock_stack *stack, const struct usock_packet *packet);
/** usock__icmp_send - tell the sender of a packet what is wrong with it; limited in number; never about errors and groups */
void usock__icmp_send(struct usock_stack *stack, const struct usock_packet *about, int type, int code);
/** usock__unreachable - inet_ops.unreachable: as if a router had said so */
void usock__unreachable(struct usock_stack *stack, struct inet_iface *iface, int family, const unsigned char *packet,
                        size_t len);

/* udp.c, raw.c: input, as dispatched by usock_ip_input in icmp.c */
bool usock__udp_input(struct usock_stack *stack, const struct usock_packet *packet);
bool usock__raw_input(struct usock_stack *stack, const struct usock_packet *packet);

/* packet.c */
/** usock__packet_tap - packet sockets see a frame: come in (PACKET_HOST, ...) or going out (PACKET_OUTGOING); cheap when there are none */
void usock__packet_tap(struct usock_stack *stack, struct inet_iface *iface, const unsigned char *frame, size_t len,
                       unsigned char direction);
/** usock__packet_iface - an interface has changed (INET_CHANGE_*), or with @gone is about to be freed: packet sockets bound to it hear
    of it; to be called from inet_ops.iface_change and iface_del */
void usock__packet_iface(struct usock_stack *stack, struct inet_iface *iface, unsigned int what, bool gone);

/* netlink.c */
int usock__netlink_open(struct usock_stack *stack);
void usock__netlink_close(struct usock_stack *stack);
/** usock__netlink_notify - inet_ops.notify */
void usock__netlink_notify(struct usock_stack *stack, struct nlq_msg *queue, uint32_t seq, uint32_t portid);

/* -------------------------------------------------------------------------------------------------- control messages */

/** usock__cmsg_put - append a control message to what the program gave room for; sets MSG_CTRUNC when it does not fit */
void usock__cmsg_put(struct usock__xfer *xfer, int level, int type, const void *data, size_t len);

/** struct usock__cmsg - a control message that the program sends; all zero: before the first */
struct usock__cmsg {
	int level, type;
	const unsigned char *data; /* of the program, on whatever boundary */
	size_t len;
	size_t next; /* where the one after it begins */
};

/** usock__cmsg_next - step through the control messages of a msghdr to be sent, each checked; 1, 0 at the end, -EINVAL malformed */
int usock__cmsg_next(const struct msghdr *msg, struct usock__cmsg *cmsg);

/** usock__name_put - give the program a sender's address, cut to the room it gave */
void usock__name_put(struct usock__xfer *xfer, const struct sockaddr_storage *addr, socklen_t len);

/** usock__copy_out - copy bytes to the pieces of the program, from xfer->done + @skip on; how many fitted. usock__copy_in: the reverse */
size_t usock__copy_out(const struct usock__xfer *xfer, size_t skip, const void *data, size_t len);
size_t usock__copy_in(const struct usock__xfer *xfer, size_t skip, void *data, size_t len);

/* ----------------------------------------------------------------------------------------------- queues of datagrams */

/** struct usock__dgram - a datagram that waits for the program; may be in the queue of one socket only */
struct usock__dgram {
	struct usock__dgram *next;
	size_t len;   /* bytes of data */
	size_t size;  /* what it counts against SO_RCVBUF */
	int64_t when; /* CLOCK_REALTIME, nanoseconds */
	struct sockaddr_storage name;
	socklen_t namelen;
	/* What control messages may be made of, for Internet sockets. */
	int family; /* of the packet */
	union inet_ip dst;
	uint16_t dst_port;
	unsigned int ifindex;
	uint8_t hop_limit, tos;
	uint32_t flow_label;
	unsigned char *options; /* IP options or extension headers, in the same allocation; NULL: none */
	size_t options_len;
	uint32_t dropped; /* SO_RXQ_OVFL at the time */
	/* Packet and netlink sockets. */
	uint32_t aux[4];
	unsigned char *data; /* in the same allocation */
};

struct usock__queue {
	struct usock__dgram *head, **tail;
	size_t size; /* sum of the sizes */
	unsigned int count;
};

/** usock__dgram_cost - what a datagram of @len bytes counts against SO_RCVBUF */
size_t usock__dgram_cost(size_t len);
/** usock__dgram_new - room for @len bytes and @options_len of options; NULL: no memory */
struct usock__dgram *usock__dgram_new(size_t len, size_t options_len);
void usock__dgram_free(struct usock__dgram *dgram);
void usock__queue_init(struct usock__queue *queue);
void usock__queue_clear(struct usock__queue *queue);
/** usock__queue_put - append, or drop and count when SO_RCVBUF is used up; takes the datagram in any case; true: it was appended */
bool usock__queue_put(struct usock *sock, struct usock__queue *queue, struct usock__dgram *dgram);
/**
 * usock__queue_recv - the recv of a kind with a queue: MSG_PEEK, MSG_TRUNC, SO_PEEK_OFF, timestamps, name and the rest
 * @control: adds the control messages of the kind; may be NULL
 */
int usock__queue_recv(struct usock *sock, struct usock__queue *queue, struct usock__xfer *xfer,
                      void (*control)(struct usock *sock, struct usock__xfer *xfer, const struct usock__dgram *dgram));

/* -------------------------------------------------------------------------------------------------------------- ipsend */

/** struct usock__send - how one datagram is to be sent: options of the socket, changed by control messages */
struct usock__send {
	struct inet_flow flow; /* question filled in from the socket and the address; answered by usock__send_route */
	int hop_limit, tos;    /* -1: default */
	bool dontfrag;         /* EMSGSIZE rather than fragments */
	bool discover;         /* IPv4: IP_DF on what fits the MTU */
	bool broadcast;        /* SO_BROADCAST */
	bool dontroute;        /* SO_DONTROUTE, MSG_DONTROUTE: to neighbours only; IPv4 */
	const unsigned char *opts; /* IP options */
	unsigned int opts_len;
	uint32_t flow_label;
	unsigned char *bytes; /* of the packet that usock__send_alloc made last */
	size_t bytes_len;
};

/** usock__send_init - from the socket's options and destination; -EAFNOSUPPORT, -ENETUNREACH it is bound to an address of the other family.
    usock__send_cmsg - and what control messages say (-EINVAL) */
int usock__send_init(struct usock__inet *sock, struct usock__send *send, int family, const struct usock_endpoint *dst,
                     int flags);
int usock__send_cmsg(struct usock__inet *sock, struct usock__send *send, const struct msghdr *msg);
/** usock__send_route - find the way; -ENETUNREACH, -EACCES broadcast without SO_BROADCAST, ... */
int usock__send_route(struct usock__inet *sock, struct usock__send *send);
/** usock__send_room - the largest payload of a datagram, by the MTU when it must not be fragmented */
size_t usock__send_room(const struct usock__send *send);
/**
 * usock__send_alloc - a packet with its IP header written
 * @payload: gets where @len bytes of payload go
 */
void *usock__send_alloc(struct usock_stack *stack, struct usock__send *send, int protocol, size_t len,
                        unsigned char **payload);
/** usock__send_packet - off it goes; takes it in any case. Groups come back to ourselves when the socket wants it (multicast_loop) */
int usock__send_packet(struct usock__inet *sock, const struct usock__send *send, void *packet);

/** usock__checksum - of RFC 1071: over pieces, continuing @sum (host order of the partial sum), not complemented */
uint32_t usock__checksum(uint32_t sum, const void *data, size_t len, bool odd);
/** usock__checksum_pseudo - of the pseudo header of TCP, UDP and ICMPv6 */
uint32_t usock__checksum_pseudo(int family, const union inet_ip *src, const union inet_ip *dst, int protocol,
                                size_t len);
/** usock__checksum_fold - the final 16 bits, complemented, network byte order */
uint16_t usock__checksum_fold(uint32_t sum);

#endif
