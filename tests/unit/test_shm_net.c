/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_shm_net.c - shm:// networks as programs see them, through vde_open(3): who gets which frame, waking, full
 * queues, offload.
 */
#include "shm_ports.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net.h"
#include "sanitizer.h"
#include "vdeplug_shm.h"
#include "wait.h"

/* --------------------------------------------------------------------------------------------------------- switch */

static void frames_go_where_they_should(void **state)
{
	VDECONN *a = port(), *b = port(), *c = port();

	(void)state;
	/* unknown, so to all, but not back */
	say(a, 2, 1, 10);
	assert_int_equal(heard(b), 10);
	assert_int_equal(heard(c), 10);
	assert_int_equal(heard(a), -1);
	/* learnt */
	say(b, 1, 2, 11);
	assert_int_equal(heard(a), 11);
	assert_int_equal(heard(c), -1);
	say(a, 2, 1, 12);
	assert_int_equal(heard(b), 12);
	assert_int_equal(heard(c), -1);
	/* to all */
	say(a, 0xff, 1, 13);
	assert_int_equal(heard(b), 13);
	assert_int_equal(heard(c), 13);
	/* moved */
	say(c, 0xff, 2, 14);
	assert_int_equal(heard(a), 14);
	assert_int_equal(heard(b), 14);
	say(a, 2, 1, 15);
	assert_int_equal(heard(c), 15);
	assert_int_equal(heard(b), -1);
	/* to oneself */
	say(a, 1, 1, 16);
	assert_int_equal(heard(a), -1);
	assert_int_equal(heard(b), -1);
	assert_int_equal(heard(c), -1);
	/* gone, so unknown */
	vde_close(c);
	say(a, 2, 1, 17);
	assert_int_equal(heard(b), 17);
	vde_close(b);
	say(a, 2, 1, 18);
	vde_close(a);
}

static void a_port_number_that_is_used_again_is_somebody_else(void **state)
{
	VDECONN *a = port(), *b = port(), *c = port();

	(void)state;
	say(b, 0xff, 2, 1);
	assert_int_equal(heard(a), 1);
	assert_int_equal(heard(c), 1);
	say(a, 2, 1, 2); /* still in the queue of b */
	vde_close(b);
	b = port();
	assert_int_equal(heard(b), -1);
	say(a, 2, 1, 3);
	assert_int_equal(heard(b), 3);
	assert_int_equal(heard(c), 3); /* nobody knows where 2 is now */
	vde_close(a);
	vde_close(b);
	vde_close(c);
}

