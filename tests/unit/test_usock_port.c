/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_usock_port.c - interfaces on VDE networks, and lo: port.c on real networks, with an inet and an engine that only
 * take notice.
 */
#include "link_fake.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "drive.h"
#include "wait.h"

#define KEEP_MAX 2048

/** struct seen - a frame as inet got it */
struct seen {
	struct inet_iface *iface;
	unsigned char *frame;
	size_t len;
	void *buffer;
};

static struct usock_stack stack;
static struct usock__drive drive;
static struct inet_iface iface, lo;
static int watched[4];           /* descriptors, -1: free */
static uint32_t watched_for;     /* by the first of them */
static unsigned int buffers;     /* of the engine that are in use */
static unsigned int buffers_max; /* that it has */
static bool keep;                /* inet keeps buffers */
static struct seen seen[KEEP_MAX];
static unsigned int seen_count;
static unsigned int taps[8]; /* by PACKET_* */
static unsigned int echo;    /* frames that inet answers on lo, of those to come */
static unsigned int carrier_lost;
static struct usock__timer *due; /* NULL: none is set */
static unsigned int shown_at;    /* frames sent before the last usock__show_changed */

/* ----------------------------------------------------------------------------------- what the rest of the stack is for
 */

int usock__drive_watch(struct usock_stack *s, int fd, uint32_t events, enum usock__event event, void *object)
{
	(void)event;
	assert_ptr_equal(s, &stack);
	assert_non_null(object);
	for (unsigned int i = 0; i < 4; i++) {
		if (watched[i] < 0) {
			watched[i] = fd;
			watched_for = i == 0 ? events : watched_for;
			return 0;
		}
	}
	return -ENOSPC;
}

void usock__drive_rewatch(struct usock_stack *s, int fd, uint32_t events, enum usock__event event, void *object)
{
	assert_ptr_equal(s, &stack);
	assert_int_equal(fd, watched[0]);
	assert_int_equal(event, USOCK_EVENT_PORT);
	assert_ptr_equal(object, iface.port);
	watched_for = events;
}

void usock__drive_unwatch(struct usock_stack *s, int fd, void *object)
{
	(void)s;
	(void)object;
	for (unsigned int i = 0; i < 4; i++) {
		if (watched[i] == fd) {
			watched[i] = -1;
			return;
		}
	}
	fail_msg("%d was not watched", fd);
}

/* Looks whether the frame has left, which it must not. */
void usock__show_changed(struct usock_stack *s)
{
	assert_ptr_equal(s, &stack);
	shown_at = (unsigned int)iface.stats.tx_packets;
}

void usock__packet_tap(struct usock_stack *s, struct inet_iface *i, const unsigned char *frame, size_t len,
                       unsigned char type)
{
	(void)s;
	(void)i;
	(void)frame;
	(void)len;
	taps[type]++;
}

int64_t usock_now(struct usock_stack *s)
{
	(void)s;
	return 1;
}

void usock__timer_set(struct usock_stack *s, struct usock__timer *timer, int64_t when)
{
	assert_ptr_equal(s, &stack);
	timer->when = when;
	due = timer;
}

void usock__timer_clear(struct usock_stack *s, struct usock__timer *timer)
{
	(void)s;
	timer->when = 0;
	if (due == timer)
		due = NULL;
}

struct inet_iface *inet_iface_first(struct inet *inet)
{
	(void)inet;
	return &lo;
}

void inet_iface_carrier(struct inet_iface *i, bool carrier)
{
	assert_false(carrier);
	i->carrier = carrier;
	carrier_lost++;
}

bool inet_wants(const struct inet_iface *i, const unsigned char mac[6])
{
	return (mac[0] & 1) || memcmp(mac, i->mac, 6) == 0;
}

bool inet_input(struct inet_iface *i, unsigned char *frame, size_t len, void *buffer)
{
	assert_true(seen_count < KEEP_MAX);
	seen[seen_count++] = (struct seen){.iface = i, .frame = frame, .len = len, .buffer = buffer};
	if (echo > 0) {
		echo--;
		usock__port_transmit(&stack, &lo, frame, len);
	}
	return keep;
}

