/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * module.c - the module of libvdeplug: shm:// networks for every program that calls vde_open(3).
 *
 * A connection is a port (net.h). Its data descriptor is the socket that wakes it. There is no control descriptor:
 * nothing can hang up.
 *
 * Without MSG_DONTWAIT and O_NONBLOCK (on the data descriptor) receiving waits for a frame, and sending waits for room,
 * looking every PAUSE_NS: a receiver that would have to tell senders that there is room could be killed before it does.
 */
#include "net.h"
#include "vdeplug_shm.h"

#include <errno.h>
#include <fcntl.h>
#include <libvdeplug_mod.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define PAUSE_NS 50000

/** struct conn - begins as struct vdeconn does */
struct conn {
	void *handle;
	struct vdeplug_module *module;
	struct shm_port port;
};

static struct shm_port *port_of(VDECONN *conn)
{
	return &((struct conn *)(void *)conn)->port;
}

/** failed - a negative errno in the way of libvdeplug */
static int failed(int err)
{
	errno = -err;
	return -1;
}

static VDECONN *open_real(char *vnl, char *description, int interface_version, struct vde_open_args *args)
{
	struct shm_options options;
	struct conn *conn;
	int err = shm_options_parse(vnl, &options);

	(void)interface_version;
	if (!err && args && args->mode && !options.mode)
		options.mode = args->mode & 0777;
	if (err || posix_memalign((void **)&conn, alignof(struct conn), sizeof(*conn)) != 0) {
		failed(err ? err : -ENOMEM);
		return NULL;
	}
	*conn = (struct conn){0};
	err = shm_net_join(&options, &conn->port);
	conn->port.monitor = options.monitor;
	if (!err) {
		err = shm_port_begin(&conn->port, description);
		if (err)
			shm_net_leave(&conn->port);
	}
	if (err) {
		free(conn);
		failed(err);
		return NULL;
	}
	return (VDECONN *)(void *)conn;
}

static int close_real(VDECONN *conn)
{
	shm_port_end(port_of(conn));
	shm_net_leave(port_of(conn));
	free(conn);
	return 0;
}

/** must_not_wait - a call that could wait is to fail instead */
static bool must_not_wait(const struct shm_port *port, int flags)
{
	return (flags & MSG_DONTWAIT) || (fcntl(port->datafd, F_GETFL) & O_NONBLOCK);
}

static ssize_t shm_ops_recv(VDECONN *conn, struct virtio_net_hdr *vnet, void *buf, size_t len, int flags)
{
	struct shm_port *port = port_of(conn);
	struct pollfd p = {.fd = port->datafd, .events = POLLIN};
	unsigned int how = (flags & VDE_SHM_AWAKE ? SHM_AWAKE : 0) | (flags & VDE_SHM_WHOLE ? SHM_WHOLE : 0);

	if (port->net->foreign)
		return -ESTALE;
	for (;;) {
		ssize_t n = shm_receive(port, vnet, buf, len, how);

		if (n != -EAGAIN || must_not_wait(port, flags))
			return n;
		/* Who was told that there is something must not be kept waiting: libvdeplug's word for a frame to be
		 * dropped. */
		if (port->stirred)
			return 1;
		if (poll(&p, 1, -1) < 0)
			return -errno;
	}
}

static int shm_ops_sendv(VDECONN *conn, const struct virtio_net_hdr *vnet, const struct iovec *piece,
                         unsigned int pieces, int flags)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	struct shm_port *port = port_of(conn);
	int err;

	if (port->net->foreign)
		return -ESTALE;
	while ((err = shm_send(port, vnet, piece, pieces)) == -EAGAIN && !must_not_wait(port, flags))
		nanosleep(&pause, NULL);
	return err;
}

static ssize_t shm_ops_send(VDECONN *conn, const struct virtio_net_hdr *vnet, const void *buf, size_t len, int flags)
{
	struct iovec piece = {(void *)(uintptr_t)buf, len};
	int err = shm_ops_sendv(conn, vnet, &piece, 1, flags);

	return err ? err : (ssize_t)len;
}

static int shm_ops_offload(VDECONN *conn, int what)
{
	struct shm_port *port = port_of(conn);

	if (port->net->foreign)
		return -ESTALE;
	if (what != 0 && what != VDE_SHM_TCP && what != VDE_SHM_UDP)
		return -EINVAL;
	shm_port_offload(port, what == 0 ? 0 : what == VDE_SHM_TCP ? SHM_OFFLOAD : SHM_OFFLOAD | SHM_UDP);
	return 0;
}

static int shm_ops_waiting(VDECONN *conn)
{
	const struct shm_port *port = port_of(conn);

	return !port->net->foreign && shm_waiting(port);
}

static void shm_ops_rest(VDECONN *conn)
{
	struct shm_port *port = port_of(conn);

	if (!port->net->foreign)
		shm_rest(port);
}

static ssize_t shm_ops_next(VDECONN *conn)
{
	const struct shm_port *port = port_of(conn);

	return port->net->foreign ? -ESTALE : (ssize_t)shm_next(port);
}

static ssize_t recv_real(VDECONN *conn, void *buf, size_t len, int flags)
{
	ssize_t n = shm_ops_recv(conn, NULL, buf, len, flags);

	return n < 0 ? failed((int)n) : n;
}

static ssize_t send_real(VDECONN *conn, const void *buf, size_t len, int flags)
{
	ssize_t n = shm_ops_send(conn, NULL, buf, len, flags);

	return n < 0 ? failed((int)n) : n;
}

static int datafd_real(VDECONN *conn)
{
	return port_of(conn)->datafd;
}

static int ctlfd_real(VDECONN *conn)
{
	(void)conn;
	return -1;
}

#pragma GCC visibility push(default)

extern const struct vde_shm_ops vdeplug_shm_ops;
const struct vde_shm_ops vdeplug_shm_ops = {
        .size = sizeof(struct vde_shm_ops),
        .offload = shm_ops_offload,
        .recv = shm_ops_recv,
        .send = shm_ops_send,
        .waiting = shm_ops_waiting,
        .next = shm_ops_next,
        .rest = shm_ops_rest,
        .sendv = shm_ops_sendv,
};

extern struct vdeplug_module vdeplug_ops;
struct vdeplug_module vdeplug_ops = {
        .vde_open_real = open_real,
        .vde_recv = recv_real,
        .vde_send = send_real,
        .vde_datafd = datafd_real,
        .vde_ctlfd = ctlfd_real,
        .vde_close = close_real,
};

#pragma GCC visibility pop
