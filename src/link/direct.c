/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * direct.c - connections of stacks that live in the process.
 *
 * Such a stack has no device between itself and the network. The thread that runs it receives and sends frame by frame,
 * where they are; what is left for us is the capture, the counters, and what libvdeplug says by its errors.
 *
 * A connection is alive until its control descriptor says that the switch has gone, or receiving fails again and
 * again. Sending never ends it: a peer that is not there may come back, as in output.c, and until then frames are lost as
 * on a cable that nobody has plugged in at the other end.
 *
 * A network in shared memory that is full has room again as soon as a receiver has read, and says after a while that it does not
 * wait any longer for one who does not. So what it has no room for waits in a queue (queue.c). Other networks are like a cable:
 * what they do not take is lost.
 *
 * Where the network takes several frames in one system call a stack may have what it sends in one go kept until it has all.
 *
 * Frames with work left to do pass through a network in shared memory as they are, if the stack has asked for that, and so they
 * are captured.
 *
 * Who runs a stack on a network in shared memory may look at the memory by himself instead of being told (link_conn_awake).
 *
 * Nothing is locked here: the stack's lock is.
 */
#include "capture.h"
#include "join.h"
#include "private.h"
#include "queue.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define FAILURES_MAX 16 /* receptions in a row that fail for no good reason, before the network counts as gone */

struct link_conn {
	struct link__conn conn;
	struct link__capture *capture; /* or NULL */
	struct link__join *kept;       /* segments to be sent as one; NULL until there are some */
	struct link_frame *burst;      /* finished frames to be sent in one system call; likewise */
	unsigned int burst_frames;
	struct link__queue queue; /* what a network in shared memory had no room for */
	bool recorded;            /* there is something for the file of the capture */
	bool dead;
	unsigned int failures;
	uint32_t incarnation; /* of the process that opened it */
	struct link_port_stats stats;
};

int link_conn_open(const char *vnl, const char *ifname, const char *pcap, struct link_conn **out)
{
	struct link_conn *conn;
	int err;

	if (!vnl || !ifname || !link__ifname_valid(ifname))
		return -EINVAL;
	conn = calloc(1, sizeof(*conn));
	if (!conn)
		return -ENOMEM;
	conn->incarnation = link__loop_incarnation();
	err = pcap ? link__capture_open(pcap, ifname, &conn->capture) : 0;
	if (err)
		goto fail;
	err = link__conn_open(&conn->conn, vnl, ifname);
	if (err)
		goto fail_capture;
	*out = conn;
	return 0;
fail_capture:
	if (conn->capture)
		link__capture_close(conn->capture);
fail:
	free(conn);
	return err;
}

void link_conn_close(struct link_conn *conn)
{
	if (conn->incarnation == link__loop_incarnation())
		link__conn_close(&conn->conn);
	else
		link__conn_abandon(&conn->conn);
	if (conn->capture)
		link__capture_close(conn->capture);
	link_conn_forget(conn);
	free(conn->kept);
	free(conn->burst);
	free(conn);
}

int link_conn_fd(const struct link_conn *conn)
{
	return conn->conn.datafd;
}

int link_conn_ctlfd(const struct link_conn *conn)
{
	return conn->conn.ctlfd;
}

bool link_conn_serves(const struct link_conn *conn)
{
	return conn->conn.guarded;
}

bool link_conn_bursts(const struct link_conn *conn)
{
	return conn->conn.plain;
}

bool link_conn_alive(struct link_conn *conn)
{
	char text[64];
	ssize_t n;

	if (conn->dead || conn->conn.ctlfd < 0)
		return !conn->dead;
	n = recv(conn->conn.ctlfd, text, sizeof(text), MSG_DONTWAIT);
	conn->dead = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
	return !conn->dead;
}

/** conn_capture - record a frame, if the connection captures */
static void conn_capture(struct link_conn *conn, const unsigned char *frame, size_t len)
{
	struct link_frame record = {.data = (unsigned char *)(uintptr_t)frame, .len = (uint32_t)len};

	if (!conn->capture)
		return;
	link__capture_write(conn->capture, &record, 1);
	conn->recorded = true;
}

/** received - what came of an attempt to receive, @len being a length or a negative errno; see link_conn_recv */
static int received(struct link_conn *conn, const unsigned char *frame, int len)
{
	if (len == -EAGAIN)
		return len;
	if (len < 0 && !link__peer_error(len)) {
		conn->dead = ++conn->failures >= FAILURES_MAX;
		return conn->dead ? -ENETDOWN : -EAGAIN;
	}
	conn->failures = 0;
	if (len < LINK_FRAME_MIN) {
		conn->stats.input_dropped += len >= 0 && len != 1; /* 1: the module has dealt with the frame itself */
		return 0;
	}
	conn->stats.input_frames++;
	conn->stats.input_bytes += (unsigned int)len;
	conn_capture(conn, frame, (size_t)len);
	return len;
}

int link_conn_recv(struct link_conn *conn, unsigned char *frame, size_t size, bool ready)
{
	return conn->dead ? -ENETDOWN : received(conn, frame, link__conn_recv(&conn->conn, frame, size, ready));
}

int link_conn_recv_frames(struct link_conn *conn, struct link_frame *frames, unsigned int count, bool ready, bool *more)
{
	int got = conn->dead ? -ENETDOWN : link__conn_recv_frames(&conn->conn, frames, count, ready, more);

	if (got < 0)
		return conn->dead || got == -EMSGSIZE ? got : received(conn, NULL, got);
	for (int i = 0; i < got; i++)
		frames[i].len = (uint32_t)received(conn, frames[i].data, (int)frames[i].len);
	return got;
}

