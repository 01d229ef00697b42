/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * layout.h - the memory of a network: what lies where, and who may write it.
 *
 *     header      what the network is like; written by its creator before anybody else sees it
 *     active      a bit for each port that is in use
 *     table       which port a MAC address was last seen at
 *     control     a structure for each port
 *     rings       for each port, the queue of what it has still to receive: words that say where a frame is
 *     areas       for each port, the frames that it has sent
 *
 * All of it is shared with whoever may join, so nothing in it is believed. Sizes and places come from the header once,
 * checked (geometry.c), and are kept in private memory; everything else is read once and checked before it is used.
 *
 * A *position* is a place in an area, in units of SHM_LINE bytes, that goes on counting when the area has come to its
 * end and begins anew: so a position is used once. The *index* of a ring likewise counts all words that it ever had.
 */
#ifndef IOTH_SHM_LAYOUT_H
#define IOTH_SHM_LAYOUT_H

#include <linux/virtio_net.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SHM_MAGIC "iothshm1"
#define SHM_LINE 64
#define SHM_PAGE 4096
#define SHM_PORTS_MAX 4096 /* as many as 12 bits tell apart */
#define SHM_SLOTS_MIN 64
#define SHM_SLOTS_MAX 65536
#define SHM_MTU_MIN 68
#define SHM_MTU_MAX 9216
#define SHM_AREA_MIN (512 * 1024) /* room for several of the largest segments */
#define SHM_AREA_PER_SLOT 1024
#define SHM_FRAME_MIN 14      /* an Ethernet header */
#define SHM_FRAME_EXTRA 18    /* an Ethernet header with a VLAN tag: what a frame has beyond the MTU */
#define SHM_SEGMENT_MAX 65553 /* largest segment with an offload header, Ethernet header first */
#define SHM_DESCRIPTION 48

/** struct shm_header - at the beginning; host byte order, as all of it */
struct shm_header {
	char magic[8];
	uint32_t ports;           /* a multiple of 64 */
	uint32_t slots;           /* words in a ring, a power of two */
	uint32_t mtu;             /* of the frames that a port without offload gets */
	uint32_t age;             /* seconds after which an address that was not seen is forgotten */
	uint64_t size;            /* of everything */
	_Atomic uint32_t watched; /* not 0: there may be ports that monitor. Another number for each that comes */
};
_Static_assert(sizeof(struct shm_header) <= SHM_LINE, "what follows it begins at the next line");

/** struct shm_counters - of one direction; written by the port alone */
struct shm_counters {
	alignas(SHM_LINE) _Atomic uint64_t frames;
	_Atomic uint64_t bytes;
	_Atomic uint64_t full;  /* sent: were lost for a port that did not read: its queue was full, or our area */
	_Atomic uint64_t lost;  /* sent: not sendable; received: overwritten before they were read, or nonsense */
	_Atomic uint64_t wakes; /* sent: system calls made to wake a receiver; received: times it went to sleep */
};

/** struct shm_control - what a port shows to the others */
struct shm_control {
	/* the owner; read by all for each frame, changed seldom */
	alignas(SHM_LINE) _Atomic uint32_t generation; /* odd: in use */
	_Atomic uint32_t features;                     /* SHM_OFFLOAD, SHM_UDP, SHM_MONITOR */
	uint32_t pid, uid;                             /* to be shown to people, no more */
	char description[SHM_DESCRIPTION];
	/* its senders */
	alignas(SHM_LINE) _Atomic uint64_t tail; /* index of the next word of the ring, or before */
	_Atomic uint32_t asleep;                 /* not 0: wake me, and make it 0 unless it has changed meanwhile */
	/* the owner as receiver */
	alignas(SHM_LINE) _Atomic uint64_t
	        head; /* index of the next word that it looks at: all before were dealt with */
	/* the owner as sender */
	alignas(SHM_LINE) _Atomic uint64_t
	        floor; /* what lies before this position in its area may have been overwritten */
	struct shm_counters sent, received;
};
_Static_assert(sizeof(struct shm_control) == 6 * SHM_LINE, "one line for each writer");

#define SHM_OFFLOAD 1U /* takes segments and unfinished checksums */
#define SHM_UDP 4U     /* of UDP, too: trains of datagrams */
#define SHM_MONITOR 2U /* gets a copy of every frame, as it is, and sends none */

/** struct shm_record - before each frame in an area, at the beginning of a line */
struct shm_record {
	uint64_t position;
	uint32_t len;
	uint32_t reserved;
	struct virtio_net_hdr vnet; /* all zero: finished */
	unsigned char padding[6];
};
_Static_assert(sizeof(struct shm_record) == 32, "half a line");

/** struct shm_entry - an address in the table */
struct shm_entry {
	_Atomic uint64_t key;        /* the address in the upper 48 bits, the port in the lower 16; 0: none */
	_Atomic uint32_t seen;       /* when it last sent: seconds of CLOCK_MONOTONIC */
	_Atomic uint32_t generation; /* of the port then */
};
#define SHM_WAYS (SHM_LINE / sizeof(struct shm_entry)) /* places for one address */

/** struct shm_geometry - what lies where: a private copy of what the header says, checked */
struct shm_geometry {
	uint32_t ports, slots, mtu, age;
	uint32_t buckets;                            /* lines of the table, a power of two */
	uint32_t units;                              /* lines of an area, a power of two */
	size_t active, table, control, rings, areas; /* offsets */
	size_t size;
};

/**
 * shm_geometry_make - from what somebody asked for or what the header of a network says
 *
 * Returns 0, or -EINVAL when a number is outside its limits: @out is all right then, or not touched.
 */
int shm_geometry_make(uint32_t ports, uint32_t slots, uint32_t mtu, uint32_t age, struct shm_geometry *out);

#endif