static unsigned char *rx_alloc(void *e, size_t size, void **buffer)
{
	(void)e;
	if (buffers >= buffers_max)
		return NULL;
	buffers++;
	*buffer = malloc(size + 2); /* no room but what was asked for: a checker sees more */
	assert_non_null(*buffer);
	return (unsigned char *)*buffer + 2;
}

static void rx_free(void *e, void *buffer)
{
	(void)e;
	buffers--;
	free(buffer);
}

static const struct usock_engine engine = {.name = "fake", .rx_alloc = rx_alloc, .rx_free = rx_free};
static const struct usock_engine with_segments = {
        .name = "fake", .rx_alloc = rx_alloc, .rx_free = rx_free, .offload = true};

/* ------------------------------------------------------------------------------------------------------------ the test
 */

static int remember(void **state)
{
	memset(&stack, 0, sizeof(stack));
	memset(&drive, 0, sizeof(drive));
	memset(&iface, 0, sizeof(iface));
	memset(&lo, 0, sizeof(lo));
	memset(taps, 0, sizeof(taps));
	memset(watched, -1, sizeof(watched));
	stack.drive = &drive;
	stack.engine = &engine;
	strcpy(iface.name, "vde0");
	iface.type = ARPHRD_ETHER;
	iface.flags = IFF_UP;
	iface.carrier = true;
	iface.mtu = INET_MTU_DEFAULT;
	memcpy(iface.mac, "\x02\x01\x02\x03\x04\x05", 6);
	strcpy(lo.name, "lo");
	lo.type = ARPHRD_LOOPBACK;
	lo.flags = IFF_UP | IFF_LOOPBACK;
	lo.carrier = true;
	lo.mtu = INET_MTU_LOOPBACK;
	lo.next = &iface;
	buffers = 0;
	buffers_max = 100000;
	keep = false;
	seen_count = echo = carrier_lost = 0;
	due = NULL;
	return fake_remember(state);
}

static int nothing_left(void **state)
{
	if (fake_nothing_left(state) != 0)
		return -1;
	if (buffers != 0) {
		print_error("left: %u buffers\n", buffers);
		return -1;
	}
	return 0;
}

/** port_open - the interface joins the network of the test */
static void port_open(const char *vnl)
{
	iface.vnl = (char *)(uintptr_t)vnl;
	assert_int_equal(usock__port_open(&stack, &iface), 0);
	assert_non_null(iface.port);
}

static void port_close(void)
{
	usock__port_close(&stack, &iface);
	assert_null(iface.port);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(watched[i], -1);
}

/** ready - wait until the network has something, and say so */
static void ready(void)
{
	struct pollfd p = {.fd = watched[0], .events = POLLIN};

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	usock__port_event(iface.port, USOCK_EVENT_PORT, (uint32_t)p.revents);
}

/** frame_make - a frame to @mac that is recognised again */
static void frame_make(unsigned char *frame, size_t len, unsigned int number, const void *mac)
{
	fake_pattern(frame, len, number);
	memcpy(frame, mac, 6);
}

/** drop_seen - forget what inet has seen, giving back what it kept */
static void drop_seen(void)
{
	for (unsigned int i = 0; keep && i < seen_count; i++)
		rx_free(NULL, seen[i].buffer);
	seen_count = 0;
}