void link_conn_awake(struct link_conn *conn)
{
	conn->conn.awake = conn->conn.shm && !conn->dead;
}

void link_conn_rest(struct link_conn *conn)
{
	link__conn_rest(&conn->conn);
}

bool link_conn_waiting(const struct link_conn *conn)
{
	return conn->conn.awake && conn->conn.shm->waiting(conn->conn.vde);
}

/** sent - what came of an attempt to send; see link_conn_send */
static int sent(struct link_conn *conn, size_t len, int err)
{
	if (err) {
		conn->stats.output_dropped++;
		return err == -EAGAIN || err == -ENOBUFS ? -EAGAIN : 0;
	}
	conn->stats.output_frames++;
	conn->stats.output_bytes += len;
	return 0;
}

unsigned int link_conn_queued(const struct link_conn *conn)
{
	return conn->queue.frames;
}

unsigned int link_conn_retry(struct link_conn *conn)
{
	while (conn->queue.frames > 0) {
		struct link_frame frame = link__queue_first(&conn->queue);

		if (!conn->dead && link__conn_send_frame(&conn->conn, &frame) == -EAGAIN)
			break;
		link__queue_drop(&conn->queue);
	}
	return conn->queue.frames;
}

void link_conn_forget(struct link_conn *conn)
{
	while (conn->queue.frames > 0)
		link__queue_drop(&conn->queue);
}

/** send_pieces - to a network in shared memory, or to the queue before it; see link_conn_send */
static int send_pieces(struct link_conn *conn, const struct virtio_net_hdr *vnet, const struct iovec *piece,
                       unsigned int pieces, size_t len)
{
	int err = link_conn_retry(conn) > 0 ? -EAGAIN : link__conn_send_pieces(&conn->conn, vnet, piece, pieces);

	if (err == -EAGAIN && link__queue_add(&conn->queue, vnet, piece, pieces, len))
		err = 0;
	return sent(conn, len, err);
}

int link_conn_send(struct link_conn *conn, const unsigned char *frame, size_t len)
{
	struct link_frame finished = {.data = (unsigned char *)(uintptr_t)frame, .len = (uint32_t)len};
	int err;

	if (conn->conn.shm)
		return link_conn_send_frame(conn, &finished);
	err = conn->dead ? -ENETDOWN : sent(conn, len, link__conn_send(&conn->conn, frame, len));
	if (!err)
		conn_capture(conn, frame, len);
	return err;
}

bool link_conn_offload(struct link_conn *conn)
{
	link__conn_offload(&conn->conn, false);
	return conn->conn.offload;
}

size_t link_conn_next(const struct link_conn *conn)
{
	return conn->dead ? 0 : link__conn_next(&conn->conn);
}

int link_conn_send_frame(struct link_conn *conn, const struct link_frame *frame)
{
	struct iovec piece = {frame->data, frame->len};
	int err = conn->dead ? -ENETDOWN : send_pieces(conn, &frame->vnet, &piece, 1, frame->len);

	if (!err)
		conn_capture(conn, frame->data, frame->len);
	return err;
}

/** keep_finished - see link_conn_keep */
static bool keep_finished(struct link_conn *conn, const struct link_frame *frame)
{
	if (!conn->burst)
		conn->burst = calloc(LINK_BURST, sizeof(*conn->burst));
	if (!conn->burst || conn->burst_frames == LINK_BURST)
		return false;
	conn->burst[conn->burst_frames++] = *frame;
	return true;
}

/** keep_segment - likewise */
static bool keep_segment(struct link_conn *conn, const struct link_frame *frame)
{
	if (!conn->kept)
		conn->kept = calloc(1, sizeof(*conn->kept));
	return conn->kept && link__join_add(conn->kept, frame);
}

bool link_conn_keep(struct link_conn *conn, const struct link_frame *frame)
{
	bool finished = frame->vnet.flags == 0;

	if (conn->dead || (finished ? !conn->conn.plain || !keep_finished(conn, frame)
	                            : !conn->conn.offload || !keep_segment(conn, frame)))
		return false;
	conn_capture(conn, frame->data, frame->len);
	return true;
}

/** send_burst - the finished frames that are kept; see link_conn_send_kept */
static unsigned int send_burst(struct link_conn *conn, size_t *bytes)
{
	unsigned int count = conn->burst_frames, done = 0, lost = 0;

	conn->burst_frames = 0;
	while (done < count) {
		int n = link__conn_send_frames(&conn->conn, conn->burst + done, count - done);

		for (int i = 0; i < n; i++) {
			sent(conn, conn->burst[done].len, 0);
			*bytes += conn->burst[done++].len;
		}
		if (n < 0) {
			sent(conn, conn->burst[done++].len, n);
			lost++;
		}
	}
	return count - lost;
}

unsigned int link_conn_send_kept(struct link_conn *conn, size_t *bytes)
{
	struct link__join *kept = conn->kept;
	unsigned int count = kept ? kept->count : 0;

	*bytes = 0;
	if (conn->burst_frames > 0)
		return send_burst(conn, bytes);
	if (count == 0)
		return 0;
	link__join_end(kept);
	kept->count = 0;
	if (conn->dead || send_pieces(conn, &kept->vnet, kept->piece, count + 1, kept->len) != 0)
		return 0;
	*bytes = kept->len + (count - 1) * (size_t)kept->first.headers;
	return count;
}

void link_conn_flush(struct link_conn *conn)
{
	if (!conn->recorded)
		return;
	conn->recorded = false;
	link__capture_flush_one(conn->capture);
}

void link_conn_stats(const struct link_conn *conn, struct link_port_stats *out)
{
	*out = conn->stats;
}
