/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link.h - ports on VDE networks.
 *
 * A *port* joins a VDE network (libvdeplug) on one side and a *device* on the other: the network interface of some stack.
 * The port owns the VDE connection; the device is given by the stack's plugin as a table of functions. One of a few
 * *event loops*, shared by all stacks of the process, moves frames between the two, in batches, both ways.
 *
 * Lock order and threads are described at the top of port.c and loop.c. Errors are negative errno values.
 */
#ifndef IOTH_LINK_H
#define IOTH_LINK_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)

#define LINK_FRAME_MAX 9234 /* largest frame of a VDE network: Ethernet header, VLAN tag, 9216 bytes */
#define LINK_SEGMENT_MAX 65553 /* largest segment of a device with offload: Ethernet header, VLAN tag, 65535 bytes */
#define LINK_BATCH 64       /* frames moved per system call, where the system call can move several */
#define LINK_IFNAME_MAX 16  /* IFNAMSIZ, with the final NUL */

/** struct link_frame - one Ethernet frame in a batch; the buffer belongs to the loop that moves it */
struct link_frame {
	struct virtio_net_hdr vnet; /* what is left to do, host byte order; all zero: a finished frame */
	unsigned char *data;        /* Ethernet header first, no FCS */
	uint32_t len;               /* bytes at data */
};

/**
 * struct link_device - the stack's side of a port. All functions run in the thread of the port's loop, never two at once.
 */
struct link_device {
	/* Frames from the network for the stack. Takes them all; what the stack has no room for is dropped and counted. */
	void (*input)(void *device, struct link_frame *frames, unsigned int count);
	/* Frames from the stack for the network: fills at most @count frames, each with a buffer of LINK_SEGMENT_MAX
	   bytes at data, and returns how many, 0 when there are none now, or a negative errno when the device is dead. */
	int (*output)(void *device, struct link_frame *frames, unsigned int count);
	/* The port has died by itself: @error is -ENETDOWN when the network went away, or what output returned. The port
	   moves no more frames; it still has to be closed with link_port_close, from another thread or later. */
	void (*down)(void *device, int error);
	/* The device takes several frames merged into one TCP segment with a virtio-net header, as virtio defines it: up to
	   LINK_SEGMENT_MAX bytes, the checksum left to be done. Otherwise it gets the frames as they came. What output gives
	   may always be a TCP segment of that kind or a frame with its checksum left to be done: the port finishes it. */
	bool offload;
};

/** struct link_vnl - a locator taken apart */
struct link_vnl {
	char ifname[LINK_IFNAME_MAX]; /* of the interface: given, or vdeN */
	const char *vnl;              /* the VDE network locator, inside the string that was parsed */
};

/**
 * link_vnl_parse - take "IFNAME:VNL" or "VNL" apart
 * @text: the text before its first ':' is a name when that ':' is not the one of "://"
 * @index: names the interface vde<index> when @text does not name it
 *
 * Returns 0, or -EINVAL: empty locator; a name that is empty, longer than 15 bytes, ".", "..", or has a '/', a space,
 * or a control character.
 */
int link_vnl_parse(const char *text, unsigned int index, struct link_vnl *out);

struct link_port;

struct link_port_stats {
	uint64_t input_frames, input_bytes, input_dropped;    /* network to stack */
	uint64_t output_frames, output_bytes, output_dropped; /* stack to network */
};

/**
 * link_port_open - join a network
 * @vnl: VDE network locator (without interface name)
 * @ifname: name of the interface, for the switch's port description and the capture file
 * @pcap: capture file, "%i" in it becomes the interface name; NULL for no capture
 * @ops, @device: the stack's side
 * @device_fd: becomes readable when ops->output has frames; owned by the caller, who keeps it open till after link_port_close
 * @out: the port
 *
 * Frames may move before this returns. Returns 0 or a negative errno: what vde_open set; -EINVAL; -ENOMEM; -EMFILE;
 * the errno of opening the capture file.
 */
int link_port_open(const char *vnl, const char *ifname, const char *pcap, const struct link_device *ops, void *device,
		   int device_fd, struct link_port **out);

/**
 * link_port_close - leave the network: the connection is closed and the capture flushed
 *
 * When it returns no function of the device is running or will run. Not to be called from a loop's thread.
 */
void link_port_close(struct link_port *port);

/** link_port_stats - counters since the port was opened */
void link_port_stats(struct link_port *port, struct link_port_stats *out);

#pragma GCC visibility pop

#endif
