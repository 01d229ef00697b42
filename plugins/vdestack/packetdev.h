/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* packetdev.h - the packet socket at the other end of an interface, as the device of a port (link.h) */
#ifndef VDESTACK_PACKETDEV_H
#define VDESTACK_PACKETDEV_H

#include "link.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/** struct packetdev - a device */
struct packetdev {
	int fd;                   /* packet socket, owned by whoever made the device */
	uint32_t peer;            /* the interface it is bound to */
	atomic_int error;         /* why the port went down; 0 while it works */
	_Atomic uint64_t dropped; /* frames that could not be passed on */
};

extern const struct link_device packetdev_ops;

/** packetdev_gone - has the interface been deleted? */
bool packetdev_gone(const struct packetdev *device);

/** packetdev_unjumbo - take the length of a jumbogram out of a segment of more than LINK_SEGMENT_MAX bytes, which goes out in
 * parts that say their own */
void packetdev_unjumbo(struct link_frame *frame);

/**
 * packetdev_tag - put a VLAN tag back in its place
 * @frame: its data has four bytes of room before it
 * @tpid, @tci: the tag, host byte order
 */
void packetdev_tag(struct link_frame *frame, uint16_t tpid, uint16_t tci);

#endif