static void frames_come_in_batches(void **state)
{
	struct link_conn *peer;
	unsigned char frame[1518];

	(void)state;
	port_open(fake_vnl("ptp", "net"));
	assert_int_equal(link_conn_open(fake_vnl("ptp", "net"), "peer", NULL, &peer), 0);
	for (unsigned int kept = 0; kept < 2; kept++) {
		keep = kept;
		for (unsigned int i = 0; i < 8; i++) {
			frame_make(frame, 60 + i * 200, i, iface.mac);
			assert_int_equal(link_conn_send(peer, frame, 60 + i * 200), 0);
		}
		drive.moved = false;
		ready();
		assert_true(drive.moved);
		assert_int_equal(seen_count, 8);
		for (unsigned int i = 0; i < 8; i++) {
			assert_ptr_equal(seen[i].iface, &iface);
			assert_int_equal(seen[i].len, 60 + i * 200);
			if (!kept)
				continue;
			frame_make(frame, 60 + i * 200, i, iface.mac);
			assert_memory_equal(seen[i].frame, frame, seen[i].len);
			for (unsigned int j = 0; j < i; j++)
				assert_ptr_not_equal(seen[i].buffer, seen[j].buffer);
		}
		/* There were more frames than buffers, so there are many for the next ones. */
		assert_int_equal(buffers, 16);
		drop_seen();
	}
	assert_int_equal(taps[PACKET_HOST], 16);
	/* Two stay when it has been quiet. */
	keep = false;
	for (unsigned int i = 0; i < 100; i++) {
		frame_make(frame, 60, i, iface.mac);
		assert_int_equal(link_conn_send(peer, frame, 60), 0);
		ready();
	}
	assert_int_equal(seen_count, 100);
	assert_int_equal(buffers, 2);
	port_close();
	link_conn_close(peer);
}

/** stream_send - the peer sends a TCP segment of which there is more to come, or not */
static void stream_send(struct link_conn *peer, bool goes_on)
{
	unsigned char frame[1000];
	size_t len = fake_segment(frame, 0, goes_on ? 0x10 : 0x18, sizeof(frame) - FAKE_HEADERS);

	memcpy(frame, iface.mac, 6);
	assert_int_equal(link_conn_send(peer, frame, len), 0);
}

/** fire - the time of the timer that is set has come */
static void fire(void)
{
	struct usock__timer *timer = due;

	assert_non_null(timer);
	usock__timer_clear(&stack, timer);
	timer->fire(timer);
}

static void a_stream_that_trickles_in_is_taken_in_pauses(void **state)
{
	struct link_conn *peer;

	(void)state;
	port_open(fake_vnl("ptp", "net"));
	assert_int_equal(link_conn_open(fake_vnl("ptp", "net"), "peer", NULL, &peer), 0);
	for (unsigned int i = 0; i < 8; i++) {
		assert_int_equal(watched_for, EPOLLIN);
		assert_null(due);
		stream_send(peer, true);
		ready();
		assert_false(usock__port_glance(&stack)); /* in vain, and no reason to think that the stream ends */
	}
	assert_int_equal(seen_count, 8);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(watched_for, 0);
		for (unsigned int j = 0; j < 5; j++)
			stream_send(peer, true);
		assert_false(usock__port_glance(&stack)); /* not even who would look anyway */
		assert_int_equal(seen_count, 8 + 5 * i);
		fire();
		assert_int_equal(seen_count, 8 + 5 * (i + 1));
	}
	stream_send(peer, false);
	fire();
	assert_int_equal(seen_count, 8 + 15 + 1);
	assert_int_equal(watched_for, EPOLLIN);
	assert_null(due);
	for (unsigned int i = 0; i < 8; i++) {
		stream_send(peer, true);
		ready();
	}
	fire(); /* in vain */
	assert_int_equal(watched_for, EPOLLIN);
	assert_null(due);
	/* A port that is closed leaves no timer behind. */
	for (unsigned int i = 0; i < 8; i++) {
		stream_send(peer, true);
		ready();
	}
	assert_non_null(due);
	port_close();
	assert_null(due);
	link_conn_close(peer);
}