static void frames_of_all_sizes_pass(void **state)
{
	static unsigned char out[9300], in[9300];
	VDECONN *a = port(), *b = port();
	size_t len;

	(void)state;
	for (unsigned int i = 0; i < 20000; i++) {
		len = 14 + (size_t)(random() % (9234 - 14 + 1));
		frame(out, len < 18 ? 18 : len, 2, 1, i);
		for (size_t j = 18; j < len; j++)
			out[j] = (unsigned char)(i + j);
		assert_int_equal(vde_send(a, out, len, MSG_DONTWAIT), len);
		assert_int_equal(vde_recv(b, in, sizeof(in), MSG_DONTWAIT), len);
		assert_memory_equal(in, out, len);
	}
	assert_int_equal(vde_send(a, out, 13, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(vde_send(a, out, 9235, 0), -1);
	assert_int_equal(errno, EMSGSIZE);
	/* a small buffer gets the beginning */
	assert_int_equal(vde_send(a, out, 100, 0), 100);
	assert_int_equal(vde_recv(b, in, 40, MSG_DONTWAIT), 40);
	assert_memory_equal(in, out, 40);
	assert_int_equal(heard(b), -1);
	vde_close(a);
	vde_close(b);
}

static void the_mtu_is_the_creators(void **state)
{
	static unsigned char out[9300];
	VDECONN *a = join("/mtu=1500/ports=64"), *b = join("/mtu=9000");

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	frame(out, sizeof(out), 0xff, 1, 0);
	assert_int_equal(vde_send(b, out, 1518, 0), 1518);
	assert_int_equal(vde_send(b, out, 1519, 0), -1);
	assert_int_equal(errno, EMSGSIZE);
	vde_close(a);
	vde_close(b);
}

/* --------------------------------------------------------------------------------------------------------- waking */

static void a_sleeper_is_woken_once(void **state)
{
	VDECONN *a = port(), *b = port();
	char byte;

	(void)state;
	assert_false(readable(b));
	say(a, 2, 1, 0); /* one that has never received */
	assert_true(readable(b));
	assert_int_equal(heard(b), 0);
	assert_int_equal(heard(b), -1);
	assert_false(readable(b));
	say(a, 2, 1, 1);
	assert_true(readable(b));
	say(a, 2, 1, 2);
	say(a, 2, 1, 3);
	/* one datagram for three frames */
	assert_int_equal(recv(vde_datafd(b), &byte, 1, MSG_DONTWAIT), 1);
	assert_int_equal(recv(vde_datafd(b), &byte, 1, MSG_DONTWAIT), -1);
	for (int i = 1; i <= 3; i++)
		assert_int_equal(heard(b), i);
	/* awake: not a single one */
	say(a, 2, 1, 4);
	assert_false(readable(b));
	assert_int_equal(heard(b), 4);
	assert_int_equal(heard(b), -1);
	say(a, 2, 1, 5);
	assert_true(readable(b));
	/* a datagram without a frame is forgotten */
	assert_int_equal(heard(b), 5);
	assert_int_equal(heard(b), -1);
	assert_false(readable(b));
	vde_close(a);
	vde_close(b);
}

/* Programs that receive one frame each time that poll says so. */
static void it_is_readable_while_there_is_something(void **state)
{
	VDECONN *a = port(), *b = port();
	unsigned char f[64];
	uint32_t sent = 0, got = 0;

	(void)state;
	for (unsigned int i = 0; i < 3000; i++) {
		for (unsigned int n = (unsigned int)random() % 4; n > 0; n--)
			say(a, 2, 1, sent++);
		for (unsigned int n = (unsigned int)random() % 4; n > 0 && got < sent; n--) {
			ssize_t len;

			assert_true(readable(b));
			len = vde_recv(b, f, sizeof(f), 0);
			if (len == 1) /* readable for nothing */
				n++;
			else
				got++;
		}
	}
	while (readable(b))
		got += vde_recv(b, f, sizeof(f), 0) == sizeof(f);
	assert_int_equal(got, sent);
	vde_close(a);
	vde_close(b);
}

/* A sender may read the note of a sleeper, be interrupted, and take it away when another owner has the port. */
static void the_notes_of_the_next_owner_are_others(void **state)
{
	VDECONN *a = port(), *b = port();
	const struct shm_control *control;
	struct shm_net net;
	uint32_t note;

	(void)state;
	assert_int_equal(shm_net_look(shm_net, &net), 0);
	control = shm_control_of(&net, 1);
	for (unsigned int i = 0; i < 100; i++) {
		note = atomic_load(&control->asleep);
		assert_int_not_equal(note, 0);
		vde_close(b);
		b = port();
		assert_int_not_equal(atomic_load(&control->asleep), note);
	}
	shm_net_unlook(&net);
	vde_close(a);
	vde_close(b);
}

static void receiving_waits_unless_told_not_to(void **state)
{
	VDECONN *a;
	unsigned char f[64];
	int fds[2], flags;
	pid_t child;
	char byte;

	(void)state;
	if (!CHILD_MAY_START_THREADS) /* a port has one that answers newcomers */
		skip();
	a = port();
	flags = fcntl(vde_datafd(a), F_GETFL);
	assert_int_equal(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		VDECONN *b = join("");

		if (!b || write(fds[1], "x", 1) != 1)
			_exit(1);
		_exit(vde_recv(b, f, sizeof(f), 0) == 64 && f[14] == 7 ? vde_close(b) : 2);
	}
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(wait_process_blocked(child), 0);
	say(a, 0xff, 1, 7);
	{
		int status;

		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(fcntl(vde_datafd(a), F_SETFL, flags | O_NONBLOCK), 0);
	assert_int_equal(vde_recv(a, f, sizeof(f), 0), -1);
	assert_int_equal(errno, EAGAIN);
	vde_close(a);
}

/* ----------------------------------------------------------------------------------------------------- full queues */

static void a_sender_waits_for_a_full_queue_but_not_for_ever(void **state)
{
	VDECONN *a = join("/slots=64"), *b = join(""), *c = join("");
	long deadline = wait_now_ms() + WAIT_MS;
	unsigned char f[64];
	uint32_t n = 0, got;

	(void)state;
	say(b, 0xff, 2, 0);
	say(c, 0xff, 3, 0);
	assert_int_equal(heard(b), 0);
	assert_int_equal(heard(c), 0);
	frame(f, sizeof(f), 2, 1, 0);
	while (vde_send(a, f, sizeof(f), MSG_DONTWAIT) == sizeof(f))
		frame(f, sizeof(f), 2, 1, ++n);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(n, 64);
	/* others are not concerned */
	say(a, 3, 1, 1000);
	assert_int_equal(heard(c), 1000);
	/* room again */
	assert_int_equal(heard(b), 0);
	assert_int_equal(vde_send(a, f, sizeof(f), MSG_DONTWAIT), sizeof(f));
	for (got = 1; got <= 64; got++)
		assert_int_equal(heard(b), got);
	assert_int_equal(heard(b), -1);
	/* it does not move any more: after some time frames for it are lost, and sending succeeds */
	for (n = 0; n < 64; n++)
		say(a, 2, 1, n);
	while (vde_send(a, f, sizeof(f), MSG_DONTWAIT) < 0) {
		assert_int_equal(errno, EAGAIN);
		assert_true(wait_again(deadline));
	}
	assert_int_equal(vde_send(a, f, sizeof(f), MSG_DONTWAIT), sizeof(f));
	for (n = 0; n < 64; n++)
		assert_int_equal(heard(b), n);
	assert_int_equal(heard(b), -1);
	/* and it is trusted again when it has read */
	for (n = 0; n < 64; n++)
		say(a, 2, 1, n);
	assert_int_equal(vde_send(a, f, sizeof(f), MSG_DONTWAIT), -1);
	vde_close(a);
	vde_close(b);
	vde_close(c);
}

/* The areas of senders are smaller than the rings of receivers may make it seem. */
static void large_frames_fill_an_area_and_none_is_damaged(void **state)
{
	static unsigned char out[9234], in[9234];
	VDECONN *a = port(), *b = port();
	uint32_t n = 0, got = 0;

	(void)state;
	for (unsigned int round = 0; round < 50; round++) {
		for (;;) {
			frame(out, sizeof(out), 2, 1, n);
			memset(out + 18, (int)n, sizeof(out) - 18);
			if (vde_send(a, out, sizeof(out), MSG_DONTWAIT) < 0)
				break;
			n++;
		}
		assert_int_equal(errno, EAGAIN);
		for (unsigned int i = 0; i < 1 + round && got < n; i++, got++) {
			assert_int_equal(vde_recv(b, in, sizeof(in), MSG_DONTWAIT), sizeof(in));
			assert_memory_equal(in + 14, &got, 4);
			for (size_t j = 18; j < sizeof(in); j += 1000)
				assert_int_equal(in[j], (unsigned char)got);
		}
	}
	vde_close(a);
	vde_close(b);
}

static void old_frames_of_who_does_not_read_make_room_and_are_counted(void **state)
{
	static unsigned char out[9234], in[9234];
	VDECONN *a = port(), *b = port();
	long deadline = wait_now_ms() + WAIT_MS;
	struct shm_net net;
	uint64_t got = 0, sent = 1;
	int64_t since = shm_now_ns();

	(void)state;
	assert_int_equal(shm_net_look(shm_net, &net), 0);
	say(b, 2, 2, 0); /* known, so that it is waited for */
	frame(out, sizeof(out), 2, 1, 0);
	while (vde_send(a, out, sizeof(out), MSG_DONTWAIT) == sizeof(out))
		sent++;
	assert_int_equal(errno, EAGAIN);
	assert_true(sent < net.geometry.slots); /* not for lack of room in the queue */
	while (vde_send(a, out, sizeof(out), MSG_DONTWAIT) < 0) {
		assert_int_equal(errno, EAGAIN);
		assert_true(wait_again(deadline));
	}
	assert_true(shm_now_ns() - since >= 200000000);
	while (vde_recv(b, in, sizeof(in), MSG_DONTWAIT) == sizeof(in))
		got++;
	assert_true(got < sent);
	assert_int_equal(shm_control_of(&net, 0)->sent.frames, sent);
	assert_int_equal(shm_control_of(&net, 0)->sent.full, sent - got);
	assert_int_equal(shm_control_of(&net, 1)->received.lost, sent - got);
	shm_net_unlook(&net);
	vde_close(a);
	vde_close(b);
}

/* ----------------------------------------------------------------------------------------------------- offload */

static const struct vde_shm_ops *ops_of(VDECONN *conn)
{
	const struct vde_shm_ops *ops = dlsym(conn->handle, "vdeplug_shm_ops");

	assert_non_null(ops);
	return ops;
}

/** segment - a TCP segment of @len bytes to be cut into pieces of 1460 */
static void segment(unsigned char *out, size_t len, unsigned int to, struct virtio_net_hdr *vnet)
{
	frame(out, len, to, 1, 0);
	out[12] = 8;
	out[13] = 0;
	out[14] = 0x45;
	out[16] = (unsigned char)((len - 14) >> 8);
	out[17] = (unsigned char)(len - 14);
	out[23] = 6;
	out[46] = 5 << 4;
	for (size_t i = 54; i < len; i++)
		out[i] = (unsigned char)(i * 7);
	*vnet = (struct virtio_net_hdr){
	        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	        .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
	        .hdr_len = 54,
	        .gso_size = 1460,
	        .csum_start = 34,
	        .csum_offset = 16,
	};
}

static void segments_stay_whole_between_ports_that_want_them(void **state)
{
	static unsigned char out[VDE_SHM_SEGMENT_MAX], in[VDE_SHM_SEGMENT_MAX];
	struct virtio_net_hdr vnet, got;
	VDECONN *a = port(), *b = port();
	const struct vde_shm_ops *ops = ops_of(a);

	(void)state;
	assert_int_equal(ops->offload(a, 1), 0);
	assert_int_equal(ops->offload(b, 1), 0);
	say(b, 0xff, 2, 1);
	assert_int_equal(ops->recv(a, &got, in, sizeof(in), MSG_DONTWAIT), 64);
	assert_int_equal(got.flags, 0);
	assert_int_equal(got.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	for (size_t len = 100; len <= 65549; len += 1187) {
		segment(out, len, 2, &vnet);
		assert_int_equal(ops->next(b), 0);
		assert_int_equal(ops->send(a, &vnet, out, len, MSG_DONTWAIT), len);
		assert_int_equal(ops->next(b), len);
		assert_int_equal(ops->recv(b, &got, in, sizeof(in), MSG_DONTWAIT), len);
		assert_memory_equal(in, out, len);
		assert_memory_equal(&got, &vnet, sizeof(vnet));
	}
	assert_int_equal(ops->send(a, &vnet, out, VDE_SHM_SEGMENT_MAX + 1, MSG_DONTWAIT), -EMSGSIZE);
	/* what is large without being a segment is not sent */
	assert_int_equal(ops->send(a, NULL, out, 10000, MSG_DONTWAIT), -EMSGSIZE);
	vde_close(a);
	vde_close(b);
}

static void frames_come_in_pieces_and_whole(void **state)
{
	static unsigned char out[60000], in[VDE_SHM_SEGMENT_MAX];
	struct virtio_net_hdr vnet, got;
	VDECONN *a = port(), *b = port(), *plain = port();
	const struct vde_shm_ops *ops = ops_of(a);
	uint32_t cut = 0;
	ssize_t n;

	(void)state;
	assert_int_equal(ops->offload(a, VDE_SHM_TCP), 0);
	assert_int_equal(ops->offload(b, VDE_SHM_TCP), 0);
	say(b, 0xff, 2, 1);
	say(plain, 0xff, 3, 1);
	for (size_t first = 54; first < 20000; first += 3331) {
		struct iovec piece[3] = {{out, first}, {out + first, 0}, {out + first, sizeof(out) - first}};

		segment(out, sizeof(out), 2, &vnet);
		assert_int_equal(ops->sendv(a, &vnet, piece, 3, MSG_DONTWAIT), 0);
		/* Who has too little room for it finds it there until he has. */
		while (ops->next(b) == 64)
			assert_int_equal(ops->recv(b, &got, in, sizeof(in), MSG_DONTWAIT), 64);
		for (int i = 0; i < 3; i++)
			assert_int_equal(ops->recv(b, &got, in, sizeof(out) - 1, MSG_DONTWAIT | VDE_SHM_WHOLE),
			                 -EMSGSIZE);
		assert_int_equal(ops->next(b), sizeof(out));
		assert_int_equal(ops->recv(b, &got, in, sizeof(out), MSG_DONTWAIT | VDE_SHM_WHOLE), sizeof(out));
		assert_memory_equal(in, out, sizeof(out));
		assert_int_equal(ops->recv(b, &got, in, sizeof(out), MSG_DONTWAIT | VDE_SHM_WHOLE), -EAGAIN);
		/* Who wants it finished gets it so from the pieces. */
		segment(out, sizeof(out), 3, &vnet);
		assert_int_equal(ops->sendv(a, &vnet, piece, 3, MSG_DONTWAIT), 0);
		while ((n = vde_recv(plain, in, sizeof(in), MSG_DONTWAIT)) > 0)
			cut += n > 64 ? (uint32_t)n - 54 : 0;
		assert_int_equal(cut % (sizeof(out) - 54), 0);
		assert_true(cut > 0);
	}
	/* The header has to be in the first. */
	assert_int_equal(ops->sendv(a, NULL, (struct iovec[]){{out, 13}, {out + 13, 47}}, 2, MSG_DONTWAIT), -EINVAL);
	assert_int_equal(ops->sendv(a, NULL, NULL, 0, MSG_DONTWAIT), -EINVAL);
	vde_close(a);
	vde_close(b);
	vde_close(plain);
}

static void trains_of_datagrams_are_for_those_who_asked(void **state)
{
	static unsigned char out[42 + 3500], in[VDE_SHM_SEGMENT_MAX];
	VDECONN *a = port(), *b = port(), *c = port();
	const struct vde_shm_ops *ops = ops_of(a);
	struct virtio_net_hdr vnet, got;

	(void)state;
	assert_int_equal(ops->offload(b, VDE_SHM_UDP), 0);
	assert_int_equal(ops->offload(c, VDE_SHM_TCP), 0);
	assert_int_equal(ops->offload(c, 2), -EINVAL);
	say(b, 0xff, 2, 1);
	say(c, 0xff, 3, 1);
	segment(out, sizeof(out), 2, &vnet);
	out[23] = 17;
	vnet.gso_type = 5; /* VIRTIO_NET_HDR_GSO_UDP_L4 */
	vnet.gso_size = 1000;
	vnet.csum_offset = 6;
	assert_int_equal(ops->send(a, &vnet, out, sizeof(out), MSG_DONTWAIT), sizeof(out));
	while (ops->next(b) == 64)
		ops->recv(b, &got, in, sizeof(in), MSG_DONTWAIT);
	assert_int_equal(ops->recv(b, &got, in, sizeof(in), MSG_DONTWAIT), sizeof(out));
	assert_memory_equal(&got, &vnet, sizeof(vnet));
	out[5] = 3;
	assert_int_equal(ops->send(a, &vnet, out, sizeof(out), MSG_DONTWAIT), sizeof(out));
	while (ops->next(c) == 64)
		ops->recv(c, &got, in, sizeof(in), MSG_DONTWAIT);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(ops->recv(c, &got, in, sizeof(in), MSG_DONTWAIT), 42 + (i < 3 ? 1000 : 500));
		assert_int_equal(got.gso_type | got.flags, 0);
		assert_int_equal(in[38] << 8 | in[39], 8 + (i < 3 ? 1000 : 500));
	}
	assert_int_equal(ops->next(c), 0);
	vde_close(a);
	vde_close(b);
	vde_close(c);
}

static void others_get_finished_frames(void **state)
{
	static unsigned char out[VDE_SHM_SEGMENT_MAX], in[2000];
	VDECONN *a = port(), *b = port(), *c = port();
	const struct vde_shm_ops *ops = ops_of(a);
	const size_t len = 54 + 40 * 1460 + 100;
	struct virtio_net_hdr vnet;
	size_t at = 54;

	(void)state;
	ops->offload(a, 1);
	say(b, 0xff, 2, 1);
	assert_int_equal(heard(c), 1);
	segment(out, len, 2, &vnet);
	assert_int_equal(ops->send(a, &vnet, out, len, MSG_DONTWAIT), len);
	while (at < len) {
		ssize_t n = vde_recv(b, in, sizeof(in), MSG_DONTWAIT);

		assert_int_equal(n, len - at < 1460 ? 54 + len - at : 1514);
		assert_int_equal(in[16] << 8 | in[17], n - 14);
		assert_int_equal(in[40] << 8 | in[41], (at - 54) & 0xffff);
		assert_memory_equal(in + 54, out + at, (size_t)n - 54);
		at += (size_t)n - 54;
	}
	assert_int_equal(heard(b), -1);
	assert_int_equal(heard(c), -1);
	/* one whose header contradicts it is not sent at all */
	vnet.csum_start = 33;
	assert_int_equal(ops->send(a, &vnet, out, len, MSG_DONTWAIT), -EINVAL);
	assert_int_equal(heard(b), -1);
	vde_close(a);
	vde_close(b);
	vde_close(c);
}

/* -------------------------------------------------------------------------------------------------------- monitor */

static void a_monitor_sees_everything_once_and_sends_nothing(void **state)
{
	VDECONN *a = port(), *b = port(), *m = join("/monitor=1");
	unsigned char f[64];

	(void)state;
	assert_non_null(m);
	assert_null(join("/monitor=2"));
	assert_int_equal(errno, EINVAL);
	say(a, 2, 1, 1); /* unknown */
	say(b, 1, 2, 2);
	say(a, 2, 1, 3);
	say(a, 0xff, 1, 4);
	for (uint32_t n = 1; n <= 4; n++)
		assert_int_equal(heard(m), n);
	assert_int_equal(heard(m), -1);
	assert_int_equal(heard(b), 1);
	assert_int_equal(heard(a), 2);
	assert_int_equal(heard(b), 3);
	assert_int_equal(heard(b), 4);
	frame(f, sizeof(f), 1, 3, 5);
	assert_int_equal(vde_send(m, f, sizeof(f), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(heard(a), -1);
	/* it is woken as others are */
	assert_false(readable(m));
	say(a, 2, 1, 6);
	assert_true(readable(m));
	assert_int_equal(heard(m), 6);
	/* one that goes is forgotten, and one that comes then is not */
	vde_close(m);
	say(a, 2, 1, 7);
	m = join("/monitor=1");
	assert_non_null(m);
	say(a, 2, 1, 8);
	assert_int_equal(heard(m), 8);
	vde_close(m);
	for (uint32_t n = 6; n <= 8; n++)
		assert_int_equal(heard(b), n);
	vde_close(a);
	vde_close(b);
}

static void a_monitor_holds_up_nobody(void **state)
{
	VDECONN *a = join("/slots=64"), *b = port(), *m = join("/monitor=1");
	uint32_t n, seen = 0;
	int64_t what, last = -1;

	(void)state;
	say(b, 0xff, 2, 0);
	assert_int_equal(heard(a), 0);
	assert_int_equal(heard(m), 0);
	for (n = 1; n <= 100000; n++) {
		unsigned char f[64];

		frame(f, sizeof(f), 2, 1, n);
		assert_int_equal(vde_send(a, f, sizeof(f), MSG_DONTWAIT), sizeof(f));
		assert_int_equal(heard(b), n);
	}
	/* what it still sees is what was sent, in order, but not all of it */
	while ((what = heard(m)) >= 0) {
		assert_true(what > last && what < n);
		last = what;
		seen++;
	}
	assert_in_range(seen, 0, 64);
	say(a, 2, 1, n);
	assert_int_equal(heard(m), n);
	assert_int_equal(heard(b), n);
	vde_close(a);
	vde_close(b);
	vde_close(m);
}

static void a_monitor_sees_segments_as_they_are(void **state)
{
	static unsigned char out[VDE_SHM_SEGMENT_MAX], in[VDE_SHM_SEGMENT_MAX];
	VDECONN *a = port(), *b = port(), *m = join("/monitor=1");
	const struct vde_shm_ops *ops = ops_of(a);
	const size_t len = 54 + 40 * 1460;
	struct virtio_net_hdr vnet, got;

	(void)state;
	ops->offload(a, 1);
	ops->offload(b, 1);
	say(b, 0xff, 2, 1);
	assert_int_equal(heard(m), 1);
	segment(out, len, 2, &vnet);
	for (int i = 0; i < 3; i++) {
		if (i == 2) /* it is a monitor all the same */
			assert_int_equal(ops->offload(m, 1), 0);
		assert_int_equal(ops->send(a, &vnet, out, len, MSG_DONTWAIT), len);
		if (i == 0)
			assert_int_equal(vde_recv(m, in, sizeof(in), MSG_DONTWAIT), len);
		else
			assert_int_equal(ops->recv(m, &got, in, sizeof(in), MSG_DONTWAIT), len);
		assert_memory_equal(in, out, len);
	}
	assert_memory_equal(&got, &vnet, sizeof(vnet));
	vde_close(a);
	vde_close(b);
	vde_close(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        SHM_TEST(frames_go_where_they_should),
	        SHM_TEST(a_port_number_that_is_used_again_is_somebody_else),
	        SHM_TEST(frames_of_all_sizes_pass),
	        SHM_TEST(the_mtu_is_the_creators),
	        SHM_TEST(a_sleeper_is_woken_once),
	        SHM_TEST(the_notes_of_the_next_owner_are_others),
	        SHM_TEST(it_is_readable_while_there_is_something),
	        SHM_TEST(receiving_waits_unless_told_not_to),
	        SHM_TEST(a_sender_waits_for_a_full_queue_but_not_for_ever),
	        SHM_TEST(large_frames_fill_an_area_and_none_is_damaged),
	        SHM_TEST(old_frames_of_who_does_not_read_make_room_and_are_counted),
	        SHM_TEST(segments_stay_whole_between_ports_that_want_them),
	        SHM_TEST(frames_come_in_pieces_and_whole),
	        SHM_TEST(trains_of_datagrams_are_for_those_who_asked),
	        SHM_TEST(others_get_finished_frames),
	        SHM_TEST(a_monitor_sees_everything_once_and_sends_nothing),
	        SHM_TEST(a_monitor_holds_up_nobody),
	        SHM_TEST(a_monitor_sees_segments_as_they_are),
	};

	return shm_run(tests);
}
