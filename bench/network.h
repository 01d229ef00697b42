/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * network.h - two ends that can talk, whatever lies between them.
 *
 * A *network* is a pair of sides, 0 and 1, each with an IPv4 address, joined by one of several *kinds* of wire: the
 * loopback interface, a veth pair, two stacks of libvdestack or of libioth on a VDE network. Traffic (traffic.h) is
 * written once against this and measured over all of them.
 *
 * Side 0 is opened first, then side 1; each by the thread that will use it, because for some kinds being on a side is a
 * property of the thread. The sides may be in two processes, provided that network_prepare came before the fork.
 */
#ifndef BENCH_NETWORK_H
#define BENCH_NETWORK_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "vde_switch.h"

struct library;
struct network;

/** struct network_calls - the Berkeley calls of a kind: those of libc, or those of libioth */
struct network_calls {
	int (*bind)(int fd, const struct sockaddr *addr, socklen_t addrlen);
	int (*connect)(int fd, const struct sockaddr *addr, socklen_t addrlen);
	int (*listen)(int fd, int backlog);
	int (*accept)(int fd, struct sockaddr *addr, socklen_t *addrlen);
	int (*getsockname)(int fd, struct sockaddr *addr, socklen_t *addrlen);
	int (*setsockopt)(int fd, int level, int optname, const void *optval, socklen_t optlen);
	ssize_t (*send)(int fd, const void *buf, size_t len, int flags);
	ssize_t (*recv)(int fd, void *buf, size_t len, int flags);
	ssize_t (*sendto)(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t tolen);
	ssize_t (*recvfrom)(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen);
	int (*shutdown)(int fd, int how);
	int (*close)(int fd);
};

/** network_plain_calls, ... - the system calls; the calls of libioth, of liblwipv6 */
extern const struct network_calls network_plain_calls, network_ioth_calls, network_lwipv6_calls;

/** struct network_kind - a kind of wire; the functions return 0 (or a descriptor), or -1 after bench_fail */
struct network_kind {
	int (*prepare)(struct network *network); /* before any thread or second process; NULL for nothing */
	void (*end)(struct network *network);    /* what undoes prepare, when no side is open; NULL for nothing */
	int (*open)(struct network *network, unsigned int side);
	int (*socket)(struct network *network, unsigned int side, int domain, int type, int protocol);
	void (*close)(struct network *network, unsigned int side);
	int (*enter)(struct network *network, unsigned int side); /* NULL: programs cannot be there */
	const struct network_calls *calls;
	const struct library *library; /* that makes the stacks, NULL where there are none */
	const char *scheme[2];         /* VDE networks: what each side opens, "ptp" or "switch" then "vde" */
	const char *run;               /* side 1 is a program on this stack, by ioth run; NULL: it is not */
};

struct network {
	const struct network_kind *kind;
	struct in_addr address[2];
	char vnl[2][128];             /* VDE networks: locator of each side */
	void *stack[2];               /* of the library; NULL where the side is not open in this process */
	int ns[2];                    /* namespaces of the veth pair */
	struct vde_switch vde_switch; /* that carries the frames */
};

extern const struct network_kind network_loopback, network_veth; /* inside the kernel */
extern const struct network_kind network_ioth_kernel;            /* loopback by way of libioth */
extern const struct network_kind network_vdestack_ptp, network_vdestack_switch, network_vdestack_vde_switch;
extern const struct network_kind network_lwipv6_ptp;
extern const struct network_kind network_ioth_ptp, network_ioth_switch, network_ioth_vde_switch;
extern const struct network_kind network_lwip_ptp, network_lwip_switch, network_lwip_vde_switch;
extern const struct network_kind network_lwip_memory; /* both sides in one process */
/* Only if the sides are two processes: */
extern const struct network_kind network_run_vdestack, network_run_vdestack_shm, network_run_lwip, network_run_lwip_shm;
extern const struct network_kind network_ioth_shm, network_lwip_shm;

/**
 * network_prepare - what has to be done once, before the sides are opened
 * @name: tells the networks of one worker apart
 */
int network_prepare(struct network *network, const struct network_kind *kind, unsigned int name);

/** network_end - what has to be done once by the process that has prepared it, after the sides are closed */
void network_end(struct network *network);

int network_open(struct network *network, unsigned int side);
void network_close(struct network *network, unsigned int side);

/** network_station - the address of a side on networks of VDE and of veth */
struct in_addr network_station(unsigned int side);

/** network_socket - socket(2) on a side; the descriptor works with the calls of the kind only */
int network_socket(struct network *network, unsigned int side, int domain, int type, int protocol);

/**
 * network_enter - put the calling process, a child that is about to execute a program, on a side
 *
 * The plain system calls make sockets of that side from then on. 0, or -1 with errno.
 */
int network_enter(struct network *network, unsigned int side);

/** network_address - the address of a side with @port (host byte order) */
struct sockaddr_in network_address(const struct network *network, unsigned int side, in_port_t port);

/**
 * network_private_namespace - move the calling thread to a new network namespace, empty and with "lo" up
 *
 * Works for everybody who may make user namespaces; the process must have one thread if it is not privileged.
 */
int network_private_namespace(void);

/** network_loopback_prepare - prepare for both sides on the loopback interface of a private namespace */
int network_loopback_prepare(struct network *network);

#endif