static void what_is_not_wanted_is_not_seen(void **state)
{
	struct link_conn *peer;
	unsigned char frame[1600];

	(void)state;
	port_open(fake_vnl("ptp", "net"));
	assert_int_equal(link_conn_open(fake_vnl("ptp", "net"), "peer", NULL, &peer), 0);
	frame_make(frame, sizeof(frame), 1, "\x02\x09\x09\x09\x09\x09");
	assert_int_equal(link_conn_send(peer, frame, 60), 0);
	ready();
	assert_int_equal(seen_count, 0);
	frame_make(frame, sizeof(frame), 1, "\xff\xff\xff\xff\xff\xff");
	assert_int_equal(link_conn_send(peer, frame, 60), 0);
	frame_make(frame, sizeof(frame), 1, "\x01\x00\x5e\x00\x00\x01");
	assert_int_equal(link_conn_send(peer, frame, 1518), 0);
	assert_int_equal(link_conn_send(peer, frame, 1519), 0);
	assert_int_equal(link_conn_send(peer, frame, 1600), 0);
	ready();
	assert_int_equal(seen_count, 2);
	assert_int_equal(seen[1].len, 1518);
	assert_int_equal(iface.stats.rx_length_errors, 2);
	assert_int_equal(taps[PACKET_BROADCAST], 1);
	assert_int_equal(taps[PACKET_MULTICAST], 1);
	assert_int_equal(taps[PACKET_HOST] + taps[PACKET_OTHERHOST], 0);
	iface.mtu = INET_MTU_MAX;
	assert_int_equal(link_conn_send(peer, frame, 1600), 0);
	ready();
	assert_int_equal(seen_count, 3);
	iface.flags = 0;
	assert_int_equal(link_conn_send(peer, frame, 60), 0);
	ready();
	assert_int_equal(seen_count, 3);
	port_close();
	link_conn_close(peer);
}

/** segment - a TCP segment of @payload bytes behind a TCP header of @header, to be cut into frames of @size */
static struct link_frame segment(unsigned char *out, unsigned int header, unsigned int payload, unsigned int size)
{
	frame_make(out, 34 + header + payload, 1, iface.mac);
	out[34 + 12] = (unsigned char)(header / 4 << 4);
	return (struct link_frame){
	        .vnet = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	                 .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
	                 .hdr_len = (uint16_t)(34 + header),
	                 .gso_size = (uint16_t)size,
	                 .csum_start = 34,
	                 .csum_offset = 16},
	        .data = out,
	        .len = 34 + header + payload,
	};
}

static void a_segment_is_as_long_as_one_of_its_frames(void **state)
{
	static const struct {
		unsigned int header, payload, size;
		bool passes;
	} segments[] = {
	        {20, 30000, 1464, true},  {20, 30000, 1465, false}, {32, 30000, 1452, true}, {32, 30000, 1453, false},
	        {60, 30000, 1424, true},  {60, 30000, 1425, false}, {20, 1464, 9000, true},  {20, 1465, 9000, false},
	        {16, 30000, 1400, false}, /* no TCP header is as short: it is not known what its frames are like */
	};
	static unsigned char out[LINK_SEGMENT_MAX];
	unsigned int passed = 0;
	struct link_conn *peer;
	struct link_frame f;

	(void)state;
	stack.engine = &with_segments;
	port_open(fake_vnl("shm", "net"));
	assert_true(iface.offload);
	assert_int_equal(link_conn_open(fake_vnl("shm", "net"), "peer", NULL, &peer), 0);
	frame_make(out, 60, 0, "\x02\x09\x09\x09\x09\x09"); /* now the network knows where we are */
	memcpy(out + 6, iface.mac, 6);
	usock__port_transmit(&stack, &iface, out, 60);
	for (unsigned int i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
		f = segment(out, segments[i].header, segments[i].payload, segments[i].size);
		assert_int_equal(link_conn_send_frame(peer, &f), 0);
		ready();
		passed += segments[i].passes;
		assert_int_equal(seen_count, passed);
		assert_int_equal(iface.stats.rx_length_errors, i + 1 - passed);
		if (segments[i].passes)
			assert_int_equal(seen[passed - 1].len, f.len);
	}
	/* its TCP header is not there */
	f = segment(out, 20, 3000, 1000);
	f.vnet.csum_start = (uint16_t)(f.len - 12);
	assert_int_equal(link_conn_send_frame(peer, &f), 0);
	ready();
	assert_int_equal(seen_count, passed);
	port_close();
	link_conn_close(peer);
}

