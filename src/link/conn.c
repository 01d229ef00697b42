/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conn.c - a connection to a VDE network, made fit for an event loop.
 *
 * vde_recv and vde_send promise nothing about blocking: the modules of libvdeplug pass their flags on to nobody. What
 * keeps a loop from being blocked depends on what vde_datafd is:
 *
 *     a socket (ptp, vde, udp, vxlan, slirp, seqpacket) or a device (tap): O_NONBLOCK on it is all that is needed;
 *     an epoll set (switch, hub, vxvde) or an eventfd (null): vde_recv waits for the set whatever we do, so poll(2)
 *         says beforehand whether it would; sending uses other descriptors, which do not block, frames are dropped;
 *     a pipe (cmd): O_NONBLOCK would tear frames apart, so it is polled too; a program that writes half a frame and
 *         stops, or stops reading, does block the loop. Use it with programs that you trust.
 *
 * Between a switch and its clients, and between the two ends of ptp, a frame is a datagram of the data descriptor, and
 * nothing else happens when one is sent or received (*plain*). There the kernel takes and gives a burst of frames in
 * one system call, for which one cannot ask vde_recv and vde_send. What it refuses goes through vde_send, so that the
 * module finds out. There the kernel also knows, when asked (SO_PASSCRED, unix(7)), which process sends: a switch that
 * has become a daemon is another than it was when it began to listen, which is what SO_PEERCRED would tell.
 *
 * A network in shared memory (shm, src/shm) waits for nothing when it is told not to, and its module has functions for
 * more than finished frames. There is no descriptor that says when there is room again: who has to wait looks again
 * after a while.
 *
 * An end of a ptp network finds out that its peer has gone when it next sends a frame, which is lost. Until then the
 * kernel counts it as connected, and vde_open of a new peer fails with EPERM: nothing tells a datagram socket before.
 *
 * A connection belongs to whoever opened it and is used by one thread at a time; it has no lock.
 */
#include "private.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libvdeplug_mod.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define ASK_BURSTS 64           /* in which the sender ought to be told: more than can have waited before */
#define QUEUE_SIZE (512 * 1024) /* of a socket of the network; the kernel doubles it: a batch of the largest frames */

/** struct lane - the message headers of a burst; they belong to the thread */
struct lane {
	struct mmsghdr msg[LINK_BURST];
	struct iovec iov[LINK_BURST];
	_Alignas(struct cmsghdr) unsigned char sender[CMSG_SPACE(sizeof(struct ucred))]; /* of the first */
};

static _Thread_local struct lane lane;

/** error_of - the negative errno of a libvdeplug call that has failed; errno was cleared before it */
static int error_of(void)
{
	return errno ? -errno : -EIO;
}

/** enlarge_queues - the defaults hold a dozen jumbo frames; where the system limits us, so be it */
static void enlarge_queues(int fd)
{
	int size = QUEUE_SIZE;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

/** make_nonblocking - see above; sets conn->guarded when polling is what is needed; 0 or a negative errno */
static int make_nonblocking(struct link__conn *conn)
{
	struct stat st;
	int flags;

	if (fstat(conn->datafd, &st) != 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode) && !S_ISCHR(st.st_mode)) {
		conn->guarded = true;
		return 0;
	}
	if (S_ISSOCK(st.st_mode))
		enlarge_queues(conn->datafd);
	flags = fcntl(conn->datafd, F_GETFL);
	if (flags < 0 || fcntl(conn->datafd, F_SETFL, flags | O_NONBLOCK) != 0)
		return -errno;
	return 0;
}

