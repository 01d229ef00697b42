/* SPDX-License-Identifier: 0BSD */
/*
 * vdeplug_shm.h - what a connection to a shm:// network can do beyond libvdeplug.h.
 *
 * libvdeplug knows nothing of it: the module exports a table of functions, to be found with dlsym(3) by the handle in
 * the connection:
 *
 *     #include <libvdeplug_mod.h>
 *     const struct vde_shm_ops *shm = dlsym(conn->handle, "vdeplug_shm_ops");
 *
 * NULL: it is a network of another kind. See libvdeplug_shm(1).
 */
#ifndef VDEPLUG_SHM_H
#define VDEPLUG_SHM_H

#include <linux/virtio_net.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#define VDE_SHM_SEGMENT_MAX 65553 /* bytes of the largest frame with offload, Ethernet header first */
#define VDE_SHM_AWAKE                                                                                                  \
	0x10000000 /* flag of recv, with MSG_DONTWAIT: we shall be looking again soon; vde_datafd need not become      \
	              readable, nor cease to be */
#define VDE_SHM_WHOLE                                                                                                  \
	0x20000000 /* flag of recv: a frame that is larger than the buffer stays there, and -EMSGSIZE is returned; next \
	              tells how large it is */

#define VDE_SHM_TCP 1 /* see offload */
#define VDE_SHM_UDP 3

struct vdeconn;

/** struct vde_shm_ops - functions of a connection; negative errno values are returned */
struct vde_shm_ops {
	size_t size; /* of this structure: what lies beyond is not there */
	/**
	 * offload - take frames with work left to do: TCP segments of up to VDE_SHM_SEGMENT_MAX bytes (GSO), checksums
	 * to be written
	 * @what: VDE_SHM_TCP; VDE_SHM_UDP: trains of UDP datagrams (VIRTIO_NET_HDR_GSO_UDP_L4) as well; 0: finished frames only
	 *
	 * Before, and for all other programs, the sender sees to it that frames are finished. From then on use recv of
	 * this table, not vde_recv. Any frame may be sent with work left to do, whatever was asked for here. Returns 0, -EINVAL.
	 */
	int (*offload)(struct vdeconn *conn, int what);
	/** recv - as vde_recv, 1 being no frame; @vnet receives what is left to be done, host byte order, as the sender
	 * says it: check it. A frame that is larger than the buffer is cut, but for VDE_SHM_WHOLE
	 */
	ssize_t (*recv)(struct vdeconn *conn, struct virtio_net_hdr *vnet, void *buf, size_t len, int flags);
	/** send - as vde_send; @vnet: what is left to be done, host byte order; NULL: nothing */
	ssize_t (*send)(struct vdeconn *conn, const struct virtio_net_hdr *vnet, const void *buf, size_t len,
	                int flags);
	/** waiting - 1: there is something to be received; 0: no. A look at memory, no more */
	int (*waiting)(struct vdeconn *conn);
	/** next - how many bytes the next frame has, as its sender says: what recv needs room for, unless that has
	 * become untrue meanwhile; 0: there is none, or it is going to be thrown away. A look at memory, no more */
	ssize_t (*next)(struct vdeconn *conn);
	/** rest - who has used VDE_SHM_AWAKE looks no more: vde_datafd tells again, of what has come already too */
	void (*rest)(struct vdeconn *conn);
	/** sendv - send, of a frame in pieces, the Ethernet header being in the first; returns 0 or a negative errno */
	int (*sendv)(struct vdeconn *conn, const struct virtio_net_hdr *vnet, const struct iovec *piece,
	             unsigned int pieces, int flags);
};

#endif