static void without_memory_frames_are_dropped(void **state)
{
	struct link_conn *peer;
	unsigned char frame[60];

	(void)state;
	port_open(fake_vnl("ptp", "net"));
	assert_int_equal(link_conn_open(fake_vnl("ptp", "net"), "peer", NULL, &peer), 0);
	frame_make(frame, sizeof(frame), 1, iface.mac);
	buffers_max = 2;
	keep = true;
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(link_conn_send(peer, frame, sizeof(frame)), 0);
	for (unsigned int i = 0; i < 2; i++)
		ready();
	assert_int_equal(seen_count, 2);
	assert_int_equal(iface.stats.rx_dropped, 2);
	drop_seen();
	assert_int_equal(link_conn_send(peer, frame, sizeof(frame)), 0);
	ready();
	assert_int_equal(seen_count, 1);
	drop_seen();
	port_close();
	link_conn_close(peer);
}

static void sending_counts_and_never_waits(void **state)
{
	unsigned char frame[1514], got[LINK_FRAME_MAX];
	struct link_conn *peer;
	unsigned int sent;

	(void)state;
	port_open(fake_vnl("ptp", "net"));
	assert_int_equal(link_conn_open(fake_vnl("ptp", "net"), "peer", NULL, &peer), 0);
	frame_make(frame, sizeof(frame), 1, iface.mac);
	while (iface.stats.tx_dropped == 0)
		usock__port_transmit(&stack, &iface, frame, sizeof(frame));
	sent = (unsigned int)iface.stats.tx_packets;
	assert_int_equal(shown_at, sent);
	assert_int_equal(iface.stats.tx_bytes, sent * sizeof(frame));
	assert_int_equal(taps[PACKET_OUTGOING], sent + 1);
	for (unsigned int i = 0; i < sent; i++)
		assert_int_equal(link_conn_recv(peer, got, sizeof(got), false), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
	assert_int_equal(link_conn_recv(peer, got, sizeof(got), false), -EAGAIN);
	/* Without carrier nothing goes, and nobody sees it go. */
	iface.carrier = false;
	usock__port_transmit(&stack, &iface, frame, sizeof(frame));
	assert_int_equal(iface.stats.tx_dropped, 2);
	assert_int_equal(taps[PACKET_OUTGOING], sent + 1);
	assert_int_equal(link_conn_recv(peer, got, sizeof(got), false), -EAGAIN);
	port_close();
	link_conn_close(peer);
}

/* What an engine sends in one go leaves in one go, in order and before what comes after. */
static void what_is_sent_in_one_go_is_kept(void **state)
{
	static unsigned char frames[40][1514];
	unsigned char got[LINK_FRAME_MAX];
	struct link_conn *peer;

	(void)state;
	port_open(fake_vnl("ptp", "net"));
	assert_int_equal(link_conn_open(fake_vnl("ptp", "net"), "peer", NULL, &peer), 0);
	for (unsigned int i = 0; i < 40; i++)
		frame_make(frames[i], 1000 + i, i, iface.mac);
	for (unsigned int round = 0; round < 3; round++) {
		unsigned int count = round == 0 ? 3 : 8;

		iface.stats.tx_packets = iface.stats.tx_bytes = 0;
		for (unsigned int i = 0; i < count; i++) {
			iface.more_out = frames[i] + 14;
			usock__port_transmit(&stack, &iface, frames[i], 1000 + i);
		}
		assert_int_equal(link_conn_recv(peer, got, sizeof(got), false), -EAGAIN);
		assert_int_equal(iface.stats.tx_packets, 0);
		if (round == 2) /* something else, which will not stay, pushes as well */
			usock__port_transmit(&stack, &iface, frames[count], 1000 + count);
		else
			usock_push(&stack);
		assert_int_equal(iface.stats.tx_packets, round == 2 ? count + 1 : count);
		for (unsigned int i = 0; i < count + (round == 2); i++) {
			assert_int_equal(link_conn_recv(peer, got, sizeof(got), false), 1000 + i);
			assert_memory_equal(got, frames[i], 1000 + i);
			iface.stats.tx_bytes -= 1000 + i;
		}
		assert_int_equal(iface.stats.tx_bytes, 0);
	}
	/* More than the network has room for. */
	iface.stats.tx_packets = 0;
	for (unsigned int i = 0; iface.stats.tx_dropped == 0; i++) {
		iface.more_out = frames[i % 40] + 14;
		usock__port_transmit(&stack, &iface, frames[i % 40], 1000);
		assert_true(iface.stats.tx_packets + iface.stats.tx_dropped <= i + 1);
		assert_true(iface.stats.tx_packets + iface.stats.tx_dropped + 16 >= i + 1);
	}
	usock_push(&stack);
	assert_int_equal(iface.stats.tx_bytes, iface.stats.tx_packets * 1000);
	for (unsigned int i = 0; i < iface.stats.tx_packets; i++)
		assert_int_equal(link_conn_recv(peer, got, sizeof(got), false), 1000);
	assert_int_equal(link_conn_recv(peer, got, sizeof(got), false), -EAGAIN);
	port_close();
	link_conn_close(peer);
}

/** comes - the number of the next frame that a peer receives; -1: none */
static int comes(struct link_conn *peer)
{
	unsigned char frame[1514], got[LINK_FRAME_MAX];

	if (link_conn_recv(peer, got, sizeof(got), false) != (int)sizeof(frame))
		return -1;
	for (int i = 0; i < 10000; i++) {
		frame_make(frame, sizeof(frame), (unsigned int)i, iface.mac);
		if (memcmp(got, frame, sizeof(frame)) == 0)
			return i;
	}
	return -1;
}

static void what_shared_memory_has_no_room_for_waits(void **state)
{
	unsigned char frame[1514];
	struct link_conn *peer;
	int sent = 0, got = 0;

	(void)state;
	port_open(fake_vnl("shm", "net"));
	assert_int_equal(link_conn_open(fake_vnl("shm", "net"), "peer", NULL, &peer), 0);
	/* Until frames wait, and some more. */
	for (int more = 0; more < 10; more += due != NULL) {
		assert_true(sent < 5000);
		frame_make(frame, sizeof(frame), (unsigned int)sent++, iface.mac);
		usock__port_transmit(&stack, &iface, frame, sizeof(frame));
	}
	assert_int_equal(iface.stats.tx_packets, sent);
	assert_int_equal(iface.stats.tx_dropped, 0);
	/* Each time it is tried there is room for what the peer has read; nothing is lost, and the order is kept. */
	while (due) {
		struct usock__timer *timer = due;

		assert_int_equal(comes(peer), got++);
		timer->when = 0;
		due = NULL;
		timer->fire(timer);
	}
	while (got < sent)
		assert_int_equal(comes(peer), got++);
	assert_int_equal(comes(peer), -1);
	/* An interface that is taken down forgets what still waits. */
	while (!due)
		usock__port_transmit(&stack, &iface, frame, sizeof(frame));
	iface.flags = 0;
	for (got = 0; comes(peer) >= 0; got++)
		;
	assert_true(got > 0);
	due->when = 0;
	due->fire(due);
	assert_int_equal(due->when, 0);
	due = NULL;
	assert_int_equal(comes(peer), -1);
	iface.flags = IFF_UP;
	/* One that is deleted does as well. */
	while (!due)
		usock__port_transmit(&stack, &iface, frame, sizeof(frame));
	port_close();
	assert_null(due);
	link_conn_close(peer);
}

static void a_dummy_takes_everything(void **state)
{
	unsigned char frame[60] = {0};

	(void)state;
	usock__port_transmit(&stack, &iface, frame, sizeof(frame));
	assert_int_equal(iface.stats.tx_packets, 1);
	/* One that was to have a network, and has lost it, does not. */
	iface.vnl = (char *)(uintptr_t) "null://";
	usock__port_transmit(&stack, &iface, frame, sizeof(frame));
	assert_int_equal(iface.stats.tx_packets, 1);
	assert_int_equal(iface.stats.tx_dropped, 1);
	usock__port_close(&stack, &iface);
}

static void a_network_may_go_away(void **state)
{
	struct fake hub;
	struct pollfd p;

	(void)state;
	fake_init(&hub);
	assert_int_equal(fake_open(&hub, fake_vnl("switch", "net"), "vde0", NULL), 0);
	port_open(fake_vnl("vde", "net"));
	p = (struct pollfd){.fd = watched[1], .events = POLLIN | POLLRDHUP};
	fake_close(&hub);
	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	usock__port_event(iface.port, USOCK_EVENT_PORT_CTL, (uint32_t)p.revents);
	assert_int_equal(carrier_lost, 1);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(watched[i], -1);
	/* An event that was fetched before. */
	usock__port_event(iface.port, USOCK_EVENT_PORT, EPOLLIN);
	usock__port_event(iface.port, USOCK_EVENT_PORT_CTL, EPOLLIN);
	assert_int_equal(carrier_lost, 1);
	port_close();
}

static void a_network_that_is_not_there_is_an_error(void **state)
{
	(void)state;
	iface.vnl = (char *)(uintptr_t)fake_vnl("vde", "nowhere");
	assert_int_equal(usock__port_open(&stack, &iface), -ENOENT);
	assert_null(iface.port);
	/* No room in the set of descriptors. */
	memset(watched, 0, sizeof(watched));
	iface.vnl = (char *)(uintptr_t)fake_vnl("ptp", "net");
	assert_int_equal(usock__port_open(&stack, &iface), -ENOSPC);
	assert_null(iface.port);
}

static void a_stack_may_join_its_own_switch(void **state)
{
	struct inet_iface second = iface;
	unsigned char frame[60];
	struct pollfd p;

	(void)state;
	port_open(fake_vnl("switch", "net"));
	/* The switch answers only while somebody receives from it, and that is us. */
	strcpy(second.name, "vde1");
	second.mac[5]++;
	second.vnl = (char *)(uintptr_t)fake_vnl("vde", "net");
	stack.inet = (struct inet *)(uintptr_t)&stack;
	assert_int_equal(usock__port_open(&stack, &second), 0);
	frame_make(frame, sizeof(frame), 1, iface.mac);
	usock__port_transmit(&stack, &second, frame, sizeof(frame));
	while (seen_count == 0)
		ready();
	assert_int_equal(seen_count, 1);
	assert_ptr_equal(seen[0].iface, &iface);
	assert_int_equal(seen[0].len, sizeof(frame));
	frame_make(frame, sizeof(frame), 1, second.mac);
	memcpy(frame + 6, iface.mac, 6);
	usock__port_transmit(&stack, &iface, frame, sizeof(frame));
	p = (struct pollfd){.fd = watched[1], .events = POLLIN};
	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	usock__port_event(second.port, USOCK_EVENT_PORT, EPOLLIN);
	assert_int_equal(seen_count, 2);
	assert_ptr_equal(seen[1].iface, &second);
	/* What is not there is an error in this way, too. */
	usock__port_close(&stack, &second);
	second.vnl = (char *)(uintptr_t)fake_vnl("vde", "nowhere");
	assert_int_equal(usock__port_open(&stack, &second), -ENOENT);
	stack.inet = NULL;
	port_close();
}

/* -------------------------------------------------------------------------------------------------------------- lo */

static void what_is_sent_on_lo_comes_back_in_order(void **state)
{
	unsigned char frame[300];

	(void)state;
	keep = true;
	assert_false(usock__loopback_run(&stack));
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < 100; i++) {
			frame_make(frame, 60 + i, i, lo.mac);
			usock__port_transmit(&stack, &lo, frame, 60 + i);
		}
		assert_true(usock__loopback_pending(&stack));
		assert_int_equal(seen_count, 0);
		assert_true(usock__loopback_run(&stack));
		assert_false(usock__loopback_pending(&stack));
		assert_int_equal(seen_count, 100);
		for (unsigned int i = 0; i < 100; i++) {
			frame_make(frame, 60 + i, i, lo.mac);
			assert_int_equal(seen[i].len, 60 + i);
			assert_memory_equal(seen[i].frame, frame, 60 + i);
			assert_ptr_equal(seen[i].iface, &lo);
		}
		drop_seen();
	}
	assert_int_equal(taps[PACKET_OUTGOING], 300);
	assert_int_equal(taps[PACKET_HOST], 300);
	assert_int_equal(lo.stats.tx_packets, 300);
	usock__loopback_clear(&stack);
	usock__loopback_clear(&stack);
}