/** socket_option - an option of a socket that is a number; -1: it is none */
static int socket_option(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

/** is_plain - is each frame a datagram of the data descriptor, and that is all? By the file of the module, since a locator may
 * name it in several ways */
static bool is_plain(const struct link__conn *conn)
{
	static const char *const modules[] = {"libvdeplug_ptp.so", "libvdeplug_vde.so"};
	const char *name;
	Dl_info info;

	if (socket_option(conn->datafd, SO_DOMAIN) != AF_UNIX || socket_option(conn->datafd, SO_TYPE) != SOCK_DGRAM ||
	    !dladdr((void *)(uintptr_t)conn->vde->module->vde_recv, &info) || !info.dli_fname)
		return false;
	name = strrchr(info.dli_fname, '/');
	name = name ? name + 1 : info.dli_fname;
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		if (strcmp(name, modules[i]) == 0)
			return true;
	return false;
}

/** find_shm - the functions that only a module for shared memory has; NULL: it is another */
static const struct vde_shm_ops *find_shm(const VDECONN *vde)
{
	const struct vde_shm_ops *ops = vde->handle ? dlsym(vde->handle, "vdeplug_shm_ops") : NULL;

	return ops && ops->size >= sizeof(*ops) ? ops : NULL;
}

int link__conn_open(struct link__conn *conn, const char *vnl, const char *description)
{
	char *url = strdup(vnl), *descr = strdup(description);
	int err = -ENOMEM;

	*conn = (struct link__conn){.datafd = -1, .ctlfd = -1};
	if (!url || !descr)
		goto out;
	errno = 0;
	conn->vde = vde_open(url, descr, NULL);
	if (!conn->vde) {
		err = error_of();
		goto out;
	}
	conn->shm = find_shm(conn->vde);
	conn->datafd = vde_datafd(conn->vde);
	conn->ctlfd = vde_ctlfd(conn->vde);
	err = conn->datafd < 0 ? -EOPNOTSUPP : make_nonblocking(conn);
	if (err)
		link__conn_close(conn);
	else
		conn->plain = is_plain(conn);
out:
	free(url);
	free(descr);
	return err;
}

void link__conn_close(struct link__conn *conn)
{
	vde_close(conn->vde);
	conn->vde = NULL;
}

/**
 * close_watched - close our copies of the sockets that the epoll set @epfd watches
 *
 * They are those of a switch that runs in the parent: while a copy is open here, its clients do not see it go. The
 * kernel names them by the descriptors and inodes they have in the parent; by the inode we know whether ours is the
 * same.
 */
static void close_watched(int epfd)
{
	char path[48], line[256];
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", epfd);
	info = fopen(path, "re");
	if (!info)
		return;
	while (fgets(line, sizeof(line), info)) {
		const char *ino = strstr(line, "ino:");
		struct stat st;
		int fd;

		if (sscanf(line, "tfd: %d", &fd) != 1 || !ino)
			continue;
		if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == strtoul(ino + 4, NULL, 16))
			close(fd);
	}
	fclose(info);
}

void link__conn_abandon(struct link__conn *conn)
{
	/* vde_close would unlink the sockets of the parent, which is using them. */
	if (conn->guarded)
		close_watched(conn->datafd);
	close(conn->datafd);
	if (conn->ctlfd >= 0)
		close(conn->ctlfd);
	conn->vde = NULL;
}

bool link__peer_error(int error)
{
	switch (-error) {
	case ECONNREFUSED:
	case ECONNRESET:
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENETUNREACH:
	case EMSGSIZE:
		return true;
	default:
		return false;
	}
}

/** shm_flags - for receiving from shared memory */
static int shm_flags(const struct link__conn *conn)
{
	return MSG_DONTWAIT | (conn->awake ? VDE_SHM_AWAKE : 0);
}

int link__conn_recv(struct link__conn *conn, void *frame, size_t size, bool ready)
{
	ssize_t len;

	if (conn->shm)
		return (int)conn->shm->recv(conn->vde, NULL, frame, size, shm_flags(conn));
	if (conn->guarded && !ready) {
		struct pollfd p = {.fd = conn->datafd, .events = POLLIN};

		if (poll(&p, 1, 0) <= 0)
			return -EAGAIN;
	}
	errno = 0;
	len = vde_recv(conn->vde, frame, size, MSG_DONTWAIT);
	if (len < 0)
		return errno == EINTR ? -EAGAIN : error_of();
	return (int)len;
}

int link__conn_send(struct link__conn *conn, const void *frame, size_t len)
{
	errno = 0;
	return vde_send(conn->vde, frame, len, MSG_DONTWAIT) < 0 ? error_of() : 0;
}

/** lane_fill - message headers for these frames */
static void lane_fill(const struct link_frame *frames, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		lane.iov[i] = (struct iovec){frames[i].data, frames[i].len};
		lane.msg[i].msg_hdr = (struct msghdr){.msg_iov = &lane.iov[i], .msg_iovlen = 1};
	}
}

