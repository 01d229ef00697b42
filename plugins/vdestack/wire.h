/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wire.h - what a program and its helper say to each other.
 *
 * They speak over a connected pair of AF_UNIX SOCK_SEQPACKET sockets: one message, one packet, of one size for each
 * direction, in host byte order (both ends are one build on one machine; the version in the first message proves it).
 * The program asks, the helper answers in the order of the questions. WIRE_DELSTACK, WIRE_DELPORT, WIRE_STOPSTACK and
 * WIRE_CONNECT are told rather than asked: they have no answer. Descriptors travel as SCM_RIGHTS beside the message.
 *
 * A program may have several connections to its helper: a process made by fork(2) sends one end of a pair of its own
 * over the connection that it inherited (WIRE_CONNECT). A connection owns the stacks that it made; others may ask for
 * sockets in them. When it is closed its stacks pass to a connection that was made over it, and end if there is none.
 */
#ifndef VDESTACK_WIRE_H
#define VDESTACK_WIRE_H

#include <assert.h>
#include <stdint.h>

#define WIRE_VERSION 3
#define WIRE_FD 3           /* the helper's first connection, as it is started */
#define WIRE_SOCKETS_MAX 32 /* sockets in one answer */
#define WIRE_IFNAME 16      /* bytes of an interface name with its final NUL */

enum wire_op {
	WIRE_HELLO = 1, /* first message of a program: is it the same version, and may it work here? */
	WIRE_CONNECT,   /* told, with one descriptor: another connection of the same program */
	WIRE_NEWSTACK,  /* make stack @stack, a number that the program chooses */
	WIRE_DELSTACK,  /* told: forget it */
	WIRE_STOPSTACK, /* told: take all its interfaces down */
	WIRE_NEWPORT,   /* make an interface; answered with the packet socket at its other end */
	WIRE_DELPORT,   /* told: remove the interface with this other end, if it is still there */
	WIRE_SOCKET,    /* make sockets; answered twice: with them, and again when the helper has closed its copies */
	WIRE_COUNT,     /* how many sockets of the stack are open? */
};

/** enum wire_step - where the helper failed to start, beside the errno */
enum wire_step {
	WIRE_STEP_NONE,
	WIRE_STEP_EXEC,    /* execve of the helper, in the program's clone */
	WIRE_STEP_VERSION, /* helper and plugin are not of one build */
	WIRE_STEP_USERNS,  /* unshare(CLONE_NEWUSER), or what it should have allowed */
	WIRE_STEP_NETNS,   /* unshare(CLONE_NEWNET) */
	WIRE_STEP_OTHER,   /* anything else; the errno says it */
};

/** struct wire_request - program to helper */
struct wire_request {
	uint32_t op;
	uint32_t seq; /* returned in the answer */
	uint64_t stack;
	union {
		struct {
			uint32_t version;
			uint32_t userns; /* 1: the program lacks the rights to work without a user namespace */
		} hello;
		struct {
			char ifname[WIRE_IFNAME]; /* NUL-terminated; "vde%d" lets the kernel choose a number */
			uint32_t ifindex;         /* 0: chosen */
			uint32_t mtu;             /* 0: the default */
			uint8_t mac[6];
			uint8_t has_mac;
			uint8_t large; /* 1: TCP segments of more than 64 KiB, if this kernel makes them */
		} newport;
		struct {
			uint32_t peer; /* as the answer to WIRE_NEWPORT gave it */
		} delport;
		struct {
			int32_t domain, type, protocol; /* type without SOCK_CLOEXEC and SOCK_NONBLOCK */
			uint32_t count;                 /* 1 to WIRE_SOCKETS_MAX; fewer may come */
		} socket;
		struct {
			uint32_t kept_netlink; /* AF_NETLINK sockets that the program has in stock, not given to anybody
			                        */
			uint32_t kept_other;   /* others in stock */
			uint32_t again;        /* 1: the last answer was unsettled */
		} count;
		uint8_t room[48];
	};
};

/** struct wire_reply - helper to program; descriptors as SCM_RIGHTS */
struct wire_reply {
	uint32_t op;
	uint32_t seq;
	uint64_t stack;
	int32_t error; /* 0 or a positive errno */
	uint32_t fds;  /* descriptors that come along */
	union {
		struct {
			uint32_t step; /* enum wire_step */
		} hello;
		struct {
			uint32_t ifindex; /* in the stack */
			uint32_t peer;    /* of the other end, in the hidden namespace */
			char ifname[WIRE_IFNAME];
		} newport;
		struct {
			int32_t domain, type, protocol;
		} socket;
		struct {
			int32_t open;     /* or at least one; -1: cannot tell */
			uint32_t settled; /* 0: sockets that were just closed may still be among them, ask again soon */
		} count;
		uint8_t room[40];
	};
};

static_assert(sizeof(struct wire_request) == 64, "no padding, no surprise");
static_assert(sizeof(struct wire_reply) == 64, "no padding, no surprise");

#endif