static void what_is_answered_on_lo_comes_back_too(void **state)
{
	unsigned char frame[60];

	(void)state;
	frame_make(frame, sizeof(frame), 1, lo.mac);
	/* More than fit into the ring at first, while it is being emptied; more than a turn takes. */
	for (unsigned int i = 0; i < 12; i++)
		usock__port_transmit(&stack, &lo, frame, sizeof(frame));
	echo = 1000;
	for (unsigned int turns = 1; usock__loopback_run(&stack); turns++)
		assert_true(turns <= 5);
	assert_int_equal(seen_count, 1012);
	assert_int_equal(buffers, 0);
	usock__loopback_clear(&stack);
}

static void lo_is_bounded(void **state)
{
	static unsigned char frame[INET_MTU_LOOPBACK + 14];

	(void)state;
	for (unsigned int i = 0; i < 2000; i++)
		usock__port_transmit(&stack, &lo, frame, 60);
	assert_int_equal(lo.stats.tx_packets, 1024);
	assert_int_equal(lo.stats.tx_dropped, 2000 - 1024);
	usock__loopback_clear(&stack);
	assert_int_equal(buffers, 0);
	for (unsigned int i = 0; i < 100; i++)
		usock__port_transmit(&stack, &lo, frame, sizeof(frame));
	assert_int_equal(lo.stats.tx_packets, 1024 + 63); /* 4 MiB */
	while (usock__loopback_run(&stack))
		;
	usock__port_transmit(&stack, &lo, frame, sizeof(frame));
	buffers_max = 0;
	usock__port_transmit(&stack, &lo, frame, sizeof(frame));
	assert_int_equal(lo.stats.tx_packets, 1024 + 64);
	/* Taken down, it delivers nothing. */
	seen_count = 0;
	lo.flags = 0;
	assert_true(usock__loopback_run(&stack));
	assert_int_equal(seen_count, 0);
	usock__loopback_clear(&stack);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, remember, nothing_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(frames_come_in_batches),
	        TEST(a_stream_that_trickles_in_is_taken_in_pauses),
	        TEST(what_is_not_wanted_is_not_seen),
	        TEST(a_segment_is_as_long_as_one_of_its_frames),
	        TEST(without_memory_frames_are_dropped),
	        TEST(sending_counts_and_never_waits),
	        TEST(what_is_sent_in_one_go_is_kept),
	        TEST(what_shared_memory_has_no_room_for_waits),
	        TEST(a_dummy_takes_everything),
	        TEST(a_network_may_go_away),
	        TEST(a_network_that_is_not_there_is_an_error),
	        TEST(a_stack_may_join_its_own_switch),
	        TEST(what_is_sent_on_lo_comes_back_in_order),
	        TEST(what_is_answered_on_lo_comes_back_too),
	        TEST(lo_is_bounded),
	};

	return cmocka_run_group_tests(tests, fake_group, NULL);
}
