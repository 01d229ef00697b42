/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * packetdev.c - frames in and out of a packet socket, many per system call.
 *
 * Each frame is preceded by a struct virtio_net_hdr. The stack gives TCP segments of up to 64 KiB and leaves
 * checksums to be done; the port finishes them. It takes such segments too. Frames that the port has not merged go in
 * saying nothing, so that the stack checks them itself.
 *
 * The kernel takes a VLAN tag out of a frame and hands it over beside it. Frames are received four bytes into their
 * buffer, so that the tag can be put back by moving two addresses. Into IPv6 packets that are longer than their length
 * can say it puts an option (jumbo payload, RFC 2675), which is no part of what it would put on the wire.
 *
 * The device's functions are called by one thread at a time, but by different ones for different devices. The message
 * headers they need belong to the thread.
 */
#include "packetdev.h"
#include "offload.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define TAG 4        /* bytes of a VLAN tag */
#define ADDRESSES 12 /* bytes of the two addresses a frame begins with */
#define HEADER 14    /* bytes of an Ethernet header */
#define IPV6 40      /* bytes of an IPv6 header */
#define JUMBO 8      /* bytes of a hop-by-hop header with nothing but the length of a jumbogram */
#define TPID_8021Q 0x8100

/** struct lane - the message headers for one direction */
struct lane {
	struct mmsghdr msg[LINK_BATCH];
	struct iovec iov[LINK_BATCH][2];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control[LINK_BATCH];
};

static _Thread_local struct lane lane;

/** lane_fill - headers for these frames, whose data starts @skip bytes into the buffer; @control: what is beside it, too */
static void lane_fill(struct link_frame *frames, unsigned int count, size_t skip, bool control)
{
	for (unsigned int i = 0; i < count; i++) {
		struct msghdr *msg = &lane.msg[i].msg_hdr;

		lane.iov[i][0] = (struct iovec){&frames[i].vnet, sizeof(frames[i].vnet)};
		lane.iov[i][1] = (struct iovec){frames[i].data + skip, frames[i].len - skip};
		*msg = (struct msghdr){.msg_iov = lane.iov[i], .msg_iovlen = 2};
		if (control) {
			msg->msg_control = &lane.control[i];
			msg->msg_controllen = sizeof(lane.control[i]);
		}
	}
}

/* ------------------------------------------------------------------------------------- network to the stack */

static void count_dropped(struct packetdev *device, unsigned int n)
{
	if (n)
		atomic_fetch_add_explicit(&device->dropped, n, memory_order_relaxed);
}

static void input(void *arg, struct link_frame *frames, unsigned int count)
{
	struct packetdev *device = arg;
	unsigned int done = 0, dropped = 0;

	lane_fill(frames, count, 0, false);
	while (done < count) {
		int sent = sendmmsg(device->fd, lane.msg + done, count - done, MSG_DONTWAIT);

		if (sent > 0) {
			done += (unsigned int)sent;
		} else if (errno != EINTR) {
			/* No room, or this one does not fit the interface, or there is no interface. */
			done++;
			dropped++;
		}
	}
	count_dropped(device, dropped);
}

/* ------------------------------------------------------------------------------------- the stack to network */

void packetdev_tag(struct link_frame *frame, uint16_t tpid, uint16_t tci)
{
	uint16_t tag[2] = {htons(tpid), htons(tci)};

	frame->data -= TAG;
	frame->len += TAG;
	frame->vnet.hdr_len = (uint16_t)(frame->vnet.hdr_len + TAG);
	frame->vnet.csum_start = (uint16_t)(frame->vnet.csum_start + TAG);
	memmove(frame->data, frame->data + TAG, ADDRESSES);
	memcpy(frame->data + ADDRESSES, tag, sizeof(tag));
}

void packetdev_unjumbo(struct link_frame *frame)
{
	static const unsigned char jumbo[] = {0, 0xc2, 4}; /* in units of 8 bytes, less one; option; its length */
	uint16_t type, header = link__network_header(frame->data, frame->len, &type);
	unsigned char *ip = frame->data + header;

	if (header == 0 || type != 0x86dd || ip[6] != IPPROTO_HOPOPTS ||
	    memcmp(ip + IPV6 + 1, jumbo, sizeof(jumbo)) != 0)
		return;
	ip[6] = ip[IPV6];
	memmove(frame->data + JUMBO, frame->data, (size_t)header + IPV6);
	frame->data += JUMBO;
	frame->len -= JUMBO;
	frame->vnet.hdr_len = (uint16_t)(frame->vnet.hdr_len - JUMBO);
	frame->vnet.csum_start = (uint16_t)(frame->vnet.csum_start - JUMBO);
}

/** take_tag - put back the tag that came beside frame @i, if one did */
static void take_tag(struct link_frame *frame, struct msghdr *msg)
{
	const struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	struct tpacket_auxdata aux;

	if (cmsg == NULL || cmsg->cmsg_level != SOL_PACKET || cmsg->cmsg_type != PACKET_AUXDATA ||
	    cmsg->cmsg_len < CMSG_LEN(sizeof(aux)))
		return;
	memcpy(&aux, CMSG_DATA(cmsg), sizeof(aux));
	if (aux.tp_status & TP_STATUS_VLAN_VALID)
		packetdev_tag(frame, aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : TPID_8021Q,
		              aux.tp_vlan_tci);
}

/** receive_error - what a failure to receive means: nothing now, or a negative errno for a dead device */
static int receive_error(const struct packetdev *device)
{
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	return packetdev_gone(device) ? -ENODEV : 0;
}

static int output(void *arg, struct link_frame *frames, unsigned int count)
{
	struct packetdev *device = arg;
	unsigned int dropped = 0;
	int got;

	if (count > LINK_BATCH)
		count = LINK_BATCH;
	lane_fill(frames, count, TAG, true);
	got = recvmmsg(device->fd, lane.msg, count, MSG_DONTWAIT, NULL);
	if (got < 0)
		return receive_error(device);
	for (int i = 0; i < got; i++) {
		struct link_frame *frame = &frames[i];
		struct msghdr *msg = &lane.msg[i].msg_hdr;
		unsigned int len = lane.msg[i].msg_len;

		frame->data += TAG;
		frame->len = len < sizeof(frame->vnet) ? 0 : len - (unsigned int)sizeof(frame->vnet);
		if ((msg->msg_flags & MSG_TRUNC) || frame->len < HEADER) {
			frame->len = 0; /* there is more room next time */
			dropped++;
			continue;
		}
		if (frame->len > LINK_SEGMENT_MAX)
			packetdev_unjumbo(frame);
		take_tag(frame, msg);
	}
	count_dropped(device, dropped);
	return got;
}

static void down(void *arg, int error)
{
	struct packetdev *device = arg;

	atomic_store(&device->error, error);
}

bool packetdev_gone(const struct packetdev *device)
{
	struct ifreq ifr = {.ifr_ifindex = (int)device->peer};

	/* the socket is in the hidden namespace, whichever this process is in */
	return ioctl(device->fd, SIOCGIFNAME, &ifr) < 0 && errno == ENODEV;
}

const struct link_device packetdev_ops = {.input = input, .output = output, .down = down, .offload = true};