bool link__conn_served(const struct link__conn *conn)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	/* Who has made the socket to which we have connected, and perhaps left it to a child. */
	return conn->plain && conn->ctlfd >= 0 && getsockopt(conn->ctlfd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       cred.pid != getpid();
}

/** ask_sender - from now on the kernel is to say who sends; or not any more */
static void ask_sender(struct link__conn *conn, bool wanted)
{
	int on = wanted;

	conn->asking = wanted ? ASK_BURSTS : 0;
	setsockopt(conn->datafd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

pid_t link__conn_sender(struct link__conn *conn)
{
	if (conn->asking == 0)
		ask_sender(conn, true);
	return conn->sender;
}

/** hear - the kernel has been asked: who has sent this? Frames that waited before have no sender, nor have those of a process
 * that cannot be seen from here */
static void hear(struct link__conn *conn, struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	struct ucred cred = {0};

	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_CREDENTIALS)
		memcpy(&cred, CMSG_DATA(cmsg), sizeof(cred));
	if (cred.pid == 0 && --conn->asking > 0)
		return;
	conn->sender = cred.pid;
	ask_sender(conn, false);
}

/** recv_burst - see link__conn_recv_frames; of a plain network */
static int recv_burst(struct link__conn *conn, struct link_frame *frames, unsigned int count, bool *more)
{
	int got;

	count = count < LINK_BURST ? count : LINK_BURST;
	lane_fill(frames, count);
	if (conn->asking > 0) {
		lane.msg[0].msg_hdr.msg_control = lane.sender;
		lane.msg[0].msg_hdr.msg_controllen = sizeof(lane.sender);
	}
	got = recvmmsg(conn->datafd, lane.msg, count, MSG_DONTWAIT, NULL);
	if (got < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (conn->asking > 0)
		hear(conn, &lane.msg[0].msg_hdr);
	for (int i = 0; i < got; i++)
		frames[i].len = lane.msg[i].msg_len;
	*more = (unsigned int)got == count;
	return got;
}

int link__conn_recv_frames(struct link__conn *conn, struct link_frame *frames, unsigned int count, bool ready,
                           bool *more)
{
	int len;

	*more = true;
	if (conn->plain)
		return recv_burst(conn, frames, count, more);
	if (conn->offload)
		len = (int)conn->shm->recv(conn->vde, &frames->vnet, frames->data, frames->len,
		                           shm_flags(conn) | VDE_SHM_WHOLE);
	else
		len = link__conn_recv(conn, frames->data, frames->len, ready);
	if (len < 0)
		return len;
	frames->len = (uint32_t)len;
	return 1;
}

int link__conn_send_frames(struct link__conn *conn, const struct link_frame *frames, unsigned int count)
{
	int err;

	if (conn->plain && count > 1) {
		int sent;

		count = count < LINK_BURST ? count : LINK_BURST;
		lane_fill(frames, count);
		sent = sendmmsg(conn->datafd, lane.msg, count, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent > 0)
			return sent;
		if (errno == EAGAIN)
			return -EAGAIN;
	}
	err = link__conn_send(conn, frames->data, frames->len);
	return err ? err : 1;
}

void link__conn_offload(struct link__conn *conn, bool trains)
{
	conn->offload = conn->shm && conn->shm->offload(conn->vde, trains ? VDE_SHM_UDP : VDE_SHM_TCP) == 0;
}

size_t link__conn_next(const struct link__conn *conn)
{
	ssize_t len = conn->shm->next(conn->vde);

	return len > 0 ? (size_t)len : 0;
}

void link__conn_rest(struct link__conn *conn)
{
	if (!conn->awake)
		return;
	conn->awake = false;
	conn->shm->rest(conn->vde);
}

int link__conn_send_frame(struct link__conn *conn, const struct link_frame *frame)
{
	ssize_t n = conn->shm->send(conn->vde, &frame->vnet, frame->data, frame->len, MSG_DONTWAIT);

	return n < 0 ? (int)n : 0;
}

int link__conn_send_pieces(struct link__conn *conn, const struct virtio_net_hdr *vnet, const struct iovec *piece,
                           unsigned int pieces)
{
	return conn->shm->sendv(conn->vde, vnet, piece, pieces, MSG_DONTWAIT);
}
